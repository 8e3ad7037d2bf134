// SPDX-License-Identifier: Apache-2.0
/* inotify_add_watch: by the porter, on the caller's own instance, whose limits are those of who made it. */
#include <errno.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "broker/walker.h"
#include "ipc/util.h"

#ifndef IN_MASK_CREATE
#define IN_MASK_CREATE 0x10000000 /* Linux 4.18 */
#endif

#define OPTIONS                                                                                    \
	(IN_ONLYDIR | IN_DONT_FOLLOW | IN_EXCL_UNLINK | IN_MASK_ADD | IN_MASK_CREATE | IN_ONESHOT)
#define REPORTED (IN_UNMOUNT | IN_Q_OVERFLOW | IN_IGNORED | IN_ISDIR)
#define KNOWN (IN_ALL_EVENTS | OPTIONS | REPORTED)

/* Looked at before it is taken: to close what is taken must be felt by nobody. */
static int check_instance(const struct sp_request *request)
{
	static const char inotify[] = "anon_inode:inotify";
	_cleanup_close_ int object = sp_caller_open(request, request->call->dirfd2);
	char number[SP_OWN_NAME], name[sizeof(inotify)];
	ssize_t n;

	if (object < 0)
		return object;
	sp_own_name(object, number);
	n = readlinkat(request->view->own_fd, number, name, sizeof(name));
	if (n < 0)
		return -errno;
	return n == sizeof(inotify) - 1 && memcmp(name, inotify, (size_t)n) == 0 ? 0 : -EINVAL;
}

/* In the order in which the kernel looks. */
static int check(const struct sp_request *request)
{
	uint64_t mask = request->call->flags;
	int r;

	if ((mask & ~(uint64_t)KNOWN) || !mask)
		return -EINVAL;
	/* The cwd is no descriptor. */
	r = request->call->dirfd2 < 0 ? -EBADF : check_instance(request);
	if (r < 0)
		return r;
	return (mask & IN_MASK_ADD) && (mask & IN_MASK_CREATE) ? -EINVAL : 0;
}

/*
 * Devices, and directories of terminals, that others use as well: when somebody's terminal, or /dev/tty, is read from
 * tells when keys are pressed, also where a password is typed.
 */
static bool is_others(const struct sp_request *request, const struct sp_walk *walk)
{
	mode_t mode = walk->status.stx_mode;
	struct statfs system;

	if (sp_view_is_of_terminals(request->view, &walk->status))
		return false;
	if (S_ISCHR(mode) || S_ISBLK(mode))
		return true;
	return S_ISDIR(mode) &&
	       (fstatfs(walk->object, &system) < 0 || system.f_type == DEVPTS_SUPER_MAGIC);
}

/* A link to a descriptor below /proc leads to the name of what it shows, and nowhere else. */
static int look_up(struct sp_request *request, struct sp_walk *walk)
{
	uint64_t mask = request->call->flags;
	unsigned flags = mask & IN_DONT_FOLLOW ? SP_WALK_NOFOLLOW : 0;
	int r = sp_walk(request, AT_FDCWD, request->call->path, flags, 0, walk);

	if (r == 0 && (mask & IN_ONLYDIR) && !S_ISDIR(walk->status.stx_mode))
		r = -ENOTDIR;
	/* Events tell the names that are in a directory, as reading it does, and that they are used. */
	if (r == 0)
		r = sp_require(request, walk, SP_RIGHT_READ);
	if (r == 0 && is_others(request, walk))
		r = sp_refuse(request, walk->name, &walk->decision, EACCES,
			      "is a device that others use");
	return r;
}

static int watch(const struct sp_request *request, int instance, int object)
{
	/* The held object itself, which may be a link, by the link to it. */
	uint32_t mask = (uint32_t)request->call->flags & ~(uint32_t)IN_DONT_FOLLOW;
	int back = sp_view_step_in(request->view), r, stepped;
	char name[SP_OWN_NAME];

	if (back < 0)
		return back;
	sp_own_name(object, name);
	r = inotify_add_watch(instance, name, mask);
	if (r < 0)
		r = -errno;
	stepped = sp_view_step_back(back);
	return stepped < 0 ? stepped : r;
}

int64_t sp_call_watch(struct sp_request *request)
{
	_cleanup_(sp_walk_close) struct sp_walk walk = SP_WALK_INIT;
	_cleanup_close_ int instance = -1;
	int r = check(request);

	if (r == 0)
		r = look_up(request, &walk);
	if (r < 0 || request->judgement)
		return r;
	instance = sp_own_take(request, request->call->dirfd2);
	if (instance < 0) /* it was one when it was looked at */
		return -EBADF;
	return watch(request, instance, walk.object);
}
