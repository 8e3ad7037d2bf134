// SPDX-License-Identifier: Apache-2.0
// Unix sockets by name: connect.c, with a runtime and by notification. Who listens is outside.
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>

#include "tests/support/descriptors.h"
#include "tests/support/paths.h"
#include "tests/support/sandbox.h"

namespace
{
class Connect : public ::testing::Test
{
      protected:
	void SetUp() override
	{
		const char *temporary = getenv("TMPDIR");

		before = count_descriptors();
		directory = std::string(temporary ? temporary : "/tmp") + "/connect.XXXXXX";
		ASSERT_NE(mkdtemp(&directory[0]), nullptr);
		granted = listener("granted", 4096);
		other = listener("other", 4096);
		full = listener("full", 0);
		std::ofstream(directory + "/file") << "text";
		ASSERT_EQ(symlink("granted", (directory + "/link").c_str()), 0);
		ASSERT_EQ(symlink("other", (directory + "/link-to-other").c_str()), 0);
	}
	void TearDown() override
	{
		for (int fd : {granted, other, full})
			close(fd);
		EXPECT_EQ(system(("rm -rf '" + directory + "'").c_str()), 0);
		EXPECT_EQ(count_descriptors(), before);
	}
	void run(const std::string &mode, enum sp_interception interception,
		 const std::string &network, int status)
	{
		SandboxRunner runner;

		runner.interception = interception;
		Heard heard = runner.run(
		    "policy connect\nsyscalls {\n"
		    "  allow @default, @basic-io, @signal, @process, @timer, @sync, @memory\n"
		    "  allow fcntl, prlimit64, sched_yield, getrandom, socketpair\n"
		    "  deny connect as EPERM\n  default deny as ENOSYS\n}\nfiles {\n"
		    "  read " +
			directory + "/**\n  create, delete " + directory +
			"/next\n  create, delete " + directory +
			"/turning\n  read /usr/lib/**\n  read /lib/**\n"
			"  read /etc/ld.so.*\n  read /proc/**\n  read " +
			sp_test_binary_dir() + "/**\n}\n" + network,
		    {std::string(sp_test_binary_dir()) + "/bin/connect", mode, directory});
		EXPECT_EQ(heard.cause, SP_EXIT_EXITED) << heard.exit;
		EXPECT_EQ(heard.status, status) << heard.exit << heard.output;
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
	int listener(const std::string &name, int backlog)
	{
		struct sockaddr_un address = {AF_UNIX, {}};
		int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

		strcpy(address.sun_path, (directory + "/" + name).c_str());
		EXPECT_EQ(bind(fd, reinterpret_cast<struct sockaddr *>(&address), sizeof(address)),
			  0);
		EXPECT_EQ(listen(fd, backlog), 0);
		return fd;
	}
	std::string directory;
	size_t before = 0;
	int granted = -1, other = -1, full = -1;
};

TEST_F(Connect, WithARuntime)
{
	run("locked", SP_INTERCEPTION_COOPERATIVE, names(), 0);
	expect_reached();
}

TEST_F(Connect, ByNotification)
{
	run("plain", SP_INTERCEPTION_NOTIFY, names(), 0);
	expect_reached();
}

TEST_F(Connect, WithoutNamesItIsAnOrdinaryCall)
{
	run("plain", SP_INTERCEPTION_NOTIFY, "", 1); /* there is no socket, either */
	run("locked", SP_INTERCEPTION_COOPERATIVE, "", 1);
}

} // namespace
