/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `connect plain|locked DIRECTORY`: connects to the sockets in a directory, of which the policy names
 * "granted" and "full" alone. Exits 0, or says what was different.
 */
#include <sallyport/sandboxee.h>

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/conformance/check.h"

#define FAILS(call, error) CHECK((call) < 0 && errno == (error))
#define ROUNDS 1000

static struct sockaddr_un named(const char *name)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	strcpy(address.sun_path, name);
	return address;
}

static int make_socket(int flags)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | flags, 0);

	CHECK(fd >= 0);
	return fd;
}

static int reach(int fd, const char *name)
{
	struct sockaddr_un address = named(name);

	return connect(fd, (struct sockaddr *)&address, sizeof(address));
}

/* One connection; 0 or the errno. */
static int try(const char *name)
{
	int fd = make_socket(SOCK_CLOEXEC);
	int error = reach(fd, name) < 0 ? errno : 0;

	CHECK(close(fd) == 0);
	return error;
}

static void names(void)
{
	struct sockaddr_un address = named("granted");
	socklen_t exact = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen("granted"));
	int fd = make_socket(SOCK_CLOEXEC);

	CHECK(connect(fd, (struct sockaddr *)&address, exact) == 0);
	CHECK(write(fd, "hello", 5) == 5 && fcntl(fd, F_GETFD) == FD_CLOEXEC);
	FAILS(reach(fd, "granted"), EISCONN);
	CHECK(close(fd) == 0);
	CHECK(try("link") == 0 && try("./granted") == 0);
	CHECK(try("other") == EACCES && try("link-to-other") == EACCES && try("file") == EACCES);
	CHECK(try("missing") == ENOENT && try("/nowhere/at/all") == EACCES);
}

static void addresses(void)
{
	struct sockaddr_in inet = {.sin_family = AF_INET, .sin_port = htons(9)};
	struct sockaddr_un address = named("granted");
	char large[200] = {AF_UNIX};
	int fd = make_socket(0);

	FAILS(connect(fd, (struct sockaddr *)&inet, sizeof(inet)), EACCES);
	inet.sin_family = AF_UNSPEC;
	FAILS(connect(fd, (struct sockaddr *)&inet, sizeof(inet)), EACCES);
	FAILS(connect(fd, (struct sockaddr *)&address, 0), EINVAL);
	FAILS(connect(fd, (struct sockaddr *)&address, 1), EINVAL);
	FAILS(connect(fd, (struct sockaddr *)&address, 2), EINVAL);
	FAILS(connect(fd, (struct sockaddr *)&address, (socklen_t)-1), EINVAL);
	FAILS(connect(fd, (struct sockaddr *)large, 112), EINVAL);
	FAILS(connect(fd, (struct sockaddr *)large, sizeof(large)), EINVAL);
	FAILS(connect(fd, (struct sockaddr *)8, sizeof(address)), EFAULT);
	address.sun_path[0] = '\0';
	FAILS(connect(fd, (struct sockaddr *)&address, sizeof(address)), EACCES);
	CHECK(reach(fd, "granted") == 0 && close(fd) == 0);
}

static void descriptors(void)
{
	int pair[2], file = open("file", O_RDONLY);

	FAILS(reach(-1, "granted"), EBADF);
	FAILS(reach(1000, "granted"), EBADF);
	CHECK(file >= 0);
	FAILS(reach(file, "granted"), ENOTSOCK);
	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	FAILS(reach(pair[0], "granted"), EISCONN);
	CHECK(socket(AF_UNIX, SOCK_DGRAM, 0) < 0 && socket(AF_INET, SOCK_STREAM, 0) < 0);
	CHECK(close(file) == 0 && close(pair[0]) == 0 && close(pair[1]) == 0);
}

static void on_alarm(int number)
{
	(void)number;
}

/* Its queue takes no more: who may not wait is told, who waits hears of signals. */
static void wait_for_room(void)
{
	const struct itimerval often = {{0, 20000}, {0, 20000}}, never = {{0, 0}, {0, 0}};
	struct sigaction action = {.sa_handler = on_alarm};
	int fd = make_socket(SOCK_NONBLOCK), held;

	while (reach(fd, "full") == 0) {
		held = fd; /* until the end, as a connection that nobody takes */
		fd = make_socket(SOCK_NONBLOCK);
		CHECK(held >= 0);
	}
	CHECK(errno == EAGAIN && close(fd) == 0);
	CHECK(sigaction(SIGALRM, &action, NULL) == 0);
	CHECK(setitimer(ITIMER_REAL, &often, NULL) == 0);
	CHECK(try("full") == EINTR);
	CHECK(setitimer(ITIMER_REAL, &never, NULL) == 0);
}

/* ---- another thread that changes what is looked at ---- */

static struct sockaddr_un changing;
static atomic_bool ended;

static void *change_address(void *unused)
{
	(void)unused;
	while (!ended) {
		strcpy(changing.sun_path, "other");
		strcpy(changing.sun_path, "granted");
	}
	return NULL;
}

static void *change_link(void *unused)
{
	(void)unused;
	while (!ended) {
		CHECK(symlink("other", "next") == 0 && rename("next", "turning") == 0);
		CHECK(symlink("granted", "next") == 0 && rename("next", "turning") == 0);
	}
	return NULL;
}

/* Whatever is met, "other" is never reached: who has it looks afterwards. */
static void race(void *(*change)(void *), int (*act)(int fd))
{
	pthread_t thread;

	ended = false;
	CHECK(pthread_create(&thread, NULL, change, NULL) == 0);
	for (int i = 0; i < ROUNDS; i++) {
		int fd = make_socket(SOCK_NONBLOCK);

		if (act(fd) < 0)
			CHECK(errno == EACCES || errno == ENOENT || errno == EAGAIN);
		CHECK(close(fd) == 0);
	}
	ended = true;
	CHECK(pthread_join(thread, NULL) == 0);
}

static int reach_changing(int fd)
{
	return connect(fd, (struct sockaddr *)&changing, sizeof(changing));
}

static int reach_turning(int fd)
{
	return reach(fd, "turning");
}

int main(int argc, char **argv)
{
	CHECK(argc == 3 && chdir(argv[2]) == 0);
	if (strcmp(argv[1], "locked") == 0)
		CHECK(sp_sandboxee_enter() == 0);
	changing = named("granted");
	names();
	addresses();
	descriptors();
	wait_for_room();
	race(change_address, reach_changing);
	race(change_link, reach_turning);
	return 0;
}
