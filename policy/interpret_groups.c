/* SPDX-License-Identifier: Apache-2.0 */
/* The groups of calls that a text defines. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/util.h"
#include "policy/interpret.h"
#include "policy/names.h"

/* Groups name each other; to follow them takes stack. */
#define GROUPS_MAX 256

static struct sp_group *find_group(const struct sp_document *document, const char *name)
{
	for (size_t i = 0; i < document->group_count; i++)
		if (strcmp(document->groups[i].name->text, name) == 0)
			return &document->groups[i];
	return NULL;
}

/* Those of the text first, then those that are built in. */
static const char *candidate_group(size_t index, const void *data)
{
	static _Thread_local char name[SP_GROUP_NAME_MAX + 2];
	const struct sp_document *document = data;

	if (index >= document->group_count)
		return sp_candidate_group(index - document->group_count, NULL);
	(void)snprintf(name, sizeof(name), "@%s", document->groups[index].name->text);
	return name;
}

void sp_call_set_combine(struct sp_call_set *set, const struct sp_call_set *other,
			 enum sp_algebra_kind how)
{
	for (size_t i = 0; i < SP_ELEMENTS(set->bits); i++)
		if (how == SP_ALGEBRA_PLUS)
			set->bits[i] |= other->bits[i];
		else
			set->bits[i] &= how == SP_ALGEBRA_MINUS ? ~other->bits[i] : other->bits[i];
}

static void add_members(const char *members, struct sp_call_set *set)
{
	char name[SP_CALL_NAME_MAX];

	while (*members) {
		size_t length = strcspn(members, " ");
		int nr = SP_CALL_UNKNOWN;

		if (length < sizeof(name)) {
			memcpy(name, members, length);
			name[length] = '\0';
			nr = sp_call_number(name);
		}
		if (nr >= 0)
			sp_call_set_add(set, nr);
		members += length + (members[length] == ' ');
	}
}

static void evaluate(struct sp_reading *reading, struct sp_group *group);

bool sp_builtin_group(const char *name, struct sp_call_set *ret_set)
{
	const char *members = sp_group_members(name);

	if (members)
		add_members(members, ret_set);
	return members;
}

/* NOLINTNEXTLINE(misc-no-recursion): at most as deep as there are groups */
bool sp_read_group(struct sp_reading *reading, const struct sp_word *word,
		   struct sp_call_set *ret_set)
{
	struct sp_group *group = find_group(reading->document, word->text + 1);

	*ret_set = (struct sp_call_set){0};
	if (group && group->state == SP_GROUP_OPEN) {
		SP_MISTAKE(reading, word->place, NULL, "the group \"%s\" contains itself",
			   word->text);
		return false;
	}
	if (group) {
		evaluate(reading, group);
		*ret_set = group->calls;
		return true;
	}
	if (sp_builtin_group(word->text, ret_set))
		return true;
	SP_MISTAKE(reading, word->place, sp_nearest(word->text, candidate_group, reading->document),
		   "unknown group \"%s\"", word->text);
	return false;
}

/* NOLINTNEXTLINE(misc-no-recursion) */
static void read_names(struct sp_reading *reading, const struct sp_word *names,
		       struct sp_call_set *set)
{
	for (const struct sp_word *word = names; word; word = word->next) {
		struct sp_call_set group;
		int nr;

		if (word->text[0] == '@') {
			if (sp_read_group(reading, word, &group))
				sp_call_set_combine(set, &group, SP_ALGEBRA_PLUS);
			continue;
		}
		nr = sp_read_call(reading, word);
		if (nr >= 0)
			sp_call_set_add(set, nr);
	}
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as the parser lets groups be */
static void read_algebra(struct sp_reading *reading, const struct sp_algebra *algebra,
			 struct sp_call_set *set)
{
	struct sp_call_set right = {0};

	if (algebra->kind == SP_ALGEBRA_NAMES) {
		read_names(reading, algebra->names, set);
		return;
	}
	read_algebra(reading, algebra->left, set);
	read_algebra(reading, algebra->right, &right);
	sp_call_set_combine(set, &right, algebra->kind);
}

/* NOLINTNEXTLINE(misc-no-recursion) */
static void evaluate(struct sp_reading *reading, struct sp_group *group)
{
	if (group->state == SP_GROUP_DONE)
		return;
	group->state = SP_GROUP_OPEN;
	read_algebra(reading, group->algebra, &group->calls);
	group->state = SP_GROUP_DONE;
}

static bool valid_name(const char *name)
{
	size_t length = strlen(name);

	return length > 0 && length <= SP_GROUP_NAME_MAX && name[0] != '@' && !strchr(name, '.');
}

/* Whether the name is free; what is wrong with it is told. */
static bool check_name(struct sp_reading *reading, const struct sp_word *name)
{
	const struct sp_group *other = find_group(reading->document, name->text);
	char built_in[SP_GROUP_NAME_MAX + 2];

	if (!valid_name(name->text)) {
		SP_MISTAKE(reading, name->place, NULL,
			   "a group is named by at most %d letters, digits, '_' and '-', and the "
			   "'@' is written where it is used",
			   SP_GROUP_NAME_MAX);
		return false;
	}
	if (other) {
		SP_MISTAKE(reading, name->place, NULL,
			   "the group \"%s\" is defined twice; the other one is in line %u",
			   name->text, other->name->place.line);
		return false;
	}
	(void)snprintf(built_in, sizeof(built_in), "@%s", name->text);
	if (sp_group_members(built_in)) {
		SP_MISTAKE(reading, name->place, NULL, "the group \"%s\" is built in", built_in);
		return false;
	}
	return true;
}

static void define(struct sp_reading *reading, const struct sp_statement *statement)
{
	struct sp_document *document = reading->document;
	const struct sp_word *name = sp_single_word(sp_phrase_at(statement, 1));

	if (!name || !statement->algebra) {
		SP_MISTAKE(reading, statement->place, NULL,
			   "\"group\" needs a name, '=' and system calls or groups, joined by "
			   "'+', '-' and '&'");
		return;
	}
	if (!sp_ends_at(reading, statement, 2) || !check_name(reading, name))
		return;
	if (document->group_count == GROUPS_MAX) {
		SP_MISTAKE(reading, name->place, NULL, "a text has at most %d groups", GROUPS_MAX);
		return;
	}
	document->groups[document->group_count++] =
	    (struct sp_group){.name = name, .algebra = statement->algebra};
}

bool sp_is_group(const struct sp_statement *statement)
{
	const struct sp_word *word = sp_single_word(statement->phrases);

	return word && !word->quoted && strcmp(word->text, "group") == 0 && !statement->section;
}

void sp_read_groups(struct sp_reading *reading)
{
	struct sp_document *document = reading->document;

	document->groups = calloc(GROUPS_MAX, sizeof(*document->groups));
	if (!document->groups) {
		sp_note_error(reading, -ENOMEM);
		return;
	}
	for (const struct sp_statement *s = document->syntax.statements; s; s = s->next)
		if (sp_is_group(s))
			define(reading, s);
	for (size_t i = 0; i < document->group_count; i++)
		evaluate(reading, &document->groups[i]);
}
