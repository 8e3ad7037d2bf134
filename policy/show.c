/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A whole policy on one page: its includes, groups and parameters resolved, and behind each line where it
 * comes from. The text is a policy again, which says the same.
 */
#include <errno.h>
#include <inttypes.h>
#include <linux/filter.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/util.h"
#include "policy/disassemble.h"
#include "policy/export.h"
#include "policy/filter.h"
#include "policy/interpret.h"
#include "policy/judge.h"
#include "policy/names.h"
#include "policy/print.h"
#include "policy/twins.h"

/* ---- the calls in the order of asking ---- */

/* The rules of one call that are ever asked, first to last. */
struct ordered {
	const struct sp_call_rule **rules; /* owned */
	size_t count;
};

static int order_calls(const struct sp_policy *policy, int nr, struct ordered *ret)
{
	*ret = (struct ordered){0};
	return sp_model_order_calls(policy, nr, &ret->rules, &ret->count);
}

/*
 * On a page all rules are of one rank, where the stricter comes first. One that stands behind a laxer one
 * of a lower rank is made to wait for it: "and not (what the laxer one is for)".
 */
static struct sp_condition *page_condition(const struct ordered *ordered, size_t index)
{
	const struct sp_call_rule *rule = ordered->rules[index];
	struct sp_condition *whole = sp_condition_copy(rule->condition);

	for (size_t i = 0; i < index; i++) {
		const struct sp_call_rule *earlier = ordered->rules[i];

		if (earlier->action < rule->action ||
		    (earlier->action == rule->action && earlier->error != rule->error))
			whole = sp_condition_join_take(
			    SP_CONDITION_AND, whole,
			    sp_condition_not_take(sp_condition_copy(earlier->condition)));
	}
	return whole;
}

typedef int rule_fn(FILE *out, const struct sp_call_rule *rule,
		    const struct sp_condition *condition);

static int each_rule(FILE *out, const struct sp_policy *policy, int nr, rule_fn *fn)
{
	struct ordered ordered;
	int r = order_calls(policy, nr, &ordered);

	for (size_t i = 0; i < ordered.count && r == 0; i++) {
		_cleanup_condition_ struct sp_condition *condition = NULL;

		if (ordered.rules[i]->condition) {
			condition = page_condition(&ordered, i);
			if (!condition)
				r = -ENOMEM;
		}
		if (r == 0)
			r = fn(out, ordered.rules[i], condition);
	}
	free(ordered.rules);
	return r;
}

static int each_call(FILE *out, const struct sp_policy *policy, rule_fn *fn)
{
	int r = 0;

	for (int nr = 0; nr < SP_NUMBERS && r == 0; nr++)
		r = each_rule(out, policy, nr, fn);
	return r;
}

/* ---- text ---- */

static void origin(FILE *out, const char *source)
{
	(void)fputs("  # ", out);
	sp_print_visible(out, source);
	(void)fputc('\n', out);
}

static void print_call(FILE *out, int nr, const struct sp_condition *condition)
{
	(void)fputs(sp_call_name(nr), out);
	if (!condition)
		return;
	(void)fputc('(', out);
	sp_print_condition(out, nr, condition);
	(void)fputc(')', out);
}

static int text_rule(FILE *out, const struct sp_call_rule *rule,
		     const struct sp_condition *condition)
{
	bool after = rule->action == SP_ACTION_DENY;

	(void)fputs("\t", out);
	if (after)
		(void)fputs("deny", out);
	else
		sp_print_action(out, rule->action, rule->error);
	(void)fputc(' ', out);
	print_call(out, rule->nr, condition);
	if (after) {
		(void)fputs(" as ", out);
		sp_print_errno(out, rule->error);
	}
	origin(out, rule->source);
	return 0;
}

