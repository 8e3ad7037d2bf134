/* SPDX-License-Identifier: Apache-2.0 */
/* From the shape of a policy to what it says. Internal to policy/. */
#ifndef SALLYPORT_POLICY_INTERPRET_H
#define SALLYPORT_POLICY_INTERPRET_H

#include "policy/diagnostic.h"
#include "policy/model.h"
#include "policy/names.h"
#include "policy/syntax.h"

enum sp_section {
	SP_SECTION_SYSCALLS,
	SP_SECTION_MEMORY,
	SP_SECTION_FILES,
	SP_SECTION_NETWORK,
	SP_SECTION_LIMITS,
	SP_SECTION_ISOLATE,
	SP_SECTION_COUNT
};

/* System calls by number. */
struct sp_call_set {
	uint64_t bits[SP_NUMBERS / 64];
};

#define SP_GROUP_NAME_MAX 64

struct sp_group {
	const struct sp_word *name;
	const struct sp_algebra *algebra;
	enum { SP_GROUP_NEW, SP_GROUP_OPEN, SP_GROUP_DONE } state; /* open: being evaluated */
	struct sp_call_set calls;
};

/* One text, read: groups, and policies that begin with `policy NAME`. */
struct sp_document {
	const struct sp_source *source;
	struct sp_syntax syntax;
	struct sp_group *groups; /* owned */
	size_t group_count;
	bool broken; /* not every line has a shape */
};

/* A parameter and its value; NULL: it has none, which has been told. */
struct sp_binding {
	const struct sp_word *name;
	char *value; /* owned */
	bool used;
};

/* One policy of a text being understood. */
struct sp_reading {
	struct sp_policy *policy;
	struct sp_reporter *reporter;
	const struct sp_source *source;
	struct sp_document *document;
	const struct sp_statement *head; /* the statement `policy NAME`, or NULL */
	struct sp_reading *parent;       /* that includes this one, or NULL */
	struct sp_binding *bindings;     /* owned */
	size_t binding_count;
	bool lint;          /* what can hardly be meant is told */
	bool lenient;       /* nobody wants the policy: values may be missing */
	bool again;         /* its mistakes have been told: only lint speaks */
	unsigned depth;     /* of includes; 0: the policy itself */
	unsigned *includes; /* read so far, over all texts of one policy */
	bool seen[SP_SECTION_COUNT];
	uint32_t limits_seen;
	struct sp_place
	    limit_places[SP_LIMIT_COUNT]; /* of values, where the policy itself has them */
	struct sp_place editable_place;   /* where the policy itself says so */
	uint32_t layers, optional_layers;
	struct sp_place strict_place;   /* of the word `strict`, where the policy itself has it */
	struct sp_argument_of argument; /* of the condition in hand */
	int error;                      /* what no text can be blamed for: -ENOMEM */
};

/* The value of a parameter. */
struct sp_given {
	const char *name;
	char *value;
	struct sp_place place; /* of the name, in the text that gives it */
};

/* Which policy of a text is wanted, and who asks. */
struct sp_wanted {
	const char *name; /* NULL: the first */
	struct sp_reading *by;
	struct sp_policy *policy; /* where its rules go */
	const char *text;         /* what `by` calls it */
	struct sp_place place;    /* in the text of `by`, which is NULL at the top */
	struct sp_given *given;
	size_t given_count;
	bool lint;
};

/*
 * Reads a text, and the wanted policy of it with all that it includes. Where nobody
 * includes it, the other policies of the text are read for their mistakes. Mistakes go to the
 * reporter. 0 or -ENOMEM.
 */
int sp_interpret(struct sp_reporter *reporter, const struct sp_source *source,
		 const struct sp_wanted *wanted, unsigned *includes);

/* The same for a document that is being read already. */
int sp_interpret_again(struct sp_document *document, const struct sp_wanted *wanted);

/* The policy of that name, or the first (NULL), or NULL. */
struct sp_statement *sp_find_policy(const struct sp_document *document, const char *name);

const char *sp_candidate_policy(size_t index, const void *data); /* of struct sp_document */

/* load.c: the policy that `include NAME` or `within NAME` means, read into `policy` with one of the
 * two above. */
void sp_read_other(struct sp_reading *reading, const struct sp_term *term,
		   struct sp_policy *policy);

/* interpret_parameters.c. The parameters of `policy NAME(…)` get their values. */
void sp_bind_parameters(struct sp_reading *reading, const struct sp_term *head,
			const struct sp_wanted *wanted);
/* Forgets them; with `check` one that was never used is a mistake. */
void sp_unbind_parameters(struct sp_reading *reading, bool check);

/* The values of `include NAME(…)`. False after a mistake. */
bool sp_read_given(struct sp_reading *reading, const struct sp_term *term,
		   struct sp_wanted *wanted);
void sp_clear_given(struct sp_wanted *wanted);

/* In a path, wildcards of a value stand for themselves. */
enum sp_expansion { SP_EXPAND_VALUE, SP_EXPAND_PATH };

/* A word with its references replaced, to be freed; NULL after a mistake, or where the reading is
 * lenient and a value is missing. */
char *sp_expand(struct sp_reading *reading, const struct sp_word *word, enum sp_expansion how);

/* lint.c: warnings about a policy that has been understood. */
void sp_lint(struct sp_reading *reading);

/* Where the policy itself says something; zero in what it includes. */
static inline struct sp_place sp_own_place(const struct sp_reading *reading, struct sp_place place)
{
	return reading->depth == 0 ? place : (struct sp_place){0};
}

