/* SPDX-License-Identifier: Apache-2.0 */
/* The filters of a policy as programs, and the arguments at which they may change their mind. */
#ifndef SALLYPORT_TESTS_FILTER_PROGRAM_H
#define SALLYPORT_TESTS_FILTER_PROGRAM_H

#include <cstdlib>
#include <gtest/gtest.h>
#include <string>

#include "policy/filter.h"
#include "policy/judge.h"
#include "policy/model.h"

namespace sallyport
{

const sp_filter_kind kKinds[] = {SP_FILTER_LOCK, SP_FILTER_FLOOR, SP_FILTER_ALONE};

struct Program {
	sp_program program = {};

	Program(const sp_policy *policy, sp_filter_kind kind)
	{
		auto compile = kind == SP_FILTER_LOCK    ? sp_filter_compile
			       : kind == SP_FILTER_FLOOR ? sp_filter_compile_floor
							 : sp_filter_compile_alone;

		EXPECT_EQ(0, compile(policy, &program));
	}
	~Program()
	{
		free(program.bytes);
	}
	Program(const Program &) = delete;
	Program &operator=(const Program &) = delete;
	sock_fprog get() const
	{
		return {static_cast<unsigned short>(program.length / sizeof(sock_filter)),
			reinterpret_cast<sock_filter *>(program.bytes)};
	}
	std::string bytes() const
	{
		return {reinterpret_cast<const char *>(program.bytes), program.length};
	}
};

/* What the condition compares arguments with, and what is next to that. */
template <typename Function> void each_edge(const sp_condition *condition, Function &&fn)
{
	if (!condition)
		return;
	if (condition->kind != SP_CONDITION_TEST) {
		each_edge(condition->left, fn);
		each_edge(condition->right, fn);
		return;
	}
	const sp_test &test = condition->test;

	for (uint64_t value : {test.value, test.value - 1, test.value + 1, test.mask, ~test.mask})
		fn(test.argument, value);
}

} // namespace sallyport

#endif
