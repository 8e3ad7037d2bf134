/* SPDX-License-Identifier: Apache-2.0 */
/* The section `syscalls`. */
#include <ctype.h>
#include <errno.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/util.h"
#include "policy/interpret.h"
#include "policy/names.h"

/* What stands between a verb and the calls. */
enum detail { DETAIL_NONE, DETAIL_AS, DETAIL_ERRNO, DETAIL_NUMBER, DETAIL_THREAD };

static const struct verb {
	const char *name, *done;
	enum sp_action action;
	enum detail detail;
	bool by_default; /* may follow the word `default` */
} verbs[] = {
    {"allow", "allowed", SP_ACTION_ALLOW, DETAIL_NONE, false},
    {"deny", "denied", SP_ACTION_DENY, DETAIL_AS, true},
    {"kill", "killed", SP_ACTION_KILL, DETAIL_THREAD, true},
    {"log", "logged", SP_ACTION_LOG, DETAIL_NONE, false},
    {"broker", "brokered", SP_ACTION_BROKER, DETAIL_NONE, false},
    {"errno", "failed by the kernel", SP_ACTION_ERRNO, DETAIL_ERRNO, true},
    {"trap", "trapped", SP_ACTION_TRAP, DETAIL_NUMBER, true},
    {"ask", "asked about", SP_ACTION_ASK, DETAIL_NONE, false},
};

static const char *done(enum sp_action action)
{
	if (action == SP_ACTION_KILL_THREAD)
		return "killed (its thread)";
	for (size_t i = 0; i < SP_ELEMENTS(verbs); i++)
		if (verbs[i].action == action)
			return verbs[i].done;
	return "decided";
}

static const char *candidate_verb(size_t index, const void *unused)
{
	(void)unused;
	if (index < SP_ELEMENTS(verbs))
		return verbs[index].name;
	index -= SP_ELEMENTS(verbs);
	return index == 0 ? "default" : index == 1 ? "priority" : NULL;
}

static const char *candidate_default(size_t index, const void *unused)
{
	(void)unused;
	if (index >= SP_ELEMENTS(verbs))
		return NULL;
	return verbs[index].by_default ? verbs[index].name : "";
}

/* ---- conditions ---------------------------------------------------------------------------------
 */

/* A number as C writes it, of up to 64 bits; a minus sign makes it the two's complement. */
static bool parse_number(const char *text, uint64_t *ret_value)
{
	bool negative = text[0] == '-';
	char *end;

	text += negative;
	if (!isdigit((unsigned char)text[0]))
		return false;
	errno = 0;
	*ret_value = strtoull(text, &end, 0);
	if (negative)
		*ret_value = -*ret_value;
	return errno == 0 && *end == '\0';
}

static bool fits(uint64_t value, unsigned bits)
{
	return bits == 64 || value <= UINT32_MAX || value >= (uint64_t)INT32_MIN;
}

/* Of the constants that the argument takes, or else of all. */
static const char *nearest_constant(const struct sp_reading *reading, const char *text)
{
	const char *own = sp_nearest(text, sp_candidate_argument_constant, &reading->argument);

	return own ? own : sp_nearest(text, sp_candidate_constant, NULL);
}

/* One number or constant. */
static bool read_part(struct sp_reading *reading, const struct sp_word *word, unsigned bits,
		      uint64_t *ret_value, bool *ret_literal)
{
	_cleanup_free_ char *text = sp_expand(reading, word, SP_EXPAND_VALUE);

	if (!text)
		return false;
	*ret_literal = isdigit((unsigned char)text[0]);
	if (*ret_literal || text[0] == '-' ? !parse_number(text, ret_value)
					   : !sp_constant_find(text, ret_value)) {
		bool digit = *ret_literal || text[0] == '-';
		unsigned argument, width;

		if (sp_argument_find(reading->argument.nr, text, &argument, &width)) {
			SP_MISTAKE(
			    reading, word->place, NULL,
			    "\"%s\" is an argument: what it is compared with is a number or a "
			    "constant",
			    text);
			return false;
		}
		SP_MISTAKE(reading, word->place, digit ? NULL : nearest_constant(reading, text),
			   digit ? "\"%s\" is no number of 64 bits" : "unknown constant \"%s\"",
			   text);
		return false;
	}
	if (fits(*ret_value, bits))
		return true;
	SP_MISTAKE(reading, word->place, NULL,
		   "\"%s\" does not fit: the kernel looks at %u bits of this argument", text, bits);
	return false;
}

