/* SPDX-License-Identifier: Apache-2.0 */
/* D01 to D11: descriptors sent, not taken, left behind, closed and reused. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "ipc/runtime.h"
#include "ipc/util.h"
#include "tests/attacks/attack.h"
#include "tests/attacks/hostile.h"

/* ---- D01 ---- */

#define MOST_DESCRIPTORS 253 /* SCM_MAX_FD of the kernel */

union control {
	char bytes[CMSG_SPACE(sizeof(int) * MOST_DESCRIPTORS)];
	struct cmsghdr header;
};

static ssize_t send_descriptors(size_t count)
{
	union control control = {0};
	struct iovec vector = {.iov_base = (void *)(uintptr_t) "x", .iov_len = 1};
	struct msghdr message = {.msg_iov = &vector,
				 .msg_iovlen = 1,
				 .msg_control = control.bytes,
				 .msg_controllen = CMSG_SPACE(sizeof(int) * count)};
	struct cmsghdr *header = &control.header;
	int *descriptors = (int *)(void *)CMSG_DATA(header);

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int) * count);
	for (size_t i = 0; i < count; i++)
		descriptors[i] = SP_CHANNEL_FD; /* of itself: a cycle, for the collector to find */
	return sendmsg(SP_CHANNEL_FD, &message, MSG_NOSIGNAL);
}

void attack_D01(void)
{
	struct hostile hostile;

	variants(1);
	hostile_greet(&hostile);
	for (int i = 0; i < 10000; i++)
		for (size_t count = 1; count <= MOST_DESCRIPTORS; count += MOST_DESCRIPTORS - 1)
			if (send_descriptors(count) >= 0)
				(void)
				    pause(); /* before Linux 6.16 it arrives, and is a violation */
			else if (errno != EPERM)
				broken("the kernel refuses with %s", strerror(errno));
}

/* ---- D05 ---- */

void attack_D05(void)
{
	struct hostile_request request;
	struct hostile hostile;
	uint8_t bytes[SP_SLOT_BYTES];
	size_t length;

	variants(1);
	hostile_greet(&hostile);
	hostile_lock(&hostile);
	hostile_fill_call(&request, SP_CALL_openat, in_tree("readonly/file"));
	length = hostile_encode(&request, bytes);
	for (int i = 0; i < 100000; i++) {
		hostile_post(&hostile, 0, bytes, length);
		hostile_wait(&hostile, 0);
	}
}

/* ---- D06 ---- */

#define SMALL_LIMIT 16

void prepare_small_limit(void)
{
	const struct rlimit limit = {SMALL_LIMIT, SMALL_LIMIT};

	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		broken("setrlimit: %s", strerror(errno));
}

static int open_file(void)
{
	return open(in_tree("readonly/file"), O_RDONLY | O_CLOEXEC);
}

void attack_D06(void)
{
	int last = -1, fd;

	variants(1);
	while ((fd = open_file()) >= 0)
		last = fd;
	for (int i = 0; i < 1000; i++) {
		if (open_file() >= 0 || errno != EMFILE)
			broken("an open without a free descriptor: %s", strerror(errno));
		if (i % 100 != 0)
			continue;
		(void)close(last);
		if (open_file() != last)
			broken("an open with one free descriptor: %s", strerror(errno));
	}
}

/* ---- D08 ---- */

/* The runtime still works, or fails; in no case is it somebody else's answer. */
static void expect_file(bool must_work)
{
	char bytes[6];
	int fd = open_file();

	if (fd < 0 && must_work)
		broken("an open after an attempt on the channel: %s", strerror(errno));
	if (fd < 0)
		return;
	if (read(fd, bytes, sizeof(bytes)) != sizeof(bytes) || memcmp(bytes, "plain\n", 6) != 0)
		escape("an open gave another file");
	(void)close(fd);
}

static void close_politely(void)
{
	for (int number = 3; number < 1100; number++)
		(void)close(number);
	expect_file(true);
}

static void close_all(void)
{
	(void)syscall(SYS_close_range, 3u, ~0u, 0u);
	(void)syscall(SYS_close_range, 1000u, 1030u, CLOSE_RANGE_CLOEXEC);
	expect_file(true);
}

static void replace_politely(void)
{
	for (int number = SP_RESERVED_FIRST; number <= SP_RESERVED_LAST; number++) {
		if (dup2(0, number) >= 0 || dup3(0, number, O_CLOEXEC) >= 0)
			escape("descriptor %d was replaced", number);
		if (fcntl(number, F_DUPFD, 3) >= 0)
			escape("descriptor %d was duplicated", number);
	}
	expect_file(true);
}

/* From here on with the mark by which the filter knows the runtime: who forges it harms himself. */
static void close_channel(void)
{
	(void)syscall(SYS_close, SP_CHANNEL_FD, 0, 0, 0, 0, SP_RUNTIME_MARK);
	expect_file(false);
}

