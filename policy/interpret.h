/* SPDX-License-Identifier: Apache-2.0 */
/* From the shape of a policy to what it says. Internal to policy/. */
#ifndef SALLYPORT_POLICY_INTERPRET_H
#define SALLYPORT_POLICY_INTERPRET_H

#include "policy/diagnostic.h"
#include "policy/model.h"
#include "policy/syntax.h"

enum sp_section {
	SP_SECTION_SYSCALLS,
	SP_SECTION_MEMORY,
	SP_SECTION_FILES,
	SP_SECTION_LIMITS,
	SP_SECTION_ISOLATE,
	SP_SECTION_COUNT
};

/* One text being understood. */
struct sp_reading {
	struct sp_policy *policy;
	struct sp_reporter *reporter;
	const struct sp_source *source;
	unsigned *includes; /* read so far, over all texts of one policy */
	bool named;
	bool seen[SP_SECTION_COUNT];
	uint32_t limits_seen;
	uint32_t layers, optional_layers;
	int error; /* what no text can be blamed for: -ENOMEM */
};

/* Reads a text and all that it includes into policy. Mistakes go to the reporter. 0 or -ENOMEM. */
int sp_interpret(struct sp_policy *policy, struct sp_reporter *reporter,
		 const struct sp_source *source, unsigned *includes);

/* load.c: the text that `include NAME` means, read with sp_interpret(). */
void sp_include(struct sp_reading *reading, const struct sp_word *name);

/* interpret_calls.c: one statement of a section `syscalls`. */
void sp_interpret_syscall(struct sp_reading *reading, const struct sp_statement *statement);

/* Helpers of both. */
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

/* The only word of a phrase; NULL where the phrase is missing or something else. */
const struct sp_word *sp_single_word(const struct sp_phrase *phrase);

/* Reports that nothing may follow the phrase before `index`. True if nothing does. */
bool sp_ends_at(struct sp_reading *reading, const struct sp_statement *statement, size_t index);

/* Reads "as ERRNO" from phrase `index` on: true, *ret_error (unchanged where the statement ends).
 */
bool sp_read_as(struct sp_reading *reading, const struct sp_statement *statement, size_t index,
		int *ret_error);

#endif