/* The value of a comparison or a set, and whether the policy wrote it as a negative number. */
struct number {
	uint64_t value;
	bool negative;
};

static bool read_number(struct sp_reading *reading, const struct sp_word *words, unsigned bits,
			struct number *ret_number)
{
	struct number number = {0};

	for (const struct sp_word *word = words; word; word = word->next) {
		uint64_t part;
		bool literal;

		if (!read_part(reading, word, bits, &part, &literal))
			return false;
		number.value |= part;
		number.negative |= !literal && (int64_t)part < 0;
	}
	*ret_number = number;
	return true;
}

static bool read_argument(struct sp_reading *reading, const struct sp_word *call, int nr,
			  const struct sp_word *name, struct sp_comparison *comparison)
{
	_cleanup_free_ char *message = NULL;
	uint64_t value;

	if (sp_argument_find(nr, name->text, &comparison->argument, &comparison->bits))
		return true;
	if (!sp_argument_name(nr, 0))
		SP_MISTAKE(
		    reading, name->place, NULL,
		    sp_call_class(nr) == SP_CLASS_BROKERED
			? "\"%s\" takes no conditions: it is brokered, and the section \"files\" "
			  "decides"
			: "\"%s\" takes no conditions: the names of its arguments are not known",
		    call->text);
	else if (sp_constant_find(name->text, &value))
		SP_MISTAKE(reading, name->place, NULL,
			   "\"%s\" is a constant: a comparison begins with an argument of \"%s\"",
			   name->text, call->text);
	else if (asprintf(&message, "\"%s\" has no argument \"%s\"", call->text, name->text) < 0)
		sp_note_error(reading, -ENOMEM);
	else
		sp_unknown(reading, name, message, sp_candidate_argument, &nr);
	return false;
}

/* NULL is without memory, which is noted. */
static struct sp_condition *noted(struct sp_reading *reading, struct sp_condition *condition)
{
	if (!condition)
		sp_note_error(reading, -ENOMEM);
	return condition;
}

static bool read_mask(struct sp_reading *reading, const struct sp_clause *clause,
		      struct sp_comparison *comparison)
{
	struct number mask;

	comparison->mask = ~UINT64_C(0);
	if (!clause->mask)
		return true;
	if (clause->relation != SP_EQ && clause->relation != SP_NE) {
		SP_MISTAKE(reading, clause->mask->place, NULL,
			   "masked bits can only be compared by == and !=");
		return false;
	}
	if (!read_number(reading, clause->mask, comparison->bits, &mask))
		return false;
	comparison->mask = mask.value;
	return true;
}

static struct sp_condition *read_comparison(struct sp_reading *reading,
					    const struct sp_clause *clause,
					    struct sp_comparison *comparison)
{
	struct number number;

	comparison->relation = clause->relation;
	if (!read_mask(reading, clause, comparison) ||
	    !read_number(reading, clause->value, comparison->bits, &number))
		return NULL;
	comparison->value = number.value;
	if (clause->mask && (comparison->value & ~comparison->mask)) {
		SP_MISTAKE(reading, clause->value->place, NULL,
			   "the comparison never holds or always does: the value has bits outside "
			   "its mask");
		return NULL;
	}
	if (number.negative && clause->relation != SP_EQ && clause->relation != SP_NE) {
		SP_MISTAKE(reading, clause->value->place, NULL,
			   "arguments are ordered without a sign; write a range, like %s in -5..-1",
			   clause->argument->text);
		return NULL;
	}
	return noted(reading, sp_condition_compare(comparison));
}

/* A range from a negative number to another goes through zero: two ranges of the unsigned. */
static struct sp_condition *make_range(const struct sp_comparison *whole, struct number first,
				       struct number last)
{
	struct sp_comparison low = *whole, high = *whole;

	low.relation = SP_GE;
	low.value = first.value;
	high.relation = SP_LE;
	high.value = last.value;
	return sp_condition_join_take(first.negative && !last.negative ? SP_CONDITION_OR
								       : SP_CONDITION_AND,
				      sp_condition_compare(&low), sp_condition_compare(&high));
}

