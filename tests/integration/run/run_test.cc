// SPDX-License-Identifier: Apache-2.0
/* sallyport run, as a script would use it: what is run and what is refused, what goes in and what comes
 * out, the options, the reports. */
#include "command.h"

#include <fcntl.h>
#include <jansson.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <memory>
#include <sstream>
#include <thread>

namespace
{

bool contains(const std::string &text, const std::string &part)
{
	return text.find(part) != std::string::npos;
}

#define EXPECT_TELLS(result, part) EXPECT_TRUE(contains((result).errors, part)) << (result).errors

/* ---- exit statuses ---- */

TEST_F(RunTest, TheStatusIsThePrograms)
{
	for (int status : {0, 1, 7, 125, 126, 127, 255}) {
		Result result = run({}, {"exit", std::to_string(status)});

		EXPECT_EQ(result.status, status);
		EXPECT_EQ(result.errors, "");
	}
}

TEST_F(RunTest, ASignalMakesItsNumberAnd128)
{
	for (int number : {SIGTERM, SIGKILL, SIGSEGV, SIGABRT, SIGINT}) {
		Result result = run({}, {"signal", std::to_string(number)});

		EXPECT_EQ(result.status, 128 + number);
		EXPECT_EQ(result.errors, "");
	}
}

/* The limit is the caller's own; the porter, which writes for the program, has it as well. */
TEST_F(RunTest, ALimitOnFileSizesIsAnErrorAndNotTheEnd)
{
	write_file(directory + "/f", "");
	Result result =
	    command({"run", "--write", directory + "/f", "--", "perl", "-e",
		     "print truncate($ARGV[0], 1 << 24) ? 'done' : $!{EFBIG} ? 'too large' : $!",
		     directory + "/f"},
		    "", [] {
			    const struct rlimit limit = {65536, 65536};

			    setrlimit(RLIMIT_FSIZE, &limit);
		    });

	EXPECT_EQ(result.output, "too large");
	EXPECT_EQ(result.status, 0) << result.errors;
}

TEST_F(RunTest, AKillRuleMakesTheNumberOfSigsys)
{
	write_file(directory + "/p.policy",
		   "policy p\ninclude program\nsyscalls { kill rename }\n");
	Result result = run({"--policy", "./p.policy"}, {"rename", "a", "b"});

	EXPECT_EQ(result.status, 128 + SIGSYS);
	EXPECT_TELLS(result, "was killed by its policy");
}

/* Of who has uid 0 the kernel takes orders without asking for a capability, so that a grant of everything
 * would reach the machine itself. */
TEST_F(RunTest, WhoMayWriteEverywhereGivesTheMachineNoOrders)
{
	const char *const files[] = {"/proc/sys/vm/swappiness",
				     "/proc/sys/kernel/core_pattern",
				     "/proc/sys/kernel/modprobe",
				     "/proc/sysrq-trigger",
				     "/proc/irq/default_smp_affinity",
				     "/proc/mtrr",
				     "/sys/kernel/mm/transparent_hugepage/enabled",
				     "/sys/kernel/mm/ksm/run",
				     "/sys/kernel/uevent_helper",
				     "/sys/power/state",
				     "/sys/fs/cgroup/cgroup.procs",
				     "/sys/fs/cgroup/unified/cgroup.procs"};
	int open_to_us = 0;

	for (const char *file : files) {
		int fd = open(file, O_WRONLY | O_CLOEXEC);

		if (fd < 0)
			continue;
		close(fd);
		open_to_us++;
		for (const char *way : {"notify", "preload"}) {
			if (strcmp(way, "preload") == 0 && open_to_us > 1)
				continue;
			Result result =
			    command({"run", "--interception",
				     strcmp(way, "notify") == 0 ? "notify" : "auto", "--write", "/",
				     "--write", file, "--", "perl", "-MFcntl", "-e",
				     "print sysopen(F, $ARGV[0], O_WRONLY) ? 'opened' : $!", file});

			EXPECT_EQ(result.output, "Read-only file system") << file << result.errors;
		}
	}
	if (geteuid() == 0) {
		EXPECT_GT(open_to_us, 0) << "nothing was tried";
	}
	/* What is a process's own it may still change, and read what it could. */
	Result result =
	    command({"run", "--write", "/", "--", "perl", "-e",
		     "open(F, '>', '/proc/self/comm') or die $!; print F 'named'; close(F);"
		     "open(F, '<', '/proc/self/comm') or die $!; print <F>;"
		     "open(F, '<', '/proc/sys/kernel/ostype') or die $!; print <F>"});
	EXPECT_EQ(result.output, "named\nLinux\n") << result.errors;
}

/* ---- filters of others ---- */

/* uname fails with ENODEV; `also` fails with EPERM. */
std::string filter_against(int also)
{
	const sock_filter code[] = {
	    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_uname, 2, 0),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<uint32_t>(also), 2, 0),
	    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENODEV),
	    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
	};

	return {reinterpret_cast<const char *>(code), sizeof(code)};
}

TEST_F(RunTest, AFilterOfAnotherToolOnlyTakesAway)
{
	const std::string file = directory + "/filter";

	write_file(file, filter_against(SYS_sync));
	EXPECT_EQ(command({"run", "--", "uname", "-s"}).output, "Linux\n");
	Result result = command({"run", "--seccomp-filter", file, "--", "uname", "-s"});
	EXPECT_EQ(result.status, 1);
	EXPECT_TELLS(result, "No such device");
	result = command({"run", "--seccomp-filter", file, "--", "cat", "/etc/shadow"});
	EXPECT_EQ(result.status, 1);
	EXPECT_TELLS(result, "Permission denied");
}

TEST_F(RunTest, AFilterThatForbidsTheLaunchIsRefusedByName)
{
	const std::string file = directory + "/filter";

	write_file(file, filter_against(SYS_execveat));
	Result result = command({"run", "--seccomp-filter", file, "--", "true"});
	EXPECT_EQ(result.status, 125);
	EXPECT_TELLS(result, "--seccomp-filter " + file + ": it refuses seccomp(2) or execveat(2)");
	write_file(file, "no filter");
	result = command({"run", "--seccomp-filter", file, "--", "true"});
	EXPECT_EQ(result.status, 125);
	EXPECT_TELLS(result, "it is no array of struct sock_filter");
	result = command({"run", "--seccomp-filter", file + "x", "--", "true"});
	EXPECT_EQ(result.status, 125);
	EXPECT_TELLS(result, "No such file or directory");
}

/* ---- what is run ---- */

class LookupTest : public RunTest
{
      protected:
	void SetUp() override
	{
		RunTest::SetUp();
		for (const char *name : {"/a", "/b", "/a/folder"})
			ASSERT_EQ(mkdir((directory + name).c_str(), 0755), 0);
		write_file(directory + "/a/both", "#!" + program("run-guest") + " exit\n", 0644);
		write_file(directory + "/b/plain", "", 0644);
		link_guest("/b/both");
		link_guest("/b/folder");
		link_guest("/here");
	}
	void link_guest(const std::string &name)
	{
		ASSERT_EQ(symlink(program("run-guest").c_str(), (directory + name).c_str()), 0);
	}
	Result look_up(const std::string &path, const std::string &name)
	{
		return command({"run", "--setenv", "PATH=" + path, "--", name, "exit", "6"});
	}
	std::string path() const
	{
		return directory + "/nowhere:" + directory + "/a:" + directory + "/b";
	}
};

TEST_F(LookupTest, AsAShellDoes)
{
	/* Past a folder, and past a file that may not be executed. */
	EXPECT_EQ(look_up(path(), "both").status, 6);
	EXPECT_EQ(look_up(path(), "folder").status, 6);
	/* An empty part of PATH is the working directory. */
	EXPECT_EQ(look_up(":" + directory + "/a", "here").status, 6);
	EXPECT_EQ(look_up(directory + "/a:", "here").status, 6);
	EXPECT_EQ(look_up(directory + "/a::", "here").status, 6);
	EXPECT_EQ(look_up("b", "both").status, 6);
	/* With a slash, PATH is not asked. */
	EXPECT_EQ(look_up(path(), "./here").status, 6);
	EXPECT_EQ(look_up(path(), "b/both").status, 6);
}

TEST_F(LookupTest, WithoutPathTheSystemsIsSearched)
{
	EXPECT_EQ(command({"run", "--unsetenv", "PATH", "--", "true"}).status, 0);
	EXPECT_EQ(command({"run", "--unsetenv", "PATH", "--", "here"}).status, 127);
}

TEST_F(LookupTest, WhatIsNotThereIs127)
{
	for (const char *name : {"missing", "here", "", "./missing", "nowhere/at/all"}) {
		Result result = look_up(path(), name);

		EXPECT_EQ(result.status, 127) << name;
		EXPECT_NE(result.errors, "") << name;
	}
	EXPECT_TELLS(look_up(path(), "missing"), "sallyport: missing: not found in PATH");
	EXPECT_TELLS(look_up(path(), "./missing"), "sallyport: ./missing: no such file");
}

