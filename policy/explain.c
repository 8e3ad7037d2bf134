/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/explain.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/util.h"
#include "policy/export.h"
#include "policy/names.h"
#include "policy/print.h"

static const char *verdict_word(enum sp_policy_verdict verdict)
{
	static const char *const words[] = {
	    [SP_POLICY_ALLOW] = "allow", [SP_POLICY_LOG] = "log",
	    [SP_POLICY_ASK] = "ask",     [SP_POLICY_DENY] = "deny",
	    [SP_POLICY_ERRNO] = "errno", [SP_POLICY_TRAP] = "trap",
	    [SP_POLICY_KILL] = "kill",   [SP_POLICY_KILL_THREAD] = "kill thread",
	};

	return words[verdict];
}

void sp_print_verdict(FILE *out, enum sp_policy_verdict verdict, int error)
{
	(void)fputs(verdict_word(verdict), out);
	if (verdict == SP_POLICY_DENY)
		(void)fputs(" as ", out);
	else if (verdict == SP_POLICY_ERRNO || verdict == SP_POLICY_TRAP)
		(void)fputc(' ', out);
	if (verdict == SP_POLICY_DENY || verdict == SP_POLICY_ERRNO)
		sp_print_errno(out, error);
	else if (verdict == SP_POLICY_TRAP)
		(void)fprintf(out, "%d", error);
}

/* ---- the rules, gathered ---- */

/* One rule that speaks of the call or of a name. */
struct entry {
	const char *source;  /* NULL: no rule */
	const char *pattern; /* of a path rule, else NULL */
	const struct sp_call_rule *call;
	uint32_t action; /* of what is built in */
	uint32_t rights; /* of a path rule */
	bool ask, brokered, decides;
	size_t layer;
	const char *reason; /* why it did not decide */
};

struct list {
	struct entry *entries; /* owned */
	size_t count;
	int error;
};

static void add(struct list *list, const struct entry *entry)
{
	struct entry *grown = reallocarray(list->entries, list->count + 1, sizeof(*grown));

	if (!grown) {
		list->error = -ENOMEM;
		return;
	}
	list->entries = grown;
	grown[list->count++] = *entry;
}

static bool is_grouped(const struct sp_call_rule *rule)
{
	return rule->rank & 1;
}

/* Why a rule comes after the one that decided. */
static const char *call_reason(const struct sp_call_rule *won, const struct sp_call_rule *lost)
{
	if (!lost)
		return "it stands for what no rule decides";
	if (!won)
		return "what is built in comes first";
	if (won->rank / 2 != lost->rank / 2)
		return "a policy's own rules come before those that it includes";
	if (is_grouped(won) != is_grouped(lost))
		return "a rule for a name comes before one for a group";
	if (won->condition && !lost->condition)
		return "a rule with a condition comes before one without";
	if (won->action != lost->action)
		return "the stricter one comes first";
	return "an earlier one says it";
}

static const struct sp_candidate *winner_of(const struct sp_verdict *verdict, size_t layer)
{
	for (size_t i = 0; i < verdict->candidate_count; i++)
		if (verdict->candidates[i].layer == layer && verdict->candidates[i].holds)
			return &verdict->candidates[i];
	return NULL;
}

static struct entry call_entry(const struct sp_verdict *verdict, const struct sp_candidate *c,
			       bool brokered, bool foreign)
{
	const struct sp_candidate *won = winner_of(verdict, c->layer);
	struct entry entry = {.source = c->source,
			      .call = c->guarded ? NULL : c->rule,
			      .action = c->action,
			      .brokered = brokered,
			      .layer = c->layer};

	if (!c->holds)
		entry.reason = "its condition does not hold";
	else if (c == won && foreign && c->source == verdict->source)
		entry.reason = "a filter of others is stricter";
	else if (c != won)
		entry.reason = call_reason(won ? won->rule : NULL, c->rule);
	else if (c->source == verdict->source)
		entry.decides = true;
	else
		entry.reason = c->action == verdict->action
				   ? "it says the same"
				   : "of policies that bound each other the stricter decides";
	return entry;
}

