// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <set>
#include <string>
#include <sys/syscall.h>

#include "ipc/calls.h"

TEST(Calls, EveryRowIsFoundByItsNumberAndNoOther)
{
	std::set<int> numbers;

	for (const struct sp_call_info &info : sp_call_table) {
		EXPECT_EQ(sp_call_find(info.nr), &info) << info.name;
		EXPECT_TRUE(numbers.insert(info.nr).second) << info.name;
		EXPECT_TRUE(info.path >= 0 || info.dirfd >= 0 ||
			    info.operation == SP_OPERATION_SOCKET)
		    << info.name;
		EXPECT_EQ(sp_call_optional_fields(&info) & ~sp_call_fields(&info), 0u) << info.name;
	}
	for (int nr = -1; nr < 1024; nr++)
		if (!numbers.count(nr)) {
			EXPECT_EQ(sp_call_find(nr), nullptr) << nr;
		}
}

TEST(Calls, EveryOperationHasAName)
{
	std::set<std::string> names;

	for (int i = 0; i < SP_OPERATION_COUNT; i++)
		EXPECT_TRUE(names.insert(sp_operation_name(static_cast<sp_operation>(i))).second);
}
