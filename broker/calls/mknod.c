// SPDX-License-Identifier: Apache-2.0
/* mknod, mknodat: files, FIFOs and sockets; never devices. */
#include <errno.h>
#include <sys/stat.h>

#include "broker/walker.h"
#include "ipc/util.h"

static const struct {
	mode_t type;
	int error; /* before the name is looked at */
	bool device;
} types[] = {
    {0, 0, false},      {S_IFREG, 0, false}, {S_IFIFO, 0, false},     {S_IFSOCK, 0, false},
    {S_IFCHR, 0, true}, {S_IFBLK, 0, true},  {S_IFDIR, EPERM, false},
};

static int check_type(mode_t mode, bool *ret_device)
{
	for (size_t i = 0; i < SP_ELEMENTS(types); i++)
		if (types[i].type == (mode & S_IFMT)) {
			*ret_device = types[i].device;
			return -types[i].error;
		}
	return -EINVAL;
}

int64_t sp_call_mknod(struct sp_request *request)
{
	_cleanup_(sp_walk_close) struct sp_walk walk = SP_WALK_INIT;
	const struct sp_call *call = request->call;
	mode_t mode = (uint16_t)call->mode, previous; /* the kernel looks at no more */
	bool device;
	int r = check_type(mode, &device);

	if (r == 0)
		r = sp_walk_new(request, call->dirfd, call->path, &walk);
	if (r < 0)
		return r;
	if (device)
		r = sp_refuse(request, walk.name, &walk.decision, EPERM, "is a device");
	sp_note_mode(request, &walk, mode);
	if (r < 0 || request->judgement)
		return r;
	/* As mkdir: no set-id and sticky bits, and the mask is applied by the kernel. */
	previous = umask(call->umask & 0777);
	r = mknodat(walk.parent, walk.component, mode & (S_IFMT | 0777), 0) < 0 ? -errno : 0;
	(void)umask(previous);
	return r;
}
