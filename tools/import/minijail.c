/* SPDX-License-Identifier: Apache-2.0 */
/*
 * minijail's .policy files: what its C parser takes, and of the dialect of its Python compiler lists of
 * calls, lists of rules, guards for architectures, @default and @denylist.
 *
 *     name: 1
 *     name: arg0 == C && arg1 & M || arg2 in F; return ERRNO
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "emit.h"
#include "import.h"
#include "scan.h"

#define INCLUDES_MAX 10
#define NESTING_MAX 32

struct reading {
	struct import *import;
	unsigned depth; /* of includes */
	bool denylist;
};

/* ---- values; NOLINTBEGIN(misc-no-recursion): as deep as NESTING_MAX ---- */

/* *known turns false where a constant has no number here. */
static uint64_t read_value(struct scan *scan, unsigned depth, bool *known);

static uint64_t read_word(struct scan *scan, bool *known)
{
	const char *word = scan->token.text;
	uint64_t value = 0;

	if (scan->token.kind != TOKEN_WORD) {
		(void)scan_fail(scan, "a constant");
	} else if (!import_number(word, &value) && sp_policy_constant(word, &value) < 0) {
		import_note(scan->import, scan->token.line, "the constant %s is not known here",
			    import_printable(scan->import, word, strlen(word)));
		*known = false;
	}
	scan_next(scan);
	return value;
}

static uint64_t read_primary(struct scan *scan, unsigned depth, bool *known)
{
	uint64_t value;

	if (depth > NESTING_MAX) {
		(void)scan_fail(scan, "less nesting");
		return 0;
	}
	if (scan_take(scan, "~"))
		return ~read_primary(scan, depth + 1, known);
	if (!scan_take(scan, "("))
		return read_word(scan, known);
	value = read_value(scan, depth + 1, known);
	(void)scan_expect(scan, ")");
	return value;
}

static uint64_t read_value(struct scan *scan, unsigned depth, bool *known)
{
	uint64_t value = read_primary(scan, depth, known);

	while (scan_take(scan, "|"))
		value |= read_primary(scan, depth, known);
	return value;
}

/* ---- expressions; NOLINTEND(misc-no-recursion) ---- */

static const struct {
	const char *mark;
	enum relation relation;
} relations[] = {{"==", RELATION_IS},    {"!=", RELATION_IS_NOT}, {"<", RELATION_BELOW},
		 {"<=", RELATION_UP_TO}, {">", RELATION_ABOVE},   {">=", RELATION_FROM}};

/* "argN" */
static bool read_argument(struct scan *scan, unsigned *ret_argument)
{
	const char *word = scan->token.text;

	if (scan->token.kind != TOKEN_WORD || strncmp(word, "arg", 3) != 0 || word[3] < '0' ||
	    word[3] > '5' || word[4] != '\0')
		return scan_fail(scan, "arg0 to arg5");
	*ret_argument = (unsigned)(word[3] - '0');
	scan_next(scan);
	return true;
}

/* The mark between argument and value. */
static bool read_relation(struct scan *scan, struct clause *clause, bool *ret_in)
{
	*ret_in = scan_take(scan, "in");
	if (*ret_in)
		return true;
	if (scan_take(scan, "&")) {
		clause->relation = RELATION_IS_NOT;
		clause->mask = 0;
		return true;
	}
	for (size_t i = 0; i < sizeof(relations) / sizeof(relations[0]); i++)
		if (scan_take(scan, relations[i].mark)) {
			clause->relation = relations[i].relation;
			return true;
		}
	return scan_fail(scan, "==, !=, <, <=, >, >=, & or \"in\"");
}

static struct formula read_atom(struct scan *scan, const struct sp_policy_call *call)
{
	struct clause clause = {.mask = UINT64_MAX};
	bool only_these = false, known = true;
	uint64_t value;

	if (!read_argument(scan, &clause.argument) || !read_relation(scan, &clause, &only_these))
		return FORMULA_UNKNOWN;
	value = read_value(scan, 0, &known);
	if (!known)
		return FORMULA_UNKNOWN;
	if (only_these)
		clause.mask = ~value;
	else if (clause.mask == 0)
		clause.mask = value;
	else
		clause.value = value;
	return formula_compare(&scan->import->pool, call, clause);
}

static struct formula read_and(struct scan *scan, const struct sp_policy_call *call)
{
	struct formula formula = read_atom(scan, call);

	while (scan_take(scan, "&&"))
		formula = formula_and(&scan->import->pool, formula, read_atom(scan, call));
	return formula;
}

static struct formula read_expression(struct scan *scan, const struct sp_policy_call *call)
{
	struct formula formula = read_and(scan, call);

	while (scan_take(scan, "||"))
		formula = formula_or(&scan->import->pool, formula, read_and(scan, call));
	return formula;
}

