/* SPDX-License-Identifier: Apache-2.0 */
/* The section `files`: which rights the policy grants, denies or asks about on which names. */
#include <errno.h>
#include <string.h>

#include "ipc/util.h"
#include "policy/glob.h"
#include "policy/interpret.h"

/* Those of sockets come last. */
static const char *candidate_file_right(size_t index, const void *unused)
{
	const char *name = sp_candidate_right(index, unused);

	return name && (sp_right_find(name) & (SP_RIGHT_CONNECT | SP_RIGHT_BIND)) ? NULL : name;
}

static const char *candidate_file_verb(size_t index, const void *unused)
{
	static const char *const words[] = {"deny", "ask"};

	return index < SP_ELEMENTS(words)
		   ? words[index]
		   : candidate_file_right(index - SP_ELEMENTS(words), unused);
}

const char sp_nobody_asked[] =
    "\"ask\" is about files and system calls: sockets and addresses are granted, or denied, by "
    "\"network\" alone";

/* `candidate`: candidate_file_right where the application is asked. */
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
		if (candidate == candidate_file_right && sockets & right) {
			SP_MISTAKE(reading, term->word->place, NULL, "%s", sp_nobody_asked);
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

void sp_word_mistake(struct sp_reading *reading, const struct sp_word *word, const char *text,
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
		sp_word_mistake(reading, term->word, pattern, offset, mistake);
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

static bool is_right(const struct sp_word *word)
{
	const char *name;

	for (size_t i = 0; (name = sp_candidate_right(i, NULL)); i++)
		if (strcmp(name, word->text) == 0)
			return true;
	return false;
}

void sp_add_patterns(struct sp_reading *reading, const struct sp_statement *statement, size_t index,
		     const struct sp_phrase *before, const struct sp_path_rule *rule)
{
	const struct sp_phrase *patterns = sp_phrase_at(statement, index);
	bool deny = rule->rights == 0;
	struct sp_path_rule copy = *rule;

	if (patterns && !deny && sp_phrase_at(statement, index + 1) &&
	    is_right(patterns->terms->word)) {
		(void)sp_lists_end_at(reading, statement, index, is_right);
		return;
	}
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

void sp_interpret_file(struct sp_reading *reading, const struct sp_statement *statement)
{
	const struct sp_word *verb = sp_single_word(statement->phrases);
	bool ask = verb && strcmp(verb->text, "ask") == 0;
	const struct sp_phrase *rights = sp_phrase_at(statement, ask);
	struct sp_path_rule rule = {.ask = ask};

	if (verb && strcmp(verb->text, "deny") == 0) {
		rule.error = EACCES;
		sp_add_patterns(reading, statement, 1, statement->phrases, &rule);
	} else if (!rights) {
		SP_MISTAKE(reading, statement->place, NULL,
			   "\"ask\" needs rights and paths after it");
	} else if (read_rights(reading, rights, ask ? candidate_file_right : candidate_file_verb,
			       &rule.rights)) {
		sp_add_patterns(reading, statement, (size_t)ask + 1, rights, &rule);
	}
}
