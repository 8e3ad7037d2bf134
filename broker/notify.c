/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/notify.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "broker/execution.h"
#include "broker/permissive.h"
#include "broker/porter_events.h"
#include "broker/ring.h"
#include "broker/tracee.h"
#include "ipc/arch.h"
#include "ipc/channel.h"
#include "ipc/marshal.h"
#include "ipc/runtime.h"
#include "ipc/util.h"

/* Calls served before the event loop gets its turn again. */
#define SLICE_CALLS 64u

struct sp_notify {
	struct seccomp_notif request;
	struct sp_forwarded call; /* what is asked for: by the request itself, or in its memory */
	struct seccomp_notif
	    deferred[SP_TRACEES_MAX]; /* to be looked at anew; in the order they came */
	size_t deferred_count;
	struct sp_marshal_buffers buffers;
	struct sp_tracees tracees;
	unsigned filters; /* that whoever adds none is under at most; 0: nobody can tell */
	bool lent;        /* a filter of ours was given to a runtime */
};

/* ERESTARTSYS of the kernel's own <linux/errno.h>. */
#define AGAIN 512

/* ---- the kernel's side ---- */

static int receive(int listener, struct seccomp_notif *ret_request)
{
	/* The kernel wants it empty. */
	memset(ret_request, 0, sizeof(*ret_request));
	return ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, ret_request) < 0 ? -errno : 0;
}

/* That nobody waits any more is no error. */
static void send(int listener, uint64_t id, int64_t result, uint32_t flags)
{
	struct seccomp_notif_resp response = {
	    .id = id,
	    .val = result < 0 ? 0 : result,
	    .error = result < 0 ? (int32_t)result : 0,
	    .flags = flags,
	};

	(void)ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &response);
}

static bool still_waits(int listener, uint64_t id)
{
	return ioctl(listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &id) == 0;
}

static int add_descriptor(int listener, struct seccomp_notif_addfd *add, bool cloexec)
{
	int r;

	add->newfd_flags = cloexec ? O_CLOEXEC : 0;
	r = ioctl(listener, SECCOMP_IOCTL_NOTIF_ADDFD, add);
	return r < 0 ? -errno : r;
}

/* A number of the caller's, or -errno. `flags`: SECCOMP_ADDFD_FLAG_SEND answers the call with it. */
static int install(int listener, uint64_t id, int descriptor, uint32_t flags, bool cloexec)
{
	struct seccomp_notif_addfd add = {.id = id, .flags = flags, .srcfd = (uint32_t)descriptor};

	return add_descriptor(listener, &add, cloexec);
}

/* The same at a number, whatever the caller has there. */
static int install_at(int listener, uint64_t id, int descriptor, int number)
{
	struct seccomp_notif_addfd add = {.id = id,
					  .flags = SECCOMP_ADDFD_FLAG_SETFD,
					  .srcfd = (uint32_t)descriptor,
					  .newfd = (uint32_t)number};

	return add_descriptor(listener, &add, true);
}

int sp_notify_launching(int listener)
{
	struct seccomp_notif request;
	int r = receive(listener, &request);

	/* Withdrawn: the caller was killed, of which we hear elsewhere. */
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	if (request.data.nr == __NR_execve || request.data.nr == __NR_execveat) {
		send(listener, request.id, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE);
		return 0;
	}
	send(listener, request.id, -ENOSYS, 0);
	return -EPERM;
}

/* ---- the caller's memory ---- */

static int read_memory(void *context, void *to, uint64_t from, size_t length)
{
	const struct seccomp_notif *request = context;
	long n = sp_process_transfer(SYS_process_vm_readv, (pid_t)request->pid, to, from, length);

	return n == (long)length ? 0 : -EFAULT;
}

