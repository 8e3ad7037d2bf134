// SPDX-License-Identifier: Apache-2.0
// F01, F02, F15: deaths in the middle of things, and lies about how one died.
#include <chrono>
#include <csignal>
#include <gtest/gtest.h>
#include <memory>
#include <random>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

#include "tests/attacks/range.h"
#include "tests/support/descriptors.h"
#include "tests/support/kill.h"

namespace
{
class Lives : public ::testing::Test
{
      protected:
	void SetUp() override
	{
		prctl(PR_SET_CHILD_SUBREAPER, 1);
	}
};

void Stop(evutil_socket_t, short, void *over)
{
	*static_cast<bool *>(over) = true;
}

// Serves events for some microseconds: the point of the kill, not a wait for anything.
void ServeFor(Broker &broker, long microseconds)
{
	const struct timeval after = {0, microseconds};
	bool over = false;

	event_base_once(broker.Base(), -1, EV_TIMEOUT, Stop, &over, &after);
	EXPECT_TRUE(broker.Until([&] { return over; }));
}

// Kills a sandboxee in the midst of its traffic, and looks what is left.
void KillOnce(Broker &broker, const Tree &tree, const Victim &victim, long after, bool by_broker)
{
	const std::set<pid_t> processes = Descendants();
	const size_t descriptors = count_descriptors();
	Outcome outcome;
	struct sp_sandbox *sandbox = broker.Launch({"TRAFFIC", 0, &tree, &victim}, -1, &outcome);

	ASSERT_TRUE(broker.Until([&] { return outcome.locked || outcome.over; }));
	ASSERT_FALSE(outcome.over) << Describe(outcome);
	ServeFor(broker, after);
	ASSERT_EQ(by_broker ? sp_sandbox_kill(sandbox) : kill(outcome.pid, SIGKILL), 0);
	ASSERT_TRUE(broker.Until([&] { return outcome.over; }));
	EXPECT_EQ(outcome.exit.cause, by_broker ? SP_EXIT_KILLED : SP_EXIT_SIGNALED)
	    << Describe(outcome);
	sp_sandbox_free(sandbox);
	EXPECT_EQ(Strangers(processes), std::set<pid_t>());
	EXPECT_EQ(count_descriptors(), descriptors);
}

TEST_F(Lives, F01KilledAtRandomPointsLeavesNothing)
{
	std::mt19937 random(1);
	std::uniform_int_distribution<long> microseconds(1, 4000);
	Tree tree(Tree::SHALLOW);
	Victim victim;
	Broker broker;
	Neighbour neighbour(broker);
	const Tree::State before = tree.Look();

	for (int i = 0; i < 300 && !HasFailure(); i++)
		KillOnce(broker, tree, victim, microseconds(random), i % 4 == 3);
	EXPECT_TRUE(neighbour.Works());
	EXPECT_TRUE(tree.Look() == before);
}

// Plays an application with three sandboxes until it is killed.
[[noreturn]] void BeBroker(const Tree &tree, const Victim &victim, int ready)
{
	Outcome outcomes[3];
	Broker broker;
	auto all_locked = [&] {
		for (const Outcome &outcome : outcomes)
			if (!outcome.locked)
				return false;
		return true;
	};

	for (Outcome &outcome : outcomes)
		broker.Launch({"TRAFFIC", 0, &tree, &victim}, -1, &outcome);
	if (!broker.Until(all_locked) || write(ready, "r", 1) != 1)
		_exit(1);
	(void)broker.Until([] { return false; }, 600);
	_exit(1);
}

// Its sandboxes are orphans, and ours to be seen: we are their subreaper.
void ReapOrphans()
{
	while (waitpid(-1, nullptr, WNOHANG) > 0)
		;
}

bool NobodyLeftWithinASecond(const std::set<pid_t> &known)
{
	const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(1);

	do {
		bool left = false;

		ReapOrphans();
		for (pid_t pid : Descendants())
			left = left || !known.count(pid);
		if (!left)
			return true;
	} while (std::chrono::steady_clock::now() < end);
	return false;
}

TEST_F(Lives, F02SandboxesEndWithTheirBroker)
{
	Tree tree(Tree::SHALLOW);
	Victim victim;
	const std::set<pid_t> processes = Descendants();

	for (int i = 0; i < 10; i++) {
		int ready[2];
		char byte;

		ASSERT_EQ(pipe(ready), 0);
		pid_t application = fork();
		ASSERT_GE(application, 0);
		if (application == 0) {
			close(ready[0]);
			BeBroker(tree, victim, ready[1]);
		}
		close(ready[1]);
		ASSERT_EQ(read(ready[0], &byte, 1), 1) << "it could not launch";
		close(ready[0]);
		EXPECT_GE(Descendants().size(), processes.size() + 8u) << "nothing to end";
		ASSERT_EQ(kill_one(application), 0);
		ASSERT_EQ(waitpid(application, nullptr, 0), application);
		EXPECT_TRUE(NobodyLeftWithinASecond(processes));
	}
}

struct Lie {
	unsigned variant;
	enum sp_exit_cause cause;
	int status;
};

// The variants of attack LIE; the truth is the kernel's.
const Lie lies[] = {
    {0, SP_EXIT_EXITED, 31},  {1, SP_EXIT_EXITED, 128 + SIGKILL},
    {2, SP_EXIT_EXITED, 125}, {3, SP_EXIT_VIOLATION, 0},
    {4, SP_EXIT_EXITED, 0},   {5, SP_EXIT_SIGNALED, SIGILL},
};

TEST_F(Lives, F15TheCauseOfAnEndIsTheKernels)
{
	Tree tree(Tree::SHALLOW);
	Victim victim;
	Broker broker;

	for (const Lie &lie : lies) {
		SCOPED_TRACE("variant " + std::to_string(lie.variant));
		Outcome outcome;
		struct sp_sandbox *sandbox =
		    broker.Launch({"LIE", lie.variant, &tree, &victim}, -1, &outcome);

		ASSERT_TRUE(broker.Until([&] { return outcome.over; }));
		EXPECT_EQ(outcome.exit.cause, lie.cause) << Describe(outcome);
		EXPECT_EQ(outcome.exit.status, lie.status) << Describe(outcome);
		sp_sandbox_free(sandbox);
	}
}
} // namespace
