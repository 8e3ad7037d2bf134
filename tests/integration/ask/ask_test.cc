// SPDX-License-Identifier: Apache-2.0
/* What the policy leaves to the application: questions, answers, and what may happen in between. */
#include "fixture.h"

#include <algorithm>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

namespace
{

using EachWay = EachWayOf<AskTest>;

INSTANTIATE_TEST_SUITE_P(All, EachWay, kWays, way_name);

} // namespace

TEST_P(EachWay, AnAllowedNameOpens)
{
	Policy rules = reading();
	Asked box;

	box.on_question = always(box, SP_ANSWER_ALLOW);
	run_guest(
	    box, GetParam(),
	    {"read:" + root + "/./a", "read:" + root + "/granted", "read:" + root + "/secret"},
	    rules.get());
	EXPECT_TRUE(box.has_said("read:" + root + "/./a = a")) << box.output_text();
	EXPECT_TRUE(box.has_said("read:" + root + "/granted = granted"));
	EXPECT_TRUE(box.has_said("read:" + root + "/secret = -13"));
	ASSERT_EQ(box.questions.size(), 1u);
	EXPECT_EQ(box.questions[0].id, 1u);
	EXPECT_EQ(box.questions[0].call, "openat");
	EXPECT_EQ(box.questions[0].rights, "read");
	EXPECT_EQ(box.questions[0].path, root + "/a");
	EXPECT_EQ(box.questions[0].rule, "ask.policy:6:10");
	EXPECT_EQ(box.questions[0].pid, box.pid);
	EXPECT_TRUE(box.questions[0].arguments.empty());
	EXPECT_TRUE(box.withdrawn.empty());
	EXPECT_EQ(box.reports.size(), 1u); /* the secret */
}

TEST_P(EachWay, ADeniedNameDoesNot)
{
	Policy rules = reading();
	Asked box;

	box.on_question = always(box, SP_ANSWER_DENY);
	run_guest(box, GetParam(), {"read:" + root + "/a", "read:" + root + "/granted"},
		  rules.get());
	EXPECT_TRUE(box.has_said("read:" + root + "/a = -13")) << box.output_text();
	EXPECT_TRUE(box.has_said("read:" + root + "/granted = granted"));
	ASSERT_EQ(box.reports.size(), 1u);
	EXPECT_NE(box.reports[0].find("the application did not allow it"), std::string::npos)
	    << box.reports[0];
	EXPECT_NE(box.reports[0].find("ask.policy:6:10"), std::string::npos) << box.reports[0];
}

/* Only what is missing is asked for, and a right that nobody may grant is not. */
TEST_P(EachWay, OnlyRightsThatTheRulesLeaveOpen)
{
	Policy rules = policy("read " + root + "/**\nask write " + root + "/a");
	Asked box;

	box.on_question = always(box, SP_ANSWER_ALLOW);
	run_guest(box, GetParam(),
		  {"both:" + root + "/a", "both:" + root + "/b", "unlink:" + root + "/a",
		   "stat:" + root + "/a", "access:" + root + "/a"},
		  rules.get());
	EXPECT_TRUE(box.has_said("both:" + root + "/a = 0")) << box.output_text();
	EXPECT_TRUE(box.has_said("both:" + root + "/b = -13"));
	EXPECT_TRUE(box.has_said("unlink:" + root + "/a = -13"));
	ASSERT_EQ(box.questions.size(), 1u);
	EXPECT_EQ(box.questions[0].rights, "write");
}

/* To look at a name asks nobody. */
TEST_P(EachWay, LookingAsksNobody)
{
	Policy rules = reading();
	Asked box;

	run_guest(box, GetParam(),
		  {"stat:" + root + "/a", "access:" + root + "/a", "stat:" + root + "/missing",
		   "stat:" + root + "/secret"},
		  rules.get());
	EXPECT_TRUE(box.has_said("stat:" + root + "/a = 0")) << box.output_text();
	EXPECT_TRUE(box.has_said("access:" + root + "/a = 0"));
	EXPECT_TRUE(box.has_said("stat:" + root + "/missing = -2"));
	EXPECT_TRUE(box.has_said("stat:" + root + "/secret = -13"));
	EXPECT_TRUE(box.questions.empty());
}

