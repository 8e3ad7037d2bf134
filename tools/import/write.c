/* SPDX-License-Identifier: Apache-2.0 */
/* From the rules of an import to a policy. */
#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "emit.h"

#define COLUMNS 100
#define NAME_LENGTH_MAX 64

/* One verdict with all that it is given to: "deny a, b(c == 1) as EPERM". */
struct statement {
	const char *verb, *error;
	struct import_lines items;
	struct statement *next;
};

struct writing {
	struct import *import;
	struct statement *statements, **end;
	struct import_lines refused, always; /* names for a note */
	bool brokered;                       /* some name-taking call is granted */
};

/* ---- statements ---- */

static void append(struct writing *w, struct import_lines *lines, const char *text)
{
	struct import_line *line = pool_allocate(&w->import->pool, sizeof(*line));

	line->text = text;
	if (!lines->end)
		lines->end = &lines->first;
	*lines->end = line;
	lines->end = &line->next;
}

static void give(struct writing *w, const char *verb, const char *error, const char *item)
{
	struct statement *s;

	for (s = w->statements; s; s = s->next)
		if (strcmp(s->verb, verb) == 0 && strcmp(s->error, error) == 0)
			break;
	if (!s) {
		s = pool_allocate(&w->import->pool, sizeof(*s));
		s->verb = verb;
		s->error = error;
		*w->end = s;
		w->end = &s->next;
	}
	append(w, &s->items, item);
}

static const char *error_of(struct verdict verdict)
{
	const char *name = verdict.action == ACTION_DENY ? strerrorname_np(verdict.error) : "";

	return name ? name : "EPERM";
}

static void give_verdict(struct writing *w, struct verdict verdict, const char *item)
{
	static const char *const verbs[] = {"allow", "log", "deny", "kill"};

	give(w, verbs[verdict.action], error_of(verdict), item);
}

/* ---- ordinary calls ---- */

/* A rule whose condition can't be said holds never if it grants, and always if it refuses. */
static struct formula known_formula(struct writing *w, const struct import_call *call,
				    const struct import_rule *rule)
{
	if (!rule->formula.unknown)
		return rule->formula;
	if (verdict_grants(rule->verdict)) {
		import_note(w->import, rule->line,
			    "%s: this condition can't be carried, so what it grants is left out",
			    call->facts.name);
		return FORMULA_NEVER;
	}
	import_note(w->import, rule->line,
		    "%s: this condition can't be carried, so the call is always refused",
		    call->facts.name);
	return formula_always(&w->import->pool);
}

/* Where a rule decides: its condition, and that of no earlier rule that says something else. */
static struct formula own_part(struct writing *w, const struct import_call *call,
			       const struct import_rule *rule)
{
	struct pool *pool = &w->import->pool;
	struct formula formula = known_formula(w, call, rule);

	for (const struct import_rule *r = call->rules; r != rule; r = r->next) {
		struct formula earlier = known_formula(w, call, r);

		if (!verdict_equals(r->verdict, rule->verdict))
			formula = formula_and(pool, formula, formula_not(pool, earlier));
	}
	if (!formula.unknown)
		return formula;
	import_note(w->import, rule->line,
		    "%s: too many alternatives before this rule; the strictest one decides",
		    call->facts.name);
	return verdict_grants(rule->verdict) ? FORMULA_NEVER : known_formula(w, call, rule);
}

/* The rule that decides where no condition holds, or NULL: the default of the whole policy. */
static const struct import_rule *find_last(struct writing *w, const struct import_call *call)
{
	for (const struct import_rule *r = call->rules; r; r = r->next) {
		struct formula formula = known_formula(w, call, r);

		if (formula_is_always(&formula))
			return r;
	}
	return NULL;
}

/* A refused call has one error number, whatever its arguments. */
static void note_errors(struct writing *w, const struct import_call *call,
			const struct import_rule *last)
{
	int error = 0;

	for (const struct import_rule *r = call->rules; r; r = r->next) {
		if (r->verdict.action == ACTION_DENY && error && r->verdict.error != error)
			import_note(w->import, r->line,
				    "%s: every refused form fails with the same error",
				    call->facts.name);
		if (r->verdict.action == ACTION_DENY)
			error = r->verdict.error;
		if (r == last)
			break;
	}
}

