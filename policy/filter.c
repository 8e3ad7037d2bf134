/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the rules about calls to BPF. Every call gets an ordered list of verdicts: what the runtime needs first, then the policy's
 * rules by rank, each narrowed by the guards that no policy can lift. libseccomp knows no order, so each verdict is given the
 * condition that no earlier one applies.
 */
#include "policy/filter.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/prctl.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "ipc/runtime.h"
#include "ipc/util.h"
#include "policy/names.h"

#define LOW_HALF 0xffffffffull
#define UPPER_HALF (LOW_HALF << 32)
#define UPPER_MARK ((uint64_t)SP_RUNTIME_MARK << 32)
#define WHOLE (~0ull)

#define NAMESPACES                                                                                 \
	(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER |             \
	 CLONE_NEWPID | CLONE_NEWNET | 0x80ul /* CLONE_NEWTIME */)

/* ---- conditions that are not the policy's ------------------------------------------------------------ */

enum { ANY_ARGUMENT = -1 };

struct fixed {
	int nr;
	struct {
		int argument; /* ANY_ARGUMENT: none */
		struct sp_test test;
	} part[2];
};

#define ALWAYS(nr)                                                                                 \
	{                                                                                          \
		nr,                                                                                \
		{                                                                                  \
			{ANY_ARGUMENT, {0}},                                                       \
			{                                                                          \
				ANY_ARGUMENT,                                                      \
				{                                                                  \
					0                                                          \
				}                                                                  \
			}                                                                          \
		}                                                                                  \
	}
#define ONE(nr, a, ...)                                                                            \
	{                                                                                          \
		nr,                                                                                \
		{                                                                                  \
			{a, {__VA_ARGS__}},                                                        \
			{                                                                          \
				ANY_ARGUMENT,                                                      \
				{                                                                  \
					0                                                          \
				}                                                                  \
			}                                                                          \
		}                                                                                  \
	}
#define EQUAL(value) SP_TEST_MASKED, WHOLE, value
#define MASKED(mask, value) SP_TEST_MASKED, mask, value
#define MARKED(nr, a) ONE(nr, a, EQUAL(SP_RUNTIME_MARK))
#define HALF_MARKED(nr) ONE(nr, 0, MASKED(UPPER_HALF, UPPER_MARK))

/* What the runtime's own calls look like: always let through, in the handler a trap would be fatal. */
static const struct fixed needs[] = {
    ALWAYS(__NR_fstat),
    ALWAYS(__NR_fchdir),
    ALWAYS(__NR_getcwd),
    ALWAYS(__NR_gettid),
    ALWAYS(__NR_getpid),
    ALWAYS(__NR_sched_yield),
    MARKED(__NR_rt_sigprocmask, 5),
    MARKED(__NR_rt_sigaction, 5),
    MARKED(__NR_rt_sigpending, 5),
    MARKED(__NR_rt_sigsuspend, 5),
    MARKED(__NR_ppoll, 5),
    HALF_MARKED(__NR_pselect6),
    HALF_MARKED(__NR_epoll_pwait),
    HALF_MARKED(__NR_epoll_pwait2),
    MARKED(__NR_close, 5),
    MARKED(__NR_close_range, 5),
    HALF_MARKED(__NR_process_vm_readv),
    HALF_MARKED(__NR_process_vm_writev),
    ONE(__NR_recvmsg, 0, EQUAL(SP_CHANNEL_FD)),
    ONE(__NR_write, 0, EQUAL(SP_DOORBELL_FD)),
    ONE(__NR_tgkill, 2, EQUAL(SIGSYS)),
    {__NR_fcntl, {{1, {EQUAL(F_SETFD)}}, {5, {EQUAL(SP_RUNTIME_MARK)}}}},
};

/* Calls that the runtime answers by itself: native in no other form than the runtime's. */
static const int mediated[] = {__NR_rt_sigprocmask, __NR_rt_sigaction, __NR_rt_sigpending,
			       __NR_rt_sigsuspend, __NR_umask};

/*
 * Guards: an allowing rule holds only where one of the rows for its call does. Calls without a row have no guard. The reserved
 * descriptors, and masks for the duration of a call, are the runtime's business.
 */
