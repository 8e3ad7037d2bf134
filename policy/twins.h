/* SPDX-License-Identifier: Apache-2.0 */
/* Other ABIs of the same processor, and which native call each of their calls is. Tables that stay as they are; from
 * any thread. */
#ifndef SALLYPORT_POLICY_TWINS_H
#define SALLYPORT_POLICY_TWINS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Their numbers are below this; those of x32 without the bit that marks them. */
#define SP_TWIN_NUMBERS 560
#define SP_TWIN_COUNT 2 /* architectures: enum sp_architecture is a set of them, by 1 << index */

struct sp_twin {
	int native;          /* the number of the same call, or SP_CALL_UNKNOWN */
	unsigned comparable; /* bits of arguments whose lower 32 bits mean the same in both */
	bool given;          /* it may be let through at all */
};

/* `architecture`: one of enum sp_architecture. */
struct sp_twin sp_twin_find(uint32_t architecture, uint32_t nr);

/* The number of the first as the filter sees it. */
uint32_t sp_twin_first(uint32_t architecture);

/* "mmap2", or NULL. */
const char *sp_twin_name(uint32_t architecture, uint32_t nr);

/* "i386": the word for one; 0: no such word. */
const char *sp_architecture_name(uint32_t architecture);
uint32_t sp_architecture_find(const char *word);

#ifdef __cplusplus
}
#endif

#endif
