// SPDX-License-Identifier: Apache-2.0
/* bind, of a unix socket to a name, and listen: by the porter, on the caller's own socket. */
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "broker/walker.h"
#include "ipc/util.h"

/* The kernel takes a short name, relative to the working directory: to the held parent, where nothing is followed. An
 * address that is too long for that was no address. */
static int bind_below(int parent, const char *component, mode_t mask, int socket)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	_cleanup_close_ int before = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	size_t length = strlen(component);
	mode_t previous;
	int r;

	if (before < 0)
		return -errno;
	if (length >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	memcpy(address.sun_path, component, length);
	if (fchdir(parent) < 0)
		return -errno;
	/* As mkdir: the mask is applied by the kernel. */
	previous = umask(mask);
	r = bind(socket, (struct sockaddr *)&address, sizeof(address)) < 0 ? -errno : 0;
	(void)umask(previous);
	return fchdir(before) < 0 ? -errno : r;
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
	return bind_below(walk.parent, walk.component, request->call->umask & 0777, socket);
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
