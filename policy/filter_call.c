/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one policy decides on one call: what the runtime needs first, then the policy's rules by rank, each held back by
 * the guards that no policy can lift.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/prctl.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/syscall.h>

#include "ipc/runtime.h"
#include "ipc/util.h"
#include "policy/filter.h"
#include "policy/filter_decisions.h"
#include "policy/filter_rows.h"
#include "policy/names.h"
#include "policy/rights.h"

/* ---- conditions that are not the policy's ---- */

#define NAMESPACES                                                                                 \
	(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER |             \
	 CLONE_NEWPID | CLONE_NEWNET | 0x80ul /* CLONE_NEWTIME */)

/* The reserved descriptors: two neighbours that differ in their lowest bit. */
#define RESERVED(a) INT_MASKED(a, 0xfffffffeu, SP_RESERVED_FIRST)
_Static_assert(SP_RESERVED_FIRST % 2 == 0 && SP_RESERVED_LAST == SP_RESERVED_FIRST + 1,
	       "RESERVED compares more, or fewer");

/* seccomp(2) with these is intercepted, to enter a phase; and let through, to load the filter of one. A
 * process may always narrow itself. */
#define ENTERS_PHASE USED(INT_IS(0, SP_PHASE_OPERATION))
#define ADDS_FILTER                                                                                \
	USED(INT_IS(0, SECCOMP_SET_MODE_FILTER)), USED(INT_IS(1, SECCOMP_FILTER_FLAG_TSYNC))
static const struct sp_filter_row entering[] = {{__NR_seccomp, {ENTERS_PHASE}}};
static const struct sp_filter_row narrowing[] = {{__NR_seccomp, {ADDS_FILTER}}};

/* Always let through: they tell a process of itself, or act on what it holds. */
static const struct sp_filter_row harmless[] = {
    {__NR_fstat, {}},  {__NR_fchdir, {}}, {__NR_getcwd, {}},
    {__NR_gettid, {}}, {__NR_getpid, {}}, {__NR_sched_yield, {}},
};

/* Beside these, on a floor: what the porter makes a thread do (broker/tracee.c), and what a runtime on
 * top does that the policy may well refuse to others. */
static const struct sp_filter_row floor_needs[] = {
    {__NR_close, {}},
    {__NR_recvmsg, {USED(MARKED(5))}},
    {__NR_process_vm_readv, {USED(HALF_MARKED)}},
    {__NR_process_vm_writev, {USED(HALF_MARKED)}},
    {__NR_fcntl, {USED(INT_IS(1, F_SETFD)), USED(MARKED(5))}},
    /* A further filter only takes away, and with no flags has no listener. */
    {__NR_seccomp,
     {USED(LONG_IS(0, (uint64_t)SP_RUNTIME_MARK << 32 | SECCOMP_SET_MODE_FILTER)),
      USED(INT_IS(1, 0))}},
};

/* What the runtime's own calls look like: always let through, in the handler a trap would be fatal. */
static const struct sp_filter_row needs[] = {
    {__NR_rt_sigprocmask, {USED(MARKED(5))}},
    {__NR_rt_sigaction, {USED(MARKED(5))}},
    {__NR_rt_sigpending, {USED(MARKED(5))}},
    {__NR_rt_sigsuspend, {USED(MARKED(5))}},
    {__NR_ppoll, {USED(MARKED(5))}},
    {__NR_pselect6, {USED(HALF_MARKED)}},
    {__NR_epoll_pwait, {USED(HALF_MARKED)}},
    {__NR_epoll_pwait2, {USED(HALF_MARKED)}},
    {__NR_close, {USED(MARKED(5))}},
    {__NR_close_range, {USED(MARKED(5))}},
    {__NR_process_vm_readv, {USED(HALF_MARKED)}},
    {__NR_process_vm_writev, {USED(HALF_MARKED)}},
    {__NR_recvmsg, {USED(MARKED(5))}},
    {__NR_umask, {USED(MARKED(5))}},
    {__NR_write, {USED(INT_IS(0, SP_DOORBELL_FD))}},
    {__NR_tgkill, {USED(INT_IS(2, SIGSYS))}},
    {__NR_fcntl, {USED(INT_IS(1, F_SETFD)), USED(MARKED(5))}},
};

