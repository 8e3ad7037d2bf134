/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/rule_set.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "policy/hash.h"

/* ---- the index ---- */

static struct sp_rule_node *find_node(const struct sp_rule_set *rules, struct sp_text key,
				      uint32_t hash)
{
	uint32_t index = rules->buckets[hash & (rules->bucket_count - 1)];

	while (index != 0) {
		struct sp_rule_node *node = &rules->nodes[index - 1];

		if (node->hash == hash && node->key.length == key.length &&
		    memcmp(node->key.start, key.start, key.length) == 0)
			return node;
		index = node->next;
	}
	return NULL;
}

static struct sp_rule_node *make_node(struct sp_rule_set *rules, struct sp_text key, uint32_t hash)
{
	struct sp_rule_node *node = find_node(rules, key, hash);
	uint32_t *bucket = &rules->buckets[hash & (rules->bucket_count - 1)];

	if (node)
		return node;
	node = &rules->nodes[rules->node_count++];
	*node = (struct sp_rule_node){.key = key, .hash = hash, .next = *bucket};
	*bucket = (uint32_t)rules->node_count;
	return node;
}

struct sp_rule_walk sp_rule_walk_start(struct sp_text name)
{
	return (struct sp_rule_walk){.name = name, .rest = name, .hash = SP_HASH_START};
}

static bool walk_step(struct sp_rule_walk *walk, struct sp_text *ret_key)
{
	struct sp_text component;

	if (walk->started) {
		if (!sp_glob_next(&walk->rest, &component))
			return false;
		walk->hash = sp_hash_bytes(walk->hash, component.start - 1, component.length + 1);
	}
	walk->started = true;
	*ret_key = (struct sp_text){walk->name.start, walk->name.length - walk->rest.length};
	return true;
}

const struct sp_rule_node *sp_rule_walk_next(const struct sp_rule_set *rules,
					     struct sp_rule_walk *walk)
{
	struct sp_text key;

	return walk_step(walk, &key) ? find_node(rules, key, walk->hash) : NULL;
}

void sp_rule_orders_note(struct sp_rule_orders *orders, const struct sp_rule *rule)
{
	for (unsigned right = 0; right < SP_RIGHT_COUNT; right++)
		if ((rule->rights & (1u << right)) && orders->of[right] < rule->order)
			orders->of[right] = rule->order;
}

static void insert_rule(struct sp_rule_set *rules, size_t index)
{
	const struct sp_rule *rule = &rules->rules[index];
	struct sp_rule_walk walk =
	    sp_rule_walk_start((struct sp_text){rule->pattern.start, rule->measure.directory});
	struct sp_text key;

	while (walk_step(&walk, &key)) {
		struct sp_rule_node *node = make_node(rules, key, walk.hash);

		if (walk.rest.length > 0) {
			node->rules_below = true;
			if (!rule->revokes)
				node->rights_below |= rule->rights;
			if (rules->orders_below && !rule->revokes)
				sp_rule_orders_note(&rules->orders_below[node - rules->nodes],
						    rule);
		} else if (node->count++ == 0) {
			node->first = index;
		}
	}
}

static int compare_rules(const void *left, const void *right)
{
	const struct sp_rule *a = left, *b = right;
	size_t shorter = a->measure.directory < b->measure.directory ? a->measure.directory
								     : b->measure.directory;
	int order = memcmp(a->pattern.start, b->pattern.start, shorter);

	if (order != 0)
		return order;
	return (a->measure.directory > b->measure.directory) -
	       (a->measure.directory < b->measure.directory);
}

static size_t count_components(const struct sp_rule *rule)
{
	size_t count = 1; /* the root */

	for (size_t i = 0; i < rule->measure.directory; i++)
		count += rule->pattern.start[i] == '/';
	return count;
}

int sp_rule_set_index(struct sp_rule_set *rules)
{
	size_t nodes = 1, buckets = 1;

	qsort(rules->rules, rules->rule_count, sizeof(*rules->rules), compare_rules);
	for (size_t i = 0; i < rules->rule_count; i++)
		nodes += count_components(&rules->rules[i]);
	while (buckets < nodes)
		buckets *= 2;
	rules->nodes = calloc(nodes, sizeof(*rules->nodes));
	rules->buckets = calloc(buckets, sizeof(*rules->buckets));
	if (rules->rule_count > 0 && rules->rules[0].order > 0)
		rules->orders_below = calloc(nodes, sizeof(*rules->orders_below));
	if (!rules->nodes || !rules->buckets ||
	    (rules->rule_count > 0 && rules->rules[0].order > 0 && !rules->orders_below))
		return -ENOMEM;
	rules->bucket_count = buckets;
	for (size_t i = 0; i < rules->rule_count; i++) {
		insert_rule(rules, i);
		rules->granted |= rules->rules[i].rights;
		rules->asks |= rules->rules[i].ask;
	}
	return 0;
}

void sp_rule_set_clear(struct sp_rule_set *set)
{
	free(set->rules);
	free(set->nodes);
	free(set->addresses);
	free(set->orders_below);
	free(set->buckets);
	*set = (struct sp_rule_set){0};
}

/* ---- which rule decides ---- */

int sp_rule_compare_measures(const struct sp_glob_measure *a, const struct sp_glob_measure *b,
			     const char **ret_reason)
{
	if (a->exact != b->exact) {
		*ret_reason = "a name without wildcards is more specific than any pattern";
		return a->exact ? 1 : -1;
	}
	if (a->prefix != b->prefix) {
		*ret_reason = "a longer literal prefix is more specific";
		return a->prefix > b->prefix ? 1 : -1;
	}
	*ret_reason = "more literal characters are more specific";
	return (a->literals > b->literals) - (a->literals < b->literals);
}

