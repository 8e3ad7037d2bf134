/* SPDX-License-Identifier: Apache-2.0 */
/* sallyport policy compile */
#include "command.h"

#include <dirent.h>

namespace
{

class CompileTest : public sallyport::CommandTest
{
      protected:
	size_t files() const
	{
		DIR *directory = opendir(folder_.c_str());
		size_t count = 0;

		while (readdir(directory))
			count++;
		closedir(directory);
		return count;
	}
};

const char kText[] = "policy cat(from)\ninclude program\nfiles { read $from/** }\n";

TEST_F(CompileTest, WhatItWritesRunsWithoutTheText)
{
	std::string text = write("a.policy", kText), compiled = folder_ + "/a.compiled";
	std::string data = write("data", "some data\n");

	auto outcome = run("policy compile -D from=" + folder_ + " -o " + compiled + " " + text);
	EXPECT_EQ(0, outcome.status) << outcome.errors;
	ASSERT_EQ(0, unlink(text.c_str()));
	outcome = run("run --policy " + compiled + " -- cat " + data);
	EXPECT_EQ(0, outcome.status) << outcome.errors;
	EXPECT_EQ("some data\n", outcome.output);
	outcome = run("run --policy " + compiled + " -- cat /var/log/dpkg.log");
	EXPECT_EQ(1, outcome.status);
	EXPECT_NE(std::string::npos, outcome.errors.find("Permission denied")) << outcome.errors;
	EXPECT_EQ(0, run("policy check " + compiled).status);
}

TEST_F(CompileTest, StandardOutputIsAsGoodAsAFile)
{
	std::string text = write("a.policy", kText);

	auto printed = run("policy compile -Dfrom=/srv -o - " + text);
	EXPECT_EQ(0, printed.status) << printed.errors;
	EXPECT_EQ(0, run("policy compile -Dfrom=/srv -o " + folder_ + "/b " + text).status);
	EXPECT_EQ(sallyport::read_file(folder_ + "/b"), printed.output);
	EXPECT_EQ(0, run("policy compile -o " + folder_ + "/c pure").status);
}

TEST_F(CompileTest, AProfileGoesWithThePolicy)
{
	std::string profile = write("counts", "read 1000\nfutex 10\n");

	auto outcome = run("policy compile --profile " + profile + " -o " + folder_ + "/c pure");
	EXPECT_EQ(0, outcome.status) << outcome.errors;
	outcome = run("policy show " + folder_ + "/c");
	EXPECT_NE(std::string::npos,
		  outcome.output.find("\tpriority 1000 read  # " + profile + ":1:1\n"))
	    << outcome.output;
	EXPECT_EQ(run("policy show -f bpf --profile " + profile + " pure").output,
		  run("policy show -f bpf " + folder_ + "/c").output);
	EXPECT_NE(run("policy show -f bpf pure").output,
		  run("policy show -f bpf " + folder_ + "/c").output);
	EXPECT_EQ(0, run("run --profile " + profile + " -- true").status);
	write("counts", "raed 1\n");
	for (const std::string &command :
	     {"policy show -f bpf --profile " + profile + " pure",
	      "run --profile " + profile + " -- true",
	      "policy compile --profile " + profile + " -o " + folder_ + "/d pure"}) {
		outcome = run(command);
		EXPECT_EQ(125, outcome.status);
		EXPECT_EQ(0u, outcome.errors.find(profile + ":1:1: error: unknown system call"))
		    << outcome.errors;
	}
	outcome = run("policy show --profile /none pure");
	EXPECT_EQ(125, outcome.status);
	EXPECT_EQ("sallyport: --profile /none: No such file or directory\n", outcome.errors);
}

TEST_F(CompileTest, AfterAMistakeNothingIsWritten)
{
	std::string text = write("a.policy", "policy a\nsyscals { allow read }\n");
	size_t before;

	write("saved", "as it was");
	before = files();
	auto outcome = run("policy compile -o " + folder_ + "/saved " + text);
	EXPECT_EQ(1, outcome.status);
	EXPECT_NE(std::string::npos, outcome.errors.find("a.policy:2:1: error:")) << outcome.errors;
	EXPECT_EQ("as it was", sallyport::read_file(folder_ + "/saved"));
	outcome = run("policy compile -o " + folder_ + "/no/such pure");
	EXPECT_EQ(125, outcome.status);
	EXPECT_NE(std::string::npos, outcome.errors.find("/no/such: No such file or directory"));
	EXPECT_EQ(before + 2, files()) << "out and err of run()";
	EXPECT_EQ(125, run("policy compile pure").status);
	EXPECT_EQ(125, run("policy compile -o").status);
}

TEST_F(CompileTest, DamageIsToldWithItsCure)
{
	std::string compiled = folder_ + "/a";

	ASSERT_EQ(0, run("policy compile -o " + compiled + " pure").status);
	std::string bytes = sallyport::read_file(compiled);
	bytes[bytes.size() / 2] ^= 1;
	write("a", bytes);
	auto outcome = run("run --policy " + compiled + " -- true");
	EXPECT_EQ(125, outcome.status);
	EXPECT_NE(
	    std::string::npos,
	    outcome.errors.find("this compiled policy is damaged; compile it anew from its text"))
	    << outcome.errors;
	EXPECT_EQ(1, run("policy check " + compiled).status);
}

} // namespace
