// SPDX-License-Identifier: Apache-2.0
// TCP addresses: tcp.c, with a runtime and by notification. Who listens is outside, on the loopback device.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/descriptors.h"
#include "tests/support/paths.h"
#include "tests/support/sandbox.h"

namespace
{
struct Listener {
	int fd = -1;
	in_port_t port = 0;
};

Listener listener(int backlog)
{
	struct sockaddr_in address = {};
	socklen_t size = sizeof(address);
	Listener made;

	address.sin_family = AF_INET;
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	made.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	EXPECT_EQ(bind(made.fd, reinterpret_cast<struct sockaddr *>(&address), sizeof(address)), 0);
	EXPECT_EQ(listen(made.fd, backlog), 0);
	EXPECT_EQ(getsockname(made.fd, reinterpret_cast<struct sockaddr *>(&address), &size), 0);
	made.port = ntohs(address.sin_port);
	return made;
}

class Tcp : public ::testing::Test
{
      protected:
	void SetUp() override
	{
		const char *temporary = getenv("TMPDIR");

		before = count_descriptors();
		directory = std::string(temporary ? temporary : "/tmp") + "/tcp.XXXXXX";
		ASSERT_NE(mkdtemp(&directory[0]), nullptr);
		granted = listener(4096);
		other = listener(4096);
		full = listener(0);
		fill();
		name = named("socket");
		denied = named("denied");
		server = std::thread([this] { serve(); });
	}
	void TearDown() override
	{
		shutdown(granted.fd, SHUT_RDWR); /* ends the server */
		server.join();
		for (int fd : {granted.fd, other.fd, full.fd, name, denied})
			close(fd);
		for (int fd : fillers)
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
		    "policy tcp\nsyscalls {\n"
		    "  allow @default, @basic-io, @signal, @process, @timer, @sync, @memory\n"
		    "  allow @io-event, @network-io, fcntl, ioctl, dup2, pipe, pipe2, prlimit64\n"
		    "  allow sched_yield, getrandom, socketpair\n"
		    "  deny socket as EAFNOSUPPORT\n  deny connect as EIO\n"
		    "  default deny as ENOSYS\n}\nfiles {\n"
		    "  read /usr/lib/**\n  read /lib/**\n"
		    "  read /etc/ld.so.*\n  read /proc/**\n  read " +
			std::string(sp_test_binary_dir()) + "/**\n}\n" + network,
		    {std::string(sp_test_binary_dir()) + "/bin/tcp", mode,
		     std::to_string(granted.port), std::to_string(other.port),
		     std::to_string(full.port), directory});
		EXPECT_EQ(heard.cause, SP_EXIT_EXITED) << heard.exit;
		EXPECT_EQ(heard.status, status) << heard.exit << heard.output;
		/* What was not granted nobody came to. */
		EXPECT_LT(accept4(other.fd, nullptr, nullptr, SOCK_NONBLOCK), 0);
	}
	std::string addresses() const
	{
		return "network {\n  connect tcp 127.0.0.1:" + std::to_string(granted.port) +
		       ", 127.0.0.1:" + std::to_string(full.port) + "\n  connect unix " +
		       directory + "/socket\n}\n";
	}

      private:
	int named(const char *last)
	{
		struct sockaddr_un address = {AF_UNIX, {}};
		int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

		strcpy(address.sun_path, (directory + "/" + last).c_str());
		EXPECT_EQ(bind(fd, reinterpret_cast<struct sockaddr *>(&address), sizeof(address)),
			  0);
		EXPECT_EQ(listen(fd, 16), 0);
		return fd;
	}
	/* Until the kernel answers nobody any more. */
	void fill()
	{
		struct sockaddr_in address = {};
		int flags = fcntl(other.fd, F_GETFL);

		EXPECT_EQ(fcntl(other.fd, F_SETFL, flags | O_NONBLOCK), 0);
		address.sin_family = AF_INET;
		address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		address.sin_port = htons(full.port);
		for (int i = 0; i < 8; i++) {
			int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

			(void)connect(fd, reinterpret_cast<struct sockaddr *>(&address),
				      sizeof(address));
			fillers.push_back(fd);
		}
	}
	/* One after the other: as many "world"s as there are "hello"s. */
	void serve() const
	{
		for (;;) {
			int fd = accept4(granted.fd, nullptr, nullptr, SOCK_CLOEXEC);

			if (fd < 0)
				return;
			std::thread([fd] {
				char text[5];

				while (recv(fd, text, sizeof(text), MSG_WAITALL) == sizeof(text) &&
				       memcmp(text, "hello", sizeof(text)) == 0)
					(void)!send(fd, "world", 5, MSG_NOSIGNAL);
				close(fd);
			}).join();
		}
	}
	std::string directory;
	size_t before = 0;
	Listener granted, other, full;
	std::vector<int> fillers;
	int name = -1, denied = -1;
	std::thread server;
};

TEST_F(Tcp, WithARuntime)
{
	run("locked", SP_INTERCEPTION_COOPERATIVE, addresses(), 0);
}

TEST_F(Tcp, ByNotification)
{
	run("plain", SP_INTERCEPTION_NOTIFY, addresses(), 0);
}

TEST_F(Tcp, WithoutAddressesThereIsNoSocket)
{
	run("plain", SP_INTERCEPTION_NOTIFY, "", 1);
	run("locked", SP_INTERCEPTION_COOPERATIVE, "", 1);
}

} // namespace