static struct sp_condition *read_member(struct sp_reading *reading, const struct sp_member *member,
					const struct sp_comparison *whole)
{
	struct sp_comparison comparison = *whole;
	struct number first, last;

	if (!read_number(reading, member->value, whole->bits, &first) ||
	    (member->last && !read_number(reading, member->last, whole->bits, &last)))
		return NULL;
	if (!member->last) {
		comparison.value = first.value;
		return noted(reading, sp_condition_compare(&comparison));
	}
	if (first.negative == last.negative ? first.value > last.value : last.negative) {
		SP_MISTAKE(reading, member->value->place, NULL,
			   "the range is empty: \"%s\" is greater than \"%s\"", member->value->text,
			   member->last->text);
		return NULL;
	}
	return noted(reading, make_range(whole, first, last));
}

/* Every member is read, also after a mistake in one: all of them are told. */
static struct sp_condition *read_members(struct sp_reading *reading, const struct sp_clause *clause,
					 const struct sp_comparison *whole)
{
	_cleanup_condition_ struct sp_condition *any = NULL;
	bool failed = false;

	for (const struct sp_member *member = clause->members; member; member = member->next) {
		struct sp_condition *one = read_member(reading, member, whole);

		failed |= !one;
		if (any && one)
			any = noted(reading, sp_condition_join_take(SP_CONDITION_OR,
								    TAKE_POINTER(any), one));
		else if (one)
			any = one;
		failed |= !any;
	}
	if (failed)
		return NULL;
	return clause->outside ? noted(reading, sp_condition_not_take(TAKE_POINTER(any)))
			       : TAKE_POINTER(any);
}

static struct sp_condition *read_clause(struct sp_reading *reading, const struct sp_word *call,
					int nr, const struct sp_clause *clause)
{
	struct sp_comparison comparison = {.relation = SP_EQ, .mask = ~UINT64_C(0)};

	if (!read_argument(reading, call, nr, clause->argument, &comparison))
		return NULL;
	reading->argument = (struct sp_argument_of){nr, comparison.argument};
	return clause->members ? read_members(reading, clause, &comparison)
			       : read_comparison(reading, clause, &comparison);
}

/* The clause among those that must all hold that gives the argument one value, or NULL.
 * NOLINTNEXTLINE(misc-no-recursion): as deep as the parser lets expressions be */
static const struct sp_clause *find_equality(const struct sp_expression *expression,
					     const char *argument)
{
	const struct sp_clause *clause = &expression->clause, *found;

	if (expression->kind == SP_CONDITION_AND) {
		found = find_equality(expression->right, argument);
		return found ? found : find_equality(expression->left, argument);
	}
	if (expression->kind != SP_CONDITION_TEST || clause->members || clause->mask ||
	    clause->relation != SP_EQ ||
	    (argument && strcmp(clause->argument->text, argument) != 0))
		return NULL;
	return clause;
}

/* Two values at once: the rule would never apply, which nobody means. */
static bool contradicts(struct sp_reading *reading, const struct sp_expression *both)
{
	const struct sp_clause *right = find_equality(both->right, NULL);

	if (!right || !find_equality(both->left, right->argument->text))
		return false;
	SP_MISTAKE(reading, right->argument->place, NULL,
		   "\"%s\" can't have two values at once; write \"%s in {...}\"",
		   right->argument->text, right->argument->text);
	return true;
}

/* NULL after a mistake or without memory, which is told.
 * NOLINTNEXTLINE(misc-no-recursion): as deep as the parser lets expressions be */
static struct sp_condition *read_condition(struct sp_reading *reading, const struct sp_word *call,
					   int nr, const struct sp_expression *expression)
{
	_cleanup_condition_ struct sp_condition *left = NULL, *right = NULL;

	if (expression->kind == SP_CONDITION_TEST)
		return read_clause(reading, call, nr, &expression->clause);
	if (expression->kind == SP_CONDITION_AND && contradicts(reading, expression))
		return NULL;
	left = read_condition(reading, call, nr, expression->left);
	if (expression->kind == SP_CONDITION_NOT)
		return left ? noted(reading, sp_condition_not_take(TAKE_POINTER(left))) : NULL;
	right = read_condition(reading, call, nr, expression->right);
	if (!left || !right)
		return NULL;
	return noted(reading, sp_condition_join_take(expression->kind, TAKE_POINTER(left),
						     TAKE_POINTER(right)));
}

