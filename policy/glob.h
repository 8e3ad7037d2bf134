/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Path patterns. Components are separated by '/'; within one, '*' stands for any bytes, '?' for one
 * byte, '[set]' for one of a set ('[!set]': for one outside it, '[a-z]': a range); none of them
 * ever stands for '/', a leading dot is a byte like others, and '[*]' is a literal star. A
 * component '**' stands for any number of components, none included: dir/ ** (without the blank) is
 * dir itself and all below.
 *
 * Everything here is pure and bounded by length of pattern times length of name, also for names
 * that were made to hurt.
 */
#ifndef SALLYPORT_POLICY_GLOB_H
#define SALLYPORT_POLICY_GLOB_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

struct sp_text {
	const char *start;
	size_t length;
};

/* How a pattern stands towards a name; both "" or a sequence of "/component". */
enum sp_glob_reach {
	SP_GLOB_MATCHES = 1 << 0, /* it matches the name itself */
	SP_GLOB_BELOW = 1 << 1,   /* it matches, or could, something strictly below the name */
	SP_GLOB_COVERS = 1 << 2,  /* it matches the name and everything below it */
};
unsigned sp_glob_reach(struct sp_text pattern, struct sp_text name);

/* What makes a pattern more specific than another. */
struct sp_glob_measure {
	size_t directory; /* bytes of the leading components without wildcard; 0 for "/" */
	size_t prefix;    /* bytes before the first wildcard */
	size_t literals;  /* bytes that are no wildcard */
	bool exact;       /* no wildcard at all */
};
void sp_glob_measure(struct sp_text pattern, struct sp_glob_measure *ret_measure);

/* What is wrong with a pattern: NULL if nothing, else a sentence, and where it begins. */
const char *sp_glob_mistake(struct sp_text pattern, size_t *ret_offset);

/* The bytes that the first element of a component stands for, which is no '*'; returns its length. */
size_t sp_glob_element(struct sp_text pattern, bool ret_bytes[256]);

/* The next "/component" of `rest`, without its slash. False at the end. */
bool sp_glob_next(struct sp_text *rest, struct sp_text *ret_component);

#ifdef __cplusplus
}
#endif

#endif
