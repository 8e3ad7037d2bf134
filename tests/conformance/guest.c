/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program that locks itself and then does what ordinary programs and their libraries do. `guest
 * NAME DIRECTORY` runs one of the bodies below inside DIRECTORY, which holds the files 0 to 4 with
 * their number in them; it exits 0 if all went as it does natively, and says what did not
 * otherwise.
 */
#include <sallyport/sandboxee.h>

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <iconv.h>
#include <locale.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <pwd.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "tests/conformance/check.h"

#define FILES 5

static const char *directory;
static ino_t inodes[FILES];

static void name_of(int i, char *buffer, size_t size)
{
	CHECK(snprintf(buffer, size, "%s/%d", directory, i) < (int)size);
}

static void remember_inodes(void)
{
	for (int i = 0; i < FILES; i++) {
		char name[512];
		struct stat st;

		name_of(i, name, sizeof(name));
		CHECK(stat(name, &st) == 0);
		inodes[i] = st.st_ino;
	}
}

/* Opens file i and makes sure that it is file i. Safe in a signal handler. */
static void open_right(int i)
{
	char name[256];
	struct stat st;
	char byte;
	int fd;

	name_of(i, name, sizeof(name));
	fd = open(name, O_RDONLY | O_CLOEXEC);
	CHECK(fd >= 0);
	CHECK(fstat(fd, &st) == 0);
	CHECK(st.st_ino == inodes[i]);
	CHECK(read(fd, &byte, 1) == 1 && byte == '0' + i);
	CHECK(close(fd) == 0);
}

/* ---- threads
 * --------------------------------------------------------------------------------------- */

static void *open_often(void *argument)
{
	for (int i = 0; i < 10000; i++)
		open_right((int)(intptr_t)argument);
	return NULL;
}

static void *open_once(void *argument)
{
	open_right((int)(intptr_t)argument);
	return NULL;
}

static void threads_open(void)
{
	pthread_t threads[FILES];

	for (intptr_t i = 0; i < FILES; i++)
		CHECK(pthread_create(&threads[i], NULL, open_often, (void *)i) == 0);
	for (int i = 0; i < FILES; i++)
		CHECK(pthread_join(threads[i], NULL) == 0);
}

static void thread_churn(void)
{
	for (intptr_t i = 0; i < 1000; i++) {
		pthread_t thread;

		CHECK(pthread_create(&thread, NULL, open_once, (void *)(i % FILES)) == 0);
		CHECK(pthread_join(thread, NULL) == 0);
	}
}

static pthread_barrier_t all_here;

static void *open_a_hundred(void *argument)
{
	pthread_barrier_wait(&all_here);
	for (int i = 0; i < 100; i++)
		open_right((int)(intptr_t)argument);
	return NULL;
}

/* Many more threads than there are slots, all at once. */
static void many_threads(void)
{
	pthread_t threads[256];
	const int count = sizeof(threads) / sizeof(threads[0]);

	CHECK(pthread_barrier_init(&all_here, NULL, (unsigned)count) == 0);
	for (intptr_t i = 0; i < count; i++)
		CHECK(pthread_create(&threads[i], NULL, open_a_hundred, (void *)(i % FILES)) == 0);
	for (int i = 0; i < count; i++)
		CHECK(pthread_join(threads[i], NULL) == 0);
}

static void small_stack(void)
{
	pthread_attr_t attributes;
	pthread_t thread;

	CHECK(pthread_attr_init(&attributes) == 0);
	CHECK(pthread_attr_setstacksize(&attributes, 16384) == 0);
	for (intptr_t i = 0; i < 100; i++) {
		CHECK(pthread_create(&thread, &attributes, open_once, (void *)(i % FILES)) == 0);
		CHECK(pthread_join(thread, NULL) == 0);
	}
}

/* ---- signals
 * ------------------------------------------------------------------------------------------ */

