/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/interpret.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/util.h"
#include "policy/export.h"
#include "policy/glob.h"
#include "policy/names.h"
#include "policy/twins.h"

/* A name travels in reports and file names. */
#define NAME_MAX_LENGTH 64

void sp_note_error(struct sp_reading *reading, int r)
{
	if (r < 0 && reading->error == 0)
		reading->error = r;
}

char *sp_source_of(struct sp_reading *reading, struct sp_place place)
{
	char *source;

	if (asprintf(&source, "%s:%u:%u", reading->source->file, place.line, place.column) >= 0)
		return source;
	sp_note_error(reading, -ENOMEM);
	return NULL;
}

const struct sp_phrase *sp_phrase_at(const struct sp_statement *statement, size_t index)
{
	const struct sp_phrase *phrase = statement->phrases;

	while (phrase && index-- > 0)
		phrase = phrase->next;
	return phrase;
}

const struct sp_term *sp_single_term(const struct sp_phrase *phrase)
{
	return phrase && !phrase->terms->next && !phrase->terms->condition ? phrase->terms : NULL;
}

const struct sp_word *sp_single_word(const struct sp_phrase *phrase)
{
	const struct sp_term *term = sp_single_term(phrase);

	return term && !term->parameters ? term->word : NULL;
}

bool sp_ends_at(struct sp_reading *reading, const struct sp_statement *statement, size_t index)
{
	const struct sp_phrase *extra = sp_phrase_at(statement, index);

	if (!extra)
		return true;
	SP_MISTAKE(reading, extra->terms->word->place, NULL,
		   "unexpected \"%s\": the statement is complete before it",
		   extra->terms->word->text);
	return false;
}

bool sp_is_misplaced(struct sp_reading *reading, const struct sp_term *term, const char *nearest)
{
	const char *word = term->word->text;

	if (!nearest || strcmp(nearest, word) != 0)
		return false;
	if (term->condition || term->parameters)
		SP_MISTAKE(reading, term->word->place, NULL, "\"%s\" takes no parentheses here",
			   word);
	else if (term->next)
		SP_MISTAKE(reading, term->next->word->place, NULL,
			   "unexpected \"%s\": no comma belongs between \"%s\" and what follows it",
			   term->next->word->text, word);
	else
		SP_MISTAKE(reading, term->word->place, NULL, "\"%s\" belongs in no list", word);
	return true;
}

void sp_misspelt(struct sp_reading *reading, const struct sp_term *term, const char *what,
		 sp_candidate_fn *candidate, const void *data)
{
	const char *nearest = sp_nearest(term->word->text, candidate, data);

	if (!sp_is_misplaced(reading, term, nearest))
		SP_MISTAKE(reading, term->word->place, nearest, "unknown %s \"%s\"", what,
			   term->word->text);
}

static const char *candidate_as(size_t index, const void *unused)
{
	(void)unused;
	return index == 0 ? "as" : NULL;
}

bool sp_read_errno(struct sp_reading *reading, const struct sp_word *word, int *ret_error)
{
	_cleanup_free_ char *name = sp_expand(reading, word, SP_EXPAND_VALUE);
	char *end;

	if (!name)
		return false;
	if (isdigit((unsigned char)name[0])) {
		unsigned long number = strtoul(name, &end, 10);

		if (*end == '\0' && number > 0 && number <= SP_ERRNO_MAX) {
			*ret_error = (int)number;
			return true;
		}
		SP_MISTAKE(reading, word->place, NULL, "\"%s\" is no errno: 1 to %u", name,
			   SP_ERRNO_MAX);
		return false;
	}
	if (sp_errno_find(name, ret_error))
		return true;
	SP_MISTAKE(reading, word->place, sp_nearest(name, sp_candidate_errno, NULL),
		   "unknown errno \"%s\"", name);
	return false;
}

bool sp_read_as(struct sp_reading *reading, const struct sp_statement *statement, size_t index,
		int *ret_error)
{
	const struct sp_phrase *phrase = sp_phrase_at(statement, index);
	const struct sp_word *as = sp_single_word(phrase), *name;

	if (!phrase)
		return true;
	if (!as || strcmp(as->text, "as") != 0) {
		SP_MISTAKE(reading, phrase->terms->word->place,
			   sp_nearest(phrase->terms->word->text, candidate_as, NULL),
			   "unexpected \"%s\", expected \"as\" and an errno",
			   phrase->terms->word->text);
		return false;
	}
	name = sp_single_word(sp_phrase_at(statement, index + 1));
	if (!name) {
		SP_MISTAKE(reading, as->place, NULL, "\"as\" needs one errno after it");
		return false;
	}
	return sp_read_errno(reading, name, ret_error) && sp_ends_at(reading, statement, index + 2);
}

/* ---- files --------------------------------------------------------------------------------------
 */