static void write_ordinary(struct writing *w, const struct import_call *call)
{
	struct pool *pool = &w->import->pool;
	const struct import_rule *last = find_last(w, call);
	struct verdict otherwise = last ? last->verdict : w->import->fallback;

	note_errors(w, call, last);
	for (const struct import_rule *r = call->rules; r && r != last; r = r->next) {
		struct formula formula;

		if (verdict_equals(r->verdict, otherwise))
			continue;
		formula = own_part(w, call, r);
		for (size_t i = 0; i < formula.count; i++)
			give_verdict(
			    w, r->verdict,
			    pool_print(pool, "%s(%s)", call->facts.name,
				       conjunction_text(pool, &call->facts, &formula.any[i])));
	}
	if (last && !verdict_equals(otherwise, w->import->fallback))
		give_verdict(w, otherwise, call->facts.name);
}

/* ---- other calls ---- */

/* What decides on a call as a whole: its first rule that grants, else the first that always holds. */
static const struct import_rule *find_whole(const struct import_call *call)
{
	for (const struct import_rule *r = call->rules; r; r = r->next)
		if (verdict_grants(r->verdict) || formula_is_always(&r->formula))
			return r;
	return NULL;
}

static void write_brokered(struct writing *w, const struct import_call *call)
{
	const struct import_rule *rule = find_whole(call);

	if (!rule)
		return;
	if (!verdict_grants(rule->verdict)) {
		give_verdict(w, rule->verdict, call->facts.name);
		return;
	}
	if (rule != call->rules || !formula_is_always(&rule->formula))
		import_note(
		    w->import, rule->line,
		    "%s takes a name: its condition is left out, the section `files` decides",
		    call->facts.name);
	give(w, "broker", "", call->facts.name);
	w->brokered = true;
}

static void write_refused(struct writing *w, const struct import_call *call)
{
	const struct import_rule *rule = find_whole(call);

	if (!rule)
		return;
	if (!verdict_grants(rule->verdict))
		give_verdict(w, rule->verdict, call->facts.name);
	else if (strcmp(call->facts.name, "clone3") == 0)
		import_note(w->import, rule->line,
			    "clone3 is always answered with ENOSYS, so that programs use clone");
	else
		append(w, &w->refused, call->facts.name);
}

static void write_calls(struct writing *w)
{
	static void (*const by_standing[])(struct writing *, const struct import_call *) = {
	    [SP_POLICY_CALL_ORDINARY] = write_ordinary,
	    [SP_POLICY_CALL_BROKERED] = write_brokered,
	    [SP_POLICY_CALL_REFUSED] = write_refused,
	    [SP_POLICY_CALL_ALWAYS] = NULL,
	};

	for (const struct import_call *call = w->import->calls; call; call = call->next)
		if (by_standing[call->facts.standing])
			by_standing[call->facts.standing](w, call);
}

/* What is let through though the policy that is imported would not. */
static void find_always(struct writing *w)
{
	struct sp_policy_call facts;

	for (int nr = 0; nr < IMPORT_NUMBERS; nr++) {
		const struct import_call *call = w->import->by_number[nr];
		const struct import_rule *rule = call ? find_whole(call) : NULL;

		if (sp_policy_call_at(nr, &facts) == 0 && facts.standing == SP_POLICY_CALL_ALWAYS &&
		    !verdict_grants(rule ? rule->verdict : w->import->fallback))
			append(w, &w->always,
			       pool_copy(&w->import->pool, facts.name, strlen(facts.name)));
	}
}

/* ---- the whole ---- */

static void write_default(struct writing *w)
{
	struct verdict fallback = w->import->fallback;

	give_verdict(w, fallback, verdict_grants(fallback) ? "@known" : "@brokered");
	if (!verdict_grants(fallback))
		return;
	w->brokered = true;
	import_note(
	    w->import, 0,
	    "what the policy does not name is granted: all calls that have a name now; later "
	    "ones fail with ENOSYS");
}

static const char *joined(struct writing *w, const struct import_lines *lines)
{
	const char *text = lines->first->text;

	for (const struct import_line *l = lines->first->next; l; l = l->next)
		text = pool_print(&w->import->pool, "%s, %s", text, l->text);
	return text;
}

