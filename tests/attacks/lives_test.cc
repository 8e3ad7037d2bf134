// SPDX-License-Identifier: Apache-2.0
// F01, F02, F08, F13, F15, F18: deaths in the middle of things, stopped, frozen or not, and lies about how one died; B26, B31, B38, D12: whose name is
// whose; D03, E14: a file system that is dead; G13: speculation; A04: every number.
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <functional>
#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/fuse.h>
#include <linux/seccomp.h>
#include <memory>
#include <random>
#include <sched.h>
#include <sstream>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

#include "tests/attacks/filesystem.h"
#include "tests/attacks/range.h"
#include "tests/support/descriptors.h"
#include "tests/support/kill.h"
#include "tests/unit/policy/bpf_simulator.h"

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

void KillOften(int kills, Way way)
{
	std::mt19937 random(1);
	std::uniform_int_distribution<long> microseconds(1, 4000);
	Tree tree(Tree::SHALLOW);
	Victim victim;
	Broker broker;
	Neighbour neighbour(broker);
	const Tree::State before = tree.Look();

	for (int i = 0; i < kills && !::testing::Test::HasFailure(); i++) {
		SCOPED_TRACE("kill " + std::to_string(i));
		KillOnce(broker, tree, victim, way, microseconds(random), i % 4 == 3);
	}
	EXPECT_TRUE(neighbour.Works());
	EXPECT_TRUE(tree.Look() == before);
}

TEST_P(Lives, F01KilledAtRandomPointsLeavesNothing)
{
	KillOften(150, GetParam());
}

// As many as the catalogue wants.
class LongLives : public Lives
{
};

