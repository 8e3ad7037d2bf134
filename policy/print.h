/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of a policy as its language writes them, for all that shows policies to people. */
#ifndef SALLYPORT_POLICY_PRINT_H
#define SALLYPORT_POLICY_PRINT_H

#include <stdint.h>
#include <stdio.h>

#include "policy/condition.h"
#include "policy/model.h"

#ifdef __cplusplus
extern "C" {
#endif

/* With its quotes. Bytes that are no printable ASCII are shown as \xNN, as reports show them. */
void sp_print_json(FILE *out, const char *text);
/* The same bytes without quotes, for people. */
void sp_print_visible(FILE *out, const char *text);

/* "request == TCGETS or fd > 2" */
void sp_print_condition(FILE *out, int nr, const struct sp_condition *condition);

/* "deny as EACCES", "kill thread": what a rule does, and what an action of the kernel does. */
void sp_print_action(FILE *out, enum sp_action action, int error);
void sp_print_kernel_action(FILE *out, uint32_t action);

/* "read, write"; "deny" for none. */
void sp_print_rights(FILE *out, uint32_t rights);

/* "ENOENT", or a number where there is no name. */
void sp_print_errno(FILE *out, int error);

/* A pattern as a word, in quotes where it needs them. False, and nothing, where no policy can hold it:
 * it has a double quote in it. */
bool sp_print_pattern(FILE *out, const char *pattern);

#ifdef __cplusplus
}
#endif

#endif
