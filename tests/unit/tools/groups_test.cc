/* SPDX-License-Identifier: Apache-2.0 */
/* sallyport policy groups */
#include "command.h"

#include <cerrno>
#include <set>

#include <sallyport/policy.h>

namespace
{

class GroupsTest : public sallyport::CommandTest
{
};

TEST_F(GroupsTest, NamesAllGroups)
{
	auto outcome = run("policy groups");
	std::string expected;

	for (size_t i = 0; sp_policy_group_name(i); i++)
		expected += std::string(sp_policy_group_name(i)) + "\n";
	EXPECT_EQ(0, outcome.status);
	EXPECT_EQ(expected, outcome.output);
	EXPECT_EQ("", outcome.errors);
	EXPECT_NE(std::string::npos, expected.find("@system-service\n"));
}

TEST_F(GroupsTest, PrintsMembersSortedAndOnce)
{
	auto outcome = run("policy groups @clock @swap");

	EXPECT_EQ(0, outcome.status);
	EXPECT_EQ("adjtimex\nclock_adjtime\nclock_settime\nsettimeofday\nswapoff\nswapon\n",
		  outcome.output);
	outcome = run("policy groups @privileged");
	EXPECT_EQ(outcome.output.find("chown\n"), outcome.output.rfind("\nchown\n") + 1);
	EXPECT_EQ(std::string::npos, outcome.output.find("@"));
	EXPECT_EQ(std::string::npos, outcome.output.find("chown32")) << "of another architecture";
}

TEST_F(GroupsTest, UnknownGroups)
{
	auto outcome = run("policy groups @clok");

	EXPECT_EQ(125, outcome.status);
	EXPECT_EQ("", outcome.output);
	EXPECT_EQ("sallyport: unknown group \"@clok\"; did you mean \"@clock\"?\n", outcome.errors);
	outcome = run("policy groups @swap @elephants");
	EXPECT_EQ(125, outcome.status);
	EXPECT_EQ("swapoff\nswapon\n", outcome.output);
	EXPECT_EQ("sallyport: unknown group \"@elephants\"\n", outcome.errors);
}

TEST(CatalogTest, Groups)
{
	char *members = nullptr;

	EXPECT_EQ(-ENOENT, sp_policy_group_members("@nothing", &members));
	EXPECT_EQ(-ENOENT, sp_policy_group_members("swap", &members));
	EXPECT_EQ(nullptr, members);
	EXPECT_EQ(0, sp_policy_group_members("@swap", &members));
	EXPECT_STREQ("swapoff\nswapon\n", members);
	free(members);
	EXPECT_STREQ("@keyring", sp_policy_group_nearest("@keyrings"));
	EXPECT_EQ(nullptr, sp_policy_group_nearest("@nothingofthekind"));
}

TEST(CatalogTest, Calls)
{
	sp_policy_call call = {};

	ASSERT_EQ(0, sp_policy_call_find("socket", &call));
	EXPECT_EQ(SP_POLICY_CALL_ORDINARY, call.standing);
	EXPECT_STREQ("socket", call.name);
	EXPECT_STREQ("domain", call.argument[0]);
	EXPECT_EQ(32u, call.bits[0]);
	EXPECT_EQ(nullptr, call.argument[3]);
	ASSERT_EQ(0, sp_policy_call_at(call.number, &call));
	EXPECT_STREQ("socket", call.name);
	for (auto [name, standing] : {std::pair("openat", SP_POLICY_CALL_BROKERED),
				      {"mount", SP_POLICY_CALL_REFUSED},
				      {"io_uring_setup", SP_POLICY_CALL_REFUSED},
				      {"exit", SP_POLICY_CALL_ALWAYS}}) {
		ASSERT_EQ(0, sp_policy_call_find(name, &call));
		EXPECT_EQ(standing, call.standing) << name;
		EXPECT_EQ(nullptr, call.argument[0]) << name;
	}
	EXPECT_EQ(-ENOENT, sp_policy_call_find("sokcet", &call));
	EXPECT_EQ(-ENOSYS, sp_policy_call_find("chown32", &call));
	for (int number : {-1, 400, 511, 512, 1 << 30})
		EXPECT_EQ(-ENOENT, sp_policy_call_at(number, &call)) << number;
}

TEST(CatalogTest, Constants)
{
	sp_policy_call call = {};
	uint64_t value = 0;
	char name[32], tiny[4];

	EXPECT_EQ(0, sp_policy_constant("TCGETS", &value));
	EXPECT_EQ(0x5401u, value);
	EXPECT_EQ(-ENOENT, sp_policy_constant("TCGETZ", &value));
	ASSERT_EQ(0, sp_policy_call_find("ioctl", &call));
	EXPECT_EQ(0, sp_policy_value(call.number, 1, value, name, sizeof(name)));
	EXPECT_STREQ("TCGETS", name);
	EXPECT_EQ(0, sp_policy_value(call.number, 1, value, tiny, sizeof(tiny)));
	EXPECT_STREQ("TCG", tiny);
	EXPECT_EQ(-EINVAL, sp_policy_value(call.number, 1, value, tiny, 0));
}

/* The manual page lists every group, and no other. */
TEST(CatalogTest, TheManualNamesTheGroups)
{
	std::istringstream page(sallyport::read_file(SP_SOURCE_DIR "/docs/sallyport.policy.5"));
	std::multiset<std::string> listed, groups;
	bool inside = false;

	for (std::string line; std::getline(page, line);) {
		if (line.rfind(".Sh ", 0) == 0)
			inside = line == ".Sh GROUPS";
		if (inside && line.rfind(".It Sy @", 0) == 0)
			listed.insert(line.substr(7));
	}
	for (size_t i = 0; sp_policy_group_name(i); i++)
		groups.insert(sp_policy_group_name(i));
	EXPECT_EQ(groups, listed);
}

} // namespace
