// SPDX-License-Identifier: Apache-2.0
// TCP addresses: tcp.c, with a runtime and by notification. Who listens is outside, on the loopback device.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "guests.h"

namespace
{
struct Listener {
	int fd = -1;
	in_port_t port = 0;
};

Listener tcp_listener(int backlog)
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

class Tcp : public GuestTest
{
      protected:
	Tcp() : GuestTest("tcp")
	{
	}
	void SetUp() override
	{
		ASSERT_NO_FATAL_FAILURE(GuestTest::SetUp());
		granted = tcp_listener(4096);
		other = tcp_listener(4096);
		full = tcp_listener(0);
		fill();
		name = listener("socket", 16);
		denied = listener("denied", 16);
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
		GuestTest::TearDown();
	}
	void run(enum sp_interception interception, const std::string &network, int status)
	{
		GuestTest::run(interception,
			       {"  allow @memory, @io-event, @network-io\n"
				"  allow ioctl, dup2, pipe, pipe2, socketpair\n"
				"  deny socket as EAFNOSUPPORT\n  deny connect as EIO\n",
				"", network},
			       {std::to_string(granted.port), std::to_string(other.port),
				std::to_string(full.port), directory},
			       status);
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
	Listener granted, other, full;
	std::vector<int> fillers;
	int name = -1, denied = -1;
	std::thread server;
};

TEST_F(Tcp, WithARuntime)
{
	run(SP_INTERCEPTION_COOPERATIVE, addresses(), 0);
}

TEST_F(Tcp, ByNotification)
{
	run(SP_INTERCEPTION_NOTIFY, addresses(), 0);
}

TEST_F(Tcp, WithoutAddressesThereIsNoSocket)
{
	run(SP_INTERCEPTION_NOTIFY, "", 1);
	run(SP_INTERCEPTION_COOPERATIVE, "", 1);
}

} // namespace
