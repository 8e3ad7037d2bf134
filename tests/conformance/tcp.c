/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `tcp plain|locked GRANTED OTHER FULL DIRECTORY`: connects to ports of the loopback device outside, of which the policy
 * names GRANTED (where "hello" is expected, and "world" answered) and FULL (whose queue is) alone, in IPv4; and to
 * DIRECTORY/socket, which it names too. Exits 0, or says what was different.
 */
#include <sallyport/sandboxee.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/conformance/check.h"

#define FAILS(call, error) CHECK((call) < 0 && errno == (error))
#define ROUNDS 1000
#ifndef TCP_ULP
#define TCP_ULP 31
#endif

static in_port_t granted, other, full;
static const char *directory;

static struct sockaddr_in address_of(const char *host, in_port_t port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};

	CHECK(inet_pton(AF_INET, host, &address.sin_addr) == 1);
	return address;
}

static struct sockaddr_in6 address_6(const char *host, in_port_t port)
{
	struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_port = htons(port)};

	CHECK(inet_pton(AF_INET6, host, &address.sin6_addr) == 1);
	return address;
}

static int make_socket(int family, int flags)
{
	int fd = socket(family, SOCK_STREAM | flags, 0);

	CHECK(fd >= 0);
	return fd;
}

static int reach(int fd, const char *host, in_port_t port)
{
	struct sockaddr_in address = address_of(host, port);

	return connect(fd, (struct sockaddr *)&address, sizeof(address));
}

/* One connection; 0 or the errno. */
static int try(const char *host, in_port_t port)
{
	int fd = make_socket(AF_INET, SOCK_CLOEXEC);
	int error = reach(fd, host, port) < 0 ? errno : 0;

	CHECK(close(fd) == 0);
	return error;
}

static int try_6(const char *host, in_port_t port, socklen_t length)
{
	struct sockaddr_in6 address = address_6(host, port);
	int fd = make_socket(AF_INET6, 0);
	int error = connect(fd, (struct sockaddr *)&address, length) < 0 ? errno : 0;

	CHECK(close(fd) == 0);
	return error;
}

static void talk(int fd)
{
	char answer[6] = "";

	CHECK(send(fd, "hello", 5, MSG_NOSIGNAL) == 5);
	CHECK(recv(fd, answer, 5, MSG_WAITALL) == 5 && strcmp(answer, "world") == 0);
}

static void connections(void)
{
	struct sockaddr_in peer;
	socklen_t size = sizeof(peer);
	int on = 1, fd = make_socket(AF_INET, SOCK_CLOEXEC), again;

	CHECK(fcntl(fd, F_GETFD) == FD_CLOEXEC && !(fcntl(fd, F_GETFL) & O_NONBLOCK));
	CHECK(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) == 0);
	CHECK(reach(fd, "127.0.0.1", granted) == 0);
	CHECK(getpeername(fd, (struct sockaddr *)&peer, &size) == 0 && size == sizeof(peer));
	CHECK(peer.sin_port == htons(granted));
	talk(fd);
	FAILS(reach(fd, "127.0.0.1", granted), EISCONN);
	FAILS(reach(fd, "127.0.0.1", other), EACCES);
	again = dup(fd);
	CHECK(again >= 0 && close(fd) == 0);
	talk(again);
	CHECK(shutdown(again, SHUT_RDWR) == 0 && close(again) == 0);
	fd = make_socket(AF_INET, 0);
	CHECK(fcntl(fd, F_GETFD) == 0 && close(fd) == 0);
	CHECK(try("127.0.0.1", other) == EACCES && try("127.0.0.2", granted) == EACCES);
	CHECK(try("192.0.2.1", 80) == EACCES);
	/* The host itself by no address at all, as the kernel has it. */
	CHECK(try("0.0.0.0", granted) == 0 && try("0.0.0.0", other) == EACCES);
}

