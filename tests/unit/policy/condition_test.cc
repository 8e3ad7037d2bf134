/* SPDX-License-Identifier: Apache-2.0 */
/* Conditions, and what they compile to, against plain evaluation. */
#include <gtest/gtest.h>

#include <cerrno>
#include <memory>
#include <random>

#include "bpf_simulator.h"
#include "policy/bpf.h"
#include "policy/condition.h"

namespace
{

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

struct ConditionDeleter {
	void operator()(sp_condition *condition) const
	{
		sp_condition_free(condition);
	}
};
using Condition = std::unique_ptr<sp_condition, ConditionDeleter>;
using sallyport::Arguments;
using sallyport::BpfSimulator;

constexpr uint32_t kYes = SECCOMP_RET_ALLOW, kNo = SECCOMP_RET_TRAP,
		   kForeign = SECCOMP_RET_KILL_PROCESS;

/* A filter that says whether the condition holds, for the number 7; others: kNo. */
sp_label write_condition(sp_assembly *assembly, const sp_leaf *leaf)
{
	return sp_bpf_condition(assembly, static_cast<const sp_condition *>(leaf->data),
				sp_bpf_return(assembly, kYes), sp_bpf_return(assembly, kNo));
}

sp_label write_no(sp_assembly *assembly, const sp_leaf *)
{
	return sp_bpf_return(assembly, kNo);
}

int assemble(const sp_condition *condition, std::vector<sock_filter> *ret_code)
{
	const sp_leaf leaves[] = {{0, 0, write_no, nullptr},
				  {7, 1, write_condition, condition},
				  {8, 0, write_no, nullptr}};
	sp_assembly assembly = {};
	sock_filter *code = nullptr;
	size_t count = 0;

	sp_bpf_numbers(&assembly, leaves, 3, kForeign, SP_BPF_EQUAL_HALVES);
	int r = sp_bpf_finish(&assembly, &code, &count);

	sp_bpf_clear(&assembly);
	if (r == 0)
		ret_code->assign(code, code + count);
	free(code);
	return r;
}

class Compiled
{
      public:
	explicit Compiled(const sp_condition *condition)
	{
		EXPECT_EQ(0, assemble(condition, &code_));
	}
	bool holds(const Arguments &arguments, uint32_t nr = 7)
	{
		BpfSimulator simulator({static_cast<unsigned short>(code_.size()), code_.data()});
		auto verdict = simulator.run(nr, arguments);

		EXPECT_TRUE(verdict == kYes || verdict == kNo);
		return verdict == kYes;
	}
	size_t length() const
	{
		return code_.size();
	}

