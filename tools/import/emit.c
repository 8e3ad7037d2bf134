/* SPDX-License-Identifier: Apache-2.0 */
/* What importers share: reports, the rules that they found, and names. write.c writes them. */
#include "emit.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Bombs of groups in groups, and of calls that are named again and again. */
#define RULES_MAX 50000
#define NOTES_MAX 2000
#define FILE_MAX (1 << 20)
#define FILES_MAX 1000
#define ERROR_MAX 4095 /* the kernel cuts what is larger */
#define PRINTABLE_MAX 200

bool verdict_grants(struct verdict verdict)
{
	return verdict.action <= ACTION_LOG;
}

bool verdict_equals(struct verdict a, struct verdict b)
{
	return a.action == b.action && a.number == b.number;
}

/* ---- reports ---- */

const char *import_printable(struct import *import, const char *text, size_t length)
{
	char *copy =
	    pool_copy(&import->pool, text, length < PRINTABLE_MAX ? length : PRINTABLE_MAX);

	for (char *at = copy; at < copy + length && at < copy + PRINTABLE_MAX; at++)
		if (!isprint((unsigned char)*at) || (unsigned char)*at >= 0x80)
			*at = '?';
	return copy;
}

static void print_report(const struct import *import, const char *file, unsigned line,
			 const char *severity, const char *text)
{
	if (line > 0)
		(void)fprintf(import->errors, "%s:%u: %s: %s\n", file, line, severity, text);
	else
		(void)fprintf(import->errors, "%s: %s: %s\n", file, severity, text);
}

/* The text of a report, on one line whatever the words in it. */
static char *format_report(struct import *import, const char *format, va_list arguments)
{
	char *text;

	if (vasprintf(&text, format, arguments) < 0)
		return pool_copy(&import->pool, "", 0);
	char *copy = pool_copy(&import->pool, text, strlen(text));

	free(text);
	for (char *at = copy; *at; at++)
		if (!isprint((unsigned char)*at))
			*at = '?';
	return copy;
}

void import_mistake(struct import *import, unsigned line, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	print_report(import, import->file, line, "error", format_report(import, format, arguments));
	va_end(arguments);
	import->mistakes++;
}

static void add_line(struct import *import, struct import_lines *lines, unsigned line,
		     const char *text)
{
	struct import_line *added = pool_allocate(&import->pool, sizeof(*added));

	*added = (struct import_line){.line = line, .file = import->file, .text = text};
	*lines->end = added;
	lines->end = &added->next;
}

static bool has_note(const struct import *import, unsigned line, const char *text)
{
	for (const struct import_line *l = import->notes.first; l; l = l->next)
		if (l->line == line && strcmp(l->text, text) == 0 &&
		    (line == 0 || strcmp(l->file, import->file) == 0))
			return true;
	return false;
}

void import_note(struct import *import, unsigned line, const char *format, ...)
{
	va_list arguments;
	const char *text;

	va_start(arguments, format);
	text = format_report(import, format, arguments);
	va_end(arguments);
	if (import->note_count > NOTES_MAX || has_note(import, line, text))
		return;
	if (import->note_count++ == NOTES_MAX) {
		import_mistake(import, line, "more than %d things can't be carried", NOTES_MAX);
		return;
	}
	add_line(import, &import->notes, line, text);
}

/* Whether the list behind the beginning of a note holds the name. */
static bool is_listed(const char *list, const char *name)
{
	size_t length = strlen(name);

	for (const char *at = list; (at = strstr(at, name)); at += length)
		if (at[-1] == ' ' && (at[length] == ',' || at[length] == '\0'))
			return true;
	return false;
}

void import_note_name(struct import *import, unsigned line, const char *beginning, const char *name)
{
	size_t length = strlen(beginning);

	for (struct import_line *l = import->notes.first; l; l = l->next)
		if (l->line == line && strcmp(l->file, import->file) == 0 &&
		    strncmp(l->text, beginning, length) == 0) {
			if (!is_listed(l->text + length, name))
				l->text = pool_print(&import->pool, "%s, %s", l->text, name);
			return;
		}
	import_note(import, line, "%s %s", beginning, name);
}

void import_print_notes(const struct import *import)
{
	for (const struct import_line *l = import->notes.first; l; l = l->next)
		print_report(import, l->file, l->line, "note", l->text);
}

/* ---- other files ---- */

const char *import_beside(struct import *import, const char *name)
{
	const char *slash = strrchr(import->path, '/');

	return name[0] == '/' || !slash
		   ? name
		   : pool_print(&import->pool, "%.*s/%s", (int)(slash - import->path), import->path,
				name);
}

char *import_read_file(struct import *import, const char *path)
{
	/* Nobody is waited for at the other end of a pipe. */
	int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	FILE *stream = file >= 0 ? fdopen(file, "r") : NULL;
	struct stat status;
	char *text = NULL;

	if (file >= 0 && !stream)
		(void)close(file);
	if (stream && import->file_count == FILES_MAX)
		import_mistake(import, 0, "more than %d files are included", FILES_MAX);
	else if (stream && fstat(fileno(stream), &status) == 0 && S_ISREG(status.st_mode) &&
		 status.st_size <= FILE_MAX) {
		text = pool_allocate(&import->pool, (size_t)status.st_size + 1);
		text[fread(text, 1, (size_t)status.st_size, stream)] = '\0';
		import->file_count++;
	}
	if (stream)
		(void)fclose(stream);
	return text;
}

