// SPDX-License-Identifier: Apache-2.0
// rename and link move things, never rights.
#include "tests/unit/calls/calls_test.h"

namespace calls
{
namespace
{

class Move : public TreeTest
{
      protected:
	void SetUp() override
	{
		TreeTest::SetUp();
		for (const char *name :
		     {"full", "full/dir", "full/twin", "plain", "mixed", "mixed/dir"})
			ASSERT_EQ(0, mkdir(t(name).c_str(), 0755));
		for (const char *name :
		     {"full/file", "full/other", "full/dir/x", "plain/file", "mixed/dir/key"})
			write_file(t(name), name);
		std::vector<Rule> rows = tree(t("full"), SP_RIGHT_ALL);
		for (const Rule &rule :
		     tree(t("plain"), SP_RIGHT_READ | SP_RIGHT_CREATE | SP_RIGHT_DELETE))
			rows.push_back(rule);
		for (const Rule &rule : tree(t("mixed"), SP_RIGHT_ALL))
			rows.push_back(rule);
		rows.push_back({t("mixed/*/key"), 0, EBADSLT});
		world_ = std::make_unique<World>(rows);
	}
	Outcome move(const char *from, const char *to, uint64_t flags = 0)
	{
		return world_->perform({SP_CALL_renameat2, t(from), flags, 0, AT_FDCWD, t(to)});
	}
};

TEST_F(Move, NeverRaisesTheRightsOfAFile)
{
	EXPECT_TRUE(move("plain/file", "full/gained").refused_with(EXDEV));
	EXPECT_EQ("plain/file", read_file(t("plain/file")));
	EXPECT_EQ(0, move("full/file", "plain/lowered").result);
	EXPECT_EQ(0, move("full/other", "full/renamed").result);
	EXPECT_EQ(0, move("plain/file", "plain/renamed").result);
}

TEST_F(Move, ExchangeMovesBothWays)
{
	EXPECT_TRUE(move("full/file", "plain/file", RENAME_EXCHANGE).refused_with(EXDEV));
	EXPECT_TRUE(move("plain/file", "full/file", RENAME_EXCHANGE).refused_with(EXDEV));
	EXPECT_EQ(0, move("full/file", "full/other", RENAME_EXCHANGE).result);
	EXPECT_EQ("full/file", read_file(t("full/other")));
}

TEST_F(Move, DirectoriesOnlyWhereNoRuleSplitsThem)
{
	EXPECT_EQ(0, move("full/dir", "full/twin").result);
	EXPECT_EQ(0, move("full/twin", "plain/twin").result);
	EXPECT_TRUE(move("mixed/dir", "full/open").refused_with(EXDEV));
	EXPECT_TRUE(move("plain/twin", "mixed/twin").refused_with(EXDEV));
	EXPECT_EQ("mixed/dir/key", read_file(t("mixed/dir/key")));
}

TEST_F(Move, ALinkNeverRaisesTheRightsOfAFile)
{
	auto link = [this](const char *from, const char *to) {
		return world_->perform({SP_CALL_link, t(from), 0, 0, AT_FDCWD, t(to)});
	};

	EXPECT_TRUE(link("plain/file", "full/gained").refused_with(EXDEV));
	EXPECT_FALSE(std::ifstream(t("full/gained")).is_open());
	EXPECT_EQ(0, link("full/file", "plain/lowered").result);
	EXPECT_EQ(0, link("full/file", "full/second").result);
	EXPECT_EQ(0, link("plain/file", "plain/second").result);
	EXPECT_EQ(-EEXIST, link("full/file", "full/second").result);
	EXPECT_EQ(-EPERM, link("full/dir", "full/second-dir").result);
	EXPECT_TRUE(link("mixed/dir/key", "mixed/key").refused_with(EBADSLT));
}

TEST_F(Move, AnOpenFileGetsNoName)
{
	Fd file(open(t("plain").c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
	ASSERT_GE(file.get(), 0);
	Call call = {SP_CALL_linkat, "", AT_EMPTY_PATH, 0, file.get(), t("plain/made")};

	EXPECT_TRUE(world_->perform(call).refused_with(ENOENT));
	call.flags = 0x8000;
	EXPECT_EQ(-EINVAL, world_->perform(call).result);
}

TEST_F(Move, WhiteoutsAreDevices)
{
	EXPECT_TRUE(move("full/file", "full/white", RENAME_WHITEOUT).refused_with(EPERM));
	EXPECT_EQ(-EINVAL, move("full/file", "full/white", 64).result);
	EXPECT_EQ(0, move("full/file", "full/white", RENAME_NOREPLACE).result);
}

} // namespace
} // namespace calls
