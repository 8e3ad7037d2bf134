// SPDX-License-Identifier: Apache-2.0
// rename and link move things, never rights.
#include <sys/mman.h>

#include <atomic>
#include <thread>

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

// linkat of what is held open: by its number with AT_EMPTY_PATH, and by its name below /proc.
class MoveOpen : public Move
{
      protected:
	void SetUp() override
	{
		Move::SetUp();
		std::vector<Rule> rows = tree(t("full"), SP_RIGHT_ALL);
		for (const Rule &rule :
		     tree(t("plain"), SP_RIGHT_READ | SP_RIGHT_CREATE | SP_RIGHT_DELETE))
			rows.push_back(rule);
		rows.push_back({"/proc/**", SP_RIGHT_READ});
		world_ = std::make_unique<World>(rows);
		world_->caller()->outer = getpid();
	}
	Fd make(const std::string &where, int flags, mode_t mode = 0600)
	{
		Fd fd(open(t(where).c_str(), O_TMPFILE | O_CLOEXEC | flags, mode));
		EXPECT_GE(fd.get(), 0) << strerror(errno);
		return fd;
	}
	static Fd again(const Fd &fd, int flags)
	{
		return Fd(open(own_name(fd).c_str(), flags | O_CLOEXEC));
	}
	static std::string own_name(const Fd &fd)
	{
		return "/proc/self/fd/" + std::to_string(fd.get());
	}
	// Both ways, which are to answer alike; what they made is taken away again.
	int64_t link(const Fd &fd, const std::string &to, bool *ret_refused = nullptr)
	{
		Outcome by_number =
		    world_->perform({SP_CALL_linkat, "", AT_EMPTY_PATH, 0, fd.get(), t(to)});
		bool made = unlink(t(to).c_str()) == 0;
		EXPECT_EQ(by_number.result == 0, made);
		if (made) // it is linkable no more
			return by_number.result;
		Outcome by_name = world_->perform(
		    {SP_CALL_linkat, own_name(fd), AT_SYMLINK_FOLLOW, 0, AT_FDCWD, t(to)});
		EXPECT_EQ(by_number.result, by_name.result) << by_name.detail;
		EXPECT_NE(0, unlink(t(to).c_str()));
		if (ret_refused)
			*ret_refused = by_number.refusal != 0;
		return by_number.result;
	}
	void expect_refused(const Fd &fd, const std::string &to, int error)
	{
		bool refused = false;
		EXPECT_EQ(-error, link(fd, to, &refused));
		EXPECT_TRUE(refused);
	}
};

TEST_F(MoveOpen, AFileMadeWithoutANameGetsOne)
{
	for (int flags : {O_RDWR, O_WRONLY}) {
		EXPECT_EQ(0, link(make("full", flags), "full/made"));
		EXPECT_EQ(0, link(make("full", flags), "plain/made"));
	}
	Fd file = make("full", O_RDWR);
	EXPECT_EQ(0, world_
			 ->perform({SP_CALL_linkat, own_name(file), AT_SYMLINK_FOLLOW, 0, AT_FDCWD,
				    t("full/named")})
			 .result);
	// It has a name now, which its descriptor does not tell, so that what that may is not known.
	EXPECT_EQ(-EXDEV, world_
			      ->perform({SP_CALL_linkat, own_name(file), AT_SYMLINK_FOLLOW, 0,
					 AT_FDCWD, t("full/second")})
			      .result);
	EXPECT_EQ(
	    -EEXIST,
	    world_->perform({SP_CALL_linkat, "", AT_EMPTY_PATH, 0, file.get(), t("full/named")})
		.result);
}

TEST_F(MoveOpen, ADescriptorGivesNoMoreThanItHas)
{
	// Made elsewhere, and received for reading, for writing, for nothing.
	Fd outside = make("", O_RDWR), writing = make("", O_WRONLY);

	expect_refused(again(outside, O_RDONLY), "full/gained", EXDEV);
	expect_refused(again(outside, O_WRONLY), "full/gained", EXDEV);
	expect_refused(again(outside, O_PATH), "full/gained", EXDEV);
	expect_refused(again(outside, O_WRONLY), "plain/gained", EXDEV);
	expect_refused(writing, "full/gained", EXDEV);
	expect_refused(writing, "plain/gained", EXDEV);
	// Nor where the place would have had more: it may be somebody else's file there.
	Fd there = make("full", O_RDWR);
	expect_refused(again(there, O_RDONLY), "full/gained", EXDEV);
	expect_refused(again(there, O_PATH), "full/gained", EXDEV);
	EXPECT_EQ(0, link(again(there, O_RDONLY), "plain/read"));
	EXPECT_EQ(0, link(outside, "full/as-copied"));
}

TEST_F(MoveOpen, WhatTheKernelRefusesItSays)
{
	Fd exclusive = make("full", O_RDWR | O_EXCL), memory(memfd_create("m", MFD_CLOEXEC)),
	   directory(open(t("full").c_str(), O_RDONLY | O_CLOEXEC)),
	   deleted(open(t("full/gone").c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600));

	unlink(t("full/gone").c_str());
	EXPECT_EQ(-ENOENT, link(exclusive, "full/made"));
	EXPECT_EQ(-ENOENT, link(deleted, "full/made"));
	EXPECT_EQ(-EXDEV, link(memory, "full/made"));
	EXPECT_EQ(-EPERM, link(directory, "full/made"));
	Call call = {SP_CALL_linkat, "", AT_EMPTY_PATH, 0, 987, t("full/made")};
	EXPECT_EQ(-EBADF, world_->perform(call).result);
	call.dirfd = AT_FDCWD;
	EXPECT_LT(world_->perform(call).result, 0);
	call.flags = 0;
	EXPECT_EQ(-ENOENT, world_->perform(call).result);
	call.flags = 0x8000;
	EXPECT_EQ(-EINVAL, world_->perform(call).result);
}

