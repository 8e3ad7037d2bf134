// SPDX-License-Identifier: Apache-2.0
// What strace(1) sees of a locked process: every call that takes a name ends in a SIGSYS of the filter, none is performed.
#include <cstdlib>
#include <fstream>
#include <gtest/gtest.h>
#include <map>
#include <regex>
#include <set>
#include <string>
#include <unistd.h>

#include "tests/support/paths.h"

namespace
{
const std::set<std::string> name_taking = {
    "open",       "openat",   "openat2",    "creat",     "access",   "faccessat", "faccessat2",
    "stat",       "lstat",    "newfstatat", "statx",     "chdir",    "mkdir",     "mkdirat",
    "unlink",     "unlinkat", "rmdir",      "rename",    "renameat", "renameat2", "readlink",
    "readlinkat", "execve",   "execveat",   "chroot",    "chmod",    "fchmodat",  "chown",
    "lchown",     "fchownat", "link",       "linkat",    "symlink",  "symlinkat", "truncate",
    "mknod",      "mknodat",  "statfs",     "utimensat", "mount",
};

struct Process {
	bool locked = false;
	std::string awaiting; // a name-taking call whose SIGSYS has not been seen yet
};

class Trace
{
      public:
	explicit Trace(const std::string &file)
	{
		std::ifstream lines(file);
		std::string line;

		while (std::getline(lines, line))
			read(line);
	}
	int trapped = 0, locked_processes = 0;

      private:
	void read(const std::string &line)
	{
		static const std::regex shape(
		    "^([0-9]+) +(<\\.\\.\\. )?([a-z0-9_]+|---|\\+\\+\\+)(.*)$");
		std::smatch match;

		if (!std::regex_match(line, match, shape))
			return;
		Process &process = processes[match[1]];
		const std::string what = match[3], rest = match[4];

		if (!process.awaiting.empty() && what == "---") {
			EXPECT_NE(rest.find("SIGSYS {si_signo=SIGSYS, si_code=SYS_SECCOMP"),
				  std::string::npos)
			    << process.awaiting << "\n"
			    << line;
			process.awaiting.clear();
			trapped++;
			return;
		}
		// The second half of a call that another process's line cut in two.
		if (match[2].length() > 0)
			return;
		EXPECT_EQ(process.awaiting, "") << "no SIGSYS before: " << line;
		process.awaiting.clear();
		if (what == "seccomp" &&
		    rest.find("SECCOMP_SET_MODE_FILTER") != std::string::npos && !process.locked &&
		    is_worker.count(match[1])) {
			process.locked = true;
			locked_processes++;
		} else if (what == "execve" && rest.find("--worker") != std::string::npos) {
			is_worker.insert(match[1]);
		} else if (process.locked && name_taking.count(what)) {
			process.awaiting = line;
		}
	}
	std::map<std::string, Process> processes;
	std::set<std::string> is_worker;
};
} // namespace

TEST(Trace, EveryNameTakingCallOfALockedProcessIsTrapped)
{
	const char *temporary = getenv("TMPDIR");
	std::string directory = std::string(temporary ? temporary : "/tmp") + "/trace.XXXXXX";
	std::string bin = std::string(sp_test_binary_dir()) + "/bin/";

	ASSERT_NE(mkdtemp(&directory[0]), nullptr);
	ASSERT_EQ(system((bin + "make-png " + directory + " >/dev/null").c_str()), 0);
	ASSERT_EQ(
	    system(("strace -f -o " + directory + "/trace " + bin + "decode-png -o " + directory +
		    " " + directory + "/good-000.png " + directory + "/good-001.png")
		       .c_str()),
	    0);
	Trace trace(directory + "/trace");
	EXPECT_EQ(trace.locked_processes, 2);
	EXPECT_GE(trace.trapped, 2) << "each worker opens its file by name";
	EXPECT_EQ(system(("rm -rf " + directory).c_str()), 0);
}
