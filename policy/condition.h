/* SPDX-License-Identifier: Apache-2.0 */
/* Conditions on the six arguments of a system call, as expressions: tests, joined by and, or, not. */
#ifndef SALLYPORT_POLICY_CONDITION_H
#define SALLYPORT_POLICY_CONDITION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SP_ARGUMENTS 6

enum sp_test_kind {
	SP_TEST_MASKED, /* (argument & mask) == value */
	SP_TEST_BELOW,  /* argument < value, unsigned */
};

struct sp_test {
	enum sp_test_kind kind;
	unsigned argument;
	bool wide; /* the kernel looks at 64 bits; else the upper half is ignored */
	uint64_t mask, value;
};

enum sp_condition_kind { SP_CONDITION_TEST, SP_CONDITION_NOT, SP_CONDITION_AND, SP_CONDITION_OR };

struct sp_condition {
	enum sp_condition_kind kind;
	struct sp_test test;
	struct sp_condition *left, *right; /* owned; `right` of AND and OR alone */
};

enum sp_relation { SP_EQ, SP_NE, SP_LT, SP_LE, SP_GT, SP_GE };

/* One comparison as a policy writes it. `bits` is what the kernel looks at: 32 or 64. A mask other
 * than ~0 goes with SP_EQ and SP_NE alone. */
struct sp_comparison {
	unsigned argument, bits;
	enum sp_relation relation;
	uint64_t mask, value;
};

/*
 * All of these return a new condition, or NULL where there is no memory. They own what they were
 * given, which they free on failure; a NULL among it is a failure that has happened before.
 */
struct sp_condition *sp_condition_test(const struct sp_test *test);
struct sp_condition *sp_condition_compare(const struct sp_comparison *comparison);
struct sp_condition *sp_condition_not_take(struct sp_condition *condition);
struct sp_condition *sp_condition_join_take(enum sp_condition_kind kind, struct sp_condition *left,
					    struct sp_condition *right);
struct sp_condition *sp_condition_copy(const struct sp_condition *condition);

void sp_condition_free(struct sp_condition *condition); /* accepts NULL */

bool sp_test_holds(const struct sp_test *test, uint64_t argument);

/* What it says of these arguments. */
bool sp_condition_holds(const struct sp_condition *condition,
			const uint64_t argument[SP_ARGUMENTS]);

/* A test that was made, and what came out. */
struct sp_tested {
	struct sp_test test;
	bool holds;
};

/* The tests that were made in turn. Zero-initialise; `list` is owned by whoever made it. */
struct sp_trace {
	struct sp_tested *list;
	size_t count;
	int error; /* 0 or -ENOMEM: some are missing */
};

/* The same, telling of the tests (trace NULL: nobody). Those that decide nothing any more are not made. */
bool sp_condition_trace(const struct sp_condition *condition, const uint64_t argument[SP_ARGUMENTS],
			struct sp_trace *trace);

static inline void sp_condition_free_pointer(struct sp_condition **condition)
{
	sp_condition_free(*condition);
}

#define _cleanup_condition_ __attribute__((cleanup(sp_condition_free_pointer)))

#ifdef __cplusplus
}
#endif

#endif
