/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/interpret.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/util.h"

/* More names than that say nothing. */
#define CANDIDATES_MAX 12

/* ---- what all sections need ---- */

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

bool sp_lists_end_at(struct sp_reading *reading, const struct sp_statement *statement, size_t index,
		     bool (*is_item)(const struct sp_word *word))
{
	const struct sp_phrase *extra = sp_phrase_at(statement, index),
			       *list = index > 0 ? sp_phrase_at(statement, index - 1) : NULL;
	_cleanup_free_ char *joined = NULL;
	const struct sp_term *last = list ? list->terms : NULL;

	if (!extra)
		return true;
	while (last && last->next)
		last = last->next;
	if (last && is_item(last->word) && is_item(extra->terms->word) &&
	    asprintf(&joined, "%s, %s", last->word->text, extra->terms->word->text) < 0)
		joined = NULL;
	SP_MISTAKE(reading, extra->terms->word->place, joined,
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

/* "a, b, c", or NULL where there are more than a line has room for. To be freed. */
static char *list_candidates(sp_candidate_fn *candidate, const void *data)
{
	char *list = NULL;
	size_t size, count = 0;
	FILE *out = open_memstream(&list, &size);
	const char *name;

	while (out && count <= CANDIDATES_MAX && (name = candidate(count, data)))
		(void)fprintf(out, "%s%s", count++ > 0 ? ", " : "", name);
	if (out && fclose(out) == 0 && count > 0 && count <= CANDIDATES_MAX)
		return list;
	free(list);
	return NULL;
}

void sp_unknown(struct sp_reading *reading, const struct sp_word *word, const char *message,
		sp_candidate_fn *candidate, const void *data)
{
	const char *nearest = sp_nearest(word->text, candidate, data);
	_cleanup_free_ char *list = nearest ? NULL : list_candidates(candidate, data);

	SP_MISTAKE(reading, word->place, nearest, "%s%s%s", message, list ? "; there are " : "",
		   list ? list : "");
}

void sp_misspelt(struct sp_reading *reading, const struct sp_term *term, const char *what,
		 sp_candidate_fn *candidate, const void *data)
{
	const char *nearest = sp_nearest(term->word->text, candidate, data);
	_cleanup_free_ char *message = NULL;

	if (sp_is_misplaced(reading, term, nearest))
		return;
	if (asprintf(&message, "unknown %s \"%s\"", what, term->word->text) < 0)
		sp_note_error(reading, -ENOMEM);
	else
		sp_unknown(reading, term->word, message, candidate, data);
}

static const char *candidate_as(size_t index, const void *unused)
{
	(void)unused;
	return index == 0 ? "as" : NULL;
}

bool sp_read_errno(struct sp_reading *reading, const struct sp_word *word, bool success,
		   int *ret_error)
{
	_cleanup_free_ char *name = sp_expand(reading, word, SP_EXPAND_VALUE);
	char *end;

	if (!name)
		return false;
	if (isdigit((unsigned char)name[0])) {
		unsigned long number = strtoul(name, &end, 10);

		if (*end == '\0' && (number > 0 || success) && number <= SP_ERRNO_MAX) {
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
	return sp_read_errno(reading, name, false, ret_error) &&
	       sp_ends_at(reading, statement, index + 2);
}

/* ---- documents ---- */

bool sp_valid_name(const char *name)
{
	size_t length = strlen(name);

	return length > 0 && length <= SP_NAME_LENGTH_MAX &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") ==
		   length;
}

const char *sp_policy_name_of(const struct sp_statement *head)
{
	const struct sp_term *name = sp_single_term(sp_phrase_at(head, 1));

	return name && sp_valid_name(name->word->text) ? name->word->text : "";
}

static bool is_policy(const struct sp_statement *statement)
{
	const struct sp_word *word = sp_single_word(statement->phrases);

	return word && !word->quoted && strcmp(word->text, "policy") == 0 && !statement->section;
}

struct sp_statement *sp_find_policy(const struct sp_document *document, const char *name)
{
	for (struct sp_statement *s = document->syntax.statements; s; s = s->next)
		if (is_policy(s) && (!name || strcmp(sp_policy_name_of(s), name) == 0))
			return s;
	return NULL;
}

const char *sp_candidate_policy(size_t index, const void *data)
{
	const struct sp_document *document = data;

	for (const struct sp_statement *s = document->syntax.statements; s; s = s->next)
		if (is_policy(s) && index-- == 0)
			return sp_policy_name_of(s);
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
		if (!is_policy(s) || sp_policy_name_of(s)[0] == '\0')
			continue;
		other = sp_find_policy(document, sp_policy_name_of(s));
		if (other != s)
			SP_MISTAKE(reading, s->place, NULL,
				   "the policy \"%s\" stands in line %u already",
				   sp_policy_name_of(s), other->place.line);
	}
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

static void interpret_statements(struct sp_reading *reading, const struct sp_statement *first)
{
	for (const struct sp_statement *s = first; s && reading->error == 0; s = s->next) {
		if (s != first && is_policy(s))
			break;
		if (!sp_is_group(s))
			sp_interpret_statement(reading, s);
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
		    strcmp(policy->phases[i].policy->name, sp_policy_name_of(head)) == 0)
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