/* An IPv4 address is one in whatever clothes. */
static void connections_6(void)
{
	const socklen_t whole = sizeof(struct sockaddr_in6);
	int fd = socket(AF_INET6, SOCK_STREAM, 0);

	if (fd < 0) {
		CHECK(errno == EAFNOSUPPORT); /* the machine has no IPv6 */
		return;
	}
	CHECK(close(fd) == 0);
	CHECK(try_6("::ffff:127.0.0.1", granted, whole) == 0);
	CHECK(try_6("::ffff:127.0.0.1", granted, whole - 4) == 0);
	CHECK(try_6("::ffff:0.0.0.0", granted, whole) == 0);
	CHECK(try_6("::ffff:127.0.0.1", granted, whole - 5) == EINVAL);
	CHECK(try_6("::ffff:127.0.0.1", other, whole) == EACCES);
	CHECK(try_6("::1", granted, whole) == EACCES);
	CHECK(try_6("::", granted, whole) == EACCES);
}

static void await(int fd, short events)
{
	struct pollfd wait = {.fd = fd, .events = events};

	CHECK(poll(&wait, 1, 60000) == 1);
}

static void without_waiting(void)
{
	struct epoll_event wanted = {.events = EPOLLOUT}, event;
	socklen_t size = sizeof(int);
	int fd = make_socket(AF_INET, SOCK_NONBLOCK), set = epoll_create1(EPOLL_CLOEXEC),
	    error = -1;

	CHECK(fcntl(fd, F_GETFL) & O_NONBLOCK);
	CHECK(set >= 0 && epoll_ctl(set, EPOLL_CTL_ADD, fd, &wanted) == 0);
	if (reach(fd, "127.0.0.1", granted) < 0)
		CHECK(errno == EINPROGRESS);
	await(fd, POLLOUT);
	CHECK(epoll_wait(set, &event, 1, 60000) == 1 && event.events == EPOLLOUT);
	CHECK(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error == 0);
	CHECK(fcntl(fd, F_SETFL, 0) == 0);
	talk(fd);
	CHECK(close(fd) == 0 && close(set) == 0);
}

static void on_alarm(int number)
{
	(void)number;
}

/* Its queue takes no more, so that nobody answers: who waits hears of signals. */
static void wait_for_long(void)
{
	const struct itimerval often = {{0, 20000}, {0, 20000}}, never = {{0, 0}, {0, 0}};
	const struct timeval soon = {0, 50000};
	struct sigaction action = {.sa_handler = on_alarm};
	int fd = make_socket(AF_INET, 0);

	CHECK(sigaction(SIGALRM, &action, NULL) == 0);
	CHECK(setitimer(ITIMER_REAL, &often, NULL) == 0);
	FAILS(reach(fd, "127.0.0.1", full), EINTR);
	CHECK(setitimer(ITIMER_REAL, &never, NULL) == 0);
	CHECK(close(fd) == 0);
	fd = make_socket(AF_INET, 0);
	CHECK(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &soon, sizeof(soon)) == 0);
	FAILS(reach(fd, "127.0.0.1", full), EINPROGRESS);
	CHECK(close(fd) == 0);
}

static void addresses(void)
{
	struct sockaddr_in address = address_of("127.0.0.1", granted);
	const struct sockaddr *name = (struct sockaddr *)&address;
	char large[200] = {AF_INET};
	int fd = make_socket(AF_INET, 0);

	FAILS(connect(fd, name, 0), EINVAL);
	FAILS(connect(fd, name, 1), EINVAL);
	FAILS(connect(fd, name, 2), EINVAL);
	FAILS(connect(fd, name, sizeof(address) - 1), EINVAL);
	FAILS(connect(fd, name, (socklen_t)-1), EINVAL);
	FAILS(connect(fd, (struct sockaddr *)large, sizeof(large)), EINVAL);
	FAILS(connect(fd, (struct sockaddr *)8, sizeof(address)), EFAULT);
	memcpy(large, &address, sizeof(address));
	CHECK(connect(fd, (struct sockaddr *)large, 128) == 0);
	talk(fd);
	/* Ended, and begun anew: each time it is decided anew. */
	address.sin_family = AF_UNSPEC;
	CHECK(connect(fd, name, sizeof(address)) == 0);
	FAILS(reach(fd, "127.0.0.1", other), EACCES);
	FAILS(send(fd, "x", 1, MSG_NOSIGNAL), ECONNRESET); /* the end itself is told so, once */
	FAILS(send(fd, "x", 1, MSG_NOSIGNAL), EPIPE);
	CHECK(reach(fd, "127.0.0.1", granted) == 0);
	talk(fd);
	CHECK(close(fd) == 0);
	address.sin_family = AF_NETLINK;
	fd = make_socket(AF_INET, 0);
	FAILS(connect(fd, name, sizeof(address)), EACCES);
	CHECK(close(fd) == 0);
}

