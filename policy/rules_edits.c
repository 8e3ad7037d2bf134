/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Edits: what the application gives and takes while the sandbox runs. They are rules of a set of their own, indexed anew
 * with each, and lie over the policy's; of each right the last one decides that matches the name.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "policy/rules_state.h"

/* ---- deciding ---- */

/* What edits say of a name. */
struct edited {
	const struct sp_rule *last[SP_RIGHT_COUNT];     /* of those that match it */
	const struct sp_rule *latest;                   /* of all these */
	struct sp_rule_orders given_below, taken_below; /* taken: from all that is below */
	bool gives_below;                               /* something that was not taken again */
};

static void consider_edit(struct edited *edited, const struct sp_rule *rule, unsigned reach,
			  const struct sp_rule *deny)
{
	if (rule->revokes ? (reach & SP_GLOB_COVERS) != 0
			  : (reach & SP_GLOB_BELOW) && sp_rule_more_specific(rule, deny))
		sp_rule_orders_note(rule->revokes ? &edited->taken_below : &edited->given_below,
				    rule);
	if (!(reach & SP_GLOB_MATCHES))
		return;
	if (!edited->latest || edited->latest->order < rule->order)
		edited->latest = rule;
	for (unsigned right = 0; right < SP_RIGHT_COUNT; right++)
		if ((rule->rights & (1u << right)) &&
		    (!edited->last[right] || edited->last[right]->order < rule->order))
			edited->last[right] = rule;
}

/* Of each right the later of both. */
static void note_orders(struct sp_rule_orders *orders, const struct sp_rule_orders *others)
{
	for (unsigned right = 0; right < SP_RIGHT_COUNT; right++)
		if (orders->of[right] < others->of[right])
			orders->of[right] = others->of[right];
}

static void gather_edits(const struct sp_rule_set *rules, struct sp_text name,
			 const struct sp_rule *deny, struct edited *ret_edited)
{
	struct sp_rule_walk walk = sp_rule_walk_start(name);
	const struct sp_rule_node *node;

	*ret_edited = (struct edited){0};
	while ((node = sp_rule_walk_next(rules, &walk))) {
		for (size_t i = 0; i < node->count; i++) {
			const struct sp_rule *rule = &rules->rules[node->first + i];

			consider_edit(ret_edited, rule, sp_rule_reach(rule, walk.rest), deny);
		}
		if (walk.rest.length == 0)
			note_orders(&ret_edited->given_below,
				    &rules->orders_below[node - rules->nodes]);
	}
}

/* What an edit may give on a name, and below it. */
static uint32_t givable(const struct sp_rules *rules, struct sp_text name, uint32_t *ret_below)
{
	uint32_t rights = SP_RIGHT_ALL;

	*ret_below = SP_RIGHT_ALL;
	for (size_t i = 0; i < rules->edit_bound_count; i++) {
		struct sp_path_decision bound;
		uint32_t below;

		sp_rule_set_decide(&rules->edit_bounds[i], name, &bound, &below);
		rights &= bound.rights;
		*ret_below &= bound.standing == SP_STANDING_OUTSIDE ? 0 : below;
	}
	return rights;
}

/* Of each right the last edit decides that matches the name; where there is none, or its gift is refused by a
 * `deny` as specific or by what bounds the edits, the policy does. */
static void apply_edits(const struct sp_rules *rules, struct sp_text name,
			const struct sp_rule_verdict *verdict, uint32_t *rights, uint32_t *ask,
			uint32_t *below, struct edited *edited)
{
	uint32_t below_bound, bound = givable(rules, name, &below_bound);

	gather_edits(&rules->edit_rules, name, verdict->deny, edited);
	for (unsigned right = 0; right < SP_RIGHT_COUNT; right++) {
		const struct sp_rule *last = edited->last[right];
		unsigned given = edited->given_below.of[right],
			 taken = edited->taken_below.of[right];
		uint32_t bit = 1u << right;

		if (taken)
			*below &= ~bit;
		if (last && last->revokes)
			*rights &= ~bit;
		else if (last && (bound & bit) && sp_rule_more_specific(last, verdict->deny))
			*rights |= bit;
		if ((last && last->revokes) || (*rights & bit))
			*ask &= ~bit;
		if (given > taken && (below_bound & bit)) {
			*below |= bit;
			edited->gives_below = true;
		}
	}
}

void sp_rules_decide_own(const struct sp_rules *rules, struct sp_text name,
			 struct sp_path_decision *ret_decision, uint32_t *ret_below)
{
	struct sp_rule_verdict verdict;
	struct edited edited;
	uint32_t rights, ask;