/* What happens to calls that no rule speaks of. Returns where that stands. */
static const char *print_default(FILE *out, const struct sp_policy *policy)
{
	const struct sp_setting *action = &policy->default_action;

	if (policy->strict.set)
		(void)fputs("kill", out);
	else if (action->set)
		sp_print_action(out, (enum sp_action)action->value,
				(int)policy->default_error.value);
	else
		(void)fputs("deny as ENOSYS", out);
	return sp_setting_source(policy->strict.set ? &policy->strict : action, "built in");
}

static void text_default(FILE *out, const struct sp_policy *policy)
{
	(void)fputs("\tdefault ", out);
	origin(out, print_default(out, policy));
}

#define SOCKET_RIGHTS ((uint32_t)(SP_RIGHT_CONNECT | SP_RIGHT_BIND))

/* Of a rule about a name: those of its rights that one section speaks of. */
static void text_path(FILE *out, const struct sp_path_rule *rule, uint32_t rights)
{
	(void)fputs(strchr(rule->pattern, '"') ? "\t# no text can hold this: " : "\t", out);
	if (rule->ask)
		(void)fputs("ask ", out);
	sp_print_rights(out, rights);
	(void)fputs(rights & SOCKET_RIGHTS ? " unix " : " ", out);
	if (!sp_print_pattern(out, rule->pattern))
		sp_print_visible(out, rule->pattern);
	if (rights == 0) {
		(void)fputs(" as ", out);
		sp_print_errno(out, rule->error);
	}
	origin(out, rule->source);
}

static void text_weights(FILE *out, const struct sp_policy *policy)
{
	for (int nr = 0; policy->weights && nr < SP_NUMBERS; nr++)
		if (policy->weights[nr].set) {
			(void)fprintf(out, "\tpriority %" PRIu64 " %s", policy->weights[nr].value,
				      sp_call_name(nr));
			origin(out, policy->weights[nr].source);
		}
}

static void text_paths(FILE *out, const struct sp_policy *policy)
{
	(void)fputs("files {\n", out);
	for (size_t i = 0; i < policy->path_count; i++) {
		const struct sp_path_rule *rule = &policy->paths[i];

		if (rule->rights == 0 || (rule->rights & ~SOCKET_RIGHTS))
			text_path(out, rule, rule->rights & ~SOCKET_RIGHTS);
	}
	(void)fputs("}\n", out);
}

static void text_network(FILE *out, const struct sp_policy *policy)
{
	(void)fputs("network {\n", out);
	for (size_t i = 0; i < policy->path_count; i++)
		for (uint32_t right = SP_RIGHT_CONNECT; right <= SP_RIGHT_BIND; right <<= 1)
			if (policy->paths[i].rights & right)
				text_path(out, &policy->paths[i], right);
	for (size_t i = 0; i < policy->address_count; i++) {
		const struct sp_address_rule *rule = &policy->addresses[i];
		char buffer[SP_ADDRESS_TEXT_MAX];

		(void)fprintf(out, "\t%s tcp %s", rule->error ? "deny" : "connect",
			      sp_address_print(&rule->address, buffer));
		if (rule->error) {
			(void)fputs(" as ", out);
			sp_print_errno(out, rule->error);
		}
		origin(out, rule->source);
	}
	(void)fputs("}\n", out);
}

static void text_settings(FILE *out, const struct sp_policy *policy)
{
	const struct sp_setting *isolate = &policy->isolate;
	uint32_t layers = isolate->set ? (uint32_t)isolate->value : SP_ISOLATE_ALL;
	uint32_t optional =
	    policy->optional_layers.set ? (uint32_t)policy->optional_layers.value : 0;

	(void)fprintf(out, "memory {\n\twx %s",
		      policy->wx.set && policy->wx.value ? "allow" : "deny");
	origin(out, sp_setting_source(&policy->wx, "built in"));
	(void)fputs("}\nlimits {\n", out);
	for (size_t i = 0; i < SP_LIMIT_COUNT; i++) {
		const struct sp_setting *limit = &policy->limits[i];

		if (!limit->set)
			continue;
		(void)fprintf(out, "\t%s %" PRIu64 "%s", sp_limit_name((enum sp_limit)i),
			      limit->value, sp_limit_unit((enum sp_limit)i));
		origin(out, limit->source);
	}
	(void)fputs("}\nisolate {\n", out);
	for (uint32_t layer = 1; layer <= SP_ISOLATE_ALL; layer <<= 1)
		if (layers & layer) {
			(void)fprintf(out, "\t%s%s", sp_layer_name(layer),
				      optional & layer ? " optional" : "");
			origin(out, sp_setting_source(isolate, "built in"));
		}
	(void)fputs("}\n", out);
}