static const struct fixed guards[] = {
    ONE(__NR_close, 0, SP_TEST_BELOW, 0, SP_RESERVED_FIRST),
    ONE(__NR_close, 0, SP_TEST_FROM, 0, SP_RESERVED_LAST + 1),
    ONE(__NR_dup, 0, SP_TEST_BELOW, 0, SP_RESERVED_FIRST),
    ONE(__NR_dup, 0, SP_TEST_FROM, 0, SP_RESERVED_LAST + 1),
    ONE(__NR_fcntl, 0, SP_TEST_BELOW, 0, SP_RESERVED_FIRST),
    ONE(__NR_fcntl, 0, SP_TEST_FROM, 0, SP_RESERVED_LAST + 1),
#define PAIR(nr, ka, va, kb, vb)                                                                   \
	{                                                                                          \
		nr,                                                                                \
		{                                                                                  \
			{0, {ka, 0, va}},                                                          \
			{                                                                          \
				1,                                                                 \
				{                                                                  \
					kb, 0, vb                                                  \
				}                                                                  \
			}                                                                          \
		}                                                                                  \
	}
#define PAIRS(nr)                                                                                  \
	PAIR(nr, SP_TEST_BELOW, SP_RESERVED_FIRST, SP_TEST_BELOW, SP_RESERVED_FIRST),              \
	    PAIR(nr, SP_TEST_BELOW, SP_RESERVED_FIRST, SP_TEST_FROM, SP_RESERVED_LAST + 1),        \
	    PAIR(nr, SP_TEST_FROM, SP_RESERVED_LAST + 1, SP_TEST_BELOW, SP_RESERVED_FIRST),        \
	    PAIR(nr, SP_TEST_FROM, SP_RESERVED_LAST + 1, SP_TEST_FROM, SP_RESERVED_LAST + 1)
    PAIRS(__NR_dup2),
    PAIRS(__NR_dup3),
    ONE(__NR_close_range, 1, SP_TEST_BELOW, 0, SP_RESERVED_FIRST),
    ONE(__NR_close_range, 0, SP_TEST_FROM, 0, SP_RESERVED_LAST + 1),
    ONE(__NR_ppoll, 3, EQUAL(0)),
    ONE(__NR_pselect6, 5, EQUAL(0)),
    ONE(__NR_epoll_pwait, 4, EQUAL(0)),
    ONE(__NR_epoll_pwait2, 4, EQUAL(0)),
    ONE(__NR_clone, 0, MASKED(NAMESPACES, 0)),
/* Any other option could loosen what holds the process, or hide it from its porter. */
#define OPTION(value) ONE(__NR_prctl, 0, MASKED(LOW_HALF, value))
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

static const struct fixed one_process[] = {
    ONE(__NR_clone, 0, MASKED(NAMESPACES | CLONE_THREAD, CLONE_THREAD)),
};

/* `memory { wx deny }`: rows under which the call would make memory writable and executable. */
static const struct fixed writable_code[] = {
    ONE(__NR_mmap, 2, MASKED(PROT_WRITE | PROT_EXEC, PROT_WRITE | PROT_EXEC)),
    ONE(__NR_mprotect, 2, MASKED(PROT_EXEC, PROT_EXEC)),
    ONE(__NR_pkey_mprotect, 2, MASKED(PROT_EXEC, PROT_EXEC)),
    ONE(__NR_shmat, 2, MASKED(SHM_EXEC, SHM_EXEC)),
    ONE(__NR_personality, 0, MASKED(0x0400000 /* READ_IMPLIES_EXEC */, 0x0400000)),
};

static int add_fixed(struct sp_condition *condition, const struct fixed *fixed)
{
	struct sp_conjunct conjunct = {0};

	for (size_t i = 0; i < SP_ELEMENTS(fixed->part); i++)
		if (fixed->part[i].argument != ANY_ARGUMENT)
			conjunct.argument[fixed->part[i].argument] = fixed->part[i].test;
	return sp_condition_add(condition, &conjunct);
}

/* The rows for a call; *ret_any: there are some. */
static int collect(const struct fixed *rows, size_t count, int nr,
		   struct sp_condition *ret_condition, bool *ret_any)
{
	*ret_any = false;
	for (size_t i = 0; i < count; i++) {
		int r;

		if (rows[i].nr != nr)
			continue;
		*ret_any = true;
		r = add_fixed(ret_condition, &rows[i]);
		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- one call ------------------------------------------------------------------------------------------ */

/* What happens where the condition holds and that of no earlier verdict does. */
struct verdict {
	uint32_t action;
	struct sp_condition where;
};

struct compilation {
	scmp_filter_ctx context;
	const struct sp_policy *policy;
	uint32_t fallback; /* the action of what no rule speaks of */
	int nr;            /* the call in hand, and its verdicts in order */
	struct verdict *verdicts;
	size_t count;
};

static int add_verdict(struct compilation *c, uint32_t action, const struct sp_condition *where)
{
	struct verdict *grown = reallocarray(c->verdicts, c->count + 1, sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	c->verdicts = grown;
	grown[c->count++] = (struct verdict){.action = action};
	return sp_condition_add_all(&grown[c->count - 1].where, where);
}

static void clear_verdicts(struct compilation *c)
{
	for (size_t i = 0; i < c->count; i++)
		sp_condition_clear(&c->verdicts[i].where);
	free(c->verdicts);
	c->verdicts = NULL;
	c->count = 0;
}

static int add_fixed_verdict(struct compilation *c, uint32_t action, const struct fixed *rows,
			     size_t count)
{
	_cleanup_condition_ struct sp_condition where = {0};
	bool any;
	int r = collect(rows, count, c->nr, &where, &any);

	return r < 0 || !any ? r : add_verdict(c, action, &where);
}

static int add_final_verdict(struct compilation *c, uint32_t action)
{
	_cleanup_condition_ struct sp_condition always = {0};
	int r = sp_condition_always(&always);

	return r < 0 ? r : add_verdict(c, action, &always);
}

static struct scmp_arg_cmp comparison(unsigned argument, const struct sp_test *test)
{
	if (test->kind == SP_TEST_MASKED && test->mask == WHOLE)
		return SCMP_CMP(argument, SCMP_CMP_EQ, test->value);
	if (test->kind == SP_TEST_MASKED)
		return SCMP_CMP(argument, SCMP_CMP_MASKED_EQ, test->mask, test->value);
	if (test->kind == SP_TEST_BELOW)
		return SCMP_CMP(argument, SCMP_CMP_LT, test->value);
	return SCMP_CMP(argument, SCMP_CMP_GE, test->value);
}

static int emit_conjunct(struct compilation *c, uint32_t action, const struct sp_conjunct *conjunct)
{
	struct scmp_arg_cmp compare[SP_ARGUMENTS];
	unsigned count = 0;
	int r;

	for (unsigned i = 0; i < SP_ARGUMENTS; i++)
		if (conjunct->argument[i].kind != SP_TEST_ANY)
			compare[count++] = comparison(i, &conjunct->argument[i]);
	r = seccomp_rule_add_array(c->context, action, c->nr, count, compare);
	/* The same rule twice, or one that a wider one covers. */
	return r == -EEXIST ? 0 : r;
}

/* Only verdicts of another action need to be kept out: where two of one action overlap, it does not
 * matter which of them decides. This keeps the common calls at one or two comparisons. */
static int emit_verdict(struct compilation *c, size_t index)
{
	const struct verdict *verdict = &c->verdicts[index];
	_cleanup_condition_ struct sp_condition rest = {0};
	int r;

	if (verdict->action == c->fallback)
		return 0;
	r = sp_condition_add_all(&rest, &verdict->where);
	for (size_t i = 0; i < index && r == 0; i++) {
		_cleanup_condition_ struct sp_condition open = {0};

		if (c->verdicts[i].action == verdict->action)
			continue;
		r = sp_condition_not(&c->verdicts[i].where, &open);
		if (r == 0)
			r = sp_condition_narrow(&rest, &open);
	}
	for (size_t i = 0; r == 0 && i < rest.count; i++)
		r = emit_conjunct(c, verdict->action, &rest.conjuncts[i]);
	return r;
}

static int narrow(struct sp_condition *where, const struct fixed *rows, size_t count, int nr)
{
	_cleanup_condition_ struct sp_condition guard = {0};
	bool any;
	int r = collect(rows, count, nr, &guard, &any);

	return r < 0 || !any ? r : sp_condition_narrow(where, &guard);
}

static uint32_t action_of(const struct sp_call_rule *rule)
{
	switch (rule->action) {
	case SP_ACTION_ALLOW:
		return SCMP_ACT_ALLOW;
	case SP_ACTION_LOG:
		return SCMP_ACT_LOG;
	case SP_ACTION_KILL:
		return SCMP_ACT_KILL_PROCESS;
	default:
		return SCMP_ACT_TRAP;
	}
}

static bool is_single(const struct sp_policy *policy)
{
	return policy->limits[SP_LIMIT_PROCESSES].set &&
	       policy->limits[SP_LIMIT_PROCESSES].value == 1;
}

/* What a guard keeps from being allowed is trapped, also under `default kill`: the runtime answers
 * for its descriptors, and a program that sweeps them must not die of it. */
static int add_allowed(struct compilation *c, uint32_t action, const struct sp_condition *where)
{
	_cleanup_condition_ struct sp_condition guarded = {0};
	int r = sp_condition_add_all(&guarded, where);

	if (r == 0)
		r = narrow(&guarded, guards, SP_ELEMENTS(guards), c->nr);
	if (r == 0 && is_single(c->policy))
		r = narrow(&guarded, one_process, SP_ELEMENTS(one_process), c->nr);
	if (r == 0)
		r = add_verdict(c, action, &guarded);
	return r < 0 ? r : add_verdict(c, SCMP_ACT_TRAP, where);
}

static int add_rule(struct compilation *c, const struct sp_call_rule *rule)
{
	_cleanup_condition_ struct sp_condition where = {0};
	uint32_t action = action_of(rule);
	int r = rule->conditional ? sp_condition_add_all(&where, &rule->condition)
				  : sp_condition_always(&where);

	if (r < 0)
		return r;
	if (action == SCMP_ACT_ALLOW || action == SCMP_ACT_LOG)
		return add_allowed(c, action, &where);
	return add_verdict(c, action, &where);
}

/* Lower ranks first; in one rank a rule with conditions before the one without, which it is an
 * exception from; among those the stricter. */
static int compare_rules(const void *left, const void *right)
{
	const struct sp_call_rule *a = *(const struct sp_call_rule *const *)left,
				  *b = *(const struct sp_call_rule *const *)right;

	if (a->rank != b->rank)
		return a->rank < b->rank ? -1 : 1;
	if (a->conditional != b->conditional)
		return a->conditional ? -1 : 1;
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

		if (rule->nr == c->nr && !rule->conditional && rule->action != SP_ACTION_BROKER)
			return add_final_verdict(c, rule->action == SP_ACTION_KILL
							? SCMP_ACT_KILL_PROCESS
							: SCMP_ACT_TRAP);
	}
	return add_final_verdict(c, otherwise);
}

static int add_ordinary(struct compilation *c)
{
	int r = add_fixed_verdict(c, SCMP_ACT_ALLOW, needs, SP_ELEMENTS(needs));

	if (r == 0 && !(c->policy->wx.set && c->policy->wx.value))
		r = add_fixed_verdict(c, SCMP_ACT_TRAP, writable_code, SP_ELEMENTS(writable_code));
	if (r < 0)
		return r;
	if (is_mediated(c->nr) || (makes_process(c->nr) && is_single(c->policy)))
		return add_refusal(c, SCMP_ACT_TRAP);
	return add_rules(c);
}

static int add_verdicts(struct compilation *c)
{
	switch (sp_call_class(c->nr)) {
	case SP_CLASS_ALWAYS:
		return add_final_verdict(c, SCMP_ACT_ALLOW);
	case SP_CLASS_CLONE3:
		return add_final_verdict(c, SCMP_ACT_ERRNO(ENOSYS));
	case SP_CLASS_BROKERED:
		return add_refusal(c, SCMP_ACT_TRAP);
	case SP_CLASS_NAMING:
	case SP_CLASS_FORBIDDEN:
		return add_refusal(c, c->fallback);
	case SP_CLASS_ORDINARY:
	default:
		return add_ordinary(c);
	}
}

static int compile_call(struct compilation *c)
{
	int r = add_verdicts(c);

	for (size_t i = 0; i < c->count && r == 0; i++)
		r = emit_verdict(c, i);
	clear_verdicts(c);
	return r;
}

/* ---- the program ------------------------------------------------------------------------------------------ */

static int read_program(int memory, struct sp_program *ret_program)
{
	struct stat status;
	uint8_t *bytes;

	if (fstat(memory, &status) < 0)
		return -errno;
	bytes = malloc((size_t)status.st_size);
	if (!bytes)
		return -ENOMEM;
	if (pread(memory, bytes, (size_t)status.st_size, 0) != status.st_size) {
		free(bytes);
		return -EIO;
	}
	*ret_program = (struct sp_program){bytes, (size_t)status.st_size};
	return 0;
}

static int export(scmp_filter_ctx context, struct sp_program *ret_program)
{
	_cleanup_close_ int memory = memfd_create("sallyport-filter", MFD_CLOEXEC);
	int r;

	if (memory < 0)
		return -errno;
	r = seccomp_export_bpf(context, memory);
	return r < 0 ? r : read_program(memory, ret_program);
}

static int compile_calls(struct compilation *c)
{
	char buffer[SP_CALL_NAME_MAX];

	for (c->nr = 0; c->nr < SP_NUMBERS; c->nr++) {
		int r = sp_call_name(c->nr, buffer) ? compile_call(c) : 0;

		if (r < 0)
			return r;
	}
	return 0;
}

static int set_attributes(scmp_filter_ctx context)
{
	int r = seccomp_attr_set(context, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);

	/* A binary tree: the hundredth call costs as little as the first. */
	return r < 0 ? r : seccomp_attr_set(context, SCMP_FLTATR_CTL_OPTIMIZE, 2);
}

int sp_filter_compile(const struct sp_policy *policy, struct sp_program *ret_program)
{
	struct compilation c = {.policy = policy};
	int r;

	c.fallback = policy->default_action.set && policy->default_action.value == SP_ACTION_KILL
			 ? SCMP_ACT_KILL_PROCESS
			 : SCMP_ACT_TRAP;
	c.context = seccomp_init(c.fallback);
	if (!c.context)
		return -ENOMEM;
	r = set_attributes(c.context);
	if (r == 0)
		r = compile_calls(&c);
	if (r == 0)
		r = export(c.context, ret_program);
	seccomp_release(c.context);
	return r;
}

/* ---- the porter's ------------------------------------------------------------------------------------------- */

/* What serving takes; `right`: only where some rule grants one of these. */
static const struct {
	int nr;
	uint32_t right;
} porter_calls[] = {
    {__NR_openat, 0},
    {__NR_openat2, 0},
    {__NR_newfstatat, 0},
    {__NR_statx, 0},
    {__NR_fstat, 0},
    {__NR_fstatfs, 0},
    {__NR_readlinkat, 0},
    {__NR_faccessat, 0},
    {__NR_faccessat2, 0},
    {__NR_fcntl, 0},
    {__NR_close, 0},
    {__NR_dup, 0},
    {__NR_read, 0},
    {__NR_write, 0},
    {__NR_mkdirat, SP_RIGHT_CREATE},
    {__NR_unlinkat, SP_RIGHT_DELETE},
    {__NR_renameat, SP_RIGHT_DELETE},
    {__NR_renameat2, SP_RIGHT_DELETE},
    {__NR_ftruncate, SP_RIGHT_WRITE},
    {__NR_umask, SP_RIGHT_CREATE},
    {__NR_recvmsg, 0},
    {__NR_sendmsg, 0},
    {__NR_setsockopt, 0},
    {__NR_poll, 0},
    {__NR_ppoll, 0},
    {__NR_epoll_wait, 0},
    {__NR_epoll_pwait, 0},
    {__NR_epoll_pwait2, 0},
    {__NR_epoll_ctl, 0},
    {__NR_futex, 0},
    {__NR_waitid, 0},
    {__NR_pidfd_send_signal, 0},
    {__NR_clock_gettime, 0},
    {__NR_gettimeofday, 0},
    {__NR_munmap, 0},
    {__NR_mremap, 0},
    {__NR_madvise, 0},
    {__NR_brk, 0},
    {__NR_rt_sigreturn, 0},
    {__NR_rt_sigprocmask, 0},
    {__NR_exit, 0},
    {__NR_exit_group, 0},
    {__NR_restart_syscall, 0},
    {__NR_getpid, 0},
    {__NR_gettid, 0},
    {__NR_geteuid, 0},
    {__NR_sched_yield, 0},
    {__NR_timerfd_settime, 0},
    {__NR_getrandom, 0},
    {__NR_sigaltstack, 0},
};

static int compile_porter(scmp_filter_ctx context, uint32_t granted)
{
	const struct scmp_arg_cmp no_code = SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0);
	int r = set_attributes(context);

	for (size_t i = 0; r == 0 && i < SP_ELEMENTS(porter_calls); i++)
		if (!porter_calls[i].right || (granted & porter_calls[i].right))
			r = seccomp_rule_add_array(context, SCMP_ACT_ALLOW, porter_calls[i].nr, 0,
						   NULL);
	if (r == 0)
		r = seccomp_rule_add_array(context, SCMP_ACT_ALLOW, __NR_mmap, 1, &no_code);
	if (r == 0)
		r = seccomp_rule_add_array(context, SCMP_ACT_ALLOW, __NR_mprotect, 1, &no_code);
	return r;
}

int sp_filter_compile_porter(const struct sp_policy *policy, struct sp_program *ret_program)
{
	scmp_filter_ctx context = seccomp_init(SCMP_ACT_KILL_PROCESS);
	uint32_t granted = 0;
	int r;

	if (!context)
		return -ENOMEM;
	for (size_t i = 0; i < policy->path_count; i++)
		granted |= policy->paths[i].rights;
	r = compile_porter(context, granted);
	if (r == 0)
		r = export(context, ret_program);
	seccomp_release(context);
	return r;
}
