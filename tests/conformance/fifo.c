/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `fifo plain|locked BODY DIRECTORY`: FIFOs by name, as they are natively. Exits 0, or says what was
 * different. Nothing here depends on who is first; what must not happen would wait for ever.
 */
#include <sallyport/sandboxee.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/conformance/check.h"

#define FIFO "fifo"
#define OPENERS 20

static void *open_it(void *flags)
{
	int fd = open(FIFO, (int)(intptr_t)flags);

	return (void *)(intptr_t)(fd < 0 ? -errno : fd);
}

static pthread_t start(int flags)
{
	pthread_t thread;

	CHECK(pthread_create(&thread, NULL, open_it, (void *)(intptr_t)flags) == 0);
	return thread;
}

static int finish(pthread_t thread)
{
	void *result;

	CHECK(pthread_join(thread, &result) == 0);
	return (int)(intptr_t)result;
}

static void pass_byte(int reader, int writer)
{
	char byte = 0;

	CHECK(write(writer, "x", 1) == 1 && read(reader, &byte, 1) == 1 && byte == 'x');
	CHECK((fcntl(reader, F_GETFL) & (O_ACCMODE | O_NONBLOCK)) == O_RDONLY);
	CHECK((fcntl(writer, F_GETFL) & (O_ACCMODE | O_NONBLOCK)) == O_WRONLY);
	CHECK(fcntl(reader, F_GETFD) == FD_CLOEXEC && fcntl(writer, F_GETFD) == 0);
	CHECK(close(reader) == 0 && close(writer) == 0);
}

/* A look at other names, many times, comes back while somebody waits. */
static void look_around(void)
{
	struct stat status;

	for (int i = 0; i < 20; i++)
		CHECK(stat(".", &status) == 0 && stat("missing", &status) < 0 && errno == ENOENT);
}

static void meet(void)
{
	for (int i = 0; i < 20; i++) {
		pthread_t thread = start(O_RDONLY | O_CLOEXEC);
		int writer;

		look_around();
		writer = open(FIFO, O_WRONLY);
		pass_byte(finish(thread), writer);
		thread = start(O_WRONLY);
		look_around();
		writer = open(FIFO, O_RDONLY | O_CLOEXEC);
		pass_byte(writer, finish(thread));
	}
}

static void without_waiting(void)
{
	int both, reader, writer;

	CHECK(open(FIFO, O_WRONLY | O_NONBLOCK) < 0 && errno == ENXIO);
	reader = open(FIFO, O_RDONLY | O_NONBLOCK);
	CHECK(reader >= 0 && fcntl(reader, F_GETFL) & O_NONBLOCK);
	writer = open(FIFO, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	CHECK(writer >= 0 && !(fcntl(writer, F_GETFL) & O_NONBLOCK));
	CHECK(close(reader) == 0 && close(writer) == 0);
	both = open(FIFO, O_RDWR);
	CHECK(both >= 0 && close(both) == 0);
	CHECK(open(FIFO, O_WRONLY | O_NONBLOCK) < 0 && errno == ENXIO);
	CHECK(open(FIFO, O_RDONLY | O_DIRECTORY) < 0 && errno == ENOTDIR);
	CHECK(open(FIFO, O_RDONLY | O_CREAT | O_EXCL, 0600) < 0 && errno == EEXIST);
}

static void many(void)
{
	pthread_t thread[OPENERS];
	int fd[OPENERS], writer;

	for (int i = 0; i < OPENERS; i++)
		thread[i] = start(O_RDONLY);
	look_around();
	writer = open(FIFO, O_WRONLY);
	CHECK(writer >= 0);
	for (int i = 0; i < OPENERS; i++) {
		fd[i] = finish(thread[i]);
		CHECK(fd[i] >= 0);
	}
	for (int i = 0; i < OPENERS; i++)
		CHECK(close(fd[i]) == 0);
	CHECK(write(writer, "x", 1) < 0 && errno == EPIPE && close(writer) == 0);
}

/* ---- signals ---- */

static volatile sig_atomic_t signals;
static volatile int opened = -1;

static void count(int number)
{
	(void)number;
	/* A signal may come before the opening begins: some more are sure to find it waiting. */
	if (++signals == 5)
		opened = open(FIFO, O_RDWR | O_CLOEXEC);
}

static void tick(int flags)
{
	const struct itimerval often = {{0, 20000}, {0, 20000}};
	struct sigaction action = {.sa_handler = count, .sa_flags = flags};

	signals = 0;
	CHECK(sigaction(SIGALRM, &action, NULL) == 0);
	CHECK(setitimer(ITIMER_REAL, &often, NULL) == 0);
}

static void stop_ticking(void)
{
	const struct itimerval never = {{0, 0}, {0, 0}};

	CHECK(setitimer(ITIMER_REAL, &never, NULL) == 0);
}

static void a_signal_interrupts(void)
{
	static const int flags[] = {O_RDONLY, O_WRONLY};

	for (int i = 0; i < 2; i++) {
		int fd;

		tick(0);
		fd = open(FIFO, flags[i]);
		stop_ticking();
		CHECK(fd < 0 && errno == EINTR && signals > 0);
	}
	CHECK(open(FIFO, O_WRONLY | O_NONBLOCK) < 0 && errno == ENXIO);
}

static void a_signal_restarts(void)
{
	int fd;

	tick(SA_RESTART);
	fd = open(FIFO, O_RDONLY);
	stop_ticking();
	CHECK(fd >= 0 && signals >= 5 && opened >= 0);
	CHECK(close(fd) == 0 && close(opened) == 0);
}

/* ---- children ---- */

static void killed(void)
{
	int writer;

	for (int i = 0; i < OPENERS; i++) {
		pid_t child = fork();

		CHECK(child >= 0);
		if (child == 0) {
			(void)open(FIFO, O_RDONLY);
			_exit(1);
		}
		/* Sooner or later, so that some wait and some do not yet. */
		for (int j = 0; j < i; j++)
			look_around();
		CHECK(kill(child, SIGKILL) == 0 && waitpid(child, NULL, 0) == child);
	}
	/* No reader is left behind. */
	while ((writer = open(FIFO, O_WRONLY | O_NONBLOCK)) >= 0)
		CHECK(close(writer) == 0);
	CHECK(errno == ENXIO);
}

static void stopped_by_a_default(void)
{
	int status;
	pid_t child = fork();

	CHECK(child >= 0);
	if (child == 0) {
		const struct itimerval soon = {{0, 20000}, {0, 20000}};

		CHECK(setitimer(ITIMER_REAL, &soon, NULL) == 0);
		(void)open(FIFO, O_RDONLY);
		_exit(1);
	}
	CHECK(waitpid(child, &status, 0) == child);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM);
}