/* How the runtime lists a directory, to leave the reserved descriptors out. */
static const struct sp_filter_row listing[] = {
    {__NR_getdents64, {USED(MARKED(5))}},
    {__NR_getdents, {USED(MARKED(5))}},
};

/* Calls that the runtime answers by itself, native in no other form than the runtime's; without a
 * runtime they are native, whatever the policy says, so that both interceptions look alike. */
static const int mediated[] = {__NR_rt_sigprocmask, __NR_rt_sigaction, __NR_rt_sigpending,
			       __NR_rt_sigsuspend, __NR_umask};

/*
 * Guards: an allowing rule holds only where one of the rows for its call does. Calls without a row
 * have no guard. These stand where there is a runtime: the reserved descriptors, and masks for the
 * duration of a call, are its business.
 */
static const struct sp_filter_row runtime_guards[] = {
    {__NR_close, {NOT(RESERVED(0))}},
    {__NR_dup, {NOT(RESERVED(0))}},
    {__NR_fcntl, {NOT(RESERVED(0))}},
    {__NR_dup2, {NOT(RESERVED(0)), NOT(RESERVED(1))}},
    {__NR_dup3, {NOT(RESERVED(0)), NOT(RESERVED(1))}},
    {__NR_close_range, {USED(INT_BELOW(1, SP_RESERVED_FIRST))}},
    {__NR_close_range, {NOT(INT_BELOW(0, SP_RESERVED_LAST + 1))}},
    {__NR_ppoll, {USED(LONG_IS(3, 0))}},
    {__NR_pselect6, {USED(LONG_IS(5, 0))}},
    {__NR_epoll_pwait, {USED(LONG_IS(4, 0))}},
    {__NR_epoll_pwait2, {USED(LONG_IS(4, 0))}},
};

/* And these everywhere. A child of the sandboxee's must not become the porter's: as a child, which it
 * must reap, or as a thread to trace, which it does not know. */
#define KINSHIP (CLONE_PARENT | CLONE_PTRACE | CLONE_UNTRACED)

static const struct sp_filter_row guards[] = {
    {__NR_clone, {USED(LONG_MASKED(0, NAMESPACES | KINSHIP, 0))}},
/* Any other option could loosen what holds the process, or hide it from its porter. */
#define OPTION(value)                                                                              \
	{                                                                                          \
		__NR_prctl,                                                                        \
		{                                                                                  \
			USED(INT_IS(0, value))                                                     \
		}                                                                                  \
	}
    OPTION(PR_SET_NAME),
    OPTION(PR_GET_NAME),
    OPTION(PR_GET_DUMPABLE),
    OPTION(PR_GET_SECCOMP),
    OPTION(PR_SET_NO_NEW_PRIVS),
    OPTION(PR_GET_NO_NEW_PRIVS),
    OPTION(PR_CAPBSET_READ),
    OPTION(PR_SET_TIMERSLACK),
    OPTION(PR_GET_TIMERSLACK),
    OPTION(PR_GET_PDEATHSIG),
    OPTION(PR_SET_THP_DISABLE),
    OPTION(PR_GET_THP_DISABLE),
    OPTION(PR_SET_VMA),
    /* A core pattern that is a pipe heeds the limit of 1 that a sandboxee begins with, and no smaller one. */
    {__NR_setrlimit, {NOT(INT_IS(0, RLIMIT_CORE))}},
    {__NR_prlimit64, {NOT(INT_IS(1, RLIMIT_CORE))}},
    {__NR_prlimit64, {USED(LONG_IS(2, 0))}},
};

/* Allowed with seccomp(2), but beside a runtime. */
static const struct sp_filter_row nested[] = {OPTION(PR_SET_SECCOMP)};

/* The kernel has one listener alone in a chain of filters (EBUSY), and says nothing of the years to come: a second one
 * could let through what the porter is asked for. Flags that we don't know (EINVAL) might mean as much; without a
 * program (EFAULT) there is no listener. */
#define LISTENS                                                                                    \
	USED(INT_IS(0, SECCOMP_SET_MODE_FILTER)),                                                  \
	    USED(                                                                                  \
		INT_MASKED(1, SECCOMP_FILTER_FLAG_NEW_LISTENER, SECCOMP_FILTER_FLAG_NEW_LISTENER))