static void gather_calls(const struct sp_subject *subject, int nr, const struct sp_finding *finding,
			 struct list *list)
{
	const struct sp_policy *layers[SP_LAYERS_MAX];
	size_t count = sp_model_layers(subject->policy, layers);

	for (size_t i = 0; i < finding->call.candidate_count; i++) {
		struct entry entry =
		    call_entry(&finding->call, &finding->call.candidates[i],
			       sp_call_class(nr) == SP_CLASS_BROKERED ||
				   (finding->brokered &&
				    finding->call.candidates[i].source == finding->call.source),
			       finding->foreign_won > 0);

		add(list, &entry);
	}
	for (size_t layer = 0; layer < count; layer++)
		for (size_t i = 0; i < layers[layer]->overruled_count; i++) {
			const struct sp_call_rule *rule = &layers[layer]->overruled[i];
			const struct sp_candidate *won = winner_of(&finding->call, layer);
			struct entry entry = {.source = rule->source, .call = rule, .layer = layer};

			if (rule->nr != nr)
				continue;
			entry.reason = call_reason(won ? won->rule : NULL, rule);
			add(list, &entry);
		}
}

struct gathering {
	struct list *list;
	uint32_t right;
};

static int gather_match(const struct sp_rules_match *match, void *data)
{
	struct gathering *gathering = data;
	struct entry entry = {.source = match->source,
			      .pattern = match->pattern,
			      .rights = match->rights,
			      .ask = match->ask,
			      .layer = match->set};

	if (match->rights == 0 || (match->rights & gathering->right))
		add(gathering->list, &entry);
	return gathering->list->error;
}

static struct sp_rules_match match_of(const struct entry *entry)
{
	return (struct sp_rules_match){.pattern = entry->pattern,
				       .source = entry->source,
				       .set = entry->layer,
				       .rights = entry->rights,
				       .ask = entry->ask};
}

/* In each layer one rule decides on a right; the others learn why it is not they. */
static void rank_layer(struct list *list, size_t layer)
{
	struct entry *won = NULL;
	const char *reason;

	for (size_t i = 0; i < list->count; i++) {
		struct entry *entry = &list->entries[i];
		struct sp_rules_match a, b;

		if (entry->layer != layer)
			continue;
		a = match_of(entry);
		b = won ? match_of(won) : a;
		if (!won || sp_rules_outranks(&a, &b, &reason))
			won = entry;
	}
	for (size_t i = 0; i < list->count; i++) {
		struct entry *entry = &list->entries[i];
		struct sp_rules_match a, b;

		if (entry->layer != layer)
			continue;
		entry->decides = entry == won;
		a = match_of(won);
		b = match_of(entry);
		if (!entry->decides)
			(void)sp_rules_outranks(&a, &b, &entry->reason);
	}
}

/* The rules on one right (0: on the name at all) of one name. */
static void gather_paths(const struct sp_subject *subject, const struct sp_named *named,
			 uint32_t right, struct list *list)
{
	struct gathering gathering = {list, right ? right : SP_RIGHT_ALL};

	(void)sp_rules_each_match(subject->rules, named->name, strlen(named->name), gather_match,
				  &gathering);
	for (size_t layer = 0; layer < sp_rules_set_count(subject->rules); layer++)
		rank_layer(list, layer);
}

/* The phase since which the policy of a rule bounds the other, or NULL. */
static const char *phase_of(const struct sp_subject *subject, const struct entry *entry)
{
	const struct sp_policy *layers[SP_LAYERS_MAX];
	size_t count = sp_model_layers(subject->policy, layers);

	return entry->layer < count ? layers[entry->layer]->phase : NULL;
}

/* ---- text ---- */

