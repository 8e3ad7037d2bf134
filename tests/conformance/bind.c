/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `bind plain|locked DIRECTORY tcp|no-tcp`: binds sockets to names in a directory, of which the policy grants those below
 * "good", and "named" and what begins so, and serves on them. Exits 0, or says what was different.
 */
#include <sallyport/sandboxee.h>

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/conformance/check.h"

#define FAILS(call, error) CHECK((call) < 0 && errno == (error))
#define ROUNDS 500
#define OFFSET offsetof(struct sockaddr_un, sun_path)

static int make_socket(int type)
{
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

	CHECK(fd >= 0);
	return fd;
}

static int name_it(int fd, const char *name)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	CHECK(strlen(name) <= sizeof(address.sun_path));
	memcpy(address.sun_path, name, strlen(name));
	return bind(fd, (struct sockaddr *)&address, (socklen_t)(OFFSET + strlen(name)));
}

/* 0 or the errno. */
static int try(const char *name)
{
	int fd = make_socket(SOCK_STREAM), error = name_it(fd, name) < 0 ? errno : 0;

	CHECK(close(fd) == 0);
	return error;
}

static int reach(const char *name)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = make_socket(SOCK_STREAM);

	strcpy(address.sun_path, name);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	CHECK(close(fd) == 0);
	return -1;
}

static void names(void)
{
	char longest[109] = "";
	struct stat status;
	struct sockaddr_un address;
	socklen_t size = sizeof(address);
	int fd = make_socket(SOCK_STREAM), other = make_socket(SOCK_SEQPACKET);

	(void)umask(027);
	CHECK(name_it(fd, "named") == 0);
	CHECK(stat("named", &status) == 0 && S_ISSOCK(status.st_mode));
	CHECK((status.st_mode & 07777) == 0750);
	CHECK(getsockname(fd, (struct sockaddr *)&address, &size) == 0);
	CHECK(address.sun_family == AF_UNIX && strcmp(address.sun_path, "named") == 0);
	FAILS(name_it(fd, "named-again"), EINVAL); /* a socket has one name */
	CHECK(stat("named-again", &status) < 0 && errno == ENOENT);
	CHECK(name_it(other, "good/seqpacket") == 0 && close(other) == 0);
	CHECK(try("named") == EADDRINUSE && try("named-dangling") == EADDRINUSE);
	CHECK(try("named-file") == EADDRINUSE && try("good") == EADDRINUSE);
	CHECK(try("other") == EACCES && try("bad/named") == EACCES &&
	      try("good/../bad/x") == EACCES);
	CHECK(try("to-good/by-link") == 0 && try("to-bad/by-link") == EACCES);
	CHECK(try("good/missing/x") == ENOENT && try("good/new/") == ENOENT);
	CHECK(try("/nowhere/at/all") == EACCES);
	memset(longest, 'x', 108);
	memcpy(longest, "good/", 5);
	CHECK(try(longest) == 0 && stat(longest, &status) == 0);
	CHECK(close(fd) == 0);
	CHECK(try("named") == EADDRINUSE); /* its name outlives the socket */
}

/* What a socket bound to `name` tells of itself, and whoever connects to it by that; then the name is gone. */
static void told(const char *name, const char *expected)
{
	struct sockaddr_un own, peer;
	socklen_t own_size = sizeof(own), peer_size = sizeof(peer);
	int fd = make_socket(SOCK_STREAM), client;

	CHECK(name_it(fd, name) == 0 && listen(fd, 1) == 0);
	CHECK(getsockname(fd, (struct sockaddr *)&own, &own_size) == 0);
	CHECK(strcmp(own.sun_path, expected) == 0);
	CHECK(own_size == (socklen_t)(OFFSET + strlen(expected) + 1));
	client = reach(own.sun_path);
	CHECK(client >= 0);
	CHECK(getpeername(client, (struct sockaddr *)&peer, &peer_size) == 0);
	CHECK(peer_size == own_size && memcmp(&peer, &own, own_size) == 0);
	CHECK(unlink(expected) == 0 && close(client) == 0 && close(fd) == 0);
}

/* As natively; but a name that leads over links or dots is told without them. */
static void tellings(const char *directory)
{
	char absolute[64], roundabout[64], link[64];

	(void)snprintf(absolute, sizeof(absolute), "%s/good/told", directory);
	(void)snprintf(roundabout, sizeof(roundabout), "%s/./good//told", directory);
	(void)snprintf(link, sizeof(link), "%s/to-good/told", directory);
	told("good/told", "good/told");
	told(absolute, absolute);
	told(roundabout, absolute);
	told("./good/told", absolute);
	told("bad/../good/told", absolute);
	told("to-good/told", absolute);
	told(link, absolute);
	CHECK(chdir("good") == 0);
	told("told", "told");
	told("../good/told", absolute);
	CHECK(chdir("/") == 0);
	told(absolute + 1, absolute + 1);
	CHECK(chdir(directory) == 0);
}

/* Directories above the working one need not be open to who is in it. */
static void below_closed(const char *directory)
{
	struct stat status;

	CHECK(chdir("closed/open") == 0);
	CHECK(try("../../named-closing") == 0);
	while (stat("../../closed/open", &status) == 0)
		CHECK(sched_yield() == 0);
	CHECK(errno == EACCES);
	CHECK(try("one") == 0 && try("./two") == 0 && try("sub/three") == 0);
	CHECK(try("sub/../four") == 0 && try("sub/../four") == EADDRINUSE);
	CHECK(try("sub/missing/five") == ENOENT);
	CHECK(chdir(directory) == 0);
}

