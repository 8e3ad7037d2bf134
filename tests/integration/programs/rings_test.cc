/* SPDX-License-Identifier: Apache-2.0 */
/* Rings on a floor: whoever asks gets his own, within bounds, and nothing by it that he would not get without; and
 * programs that have the runtime on top notice nothing of it. */
#include <ostream>
#include <string>

#include "tests/integration/programs/scratch.h"

namespace
{

using sallyport::Outcome;

struct Act {
	const char *name, *word, *way;
	const char *output;
	int status = 0;
	const char *errors = ""; /* a part of them */
	const char *options = "-w .";
};

void PrintTo(const Act &act, std::ostream *stream)
{
	*stream << act.word << " by " << act.way;
}

#define TRAP_TOO(name, word, output)                                                               \
	{name, word, "notify", output},                                                            \
	{                                                                                          \
		name "_trap", word, "trap", output                                                 \
	}

const Act kActs[] = {
    {"many", "many", "notify", "10000\nok\nok\n"},
    {"wrong", "wrong", "notify", "EPROTO\nEPROTO\nEPROTO\nEPROTO\nENOSYS\n"},
    {"threads", "threads", "notify", "EBUSY\nok\nok\n"},
    {"small_limit", "small-limit", "notify", "EBADF\nok\n"},
    {"exhaust", "exhaust", "notify", "64 6\nEAGAIN\nok\n"},
    {"killed", "killed", "notify", "ok\n"},
    {"tids", "tids", "notify", "ok\nrefused\nrefused\nrefused\nrefused\nEACCES\nEACCES\nEACCES\n"},
    {"dead_parent", "dead-parent", "notify", "ok\nunanswered\n"},
    {"dying", "dying", "notify", "ok\n"},
    {"hoard", "hoard", "notify", "gone\nok\n"},
    {"executed", "executed", "notify", "ok\nunanswered\n", 0, "", "-w . --execute /usr"},
    {"hello", "hello", "notify", "", 137, "breaking the protocol"},
    {"garbage", "garbage", "notify", "", 137, "breaking the protocol"},
    TRAP_TOO("forwarding", "forwarding",
	     "EFAULT\nEFAULT\nrefused\nok\nEACCES\nEACCES\nok\nok\nrefused\nrefused\n"),
    {"reserved_trap", "reserved", "trap", "EBADF\nEBADF\nok\nrefused\nok\n"},
    {"own_filter", "own-filter", "notify",
     "ok\nok\nok\nEBUSY\nok\nEDOM\nEPERM\nEPERM\nEPERM\nEDOM\nEPERM\nEPERM\n", 0, "",
     "--policy ../filters.policy -w ."},
    {"refused", "refused", "notify", "EINVAL\nEINVAL\nok\nEDOM\nok\n", 0, "",
     "--policy ../no-dup.policy -w ."},
    {"refused_trap", "refused", "trap", "EINVAL\nEINVAL\nok\nEDOM\nok\n", 0, "",
     "--policy ../no-dup.policy -w ."},
    TRAP_TOO("family", "family", "ok\nok\nok\nok\nok\nok\nok\nok\nok\nok\nok\n"),
    TRAP_TOO("shares_memory", "shares-memory", "ok\n"),
    TRAP_TOO("storm", "storm", "100\n"),
    TRAP_TOO("threads_of_child", "threads-of-child", "800\n"),
    TRAP_TOO("small_limit_of_child", "small-limit-of-child", "ok\nok\nEACCES\nok\nok\n"),
    TRAP_TOO("signals", "signals", "ok\nok\n0\n1\nok\n"),
    {"disarm_notify", "disarm", "notify", "EACCES\nEACCES\n"},
    {"disarm", "disarm", "trap", "", 128 + 31},
};

class Rings : public sallyport::ScratchTest, public testing::WithParamInterface<Act>
{
};

TEST_P(Rings, GiveWhatTheFloorGives)
{
	const Act &act = GetParam();

	ASSERT_NO_FATAL_FAILURE(MakeTree("rm -rf ../outside && mkdir ../outside && echo secret > "
					 "../outside/secret && cp " +
					 Binary("rings") + " ."));
	Write("../no-dup.policy",
	      "policy no-dup\nsyscalls { deny dup as EDOM }\ninclude program\n");
	Write("../filters.policy", "policy filters\ninclude program\nsyscalls { allow seccomp }\n");
	const auto before = TreeOf(folder_ + "/outside");
	const Outcome outcome =
	    RunSandboxed(act.options, "./rings " + std::string(act.word), act.way);

	EXPECT_EQ(act.status, outcome.status) << outcome.errors;
	EXPECT_EQ(act.output, outcome.output) << outcome.errors;
	EXPECT_NE(std::string::npos, outcome.errors.find(act.errors)) << outcome.errors;
	EXPECT_EQ(before, TreeOf(folder_ + "/outside"));
}

INSTANTIATE_TEST_SUITE_P(Programs, Rings, testing::ValuesIn(kActs),
			 [](const testing::TestParamInfo<Act> &info) { return info.param.name; });

class RingsOfFamilies : public sallyport::ScratchTest
{
};

/* What a family of processes made, each with an umask of its own. */
TEST_F(RingsOfFamilies, CreateByTheirUmasks)
{
	const std::string prepare = "cp " + Binary("rings") + " .";

	ASSERT_NO_FATAL_FAILURE(MakeTree(prepare));
	const Outcome native = RunNative("./rings family");
	for (const char *way : {"notify", "trap"}) {
		ASSERT_NO_FATAL_FAILURE(MakeTree(prepare));
		const Outcome outcome = RunSandboxed("-w .", "./rings family", way);

		EXPECT_EQ(native.output, outcome.output) << outcome.errors;
		EXPECT_EQ(native.tree, outcome.tree) << way;
	}
}

} // namespace