	if (rules->edit_count == 0) {
		sp_rule_set_decide(&rules->sets[0], name, ret_decision, ret_below);
		return;
	}
	sp_rule_set_gather(&rules->sets[0], name, &verdict);
	rights = sp_rule_verdict_rights(&verdict, false);
	ask = sp_rule_verdict_rights(&verdict, true);
	*ret_below = verdict.rights_below;
	apply_edits(rules, name, &verdict, &rights, &ask, ret_below, &edited);
	*ret_decision = sp_rule_verdict_conclude(&verdict, rights, ask);
	if (edited.latest && !verdict.deny)
		ret_decision->rule = edited.latest->source;
	if (ret_decision->standing == SP_STANDING_INSIDE)
		return;
	/* What is on the way to nothing any more, or to something now. */
	ret_decision->standing =
	    ret_decision->standing == SP_STANDING_ANCESTOR && (verdict.rights_below & *ret_below)
		? SP_STANDING_ANCESTOR
	    : edited.gives_below ? SP_STANDING_ANCESTOR
				 : SP_STANDING_OUTSIDE;
}

uint32_t sp_rules_givable(const struct sp_rules *rules)
{
	uint32_t rights = SP_RIGHT_ALL;

	if (!rules->editable)
		return 0;
	if (rules->edit_bound_count == 0)
		return (SP_RIGHT_ALL & ~SP_RIGHTS_OF_WALLS) | rules->sets[0].granted;
	for (size_t i = 0; i < rules->edit_bound_count; i++)
		rights &= rules->edit_bounds[i].granted;
	return rights;
}

uint32_t sp_rules_givable_at(const struct sp_rules *rules, const char *name, size_t length)
{
	struct sp_text text = sp_rule_name(name, length);
	struct sp_path_decision bound;
	struct sp_rule_verdict verdict;
	uint32_t below, rights;

	if (!rules->editable || rules->edits_locked)
		return 0;
	rights = givable(rules, text, &below) & sp_rules_givable(rules);
	sp_rule_set_gather(&rules->sets[0], text, &verdict);
	/* An edit that names it alone is more specific than every pattern. */
	if (verdict.deny && verdict.deny->measure.exact)
		return 0;
	for (size_t i = 1; i < rules->set_count && rights; i++) {
		if (rules->sets[i].idle)
			continue;
		sp_rule_set_decide(&rules->sets[i], text, &bound, &below);
		rights &= bound.rights | bound.ask;
	}
	return rights;
}

/* ---- editing ---- */

void sp_kept_edit_clear(struct sp_kept_edit *edit)
{
	free(edit->pattern);
	free(edit->source);
	*edit = (struct sp_kept_edit){0};
}

static void make_edit_rule(struct sp_rule *rule, const struct sp_kept_edit *edit, unsigned order)
{
	*rule = (struct sp_rule){.pattern = {edit->pattern, strlen(edit->pattern)},
				 .rights = edit->rights,
				 .source = edit->source,
				 .order = order,
				 .revokes = edit->revokes};
	sp_glob_measure(rule->pattern, &rule->measure);
}

static int index_edits(const struct sp_kept_edit *edits, size_t count, struct sp_rule_set *ret_set)
{
	struct sp_rule_set set = {.rules = calloc(count + 1, sizeof(*set.rules))};
	int r;

	if (!set.rules)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		make_edit_rule(&set.rules[set.rule_count++], &edits[i], (unsigned)i + 1);
	r = sp_rule_set_index(&set);
	if (r < 0)
		sp_rule_set_clear(&set);
	else
		*ret_set = set;
	return r;
}

/* Whether some name may match both: surely not where this says so. */
static bool may_meet(const char *a, const char *b)
{
	struct sp_text text_a = {a, strlen(a)}, text_b = {b, strlen(b)};
	struct sp_glob_measure measure_a, measure_b;
	size_t shorter;

	sp_glob_measure(text_a, &measure_a);
	sp_glob_measure(text_b, &measure_b);
	if (measure_a.exact)
		return sp_glob_reach(text_b, sp_rule_name(a, text_a.length)) & SP_GLOB_MATCHES;
	if (measure_b.exact)
		return sp_glob_reach(text_a, sp_rule_name(b, text_b.length)) & SP_GLOB_MATCHES;
	shorter =
	    measure_a.directory < measure_b.directory ? measure_a.directory : measure_b.directory;
	return memcmp(a, b, shorter) == 0 && (a[shorter] == '/' && b[shorter] == '/');
}

/* The rights that the policy may give on a name that the pattern matches. */
static uint32_t given_by_policy(const struct sp_rule_set *own, const char *pattern)
{
	struct sp_glob_measure measure;
	struct sp_rule_verdict verdict;
	uint32_t given;

	sp_glob_measure((struct sp_text){pattern, strlen(pattern)}, &measure);
	sp_rule_set_gather(own, (struct sp_text){pattern, measure.directory}, &verdict);
	given = verdict.rights_below;
	for (unsigned right = 0; right < SP_RIGHT_COUNT; right++)
		given |= verdict.by_right[right] ? 1u << right : 0;
	return given;
}

