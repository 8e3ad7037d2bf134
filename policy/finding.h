/* SPDX-License-Identifier: Apache-2.0 */
/* What a policy says of one call with its names: the model's verdict, then that of the path rules. */
#ifndef SALLYPORT_POLICY_FINDING_H
#define SALLYPORT_POLICY_FINDING_H

#include "policy/invocation.h"
#include "policy/judge.h"
#include "policy/rules.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A policy with its compiled path rules: 0, -ENOMEM or -E2BIG. */
struct sp_subject {
	struct sp_policy *policy; /* borrowed */
	struct sp_rules *rules;   /* owned */
};
int sp_subject_open(struct sp_policy *policy, struct sp_subject *ret);
void sp_subject_close(struct sp_subject *subject);

/* Whether the porter decides by names and addresses, of a call that is brokered under some policies alone. */
bool sp_subject_brokers(const struct sp_subject *subject, int nr, const uint64_t *argument);

/* The rule that decides on a right of a name: of the policy, or of the first that bounds it of those that
 * leave least of it. NULL: the latter has none that speaks of it. */
const char *sp_winning_rule(const struct sp_rules *rules, const char *name, uint32_t right);

/* One name of a call. */
struct sp_named {
	char *name;     /* owned: canonical, and what it leads to on this machine */
	bool resolved;  /* the call has another one */
	bool makes;     /* decided on as a name that is missing and to be made */
	uint32_t needs; /* rights; 0: to be visible */
	uint32_t missing;
	bool visible; /* something of it may be known */
	struct sp_path_decision decision;
};

/* What a filter that others wrote says of the call. */
struct sp_foreign_verdict {
	size_t at;       /* the instruction that says so, by index */
	uint32_t action; /* SECCOMP_RET_* */
};

/* As many as all policies that bound each other may bring. */
#define SP_FOREIGN_MAX (SP_EXTRAS_MAX * SP_LAYERS_MAX)

struct sp_finding {
	enum sp_policy_verdict verdict;
	int error;
	const char *rule;   /* borrowed from policy or rules; NULL: none */
	const char *detail; /* what was missing, or NULL */
	bool brokered;      /* the names decided */
	struct sp_verdict call;
	struct sp_named named[2];
	size_t named_count;
	bool has_address; /* it is about a TCP connection to this one */
	struct sp_address address;
	struct sp_foreign_verdict
	    foreign[SP_FOREIGN_MAX]; /* of the filters of others, in their order */
	size_t foreign_count;
	size_t foreign_won;    /* the one that decided, counted from 1; 0: none of them */
	char foreign_rule[80]; /* "filter 1 of others, instruction 5" */
};

/* Whether the rule that decided leaves it to the application. */
bool sp_verdict_asks(const struct sp_verdict *verdict);

/* 0; -EINVAL: the call lacks a name, which is told; -ENOMEM. */
int sp_find(const struct sp_subject *subject, struct sp_reporter *reporter,
	    const struct sp_source *source, const struct sp_invocation *call,
	    struct sp_finding *ret);
void sp_finding_clear(struct sp_finding *finding);

/* diff.c: 1 where the first policy allows anything that the second, which bounds it, does not; 0: nothing;
 * -ENOMEM or -E2BIG. */
int sp_diff_narrows(struct sp_policy *wide, struct sp_policy *narrow);

#ifdef __cplusplus
}
#endif

#endif
