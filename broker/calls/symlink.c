// SPDX-License-Identifier: Apache-2.0
/* symlink, symlinkat: a new name with a text. Where the text leads is decided when it is followed. */
#include <errno.h>
#include <unistd.h>

#include "broker/walker.h"
#include "ipc/util.h"

int64_t sp_call_symlink(struct sp_request *request)
{
	_cleanup_(sp_walk_close) struct sp_walk walk = SP_WALK_INIT;
	const struct sp_call *call = request->call;
	int r;

	if (!call->text[0])
		return -ENOENT;
	r = sp_walk_new(request, call->dirfd, call->path, &walk);
	if (r < 0 || request->judgement)
		return r;
	return symlinkat(call->text, walk.parent, walk.component) < 0 ? -errno : 0;
}