TEST_F(LookupTest, WhatCannotBeRunIs126)
{
	std::string guest_bytes = read_file(program("run-guest"));

	write_file(directory + "/set-uid", guest_bytes, 04755);
	write_file(directory + "/set-gid", guest_bytes, 02755);
	write_file(directory + "/lost", "#! /no/such/interpreter -x\n", 0755);
	write_file(directory + "/cursor", "#!/no/\033[2J\r\n", 0755);
	write_file(directory + "/indirect", "#!" + directory + "/lost\n", 0755);
	write_file(directory + "/loop", "#!" + directory + "/loop\n", 0755);
	write_file(directory + "/words", "neither a script nor a binary\n", 0755);
	ASSERT_EQ(mkfifo((directory + "/fifo").c_str(), 0755), 0);
	const struct {
		const char *name, *reason;
	} rows[] = {
	    {"plain", "permission denied"},
	    {"./a", "is a directory"},
	    {"./b/plain", "permission denied"},
	    {"./fifo", "is not a regular file"},
	    {"./here/x", "Not a directory"},
	    {"./set-uid", "is set-user-ID or set-group-ID"},
	    {"./set-gid", "is set-user-ID or set-group-ID"},
	    {"./lost", "interpreter \"/no/such/interpreter\": No such file"},
	    {"./cursor", "interpreter \"/no/?[2J?\": No such file"},
	    {"./indirect", "interpreter \"/no/such/interpreter\": No such file"},
	    {"./loop", "too many interpreters"},
	    {"./words", "Exec format error"},
	};

	for (const auto &row : rows) {
		Result result = look_up(path(), row.name);

		EXPECT_EQ(result.status, 126) << row.name;
		EXPECT_TELLS(result, std::string("sallyport: ") + row.name + ": ");
		EXPECT_TELLS(result, row.reason);
	}
}

TEST_F(LookupTest, ScriptsRun)
{
	write_file(directory + "/script", "#!/bin/sh\nread line; echo \"$1 $line\"; exit 3\n",
		   0755);
	Result result = command({"run", "./script", "word"}, "input\n");

	EXPECT_EQ(result.status, 3) << result.errors;
	EXPECT_EQ(result.output, "word input\n");
}

TEST_F(RunTest, OptionsEndAtTheProgram)
{
	Result result = command({"run", program("run-guest"), "arguments", "--policy", "-v"});

	EXPECT_EQ(result.status, 0) << result.errors;
	EXPECT_EQ(result.output, "2 10\n");
}

TEST_F(RunTest, HugeArgumentsArrive)
{
	auto more_stack = [] {
		struct rlimit limit = {64 << 20, 64 << 20};

		if (setrlimit(RLIMIT_STACK, &limit) < 0)
			_exit(97);
	};
	Words words = {"arguments"};

	words.insert(words.end(), 32, std::string(64 << 10, 'x'));
	Result result = run({}, words, "", more_stack);
	EXPECT_EQ(result.status, 0) << result.errors;
	EXPECT_EQ(result.output, "32 2097152\n");

	words.insert(words.end(), 40, std::string(64 << 10, 'x'));
	result = run({}, words, "", more_stack);
	EXPECT_EQ(result.status, 126);
	EXPECT_TELLS(result, "Argument list too long");
}

TEST_F(RunTest, AScriptHasTheNameThatItWasCalledBy)
{
	ASSERT_EQ(mkdir((directory + "/sub").c_str(), 0755), 0);
	write_file(directory + "/sub/script", "#!/bin/sh\necho \"$0\"\n", 0755);
	write_file(directory + "/script", "#!/bin/sh\necho other\n", 0755);
	for (const char *way : {"notify", "trap"}) {
		EXPECT_EQ(command({"run", "--interception", way, "--", "sub/script"}).output,
			  "sub/script\n");
		EXPECT_EQ(
		    command({"run", "--interception", way, "--", "./sub/../sub/script"}).output,
		    "./sub/../sub/script\n");
		EXPECT_EQ(
		    command({"run", "--interception", way, "-C", "/", "--", "sub/script"}).output,
		    directory + "/sub/script\n");
	}
	/* From there the same words lead to another one. */
	EXPECT_EQ(command({"run", "-C", "sub", "--", "./script"}).output, "other\n");

	/* Or to the same one, by a name that nobody granted. */
	ASSERT_EQ(mkdir((directory + "/linked").c_str(), 0755), 0);
	ASSERT_EQ(mkdir((directory + "/linked/sub").c_str(), 0755), 0);
	ASSERT_EQ(
	    link((directory + "/sub/script").c_str(), (directory + "/linked/sub/script").c_str()),
	    0);
	for (const char *way : {"notify", "trap"})
		EXPECT_EQ(command({"run", "--interception", way, "-C", directory + "/linked", "--",
				   "sub/script"})
			      .output,
			  directory + "/sub/script\n");
}

/* ---- streams and descriptors ---- */

TEST_F(RunTest, StreamsArePassedOn)
{
	Result result = run({}, {"copy"}, std::string(50000, 'y'));

	EXPECT_EQ(result.status, 0);
	EXPECT_EQ(result.output, std::string(50000, 'y'));
	result = run({}, {"errors", "for stderr"});
	EXPECT_EQ(result.output, "");
	EXPECT_EQ(result.errors, "for stderr");
}

TEST_F(RunTest, WhatWasClosedIsDevNull)
{
	Result result = run({}, {"descriptors"}, "", [] { close(0); });
	EXPECT_EQ(result.output, "0 null\n1\n2\n");
	result = run({}, {"descriptors"}, "", [] { close(2); });
	EXPECT_EQ(result.output, "0\n1\n2 null\n");
	/* Nothing that the command opens gets a number that was free. */
	result = run({"--report", "report"}, {"descriptors"}, "", [] {
		close(0);
		close(2);
	});
	EXPECT_EQ(result.output, "0 null\n1\n2 null\n");
	result = run({"--report", "report"}, {"copy"}, "text", [] { close(1); });
	EXPECT_EQ(result.status, 0) << result.errors;
	EXPECT_FALSE(contains(read_file(directory + "/report"), "text"));
	EXPECT_EQ(run({}, {"exit", "5"}, "",
		      [] {
			      for (int fd : {0, 1, 2})
				      close(fd);
		      })
		      .status,
		  5);
}

TEST_F(RunTest, OtherDescriptorsStayOutsideUnlessPassed)
{
	auto open_more = [] {
		for (int number : {7, 9})
			if (dup2(1, number) < 0)
				_exit(97);
	};

	EXPECT_EQ(run({}, {"descriptors"}, "", open_more).output, "0\n1\n2\n");
	EXPECT_EQ(run({"--pass", "9"}, {"descriptors"}, "", open_more).output, "0\n1\n2\n9\n");
	EXPECT_EQ(
	    run({"--pass", "9", "--pass=9", "--pass=1"}, {"descriptors"}, "", open_more).output,
	    "0\n1\n2\n9\n");
	for (const char *number : {"8", "-1", "x", "9x", "", "99999999999"}) {
		Result result =
		    run({std::string("--pass=") + number}, {"exit", "0"}, "", open_more);

		EXPECT_EQ(result.status, 125) << number;
		EXPECT_TELLS(result, "no open descriptor has this number");
	}
}

/* ---- environment and working directory ---- */

TEST_F(RunTest, TheEnvironmentIsOursWithChanges)
{
	auto set = [] {
		clearenv();
		setenv("KEPT", "a=b c", 1);
		setenv("GONE", "1", 1);
		setenv("CHANGED", "1", 1);
	};

	EXPECT_EQ(run({}, {"environment"}, "", set).output, "KEPT=a=b c\nGONE=1\nCHANGED=1\n");
	EXPECT_EQ(
	    run({"--unsetenv", "GONE", "--setenv", "CHANGED=2", "--setenv=NEW=", "--unsetenv=NONE"},
		{"environment"}, "", set)
		.output,
	    "KEPT=a=b c\nCHANGED=2\nNEW=\n");
	for (const char *wrong : {"NAME", "=value", ""}) {
		Result result = run({std::string("--setenv=") + wrong}, {"exit", "0"});

		EXPECT_EQ(result.status, 125);
		EXPECT_TELLS(result, "expected NAME=VALUE");
	}
	for (const char *wrong : {"NAME=value", ""}) {
		Result result = run({std::string("--unsetenv=") + wrong}, {"exit", "0"});

		EXPECT_EQ(result.status, 125);
		EXPECT_TELLS(result, "expected NAME");
	}
}

TEST_F(RunTest, TheWorkingDirectoryIsOursUnlessNamed)
{
	ASSERT_EQ(mkdir((directory + "/sub").c_str(), 0755), 0);
	EXPECT_EQ(run({}, {"directory"}).output, directory + "\n");
	EXPECT_EQ(run({"--directory", "sub"}, {"directory"}).output, directory + "/sub\n");
	EXPECT_EQ(run({"-C", "/"}, {"directory"}).output, "/\n");
	Result result = run({"-C", "missing"}, {"directory"});
	EXPECT_EQ(result.status, 125);
	EXPECT_TELLS(result, "working directory: No such file or directory");
}

