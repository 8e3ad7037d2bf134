// SPDX-License-Identifier: Apache-2.0
/* Phases: a policy that only narrows while its sandbox runs. */
#include "fixture.h"

#include <algorithm>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

namespace
{

class PhaseTest : public AskTest
{
      protected:
	/* The phase "parse" takes `write`, and the call getuid; "done" takes reading too. */
	Policy phased()
	{
		std::string own = "read " + std::string(sp_test_binary_dir()) + "/**\n";
		std::string text = "policy viewer\ninclude program\nphase parse within narrow\n"
				   "phase done within last\n\nfiles { " +
				   own + "read, write, delete " + root + "/** }\n" +
				   "policy narrow\ninclude program\n" +
				   "syscalls { deny getuid as ENOTTY; deny unlink as EXDEV }\n" +
				   "\nfiles { " + own + "read, delete " + root + "/**\n" + "deny " +
				   root + "/secret as ENOTDIR }\n" +
				   "policy last\ninclude program\nfiles { " + own + " }\n";

		return parse("phase.policy", text);
	}
};

using EachWayPhase = EachWayOf<PhaseTest>;

INSTANTIATE_TEST_SUITE_P(All, EachWayPhase, kWays, way_name);

} // namespace

TEST_P(EachWayPhase, EnteredByTheSandboxeeNamesAreNarrowed)
{
	Policy rules = phased();
	Asked box;

	run_guest(box, GetParam(),
		  {"write:" + root + "/a", "read:" + root + "/secret", "phase:parse",
		   "write:" + root + "/b", "read:" + root + "/secret", "read:" + root + "/a",
		   "phase:parse", "phase:done", "read:" + root + "/granted", "phase:parse"},
		  rules.get());
	EXPECT_TRUE(box.has_said("write:" + root + "/a = 0")) << box.output_text();
	EXPECT_TRUE(box.has_said("write:" + root + "/b = -13"));
	EXPECT_EQ(box.count("/secret = secret"), 1u);
	EXPECT_EQ(box.count("/secret = -20"), 1u);
	EXPECT_TRUE(box.has_said("read:" + root + "/a = a"));
	EXPECT_TRUE(box.has_said("read:" + root + "/granted = -13"));
	EXPECT_EQ(box.count("phase:parse = 0"), 3u);
	EXPECT_TRUE(box.has_said("phase:done = 0"));
	/* The rule that took it away is named. */
	ASSERT_EQ(box.reports.size(), 3u);
	EXPECT_NE(box.reports[1].find("phase.policy:14:6"), std::string::npos) << box.reports[1];
}

TEST_P(EachWayPhase, WhatThePolicyDoesNotNameIsNoPhase)
{
	Policy rules = phased(), none = policy("read " + root + "/**");
	Asked box, other;

	run_guest(box, GetParam(),
		  {"phase:viewer", "phase:narrow", "phase:", "write:" + root + "/a"}, rules.get());
	EXPECT_EQ(box.count(" = -2"), 3u) << box.output_text();
	EXPECT_TRUE(box.has_said("write:" + root + "/a = 0"));
	run_guest(other, GetParam(), {"phase:parse", "read:" + root + "/a"}, none.get());
	EXPECT_TRUE(other.has_said("phase:parse = -2")) << other.output_text();
	EXPECT_TRUE(other.has_said("read:" + root + "/a = a"));
}

TEST_P(EachWayPhase, EnteredByTheBroker)
{
	Policy rules = phased();
	Asked box;

	start(
	    box, GetParam(),
	    {"write:" + root + "/a", "await:signal", "write:" + root + "/b", "read:" + root + "/b"},
	    rules.get());
	run_until([&] { return box.has_said("write:" + root + "/a = 0"); });
	EXPECT_EQ(sp_sandbox_phase(box.sandbox, "nonsense"), -ENOENT);
	EXPECT_EQ(sp_sandbox_phase(box.sandbox, "parse"), 0);
	EXPECT_EQ(sp_sandbox_phase(box.sandbox, "parse"), 0);
	/* On one socket after the other: the porter has narrowed before it signals. */
	EXPECT_EQ(sp_sandbox_signal(box.sandbox, SIGUSR1), 0);
	run_until([&] { return box.exits > 0; });
	EXPECT_EQ(sp_sandbox_phase(box.sandbox, "parse"), -ESRCH);
	finish(box);
	EXPECT_TRUE(box.has_said("write:" + root + "/b = -13")) << box.output_text();
	EXPECT_TRUE(box.has_said("read:" + root + "/b = b"));
}

