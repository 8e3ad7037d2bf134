/* SPDX-License-Identifier: Apache-2.0 */
/* What two policies allow differently, over all calls with all arguments, and over all names. */
#include <errno.h>
#include <inttypes.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/calls.h"
#include "ipc/util.h"
#include "policy/addresses.h"
#include "policy/arguments.h"
#include "policy/explain.h"
#include "policy/export.h"
#include "policy/names.h"
#include "policy/print.h"
#include "policy/universe.h"

#define SIDES 2

/* One difference is told once: of the same call, or of names, of the same kind, by the same two rules. */
struct told {
	int nr; /* or what else it is about */
	int kind;
	char *rule[SIDES]; /* owned; "" for none */
};

#define ABOUT_NAMES (-1)
#define ABOUT_ADDRESSES (-2)

struct told_list {
	struct told *list; /* owned */
	size_t count;
};

struct diff {
	struct sp_subject side[SIDES];
	FILE *out;
	unsigned differences;
	struct told_list told; /* of the call in hand, or of names */
	struct told_list
	    before;        /* of all, before any phase: what a phase leaves as it is, is no news */
	const char *phase; /* that was entered on both sides, or NULL */
	bool headed;       /* its name was told */
	bool bound;        /* of what bounds edits, where no statement on edits has an effect */
	bool quiet;        /* the question is whether the first allows more: 1 where it does */
};

static const char *text_of(const char *rule)
{
	return rule ? rule : "";
}

static bool is_told(const struct told_list *told, int nr, int kind, const char *const rule[SIDES])
{
	for (size_t i = 0; i < told->count; i++)
		if (told->list[i].nr == nr && told->list[i].kind == kind &&
		    strcmp(told->list[i].rule[0], text_of(rule[0])) == 0 &&
		    strcmp(told->list[i].rule[1], text_of(rule[1])) == 0)
			return true;
	return false;
}

static int add_told(struct told_list *told, int nr, int kind, const char *const rule[SIDES])
{
	struct told *grown = reallocarray(told->list, told->count + 1, sizeof(*grown)), *added;

	if (!grown)
		return -ENOMEM;
	told->list = grown;
	added = &grown[told->count++];
	*added = (struct told){.nr = nr, .kind = kind};
	added->rule[0] = strdup(text_of(rule[0]));
	added->rule[1] = strdup(text_of(rule[1]));
	return added->rule[0] && added->rule[1] ? 0 : -ENOMEM;
}

static void clear_told(struct told_list *told)
{
	for (size_t i = 0; i < told->count; i++) {
		free(told->list[i].rule[0]);
		free(told->list[i].rule[1]);
	}
	free(told->list);
	*told = (struct told_list){0};
}

static void print_head(struct diff *diff)
{
	if (diff->phase && !diff->headed)
		(void)fprintf(diff->out, "in phase %s:\n", diff->phase);
	diff->headed = true;
}

/* 1: this is new, and kept; 0: it was told; -ENOMEM. */
static int note(struct diff *diff, int nr, int kind, const char *const rule[SIDES])
{
	int r;

	if (is_told(&diff->told, nr, kind, rule) || is_told(&diff->before, nr, kind, rule))
		return 0;
	r = add_told(&diff->told, nr, kind, rule);
	if (r == 0 && !diff->phase)
		r = add_told(&diff->before, nr, kind, rule);
	if (r < 0)
		return r;
	print_head(diff);
	diff->differences++;
	return 1;
}

/* What was told of one call says nothing about the next. */
static void forget(struct diff *diff)
{
	clear_told(&diff->told);
}

static void print_rules(struct diff *diff, const char *const rule[SIDES])
{
	static const char *const names[SIDES] = {"first", "second"};

	for (size_t side = 0; side < SIDES; side++) {
		const char *line = NULL;
		size_t length =
		    rule[side] ? sp_model_line(diff->side[side].policy, rule[side], &line) : 0;
		_cleanup_free_ char *copy = length > 0 ? strndup(line, length) : NULL;

		(void)fprintf(diff->out, "    %-7s ", names[side]);
		sp_print_visible(diff->out, rule[side] ? rule[side] : "no rule grants it");
		if (copy) {
			(void)fputs("  | ", diff->out);
			sp_print_visible(diff->out, copy);
		}
		(void)fputc('\n', diff->out);
	}
}

