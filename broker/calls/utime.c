// SPDX-License-Identifier: Apache-2.0
/* utime, utimes, futimesat, utimensat. */
#include <errno.h>
#include <sys/stat.h>

#include "broker/walker.h"
#include "ipc/util.h"

static int check_flags(const struct sp_call *call)
{
	uint64_t known = call->path ? AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH : 0;

	return call->flags & ~known ? -EINVAL : 0;
}

int64_t sp_call_utime(struct sp_request *request)
{
	_cleanup_(sp_walk_close) struct sp_walk walk = SP_WALK_INIT;
	const struct sp_call *call = request->call;
	int r;

	if (sp_call_changes_nothing(call)) /* so says the kernel, whatever the name */
		return 0;
	r = check_flags(call);
	if (r == 0)
		r = sp_walk_changed(request, &walk);
	if (r < 0 || request->judgement)
		return r;
	if (utimensat(walk.object, "", call->has_times ? call->times : NULL, AT_EMPTY_PATH) < 0)
		return -errno;
	return 0;
}