/* A brokered call that the phase denies is denied by the porter. */
TEST_P(EachWayPhase, BrokeredCallsAreNarrowed)
{
	Policy rules = phased();
	Asked box;

	run_guest(box, GetParam(),
		  {"unlink:" + root + "/a", "phase:parse", "unlink:" + root + "/b",
		   "read:" + root + "/b"},
		  rules.get());
	EXPECT_TRUE(box.has_said("unlink:" + root + "/a = 0")) << box.output_text();
	EXPECT_TRUE(box.has_said("unlink:" + root + "/b = -18"));
	EXPECT_TRUE(box.has_said("read:" + root + "/b = b"));
}

/* What is asked about is asked only as long as the phase leaves it open, whatever was remembered. */
TEST_P(EachWayPhase, AnswersDoNotReachBeyondThePhase)
{
	std::string text =
	    "policy viewer\ninclude program\nphase parse within narrow\nfiles { read " +
	    std::string(sp_test_binary_dir()) + "/**\nask read " + root + "/** }\n" +
	    "policy narrow\ninclude program\nfiles { read " + std::string(sp_test_binary_dir()) +
	    "/**\nread " + root + "/b }\n";
	struct sp_policy *parsed = nullptr;
	Asked box;

	ASSERT_EQ(sp_policy_parse("p", text.data(), text.size(), nullptr, nullptr, &parsed), 0);
	box.on_question = always(box, SP_ANSWER_ALLOW, true);
	run_guest(
	    box, GetParam(),
	    {"read:" + root + "/a", "phase:parse", "read:" + root + "/a", "read:" + root + "/b"},
	    parsed);
	sp_policy_unref(parsed);
	EXPECT_EQ(box.count("/a = a"), 1u) << box.output_text();
	EXPECT_EQ(box.count("/a = -13"), 1u);
	EXPECT_EQ(box.count("/b = b"), 1u);
	ASSERT_EQ(box.questions.size(), 2u);
	EXPECT_EQ(box.questions[1].path, root + "/b");
}

/* Neither does one about a call. */
TEST_F(PhaseTest, AnswersAboutCallsDoNotReachBeyondThePhase)
{
	std::string text = "policy viewer\ninclude program\nphase parse within narrow\n"
			   "syscalls { ask socket(domain in {AF_UNIX, AF_INET}) }\nfiles { read " +
			   std::string(sp_test_binary_dir()) + "/** }\n" +
			   "policy narrow\ninclude program\n"
			   "syscalls { allow socket(domain == AF_INET); deny socket as ENOTTY }\n"
			   "files { read " +
			   std::string(sp_test_binary_dir()) + "/** }\n";
	struct sp_policy *parsed = nullptr;
	Asked box;

	ASSERT_EQ(sp_policy_parse("p", text.data(), text.size(), nullptr, nullptr, &parsed), 0);
	box.on_question = always(box, SP_ANSWER_ALLOW, true);
	run_guest(box, SP_INTERCEPTION_NOTIFY,
		  {"socket:1", "socket:2", "socket:1", "phase:parse", "socket:1", "socket:2"},
		  parsed);
	sp_policy_unref(parsed);
	EXPECT_EQ(box.count("socket:1 = 0"), 2u) << box.output_text();
	EXPECT_EQ(box.count("socket:2 = 0"), 2u) << box.output_text();
	EXPECT_EQ(box.questions.size(), 2u);
}

/* What the phase asks about is what its own conditions have seen, however little those before it looked at. */
TEST_F(PhaseTest, AnswersAboutCallsAreForWhatThePhaseAsksAbout)
{
	std::string own = "files { read " + std::string(sp_test_binary_dir()) + "/** }\n",
		    text = "policy viewer\ninclude program\nphase parse within narrow\n"
			   "syscalls { ask socket }\n" +
			   own +
			   "policy narrow\ninclude program\n"
			   "syscalls { ask socket(domain in {AF_UNIX, AF_INET}) }\n" +
			   own;
	struct sp_policy *parsed = nullptr;
	Asked box;

	ASSERT_EQ(sp_policy_parse("p", text.data(), text.size(), nullptr, nullptr, &parsed), 0);
	box.on_question = [&box](const Question &question) {
		EXPECT_EQ(sp_question_answer(box.sandbox, question.id,
					     question.arguments.at(0) == 1 ? SP_ANSWER_ALLOW
									   : SP_ANSWER_DENY,
					     true),
			  0);
	};
	run_guest(box, SP_INTERCEPTION_NOTIFY,
		  {"phase:parse", "socket:1", "socket:2", "socket:1", "socket:2"}, parsed);
	sp_policy_unref(parsed);
	EXPECT_EQ(box.count("socket:1 = 0"), 2u) << box.output_text();
	EXPECT_EQ(box.count("socket:2 = 0"), 0u) << box.output_text();
	EXPECT_EQ(box.questions.size(), 2u);
}

