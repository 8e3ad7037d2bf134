/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parameters of policies, and what stands for them and for the environment in words: $name,
 * ${name}, ${env:NAME}, and ~/ before a path. Values come from outside the policy; in a path they
 * are names, whatever characters they hold.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/util.h"
#include "policy/glob.h"
#include "policy/interpret.h"

#define PARAMETERS_MAX 64
#define ENVIRONMENT "env:"

/* ---- words with references ---- */

struct expansion {
	struct sp_reading *reading;
	const struct sp_word *word;
	enum sp_expansion how;
	FILE *out;
	const char *at;
	bool in_set; /* within [ ] of a pattern */
};

/* Where in the word something is, as a place of the text. */
static struct sp_place place_of(const struct expansion *e, const char *start, size_t length)
{
	struct sp_place place = e->word->place;

	place.column += (unsigned)(start - e->word->text) + e->word->quoted;
	place.length = length;
	return place;
}

static bool misplaced(const struct expansion *e, const char *start, size_t length,
		      const char *message)
{
	SP_MISTAKE(e->reading, place_of(e, start, length), NULL, "%s", message);
	return false;
}

static size_t name_length(const char *text)
{
	size_t length = 0;

	if (!isalpha((unsigned char)text[0]) && text[0] != '_')
		return 0;
	while (isalnum((unsigned char)text[length]) || text[length] == '_')
		length++;
	return length;
}

static const char *candidate_binding(size_t index, const void *data)
{
	const struct sp_reading *reading = data;

	return index < reading->binding_count ? reading->bindings[index].name->text : NULL;
}

static struct sp_binding *find_binding(const struct sp_reading *reading, const char *name,
				       size_t length)
{
	for (size_t i = 0; i < reading->binding_count; i++) {
		struct sp_binding *binding = &reading->bindings[i];

		if (strlen(binding->name->text) == length &&
		    memcmp(binding->name->text, name, length) == 0)
			return binding;
	}
	return NULL;
}

static void unknown_parameter(const struct expansion *e, const char *name, size_t length)
{
	_cleanup_free_ char *copy = strndup(name, length);

	if (!copy)
		sp_note_error(e->reading, -ENOMEM);
	else
		SP_MISTAKE(e->reading, place_of(e, name, length),
			   sp_nearest(copy, candidate_binding, e->reading),
			   "the policy has no parameter \"%s\"", copy);
}

/* The value of a reference; NULL: it has none, which is told where that is a mistake. */
static const char *value_of(const struct expansion *e, const char *name, size_t length)
{
	struct sp_binding *binding = find_binding(e->reading, name, length);

	if (!binding) {
		unknown_parameter(e, name, length);
		return NULL;
	}
	binding->used = true;
	return binding->value;
}

static const char *environment_value(const struct expansion *e, const char *name, size_t length)
{
	_cleanup_free_ char *copy = strndup(name, length);
	const char *value = copy ? getenv(copy) : NULL;

	if (!copy)
		sp_note_error(e->reading, -ENOMEM);
	else if (!value && !e->reading->lenient)
		SP_MISTAKE(e->reading, place_of(e, name, length), NULL,
			   "the environment has no variable \"%s\"", copy);
	return value;
}

/* What a value may not be in a path, or NULL. */
static const char *value_mistake(const char *value)
{
	if (value[0] == '\0')
		return "the value is empty";
	for (const char *at = value; *at; at++)
		if ((unsigned char)*at < 0x20 || *at == 0x7f)
			return "the value holds a control character";
	return NULL;
}

/* A slash at the end of a value would double the one that follows it. */
static size_t length_in_path(const char *value, char next)
{
	size_t length = strlen(value);

	while (length > (next == '\0' ? 1 : 0) && (next == '/' || next == '\0') &&
	       value[length - 1] == '/')
		length--;
	return length;
}

static bool write_value(struct expansion *e, const char *start, const char *value)
{
	size_t written = (size_t)(e->at - start);
	const char *mistake = value_mistake(value);
	size_t length;

	if (e->how == SP_EXPAND_VALUE)
		return fputs(value, e->out) >= 0;
	if (e->in_set)
		return misplaced(e, start, written, "a value can't stand within a [set]");
	if (mistake)
		return misplaced(e, start, written, mistake);
	length = length_in_path(value, *e->at);
	for (size_t i = 0; i < length; i++)
		(void)fprintf(e->out, strchr("*?[", value[i]) ? "[%c]" : "%c", value[i]);
	return true;
}

