/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of `sallyport run` run. It links no library of ours and prints what it finds, so that
 * the test compares. Usage: run-guest COMMAND [ARGUMENT]… */
#include <errno.h>
#include <fcntl.h>
#include <pty.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

extern char **environ;

static const char *outcome(long result)
{
	return result >= 0 ? "ok" : strerrorname_np(errno);
}

static int exit_command(char **arguments)
{
	return atoi(arguments[0]);
}

static int signal_command(char **arguments)
{
	(void)raise(atoi(arguments[0]));
	return 1;
}

/* Copies its input to its output. */
static int copy_command(char **arguments)
{
	char bytes[4096];
	ssize_t n;

	(void)arguments;
	while ((n = read(STDIN_FILENO, bytes, sizeof(bytes))) > 0)
		if (write(STDOUT_FILENO, bytes, (size_t)n) != n)
			return 1;
	return n < 0;
}

static int errors_command(char **arguments)
{
	return fputs(arguments[0], stderr) < 0;
}

static void tell_signal(int number)
{
	char text[] = "got 00\n";

	text[4] = (char)('0' + number / 10);
	text[5] = (char)('0' + number % 10);
	if (write(STDOUT_FILENO, text, sizeof(text) - 1) < 0)
		_exit(1);
}

/* Says which signals come, without end; the named ones keep their defaults. */
static int signals_command(char **arguments)
{
	struct sigaction action = {.sa_handler = tell_signal, .sa_flags = SA_RESTART};

	for (int number = 1; number < SIGSYS; number++)
		if (number != SIGTSTP && number != SIGTTIN && number != SIGTTOU &&
		    number != SIGCHLD)
			(void)sigaction(number, &action, NULL);
	for (; *arguments; arguments++)
		(void)signal(atoi(*arguments), SIG_DFL);
	(void)puts("ready");
	(void)fflush(stdout);
	while (pause() < 0)
		;
	return 1;
}

static int stop_command(char **arguments)
{
	(void)raise(atoi(arguments[0]));
	(void)puts("continued");
	return 4;
}

static int ignored_command(char **arguments)
{
	(void)arguments;
	for (int number = 1; number < SIGSYS; number++) {
		struct sigaction action;

		if (sigaction(number, NULL, &action) == 0 && action.sa_handler == SIG_IGN)
			(void)printf("%d\n", number);
	}
	return 0;
}

/* "number", and "null" where it is /dev/null. */
static int descriptors_command(char **arguments)
{
	struct stat null, status;

	(void)arguments;
	if (stat("/dev/null", &null) < 0)
		return 1;
	for (int fd = 0; fd < 1024; fd++)
		if (fstat(fd, &status) == 0)
			(void)printf("%d%s\n", fd,
				     S_ISCHR(status.st_mode) && status.st_rdev == null.st_rdev
					 ? " null"
					 : "");
	return 0;
}

/* How many arguments, and how long they are together. */
static int arguments_command(char **arguments)
{
	size_t count = 0, length = 0;

	for (; arguments[count]; count++)
		length += strlen(arguments[count]);
	(void)printf("%zu %zu\n", count, length);
	return 0;
}

static int environment_command(char **arguments)
{
	(void)arguments;
	for (char **variable = environ; *variable; variable++)
		(void)printf("%s\n", *variable);
	return 0;
}

static int directory_command(char **arguments)
{
	char path[4096];

	(void)arguments;
	return puts(getcwd(path, sizeof(path)) ? path : "?") < 0;
}

static int read_command(char **arguments)
{
	for (; *arguments; arguments++)
		(void)printf("%s\n", outcome(open(*arguments, O_RDONLY | O_CLOEXEC)));
	return 0;
}

static int write_command(char **arguments)
{
	for (; *arguments; arguments++)
		(void)printf("%s\n",
			     outcome(open(*arguments, O_WRONLY | O_CREAT | O_CLOEXEC, 0600)));
	return 0;
}

static int rename_command(char **arguments)
{
	return printf("%s\n", outcome(rename(arguments[0], arguments[1]))) < 0;
}

static int execute_command(char **arguments)
{
	(void)execv(arguments[0], arguments);
	return printf("%s\n", outcome(-1)) < 0;
}

static int limits_command(char **arguments)
{
	static const int resources[] = {RLIMIT_AS, RLIMIT_CPU, RLIMIT_NOFILE, RLIMIT_FSIZE};

	(void)arguments;
	for (size_t i = 0; i < sizeof(resources) / sizeof(resources[0]); i++) {
		struct rlimit limit;

		(void)getrlimit((unsigned)resources[i], &limit);
		(void)printf("%jd\n", (intmax_t)limit.rlim_cur);
	}
	return 0;
}

/* What would reach beyond the sandbox: the process group, the terminal. */
static int reach_command(char **arguments)
{
	char byte = 'x';
	int tty = open("/dev/tty", O_RDWR | O_CLOEXEC);
	struct winsize size;

	(void)arguments;
	(void)printf("kill %s\n", outcome(kill(0, SIGKILL)));
	(void)printf("tty %s\n", outcome(tty));
	(void)printf("size %s\n", outcome(ioctl(tty, TIOCGWINSZ, &size)));
	(void)printf("type %s\n", outcome(ioctl(tty, TIOCSTI, &byte)));
	return 0;
}

