/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the rules about calls to BPF. Every call gets an ordered list of decisions: what the runtime
 * needs first, then the policy's rules by rank, each held back by the guards that no policy can lift.
 */
#include "policy/filter.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/prctl.h>
#include <linux/seccomp.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "ipc/arch.h"
#include "ipc/runtime.h"
#include "ipc/util.h"
#include "policy/bpf.h"
#include "policy/names.h"
#include "policy/rights.h"
#include "policy/rules.h"
#include "policy/twins.h"

#define NAMESPACES                                                                                 \
	(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER |             \
	 CLONE_NEWPID | CLONE_NEWNET | 0x80ul /* CLONE_NEWTIME */)

/* ---- conditions that are not the policy's ---- */

/* One row: all tests must hold, or fail where `not` says so; an unused one is zero. */
struct row {
	int nr;
	struct {
		bool used, not ;
		struct sp_test test;
	} part[3];
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
/* seccomp(2) with these is intercepted, to enter a phase; and let through, to load the filter of one. A
 * process may always narrow itself. */
#define ENTERS_PHASE USED(INT_IS(0, SP_PHASE_OPERATION))
#define ADDS_FILTER                                                                                \
	USED(INT_IS(0, SECCOMP_SET_MODE_FILTER)), USED(INT_IS(1, SECCOMP_FILTER_FLAG_TSYNC))
static const struct row entering[] = {{__NR_seccomp, {ENTERS_PHASE}}};
static const struct row narrowing[] = {{__NR_seccomp, {ADDS_FILTER}}};

/* The reserved descriptors: two neighbours that differ in their lowest bit. */
#define RESERVED(a) INT_MASKED(a, 0xfffffffeu, SP_RESERVED_FIRST)
_Static_assert(SP_RESERVED_FIRST % 2 == 0 && SP_RESERVED_LAST == SP_RESERVED_FIRST + 1,
	       "RESERVED compares more, or fewer");

/* Always let through: they tell a process of itself, or act on what it holds. */
static const struct row harmless[] = {
    {__NR_fstat, {}},  {__NR_fchdir, {}}, {__NR_getcwd, {}},
    {__NR_gettid, {}}, {__NR_getpid, {}}, {__NR_sched_yield, {}},
};

/* Beside these, on a floor: what the porter makes a thread do (broker/tracee.c), and what a runtime on
 * top does that the policy may well refuse to others. */
static const struct row floor_needs[] = {
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
    {__NR_recvmsg, {USED(MARKED(5))}},
    {__NR_umask, {USED(MARKED(5))}},
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

/* And these everywhere. A child of the sandboxee's must not become the porter's: as a child, which it
 * must reap, or as a thread to trace, which it does not know. */
#define KINSHIP (CLONE_PARENT | CLONE_PTRACE | CLONE_UNTRACED)

static const struct row guards[] = {
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
};

/* Allowed with seccomp(2), but beside a runtime. */
static const struct row nested[] = {OPTION(PR_SET_SECCOMP)};

/* The kernel has one listener alone in a chain of filters (EBUSY), and says nothing of the years to come: a second one
 * could let through what the porter is asked for. Flags that we don't know (EINVAL) might mean as much; without a
 * program (EFAULT) there is no listener. */
#define LISTENS                                                                                    \
	USED(INT_IS(0, SECCOMP_SET_MODE_FILTER)),                                                  \
	    USED(                                                                                  \
		INT_MASKED(1, SECCOMP_FILTER_FLAG_NEW_LISTENER, SECCOMP_FILTER_FLAG_NEW_LISTENER))
static const struct row strange_listeners[] = {
    {__NR_seccomp, {LISTENS, NOT(INT_MASKED(1, ~0x3fu, 0))}}};
static const struct row listeners[] = {{__NR_seccomp, {LISTENS, NOT(LONG_IS(2, 0))}}};

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

/* Sockets that can be connected by a name, and no other way. */
static const struct row connected[] = {
    {__NR_socket, {USED(INT_IS(0, AF_UNIX)), USED(INT_MASKED(1, 0xf, SOCK_STREAM))}},
    {__NR_socket, {USED(INT_IS(0, AF_UNIX)), USED(INT_MASKED(1, 0xf, SOCK_SEQPACKET))}},
};

/* Where addresses are named: sockets of the outer network, which the porter makes. */
#define TCP(family, protocol)                                                                      \
	{                                                                                          \
		__NR_socket,                                                                       \
		{                                                                                  \
			USED(INT_IS(0, family)), USED(INT_MASKED(1, SP_SOCKET_TYPE, SOCK_STREAM)), \
			    USED(INT_IS(2, protocol))                                              \
		}                                                                                  \
	}
static const struct row tcp_sockets[] = {
    TCP(AF_INET, 0),
    TCP(AF_INET, IPPROTO_TCP),
    TCP(AF_INET6, 0),
    TCP(AF_INET6, IPPROTO_TCP),
};

/*
 * What any policy may allow where there may be such sockets. By all else they could reach, or be reached by, what was not
 * named: data with the first packet (MSG_FASTOPEN), another interface, routes by way of others (IP_OPTIONS, IPV6_RTHDR),
 * other protocols on top, groups. SO_LINGER makes whoever closes a copy wait, which the porter might be.
 */
#define SETS(level, option)                                                                        \
	{                                                                                          \
		__NR_setsockopt,                                                                   \
		{                                                                                  \
			USED(INT_IS(1, level)), USED(INT_IS(2, option))                            \
		}                                                                                  \
	}
static const struct row tcp_guards[] = {
    {__NR_sendto, {NOT(INT_MASKED(3, MSG_FASTOPEN, MSG_FASTOPEN))}},
    {__NR_sendmsg, {NOT(INT_MASKED(2, MSG_FASTOPEN, MSG_FASTOPEN))}},
    {__NR_sendmmsg, {NOT(INT_MASKED(3, MSG_FASTOPEN, MSG_FASTOPEN))}},
    /* Of the requests to sockets (0x8900 and 0x8b00 on) the one that asks about their data. */
    {__NR_ioctl, {NOT(INT_MASKED(1, 0xfffffc00, 0x8800))}},
    {__NR_ioctl, {USED(INT_IS(1, SIOCATMARK))}},
    SETS(SOL_SOCKET, SO_REUSEADDR),
    SETS(SOL_SOCKET, SO_SNDBUF),
    SETS(SOL_SOCKET, SO_RCVBUF),
    SETS(SOL_SOCKET, SO_KEEPALIVE),
    SETS(SOL_SOCKET, SO_OOBINLINE),
    SETS(SOL_SOCKET, SO_PRIORITY),
    SETS(SOL_SOCKET, SO_PASSCRED),
    SETS(SOL_SOCKET, SO_RCVLOWAT),
    SETS(SOL_SOCKET, SO_RCVTIMEO_OLD),
    SETS(SOL_SOCKET, SO_SNDTIMEO_OLD),
    SETS(SOL_SOCKET, SO_RCVTIMEO_NEW),
    SETS(SOL_SOCKET, SO_SNDTIMEO_NEW),
    SETS(IPPROTO_TCP, TCP_NODELAY),
    SETS(IPPROTO_TCP, TCP_MAXSEG),
    SETS(IPPROTO_TCP, TCP_CORK),
    SETS(IPPROTO_TCP, TCP_KEEPIDLE),
    SETS(IPPROTO_TCP, TCP_KEEPINTVL),
    SETS(IPPROTO_TCP, TCP_KEEPCNT),
    SETS(IPPROTO_TCP, TCP_SYNCNT),
    SETS(IPPROTO_TCP, TCP_LINGER2),
    SETS(IPPROTO_TCP, TCP_WINDOW_CLAMP),
    SETS(IPPROTO_TCP, TCP_QUICKACK),
    SETS(IPPROTO_TCP, TCP_USER_TIMEOUT),
    SETS(IPPROTO_TCP, TCP_NOTSENT_LOWAT),
    SETS(IPPROTO_IP, IP_TOS),
    SETS(IPPROTO_IP, IP_TTL),
    SETS(IPPROTO_IP, IP_MTU_DISCOVER),
    SETS(IPPROTO_IP, IP_RECVERR),
    SETS(IPPROTO_IPV6, IPV6_UNICAST_HOPS),
    SETS(IPPROTO_IPV6, IPV6_V6ONLY),
    SETS(IPPROTO_IPV6, IPV6_TCLASS),
    SETS(IPPROTO_IPV6, IPV6_RECVERR),
};

/* ---- one call ---- */

/* What happens where the condition (NULL: always) holds and that of no earlier decision does. Where
 * there is a guard that does not hold, `otherwise` happens in its place. */
struct decision {
	uint32_t action, otherwise;
	struct sp_condition *where, *guard; /* owned */
	const char *source;                 /* where the rule stands; borrowed */
	const struct sp_call_rule *rule;    /* NULL: built in, or the default; borrowed */
	bool final;                         /* no bounding policy is asked */
	int error; /* how a denial fails where nobody can be asked; 0: ENOSYS */
};

struct decisions {
	struct decision *list;
	size_t count;
};

/* What the program is for. */
enum purpose {
	PURPOSE_LOCK,  /* a runtime answers its traps */
	PURPOSE_FLOOR, /* the porter answers its notifications */
	PURPOSE_ALONE, /* nobody answers: what another one would, the kernel does */
	PURPOSE_PORTER,
	PURPOSE_LISTENER, /* the porter of a program on a floor */
};

struct compilation {
	const struct sp_policy *policy; /* the one in hand: the policy itself, or what bounds it */
	enum purpose purpose;
	bool phased;  /* phases may be entered later */
	bool bounds;  /* the policy in hand bounds another, which has had its say */
	bool watched; /* what a wall, and no filter, would refuse comes before the porter too */
	uint32_t intercept; /* the action that brings a call before the porter */
	uint32_t granted; /* but for the first two: all rights that the policy grants on any name */
	int nr;           /* the call in hand */
	struct decisions *decisions;
};

/* Takes both conditions. */
static int decide(struct compilation *c, const struct decision *decision)
{
	struct decisions *decisions = c->decisions;
	struct decision *grown =
	    reallocarray(decisions->list, decisions->count + 1, sizeof(*grown));

	if (!grown) {
		sp_condition_free(decision->where);
		sp_condition_free(decision->guard);
		return -ENOMEM;
	}
	decisions->list = grown;
	grown[decisions->count] = *decision;
	grown[decisions->count++].otherwise = c->intercept;
	return 0;
}

/* Without a condition, and for every policy that bounds this one. */
static int decide_finally(struct compilation *c, uint32_t action, const char *source)
{
	return decide(c, &(struct decision){.action = action, .source = source, .final = true});
}

static int decide_always(struct compilation *c, uint32_t action, const char *source)
{
	return decide(c, &(struct decision){.action = action, .source = source});
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

/* `model` with the condition of each row of the call. */
static int decide_rows(struct compilation *c, const struct decision *model, const struct row *rows,
		       size_t count)
{
	const struct row *row = NULL;
	int r = 0;

	while (r == 0 && (row = next_row(rows, count, c->nr, row))) {
		struct decision decision = *model;

		r = condition_of(row, &decision.where);
		if (r == 0)
			r = decide(c, &decision);
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

/*
 * A filter cannot read names: what some rule might grant is let through where nobody else is asked, so
 * that whatever the filter stands in has to keep the names apart.
 */
static uint32_t brokered_alone(const struct compilation *c)
{
	const struct sp_call_info *info = sp_call_find(c->nr);
	uint32_t rights = sp_operation_rights(info->operation);

	return c->granted & rights ? SECCOMP_RET_ALLOW : SECCOMP_RET_ERRNO | EACCES;
}

static uint32_t action_of(const struct compilation *c, const struct sp_call_rule *rule)
{
	switch (rule->action) {
	case SP_ACTION_ASK: /* the kernel keeps the data to itself: the porter runs the floor again */
		return c->purpose == PURPOSE_FLOOR && sp_call_class(c->nr) == SP_CLASS_ORDINARY
			   ? c->intercept | SP_FLOOR_ASKS
			   : c->intercept;
	case SP_ACTION_ALLOW:
		return SECCOMP_RET_ALLOW;
	case SP_ACTION_LOG:
		return SECCOMP_RET_LOG;
	case SP_ACTION_ERRNO:
		return SECCOMP_RET_ERRNO | (uint32_t)rule->error;
	case SP_ACTION_TRAP: /* the runtime would take it for its own */
		return c->purpose == PURPOSE_LOCK ? c->intercept
						  : SECCOMP_RET_TRAP | (uint32_t)rule->error;
	case SP_ACTION_KILL_THREAD:
		return SECCOMP_RET_KILL_THREAD;
	case SP_ACTION_KILL:
		return SECCOMP_RET_KILL_PROCESS;
	case SP_ACTION_DENY:
		return c->purpose == PURPOSE_ALONE ? SECCOMP_RET_ERRNO | (uint32_t)rule->error
						   : c->intercept;
	case SP_ACTION_BROKER:
		return c->purpose == PURPOSE_ALONE ? brokered_alone(c) : c->intercept;
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
	if (r == 0 && sp_model_grants_addresses(c->policy))
		r = guard_by(tcp_guards, SP_ELEMENTS(tcp_guards), c->nr, &guard);
	if (r == 0 && is_single(c->policy))
		r = guard_by(one_process, SP_ELEMENTS(one_process), c->nr, &guard);
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

static int add_rule(struct compilation *c, const struct sp_call_rule *rule)
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
	return decide(c, &(struct decision){.action = action_of(c, rule),
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

/* The rules for a call, as many as there are; into `ret_rules` where it is not NULL. */
static size_t find_rules(const struct sp_policy *policy, int nr, bool allowable,
			 const struct sp_call_rule **ret_rules)
{
	size_t count = 0;

	for (size_t i = 0; i < policy->call_count; i++) {
		const struct sp_call_rule *rule = &policy->calls[i];

		if (rule->nr != nr || (!allowable && grants(rule)))
			continue;
		if (ret_rules)
			ret_rules[count] = rule;
		count++;
	}
	return count;
}

/* The same in their order, to be freed; NULL where there are none. */
static int order_rules(const struct sp_policy *policy, int nr, bool allowable,
		       const struct sp_call_rule ***ret_rules, size_t *ret_count)
{
	size_t count = find_rules(policy, nr, allowable, NULL);
	const struct sp_call_rule **rules;

	*ret_rules = NULL;
	*ret_count = count;

	if (count == 0)
		return 0;
	rules = calloc(count, sizeof(struct sp_call_rule *));
	if (!rules)
		return -ENOMEM;
	(void)find_rules(policy, nr, allowable, rules);
	qsort(rules, count, sizeof(struct sp_call_rule *), compare_rules);
	*ret_rules = rules;
	return 0;
}

int sp_model_order_calls(const struct sp_policy *policy, int nr,
			 const struct sp_call_rule ***ret_rules, size_t *ret_count)
{
	int r = order_rules(policy, nr, true, ret_rules, ret_count);

	for (size_t i = 0; r == 0 && i < *ret_count; i++)
		if (!(*ret_rules)[i]->condition)
			*ret_count = i + 1;
	return r;
}

/* The rules in their order; where the call can't be allowed, those that would not. */
static int add_rules(struct compilation *c, bool allowable)
{
	_cleanup_free_ const struct sp_call_rule **rules = NULL;
	size_t count;
	int r = order_rules(c->policy, c->nr, allowable, &rules, &count);

	for (size_t i = 0; r == 0 && i < count; i++)
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

static const char built_in_never[] = "built in: never allowed";
static const char built_in_runtime[] = "built in: the sandbox's own";
static const char built_in_harmless[] = "built in: always allowed";
static const char built_in_brokered[] = "built in: brokered";
static const char built_in_nested[] = "built in: no filters of its own beside a runtime";
static const char built_in_listener[] = "built in: the sandbox has the one listener";
static const char built_in_default[] = "built in: default deny as ENOSYS";
static const char built_in_wx[] = "built in: memory { wx deny }";
static const char built_in_network[] =
    "built in: what connects to the sockets and addresses that are named";
static const char built_in_addresses[] = "built in: no servers where TCP addresses are named";
static const char built_in_clone3[] = "built in: clone instead of clone3";
static const char built_in_none[] = "built in: no call";
static const char built_in_foreign[] = "built in: calls of another architecture";

static int decide_default(struct compilation *c, const char *built_in)
{
	const struct sp_setting *setting = &c->policy->default_action;
	const struct sp_call_rule rule = {
	    .action = setting->set ? (enum sp_action)setting->value : SP_ACTION_DENY,
	    .error = setting->set ? (int)c->policy->default_error.value : ENOSYS,
	};

	return decide(c, &(struct decision){.action = action_of(c, &rule),
					    .source = sp_setting_source(setting, built_in),
					    .error = error_of(&rule)});
}

/* What the policy says of a call that it can't allow, then `source` intercepts it. */
static int add_refusal(struct compilation *c, const char *source)
{
	int r = add_rules(c, false);

	return r < 0 ? r : decide_always(c, c->intercept, source);
}

/* What stands before all rules. */
static int add_needs(struct compilation *c)
{
	static const struct decision own = {.source = built_in_runtime, .final = true},
				     any = {.source = built_in_harmless, .final = true};
	struct decision allow_own = own, allow_any = any;
	int r;

	if (c->bounds)
		return 0;
	allow_own.action = allow_any.action = SECCOMP_RET_ALLOW;
	r = decide_rows(c, &allow_any, harmless, SP_ELEMENTS(harmless));
	if (r < 0 || c->purpose == PURPOSE_ALONE)
		return r;
	return c->purpose == PURPOSE_LOCK
		   ? decide_rows(c, &allow_own, needs, SP_ELEMENTS(needs))
		   : decide_rows(c, &allow_own, floor_needs, SP_ELEMENTS(floor_needs));
}

static int add_memory(struct compilation *c)
{
	const struct decision refuse = {.action = c->intercept,
					.source = sp_setting_source(&c->policy->wx, built_in_wx)};

	if (c->policy->wx.set && c->policy->wx.value)
		return 0;
	return decide_rows(c, &refuse, writable_code, SP_ELEMENTS(writable_code));
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
static int add_nested(struct compilation *c)
{
	const struct sp_call_rule *rule = find_nested(c->policy);

	if (!rule || c->purpose == PURPOSE_LOCK)
		return 0;
	return decide_rows(c,
			   &(struct decision){.action = action_of(c, rule), .source = rule->source},
			   nested, SP_ELEMENTS(nested));
}

static int add_listeners(struct compilation *c)
{
	static const struct decision busy = {.action = SECCOMP_RET_ERRNO | EBUSY,
					     .source = built_in_listener},
				     invalid = {.action = SECCOMP_RET_ERRNO | EINVAL,
						.source = built_in_listener};
	int r;

	if (c->purpose != PURPOSE_FLOOR || c->nr != __NR_seccomp || !may_nest(c->policy))
		return 0;
	r = decide_rows(c, &invalid, strange_listeners, SP_ELEMENTS(strange_listeners));
	return r < 0 ? r : decide_rows(c, &busy, listeners, SP_ELEMENTS(listeners));
}

/* Or may, by an edit. */
static bool grants_right(const struct compilation *c, uint32_t right)
{
	const struct sp_policy *policy = c->policy;

	if (!c->bounds && c->purpose != PURPOSE_ALONE && (sp_model_givable(policy) & right))
		return true;
	for (size_t i = 0; i < policy->path_count; i++)
		if (policy->paths[i].rights & right)
			return true;
	return false;
}

/* What a server of the sandbox's own does. Which socket it is that listens, where one might be of TCP, only the
 * porter can tell. */
static int add_server(struct compilation *c, bool addresses)
{
	if (c->nr == __NR_accept || c->nr == __NR_accept4 || (c->nr == __NR_listen && !addresses))
		return decide_always(c, SECCOMP_RET_ALLOW, built_in_network);
	if (c->nr == __NR_bind || c->nr == __NR_listen)
		return decide_always(c, c->intercept, built_in_network);
	return 0;
}

/* Where sockets or addresses are named, the porter connects to them, and nobody to others. */
static int add_network(struct compilation *c)
{
	static const struct decision allow = {.action = SECCOMP_RET_ALLOW,
					      .source = built_in_network};
	const struct decision broker = {.action = c->intercept, .source = built_in_network};
	bool names = grants_right(c, SP_RIGHT_CONNECT), binds = grants_right(c, SP_RIGHT_BIND),
	     addresses = sp_model_grants_addresses(c->policy);
	int r = 0;

	if (binds)
		r = add_server(c, addresses);
	if (r == 0 && (names || binds))
		r = decide_rows(c, &allow, connected, SP_ELEMENTS(connected));
	if (r == 0 && addresses)
		r = decide_rows(c, &broker, tcp_sockets, SP_ELEMENTS(tcp_sockets));
	return r == 0 && c->nr == __NR_connect && (names || addresses)
		   ? decide_always(c, c->intercept, built_in_network)
		   : r;
}

/* What a network namespace of one's own, in which nothing is up, refuses. */
static bool reaches_network(int nr)
{
	return nr == __NR_connect || nr == __NR_bind || nr == __NR_sendto || nr == __NR_sendmsg;
}

/* What makes others come, of a socket of the outer network. */
static bool serves(int nr)
{
	return nr == __NR_bind || nr == __NR_listen;
}

static int add_ordinary(struct compilation *c)
{
	int r;

	if (c->watched && reaches_network(c->nr))
		return decide_finally(c, c->intercept, NULL);
	r = add_needs(c);

	if (r == 0)
		r = add_memory(c);
	if (r == 0)
		r = add_nested(c);
	if (r == 0)
		r = add_listeners(c);
	if (r == 0)
		r = add_network(c);
	if (r < 0)
		return r;
	if (is_mediated(c->nr))
		return c->purpose == PURPOSE_LOCK
			   ? add_refusal(c, built_in_runtime)
			   : decide_finally(c, SECCOMP_RET_ALLOW, built_in_harmless);
	if (serves(c->nr) && sp_model_grants_addresses(c->policy))
		return add_refusal(c, built_in_addresses);
	if (makes_process(c->nr) && is_single(c->policy))
		return add_refusal(c, c->policy->limits[SP_LIMIT_PROCESSES].source);
	r = add_rules(c, true);
	return r < 0 ? r : decide_default(c, built_in_default);
}

static int add_unnamed(struct compilation *c, const char *source)
{
	int r = add_rules(c, false);

	return r < 0 ? r : decide_default(c, source);
}

static int add_brokered(struct compilation *c)
{
	int r = add_rules(c, false);

	return r < 0 ? r
		     : decide_always(c,
				     c->purpose == PURPOSE_ALONE ? brokered_alone(c) : c->intercept,
				     built_in_brokered);
}

static int add_phases(struct compilation *c)
{
	const struct decision enter = {.action = c->intercept,
				       .source = built_in_runtime,
				       .final = true},
			      narrow = {.action = SECCOMP_RET_ALLOW,
					.source = built_in_runtime,
					.final = true};
	int r;

	if (!c->phased || c->bounds)
		return 0;
	r = decide_rows(c, &enter, entering, SP_ELEMENTS(entering));
	return r < 0 ? r : decide_rows(c, &narrow, narrowing, SP_ELEMENTS(narrowing));
}

static int decide_call(struct compilation *c)
{
	int r = add_phases(c);

	if (r < 0)
		return r;
	switch (sp_call_class(c->nr)) {
	case SP_CLASS_ALWAYS:
		return decide_finally(c, SECCOMP_RET_ALLOW, built_in_harmless);
	case SP_CLASS_CLONE3:
		return decide_finally(c, SECCOMP_RET_ERRNO | ENOSYS, built_in_clone3);
	case SP_CLASS_BROKERED:
		return add_brokered(c);
	case SP_CLASS_NESTED:
		return c->purpose == PURPOSE_LOCK ? add_refusal(c, built_in_nested)
						  : add_ordinary(c);
	case SP_CLASS_NAMING:
	case SP_CLASS_FORBIDDEN:
		return add_unnamed(c, built_in_never);
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
    {__NR_mknodat, SP_RIGHT_CREATE, false},
    {__NR_symlinkat, SP_RIGHT_CREATE, false},
    {__NR_linkat, SP_RIGHT_CREATE, false},
    {__NR_unlinkat, SP_RIGHT_DELETE, false},
    {__NR_renameat, SP_RIGHT_DELETE, false},
    {__NR_renameat2, SP_RIGHT_DELETE, false},
    {__NR_ftruncate, SP_RIGHT_WRITE, false},
    {__NR_ftruncate, 0, true}, /* of a descriptor that the caller has */
    {__NR_fchmodat, SP_RIGHT_WRITE, false},
    {__NR_utimensat, SP_RIGHT_WRITE, false},
    {__NR_fchownat, SP_RIGHT_WRITE, false},
    {__NR_fchdir, 0, false},
    {__NR_getxattr, 0, false},
    {__NR_listxattr, 0, false},
    {__NR_setxattr, SP_RIGHT_WRITE, false},
    {__NR_removexattr, SP_RIGHT_WRITE, false},
    {__NR_umask, SP_RIGHT_CREATE | SP_RIGHT_BIND, false},
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
    {__NR_memfd_create, 0, true},
    {__NR_eventfd2, 0, true},
    {__NR_pidfd_open, 0, true},
    {__NR_pidfd_getfd, 0, true},
    {__NR_kcmp, 0, true},
    {__NR_getsockopt, 0, true}, /* in a permissive launch: what kind of socket would be connected */
    {__NR_pidfd_open, SP_RIGHT_CONNECT | SP_RIGHT_BIND | SP_RIGHT_CREATE | SP_RIGHT_READ, false},
    {__NR_pidfd_getfd, SP_RIGHT_CONNECT | SP_RIGHT_BIND | SP_RIGHT_CREATE | SP_RIGHT_READ, false},
    {__NR_inotify_add_watch, SP_RIGHT_READ, false},
    {__NR_getsockopt, SP_RIGHT_CONNECT | SP_RIGHT_BIND, false},
    {__NR_connect, SP_RIGHT_CONNECT, false},
    {__NR_bind, SP_RIGHT_BIND, false},
    {__NR_listen, SP_RIGHT_BIND, false},
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

/* No memory of the porter's is ever executable. The only processes that it makes are threads, and the
 * only signal that it sends them means nothing to others. */
static const struct row porter_rows[] = {
    {__NR_mmap, {USED(LONG_MASKED(2, PROT_EXEC, 0))}},
    {__NR_mprotect, {USED(LONG_MASKED(2, PROT_EXEC, 0))}},
    {__NR_clone, {USED(LONG_IS(0, SP_WORKER_CLONE))}},
    {__NR_tgkill, {USED(INT_IS(2, SP_WORKER_SIGNAL))}},
};

/* And these where addresses are named. */
static const struct row tcp_porter_rows[] = {
    TCP(AF_INET, IPPROTO_TCP),
    TCP(AF_INET6, IPPROTO_TCP),
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

static bool is_porter(const struct compilation *c)
{
	return c->purpose == PURPOSE_PORTER || c->purpose == PURPOSE_LISTENER;
}

static int decide_porter_call(struct compilation *c)
{
	static const char source[] = "built in: the porter's work";
	const struct decision allow = {.action = SECCOMP_RET_ALLOW, .source = source};
	int r = porter_needs(c) ? decide(c, &allow)
				: decide_rows(c, &allow, porter_rows, SP_ELEMENTS(porter_rows));

	if (r == 0 && c->purpose == PURPOSE_LISTENER)
		r = decide_rows(c, &allow, listener_rows, SP_ELEMENTS(listener_rows));
	if (r == 0 && sp_model_grants_addresses(c->policy))
		r = decide_rows(c, &allow, tcp_porter_rows, SP_ELEMENTS(tcp_porter_rows));
	return r < 0 ? r : decide_always(c, SECCOMP_RET_KILL_PROCESS, source);
}

/* ---- policies that bound each other ---- */

/* Numbers that a name may have, and then by their first: what lies beyond, the runtime's own, and what
 * lies beyond those. */
enum { BEYOND = SP_NUMBERS, RESERVED_NUMBERS, FURTHER, CALLS };

static const uint32_t first_beyond[] = {SP_NUMBERS, SP_NR_CHANNEL, SP_NR_RESERVED_LAST + 1};

static uint32_t first_number(uint32_t nr)
{
	return nr < SP_NUMBERS ? nr : first_beyond[nr - SP_NUMBERS];
}

static int leaf_of(uint32_t nr)
{
	if (nr < SP_NUMBERS)
		return (int)nr;
	if (nr < SP_NR_CHANNEL)
		return BEYOND;
	return nr <= SP_NR_RESERVED_LAST ? RESERVED_NUMBERS : FURTHER;
}

/* What each policy, of those that bound each other, says of one call. */
struct layers {
	const struct decisions *layer[SP_LAYERS_MAX];
	size_t count;
};

struct draft {
	struct decisions *decisions; /* owned: of each layer, of each call */
	size_t count;
	struct layers call[CALLS];
	uint32_t architectures; /* that are looked up besides the native one */
	struct layers twin[SP_TWIN_COUNT][SP_TWIN_NUMBERS + 1];
};

static void clear_draft(struct draft *draft)
{
	for (size_t i = 0; i < draft->count; i++)
		clear_decisions(&draft->decisions[i]);
	free(draft->decisions);
}

/* Of the verdicts of two policies that bound each other one stands: that which leaves less. */
static unsigned strictness(uint32_t action)
{
	switch (action & SECCOMP_RET_ACTION_FULL) {
	case SECCOMP_RET_ALLOW:
		return 0;
	case SECCOMP_RET_LOG:
		return 1;
	case SECCOMP_RET_ERRNO: /* the porter might have granted it */
		return 4;
	case SECCOMP_RET_TRAP:
		return action & SECCOMP_RET_DATA ? 5 : 3;
	case SECCOMP_RET_KILL_THREAD:
		return 6;
	case SECCOMP_RET_KILL_PROCESS:
		return 7;
	default:
		return action & SECCOMP_RET_DATA ? 2 : 3; /* who is asked may allow it */
	}
}

static uint32_t stricter(uint32_t a, uint32_t b)
{
	return strictness(b) > strictness(a) ? b : a;
}

/* What follows an unconditional decision is never reached. */
static void cut_decisions(struct decisions *decisions)
{
	size_t kept = 0;

	while (kept < decisions->count && decisions->list[kept].where)
		kept++;
	for (size_t i = kept + 1; i < decisions->count; i++) {
		sp_condition_free(decisions->list[i].where);
		sp_condition_free(decisions->list[i].guard);
	}
	if (kept < decisions->count)
		decisions->count = kept + 1;
}

/* What the kernel does of itself: nothing that is built in comes before it. */
static int decide_strictly(struct compilation *c)
{
	return decide_finally(
	    c, sp_strict_allows(c->nr) ? SECCOMP_RET_ALLOW : SECCOMP_RET_KILL_PROCESS,
	    c->policy->strict.source);
}

/* The call in hand, which may have no name. */
static int decide_any(struct compilation *c)
{
	if (is_porter(c))
		return decide_porter_call(c);
	if (c->policy->strict.set)
		return decide_strictly(c);
	if (c->nr == RESERVED_NUMBERS && c->purpose != PURPOSE_ALONE)
		return decide_finally(c,
				      c->purpose == PURPOSE_LOCK ? SECCOMP_RET_ALLOW : c->intercept,
				      built_in_runtime);
	return sp_call_name(c->nr) ? decide_call(c) : decide_default(c, built_in_default);
}

/* All calls, as the policy in hand sees them. */
static int decide_layer(struct compilation *c, struct decisions *all)
{
	for (c->nr = 0; c->nr < CALLS; c->nr++) {
		int r;

		c->decisions = &all[c->nr];
		r = decide_any(c);
		if (r < 0)
			return r;
		cut_decisions(c->decisions);
	}
	return 0;
}

/* ---- twins: calls of other architectures, by their names ---- */

/* A test whose outcome the lower half of an argument alone decides: the upper one may hold anything, of which the kernel
 * sees nothing. NOLINTNEXTLINE(misc-no-recursion): as deep as the condition */
static bool is_comparable(const struct sp_condition *condition, unsigned arguments)
{
	const struct sp_test *test;

	if (!condition)
		return true;
	if (condition->kind != SP_CONDITION_TEST)
		return is_comparable(condition->left, arguments) &&
		       is_comparable(condition->right, arguments);
	test = &condition->test;
	return (arguments & 1u << test->argument) &&
	       (!test->wide ||
		(test->kind == SP_TEST_MASKED && ((test->mask | test->value) >> 32) == 0));
}

static bool lets_through(uint32_t action)
{
	action &= SECCOMP_RET_ACTION_FULL;
	return action == SECCOMP_RET_ALLOW || action == SECCOMP_RET_LOG;
}

/* Nobody is asked about a twin, neither a handler, which has the signal frame of another architecture, nor a porter: what
 * would go to them fails. */
static uint32_t twin_action(const struct sp_twin *twin, uint32_t action, int error)
{
	switch (action & SECCOMP_RET_ACTION_FULL) {
	case SECCOMP_RET_KILL_PROCESS:
	case SECCOMP_RET_KILL_THREAD:
	case SECCOMP_RET_ERRNO:
		return action;
	case SECCOMP_RET_ALLOW:
	case SECCOMP_RET_LOG:
		if (twin->given)
			return action;
		return SECCOMP_RET_ERRNO | ENOSYS;
	default:
		return SECCOMP_RET_ERRNO | (uint32_t)(error ? error : ENOSYS);
	}
}

/*
 * What a decision on the native call is on the twin. A condition that can't be told leaves what comes after it where it would
 * only have let more through, and refuses everything otherwise: a twin is never let through where the native call would
 * not be. Returns false where it is left out.
 */
static bool translate(const struct decision *from, const struct sp_twin *twin, struct decision *ret)
{
	bool where = is_comparable(from->where, twin->comparable);
	bool guard = is_comparable(from->guard, twin->comparable);

	if (from->action == SECCOMP_RET_ALLOW && !from->guard &&
	    (!where || from->source == built_in_runtime))
		return false;
	*ret = (struct decision){.action = twin_action(twin, from->action, from->error),
				 .where = where ? from->where : NULL,
				 .guard = where && guard ? from->guard : NULL,
				 .source = from->source,
				 .rule = from->rule,
				 .final = where && guard && from->final};
	if (!where || (!guard && lets_through(from->action)))
		ret->action = SECCOMP_RET_ERRNO | ENOSYS;
	return true;
}

static int copy_condition(const struct sp_condition *from, struct sp_condition **ret)
{
	*ret = from ? sp_condition_copy(from) : NULL;
	return from && !*ret ? -ENOMEM : 0;
}

/* Into c->decisions. */
static int add_translation(struct compilation *c, const struct decision *from,
			   const struct sp_twin *twin)
{
	struct decision decision;
	struct sp_condition *where = NULL, *guard = NULL;
	int r;

	if (!translate(from, twin, &decision))
		return 0;
	r = copy_condition(decision.where, &where);
	if (r == 0)
		r = copy_condition(decision.guard, &guard);
	if (r < 0) {
		sp_condition_free(where);
		return r;
	}
	decision.where = where;
	decision.guard = guard;
	r = decide(c, &decision);
	if (r == 0)
		c->decisions->list[c->decisions->count - 1].otherwise =
		    twin_action(twin, from->otherwise, 0);
	return r;
}

static int decide_twin(struct compilation *c, const struct decisions *native,
		       const struct sp_twin *twin)
{
	int r = 0;

	for (size_t i = 0; i < native->count && r == 0; i++)
		r = add_translation(c, &native->list[i], twin);
	if (r == 0)
		r = decide_always(c, SECCOMP_RET_ERRNO | ENOSYS, built_in_foreign);
	if (r == 0)
		cut_decisions(c->decisions);
	return r;
}

/* By number among the decisions of a layer. */
static int native_of(const struct sp_twin *twin)
{
	return twin->native >= 0 ? twin->native : BEYOND;
}

/* All calls of one architecture, as the policy in hand sees them. */
static int decide_architecture(struct compilation *c, const struct decisions *native,
			       size_t architecture, struct draft *draft, struct decisions *all)
{
	int r = 0;

	for (uint32_t nr = 0; nr <= SP_TWIN_NUMBERS && r == 0; nr++) {
		struct layers *layers = &draft->twin[architecture][nr];
		struct sp_twin twin = sp_twin_find(1u << architecture, nr);

		c->decisions = &all[nr];
		r = decide_twin(c, &native[native_of(&twin)], &twin);
		layers->layer[layers->count++] = c->decisions;
	}
	return r;
}

#define TWINS ((size_t)SP_TWIN_COUNT * (SP_TWIN_NUMBERS + 1))

static int decide_twins(struct compilation *c, const struct decisions *native, struct draft *draft,
			struct decisions *all)
{
	int r = 0;

	for (size_t a = 0; a < SP_TWIN_COUNT && r == 0; a++)
		if (draft->architectures & 1u << a)
			r = decide_architecture(c, native, a, draft,
						all + a * (SP_TWIN_NUMBERS + 1));
	return r;
}

static int make_draft(struct compilation *c, struct draft *draft)
{
	const struct sp_policy *layers[SP_LAYERS_MAX] = {c->policy};
	size_t count = is_porter(c) ? 1 : sp_model_layers(c->policy, layers);

	draft->architectures = is_porter(c) ? 0 : sp_model_architectures(c->policy);
	draft->count = count * (CALLS + (draft->architectures ? TWINS : 0));
	draft->decisions = calloc(draft->count, sizeof(*draft->decisions));
	if (!draft->decisions)
		return -ENOMEM;
	for (size_t layer = 0; layer < count; layer++) {
		struct decisions *all = draft->decisions + layer * CALLS;
		int r;

		c->policy = layers[layer];
		c->bounds = layer > 0;
		r = decide_layer(c, all);
		if (r == 0 && draft->architectures)
			r = decide_twins(c, all, draft,
					 draft->decisions + count * CALLS + layer * TWINS);
		if (r < 0)
			return r;
		for (size_t nr = 0; nr < CALLS; nr++)
			draft->call[nr].layer[draft->call[nr].count++] = &all[nr];
	}
	return 0;
}

/* ---- the program ---- */

/* The code of one call. What was written already for the policies from `index` on, where those before them say
 * `action`, is used again: without this each policy would multiply the code of the next by its conditions. */
struct writing {
	struct sp_assembly *assembly;
	const struct layers *layers;
	struct {
		size_t index;
		uint32_t action;
		struct sp_label label;
	} written[4 * SP_LAYERS_MAX];
	size_t written_count;
};

static struct sp_label write_decisions(struct writing *w, size_t index, uint32_t action);

/* What one policy leaves of an action, the next may narrow.
 * NOLINTNEXTLINE(misc-no-recursion): as deep as there are layers */
static struct sp_label write_layer(struct writing *w, size_t index, uint32_t action)
{
	struct sp_label label;

	if (index == w->layers->count || strictness(action) == strictness(SECCOMP_RET_KILL_PROCESS))
		return sp_bpf_return(w->assembly, action);
	for (size_t i = 0; i < w->written_count; i++)
		if (w->written[i].index == index && w->written[i].action == action)
			return w->written[i].label;
	label = write_decisions(w, index, action);
	if (w->written_count < SP_ELEMENTS(w->written)) {
		w->written[w->written_count].index = index;
		w->written[w->written_count].action = action;
		w->written[w->written_count++].label = label;
	}
	return label;
}

/* The last of the decisions is written first. NOLINTNEXTLINE(misc-no-recursion): as deep as there are layers */
static struct sp_label write_decisions(struct writing *w, size_t index, uint32_t action)
{
	const struct decisions *decisions = w->layers->layer[index];
	struct sp_label label = {.word = SP_BPF_NO_WORD};

	for (size_t i = decisions->count; i-- > 0;) {
		const struct decision *d = &decisions->list[i];
		uint32_t said = stricter(action, d->action);
		struct sp_label yes =
		    d->final ? sp_bpf_return(w->assembly, said) : write_layer(w, index + 1, said);

		if (d->guard)
			yes = sp_bpf_condition(
			    w->assembly, d->guard, yes,
			    write_layer(w, index + 1, stricter(action, d->otherwise)));
		label = d->where ? sp_bpf_condition(w->assembly, d->where, yes, label) : yes;
	}
	return label;
}

static struct sp_label write_call(struct sp_assembly *assembly, const struct sp_leaf *leaf)
{
	struct writing writing = {.assembly = assembly, .layers = leaf->data};

	return write_layer(&writing, 0, SECCOMP_RET_ALLOW);
}

/* Leaves of one kind are joined: calls without a condition go by their action, others stand alone. */
static uint64_t kind_of(const struct layers *layers, uint64_t nr)
{
	uint32_t action = SECCOMP_RET_ALLOW;

	for (size_t i = 0; i < layers->count; i++) {
		const struct decisions *decisions = layers->layer[i];

		if (decisions->count != 1 || decisions->list[0].guard)
			return UINT64_C(1) << 32 | nr;
		action = stricter(action, decisions->list[0].action);
		if (decisions->list[0].final)
			break;
	}
	return action;
}

/* The leaves of a program. */
struct foliage {
	struct sp_leaf native[CALLS];
	struct sp_leaf twin[SP_TWIN_COUNT][SP_TWIN_NUMBERS + 1];
	struct sp_twin_leaves twins;
};

static int write_program(const struct foliage *foliage, int singles, struct sp_program *ret_program)
{
	_cleanup_(sp_bpf_clear) struct sp_assembly assembly = {0};
	struct sock_filter *code;
	size_t length;
	int r;

	sp_bpf_architectures(&assembly, foliage->native, CALLS, &foliage->twins,
			     SECCOMP_RET_KILL_PROCESS, singles);
	r = sp_bpf_finish(&assembly, &code, &length);
	if (r == 0)
		*ret_program = (struct sp_program){(uint8_t *)code, length * sizeof(*code)};
	return r;
}

/* How many instructions all calls take that weigh something, with arguments of zero. */
static uint64_t weigh_program(const struct sp_program *program, const struct sp_leaf *leaves)
{
	const struct sock_fprog code = {
	    (unsigned short)(program->length / sizeof(struct sock_filter)),
	    (struct sock_filter *)program->bytes};
	uint64_t sum = 0;
	struct sp_bpf_course course;

	for (size_t i = 0; i < CALLS; i++) {
		const struct seccomp_data data = {.nr = (int)leaves[i].first,
						  .arch = SP_AUDIT_ARCH};

		if (leaves[i].weight == 0)
			continue;
		(void)sp_bpf_follow(&code, &data, &course);
		sum += leaves[i].weight * course.steps;
	}
	return sum;
}

/* Jumps that lead too far take an instruction more, so what was tried is weighed as it came out: the lightest
 * is taken, and no other one than without weights unless it is lighter. */
static int write_lightest(const struct foliage *foliage, struct sp_program *program)
{
	const struct sp_leaf *leaves = foliage->native;
	uint64_t best = weigh_program(program, leaves);

	for (int singles = 0; best > 0 && singles <= SP_BPF_SINGLES_MAX; singles++) {
		struct sp_program other;
		int r = write_program(foliage, singles, &other);
		uint64_t weight = r == 0 ? weigh_program(&other, leaves) : UINT64_MAX;

		if (r == -E2BIG)
			continue;
		if (r < 0)
			return r;
		if (weight < best) {
			free(program->bytes);
			*program = other;
			best = weight;
		} else {
			free(other.bytes);
		}
	}
	return 0;
}

static void grow_twin(const struct draft *draft, size_t architecture, struct foliage *foliage)
{
	for (uint32_t nr = 0; nr <= SP_TWIN_NUMBERS; nr++) {
		const struct layers *layers = &draft->twin[architecture][nr];
		/* No other leaf's, where it can't be joined to its neighbour. */
		uint64_t number = (uint64_t)(architecture + 1) << 16 | nr;

		foliage->twin[architecture][nr] =
		    (struct sp_leaf){.first = sp_twin_first(1u << architecture) + nr,
				     .kind = kind_of(layers, number),
				     .write = write_call,
				     .data = layers};
	}
}

static void grow_twins(const struct draft *draft, struct foliage *foliage)
{
	for (size_t a = 0; a < SP_TWIN_COUNT; a++)
		if (draft->architectures & 1u << a)
			grow_twin(draft, a, foliage);
	if (draft->architectures & SP_ARCHITECTURE_I386) {
		foliage->twins.i386 = foliage->twin[0];
		foliage->twins.i386_count = SP_TWIN_NUMBERS + 1;
	}
	if (draft->architectures & SP_ARCHITECTURE_X32) {
		foliage->twins.x32 = foliage->twin[1];
		foliage->twins.x32_count = SP_TWIN_NUMBERS + 1;
	}
}

static int write_draft(const struct sp_policy *policy, const struct draft *draft,
		       struct sp_program *ret_program)
{
	_cleanup_free_ struct foliage *foliage = calloc(1, sizeof(*foliage));
	struct sp_program program;
	int r;

	if (!foliage)
		return -ENOMEM;
	for (uint32_t nr = 0; nr < CALLS; nr++)
		foliage->native[nr] = (struct sp_leaf){.first = first_number(nr),
						       .weight = sp_model_weight(policy, nr),
						       .kind = kind_of(&draft->call[nr], nr),
						       .write = write_call,
						       .data = &draft->call[nr]};
	grow_twins(draft, foliage);
	r = write_program(foliage, SP_BPF_EQUAL_HALVES, &program);
	if (r < 0)
		return r;
	r = write_lightest(foliage, &program);
	if (r < 0)
		free(program.bytes);
	else
		*ret_program = program;
	return r;
}

/* The porter makes other calls than its sandboxee. */
static int compile(struct compilation *c, struct sp_program *ret_program)
{
	_cleanup_free_ struct draft *draft = calloc(1, sizeof(*draft));
	const struct sp_policy *weighted = is_porter(c) ? NULL : c->policy;
	int r = draft ? make_draft(c, draft) : -ENOMEM;

	if (r == 0)
		r = write_draft(weighted, draft, ret_program);
	if (draft)
		clear_draft(draft);
	return r;
}

/* What some rule grants on some name, or an edit of the policy may (`edits`), and every policy that bounds it
 * might as well. */
static uint32_t all_granted(const struct sp_policy *policy, bool edits)
{
	const struct sp_policy *layers[SP_LAYERS_MAX];
	size_t count = sp_model_layers(policy, layers);
	uint32_t all = SP_RIGHT_ALL;

	for (size_t layer = 0; layer < count; layer++) {
		uint32_t granted = edits && layer == 0 ? sp_model_givable(policy) : 0;

		for (size_t i = 0; i < layers[layer]->path_count; i++)
			granted |= layers[layer]->paths[i].rights;
		if (sp_model_grants_addresses(layers[layer]))
			granted |= SP_RIGHT_CONNECT;
		all &= granted;
	}
	return all;
}

/* How each kind of filter is compiled, and judged. */
static struct compilation compilation_of(const struct sp_policy *policy, enum sp_filter_kind kind)
{
	static const struct {
		enum purpose purpose;
		uint32_t intercept;
	} kinds[] = {
	    [SP_FILTER_LOCK] = {PURPOSE_LOCK, SECCOMP_RET_TRAP},
	    [SP_FILTER_FLOOR] = {PURPOSE_FLOOR, SECCOMP_RET_USER_NOTIF},
	    [SP_FILTER_ALONE] = {PURPOSE_ALONE, SECCOMP_RET_ERRNO | EPERM},
	};

	return (struct compilation){.policy = policy,
				    .phased = policy->phase_count > 0 && kind != SP_FILTER_ALONE,
				    .purpose = kinds[kind].purpose,
				    .intercept = kinds[kind].intercept,
				    .granted = all_granted(policy, false)};
}

static int compile_kind(const struct sp_policy *policy, enum sp_filter_kind kind,
			struct sp_program *ret_program)
{
	struct compilation c = compilation_of(policy, kind);

	return compile(&c, ret_program);
}

int sp_filter_compile(const struct sp_policy *policy, struct sp_program *ret_program)
{
	return compile_kind(policy, SP_FILTER_LOCK, ret_program);
}

int sp_filter_compile_floor(const struct sp_policy *policy, struct sp_program *ret_program)
{
	return compile_kind(policy, SP_FILTER_FLOOR, ret_program);
}

static int compile_phase(const struct sp_policy *policy, enum sp_filter_kind kind,
			 struct sp_program *ret_program)
{
	struct compilation c = compilation_of(policy, kind);

	c.phased = true;
	return compile(&c, ret_program);
}

int sp_filter_compile_phase(const struct sp_policy *policy, struct sp_program *ret_program)
{
	return compile_phase(policy, SP_FILTER_LOCK, ret_program);
}

int sp_filter_compile_phase_floor(const struct sp_policy *policy, struct sp_program *ret_program)
{
	return compile_phase(policy, SP_FILTER_FLOOR, ret_program);
}

int sp_filter_compile_alone(const struct sp_policy *policy, struct sp_program *ret_program)
{
	return compile_kind(policy, SP_FILTER_ALONE, ret_program);
}

static bool isolates_network(const struct sp_policy *policy)
{
	const struct sp_policy *layers[SP_LAYERS_MAX];
	size_t count = sp_model_layers(policy, layers);

	for (size_t i = 0; i < count; i++)
		if (!layers[i]->isolate.set || layers[i]->isolate.value & SP_ISOLATE_NETWORK)
			return true;
	return false;
}

int sp_filter_compile_permissive(const struct sp_policy *policy, struct sp_program *ret_program)
{
	struct compilation c = compilation_of(policy, SP_FILTER_FLOOR);
	struct sock_filter *code;
	int r;

	c.watched = isolates_network(policy);
	r = compile(&c, ret_program);
	code = (struct sock_filter *)ret_program->bytes;
	for (size_t i = 0; r == 0 && i < ret_program->length / sizeof(*code); i++)
		if (BPF_CLASS(code[i].code) == BPF_RET && code[i].k != SECCOMP_RET_ALLOW &&
		    code[i].k != SECCOMP_RET_LOG)
			code[i].k = SECCOMP_RET_USER_NOTIF;
	return r;
}

static int compile_porter(const struct sp_policy *policy, enum purpose purpose,
			  struct sp_program *ret_program)
{
	struct compilation c = {
	    .policy = policy,
	    .purpose = purpose,
	    .granted = all_granted(policy, true),
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

/* ---- the same, for one call and without a program ---- */

struct sp_judge {
	bool foreign; /* the number is of an architecture that the filter kills */
	bool none;    /* it is no call's */
	struct decisions layer[SP_LAYERS_MAX];
	size_t count;
};

static bool is_foreign(int nr)
{
#ifdef SP_NR_FOREIGN
	return (uint32_t)nr >= SP_NR_FOREIGN && (uint32_t)nr != SP_NR_NONE;
#else
	(void)nr;
	return false;
#endif
}

/* The twin's number; -1: the call is native, or of an architecture that the policy does not give. */
static int64_t twin_number(const struct sp_policy *policy, uint32_t arch, int nr,
			   uint32_t *ret_architecture)
{
	uint32_t given = sp_model_architectures(policy);

	*ret_architecture = arch == AUDIT_ARCH_I386 ? SP_ARCHITECTURE_I386 : SP_ARCHITECTURE_X32;
	if (policy->strict.set || !(given & *ret_architecture))
		return -1;
	if (arch == AUDIT_ARCH_I386)
		return (uint32_t)nr;
	return arch == SP_AUDIT_ARCH && is_foreign(nr)
		   ? (int64_t)((uint32_t)nr - sp_twin_first(SP_ARCHITECTURE_X32))
		   : -1;
}

/* One layer: c->decisions are to be freed with c->policy, whose rules they speak of. */
static int judge_twin(struct compilation *c, const struct sp_twin *twin)
{
	struct decisions native = {0}, *decisions = c->decisions;
	int r;

	c->decisions = &native;
	c->nr = native_of(twin);
	r = decide_any(c);
	if (r == 0)
		cut_decisions(&native);
	c->decisions = decisions;
	if (r == 0)
		r = decide_twin(c, &native, twin);
	clear_decisions(&native);
	return r;
}

int sp_judge_new(const struct sp_policy *policy, enum sp_filter_kind kind, int nr,
		 struct sp_judge **ret_judge)
{
	return sp_judge_new_for(policy, kind, SP_AUDIT_ARCH, nr, ret_judge);
}

int sp_judge_new_for(const struct sp_policy *policy, enum sp_filter_kind kind, uint32_t arch,
		     int nr, struct sp_judge **ret_judge)
{
	uint32_t architecture;
	int64_t number = twin_number(policy, arch, nr, &architecture);
	struct sp_twin twin =
	    sp_twin_find(architecture, number >= 0 ? (uint32_t)number : SP_TWIN_NUMBERS);
	struct compilation c = compilation_of(policy, kind);
	const struct sp_policy *layers[SP_LAYERS_MAX];
	struct sp_judge *judge = calloc(1, sizeof(*judge));
	int r = 0;

	if (!judge)
		return -ENOMEM;
	judge->foreign = number < 0 && (arch != SP_AUDIT_ARCH || is_foreign(nr));
	judge->none = arch == SP_AUDIT_ARCH && (uint32_t)nr == SP_NR_NONE && !policy->strict.set;
	judge->count = sp_model_layers(policy, layers);
	c.nr = leaf_of((uint32_t)nr);
	for (size_t i = 0; i < judge->count && r == 0; i++) {
		c.policy = layers[i];
		c.bounds = i > 0;
		c.decisions = &judge->layer[i];
		r = number >= 0 ? judge_twin(&c, &twin) : decide_any(&c);
	}
	if (r < 0)
		sp_judge_free(judge);
	else
		*ret_judge = judge;
	return r;
}

void sp_judge_free(struct sp_judge *judge)
{
	for (size_t i = 0; judge && i < judge->count; i++)
		clear_decisions(&judge->layer[i]);
	free(judge);
}

size_t sp_judge_layers(const struct sp_judge *judge)
{
	return judge->count;
}

bool sp_judge_at(const struct sp_judge *judge, size_t layer, size_t index,
		 struct sp_judge_decision *ret_decision)
{
	const struct decisions *decisions = &judge->layer[layer];
	const struct decision *d = &decisions->list[index];

	if (index >= decisions->count || (index > 0 && !d[-1].where))
		return false;
	*ret_decision = (struct sp_judge_decision){d->action, d->otherwise, d->where, d->guard,
						   d->source, d->rule,      d->final};
	return true;
}

static void add_candidate(struct sp_verdict *verdict, const struct decision *d, size_t layer,
			  bool holds, bool guarded)
{
	if (verdict->candidate_count == SP_CANDIDATES_MAX)
		return;
	verdict->candidates[verdict->candidate_count++] = (struct sp_candidate){
	    .source = d->source,
	    .rule = d->rule,
	    .action = d->action,
	    .layer = layer,
	    .holds = holds,
	    .guarded = guarded,
	};
}

/* What one policy decides; its other rules are told as well. The last decision always holds. */
static struct decision judge_layer(const struct decisions *decisions, size_t layer,
				   const uint64_t *argument, struct sp_trace *trace,
				   struct sp_verdict *verdict)
{
	struct decision won = {.action = SECCOMP_RET_KILL_PROCESS, .final = true};
	bool decided = false;

	for (size_t i = 0; i < decisions->count; i++) {
		struct decision d = decisions->list[i];
		/* What comes after the decision has no part in it. */
		struct sp_trace *traced = decided ? NULL : trace;
		bool holds = !d.where || sp_condition_trace(d.where, argument, traced);
		bool guarded =
		    d.guard && !sp_condition_trace(d.guard, argument, holds ? traced : NULL);

		if (guarded) {
			d.action = d.otherwise;
			d.final = false;
		}
		add_candidate(verdict, &d, layer, holds, guarded);
		if (holds && !decided)
			won = d;
		decided |= holds;
	}
	return won;
}

void sp_judge_ask(const struct sp_judge *judge, const uint64_t argument[SP_ARGUMENTS],
		  struct sp_trace *trace, struct sp_verdict *ret_verdict)
{
	bool final = false;

	ret_verdict->candidate_count = 0;
	if (judge->foreign) {
		ret_verdict->action = SECCOMP_RET_KILL_PROCESS;
		ret_verdict->source = built_in_foreign;
		return;
	}
	if (judge->none) {
		ret_verdict->action = SECCOMP_RET_ALLOW;
		ret_verdict->source = built_in_none;
		return;
	}
	for (size_t layer = 0; layer < judge->count && !final; layer++) {
		struct decision won =
		    judge_layer(&judge->layer[layer], layer, argument, trace, ret_verdict);

		if (layer == 0 ||
		    stricter(ret_verdict->action, won.action) != ret_verdict->action) {
			ret_verdict->action = won.action;
			ret_verdict->source = won.source;
		}
		final = won.final;
	}
}

/* Without a filter nobody compares the architecture: the kernel lets the same four calls through by their numbers
 * of i386, which are nothing else. */
static bool is_strict_foreign(const struct sp_policy *policy, const struct seccomp_data *data)
{
	static const int numbers[] = {1 /* exit */, 3 /* read */, 4 /* write */,
				      119 /* sigreturn */};

	if (!policy->strict.set || data->arch != AUDIT_ARCH_I386)
		return false;
	for (size_t i = 0; i < SP_ELEMENTS(numbers); i++)
		if (numbers[i] == data->nr)
			return true;
	return false;
}

int sp_model_verdict(const struct sp_policy *policy, enum sp_filter_kind kind,
		     const struct seccomp_data *data, struct sp_verdict *ret_verdict)
{
	uint64_t argument[SP_ARGUMENTS];
	struct sp_judge *judge;
	int r = sp_judge_new_for(policy, kind, data->arch, data->nr, &judge);

	if (r < 0)
		return r;
	if (is_strict_foreign(policy, data)) {
		*ret_verdict = (struct sp_verdict){.action = SECCOMP_RET_ALLOW,
						   .source = policy->strict.source};
		sp_judge_free(judge);
		return 0;
	}
	for (size_t i = 0; i < SP_ARGUMENTS; i++)
		argument[i] = data->args[i];
	sp_judge_ask(judge, argument, NULL, ret_verdict);
	sp_judge_free(judge);
	return 0;
}