/* ---- actions ---- */

static const struct {
	const char *name;
	struct verdict verdict;
	const char *note;
} actions[] = {
    {"1", {ACTION_ALLOW, 0}, NULL},
    {"allow", {ACTION_ALLOW, 0}, NULL},
    {"log", {ACTION_LOG, 0}, NULL},
    {"kill", {ACTION_KILL, 0}, NULL},
    {"kill-process", {ACTION_KILL, 0}, NULL},
    {"kill-thread", {ACTION_KILL_THREAD, 0}, NULL},
    {"trap", {ACTION_TRAP, 0}, NULL},
    {"trace", {ACTION_DENY, ENOSYS}, "trace: no tracer is asked, the call fails with ENOSYS"},
    {"user-notify",
     {ACTION_DENY, ENOSYS},
     "user-notify: nobody is asked, the call fails with ENOSYS"},
};

static bool read_return(struct scan *scan, struct verdict *ret_verdict)
{
	if (scan->token.kind != TOKEN_WORD)
		return scan_fail(scan, "an error after \"return\"");
	*ret_verdict =
	    VERDICT_DENY(import_find_errno(scan->import, scan->token.line, scan->token.text));
	scan_next(scan);
	return true;
}

/* True: there was an action. */
static bool take_action(struct scan *scan, struct verdict *ret_verdict)
{
	unsigned line = scan->token.line;

	if (scan_take(scan, "return"))
		return read_return(scan, ret_verdict);
	for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
		if (!scan_take(scan, actions[i].name))
			continue;
		if (actions[i].note)
			import_note(scan->import, line, "%s", actions[i].note);
		*ret_verdict = import_trap(scan->import, line, actions[i].verdict);
		return true;
	}
	return false;
}

/* ---- statements ---- */

/*
 * One clause, alone or in braces. Alone, "EXPRESSION; ACTION" says what happens where the expression
 * does not hold; in braces, and in a deny list, where it does.
 */
static void read_clause(struct scan *scan, const struct sp_policy_call *call, bool alone)
{
	struct import *import = scan->import;
	unsigned line = scan->token.line;
	struct verdict verdict = VERDICT_ALLOW;
	struct formula formula;

	if (take_action(scan, &verdict)) {
		import_rule_always(import, line, call, verdict);
		return;
	}
	formula = read_expression(scan, call);
	if (scan->failed)
		return;
	if (!scan_take(scan, ";")) {
		import_rule(import, line, call, VERDICT_ALLOW, formula);
		return;
	}
	if (!take_action(scan, &verdict)) {
		(void)scan_fail(scan, "an action");
		return;
	}
	import_rule(import, line, call, alone ? VERDICT_ALLOW : verdict, formula);
	if (alone)
		import_rule_always(import, line, call, verdict);
}

static void read_rule(const struct reading *reading, struct scan *scan,
		      const struct sp_policy_call *call)
{
	if (!scan_take(scan, "{")) {
		read_clause(scan, call, !reading->denylist);
	} else {
		do
			read_clause(scan, call, false);
		while (scan_take(scan, ","));
		(void)scan_expect(scan, "}");
	}
	if (!scan->failed && scan->token.kind != TOKEN_END)
		(void)scan_fail(scan, "the end of the rule");
}

/* "[arch=x86_64,arm]": false where this architecture is not among them. */
static bool read_guard(struct scan *scan)
{
	bool ours = false;

	if (!scan_take(scan, "["))
		return true;
	if (!scan_expect(scan, "arch") || !scan_expect(scan, "="))
		return false;
	do {
		ours = ours || scan_is(scan, "x86_64");
		if (scan->token.kind != TOKEN_WORD)
			return scan_fail(scan, "an architecture");
		scan_next(scan);
	} while (scan_take(scan, ","));
	return scan_expect(scan, "]") && ours;
}

static void read_name(const struct reading *reading, struct scan *scan, const char *rule,
		      unsigned rule_line)
{
	struct import *import = reading->import;
	const char *name = scan->token.text;
	unsigned line = scan->token.line;
	struct sp_policy_call call;
	struct scan body;

	if (scan->token.kind != TOKEN_WORD) {
		(void)scan_fail(scan, "the name of a system call");
		return;
	}
	scan_next(scan);
	if (!read_guard(scan)) {
		if (!scan->failed)
			import_note(import, line,
				    "%s: this rule is for other architectures: left out", name);
		return;
	}
	if (import->mistakes > 0 || !import_find_call(import, line, name, false, &call))
		return;
	if (import->by_number[call.number] && import->by_number[call.number]->rules) {
		import_note(import, line, "a second rule for %s: the first one decides", call.name);
		return;
	}
	scan_start(&body, import, rule, rule_line, "#");
	read_rule(reading, &body, &call);
}