/* A revocation of what nothing gives need not be kept: whoever grants and revokes for ever may go on. */
static bool says_nothing(const struct sp_rule_set *own, const struct sp_kept_edit *before,
			 size_t count, const struct sp_kept_edit *edit)
{
	if (!edit->revokes || (given_by_policy(own, edit->pattern) & edit->rights))
		return false;
	for (size_t i = 0; i < count; i++)
		if (!before[i].revokes && (before[i].rights & edit->rights) &&
		    may_meet(before[i].pattern, edit->pattern))
			return false;
	return true;
}

static size_t prune_edits(const struct sp_rule_set *own, struct sp_kept_edit *edits, size_t count)
{
	size_t kept = 0;

	for (size_t i = 0; i < count; i++)
		if (!says_nothing(own, edits, kept, &edits[i]))
			edits[kept++] = edits[i];
	return kept;
}

/* What the new edit leaves of those before: of the very same pattern it says its rights anew. */
static size_t keep_edits(const struct sp_rules *rules, const char *pattern, uint32_t rights,
			 struct sp_kept_edit *ret_kept)
{
	size_t count = 0;

	for (size_t i = 0; i < rules->edit_count; i++) {
		ret_kept[count] = rules->edits[i];
		if (strcmp(rules->edits[i].pattern, pattern) == 0)
			ret_kept[count].rights &= ~rights;
		count += ret_kept[count].rights != 0;
	}
	return count;
}

/* Takes what is given and what is no more; what neither of them has is freed. */
static void replace_edits_take(struct sp_rules *rules, struct sp_kept_edit *edits, size_t count,
			       struct sp_rule_set *index)
{
	for (size_t i = 0, kept = 0; i < rules->edit_count; i++)
		if (kept < count && edits[kept].pattern == rules->edits[i].pattern)
			kept++;
		else
			sp_kept_edit_clear(&rules->edits[i]);
	free(rules->edits);
	sp_rule_set_clear(&rules->edit_rules);
	rules->edits = edits;
	rules->edit_count = count;
	rules->edit_rules = *index;
}

static int copy_edit(const struct sp_rules_edit *from, struct sp_kept_edit *ret_edit)
{
	struct sp_kept_edit edit = {.pattern = strdup(from->pattern),
				    .source = strdup(from->source),
				    .rights = from->rights,
				    .revokes = from->revokes};

	if (!edit.pattern || !edit.source) {
		sp_kept_edit_clear(&edit);
		return -ENOMEM;
	}
	*ret_edit = edit;
	return 0;
}

/* All or nothing: what decides is replaced at the end. `edits` has room for one more than there are. */
static int add_edit(struct sp_rules *rules, const struct sp_rules_edit *edit,
		    struct sp_kept_edit *edits)
{
	size_t count = keep_edits(rules, edit->pattern, edit->rights, edits);
	struct sp_rule_set index;
	struct sp_kept_edit added;
	bool stands;
	int r = copy_edit(edit, &added);

	if (r < 0)
		return r;
	edits[count] = added;
	count = prune_edits(&rules->sets[0], edits, count + 1);
	stands = count > 0 && edits[count - 1].pattern == added.pattern;
	r = count > SP_EDITS_MAX ? -ENOSPC : index_edits(edits, count, &index);
	if (r == 0)
		replace_edits_take(rules, edits, count, &index);
	if (r < 0 || !stands)
		sp_kept_edit_clear(&added);
	return r;
}

static bool valid_pattern(const char *pattern)
{
	size_t offset;

	return !sp_glob_mistake((struct sp_text){pattern, strlen(pattern)}, &offset);
}

int sp_rules_edit(struct sp_rules *rules, const struct sp_rules_edit *edit)
{
	struct sp_kept_edit *edits;
	int r;

	if (!rules->editable || rules->edits_locked)
		return -EPERM;
	if (edit->rights == 0 || (edit->rights & ~(uint32_t)SP_RIGHT_ALL) ||
	    !valid_pattern(edit->pattern) ||
	    (!edit->revokes && (edit->rights & ~sp_rules_givable(rules))))
		return -EINVAL;
	edits = calloc(rules->edit_count + 1, sizeof(*edits));
	if (!edits)
		return -ENOMEM;
	r = add_edit(rules, edit, edits);
	if (r < 0)
		free(edits);
	return r;
}

void sp_rules_lock(struct sp_rules *rules)
{
	rules->edits_locked = true;
}
