/* SPDX-License-Identifier: Apache-2.0 */
/* A call on its way to the porter and back: claim a slot, marshal by the table, wait, write back.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/stat.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>

#include "ipc/arch.h"
#include "ipc/channel.h"
#include "ipc/decode.h"
#include "ipc/marshal.h"
#include "ipc/runtime.h"
#include "ipc/wirecall.h"
#include "sandboxee/runtime.h"

/* How long a call waits for a slot while none of SP_SLOT_COUNT others ends. */
#define CLAIM_SECONDS 30

/* A porter on another CPU takes a request within this part of the rounds, or does not run at all. */
#define SPIN_TAKEN 64u

/* How long a call takes before it is thought to wait for others. */
#define PATIENCE_NS 20000000

/* One call under way. Lives on the slot's stack. */
struct exchange {
	const struct sp_trap *trap;
	const struct sp_call_info *info; /* NULL: the report of a refused call */
	uint32_t index;
	struct sp_slot *slot;
	uint32_t generation;
	uint64_t flags; /* of the call, as sent */
	long result;
	long
	    interruption; /* by a signal that waits, of a call that does: -EINTR or SP_SIGNALS_AGAIN; 0 */
	struct sp_marshal_buffers buffers;
	uint8_t arena[SP_OUT_MAX + 512] __attribute__((aligned(16)));
};

static long futex(_Atomic uint32_t *word, int operation, uint32_t value,
		  const struct timespec *timeout)
{
	return sp_raw_syscall(__NR_futex, (long)word, operation, value, (long)timeout, 0, 0);
}

/* ---- slots
 * ------------------------------------------------------------------------------------------- */

static bool try_claim(uint32_t first, uint32_t *ret_index)
{
	for (uint32_t i = 0; i < SP_SLOT_COUNT; i++) {
		uint32_t index = (first + i) % SP_SLOT_COUNT;
		uint32_t expected = SP_SLOT_FREE;

		if (atomic_compare_exchange_strong(&sp_runtime.slots->slot[index].state, &expected,
						   SP_SLOT_CLAIMED)) {
			*ret_index = index;
			return true;
		}
	}
	return false;
}

/* Waits until `released` is no longer what it was: true; a second at most. */
static bool wait_for_release(uint32_t before)
{
	const struct timespec second = {.tv_sec = 1};

	(void)futex(&sp_runtime.released, FUTEX_WAIT_PRIVATE, before, &second);
	return atomic_load(&sp_runtime.released) != before;
}

/*
 * Gives up after CLAIM_SECONDS without a release, however many threads want a slot: a wait that a
 * release cuts short says nothing about time, and a clock can't be asked, since the policy need not
 * allow one.
 *
 * No wake-up is lost: a release that try_claim() came too early to see finds `waiting` raised, and
 * changes `released` after it was read here. A thread that is woken and finds the slot taken by a
 * newcomer is woken again when that one releases it.
 */
static bool claim(uint32_t first, uint32_t *ret_index)
{
	bool claimed = try_claim(first, ret_index);

	if (claimed)
		return true;
	atomic_fetch_add(&sp_runtime.waiting, 1);
	for (int idle = 0; idle < CLAIM_SECONDS && !claimed;) {
		uint32_t released = atomic_load(&sp_runtime.released);

		claimed = try_claim(first, ret_index);
		if (!claimed)
			idle = wait_for_release(released) ? 0 : idle + 1;
	}
	atomic_fetch_sub(&sp_runtime.waiting, 1);
	return claimed;
}

static void release(struct sp_slot *slot)
{
	atomic_store(&slot->state, SP_SLOT_FREE);
	if (atomic_load(&sp_runtime.waiting)) {
		atomic_fetch_add(&sp_runtime.released, 1);
		(void)futex(&sp_runtime.released, FUTEX_WAKE_PRIVATE, 1, NULL);
	}
}

/* ---- waiting
 * ------------------------------------------------------------------------------------------ */