/* ---- rules --------------------------------------------------------------------------------------
 */

/* *told is the rule with which the word that stands at `place` was last said to be in conflict: members of a
 * group mostly are all in conflict with the same one. */
static void place_rule(struct sp_reading *reading, struct sp_place place,
		       const struct sp_call_rule *rule, const char *call, const char **told)
{
	const struct sp_call_rule *other;
	int r = sp_model_place_call(reading->policy, rule, &other);

	if (r == -EEXIST && *told && strcmp(*told, other->source) == 0)
		return;
	if (r == -EEXIST) {
		*told = other->source;
		SP_MISTAKE(reading, place, NULL,
			   "conflicting rules: \"%s\" is %s here and %s at %s", call,
			   done(rule->action), done(other->action), other->source);
	} else {
		sp_note_error(reading, r);
	}
}

struct verdict {
	enum sp_action action;
	int error;
};

static void add_rule(struct sp_reading *reading, const struct sp_term *term, int nr,
		     struct verdict verdict, bool group, const char *call, const char **told)
{
	_cleanup_free_ char *source = sp_source_of(reading, term->word->place);
	_cleanup_condition_ struct sp_condition *condition = NULL;
	struct sp_call_rule rule = {
	    .nr = nr,
	    .action = verdict.action,
	    .error = verdict.error,
	    .rank = reading->depth * 2 + group,
	    .source = source,
	    .place = sp_own_place(reading, term->word->place),
	};

	if (!source)
		return;
	if (term->condition) {
		rule.condition = condition =
		    read_condition(reading, term->word, nr, term->condition);
		if (!condition)
			return;
	}
	place_rule(reading, term->word->place, &rule, call, told);
}

int sp_read_call(struct sp_reading *reading, const struct sp_word *word)
{
	int nr = sp_call_number(word->text);

	_cleanup_free_ char *group = NULL;

	if (nr == SP_CALL_UNKNOWN && asprintf(&group, "@%s", word->text) < 0)
		group = NULL;
	if (nr == SP_CALL_UNKNOWN)
		SP_MISTAKE(reading, word->place,
			   group && sp_group_members(group)
			       ? group
			       : sp_nearest(word->text, sp_candidate_call, NULL),
			   "unknown system call \"%s\"", word->text);
	else if (nr == SP_CALL_FOREIGN)
		sp_report_warning(reading->reporter, reading->source, word->place,
				  "this architecture has no call \"%s\": the rule has no effect",
				  word->text);
	return nr;
}

static void add_call(struct sp_reading *reading, const struct sp_term *term, struct verdict verdict)
{
	const struct sp_word *word = term->word;
	int nr = sp_read_call(reading, word);
	const char *mistake, *told = NULL;

	if (nr < 0)
		return;
	mistake = sp_model_verdict_mistake(nr, verdict.action, verdict.error, true);
	if (mistake)
		SP_MISTAKE(reading, word->place, NULL, "%s", mistake);
	else
		add_rule(reading, term, nr, verdict, false, word->text, &told);
}

/* Members that can't have the verdict are passed over. */
static void add_group(struct sp_reading *reading, const struct sp_term *term,
		      struct verdict verdict)
{
	struct sp_call_set calls;
	const char *told = NULL;

	if (!sp_read_group(reading, term->word, &calls))
		return;
	if (term->condition) {
		SP_MISTAKE(reading, term->word->place, NULL, "a group takes no conditions");
		return;
	}
	for (int nr = 0; nr < SP_NUMBERS; nr++)
		if (sp_call_set_has(&calls, nr) &&
		    !sp_model_verdict_mistake(nr, verdict.action, verdict.error, false))
			add_rule(reading, term, nr, verdict, true, sp_call_name(nr), &told);
}

static const struct verb *find_verb(const struct sp_word *word)
{
	for (size_t i = 0; word && i < SP_ELEMENTS(verbs); i++)
		if (strcmp(verbs[i].name, word->text) == 0)
			return &verbs[i];
	return NULL;
}

