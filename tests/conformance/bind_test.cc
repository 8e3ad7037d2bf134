// SPDX-License-Identifier: Apache-2.0
// Unix sockets that are bound to names: bind.c, with a runtime and by notification.
#include <dirent.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
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
class Bind : public ::testing::Test
{
      protected:
	void SetUp() override
	{
		const char *temporary = getenv("TMPDIR");

		before = count_descriptors();
		directory = std::string(temporary ? temporary : "/tmp") + "/bind.XXXXXX";
		ASSERT_NE(mkdtemp(&directory[0]), nullptr);
		ASSERT_EQ(mkdir((directory + "/good").c_str(), 0700), 0);
		ASSERT_EQ(mkdir((directory + "/bad").c_str(), 0700), 0);
		std::ofstream(directory + "/named-file") << "text";
		link("elsewhere", "named-dangling");
		link("good", "to-good");
		link("bad", "to-bad");
		link("good", "turning");
	}
	void TearDown() override
	{
		EXPECT_EQ(system(("rm -rf '" + directory + "'").c_str()), 0);
		EXPECT_EQ(count_descriptors(), before);
	}
	void run(const std::string &mode, enum sp_interception interception, bool tcp,
		 const std::string &network, int status)
	{
		SandboxRunner runner;

		runner.interception = interception;
		Heard heard = runner.run(
		    "policy bind\nsyscalls {\n"
		    "  allow @default, @basic-io, @signal, @process, @timer, @sync, @memory\n"
		    "  allow fcntl, prlimit64, sched_yield, getrandom, socketpair, getsockname\n"
		    "  allow pipe, pipe2, umask\n"
		    "  deny socket as EAFNOSUPPORT\n  deny bind, listen, accept4, connect as EIO\n"
		    "  default deny as ENOSYS\n}\nfiles {\n"
		    "  read " +
			directory + "/**\n  create, delete " + directory +
			"/next\n  create, delete " + directory + "/turning\n  delete " + directory +
			"/good/**\n  read /usr/lib/**\n  read /lib/**\n"
			"  read /etc/ld.so.*\n  read /proc/**\n  read " +
			std::string(sp_test_binary_dir()) + "/**\n}\n" + network,
		    {std::string(sp_test_binary_dir()) + "/bin/bind", mode, directory,
		     tcp ? "tcp" : "no-tcp"});
		EXPECT_EQ(heard.cause, SP_EXIT_EXITED) << heard.exit;
		EXPECT_EQ(heard.status, status) << heard.exit << heard.output;
		EXPECT_NE(access((directory + "/elsewhere").c_str(), F_OK), 0);
		EXPECT_NE(access((directory + "/other").c_str(), F_OK), 0);
		EXPECT_EQ(entries(directory + "/bad"), 0u);
	}
	std::string names(const std::string &more = "") const
	{
		return "network {\n  bind unix " + directory + "/good/**, " + directory +
		       "/named*\n  connect unix " + directory + "/**\n" + more + "}\n";
	}
	std::string with_tcp() const
	{
		return names("  connect tcp 192.0.2.1:9\n");
	}

      private:
	void link(const char *text, const char *name) const
	{
		ASSERT_EQ(symlink(text, (directory + "/" + name).c_str()), 0);
	}
	static size_t entries(const std::string &path)
	{
		DIR *opened = opendir(path.c_str());
		size_t count = 0;

		while (opened && readdir(opened))
			count++;
		if (opened)
			closedir(opened);
		return count - 2;
	}
	std::string directory;
	size_t before = 0;
};

TEST_F(Bind, WithARuntime)
{
	run("locked", SP_INTERCEPTION_COOPERATIVE, false, names(), 0);
}

TEST_F(Bind, ByNotification)
{
	run("plain", SP_INTERCEPTION_NOTIFY, false, names(), 0);
}

TEST_F(Bind, BesideAddressesWithARuntime)
{
	run("locked", SP_INTERCEPTION_COOPERATIVE, true, with_tcp(), 0);
}

TEST_F(Bind, BesideAddressesByNotification)
{
	run("plain", SP_INTERCEPTION_NOTIFY, true, with_tcp(), 0);
}

TEST_F(Bind, WithoutNamesItIsAnOrdinaryCall)
{
	run("plain", SP_INTERCEPTION_NOTIFY, false, "", 1); /* there is no socket, either */
	run("locked", SP_INTERCEPTION_COOPERATIVE, false, "", 1);
}

} // namespace