/* A session at a terminal of one's own, which is not the one that we were started at. */
static int be_session(void)
{
	char line[64] = "";
	int tty = open("/dev/tty", O_RDWR | O_CLOEXEC);
	ssize_t n = read(tty, line, sizeof(line) - 1);

	(void)dprintf(tty, "heard %.*s", (int)n, line);
	/* The master's end is felt. */
	n = read(tty, line, sizeof(line));
	return n == 0 || (n < 0 && errno == EIO) ? 7 : 8;
}

static void talk(int master)
{
	char text[256] = "";
	size_t have = 0;

	if (write(master, "hello\n", 6) != 6)
		return;
	while (have < sizeof(text) - 1 && !strstr(text, "heard hello\r\n")) {
		ssize_t n = read(master, text + have, sizeof(text) - 1 - have);

		if (n <= 0)
			break;
		have += (size_t)n;
		text[have] = '\0';
	}
	(void)printf("session %s\n", strstr(text, "heard hello\r\n") ? "ok" : text);
}

/* Opens own terminals until one has the name that the one at our standard input has outside. */
static void meet_namesake(char name[64])
{
	char outside[64] = "";
	struct stat theirs, again;
	ssize_t n = readlink("/proc/self/fd/0", outside, sizeof(outside) - 1);
	int master = -1, slave, fd;

	for (int i = 0; i < 200 && n > 0 && strcmp(name, outside) != 0; i++)
		if (openpty(&master, &slave, name, NULL, NULL) < 0)
			break;
	fd = open("/proc/self/fd/0", O_RDWR | O_CLOEXEC | O_NOCTTY);
	(void)printf("namesake %s\n", strcmp(name, outside) == 0 ? "ok" : "missing");
	(void)printf("again %s\n", fd >= 0 && fstat(fd, &again) == 0 && fstat(0, &theirs) == 0 &&
					   again.st_dev == theirs.st_dev &&
					   again.st_ino == theirs.st_ino
				       ? "ok"
				       : "another's");
	fd = open(outside, O_RDWR | O_CLOEXEC | O_NOCTTY);
	(void)printf("by name %s\n", fd < 0 ? outcome(fd)
				     : fstat(fd, &again) == 0 && again.st_dev != theirs.st_dev
					 ? "own"
					 : "outside");
}

static int terminals_command(char **arguments)
{
	char byte = 'x', name[64] = "", outside[64] = "";
	int master, slave, status;
	pid_t child;

	(void)arguments;
	if (readlink("/proc/self/fd/0", outside, sizeof(outside) - 1) > 0)
		(void)printf("stranger %s\n", outcome(open(outside, O_RDWR | O_NOCTTY)));
	(void)printf("pair %s\n", outcome(openpty(&master, &slave, name, NULL, NULL)));
	(void)printf("name %s\n",
		     ttyname(slave) && strcmp(ttyname(slave), name) == 0 ? "ok" : name);
	(void)printf("type %s\n", outcome(ioctl(slave, TIOCSTI, &byte)));
	child = forkpty(&master, NULL, NULL, NULL);
	if (child == 0)
		_exit(be_session());
	talk(master);
	(void)close(master);
	(void)waitpid(child, &status, 0);
	/* The hangup kills who does not read first. */
	(void)printf("hangup %s\n", (WIFEXITED(status) && WEXITSTATUS(status) == 7) ||
					    (WIFSIGNALED(status) && WTERMSIG(status) == SIGHUP)
					? "ok"
					: "unfelt");
	child = fork();
	if (child == 0) {
		(void)setsid();
		_exit(open("/dev/tty", O_RDWR) < 0 ? errno : 0);
	}
	(void)waitpid(child, &status, 0);
	(void)printf("none %s\n", WEXITSTATUS(status) == ENXIO ? "ok" : "some");
	meet_namesake(name);
	return 0;
}

static const struct {
	const char *name;
	int (*run)(char **arguments);
	int least; /* arguments */
} commands[] = {
    {"exit", exit_command, 1},           {"signal", signal_command, 1},
    {"copy", copy_command, 0},           {"errors", errors_command, 1},
    {"signals", signals_command, 0},     {"stop", stop_command, 1},
    {"ignored", ignored_command, 0},     {"descriptors", descriptors_command, 0},
    {"arguments", arguments_command, 0}, {"environment", environment_command, 0},
    {"directory", directory_command, 0}, {"read", read_command, 1},
    {"write", write_command, 1},         {"rename", rename_command, 2},
    {"execute", execute_command, 1},     {"limits", limits_command, 0},
    {"reach", reach_command, 0},         {"terminals", terminals_command, 0},
};

int main(int argc, char **argv)
{
	for (size_t i = 0; argc > 1 && i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strcmp(argv[1], commands[i].name) == 0 && argc - 2 >= commands[i].least)
			return commands[i].run(argv + 2);
	(void)fputs("usage: run-guest COMMAND [ARGUMENT]...\n", stderr);
	return 99;
}
