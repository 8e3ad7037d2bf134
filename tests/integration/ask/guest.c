/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the tests of `ask` run as a sandboxee. Usage: ask-guest trap|notify WORD…: each WORD is an
 * act, "read:/name", whose outcome is written as "read:/name = text" or "= -errno".
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <sallyport/sandboxee.h>

#include "ipc/runtime.h"
#include "ipc/slots.h"

static const char *current; /* the word in hand */

/* One write a line: threads do not mix theirs. */
static void say(const char *what, const char *outcome)
{
	char line[1024];
	int length = snprintf(line, sizeof(line), "%s = %s\n", what, outcome);

	if (write(STDOUT_FILENO, line, (size_t)length) != length)
		_exit(3);
}

static void say_number(const char *what, long result)
{
	char text[32];

	(void)snprintf(text, sizeof(text), "%ld", result < 0 ? -(long)errno : result);
	say(what, text);
}

static void open_and_say(const char *what, const char *path, int flags)
{
	char text[64] = "";
	int fd = open(path, flags, 0600);
	ssize_t n;

	if (fd < 0) {
		say_number(what, -1);
		return;
	}
	n = flags == O_RDONLY ? read(fd, text, sizeof(text) - 1) : 0;
	text[n < 0 ? 0 : n] = '\0';
	(void)close(fd);
	say(what, flags == O_RDONLY ? text : "0");
}

static void read_act(char *path)
{
	open_and_say(current, path, O_RDONLY);
}

static void write_act(char *path)
{
	open_and_say(current, path, O_WRONLY);
}

static void both_act(char *path)
{
	open_and_say(current, path, O_RDWR);
}

static void create_act(char *path)
{
	open_and_say(current, path, O_WRONLY | O_CREAT | O_EXCL);
}

static void stat_act(char *path)
{
	struct stat status;

	say_number(current, stat(path, &status));
}

static void access_act(char *path)
{
	say_number(current, access(path, R_OK));
}

static void mkdir_act(char *path)
{
	say_number(current, mkdir(path, 0700));
}

static void unlink_act(char *path)
{
	say_number(current, unlink(path));
}

static void rename_act(char *path)
{
	char *to = strchr(path, ':');

	*to++ = '\0';
	say_number("rename", rename(path, to));
}

static void socket_act(char *domain)
{
	int fd = socket(atoi(domain), SOCK_STREAM | SOCK_CLOEXEC, 0);

	say_number(current, fd < 0 ? fd : 0);
	if (fd >= 0)
		(void)close(fd);
}

static void *read_thread(void *path)
{
	open_and_say(path, path, O_RDONLY);
	return NULL;
}

/* "crowd:N:/name": N threads, each reading /name0, /name1, …; "same:N:/name": all the same one. */
static void crowd(char *words, int same)
{
	enum { MOST = 64 };
	static char path[MOST][256];
	pthread_t thread[MOST];
	char *name;
	int count = (int)strtol(words, &name, 10);

	for (int i = 0; i < count; i++) {
		(void)snprintf(path[i], sizeof(path[i]), same ? "%s" : "%s%d", name + 1, i);
		if (pthread_create(&thread[i], NULL, read_thread, path[i]))
			_exit(3);
	}
	for (int i = 0; i < count; i++)
		(void)pthread_join(thread[i], NULL);
	say("crowd", "0");
}

static void crowd_act(char *words)
{
	crowd(words, 0);
}

static void same_act(char *words)
{
	crowd(words, 1);
}

/* "beside:/asked:/granted": one thread waits for an answer while another one works. */
static void beside_act(char *words)
{
	char *granted = strchr(words, ':');
	struct stat status;
	pthread_t thread;

	*granted++ = '\0';
	if (pthread_create(&thread, NULL, read_thread, words))
		_exit(3);
	for (int i = 0; i < 100; i++)
		if (stat(granted, &status) < 0)
			_exit(3);
	say("beside", "0");
	(void)pthread_join(thread, NULL);
}

/* What the runtime shares with the porter. */
static struct sp_slots *find_slots(void)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	char line[512];
	struct sp_slots *slots = NULL;

	while (maps && !slots && fgets(line, sizeof(line), maps))
		if (strstr(line, " rw-s ") && strstr(line, "memfd:"))
			slots = (struct sp_slots *)strtoul(line, NULL, 16);
	if (maps)
		(void)fclose(maps);
	return slots;
}

