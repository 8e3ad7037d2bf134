// SPDX-License-Identifier: Apache-2.0
/* connect, of a unix socket to a name: by the porter, on the caller's own socket. */
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "broker/walker.h"
#include "ipc/util.h"

#define NAME_OFFSET offsetof(struct sockaddr_un, sun_path)

/* The name in the caller's address, which need not end with a NUL. */
static int read_name(struct sp_request *request, char ret_name[sizeof(struct sockaddr_un)])
{
	const struct sp_call *call = request->call;
	sa_family_t family;
	size_t length;

	if (call->data_length < sizeof(family))
		return -EINVAL;
	memcpy(&family, call->data, sizeof(family));
	if (family != AF_UNIX)
		return sp_refuse_finally(request, "", NULL, EACCES, "is no name of a unix socket");
	if (call->data_length <= NAME_OFFSET || call->data_length > sizeof(struct sockaddr_un))
		return -EINVAL;
	length = call->data_length - NAME_OFFSET;
	if (call->data[NAME_OFFSET] == '\0')
		return sp_refuse_finally(request, "", NULL, EACCES, "is an abstract name");
	memcpy(ret_name, call->data + NAME_OFFSET, length);
	ret_name[length] = '\0';
	return 0;
}

static int look_up(struct sp_request *request, const char *name, struct sp_walk *walk)
{
	int r = sp_walk(request, AT_FDCWD, name, 0, 0, walk);

	if (r == 0)
		r = sp_require(request, walk, SP_RIGHT_CONNECT);
	if (r == 0 && !S_ISSOCK(walk->status.stx_mode))
		r = -ECONNREFUSED;
	return r;
}

/* It waits where the other side's queue is full, unless the socket says otherwise. */
int64_t sp_call_connect(struct sp_request *request)
{
	_cleanup_(sp_walk_close) struct sp_walk walk = SP_WALK_INIT;
	char name[sizeof(struct sockaddr_un)];
	struct sp_work work = SP_WORK_NONE;
	int r = read_name(request, name);

	if (r == 0)
		r = look_up(request, name, &walk);
	if (r < 0 || request->judgement)
		return r;
	/* Not before the name is granted: where none is, the porter's own filter holds it off. */
	work.socket = sp_own_socket(request, request->call->dirfd);
	if (work.socket < 0)
		return work.socket;
	r = sp_leave(request, walk.object, &work);
	if (r < 0)
		sp_work_close(&work);
	return r;
}