static void all_blocked(void)
{
	sigset_t all, old;

	sigfillset(&all);
	CHECK(sigprocmask(SIG_SETMASK, &all, &old) == 0);
	CHECK(!sigismember(&old, SIGSYS));
	open_right(0);
	CHECK(sigprocmask(SIG_BLOCK, NULL, &old) == 0);
	CHECK(sigismember(&old, SIGSYS) && sigismember(&old, SIGTERM));
	CHECK(!sigismember(&old, SIGKILL));
	CHECK(sigprocmask(SIG_UNBLOCK, &all, &old) == 0);
	CHECK(sigismember(&old, SIGSYS));
	CHECK(sigprocmask(SIG_BLOCK, NULL, &old) == 0);
	CHECK(sigisemptyset(&old));
	errno = 0;
	CHECK(syscall(SYS_rt_sigprocmask, 77, &all, NULL, 8) == -1 && errno == EINVAL);
	CHECK(syscall(SYS_rt_sigprocmask, SIG_BLOCK, (void *)8, NULL, 8) == -1 && errno == EFAULT);
	CHECK(syscall(SYS_rt_sigprocmask, SIG_BLOCK, &all, NULL, 4) == -1 && errno == EINVAL);
	open_right(1);
}

static volatile sig_atomic_t alarms;
static volatile sig_atomic_t jump;
static sigjmp_buf environment;

static void on_alarm(int signal)
{
	int saved = errno;

	(void)signal;
	alarms++;
	open_right(alarms % FILES);
	errno = saved;
	if (jump)
		siglongjmp(environment, 1);
}

static void start_timer(int flags)
{
	struct sigaction action = {.sa_handler = on_alarm, .sa_flags = flags};
	struct itimerval interval = {{0, 200}, {0, 200}};

	sigfillset(&action.sa_mask); /* SIGSYS included, as careful programs do */
	CHECK(sigaction(SIGALRM, &action, NULL) == 0);
	CHECK(setitimer(ITIMER_REAL, &interval, NULL) == 0);
}

static void stop_timer(void)
{
	struct itimerval none = {{0, 0}, {0, 0}};

	CHECK(setitimer(ITIMER_REAL, &none, NULL) == 0);
}

static void timer(void)
{
	start_timer(SA_RESTART);
	for (int i = 0; i < 30000 || alarms < 500; i++)
		open_right(i % FILES);
	stop_timer();
}

static void longjmp_out(void)
{
	volatile int jumps = 0;

	start_timer(0);
	jump = 1;
	while (jumps < 5000) {
		if (sigsetjmp(environment, 1) == 0)
			for (;;) {
				/* Descriptors of the abandoned round are lost to it, not to the
				 * channel. */
				char name[512];
				int fd;

				name_of(2, name, sizeof(name));
				fd = open(name, O_RDONLY);
				if (fd < 0) {
					CHECK(errno == EMFILE);
					for (int i = 3; i < 1022; i++)
						close(i);
				} else {
					close(fd);
				}
			}
		jumps = jumps + 1;
	}
	jump = 0;
	stop_timer();
	close_range(3, ~0u, 0);
	for (int i = 0; i < 1000; i++)
		open_right(i % FILES);
}

static void altstack(void)
{
	stack_t stack = {.ss_sp = malloc(65536), .ss_size = 65536};

	CHECK(sigaltstack(&stack, NULL) == 0);
	start_timer(SA_RESTART | SA_ONSTACK);
	for (int i = 0; i < 5000 || alarms < 100; i++)
		open_right(i % FILES);
	stop_timer();
	stack.ss_flags = SS_DISABLE;
	CHECK(sigaltstack(&stack, NULL) == 0);
	free(stack.ss_sp);
}

