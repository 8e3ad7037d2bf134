/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack [--unprotected|--floor] [--thorough] ID VARIANT DIRECTORY VICTIM MEMORY
 *
 * Runs one attack of attacks.def: locked, on a floor, where it never locks itself, or (as its positive control)
 * neither. Beside the attacks it can be
 * what else the harness needs: a good neighbour, a source of traffic, a liar.
 */
#include "tests/attacks/attack.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <sallyport/sandboxee.h>

#include "ipc/arch.h"
#include "ipc/runtime.h"
#include "ipc/util.h"

#define PATH_BUFFERS 8u
#define PATH_BYTES 4200u

struct attack_context context;
int held_fd = -1;

/* Output goes out in one write, since nothing may follow an escape. */
static void say(const char *word, const char *format, va_list arguments)
{
	char line[512];
	int length = snprintf(line, sizeof(line), "%s ", word);
	int more = vsnprintf(line + length, sizeof(line) - (size_t)length - 1, format, arguments);

	length += more < (int)sizeof(line) - length - 2 ? more : (int)sizeof(line) - length - 2;
	line[length++] = '\n';
	if (write(STDOUT_FILENO, line, (size_t)length) != length)
		_exit(STATUS_BROKEN);
}

void escape(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	say("ESCAPE", format, arguments);
	va_end(arguments);
	_exit(0);
}

void broken(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	say("BROKEN", format, arguments);
	va_end(arguments);
	_exit(STATUS_BROKEN);
}

void reached(void)
{
	static const char line[] = "REACHED\n";

	if (write(STDOUT_FILENO, line, sizeof(line) - 1) < 0)
		_exit(STATUS_BROKEN);
}

void variants(unsigned count)
{
	if (context.variant >= count)
		_exit(STATUS_NO_SUCH_VARIANT);
}

bool lasts(time_t begin)
{
	static const time_t seconds = 30;

	return context.thorough && time(NULL) - begin < seconds;
}

const char *in_tree(const char *name)
{
	static char buffers[PATH_BUFFERS][PATH_BYTES];
	static unsigned turn;
	char *buffer = buffers[turn++ % PATH_BUFFERS];

	(void)snprintf(buffer, PATH_BYTES, "%s/%s", context.directory, name);
	return buffer;
}

void check_bytes(const char *how, const void *bytes, size_t length)
{
	const char *found = memmem(bytes, length, CANARY_PREFIX, strlen(CANARY_PREFIX));
	size_t left;

	if (!found)
		return;
	left = length - (size_t)(found - (const char *)bytes);
	escape("%s: %.*s", how, (int)(left < 32 ? left : 32), found);
}

void check_descriptor(const char *how, int fd)
{
	char bytes[256];
	ssize_t length;

	if (fd < 0)
		return;
	length = read(fd, bytes, sizeof(bytes));
	(void)close(fd);
	if (length > 0)
		check_bytes(how, bytes, (size_t)length);
}

void try_read(const char *path)
{
	check_descriptor(path, open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK));
}

/* ---- what is done before the lock ---- */

bool take_gift(void)
{
	if (context.stage != STAGE_FLOOR)
		return false;
	held_fd = 3;
	if (fcntl(held_fd, F_GETFD) < 0)
		broken("no descriptor 3");
	return true;
}

void prepare_nothing(void)
{
}

