// SPDX-License-Identifier: Apache-2.0
/* Extended attributes: getxattr, listxattr, setxattr, removexattr, by name and by descriptor. */
#include <errno.h>
#include <linux/xattr.h>
#include <string.h>
#include <sys/xattr.h>

#include "broker/walker.h"
#include "ipc/util.h"

typedef ssize_t act_fn(const char *object, const struct sp_call *call, void *out, size_t size);

/* These calls take no directory: getxattrat is of Linux 6.13. */
static int64_t act_on(const struct sp_request *request, int object, act_fn *act, void *out,
		      size_t size)
{
	int back = sp_view_step_in(request->view);
	char name[SP_OWN_NAME];
	int64_t r;
	int stepped;

	if (back < 0)
		return back;
	sp_own_name(object, name);
	r = act(name, request->call, out, size);
	if (r < 0)
		r = -errno;
	stepped = sp_view_step_back(back);
	return stepped < 0 && r >= 0 ? stepped : r;
}

/* At most as much as an answer holds; without room only the length is asked for. */
static int64_t read_on(struct sp_request *request, int object, act_fn *act)
{
	uint64_t room = request->call->size;
	size_t size = room < SP_OUT_MAX ? (size_t)room : SP_OUT_MAX;
	int64_t r = act_on(request, object, act, size ? request->answer->out : NULL, size);

	if (r == -ERANGE && room > SP_OUT_MAX)
		return -E2BIG;
	if (r >= 0 && size)
		request->answer->out_length = (size_t)r;
	return r;
}

static int look_up(struct sp_request *request, struct sp_walk *walk)
{
	bool nofollow = request->call->info->implied & AT_SYMLINK_NOFOLLOW;

	return sp_walk_object(request, nofollow ? O_NOFOLLOW : 0, walk);
}

/* Permissions, as the mode: for a user or a group more. Their ids are those of our user namespace, the sandbox's. */
static bool is_acl(const struct sp_call *call)
{
	return strcmp(call->text, XATTR_NAME_POSIX_ACL_ACCESS) == 0 ||
	       strcmp(call->text, XATTR_NAME_POSIX_ACL_DEFAULT) == 0;
}

static bool is_users(const struct sp_call *call)
{
	return strncmp(call->text, XATTR_USER_PREFIX, XATTR_USER_PREFIX_LEN) == 0;
}

static ssize_t get(const char *object, const struct sp_call *call, void *out, size_t size)
{
	return getxattr(object, call->text, out, size);
}

int64_t sp_call_getxattr(struct sp_request *request)
{
	_cleanup_(sp_walk_close) struct sp_walk walk = SP_WALK_INIT;
	int r = look_up(request, &walk);

	/* What others than users may set is metadata, as stat's; the rest is contents. */
	if (r == 0 && is_users(request->call))
		r = sp_require(request, &walk, SP_RIGHT_READ);
	return r < 0 ? r : read_on(request, walk.object, get);
}

static ssize_t list(const char *object, const struct sp_call *call, void *out, size_t size)
{
	(void)call;
	return listxattr(object, out, size);
}

int64_t sp_call_listxattr(struct sp_request *request)
{
	_cleanup_(sp_walk_close) struct sp_walk walk = SP_WALK_INIT;
	int r = look_up(request, &walk);

	return r < 0 ? r : read_on(request, walk.object, list);
}

static int change(struct sp_request *request, act_fn *act)
{
	_cleanup_(sp_walk_close) struct sp_walk walk = SP_WALK_INIT;
	int r = sp_walk_changed(request, &walk);

	if (r < 0)
		return r;
	/* Labels and capabilities want privileges. */
	if (!is_users(request->call) && !is_acl(request->call))
		return sp_refuse(request, walk.name, &walk.decision, EPERM,
				 "an attribute that is not the users' own");
	if (request->judgement)
		return 0;
	return (int)act_on(request, walk.object, act, NULL, 0);
}

static ssize_t set(const char *object, const struct sp_call *call, void *out, size_t size)
{
	int flags = (int)(call->flags & ~(uint64_t)call->info->implied);

	(void)out;
	(void)size;
	return setxattr(object, call->text, call->data, call->data_length, flags);
}

int64_t sp_call_setxattr(struct sp_request *request)
{
	const struct sp_call *call = request->call;
	uint64_t known = call->info->implied | XATTR_CREATE | XATTR_REPLACE;

	return call->flags & ~known ? -EINVAL : change(request, set);
}

static ssize_t remove_it(const char *object, const struct sp_call *call, void *out, size_t size)
{
	(void)out;
	(void)size;
	return removexattr(object, call->text);
}

int64_t sp_call_removexattr(struct sp_request *request)
{
	return change(request, remove_it);
}
