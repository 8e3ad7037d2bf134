/* SPDX-License-Identifier: Apache-2.0 */
/* `architectures`: calls of i386 and x32 are never let through where the native call of the name would not be. */
#include "support.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <memory>
#include <random>
#include <sched.h>
#include <set>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bpf_simulator.h"
#include "filter_program.h"
#include "ipc/arch.h"
#include "policy/filter.h"
#include "policy/judge.h"
#include "policy/model.h"
#include "policy/names.h"
#include "policy/twins.h"

namespace
{

using sallyport::Arguments;
using sallyport::BpfSimulator;
using sallyport::each_edge;
using sallyport::kKinds;
using sallyport::Policy;
using sallyport::Program;

class TwinsTest : public sallyport::PolicyTest
{
};

const uint32_t kArchitectures[] = {SP_ARCHITECTURE_I386, SP_ARCHITECTURE_X32};

const char *const kTexts[] = {
    "syscalls { default kill; allow @default, @memory, @process, @network-io, @basic-io }",
    "syscalls { default deny as EPERM; allow @default, clone, prctl, fcntl, ioctl, mmap, mprotect, "
    "seccomp, ptrace, connect, bind, sendto, sendmsg, socket; log getuid; ask dup }",
    "syscalls {\n allow fcntl; deny fcntl(cmd == F_SETLK)\n allow lseek(offset == 5)\n"
    "allow setsockopt(level == SOL_SOCKET)\n errno 78 sendto(flags & 1 == 1)\n allow sendto\n"
    "kill setpriority(priority == 7)\n allow setpriority\n kill thread dup; trap 9 dup3\n"
    "deny kill as EACCES; allow socket(domain == AF_UNIX)\n log futex\n"
    "kill pread64(offset == 4)\n allow pread64\n log pwrite64(offset == 4)\n allow pwrite64 }",
    "memory { wx deny }\nlimits { processes 1 }\nsyscalls { allow mmap, mprotect, clone, fork }",
    "memory { wx allow }\nsyscalls { allow mmap, mprotect, personality, shmat }",
    "syscalls { allow socket, connect, setsockopt, sendto, sendmsg, sendmmsg, ioctl, listen }\n"
    "network { connect tcp 127.0.0.1:80 }",
    "files { read /**; write /tmp/**; create /tmp/** }\nsyscalls { allow @file-system }",
    "memory { wx allow }\nsyscalls { deny mprotect(prot == PROT_EXEC), mmap(flags < 2); allow "
    "mprotect, "
    "mmap }",
    "include program",
};

std::string with(const char *text, const char *architectures)
{
	return std::string("policy a\n") + architectures + "\n" + text + "\n";
}

std::vector<Policy> all_policies(const char *architectures)
{
	std::vector<Policy> all;

	for (const char *text : kTexts)
		all.push_back(sallyport::parse(with(text, architectures)));
	all.push_back(sallyport::parse(
	    std::string("policy a\nwithin b\n") + architectures +
	    "\nsyscalls { allow @default, mmap, dup, kill }\npolicy b\n" + architectures +
	    "\nsyscalls { default kill; allow dup(fd == 3), mmap, "
	    "getuid; log kill }"));
	return all;
}

bool allows(uint32_t action)
{
	action &= SECCOMP_RET_ACTION_FULL;
	return action == SECCOMP_RET_ALLOW || action == SECCOMP_RET_LOG;
}

/* Of both, since either might look where the other does not. */
std::vector<Arguments> arguments_of(std::initializer_list<const sp_judge *> judges,
				    std::mt19937 *random)
{
	std::vector<std::set<uint32_t>> edges(SP_ARGUMENTS, {0, 1, 0x80000000, 0xffffffff});
	std::vector<Arguments> all;
	sp_judge_decision d;
	size_t interesting = 8;
	auto collect = [&](size_t argument, uint64_t value) {
		edges[argument].insert(uint32_t(value));
	};

	for (const sp_judge *judge : judges)
		for (size_t layer = 0; layer < sp_judge_layers(judge); layer++)
			for (size_t i = 0; sp_judge_at(judge, layer, i, &d); i++) {
				each_edge(d.where, collect);
				each_edge(d.guard, collect);
			}
	for (uint32_t other : {0u, 1u, ~0u})
		for (size_t i = 0; i < SP_ARGUMENTS; i++)
			for (uint32_t value : edges[i]) {
				Arguments arguments;

				arguments.fill(other);
				arguments[i] = value;
				all.push_back(arguments);
				interesting++;
			}
	for (size_t round = 0; round < interesting; round++) {
		Arguments arguments;

		for (size_t i = 0; i < SP_ARGUMENTS; i++)
			arguments[i] =
			    *std::next(edges[i].begin(), long((*random)() % edges[i].size()));
		all.push_back(arguments);
	}
	return all;
}

struct Judge {
	sp_judge *judge = nullptr;

