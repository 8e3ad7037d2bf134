/* SPDX-License-Identifier: Apache-2.0 */
/* Groups that a policy defines, against sets in C++. */
#include "support.h"

#include <random>
#include <set>
#include <sys/syscall.h>

#include "bpf_simulator.h"

namespace
{

using sallyport::BpfSimulator;
using sallyport::mistakes;
using sallyport::rules_of;

using Calls = std::set<long>;

const std::pair<const char *, long> kNames[] = {
    {"sysinfo", __NR_sysinfo}, {"uname", __NR_uname},     {"sync", __NR_sync},
    {"fsync", __NR_fsync},     {"times", __NR_times},     {"alarm", __NR_alarm},
    {"pause", __NR_pause},     {"getpgrp", __NR_getpgrp}, {"getsid", __NR_getsid}};

/* Which of the names a policy allows. */
Calls allowed(const std::string &text)
{
	auto rules = rules_of(text);
	Calls calls;

	if (!rules)
		return {-1};
	BpfSimulator filter(sp_rules_filter(rules.get()));

	for (auto &name : kNames)
		if (filter.run(uint32_t(name.second), {}) == SECCOMP_RET_ALLOW)
			calls.insert(name.second);
	return calls;
}

Calls numbers(std::initializer_list<const char *> names)
{
	Calls calls;

	for (const char *wanted : names)
		for (auto &name : kNames)
			if (name.first == std::string(wanted))
				calls.insert(name.second);
	return calls;
}

class GroupsTest : public sallyport::PolicyTest
{
};

TEST_F(GroupsTest, Algebra)
{
	const std::pair<const char *, Calls> cases[] = {
	    {"sync", numbers({"sync"})},
	    {"{sync, fsync}", numbers({"sync", "fsync"})},
	    {"sync + fsync", numbers({"sync", "fsync"})},
	    {"{sync, fsync, times} - fsync", numbers({"sync", "times"})},
	    {"{sync, fsync} & {fsync, times}", numbers({"fsync"})},
	    {"sync + fsync & times", numbers({"sync"})},
	    {"(sync + fsync) & times", numbers({})},
	    {"sync + fsync - sync", numbers({"fsync"})},
	    {"sync - (sync - sync)", numbers({"sync"})},
	    {"@sync - {fsync, fdatasync}", numbers({"sync"})},
	    {"@sync + times & @timer", numbers({"sync", "fsync", "times"})},
	    {"{\n sync,\n fsync\n}\n", numbers({"sync", "fsync"})},
	    {"sync +\n fsync", numbers({"sync", "fsync"})},
	    {"(sync\n + fsync)", numbers({"sync", "fsync"})},
	};

	for (auto &c : cases)
		EXPECT_EQ(c.second,
			  allowed("group g = " + std::string(c.first) + "\nsyscalls { allow @g }"))
		    << c.first;
	EXPECT_NE("", mistakes("a", "policy a\ngroup g = @sync-{fsync}\n"));
}

TEST_F(GroupsTest, AnyOrderAndEachOther)
{
	EXPECT_EQ(numbers({"sync", "times"}),
		  allowed("syscalls { allow @last }\n"
			  "group last = @first - fsync\n"
			  "group first = @sync & {sync, fsync} + @other\n"
			  "group other = times\n"));
}

TEST_F(GroupsTest, WhatNoPolicyMayAllowIsPassedOver)
{
	auto rules = rules_of("group g = {mount, openat, sync, clone3}\nsyscalls { allow @g }");
	BpfSimulator filter(sp_rules_filter(rules.get()));

	EXPECT_EQ(SECCOMP_RET_ALLOW, filter.run(__NR_sync, {}));
	EXPECT_EQ(SECCOMP_RET_TRAP, filter.run(__NR_mount, {}));
	EXPECT_EQ(SECCOMP_RET_TRAP, filter.run(__NR_openat, {}));
}

TEST_F(GroupsTest, ANameOutranksThem)
{
	EXPECT_EQ(numbers({"sync"}), allowed("group g = {sync, fsync}\n"
					     "syscalls { allow @g; deny fsync }"));
}

/* An expression and what it should be, from the same dice. */
struct Random {
	std::mt19937 random{11};

	std::string make(unsigned depth, Calls *ret_calls)
	{
		if (depth == 0 || random() % 4 == 0) {
			auto &name = kNames[random() % std::size(kNames)];

			*ret_calls = {name.second};
			return random() % 2 ? name.first : "{" + std::string(name.first) + "}";
		}
		Calls left, right;
		std::string a = make(depth - 1, &left), b = make(depth - 1, &right);
		unsigned how = random() % 3;

		ret_calls->clear();
		for (auto &name : kNames) {
			bool in_left = left.count(name.second), in_right = right.count(name.second);

			if (how == 0 ? in_left || in_right : in_left && in_right == (how == 1))
				ret_calls->insert(name.second);
		}
		return "(" + a + (how == 0 ? " + " : how == 1 ? " & " : " - ") + b + ")";
	}
};

TEST_F(GroupsTest, AgreesWithSets)
{
	Random dice;

	for (int round = 0; round < 100; round++) {
		Calls expected;
		std::string text = dice.make(5, &expected);

		ASSERT_EQ(expected, allowed("group g = " + text + "\nsyscalls { allow @g }"))
		    << text;
	}
}

} // namespace
