/* SPDX-License-Identifier: Apache-2.0 */
/* The sections that hold a process whatever it calls: `limits`, `isolate` and `memory`. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/util.h"
#include "policy/export.h"
#include "policy/interpret.h"

/* ---- limits ---- */

struct unit {
	const char *suffix;
	uint64_t scale;
};

static const struct unit bytes[] = {{"B", 1},
				    {"K", UINT64_C(1) << 10},
				    {"M", UINT64_C(1) << 20},
				    {"G", UINT64_C(1) << 30},
				    {"T", UINT64_C(1) << 40},
				    {0}};
static const struct unit seconds[] = {{"s", 1}, {"m", 60}, {"h", 3600}, {0}};
static const struct unit milliseconds[] = {
    {"ms", 1}, {"s", 1000}, {"m", 60 * 1000}, {"h", 3600 * 1000}, {0}};
static const struct unit plain[] = {{"", 1}, {0}};

static const struct {
	const char *name;
	const struct unit *units;
	uint64_t most;
	const char *form; /* for the diagnostic */
} limits[SP_LIMIT_COUNT] = {
    [SP_LIMIT_MEMORY] = {"memory", bytes, INT64_MAX, "bytes with B, K, M, G or T, like 256M"},
    [SP_LIMIT_CPU] = {"cpu", seconds, INT32_MAX, "whole seconds with s, m or h, like 5s"},
    [SP_LIMIT_WALL] = {"wall", milliseconds, INT64_MAX / 1000000,
		       "a time with ms, s, m or h, like 10s"},
    [SP_LIMIT_FILES] = {"files", plain, 1 << 20, "a number, like 64"},
    [SP_LIMIT_PROCESSES] = {"processes", plain, 1 << 22, "a number, like 1"},
    [SP_LIMIT_FILE_SIZE] = {"file-size", bytes, INT64_MAX, "bytes with B, K, M, G or T, like 1G"},
};

bool sp_valid_limit(enum sp_limit limit, uint64_t value)
{
	return value > 0 && value <= limits[limit].most;
}

const char *sp_limit_name(enum sp_limit limit)
{
	return limits[limit].name;
}

const char *sp_limit_unit(enum sp_limit limit)
{
	return limits[limit].units[0].suffix;
}

static const char *candidate_limit(size_t index, const void *unused)
{
	(void)unused;
	return index < SP_LIMIT_COUNT ? limits[index].name : NULL;
}

static int find_limit(const char *name)
{
	for (int i = 0; i < SP_LIMIT_COUNT; i++)
		if (strcmp(limits[i].name, name) == 0)
			return i;
	return -1;
}

/* 0, -EINVAL (not of the form), -ERANGE. */
static int parse_limit(const char *text, int limit, uint64_t *ret_value)
{
	uint64_t value = 0;
	bool overflow = false;
	const char *at = text;

	for (; isdigit((unsigned char)*at); at++) {
		overflow |= __builtin_mul_overflow(value, 10u, &value);
		overflow |= __builtin_add_overflow(value, (uint64_t)(*at - '0'), &value);
	}
	if (at == text)
		return -EINVAL;
	for (const struct unit *unit = limits[limit].units; unit->suffix; unit++) {
		if (strcmp(unit->suffix, at) != 0)
			continue;
		overflow |= __builtin_mul_overflow(value, unit->scale, &value);
		if (overflow || !sp_valid_limit((enum sp_limit)limit, value))
			return -ERANGE;
		*ret_value = value;
		return 0;
	}
	return -EINVAL;
}

SP_EXPORT int sp_policy_limit(struct sp_policy *policy, const char *name, const char *value)
{
	int limit = find_limit(name), r;
	_cleanup_free_ char *source = NULL;
	uint64_t number;

	if (limit < 0)
		return -EINVAL;
	r = parse_limit(value, limit, &number);
	if (r < 0)
		return r;
	if (asprintf(&source, "limit %s=%s", name, value) < 0)
		return -ENOMEM;
	sp_model_forget_compiled(policy);
	return sp_model_set(&policy->limits[limit], 0, number, source);
}

static void set_limit(struct sp_reading *reading, int limit, const struct sp_word *value)
{
	_cleanup_free_ char *source = sp_source_of(reading, value->place);
	_cleanup_free_ char *text = sp_expand(reading, value, SP_EXPAND_VALUE);
	uint64_t number;
	int r = text ? parse_limit(text, limit, &number) : 0;

	if (!text)
		return;
	if (r == -EINVAL)
		SP_MISTAKE(reading, value->place, NULL,
			   "\"%s\" is no value for \"%s\": expected %s", text, limits[limit].name,
			   limits[limit].form);
	else if (r == -ERANGE)
		SP_MISTAKE(reading, value->place, NULL,
			   "\"%s\" is out of range for \"%s\": 1 to %llu", text, limits[limit].name,
			   (unsigned long long)limits[limit].most);
	else if (source)
		sp_note_error(reading, sp_model_set(&reading->policy->limits[limit], reading->depth,
						    number, source));
}

