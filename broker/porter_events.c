/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/porter_events.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <time.h>

#include "ipc/channel.h"
#include "ipc/util.h"
#include "ipc/wire.pb-c.h"

/* A flood of denials costs the broker no more than this. */
#define REPORTS_PER_SECOND 100u

static int send_event(struct sp_porter *porter, const Sallyport__Wire__PorterEvent *event)
{
	return sp_channel_send_message(porter->control, &event->base, -1);
}

/* For what must arrive: waits until the broker reads. The sandbox has ended; nobody else waits for
 * us. */
static void send_event_surely(struct sp_porter *porter, const Sallyport__Wire__PorterEvent *event)
{
	while (send_event(porter, event) == -EAGAIN) {
		struct pollfd writable = {.fd = porter->control, .events = POLLOUT};

		if (poll(&writable, 1, -1) < 0 && errno != EINTR)
			return;
	}
}

static bool within_rate(struct sp_porter *porter)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	if ((uint64_t)now.tv_sec != porter->report_second) {
		porter->report_second = (uint64_t)now.tv_sec;
		porter->report_count = 0;
	}
	return porter->report_count++ < REPORTS_PER_SECOND;
}

static void set_bytes(protobuf_c_boolean *has, ProtobufCBinaryData *field, const char *text)
{
	if (!text || !text[0])
		return;
	*has = 1;
	field->data = (uint8_t *)(uintptr_t)text;
	field->len = strlen(text);
}

/* Each arrives, though its caller waits until the broker has time for it. */
static void send_permitted(struct sp_porter *porter, Sallyport__Wire__Report *report)
{
	Sallyport__Wire__PorterEvent event = SALLYPORT__WIRE__PORTER_EVENT__INIT;
	const struct seccomp_data *seen = porter->seen;
	uint64_t argument[SP_ELEMENTS(seen->args)];

	report->has_permitted = report->permitted = 1;
	if (seen) {
		report->has_nr = report->has_arch = 1;
		report->nr = seen->nr;
		report->arch = seen->arch;
		for (size_t i = 0; i < SP_ELEMENTS(argument); i++)
			argument[i] = seen->args[i];
		report->argument = argument;
		report->n_argument = SP_ELEMENTS(argument);
	}
	event.what_case = SALLYPORT__WIRE__PORTER_EVENT__WHAT_REPORT;
	event.report = report;
	send_event_surely(porter, &event);
}

static void send_report(struct sp_porter *porter, Sallyport__Wire__Report *report)
{
	Sallyport__Wire__PorterEvent event = SALLYPORT__WIRE__PORTER_EVENT__INIT;

	if (!report->pid)
		report->pid = porter->sandboxee_pid;
	if (porter->permissive) {
		send_permitted(porter, report);
		return;
	}
	if (report->kind != SP_REPORT_VIOLATION && !within_rate(porter)) {
		porter->report_suppressed++;
		return;
	}
	report->has_suppressed = porter->report_suppressed > 0;
	report->suppressed = porter->report_suppressed;
	event.what_case = SALLYPORT__WIRE__PORTER_EVENT__WHAT_REPORT;
	event.report = report;
	if (send_event(porter, &event) < 0)
		porter->report_suppressed++;
	else
		porter->report_suppressed = 0;
}

/* Who it was: as the kernel numbers it where the kernel said so; a thread of a ring says so itself. */
static void set_caller(struct sp_porter *porter, Sallyport__Wire__Report *report)
{
	struct sp_caller *caller = &porter->caller;

	report->tid = caller->outer ? caller->outer : caller->tid;
	report->has_claimed = report->claimed = !caller->outer;
	if (sp_caller_identify(&porter->view, caller) == 0)
		report->pid = caller->outer_pid;
}

static void set_refusal(struct sp_porter *porter, Sallyport__Wire__Report *report)
{
	report->has_error = 1;
	report->error = (uint32_t)porter->refusal.error;
	set_bytes(&report->has_rule, &report->rule, porter->refusal.rule);
	set_bytes(&report->has_detail, &report->detail, porter->refusal.detail);
	report->has_missing = porter->refusal.missing != 0 || porter->refusal.lookup;
	report->missing = porter->refusal.missing;
}

