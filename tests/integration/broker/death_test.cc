// SPDX-License-Identifier: Apache-2.0
/* Any one process may be killed at any instant: the rest notices, reports and cleans up within a
 * second. The observer stands outside: a subreaper to which every orphan comes. */
#include "harness.h"
#include "tests/support/kill.h"

#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <random>

/* glibc 2.36 forgot this around the whole header. */
extern "C" {
#include <sys/pidfd.h>
}

/* Who is who below the broker, by what /proc says. */
struct Tree {
	pid_t spawner = -1, porter = -1, init = -1, sandboxee = -1;
};

static Tree tree_of(pid_t sandboxee)
{
	Tree tree;

	tree.sandboxee = sandboxee;
	tree.porter = parent_of(sandboxee);
	tree.spawner = parent_of(tree.porter);
	for (pid_t pid : descendants(tree.porter))
		if (parent_of(pid) == tree.porter && pid != sandboxee)
			tree.init = pid;
	return tree;
}

class DeathTest : public BrokerTest
{
      protected:
	void start(Box &box)
	{
		ASSERT_EQ(launch(box, {"family"}), 0);
		run_until([&] { return box.output[1] == "ready\n"; });
		tree = tree_of(box.pid);
		ASSERT_GT(tree.init, 0);
		for (pid_t pid : descendants(tree.porter))
			watched.push_back(pidfd_open(pid, 0));
	}

	/* True if everything that was watched below the porter has ended. */
	bool all_ended()
	{
		for (int pidfd : watched) {
			struct pollfd polled = {pidfd, POLLIN, 0};

			if (poll(&polled, 1, 0) != 1)
				return false;
		}
		return true;
	}

	void finish(Box &box)
	{
		auto begun = std::chrono::steady_clock::now();

		run_until([&] { return box.exits > 0; });
		EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::seconds(1));
		EXPECT_TRUE(all_ended());
		for (int pidfd : watched)
			close(pidfd);
		watched.clear();
		sp_sandbox_free(box.sandbox);
	}

	Tree tree;
	std::vector<int> watched;
};

TEST_F(DeathTest, OfThePorter)
{
	Box box, next;

	start(box);
	ASSERT_EQ(kill_one(tree.porter), 0);
	finish(box);
	EXPECT_EQ(box.cause, SP_EXIT_LOST) << box.sentence;
	run(next, {"true"});
	EXPECT_EQ(next.cause, SP_EXIT_EXITED);
}

TEST_F(DeathTest, OfTheInit)
{
	Box box;

	start(box);
	ASSERT_EQ(kill_one(tree.init), 0);
	finish(box);
	EXPECT_EQ(box.cause, SP_EXIT_LOST) << box.sentence;
}

TEST_F(DeathTest, OfTheSandboxee)
{
	Box box;

	start(box);
	ASSERT_EQ(kill_one(tree.sandboxee), 0);
	finish(box);
	EXPECT_EQ(box.cause, SP_EXIT_SIGNALED) << box.sentence;
	EXPECT_EQ(box.status, SIGKILL);
}

/* Sandboxes live on; the next launch starts a new spawner. */
TEST_F(DeathTest, OfTheSpawner)
{
	Box box, next;

	start(box);
	/* kill(2) returns before its victim is gone; an order that it still takes is lost with it. */
	int spawner = pidfd_open(tree.spawner, 0);
	ASSERT_EQ(kill_one(tree.spawner), 0);
	struct pollfd gone = {spawner, POLLIN, 0};
	ASSERT_EQ(poll(&gone, 1, 10000), 1);
	close(spawner);
	run(next, {"exit", "4"});
	EXPECT_EQ(next.cause, SP_EXIT_EXITED) << next.sentence;
	EXPECT_EQ(next.status, 4);
	EXPECT_EQ(box.exits, 0);
	EXPECT_FALSE(all_ended());
	ASSERT_EQ(sp_sandbox_kill(box.sandbox), 0);
	/* Orphans of the dead spawner come to us, and an init waits until they were reaped. */
	struct event *children = evsignal_new(
	    base, SIGCHLD, [](evutil_socket_t, short, void *) { reap_all(0); }, nullptr);
	evsignal_add(children, nullptr);
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_UNBLOCK, &set, nullptr);
	finish(box);
	event_free(children);
	sigprocmask(SIG_BLOCK, &set, nullptr);
	EXPECT_EQ(box.cause, SP_EXIT_KILLED) << box.sentence;
}

TEST_F(DeathTest, OfTheIdleSpawnerIsNotNoticed)
{
	Box first, second;

	run(first, {"true"});
	std::vector<pid_t> all = descendants(getpid());
	ASSERT_GE(all.size(), 1u);
	int spawner = pidfd_open(all[0], 0);
	struct pollfd polled = {spawner, POLLIN, 0};
	ASSERT_EQ(kill_one(all[0]), 0);
	ASSERT_EQ(poll(&polled, 1, 1000), 1);
	close(spawner);
	run(second, {"true"});
	EXPECT_EQ(second.cause, SP_EXIT_EXITED) << second.sentence;
}

/* ---- with the broker in a process of its own ---- */

/* Plays the broker: launches, tells the observer through a pipe, turns the loop until the sandbox
 * ends. */