void prepare_directory(void)
{
	if (take_gift())
		return;
	held_fd = open(context.directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (held_fd < 0)
		broken("the tree: %s", strerror(errno));
}

void prepare_program(void)
{
	held_fd = open(context.program, O_PATH | O_CLOEXEC);
	if (held_fd < 0)
		broken("%s: %s", context.program, strerror(errno));
}

void prepare_pidfd(void)
{
	if (take_gift())
		return;
	/* Of init where there is a sandbox: its number is the same before the lock. */
	held_fd =
	    (int)syscall(SYS_pidfd_open, context.stage == STAGE_PLAIN ? context.victim : 1, 0);
	if (held_fd < 0)
		broken("pidfd_open: %s", strerror(errno));
}

/* ---- other programs ---- */

static void open_right_file(const char *name)
{
	char bytes[8] = "";
	int fd = open(name, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || read(fd, bytes, 6) != 6 || memcmp(bytes, "plain\n", 6) != 0)
		broken("an open that is granted: %s", strerror(errno));
	(void)close(fd);
}

/* For each byte on descriptor 3: opens, checks, answers. */
static void be_neighbour(void)
{
	char byte;

	while (read(3, &byte, 1) == 1) {
		for (int i = 0; i < 100; i++)
			open_right_file(in_tree("readonly/file"));
		if (write(3, &byte, 1) != 1)
			return;
	}
}

static void *make_traffic(void *name)
{
	for (;;)
		open_right_file(name);
	return NULL;
}

/* On a floor nobody else says so. */
static void say_that_it_runs(void)
{
	static const char word[] = "RUNS\n";

	if (context.stage == STAGE_FLOOR &&
	    write(STDOUT_FILENO, word, sizeof(word) - 1) != sizeof(word) - 1)
		broken("no output");
}

static void tell_identity(const char *name)
{
	struct stat status;
	char line[64];
	int length;

	if (stat(name, &status) < 0)
		broken("%s: %s", name, strerror(errno));
	length = snprintf(line, sizeof(line), "%lu:%lu\n", (unsigned long)status.st_dev,
			  (unsigned long)status.st_ino);
	if (write(STDOUT_FILENO, line, (size_t)length) != length)
		broken("no output");
}

/* Opens by relative names, from one directory and another, and says what it found. */
static void wander(void)
{
	const char *directories[] = {in_tree("allowed/sub"), in_tree("allowed")};

	for (int i = 0; i < 500; i++) {
		if (chdir(directories[i % 2]) < 0)
			broken("chdir: %s", strerror(errno));
		open_right_file("file");
	}
	tell_identity("file");
	tell_identity("../readonly/file");
}

static void tell_file(const char *name)
{
	char bytes[8192];
	int fd = open(name, O_RDONLY | O_CLOEXEC);
	ssize_t length = fd < 0 ? -1 : read(fd, bytes, sizeof(bytes));

	if (length <= 0 || write(STDOUT_FILENO, bytes, (size_t)length) != length)
		broken("%s: %s", name, strerror(errno));
	(void)close(fd);
}

static void tell_status(void)
{
	tell_file("/proc/self/status");
}

/* What it was started with. */
static void tell_state(void)
{
	char line[PATH_MAX + 16];
	int length;

	if (!getcwd(line + 8, PATH_MAX))
		broken("getcwd: %s", strerror(errno));
	memcpy(line, "Cwd:   \t", 8);
	length = (int)strlen(line);
	line[length++] = '\n';
	if (write(STDOUT_FILENO, line, (size_t)length) != length)
		broken("no output");
	tell_file("/proc/self/status");
	tell_file("/proc/self/limits");
	tell_file("/proc/self/stat");
}

static void tell_opening(const char *name, uint64_t resolve)
{
	const struct open_how how = {.flags = O_RDONLY | O_CLOEXEC, .resolve = resolve};
	int fd = (int)syscall(SYS_openat2, AT_FDCWD, in_tree(name), &how, sizeof(how));
	char line[256];
	int length = snprintf(line, sizeof(line), "%s %s\n", name,
			      fd < 0 ? strerrorname_np(errno) : "opened");

	if (write(STDOUT_FILENO, line, (size_t)length) != length)
		broken("no output");
	(void)close(fd);
}

/* B31: mounts that the machine has below and beside what is granted. */
static void cross_mounts(void)
{
	tell_opening("allowed/sub/file", 0);
	tell_opening("allowed/sub/file", RESOLVE_NO_XDEV);
	tell_opening("allowed/parent/child/canary", 0);
	tell_opening("outside/file", 0);
	tell_opening("allowed/sub/../../secret/canary", 0);
}

/* Memory that its file system is asked for when it is touched. */
static void *map_silence(void)
{
	int fd = open(in_tree("allowed/dead/file"), O_RDWR | O_CLOEXEC);
	void *memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (fd < 0 || memory == MAP_FAILED)
		broken("allowed/dead/file: %s", strerror(errno));
	return memory;
}

/* Asks for what never answers. */
static void get_stuck(void)
{
	static const char word[] = "RUNS\n";
	enum { OPEN, STAT, NAME_THERE, ANSWER_THERE };
	void *memory = context.variant >= NAME_THERE ? map_silence() : NULL;
	struct stat status;

	if (write(STDOUT_FILENO, word, sizeof(word) - 1) != sizeof(word) - 1)
		broken("no output");
	if (context.variant == OPEN)
		(void)open(in_tree("allowed/dead/file"), O_RDONLY | O_CLOEXEC);
	else if (context.variant == STAT)
		(void)stat(in_tree("allowed/dead/file"), &status);
	else if (context.variant == NAME_THERE)
		(void)syscall(SYS_openat, AT_FDCWD, memory, O_RDONLY | O_CLOEXEC);
	else
		(void)syscall(SYS_newfstatat, AT_FDCWD, in_tree("allowed/file"), memory, 0);
	/* A descriptor may be given whose giver is stuck afterwards: whoever asks next waits. */
	(void)stat(in_tree("allowed/file"), &status);
	broken("it was answered: %s", strerror(errno));
}

/* F08: as many as there is a number for; the last word is that there is none. */
static void breed(void)
{
	pid_t child;

	while ((child = fork()) > 0)
		;
	if (child < 0 && errno != EAGAIN)
		broken("fork: %s", strerror(errno));
	if (child < 0 && write(STDOUT_FILENO, "FULL\n", 5) != 5)
		broken("no output");
	for (;;)
		(void)pause();
}

/* Those that nothing comes back from, as it is without arguments; and the kernel's own probes. */
static bool never_returns(long number)
{
	static const long numbers[] = {SYS_exit,
				       SYS_exit_group,
				       SYS_pause,
				       SYS_rt_sigreturn,
				       SYS_select,
				       SYS_pselect6,
				       SYS_rt_sigsuspend,
				       SYS_ppoll,
				       335,
				       336};

	for (size_t i = 0; i < SP_ELEMENTS(numbers); i++)
		if (numbers[i] == number)
			return true;
	return false;
}

/* A04: each number without arguments, by a child of its own, and how that ended: its status is 0 or an errno. */
static void call_all(void)
{
	enum { NUMBERS = 1024 };

	for (long number = 0; number < NUMBERS; number++) {
		int status;
		pid_t child;

		if (never_returns(number))
			continue;
		child = fork();
		if (child == 0) {
			long r = sp_raw_syscall(number, 0, 0, 0, 0, 0, 0);

			_exit(r < 0 ? (int)-r : 0);
		}
		if (child < 0 || waitpid(child, &status, 0) != child)
			broken("a child: %s", strerror(errno));
		if (dprintf(STDOUT_FILENO, "%ld %d\n", number, status) < 0)
			broken("no output");
	}
}

static void be_traffic(void)
{
	static char name[PATH_MAX];
	pthread_t thread;

	say_that_it_runs();
	(void)snprintf(name, sizeof(name), "%s", in_tree("readonly/file"));
	if (pthread_create(&thread, NULL, make_traffic, name) != 0)
		broken("no thread");
	(void)make_traffic(name);
}

/* What holds a program on a floor from its first instruction on, and another one from its lock on. */
static void check_walls(void)
{
	static const char *const lines[] = {"\nNoNewPrivs:\t1\n", "\nSeccomp:\t2\n",
					    "\nCapEff:\t0000000000000000\n",
					    "\nCapBnd:\t0000000000000000\n"};
	char bytes[8192] = "";
	int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);

	if (fd >= 0 && read(fd, bytes, sizeof(bytes) - 1) > 0)
		for (size_t i = 0; i < SP_ELEMENTS(lines); i++)
			if (!strstr(bytes, lines[i]))
				escape("not so in its status: %s", lines[i]);
	(void)close(fd);
	if (getpid() > 8)
		escape("no pid namespace: %d", getpid());
	if (socket(AF_INET, SOCK_STREAM, 0) >= 0)
		escape("a socket");
	if (unshare(CLONE_NEWUSER) == 0)
		escape("a user namespace");
}

