/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One sandbox as the broker sees it: the porter's control socket, a pidfd of the porter and one of
 * the init, and the pipes of its output. When all of them have ended, nothing of it is left, and
 * on_exit is called. Callbacks run from this file's event handlers only, and each may free
 * anything: an event handler holds a reference and looks at `freed` after each callback.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "broker/sandbox.h"
#include "ipc/channel.h"
#include "ipc/decode.h"
#include "ipc/util.h"
#include "policy/compile.h"
#include "policy/model.h"

/* Per wake-up: the application's other events have their turn. */
#define EVENTS_PER_WAKE 16
#define OUTPUT_PER_WAKE (64 * 1024)

/* A porter that waits inside the kernel for a file system that does not answer can't tell that the time is over: so
 * much later it is done here. */
#define WALL_GRACE_MS 1000

/* ---- life ---- */

static void source_close(struct source *source)
{
	if (source->event)
		event_free(source->event);
	source->event = NULL;
	if (source->descriptor >= 0)
		(void)close(TAKE_FD(source->descriptor));
}

void sandbox_arm_output(struct sp_sandbox *sandbox)
{
	for (int i = 0; i < SANDBOX_STREAMS; i++) {
		struct source *output = &sandbox->output[i];

		if (output->event && event_add(output->event, NULL) < 0)
			source_close(output);
	}
}

/* A fork of the application may hold a copy of the socket: shut down, not only closed. */
static void control_close(struct sp_sandbox *sandbox)
{
	if (sandbox->control.descriptor < 0)
		return;
	(void)shutdown(sandbox->control.descriptor, SHUT_RDWR);
	source_close(&sandbox->control);
	sandbox_arm_output(sandbox); /* it may have ended before it started */
}

static void sandbox_close(struct sp_sandbox *sandbox)
{
	for (int i = 0; i < SANDBOX_STREAMS; i++)
		source_close(&sandbox->output[i]);
	control_close(sandbox);
	source_close(&sandbox->porter);
	source_close(&sandbox->init);
	if (sandbox->end_event)
		event_free(sandbox->end_event);
	sandbox->end_event = NULL;
	if (sandbox->wall_event)
		event_free(sandbox->wall_event);
	sandbox->wall_event = NULL;
}

static void sandbox_unref(struct sp_sandbox *sandbox)
{
	if (--sandbox->references > 0)
		return;
	sp_policy_unref(sandbox->policy);
	sp_policy_unref(sandbox->launched);
	free(sandbox->layer);
	free(sandbox->cure);
	free(sandbox);
}

static void kill_process(const struct source *process)
{
	if (process->descriptor >= 0)
		(void)pidfd_send_signal(process->descriptor, SIGKILL, NULL, 0);
}

/* All its processes end with it; but those of a permissive launch it has to kill itself. */
static void stop(struct sp_sandbox *sandbox)
{
	if (!sandbox->policy)
		kill_process(&sandbox->porter);
	else if (sandbox->control.descriptor >= 0)
		(void)shutdown(sandbox->control.descriptor, SHUT_WR);
}

struct sp_sandbox *sp_sandbox_free(struct sp_sandbox *sandbox)
{
	if (!sandbox || sandbox->freed)
		return NULL;
	/* A porter that is not known yet sees the end of its control socket. */
	stop(sandbox);
	TAILQ_REMOVE(&sandbox->broker->sandboxes, sandbox, entry);
	sandbox->freed = true;
	sandbox->broker = NULL;
	sandbox_close(sandbox);
	sandbox_unref(sandbox);
	return NULL;
}

int sp_sandbox_kill(struct sp_sandbox *sandbox)
{
	if (sandbox->ended)
		return -ESRCH;
	sandbox->kill_wanted = true;
	stop(sandbox);
	return 0;
}

/* ---- the end ---- */

void sandbox_set_exit(struct sp_sandbox *sandbox, enum sp_exit_cause cause, int status)
{
	if (!sandbox->exit.cause)
		sandbox->exit = (struct sp_exit){.cause = cause, .status = status};
}