/* Page by page: what lies behind the string need not be mapped. */
static ssize_t read_string(void *context, char *to, uint64_t from, size_t size)
{
	const size_t page = 4096;
	const struct seccomp_notif *request = context;
	size_t have = 0;

	while (have < size) {
		size_t part = page - (from + have) % page;
		const char *end;
		long n;

		if (part > size - have)
			part = size - have;
		n = sp_process_transfer(SYS_process_vm_readv, (pid_t)request->pid, to + have,
					from + have, part);
		if (n <= 0)
			return -EFAULT;
		end = memchr(to + have, 0, (size_t)n);
		if (end)
			return end - to;
		have += (size_t)n;
	}
	return -ENAMETOOLONG;
}

static int write_memory(const struct seccomp_notif *request, uint64_t to, void *from, size_t length)
{
	long n = sp_process_transfer(SYS_process_vm_writev, (pid_t)request->pid, from, to, length);

	return n == (long)length ? 0 : -EFAULT;
}

/* ---- answers ---- */

/*
 * Holds the calling thread, which still waits. 0 or -errno; not now: -EAGAIN, since too many are
 * held; -EBUSY, since an execve ends the other threads of its process, and takes the number of the first one: what we do to a thread that is
 * held must not hit the new program.
 */
static int hold(struct sp_porter *porter, bool executes, struct sp_tracee **ret_tracee)
{
	struct sp_tracees *tracees = &porter->notify->tracees;
	int r = sp_caller_identify(&porter->view, &porter->caller);

	if (r < 0)
		return r;
	if (sp_tracees_conflict(tracees, porter->caller.outer_pid, executes))
		return -EBUSY;
	return sp_tracee_hold(tracees, porter->caller.outer, porter->caller.outer_pid, ret_tracee);
}

/* The call waits until another thread of its process has been let go. */
static void defer(struct sp_porter *porter)
{
	struct sp_notify *notify = porter->notify;

	if (notify->deferred_count < SP_ELEMENTS(notify->deferred))
		notify->deferred[notify->deferred_count++] = notify->request;
	else
		send(porter->listener, notify->request.id, -EAGAIN, 0);
}

/* The answer of a call whose thread was to be held, which may have to wait for that. */
static void answer_held(struct sp_porter *porter, int64_t r, uint32_t flags)
{
	if (r == -EBUSY || r == -EAGAIN)
		defer(porter);
	else
		send(porter->listener, porter->notify->request.id, r, r < 0 ? 0 : flags);
}

/* Puts a descriptor into a socket, whose other end becomes the caller's: its number there. */
static int install_parcel(struct sp_porter *porter, int descriptor)
{
	_cleanup_close_ int ours = -1, theirs = -1;
	int sockets[2], r;

	r = sp_channel_pair(0, sockets);
	if (r < 0)
		return r;
	ours = sockets[0];
	theirs = sockets[1];
	r = sp_channel_send(ours, "", 1, descriptor);
	return r < 0 ? r : install(porter->listener, porter->notify->request.id, theirs, 0, true);
}

/* A notification installs no O_PATH descriptor: the caller takes it from a socket, in its own name. */
static int64_t give_path(struct sp_porter *porter, const struct sp_call *call, int descriptor)
{
	struct sp_tracee *tracee;
	int r = hold(porter, false, &tracee), socket;

	if (r < 0)
		return r;
	socket = install_parcel(porter, descriptor);
	if (socket < 0)
		sp_tracee_release(tracee);
	else
		sp_tracee_receive(tracee, socket, call->info->returns == SP_RETURNS_DIRECTORY,
				  call->flags & O_CLOEXEC);
	return socket < 0 ? socket : 0;
}

/* Once the caller goes on, the end of a pipe is its own alone, so that its closing is felt at once. */
static void give_end(struct sp_porter *porter, const struct sp_call *call, int descriptor_take)
{
	const uint64_t id = porter->notify->request.id;
	int r = install(porter->listener, id, descriptor_take, 0, call->flags & O_CLOEXEC);

	(void)close(descriptor_take);
	send(porter->listener, id, r, 0);
}

