// SPDX-License-Identifier: Apache-2.0
/* rename, renameat, renameat2: may move things, must not raise the rights on them. */
#include <errno.h>
#include <stdio.h>
#include <sys/syscall.h>

#include "broker/answers.h"
#include "broker/walker.h"
#include "ipc/util.h"

#define RENAME_FLAGS (RENAME_NOREPLACE | RENAME_EXCHANGE | RENAME_WHITEOUT)

static int check_flags(struct sp_request *request)
{
	uint64_t flags = request->call->flags;

	if (flags & ~(uint64_t)RENAME_FLAGS)
		return -EINVAL;
	if ((flags & RENAME_EXCHANGE) && (flags & (RENAME_NOREPLACE | RENAME_WHITEOUT)))
		return -EINVAL;
	if (flags & RENAME_WHITEOUT)
		return sp_refuse(request, "", NULL, EPERM, "a whiteout is a device");
	return 0;
}

static int check_last(const struct sp_walk *from, const struct sp_walk *to, uint64_t flags)
{
	if (from->mount != to->mount)
		return -EXDEV;
	if (from->last != SP_LAST_NORMAL)
		return -EBUSY;
	if (to->last != SP_LAST_NORMAL)
		return flags & RENAME_NOREPLACE ? -EEXIST : -EBUSY;
	if (from->object < 0)
		return -ENOENT;
	if ((flags & RENAME_NOREPLACE) && to->object >= 0)
		return -EEXIST;
	if ((flags & RENAME_EXCHANGE) && to->object < 0)
		return -ENOENT;
	return 0;
}

static int require(struct sp_request *request, const struct sp_walk *from, const struct sp_walk *to)
{
	uint32_t both = SP_RIGHT_CREATE | SP_RIGHT_DELETE;
	bool exchange = request->call->flags & RENAME_EXCHANGE;
	int r = sp_require(request, from, exchange ? both : SP_RIGHT_DELETE);

	return r < 0 ? r : sp_require(request, to, to->object >= 0 ? both : SP_RIGHT_CREATE);
}

/* What was answered about one name below is not said of the others. */
static bool is_uniform_below(const struct sp_request *request, const struct sp_walk *walk)
{
	return sp_rules_uniform_below(request->rules, walk->name, walk->length) &&
	       !sp_answers_below(request->caller->answers, walk->name, walk->length);
}

/* Nor may a right be gained below. */
static int check_move(struct sp_request *request, const struct sp_walk *from,
		      const struct sp_walk *to)
{
	int r = sp_require_no_more(request, from, to);

	if (r < 0)
		return r;
	if (!S_ISDIR(from->status.stx_mode))
		return 0;
	if (!is_uniform_below(request, from) || !is_uniform_below(request, to))
		return sp_refuse(request, to->name, &to->decision, EXDEV,
				 "rules differ below a directory");
	return 0;
}

static int decide(struct sp_request *request, const struct sp_walk *from, const struct sp_walk *to)
{
	int r = require(request, from, to);

	if (r == 0)
		r = check_move(request, from, to);
	if (r == 0 && (request->call->flags & RENAME_EXCHANGE))
		r = check_move(request, to, from);
	return r;
}

/* Of two names of one file neither goes. */
static bool replaces(const struct sp_request *request, const struct sp_walk *from,
		     const struct sp_walk *to)
{
	const struct statx *a = &from->status, *b = &to->status;

	if (to->object < 0 || (request->call->flags & RENAME_EXCHANGE))
		return false;
	return a->stx_ino != b->stx_ino || a->stx_dev_major != b->stx_dev_major ||
	       a->stx_dev_minor != b->stx_dev_minor;
}

/* One name fewer of what was replaced; and what was moved may have a name now that it can't be written by. */
static void remember(struct sp_request *request, const struct sp_walk *from,
		     const struct sp_walk *to)
{
	struct sp_links *links = request->caller->links;

	if (!links)
		return;
	if (replaces(request, from, to))
		sp_links_remove(links, to->object);
	if (S_ISDIR(from->status.stx_mode) || (request->call->flags & RENAME_EXCHANGE)) {
		if (from->decision.rights != to->decision.rights || !sp_is_writable(request, to))
			sp_links_clear(links);
	} else if (!sp_is_writable(request, to)) {
		sp_links_forget(links, from->object);
	}
}

int64_t sp_call_rename(struct sp_request *request)
{
	_cleanup_(sp_walk_close) struct sp_walk from = SP_WALK_INIT, to = SP_WALK_INIT;
	const struct sp_call *call = request->call;
	int r = check_flags(request);

	if (r == 0)
		r = sp_walk(request, call->dirfd, call->path, SP_WALK_ENTRY, 0, &from);
	if (r == 0)
		r = sp_walk(request, call->dirfd2, call->path2, SP_WALK_ENTRY, 0, &to);
	if (r == 0)
		r = check_last(&from, &to, call->flags);
	if (r == 0)
		r = decide(request, &from, &to);
	if (r < 0 || request->judgement)
		return r;
	if (syscall(SYS_renameat2, from.parent, from.component, to.parent, to.component,
		    call->flags) < 0)
		return -errno;
	remember(request, &from, &to);
	return 0;
}
