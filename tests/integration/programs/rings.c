/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `rings WHAT`: what a program on a floor can do with rings, asked for by the reserved number, and with the
 * runtime that may lie on top of it. Says what came of it, one word or number a line. It has a file "text.txt"
 * and a folder "sub" with "other" in it, and beside its folder lies "outside/secret".
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ipc/arch.h"
#include "ipc/channel.h"
#include "ipc/decode.h"
#include "ipc/runtime.h"
#include "ipc/slots.h"
#include "ipc/wirecall.h"

static void say(const char *word)
{
	printf("%s\n", word);
	(void)fflush(stdout);
}

static void say_result(long result)
{
	say(result < 0 ? strerrorname_np((int)-result) : "ok");
}

static void need(bool condition, const char *what)
{
	if (condition)
		return;
	say(what);
	_exit(99);
}

static long ask(unsigned flags)
{
	return sp_raw_syscall(SP_NR_CHANNEL, SP_PROTOCOL_VERSION, flags, 0, 0, 0, 0);
}

static int try_open(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	(void)close(fd);
	return 0;
}

static int await(pid_t pid)
{
	int status;

	need(waitpid(pid, &status, 0) > 0, "waitpid");
	return status;
}

/* ---- speaking by a ring ---- */

static struct sp_slots *take_slots(void)
{
	uint8_t bytes[64];
	int fd = -1;
	void *slots;

