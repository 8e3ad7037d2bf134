/* SPDX-License-Identifier: Apache-2.0 */
#include "formula.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* More than anybody writes; a negation can multiply alternatives. */
#define ALTERNATIVES_MAX 256
#define CLAUSES_MAX 32

static struct formula formula_of(struct pool *pool, const struct clause *clauses, size_t count)
{
	struct conjunction *one = pool_allocate(pool, sizeof(*one));
	struct clause *copy = pool_allocate(pool, (count + 1) * sizeof(*copy));

	if (count > 0)
		memcpy(copy, clauses, count * sizeof(*copy));
	*one = (struct conjunction){copy, count};
	return (struct formula){.any = one, .count = 1};
}

struct formula formula_always(struct pool *pool)
{
	return formula_of(pool, NULL, 0);
}

bool formula_is_always(const struct formula *formula)
{
	for (size_t i = 0; i < formula->count; i++)
		if (formula->any[i].count == 0)
			return true;
	return false;
}

/* ---- comparisons ---- */

static bool compare(const struct clause *clause, uint64_t argument)
{
	argument &= clause->mask;
	switch (clause->relation) {
	case RELATION_IS:
		return argument == clause->value;
	case RELATION_IS_NOT:
		return argument != clause->value;
	case RELATION_BELOW:
		return argument < clause->value;
	case RELATION_FROM:
		return argument >= clause->value;
	case RELATION_ABOVE:
		return argument > clause->value;
	case RELATION_UP_TO:
	default:
		return argument <= clause->value;
	}
}

/* Whether the outcome is the same for every argument of that width: the outcome. */
static bool is_constant(const struct clause *clause, uint64_t width, bool *ret_holds)
{
	if (clause->relation == RELATION_IS || clause->relation == RELATION_IS_NOT) {
		bool outside = clause->value & ~clause->mask;

		*ret_holds = (clause->relation == RELATION_IS) != outside;
		return outside || clause->mask == 0;
	}
	*ret_holds = compare(clause, 0);
	return *ret_holds == compare(clause, width);
}

struct formula formula_compare(struct pool *pool, const struct sp_policy_call *call,
			       struct clause clause)
{
	uint64_t width = UINT64_MAX;
	bool holds;

	if (clause.argument >= SP_POLICY_ARGUMENTS || !call->argument[clause.argument])
		return FORMULA_UNKNOWN;
	if (call->bits[clause.argument] == 32) {
		width = UINT32_MAX;
		/* -1 and the like, as 64 bits; other values that large are met by no argument. */
		if (clause.value >= (uint64_t)INT32_MIN)
			clause.value &= width;
	}
	clause.mask &= width;
	if (is_constant(&clause, width, &holds))
		return holds ? formula_always(pool) : FORMULA_NEVER;
	return formula_of(pool, &clause, 1);
}

/* ---- conjunctions ---- */

static bool same_clause(const struct clause *a, const struct clause *b)
{
	return a->argument == b->argument && a->relation == b->relation && a->mask == b->mask &&
	       a->value == b->value;
}

/* The clause that says all that the others ask about the argument: its bits that they look at. */
static const struct clause *find_value(const struct clause *clauses, size_t count,
				       unsigned argument)
{
	uint64_t looked_at = 0;

	for (size_t i = 0; i < count; i++)
		if (clauses[i].argument == argument)
			looked_at |= clauses[i].mask;
	for (size_t i = 0; i < count; i++)
		if (clauses[i].argument == argument && clauses[i].relation == RELATION_IS &&
		    clauses[i].mask == looked_at)
			return &clauses[i];
	return NULL;
}

static bool known_before(const struct clause *clauses, size_t at)
{
	for (size_t i = 0; i < at; i++)
		if (same_clause(&clauses[i], &clauses[at]))
			return true;
	return false;
}

/*
 * Takes out what is said twice, and all else about an argument whose value is known. False: the clauses
 * contradict each other.
 */
static bool simplify(struct clause *clauses, size_t *count)
{
	struct clause copy[CLAUSES_MAX];
	size_t kept = 0;

	memcpy(copy, clauses, *count * sizeof(*clauses));
	for (size_t i = 0; i < *count; i++) {
		const struct clause *value = find_value(copy, *count, copy[i].argument);

		if (value && !compare(&copy[i], value->value))
			return false;
		if ((value && !same_clause(value, &copy[i])) || known_before(copy, i))
			continue;
		clauses[kept++] = copy[i];
	}
	*count = kept;
	return true;
}