static void descriptors(void)
{
	int pair[2], pipe_ends[2], fd;

	FAILS(reach(-1, "127.0.0.1", granted), EBADF);
	FAILS(reach(1000, "127.0.0.1", granted), EBADF);
	CHECK(pipe(pipe_ends) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	FAILS(reach(pipe_ends[0], "127.0.0.1", granted), ENOTSOCK);
	FAILS(reach(pair[0], "127.0.0.1", granted), EAFNOSUPPORT);
	for (int family = AF_INET; family <= AF_INET6; family += AF_INET6 - AF_INET) {
		FAILS(socket(family, SOCK_DGRAM, 0), EAFNOSUPPORT);
		FAILS(socket(family, SOCK_RAW, IPPROTO_TCP), EAFNOSUPPORT);
		FAILS(socket(family, SOCK_STREAM, 262 /* MPTCP */), EAFNOSUPPORT);
		FAILS(socket(family, SOCK_STREAM, 132 /* SCTP */), EAFNOSUPPORT);
		FAILS(socket(family, SOCK_STREAM | 0x100, 0), EINVAL);
	}
	FAILS(socket(AF_NETLINK, SOCK_RAW, 0), EAFNOSUPPORT);
	FAILS(socket(43 /* SMC */, SOCK_STREAM, 0), EAFNOSUPPORT);
	for (int i = 0; i < 2; i++)
		CHECK(close(pair[i]) == 0 && close(pipe_ends[i]) == 0);
	fd = socket(AF_INET, SOCK_STREAM, IPPROTO_TCP);
	CHECK(fd >= 0 && close(fd) == 0);
}

/* ---- what would lead elsewhere ---- */

static void first_packets(void)
{
	struct sockaddr_in address = address_of("127.0.0.1", other);
	char byte[1] = {'x'};
	struct iovec part = {byte, 1};
	struct mmsghdr message = {.msg_hdr = {.msg_name = &address,
					      .msg_namelen = sizeof(address),
					      .msg_iov = &part,
					      .msg_iovlen = 1}};
	int on = 1, fd = make_socket(AF_INET, 0);

	FAILS(sendto(fd, byte, 1, MSG_FASTOPEN, (struct sockaddr *)&address, sizeof(address)),
	      EPERM);
	FAILS(sendto(fd, byte, 1, MSG_FASTOPEN | MSG_NOSIGNAL, NULL, 0), EPERM);
	FAILS(sendmsg(fd, &message.msg_hdr, MSG_FASTOPEN), EPERM);
	FAILS(sendmmsg(fd, &message, 1, MSG_FASTOPEN), EPERM);
	/* Without the flag the address counts for nothing. */
	FAILS(sendto(fd, byte, 1, MSG_NOSIGNAL, (struct sockaddr *)&address, sizeof(address)),
	      EPIPE);
	message.msg_hdr.msg_flags = MSG_FASTOPEN;
	FAILS(sendmsg(fd, &message.msg_hdr, MSG_NOSIGNAL), EPIPE);
	FAILS(sendmmsg(fd, &message, 1, MSG_NOSIGNAL), EPIPE);
	FAILS(setsockopt(fd, IPPROTO_TCP, 30 /* TCP_FASTOPEN_CONNECT */, &on, sizeof(on)), EPERM);
	CHECK(close(fd) == 0);
}

static void options(void)
{
	const struct {
		int level, option;
	} held[] = {
	    {SOL_SOCKET, SO_BINDTODEVICE},
	    {SOL_SOCKET, SO_LINGER},
	    {SOL_SOCKET, SO_MARK},
	    {SOL_SOCKET, SO_ATTACH_FILTER},
	    {SOL_SOCKET, SO_DONTROUTE},
	    {IPPROTO_IP, 4 /* IP_OPTIONS */},
	    {IPPROTO_IP, 19 /* IP_TRANSPARENT */},
	    {IPPROTO_IP, 35 /* IP_ADD_MEMBERSHIP */},
	    {IPPROTO_IP, 50 /* IP_UNICAST_IF */},
	    {IPPROTO_TCP, TCP_ULP},
	    {IPPROTO_TCP, 19 /* TCP_REPAIR */},
	    {IPPROTO_TCP, 23 /* TCP_FASTOPEN */},
	    {IPPROTO_IPV6, 1 /* IPV6_ADDRFORM */},
	    {IPPROTO_IPV6, 57 /* IPV6_RTHDR */},
	    {IPPROTO_IPV6, 6 /* IPV6_2292PKTOPTIONS */},
	    {IPPROTO_IPV6, 20 /* IPV6_JOIN_GROUP */},
	    {SOL_SOCKET + 0x10000, SO_KEEPALIVE},
	    {1 << 16 | IPPROTO_TCP, TCP_NODELAY},
	};
	char value[64] = {0};
	int fd = make_socket(AF_INET, 0), number;

	for (size_t i = 0; i < sizeof(held) / sizeof(held[0]); i++)
		FAILS(setsockopt(fd, held[i].level, held[i].option, value, sizeof(value)), EPERM);
	for (unsigned long request = 0x8901; request <= 0x8bff; request += 0x11)
		CHECK(ioctl(fd, request, value) < 0 && errno == EPERM);
	CHECK(ioctl(fd, SIOCATMARK, &number) == 0 || errno == EINVAL);
	CHECK(reach(fd, "127.0.0.1", granted) == 0);
	CHECK(ioctl(fd, FIONREAD, &number) == 0 && number == 0);
	CHECK(close(fd) == 0);
}

static void servers(void)
{
	struct sockaddr_in any = address_of("0.0.0.0", 0);
	int fd = make_socket(AF_INET, SOCK_NONBLOCK);

	FAILS(bind(fd, (struct sockaddr *)&any, sizeof(any)), EPERM);
	FAILS(listen(fd, 1), EPERM);
	FAILS(accept(fd, NULL, NULL), EINVAL);
	CHECK(reach(fd, "127.0.0.1", granted) == 0 || errno == EINPROGRESS);
	await(fd, POLLOUT);
	CHECK(shutdown(fd, SHUT_RDWR) == 0);
	FAILS(listen(fd, 1), EPERM);
	any.sin_family = AF_UNSPEC;
	CHECK(connect(fd, (struct sockaddr *)&any, sizeof(any)) == 0);
	FAILS(listen(fd, 1), EPERM);
	FAILS(accept(fd, NULL, NULL), EINVAL);
	CHECK(close(fd) == 0);
}

/* ---- names beside addresses ---- */

static void names(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = make_socket(AF_UNIX, 0), inet = make_socket(AF_INET, 0);

	CHECK(strlen(directory) + sizeof("/socket") <= sizeof(address.sun_path));
	strcat(strcpy(address.sun_path, directory), "/socket");
	FAILS(connect(inet, (struct sockaddr *)&address, sizeof(address)), EAFNOSUPPORT);
	CHECK(connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
	CHECK(close(fd) == 0 && close(inet) == 0);
	fd = make_socket(AF_UNIX, 0);
	strcat(strcpy(address.sun_path, directory), "/denied");
	FAILS(connect(fd, (struct sockaddr *)&address, sizeof(address)), EACCES);
	CHECK(close(fd) == 0);
}

/* ---- another process of the sandbox ---- */

static int pass(int channel, int fd)
{
	char byte = 'x', room[CMSG_SPACE(sizeof(int))] = {0};
	struct iovec part = {&byte, 1};
	struct msghdr message = {
	    .msg_iov = &part, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof(room)};
	struct cmsghdr *control = CMSG_FIRSTHDR(&message);

	control->cmsg_level = SOL_SOCKET;
	control->cmsg_type = SCM_RIGHTS;
	control->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(control), &fd, sizeof(int));
	return sendmsg(channel, &message, 0) == 1 ? 0 : -1;
}

static int receive(int channel)
{
	char byte, room[CMSG_SPACE(sizeof(int))];
	struct iovec part = {&byte, 1};
	struct msghdr message = {
	    .msg_iov = &part, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof(room)};
	int fd = -1;

	CHECK(recvmsg(channel, &message, 0) == 1 && CMSG_FIRSTHDR(&message));
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(fd));
	return fd;
}