	need(sp_channel_receive(SP_CHANNEL_FD, bytes, sizeof(bytes), MSG_DONTWAIT, &fd) > 0 &&
		 fd >= 0,
	     "no parcel");
	slots = mmap(NULL, sizeof(struct sp_slots), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	need(slots != MAP_FAILED, "mmap");
	(void)close(fd);
	return slots;
}

static struct sp_slots *get_ring(void)
{
	need(ask(0) == 0, "no ring");
	return take_slots();
}

static void fill(struct sp_slots *slots, unsigned index, const void *bytes, size_t length)
{
	struct sp_slot *slot = &slots->slot[index];

	memcpy(slot->bytes, bytes, length);
	atomic_store(&slot->length, (uint32_t)length);
	atomic_store(&slot->state, SP_SLOT_REQUEST);
	atomic_fetch_or(&slots->pending, 1u << index);
}

static void ring_bell(void)
{
	static const uint64_t one = 1;

	need(write(SP_DOORBELL_FD, &one, sizeof(one)) == sizeof(one), "doorbell");
}

static void fill_open(struct sp_slots *slots, unsigned index, pid_t tid, int dirfd,
		      const char *path)
{
	Sallyport__Wire__Request request = SALLYPORT__WIRE__REQUEST__INIT;
	uint8_t bytes[SP_SLOT_BYTES];
	struct sp_call call = {.info = sp_call_find(__NR_openat), .dirfd = dirfd, .path = path};
	Sallyport__Wire__Call wire;

	sp_call_to_wire(&call, &wire);
	request.generation = 1;
	request.tid = tid;
	request.what_case = SALLYPORT__WIRE__REQUEST__WHAT_CALL;
	request.call = &wire;
	fill(slots, index, bytes, sallyport__wire__request__pack(&request, bytes));
}

static void post_open(struct sp_slots *slots, pid_t tid, int dirfd, const char *path)
{
	fill_open(slots, 0, tid, dirfd, path);
	ring_bell();
}

/* By a ring: 0 or -errno. */
static long open_by(struct sp_slots *slots, pid_t tid, int dirfd, const char *path)
{
	static uint8_t memory[32768] __attribute__((aligned(16)));
	struct sp_slot *slot = &slots->slot[0];
	const Sallyport__Wire__Reply *reply;
	ProtobufCMessage *message;
	struct sp_arena arena;

	post_open(slots, tid, dirfd, path);
	while (atomic_load(&slot->state) != SP_SLOT_DONE)
		(void)sched_yield();
	sp_arena_init(&arena, memory, sizeof(memory));
	need(sp_message_decode(&sallyport__wire__reply__descriptor, slot->bytes,
			       atomic_load(&slot->length), &arena, &message) == 0,
	     "reply");
	reply = (const Sallyport__Wire__Reply *)message;
	if (reply->has_descriptor) {
		uint8_t bytes[64];
		int fd = -1;

		need(sp_channel_receive(SP_CHANNEL_FD, bytes, sizeof(bytes), MSG_DONTWAIT, &fd) >
			     0 &&
			 fd >= 0,
		     "no descriptor");
		(void)close(fd);
	}
	return reply->result;
}

/* ---- asking ---- */

static void many(void)
{
	long good = 0;

	for (int i = 0; i < 10000; i++)
		good += ask(i % 2 ? SP_CHANNEL_LOCK : 0) == 0;
	printf("%ld\n", good);
	say_result(try_open("text.txt"));
	say_result(open_by(get_ring(), getpid(), AT_FDCWD, "text.txt"));
}

static void wrong(void)
{
	say_result(sp_raw_syscall(SP_NR_CHANNEL, SP_PROTOCOL_VERSION + 1, 0, 0, 0, 0, 0));
	say_result(sp_raw_syscall(SP_NR_CHANNEL, 1l << 32 | SP_PROTOCOL_VERSION, 0, 0, 0, 0, 0));
	say_result(ask(2));
	say_result(ask(~0u));
	say_result(sp_raw_syscall(SP_NR_RESERVED_LAST + 1, 0, 0, 0, 0, 0, 0));
}

static void *wait_for_end(void *lock)
{
	(void)pthread_mutex_lock(lock);
	return NULL;
}

static void threads(void)
{
	pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	pthread_t thread;

	(void)pthread_mutex_lock(&lock);
	need(pthread_create(&thread, NULL, wait_for_end, &lock) == 0, "pthread_create");
	say_result(ask(SP_CHANNEL_LOCK));
	say_result(ask(0));
	(void)pthread_mutex_unlock(&lock);
	(void)pthread_join(thread, NULL);
	say_result(ask(SP_CHANNEL_LOCK));
}

static void small_limit(void)
{
	const struct rlimit limit = {64, 64};

	need(setrlimit(RLIMIT_NOFILE, &limit) == 0, "setrlimit");
	say_result(ask(0));
	say_result(try_open("text.txt"));
}

/* More processes than rings, which are had again when their owners have gone. */
static void exhaust(void)
{
	enum { CHILDREN = 70 };
	int results[2], end[2], good = 0, again = 0;
	char result;

	need(pipe(results) == 0 && pipe(end) == 0, "pipe");
	for (int i = 0; i < CHILDREN; i++) {
		pid_t pid = fork();

		need(pid >= 0, "fork");
		if (pid == 0) {
			result = (char)-ask(0);
			(void)close(end[1]);
			(void)!write(results[1], &result, 1);
			(void)!read(end[0], &result, 1);
			_exit(try_open("text.txt") == 0 ? 0 : 1);
		}
	}
	for (int i = 0; i < CHILDREN; i++) {
		need(read(results[0], &result, 1) == 1, "read");
		good += result == 0;
		again += result == EAGAIN;
	}
	printf("%d %d\n", good, again);
	say_result(ask(0));
	(void)close(end[1]);
	for (int i = 0; i < CHILDREN; i++)
		need(await(-1) == 0, "child");
	say_result(ask(0));
}

/* Whoever asks may die at any moment of it; what was made for him goes with him. */
static void killed(void)
{
	enum { CHILDREN = 200 };
	int ready[2];
	char byte;

	need(pipe(ready) == 0, "pipe");
	for (int i = 0; i < CHILDREN; i++) {
		pid_t pid = fork();

		need(pid >= 0, "fork");
		if (pid == 0) {
			(void)!write(ready[1], "", 1);
			for (int j = 0;; j++)
				(void)ask(j % 2 ? SP_CHANNEL_LOCK : 0);
		}
		need(read(ready[0], &byte, 1) == 1 && kill(pid, SIGKILL) == 0 &&
			 await(pid) == SIGKILL,
		     "kill");
	}
	say_result(open_by(get_ring(), getpid(), AT_FDCWD, "text.txt"));
}

/* ---- whose it is ---- */

static void tids(void)
{
	struct sp_slots *slots = get_ring();
	int end[2], ready[2], folder;
	char byte;
	pid_t child;

	need(pipe(end) == 0 && pipe(ready) == 0, "pipe");
	child = fork();
	if (child == 0) {
		(void)close(end[1]);
		need(chdir("sub") == 0, "chdir");
		folder = open(".", O_RDONLY | O_DIRECTORY);
		need(dup2(folder, 77) == 77, "dup2");
		(void)!write(ready[1], "", 1);
		(void)!read(end[0], &byte, 1);
		_exit(0);
	}
	need(read(ready[0], &byte, 1) == 1, "read");
	say_result(open_by(slots, getpid(), AT_FDCWD, "text.txt"));
	/* Another's cwd and descriptors, the init's, nobody's. */
	say(open_by(slots, child, AT_FDCWD, "other") < 0 ? "refused" : "ok");
	say(open_by(slots, child, 77, "other") < 0 ? "refused" : "ok");
	say(open_by(slots, 1, AT_FDCWD, "text.txt") < 0 ? "refused" : "ok");
	say(open_by(slots, 4000000, AT_FDCWD, "text.txt") < 0 ? "refused" : "ok");
	/* And what nobody may. */
	say_result(open_by(slots, getpid(), AT_FDCWD, "../outside/secret"));
	say_result(open_by(slots, getpid(), AT_FDCWD, "../outside/missing"));
	say_result(open_by(slots, getpid(), AT_FDCWD, "/etc/shadow"));
	(void)close(end[1]);
	(void)await(child);
}

/* The ring of a process that is no more, by one that has inherited its memory and its doorbell. */
static void dead_parent(void)
{
	int go[2], said[2];
	pid_t parent;
	char byte;

	need(pipe(go) == 0 && pipe(said) == 0, "pipe");
	parent = fork();
	if (parent == 0) {
		struct sp_slots *slots = get_ring();
		pid_t dead = getpid();

		if (fork() > 0)
			_exit(0);
		need(read(go[0], &byte, 1) == 1, "go");
		post_open(slots, dead, AT_FDCWD, "text.txt");
		/* Whatever the porter makes of that, it does so before it answers this. */
		say_result(open_by(get_ring(), getpid(), AT_FDCWD, "text.txt"));
		say(atomic_load(&slots->slot[0].state) == SP_SLOT_DONE ? "answered" : "unanswered");
		(void)!write(said[1], "", 1);
		_exit(0);
	}
	(void)await(parent);
	need(write(go[1], "", 1) == 1 && read(said[0], &byte, 1) == 1, "said");
}

/* A process dies while the porter is at its calls, which take their time, and come to what would wait. */
static void dying(void)
{
	char folder[PATH_MAX / 4], slow[PATH_MAX], waiting[PATH_MAX];
	int said[2], length;
	pid_t victim;
	char byte;

	need(pipe(said) == 0 && mkfifo("fifo", 0600) == 0 && getcwd(folder, sizeof(folder)),
	     "prepare");
	(void)snprintf(waiting, sizeof(waiting), "/proc/self/../..%s/fifo", folder);
	length = snprintf(slow, sizeof(slow), "/proc/self/../..%s", folder);
	while ((size_t)length + sizeof("/sub/../text.txt") <= sizeof(slow))
		length += snprintf(slow + length, sizeof(slow) - (size_t)length, "/sub/..");
	(void)snprintf(slow + length, sizeof(slow) - (size_t)length, "/text.txt");
	victim = fork();
	if (victim == 0) {
		struct sp_slots *slots = get_ring();

		victim = getpid();
		if (fork() > 0)
			for (;;)
				(void)pause();
		for (unsigned i = 0; i < SP_SLOT_COUNT; i++)
			fill_open(slots, i, victim, AT_FDCWD,
				  i < SP_SLOT_COUNT / 2 ? slow : waiting);
		ring_bell();
		need(kill(victim, SIGKILL) == 0, "kill");
		say_result(open_by(get_ring(), getpid(), AT_FDCWD, "text.txt"));
		(void)!write(said[1], "", 1);
		_exit(0);
	}
	need(read(said[0], &byte, 1) == 1 && await(victim) == SIGKILL, "said");
}

/* What was not taken from a channel goes with its ring, whoever holds the channel's other end. */
static void hoard(void)
{
	uint8_t bytes[SP_DATAGRAM_MAX];
	int held, fd = -1;

	need(ask(SP_CHANNEL_LOCK) == 0, "no ring");
	held = dup(SP_CHANNEL_FD);
	need(held >= 0 && ask(0) == 0, "no second ring");
	say(sp_channel_receive(held, bytes, sizeof(bytes), MSG_DONTWAIT, &fd) > 0 ? "kept"
										  : "gone");
	say_result(open_by(take_slots(), getpid(), AT_FDCWD, "text.txt"));
}

/* The ring of a process that has become another program, by its child. */
static void executed(void)
{
	int in[2], out[2];
	struct sp_slots *slots;
	pid_t before = getpid(), child;
	char byte;

	need(pipe(in) == 0 && pipe(out) == 0, "pipe");
	slots = get_ring();
	child = fork();
	if (child > 0) {
		need(dup2(in[0], 0) == 0 && dup2(out[1], 1) == 1 && close(in[1]) == 0, "dup2");
		(void)execl("/usr/bin/cat", "cat", "-u", NULL);
		_exit(99);
	}
	/* Behind its first instruction. */
	need(write(in[1], "x", 1) == 1 && read(out[0], &byte, 1) == 1, "cat");
	post_open(slots, before, AT_FDCWD, "text.txt");
	say_result(open_by(get_ring(), getpid(), AT_FDCWD, "text.txt"));
	say(atomic_load(&slots->slot[0].state) == SP_SLOT_DONE ? "answered" : "unanswered");
}

/* ---- violations: each ends the sandbox ---- */

static void hello(void)
{
	Sallyport__Wire__Hello hello = SALLYPORT__WIRE__HELLO__INIT;

	(void)get_ring();
	hello.version = SP_PROTOCOL_VERSION;
	(void)sp_channel_send_message(SP_CHANNEL_FD, &hello.base, -1);
	(void)pause();
}

static void garbage(void)
{
	struct sp_slots *slots = get_ring();

	fill(slots, 0, "nonsense", 8);
	ring_bell();
	(void)pause();
}

/* ---- the other number ---- */

static long forward(const struct sp_forwarded *forwarded)
{
	return sp_raw_syscall(SP_NR_FORWARD, (long)forwarded, 0, 0, 0, 0, 0);
}

static long forward_path(long nr, const char *path)
{
	struct sp_forwarded forwarded = {.nr = (uint64_t)nr,
					 .argument = {(uint64_t)AT_FDCWD, (uint64_t)path}};

	if (nr != __NR_openat)
		forwarded.argument[0] = (uint64_t)path;
	return forward(&forwarded);
}

static void forwarding(void)
{
	struct sp_forwarded nested = {.nr = SP_NR_FORWARD};
	long fd;

	say_result(forward(NULL));
	say_result(forward((const struct sp_forwarded *)-8l));
	nested.argument[0] = (uint64_t)&nested;
	say(forward(&nested) < 0 ? "refused" : "ok");
	fd = forward_path(__NR_openat, "text.txt");
	say_result(fd);
	(void)close((int)fd);
	say_result(forward_path(__NR_openat, "../outside/secret"));
	say_result(forward_path(__NR_execve, "/bin/true"));
	say_result(forward_path(__NR_chdir, "sub"));
	say_result(try_open("other"));
	/* What the floor lets through, and what it refuses. */
	say(forward_path(__NR_getpid, "") < 0 ? "refused" : "ok");
	say(forward_path(__NR_mount, "") < 0 ? "refused" : "ok");
}

/* ---- below a filter of one's own ---- */

static long refuse_openat(unsigned flags)
{
	struct sock_filter code[] = {
	    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_openat, 0, 1),
	    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EDOM),
	    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog filter = {sizeof(code) / sizeof(code[0]), code};