static void print_does(FILE *out, const struct entry *entry)
{
	if (entry->pattern && entry->ask)
		(void)fputs("ask ", out);
	if (entry->pattern)
		sp_print_rights(out, entry->rights);
	else if (entry->call)
		sp_print_action(out, entry->call->action, entry->call->error);
	else if (entry->action == SECCOMP_RET_USER_NOTIF)
		(void)fputs(entry->brokered ? "broker" : "deny", out);
	else
		sp_print_kernel_action(out, entry->action);
}

static void print_line(FILE *out, const struct sp_subject *subject, const char *source)
{
	const char *line;
	size_t length = sp_model_line(subject->policy, source, &line);
	_cleanup_free_ char *copy = length > 0 ? strndup(line, length) : NULL;

	if (!copy)
		return;
	(void)fputs("\n        | ", out);
	sp_print_visible(out, copy);
}

/* Which of the policies says it, where it is not the policy itself. */
static void print_bound(FILE *out, const struct sp_subject *subject, const struct entry *entry)
{
	const char *phase = phase_of(subject, entry);

	if (phase)
		(void)fprintf(out, " (of the phase %s)", phase);
	else if (entry->layer > 0)
		(void)fputs(" (of a policy that bounds this one)", out);
}

static void print_entry(FILE *out, const struct sp_subject *subject, const struct entry *entry)
{
	(void)fputs(entry->decides ? "    decides: " : "    loses:   ", out);
	sp_print_visible(out, entry->source);
	(void)fputs(": ", out);
	print_does(out, entry);
	if (entry->pattern) {
		(void)fputc(' ', out);
		sp_print_visible(out, entry->pattern);
	}
	print_bound(out, subject, entry);
	if (entry->reason)
		(void)fprintf(out, "; %s", entry->reason);
	print_line(out, subject, entry->source);
	(void)fputc('\n', out);
}

/* What decides comes first. */
static void print_entries(FILE *out, const struct sp_subject *subject, const struct list *list)
{
	for (int decides = 1; decides >= 0; decides--)
		for (size_t i = 0; i < list->count; i++)
			if (list->entries[i].decides == decides)
				print_entry(out, subject, &list->entries[i]);
	if (list->count == 0)
		(void)fputs("    no rule that grants it matches\n", out);
}

static void print_right(FILE *out, const struct sp_subject *subject, const struct sp_named *named,
			uint32_t right)
{
	__attribute__((cleanup(sp_free_pointer))) struct entry *owned = NULL;
	struct list list = {0};

	gather_paths(subject, named, right, &list);
	owned = list.entries;
	(void)fprintf(out, "  %s: %s\n", right ? sp_right_name(right) : "to be looked at",
		      (right ? named->missing & right : !named->visible)
			  ? named->decision.ask & right ? "the application decides" : "denied"
			  : "granted");
	if (right == 0 && named->visible && list.count == 0)
		(void)fputs("    it is a directory on the way to what is granted\n", out);
	else
		print_entries(out, subject, &list);
}

static void print_named(FILE *out, const struct sp_subject *subject, const struct sp_named *named)
{
	(void)fprintf(out, "the name ");
	sp_print_visible(out, named->name);
	if (named->resolved)
		(void)fputs(", to which the path leads on this machine", out);
	(void)fputs(named->makes ? ", to be made\n" : "\n", out);
	if (named->needs == 0)
		print_right(out, subject, named, 0);
	for (uint32_t right = 1; right <= named->needs; right <<= 1)
		if (named->needs & right)
			print_right(out, subject, named, right);
}

/* In the order of the rules; the one that decides is marked, as of each policy that bounds this one. */
struct addresses {
	FILE *out;
	const struct sp_subject *subject;
	const struct sp_address *address;
	struct sp_rules_address best[2 * SP_LAYERS_MAX * (1 + SP_PHASES_MAX)]; /* by set */
};

static int choose_address(const struct sp_rules_address *rule, void *data)
{
	struct addresses *addresses = data;
	struct sp_rules_address *best = &addresses->best[rule->set];
	const char *reason;

	if (sp_address_holds(rule->address, addresses->address) &&
	    (!best->address || sp_rules_address_outranks(rule, best, &reason)))
		*best = *rule;
	return 0;
}

