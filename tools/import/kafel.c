/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kafel's policies, which nsjail takes:
 *
 *     #define STDOUT 1
 *     POLICY name { ALLOW { read, write(fd) { fd == STDOUT } }, ERRNO(13) { ptrace } }
 *     USE name DEFAULT KILL
 *
 * The first rule that applies decides; a policy that is not used says nothing.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "emit.h"
#include "import.h"
#include "scan.h"

#define NESTING_MAX 100
#define INCLUDES_MAX 10

struct constant {
	const char *name;
	uint64_t value;
	struct constant *next;
};

/* What a policy does: give a call its verdict, or use another policy. */
struct step {
	struct sp_policy_call call;
	struct verdict verdict;
	struct formula formula;
	const struct policy *used;
	unsigned line;
	struct step *next;
};

struct policy {
	const char *name;
	struct step *steps, **end;
	struct policy *next;
};

struct reading {
	struct scan scan;
	struct import *import;
	unsigned depth; /* of includes */
	struct constant *constants;
	struct policy *policies;
	struct policy whole; /* what stands outside of policies */
	/* The call in hand, and the names that the text gives its arguments. */
	struct sp_policy_call call;
	const char *argument[SP_POLICY_ARGUMENTS];
	bool declared;
};

/* ---- words and numbers ---- */

/* A name that is not taken yet; NULL, and a mistake, where there is none. */
static const char *read_name(struct reading *reading, const char *expected)
{
	const char *name = reading->scan.token.text;

	if (reading->scan.token.kind != TOKEN_WORD) {
		(void)scan_fail(&reading->scan, expected);
		return NULL;
	}
	scan_next(&reading->scan);
	return name;
}

static const struct constant *find_constant(const struct reading *reading, const char *name)
{
	for (const struct constant *c = reading->constants; c; c = c->next)
		if (strcmp(c->name, name) == 0)
			return c;
	return NULL;
}

/* As C, and 0b… beside it. */
static bool parse_number(const char *text, uint64_t *ret_value)
{
	char *end;

	if (text[0] != '0' || text[1] != 'b' || text[2] == '\0' || strlen(text) > 66)
		return import_number(text, ret_value);
	*ret_value = strtoull(text + 2, &end, 2);
	return *end == '\0';
}

static bool read_number(struct reading *reading, uint64_t *ret_value)
{
	if (reading->scan.token.kind != TOKEN_WORD ||
	    !parse_number(reading->scan.token.text, ret_value))
		return scan_fail(&reading->scan, "a number");
	scan_next(&reading->scan);
	return true;
}

static const struct policy *find_policy(const struct reading *reading, const char *name)
{
	for (const struct policy *p = reading->policies; p; p = p->next)
		if (strcmp(p->name, name) == 0)
			return p;
	return NULL;
}

/* ---- expressions; NOLINTBEGIN(misc-no-recursion): as deep as NESTING_MAX ---- */

/* A truth, or a number: an argument of the call with a mask, or a constant. */
struct node {
	bool truth, variable;
	struct formula formula;
	unsigned argument;
	uint64_t mask, value;
};

static struct node read_any(struct reading *reading, unsigned depth);

static struct node truth(struct formula formula)
{
	return (struct node){.truth = true, .formula = formula};
}

/* The kernel's names of arguments that ours call otherwise: those that people write without declaring
 * them. */
static const char *const other_names[][2] = {
    {"cmd", "request"},         {"family", "domain"},     {"len", "length"},
    {"count", "size"},          {"buf", "buffer"},        {"optname", "name"},
    {"clone_flags", "flags"},   {"which_clock", "clock"}, {"clockid", "clock"},
    {"start", "addr"},          {"off", "offset"},        {"behavior", "advice"},
    {"personality", "persona"}, {"cmd", "operation"},     {"fildes", "fd"},
    {"op", "operation"},        {"val", "value"},         {"whence", "origin"},
    {"origin", "whence"},       {"option", "operation"},  {"sig", "signal"},
    {"flag", "flags"},          {"mode", "flags"},        {"how", "operation"}};