TEST_P(EachWay, OthersAreServedWhileOneWaits)
{
	Policy rules = reading();
	Asked box;

	start(box, GetParam(), {"beside:" + root + "/a:" + root + "/granted"}, rules.get());
	run_until([&] { return box.questions.size() == 1 && box.has_said("beside = 0"); });
	EXPECT_FALSE(box.has_said(root + "/a = a"));
	EXPECT_EQ(sp_question_answer(box.sandbox, 1, SP_ANSWER_ALLOW, false), 0);
	finish(box);
	EXPECT_TRUE(box.has_said(root + "/a = a")) << box.output_text();
}

TEST_P(EachWay, WithoutAnAnswerInTimeItIsNo)
{
	Policy rules = reading();
	Asked box;

	box.ask_ms = 20;
	start(box, GetParam(), {"read:" + root + "/a"}, rules.get());
	run_until([&] { return !box.withdrawn.empty(); });
	EXPECT_EQ(box.withdrawn, std::vector<uint64_t>{1});
	EXPECT_EQ(sp_question_answer(box.sandbox, 1, SP_ANSWER_ALLOW, true), -ENOENT);
	finish(box);
	EXPECT_TRUE(box.has_said("read:" + root + "/a = -13")) << box.output_text();
	EXPECT_EQ(box.questions.size(), 1u);
	EXPECT_EQ(box.withdrawn.size(), 1u);
}

TEST_P(EachWay, AnAnswerIsRememberedWhereThatIsWanted)
{
	for (bool remember : {false, true})
		for (enum sp_answer_kind answer : {SP_ANSWER_ALLOW, SP_ANSWER_DENY}) {
			Policy rules = policy("ask read, write " + root + "/**");
			std::string outcome = answer == SP_ANSWER_ALLOW ? " = a" : " = -13";
			Asked box;

			box.on_question = always(box, answer, remember);
			run_guest(box, GetParam(),
				  {"read:" + root + "/a", "read:" + root + "/a",
				   "write:" + root + "/a", "read:" + root + "/b"},
				  rules.get());
			EXPECT_EQ(box.count("read:" + root + "/a" + outcome), 2u)
			    << box.output_text();
			/* Of that name and those rights alone. */
			EXPECT_EQ(box.questions.size(), remember ? 3u : 4u);
			EXPECT_EQ(box.questions.back().path, root + "/b");
		}
}

TEST_P(EachWay, ThreadsThatAskTheSameShareAQuestion)
{
	Policy rules = reading();
	Asked box;

	box.on_question = always(box, SP_ANSWER_ALLOW, true);
	run_guest(box, GetParam(), {"same:12:" + root + "/a"}, rules.get());
	EXPECT_EQ(box.count("/a = a"), 12u) << box.output_text();
	EXPECT_EQ(box.questions.size(), 1u);
}

TEST_P(EachWay, AFloodOfQuestionsIsBounded)
{
	Policy rules = reading();
	Asked box;

	for (int i = 0; i < 20; i++)
		std::ofstream(root + "/f" + std::to_string(i)) << "x";
	start(box, GetParam(), {"crowd:20:" + root + "/f", "read:" + root + "/a"}, rules.get());
	run_until([&] { return box.questions.size() == 16 && box.count(" = -13") == 4; });
	EXPECT_EQ(box.count(" = x"), 0u);
	for (const Question &question : std::vector<Question>(box.questions))
		EXPECT_EQ(sp_question_answer(box.sandbox, question.id, SP_ANSWER_ALLOW, false), 0);
	/* There is room again. */
	box.on_question = always(box, SP_ANSWER_ALLOW);
	finish(box);
	EXPECT_EQ(box.count(" = x"), 16u) << box.output_text();
	EXPECT_TRUE(box.has_said("read:" + root + "/a = a"));
	EXPECT_EQ(box.questions.size(), 17u);
	EXPECT_EQ(box.reports.size(), 4u);
}

