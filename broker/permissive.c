/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/permissive.h"

#include <errno.h>
#include <linux/sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>

#include "broker/porter_events.h"
#include "ipc/arch.h"
#include "ipc/util.h"
#include "policy/bpf.h"

int sp_permissive_new(struct sp_porter *porter)
{
	porter->judgement = calloc(1, sizeof(*porter->judgement));
	return porter->judgement ? 0 : -ENOMEM;
}

/* ---- what no filter refuses ---- */

/* The family of an address in the caller's memory; AF_UNSPEC where there is none. */
static sa_family_t family_at(const struct sp_memory *memory, uint64_t address)
{
	sa_family_t family;

	if (!address || memory->read(memory->context, &family, address, sizeof(family)) < 0)
		return AF_UNSPEC;
	return family;
}

static sa_family_t family_of(const struct seccomp_data *seen, const struct sp_memory *memory)
{
	uint64_t name;

	switch (seen->nr) {
	case __NR_connect:
	case __NR_bind:
		return family_at(memory, seen->args[1]);
	case __NR_sendto:
		return family_at(memory, seen->args[4]);
	case __NR_sendmsg: /* msg_name comes first in a struct msghdr */
		return memory->read(memory->context, &name, seen->args[1], sizeof(name)) < 0
			   ? AF_UNSPEC
			   : family_at(memory, name);
	default:
		return AF_UNSPEC;
	}
}

/* Where the address is a name in the file system, that. */
static void name_address(struct sp_porter *porter, const struct sp_memory *memory)
{
	struct sockaddr_un address = {0};
	uint64_t at = porter->seen->args[1], length = porter->seen->args[2];

	if ((porter->seen->nr != __NR_connect && porter->seen->nr != __NR_bind) ||
	    length > sizeof(address) || memory->read(memory->context, &address, at, length) < 0 ||
	    address.sun_family != AF_UNIX)
		return;
	(void)snprintf(porter->refusal.name, sizeof(porter->refusal.name), "%.*s",
		       (int)sizeof(address.sun_path), address.sun_path);
}

/* ---- what names and addresses are wanted ---- */

/* Whether a name or an address is missing: what a policy would have to grant for the call to be brokered. */
static bool lacks_name(const struct sp_judgement *judgement)
{
	for (size_t i = 0; i < judgement->count; i++)
		if (judgement->refusals[i].missing & (SP_RIGHT_CONNECT | SP_RIGHT_BIND))
			return true;
	return false;
}

/* True: porter->judgement holds what the call would lack where sockets are named. */
static bool judge_socket(struct sp_porter *porter, const struct sp_call *call)
{
	if (!call || (call->info->operation != SP_OPERATION_CONNECT &&
		      call->info->operation != SP_OPERATION_BIND))
		return false;
	sp_call_judge(&porter->view, porter->rules, &porter->caller, call, &porter->answer,
		      porter->judgement);
	return lacks_name(porter->judgement);
}

static void judge_walls(struct sp_porter *porter, const struct sp_call *call,
			const struct sp_memory *memory)
{
	sa_family_t family;

	if (!(sp_rules_isolate(porter->rules) & SP_ISOLATE_NETWORK))
		return;
	family = family_of(porter->seen, memory);
	if (family == AF_UNSPEC || family == AF_UNIX || family == AF_NETLINK)
		return;
	porter->refusal = (struct sp_refusal){0};
	if (judge_socket(porter, call))
		porter->refusal = porter->judgement->refusals[0];
	porter->refusal.error = ENETUNREACH;
	porter->refusal.rule = NULL;
	porter->refusal.detail = "the network is isolated";
	sp_porter_report_unreachable(porter);
}

/* ---- what the filter refuses ---- */

static uint32_t verdict_of(const struct sp_porter *porter, const struct seccomp_data *data)
{
	struct sock_fprog floor = sp_rules_floor(porter->rules);

	return sp_bpf_run(&floor, data);
}

/* The call was refused as a whole: by the name as it was found, and with the right that a policy can give on it. Links on
 * the way are names of their own. */
static void report_socket(struct sp_porter *porter, const struct sp_call *call, bool fatal)
{
	const struct seccomp_data *seen = porter->seen;
	const struct sp_refusal whole = porter->refusal;

	for (size_t i = 0; i < porter->judgement->count; i++) {
		const struct sp_refusal *lacking = &porter->judgement->refusals[i];

		porter->refusal = *lacking;
		if (!(lacking->missing & (SP_RIGHT_CONNECT | SP_RIGHT_BIND))) {
			sp_porter_report_call(porter, call);
			continue;
		}
		porter->refusal.error = whole.error;
		porter->refusal.rule = whole.rule;
		porter->refusal.detail = whole.detail;
		sp_porter_report_refused(porter, seen->nr, seen->instruction_pointer, fatal);
	}
}

