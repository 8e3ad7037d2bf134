// SPDX-License-Identifier: Apache-2.0
// From registers to a plain call: the table's columns, the kernel's errnos, and the way over the wire and back.
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/openat2.h>
#include <map>
#include <memory>
#include <string>
#include <sys/stat.h>

#include "ipc/decode.h"
#include "ipc/marshal.h"
#include "tests/support/request.h"

namespace
{
// The memory of a caller: objects at addresses of our choice, and nothing between them.
class Memory
{
      public:
	Memory()
	{
		memory_.read = [](void *context, void *to, uint64_t from, size_t length) {
			return static_cast<Memory *>(context)->read(to, from, length);
		};
		memory_.read_string = [](void *context, char *to, uint64_t from, size_t size) {
			return static_cast<Memory *>(context)->read_string(to, from, size);
		};
		memory_.context = this;
	}
	uint64_t put(const std::string &bytes)
	{
		uint64_t at = next_;

		objects_[at] = bytes;
		next_ += bytes.size() + 4096;
		return at;
	}
	uint64_t put_string(const std::string &text)
	{
		return put(text + '\0');
	}
	template <typename T> uint64_t put_object(const T &object)
	{
		return put(std::string(reinterpret_cast<const char *>(&object), sizeof(object)));
	}
	const struct sp_memory *get() const
	{
		return &memory_;
	}
	int reads = 0;

      private:
	// What stands from an address on.
	std::string from(uint64_t address) const
	{
		auto object = objects_.upper_bound(address);

		if (object == objects_.begin())
			return "";
		--object;
		uint64_t offset = address - object->first;
		return offset < object->second.size() ? object->second.substr(offset) : "";
	}
	int read(void *to, uint64_t address, size_t length)
	{
		std::string bytes = from(address);

		reads++;
		if (bytes.size() < length)
			return -EFAULT;
		memcpy(to, bytes.data(), length);
		return 0;
	}
	ssize_t read_string(char *to, uint64_t address, size_t size)
	{
		std::string bytes = from(address);
		size_t end = bytes.find('\0');

		reads++;
		if (end == std::string::npos)
			return bytes.size() >= size ? -ENAMETOOLONG : -EFAULT;
		if (end >= size)
			return -ENAMETOOLONG;
		memcpy(to, bytes.data(), end + 1);
		return static_cast<ssize_t>(end);
	}

	std::map<uint64_t, std::string> objects_;
	uint64_t next_ = 0x10000;
	struct sp_memory memory_ = {};
};

constexpr uint64_t kWild = 8;

class Marshal : public ::testing::Test
{
      protected:
	// Arguments that are right for the row.
	void fill(enum sp_call_id id)
	{
		info_ = &sp_call_table[id];
		set(info_->dirfd, 3);
		set(info_->dirfd2, 4);
		set(info_->path, memory_.put_string("path"));
		set(info_->path2, memory_.put_string("path2"));
		set(info_->text, memory_.put_string("user.text"));
		set(info_->flags, 0);
		set(info_->mode, 5);
		set(info_->data, memory_.put(std::string(100, '\0')));
		set(info_->size, 100);
		if (info_->extra == SP_EXTRA_OPEN_HOW) {
			struct open_how how = {O_RDWR, 0, RESOLVE_BENEATH};

			set(info_->flags, memory_.put_object(how));
			set(info_->size, sizeof(how));
		}
	}
	void set(int column, uint64_t value)
	{
		if (column >= 0)
			arguments_[column] = value;
	}
	int marshal()
	{
		return sp_marshal_call(info_, arguments_, memory_.get(), buffers_.get(), &call_);
	}
	int result_with(enum sp_call_id id, int column, uint64_t value)
	{
		fill(id);
		set(column, value);
		return marshal();
	}

