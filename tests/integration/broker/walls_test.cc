// SPDX-License-Identifier: Apache-2.0
/* What a launched program finds: arguments, descriptors, walls, limits. Each beside what it must
 * not. */
#include "harness.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <memory>

using Policy = std::unique_ptr<struct sp_policy, struct sp_policy *(*)(struct sp_policy *)>;

static Policy
policy_with(const std::string &sections,
	    const std::string &isolate = "user; pid; mount; network; ipc; uts; landlock")
{
	return Policy(make_policy(sections, isolate), sp_policy_unref);
}

TEST_F(BrokerTest, ExitStatusIsTheProgramsOwn)
{
	for (int status : {0, 1, 42, 255}) {
		Box box;

		run(box, {"exit", std::to_string(status)});
		EXPECT_EQ(box.cause, SP_EXIT_EXITED);
		EXPECT_EQ(box.status, status);
		EXPECT_GT(box.pid, 0);
	}
}

TEST_F(BrokerTest, DeathBySignalIsTold)
{
	for (int number : {SIGSEGV, SIGTERM, SIGKILL, SIGABRT}) {
		Box box;

		run(box, {"signal", std::to_string(number)});
		EXPECT_EQ(box.cause, SP_EXIT_SIGNALED) << box.sentence;
		EXPECT_EQ(box.status, number);
	}
}

TEST_F(BrokerTest, ArgumentsAndEnvironmentArriveExactly)
{
	Box box, bare;

	ASSERT_EQ(setenv("SALLYPORT_TEST_LEAK", "1", 1), 0);
	box.environment = {"A=1", "EMPTY=", "PATH=/nowhere"};
	run(box, {"arguments", "", "two words", "\xff\x01"});
	EXPECT_EQ(box.output[1], "[]\n[two words]\n[\xff\x01]\n{A=1}\n{EMPTY=}\n{PATH=/nowhere}\n");
	run(bare, {"arguments"});
	EXPECT_EQ(bare.output[1], "");
	unsetenv("SALLYPORT_TEST_LEAK");
}

TEST_F(BrokerTest, DescriptorsAreThoseDocumented)
{
	Box box, quiet;
	int pipe_ends[2];

	run(box, {"descriptors"});
	EXPECT_EQ(box.output[1], "0 /dev/null\n1 pipe\n2 pipe\n1022 anon_inode\n1023 socket\n");

	ASSERT_EQ(pipe2(pipe_ends, O_CLOEXEC), 0);
	quiet.pipes = false;
	quiet.pass = {{pipe_ends[1], 1}};
	run(quiet, {"descriptors"});
	close(pipe_ends[1]);
	char text[256] = "";
	ssize_t length = read(pipe_ends[0], text, sizeof(text) - 1);
	close(pipe_ends[0]);
	ASSERT_GT(length, 0);
	EXPECT_EQ(std::string(text, static_cast<size_t>(length)),
		  "0 /dev/null\n1 pipe\n2 /dev/null\n1022 anon_inode\n1023 socket\n");
}

/* Numbers that collide with those under which the launch itself holds things. */
TEST_F(BrokerTest, PassedDescriptorsLandWhereTheyWereSent)
{
	int zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	int full = open("/dev/full", O_RDONLY | O_CLOEXEC);
	std::string expected = "0 /dev/null\n1 pipe\n2 pipe\n";
	Box box;

	for (int number = 3; number < 40; number++) {
		bool odd = number % 2;

		box.pass.push_back({odd ? zero : full, number});
		expected += std::to_string(number) + (odd ? " /dev/zero\n" : " /dev/full\n");
	}
	box.pass.push_back({zero, 1019});
	expected += "1019 /dev/zero\n1022 anon_inode\n1023 socket\n";
	run(box, {"descriptors"});
	EXPECT_EQ(box.output[1], expected);
	close(zero);
	close(full);
}

TEST_F(BrokerTest, PassedInputIsRead)
{
	int pipe_ends[2];
	Box box;

	ASSERT_EQ(pipe2(pipe_ends, O_CLOEXEC), 0);
	ASSERT_EQ(write(pipe_ends[1], "through", 7), 7);
	close(pipe_ends[1]);
	box.pass = {{pipe_ends[0], 7}};
	run(box, {"read", "7"});
	close(pipe_ends[0]);
	EXPECT_EQ(box.output[1], "through");
}

