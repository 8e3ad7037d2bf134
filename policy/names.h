/* SPDX-License-Identifier: Apache-2.0 */
/* The words of the language that the kernel gave: system calls and their arguments, groups of
 * calls, constants, errnos. Tables that stay as they are; from any thread. */
#ifndef SALLYPORT_POLICY_NAMES_H
#define SALLYPORT_POLICY_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "policy/condition.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Numbers of system calls are below this, on every architecture of Linux so far. */
#define SP_NUMBERS 512

#define SP_CALL_UNKNOWN (-1) /* no such call anywhere */
#define SP_CALL_FOREIGN (-2) /* other architectures have it */

/* The number of a call by name, or one of the two above. */
int sp_call_number(const char *name);

/* "openat", or NULL where the number has no name. */
#define SP_CALL_NAME_MAX 64
const char *sp_call_name(int nr);

/* What no policy decides about a call. */
enum sp_call_class {
	SP_CLASS_ORDINARY,
	SP_CLASS_BROKERED,  /* takes a name; a row of ipc/calls.def */
	SP_CLASS_NAMING,    /* takes a name and is not brokered: refused */
	SP_CLASS_FORBIDDEN, /* could undo the sandbox: refused */
	SP_CLASS_NESTED,    /* filters of its own: allowed by its name alone, and only on a floor */
	SP_CLASS_ALWAYS,    /* a process could not live, or die, without it: allowed */
	SP_CLASS_CLONE3,    /* answered with ENOSYS: its flags lie in memory */
};
enum sp_call_class sp_call_class(int nr);

/* The argument of a call by name: true, its index and the bits that the kernel looks at. */
bool sp_argument_find(int nr, const char *name, unsigned *ret_index, unsigned *ret_bits);
/* The argument names of a call that conditions can speak of: NULL after the last, and for calls that
 * are unknown or decided on as a whole. */
const char *sp_argument_name(int nr, size_t index);

/* How many arguments a call has; SP_ARGUMENTS where that is not known. */
unsigned sp_call_arity(int nr);

/* The members of "@group", separated by blanks, some of them twice or of other architectures; NULL:
 * no such group. */
const char *sp_group_members(const char *name);

bool sp_constant_find(const char *name, uint64_t *ret_value);
/*
 * A value as a policy would write it, by the constants that the argument takes: "TCGETS",
 * "O_RDONLY|O_CLOEXEC", and numbers where there is no name, also for calls that no condition can
 * speak of. Returns buffer.
 */
#define SP_VALUE_NAME_MAX 512
const char *sp_value_name(int nr, size_t argument, uint64_t value, char buffer[SP_VALUE_NAME_MAX]);

bool sp_errno_find(const char *name, int *ret_error);

/* For sp_nearest(). */
const char *sp_candidate_call(size_t index, const void *unused);
const char *sp_candidate_group(size_t index, const void *unused);
const char *sp_candidate_constant(size_t index, const void *unused);
const char *sp_candidate_errno(size_t index, const void *unused);
const char *sp_candidate_argument(size_t index, const void *nr); /* of int *nr */
/* The constants that one argument takes; all of them where it takes any or none. */
struct sp_argument_of {
	int nr;
	unsigned argument;
};
const char *sp_candidate_argument_constant(size_t index, const void *argument_of);

#ifdef __cplusplus
}
#endif

#endif