/* '-': the first allows more, '+': the second does, '~': neither. */
static char mark_of(int first, int second)
{
	return first > second ? '-' : first < second ? '+' : '~';
}

/* ---- calls ---- */

struct call_diff {
	struct diff *diff;
	struct sp_judge *judge[SIDES];
	int nr;
};

/* What becomes of a call: in words, and how far it is allowed. */
struct outcome {
	enum sp_policy_verdict verdict;
	int error, level;
	bool brokered;
	const char *rule;
};

static struct outcome intercepted(const struct sp_subject *subject, int nr,
				  const uint64_t *argument, const struct sp_verdict *verdict)
{
	struct outcome outcome = {.rule = verdict->source, .verdict = SP_POLICY_DENY};
	struct sp_call_refusal refusal;

	if (sp_subject_brokers(subject, nr, argument) ||
	    (sp_call_class(nr) == SP_CLASS_BROKERED &&
	     !sp_rules_find_refusal(subject->rules, nr, &refusal))) {
		outcome.brokered = true;
		outcome.verdict = SP_POLICY_ALLOW;
		outcome.level = 2;
		return outcome;
	}
	sp_rules_refusal(subject->rules, nr, &refusal);
	outcome.error = refusal.error;
	if (sp_verdict_asks(verdict)) {
		outcome.verdict = SP_POLICY_ASK;
		outcome.level = 1;
	}
	return outcome;
}

static struct outcome outcome_of(const struct sp_subject *subject, int nr, const uint64_t *argument,
				 const struct sp_verdict *verdict)
{
	struct outcome outcome = {.rule = verdict->source,
				  .error = (int)(verdict->action & SECCOMP_RET_DATA)};

	switch (verdict->action & SECCOMP_RET_ACTION_FULL) {
	case SECCOMP_RET_ALLOW:
		outcome.verdict = SP_POLICY_ALLOW;
		outcome.level = 2;
		break;
	case SECCOMP_RET_LOG:
		outcome.verdict = SP_POLICY_LOG;
		outcome.level = 2;
		break;
	case SECCOMP_RET_ERRNO:
		outcome.verdict = SP_POLICY_ERRNO;
		break;
	case SECCOMP_RET_TRAP:
		outcome.verdict = SP_POLICY_TRAP;
		break;
	case SECCOMP_RET_KILL_THREAD:
		outcome.verdict = SP_POLICY_KILL_THREAD;
		break;
	case SECCOMP_RET_USER_NOTIF:
		return intercepted(subject, nr, argument, verdict);
	default:
		outcome.verdict = SP_POLICY_KILL;
		break;
	}
	return outcome;
}

/* The call as explain takes it; where it takes a name, that is another matter. */
static void print_example(FILE *out, int nr, const uint64_t argument[SP_ARGUMENTS])
{
	const char *name = sp_call_name(nr);
	char value[SP_VALUE_NAME_MAX];

	(void)fputs(name ? name : "any call without a name", out);
	if (sp_call_class(nr) == SP_CLASS_BROKERED || !name) {
		(void)fputs(name ? "(...)" : "", out);
		return;
	}
	(void)fputc('(', out);
	for (unsigned i = 0; i < sp_call_arity(nr) && sp_argument_name(nr, i); i++)
		(void)fprintf(out, "%s%s", i > 0 ? ", " : "",
			      sp_value_name(nr, i, argument[i], value));
	(void)fputc(')', out);
}

static void print_outcome(FILE *out, const struct outcome *outcome)
{
	if (outcome->brokered)
		(void)fputs("broker", out);
	else
		sp_print_verdict(out, outcome->verdict, outcome->error);
}

static int compare_call(const uint64_t argument[SP_ARGUMENTS], struct sp_trace *trace, void *data)
{
	struct call_diff *call = data;
	struct diff *diff = call->diff;
	struct outcome outcome[SIDES];
	const char *rule[SIDES];
	int r;

	for (size_t side = 0; side < SIDES; side++) {
		struct sp_verdict verdict;

		sp_judge_ask(call->judge[side], argument, trace, &verdict);
		outcome[side] = outcome_of(&diff->side[side], call->nr, argument, &verdict);
		rule[side] = outcome[side].rule;
	}
	if (outcome[0].verdict == outcome[1].verdict && outcome[0].error == outcome[1].error &&
	    outcome[0].brokered == outcome[1].brokered)
		return 0;
	if (diff->quiet)
		return outcome[0].level > outcome[1].level;
	r = note(diff, call->nr, (int)(outcome[0].verdict * 16 + outcome[1].verdict), rule);
	if (r <= 0)
		return r;
	(void)fprintf(diff->out, "%c ", mark_of(outcome[0].level, outcome[1].level));
	print_example(diff->out, call->nr, argument);
	(void)fputs(": ", diff->out);
	print_outcome(diff->out, &outcome[0]);
	(void)fputs(" | ", diff->out);
	print_outcome(diff->out, &outcome[1]);
	(void)fputc('\n', diff->out);
	print_rules(diff, rule);
	return 0;
}

