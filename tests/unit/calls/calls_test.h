// SPDX-License-Identifier: Apache-2.0
// The fixture of every test here.
#ifndef SALLYPORT_TESTS_UNIT_CALLS_CALLS_TEST_H
#define SALLYPORT_TESTS_UNIT_CALLS_CALLS_TEST_H

#include <dirent.h>
#include <gtest/gtest.h>

#include "tests/unit/calls/world.h"

namespace calls
{

inline int count_descriptors()
{
	int n = 0;
	DIR *dir = opendir("/proc/self/fd");
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

// Fails if a descriptor stays behind.
class CallsTest : public ::testing::Test
{
      protected:
	void SetUp() override
	{
		before_ = count_descriptors();
	}
	void TearDown() override
	{
		EXPECT_EQ(before_, count_descriptors()) << "descriptors leaked";
	}

      private:
	int before_ = 0;
};

// A tree of its own, and a world whose rules speak of it, which each test makes.
class TreeTest : public CallsTest
{
      protected:
	void SetUp() override
	{
		CallsTest::SetUp();
		scratch_ = std::make_unique<Scratch>();
	}
	void TearDown() override
	{
		world_.reset();
		scratch_.reset();
		CallsTest::TearDown();
	}
	std::string t(const std::string &name) const
	{
		return *scratch_ / name;
	}
	std::unique_ptr<Scratch> scratch_;
	std::unique_ptr<World> world_;
};

} // namespace calls

#endif