static void answer_descriptor(struct sp_porter *porter, const struct sp_call *call)
{
	const struct seccomp_notif *request = &porter->notify->request;
	_cleanup_close_ int descriptor = TAKE_FD(porter->answer.descriptor);
	int r;

	if (call->info->returns == SP_RETURNS_DIRECTORY || (call->flags & O_PATH)) {
		answer_held(porter, give_path(porter, call, descriptor), 0);
		return;
	}
	if (porter->answer.pipe) {
		give_end(porter, call, TAKE_FD(descriptor));
		return;
	}
	r = install(porter->listener, request->id, descriptor, SECCOMP_ADDFD_FLAG_SEND,
		    call->flags & O_CLOEXEC);
	if (r < 0)
		send(porter->listener, request->id, r, 0);
}

/* The caller's thread is held, and looked at behind its execve. */
static void answer_execution(struct sp_porter *porter)
{
	struct sp_tracee *tracee;
	int r = hold(porter, true, &tracee);

	if (r == 0)
		sp_tracee_check_execution(tracee);
	answer_held(porter, r, SECCOMP_USER_NOTIF_FLAG_CONTINUE);
}

static void answer_value(struct sp_porter *porter, const struct sp_call *call)
{
	const struct sp_notify *notify = porter->notify;
	const struct seccomp_notif *request = &notify->request;
	struct sp_answer *answer = &porter->answer;
	int64_t result = answer->result;

	if (result >= 0 && answer->out_length > 0 && call->info->out >= 0 &&
	    (!still_waits(porter->listener, request->id) ||
	     write_memory(request, notify->call.argument[call->info->out], answer->out,
			  answer->out_length) < 0))
		result = -EFAULT;
	send(porter->listener, request->id, result, 0);
}

static void answer_call(struct sp_porter *porter, const struct sp_call *call)
{
	const struct sp_answer *answer = &porter->answer;

	if (answer->descriptor >= 0)
		answer_descriptor(porter, call);
	else if (answer->result >= 0 && call->info->operation == SP_OPERATION_EXECUTE)
		answer_execution(porter);
	else
		answer_value(porter, call);
}

/* ---- reading a call ---- */

/* What creates is masked by the caller's umask; to ask for it otherwise would be dear. */
static bool needs_umask(const struct sp_call *call)
{
	const uint64_t creating = O_CREAT | (O_TMPFILE & ~O_DIRECTORY);

	switch (call->info->operation) {
	case SP_OPERATION_OPEN:
		return call->flags & creating;
	case SP_OPERATION_MKDIR:
	case SP_OPERATION_MKNOD:
	case SP_OPERATION_BIND:
		return true;
	default:
		return false;
	}
}

static int read_call(struct sp_porter *porter, const struct sp_call_info *info,
		     struct sp_call *ret_call)
{
	struct sp_notify *notify = porter->notify;
	const struct sp_memory memory = {read_memory, read_string, &notify->request};
	struct sp_call call;
	int r = sp_marshal_call(info, notify->call.argument, &memory, &notify->buffers, &call);

	if (r == 0 && needs_umask(&call)) {
		r = sp_caller_identify(&porter->view, &porter->caller);
		call.umask = porter->caller.umask;
	}
	if (r == 0)
		*ret_call = call;
	return r;
}

static bool leave(struct sp_porter *porter, const struct sp_call *call)
{
	const struct seccomp_notif *request = &porter->notify->request;
	const struct sp_waiter waiter = {
	    .info = call->info,
	    .flags = call->flags,
	    .id = request->id,
	    .tid = (pid_t)request->pid,
	};

	return sp_porter_leave(porter, &waiter);
}

/* ---- the runtime on top ---- */

/*
 * A filter that a program puts upon its children, against calls that it knows, does not know the numbers that only
 * we know: who has one gets no calls past it. Those of a runtime, and of the phases, are ours.
 */
