// SPDX-License-Identifier: Apache-2.0
// Every kind of brokered call, natively and locked, on two equal trees: the same answers, the same trees afterwards.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <gtest/gtest.h>
#include <map>
#include <regex.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/descriptors.h"
#include "tests/support/paths.h"
#include "tests/support/sandbox.h"

namespace
{
// Where a locked process is answered otherwise, and why. `locked` is an extended regular expression for the whole line.
struct Difference {
	const char *name;
	const char *locked;
	const char *reason;
};

#include "differences.inc"

// Not std::regex: in sanitizers' trees gcc warns of its insides.
bool matches(const std::string &line, const char *expression)
{
	const std::string whole = std::string("^(") + expression + ")$";
	regex_t compiled;

	EXPECT_EQ(regcomp(&compiled, whole.c_str(), REG_EXTENDED | REG_NOSUB), 0) << expression;
	bool result = regexec(&compiled, line.c_str(), 0, nullptr, 0) == 0;
	regfree(&compiled);
	return result;
}

std::string output_of(const std::string &command)
{
	FILE *pipe = popen(command.c_str(), "re");
	std::string output;
	char buffer[4096];
	size_t n;

	while ((n = fread(buffer, 1, sizeof(buffer), pipe)) > 0)
		output.append(buffer, n);
	EXPECT_EQ(pclose(pipe), 0) << command;
	return output;
}

std::vector<std::string> lines_of(const std::string &text)
{
	std::vector<std::string> lines;
	size_t start = 0, end;

	for (; (end = text.find('\n', start)) != std::string::npos; start = end + 1)
		lines.push_back(text.substr(start, end - start));
	return lines;
}

std::string tree_of(const std::string &directory)
{
	return output_of("cd '" + directory +
			 "' && chmod u+rwx top/noaccess && "
			 "find . -printf '%p %M %n %l ' \\( -type f -printf '%s' -o -true \\) "
			 // Times that a call has set: those before the year 2000.
			 "\\( ! -newermt 2000-01-01 -printf ' %T@' -o -true \\) -printf '\\n' | "
			 "sort");
}

// The two interceptions, and the first on top of the second.
enum Way { kTrap, kNotify, kPreload };

class Differential : public ::testing::TestWithParam<Way>
{
      protected:
	void SetUp() override
	{
		// In memory where that is offered: trees made and removed by the thousand are slow on a disk.
		const char *temporary =
		    access("/dev/shm", W_OK) == 0 ? "/dev/shm" : getenv("TMPDIR");
		std::string pattern =
		    std::string(temporary ? temporary : "/tmp") + "/differential.XXXXXX";

		before = count_descriptors();
		ASSERT_NE(mkdtemp(&pattern[0]), nullptr);
		directory = pattern;
		for (const char *side : {"/native", "/locked"})
			ASSERT_EQ(mkdir((directory + side).c_str(), 0755), 0);
	}
	void TearDown() override
	{
		std::string command =
		    "chmod -R u+rwx '" + directory + "'; rm -rf '" + directory + "'";

		EXPECT_EQ(system(command.c_str()), 0);
		EXPECT_EQ(count_descriptors(), before);
	}
	// All cases in a sandbox, in the tree "locked".
	Heard run()
	{
		const std::string tree = directory + "/locked";
		// Where a program may be executed the runtime is not preloaded.
		const std::string rights = std::string("files {\n  read, write, create, delete") +
					   (GetParam() == kPreload ? " " : ", execute ") + tree +
					   "/**\n";
		SandboxRunner runner;

		if (GetParam() == kTrap)
			return runner.run("policy differential\ninclude parser\nsyscalls {\n"
					  "  allow inotify_init1, inotify_rm_watch\n}\n" +
					      rights + "  read /proc/self/**\n}\n",
					  {program, "locked", tree});
		output_of(program + " prepare '" + tree + "'");
		runner.interception =
		    GetParam() == kPreload ? SP_INTERCEPTION_PRELOAD : SP_INTERCEPTION_NOTIFY;
		return runner.run("policy differential\ninclude program\n" + rights + "  read " +
				      sp_test_binary_dir() + "/**\n}\n",
				  {program, "prepared", tree});
	}
	const std::string program = std::string(sp_test_binary_dir()) + "/bin/differential";
	std::string directory;
	size_t before = 0;
};

INSTANTIATE_TEST_SUITE_P(All, Differential, ::testing::Values(kTrap, kNotify, kPreload),
			 [](const auto &info) {
				 return info.param == kTrap     ? "Trap"
					: info.param == kNotify ? "Notify"
								: "Preload";
			 });

TEST_P(Differential, EveryCallAnswersAsItDoesNatively)
{
	std::string native = output_of(program + " native '" + directory + "/native'");
	Heard heard = run();
	std::vector<std::string> expected = lines_of(native), got = lines_of(heard.output);
	std::map<std::string, int> used;
	int wrong = 0;

	ASSERT_EQ(heard.cause, SP_EXIT_EXITED) << heard.exit << heard.output;
	ASSERT_EQ(heard.status, 0) << heard.output;
	EXPECT_EQ(heard.locked, GetParam() != kNotify);
	ASSERT_GE(expected.size(), 400u);
	ASSERT_EQ(expected.size(), got.size());
	for (size_t i = 0; i < expected.size(); i++) {
		bool listed = false;

		if (expected[i] == got[i])
			continue;
		// Nothing may be executed there.
		if (GetParam() == kPreload && matches(got[i], "access [1357]\\(program\\): EACCES"))
			continue;
		for (const Difference &difference : differences)
			if (matches(got[i], difference.locked)) {
				used[difference.name]++;
				listed = true;
				break;
			}
		if (!listed && wrong++ < 40)
			ADD_FAILURE() << "native: " << expected[i] << "\nlocked: " << got[i];
	}
	EXPECT_EQ(wrong, 0) << "of " << expected.size() << " cases";
	for (const Difference &difference : differences)
		EXPECT_GT(used[difference.name], 0)
		    << "no case shows it any more: " << difference.name;
	RecordProperty("cases", static_cast<int>(expected.size()));
}

TEST_P(Differential, TheTreesAreEqualAfterwards)
{
	output_of(program + " native '" + directory + "/native'");
	Heard heard = run();
	ASSERT_EQ(heard.status, 0) << heard.exit;
	std::vector<std::string> expected = lines_of(tree_of(directory + "/native"));
	std::vector<std::string> got = lines_of(tree_of(directory + "/locked"));
	// Links hold names of their tree.
	for (std::string &line : expected)
		for (size_t at; (at = line.find("/native/")) != std::string::npos;)
			line.replace(at, strlen("/native/"), "/locked/");
	EXPECT_EQ(expected, got);
}
} // namespace
