/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A ring belongs to one process. A child made by fork(2) finds the page of the owner empty and its
 * parent's slots gone, and asks the floor for a ring of its own when it first needs one. One that shares
 * its parent's memory finds the parent's number, and keeps its hands off. Should it come here before its
 * parent, a forked child itself, ever did, it gets the ring, and the parent goes by the floor from then on.
 */
#include <errno.h>
#include <linux/futex.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ipc/arch.h"
#include "ipc/channel.h"
#include "ipc/decode.h"
#include "ipc/runtime.h"
#include "ipc/wire.pb-c.h"
#include "sandboxee/runtime.h"

int sp_owner_take(void)
{
	/* The kernel rounds up to its page. */
	if (madvise(sp_runtime.owner, sizeof(*sp_runtime.owner), MADV_WIPEONFORK) < 0 ||
	    madvise(sp_runtime.slots, sizeof(struct sp_slots), MADV_DONTFORK) < 0)
		return -ENOMEM;
	atomic_store(sp_runtime.owner, (uint32_t)getpid());
	return 0;
}

/* ---- a ring for a forked child ---- */

static long receive_slots(int *ret_slots)
{
	uint8_t bytes[64], memory[256] __attribute__((aligned(16)));
	struct sp_arena arena;
	ProtobufCMessage *message;
	int slots = -1;
	ssize_t length =
	    sp_channel_receive(SP_CHANNEL_FD, bytes, sizeof(bytes), MSG_DONTWAIT, &slots);

	if (length < 0)
		return length;
	if (slots < 0)
		return slots == -EMFILE ? -EMFILE : -EPROTO;
	*ret_slots = slots;
	sp_arena_init(&arena, memory, sizeof(memory));
	if (sp_message_decode(&sallyport__wire__parcel__descriptor, bytes, (size_t)length, &arena,
			      &message) < 0 ||
	    ((const Sallyport__Wire__Parcel *)message)->purpose !=
		SALLYPORT__WIRE__PARCEL__PURPOSE__SLOTS)
		return -EPROTO;
	return 0;
}

/* The same calls that the lock made, so that the filter has nothing against them. */
static long map_slots(int slots)
{
	long memory = sp_raw_syscall(__NR_mmap, 0, sizeof(struct sp_slots), PROT_READ | PROT_WRITE,
				     MAP_SHARED, slots, 0);

	if (memory < 0 && memory > -4096)
		return memory;
	(void)sp_raw_syscall(__NR_madvise, memory, sizeof(struct sp_slots), MADV_DONTFORK, 0, 0, 0);
	sp_runtime.slots = (struct sp_slots *)memory;
	return 0;
}

static void close_raw(int descriptor)
{
	if (descriptor >= 0)
		(void)sp_raw_syscall(__NR_close, descriptor, 0, 0, 0, 0, SP_RUNTIME_MARK);
}

/* What the parent's threads were at when they forked. Descriptors that one had received for another
 * have been inherited, and nobody waits for them. */
static void forget_parent(void)
{
	atomic_store(&sp_runtime.channel_lock, 0);
	atomic_store(&sp_runtime.released, 0);
	atomic_store(&sp_runtime.waiting, 0);
	for (size_t i = 0; i < SP_SLOT_COUNT; i++) {
		close_raw(sp_runtime.received[i]);
		sp_runtime.received[i] = -1;
	}
}

static void get_ring(void *data)
{
	long *result = data, r;
	int slots = -1;

	r = sp_raw_syscall(SP_NR_CHANNEL, SP_PROTOCOL_VERSION, 0, 0, 0, 0, 0);
	if (r == 0)
		r = receive_slots(&slots);
	if (r == 0)
		r = map_slots(slots);
	close_raw(slots);
	if (r == 0)
		forget_parent();
	*result = r;
}

/* On a stack of ours, none of which is in use yet. */
static bool become(uint32_t pid)
{
	long r = -EIO;

	if (sp_runtime.floor)
		sp_call_on_stack(sp_runtime.stacks + sp_runtime.stack_stride, get_ring, &r);
	atomic_store(sp_runtime.owner, r == 0 ? pid : 0);
	(void)sp_raw_syscall(__NR_futex, (long)sp_runtime.owner, FUTEX_WAKE_PRIVATE, INT32_MAX, 0,
			     0, 0);
	return r == 0;
}

/* ---- who ---- */

bool sp_owner_is_other(pid_t pid)
{
	uint32_t owner = atomic_load(sp_runtime.owner) & ~SP_OWNER_BECOMING;

	return owner != 0 && owner != (uint32_t)pid;
}

bool sp_owner_hold(pid_t pid)
{
	const uint32_t own = (uint32_t)pid, becoming = own | SP_OWNER_BECOMING;

	for (;;) {
		uint32_t owner = atomic_load(sp_runtime.owner);

		if (owner == own)
			return true;
		if (owner == 0 &&
		    atomic_compare_exchange_strong(sp_runtime.owner, &owner, becoming))
			return become(own);
		if (owner != 0 && owner != becoming)
			return false;
		if (owner == becoming)
			(void)sp_raw_syscall(__NR_futex, (long)sp_runtime.owner, FUTEX_WAIT_PRIVATE,
					     becoming, 0, 0, 0);
	}
}