/* A call with two names puts two questions, and nothing is done before the last is answered. */
TEST_P(EachWay, EachNameOfACallIsAskedAbout)
{
	for (enum sp_answer_kind second : {SP_ANSWER_ALLOW, SP_ANSWER_DENY}) {
		Policy rules = policy("ask read, delete, create " + root + "/**");
		std::string to = root + "/to" + std::to_string(second);
		Asked box;

		box.on_question = [&](const Question &question) {
			bool first = box.questions.size() == 1;

			EXPECT_EQ(question.rights, first ? "delete" : "create");
			EXPECT_EQ(question.path, first ? root + "/a" : to);
			EXPECT_EQ(access(to.c_str(), F_OK), -1);
			EXPECT_EQ(sp_question_answer(box.sandbox, question.id,
						     first ? SP_ANSWER_ALLOW : second, false),
				  0);
		};
		run_guest(box, GetParam(), {"rename:" + root + "/a:" + to}, rules.get());
		EXPECT_EQ(box.questions.size(), 2u);
		/* The right to create it is one that the old name had not got: see below. */
		EXPECT_TRUE(
		    box.has_said(second == SP_ANSWER_ALLOW ? "rename = -18" : "rename = -13"))
		    << box.output_text();
	}
}

/* What was refused by one name is not to be had by another. */
TEST_P(EachWay, MovingDoesNotGetAroundARefusal)
{
	Policy rules = policy("ask read " + root + "/**\ncreate, delete " + root + "/**");
	Asked box;

	box.on_question = [&](const Question &question) {
		EXPECT_EQ(sp_question_answer(box.sandbox, question.id,
					     question.path == root + "/a" ? SP_ANSWER_DENY
									  : SP_ANSWER_ALLOW,
					     true),
			  0);
	};
	run_guest(box, GetParam(),
		  {"read:" + root + "/a", "read:" + root + "/b",
		   "rename:" + root + "/a:" + root + "/b", "rename:" + root + "/a:" + root + "/c",
		   "read:" + root + "/b"},
		  rules.get());
	EXPECT_EQ(box.count("rename = -18"), 2u) << box.output_text();
	EXPECT_EQ(box.count("/b = b"), 2u);
	EXPECT_EQ(box.questions.size(), 2u);
}

/* An answer is about a name: what it has come to name meanwhile is looked at anew. */
TEST_P(EachWay, WhatANameHasComeToMeanIsDecidedAnew)
{
	Policy rules = reading();
	Asked box;

	box.on_question = [&](const Question &question) {
		if (question.path == root + "/a") {
			EXPECT_EQ(unlink((root + "/a").c_str()), 0);
			EXPECT_EQ(symlink("secret", (root + "/a").c_str()), 0);
		}
		if (question.path == root + "/b") {
			EXPECT_EQ(unlink((root + "/b").c_str()), 0);
			EXPECT_EQ(symlink("c", (root + "/b").c_str()), 0);
			std::ofstream(root + "/c") << "c";
		}
		EXPECT_EQ(sp_question_answer(box.sandbox, question.id,
					     question.path == root + "/c" ? SP_ANSWER_DENY
									  : SP_ANSWER_ALLOW,
					     true),
			  0);
	};
	run_guest(box, GetParam(), {"read:" + root + "/a", "read:" + root + "/b"}, rules.get());
	EXPECT_TRUE(box.has_said("read:" + root + "/a = -13")) << box.output_text();
	EXPECT_TRUE(box.has_said("read:" + root + "/b = -13"));
	ASSERT_EQ(box.questions.size(), 3u);
	EXPECT_EQ(box.questions[2].path, root + "/c");
}

/* Somebody who moves the object on and on is not asked about for ever. */
TEST_P(EachWay, ACallPutsFourQuestionsAtMost)
{
	Policy rules = reading();
	Asked box;

	box.on_question = [&](const Question &question) {
		std::string next = root + "/n" + std::to_string(question.id);

		std::ofstream(next) << "n";
		EXPECT_EQ(unlink(question.path.c_str()), 0);
		EXPECT_EQ(symlink(next.c_str(), question.path.c_str()), 0);
		EXPECT_EQ(sp_question_answer(box.sandbox, question.id, SP_ANSWER_ALLOW, false), 0);
	};
	run_guest(box, GetParam(), {"read:" + root + "/a"}, rules.get());
	EXPECT_EQ(box.questions.size(), 4u);
	EXPECT_TRUE(box.has_said("read:" + root + "/a = -13")) << box.output_text();
}