void sp_interpret_limit(struct sp_reading *reading, const struct sp_statement *statement)
{
	const struct sp_word *name = sp_single_word(statement->phrases),
			     *value = sp_single_word(sp_phrase_at(statement, 1));
	int limit = name ? find_limit(name->text) : -1;

	if (limit < 0) {
		sp_misspelt(reading, statement->phrases->terms, "limit", candidate_limit, NULL);
		return;
	}
	if (!value) {
		SP_MISTAKE(reading, name->place, NULL, "\"%s\" needs one value: %s", name->text,
			   limits[limit].form);
		return;
	}
	if (!sp_ends_at(reading, statement, 2))
		return;
	if (reading->limits_seen & (1u << limit))
		SP_MISTAKE(reading, name->place, NULL, "\"%s\" is limited twice", name->text);
	reading->limits_seen |= 1u << limit;
	reading->limit_places[limit] = sp_own_place(reading, value->place);
	set_limit(reading, limit, value);
}

/* ---- isolate ---- */

static const char *const layers[] = {"user", "pid", "mount", "network", "ipc", "uts", "landlock"};
_Static_assert(SP_ISOLATE_ALL == (1 << SP_ELEMENTS(layers)) - 1, "a layer has no name");

const char *sp_layer_name(uint32_t layer)
{
	return layers[__builtin_ctz(layer)];
}

static const char *candidate_layer(size_t index, const void *unused)
{
	(void)unused;
	return index < SP_ELEMENTS(layers) ? layers[index] : NULL;
}

static uint32_t find_layer(const char *name)
{
	for (size_t i = 0; i < SP_ELEMENTS(layers); i++)
		if (strcmp(layers[i], name) == 0)
			return 1u << i;
	return 0;
}

static const char *candidate_optional(size_t index, const void *unused)
{
	(void)unused;
	return index == 0 ? "optional" : NULL;
}

void sp_interpret_layer(struct sp_reading *reading, const struct sp_statement *statement)
{
	const struct sp_word *name = sp_single_word(statement->phrases),
			     *optional = sp_single_word(sp_phrase_at(statement, 1));
	uint32_t layer = name ? find_layer(name->text) : 0;

	if (layer == 0) {
		sp_misspelt(reading, statement->phrases->terms, "layer", candidate_layer, NULL);
		return;
	}
	if (reading->layers & layer)
		SP_MISTAKE(reading, name->place, NULL, "\"%s\" is named twice", name->text);
	reading->layers |= layer;
	if (!optional) {
		(void)sp_ends_at(reading, statement, 1);
		return;
	}
	if (strcmp(optional->text, "optional") != 0) {
		SP_MISTAKE(
		    reading, optional->place, sp_nearest(optional->text, candidate_optional, NULL),
		    "unexpected \"%s\": a layer may be followed by \"optional\"", optional->text);
		return;
	}
	if (layer & (SP_ISOLATE_PID | SP_ISOLATE_USER))
		SP_MISTAKE(reading, optional->place, NULL,
			   "\"%s\" can't be optional: no sandbox is built without it", name->text);
	reading->optional_layers |= layer;
	(void)sp_ends_at(reading, statement, 2);
}

void sp_finish_isolate(struct sp_reading *reading, const struct sp_statement *section)
{
	_cleanup_free_ char *source = sp_source_of(reading, section->place);
	unsigned depth = reading->depth;

	if (!source)
		return;
	for (size_t i = 0; i < SP_ELEMENTS(layers); i++)
		if ((SP_ISOLATE_PID | SP_ISOLATE_USER) & ~reading->layers & (1u << i))
			SP_MISTAKE(reading, section->place, NULL,
				   "\"isolate\" lacks \"%s\": no sandbox is built without it",
				   layers[i]);
	sp_note_error(reading,
		      sp_model_set(&reading->policy->isolate, depth, reading->layers, source));
	sp_note_error(reading, sp_model_set(&reading->policy->optional_layers, depth,
					    reading->optional_layers, source));
}

/* ---- memory ---- */

static const char *candidate_wx(size_t index, const void *unused)
{
	static const char *const words[] = {"wx", "deny", "allow"};

	(void)unused;
	return index < SP_ELEMENTS(words) ? words[index] : NULL;
}

void sp_interpret_memory(struct sp_reading *reading, const struct sp_statement *statement)
{
	const struct sp_word *wx = sp_single_word(statement->phrases),
			     *verdict = sp_single_word(sp_phrase_at(statement, 1));
	_cleanup_free_ char *source = sp_source_of(reading, statement->place);
	bool allow;

	if (!wx || strcmp(wx->text, "wx") != 0) {
		sp_misspelt(reading, statement->phrases->terms, "memory rule", candidate_wx, NULL);
		return;
	}
	allow = verdict && strcmp(verdict->text, "allow") == 0;
	if (!verdict || (!allow && strcmp(verdict->text, "deny") != 0)) {
		SP_MISTAKE(reading, verdict ? verdict->place : wx->place,
			   verdict ? sp_nearest(verdict->text, candidate_wx, NULL) : NULL,
			   "expected \"wx deny\" or \"wx allow\"");
		return;
	}
	if (reading->depth == 0 && reading->policy->wx.set && reading->policy->wx.depth == 0 &&
	    reading->policy->wx.value != allow)
		SP_MISTAKE(reading, statement->place, NULL,
			   "\"wx\" is said otherwise already, at %s", reading->policy->wx.source);
	if (source && sp_ends_at(reading, statement, 2))
		sp_note_error(reading,
			      sp_model_set(&reading->policy->wx, reading->depth, allow, source));
}