void sp_porter_report_call(struct sp_porter *porter, const struct sp_call *call)
{
	Sallyport__Wire__Report report = SALLYPORT__WIRE__REPORT__INIT;

	report.kind = SP_REPORT_PATH;
	set_caller(porter, &report);
	set_bytes(&report.has_call, &report.call, call->info->name);
	/* The name that was decided on tells more than the one that was asked for. */
	set_bytes(&report.has_path, &report.path,
		  porter->refusal.name[0] ? porter->refusal.name : call->path);
	if (call->path2)
		set_bytes(&report.has_path2, &report.path2, call->path2);
	set_refusal(porter, &report);
	send_report(porter, &report);
}

void sp_porter_report_refused(struct sp_porter *porter, int nr, uint64_t instruction, bool fatal)
{
	Sallyport__Wire__Report report = SALLYPORT__WIRE__REPORT__INIT;

	report.kind = SP_REPORT_CALL;
	set_caller(porter, &report);
	report.has_nr = 1;
	report.nr = nr;
	report.has_instruction = 1;
	report.instruction = instruction;
	report.has_fatal = report.fatal = fatal;
	set_bytes(&report.has_path, &report.path, porter->refusal.name);
	set_refusal(porter, &report);
	send_report(porter, &report);
}

void sp_porter_report_wall(struct sp_porter *porter, int error, bool fatal, const char *detail)
{
	Sallyport__Wire__Report report = SALLYPORT__WIRE__REPORT__INIT;

	report.kind = SP_REPORT_WALL;
	if (porter->seen)
		set_caller(porter, &report);
	report.has_error = error != 0;
	report.error = (uint32_t)error;
	report.has_fatal = report.fatal = fatal;
	set_bytes(&report.has_detail, &report.detail, detail);
	send_report(porter, &report);
}

void sp_porter_report_unreachable(struct sp_porter *porter)
{
	Sallyport__Wire__Report report = SALLYPORT__WIRE__REPORT__INIT;

	report.kind = SP_REPORT_WALL;
	set_caller(porter, &report);
	set_bytes(&report.has_path, &report.path, porter->refusal.name);
	set_refusal(porter, &report);
	send_report(porter, &report);
}

void sp_porter_report_execution(struct sp_porter *porter)
{
	Sallyport__Wire__Report report = SALLYPORT__WIRE__REPORT__INIT;

	report.kind = SP_REPORT_PATH;
	set_caller(porter, &report);
	set_bytes(&report.has_call, &report.call, "execve");
	set_bytes(&report.has_path, &report.path, porter->refusal.name);
	set_refusal(porter, &report);
	send_report(porter, &report);
}

void sp_porter_report_violation(struct sp_porter *porter, const char *detail)
{
	Sallyport__Wire__Report report = SALLYPORT__WIRE__REPORT__INIT;

	report.kind = SP_REPORT_VIOLATION;
	set_bytes(&report.has_detail, &report.detail, detail);
	send_report(porter, &report);
}

int sp_porter_ask(struct sp_porter *porter, uint64_t id, const struct sp_topic *topic,
		  const char *rule)
{
	Sallyport__Wire__PorterEvent event = SALLYPORT__WIRE__PORTER_EVENT__INIT;
	Sallyport__Wire__PorterEvent__Question question =
	    SALLYPORT__WIRE__PORTER_EVENT__QUESTION__INIT;
	const struct sp_call_info *info = sp_call_find(topic->nr);
	uint64_t arguments[SP_POLICY_ARGUMENTS];

	question.id = id;
	question.nr = topic->nr;
	question.pid = porter->sandboxee_pid;
	question.tid = porter->caller.tid;
	if (porter->caller.outer) {
		question.tid = porter->caller.outer;
		if (sp_caller_identify(&porter->view, &porter->caller) == 0)
			question.pid = porter->caller.outer_pid;
	}
	set_bytes(&question.has_path, &question.path, topic->name);
	question.has_rights = topic->name != NULL;
	question.rights = topic->rights;
	set_bytes(&question.has_rule, &question.rule, rule);
	if (!topic->name && !porter->origin.ring) {
		for (size_t i = 0; i < SP_POLICY_ARGUMENTS; i++)
			arguments[i] = porter->origin.notification.data.args[i];
		/* Of what is brokered the arguments are names, or addresses. */
		if (!info || !sp_rules_brokers(porter->rules, info, arguments)) {
			question.n_argument = SP_POLICY_ARGUMENTS;
			question.argument = arguments;
		}
	}
	event.what_case = SALLYPORT__WIRE__PORTER_EVENT__WHAT_QUESTION;
	event.question = &question;
	return send_event(porter, &event);
}

