/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/porter.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "broker/notify.h"
#include "broker/orphans.h"
#include "broker/permissive.h"
#include "broker/porter_events.h"
#include "broker/porter_serve.h"
#include "broker/ring.h"
#include "ipc/channel.h"
#include "ipc/decode.h"
#include "ipc/sealed.h"
#include "ipc/util.h"
#include "ipc/wire.pb-c.h"

/* How often callers that wait for others are looked at. */
#define LOOK_US 20000

static void end(struct sp_porter *porter, enum sp_exit_cause cause, int status)
{
	if (porter->ended)
		return;
	porter->ended = true;
	porter->cause = cause;
	porter->status = status;
	(void)event_base_loopbreak(porter->base);
}

void sp_porter_violation(struct sp_porter *porter, const char *detail)
{
	if (porter->ended)
		return;
	sp_porter_report_violation(porter, detail);
	end(porter, SP_EXIT_VIOLATION, 0);
}

/* ---- calls ---- */

static void listener_ready(evutil_socket_t listener, short what, void *data)
{
	struct sp_porter *porter = data;

	(void)listener;
	(void)what;
	if (!sp_notify_serve(porter))
		(void)event_del(porter->listener_event);
}

/* ---- calls that wait for others ----------------------------------------------------------------
 */

static void workers_ready(evutil_socket_t finished, short what, void *data)
{
	struct sp_porter *porter = data;
	struct sp_waiter waiter;
	int result;

	(void)finished;
	(void)what;
	while (!porter->ended && sp_workers_take_done(porter->workers, &waiter, &result)) {
		porter->answer.result = result;
		porter->answer.descriptor = waiter.gives && result >= 0 ? result : -1;
		porter->answer.pipe = true; /* most likely */
		porter->answer.out_length = 0;
		if (waiter.id)
			sp_notify_answer(porter, &waiter);
		else
			sp_porter_answer(porter, &waiter);
	}
}

/* Nothing tells that the caller of a notification has died, or that a signal waits for it. */
static void look_due(evutil_socket_t unused, short what, void *data)
{
	struct sp_porter *porter = data;
	bool any = sp_notify_look(porter);

	(void)unused;
	(void)what;
	if (!sp_questions_look(porter) && !any)
		(void)event_del(porter->look_event);
}

void sp_porter_look_soon(struct sp_porter *porter)
{
	const struct timeval interval = {.tv_usec = LOOK_US};

	if (!event_pending(porter->look_event, EV_TIMEOUT, NULL))
		(void)event_add(porter->look_event, &interval);
}

/* ---- the end ----------------------------------------------------------------------------------
 */

bool sp_process_has_ended(int pidfd)
{
	struct pollfd poll_fd = {.fd = pidfd, .events = POLLIN};

	return poll(&poll_fd, 1, 0) > 0;
}

/*
 * A dying init takes every process along, and has ended only when all of them were reaped: who
 * reaps the sandboxee sees the init's pidfd too early. That it is on its way out, the kernel
 * shows in the flags of its stat.
 */
static bool is_ending(const struct sp_porter *porter)
{
	const unsigned exiting = 0x4; /* PF_EXITING */
	_cleanup_close_ int file = openat(porter->view.proc, "1/stat", O_RDONLY | O_CLOEXEC);
	char text[512];
	const char *end;
	unsigned flags = 0;
	ssize_t length;

	if (file < 0)
		return sp_process_has_ended(porter->init);
	length = read(file, text, sizeof(text) - 1);
	if (length <= 0) /* ESRCH */
		return true;
	text[length] = 0;
	end = strrchr(text, ')');
	/* ") state ppid pgrp session tty tpgid flags" */
	return end && sscanf(end + 1, " %*c %*d %*d %*d %*d %*d %u", &flags) == 1 &&
	       flags & exiting;
}

/* Strict mode kills by a signal of which nobody says who sent it. Where no init and no limit explains it, and the
 * sandboxee was given its lock, it was that. The kernel enforces the limit on processor time by its ticks, and tells the
 * exact time, which may be less. */
