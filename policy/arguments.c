/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A way through is the list of tests that were made, with what came out. Each is found from another one: by
 * turning one of its results round, and looking for arguments that give the results before it and the
 * turned one. Since nothing but the tests looks at arguments, no other way is left.
 */
#include "policy/arguments.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/util.h"

/* ---- one argument that passes some tests and fails others ---- */

/* Bits are chosen from the highest down. What a test still waits for: */
enum state {
	STATE_OPEN, /* it agrees with the value so far */
	STATE_HELD, /* it holds, whatever follows */
	STATE_FAILED,
};

struct solver {
	const struct sp_tested *tests; /* of one argument */
	size_t count;
	uint8_t *dead; /* owned: bit and states from which there is no way on, `row` bytes each */
	size_t dead_count, dead_room;
	bool no_memory;
};

static uint64_t test_bits(const struct sp_test *test)
{
	uint64_t width = test->wide ? UINT64_MAX : UINT32_MAX;

	return test->kind == SP_TEST_MASKED ? test->mask & width : width;
}

static enum state step(const struct sp_test *test, enum state state, int bit, bool value)
{
	bool wanted = test->value >> bit & 1;

	if (state != STATE_OPEN || !(test_bits(test) >> bit & 1) || value == wanted)
		return state;
	if (test->kind == SP_TEST_MASKED)
		return STATE_FAILED;
	return wanted ? STATE_HELD : STATE_FAILED; /* below, or not */
}

/* What a test that has not been decided by any bit says. */
static bool final_result(const struct sp_test *test, enum state state)
{
	return state == STATE_HELD || (state == STATE_OPEN && test->kind == SP_TEST_MASKED &&
				       !(test->value & ~test_bits(test)));
}

/* Whether the result that is wanted can still come. */
static bool is_possible(const struct sp_tested *tested, enum state state, int bits_left)
{
	uint64_t rest = bits_left == 64 ? UINT64_MAX : (UINT64_C(1) << bits_left) - 1;
	uint64_t open = test_bits(&tested->test) & rest;

	if (state != STATE_OPEN)
		return (state == STATE_HELD) == tested->holds;
	if (open == 0)
		return final_result(&tested->test, state) == tested->holds;
	/* Nothing is below zero. */
	return tested->test.kind == SP_TEST_MASKED || !tested->holds ||
	       (tested->test.value & open) != 0;
}

static bool is_dead(const struct solver *solver, const uint8_t *row)
{
	for (size_t i = 0; i < solver->dead_count; i++)
		if (memcmp(solver->dead + i * (solver->count + 1), row, solver->count + 1) == 0)
			return true;
	return false;
}

static void bury(struct solver *solver, const uint8_t *row)
{
	size_t size = solver->count + 1;

	if (solver->dead_count == solver->dead_room) {
		size_t room = solver->dead_room ? 2 * solver->dead_room : 16;
		uint8_t *grown = reallocarray(solver->dead, room, size);

		if (!grown) {
			solver->no_memory = true;
			return;
		}
		solver->dead = grown;
		solver->dead_room = room;
	}
	memcpy(solver->dead + solver->dead_count++ * size, row, size);
}

/* row: the number of bits that are left, then the states. True: *value has them all.
 * NOLINTNEXTLINE(misc-no-recursion): as deep as there are bits */
static bool solve_bits(struct solver *solver, const uint8_t *row, uint64_t *value)
{
	int bit = row[0] - 1;
	_cleanup_free_ uint8_t *next = NULL;

	if (bit < 0)
		return true;
	if (is_dead(solver, row))
		return false;
	next = malloc(solver->count + 1);
	if (!next) {
		solver->no_memory = true;
		return false;
	}
	for (int choice = 0; choice <= 1; choice++) {
		bool possible = true, differs = choice == 0;

		next[0] = (uint8_t)bit;
		for (size_t i = 0; i < solver->count && possible; i++) {
			const struct sp_tested *tested = &solver->tests[i];
			enum state before = (enum state)row[i + 1];

			next[i + 1] = (uint8_t)step(&tested->test, before, bit, choice);
			possible = is_possible(tested, (enum state)next[i + 1], bit);
			differs |=
			    step(&tested->test, before, bit, false) != (enum state)next[i + 1];
		}
		if (!possible || !differs || !solve_bits(solver, next, value))
			continue;
		*value |= (uint64_t)choice << bit;
		return true;
	}
	bury(solver, row);
	return false;
}

/* An argument for the tests among `tests` that look at it, as small as there is. 1: found; 0: there is
 * none; -ENOMEM. */
static int solve(const struct sp_tested *tests, size_t count, unsigned argument,
		 uint64_t *ret_value)
{
	_cleanup_free_ struct sp_tested *own = calloc(count + 1, sizeof(*own));
	_cleanup_free_ uint8_t *row = calloc(count + 1, 1);
	struct solver solver = {.tests = own};
	uint64_t value = 0;
	bool found = true;

	if (!own || !row)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		if (tests[i].test.argument == argument)
			own[solver.count++] = tests[i];
	row[0] = 64;
	for (size_t i = 0; i < solver.count; i++)
		found &= is_possible(&own[i], STATE_OPEN, 64);
	found = found && solve_bits(&solver, row, &value);
	free(solver.dead);
	if (solver.no_memory)
		return -ENOMEM;
	*ret_value = value;
	return found;
}

/* ---- all ways ---- */

struct walk {
	sp_arguments_fn *fn;
	void *data;
};

static bool same_test(const struct sp_test *a, const struct sp_test *b)
{
	return a->kind == b->kind && a->argument == b->argument && a->wide == b->wide &&
	       a->mask == b->mask && a->value == b->value;
}

/* Tests that are made again say nothing new. */
static void drop_repeated(struct sp_trace *trace)
{
	size_t kept = 0;

	for (size_t i = 0; i < trace->count; i++) {
		size_t j = 0;

		while (j < kept && !same_test(&trace->list[j].test, &trace->list[i].test))
			j++;
		if (j == kept)
			trace->list[kept++] = trace->list[i];
	}
	trace->count = kept;
}

/* Goes the way of these arguments, then all that part from it behind the first `fixed` tests.
 * NOLINTNEXTLINE(misc-no-recursion): as deep as there are tests */
static int go(const struct walk *walk, const uint64_t argument[SP_ARGUMENTS], size_t fixed)
{
	struct sp_trace trace = {0};
	int r = walk->fn(argument, &trace, walk->data);

	if (r == 0)
		r = trace.error;
	drop_repeated(&trace);
	for (size_t i = fixed; i < trace.count && r == 0; i++) {
		uint64_t other[SP_ARGUMENTS];
		unsigned turned = trace.list[i].test.argument;

		memcpy(other, argument, sizeof(other));
		trace.list[i].holds = !trace.list[i].holds;
		r = solve(trace.list, i + 1, turned, &other[turned]);
		if (r > 0)
			r = go(walk, other, i + 1);
		trace.list[i].holds = !trace.list[i].holds;
	}
	free(trace.list);
	return r;
}

int sp_arguments_walk(sp_arguments_fn *fn, void *data)
{
	static const uint64_t none[SP_ARGUMENTS] = {0};
	const struct walk walk = {fn, data};

	return go(&walk, none, 0);
}
