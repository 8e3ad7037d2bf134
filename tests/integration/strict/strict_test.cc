/* SPDX-License-Identifier: Apache-2.0 */
/* Workers below `strict`: what they can do, and that all else is their death. */
#include "sandbox.h"

#include <cstdlib>
#include <fcntl.h>
#include <fstream>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <string>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace
{

const char kStrict[] = "policy worker\nstrict\nlimits { memory 256M; wall 20s }\n";

std::string guest()
{
	const char *folder = getenv("SP_TEST_BINARY_DIR");

	return std::string(folder ? folder : SP_BINARY_DIR) + "/bin/strict-guest";
}

Heard run(const std::string &policy, const std::vector<std::string> &words,
	  sp_interception interception = SP_INTERCEPTION_COOPERATIVE)
{
	SandboxRunner runner;
	std::vector<std::string> argv = {guest()};

	argv.insert(argv.end(), words.begin(), words.end());
	runner.interception = interception;
	return runner.run(policy, argv);
}

void expect_killed(const Heard &heard)
{
	EXPECT_EQ("entered\n", heard.output);
	EXPECT_EQ(SP_EXIT_POLICY, heard.cause) << heard.exit;
	EXPECT_EQ(SIGKILL, heard.status);
	EXPECT_EQ("was killed by its policy (SIGKILL)", heard.exit);
	EXPECT_TRUE(heard.locked);
	EXPECT_TRUE(heard.reports.empty());
}

} // namespace

TEST(Strict, ItReadsWritesAndEnds)
{
	Heard heard = run(kStrict, {"upper"});

	EXPECT_EQ("entered\n", heard.output);
	EXPECT_EQ(SP_EXIT_EXITED, heard.cause) << heard.exit;
	EXPECT_EQ(7, heard.status);
	EXPECT_TRUE(heard.locked);
}

TEST(Strict, WhatWasOpenIsWhatItHas)
{
	struct Seen {
		struct event_base *base = event_base_new();
		std::string output;
		int status = -1;
	} seen;
	struct sp_broker *broker = nullptr;
	struct sp_sandbox *sandbox = nullptr;
	struct sp_policy *policy = SandboxRunner::policy(kStrict);
	std::string program = guest();
	const char *argv[] = {program.c_str(), "upper", nullptr};
	int input[2];

	ASSERT_EQ(0, pipe2(input, O_CLOEXEC));
	ASSERT_EQ(5, write(input[1], "hello", 5));
	close(input[1]);
	struct sp_pass pass = {input[0], 0};
	ASSERT_EQ(0, sp_broker_new(seen.base, nullptr, &broker));
	struct sp_launch launch = {};
	launch.policy = policy;
	launch.argv = argv;
	launch.pass = &pass;
	launch.pass_count = 1;
	launch.data = &seen;
	launch.on_output = [](sp_sandbox *, int, const void *bytes, size_t length, void *data) {
		static_cast<Seen *>(data)->output.append(static_cast<const char *>(bytes), length);
	};
	launch.on_exit = [](sp_sandbox *, const sp_exit *exit, void *data) {
		static_cast<Seen *>(data)->status = exit->status;
		event_base_loopbreak(static_cast<Seen *>(data)->base);
	};
	ASSERT_EQ(0, sp_sandbox_launch(broker, &launch, &sandbox));
	close(input[0]);
	event_base_dispatch(seen.base);
	EXPECT_EQ("entered\nHELLO", seen.output);
	EXPECT_EQ(7, seen.status);
	sp_sandbox_free(sandbox);
	sp_broker_free(broker);
	sp_policy_unref(policy);
	event_base_free(seen.base);
}

TEST(Strict, EveryOtherCallIsDeath)
{
	for (int nr : {__NR_open,
		       __NR_openat,
		       __NR_close,
		       __NR_getpid,
		       __NR_mmap,
		       __NR_brk,
		       __NR_fork,
		       __NR_clone,
		       __NR_execve,
		       __NR_socket,
		       __NR_kill,
		       __NR_ptrace,
		       __NR_fstat,
		       __NR_lseek,
		       __NR_exit_group,
		       __NR_futex,
		       __NR_gettid,
		       __NR_restart_syscall,
		       __NR_prctl,
		       __NR_seccomp,
		       __NR_readv,
		       __NR_pread64,
		       __NR_io_uring_setup,
		       600,
		       0x40000000 /* x32 read */,
		       0x40000001,
		       -1}) {
		SCOPED_TRACE(nr);
		expect_killed(run(kStrict, {"call", std::to_string(nr)}));
	}
}

