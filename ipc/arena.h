/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A bump allocator over a caller's buffer, as protobuf-c's allocator: no malloc, no lock,
 * async-signal-safe. When it is full, allocation fails and the decoder fails with it: hostile
 * messages cannot amplify.
 */
#ifndef SALLYPORT_IPC_ARENA_H
#define SALLYPORT_IPC_ARENA_H

#include <protobuf-c/protobuf-c.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct sp_arena {
	uint8_t *bytes; /* borrowed */
	size_t size, used;
	ProtobufCAllocator allocator; /* hand &arena.allocator to protobuf-c; valid while the arena
					 stays in place */
};

void sp_arena_init(struct sp_arena *arena, void *bytes, size_t size);

/* 16-byte aligned, or NULL when full. Freed by resetting the arena: sp_arena_init() again. */
void *sp_arena_allocate(struct sp_arena *arena, size_t size);

#ifdef __cplusplus
}
#endif

#endif
