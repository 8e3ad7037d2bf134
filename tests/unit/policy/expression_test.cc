/* SPDX-License-Identifier: Apache-2.0 */
/* Conditions as policies write them, run through the filter, against the same condition in C++. */
#include "support.h"

#include <cerrno>
#include <functional>
#include <random>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "bpf_simulator.h"

namespace
{

using sallyport::Arguments;
using sallyport::BpfSimulator;
using sallyport::mistakes;
using sallyport::rules_of;

constexpr uint64_t kJunk = 0xdeadbeef00000000;
const uint64_t kEdges[] = {0,
			   1,
			   2,
			   3,
			   4,
			   5,
			   8,
			   9,
			   10,
			   15,
			   16,
			   0x7fffffff,
			   0x80000000,
			   0xfffffffa,
			   0xfffffffb,
			   0xfffffffe,
			   0xffffffff,
			   0x100000000,
			   0x100000003,
			   0xfffffffffffffffb,
			   0xffffffffffffffff};

struct ExpressionCase {
	const char *text; /* of setpriority(which, who, priority), each an int */
	std::function<bool(uint32_t, uint32_t, uint32_t)> holds;
};

const ExpressionCase kCases[] = {
    {"which == 3", [](auto a, auto, auto) { return a == 3; }},
    {"which in {1, 3, 9}", [](auto a, auto, auto) { return a == 1 || a == 3 || a == 9; }},
    {"which in { PRIO_USER, 8..10, 0xf|0x10 }",
     [](auto a, auto, auto) { return a == 2 || (a >= 8 && a <= 10) || a == 31; }},
    {"which not in {1, 3..9}", [](auto a, auto, auto) { return a != 1 && !(a >= 3 && a <= 9); }},
    {"which in 3..9", [](auto a, auto, auto) { return a >= 3 && a <= 9; }},
    {"which not in 3 .. 9", [](auto a, auto, auto) { return a < 3 || a > 9; }},
    {"which in 5..5", [](auto a, auto, auto) { return a == 5; }},
    {"priority in -5..-1", [](auto, auto, auto c) { return int32_t(c) >= -5 && int32_t(c) < 0; }},
    {"priority in -5..9", [](auto, auto, auto c) { return int32_t(c) >= -5 && int32_t(c) <= 9; }},
    {"priority not in {-5..9, 15}",
     [](auto, auto, auto c) { return (int32_t(c) < -5 || int32_t(c) > 9) && c != 15; }},
    {"priority == -1", [](auto, auto, auto c) { return c == 0xffffffff; }},
    {"priority in 0..0xffffffff", [](auto, auto, auto) { return true; }},
    {"which & 3 == 1", [](auto a, auto, auto) { return (a & 3) == 1; }},
    {"which & 3 != 1", [](auto a, auto, auto) { return (a & 3) != 1; }},
    {"which & 8|2 == 2", [](auto a, auto, auto) { return (a & 10) == 2; }},
    {"which == 1 or who == 1", [](auto a, auto b, auto) { return a == 1 || b == 1; }},
    {"which == 1 and who == 1", [](auto a, auto b, auto) { return a == 1 && b == 1; }},
    {"not which == 1", [](auto a, auto, auto) { return a != 1; }},
    {"not not which == 1", [](auto a, auto, auto) { return a == 1; }},
    {"not which == 1 and who == 2", [](auto a, auto b, auto) { return a != 1 && b == 2; }},
    {"not (which == 1 and who == 2)", [](auto a, auto b, auto) { return !(a == 1 && b == 2); }},
    {"which == 1 or who == 2 and priority == 3",
     [](auto a, auto b, auto c) { return a == 1 || (b == 2 && c == 3); }},
    {"(which == 1 or who == 2) and priority == 3",
     [](auto a, auto b, auto c) { return (a == 1 || b == 2) && c == 3; }},
    /* The comma joins what stands between commas, whatever it is made of. */
    {"which == 1 or who == 2, priority == 3",
     [](auto a, auto b, auto c) { return (a == 1 || b == 2) && c == 3; }},
    {"not (which == 1, who == 2) or (priority < 3, priority >= 1)",
     [](auto a, auto b, auto c) { return !(a == 1 && b == 2) || (c < 3 && c >= 1); }},
    {"((((which == 4))))", [](auto a, auto, auto) { return a == 4; }},
    {"which in {1,\n 2,\n 3}\n and\n who == 4",
     [](auto a, auto b, auto) { return a >= 1 && a <= 3 && b == 4; }},
};

class ExpressionTest : public sallyport::PolicyTest
{
};

TEST_F(ExpressionTest, AsInCpp)
{
	for (const ExpressionCase &c : kCases) {
		SCOPED_TRACE(c.text);
		auto rules =
		    rules_of("syscalls { allow setpriority(" + std::string(c.text) + ") }");
		ASSERT_TRUE(rules);
		BpfSimulator filter(sp_rules_filter(rules.get()));

		for (uint64_t which : kEdges)
			for (uint64_t who : kEdges)
				for (uint64_t priority : kEdges) {
					bool holds = c.holds(uint32_t(which), uint32_t(who),
							     uint32_t(priority));

					ASSERT_EQ(
					    holds ? SECCOMP_RET_ALLOW : SECCOMP_RET_TRAP,
					    filter.run(__NR_setpriority, {which, who, priority}))
					    << std::hex << which << " " << who << " " << priority;
				}
	}
}

TEST_F(ExpressionTest, SixtyFourBitsWhereTheKernelLooksAtThem)
{
	auto rules = rules_of("syscalls { allow lseek(offset in {7, 0x100000003..0x100000009, "
			      "-5..-1}), ioctl(request in {TCGETS, FIONREAD}) }");
	BpfSimulator filter(sp_rules_filter(rules.get()));
	auto allowed = [&](uint32_t nr, const Arguments &arguments) {
		return filter.run(nr, arguments) == SECCOMP_RET_ALLOW;
	};

	for (uint64_t offset : {7ul, 0x100000003ul, 0x100000009ul, ~0ul, ~0ul - 4})
		EXPECT_TRUE(allowed(__NR_lseek, {0, offset})) << offset;
	for (uint64_t offset :
	     {6ul, 3ul, 9ul, 0x100000002ul, 0x10000000aul, 0xfffffffful, ~0ul - 5, kJunk | 7})
		EXPECT_FALSE(allowed(__NR_lseek, {0, offset})) << offset;
	EXPECT_TRUE(allowed(__NR_ioctl, {0, kJunk | 0x5401}));
	EXPECT_FALSE(allowed(__NR_ioctl, {0, kJunk | 0x5412}));
}

/* As deep and as long as the language allows, and no stack that overflows beyond. */
TEST_F(ExpressionTest, DepthAndLengthAreBounded)
{
	auto nested = [](const std::string &open, const std::string &close, size_t count) {
		std::string text = "policy a\nsyscalls { allow read(";

		for (size_t i = 0; i < count; i++)
			text += open;
		text += "fd == 1";
		for (size_t i = 0; i < count; i++)
			text += close;
		return text + ") }\n";
	};

	EXPECT_EQ("", mistakes("a", nested("(", ")", 63)));
	EXPECT_EQ("", mistakes("a", nested("not ", "", 64)));
	EXPECT_EQ("", mistakes("a", nested("", " or fd == 2", 1023)));
	EXPECT_EQ("", mistakes("a", nested("not (not ", ")", 60)));
	for (const std::string &text :
	     {nested("(", ")", 64), nested("(", ")", 100000), nested("not ", "", 65),
	      nested("not ", "", 100000), nested("not (", ")", 100000),
	      nested("", " or fd == 2", 1024), nested("", " and fd != 2", 80000),
	      nested("", ", fd != 2", 80000)}) {
		int r = 0;
		std::string told = mistakes("a", text, &r);

		EXPECT_EQ(-EINVAL, r);
		EXPECT_LT(told.size(), 1000u);
		EXPECT_NE(std::string::npos, told.find("at most")) << told;
	}
}

/* Words that mean something in conditions only. */
TEST_F(ExpressionTest, KeywordsAreWordsElsewhere)
{
	EXPECT_EQ("", mistakes("a", "policy and\nfiles { read /in, /not/or, \"/a b/and\" }\n"));
}

} // namespace