TEST_F(BrokerTest, NoCapabilityIsLeftAndNoneCanBeHad)
{
	/* Below an ordinary user the ids of others have no meaning: user_namespaces(7). */
	const std::string refusal = getuid() == 0 ? "EPERM" : "EINVAL";
	Box status, ids;

	run(status, {"grep", "/proc/self/status", "Cap", "NoNewPrivs"});
	EXPECT_EQ(status.output[1], "CapInh:\t0000000000000000\nCapPrm:\t0000000000000000\n"
				    "CapEff:\t0000000000000000\nCapBnd:\t0000000000000000\n"
				    "CapAmb:\t0000000000000000\nNoNewPrivs:\t1\n");
	run(ids, {"ids"});
	EXPECT_EQ(ids.output[1],
		  "uid " + std::to_string(getuid()) + " gid " + std::to_string(getgid()) +
		      "\nsetresuid " + refusal + "\nsetresgid " + refusal +
		      "\nsetgroups EPERM\nchroot EPERM\nsethostname EPERM\nsetns EPERM\n"
		      "setrlimit EPERM\n");
}

TEST_F(BrokerTest, NamespacesAreItsOwn)
{
	Box box;

	run(box, {"namespaces"});
	for (const char *name : {"ipc", "mnt", "net", "pid", "user", "uts"}) {
		char target[128] = "";
		ssize_t length = readlink((std::string("/proc/self/ns/") + name).c_str(), target,
					  sizeof(target) - 1);

		ASSERT_GT(length, 0);
		EXPECT_NE(box.output[1].find(std::string(name) + " " + name + ":["),
			  std::string::npos);
		EXPECT_EQ(box.output[1].find(target), std::string::npos) << target;
	}
}

/* What the policy does not ask for is not built; the pid namespace always is. */
TEST_F(BrokerTest, LayersNotAskedForAreNotBuilt)
{
	Policy some = policy_with("", "user; pid; mount");
	Box box;

	run(box, {"namespaces"}, some.get());
	for (const char *name : {"ipc", "net", "uts"}) {
		char target[128] = "";

		ASSERT_GT(readlink((std::string("/proc/self/ns/") + name).c_str(), target,
				   sizeof(target) - 1),
			  0);
		EXPECT_NE(box.output[1].find(target), std::string::npos) << name;
	}
}

TEST_F(BrokerTest, TheViewIsItsOwn)
{
	Box box;

	box.directory = "/tmp";
	run(box, {"view"});
	EXPECT_EQ(box.output[1], "pid 2 ppid 0 sid 2\nsees 1\nsees 2\nhost sallyport\ncwd /tmp\n"
				 "umask 022\n");
}

TEST_F(BrokerTest, SignalsAreReset)
{
	Box box;

	signal(SIGUSR1, SIG_IGN);
	signal(SIGSYS, SIG_IGN);
	run(box, {"signals"});
	signal(SIGUSR1, SIG_DFL);
	signal(SIGSYS, SIG_DFL);
	EXPECT_EQ(box.output[1], "done\n");
}

TEST_F(BrokerTest, LandlockLetsReadButNotWrite)
{
	Box box, none;
	Policy open_walls = policy_with("", "user; pid; mount; network; ipc; uts");
	std::string path = "/dev/shm/broker-test-" + std::to_string(getpid());

	run(box, {"write", path});
	EXPECT_EQ(box.output[1], "write EACCES\n");
	EXPECT_NE(access(path.c_str(), F_OK), 0);
	run(none, {"write", path}, open_walls.get());
	EXPECT_EQ(none.output[1], "write ok\n");
	EXPECT_EQ(unlink(path.c_str()), 0);
	/* A grant of the policy opens the second wall where it leads, and there alone. */
	Policy granted = policy_with("files { create /dev/shm/** }");
	Box inside, outside;
	run(inside, {"write", path}, granted.get());
	EXPECT_EQ(inside.output[1], "write ok\n");
	EXPECT_EQ(unlink(path.c_str()), 0);
	run(outside, {"write", "/tmp/broker-test"}, granted.get());
	EXPECT_EQ(outside.output[1], "write EACCES\n");
}

TEST_F(BrokerTest, LimitsAreSet)
{
	Policy limited =
	    policy_with("limits { memory 64M; cpu 5s; files 64; file-size 1M; processes 1 }");
	struct rlimit files;
	Box box, wide;

	run(box, {"limits"}, limited.get());
	EXPECT_EQ(box.output[1].substr(0, box.output[1].find("processes")),
		  "memory 67108864 67108864\ncpu 5 5\nfiles 64 64\nsize 1048576 1048576\n"
		  "core 1 1\n");
	run(wide, {"limits"});
	ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &files), 0);
	EXPECT_NE(wide.output[1].find("files " + std::to_string(files.rlim_cur) + " "),
		  std::string::npos);
	EXPECT_NE(wide.output[1].find("memory -1 -1"), std::string::npos);
}

