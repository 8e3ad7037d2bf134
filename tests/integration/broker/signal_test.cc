// SPDX-License-Identifier: Apache-2.0
/* Signals to the program, its stops, and the session that it is in. */
#include "harness.h"

#include <cerrno>
#include <csignal>
#include <unistd.h>

namespace
{

uint64_t bit(int number)
{
	return UINT64_C(1) << (number - 1);
}

} // namespace

TEST_F(BrokerTest, SignalsReachTheProgram)
{
	Box box;

	ASSERT_EQ(launch(box, {"hang"}), 0);
	run_until([&] { return box.output[1] == "ready\n"; });
	for (int number : {-1, 0, NSIG})
		EXPECT_EQ(sp_sandbox_signal(box.sandbox, number), -EINVAL);
	EXPECT_EQ(sp_sandbox_signal(box.sandbox, SIGUSR1), 0);
	run_until([&] { return box.exits > 0; });
	EXPECT_EQ(box.cause, SP_EXIT_SIGNALED);
	EXPECT_EQ(box.status, SIGUSR1);
	EXPECT_EQ(sp_sandbox_signal(box.sandbox, SIGUSR1), -ESRCH);
	sp_sandbox_free(box.sandbox);
}

TEST_F(BrokerTest, ASignalWaitsForTheProgramToStart)
{
	Box box;

	ASSERT_EQ(launch(box, {"hang"}), 0);
	EXPECT_EQ(sp_sandbox_signal(box.sandbox, SIGTERM), 0);
	run_until([&] { return box.exits > 0; });
	EXPECT_EQ(box.cause, SP_EXIT_SIGNALED);
	EXPECT_EQ(box.status, SIGTERM);
	EXPECT_GT(box.pid, 0);
	sp_sandbox_free(box.sandbox);
}

TEST_F(BrokerTest, StopsAreTold)
{
	Box box;

	ASSERT_EQ(launch(box, {"hang"}), 0);
	run_until([&] { return box.output[1] == "ready\n"; });
	/* SIGTSTP stops nobody whose process group is orphaned, as that of a session of its own is. */
	for (size_t times = 1; times <= 2; times++) {
		EXPECT_EQ(sp_sandbox_signal(box.sandbox, SIGSTOP), 0);
		run_until([&] { return box.stops.size() == times; });
		EXPECT_EQ(box.stops.back(), SIGSTOP);
		EXPECT_EQ(sp_sandbox_signal(box.sandbox, SIGCONT), 0);
	}
	EXPECT_EQ(sp_sandbox_signal(box.sandbox, SIGTERM), 0);
	run_until([&] { return box.exits > 0; });
	EXPECT_EQ(box.status, SIGTERM);
	sp_sandbox_free(box.sandbox);
}

TEST_F(BrokerTest, IgnoredSignalsAreIgnored)
{
	Box box, refused;

	refused.change = [](struct sp_launch &launch) { launch.ignored_signals = bit(SIGKILL); };
	EXPECT_EQ(launch(refused, {"hang"}), -EINVAL);
	refused.change = [](struct sp_launch &launch) { launch.ignored_signals = bit(SIGSYS); };
	EXPECT_EQ(launch(refused, {"hang"}), -EINVAL);
	box.change = [](struct sp_launch &launch) {
		launch.ignored_signals = bit(SIGHUP) | bit(SIGTERM);
	};
	ASSERT_EQ(launch(box, {"hang"}), 0);
	run_until([&] { return box.output[1] == "ready\n"; });
	for (int number : {SIGHUP, SIGTERM, SIGUSR2})
		EXPECT_EQ(sp_sandbox_signal(box.sandbox, number), 0);
	run_until([&] { return box.exits > 0; });
	EXPECT_EQ(box.status, SIGUSR2);
	sp_sandbox_free(box.sandbox);
}

/* What holds a sandbox is never in the application's process group: a terminal's ^C is not for it. */
TEST_F(BrokerTest, TheSessionIsKeptWhereAskedFor)
{
	for (bool keep : {false, true}) {
		SCOPED_TRACE(keep);
		Box box;

		box.change = [keep](struct sp_launch &launch) { launch.keep_session = keep; };
		ASSERT_EQ(launch(box, {"hang"}), 0);
		run_until([&] { return box.output[1] == "ready\n"; });
		pid_t porter = parent_of(box.pid);
		EXPECT_EQ(getsid(box.pid) == getsid(0), keep);
		EXPECT_EQ(getpgid(box.pid) == getpgid(0), keep);
		EXPECT_EQ(getsid(porter) == getsid(0), keep);
		EXPECT_NE(getpgid(porter), getpgid(0));
		EXPECT_NE(getpgid(parent_of(porter)), getpgid(0));
		sp_sandbox_free(box.sandbox);
	}
}