/* "repost:/asked:/granted": the slot of a call that waits is posted once more. */
static void repost_act(char *words)
{
	struct sp_slots *slots = find_slots();
	char *granted = strchr(words, ':');
	struct stat status;
	pthread_t thread;
	unsigned index = 0;

	*granted++ = '\0';
	if (!slots || pthread_create(&thread, NULL, read_thread, words))
		_exit(3);
	while (atomic_load(&slots->slot[index].state) != SP_SLOT_SERVING) {
		index = (index + 1) % SP_SLOT_COUNT;
		(void)sched_yield();
	}
	atomic_store(&slots->slot[index].state, SP_SLOT_REQUEST);
	atomic_fetch_or(&slots->pending, 1u << index);
	(void)stat(granted, &status); /* somebody rings */
	say("repost", "0");
	(void)pthread_join(thread, NULL);
}

static void phase_act(char *name)
{
	char text[32];

	(void)snprintf(text, sizeof(text), "%d", sp_sandboxee_phase(name));
	say(current, text);
}

static void getuid_act(char *unused)
{
	(void)unused;
	say_number(current, syscall(SYS_getuid) < 0 ? -1 : 0);
}

static void *getuid_thread(void *go)
{
	while (!atomic_load((atomic_int *)go))
		(void)sched_yield();
	current = "thread";
	getuid_act(NULL);
	return NULL;
}

/* "threads:NAME": the phase is entered while another thread is alive, which acts afterwards. */
static void threads_act(char *name)
{
	atomic_int go = 0;
	pthread_t thread;

	if (pthread_create(&thread, NULL, getuid_thread, &go))
		_exit(3);
	phase_act(name);
	atomic_store(&go, 1);
	(void)pthread_join(thread, NULL);
}

static void *list_thread(void *listed)
{
	char entries[64];

	do {
		(void)syscall(SYS_getdents64, -1, entries, sizeof(entries));
		atomic_fetch_add((atomic_int *)listed, 1);
	} while (errno == EBADF);
	say_number("lister", -1);
	return NULL;
}

/* "listers:NAME": the phase is entered while other threads list directories, until they hear of an error of its own. */
static void listers_act(char *name)
{
	atomic_int listed = 0;
	pthread_t threads[8];
	const size_t count = sizeof(threads) / sizeof(threads[0]);

	for (size_t i = 0; i < count; i++)
		if (pthread_create(&threads[i], NULL, list_thread, &listed))
			_exit(3);
	while (atomic_load(&listed) < 1000)
		(void)sched_yield();
	phase_act(name);
	for (size_t i = 0; i < count; i++)
		(void)pthread_join(threads[i], NULL);
}

/* seccomp(2) by hand: "0:1:0" is operation, flags, and whether there is a program. */
static void filter_act(char *words)
{
	struct sock_filter allow = {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW};
	struct sock_fprog program = {1, &allow};
	unsigned long operation = strtoul(words, &words, 0), flags = strtoul(words + 1, NULL, 0);

	say_number(current, syscall(SYS_seccomp, operation, flags, &program));
}

/* SIGUSR1 is blocked from the start. */
static void await_act(char *unused)
{
	sigset_t set;
	int number;

	(void)unused;
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGUSR1);
	(void)sigwait(&set, &number);
}

static void on_signal(int number)
{
	(void)number;
	if (write(STDOUT_FILENO, "handled\n", 8) != 8)
		_exit(3);
}

static void signalled(const char *path, int flags)
{
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = flags};

	(void)sigaction(SIGUSR2, &action, NULL);
	open_and_say(current, path, O_RDONLY);
}

static void interrupted_act(char *path)
{
	signalled(path, 0);
}

static void restarted_act(char *path)
{
	signalled(path, SA_RESTART);
}

/* A child asks, and is killed at the signal that says so. */
static void child_act(char *path)
{
	pid_t child = fork();

	if (child == 0) {
		open_and_say("child", path, O_RDONLY);
		_exit(0);
	}
	await_act(NULL);
	(void)kill(child, SIGKILL);
	(void)waitpid(child, NULL, 0);
	say("killed", "0");
}

/* Waits for a signal, and says so. */
static void step_act(char *unused)
{
	say("ready", "0");
	await_act(unused);
}

static int held = -1;

static void hold_act(char *path)
{
	held = open(path, O_RDONLY | O_CLOEXEC);
	say_number(current, held < 0 ? -1 : 0);
}

/* From the descriptor that hold_act() was given. */
static void held_act(char *unused)
{
	char text[64] = "";

	(void)unused;
	if (pread(held, text, sizeof(text) - 1, 0) < 0)
		say_number(current, -1);
	else
		say(current, text);
}

static void forked_act(char *path)
{
	pid_t child = fork();

	if (child == 0) {
		open_and_say(current, path, O_RDONLY);
		_exit(0);
	}
	(void)waitpid(child, NULL, 0);
}