static const struct sp_filter_row strange_listeners[] = {
    {__NR_seccomp, {LISTENS, NOT(INT_MASKED(1, ~0x3fu, 0))}}};
static const struct sp_filter_row listeners[] = {{__NR_seccomp, {LISTENS, NOT(LONG_IS(2, 0))}}};

/* The same where the policy allows one process alone. */
static const struct sp_filter_row one_process[] = {
    {__NR_clone, {USED(LONG_MASKED(0, CLONE_THREAD, CLONE_THREAD))}},
};

/* `memory { wx deny }`: rows under which the call would make memory writable and executable. */
static const struct sp_filter_row writable_code[] = {
    {__NR_mmap, {USED(LONG_MASKED(2, PROT_WRITE | PROT_EXEC, PROT_WRITE | PROT_EXEC))}},
    {__NR_mprotect, {USED(LONG_MASKED(2, PROT_EXEC, PROT_EXEC))}},
    {__NR_pkey_mprotect, {USED(LONG_MASKED(2, PROT_EXEC, PROT_EXEC))}},
    {__NR_shmat, {USED(INT_MASKED(2, SHM_EXEC, SHM_EXEC))}},
    {__NR_personality, {USED(INT_MASKED(0, 0x0400000, 0x0400000))}}, /* READ_IMPLIES_EXEC */
};

/* ---- the policy's rules ---- */

/*
 * A filter cannot read names: what some rule might grant is let through where nobody else is asked, so
 * that whatever the filter stands in has to keep the names apart.
 */
static uint32_t brokered_alone(const struct sp_compilation *c)
{
	const struct sp_call_info *info = sp_call_find(c->nr);
	uint32_t rights = sp_operation_rights(info->operation);

	return c->granted & rights ? SECCOMP_RET_ALLOW : SECCOMP_RET_ERRNO | EACCES;
}

static uint32_t action_of(const struct sp_compilation *c, const struct sp_call_rule *rule)
{
	switch (rule->action) {
	case SP_ACTION_ASK: /* the kernel keeps the data to itself: the porter runs the floor again */
		return c->purpose == SP_PURPOSE_FLOOR && sp_call_class(c->nr) == SP_CLASS_ORDINARY
			   ? c->intercept | SP_FLOOR_ASKS
			   : c->intercept;
	case SP_ACTION_ALLOW:
		return SECCOMP_RET_ALLOW;
	case SP_ACTION_LOG:
		return SECCOMP_RET_LOG;
	case SP_ACTION_ERRNO:
		return SECCOMP_RET_ERRNO | (uint32_t)rule->error;
	case SP_ACTION_TRAP: /* the runtime would take it for its own */
		return c->purpose == SP_PURPOSE_LOCK ? c->intercept
						     : SECCOMP_RET_TRAP | (uint32_t)rule->error;
	case SP_ACTION_KILL_THREAD:
		return SECCOMP_RET_KILL_THREAD;
	case SP_ACTION_KILL:
		return SECCOMP_RET_KILL_PROCESS;
	case SP_ACTION_DENY:
		return c->purpose == SP_PURPOSE_ALONE ? SECCOMP_RET_ERRNO | (uint32_t)rule->error
						      : c->intercept;
	case SP_ACTION_BROKER:
		return c->purpose == SP_PURPOSE_ALONE ? brokered_alone(c) : c->intercept;
	default:
		return c->intercept;
	}
}

static bool is_single(const struct sp_policy *policy)
{
	return policy->limits[SP_LIMIT_PROCESSES].set &&
	       policy->limits[SP_LIMIT_PROCESSES].value == 1;
}

/* What a guard keeps from being allowed is intercepted, also under `default kill`: the runtime answers
 * for its descriptors, and a program that sweeps them must not die of it. */
