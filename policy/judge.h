/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a filter says of one call, from the rules themselves: filters are proved by it, and it tells
 * why.
 */
#ifndef SALLYPORT_POLICY_JUDGE_H
#define SALLYPORT_POLICY_JUDGE_H

#include <linux/seccomp.h>

#include "ipc/runtime.h"
#include "policy/model.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The action of a lock on a call that the policy allows and the runtime makes: the listing of a directory. */
#define SP_FILTER_LISTS (SECCOMP_RET_TRAP | SP_TRAP_LISTS)

/* The same call, with the runtime's mark, where a phase refuses it. */
#define SP_FILTER_LISTS_NOT (SECCOMP_RET_ERRNO | SP_LISTS_REFUSED)

enum sp_filter_kind { SP_FILTER_LOCK, SP_FILTER_FLOOR, SP_FILTER_ALONE };

#define SP_CANDIDATES_MAX 64

/* A rule that speaks of the call. */
struct sp_candidate {
	const char *source;              /* borrowed from the policy */
	const struct sp_call_rule *rule; /* the same; NULL: built in, or the default */
	uint32_t action;                 /* SECCOMP_RET_* */
	size_t layer;                    /* 0: of the policy itself, else of one that bounds it */
	bool holds;   /* its condition does; in its layer the first that holds wins */
	bool guarded; /* it would allow what no policy can: the action is another one */
};

struct sp_verdict {
	uint32_t action;
	const char *source;                                /* of the rule that won */
	struct sp_candidate candidates[SP_CANDIDATES_MAX]; /* in the order of asking */
	size_t candidate_count;
};

/* 0 or -ENOMEM. */
int sp_model_verdict(const struct sp_policy *policy, enum sp_filter_kind kind,
		     const struct seccomp_data *data, struct sp_verdict *ret_verdict);

/* The same for one call of this architecture, for those who ask often. Borrows the policy. 0 or -ENOMEM. */
struct sp_judge;
int sp_judge_new(const struct sp_policy *policy, enum sp_filter_kind kind, int nr,
		 struct sp_judge **ret_judge);
/* Of an architecture by its audit name. */
int sp_judge_new_for(const struct sp_policy *policy, enum sp_filter_kind kind, uint32_t arch,
		     int nr, struct sp_judge **ret_judge);
void sp_judge_free(struct sp_judge *judge); /* accepts NULL */

/* `trace` (NULL: none) hears of each test that had a part in the verdict. */
void sp_judge_ask(const struct sp_judge *judge, const uint64_t argument[SP_ARGUMENTS],
		  struct sp_trace *trace, struct sp_verdict *ret_verdict);

/* The decisions in the order of asking, each of which a program holds: those of the policy, then of
 * each that bounds it. Conditions and sources are borrowed; `where` NULL: always; `guard` NULL: none. */
struct sp_judge_decision {
	uint32_t action, otherwise; /* the latter where the guard does not hold */
	const struct sp_condition *where, *guard;
	const char *source;
	const struct sp_call_rule *rule; /* NULL: built in, or the default */
	bool final;                      /* no bounding policy is asked */
};
size_t sp_judge_layers(const struct sp_judge *judge);
/* False after the last. */
bool sp_judge_at(const struct sp_judge *judge, size_t layer, size_t index,
		 struct sp_judge_decision *ret_decision);

#ifdef __cplusplus
}
#endif

#endif