static int diff_call(struct diff *diff, int nr)
{
	struct call_diff call = {.diff = diff, .nr = nr};
	int r = sp_judge_new(diff->side[0].policy, SP_FILTER_FLOOR, nr, &call.judge[0]);

	if (r == 0)
		r = sp_judge_new(diff->side[1].policy, SP_FILTER_FLOOR, nr, &call.judge[1]);
	if (r == 0)
		r = sp_arguments_walk(compare_call, &call);
	sp_judge_free(call.judge[0]);
	sp_judge_free(call.judge[1]);
	forget(diff);
	return r;
}

static int diff_calls(struct diff *diff)
{
	int r = 0;

	for (int nr = 0; nr <= SP_NUMBERS && r == 0; nr++)
		if (nr == SP_NUMBERS || sp_call_name(nr))
			r = diff_call(diff, nr);
	return r;
}

/* ---- names ---- */

/* How far a right is granted. */
static int level_of(const struct sp_path_decision *decision, uint32_t right)
{
	return decision->rights & right ? 2 : decision->ask & right ? 1 : 0;
}

static void print_level(FILE *out, const struct sp_path_decision *decision, uint32_t right)
{
	static const char *const words[] = {"deny as ", "ask", "granted"};
	int level = level_of(decision, right);

	(void)fputs(words[level], out);
	if (level == 0)
		sp_print_errno(out, decision->error);
}

/* How one right stands in both policies. */
struct right_diff {
	int level[SIDES];
	const char *rule[SIDES];
};

static bool same_right(const struct right_diff *a, const struct right_diff *b)
{
	for (size_t side = 0; side < SIDES; side++)
		if (a->level[side] != b->level[side] ||
		    strcmp(text_of(a->rule[side]), text_of(b->rule[side])) != 0)
			return false;
	return true;
}

/* False: it stands alike. */
static bool differs(const struct diff *diff, const char *name,
		    const struct sp_path_decision decision[SIDES], uint32_t right,
		    struct right_diff *ret)
{
	for (size_t side = 0; side < SIDES; side++)
		ret->level[side] = level_of(&decision[side], right);
	if (ret->level[0] == ret->level[1] &&
	    (ret->level[0] > 0 || decision[0].error == decision[1].error))
		return false;
	for (size_t side = 0; side < SIDES; side++)
		ret->rule[side] = sp_winning_rule(diff->side[side].rules, name, right);
	return true;
}

/* Rights that stand alike are one line. */
static int tell_rights(struct diff *diff, const char *name,
		       const struct sp_path_decision decision[SIDES], uint32_t rights,
		       const struct right_diff *found)
{
	uint32_t right = rights & -rights;
	int r;

	if (diff->quiet)
		return found->level[0] > found->level[1];
	r = note(diff, ABOUT_NAMES, (int)rights * 16 + found->level[0] * 4 + found->level[1],
		 found->rule);
	if (r <= 0)
		return r;
	(void)fprintf(diff->out, "%c ", mark_of(found->level[0], found->level[1]));
	sp_print_rights(diff->out, rights);
	(void)fputc(' ', diff->out);
	sp_print_visible(diff->out, name);
	(void)fputs(": ", diff->out);
	print_level(diff->out, &decision[0], right);
	(void)fputs(" | ", diff->out);
	print_level(diff->out, &decision[1], right);
	(void)fputc('\n', diff->out);
	print_rules(diff, found->rule);
	return 0;
}

static int compare_rights(struct diff *diff, const char *name,
			  const struct sp_path_decision decision[SIDES])
{
	uint32_t done = 0;
	int r = 0;

	for (uint32_t right = 1; right <= SP_RIGHT_ALL && r == 0; right <<= 1) {
		struct right_diff found, other;
		uint32_t rights = 0;

		if ((done & right) || !differs(diff, name, decision, right, &found))
			continue;
		for (uint32_t next = right; next <= SP_RIGHT_ALL; next <<= 1)
			if (differs(diff, name, decision, next, &other) &&
			    same_right(&found, &other))
				rights |= next;
		done |= rights;
		r = tell_rights(diff, name, decision, rights, &found);
	}
	return r;
}