static const char *candidate_file_verb(size_t index, const void *unused)
{
	static const char *const words[] = {"deny", "ask"};

	return index < SP_ELEMENTS(words) ? words[index]
					  : sp_candidate_right(index - SP_ELEMENTS(words), unused);
}

static const char nobody_asked[] =
    "\"ask\" is about files and system calls: sockets and addresses are granted, or denied, by "
    "\"network\" alone";

/* `candidate`: sp_candidate_right where the application is asked. */
static bool read_rights(struct sp_reading *reading, const struct sp_phrase *phrase,
			sp_candidate_fn *candidate, uint32_t *ret)
{
	const uint32_t sockets = SP_RIGHT_CONNECT | SP_RIGHT_BIND;
	uint32_t rights = 0;

	for (const struct sp_term *term = phrase->terms; term; term = term->next) {
		uint32_t right = sp_right_find(term->word->text);

		if (right == 0 || term->condition) {
			sp_misspelt(reading, term, "right", candidate, NULL);
			return false;
		}
		if (candidate == sp_candidate_right && sockets & right) {
			SP_MISTAKE(reading, term->word->place, NULL, "%s", nobody_asked);
			return false;
		}
		if (sockets & right) {
			SP_MISTAKE(reading, term->word->place, NULL,
				   "sockets are named in the section \"network\", like "
				   "\"connect unix /run/app.sock\"");
			return false;
		}
		if (rights & right) {
			SP_MISTAKE(reading, term->word->place, NULL,
				   "the right \"%s\" is named twice", term->word->text);
			return false;
		}
		rights |= right;
	}
	*ret = rights;
	return true;
}

/* What is wrong with a pattern or address, told where it begins; once values stood in it, for the whole word. */
static void word_mistake(struct sp_reading *reading, const struct sp_word *word, const char *text,
			 size_t offset, const char *mistake)
{
	struct sp_place place = word->place;

	if (strcmp(text, word->text) != 0) {
		SP_MISTAKE(reading, place, NULL, "%s: \"%s\"", mistake, text);
		return;
	}
	place.column += (unsigned)(offset + word->quoted);
	place.length = 1;
	SP_MISTAKE(reading, place, NULL, "%s", mistake);
}

static void add_pattern(struct sp_reading *reading, const struct sp_term *term,
			struct sp_path_rule rule)
{
	struct sp_place place = term->word->place;
	_cleanup_free_ char *source = sp_source_of(reading, place), *pattern = NULL;
	const struct sp_path_rule *other;
	const char *mistake;
	size_t offset;

	if (term->condition) {
		place.length = 1;
		SP_MISTAKE(reading, place, NULL, "a path takes no conditions");
		return;
	}
	pattern = sp_expand(reading, term->word, SP_EXPAND_PATH);
	if (!source || !pattern)
		return;
	mistake = sp_glob_mistake((struct sp_text){pattern, strlen(pattern)}, &offset);
	if (mistake) {
		word_mistake(reading, term->word, pattern, offset, mistake);
		return;
	}
	other = sp_model_find_path(reading->policy, pattern);
	if (sp_model_contradicts(other, rule.rights)) {
		SP_MISTAKE(reading, place, NULL,
			   "\"%s\" is both granted and denied; the other rule is %s", pattern,
			   other->source);
		return;
	}
	rule.pattern = pattern;
	rule.source = source;
	rule.place = sp_own_place(reading, place);
	sp_note_error(reading, sp_model_add_path(reading->policy, &rule));
}

static void add_patterns(struct sp_reading *reading, const struct sp_statement *statement,
			 size_t index, const struct sp_phrase *before,
			 const struct sp_path_rule *rule)
{
	const struct sp_phrase *patterns = sp_phrase_at(statement, index);
	bool deny = rule->rights == 0;
	struct sp_path_rule copy = *rule;

	if (!patterns) {
		SP_MISTAKE(reading, statement->place, NULL, "a path is missing after \"%s\"",
			   before->terms->word->text);
		return;
	}
	if (!(deny ? sp_read_as(reading, statement, index + 1, &copy.error)
		   : sp_ends_at(reading, statement, index + 1)))
		return;
	for (const struct sp_term *term = patterns->terms; term; term = term->next)
		add_pattern(reading, term, copy);
}

static void interpret_file(struct sp_reading *reading, const struct sp_statement *statement)
{
	const struct sp_word *verb = sp_single_word(statement->phrases);
	bool ask = verb && strcmp(verb->text, "ask") == 0;
	const struct sp_phrase *rights = sp_phrase_at(statement, ask);
	struct sp_path_rule rule = {.ask = ask};

	if (verb && strcmp(verb->text, "deny") == 0) {
		rule.error = EACCES;
		add_patterns(reading, statement, 1, statement->phrases, &rule);
	} else if (!rights) {
		SP_MISTAKE(reading, statement->place, NULL,
			   "\"ask\" needs rights and paths after it");
	} else if (read_rights(reading, rights, ask ? sp_candidate_right : candidate_file_verb,
			       &rule.rights)) {
		add_patterns(reading, statement, (size_t)ask + 1, rights, &rule);
	}
}

