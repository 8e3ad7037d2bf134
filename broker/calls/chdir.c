// SPDX-License-Identifier: Apache-2.0
/* chdir: the directory as an O_PATH descriptor; the caller's fchdir asks for search permission. */
#include "broker/walker.h"
#include "ipc/util.h"

int64_t sp_call_chdir(struct sp_request *request)
{
	_cleanup_(sp_walk_close) struct sp_walk walk = SP_WALK_INIT;
	int r = sp_walk_object(request, O_DIRECTORY, &walk);

	if (r < 0)
		return r;
	request->answer->descriptor = TAKE_FD(walk.object);
	return 0;
}