static bool is_over(const struct sp_sandbox *sandbox)
{
	bool over = !sandbox->awaiting_porter && sandbox->control.descriptor < 0 &&
		    sandbox->porter.descriptor < 0 && sandbox->init.descriptor < 0;

	for (int i = 0; i < SANDBOX_STREAMS; i++)
		over = over && sandbox->output[i].descriptor < 0;
	return over;
}

static void check_end(struct sp_sandbox *sandbox)
{
	if (sandbox->freed || sandbox->ended || !is_over(sandbox))
		return;
	sandbox->ended = true;
	event_active(sandbox->end_event, EV_TIMEOUT, 0);
}

static void withdraw_all(struct sp_sandbox *sandbox)
{
	while (sandbox->questions.count > 0 && !sandbox->freed)
		sandbox_withdraw(sandbox, sandbox->questions.ids[0]);
}

static void wall_elapsed(evutil_socket_t unused, short what, void *data)
{
	struct sp_sandbox *sandbox = data;

	(void)unused;
	(void)what;
	if (sandbox->ended)
		return;
	sandbox->wall_over = true;
	kill_process(&sandbox->porter);
}

int sandbox_start_clock(struct sp_sandbox *sandbox)
{
	const uint64_t ms = 1000;
	struct timeval after;

	if (!sandbox->wall_event || evtimer_pending(sandbox->wall_event, NULL))
		return 0;
	after.tv_sec = (time_t)((sandbox->wall_ms + WALL_GRACE_MS) / ms);
	after.tv_usec = (suseconds_t)((sandbox->wall_ms + WALL_GRACE_MS) % ms * ms);
	return evtimer_add(sandbox->wall_event, &after) < 0 ? -ENOMEM : 0;
}

static void deliver_end(evutil_socket_t unused, short what, void *data)
{
	static const struct sp_exit killed = {.cause = SP_EXIT_KILLED, .status = SIGKILL},
				    lost = {.cause = SP_EXIT_LOST, .status = SIGKILL},
				    wall = {.cause = SP_EXIT_WALL};
	struct sp_sandbox *sandbox = data;

	(void)unused;
	(void)what;
	sandbox_set_exit(sandbox, SP_EXIT_LOST, 0);
	/* A porter says KILLED when its control socket ends; whether that was asked for we know. One that was killed for the
	 * time may have told of another end before, which we had not read yet. */
	if (sandbox->exit.cause == SP_EXIT_LOST || sandbox->exit.cause == SP_EXIT_KILLED)
		sandbox->exit = sandbox->kill_wanted ? killed : sandbox->wall_over ? wall : lost;
	sandbox->exit.layer = sandbox->layer;
	sandbox->exit.cure = sandbox->cure;
	sandbox->references++;
	withdraw_all(sandbox);
	while (sandbox->changed_count < sandbox->change_count && !sandbox->freed)
		sandbox_answer_change(sandbox, -ESRCH);
	if (sandbox->on_exit && !sandbox->freed)
		sandbox->on_exit(sandbox, &sandbox->exit, sandbox->data);
	sandbox_unref(sandbox);
}

/* What it says makes no sense: it is killed, and lost. */
static void distrust(struct sp_sandbox *sandbox)
{
	sandbox_set_exit(sandbox, SP_EXIT_LOST, 0);
	stop(sandbox);
	control_close(sandbox);
	check_end(sandbox);
}

static void process_ended(evutil_socket_t pidfd, short what, void *data)
{
	struct source *process = data;

	(void)pidfd;
	(void)what;
	source_close(process);
	check_end(process->sandbox);
}

/* Takes the descriptor, also on error. */
static int source_make(struct source *source, int descriptor, event_callback_fn callback)
{
	source->descriptor = descriptor;
	source->event = event_new(source->sandbox->broker->base, descriptor, EV_READ | EV_PERSIST,
				  callback, source);
	if (source->event)
		return 0;
	source_close(source);
	return -ENOMEM;
}

/* The same, and listens at once. */
static int source_watch(struct source *source, int descriptor, event_callback_fn callback)
{
	int r = source_make(source, descriptor, callback);

	if (r == 0 && event_add(source->event, NULL) < 0) {
		source_close(source);
		r = -ENOMEM;
	}
	return r;
}

