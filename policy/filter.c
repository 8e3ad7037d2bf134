/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the rules about calls to BPF. Every call gets an ordered list of decisions: what the runtime
 * needs first, then the policy's rules by rank, each held back by the guards that no policy can lift.
 */
#include "policy/filter.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/prctl.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "ipc/runtime.h"
#include "ipc/util.h"
#include "policy/bpf.h"
#include "policy/names.h"

#define NAMESPACES                                                                                 \
	(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER |             \
	 CLONE_NEWPID | CLONE_NEWNET | 0x80ul /* CLONE_NEWTIME */)

/* ---- conditions that are not the policy's ---- */

/* One row: both tests must hold, or fail where `not` says so; an unused one is zero. */
struct row {
	int nr;
	struct {
		bool used, not ;
		struct sp_test test;
	} part[2];
};

#define USED(...)                                                                                  \
	{                                                                                          \
		true, false,                                                                       \
		{                                                                                  \
			__VA_ARGS__                                                                \
		}                                                                                  \
	}
#define NOT(...)                                                                                   \
	{                                                                                          \
		true, true,                                                                        \
		{                                                                                  \
			__VA_ARGS__                                                                \
		}                                                                                  \
	}
/* Tests, by the argument's index. */
#define INT_IS(a, value) SP_TEST_MASKED, a, false, 0xffffffffu, value
#define INT_MASKED(a, mask, value) SP_TEST_MASKED, a, false, mask, value
#define INT_BELOW(a, value) SP_TEST_BELOW, a, false, 0, value
#define LONG_IS(a, value) SP_TEST_MASKED, a, true, ~0ull, value
#define LONG_MASKED(a, mask, value) SP_TEST_MASKED, a, true, mask, value
#define MARKED(a) LONG_IS(a, SP_RUNTIME_MARK)
#define HALF_MARKED LONG_MASKED(0, 0xffffffffull << 32, (uint64_t)SP_RUNTIME_MARK << 32)
/* The reserved descriptors: two neighbours that differ in their lowest bit. */
#define RESERVED(a) INT_MASKED(a, 0xfffffffeu, SP_RESERVED_FIRST)
_Static_assert(SP_RESERVED_FIRST % 2 == 0 && SP_RESERVED_LAST == SP_RESERVED_FIRST + 1,
	       "RESERVED compares more, or fewer");

/* Always let through: they tell a process of itself, or act on what it holds. */
static const struct row harmless[] = {
    {__NR_fstat, {}},  {__NR_fchdir, {}}, {__NR_getcwd, {}},
    {__NR_gettid, {}}, {__NR_getpid, {}}, {__NR_sched_yield, {}},
};

/* Beside these, what the porter makes a thread without a runtime do (broker/tracee.c). */
static const struct row injected[] = {
    {__NR_close, {}},
    {__NR_recvmsg, {USED(MARKED(5))}},
};