static void connect_act(char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	say_number(current,
		   fd < 0 ? -1 : connect(fd, (struct sockaddr *)&address, sizeof(address)));
	if (fd >= 0)
		(void)close(fd);
}

/*
 * "race:/one:/two": the directories are granted in turn, and never both. A call that names one of them
 * succeeds now and then; one that names both, and is decided on at once, never does.
 */
static void race_act(char *words)
{
	enum { ENOUGH = 30 };
	char *two = strchr(words, ':'), inside[2][256], across[2][256];
	int succeeded = 0, failed = 0, crossed = 0;

	*two++ = '\0';
	for (int i = 0; i < 2; i++) {
		(void)snprintf(inside[i], sizeof(inside[i]), "%s/%d", words, i);
		(void)snprintf(across[i], sizeof(across[i]), "%s/across", i == 0 ? words : two);
	}
	while (succeeded < ENOUGH || failed < ENOUGH) {
		int at = succeeded % 2;

		if (rename(inside[at], inside[!at]) == 0)
			succeeded++;
		else if (errno == EACCES)
			failed++;
		else
			_exit(3);
		crossed += rename(across[0], across[1]) == 0 || errno != EACCES;
	}
	say("crossed", crossed ? "some" : "none");
}

static void execute_act(char *path)
{
	pid_t child = fork();
	int status;

	if (child == 0) {
		(void)execl(path, path, (char *)NULL);
		_exit(errno);
	}
	(void)waitpid(child, &status, 0);
	say_number(current, WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status));
}

/* "nameless:/new": what descriptors let be done to a file that no name leads to, and a name for it. */
static void nameless_act(char *name)
{
	int fd = memfd_create("nameless", MFD_CLOEXEC);

	if (fd < 0)
		_exit(3);
	say_number("linked", linkat(fd, "", AT_FDCWD, name, AT_EMPTY_PATH));
	say_number("moded", fchmod(fd, 0640));
	(void)close(fd);
}

/* "forge:": calls that no filter sends, by way of the number that a runtime uses. */
static void forge_act(char *unused)
{
	struct sp_forwarded forwarded = {.nr = SYS_listen, .argument = {0, 1}};
	int pair[2];

	(void)unused;
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0)
		_exit(3);
	forwarded.argument[0] = (uint64_t)pair[0];
	say_number("forged", syscall(SP_NR_FORWARD, &forwarded));
}

static uint64_t random_state = 1;

static unsigned below(unsigned bound)
{
	random_state = random_state * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(random_state >> 33) % bound;
}

#define STORM_DESCRIPTORS 16