/* Handlers that run while a call waits with a mask of its own must be able to open files. */
static void temporary_masks(void)
{
	struct timespec long_time = {.tv_sec = 60};
	struct epoll_event event;
	sigset_t almost_all;
	int before, epoll = epoll_create1(EPOLL_CLOEXEC);

	CHECK(epoll >= 0);
	sigfillset(&almost_all);
	sigdelset(&almost_all, SIGALRM);
	start_timer(0);
	for (int i = 0; i < 200; i++) {
		before = alarms;
		CHECK(sigsuspend(&almost_all) == -1 && errno == EINTR);
		CHECK(ppoll(NULL, 0, &long_time, &almost_all) == -1 && errno == EINTR);
		CHECK(pselect(0, NULL, NULL, NULL, &long_time, &almost_all) == -1 &&
		      errno == EINTR);
		CHECK(epoll_pwait(epoll, &event, 1, 60000, &almost_all) == -1 && errno == EINTR);
		CHECK(alarms >= before + 4);
	}
	stop_timer();
	long_time.tv_sec = 0;
	CHECK(ppoll(NULL, 0, &long_time, NULL) == 0);
	CHECK(pselect(0, NULL, NULL, NULL, &long_time, NULL) == 0);
	CHECK(epoll_pwait(epoll, &event, 1, 0, NULL) == 0);
	CHECK(syscall(SYS_ppoll, NULL, 0, &long_time, (void *)16, 8) == -1 && errno == EFAULT);
	CHECK(syscall(SYS_ppoll, NULL, 0, &long_time, &almost_all, 4) == -1 && errno == EINVAL);
	close(epoll);
}

static volatile sig_atomic_t own;

static void on_own(int signal, siginfo_t *info, void *context)
{
	(void)context;
	CHECK(signal == SIGSYS && info->si_code != 1);
	own++;
	open_right(3);
}

