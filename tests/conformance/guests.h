// SPDX-License-Identifier: Apache-2.0
// A program of this folder, run in a sandbox with a runtime or by notification, beside a directory that is the test's own.
#ifndef SALLYPORT_TESTS_CONFORMANCE_GUESTS_H
#define SALLYPORT_TESTS_CONFORMANCE_GUESTS_H

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "tests/support/descriptors.h"
#include "tests/support/paths.h"
#include "tests/support/sandbox.h"

// What a program's policy says beside what every program of this folder needs to start and to make children, which the
// preset parser does not let them have.
struct Wants {
	std::string calls, files, network;
};

class GuestTest : public ::testing::Test
{
      protected:
	explicit GuestTest(const std::string &name) : name(name)
	{
	}
	void SetUp() override
	{
		const char *temporary = getenv("TMPDIR");

		before = count_descriptors();
		directory = std::string(temporary ? temporary : "/tmp") + "/" + name + ".XXXXXX";
		ASSERT_NE(mkdtemp(&directory[0]), nullptr);
	}
	void TearDown() override
	{
		EXPECT_EQ(system(("rm -rf '" + directory + "'").c_str()), 0);
		EXPECT_EQ(count_descriptors(), before);
	}
	std::string program() const
	{
		return std::string(sp_test_binary_dir()) + "/bin/" + name;
	}
	// The program locks itself where it has a runtime.
	Heard run(enum sp_interception interception, const Wants &wants,
		  std::vector<std::string> words, int status)
	{
		SandboxRunner runner;
		bool locks = interception == SP_INTERCEPTION_COOPERATIVE;

		runner.interception = interception;
		words.insert(words.begin(), {program(), locks ? "locked" : "plain"});
		Heard heard = runner.run(
		    "policy " + name +
			"\nsyscalls {\n"
			"  allow @default, @basic-io, @signal, @process, @timer, @sync\n"
			"  allow fcntl, prlimit64, sched_yield, getrandom\n" +
			wants.calls + "  default deny as ENOSYS\n}\nfiles {\n" + wants.files +
			"  read /usr/lib/**\n  read /lib/**\n  read /etc/ld.so.*\n"
			"  read /proc/**\n  read " +
			sp_test_binary_dir() + "/**\n}\n" + wants.network,
		    words);

		EXPECT_EQ(heard.cause, SP_EXIT_EXITED) << heard.exit;
		EXPECT_EQ(heard.status, status) << heard.exit << heard.output;
		EXPECT_EQ(heard.locked, locks);
		return heard;
	}
	// A unix socket that listens by a name in the directory.
	int listener(const std::string &last, int backlog, int flags = 0) const
	{
		struct sockaddr_un address = {AF_UNIX, {}};
		int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);

		strcpy(address.sun_path, (directory + "/" + last).c_str());
		EXPECT_EQ(bind(fd, reinterpret_cast<struct sockaddr *>(&address), sizeof(address)),
			  0);
		EXPECT_EQ(listen(fd, backlog), 0);
		return fd;
	}

	std::string directory;

      private:
	std::string name;
	size_t before = 0;
};

#endif