static bool find_argument(const struct reading *reading, const char *name, unsigned *ret_argument)
{
	const char *const *names = reading->declared ? reading->argument : reading->call.argument;

	for (unsigned i = 0; i < SP_POLICY_ARGUMENTS && names[i]; i++)
		if (strcmp(names[i], name) == 0) {
			*ret_argument = i;
			return true;
		}
	return false;
}

static bool find_any_argument(const struct reading *reading, const char *name,
			      unsigned *ret_argument)
{
	if (find_argument(reading, name, ret_argument))
		return true;
	for (size_t i = 0; !reading->declared && i < sizeof(other_names) / sizeof(other_names[0]);
	     i++)
		if (strcmp(other_names[i][0], name) == 0 &&
		    find_argument(reading, other_names[i][1], ret_argument))
			return true;
	return false;
}

/* An argument of a call that takes no conditions here: whatever is said of it is unknown. */
static bool is_unnamed(const struct reading *reading)
{
	return !reading->declared && !reading->call.argument[0];
}

static struct node read_operand(struct reading *reading)
{
	struct node node = {.mask = UINT64_MAX};
	const char *word = reading->scan.token.text;
	const struct constant *constant;

	if (reading->scan.token.kind != TOKEN_WORD) {
		(void)scan_fail(&reading->scan, "an argument or a number");
		return node;
	}
	constant = find_constant(reading, word);
	if (constant) {
		node.value = constant->value;
	} else if (!parse_number(word, &node.value)) {
		node.variable = true;
		node.argument = SP_POLICY_ARGUMENTS; /* of no name */
		if (find_any_argument(reading, word, &node.argument)) {
			/* an argument, whatever else has that name */
		} else if (sp_policy_constant(word, &node.value) == 0) {
			node.variable = false; /* what its manual writes without a #define */
		} else if (!is_unnamed(reading)) {
			(void)scan_fail(&reading->scan, "an argument of the call, or a constant");
			return node;
		}
	}
	scan_next(&reading->scan);
	return node;
}

static struct node read_primary(struct reading *reading, unsigned depth)
{
	struct node node;

	if (!scan_take(&reading->scan, "("))
		return read_operand(reading);
	node = read_any(reading, depth + 1);
	(void)scan_expect(&reading->scan, ")");
	return node;
}

static bool want_number(struct reading *reading, const struct node *node)
{
	return !node->truth || scan_fail(&reading->scan, "numbers beside a bit operation");
}

/* "flags & MASK"; "A | B" of constants. */
static struct node read_bits(struct reading *reading, unsigned depth)
{
	struct node left = read_primary(reading, depth);

	while (scan_is(&reading->scan, "&") || scan_is(&reading->scan, "|")) {
		bool and = scan_take(&reading->scan, "&") || !scan_take(&reading->scan, "|");
		struct node right = read_primary(reading, depth);

		if (!want_number(reading, &left) || !want_number(reading, &right))
			return left;
		if (left.variable && right.variable)
			left.argument = SP_POLICY_ARGUMENTS;
		else if (right.variable) {
			struct node swapped = left;

			left = right;
			right = swapped;
		}
		if (!left.variable)
			left.value = and? left.value & right.value : left.value | right.value;
		else if (and)
			left.mask &= right.value;
		else
			left.argument = SP_POLICY_ARGUMENTS; /* no policy can say that */
	}
	return left;
}

static const struct {
	const char *mark;
	enum relation relation, mirrored;
} relations[] = {
    {"==", RELATION_IS, RELATION_IS},      {"!=", RELATION_IS_NOT, RELATION_IS_NOT},
    {"<", RELATION_BELOW, RELATION_ABOVE}, {"<=", RELATION_UP_TO, RELATION_FROM},
    {">", RELATION_ABOVE, RELATION_BELOW}, {">=", RELATION_FROM, RELATION_UP_TO},
};

static bool numbers_hold(enum relation relation, uint64_t left, uint64_t right)
{
	switch (relation) {
	case RELATION_IS:
		return left == right;
	case RELATION_IS_NOT:
		return left != right;
	case RELATION_BELOW:
		return left < right;
	case RELATION_FROM:
		return left >= right;
	case RELATION_ABOVE:
		return left > right;
	case RELATION_UP_TO:
	default:
		return left <= right;
	}
}

