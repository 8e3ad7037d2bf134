// SPDX-License-Identifier: Apache-2.0
// A file with several links: written to where the sandbox made them all, of names that it may write to; else not.
#include "broker/links.h"
#include "tests/unit/calls/calls_test.h"

namespace calls
{
namespace
{

class Links : public TreeTest
{
      protected:
	void SetUp() override
	{
		TreeTest::SetUp();
		for (const char *name : {"all", "all/sub", "made", "read", "outside"})
			ASSERT_EQ(0, mkdir(t(name).c_str(), 0755));
		write_file(t("read/file"));
		std::vector<Rule> rows = tree(t("all"), SP_RIGHT_ALL & ~SP_RIGHT_LINKED);
		for (const Rule &rule :
		     tree(t("made"), SP_RIGHT_READ | SP_RIGHT_CREATE | SP_RIGHT_DELETE))
			rows.push_back(rule);
		for (const Rule &rule : tree(t("read"), SP_RIGHT_READ))
			rows.push_back(rule);
		world_ = std::make_unique<World>(rows);
		world_->caller()->links = &links_;
	}
	void TearDown() override
	{
		sp_links_clear(&links_);
		TreeTest::TearDown();
	}
	void make(const std::string &name)
	{
		ASSERT_EQ(0, world_->open(t(name), O_CREAT | O_EXCL | O_WRONLY, 0644).result);
	}
	int64_t link_in(const std::string &old_name, const std::string &new_name)
	{
		Call call = {SP_CALL_link, t(old_name)};
		call.path2 = t(new_name);
		return world_->perform(call).result;
	}
	int64_t rename_in(const std::string &old_name, const std::string &new_name)
	{
		Call call = {SP_CALL_rename, t(old_name)};
		call.path2 = t(new_name);
		return world_->perform(call).result;
	}
	// Every way to change it says the same. 1: allowed; 0: refused for its links; -1: neither.
	int changes(const std::string &name)
	{
		Call size = {SP_CALL_truncate, t(name)};
		const Outcome outcomes[] = {
		    world_->open(t(name), O_WRONLY), world_->open(t(name), O_RDWR | O_TRUNC),
		    world_->open(t(name), O_CREAT | O_WRONLY, 0600), world_->perform(size),
		    world_->perform({SP_CALL_chmod, t(name), 0, 0644})};
		size_t allowed = 0, refused = 0;

		for (const Outcome &outcome : outcomes) {
			allowed += outcome.result == 0;
			refused +=
			    outcome.refused_with(EACCES) &&
			    outcome.detail == "no right to write to a file with several links";
		}
		return allowed == std::size(outcomes) ? 1 : refused == std::size(outcomes) ? 0 : -1;
	}
	void unlink_in(const std::string &name)
	{
		EXPECT_EQ(0, world_->perform({SP_CALL_unlink, t(name)}).result) << name;
	}