bool sp_rule_more_specific(const struct sp_rule *a, const struct sp_rule *b)
{
	const char *reason;

	if (!a || !b)
		return a != NULL;
	return sp_rule_compare_measures(&a->measure, &b->measure, &reason) > 0;
}

/* Of two rules that are as specific the one that asks decides. */
static bool decides(const struct sp_rule *rule, const struct sp_rule *best)
{
	return sp_rule_more_specific(rule, best) ||
	       (rule->ask && !sp_rule_more_specific(best, rule));
}

static void consider(struct sp_rule_verdict *verdict, const struct sp_rule *rule, unsigned reach)
{
	if (rule->rights != 0 && (reach & SP_GLOB_BELOW)) {
		verdict->rights_below |= rule->rights;
		if (sp_rule_more_specific(rule, verdict->below))
			verdict->below = rule;
	}
	if (!(reach & SP_GLOB_MATCHES))
		return;
	if (rule->rights == 0) {
		if (sp_rule_more_specific(rule, verdict->deny))
			verdict->deny = rule;
		return;
	}
	if (sp_rule_more_specific(rule, verdict->grant))
		verdict->grant = rule;
	for (unsigned right = 0; right < SP_RIGHT_COUNT; right++)
		if ((rule->rights & (1u << right)) && decides(rule, verdict->by_right[right]))
			verdict->by_right[right] = rule;
}

unsigned sp_rule_reach(const struct sp_rule *rule, struct sp_text rest)
{
	struct sp_text pattern = {rule->pattern.start + rule->measure.directory,
				  rule->pattern.length - rule->measure.directory};

	return rule->measure.exact ? (rest.length == 0 ? SP_GLOB_MATCHES : 0)
				   : sp_glob_reach(pattern, rest);
}

uint32_t sp_rule_verdict_rights(const struct sp_rule_verdict *verdict, bool ask)
{
	uint32_t rights = 0;

	for (unsigned right = 0; right < SP_RIGHT_COUNT; right++) {
		const struct sp_rule *rule = verdict->by_right[right];

		if (sp_rule_more_specific(rule, verdict->deny) && rule->ask == ask)
			rights |= 1u << right;
	}
	return rights;
}

static const char *ask_source(const struct sp_rule_verdict *verdict, uint32_t ask)
{
	return ask ? verdict->by_right[__builtin_ctz(ask)]->source : NULL;
}

static enum sp_standing standing_of(const struct sp_rule_verdict *verdict, uint32_t rights)
{
	if (rights != 0)
		return SP_STANDING_INSIDE;
	/* A denied directory is still on the way to what is granted below it more specifically. */
	if (verdict->grants_below || sp_rule_more_specific(verdict->below, verdict->deny))
		return SP_STANDING_ANCESTOR;
	return SP_STANDING_OUTSIDE;
}

void sp_rule_set_gather(const struct sp_rule_set *rules, struct sp_text name,
			struct sp_rule_verdict *ret_verdict)
{
	struct sp_rule_walk walk = sp_rule_walk_start(name);
	struct sp_rule_verdict verdict = {0};
	const struct sp_rule_node *node;

	while ((node = sp_rule_walk_next(rules, &walk))) {
		for (size_t i = 0; i < node->count; i++) {
			const struct sp_rule *rule = &rules->rules[node->first + i];

			consider(&verdict, rule, sp_rule_reach(rule, walk.rest));
		}
		if (walk.rest.length == 0 && node->rights_below) {
			verdict.grants_below = true;
			verdict.rights_below |= node->rights_below;
		}
	}
	*ret_verdict = verdict;
}

struct sp_path_decision sp_rule_verdict_conclude(const struct sp_rule_verdict *verdict,
						 uint32_t rights, uint32_t ask)
{
	/* Deny mentions all rights: whatever is missing is missing because of it, where it matches.
	 */
	const struct sp_rule *decided =
	    verdict->deny && rights != SP_RIGHT_ALL ? verdict->deny : verdict->grant;

	return (struct sp_path_decision){
	    .standing = standing_of(verdict, rights | ask),
	    .rights = rights,
	    .ask = ask,
	    .error = decided && decided->rights == 0 ? decided->error : EACCES,
	    .rule = decided ? decided->source : NULL,
	    .ask_rule = ask_source(verdict, ask),
	};
}

void sp_rule_set_decide(const struct sp_rule_set *rules, struct sp_text name,
			struct sp_path_decision *ret_decision, uint32_t *ret_below)
{
	struct sp_rule_verdict verdict;

	sp_rule_set_gather(rules, name, &verdict);
	*ret_decision = sp_rule_verdict_conclude(&verdict, sp_rule_verdict_rights(&verdict, false),
						 sp_rule_verdict_rights(&verdict, true));
	*ret_below = verdict.rights_below;
}

bool sp_rule_set_uniform_below(const struct sp_rule_set *rules, struct sp_text name)
{
	struct sp_rule_walk walk = sp_rule_walk_start(name);
	const struct sp_rule_node *node;

	while ((node = sp_rule_walk_next(rules, &walk))) {
		for (size_t i = 0; i < node->count; i++) {
			unsigned reach = sp_rule_reach(&rules->rules[node->first + i], walk.rest);

			if (reach != 0 && !(reach & SP_GLOB_COVERS))
				return false;
		}
		if (walk.rest.length == 0 && node->rules_below)
			return false;
	}
	return true;
}
