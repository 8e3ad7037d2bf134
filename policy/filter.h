/* SPDX-License-Identifier: Apache-2.0 */
/* BPF programs of a policy, freed by the caller. All return 0, -ENOMEM, or -E2BIG: too many rules. */
#ifndef SALLYPORT_POLICY_FILTER_H
#define SALLYPORT_POLICY_FILTER_H

#include "policy/model.h"

/* The filter that locks a sandboxee. */
int sp_filter_compile(const struct sp_policy *policy, struct sp_program *ret_program);

/* The floor under a program that has no runtime: what is not allowed comes to the porter by user
 * notification. */
int sp_filter_compile_floor(const struct sp_policy *policy, struct sp_program *ret_program);

/* The filter of its porter: an allow list, deadly otherwise. */
int sp_filter_compile_porter(const struct sp_policy *policy, struct sp_program *ret_program);

/* The same for the porter of a program on a floor, which reads its memory and holds its threads. */
int sp_filter_compile_listener(const struct sp_policy *policy, struct sp_program *ret_program);

#endif