static void relatives(void)
{
	int pair[2], status, fd = make_socket(AF_INET, 0);
	pid_t child;

	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	child = fork();
	CHECK(child >= 0);
	if (child == 0) {
		int got = receive(pair[1]);

		CHECK(reach(got, "127.0.0.1", other) < 0 && errno == EACCES);
		CHECK(reach(got, "127.0.0.1", granted) == 0);
		CHECK(try("127.0.0.1", granted) == 0 && try("127.0.0.1", other) == EACCES);
		_exit(0);
	}
	CHECK(pass(pair[0], fd) == 0);
	CHECK(waitpid(child, &status, 0) == child && status == 0);
	talk(fd);
	CHECK(close(fd) == 0 && close(pair[0]) == 0 && close(pair[1]) == 0);
}

/* ---- another thread that changes what is looked at ---- */

static struct sockaddr_in changing;
static _Atomic int number;
static atomic_bool ended;
static int spares[2];

static void *change_address(void *unused)
{
	(void)unused;
	while (!ended) {
		changing.sin_port = htons(other);
		changing.sin_port = htons(granted);
	}
	return NULL;
}

/* The number is a TCP socket now, and now another thing. */
static void *change_descriptor(void *unused)
{
	(void)unused;
	while (!ended) {
		CHECK(dup2(spares[0], number) == number);
		CHECK(dup2(spares[1], number) == number);
	}
	return NULL;
}