TEST_F(RunTest, TheMaskOfNewFilesIsOurs)
{
	const struct {
		mode_t mask, mode;
	} rows[] = {{077, 0600}, {027, 0640}, {0, 0666}};

	for (const char *way : {"notify", "trap"})
		for (const auto &row : rows) {
			struct stat status = {};
			Result result = command({"run", "--interception", way, "-w", ".", "--",
						 "/bin/sh", "-c", ": > new"},
						"", [&row] { umask(row.mask); });

			EXPECT_EQ(result.status, 0) << result.errors;
			EXPECT_EQ(stat((directory + "/new").c_str(), &status), 0);
			EXPECT_EQ(status.st_mode & 07777, row.mode) << way;
			EXPECT_EQ(unlink((directory + "/new").c_str()), 0);
		}
}

TEST_F(RunTest, NoSignalIsIgnoredThatWeDoNot)
{
	Result result = command({"run", "--", "/bin/cat", "/proc/self/status"}, "",
				[] { signal(SIGQUIT, SIG_DFL); });

	EXPECT_NE(result.output.find("SigIgn:\t0000000000000000\n"), std::string::npos)
	    << result.output;
}

TEST_F(RunTest, IgnoredSignalsStayIgnored)
{
	EXPECT_EQ(run({}, {"ignored"}).output, "");
	EXPECT_EQ(run({}, {"ignored"}, "",
		      [] {
			      signal(SIGHUP, SIG_IGN);
			      signal(SIGINT, SIG_IGN);
		      })
		      .output,
		  "1\n2\n");
}

/* ---- rights ---- */

class RightsTest : public RunTest
{
      protected:
	void SetUp() override
	{
		RunTest::SetUp();
		for (const char *name : {"/data", "/data/sub", "/other"})
			ASSERT_EQ(mkdir((directory + name).c_str(), 0755), 0);
		for (const char *name :
		     {"/data/file", "/data/sub/file", "/other/file", "/a*b", "/axb"})
			write_file(directory + name, "text");
		ASSERT_EQ(symlink("data", (directory + "/link").c_str()), 0);
	}
};

TEST_F(RightsTest, NothingOfOursIsGrantedByItself)
{
	EXPECT_EQ(run({}, {"read", "data/file", "/etc/passwd"}).output, "EACCES\nok\n");
	EXPECT_EQ(run({}, {"write", "data/file", "data/new"}).output, "EACCES\nEACCES\n");
	EXPECT_EQ(run({}, {"execute", "/bin/true"}).output, "EACCES\n");
	/* Not even what only root could read. */
	EXPECT_EQ(run({}, {"read", "/etc/shadow", "/proc/1/environ"}).output, "EACCES\nEACCES\n");
}

TEST_F(RightsTest, Read)
{
	EXPECT_EQ(
	    run({"--read", "data"}, {"read", "data/file", "data/sub/file", "other/file"}).output,
	    "ok\nok\nEACCES\n");
	EXPECT_EQ(
	    run({"-r", directory + "/data/file"}, {"read", "data/file", "data/sub/file"}).output,
	    "ok\nEACCES\n");
	EXPECT_EQ(run({"-r", "data"}, {"write", "data/file", "data/new"}).output,
		  "EACCES\nEACCES\n");
	/* By every way to write the name down. */
	for (const char *name : {"./data/", "data//.", "other/../data", "link"})
		EXPECT_EQ(run({"-r", name}, {"read", "data/file", "other/file"}).output,
			  "ok\nEACCES\n")
		    << name;
	EXPECT_EQ(run({"-r", "link"}, {"read", "link/file"}).output, "ok\n");
	EXPECT_EQ(run({"-r", "/"}, {"read", "data/file", "/"}).output, "ok\nok\n");
}

TEST_F(RightsTest, WildcardsStandForThemselves)
{
	EXPECT_EQ(run({"-r", "a*b"}, {"read", "a*b", "axb"}).output, "ok\nEACCES\n");
}

TEST_F(RightsTest, Write)
{
	EXPECT_EQ(run({"--write", "data"}, {"write", "data/file", "data/new", "other/file"}).output,
		  "ok\nok\nEACCES\n");
	EXPECT_EQ(run({"-w", "data"}, {"rename", "data/new", "data/sub/new"}).output, "ok\n");
	EXPECT_EQ(run({"-w", "data"}, {"rename", "data/file", "other/new"}).output, "EACCES\n");
	/* A file that is still to be made. */
	EXPECT_EQ(run({"-w", "other/made"}, {"write", "other/made", "other/too"}).output,
		  "ok\nEACCES\n");
	EXPECT_EQ(run({"-w", "data"}, {"execute", "/bin/true"}).output, "EACCES\n");
}

TEST_F(RightsTest, Execute)
{
	std::string guest = program("run-guest");

	EXPECT_EQ(run({"--execute", guest}, {"execute", guest, "exit", "8"}).status, 8);
	EXPECT_EQ(run({"--execute", program("")}, {"execute", guest, "exit", "8"}).status, 8);
	EXPECT_EQ(run({"--execute", guest}, {"execute", "/bin/true"}).output, "EACCES\n");
}

/* Modes, times, links and FIFOs, by name and by descriptor, as archives and copies keep them. */
TEST_F(RightsTest, OrdinaryToolsKeepWhatTheyCopy)
{
	const std::string
	    make = "mkdir data/src && cd data/src && echo text >file && chmod 640 file && "
		   "touch -d 2001-02-03T04:05:06Z file && ln file hard && "
		   "ln -s file soft && mkfifo -m 600 fifo && cd .. && ",
	    copy = "cp -a src copied && tar cf all.tar src && mkdir out && "
		   "tar xf all.tar -C out && ",
	    tell = "for d in copied out/src; do stat -c '%a %h %Y' $d/file; "
		   "readlink $d/soft; test -p $d/fifo && ls -l $d >/dev/null; done";
	const Words options = {"run",  "-w",        "data", "-r", "other", "--execute",
			       "/usr", "--execute", "/bin", "--", "sh",    "-c"};
	Words words = options;

	words.push_back(make + copy + tell);
	Result result = command(words);
	EXPECT_EQ(result.output, "640 2 981173106\nfile\n640 2 981173106\nfile\n") << result.errors;
	EXPECT_EQ(result.status, 0) << result.errors;
	for (const char *change :
	     {"chmod 600 other/file", "touch other/file", "truncate -s 0 other/file",
	      "ln -s x other/soft", "ln data/file other/hard", "mkfifo other/fifo",
	      "cp -a data/file other/copy"}) {
		words = options;
		words.push_back(change);
		EXPECT_EQ(command(words).status, 1) << change;
	}
	EXPECT_EQ(read_file(directory + "/other/file"), "text");
}

TEST_F(RightsTest, NamesThatAreNotThereAreMistakes)
{
	for (const char *option : {"--read", "--execute"}) {
		Result result = run({option, "missing"}, {"exit", "0"});

		EXPECT_EQ(result.status, 125);
		EXPECT_TELLS(result, std::string("command line ") + option +
					 ": missing: No such file or directory");
	}
	EXPECT_EQ(run({"-w", "missing/../file"}, {"exit", "0"}).status, 125);
	EXPECT_EQ(run({"-w", std::string(5000, 'x')}, {"exit", "0"}).status, 125);
	write_file(directory + "/line\nend", "");
	EXPECT_TELLS(run({"-r", "line\nend"}, {"exit", "0"}), "no rule can hold this name");
	write_file(directory + "/p",
		   "policy p\ninclude program\nfiles { deny " + directory + "/data/** }\n");
	EXPECT_TELLS(run({"-p", "p", "-r", "data"}, {"exit", "0"}), "or the policy denies it");
}

/* ---- policies and limits ---- */

/* Somebody on the loopback device who answers everybody with one page, one after the other. */
class PageServer
{
      public:
	PageServer()
	{
		struct sockaddr_in address = {};
		socklen_t size = sizeof(address);

		address.sin_family = AF_INET;
		address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		EXPECT_EQ(bind(listener_, reinterpret_cast<sockaddr *>(&address), sizeof(address)),
			  0);
		EXPECT_EQ(listen(listener_, 16), 0);
		EXPECT_EQ(getsockname(listener_, reinterpret_cast<sockaddr *>(&address), &size), 0);
		port_ = ntohs(address.sin_port);
		thread_ = std::thread([this] { serve(); });
	}
	~PageServer()
	{
		shutdown(listener_, SHUT_RDWR);
		thread_.join();
		close(listener_);
	}
	PageServer(const PageServer &) = delete;
	PageServer &operator=(const PageServer &) = delete;
	std::string port() const
	{
		return std::to_string(port_);
	}