TEST_P(LongLives, F01KilledTenThousandTimesLeavesNothing)
{
	KillOften(10000, GetParam());
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

// Where the machine has a freezer of that kind mounted, and lets us use it: a group of processes of our own.
class Freezer
{
      public:
	explicit Freezer(bool unified) : unified(unified)
	{
		std::ifstream mounts("/proc/self/mounts");
		std::string line;

		while (directory.empty() && std::getline(mounts, line)) {
			std::string device, where, type, options;

			std::istringstream(line) >> device >> where >> type >> options;
			if (type == (unified ? "cgroup2" : "cgroup") &&
			    (unified ||
			     ("," + options + ",").find(",freezer,") != std::string::npos))
				directory = where + "/sallyport-test-" + std::to_string(getpid());
		}
		if (directory.empty() || mkdir(directory.c_str(), 0700) < 0)
			directory.clear();
	}
	~Freezer()
	{
		if (Made()) {
			Switch(false);
			EXPECT_EQ(rmdir(directory.c_str()), 0) << strerror(errno);
		}
	}
	Freezer(const Freezer &) = delete;
	Freezer &operator=(const Freezer &) = delete;

	bool Made() const
	{
		return !directory.empty();
	}
	bool Add(pid_t pid) const
	{
		return Write("cgroup.procs", std::to_string(pid));
	}
	bool Switch(bool on) const
	{
		return unified ? Write("cgroup.freeze", on ? "1" : "0")
			       : Write("freezer.state", on ? "FROZEN" : "THAWED");
	}
	bool IsFrozen() const
	{
		std::ifstream file(directory + (unified ? "/cgroup.events" : "/freezer.state"));
		std::stringstream text;

		text << file.rdbuf();
		return text.str().find(unified ? "frozen 1" : "FROZEN") != std::string::npos;
	}

      private:
	bool Write(const char *name, const std::string &value) const
	{
		std::ofstream file(directory + "/" + name);

		file << value << std::flush;
		return file.good();
	}
	bool unified;
	std::string directory;
};

// Of a freezer of the first version nobody dies before it is thawed: but nobody waits with him.
void KillFrozen(Way way, bool unified, bool all)
{
	Freezer freezer(unified);
	if (!freezer.Made())
		GTEST_SKIP() << "no freezer can be had: " << strerror(errno);
	Tree tree(Tree::SHALLOW);
	Victim victim;
	Broker broker;
	Neighbour neighbour(broker);
	const std::set<pid_t> processes = Descendants();
	Outcome outcome;
	struct sp_sandbox *sandbox =
	    broker.Launch({"TRAFFIC", 0, &tree, &victim, way}, -1, &outcome);
	ASSERT_TRUE(broker.Until([&] { return outcome.Runs() || outcome.over; }));
	for (pid_t pid : Descendants())
		if (!processes.count(pid) && (all || pid == outcome.pid)) {
			ASSERT_TRUE(freezer.Add(pid));
		}
	ASSERT_TRUE(freezer.Switch(true));
	// Who waits for the answer to a notification that was taken can only be killed: with its porter it never gets there.
	if (way != FLOOR || !all) {
		ASSERT_TRUE(broker.Until([&] { return freezer.IsFrozen(); }, 10));
	}
	ASSERT_EQ(sp_sandbox_kill(sandbox), 0);
	if (!unified) {
		EXPECT_TRUE(neighbour.Works()) << "O5";
		ASSERT_TRUE(freezer.Switch(false));
	}
	ASSERT_TRUE(broker.Until([&] { return outcome.over; }, 5));
	EXPECT_EQ(outcome.exit.cause, SP_EXIT_KILLED) << Describe(outcome);
	sp_sandbox_free(sandbox);
	EXPECT_EQ(Strangers(processes), std::set<pid_t>());
	EXPECT_TRUE(neighbour.Works()) << "O1";
}

TEST_P(Lives, F18AFrozenOneIsKilledAllTheSame)
{
	for (bool unified : {true, false})
		for (bool all : {false, true}) {
			SCOPED_TRACE(unified ? "cgroup2" : "cgroup");
			SCOPED_TRACE(all ? "with its porter" : "alone");
			KillFrozen(GetParam(), unified, all);
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

TEST_P(Lives, D12TwoThatReadTheSameFileShareNoOffset)
{
	Tree tree(Tree::SHALLOW);
	Outcome outcomes[2];
	struct sp_sandbox *sandboxes[2];
	Victim victim;
	Broker broker;

	// Each of its 500 opens must find the file from its beginning on.
	for (int i = 0; i < 2; i++)
		sandboxes[i] =
		    broker.Launch({"WANDER", 0, &tree, &victim, GetParam()}, -1, &outcomes[i]);
	ASSERT_TRUE(broker.Until([&] { return outcomes[0].over && outcomes[1].over; }));
	for (int i = 0; i < 2; i++) {
		EXPECT_EQ(outcomes[i].exit.cause, SP_EXIT_EXITED) << Describe(outcomes[i]);
		EXPECT_EQ(outcomes[i].exit.status, 0) << Describe(outcomes[i]);
		sp_sandbox_free(sandboxes[i]);
	}
}

constexpr int kCannot = 77;

// In a process of its own, whose failures are ours, and that may say by its status that it cannot.
void RunApart(const std::function<void()> &body, bool *ret_can = nullptr)
{
	pid_t child = fork();
	int status = 0;

	ASSERT_GE(child, 0);
	if (child == 0) {
		prctl(PR_SET_CHILD_SUBREAPER, 1);
		body();
		_exit(::testing::Test::HasFailure());
	}
	ASSERT_EQ(waitpid(child, &status, 0), child);
	if (ret_can)
		*ret_can = !WIFEXITED(status) || WEXITSTATUS(status) != kCannot;
	if (ret_can && !*ret_can)
		return;
	EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

// The output of one of the programs beside the attacks.
std::string OutputOf(const char *program, const Tree &tree, Way way)
{
	Victim victim;
	Outcome outcome;
	Broker broker;
	struct sp_sandbox *sandbox = broker.Launch({program, 0, &tree, &victim, way}, -1, &outcome);

	EXPECT_TRUE(broker.Until([&] { return outcome.over; }));
	EXPECT_EQ(outcome.exit.cause, SP_EXIT_EXITED) << Describe(outcome);
	EXPECT_EQ(outcome.exit.status, 0) << Describe(outcome);
	sp_sandbox_free(sandbox);
	return outcome.output;
}

// Since Linux 6.14 each pid namespace has a largest number of its own; before, it is the machine's, and not ours to set.
bool NamespacesHaveTheirOwnPidMax()
{
	struct utsname names = {};
	int major = 0, minor = 0;

	return uname(&names) == 0 && sscanf(names.release, "%d.%d", &major, &minor) == 2 &&
	       (major > 6 || (major == 6 && minor >= 14));
}

bool WriteFile(const char *path, const std::string &text)
{
	std::ofstream file(path);

	file << text << std::flush;
	return file.good();
}

// With procfs mounted, and few numbers to give.
bool EnterSmallNamespace()
{
	const std::string uid = std::to_string(geteuid()), gid = std::to_string(getegid());

	if (unshare((uid == "0" ? 0 : CLONE_NEWUSER) | CLONE_NEWPID | CLONE_NEWNS) < 0)
		return false;
	if (uid == "0")
		return true;
	return WriteFile("/proc/self/setgroups", "deny") &&
	       WriteFile("/proc/self/uid_map", uid + " " + uid + " 1") &&
	       WriteFile("/proc/self/gid_map", gid + " " + gid + " 1");
}

// False: there can't be one here.
bool RunInSmallNamespace(const std::function<void()> &body)
{
	bool can = true;

	RunApart(
	    [&] {
		    int status = 0;

		    if (!NamespacesHaveTheirOwnPidMax() || !EnterSmallNamespace())
			    _exit(kCannot);
		    pid_t init = fork();
		    if (init == 0) {
			    if (mount("", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) < 0 ||
				mount("proc", "/proc", "proc", 0, nullptr) < 0 ||
				!WriteFile("/proc/sys/kernel/pid_max", "400"))
				    _exit(kCannot);
			    body();
			    _exit(::testing::Test::HasFailure());
		    }
		    waitpid(init, &status, 0);
		    _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
	    },
	    &can);
	return can;
}

// Somebody else's process, which has got that number since.
pid_t TakeNumber(pid_t wanted)
{
	for (int i = 0; i < 1000; i++) {
		pid_t pid = fork();

		if (pid == 0)
			for (;;)
				pause();
		if (pid == wanted)
			return pid;
		kill_one(pid);
		waitpid(pid, nullptr, 0);
	}
	return -1;
}

TEST_P(Lives, F08WhoGotTheNumberIsNotSignalled)
{
	if (!RunInSmallNamespace([] {
		    Tree tree(Tree::SHALLOW);
		    Victim victim;
		    Broker broker;

		    // Those below 300 are given but once.
		    pid_t last = TakeNumber(399);
		    ASSERT_GT(last, 0);
		    kill_one(last);
		    waitpid(last, nullptr, 0);
		    for (int i = 0; i < 2; i++) {
			    Outcome outcome;
			    struct sp_sandbox *sandbox = broker.Launch(
				{"TRAFFIC", 0, &tree, &victim, GetParam()}, -1, &outcome);

			    ASSERT_TRUE(
				broker.Until([&] { return outcome.Runs() || outcome.over; }));
			    ASSERT_EQ(kill_one(outcome.pid), 0);
			    pid_t stranger = TakeNumber(outcome.pid);
			    ASSERT_GT(stranger, 0) << "the number is not given again";
			    // The broker has not been told yet.
			    ASSERT_FALSE(outcome.over);
			    (void)sp_sandbox_kill(sandbox);
			    ASSERT_TRUE(broker.Until([&] { return outcome.over; }));
			    sp_sandbox_free(sandbox);
			    EXPECT_EQ(waitpid(stranger, nullptr, WNOHANG), 0) << "it was ended";
			    kill_one(stranger);
			    waitpid(stranger, nullptr, 0);
		    }
	    }))
		GTEST_SKIP() << "no pid namespace with numbers of its own";
}

TEST_P(Lives, F08WithoutANumberLeftItCanBeEnded)
{
	if (!RunInSmallNamespace([] {
		    Tree tree(Tree::SHALLOW);
		    Victim victim;
		    Broker broker;
		    Neighbour neighbour(broker);
		    const std::set<pid_t> processes = Descendants();
		    Outcome breeder, none, next;
		    Attempt attempt = {"BREED", 0, &tree, &victim, GetParam()};

		    attempt.preset = "program";
		    struct sp_sandbox *sandbox = broker.Launch(attempt, -1, &breeder);
		    ASSERT_TRUE(broker.Until([&] {
			    return breeder.over ||
				   breeder.output.find("FULL\n") != std::string::npos;
		    }));
		    ASSERT_FALSE(breeder.over) << Describe(breeder);
		    EXPECT_TRUE(neighbour.Works()) << "O5";
		    struct sp_sandbox *failed =
			broker.Launch({"TRAFFIC", 0, &tree, &victim, GetParam()}, -1, &none);
		    ASSERT_TRUE(broker.Until([&] { return none.over; }));
		    EXPECT_EQ(none.exit.cause, SP_EXIT_FAILED) << Describe(none);
		    sp_sandbox_free(failed);
		    ASSERT_EQ(sp_sandbox_kill(sandbox), 0);
		    ASSERT_TRUE(broker.Until([&] { return breeder.over; }));
		    EXPECT_EQ(breeder.exit.cause, SP_EXIT_KILLED) << Describe(breeder);
		    sp_sandbox_free(sandbox);
		    EXPECT_EQ(Strangers(processes), std::set<pid_t>()) << "O3";
		    sandbox = broker.Launch({"SESSION", 0, &tree, &victim, GetParam()}, -1, &next);
		    ASSERT_TRUE(broker.Until([&] { return next.over; }));
		    EXPECT_EQ(next.exit.cause, SP_EXIT_EXITED) << Describe(next);
		    sp_sandbox_free(sandbox);
	    }))
		GTEST_SKIP() << "no pid namespace with numbers of its own";
}

// What the filter of a policy says of each call that has no arguments.
class Verdicts
{
      public:
	Verdicts(const std::string &text, Way way)
	{
		struct sp_policy *policy = nullptr;
		void *program = nullptr;
		size_t length = 0;

		if (sp_policy_parse("calls", text.data(), text.size(), nullptr, nullptr, &policy) ==
			0 &&
		    sp_policy_bpf(policy,
				  way == FLOOR ? SP_POLICY_FILTER_NOTIFY : SP_POLICY_FILTER_TRAP,
				  &program, &length) == 0)
			code.assign(static_cast<struct sock_filter *>(program),
				    static_cast<struct sock_filter *>(program) +
					length / sizeof(struct sock_filter));
		free(program);
		sp_policy_unref(policy);
	}
	uint32_t Of(long number)
	{
		sallyport::BpfSimulator filter(
		    {static_cast<unsigned short>(code.size()), code.data()});

		return filter.run(static_cast<uint32_t>(number), {}).value_or(0xffffffff);
	}

      private:
	std::vector<struct sock_filter> code;
};

// What the runtime answers in the kernel's place, and as it does.
bool IsMediated(long number)
{
	return number == SYS_umask || number == SYS_rt_sigpending || number == SYS_rt_sigprocmask;
}

TEST_P(Lives, A04EachNumberEndsAsThePolicySays)
{
	Tree tree(Tree::SHALLOW);
	Victim victim;
	Outcome outcome;
	Broker broker;
	Attempt attempt = {"CALLS", 0, &tree, &victim, GetParam()};
	Verdicts verdicts("policy calls\ninclude program\n", GetParam());
	int numbers = 0, refused = 0;
	long number;
	int status;

	attempt.preset = "program";
	struct sp_sandbox *sandbox = broker.Launch(attempt, -1, &outcome);
	ASSERT_TRUE(broker.Until([&] { return outcome.over; }));
	EXPECT_EQ(outcome.exit.cause, SP_EXIT_EXITED) << Describe(outcome);
	EXPECT_EQ(outcome.exit.status, 0) << Describe(outcome);
	sp_sandbox_free(sandbox);
	std::istringstream lines(outcome.output);
	for (; lines >> number >> status; numbers++) {
		SCOPED_TRACE("call " + std::to_string(number) + " ended with " +
			     std::to_string(status));
		const uint32_t verdict = verdicts.Of(number);
		const bool died = WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS;

		switch (verdict & SECCOMP_RET_ACTION_FULL) {
		case SECCOMP_RET_ALLOW:
		case SECCOMP_RET_LOG:
			EXPECT_FALSE(died);
			break;
		case SECCOMP_RET_ERRNO:
			EXPECT_TRUE(WIFEXITED(status));
			EXPECT_EQ(WEXITSTATUS(status), int(verdict & SECCOMP_RET_DATA));
			break;
		case SECCOMP_RET_TRAP:
		case SECCOMP_RET_USER_NOTIF:
			EXPECT_TRUE(WIFEXITED(status));
			EXPECT_TRUE(WEXITSTATUS(status) != 0 || IsMediated(number));
			refused++;
			break;
		default:
			EXPECT_TRUE(died);
		}
	}
	EXPECT_EQ(numbers, 1024 - 10);
	EXPECT_GT(refused, 700);
}

// What an application has made of itself, and what of that a sandboxee has too, as sp_broker_new(3) says.
TEST_P(Lives, F13ItStartsWithWhatIsDocumented)
{
	RunApart([] {
		const struct rlimit memory = {16384, 16384};
		Tree tree(Tree::SHALLOW);
		sigset_t blocked;
		cpu_set_t cpus;

		umask(027);
		CPU_ZERO(&cpus);
		CPU_SET(0, &cpus);
		ASSERT_EQ(sched_setaffinity(0, sizeof(cpus), &cpus), 0);
		ASSERT_EQ(setpriority(PRIO_PROCESS, 0, 7), 0);
		ASSERT_EQ(setrlimit(RLIMIT_MEMLOCK, &memory), 0);
		ASSERT_EQ(chdir("/proc"), 0);
		signal(SIGUSR1, SIG_IGN);
		signal(SIGPIPE, SIG_IGN);
		sigfillset(&blocked);
		sigprocmask(SIG_SETMASK, &blocked, nullptr);
		const std::string state = OutputOf("STATE", tree, GetParam());
		for (const std::string &line :
		     {"Cwd:   \t" + tree.Directory() + "/allowed\n",
		      std::string("\nUmask:\t0022\n"), std::string("\nCpus_allowed_list:\t0\n"),
		      std::string("\nSigBlk:\t0000000000000000\n"),
		      std::string("\nSigIgn:\t0000000000000000\n"),
		      std::string("\nMax locked memory         16384                16384 "),
		      std::string("\nMax core file size        1                    1 ")})
			EXPECT_NE(state.find(line), std::string::npos) << line << state;
		int nice = -1;
		sscanf(state.c_str() + state.rfind(')'),
		       ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %d",
		       &nice);
		EXPECT_EQ(nice, 7) << state;
	});
}

void WriteMap(const char *name, unsigned id)
{
	std::ofstream(std::string("/proc/self/") + name) << id << " " << id << " 1\n";
}

// Mounts that nobody else sees. False: this kernel gives none.
bool LeaveMounts()
{
	const uid_t uid = geteuid();
	const gid_t gid = getegid();

	if (unshare(uid == 0 ? CLONE_NEWNS : CLONE_NEWNS | CLONE_NEWUSER) < 0)
		return false;
	if (uid != 0) {
		std::ofstream("/proc/self/setgroups") << "deny";
		WriteMap("uid_map", uid);
		WriteMap("gid_map", gid);
	}
	return mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
}

// A rule is about names of the view: whatever is mounted where it leads is granted, and what it grants is not,
// where that is mounted elsewhere.
TEST_P(Lives, B31MountsAreWhatTheirNamesAre)
{
	RunApart([] {
		Tree tree(Tree::SHALLOW);
		const std::string top = tree.Directory() + "/";

		ASSERT_TRUE(LeaveMounts()) << strerror(errno);
		ASSERT_EQ(mount("none", (top + "allowed/sub").c_str(), "tmpfs", 0, nullptr), 0)
		    << strerror(errno);
		std::ofstream(top + "allowed/sub/file") << "plain\n";
		ASSERT_EQ(mount((top + "secret").c_str(), (top + "allowed/parent/child").c_str(),
				nullptr, MS_BIND, nullptr),
			  0);
		ASSERT_EQ(mount((top + "allowed").c_str(), (top + "outside").c_str(), nullptr,
				MS_BIND, nullptr),
			  0);
		EXPECT_EQ(OutputOf("MOUNTS", tree, GetParam()),
			  "allowed/sub/file opened\nallowed/sub/file EXDEV\n"
			  "allowed/parent/child/canary opened\noutside/file EACCES\n"
			  "allowed/sub/../../secret/canary EACCES\n");
		for (const char *name : {"allowed/sub", "allowed/parent/child", "outside"})
			EXPECT_EQ(umount2((top + name).c_str(), MNT_DETACH), 0);
	});
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

// One question, and what of the file system it waits for.
struct Silence {
	const char *what;
	uint32_t opcode;
	unsigned variant; // of attack STUCK
	enum Waiter { ANYBODY, NOBODY_CAN_KILL } waiter;
};

// The kernel lets nobody kill who waits for an answer to what a server has taken; a page is waited for otherwise.
const Silence silences[] = {
    {"everything", FileSystem::kEverything, 0, Silence::ANYBODY},
    {"lookup", FUSE_LOOKUP, 0, Silence::NOBODY_CAN_KILL},
    {"open", FUSE_OPEN, 0, Silence::NOBODY_CAN_KILL},
    {"stat", FUSE_GETATTR, 1, Silence::NOBODY_CAN_KILL},
    {"close", FUSE_FLUSH, 0, Silence::NOBODY_CAN_KILL},
};

// The first to begin is over its limit when the others, which have the same one, are.
const Silence memories[] = {
    {"a name of a server that keeps it", FUSE_READ, 2, Silence::NOBODY_CAN_KILL},
    {"a name", FUSE_READ, 2, Silence::ANYBODY},
    {"an answer", FUSE_READ, 3, Silence::ANYBODY},
};

// One that is about to wait, and what for.
struct Stuck {
	explicit Stuck(const Silence &silence)
	    : wanted(silence), dead(tree.Directory() + "/allowed/dead", silence.opcode,
				    silence.waiter == Silence::ANYBODY)
	{
	}

	bool Waits() const
	{
		return outcome.output == "RUNS\n" &&
		       (dead.Asked() || wanted.opcode == FileSystem::kEverything);
	}

	const Silence &wanted;
	Tree tree{Tree::SHALLOW};
	FileSystem dead;
	Outcome outcome;
	struct sp_sandbox *sandbox = nullptr;
};

class Silences : public Lives
{
      protected:
	void Launch(Stuck *stuck, const char *limits)
	{
		stuck->sandbox = broker->Launch(
		    {"STUCK", stuck->wanted.variant, &stuck->tree, &victim, GetParam(), limits}, -1,
		    &stuck->outcome);
		EXPECT_TRUE(broker->Until([&] { return stuck->outcome.over || stuck->Waits(); }))
		    << "nobody asks";
		EXPECT_FALSE(stuck->outcome.over) << Describe(stuck->outcome);
	}

	Victim victim;
	std::unique_ptr<Broker> broker = std::make_unique<Broker>();
	std::unique_ptr<Neighbour> neighbour = std::make_unique<Neighbour>(*broker);
};

TEST_P(Silences, E14AFileSystemThatNeverAnswers)
{
	for (const Silence &silence : silences) {
		SCOPED_TRACE(silence.what);
		const std::set<pid_t> processes = Descendants();
		Stuck stuck(silence);

		if (!stuck.dead.Mounted())
			GTEST_SKIP() << "no file system can be mounted: " << strerror(errno);
		Launch(&stuck, "wall 100s");
		for (int i = 0; i < 10; i++)
			EXPECT_TRUE(neighbour->Works()) << "O5";
		EXPECT_FALSE(stuck.outcome.over) << Describe(stuck.outcome);
		ASSERT_EQ(sp_sandbox_kill(stuck.sandbox), 0);
		if (silence.waiter == Silence::ANYBODY) {
			EXPECT_TRUE(broker->Until([&] { return stuck.outcome.over; }, 5));
		}
		EXPECT_TRUE(neighbour->Works()) << "O5";
		stuck.dead.End();
		EXPECT_TRUE(broker->Until([&] { return stuck.outcome.over; }, 5));
		EXPECT_EQ(stuck.outcome.exit.cause, SP_EXIT_KILLED) << Describe(stuck.outcome);
		sp_sandbox_free(stuck.sandbox);
		EXPECT_EQ(Strangers(processes), std::set<pid_t>());
	}
}

// It is the limit on time that ends them, though the porter itself may be the one who waits; and, where nobody can be
// killed, the end of the file system.
TEST_P(Silences, D03MemoryThatNeverComes)
{
	const std::set<pid_t> processes = Descendants();
	std::vector<std::unique_ptr<Stuck>> all;
	auto those_end = [&] {
		for (const std::unique_ptr<Stuck> &stuck : all)
			if (stuck->wanted.waiter == Silence::ANYBODY && !stuck->outcome.over)
				return false;
		return true;
	};

	for (const Silence &silence : memories) {
		SCOPED_TRACE(silence.what);
		all.push_back(std::make_unique<Stuck>(silence));
		if (!all.back()->dead.Mounted())
			GTEST_SKIP() << "no file system can be mounted: " << strerror(errno);
		Launch(all.back().get(), "wall 2s");
	}
	for (int i = 0; i < 20 && !those_end(); i++) {
		EXPECT_TRUE(neighbour->Works()) << "O5";
		broker->Until(those_end, 1);
	}
	EXPECT_TRUE(neighbour->Works()) << "O5";
	for (const std::unique_ptr<Stuck> &stuck : all) {
		SCOPED_TRACE(stuck->wanted.what);
		EXPECT_EQ(stuck->outcome.over, stuck->wanted.waiter == Silence::ANYBODY)
		    << Describe(stuck->outcome);
		stuck->dead.End();
		EXPECT_TRUE(broker->Until([&] { return stuck->outcome.over; }, 5));
		EXPECT_EQ(stuck->outcome.exit.cause, SP_EXIT_WALL) << Describe(stuck->outcome);
		sp_sandbox_free(stuck->sandbox);
	}
	all.clear();
	EXPECT_EQ(Strangers(processes), std::set<pid_t>());
}

class LastSilences : public Silences
{
};

TEST_P(LastSilences, E14ABrokerWaitsForNoneOfThem)
{
	const std::set<pid_t> processes = Descendants();
	Stuck stuck(silences[1]);

	if (!stuck.dead.Mounted())
		GTEST_SKIP() << "no file system can be mounted: " << strerror(errno);
	Launch(&stuck, "wall 100s");
	neighbour.reset();
	broker.reset();
	// They have become ours.
	stuck.dead.End();
	EXPECT_TRUE(NobodyLeftWithinASecond(processes));
}

std::string NameOf(const ::testing::TestParamInfo<Way> &info)
{
	return info.param == TRAP ? "Locked" : "OnAFloor";
}

INSTANTIATE_TEST_SUITE_P(Both, Lives, ::testing::Values(TRAP, FLOOR), NameOf);
INSTANTIATE_TEST_SUITE_P(Both, Silences, ::testing::Values(TRAP, FLOOR), NameOf);
INSTANTIATE_TEST_SUITE_P(Both, LastSilences, ::testing::Values(FLOOR), NameOf);
INSTANTIATE_TEST_SUITE_P(Long, LongLives, ::testing::Values(TRAP, FLOOR), NameOf);
} // namespace