	return sp_raw_syscall(__NR_seccomp, SECCOMP_SET_MODE_FILTER, flags, (long)&filter, 0, 0, 0);
}

static void get_past(void)
{
	say_result(try_open("text.txt"));
	say_result(ask(0));
	say_result(forward_path(__NR_openat, "text.txt"));
}

/* It knows nothing of the numbers that are ours; neither is it got past by them. */
static void own_filter(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		get_past();
		exit(0);
	}
	need(await(pid) == 0, "child");
	say_result(refuse_openat(SECCOMP_FILTER_FLAG_NEW_LISTENER));
	say_result(refuse_openat(0));
	get_past();
	say_result(ask(SP_CHANNEL_LOCK));
	pid = fork();
	if (pid == 0) {
		get_past();
		exit(0);
	}
	need(await(pid) == 0, "child");
}

/* ---- with a runtime, or without ---- */

static void reserved(void)
{
	say_result(close(SP_CHANNEL_FD) < 0 ? -errno : 0);
	say_result(dup2(0, SP_DOORBELL_FD) < 0 ? -errno : 0);
	(void)close_range(3, ~0u, 0);
	say_result(try_open("text.txt"));
	say(fcntl(SP_CHANNEL_FD, F_DUPFD, 0) < 0 ? "refused" : "ok");
	say_result(try_open("text.txt"));
}