TEST(Strict, LibcsOwnEndIsDeathToo)
{
	expect_killed(run(kStrict, {"return"}));
}

/* The kernel knows the four calls by their numbers of i386 too, and no other. */
TEST(Strict, TheNumbersOfI386AreNoWayOut)
{
#ifndef __x86_64__
	GTEST_SKIP() << "no i386 here";
#endif
	for (int nr : {3, 4}) {
		Heard heard = run(kStrict, {"i386", std::to_string(nr)});

		EXPECT_EQ("entered\nreturned\n", heard.output) << nr;
		EXPECT_EQ(SP_EXIT_EXITED, heard.cause) << heard.exit;
	}
	Heard heard = run(kStrict, {"i386", "1"});
	EXPECT_EQ("entered\n", heard.output);
	EXPECT_EQ(SP_EXIT_EXITED, heard.cause) << heard.exit;
	for (int nr : {0, 2, 5, 6, 11, 20, 37, 90, 102, 117, 173, 192, 252, 295}) {
		SCOPED_TRACE(nr);
		expect_killed(run(kStrict, {"i386", std::to_string(nr)}));
	}
}

TEST(Strict, AHandlerReturns)
{
	Heard heard = run(kStrict, {"signal"});

	EXPECT_EQ("entered\ncame back\n", heard.output);
	EXPECT_EQ(SP_EXIT_EXITED, heard.cause) << heard.exit;
}

TEST(Strict, TheChannelIsClosed)
{
	Heard heard = run(kStrict, {"channel"});

	EXPECT_EQ("entered\nclosed\n", heard.output);
	EXPECT_EQ(SP_EXIT_EXITED, heard.cause) << heard.exit;
}

TEST(Strict, AnotherThreadWouldNotBeHeld)
{
	Heard heard = run(kStrict, {"threaded"});

	EXPECT_EQ("not entered: EBUSY\n", heard.output);
	EXPECT_EQ(3, heard.status);
}

TEST(Strict, AfterAFilterThereIsNoStrictMode)
{
	Heard heard = run(kStrict, {"filtered"});

	EXPECT_EQ("not entered: EOPNOTSUPP\n", heard.output);
	EXPECT_EQ(3, heard.status);
}

TEST(Strict, LimitsStand)
{
	Heard heard = run("policy worker\nstrict\nlimits { cpu 1s; wall 60s }\n", {"spin"});

	EXPECT_EQ(SP_EXIT_SIGNALED, heard.cause) << heard.exit;
	EXPECT_EQ(SIGKILL, heard.status);
	heard = run("policy worker\nstrict\nlimits { wall 200ms }\n", {"spin"});
	EXPECT_EQ(SP_EXIT_WALL, heard.cause) << heard.exit;
}

TEST(Strict, AProgramThatDoesNotEnterByItselfIsNotStarted)
{
	for (sp_interception interception : {SP_INTERCEPTION_NOTIFY, SP_INTERCEPTION_AUTO}) {
		Heard heard = run(kStrict, {"upper"}, interception);

		EXPECT_EQ("", heard.output);
		EXPECT_EQ(SP_EXIT_FAILED, heard.cause);
		EXPECT_EQ(0u,
			  heard.exit.find("could not be started: strict: Operation not supported; "
					  "a program enters SECCOMP_MODE_STRICT by itself"))
		    << heard.exit;
	}
}

/* Below somebody's filter: the launch says so before anything runs. */
TEST(Strict, BelowAnotherSandboxNothingIsStarted)
{
	pid_t child = fork();
	int status = -1;

	if (child == 0) {
		struct sock_filter code[] = {BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
		struct sock_fprog program = {1, code};

		if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
		    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
			_exit(2);
		Heard heard = run(kStrict, {"upper"});
		_exit(
		    heard.cause == SP_EXIT_FAILED && heard.output.empty() &&
			    heard.exit.find("strict: Operation not supported; a process that has a "
					    "seccomp filter") != std::string::npos
			? 0
			: 1);
	}
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_TRUE(WIFEXITED(status));
	EXPECT_EQ(0, WEXITSTATUS(status));
}