static bool was_strict(const struct sp_porter *porter, const struct rusage *usage)
{
	const uint64_t ms = 1000, us = 1000000;
	uint64_t limit = sp_rules_limits(porter->rules)->cpu * ms;
	uint64_t used = (uint64_t)(usage->ru_utime.tv_sec + usage->ru_stime.tv_sec) * ms +
			(uint64_t)(usage->ru_utime.tv_usec + usage->ru_stime.tv_usec) * ms / us;

	return porter->locked && sp_rules_strict(porter->rules) &&
	       (limit == 0 || used < limit / 4 * 3);
}

static void reaped(struct sp_porter *porter, const siginfo_t *info, const struct rusage *usage)
{
	if (info->si_code == CLD_EXITED)
		end(porter, SP_EXIT_EXITED, info->si_status);
	else if (info->si_status == SIGSYS)
		end(porter, SP_EXIT_POLICY, SIGSYS);
	else if (info->si_status == SIGKILL && is_ending(porter))
		end(porter, SP_EXIT_LOST, SIGKILL); /* the init went first and took it along */
	else if (info->si_status == SIGKILL && was_strict(porter, usage))
		end(porter, SP_EXIT_POLICY, SIGKILL);
	else
		end(porter, SP_EXIT_SIGNALED, info->si_status);
}

/* No init takes the others along: they are children of ours, or of children of ours. */
static bool is_outlived(void)
{
	siginfo_t info;

	return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT | __WALL) == 0;
}

static void sandboxee_ended(evutil_socket_t pidfd, short what, void *data)
{
	struct sp_porter *porter = data;
	struct rusage usage = {0};
	siginfo_t info = {0};

	(void)what;
	/* The kernel's own waitid tells what libc's does not: how much of the processor it took. */
	if (syscall(SYS_waitid, P_PIDFD, pidfd, &info, WEXITED | WNOHANG, &usage) < 0 ||
	    info.si_pid == 0)
		return;
	if (porter->permissive && is_outlived()) {
		sp_porter_report_wall(porter, 0, true,
				      "processes that outlive the first one are killed");
		porter->first_end = info;
		(void)event_del(porter->sandboxee_event);
		return;
	}
	reaped(porter, &info, &usage);
}

/* All but the sandboxee, whose end is heard of by its pidfd. */
static void reap_orphans(struct sp_porter *porter)
{
	siginfo_t info = {0};

	while (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT | __WALL) == 0 &&
	       info.si_pid != 0 && info.si_pid != porter->sandboxee_pid)
		(void)waitid(P_PID, (id_t)info.si_pid, &info, WEXITED | __WALL);
	if (porter->first_end.si_pid != 0 && !is_outlived())
		reaped(porter, &porter->first_end, &(struct rusage){0});
}

static void child_changed(evutil_socket_t signals, short what, void *data)
{
	struct sp_porter *porter = data;
	struct signalfd_siginfo read_info;
	siginfo_t info = {0};

	(void)what;
	/* What has happened, waitid tells: signals of one kind are merged. */
	if (read(signals, &read_info, sizeof(read_info)) < 0 && errno != EAGAIN)
		return;
	if (porter->permissive)
		reap_orphans(porter);
	if (porter->notify)
		sp_notify_stops(porter);
	/* While its first thread is held, its stops are news for who holds it. */
	if (porter->notify && sp_notify_holds(porter, porter->sandboxee_pid))
		return;
	if (waitid(P_PIDFD, (id_t)porter->sandboxee, &info, WSTOPPED | WNOHANG) == 0 &&
	    info.si_pid != 0)
		sp_porter_report_stopped(porter, info.si_status);
}

static void init_ended(evutil_socket_t pidfd, short what, void *data)
{
	(void)pidfd;
	(void)what;
	end(data, SP_EXIT_LOST, 0);
}

static bool asks_to_end(int number)
{
	return number == SIGTERM || number == SIGINT || number == SIGHUP || number == SIGQUIT;
}