/* The program's own use of SIGSYS goes on as if nobody else had one. */
static void own_sigsys(void)
{
	struct sigaction action = {.sa_sigaction = on_own, .sa_flags = SA_SIGINFO}, old;
	sigset_t set, pending;

	CHECK(sigaction(SIGSYS, &action, &old) == 0);
	CHECK(old.sa_handler == SIG_DFL);
	CHECK(sigaction(SIGSYS, NULL, &old) == 0 && old.sa_sigaction == on_own);
	CHECK(raise(SIGSYS) == 0 && own == 1);
	sigemptyset(&set);
	sigaddset(&set, SIGSYS);
	CHECK(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
	CHECK(raise(SIGSYS) == 0 && own == 1);
	CHECK(sigpending(&pending) == 0 && sigismember(&pending, SIGSYS));
	open_right(4);
	CHECK(sigprocmask(SIG_UNBLOCK, &set, NULL) == 0);
	CHECK(own == 2);
	CHECK(sigpending(&pending) == 0 && !sigismember(&pending, SIGSYS));
	action.sa_handler = SIG_IGN;
	CHECK(sigaction(SIGSYS, &action, &old) == 0 && old.sa_sigaction == on_own);
	CHECK(raise(SIGSYS) == 0 && own == 2);
	open_right(0);
}

static void default_sigsys(void)
{
	open_right(0);
	raise(SIGSYS);
	CHECK(!"survived SIGSYS by default");
}

/* ---- descriptors
 * ------------------------------------------------------------------------------------------ */

static void sweep(void)
{
	struct rlimit limit = {16, 16};
	int fds[16], n = 0;
	char name[512];

	CHECK(close_range(3, ~0u, 0) == 0);
	CHECK(close(1023) == -1 && errno == EBADF);
	CHECK(close(1022) == -1 && errno == EBADF);
	CHECK(dup2(1, 1023) == -1 && errno == EBADF);
	CHECK(dup3(1, 1022, O_CLOEXEC) == -1 && errno == EBADF);
	CHECK(dup(1023) == -1 && errno == EBADF);
	CHECK(fcntl(1023, F_DUPFD, 3) == -1 && errno == EBADF);
	CHECK(close_range(1022, 1023, 0) == 0);
	CHECK(close_range(5, 4, 0) == -1 && errno == EINVAL);
	for (int i = 3; i < 2000; i++)
		CHECK(close(i) == -1 && errno == EBADF);
	CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
	open_right(0);
	name_of(1, name, sizeof(name));
	while (n < 16 && (fds[n] = open(name, O_RDONLY)) >= 0)
		n++;
	CHECK(n == 13 && errno == EMFILE);
	for (int i = 0; i < 100; i++)
		CHECK(open(name, O_RDONLY) == -1 && errno == EMFILE);
	while (n > 0)
		CHECK(close(fds[--n]) == 0);
	open_right(1);
}

/* ---- listings ---- */

struct listing {
	struct {
		long number; /* -1: no number */
		int64_t next;
	} entry[64];
	size_t count;
};

/* With buffers of so many bytes. */
static void list(const char *name, size_t size, struct listing *listing)
{
	_Alignas(8) char bytes[4096];
	int fd = open(name, O_RDONLY | O_DIRECTORY);
	long length;

	CHECK(fd >= 0);
	listing->count = 0;
	while ((length = syscall(SYS_getdents64, fd, bytes, size)) > 0)
		for (long at = 0; at < length;) {
			const struct dirent64 *entry = (const struct dirent64 *)(bytes + at);

			CHECK(listing->count < 64);
			listing->entry[listing->count].number =
			    entry->d_name[0] == '.' ? -1 : strtol(entry->d_name, NULL, 10);
			listing->entry[listing->count++].next = entry->d_off;
			at += entry->d_reclen;
			CHECK(at <= length);
		}
	CHECK(length == 0);
	/* From where an entry says, the next one follows. */
	for (size_t i = 0; i < listing->count; i++) {
		const struct dirent64 *entry = (const struct dirent64 *)bytes;

		CHECK(lseek(fd, listing->entry[i].next, SEEK_SET) == listing->entry[i].next);
		length = syscall(SYS_getdents64, fd, bytes, sizeof(bytes));
		CHECK(length >= 0 && (length == 0) == (i == listing->count - 1));
		if (length > 0 && entry->d_name[0] != '.')
			CHECK(strtol(entry->d_name, NULL, 10) == listing->entry[i + 1].number);
	}
	close(fd);
}

static bool is_listed(const struct listing *listing, long number)
{
	for (size_t i = 0; i < listing->count; i++)
		if (listing->entry[i].number == number)
			return true;
	return false;
}

/* The same by the older call, whose entries have their type at the end. */
static bool is_listed_of_old(const char *name, size_t size, const char *wanted)
{
	_Alignas(8) char bytes[4096];
	int fd = open(name, O_RDONLY | O_DIRECTORY);
	bool found = false;
	long length;

	CHECK(fd >= 0);
	while ((length = syscall(SYS_getdents, fd, bytes, size)) > 0)
		for (long at = 0; at < length; at += *(uint16_t *)(bytes + at + 16))
			found |= strcmp(bytes + at + 18, wanted) == 0;
	CHECK(length == 0);
	close(fd);
	return found;
}

static void descriptors_listed(const char *name, bool beyond)
{
	static const size_t sizes[] = {24, 48, 72, 100, 4096};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct listing listing;
		size_t expected = 7; /* ".", "..", 0, 1, 2, 1021, and the directory */

		list(name, sizes[i], &listing);
		CHECK(listing.count == expected + beyond);
		for (long number = -1; number <= 3; number++)
			CHECK(is_listed(&listing, number));
		CHECK(is_listed(&listing, 1021) && is_listed(&listing, 1024) == beyond);
		CHECK(!is_listed(&listing, 1022) && !is_listed(&listing, 1023));
		CHECK(is_listed_of_old(name, sizes[i], "1021"));
		CHECK(is_listed_of_old(name, sizes[i], "1024") == beyond);
		CHECK(!is_listed_of_old(name, sizes[i], "1022"));
		CHECK(!is_listed_of_old(name, sizes[i], "1023"));
	}
}

