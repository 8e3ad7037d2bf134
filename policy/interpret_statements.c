/* SPDX-License-Identifier: Apache-2.0 */
/* The statements of a policy: those outside of all sections, and the sections by their names. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/util.h"
#include "policy/interpret.h"
#include "policy/twins.h"

static void interpret_name(struct sp_reading *reading, const struct sp_statement *statement)
{
	const struct sp_term *name = sp_single_term(sp_phrase_at(statement, 1));

	if (!name || !sp_valid_name(name->word->text)) {
		SP_MISTAKE(reading, name ? name->word->place : statement->place, NULL,
			   "\"policy\" needs a name: at most %d letters, digits, '.', '_' and '-'",
			   SP_NAME_LENGTH_MAX);
		return;
	}
	if (!sp_ends_at(reading, statement, 2) || reading->policy->name)
		return;
	reading->policy->name = strdup(name->word->text);
	if (!reading->policy->name)
		sp_note_error(reading, -ENOMEM);
}

/* ---- policies that this one names ---- */

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

/* The policy that is named there, to bound another one; NULL after a mistake, or for want of memory. */
static struct sp_policy *read_bound(struct sp_reading *reading, const struct sp_term *name,
				    bool keeps)
{
	struct sp_policy *bound = name ? sp_model_new() : NULL;

	if (!bound) {
		sp_note_error(reading, name ? -ENOMEM : 0);
		return NULL;
	}
	bound->keeps = keeps;
	sp_read_other(reading, name, bound);
	if (bounds(reading, name, bound))
		return bound;
	sp_policy_unref(bound);
	return NULL;
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
			   SP_NAME_LENGTH_MAX);
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
	struct sp_policy *bound;
	int r;

	if (!read_phase_name(reading, statement, &phase, &within))
		return;
	bound = read_bound(reading, read_other_name(reading, statement, 3, within),
			   reading->policy->keeps);
	if (!bound)
		return;
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
	struct sp_policy *bound = read_bound(reading, name, reading->policy->keeps);
	int r;

	if (!bound)
		return;
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
	*ret_bound = read_bound(reading, read_other_name(reading, statement, 2, within), false);
	return *ret_bound != NULL;
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

/* ---- what is said of the policy as a whole ---- */

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

/* ---- all statements ---- */

typedef void statement_fn(struct sp_reading *reading, const struct sp_statement *statement);

static const struct {
	const char *name;
	statement_fn *statement, *finish;
} sections[SP_SECTION_COUNT] = {
    [SP_SECTION_SYSCALLS] = {"syscalls", sp_interpret_syscall, NULL},
    [SP_SECTION_MEMORY] = {"memory", sp_interpret_memory, NULL},
    [SP_SECTION_FILES] = {"files", sp_interpret_file, NULL},
    [SP_SECTION_NETWORK] = {"network", sp_interpret_network, NULL},
    [SP_SECTION_LIMITS] = {"limits", sp_interpret_limit, NULL},
    [SP_SECTION_ISOLATE] = {"isolate", sp_interpret_layer, sp_finish_isolate},
};

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

void sp_interpret_statement(struct sp_reading *reading, const struct sp_statement *statement)
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
