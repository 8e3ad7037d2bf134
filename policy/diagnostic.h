/* SPDX-License-Identifier: Apache-2.0 */
/* Mistakes in a policy, told so that a person sees where and what to write instead. */
#ifndef SALLYPORT_POLICY_DIAGNOSTIC_H
#define SALLYPORT_POLICY_DIAGNOSTIC_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include <sallyport/policy.h>

/* Where a word stands in a text; line and column from 1, columns in bytes. */
struct sp_place {
	unsigned line, column;
	size_t length;
};

/* One text that is being read. */
struct sp_source {
	const char *file; /* how diagnostics call it */
	const char *text;
	size_t length;
	unsigned lines_before; /* of the text that nobody wrote, and no diagnostic counts */
	bool preset;
	dev_t
	    device; /* of the file, 0 where there is none: includes that go round are found by it */
	ino_t inode;
};

/* Who hears of mistakes, and how many there were. */
struct sp_reporter {
	sp_diagnostic_fn *fn; /* NULL: nobody */
	void *data;
	unsigned errors;
};

/* After so many mistakes the rest is silence: the first ones matter. */
#define SP_ERRORS_MAX 50

/* `suggestion` is a name to offer, or NULL. */
void sp_report_error(struct sp_reporter *reporter, const struct sp_source *source,
		     struct sp_place place, const char *suggestion, const char *format, ...)
    __attribute__((format(printf, 5, 6)));
void sp_report_warning(struct sp_reporter *reporter, const struct sp_source *source,
		       struct sp_place place, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* The candidate nearest to a misspelt word, or NULL where none is near. `candidate` returns names
 * by index, each valid until the next is asked for, and NULL after the last; names that it leaves
 * out are "". */
typedef const char *sp_candidate_fn(size_t index, const void *data);
const char *sp_nearest(const char *word, sp_candidate_fn *candidate, const void *data);

#endif
