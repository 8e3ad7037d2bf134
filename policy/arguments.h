/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All that can become of the arguments of a call: every way through the tests of one or two policies, with
 * arguments that take it. What holds for these holds for all arguments.
 */
#ifndef SALLYPORT_POLICY_ARGUMENTS_H
#define SALLYPORT_POLICY_ARGUMENTS_H

#include "policy/condition.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Asks about the arguments, and hears of the tests that had a part in the answer. Something but 0 ends the
 * walk, which returns it. */
typedef int sp_arguments_fn(const uint64_t argument[SP_ARGUMENTS], struct sp_trace *trace,
			    void *data);

/* Calls `fn` once for every way. 0, -ENOMEM, or what `fn` returned. */
int sp_arguments_walk(sp_arguments_fn *fn, void *data);

#ifdef __cplusplus
}
#endif

#endif