TEST_P(EachWay, ABrokeredCallIsAskedAboutAsAWhole)
{
	for (enum sp_answer_kind answer : {SP_ANSWER_ALLOW, SP_ANSWER_DENY}) {
		Policy rules = policy("read, create " + root + "/**", "syscalls { ask mkdir }");
		std::string name = root + "/d" + std::to_string(answer);
		Asked box;

		box.on_question = always(box, answer, true);
		run_guest(box, GetParam(), {"mkdir:" + name, "mkdir:" + name, "mkdir:/etc/x"},
			  rules.get());
		EXPECT_EQ(box.has_said("mkdir:" + name + " = 0"), answer == SP_ANSWER_ALLOW)
		    << box.output_text();
		EXPECT_TRUE(box.has_said("mkdir:" + name +
					 (answer == SP_ANSWER_ALLOW ? " = -17" : " = -1")));
		/* Names are decided on all the same. */
		EXPECT_TRUE(box.has_said(answer == SP_ANSWER_ALLOW ? "mkdir:/etc/x = -13"
								   : "mkdir:/etc/x = -1"));
		ASSERT_EQ(box.questions.size(), 1u);
		EXPECT_EQ(box.questions[0].call, "mkdir");
		EXPECT_EQ(box.questions[0].path, "");
	}
}

/* As in a call of the kernel's own that waits. */
TEST_P(EachWay, ASignalEndsTheWait)
{
	Policy rules = reading();
	Asked interrupted, restarted;

	start(interrupted, GetParam(), {"interrupted:" + root + "/a"}, rules.get());
	run_until([&] { return interrupted.questions.size() == 1; });
	EXPECT_EQ(sp_sandbox_signal(interrupted.sandbox, SIGUSR2), 0);
	finish(interrupted);
	EXPECT_EQ(interrupted.output_text(), "handled\ninterrupted:" + root + "/a = -4\n");
	EXPECT_EQ(interrupted.withdrawn.size(), 1u);

	start(restarted, GetParam(), {"restarted:" + root + "/a"}, rules.get());
	run_until([&] { return restarted.questions.size() == 1; });
	EXPECT_EQ(sp_sandbox_signal(restarted.sandbox, SIGUSR2), 0);
	run_until([&] { return restarted.output_text() == "handled\n"; });
	/* The question that was left may be open still, for the call that is made again. */
	restarted.on_question = always(restarted, SP_ANSWER_ALLOW);
	(void)sp_question_answer(restarted.sandbox, 1, SP_ANSWER_ALLOW, true);
	finish(restarted);
	EXPECT_EQ(restarted.output_text(), "handled\nrestarted:" + root + "/a = a\n");
}

TEST_P(EachWay, TheEndOfTheSandboxWithdrawsItsQuestions)
{
	Policy rules = reading();
	Asked box;

	start(box, GetParam(), {"read:" + root + "/a"}, rules.get());
	run_until([&] { return box.questions.size() == 1; });
	EXPECT_EQ(sp_sandbox_kill(box.sandbox), 0);
	run_until([&] { return box.exits > 0; });
	EXPECT_EQ(box.cause, SP_EXIT_KILLED);
	EXPECT_EQ(box.withdrawn, std::vector<uint64_t>{1});
	EXPECT_EQ(box.late, 0);
	EXPECT_EQ(sp_question_answer(box.sandbox, 1, SP_ANSWER_ALLOW, false), -ESRCH);
	sp_sandbox_free(box.sandbox);
}

TEST_P(EachWay, ASandboxMayBeFreedByItsQuestion)
{
	Policy rules = reading();
	Asked box;
	bool asked = false;

	box.on_question = [&](const Question &) {
		box.sandbox = sp_sandbox_free(box.sandbox);
		asked = true;
	};
	start(box, GetParam(), {"same:4:" + root + "/a"}, rules.get());
	run_until([&] { return asked; });
	EXPECT_EQ(box.exits, 0);
}