/*
 * Busy-waits as long as that can pay: the porter must take the request at once, which shows that it
 * runs, and on another CPU; then it will answer soon. Rounds, not time: a clock would cost more than
 * it tells, and the policy need not allow one.
 */
static bool spin(const struct exchange *exchange)
{
	uint32_t rounds = sp_runtime.slots->spin_rounds;

	for (uint32_t i = 0; i < rounds; i++) {
		uint32_t state = atomic_load_explicit(&exchange->slot->state, memory_order_acquire);

		if (state == SP_SLOT_DONE)
			return true;
		if (state == SP_SLOT_REQUEST && i >= rounds / SPIN_TAKEN)
			return false;
		sp_cpu_relax();
	}
	return false;
}

static void ring(void)
{
	static const uint64_t one = 1;

	(void)sp_raw_syscall(__NR_write, SP_DOORBELL_FD, (long)&one, sizeof(one), 0, 0, 0);
}

/* If the call waits for others, it ends now: with EINTR, or done. */
static void withdraw(struct exchange *exchange)
{
	atomic_store(&exchange->slot->withdrawn, exchange->generation);
	atomic_fetch_or(&sp_runtime.slots->withdrawn, 1u << exchange->index);
	ring();
}

/* The longer it takes, the more likely it waits for others: then signals are looked for, which nothing
 * tells of while they are blocked. */
static void sleep_until_done(struct exchange *exchange)
{
	struct timespec patience = {.tv_nsec = PATIENCE_NS};
	struct sp_slot *slot = exchange->slot;

	atomic_store(&slot->sleeping, 1);
	for (;;) {
		uint32_t state = atomic_load(&slot->state);
		long r;

		if (state == SP_SLOT_DONE)
			break;
		/* Not private: the waker is another process. */
		r = futex(&slot->state, FUTEX_WAIT, state,
			  exchange->interruption ? NULL : &patience);
		if (r != -ETIMEDOUT)
			continue;
		exchange->interruption = sp_signals_interruption(exchange->trap);
		if (exchange->interruption)
			withdraw(exchange);
	}
	atomic_store_explicit(&slot->sleeping, 0, memory_order_relaxed);
}

static void post_and_wait(struct exchange *exchange, size_t length)
{
	struct sp_slots *slots = sp_runtime.slots;

	atomic_store_explicit(&exchange->slot->length, (uint32_t)length, memory_order_relaxed);
	atomic_store(&exchange->slot->state, SP_SLOT_REQUEST);
	atomic_fetch_or(&slots->pending, 1u << exchange->index);
	/* Who has to wake the porter first has time to sleep. */
	if (!atomic_load(&slots->awake))
		ring();
	else if (spin(exchange))
		return;
	sleep_until_done(exchange);
}

/* ---- descriptors
 * --------------------------------------------------------------------------------------- */

static void lock_channel(void)
{
	uint32_t expected = 0;

	if (atomic_compare_exchange_strong(&sp_runtime.channel_lock, &expected, 1))
		return;
	while (atomic_exchange(&sp_runtime.channel_lock, 2) != 0)
		(void)futex(&sp_runtime.channel_lock, FUTEX_WAIT_PRIVATE, 2, NULL);
}

static void unlock_channel(void)
{
	if (atomic_exchange(&sp_runtime.channel_lock, 0) == 2)
		(void)futex(&sp_runtime.channel_lock, FUTEX_WAKE_PRIVATE, 1, NULL);
}

static void close_raw(int descriptor)
{
	if (descriptor >= 0)
		(void)sp_raw_syscall(__NR_close, descriptor, 0, 0, 0, 0, SP_RUNTIME_MARK);
}

/* Receives one parcel and files it under the slot that it is for. 0, or -errno when nothing could
 * be received. */