	const struct sp_call_info *info_ = nullptr;
	uint64_t arguments_[SP_MARSHAL_ARGUMENTS] = {};
	Memory memory_;
	std::unique_ptr<struct sp_marshal_buffers> buffers_ =
	    std::make_unique<struct sp_marshal_buffers>();
	struct sp_call call_ = {};
};

TEST_F(Marshal, EveryRowReadsWhatItsColumnsSay)
{
	for (int id = 0; id < SP_CALL_COUNT; id++) {
		fill(static_cast<sp_call_id>(id));
		SCOPED_TRACE(info_->name);
		ASSERT_EQ(marshal(), 0);
		EXPECT_EQ(call_.info, info_);
		EXPECT_EQ(call_.dirfd, info_->dirfd >= 0 ? 3 : AT_FDCWD);
		EXPECT_EQ(call_.dirfd2, info_->dirfd2 >= 0 ? 4 : AT_FDCWD);
		EXPECT_STREQ(call_.path, info_->path >= 0 ? "path" : nullptr);
		EXPECT_STREQ(call_.path2, info_->path2 >= 0 ? "path2" : nullptr);
		EXPECT_STREQ(call_.text, info_->text >= 0 ? "user.text" : nullptr);
		EXPECT_EQ(call_.flags & info_->implied, info_->implied);
	}
}

TEST_F(Marshal, WhatGoesOverTheWireComesBack)
{
	alignas(16) static uint8_t memory[SP_SLOT_ARENA];

	for (int id = 0; id < SP_CALL_COUNT; id++) {
		Sallyport__Wire__Call wire;
		struct sp_arena arena;
		struct sp_call back;

		fill(static_cast<sp_call_id>(id));
		SCOPED_TRACE(info_->name);
		ASSERT_EQ(marshal(), 0);
		call_.umask = 027;
		sp_call_to_wire(&call_, &wire);
		sp_arena_init(&arena, memory, sizeof(memory));
		ASSERT_EQ(sp_call_from_wire(&wire, 9, &arena, &back), 0);
		EXPECT_EQ(back.tid, 9);
		EXPECT_EQ(back.info, call_.info);
		EXPECT_EQ(back.dirfd, call_.dirfd);
		EXPECT_EQ(back.dirfd2, call_.dirfd2);
		EXPECT_STREQ(back.path, call_.path);
		EXPECT_STREQ(back.path2, call_.path2);
		EXPECT_STREQ(back.text, call_.text);
		EXPECT_EQ(back.flags, call_.flags);
		EXPECT_EQ(back.mode, call_.mode);
		EXPECT_EQ(back.resolve, call_.resolve);
		EXPECT_EQ(back.size, call_.size);
		EXPECT_EQ(back.umask, 027u);
		EXPECT_EQ(back.data_length, call_.data_length);
		EXPECT_EQ(back.owner, call_.owner);
		EXPECT_EQ(back.group, call_.group);
		EXPECT_EQ(back.has_times, call_.has_times);
		EXPECT_EQ(memcmp(back.times, call_.times, sizeof(call_.times)), 0);
	}
}

TEST_F(Marshal, WildPointersAreFaults)
{
	for (int id = 0; id < SP_CALL_COUNT; id++) {
		const struct sp_call_info &info = sp_call_table[id];

		SCOPED_TRACE(info.name);
		for (int column : {info.path, info.path2, info.text, info.data}) {
			if (column >= 0) {
				EXPECT_EQ(result_with(static_cast<sp_call_id>(id), column, kWild),
					  -EFAULT);
			}
		}
	}
	EXPECT_EQ(result_with(SP_CALL_openat2, 2, kWild), -EFAULT);
}

TEST_F(Marshal, FailureLeavesTheCallUntouched)
{
	call_.tid = 77;
	EXPECT_EQ(result_with(SP_CALL_open, 0, kWild), -EFAULT);
	EXPECT_EQ(call_.tid, 77);
}

TEST_F(Marshal, NamesHaveLessThanPathMaxBytes)
{
	EXPECT_EQ(result_with(SP_CALL_open, 0, memory_.put_string(std::string(PATH_MAX - 1, 'a'))),
		  0);
	EXPECT_EQ(result_with(SP_CALL_open, 0, memory_.put_string(std::string(PATH_MAX, 'a'))),
		  -ENAMETOOLONG);
}

TEST_F(Marshal, AnEmptyTargetIsMissingBeforeTheNameIsRead)
{
	fill(SP_CALL_symlink);
	arguments_[0] = memory_.put_string("");
	arguments_[1] = kWild;
	EXPECT_EQ(marshal(), -ENOENT);
	arguments_[0] = memory_.put_string(std::string(PATH_MAX, 'a'));
	EXPECT_EQ(marshal(), -ENAMETOOLONG);
}

TEST_F(Marshal, TimesInTheirThreeForms)
{
	struct timespec specs[] = {{1, UTIME_NOW}, {-3, 4000000000}};
	int64_t values[] = {5, 999999, -7, 0}, seconds[] = {-9, 10};

	fill(SP_CALL_utimensat);
	arguments_[2] = memory_.put_object(specs);
	ASSERT_EQ(marshal(), 0);
	EXPECT_TRUE(call_.has_times);
	EXPECT_EQ(memcmp(call_.times, specs, sizeof(specs)), 0) << "judged by the kernel";
	for (enum sp_call_id id : {SP_CALL_utimes, SP_CALL_futimesat}) {
		fill(id);
		arguments_[info_->data] = memory_.put_object(values);
		ASSERT_EQ(marshal(), 0);
		EXPECT_EQ(call_.times[0].tv_sec, 5);
		EXPECT_EQ(call_.times[0].tv_nsec, 999999000);
		EXPECT_EQ(call_.times[1].tv_sec, -7);
	}
	fill(SP_CALL_utime);
	arguments_[1] = memory_.put_object(seconds);
	ASSERT_EQ(marshal(), 0);
	EXPECT_EQ(call_.times[0].tv_sec, -9);
	EXPECT_EQ(call_.times[0].tv_nsec, 0);
	EXPECT_EQ(call_.times[1].tv_sec, 10);
	for (enum sp_call_id id :
	     {SP_CALL_utimensat, SP_CALL_utimes, SP_CALL_futimesat, SP_CALL_utime}) {
		fill(id);
		arguments_[info_->data] = 0;
		ASSERT_EQ(marshal(), 0);
		EXPECT_FALSE(call_.has_times);
	}
}

TEST_F(Marshal, MicrosecondsAreJudgedBeforeTheName)
{
	for (int64_t wrong : {int64_t{-1}, int64_t{1000000}, INT64_MAX, INT64_MIN})
		for (size_t at : {size_t{1}, size_t{3}}) {
			int64_t values[] = {1, 2, 3, 4};

			values[at] = wrong;
			fill(SP_CALL_utimes);
			arguments_[0] = kWild;
			arguments_[1] = memory_.put_object(values);
			EXPECT_EQ(marshal(), -EINVAL);
		}
}

TEST_F(Marshal, NoNameStandsForTheDescriptor)
{
	for (enum sp_call_id id : {SP_CALL_utimensat, SP_CALL_futimesat}) {
		EXPECT_EQ(result_with(id, 1, 0), 0);
		EXPECT_EQ(call_.path, nullptr);
		arguments_[0] = static_cast<uint64_t>(AT_FDCWD);
		EXPECT_EQ(marshal(), -EFAULT);
	}
	EXPECT_EQ(result_with(SP_CALL_utimes, 0, 0), -EFAULT);
	EXPECT_EQ(result_with(SP_CALL_fchmodat, 1, 0), -EFAULT);
}

TEST_F(Marshal, WithNothingToChangeTheNameIsNotRead)
{
	struct timespec specs[] = {{1, UTIME_OMIT}, {2, UTIME_OMIT}};

	fill(SP_CALL_utimensat);
	arguments_[1] = kWild;
	arguments_[2] = memory_.put_object(specs);
	EXPECT_EQ(marshal(), 0);
	specs[0].tv_nsec = UTIME_NOW;
	arguments_[2] = memory_.put_object(specs);
	EXPECT_EQ(marshal(), -EFAULT);
}

TEST_F(Marshal, ALengthIsTakenWhole)
{
	fill(SP_CALL_truncate);
	arguments_[1] = uint64_t{1} << 40 | 7;
	ASSERT_EQ(marshal(), 0);
	EXPECT_EQ(call_.size, uint64_t{1} << 40 | 7);
}

TEST_F(Marshal, OwnersStandSideBySide)
{
	for (enum sp_call_id id :
	     {SP_CALL_chown, SP_CALL_lchown, SP_CALL_fchown, SP_CALL_fchownat}) {
		fill(id);
		arguments_[info_->mode] = 0xffffffff00000007;
		arguments_[info_->mode + 1] = UINT64_MAX;
		ASSERT_EQ(marshal(), 0);
		EXPECT_EQ(call_.owner, 7u);
		EXPECT_EQ(call_.group, UINT32_MAX);
		EXPECT_EQ(call_.mode, 0u);
	}
}

TEST_F(Marshal, AnAttributesNameHas255BytesAtMostAndIsReadFirst)
{
	fill(SP_CALL_getxattr);
	arguments_[1] = memory_.put_string(std::string(255, 'a'));
	EXPECT_EQ(marshal(), 0);
	arguments_[0] = kWild;
	for (const std::string &wrong : {std::string(), std::string(256, 'a')}) {
		arguments_[1] = memory_.put_string(wrong);
		EXPECT_EQ(marshal(), -ERANGE);
	}
}

TEST_F(Marshal, AValueIsReadWholeOrNotAtAll)
{
	fill(SP_CALL_setxattr);
	arguments_[2] = memory_.put(std::string(4096, 'v'));
	for (auto [size, expected] : std::vector<std::pair<uint64_t, int>>{{0, 0},
									   {4096, 0},
									   {4097, -ENOSPC},
									   {65536, -ENOSPC},
									   {65537, -E2BIG},
									   {UINT64_MAX, -E2BIG}}) {
		arguments_[3] = size;
		ASSERT_EQ(marshal(), expected) << size;
		if (expected == 0) {
			EXPECT_EQ(call_.data_length, size);
			EXPECT_EQ(std::string(call_.data, call_.data + size),
				  std::string(size, 'v'));
		}
	}
	arguments_[2] = kWild;
	arguments_[3] = 0;
	EXPECT_EQ(marshal(), 0) << "nothing is read";
	arguments_[3] = 1;
	EXPECT_EQ(marshal(), -EFAULT);
	// The flags are the first that counts, then the name of the attribute.
	arguments_[1] = kWild;
	arguments_[4] = 4;
	EXPECT_EQ(marshal(), -EINVAL);
}

TEST_F(Marshal, NumbersAreCutAsTheKernelCutsThem)
{
	fill(SP_CALL_openat);
	arguments_[0] = 0xffffffffffffff9c;
	arguments_[2] = 0xdead00000000 | O_RDWR;
	arguments_[3] = 0xbeef00000000 | 0600;
	ASSERT_EQ(marshal(), 0);
	EXPECT_EQ(call_.dirfd, AT_FDCWD);
	EXPECT_EQ(call_.flags, uint64_t{O_RDWR});
	EXPECT_EQ(call_.mode, 0600u);
}

TEST_F(Marshal, AReadlinkWithoutRoomIsInvalidBeforeItsNameIsRead)
{
	for (uint64_t size : {uint64_t{0}, uint64_t{0x80000000}, uint64_t{0x100000000}}) {
		fill(SP_CALL_readlink);
		arguments_[0] = kWild;
		arguments_[2] = size;
		EXPECT_EQ(marshal(), -EINVAL) << size;
	}
}

TEST_F(Marshal, ALongerOpenHowIsAcceptedWhileItsRestIsZero)
{
	struct {
		struct open_how how = {O_RDONLY, 0, 0};
		uint8_t rest[176] = {};
	} grown;

	fill(SP_CALL_openat2);
	arguments_[2] = memory_.put_object(grown);
	arguments_[3] = sizeof(grown);
	EXPECT_EQ(marshal(), 0);
	grown.rest[175] = 1;
	arguments_[2] = memory_.put_object(grown);
	EXPECT_EQ(marshal(), -E2BIG);
	arguments_[3] = sizeof(grown) + 1;
	grown.rest[175] = 0;
	arguments_[2] = memory_.put_object(grown);
	EXPECT_EQ(marshal(), -EFAULT);
	arguments_[3] = 4097;
	EXPECT_EQ(marshal(), -E2BIG);
	arguments_[3] = sizeof(struct open_how) - 1;
	EXPECT_EQ(marshal(), -EINVAL);
}

// The sandboxee changes its memory while it is read: one look is all that counts.
TEST_F(Marshal, EachPieceOfMemoryIsReadOnce)
{
	fill(SP_CALL_openat2);
	ASSERT_EQ(marshal(), 0);
	EXPECT_EQ(memory_.reads, 2);
	fill(SP_CALL_rename);
	ASSERT_EQ(marshal(), 0);
	EXPECT_EQ(memory_.reads, 4);
}
} // namespace