/* The sandboxee is our child and we hold its pidfd: it is nobody else whom the signal reaches. */
static void deliver(struct sp_porter *porter, int number)
{
	if (porter->first_end.si_pid == 0)
		(void)pidfd_send_signal(porter->sandboxee, number, NULL, 0);
	else if (asks_to_end(number)) /* those that outlived it, whom nobody else can end */
		reaped(porter, &porter->first_end, &(struct rusage){0});
}

/* ---- changes while it runs ---- */

static void tell_changed(evutil_socket_t socket, short what, void *data)
{
	struct sp_porter *porter = data;

	(void)socket;
	(void)what;
	if (!sp_porter_tell_changed(porter))
		(void)event_add(porter->writable_event, NULL);
}

static int narrow(struct sp_porter *porter, int memory)
{
	size_t length;
	void *bytes;
	int r = memory < 0 ? memory : sp_sealed_map(memory, SP_PLAN_MAX, &bytes, &length);

	if (r < 0)
		return r;
	r = sp_rules_narrow(porter->rules, bytes, length);
	(void)munmap(bytes, length);
	return r;
}

typedef Sallyport__Wire__BrokerRequest__Change Change;

/* NULL: it holds a NUL, which would cut it. */
static char *copy_pattern(ProtobufCBinaryData bytes)
{
	return memchr(bytes.data, 0, bytes.len) ? NULL
						: strndup((const char *)bytes.data, bytes.len);
}

static int edit(struct sp_porter *porter, const Change *change)
{
	_cleanup_free_ char *pattern = copy_pattern(change->pattern);
	char source[64];

	if (!pattern)
		return -EINVAL;
	(void)snprintf(source, sizeof(source), "change %" PRIu64 " of the sandbox", change->number);
	return sp_rules_edit(
	    porter->rules,
	    &(struct sp_rules_edit){
		.revokes = change->kind == SALLYPORT__WIRE__BROKER_REQUEST__CHANGE__KIND__REVOKE,
		.rights = change->rights,
		.pattern = pattern,
		.source = source,
	    });
}

/* Between two calls: each is decided on before it, or behind it. What was known of links was so by the rules
 * before it. */
static int make_change(struct sp_porter *porter, const Change *change, int descriptor)
{
	sp_links_clear(&porter->links);
	switch (change->kind) {
	case SALLYPORT__WIRE__BROKER_REQUEST__CHANGE__KIND__NARROW:
		return narrow(porter, descriptor);
	case SALLYPORT__WIRE__BROKER_REQUEST__CHANGE__KIND__GRANT:
	case SALLYPORT__WIRE__BROKER_REQUEST__CHANGE__KIND__REVOKE:
		return change->has_pattern && change->has_rights ? edit(porter, change) : -EINVAL;
	case SALLYPORT__WIRE__BROKER_REQUEST__CHANGE__KIND__LOCK:
		sp_rules_lock(porter->rules);
		return 0;
	default:
		return -EINVAL;
	}
}

static int take_change(struct sp_porter *porter, const Change *change, int descriptor)
{
	if (porter->changed_count == SP_CHANGES_MAX ||
	    (descriptor != -1) !=
		(change->kind == SALLYPORT__WIRE__BROKER_REQUEST__CHANGE__KIND__NARROW))
		return -EBADMSG;
	porter->changed[porter->changed_count++] = (struct sp_changed){
	    .number = change->number,
	    .error = (uint32_t)-make_change(porter, change, descriptor),
	};
	tell_changed(-1, 0, porter);
	return 0;
}

/* ---- what the broker says ---- */

/* Two patterns, and what goes with them; decoded, as much again. */
#define REQUEST_MAX ((size_t)3 * PATH_MAX)