static void replace_channel(void)
{
	(void)syscall(SYS_dup2, 0, SP_CHANNEL_FD, 0, 0, 0, SP_RUNTIME_MARK);
	expect_file(false);
}

static void shut_channel(void)
{
	(void)shutdown(SP_CHANNEL_FD, SHUT_RDWR);
	expect_file(false);
}

static void sweep_marked(void)
{
	(void)syscall(SYS_close_range, 3u, ~0u, 0u, 0, 0, SP_RUNTIME_MARK);
}

/* What the runtime leaves out of a listing the mark shows: numbers with which nothing can be done. */
static void list_marked(void)
{
	static char bytes[4096];
	const struct dirent64 *entry;
	int fd = open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	long length =
	    syscall(SYS_getdents64, fd, bytes, sizeof(bytes), 0, 0, (long)SP_RUNTIME_MARK);

	for (long at = 0; at < length; at += entry->d_reclen) {
		entry = (const struct dirent64 *)(bytes + at);
		if (atoi(entry->d_name) > 2 && atoi(entry->d_name) != fd &&
		    close(atoi(entry->d_name)) == 0)
			escape("descriptor %s was closed", entry->d_name);
	}
	(void)close(fd);
	expect_file(true);
}

void attack_D08(void)
{
	static attack_fn *const ways[] = {close_politely, close_all,       replace_politely,
					  close_channel,  replace_channel, shut_channel,
					  sweep_marked,   list_marked};

	/* Without a runtime no number is reserved. */
	variants(context.stage == STAGE_FLOOR ? 2 : SP_ELEMENTS(ways));
	ways[context.variant]();
}

/* ---- D09 ---- */

static void list_descriptors(void)
{
	static const int expected[] = {0, 1, 2};
	const size_t expected_count = SP_ELEMENTS(expected);
	DIR *directory = opendir("/proc/self/fd");
	struct dirent *entry;
	size_t count = 0;

	if (!directory)
		broken("/proc/self/fd: %s", strerror(errno));
	while ((entry = readdir(directory))) {
		int number = entry->d_name[0] == '.' ? -1 : atoi(entry->d_name);
		bool known = false;

		if (number < 0 || number == dirfd(directory))
			continue;
		for (size_t i = 0; i < expected_count; i++)
			known = known || number == expected[i];
		if (!known)
			escape("descriptor %d was inherited", number);
		count++;
	}
	(void)closedir(directory);
	if (count != expected_count)
		broken("%zu descriptors", count);
}

void attack_D09(void)
{
	char bytes[64];

	variants(1);
	for (int number = 3; number < SP_RESERVED_FIRST; number++) {
		ssize_t length = pread(number, bytes, sizeof(bytes), 0);

		if (length > 0)
			check_bytes("an inherited descriptor", bytes, (size_t)length);
		if (fcntl(number, F_GETFD) >= 0)
			escape("descriptor %d is open", number);
	}
	list_descriptors();
}

/* ---- D10 ---- */

static void expect_flag(int fd, int flag)
{
	if (fd < 0 || fcntl(fd, F_GETFD) != flag)
		broken("descriptor %d has not the flag %d", fd, flag);
	(void)close(fd);
}

void attack_D10(void)
{
	const char *file = in_tree("readonly/file"), *new = in_tree("allowed/new-file");

	variants(1);
	expect_flag(open(file, O_RDONLY), 0);
	expect_flag(open(file, O_RDONLY | O_CLOEXEC), FD_CLOEXEC);
	expect_flag(open(file, O_PATH), 0);
	expect_flag(open(file, O_PATH | O_CLOEXEC), FD_CLOEXEC);
	expect_flag(creat(new, 0600), 0);
	expect_flag(open(new, O_RDWR | O_CREAT | O_CLOEXEC, 0600), FD_CLOEXEC);
	expect_flag(openat(AT_FDCWD, in_tree("allowed"), O_DIRECTORY | O_RDONLY), 0);
}

/* ---- D11 ---- */

static atomic_bool stop;

/* Opens another file all the time, so that numbers are given back and taken at once. */
static void *reuse_numbers(void *name)
{
	while (!atomic_load(&stop))
		(void)close(open(name, O_RDONLY | O_CLOEXEC));
	return NULL;
}

void attack_D11(void)
{
	char other[PATH_MAX];
	pthread_t thread;

	variants(1);
	(void)snprintf(other, sizeof(other), "%s", in_tree("allowed/other"));
	if (pthread_create(&thread, NULL, reuse_numbers, other) != 0)
		broken("no thread");
	/* On a floor each takes changes of process. */
	for (int i = 0; i < (context.stage == STAGE_FLOOR && !context.thorough ? 30000 : 100000);
	     i++)
		expect_file(true);
	atomic_store(&stop, true);
	(void)pthread_join(thread, NULL);
}