/* The policies on a page that bound another are named by their place in the list of all. */
static void text_bounds(FILE *out, const struct sp_policy *policy,
			const struct sp_policy *const *layers, size_t count, size_t first)
{
	for (size_t i = 0; i < policy->within_count; i++)
		for (size_t layer = 0; layer < count; layer++)
			if (layers[layer] == policy->within[i])
				(void)fprintf(out, "within bound-%zu  # %s%s%s\n", first + layer,
					      policy->within[i]->name,
					      policy->within[i]->phase ? ", of the phase " : "",
					      policy->within[i]->phase ? policy->within[i]->phase
								       : "");
}

/* Those of a phase are named by its place among the phases. */
static void text_phases(FILE *out, const struct sp_policy *policy, size_t count)
{
	for (size_t i = 0; i < policy->phase_count; i++)
		(void)fprintf(out, "phase %s within bound-%zu  # %s\n", policy->phases[i].name,
			      count + i * SP_LAYERS_MAX, policy->phases[i].policy->name);
}

/* The place of what bounds edits: behind all phases. */
static size_t edits_place(const struct sp_policy *policy, size_t count)
{
	return count + policy->phase_count * SP_LAYERS_MAX;
}

static void text_editable(FILE *out, const struct sp_policy *policy, size_t count)
{
	if (policy->edit_bound)
		(void)fprintf(out, "editable within bound-%zu  # %s; %s\n",
			      edits_place(policy, count), policy->edit_bound->name,
			      policy->editable.source);
	else if (policy->editable.set)
		(void)fprintf(out, "editable  # %s\n", policy->editable.source);
}

static void text_architectures(FILE *out, const struct sp_policy *policy)
{
	if (!policy->architectures.set)
		return;
	(void)fputs("architectures native", out);
	for (uint32_t a = 0; a < SP_TWIN_COUNT; a++)
		if (policy->architectures.value & 1u << a)
			(void)fprintf(out, ", %s", sp_architecture_name(1u << a));
	origin(out, policy->architectures.source);
}

/* `first`: the place of layers[0] in the list of all; of the policy itself 0. */
static int text_layer(FILE *out, const struct sp_policy *const *layers, size_t count, size_t index,
		      size_t first)
{
	const struct sp_policy *policy = layers[index];
	int r;

	if (first + index == 0)
		(void)fprintf(out, "policy %s\n", policy->name);
	else
		(void)fprintf(out, "\npolicy bound-%zu  # %s\n", first + index, policy->name);
	if (policy->strict.set) {
		(void)fputs("strict", out);
		origin(out, policy->strict.source);
	}
	text_architectures(out, policy);
	text_bounds(out, policy, layers, count, first);
	if (first + index == 0) {
		text_phases(out, policy, count);
		text_editable(out, policy, count);
	}
	(void)fputs("syscalls {\n", out);
	r = each_call(out, policy, text_rule);
	text_default(out, policy);
	text_weights(out, policy);
	(void)fputs("}\n", out);
	text_paths(out, policy);
	text_network(out, policy);
	text_settings(out, policy);
	if (policy->extra_count > 0)
		(void)fprintf(out, "# %zu filters of others come on top, which no text can hold\n",
			      policy->extra_count);
	return r;
}