/* ---- network ---- */

static const char *candidate_network_verb(size_t index, const void *unused)
{
	static const char *const words[] = {"connect", "bind", "deny"};

	(void)unused;
	return index < SP_ELEMENTS(words) ? words[index] : NULL;
}

static const char *candidate_family(size_t index, const void *unused)
{
	static const char *const words[] = {"tcp", "unix"};

	(void)unused;
	return index < SP_ELEMENTS(words) ? words[index] : NULL;
}

static void add_address(struct sp_reading *reading, const struct sp_term *term, int error)
{
	struct sp_place place = term->word->place;
	_cleanup_free_ char *source = sp_source_of(reading, place), *text = NULL;
	struct sp_address_rule rule = {.error = error, .source = source};
	const struct sp_address_rule *other;
	const char *mistake;
	size_t offset;
	int r;

	if (term->condition) {
		place.length = 1;
		SP_MISTAKE(reading, place, NULL, "an address takes no conditions");
		return;
	}
	text = sp_expand(reading, term->word, SP_EXPAND_VALUE);
	if (!source || !text)
		return;
	if (!sp_address_read(text, &rule.address, &mistake, &offset)) {
		word_mistake(reading, term->word, text, offset, mistake);
		return;
	}
	rule.place = sp_own_place(reading, place);
	r = sp_model_add_address(reading->policy, &rule, &other);
	if (r == -EEXIST)
		SP_MISTAKE(reading, place, NULL,
			   "\"%s\" is both granted and denied; the other rule is %s", text,
			   other->source);
	else
		sp_note_error(reading, r);
}

static void add_addresses(struct sp_reading *reading, const struct sp_statement *statement,
			  bool deny)
{
	const struct sp_phrase *addresses = sp_phrase_at(statement, 2);
	int error = deny ? EACCES : 0;

	if (!addresses) {
		SP_MISTAKE(reading, statement->place, NULL,
			   "an address is missing after \"tcp\", like 127.0.0.1:8080");
		return;
	}
	if (!(deny ? sp_read_as(reading, statement, 3, &error) : sp_ends_at(reading, statement, 3)))
		return;
	for (const struct sp_term *term = addresses->terms; term; term = term->next)
		add_address(reading, term, error);
}

/* What a statement without a family lacks, by its verb. */
static const char *network_example(const char *verb)
{
	if (strcmp(verb, "bind") == 0)
		return "\"bind\" needs a family and names after it, like "
		       "\"bind unix /run/app.sock\"";
	if (strcmp(verb, "deny") == 0)
		return "\"deny\" needs a family and addresses after it, like "
		       "\"deny tcp 10.0.0.0/8:*\"";
	return "\"connect\" needs a family and names after it, like \"connect tcp "
	       "127.0.0.1:8080\" or \"connect unix /run/app.sock\"";
}

/* NULL: the family is none that the verb takes, and nobody could mean another one. */
static const char *family_mistake(const char *verb, const char *family)
{
	if (strcmp(verb, "bind") == 0 && strcmp(family, "tcp") == 0)
		return "no policy lets TCP sockets be bound: servers are not given";
	if (strcmp(verb, "deny") == 0 && strcmp(family, "unix") == 0)
		return "names are denied in the section \"files\": \"deny\" there takes every "
		       "right, this one too";
	return NULL;
}

static void interpret_family(struct sp_reading *reading, const struct sp_statement *statement,
			     const char *verb)
{
	const struct sp_phrase *phrase = sp_phrase_at(statement, 1);
	const struct sp_word *word = sp_single_word(phrase);
	const char *family = word ? word->text : "", *wrong = family_mistake(verb, family),
		   *nearest = sp_nearest(phrase->terms->word->text, candidate_family, NULL);
	const struct sp_path_rule rule = {.rights = strcmp(verb, "bind") == 0 ? SP_RIGHT_BIND
									      : SP_RIGHT_CONNECT};

	if (wrong)
		SP_MISTAKE(reading, phrase->terms->word->place, NULL, "%s", wrong);
	else if (strcmp(family, "tcp") == 0)
		add_addresses(reading, statement, strcmp(verb, "deny") == 0);
	else if (strcmp(family, "unix") == 0)
		add_patterns(reading, statement, 2, phrase, &rule);
	else if (!sp_is_misplaced(reading, phrase->terms, nearest))
		SP_MISTAKE(reading, phrase->terms->word->place, nearest,
			   "unknown family \"%s\", expected \"tcp\" or \"unix\"",
			   phrase->terms->word->text);
}

