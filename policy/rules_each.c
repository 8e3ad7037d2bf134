/* SPDX-License-Identifier: Apache-2.0 */
/* Rules one by one, for walls that are built of them, and for who wants to be told why. */
#include <limits.h>
#include <string.h>

#include "policy/rules_state.h"

static int each_grant(const struct sp_rule_set *set, sp_rules_grant_fn *fn, void *data)
{
	for (size_t i = 0; i < set->rule_count; i++) {
		const struct sp_rule *rule = &set->rules[i];
		char prefix[PATH_MAX];
		int r;

		if (rule->rights == 0)
			continue;
		memcpy(prefix, rule->pattern.start, rule->measure.directory);
		prefix[rule->measure.directory] = '\0';
		r = fn(rule->measure.directory == 0 ? "/" : prefix, rule->rights, data);
		if (r != 0)
			return r;
	}
	return 0;
}

/* Of several that bound edits each is a superset of all of them. */
int sp_rules_each_grant(const struct sp_rules *rules, sp_rules_grant_fn *fn, void *data)
{
	int r = each_grant(&rules->sets[0], fn, data);

	if (r != 0 || !rules->editable)
		return r;
	return rules->edit_bound_count > 0 ? each_grant(&rules->edit_bounds[0], fn, data)
					   : fn("/", sp_rules_givable(rules), data);
}

static struct sp_rules_match match_of(const struct sp_rule *rule, size_t set)
{
	return (struct sp_rules_match){.pattern = rule->pattern.start,
				       .source = rule->source,
				       .set = set,
				       .rights = rule->rights,
				       .ask = rule->ask,
				       .error = rule->error};
}

/* The rules of each of these sets, by the number of the set. */
static int each_rule(const struct sp_rule_set *sets, size_t count, sp_rules_match_fn *fn,
		     void *data)
{
	for (size_t set = 0; set < count; set++)
		for (size_t i = 0; i < sets[set].rule_count; i++) {
			struct sp_rules_match match = match_of(&sets[set].rules[i], set);
			int r = fn(&match, data);

			if (r != 0)
				return r;
		}
	return 0;
}

int sp_rules_each(const struct sp_rules *rules, sp_rules_match_fn *fn, void *data)
{
	return each_rule(rules->sets, rules->set_count, fn, data);
}

int sp_rules_each_edit_bound(const struct sp_rules *rules, sp_rules_match_fn *fn, void *data)
{
	return each_rule(rules->edit_bounds, rules->edit_bound_count, fn, data);
}

/* Of the rules at a node those that match the name of which `rest` lies below it. */
static int each_match_at(const struct sp_rule *rules, size_t count, struct sp_text rest, size_t set,
			 sp_rules_match_fn *fn, void *data)
{
	int r = 0;

	for (size_t i = 0; i < count && r == 0; i++) {
		struct sp_rules_match match = match_of(&rules[i], set);

		if (sp_rule_reach(&rules[i], rest) & SP_GLOB_MATCHES)
			r = fn(&match, data);
	}
	return r;
}

int sp_rules_each_match(const struct sp_rules *rules, const char *name, size_t length,
			sp_rules_match_fn *fn, void *data)
{
	int r = 0;

	for (size_t set = 0; set < rules->set_count; set++) {
		const struct sp_rule_set *one = &rules->sets[set];
		struct sp_rule_walk walk = sp_rule_walk_start(sp_rule_name(name, length));
		const struct sp_rule_node *node;

		while (!one->idle && r == 0 && (node = sp_rule_walk_next(one, &walk)))
			r = each_match_at(&one->rules[node->first], node->count, walk.rest, set, fn,
					  data);
		if (r != 0)
			return r;
	}
	return 0;
}

/* From lax to strict, where two rules are as specific. */
static int sternness(const struct sp_rules_match *match)
{
	return match->rights == 0 ? 2 : match->ask;
}

bool sp_rules_outranks(const struct sp_rules_match *a, const struct sp_rules_match *b,
		       const char **ret_reason)
{
	struct sp_glob_measure measure_a, measure_b;
	int order;

	sp_glob_measure((struct sp_text){a->pattern, strlen(a->pattern)}, &measure_a);
	sp_glob_measure((struct sp_text){b->pattern, strlen(b->pattern)}, &measure_b);
	order = sp_rule_compare_measures(&measure_a, &measure_b, ret_reason);
	if (order != 0)
		return order > 0;
	*ret_reason = sternness(a) == sternness(b) ? "both say the same"
		      : a->rights == 0 || b->rights == 0
			  ? "of rules that are as specific the one that denies wins"
			  : "of rules that are as specific the one that asks wins";
	return sternness(a) > sternness(b);
}
