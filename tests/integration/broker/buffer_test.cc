// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include <sallyport/buffer.h>

#include "harness.h"

TEST(Buffer, IsSharedAndSealed)
{
	std::vector<int> before = open_descriptors();
	struct sp_buffer buffer, other;

	ASSERT_EQ(sp_buffer_create(10000, &buffer), 0);
	EXPECT_EQ(buffer.size, 10000u);
	EXPECT_EQ(ftruncate(buffer.descriptor, 1), -1);
	EXPECT_EQ(ftruncate(buffer.descriptor, 1 << 20), -1);
	EXPECT_EQ(fcntl(buffer.descriptor, F_ADD_SEALS, F_SEAL_WRITE), -1);
	ASSERT_EQ(sp_buffer_open_take(dup(buffer.descriptor), &other), 0);
	strcpy(static_cast<char *>(buffer.bytes), "hello");
	EXPECT_STREQ(static_cast<char *>(other.bytes), "hello");
	sp_buffer_close(&other);
	sp_buffer_close(&buffer);
	sp_buffer_close(&buffer);
	EXPECT_EQ(open_descriptors(), before);
}

TEST(Buffer, RefusesWhatCouldShrink)
{
	std::vector<int> before = open_descriptors();
	struct sp_buffer buffer;

	EXPECT_EQ(sp_buffer_create(0, &buffer), -EINVAL);
	EXPECT_EQ(sp_buffer_create(SIZE_MAX, &buffer), -ENOMEM);
	EXPECT_EQ(buffer.descriptor, -1);
	EXPECT_EQ(sp_buffer_open_take(-1, &buffer), -EINVAL);
	int plain = memfd_create("plain", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	ASSERT_EQ(ftruncate(plain, 4096), 0);
	EXPECT_EQ(sp_buffer_open_take(dup(plain), &buffer), -EPERM);
	ASSERT_EQ(fcntl(plain, F_ADD_SEALS, F_SEAL_GROW), 0);
	EXPECT_EQ(sp_buffer_open_take(dup(plain), &buffer), -EPERM);
	ASSERT_EQ(fcntl(plain, F_ADD_SEALS, F_SEAL_SHRINK), 0);
	EXPECT_EQ(sp_buffer_open_take(plain, &buffer), 0);
	sp_buffer_close(&buffer);
	EXPECT_EQ(sp_buffer_open_take(open("/dev/null", O_RDWR), &buffer), -EINVAL);
	EXPECT_EQ(open_descriptors(), before);
}
