/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a filter decides on one call: an ordered list, of which the first whose condition holds decides. A policy, what
 * bounds it, and what is built in each add to it; programs (filter_write.c) and verdicts (judge.c) are made of
 * nothing else. Internal to policy/. Functions return 0 or -ENOMEM where nothing else is said.
 */
#ifndef SALLYPORT_POLICY_FILTER_DECISIONS_H
#define SALLYPORT_POLICY_FILTER_DECISIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ipc/runtime.h"
#include "policy/judge.h"
#include "policy/model.h"
#include "policy/names.h"
#include "policy/twins.h"

struct sp_filter_row;

/* What happens where the condition (NULL: always) holds and that of no earlier decision does. Where
 * there is a guard that does not hold, `otherwise` happens in its place. */
struct sp_decision {
	uint32_t action, otherwise;
	struct sp_condition *where, *guard; /* owned */
	const char *source;                 /* where the rule stands; borrowed */
	const struct sp_call_rule *rule;    /* NULL: built in, or the default; borrowed */
	bool final;                         /* no bounding policy is asked */
	int error; /* how a denial fails where nobody can be asked; 0: ENOSYS */
};

struct sp_decisions {
	struct sp_decision *list;
	size_t count;
};

/* What the program is for. */
enum sp_purpose {
	SP_PURPOSE_LOCK,  /* a runtime answers its traps */
	SP_PURPOSE_FLOOR, /* the porter answers its notifications */
	SP_PURPOSE_ALONE, /* nobody answers: what another one would, the kernel does */
	SP_PURPOSE_PORTER,
	SP_PURPOSE_LISTENER, /* the porter of a program on a floor */
};

/* What is being decided: the kind of filter, and the policy and the call in hand. */
struct sp_compilation {
	const struct sp_policy *policy; /* the one in hand: the policy itself, or what bounds it */
	enum sp_purpose purpose;
	bool phased;  /* phases may be entered later */
	bool on_top;  /* of a lock: what that does for the runtime is done */
	bool bounds;  /* the policy in hand bounds another, which has had its say */
	bool watched; /* what a wall, and no filter, would refuse comes before the porter too */
	uint32_t intercept; /* the action that brings a call before the porter */
	uint32_t granted;   /* all rights that the policy grants on any name */
	const struct sp_call_index
	    *index; /* of the policy in hand; NULL: one call alone is looked at */
	int nr;     /* the call in hand */
	struct sp_decisions *decisions;
};

/* filter.c: how a filter of this kind is compiled, and judged. */
struct sp_compilation sp_filter_compilation(const struct sp_policy *policy,
					    enum sp_filter_kind kind);

static inline bool sp_filter_is_porter(const struct sp_compilation *c)
{
	return c->purpose == SP_PURPOSE_PORTER || c->purpose == SP_PURPOSE_LISTENER;
}

/* ---- numbers ---- */

/* The calls that a filter tells apart: numbers that a name may have, and then by their first: what lies beyond, the
 * runtime's own, and what lies beyond those. */
enum { SP_NR_BEYOND = SP_NUMBERS, SP_NR_RESERVED, SP_NR_FURTHER, SP_FILTER_CALLS };

static inline int sp_filter_leaf_of(uint32_t nr)
{
	if (nr < SP_NUMBERS)
		return (int)nr;
	if (nr < SP_NR_CHANNEL)
		return SP_NR_BEYOND;
	return nr <= SP_NR_RESERVED_LAST ? SP_NR_RESERVED : SP_NR_FURTHER;
}

/* The native call of a twin, among the decisions on native ones. */
static inline int sp_filter_native_of(const struct sp_twin *twin)
{
	return twin->native >= 0 ? twin->native : SP_NR_BEYOND;
}

/* ---- filter_decisions.c: the list of the call in hand ---- */

/* Takes both conditions. */
int sp_filter_decide(struct sp_compilation *c, const struct sp_decision *decision);

/* Without a condition, and for every policy that bounds this one. */
int sp_filter_decide_finally(struct sp_compilation *c, uint32_t action, const char *source);

int sp_filter_decide_always(struct sp_compilation *c, uint32_t action, const char *source);

/* `model` with the condition of each row of the call. */
int sp_filter_decide_rows(struct sp_compilation *c, const struct sp_decision *model,
			  const struct sp_filter_row *rows, size_t count);

/* *guard &= one of the rows of the call; NULL stands for "always". */
int sp_filter_guard_by(const struct sp_filter_row *rows, size_t count, int nr,
		       struct sp_condition **guard);

/* What follows an unconditional decision is never reached. */
void sp_decisions_cut(struct sp_decisions *decisions);
void sp_decisions_clear(struct sp_decisions *decisions);

/* Of the verdicts of two policies that bound each other one stands: that which leaves less. */
unsigned sp_filter_strictness(uint32_t action);
uint32_t sp_filter_stricter(uint32_t a, uint32_t b);

/* ---- what is decided on the call in hand, which may have no name ---- */

/* What decisions that several files speak of name as their source. */
extern const char sp_built_in_runtime[], sp_built_in_foreign[];

/* filter_call.c */
int sp_filter_decide_call(struct sp_compilation *c);

/* filter_network.c: what stands before the rules where sockets or addresses are named. */
int sp_filter_add_network(struct sp_compilation *c);
/* *guard &= what any policy may allow of it. */
int sp_filter_guard_network(const struct sp_compilation *c, struct sp_condition **guard);
bool sp_filter_reaches_network(int nr);
bool sp_filter_serves(int nr);

/* filter_porter.c */
int sp_filter_decide_porter(struct sp_compilation *c);

/* filter_twin.c: from what was decided on the native call. */
int sp_filter_decide_twin(struct sp_compilation *c, const struct sp_decisions *native,
			  const struct sp_twin *twin);

#endif
