/* SPDX-License-Identifier: Apache-2.0 */
#include "ipc/arena.h"

#define ALIGNMENT 16u

void *sp_arena_allocate(struct sp_arena *arena, size_t size)
{
	size_t start = (arena->used + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);

	/* Written so that no hostile size can wrap. */
	if (start > arena->size || size > arena->size - start)
		return NULL;
	arena->used = start + size;
	return arena->bytes + start;
}

static void *allocate(void *data, size_t size)
{
	return sp_arena_allocate(data, size);
}

static void release(void *data, void *pointer)
{
	(void)data;
	(void)pointer;
}

void sp_arena_init(struct sp_arena *arena, void *bytes, size_t size)
{
	/* Callers' buffers are page- or 16-byte-aligned; allocations are aligned relative to them.
	 */
	arena->bytes = bytes;
	arena->size = size;
	arena->used = 0;
	arena->allocator = (ProtobufCAllocator){
	    .alloc = allocate,
	    .free = release,
	    .allocator_data = arena,
	};
}
