/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a policy of another program says, and how it is written in our language. An importer reads its
 * format and calls import_rule() and its like; import_write() writes what came together.
 *
 * Nothing is dropped in silence: what can't be carried is decided the stricter way, and noted.
 */
#ifndef SALLYPORT_TOOLS_IMPORT_EMIT_H
#define SALLYPORT_TOOLS_IMPORT_EMIT_H

#include <stdbool.h>
#include <stdio.h>

#include <sallyport/policy.h>

#include "formula.h"
#include "pool.h"

/* Mild to strict. */
enum action { ACTION_ALLOW, ACTION_LOG, ACTION_DENY, ACTION_TRAP, ACTION_KILL_THREAD, ACTION_KILL };

struct verdict {
	enum action action;
	int number; /* the error of ACTION_DENY, the data of ACTION_TRAP */
};

#define VERDICT_ALLOW ((struct verdict){ACTION_ALLOW, 0})
#define VERDICT_LOG ((struct verdict){ACTION_LOG, 0})
#define VERDICT_KILL ((struct verdict){ACTION_KILL, 0})
#define VERDICT_KILL_THREAD ((struct verdict){ACTION_KILL_THREAD, 0})
/* A trap without data of its own. In our language it has at least 1; import_trap() says so. */
#define VERDICT_TRAP ((struct verdict){ACTION_TRAP, 0})
#define VERDICT_DENY(error) ((struct verdict){ACTION_DENY, error})

bool verdict_grants(struct verdict verdict);
bool verdict_equals(struct verdict a, struct verdict b);

struct import_rule {
	struct verdict verdict;
	struct formula formula;
	unsigned line;
	struct import_rule *next;
};

struct import_call {
	struct sp_policy_call facts;
	struct import_rule *rules, **end; /* in the order of precedence */
	struct import_call *next;
};

struct import_line { /* of a section, or a note */
	unsigned line;
	const char *file; /* of a note */
	const char *text;
	const char *path; /* of `files` */
	struct import_line *next;
};

struct import_lines {
	struct import_line *first, **end;
};

#define IMPORT_NUMBERS 512

struct import {
	struct pool pool;
	const char *format, *file; /* file: printable */
	const char *path;          /* as the user named it */
	FILE *errors;
	unsigned mistakes;
	struct verdict fallback; /* of calls without a rule, or where none applies */
	struct import_call *calls, **calls_end;
	struct import_call *by_number[IMPORT_NUMBERS];
	size_t rule_count, note_count, file_count;
	struct import_lines notes, files, limits;
	bool wx_denied;
};

/* ---- reports; line 0: the file as a whole ---- */

/* file:line: error: … The import fails. */
void import_mistake(struct import *import, unsigned line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* file:line: note: … Once, however often it is said, when all has been read; and a comment in what is
 * written. */
void import_note(struct import *import, unsigned line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Adds to the last note that begins so, of the same line, or makes one: "BEGINNING a, b". */
void import_note_name(struct import *import, unsigned line, const char *beginning,
		      const char *name);
void import_print_notes(const struct import *import);

/* ---- other files ---- */

/* A relative name starts at the folder of the file that names it. */
const char *import_beside(struct import *import, const char *name);
/* NULL where it can't be read, is too large, or no text; or, which is a mistake, is one of too many. */
char *import_read_file(struct import *import, const char *path);
/* Reports name that file until *outer is restored. */
struct import_place {
	const char *path, *file;
};
struct import_place import_enter(struct import *import, const char *path);
void import_leave(struct import *import, struct import_place outer);

/* ---- what the policy says ---- */

/*
 * Adds a rule for a call: the first one whose formula holds decides. The formula of a rule for a call
 * whose arguments have no names is unknown.
 */
void import_rule(struct import *import, unsigned line, const struct sp_policy_call *facts,
		 struct verdict verdict, struct formula formula);
void import_rule_always(struct import *import, unsigned line, const struct sp_policy_call *facts,
			struct verdict verdict);
/* Before the rules that the call has, and the default: it fails where the formula holds. Does nothing
 * for a call that is refused already, since that could be stricter. */
void import_refuse(struct import *import, unsigned line, const struct sp_policy_call *facts,
		   struct formula formula, int error);

/* Counts a rule; false, and a mistake, where there are too many. */
bool import_count(struct import *import, unsigned line);

/*
 * For allow lists and deny lists of address families: socket(2) of a family that is not granted fails,
 * by import_refuse().
 */
void import_families(struct import *import, unsigned line, const uint64_t *families, size_t count,
		     bool granted, int error);

/* A statement of `files`: for the path and all that is below it. What can't be granted is noted; a path
 * that can't be denied is a mistake. */
void import_file(struct import *import, unsigned line, const char *rights, const char *path);
/* A limit, of files, processes, bytes or seconds; a later one replaces an earlier. */
void import_limit(struct import *import, unsigned line, const char *word, uint64_t value);

/* Writes the policy. */
void import_write(struct import *import, FILE *output);

/* ---- shared by the importers ---- */

/* The call by name. False: there is none; that is said as a note where `lenient`, as the format's own
 * program passes over it, else as a mistake. A call of another architecture is always a note. */
bool import_find_call(struct import *import, unsigned line, const char *name, bool lenient,
		      struct sp_policy_call *ret_call);

/* The verdict with the least data that a trap can have, and a note, where it has none. */
struct verdict import_trap(struct import *import, unsigned line, struct verdict verdict);

/* EPERM, or a number: 0 on failure, which is reported. */
int import_find_errno(struct import *import, unsigned line, const char *text);

/* A number as C writes it, with a sign; false where it is none, or too large. */
bool import_number(const char *text, uint64_t *ret_value);

/* Bytes of a file as text for a report: printable, cut. */
const char *import_printable(struct import *import, const char *text, size_t length);

#endif
