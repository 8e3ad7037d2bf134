/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Twins: calls of other architectures, by their names. What is decided on one is translated from what was decided on the
 * native call, and never lets more through.
 */
#include <errno.h>
#include <linux/seccomp.h>

#include "policy/filter_decisions.h"

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
static bool translate(const struct sp_decision *from, const struct sp_twin *twin,
		      struct sp_decision *ret)
{
	/* Of a twin no runtime lists for the program. */
	uint32_t action = from->action == SP_FILTER_LISTS       ? SECCOMP_RET_ALLOW
			  : from->action == SP_FILTER_LISTS_NOT ? from->otherwise
								: from->action;
	bool where = is_comparable(from->where, twin->comparable);
	bool guard = is_comparable(from->guard, twin->comparable);

	if (from->action == SECCOMP_RET_ALLOW && !from->guard &&
	    (!where || from->source == sp_built_in_runtime))
		return false;
	*ret = (struct sp_decision){.action = twin_action(twin, action, from->error),
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
static int add_translation(struct sp_compilation *c, const struct sp_decision *from,
			   const struct sp_twin *twin)
{
	struct sp_decision decision;
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
	r = sp_filter_decide(c, &decision);
	if (r == 0)
		c->decisions->list[c->decisions->count - 1].otherwise =
		    twin_action(twin, from->otherwise, 0);
	return r;
}

int sp_filter_decide_twin(struct sp_compilation *c, const struct sp_decisions *native,
			  const struct sp_twin *twin)
{
	int r = 0;

	for (size_t i = 0; i < native->count && r == 0; i++)
		r = add_translation(c, &native->list[i], twin);
	if (r == 0)
		r = sp_filter_decide_always(c, SECCOMP_RET_ERRNO | ENOSYS, sp_built_in_foreign);
	if (r == 0)
		sp_decisions_cut(c->decisions);
	return r;
}
