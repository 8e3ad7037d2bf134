/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One sandbox as the broker sees it: the porter's control socket, a pidfd of the porter and one of
 * the init, and the pipes of its output. When all of them have ended, nothing of it is left, and
 * on_exit is called. Callbacks run from this file's event handlers only, and each may free
 * anything: an event handler holds a reference and looks at `freed` after each callback.
 */
#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "broker/internal.h"
#include "ipc/channel.h"
#include "ipc/decode.h"
#include "ipc/runtime.h"
#include "ipc/sealed.h"
#include "ipc/util.h"
#include "policy/compile.h"
#include "policy/glob.h"
#include "policy/judge.h"
#include "policy/model.h"
#include "policy/rules.h"

/* Per wake-up: the application's other events have their turn. */
#define EVENTS_PER_WAKE 16
#define OUTPUT_PER_WAKE (64 * 1024)

#define STREAMS 2 /* stdout and stderr */

/* A porter that waits inside the kernel for a file system that does not answer can't tell that the time is over: so
 * much later it is done here. */
#define WALL_GRACE_MS 1000

/* A descriptor that is watched until it ends. */
struct source {
	int descriptor; /* owned; -1: ended, or never was */
	struct event *event;
	struct sp_sandbox *sandbox;
	int stream; /* of output: 1 or 2 */
};

struct sp_sandbox {
	TAILQ_ENTRY(sp_sandbox) entry;
	struct sp_broker *broker; /* borrowed; valid until freed */
	struct sp_policy *policy; /* permissive: owned, a reference; else NULL */
	uint32_t id;
	unsigned references;
	bool freed;

	sp_started_fn *on_started;
	sp_locked_fn *on_locked;
	sp_stopped_fn *on_stopped;
	sp_report_fn *on_report;
	sp_output_fn *on_output;
	sp_ask_fn *on_ask;
	sp_withdrawn_fn *on_withdrawn;
	sp_exit_fn *on_exit;
	void *data;
	struct open_questions questions;
	uint64_t phases[SP_PHASES_MAX]; /* of its policy, by id */
	size_t phase_count;
	struct sp_policy *launched; /* owned, a reference: what it runs under */
	sp_changed_fn *on_changed;
	uint64_t change_count, changed_count; /* sent, and answered */
	size_t narrowing_count;
	bool edits_locked;

	struct source control, porter, init, output[STREAMS];
	struct event *end_event; /* on_exit comes from the loop, never from within a call */
	struct event *wall_event; /* NULL: no limit on time */
	uint64_t wall_ms;
	bool awaiting_porter;    /* the spawner has not said what became of the launch */
	bool announced_init;
	bool kill_wanted;
	bool ended; /* on_exit is due or was called */

	struct sp_exit exit; /* cause 0: not known yet */
	char *layer, *cure;  /* owned, behind `exit` */
};

/* ---- life ---- */

static void source_close(struct source *source)
{
	if (source->event)
		event_free(source->event);
	source->event = NULL;
	if (source->descriptor >= 0)
		(void)close(TAKE_FD(source->descriptor));
}

/* Output is heard from here on: a fast program writes before its start was reported, and on_output is
 * not to come before on_started. */
