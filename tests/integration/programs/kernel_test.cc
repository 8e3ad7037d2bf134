/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel's own tests of seccomp say in a sandbox whose policy allows filters what they say natively. */
#include <cstring>
#include <map>
#include <sstream>
#include <string>
#include <unistd.h>

#include "tests/integration/programs/scratch.h"

namespace
{

using sallyport::Outcome;

constexpr char kListener[] = "the sandbox has the one listener that there can be";
constexpr char kFiltered[] = "there is a filter before the program's first instruction";
constexpr char kPrivileges[] = "new privileges are given up before the program's first instruction";
constexpr char kCapability[] = "there are no capabilities";
constexpr char kForeign[] = "-101 is a number of the x32 ABI, and kills";
constexpr char kBrokered[] = "a call that takes a name is answered before a tracer is asked";

/* Tests of Linux 6.1 that a sandbox can't let pass, and what they meet. */
const struct {
	const char *name, *reason;
	bool root = true; /* for root as well */
} kExceptions[] = {
    {"global.mode_filter_without_nnp", kPrivileges, false},
    {"global.mode_strict_support", kFiltered},
    {"global.mode_strict_cannot_call_prctl", kFiltered},
    {"global.mode_filter_get_seccomp", kFiltered},
    {"global.negative_ENOSYS", kForeign},
    {"global.get_metadata", kCapability},
    {"global.user_notification_basic", kListener},
    {"global.user_notification_with_tsync", kListener},
    {"global.user_notification_kill_in_middle", kListener},
    {"global.user_notification_signal", kListener},
    {"global.user_notification_closed_listener", kListener},
    {"global.user_notification_child_pid_ns", kListener},
    {"global.user_notification_sibling_pid_ns", kListener},
    {"global.user_notification_fault_recv", kListener},
    {"global.user_notification_continue", kListener},
    {"global.user_notification_filter_empty", kListener},
    {"global.user_notification_filter_empty_threaded", kListener},
    {"global.user_notification_addfd", kListener},
    {"global.user_notification_addfd_rlimit", kListener},
    {"global.user_notification_fifo", kListener},
    {"global.user_notification_wait_killable_pre_notification", kListener},
    {"global.user_notification_wait_killable", kListener},
    {"global.user_notification_wait_killable_fatal", kListener},
    {"TRACE_syscall.ptrace.negative_ENOSYS", kForeign},
    {"TRACE_syscall.seccomp.negative_ENOSYS", kForeign},
    {"TRACE_syscall.seccomp.syscall_errno", kBrokered},
    {"TSYNC.two_sibling_want_nnp", kPrivileges},
};

const char *ReasonFor(const std::string &name)
{
	for (const auto &exception : kExceptions)
		if (name == exception.name && (exception.root || geteuid() != 0))
			return exception.reason;
	return nullptr;
}

/* "ok 5 name" and "not ok 6 name", behind each other's output; what is skipped has no name, but a number. */
std::map<std::string, std::string> VerdictsOf(const std::string &output)
{
	std::map<std::string, std::string> verdicts;
	std::istringstream lines(output);
	std::string line;

	while (std::getline(lines, line)) {
		const bool good = line.rfind("ok ", 0) == 0, bad = line.rfind("not ok ", 0) == 0;

		if (!good && !bad)
			continue;
		std::string rest = line.substr(strlen(good ? "ok " : "not ok "));
		size_t end_of_number = rest.find(' ');
		const std::string number = rest.substr(0, end_of_number);

		rest = end_of_number == std::string::npos ? "" : rest.substr(end_of_number + 1);
		if (rest.empty() || rest[0] == '#')
			verdicts[number] = "skipped";
		else
			verdicts[rest] = good ? "passes" : "fails";
	}
	return verdicts;
}

class KernelTest : public sallyport::ScratchTest
{
      protected:
	void SetUp() override
	{
		ScratchTest::SetUp();
		if (access(Binary("seccomp-selftest").c_str(), X_OK) != 0)
			GTEST_SKIP()
			    << "it is not built: install linux-source-6.1, or set "
			       "SALLYPORT_SELFTESTS to tools/testing/selftests of a kernel's "
			       "sources, and configure anew";
	}
};

TEST_F(KernelTest, ItsTestsOfSeccompSayWhatTheySayNatively)
{
	const std::string command = "cp " + Binary("seccomp-selftest") + " .";

	ASSERT_NO_FATAL_FAILURE(MakeTree(command));
	const auto native = VerdictsOf(RunNative("./seccomp-selftest").output);
	EXPECT_GE(native.size(), 90u);
	Write("../filters.policy", "policy filters\ninclude program\n"
				   "syscalls { allow seccomp, ptrace, kcmp }\n");
	const Outcome outcome =
	    RunSandboxed("--policy ../filters.policy --interception notify --write . --read /proc",
			 "./seccomp-selftest");
	const auto sandboxed = VerdictsOf(outcome.output);
	EXPECT_GE(sandboxed.size(), 90u) << outcome.errors;
	for (const auto &[name, verdict] : native) {
		const auto found = sandboxed.find(name);
		const std::string said = found == sandboxed.end() ? "missing" : found->second;

		if (const char *reason = ReasonFor(name)) {
			EXPECT_NE("passes", said) << name << " is no exception: " << reason;
			continue;
		}
		/* What is skipped bears no name. */
		EXPECT_TRUE(verdict == "skipped" || verdict == said)
		    << name << " " << verdict << " natively, but is " << said;
	}
}

} // namespace
