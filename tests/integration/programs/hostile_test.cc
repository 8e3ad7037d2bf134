/* SPDX-License-Identifier: Apache-2.0 */
/* Programs that set out to do harm before anything else of theirs has run do none, however they are started. */
#include <filesystem>
#include <ostream>
#include <string>
#include <vector>

#include "tests/integration/programs/scratch.h"

namespace
{

using sallyport::Outcome;

struct Hostile {
	const char *name;
	const char *command; /* in the tree, where the program lies */
	const char *all;     /* what it says natively */
	int refused;         /* its exit status in the sandbox when it is started by us … */
	int refused_inside;  /* … and when it is executed there */
};

void PrintTo(const Hostile &hostile, std::ostream *stream)
{
	*stream << hostile.command;
}

#define EVERYTHING "reads\nstats\nwrites\nexecutes\nexecutes\n"

const Hostile kHostiles[] = {
    {"preinit", "./hostile-preinit", EVERYTHING, 0, 0},
    {"ifunc", "./hostile-ifunc", EVERYTHING, 0, 0},
    {"static_program", "./hostile-static", EVERYTHING, 0, 0},
    {"filter", "./hostile-filter", EVERYTHING, 0, 0},
    {"loader", "./hostile-loader", "executes\n", 126, 126},
    {"system_loader", "/lib64/ld-linux-x86-64.so.2 ./hostile-preinit", EVERYTHING, 0, 126},
    {"system_loader_outside", "/lib64/ld-linux-x86-64.so.2 ../outside/mark", "executes\n", 127,
     126},
};

class HostileTest : public sallyport::ScratchTest
{
      protected:
	void MakeTrees()
	{
		const std::string bin = Binary("");

		ASSERT_NO_FATAL_FAILURE(
		    MakeTree("cp " + bin +
			     "hostile-* . && ln -s ../outside escape && rm -rf ../outside && "
			     "mkdir ../outside && cd ../outside && cp " +
			     bin +
			     "hostile-mark mark && "
			     "echo secret > secret && echo victim > victim && ln -s secret link"));
	}
	std::map<std::string, std::string> Outside()
	{
		return TreeOf(folder_ + "/outside");
	}
};

class Hostiles : public HostileTest, public testing::WithParamInterface<Hostile>
{
};

TEST_P(Hostiles, AchieveNothing)
{
	const Hostile &hostile = GetParam();
	const std::string command = hostile.command;

	ASSERT_NO_FATAL_FAILURE(MakeTrees());
	const auto before = Outside();
	EXPECT_EQ(hostile.all, RunNative(command).output);
	EXPECT_EQ(EVERYTHING == std::string(hostile.all), before != Outside());

	for (const char *way : {"notify", "auto"}) {
		ASSERT_NO_FATAL_FAILURE(MakeTrees());
		Outcome outcome = RunSandboxed("-w .", command, way);
		EXPECT_EQ(hostile.refused, outcome.status) << way << outcome.errors;
		EXPECT_EQ("", outcome.output);
		EXPECT_EQ(before, Outside());
	}

	Outcome outcome =
	    RunSandboxed("-w . --execute . --execute /usr/bin", "dash -c '" + command + "'");
	EXPECT_EQ(hostile.refused_inside, outcome.status) << outcome.errors;
	EXPECT_EQ("", outcome.output);
	EXPECT_EQ(before, Outside());
}

INSTANTIATE_TEST_SUITE_P(Elf, Hostiles, testing::ValuesIn(kHostiles),
			 [](const testing::TestParamInfo<Hostile> &info) {
				 return info.param.name;
			 });

TEST_F(HostileTest, ForksAchieveNothing)
{
	ASSERT_NO_FATAL_FAILURE(MakeTrees());
	const auto before = Outside();
	/* Both forks are made by all there are then. */
	EXPECT_NE("", RunNative("./hostile-forks").output);

	ASSERT_NO_FATAL_FAILURE(MakeTrees());
	for (const char *options : {"-w . --execute .", "-w ."}) {
		const Outcome outcome = RunSandboxed(options, "./hostile-forks", "auto");
		EXPECT_EQ(0, outcome.status) << outcome.errors;
		EXPECT_EQ("", outcome.output);
		EXPECT_EQ(before, Outside());
	}
}

/* A loader that only the program names, by the name under which everybody finds it. */
TEST_F(HostileTest, AnotherLoaderIsNotRunUnlessItMayBeRead)
{
	const std::string make = "echo 'int main(void) { return 0; }' | cc -x c - -o loaded "
				 "-Wl,--dynamic-linker=" +
				 folder_ + "/outside/mark";

	ASSERT_NO_FATAL_FAILURE(MakeTrees());
	ASSERT_EQ(0, RunNative("bash -c \"" + make + "\"").status);
	EXPECT_EQ("executes\n", RunNative("./loaded").output);
	Outcome outcome = RunSandboxed("-w .", "./loaded");
	EXPECT_EQ(126, outcome.status) << outcome.errors;
	EXPECT_EQ("", outcome.output);
	outcome = RunSandboxed("-w . -r ../outside/mark", "./loaded");
	EXPECT_EQ(0, outcome.status) << outcome.errors;
	EXPECT_EQ("executes\n", outcome.output);
	/* Within the sandbox it takes the right to execute. */
	outcome = RunSandboxed("-w . --execute . --execute /usr/bin -r ../outside/mark",
			       "dash -c ./loaded");
	EXPECT_EQ(126, outcome.status) << outcome.errors;
	EXPECT_EQ("", outcome.output);
	outcome = RunSandboxed("-w . --execute . --execute /usr/bin --execute ../outside/mark",
			       "dash -c ./loaded");
	EXPECT_EQ(0, outcome.status) << outcome.errors;
	EXPECT_EQ("executes\n", outcome.output);
}

/* The same of scripts. */
TEST_F(HostileTest, AnotherInterpreterIsNotRunUnlessItMayBeRead)
{
	ASSERT_NO_FATAL_FAILURE(MakeTrees());
	Write("script", "#!" + folder_ + "/outside/mark\n");
	ASSERT_EQ(0, RunNative("chmod 755 script").status);
	EXPECT_EQ("executes\n", RunNative("./script").output);
	Outcome outcome = RunSandboxed("-w .", "./script");
	EXPECT_EQ(126, outcome.status) << outcome.errors;
	EXPECT_EQ("", outcome.output);
	outcome = RunSandboxed("-w . -r ../outside/mark", "./script");
	EXPECT_EQ("executes\n", outcome.output);
	outcome = RunSandboxed("-w . --execute . --execute /usr/bin", "dash -c ./script");
	EXPECT_EQ("", outcome.output);
	EXPECT_NE(0, outcome.status) << outcome.errors;
}

/* What a report says of a refusal, and what the program itself. */
TEST_F(HostileTest, AShadowFileIsRefusedPolitely)
{
	ASSERT_NO_FATAL_FAILURE(MakeTrees());
	for (const char *way : {"notify", "trap"}) {
		const Outcome outcome = RunSandboxed("--read /usr --report " + folder_ + "/report",
						     "cat /etc/shadow", way);

		EXPECT_EQ(1, outcome.status);
		EXPECT_EQ("", outcome.output);
		EXPECT_EQ("cat: /etc/shadow: Permission denied\n", outcome.errors);
		const std::string report = TreeOf(folder_)["report"];
		EXPECT_NE(std::string::npos, report.find("/etc/shadow")) << report;
		EXPECT_NE(std::string::npos, report.find("preset program:")) << report;
		EXPECT_NE(std::string::npos, report.find("EACCES")) << report;
		/* A thread of the runtime's names itself. */
		EXPECT_NE(std::string::npos,
			  report.find(way == std::string("trap") ? "\"tid_claimed\":true"
								 : "\"tid_claimed\":false"))
		    << report;
	}
}

/* Allowed names answer as they do natively, forbidden ones alike whether they are there or not. */
TEST_F(HostileTest, MissingFilesShowOnlyWhereTheyMayBeLookedFor)
{
	ASSERT_NO_FATAL_FAILURE(MakeTrees());
	const Outcome outcome =
	    RunSandboxed("-r .", "cat missing sub/missing ../outside/secret ../outside/missing");

	EXPECT_EQ(1, outcome.status);
	EXPECT_EQ("cat: missing: No such file or directory\n"
		  "cat: sub/missing: No such file or directory\n"
		  "cat: ../outside/secret: Permission denied\n"
		  "cat: ../outside/missing: Permission denied\n",
		  outcome.errors);
}

} // namespace
