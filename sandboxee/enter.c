/* SPDX-License-Identifier: Apache-2.0 */
/* The lock: handshake with the porter, then the second wall, then the filter. */
#include <sallyport/sandboxee.h>

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "ipc/channel.h"
#include "ipc/decode.h"
#include "ipc/kernel.h"
#include "ipc/runtime.h"
#include "ipc/util.h"
#include "ipc/wire.pb-c.h"
#include "sandboxee/runtime.h"

#define EXPORT __attribute__((visibility("default")))

struct sp_runtime sp_runtime;

/* What the porter sent. */
struct welcome {
	uint8_t *datagram;                 /* SP_DATAGRAM_MAX bytes, owned */
	Sallyport__Wire__Welcome *message; /* owned */
	int slots, landlock;               /* owned; -1: not sent */
};

static void welcome_clear(struct welcome *welcome)
{
	free(welcome->datagram);
	if (welcome->message)
		sallyport__wire__welcome__free_unpacked(welcome->message, NULL);
	sp_close_pointer(&welcome->slots);
	sp_close_pointer(&welcome->landlock);
}

static bool is_channel(int descriptor)
{
	int domain, type;
	socklen_t size = sizeof(int);

	return getsockopt(descriptor, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 &&
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

static int check_caller(void)
{
	unsigned long threads;
	int r;

	if (sp_runtime.locked)
		return -EALREADY;
	if (!is_channel(SP_CHANNEL_FD))
		return -ENOTCONN;
	r = count_threads(&threads);
	if (r < 0)
		return r;
	/* A thread that is not at a known place could hold a lock or an altstack that the handler
	 * will need. */
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

static int receive_welcome(struct welcome *welcome)
{
	ProtobufCMessage *message;
	ssize_t length;

	welcome->datagram = malloc(SP_DATAGRAM_MAX);
	if (!welcome->datagram)
		return -ENOMEM;
	length = receive(welcome->datagram, SP_DATAGRAM_MAX, NULL);
	if (length < 0)
		return (int)length;
	if (sp_message_decode(&sallyport__wire__welcome__descriptor, welcome->datagram,
			      (size_t)length, NULL, &message) < 0)
		return -EPROTO;
	welcome->message = (Sallyport__Wire__Welcome *)message;
	if (welcome->message->error)
		return -(int)welcome->message->error;
	return welcome->message->has_filter ? 0 : -EPROTO;
}

static int receive_parcel(struct welcome *welcome)
{
	uint8_t bytes[64], memory[256] __attribute__((aligned(16)));
	struct sp_arena arena;
	ProtobufCMessage *message;
	_cleanup_close_ int descriptor = -1;
	ssize_t length = receive(bytes, sizeof(bytes), &descriptor);

	if (length < 0)
		return (int)length;
	if (descriptor < 0)
		return descriptor == -EMFILE ? -EMFILE : -EPROTO;
	sp_arena_init(&arena, memory, sizeof(memory));
	if (sp_message_decode(&sallyport__wire__parcel__descriptor, bytes, (size_t)length, &arena,
			      &message) < 0)
		return -EPROTO;
	switch (((const Sallyport__Wire__Parcel *)message)->purpose) {
	case SALLYPORT__WIRE__PARCEL__PURPOSE__SLOTS:
		welcome->slots = TAKE_FD(descriptor);
		return 0;
	case SALLYPORT__WIRE__PARCEL__PURPOSE__LANDLOCK:
		welcome->landlock = TAKE_FD(descriptor);
		return 0;
	default:
		return -EPROTO;
	}
}

static int shake_hands(struct welcome *welcome)
{
	Sallyport__Wire__Hello hello = SALLYPORT__WIRE__HELLO__INIT;
	int r;

	hello.version = SP_PROTOCOL_VERSION;
	r = sp_channel_send_message(SP_CHANNEL_FD, &hello.base, -1);
	if (r == 0)
		r = receive_welcome(welcome);
	for (uint32_t i = 0; r == 0 && i < welcome->message->descriptors; i++)
		r = receive_parcel(welcome);
	if (r == 0 && welcome->slots < 0)
		r = -EPROTO;
	return r == -EPIPE || r == -ECONNRESET ? -ENOTCONN : r;
}

/* ---- what the handler needs
 * ---------------------------------------------------------------------------- */

static int map_slots(int descriptor)
{
	void *memory =
	    mmap(NULL, sizeof(struct sp_slots), PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);

	if (memory == MAP_FAILED)
		return -ENOMEM;
	sp_runtime.slots = memory;
	return 0;
}

/* Each stack has a page below it that faults, so that an overflow is a clean death and not a
 * corrupted neighbour. */
static int map_stacks(void)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t stride = SP_STACK_SIZE + page;
	uint8_t *memory = mmap(NULL, stride * SP_SLOT_COUNT, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);

	if (memory == MAP_FAILED)
		return -ENOMEM;
	for (size_t i = 0; i < SP_SLOT_COUNT; i++)
		if (mprotect(memory + i * stride, page, PROT_NONE) < 0) {
			(void)munmap(memory, stride * SP_SLOT_COUNT);
			return -ENOMEM;
		}
	sp_runtime.stacks = memory;
	sp_runtime.stack_stride = stride;
	return 0;
}

static void unmap(void)
{
	if (sp_runtime.slots)
		(void)munmap(sp_runtime.slots, sizeof(struct sp_slots));
	if (sp_runtime.stacks)
		(void)munmap(sp_runtime.stacks, sp_runtime.stack_stride * SP_SLOT_COUNT);
	sp_runtime.slots = NULL;
	sp_runtime.stacks = NULL;
}

static void init_runtime(void)
{
	mode_t mask = umask(0);

	(void)umask(mask);
	atomic_store(&sp_runtime.umask, mask);
	for (size_t i = 0; i < SP_SLOT_COUNT; i++)
		sp_runtime.received[i] = -1;
	sp_runtime.pid = getpid();
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
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0 ? -errno : 0;
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

EXPORT int sp_sandboxee_enter(void)
{
	_cleanup_(welcome_clear) struct welcome welcome = {.slots = -1, .landlock = -1};
	int r = check_caller();

	if (r < 0)
		return r;
	r = shake_hands(&welcome);
	if (r == 0)
		r = map_slots(welcome.slots);
	if (r == 0)
		r = map_stacks();
	if (r == 0) {
		init_runtime();
		r = lock(&welcome);
	}
	if (r < 0) {
		unmap();
		return r;
	}
	sp_runtime.locked = true;
	return 0;
}
