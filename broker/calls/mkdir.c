// SPDX-License-Identifier: Apache-2.0
/* mkdir, mkdirat. */
#include <errno.h>
#include <sys/stat.h>

#include "broker/walker.h"
#include "ipc/util.h"

int64_t sp_call_mkdir(struct sp_request *request)
{
	_cleanup_(sp_walk_close) struct sp_walk walk = SP_WALK_INIT;
	const struct sp_call *call = request->call;
	mode_t previous;
	int r = sp_walk_new(request, call->dirfd, call->path, &walk);

	if (r == 0)
		sp_note_mode(request, &walk, call->mode);
	if (r < 0 || request->judgement)
		return r;
	/* Neither set-id nor sticky bits are ever made; a default ACL wants the unmasked mode
	 * beside the umask. */
	previous = umask(call->umask & 0777);
	r = mkdirat(walk.parent, walk.component, (mode_t)call->mode & 0777) < 0 ? -errno : 0;
	(void)umask(previous);
	return r;
}
