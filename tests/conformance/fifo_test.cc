// SPDX-License-Identifier: Apache-2.0
// FIFOs by name: natively, with a runtime, and by notification, the same bodies of fifo.c.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#include "tests/support/descriptors.h"
#include "tests/support/paths.h"
#include "tests/support/sandbox.h"

namespace
{
class Fifo : public ::testing::TestWithParam<const char *>
{
      protected:
	void SetUp() override
	{
		const char *temporary = getenv("TMPDIR");

		before = count_descriptors();
		directory = std::string(temporary ? temporary : "/tmp") + "/fifo.XXXXXX";
		ASSERT_NE(mkdtemp(&directory[0]), nullptr);
	}
	void TearDown() override
	{
		unlink((directory + "/fifo").c_str());
		EXPECT_EQ(rmdir(directory.c_str()), 0);
		EXPECT_EQ(count_descriptors(), before);
	}
	void run(const std::string &mode, enum sp_interception interception)
	{
		SandboxRunner runner;

		runner.interception = interception;
		/* Not the preset parser, which allows one process alone. */
		expect(runner.run(
		    "policy fifo\nsyscalls {\n"
		    "  allow @default, @basic-io, @signal, @process, @timer, @sync\n"
		    "  allow @file-system, fcntl, mmap, mprotect, munmap, madvise, prlimit64\n"
		    "  allow sched_yield, getrandom\n"
		    "  default deny as ENOSYS\n}\nfiles {\n"
		    "  read, write, create, delete " +
			directory +
			"/**\n  read /usr/lib/**\n  read /lib/**\n"
			"  read /etc/ld.so.*\n  read /proc/**\n  read " +
			sp_test_binary_dir() + "/**\n}\n",
		    {program(), mode, GetParam(), directory}));
	}
	void native()
	{
		std::string command = program() + " plain " + GetParam() + " " + directory;

		EXPECT_EQ(system(command.c_str()), 0);
	}

      private:
	static std::string program()
	{
		return std::string(sp_test_binary_dir()) + "/bin/fifo";
	}
	static void expect(const Heard &heard)
	{
		EXPECT_EQ(heard.cause, SP_EXIT_EXITED) << heard.exit;
		EXPECT_EQ(heard.status, 0) << heard.exit;
		EXPECT_EQ(heard.output, "");
		for (const std::string &report : heard.reports)
			ADD_FAILURE() << report;
	}
	std::string directory;
	size_t before = 0;
};

std::string name_of(const ::testing::TestParamInfo<const char *> &info)
{
	std::string name = info.param;

	for (char &c : name)
		c = c == '-' ? '_' : c;
	return name;
}

// What one process does.
class AnyFifo : public Fifo
{
};

TEST_P(AnyFifo, Natively)
{
	native();
}

TEST_P(AnyFifo, WithARuntime)
{
	run("locked", SP_INTERCEPTION_COOPERATIVE);
}

TEST_P(AnyFifo, ByNotification)
{
	run("plain", SP_INTERCEPTION_NOTIFY);
}

INSTANTIATE_TEST_SUITE_P(Bodies, AnyFifo,
			 ::testing::Values("meet", "without-waiting", "many", "interrupted",
					   "restarted", "leave-waiting"),
			 name_of);

// What children take part in.
class NotifiedFifo : public Fifo
{
};

TEST_P(NotifiedFifo, Natively)
{
	native();
}

TEST_P(NotifiedFifo, ByNotification)
{
	run("plain", SP_INTERCEPTION_NOTIFY);
}

INSTANTIATE_TEST_SUITE_P(Bodies, NotifiedFifo, ::testing::Values("killed", "died", "processes"),
			 name_of);

// So many wait at a time, and no more: they are told so, and the others are served.
class CrowdOfSlots : public Fifo
{
};

TEST_P(CrowdOfSlots, WithARuntime)
{
	run("locked", SP_INTERCEPTION_COOPERATIVE);
}

INSTANTIATE_TEST_SUITE_P(Bodies, CrowdOfSlots, ::testing::Values("crowd-of-slots"), name_of);

class CrowdOfWorkers : public Fifo
{
};

TEST_P(CrowdOfWorkers, ByNotification)
{
	run("plain", SP_INTERCEPTION_NOTIFY);
}

INSTANTIATE_TEST_SUITE_P(Bodies, CrowdOfWorkers, ::testing::Values("crowd-of-workers"), name_of);

} // namespace