/* What the policy refuses of calls that the runtime has a word in fails as the policy says. */
static void refused(void)
{
	int null = open("/dev/null", O_RDONLY);

	say_result(fcntl(0, F_NOTIFY, 0) < 0 ? -errno : 0);
	say_result(fcntl(0, F_SETOWN, getpid()) < 0 ? -errno : 0);
	say_result(dup2(null, 0) < 0 ? -errno : 0);
	say_result(dup(null) < 0 ? -errno : 0);
	say_result(try_open("text.txt"));
}

static void child_of(int depth)
{
	char name[16];

	(void)snprintf(name, sizeof(name), "new%d", depth);
	say_result(try_open("text.txt"));
	(void)umask(depth == 0 ? 077 : 027);
	need(close(open(name, O_CREAT | O_WRONLY | O_EXCL, 0666)) == 0, "create");
	if (depth < 3) {
		pid_t pid = fork();

		if (pid == 0) {
			child_of(depth + 1);
			need(chdir("sub") == 0, "chdir");
			say_result(try_open("other"));
			exit(0);
		}
		need(await(pid) == 0, "child");
	}
	say_result(try_open("text.txt"));
}

static void family(void)
{
	child_of(0);
}

static _Atomic int vfork_result;

static int vfork_child(void *unused)
{
	int fd = open("text.txt", O_RDONLY);

	(void)unused;
	vfork_result = fd >= 0 && open("../outside/secret", O_RDONLY) < 0 && umask(0) == 022 &&
		       chdir("sub") == 0 && open("other", O_RDONLY) >= 0 &&
		       open("other", O_PATH) >= 0 && access("../text.txt", R_OK) == 0;
	_exit(7);
}