static bool has_filters_of_its_own(struct sp_porter *porter)
{
	const struct sp_notify *notify = porter->notify;
	unsigned ours = notify->filters;

	if (ours == 0 || sp_caller_identify(&porter->view, &porter->caller) < 0)
		return false;
	if (notify->lent)
		ours += 1 + (unsigned)sp_rules_phase_count(porter->rules);
	return porter->caller.filters > ours;
}

static int give_ends(struct sp_porter *porter, const struct sp_ring_ends *ends)
{
	uint64_t id = porter->notify->request.id;
	int r = install_at(porter->listener, id, ends->channel, SP_CHANNEL_FD);

	if (r >= 0)
		r = install_at(porter->listener, id, ends->doorbell, SP_DOORBELL_FD);
	return r < 0 ? r : 0;
}

/* The group is that of the thread which still waits behind all looks at its numbers. */
static int make_ring(struct sp_porter *porter, struct sp_ring_ends *ours, struct sp_ring **ret_ring)
{
	const struct sp_caller *caller = &porter->caller;
	_cleanup_close_ int group = (int)syscall(SYS_pidfd_open, caller->outer_pid, 0);

	if (group < 0)
		return -errno;
	if (!still_waits(porter->listener, porter->notify->request.id))
		return -ESRCH;
	if (sp_ring_is_beside(porter, caller->outer_pid))
		return -EAGAIN;
	return sp_ring_of_group_take(porter, ours, &group, caller->outer_pid, caller->pid,
				     ret_ring);
}

static int give_ring(struct sp_porter *porter, bool lock)
{
	_cleanup_(sp_ring_ends_close) struct sp_ring_ends ours = SP_RING_ENDS_NONE;
	_cleanup_(sp_ring_ends_close) struct sp_ring_ends theirs = SP_RING_ENDS_NONE;
	struct sp_ring *ring;
	int r = sp_ring_ends_make(&ours, &theirs);

	if (r == 0)
		r = make_ring(porter, &ours, &ring);
	if (r < 0)
		return r;
	r = give_ends(porter, &theirs);
	ring->far_channel = TAKE_FD(theirs.channel);
	if (r == 0)
		r = sp_ring_welcome(ring, lock);
	if (r < 0)
		sp_ring_free(ring);
	return r;
}

static void serve_channel(struct sp_porter *porter)
{
	const struct seccomp_notif *request = &porter->notify->request;
	bool lock = request->data.args[1] & SP_CHANNEL_LOCK;
	int r = 0;

	if (request->data.args[0] != SP_PROTOCOL_VERSION ||
	    request->data.args[1] & ~(uint64_t)SP_CHANNEL_LOCK)
		r = -EPROTO;
	if (r == 0)
		r = sp_caller_identify(&porter->view, &porter->caller);
	if (r == 0 && has_filters_of_its_own(porter))
		r = -EPERM;
	if (r == 0 && lock && porter->caller.threads != 1)
		r = -EBUSY;
	if (r == 0)
		r = give_ring(porter, lock);
	if (r == 0 && lock)
		porter->notify->lent = true;
	send(porter->listener, request->id, r, 0);
}

static bool is_runtime(const struct sp_porter *porter, const struct sp_call *call)
{
	return porter->runtime >= 0 && call->info->operation == SP_OPERATION_OPEN &&
	       (call->flags & ~(uint64_t)O_CLOEXEC) == O_RDONLY &&
	       strcmp(call->path, SP_RUNTIME_NAME) == 0;
}

/* What the loader asks for because LD_PRELOAD names it. */
static void give_runtime(struct sp_porter *porter)
{
	const struct seccomp_notif *request = &porter->notify->request;
	_cleanup_close_ int file = sp_view_reopen(&porter->view, porter->runtime, O_RDONLY);
	int r = file < 0
		    ? file
		    : install(porter->listener, request->id, file, SECCOMP_ADDFD_FLAG_SEND, true);

	if (r < 0)
		send(porter->listener, request->id, r, 0);
}

