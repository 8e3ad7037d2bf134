/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every policy that comes with Sallyport, and every sound one among the tests: what its three filters do, run
 * instruction by instruction, is what the model says, for all calls, arguments at every edge, and
 * architectures; and a sample of it done for real, by the kernel.
 */
#include "support.h"

#include <cerrno>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <random>
#include <set>
#include <sstream>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bpf_simulator.h"
#include "filter_program.h"
#include "ipc/arch.h"
#include "ipc/runtime.h"
#include "policy/arguments.h"
#include "policy/judge.h"
#include "policy/model.h"
#include "policy/names.h"

namespace
{

using sallyport::Arguments;
using sallyport::BpfSimulator;
using sallyport::each_edge;
using sallyport::kKinds;
using sallyport::Policy;
using sallyport::Program;

class SimulatorTest : public sallyport::PolicyTest
{
};

std::string read_file(const std::string &path)
{
	std::ifstream stream(path, std::ios::binary);
	std::ostringstream text;

	text << stream.rdbuf();
	return text.str();
}

std::string source_folder()
{
	const char *folder = getenv("SP_TEST_SOURCE_DIR");

	return folder ? folder : SP_SOURCE_DIR;
}

struct Named {
	std::string name;
	Policy policy;
};

void add(std::vector<Named> *policies, const std::string &path)
{
	std::string text = read_file(path);
	sp_policy *policy = nullptr;

	if (sp_policy_parse(path.c_str(), text.data(), text.size(), nullptr, nullptr, &policy) == 0)
		policies->push_back({path, Policy(policy)});
}

/* Malformed ones fall out. */
std::vector<Named> all_policies()
{
	std::vector<Named> policies;

	for (const char *preset : {"parser", "program", "pure"}) {
		sp_policy *policy = nullptr;

		EXPECT_EQ(0, sp_policy_load(preset, nullptr, nullptr, &policy));
		policies.push_back({preset, Policy(policy)});
	}
	for (const char *folder : {"/samples", "/tests"})
		for (const auto &entry :
		     std::filesystem::recursive_directory_iterator(source_folder() + folder))
			if (entry.path().extension() == ".policy" ||
			    entry.path().string().find("/corpus/policy/") != std::string::npos)
				add(&policies, entry.path());
	return policies;
}

/* ---- edges ---- */

using Edges = std::array<std::set<uint64_t>, SP_ARGUMENTS>;

/* All that some decision on the call compares with, the built-in ones included. */
Edges edges_of(const sp_judge *judge)
{
	Edges edges;
	sp_judge_decision decision;
	auto collect = [&](size_t argument, uint64_t value) {
		for (uint64_t upper : {0ull, 0xdeadbeef00000000ull})
			edges[argument].insert(value | upper);
	};

	for (auto &values : edges)
		values = {0, 1, ~0ull, 0xffffffff00000000};
	for (size_t layer = 0; layer < sp_judge_layers(judge); layer++)
		for (size_t i = 0; sp_judge_at(judge, layer, i, &decision); i++) {
			each_edge(decision.where, collect);
			each_edge(decision.guard, collect);
		}
	return edges;
}

/* One argument at each of its edges with the others at each of some, then a random mixture. */
std::vector<Arguments> arguments_of(const Edges &edges, std::mt19937 *random)
{
	std::vector<Arguments> all = {{}};
	size_t interesting = 0;

	for (uint64_t other : {0ull, 1ull, ~0ull})
		for (size_t i = 0; i < SP_ARGUMENTS; i++)
			for (uint64_t value : edges[i]) {
				Arguments arguments;

				arguments.fill(other);
				arguments[i] = value;
				all.push_back(arguments);
			}
	for (const auto &values : edges)
		interesting += values.size() - 4;
	for (size_t round = 0; round < interesting * 4; round++) {
		Arguments arguments;

		for (size_t i = 0; i < SP_ARGUMENTS; i++)
			arguments[i] =
			    *std::next(edges[i].begin(), long((*random)() % edges[i].size()));
		all.push_back(arguments);
	}
	return all;
}

struct Comparison {
	const sp_judge *judge;
	BpfSimulator *simulator;
	int nr;
	size_t count;
	std::string wrong;
};

int compare(const uint64_t argument[SP_ARGUMENTS], sp_trace *trace, void *data)
{
	Comparison *comparison = static_cast<Comparison *>(data);
	Arguments arguments;
	sp_verdict verdict;

	std::copy(argument, argument + SP_ARGUMENTS, arguments.begin());
	sp_judge_ask(comparison->judge, argument, trace, &verdict);
	comparison->count++;
	if (comparison->simulator->run(uint32_t(comparison->nr), arguments) != verdict.action) {
		std::ostringstream text;

		text << "number " << comparison->nr << std::hex;
		for (uint64_t value : arguments)
			text << " " << value;
		comparison->wrong = text.str() + " by " + verdict.source;
	}
	return 0;
}

void expect_model(const sp_policy *policy, sp_filter_kind kind, size_t *compared)
{
	Program program(policy, kind);
	BpfSimulator simulator(program.get());
	std::mt19937 random(1);

	for (int nr = -1; nr <= SP_NUMBERS + 1; nr++) {
		sp_judge *judge;

		ASSERT_EQ(0, sp_judge_new(policy, kind, nr, &judge));
		Comparison comparison = {judge, &simulator, nr, 0, ""};

		for (const Arguments &arguments : arguments_of(edges_of(judge), &random))
			compare(arguments.data(), nullptr, &comparison);
		/* And every way through the tests, which no list of edges might have gone. */
		EXPECT_EQ(0, sp_arguments_walk(compare, &comparison));
		ASSERT_EQ("", comparison.wrong);
		*compared += comparison.count;
		sp_judge_free(judge);
		for (uint32_t arch :
		     {uint32_t(AUDIT_ARCH_I386), uint32_t(AUDIT_ARCH_AARCH64), 0u}) {
			seccomp_data data = {nr, arch, 0, {}};
			sp_verdict verdict;

			ASSERT_EQ(0, sp_model_verdict(policy, kind, &data, &verdict));
			ASSERT_EQ(verdict.action, simulator.run(uint32_t(nr), {}, arch));
			ASSERT_EQ(SECCOMP_RET_KILL_PROCESS, verdict.action);
		}
	}
	/* Numbers of x32, and the highest there is. */
	for (uint32_t nr : {0x40000000u, 0x40000001u, 0x3fffffffu, 0xffffffffu}) {
		seccomp_data data = {int(nr), SP_AUDIT_ARCH, 0, {}};
		sp_verdict verdict;

		ASSERT_EQ(0, sp_model_verdict(policy, kind, &data, &verdict));
		ASSERT_EQ(verdict.action, simulator.run(nr, {}));
	}
}

TEST_F(SimulatorTest, EveryFilterIsItsModel)
{
	std::vector<Named> policies = all_policies();
	size_t compared = 0;

	for (const Named &named : policies)
		for (sp_filter_kind kind : kKinds) {
			SCOPED_TRACE(named.name + " " + std::to_string(kind));
			expect_model(named.policy.get(), kind, &compared);
		}
	EXPECT_GE(policies.size(), 8u);
	EXPECT_GE(compared, policies.size() * std::size(kKinds) * SP_NUMBERS * 70);
}

/* ---- weights ---- */

/* Some calls weigh much, many little, most nothing. */
void weigh_at_random(sp_policy *policy, std::mt19937 *random)
{
	size_t count = 1 + (*random)() % 40;

	sp_model_clear_weights(policy);
	for (size_t i = 0; i < count; i++) {
		const char *name = sp_call_name(int((*random)() % SP_NUMBERS));
		uint32_t weight = 1u << (*random)() % 25;

		if (name) {
			ASSERT_EQ(0, sp_policy_priority(policy, name, weight, "random"));
		}
	}
}

/* Instructions of all calls by their weights, with arguments of zero. */
uint64_t expected_steps(const sp_policy *weights, BpfSimulator *simulator)
{
	uint64_t sum = 0;

	for (uint32_t nr = 0; nr < SP_NUMBERS; nr++) {
		simulator->run(nr, {});
		sum += uint64_t(sp_model_weight(weights, nr)) * simulator->steps();
	}
	return sum;
}

std::vector<uint32_t> numbers()
{
	std::vector<uint32_t> all = {0x3fffffff, 0x40000000, 0x40000001, 0x7fffffff, 0xffffffff};

	for (uint32_t nr = 0; nr <= SP_NUMBERS; nr++)
		all.push_back(nr);
	for (uint32_t nr : {uint32_t(SP_NR_CHANNEL), uint32_t(SP_NR_RESERVED_LAST)})
		all.insert(all.end(), {nr - 1, nr, nr + 1});
	return all;
}

void expect_same_verdicts(const sp_policy *policy, sp_filter_kind kind, BpfSimulator *plain,
			  BpfSimulator *weighted, std::mt19937 *random)
{
	for (uint32_t nr : numbers()) {
		sp_judge *judge;

		ASSERT_EQ(0, sp_judge_new(policy, kind, int(nr), &judge));
		for (const Arguments &arguments : arguments_of(edges_of(judge), random))
			ASSERT_EQ(plain->run(nr, arguments), weighted->run(nr, arguments)) << nr;
		sp_judge_free(judge);
		for (uint32_t arch : {uint32_t(AUDIT_ARCH_I386), 0u, 0xffffffffu})
			ASSERT_EQ(plain->run(nr, {}, arch), weighted->run(nr, {}, arch)) << nr;
	}
}

TEST_F(SimulatorTest, WeightsChangeNoVerdictAndMakeNothingLonger)
{
	std::vector<Named> policies = all_policies();
	std::mt19937 random(5);
	size_t shorter = 0, all = 0;

	for (size_t i = 0; i < policies.size() * 2; i++) {
		const Named &named = policies[i % policies.size()];
		sp_filter_kind kind = kKinds[i % 3];

		SCOPED_TRACE(named.name + " " + std::to_string(kind));
		sp_model_clear_weights(named.policy.get());
		Program before(named.policy.get(), kind);
		weigh_at_random(named.policy.get(), &random);
		Program after(named.policy.get(), kind);
		BpfSimulator plain(before.get()), weighted(after.get());

		expect_same_verdicts(named.policy.get(), kind, &plain, &weighted, &random);
		uint64_t without = expected_steps(named.policy.get(), &plain),
			 with = expected_steps(named.policy.get(), &weighted);
		ASSERT_LE(with, without);
		shorter += with < without;
		all++;
	}
	EXPECT_GE(shorter, all * 9 / 10);
}

TEST_F(SimulatorTest, WhatIsCalledMostIsFoundFirst)
{
	for (const char *preset : {"parser", "program", "pure"}) {
		sp_policy *loaded = nullptr;

		ASSERT_EQ(0, sp_policy_load(preset, nullptr, nullptr, &loaded));
		Policy policy(loaded);
		ASSERT_EQ(0, sp_policy_priority(loaded, "lseek", 1000, "test"));
		ASSERT_EQ(0, sp_policy_priority(loaded, "brk", 10, "test"));
		Program program(loaded, SP_FILTER_LOCK);
		BpfSimulator simulator(program.get());

		/* Two for the architecture, one for the number, the comparison, the verdict. */
		ASSERT_EQ(SECCOMP_RET_ALLOW, simulator.run(__NR_lseek, {}));
		EXPECT_EQ(5u, simulator.steps()) << preset;
		ASSERT_EQ(SECCOMP_RET_ALLOW, simulator.run(__NR_brk, {}));
		EXPECT_EQ(6u, simulator.steps()) << preset;
	}
}

/* A phase's filter is run by the program that the policy is for, so its calls are in the policy's order. */
TEST_F(SimulatorTest, PhasesFindCallsInThePolicysOrder)
{
	for (std::string priority : {"", "priority 1000 lseek"}) {
		Policy policy = sallyport::parse("policy a\ninclude parser\nphase p within b\n"
						 "syscalls { " +
						 priority +
						 " }\n"
						 "policy b\ninclude parser\n");
		sp_policy *phased = nullptr, *bound = policy->phases[0].policy;
		const char *name = "p";
		size_t fewest = 5;

		for (auto compile : {sp_filter_compile_phase, sp_filter_compile_phase_floor}) {
			sp_program program = {};

			ASSERT_EQ(0, compile(bound, policy.get(), &program));
			BpfSimulator simulator({uint16_t(program.length / sizeof(sock_filter)),
						reinterpret_cast<sock_filter *>(program.bytes)});
			ASSERT_EQ(SECCOMP_RET_ALLOW, simulator.run(__NR_lseek, {}));
			EXPECT_EQ(priority.empty(), simulator.steps() > fewest);
			free(program.bytes);
		}
		ASSERT_EQ(0, sp_policy_in_phases(policy.get(), &name, 1, &phased));
		Policy owner(phased);
		Program program(phased, SP_FILTER_LOCK);
		BpfSimulator simulator(program.get());
		ASSERT_EQ(SECCOMP_RET_ALLOW, simulator.run(__NR_lseek, {}));
		EXPECT_EQ(priority.empty(), simulator.steps() > fewest);
	}
}

/* ---- the kernel ---- */

/* Calls that do nothing where they are allowed, since they name nothing that exists; what they return then. */
const struct LiveCall {
	long nr;
	Arguments arguments;
	int native; /* errno; 0: it succeeds */
} kCalls[] = {
    {__NR_getppid, {}, 0},
    {__NR_getuid, {}, 0},
    {__NR_lseek, {uint64_t(-1), 1, SEEK_CUR}, EBADF},
    {__NR_lseek, {uint64_t(-1), 0x100000003, SEEK_CUR}, EBADF},
    {__NR_lseek, {uint64_t(-1), 0xf00000000, SEEK_END}, EBADF},
    {__NR_lseek, {uint64_t(-1), 0xffffffffffffffff, SEEK_END}, EBADF},
    {__NR_setpriority, {3, 5, 0}, EINVAL},
    {__NR_setpriority, {4, 5, 2}, EINVAL},
    {__NR_setpriority, {5, 0xdeadbeef00000005, 7}, EINVAL},
    {__NR_setpriority, {9, 6, 0x7fffffff}, EINVAL},
    {__NR_setpriority, {10, 6, 0xffffffff}, EINVAL},
    {__NR_setpriority, {0xffffffff, 6, 1}, EINVAL},
    {__NR_setpriority, {0xdeadbeef00000003, 6, 1}, EINVAL},
    {__NR_fcntl, {uint64_t(-1), 1 /* F_GETFD */}, EBADF},
    {__NR_fcntl, {uint64_t(-1), 8 /* F_SETOWN */}, EBADF},
    {__NR_ioctl, {uint64_t(-1), 0x5401 /* TCGETS */}, EBADF},
    {__NR_ioctl, {uint64_t(-1), 0x5412 /* TIOCSTI */}, EBADF},
    {__NR_ioctl, {uint64_t(-1), 0xdeadbeef00005401}, EBADF},
    {__NR_dup, {uint64_t(-1)}, EBADF},
    {__NR_dup3, {uint64_t(-1), 1000, 0}, EBADF},
    {__NR_ftruncate, {uint64_t(-1), 0}, EBADF},
    {__NR_sched_getaffinity, {0x7ffffffe, 128, 0}, ESRCH},
    {__NR_kill, {0x7ffffffe, 0}, ESRCH},
    {__NR_socket, {77, SOCK_STREAM, 0}, EAFNOSUPPORT},
    {__NR_mprotect, {1, 4096, 1}, EINVAL},
    {__NR_mprotect, {1, 4096, 4 /* PROT_EXEC */}, EINVAL},
    {__NR_bind, {uint64_t(-1), 0, 0}, EBADF},
    {__NR_access, {0, 0}, EFAULT},
    {__NR_mkdir, {0, 0}, EFAULT},
    {__NR_mount, {0, 0, 0, 0, 0}, EPERM},
    {500, {}, ENOSYS},
};

volatile sig_atomic_t trapped;

void on_sigsys(int, siginfo_t *info, void *)
{
	trapped = info->si_errno + 1;
}

/* Native: what the call does without a filter, which may differ with the user. */
bool as_said(uint32_t action, const LiveCall &call)
{
	long result;

	trapped = 0;
	errno = 0;
	result = syscall(call.nr, call.arguments[0], call.arguments[1], call.arguments[2],
			 call.arguments[3], call.arguments[4], call.arguments[5]);
	switch (action & SECCOMP_RET_ACTION_FULL) {
	case SECCOMP_RET_ALLOW:
	case SECCOMP_RET_LOG:
		return !trapped &&
		       (call.native ? result == -1 && errno == call.native : result >= 0);
	case SECCOMP_RET_ERRNO:
		return !trapped && result == -1 && errno == int(action & SECCOMP_RET_DATA);
	case SECCOMP_RET_TRAP:
		return trapped == int(action & SECCOMP_RET_DATA) + 1;
	case SECCOMP_RET_USER_NOTIF: /* nobody listens */
		return !trapped && result == -1 && errno == ENOSYS;
	default:
		return false; /* nobody lives to tell */
	}
}

bool is_deadly(uint32_t action)
{
	action &= SECCOMP_RET_ACTION_FULL;
	return action == SECCOMP_RET_KILL_PROCESS || action == SECCOMP_RET_KILL_THREAD;
}

/* In a child below the filter: the calls in turn; the exit status is the number of the first that went
 * otherwise, and 0 where none did. */
int live(const sock_fprog &program, const std::vector<std::pair<LiveCall, uint32_t>> &calls)
{
	pid_t child = fork();
	int status = -1;

	if (child == 0) {
		struct sigaction action = {};

		action.sa_sigaction = on_sigsys;
		action.sa_flags = SA_SIGINFO;
		sigaction(SIGSYS, &action, nullptr);
		if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
		    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
			_exit(255);
		for (size_t i = 0; i < calls.size(); i++)
			if (!as_said(calls[i].second, calls[i].first))
				_exit(int(i) + 1);
		_exit(0);
	}
	waitpid(child, &status, 0);
	return status;
}

void expect_live(const sp_policy *policy, sp_filter_kind kind)
{
	Program program(policy, kind);
	std::vector<std::pair<LiveCall, uint32_t>> calls;
	std::set<std::pair<long, uint32_t>> killed;

	for (const LiveCall &call : kCalls) {
		sp_judge *judge;
		sp_verdict verdict;

		ASSERT_EQ(0, sp_judge_new(policy, kind, int(call.nr), &judge));
		sp_judge_ask(judge, call.arguments.data(), nullptr, &verdict);
		sp_judge_free(judge);
		if (!is_deadly(verdict.action)) {
			calls.push_back({call, verdict.action});
			continue;
		}
		/* A process without other threads dies of either. */
		if (!killed.insert({call.nr, verdict.action}).second)
			continue;
		int status = live(program.get(), {{call, verdict.action}});
		EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
		    << "number " << call.nr << " status " << status;
	}
	int status = live(program.get(), calls);

	ASSERT_TRUE(WIFEXITED(status)) << status;
	ASSERT_NE(255, WEXITSTATUS(status)) << "the kernel does not take the filter";
	if (WEXITSTATUS(status) != 0) {
		const auto &wrong = calls[size_t(WEXITSTATUS(status) - 1)];

		ADD_FAILURE() << "number " << wrong.first.nr << " " << wrong.first.arguments[0]
			      << " " << wrong.first.arguments[1] << std::hex << " action "
			      << wrong.second;
	}
}

TEST_F(SimulatorTest, TheKernelDoesWhatTheModelSays)
{
#ifdef __SANITIZE_ADDRESS__
	GTEST_SKIP() << "the sanitizer makes calls of its own, which the filters refuse";
#endif
	const char *const texts[] = {
	    "policy a\nsyscalls { default kill; allow @default, @memory }",
	    "policy a\nsyscalls { default errno 77; allow getppid; kill thread dup; log getuid; "
	    "ask bind }",
	    "policy a\nsyscalls {\n"
	    "	allow setpriority(which in {1, 3..9, -7..-2}), setpriority(who == 5 or priority < "
	    "3)\n"
	    "	errno 78 setpriority(which & 6 == 2, not who in 4..6)\n"
	    "	kill  setpriority(priority == 0x7fffffff)\n"
	    "	log   lseek(offset in 0x100000003..0x200000000 and whence == 1)\n"
	    "	allow lseek(offset & 0xf00000000f == 0x1)\n"
	    "	trap  9 ftruncate; trap 5 dup3\n"
	    "	kill  lseek\n"
	    "}\nfiles { read /q/** }",
	    "policy a\nwithin b\ninclude parser\nsyscalls { allow bind; kill uname }\nfiles { "
	    "create /q }\n"
	    "policy b\nsyscalls { allow @default, @basic-io, @network-io, ioctl, kill, mprotect; "
	    "errno 79 dup }",
	};

	for (const char *text : texts)
		for (sp_filter_kind kind : kKinds) {
			SCOPED_TRACE(text + std::to_string(kind));
			expect_live(sallyport::parse(text).get(), kind);
		}
	for (const Named &named : all_policies())
		for (sp_filter_kind kind : kKinds) {
			SCOPED_TRACE(named.name + std::to_string(kind));
			expect_live(named.policy.get(), kind);
		}
}

} // namespace
