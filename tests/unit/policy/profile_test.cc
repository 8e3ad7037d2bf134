/* SPDX-License-Identifier: Apache-2.0 */
/* Priorities: in policies, by the C API, and from profiles. What they do to filters is in simulator_test.cc. */
#include "support.h"

#include <cerrno>
#include <sys/syscall.h>

#include "policy/model.h"

namespace
{

using sallyport::append_diagnostic;
using sallyport::mistakes;
using sallyport::parse;
using sallyport::Policy;

class ProfileTest : public sallyport::PolicyTest
{
};

int profile(sp_policy *policy, const std::string &text, std::string *diagnostics)
{
	return sp_policy_profile(policy, "prof", text.data(), text.size(), append_diagnostic,
				 diagnostics);
}

std::string profile_mistakes(const std::string &text)
{
	Policy policy = parse("policy a\nsyscalls { priority 7 read }");
	std::string diagnostics;

	EXPECT_EQ(-EINVAL, profile(policy.get(), text, &diagnostics));
	/* And nothing has changed. */
	EXPECT_EQ(7u, sp_model_weight(policy.get(), __NR_read));
	return diagnostics;
}

TEST_F(ProfileTest, PrioritiesAreWeights)
{
	Policy policy = parse("policy a(much = 500)\ninclude b\nsyscalls {\n"
			      "	priority read, write\n"
			      "	priority 20 @sync, lseek\n"
			      "	priority $much futex\n"
			      "}\n"
			      "policy b\nsyscalls { priority 3 read, close; priority 4 fsync }\n");

	EXPECT_EQ(1u, sp_model_weight(policy.get(), __NR_read));
	EXPECT_EQ(1u, sp_model_weight(policy.get(), __NR_write));
	EXPECT_EQ(20u, sp_model_weight(policy.get(), __NR_lseek));
	EXPECT_EQ(20u, sp_model_weight(policy.get(), __NR_fsync)); /* nearer, though of a group */
	EXPECT_EQ(3u, sp_model_weight(policy.get(), __NR_close));
	EXPECT_EQ(500u, sp_model_weight(policy.get(), __NR_futex));
	EXPECT_EQ(0u, sp_model_weight(policy.get(), __NR_openat));
}

TEST_F(ProfileTest, NamesOutrankGroupsAndContradictionsAreTold)
{
	Policy policy = parse("policy a\nsyscalls { priority 9 fsync; priority 2 @sync }");

	EXPECT_EQ(9u, sp_model_weight(policy.get(), __NR_fsync));
	EXPECT_EQ(2u, sp_model_weight(policy.get(), __NR_sync));
	EXPECT_EQ(0u,
		  mistakes("a", "policy a\nsyscalls {\n\tpriority 9 fsync\n\tpriority 8 fsync\n}")
		      .find("a:4:13: error: conflicting priorities: \"fsync\" weighs 8 here and 9 "
			    "at a:3:13"));
}

TEST_F(ProfileTest, TheApiSaysTheSame)
{
	Policy policy = parse("policy a");

	EXPECT_EQ(0, sp_policy_priority(policy.get(), "@sync", 2, "c"));
	EXPECT_EQ(0, sp_policy_priority(policy.get(), "fsync", SP_WEIGHT_MAX, "c"));
	EXPECT_EQ(uint32_t(SP_WEIGHT_MAX), sp_model_weight(policy.get(), __NR_fsync));
	EXPECT_EQ(2u, sp_model_weight(policy.get(), __NR_sync));
	EXPECT_EQ(-ERANGE, sp_policy_priority(policy.get(), "read", 0, "c"));
	EXPECT_EQ(-ERANGE, sp_policy_priority(policy.get(), "read", SP_WEIGHT_MAX + 1, "c"));
	EXPECT_EQ(-ENOENT, sp_policy_priority(policy.get(), "raed", 1, "c"));
	EXPECT_EQ(-ENOENT, sp_policy_priority(policy.get(), "@nothing", 1, "c"));
	EXPECT_EQ(-ENOSYS, sp_policy_priority(policy.get(), "socketcall", 1, "c"));
}

TEST_F(ProfileTest, AProfileTakesThePlaceOfPriorities)
{
	Policy policy = parse("policy a\nphase late within b\nsyscalls { priority 7 lseek }\n"
			      "policy b\nsyscalls { allow read }");
	std::string diagnostics;

	ASSERT_EQ(0,
		  profile(policy.get(), "# counted\nread 10\r\n\n  write\t4 # all\nread 5\nfutex 0",
			  &diagnostics))
	    << diagnostics;
	for (sp_policy *one : {policy.get(), policy->phases[0].policy}) {
		EXPECT_EQ(15u, sp_model_weight(one, __NR_read));
		EXPECT_EQ(4u, sp_model_weight(one, __NR_write));
		EXPECT_EQ(0u, sp_model_weight(one, __NR_lseek));
		EXPECT_EQ(0u, sp_model_weight(one, __NR_futex));
	}
	EXPECT_STREQ("prof:5:1", policy->weights[__NR_read].source);
	ASSERT_EQ(0, profile(policy.get(), "", &diagnostics));
	EXPECT_EQ(0u, sp_model_weight(policy.get(), __NR_read));
}

TEST_F(ProfileTest, WhatCountsBeyondAllMeasureIsScaled)
{
	Policy policy = parse("policy a");
	std::string diagnostics;

	ASSERT_EQ(0, profile(policy.get(),
			     "read 18446744073709551615\nread 18446744073709551615\nwrite 1\n"
			     "lseek 9223372036854775808",
			     &diagnostics));
	EXPECT_GE(uint32_t(SP_WEIGHT_MAX), sp_model_weight(policy.get(), __NR_read));
	EXPECT_LE(SP_WEIGHT_MAX / 2, sp_model_weight(policy.get(), __NR_read));
	EXPECT_NEAR(sp_model_weight(policy.get(), __NR_read),
		    2. * sp_model_weight(policy.get(), __NR_lseek), 3);
	EXPECT_EQ(1u, sp_model_weight(policy.get(), __NR_write));
}

TEST_F(ProfileTest, TheTableOfStraceIsAProfile)
{
	Policy policy = parse("policy a");
	std::string diagnostics;

	ASSERT_EQ(0, profile(policy.get(),
			     "% time     seconds  usecs/call     calls    errors syscall\n"
			     "------ ----------- ----------- --------- --------- ----------------\n"
			     " 31.45    0.000161          10        15         1 openat\n"
			     "  0.00    0.000000           0         3           read\n"
			     "------ ----------- ----------- --------- --------- ----------------\n"
			     "100.00    0.000512           6        18         1 total\n",
			     &diagnostics))
	    << diagnostics;
	EXPECT_EQ(15u, sp_model_weight(policy.get(), __NR_openat));
	EXPECT_EQ(3u, sp_model_weight(policy.get(), __NR_read));
}

TEST_F(ProfileTest, MistakesAreToldByLine)
{
	EXPECT_EQ("prof:2:1: error: unknown system call\n"
		  "  raed 5\n"
		  "  ^~~~\n"
		  "  did you mean \"read\"?\n",
		  profile_mistakes("write 5\nraed 5\n"));
	EXPECT_EQ(0u, profile_mistakes("read many").find("prof:1:6: error: expected how often"));
	EXPECT_EQ(0u, profile_mistakes("read -1").find("prof:1:6: error: expected how often"));
	EXPECT_EQ(0u, profile_mistakes("read 18446744073709551616").find("prof:1:6: error: "));
	EXPECT_EQ(0u, profile_mistakes("read").find("prof:1:1: error: expected a call and how"));
	EXPECT_EQ(0u,
		  profile_mistakes("read 1 2").find("prof:1:8: error: expected a call and how"));
	EXPECT_EQ(0u, profile_mistakes("% time seconds calls syscall\n").find("prof:1:1: error: "));
	EXPECT_EQ(0u, profile_mistakes("% time seconds usecs/call calls errors syscall\nread 5")
			  .find("prof:2:1: error: this is no line of the table"));
	EXPECT_EQ(0u,
		  profile_mistakes(std::string("re\0ad 5", 7)).find("prof:1:1: error: unknown"));
	EXPECT_EQ(0u,
		  profile_mistakes(std::string(100000, 'x') + " 5").find("prof:1:1: error: unk"));
	/* Several are told. */
	std::string both = profile_mistakes("raed 5\nread\n");
	EXPECT_NE(std::string::npos, both.find("prof:1:1: error: "));
	EXPECT_NE(std::string::npos, both.find("prof:2:1: error: "));
}

} // namespace
