/* SPDX-License-Identifier: Apache-2.0 */
/* A system call with its arguments, as people and strace(1) write it. */
#ifndef SALLYPORT_POLICY_INVOCATION_H
#define SALLYPORT_POLICY_INVOCATION_H

#include <stdbool.h>
#include <stdint.h>

#include "policy/condition.h"
#include "policy/diagnostic.h"

#ifdef __cplusplus
extern "C" {
#endif

struct sp_invocation {
	int nr;
	char name[64];
	unsigned count; /* of the arguments that were given; the others are zero */
	uint64_t argument[SP_ARGUMENTS];
	char *text[SP_ARGUMENTS]; /* owned: of an argument that is a string, else NULL */
	char
	    *descriptor[SP_ARGUMENTS]; /* owned: the name that stands behind one, as in 3</tmp/x> */
	struct sp_place begin, place[SP_ARGUMENTS];
	uint64_t how_flags, how_mode; /* of the struct open_how of openat2 */
};

/*
 * Reads `open("/etc/passwd", O_RDWR)`, or `open "/etc/passwd" O_RDWR`, which is more handy in lists: a
 * name, then strings, numbers, the kernel's constants joined by '|', NULL, and structs in braces or
 * brackets, which count as pointers. What strace(1) adds is understood, and not looked at: a result
 * after '=', and dots where it cut a string.
 * Reads from source->text + *at at `place`, up to the end or, where the call stands without parentheses,
 * up to "->"; *at is then behind it. Mistakes are told at their place. 0, -EINVAL or -ENOMEM.
 */
int sp_invocation_read(struct sp_reporter *reporter, const struct sp_source *source, size_t *at,
		       struct sp_invocation *ret);
void sp_invocation_clear(struct sp_invocation *invocation);

/* Where in a source a byte stands. */
struct sp_place sp_place_at(const struct sp_source *source, size_t offset, size_t length);

#ifdef __cplusplus
}
#endif

#endif
