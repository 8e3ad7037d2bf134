// SPDX-License-Identifier: Apache-2.0
/* Launching, killing and freeing in every order, and what comes out of the pipes. */
#include "harness.h"

#include <fcntl.h>
#include <unistd.h>

TEST_F(BrokerTest, WrongLaunchesAreRefused)
{
	const char *const argv[] = {"/bin/true", nullptr};
	const char *const relative[] = {"true", nullptr};
	const char *const bad_environment[] = {"NAME", nullptr};
	const char *const nothing[] = {nullptr};
	struct sp_pass outside = {0, 1020}, closed = {999, 3}, twice[] = {{0, 3}, {0, 3}};
	struct sp_sandbox *sandbox = nullptr;
	struct sp_launch good = {};

	good.policy = walls;
	good.argv = argv;
	auto refused = [&](auto change) {
		struct sp_launch launch = good;

		change(launch);
		EXPECT_EQ(sp_sandbox_launch(broker, &launch, &sandbox), -EINVAL);
		EXPECT_EQ(sandbox, nullptr);
	};
	refused([](sp_launch &launch) { launch.policy = nullptr; });
	refused([](sp_launch &launch) { launch.argv = nullptr; });
	refused([&](sp_launch &launch) { launch.argv = nothing; });
	refused([&](sp_launch &launch) { launch.argv = relative; });
	refused([](sp_launch &launch) { launch.directory = "relative"; });
	refused([&](sp_launch &launch) { launch.environment = bad_environment; });
	refused([](sp_launch &launch) { launch.spin_us = -2; });
	refused([](sp_launch &launch) { launch.pass_count = 1; });
	refused([&](sp_launch &launch) { launch.pass = &outside, launch.pass_count = 1; });
	refused([&](sp_launch &launch) { launch.pass = &closed, launch.pass_count = 1; });
	refused([&](sp_launch &launch) { launch.pass = twice, launch.pass_count = 2; });
	EXPECT_EQ(sp_sandbox_launch(broker, nullptr, &sandbox), -EINVAL);
	Box box;
	run(box, {"true"});
	EXPECT_EQ(box.cause, SP_EXIT_EXITED);
}

TEST_F(BrokerTest, HugeArgumentsAreRefusedLargeOnesArrive)
{
	Box huge, large;

	EXPECT_EQ(launch(huge, {"arguments", std::string(5 << 20, 'x')}), -E2BIG);
	std::string word(100000, 'y');
	run(large, {"arguments", word});
	EXPECT_EQ(large.output[1], "[" + word + "]\n");
}

TEST_F(BrokerTest, MissingSpawnerIsTold)
{
	struct sp_broker *other = nullptr;
	struct sp_broker_options options = {"/nonexistent/sallyport-spawner"};

	EXPECT_EQ(sp_broker_new(base, &options, &other), -ENOENT);
	options.spawner = "relative";
	EXPECT_EQ(sp_broker_new(base, &options, &other), -EINVAL);
	EXPECT_EQ(sp_broker_new(nullptr, nullptr, &other), -EINVAL);
	EXPECT_EQ(other, nullptr);
	EXPECT_EQ(sp_broker_free(nullptr), nullptr);
	EXPECT_EQ(sp_sandbox_free(nullptr), nullptr);
}

TEST_F(BrokerTest, OutputArrivesWhole)
{
	Box box;

	run(box, {"flood"});
	EXPECT_EQ(box.cause, SP_EXIT_EXITED);
	EXPECT_EQ(box.status, 0);
	EXPECT_EQ(box.output[2], "small\n");
	ASSERT_EQ(box.output[1].size(), 1u << 20);
	for (size_t i = 0; i < box.output[1].size(); i++)
		ASSERT_EQ(box.output[1][i], static_cast<char>(i * 7 + i / 251)) << i;
}

/* Processes that the program leaves behind end with it, and the pipes that they hold. */
TEST_F(BrokerTest, OrphansEndWithTheProgram)
{
	Box box;

	run(box, {"orphan"});
	EXPECT_EQ(box.cause, SP_EXIT_EXITED);
	EXPECT_EQ(box.status, 3);
}

/* Children that it makes for its porter do not keep the sandbox from ending. */
TEST_F(BrokerTest, SiblingsEndWithTheProgram)
{
	Box box;

	run(box, {"sibling"});
	EXPECT_EQ(box.cause, SP_EXIT_EXITED);
	EXPECT_EQ(box.status, 3);
}

TEST_F(BrokerTest, TwoAtOnce)
{
	Box first, second;

	ASSERT_EQ(launch(first, {"hang"}), 0);
	ASSERT_EQ(launch(second, {"exit", "7"}), 0);
	run_until([&] { return second.exits && first.output[1] == "ready\n"; });
	EXPECT_EQ(second.status, 7);
	EXPECT_EQ(first.exits, 0);
	EXPECT_EQ(sp_sandbox_kill(first.sandbox), 0);
	run_until([&] { return first.exits > 0; });
	EXPECT_EQ(first.cause, SP_EXIT_KILLED);
	sp_sandbox_free(second.sandbox);
	sp_sandbox_free(first.sandbox);
}

TEST_F(BrokerTest, ManyAtOnce)
{
	std::vector<Box> boxes(100);

	for (size_t i = 0; i < boxes.size(); i++)
		ASSERT_EQ(launch(boxes[i], {"exit", std::to_string(i)}), 0);
	run_until([&] {
		for (Box &box : boxes)
			if (!box.exits)
				return false;
		return true;
	});
	for (size_t i = 0; i < boxes.size(); i++) {
		EXPECT_EQ(boxes[i].cause, SP_EXIT_EXITED) << boxes[i].sentence;
		EXPECT_EQ(boxes[i].status, static_cast<int>(i));
		sp_sandbox_free(boxes[i].sandbox);
	}
}

