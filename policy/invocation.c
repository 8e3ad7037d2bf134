/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/invocation.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/calls.h"
#include "ipc/util.h"
#include "policy/names.h"

/* What stands for any pointer that is not NULL. */
#define SOME_POINTER 0x1000

struct reader {
	struct sp_reporter *reporter;
	const struct sp_source *source;
	size_t at;
	int error;
	struct sp_invocation *call;
};

struct sp_place sp_place_at(const struct sp_source *source, size_t offset, size_t length)
{
	struct sp_place place = {1, 1, length};

	for (size_t i = 0; i < offset && i < source->length; i++) {
		place.column++;
		if (source->text[i] == '\n') {
			place.line++;
			place.column = 1;
		}
	}
	return place;
}

static char peek(const struct reader *reader)
{
	return reader->at < reader->source->length ? reader->source->text[reader->at] : '\0';
}

static bool looks_at(const struct reader *reader, const char *word)
{
	size_t length = strlen(word);

	return reader->source->length - reader->at >= length &&
	       memcmp(reader->source->text + reader->at, word, length) == 0;
}

/* And comments, in which strace tells of lists. */
static void skip_blanks(struct reader *reader)
{
	while (peek(reader) == ' ' || peek(reader) == '\t' || peek(reader) == '\r' ||
	       looks_at(reader, "/*")) {
		size_t rest = reader->source->length - reader->at;
		const char *here = reader->source->text + reader->at,
			   *end = here[0] == '/' ? memmem(here + 2, rest - 2, "*/", 2) : here - 1;

		reader->at =
		    end ? (size_t)(end + 2 - reader->source->text) : reader->source->length;
	}
}

static bool at_end(const struct reader *reader)
{
	return peek(reader) == '\0' || peek(reader) == '\n';
}

#define MISTAKE(reader, start, length, suggestion, ...)                                            \
	do {                                                                                       \
		sp_report_error((reader)->reporter, (reader)->source,                              \
				sp_place_at((reader)->source, start, length), suggestion,          \
				__VA_ARGS__);                                                      \
		(reader)->error = -EINVAL;                                                         \
	} while (0)

/* ---- pieces ---- */

static bool is_word(char byte)
{
	return isalnum((unsigned char)byte) || byte == '_';
}

/* A word at hand, to be freed; NULL: there is none. */
static char *take_word(struct reader *reader)
{
	size_t start = reader->at;

	while (is_word(peek(reader)))
		reader->at++;
	return reader->at == start ? NULL
				   : strndup(reader->source->text + start, reader->at - start);
}

static int escape_value(struct reader *reader)
{
	static const char letters[] = "abfnrtv\\\"'", values[] = "\a\b\f\n\r\t\v\\\"'";
	const char *letter = peek(reader) ? strchr(letters, peek(reader)) : NULL;
	int value = 0, digits = 0;

	if (letter) {
		reader->at++;
		return values[letter - letters];
	}
	if (peek(reader) == 'x') {
		reader->at++;
		for (; digits < 2 && isxdigit((unsigned char)peek(reader));
		     digits++, reader->at++) {
			char digit = (char)tolower(peek(reader));

			value = value * 16 +
				(isdigit((unsigned char)digit) ? digit - '0' : digit - 'a' + 10);
		}
		return digits > 0 ? value : -1;
	}
	for (; digits < 3 && peek(reader) >= '0' && peek(reader) <= '7'; digits++, reader->at++)
		value = value * 8 + peek(reader) - '0';
	return digits > 0 ? value & 0xff : -1;
}

/* A string at hand, as C writes it. */
static char *take_string(struct reader *reader)
{
	size_t start = reader->at++, length = 0;
	char *text = malloc(reader->source->length - start + 1);

	/* A NUL byte ends the string for the kernel, too. */
	while (text && peek(reader) != '"') {
		int byte = (unsigned char)peek(reader);
		size_t here = reader->at;

		if (at_end(reader)) {
			MISTAKE(reader, start, 1, NULL, "the string has no end");
			break;
		}
		reader->at++;
		if (byte == '\\')
			byte = escape_value(reader);
		if (byte < 0) {
			MISTAKE(reader, here, 2, NULL,
				"no string holds this: write \\n, \\\", \\\\ or \\xHH");
			break;
		}
		text[length++] = (char)byte;
	}
	if (!text) {
		reader->error = -ENOMEM;
		return NULL;
	}
	text[length] = '\0';
	if (reader->error == 0)
		reader->at++;
	if (looks_at(reader, "..."))
		reader->at += 3;
	return text;
}