/* ${name} or ${env:NAME}, from behind the brace on. */
static bool expand_braces(struct expansion *e, const char *start)
{
	size_t prefix =
	    strncmp(e->at, ENVIRONMENT, strlen(ENVIRONMENT)) == 0 ? strlen(ENVIRONMENT) : 0;
	const char *name = e->at + prefix, *value;
	size_t length = name_length(name);

	if (length == 0 || name[length] != '}')
		return misplaced(e, start, (size_t)(name + length - start),
				 "expected \"${NAME}\" or \"${env:NAME}\"");
	value = prefix ? environment_value(e, name, length) : value_of(e, name, length);
	e->at = name + length + 1;
	return value && write_value(e, start, value);
}

/* What a '$' begins. */
static bool expand_reference(struct expansion *e)
{
	const char *start = e->at++, *value;
	size_t length = name_length(e->at);

	if (*e->at == '$')
		return fputc(*e->at++, e->out) >= 0;
	if (*e->at == '{') {
		e->at++;
		return expand_braces(e, start);
	}
	if (length == 0)
		return misplaced(e, start, 1,
				 "'$' stands before the name of a parameter; for the character "
				 "itself, write \"$$\"");
	value = value_of(e, e->at, length);
	e->at += length;
	return value && write_value(e, start, value);
}

static bool expand_home(struct expansion *e)
{
	static const char home[] = "HOME";
	const char *value;

	if (e->how != SP_EXPAND_PATH || (strncmp(e->at, "~/", 2) != 0 && strcmp(e->at, "~") != 0))
		return true;
	value = getenv(home);
	if (!value) {
		if (!e->reading->lenient)
			(void)misplaced(e, e->at, 1, "'~' needs the environment variable HOME");
		return false;
	}
	e->at++;
	return write_value(e, e->at - 1, value);
}

static bool expand(struct expansion *e)
{
	if (!expand_home(e))
		return false;
	while (*e->at) {
		if (*e->at == '$') {
			if (!expand_reference(e))
				return false;
			continue;
		}
		if (*e->at == '[')
			e->in_set = true;
		else if (*e->at == ']' || *e->at == '/')
			e->in_set = false;
		(void)fputc(*e->at++, e->out);
	}
	return true;
}

char *sp_expand(struct sp_reading *reading, const struct sp_word *word, enum sp_expansion how)
{
	struct expansion e = {.reading = reading, .word = word, .how = how, .at = word->text};
	char *text = NULL;
	size_t size;
	bool done;

	/* Most words refer to nothing. */
	if (!strchr(word->text, '$') && !(how == SP_EXPAND_PATH && word->text[0] == '~')) {
		text = strdup(word->text);
		if (!text)
			sp_note_error(reading, -ENOMEM);
		return text;
	}
	e.out = open_memstream(&text, &size);
	if (!e.out) {
		sp_note_error(reading, -ENOMEM);
		return NULL;
	}
	done = expand(&e);
	if (ferror(e.out) || fclose(e.out) != 0) {
		sp_note_error(reading, -ENOMEM);
		done = false;
	}
	if (done)
		return text;
	free(text);
	return NULL;
}

/* ---- declarations and values ---- */

static const struct sp_given *find_given(const struct sp_wanted *wanted, const char *name)
{
	for (size_t i = 0; i < wanted->given_count; i++)
		if (strcmp(wanted->given[i].name, name) == 0)
			return &wanted->given[i];
	return NULL;
}

/* The value that a parameter gets, to be freed; NULL: none. */
static char *choose_value(struct sp_reading *reading, const struct sp_declared *declared,
			  const struct sp_wanted *wanted)
{
	const struct sp_given *given = find_given(wanted, declared->name->text);
	char *copy;

	if (given) {
		copy = strdup(given->value);
		if (!copy)
			sp_note_error(reading, -ENOMEM);
		return copy;
	}
	if (declared->value)
		return sp_expand(reading, declared->value, SP_EXPAND_VALUE);
	if (!reading->lenient)
		SP_MISTAKE(wanted->by ? wanted->by : reading,
			   wanted->by ? wanted->place : declared->name->place, NULL,
			   "the parameter \"%s\" needs a value", declared->name->text);
	return NULL;
}