static size_t hold_all_kinds(int descriptor[STORM_DESCRIPTORS])
{
	int pair[2];
	size_t count = 0;

	descriptor[count++] = AT_FDCWD;
	descriptor[count++] = -1;
	descriptor[count++] = memfd_create("storm", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	descriptor[count++] = open("/", O_PATH | O_CLOEXEC);
	descriptor[count++] = open("/dev/null", O_RDWR | O_CLOEXEC);
	descriptor[count++] = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	descriptor[count++] = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	descriptor[count++] = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	descriptor[count++] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	descriptor[count++] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	descriptor[count++] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (pipe2(pair, O_CLOEXEC | O_NONBLOCK) == 0) {
		descriptor[count++] = pair[0];
		descriptor[count++] = pair[1];
	}
	return count;
}

/* What a name, an address, times, attributes or what is to be written may be. */
static char storm_words[10][128];

static void fill_words(const char *name, const int *descriptor, size_t count)
{
	static const struct sockaddr_in tcp = {.sin_family = AF_INET, .sin_port = 1};
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	(void)snprintf(storm_words[1], 128, "/");
	(void)snprintf(storm_words[2], 128, "%s", name);
	(void)snprintf(storm_words[3], 128, "%s.other", name);
	(void)snprintf(storm_words[4], 128, "/dev/stdin");
	(void)snprintf(storm_words[5], 128, "user.storm");
	(void)snprintf(storm_words[6], 128, "/proc/self/fd/%d", descriptor[below((unsigned)count)]);
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s.socket", name);
	memcpy(storm_words[7], &address, sizeof(address));
	memcpy(storm_words[8], &tcp, sizeof(tcp));
}

/* `kind`: d(escriptor), p(ointer), anything else: a number. */
static long storm_argument(char kind, const int *descriptor, size_t count)
{
	static const long numbers[] = {0,
				       1,
				       2,
				       16,
				       110,
				       0600,
				       O_CREAT | O_RDWR,
				       O_TRUNC | O_WRONLY,
				       AT_SYMLINK_FOLLOW,
				       AT_SYMLINK_NOFOLLOW,
				       AT_REMOVEDIR,
				       S_IFSOCK | 0600};

	if (kind == 'd')
		return descriptor[below((unsigned)count)];
	if (kind == 'p')
		return (long)storm_words[below(3) ? below(10) : 0];
	return below(3) ? numbers[below(sizeof(numbers) / sizeof(numbers[0]))] : AT_EMPTY_PATH;
}

/* "storm:/name": calls that are brokered, with arguments of any kind. What comes of them is not what is looked at. */
static void storm_act(char *name)
{
	static const struct {
		int nr;
		char kinds[7];
	} calls[] = {
	    {SYS_openat, "dpnn"},     {SYS_faccessat, "dpnn"},
	    {SYS_newfstatat, "dppn"}, {SYS_statx, "dpnnp"},
	    {SYS_readlinkat, "dppn"}, {SYS_chdir, "p"},
	    {SYS_mkdirat, "dpn"},     {SYS_unlinkat, "dpn"},
	    {SYS_renameat2, "dpdpn"}, {SYS_statfs, "pp"},
	    {SYS_mknodat, "dpnn"},    {SYS_symlinkat, "pdp"},
	    {SYS_linkat, "dpdpn"},    {SYS_fchmod, "dn"},
	    {SYS_fchmodat, "dpn"},    {SYS_utimensat, "dppn"},
	    {SYS_truncate, "pn"},     {SYS_fchown, "dnn"},
	    {SYS_fchownat, "dpnnn"},  {SYS_getxattr, "pppn"},
	    {SYS_lgetxattr, "pppn"},  {SYS_listxattr, "ppn"},
	    {SYS_fsetxattr, "dppnn"}, {SYS_lsetxattr, "pppnn"},
	    {SYS_fremovexattr, "dp"}, {SYS_socket, "nnn"},
	    {SYS_connect, "dpn"},     {SYS_inotify_add_watch, "dpn"},
	    {SYS_bind, "dpn"},        {SYS_listen, "dn"},
	};
	int descriptor[STORM_DESCRIPTORS];
	size_t count = hold_all_kinds(descriptor);

	for (unsigned round = 0; round < 4000; round++) {
		size_t call = below(sizeof(calls) / sizeof(calls[0]));
		int nr = calls[call].nr;
		long argument[6], result;

		fill_words(name, descriptor, count);
		for (size_t i = 0; i < 6; i++)
			argument[i] = storm_argument(calls[call].kinds[i], descriptor, count);
		if (nr == SYS_openat) /* of a pipe without its other end it would wait */
			argument[2] |= O_NONBLOCK | O_CLOEXEC;
		if (nr == SYS_socket) {
			argument[0] = below(2) ? AF_UNIX : AF_INET;
			argument[1] = SOCK_STREAM | SOCK_NONBLOCK;
		}
		result = syscall(nr, argument[0], argument[1], argument[2], argument[3],
				 argument[4], argument[5]);
		if ((nr == SYS_openat || nr == SYS_socket) && result >= 0)
			(void)close((int)result);
	}
	say("storm", "0");
}

static const struct {
	const char *name;
	void (*act)(char *words);
} acts[] = {
    {"read", read_act},           {"write", write_act},   {"both", both_act},
    {"create", create_act},       {"stat", stat_act},     {"access", access_act},
    {"mkdir", mkdir_act},         {"unlink", unlink_act}, {"rename", rename_act},
    {"socket", socket_act},       {"crowd", crowd_act},   {"same", same_act},
    {"beside", beside_act},       {"child", child_act},   {"execute", execute_act},
    {"await", await_act},         {"repost", repost_act}, {"interrupted", interrupted_act},
    {"restarted", restarted_act}, {"phase", phase_act},   {"getuid", getuid_act},
    {"threads", threads_act},     {"filter", filter_act}, {"hold", hold_act},
    {"held", held_act},           {"forked", forked_act}, {"connect", connect_act},
    {"race", race_act},           {"step", step_act},     {"nameless", nameless_act},
    {"forge", forge_act},         {"storm", storm_act},   {"listers", listers_act},
};

static void perform(char *word)
{
	char name[64];
	char *words = strchr(word, ':');

	current = word;
	(void)snprintf(name, sizeof(name), "%.*s", (int)(words - word), word);
	for (size_t i = 0; i < sizeof(acts) / sizeof(acts[0]); i++)
		if (strcmp(name, acts[i].name) == 0) {
			acts[i].act(words + 1);
			return;
		}
	_exit(4);
}

int main(int argc, char **argv)
{
	sigset_t set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGUSR1);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	if (argc < 2 || (strcmp(argv[1], "trap") == 0 && sp_sandboxee_enter() < 0))
		return 2;
	for (int i = 2; i < argc; i++)
		perform(argv[i]);
	return 0;
}
