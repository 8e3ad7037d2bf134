/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A filter before it is a program: what each policy, of those that bound each other, decides on each call, native and of
 * other architectures. Internal to policy/.
 */
#ifndef SALLYPORT_POLICY_FILTER_DRAFT_H
#define SALLYPORT_POLICY_FILTER_DRAFT_H

#include "policy/filter_decisions.h"

/* What each policy, of those that bound each other, says of one call: that of the n-th stands n strides behind. */
struct sp_draft_call {
	const struct sp_decisions *first;
	size_t stride, count;
};

static inline const struct sp_decisions *sp_draft_layer(const struct sp_draft_call *call,
							size_t index)
{
	return call->first + index * call->stride;
}

struct sp_draft {
	struct sp_decisions *decisions; /* owned: of each layer, of each call */
	size_t count;
	struct sp_draft_call call[SP_FILTER_CALLS];
	uint32_t architectures; /* that are looked up besides the native one */
	struct sp_draft_call twin[SP_TWIN_COUNT][SP_TWIN_NUMBERS + 1];
};

/* Into a draft of zeros, to be cleared in either case. 0 or -ENOMEM. */
int sp_draft_make(struct sp_compilation *c, struct sp_draft *draft);
void sp_draft_clear(struct sp_draft *draft);

/* filter_write.c: the program. Calls are found by what the policy (NULL: nothing) says of how often they come. 0,
 * -ENOMEM, or -E2BIG. */
int sp_draft_write(const struct sp_policy *policy, const struct sp_draft *draft,
		   struct sp_program *ret_program);

#endif