      private:
	void serve() const
	{
		static const char page[] = "HTTP/1.0 200 OK\r\nContent-Length: 6\r\n\r\nhello\n";

		for (int fd; (fd = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC)) >= 0;) {
			std::string asked;
			char byte;

			while (asked.find("\r\n\r\n") == std::string::npos &&
			       read(fd, &byte, 1) == 1)
				asked += byte;
			EXPECT_EQ(send(fd, page, sizeof(page) - 1, MSG_NOSIGNAL),
				  static_cast<ssize_t>(sizeof(page) - 1));
			close(fd);
		}
	}
	int listener_ = -1;
	uint16_t port_ = 0;
	std::thread thread_;
};

TEST_F(RightsTest, Connect)
{
	static const char script[] =
	    "import socket, sys, urllib.request\n"
	    "port = int(sys.argv[1])\n"
	    "print(urllib.request.urlopen('http://127.0.0.1:%d/' % port).read())\n"
	    "s = socket.create_connection(('localhost', port), timeout=60)\n"
	    "s.sendall(b'GET / HTTP/1.0\\r\\n\\r\\n')\n"
	    "print(s.makefile('rb').read().split()[-1])\n";
	static const char other[] = "import socket, sys\n"
				    "try: socket.create_connection((sys.argv[2], "
				    "int(sys.argv[1])))\n"
				    "except OSError as e: print(e.strerror)\n";
	PageServer server;
	const std::string address = "127.0.0.1:" + server.port();

	for (const char *way : {"auto", "trap", "notify"})
		for (const std::string &granted :
		     {address, "tcp:" + address, "127.0.0.0/8:" + server.port(),
		      "*:" + server.port()}) {
			Result result =
			    command({"run", "--interception", way, "--connect", granted, "--",
				     "/usr/bin/python3", "-c", script, server.port()});

			EXPECT_EQ(result.status, 0) << result.errors;
			EXPECT_EQ(result.output, "b'hello\\n'\nb'hello'\n") << way << granted;
		}
	Result denied = command({"run", "--verbose", "--connect", address, "--", "/usr/bin/python3",
				 "-c", other, server.port(), "127.0.0.2"});
	EXPECT_EQ(denied.output, "Permission denied\n");
	EXPECT_TELLS(denied, "connect of \"127.0.0.2:" + server.port() +
				 "\" refused with EACCES: no right to connect");
	denied =
	    command({"run", "--", "/usr/bin/python3", "-c", other, server.port(), "127.0.0.1"});
	EXPECT_EQ(denied.output, "Address family not supported by protocol\n");
	for (const char *wrong : {"localhost:80", "tcp:127.0.0.1", "127.0.0.1:http", "[::1:80"}) {
		Result result = command({"run", "--connect", wrong, "--", "true"});

		EXPECT_EQ(result.status, 125) << wrong;
		EXPECT_TELLS(result, "expected an address and a port");
	}
}

/* What the policy leaves to the kernel in a network that is the sandbox's own. */
const char kInside[] =
    "syscalls { allow socket(domain == AF_INET), socket(domain == AF_INET6), bind, listen, "
    "accept4, connect; deny socket as EAFNOSUPPORT }\n";

/* Serves itself, in TCP and UDP of both families; and looks for the port of another server, natively here. */
const char kInsideScript[] =
    "import errno, socket, sys\n"
    "for family, host in (socket.AF_INET, '127.0.0.1'), (socket.AF_INET6, '::1'):\n"
    "    with socket.socket(family) as server, socket.socket(family) as client:\n"
    "        server.bind((host, 0))\n"
    "        server.listen()\n"
    "        client.connect(server.getsockname())\n"
    "        client.sendall(b'stream')\n"
    "        print(server.accept()[0].recv(100).decode())\n"
    "    with socket.socket(family, socket.SOCK_DGRAM) as server:\n"
    "        server.bind((host, 0))\n"
    "        server.sendto(b'datagram', server.getsockname())\n"
    "        print(server.recv(100).decode())\n"
    "for host in '127.0.0.1', '192.0.2.1':\n"
    "    with socket.socket() as client:\n"
    "        print(errno.errorcode[client.connect_ex((host, int(sys.argv[1])))])\n"
    "try: socket.socket(socket.AF_UNIX)\n"
    "except OSError as error: print(errno.errorcode[error.errno])\n";

TEST_F(RightsTest, ANetworkOfItsOwnReachesItselfAndNobodyElse)
{
	PageServer outside;

	write_file(directory + "/inside", std::string("policy p\ninclude program\n") + kInside);
	for (const char *way : {"trap", "notify"}) {
		Result result = command({"run", "-p", "./inside", "--interception", way, "--",
					 "/usr/bin/python3", "-c", kInsideScript, outside.port()});

		EXPECT_EQ(result.status, 0) << result.errors;
		EXPECT_EQ(result.output,
			  "stream\ndatagram\nstream\ndatagram\nECONNREFUSED\nENETUNREACH\n"
			  "EAFNOSUPPORT\n");
	}
}

/* The second wall stays where the policy lets nothing through, and where the network may be that of others. */
TEST_F(RightsTest, ANetworkThatMayBeThatOfOthersStaysClosed)
{
	static const char script[] =
	    "import errno, socket, sys\n"
	    "with socket.socket() as client, socket.socket() as server:\n"
	    "    print(errno.errorcode[client.connect_ex(('127.0.0.1', int(sys.argv[1])))])\n"
	    "    try: server.bind(('127.0.0.1', 0))\n"
	    "    except OSError as error: print(errno.errorcode[error.errno])\n";
	static const struct {
		const char *rules, *said;
	} policies[] = {
	    {"isolate { user; pid; mount; network optional; ipc; uts; landlock }\n",
	     "EACCES\nEACCES\n"},
	    {"isolate { user; pid; mount; ipc; uts; landlock }\n", "EACCES\nEACCES\n"},
	    {"syscalls { allow socket(domain == AF_INET); deny connect as EXDEV; deny bind as EDOM "
	     "}\n",
	     "EXDEV\nEDOM\n"},
	};
	PageServer outside;

	if (syscall(SYS_landlock_create_ruleset, nullptr, 0, 1) < 4)
		GTEST_SKIP() << "the kernel's Landlock knows no network";
	for (const auto &policy : policies) {
		write_file(directory + "/closed",
			   std::string("policy p\ninclude program\n") + policy.rules +
			       (strstr(policy.rules, "syscalls") ? "" : kInside));
		Result result = command({"run", "-p", "./closed", "--", "/usr/bin/python3", "-c",
					 script, outside.port()});

		EXPECT_EQ(result.status, 0) << result.errors;
		EXPECT_EQ(result.output, policy.said) << policy.rules;
	}
}

/* Who asks for a name that nobody has is told so, whatever services the machine has to ask for more names: libc would
 * give back the error with which they are refused. */
TEST_F(RunTest, NamesThatNobodyHasAreNoError)
{
	for (const char *way : {"trap", "notify"}) {
		Result result =
		    command({"run", "--interception", way, "--", "/usr/bin/perl", "-e",
			     "$! = 0; my @g = getgrnam('nobody-has-it'); print @g + 0, $! + 0;"
			     "$! = 0; my @u = getpwnam('nobody-has-it'); print @u + 0, $! + 0;"
			     "print(opendir(D, '/run/systemd/userdb') ? 'open' : $!{ENOENT} ? "
			     "'missing' : $!)"});

		EXPECT_EQ(result.output, "0000missing") << way << result.errors;
	}
}

/* Of a device the harmless question passes, and the order to it does not. */
TEST_F(RunTest, TheEntropyOfTheMachineIsReadAndNotChanged)
{
	/* RNDGETENTCNT and RNDADDTOENTCNT */
	static const char script[] =
	    "open(my $device, '<', '/dev/urandom') or die; my $count = pack('i', 0);"
	    "print ioctl($device, 0x80045200, $count) ? 'read ' : 'refused ';"
	    "print ioctl($device, 0x40045201, $count) ? 'changed' : $!{ENOTTY} ? 'refused' : $!";
	Result result = command({"run", "--", "/usr/bin/perl", "-e", script});

	EXPECT_EQ(result.output, "read refused") << result.errors;
}

/* The same of the flags of a file. */
TEST_F(RunTest, TheFlagsOfAnOpenFileAreReadAndNotChanged)
{
	/* FIGETBSZ and FS_IOC_SETFLAGS */
	static const char script[] =
	    "open(my $file, '+>', 'new') or die; my $value = my $none = pack('q', 0);"
	    "print ioctl($file, 2, $value) && unpack('i', $value) ? 'read ' : 'refused ';"
	    "print ioctl($file, 0x40086602, $none) ? 'changed' : $!{ENOTTY} ? 'refused' : $!";
	Result result = command({"run", "-w", ".", "--", "/usr/bin/perl", "-e", script});

	EXPECT_EQ(result.output, "read refused") << result.errors;
}

/* An empty word, as of a variable that is not set, would be the working directory. */
TEST_F(RightsTest, AnEmptyNameGrantsNothing)
{
	for (const char *option : {"--read", "--write", "--execute", "--connect", "--bind"}) {
		Result result = run({option, ""}, {"read", "data/file"});

		EXPECT_EQ(result.status, 125) << option;
		EXPECT_TELLS(result, std::string(option) + ": a name is missing");
	}
}

