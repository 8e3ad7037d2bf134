/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rules of one policy about names, indexed: what they say of a name is found in a walk down the name, however many
 * there are. Those about addresses lie beside them in a list (rules_addresses.c). Internal to policy/.
 */
#ifndef SALLYPORT_POLICY_RULE_SET_H
#define SALLYPORT_POLICY_RULE_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ipc/calls.h"
#include "policy/glob.h"
#include "policy/rules.h"

#define SP_RIGHT_COUNT 8
_Static_assert(SP_RIGHT_ALL == (1 << SP_RIGHT_COUNT) - 1, "a right was added");

struct sp_rule {
	struct sp_text pattern;
	struct sp_glob_measure measure;
	uint32_t rights; /* 0: deny */
	bool ask;        /* not granted: the application decides */
	int error;
	const char *source;
	/* Of edits: which of two is later, and whether the rights are taken instead of given. */
	unsigned order;
	bool revokes;
};

struct sp_loaded_address {
	struct sp_address address;
	int error; /* 0: granted */
	const char *source;
};

/*
 * A directory that the literal part of some pattern leads to or through. Its key is the path
 * without the final slash, so the root is "". The rules whose literal components end here are
 * neighbours in rules[]. With every node its ancestors are nodes too: a walk down a name ends at
 * the first component that has none, however many rules there are.
 */
struct sp_rule_node {
	struct sp_text key;
	uint32_t hash;
	uint32_t next; /* of the same bucket; index + 1, 0: none */
	size_t first, count;
	/* A pattern's literal part leads further down; what the grants among those grant. */
	bool rules_below;
	uint32_t rights_below;
};

/* Of each right the order of the last edit. */
struct sp_rule_orders {
	unsigned of[SP_RIGHT_COUNT];
};

/* The rules about names and addresses of one policy. */
struct sp_rule_set {
	struct sp_rule *rules; /* sorted by literal directory */
	struct sp_rule_node *nodes;
	struct sp_rule_orders
	    *orders_below; /* of edits: for each node, those that give below it; else NULL */
	uint32_t *buckets;
	size_t rule_count, node_count, bucket_count;
	struct sp_loaded_address *addresses;
	size_t address_count;
	uint32_t granted; /* by any of its rules */
	bool asks;
	bool idle; /* of a phase that was not entered */
};

/* ---- the index ---- */

/* Of the rules that stand in it. 0 or -ENOMEM; to be cleared in either case. */
int sp_rule_set_index(struct sp_rule_set *rules);
void sp_rule_set_clear(struct sp_rule_set *set);

/* "/" is the root itself, which has no component. */
static inline struct sp_text sp_rule_name(const char *name, size_t length)
{
	return (struct sp_text){name, length == 1 ? 0 : length};
}

/* A walk down a name, from the root, over the nodes that exist. */
struct sp_rule_walk {
	struct sp_text name, rest; /* rest: what lies below the current node */
	uint32_t hash; /* of the key of the current node, continued from one to the next */
	bool started;
};

struct sp_rule_walk sp_rule_walk_start(struct sp_text name);
/* The next node on the way down, or NULL: no rule speaks of what lies below. */
const struct sp_rule_node *sp_rule_walk_next(const struct sp_rule_set *rules,
					     struct sp_rule_walk *walk);

/* How a rule at a node of the walk meets the name of which `rest` lies below it: SP_GLOB_*. */
unsigned sp_rule_reach(const struct sp_rule *rule, struct sp_text rest);

/* Of each right of the rule the order, where it is later. */
void sp_rule_orders_note(struct sp_rule_orders *orders, const struct sp_rule *rule);

/* ---- which rule decides ---- */

/*
 * Positive where `a` is more specific than `b`, negative the other way round; *ret_reason says why. A
 * name without wildcard is the most specific way there is to speak of it; without this, the slash of
 * "dir/" and two stars would make that pattern outrank "dir" for the directory itself.
 */
int sp_rule_compare_measures(const struct sp_glob_measure *a, const struct sp_glob_measure *b,
			     const char **ret_reason);

/* The same for two rules, either of which may be NULL: none. */
bool sp_rule_more_specific(const struct sp_rule *a, const struct sp_rule *b);

/* What one set of rules says of a name. */
struct sp_rule_verdict {
	const struct sp_rule *deny, *grant, *by_right[SP_RIGHT_COUNT];
	const struct sp_rule
	    *below;            /* the most specific grant that matches, or could, below the name */
	bool grants_below;     /* a grant's literal part leads further down: nothing that denies the
				   * name is more specific */
	uint32_t rights_below; /* of all these */
};

void sp_rule_set_gather(const struct sp_rule_set *rules, struct sp_text name,
			struct sp_rule_verdict *ret_verdict);

/* The rights that the rules grant, or those on which they ask (`ask`). */
uint32_t sp_rule_verdict_rights(const struct sp_rule_verdict *verdict, bool ask);

/* The decision in which these rights are granted and asked about. */
struct sp_path_decision sp_rule_verdict_conclude(const struct sp_rule_verdict *verdict,
						 uint32_t rights, uint32_t ask);

/* All three at once; *ret_below: the rights that it may grant on names below this one. */
void sp_rule_set_decide(const struct sp_rule_set *rules, struct sp_text name,
			struct sp_path_decision *ret_decision, uint32_t *ret_below);

/* See sp_rules_uniform_below(). */
bool sp_rule_set_uniform_below(const struct sp_rule_set *rules, struct sp_text name);

#endif