static void output_arm(struct sp_sandbox *sandbox)
{
	for (int i = 0; i < STREAMS; i++) {
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
	output_arm(sandbox); /* it may have ended before it started */
}

static void sandbox_close(struct sp_sandbox *sandbox)
{
	for (int i = 0; i < STREAMS; i++)
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

/* `descriptor`: -1 for none, borrowed. */
static int send_with(struct sp_sandbox *sandbox, const Sallyport__Wire__BrokerRequest *request,
		     int descriptor)
{
	int r;

	if (sandbox->ended || sandbox->control.descriptor < 0)
		return -ESRCH;
	r = sp_channel_send_message(sandbox->control.descriptor, &request->base, descriptor);
	return r == -EPIPE || r == -ECONNRESET ? -ESRCH : r;
}

static int send_request(struct sp_sandbox *sandbox, const Sallyport__Wire__BrokerRequest *request)
{
	return send_with(sandbox, request, -1);
}

int sp_sandbox_signal(struct sp_sandbox *sandbox, int number)
{
	Sallyport__Wire__BrokerRequest request = SALLYPORT__WIRE__BROKER_REQUEST__INIT;

	if (number < 1 || number >= NSIG)
		return -EINVAL;
	request.what_case = SALLYPORT__WIRE__BROKER_REQUEST__WHAT_SIGNAL;
	request.signal = (uint32_t)number;
	return send_request(sandbox, &request);
}

int sp_sandbox_phase(struct sp_sandbox *sandbox, const char *name)
{
	Sallyport__Wire__BrokerRequest request = SALLYPORT__WIRE__BROKER_REQUEST__INIT;

	request.what_case = SALLYPORT__WIRE__BROKER_REQUEST__WHAT_PHASE;
	request.phase = sp_phase_id(name);
	for (size_t i = 0; i < sandbox->phase_count; i++)
		if (sandbox->phases[i] == request.phase)
			return send_request(sandbox, &request);
	return -ENOENT;
}

/* ---- changes while it runs ---- */

typedef Sallyport__Wire__BrokerRequest__Change Change;

static int send_change(struct sp_sandbox *sandbox, Change *change, int descriptor,
		       uint64_t *ret_change)
{
	Sallyport__Wire__BrokerRequest request = SALLYPORT__WIRE__BROKER_REQUEST__INIT;
	int r;

	if (sandbox->change_count - sandbox->changed_count == SP_CHANGES_MAX)
		return -EAGAIN;
	change->number = sandbox->change_count + 1;
	request.what_case = SALLYPORT__WIRE__BROKER_REQUEST__WHAT_CHANGE;
	request.change = change;
	r = send_with(sandbox, &request, descriptor);
	if (r < 0)
		return r;
	sandbox->change_count++;
	if (ret_change)
		*ret_change = change->number;
	return 0;
}

static bool has_ended(const struct sp_sandbox *sandbox)
{
	return sandbox->ended || sandbox->control.descriptor < 0;
}

int sp_sandbox_narrow(struct sp_sandbox *sandbox, struct sp_policy *policy, uint64_t *ret_change)
{
	Change change = SALLYPORT__WIRE__BROKER_REQUEST__CHANGE__INIT;
	_cleanup_free_ uint8_t *bytes = NULL;
	_cleanup_close_ int memory = -1;
	size_t length;
	int r;

	if (has_ended(sandbox))
		return -ESRCH;
	if (sandbox->narrowing_count == SP_NARROWINGS_MAX)
		return -E2BIG;
	r = sp_policy_compile_narrowing(sandbox->launched, policy, &bytes, &length);
	if (r == 0 && length > SP_PLAN_MAX)
		r = -E2BIG;
	if (r == 0)
		r = sp_sealed_make("sallyport-narrowing", bytes, length, &memory);
	if (r < 0)
		return r;
	change.kind = SALLYPORT__WIRE__BROKER_REQUEST__CHANGE__KIND__NARROW;
	r = send_change(sandbox, &change, memory, ret_change);
	sandbox->narrowing_count += r == 0;
	return r;
}

/* What the functions below return, and why, for people. */
static int check_edit(const struct sp_sandbox *sandbox, uint32_t rights, const char *pattern,
		      bool revokes, const char **ret_mistake)
{
	const char *mistake;
	size_t offset;

	if (!sandbox->launched->editable.set) {
		*ret_mistake = "the policy does not say `editable`: add that statement to it";
		return -EOPNOTSUPP;
	}
	if (sandbox->edits_locked) {
		*ret_mistake = "the sandbox is locked: what was to change had to come before";
		return -EPERM;
	}
	*ret_mistake = "the rights are no list like \"read, write\": read, write, create, delete, "
		       "linked, execute, connect and bind, each once";
	if (!rights)
		return -EINVAL;
	mistake = sp_glob_mistake((struct sp_text){pattern, strlen(pattern)}, &offset);
	if (mistake) {
		*ret_mistake = mistake;
		return -EINVAL;
	}
	*ret_mistake =
	    "no wall was built for that right: let the policy, or what `editable within` "
	    "names, grant it on some name";
	if (!revokes && (rights & ~sp_model_givable(sandbox->launched)))
		return -EACCES;
	*ret_mistake = NULL;
	return 0;
}

const char *sp_sandbox_edit_mistake(const struct sp_sandbox *sandbox, const char *rights,
				    const char *pattern)
{
	const char *mistake;

	(void)check_edit(sandbox, sp_rights_parse(rights), pattern, false, &mistake);
	return mistake;
}

static ProtobufCBinaryData bytes_of(const char *text)
{
	return (ProtobufCBinaryData){strlen(text), (uint8_t *)(uintptr_t)text};
}

static int edit(struct sp_sandbox *sandbox, const char *rights, const char *pattern, bool revokes,
		uint64_t *ret_change)
{
	Change change = SALLYPORT__WIRE__BROKER_REQUEST__CHANGE__INIT;
	const char *mistake;
	int r;

	if (has_ended(sandbox))
		return -ESRCH;
	change.rights = sp_rights_parse(rights);
	r = check_edit(sandbox, change.rights, pattern, revokes, &mistake);
	if (r < 0)
		return r;
	change.kind = revokes ? SALLYPORT__WIRE__BROKER_REQUEST__CHANGE__KIND__REVOKE
			      : SALLYPORT__WIRE__BROKER_REQUEST__CHANGE__KIND__GRANT;
	change.has_rights = true;
	/* No link is followed for it: who runs there already may have made it. */
	change.has_pattern = true;
	change.pattern = bytes_of(pattern);
	return send_change(sandbox, &change, -1, ret_change);
}

int sp_sandbox_grant(struct sp_sandbox *sandbox, const char *rights, const char *pattern,
		     uint64_t *ret_change)
{
	return edit(sandbox, rights, pattern, false, ret_change);
}

int sp_sandbox_revoke(struct sp_sandbox *sandbox, const char *rights, const char *pattern,
		      uint64_t *ret_change)
{
	return edit(sandbox, rights, pattern, true, ret_change);
}

int sp_sandbox_lock(struct sp_sandbox *sandbox, uint64_t *ret_change)
{
	Change change = SALLYPORT__WIRE__BROKER_REQUEST__CHANGE__INIT;
	int r;

	if (has_ended(sandbox))
		return -ESRCH;
	if (!sandbox->launched->editable.set)
		return -EOPNOTSUPP;
	if (sandbox->edits_locked)
		return -EPERM;
	change.kind = SALLYPORT__WIRE__BROKER_REQUEST__CHANGE__KIND__LOCK;
	r = send_change(sandbox, &change, -1, ret_change);
	sandbox->edits_locked = r == 0;
	return r;
}

/* Each is answered once. */
static void answer_change(struct sp_sandbox *sandbox, int error)
{
	uint64_t change = ++sandbox->changed_count;

	if (sandbox->on_changed)
		sandbox->on_changed(sandbox, change, error, sandbox->data);
}

static bool is_open(const struct open_questions *questions, uint64_t id)
{
	for (size_t i = 0; i < questions->count; i++)
		if (questions->ids[i] == id)
			return true;
	return false;
}

int sp_question_answer(struct sp_sandbox *sandbox, uint64_t question, enum sp_answer_kind answer,
		       bool remember)
{
	Sallyport__Wire__BrokerRequest request = SALLYPORT__WIRE__BROKER_REQUEST__INIT;
	Sallyport__Wire__BrokerRequest__Answer message =
	    SALLYPORT__WIRE__BROKER_REQUEST__ANSWER__INIT;
	int r;

	if (sandbox->ended)
		return -ESRCH;
	if (!is_open(&sandbox->questions, question))
		return -ENOENT;
	message.id = question;
	message.allow = answer == SP_ANSWER_ALLOW;
	message.remember = remember;
	request.what_case = SALLYPORT__WIRE__BROKER_REQUEST__WHAT_ANSWER;
	request.answer = &message;
	r = send_request(sandbox, &request);
	if (r == 0)
		(void)questions_remove(&sandbox->questions, question);
	return r;
}

/* ---- the end ---- */

static void set_exit(struct sp_sandbox *sandbox, enum sp_exit_cause cause, int status)
{
	if (!sandbox->exit.cause)
		sandbox->exit = (struct sp_exit){.cause = cause, .status = status};
}

static bool is_over(const struct sp_sandbox *sandbox)
{
	bool over = !sandbox->awaiting_porter && sandbox->control.descriptor < 0 &&
		    sandbox->porter.descriptor < 0 && sandbox->init.descriptor < 0;

	for (int i = 0; i < STREAMS; i++)
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

/* The application hears of every question that it need not answer any more. */
static void withdraw(struct sp_sandbox *sandbox, uint64_t id)
{
	if (questions_remove(&sandbox->questions, id) && sandbox->on_withdrawn)
		sandbox->on_withdrawn(sandbox, id, sandbox->data);
}

static void withdraw_all(struct sp_sandbox *sandbox)
{
	while (sandbox->questions.count > 0 && !sandbox->freed)
		withdraw(sandbox, sandbox->questions.ids[0]);
}

static void wall_elapsed(evutil_socket_t unused, short what, void *data)
{
	struct sp_sandbox *sandbox = data;

	(void)unused;
	(void)what;
	if (sandbox->ended)
		return;
	if (!sandbox->kill_wanted)
		set_exit(sandbox, SP_EXIT_WALL, 0);
	kill_process(&sandbox->porter);
}

/* Behind the porter's own clock, which runs already. */
static int start_wall_clock(struct sp_sandbox *sandbox)
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
	struct sp_sandbox *sandbox = data;

	(void)unused;
	(void)what;
	set_exit(sandbox, SP_EXIT_LOST, 0);
	/* A porter says KILLED when its control socket ends; whether that was asked for we know. */
	if (sandbox->exit.cause == SP_EXIT_LOST || sandbox->exit.cause == SP_EXIT_KILLED)
		sandbox->exit = (struct sp_exit){
		    .cause = sandbox->kill_wanted ? SP_EXIT_KILLED : SP_EXIT_LOST,
		    .status = SIGKILL,
		};
	sandbox->exit.layer = sandbox->layer;
	sandbox->exit.cure = sandbox->cure;
	sandbox->references++;
	withdraw_all(sandbox);
	while (sandbox->changed_count < sandbox->change_count && !sandbox->freed)
		answer_change(sandbox, -ESRCH);
	if (sandbox->on_exit && !sandbox->freed)
		sandbox->on_exit(sandbox, &sandbox->exit, sandbox->data);
	sandbox_unref(sandbox);
}

/* What it says makes no sense: it is killed, and lost. */
static void distrust(struct sp_sandbox *sandbox)
{
	set_exit(sandbox, SP_EXIT_LOST, 0);
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

/* ---- what the porter says ---- */

static int take_started(struct sp_sandbox *sandbox, const Sallyport__Wire__PorterEvent *event)
{
	if (event->started->pid <= 0)
		return -EBADMSG;
	if (start_wall_clock(sandbox) < 0)
		return -ENOMEM;
	output_arm(sandbox);
	if (sandbox->on_started)
		sandbox->on_started(sandbox, event->started->pid, sandbox->data);
	return 0;
}

static int take_locked(struct sp_sandbox *sandbox, const Sallyport__Wire__PorterEvent *event)
{
	(void)event;
	if (sandbox->on_locked)
		sandbox->on_locked(sandbox, sandbox->data);
	return 0;
}

static int take_stopped(struct sp_sandbox *sandbox, const Sallyport__Wire__PorterEvent *event)
{
	if (event->stopped->signal < 1 || event->stopped->signal >= NSIG)
		return -EBADMSG;
	if (sandbox->on_stopped)
		sandbox->on_stopped(sandbox, (int)event->stopped->signal, sandbox->data);
	return 0;
}

static int take_failed(struct sp_sandbox *sandbox, const Sallyport__Wire__PorterEvent *event)
{
	const Sallyport__Wire__PorterEvent__Failed *failed = event->failed;

	if (sandbox->exit.cause)
		return -EBADMSG;
	set_exit(sandbox, SP_EXIT_FAILED, (int)(failed->error & 0xfff));
	sandbox->layer = text_escape(failed->layer.data, failed->layer.len);
	if (failed->has_cure)
		sandbox->cure = text_escape(failed->cure.data, failed->cure.len);
	return 0;
}

/* The causes that a porter can know of. */
static bool is_porter_cause(uint32_t cause)
{
	return cause >= SP_EXIT_EXITED && cause <= SP_EXIT_LOST && cause != SP_EXIT_FAILED;
}

static int take_exited(struct sp_sandbox *sandbox, const Sallyport__Wire__PorterEvent *event)
{
	if (sandbox->exit.cause || !is_porter_cause(event->exited->cause))
		return -EBADMSG;
	set_exit(sandbox, (enum sp_exit_cause)event->exited->cause, event->exited->status);
	return 0;
}

static char *escape_optional(int has, const ProtobufCBinaryData *field)
{
	return has ? text_escape(field->data, field->len) : NULL;
}

/* A system call by name, where libseccomp knows it. */
static char *name_number(uint32_t arch, int nr)
{
	char *name = seccomp_syscall_resolve_num_arch(arch, nr), *numbered;

	if (name)
		return name;
	return asprintf(&numbered, "system call %d", nr) < 0 ? NULL : numbered;
}

static char *name_call(const Sallyport__Wire__Report *wire)
{
	if (wire->has_call)
		return text_escape(wire->call.data, wire->call.len);
	if (!wire->has_nr)
		return NULL;
	return name_number(wire->has_arch ? wire->arch : SCMP_ARCH_NATIVE, wire->nr);
}

#define RIGHTS_MAX 64

static const char *name_rights(uint32_t rights, char buffer[static RIGHTS_MAX])
{
	const char *word;
	size_t length = 0;

	buffer[0] = '\0';
	for (size_t i = 0; (word = sp_candidate_right(i, NULL)); i++)
		if (sp_right_find(word) & rights)
			length += (size_t)snprintf(buffer + length, RIGHTS_MAX - length, "%s%s",
						   length ? ", " : "", word);
	return buffer;
}

/* Its number and architecture come with its arguments, and only of a permissive launch. */
static bool has_all_of_call(const Sallyport__Wire__Report *wire)
{
	return wire->n_argument == 0 ||
	       (wire->n_argument == SP_POLICY_ARGUMENTS && wire->has_nr && wire->has_arch);
}

/* Which rule it is that the filter answers by: the porter has the filter alone. NULL: it knows the rule. */
static const char *find_source(const struct sp_policy *policy, const Sallyport__Wire__Report *wire,
			       struct sp_verdict *scratch)
{
	struct seccomp_data data = {.nr = wire->nr, .arch = wire->arch};

	if (wire->n_argument == 0 || wire->has_rule)
		return NULL;
	if (wire->kind == SP_REPORT_WALL)
		return sp_setting_source(&policy->isolate, "built in: isolate { network }");
	if (wire->kind != SP_REPORT_CALL)
		return NULL;
	for (size_t i = 0; i < SP_POLICY_ARGUMENTS; i++)
		data.args[i] = wire->argument[i];
	return sp_model_verdict(policy, SP_FILTER_FLOOR, &data, scratch) == 0 ? scratch->source
									      : NULL;
}

static char *name_rule(const struct sp_sandbox *sandbox, const Sallyport__Wire__Report *wire)
{
	struct sp_verdict scratch;
	const char *source = sandbox->policy ? find_source(sandbox->policy, wire, &scratch) : NULL;

	return source ? text_escape((const uint8_t *)source, strlen(source))
		      : escape_optional(wire->has_rule, &wire->rule);
}

static int take_report(struct sp_sandbox *sandbox, const Sallyport__Wire__PorterEvent *event)
{
	const Sallyport__Wire__Report *wire = event->report;
	_cleanup_free_ char *call = NULL, *path = NULL, *path2 = NULL, *rule = NULL, *detail = NULL;
	char rights[RIGHTS_MAX];
	struct sp_report report;

	if (wire->kind < SP_REPORT_PATH || wire->kind > SP_REPORT_WALL || !has_all_of_call(wire))
		return -EBADMSG;
	if (!sandbox->on_report)
		return 0;
	call = name_call(wire);
	path = escape_optional(wire->has_path, &wire->path);
	path2 = escape_optional(wire->has_path2, &wire->path2);
	rule = name_rule(sandbox, wire);
	detail = escape_optional(wire->has_detail, &wire->detail);
	report = (struct sp_report){
	    .kind = (enum sp_report_kind)wire->kind,
	    .pid = wire->pid,
	    .tid = wire->tid,
	    .call = call,
	    .path = path,
	    .path2 = path2,
	    .error = wire->has_error ? (int)(wire->error & 0xfff) : 0,
	    .rule = rule,
	    .detail = detail,
	    .claimed = wire->has_claimed && wire->claimed,
	    .instruction = wire->has_instruction ? wire->instruction : 0,
	    .suppressed = wire->has_suppressed ? wire->suppressed : 0,
	    .missing = wire->has_missing ? name_rights(wire->missing, rights) : NULL,
	    .permitted = wire->has_permitted && wire->permitted,
	    .fatal = wire->has_fatal && wire->fatal,
	    .number = wire->has_nr ? wire->nr : -1,
	};
	for (size_t i = 0; i < wire->n_argument; i++)
		report.argument[i] = wire->argument[i];
	sandbox->on_report(sandbox, &report, sandbox->data);
	return 0;
}

static void ask(struct sp_sandbox *sandbox, const Sallyport__Wire__PorterEvent__Question *wire,
		const char *rights)
{
	_cleanup_free_ char *call = name_number(SCMP_ARCH_NATIVE, wire->nr);
	_cleanup_free_ char *path = escape_optional(wire->has_path, &wire->path);
	_cleanup_free_ char *rule = escape_optional(wire->has_rule, &wire->rule);
	const struct sp_question question = {
	    .id = wire->id,
	    .call = call,
	    .rights = rights,
	    .path = path,
	    .argument = wire->n_argument ? wire->argument : NULL,
	    .rule = rule,
	    .pid = wire->pid,
	    .tid = wire->tid,
	};

	/* Nobody must be asked about less than it is about. */
	if (!call || (wire->has_path && !path))
		(void)sp_question_answer(sandbox, wire->id, SP_ANSWER_DENY, false);
	else
		sandbox->on_ask(sandbox, &question, sandbox->data);
}

static int take_question(struct sp_sandbox *sandbox, const Sallyport__Wire__PorterEvent *event)
{
	const Sallyport__Wire__PorterEvent__Question *wire = event->question;
	char rights[RIGHTS_MAX];
	int r;

	if (!sandbox->on_ask || wire->has_path != wire->has_rights ||
	    (wire->n_argument && (wire->has_path || wire->n_argument != SP_POLICY_ARGUMENTS)))
		return -EBADMSG;
	if (wire->has_path && (!wire->rights || wire->rights & ~(uint32_t)SP_RIGHT_ALL))
		return -EBADMSG;
	/* While we did not read, the news of one that is over found no room. */
	if (sandbox->questions.count == SP_QUESTIONS_MAX)
		withdraw(sandbox, sandbox->questions.ids[0]);
	if (sandbox->freed)
		return 0;
	r = questions_add(&sandbox->questions, wire->id);
	if (r == 0)
		ask(sandbox, wire, wire->has_path ? name_rights(wire->rights, rights) : NULL);
	return r;
}

/* An answer may have been on its way. */
static int take_withdrawn(struct sp_sandbox *sandbox, const Sallyport__Wire__PorterEvent *event)
{
	if (event->withdrawn->id > sandbox->questions.last)
		return -EBADMSG;
	withdraw(sandbox, event->withdrawn->id);
	return 0;
}

/* In the order in which they were sent. */
static int take_changed(struct sp_sandbox *sandbox, const Sallyport__Wire__PorterEvent *event)
{
	const Sallyport__Wire__PorterEvent__Changed *changed = event->changed;

	if (changed->number != sandbox->changed_count + 1 ||
	    changed->number > sandbox->change_count || changed->error > SP_ERRNO_MAX)
		return -EBADMSG;
	answer_change(sandbox, -(int)changed->error);
	return 0;
}

static int take_init(struct sp_sandbox *sandbox, int *descriptor)
{
	/* Only once, and only what is a pidfd: a thing that never becomes readable would keep the
	 * sandbox's end from its application. */
	if (sandbox->announced_init || *descriptor < 0 ||
	    (pidfd_send_signal(*descriptor, 0, NULL, 0) < 0 && errno == EBADF))
		return -EBADMSG;
	sandbox->announced_init = true;
	return source_watch(&sandbox->init, TAKE_FD(*descriptor), process_ended);
}

typedef int take_fn(struct sp_sandbox *sandbox, const Sallyport__Wire__PorterEvent *event);

static take_fn *const takers[] = {
    [SALLYPORT__WIRE__PORTER_EVENT__WHAT_STARTED] = take_started,
    [SALLYPORT__WIRE__PORTER_EVENT__WHAT_FAILED] = take_failed,
    [SALLYPORT__WIRE__PORTER_EVENT__WHAT_LOCKED] = take_locked,
    [SALLYPORT__WIRE__PORTER_EVENT__WHAT_STOPPED] = take_stopped,
    [SALLYPORT__WIRE__PORTER_EVENT__WHAT_REPORT] = take_report,
    [SALLYPORT__WIRE__PORTER_EVENT__WHAT_EXITED] = take_exited,
    [SALLYPORT__WIRE__PORTER_EVENT__WHAT_QUESTION] = take_question,
    [SALLYPORT__WIRE__PORTER_EVENT__WHAT_WITHDRAWN] = take_withdrawn,
    [SALLYPORT__WIRE__PORTER_EVENT__WHAT_CHANGED] = take_changed,
};

static int take_event(struct sp_sandbox *sandbox, const Sallyport__Wire__PorterEvent *event,
		      int *descriptor)
{
	size_t what = (size_t)event->what_case;

	if (what == SALLYPORT__WIRE__PORTER_EVENT__WHAT_INIT)
		return take_init(sandbox, descriptor);
	if (*descriptor >= 0 || what >= SP_ELEMENTS(takers) || !takers[what])
		return -EBADMSG;
	return takers[what](sandbox, event);
}

static int receive_event(struct sp_sandbox *sandbox)
{
	_cleanup_close_ int descriptor = -1;
	uint8_t bytes[SP_DATAGRAM_MAX];
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
	r = take_event(sandbox, (const Sallyport__Wire__PorterEvent *)message, &descriptor);
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
	uint8_t bytes[OUTPUT_PER_WAKE];
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
		set_exit(sandbox, SP_EXIT_FAILED, error);
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

static int parts_make(size_t pass_count, struct parts *ret_parts)
{
	size_t room = PART_PASS + pass_count + STREAMS;

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
	for (int i = 0; i < STREAMS; i++) {
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
	for (int i = 0; i < STREAMS; i++) {
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

static int sandbox_send(struct sp_sandbox *sandbox, const struct sp_launch *launch,
			struct parts *parts)
{
	int r = parts_make(launch->pass_count, parts);

	if (r == 0)
		r = add_passed(parts, launch);
	if (r == 0)
		r = add_output(sandbox, parts);
	if (r == 0)
		r = plan_make(launch, parts->numbers, parts->pass_count,
			      &parts->descriptors[PART_PLAN]);
	if (r == 0)
		r = add_control(sandbox, parts);
	if (r == 0)
		r = spawner_ensure(sandbox->broker);
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