static void interpret_network(struct sp_reading *reading, const struct sp_statement *statement)
{
	const struct sp_word *verb = sp_single_word(statement->phrases);
	const char *word;
	size_t index = 0;

	while ((word = candidate_network_verb(index, NULL)) &&
	       (!verb || strcmp(verb->text, word) != 0))
		index++;
	if (!word && verb && strcmp(verb->text, "ask") == 0)
		SP_MISTAKE(reading, verb->place, NULL, "%s", nobody_asked);
	else if (!word)
		sp_misspelt(reading, statement->phrases->terms, "statement of a network",
			    candidate_network_verb, NULL);
	else if (!sp_phrase_at(statement, 1))
		SP_MISTAKE(reading, statement->place, NULL, "%s", network_example(word));
	else
		interpret_family(reading, statement, word);
}

/* ---- limits -------------------------------------------------------------------------------------
 */

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

static void interpret_limit(struct sp_reading *reading, const struct sp_statement *statement)
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

/* ---- isolate, memory ----------------------------------------------------------------------------
 */

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

static void interpret_layer(struct sp_reading *reading, const struct sp_statement *statement)
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

static void finish_isolate(struct sp_reading *reading, const struct sp_statement *section)
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

static const char *candidate_wx(size_t index, const void *unused)
{
	static const char *const words[] = {"wx", "deny", "allow"};

	(void)unused;
	return index < SP_ELEMENTS(words) ? words[index] : NULL;
}

static void interpret_memory(struct sp_reading *reading, const struct sp_statement *statement)
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
	if (source && sp_ends_at(reading, statement, 2))
		sp_note_error(reading,
			      sp_model_set(&reading->policy->wx, reading->depth, allow, source));
}

/* ---- the top ------------------------------------------------------------------------------------
 */

typedef void statement_fn(struct sp_reading *reading, const struct sp_statement *statement);

static const struct {
	const char *name;
	statement_fn *statement, *finish;
} sections[SP_SECTION_COUNT] = {
    [SP_SECTION_SYSCALLS] = {"syscalls", sp_interpret_syscall, NULL},
    [SP_SECTION_MEMORY] = {"memory", interpret_memory, NULL},
    [SP_SECTION_FILES] = {"files", interpret_file, NULL},
    [SP_SECTION_NETWORK] = {"network", interpret_network, NULL},
    [SP_SECTION_LIMITS] = {"limits", interpret_limit, NULL},
    [SP_SECTION_ISOLATE] = {"isolate", interpret_layer, finish_isolate},
};

bool sp_valid_name(const char *name)
{
	size_t length = strlen(name);

	return length > 0 && length <= NAME_MAX_LENGTH &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") ==
		   length;
}

/* The name of a policy, "" where it has none that could be called so. */
static const char *name_of(const struct sp_statement *head)
{
	const struct sp_term *name = sp_single_term(sp_phrase_at(head, 1));

	return name && sp_valid_name(name->word->text) ? name->word->text : "";
}

static void interpret_name(struct sp_reading *reading, const struct sp_statement *statement)
{
	const struct sp_term *name = sp_single_term(sp_phrase_at(statement, 1));

	if (!name || !sp_valid_name(name->word->text)) {
		SP_MISTAKE(reading, name ? name->word->place : statement->place, NULL,
			   "\"policy\" needs a name: at most %d letters, digits, '.', '_' and '-'",
			   NAME_MAX_LENGTH);
		return;
	}
	if (!sp_ends_at(reading, statement, 2) || reading->policy->name)
		return;
	reading->policy->name = strdup(name->word->text);
	if (!reading->policy->name)
		sp_note_error(reading, -ENOMEM);
}

/* The term that names another policy, behind the word `before`; or NULL after a mistake. */
static const struct sp_term *read_other_name(struct sp_reading *reading,
					     const struct sp_statement *statement, size_t index,
					     const struct sp_word *before)
{
	const struct sp_term *name = sp_single_term(sp_phrase_at(statement, index));

	if (!name || name->word->text[0] == '\0') {
		SP_MISTAKE(reading, before->place, NULL, "\"%s\" needs one policy, preset or file",
			   before->text);
		return NULL;
	}
	return sp_ends_at(reading, statement, index + 1) ? name : NULL;
}

static void interpret_include(struct sp_reading *reading, const struct sp_statement *statement)
{
	const struct sp_term *name =
	    read_other_name(reading, statement, 1, statement->phrases->terms->word);

	if (name)
		sp_read_other(reading, name, reading->policy);
}