/* The runtime's own traps bear 0. */
static bool read_trap(struct sp_reading *reading, const struct sp_word *word, int *ret_number)
{
	_cleanup_free_ char *text = sp_expand(reading, word, SP_EXPAND_VALUE);
	uint64_t number;

	if (!text)
		return false;
	if (parse_number(text, &number) && number > 0 && number <= SP_TRAP_MAX) {
		*ret_number = (int)number;
		return true;
	}
	SP_MISTAKE(reading, word->place, NULL,
		   "\"%s\" is no number of a trap: 1 to %d, since 0 is the runtime's", text,
		   SECCOMP_RET_DATA);
	return false;
}

/* The detail of the verb at phrase `index`: true, and *ret_next is the phrase behind it. */
static bool read_detail(struct sp_reading *reading, const struct sp_statement *statement,
			size_t index, const struct verb *verb, struct verdict *verdict,
			size_t *ret_next)
{
	const struct sp_word *detail = sp_single_word(sp_phrase_at(statement, index + 1));
	bool thread = detail && strcmp(detail->text, "thread") == 0;

	verdict->action = verb->action;
	*ret_next = index + 1;
	if (verb->detail == DETAIL_THREAD && thread) {
		verdict->action = SP_ACTION_KILL_THREAD;
		++*ret_next;
	}
	if (verb->detail != DETAIL_ERRNO && verb->detail != DETAIL_NUMBER)
		return true;
	++*ret_next;
	if (detail)
		return verb->detail == DETAIL_ERRNO
			   ? sp_read_errno(reading, detail, index == 0, &verdict->error)
			   : read_trap(reading, detail, &verdict->error);
	SP_MISTAKE(reading, statement->place, NULL,
		   verb->detail == DETAIL_ERRNO
		       ? "\"errno\" needs an errno after it, like errno ENOSYS"
		       : "\"trap\" needs a number after it, like trap 1");
	return false;
}

static bool is_call(const struct sp_word *word)
{
	return word->text[0] == '@' ? sp_group_members(word->text) != NULL
				    : sp_call_number(word->text) >= 0;
}

/* "as ERRNO" where the verb takes it, then the end. */
static bool read_end(struct sp_reading *reading, const struct sp_statement *statement, size_t index,
		     const struct verb *verb, struct verdict *verdict)
{
	return verb->detail == DETAIL_AS ? sp_read_as(reading, statement, index, &verdict->error)
					 : sp_lists_end_at(reading, statement, index, is_call);
}

static void interpret_default(struct sp_reading *reading, const struct sp_statement *statement)
{
	const struct sp_word *word = sp_single_word(sp_phrase_at(statement, 1));
	const struct verb *verb = find_verb(word);
	_cleanup_free_ char *source = sp_source_of(reading, statement->place);
	struct sp_policy *policy = reading->policy;
	struct verdict verdict = {.error = ENOSYS};
	size_t next;

	if (!verb || !verb->by_default) {
		SP_MISTAKE(reading, word ? word->place : statement->place,
			   word && !verb ? sp_nearest(word->text, candidate_default, NULL) : NULL,
			   "expected \"default deny\", \"default deny as ERRNO\", \"default errno "
			   "ERRNO\", \"default trap NUMBER\" or \"default kill\"");
		return;
	}
	if (!source || !read_detail(reading, statement, 1, verb, &verdict, &next) ||
	    !read_end(reading, statement, next, verb, &verdict))
		return;
	if (policy->default_action.set && policy->default_action.depth == reading->depth)
		SP_MISTAKE(reading, statement->place, NULL, "there is a default already, at %s",
			   policy->default_action.source);
	sp_note_error(
	    reading, sp_model_set(&policy->default_action, reading->depth, verdict.action, source));
	sp_note_error(reading, sp_model_set(&policy->default_error, reading->depth,
					    (uint64_t)verdict.error, source));
}

static void add_items(struct sp_reading *reading, const struct sp_phrase *items,
		      struct verdict verdict)
{
	for (const struct sp_term *term = items->terms; term && reading->error == 0;
	     term = term->next)
		if (term->word->text[0] == '@')
			add_group(reading, term, verdict);
		else
			add_call(reading, term, verdict);
}

/* ---- priorities ---- */