	struct sp_links links_ = {};
};

TEST_F(Links, ThoseThatWereMadeHereAreKnown)
{
	make("all/a");
	ASSERT_EQ(0, link_in("all/a", "all/b"));
	EXPECT_EQ(1, changes("all/a"));
	EXPECT_EQ(1, changes("all/b"));
	ASSERT_EQ(0, link_in("all/b", "all/sub/c"));
	ASSERT_EQ(0, rename_in("all/b", "all/sub/b"));
	for (const char *name : {"all/a", "all/sub/b", "all/sub/c"})
		EXPECT_EQ(1, changes(name)) << name;
	ASSERT_EQ(0, rename_in("all/sub", "all/moved"));
	EXPECT_EQ(1, changes("all/moved/c"));
	unlink_in("all/a");
	EXPECT_EQ(1, changes("all/moved/b"));
	unlink_in("all/moved/b");
	EXPECT_EQ(1, changes("all/moved/c"));
}

TEST_F(Links, ANameFromElsewhereIsNot)
{
	make("all/a");
	ASSERT_EQ(0, link_in("all/a", "all/b"));
	ASSERT_EQ(0, link(t("all/a").c_str(), t("outside/c").c_str()));
	EXPECT_EQ(0, changes("all/a"));
	// Nor does another one of one's own make up for it.
	ASSERT_EQ(0, link_in("all/a", "all/d"));
	EXPECT_EQ(0, changes("all/a"));
	unlink_in("all/b");
	EXPECT_EQ(0, changes("all/d"));
	unlink_in("all/d");
	EXPECT_EQ(0, changes("all/a"));
	ASSERT_EQ(0, unlink(t("outside/c").c_str()));
	EXPECT_EQ(1, changes("all/a"));
}

TEST_F(Links, ANameFromElsewhereDoesNotTakeAnOldOnesPlace)
{
	for (bool replaced : {false, true}) {
		make("all/a");
		ASSERT_EQ(0, link_in("all/a", "all/b"));
		if (replaced) {
			make("all/x");
			ASSERT_EQ(0, rename_in("all/x", "all/b"));
		} else {
			unlink_in("all/b");
		}
		ASSERT_EQ(0, link(t("all/a").c_str(), t("outside/a").c_str()));
		EXPECT_EQ(0, changes("all/a"));
		ASSERT_EQ(0, unlink(t("outside/a").c_str()));
		unlink_in("all/a");
	}
	// Two names of one file: nothing is renamed.
	make("all/a");
	ASSERT_EQ(0, rename_in("all/b", "all/c"));
	ASSERT_EQ(0, link_in("all/a", "all/d"));
	ASSERT_EQ(0, rename_in("all/a", "all/d"));
	EXPECT_EQ(1, changes("all/a"));
}

/* What is counted are names: that there are as many as before does not make them the same. */
TEST_F(Links, ANumberThatIsRightByChanceIsNot)
{
	for (bool replaced : {false, true}) {
		make("all/a");
		ASSERT_EQ(0, link_in("all/a", "all/b"));
		ASSERT_EQ(0, link(t("all/a").c_str(), t("outside/kept").c_str()));
		if (replaced) {
			make("all/x");
			ASSERT_EQ(0, rename_in("all/x", "all/b"));
		} else {
			unlink_in("all/b");
		}
		EXPECT_EQ(0, changes("all/a")) << replaced;
		unlink_in("all/a");
		ASSERT_EQ(0, unlink(t("outside/kept").c_str()));
	}
	// Nor where others take a name away behind one that they gave, and the sandbox was refused meanwhile.
	make("all/a");
	ASSERT_EQ(0, link_in("all/a", "all/c"));
	ASSERT_EQ(0, link(t("all/a").c_str(), t("outside/kept").c_str()));
	EXPECT_EQ(0, changes("all/a"));
	ASSERT_EQ(0, unlink(t("all/c").c_str()));
	EXPECT_EQ(0, changes("all/a"));
}

/* An exchange takes no name away. */
TEST_F(Links, ThoseThatAreExchangedStayKnown)
{
	make("all/a");
	make("all/x");
	ASSERT_EQ(0, link_in("all/a", "all/b"));
	for (bool of_one_file : {false, true}) {
		// The second time both are names of the file.
		Call call = {SP_CALL_renameat2, t("all/x"), RENAME_EXCHANGE};
		call.path2 = t(of_one_file ? "all/a" : "all/b");
		ASSERT_EQ(0, world_->perform(call).result);
		EXPECT_EQ(1, changes("all/a"));
		EXPECT_EQ(1, changes("all/x"));
	}
}

TEST_F(Links, AFileThatHadOthersIsNot)
{
	ASSERT_EQ(0, link(t("read/file").c_str(), t("all/hard").c_str()));
	EXPECT_EQ(0, changes("all/hard"));
	ASSERT_EQ(0, link_in("all/hard", "all/harder"));
	EXPECT_EQ(0, changes("all/hard"));
	EXPECT_EQ(0, changes("all/harder"));
	unlink_in("all/hard");
	EXPECT_EQ(0, changes("all/harder"));
	EXPECT_EQ(-EXDEV, link_in("read/file", "all/raised"));
	EXPECT_EQ("text", read_file(t("read/file")));
}

TEST_F(Links, ANameThatMayNotBeWrittenToIsNot)
{
	make("all/a");
	ASSERT_EQ(0, link_in("all/a", "made/b"));
	EXPECT_EQ(0, changes("all/a"));
	make("all/c");
	ASSERT_EQ(0, link_in("all/c", "all/d"));
	ASSERT_EQ(1, changes("all/c"));
	ASSERT_EQ(0, rename_in("all/d", "made/d"));
	EXPECT_EQ(0, changes("all/c"));
	make("all/sub/e");
	ASSERT_EQ(0, link_in("all/sub/e", "all/f"));
	ASSERT_EQ(1, changes("all/f"));
	ASSERT_EQ(0, rename_in("all/sub", "made/sub"));
	EXPECT_EQ(0, changes("all/f"));
}

TEST_F(Links, NothingIsRememberedForNobody)
{
	world_->caller()->links = nullptr;
	make("all/a");
	ASSERT_EQ(0, link_in("all/a", "all/b"));
	EXPECT_EQ(0, changes("all/a"));
}

TEST_F(Links, TheOldestIsForgotten)
{
	for (int i = 0; i <= SP_LINKS_MAX; i++) {
		const std::string name = "all/" + std::to_string(i);
		make(name);
		ASSERT_EQ(0, link_in(name, name + "-too"));
	}
	EXPECT_EQ(0, changes("all/0"));
	EXPECT_EQ(1, changes("all/1"));
	EXPECT_EQ(1, changes("all/" + std::to_string(SP_LINKS_MAX)));
	sp_links_clear(&links_);
	EXPECT_EQ(0, changes("all/1"));
}

} // namespace
} // namespace calls
