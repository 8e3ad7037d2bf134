/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the application asks of a sandbox that runs: signals, phases, edits and narrowings, and its answers to questions.
 * Each is one message to the porter.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "broker/sandbox.h"
#include "ipc/channel.h"
#include "ipc/decode.h"
#include "ipc/runtime.h"
#include "ipc/sealed.h"
#include "ipc/util.h"
#include "policy/compile.h"
#include "policy/glob.h"
#include "policy/model.h"

static bool has_ended(const struct sp_sandbox *sandbox)
{
	return sandbox->ended || sandbox->control.descriptor < 0;
}

/* `descriptor`: -1 for none, borrowed. */
static int send_with(struct sp_sandbox *sandbox, const Sallyport__Wire__BrokerRequest *request,
		     int descriptor)
{
	int r;

	if (has_ended(sandbox))
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

void sandbox_answer_change(struct sp_sandbox *sandbox, int error)
{
	uint64_t change = ++sandbox->changed_count;

	if (sandbox->on_changed)
		sandbox->on_changed(sandbox, change, error, sandbox->data);
}

/* ---- questions ---- */

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

void sandbox_withdraw(struct sp_sandbox *sandbox, uint64_t id)
{
	if (questions_remove(&sandbox->questions, id) && sandbox->on_withdrawn)
		sandbox->on_withdrawn(sandbox, id, sandbox->data);
}