/* ---- one call ---- */

static void serve_call(struct sp_porter *porter, const struct sp_call_info *info)
{
	const struct seccomp_notif *request = &porter->notify->request;
	struct sp_call call;
	int r = read_call(porter, info, &call);

	/* What was read by the number of a thread that has died meanwhile was somebody else's. */
	if (!still_waits(porter->listener, request->id))
		return;
	if (r < 0) {
		send(porter->listener, request->id, r, 0);
		return;
	}
	if (is_runtime(porter, &call)) {
		give_runtime(porter);
		return;
	}
	if (!sp_porter_perform(porter, &call))
		return;
	if (leave(porter, &call))
		sp_porter_look_soon(porter);
	else
		answer_call(porter, &call);
}

/* What the request asks for itself, or what it forwards: 0 or -EFAULT. */
static int read_request(struct sp_notify *notify)
{
	struct seccomp_notif *request = &notify->request;

	if (request->data.nr == SP_NR_FORWARD)
		return read_memory(request, &notify->call, request->data.args[0],
				   sizeof(notify->call));
	notify->call.nr = (uint64_t)request->data.nr;
	memcpy(notify->call.argument, request->data.args, sizeof(notify->call.argument));
	return 0;
}

/* Whether the floor leaves this call to the application: the kernel does not pass on what it returned. */
static bool is_asked(const struct sp_porter *porter)
{
	return sp_rules_floor_asks(porter->rules, &porter->notify->request.data);
}

/* True: the call waits for the answer, or has been let through. What its arguments point to may
 * change until the kernel reads it, as under a rule that allows it. */
static bool ask_for_call(struct sp_porter *porter)
{
	const struct seccomp_notif *request = &porter->notify->request;
	const struct sp_topic topic = sp_topic_of_call(porter->rules, &request->data);
	struct sp_call_refusal refusal;

	switch (sp_answers_call(porter->caller.answers, &topic)) {
	case SP_ALLOWED:
		send(porter->listener, request->id, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE);
		return true;
	case SP_UNANSWERED:
		sp_rules_refusal(porter->rules, topic.nr, &refusal);
		return sp_questions_put(porter, &topic, refusal.rule);
	default:
		return false;
	}
}

/* Who has made itself undumpable, and is no root's, hides its memory. */
static bool is_hidden(const struct seccomp_notif *request)
{
	uint8_t byte;

	return sp_process_transfer(SYS_process_vm_readv, (pid_t)request->pid, &byte,
				   request->data.instruction_pointer, 1) < 0 &&
	       errno == EPERM;
}

/* What is wrong with a call that cannot be read, other than that the kernel can't read it either. */
static void report_unread(struct sp_porter *porter, int error)
{
	if (error == -ENOSPC) /* which only we say */
		sp_porter_report_wall(porter, ENOSPC, false, "more than a broker takes");
	else if (error == -EFAULT && is_hidden(&porter->notify->request))
		sp_porter_report_wall(porter, EFAULT, false,
				      "the program hides what it asks for from its broker");
}

static bool enter_phase(struct sp_porter *porter)
{
	const struct sp_notify *notify = porter->notify;

	if (!sp_porter_enter_phase(porter, (int)(uint32_t)notify->call.nr, notify->call.argument))
		return false;
	send(porter->listener, notify->request.id, porter->answer.result, 0);
	return true;
}

