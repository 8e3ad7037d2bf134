/* SPDX-License-Identifier: Apache-2.0 */
/* BPF programs of a policy, freed by the caller. All return 0, -ENOMEM, or -E2BIG: too many rules. */
#ifndef SALLYPORT_POLICY_FILTER_H
#define SALLYPORT_POLICY_FILTER_H

#include <linux/seccomp.h>

#include "policy/model.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The filter that locks a sandboxee. */
int sp_filter_compile(const struct sp_policy *policy, struct sp_program *ret_program);

/* The floor under a program that has no runtime: what is not allowed comes to the porter by user
 * notification. */
int sp_filter_compile_floor(const struct sp_policy *policy, struct sp_program *ret_program);

/* The floor of a permissive launch: the same, with a notification in the place of every other verdict that
 * does not let the kernel perform the call, and of what a network namespace would refuse. */
int sp_filter_compile_permissive(const struct sp_policy *policy, struct sp_program *ret_program);

/* The filter of its porter: an allow list, deadly otherwise. */
int sp_filter_compile_porter(const struct sp_policy *policy, struct sp_program *ret_program);

/* The same for the porter of a program on a floor, which reads its memory and holds its threads. */
int sp_filter_compile_listener(const struct sp_policy *policy, struct sp_program *ret_program);

/* The first two of a policy as the bound of a phase: what is loaded on top of the lock, and what the
 * porter asks beside the floor. */
int sp_filter_compile_phase(const struct sp_policy *policy, struct sp_program *ret_program);
int sp_filter_compile_phase_floor(const struct sp_policy *policy, struct sp_program *ret_program);

/*
 * A filter that nobody stands behind, for sandboxes of others: what a porter would refuse the kernel
 * does, with the policy's errno. A filter can't read names: the calls that take one are let through
 * where some rule grants, on any name, a right that they may need.
 */
int sp_filter_compile_alone(const struct sp_policy *policy, struct sp_program *ret_program);

/* The rules of a call that are ever asked, in the order of asking: *ret_rules is to be freed. 0 or
 * -ENOMEM. */
int sp_model_order_calls(const struct sp_policy *policy, int nr,
			 const struct sp_call_rule ***ret_rules, size_t *ret_count);

/*
 * What a filter says of one call, from the rules themselves: filters are proved by it, and it tells
 * why.
 */
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
