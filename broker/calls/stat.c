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

/* The raw calls: the caller gets the kernel's struct, which is libc's on the architectures that have the row. */
static int fill(struct sp_request *request, int directory, const char *name, int flags)
{
	const struct sp_call *call = request->call;
	bool statx = call->info->returns == SP_RETURNS_STATX;
	long r;

	if (statx)
		r = syscall(SYS_statx, directory, name,
			    flags | (int)(call->flags & AT_STATX_SYNC_TYPE), (unsigned)call->mode,
			    request->answer->out);
	else
		r = syscall(SYS_newfstatat, directory, name, request->answer->out, flags);
	if (r < 0)
		return -errno;
	request->answer->out_length = statx ? sizeof(struct statx) : sizeof(struct stat);
	return 0;
}

static bool is_descriptor(const struct sp_call *call)
{
	return (call->flags & AT_EMPTY_PATH) && !call->path[0];
}

/*
 * An empty path with AT_EMPTY_PATH is a descriptor of the caller's, which could ask fstat(2) as well, as every libc does of
 * what it opens; a runtime has answered for it already. Its entry below /proc leads to the very object.
 */
static int stat_descriptor(struct sp_request *request)
{
	struct sp_entry entry;
	int r = sp_caller_entry(request, request->call->dirfd, &entry);

	if (r == 0)
		r = fill(request, entry.proc, entry.name, AT_NO_AUTOMOUNT);
	if (r == -ENOENT)
		r = -EBADF;
	return r == 0 && sp_caller_is_gone(request->caller) ? -ESRCH : r;
}

/* What the call looks at: with an empty path the cwd, but for its name. */
static int open_object(struct sp_request *request, struct sp_walk *walk)
{
	const struct sp_call *call = request->call;
	struct sp_call here = *call;
	int r;

	if (!is_descriptor(call))
		return sp_walk_object(request, call->flags & AT_SYMLINK_NOFOLLOW ? O_NOFOLLOW : 0,
				      walk);
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
	int flags = AT_NO_AUTOMOUNT | (int)(request->call->flags & AT_SYMLINK_NOFOLLOW), r;

	if (request->call->info->returns != SP_RETURNS_STAT ||
	    sp_walk_straight(request, 0, &straight) != 0)
		return 1;
	r = fill(request, request->view->straight, straight.path, flags);
	return r == -ELOOP ? 1 : r;
}

static int64_t stat_object(struct sp_request *request)
{
	_cleanup_(sp_walk_close) struct sp_walk walk __attribute__((uninitialized));
	int r;

	sp_walk_init(&walk);
	r = open_object(request, &walk);
	if (r < 0)
		return r;
	return fill(request, walk.object, "", AT_EMPTY_PATH);
}

int64_t sp_call_stat(struct sp_request *request)
{
	int r = check(request->call);

	if (r == 0 && is_descriptor(request->call) && request->call->dirfd != AT_FDCWD)
		return stat_descriptor(request);
	if (r == 0)
		r = stat_straight(request);
	return r > 0 ? stat_object(request) : r;
}