static int make_guard(const struct sp_compilation *c, struct sp_condition **ret_guard)
{
	struct sp_condition *guard = NULL;
	int r = sp_filter_guard_by(guards, SP_ELEMENTS(guards), c->nr, &guard);

	if (r == 0 && c->purpose == SP_PURPOSE_LOCK)
		r = sp_filter_guard_by(runtime_guards, SP_ELEMENTS(runtime_guards), c->nr, &guard);
	if (r == 0)
		r = sp_filter_guard_network(c, &guard);
	if (r == 0 && is_single(c->policy))
		r = sp_filter_guard_by(one_process, SP_ELEMENTS(one_process), c->nr, &guard);
	if (r < 0)
		sp_condition_free(guard);
	else
		*ret_guard = guard;
	return r;
}

/* Or might, once the application was asked. */
static bool grants(const struct sp_call_rule *rule)
{
	return rule->action == SP_ACTION_ALLOW || rule->action == SP_ACTION_LOG ||
	       (rule->action == SP_ACTION_ASK && sp_call_class(rule->nr) == SP_CLASS_ORDINARY);
}

static int error_of(const struct sp_call_rule *rule)
{
	return rule->action == SP_ACTION_DENY ? rule->error : 0;
}

static int add_rule(struct sp_compilation *c, const struct sp_call_rule *rule)
{
	_cleanup_condition_ struct sp_condition *where = NULL, *guard = NULL;

	if (rule->condition) {
		where = sp_condition_copy(rule->condition);
		if (!where)
			return -ENOMEM;
	}
	if (grants(rule)) {
		int r = make_guard(c, &guard);

		if (r < 0)
			return r;
	}
	return sp_filter_decide(c, &(struct sp_decision){.action = action_of(c, rule),
							 .where = TAKE_POINTER(where),
							 .guard = TAKE_POINTER(guard),
							 .source = rule->source,
							 .rule = rule,
							 .error = error_of(rule)});
}

/* Lower ranks first; in one rank a rule with conditions before the one without, which it is an
 * exception from; among those the stricter. */
static int compare_rules(const void *left, const void *right)
{
	const struct sp_call_rule *a = *(const struct sp_call_rule *const *)left,
				  *b = *(const struct sp_call_rule *const *)right;

	if (a->rank != b->rank)
		return a->rank < b->rank ? -1 : 1;
	if (!a->condition != !b->condition)
		return a->condition ? -1 : 1;
	return (a->action < b->action) - (a->action > b->action);
}

/* The rules for the call in hand, as many as there are; into `ret_rules` where it is not NULL. */
static size_t find_rules(const struct sp_compilation *c, bool allowable,
			 const struct sp_call_rule **ret_rules)
{
	size_t i = 0, end = c->policy->call_count, count = 0;

	if (c->index) {
		i = c->nr < SP_NUMBERS ? c->index->first[c->nr] : 0;
		end = c->nr < SP_NUMBERS ? c->index->first[c->nr + 1] : 0;
	}
	for (; i < end; i++) {
		const struct sp_call_rule *rule =
		    c->index ? c->index->list[i] : &c->policy->calls[i];

		if (rule->nr != c->nr || (!allowable && grants(rule)))
			continue;
		if (ret_rules)
			ret_rules[count] = rule;
		count++;
	}
	return count;
}

/* The same in their order, to be freed; NULL where there are none. */
static int order_rules(const struct sp_compilation *c, bool allowable,
		       const struct sp_call_rule ***ret_rules, size_t *ret_count)
{
	size_t count = find_rules(c, allowable, NULL);
	const struct sp_call_rule **rules;

	*ret_rules = NULL;
	*ret_count = count;

	if (count == 0)
		return 0;
	rules = calloc(count, sizeof(struct sp_call_rule *));
	if (!rules)
		return -ENOMEM;
	(void)find_rules(c, allowable, rules);
	qsort(rules, count, sizeof(struct sp_call_rule *), compare_rules);
	*ret_rules = rules;
	return 0;
}

int sp_model_order_calls(const struct sp_policy *policy, int nr,
			 const struct sp_call_rule ***ret_rules, size_t *ret_count)
{
	const struct sp_compilation c = {.policy = policy, .nr = nr};
	int r = order_rules(&c, true, ret_rules, ret_count);

	for (size_t i = 0; r == 0 && i < *ret_count; i++)
		if (!(*ret_rules)[i]->condition)
			*ret_count = i + 1;
	return r;
}