static int receive_parcel(struct exchange *exchange)
{
	uint8_t bytes[64];
	struct sp_arena arena;
	ProtobufCMessage *message;
	const Sallyport__Wire__Parcel *parcel;
	int descriptor = -1;
	ssize_t length;

	length = sp_channel_receive(SP_CHANNEL_FD, bytes, sizeof(bytes), MSG_DONTWAIT, &descriptor);
	if (length <= 0)
		return length < 0 ? (int)length : -EIO;
	sp_arena_init(&arena, exchange->arena, sizeof(exchange->arena));
	if (sp_message_decode(&sallyport__wire__parcel__descriptor, bytes, (size_t)length, &arena,
			      &message) < 0) {
		close_raw(descriptor);
		return -EIO;
	}
	parcel = (const Sallyport__Wire__Parcel *)message;
	if (parcel->slot >= SP_SLOT_COUNT) {
		close_raw(descriptor);
		return -EIO;
	}
	close_raw(sp_runtime.received[parcel->slot]);   /* of a call that gave up on it */
	sp_runtime.received[parcel->slot] = descriptor; /* or -EMFILE */
	sp_runtime.received_for[parcel->slot] = parcel->generation;
	return 0;
}

/* The descriptor that the reply announced: it is in the queue, or another thread has taken it in
 * for us. */
static int take_descriptor(struct exchange *exchange)
{
	int *mine = &sp_runtime.received[exchange->index];
	int descriptor = -1;
	int r = 0;

	lock_channel();
	while (r == 0 &&
	       (*mine == -1 || sp_runtime.received_for[exchange->index] != exchange->generation))
		r = receive_parcel(exchange);
	if (r == 0) {
		descriptor = *mine;
		*mine = -1;
	}
	unlock_channel();
	return r < 0 ? r : descriptor;
}

/* ---- marshalling
 * ------------------------------------------------------------------------------------------ */

static int read_memory(void *context, void *to, uint64_t from, size_t length)
{
	const struct sp_trap *trap = context;

	return sp_memory_read(trap->pid, to, (const void *)(uintptr_t)from, length);
}

static ssize_t read_string(void *context, char *to, uint64_t from, size_t size)
{
	const struct sp_trap *trap = context;

	return sp_memory_read_string(trap->pid, to, (const void *)(uintptr_t)from, size);
}

static int read_call(struct exchange *exchange, struct sp_call *ret_call)
{
	const struct sp_memory memory = {
	    .read = read_memory,
	    .read_string = read_string,
	    .context = (void *)(uintptr_t)exchange->trap,
	};
	uint64_t arguments[SP_MARSHAL_ARGUMENTS];
	int r;

	for (int i = 0; i < SP_MARSHAL_ARGUMENTS; i++)
		arguments[i] = (uint64_t)exchange->trap->argument[i];
	r = sp_marshal_call(exchange->info, arguments, &memory, &exchange->buffers, ret_call);
	if (r < 0)
		return r;
	ret_call->umask = atomic_load(&sp_runtime.umask);
	exchange->flags = ret_call->flags;
	return 0;
}

/* ---- metadata of a descriptor
 * -------------------------------------------------------------------------------- */

static struct statx_timestamp statx_time(struct timespec time)
{
	return (struct statx_timestamp){.tv_sec = time.tv_sec, .tv_nsec = (uint32_t)time.tv_nsec};
}

static struct statx statx_from(const struct stat *stat)
{
	return (struct statx){
	    .stx_mask = STATX_BASIC_STATS,
	    .stx_blksize = (uint32_t)stat->st_blksize,
	    .stx_nlink = (uint32_t)stat->st_nlink,
	    .stx_uid = stat->st_uid,
	    .stx_gid = stat->st_gid,
	    .stx_mode = (uint16_t)stat->st_mode,
	    .stx_ino = stat->st_ino,
	    .stx_size = (uint64_t)stat->st_size,
	    .stx_blocks = (uint64_t)stat->st_blocks,
	    .stx_atime = statx_time(stat->st_atim),
	    .stx_ctime = statx_time(stat->st_ctim),
	    .stx_mtime = statx_time(stat->st_mtim),
	    .stx_rdev_major = major(stat->st_rdev),
	    .stx_rdev_minor = minor(stat->st_rdev),
	    .stx_dev_major = major(stat->st_dev),
	    .stx_dev_minor = minor(stat->st_dev),
	};
}