static struct formula compare(struct reading *reading, size_t row, const struct node *left,
			      const struct node *right)
{
	struct pool *pool = &reading->import->pool;
	enum relation relation =
	    right->variable ? relations[row].mirrored : relations[row].relation;
	const struct node *variable = right->variable ? right : left;
	const struct node *number = right->variable ? left : right;
	struct clause clause = {variable->argument, relation, variable->mask, number->value};

	if (left->variable && right->variable)
		return FORMULA_UNKNOWN;
	if (!variable->variable)
		return numbers_hold(relation, left->value, right->value) ? formula_always(pool)
									 : FORMULA_NEVER;
	if (variable->mask != UINT64_MAX && relation > RELATION_IS_NOT)
		return FORMULA_UNKNOWN;
	return formula_compare(pool, &reading->call, clause);
}

static struct node read_comparison(struct reading *reading, unsigned depth)
{
	struct node left = read_bits(reading, depth), right;

	for (size_t i = 0; i < sizeof(relations) / sizeof(relations[0]); i++) {
		if (!scan_take(&reading->scan, relations[i].mark))
			continue;
		right = read_bits(reading, depth);
		if (left.truth || right.truth)
			(void)scan_fail(&reading->scan, "numbers beside a comparison");
		return truth(compare(reading, i, &left, &right));
	}
	return left;
}

static struct formula want_truth(struct reading *reading, struct node node)
{
	if (node.truth)
		return node.formula;
	(void)scan_fail(&reading->scan, "a comparison");
	return FORMULA_UNKNOWN;
}

static struct node read_not(struct reading *reading, unsigned depth)
{
	if (depth > NESTING_MAX) {
		(void)scan_fail(&reading->scan, "less nesting");
		return truth(FORMULA_UNKNOWN);
	}
	if (!scan_take(&reading->scan, "!"))
		return read_comparison(reading, depth);
	return truth(
	    formula_not(&reading->import->pool, want_truth(reading, read_not(reading, depth + 1))));
}

static struct node read_and(struct reading *reading, unsigned depth)
{
	struct node left = read_not(reading, depth);

	while (scan_take(&reading->scan, "&&")) {
		struct formula a = want_truth(reading, left);
		struct formula b = want_truth(reading, read_not(reading, depth));

		left = truth(formula_and(&reading->import->pool, a, b));
	}
	return left;
}

/* "||" and ",", which means the same and binds no tighter than it here: or is or. */
static struct node read_any(struct reading *reading, unsigned depth)
{
	struct node left = read_and(reading, depth);

	while (scan_take(&reading->scan, "||") || scan_take(&reading->scan, ",")) {
		struct formula a = want_truth(reading, left);
		struct formula b = want_truth(reading, read_and(reading, depth));

		left = truth(formula_or(&reading->import->pool, a, b));
	}
	return left;
}

/* ---- system calls; NOLINTEND(misc-no-recursion) ---- */

/* The kernel's inner names, which Kafel takes. */
static const char *const kernel_names[][2] = {{"newstat", "stat"},        {"newfstat", "fstat"},
					      {"newlstat", "lstat"},      {"newuname", "uname"},
					      {"sendfile64", "sendfile"}, {"umount", "umount2"}};

static const char *public_name(const char *name)
{
	for (size_t i = 0; i < sizeof(kernel_names) / sizeof(kernel_names[0]); i++)
		if (strcmp(kernel_names[i][0], name) == 0)
			return kernel_names[i][1];
	return name;
}

static bool find_number(struct reading *reading, unsigned line, uint64_t number, bool *ret_known)
{
	*ret_known = number < IMPORT_NUMBERS && sp_policy_call_at((int)number, &reading->call) == 0;
	if (!*ret_known)
		import_note(reading->import, line, "no system call has the number %lld: left out",
			    (long long)number);
	return true;
}