TEST_F(RightsTest, WhatIsToBeMadeMayBecomeAFolder)
{
	for (const char *way : {"notify", "trap"})
		EXPECT_EQ(
		    command({"run", "--interception", way, "-w", std::string("made-") + way, "--",
			     "/usr/bin/perl", "-e",
			     "mkdir $ARGV[0] or die $!; open F, '>', \"$ARGV[0]/new\" or die $!; "
			     "print open(F, '>', \"$ARGV[0]-too\") ? 'more' : $!",
			     std::string("made-") + way})
			.output,
		    "Permission denied");
	Result result = run({"-w", "missing/new"}, {"write", "missing/new"});
	EXPECT_EQ(result.status, 125);
	EXPECT_TELLS(result, "--write: missing/new: No such file or directory");
}

TEST_F(RightsTest, Bind)
{
	static const char script[] =
	    "import socket, sys\n"
	    "server = socket.socket(socket.AF_UNIX); client = socket.socket(socket.AF_UNIX)\n"
	    "try:\n"
	    "    server.bind(sys.argv[1]); server.listen(); client.connect(sys.argv[1])\n"
	    "    server.accept()[0].sendall(b'hello'); print(client.recv(9))\n"
	    "except OSError as e: print(e.strerror)\n";
	const auto serve = [this](Words options, const std::string &name) {
		Words words = {"run"};

		words.insert(words.end(), options.begin(), options.end());
		words.insert(words.end(), {"--", "/usr/bin/python3", "-c", script, name});
		return command(words);
	};

	for (const char *way : {"notify", "trap"}) {
		const Words options = {"--interception", way,         "--bind",
				       "data",           "--connect", "data"};
		const std::string name = std::string("data/") + way;

		EXPECT_EQ(serve(options, name).output, "b'hello'\n");
		EXPECT_EQ(serve(options, name).output, "Address already in use\n");
		EXPECT_EQ(serve(options, "other/" + name.substr(5)).output, "Permission denied\n");
	}
	EXPECT_EQ(serve({"--bind", "data/new", "--connect", "data"}, "data/new").output,
		  "b'hello'\n");
	/* It may make one, and reach none; all that it may reach, it may not make. */
	EXPECT_EQ(serve({"--bind", "data"}, "data/alone").output, "Permission denied\n");
	EXPECT_EQ(serve({"--connect", "data"}, "data/other").output, "Permission denied\n");
	EXPECT_EQ(serve({"-w", "data"}, "data/other").output, "Permission denied\n");
	Result result = serve({"--bind", "missing/new"}, "missing/new");
	EXPECT_EQ(result.status, 125);
	EXPECT_TELLS(result, "--bind: missing/new: No such file or directory");
}

/* A socket that is passed stays in the network that it was made in, and the kernel would point it anywhere there. */
TEST_F(RightsTest, ASocketOfAnotherNetworkLeadsNowhereElse)
{
	static const char script[] =
	    "import errno, socket, sys\n"
	    "passed = socket.socket(fileno=9)\n"
	    "passed.setblocking(True)\n"
	    "print(errno.errorcode.get(passed.connect_ex(('127.0.0.1', int(sys.argv[1])))))\n"
	    "try: print(passed.bind(('127.0.0.1', 0)))\n"
	    "except OSError as error: print(errno.errorcode[error.errno])\n";
	PageServer outside;

	if (syscall(SYS_landlock_create_ruleset, nullptr, 0, 1) < 4)
		GTEST_SKIP() << "the kernel's Landlock knows no network";
	write_file(directory + "/inside", std::string("policy p\ninclude program\n") + kInside);
	for (const char *way : {"trap", "notify"}) {
		Result result = command({"run", "-p", "./inside", "--pass=9", "--interception", way,
					 "--", "/usr/bin/python3", "-c", script, outside.port()},
					"", [] {
						int fd = socket(AF_INET, SOCK_STREAM, 0);

						(void)dup2(fd, 9);
					});

		EXPECT_EQ(result.status, 0) << result.errors;
		EXPECT_EQ(result.output, "EACCES\nEACCES\n");
	}
}

TEST_F(RunTest, PoliciesAreFilesOrPresets)
{
	write_file(directory + "/mine",
		   "policy mine\ninclude program\nfiles { read " + directory + "/file }\n");
	write_file(directory + "/file", "");
	/* What lies about does not take the place of a preset. */
	write_file(directory + "/program", "policy program\nsyscalls { default kill }\n");
	EXPECT_EQ(run({"--policy", "mine"}, {"read", "file"}).output, "ok\n");
	EXPECT_EQ(run({"-p", "./mine", "-w", "."}, {"write", "new"}).output, "ok\n");
	EXPECT_EQ(run({"-p", "program"}, {"read", "file"}).output, "EACCES\n");
}

TEST_F(RunTest, PoliciesHaveNamesAndParameters)
{
	write_file(directory + "/two",
		   "policy none\ninclude program\n"
		   "policy one(folder)\ninclude program\nfiles { read ${folder}/* }\n");
	write_file(directory + "/file", "");
	for (const char *name : {"two#one", "./two#one"})
		EXPECT_EQ(run({"-p", name, "-D", "folder=" + directory}, {"read", "file"}).output,
			  "ok\n");
	EXPECT_EQ(run({"-p", "two#none"}, {"read", "file"}).output, "EACCES\n");
	for (const Words &options :
	     {Words{"-p", "two#one"}, Words{"-p", "two#none", "-D", "folder=/x"},
	      Words{"-p", "two#three"}, Words{"-D", "folder"}, Words{"-D", "=x"}}) {
		Result result = run(options, {"exit", "0"});

		EXPECT_EQ(result.status, 125);
		EXPECT_NE(result.errors, "");
	}
}

TEST_F(RunTest, AllMistakesOfAPolicyAreTold)
{
	write_file(directory + "/bad.policy",
		   "policy bad\nsyscalls { alow read }\nlimits { memory 1 }\n");
	Result result = run({"--policy", "bad.policy"}, {"exit", "0"});

	EXPECT_EQ(result.status, 125);
	EXPECT_TELLS(result, "./bad.policy:2:12: error: unknown verdict \"alow\"");
	EXPECT_TELLS(result, "did you mean \"allow\"?");
	EXPECT_TELLS(result, "./bad.policy:3:17: error: ");
	result = run({"--policy", "progam"}, {"exit", "0"});
	EXPECT_EQ(result.status, 125);
	EXPECT_TELLS(result, "did you mean \"program\"?");
	EXPECT_EQ(run({"--policy", "/no/such/policy"}, {"exit", "0"}).status, 125);
}

TEST_F(RunTest, LimitsAreThoseOfThePolicyLanguage)
{
	EXPECT_EQ(run({"--limit", "memory=512M", "--limit", "cpu=5s", "--limit=files=64",
		       "--limit=file-size=1K"},
		      {"limits"})
		      .output,
		  "536870912\n5\n64\n1024\n");
	for (const char *wrong : {"memory", "memory=", "memory=1", "memroy=1G", "=1G", ""}) {
		Result result = run({std::string("--limit=") + wrong}, {"exit", "0"});

		EXPECT_EQ(result.status, 125) << wrong;
		EXPECT_TELLS(result, "expected a limit and a value");
	}
	EXPECT_TELLS(run({"--limit=files=0"}, {"exit", "0"}), "out of range");
}

TEST_F(RunTest, OverItsTimeItIsKilled)
{
	Result result = run({"--limit", "wall=100ms"}, {"signals"});

	EXPECT_EQ(result.status, 128 + SIGKILL);
	EXPECT_TELLS(result, "over its wall-clock limit");
}

/* ---- interception ---- */

struct Choice {
	std::vector<std::string> options, words;
	const char *why; /* NULL: trap */
};

