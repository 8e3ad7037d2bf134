/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The seccomp profiles of Docker and Podman, and the same in an OCI runtime configuration: what runc
 * and libseccomp make of them. A rule without conditions outranks those with, whatever their order.
 */
#include <ctype.h>
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "emit.h"
#include "import.h"

/* The oldest kernel on which Sallyport runs. */
#define OLDEST_MAJOR 6
#define OLDEST_MINOR 1

/* The conditional rules for one call, until it is known whether there is one without. */
struct entry {
	bool whole;
	struct import_rule *rules;
};

struct reading {
	struct import *import;
	const char *text;
	unsigned line; /* of the rule in hand */
	struct verdict fallback;
	struct entry entries[IMPORT_NUMBERS];
};

/* ---- lines ---- */

/* Behind a string's closing quote. The text is valid JSON. */
static const char *skip_string(const char *at)
{
	for (at++; *at && *at != '"'; at++)
		at += *at == '\\' && at[1] != '\0';
	return *at ? at + 1 : at;
}

/*
 * The lines on which rules begin, which jansson forgets: of the objects that are members of the first
 * array named "syscalls". Those that are not found keep line 0.
 */
static unsigned *lines_of_rules(struct pool *pool, const char *text, size_t count)
{
	unsigned *lines = pool_allocate(pool, (count + 1) * sizeof(*lines));
	const char *at = strstr(text, "\"syscalls\"");
	unsigned depth = 0, line = 1;
	size_t found = 0;

	for (const char *c = text; at && c < at; c++)
		line += *c == '\n';
	for (at = at ? skip_string(at) : ""; *at && found < count; at++) {
		if (*at == '"') {
			at = skip_string(at) - 1;
			continue;
		}
		line += *at == '\n';
		if (*at == '{' && depth == 1)
			lines[found++] = line;
		if (*at == '{' || *at == '[')
			depth++;
		else if ((*at == '}' || *at == ']') && depth-- <= 1)
			break;
	}
	return lines;
}

/* ---- actions ---- */

static const struct {
	const char *name;
	struct verdict verdict;
	const char *note;
} actions[] = {
    {"SCMP_ACT_ALLOW", {ACTION_ALLOW, 0}, NULL},
    {"SCMP_ACT_LOG", {ACTION_LOG, 0}, NULL},
    {"SCMP_ACT_ERRNO", {ACTION_DENY, EPERM}, NULL},
    {"SCMP_ACT_KILL", {ACTION_KILL, 0}, NULL},
    {"SCMP_ACT_KILL_PROCESS", {ACTION_KILL, 0}, NULL},
    {"SCMP_ACT_KILL_THREAD", {ACTION_KILL_THREAD, 0}, NULL},
    {"SCMP_ACT_TRAP", {ACTION_TRAP, 0}, NULL},
    {"SCMP_ACT_TRACE",
     {ACTION_DENY, ENOSYS},
     "SCMP_ACT_TRACE: no tracer is asked, the call fails with ENOSYS"},
    {"SCMP_ACT_NOTIFY",
     {ACTION_DENY, ENOSYS},
     "SCMP_ACT_NOTIFY: nobody is asked, the call fails with ENOSYS"},
};

/* The error's name, as Podman's profiles have it, else its number; 0 where there is neither. */
static int read_error(struct reading *reading, const json_t *object, const char *const keys[2])
{
	struct import *import = reading->import;
	const json_t *name = json_object_get(object, keys[0]),
		     *number = json_object_get(object, keys[1]);

	if (json_is_string(name) && json_string_length(name) > 0)
		return import_find_errno(import, reading->line, json_string_value(name));
	if (!number || json_is_null(number))
		return 0;
	return import_find_errno(
	    import, reading->line,
	    pool_print(&import->pool, "%" JSON_INTEGER_FORMAT, json_integer_value(number)));
}

/* "action" with "errno" and "errnoRet", or "defaultAction" with theirs. */
static bool read_action(struct reading *reading, const json_t *object, const char *key,
			const char *const error_keys[2], struct verdict *ret_verdict)
{
	struct import *import = reading->import;
	const char *name = json_string_value(json_object_get(object, key));
	int error;

	for (size_t i = 0; name && i < sizeof(actions) / sizeof(actions[0]); i++) {
		if (strcmp(actions[i].name, name) != 0)
			continue;
		*ret_verdict = import_trap(import, reading->line, actions[i].verdict);
		if (actions[i].note)
			import_note(import, reading->line, "%s", actions[i].note);
		error = strcmp(name, "SCMP_ACT_ERRNO") == 0
			    ? read_error(reading, object, error_keys)
			    : 0;
		if (error > 0)
			ret_verdict->number = error;
		return true;
	}
	import_mistake(import, reading->line, "\"%s\" %s", key,
		       name ? pool_print(&import->pool, "is an unknown action: %s",
					 import_printable(import, name, strlen(name)))
			    : "is missing");
	return false;
}