static void processes_meet(void)
{
	char bytes[64] = "";
	pid_t child = fork();
	int fd;

	CHECK(child >= 0);
	if (child == 0) {
		fd = open(FIFO, O_WRONLY);
		_exit(fd >= 0 && write(fd, "over", 4) == 4 ? 0 : 1);
	}
	fd = open(FIFO, O_RDONLY);
	CHECK(fd >= 0 && read(fd, bytes, sizeof(bytes)) == 4 && memcmp(bytes, "over", 4) == 0);
	CHECK(waitpid(child, NULL, 0) == child);
}

/* ---- more than are served, which natively there is no end of ---- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t refused = PTHREAD_COND_INITIALIZER;
static int refusals;

static void *open_or_be_refused(void *unused)
{
	int fd = open(FIFO, O_RDONLY);

	(void)unused;
	if (fd >= 0)
		return (void *)1;
	CHECK(errno == EAGAIN);
	CHECK(pthread_mutex_lock(&lock) == 0);
	refusals++;
	CHECK(pthread_cond_signal(&refused) == 0 && pthread_mutex_unlock(&lock) == 0);
	return NULL;
}

static void crowd(int served)
{
	pthread_t thread[100];
	int count = served + 10, opened_count = 0, writer;

	for (int i = 0; i < count; i++)
		CHECK(pthread_create(&thread[i], NULL, open_or_be_refused, NULL) == 0);
	CHECK(pthread_mutex_lock(&lock) == 0);
	while (refusals < 10)
		CHECK(pthread_cond_wait(&refused, &lock) == 0);
	CHECK(pthread_mutex_unlock(&lock) == 0);
	look_around();
	writer = open(FIFO, O_WRONLY);
	CHECK(writer >= 0);
	for (int i = 0; i < count; i++) {
		void *result;

		CHECK(pthread_join(thread[i], &result) == 0);
		opened_count += result != NULL;
	}
	CHECK(opened_count == served);
	/* And there is room again. */
	CHECK(close(writer) == 0);
}

static void crowd_of_slots(void)
{
	crowd(24);
}

static void crowd_of_workers(void)
{
	crowd(64);
}

/* The process ends while threads of it wait. */
static void leave_waiting(void)
{
	for (int i = 0; i < OPENERS; i++)
		(void)start(O_RDONLY);
	look_around();
}

static const struct {
	const char *name;
	void (*run)(void);
} bodies[] = {
    {"meet", meet},
    {"without-waiting", without_waiting},
    {"many", many},
    {"interrupted", a_signal_interrupts},
    {"restarted", a_signal_restarts},
    {"killed", killed},
    {"died", stopped_by_a_default},
    {"processes", processes_meet},
    {"crowd-of-slots", crowd_of_slots},
    {"crowd-of-workers", crowd_of_workers},
    {"leave-waiting", leave_waiting},
};

int main(int argc, char **argv)
{
	CHECK(argc == 4 && chdir(argv[3]) == 0 && mkfifo(FIFO, 0600) == 0);
	CHECK(signal(SIGPIPE, SIG_IGN) != SIG_ERR);
	if (strcmp(argv[1], "locked") == 0)
		CHECK(sp_sandboxee_enter() == 0);
	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++)
		if (strcmp(argv[2], bodies[i].name) == 0) {
			bodies[i].run();
			return 0;
		}
	return 2;
}