/* The rules in their order; where the call can't be allowed, those that would not. */
static int add_rules(struct sp_compilation *c, bool allowable)
{
	_cleanup_free_ const struct sp_call_rule **rules = NULL;
	size_t count;
	int r = order_rules(c, allowable, &rules, &count);

	for (size_t i = 0; r == 0 && i < count; i++)
		r = add_rule(c, rules[i]);
	return r;
}

/* ---- what stands before and behind them ---- */

static bool is_mediated(int nr)
{
	for (size_t i = 0; i < SP_ELEMENTS(mediated); i++)
		if (mediated[i] == nr)
			return true;
	return false;
}

static bool makes_process(int nr)
{
	return nr == __NR_fork || nr == __NR_vfork;
}

static const char built_in_never[] = "built in: never allowed";
static const char built_in_harmless[] = "built in: always allowed";
static const char built_in_brokered[] = "built in: brokered";
static const char built_in_nested[] = "built in: no filters of its own beside a runtime";
static const char built_in_listener[] = "built in: the sandbox has the one listener";
static const char built_in_default[] = "built in: default deny as ENOSYS";
static const char built_in_wx[] = "built in: memory { wx deny }";
static const char built_in_addresses[] = "built in: no servers where TCP addresses are named";
static const char built_in_clone3[] = "built in: clone instead of clone3";

static int decide_default(struct sp_compilation *c, const char *built_in)
{
	const struct sp_setting *setting = &c->policy->default_action;
	const struct sp_call_rule rule = {
	    .action = setting->set ? (enum sp_action)setting->value : SP_ACTION_DENY,
	    .error = setting->set ? (int)c->policy->default_error.value : ENOSYS,
	};

	return sp_filter_decide(
	    c, &(struct sp_decision){.action = action_of(c, &rule),
				     .source = sp_setting_source(setting, built_in),
				     .error = error_of(&rule)});
}

/* What the policy says of a call that it can't allow, then `source` intercepts it. */
static int add_refusal(struct sp_compilation *c, const char *source)
{
	int r = add_rules(c, false);

	return r < 0 ? r : sp_filter_decide_always(c, c->intercept, source);
}

/* What stands before all rules. */
static int add_needs(struct sp_compilation *c)
{
	static const struct sp_decision own = {.source = sp_built_in_runtime, .final = true},
					any = {.source = built_in_harmless, .final = true};
	struct sp_decision allow_own = own, allow_any = any;
	int r;

	if (c->bounds)
		return 0;
	allow_own.action = allow_any.action = SECCOMP_RET_ALLOW;
	r = sp_filter_decide_rows(c, &allow_any, harmless, SP_ELEMENTS(harmless));
	if (r < 0 || c->purpose == SP_PURPOSE_ALONE)
		return r;
	return c->purpose == SP_PURPOSE_LOCK
		   ? sp_filter_decide_rows(c, &allow_own, needs, SP_ELEMENTS(needs))
		   : sp_filter_decide_rows(c, &allow_own, floor_needs, SP_ELEMENTS(floor_needs));
}

static int add_memory(struct sp_compilation *c)
{
	const struct sp_decision refuse = {
	    .action = c->intercept, .source = sp_setting_source(&c->policy->wx, built_in_wx)};

	if (c->policy->wx.set && c->policy->wx.value)
		return 0;
	return sp_filter_decide_rows(c, &refuse, writable_code, SP_ELEMENTS(writable_code));
}

/* The rule by which the policy allows filters of the program's own, or NULL. */
static const struct sp_call_rule *find_nested(const struct sp_policy *policy)
{
	for (size_t i = 0; i < policy->call_count; i++)
		if (policy->calls[i].nr == __NR_seccomp && !policy->calls[i].condition &&
		    grants(&policy->calls[i]))
			return &policy->calls[i];
	return NULL;
}

/* Whether a rule allows some, at least. */
static bool may_nest(const struct sp_policy *policy)
{
	for (size_t i = 0; i < policy->call_count; i++)
		if (policy->calls[i].nr == __NR_seccomp && grants(&policy->calls[i]))
			return true;
	return false;
}