struct import_place import_enter(struct import *import, const char *path)
{
	struct import_place outer = {import->path, import->file};

	import->path = path;
	import->file = import_printable(import, path, strlen(path));
	return outer;
}

void import_leave(struct import *import, struct import_place outer)
{
	import->path = outer.path;
	import->file = outer.file;
}

/* ---- rules ---- */

static struct import_call *find_call(struct import *import, const struct sp_policy_call *facts)
{
	struct import_call *call = import->by_number[facts->number];

	if (call)
		return call;
	call = pool_allocate(&import->pool, sizeof(*call));
	call->facts = *facts;
	call->end = &call->rules;
	*import->calls_end = call;
	import->calls_end = &call->next;
	import->by_number[facts->number] = call;
	return call;
}

bool import_count(struct import *import, unsigned line)
{
	if (import->rule_count > RULES_MAX)
		return false;
	if (import->rule_count++ < RULES_MAX)
		return true;
	import_mistake(import, line, "more than %d rules", RULES_MAX);
	return false;
}

static struct import_rule *make_rule(struct import *import, unsigned line, struct verdict verdict,
				     struct formula formula)
{
	struct import_rule *rule = pool_allocate(&import->pool, sizeof(*rule));

	*rule = (struct import_rule){verdict, formula, line, NULL};
	return rule;
}

void import_rule(struct import *import, unsigned line, const struct sp_policy_call *facts,
		 struct verdict verdict, struct formula formula)
{
	struct import_call *call = find_call(import, facts);
	struct import_rule *rule;

	if (!import_count(import, line))
		return;
	rule = make_rule(import, line, verdict, formula);
	*call->end = rule;
	call->end = &rule->next;
}

void import_rule_always(struct import *import, unsigned line, const struct sp_policy_call *facts,
			struct verdict verdict)
{
	import_rule(import, line, facts, verdict, formula_always(&import->pool));
}

/* Whether any form of the call is granted. */
static bool may_grant(const struct import *import, const struct sp_policy_call *facts)
{
	const struct import_call *call = import->by_number[facts->number];

	for (const struct import_rule *r = call ? call->rules : NULL; r; r = r->next) {
		if (verdict_grants(r->verdict))
			return true;
		if (formula_is_always(&r->formula))
			return false;
	}
	return verdict_grants(import->fallback);
}

void import_refuse(struct import *import, unsigned line, const struct sp_policy_call *facts,
		   struct formula formula, int error)
{
	struct import_call *call;
	struct import_rule *rule;

	if (!may_grant(import, facts) || !import_count(import, line))
		return;
	call = find_call(import, facts);
	rule = make_rule(import, line, VERDICT_DENY(error), formula);
	rule->next = call->rules;
	if (!call->rules)
		call->end = &rule->next;
	call->rules = rule;
}

void import_families(struct import *import, unsigned line, const uint64_t *families, size_t count,
		     bool granted, int error)
{
	struct pool *pool = &import->pool;
	struct formula any = FORMULA_NEVER;
	struct sp_policy_call facts;

	if (sp_policy_call_find("socket", &facts) < 0)
		return;
	for (size_t i = 0; i < count; i++) {
		struct clause clause = {0, RELATION_IS, UINT64_MAX, families[i]};

		any = formula_or(pool, any, formula_compare(pool, &facts, clause));
	}
	import_refuse(import, line, &facts, granted ? formula_not(pool, any) : any, error);
}

/* ---- paths and limits ---- */

/* Names that our patterns would read as they are meant, without what other formats expand. */
static bool is_pattern(const char *path)
{
	size_t length = strlen(path);

	return length > 0 && length < 4000 && path[0] == '/' && !strpbrk(path, "*?[]\\\"{}%$") &&
	       !strstr(path, "//") && !strstr(path, "/./") && !strstr(path, "/../") &&
	       (length == 1 || path[length - 1] != '/');
}

static bool is_plain(const char *path)
{
	for (; *path; path++)
		if (!isprint((unsigned char)*path))
			return false;
	return true;
}

static bool ends_with(const char *text, const char *end)
{
	size_t length = strlen(text), end_length = strlen(end);

	return length >= end_length && strcmp(text + length - end_length, end) == 0;
}

static bool denies(const struct import_line *line)
{
	return strncmp(line->text, "deny ", 5) == 0;
}

/* Takes out what is granted on the path, which can't be denied too. */
static void withdraw(struct import *import, const char *path)
{
	struct import_line **at = &import->files.first;

	while (*at)
		if (strcmp((*at)->path, path) == 0 && !denies(*at)) {
			import_note(import, (*at)->line,
				    "%s is denied as well as granted: it is denied", path);
			*at = (*at)->next;
		} else {
			at = &(*at)->next;
		}
	import->files.end = at;
}