static int take_request(struct sp_porter *porter, const uint8_t *bytes, size_t length,
			int descriptor)
{
	uint8_t memory[2 * REQUEST_MAX] __attribute__((aligned(16), uninitialized));
	const Sallyport__Wire__BrokerRequest *request;
	struct sp_arena arena;
	ProtobufCMessage *message;
	int r;

	sp_arena_init(&arena, memory, sizeof(memory));
	r = sp_message_decode(&sallyport__wire__broker_request__descriptor, bytes, length, &arena,
			      &message);
	if (r < 0)
		return r;
	request = (const Sallyport__Wire__BrokerRequest *)message;
	if (request->what_case == SALLYPORT__WIRE__BROKER_REQUEST__WHAT_CHANGE)
		return take_change(porter, request->change, descriptor);
	if (descriptor >= 0)
		return -EBADMSG;
	switch (request->what_case) {
	case SALLYPORT__WIRE__BROKER_REQUEST__WHAT_SIGNAL:
		deliver(porter, (int)request->signal);
		return 0;
	case SALLYPORT__WIRE__BROKER_REQUEST__WHAT_PHASE:
		(void)sp_porter_narrow(porter, request->phase);
		return 0;
	case SALLYPORT__WIRE__BROKER_REQUEST__WHAT_ANSWER:
		sp_questions_answer(porter, request->answer);
		return 0;
	default:
		return -EBADMSG;
	}
}

static void control_ready(evutil_socket_t socket, short what, void *data)
{
	struct sp_porter *porter = data;
	_cleanup_close_ int descriptor = -1;
	uint8_t bytes[REQUEST_MAX] __attribute__((uninitialized));
	ssize_t length =
	    sp_channel_receive(socket, bytes, sizeof(bytes), MSG_DONTWAIT, &descriptor);

	(void)what;
	if (length == -EAGAIN)
		return;
	/* The broker's end of file is the order to end. */
	if (length <= 0 || take_request(porter, bytes, (size_t)length, descriptor) < 0)
		end(porter, SP_EXIT_KILLED, 0);
}

static void wall_elapsed(evutil_socket_t unused, short what, void *data)
{
	struct sp_porter *porter = data;

	(void)unused;
	(void)what;
	if (porter->permissive)
		sp_porter_report_wall(porter, 0, true, "over the limit on wall-clock time");
	else
		end(porter, SP_EXIT_WALL, 0);
}

static void kill_and_wait(struct sp_porter *porter)
{
	siginfo_t info;

	if (porter->permissive) {
		do
			orphans_kill(porter->view.outer_proc, NULL, 0);
		while (waitid(P_ALL, 0, &info, WEXITED | __WALL) == 0 || errno == EINTR);
		return;
	}
	/* The death of its init kills every process of a pid namespace, and the init is gone only
	 * when they all are: reaped, and some may be ours without our knowing, by CLONE_PARENT, or held by us. */
	(void)pidfd_send_signal(porter->init, SIGKILL, NULL, 0);
	while (waitid(P_ALL, 0, &info, WEXITED | __WALL) == 0 || errno == EINTR)
		;
}

/* ---- making and running ------------------------------------------------------------------------
 */

int sp_event_source_add(struct event_base *base, const struct sp_event_source *source, void *data)
{
	struct event *event;

	if (source->descriptor < 0)
		return 0;
	event = event_new(base, source->descriptor, (short)(EV_READ | EV_PERSIST | source->edge),
			  source->callback, data);
	if (!event)
		return -ENOMEM;
	*source->ret_event = event;
	if (event_priority_set(event, source->priority) < 0 || event_add(event, NULL) < 0)
		return -ENOMEM;
	return 0;
}

static int add_sources(struct sp_porter *porter)
{
	const struct sp_event_source sources[] = {
	    {porter->control, 0, control_ready, SP_PRIORITY_END, &porter->control_event},
	    {porter->sandboxee, 0, sandboxee_ended, SP_PRIORITY_END, &porter->sandboxee_event},
	    {porter->children, 0, child_changed, SP_PRIORITY_END, &porter->children_event},
	    {porter->init, 0, init_ended, SP_PRIORITY_END, &porter->init_event},
	    {porter->listener, 0, listener_ready, SP_PRIORITY_CALLS, &porter->listener_event},
	    {sp_workers_descriptor(porter->workers), 0, workers_ready, SP_PRIORITY_CALLS,
	     &porter->workers_event},
	};

	for (size_t i = 0; i < SP_ELEMENTS(sources); i++) {
		int r = sp_event_source_add(porter->base, &sources[i], porter);

		if (r < 0)
			return r;
	}
	return 0;
}

