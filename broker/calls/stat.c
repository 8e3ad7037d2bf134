// SPDX-License-Identifier: Apache-2.0
/* stat, lstat, newfstatat, statx: metadata of every name that is no secret. */
#include <errno.h>
#include <sys/syscall.h>

#include "broker/walker.h"
#include "ipc/util.h"

#define STAT_FLAGS (AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH | AT_STATX_SYNC_TYPE)

_Static_assert(sizeof(struct stat) <= SP_OUT_MAX && sizeof(struct statx) <= SP_OUT_MAX,
	       "out is too small");

static int check(const struct sp_call *call)
{
	if (call->flags & ~(uint64_t)STAT_FLAGS)
		return -EINVAL;
	if (call->info->returns != SP_RETURNS_STATX)
		return 0;
	if ((call->mode & STATX__RESERVED) ||
	    (call->flags & AT_STATX_SYNC_TYPE) == AT_STATX_SYNC_TYPE)
		return -EINVAL;
	return 0;
}

static int fill_statx(struct sp_request *request, int object)
{
	const struct sp_call *call = request->call;
	unsigned flags = AT_EMPTY_PATH | (unsigned)(call->flags & AT_STATX_SYNC_TYPE);

	if (syscall(SYS_statx, object, "", flags, (unsigned)call->mode, request->answer->out) < 0)
		return -errno;
	request->answer->out_length = sizeof(struct statx);
	return 0;
}

/* The raw call: the caller gets the kernel's struct, which is libc's on the architectures that have
 * the row. */
static int fill_stat(struct sp_request *request, int object)
{
	if (syscall(SYS_newfstatat, object, "", request->answer->out, AT_EMPTY_PATH) < 0)
		return -errno;
	request->answer->out_length = sizeof(struct stat);
	return 0;
}

/*
 * What the call looks at. An empty path with AT_EMPTY_PATH is a descriptor of the caller's, which
 * could ask fstat(2) as well, the cwd but for its name; a runtime has answered for it already.
 */
static int open_object(struct sp_request *request, struct sp_walk *walk)
{
	const struct sp_call *call = request->call;
	struct sp_call here = *call;
	int r;

	if (!(call->flags & AT_EMPTY_PATH) || call->path[0])
		return sp_walk_object(request, call->flags & AT_SYMLINK_NOFOLLOW ? O_NOFOLLOW : 0,
				      walk);
	if (call->dirfd != AT_FDCWD) {
		walk->object = sp_caller_open(request, call->dirfd);
		return walk->object < 0 ? walk->object : 0;
	}
	here.path = ".";
	request->call = &here;
	r = sp_walk_object(request, 0, walk);
	request->call = call;
	return r;
}

/* 1: not this way. Nor for statx, which tells the mount, and would tell that of the copy. */
static int stat_straight(struct sp_request *request)
{
	struct sp_straight straight;
	int flags = AT_NO_AUTOMOUNT | (int)(request->call->flags & AT_SYMLINK_NOFOLLOW);

	if (request->call->info->returns != SP_RETURNS_STAT ||
	    sp_walk_straight(request, 0, &straight) != 0)
		return 1;
	if (syscall(SYS_newfstatat, request->view->straight, straight.path, request->answer->out,
		    flags) < 0)
		return errno == ELOOP ? 1 : -errno;
	request->answer->out_length = sizeof(struct stat);
	return 0;
}

static int64_t stat_object(struct sp_request *request)
{
	_cleanup_(sp_walk_close) struct sp_walk walk = SP_WALK_INIT;
	int r;

	r = open_object(request, &walk);
	if (r < 0)
		return r;
	return request->call->info->returns == SP_RETURNS_STATX ? fill_statx(request, walk.object)
								: fill_stat(request, walk.object);
}

int64_t sp_call_stat(struct sp_request *request)
{
	int r = check(request->call);

	if (r == 0)
		r = stat_straight(request);
	return r > 0 ? stat_object(request) : r;
}
