/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files of which every name is known: the sandbox itself gave them all but the first, and each could be written to by the
 * rules when it was given. Such a file has several links, and still `write` alone is enough for it: whoever holds a
 * descriptor of it from before the link could write to it, too. Of every other file with several links only some of the names are
 * known to the policy, and it takes the right `linked`.
 *
 * A file is known by device, inode and time of birth, so that another one that gets its inode is not taken for it; a file
 * system without times of birth has none that are known. Bounded: the oldest is forgotten.
 */
#ifndef SALLYPORT_BROKER_LINKS_H
#define SALLYPORT_BROKER_LINKS_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SP_LINKS_MAX 1024 /* files that are remembered */

struct sp_link;
struct sp_links {
	struct sp_link *list; /* owned, SP_LINKS_MAX of them; NULL: no link was made yet */
	unsigned next;        /* the one to forget */
};

/* Forgets all. The empty one is {0}. */
void sp_links_clear(struct sp_links *links);

/* The held object had `before` links, and was given one more by the caller. `writable`: by either name. */
void sp_links_add(struct sp_links *links, int object, uint32_t before, bool writable);

/* A name of the held object was removed or replaced. */
void sp_links_remove(struct sp_links *links, int object);

/* The held object was given another name for one of its own, which is not writable. */
void sp_links_forget(struct sp_links *links, int object);

/* Whether each name of the held object is known; where one is not, the file is forgotten. `links` may be NULL. */
bool sp_links_known(struct sp_links *links, int object);

#ifdef __cplusplus
}
#endif

#endif