static int add_wall_clock(struct sp_porter *porter)
{
	uint64_t wall = sp_rules_limits(porter->rules)->wall;
	struct timeval after = {
	    .tv_sec = (time_t)(wall / 1000),
	    .tv_usec = (suseconds_t)(wall % 1000 * 1000),
	};

	if (wall == 0)
		return 0;
	porter->wall_event = evtimer_new(porter->base, wall_elapsed, porter);
	if (!porter->wall_event)
		return -ENOMEM;
	if (event_priority_set(porter->wall_event, SP_PRIORITY_END) < 0 ||
	    evtimer_add(porter->wall_event, &after) < 0)
		return -ENOMEM;
	return 0;
}

static int add_writable(struct sp_porter *porter)
{
	porter->writable_event =
	    event_new(porter->base, porter->control, EV_WRITE, tell_changed, porter);
	return porter->writable_event &&
		       event_priority_set(porter->writable_event, SP_PRIORITY_END) == 0
		   ? 0
		   : -ENOMEM;
}

static int add_look(struct sp_porter *porter)
{
	porter->look_event = event_new(porter->base, -1, EV_PERSIST, look_due, porter);
	if (!porter->look_event || event_priority_set(porter->look_event, SP_PRIORITY_CALLS) < 0)
		return -ENOMEM;
	return 0;
}

static int make_base(struct sp_porter *porter)
{
	/* After this many calls, or this long, the loop looks at events of higher priority again.
	 */
	const struct timeval slice = {.tv_usec = 1000};
	struct event_config *config = event_config_new();

	if (!config)
		return -ENOMEM;
	(void)event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK | EVENT_BASE_FLAG_IGNORE_ENV);
	(void)event_config_set_max_dispatch_interval(config, &slice, 8, SP_PRIORITY_CALLS);
	porter->base = event_base_new_with_config(config);
	event_config_free(config);
	if (!porter->base || event_base_priority_init(porter->base, SP_PRIORITY_COUNT) < 0)
		return -ENOMEM;
	return 0;
}

/* A busy-waiting porter on the only CPU would keep its caller from running. */
static unsigned usable_spin(unsigned wanted)
{
	cpu_set_t cpus;

	if (sched_getaffinity(0, sizeof(cpus), &cpus) == 0 && CPU_COUNT(&cpus) < 2)
		return 0;
	return wanted;
}

/* That the sandboxee stops, its pidfd does not show. */
static int watch_children(struct sp_porter *porter)
{
	sigset_t children;

	(void)sigemptyset(&children);
	(void)sigaddset(&children, SIGCHLD);
	if (sigprocmask(SIG_BLOCK, &children, NULL) < 0)
		return -errno;
	porter->children = signalfd(-1, &children, SFD_CLOEXEC | SFD_NONBLOCK);
	return porter->children < 0 ? -errno : 0;
}

/* A sandboxee with a runtime has a ring; the others have a listener. */
static int add_front(struct sp_porter *porter, struct sp_ring_ends *ring)
{
	if (porter->listener >= 0)
		return sp_notify_new(porter);
	return sp_ring_new_take(porter, ring, porter->sandboxee_pid, porter->inner_pid);
}

/* Before we are confined: for those who will load them. */
static int make_phase_files(struct sp_porter *porter)
{
	int r = 0;

	for (size_t i = 0; i < sp_rules_phase_count(porter->rules) && r == 0; i++) {
		struct sock_fprog filter = sp_rules_phase(porter->rules, i).filter;

		r = sp_sealed_make("sallyport-phase", filter.filter,
				   filter.len * sizeof(*filter.filter), &porter->phase_files[i]);
	}
	return r;
}

