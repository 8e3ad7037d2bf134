// SPDX-License-Identifier: Apache-2.0
/* access, faccessat, faccessat2: what the kernel says of the caller's credentials, less what the
 * policy withholds. */
#include <errno.h>
#include <sys/syscall.h>

#include "broker/walker.h"
#include "ipc/util.h"

#define ACCESS_FLAGS (AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)
#define ENTRY_RIGHTS (SP_RIGHT_WRITE | SP_RIGHT_CREATE | SP_RIGHT_DELETE)

/* Nobody is asked for a call that opens nothing: the answer is what it would be if they said yes. */
static int require_right(struct sp_request *request, const struct sp_walk *walk, uint32_t right)
{
	return walk->decision.ask & right ? 0 : sp_require(request, walk, right);
}

/* Writing to a directory is changing its entries. */
static int require_write(struct sp_request *request, const struct sp_walk *walk)
{
	uint32_t rights = walk->decision.rights | walk->decision.ask;

	if (S_ISDIR(walk->status.stx_mode) && (rights & ENTRY_RIGHTS))
		return 0;
	return require_right(request, walk, SP_RIGHT_WRITE);
}

static int require(struct sp_request *request, const struct sp_walk *walk)
{
	uint64_t mode = request->call->mode;
	int r = 0;

	if (mode & R_OK)
		r = require_right(request, walk, SP_RIGHT_READ);
	if (r == 0 && (mode & W_OK))
		r = require_write(request, walk);
	/* A directory is only searched. */
	if (r == 0 && (mode & X_OK) && !S_ISDIR(walk->status.stx_mode))
		r = require_right(request, walk, SP_RIGHT_EXECUTE);
	return r;
}

/* 1: not this way. Nor for writing and executing, where rights depend on what the object is. */
static int access_straight(struct sp_request *request)
{
	const struct sp_call *call = request->call;
	struct sp_straight straight;

	if ((call->mode & ~(uint64_t)R_OK) ||
	    sp_walk_straight(request, call->mode & R_OK ? SP_RIGHT_READ : 0, &straight) != 0)
		return 1;
	if (syscall(SYS_faccessat2, request->view->straight, straight.path, call->mode,
		    call->flags & (AT_EACCESS | AT_SYMLINK_NOFOLLOW)) < 0)
		return errno == ELOOP ? 1 : -errno;
	return 0;
}

/* With AT_EMPTY_PATH and no name, what the descriptor is of. */
static int open_object(struct sp_request *request, struct sp_walk *walk)
{
	const struct sp_call *call = request->call;

	if (!call->path[0] && (call->flags & AT_EMPTY_PATH))
		return sp_walk_descriptor(request, call->dirfd, true, walk);
	return sp_walk_object(request, call->flags & AT_SYMLINK_NOFOLLOW ? O_NOFOLLOW : 0, walk);
}

static int64_t access_object(struct sp_request *request)
{
	_cleanup_(sp_walk_close) struct sp_walk walk __attribute__((uninitialized));
	const struct sp_call *call = request->call;
	int r;

	sp_walk_init(&walk);
	r = open_object(request, &walk);
	if (r < 0)
		return r;
	/* The porter has the caller's ids and no capabilities: real and effective are the same. */
	if (syscall(SYS_faccessat2, walk.object, "", call->mode,
		    AT_EMPTY_PATH | (call->flags & AT_EACCESS)) < 0)
		return -errno;
	return require(request, &walk);
}

int64_t sp_call_access(struct sp_request *request)
{
	const struct sp_call *call = request->call;
	int r;

	if ((call->mode & ~(uint64_t)(R_OK | W_OK | X_OK)) ||
	    (call->flags & ~(uint64_t)ACCESS_FLAGS))
		return -EINVAL;
	r = access_straight(request);
	return r > 0 ? access_object(request) : r;
}
