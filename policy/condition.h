/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Conditions on the six arguments of a system call, in the one form that libseccomp can take: an
 * "or" of rules, each an "and" of at most one comparison an argument. "And" and "not" of such
 * conditions are computed here, so that a filter can give every call an ordered list of verdicts
 * though libseccomp itself knows no order.
 */
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
	SP_TEST_ANY,
	SP_TEST_MASKED, /* (argument & mask) == value */
	SP_TEST_BELOW,  /* argument < value, unsigned 64 bits */
	SP_TEST_FROM,   /* argument >= value */
};

struct sp_test {
	enum sp_test_kind kind;
	uint64_t mask, value;
};

struct sp_conjunct {
	struct sp_test argument[SP_ARGUMENTS];
};

/* True where any conjunct is; none: false. Zero-initialise; free with sp_condition_clear(). */
struct sp_condition {
	struct sp_conjunct *conjuncts;
	size_t count;
};

enum sp_relation { SP_EQ, SP_NE, SP_LT, SP_LE, SP_GT, SP_GE };

/* One comparison as a policy writes it. `bits` is what the kernel looks at: 32 or 64. A mask other
 * than ~0 goes with SP_EQ and SP_NE alone. */
struct sp_comparison {
	unsigned argument, bits;
	enum sp_relation relation;
	uint64_t mask, value;
};

/* All return 0, -ENOMEM, or -E2BIG where the result would not fit into a filter. */
int sp_condition_add(struct sp_condition *condition, const struct sp_conjunct *conjunct);
int sp_condition_add_all(struct sp_condition *condition, const struct sp_condition *more);
int sp_condition_always(struct sp_condition *ret);
int sp_condition_compare(const struct sp_comparison *comparison, struct sp_condition *ret);
int sp_condition_and(const struct sp_condition *a, const struct sp_condition *b,
		     struct sp_condition *ret);
int sp_condition_not(const struct sp_condition *a, struct sp_condition *ret);
void sp_condition_clear(struct sp_condition *condition);

/* *condition &= more. */
int sp_condition_narrow(struct sp_condition *condition, const struct sp_condition *more);

#define _cleanup_condition_ __attribute__((cleanup(sp_condition_clear)))

#ifdef __cplusplus
}
#endif

#endif
