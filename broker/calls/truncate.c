// SPDX-License-Identifier: Apache-2.0
/* truncate. */
#include <errno.h>

#include "broker/walker.h"
#include "ipc/util.h"

/* The porter has the sandbox's limit on the size of files no more than its other limits. */
static int check_limit(struct sp_request *request, const struct sp_walk *walk)
{
	uint64_t limit = sp_rules_limits(request->rules)->file_size, size = request->call->size;

	if (!limit || size <= limit || size <= walk->status.stx_size)
		return 0;
	sp_note_change(request, walk, "over the limit on the size of files");
	return -EFBIG;
}

static int check_file(struct sp_request *request, const struct sp_walk *walk)
{
	if (S_ISDIR(walk->status.stx_mode))
		return -EISDIR;
	if (!S_ISREG(walk->status.stx_mode))
		return -EINVAL;
	return check_limit(request, walk);
}

static int leave(const struct sp_request *request, const struct sp_walk *walk)
{
	const struct sp_work work = {
	    .socket = -1,
	    .flags = O_WRONLY,
	    .truncates = true,
	    .length = (off_t)request->call->size,
	};

	return sp_leave(request, walk->object, &work);
}

int64_t sp_call_truncate(struct sp_request *request)
{
	_cleanup_(sp_walk_close) struct sp_walk walk = SP_WALK_INIT;
	_cleanup_close_ int writable = -1;
	off_t length = (off_t)request->call->size;
	int r;

	if (length < 0)
		return -EINVAL;
	r = sp_walk_changed(request, &walk);
	if (r == 0)
		r = check_file(request, &walk);
	if (r < 0 || request->judgement)
		return r;
	if (walk.status.stx_size >= (uint64_t)length + SP_LARGE_FILE && request->work)
		return leave(request, &walk);
	writable = sp_view_reopen(request->view, walk.object, O_WRONLY);
	if (writable == -EAGAIN) /* somebody has a lease of it */
		return leave(request, &walk);
	if (writable < 0)
		return writable;
	return ftruncate(writable, length) < 0 ? -errno : 0;
}