static void files_listed(void)
{
	struct listing listing;
	char name[512];

	for (int number = 1021; number <= 1024; number++) {
		(void)snprintf(name, sizeof(name), "%s/sub/%d", directory, number);
		close(open(name, O_WRONLY | O_CREAT | O_EXCL, 0600));
	}
	(void)snprintf(name, sizeof(name), "%s/sub", directory);
	for (size_t size = 24; size <= 4096; size += 4072) {
		list(name, size, &listing);
		CHECK(listing.count == 6);
		for (int number = 1021; number <= 1024; number++)
			CHECK(is_listed(&listing, number));
	}
	CHECK(is_listed_of_old(name, 4096, "1022") && is_listed_of_old(name, 24, "1023"));
}

static void listings(void)
{
	struct rlimit limit;
	char bytes[64], task[64];
	bool beyond;
	int fd;

	CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
	CHECK(dup2(0, 1021) == 1021);
	beyond = dup2(0, 1024) == 1024;
	(void)snprintf(task, sizeof(task), "/proc/self/task/%d/fd", getpid());
	descriptors_listed("/proc/self/fd", beyond);
	descriptors_listed("/proc/self/fdinfo", beyond);
	descriptors_listed("/proc/thread-self/fd", beyond);
	descriptors_listed(task, beyond);
	files_listed();

	fd = open("/proc/self/fd", O_RDONLY | O_DIRECTORY);
	CHECK(syscall(SYS_getdents64, fd, bytes, 8) == -1 && errno == EINVAL);
	CHECK(syscall(SYS_getdents64, fd, NULL, 4096) == -1 && errno == EFAULT);
	CHECK(syscall(SYS_getdents64, 77, bytes, 64) == -1 && errno == EBADF);
	CHECK(syscall(SYS_getdents64, 0, bytes, 64) == -1 && errno == ENOTDIR);
	CHECK(fstatat(fd, "1022", &(struct stat){0}, 0) == -1 && errno == ENOENT);
	CHECK(fstatat(1022, "", &(struct stat){0}, AT_EMPTY_PATH) == -1 && errno == EBADF);
	CHECK(openat(1023, "x", O_RDONLY) == -1 && errno == EBADF);
	CHECK(fchmod(1023, 0600) == -1 && errno == EBADF);
	close(fd);
}

static void close_on_exec(void)
{
	char name[512];
	int plain, cloexec;

	name_of(0, name, sizeof(name));
	plain = open(name, O_RDONLY);
	cloexec = open(name, O_RDONLY | O_CLOEXEC);
	CHECK(fcntl(plain, F_GETFD) == 0);
	CHECK(fcntl(cloexec, F_GETFD) == FD_CLOEXEC);
	CHECK((fcntl(plain, F_GETFL) & (O_ACCMODE | O_NONBLOCK)) == O_RDONLY);
	close(plain);
	close(cloexec);
}

/* ---- memory, names, identity
 * --------------------------------------------------------------------------------- */

static void wild_pointers(void)
{
	char name[512];
	struct stat st;
	char *edge = (char *)aligned_alloc(4096, 8192);

	name_of(0, name, sizeof(name));
	for (uintptr_t wild = 0; wild < 3; wild++) {
		const char *pointer = (const char *)(wild == 2 ? UINTPTR_MAX - 7 : wild);

		CHECK(syscall(SYS_open, pointer, O_RDONLY) == -1 && errno == EFAULT);
		CHECK(syscall(SYS_stat, pointer, &st) == -1 && errno == EFAULT);
		CHECK(syscall(SYS_rename, name, pointer) == -1 && errno == EFAULT);
	}
	CHECK(syscall(SYS_stat, name, (void *)8) == -1 && errno == EFAULT);
	CHECK(syscall(SYS_statx, AT_FDCWD, name, 0, 0x7ff, (void *)8) == -1 && errno == EFAULT);
	CHECK(syscall(SYS_newfstatat, 1, "", (void *)8, AT_EMPTY_PATH) == -1 && errno == EFAULT);
	CHECK(syscall(SYS_openat2, AT_FDCWD, name, (void *)8, 24) == -1 && errno == EFAULT);
	CHECK(syscall(SYS_openat2, AT_FDCWD, name, edge, 8) == -1 && errno == EINVAL);
	/* A name that ends right at the end of mapped memory, and one that runs over it. */
	CHECK(edge && mprotect(edge + 4096, 4096, PROT_NONE) == 0);
	memcpy(edge + 4096 - strlen(name) - 1, name, strlen(name) + 1);
	CHECK(syscall(SYS_stat, edge + 4096 - strlen(name) - 1, &st) == 0);
	memset(edge, 'a', 4096);
	CHECK(syscall(SYS_stat, edge + 4000, &st) == -1 && errno == EFAULT);
	CHECK(mprotect(edge + 4096, 4096, PROT_READ | PROT_WRITE) == 0);
	free(edge);
}