TEST_F(BrokerTest, KillEndsTheWholeFamily)
{
	Box box;

	ASSERT_EQ(launch(box, {"family"}), 0);
	run_until([&] { return box.output[1] == "ready\n"; });
	EXPECT_GE(descendants(getpid()).size(),
		  6u); /* spawner, porter, init, three of the program */
	EXPECT_EQ(sp_sandbox_kill(box.sandbox), 0);
	EXPECT_EQ(sp_sandbox_kill(box.sandbox), 0);
	run_until([&] { return box.exits > 0; });
	EXPECT_EQ(box.cause, SP_EXIT_KILLED);
	EXPECT_LE(descendants(getpid()).size(), 2u); /* the spawner, and a porter not yet reaped */
	sp_sandbox_free(box.sandbox);
}

/* The wish is remembered until there is somebody to kill. */
TEST_F(BrokerTest, KillAtOnce)
{
	Box box;

	ASSERT_EQ(launch(box, {"hang"}), 0);
	EXPECT_EQ(sp_sandbox_kill(box.sandbox), 0);
	run_until([&] { return box.exits > 0; });
	EXPECT_EQ(box.cause, SP_EXIT_KILLED);
	sp_sandbox_free(box.sandbox);
}

TEST_F(BrokerTest, FreeAtOnce)
{
	for (int i = 0; i < 20; i++) {
		Box box;

		ASSERT_EQ(launch(box, {"hang"}), 0);
		sp_sandbox_free(box.sandbox);
		event_base_loop(base, EVLOOP_NONBLOCK);
		EXPECT_EQ(box.exits, 0);
	}
}

TEST_F(BrokerTest, FreeTheBrokerFirst)
{
	Box first, second;

	ASSERT_EQ(launch(first, {"hang"}), 0);
	run_until([&] { return first.output[1] == "ready\n"; });
	ASSERT_EQ(launch(second, {"hang"}), 0);
	free_broker(); /* frees both */
	EXPECT_EQ(descendants(getpid()).size(), 0u);
	event_base_loop(base, EVLOOP_NONBLOCK);
	EXPECT_EQ(first.exits + second.exits, 0);
}

TEST_F(BrokerTest, FreeBeforeAnyLaunch)
{
	free_broker();
	EXPECT_EQ(descendants(getpid()).size(), 0u);
}

TEST_F(BrokerTest, FreeFromItsCallbacks)
{
	auto free_it = [](Box &box) { box.sandbox = sp_sandbox_free(box.sandbox); };
	Box in_started, in_output, in_exit;

	in_started.on_started = free_it;
	in_output.on_output = free_it;
	in_exit.on_exit = free_it;
	ASSERT_EQ(launch(in_started, {"hang"}), 0);
	ASSERT_EQ(launch(in_output, {"hang"}), 0);
	ASSERT_EQ(launch(in_exit, {"exit", "1"}), 0);
	run_until([&] { return !in_started.sandbox && !in_output.sandbox && !in_exit.sandbox; });
	EXPECT_EQ(in_started.exits, 0);
	EXPECT_EQ(in_output.exits, 0);
	EXPECT_EQ(in_exit.exits, 1);
}

TEST_F(BrokerTest, FreeTheBrokerFromCallbacks)
{
	for (int which = 0; which < 3; which++) {
		Box box, other;
		bool done = false;
		auto free_all = [&](Box &) {
			free_broker();
			done = true;
		};

		if (!broker) {
			ASSERT_EQ(sp_broker_new(base, nullptr, &broker), 0);
		}
		(which == 0 ? box.on_started : which == 1 ? box.on_output : box.on_exit) = free_all;
		ASSERT_EQ(launch(other, {"hang"}), 0);
		ASSERT_EQ(launch(box, {"flood"}), 0);
		run_until([&] { return done; });
		EXPECT_EQ(other.exits, 0);
	}
}

TEST_F(BrokerTest, LaunchFromACallback)
{
	Box first, second;

	first.on_exit = [&](Box &) { ASSERT_EQ(launch(second, {"exit", "9"}), 0); };
	ASSERT_EQ(launch(first, {"true"}), 0);
	run_until([&] { return second.exits > 0; });
	EXPECT_EQ(second.status, 9);
	sp_sandbox_free(first.sandbox);
	sp_sandbox_free(second.sandbox);
}

TEST(Describe, SaysWhatHappened)
{
	char text[256];
	struct sp_exit failed = {SP_EXIT_FAILED, EPERM, "user namespace", "allow them"};
	struct sp_exit signaled = {SP_EXIT_SIGNALED, SIGSEGV, nullptr, nullptr};
	struct sp_report report = {};

	sp_exit_describe(&failed, text, sizeof(text));
	EXPECT_STREQ(text,
		     "could not be started: user namespace: Operation not permitted; allow them");
	sp_exit_describe(&signaled, text, sizeof(text));
	EXPECT_STREQ(text, "died of signal 11 (SIGSEGV)");
	report.kind = SP_REPORT_PATH;
	report.call = "openat";
	report.path = "/etc/shadow";
	report.error = EACCES;
	report.rule = "a.policy:3:5";
	report.detail = "no right to read";
	sp_report_describe(&report, text, sizeof(text));
	EXPECT_STREQ(text, "openat of \"/etc/shadow\" refused with EACCES: no right to read by "
			   "a.policy:3:5");
	/* As snprintf(3): what it would have taken. */
	EXPECT_EQ(sp_exit_describe(&signaled, text, 5), 27);
	EXPECT_STREQ(text, "died");
}
