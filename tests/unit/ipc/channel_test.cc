// SPDX-License-Identifier: Apache-2.0
#include <cstring>
#include <dirent.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ipc/channel.h"
#include "tests/support/descriptors.h"

namespace
{
class Channel : public ::testing::Test
{
      protected:
	void SetUp() override
	{
		before = count_descriptors();
		ASSERT_EQ(sp_channel_pair(0, sockets), 0);
	}
	void TearDown() override
	{
		for (int socket : sockets)
			if (socket >= 0)
				close(socket);
		EXPECT_EQ(count_descriptors(), before);
	}
	// What a hostile peer sends: any number of descriptors.
	void send_many(int count)
	{
		std::vector<char> control(CMSG_SPACE(sizeof(int) * static_cast<size_t>(count)));
		struct iovec vector = {const_cast<char *>("x"), 1};
		struct msghdr message = {};
		struct cmsghdr *header;

		message.msg_iov = &vector;
		message.msg_iovlen = 1;
		message.msg_control = control.data();
		message.msg_controllen = control.size();
		header = CMSG_FIRSTHDR(&message);
		header->cmsg_level = SOL_SOCKET;
		header->cmsg_type = SCM_RIGHTS;
		header->cmsg_len = CMSG_LEN(sizeof(int) * static_cast<size_t>(count));
		for (int i = 0; i < count; i++)
			memcpy(CMSG_DATA(header) + sizeof(int) * static_cast<size_t>(i),
			       &sockets[0], sizeof(int));
		ASSERT_EQ(sendmsg(sockets[0], &message, 0), 1) << strerror(errno);
	}
	int sockets[2] = {-1, -1};
	size_t before = 0;
	char bytes[16];
	int descriptor = -1;
};

TEST_F(Channel, CarriesADatagramWithADescriptor)
{
	ASSERT_EQ(sp_channel_send(sockets[0], "abc", 3, sockets[0]), 0);
	ASSERT_EQ(sp_channel_receive(sockets[1], bytes, sizeof(bytes), 0, &descriptor), 3);
	ASSERT_GE(descriptor, 0);
	EXPECT_EQ(fcntl(descriptor, F_GETFD), FD_CLOEXEC);
	close(descriptor);
}

TEST_F(Channel, SaysThatNoDescriptorCame)
{
	ASSERT_EQ(sp_channel_send(sockets[0], "abc", 3, -1), 0);
	ASSERT_EQ(sp_channel_receive(sockets[1], bytes, sizeof(bytes), 0, &descriptor), 3);
	EXPECT_EQ(descriptor, -1);
}

TEST_F(Channel, RefusesADescriptorWhereNoneIsExpected)
{
	send_many(1);
	EXPECT_EQ(sp_channel_receive(sockets[1], bytes, sizeof(bytes), 0, nullptr), -EBADMSG);
}

TEST_F(Channel, RefusesSurplusDescriptors)
{
	for (int count : {2, 3, 253}) {
		send_many(count);
		EXPECT_EQ(sp_channel_receive(sockets[1], bytes, sizeof(bytes), 0, &descriptor),
			  -EBADMSG)
		    << count;
		EXPECT_EQ(count_descriptors(), before + 2) << count;
	}
}

TEST_F(Channel, RefusesATruncatedDatagram)
{
	ASSERT_EQ(sp_channel_send(sockets[0], "seventeen bytes..", 17, sockets[0]), 0);
	EXPECT_EQ(sp_channel_receive(sockets[1], bytes, sizeof(bytes), 0, &descriptor), -EBADMSG);
	EXPECT_EQ(descriptor, -1);
}

TEST_F(Channel, TellsTheEndOfThePeer)
{
	close(sockets[0]);
	sockets[0] = -1;
	EXPECT_EQ(sp_channel_receive(sockets[1], bytes, sizeof(bytes), 0, &descriptor), 0);
	EXPECT_EQ(sp_channel_send(sockets[1], "x", 1, -1), -EPIPE);
}

TEST_F(Channel, TellsADescriptorThatFoundNoNumber)
{
	ASSERT_EQ(sp_channel_send(sockets[0], "abc", 3, sockets[0]), 0);
	pid_t child = fork();
	ASSERT_GE(child, 0);
	if (child == 0) {
		struct rlimit none = {0, 0};

		setrlimit(RLIMIT_NOFILE, &none);
		ssize_t r = sp_channel_receive(sockets[1], bytes, sizeof(bytes), 0, &descriptor);
		_exit(r == 3 && descriptor == -EMFILE ? 0 : 1);
	}
	int status;
	ASSERT_EQ(waitpid(child, &status, 0), child);
	EXPECT_EQ(status, 0);
}

TEST_F(Channel, AnEmptyQueueOfANonBlockingReceiveIsEagain)
{
	EXPECT_EQ(sp_channel_receive(sockets[1], bytes, sizeof(bytes), MSG_DONTWAIT, &descriptor),
		  -EAGAIN);
}

TEST_F(Channel, APeerWhoseDescriptorsAreRefusedCannotSendThem)
{
	int r = sp_channel_refuse_descriptors(sockets[1]);

	if (r == -ENOPROTOOPT)
		GTEST_SKIP() << "SO_PASSRIGHTS needs Linux 6.16";
	ASSERT_EQ(r, 0);
	EXPECT_EQ(sp_channel_send(sockets[0], "abc", 3, sockets[0]), -EPERM);
	EXPECT_EQ(sp_channel_send(sockets[0], "abc", 3, -1), 0);
}
} // namespace
