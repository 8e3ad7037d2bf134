// SPDX-License-Identifier: Apache-2.0
/* connect, of a unix socket to a name and of a TCP socket to an address: by the porter, on the caller's own socket. */
#include <errno.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "broker/walker.h"
#include "ipc/util.h"

#define NAME_OFFSET offsetof(struct sockaddr_un, sun_path)

/* How little of an IPv6 address the kernel takes: the older form, without a scope. */
#define LEAST_6 offsetof(struct sockaddr_in6, sin6_scope_id)

_Static_assert(sizeof(struct sockaddr_un) == SP_UNIX_NAME, "it holds a name");

int sp_read_unix_name(struct sp_request *request, char ret_name[SP_UNIX_NAME])
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

/* It waits where the other side's queue is full, or far away, unless the socket says otherwise. */
static int64_t leave(struct sp_request *request, int object, struct sp_work *work,
		     enum sp_own_kind kind)
{
	int r;

	/* Not before the name is granted: where none is, the porter's own filter holds it off. */
	work->socket = sp_own_socket(request, request->call->dirfd, kind);
	if (work->socket < 0)
		return work->socket;
	r = sp_leave(request, object, work);
	if (r < 0)
		sp_work_close(work);
	return r;
}

static int64_t connect_unix(struct sp_request *request)
{
	_cleanup_(sp_walk_close) struct sp_walk walk = SP_WALK_INIT;
	char name[SP_UNIX_NAME];
	struct sp_work work = SP_WORK_NONE;
	int r = sp_read_unix_name(request, name);

	if (r == 0)
		r = look_up(request, name, &walk);
	if (r < 0 || request->judgement)
		return r;
	return leave(request, walk.object, &work, SP_OWN_UNIX);
}

/* ---- TCP ---- */

/* What is decided on, from the one copy of what the caller said. */
static int read_address(const struct sp_call *call, struct sp_address *ret_address)
{
	struct sockaddr_in in;
	struct sockaddr_in6 in6;

	if (call->data_length >= sizeof(in)) {
		memcpy(&in, call->data, sizeof(in));
		if (in.sin_family == AF_INET) {
			sp_address_of((const uint8_t *)&in.sin_addr, sizeof(in.sin_addr),
				      ntohs(in.sin_port), ret_address);
			return 0;
		}
	}
	if (call->data_length < LEAST_6)
		return -EINVAL;
	memcpy(&in6, call->data, LEAST_6);
	if (in6.sin6_family != AF_INET6)
		return -EINVAL;
	sp_address_of(in6.sin6_addr.s6_addr, sizeof(in6.sin6_addr), ntohs(in6.sin6_port),
		      ret_address);
	return 0;
}

/* The scope is no part of what is decided on. */
static uint32_t read_scope(const struct sp_call *call)
{
	uint32_t scope = 0;

	if (call->data_length >= sizeof(struct sockaddr_in6))
		memcpy(&scope, call->data + LEAST_6, sizeof(scope));
	return scope;
}

_Static_assert(sizeof(struct sockaddr_in6) == SP_WORK_ADDRESS, "it holds an address");

static void set_address(struct sp_work *work, const void *address, size_t length)
{
	memcpy(work->address, address, length);
	work->address_length = (uint32_t)length;
}

/* What was decided on, in the caller's family: nothing else of what it said gets further. */
static void write_address(const struct sp_address *address, sa_family_t family, uint32_t scope,
			  struct sp_work *work)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(address->first)};
	struct sockaddr_in6 in6 = {
	    .sin6_family = AF_INET6, .sin6_port = htons(address->first), .sin6_scope_id = scope};
	uint8_t *host = in6.sin6_addr.s6_addr;

	if (family == AF_INET) {
		memcpy(&in.sin_addr, address->host, sizeof(in.sin_addr));
		set_address(work, &in, sizeof(in));
		return;
	}
	if (address->family == 4) {
		host[10] = host[11] = 0xff;
		memcpy(host + 12, address->host, sizeof(in.sin_addr));
	} else {
		memcpy(host, address->host, sizeof(in6.sin6_addr));
	}
	set_address(work, &in6, sizeof(in6));
}

static int decide(struct sp_request *request, const struct sp_address *address)
{
	struct sp_address_decision decision;
	char text[SP_ADDRESS_TEXT_MAX];

	sp_rules_decide_address(request->rules, address, &decision);
	if (decision.error == 0)
		return 0;
	return sp_refuse_right(
	    request, sp_address_print(address, text),
	    &(struct sp_path_decision){.rule = decision.rule, .error = decision.error},
	    SP_RIGHT_CONNECT);
}

/* What a policy lacks for it no address makes good where the socket is another one than could be connected. */
static int judge_tcp(struct sp_request *request, const struct sp_address *address)
{
	_cleanup_close_ int socket = sp_own_socket(request, request->call->dirfd, SP_OWN_TCP);
	char text[SP_ADDRESS_TEXT_MAX];

	if (socket == -EAFNOSUPPORT)
		return sp_refuse(request, sp_address_print(address, text), NULL, EACCES,
				 "is no TCP socket");
	return socket < 0 ? socket : decide(request, address);
}

static int64_t connect_tcp(struct sp_request *request, sa_family_t family)
{
	struct sp_work work = SP_WORK_NONE;
	struct sp_address address;
	int r = read_address(request->call, &address);

	if (r == 0 && request->judgement)
		return judge_tcp(request, &address);
	if (r == 0)
		r = decide(request, &address);
	if (r < 0)
		return r;
	write_address(&address, family, read_scope(request->call), &work);
	return leave(request, -1, &work, SP_OWN_TCP);
}

/* The end of a connection, by which the socket leads nowhere again. */
static int64_t disconnect_tcp(struct sp_request *request)
{
	const struct sockaddr none = {.sa_family = AF_UNSPEC};
	struct sp_work work = SP_WORK_NONE;

	if (request->judgement)
		return 0;
	set_address(&work, &none, sizeof(none));
	return leave(request, -1, &work, SP_OWN_TCP);
}

int64_t sp_call_connect(struct sp_request *request)
{
	const struct sp_call *call = request->call;
	sa_family_t family;

	if (call->data_length < sizeof(family))
		return -EINVAL;
	memcpy(&family, call->data, sizeof(family));
	if (family == AF_UNIX)
		return connect_unix(request);
	if (family == AF_INET || family == AF_INET6)
		return connect_tcp(request, family);
	if (family == AF_UNSPEC && sp_rules_grants_addresses(request->rules))
		return disconnect_tcp(request);
	return sp_refuse_finally(request, "", NULL, EACCES, "is no address that could be granted");
}