static int show_text(FILE *out, const struct sp_policy *policy, enum sp_filter_kind kind)
{
	const struct sp_policy *layers[SP_LAYERS_MAX];
	size_t count = sp_model_layers(policy, layers);
	int r = 0;

	(void)kind;
	for (size_t i = 0; i < count && r == 0; i++)
		r = text_layer(out, layers, count, i, 0);
	for (size_t phase = 0; phase < policy->phase_count; phase++) {
		const struct sp_policy *bound[SP_LAYERS_MAX];
		size_t bounds = sp_model_layers(policy->phases[phase].policy, bound);

		for (size_t i = 0; i < bounds && r == 0; i++)
			r = text_layer(out, bound, bounds, i, count + phase * SP_LAYERS_MAX);
	}
	if (policy->edit_bound) {
		const struct sp_policy *bound[SP_LAYERS_MAX];
		size_t bounds = sp_model_layers(policy->edit_bound, bound);

		for (size_t i = 0; i < bounds && r == 0; i++)
			r = text_layer(out, bound, bounds, i, edits_place(policy, count));
	}
	return r;
}

/* ---- JSON ---- */

/* Opens an object of a list. */
static void json_open(FILE *out, bool *first)
{
	(void)fputs(*first ? "\n    {" : ",\n    {", out);
	*first = false;
}

static void json_source(FILE *out, const char *source)
{
	(void)fputs("\"source\": ", out);
	sp_print_json(out, source);
	(void)fputs("}", out);
}

static int json_rule(FILE *out, const struct sp_call_rule *rule,
		     const struct sp_condition *condition)
{
	(void)fprintf(out, ",\n    {\"call\": \"%s\", \"number\": %d, \"action\": \"",
		      sp_call_name(rule->nr), rule->nr);
	sp_print_action(out, rule->action, rule->error);
	(void)fputs("\", \"condition\": ", out);
	if (condition)
		(void)fputc('"', out);
	else
		(void)fputs("null", out);
	if (condition) {
		sp_print_condition(out, rule->nr, condition);
		(void)fputc('"', out);
	}
	(void)fputs(", ", out);
	json_source(out, rule->source);
	return 0;
}

/* The first of the list, so that what follows can begin with a comma. */
static void json_default(FILE *out, const struct sp_policy *policy)
{
	const char *source;

	(void)fputs("\n    {\"call\": null, \"number\": null, \"action\": \"", out);
	source = print_default(out, policy);
	(void)fputs("\", \"condition\": null, ", out);
	json_source(out, source);
}

static void json_rights(FILE *out, uint32_t rights)
{
	const char *separator = "";

	(void)fputs("[", out);
	for (uint32_t right = 1; right <= rights; right <<= 1)
		if (rights & right) {
			(void)fprintf(out, "%s\"%s\"", separator, sp_right_name(right));
			separator = ", ";
		}
	(void)fputs("]", out);
}

/* How a rule denies, 0: it grants; and where it stands. */
static void json_denial(FILE *out, int error, const char *source)
{
	if (error) {
		(void)fputc('"', out);
		sp_print_errno(out, error);
		(void)fputc('"', out);
	} else {
		(void)fputs("null", out);
	}
	(void)fputs(", ", out);
	json_source(out, source);
}

static void json_paths(FILE *out, const struct sp_policy *policy)
{
	bool first = true;

	(void)fputs("  \"files\": [", out);
	for (size_t i = 0; i < policy->path_count; i++) {
		const struct sp_path_rule *rule = &policy->paths[i];

		json_open(out, &first);
		(void)fputs("\"pattern\": ", out);
		sp_print_json(out, rule->pattern);
		(void)fputs(", \"rights\": ", out);
		json_rights(out, rule->rights);
		(void)fprintf(out, ", \"ask\": %s, \"errno\": ", rule->ask ? "true" : "false");
		json_denial(out, rule->rights == 0 ? rule->error : 0, rule->source);
	}
	(void)fputs("\n  ],\n", out);
}

