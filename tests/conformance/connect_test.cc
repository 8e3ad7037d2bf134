// SPDX-License-Identifier: Apache-2.0
// Unix sockets by name: connect.c, with a runtime and by notification. Who listens is outside.
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <string>

#include "guests.h"

namespace
{
class Connect : public GuestTest
{
      protected:
	Connect() : GuestTest("connect")
	{
	}
	void SetUp() override
	{
		ASSERT_NO_FATAL_FAILURE(GuestTest::SetUp());
		granted = listener("granted", 4096, SOCK_NONBLOCK);
		other = listener("other", 4096, SOCK_NONBLOCK);
		full = listener("full", 0, SOCK_NONBLOCK);
		std::ofstream(directory + "/file") << "text";
		ASSERT_EQ(symlink("granted", (directory + "/link").c_str()), 0);
		ASSERT_EQ(symlink("other", (directory + "/link-to-other").c_str()), 0);
	}
	void TearDown() override
	{
		for (int fd : {granted, other, full})
			close(fd);
		GuestTest::TearDown();
	}
	void run(enum sp_interception interception, const std::string &network, int status)
	{
		GuestTest::run(interception,
			       {"  allow @memory, socketpair\n  deny connect as EPERM\n",
				"  read " + directory + "/**\n  create, delete " + directory +
				    "/next, " + directory + "/turning\n",
				network},
			       {directory}, status);
	}
	void expect_reached()
	{
		char text[8] = "";
		int fd = accept4(granted, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);

		ASSERT_GE(fd, 0);
		EXPECT_EQ(read(fd, text, sizeof(text)), 5);
		EXPECT_STREQ(text, "hello");
		close(fd);
		EXPECT_LT(accept4(other, nullptr, nullptr, SOCK_NONBLOCK), 0);
		EXPECT_EQ(errno, EAGAIN);
	}
	std::string names()
	{
		return "network { connect unix " + directory + "/granted, " + directory +
		       "/full }\n";
	}

      private:
	int granted = -1, other = -1, full = -1;
};

TEST_F(Connect, WithARuntime)
{
	run(SP_INTERCEPTION_COOPERATIVE, names(), 0);
	expect_reached();
}

TEST_F(Connect, ByNotification)
{
	run(SP_INTERCEPTION_NOTIFY, names(), 0);
	expect_reached();
}

TEST_F(Connect, WithoutNamesItIsAnOrdinaryCall)
{
	run(SP_INTERCEPTION_NOTIFY, "", 1); /* there is no socket, either */
	run(SP_INTERCEPTION_COOPERATIVE, "", 1);
}

} // namespace