static int compare_name(const char *name, size_t length, const int *matched, size_t count,
			void *data)
{
	struct diff *diff = data;
	struct sp_path_decision decision[SIDES];

	(void)matched;
	(void)count;
	for (size_t side = 0; side < SIDES; side++)
		sp_rules_decide(diff->side[side].rules, name, length, &decision[side]);
	return compare_rights(diff, name, decision);
}

static int add_pattern(const struct sp_rules_match *match, void *data)
{
	int r = sp_universe_add(data, match->pattern);

	return r < 0 ? r : 0;
}

static int diff_names(struct diff *diff)
{
	struct sp_universe *universe = sp_universe_new();
	int r = universe ? 0 : -ENOMEM;

	for (size_t side = 0; side < SIDES && r == 0; side++)
		r = sp_rules_each(diff->side[side].rules, add_pattern, universe);
	if (r == 0)
		r = sp_universe_walk(universe, compare_name, diff);
	sp_universe_free(universe);
	forget(diff);
	return r;
}

/* ---- addresses ---- */

static int compare_address(const struct sp_address *address, void *data)
{
	struct diff *diff = data;
	struct sp_address_decision decision[SIDES];
	const char *rule[SIDES];
	char text[SP_ADDRESS_TEXT_MAX];
	int r;

	for (size_t side = 0; side < SIDES; side++) {
		sp_rules_decide_address(diff->side[side].rules, address, &decision[side]);
		rule[side] = decision[side].rule;
	}
	if (decision[0].error == decision[1].error)
		return 0;
	if (diff->quiet)
		return !decision[0].error && decision[1].error;
	r = note(diff, ABOUT_ADDRESSES, decision[0].error * 4096 + decision[1].error, rule);
	if (r <= 0)
		return r;
	(void)fprintf(diff->out, "%c connect tcp %s: ",
		      mark_of(decision[0].error ? 0 : 2, decision[1].error ? 0 : 2),
		      sp_address_print(address, text));
	for (size_t side = 0; side < SIDES; side++) {
		(void)fputs(decision[side].error ? "deny as " : "granted", diff->out);
		if (decision[side].error)
			sp_print_errno(diff->out, decision[side].error);
		(void)fputs(side == 0 ? " | " : "\n", diff->out);
	}
	print_rules(diff, rule);
	return 0;
}

static int diff_addresses(struct diff *diff)
{
	struct sp_addresses *addresses = sp_addresses_new();
	int r = addresses ? 0 : -ENOMEM;

	for (size_t side = 0; side < SIDES && r == 0; side++)
		r = sp_addresses_add_rules(addresses, diff->side[side].rules);
	if (r == 0)
		r = sp_addresses_walk(addresses, compare_address, diff);
	sp_addresses_free(addresses);
	forget(diff);
	return r;
}

/* ---- limits and layers ---- */

static void print_limit(FILE *out, enum sp_limit limit, uint64_t value)
{
	if (value)
		(void)fprintf(out, "%" PRIu64 "%s", value, sp_limit_unit(limit));
	else
		(void)fputs("unlimited", out);
}

/* No limit, which is 0, is the greatest. */
static void diff_limit(struct diff *diff, enum sp_limit limit, uint64_t first, uint64_t second)
{
	if (first == second)
		return;
	diff->differences++;
	(void)fprintf(diff->out, "%c limit %s: ", first - 1 > second - 1 ? '-' : '+',
		      sp_limit_name(limit));
	print_limit(diff->out, limit, first);
	(void)fputs(" | ", diff->out);
	print_limit(diff->out, limit, second);
	(void)fputc('\n', diff->out);
}

static void diff_limits(struct diff *diff)
{
	const struct sp_limits *first = sp_rules_limits(diff->side[0].rules),
			       *second = sp_rules_limits(diff->side[1].rules);

	diff_limit(diff, SP_LIMIT_MEMORY, first->memory, second->memory);
	diff_limit(diff, SP_LIMIT_CPU, first->cpu, second->cpu);
	diff_limit(diff, SP_LIMIT_WALL, first->wall, second->wall);
	diff_limit(diff, SP_LIMIT_FILES, first->files, second->files);
	diff_limit(diff, SP_LIMIT_PROCESSES, first->processes, second->processes);
	diff_limit(diff, SP_LIMIT_FILE_SIZE, first->file_size, second->file_size);
}