/* What is granted may fail, since something else has; what is not granted must. */
static void play_session(void)
{
	static const char *const forbidden[] = {"secret/canary", "allowed/link", "allowed/relative",
						"allowed/up/secret/canary", "allowed-too/canary"};
	struct stat status;
	int fd;

	say_that_it_runs();
	check_walls();
	fd = open(in_tree("allowed/file"), O_RDWR | O_CLOEXEC);
	check_descriptor("a granted file", fd);
	for (size_t i = 0; i < SP_ELEMENTS(forbidden); i++) {
		try_read(in_tree(forbidden[i]));
		if (stat(in_tree(forbidden[i]), &status) == 0)
			escape("stat %s", forbidden[i]);
	}
	if (open(in_tree("outside/new"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600) >= 0 ||
	    mkdir(in_tree("outside/made"), 0700) == 0 ||
	    rename(in_tree("allowed/other"), in_tree("outside/other")) == 0 ||
	    truncate(in_tree("readonly/file"), 0) == 0 || unlink(in_tree("readonly/file")) == 0)
		escape("a change outside");
	if (chdir(in_tree("secret")) == 0)
		escape("chdir");
	(void)mkdir(in_tree("allowed/made"), 0700);
	(void)close(open(in_tree("allowed/made/new"), O_WRONLY | O_CREAT | O_CLOEXEC, 06777));
	(void)rename(in_tree("allowed/made/new"), in_tree("allowed/made/newer"));
	(void)!truncate(in_tree("allowed/made/newer"), 100);
	(void)unlink(in_tree("allowed/made/newer"));
	(void)rmdir(in_tree("allowed/made"));
	(void)close(open(in_tree("allowed/fifo"), O_RDWR | O_CLOEXEC));
	(void)access(in_tree("readonly/file"), R_OK);
	if (write(STDOUT_FILENO, "DONE\n", 5) != 5)
		broken("no output");
}

/* F15: as if it had ended otherwise. The event is PorterEvent.Exited, status 7, as the porter sends it. */
static void lie(void)
{
	static const uint8_t event[] = {0x2a, 4, 0x08, 1, 0x10, 14};
	static const int statuses[] = {31, 128 + SIGKILL, 125};

	if (context.variant < SP_ELEMENTS(statuses))
		_exit(statuses[context.variant]);
	if (write(STDOUT_FILENO, event, sizeof(event)) < 0 ||
	    write(STDERR_FILENO, event, sizeof(event)) < 0)
		broken("no output");
	if (context.variant == 3) {
		if (write(SP_CHANNEL_FD, event, sizeof(event)) < 0)
			broken("no channel: %s", strerror(errno));
		for (;;)
			(void)pause();
	}
	if (context.variant == 5)
		__builtin_trap();
	_exit(0);
}

/* ---- choosing ---- */

#define LOCKED STAGE_LOCKED
#define UNLOCKED STAGE_UNLOCKED

static const struct program {
	const char *id;
	enum stage stage;
	prepare_fn *prepare;
	attack_fn *run;
} programs[] = {
#define ATTACK(id, stage, prepare, ...) {#id, stage, prepare, attack_##id},
#include "tests/attacks/attacks.def"
#undef ATTACK
    {"ERRORS", STAGE_PLAIN, prepare_nothing, tell_native_errors},
    {"RESULTS", STAGE_PLAIN, prepare_nothing, tell_native_results},
    {"NEIGHBOUR", STAGE_LOCKED, prepare_nothing, be_neighbour},
    {"TRAFFIC", STAGE_LOCKED, prepare_nothing, be_traffic},
    {"CALLS", STAGE_LOCKED, prepare_nothing, call_all},
    {"BREED", STAGE_LOCKED, prepare_nothing, breed},
    {"LIE", STAGE_LOCKED, prepare_nothing, lie},
    {"STATUS", STAGE_LOCKED, prepare_nothing, tell_status},
    {"STATE", STAGE_LOCKED, prepare_nothing, tell_state},
    {"MOUNTS", STAGE_LOCKED, prepare_nothing, cross_mounts},
    {"STUCK", STAGE_LOCKED, prepare_nothing, get_stuck},
    {"WANDER", STAGE_LOCKED, prepare_nothing, wander},
    {"SESSION", STAGE_LOCKED, prepare_nothing, play_session},
};

static const struct program *find(const char *id)
{
	for (size_t i = 0; i < SP_ELEMENTS(programs); i++)
		if (strcmp(programs[i].id, id) == 0)
			return &programs[i];
	return NULL;
}

static void run(const struct program *program)
{
	program->prepare();
	if (context.stage == STAGE_LOCKED) {
		int r = sp_sandboxee_enter();

		if (r < 0)
			broken("the lock: %s", strerror(-r));
	}
	program->run();
}

/* Where the attack is to run, from an option that is taken off the arguments; STAGE_LOCKED: as its row says. */
static enum stage take_stage(char ***argument)
{
	static const struct {
		const char *option;
		enum stage stage;
	} options[] = {{"--unprotected", STAGE_PLAIN}, {"--floor", STAGE_FLOOR}};

	for (size_t i = 0; **argument && i < SP_ELEMENTS(options); i++)
		if (strcmp(**argument, options[i].option) == 0) {
			(*argument)++;
			return options[i].stage;
		}
	return STAGE_LOCKED;
}

static int count(char **words)
{
	int number = 0;

	while (words[number])
		number++;
	return number;
}

int main(int argc, char **argv)
{
	char **argument = argv + (argc > 0);
	const struct program *program;

	/* Run by an attack that reached execve. */
	if (argc == 2 && strcmp(argv[1], "executed") == 0)
		escape("a program was run");
	context.stage = take_stage(&argument);
	if (*argument && strcmp(*argument, "--thorough") == 0) {
		context.thorough = true;
		argument++;
	}
	if (count(argument) != 5)
		broken("usage: attack [--unprotected|--floor] [--thorough] ID VARIANT DIRECTORY "
		       "VICTIM MEMORY");
	program = find(argument[0]);
	if (!program)
		broken("no attack %s", argument[0]);
	if (context.stage == STAGE_LOCKED)
		context.stage = program->stage;
	context.program = argv[0];
	context.variant = (unsigned)strtoul(argument[1], NULL, 10);
	context.directory = argument[2];
	context.victim = (pid_t)strtol(argument[3], NULL, 10);
	context.victim_memory = (uintptr_t)strtoull(argument[4], NULL, 16);
	run(program);
	return STATUS_HELD;
}