/* NAME, a constant, or SYSCALL[NUMBER]. False: a mistake. */
static bool read_call(struct reading *reading, bool *ret_known)
{
	unsigned line = reading->scan.token.line;
	const char *name = read_name(reading, "the name of a system call");
	const struct constant *constant = name ? find_constant(reading, name) : NULL;
	uint64_t number;

	reading->call = (struct sp_policy_call){};
	if (!name)
		return false;
	if (constant)
		return find_number(reading, line, constant->value, ret_known);
	if (strcmp(name, "SYSCALL") == 0 && scan_take(&reading->scan, "["))
		return read_number(reading, &number) && scan_expect(&reading->scan, "]") &&
		       find_number(reading, line, number, ret_known);
	*ret_known =
	    import_find_call(reading->import, line, public_name(name), false, &reading->call);
	return true;
}

/* "(fd, buf)": names for the arguments. */
static bool read_arguments(struct reading *reading)
{
	unsigned count = 0;

	reading->declared = scan_take(&reading->scan, "(");
	memset(reading->argument, 0, sizeof(reading->argument));
	if (!reading->declared || scan_take(&reading->scan, ")"))
		return true;
	do {
		const char *name = read_name(reading, "the name of an argument");

		if (!name)
			return false;
		if (count == SP_POLICY_ARGUMENTS)
			return scan_fail(&reading->scan, "at most six arguments");
		reading->argument[count++] = name;
	} while (scan_take(&reading->scan, ","));
	return scan_expect(&reading->scan, ")");
}

static bool is_ours(const char *architecture)
{
	return strcmp(architecture, "x86_64") == 0 || strcmp(architecture, "amd64") == 0;
}

/* "ON x86_64", "ON {x86_64, aarch64}": *ret_ours turns false where it means others. */
static bool read_guard(struct reading *reading, bool *ret_ours)
{
	unsigned line = reading->scan.token.line;
	const char *name;
	bool braces, ours = false;

	if (!scan_take(&reading->scan, "ON"))
		return true;
	braces = scan_take(&reading->scan, "{");
	do {
		name = read_name(reading, "an architecture");
		if (!name)
			return false;
		ours = ours || is_ours(name);
	} while (braces && scan_take(&reading->scan, ","));
	if (!ours)
		import_note(reading->import, line,
			    "this rule is for other architectures: left out");
	*ret_ours = *ret_ours && ours;
	return !braces || scan_expect(&reading->scan, "}");
}

static void add_step(struct reading *reading, struct policy *policy, struct step step)
{
	struct step *added = pool_allocate(&reading->import->pool, sizeof(*added));

	*added = step;
	*policy->end = added;
	policy->end = &added->next;
}

/* NAME (arguments) ON architecture { expression } */
static bool read_filter(struct reading *reading, struct policy *policy, struct verdict verdict)
{
	struct step step = {.verdict = verdict, .line = reading->scan.token.line};
	bool known = true;

	if (!read_call(reading, &known) || !read_arguments(reading) || !read_guard(reading, &known))
		return false;
	step.formula = formula_always(&reading->import->pool);
	if (scan_take(&reading->scan, "{") && !scan_take(&reading->scan, "}")) {
		step.formula = want_truth(reading, read_any(reading, 0));
		if (!scan_expect(&reading->scan, "}"))
			return false;
	}
	step.call = reading->call;
	if (known)
		add_step(reading, policy, step);
	return !reading->scan.failed;
}

/* ---- actions and statements ---- */

static const struct {
	const char *name;
	struct verdict verdict;
	bool number; /* in parentheses */
	const char *note;
} actions[] = {
    {"ALLOW", {ACTION_ALLOW, 0}, false, NULL},
    {"LOG", {ACTION_LOG, 0}, false, NULL},
    {"KILL", {ACTION_KILL, 0}, false, NULL},
    {"DENY", {ACTION_KILL, 0}, false, NULL},
    {"KILL_THREAD", {ACTION_KILL_THREAD, 0}, false, NULL},
    {"KILL_PROCESS", {ACTION_KILL, 0}, false, NULL},
    {"ERRNO", {ACTION_DENY, EPERM}, true, NULL},
    {"TRAP", {ACTION_TRAP, 0}, true, NULL},
    {"TRACE", {ACTION_DENY, ENOSYS}, true, "TRACE: no tracer is asked, the call fails with ENOSYS"},
    {"USER_NOTIF",
     {ACTION_DENY, ENOSYS},
     false,
     "USER_NOTIF: nobody is asked, the call fails with ENOSYS"},
};