/* What stands between brackets of one kind, others within them included. */
static void skip_struct(struct reader *reader)
{
	size_t start = reader->at;
	int depth = 0;

	do {
		if (at_end(reader)) {
			MISTAKE(reader, start, 1, NULL, "the brackets are not closed");
			return;
		}
		if (peek(reader) == '"') {
			free(take_string(reader));
			continue;
		}
		depth += strchr("{[(", peek(reader)) ? 1 : strchr("}])", peek(reader)) ? -1 : 0;
		reader->at++;
	} while (depth > 0 && reader->error == 0);
}

/* The name of a descriptor, as in 3</tmp/x>. */
static char *take_annotation(struct reader *reader)
{
	size_t start = ++reader->at;
	char *name;

	while (!at_end(reader) && peek(reader) != '>')
		reader->at++;
	if (at_end(reader)) {
		MISTAKE(reader, start - 1, 1, NULL, "the name of a descriptor has no '>'");
		return NULL;
	}
	name = strndup(reader->source->text + start, reader->at++ - start);
	if (!name)
		reader->error = -ENOMEM;
	return name;
}

static uint64_t take_number(struct reader *reader)
{
	size_t start = reader->at;
	bool negative = peek(reader) == '-';
	char *word, *end;
	uint64_t value = 0;

	reader->at += negative;
	word = take_word(reader);
	errno = 0;
	value = word ? strtoull(word, &end, 0) : 0;
	if (!word || !isdigit((unsigned char)word[0]) || *end || errno)
		MISTAKE(reader, start, reader->at - start, NULL, "this is no number of 64 bits");
	free(word);
	return negative ? -value : value;
}

static uint64_t take_constant(struct reader *reader, unsigned argument)
{
	const struct sp_argument_of of = {reader->call->nr, argument};
	size_t start = reader->at;
	_cleanup_free_ char *word = take_word(reader);
	uint64_t value = 0;
	const char *name;

	if (!word) {
		MISTAKE(reader, start, 1, NULL,
			"expected a number, a constant, a string in double quotes, or a struct in "
			"braces");
		return 0;
	}
	if (strcmp(word, "NULL") == 0 || sp_constant_find(word, &value))
		return value;
	if (peek(reader) == '(') { /* makedev(0x1, 0x3): something that nobody compares */
		skip_struct(reader);
		return 0;
	}
	name = sp_nearest(word, sp_candidate_argument_constant, &of);
	if (!name)
		name = sp_nearest(word, sp_candidate_constant, NULL);
	MISTAKE(reader, start, strlen(word), name, "unknown constant \"%s\"", word);
	return 0;
}

/* Numbers and constants joined by '|'. */
static uint64_t take_value(struct reader *reader, unsigned argument)
{
	uint64_t value = 0;
	bool more;

	do {
		bool digit = isdigit((unsigned char)peek(reader)) || peek(reader) == '-';

		value |= digit ? take_number(reader) : take_constant(reader, argument);
		skip_blanks(reader);
		more = peek(reader) == '|';
		reader->at += more;
		skip_blanks(reader);
	} while (more && reader->error == 0);
	return value;
}

