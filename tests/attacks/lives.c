/* SPDX-License-Identifier: Apache-2.0 */
/* B26 to H16 as far as they are about time: races that remove, files that make others wait, children, storms. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ipc/util.h"
#include "tests/attacks/attack.h"

static void expect_file(const char *name)
{
	char bytes[6];
	int fd = open(name, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || read(fd, bytes, sizeof(bytes)) != sizeof(bytes) ||
	    memcmp(bytes, "plain\n", sizeof(bytes)) != 0)
		broken("%s: %s", name, strerror(errno));
	(void)close(fd);
}

/* ---- B27 ---- */

/* Its mode forbids everybody: natively root reads it by a capability. */
void attack_B27(void)
{
	variants(1);
	try_read(in_tree("readonly/unreadable"));
	(void)chmod(in_tree("readonly/unreadable"), 0644);
	try_read(in_tree("readonly/unreadable"));
}

/* ---- B29: the harness looks whether its reports can be shown ---- */

void attack_B29(void)
{
	static const char *const names[] = {"new\nline", "\x1b]0;title\x07\x1b[2J", "\xff\xfe\x80",
					    "tab\there", "quote\"back\\slash",      "\r\x7f\x9b"};
	char name[4200];

	variants(1);
	for (size_t i = 0; i < SP_ELEMENTS(names); i++) {
		(void)snprintf(name, sizeof(name), "secret/%s", names[i]);
		try_read(in_tree(name));
		(void)rename(in_tree(name), names[i]);
	}
	memset(name, '\x1b', sizeof(name));
	for (size_t i = 200; i < 4000; i += 200)
		name[i] = '/';
	name[4000] = 0;
	try_read(name);
}

/* ---- B33 ---- */

#define ROUNDS_PLAIN 2000000
#define ROUNDS 3000

/* Somebody exchanges the directory and a link to secret/ all the while. */
static void remove_there(const char *name)
{
	(void)unlink(name);
}

static void move_from_there(const char *name)
{
	(void)rename(name, in_tree("allowed/moved"));
}