static bool read_action_number(struct reading *reading, struct verdict *verdict)
{
	unsigned line = reading->scan.token.line;
	uint64_t number;

	if (!scan_expect(&reading->scan, "("))
		return false;
	line = reading->scan.token.line;
	if (!read_number(reading, &number) || !scan_expect(&reading->scan, ")"))
		return false;
	if (number > UINT16_MAX) {
		import_mistake(reading->import, line, "%llu is larger than 65535",
			       (unsigned long long)number);
		return true;
	}
	if (verdict->action == ACTION_TRAP) {
		verdict->number = (int)number;
		*verdict = import_trap(reading->import, line, *verdict);
	} else if (verdict->number != ENOSYS) { /* which stands for a tracer */
		verdict->number = import_find_errno(
		    reading->import, line,
		    pool_print(&reading->import->pool, "%llu", (unsigned long long)number));
	}
	return true;
}

/* True: there was an action, and what belongs to it was read; else `failed` tells. */
static bool take_action(struct reading *reading, struct verdict *ret_verdict)
{
	unsigned line = reading->scan.token.line;

	for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
		if (!scan_take(&reading->scan, actions[i].name))
			continue;
		*ret_verdict = actions[i].verdict;
		if (actions[i].note)
			import_note(reading->import, line, "%s", actions[i].note);
		return !actions[i].number || read_action_number(reading, ret_verdict);
	}
	return false;
}

static bool read_block(struct reading *reading, struct policy *policy, struct verdict verdict)
{
	if (!scan_expect(&reading->scan, "{"))
		return false;
	while (!scan_is(&reading->scan, "}")) {
		if (!read_filter(reading, policy, verdict))
			return false;
		if (!scan_take(&reading->scan, ","))
			break;
	}
	return scan_expect(&reading->scan, "}");
}

/* Whether the next name would be the beginning of a statement. */
static bool at_statement(const struct reading *reading)
{
	for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++)
		if (scan_is(&reading->scan, actions[i].name))
			return true;
	return reading->scan.token.kind != TOKEN_WORD || scan_is(&reading->scan, "USE") ||
	       scan_is(&reading->scan, "POLICY") || scan_is(&reading->scan, "DEFAULT");
}

/* "USE name, name": policies that stand above. The comma may also lead to the next statement. */
static bool read_use(struct reading *reading, struct policy *policy)
{
	do {
		unsigned line = reading->scan.token.line;
		const char *name = read_name(reading, "the name of a policy");
		struct step step = {.line = line};

		if (!name)
			return false;
		step.used = find_policy(reading, name);
		if (step.used)
			add_step(reading, policy, step);
		else
			import_mistake(reading->import, line, "no policy \"%s\" stands above",
				       import_printable(reading->import, name, strlen(name)));
	} while (scan_take(&reading->scan, ",") && !at_statement(reading));
	return true;
}

/* What may stand in a policy. */
static bool read_statement(struct reading *reading, struct policy *policy)
{
	struct verdict verdict;

	if (scan_take(&reading->scan, "USE"))
		return read_use(reading, policy);
	if (take_action(reading, &verdict))
		return read_block(reading, policy, verdict);
	return scan_fail(&reading->scan, "USE or an action");
}

static bool read_policy(struct reading *reading)
{
	struct policy *policy = pool_allocate(&reading->import->pool, sizeof(*policy));
	unsigned line = reading->scan.token.line;

	policy->end = &policy->steps;
	policy->name = read_name(reading, "the name of a policy");
	if (!policy->name || !scan_expect(&reading->scan, "{"))
		return false;
	if (find_policy(reading, policy->name))
		import_mistake(reading->import, line, "the policy \"%s\" stands above already",
			       policy->name);
	while (!scan_take(&reading->scan, "}"))
		if (!read_statement(reading, policy) ||
		    (!scan_take(&reading->scan, ",") && reading->scan.failed))
			return false;
	policy->next = reading->policies;
	reading->policies = policy;
	return true;
}