struct Play {
	struct event_base *base;
	int ready;
};

static void play_output(struct sp_sandbox *, int, const void *bytes, size_t length, void *data)
{
	if (write(static_cast<Play *>(data)->ready, bytes, length) < 0)
		_exit(20);
}

static void play_exit(struct sp_sandbox *, const struct sp_exit *, void *data)
{
	event_base_loopbreak(static_cast<Play *>(data)->base);
}

[[noreturn]] static void play_broker(struct sp_policy *policy, int ready)
{
	std::string probe = probe_path();
	const char *argv[] = {probe.c_str(), "family", nullptr};
	Play play = {event_base_new(), ready};
	struct sp_launch launch = {};
	struct sp_sandbox *sandbox;
	struct sp_broker *broker;

	launch.policy = policy;
	launch.argv = argv;
	launch.on_output = play_output;
	launch.on_exit = play_exit;
	launch.data = &play;
	if (sp_broker_new(play.base, nullptr, &broker) < 0 ||
	    sp_sandbox_launch(broker, &launch, &sandbox) < 0)
		_exit(21);
	event_base_dispatch(play.base);
	sp_sandbox_free(sandbox);
	sp_broker_free(broker);
	_exit(0);
}

class BrokerDeathTest : public ::testing::Test
{
      protected:
	void SetUp() override
	{
		sigset_t set;

		ASSERT_EQ(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
		sigemptyset(&set);
		sigaddset(&set, SIGCHLD);
		ASSERT_EQ(sigprocmask(SIG_BLOCK, &set, nullptr), 0);
		before = open_descriptors();
		mounts = mount_table();
		policy = make_policy();
		ASSERT_NE(policy, nullptr);
		ASSERT_EQ(pipe(ready), 0);
		broker = fork();
		if (broker == 0) {
			close(ready[0]);
			play_broker(policy, ready[1]);
		}
		close(ready[1]);
		ASSERT_GT(broker, 0);
	}

	void TearDown() override
	{
		close(ready[0]);
		sp_policy_unref(policy);
		EXPECT_EQ(open_descriptors(), before);
		EXPECT_EQ(mount_table(), mounts);
	}

	struct sp_policy *policy = nullptr;
	pid_t broker = -1;
	int ready[2] = {-1, -1};
	std::vector<int> before;
	std::string mounts;
};

TEST_F(BrokerDeathTest, TakesEverythingAlong)
{
	char text[16];

	ASSERT_EQ(read(ready[0], text, sizeof(text)), 6); /* "ready\n" */
	EXPECT_GE(descendants(broker).size(), 6u);
	ASSERT_EQ(kill_one(broker), 0);
	EXPECT_TRUE(reap_all(1000));
	EXPECT_EQ(descendants(getpid()).size(), 0u);
}

/* Reaps like the init of a system until the broker has ended by itself. */
static bool broker_ends(pid_t broker, int milliseconds)
{
	auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(milliseconds);

	while (std::chrono::steady_clock::now() < end) {
		struct timespec tick = {0, 10000000};
		sigset_t set;
		pid_t pid;

		while ((pid = waitpid(-1, nullptr, WNOHANG)) > 0)
			if (pid == broker)
				return true;
		if (pid < 0)
			return false;
		sigemptyset(&set);
		sigaddset(&set, SIGCHLD);
		sigtimedwait(&set, nullptr, &tick);
	}
	return false;
}

/* One kill at a random moment of the launch, of anyone. The moment is drawn, not waited for:
 * whatever has come into being by then is what there is to hit. */
TEST(RandomDeath, AtAnyMomentOfALaunch)
{
	std::mt19937 random(20240517);
	struct sp_policy *policy = make_policy();
	std::vector<int> before;
	std::string mounts = mount_table();
	sigset_t set;

	ASSERT_NE(policy, nullptr);
	ASSERT_EQ(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	ASSERT_EQ(sigprocmask(SIG_BLOCK, &set, nullptr), 0);
	before = open_descriptors();
	for (int round = 0; round < 150; round++) {
		auto moment =
		    std::chrono::steady_clock::now() + std::chrono::microseconds(random() % 8000);
		int ready[2];

		ASSERT_EQ(pipe(ready), 0);
		pid_t broker = fork();
		if (broker == 0)
			play_broker(policy, ready[1]);
		while (std::chrono::steady_clock::now() < moment)
			;
		std::vector<pid_t> all = descendants(broker);
		all.push_back(broker);
		pid_t victim = all[random() % all.size()];
		(void)kill_one(victim);
		close(ready[1]);
		close(ready[0]);
		/* Where the victim was the spawner, the sandbox rightly lives on; so may the first
		 * process of a family when one of its children died. Then the broker's death ends
		 * the rest. */
		if (victim != broker && !broker_ends(broker, 100)) {
			ASSERT_EQ(kill_one(broker), 0);
		}
		ASSERT_TRUE(reap_all(1000)) << "round " << round;
		ASSERT_EQ(descendants(getpid()).size(), 0u);
	}
	sp_policy_unref(policy);
	EXPECT_EQ(open_descriptors(), before);
	EXPECT_EQ(mount_table(), mounts);
}
