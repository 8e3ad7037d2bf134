// SPDX-License-Identifier: Apache-2.0
/* chown, lchown, fchown, fchownat: what the caller may do without capabilities, by its groups. */
#include <errno.h>
#include <unistd.h>

#include "broker/walker.h"
#include "ipc/util.h"

/* An id that the user namespace does not map is one that the caller may not give away to: natively the kernel says so. */
static int error_of(int error)
{
	return error == EINVAL ? -EPERM : -error;
}

int64_t sp_call_chown(struct sp_request *request)
{
	_cleanup_(sp_walk_close) struct sp_walk walk = SP_WALK_INIT;
	const struct sp_call *call = request->call;
	int r;

	if (call->flags & ~(uint64_t)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	r = sp_walk_changed(request, &walk);
	if (r < 0 || request->judgement)
		return r;
	return fchownat(walk.object, "", call->owner, call->group, AT_EMPTY_PATH) < 0
		   ? error_of(errno)
		   : 0;
}