/* Whatever it is, the kernel does it, but for what it does not know. */
static void serve_permissively(struct sp_porter *porter)
{
	struct seccomp_notif *request = &porter->notify->request;
	const struct sp_memory memory = {read_memory, read_string, request};
	bool native = request->data.arch == SP_AUDIT_ARCH;
	const struct sp_call_info *info = native ? sp_call_find(request->data.nr) : NULL;
	struct sp_call call;
	int r = native ? read_request(porter->notify) : -ENOSYS;

	if (r == 0 && enter_phase(porter))
		return;
	if (r == 0)
		r = info ? read_call(porter, info, &call) : -ENOSYS;
	if (!still_waits(porter->listener, request->id))
		return;
	porter->seen = &request->data;
	sp_permissive_judge(porter, r == 0 ? &call : NULL, &memory);
	if (info && r < 0)
		report_unread(porter, r);
	porter->seen = NULL;
	send(porter->listener, request->id, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE);
}

static void serve_request(struct sp_porter *porter)
{
	struct sp_notify *notify = porter->notify;
	struct seccomp_notif *request = &notify->request;
	const struct sp_call_info *info;
	int nr, r;

	porter->caller = (struct sp_caller){.outer = (pid_t)request->pid,
					    .locked = request->data.nr == SP_NR_FORWARD,
					    .answers = sp_questions_answers(porter->questions),
					    .links = &porter->links};
	porter->origin = (struct sp_origin){.notification = *request};
	if (porter->permissive) {
		serve_permissively(porter);
		return;
	}
	/* Our filters ask about native calls alone. */
	if (request->data.arch != SP_AUDIT_ARCH) {
		send(porter->listener, request->id, -ENOSYS, 0);
		return;
	}
	if (request->data.nr == SP_NR_CHANNEL) {
		serve_channel(porter);
		return;
	}
	r = porter->caller.locked && has_filters_of_its_own(porter) ? -EPERM : read_request(notify);
	if (r < 0) {
		send(porter->listener, request->id, r, 0);
		return;
	}
	nr = (int)(uint32_t)notify->call.nr;
	info = sp_call_find(nr);
	if (info && sp_rules_brokers(porter->rules, info, notify->call.argument)) {
		serve_call(porter, info);
		return;
	}
	if (enter_phase(porter))
		return;
	/* What a runtime forwards the kernel can't make in its place. */
	if (porter->questions && is_asked(porter) && ask_for_call(porter))
		return;
	sp_porter_refuse(porter, nr, request->data.instruction_pointer);
	send(porter->listener, request->id, porter->answer.result, 0);
}

static void serve_one(struct sp_porter *porter)
{
	if (receive(porter->listener, &porter->notify->request) == 0) /* else it was withdrawn */
		serve_request(porter);
}

/* From the start: what the caller's memory holds may have changed. */
static void serve_deferred(struct sp_porter *porter)
{
	struct sp_notify *notify = porter->notify;
	size_t count = notify->deferred_count;
	struct seccomp_notif deferred[SP_TRACEES_MAX];

	memcpy(deferred, notify->deferred, count * sizeof(deferred[0]));
	notify->deferred_count = 0;
	for (size_t i = 0; i < count && !porter->ended; i++) {
		notify->request = deferred[i];
		serve_request(porter);
	}
}

/* A reading of the listener would wait. */
static short poll_listener(int listener)
{
	struct pollfd poll_fd = {.fd = listener, .events = POLLIN};

	return poll(&poll_fd, 1, 0) > 0 ? poll_fd.revents : 0;
}

bool sp_notify_serve(struct sp_porter *porter)
{
	short events = 0;

	for (unsigned i = 0; i < SLICE_CALLS && !porter->ended; i++) {
		events = poll_listener(porter->listener);
		if (!(events & POLLIN))
			break;
		serve_one(porter);
	}
	return !(events & POLLHUP);
}

/* ---- calls that wait for others ---- */

void sp_notify_answer(struct sp_porter *porter, const struct sp_waiter *waiter)
{
	const struct sp_call call = {.info = waiter->info, .flags = waiter->flags};

	porter->notify->request =
	    (struct seccomp_notif){.id = waiter->id, .pid = (uint32_t)waiter->tid};
	porter->caller = (struct sp_caller){.outer = waiter->tid};
	if (waiter->interrupted && porter->answer.result == -EINTR)
		porter->answer.result = -AGAIN;
	answer_call(porter, &call);
}

