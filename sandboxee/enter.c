/* SPDX-License-Identifier: Apache-2.0 */
/* The lock: handshake with the porter, then the second wall, then the filter. */
#include <sallyport/sandboxee.h>

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "ipc/arch.h"
#include "ipc/channel.h"
#include "ipc/decode.h"
#include "ipc/kernel.h"
#include "ipc/runtime.h"
#include "ipc/util.h"
#include "ipc/wire.pb-c.h"
#include "sandboxee/runtime.h"

#define EXPORT __attribute__((visibility("default")))

struct sp_runtime sp_runtime;

/* Where it arrives. The program's malloc need not be ready yet, and once the lock stands nothing can be
 * given back. */
static struct {
	uint8_t datagram[SP_DATAGRAM_MAX];
	uint8_t arena[SP_DATAGRAM_MAX + 4096] __attribute__((aligned(16)));
} memory;

/* What the porter sent. */
struct welcome {
	Sallyport__Wire__Welcome *message; /* in `memory` */
	int slots, landlock;               /* owned; -1: not sent */
	struct sp_phases phases;           /* owned */
};

static void welcome_clear(struct welcome *welcome)
{
	sp_close_pointer(&welcome->slots);
	sp_close_pointer(&welcome->landlock);
	sp_phases_clear(&welcome->phases);
}