/* The older way to install one. */
static int add_nested(struct sp_compilation *c)
{
	const struct sp_call_rule *rule;

	if (c->purpose == SP_PURPOSE_LOCK || c->nr != __NR_prctl)
		return 0;
	rule = find_nested(c->policy);
	if (!rule)
		return 0;
	return sp_filter_decide_rows(
	    c, &(struct sp_decision){.action = action_of(c, rule), .source = rule->source}, nested,
	    SP_ELEMENTS(nested));
}

static int add_listeners(struct sp_compilation *c)
{
	static const struct sp_decision busy = {.action = SECCOMP_RET_ERRNO | EBUSY,
						.source = built_in_listener},
					invalid = {.action = SECCOMP_RET_ERRNO | EINVAL,
						   .source = built_in_listener};
	int r;

	if (c->purpose != SP_PURPOSE_FLOOR || c->nr != __NR_seccomp || !may_nest(c->policy))
		return 0;
	r = sp_filter_decide_rows(c, &invalid, strange_listeners, SP_ELEMENTS(strange_listeners));
	return r < 0 ? r : sp_filter_decide_rows(c, &busy, listeners, SP_ELEMENTS(listeners));
}

bool sp_filter_always_allows(int nr)
{
	for (size_t i = 0; i < SP_ELEMENTS(harmless); i++)
		if (harmless[i].nr == nr)
			return true;
	return is_mediated(nr) || sp_call_class(nr) == SP_CLASS_ALWAYS;
}

/* The rule of every policy that bounds this one as well, if all of them allow the call whatever its arguments. */
static int find_freedom(const struct sp_policy *policy, int nr,
			const struct sp_call_rule **ret_rule)
{
	const struct sp_policy *layers[SP_LAYERS_MAX];
	const struct sp_call_rule *first = NULL;
	int r = 0;

	for (size_t i = sp_model_layers(policy, layers); i-- > 0 && r == 0;) {
		_cleanup_free_ const struct sp_call_rule **rules = NULL;
		size_t count;

		r = sp_model_order_calls(layers[i], nr, &rules, &count);
		first = r == 0 && count > 0 ? rules[0] : NULL;
		if (!first || first->condition || first->action != SP_ACTION_ALLOW ||
		    layers[i]->extra_count > 0)
			return r;
	}
	*ret_rule = first;
	return r;
}

/*
 * Who may list directories does so through the runtime, in the place of the kernel's own answer: the handler's marked
 * call must not be trapped, so nothing else may have a say.
 */
static int add_listing(struct sp_compilation *c)
{
	const struct sp_call_rule *rule = NULL;
	struct sp_decision decision = {.action = SECCOMP_RET_ALLOW, .final = true};
	int r;

	if ((c->nr != __NR_getdents64 && c->nr != __NR_getdents) || c->purpose != SP_PURPOSE_LOCK ||
	    c->bounds || c->on_top)
		return 0;
	r = find_freedom(c->policy, c->nr, &rule);
	if (r < 0 || !rule)
		return r;
	decision.rule = rule;
	decision.source = rule->source;
	r = sp_filter_decide_rows(c, &decision, listing, SP_ELEMENTS(listing));
	decision.action = SP_FILTER_LISTS;
	return r < 0 ? r : sp_filter_decide(c, &decision);
}

static int add_ordinary(struct sp_compilation *c)
{
	int r;

	if (c->watched && sp_filter_reaches_network(c->nr))
		return sp_filter_decide_finally(c, c->intercept, NULL);
	r = add_needs(c);

	if (r == 0)
		r = add_memory(c);
	if (r == 0)
		r = add_nested(c);
	if (r == 0)
		r = add_listeners(c);
	if (r == 0)
		r = sp_filter_add_network(c);
	if (r == 0)
		r = add_listing(c);
	if (r < 0)
		return r;
	if (is_mediated(c->nr))
		return c->purpose == SP_PURPOSE_LOCK
			   ? sp_filter_decide_always(c, c->intercept, sp_built_in_runtime)
			   : sp_filter_decide_finally(c, SECCOMP_RET_ALLOW, built_in_harmless);
	if (sp_filter_serves(c->nr) && sp_model_grants_addresses(c->policy))
		return add_refusal(c, built_in_addresses);
	if (makes_process(c->nr) && is_single(c->policy))
		return add_refusal(c, c->policy->limits[SP_LIMIT_PROCESSES].source);
	r = add_rules(c, true);
	return r < 0 ? r : decide_default(c, built_in_default);
}