/* A strict policy bounds nothing: a filter can't do what it does, and stands in its way. */
static bool bounds(struct sp_reading *reading, const struct sp_term *name,
		   const struct sp_policy *bound)
{
	if (bound->strict.set)
		SP_MISTAKE(reading, name->word->place, NULL,
			   "\"%s\" is strict, and a strict policy bounds no other one: write "
			   "\"strict\" into the policy itself",
			   name->word->text);
	return !bound->strict.set;
}

static void interpret_strict(struct sp_reading *reading, const struct sp_statement *statement)
{
	_cleanup_free_ char *source = sp_source_of(reading, statement->place);

	if (!source || !sp_ends_at(reading, statement, 1))
		return;
	if (reading->depth == 0)
		reading->strict_place = statement->place;
	sp_note_error(reading,
		      sp_model_set(&reading->policy->strict, reading->depth, true, source));
}

static const char *candidate_architecture(size_t index, const void *unused)
{
	(void)unused;
	return index == 0 ? "native" : sp_architecture_name(1u << (index - 1));
}

/* 0 after a mistake. */
static bool read_architectures(struct sp_reading *reading, const struct sp_statement *statement,
			       bool *ret_native, uint32_t *ret_twins)
{
	const struct sp_phrase *phrase = sp_phrase_at(statement, 1);

	for (const struct sp_term *term = phrase ? phrase->terms : NULL; term; term = term->next) {
		const char *word = term->word->text;
		bool native = strcmp(word, "native") == 0;
		uint32_t twin = sp_architecture_find(word);

		if (!native && !twin) {
			SP_MISTAKE(reading, term->word->place,
				   sp_nearest(word, candidate_architecture, NULL),
				   "unknown architecture \"%s\": there are native, i386 and x32",
				   word);
			return false;
		}
		if ((native && *ret_native) || (twin & *ret_twins)) {
			SP_MISTAKE(reading, term->word->place, NULL, "\"%s\" is said twice", word);
			return false;
		}
		*ret_native |= native;
		*ret_twins |= twin;
	}
	return true;
}

static void interpret_architectures(struct sp_reading *reading,
				    const struct sp_statement *statement)
{
	_cleanup_free_ char *source = sp_source_of(reading, statement->place);
	bool native = false;
	uint32_t twins = 0;

	if (!source || !read_architectures(reading, statement, &native, &twins) ||
	    !sp_ends_at(reading, statement, sp_phrase_at(statement, 1) ? 2 : 1))
		return;
	if (!native) {
		SP_MISTAKE(reading, statement->place, NULL,
			   "\"architectures\" needs \"native\", which no policy can leave out, and "
			   "what else there is: \"architectures native, i386\"");
		return;
	}
	sp_note_error(reading,
		      sp_model_set(&reading->policy->architectures, reading->depth, twins, source));
}

static void tell_contradiction(const char *mistake, struct sp_place place, const char *source,
			       void *data)
{
	struct sp_reading *reading = data;

	if (place.line > 0)
		SP_MISTAKE(reading, place, NULL, "%s", mistake);
	else if (source)
		SP_MISTAKE(reading, reading->strict_place, NULL, "%s; it stands at %s", mistake,
			   source);
	else
		SP_MISTAKE(reading, reading->strict_place, NULL, "%s", mistake);
}

/* What is strict may come from what is included; then the policy as a whole is to blame. */
static void check_strict(struct sp_reading *reading, const struct sp_statement *head)
{
	if (reading->strict_place.line == 0)
		reading->strict_place = head ? head->place : (struct sp_place){1, 1, 1};
	sp_model_each_contradiction(reading->policy, tell_contradiction, reading);
}

/* "phase" NAME "within" and what bounds it: the two words, or false after a mistake. */
static bool read_phase_name(struct sp_reading *reading, const struct sp_statement *statement,
			    const struct sp_word **ret_name, const struct sp_word **ret_within)
{
	const struct sp_word *name = sp_single_word(sp_phrase_at(statement, 1)),
			     *within = sp_single_word(sp_phrase_at(statement, 2));

	if (!name || !sp_valid_name(name->text)) {
		SP_MISTAKE(reading, name ? name->place : statement->place, NULL,
			   "\"phase\" needs a name: at most %d letters, digits, '.', '_' and '-'",
			   NAME_MAX_LENGTH);
		return false;
	}
	if (!within || strcmp(within->text, "within") != 0) {
		SP_MISTAKE(reading, within ? within->place : name->place, NULL,
			   "the phase \"%s\" needs \"within\" and the policy that bounds it",
			   name->text);
		return false;
	}
	*ret_name = name;
	*ret_within = within;
	return true;
}

