/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/condition.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/util.h"

/* Far more than a filter of 4096 instructions can hold. */
#define CONJUNCTS_MAX 2048

/* A comparison of 64 bits falls apart into at most so many tests of masked bits. */
#define TESTS_MAX 64

struct tests {
	struct sp_test test[TESTS_MAX];
	size_t count;
};

static void push_masked(struct tests *tests, uint64_t mask, uint64_t value)
{
	tests->test[tests->count++] = (struct sp_test){SP_TEST_MASKED, mask, value & mask};
}

/* The bits above `bit`. */
static uint64_t above(unsigned bit)
{
	return bit == 63 ? 0 : ~UINT64_C(0) << (bit + 1);
}

static uint64_t width_mask(unsigned bits)
{
	return bits == 64 ? ~UINT64_C(0) : (UINT64_C(1) << bits) - 1;
}

/* x < value: x agrees with value above some set bit of value, and lacks that bit. */
static void expand_below(uint64_t value, unsigned bits, struct tests *tests)
{
	for (unsigned bit = 0; bit < bits; bit++)
		if (value >> bit & 1)
			push_masked(tests, (above(bit) | UINT64_C(1) << bit) & width_mask(bits),
				    value & above(bit));
}

/* x > value: x agrees with value above some clear bit of value, and has that bit. */
static void expand_above(uint64_t value, unsigned bits, struct tests *tests)
{
	for (unsigned bit = 0; bit < bits; bit++)
		if (!(value >> bit & 1))
			push_masked(tests, (above(bit) | UINT64_C(1) << bit) & width_mask(bits),
				    (value & above(bit)) | UINT64_C(1) << bit);
}

static void expand_from(uint64_t value, unsigned bits, struct tests *tests)
{
	if (value == 0)
		tests->test[tests->count++] = (struct sp_test){.kind = SP_TEST_ANY};
	else
		expand_above(value - 1, bits, tests);
}

/* Some masked bit differs; the bits before it agree, which keeps the parts disjoint and few. */
static void expand_different(uint64_t mask, uint64_t value, struct tests *tests)
{
	uint64_t seen = 0;

	for (unsigned bit = 0; bit < 64; bit++) {
		uint64_t one = UINT64_C(1) << bit;

		if (!(mask & one))
			continue;
		push_masked(tests, seen | one, (value & seen) | (~value & one));
		seen |= one;
	}
}

static void as_masked(const struct sp_test *test, struct tests *tests)
{
	tests->count = 0;
	if (test->kind == SP_TEST_BELOW)
		expand_below(test->value, 64, tests);
	else if (test->kind == SP_TEST_FROM)
		expand_from(test->value, 64, tests);
	else
		tests->test[tests->count++] = *test;
}

static bool intersect_masked(const struct sp_test *a, const struct sp_test *b, struct sp_test *ret)
{
	if (a->kind == SP_TEST_ANY || b->kind == SP_TEST_ANY) {
		*ret = a->kind == SP_TEST_ANY ? *b : *a;
		return true;
	}
	if ((a->value ^ b->value) & a->mask & b->mask)
		return false;
	*ret = (struct sp_test){SP_TEST_MASKED, a->mask | b->mask, a->value | b->value};
	return true;
}

/* Tests of one kind, or with one that holds always, need no falling apart. */
static bool intersect_alike(const struct sp_test *a, const struct sp_test *b, struct sp_test *ret)
{
	if (a->kind == SP_TEST_ANY || b->kind == SP_TEST_ANY)
		return intersect_masked(a, b, ret);
	if (a->kind != b->kind || a->kind == SP_TEST_MASKED)
		return false;
	*ret = (a->value < b->value) == (a->kind == SP_TEST_BELOW) ? *a : *b;
	return true;
}

static bool is_any(const struct sp_conjunct *conjunct)
{
	for (unsigned i = 0; i < SP_ARGUMENTS; i++)
		if (conjunct->argument[i].kind != SP_TEST_ANY)
			return false;
	return true;
}