static int add_unnamed(struct sp_compilation *c, const char *source)
{
	int r = add_rules(c, false);

	return r < 0 ? r : decide_default(c, source);
}

static int add_brokered(struct sp_compilation *c)
{
	int r = add_rules(c, false);

	return r < 0 ? r
		     : sp_filter_decide_always(
			   c, c->purpose == SP_PURPOSE_ALONE ? brokered_alone(c) : c->intercept,
			   built_in_brokered);
}

static int add_phases(struct sp_compilation *c)
{
	const struct sp_decision enter = {.action = c->intercept,
					  .source = sp_built_in_runtime,
					  .final = true},
				 narrow = {.action = SECCOMP_RET_ALLOW,
					   .source = sp_built_in_runtime,
					   .final = true};
	int r;

	if (!c->phased || c->bounds)
		return 0;
	r = sp_filter_decide_rows(c, &enter, entering, SP_ELEMENTS(entering));
	return r < 0 ? r : sp_filter_decide_rows(c, &narrow, narrowing, SP_ELEMENTS(narrowing));
}

static int decide_call(struct sp_compilation *c)
{
	int r = add_phases(c);

	if (r < 0)
		return r;
	switch (sp_call_class(c->nr)) {
	case SP_CLASS_ALWAYS:
		return sp_filter_decide_finally(c, SECCOMP_RET_ALLOW, built_in_harmless);
	case SP_CLASS_CLONE3:
		return sp_filter_decide_finally(c, SECCOMP_RET_ERRNO | ENOSYS, built_in_clone3);
	case SP_CLASS_BROKERED:
		return add_brokered(c);
	case SP_CLASS_NESTED:
		return c->purpose == SP_PURPOSE_LOCK ? add_refusal(c, built_in_nested)
						     : add_ordinary(c);
	case SP_CLASS_NAMING:
	case SP_CLASS_FORBIDDEN:
		return add_unnamed(c, built_in_never);
	case SP_CLASS_ORDINARY:
	default:
		return add_ordinary(c);
	}
}

/* What the kernel does of itself: nothing that is built in comes before it. */
static int decide_strictly(struct sp_compilation *c)
{
	return sp_filter_decide_finally(
	    c, sp_strict_allows(c->nr) ? SECCOMP_RET_ALLOW : SECCOMP_RET_KILL_PROCESS,
	    c->policy->strict.source);
}

static const struct sp_filter_row *listing_row(int nr)
{
	for (size_t i = 0; i < SP_ELEMENTS(listing); i++)
		if (listing[i].nr == nr)
			return &listing[i];
	return NULL;
}

/*
 * A thread may be on its way to list a directory, where the lock has let it, when another one enters a phase that
 * refuses that: the marked call must not be trapped, but fails, and then the handler asks the porter.
 */
static int spare_listing(struct sp_compilation *c)
{
	const struct sp_filter_row *row = listing_row(c->nr);

	if (!row || c->purpose != SP_PURPOSE_LOCK || !c->on_top)
		return 0;
	for (size_t i = 0; i < c->decisions->count; i++) {
		struct sp_decision *d = &c->decisions->list[i];

		if (d->action != c->intercept || d->guard)
			continue;
		d->guard = sp_condition_test(&row->part[0].test);
		if (!d->guard)
			return -ENOMEM;
		d->action = SP_FILTER_LISTS_NOT;
	}
	return 0;
}

static int decide_named(struct sp_compilation *c)
{
	int r = decide_call(c);

	return r < 0 ? r : spare_listing(c);
}

/* The call in hand, which may have no name. */
int sp_filter_decide_call(struct sp_compilation *c)
{
	if (sp_filter_is_porter(c))
		return sp_filter_decide_porter(c);
	if (c->policy->strict.set)
		return decide_strictly(c);
	if (c->nr == SP_NR_RESERVED && c->purpose != SP_PURPOSE_ALONE)
		return sp_filter_decide_finally(
		    c, c->purpose == SP_PURPOSE_LOCK ? SECCOMP_RET_ALLOW : c->intercept,
		    sp_built_in_runtime);
	return sp_call_name(c->nr) ? decide_named(c) : decide_default(c, built_in_default);
}