/* A value that `limits { … }` may set. */
bool sp_valid_limit(enum sp_limit limit, uint64_t value);

/* Whether a policy may be called so. A name travels in reports and file names. */
#define SP_NAME_LENGTH_MAX 64
bool sp_valid_name(const char *name);

/* The name of the policy that begins so, "" where it has none that could be called so. */
const char *sp_policy_name_of(const struct sp_statement *head);

/* interpret_groups.c. Every group of the document is understood, whether it is used or not. */
void sp_read_groups(struct sp_reading *reading);
bool sp_is_group(const struct sp_statement *statement);
/* What "@name" means, or false after a mistake, which is told. */
bool sp_read_group(struct sp_reading *reading, const struct sp_word *word,
		   struct sp_call_set *ret_set);

/* Adds what a group of ours, "@name", means to *ret_set; false: there is none. */
bool sp_builtin_group(const char *name, struct sp_call_set *ret_set);

static inline void sp_call_set_add(struct sp_call_set *set, int nr)
{
	set->bits[nr / 64] |= UINT64_C(1) << (nr % 64);
}

static inline bool sp_call_set_has(const struct sp_call_set *set, int nr)
{
	return set->bits[nr / 64] & (UINT64_C(1) << (nr % 64));
}

/* *set = *set + | - | & *other */
void sp_call_set_combine(struct sp_call_set *set, const struct sp_call_set *other,
			 enum sp_algebra_kind how);

/* interpret_calls.c: the number of a call by name, negative where there is none, which is told. */
int sp_read_call(struct sp_reading *reading, const struct sp_word *word);

/* interpret_statements.c: one statement of a policy, and all of it where it is a section. */
void sp_interpret_statement(struct sp_reading *reading, const struct sp_statement *statement);

/* One statement of a section each. */
void sp_interpret_syscall(struct sp_reading *reading, const struct sp_statement *statement);
void sp_interpret_file(struct sp_reading *reading, const struct sp_statement *statement);
void sp_interpret_network(struct sp_reading *reading, const struct sp_statement *statement);
void sp_interpret_limit(struct sp_reading *reading, const struct sp_statement *statement);
void sp_interpret_memory(struct sp_reading *reading, const struct sp_statement *statement);
void sp_interpret_layer(struct sp_reading *reading, const struct sp_statement *statement);
/* What a section `isolate` as a whole lacks, and sets. */
void sp_finish_isolate(struct sp_reading *reading, const struct sp_statement *section);

/* interpret_files.c: from phrase `index` on names, and the errno of a `deny`; `before` stands before them. */
void sp_add_patterns(struct sp_reading *reading, const struct sp_statement *statement, size_t index,
		     const struct sp_phrase *before, const struct sp_path_rule *rule);
/* What is wrong with a pattern or address, told where it begins; once values stood in it, for the whole word. */
void sp_word_mistake(struct sp_reading *reading, const struct sp_word *word, const char *text,
		     size_t offset, const char *mistake);
extern const char sp_nobody_asked[]; /* "ask" where it is no verdict */

/* ---- helpers of all of these ---- */

/* Looks for the suggestion only where somebody may still hear of it: looking takes long. */
#define SP_MISTAKE(reading, place, suggestion, ...)                                                \
	sp_report_error((reading)->reporter, (reading)->source, place,                             \
			(reading)->reporter->errors < SP_ERRORS_MAX ? (suggestion) : NULL,         \
			__VA_ARGS__)

void sp_note_error(struct sp_reading *reading, int r);

/* "file:line:column", to be freed; NULL: no memory, and noted. */
char *sp_source_of(struct sp_reading *reading, struct sp_place place);

/* The phrase by index, or NULL. */
const struct sp_phrase *sp_phrase_at(const struct sp_statement *statement, size_t index);

/* The only term of a phrase, without a condition; NULL where there is something else. */
const struct sp_term *sp_single_term(const struct sp_phrase *phrase);

/* Of a word that is right, and was not understood since it stands in a list, or before parentheses. */
bool sp_is_misplaced(struct sp_reading *reading, const struct sp_term *term, const char *nearest);

/* Reports the message at the word, with the nearest candidate, or all where there are few and none is near. */
void sp_unknown(struct sp_reading *reading, const struct sp_word *word, const char *message,
		sp_candidate_fn *candidate, const void *data);

/* Of a `what` that is none, with the nearest that is. */
void sp_misspelt(struct sp_reading *reading, const struct sp_term *term, const char *what,
		 sp_candidate_fn *candidate, const void *data);

/* The only word of a phrase; NULL where the phrase is missing or something else. */
const struct sp_word *sp_single_word(const struct sp_phrase *phrase);

/* Reports that nothing may follow the phrase before `index`. True if nothing does. */
bool sp_ends_at(struct sp_reading *reading, const struct sp_statement *statement, size_t index);
/* The same behind a list of items, which a comma would have gone on: so a missing one is guessed. */
bool sp_lists_end_at(struct sp_reading *reading, const struct sp_statement *statement, size_t index,
		     bool (*is_item)(const struct sp_word *word));

/* An errno by name or number; `success`: or 0, which is none. False after a mistake. */
bool sp_read_errno(struct sp_reading *reading, const struct sp_word *word, bool success,
		   int *ret_error);

/* Reads "as ERRNO" from phrase `index` on: true, *ret_error (unchanged where the statement ends).
 */
bool sp_read_as(struct sp_reading *reading, const struct sp_statement *statement, size_t index,
		int *ret_error);

#endif