/* {flags=O_RDONLY|O_CLOEXEC, mode=0, resolve=0} of openat2, whose flags are those of open. */
static void take_how(struct reader *reader)
{
	const int nr = reader->call->nr;

	reader->at++;
	reader->call->nr = sp_call_number("openat");
	skip_blanks(reader);
	while (peek(reader) != '}' && reader->error == 0) {
		size_t start = reader->at;
		_cleanup_free_ char *key = take_word(reader);
		uint64_t value = 0;

		if (!key || peek(reader) != '=') {
			MISTAKE(reader, start, 1, NULL,
				"expected the members of a struct open_how, like {flags=O_RDONLY}");
			break;
		}
		reader->at++;
		value = take_value(reader, 2);
		if (strcmp(key, "flags") == 0)
			reader->call->how_flags = value;
		else if (strcmp(key, "mode") == 0)
			reader->call->how_mode = value;
		skip_blanks(reader);
		reader->at += peek(reader) == ',';
		skip_blanks(reader);
	}
	reader->at += reader->error == 0;
	reader->call->nr = nr;
}

/* A piece of a struct between two texts, to be freed; NULL: it is not there. */
static char *cut(const char *text, const char *before, const char *after)
{
	const char *start = strstr(text, before),
		   *end = start ? strstr(start + strlen(before), after) : NULL;

	return end ? strndup(start + strlen(before), (size_t)(end - start) - strlen(before)) : NULL;
}

/* {sa_family=AF_INET, sin_port=htons(80), sin_addr=inet_addr("127.0.0.1")} and the like, as the text that means the
 * same; NULL: another address, or no memory. */
static char *address_text(const char *whole)
{
	_cleanup_free_ char *four = cut(whole, "inet_addr(\"", "\""),
			    *six = cut(whole, "inet_pton(AF_INET6, \"", "\""),
			    *port = cut(whole, "_port=htons(", ")");
	char *name = cut(whole, "sun_path=\"", "\""), *text = NULL;

	if (name)
		return name;
	if (!port || (!four && !six) ||
	    asprintf(&text, four ? "%s:%s" : "[%s]:%s", four ? four : six, port) < 0)
		return NULL;
	return text;
}

static void take_address(struct reader *reader, char **ret_text)
{
	size_t start = reader->at;
	_cleanup_free_ char *whole = NULL;

	free(*ret_text);
	*ret_text = NULL;
	skip_struct(reader);
	if (reader->error < 0)
		return;
	whole = strndup(reader->source->text + start, reader->at - start);
	if (whole)
		*ret_text = address_text(whole);
	else
		reader->error = -ENOMEM;
}

/* ---- the call ---- */

static bool takes_how(int nr, unsigned index)
{
	const struct sp_call_info *info = sp_call_find(nr);

	return info && info->extra == SP_EXTRA_OPEN_HOW && info->flags == (int)index;
}

static bool takes_address(int nr, unsigned index)
{
	const struct sp_call_info *info = sp_call_find(nr);

	return info && info->extra == SP_EXTRA_ADDRESS && info->data == (int)index;
}

/* flags=…: strace names the arguments of clone, whose order depends on the architecture. Those that have
 * another name there are not looked at. */
static bool take_label(struct reader *reader, unsigned *index)
{
	size_t length = 0, rest = reader->source->length - reader->at;
	const char *start = reader->source->text + reader->at;
	_cleanup_free_ char *label = NULL;
	unsigned bits;

	while (length < rest && is_word(start[length]))
		length++;
	if (length == 0 || length == rest || start[length] != '=')
		return false;
	label = strndup(start, length);
	if (!label) {
		reader->error = -ENOMEM;
		return false;
	}
	reader->at += length + 1;
	if (!sp_argument_find(reader->call->nr, label, index, &bits))
		*index = SP_ARGUMENTS;
	return true;
}

/* A value whose place nobody knows. */
static void skip_value(struct reader *reader)
{
	while (!at_end(reader) && peek(reader) != ',' && peek(reader) != ')')
		if (strchr("{[(", peek(reader)))
			skip_struct(reader);
		else
			reader->at++;
}