/*
 * stat of a descriptor in the form that modern libcs use for fstat(3): an empty path with
 * AT_EMPTY_PATH. The filter cannot see that the path is empty, so it traps; here it is, and the
 * harmless fstat(2) answers.
 */
static long stat_descriptor(const struct exchange *exchange, int descriptor)
{
	const struct sp_trap *trap = exchange->trap;
	long out = trap->argument[exchange->info->out];
	struct stat stat;
	struct statx statx;
	long r;

	if (sp_is_reserved(descriptor))
		return -EBADF;
	if (exchange->info->returns == SP_RETURNS_STAT)
		return sp_raw_syscall(__NR_fstat, descriptor, out, 0, 0, 0, 0);
	r = sp_raw_syscall(__NR_fstat, descriptor, (long)&stat, 0, 0, 0, 0);
	if (r < 0)
		return r;
	statx = statx_from(&stat);
	return sp_memory_write(trap->pid, (void *)out, &statx, sizeof(statx));
}

/* True where the call was answered from the descriptor alone; its result is in exchange->result. */
static bool answered_by_descriptor(struct exchange *exchange, struct sp_call *call)
{
	if (exchange->info->operation != SP_OPERATION_STAT || !(call->flags & AT_EMPTY_PATH))
		return false;
	call->flags &= ~(uint64_t)AT_EMPTY_PATH;
	if (call->path[0])
		return false;
	if (call->dirfd == AT_FDCWD) {
		call->path = ".";
		return false;
	}
	exchange->result = stat_descriptor(exchange, call->dirfd);
	return true;
}

/* ---- results
 * -----------------------------------------------------------------------------------------------------
 */

static long deliver_descriptor(const struct exchange *exchange, int descriptor)
{
	long r;

	if (exchange->info->returns == SP_RETURNS_DIRECTORY) {
		r = sp_raw_syscall(__NR_fchdir, descriptor, 0, 0, 0, 0, 0);
		close_raw(descriptor);
		return r;
	}
	/* It arrived close-on-exec; only the caller decides whether it stays so. */
	if (!(exchange->flags & O_CLOEXEC))
		(void)sp_raw_syscall(__NR_fcntl, descriptor, F_SETFD, 0, 0, 0, SP_RUNTIME_MARK);
	return descriptor;
}

static long deliver(struct exchange *exchange, const Sallyport__Wire__Reply *reply)
{
	const struct sp_trap *trap = exchange->trap;

	if (reply->has_descriptor) {
		int descriptor = take_descriptor(exchange);

		return descriptor < 0 ? descriptor : deliver_descriptor(exchange, descriptor);
	}
	if (reply->has_out && reply->result >= 0 && exchange->info && exchange->info->out >= 0) {
		void *out = (void *)trap->argument[exchange->info->out];

		if (sp_memory_write(trap->pid, out, reply->out.data, reply->out.len) < 0)
			return -EFAULT;
	}
	return reply->result;
}

static long read_reply(struct exchange *exchange)
{
	uint32_t length = atomic_load_explicit(&exchange->slot->length, memory_order_relaxed);
	const Sallyport__Wire__Reply *reply;
	struct sp_arena arena;
	ProtobufCMessage *message;
	/* The arena is used again for the parcel of a descriptor, after the reply has been read. */
	Sallyport__Wire__Reply copy;

	sp_arena_init(&arena, exchange->arena, sizeof(exchange->arena));
	if (length > SP_SLOT_BYTES ||
	    sp_message_decode(&sallyport__wire__reply__descriptor, exchange->slot->bytes, length,
			      &arena, &message) < 0)
		return -EIO;
	reply = (const Sallyport__Wire__Reply *)message;
	if (reply->generation != exchange->generation)
		return -EIO;
	copy = *reply;
	return deliver(exchange, &copy);
}