static void descriptor_metadata(void)
{
	struct statx stx;
	struct stat st, by_empty;
	char name[512];
	int fd;

	name_of(2, name, sizeof(name));
	fd = open(name, O_RDONLY);
	CHECK(fstat(fd, &st) == 0 && st.st_ino == inodes[2]);
	CHECK(fstatat(fd, "", &by_empty, AT_EMPTY_PATH) == 0 && by_empty.st_ino == inodes[2]);
	CHECK(statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &stx) == 0);
	CHECK(stx.stx_ino == inodes[2] && stx.stx_size == (uint64_t)st.st_size);
	CHECK(fstatat(AT_FDCWD, "", &by_empty, AT_EMPTY_PATH) == 0);
	CHECK(fstatat(fd, "/etc/shadow", &by_empty, AT_EMPTY_PATH) == -1 && errno == EACCES);
	CHECK(fstatat(-1, "", &by_empty, AT_EMPTY_PATH) == -1 && errno == EBADF);
	close(fd);
}

static void working_directory(void)
{
	char expected[512], got[512];
	int dir, fd;

	CHECK(chdir(directory) == 0);
	CHECK(getcwd(got, sizeof(got)) && strcmp(got, directory) == 0);
	fd = open("3", O_RDONLY);
	CHECK(fd >= 0 && close(fd) == 0);
	dir = open("sub", O_RDONLY | O_DIRECTORY);
	CHECK(dir >= 0);
	fd = openat(dir, "../4", O_RDONLY);
	CHECK(fd >= 0 && close(fd) == 0);
	CHECK(fchdir(dir) == 0 && close(dir) == 0);
	snprintf(expected, sizeof(expected), "%s/sub", directory);
	CHECK(getcwd(got, sizeof(got)) && strcmp(got, expected) == 0);
	CHECK(chdir("..") == 0 && chdir("sub") == 0);
	CHECK(chdir("/etc/ssl/private") == -1 && errno == EACCES);
	CHECK(chdir("nothing") == -1 && errno == ENOENT);
	CHECK(chdir("../0") == -1 && errno == ENOTDIR);
}

static void modes(void)
{
	struct stat st;
	int fd;

	CHECK(chdir(directory) == 0);
	CHECK(umask(027) == 022);
	fd = open("made", O_CREAT | O_EXCL | O_WRONLY, 0666);
	CHECK(fd >= 0 && fstat(fd, &st) == 0 && (st.st_mode & 07777) == 0640);
	CHECK(write(fd, "x", 1) == 1 && close(fd) == 0);
	CHECK(umask(0) == 027);
	CHECK(mkdir("made.d", 0777) == 0 && stat("made.d", &st) == 0 &&
	      (st.st_mode & 07777) == 0777);
	CHECK(open("suid", O_CREAT | O_WRONLY, 06755) >= 0);
	CHECK(stat("suid", &st) == 0 && (st.st_mode & 07777) == 0755);
	CHECK(rename("made", "moved") == 0 && access("made", F_OK) == -1 && errno == ENOENT);
	CHECK(unlink("moved") == 0 && unlink("suid") == 0 && rmdir("made.d") == 0);
	CHECK(unlink("moved") == -1 && errno == ENOENT);
}