/* NAME: RULE, or {NAME, NAME}: RULE */
static void read_statement(const struct reading *reading, char *text, unsigned line)
{
	char *colon = strchr(text, ':');
	unsigned rule_line = line;
	struct scan scan;

	if (!colon) {
		import_mistake(reading->import, line, "expected \"NAME: RULE\"");
		return;
	}
	*colon = '\0';
	for (const char *at = text; *at; at++)
		rule_line += *at == '\n';
	scan_start(&scan, reading->import, text, line, "#");
	if (scan_take(&scan, "{")) {
		do
			read_name(reading, &scan, colon + 1, rule_line);
		while (scan_take(&scan, ","));
		(void)scan_expect(&scan, "}");
	} else {
		read_name(reading, &scan, colon + 1, rule_line);
	}
	if (!scan.failed && scan.token.kind != TOKEN_END)
		(void)scan_fail(&scan, "\":\"");
}

/* ---- directives ---- */

static void read_text(struct reading *reading, const char *text);

static void read_default(struct reading *reading, const char *text, unsigned line)
{
	struct scan scan;

	scan_start(&scan, reading->import, text, line, "#");
	if (!take_action(&scan, &reading->import->fallback) || scan.token.kind != TOKEN_END)
		(void)scan_fail(&scan, "an action");
}

static void read_include(struct reading *reading, const char *name, unsigned line)
{
	struct import *import = reading->import;
	struct import_place outer;
	char *text;

	name = import_beside(import, name);
	text = reading->depth < INCLUDES_MAX ? import_read_file(import, name) : NULL;
	if (!text) {
		import_mistake(import, line, "\"%s\" can't be included%s",
			       import_printable(import, name, strlen(name)),
			       reading->depth < INCLUDES_MAX ? "" : ": it includes itself");
		return;
	}
	outer = import_enter(import, name);
	reading->depth++;
	read_text(reading, text);
	reading->depth--;
	import_leave(import, outer);
}

static void read_denylist(struct reading *reading, const char *text, unsigned line)
{
	(void)text;
	(void)line;
	reading->denylist = true;
	reading->import->fallback = VERDICT_ALLOW;
}

static void pass_frequency(struct reading *reading, const char *text, unsigned line)
{
	(void)text;
	import_note(reading->import, line,
		    "@frequency orders minijail's filter, and has no use here");
}

static void read_directive(struct reading *reading, char *text, unsigned line)
{
	static const struct {
		const char *name;
		void (*read)(struct reading *reading, const char *text, unsigned line);
	} directives[] = {{"@default", read_default},
			  {"@include", read_include},
			  {"@denylist", read_denylist},
			  {"@frequency", pass_frequency}};
	size_t length = strcspn(text, " \t");
	char *rest = text + length + strspn(text + length, " \t");

	for (size_t i = 0; i < sizeof(directives) / sizeof(directives[0]); i++)
		if (strlen(directives[i].name) == length &&
		    strncmp(text, directives[i].name, length) == 0) {
			directives[i].read(reading, rest, line);
			return;
		}
	import_mistake(reading->import, line, "unknown directive \"%s\"",
		       import_printable(reading->import, text, length));
}

/* ---- lines ---- */

/* A line of the file that goes on in the next. */
static bool goes_on(const char *line, size_t length)
{
	if (memchr(line, '#', length))
		return false;
	while (length > 0 && strchr(" \t\r", line[length - 1]))
		length--;
	return length > 0 && line[length - 1] == '\\';
}

/* The next line with those that it goes on in, without comments, and without blanks around it. */
static char *take_line(struct pool *pool, const char **at, unsigned *line)
{
	const char *start = *at;
	bool more = true;
	char *whole, *out;

	for (; more && **at; (*line)++) {
		size_t length = strcspn(*at, "\n");

		more = goes_on(*at, length);
		*at += length + ((*at)[length] == '\n');
	}
	whole = out = pool_copy(pool, start, (size_t)(*at - start));
	for (bool comment = false; *out; out++) {
		comment = *out != '\n' && (comment || *out == '#');
		if (comment || *out == '\\')
			*out = ' ';
	}
	while (out > whole && strchr(" \t\r\n", out[-1]))
		*--out = '\0';
	return whole + strspn(whole, " \t\r\n");
}

static void read_text(struct reading *reading, const char *text)
{
	unsigned next = 1;

	while (*text) {
		unsigned line = next;
		char *whole = take_line(&reading->import->pool, &text, &next);

		if (whole[0] == '@')
			read_directive(reading, whole, line);
		else if (whole[0] != '\0')
			read_statement(reading, whole, line);
	}
}

void import_minijail(struct import *import, const char *text)
{
	struct reading reading = {.import = import};

	import->fallback = VERDICT_KILL;
	read_text(&reading, text);
}