/* ---- conditions ---- */

static const struct {
	const char *name;
	enum relation relation;
} operators[] = {
    {"SCMP_CMP_EQ", RELATION_IS},    {"SCMP_CMP_NE", RELATION_IS_NOT},
    {"SCMP_CMP_LT", RELATION_BELOW}, {"SCMP_CMP_LE", RELATION_UP_TO},
    {"SCMP_CMP_GT", RELATION_ABOVE}, {"SCMP_CMP_GE", RELATION_FROM},
};

static bool read_operator(const char *name, struct clause *clause, uint64_t second)
{
	if (strcmp(name, "SCMP_CMP_MASKED_EQ") == 0) {
		clause->relation = RELATION_IS;
		clause->mask = clause->value;
		clause->value = second;
		return true;
	}
	for (size_t i = 0; i < sizeof(operators) / sizeof(operators[0]); i++)
		if (strcmp(operators[i].name, name) == 0) {
			clause->relation = operators[i].relation;
			return true;
		}
	return false;
}

/* Behind the last digit of a number that jansson has no room for, which are of 63 bits; NULL: it is none. */
static const char *skip_large(const char *at)
{
	size_t digits = strspn(at, "0123456789");
	uint64_t value;

	if (digits < 19 || digits > 20 || strchr(".eE", at[digits]))
		return NULL;
	errno = 0;
	value = strtoull(at, NULL, 10);
	return errno == 0 && value > INT64_MAX ? at + digits : NULL;
}

/* The text with those numbers in quotes. */
static const char *quote_large(struct pool *pool, const char *text)
{
	char *copy = pool_allocate(pool, strlen(text) * 2 + 1), *out = copy;

	while (*text) {
		const char *large = isdigit((unsigned char)*text) ? skip_large(text) : NULL;
		const char *end = large ? large : text + 1;

		if (*text == '"')
			end = skip_string(text);
		else if (isdigit((unsigned char)*text))
			end = text + strspn(text, "0123456789");
		if (large)
			*out++ = '"';
		out = mempcpy(out, text, (size_t)(end - text));
		if (large)
			*out++ = '"';
		text = end;
	}
	return copy;
}

static uint64_t read_value(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);

	return json_is_string(value) ? strtoull(json_string_value(value), NULL, 10)
				     : (uint64_t)json_integer_value(value);
}

static bool read_clause(struct reading *reading, const json_t *object, struct clause *ret_clause)
{
	const json_t *index = json_object_get(object, "index");
	const char *operator= json_string_value(json_object_get(object, "op"));
	struct clause clause = {.mask = UINT64_MAX};
	uint64_t second = read_value(object, "valueTwo");

	clause.value = read_value(object, "value");
	clause.argument = (unsigned)json_integer_value(index);
	if (!json_is_integer(index) || json_integer_value(index) < 0 ||
	    json_integer_value(index) >= SP_POLICY_ARGUMENTS) {
		import_mistake(reading->import, reading->line,
			       "\"index\" is no number from 0 to 5");
		return false;
	}
	if (!operator|| !read_operator(operator, & clause, second)) {
		import_mistake(reading->import, reading->line, "\"op\" is missing, or unknown");
		return false;
	}
	*ret_clause = clause;
	return true;
}

/* runc: conditions on the same argument are alternatives, else they hold together. */
static bool repeats(const json_t *conditions)
{
	unsigned seen = 0;
	const json_t *object;
	size_t i;

	json_array_foreach(conditions, i, object)
	{
		json_int_t index = json_integer_value(json_object_get(object, "index"));

		if (index < 0 || index >= SP_POLICY_ARGUMENTS)
			continue;
		if (seen & (1U << index))
			return true;
		seen |= 1U << index;
	}
	return false;
}