static void *check_thread_self(void *argument)
{
	char link[64], expected[64];
	ssize_t n = readlink("/proc/thread-self", link, sizeof(link) - 1);

	(void)argument;
	CHECK(n > 0);
	link[n] = 0;
	snprintf(expected, sizeof(expected), "%d/task/%ld", getpid(), syscall(SYS_gettid));
	CHECK(strcmp(link, expected) == 0);
	return NULL;
}

static void self(void)
{
	char line[256], link[64], expected[64];
	pthread_t thread;
	FILE *status = fopen("/proc/self/status", "re");
	int pid = -1;
	ssize_t n;

	CHECK(status);
	while (fgets(line, sizeof(line), status))
		if (sscanf(line, "Pid: %d", &pid) == 1)
			break;
	CHECK(pid == getpid());
	fclose(status);
	n = readlink("/proc/self", link, sizeof(link) - 1);
	CHECK(n > 0);
	link[n] = 0;
	snprintf(expected, sizeof(expected), "%d", getpid());
	CHECK(strcmp(link, expected) == 0);
	CHECK(open("/proc/1/status", O_RDONLY) == -1 && errno == EACCES);
	CHECK(pthread_create(&thread, NULL, check_thread_self, NULL) == 0);
	CHECK(pthread_join(thread, NULL) == 0);
}

static void denied(void)
{
	struct stat st;

	CHECK(open("/etc/shadow", O_RDONLY) == -1 && errno == EACCES);
	CHECK(stat("/etc/shadow", &st) == -1 && errno == EACCES);
	CHECK(stat("/etc/there-is-no-such-file", &st) == -1 && errno == EACCES);
	CHECK(syscall(SYS_socket, AF_INET, SOCK_STREAM, 0) == -1 && errno == EAFNOSUPPORT);
	CHECK(syscall(SYS_swapon, "/x", 0) == -1 && errno == EPERM);
	CHECK(syscall(SYS_listen, 0, 0) == -1 && errno == ENOSYS);
	CHECK(syscall(SYS_clone3, NULL, 0) == -1 && errno == ENOSYS);
	open_right(0);
}

/* Changes to what no name leads to, under a policy that grants no writing: refused, not fatal. */
static void nameless(void)
{
	int ends[2], memory = memfd_create("x", MFD_CLOEXEC);
	struct timespec now[2] = {{0}};

	CHECK(memory >= 0 && pipe(ends) == 0);
	CHECK(fchmod(memory, 0600) == -1 && errno == EPERM);
	CHECK(fchmod(ends[0], 0600) == -1 && errno == EPERM);
	CHECK(fchown(memory, getuid(), getgid()) == -1 && errno == EPERM);
	CHECK(futimens(memory, now) == -1 && errno == EPERM);
	CHECK(fsetxattr(memory, "user.x", "y", 1, 0) == -1);
	CHECK(ftruncate(memory, 4096) == 0);
	open_right(0);
}

/* ---- libraries
 * ---------------------------------------------------------------------------------------------- */

static void libraries(void)
{
	char in[] = "\xa4\xa2", out[16], *from = in, *to = out;
	size_t from_left = 2, to_left = sizeof(out);
	struct addrinfo *addresses, hints = {.ai_family = AF_INET};
	double (*cosine)(double);
	void *library;
	iconv_t converter;

	CHECK(setlocale(LC_ALL, "C.UTF-8"));
	CHECK(getpwnam("root") && getpwnam("root")->pw_uid == 0);
	CHECK(!getpwnam("there-is-no-such-user"));
	CHECK(getaddrinfo("localhost", NULL, &hints, &addresses) == 0);
	freeaddrinfo(addresses);
	converter = iconv_open("UTF-8", "EUC-JP");
	CHECK(converter != (iconv_t)-1);
	CHECK(iconv(converter, &from, &from_left, &to, &to_left) == 0);
	CHECK(to - out == 3 && memcmp(out, "\xe3\x81\x82", 3) == 0);
	iconv_close(converter);
	library = dlopen("libm.so.6", RTLD_NOW);
	CHECK(library);
	*(void **)&cosine = dlsym(library, "cos");
	CHECK(cosine && cosine(0.0) == 1.0);
	dlclose(library);
	CHECK(!dlopen("/nonexistent/lib.so", RTLD_NOW));
}

