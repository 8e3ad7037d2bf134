// SPDX-License-Identifier: Apache-2.0
/*
 * socket, of TCP in the outer network, where the policy names addresses to connect to. The sandboxee's own network is an
 * empty one; so the porter, which stays outside, makes the socket and gives it away. It leads nowhere until the porter has
 * connected it, and what else could point it somewhere the filter holds back (policy/filter_network.c).
 */
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "broker/walker.h"
#include "ipc/util.h"

int64_t sp_call_socket(struct sp_request *request)
{
	const struct sp_call *call = request->call;
	const int settable = SOCK_CLOEXEC | SOCK_NONBLOCK;
	int type = (int)call->flags, fd;

	if (type & ~(SP_SOCKET_TYPE | settable))
		return -EINVAL;
	if (request->judgement)
		return 0;
	fd = socket((int)call->mode, SOCK_STREAM | SOCK_CLOEXEC | (type & SOCK_NONBLOCK),
		    IPPROTO_TCP);
	if (fd < 0)
		return -errno;
	request->answer->descriptor = fd;
	return 0;
}