static void race_address(void)
{
	pthread_t thread;

	changing = address_of("127.0.0.1", granted);
	ended = false;
	CHECK(pthread_create(&thread, NULL, change_address, NULL) == 0);
	for (int i = 0; i < ROUNDS; i++) {
		int fd = make_socket(AF_INET, SOCK_NONBLOCK);

		if (connect(fd, (struct sockaddr *)&changing, sizeof(changing)) < 0)
			CHECK(errno == EACCES || errno == EINPROGRESS);
		CHECK(close(fd) == 0);
	}
	ended = true;
	CHECK(pthread_join(thread, NULL) == 0);
}

static void race_descriptor(void)
{
	pthread_t thread;

	number = make_socket(AF_INET, SOCK_NONBLOCK);
	spares[0] = make_socket(AF_INET, SOCK_NONBLOCK);
	spares[1] = make_socket(AF_UNIX, SOCK_NONBLOCK);
	ended = false;
	CHECK(pthread_create(&thread, NULL, change_descriptor, NULL) == 0);
	for (int i = 0; i < ROUNDS; i++)
		if (reach(number, "127.0.0.1", i % 2 ? granted : other) < 0)
			CHECK(errno == EACCES || errno == EINPROGRESS || errno == EALREADY ||
			      errno == EISCONN || errno == EAFNOSUPPORT);
	ended = true;
	CHECK(pthread_join(thread, NULL) == 0);
	CHECK(close(number) == 0 && close(spares[0]) == 0 && close(spares[1]) == 0);
}

int main(int argc, char **argv)
{
	CHECK(argc == 6);
	granted = (in_port_t)atoi(argv[2]);
	other = (in_port_t)atoi(argv[3]);
	full = (in_port_t)atoi(argv[4]);
	directory = argv[5];
	if (strcmp(argv[1], "locked") == 0)
		CHECK(sp_sandboxee_enter() == 0);
	connections();
	connections_6();
	without_waiting();
	wait_for_long();
	addresses();
	descriptors();
	first_packets();
	options();
	servers();
	names();
	if (strcmp(argv[1], "locked") != 0)
		relatives(); /* a lock alone is one process's */
	race_address();
	race_descriptor();
	return 0;
}