/* "#define NAME NUMBER" */
static bool read_define(struct reading *reading)
{
	struct constant *constant = pool_allocate(&reading->import->pool, sizeof(*constant));

	if (!scan_expect(&reading->scan, "define"))
		return false;
	constant->name = read_name(reading, "the name of a constant");
	if (!constant->name || !read_number(reading, &constant->value))
		return false;
	constant->next = reading->constants;
	reading->constants = constant;
	return true;
}

static bool read_file(struct reading *reading, const char *text);

/* NOLINTNEXTLINE(misc-no-recursion): as deep as INCLUDES_MAX */
static bool include(struct reading *reading, const char *name, unsigned line)
{
	struct import *import = reading->import;
	const char *path = import_beside(import, name);
	char *text = reading->depth < INCLUDES_MAX ? import_read_file(import, path) : NULL;
	struct import_place outer;
	struct scan scan = reading->scan;
	bool read;

	if (!text) {
		import_mistake(import, line, "\"%s\" can't be included%s",
			       import_printable(import, path, strlen(path)),
			       reading->depth < INCLUDES_MAX ? "" : ": it includes itself");
		return false;
	}
	outer = import_enter(import, path);
	reading->depth++;
	read = read_file(reading, text);
	reading->depth--;
	import_leave(import, outer);
	reading->scan = scan;
	return read;
}

/* '#include "FILE" "FILE"', up to the end of the line or a semicolon. The marks of the language know no
 * quotes, so what is behind the word is read by hand.
 * NOLINTNEXTLINE(misc-no-recursion): as deep as INCLUDES_MAX */
static bool read_include(struct reading *reading)
{
	const char *at = reading->scan.at;
	unsigned line = reading->scan.token.line;
	bool any = false;

	for (;;) {
		size_t length;

		at += strspn(at, " \t");
		if (*at != '"')
			break;
		length = strcspn(at + 1, "\"\n");
		if (at[1 + length] != '"')
			return scan_fail(&reading->scan, "a name in quotes behind #include");
		if (!include(reading, pool_copy(&reading->import->pool, at + 1, length), line))
			return false;
		at += length + 2;
		any = true;
	}
	if (!any)
		return scan_fail(&reading->scan, "a name in quotes behind #include");
	reading->scan.at = at + (*at == ';');
	scan_next(&reading->scan);
	return !reading->scan.failed;
}

static bool read_default(struct reading *reading)
{
	return take_action(reading, &reading->import->fallback) ||
	       scan_fail(&reading->scan, "an action");
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as INCLUDES_MAX */
static bool read_top(struct reading *reading)
{
	if (scan_take(&reading->scan, "#"))
		return scan_is(&reading->scan, "include") ? read_include(reading)
							  : read_define(reading);
	if (scan_take(&reading->scan, "POLICY"))
		return read_policy(reading);
	if (scan_take(&reading->scan, "DEFAULT"))
		return read_default(reading);
	return scan_take(&reading->scan, ",") || read_statement(reading, &reading->whole);
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as INCLUDES_MAX */
static bool read_file(struct reading *reading, const char *text)
{
	scan_start(&reading->scan, reading->import, text, 1, "//");
	while (reading->scan.token.kind != TOKEN_END && !reading->scan.failed)
		if (!read_top(reading))
			return false;
	return !reading->scan.failed;
}

/* A policy may use one that uses others, each twice: what is applied is counted.
 * NOLINTNEXTLINE(misc-no-recursion): as deep as NESTING_MAX */
static void apply(struct import *import, const struct policy *policy, unsigned depth)
{
	for (const struct step *s = policy->steps; s && import->mistakes == 0; s = s->next)
		if (!s->used)
			import_rule(import, s->line, &s->call, s->verdict, s->formula);
		else if (depth == NESTING_MAX)
			import_mistake(import, s->line, "policies use each other %d deep",
				       NESTING_MAX);
		else if (import_count(import, s->line))
			apply(import, s->used, depth + 1);
}

void import_kafel(struct import *import, const char *text)
{
	struct reading reading = {.import = import};

	import->fallback = VERDICT_KILL;
	reading.whole.end = &reading.whole.steps;
	if (!read_file(&reading, text))
		return;
	if (!reading.whole.steps && reading.policies)
		import_note(import, 0, "no policy is used: everything takes the default");
	apply(import, &reading.whole, 0);
}