int sandbox_watch_init_take(struct sp_sandbox *sandbox, int pidfd)
{
	return source_watch(&sandbox->init, pidfd, process_ended);
}

/* ---- what the porter says ---- */

static int receive_event(struct sp_sandbox *sandbox)
{
	_cleanup_close_ int descriptor = -1;
	uint8_t bytes[SP_DATAGRAM_MAX] __attribute__((uninitialized));
	ProtobufCMessage *message;
	ssize_t length = sp_channel_receive(sandbox->control.descriptor, bytes, sizeof(bytes),
					    MSG_DONTWAIT, &descriptor);
	int r;

	/* A porter that ended before it read all that we sent resets the socket, and the kernel says that, once,
	 * before it gives what came earlier: among that, how it ended. */
	if (length == -ECONNRESET)
		length = sp_channel_receive(sandbox->control.descriptor, bytes, sizeof(bytes),
					    MSG_DONTWAIT, &descriptor);
	if (length <= 0)
		return length == 0 ? -ECONNRESET : (int)length;
	r = sp_message_decode(&sallyport__wire__porter_event__descriptor, bytes, (size_t)length,
			      NULL, &message);
	if (r < 0)
		return r;
	r = sandbox_take_event(sandbox, (const Sallyport__Wire__PorterEvent *)message, &descriptor);
	protobuf_c_message_free_unpacked(message, NULL);
	return r;
}

static void control_readable(evutil_socket_t socket, short what, void *data)
{
	struct sp_sandbox *sandbox = ((struct source *)data)->sandbox;
	int r = 0;

	(void)socket;
	(void)what;
	sandbox->references++;
	for (int i = 0; i < EVENTS_PER_WAKE && r == 0 && !sandbox->freed; i++)
		r = receive_event(sandbox);
	if (!sandbox->freed && r == -ECONNRESET) {
		control_close(sandbox);
		check_end(sandbox);
	} else if (!sandbox->freed && r < 0 && r != -EAGAIN) {
		distrust(sandbox);
	}
	sandbox_unref(sandbox);
}

/* ---- output ---- */

static void output_readable(evutil_socket_t pipe, short what, void *data)
{
	struct source *source = data;
	struct sp_sandbox *sandbox = source->sandbox;
	uint8_t bytes[OUTPUT_PER_WAKE] __attribute__((uninitialized));
	ssize_t n = read(pipe, bytes, sizeof(bytes));

	(void)what;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		source_close(source);
		check_end(sandbox);
		return;
	}
	sandbox->references++;
	sandbox->on_output(sandbox, source->stream, bytes, (size_t)n, sandbox->data);
	sandbox_unref(sandbox);
}

/* ---- what the spawner says ---- */

static struct sp_sandbox *find(struct sp_broker *broker, uint32_t id)
{
	struct sp_sandbox *sandbox;

	TAILQ_FOREACH(sandbox, &broker->sandboxes, entry)
	if (sandbox->id == id && sandbox->awaiting_porter)
		return sandbox;
	return NULL;
}

void sandbox_porter_known_take(struct sp_broker *broker, uint32_t id, int pidfd)
{
	struct sp_sandbox *sandbox = find(broker, id);

	if (!sandbox) {
		/* Freed while its launch was under way. */
		(void)pidfd_send_signal(pidfd, SIGKILL, NULL, 0);
		(void)close(pidfd);
		return;
	}
	sandbox->awaiting_porter = false;
	if (source_watch(&sandbox->porter, pidfd, process_ended) < 0)
		distrust(sandbox);
	else if (sandbox->kill_wanted || sandbox->control.descriptor < 0)
		stop(sandbox);
}

void sandbox_failed(struct sp_broker *broker, uint32_t id, int error)
{
	static const char layer[] = "spawner";
	struct sp_sandbox *sandbox = find(broker, id);

	if (!sandbox)
		return;
	sandbox->awaiting_porter = false;
	if (!sandbox->exit.cause) {
		sandbox_set_exit(sandbox, SP_EXIT_FAILED, error);
		sandbox->layer = text_escape((const uint8_t *)layer, sizeof(layer) - 1);
	}
	control_close(sandbox);
	check_end(sandbox);
}

