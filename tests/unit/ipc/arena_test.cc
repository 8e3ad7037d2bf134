// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "ipc/arena.h"

TEST(Arena, GivesAlignedMemoryUntilItIsFull)
{
	alignas(16) uint8_t bytes[64];
	struct sp_arena arena;

	sp_arena_init(&arena, bytes, sizeof(bytes));
	EXPECT_EQ(sp_arena_allocate(&arena, 1), bytes);
	EXPECT_EQ(sp_arena_allocate(&arena, 16), bytes + 16);
	EXPECT_EQ(sp_arena_allocate(&arena, 33), nullptr);
	EXPECT_EQ(sp_arena_allocate(&arena, 32), bytes + 32);
	EXPECT_EQ(sp_arena_allocate(&arena, 1), nullptr);
}

TEST(Arena, RefusesSizesThatWouldWrap)
{
	alignas(16) uint8_t bytes[64];
	struct sp_arena arena;

	sp_arena_init(&arena, bytes, sizeof(bytes));
	EXPECT_NE(sp_arena_allocate(&arena, 3), nullptr);
	EXPECT_EQ(sp_arena_allocate(&arena, SIZE_MAX), nullptr);
	EXPECT_EQ(sp_arena_allocate(&arena, SIZE_MAX - 15), nullptr);
	EXPECT_NE(sp_arena_allocate(&arena, 48), nullptr);
}