static void replace_there(const char *name)
{
	(void)close(open(in_tree("allowed/moved"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	(void)rename(in_tree("allowed/moved"), name);
}

void attack_B33(void)
{
	static void (*const ways[])(const char *name) = {remove_there, move_from_there,
							 replace_there};
	const int rounds = context.stage == STAGE_PLAIN ? ROUNDS_PLAIN : ROUNDS;
	const char *name = in_tree("allowed/race-directory/canary"),
		   *secret = in_tree("secret/canary");
	const time_t begin = time(NULL);
	struct stat before, after;

	variants(SP_ELEMENTS(ways));
	if (context.stage == STAGE_PLAIN && stat(secret, &before) < 0)
		broken("%s: %s", secret, strerror(errno));
	for (int i = 0; i < rounds || lasts(begin); i++) {
		ways[context.variant](name);
		if (context.stage == STAGE_PLAIN &&
		    (stat(secret, &after) < 0 || after.st_ino != before.st_ino))
			escape("%s was removed", secret);
		if (context.stage != STAGE_PLAIN)
			(void)close(open(name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	}
}

/* ---- D03: the memory that a call's arguments lie in goes away under it ---- */

#define DEPARTURES 500
#define DEPARTING_BYTES 4096

static int departing_file;
static char *departing, departing_name[PATH_MAX];
static atomic_bool stay;

static void map_departing(int flags, int protection)
{
	if (mmap(departing, DEPARTING_BYTES, protection, flags | MAP_FIXED,
		 flags & MAP_ANONYMOUS ? -1 : departing_file, 0) == MAP_FAILED)
		broken("a mapping: %s", strerror(errno));
}

static void write_name(void)
{
	if (pwrite(departing_file, departing_name, sizeof(departing_name), 0) < 0)
		broken("a file that is mapped: %s", strerror(errno));
}

/* At once something else is there, so that nobody's memory comes between. */
static void unmap(void)
{
	map_departing(MAP_PRIVATE | MAP_ANONYMOUS, PROT_NONE);
	map_departing(MAP_SHARED, PROT_READ | PROT_WRITE);
}

static void cut(void)
{
	if (ftruncate(departing_file, 0) < 0 || ftruncate(departing_file, DEPARTING_BYTES) < 0)
		broken("ftruncate: %s", strerror(errno));
	write_name();
}

static void punch(void)
{
	if (fallocate(departing_file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
		      DEPARTING_BYTES) < 0)
		broken("fallocate: %s", strerror(errno));
	write_name();
}

static void *depart(void *unused)
{
	static void (*const ways[])(void) = {unmap, cut, punch};

	while (!atomic_load(&stay))
		ways[context.variant / 2]();
	return unused;
}

/* An answer, or that the memory is not there; a name of which half is there leads to less. Below the lock it may also be
 * the death of the program, whose own handler reads it (sandboxee/memory.c). */
static void ask_with_departing(int *opened)
{
	const char *name = in_tree("readonly/file");
	int fd = (int)syscall(SYS_openat, AT_FDCWD, departing, O_RDONLY | O_CLOEXEC);

	*opened += fd >= 0;
	check_descriptor("a name that goes away", fd);
	if (syscall(SYS_newfstatat, AT_FDCWD, name, departing + DEPARTING_BYTES / 2, 0) < 0 &&
	    errno != EFAULT)
		broken("stat to memory that goes away: %s", strerror(errno));
}

void attack_D03(void)
{
	pthread_t thread;
	int opened = 0;

	variants(6); /* three ways, each with a file of memory and a file */
	departing_file = context.variant % 2 ? open(in_tree("allowed/departing"),
						    O_RDWR | O_CREAT | O_CLOEXEC, 0600)
					     : memfd_create("departing", MFD_CLOEXEC);
	departing = mmap(NULL, DEPARTING_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	(void)snprintf(departing_name, sizeof(departing_name), "%s", in_tree("readonly/file"));
	if (departing_file < 0 || departing == MAP_FAILED)
		broken("no file to map: %s", strerror(errno));
	write_name();
	map_departing(MAP_SHARED, PROT_READ | PROT_WRITE);
	if (pthread_create(&thread, NULL, depart, NULL) != 0)
		broken("no thread");
	for (int i = 0; i < DEPARTURES; i++)
		ask_with_departing(&opened);
	atomic_store(&stay, true);
	(void)pthread_join(thread, NULL);
	expect_file(in_tree("readonly/file"));
	if (opened == 0)
		broken("the name was never there");
}

/* ---- D12, D16 ---- */

static void expect_offset(int fd, off_t offset)
{
	if (lseek(fd, 0, SEEK_CUR) != offset)
		escape("an offset is shared");
}

void attack_D12(void)
{
	const char *name = in_tree("readonly/file");
	int one = open(name, O_RDONLY | O_CLOEXEC), other = open(name, O_RDONLY | O_CLOEXEC);
	char again[64];
	int third;

	variants(1);
	if (one < 0 || other < 0 || lseek(one, 3, SEEK_SET) != 3)
		broken("%s: %s", name, strerror(errno));
	expect_offset(other, 0);
	(void)snprintf(again, sizeof(again), "/proc/self/fd/%d", one);
	third = open(again, O_RDONLY | O_CLOEXEC);
	if (third < 0)
		broken("%s: %s", again, strerror(errno));
	expect_offset(third, 0);
	if (fcntl(one, F_SETFL, O_APPEND) < 0 || (fcntl(other, F_GETFL) & O_APPEND) ||
	    (fcntl(third, F_GETFL) & O_APPEND))
		escape("flags are shared");
}

void attack_D16(void)
{
	int fd = open(in_tree("readonly/file"), O_RDONLY | O_CLOEXEC);
	int source = memfd_create("source", MFD_CLOEXEC);

	variants(1);
	if (fd < 0 || source < 0 || write(source, "spoilt", 6) != 6)
		broken("readonly/file: %s", strerror(errno));
	if (mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) != MAP_FAILED)
		escape("a read-only file is mapped for writing");
	if (write(fd, "x", 1) >= 0 || ftruncate(fd, 0) == 0 || fallocate(fd, 0, 0, 4096) == 0)
		escape("a read-only descriptor was written to");
	if (copy_file_range(source, &(off_t){0}, fd, &(off_t){0}, 6, 0) > 0 ||
	    splice(source, &(off_t){0}, fd, &(off_t){0}, 6, 0) > 0)
		escape("a read-only descriptor took bytes of another");
}

/* ---- E12, E13: opens that wait, and the others that must not ---- */

#define WAITERS 40

static void *open_for_ever(void *name)
{
	(void)close(open(name, O_RDONLY | O_CLOEXEC));
	return NULL;
}

static void open_beside_waiters(const char *name)
{
	pthread_t thread;
	char *kept = strdup(name);

	for (int i = 0; i < WAITERS; i++)
		if (!kept || pthread_create(&thread, NULL, open_for_ever, kept) != 0)
			broken("no thread");
	for (int i = 0; i < 1000; i++)
		expect_file(in_tree("readonly/file"));
}

void attack_E12(void)
{
	static const char *const names[] = {"allowed/fifo", "readonly/fifo"};

	variants(SP_ELEMENTS(names));
	open_beside_waiters(in_tree(names[context.variant]));
}

void attack_E13(void)
{
	variants(1);
	open_beside_waiters(in_tree("readonly/leased"));
}

/* ---- F06 ---- */

#define CHILD_STACK 65536

static const char *child_secret, *child_file;

static int open_as_child(void *unused)
{
	char bytes[64];
	int fd = open(child_secret, O_RDONLY | O_CLOEXEC);

	(void)unused;
	if (fd >= 0 && read(fd, bytes, sizeof(bytes)) > 0)
		_exit(1);
	fd = open(child_file, O_RDONLY | O_CLOEXEC);
	if (fd >= 0 && (read(fd, bytes, 6) != 6 || memcmp(bytes, "plain\n", 6) != 0))
		_exit(2);
	_exit(0);
}

/* One that shares our memory, and its handlers and slots with it, or not. */
static void run_child(int flags)
{
	static uint8_t stack[CHILD_STACK] __attribute__((aligned(16)));
	int status = 0;
	pid_t child = clone(open_as_child, stack + CHILD_STACK, flags | SIGCHLD, NULL);

	if (child < 0)
		return;
	if (waitpid(child, &status, 0) != child)
		broken("waitpid: %s", strerror(errno));
	if (WIFEXITED(status) && WEXITSTATUS(status) == 1)
		escape("a child with flags 0x%x read a secret", (unsigned)flags);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 2)
		escape("a child with flags 0x%x got another file", (unsigned)flags);
}

void attack_F06(void)
{
	static const int flags[] = {CLONE_VM | CLONE_VFORK,   CLONE_VM,
				    CLONE_FILES | CLONE_FS,   CLONE_VM | CLONE_FILES,
				    CLONE_VM | CLONE_SIGHAND, 0};

	variants(SP_ELEMENTS(flags));
	child_secret = strdup(in_tree("secret/canary"));
	child_file = strdup(in_tree("readonly/file"));
	for (int i = 0; i < 50; i++) {
		run_child(flags[context.variant]);
		expect_file(child_file);
	}
}

/* ---- H11, H16 ---- */

static atomic_uint alarms;

static void count_alarm(int number)
{
	(void)number;
	atomic_fetch_add(&alarms, 1);
}

/* A notification that nobody has taken yet is withdrawn for a signal: then nothing was done. */
static bool was_withdrawn(int result)
{
	return result < 0 && errno == EINTR && context.stage == STAGE_FLOOR && context.variant == 0;
}

static int open_once(const char *name)
{
	int fd;

	do
		fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	while (was_withdrawn(fd));
	return fd;
}

static int unlink_once(const char *name)
{
	int result;

	do
		result = unlink(name);
	while (was_withdrawn(result));
	return result;
}

void attack_H11(void)
{
	/* Seldom enough that a loaded machine takes a notification between two of them. */
	const struct itimerval often = {{0, 1000}, {0, 1000}}, never = {0};
	const struct sigaction action = {.sa_handler = count_alarm,
					 .sa_flags = context.variant ? SA_RESTART : 0};
	const char *new = in_tree("allowed/storm");

	variants(2);
	if (sigaction(SIGALRM, &action, NULL) < 0 || setitimer(ITIMER_REAL, &often, NULL) < 0)
		broken("no timer: %s", strerror(errno));
	/* Two calls a round; on a floor they take longer. */
	for (int i = 0; i < (context.stage == STAGE_FLOOR && !context.thorough ? 5000 : 50000) ||
			atomic_load(&alarms) < 100;
	     i++) {
		/* A call that is made twice would find the file there, or gone. */
		int fd = open_once(new);

		if (fd < 0 || close(fd) < 0 || unlink_once(new) < 0)
			broken("round %d of a storm: %s", i, strerror(errno));
	}
	(void)setitimer(ITIMER_REAL, &never, NULL);
}

static atomic_int caught;

static void note_signal(int number)
{
	atomic_store(&caught, number);
}

static void expect_signal(int number, ssize_t result, int error)
{
	if (result >= 0 || errno != error || atomic_load(&caught) != number)
		broken("signal %d: result %zd, %s, %d was caught", number, result, strerror(errno),
		       atomic_load(&caught));
}

/* The soft limit is told by a signal, and no more. */
static void await_processor_limit(void)
{
	const struct rlimit soon = {1, 60};
	struct timespec used;

	(void)signal(SIGXCPU, note_signal);
	if (setrlimit(RLIMIT_CPU, &soon) < 0)
		broken("RLIMIT_CPU: %s", strerror(errno));
	do
		(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
	while (atomic_load(&caught) != SIGXCPU && used.tv_sec < 10);
	if (atomic_load(&caught) != SIGXCPU)
		broken("SIGXCPU does not come");
}

void attack_H16(void)
{
	const struct rlimit small = {4096, 4096};
	int ends[2], fd;

	variants(1);
	(void)signal(SIGPIPE, note_signal);
	(void)signal(SIGXFSZ, note_signal);
	if (pipe(ends) < 0)
		broken("pipe: %s", strerror(errno));
	(void)close(ends[0]);
	expect_signal(SIGPIPE, write(ends[1], "x", 1), EPIPE);
	fd = open(in_tree("allowed/large"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || setrlimit(RLIMIT_FSIZE, &small) < 0)
		broken("allowed/large: %s", strerror(errno));
	expect_signal(SIGXFSZ, pwrite(fd, "x", 1, 4096), EFBIG);
	await_processor_limit();
}
