// SPDX-License-Identifier: Apache-2.0
/* bind, of a unix socket to a name, and listen: by the porter, on the caller's own socket. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "broker/walker.h"
#include "ipc/util.h"

/* What an address holds, with the zero that the kernel puts behind a longer one. */
#define NAME_ROOM sizeof(((struct sockaddr_un *)NULL)->sun_path)

/* The kernel takes a short name, relative to the working directory, and keeps it as it was given: getsockname(2) tells it. */
static int bind_below(int directory, const char *name, mode_t mask, int socket)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	_cleanup_close_ int before = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	size_t length = strlen(name);
	mode_t previous;
	int r;

	if (before < 0)
		return -errno;
	if (length >= NAME_ROOM)
		return -ENAMETOOLONG;
	memcpy(address.sun_path, name, length);
	if (fchdir(directory) < 0)
		return -errno;
	/* As mkdir: the mask is applied by the kernel. */
	previous = umask(mask);
	r = bind(socket, (struct sockaddr *)&address, sizeof(address)) < 0 ? -errno : 0;
	(void)umask(previous);
	return fchdir(before) < 0 ? -errno : r;
}

/* `name` as it was given starts here, without a link or a dot in it: below the view in which nothing is followed. -1: it
 * does not, or there is no such view. */
static int open_start(const struct sp_request *request, const struct sp_walk *walk,
		      const char *name)
{
	size_t length = strlen(name), start = walk->length - length;
	char directory[PATH_MAX];

	if (request->view->straight < 0 || length >= NAME_ROOM || length >= walk->length ||
	    walk->name[start - 1] != '/' || memcmp(walk->name + start, name, length) != 0)
		return -1;
	/* "/sub", and "/" alone, relative to that view. */
	directory[0] = '.';
	memcpy(directory + 1, walk->name, start - 1);
	directory[start] = '\0';
	return sp_openat2(request->view->straight, directory, O_PATH | O_DIRECTORY | O_CLOEXEC, 0,
			  RESOLVE_NO_SYMLINKS);
}

/* 0; or -errno, where that is no way to it. */
static int bind_whole(const struct sp_request *request, const struct sp_walk *walk,
		      const char *name, int socket)
{
	const mode_t mask = request->call->umask & 0777;
	_cleanup_close_ int start = -1;

	if (name[0] != '/')
		start = open_start(request, walk, name);
	if (start >= 0)
		return bind_below(start, name, mask, socket);
	if (request->view->rooted && walk->length < NAME_ROOM)
		return bind_below(request->view->straight, walk->name, mask, socket);
	return -ENAMETOOLONG;
}

/*
 * Programs tell others the name that they find the socket to have, so it has to lead to it: the kernel is given the name
 * as it was given to us, or the canonical one, where it can be told to follow no link on the way, so that what bears the
 * name is what was decided on. Otherwise (directories above the caller's need not be open to it), and by a single component,
 * it is below the held parent, where nothing is followed.
 */
static int bind_named(const struct sp_request *request, const struct sp_walk *walk,
		      const char *name, int socket)
{
	if (strchr(name, '/') && name[strlen(name) - 1] != '/' &&
	    bind_whole(request, walk, name, socket) == 0)
		return 0;
	return bind_below(walk->parent, walk->component, request->call->umask & 0777, socket);
}

int64_t sp_call_bind(struct sp_request *request)
{
	_cleanup_(sp_walk_close) struct sp_walk walk = SP_WALK_INIT;
	_cleanup_close_ int socket = -1;
	char name[SP_UNIX_NAME];
	int r = sp_read_unix_name(request, name);

	if (r == 0)
		r = sp_walk_named(request, name, SP_RIGHT_BIND, &walk);
	if (r == -EEXIST)
		r = -EADDRINUSE;
	if (r < 0 || request->judgement)
		return r;
	/* Not before the name is granted: where none is, the porter's own filter holds it off. */
	socket = sp_own_socket(request, request->call->dirfd, SP_OWN_UNIX);
	if (socket < 0)
		return socket;
	return bind_named(request, &walk, name, socket);
}

/* Where there may be TCP sockets, which no filter can tell from others. */
int64_t sp_call_listen(struct sp_request *request)
{
	_cleanup_close_ int socket = -1;

	if (request->judgement)
		return 0;
	socket = sp_own_socket(request, request->call->dirfd, SP_OWN_UNIX);
	if (socket == -EAFNOSUPPORT)
		return sp_refuse_finally(request, "", NULL, EACCES, "is no unix socket");
	if (socket < 0)
		return socket;
	return listen(socket, (int)request->call->size) < 0 ? -errno : 0;
}