static void addresses(void)
{
	struct sockaddr_in inet = {.sin_family = AF_INET};
	struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "good/odd"};
	const struct sockaddr *name = (struct sockaddr *)&address;
	int fd = make_socket(SOCK_STREAM), pipe_ends[2], pair[2];

	FAILS(bind(fd, name, 0), EINVAL);
	FAILS(bind(fd, name, 1), EINVAL);
	FAILS(bind(fd, name, sizeof(address) + 1), EINVAL);
	FAILS(bind(fd, name, (socklen_t)-1), EINVAL);
	FAILS(bind(fd, (struct sockaddr *)8, sizeof(address)), EFAULT);
	FAILS(bind(fd, (struct sockaddr *)&inet, sizeof(inet)), EACCES);
	FAILS(bind(-1, name, sizeof(address)), EBADF);
	FAILS(bind(1000, name, sizeof(address)), EBADF);
	CHECK(pipe(pipe_ends) == 0);
	FAILS(bind(pipe_ends[0], name, sizeof(address)), ENOTSOCK);
	address.sun_path[0] = '\0';
	FAILS(bind(fd, name, sizeof(address)), EACCES);
	FAILS(bind(fd, name, OFFSET), EINVAL);
	FAILS(socket(AF_UNIX, SOCK_DGRAM, 0), EAFNOSUPPORT);
	FAILS(socket(AF_INET, SOCK_DGRAM, 0), EAFNOSUPPORT);
	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	for (int i = 0; i < 2; i++)
		CHECK(close(pair[i]) == 0 && close(pipe_ends[i]) == 0);
	CHECK(close(fd) == 0);
}

static void talk(int listener, int client)
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	char text[6] = "";

	CHECK(fd >= 0 && write(client, "hello", 5) == 5);
	CHECK(read(fd, text, 5) == 5 && strcmp(text, "hello") == 0);
	CHECK(close(fd) == 0 && close(client) == 0);
}

static void servers(bool family)
{
	int fd = make_socket(SOCK_STREAM), status, got;
	char text[5];
	pid_t child;

	CHECK(name_it(fd, "good/server") == 0);
	CHECK(reach("good/server") < 0 && errno == ECONNREFUSED);
	CHECK(listen(fd, 4) == 0);
	talk(fd, reach("good/server"));
	CHECK(reach("named") < 0 && errno == ECONNREFUSED);
	if (family) {
		child = fork();
		CHECK(child >= 0);
		if (child == 0) {
			int client = reach("good/server");

			CHECK(client >= 0 && write(client, "child", 5) == 5);
			_exit(0);
		}
		got = accept(fd, NULL, NULL);
		CHECK(got >= 0 && read(got, text, sizeof(text)) == sizeof(text));
		CHECK(memcmp(text, "child", sizeof(text)) == 0 && close(got) == 0);
		CHECK(waitpid(child, &status, 0) == child && status == 0);
	}
	CHECK(unlink("good/server") == 0 && close(fd) == 0);
	CHECK(try("good/server") == 0 && unlink("good/server") == 0);
}

static void tcp(bool given)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in any = {.sin_family = AF_INET};

	CHECK((fd >= 0) == given);
	if (!given)
		return;
	FAILS(bind(fd, (struct sockaddr *)&any, sizeof(any)), EACCES);
	FAILS(listen(fd, 1), EACCES);
	FAILS(listen(-1, 1), EBADF);
	FAILS(listen(0, 1), ENOTSOCK);
	CHECK(close(fd) == 0);
}

/* ---- another thread that changes what is looked at ---- */

static atomic_bool ended;

static void *turn(void *unused)
{
	(void)unused;
	while (!ended) {
		CHECK(symlink("bad", "next") == 0 && rename("next", "turning") == 0);
		CHECK(symlink("good", "next") == 0 && rename("next", "turning") == 0);
	}
	return NULL;
}

/* Nothing ever appears in "bad": who has it looks afterwards. */
static void bind_many(const char *directory)
{
	char name[64];

	for (int i = 0; i < ROUNDS; i++) {
		int error;

		(void)snprintf(name, sizeof(name), "%s/race-%d", directory, i);
		error = try(name);
		CHECK(error == 0 || error == EACCES || error == ENOENT || error == ELOOP ||
		      error == EADDRINUSE);
	}
}

static void race(void)
{
	pthread_t thread;

	ended = false;
	CHECK(pthread_create(&thread, NULL, turn, NULL) == 0);
	bind_many("turning");
	ended = true;
	CHECK(pthread_join(thread, NULL) == 0);
}

int main(int argc, char **argv)
{
	bool locked, given;
	char swapped[48];

	CHECK(argc == 4 && chdir(argv[2]) == 0);
	locked = strcmp(argv[1], "locked") == 0;
	given = strcmp(argv[3], "tcp") == 0;
	if (locked)
		CHECK(sp_sandboxee_enter() == 0);
	names();
	tellings(argv[2]);
	below_closed(argv[2]);
	addresses();
	servers(!locked);
	tcp(given);
	race();
	/* From here on somebody else puts a link to "bad" in its place, again and again. */
	CHECK(try("named-ready") == 0);
	bind_many("swapped");
	(void)snprintf(swapped, sizeof(swapped), "%s/swapped", argv[2]);
	bind_many(swapped);
	return 0;
}