static void shares_memory(void)
{
	static uint8_t stack[65536] __attribute__((aligned(16)));

	(void)umask(022);
	for (int i = 0; i < 100; i++) {
		pid_t pid = clone(vfork_child, stack + sizeof(stack),
				  CLONE_VM | CLONE_VFORK | SIGCHLD, NULL);

		need(pid > 0 && await(pid) == 7 << 8 && vfork_result, "child");
		need(try_open("text.txt") == 0 && umask(022) == 022, "parent");
		vfork_result = 0;
	}
	say("ok");
}

static void storm(void)
{
	enum { CHILDREN = 100 };
	int ready[2], end[2], good = 0;
	char byte;

	need(pipe(ready) == 0 && pipe(end) == 0, "pipe");
	for (int i = 0; i < CHILDREN; i++) {
		pid_t pid = fork();

		need(pid >= 0, "fork");
		if (pid == 0) {
			bool works = try_open("text.txt") == 0;

			(void)close(end[1]);
			(void)!write(ready[1], "", 1);
			(void)!read(end[0], &byte, 1);
			works &= try_open("text.txt") == 0 && chdir("sub") == 0 &&
				 try_open("other") == 0 && try_open("../../outside/secret") < 0;
			_exit(works ? 0 : 1);
		}
	}
	for (int i = 0; i < CHILDREN; i++)
		need(read(ready[0], &byte, 1) == 1, "ready");
	(void)close(end[1]);
	for (int i = 0; i < CHILDREN; i++)
		good += await(-1) == 0;
	printf("%d\n", good);
}

