/* SPDX-License-Identifier: Apache-2.0 */
/* Names as `policy learn` sees them: as text, and what of them is somebody's own. Canonical, without a final slash. */
#ifndef SALLYPORT_TOOLS_LEARNT_NAMES_H
#define SALLYPORT_TOOLS_LEARNT_NAMES_H

#include <stdbool.h>
#include <stddef.h>

#include "learnt.h"

/* Whether `name` is `folder` or below it. */
bool name_is_within(const char *name, const char *folder);
bool name_is_below(const char *name, const char *folder);
bool name_is_directly_below(const char *name, const char *folder);

/* These two to be freed. */
char *name_parent(const char *name);
char *name_joined(const char *folder, const char *rest);

const char *name_last(const char *name); /* of its components */

/* ".pdf" of "a.pdf", "" of "Makefile" and ".profile". */
const char *name_extension(const char *name);

bool name_is_system(const char *folder);
bool name_is_temporary(const char *folder, const struct surroundings *surroundings);

/* Where other things lie than those of one program: no rule is for all of it. */
bool name_is_shared(const char *folder, const struct surroundings *surroundings);

/*
 * The made-up part of a name's last component: six characters or more, behind a prefix such as "tmp". 0: there is
 * none. Where `any`, whatever they are.
 */
size_t name_made_up(const char *last, bool any, size_t *ret_start);

#endif