static bool grants_sockets(const struct import *import)
{
	struct sp_policy_call facts;
	const struct import_call *call;

	if (sp_policy_call_find("socket", &facts) < 0)
		return false;
	call = import->by_number[facts.number];
	for (const struct import_rule *r = call ? call->rules : NULL; r; r = r->next)
		if (verdict_grants(r->verdict))
			return true;
	return verdict_grants(import->fallback);
}

static void write_notes(struct writing *w)
{
	struct import *import = w->import;

	if (w->refused.first)
		import_note(import, 0, "refused whatever a policy says: %s",
			    joined(w, &w->refused));
	if (w->always.first)
		import_note(import, 0, "let through whatever a policy says: %s",
			    joined(w, &w->always));
	if (w->brokered && !import->files.first)
		import_note(import, 0,
			    "names: no name is granted yet; add a section `files` that grants what "
			    "the program opens");
	if (grants_sockets(import))
		import_note(
		    import, 0,
		    "network: the sandbox has a network of its own, unless a section `isolate` "
		    "leaves it out");
}

static void print_statement(const struct statement *s, FILE *output)
{
	int column = fprintf(output, "  %s", s->verb);

	for (const struct import_line *item = s->items.first; item; item = item->next) {
		int length = (int)strlen(item->text);

		if (column + length + 2 > COLUMNS && item != s->items.first)
			column = fprintf(output, "\n       ") - 1;
		column += fprintf(output, " %s%s", item->text, item->next ? "," : "");
	}
	if (s->error[0])
		(void)fprintf(output, " as %s", s->error);
	(void)fputs("\n", output);
}

static void print_statements(const struct writing *w, FILE *output)
{
	static const char *const order[] = {"allow", "log", "broker", "deny", "kill"};
	struct verdict fallback = w->import->fallback;

	(void)fputs("syscalls {\n", output);
	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++)
		for (const struct statement *s = w->statements; s; s = s->next)
			if (strcmp(s->verb, order[i]) == 0)
				print_statement(s, output);
	if (fallback.action == ACTION_KILL)
		(void)fputs("  default kill\n}\n", output);
	else
		(void)fprintf(output, "  default deny as %s\n}\n",
			      fallback.action == ACTION_DENY ? error_of(fallback) : "ENOSYS");
}

static void print_section(const char *name, const struct import_lines *lines, FILE *output)
{
	if (!lines->first)
		return;
	(void)fprintf(output, "%s {\n", name);
	for (const struct import_line *l = lines->first; l; l = l->next)
		(void)fprintf(output, "  %s\n", l->text);
	(void)fputs("}\n", output);
}

/* The name of the file, as far as it may be one of a policy. */
static void print_name(const struct import *import, FILE *output)
{
	const char *slash = strrchr(import->path, '/'), *name = slash ? slash + 1 : import->path;
	int length = 0;

	(void)fputs("policy ", output);
	for (; length < NAME_LENGTH_MAX && name[length]; length++)
		(void)fputc(isalnum((unsigned char)name[length]) || strchr("._-", name[length])
				? name[length]
				: '-',
			    output);
	(void)fputs(length == 0 ? "imported\n\n" : "\n\n", output);
}

static void print_comments(const struct import *import, FILE *output)
{
	(void)fprintf(output, "# Imported from the %s policy %s.\n", import->format, import->file);
	for (const struct import_line *note = import->notes.first; note; note = note->next)
		if (note->line > 0)
			(void)fprintf(output, "# line %u: %s\n", note->line, note->text);
		else
			(void)fprintf(output, "# %s\n", note->text);
}

void import_write(struct import *import, FILE *output)
{
	struct writing w = {.import = import};

	w.end = &w.statements;
	write_default(&w);
	write_calls(&w);
	find_always(&w);
	write_notes(&w);
	print_comments(import, output);
	print_name(import, output);
	print_statements(&w, output);
	(void)fprintf(output, "memory { wx %s }\n", import->wx_denied ? "deny" : "allow");
	print_section("files", &import->files, output);
	print_section("limits", &import->limits, output);
}
