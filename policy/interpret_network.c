/* SPDX-License-Identifier: Apache-2.0 */
/* The section `network`: the unix sockets and the addresses that may be connected to, and where sockets may be bound. */
#include <errno.h>
#include <string.h>

#include "ipc/util.h"
#include "policy/interpret.h"

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
		sp_word_mistake(reading, term->word, text, offset, mistake);
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
		sp_add_patterns(reading, statement, 2, phrase, &rule);
	else if (!sp_is_misplaced(reading, phrase->terms, nearest))
		SP_MISTAKE(reading, phrase->terms->word->place, nearest,
			   "unknown family \"%s\", expected \"tcp\" or \"unix\"",
			   phrase->terms->word->text);
}

void sp_interpret_network(struct sp_reading *reading, const struct sp_statement *statement)
{
	const struct sp_word *verb = sp_single_word(statement->phrases);
	const char *word;
	size_t index = 0;

	while ((word = candidate_network_verb(index, NULL)) &&
	       (!verb || strcmp(verb->text, word) != 0))
		index++;
	if (!word && verb && strcmp(verb->text, "ask") == 0)
		SP_MISTAKE(reading, verb->place, NULL, "%s", sp_nobody_asked);
	else if (!word)
		sp_misspelt(reading, statement->phrases->terms, "statement of a network",
			    candidate_network_verb, NULL);
	else if (!sp_phrase_at(statement, 1))
		SP_MISTAKE(reading, statement->place, NULL, "%s", network_example(word));
	else
		interpret_family(reading, statement, word);
}
