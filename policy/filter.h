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
 * porter asks beside the floor. Calls are found in the order of `launch`, the policy that names the phase, where
 * it has one: the same program makes them. */
int sp_filter_compile_phase(const struct sp_policy *policy, const struct sp_policy *launch,
			    struct sp_program *ret_program);
int sp_filter_compile_phase_floor(const struct sp_policy *policy, const struct sp_policy *launch,
				  struct sp_program *ret_program);

/*
 * A filter that nobody stands behind, for sandboxes of others: what a porter would refuse the kernel
 * does, with the policy's errno. A filter can't read names: the calls that take one are let through
 * where some rule grants, on any name, a right that they may need.
 */
int sp_filter_compile_alone(const struct sp_policy *policy, struct sp_program *ret_program);

/* Whether the call is let through whatever a policy says. What a runtime answers by itself counts as such. */
bool sp_filter_always_allows(int nr);

/* The rules of a call that are ever asked, in the order of asking: *ret_rules is to be freed. 0 or
 * -ENOMEM. */
int sp_model_order_calls(const struct sp_policy *policy, int nr,
			 const struct sp_call_rule ***ret_rules, size_t *ret_count);

#ifdef __cplusplus
}
#endif

#endif