static int print_address_rule(const struct sp_rules_address *rule, void *data)
{
	struct addresses *addresses = data;
	const struct sp_rules_address *best = &addresses->best[rule->set];
	char text[SP_ADDRESS_TEXT_MAX];
	const char *reason = NULL;

	if (!sp_address_holds(rule->address, addresses->address))
		return 0;
	(void)fputs(rule->address == best->address ? "    decides: " : "    loses:   ",
		    addresses->out);
	sp_print_visible(addresses->out, rule->source);
	(void)fprintf(addresses->out, ": %s tcp %s", rule->error ? "deny" : "connect",
		      sp_address_print(rule->address, text));
	if (rule->set > 0)
		(void)fputs(" (of a policy that bounds this one)", addresses->out);
	if (rule->address != best->address) {
		(void)sp_rules_address_outranks(best, rule, &reason);
		(void)fprintf(addresses->out, "; %s", reason);
	}
	print_line(addresses->out, addresses->subject, rule->source);
	(void)fputc('\n', addresses->out);
	return 0;
}

static void print_address(FILE *out, const struct sp_subject *subject,
			  const struct sp_finding *finding)
{
	struct addresses addresses = {.out = out, .subject = subject, .address = &finding->address};
	char text[SP_ADDRESS_TEXT_MAX];

	(void)fprintf(out, "the address %s\n", sp_address_print(&finding->address, text));
	(void)sp_rules_every_address(subject->rules, choose_address, &addresses);
	(void)sp_rules_every_address(subject->rules, print_address_rule, &addresses);
	if (!addresses.best[0].address)
		(void)fputs("    no rule speaks of it\n", out);
}

/* What the filters of others say, and the policy's own stands beside. */
static void print_foreign(FILE *out, const struct sp_finding *finding)
{
	if (finding->foreign_count > 0)
		(void)fputs("the filters of others\n", out);
	for (size_t i = 0; i < finding->foreign_count; i++) {
		bool decides = finding->foreign_won == i + 1;

		(void)fprintf(out, "    %s filter %zu of others, instruction %zu: ",
			      decides ? "decides:" : "loses:  ", i + 1, finding->foreign[i].at);
		sp_print_kernel_action(out, finding->foreign[i].action);
		(void)fputs(decides ? "\n" : "; of all filters the strictest decides\n", out);
	}
}

static bool may_change(const struct sp_subject *subject, const struct sp_finding *finding)
{
	return finding->named_count > 0 && subject->policy->editable.set;
}

void sp_explain_text(FILE *out, const struct sp_subject *subject, const char *call,
		     const struct sp_invocation *invocation, const struct sp_finding *finding)
{
	struct list list = {0};

	sp_print_verdict(out, finding->verdict, finding->error);
	(void)fputs(": ", out);
	sp_print_visible(out, call);
	if (finding->detail)
		(void)fprintf(out, ": %s", finding->detail);
	(void)fputs("\n  by ", out);
	if (finding->rule) {
		sp_print_visible(out, finding->rule);
		print_line(out, subject, finding->rule);
	} else {
		(void)fputs("no rule: what none grants is refused", out);
	}
	(void)fprintf(out, "\nthe call %s\n", invocation->name);
	gather_calls(subject, invocation->nr, finding, &list);
	print_entries(out, subject, &list);
	free(list.entries);
	for (size_t i = 0; i < finding->named_count; i++)
		print_named(out, subject, &finding->named[i]);
	if (finding->has_address)
		print_address(out, subject, finding);
	if (may_change(subject, finding))
		(void)fputs(
		    "the policy is editable: what is granted on names may change while it runs\n",
		    out);
	print_foreign(out, finding);
}

/* ---- JSON ---- */

static void json_text(FILE *out, const char *key, const char *text)
{
	(void)fprintf(out, "\"%s\": ", key);
	if (text)
		sp_print_json(out, text);
	else
		(void)fputs("null", out);
}

