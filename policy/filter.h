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

/* The filter of its porter: an allow list, deadly otherwise. */
int sp_filter_compile_porter(const struct sp_policy *policy, struct sp_program *ret_program);

/* The same for the porter of a program on a floor, which reads its memory and holds its threads. */
int sp_filter_compile_listener(const struct sp_policy *policy, struct sp_program *ret_program);

/*
 * What one of the first two says of one call, from the rules themselves: filters are proved by it,
 * and it tells why.
 */
enum sp_filter_kind { SP_FILTER_LOCK, SP_FILTER_FLOOR };

#define SP_CANDIDATES_MAX 64

/* A rule that speaks of the call. */
struct sp_candidate {
	const char *source; /* borrowed from the policy */
	uint32_t action;    /* SECCOMP_RET_* */
	size_t layer;       /* 0: of the policy itself, else of one that bounds it */
	bool holds;         /* its condition does; in its layer the first that holds wins */
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

#ifdef __cplusplus
}
#endif

#endif