static struct formula read_conditions(struct reading *reading, const json_t *conditions,
				      const struct sp_policy_call *call)
{
	struct pool *pool = &reading->import->pool;
	bool any = repeats(conditions);
	struct formula formula = any ? FORMULA_NEVER : formula_always(pool);
	struct clause clause;
	const json_t *object;
	size_t i;

	json_array_foreach(conditions, i, object)
	{
		struct formula one;

		if (!read_clause(reading, object, &clause))
			return FORMULA_UNKNOWN;
		one = formula_compare(pool, call, clause);
		formula = any ? formula_or(pool, formula, one) : formula_and(pool, formula, one);
	}
	return formula;
}

/* ---- rules ---- */

static void add_rule(struct reading *reading, const struct sp_policy_call *call,
		     struct verdict verdict, struct formula formula)
{
	struct entry *entry = &reading->entries[call->number];
	bool whole = formula_is_always(&formula);

	/* runc passes over what the default says anyway, libseccomp over what adds nothing. */
	if (verdict_equals(verdict, reading->fallback) || entry->whole)
		return;
	if (whole && reading->import->by_number[call->number]) {
		struct import_call *known = reading->import->by_number[call->number];

		known->rules = NULL;
		known->end = &known->rules;
	}
	entry->whole = whole;
	import_rule(reading->import, reading->line, call, verdict, formula);
}

static void read_name(struct reading *reading, const json_t *rule, const char *name,
		      struct verdict verdict)
{
	const json_t *conditions = json_object_get(rule, "args");
	struct sp_policy_call call;

	if (conditions && !json_is_null(conditions) && !json_is_array(conditions)) {
		import_mistake(reading->import, reading->line, "\"args\" is no list");
		return;
	}
	if (!import_find_call(reading->import, reading->line, name, true, &call))
		return;
	add_rule(reading, &call, verdict,
		 json_array_size(conditions) > 0 ? read_conditions(reading, conditions, &call)
						 : formula_always(&reading->import->pool));
}

static bool has_string(const json_t *list, const char *const *strings)
{
	const json_t *item;
	size_t i;

	json_array_foreach(list, i, item)
	{
		const char *text = json_string_value(item);

		for (const char *const *s = strings; text && *s; s++)
			if (strcmp(text, *s) == 0)
				return true;
	}
	return false;
}

/* Whether the policy has to run on older kernels than the one that "minKernel" names. */
static bool is_newer(const char *kernel)
{
	unsigned major = 0, minor = 0;

	return kernel && (sscanf(kernel, "%u.%u", &major, &minor) < 1 || major > OLDEST_MAJOR ||
			  (major == OLDEST_MAJOR && minor > OLDEST_MINOR));
}

/* A rule for newer kernels than the oldest on which there are sandboxes: what it grants is granted on none,
 * what it denies is denied on all. One for older ones the other way round. */
static bool applies_to_kernel(struct reading *reading, const json_t *rule, struct verdict verdict)
{
	const char *from =
	    json_string_value(json_object_get(json_object_get(rule, "includes"), "minKernel"));
	const char *up_to =
	    json_string_value(json_object_get(json_object_get(rule, "excludes"), "minKernel"));
	const char *newer = is_newer(from) ? from : is_newer(up_to) ? up_to : NULL;
	bool left_out = verdict_grants(verdict);

	if (up_to && !newer) {
		import_note(reading->import, reading->line,
			    "this rule is for kernels before %s: left out",
			    import_printable(reading->import, up_to, strlen(up_to)));
		return false;
	}
	if (newer)
		import_note(reading->import, reading->line,
			    "this rule depends on whether the kernel is %s: %s",
			    import_printable(reading->import, newer, strlen(newer)),
			    left_out ? "what it grants is left out" : "it holds for every kernel");
	return !newer || !left_out;
}

/* Docker's "includes" and "excludes": whether the rule is one for a sandboxee, which has no
 * capabilities, on this architecture. */
static bool applies(struct reading *reading, const json_t *rule)
{
	static const char *const ours[] = {"amd64", "x86_64", "SCMP_ARCH_X86_64", NULL};
	const json_t *includes = json_object_get(rule, "includes");
	const json_t *excludes = json_object_get(rule, "excludes");
	const json_t *arches = json_object_get(includes, "arches");

	if (json_array_size(json_object_get(includes, "caps")) > 0) {
		import_note(reading->import, reading->line,
			    "this rule is for processes with capabilities: left out");
		return false;
	}
	if (json_array_size(json_object_get(excludes, "caps")) > 0)
		import_note(reading->import, reading->line,
			    "this rule is for processes without some capabilities: it holds");
	if ((json_array_size(arches) > 0 && !has_string(arches, ours)) ||
	    has_string(json_object_get(excludes, "arches"), ours)) {
		import_note(reading->import, reading->line,
			    "this rule is for other architectures: left out");
		return false;
	}
	return true;
}