TEST_F(RunTest, AutoIsTrapWhereItCanBeAndSaysWhy)
{
	const std::string folder = directory;
	const Choice choices[] = {
	    {{}, {"cat", "/etc/hostname"}, nullptr},
	    {{"--execute", "/usr/bin"}, {"cat", "/etc/hostname"}, "lets it execute programs"},
	    {{"--limit", "files=1023"}, {"cat", "/etc/hostname"}, "limit on open files"},
	    {{"--policy", folder + "/mute"}, {"cat", "/etc/hostname"}, "refuses it write"},
	    {{}, {program("run-guest"), "exit", "0"}, "linked statically"},
	    {{"-r", "."}, {"./script"}, nullptr},
	    {{"-r", "."}, {"./static-script"}, "linked statically"},
	};
	write_file(directory + "/mute",
		   "policy mute\ninclude program\nsyscalls { deny write as EBADF }\n");
	write_file(directory + "/script", "#!/bin/cat\n");
	write_file(directory + "/static-script", "#!" + program("run-guest") + " exit\n");
	for (const char *name : {"/script", "/static-script"})
		ASSERT_EQ(chmod((directory + name).c_str(), 0755), 0);

	for (const Choice &choice : choices) {
		for (const char *way : {"auto", "trap"}) {
			std::vector<std::string> words = {"run", "-v", "--interception", way};

			words.insert(words.end(), choice.options.begin(), choice.options.end());
			words.push_back("--");
			words.insert(words.end(), choice.words.begin(), choice.words.end());
			Result result = command(words);
			if (!choice.why) {
				EXPECT_TELLS(result, "interception trap: ");
				EXPECT_FALSE(contains(result.errors, "did not come to work"));
				EXPECT_EQ(result.status, 0);
			} else if (way == std::string("auto")) {
				EXPECT_TELLS(result, "interception notify: ");
				EXPECT_TELLS(result, choice.why);
			} else {
				EXPECT_EQ(result.status, 125);
				EXPECT_TELLS(result, "--interception trap: ");
				EXPECT_TELLS(result, choice.why);
				EXPECT_TELLS(result, "notify");
				EXPECT_EQ(result.output, "");
			}
		}
	}
	EXPECT_TELLS(run({"-v", "--interception=notify"}, {"exit", "0"}),
		     "interception notify: asked for");
	Result result = run({"--interception=trip"}, {"exit", "0"});
	EXPECT_EQ(result.status, 125);
	EXPECT_TELLS(result, "expected auto, notify or trap");
}

/* Whatever the loader is told for our sake, the program has the environment that it would have had. */
TEST_F(RunTest, TheEnvironmentShowsNothingOfTheRuntime)
{
	for (const char *preload :
	     {"", "LD_PRELOAD=libm.so.6", "LD_PRELOAD=libm.so.6:libdl.so.2"}) {
		const std::string expected =
		    std::string("A=1\n") + (*preload ? preload + std::string("\n") : "") + "Z=26\n";
		std::vector<std::string> words = {"run", "--interception=trap"};

		for (const char *variable : {"A=1", preload, "Z=26"}) {
			if (!*variable)
				continue;
			words.push_back("--setenv");
			words.push_back(variable);
		}
		std::vector<std::string> shown = words;
		for (const char *word : {"--", "env"})
			shown.push_back(word);
		Result result = command(shown, "", [] { clearenv(); });
		EXPECT_EQ(result.output, expected) << result.errors;
		EXPECT_EQ(result.errors, "");
		std::vector<std::string> kept = words;
		for (const char *word : {"--", "cat", "/proc/self/environ"})
			kept.push_back(word);
		result = command(kept, "", [] { clearenv(); });
		EXPECT_EQ(result.output.find("sallyport"), std::string::npos);
		EXPECT_NE(result.output.find("Z=26"), std::string::npos);
	}
}

/* ---- the runtime's descriptors ---- */

/* What a program sees of its descriptors, and whether names lead to them. Those of whoever started it are closed, and there
 * are some on both sides of the runtime's. */
const char list_descriptors[] = R"(
	use POSIX;
	POSIX::close($_) for 3 .. 1100;
	POSIX::dup2(0, $_) for (1000, 1021, 1024);
	my $me = $$;
	sub listed {
		my ($where) = @_;
		opendir(my $d, $where) or return print "$where: $!\n";
		$! = 0;
		while (defined(my $name = readdir $d)) { print $name, '>', telldir($d), ' '; }
		print "$where: $!\n";
		my %at;
		rewinddir $d;
		while (defined(my $name = readdir $d)) { $at{$name} = telldir $d; }
		for my $name (sort keys %at) {
			seekdir $d, $at{$name};
			print $name, '-', readdir($d) // 'end', ' ';
		}
		print "\n";
		for my $n (1020 .. 1024) {
			print "$n ", -l "$where/$n" ? 'link' : -e _ ? 'file' : $!, ' ',
			    defined readlink("$where/$n") ? 'text' : $!, ' ',
			    open(my $f, '<', "$where/$n") ? 'open' : $!, "\n";
		}
	}
	sub all { listed($_) for '/proc/self/fd', '/proc/thread-self/fd', '/proc/self/fdinfo', '/dev/fd',
		"/proc/self/task/$$/fd", "/proc/self/../self/fd"; }
	$| = 1;
	all();
	opendir(my $parents, '/proc/self/fd');
	my $child = fork;
	if ($child == 0) { print join(' ', readdir $parents), "\n"; all(); exit 7; }
	waitpid $child, 0;
	print $? >> 8, "\n";
)";

/* A child's numbers are other ones, and so is what only root may open. */
std::string natively(const std::string &text)
{
	std::string output;
	FILE *pipe = popen(("perl -e '" + text + "' </dev/null").c_str(), "re");
	char bytes[4096];
	size_t n;

	if (!pipe)
		return "";
	while ((n = fread(bytes, 1, sizeof(bytes), pipe)) > 0)
		output.append(bytes, n);
	pclose(pipe);
	return output;
}

std::string quoted(std::string text)
{
	for (size_t at = 0; (at = text.find('\'', at)) != std::string::npos; at += 4)
		text.replace(at, 1, "'\\''");
	return text;
}

std::string without_pids(std::string text)
{
	const std::string task = "/task/";

	for (size_t at = 0; (at = text.find(task, at)) != std::string::npos;) {
		at += task.size();
		text.erase(at, text.find_first_not_of("0123456789", at) - at);
	}
	return text;
}

TEST_F(RunTest, TheRuntimesDescriptorsAreNotListed)
{
	const std::string native = without_pids(natively(quoted(list_descriptors)));

	EXPECT_TRUE(contains(native, "1021>"));
	EXPECT_FALSE(contains(native, "1022>"));
	for (const char *way : {"notify", "trap"}) {
		Result result = command(
		    {"run", "-v", "--interception", way, "--", "perl", "-e", list_descriptors});

		EXPECT_TELLS(result, std::string("interception ") + way + ": ");
		EXPECT_EQ(without_pids(result.output), native) << way;
	}
}

/* Where a policy looks at the call, the kernel answers it as the policy says, and the handler makes none. */
TEST_F(RunTest, WhoMayNotListDirectoriesIsToldSo)
{
	const std::string list =
	    "opendir(D, $ARGV[0]) or die $!; $! = 0; print join(' ', sort readdir D),"
	    " ($!{EPERM} ? 'EPERM' : $!)";
	const struct {
		const char *rule, *fd, *other;
	} cases[] = {
	    {"deny getdents64 as EPERM", "EPERM", "EPERM"},
	    {"errno EPERM getdents64", "EPERM", "EPERM"},
	    {"deny getdents64(size == 8) as EPERM", ". .. 0 1 1022 1023 2 3", ". .. a"},
	    {"allow getdents64", ". .. 0 1 2 3", ". .. a"},
	};

	ASSERT_EQ(mkdir((directory + "/d").c_str(), 0755), 0);
	write_file(directory + "/d/a", "");
	for (const auto &c : cases)
		for (bool within : {false, true}) {
			const std::string rules = std::string("include program\nsyscalls { ") +
						  c.rule + " }\nfiles { read " + directory +
						  "/** }\n";

			write_file(directory + "/p",
				   within ? "policy outer\n" + rules +
						"policy p\ninclude "
						"program\nwithin outer\nfiles { read " +
						directory + "/** }\n"
					  : "policy p\n" + rules);
			for (const std::string &name :
			     {std::string("/proc/self/fd"), directory + "/d"}) {
				Result result =
				    command({"run", "-v", "--interception", "trap", "-p", "./p#p",
					     "--", "perl", "-e", list, name});

				EXPECT_EQ(result.status, 0) << result.errors;
				EXPECT_TELLS(result, "interception trap: ");
				EXPECT_EQ(result.output, name == "/proc/self/fd" ? c.fd : c.other)
				    << c.rule << within << result.errors;
			}
		}
}

/* ---- what the manual's CAVEATS say ---- */

/* The name of the error, or the result, of a call by its number. */
const char ask_kernel[] = R"(
	use Errno; use Fcntl; use POSIX ();
	my $w = shift @ARGV;
	my $buffer = "\0" x 512;
	sub told { my $r = shift; return $r if $r != -1; for (qw(EACCES EPERM ENOSYS EINVAL EXDEV ENOENT
		EAFNOSUPPORT EROFS ENXIO ENOTTY)) { return $_ if $!{$_} } return "$!"; }
	sub call { my ($nr, @copies) = @_; return told(syscall($nr, @copies)); }
	sub mode { return sprintf '%o', (stat $_[0])[2] & 07777; }
)";

std::string numbers(std::initializer_list<long> list)
{
	std::string text;

	for (long number : list)
		text += (text.empty() ? "" : ", ") + std::to_string(number);
	return text;
}

