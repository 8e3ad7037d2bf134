/* SPDX-License-Identifier: Apache-2.0 */
/* What the broker's tests run as a sandboxee. It links no library of ours and prints what it finds,
 * so that the test compares. Usage: probe COMMAND [ARGUMENT]… */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static int true_command(char **arguments)
{
	(void)arguments;
	return 0;
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

static int hang_command(char **arguments)
{
	(void)arguments;
	(void)puts("ready");
	(void)fflush(stdout);
	while (pause() < 0)
		;
	return 1;
}

/* A second process that ignores what it can, and waits too. */
static int family_command(char **arguments)
{
	for (int i = 0; i < 2; i++)
		if (fork() == 0) {
			(void)setsid();
			for (int number = 1; number < NSIG; number++)
				(void)signal(number, SIG_IGN);
			for (;;)
				(void)pause();
		}
	return hang_command(arguments);
}

/* Gives its parent two children: one dead, one that waits. */
static int sibling_command(char **arguments)
{
	(void)arguments;
	for (int i = 0; i < 2; i++)
		if (syscall(SYS_clone, CLONE_PARENT | SIGCHLD, NULL, NULL, NULL, NULL) == 0)
			while (i == 0)
				(void)pause();
	return 3;
}

/* Leaves an orphan behind that holds stdout open. */
static int orphan_command(char **arguments)
{
	(void)arguments;
	if (fork() == 0)
		for (;;)
			(void)pause();
	return 3;
}

static int arguments_command(char **arguments)
{
	for (; *arguments; arguments++)
		(void)printf("[%s]\n", *arguments);
	for (char **variable = environ; *variable; variable++)
		(void)printf("{%s}\n", *variable);
	return 0;
}

static int compare(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

/* Every open descriptor and its kind. */
static int descriptors_command(char **arguments)
{
	static int found[2048];
	size_t count = 0;
	struct dirent *entry;
	DIR *directory = opendir("/proc/self/fd");

	(void)arguments;
	if (!directory)
		return 1;
	while ((entry = readdir(directory)) && count < 2048)
		if (entry->d_name[0] != '.' && atoi(entry->d_name) != dirfd(directory))
			found[count++] = atoi(entry->d_name);
	qsort(found, count, sizeof(found[0]), compare);
	for (size_t i = 0; i < count; i++) {
		char path[64], target[PATH_MAX];
		ssize_t length;
		char *colon;

		(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", found[i]);
		length = readlink(path, target, sizeof(target) - 1);
		target[length < 0 ? 0 : length] = 0;
		colon = strchr(target, ':'); /* inode numbers differ each time */
		if (colon && colon[1] == '[')
			*colon = 0;
		(void)printf("%d %s%s\n", found[i], target,
			     fcntl(found[i], F_GETFD) & FD_CLOEXEC ? " cloexec" : "");
	}
	return 0;
}

/* Lines of a file that begin with one of the arguments. */
static int grep_command(char **arguments)
{
	FILE *file = fopen(arguments[0], "re");
	char line[1024];

	while (file && fgets(line, sizeof(line), file))
		for (char **prefix = arguments + 1; *prefix; prefix++)
			if (strncmp(line, *prefix, strlen(*prefix)) == 0)
				(void)fputs(line, stdout);
	return file ? 0 : 1;
}

static int read_command(char **arguments)
{
	char bytes[4096];
	int fd = atoi(arguments[0]);
	ssize_t n;

	while ((n = read(fd, bytes, sizeof(bytes))) > 0)
		(void)fwrite(bytes, 1, (size_t)n, stdout);
	return n < 0 ? 1 : 0;
}

static void try(const char *name, int result)
{
	(void)printf("%s %s\n", name, result == 0 ? "ok" : strerrorname_np(errno));
}

static int ids_command(char **arguments)
{
	gid_t group = 12345;
	struct rlimit higher;

	(void)arguments;
	(void)printf("uid %u gid %u\n", getuid(), getgid());
	try("setresuid", setresuid(4242, 4242, 4242));
	try("setresgid", setresgid(4242, 4242, 4242));
	try("setgroups", setgroups(1, &group));
	try("chroot", chroot("/"));
	try("sethostname", sethostname("x", 1));
	try("setns", setns(open("/proc/self/ns/uts", O_RDONLY | O_CLOEXEC), 0));
	(void)getrlimit(RLIMIT_CORE, &higher);
	higher.rlim_max++;
	try("setrlimit", setrlimit(RLIMIT_CORE, &higher));
	return 0;
}

static int namespaces_command(char **arguments)
{
	static const char *const names[] = {"ipc", "mnt", "net", "pid", "user", "uts", "cgroup"};

	(void)arguments;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char path[64], target[128];
		ssize_t length;

		(void)snprintf(path, sizeof(path), "/proc/self/ns/%s", names[i]);
		length = readlink(path, target, sizeof(target) - 1);
		target[length < 0 ? 0 : length] = 0;
		(void)printf("%s %s\n", names[i], target);
	}
	return 0;
}

/* Who am I, whom do I see, where am I. */
static int view_command(char **arguments)
{
	char host[64] = "", cwd[PATH_MAX] = "";
	struct dirent *entry;
	DIR *directory = opendir("/proc");

	(void)arguments;
	(void)printf("pid %d ppid %d sid %d\n", getpid(), getppid(), getsid(0));
	while (directory && (entry = readdir(directory)))
		if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9')
			(void)printf("sees %s\n", entry->d_name);
	(void)gethostname(host, sizeof(host));
	(void)printf("host %s\ncwd %s\numask %03o\n", host, getcwd(cwd, sizeof(cwd)) ? cwd : "?",
		     umask(0));
	return 0;
}

static int limits_command(char **arguments)
{
	static const struct {
		const char *name;
		int resource;
	} limits[] = {{"memory", RLIMIT_AS},  {"cpu", RLIMIT_CPU},   {"files", RLIMIT_NOFILE},
		      {"size", RLIMIT_FSIZE}, {"core", RLIMIT_CORE}, {"processes", RLIMIT_NPROC}};

	(void)arguments;
	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		struct rlimit limit;

		(void)getrlimit((unsigned)limits[i].resource, &limit);
		(void)printf("%s %jd %jd\n", limits[i].name, (intmax_t)limit.rlim_cur,
			     (intmax_t)limit.rlim_max);
	}
	return 0;
}

/* How many children can live at once, up to ten. */
static int fork_command(char **arguments)
{
	int count = 0;

	(void)arguments;
	while (count < 10) {
		pid_t pid = fork();

		if (pid == 0)
			for (;;)
				(void)pause();
		if (pid < 0)
			break;
		count++;
	}
	(void)printf("%d %s\n", count, count < 10 ? strerrorname_np(errno) : "all");
	return 0;
}

/* Signals as an exec'd program finds them. */
static int signals_command(char **arguments)
{
	sigset_t mask;

	(void)arguments;
	(void)sigprocmask(SIG_BLOCK, NULL, &mask);
	for (int number = 1; number < NSIG; number++) {
		struct sigaction action;

		if (sigaction(number, NULL, &action) == 0 && action.sa_handler != SIG_DFL)
			(void)printf("%d not default\n", number);
		if (sigismember(&mask, number) == 1)
			(void)printf("%d blocked\n", number);
	}
	(void)printf("done\n");
	return 0;
}

static int write_command(char **arguments)
{
	int file = open(arguments[0], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);

	try("write", file < 0 ? -1 : 0);
	return 0;
}

/* One MiB of a pattern on stdout, a little on stderr. */
static int flood_command(char **arguments)
{
	static char bytes[1024 * 1024];

	(void)arguments;
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (char)(i * 7 + i / 251);
	(void)fputs("small\n", stderr);
	return fwrite(bytes, 1, sizeof(bytes), stdout) == sizeof(bytes) ? 0 : 1;
}

static const struct {
	const char *name;
	int (*run)(char **arguments);
	int arguments;
} commands[] = {
    {"true", true_command, 0},
    {"exit", exit_command, 1},
    {"signal", signal_command, 1},
    {"hang", hang_command, 0},
    {"family", family_command, 0},
    {"orphan", orphan_command, 0},
    {"sibling", sibling_command, 0},
    {"arguments", arguments_command, 0},
    {"descriptors", descriptors_command, 0},
    {"grep", grep_command, 1},
    {"read", read_command, 1},
    {"ids", ids_command, 0},
    {"namespaces", namespaces_command, 0},
    {"view", view_command, 0},
    {"limits", limits_command, 0},
    {"fork", fork_command, 0},
    {"signals", signals_command, 0},
    {"write", write_command, 1},
    {"flood", flood_command, 0},
};

int main(int argc, char **argv)
{
	for (size_t i = 0; argc >= 2 && i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strcmp(argv[1], commands[i].name) == 0 && argc >= 2 + commands[i].arguments)
			return commands[i].run(argv + 2);
	return 99;
}