static bool is_denied(const struct import *import, const char *path)
{
	for (const struct import_line *l = import->files.first; l; l = l->next)
		if (strcmp(l->path, path) == 0 && denies(l))
			return true;
	return false;
}

static void add_file(struct import *import, unsigned line, const char *rights, const char *path)
{
	struct pool *pool = &import->pool;
	struct import_line *added = pool_allocate(pool, sizeof(*added));

	added->line = line;
	added->path = path;
	added->text = strcmp(path, "/") == 0
			  ? pool_print(pool, "%s \"/**\"", rights)
			  : pool_print(pool, "%s \"%s\", \"%s/**\"", rights, path, path);
	if (denies(added))
		withdraw(import, path);
	else if (is_denied(import, path))
		return;
	*import->files.end = added;
	import->files.end = &added->next;
}

void import_file(struct import *import, unsigned line, const char *rights, const char *path)
{
	size_t length = strlen(path);
	const char *name;

	while (length > 1 && path[length - 1] == '/')
		length--;
	name = pool_copy(&import->pool, path, length);
	if (is_pattern(name) && is_plain(name) && !ends_with(name, "/.") && !ends_with(name, "/.."))
		add_file(import, line, rights, name);
	else if (strcmp(rights, "deny") == 0)
		import_mistake(import, line, "\"%s\" can't be denied: no pattern says that",
			       import_printable(import, name, length));
	else
		import_note(import, line, "\"%s\" can't be granted: no pattern says that",
			    import_printable(import, name, length));
}

static const struct {
	const char *word, *unit;
	uint64_t most;
} limits[] = {{"files", "", 1 << 20},
	      {"processes", "", 1 << 22},
	      {"memory", "B", INT64_MAX},
	      {"file-size", "B", INT64_MAX},
	      {"cpu", "s", INT32_MAX}};

void import_limit(struct import *import, unsigned line, const char *word, uint64_t value)
{
	size_t i = 0, length = strlen(word);
	const char *text;

	while (strcmp(limits[i].word, word) != 0)
		i++;
	if (value > limits[i].most) {
		import_note(import, line, "the limit of %s is no limit: left out", word);
		return;
	}
	text = pool_print(&import->pool, "%s %" PRIu64 "%s", word, value, limits[i].unit);
	for (struct import_line *l = import->limits.first; l; l = l->next)
		if (strncmp(l->text, word, length) == 0 && l->text[length] == ' ') {
			l->text = text;
			return;
		}
	add_line(import, &import->limits, line, text);
}

/* ---- names ---- */

bool import_find_call(struct import *import, unsigned line, const char *name, bool lenient,
		      struct sp_policy_call *ret_call)
{
	int r = sp_policy_call_find(name, ret_call);

	if (r == 0)
		return true;
	name = import_printable(import, name, strlen(name));
	if (r == -ENOSYS)
		import_note_name(import, line, "this architecture has no call named", name);
	else if (lenient)
		import_note(import, line, "unknown system call \"%s\": left out", name);
	else
		import_mistake(import, line, "unknown system call \"%s\"", name);
	return false;
}

struct verdict import_trap(struct import *import, unsigned line, struct verdict verdict)
{
	if (verdict.action == ACTION_TRAP && verdict.number == 0) {
		import_note(import, line, "a trap has a number of at least 1 in si_errno, not 0");
		verdict.number = 1;
	}
	return verdict;
}

static int errno_of(const char *name)
{
	static const struct {
		const char *name;
		int error;
	} second_names[] = {
	    {"EWOULDBLOCK", EWOULDBLOCK}, {"EDEADLOCK", EDEADLOCK}, {"ENOTSUP", ENOTSUP}};

	for (int error = 1; error <= EHWPOISON; error++) {
		const char *candidate = strerrorname_np(error);

		if (candidate && strcmp(candidate, name) == 0)
			return error;
	}
	for (size_t i = 0; i < sizeof(second_names) / sizeof(second_names[0]); i++)
		if (strcmp(second_names[i].name, name) == 0)
			return second_names[i].error;
	return 0;
}

int import_find_errno(struct import *import, unsigned line, const char *text)
{
	int error = errno_of(text);
	uint64_t number;

	if (error > 0)
		return error;
	text = import_printable(import, text, strlen(text));
	if (!import_number(text, &number) || number > UINT16_MAX) {
		import_mistake(import, line, "\"%s\" is no error number", text);
		return 0;
	}
	if (number > 0 && number <= ERROR_MAX)
		return (int)number;
	import_note(import, line, "a call can't fail with the error %s: EPERM instead", text);
	return EPERM;
}

bool import_number(const char *text, uint64_t *ret_value)
{
	bool negative = text[0] == '-';
	uint64_t value;
	char *end;

	text += negative;
	if (!isdigit((unsigned char)text[0]))
		return false;
	errno = 0;
	value = strtoull(text, &end, 0);
	if (errno != 0 || *end != '\0')
		return false;
	*ret_value = negative ? -value : value;
	return true;
}
