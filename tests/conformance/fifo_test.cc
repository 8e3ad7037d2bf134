// SPDX-License-Identifier: Apache-2.0
// FIFOs by name: natively, with a runtime, and by notification, the same bodies of fifo.c.
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "guests.h"

namespace
{
class Fifo : public GuestTest, public ::testing::WithParamInterface<const char *>
{
      protected:
	Fifo() : GuestTest("fifo")
	{
	}
	void run(enum sp_interception interception)
	{
		Heard heard =
		    GuestTest::run(interception,
				   {"  allow @file-system, mmap, mprotect, munmap, madvise\n",
				    "  read, write, create, delete " + directory + "/**\n", ""},
				   {GetParam(), directory}, 0);

		EXPECT_EQ(heard.output, "");
		for (const std::string &report : heard.reports)
			ADD_FAILURE() << report;
	}
	void native()
	{
		std::string command = program() + " plain " + GetParam() + " " + directory;

		EXPECT_EQ(system(command.c_str()), 0);
	}
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
	run(SP_INTERCEPTION_COOPERATIVE);
}

TEST_P(AnyFifo, ByNotification)
{
	run(SP_INTERCEPTION_NOTIFY);
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
	run(SP_INTERCEPTION_NOTIFY);
}

INSTANTIATE_TEST_SUITE_P(Bodies, NotifiedFifo, ::testing::Values("killed", "died", "processes"),
			 name_of);

// So many wait at a time, and no more: they are told so, and the others are served.
class CrowdOfSlots : public Fifo
{
};

TEST_P(CrowdOfSlots, WithARuntime)
{
	run(SP_INTERCEPTION_COOPERATIVE);
}

INSTANTIATE_TEST_SUITE_P(Bodies, CrowdOfSlots, ::testing::Values("crowd-of-slots"), name_of);

class CrowdOfWorkers : public Fifo
{
};

TEST_P(CrowdOfWorkers, ByNotification)
{
	run(SP_INTERCEPTION_NOTIFY);
}

INSTANTIATE_TEST_SUITE_P(Bodies, CrowdOfWorkers, ::testing::Values("crowd-of-workers"), name_of);

} // namespace