static void json_addresses(FILE *out, const struct sp_policy *policy)
{
	bool first = true;

	(void)fputs("  \"tcp\": [", out);
	for (size_t i = 0; i < policy->address_count; i++) {
		const struct sp_address_rule *rule = &policy->addresses[i];
		char buffer[SP_ADDRESS_TEXT_MAX];

		json_open(out, &first);
		(void)fprintf(out, "\"address\": \"%s\", \"errno\": ",
			      sp_address_print(&rule->address, buffer));
		json_denial(out, rule->error, rule->source);
	}
	(void)fputs("\n  ],\n", out);
}

static void json_settings(FILE *out, const struct sp_policy *policy)
{
	const struct sp_setting *isolate = &policy->isolate;
	uint32_t layers = isolate->set ? (uint32_t)isolate->value : SP_ISOLATE_ALL;
	uint32_t optional =
	    policy->optional_layers.set ? (uint32_t)policy->optional_layers.value : 0;
	bool first = true;

	(void)fprintf(out, "  \"memory\": {\"wx\": %s, ",
		      policy->wx.set && policy->wx.value ? "true" : "false");
	json_source(out, sp_setting_source(&policy->wx, "built in"));
	(void)fputs(",\n  \"limits\": [", out);
	for (size_t i = 0; i < SP_LIMIT_COUNT; i++) {
		if (!policy->limits[i].set)
			continue;
		json_open(out, &first);
		(void)fprintf(out, "\"name\": \"%s\", \"value\": %" PRIu64 ", \"unit\": \"%s\", ",
			      sp_limit_name((enum sp_limit)i), policy->limits[i].value,
			      sp_limit_unit((enum sp_limit)i));
		json_source(out, policy->limits[i].source);
	}
	(void)fputs("\n  ],\n  \"isolate\": [", out);
	first = true;
	for (uint32_t layer = 1; layer <= SP_ISOLATE_ALL; layer <<= 1)
		if (layers & layer) {
			json_open(out, &first);
			(void)fprintf(out, "\"layer\": \"%s\", \"optional\": %s, ",
				      sp_layer_name(layer), optional & layer ? "true" : "false");
			json_source(out, sp_setting_source(isolate, "built in"));
		}
	(void)fputs("\n  ]", out);
}