static void json_line(FILE *out, const struct sp_subject *subject, const char *source)
{
	const char *line;
	size_t length = source ? sp_model_line(subject->policy, source, &line) : 0;
	_cleanup_free_ char *copy = length > 0 ? strndup(line, length) : NULL;

	json_text(out, "line", copy);
}

static void json_entry(FILE *out, const struct sp_subject *subject, const struct entry *entry)
{
	(void)fputs("{", out);
	json_text(out, "rule", entry->source);
	(void)fputs(", ", out);
	json_line(out, subject, entry->source);
	(void)fputs(", \"says\": \"", out);
	print_does(out, entry);
	(void)fputs("\", ", out);
	json_text(out, "pattern", entry->pattern);
	(void)fprintf(out, ", \"bounds\": %s, \"decides\": %s, ",
		      entry->layer > 0 ? "true" : "false", entry->decides ? "true" : "false");
	json_text(out, "phase", phase_of(subject, entry));
	(void)fputs(", ", out);
	json_text(out, "reason", entry->reason);
	(void)fputs("}", out);
}

static void json_entries(FILE *out, const struct sp_subject *subject, const struct list *list)
{
	(void)fputs("\"rules\": [", out);
	for (size_t i = 0; i < list->count; i++) {
		(void)fputs(i > 0 ? ", " : "", out);
		json_entry(out, subject, &list->entries[i]);
	}
	(void)fputs("]", out);
}

static void json_right(FILE *out, const struct sp_subject *subject, const struct sp_named *named,
		       uint32_t right)
{
	struct list list = {0};

	gather_paths(subject, named, right, &list);
	(void)fputs("{", out);
	json_text(out, "right", right ? sp_right_name(right) : NULL);
	(void)fprintf(out, ", \"granted\": %s, ",
		      (right ? named->missing & right : !named->visible) ? "false" : "true");
	json_entries(out, subject, &list);
	(void)fputs("}", out);
	free(list.entries);
}

static void json_named(FILE *out, const struct sp_subject *subject, const struct sp_named *named)
{
	const char *separator = "";

	(void)fputs("{", out);
	json_text(out, "name", named->name);
	(void)fprintf(out, ", \"made\": %s, \"rights\": [", named->makes ? "true" : "false");
	if (named->needs == 0)
		json_right(out, subject, named, 0);
	for (uint32_t right = 1; right <= named->needs; right <<= 1)
		if (named->needs & right) {
			(void)fputs(separator, out);
			json_right(out, subject, named, right);
			separator = ", ";
		}
	(void)fputs("]}", out);
}

static void json_foreign(FILE *out, const struct sp_finding *finding)
{
	(void)fputs(", \"filters\": [", out);
	for (size_t i = 0; i < finding->foreign_count; i++) {
		(void)fprintf(out, "%s{\"filter\": %zu, \"instruction\": %zu, \"says\": \"",
			      i > 0 ? ", " : "", i + 1, finding->foreign[i].at);
		sp_print_kernel_action(out, finding->foreign[i].action);
		(void)fprintf(out, "\", \"decides\": %s}",
			      finding->foreign_won == i + 1 ? "true" : "false");
	}
	(void)fputs("]", out);
}

