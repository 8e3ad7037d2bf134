/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shape of a policy, before any word of it has a meaning:
 *
 *     phrase phrase …                 a statement: phrases up to a newline or ';'
 *     phrase { statement; … }         a section
 *     phrase phrase = algebra         a group of calls
 *
 * A phrase is a list of terms with commas; a term is a word, a "quoted string", or a word with
 * a condition: ioctl(request in {TCGETS, FIONREAD}, not fd > 2), or, after `policy` and `include`,
 * with parameters: viewer(directory, size = 1G). text.l cuts words, text.y finds
 * the shape, interpret*.c give it meaning by tables.
 */
#ifndef SALLYPORT_POLICY_SYNTAX_H
#define SALLYPORT_POLICY_SYNTAX_H

#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>

#include "policy/condition.h"
#include "policy/diagnostic.h"

struct sp_word {
	const char *text; /* NUL-terminated, without quotes */
	struct sp_place place;
	bool quoted;
	struct sp_word *next; /* of value | value */
};

struct sp_member { /* value, or value .. last */
	struct sp_word *value, *last;
	struct sp_member *next;
};

struct sp_clause { /* argument [& mask] relation value, or argument [not] in members */
	struct sp_word *argument, *mask, *value;
	enum sp_relation relation;
	struct sp_member *members;
	bool outside;
};

struct sp_expression {
	enum sp_condition_kind kind;
	struct sp_clause clause; /* of SP_CONDITION_TEST */
	struct sp_expression *left, *right;
};

struct sp_declared { /* name, or name = value */
	struct sp_word *name, *value;
	struct sp_declared *next;
};

struct sp_term {
	struct sp_word *word;
	struct sp_expression *condition;
	struct sp_declared *parameters;
	struct sp_term *next;
};

struct sp_phrase {
	struct sp_term *terms;
	struct sp_phrase *next;
};

enum sp_algebra_kind { SP_ALGEBRA_NAMES, SP_ALGEBRA_PLUS, SP_ALGEBRA_MINUS, SP_ALGEBRA_AND };

struct sp_algebra { /* of sets of calls */
	enum sp_algebra_kind kind;
	struct sp_word *names; /* calls and @groups, of SP_ALGEBRA_NAMES */
	struct sp_algebra *left, *right;
};

struct sp_statement {
	struct sp_place place;
	struct sp_phrase *phrases;
	struct sp_algebra *algebra; /* of a group, or NULL */
	bool section;
	bool understood;           /* of `policy NAME`: what follows it has been read */
	struct sp_statement *body; /* of a section */
	struct sp_statement *next;
};

/* What a condition or a group may hold: their trees are walked by recursion. */
#define SP_NESTING_MAX 64
#define SP_TESTS_MAX 1024

/* A line is cut into words in a way that depends on how it begins. */
enum sp_line_kind { SP_LINE_PLAIN, SP_LINE_GROUP, SP_LINE_PARAMETERS };

/* A parse in progress, and the owner of all that it made. */
struct sp_syntax {
	const struct sp_source *source;
	struct sp_reporter *reporter;
	struct sp_statement *statements;
	void *blocks; /* every allocation, freed together */
	int error;    /* 0 or -ENOMEM */
	/* The lexer's memory: tokens that it makes up, and the section that is open. */
	unsigned line, column;
	int last, pending;
	enum sp_line_kind kind;
	unsigned sections;      /* open ones */
	unsigned nesting, nots; /* open parentheses; "not"s in a row */
	unsigned tests;         /* in the condition, or members in the group */
	bool in_set;            /* braces that are no section's */
	bool recovering;        /* the rest of the line is skipped */
	struct sp_place opened;
	jmp_buf out_of_memory; /* out of the lexer's generated code, which has no other way */
};

/*
 * Reads source->text. Mistakes go to the reporter; what is well-formed is in ret->statements all
 * the same, so that its mistakes can be told in the same run. 0 or -ENOMEM. Free in any case.
 */
int sp_syntax_read(const struct sp_source *source, struct sp_reporter *reporter,
		   struct sp_syntax *ret);
void sp_syntax_clear(struct sp_syntax *syntax);

/* For text.l and text.y. Zeroed memory that lives as long as the syntax, or NULL. */
void *sp_syntax_allocate(struct sp_syntax *syntax, size_t size);

/* The lexer can't go on, for want of memory. */
_Noreturn void sp_syntax_give_up(struct sp_syntax *syntax);

/* Reports a mistake, once for each statement, whose rest is skipped. */
void sp_syntax_mistake(struct sp_syntax *syntax, struct sp_place place, const char *message);

/* Counts one more test of a condition or member of a group; false: too many, which is reported. */
bool sp_syntax_count(struct sp_syntax *syntax, struct sp_place place);

#endif
