/* SPDX-License-Identifier: Apache-2.0 */
/* Findings in words. */
#ifndef SALLYPORT_POLICY_EXPLAIN_H
#define SALLYPORT_POLICY_EXPLAIN_H

#include <stdio.h>

#include "policy/finding.h"

/* "deny as EACCES" */
void sp_print_verdict(FILE *out, enum sp_policy_verdict verdict, int error);

/* `call` is what was asked, as it was written. */
void sp_explain_text(FILE *out, const struct sp_subject *subject, const char *call,
		     const struct sp_invocation *invocation, const struct sp_finding *finding);
void sp_explain_json(FILE *out, const struct sp_subject *subject, const char *call,
		     const struct sp_invocation *invocation, const struct sp_finding *finding);

#endif