TEST_P(EachWay, WithoutSomebodyToAskItIsNotLaunched)
{
	for (const char *asking : {"files { ask read /etc/hostname }", "syscalls { ask socket }",
				   "syscalls { ask mkdir }"}) {
		Policy rules(make_policy(asking), sp_policy_unref);
		Box box;

		box.change = [](struct sp_launch &launch) { launch.interception = GetParam(); };
		run(box, {"exit", "0"}, rules.get());
		EXPECT_EQ(SP_EXIT_FAILED, box.cause) << asking;
		EXPECT_EQ(EOPNOTSUPP, box.status);
		EXPECT_EQ("ask", box.layer);
		EXPECT_NE(std::string::npos, box.cure.find("answers no questions")) << box.cure;
	}
}

TEST_F(AskTest, ACallOfTheKernelsIsAskedAboutUnderNotify)
{
	for (enum sp_answer_kind answer : {SP_ANSWER_ALLOW, SP_ANSWER_DENY}) {
		Policy rules = policy(
		    "", "syscalls { ask socket(domain == AF_UNIX); deny socket as EAFNOSUPPORT }");
		Asked box;

		box.on_question = always(box, answer);
		run_guest(box, SP_INTERCEPTION_NOTIFY, {"socket:1", "socket:2", "socket:1"},
			  rules.get());
		EXPECT_EQ(box.count("socket:1 = 0"), answer == SP_ANSWER_ALLOW ? 2u : 0u)
		    << box.output_text();
		/* No condition of the rule holds: nobody is asked. */
		EXPECT_TRUE(box.has_said("socket:2 = -97"));
		ASSERT_EQ(box.questions.size(), 2u);
		EXPECT_EQ(box.questions[0].call, "socket");
		EXPECT_EQ(box.questions[0].path, "");
		ASSERT_EQ(box.questions[0].arguments.size(), 6u);
		EXPECT_EQ(box.questions[0].arguments[0], uint64_t(AF_UNIX));
		EXPECT_EQ(box.questions[0].arguments[1] & 0xf, uint64_t(SOCK_STREAM));
	}
}

/* What would be asked is told as what would be refused is, and is done. */
TEST_F(AskTest, APermissiveLaunchAsksNobody)
{
	Policy rules =
	    policy("ask read " + root + "/a", "syscalls { ask socket; ask mkdir, mkdirat }");

	for (bool listens : {true, false}) {
		Asked box;

		start(box, SP_INTERCEPTION_NOTIFY,
		      {"read:" + root + "/a", "socket:1",
		       "mkdir:" + root + (listens ? "/heard" : "/unheard")},
		      rules.get(), [listens](struct sp_launch &launch) {
			      launch.permissive = true;
			      if (!listens)
				      launch.on_ask = nullptr;
		      });
		finish(box);
		EXPECT_TRUE(box.questions.empty());
		EXPECT_EQ(box.count(" = a") + box.count(" = 0"), 3u) << box.output_text();
		for (const std::string &told :
		     {root + "/a", std::string("socket"), std::string("mkdir")})
			EXPECT_TRUE(std::any_of(box.reports.begin(), box.reports.end(),
						[&](const std::string &report) {
							return report.find(told) !=
							       std::string::npos;
						}))
			    << told << ::testing::PrintToString(box.reports);
	}
}

TEST_F(AskTest, AnAnswerAboutACallIsRemembered)
{
	Policy rules = policy("", "syscalls { ask socket }");
	Asked box;

	box.on_question = always(box, SP_ANSWER_ALLOW, true);
	run_guest(box, SP_INTERCEPTION_NOTIFY, {"socket:1", "socket:1", "socket:1"}, rules.get());
	EXPECT_EQ(box.count("socket:1 = 0"), 3u) << box.output_text();
	EXPECT_EQ(box.questions.size(), 1u);
}