/* False: they contradict each other. At most CLAUSES_MAX together. */
static bool join(struct pool *pool, const struct conjunction *left, const struct conjunction *right,
		 struct conjunction *ret_joined)
{
	size_t count = left->count + right->count;
	struct clause *clauses = pool_allocate(pool, (count + 1) * sizeof(*clauses));

	memcpy(clauses, left->clauses, left->count * sizeof(*clauses));
	memcpy(clauses + left->count, right->clauses, right->count * sizeof(*clauses));
	if (!simplify(clauses, &count))
		return false;
	*ret_joined = (struct conjunction){clauses, count};
	return true;
}

/* ---- formulas ---- */

struct formula formula_or(struct pool *pool, struct formula left, struct formula right)
{
	size_t count = left.count + right.count;
	struct conjunction *any;

	if (left.unknown || right.unknown || count > ALTERNATIVES_MAX)
		return FORMULA_UNKNOWN;
	if (formula_is_always(&left) || formula_is_always(&right))
		return formula_always(pool);
	any = pool_allocate(pool, (count + 1) * sizeof(*any));
	for (size_t i = 0; i < left.count; i++)
		any[i] = left.any[i];
	for (size_t i = 0; i < right.count; i++)
		any[left.count + i] = right.any[i];
	return (struct formula){.any = any, .count = count};
}

struct formula formula_and(struct pool *pool, struct formula left, struct formula right)
{
	struct conjunction *any;
	size_t count = 0;

	if (left.unknown || right.unknown || left.count * right.count > ALTERNATIVES_MAX)
		return FORMULA_UNKNOWN;
	any = pool_allocate(pool, (left.count * right.count + 1) * sizeof(*any));
	for (size_t i = 0; i < left.count; i++)
		for (size_t j = 0; j < right.count; j++) {
			if (left.any[i].count + right.any[j].count > CLAUSES_MAX)
				return FORMULA_UNKNOWN;
			if (join(pool, &left.any[i], &right.any[j], &any[count]))
				count++;
		}
	return (struct formula){.any = any, .count = count};
}

static struct formula negate_conjunction(struct pool *pool, const struct conjunction *conjunction)
{
	struct formula formula = FORMULA_NEVER;

	for (size_t i = 0; i < conjunction->count; i++) {
		struct clause clause = conjunction->clauses[i];

		clause.relation ^= 1;
		formula = formula_or(pool, formula, formula_of(pool, &clause, 1));
	}
	return formula;
}

struct formula formula_not(struct pool *pool, struct formula formula)
{
	struct formula negation = formula_always(pool);

	if (formula.unknown)
		return formula;
	for (size_t i = 0; i < formula.count; i++)
		negation = formula_and(pool, negation, negate_conjunction(pool, &formula.any[i]));
	return negation;
}

/* ---- text ---- */

#define MANY_BITS 16
#define VALUE_MAX 512

static void write_value(const struct sp_policy_call *call, unsigned argument, uint64_t value,
			char buffer[VALUE_MAX])
{
	(void)sp_policy_value(call->number, argument, value, buffer, VALUE_MAX);
	/* A mask of many bits is the complement of something: a number says more than all those
	 * names, which might not fit either. */
	if (__builtin_popcountll(value) > MANY_BITS && strchr(buffer, '|'))
		(void)snprintf(buffer, VALUE_MAX, "0x%" PRIx64, value);
}

static char *clause_text(struct pool *pool, const struct sp_policy_call *call,
			 const struct clause *clause)
{
	static const char *const relations[] = {"==", "!=", "<", ">=", ">", "<="};
	const char *name = call->argument[clause->argument];
	uint64_t width = call->bits[clause->argument] == 32 ? UINT32_MAX : UINT64_MAX;
	char value[VALUE_MAX], mask[VALUE_MAX];

	write_value(call, clause->argument, clause->value, value);
	if (clause->mask == width)
		return pool_print(pool, "%s %s %s", name, relations[clause->relation], value);
	write_value(call, clause->argument, clause->mask, mask);
	return pool_print(pool, "%s & %s %s %s", name, mask, relations[clause->relation],
			  clause->value == 0 ? "0" : value);
}

char *conjunction_text(struct pool *pool, const struct sp_policy_call *call,
		       const struct conjunction *conjunction)
{
	char *text = pool_copy(pool, "", 0);

	for (size_t i = 0; i < conjunction->count; i++)
		text = pool_print(pool, "%s%s%s", text, i > 0 ? ", " : "",
				  clause_text(pool, call, &conjunction->clauses[i]));
	return text;
}
