/* SPDX-License-Identifier: Apache-2.0 */
/* Objects that the caller holds a descriptor of already, and asks for by that descriptor's number. */
#include <errno.h>
#include <linux/magic.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "broker/walker.h"
#include "ipc/kernel.h"
#include "ipc/util.h"

/* What fcntl(F_SETFL) may set without harm. */
#define SETTABLE (O_APPEND | O_DIRECT | O_NOATIME | O_NONBLOCK)

static const struct linger no_linger = {0};

/* The thread's descriptors; before Linux 6.9, and where only its process is known for sure, its
 * process's, which hardly ever are others. */
static int open_pidfd(const struct sp_request *request)
{
	struct sp_caller *caller = request->caller;
	int fd, r;

	if (caller->process) {
		fd = fcntl(*caller->process, F_DUPFD_CLOEXEC, 0);
		return fd < 0 ? -errno : fd;
	}
	if (caller->outer) {
		fd = (int)syscall(SYS_pidfd_open, caller->outer, PIDFD_THREAD);
		if (fd >= 0 || errno != EINVAL)
			return fd < 0 ? -errno : fd;
		r = sp_caller_identify(request->view, caller);
		if (r < 0)
			return r;
	}
	fd = (int)syscall(SYS_pidfd_open, caller->outer_pid, 0);
	return fd < 0 ? -errno : fd;
}

/* Sockets are not opened, as everywhere; taking one could cost a wait when it is closed. */
static int check_type(const struct sp_request *request, int number)
{
	_cleanup_close_ int object = sp_caller_open(request, number);
	struct stat status;

	if (object < 0 || fstat(object, &status) < 0)
		return -EACCES;
	if (S_ISSOCK(status.st_mode))
		return -ENXIO;
	return S_ISDIR(status.st_mode) ? -EACCES : 0;
}

int sp_own_take(const struct sp_request *request, int number)
{
	_cleanup_close_ int pidfd = -1, file = -1;
	struct stat status;
	int r = check_type(request, number);

	if (r < 0)
		return r;
	pidfd = open_pidfd(request);
	if (pidfd < 0)
		return -EACCES;
	file = (int)syscall(SYS_pidfd_getfd, pidfd, number, 0);
	if (file < 0 || fstat(file, &status) < 0)
		return -EACCES;
	if (!S_ISSOCK(status.st_mode))
		return TAKE_FD(file);
	/* It was none when it was looked at: somebody is at work, and may want us to linger. */
	(void)setsockopt(file, SOL_SOCKET, SO_LINGER, &no_linger, sizeof(no_linger));
	return -EACCES;
}

static bool covers(int have, uint64_t flags)
{
	int wanted = (int)(flags & O_ACCMODE);
	bool reads = wanted != O_WRONLY, writes = wanted != O_RDONLY || (flags & O_TRUNC);

	have &= O_ACCMODE | O_PATH;
	return !(have & O_PATH) && have != O_ACCMODE && (!reads || have != O_WRONLY) &&
	       (!writes || have != O_RDONLY);
}

/* Where another open file of the same object differs in nothing from the first: not in a file system
 * that looks at who opens, nor with a device, which may make a new instance. */
static bool is_plain(int file, const struct stat *status)
{
	struct statfs system;

	if (fstatfs(file, &system) < 0)
		return false;
	if (S_ISFIFO(status->st_mode))
		return system.f_type == PIPEFS_MAGIC;
	return S_ISREG(status->st_mode) &&
	       (major(status->st_dev) != 0 || system.f_type == TMPFS_MAGIC);
}

/* Fails where the porter's own walls, or the object's mode, don't let it. */
static int open_again(const struct sp_request *request, int file, int have, uint64_t flags)
{
	_cleanup_close_ int fd =
	    sp_view_reopen(request->view, file, (int)(flags & O_ACCMODE) | (have & O_APPEND));

	if (fd < 0)
		return fd;
	if (fcntl(fd, F_SETFL, (int)(flags & SETTABLE) | (have & O_APPEND)) < 0)
		return -errno;
	return TAKE_FD(fd);
}

int sp_own_judge(struct sp_request *request, int error, int number, uint64_t flags)
{
	_cleanup_close_ int file = sp_own_take(request, number);

	if (file < 0 || !covers(fcntl(file, F_GETFL), flags))
		return error;
	sp_forgive(request);
	return 0;
}

int sp_own_open(const struct sp_request *request, int number, uint64_t flags)
{
	_cleanup_close_ int file = -1;
	struct stat status;
	int have, fd = -1;

	if (!request->caller->outer && !request->caller->process)
		return -EACCES;
	file = sp_own_take(request, number);
	if (file < 0)
		return file;
	have = fcntl(file, F_GETFL);
	if (have < 0 || fstat(file, &status) < 0)
		return -EACCES;
	if (!covers(have, flags) || S_ISDIR(status.st_mode))
		return -EACCES;
	if ((flags & O_TRUNC) && S_ISREG(status.st_mode) && ftruncate(file, 0) < 0)
		return -errno;
	request->answer->pipe = S_ISFIFO(status.st_mode);
	if (is_plain(file, &status))
		fd = open_again(request, file, have, flags);
	return fd >= 0 ? fd : TAKE_FD(file);
}

static bool option_is(int socket, int option, int wanted)
{
	socklen_t size = sizeof(int);
	int value;

	return getsockopt(socket, SOL_SOCKET, option, &value, &size) == 0 && value == wanted;
}

static bool is_tcp(int socket)
{
	return (option_is(socket, SO_DOMAIN, AF_INET) || option_is(socket, SO_DOMAIN, AF_INET6)) &&
	       option_is(socket, SO_TYPE, SOCK_STREAM) &&
	       option_is(socket, SO_PROTOCOL, IPPROTO_TCP);
}

int sp_own_socket(const struct sp_request *request, int number, enum sp_own_kind kind)
{
	_cleanup_close_ int object = sp_caller_open(request, number), pidfd = -1, taken = -1;
	struct stat status;

	if (object < 0 || fstat(object, &status) < 0)
		return object < 0 ? object : -errno;
	if (!S_ISSOCK(status.st_mode))
		return -ENOTSOCK;
	pidfd = open_pidfd(request);
	if (pidfd < 0)
		return -EACCES;
	taken = (int)syscall(SYS_pidfd_getfd, pidfd, number, 0);
	if (taken < 0)
		return -EACCES;
	if (kind == SP_OWN_TCP ? !is_tcp(taken) : !option_is(taken, SO_DOMAIN, AF_UNIX)) {
		/* Its closing may be made to wait. */
		(void)setsockopt(taken, SOL_SOCKET, SO_LINGER, &no_linger, sizeof(no_linger));
		return -EAFNOSUPPORT;
	}
	return TAKE_FD(taken);
}