/* ---- the whole way
 * ---------------------------------------------------------------------------------------------------
 */

static void ask(struct exchange *exchange, Sallyport__Wire__Request *request)
{
	request->generation = exchange->generation;
	request->tid = exchange->trap->tid;
	post_and_wait(exchange, sallyport__wire__request__pack(request, exchange->slot->bytes));
	exchange->result = read_reply(exchange);
}

static void forward_call(struct exchange *exchange)
{
	Sallyport__Wire__Request request = SALLYPORT__WIRE__REQUEST__INIT;
	Sallyport__Wire__Call wire;
	struct sp_call call;
	int r = read_call(exchange, &call);

	if (r < 0) {
		exchange->result = r;
		return;
	}
	if (answered_by_descriptor(exchange, &call))
		return;
	sp_call_to_wire(&call, &wire);
	request.what_case = SALLYPORT__WIRE__REQUEST__WHAT_CALL;
	request.call = &wire;
	ask(exchange, &request);
}

static void forward_refused(struct exchange *exchange)
{
	Sallyport__Wire__Request request = SALLYPORT__WIRE__REQUEST__INIT;
	Sallyport__Wire__Refused refused = SALLYPORT__WIRE__REFUSED__INIT;
	uint64_t argument[SP_ARGUMENTS];

	memcpy(argument, exchange->trap->argument, sizeof(argument));
	refused.nr = exchange->trap->nr;
	refused.instruction = exchange->trap->instruction;
	refused.n_argument = SP_ARGUMENTS;
	refused.argument = argument;
	request.what_case = SALLYPORT__WIRE__REQUEST__WHAT_REFUSED;
	request.refused = &refused;
	ask(exchange, &request);
}

/* What crosses over to the slot's stack: little, since it lies on the program's. */
struct crossing {
	const struct sp_trap *trap;
	const struct sp_call_info *info;
	uint32_t index;
	long result;
};

static void on_slot_stack(void *data)
{
	struct crossing *crossing = data;
	/* Large, and written before it is read: zeroing it would cost a good part of the call. */
	struct exchange exchange __attribute__((uninitialized));

	exchange.trap = crossing->trap;
	exchange.info = crossing->info;
	exchange.index = crossing->index;
	exchange.slot = &sp_runtime.slots->slot[crossing->index];
	exchange.generation = ++exchange.slot->generation;
	exchange.result = -EIO;
	exchange.interruption = 0;
	if (crossing->info)
		forward_call(&exchange);
	else
		forward_refused(&exchange);
	if (exchange.result == -EINTR && exchange.interruption == SP_SIGNALS_AGAIN)
		exchange.result = sp_signals_again(exchange.trap);
	crossing->result = exchange.result;
}

long sp_forward(const struct sp_trap *trap, const struct sp_call_info *info)
{
	struct crossing crossing = {.trap = trap, .info = info};
	uint8_t *top;

	if (!claim((uint32_t)trap->tid, &crossing.index))
		return sp_runtime.floor ? sp_forward_below(trap) : -EAGAIN;
	top = sp_runtime.stacks + (crossing.index + 1) * sp_runtime.stack_stride;
	sp_call_on_stack(top, on_slot_stack, &crossing);
	release(&sp_runtime.slots->slot[crossing.index]);
	return crossing.result;
}

long sp_forward_below(const struct sp_trap *trap)
{
	struct sp_forwarded forwarded = {.nr = (uint64_t)trap->nr};

	if (!sp_runtime.floor)
		return -EIO;
	memcpy(forwarded.argument, trap->argument, sizeof(forwarded.argument));
	return sp_raw_syscall(SP_NR_FORWARD, (long)&forwarded, 0, 0, 0, 0, 0);
}
