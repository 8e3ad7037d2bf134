/* SPDX-License-Identifier: Apache-2.0 */
#include "scan.h"

#include <ctype.h>
#include <string.h>

/* The longer ones first. */
static const char *const marks[] = {"==", "!=", "<=", ">=", "&&", "||", "<", ">",
				    "&",  "|",  "!",  "~",  "(",  ")",  "{", "}",
				    "[",  "]",  ",",  ";",  ":",  "=",  "#", "*"};

static bool starts_with(const char *text, const char *start)
{
	return strncmp(text, start, strlen(start)) == 0;
}

static void skip_block(struct scan *scan)
{
	for (scan->at += 2; *scan->at && !starts_with(scan->at, "*/"); scan->at++)
		scan->line += *scan->at == '\n';
	if (*scan->at)
		scan->at += 2;
}

/* Blanks and comments. Block comments belong to the language whose line comments are "//". */
static void skip(struct scan *scan)
{
	bool slashes = strcmp(scan->comment, "//") == 0;

	for (;;) {
		if (starts_with(scan->at, scan->comment))
			scan->at += strcspn(scan->at, "\n");
		else if (slashes && starts_with(scan->at, "/*"))
			skip_block(scan);
		else if (isspace((unsigned char)*scan->at))
			scan->line += *scan->at++ == '\n';
		else
			return;
	}
}

static bool is_word(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '-';
}

void scan_next(struct scan *scan)
{
	size_t length = 0;

	skip(scan);
	scan->token = (struct token){TOKEN_END, "the end", scan->line};
	while (is_word(scan->at[length]))
		length++;
	if (length > 0) {
		scan->token.kind = TOKEN_WORD;
		scan->token.text = pool_copy(&scan->import->pool, scan->at, length);
		scan->at += length;
		return;
	}
	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
		if (!starts_with(scan->at, marks[i]))
			continue;
		scan->token.kind = TOKEN_MARK;
		scan->token.text = marks[i];
		scan->at += strlen(marks[i]);
		return;
	}
	if (*scan->at)
		(void)scan_fail(scan, "a word or a mark");
}

void scan_start(struct scan *scan, struct import *import, const char *text, unsigned line,
		const char *comment)
{
	*scan = (struct scan){.import = import, .at = text, .line = line, .comment = comment};
	scan_next(scan);
}

bool scan_is(const struct scan *scan, const char *text)
{
	return !scan->failed && scan->token.kind != TOKEN_END &&
	       strcmp(scan->token.text, text) == 0;
}

bool scan_take(struct scan *scan, const char *text)
{
	bool taken = scan_is(scan, text);

	if (taken)
		scan_next(scan);
	return taken;
}

bool scan_expect(struct scan *scan, const char *text)
{
	return scan_take(scan, text) ||
	       scan_fail(scan, pool_print(&scan->import->pool, "\"%s\"", text));
}

bool scan_fail(struct scan *scan, const char *expected)
{
	const char *found = scan->token.text;

	if (scan->failed)
		return false;
	if (scan->token.kind == TOKEN_END && *scan->at)
		found = import_printable(scan->import, scan->at, 1);
	else
		found = import_printable(scan->import, found, strlen(found));
	import_mistake(scan->import, scan->token.line, "expected %s, not \"%s\"", expected, found);
	scan->failed = true;
	scan->token.kind = TOKEN_END;
	return false;
}
