// SPDX-License-Identifier: Apache-2.0
/* link, linkat: one more name for what is held, with no right that its old name lacks. */
#include <errno.h>
#include <string.h>

#include "broker/walker.h"
#include "ipc/util.h"

static int check_flags(struct sp_request *request)
{
	const struct sp_call *call = request->call;

	if (call->flags & ~(uint64_t)(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	/* Older kernels answer so, too, without CAP_DAC_READ_SEARCH. */
	if ((call->flags & AT_EMPTY_PATH) && !call->path[0])
		return sp_refuse(request, "", NULL, ENOENT, "a name for an open file");
	return 0;
}

static int decide(struct sp_request *request, const struct sp_walk *from, const struct sp_walk *to)
{
	if (strchr(to->component, '/')) /* a name that could only be a directory's */
		return -ENOENT;
	if (from->status.stx_mnt_id != to->mount)
		return -EXDEV;
	if (S_ISDIR(from->status.stx_mode))
		return -EPERM;
	return sp_require_no_more(request, from, to);
}

int64_t sp_call_link(struct sp_request *request)
{
	_cleanup_(sp_walk_close) struct sp_walk from = SP_WALK_INIT, to = SP_WALK_INIT;
	const struct sp_call *call = request->call;
	unsigned follow = call->flags & AT_SYMLINK_FOLLOW ? 0 : SP_WALK_NOFOLLOW;
	char name[SP_OWN_NAME];
	int r = check_flags(request);

	if (r == 0)
		r = sp_walk(request, call->dirfd, call->path, follow, 0, &from);
	if (r == 0)
		r = sp_walk_new(request, call->dirfd2, call->path2, &to);
	if (r == 0)
		r = decide(request, &from, &to);
	if (r < 0 || request->judgement)
		return r;
	/* The held object itself, whatever its old name means by now: its descriptor's entry below
	 * /proc is followed to it, and no further if it is a symbolic link. */
	sp_own_name(from.object, name);
	if (linkat(request->view->own_fd, name, to.parent, to.component, AT_SYMLINK_FOLLOW) < 0)
		return -errno;
	return 0;
}
