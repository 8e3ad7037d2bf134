/* SPDX-License-Identifier: Apache-2.0 */
/* Expressions are as deep as a policy's text, which the parser bounds; so the recursion is too. */
#include "policy/condition.h"

#include <errno.h>
#include <stdlib.h>

static uint64_t width_mask(unsigned bits)
{
	return bits == 64 ? ~UINT64_C(0) : (UINT64_C(1) << bits) - 1;
}

struct sp_condition *sp_condition_test(const struct sp_test *test)
{
	struct sp_condition *made = calloc(1, sizeof(*made));

	if (made)
		*made = (struct sp_condition){.kind = SP_CONDITION_TEST, .test = *test};
	return made;
}

struct sp_condition *sp_condition_not_take(struct sp_condition *condition)
{
	struct sp_condition *made = condition ? calloc(1, sizeof(*made)) : NULL;

	if (made)
		*made = (struct sp_condition){.kind = SP_CONDITION_NOT, .left = condition};
	else
		sp_condition_free(condition);
	return made;
}

struct sp_condition *sp_condition_join_take(enum sp_condition_kind kind, struct sp_condition *left,
					    struct sp_condition *right)
{
	struct sp_condition *made = left && right ? calloc(1, sizeof(*made)) : NULL;

	if (made) {
		*made = (struct sp_condition){.kind = kind, .left = left, .right = right};
	} else {
		sp_condition_free(left);
		sp_condition_free(right);
	}
	return made;
}

/* "At most value" is "below value + 1", but for the greatest value, below which everything is. */
static struct sp_condition *at_most(const struct sp_comparison *comparison, uint64_t value)
{
	uint64_t most = width_mask(comparison->bits);
	struct sp_test test = {
	    .kind = value == most ? SP_TEST_MASKED : SP_TEST_BELOW,
	    .argument = comparison->argument,
	    .wide = comparison->bits == 64,
	    .value = value == most ? 0 : value + 1,
	};

	return sp_condition_test(&test);
}

struct sp_condition *sp_condition_compare(const struct sp_comparison *comparison)
{
	uint64_t value = comparison->value & width_mask(comparison->bits);
	struct sp_test test = {
	    .argument = comparison->argument,
	    .wide = comparison->bits == 64,
	    .mask = comparison->mask & width_mask(comparison->bits),
	    .value = value,
	};

	switch (comparison->relation) {
	case SP_LE:
		return at_most(comparison, value);
	case SP_GT:
		return sp_condition_not_take(at_most(comparison, value));
	case SP_LT:
	case SP_GE:
		test.kind = SP_TEST_BELOW;
		break;
	case SP_EQ:
	case SP_NE:
		test.kind = SP_TEST_MASKED;
		break;
	}
	if (comparison->relation == SP_NE || comparison->relation == SP_GE)
		return sp_condition_not_take(sp_condition_test(&test));
	return sp_condition_test(&test);
}

/* NOLINTNEXTLINE(misc-no-recursion) */
struct sp_condition *sp_condition_copy(const struct sp_condition *condition)
{
	switch (condition->kind) {
	case SP_CONDITION_TEST:
		return sp_condition_test(&condition->test);
	case SP_CONDITION_NOT:
		return sp_condition_not_take(sp_condition_copy(condition->left));
	case SP_CONDITION_AND:
	case SP_CONDITION_OR:
	default:
		return sp_condition_join_take(condition->kind, sp_condition_copy(condition->left),
					      sp_condition_copy(condition->right));
	}
}

/* NOLINTNEXTLINE(misc-no-recursion) */
void sp_condition_free(struct sp_condition *condition)
{
	if (!condition)
		return;
	sp_condition_free(condition->left);
	sp_condition_free(condition->right);
	free(condition);
}

bool sp_test_holds(const struct sp_test *test, uint64_t argument)
{
	if (!test->wide)
		argument &= width_mask(32);
	if (test->kind == SP_TEST_BELOW)
		return argument < test->value;
	return (argument & test->mask) == test->value;
}

static bool add_tested(struct sp_trace *trace, const struct sp_test *test, bool holds)
{
	size_t count = trace->count;

	if ((count & (count - 1)) == 0) {
		struct sp_tested *grown =
		    reallocarray(trace->list, count ? count * 2 : 1, sizeof(*grown));

		if (!grown) {
			trace->error = -ENOMEM;
			return holds;
		}
		trace->list = grown;
	}
	trace->list[trace->count++] = (struct sp_tested){*test, holds};
	return holds;
}

/* NOLINTNEXTLINE(misc-no-recursion) */
bool sp_condition_trace(const struct sp_condition *condition, const uint64_t argument[SP_ARGUMENTS],
			struct sp_trace *trace)
{
	bool holds;

	switch (condition->kind) {
	case SP_CONDITION_NOT:
		return !sp_condition_trace(condition->left, argument, trace);
	case SP_CONDITION_AND:
		return sp_condition_trace(condition->left, argument, trace) &&
		       sp_condition_trace(condition->right, argument, trace);
	case SP_CONDITION_OR:
		return sp_condition_trace(condition->left, argument, trace) ||
		       sp_condition_trace(condition->right, argument, trace);
	case SP_CONDITION_TEST:
	default:
		holds = sp_test_holds(&condition->test, argument[condition->test.argument]);
		return trace ? add_tested(trace, &condition->test, holds) : holds;
	}
}

bool sp_condition_holds(const struct sp_condition *condition, const uint64_t argument[SP_ARGUMENTS])
{
	return sp_condition_trace(condition, argument, NULL);
}