      private:
	std::vector<sock_filter> code_;
};

void expect_comparison(unsigned bits)
{
	uint64_t width = bits == 64 ? ~0ull : 0xffffffff;

	for (sp_relation relation : kRelations)
		for (uint64_t value : kEdges) {
			sp_comparison comparison = {2, bits, relation, ~0ull, value};
			Condition condition(sp_condition_compare(&comparison));
			Compiled compiled(condition.get());

			for (uint64_t argument : kEdges) {
				Arguments arguments = {0, 0, argument, 0, 0, 0};
				bool expected = compare(relation, argument & width, value & width);

				EXPECT_EQ(expected,
					  sp_condition_holds(condition.get(), arguments.data()))
				    << relation << " " << value << " " << argument;
				EXPECT_EQ(expected, compiled.holds(arguments))
				    << relation << " " << value << " " << argument;
			}
		}
}

TEST(ConditionTest, ComparisonsOf32BitsIgnoreTheUpperHalf)
{
	expect_comparison(32);
}

TEST(ConditionTest, ComparisonsOf64Bits)
{
	expect_comparison(64);
}

/* Expressions over small numbers in the halves of two arguments, so that they overlap. */
sp_condition *random_condition(std::mt19937 &random, unsigned depth)
{
	if (depth > 0 && random() % 4 != 0) {
		if (random() % 3 == 0)
			return sp_condition_not_take(random_condition(random, depth - 1));
		sp_condition *left = random_condition(random, depth - 1),
			     *right = random_condition(random, depth - 1);

		return sp_condition_join_take(random() % 2 ? SP_CONDITION_AND : SP_CONDITION_OR,
					      left, right);
	}
	auto number = [&] { return (uint64_t(random() % 3) << 32) | random() % 9; };
	sp_test test = {random() % 2 ? SP_TEST_MASKED : SP_TEST_BELOW, unsigned(random() % 2),
			random() % 2 == 0, 0, number()};

	test.mask = random() % 2 ? ~0ull : (uint64_t(random() % 4) << 32) | random() % 16;
	if (!test.wide)
		test.value &= 0xffffffff;
	if (test.kind == SP_TEST_MASKED && random() % 8)
		test.value &= test.mask;
	return sp_condition_test(&test);
}

TEST(ConditionTest, TheFilterSaysWhatTheExpressionSays)
{
	std::mt19937 random(1);

	for (int round = 0; round < 3000; round++) {
		Condition condition(random_condition(random, 5)),
		    copy(sp_condition_copy(condition.get()));
		Compiled compiled(condition.get());

		for (int i = 0; i < 60; i++) {
			Arguments a = {(uint64_t(random() % 3) << 32) | random() % 10,
				       (uint64_t(random() % 3) << 32) | random() % 10};

			ASSERT_EQ(sp_condition_holds(condition.get(), a.data()), compiled.holds(a));
			ASSERT_EQ(sp_condition_holds(copy.get(), a.data()), compiled.holds(a));
			ASSERT_FALSE(compiled.holds(a, 6) || compiled.holds(a, 8));
		}
	}
}

/* "a == 0 || a == 2 || …": jumps that lead further than a byte can say. */
sp_condition *one_of(uint64_t count)
{
	sp_condition *any = nullptr;

	for (uint64_t i = 0; i < count; i++) {
		sp_test test = {SP_TEST_MASKED, 0, true, ~0ull, i << 33 | i * 2};
		sp_condition *one = sp_condition_test(&test);

		any = any ? sp_condition_join_take(SP_CONDITION_OR, any, one) : one;
	}
	return any;
}

TEST(ConditionTest, LongJumps)
{
	for (bool negated : {false, true}) {
		Condition condition(negated ? sp_condition_not_take(one_of(600)) : one_of(600));
		Compiled compiled(condition.get());

		EXPECT_GT(compiled.length(), 1000u);
		for (uint64_t i = 0; i < 610; i++) {
			EXPECT_EQ((i < 600) != negated, compiled.holds({i << 33 | i * 2})) << i;
			EXPECT_EQ(negated, compiled.holds({i << 33 | (i * 2 + 1)})) << i;
			EXPECT_EQ(negated, compiled.holds({(i + 1) << 33 | i * 2})) << i;
		}
	}
}

TEST(ConditionTest, WhatCannotFitIsRefused)
{
	std::vector<sock_filter> code;
	Condition fits(one_of(800)), large(one_of(3000)), huge(one_of(9000));

	EXPECT_EQ(0, assemble(fits.get(), &code));
	EXPECT_LE(code.size(), size_t(BPF_MAXINSNS));
	EXPECT_EQ(-E2BIG, assemble(large.get(), &code));
	EXPECT_EQ(-E2BIG, assemble(huge.get(), &code));
}

TEST(ConditionTest, ForeignArchitectures)
{
	Condition condition(one_of(1));
	std::vector<sock_filter> code;

	ASSERT_EQ(0, assemble(condition.get(), &code));
	BpfSimulator simulator({static_cast<unsigned short>(code.size()), code.data()});

	EXPECT_EQ(kYes, simulator.run(7, {}));
	EXPECT_EQ(kForeign, simulator.run(7, {}, AUDIT_ARCH_I386));
	EXPECT_EQ(kForeign, simulator.run(0x40000007, {}));
	EXPECT_EQ(kForeign, simulator.run(0xfffffffe, {}));
	EXPECT_EQ(SECCOMP_RET_ALLOW, simulator.run(0xffffffff, {})) << "no call";
}

} // namespace