void sandboxes_orphan(struct sp_broker *broker)
{
	struct sp_sandbox *sandbox;

	TAILQ_FOREACH(sandbox, &broker->sandboxes, entry)
	{
		if (!sandbox->awaiting_porter)
			continue;
		/* If its porter runs nonetheless, it may: the control socket is what ends it. But a
		 * porter that cannot be killed is not to be had: half-made, it ends now. */
		sandbox->awaiting_porter = false;
		if (sandbox->control.descriptor >= 0)
			(void)shutdown(sandbox->control.descriptor, SHUT_WR);
		check_end(sandbox);
	}
}

/* ---- launching ---- */

/* What goes to the spawner: plan, control socket, then the passed ones. */
enum { PART_PLAN, PART_CONTROL, PART_PASS };

struct parts {
	int *descriptors; /* owned */
	uint32_t *numbers;
	size_t count;      /* of descriptors */
	size_t pass_count; /* of numbers */
};

static void parts_clear(struct parts *parts)
{
	for (size_t i = 0; i < parts->count; i++)
		sp_close_pointer(&parts->descriptors[i]);
	free(parts->descriptors);
	free(parts->numbers);
}

/* ---- launching ---- */

static int parts_make(size_t pass_count, struct parts *ret_parts)
{
	size_t room = PART_PASS + pass_count + SANDBOX_STREAMS;

	ret_parts->descriptors = calloc(room, sizeof(*ret_parts->descriptors));
	ret_parts->numbers = calloc(room, sizeof(*ret_parts->numbers));
	if (!ret_parts->descriptors || !ret_parts->numbers)
		return -ENOMEM;
	ret_parts->descriptors[PART_PLAN] = -1;
	ret_parts->descriptors[PART_CONTROL] = -1;
	ret_parts->count = PART_PASS;
	return 0;
}

static bool has_number(const struct parts *parts, int number)
{
	for (size_t i = 0; i < parts->pass_count; i++)
		if (parts->numbers[i] == (uint32_t)number)
			return true;
	return false;
}

static void add_part_take(struct parts *parts, int descriptor, int number)
{
	parts->descriptors[parts->count++] = descriptor;
	parts->numbers[parts->pass_count++] = (uint32_t)number;
}

static int add_passed(struct parts *parts, const struct sp_launch *launch)
{
	for (size_t i = 0; i < launch->pass_count; i++) {
		const struct sp_pass *pass = &launch->pass[i];
		int copy;

		if (pass->number < 0 || pass->number > PASS_NUMBER_MAX ||
		    has_number(parts, pass->number))
			return -EINVAL;
		copy = fcntl(pass->descriptor, F_DUPFD_CLOEXEC, 0);
		if (copy < 0)
			return errno == EBADF ? -EINVAL : -errno;
		add_part_take(parts, copy, pass->number);
	}
	return 0;
}

static int add_output(struct sp_sandbox *sandbox, struct parts *parts)
{
	for (int i = 0; i < SANDBOX_STREAMS; i++) {
		int ends[2], r;

		if (!sandbox->on_output || has_number(parts, sandbox->output[i].stream))
			continue;
		if (pipe2(ends, O_CLOEXEC) < 0)
			return -errno;
		add_part_take(parts, ends[1], sandbox->output[i].stream);
		r = source_make(&sandbox->output[i], ends[0], output_readable);
		if (r < 0)
			return r;
		/* Ours alone: the sandboxee's end blocks, as programs expect. */
		if (fcntl(ends[0], F_SETFL, O_NONBLOCK) < 0)
			return -errno;
	}
	return 0;
}

static int add_control(struct sp_sandbox *sandbox, struct parts *parts)
{
	int sockets[2];
	int r = sp_channel_pair(SOCK_NONBLOCK, sockets);

	if (r < 0)
		return r;
	parts->descriptors[PART_CONTROL] = sockets[1];
	return source_watch(&sandbox->control, sockets[0], control_readable);
}

