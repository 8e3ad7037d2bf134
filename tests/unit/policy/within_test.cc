/* SPDX-License-Identifier: Apache-2.0 */
/* `within` never widens: policies from dice, against each of their halves alone. */
#include "support.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <random>
#include <sys/syscall.h>

#include "bpf_simulator.h"
#include "ipc/runtime.h"

namespace
{

using sallyport::Arguments;
using sallyport::BpfSimulator;
using sallyport::compile;
using sallyport::decide;
using sallyport::load;
using sallyport::parse;
using sallyport::Rules;
using sallyport::rules_of;

class WithinTest : public sallyport::PolicyTest
{
};

/* Sections of a policy, and what the test reads out of it again. */
struct Dice {
	std::mt19937 random;

	unsigned roll(unsigned sides)
	{
		return unsigned(random() % sides);
	}
	template <size_t N> std::string pick(const char *const (&words)[N])
	{
		return words[roll(N)];
	}
	std::string number()
	{
		return std::to_string(roll(5));
	}
	std::string condition()
	{
		const char *const forms[] = {"sig == ", "pid == ",     "sig < ",
					     "pid != ", "sig & 3 == ", "not sig == "};

		return pick(forms) + std::to_string(roll(4)) +
		       (roll(3) == 0 ? " or pid == " + number() : "");
	}
	std::string call()
	{
		const char *const names[] = {"kill", "uname", "sysinfo", "sync", "times", "alarm"};

		return roll(2) ? "kill(" + condition() + ")" : pick(names);
	}
	std::string syscalls()
	{
		const char *const verdicts[] = {"allow", "allow", "allow", "log", "deny", "kill"};
		std::string text = "syscalls {\n";

		for (unsigned i = 0, count = roll(7); i < count; i++) {
			std::string rule = call();
			/* Two rules for the same name would be a mistake. */
			if (text.find(" " + rule + "\n") == std::string::npos)
				text += pick(verdicts) + " " + rule + "\n";
		}
		if (roll(3) == 0)
			text += "default kill\n";
		return text + "}\n";
	}
	std::string pattern()
	{
		const char *const parts[] = {"a", "b", "c", "*", "a*", "**", "[ab]"};
		std::string text;

		for (unsigned i = 0, count = roll(3) + 1; i < count; i++)
			text += "/" + pick(parts);
		return text;
	}
	std::string files()
	{
		const char *const verbs[] = {"read",           "write", "read, write", "create",
					     "create, delete", "read",  "deny"};
		std::string text = "files {\n";

		for (unsigned i = 0, count = roll(6); i < count; i++) {
			std::string name = pattern();

			if (text.find(" " + name + "\n") == std::string::npos)
				text += pick(verbs) + " " + name + "\n";
		}
		return text + "}\n";
	}
	std::string settings()
	{
		std::string text;

		if (roll(2))
			text += "limits { files " + std::to_string(roll(9) + 1) + "; cpu " +
				std::to_string(roll(9) + 1) + "s }\n";
		if (roll(2))
			text += std::string("memory { wx ") + (roll(2) ? "allow" : "deny") + " }\n";
		if (roll(2))
			text += std::string("isolate { user; pid") + (roll(2) ? "; uts" : "") +
				(roll(2) ? "; ipc optional" : "") + " }\n";
		return text;
	}
	std::string sections()
	{
		return syscalls() + files() + settings();
	}
};

unsigned strictness(uint32_t action)
{
	const uint32_t order[] = {SECCOMP_RET_ALLOW,       SECCOMP_RET_LOG,
				  SECCOMP_RET_TRAP,        SECCOMP_RET_ERRNO,
				  SECCOMP_RET_KILL_THREAD, SECCOMP_RET_KILL_PROCESS};

	return unsigned(
	    std::find(std::begin(order), std::end(order), action & SECCOMP_RET_ACTION_FULL) -
	    std::begin(order));
}

const std::vector<std::string> &names()
{
	static const std::vector<std::string> all = [] {
		const char *const parts[] = {"a", "b", "c", "ab"};
		std::vector<std::string> made = {"/"};

		for (auto a : parts) {
			made.push_back(std::string("/") + a);
			for (auto b : parts) {
				made.push_back(std::string("/") + a + "/" + b);
				for (auto c : parts)
					made.push_back(std::string("/") + a + "/" + b + "/" + c);
			}
		}
		return made;
	}();

	return all;
}

void expect_calls(const Rules &both, const std::vector<Rules> &alone)
{
	BpfSimulator filter(sp_rules_filter(both.get()));

	for (uint32_t nr : {__NR_kill, __NR_uname, __NR_sysinfo, __NR_sync, __NR_times, __NR_alarm,
			    __NR_openat, __NR_exit, __NR_mmap, __NR_mprotect, 500})
		for (uint64_t pid = 0; pid < 5; pid++)
			for (uint64_t sig = 0; sig < 5; sig++)
				for (uint64_t third : {0, 4, 6}) {
					Arguments arguments = {pid, sig, third};
					unsigned expected = 0;

					for (const Rules &one : alone) {
						BpfSimulator half(sp_rules_filter(one.get()));

						expected = std::max(
						    expected,
						    strictness(half.run(nr, arguments).value()));
					}
					ASSERT_EQ(expected,
						  strictness(filter.run(nr, arguments).value()))
					    << nr << " " << pid << " " << sig;
				}
}

/* The filter of a phase on top of the lock: the stricter verdict stands, as in the kernel. */
void expect_stacked(const Rules &rules, const std::vector<Rules> &alone)
{
	BpfSimulator lock(sp_rules_filter(rules.get())),
	    phase(sp_rules_phase(rules.get(), 0).filter);

	for (uint32_t nr : {__NR_kill, __NR_uname, __NR_sysinfo, __NR_sync, __NR_times, __NR_alarm,
			    __NR_openat, __NR_exit, __NR_mmap, __NR_mprotect, 500})
		for (uint64_t pid = 0; pid < 5; pid++)
			for (uint64_t sig = 0; sig < 5; sig++) {
				Arguments arguments = {pid, sig, 4};
				unsigned expected = 0;

				for (const Rules &one : alone) {
					BpfSimulator half(sp_rules_filter(one.get()));

					expected = std::max(
					    expected, strictness(half.run(nr, arguments).value()));
				}
				ASSERT_EQ(expected,
					  std::max(strictness(lock.run(nr, arguments).value()),
						   strictness(phase.run(nr, arguments).value())))
				    << nr << " " << pid << " " << sig;
			}
}

void expect_names(const Rules &both, const std::vector<Rules> &alone)
{
	for (const std::string &name : names()) {
		sp_path_decision decision = decide(both, name);
		uint32_t rights = SP_RIGHT_ALL;
		int standing = SP_STANDING_INSIDE;
		bool uniform = true;

		for (const Rules &one : alone) {
			rights &= decide(one, name).rights;
			standing = std::min(standing, int(decide(one, name).standing));
			uniform &= sp_rules_uniform_below(one.get(), name.data(), name.size());
		}
		ASSERT_EQ(rights, decision.rights) << name;
		ASSERT_LE(decision.standing, standing) << name;
		ASSERT_EQ(rights != 0, decision.standing == SP_STANDING_INSIDE) << name;
		ASSERT_EQ(uniform, sp_rules_uniform_below(both.get(), name.data(), name.size()));
		ASSERT_GT(decision.error, 0);
		/* Whatever is granted below is reached through its ancestors, unless one denies them. */
		for (const std::string &below : names()) {
			bool inside = below.rfind(name == "/" ? name : name + "/", 0) == 0;

			if (inside && standing != SP_STANDING_OUTSIDE &&
			    decide(both, below).rights) {
				ASSERT_NE(SP_STANDING_OUTSIDE, decision.standing) << name << below;
			}
		}
	}
}

uint64_t smallest(uint64_t a, uint64_t b)
{
	return a == 0 ? b : b == 0 ? a : std::min(a, b);
}

void expect_settings(const Rules &both, const std::vector<Rules> &alone)
{
	uint64_t files = 0, cpu = 0;
	uint32_t layers = 0, needed = 0;

	for (const Rules &one : alone) {
		files = smallest(files, sp_rules_limits(one.get())->files);
		cpu = smallest(cpu, sp_rules_limits(one.get())->cpu);
		layers |= sp_rules_isolate(one.get());
		needed |= sp_rules_isolate(one.get()) & ~sp_rules_optional_layers(one.get());
	}
	EXPECT_EQ(files, sp_rules_limits(both.get())->files);
	EXPECT_EQ(cpu, sp_rules_limits(both.get())->cpu);
	EXPECT_EQ(layers, sp_rules_isolate(both.get()));
	EXPECT_EQ(layers & ~needed, sp_rules_optional_layers(both.get()));
}

TEST_F(WithinTest, IsTheIntersection)
{
	Dice dice;

	for (int round = 0; round < 200; round++) {
		std::vector<std::string> bodies = {dice.sections(), dice.sections()};
		std::string text = "policy p0\nwithin p1\n" + bodies[0] + "policy p1\n" +
				   (round % 3 == 0 ? "within p2\n" : "") + bodies[1];

		if (round % 3 == 0) {
			bodies.push_back(dice.sections());
			text += "policy p2\n" + bodies[2];
		}
		SCOPED_TRACE(text);
		Rules both = load(compile(parse(text).get()));
		std::vector<Rules> alone;

		for (const std::string &body : bodies)
			alone.push_back(rules_of(body));
		expect_calls(both, alone);
		expect_names(both, alone);
		expect_settings(both, alone);
		if (::testing::Test::HasFatalFailure())
			return;
	}
}

/* A phase is a bound that comes later: before it nothing of it holds, after it all. */
TEST_F(WithinTest, APhaseIsABoundThatComesLater)
{
	Dice dice;

	for (int round = 0; round < 100; round++) {
		std::vector<std::string> bodies = {dice.sections(), dice.sections(),
						   dice.sections()};
		std::string text = "policy p0\nphase late within p1\n" + bodies[0] +
				   "policy p1\nwithin p2\n" + bodies[1] + "policy p2\n" + bodies[2];
		SCOPED_TRACE(text);
		Rules rules = load(compile(parse(text).get()));
		std::vector<Rules> alone;

		alone.push_back(rules_of(bodies[0]));
		expect_names(rules, alone);
		expect_calls(rules, alone);
		EXPECT_EQ(-ENOENT, sp_rules_enter(rules.get(), sp_phase_id("early")));
		expect_names(rules, alone);
		ASSERT_EQ(1u, sp_rules_phase_count(rules.get()));
		ASSERT_EQ(0, sp_rules_enter(rules.get(), sp_phase_id("late")));
		ASSERT_EQ(0, sp_rules_enter(rules.get(), sp_phase_id("late")));
		alone.push_back(rules_of(bodies[1]));
		alone.push_back(rules_of(bodies[2]));
		expect_names(rules, alone);
		expect_stacked(rules, alone);
		if (::testing::Test::HasFatalFailure())
			return;
	}
}

TEST_F(WithinTest, APhaseSaysHowItRefuses)
{
	Rules rules = load(compile(
	    parse(
		"policy a\nphase p within b\nsyscalls { allow sysinfo, uname, times; deny sync as "
		"EACCES; ask mkdir, rmdir }\n"
		"policy b\nsyscalls { allow times; deny uname as EUSERS; deny rmdir as EXDEV\n"
		"default deny as ENOTNAM }\n")
		.get()));
	auto refusal = [&](int nr) {
		sp_call_refusal found = {};

		sp_rules_refusal(rules.get(), nr, &found);
		return std::to_string(found.error) + (found.ask ? " asked " : " ") + found.rule;
	};

	EXPECT_EQ(std::to_string(ENOSYS) + " built in: default deny as ENOSYS",
		  refusal(__NR_uname));
	EXPECT_EQ(std::to_string(EPERM) + " asked test.policy:3:73", refusal(__NR_rmdir));
	ASSERT_EQ(0, sp_rules_enter(rules.get(), sp_phase_id("p")));
	EXPECT_EQ(std::to_string(EACCES) + " test.policy:3:46", refusal(__NR_sync));
	EXPECT_EQ(std::to_string(EUSERS) + " test.policy:5:30", refusal(__NR_uname));
	EXPECT_EQ(std::to_string(ENOTNAM) + " test.policy:6:1", refusal(__NR_sysinfo));
	EXPECT_EQ(std::to_string(EPERM) + " asked test.policy:3:66", refusal(__NR_mkdir));
	EXPECT_EQ(std::to_string(EXDEV) + " test.policy:5:52", refusal(__NR_rmdir));
	EXPECT_EQ(std::to_string(ENOSYS) + " built in: default deny as ENOSYS",
		  refusal(__NR_alarm));
}

TEST_F(WithinTest, WhoRefusesSaysHow)
{
	Rules rules = load(compile(
	    parse("policy a\nwithin b\nsyscalls { allow sysinfo, uname, times; deny sync as EACCES "
		  "}\n"
		  "files { read /q/**; deny /q/own/** as ENOENT }\n"
		  "policy b\nsyscalls { allow times; deny uname as EUSERS; default deny as ENOTNAM "
		  "}\n"
		  "files { read /q/**; deny /q/theirs/** as ENOTNAM; deny /q/own/** as ELOOP }\n")
		.get()));
	auto refusal = [&](int nr) {
		sp_call_refusal found = {};

		sp_rules_refusal(rules.get(), nr, &found);
		return std::to_string(found.error) + " " + found.rule;
	};

	EXPECT_EQ(std::to_string(EACCES) + " test.policy:3:46", refusal(__NR_sync));
	EXPECT_EQ(std::to_string(EUSERS) + " test.policy:6:30", refusal(__NR_uname));
	EXPECT_EQ(std::to_string(ENOTNAM) + " test.policy:6:47", refusal(__NR_sysinfo));
	EXPECT_EQ(std::to_string(ENOSYS) + " built in: default deny as ENOSYS",
		  refusal(__NR_alarm));
	EXPECT_EQ(ENOTNAM, decide(rules, "/q/theirs/x").error);
	EXPECT_STREQ("test.policy:7:26", decide(rules, "/q/theirs/x").rule);
	EXPECT_EQ(ENOENT, decide(rules, "/q/own/x").error);
	EXPECT_EQ(SP_RIGHT_READ, decide(rules, "/q/x").rights);
}

/* A bound that an included policy has holds for the whole. */
TEST_F(WithinTest, AnIncludedBoundBoundsTheWhole)
{
	Rules rules = load(compile(parse("policy a\ninclude b\nfiles { write /q/a, /q/b }\n"
					 "policy b\nwithin c\nfiles { read /q/a }\n"
					 "policy c\nfiles { read, write /q/a }\n")
				       .get()));

	EXPECT_EQ(uint32_t(SP_RIGHT_READ | SP_RIGHT_WRITE), decide(rules, "/q/a").rights);
	EXPECT_EQ(0u, decide(rules, "/q/b").rights);
}

TEST_F(WithinTest, GrantsFromOutsideAreBoundedToo)
{
	sallyport::Policy policy = parse("policy a\nwithin b\npolicy b\nfiles { read /q/** }\n");

	EXPECT_EQ(0, sp_policy_grant(policy.get(), "read, write", "/q/a", "here"));
	EXPECT_EQ(0, sp_policy_grant(policy.get(), "read", "/r/a", "here"));
	Rules rules = load(compile(policy.get()));

	EXPECT_EQ(SP_RIGHT_READ, decide(rules, "/q/a").rights);
	EXPECT_EQ(0u, decide(rules, "/r/a").rights);
	EXPECT_EQ(SP_STANDING_OUTSIDE, decide(rules, "/r").standing);
}

/* The porter needs no call for a right that one of the policies never grants. */
TEST_F(WithinTest, ThePortersFilterIsNarrower)
{
	Rules rules = load(compile(parse("policy a\nwithin b\nfiles { create, delete /q/** }\n"
					 "policy b\nfiles { create /q/** }\n")
				       .get()));
	BpfSimulator filter(sp_rules_porter_filter(rules.get()));

	EXPECT_EQ(SECCOMP_RET_ALLOW, filter.run(__NR_mkdirat, {}));
	EXPECT_EQ(SECCOMP_RET_KILL_PROCESS, filter.run(__NR_unlinkat, {}));
	/* And knows of none. */
	EXPECT_EQ(uint32_t(SP_RIGHT_CREATE), sp_rules_granted(rules.get()));
}

/* The code of each is there once for an outcome of those before it, not once for every condition of theirs. */
TEST_F(WithinTest, NoPolicyMultipliesTheCodeOfAnother)
{
	const std::string body = "include program\nnetwork { connect tcp *:* }\n";
	Rules one = rules_of(body),
	      three = load(compile(parse("policy a\nwithin b\n" + body + "policy b\nwithin c\n" +
					 body + "policy c\n" + body)
				       .get()));
	BpfSimulator alone(sp_rules_floor(one.get())), all(sp_rules_floor(three.get()));

	EXPECT_LT(all.length(), 6 * alone.length());
	for (uint64_t level : {0, 1, 6, 41})
		for (uint64_t option = 0; option < 80; option++)
			EXPECT_EQ(alone.run(__NR_setsockopt, {3, level, option}),
				  all.run(__NR_setsockopt, {3, level, option}));
}

} // namespace