TEST_F(MoveOpen, SetIdFilesAndThoseOfOthersStayNameless)
{
	Fd file = make("full", O_RDWR);

	ASSERT_EQ(0, fchmod(file.get(), 04755));
	expect_refused(file, "full/made", EPERM);
	ASSERT_EQ(0, fchmod(file.get(), 0755));
	if (getuid() == 0) {
		ASSERT_EQ(0, fchown(file.get(), 1234, 1234));
		expect_refused(file, "full/made", EPERM);
	}
}

TEST_F(MoveOpen, WhatHasANameIsLinkedAsByIt)
{
	write_file(t("secret"), "secret");
	Fd plain(open(t("plain/file").c_str(), O_RDWR | O_CLOEXEC)),
	    full(open(t("full/file").c_str(), O_PATH | O_CLOEXEC)),
	    secret(open(t("secret").c_str(), O_RDWR | O_CLOEXEC));

	expect_refused(plain, "full/gained", EXDEV);
	expect_refused(secret, "full/gained", EACCES);
	EXPECT_EQ(0, link(plain, "plain/second"));
	EXPECT_EQ(0, link(full, "full/second"));
	// The old name goes, and what it may and may not stays.
	ASSERT_EQ(0, ::link(t("plain/file").c_str(), t("kept").c_str()));
	ASSERT_EQ(0, unlink(t("plain/file").c_str()));
	expect_refused(plain, "full/gained", EXDEV);
}

// Who had a name, and none of those that are left, has no right by what is left.
TEST_F(MoveOpen, AnOldNameIsNoWayBack)
{
	World world(tree(t("full"), SP_RIGHT_ALL & ~uint32_t(SP_RIGHT_LINKED)));
	world.caller()->outer = getpid();
	ASSERT_EQ(0, ::link(t("full/file").c_str(), t("elsewhere").c_str()));
	Fd reading(open(t("full/file").c_str(), O_RDONLY | O_CLOEXEC));
	Call change = {SP_CALL_fchmod, "", 0, 0600, reading.get()};
	Call name = {SP_CALL_linkat, "", AT_EMPTY_PATH, 0, reading.get(), t("full/back")};

	EXPECT_TRUE(world.perform(change).refused_with(EACCES));
	ASSERT_EQ(0, world.perform({SP_CALL_unlink, t("full/file")}).result);
	EXPECT_TRUE(world.perform(change).refused_with(EACCES));
	EXPECT_TRUE(world.perform(name).refused_with(EXDEV));
	// Another file that is called so does not help it, nor does one that pretends.
	write_file(t("full/file"));
	write_file(t("full/file (deleted)"));
	EXPECT_TRUE(world.perform(change).refused_with(EACCES));
	EXPECT_TRUE(world.perform(name).refused_with(EXDEV));
	// One that is really called so is what it is called.
	Fd called(open(t("full/file (deleted)").c_str(), O_RDONLY | O_CLOEXEC));
	change.dirfd = name.dirfd = called.get();
	EXPECT_EQ(0, world.perform(change).result);
	EXPECT_EQ(0, world.perform(name).result);
}

// The number is given to another file again and again: nothing but what may be linked ever is.
TEST_F(MoveOpen, ARacedDescriptorGainsNothing)
{
	Fd outside = make("", O_RDWR), reading = again(outside, O_RDONLY), slot(dup(reading.get()));
	struct stat status, linked;
	std::atomic<bool> stop = false;
	world_->judged = false;
	ASSERT_EQ(0, fstat(outside.get(), &status));
	std::thread swapper([&] {
		while (!stop) {
			Fd mine(open(t("full").c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
			dup2(mine.get(), slot.get());
			dup2(reading.get(), slot.get());
		}
	});
	for (int i = 0, made = 0; i < 20000 && made < 100; i++) {
		Call call = {SP_CALL_linkat, "", AT_EMPTY_PATH, 0, slot.get(), t("full/raced")};
		if (world_->perform(call).result != 0)
			continue;
		made++;
		EXPECT_EQ(0, stat(t("full/raced").c_str(), &linked));
		EXPECT_NE(status.st_ino, linked.st_ino);
		unlink(t("full/raced").c_str());
	}
	stop = true;
	swapper.join();
	ASSERT_EQ(0, fstat(outside.get(), &status));
	EXPECT_EQ(0u, status.st_nlink);
}

TEST_F(Move, WhiteoutsAreDevices)
{
	EXPECT_TRUE(move("full/file", "full/white", RENAME_WHITEOUT).refused_with(EPERM));
	EXPECT_EQ(-EINVAL, move("full/file", "full/white", 64).result);
	EXPECT_EQ(0, move("full/file", "full/white", RENAME_NOREPLACE).result);
}

} // namespace
} // namespace calls
