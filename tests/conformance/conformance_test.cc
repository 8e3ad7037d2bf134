// SPDX-License-Identifier: Apache-2.0
// A cooperative program, locked, does what it did before: each body of guest.c in a sandbox of its own.
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <fstream>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/descriptors.h"
#include "tests/support/paths.h"
#include "tests/support/sandbox.h"

namespace
{
class Conformance : public ::testing::TestWithParam<const char *>
{
      protected:
	void SetUp() override
	{
		const char *temporary = getenv("TMPDIR");
		std::string pattern =
		    std::string(temporary ? temporary : "/tmp") + "/conformance.XXXXXX";

		before = count_descriptors();
		ASSERT_NE(mkdtemp(&pattern[0]), nullptr);
		directory = pattern;
		chmod(directory.c_str(), 0755);
		for (int i = 0; i < 5; i++)
			std::ofstream(directory + "/" + std::to_string(i)) << i;
		mkdir((directory + "/sub").c_str(), 0755);
	}
	void TearDown() override
	{
		std::string command = "rm -rf '" + directory + "'";

		EXPECT_EQ(system(command.c_str()), 0);
		EXPECT_EQ(count_descriptors(), before);
	}
	std::string policy(const std::string &syscalls = "", const std::string &rest = "")
	{
		return "policy guest\ninclude parser\n" + syscalls +
		       "files {\n  read, write, create, delete " + directory +
		       "/**\n  read /usr/lib/**\n  read /lib/**\n read /usr/share/**\n"
		       "  read /etc/nsswitch.conf\n  read /etc/passwd\n  read /etc/hosts\n"
		       "  read /etc/host.conf\n  read /etc/resolv.conf\n  read /etc/gai.conf\n"
		       "  read /etc/ld.so.cache\n  read /etc/services\n  read /proc/self/**\n"
		       "  read /proc/thread-self\n  read " +
		       sp_test_binary_dir() + "/**\n}\n" + rest;
	}
	Heard run(const std::string &body, const std::string &policy_text,
		  enum sp_interception interception = SP_INTERCEPTION_COOPERATIVE)
	{
		SandboxRunner runner;

		runner.interception = interception;
		return runner.run(policy_text, {std::string(sp_test_binary_dir()) + "/bin/guest",
						body, directory});
	}
	void expect_success(const Heard &heard)
	{
		EXPECT_EQ(heard.cause, SP_EXIT_EXITED) << heard.exit;
		EXPECT_EQ(heard.status, 0) << heard.exit;
		EXPECT_EQ(heard.output, "");
		if (HasFailure())
			for (const std::string &report : heard.reports)
				printf("report: %s\n", report.c_str());
	}
	std::string directory;
	size_t before = 0;
};

TEST_P(Conformance, Body)
{
	Heard heard = run(GetParam(), policy());

	expect_success(heard);
	EXPECT_TRUE(heard.locked);
}

INSTANTIATE_TEST_SUITE_P(Guest, Conformance,
			 ::testing::Values("threads-open", "thread-churn", "many-threads",
					   "small-stack", "all-blocked", "timer", "longjmp",
					   "altstack", "temporary-masks", "own-sigsys", "sweep",
					   "listings", "close-on-exec", "wild-pointers",
					   "descriptor-metadata", "working-directory", "modes",
					   "self", "libraries", "twice"),
			 [](const ::testing::TestParamInfo<const char *> &info) {
				 std::string name = info.param;
				 for (char &c : name)
					 if (c == '-')
						 c = '_';
				 return name;
			 });

TEST_F(Conformance, WhoMayNotRingStaysOnTheFloor)
{
	Heard heard = run("without-a-doorbell",
			  policy("syscalls {\n  deny write\n  allow write(fd == 1)\n}\n"),
			  SP_INTERCEPTION_NOTIFY);

	expect_success(heard);
}

TEST_F(Conformance, ADeniedNameAndCallAreReportedWithTheirRule)
{
	Heard heard = run("denied", policy());

	expect_success(heard);
	ASSERT_GE(heard.reports.size(), 3u);
	EXPECT_NE(heard.reports[0].find("/etc/shadow"), std::string::npos) << heard.reports[0];
	bool socket = false;
	for (const std::string &report : heard.reports)
		socket |= report.find("socket") != std::string::npos;
	EXPECT_TRUE(socket);
}

TEST_F(Conformance, WhatHasNoNameCannotHarmThePorterOfAReadOnlyPolicy)
{
	expect_success(
	    run("nameless", "policy reads\ninclude parser\nfiles { read " + directory + "/** }\n"));
}

TEST_F(Conformance, SigsysByDefaultKillsAsItDoesNatively)
{
	Heard heard = run("default-sigsys", policy());

	EXPECT_EQ(heard.status, SIGSYS) << heard.exit << heard.output;
	EXPECT_NE(heard.cause, SP_EXIT_EXITED);
}

TEST_F(Conformance, AForkedChildGetsEioAndNeverItsParentsView)
{
	// Not the preset parser, which allows one process alone.
	expect_success(run(
	    "forked", "policy forks\nsyscalls {\n  allow @default, @basic-io, @signal, @process\n"
		      "  default deny as ENOSYS\n}\nfiles { read " +
			  directory + "/** }\n"));
}

TEST_F(Conformance, LockingWithThreadsAliveIsRefused)
{
	Heard heard = run("with-threads", policy());

	expect_success(heard);
	EXPECT_FALSE(heard.locked);
}

TEST_F(Conformance, LockingWithoutABrokerIsRefused)
{
	std::string command =
	    std::string(sp_test_binary_dir()) + "/bin/guest without-a-broker " + directory;

	EXPECT_EQ(system(command.c_str()), 0);
}
} // namespace