static void *open_often(void *good)
{
	for (int i = 0; i < 100; i++)
		if (try_open("text.txt") == 0)
			atomic_fetch_add((_Atomic int *)good, 1);
	return NULL;
}

/* All of a forked child's threads want the first ring at once. */
static void threads_of_child(void)
{
	enum { THREADS = 8 };
	_Atomic int good = 0;
	pid_t pid = fork();

	if (pid == 0) {
		pthread_t thread[THREADS];

		for (int i = 0; i < THREADS; i++)
			need(pthread_create(&thread[i], NULL, open_often, &good) == 0, "thread");
		for (int i = 0; i < THREADS; i++)
			(void)pthread_join(thread[i], NULL);
		printf("%d\n", good);
		exit(0);
	}
	(void)await(pid);
}

static void small_limit_of_child(void)
{
	const struct rlimit limit = {64, 64};
	pid_t pid;

	need(setrlimit(RLIMIT_NOFILE, &limit) == 0, "setrlimit");
	say_result(try_open("text.txt"));
	pid = fork();
	if (pid == 0) {
		say_result(try_open("text.txt"));
		say_result(try_open("../outside/secret"));
		say_result(chdir("sub"));
		say_result(try_open("other"));
		exit(0);
	}
	(void)await(pid);
}

static _Atomic int handled;

static void count(int number)
{
	(void)number;
	handled++;
}

static void signals(void)
{
	sigset_t all;

	(void)sigfillset(&all);
	(void)signal(SIGSYS, SIG_IGN);
	say_result(try_open("text.txt"));
	(void)sigprocmask(SIG_BLOCK, &all, NULL);
	say_result(try_open("text.txt"));
	(void)signal(SIGSYS, count);
	(void)raise(SIGSYS);
	printf("%d\n", handled);
	(void)sigprocmask(SIG_UNBLOCK, &all, NULL);
	printf("%d\n", handled);
	say_result(try_open("text.txt"));
}

/* Behind the runtime's back. What follows may work or kill; it must not get through. */
static void disarm(void)
{
	struct {
		unsigned long handler, flags, restorer, mask;
	} ignore = {1, 0, 0, 0};

	(void)sp_raw_syscall(__NR_rt_sigaction, SIGSYS, (long)&ignore, 0, 8, 0, SP_RUNTIME_MARK);
	say_result(try_open("../outside/secret"));
	say_result(forward_path(__NR_openat, "../outside/secret"));
}

static const struct {
	const char *word;
	void (*run)(void);
} acts[] = {
    {"many", many},
    {"wrong", wrong},
    {"threads", threads},
    {"small-limit", small_limit},
    {"exhaust", exhaust},
    {"killed", killed},
    {"tids", tids},
    {"dead-parent", dead_parent},
    {"dying", dying},
    {"hoard", hoard},
    {"executed", executed},
    {"hello", hello},
    {"garbage", garbage},
    {"forwarding", forwarding},
    {"reserved", reserved},
    {"refused", refused},
    {"own-filter", own_filter},
    {"family", family},
    {"shares-memory", shares_memory},
    {"storm", storm},
    {"threads-of-child", threads_of_child},
    {"small-limit-of-child", small_limit_of_child},
    {"signals", signals},
    {"disarm", disarm},
};

int main(int argc, char **argv)
{
	for (size_t i = 0; argc == 2 && i < sizeof(acts) / sizeof(acts[0]); i++)
		if (strcmp(argv[1], acts[i].word) == 0) {
			acts[i].run();
			return fflush(stdout) == 0 ? 0 : 98;
		}
	return 2;
}
