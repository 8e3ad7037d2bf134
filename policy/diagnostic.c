/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/diagnostic.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "ipc/util.h"

/* Of a longer line only the part around the mistake is shown. */
#define SHOWN_MAX 160
#define SHOWN_BEFORE 80

struct line {
	const char *start;
	size_t length;
};

static struct line find_line(const struct sp_source *source, unsigned number)
{
	struct line line = {source->text, 0};
	const char *end = source->text + source->length, *newline;

	while (number-- > 1 && line.start < end) {
		newline = memchr(line.start, '\n', (size_t)(end - line.start));
		line.start = newline ? newline + 1 : end;
	}
	if (line.start < end) {
		newline = memchr(line.start, '\n', (size_t)(end - line.start));
		line.length = (size_t)((newline ? newline : end) - line.start);
	}
	return line;
}

/* Policies come from anywhere, diagnostics go to terminals: only printable ASCII passes. */
static char printable(char byte)
{
	return byte == '\t' || (byte >= 0x20 && byte < 0x7f) ? byte : '?';
}

static void print_caret(FILE *out, struct line line, size_t from, size_t column, size_t length)
{
	fputs("  ", out);
	for (size_t i = from; i < column; i++)
		fputc(i < line.length && line.start[i] == '\t' ? '\t' : ' ', out);
	fputc('^', out);
	for (size_t i = 1; i < length && column + i < line.length && column + i < from + SHOWN_MAX;
	     i++)
		fputc('~', out);
	fputc('\n', out);
}

static void print_line(FILE *out, const struct sp_source *source, struct sp_place place)
{
	struct line line = find_line(source, place.line);
	size_t column = place.column - 1;
	size_t from = line.length > SHOWN_MAX && column > SHOWN_BEFORE ? column - SHOWN_BEFORE : 0;

	fputs("  ", out);
	for (size_t i = from; i < line.length && i < from + SHOWN_MAX; i++)
		fputc(printable(line.start[i]), out);
	fputc('\n', out);
	print_caret(out, line, from, column, place.length);
}

static char *format_text(const struct sp_source *source, struct sp_place place,
			 const char *severity, const char *message, const char *suggestion)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	fprintf(out, "%s:%u:%u: %s: %s\n", source->file, place.line - source->lines_before,
		place.column, severity, message);
	if (source->length > 0)
		print_line(out, source, place);
	if (suggestion)
		fprintf(out, "  did you mean \"%s\"?\n", suggestion);
	if (fclose(out) == 0)
		return text;
	free(text);
	return NULL;
}

static void report(struct sp_reporter *reporter, const struct sp_source *source,
		   struct sp_place place, const char *severity, const char *suggestion,
		   const char *message)
{
	_cleanup_free_ char *text = NULL;
	struct sp_diagnostic diagnostic = {
	    .file = source->file,
	    .line = place.line - source->lines_before,
	    .column = place.column,
	    .severity = severity,
	    .message = message,
	};

	if (!reporter->fn)
		return;
	text = format_text(source, place, severity, message, suggestion);
	diagnostic.text = text ? text : message;
	reporter->fn(&diagnostic, reporter->data);
}

static void format_message(char *message, size_t size, const char *format, va_list arguments)
    __attribute__((format(printf, 3, 0)));

static void format_message(char *message, size_t size, const char *format, va_list arguments)
{
	if (vsnprintf(message, size, format, arguments) < 0)
		message[0] = '\0';
	for (size_t i = 0; message[i] != '\0'; i++)
		message[i] = printable(message[i]);
}

void sp_report_error(struct sp_reporter *reporter, const struct sp_source *source,
		     struct sp_place place, const char *suggestion, const char *format, ...)
{
	char message[512];
	va_list arguments;

	if (reporter->errors++ >= SP_ERRORS_MAX)
		return;
	va_start(arguments, format);
	format_message(message, sizeof(message), format, arguments);
	va_end(arguments);
	report(reporter, source, place, "error", suggestion, message);
}

void sp_report_warning(struct sp_reporter *reporter, const struct sp_source *source,
		       struct sp_place place, const char *format, ...)
{
	char message[512];
	va_list arguments;

	va_start(arguments, format);
	format_message(message, sizeof(message), format, arguments);
	va_end(arguments);
	report(reporter, source, place, "warning", NULL, message);
}

/* Longer words are not misspelt names. */
#define WORD_MAX 40

/* Edit distance where a swap of neighbours counts as one mistake (optimal string alignment). */
static unsigned distance(const char *a, size_t a_length, const char *b, size_t b_length)
{
	unsigned row[3][WORD_MAX + 1], *before = row[0], *last = row[1], *now = row[2], *spare;

	for (size_t j = 0; j <= b_length; j++)
		last[j] = (unsigned)j;
	for (size_t i = 1; i <= a_length; i++) {
		now[0] = (unsigned)i;
		for (size_t j = 1; j <= b_length; j++) {
			unsigned best = last[j - 1] + (a[i - 1] != b[j - 1]);

			best = last[j] + 1 < best ? last[j] + 1 : best;
			best = now[j - 1] + 1 < best ? now[j - 1] + 1 : best;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    before[j - 2] + 1 < best)
				best = before[j - 2] + 1;
			now[j] = best;
		}
		spare = before;
		before = last;
		last = now;
		now = spare;
	}
	return last[b_length];
}

static bool ends_in(const char *text, const char *part)
{
	size_t length = strlen(text), tail = strlen(part);

	return length > tail && text[length - tail - 1] == '_' &&
	       strcasecmp(text + length - tail, part) == 0;
}

/* EPERM for "eperm"; AF_INET for "INET", and read for "SYS_read". */
static bool is_variant(const char *word, const char *name)
{
	return strcasecmp(word, name) == 0 || ends_in(word, name) || ends_in(name, word);
}

/* "mem" for "memory", but not "s" for whatever begins so. */
static bool is_beginning(const char *word, const char *name)
{
	size_t length = strlen(word);

	return length >= 3 && length * 3 >= strlen(name) && strncasecmp(word, name, length) == 0;
}

/* What is far away by letters: the first variant, or the only name of which the word is the beginning. */
static const char *find_relative(const char *word, sp_candidate_fn *candidate, const void *data)
{
	size_t begun = 0, begins = 0;
	const char *name;

	for (size_t i = 0; word[0] && (name = candidate(i, data)); i++) {
		if (name[0] && is_variant(word, name))
			return name;
		if (is_beginning(word, name)) {
			begins = i;
			begun++;
		}
	}
	return begun == 1 ? candidate(begins, data) : NULL;
}

const char *sp_nearest(const char *word, sp_candidate_fn *candidate, const void *data)
{
	size_t length = strlen(word), best = SIZE_MAX;
	unsigned allowed = length <= 4 ? 1 : length <= 7 ? 2 : 3;
	const char *name;

	if (length > WORD_MAX)
		return NULL;
	for (size_t i = 0; (name = candidate(i, data)); i++) {
		size_t name_length = strlen(name);
		unsigned apart;

		if (name_length == 0 || name_length > WORD_MAX)
			continue;
		apart = distance(word, length, name, name_length);
		if (apart <= allowed) {
			allowed = apart - (apart > 0); /* a later one must be nearer */
			best = i;
			if (apart <= 1)
				break;
		}
	}
	/* Asked again: the name may have stood where the next one was put. */
	return best == SIZE_MAX ? find_relative(word, candidate, data) : candidate(best, data);
}