static bool read_weight(struct sp_reading *reading, const struct sp_word *word,
			uint64_t *ret_weight)
{
	_cleanup_free_ char *text = sp_expand(reading, word, SP_EXPAND_VALUE);

	if (!text)
		return false;
	if (parse_number(text, ret_weight) && *ret_weight > 0 && *ret_weight <= SP_WEIGHT_MAX)
		return true;
	SP_MISTAKE(reading, word->place, NULL, "\"%s\" is no weight: 1 to %u", text, SP_WEIGHT_MAX);
	return false;
}

/* What was said as near, and of the same kind, must not be said otherwise. */
static void set_weight(struct sp_reading *reading, const struct sp_word *word, int nr, bool group,
		       uint64_t weight)
{
	_cleanup_free_ char *source = sp_source_of(reading, word->place);
	const struct sp_setting *other =
	    reading->policy->weights ? &reading->policy->weights[nr] : NULL;
	unsigned depth = reading->depth * 2 + group;

	if (!source)
		return;
	if (other && other->set && other->depth == depth && other->value != weight)
		SP_MISTAKE(reading, word->place, NULL,
			   "conflicting priorities: \"%s\" weighs %u here and %u at %s",
			   sp_call_name(nr), (unsigned)weight, (unsigned)other->value,
			   other->source);
	else
		sp_note_error(reading,
			      sp_model_set_weight(reading->policy, depth, nr, weight, source));
}

static void weigh_term(struct sp_reading *reading, const struct sp_term *term, uint64_t weight)
{
	const struct sp_word *word = term->word;
	struct sp_call_set calls;
	int nr;

	if (term->condition) {
		SP_MISTAKE(
		    reading, word->place, NULL,
		    "a priority takes no conditions: a filter looks for the number of a call "
		    "before it looks at arguments");
	} else if (word->text[0] != '@') {
		nr = sp_read_call(reading, word);
		if (nr >= 0)
			set_weight(reading, word, nr, false, weight);
	} else if (sp_read_group(reading, word, &calls)) {
		for (nr = 0; nr < SP_NUMBERS; nr++)
			if (sp_call_set_has(&calls, nr))
				set_weight(reading, word, nr, true, weight);
	}
}

/* "priority" [WEIGHT] CALL, …: no call's name begins with a digit. */
static void interpret_priority(struct sp_reading *reading, const struct sp_statement *statement)
{
	const struct sp_phrase *items = sp_phrase_at(statement, 1);
	const struct sp_word *word = sp_single_word(items);
	uint64_t weight = 1;
	bool weighed = word && strchr("0123456789-$", word->text[0]);

	if (weighed && !read_weight(reading, word, &weight))
		return;
	if (weighed)
		items = sp_phrase_at(statement, 2);
	if (!items)
		SP_MISTAKE(reading, statement->place, NULL,
			   "\"priority\" needs system calls or groups after it, like priority 10 "
			   "read, write");
	else if (sp_ends_at(reading, statement, weighed ? 3 : 2))
		for (const struct sp_term *term = items->terms; term && reading->error == 0;
		     term = term->next)
			weigh_term(reading, term, weight);
}

void sp_interpret_syscall(struct sp_reading *reading, const struct sp_statement *statement)
{
	const struct sp_word *word = sp_single_word(statement->phrases);
	const struct verb *verb = find_verb(word);
	struct verdict verdict = {0};
	const struct sp_phrase *items;
	size_t next;

	if (word && strcmp(word->text, "default") == 0) {
		interpret_default(reading, statement);
		return;
	}
	if (word && strcmp(word->text, "priority") == 0) {
		interpret_priority(reading, statement);
		return;
	}
	if (!verb) {
		sp_misspelt(reading, statement->phrases->terms, "verdict", candidate_verb, NULL);
		return;
	}
	verdict.error = verb->detail == DETAIL_AS ? EPERM : 0;
	if (!read_detail(reading, statement, 0, verb, &verdict, &next))
		return;
	items = sp_phrase_at(statement, next);
	if (!items)
		SP_MISTAKE(reading, word->place, NULL,
			   "\"%s\" needs system calls or groups after it", word->text);
	else if (read_end(reading, statement, next + 1, verb, &verdict))
		add_items(reading, items, verdict);
}