/* What the runtime's own calls look like: always let through, in the handler a trap would be fatal. */
static const struct row needs[] = {
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
    {__NR_recvmsg, {USED(INT_IS(0, SP_CHANNEL_FD))}},
    {__NR_write, {USED(INT_IS(0, SP_DOORBELL_FD))}},
    {__NR_tgkill, {USED(INT_IS(2, SIGSYS))}},
    {__NR_fcntl, {USED(INT_IS(1, F_SETFD)), USED(MARKED(5))}},
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
static const struct row runtime_guards[] = {
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

/* And these everywhere. A child that CLONE_PARENT makes is the porter's, which must reap its own. */
static const struct row guards[] = {
    {__NR_clone, {USED(LONG_MASKED(0, NAMESPACES | CLONE_PARENT, 0))}},
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
};

/* The same where the policy allows one process alone. */
static const struct row one_process[] = {
    {__NR_clone, {USED(LONG_MASKED(0, CLONE_THREAD, CLONE_THREAD))}},
};

/* `memory { wx deny }`: rows under which the call would make memory writable and executable. */
static const struct row writable_code[] = {
    {__NR_mmap, {USED(LONG_MASKED(2, PROT_WRITE | PROT_EXEC, PROT_WRITE | PROT_EXEC))}},
    {__NR_mprotect, {USED(LONG_MASKED(2, PROT_EXEC, PROT_EXEC))}},
    {__NR_pkey_mprotect, {USED(LONG_MASKED(2, PROT_EXEC, PROT_EXEC))}},
    {__NR_shmat, {USED(INT_MASKED(2, SHM_EXEC, SHM_EXEC))}},
    {__NR_personality, {USED(INT_MASKED(0, 0x0400000, 0x0400000))}}, /* READ_IMPLIES_EXEC */
};

/* ---- one call ---- */

/* What happens where the condition (NULL: always) holds and that of no earlier decision does. Where
 * there is a guard that does not hold, `otherwise` happens in its place. */
struct decision {
	uint32_t action, otherwise;
	struct sp_condition *where, *guard; /* owned */
};

struct decisions {
	struct decision *list;
	size_t count;
};

/* What the program is for. */
enum purpose {
	PURPOSE_LOCK,  /* a runtime answers its traps */
	PURPOSE_FLOOR, /* the porter answers its notifications */
	PURPOSE_PORTER,
	PURPOSE_LISTENER, /* the porter of a program on a floor */
};

struct compilation {
	const struct sp_policy *policy;
	enum purpose purpose;
	uint32_t intercept; /* the action that brings a call before the porter */
	uint32_t fallback;  /* the action of what no rule speaks of */
	uint32_t granted;   /* of PURPOSE_PORTER: all rights that the policy grants on any name */
	int nr;             /* the call in hand */
	struct decisions *decisions;
};

/* Takes both conditions. */
static int decide(struct compilation *c, uint32_t action, struct sp_condition *where,
		  struct sp_condition *guard)
{
	struct decisions *decisions = c->decisions;
	struct decision *grown =
	    reallocarray(decisions->list, decisions->count + 1, sizeof(*grown));

	if (!grown) {
		sp_condition_free(where);
		sp_condition_free(guard);
		return -ENOMEM;
	}
	decisions->list = grown;
	grown[decisions->count++] = (struct decision){action, c->intercept, where, guard};
	return 0;
}

static void clear_decisions(struct decisions *decisions)
{
	for (size_t i = 0; i < decisions->count; i++) {
		sp_condition_free(decisions->list[i].where);
		sp_condition_free(decisions->list[i].guard);
	}
	free(decisions->list);
}

/* 0, and *ret_condition NULL where the row has no test: it holds always. */
static int condition_of(const struct row *row, struct sp_condition **ret_condition)
{
	struct sp_condition *whole = NULL;

	for (size_t i = 0; i < SP_ELEMENTS(row->part) && row->part[i].used; i++) {
		struct sp_condition *part = sp_condition_test(&row->part[i].test);

		if (row->part[i].not )
			part = sp_condition_not_take(part);
		whole = i == 0 ? part : sp_condition_join_take(SP_CONDITION_AND, whole, part);
		if (!whole)
			return -ENOMEM;
	}
	*ret_condition = whole;
	return 0;
}

/* The rows of a table that speak of the call, one after the other. */
static const struct row *next_row(const struct row *rows, size_t count, int nr,
				  const struct row *last)
{
	for (const struct row *row = last ? last + 1 : rows; row < rows + count; row++)
		if (row->nr == nr)
			return row;
	return NULL;
}

static int decide_rows(struct compilation *c, uint32_t action, const struct row *rows, size_t count)
{
	const struct row *row = NULL;
	int r = 0;

	while (r == 0 && (row = next_row(rows, count, c->nr, row))) {
		struct sp_condition *where = NULL;

		r = condition_of(row, &where);
		if (r == 0)
			r = decide(c, action, where, NULL);
	}
	return r;
}

/* *guard &= one of the rows; NULL stands for "always". */
static int guard_by(const struct row *rows, size_t count, int nr, struct sp_condition **guard)
{
	const struct row *row = NULL;
	struct sp_condition *any = NULL;

	while ((row = next_row(rows, count, nr, row))) {
		struct sp_condition *one = NULL;
		int r = condition_of(row, &one);

		if (r == 0)
			any = any ? sp_condition_join_take(SP_CONDITION_OR, any, one) : one;
		if (r < 0 || !any) {
			if (r < 0)
				sp_condition_free(any);
			return -ENOMEM;
		}
	}
	if (any && *guard)
		any = sp_condition_join_take(SP_CONDITION_AND, TAKE_POINTER(*guard), any);
	else if (!any)
		return 0;
	*guard = any;
	return any ? 0 : -ENOMEM;
}

static uint32_t action_of(const struct compilation *c, const struct sp_call_rule *rule)
{
	switch (rule->action) {
	case SP_ACTION_ALLOW:
		return SECCOMP_RET_ALLOW;
	case SP_ACTION_LOG:
		return SECCOMP_RET_LOG;
	case SP_ACTION_KILL:
		return SECCOMP_RET_KILL_PROCESS;
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
static int make_guard(const struct compilation *c, struct sp_condition **ret_guard)
{
	struct sp_condition *guard = NULL;
	int r = guard_by(guards, SP_ELEMENTS(guards), c->nr, &guard);

	if (r == 0 && c->purpose == PURPOSE_LOCK)
		r = guard_by(runtime_guards, SP_ELEMENTS(runtime_guards), c->nr, &guard);
	if (r == 0 && is_single(c->policy))
		r = guard_by(one_process, SP_ELEMENTS(one_process), c->nr, &guard);
	if (r < 0)
		sp_condition_free(guard);
	else
		*ret_guard = guard;
	return r;
}

static int add_rule(struct compilation *c, const struct sp_call_rule *rule)
{
	_cleanup_condition_ struct sp_condition *where = NULL, *guard = NULL;
	uint32_t action = action_of(c, rule);

	if (rule->condition) {
		where = sp_condition_copy(rule->condition);
		if (!where)
			return -ENOMEM;
	}
	if (action == SECCOMP_RET_ALLOW || action == SECCOMP_RET_LOG) {
		int r = make_guard(c, &guard);

		if (r < 0)
			return r;
	}
	return decide(c, action, TAKE_POINTER(where), TAKE_POINTER(guard));
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

static int add_rules(struct compilation *c)
{
	const struct sp_policy *policy = c->policy;
	_cleanup_free_ const struct sp_call_rule **rules =
	    calloc(policy->call_count + 1, sizeof(struct sp_call_rule *));
	size_t count = 0;
	int r = 0;

	if (!rules)
		return -ENOMEM;
	for (size_t i = 0; i < policy->call_count; i++)
		if (policy->calls[i].nr == c->nr)
			rules[count++] = &policy->calls[i];
	qsort(rules, count, sizeof(struct sp_call_rule *), compare_rules);
	for (size_t i = 0; i < count && r == 0; i++)
		r = add_rule(c, rules[i]);
	return r;
}

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

/* The policy's last word on a call that it can't allow: kill where it says so, else `otherwise`. */
static int add_refusal(struct compilation *c, uint32_t otherwise)
{
	for (size_t i = 0; i < c->policy->call_count; i++) {
		const struct sp_call_rule *rule = &c->policy->calls[i];

		if (rule->nr == c->nr && !rule->condition && rule->action != SP_ACTION_BROKER)
			return decide(c,
				      rule->action == SP_ACTION_KILL ? SECCOMP_RET_KILL_PROCESS
								     : c->intercept,
				      NULL, NULL);
	}
	return decide(c, otherwise, NULL, NULL);
}

static int add_ordinary(struct compilation *c)
{
	int r = decide_rows(c, SECCOMP_RET_ALLOW, harmless, SP_ELEMENTS(harmless));

	if (r == 0 && c->purpose == PURPOSE_LOCK)
		r = decide_rows(c, SECCOMP_RET_ALLOW, needs, SP_ELEMENTS(needs));
	else if (r == 0)
		r = decide_rows(c, SECCOMP_RET_ALLOW, injected, SP_ELEMENTS(injected));
	if (r == 0 && !(c->policy->wx.set && c->policy->wx.value))
		r = decide_rows(c, c->intercept, writable_code, SP_ELEMENTS(writable_code));
	if (r < 0)
		return r;
	if (is_mediated(c->nr))
		return c->purpose == PURPOSE_LOCK ? add_refusal(c, c->intercept)
						  : decide(c, SECCOMP_RET_ALLOW, NULL, NULL);
	if (makes_process(c->nr) && is_single(c->policy))
		return add_refusal(c, c->intercept);
	return add_rules(c);
}

static int decide_call(struct compilation *c)
{
	switch (sp_call_class(c->nr)) {
	case SP_CLASS_ALWAYS:
		return decide(c, SECCOMP_RET_ALLOW, NULL, NULL);
	case SP_CLASS_CLONE3:
		return decide(c, SECCOMP_RET_ERRNO | ENOSYS, NULL, NULL);
	case SP_CLASS_BROKERED:
		return add_refusal(c, c->intercept);
	case SP_CLASS_NAMING:
	case SP_CLASS_FORBIDDEN:
		return add_refusal(c, c->fallback);
	case SP_CLASS_ORDINARY:
	default:
		return add_ordinary(c);
	}
}

/* ---- the porter's ------------------------------------------------------------------------------------------- */

/* What serving takes; `right`: only where some rule grants one of these; `notify`: only where the
 * calls come as notifications. */
static const struct {
	int nr;
	uint32_t right;
	bool notify;
} porter_calls[] = {
    {__NR_openat, 0, false},
    {__NR_openat2, 0, false},
    {__NR_newfstatat, 0, false},
    {__NR_statx, 0, false},
    {__NR_fstat, 0, false},
    {__NR_fstatfs, 0, false},
    {__NR_readlinkat, 0, false},
    {__NR_faccessat, 0, false},
    {__NR_faccessat2, 0, false},
    {__NR_fcntl, 0, false},
    {__NR_close, 0, false},
    {__NR_dup, 0, false},
    {__NR_read, 0, false},
    {__NR_write, 0, false},
    {__NR_mkdirat, SP_RIGHT_CREATE, false},
    {__NR_unlinkat, SP_RIGHT_DELETE, false},
    {__NR_renameat, SP_RIGHT_DELETE, false},
    {__NR_renameat2, SP_RIGHT_DELETE, false},
    {__NR_ftruncate, SP_RIGHT_WRITE, false},
    {__NR_umask, SP_RIGHT_CREATE, false},
    {__NR_recvmsg, 0, false},
    {__NR_sendmsg, 0, false},
    {__NR_setsockopt, 0, false},
    {__NR_poll, 0, false},
    {__NR_ppoll, 0, false},
    {__NR_epoll_wait, 0, false},
    {__NR_epoll_pwait, 0, false},
    {__NR_epoll_pwait2, 0, false},
    {__NR_epoll_ctl, 0, false},
    {__NR_futex, 0, false},
    {__NR_waitid, 0, false},
    {__NR_pidfd_send_signal, 0, false},
    {__NR_clock_gettime, 0, false},
    {__NR_gettimeofday, 0, false},
    {__NR_munmap, 0, false},
    {__NR_mremap, 0, false},
    {__NR_madvise, 0, false},
    {__NR_brk, 0, false},
    {__NR_rt_sigreturn, 0, false},
    {__NR_rt_sigprocmask, 0, false},
    {__NR_exit, 0, false},
    {__NR_exit_group, 0, false},
    {__NR_restart_syscall, 0, false},
    {__NR_getpid, 0, false},
    {__NR_gettid, 0, false},
    {__NR_geteuid, 0, false},
    {__NR_sched_yield, 0, false},
    {__NR_timerfd_settime, 0, false},
    {__NR_getrandom, 0, false},
    {__NR_sigaltstack, 0, false},
    {__NR_process_vm_readv, 0, true},
    {__NR_process_vm_writev, 0, true},
    {__NR_ptrace, 0, true},
    {__NR_kill, 0, true},
    {__NR_pread64, 0, true},
    {__NR_lseek, 0, true},
};

/* Of ioctl(2) it has those of its listener. */
static const struct row listener_rows[] = {
    {__NR_socketpair, {USED(INT_IS(0, AF_UNIX))}},
    {__NR_ioctl, {USED(INT_IS(1, SECCOMP_IOCTL_NOTIF_RECV))}},
    {__NR_ioctl, {USED(INT_IS(1, SECCOMP_IOCTL_NOTIF_SEND))}},
    {__NR_ioctl, {USED(INT_IS(1, SECCOMP_IOCTL_NOTIF_ID_VALID))}},
    {__NR_ioctl, {USED(INT_IS(1, SECCOMP_IOCTL_NOTIF_ADDFD))}},
};

/* No memory of the porter's is ever executable. */
static const struct row porter_memory[] = {
    {__NR_mmap, {USED(LONG_MASKED(2, PROT_EXEC, 0))}},
    {__NR_mprotect, {USED(LONG_MASKED(2, PROT_EXEC, 0))}},
};

static bool porter_needs(const struct compilation *c)
{
	for (size_t i = 0; i < SP_ELEMENTS(porter_calls); i++)
		if (porter_calls[i].nr == c->nr &&
		    (!porter_calls[i].right || (c->granted & porter_calls[i].right)) &&
		    (!porter_calls[i].notify || c->purpose == PURPOSE_LISTENER))
			return true;
	return false;
}

static int decide_porter_call(struct compilation *c)
{
	int r;

	if (porter_needs(c))
		return decide(c, SECCOMP_RET_ALLOW, NULL, NULL);
	r = decide_rows(c, SECCOMP_RET_ALLOW, porter_memory, SP_ELEMENTS(porter_memory));
	if (r == 0 && c->purpose == PURPOSE_LISTENER)
		r = decide_rows(c, SECCOMP_RET_ALLOW, listener_rows, SP_ELEMENTS(listener_rows));
	return r;
}

/* ---- the program ---- */

/* A call's decisions, last first; the last word is that nothing was said. */
static struct sp_label write_decisions(struct sp_assembly *assembly, const struct sp_leaf *leaf)
{
	const struct decisions *decisions = leaf->data;
	struct sp_label label = {.word = SP_BPF_NO_WORD};

	for (size_t i = decisions->count; i-- > 0;) {
		const struct decision *decision = &decisions->list[i];
		struct sp_label yes = sp_bpf_return(assembly, decision->action);

		if (decision->guard)
			yes = sp_bpf_condition(assembly, decision->guard, yes,
					       sp_bpf_return(assembly, decision->otherwise));
		label =
		    decision->where ? sp_bpf_condition(assembly, decision->where, yes, label) : yes;
	}
	return label;
}

/* What follows an unconditional decision is never reached; behind conditions stands the fallback. */
static int close_decisions(struct compilation *c)
{
	struct decisions *decisions = c->decisions;

	for (size_t i = 0; i < decisions->count; i++)
		if (!decisions->list[i].where) {
			for (size_t j = i + 1; j < decisions->count; j++) {
				sp_condition_free(decisions->list[j].where);
				sp_condition_free(decisions->list[j].guard);
			}
			decisions->count = i + 1;
			return 0;
		}
	return decide(c, c->fallback, NULL, NULL);
}

/* Leaves of one kind are joined: calls without a condition go by their action, others stand alone. */
static uint64_t kind_of(const struct decisions *decisions, int nr)
{
	bool plain = decisions->count == 1 && !decisions->list[0].guard;

	return plain ? decisions->list[0].action : UINT64_C(1) << 32 | (uint64_t)nr;
}

static void set_leaf(const struct compilation *c, struct sp_leaf *leaves)
{
	leaves[c->nr] = (struct sp_leaf){
	    .first = (uint32_t)c->nr,
	    .kind = kind_of(c->decisions, c->nr),
	    .write = write_decisions,
	    .data = c->decisions,
	};
}

/* All numbers with a name, and one leaf more for what lies beyond: 0 or -errno. */
static int decide_calls(struct compilation *c, struct decisions *all, struct sp_leaf *leaves)
{
	char buffer[SP_CALL_NAME_MAX];

	for (c->nr = 0; c->nr <= SP_NUMBERS; c->nr++) {
		int r = 0;

		c->decisions = &all[c->nr];
		if (c->purpose == PURPOSE_PORTER || c->purpose == PURPOSE_LISTENER)
			r = decide_porter_call(c);
		else if (c->nr < SP_NUMBERS && sp_call_name(c->nr, buffer))
			r = decide_call(c);
		if (r == 0)
			r = close_decisions(c);
		if (r < 0)
			return r;
		set_leaf(c, leaves);
	}
	return 0;
}

static int write_program(const struct sp_leaf *leaves, size_t count, struct sp_program *ret_program)
{
	_cleanup_(sp_bpf_clear) struct sp_assembly assembly = {0};
	struct sock_filter *code;
	size_t length;
	int r;

	sp_bpf_numbers(&assembly, leaves, count, SECCOMP_RET_KILL_PROCESS);
	r = sp_bpf_finish(&assembly, &code, &length);
	if (r == 0)
		*ret_program = (struct sp_program){(uint8_t *)code, length * sizeof(*code)};
	return r;
}

static int compile(struct compilation *c, struct sp_program *ret_program)
{
	struct decisions all[SP_NUMBERS + 1] = {0};
	struct sp_leaf leaves[SP_NUMBERS + 1];
	int r = decide_calls(c, all, leaves);

	if (r == 0)
		r = write_program(leaves, SP_ELEMENTS(leaves), ret_program);
	for (size_t i = 0; i < SP_ELEMENTS(all); i++)
		clear_decisions(&all[i]);
	return r;
}

static int compile_sandboxee(const struct sp_policy *policy, enum purpose purpose,
			     uint32_t intercept, struct sp_program *ret_program)
{
	struct compilation c = {.policy = policy, .purpose = purpose, .intercept = intercept};

	c.fallback = policy->default_action.set && policy->default_action.value == SP_ACTION_KILL
			 ? SECCOMP_RET_KILL_PROCESS
			 : intercept;
	return compile(&c, ret_program);
}

int sp_filter_compile(const struct sp_policy *policy, struct sp_program *ret_program)
{
	return compile_sandboxee(policy, PURPOSE_LOCK, SECCOMP_RET_TRAP, ret_program);
}

int sp_filter_compile_floor(const struct sp_policy *policy, struct sp_program *ret_program)
{
	return compile_sandboxee(policy, PURPOSE_FLOOR, SECCOMP_RET_USER_NOTIF, ret_program);
}

static uint32_t all_granted(const struct sp_policy *policy)
{
	uint32_t granted = 0;

	for (size_t i = 0; i < policy->path_count; i++)
		granted |= policy->paths[i].rights;
	return granted;
}

static int compile_porter(const struct sp_policy *policy, enum purpose purpose,
			  struct sp_program *ret_program)
{
	struct compilation c = {
	    .policy = policy,
	    .purpose = purpose,
	    .fallback = SECCOMP_RET_KILL_PROCESS,
	    .granted = all_granted(policy),
	};

	return compile(&c, ret_program);
}

int sp_filter_compile_porter(const struct sp_policy *policy, struct sp_program *ret_program)
{
	return compile_porter(policy, PURPOSE_PORTER, ret_program);
}

int sp_filter_compile_listener(const struct sp_policy *policy, struct sp_program *ret_program)
{
	return compile_porter(policy, PURPOSE_LISTENER, ret_program);
}
