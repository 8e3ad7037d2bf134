// SPDX-License-Identifier: Apache-2.0
// Somebody swaps what names mean while they are walked: 100,000 opens, not one forbidden object.
#include <atomic>
#include <functional>
#include <map>
#include <thread>
#include <utility>

#include "tests/unit/calls/calls_test.h"

namespace calls
{
namespace
{

constexpr int kOpens = 34000; // in each of three races

// How often the same request was granted and refused. One that was both met the swapping.
class Outcomes
{
      public:
	void add(const std::string &request, bool granted)
	{
		(granted ? counts_[request].first : counts_[request].second)++;
	}
	bool raced() const
	{
		for (const auto &[request, counts] : counts_)
			if (counts.first > 0 && counts.second > 0)
				return true;
		return false;
	}

      private:
	std::map<std::string, std::pair<int, int>> counts_;
};

class Race : public TreeTest
{
      protected:
	void SetUp() override
	{
		TreeTest::SetUp();
		for (const char *name :
		     {"open", "open/dir", "open/dir/in", "open/other", "secret", "secret/in"})
			ASSERT_EQ(0, mkdir((*scratch_ / name).c_str(), 0755));
		for (const char *name :
		     {"open/file", "open/dir/file", "open/dir/in/file", "open/other/file"})
			write_file(*scratch_ / name);
		for (const char *name : {"secret/file", "secret/in/file"})
			write_file(*scratch_ / name, "canary");
		ASSERT_EQ(0, symlink("../secret/file", (*scratch_ / "open/swap").c_str()));
		ASSERT_EQ(0, symlink("../secret", (*scratch_ / "open/dirswap").c_str()));
		world_ = std::make_unique<World>(tree(*scratch_ / "open", SP_RIGHT_ALL));
		world_->judged = false;
		for (const char *name : {"secret", "secret/in", "secret/file", "secret/in/file"})
			forbidden_.push_back(identity(*scratch_ / name));
	}
	static std::pair<dev_t, ino_t> identity(const std::string &path)
	{
		struct stat s;
		return lstat(path.c_str(), &s) == 0 ? std::make_pair(s.st_dev, s.st_ino)
						    : std::make_pair<dev_t, ino_t>(0, 0);
	}

	// Swaps until all opens are done; every descriptor is looked at.
	void race(const std::function<void()> &swap, const std::vector<std::string> &paths)
	{
		const uint64_t flags[] = {O_RDONLY, O_RDWR, O_PATH, O_CREAT | O_RDWR};
		std::atomic<bool> done(false);
		std::thread thread([&] {
			while (!done)
				swap();
		});
		Outcomes outcomes;
		for (int i = 0; i < kOpens; i++) {
			const std::string &path = paths[static_cast<size_t>(i) % paths.size()];
			uint64_t flag = flags[static_cast<size_t>(i / 7) % 4];

			outcomes.add(path + " " + std::to_string(flag),
				     open_one(*scratch_ / path, flag));
		}
		done = true;
		thread.join();
		EXPECT_TRUE(outcomes.raced());
		EXPECT_EQ("canary", read_file(*scratch_ / "secret/file"));
	}
	bool open_one(const std::string &path, uint64_t flags)
	{
		Outcome outcome = world_->open(path, flags, 0600);
		struct stat s;

		if (outcome.result < 0)
			return false;
		EXPECT_EQ(0, fstat(outcome.descriptor.get(), &s));
		for (const auto &object : forbidden_)
			EXPECT_FALSE(object == std::make_pair(s.st_dev, s.st_ino)) << path;
		return true;
	}
	void exchange(const char *one, const char *other)
	{
		renameat2(AT_FDCWD, (*scratch_ / one).c_str(), AT_FDCWD,
			  (*scratch_ / other).c_str(), RENAME_EXCHANGE);
	}

	std::vector<std::pair<dev_t, ino_t>> forbidden_;
};

TEST_F(Race, FileAgainstLink)
{
	race([this] { exchange("open/file", "open/swap"); },
	     {"open/file", "open/swap", "open/dir/../file", "open/other/../swap"});
}

TEST_F(Race, DirectoryAgainstLink)
{
	race([this] { exchange("open/dir", "open/dirswap"); },
	     {"open/dir/file", "open/dirswap/in/file", "open/dir/in/../file",
	      "open/other/../dirswap/in/../file"});
}

// What gets another name is what the policy was asked about.
TEST_F(Race, LinksOfFileAgainstLink)
{
	std::atomic<bool> done(false);
	std::thread thread([&] {
		while (!done)
			exchange("open/file", "open/swap");
	});
	const std::string made = *scratch_ / "open/made";
	Outcomes outcomes;
	for (int i = 0; i < kOpens; i++) {
		Call call = {SP_CALL_linkat, *scratch_ / (i % 2 ? "open/file" : "open/swap"),
			     AT_SYMLINK_FOLLOW};
		call.path2 = made;
		bool granted = world_->perform(call).result == 0;
		outcomes.add(call.path, granted);
		if (!granted)
			continue;
		for (const auto &object : forbidden_)
			EXPECT_FALSE(object == identity(made));
		unlink(made.c_str());
	}
	done = true;
	thread.join();
	EXPECT_TRUE(outcomes.raced());
}

// What is changed is what the policy was asked about: by name, and by a descriptor whose number is given another file.
TEST_F(Race, ChangesOfFileAgainstLink)
{
	Fd file(open((*scratch_ / "open/file").c_str(), O_RDONLY | O_CLOEXEC)),
	    secret(open((*scratch_ / "secret/file").c_str(), O_RDONLY | O_CLOEXEC)),
	    number(fcntl(file.get(), F_DUPFD_CLOEXEC, 100));
	std::atomic<bool> done(false);
	std::thread thread([&] {
		while (!done) {
			exchange("open/file", "open/swap");
			dup3(secret.get(), number.get(), O_CLOEXEC);
			dup3(file.get(), number.get(), O_CLOEXEC);
		}
	});
	Outcomes outcomes;
	for (int i = 0; i < kOpens; i++) {
		Call call = {SP_CALL_chmod, *scratch_ / (i % 2 ? "open/file" : "open/swap"), 0,
			     0600};
		if (i % 3 == 0)
			call = {SP_CALL_fchmod, "", 0, 0600, number.get()};
		if (i % 3 == 1) {
			call.id = SP_CALL_truncate;
			call.size = 0;
		}
		outcomes.add(std::to_string(call.id) + call.path,
			     world_->perform(call).result == 0);
	}
	done = true;
	thread.join();
	struct stat s;
	ASSERT_EQ(0, fstat(secret.get(), &s));
	EXPECT_EQ(0644u, s.st_mode & 07777);
	EXPECT_EQ("canary", read_file(*scratch_ / "secret/file"));
	EXPECT_TRUE(outcomes.raced());
}

// A parent that moves under the walker's feet must not make ".." climb out of the place it is in.
TEST_F(Race, ParentsThatMove)
{
	const std::string from = *scratch_ / "open/dir/in", to = *scratch_ / "open/other/in";
	race(
	    [&] {
		    rename(from.c_str(), to.c_str());
		    rename(to.c_str(), from.c_str());
	    },
	    {"open/dir/in/../file", "open/dir/in/../../other/file", "open/other/in/../../file",
	     "open/dir/in/../../../secret/file"});
}

} // namespace
} // namespace calls
