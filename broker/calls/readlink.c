// SPDX-License-Identifier: Apache-2.0
/* readlink, readlinkat: the text of a link that the policy lets the caller see. */
#include <errno.h>
#include <string.h>

#include "broker/walker.h"
#include "ipc/util.h"

static int64_t copy_text(struct sp_request *request, const char *text, size_t size)
{
	size_t length = strnlen(text, size);

	memcpy(request->answer->out, text, length);
	request->answer->out_length = length;
	return (int64_t)length;
}

/* An empty name is the link that a descriptor holds, by O_PATH and O_NOFOLLOW. */
static int open_link(struct sp_request *request, struct sp_walk *walk)
{
	const struct sp_call *call = request->call;

	if (call->path[0] || call->dirfd == AT_FDCWD)
		return sp_walk_object(request, O_NOFOLLOW, walk);
	walk->object = sp_caller_open(request, call->dirfd);
	if (walk->object < 0)
		return walk->object;
	if (statx(walk->object, "", AT_EMPTY_PATH, STATX_TYPE, &walk->status) < 0)
		return -errno;
	return S_ISLNK(walk->status.stx_mode) ? 0 : -ENOENT;
}

int64_t sp_call_readlink(struct sp_request *request)
{
	_cleanup_(sp_walk_close) struct sp_walk walk __attribute__((uninitialized));
	int size = (int)(uint32_t)request->call->size; /* the kernel takes an int */
	ssize_t n;
	int r;

	sp_walk_init(&walk);
	if (size <= 0)
		return -EINVAL;
	if (size > SP_OUT_MAX)
		size = SP_OUT_MAX;
	r = open_link(request, &walk);
	if (r < 0)
		return r;
	if (!S_ISLNK(walk.status.stx_mode))
		return -EINVAL;
	if (walk.text[0])
		return copy_text(request, walk.text, (size_t)size);
	n = readlinkat(walk.object, "", (char *)request->answer->out, (size_t)size);
	if (n < 0)
		return -errno;
	request->answer->out_length = (size_t)n;
	return n;
}