void sp_explain_json(FILE *out, const struct sp_subject *subject, const char *call,
		     const struct sp_invocation *invocation, const struct sp_finding *finding)
{
	bool fails = finding->verdict == SP_POLICY_DENY || finding->verdict == SP_POLICY_ERRNO;
	struct list list = {0};

	(void)fputs("{", out);
	json_text(out, "call", call);
	(void)fputs(", ", out);
	json_text(out, "verdict", verdict_word(finding->verdict));
	(void)fputs(", \"errno\": ", out);
	(void)fputs(fails ? "\"" : "null", out);
	if (fails) {
		sp_print_errno(out, finding->error);
		(void)fputs("\"", out);
	}
	(void)fputs(", ", out);
	json_text(out, "rule", finding->rule);
	(void)fputs(", ", out);
	json_line(out, subject, finding->rule);
	(void)fputs(", ", out);
	json_text(out, "detail", finding->detail);
	(void)fputs(", ", out);
	gather_calls(subject, invocation->nr, finding, &list);
	json_entries(out, subject, &list);
	free(list.entries);
	json_foreign(out, finding);
	(void)fputs(", \"names\": [", out);
	for (size_t i = 0; i < finding->named_count; i++) {
		(void)fputs(i > 0 ? ", " : "", out);
		json_named(out, subject, &finding->named[i]);
	}
	(void)fputs("]", out);
	if (finding->has_address) {
		char text[SP_ADDRESS_TEXT_MAX];

		(void)fprintf(out, ", \"address\": \"%s\"",
			      sp_address_print(&finding->address, text));
	}
	(void)fprintf(out, ", \"editable\": %s}\n",
		      may_change(subject, finding) ? "true" : "false");
}

/* ---- the function for all ---- */

struct owned {
	struct sp_explanation shown;
	char *text, *json, *rule;
};

SP_EXPORT struct sp_explanation *sp_explanation_free(struct sp_explanation *explanation)
{
	struct owned *owned = (struct owned *)explanation;

	if (!owned)
		return NULL;
	free(owned->text);
	free(owned->json);
	free(owned->rule);
	free(owned);
	return NULL;
}

typedef void print_fn(FILE *out, const struct sp_subject *subject, const char *call,
		      const struct sp_invocation *invocation, const struct sp_finding *finding);

static char *print_into(print_fn *print, const struct sp_subject *subject, const char *call,
			const struct sp_invocation *invocation, const struct sp_finding *finding)
{
	char *text = NULL;
	size_t length;
	FILE *out = open_memstream(&text, &length);

	if (!out)
		return NULL;
	print(out, subject, call, invocation, finding);
	if (fclose(out) == 0)
		return text;
	free(text);
	return NULL;
}

static int explain(const struct sp_subject *subject, const char *call,
		   const struct sp_invocation *invocation, const struct sp_finding *finding,
		   struct sp_explanation **ret_explanation)
{
	struct owned *owned = calloc(1, sizeof(*owned));

	if (!owned)
		return -ENOMEM;
	owned->text = print_into(sp_explain_text, subject, call, invocation, finding);
	owned->json = print_into(sp_explain_json, subject, call, invocation, finding);
	owned->rule = finding->rule ? strdup(finding->rule) : NULL;
	if (!owned->text || !owned->json || (finding->rule && !owned->rule)) {
		sp_explanation_free(&owned->shown);
		return -ENOMEM;
	}
	owned->shown = (struct sp_explanation){.verdict = finding->verdict,
					       .error = finding->error,
					       .rule = owned->rule,
					       .text = owned->text,
					       .json = owned->json};
	*ret_explanation = &owned->shown;
	return 0;
}

SP_EXPORT int sp_policy_explain(struct sp_policy *policy, const char *call,
				sp_diagnostic_fn *on_diagnostic, void *data,
				struct sp_explanation **ret_explanation)
{
	struct sp_source source = {.file = "call", .text = call, .length = strlen(call)};
	struct sp_reporter reporter = {.fn = on_diagnostic, .data = data};
	_cleanup_(sp_invocation_clear) struct sp_invocation invocation = {0};
	_cleanup_(sp_subject_close) struct sp_subject subject = {0};
	_cleanup_(sp_finding_clear) struct sp_finding finding = {0};
	size_t at = 0;
	int r = sp_invocation_read(&reporter, &source, &at, &invocation);

	if (r == 0 && at < source.length) {
		sp_report_error(&reporter, &source, sp_place_at(&source, at, 1), NULL,
				"one call is expected, and it is complete before this");
		r = -EINVAL;
	}
	if (r == 0)
		r = sp_subject_open(policy, &subject);
	if (r == 0)
		r = sp_find(&subject, &reporter, &source, &invocation, &finding);
	return r < 0 ? r : explain(&subject, call, &invocation, &finding, ret_explanation);
}
