// SPDX-License-Identifier: Apache-2.0
/* unlink, rmdir, unlinkat: one entry of a held directory, never what a link leads to. */
#include <errno.h>

#include "broker/walker.h"
#include "ipc/util.h"

static int odd_last(enum sp_last last, bool directory)
{
	static const int rmdir_errors[] = {
	    [SP_LAST_ROOT] = EBUSY,
	    [SP_LAST_DOT] = EINVAL,
	    [SP_LAST_DOT_DOT] = ENOTEMPTY,
	};

	return directory ? -rmdir_errors[last] : -EISDIR;
}

int64_t sp_call_unlink(struct sp_request *request)
{
	_cleanup_(sp_walk_close) struct sp_walk walk = SP_WALK_INIT;
	const struct sp_call *call = request->call;
	int r;

	if (call->flags & ~(uint64_t)AT_REMOVEDIR)
		return -EINVAL;
	r = sp_walk(request, call->dirfd, call->path, SP_WALK_ENTRY, 0, &walk);
	if (r < 0)
		return r;
	if (walk.last != SP_LAST_NORMAL)
		return odd_last(walk.last, call->flags & AT_REMOVEDIR);
	if (walk.object < 0)
		return -ENOENT;
	r = sp_require(request, &walk, SP_RIGHT_DELETE);
	if (r < 0 || request->judgement)
		return r;
	if (unlinkat(walk.parent, walk.component, (int)call->flags) < 0)
		return -errno;
	if (request->caller->links)
		sp_links_remove(request->caller->links, walk.object);
	return 0;
}
