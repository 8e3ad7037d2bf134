/* SPDX-License-Identifier: Apache-2.0 */
/* From the rules of an import to a policy. */
#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "emit.h"

#define COLUMNS 100
#define NAME_LENGTH_MAX 64

/* In the order in which they are written. */
enum verb {
	VERB_ALLOW,
	VERB_LOG,
	VERB_BROKER,
	VERB_DENY,
	VERB_ERRNO,
	VERB_TRAP,
	VERB_KILL_THREAD,
	VERB_KILL
};
#define VERBS (VERB_KILL + 1)

/* One verdict with all that it is given to: "deny a, b(c == 1) as EPERM". */
struct statement {
	enum verb verb;
	int number;
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

static void give(struct writing *w, enum verb verb, int number, const char *item)
{
	struct statement *s;

	for (s = w->statements; s; s = s->next)
		if (s->verb == verb && s->number == number)
			break;
	if (!s) {
		s = pool_allocate(&w->import->pool, sizeof(*s));
		s->verb = verb;
		s->number = number;
		*w->end = s;
		w->end = &s->next;
	}
	append(w, &s->items, item);
}

static void give_verdict(struct writing *w, struct verdict verdict, const char *item)
{
	static const enum verb verbs[] = {[ACTION_ALLOW] = VERB_ALLOW,
					  [ACTION_LOG] = VERB_LOG,
					  [ACTION_DENY] = VERB_DENY,
					  [ACTION_TRAP] = VERB_TRAP,
					  [ACTION_KILL_THREAD] = VERB_KILL_THREAD,
					  [ACTION_KILL] = VERB_KILL};

	give(w, verbs[verdict.action], verdict.number, item);
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

/* What is denied fails with one error in all its forms; where rules name several, `errno` tells them apart. */
static bool has_errors(const struct import_call *call, const struct import_rule *last)
{
	int error = 0;

	for (const struct import_rule *r = call->rules; r; r = r->next) {
		if (r->verdict.action == ACTION_DENY && error && r->verdict.number != error)
			return true;
		if (r->verdict.action == ACTION_DENY)
			error = r->verdict.number;
		if (r == last)
			break;
	}
	return false;
}

/* Where no rule decides, the default's error is not heard of behind a rule that denies. */
static void note_error(struct writing *w, const struct import_call *call)
{
	struct verdict fallback = w->import->fallback;

	for (const struct import_rule *r = call->rules; r; r = r->next)
		if (r->verdict.action == ACTION_DENY && fallback.action == ACTION_DENY &&
		    r->verdict.number != fallback.number) {
			import_note(w->import, r->line,
				    "%s: forms that the default refuses fail with this error too",
				    call->facts.name);
			return;
		}
}

static void give_form(struct writing *w, struct verdict verdict, bool exact, const char *item)
{
	if (exact && verdict.action == ACTION_DENY)
		give(w, VERB_ERRNO, verdict.number, item);
	else
		give_verdict(w, verdict, item);
}

/* Calls of which no policy may allow every form. */
static void note_guard(struct writing *w, const struct import_call *call)
{
	static const char *const guards[][2] = {
	    {"clone", "those that make namespaces, or change whose child the new process is, are"},
	    {"prctl", "options that could loosen what holds the process are"}};

	for (size_t i = 0; i < sizeof(guards) / sizeof(guards[0]); i++)
		if (strcmp(guards[i][0], call->facts.name) == 0)
			for (const struct import_rule *r = call->rules; r; r = r->next)
				if (verdict_grants(r->verdict)) {
					import_note(w->import, r->line,
						    "%s: %s refused whatever a policy says",
						    guards[i][0], guards[i][1]);
					return;
				}
}

static void write_ordinary(struct writing *w, const struct import_call *call)
{
	struct pool *pool = &w->import->pool;
	const struct import_rule *last = find_last(w, call);
	struct verdict otherwise = last ? last->verdict : w->import->fallback;
	bool exact = has_errors(call, last);

	note_guard(w, call);
	if (!exact && !last)
		note_error(w, call);
	for (const struct import_rule *r = call->rules; r && r != last; r = r->next) {
		struct formula formula;

		if (verdict_equals(r->verdict, otherwise))
			continue;
		formula = own_part(w, call, r);
		for (size_t i = 0; i < formula.count; i++)
			give_form(
			    w, r->verdict, exact,
			    pool_print(pool, "%s(%s)", call->facts.name,
				       conjunction_text(pool, &call->facts, &formula.any[i])));
	}
	if (last && !verdict_equals(otherwise, w->import->fallback))
		give_form(w, otherwise, exact, call->facts.name);
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
	give(w, VERB_BROKER, 0, call->facts.name);
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
	    "what the policy does not name is granted: all calls that have a name now, but those "
	    "that no policy may allow; later ones fail with ENOSYS");
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

/* EPERM, or a number where none of that name is known. */
static const char *error_name(struct pool *pool, int error)
{
	const char *name = strerrorname_np(error);

	return name ? name : pool_print(pool, "%d", error);
}

/* "deny", "errno EPERM", "trap 3" */
static const char *verb_text(struct pool *pool, enum verb verb, int number)
{
	static const char *const texts[] = {[VERB_ALLOW] = "allow",
					    [VERB_LOG] = "log",
					    [VERB_BROKER] = "broker",
					    [VERB_DENY] = "deny",
					    [VERB_ERRNO] = NULL,
					    [VERB_TRAP] = NULL,
					    [VERB_KILL_THREAD] = "kill thread",
					    [VERB_KILL] = "kill"};

	if (verb == VERB_ERRNO)
		return pool_print(pool, "errno %s", error_name(pool, number));
	return verb == VERB_TRAP ? pool_print(pool, "trap %d", number) : texts[verb];
}

static void print_statement(struct pool *pool, const struct statement *s, FILE *output)
{
	int column = fprintf(output, "  %s", verb_text(pool, s->verb, s->number));

	for (const struct import_line *item = s->items.first; item; item = item->next) {
		int length = (int)strlen(item->text);

		if (column + length + 2 > COLUMNS && item != s->items.first)
			column = fprintf(output, "\n       ") - 1;
		column += fprintf(output, " %s%s", item->text, item->next ? "," : "");
	}
	if (s->verb == VERB_DENY)
		(void)fprintf(output, " as %s", error_name(pool, s->number));
	(void)fputs("\n", output);
}

static void print_default(struct pool *pool, struct verdict fallback, FILE *output)
{
	switch (fallback.action) {
	case ACTION_KILL:
	case ACTION_KILL_THREAD:
		(void)fprintf(output, "  default kill%s\n}\n",
			      fallback.action == ACTION_KILL ? "" : " thread");
		return;
	case ACTION_TRAP:
		(void)fprintf(output, "  default trap %d\n}\n", fallback.number);
		return;
	case ACTION_ALLOW:
	case ACTION_LOG:
	case ACTION_DENY:
	default:
		(void)fprintf(output, "  default deny as %s\n}\n",
			      fallback.action == ACTION_DENY ? error_name(pool, fallback.number)
							     : "ENOSYS");
	}
}

static void print_statements(const struct writing *w, FILE *output)
{
	struct pool *pool = &w->import->pool;

	(void)fputs("syscalls {\n", output);
	for (enum verb verb = 0; verb < VERBS; verb++)
		for (const struct statement *s = w->statements; s; s = s->next)
			if (s->verb == verb)
				print_statement(pool, s, output);
	print_default(pool, w->import->fallback, output);
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
		if (note->line > 0 && note->file != import->file)
			(void)fprintf(output, "# %s, line %u: %s\n", note->file, note->line,
				      note->text);
		else if (note->line > 0)
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
