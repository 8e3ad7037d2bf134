// SPDX-License-Identifier: Apache-2.0
// What strace(1) sees of a locked process: every call that takes a name ends in a SIGSYS of the filter, none is
// performed.
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <gtest/gtest.h>
#include <map>
#include <sstream>
#include <string>
#include <unistd.h>

#include "tests/support/paths.h"

namespace
{
struct Process {
	bool worker = false, locked = false;
	std::string awaiting; // a name-taking call whose SIGSYS has not been seen yet
};

// A trace of strace -f -e trace=%file,seccomp: which calls take names is strace's knowledge, not ours.
class Trace
{
      public:
	explicit Trace(const std::string &file)
	{
		std::ifstream lines(file);
		std::string line;

		while (std::getline(lines, line))
			read(line);
		for (const auto &[pid, process] : processes)
			EXPECT_EQ(process.awaiting, "") << "no SIGSYS of " << pid << " at the end";
	}
	int locked_processes = 0;
	std::map<std::string, int> trapped; // by process

      private:
	void read(const std::string &line)
	{
		std::istringstream words(line);
		std::string pid, what;

		words >> pid >> what;
		what = what.substr(0, what.find('('));
		// The second half of a call that another process's line cut in two.
		if (what == "<...")
			return;
		Process &process = processes[pid];
		if (!process.awaiting.empty())
			expect_trap(pid, process, line);
		else if (what == "execve" || what == "execveat")
			process.worker |= line.find("\"--worker\"") != std::string::npos;
		if (!process.worker || what == "---" || what == "+++")
			return;
		if (what == "seccomp")
			lock(process);
		// strace counts getcwd, which gives a name, to the same class.
		else if (process.locked && what != "getcwd")
			process.awaiting = line;
	}
	void lock(Process &process)
	{
		locked_processes += !process.locked;
		process.locked = true;
	}
	void expect_trap(const std::string &pid, Process &process, const std::string &line)
	{
		const std::string call =
		    process.awaiting.substr(pid.size(), process.awaiting.find('(') - pid.size());
		const std::string name = call.substr(call.find_first_not_of(' '));

		EXPECT_NE(line.find("--- SIGSYS {si_signo=SIGSYS, si_code=SYS_SECCOMP"),
			  std::string::npos)
		    << process.awaiting << "\n"
		    << line;
		EXPECT_NE(line.find("si_syscall=__NR_" + name + ","), std::string::npos)
		    << process.awaiting << "\n"
		    << line;
		process.awaiting.clear();
		trapped[pid]++;
	}
	std::map<std::string, Process> processes;
};
} // namespace

TEST(Trace, EveryNameTakingCallOfALockedProcessIsTrapped)
{
	const char *temporary = getenv("TMPDIR");
	std::string directory = std::string(temporary ? temporary : "/tmp") + "/trace.XXXXXX";
	std::string bin = std::string(sp_test_binary_dir()) + "/bin/";

	ASSERT_NE(mkdtemp(&directory[0]), nullptr);
	ASSERT_EQ(system((bin + "make-png " + directory + " >/dev/null").c_str()), 0);
	ASSERT_EQ(system(("strace -f -e trace=%file,seccomp -e signal=SIGSYS -o " + directory +
			  "/trace " + bin + "decode-png -o " + directory + " " + directory +
			  "/good-000.png " + directory + "/good-001.png")
			     .c_str()),
		  0);
	Trace trace(directory + "/trace");
	EXPECT_EQ(trace.locked_processes, 2);
	EXPECT_EQ(trace.trapped.size(), 2u) << "each worker opens its file by name";
	EXPECT_EQ(system(("rm -rf " + directory).c_str()), 0);
}
