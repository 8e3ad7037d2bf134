// SPDX-License-Identifier: Apache-2.0
/* link, linkat: one more name for what is held, with no right that its old name lacks. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "broker/walker.h"
#include "ipc/util.h"

#define FOLLOW (AT_SYMLINK_FOLLOW | AT_EMPTY_PATH)

static bool is_nameless(const struct sp_walk *walk)
{
	return S_ISREG(walk->status.stx_mode) && walk->status.stx_nlink == 0;
}

/*
 * What the caller holds open. The name that it has decides, as if it had been said. One without a name is
 * taken itself, so that the flags that are looked at are those of what is linked.
 */
static int hold(struct sp_request *request, int number, struct sp_walk *from)
{
	int r = sp_walk_descriptor(request, number, true, from), file;

	/* Where nothing may be made the porter has no call to take it by, and there will be no name. */
	if (r < 0 || !is_nameless(from) || !(sp_rules_granted(request->rules) & SP_RIGHT_CREATE))
		return r;
	sp_walk_close(from);
	file = sp_own_take(request, number);
	if (file < 0)
		return sp_refuse_finally(request, from->name, NULL, EACCES,
					 "an open file that can't be looked at");
	return sp_walk_held(request, file, from);
}

/* The link below /proc leads to no name, but the caller has a descriptor of what it shows. */
static int hold_own(struct sp_request *request, struct sp_walk *from)
{
	int own = from->own;

	sp_walk_close(from);
	sp_forgive(request);
	return hold(request, own, from);
}

static int find_source(struct sp_request *request, struct sp_walk *from)
{
	const struct sp_call *call = request->call;
	unsigned follow = call->flags & AT_SYMLINK_FOLLOW ? 0 : SP_WALK_NOFOLLOW;
	int r;

	if (call->flags & ~(uint64_t)FOLLOW)
		return -EINVAL;
	if ((call->flags & AT_EMPTY_PATH) && !call->path[0])
		return hold(request, call->dirfd, from);
	r = sp_walk(request, call->dirfd, call->path, follow, 0, from);
	return sp_is_refused(request, r) && from->own >= 0 ? hold_own(request, from) : r;
}

/* Rights on the name in the directory that O_TMPFILE was given, which the kernel shows behind the file's number. */
static uint32_t rights_there(const struct sp_request *request, const struct sp_walk *from)
{
	static const char deleted[] = " (deleted)";
	struct sp_path_decision decision;
	size_t n = sizeof(deleted) - 1;

	if (from->length <= n || strcmp(from->name + from->length - n, deleted) != 0)
		return 0;
	sp_decide(request, from->name, from->length - n, &decision);
	return decision.rights;
}

/*
 * A file that never had a name: the kernel links no other without one. What its name lets be done to it, the
 * descriptor must: else one that was received, or opened for less, would become more. The descriptor
 * that O_TMPFILE itself gave, which says so as long as it lives, has the rights of its place as well: who
 * made it may have asked for writing alone.
 */
static uint32_t rights_of(const struct sp_request *request, const struct sp_walk *from)
{
	static const uint32_t access[] = {[O_RDONLY] = SP_RIGHT_READ,
					  [O_WRONLY] = SP_RIGHT_WRITE,
					  [O_RDWR] = SP_RIGHT_READ | SP_RIGHT_WRITE,
					  [O_ACCMODE] = 0};
	const uint32_t contents = SP_RIGHT_READ | SP_RIGHT_WRITE | SP_RIGHT_EXECUTE;
	int flags = fcntl(from->object, F_GETFL);
	uint32_t rights = 0;

	if (flags >= 0 && !(flags & O_PATH))
		rights = access[flags & O_ACCMODE];
	if (rights && (flags & O_TMPFILE) == O_TMPFILE)
		rights |= rights_there(request, from) & (SP_RIGHT_READ | SP_RIGHT_WRITE);
	if (rights & SP_RIGHT_READ) /* it could be copied */
		rights |= SP_RIGHT_EXECUTE;
	return rights | (SP_RIGHT_ALL & ~contents);
}

static int check_nameless(struct sp_request *request, struct sp_walk *from)
{
	if ((from->status.stx_mode & (S_ISUID | S_ISGID)) || from->status.stx_uid != geteuid())
		return sp_refuse(request, from->name, NULL, EPERM,
				 "an open file that was not made here");
	from->decision.rights = rights_of(request, from);
	from->decision.ask = 0;
	return 0;
}

static int decide(struct sp_request *request, struct sp_walk *from, const struct sp_walk *to)
{
	int r = 0;

	if (strchr(to->component, '/')) /* a name that could only be a directory's */
		return -ENOENT;
	if (from->status.stx_mnt_id != to->mount)
		return -EXDEV;
	if (S_ISDIR(from->status.stx_mode))
		return -EPERM;
	if (from->gone) /* what its other names may is not known */
		return sp_refuse(request, from->name, &from->decision, EXDEV,
				 "the name that it was opened by is gone");
	if (is_nameless(from))
		r = check_nameless(request, from);
	return r < 0 ? r : sp_require_no_more(request, from, to);
}

int64_t sp_call_link(struct sp_request *request)
{
	_cleanup_(sp_walk_close) struct sp_walk from = SP_WALK_INIT, to = SP_WALK_INIT;
	const struct sp_call *call = request->call;
	char name[SP_OWN_NAME];
	int r = find_source(request, &from);

	if (r == 0)
		r = sp_walk_new(request, call->dirfd2, call->path2, &to);
	if (r == 0)
		r = decide(request, &from, &to);
	if (r < 0 || request->judgement)
		return r;
	/* The held object itself, whatever its old name means by now: its descriptor's entry below
	 * /proc is followed to it, and no further if it is a symbolic link. */
	sp_own_name(from.object, name);
	if (linkat(request->view->own_fd, name, to.parent, to.component, AT_SYMLINK_FOLLOW) < 0)
		return -errno;
	if (request->caller->links)
		sp_links_add(request->caller->links, from.object, from.status.stx_nlink,
			     sp_is_writable(request, &from) && sp_is_writable(request, &to));
	return 0;
}
