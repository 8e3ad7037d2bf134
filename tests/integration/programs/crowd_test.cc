/* SPDX-License-Identifier: Apache-2.0 */
/* Names that change while they are asked for, and many who ask at once. */
#include <ostream>
#include <sstream>
#include <string>

#include "tests/integration/programs/scratch.h"

namespace
{

using sallyport::Outcome;

struct Race {
	const char *word;
	int rounds;
};

void PrintTo(const Race &race, std::ostream *stream)
{
	*stream << race.word;
}

class CrowdTest : public sallyport::ScratchTest
{
      protected:
	/* What is ours and what is theirs, alike but for their first letters and the programs' statuses. */
	void MakeTrees()
	{
		ASSERT_NO_FATAL_FAILURE(MakeTree(
		    "cp " + Binary("programs-guest") +
		    " guest; for who in ours them; do mkdir $who; done;"
		    "printf ours\\\\n > ours/file; printf theirs\\\\n > them/file; ln -s ours "
		    "ours/link;"
		    "ln -s theirs them/link; echo ours > ours/name; echo theirs > them/name;"
		    "echo 'int main(void) { return 1; }' | cc -x c - -o ours/tool;"
		    "echo 'int main(void) { return 2; }' | cc -x c - -o them/tool"));
	}
	/* How often a race reached ours and theirs. */
	static std::pair<unsigned long, unsigned long> Counts(const Outcome &outcome)
	{
		std::istringstream text(outcome.output);
		unsigned long ours = 0, theirs = 0;

		EXPECT_TRUE(text >> ours >> theirs) << outcome.output << outcome.errors;
		return {ours, theirs};
	}
};

class Races : public CrowdTest, public testing::WithParamInterface<Race>
{
};

/* A name is read once: what was decided on is what was done. */
TEST_P(Races, ReachWhatIsGrantedAlone)
{
	const std::string word = GetParam().word, options = "-w ours --execute ours";

	ASSERT_NO_FATAL_FAILURE(MakeTrees());
	const auto theirs = TreeOf(tree_ + "/them");
	const Outcome native = RunNative("./guest reach " + word);
	EXPECT_EQ(0, native.status) << native.errors;
	EXPECT_TRUE(Counts(native).second == 1 || theirs != TreeOf(tree_ + "/them"));

	ASSERT_NO_FATAL_FAILURE(MakeTrees());
	Outcome outcome = RunSandboxed(options, "./guest reach " + word);
	EXPECT_EQ("0 0\n", outcome.output) << outcome.errors;
	outcome =
	    RunSandboxed(options, "./guest race " + word + " " + std::to_string(GetParam().rounds));
	EXPECT_EQ(0, outcome.status) << outcome.errors;
	EXPECT_GT(Counts(outcome).first, 0u);
	EXPECT_EQ(0u, Counts(outcome).second);
	EXPECT_EQ(theirs, TreeOf(tree_ + "/them"));
}

INSTANTIATE_TEST_SUITE_P(Names, Races,
			 testing::Values(Race{"open", 100000}, Race{"stat", 100000},
					 Race{"readlink", 20000}, Race{"unlink", 5000},
					 Race{"create", 5000}, Race{"rename", 5000},
					 Race{"mkdir", 5000}, Race{"chdir", 5000},
					 Race{"execute", 500}),
			 [](const testing::TestParamInfo<Race> &info) { return info.param.word; });

struct Crowd {
	const char *name, *command;
};

void PrintTo(const Crowd &crowd, std::ostream *stream)
{
	*stream << crowd.command;
}

class Crowds : public CrowdTest, public testing::WithParamInterface<Crowd>
{
};

TEST_P(Crowds, AreServedAsNatively)
{
	ASSERT_NO_FATAL_FAILURE(MakeTrees());
	const Outcome native = RunNative(GetParam().command);
	ASSERT_EQ(0, native.status) << native.errors;
	const Outcome outcome = RunSandboxed("-r . --execute . --execute /usr", GetParam().command);
	EXPECT_EQ(0, outcome.status) << outcome.errors;
	EXPECT_EQ(native.output, outcome.output);
	EXPECT_EQ(native.errors, outcome.errors);
}

const Crowd kCrowds[] = {
    {"shells", "bash -c 'for i in {1..50}; do sh -c \"for j in 1 2 3 4 5; do cd /; cd /usr; ls "
	       ">/dev/null || exit; "
	       "done\" & pids+=\" $!\"; done; for p in $pids; do wait $p || exit; done; echo all'"},
    {"chdir_in_threads", "./guest threads 16 300"},
    {"spawns", "./guest spawn 200 /usr/bin/true"},
    {"exec_in_a_thread", "./guest thread-exec /usr/bin/echo executed"},
    {"exec_in_threads", "bash -c 'for i in {1..30}; do ./guest thread-exec /usr/bin/true & "
			"pids+=\" $!\"; done; for p in $pids; do wait "
			"$p || exit; done; echo all'"},
    {"alarms", "./guest alarms 2000 /usr/bin/true"},
    {"stops", "./guest stops 1000"},
    {"ids", "./guest ids"},
};

INSTANTIATE_TEST_SUITE_P(Many, Crowds, testing::ValuesIn(kCrowds),
			 [](const testing::TestParamInfo<Crowd> &info) { return info.param.name; });

TEST_F(CrowdTest, NobodyTakesTheIdsOfOthers)
{
	ASSERT_NO_FATAL_FAILURE(MakeTrees());
	EXPECT_EQ(0, RunSandboxed("-r .", "./guest ids others").status);
}

} // namespace
