/* SPDX-License-Identifier: Apache-2.0 */
#include "pool.h"

#include <stdalign.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"

#define BLOCK_SIZE 16384
#define TOTAL_MAX ((size_t)1 << 30)

struct pool_block {
	struct pool_block *next;
	size_t size, used;
	alignas(max_align_t) char bytes[];
};

static _Noreturn void fail(void)
{
	(void)fputs("sallyport: out of memory\n", stderr);
	exit(EXIT_FAILED);
}

void *pool_allocate(struct pool *pool, size_t size)
{
	size_t rounded = (size + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
	struct pool_block *block = pool->blocks;
	void *memory;

	if (!block || block->size - block->used < rounded) {
		size_t room = rounded > BLOCK_SIZE ? rounded : BLOCK_SIZE;

		block = pool->total < TOTAL_MAX ? calloc(1, sizeof(*block) + room) : NULL;
		if (!block)
			fail();
		pool->total += room;
		block->size = room;
		block->next = pool->blocks;
		pool->blocks = block;
	}
	memory = block->bytes + block->used;
	block->used += rounded;
	return memory;
}

char *pool_copy(struct pool *pool, const char *text, size_t length)
{
	char *copy = pool_allocate(pool, length + 1);

	memcpy(copy, text, length);
	return copy;
}

char *pool_print(struct pool *pool, const char *format, ...)
{
	va_list arguments;
	char *text, *copy;
	int length;

	va_start(arguments, format);
	length = vasprintf(&text, format, arguments);
	va_end(arguments);
	if (length < 0)
		fail();
	copy = pool_copy(pool, text, (size_t)length);
	free(text);
	return copy;
}

void pool_clear(struct pool *pool)
{
	while (pool->blocks) {
		struct pool_block *next = pool->blocks->next;

		free(pool->blocks);
		pool->blocks = next;
	}
}