static void interpret_phase(struct sp_reading *reading, const struct sp_statement *statement)
{
	const struct sp_word *phase, *within;
	const struct sp_term *name;
	struct sp_policy *bound;
	int r;

	if (!read_phase_name(reading, statement, &phase, &within))
		return;
	name = read_other_name(reading, statement, 3, within);
	bound = name ? sp_model_new() : NULL;
	if (!bound) {
		sp_note_error(reading, name ? -ENOMEM : 0);
		return;
	}
	bound->keeps = reading->policy->keeps;
	sp_read_other(reading, name, bound);
	if (!bounds(reading, name, bound)) {
		sp_policy_unref(bound);
		return;
	}
	r = sp_model_phase_take(reading->policy, phase->text, bound);
	if (r == -E2BIG)
		SP_MISTAKE(reading, phase->place, NULL, "a policy has at most %d phases",
			   SP_PHASES_MAX);
	else if (r == -EEXIST)
		SP_MISTAKE(reading, phase->place, NULL, "there is a phase \"%s\" already",
			   phase->text);
	else if (r == 0)
		reading->policy->phases[reading->policy->phase_count - 1].place =
		    sp_own_place(reading, phase->place);
	else
		sp_note_error(reading, r);
}

static void interpret_within(struct sp_reading *reading, const struct sp_statement *statement)
{
	const struct sp_term *name =
	    read_other_name(reading, statement, 1, statement->phrases->terms->word);
	struct sp_policy *bound = name ? sp_model_new() : NULL;
	int r;

	if (!bound) {
		sp_note_error(reading, name ? -ENOMEM : 0);
		return;
	}
	bound->keeps = reading->policy->keeps;
	sp_read_other(reading, name, bound);
	if (!bounds(reading, name, bound)) {
		sp_policy_unref(bound);
		return;
	}
	r = sp_model_bound_take(reading->policy, bound);
	if (r == -E2BIG)
		SP_MISTAKE(reading, name->word->place, NULL,
			   "at most %d policies may bound each other", SP_LAYERS_MAX);
	else
		sp_note_error(reading, r);
}

static const char *candidate_within(size_t index, const void *unused)
{
	(void)unused;
	return index == 0 ? "within" : NULL;
}

/* What bounds the edits, or NULL: nothing does. False after a mistake. */
static bool read_edit_bound(struct sp_reading *reading, const struct sp_statement *statement,
			    struct sp_policy **ret_bound)
{
	const struct sp_phrase *phrase = sp_phrase_at(statement, 1);
	const struct sp_word *within = sp_single_word(phrase);
	const struct sp_term *name;

	*ret_bound = NULL;
	if (!phrase)
		return true;
	if (!within || strcmp(within->text, "within") != 0) {
		SP_MISTAKE(reading, phrase->terms->word->place,
			   sp_nearest(phrase->terms->word->text, candidate_within, NULL),
			   "unexpected \"%s\": \"editable\" may be followed by \"within\" and the "
			   "policy that bounds edits",
			   phrase->terms->word->text);
		return false;
	}
	name = read_other_name(reading, statement, 2, within);
	*ret_bound = name ? sp_model_new() : NULL;
	if (!*ret_bound) {
		sp_note_error(reading, name ? -ENOMEM : 0);
		return false;
	}
	sp_read_other(reading, name, *ret_bound);
	if (bounds(reading, name, *ret_bound))
		return true;
	sp_policy_unref(*ret_bound);
	*ret_bound = NULL;
	return false;
}

/* An included policy does not let others be changed. */
static bool is_included(const struct sp_reading *reading)
{
	return reading->parent && reading->parent->policy == reading->policy;
}

static void interpret_editable(struct sp_reading *reading, const struct sp_statement *statement)
{
	_cleanup_free_ char *source = sp_source_of(reading, statement->place);
	struct sp_policy *bound;
	int r;

	if (!source || !read_edit_bound(reading, statement, &bound))
		return;
	if (is_included(reading)) {
		sp_policy_unref(bound);
		return;
	}
	reading->editable_place = sp_own_place(reading, statement->place);
	r = sp_model_editable_take(reading->policy, bound, source);
	if (r == -EEXIST)
		SP_MISTAKE(reading, statement->place, NULL, "\"editable\" is said twice");
	else if (r == -EOPNOTSUPP)
		SP_MISTAKE(reading, statement->place, NULL,
			   "what bounds edits has filters that were written elsewhere");
	else
		sp_note_error(reading, r);
}

static const struct {
	const char *name;
	statement_fn *statement;
} plain_statements[] = {{"policy", interpret_name},
			{"include", interpret_include},
			{"within", interpret_within},
			{"phase", interpret_phase},
			{"strict", interpret_strict},
			{"editable", interpret_editable},
			{"architectures", interpret_architectures}};

static const char *candidate_top(size_t index, const void *unused)
{
	(void)unused;
	if (index < SP_ELEMENTS(plain_statements))
		return plain_statements[index].name;
	index -= SP_ELEMENTS(plain_statements);
	if (index < SP_SECTION_COUNT)
		return sections[index].name;
	return index == SP_SECTION_COUNT ? "group" : NULL;
}