TEST_F(RunTest, TheManualSaysWhatDiffers)
{
	const struct {
		std::string perl, expected;
	} probes[] = {
	    {"call(" + std::to_string(SYS_stat) + ", '/nowhere/at/all', $buffer)", "EACCES"},
	    {"call(" + std::to_string(SYS_stat) + ", '/', $buffer)", "0"},
	    {"call(" + std::to_string(SYS_stat) + ", '/usr/nowhere', $buffer)", "ENOENT"},
	    {"call(" + std::to_string(SYS_access) + ", '/bin/true', 1)", "EACCES"},
	    {"call(" + std::to_string(SYS_access) + ", '/bin/true', 4)", "0"},
	    {"join ' ', told(chmod(06755, \"$w/f\") - 1), mode(\"$w/f\")", "0 755"},
	    {"umask 0; join ' ', told(mkdir(\"$w/d\", 03777) - 1), mode(\"$w/d\")", "0 777"},
	    {"call(" + std::to_string(SYS_chown) + ", \"$w/f\", 1, 1)", "EPERM"},
	    {"call(" + std::to_string(SYS_mknod) + ", \"$w/n\", 020600, 0x103)", "EPERM"},
	    {"told(sysopen(F, \"$w/two\", O_WRONLY) ? 0 : -1)", "EACCES"},
	    {"call(" + std::to_string(SYS_link) + ", \"$w/../r\", \"$w/l\")", "EXDEV"},
	    {"call(" + std::to_string(SYS_setxattr) + ", \"$w/f\", 'trusted.a', 'a', 1, 0)",
	     "EPERM"},
	    {"told(open(F, '<', '/proc/1/status') ? 0 : -1)", "EACCES"},
	    {"told(defined readlink('/proc/self/ns/pid') ? 0 : -1)", "EACCES"},
	    {"join ' ', map { call($_, 0, 0, 0, 0, 0) } " +
		 numbers({SYS_fanotify_init, SYS_seccomp, SYS_keyctl, SYS_kcmp, SYS_pidfd_getfd,
			  SYS_mq_open, SYS_clone3, 444 /* landlock_create_ruleset */, 9999}),
	     "ENOSYS ENOSYS ENOSYS ENOSYS ENOSYS ENOSYS ENOSYS ENOSYS ENOSYS"},
	    {"join ' ', map { call($_, 0x10000000, 0, 0, 0, 0) } " +
		 numbers({SYS_unshare, SYS_setns, SYS_mount, SYS_chroot, SYS_ptrace,
			  SYS_process_vm_readv, SYS_bpf, SYS_perf_event_open, SYS_io_uring_setup,
			  SYS_userfaultfd, SYS_open_by_handle_at, SYS_clone, SYS_personality,
			  SYS_clock_settime, SYS_sethostname, SYS_reboot}),
	     "EPERM EPERM EPERM EPERM EPERM EPERM EPERM EPERM EPERM EPERM EPERM EPERM EPERM EPERM "
	     "EPERM EPERM"},
	    /* PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_CHILD_SUBREAPER; PR_GET_DUMPABLE, PR_SET_NO_NEW_PRIVS */
	    {"join ' ', map { call(" + std::to_string(SYS_prctl) +
		 ", $_, 1, 0, 0, 0) } 1, 4, 36, 3, 38",
	     "EPERM EPERM EPERM 1 0"},
	    {"join ' ', map { call(" + std::to_string(SYS_prctl) + ", $_, 0, 0, 0, 0) } 4, 3",
	     "0 1"},
	    {"join ' ', map { call($_, 12345) } " + numbers({SYS_setuid, SYS_setgid}),
	     geteuid() == 0 ? "EPERM EPERM" : "EINVAL EINVAL"},
	    {"told(kill(0, 0) ? 0 : -1)", "EPERM"},
	    {"(POSIX::uname())[1]", "sallyport"},
	    {"chdir $w; my @r = map { mkdir('x' x 250) && chdir('x' x 250) ? 0 : $!{ENAMETOOLONG} "
	     "? 'long' : 'other' } 1 .. 17; chdir '/'; $r[0] . $r[16]",
	     "0long"},
	    {"join ' ', $$, getppid(), getpgrp(0), POSIX::getpid()", "2 0 0 2"},
	    {"open(F, '<', '/proc/self/limits'); join ' ', map { (split)[4] } grep /core/, <F>",
	     "1"},
	    {"join ' ', map { told(fcntl(STDIN, $_, 1) ? 0 : -1) } 1024, 1026, 8",
	     "EINVAL EINVAL EINVAL"},
	    {"told(fcntl(STDIN, F_SETFL, 020000) ? 0 : -1)", "EINVAL"},
	    {"told(ioctl(STDIN, 0x5412, my $a = 'a') ? 0 : -1)", "ENOTTY"},
	    {"join ' ', map { call(" + std::to_string(SYS_socket) +
		 ", @$_, 0) } [2, 1], [2, 2], [10, 1], [16, 3], [1, 2]",
	     "EAFNOSUPPORT EAFNOSUPPORT EAFNOSUPPORT EAFNOSUPPORT EAFNOSUPPORT"},
	    {"call(" + std::to_string(SYS_socket) + ", 1, 1, 0) > 2 ? 'given' : 'none'", "given"},
	    {"call(" + std::to_string(SYS_execve) + ", '/bin/true', 0, 0)", "EACCES"},
	    {"(stat '/etc/passwd')[4]", geteuid() == 0 ? "0" : "65534"},
	};
	std::string script = ask_kernel, expected;

	for (const auto &probe : probes) {
		script += "print do { " + probe.perl + " }, \"\\n\";\n";
		expected += probe.expected + "\n";
	}
	for (const char *way : {"notify", "trap"}) {
		const std::string w = directory + "/" + way;

		ASSERT_EQ(mkdir(w.c_str(), 0755), 0);
		write_file(directory + "/r", "");
		write_file(w + "/f", "");
		write_file(w + "/two", "");
		ASSERT_EQ(link((w + "/two").c_str(), (w + "/names").c_str()), 0);
		Result result = command({"run", "-v", "--interception", way, "-w", w, "-r",
					 directory + "/r", "--", "perl", "-e", script, w});

		EXPECT_TELLS(result, std::string("interception ") + way + ": ");
		EXPECT_EQ(result.output, expected) << result.errors;
	}
}

/* The runtime makes no call that the policy could end it for, but those that it is asked about before. */
TEST_F(RunTest, TheRuntimeAsksForNothingThatIsRefused)
{
	write_file(directory + "/strict", "policy strict\ninclude program\nsyscalls { kill "
					  "getsockopt, setsockopt, poll, ppoll, prctl, "
					  "sendmsg, sendto, recvmsg, recvfrom, fcntl, seccomp, "
					  "process_vm_readv, getppid, dup, dup2; "
					  "default kill }\n");
	Result result =
	    command({"run", "-v", "--interception=trap", "-p", "strict", "--", "/bin/true"});
	EXPECT_EQ(result.status, 0) << result.errors;
	EXPECT_TELLS(result, "interception trap: ");
	EXPECT_FALSE(contains(result.errors, "refused")) << result.errors;
	EXPECT_FALSE(contains(result.errors, "did not come to work")) << result.errors;
}

/* What locks itself is locked already, or gets a ring when it asks. */
TEST_F(RunTest, AProgramThatLocksItselfWorksEitherWay)
{
	std::string lock_self = program("lock-self");

	if (access(lock_self.c_str(), X_OK) < 0)
		GTEST_SKIP() << "the samples were not built";
	write_file(directory + "/good.xml", "<a><b/></a>");
	for (const char *way : {"trap", "notify"}) {
		Result result =
		    command({"run", std::string("--interception=") + way, "-r", ".", "-r",
			     program("../lib"), "--", lock_self, directory + "/good.xml"});
		EXPECT_EQ(result.status, 0) << way << result.errors;
		EXPECT_EQ(result.output, "2 elements\n");
		EXPECT_EQ(result.errors, "");
	}
}

/* ---- reports ---- */

using Json = std::unique_ptr<json_t, void (*)(json_t *)>;

std::vector<Json> parse_lines(const std::string &text)
{
	std::istringstream lines(text);
	std::vector<Json> values;
	std::string line;

	while (std::getline(lines, line)) {
		json_error_t error;

		values.emplace_back(json_loads(line.c_str(), JSON_REJECT_DUPLICATES, &error),
				    json_decref);
		EXPECT_NE(values.back().get(), nullptr) << error.text << ": " << line;
	}
	return values;
}

std::string text_of(const Json &object, const char *key)
{
	const char *text = json_string_value(json_object_get(object.get(), key));

	return text ? text : "(none)";
}

json_int_t number_of(const Json &object, const char *key)
{
	return json_integer_value(json_object_get(object.get(), key));
}