/* From lax to strict. */
static int layer_level(const struct sp_rules *rules, uint32_t layer)
{
	if (!(sp_rules_isolate(rules) & layer))
		return 2;
	return sp_rules_optional_layers(rules) & layer ? 1 : 0;
}

static void diff_layers(struct diff *diff)
{
	static const char *const words[] = {"built", "built where it can be", "not built"};

	for (uint32_t layer = 1; layer <= SP_ISOLATE_ALL; layer <<= 1) {
		int first = layer_level(diff->side[0].rules, layer),
		    second = layer_level(diff->side[1].rules, layer);

		if (first == second)
			continue;
		diff->differences++;
		(void)fprintf(diff->out, "%c isolate %s: %s | %s\n", mark_of(first, second),
			      sp_layer_name(layer), words[first], words[second]);
	}
}

/* Filters that others wrote are compared as they are: byte by byte. */
static bool same_extras(const struct sp_policy *first, const struct sp_policy *second)
{
	if (first->extra_count != second->extra_count)
		return false;
	for (size_t i = 0; i < first->extra_count; i++)
		if (first->extras[i].length != second->extras[i].length ||
		    memcmp(first->extras[i].bytes, second->extras[i].bytes,
			   first->extras[i].length) != 0)
			return false;
	return true;
}

/* Which calls it leaves, the calls tell. */
static void diff_strict(struct diff *diff)
{
	static const char *const words[] = {"a filter", "SECCOMP_MODE_STRICT"};
	bool first = diff->side[0].policy->strict.set, second = diff->side[1].policy->strict.set;

	if (first == second)
		return;
	diff->differences++;
	(void)fprintf(diff->out, "~ the lock: %s | %s\n", words[first], words[second]);
}

static const char *twins_of(const struct sp_policy *policy)
{
	static const char *const words[] = {"native", "native, i386", "native, x32",
					    "native, i386, x32"};

	return words[sp_model_architectures(policy) % SP_ELEMENTS(words)];
}

/* Their calls follow from the native ones. */
static void diff_architectures(struct diff *diff)
{
	const char *first = twins_of(diff->side[0].policy),
		   *second = twins_of(diff->side[1].policy);

	if (strcmp(first, second) == 0)
		return;
	diff->differences++;
	(void)fprintf(diff->out, "~ architectures: %s | %s\n", first, second);
}

static void diff_extras(struct diff *diff)
{
	const struct sp_policy *first = diff->side[0].policy, *second = diff->side[1].policy;

	if (same_extras(first, second))
		return;
	diff->differences++;
	(void)fprintf(diff->out, "~ filters of others: %zu | %zu\n", first->extra_count,
		      second->extra_count);
}

/* ---- edits ---- */

static void clear_diff(struct diff *diff)
{
	forget(diff);
	clear_told(&diff->before);
	sp_subject_close(&diff->side[0]);
	sp_subject_close(&diff->side[1]);
}

static const char *edits_of(const struct sp_policy *policy)
{
	return policy->edit_bound ? "within " : policy->editable.set ? "yes" : "no";
}

static int tell(struct diff *diff, struct sp_policy *first, struct sp_policy *second,
		char **ret_text);

/* NOLINTNEXTLINE(misc-no-recursion): bounds have none */
static int diff_bounds(struct sp_policy *first, struct sp_policy *second)
{
	__attribute__((cleanup(clear_diff))) struct diff diff = {.bound = true};
	_cleanup_free_ char *text = NULL;

	return tell(&diff, first, second, &text);
}

/* Of what bounds them it is enough that it differs. NOLINTNEXTLINE(misc-no-recursion): the same */
static int diff_edits(struct diff *diff, const struct sp_policy *first,
		      const struct sp_policy *second)
{
	int r = 0;

	if (diff->bound)
		return 0;
	if (first->edit_bound && second->edit_bound)
		r = diff_bounds(first->edit_bound, second->edit_bound);
	else if (strcmp(edits_of(first), edits_of(second)) != 0)
		r = 1;
	if (r <= 0)
		return r;
	diff->differences++;
	(void)fprintf(diff->out, "~ editable: %s%s | %s%s\n", edits_of(first),
		      first->edit_bound ? first->edit_bound->name : "", edits_of(second),
		      second->edit_bound ? second->edit_bound->name : "");
	return 0;
}