static void json_weights(FILE *out, const struct sp_policy *policy)
{
	bool first = true;

	(void)fputs("  \"priorities\": [", out);
	for (int nr = 0; policy->weights && nr < SP_NUMBERS; nr++)
		if (policy->weights[nr].set) {
			json_open(out, &first);
			(void)fprintf(out,
				      "\"call\": \"%s\", \"number\": %d, \"weight\": %" PRIu64 ", ",
				      sp_call_name(nr), nr, policy->weights[nr].value);
			json_source(out, policy->weights[nr].source);
		}
	(void)fputs("\n  ],\n", out);
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as policies bound each other */
static int json_policy(FILE *out, const struct sp_policy *policy)
{
	int r;

	(void)fputs("{\n  \"name\": ", out);
	sp_print_json(out, policy->name);
	(void)fputs(",\n  \"phase\": ", out);
	if (policy->phase)
		sp_print_json(out, policy->phase);
	else
		(void)fputs("null", out);
	(void)fputs(",\n  \"architectures\": [\"native\"", out);
	for (uint32_t a = 0; a < SP_TWIN_COUNT; a++)
		if (policy->architectures.value & 1u << a)
			(void)fprintf(out, ", \"%s\"", sp_architecture_name(1u << a));
	(void)fprintf(out, "],\n  \"strict\": %s,\n  \"calls\": [",
		      policy->strict.set ? "true" : "false");
	json_default(out, policy);
	r = each_call(out, policy, json_rule);
	(void)fputs("\n  ],\n", out);
	json_weights(out, policy);
	json_paths(out, policy);
	json_addresses(out, policy);
	json_settings(out, policy);
	(void)fprintf(out, ",\n  \"filters\": %zu,\n  \"within\": [", policy->extra_count);
	for (size_t i = 0; i < policy->within_count && r == 0; i++) {
		(void)fputs(i > 0 ? ", " : "", out);
		r = json_policy(out, policy->within[i]);
	}
	(void)fputs("],\n  \"phases\": [", out);
	for (size_t i = 0; i < policy->phase_count && r == 0; i++) {
		(void)fputs(i > 0 ? ", {\"phase\": " : "{\"phase\": ", out);
		sp_print_json(out, policy->phases[i].name);
		(void)fputs(", \"within\": ", out);
		r = json_policy(out, policy->phases[i].policy);
		(void)fputs("}", out);
	}
	(void)fprintf(out, "],\n  \"editable\": %s",
		      policy->edit_bound     ? "{\"within\": "
		      : policy->editable.set ? "{}"
					     : "null");
	if (r == 0 && policy->edit_bound) {
		r = json_policy(out, policy->edit_bound);
		(void)fputs("}", out);
	}
	(void)fputs("\n}", out);
	return r;
}

static int show_json(FILE *out, const struct sp_policy *policy, enum sp_filter_kind kind)
{
	int r = json_policy(out, policy);

	(void)kind;
	(void)fputc('\n', out);
	return r;
}

/* ---- pseudo-code ---- */

static void pseudo_decision(FILE *out, int nr, const struct sp_judge_decision *d)
{
	const char *indent = "\t";

	if (d->where) {
		(void)fputs("\tif ", out);
		sp_print_condition(out, nr, d->where);
		(void)fputc('\n', out);
		indent = "\t\t";
	}
	if (d->guard) {
		(void)fprintf(out, "%sif not (", indent);
		sp_print_condition(out, nr, d->guard);
		(void)fprintf(out, ")\n%s\t", indent);
		sp_print_kernel_action(out, d->otherwise);
		origin(out, "built in: no policy can allow this form");
	}
	(void)fputs(indent, out);
	sp_print_kernel_action(out, d->action);
	if (d->final)
		(void)fputs(", finally", out);
	origin(out, d->source);
}

static void pseudo_layers(FILE *out, int nr, const struct sp_judge *judge)
{
	struct sp_judge_decision decision;

	for (size_t layer = 0; layer < sp_judge_layers(judge); layer++) {
		if (layer > 0)
			(void)fprintf(out, "\tthen, if it is stricter, of bound-%zu\n", layer);
		for (size_t i = 0; sp_judge_at(judge, layer, i, &decision); i++)
			pseudo_decision(out, nr, &decision);
	}
}

static int pseudo_call(FILE *out, const struct sp_policy *policy, enum sp_filter_kind kind, int nr,
		       const char *name)
{
	struct sp_judge *judge;
	int r = sp_judge_new(policy, kind, nr, &judge);

	if (r < 0)
		return r;
	(void)fprintf(out, "%s\n", name);
	pseudo_layers(out, nr, judge);
	sp_judge_free(judge);
	return 0;
}

static int show_pseudo_code(FILE *out, const struct sp_policy *policy, enum sp_filter_kind kind)
{
	int r = 0;

	(void)fputs(
	    policy->strict.set
		? "# No filter: SECCOMP_MODE_STRICT, which also knows its four calls by their "
		  "numbers of i386.\n"
	    : sp_model_architectures(policy)
		? "# The first line that applies decides. Calls of the other architectures "
		  "follow from their names.\n"
		: "# The first line that applies decides. Calls of another architecture: "
		  "kill.\n",
	    out);
	for (int nr = 0; nr < SP_NUMBERS && r == 0; nr++) {
		const char *name = sp_call_name(nr);

		if (name)
			r = pseudo_call(out, policy, kind, nr, name);
	}
	return r < 0 ? r : pseudo_call(out, policy, kind, SP_NUMBERS, "any other call");
}

/* ---- BPF ---- */

static int compile(const struct sp_policy *policy, enum sp_filter_kind kind,
		   struct sp_program *ret_program)
{
	static int (*const compilers[])(const struct sp_policy *policy,
					struct sp_program *ret_program) = {
	    [SP_FILTER_LOCK] = sp_filter_compile,
	    [SP_FILTER_FLOOR] = sp_filter_compile_floor,
	    [SP_FILTER_ALONE] = sp_filter_compile_alone,
	};

	return compilers[kind](policy, ret_program);
}

/* Those of every policy, as they are loaded: first those of the policy itself. */
static void show_extras(FILE *out, const struct sp_policy *policy)
{
	const struct sp_policy *layers[SP_LAYERS_MAX];
	size_t count = sp_model_layers(policy, layers), number = 0;

	for (size_t layer = 0; layer < count; layer++)
		for (size_t i = 0; i < layers[layer]->extra_count; i++) {
			const struct sp_program *extra = &layers[layer]->extras[i];

			(void)fprintf(
			    out,
			    "# filter %zu of others: it stands beside, and of all verdicts "
			    "the kernel takes the strictest\n",
			    ++number);
			sp_disassemble(out, (const struct sock_filter *)(const void *)extra->bytes,
				       extra->length / sizeof(struct sock_filter));
		}
}

static int show_bpf(FILE *out, const struct sp_policy *policy, enum sp_filter_kind kind)
{
	struct sp_program program;
	int r;

	if (policy->strict.set) {
		(void)fputs(
		    "# No program: the kernel's SECCOMP_MODE_STRICT lets read, write, exit and "
		    "rt_sigreturn through,\n# and kills for every other call.\n",
		    out);
		return 0;
	}
	r = compile(policy, kind, &program);
	if (r < 0)
		return r;
	sp_disassemble(out, (const struct sock_filter *)(const void *)program.bytes,
		       program.length / sizeof(struct sock_filter));
	free(program.bytes);
	show_extras(out, policy);
	return 0;
}

/* ---- the functions for all ---- */

static const enum sp_filter_kind kinds[] = {
    [SP_POLICY_FILTER_ALONE] = SP_FILTER_ALONE,
    [SP_POLICY_FILTER_NOTIFY] = SP_FILTER_FLOOR,
    [SP_POLICY_FILTER_TRAP] = SP_FILTER_LOCK,
};

SP_EXPORT int sp_policy_show(const struct sp_policy *policy, enum sp_policy_form form,
			     enum sp_policy_filter filter, char **ret_text)
{
	static int (*const forms[])(FILE * out, const struct sp_policy *policy,
				    enum sp_filter_kind kind) = {
	    [SP_POLICY_FORM_TEXT] = show_text,
	    [SP_POLICY_FORM_JSON] = show_json,
	    [SP_POLICY_FORM_BPF] = show_bpf,
	    [SP_POLICY_FORM_PSEUDO_CODE] = show_pseudo_code,
	};
	char *text = NULL;
	size_t length;
	FILE *out;
	int r;

	if ((size_t)form >= SP_ELEMENTS(forms) || (size_t)filter >= SP_ELEMENTS(kinds))
		return -EINVAL;
	out = open_memstream(&text, &length);
	if (!out)
		return -ENOMEM;
	r = forms[form](out, policy, kinds[filter]);
	if (fclose(out) != 0 && r == 0)
		r = -ENOMEM;
	if (r < 0)
		free(text);
	else
		*ret_text = text;
	return r;
}

SP_EXPORT int sp_policy_bpf(const struct sp_policy *policy, enum sp_policy_filter filter,
			    void **ret_program, size_t *ret_length)
{
	struct sp_program program;
	int r = (size_t)filter >= SP_ELEMENTS(kinds) ? -EINVAL
		: policy->strict.set                 ? -EOPNOTSUPP
						     : compile(policy, kinds[filter], &program);

	if (r < 0)
		return r;
	*ret_program = program.bytes;
	*ret_length = program.length;
	return 0;
}
