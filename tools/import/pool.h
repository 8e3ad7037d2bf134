/* SPDX-License-Identifier: Apache-2.0 */
/* Memory that lives as long as one import. */
#ifndef SALLYPORT_TOOLS_IMPORT_POOL_H
#define SALLYPORT_TOOLS_IMPORT_POOL_H

#include <stddef.h>

struct pool_block;

struct pool {
	struct pool_block *blocks;
	size_t total;
};

/* Zeroed, and never NULL: a conversion that runs out of memory, or takes more than any policy needs, has
 * nothing to save, and ends the program with status 125. */
void *pool_allocate(struct pool *pool, size_t size);

char *pool_copy(struct pool *pool, const char *text, size_t length);
char *pool_print(struct pool *pool, const char *format, ...) __attribute__((format(printf, 2, 3)));

void pool_clear(struct pool *pool);

#endif