TEST_F(RunTest, ReportsAreLinesOfJson)
{
	write_file(directory + "/p.policy", "policy p\ninclude program\nfiles {\n\tdeny " +
						directory + "/no as ENOENT\n}\n");
	write_file(directory + "/yes", "");
	Result result = run({"-p", "p.policy", "-r", "yes", "--report", "out.json"},
			    {"read", "no", "yes", "other \"one\"\n"});
	ASSERT_EQ(result.output, "ENOENT\nok\nEACCES\n") << result.errors;
	std::vector<Json> lines = parse_lines(read_file(directory + "/out.json"));

	ASSERT_EQ(lines.size(), 4u);
	EXPECT_EQ(text_of(lines[0], "event"), "start");
	EXPECT_EQ(text_of(lines[0], "program"), program("run-guest"));
	EXPECT_EQ(text_of(lines[0], "policy"), "p");
	EXPECT_EQ(text_of(lines[0], "interception"), "notify");
	EXPECT_EQ(text_of(lines[1], "event"), "refusal");
	EXPECT_EQ(text_of(lines[1], "kind"), "path");
	EXPECT_TRUE(contains(text_of(lines[1], "call"), "open"));
	EXPECT_EQ(text_of(lines[1], "path"), directory + "/no");
	EXPECT_TRUE(json_is_null(json_object_get(lines[1].get(), "path2")));
	EXPECT_EQ(text_of(lines[1], "verdict"), "deny");
	EXPECT_EQ(text_of(lines[1], "errno"), "ENOENT");
	EXPECT_EQ(text_of(lines[1], "rule"), "./p.policy:4:7");
	EXPECT_GT(number_of(lines[1], "pid"), 1);
	EXPECT_GT(number_of(lines[1], "tid"), 0);
	EXPECT_TRUE(json_is_false(json_object_get(lines[1].get(), "tid_claimed")));
	EXPECT_TRUE(json_is_false(json_object_get(lines[1].get(), "violation")));
	EXPECT_EQ(number_of(lines[1], "suppressed"), 0);
	EXPECT_EQ(text_of(lines[2], "path"), directory + "/other \"one\"\\x0a");
	EXPECT_EQ(text_of(lines[2], "errno"), "EACCES");
	EXPECT_TRUE(json_is_null(json_object_get(lines[2].get(), "rule")));
	EXPECT_EQ(text_of(lines[3], "event"), "exit");
	EXPECT_EQ(text_of(lines[3], "cause"), "exited");
	EXPECT_EQ(number_of(lines[3], "exit"), 0);
}

// JSON is UTF-8, file names are bytes.
TEST_F(RunTest, ReportsHoldAnyName)
{
	std::string name = "./na\377me";

	ASSERT_EQ(symlink(program("run-guest").c_str(), (directory + "/" + name).c_str()), 0);
	EXPECT_EQ(command({"run", "--report", "out", name, "exit", "2"}).status, 2);
	std::vector<Json> lines = parse_lines(read_file(directory + "/out"));
	ASSERT_EQ(lines.size(), 2u);
	EXPECT_EQ(text_of(lines[0], "program"), "./na\\xffme");
}

TEST_F(RunTest, ReportsNameTheOptionThatDecided)
{
	write_file(directory + "/file", "");
	run({"-r", "file", "--report", "out"}, {"write", "file", "/usr/new"});
	std::vector<Json> lines = parse_lines(read_file(directory + "/out"));

	ASSERT_EQ(lines.size(), 4u);
	EXPECT_EQ(text_of(lines[1], "rule"), "command line --read");
	EXPECT_EQ(text_of(lines[2], "rule").rfind("preset program:", 0), 0u);
}

TEST_F(RunTest, ReportsOfCallsHaveAProgramCounter)
{
	run({"--report", "out"}, {"reach"});
	std::vector<Json> lines = parse_lines(read_file(directory + "/out"));
	bool seen = false;

	for (const Json &line : lines)
		if (text_of(line, "call") == "kill") {
			seen = true;
			EXPECT_EQ(text_of(line, "kind"), "call");
			EXPECT_EQ(text_of(line, "errno"), "EPERM");
			EXPECT_EQ(text_of(line, "pc").rfind("0x", 0), 0u);
			EXPECT_EQ(text_of(line, "rule").rfind("preset program:", 0), 0u);
		}
	EXPECT_TRUE(seen);
}

TEST_F(RunTest, AllReportsAreThereWhenTheCommandHasEnded)
{
	Words words = {"read"};

	words.insert(words.end(), 1000, "no");
	run({"--report", "out"}, words);
	std::vector<Json> lines = parse_lines(read_file(directory + "/out"));
	json_int_t told = 0, suppressed = 0;

	for (const Json &line : lines)
		if (text_of(line, "event") == "refusal") {
			told++;
			suppressed += number_of(line, "suppressed");
		}
	EXPECT_GE(told, 100);
	EXPECT_LE(told + suppressed, 1000);
}

TEST_F(RunTest, ReportsMayGoToStandardOutput)
{
	Result result = run({"--report", "-"}, {"signal", "9"});
	std::vector<Json> lines = parse_lines(result.output);

	EXPECT_EQ(result.status, 137);
	ASSERT_EQ(lines.size(), 2u);
	EXPECT_EQ(text_of(lines[1], "cause"), "signaled");
	EXPECT_EQ(number_of(lines[1], "status"), 9);
	EXPECT_EQ(number_of(lines[1], "exit"), 137);
}

TEST_F(RunTest, AReportThatCannotBeWrittenIsTold)
{
	Result result = run({"--report", "missing/out"}, {"exit", "0"});

	EXPECT_EQ(result.status, 125);
	EXPECT_TELLS(result, "--report: missing/out: No such file or directory");
	/* Once, and the program runs on. */
	result = run({"--report", "/dev/full"}, {"exit", "3"});
	EXPECT_EQ(result.status, 3);
	EXPECT_EQ(result.errors, "sallyport: --report: No space left on device\n");
}

TEST_F(RunTest, VerboseSaysWhatIsRefusedAndWhy)
{
	Result result = run({"-v"}, {"read", "no"});

	EXPECT_TELLS(result, "\"" + directory + "/no\" refused with EACCES");
	EXPECT_TELLS(result, "run-guest: exited with status 0\n");
	EXPECT_EQ(run({}, {"read", "no"}).errors, "");
}

/* ---- bad options ---- */

TEST_F(RunTest, BadOptionsAre125)
{
	const struct {
		Words words;
		const char *message;
	} rows[] = {
	    {{"run"}, "PROGRAM is missing"},
	    {{"run", "--"}, "PROGRAM is missing"},
	    {{"run", "--nonsense", "true"}, "unrecognized option '--nonsense'"},
	    {{"run", "-Z", "true"}, "invalid option -- 'Z'"},
	    {{"run", "--policy"}, "option '--policy' requires an argument"},
	    {{"run", "--verbose=3", "true"}, "doesn't allow an argument"},
	    {{"walk"}, "no such command: walk"},
	};

	for (const auto &row : rows) {
		Result result = command(row.words);

		EXPECT_EQ(result.status, 125) << row.message;
		EXPECT_TELLS(result, row.message);
		EXPECT_EQ(result.output, "");
	}
}

TEST_F(RunTest, HelpGoesToStandardOutput)
{
	Result result = command({"run", "--help"});

	EXPECT_EQ(result.status, 0);
	EXPECT_TRUE(contains(result.output, "Usage: sallyport run [OPTION...] -- PROGRAM"))
	    << result.output;
	for (const char *option :
	     {"--policy", "--read", "--write", "--execute", "--limit", "--report", "--verbose",
	      "--define", "--directory", "--setenv", "--unsetenv", "--pass", "--interception"})
		EXPECT_TRUE(contains(result.output, option)) << option;
}

/* ---- signals without a terminal ---- */

TEST_F(RunTest, SignalsToTheCommandReachTheProgram)
{
	Child child = start(guest({}, {"signals", std::to_string(SIGTERM)}));

	ASSERT_TRUE(child.await("ready\n"));
	for (int number : {SIGHUP, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH, SIGCONT}) {
		child.heard.clear();
		child.send(number);
		EXPECT_TRUE(child.await("got")) << number;
		char expected[16];
		snprintf(expected, sizeof(expected), "got %02d\n", number);
		EXPECT_EQ(child.heard, expected);
	}
	child.send(SIGTERM);
	EXPECT_EQ(finish(child).status, 128 + SIGTERM);
}

TEST_F(RunTest, IgnoredSignalsAreNotPassedOn)
{
	Child child =
	    start(guest({}, {"signals", std::to_string(SIGTERM)}), [] { signal(SIGHUP, SIG_IGN); });

	ASSERT_TRUE(child.await("ready\n"));
	child.send(SIGHUP);
	child.send(SIGUSR1);
	EXPECT_TRUE(child.await("got"));
	EXPECT_EQ(child.heard, "ready\ngot 10\n");
	child.send(SIGTERM);
	EXPECT_EQ(finish(child).status, 128 + SIGTERM);
}

/* Whatever becomes of the command, its program does not outlive it: TearDown would see it. */
TEST_F(RunTest, TheProgramEndsWithTheCommand)
{
	Child child = start(guest({}, {"signals"}));

	ASSERT_TRUE(child.await("ready\n"));
	child.send(SIGKILL);
	EXPECT_EQ(finish(child).status, 1000 + SIGKILL);
	while (waitpid(-1, nullptr, 0) > 0)
		;
}

} // namespace
