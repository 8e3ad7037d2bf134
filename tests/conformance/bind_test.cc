// SPDX-License-Identifier: Apache-2.0
// Unix sockets that are bound to names: bind.c, with a runtime and by notification.
#include <dirent.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <string>
#include <thread>

#include "guests.h"

namespace
{
class Bind : public GuestTest
{
      protected:
	Bind() : GuestTest("bind")
	{
	}
	void SetUp() override
	{
		ASSERT_NO_FATAL_FAILURE(GuestTest::SetUp());
		ASSERT_EQ(mkdir((directory + "/good").c_str(), 0700), 0);
		ASSERT_EQ(mkdir((directory + "/bad").c_str(), 0700), 0);
		ASSERT_EQ(mkdir((directory + "/swapped").c_str(), 0700), 0);
		for (const char *name : {"/closed", "/closed/open", "/closed/open/sub"})
			ASSERT_EQ(mkdir((directory + name).c_str(), 0700), 0);
		std::ofstream(directory + "/named-file") << "text";
		link("elsewhere", "named-dangling");
		link("good", "to-good");
		link("bad", "to-bad");
		link("good", "turning");
	}
	void run(enum sp_interception interception, bool tcp, const std::string &network,
		 int status)
	{
		ended = false;
		std::thread swapper([this] { swap(); });
		GuestTest::run(interception,
			       {"  allow @memory, socketpair, getsockname, getpeername\n"
				"  allow pipe, pipe2, umask\n"
				"  deny socket as EAFNOSUPPORT\n"
				"  deny bind, listen, accept4, connect as EIO\n",
				"  read " + directory + "/**\n  create, delete " + directory +
				    "/next, " + directory + "/turning\n  delete " + directory +
				    "/good/**\n",
				network},
			       {directory, tcp ? "tcp" : "no-tcp"}, status);
		ended = true;
		swapper.join();
		EXPECT_EQ(chmod((directory + "/closed").c_str(), 0700), 0);
		EXPECT_NE(access((directory + "/elsewhere").c_str(), F_OK), 0);
		EXPECT_NE(access((directory + "/other").c_str(), F_OK), 0);
		EXPECT_EQ(entries(directory + "/bad"), 0u);
	}
	std::string names(const std::string &more = "") const
	{
		return "network {\n  bind unix " + directory + "/good/**, " + directory +
		       "/named*, " + directory + "/swapped/**, " + directory +
		       "/closed/open/**\n  connect unix " + directory + "/**\n" + more + "}\n";
	}
	std::string with_tcp() const
	{
		return names("  connect tcp 192.0.2.1:9\n");
	}

      private:
	/* Not before the launch, which follows the links that a policy names. */
	void swap() const
	{
		std::string swapped = directory + "/swapped", kept = directory + "/kept";

		while (!ended && access((directory + "/named-closing").c_str(), F_OK) != 0)
			std::this_thread::yield();
		EXPECT_EQ(chmod((directory + "/closed").c_str(), 0), 0);
		while (!ended && access((directory + "/named-ready").c_str(), F_OK) != 0)
			std::this_thread::yield();
		while (!ended) {
			EXPECT_EQ(rename(swapped.c_str(), kept.c_str()), 0);
			EXPECT_EQ(symlink("bad", swapped.c_str()), 0);
			EXPECT_EQ(unlink(swapped.c_str()), 0);
			EXPECT_EQ(rename(kept.c_str(), swapped.c_str()), 0);
		}
	}
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
	std::atomic<bool> ended{false};
};

TEST_F(Bind, WithARuntime)
{
	run(SP_INTERCEPTION_COOPERATIVE, false, names(), 0);
}

TEST_F(Bind, ByNotification)
{
	run(SP_INTERCEPTION_NOTIFY, false, names(), 0);
}

TEST_F(Bind, BesideAddressesWithARuntime)
{
	run(SP_INTERCEPTION_COOPERATIVE, true, with_tcp(), 0);
}

TEST_F(Bind, BesideAddressesByNotification)
{
	run(SP_INTERCEPTION_NOTIFY, true, with_tcp(), 0);
}

TEST_F(Bind, WithoutNamesItIsAnOrdinaryCall)
{
	run(SP_INTERCEPTION_NOTIFY, false, "", 1); /* there is no socket, either */
	run(SP_INTERCEPTION_COOPERATIVE, false, "", 1);
}

} // namespace
