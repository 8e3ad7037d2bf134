/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Serving the slots, in four stages: receive (copy the bytes once) → decode → decide and act
 * (broker/calls) → reply. Whatever the sandboxee writes into the shared memory meanwhile changes
 * nothing but what it reads itself.
 */
#include "broker/porter_serve.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "broker/porter_events.h"
#include "ipc/arch.h"
#include "ipc/channel.h"
#include "ipc/decode.h"
#include "ipc/runtime.h"
#include "ipc/util.h"
#include "ipc/wire.pb-c.h"

/* Calls served, or time spent on them and on waiting for them, before the event loop gets its turn
 * again. */
#define SLICE_CALLS 256u
#define SLICE_NS 1000000u

/* After giving up busy-waiting, for every how many requests that it might have met it is tried again.
 */
#define SPIN_PROBE 128u

/* So many slots may hold calls that wait for others. */
#define SLOTS_WAITING (SP_SLOT_COUNT * 3 / 4)

/* ---- reply --------------------------------------------------------------------------------------
 */

static void publish(struct sp_slot *slot, uint32_t length)
{
	atomic_store_explicit(&slot->length, length, memory_order_relaxed);
	atomic_store_explicit(&slot->state, SP_SLOT_DONE, memory_order_seq_cst);
	if (atomic_load_explicit(&slot->sleeping, memory_order_seq_cst))
		(void)syscall(SYS_futex, &slot->state, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

/* The descriptor goes first: a thread that sees its reply finds it in the queue. */
static int send_descriptor(struct sp_ring *ring, uint32_t index, uint32_t generation)
{
	Sallyport__Wire__Parcel parcel = SALLYPORT__WIRE__PARCEL__INIT;
	_cleanup_close_ int descriptor = TAKE_FD(ring->porter->answer.descriptor);

	parcel.purpose = SALLYPORT__WIRE__PARCEL__PURPOSE__ANSWER;
	parcel.has_slot = 1;
	parcel.slot = index;
	parcel.has_generation = 1;
	parcel.generation = generation;
	return sp_channel_send_message(ring->ends.channel, &parcel.base, descriptor);
}

static void reply(struct sp_ring *ring, uint32_t index, uint32_t generation)
{
	struct sp_porter *porter = ring->porter;
	struct sp_slot *slot = &ring->slots->slot[index];
	Sallyport__Wire__Reply message = SALLYPORT__WIRE__REPLY__INIT;
	struct sp_answer *answer = &porter->answer;

	message.generation = generation;
	if (answer->descriptor >= 0) {
		int r = send_descriptor(ring, index, generation);

		if (r == -EAGAIN) {
			/* At most one descriptor a slot is under way; a correct runtime takes them.
			 */
			sp_porter_violation(porter, "descriptors are not taken from the channel");
			return;
		}
		if (r < 0) /* ETOOMANYREFS: the user's quota of descriptors in flight is used up */
			answer->result = -ENFILE;
		else
			message.has_descriptor = message.descriptor = 1;
	}
	message.result = answer->result;
	message.has_out = answer->out_length > 0;
	message.out.data = answer->out;
	message.out.len = answer->out_length;
	publish(slot, (uint32_t)sallyport__wire__reply__pack(&message, slot->bytes));
}

/* ---- decide and act
 * ------------------------------------------------------------------------------ */

static void refuse(struct sp_porter *porter, const struct sp_call_refusal *refusal)
{
	porter->answer.result = -refusal->error;
	porter->refusal.error = refusal->error;
	porter->refusal.rule = refusal->rule;
	porter->refusal.detail = "the policy refuses this system call";
}

static void reset_answer(struct sp_porter *porter)
{
	porter->answer.result = -ENOSYS;
	porter->answer.descriptor = -1;
	porter->answer.pipe = false;
	porter->answer.out_length = 0;
	porter->refusal.error = 0;
	porter->refusal.ask = 0;
	porter->refusal.name[0] = 0;
	porter->refusal.rule = NULL;
	porter->refusal.detail = NULL;
	porter->work = (struct sp_work)SP_WORK_NONE;
	porter->refusal.missing = 0;
	porter->refusal.lookup = false;
}

/* Of a call that was decoded. */
static bool brokers(const struct sp_porter *porter, const struct sp_call *call)
{
	const uint64_t argument[] = {call->mode, call->flags, call->size};

	return sp_rules_brokers(porter->rules, call->info, argument);
}

/* A rule against the call itself stands before every rule about names; but where sockets are named, their
 * names and addresses alone decide. */
static bool is_refused(const struct sp_porter *porter, const struct sp_call_info *info,
		       struct sp_call_refusal *ret_refusal)
{
	return !sp_call_is_conditional(info) &&
	       sp_rules_find_refusal(porter->rules, info->nr, ret_refusal);
}

/* Of a call on which the application decides as a whole. True: it is asked, and the call waits. */
static bool ask_for_call(struct sp_porter *porter, const struct sp_call *call,
			 const struct sp_call_refusal *refusal)
{
	const struct sp_topic topic = {.nr = call->info->nr};

	if (sp_answers_call(porter->caller.answers, &topic) == SP_UNANSWERED &&
	    sp_questions_put(porter, &topic, refusal->rule))
		return true;
	refuse(porter, refusal);
	porter->refusal.detail = SP_NOT_ALLOWED;
	return false;
}

/* The trap of a runtime outranks what a filter of others refuses without killing, and a request may be forged. */
static bool is_refused_by_others(struct sp_porter *porter, int nr)
{
	struct sp_call_refusal refusal = {.error = ENOSYS, .rule = "a filter of others"};
	uint32_t action;

	/* One that looks at more than the number is launched with no runtime. */
	if (sp_rules_foreign_verdict(porter->rules, nr, &action) < 0)
		action = SECCOMP_RET_KILL_PROCESS;
	if ((action & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_ALLOW ||
	    (action & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_LOG)
		return false;
	if ((action & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_ERRNO)
		refusal.error = (int)(action & SECCOMP_RET_DATA);
	refuse(porter, &refusal);
	return true;
}

/* True: the call waits. */
static bool perform(struct sp_porter *porter, const struct sp_call *call)
{
	struct sp_call_refusal refusal;

	if (porter->origin.ring && is_refused_by_others(porter, call->info->nr))
		return false;
	if (is_refused(porter, call->info, &refusal)) {
		if (!refusal.ask) {
			refuse(porter, &refusal);
			return false;
		}
		if (sp_answers_call(porter->caller.answers,
				    &(struct sp_topic){.nr = call->info->nr}) != SP_ALLOWED)
			return ask_for_call(porter, call, &refusal);
	}
	sp_call_perform(&porter->view, porter->rules, &porter->caller, call, &porter->answer,
			&porter->refusal, &porter->work);
	if (porter->refusal.error && porter->refusal.ask) {
		const struct sp_topic topic = {.name = porter->refusal.name,
					       .rights = porter->refusal.ask,
					       .nr = call->info->nr};

		return sp_questions_put(porter, &topic, porter->refusal.rule);
	}
	return false;
}

bool sp_porter_perform(struct sp_porter *porter, const struct sp_call *call)
{
	reset_answer(porter);
	if (perform(porter, call))
		return false;
	if (porter->refusal.error)
		sp_porter_report_call(porter, call);
	return true;
}

bool sp_porter_leave(struct sp_porter *porter, const struct sp_waiter *waiter)
{
	int r;

	if (!sp_work_is_left(&porter->work))
		return false;
	r = sp_worker_start_take(porter->workers, &porter->work, waiter);
	porter->answer.result = r;
	return r == 0;
}

int sp_porter_narrow(struct sp_porter *porter, uint64_t phase)
{
	sp_links_clear(&porter->links);
	return sp_rules_enter(porter->rules, phase);
}

/* It only narrows: whoever asks, of all that run in the sandbox, may. */
bool sp_porter_enter_phase(struct sp_porter *porter, int nr, const uint64_t *argument)
{
	if (nr != __NR_seccomp || (uint32_t)argument[0] != SP_PHASE_OPERATION ||
	    sp_rules_phase_count(porter->rules) == 0)
		return false;
	reset_answer(porter);
	porter->answer.result = sp_porter_narrow(porter, argument[1]);
	return true;
}

void sp_porter_refuse(struct sp_porter *porter, int nr, uint64_t instruction)
{
	struct sp_call_refusal refusal;

	reset_answer(porter);
	sp_rules_refusal(porter->rules, nr, &refusal);
	refuse(porter, &refusal);
	sp_porter_report_refused(porter, nr, instruction, false);
}

/* ---- receive
 * -------------------------------------------------------------------------------------- */

/* Copies a slot's request once. -EBADMSG: the slot is not in order. */
static ssize_t receive(struct sp_ring *ring, uint32_t index)
{
	struct sp_slot *slot = &ring->slots->slot[index];
	uint32_t expected = SP_SLOT_REQUEST;
	uint32_t length;

	if (!atomic_compare_exchange_strong(&slot->state, &expected, SP_SLOT_SERVING))
		return -EBADMSG;
	length = atomic_load_explicit(&slot->length, memory_order_relaxed);
	if (length > SP_SLOT_BYTES)
		return -EBADMSG;
	memcpy(ring->porter->request, slot->bytes, length);
	return (ssize_t)length;
}

void sp_porter_answer(struct sp_porter *porter, const struct sp_waiter *waiter)
{
	if (!waiter->ring)
		sp_close_pointer(&porter->answer.descriptor);
	else
		reply(waiter->ring, waiter->slot, waiter->generation);
}

/* Those that wait leave slots to those that they wait for. */
static bool may_leave(struct sp_ring *ring)
{
	struct sp_worker *worker = NULL;
	size_t count = 0;

	while ((worker = sp_worker_next(ring->porter->workers, worker)))
		count += sp_worker_waiter(worker)->ring == ring;
	return count < SLOTS_WAITING;
}

static bool leave(struct sp_porter *porter, const struct sp_waiter *waiter)
{
	if (sp_work_is_left(&porter->work) && !may_leave(waiter->ring)) {
		sp_work_close(&porter->work);
		porter->answer.result = -EAGAIN;
	}
	return sp_porter_leave(porter, waiter);
}

/* Nobody is to get what the call came to, nor is any more of it done. */
static void drop(struct sp_porter *porter)
{
	sp_close_pointer(&porter->answer.descriptor);
	porter->answer.descriptor = -1;
	sp_work_close(&porter->work);
}

static void serve_refused(struct sp_porter *porter, const struct sp_slot_request *request)
{
	if (!sp_porter_enter_phase(porter, request->refusal.nr, request->refusal.argument))
		sp_porter_refuse(porter, request->refusal.nr, request->refusal.instruction);
}

/* What stands in porter->request. */
static void serve_request(struct sp_ring *ring, uint32_t index, size_t length)
{
	struct sp_porter *porter = ring->porter;
	struct sp_arena arena;
	struct sp_slot_request request;
	struct sp_waiter waiter;

	sp_arena_init(&arena, porter->arena, sizeof(porter->arena));
	if (sp_slot_request_decode(porter->request, length, &arena, &request) < 0) {
		sp_porter_violation(porter, "a malformed request");
		return;
	}
	porter->caller = (struct sp_caller){.pid = ring->pid,
					    .tid = request.tid,
					    .outer_pid = ring->outer_pid,
					    .locked = true,
					    .process = ring->group >= 0 ? &ring->group : NULL,
					    .answers = sp_questions_answers(porter->questions),
					    .links = &porter->links};
	waiter = (struct sp_waiter){.ring = ring, .slot = index, .generation = request.generation};
	porter->origin = (struct sp_origin){.ring = ring,
					    .slot = index,
					    .generation = request.generation,
					    .request = porter->request,
					    .length = length};
	if (request.refused) {
		serve_refused(porter, &request);
	} else if (!brokers(porter, &request.call)) {
		sp_porter_refuse(porter, request.call.info->nr, 0);
	} else {
		waiter.info = request.call.info;
		waiter.flags = request.call.flags;
		if (!sp_porter_perform(porter, &request.call))
			return;
	}
	/* What was sought by the number of a group that has died meanwhile was somebody else's. */
	if (porter->caller.sought && sp_ring_has_ended(ring))
		drop(porter);
	else if (!leave(porter, &waiter))
		sp_porter_answer(porter, &waiter);
}

/* Calls that a signal is to end: those that wait do. */
static void take_withdrawals(struct sp_ring *ring)
{
	struct sp_slots *slots = ring->slots;
	struct sp_worker *worker = NULL;
	uint32_t withdrawn;

	if (atomic_load_explicit(&slots->withdrawn, memory_order_relaxed) == 0)
		return;
	withdrawn = atomic_exchange(&slots->withdrawn, 0);
	while ((worker = sp_worker_next(ring->porter->workers, worker))) {
		const struct sp_waiter *waiter = sp_worker_waiter(worker);

		if (waiter->ring == ring && withdrawn >> waiter->slot & 1 &&
		    atomic_load(&slots->slot[waiter->slot].withdrawn) == waiter->generation)
			sp_worker_cancel(worker);
	}
	for (; withdrawn; withdrawn &= withdrawn - 1)
		sp_questions_interrupt(ring->porter, ring, (uint32_t)__builtin_ctz(withdrawn));
}

static void serve_slot(struct sp_ring *ring, uint32_t index)
{
	struct sp_porter *porter = ring->porter;
	ssize_t length = receive(ring, index);

	if (length < 0 || sp_questions_hold_slot(porter->questions, ring, index))
		sp_porter_violation(porter, "a slot that is not in order");
	else
		serve_request(ring, index, (size_t)length);
}

void sp_porter_serve_again(struct sp_porter *porter, const struct sp_origin *origin)
{
	memcpy(porter->request, origin->request, origin->length);
	serve_request(origin->ring, origin->slot, origin->length);
}

static unsigned serve_pending(struct sp_ring *ring)
{
	_Atomic uint32_t *word = &ring->slots->pending;
	uint32_t pending;
	unsigned served = 0;

	take_withdrawals(ring);
	if (atomic_load_explicit(word, memory_order_relaxed) == 0)
		return 0;
	pending = atomic_exchange(word, 0);
	for (; pending && !ring->porter->ended; pending &= pending - 1, served++)
		serve_slot(ring, (uint32_t)__builtin_ctz(pending));
	return served;
}

/* ---- when to wait how
 * ------------------------------------------------------------------------------- */

static uint64_t now_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* What a pause takes differs from processor to processor by a factor of ten. */
static uint64_t pauses_ns(unsigned count)
{
	uint64_t start = now_ns();

	for (unsigned i = 0; i < count; i++)
		sp_cpu_relax();
	return now_ns() - start;
}

uint32_t sp_porter_spin_rounds(unsigned microseconds)
{
	enum { PAUSES = 64, TRIES = 3 };
	uint64_t least = UINT64_MAX, rounds;

	if (microseconds == 0)
		return 0;
	for (int i = 0; i < TRIES; i++) { /* the least: no interruption fell into it */
		uint64_t took = pauses_ns(PAUSES);

		least = took < least ? took : least;
	}
	rounds = (uint64_t)microseconds * 1000 * PAUSES / (least ? least : 1);
	return rounds < UINT32_MAX ? (uint32_t)rounds : UINT32_MAX;
}

static bool worth_spinning(struct sp_ring *ring)
{
	if (ring->porter->spin_us == 0 || ring->porter->ended)
		return false;
	return ring->spin_credit > 0 || (ring->missed && ++ring->spin_probe % SPIN_PROBE == 0);
}

/* Busy-waits for a request. Both sides do so for spin_us at most; whether it pays shows in how
 * often it succeeded. */
static bool spin(struct sp_ring *ring)
{
	uint64_t end = now_ns() + ring->porter->spin_us * 1000u;

	do {
		for (int i = 0; i < 32; i++) {
			if (atomic_load_explicit(&ring->slots->pending, memory_order_relaxed)) {
				if (ring->spin_credit < SP_SPIN_CREDIT_MAX)
					ring->spin_credit++;
				return true;
			}
			sp_cpu_relax();
		}
	} while (now_ns() < end);
	if (ring->spin_credit > 0)
		ring->spin_credit--;
	return false;
}

/* Having been woken takes time as well, about as long as one may wait. */
static void look_back(struct sp_ring *ring, uint64_t now)
{
	if (!ring->resumed)
		ring->missed = now - ring->slept_ns < 2000ull * ring->porter->spin_us;
}

/* Whether the event loop is to have its turn: others than this sandboxee's calls wait there. */
static bool slice_is_over(unsigned served, uint64_t start)
{
	return served >= SLICE_CALLS || now_ns() - start >= SLICE_NS;
}

/* True where we may sleep. Whoever posts after the first store rings; who posted before is seen by
 * the load. */
static bool lie_down(struct sp_ring *ring)
{
	ring->slept_ns = now_ns();
	atomic_store(&ring->slots->awake, 0);
	if (atomic_load(&ring->slots->pending) == 0)
		return true;
	atomic_store(&ring->slots->awake, 1);
	return false;
}

enum sp_serve_result sp_porter_serve(struct sp_ring *ring)
{
	uint64_t start = now_ns();
	unsigned served = 0;

	atomic_store(&ring->slots->awake, 1);
	look_back(ring, start);
	for (;;) {
		unsigned now = serve_pending(ring);

		served += now;
		if (ring->porter->ended)
			return SP_SERVE_IDLE;
		if (now > 0 && slice_is_over(served, start)) {
			ring->resumed = true; /* still awake: nobody rings */
			return SP_SERVE_AGAIN;
		}
		if ((now > 0 || ring->resumed) && worth_spinning(ring) && spin(ring))
			continue;
		ring->resumed = false;
		if (lie_down(ring))
			return SP_SERVE_IDLE;
	}
}