static void read_rule(struct reading *reading, const json_t *rule)
{
	const json_t *names = json_object_get(rule, "names"), *item;
	const char *single = json_string_value(json_object_get(rule, "name"));
	struct verdict verdict;
	size_t i;

	if (!json_is_object(rule)) {
		import_mistake(reading->import, reading->line, "a rule is no object");
		return;
	}
	if (!json_is_array(names) && !single)
		import_mistake(reading->import, reading->line, "\"names\" is missing");
	if (!read_action(reading, rule, "action", (const char *const[]){"errno", "errnoRet"},
			 &verdict) ||
	    !applies(reading, rule) || !applies_to_kernel(reading, rule, verdict))
		return;
	if (single)
		read_name(reading, rule, single, verdict);
	json_array_foreach(names, i, item)
	{
		if (json_is_string(item))
			read_name(reading, rule, json_string_value(item), verdict);
		else
			import_mistake(reading->import, reading->line, "a name is no string");
	}
}

/* ---- the profile ---- */

/* The rules whose action libseccomp would ask first are not defined where several hold: the strictest
 * decides. */
static void sort_rules(struct import_call *call)
{
	struct import_rule *sorted = NULL;

	while (call->rules) {
		struct import_rule *rule = call->rules, **at = &sorted;

		call->rules = rule->next;
		while (*at && (*at)->verdict.action >= rule->verdict.action)
			at = &(*at)->next;
		rule->next = *at;
		*at = rule;
	}
	call->rules = sorted;
	for (call->end = &call->rules; *call->end;)
		call->end = &(*call->end)->next;
}

/* What a profile says beside its rules; of the flags the first two are without meaning here: the kernel logs
 * what it is told to, and mitigates as it does by itself. */
static void note_others(struct reading *reading, const json_t *profile)
{
	static const char *const keys[] = {"listenerPath", "listenerMetadata"};
	const json_t *flags = json_object_get(profile, "flags"), *flag;
	size_t i;

	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (json_string_length(json_object_get(profile, keys[i])) > 0)
			import_note(reading->import, 0, "\"%s\" does not carry over", keys[i]);
	json_array_foreach(flags, i, flag)
	{
		const char *name = json_string_value(flag);

		if (name && *name)
			import_note_name(reading->import, 0, "these flags do not carry over:",
					 import_printable(reading->import, name, strlen(name)));
	}
}

static void read_profile(struct reading *reading, const json_t *profile)
{
	const json_t *rules = json_object_get(profile, "syscalls"), *rule;
	const unsigned *lines =
	    lines_of_rules(&reading->import->pool, reading->text, json_array_size(rules));
	size_t i;

	if (!read_action(reading, profile, "defaultAction",
			 (const char *const[]){"defaultErrno", "defaultErrnoRet"},
			 &reading->fallback))
		return;
	note_others(reading, profile);
	reading->import->fallback = reading->fallback;
	if (rules && !json_is_array(rules))
		import_mistake(reading->import, 0, "\"syscalls\" is no list");
	json_array_foreach(rules, i, rule)
	{
		reading->line = lines[i];
		read_rule(reading, rule);
	}
	for (struct import_call *call = reading->import->calls; call; call = call->next)
		sort_rules(call);
}

static void read_document(struct reading *reading, const json_t *document)
{
	const json_t *linux_part = json_object_get(document, "linux");
	const json_t *nested = json_object_get(linux_part, "seccomp");

	if (!json_is_object(document))
		import_mistake(reading->import, 1, "a profile is an object");
	else
		read_profile(reading, nested ? nested : document);
}

void import_oci(struct import *import, const char *text)
{
	struct reading *reading = pool_allocate(&import->pool, sizeof(*reading));
	json_error_t error;
	json_t *document =
	    json_loads(quote_large(&import->pool, text), JSON_REJECT_DUPLICATES, &error);

	reading->import = import;
	reading->text = text;
	reading->line = 1;
	if (!document) {
		import_mistake(import, error.line > 0 ? (unsigned)error.line : 1, "%s", error.text);
		return;
	}
	read_document(reading, document);
	json_decref(document);
}