/* What was allowed of one value that a condition looks at is not allowed of another. */
TEST_F(AskTest, ARememberedAnswerIsAboutWhatTheConditionsLookAt)
{
	Policy rules = policy("", "syscalls { ask socket(domain in {AF_UNIX, AF_INET}) }");
	Asked box;

	box.on_question = [&box](const Question &question) {
		bool local = question.arguments.size() == 6 && question.arguments[0] == AF_UNIX;

		EXPECT_EQ(sp_question_answer(box.sandbox, question.id,
					     local ? SP_ANSWER_ALLOW : SP_ANSWER_DENY, true),
			  0);
	};
	run_guest(box, SP_INTERCEPTION_NOTIFY,
		  {"socket:1", "socket:2", "socket:1", "socket:2", "socket:16"}, rules.get());
	EXPECT_EQ(box.count("socket:1 = 0"), 2u) << box.output_text();
	EXPECT_EQ(box.count("socket:2 = 0"), 0u);
	EXPECT_EQ(box.count("socket:16 = 0"), 0u);
	ASSERT_EQ(box.questions.size(), 2u);
	ASSERT_EQ(box.questions[1].arguments.size(), 6u);
	EXPECT_EQ(box.questions[1].arguments[0], uint64_t(AF_INET));
}

/* The runtime could not make the call itself: its own filter traps it. */
TEST_F(AskTest, ACallOfTheKernelsCannotBeAskedAboutUnderTrap)
{
	Policy rules = policy("", "syscalls { ask socket }");
	Asked box;

	start(box, SP_INTERCEPTION_COOPERATIVE, {"socket:1"}, rules.get());
	run_until([&] { return box.exits > 0; });
	EXPECT_EQ(box.cause, SP_EXIT_FAILED);
	EXPECT_EQ(box.layer, "ask");
	EXPECT_NE(box.cure.find("SP_INTERCEPTION_NOTIFY"), std::string::npos) << box.cure;
	sp_sandbox_free(box.sandbox);
}

TEST_F(AskTest, AQuestionWhoseCallerWasKilledIsWithdrawn)
{
	Policy rules = reading();
	Asked box;

	start(box, SP_INTERCEPTION_NOTIFY, {"child:" + root + "/a", "await:signal"}, rules.get());
	run_until([&] { return box.questions.size() == 1; });
	EXPECT_NE(box.questions[0].pid, box.pid);
	EXPECT_EQ(sp_sandbox_signal(box.sandbox, SIGUSR1), 0);
	run_until([&] { return !box.withdrawn.empty(); });
	EXPECT_EQ(sp_question_answer(box.sandbox, 1, SP_ANSWER_ALLOW, false), -ENOENT);
	EXPECT_EQ(sp_sandbox_signal(box.sandbox, SIGUSR1), 0);
	finish(box);
	EXPECT_TRUE(box.has_said("killed = 0")) << box.output_text();
}

/* A slot is taken until it is answered, however long that takes. */
TEST_F(AskTest, ASlotThatWaitsTakesNoOtherRequest)
{
	Policy rules = reading();
	Asked box;

	start(box, SP_INTERCEPTION_COOPERATIVE, {"repost:" + root + "/a:" + root + "/granted"},
	      rules.get());
	run_until([&] { return box.exits > 0; });
	EXPECT_EQ(box.cause, SP_EXIT_VIOLATION);
	ASSERT_EQ(box.reports.size(), 1u);
	EXPECT_NE(box.reports[0].find("a slot that is not in order"), std::string::npos)
	    << box.reports[0];
	EXPECT_EQ(box.withdrawn.size(), box.questions.size());
	sp_sandbox_free(box.sandbox);
}

/* What was allowed is looked at once more when it has become a process. */
TEST_F(AskTest, ExecutingIsAskedAbout)
{
	for (enum sp_answer_kind answer : {SP_ANSWER_ALLOW, SP_ANSWER_DENY}) {
		Policy rules = policy("ask execute /usr/bin/true", "syscalls { broker execve }");
		Asked box;

		box.on_question = always(box, answer);
		run_guest(box, SP_INTERCEPTION_NOTIFY,
			  {"execute:/usr/bin/true", "execute:/usr/bin/false"}, rules.get());
		EXPECT_TRUE(box.has_said(answer == SP_ANSWER_ALLOW ? "execute:/usr/bin/true = 0"
								   : "execute:/usr/bin/true = 13"))
		    << box.output_text();
		EXPECT_TRUE(box.has_said("execute:/usr/bin/false = 13"));
		EXPECT_EQ(box.questions.size(), 1u);
	}
}
