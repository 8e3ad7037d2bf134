// SPDX-License-Identifier: Apache-2.0
/* statfs: what a name's file system is, for every name that is no secret. */
#include <errno.h>
#include <string.h>
#include <sys/vfs.h>

#include "broker/walker.h"
#include "ipc/util.h"

int64_t sp_call_statfs(struct sp_request *request)
{
	_cleanup_(sp_walk_close) struct sp_walk walk = SP_WALK_INIT;
	struct statfs system;
	int r = sp_walk_object(request, 0, &walk);

	if (r < 0)
		return r;
	if (fstatfs(walk.object, &system) < 0)
		return -errno;
	memcpy(request->answer->out, &system, sizeof(system));
	request->answer->out_length = sizeof(system);
	return 0;
}