/* Nothing ends a permissive launch. */
static int make_wall_clock(struct sp_sandbox *sandbox)
{
	const struct sp_policy *layers[SP_LAYERS_MAX];
	size_t count = sp_model_layers(sandbox->launched, layers);

	if (sandbox->policy || !sp_model_limit(layers, count, SP_LIMIT_WALL, &sandbox->wall_ms) ||
	    sandbox->wall_ms == 0)
		return 0;
	sandbox->wall_event = evtimer_new(sandbox->broker->base, wall_elapsed, sandbox);
	return sandbox->wall_event ? 0 : -ENOMEM;
}

static struct sp_sandbox *sandbox_new(struct sp_broker *broker, const struct sp_launch *launch)
{
	struct sp_sandbox *sandbox = calloc(1, sizeof(*sandbox));
	struct source none;

	if (!sandbox)
		return NULL;
	none = (struct source){.descriptor = -1, .sandbox = sandbox};
	sandbox->control = sandbox->porter = sandbox->init = none;
	for (int i = 0; i < SANDBOX_STREAMS; i++) {
		sandbox->output[i] = none;
		sandbox->output[i].stream = STDOUT_FILENO + i;
	}
	sandbox->broker = broker;
	sandbox->id = ++broker->last_id;
	sandbox->references = 1;
	if (launch->permissive && launch->policy)
		sandbox->policy = sp_policy_ref(launch->policy);
	sandbox->on_started = launch->on_started;
	sandbox->on_locked = launch->on_locked;
	sandbox->on_stopped = launch->on_stopped;
	sandbox->on_report = launch->on_report;
	sandbox->on_output = launch->on_output;
	sandbox->on_ask = launch->on_ask;
	sandbox->on_withdrawn = launch->on_withdrawn;
	sandbox->on_exit = launch->on_exit;
	sandbox->on_changed = launch->on_changed;
	sandbox->launched = sp_policy_ref(launch->policy);
	sandbox->data = launch->data;
	sandbox->phase_count = sp_policy_phase_ids(launch->policy, sandbox->phases);
	TAILQ_INSERT_TAIL(&broker->sandboxes, sandbox, entry);
	sandbox->end_event = event_new(broker->base, -1, 0, deliver_end, sandbox);
	return sandbox;
}

/* ---- launching ---- */

static int sandbox_send(struct sp_sandbox *sandbox, const struct sp_launch *launch,
			struct parts *parts)
{
	int r = parts_make(launch->pass_count, parts);

	if (r == 0)
		r = add_passed(parts, launch);
	if (r == 0)
		r = add_output(sandbox, parts);
	/* It starts up while the policy is compiled. */
	if (r == 0)
		r = spawner_ensure(sandbox->broker);
	if (r == 0)
		r = plan_make(launch, parts->numbers, parts->pass_count,
			      &parts->descriptors[PART_PLAN]);
	if (r == 0)
		r = add_control(sandbox, parts);
	if (r < 0)
		return r;
	sandbox->awaiting_porter = true;
	return spawner_launch_take(sandbox->broker, sandbox->id, parts->descriptors, parts->count);
}

int sp_sandbox_launch(struct sp_broker *broker, const struct sp_launch *launch,
		      struct sp_sandbox **ret_sandbox)
{
	_cleanup_(parts_clear) struct parts parts = {0};
	struct sp_sandbox *sandbox;
	int r;

	if (!broker || !launch || !launch->policy || !ret_sandbox ||
	    (launch->pass_count && !launch->pass) || launch->pass_count > PASS_NUMBER_MAX + 1)
		return -EINVAL;
	sandbox = sandbox_new(broker, launch);
	if (!sandbox)
		return -ENOMEM;
	r = sandbox->end_event ? make_wall_clock(sandbox) : -ENOMEM;
	if (r == 0)
		r = sandbox_send(sandbox, launch, &parts);
	if (r < 0) {
		sp_sandbox_free(sandbox);
		return r;
	}
	*ret_sandbox = sandbox;
	return 0;
}