static void report_refused(struct sp_porter *porter, const struct sp_call *call,
			   const struct sp_memory *memory, uint32_t verdict)
{
	const struct seccomp_data *seen = porter->seen;
	uint32_t action = verdict & SECCOMP_RET_ACTION_FULL;
	bool fatal = action == SECCOMP_RET_KILL_PROCESS || action == SECCOMP_RET_KILL_THREAD ||
		     action == SECCOMP_RET_TRAP;
	struct sp_call_refusal refusal;

	/* Which rule it was that the filter itself answers by, the broker knows. */
	porter->refusal = (struct sp_refusal){.detail = "the policy refuses this system call"};
	if (action == SECCOMP_RET_USER_NOTIF) {
		sp_rules_refusal(porter->rules, seen->nr, &refusal);
		porter->refusal.error = refusal.error;
		porter->refusal.rule = refusal.rule;
	} else if (action == SECCOMP_RET_ERRNO) {
		porter->refusal.error = (int)(verdict & SECCOMP_RET_DATA);
	}
	if (judge_socket(porter, call)) {
		report_socket(porter, call, fatal);
		return;
	}
	name_address(porter, memory);
	sp_porter_report_refused(porter, seen->nr, seen->instruction_pointer, fatal);
}

static bool lets_pass(uint32_t verdict)
{
	uint32_t action = verdict & SECCOMP_RET_ACTION_FULL;

	/* `errno 0` is no refusal. */
	return action == SECCOMP_RET_ALLOW || action == SECCOMP_RET_LOG ||
	       verdict == SECCOMP_RET_ERRNO;
}

/* Programs fall back on clone, which here they have no cause to. */
static void judge_clone(struct sp_porter *porter, const struct sp_memory *memory)
{
	const struct seccomp_data *seen = porter->seen;
	struct seccomp_data data = *seen;
	uint64_t flags;
	uint32_t verdict;

	if (memory->read(memory->context, &flags, seen->args[0], sizeof(flags)) < 0)
		return;
	data.nr = __NR_clone;
	data.args[0] = flags;
	verdict = verdict_of(porter, &data);
	if (lets_pass(verdict))
		return;
	porter->seen = &data;
	report_refused(porter, NULL, memory, verdict);
	porter->seen = seen;
}

/* ---- what the porter refuses ---- */

static void judge_brokered(struct sp_porter *porter, const struct sp_call_info *info,
			   const struct sp_call *call, const struct sp_memory *memory)
{
	struct sp_judgement *judgement = porter->judgement;
	struct sp_call_refusal refusal;

	if (!sp_call_is_conditional(info) &&
	    sp_rules_find_refusal(porter->rules, porter->seen->nr, &refusal)) {
		report_refused(porter, call, memory, SECCOMP_RET_USER_NOTIF);
		return;
	}
	if (!call)
		return;
	sp_call_judge(&porter->view, porter->rules, &porter->caller, call, &porter->answer,
		      judgement);
	for (size_t i = 0; i < judgement->count; i++) {
		porter->refusal = judgement->refusals[i];
		sp_porter_report_call(porter, call);
	}
}

void sp_permissive_judge(struct sp_porter *porter, const struct sp_call *call,
			 const struct sp_memory *memory)
{
	uint32_t verdict = verdict_of(porter, porter->seen);
	bool native = porter->seen->arch == SP_AUDIT_ARCH;
	const struct sp_call_info *info = native ? sp_call_find(porter->seen->nr) : NULL;
	uint64_t argument[SP_ARGUMENTS];

	for (size_t i = 0; i < SP_ARGUMENTS; i++)
		argument[i] = porter->seen->args[i];
	if (lets_pass(verdict) && native)
		judge_walls(porter, call, memory);
	else if (lets_pass(verdict))
		return; /* of another architecture, which the policy gives */
	else if (verdict == SECCOMP_RET_USER_NOTIF && info &&
		 sp_rules_brokers(porter->rules, info, argument))
		judge_brokered(porter, info, call, memory);
	else
		report_refused(porter, call, memory, verdict);
	if (native && porter->seen->nr == __NR_clone3)
		judge_clone(porter, memory);
}

void sp_permissive_report_helper(struct sp_porter *porter)
{
	struct sp_path_decision decision;

	sp_rules_decide(porter->rules, porter->helper, strlen(porter->helper), &decision);
	porter->caller = (struct sp_caller){.outer = porter->sandboxee_pid};
	porter->refusal = (struct sp_refusal){
	    .error = EACCES,
	    .rule = decision.rule,
	    .detail = "no right to read or execute it",
	    .missing = SP_RIGHT_READ,
	};
	(void)snprintf(porter->refusal.name, sizeof(porter->refusal.name), "%s", porter->helper);
	sp_porter_report_execution(porter);
}