static void interpret_section(struct sp_reading *reading, const struct sp_statement *section,
			      enum sp_section kind)
{
	if (!section->section) {
		SP_MISTAKE(reading, section->place, NULL, "\"%s\" needs its statements in braces",
			   sections[kind].name);
		return;
	}
	if (!sp_ends_at(reading, section, 1))
		return;
	if (reading->seen[kind])
		SP_MISTAKE(reading, section->place, NULL, "the section \"%s\" appears twice",
			   sections[kind].name);
	reading->seen[kind] = true;
	for (const struct sp_statement *s = section->body; s && reading->error == 0; s = s->next)
		sections[kind].statement(reading, s);
	if (sections[kind].finish)
		sections[kind].finish(reading, section);
}

static void interpret_plain(struct sp_reading *reading, const struct sp_statement *statement,
			    size_t index)
{
	if (statement->section)
		SP_MISTAKE(reading, statement->place, NULL, "\"%s\" takes no braces",
			   plain_statements[index].name);
	else
		plain_statements[index].statement(reading, statement);
}

static void interpret_statement(struct sp_reading *reading, const struct sp_statement *statement)
{
	const struct sp_word *word = sp_single_word(statement->phrases);

	for (size_t i = 0; word && i < SP_ELEMENTS(plain_statements); i++)
		if (strcmp(word->text, plain_statements[i].name) == 0) {
			interpret_plain(reading, statement, i);
			return;
		}
	for (int i = 0; word && i < SP_SECTION_COUNT; i++)
		if (strcmp(word->text, sections[i].name) == 0) {
			interpret_section(reading, statement, (enum sp_section)i);
			return;
		}
	sp_misspelt(reading, statement->phrases->terms,
		    statement->section ? "section" : "statement", candidate_top, NULL);
}

/* ---- documents ----------------------------------------------------------------------------------
 */

static bool is_policy(const struct sp_statement *statement)
{
	const struct sp_word *word = sp_single_word(statement->phrases);

	return word && !word->quoted && strcmp(word->text, "policy") == 0 && !statement->section;
}

struct sp_statement *sp_find_policy(const struct sp_document *document, const char *name)
{
	for (struct sp_statement *s = document->syntax.statements; s; s = s->next)
		if (is_policy(s) && (!name || strcmp(name_of(s), name) == 0))
			return s;
	return NULL;
}

const char *sp_candidate_policy(size_t index, const void *data)
{
	const struct sp_document *document = data;

	for (const struct sp_statement *s = document->syntax.statements; s; s = s->next)
		if (is_policy(s) && index-- == 0)
			return name_of(s);
	return NULL;
}

/* What stands before the first policy, but groups, belongs to none; and names are told apart. */
static void check_policies(struct sp_reading *reading)
{
	const struct sp_document *document = reading->document;
	const struct sp_statement *first = sp_find_policy(document, NULL), *other;

	for (const struct sp_statement *s = document->syntax.statements; s != first; s = s->next)
		if (first && !sp_is_group(s))
			SP_MISTAKE(reading, s->place, NULL,
				   "a policy begins with \"policy NAME\", which comes after this");
	for (const struct sp_statement *s = first; s; s = s->next) {
		if (!is_policy(s) || name_of(s)[0] == '\0')
			continue;
		other = sp_find_policy(document, name_of(s));
		if (other != s)
			SP_MISTAKE(reading, s->place, NULL,
				   "the policy \"%s\" stands in line %u already", name_of(s),
				   other->place.line);
	}
}

static void interpret_statements(struct sp_reading *reading, const struct sp_statement *first)
{
	for (const struct sp_statement *s = first; s && reading->error == 0; s = s->next) {
		if (s != first && is_policy(s))
			break;
		if (!sp_is_group(s))
			interpret_statement(reading, s);
	}
}

/* The statements from `policy NAME` to the next policy; all of them where no policy has a name. */
static int interpret_policy(struct sp_reading *reading, struct sp_statement *head,
			    const struct sp_wanted *wanted)
{
	const struct sp_term *name = head ? sp_single_term(sp_phrase_at(head, 1)) : NULL;
	struct sp_reporter *reporter = reading->reporter, silent = {0};
	unsigned before = reporter->errors;

	if (reading->again)
		reading->reporter = &silent;
	if (head)
		head->understood = true;
	reading->head = head;
	if (name)
		sp_bind_parameters(reading, name, wanted);
	interpret_statements(reading, head ? head : reading->document->syntax.statements);
	reading->reporter = reporter;
	if (!reading->again && reading->depth == 0 && reading->error == 0 &&
	    reading->reporter->errors == before)
		check_strict(reading, head);
	if (reading->lint && reading->depth == 0 && reading->error == 0 &&
	    reading->reporter->errors == before && !reading->document->broken)
		sp_lint(reading);
	/* What could not be understood may have used a parameter. */
	sp_unbind_parameters(reading,
			     reading->reporter->errors == before && !reading->document->broken);
	return reading->error;
}