static bool check_declared(struct sp_reading *reading, const struct sp_declared *declared)
{
	const char *name = declared->name->text;

	if (declared->name->quoted || name_length(name) != strlen(name)) {
		SP_MISTAKE(reading, declared->name->place, NULL,
			   "a parameter is named by letters, digits and '_'");
		return false;
	}
	if (find_binding(reading, name, strlen(name))) {
		SP_MISTAKE(reading, declared->name->place, NULL,
			   "the parameter \"%s\" is named twice", name);
		return false;
	}
	if (reading->binding_count == PARAMETERS_MAX) {
		SP_MISTAKE(reading, declared->name->place, NULL,
			   "a policy has at most %d parameters", PARAMETERS_MAX);
		return false;
	}
	return true;
}

static void check_given(struct sp_reading *reading, const struct sp_wanted *wanted,
			const struct sp_word *policy)
{
	for (size_t i = 0; i < wanted->given_count; i++) {
		const struct sp_given *given = &wanted->given[i];

		if (!find_binding(reading, given->name, strlen(given->name)))
			SP_MISTAKE(wanted->by ? wanted->by : reading,
				   wanted->by ? given->place : policy->place,
				   sp_nearest(given->name, candidate_binding, reading),
				   "the policy \"%s\" has no parameter \"%s\"", policy->text,
				   given->name);
		else if (find_given(wanted, given->name) != given)
			SP_MISTAKE(wanted->by ? wanted->by : reading,
				   wanted->by ? given->place : policy->place, NULL,
				   "the parameter \"%s\" is given twice", given->name);
	}
}

void sp_bind_parameters(struct sp_reading *reading, const struct sp_term *head,
			const struct sp_wanted *wanted)
{
	reading->bindings = calloc(PARAMETERS_MAX, sizeof(*reading->bindings));
	if (!reading->bindings) {
		sp_note_error(reading, -ENOMEM);
		return;
	}
	for (const struct sp_declared *d = head->parameters; d; d = d->next) {
		struct sp_binding *binding = &reading->bindings[reading->binding_count];

		if (!check_declared(reading, d))
			continue;
		binding->value = choose_value(reading, d, wanted);
		binding->name = d->name;
		reading->binding_count++;
	}
	check_given(reading, wanted, head->word);
}

void sp_unbind_parameters(struct sp_reading *reading, bool check)
{
	for (size_t i = 0; i < reading->binding_count; i++) {
		struct sp_binding *binding = &reading->bindings[i];

		if (check && !binding->used)
			SP_MISTAKE(reading, binding->name->place, NULL,
				   "the parameter \"%s\" is never used", binding->name->text);
		free(binding->value);
	}
	free(reading->bindings);
	reading->bindings = NULL;
	reading->binding_count = 0;
}

void sp_clear_given(struct sp_wanted *wanted)
{
	for (size_t i = 0; i < wanted->given_count; i++)
		free(wanted->given[i].value);
	free(wanted->given);
	wanted->given = NULL;
	wanted->given_count = 0;
}

bool sp_read_given(struct sp_reading *reading, const struct sp_term *term, struct sp_wanted *wanted)
{
	wanted->given = calloc(PARAMETERS_MAX, sizeof(*wanted->given));
	if (!wanted->given)
		sp_note_error(reading, -ENOMEM);
	for (const struct sp_declared *d = term->parameters; wanted->given && d; d = d->next) {
		char *value = NULL;

		if (!d->value || wanted->given_count == PARAMETERS_MAX)
			SP_MISTAKE(reading, d->name->place, NULL,
				   d->value ? "too many values"
					    : "expected NAME = VALUE for a parameter");
		else
			value = sp_expand(reading, d->value, SP_EXPAND_VALUE);
		if (!value) {
			sp_clear_given(wanted);
			return false;
		}
		wanted->given[wanted->given_count++] =
		    (struct sp_given){d->name->text, value, d->name->place};
	}
	return wanted->given;
}
