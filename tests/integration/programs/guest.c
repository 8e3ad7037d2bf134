/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the races and the crowds run: programs-guest COMMAND [ARGUMENT]…, in a folder of the test. It prints what it
 * found, and exits with 0 where that is what a program may expect.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static _Noreturn void fail(const char *what)
{
	perror(what);
	exit(1);
}

/* ---- races ---- */

/* Two names, of which a thread writes one over the other into what a call is being made with. */
static char racing[64];
static _Atomic bool begun, over;

struct names {
	const char *ours, *theirs;
};

static void *rewrite(void *data)
{
	const struct names *names = data;
	volatile char *to = racing;

	while (!atomic_load_explicit(&over, memory_order_relaxed)) {
		for (size_t i = 0; i < sizeof(racing) && names->ours[i]; i++)
			to[i] = names->ours[i];
		for (size_t i = 0; i < sizeof(racing) && names->theirs[i]; i++)
			to[i] = names->theirs[i];
		atomic_store_explicit(&begun, true, memory_order_relaxed);
	}
	return NULL;
}

/* Each says whether it reached: 0 nothing, 1 ours, 2 theirs. Names have the same length, and what they
 * name differs in its first letter. */
static int by_first(char letter)
{
	return letter == 'o' ? 1 : letter == 't' ? 2 : 0;
}

static int race_open(void)
{
	char letter = 0;
	int fd = open(racing, O_RDONLY);

	if (fd < 0)
		return 0;
	if (read(fd, &letter, 1) < 0)
		letter = 0;
	(void)close(fd);
	return by_first(letter);
}

/* The sizes: 5 and 7 bytes. */
static int race_stat(void)
{
	struct stat status;

	if (stat(racing, &status) < 0)
		return 0;
	return status.st_size == 5 ? 1 : 2;
}

static int race_readlink(void)
{
	char text[64] = "";

	return readlink(racing, text, sizeof(text) - 1) < 0 ? 0 : by_first(text[0]);
}

/* Made again and again; the test looks whether theirs is still there. */
static int race_unlink(void)
{
	int fd = open("ours/file", O_WRONLY | O_CREAT, 0600);

	if (fd >= 0)
		(void)close(fd);
	return unlink(racing) == 0;
}

