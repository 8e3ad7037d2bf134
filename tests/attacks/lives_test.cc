// SPDX-License-Identifier: Apache-2.0
// F01, F02, F15, F18: deaths in the middle of things, stopped or not, and lies about how one died; B26, B38: whose name is
// whose; E14: a file system that is dead; G13: speculation.
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <gtest/gtest.h>
#include <linux/fuse.h>
#include <memory>
#include <random>
#include <sstream>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

#include "tests/attacks/range.h"
#include "tests/support/descriptors.h"
#include "tests/support/kill.h"

namespace
{
class Lives : public ::testing::TestWithParam<Way>
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
void KillOnce(Broker &broker, const Tree &tree, const Victim &victim, Way way, long after,
	      bool by_broker)
{
	const std::set<pid_t> processes = Descendants();
	const size_t descriptors = count_descriptors();
	Outcome outcome;
	struct sp_sandbox *sandbox =
	    broker.Launch({"TRAFFIC", 0, &tree, &victim, way}, -1, &outcome);

	ASSERT_TRUE(broker.Until([&] { return outcome.Runs() || outcome.over; }));
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

TEST_P(Lives, F01KilledAtRandomPointsLeavesNothing)
{
	std::mt19937 random(1);
	std::uniform_int_distribution<long> microseconds(1, 4000);
	Tree tree(Tree::SHALLOW);
	Victim victim;
	Broker broker;
	Neighbour neighbour(broker);
	const Tree::State before = tree.Look();

	for (int i = 0; i < 150 && !HasFailure(); i++)
		KillOnce(broker, tree, victim, GetParam(), microseconds(random), i % 4 == 3);
	EXPECT_TRUE(neighbour.Works());
	EXPECT_TRUE(tree.Look() == before);
}

// Plays an application with three sandboxes until it is killed.
[[noreturn]] void BeBroker(const Tree &tree, const Victim &victim, Way way, int ready)
{
	Outcome outcomes[3];
	Broker broker;
	auto all_run = [&] {
		for (const Outcome &outcome : outcomes)
			if (!outcome.Runs())
				return false;
		return true;
	};

	for (Outcome &outcome : outcomes)
		broker.Launch({"TRAFFIC", 0, &tree, &victim, way}, -1, &outcome);
	if (!broker.Until(all_run) || write(ready, "r", 1) != 1)
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

TEST_P(Lives, F02SandboxesEndWithTheirBroker)
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
			BeBroker(tree, victim, GetParam(), ready[1]);
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

TEST_P(Lives, F15TheCauseOfAnEndIsTheKernels)
{
	Tree tree(Tree::SHALLOW);
	Victim victim;
	Broker broker;

	for (const Lie &lie : lies) {
		if (lie.cause == SP_EXIT_VIOLATION && GetParam() == FLOOR)
			continue; // there is no channel to lie on
		SCOPED_TRACE("variant " + std::to_string(lie.variant));
		Outcome outcome;
		struct sp_sandbox *sandbox =
		    broker.Launch({"LIE", lie.variant, &tree, &victim, GetParam()}, -1, &outcome);

		ASSERT_TRUE(broker.Until([&] { return outcome.over; }));
		EXPECT_EQ(outcome.exit.cause, lie.cause) << Describe(outcome);
		EXPECT_EQ(outcome.exit.status, lie.status) << Describe(outcome);
		sp_sandbox_free(sandbox);
	}
}

TEST_P(Lives, F18AStoppedOneIsKilledAllTheSame)
{
	Tree tree(Tree::SHALLOW);
	Victim victim;
	Broker broker;
	Neighbour neighbour(broker);
	const std::set<pid_t> processes = Descendants();

	for (int i = 0; i < 10; i++) {
		Outcome outcome;
		struct sp_sandbox *sandbox =
		    broker.Launch({"TRAFFIC", 0, &tree, &victim, GetParam()}, -1, &outcome);

		ASSERT_TRUE(broker.Until([&] { return outcome.Runs() || outcome.over; }));
		ASSERT_EQ(kill(outcome.pid, SIGSTOP), 0);
		ASSERT_EQ(sp_sandbox_kill(sandbox), 0);
		ASSERT_TRUE(broker.Until([&] { return outcome.over; }, 5));
		EXPECT_EQ(outcome.exit.cause, SP_EXIT_KILLED) << Describe(outcome);
		sp_sandbox_free(sandbox);
		EXPECT_EQ(Strangers(processes), std::set<pid_t>());
	}
}

std::string Identity(const std::string &path)
{
	struct stat status = {};

	EXPECT_EQ(stat(path.c_str(), &status), 0) << path;
	return std::to_string(status.st_dev) + ":" + std::to_string(status.st_ino) + "\n";
}

TEST_P(Lives, B26B38EachHasItsOwnDirectoryAndTheObjectsThatWeSee)
{
	Tree trees[2] = {Tree(Tree::SHALLOW), Tree(Tree::SHALLOW)};
	Outcome outcomes[2];
	struct sp_sandbox *sandboxes[2];
	Victim victim;
	Broker broker;

	for (int i = 0; i < 2; i++)
		sandboxes[i] =
		    broker.Launch({"WANDER", 0, &trees[i], &victim, GetParam()}, -1, &outcomes[i]);
	ASSERT_TRUE(broker.Until([&] { return outcomes[0].over && outcomes[1].over; }));
	for (int i = 0; i < 2; i++) {
		EXPECT_EQ(outcomes[i].exit.cause, SP_EXIT_EXITED) << Describe(outcomes[i]);
		EXPECT_EQ(outcomes[i].output, Identity(trees[i].Directory() + "/allowed/file") +
						  Identity(trees[i].Directory() + "/readonly/file"))
		    << Describe(outcomes[i]);
		sp_sandbox_free(sandboxes[i]);
	}
}

std::string SpeculationOf(const std::string &status)
{
	std::istringstream lines(status);
	std::string line, found;

	while (std::getline(lines, line))
		if (line.rfind("Specul", 0) == 0)
			found += line + "\n";
	return found;
}

TEST_P(Lives, G13SpeculationIsNoFreerThanOurs)
{
	std::ifstream status("/proc/self/status");
	std::stringstream ours;
	Tree tree(Tree::SHALLOW);
	Victim victim;
	Outcome outcome;
	Broker broker;
	struct sp_sandbox *sandbox =
	    broker.Launch({"STATUS", 0, &tree, &victim, GetParam()}, -1, &outcome);

	ours << status.rdbuf();
	ASSERT_TRUE(broker.Until([&] { return outcome.over; }));
	const std::string theirs = SpeculationOf(outcome.output);
	EXPECT_NE(theirs, "") << Describe(outcome);
	EXPECT_TRUE(theirs == SpeculationOf(ours.str()) ||
		    theirs.find("vulnerable") == std::string::npos)
	    << theirs;
	sp_sandbox_free(sandbox);
}

// A file system whose server has greeted the kernel, and does nothing more.
class DeadFileSystem
{
      public:
	explicit DeadFileSystem(const std::string &directory) : place(directory)
	{
		char options[128];

		server = open("/dev/fuse", O_RDWR | O_CLOEXEC);
		snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=0,group_id=0",
			 server);
		mounted =
		    server >= 0 && mkdir(place.c_str(), 0755) == 0 &&
		    mount("attack", place.c_str(), "fuse", MS_NOSUID | MS_NODEV, options) == 0;
		if (mounted)
			Greet();
	}
	~DeadFileSystem()
	{
		if (mounted)
			umount2(place.c_str(), MNT_DETACH);
		close(server); // nobody waits any more
	}
	DeadFileSystem(const DeadFileSystem &) = delete;
	DeadFileSystem &operator=(const DeadFileSystem &) = delete;

	bool Mounted() const
	{
		return mounted;
	}

      private:
	void Greet()
	{
		struct {
			struct fuse_in_header header;
			char rest[16384];
		} request = {};
		struct {
			struct fuse_out_header header;
			struct fuse_init_out init;
		} answer = {};

		ASSERT_GT(read(server, &request, sizeof(request)), 0);
		answer.header.len = sizeof(answer);
		answer.header.unique = request.header.unique;
		answer.init.major = FUSE_KERNEL_VERSION;
		answer.init.minor = FUSE_KERNEL_MINOR_VERSION;
		answer.init.max_write = 4096;
		ASSERT_EQ(write(server, &answer, sizeof(answer)), ssize_t(sizeof(answer)));
	}

	std::string place;
	int server;
	bool mounted;
};

TEST_P(Lives, E14AFileSystemThatNeverAnswers)
{
	Tree tree(Tree::SHALLOW);
	Victim victim;
	DeadFileSystem dead(tree.Directory() + "/allowed/dead");
	Broker broker;
	Neighbour neighbour(broker);
	const std::set<pid_t> processes = Descendants();
	Outcome outcome;

	if (!dead.Mounted())
		GTEST_SKIP() << "no file system can be mounted: " << strerror(errno);
	struct sp_sandbox *sandbox =
	    broker.Launch({"STUCK", 0, &tree, &victim, GetParam()}, -1, &outcome);
	ASSERT_TRUE(broker.Until([&] { return outcome.output == "RUNS\n" || outcome.over; }));
	for (int i = 0; i < 10; i++)
		EXPECT_TRUE(neighbour.Works()) << "O5";
	EXPECT_FALSE(outcome.over) << Describe(outcome);
	ASSERT_EQ(sp_sandbox_kill(sandbox), 0);
	ASSERT_TRUE(broker.Until([&] { return outcome.over; }, 5));
	EXPECT_EQ(outcome.exit.cause, SP_EXIT_KILLED) << Describe(outcome);
	sp_sandbox_free(sandbox);
	EXPECT_EQ(Strangers(processes), std::set<pid_t>());
}

std::string NameOf(const ::testing::TestParamInfo<Way> &info)
{
	return info.param == TRAP ? "Locked" : "OnAFloor";
}

INSTANTIATE_TEST_SUITE_P(Both, Lives, ::testing::Values(TRAP, FLOOR), NameOf);
} // namespace