void sp_porter_withdraw(struct sp_porter *porter, uint64_t id)
{
	Sallyport__Wire__PorterEvent event = SALLYPORT__WIRE__PORTER_EVENT__INIT;
	Sallyport__Wire__PorterEvent__Withdrawn withdrawn =
	    SALLYPORT__WIRE__PORTER_EVENT__WITHDRAWN__INIT;

	withdrawn.id = id;
	event.what_case = SALLYPORT__WIRE__PORTER_EVENT__WHAT_WITHDRAWN;
	event.withdrawn = &withdrawn;
	(void)send_event(porter, &event);
}

bool sp_porter_tell_changed(struct sp_porter *porter)
{
	Sallyport__Wire__PorterEvent event = SALLYPORT__WIRE__PORTER_EVENT__INIT;
	Sallyport__Wire__PorterEvent__Changed changed =
	    SALLYPORT__WIRE__PORTER_EVENT__CHANGED__INIT;

	event.what_case = SALLYPORT__WIRE__PORTER_EVENT__WHAT_CHANGED;
	event.changed = &changed;
	while (porter->changed_count > 0) {
		changed.number = porter->changed[0].number;
		changed.error = porter->changed[0].error;
		if (send_event(porter, &event) == -EAGAIN)
			return false;
		porter->changed_count--;
		memmove(porter->changed, porter->changed + 1,
			porter->changed_count * sizeof(*porter->changed));
	}
	return true;
}

void sp_porter_report_locked(struct sp_porter *porter)
{
	Sallyport__Wire__PorterEvent event = SALLYPORT__WIRE__PORTER_EVENT__INIT;
	Sallyport__Wire__PorterEvent__Locked locked = SALLYPORT__WIRE__PORTER_EVENT__LOCKED__INIT;

	if (porter->locked)
		return;
	porter->locked = true;
	locked.pid = porter->sandboxee_pid;
	event.what_case = SALLYPORT__WIRE__PORTER_EVENT__WHAT_LOCKED;
	event.locked = &locked;
	(void)send_event(porter, &event);
}

/* One that stops and goes on without end must not cost the broker more than one that is refused. */
void sp_porter_report_stopped(struct sp_porter *porter, int number)
{
	Sallyport__Wire__PorterEvent event = SALLYPORT__WIRE__PORTER_EVENT__INIT;
	Sallyport__Wire__PorterEvent__Stopped stopped =
	    SALLYPORT__WIRE__PORTER_EVENT__STOPPED__INIT;

	if (!within_rate(porter))
		return;
	stopped.signal = (uint32_t)number;
	event.what_case = SALLYPORT__WIRE__PORTER_EVENT__WHAT_STOPPED;
	event.stopped = &stopped;
	(void)send_event(porter, &event);
}

void sp_porter_report_exit(struct sp_porter *porter)
{
	Sallyport__Wire__PorterEvent event = SALLYPORT__WIRE__PORTER_EVENT__INIT;
	Sallyport__Wire__PorterEvent__Exited exited = SALLYPORT__WIRE__PORTER_EVENT__EXITED__INIT;

	exited.cause = (uint32_t)porter->cause;
	exited.status = porter->status;
	event.what_case = SALLYPORT__WIRE__PORTER_EVENT__WHAT_EXITED;
	event.exited = &exited;
	send_event_surely(porter, &event);
}
