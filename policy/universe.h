/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All names there are, as far as patterns tell them apart: for each set of patterns that are matched
 * together by some name, one of the shortest such names. What holds for these holds for all names.
 */
#ifndef SALLYPORT_POLICY_UNIVERSE_H
#define SALLYPORT_POLICY_UNIVERSE_H

#include <stddef.h>

#include "policy/glob.h"

#ifdef __cplusplus
extern "C" {
#endif

struct sp_universe;

struct sp_universe *sp_universe_new(void);           /* NULL: no memory */
void sp_universe_free(struct sp_universe *universe); /* accepts NULL */

/* A sound pattern. Equal ones get the same number. Returns the number, or -ENOMEM. */
int sp_universe_add(struct sp_universe *universe, const char *pattern);

/* `matched`: the numbers of the patterns that match, in ascending order. Something but 0 ends the walk. */
typedef int sp_universe_fn(const char *name, size_t length, const int *matched, size_t count,
			   void *data);

/* Shorter names come first. 0, what `fn` returned, -ENOMEM, or -E2BIG: the patterns can meet in too many
 * ways. */
int sp_universe_walk(const struct sp_universe *universe, sp_universe_fn *fn, void *data);

#ifdef __cplusplus
}
#endif

#endif