static int prepare(struct sp_porter *porter, struct sp_porter_setup *setup)
{
	int r = watch_children(porter);

	if (r == 0 && porter->permissive)
		r = sp_permissive_new(porter);
	if (r == 0)
		r = sp_workers_new(porter->view.own_fd, &porter->workers);
	if (r == 0)
		r = make_base(porter);
	if (r == 0 && setup->asks)
		r = sp_questions_new(porter, setup->ask_ms);
	if (r == 0)
		r = make_phase_files(porter);
	if (r == 0)
		r = add_front(porter, &setup->ring);
	if (r == 0)
		r = add_sources(porter);
	if (r == 0)
		r = add_writable(porter);
	if (r == 0)
		r = add_look(porter);
	if (r == 0)
		r = add_wall_clock(porter);
	return r;
}

int sp_porter_prepare_take(struct sp_porter_setup *setup, struct sp_porter **ret_porter)
{
	struct sp_porter *porter = calloc(1, sizeof(*porter));
	int r;

	if (!porter)
		return -ENOMEM;
	porter->control = TAKE_FD(setup->control);
	porter->landlock = TAKE_FD(setup->landlock);
	porter->listener = TAKE_FD(setup->listener);
	porter->runtime = TAKE_FD(setup->runtime);
	porter->init = TAKE_FD(setup->init);
	porter->sandboxee = TAKE_FD(setup->sandboxee);
	porter->children = -1;
	porter->view = setup->view;
	porter->rules = TAKE_POINTER(setup->rules);
	for (size_t i = 0; i < SP_PHASES_MAX; i++)
		porter->phase_files[i] = -1;
	porter->sandboxee_pid = setup->sandboxee_pid;
	porter->inner_pid = setup->inner_pid;
	porter->permissive = setup->permissive;
	porter->helper = setup->helper;
	porter->spin_us = usable_spin(setup->spin_us);
	porter->spin_rounds = sp_porter_spin_rounds(porter->spin_us);
	setup->view = (struct sp_view)SP_VIEW_NONE;
	r = prepare(porter, setup);
	sp_ring_ends_close(&setup->ring);
	if (r < 0) {
		sp_porter_free(porter);
		return r;
	}
	*ret_porter = porter;
	return 0;
}

int sp_porter_run(struct sp_porter *porter)
{
	if (porter->permissive && porter->helper[0])
		sp_permissive_report_helper(porter);
	if (!porter->ended)
		(void)event_base_dispatch(porter->base);
	kill_and_wait(porter);
	sp_porter_report_exit(porter);
	return 0;
}

static void free_event(struct event *event)
{
	if (event)
		event_free(event);
}

static void close_descriptor(int *descriptor)
{
	if (*descriptor >= 0)
		(void)close(TAKE_FD(*descriptor));
}

struct sp_porter *sp_porter_free(struct sp_porter *porter)
{
	if (!porter)
		return NULL;
	free_event(porter->control_event);
	free_event(porter->writable_event);
	free_event(porter->sandboxee_event);
	free_event(porter->children_event);
	free_event(porter->init_event);
	sp_rings_clear(porter);
	free_event(porter->listener_event);
	free_event(porter->workers_event);
	free_event(porter->look_event);
	free_event(porter->wall_event);
	sp_workers_free(porter->workers);
	porter->questions = sp_questions_free(porter->questions);
	sp_links_clear(&porter->links);
	if (porter->base)
		event_base_free(porter->base);
	close_descriptor(&porter->control);
	close_descriptor(&porter->landlock);
	for (size_t i = 0; i < SP_PHASES_MAX; i++)
		close_descriptor(&porter->phase_files[i]);
	close_descriptor(&porter->listener);
	close_descriptor(&porter->runtime);
	sp_notify_free(porter->notify);
	free(porter->judgement);
	close_descriptor(&porter->init);
	close_descriptor(&porter->sandboxee);
	close_descriptor(&porter->children);
	sp_view_close(&porter->view);
	sp_rules_free(porter->rules);
	free(porter);
	return NULL;
}