/*
 * A caller whose call was received waits on, whatever signals come, until it is answered. So its call
 * is answered as the kernel's own would be: EINTR, or made again, as the signal's handler wants it. That
 * the kernel chooses between them is sure for a thread that is held: it passes by there in any case.
 */
static bool interrupt(struct sp_porter *porter, pid_t tid)
{
	struct sp_tracee *tracee;

	if (!sp_caller_is_signalled(&porter->view, tid))
		return false;
	porter->caller = (struct sp_caller){.outer = tid};
	if (hold(porter, false, &tracee) < 0)
		return false;
	sp_tracee_release(tracee);
	return true;
}

bool sp_notify_look(struct sp_porter *porter)
{
	bool any = false;

	for (struct sp_worker *worker = NULL;
	     (worker = sp_worker_next(porter->workers, worker)) != NULL;) {
		struct sp_waiter *waiter = sp_worker_waiter(worker);

		if (!waiter->id)
			continue;
		any = true;
		if (!still_waits(porter->listener, waiter->id)) {
			sp_worker_cancel(worker);
		} else if (!waiter->interrupted && interrupt(porter, waiter->tid)) {
			waiter->interrupted = true;
			sp_worker_cancel(worker);
		}
	}
	return any;
}

/* ---- threads that are held ---- */

static bool may_run(void *data, pid_t pid)
{
	struct sp_porter *porter = data;
	const struct sp_request request = {
	    .view = &porter->view,
	    .rules = porter->rules,
	    .caller = &porter->caller,
	    .refusal = &porter->refusal,
	};

	/* Who else has its slots spoke for the program that it was. */
	sp_ring_forget(porter, pid);
	porter->caller = (struct sp_caller){.outer = pid,
					    .answers = sp_questions_answers(porter->questions),
					    .links = &porter->links};
	if (sp_execution_check(&request, pid))
		return true;
	sp_porter_report_execution(porter);
	return false;
}

void sp_notify_stops(struct sp_porter *porter)
{
	sp_tracees_reap(&porter->notify->tracees);
	serve_deferred(porter);
}

void sp_notify_serve_again(struct sp_porter *porter, const struct seccomp_notif *request)
{
	porter->notify->request = *request;
	serve_request(porter);
}

bool sp_notify_waits(struct sp_porter *porter, const struct seccomp_notif *request)
{
	if (!still_waits(porter->listener, request->id))
		return false;
	if (!interrupt(porter, (pid_t)request->pid))
		return true;
	send(porter->listener, request->id, -AGAIN, 0);
	return false;
}

bool sp_notify_holds(const struct sp_porter *porter, pid_t tid)
{
	return sp_tracees_hold(&porter->notify->tracees, tid);
}

/* Of the sandboxee: those that we are under ourselves, others' that the policy brings, and the floor. */
static unsigned count_filters(const struct sp_porter *porter)
{
	struct sp_caller self = {.outer = getpid()};
	size_t extras;

	(void)sp_rules_extra_filters(porter->rules, &extras);
	if (sp_caller_identify(&porter->view, &self) < 0)
		return 0;
	return self.filters + (unsigned)extras + 1;
}

int sp_notify_new(struct sp_porter *porter)
{
	struct sp_notify *notify = calloc(1, sizeof(*notify));

	if (!notify)
		return -ENOMEM;
	notify->filters = count_filters(porter);
	notify->tracees.may_run = may_run;
	notify->tracees.data = porter;
	notify->tracees.child = porter->sandboxee_pid;
	porter->notify = notify;
	return 0;
}

struct sp_notify *sp_notify_free(struct sp_notify *notify)
{
	free(notify);
	return NULL;
}