/* On a floor it is none, and what a policy may refuse is not asked: fstat(2), by its number, it may not. */
static bool is_channel(int descriptor)
{
	int domain, type;
	socklen_t size = sizeof(int);
	struct stat status;

	return sp_raw_syscall(__NR_fstat, descriptor, (long)&status, 0, 0, 0, 0) == 0 &&
	       S_ISSOCK(status.st_mode) &&
	       getsockopt(descriptor, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 &&
	       domain == AF_UNIX &&
	       getsockopt(descriptor, SOL_SOCKET, SO_TYPE, &type, &size) == 0 &&
	       type == SOCK_SEQPACKET;
}

/* /proc/self/task has a link for each thread beside its own two. */
static int count_threads(unsigned long *ret_count)
{
	struct stat task;

	if (stat("/proc/self/task", &task) < 0)
		return -EIO;
	*ret_count = task.st_nlink - 2;
	return 0;
}

/* A thread that is not at a known place could hold a lock or an altstack that the handler will
 * need. */
static int check_threads(void)
{
	unsigned long threads;
	int r = count_threads(&threads);

	if (r < 0)
		return r;
	return threads == 1 ? 0 : -EBUSY;
}

/* ---- handshake
 * ------------------------------------------------------------------------------------- */

static ssize_t receive(void *bytes, size_t size, int *ret_descriptor)
{
	for (;;) {
		struct pollfd readable = {.fd = SP_CHANNEL_FD, .events = POLLIN};
		ssize_t length =
		    sp_channel_receive(SP_CHANNEL_FD, bytes, size, MSG_DONTWAIT, ret_descriptor);

		if (length != -EAGAIN)
			return length == 0 ? -ENOTCONN : length;
		if (poll(&readable, 1, -1) < 0 && errno != EINTR)
			return -errno;
	}
}

static bool is_strict(const struct welcome *welcome)
{
	return welcome->message->has_strict && welcome->message->strict;
}

static int receive_welcome(struct welcome *welcome)
{
	struct sp_arena arena;
	ProtobufCMessage *message;
	ssize_t length;

	length = receive(memory.datagram, sizeof(memory.datagram), NULL);
	if (length < 0)
		return (int)length;
	sp_arena_init(&arena, memory.arena, sizeof(memory.arena));
	if (sp_message_decode(&sallyport__wire__welcome__descriptor, memory.datagram,
			      (size_t)length, &arena, &message) < 0)
		return -EPROTO;
	welcome->message = (Sallyport__Wire__Welcome *)message;
	if (welcome->message->error)
		return -(int)welcome->message->error;
	return welcome->message->has_filter != is_strict(welcome) ? 0 : -EPROTO;
}

static int receive_parcel(struct welcome *welcome)
{
	uint8_t bytes[64], small[256] __attribute__((aligned(16)));
	struct sp_arena arena;
	const Sallyport__Wire__Parcel *parcel;
	ProtobufCMessage *message;
	_cleanup_close_ int descriptor = -1;
	ssize_t length = receive(bytes, sizeof(bytes), &descriptor);

	if (length < 0)
		return (int)length;
	if (descriptor < 0)
		return descriptor == -EMFILE ? -EMFILE : -EPROTO;
	sp_arena_init(&arena, small, sizeof(small));
	if (sp_message_decode(&sallyport__wire__parcel__descriptor, bytes, (size_t)length, &arena,
			      &message) < 0)
		return -EPROTO;
	parcel = (const Sallyport__Wire__Parcel *)message;
	switch (parcel->purpose) {
	case SALLYPORT__WIRE__PARCEL__PURPOSE__SLOTS:
		welcome->slots = TAKE_FD(descriptor);
		return 0;
	case SALLYPORT__WIRE__PARCEL__PURPOSE__LANDLOCK:
		welcome->landlock = TAKE_FD(descriptor);
		return 0;
	case SALLYPORT__WIRE__PARCEL__PURPOSE__PHASE:
		return sp_phase_add(&welcome->phases, parcel->phase, descriptor);
	default:
		return -EPROTO;
	}
}

/* On a floor the kernel tells the porter who asks, and the call is the greeting. */
static int ask_floor(void)
{
	long r = sp_raw_syscall(SP_NR_CHANNEL, SP_PROTOCOL_VERSION, SP_CHANNEL_LOCK, 0, 0, 0, 0);

	switch (r) {
	case 0:
		sp_runtime.floor = true;
		return 0;
	case -EPROTO:
	case -EBUSY:
	case -EAGAIN:
		return (int)r;
	case -EBADF:
		return -EMFILE;
	default: /* ENOSYS: there is no floor; another: it is not ours */
		return -ENOTCONN;
	}
}

static int greet(void)
{
	Sallyport__Wire__Hello hello = SALLYPORT__WIRE__HELLO__INIT;
	int r;

	if (!is_channel(SP_CHANNEL_FD))
		return ask_floor();
	r = check_threads();
	hello.version = SP_PROTOCOL_VERSION;
	return r < 0 ? r : sp_channel_send_message(SP_CHANNEL_FD, &hello.base, -1);
}

/* The filter on top lets it be rung, a floor by the policy's leave alone: a porter that is not woken never
 * answers. */
static int try_doorbell(void)
{
	static const uint64_t one = 1;

	if (!sp_runtime.floor)
		return 0;
	return write(SP_DOORBELL_FD, &one, sizeof(one)) < 0 ? -EACCES : 0;
}

static int shake_hands(struct welcome *welcome)
{
	int r = greet();

	if (r == 0)
		r = receive_welcome(welcome);
	for (uint32_t i = 0; r == 0 && i < welcome->message->descriptors; i++)
		r = receive_parcel(welcome);
	if (r == 0 && (welcome->slots < 0) != is_strict(welcome))
		r = -EPROTO;
	return r == -EPIPE || r == -ECONNRESET ? -ENOTCONN : r;
}

/* ---- what the handler needs
 * ---------------------------------------------------------------------------- */

static int map_slots(int descriptor)
{
	void *slots =
	    mmap(NULL, sizeof(struct sp_slots), PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);

	if (slots == MAP_FAILED)
		return -ENOMEM;
	sp_runtime.slots = slots;
	return 0;
}

static size_t page_size(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

static size_t own_memory_size(void)
{
	return page_size() + (SP_STACK_SIZE + page_size()) * SP_SLOT_COUNT;
}

/* The owner's page, and then the stacks. Each has a page below it that faults, so that an overflow is a
 * clean death and not a corrupted neighbour. */
static int map_own_memory(void)
{
	size_t page = page_size(), stride = SP_STACK_SIZE + page;
	uint8_t *own = mmap(NULL, own_memory_size(), PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);

	if (own == MAP_FAILED)
		return -ENOMEM;
	sp_runtime.owner = (_Atomic uint32_t *)(void *)own;
	sp_runtime.stacks = own + page;
	sp_runtime.stack_stride = stride;
	for (size_t i = 0; i < SP_SLOT_COUNT; i++)
		if (mprotect(sp_runtime.stacks + i * stride, page, PROT_NONE) < 0)
			return -ENOMEM;
	return 0;
}

static void unmap(void)
{
	if (sp_runtime.slots)
		(void)munmap(sp_runtime.slots, sizeof(struct sp_slots));
	if (sp_runtime.owner)
		(void)munmap(sp_runtime.owner, own_memory_size());
	sp_runtime.slots = NULL;
	sp_runtime.stacks = NULL;
	sp_runtime.owner = NULL;
}

static void init_runtime(const Sallyport__Wire__Welcome *welcome)
{
	mode_t mask = umask(0);

	(void)umask(mask);
	sp_runtime.proc_device = welcome->has_proc ? welcome->proc : 0;
	atomic_store(&sp_runtime.umask, mask);
	for (size_t i = 0; i < SP_SLOT_COUNT; i++)
		sp_runtime.received[i] = -1;
}

static int take_signal(struct sigaction *ret_previous)
{
	struct sigaction action = {.sa_sigaction = sp_trap_handler, .sa_flags = SA_SIGINFO};
	sigset_t sigsys;

	(void)sigfillset(&action.sa_mask);
	if (sigaction(SIGSYS, &action, ret_previous) < 0)
		return -errno;
	(void)sigemptyset(&sigsys);
	(void)sigaddset(&sigsys, SIGSYS);
	return sigprocmask(SIG_UNBLOCK, &sigsys, NULL) < 0 ? -errno : 0;
}

/* ---- the lock
 * -------------------------------------------------------------------------------------------- */

static int restrict_names(int ruleset)
{
	if (ruleset < 0)
		return 0;
	return syscall(SYS_landlock_restrict_self, ruleset, 0) < 0 ? -errno : 0;
}

static int load_filter(const ProtobufCBinaryData *bytes)
{
	struct sock_fprog program = {
	    .len = (unsigned short)(bytes->len / sizeof(struct sock_filter)),
	    .filter = (struct sock_filter *)bytes->data,
	};

	if (bytes->len % sizeof(struct sock_filter) ||
	    bytes->len / sizeof(struct sock_filter) > BPF_MAXINSNS)
		return -EPROTO;
	/* Below a floor it is set. */
	if (!sp_runtime.floor && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	/* By the mark in the half of the operation that the kernel ignores a floor lets it pass. */
	return syscall(SYS_seccomp, (uint64_t)SP_RUNTIME_MARK << 32 | SECCOMP_SET_MODE_FILTER, 0,
		       &program) < 0
		   ? -errno
		   : 0;
}

static int lock(struct welcome *welcome)
{
	struct sigaction previous;
	int r = take_signal(&previous);

	if (r < 0)
		return r;
	r = restrict_names(welcome->landlock);
	if (r == 0)
		r = load_filter(&welcome->message->filter);
	if (r < 0)
		(void)sigaction(SIGSYS, &previous, NULL);
	return r;
}

/* From the last line on every other call is death, the close of a descriptor too. Strict mode is of one thread: there
 * is no other, or the porter would not have been greeted. */
static int enter_strictly(struct welcome *welcome)
{
	int r;

	/* It is never entered by a process that has a filter: in the place of a half-way lock, none. */
	if (prctl(PR_GET_SECCOMP) != SECCOMP_MODE_DISABLED)
		return -EOPNOTSUPP;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	r = restrict_names(welcome->landlock);
	if (r < 0)
		return r;
	if (welcome->landlock >= 0)
		(void)close(TAKE_FD(welcome->landlock));
	(void)close(SP_CHANNEL_FD);
	(void)close(SP_DOORBELL_FD);
	sp_runtime.locked = true;
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT, 0, 0, 0) == 0)
		return 0;
	sp_runtime.locked = false;
	return -EIO;
}

static int enter(struct welcome *welcome)
{
	int r = shake_hands(welcome);

	if (r == 0 && is_strict(welcome))
		return enter_strictly(welcome);
	if (r == 0)
		r = try_doorbell();
	if (r == 0)
		r = map_slots(welcome->slots);
	if (r == 0)
		r = map_own_memory();
	if (r == 0)
		r = sp_owner_take();
	if (r == 0) {
		init_runtime(welcome->message);
		r = lock(welcome);
	}
	return r;
}

static void leave_floor(void)
{
	if (!sp_runtime.floor)
		return;
	(void)close(SP_CHANNEL_FD);
	(void)close(SP_DOORBELL_FD);
	sp_runtime.floor = false;
}

EXPORT void sp_sandboxee_exit(int status)
{
	for (;;)
		(void)sp_raw_syscall(__NR_exit, status, 0, 0, 0, 0, 0);
}

EXPORT int sp_sandboxee_enter(void)
{
	_cleanup_(welcome_clear) struct welcome welcome = {.slots = -1, .landlock = -1};
	int r;

	if (sp_runtime.preloaded) {
		sp_runtime.preloaded = false;
		return 0;
	}
	if (sp_runtime.locked)
		return -EALREADY;
	r = enter(&welcome);
	if (r < 0) {
		unmap();
		leave_floor();
		return r;
	}
	sp_runtime.phases = welcome.phases;
	welcome.phases.count = 0; /* not ours any more */
	sp_runtime.locked = true;
	return 0;
}