	Judge(const sp_policy *policy, sp_filter_kind kind, uint32_t arch, uint32_t nr)
	{
		EXPECT_EQ(0, sp_judge_new_for(policy, kind, arch, int(nr), &judge));
	}
	~Judge()
	{
		sp_judge_free(judge);
	}
	Judge(const Judge &) = delete;
	Judge &operator=(const Judge &) = delete;
	uint32_t ask(const Arguments &arguments) const
	{
		sp_verdict verdict;

		sp_judge_ask(judge, arguments.data(), nullptr, &verdict);
		return verdict.action;
	}
};

uint32_t audit_of(uint32_t architecture)
{
	return architecture == SP_ARCHITECTURE_I386 ? uint32_t(AUDIT_ARCH_I386)
						    : uint32_t(SP_AUDIT_ARCH);
}

size_t given; /* twin calls that were let through */

void expect_narrower(const sp_policy *policy, sp_filter_kind kind, uint32_t architecture,
		     uint32_t number, BpfSimulator *simulator, std::mt19937 *random)
{
	uint32_t arch = audit_of(architecture), nr = sp_twin_first(architecture) + number;
	sp_twin twin = sp_twin_find(architecture, number);
	Judge foreign(policy, kind, arch, nr);
	Judge native(policy, kind, SP_AUDIT_ARCH,
		     uint32_t(twin.native < 0 ? SP_NUMBERS : twin.native));

	for (const Arguments &arguments : arguments_of({foreign.judge, native.judge}, random)) {
		uint32_t action = foreign.ask(arguments), said = native.ask(arguments);

		/* What the policy allows, and the runtime makes in the caller's place: of a twin it does not hear. */
		if (said == SP_FILTER_LISTS)
			said = SECCOMP_RET_ALLOW;
		ASSERT_EQ(action, simulator->run(nr, arguments, arch)) << nr;
		/* Nobody is asked or trapped, and the upper half, which the kernel cuts off, changes nothing. */
		uint32_t full = action & SECCOMP_RET_ACTION_FULL;
		ASSERT_TRUE(full != SECCOMP_RET_TRAP && full != SECCOMP_RET_USER_NOTIF) << nr;
		Arguments upper = arguments;
		for (uint64_t &argument : upper)
			argument |= 0xdeadbeef00000000;
		ASSERT_EQ(action, simulator->run(nr, upper, arch)) << nr;
		if (!allows(action))
			continue;
		given++;
		ASSERT_TRUE(twin.given) << nr;
		ASSERT_TRUE(allows(said)) << sp_twin_name(architecture, number);
		/* What is logged natively is logged here. */
		ASSERT_EQ(said & SECCOMP_RET_ACTION_FULL, full) << nr;
	}
}

TEST_F(TwinsTest, NoTwinIsWiderThanTheNativeCall)
{
	std::mt19937 random(7);

	for (const char *words : {"architectures native, i386", "architectures native, x32, i386"})
		for (const Policy &policy : all_policies(words))
			for (sp_filter_kind kind : kKinds) {
				Program program(policy.get(), kind);
				BpfSimulator simulator(program.get());

				for (uint32_t architecture : kArchitectures) {
					if (!(sp_model_architectures(policy.get()) & architecture))
						continue;
					for (uint32_t nr = 0; nr <= SP_TWIN_NUMBERS + 1; nr++)
						expect_narrower(policy.get(), kind, architecture,
								nr, &simulator, &random);
					if (HasFatalFailure())
						return;
				}
			}
	EXPECT_GT(given, 100000u);
}

/* Numbers that are no call's, and the kernel's "none". */
TEST_F(TwinsTest, OtherNumbersAndArchitecturesAreRefused)
{
	for (const Policy &policy : all_policies("architectures native, i386"))
		for (sp_filter_kind kind : kKinds) {
			Program program(policy.get(), kind);
			BpfSimulator simulator(program.get());

			for (uint32_t nr :
			     {560u, 1000u, 0x3fffffffu, 0x40000001u, 0x7fffffffu, 0xffffffffu}) {
				auto action = simulator.run(nr, {}, AUDIT_ARCH_I386);

				ASSERT_TRUE(action && !allows(*action)) << nr;
			}
			for (uint32_t nr : {0u, 1u, 4u, 20u}) {
				EXPECT_EQ(SECCOMP_RET_KILL_PROCESS,
					  simulator.run(nr, {}, AUDIT_ARCH_AARCH64));
				EXPECT_EQ(SECCOMP_RET_KILL_PROCESS,
					  simulator.run(nr | 0x40000000, {}));
			}
			EXPECT_EQ(SECCOMP_RET_ALLOW, simulator.run(0xffffffff, {}));
		}
}

TEST_F(TwinsTest, WithoutTheStatementNothingChanges)
{
	std::vector<Policy> none = all_policies(""), native = all_policies("architectures native"),
			    both = all_policies("architectures native, i386, x32");

	for (size_t i = 0; i < none.size(); i++)
		for (sp_filter_kind kind : kKinds) {
			Program without(none[i].get(), kind), with(both[i].get(), kind);

			EXPECT_EQ(without.bytes(), Program(native[i].get(), kind).bytes());
			BpfSimulator before(without.get()), after(with.get());
			for (uint32_t nr = 0; nr <= SP_NUMBERS; nr++)
				for (uint64_t value : {0ull, 3ull, ~0ull})
					ASSERT_EQ(before.run(nr, {value, value, value}),
						  after.run(nr, {value, value, value}));
			for (uint32_t nr = 0; nr <= SP_NUMBERS; nr++) {
				ASSERT_EQ(SECCOMP_RET_KILL_PROCESS,
					  before.run(nr, {}, AUDIT_ARCH_I386));
				ASSERT_EQ(SECCOMP_RET_KILL_PROCESS,
					  before.run(nr | 0x40000000, {}));
			}
		}
}

/* The porter makes native calls alone. */
TEST_F(TwinsTest, ThePorterHasNoTwin)
{
	for (auto compile : {sp_filter_compile_porter, sp_filter_compile_listener}) {
		sp_program first = {}, second = {};

		ASSERT_EQ(0, compile(all_policies("")[0].get(), &first));
		ASSERT_EQ(
		    0, compile(all_policies("architectures native, i386, x32")[0].get(), &second));
		ASSERT_EQ(first.length, second.length);
		EXPECT_EQ(0, memcmp(first.bytes, second.bytes, first.length));
		free(first.bytes);
		free(second.bytes);
	}
}

TEST_F(TwinsTest, BoundsGiveTheirIntersection)
{
	auto twins = [](const char *first, const char *second) {
		return sp_model_architectures(sallyport::parse(std::string("policy a\nwithin b\n") +
							       first + "\npolicy b\n" + second)
						  .get());
	};

	EXPECT_EQ(0u, twins("architectures native, i386", ""));
	EXPECT_EQ(0u, twins("", "architectures native, i386"));
	EXPECT_EQ(0u, twins("architectures native, x32", "architectures native, i386"));
	EXPECT_EQ(uint32_t(SP_ARCHITECTURE_I386),
		  twins("architectures native, x32, i386", "architectures i386, native"));
}

TEST_F(TwinsTest, InAPhaseThereAreThoseThatThePhaseHasToo)
{
	const std::string both = "architectures native, i386\n",
			  calls = "syscalls { allow getpid }\n";
	const char *late = "late";

	for (bool said : {false, true}) {
		Policy policy = sallyport::parse("policy a\n" + both + "phase late within b\n" +
						 calls + "policy b\n" + (said ? both : "") + calls);
		sp_policy *before = nullptr, *inside = nullptr;

		ASSERT_EQ(0, sp_policy_in_phases(policy.get(), nullptr, 0, &before));
		EXPECT_EQ(uint32_t(SP_ARCHITECTURE_I386),
			  sp_model_architectures(Policy(before).get()));
		ASSERT_EQ(0, sp_policy_in_phases(policy.get(), &late, 1, &inside));
		EXPECT_EQ(said ? uint32_t(SP_ARCHITECTURE_I386) : 0u,
			  sp_model_architectures(Policy(inside).get()));
	}
}

TEST_F(TwinsTest, ItIsIncludedSavedShownAndTold)
{
	Policy policy =
	    sallyport::parse("policy a\ninclude b\npolicy b\narchitectures native, i386");
	uint8_t *bytes;
	size_t length;
	char *text;
	sp_policy *restored;

	EXPECT_EQ(uint32_t(SP_ARCHITECTURE_I386), sp_model_architectures(policy.get()));
	ASSERT_EQ(0, sp_policy_save(policy.get(), &bytes, &length));
	ASSERT_EQ(0, sp_policy_restore(bytes, length, &restored));
	free(bytes);
	EXPECT_EQ(uint32_t(SP_ARCHITECTURE_I386), sp_model_architectures(restored));
	EXPECT_EQ(0, sp_policy_diff(policy.get(), restored, &text));
	free(text);
	EXPECT_EQ(0, sp_policy_show(restored, SP_POLICY_FORM_TEXT, SP_POLICY_FILTER_NOTIFY, &text));
	EXPECT_NE(nullptr, strstr(text, "\narchitectures native, i386")) << text;
	EXPECT_EQ(uint32_t(SP_ARCHITECTURE_I386),
		  sp_model_architectures(sallyport::parse(text).get()));
	free(text);
	EXPECT_EQ(0, sp_policy_show(restored, SP_POLICY_FORM_JSON, SP_POLICY_FILTER_NOTIFY, &text));
	EXPECT_NE(nullptr, strstr(text, "\"architectures\": [\"native\", \"i386\"]")) << text;
	free(text);
	Policy other = sallyport::parse("policy a");
	EXPECT_EQ(1, sp_policy_diff(policy.get(), other.get(), &text));
	EXPECT_NE(nullptr, strstr(text, "~ architectures: native, i386 | native\n")) << text;
	free(text);
	EXPECT_EQ(-EINVAL, sp_policy_architectures(other.get(), 4, "test"));
	EXPECT_EQ(0, sp_policy_architectures(other.get(), SP_ARCHITECTURE_I386, "test"));
	EXPECT_EQ(uint32_t(SP_ARCHITECTURE_I386), sp_model_architectures(other.get()));
	sp_policy_unref(restored);
}

/* Numbers of i386 that a condition on the native call knows nothing of. */
TEST_F(TwinsTest, ConditionsThatMeanOtherThingsThereRefuse)
{
	Policy policy = sallyport::parse("policy a\narchitectures native, i386\nsyscalls {\n"
					 "deny fcntl(cmd == F_SETLK); allow fcntl\n"
					 "deny ioctl(request == TIOCSTI); allow ioctl\n"
					 "deny pread64(buffer == 7); allow pread64\n"
					 "deny dup2(oldfd == 7); allow dup2 }");
	const uint32_t refused = SECCOMP_RET_ERRNO | ENOSYS;

	for (sp_filter_kind kind : kKinds) {
		Program program(policy.get(), kind);
		BpfSimulator simulator(program.get());
		auto run = [&](uint32_t nr, const Arguments &arguments) {
			return simulator.run(nr, arguments, AUDIT_ARCH_I386);
		};

		for (uint64_t cmd : {1, 6, 12, 13, 14, 1000}) {
			EXPECT_EQ(refused, run(221 /* fcntl64 */, {3, cmd}));
			EXPECT_EQ(refused, run(55 /* fcntl */, {3, cmd}));
		}
		EXPECT_EQ(refused, run(54 /* ioctl */, {3, 0x5401}));
		EXPECT_EQ(refused, run(180 /* pread64 */, {3, 8}));
		EXPECT_EQ(SECCOMP_RET_ALLOW, run(63 /* dup2 */, {3, 4}));
		EXPECT_NE(SECCOMP_RET_ALLOW, run(63, {7, 4}));
		EXPECT_EQ(run(63, {7, 4}), run(63, {0xdeadbeef00000007, 4}));
	}
}

/* ---- the kernel ---- */

#ifdef __x86_64__
long int80(long nr, long a = 0, long b = 0, long c = 0, long d = 0, long e = 0)
{
	long r;

	__asm__ volatile("int $0x80"
			 : "=a"(r)
			 : "a"(nr), "b"(a), "c"(b), "d"(c), "S"(d), "D"(e)
			 : "memory", "r8", "r9", "r10", "r11");
	return r;
}

/* In a child below the filter: what the call returns, or 1000 where the child died of SIGSYS. The upper halves of
 * arguments are the attacker's. */
long attempt(const sock_fprog &program, long nr, long a = 0, long b = 0, long c = 0, long d = 0,
	     long e = 0)
{
	volatile int *result = static_cast<volatile int *>(
	    mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
	int status = -1, value;
	pid_t child = fork();

	if (child == 0) {
		if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
		    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
			_exit(1);
		*result = int(int80(nr, a, b, c, d, e));
		_exit(0);
	}
	waitpid(child, &status, 0);
	value = *result;
	munmap(const_cast<int *>(result), 4096);
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
		return 1000;
	EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
	return value;
}

bool has_i386()
{
	pid_t child = fork();
	int status = 0;

	if (child == 0)
		_exit(int80(20) == getpid() ? 0 : 1);
	waitpid(child, &status, 0);
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

TEST_F(TwinsTest, TheKernelDoesNoMoreThanThePolicySays)
{
#ifdef __SANITIZE_ADDRESS__
	GTEST_SKIP() << "the sanitizer makes calls of its own, which the filters refuse";
#endif
	if (!has_i386())
		GTEST_SKIP() << "no i386 here";
	const char text[] = "memory { wx deny }\nfiles { read /** }\n"
			    "syscalls { allow @default, @process, @memory, @basic-io, mmap, "
			    "mprotect, clone, kill }";
	const long high = 0x7abc000000000000, code = PROT_WRITE | PROT_EXEC;

	for (sp_filter_kind kind : {SP_FILTER_FLOOR, SP_FILTER_LOCK}) {
		Policy twin = sallyport::parse(with(text, "architectures native, i386"));
		Policy none = sallyport::parse(with(text, ""));
		Program given(twin.get(), kind), killing(none.get(), kind);
		sock_fprog p = given.get();

		for (long nr : {20, 4, 5, 11, 102, 192})
			EXPECT_EQ(1000, attempt(killing.get(), nr)) << nr;
		/* getpid, write, getuid32, kill(0, of nobody) */
		EXPECT_GT(attempt(p, 20), 0);
		EXPECT_EQ(0, attempt(p, 4, 1, 0, 0));
		EXPECT_EQ(long(getuid()), attempt(p, 199));
		EXPECT_EQ(-ESRCH, attempt(p, 37, 0x7ffffffe, 0));
		/* exit leaves no result behind. */
		EXPECT_EQ(0, attempt(p, 1, 0));
		for (long nr : {5 /* open */,
				8 /* creat */,
				11 /* execve */,
				26 /* ptrace */,
				90 /* mmap */,
				102 /* socketcall */,
				117 /* ipc */,
				113,
				166 /* vm86 */,
				123 /* modify_ldt */,
				21 /* mount */,
				310 /* unshare */,
				346 /* setns */,
				425,
				426,
				427 /* io_uring */,
				295 /* openat */,
				358 /* execveat */,
				383 /* statx */,
				435 /* clone3 */,
				82 /* select */,
				86 /* uselib */,
				136 /* personality */,
				354 /* seccomp */,
				499,
				-1})
			EXPECT_EQ(-ENOSYS, attempt(p, nr)) << nr;
		/* mmap2 and mprotect look at their protection, whatever the upper half holds. */
		EXPECT_EQ(-ENOSYS, attempt(p, 192, 0, 4096, code, MAP_PRIVATE | MAP_ANONYMOUS, -1));
		EXPECT_EQ(-ENOSYS,
			  attempt(p, 192, 0, 4096, code | high, MAP_PRIVATE | MAP_ANONYMOUS, -1));
		EXPECT_NE(-ENOSYS,
			  attempt(p, 192, 0, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1));
		EXPECT_EQ(-ENOSYS, attempt(p, 125, 4096, 4096, PROT_EXEC | high));
		for (long flag : {CLONE_NEWUSER, CLONE_NEWNS, CLONE_NEWNET, CLONE_PARENT})
			for (long upper : {0l, high})
				EXPECT_EQ(-ENOSYS, attempt(p, 120, flag | upper | SIGCHLD)) << flag;
	}
}
#endif

} // namespace