int sp_condition_add(struct sp_condition *condition, const struct sp_conjunct *conjunct)
{
	size_t count = condition->count;
	struct sp_conjunct *grown = condition->conjuncts;

	for (size_t i = 0; i < count; i++)
		if (memcmp(&grown[i], conjunct, sizeof(*conjunct)) == 0)
			return 0;
	if (count >= CONJUNCTS_MAX)
		return -E2BIG;
	if ((count & (count - 1)) == 0)
		grown = reallocarray(grown, count == 0 ? 1 : count * 2, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	condition->conjuncts = grown;
	if (is_any(conjunct))
		condition->count = 0; /* it swallows the others */
	grown[condition->count++] = *conjunct;
	return 0;
}

int sp_condition_add_all(struct sp_condition *condition, const struct sp_condition *more)
{
	int r = 0;

	for (size_t i = 0; i < more->count && r == 0; i++)
		r = sp_condition_add(condition, &more->conjuncts[i]);
	return r;
}

int sp_condition_always(struct sp_condition *ret)
{
	return sp_condition_add(ret, &(const struct sp_conjunct){0});
}

void sp_condition_clear(struct sp_condition *condition)
{
	free(condition->conjuncts);
	*condition = (struct sp_condition){0};
}

static int add_tests(struct sp_condition *condition, struct sp_conjunct conjunct, unsigned argument,
		     const struct tests *tests)
{
	int r = 0;

	for (size_t i = 0; i < tests->count && r == 0; i++) {
		conjunct.argument[argument] = tests->test[i];
		r = sp_condition_add(condition, &conjunct);
	}
	return r;
}

static void expand_order(const struct sp_comparison *comparison, uint64_t value, struct tests *ret)
{
	uint64_t most = width_mask(comparison->bits);
	bool below = comparison->relation == SP_LT || comparison->relation == SP_LE;
	bool next = comparison->relation == SP_LE || comparison->relation == SP_GT;

	if (next && value == most) {
		if (below)
			ret->test[ret->count++] = (struct sp_test){.kind = SP_TEST_ANY};
		return;
	}
	value += next;
	if (comparison->bits == 64)
		ret->test[ret->count++] =
		    (struct sp_test){below ? SP_TEST_BELOW : SP_TEST_FROM, 0, value};
	else if (below)
		expand_below(value, comparison->bits, ret);
	else
		expand_from(value, comparison->bits, ret);
}

int sp_condition_compare(const struct sp_comparison *comparison, struct sp_condition *ret)
{
	uint64_t mask = comparison->mask & width_mask(comparison->bits);
	uint64_t value = comparison->value & width_mask(comparison->bits);
	struct tests tests = {.count = 0};

	if (comparison->relation == SP_EQ)
		push_masked(&tests, mask, value);
	else if (comparison->relation == SP_NE)
		expand_different(mask, value, &tests);
	else
		expand_order(comparison, value, &tests);
	return add_tests(ret, (struct sp_conjunct){0}, comparison->argument, &tests);
}

/* a && b for two conjuncts: argument by argument, where each may multiply the parts. */
static int and_argument(struct sp_condition *parts, const struct sp_test *more, unsigned argument)
{
	struct sp_condition result = {0};
	int r = 0;

	for (size_t i = 0; i < parts->count && r == 0; i++) {
		struct sp_conjunct part = parts->conjuncts[i];
		const struct sp_test own = part.argument[argument];
		struct tests left, right;

		if (intersect_alike(&own, more, &part.argument[argument])) {
			r = sp_condition_add(&result, &part);
			continue;
		}
		as_masked(&own, &left);
		as_masked(more, &right);
		for (size_t j = 0; j < left.count * right.count && r == 0; j++)
			if (intersect_masked(&left.test[j / right.count],
					     &right.test[j % right.count],
					     &part.argument[argument]))
				r = sp_condition_add(&result, &part);
	}
	sp_condition_clear(parts);
	*parts = result;
	return r;
}

static int and_conjuncts(const struct sp_conjunct *a, const struct sp_conjunct *b,
			 struct sp_condition *ret)
{
	_cleanup_condition_ struct sp_condition parts = {0};
	int r = sp_condition_add(&parts, a);

	for (unsigned i = 0; i < SP_ARGUMENTS && r == 0; i++)
		r = and_argument(&parts, &b->argument[i], i);
	return r < 0 ? r : sp_condition_add_all(ret, &parts);
}

int sp_condition_and(const struct sp_condition *a, const struct sp_condition *b,
		     struct sp_condition *ret)
{
	int r = 0;

	for (size_t i = 0; i < a->count && r == 0; i++)
		for (size_t j = 0; j < b->count && r == 0; j++)
			r = and_conjuncts(&a->conjuncts[i], &b->conjuncts[j], ret);
	return r;
}

int sp_condition_narrow(struct sp_condition *condition, const struct sp_condition *more)
{
	struct sp_condition result = {0};
	int r = sp_condition_and(condition, more, &result);

	sp_condition_clear(condition);
	*condition = result;
	return r;
}

static void negate_test(const struct sp_test *test, struct tests *ret)
{
	ret->count = 0;
	if (test->kind == SP_TEST_MASKED)
		expand_different(test->mask, test->value, ret);
	else if (test->kind == SP_TEST_BELOW)
		ret->test[ret->count++] = (struct sp_test){SP_TEST_FROM, 0, test->value};
	else if (test->kind == SP_TEST_FROM)
		ret->test[ret->count++] = (struct sp_test){SP_TEST_BELOW, 0, test->value};
}

/* Some argument's test fails, and those before it hold. */
static int not_conjunct(const struct sp_conjunct *conjunct, struct sp_condition *ret)
{
	struct sp_conjunct held = {0};
	int r = 0;

	for (unsigned i = 0; i < SP_ARGUMENTS && r == 0; i++) {
		struct tests negated;

		negate_test(&conjunct->argument[i], &negated);
		r = add_tests(ret, held, i, &negated);
		held.argument[i] = conjunct->argument[i];
	}
	return r;
}

int sp_condition_not(const struct sp_condition *a, struct sp_condition *ret)
{
	int r = sp_condition_always(ret);

	for (size_t i = 0; i < a->count && r == 0; i++) {
		_cleanup_condition_ struct sp_condition negated = {0};

		r = not_conjunct(&a->conjuncts[i], &negated);
		if (r == 0)
			r = sp_condition_narrow(ret, &negated);
	}
	return r;
}
