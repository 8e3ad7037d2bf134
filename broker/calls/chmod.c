// SPDX-License-Identifier: Apache-2.0
/* chmod, fchmod, fchmodat, fchmodat2: permission bits, and no others. */
#include <errno.h>
#include <sys/stat.h>

#include "broker/walker.h"
#include "ipc/util.h"

int64_t sp_call_chmod(struct sp_request *request)
{
	_cleanup_(sp_walk_close) struct sp_walk walk = SP_WALK_INIT;
	const struct sp_call *call = request->call;
	char name[SP_OWN_NAME];
	int r;

	if (call->flags & ~(uint64_t)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	r = sp_walk_changed(request, &walk);
	if (r == 0)
		sp_note_mode(request, &walk, call->mode);
	if (r < 0 || request->judgement)
		return r;
	/* Set-id and sticky bits are not kept either: between a look at them and the act the
	 * contents could become somebody else's, which clears them for a reason. */
	sp_own_name(walk.object, name);
	return fchmodat(request->view->own_fd, name, (mode_t)call->mode & 0777, 0) < 0 ? -errno : 0;
}