static bool includes_itself(const struct sp_reading *reading, const struct sp_statement *head)
{
	for (const struct sp_reading *r = reading->parent; r; r = r->parent)
		if (r->document == reading->document && r->head == head)
			return true;
	return false;
}

static int interpret_wanted(struct sp_reading *reading, const struct sp_wanted *wanted)
{
	struct sp_statement *head = sp_find_policy(reading->document, wanted->name);
	struct sp_reading *told = wanted->by ? wanted->by : reading;

	if (!head && wanted->name) {
		SP_MISTAKE(told, wanted->place,
			   sp_nearest(wanted->name, sp_candidate_policy, reading->document),
			   "\"%s\" has no policy \"%s\"", reading->source->file, wanted->name);
		return 0;
	}
	if (includes_itself(reading, head)) {
		SP_MISTAKE(told, wanted->place, NULL,
			   wanted->policy == told->policy ? "\"%s\" includes itself"
							  : "\"%s\" bounds itself",
			   wanted->text);
		return 0;
	}
	sp_note_error(reading, sp_model_keep_text(reading->policy, reading->source));
	return interpret_policy(reading, head, wanted);
}

/* Whether a policy of the text, which is sound, bounds a phase of the one that was wanted. */
static bool is_phase(const struct sp_reading *reading, const struct sp_statement *head)
{
	const struct sp_policy *policy = reading->policy;

	if (!reading->lint || reading->reporter->errors > 0 || head == reading->head)
		return false;
	for (size_t i = 0; i < policy->phase_count; i++)
		if (policy->phases[i].policy->name &&
		    strcmp(policy->phases[i].policy->name, name_of(head)) == 0)
			return true;
	return false;
}

/* Policies that nobody wanted are read all the same, so that all mistakes of a text are told; and those of
 * phases once more by themselves, so that what can hardly be meant is. */
static int check_others(const struct sp_reading *reading)
{
	int r = 0;

	for (struct sp_statement *s = reading->document->syntax.statements; s && r == 0;
	     s = s->next) {
		unsigned includes = 0;
		struct sp_reading other = {.reporter = reading->reporter,
					   .source = reading->source,
					   .document = reading->document,
					   .lenient = true,
					   .lint = reading->lint,
					   .again = s->understood,
					   .includes = &includes};

		if (!is_policy(s) || (s->understood && !is_phase(reading, s)))
			continue;
		other.policy = sp_model_new();
		r = other.policy ? interpret_policy(&other, s, &(struct sp_wanted){0}) : -ENOMEM;
		sp_policy_unref(other.policy);
	}
	return r;
}

static void clear_document(struct sp_document *document)
{
	sp_syntax_clear(&document->syntax);
	free(document->groups);
}

static struct sp_reading begin_reading(struct sp_reporter *reporter, struct sp_document *document,
				       const struct sp_wanted *wanted, unsigned *includes)
{
	return (struct sp_reading){
	    .policy = wanted->policy,
	    .reporter = reporter,
	    .source = document->source,
	    .document = document,
	    .parent = wanted->by,
	    .lint = wanted->lint,
	    .lenient = wanted->by && wanted->by->lenient,
	    .depth = wanted->by ? wanted->by->depth + 1 : 0,
	    .includes = includes,
	};
}

int sp_interpret_again(struct sp_document *document, const struct sp_wanted *wanted)
{
	struct sp_reading reading =
	    begin_reading(wanted->by->reporter, document, wanted, wanted->by->includes);

	return interpret_wanted(&reading, wanted);
}

int sp_interpret(struct sp_reporter *reporter, const struct sp_source *source,
		 const struct sp_wanted *wanted, unsigned *includes)
{
	_cleanup_(clear_document) struct sp_document document = {.source = source};
	struct sp_reading reading = begin_reading(reporter, &document, wanted, includes);
	unsigned before = reporter->errors;
	int r = sp_syntax_read(source, reporter, &document.syntax);

	if (r < 0)
		return r;
	document.broken = reporter->errors > before;
	sp_read_groups(&reading);
	check_policies(&reading);
	if (reading.error == 0)
		(void)interpret_wanted(&reading, wanted);
	/* Where the shape is broken, the name may stand in what could not be read. */
	if (!reading.head && !wanted->name && !document.broken)
		SP_MISTAKE(&reading, ((struct sp_place){1, 1, 1}), NULL,
			   "the policy has no name; begin it with \"policy NAME\"");
	if (reading.error == 0 && !wanted->by)
		reading.error = check_others(&reading);
	return reading.error;
}