static void take_argument(struct reader *reader)
{
	struct sp_invocation *call = reader->call;
	unsigned index = call->count;
	size_t start = reader->at;
	bool labelled = take_label(reader, &index);

	if (labelled && index == SP_ARGUMENTS) {
		skip_value(reader);
		return;
	}
	if (index >= sp_call_arity(call->nr)) {
		MISTAKE(reader, start, 1, NULL, "\"%s\" takes %u arguments", call->name,
			sp_call_arity(call->nr));
		return;
	}
	call->count = index < call->count ? call->count : index + 1;
	reader->at += peek(reader) == '~' || peek(reader) == '&'; /* ~[INT], &sa */
	if (peek(reader) == '"') {
		free(call->text[index]);
		call->text[index] = take_string(reader);
		call->argument[index] = SOME_POINTER;
	} else if (peek(reader) == '{' || peek(reader) == '[') {
		call->argument[index] = SOME_POINTER;
		if (takes_how(call->nr, index) && peek(reader) == '{')
			take_how(reader);
		else if (takes_address(call->nr, index))
			take_address(reader, &call->text[index]);
		else
			skip_struct(reader);
	} else {
		call->argument[index] = take_value(reader, index);
		if (peek(reader) == '<') {
			free(call->descriptor[index]);
			call->descriptor[index] = take_annotation(reader);
		}
	}
	call->place[index] = sp_place_at(reader->source, start, reader->at - start);
	skip_blanks(reader);
}

static void take_arguments(struct reader *reader)
{
	size_t opened = reader->at++;

	skip_blanks(reader);
	while (peek(reader) != ')' && reader->error == 0) {
		take_argument(reader);
		if (reader->error == 0 && peek(reader) != ')' && peek(reader) != ',') {
			if (at_end(reader))
				MISTAKE(reader, opened, 1, NULL, "the parenthesis is not closed");
			else
				MISTAKE(reader, reader->at, 1, NULL, "expected ',' or ')'");
		}
		if (reader->error == 0 && peek(reader) == ',') {
			reader->at++;
			skip_blanks(reader);
		}
	}
	reader->at += reader->error == 0;
	skip_blanks(reader);
	/* What strace tells of the result. */
	if (reader->error == 0 && peek(reader) == '=')
		while (!at_end(reader) && !looks_at(reader, "->"))
			reader->at++;
}

static void take_name(struct reader *reader)
{
	size_t start = reader->at;
	_cleanup_free_ char *name = take_word(reader);
	int nr = name ? sp_call_number(name) : SP_CALL_UNKNOWN;

	if (!name)
		MISTAKE(reader, start, 1, NULL,
			"expected a system call, like open(\"/etc/passwd\", O_RDONLY)");
	else if (nr == SP_CALL_UNKNOWN)
		MISTAKE(reader, start, strlen(name), sp_nearest(name, sp_candidate_call, NULL),
			"unknown system call \"%s\"", name);
	else if (nr == SP_CALL_FOREIGN)
		MISTAKE(reader, start, strlen(name), NULL, "this architecture has no call \"%s\"",
			name);
	if (reader->error < 0)
		return;
	reader->call->nr = nr;
	reader->call->begin = sp_place_at(reader->source, start, strlen(name));
	(void)snprintf(reader->call->name, sizeof(reader->call->name), "%s", name);
}

int sp_invocation_read(struct sp_reporter *reporter, const struct sp_source *source, size_t *at,
		       struct sp_invocation *ret)
{
	struct sp_invocation call = {0};
	struct reader reader = {reporter, source, *at, 0, &call};

	skip_blanks(&reader);
	take_name(&reader);
	skip_blanks(&reader);
	if (reader.error == 0 && peek(&reader) == '(')
		take_arguments(&reader);
	else
		while (reader.error == 0 && !at_end(&reader) && !looks_at(&reader, "->")) {
			take_argument(&reader);
			reader.at += peek(&reader) == ',';
			skip_blanks(&reader);
		}
	if (reader.error == 0 && !at_end(&reader) && !looks_at(&reader, "->"))
		MISTAKE(&reader, reader.at, 1, NULL, "the call is complete before this");
	*at = reader.at;
	if (reader.error < 0)
		sp_invocation_clear(&call);
	else
		*ret = call;
	return reader.error;
}

void sp_invocation_clear(struct sp_invocation *invocation)
{
	for (size_t i = 0; i < SP_ARGUMENTS; i++) {
		free(invocation->text[i]);
		free(invocation->descriptor[i]);
	}
	*invocation = (struct sp_invocation){0};
}
