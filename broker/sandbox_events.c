/* SPDX-License-Identifier: Apache-2.0 */
/* What a porter says of its sandbox, checked and told to the application: a porter may have been taken over. */
#include <errno.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>

#include "broker/sandbox.h"
#include "ipc/util.h"
#include "policy/judge.h"
#include "policy/model.h"

/* ---- its life ---- */

static int take_started(struct sp_sandbox *sandbox, const Sallyport__Wire__PorterEvent *event)
{
	if (event->started->pid <= 0)
		return -EBADMSG;
	if (sandbox_start_clock(sandbox) < 0)
		return -ENOMEM;
	sandbox_arm_output(sandbox);
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
	sandbox_set_exit(sandbox, SP_EXIT_FAILED, (int)(failed->error & 0xfff));
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
	sandbox_set_exit(sandbox, (enum sp_exit_cause)event->exited->cause, event->exited->status);
	return 0;
}

/* ---- reports ---- */

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

/* ---- questions and changes ---- */

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
		sandbox_withdraw(sandbox, sandbox->questions.ids[0]);
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
	sandbox_withdraw(sandbox, event->withdrawn->id);
	return 0;
}

/* In the order in which they were sent. */
static int take_changed(struct sp_sandbox *sandbox, const Sallyport__Wire__PorterEvent *event)
{
	const Sallyport__Wire__PorterEvent__Changed *changed = event->changed;

	if (changed->number != sandbox->changed_count + 1 ||
	    changed->number > sandbox->change_count || changed->error > SP_ERRNO_MAX)
		return -EBADMSG;
	sandbox_answer_change(sandbox, -(int)changed->error);
	return 0;
}

/* ---- all of them ---- */

static int take_init(struct sp_sandbox *sandbox, int *descriptor)
{
	/* Only once, and only what is a pidfd: a thing that never becomes readable would keep the
	 * sandbox's end from its application. */
	if (sandbox->announced_init || *descriptor < 0 ||
	    (pidfd_send_signal(*descriptor, 0, NULL, 0) < 0 && errno == EBADF))
		return -EBADMSG;
	sandbox->announced_init = true;
	return sandbox_watch_init_take(sandbox, TAKE_FD(*descriptor));
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

int sandbox_take_event(struct sp_sandbox *sandbox, const Sallyport__Wire__PorterEvent *event,
		       int *descriptor)
{
	size_t what = (size_t)event->what_case;

	if (what == SALLYPORT__WIRE__PORTER_EVENT__WHAT_INIT)
		return take_init(sandbox, descriptor);
	if (*descriptor >= 0 || what >= SP_ELEMENTS(takers) || !takers[what])
		return -EBADMSG;
	return takers[what](sandbox, event);
}
