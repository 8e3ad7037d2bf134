/* SPDX-License-Identifier: Apache-2.0 */
/* The algebra of conditions against plain evaluation. */
#include "support.h"

#include <random>

#include "policy/condition.h"

namespace
{

struct Condition {
	sp_condition value = {};

	Condition() = default;
	Condition(const Condition &) = delete;
	Condition &operator=(const Condition &) = delete;
	~Condition()
	{
		sp_condition_clear(&value);
	}
};

bool holds(const sp_test &test, uint64_t argument)
{
	switch (test.kind) {
	case SP_TEST_MASKED:
		return (argument & test.mask) == test.value;
	case SP_TEST_BELOW:
		return argument < test.value;
	case SP_TEST_FROM:
		return argument >= test.value;
	default:
		return true;
	}
}

bool holds(const sp_condition &condition, const std::array<uint64_t, 6> &arguments)
{
	for (size_t i = 0; i < condition.count; i++) {
		bool all = true;

		for (size_t j = 0; j < arguments.size(); j++)
			all = all && holds(condition.conjuncts[i].argument[j], arguments[j]);
		if (all)
			return true;
	}
	return false;
}

bool compare(sp_relation relation, uint64_t left, uint64_t right)
{
	switch (relation) {
	case SP_EQ:
		return left == right;
	case SP_NE:
		return left != right;
	case SP_LT:
		return left < right;
	case SP_LE:
		return left <= right;
	case SP_GT:
		return left > right;
	default:
		return left >= right;
	}
}

const uint64_t kEdges[] = {0,
			   1,
			   2,
			   3,
			   7,
			   0x7fffffff,
			   0x80000000,
			   0xfffffffe,
			   0xffffffff,
			   0x100000000,
			   0x100000003,
			   0xfffffffffffffffe,
			   0xffffffffffffffff};
const sp_relation kRelations[] = {SP_EQ, SP_NE, SP_LT, SP_LE, SP_GT, SP_GE};

TEST(ConditionTest, ComparisonsOf32BitsIgnoreTheUpperHalf)
{
	for (sp_relation relation : kRelations)
		for (uint64_t value : kEdges) {
			sp_comparison comparison = {2, 32, relation, ~0ull, value};
			Condition condition;

			ASSERT_EQ(0, sp_condition_compare(&comparison, &condition.value));
			for (uint64_t argument : kEdges)
				EXPECT_EQ(
				    compare(relation, argument & 0xffffffff, value & 0xffffffff),
				    holds(condition.value, {0, 0, argument, 0, 0, 0}))
				    << relation << " " << value << " " << argument;
		}
}

TEST(ConditionTest, ComparisonsOf64Bits)
{
	for (sp_relation relation : kRelations)
		for (uint64_t value : kEdges) {
			sp_comparison comparison = {5, 64, relation, ~0ull, value};
			Condition condition;

			ASSERT_EQ(0, sp_condition_compare(&comparison, &condition.value));
			for (uint64_t argument : kEdges)
				EXPECT_EQ(compare(relation, argument, value),
					  holds(condition.value, {0, 0, 0, 0, 0, argument}))
				    << relation << " " << value << " " << argument;
		}
}

/* Conditions of a few conjuncts over small numbers, so that they overlap. */
void fill(std::mt19937 &random, sp_condition *condition)
{
	for (unsigned i = 0, count = random() % 4; i < count; i++) {
		sp_conjunct conjunct = {};

		for (unsigned j = 0; j < 2; j++) {
			uint64_t mask = random() % 8;
			sp_test tests[] = {{SP_TEST_ANY, 0, 0},
					   {SP_TEST_MASKED, mask, random() % 8 & mask},
					   {SP_TEST_BELOW, 0, random() % 9},
					   {SP_TEST_FROM, 0, random() % 9}};

			conjunct.argument[j] = tests[random() % 4];
		}
		ASSERT_EQ(0, sp_condition_add(condition, &conjunct));
	}
}

TEST(ConditionTest, AndAndNotMeanWhatTheySay)
{
	std::mt19937 random(1);

	for (int round = 0; round < 2000; round++) {
		Condition a, b, both, neither;

		fill(random, &a.value);
		fill(random, &b.value);
		ASSERT_EQ(0, sp_condition_and(&a.value, &b.value, &both.value));
		ASSERT_EQ(0, sp_condition_not(&a.value, &neither.value));
		for (uint64_t x = 0; x < 10; x++)
			for (uint64_t y = 0; y < 10; y++) {
				std::array<uint64_t, 6> arguments = {x, y, 0, 0, 0, 0};

				ASSERT_EQ(holds(a.value, arguments) && holds(b.value, arguments),
					  holds(both.value, arguments));
				ASSERT_NE(holds(a.value, arguments),
					  holds(neither.value, arguments));
			}
	}
}

TEST(ConditionTest, WhatCannotFitIsRefused)
{
	Condition many;
	int r = 0;

	for (unsigned i = 0; i < 100000 && r == 0; i++) {
		sp_conjunct conjunct = {};

		conjunct.argument[0] = {SP_TEST_MASKED, ~0ull, i};
		r = sp_condition_add(&many.value, &conjunct);
	}
	EXPECT_EQ(-E2BIG, r);
}

} // namespace
