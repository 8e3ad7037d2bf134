/* SPDX-License-Identifier: Apache-2.0 */
/* Filters against the rules that they were made from: every number, arguments at every edge, both kinds. */
#include "support.h"

#include <cerrno>
#include <map>
#include <random>
#include <set>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "bpf_simulator.h"
#include "ipc/runtime.h"
#include "policy/bpf.h"
#include "policy/filter.h"
#include "policy/judge.h"

namespace
{

using sallyport::Arguments;
using sallyport::BpfSimulator;
using sallyport::Policy;

class ModelTest : public sallyport::PolicyTest
{
};

const char *const kPolicies[] = {
    "policy a",
    "policy a\nsyscalls { default kill }",
    "policy a\ninclude parser",
    "policy a\ninclude pure",
    "policy a\ninclude parser\nsyscalls { default kill; kill open, rt_sigaction, fork, mount }",
    "policy a\nmemory { wx allow }\nlimits { processes 1 }\n"
    "syscalls { allow @default, @process, @signal, @ipc, @basic-io, @io-event, @file-system }",
    "policy a\nmemory { wx deny }\n"
    "syscalls { allow @default, @process, @signal, @ipc, @basic-io, @io-event, @file-system; "
    "default kill }",
    "policy a\nsyscalls {\n"
    "	allow setpriority(which in {1, 3..9, -7..-2}), setpriority(who == 5 or priority < 3)\n"
    "	deny  setpriority(which & 6 == 2, not who in 4..6) as EACCES\n"
    "	kill  setpriority(priority == 0x7fffffff)\n"
    "	log   lseek(offset in 0x100000003..0x200000000 and whence == 1)\n"
    "	allow lseek(offset & 0xf00000000f == 0x1)\n"
    "	kill  lseek\n"
    "}",
    "policy a\ninclude program",
    "policy a\nsyscalls { errno 5 kill(sig == 9); trap 8 kill(pid == 1); kill thread kill(sig == "
    "3);\n"
    "ask kill(sig == 4); deny kill(sig == 5); allow kill; errno ENOENT openat, rt_sigaction;\n"
    "trap 9 execve, fork; default errno 77 }",
    "policy a\nwithin b\nsyscalls { allow kill; errno 5 kill(sig == 9); trap 8 kill(pid == 1);\n"
    "kill thread sysinfo; default errno 77 }\n"
    "policy b\nsyscalls { allow sysinfo; log kill; trap 1 kill(sig in 8..10); errno 6 kill(pid in "
    "1..2);\n"
    "kill thread kill(sig == 8, pid == 1); default trap 2 }",
    "policy a\nwithin b\ninclude parser\nsyscalls { allow @network-io; kill uname }\n"
    "policy b\nlimits { processes 1 }\n"
    "syscalls { allow @default, @basic-io, @network-io, socket(domain == 1); log sysinfo;\n"
    "           deny connect; kill dup(fd == 3); allow mmap(prot & PROT_EXEC == 0) }",
    "policy a\nwithin b\nwithin c\nmemory { wx allow }\nsyscalls { allow @default, kill, mprotect, "
    "clone }\n"
    "policy b\nwithin d\nmemory { wx allow }\nsyscalls { allow mprotect, kill(sig in 1..9), clone; "
    "log read }\n"
    "policy c\nsyscalls { allow @default, kill(pid == 1), mprotect; log kill; default kill }\n"
    "policy d\nmemory { wx allow }\nsyscalls { allow @default, @signal, @process }\n",
};

constexpr int kNumbers = 512; /* beyond the last call of any architecture */

/* The values that a policy's conditions compare each argument of each call with. */
using Edges = std::map<int, std::array<std::set<uint64_t>, SP_ARGUMENTS>>;

void collect(const sp_condition *condition, int nr, Edges *edges)
{
	if (!condition)
		return;
	if (condition->kind != SP_CONDITION_TEST) {
		collect(condition->left, nr, edges);
		collect(condition->right, nr, edges);
		return;
	}
	const sp_test &test = condition->test;

	for (uint64_t value : {test.value, test.value - 1, test.value + 1, test.mask,
			       test.value | 0xdeadbeef00000000})
		(*edges)[nr][test.argument].insert(value);
}

void collect_all(const sp_policy *policy, Edges *edges)
{
	const sp_policy *layers[SP_LAYERS_MAX];
	size_t count = sp_model_layers(policy, layers);

	for (size_t layer = 0; layer < count; layer++)
		for (size_t i = 0; i < layers[layer]->call_count; i++)
			collect(layers[layer]->calls[i].condition, layers[layer]->calls[i].nr,
				edges);
}

/* Arguments that matter to what is built in, then some at the policy's edges. */
std::vector<Arguments> arguments_of(const Edges &edges, int nr, std::mt19937 *random)
{
	constexpr uint64_t mark = SP_RUNTIME_MARK, ones = ~0ull, junk = 0xdeadbeef00000000;
	std::vector<Arguments> all = {{},
				      {1, 1, 1, 1, 1, 1},
				      {ones, ones, ones, ones, ones, ones},
				      {junk, junk, junk, junk, junk, junk},
				      {mark << 32 | 5, mark, 0, 0, 0, mark},
				      {SP_RESERVED_FIRST, SP_RESERVED_LAST, 31, 0, 0, 0},
				      {5, junk | SP_RESERVED_LAST, 0, 0, 0, 0},
				      {0x10f00, 2, PROT_READ | PROT_EXEC, 0, 0, 0},
				      {0x20000000, 15, PROT_WRITE | PROT_EXEC, 0, 0, 0}};
	auto found = edges.find(nr);

	if (found == edges.end())
		return all;
	for (int round = 0; round < 1000; round++) {
		Arguments arguments = {};

		for (size_t i = 0; i < SP_ARGUMENTS; i++) {
			auto &values = found->second[i];

			if (values.empty() || (*random)() % 8 == 0)
				arguments[i] = (*random)() % 12;
			else
				arguments[i] =
				    *std::next(values.begin(), long((*random)() % values.size()));
		}
		all.push_back(arguments);
	}
	return all;
}

void expect_same(const sp_policy *policy, sp_filter_kind kind, const sock_fprog &program)
{
	BpfSimulator filter(program);
	std::mt19937 random(3);
	Edges edges;

	collect_all(policy, &edges);
	for (int nr = -1; nr <= kNumbers + 1; nr++)
		for (const Arguments &arguments : arguments_of(edges, nr, &random))
			for (uint32_t arch :
			     {uint32_t(AUDIT_ARCH_X86_64), uint32_t(AUDIT_ARCH_I386),
			      uint32_t(AUDIT_ARCH_AARCH64)}) {
				seccomp_data data = {};
				sp_verdict verdict = {};

				if (arch != AUDIT_ARCH_X86_64 && (nr % 64 || arguments[0]))
					continue;
				data.nr = nr;
				data.arch = arch;
				std::copy(arguments.begin(), arguments.end(), data.args);
				ASSERT_EQ(0, sp_model_verdict(policy, kind, &data, &verdict));
				ASSERT_EQ(verdict.action, filter.run(uint32_t(nr), arguments, arch))
				    << "number " << nr << std::hex << " arguments " << arguments[0]
				    << " " << arguments[1] << " " << arguments[2] << " by "
				    << verdict.source;
				ASSERT_TRUE(verdict.source);
				ASSERT_EQ(verdict.action, sp_bpf_run(&program, &data));
			}
}

TEST_F(ModelTest, TheFilterSaysWhatTheRulesSay)
{
	for (const char *text : kPolicies) {
		SCOPED_TRACE(text);
		Policy policy = sallyport::parse(text);

		ASSERT_TRUE(policy);
		auto rules = sallyport::load(sallyport::compile(policy.get()));

		expect_same(policy.get(), SP_FILTER_LOCK, sp_rules_filter(rules.get()));
		expect_same(policy.get(), SP_FILTER_FLOOR, sp_rules_floor(rules.get()));
	}
}

/* What the floor lets the kernel perform, a permissive one does; all else comes before the porter. */
TEST_F(ModelTest, APermissiveFloorNotifiesOfAllThatTheFloorDoesNotAllow)
{
	for (const char *text : kPolicies) {
		SCOPED_TRACE(text);
		Policy policy = sallyport::parse(text);
		auto rules = sallyport::load(sallyport::compile(policy.get()));
		sock_fprog floor = sp_rules_floor(rules.get());
		sp_program program = {};

		ASSERT_EQ(0, sp_filter_compile_permissive(policy.get(), &program));
		sock_fprog permissive = {
		    static_cast<unsigned short>(program.length / sizeof(sock_filter)),
		    reinterpret_cast<sock_filter *>(program.bytes)};
		bool isolated = sp_rules_isolate(rules.get()) & SP_ISOLATE_NETWORK;

		for (int nr = -1; nr < kNumbers; nr++)
			for (uint64_t value : {0ull, 1ull, 9ull, ~0ull}) {
				seccomp_data data = {nr, AUDIT_ARCH_X86_64, 0, {}};
				bool watched = nr == __NR_connect || nr == __NR_bind ||
					       nr == __NR_sendto || nr == __NR_sendmsg;

				std::fill(data.args, data.args + SP_ARGUMENTS, value);
				uint32_t verdict = sp_bpf_run(&floor, &data);
				bool passes =
				    verdict == SECCOMP_RET_ALLOW || verdict == SECCOMP_RET_LOG;

				if (isolated && watched)
					passes = false;
				ASSERT_EQ(passes ? verdict : SECCOMP_RET_USER_NOTIF,
					  sp_bpf_run(&permissive, &data))
				    << nr;
			}
		free(program.bytes);
	}
}

sp_verdict verdict_of(const sp_policy *policy, int nr, const Arguments &arguments)
{
	seccomp_data data = {};
	sp_verdict verdict = {};

	data.nr = nr;
	data.arch = AUDIT_ARCH_X86_64;
	std::copy(arguments.begin(), arguments.end(), data.args);
	EXPECT_EQ(0, sp_model_verdict(policy, SP_FILTER_LOCK, &data, &verdict));
	return verdict;
}

TEST_F(ModelTest, TellsWhichRuleWonAndWhichLost)
{
	Policy policy = sallyport::parse("policy a\nwithin b\n"
					 "syscalls { allow kill; deny kill(sig == 9) }\n"
					 "policy b\n"
					 "syscalls { kill kill(pid == 1)\n"
					 "allow kill }\n");
	sp_verdict allowed = verdict_of(policy.get(), __NR_kill, {2, 3}),
		   denied = verdict_of(policy.get(), __NR_kill, {2, 9}),
		   killed = verdict_of(policy.get(), __NR_kill, {1, 9}),
		   unnamed = verdict_of(policy.get(), __NR_uname, {}),
		   always = verdict_of(policy.get(), __NR_exit_group, {});

	EXPECT_EQ(SECCOMP_RET_ALLOW, allowed.action);
	EXPECT_STREQ("test.policy:3:18", allowed.source);
	EXPECT_EQ(SECCOMP_RET_TRAP, denied.action);
	EXPECT_STREQ("test.policy:3:29", denied.source);
	EXPECT_EQ(SECCOMP_RET_KILL_PROCESS, killed.action);
	EXPECT_STREQ("test.policy:5:17", killed.source);
	EXPECT_STREQ("built in: default deny as ENOSYS", unnamed.source);
	EXPECT_EQ(SECCOMP_RET_ALLOW, always.action);
	/* Three rules of the policy, the default among them, and three of what bounds it. */
	ASSERT_EQ(6u, killed.candidate_count);
	EXPECT_STREQ("test.policy:3:29", killed.candidates[0].source);
	EXPECT_EQ(0u, killed.candidates[0].layer);
	EXPECT_TRUE(killed.candidates[0].holds);
	EXPECT_FALSE(allowed.candidates[0].holds);
	EXPECT_STREQ("test.policy:3:18", killed.candidates[1].source);
	EXPECT_STREQ("test.policy:5:17", killed.candidates[3].source);
	EXPECT_EQ(1u, killed.candidates[3].layer);
}

} // namespace
