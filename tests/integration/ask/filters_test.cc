// SPDX-License-Identifier: Apache-2.0
/* Filters of others beside the trap of a runtime, which the kernel ranks above what they refuse. */
#include "fixture.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/syscall.h>

namespace
{

using EachWayFilters = EachWayOf<AskTest>;

INSTANTIATE_TEST_SUITE_P(All, EachWayFilters, kWays, way_name);

std::vector<sock_filter> refusing(int nr, uint32_t action)
{
	return {
	    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<unsigned>(nr), 0, 1),
	    BPF_STMT(BPF_RET | BPF_K, action),
	    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
}

int add(const Policy &rules, const std::vector<sock_filter> &code)
{
	return sp_policy_add_filter(rules.get(), code.data(), code.size() * sizeof(code[0]));
}

} // namespace

TEST_P(EachWayFilters, WhatTheyRefuseOfBrokeredCallsIsRefused)
{
	for (bool filtered : {false, true}) {
		Policy rules = policy("read, create, delete " + root + "/**");
		Asked box;

		if (filtered) {
			/* Of equals the kernel takes the last. */
			ASSERT_EQ(add(rules, refusing(SYS_mkdir, SECCOMP_RET_ERRNO | EXDEV)), 0);
			ASSERT_EQ(add(rules, refusing(SYS_mkdir, SECCOMP_RET_ERRNO | ENODEV)), 0);
			ASSERT_EQ(add(rules, refusing(SYS_mkdir, SECCOMP_RET_LOG)), 0);
		}
		run_guest(
		    box, GetParam(),
		    {"mkdir:" + root + "/new", "unlink:" + root + "/b", "read:" + root + "/a"},
		    rules.get());
		EXPECT_EQ(box.has_said("mkdir:" + root + "/new = 0"), !filtered)
		    << box.output_text();
		EXPECT_EQ(box.has_said("mkdir:" + root + "/new = -19"), filtered);
		EXPECT_EQ(access((root + "/new").c_str(), F_OK) == 0, !filtered);
		EXPECT_TRUE(box.has_said("read:" + root + "/a = a"));
		EXPECT_EQ(rmdir((root + "/new").c_str()), filtered ? -1 : 0);
	}
}

TEST_P(EachWayFilters, OneThatLooksAtArgumentsOfThoseNeedsNotifications)
{
	Policy rules = policy("read, create " + root + "/**");
	std::vector<sock_filter> code = refusing(SYS_mkdir, SECCOMP_RET_ERRNO | ENODEV);
	bool notify = GetParam() == SP_INTERCEPTION_NOTIFY;
	Asked box;

	/* mkdir of a mode. */
	code[2] = BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args[1]));
	code.insert(code.begin() + 3, {BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0700, 0, 1),
				       BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENODEV)});
	ASSERT_EQ(add(rules, code), 0);
	start(box, GetParam(), {"mkdir:" + root + "/new"}, rules.get());
	run_until([&] { return box.exits > 0; });
	box.sandbox = sp_sandbox_free(box.sandbox);
	EXPECT_EQ(notify ? SP_EXIT_EXITED : SP_EXIT_FAILED, box.cause) << box.sentence;
	EXPECT_NE(access((root + "/new").c_str(), F_OK), 0);
	EXPECT_EQ(box.sentence.find("additional filter") == std::string::npos, notify)
	    << box.sentence;
}