/* The kernel does not count root's processes: then the limit is refused, never silently lacking. */
TEST_F(BrokerTest, ProcessesAreCounted)
{
	Policy four = policy_with("limits { processes 4 }");
	Box box;

	run(box, {"fork"}, four.get());
	if (getuid() == 0) {
		EXPECT_EQ(box.cause, SP_EXIT_FAILED);
		EXPECT_EQ(box.layer, "processes limit");
		EXPECT_NE(box.cure, "");
	} else {
		EXPECT_EQ(box.output[1], "3 EAGAIN\n");
	}
}

TEST_F(BrokerTest, WallClockLimitEndsIt)
{
	Policy short_lived = policy_with("limits { wall 1s }");
	Box box;

	run(box, {"hang"}, short_lived.get());
	EXPECT_EQ(box.cause, SP_EXIT_WALL) << box.sentence;
}

/* Who is late to hear of an end hears of that one, and of all that came before. */
TEST_F(BrokerTest, AnEndBeforeTheWallClockIsHeardOfAfterIt)
{
	static int reports;
	Policy short_lived = policy_with("include program\nlimits { wall 1s }");
	Box box;

	reports = 0;
	box.change = [](struct sp_launch &launch) {
		launch.interception = SP_INTERCEPTION_NOTIFY;
		/* The application is busy until the library's own clock has come. */
		launch.on_report = [](struct sp_sandbox *, const struct sp_report *, void *) {
			if (reports++ == 0)
				(void)poll(nullptr, 0, 2200);
		};
	};
	run(box,
	    {"/usr/bin/python3", "-Sc",
	     "import os\n"
	     "for i in range(40):\n"
	     "    try: os.stat('/root/%d' % i)\n"
	     "    except OSError: pass\n"
	     "os._exit(3)\n"},
	    short_lived.get());
	EXPECT_EQ(box.cause, SP_EXIT_EXITED) << box.sentence;
	EXPECT_EQ(box.status, 3);
	EXPECT_GE(reports, 40);
}

TEST_F(BrokerTest, FailedExecIsNamed)
{
	std::string plain = "/tmp/broker-test-" + std::to_string(getpid());
	int file = open(plain.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
	Box missing, refused, directory, set_id, there;

	ASSERT_GE(file, 0);
	run(missing, {"/nonexistent/program"});
	EXPECT_EQ(missing.cause, SP_EXIT_FAILED);
	EXPECT_EQ(missing.status, ENOENT);
	EXPECT_EQ(missing.layer, "exec");
	run(refused, {plain});
	EXPECT_EQ(refused.cause, SP_EXIT_FAILED);
	EXPECT_EQ(refused.status, EACCES);
	EXPECT_EQ(refused.layer, "exec");
	run(directory, {"/tmp"});
	EXPECT_EQ(directory.status, EACCES);
	ASSERT_EQ(fchmod(file, 04755), 0);
	run(set_id, {plain});
	EXPECT_EQ(set_id.status, EPERM);
	EXPECT_EQ(set_id.layer, "exec");
	close(file);
	unlink(plain.c_str());
	run(there, {"true"});
	EXPECT_EQ(there.cause, SP_EXIT_EXITED);
}

TEST_F(BrokerTest, ScriptsRun)
{
	std::string script = "/tmp/broker-test-script-" + std::to_string(getpid());
	int file = open(script.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0755);
	Box box, broken;

	ASSERT_GE(file, 0);
	ASSERT_EQ(write(file, "#!/bin/sh\nexit 5\n", 17), 17);
	close(file);
	run(box, {script});
	EXPECT_EQ(box.cause, SP_EXIT_EXITED) << box.sentence;
	EXPECT_EQ(box.status, 5);
	file = open(script.c_str(), O_WRONLY | O_TRUNC | O_CLOEXEC);
	ASSERT_EQ(write(file, "#!/no/such/interpreter\n", 23), 23);
	close(file);
	run(broken, {script});
	unlink(script.c_str());
	EXPECT_EQ(broken.cause, SP_EXIT_FAILED);
	EXPECT_EQ(broken.status, ENOENT);
}

TEST_F(BrokerTest, FailedDirectoryIsNamed)
{
	Box box;

	box.directory = "/nonexistent";
	run(box, {"true"});
	EXPECT_EQ(box.cause, SP_EXIT_FAILED);
	EXPECT_EQ(box.status, ENOENT);
	EXPECT_EQ(box.layer, "working directory");
}