static int race_create(void)
{
	int fd = open(racing, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	if (fd < 0)
		return 0;
	(void)close(fd);
	return 1;
}

static int race_rename(void)
{
	int fd = open("ours/from", O_WRONLY | O_CREAT, 0600);

	if (fd >= 0)
		(void)close(fd);
	return rename("ours/from", racing) == 0;
}

static int race_mkdir(void)
{
	if (mkdir(racing, 0700) < 0)
		return 0;
	(void)rmdir("ours/fresh");
	return 1;
}

static int race_chdir(void)
{
	char letter = 0;
	int fd;

	if (chdir(racing) < 0)
		return 0;
	fd = open("name", O_RDONLY);
	if (fd >= 0) {
		if (read(fd, &letter, 1) < 0)
			letter = 0;
		(void)close(fd);
	}
	if (chdir("..") < 0)
		fail("chdir");
	/* There without a name to read: it is no folder of ours. */
	return letter ? by_first(letter) : 2;
}

/* The programs exit with 1 and 2. */
static int race_execute(void)
{
	char *const nothing[] = {NULL};
	int status;
	pid_t pid = vfork();

	if (pid == 0) {
		(void)execve(racing, nothing, nothing);
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		fail("vfork");
	return WIFEXITED(status) ? WEXITSTATUS(status) : 0;
}

static const struct race {
	const char *word;
	int (*round)(void);
	struct names names;
} races[] = {
    {"open", race_open, {"ours/file", "them/file"}},
    {"stat", race_stat, {"ours/file", "them/file"}},
    {"readlink", race_readlink, {"ours/link", "them/link"}},
    {"unlink", race_unlink, {"ours/file", "them/file"}},
    {"create", race_create, {"ours/made", "them/made"}},
    {"rename", race_rename, {"ours/into", "them/into"}},
    {"mkdir", race_mkdir, {"ours/fresh", "them/fresh"}},
    {"chdir", race_chdir, {"ours", "them"}},
    {"execute", race_execute, {"ours/tool", "them/tool"}},
};

static const struct race *find_race(const char *word)
{
	for (size_t i = 0; i < sizeof(races) / sizeof(races[0]); i++)
		if (strcmp(races[i].word, word) == 0)
			return &races[i];
	fail(word);
}

static int tell(unsigned long ours, unsigned long theirs)
{
	return printf("%lu %lu\n", ours, theirs) < 0;
}

/* race WORD ROUNDS: prints how often it reached ours and theirs. */
static int race_command(char **arguments)
{
	const struct race *race = find_race(arguments[0]);
	unsigned long reached[3] = {0};
	pthread_t thread;

	if (pthread_create(&thread, NULL, rewrite, (void *)(uintptr_t)&race->names) != 0)
		fail("pthread_create");
	while (!atomic_load(&begun))
		(void)sched_yield();
	for (long i = atol(arguments[1]); i > 0; i--)
		reached[race->round()]++;
	atomic_store(&over, true);
	(void)pthread_join(thread, NULL);
	return tell(reached[1], reached[2]);
}

/* reach WORD: the same once, for theirs, without a race. */
static int reach_command(char **arguments)
{
	const struct race *race = find_race(arguments[0]);
	int reached;

	memcpy(racing, race->names.theirs, strlen(race->names.theirs) + 1);
	reached = race->round();
	return tell(reached == 1, reached == 2);
}

/* ---- crowds ---- */

static void *change(void *data)
{
	char text[4096];

	for (long i = *(long *)data; i > 0; i--) {
		if (chdir("..") < 0 || chdir("/usr") < 0 || chdir(".") < 0)
			fail("chdir");
		if (!getcwd(text, sizeof(text)) || text[0] != '/')
			fail("getcwd");
	}
	return NULL;
}

/* threads COUNT ROUNDS: all change the one working directory that they share. */
static int threads_command(char **arguments)
{
	pthread_t threads[64];
	long count = atol(arguments[0]), rounds = atol(arguments[1]);

	for (long i = 0; i < count; i++)
		if (pthread_create(&threads[i], NULL, change, &rounds) != 0)
			fail("pthread_create");
	for (long i = 0; i < count; i++)
		(void)pthread_join(threads[i], NULL);
	return 0;
}

static char **last_words;

static void *execute(void *unused)
{
	(void)unused;
	(void)execv(last_words[0], last_words);
	fail("execv");
}

/* thread-exec PROGRAM [ARGUMENT]…: executed by a thread that is not the first, while others change. */
static int thread_exec_command(char **arguments)
{
	pthread_t thread;
	long rounds = 1000000;

	last_words = arguments;
	if (pthread_create(&thread, NULL, change, &rounds) != 0 ||
	    pthread_create(&thread, NULL, execute, NULL) != 0)
		fail("pthread_create");
	(void)pthread_join(thread, NULL);
	return 1;
}

/* spawn ROUNDS PROGRAM [ARGUMENT]… */
static int spawn_command(char **arguments)
{
	for (long i = atol(arguments[0]); i > 0; i--) {
		int status;
		pid_t pid;
		int error = posix_spawn(&pid, arguments[1], NULL, NULL, arguments + 1, environ);

		if (error || waitpid(pid, &status, 0) != pid || status != 0)
			fail("posix_spawn");
	}
	return 0;
}

static volatile sig_atomic_t alarms;

static void rang(int number)
{
	char text[4096];

	(void)number;
	/* A handler finds a working directory of ours, whatever it interrupted. */
	if (!getcwd(text, sizeof(text)) || text[0] != '/')
		_exit(3);
	alarms++;
}

/* alarms ROUNDS PROGRAM [ARGUMENT]…: changes directory, and executes at last, under a rain of signals. */
static int alarms_command(char **arguments)
{
	const struct itimerval often = {{0, 200}, {0, 200}};
	struct sigaction action = {.sa_handler = rang, .sa_flags = SA_RESTART};
	long rounds = atol(arguments[0]);
	pid_t pid;
	int status;

	if (sigaction(SIGALRM, &action, NULL) < 0 || setitimer(ITIMER_REAL, &often, NULL) < 0)
		fail("setitimer");
	(void)change(&rounds);
	for (long i = 0; i < 50; i++) {
		pid = fork();
		if (pid == 0) {
			/* Its timer goes on for the new program, which would die of it. */
			(void)signal(SIGALRM, SIG_IGN);
			(void)execv(arguments[1], arguments + 1);
			_exit(127);
		}
		if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
			fail("execv");
	}
	return alarms > 0 ? 0 : 1;
}

/* stops COUNT: a child that changes directory all the time is stopped and continued at many an instant. */
static int stops_command(char **arguments)
{
	_Atomic bool *end =
	    mmap(NULL, sizeof(*end), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	long once = 1;
	int status = 0;
	pid_t pid = end == MAP_FAILED ? -1 : fork();

	if (pid < 0)
		fail("fork");
	if (pid == 0) {
		while (!atomic_load(end))
			(void)change(&once);
		_exit(0);
	}
	for (long i = atol(arguments[0]); i > 0; i--) {
		if (kill(pid, SIGSTOP) < 0 || waitpid(pid, &status, WUNTRACED) != pid ||
		    !WIFSTOPPED(status) || kill(pid, SIGCONT) < 0)
			fail("stop");
		for (long j = 0; j < i % 64 * 16; j++)
			(void)getppid();
	}
	atomic_store(end, true);
	if (waitpid(pid, &status, 0) != pid)
		fail("waitpid");
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

/* ids: takes its own. As what the test runs natively it may be root, so that others are tried on wish alone. */
static int ids_command(char **arguments)
{
	uid_t other = getuid() + 1;

	if (setresuid((uid_t)-1, getuid(), (uid_t)-1) < 0 ||
	    setresgid((gid_t)-1, getgid(), (gid_t)-1) < 0)
		fail("its own");
	if (!arguments[0])
		return 0;
	return setuid(other) == 0 || setreuid(other, other) == 0 || setgid((gid_t)other) == 0 ||
	       setresgid((gid_t)other, (gid_t)other, (gid_t)other) == 0;
}

static const struct command {
	const char *word;
	int (*run)(char **arguments);
	int least;
} commands[] = {
    {"race", race_command, 2},
    {"reach", reach_command, 1},
    {"threads", threads_command, 2},
    {"spawn", spawn_command, 2},
    {"thread-exec", thread_exec_command, 1},
    {"alarms", alarms_command, 2},
    {"stops", stops_command, 1},
    {"ids", ids_command, 0},
};

int main(int argc, char **argv)
{
	for (size_t i = 0; argc > 1 && i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strcmp(commands[i].word, argv[1]) == 0 && argc - 2 >= commands[i].least)
			return commands[i].run(argv + 2);
	(void)fputs("programs-guest: no such command\n", stderr);
	return 2;
}