/* ---- entering
 * ---------------------------------------------------------------------------------------------------
 */

static void twice(void)
{
	CHECK(sp_sandboxee_enter() == -EALREADY);
	open_right(0);
}

/* A child has no channel yet; it must never see its parent's view. */
static void forked(void)
{
	int status, fd;
	pid_t child;
	char name[512];

	name_of(0, name, sizeof(name));
	child = fork();
	CHECK(child >= 0);
	if (child == 0) {
		sigset_t all;

		fd = open(name, O_RDONLY);
		sigfillset(&all);
		_exit(fd == -1 && errno == EIO && sigprocmask(SIG_BLOCK, &all, NULL) == 0 &&
			      chdir("/") == -1 && errno == EIO
			  ? 42
			  : 1);
	}
	CHECK(waitpid(child, &status, 0) == child);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 42);
	open_right(0);
}

static __attribute__((noreturn)) void *wait_for_ever(void *argument)
{
	(void)argument;
	for (;;)
		pause();
}

static int enter_with_threads(void)
{
	pthread_t thread;

	CHECK(pthread_create(&thread, NULL, wait_for_ever, NULL) == 0);
	CHECK(sp_sandboxee_enter() == -EBUSY);
	open_right(0);
	return 0;
}

/* It stays on the floor, which serves it, and nothing of the attempt is left. */
static int enter_without_a_doorbell(void)
{
	CHECK(sp_sandboxee_enter() == -EACCES);
	CHECK(fcntl(1022, F_GETFD) < 0 && errno == EBADF);
	CHECK(fcntl(1023, F_GETFD) < 0 && errno == EBADF);
	open_right(0);
	return 0;
}

static int enter_without_a_broker(void)
{
	CHECK(sp_sandboxee_enter() == -ENOTCONN);
	return 0;
}

static const struct {
	const char *name;
	void (*body)(void);
} bodies[] = {
    {"threads-open", threads_open},
    {"thread-churn", thread_churn},
    {"many-threads", many_threads},
    {"small-stack", small_stack},
    {"all-blocked", all_blocked},
    {"timer", timer},
    {"longjmp", longjmp_out},
    {"altstack", altstack},
    {"temporary-masks", temporary_masks},
    {"own-sigsys", own_sigsys},
    {"default-sigsys", default_sigsys},
    {"sweep", sweep},
    {"listings", listings},
    {"close-on-exec", close_on_exec},
    {"wild-pointers", wild_pointers},
    {"descriptor-metadata", descriptor_metadata},
    {"working-directory", working_directory},
    {"modes", modes},
    {"self", self},
    {"denied", denied},
    {"nameless", nameless},
    {"libraries", libraries},
    {"twice", twice},
    {"forked", forked},
};

int main(int argc, char **argv)
{
	CHECK(argc == 3);
	directory = argv[2];
	if (strcmp(argv[1], "without-a-broker") == 0)
		return enter_without_a_broker();
	remember_inodes();
	if (strcmp(argv[1], "with-threads") == 0)
		return enter_with_threads();
	if (strcmp(argv[1], "without-a-doorbell") == 0)
		return enter_without_a_doorbell();
	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++)
		if (strcmp(argv[1], bodies[i].name) == 0) {
			int r = sp_sandboxee_enter();

			if (r < 0)
				errno = -r;
			CHECK(r == 0);
			bodies[i].body();
			return 0;
		}
	CHECK(!"no such body");
}