/* ---- the rules as a whole ---- */

/* All that the rules say: 0, an error, or of a quiet one the answer. */
static int diff_rules(struct diff *diff, struct sp_policy *first, struct sp_policy *second)
{
	int r = sp_subject_open(first, &diff->side[0]);

	if (r == 0)
		r = sp_subject_open(second, &diff->side[1]);
	if (r == 0)
		r = diff_calls(diff);
	if (r == 0)
		r = diff_names(diff);
	if (r == 0)
		r = diff_addresses(diff);
	return r;
}

int sp_diff_narrows(struct sp_policy *wide, struct sp_policy *narrow)
{
	__attribute__((cleanup(clear_diff))) struct diff diff = {.quiet = true};

	return diff_rules(&diff, wide, narrow);
}

/* ---- phases ---- */

static void unref_policy(struct sp_policy **policy)
{
	sp_policy_unref(*policy);
}

static bool has_phase(const struct sp_policy *policy, const char *name)
{
	for (size_t i = 0; i < policy->phase_count; i++)
		if (strcmp(policy->phases[i].name, name) == 0)
			return true;
	return false;
}

/* The differences that are none before the phase. */
static int diff_phase(struct diff *diff, struct sp_policy *const policy[SIDES], const char *phase)
{
	_cleanup_(unref_policy) struct sp_policy *first = NULL, *second = NULL;
	int r = sp_policy_in_phases(policy[0], &phase, 1, &first);

	if (r == 0)
		r = sp_policy_in_phases(policy[1], &phase, 1, &second);
	if (r < 0)
		return r;
	diff->phase = phase;
	diff->headed = false;
	r = diff_rules(diff, first, second);
	sp_subject_close(&diff->side[0]);
	sp_subject_close(&diff->side[1]);
	return r;
}

static void tell_missing(struct diff *diff, const struct sp_policy *policy,
			 const struct sp_policy *other, const char *words)
{
	for (size_t i = 0; i < policy->phase_count; i++)
		if (!has_phase(other, policy->phases[i].name)) {
			diff->differences++;
			(void)fprintf(diff->out, "~ phase %s: %s\n", policy->phases[i].name, words);
		}
}

static int diff_phases(struct diff *diff, struct sp_policy *const policy[SIDES])
{
	int r = 0;

	sp_subject_close(&diff->side[0]);
	sp_subject_close(&diff->side[1]);
	tell_missing(diff, policy[0], policy[1], "named | not named");
	tell_missing(diff, policy[1], policy[0], "not named | named");
	for (size_t i = 0; i < policy[0]->phase_count && r == 0; i++)
		if (has_phase(policy[1], policy[0]->phases[i].name))
			r = diff_phase(diff, policy, policy[0]->phases[i].name);
	return r;
}

/* ---- the function for all ---- */

/* NOLINTNEXTLINE(misc-no-recursion): of what bounds edits as well, which has no edits */
static int run_diff(struct diff *diff, struct sp_policy *first, struct sp_policy *second)
{
	struct sp_policy *const policy[SIDES] = {first, second};
	int r = diff_rules(diff, first, second);

	if (r < 0)
		return r;
	diff_limits(diff);
	diff_layers(diff);
	diff_strict(diff);
	diff_architectures(diff);
	diff_extras(diff);
	r = diff_edits(diff, first, second);
	return r < 0 ? r : diff_phases(diff, policy);
}

/* 1: there are differences. NOLINTNEXTLINE(misc-no-recursion): the same */
static int tell(struct diff *diff, struct sp_policy *first, struct sp_policy *second,
		char **ret_text)
{
	char *text = NULL;
	size_t length;
	int r;

	diff->out = open_memstream(&text, &length);
	if (!diff->out)
		return -ENOMEM;
	r = run_diff(diff, first, second);
	if (fclose(diff->out) != 0 && r == 0)
		r = -ENOMEM;
	if (r < 0) {
		free(text);
		return r;
	}
	*ret_text = text;
	return diff->differences > 0;
}

SP_EXPORT int sp_policy_diff(struct sp_policy *first, struct sp_policy *second, char **ret_text)
{
	__attribute__((cleanup(clear_diff))) struct diff diff = {0};

	return tell(&diff, first, second, ret_text);
}
