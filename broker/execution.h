/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a program may be executed: before the kernel is asked, politely; after it has done it, by
 * what the process has become. */
#ifndef SALLYPORT_BROKER_EXECUTION_H
#define SALLYPORT_BROKER_EXECUTION_H

#include <stdbool.h>
#include <sys/types.h>

#include "broker/walker.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Looks at what request->call (execve or execveat) names, and at what the kernel would load with it.
 * 0, or -errno; a refusal by policy fills request->refusal.
 */
int sp_execution_allow(struct sp_request *request);

/*
 * Whether a process that stands behind an execve runs only what the policy lets it execute. False,
 * and request->refusal says what it was. The request is about no call.
 */
bool sp_execution_check(const struct sp_request *request, pid_t outer_pid);

#ifdef __cplusplus
}
#endif

#endif