/* With a runtime the filter of the phase comes on top, for every thread. */
TEST_F(PhaseTest, CallsOfTheKernelsAreNarrowedUnderTrap)
{
	Policy rules = phased();

	locks = true;
	for (enum sp_interception below : {SP_INTERCEPTION_COOPERATIVE, SP_INTERCEPTION_NOTIFY}) {
		Asked box;

		run_guest(box, below,
			  {"getuid:", "threads:parse", "getuid:", "phase:done", "getuid:"},
			  rules.get());
		EXPECT_EQ(box.count("getuid: = 0"), 1u) << box.output_text();
		EXPECT_EQ(box.count("getuid: = -25"), 2u);
		EXPECT_TRUE(box.has_said("thread = -25"));
		EXPECT_EQ(box.count("phase:done = 0"), 1u);
		ASSERT_EQ(box.reports.size(), 3u);
		EXPECT_NE(box.reports[0].find("getuid"), std::string::npos) << box.reports[0];
		EXPECT_NE(box.reports[0].find("phase.policy:10:"), std::string::npos)
		    << box.reports[0];
	}
}

/* Who is in the middle of listing a directory when a phase takes that is refused, and lives. */
TEST_F(PhaseTest, ThreadsThatListDirectoriesAreNarrowedUnderTrap)
{
	Policy rules =
	    parse("phase.policy", "policy viewer\ninclude program\nphase parse within narrow\n"
				  "files { read " +
				      std::string(sp_test_binary_dir()) +
				      "/** }\npolicy narrow\ninclude program\n"
				      "syscalls { deny getdents64 as ENOTTY }\nfiles { read " +
				      std::string(sp_test_binary_dir()) + "/** }\n");

	locks = true;
	for (enum sp_interception below : {SP_INTERCEPTION_COOPERATIVE, SP_INTERCEPTION_NOTIFY}) {
		Asked box;

		run_guest(box, below, {"listers:parse", "getuid:"}, rules.get());
		EXPECT_TRUE(box.has_said("listers:parse = 0")) << box.output_text();
		EXPECT_EQ(box.count("lister = -25"), 8u) << box.output_text();
		EXPECT_TRUE(box.has_said("getuid: = 0"));
	}
}

/* What the phase would refuse is told from then on. */
TEST_F(PhaseTest, APermissiveLaunchEntersThemToo)
{
	Policy rules = phased();
	Asked box;

	start(box, SP_INTERCEPTION_NOTIFY,
	      {"write:" + root + "/a", "phase:parse", "write:" + root + "/b"}, rules.get(),
	      [](struct sp_launch &launch) { launch.permissive = true; });
	finish(box);
	EXPECT_EQ(box.count(" = 0"), 3u) << box.output_text();
	auto tells_of = [&](const std::string &name) {
		return std::any_of(box.reports.begin(), box.reports.end(),
				   [&](const std::string &report) {
					   return report.find(root + name) != std::string::npos;
				   });
	};
	EXPECT_FALSE(tells_of("/a")) << ::testing::PrintToString(box.reports);
	EXPECT_TRUE(tells_of("/b")) << ::testing::PrintToString(box.reports);
	EXPECT_EQ(std::count_if(box.reports.begin(), box.reports.end(),
				[](const std::string &report) {
					return report.find("seccomp") != std::string::npos;
				}),
		  0);
}

/* Filters may be added to the lock, and nothing else be done to it. */
TEST_F(PhaseTest, SeccompIsForNarrowingAlone)
{
	Policy rules = phased(), none = policy("read " + root + "/**");
	Asked box, other;

	run_guest(
	    box, SP_INTERCEPTION_COOPERATIVE,
	    {"filter:1:1", "filter:1:0", "filter:1:8", "filter:1:9", "filter:0:0", "filter:2:0"},
	    rules.get());
	EXPECT_TRUE(box.has_said("filter:1:1 = 0")) << box.output_text();
	EXPECT_EQ(box.count(" = -38"), 5u) << box.output_text();
	run_guest(other, SP_INTERCEPTION_COOPERATIVE, {"filter:1:1", "filter:1:0"}, none.get());
	EXPECT_EQ(other.count(" = -38"), 2u) << other.output_text();
}
