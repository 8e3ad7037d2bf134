// SPDX-License-Identifier: Apache-2.0
/* Files whose names are all known: see links.h. */
#include "broker/links.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

struct sp_link {
	uint64_t inode;
	uint32_t major_number, minor_number;
	int64_t seconds; /* of its birth */
	uint32_t nanoseconds;
	uint32_t names; /* that are known; 0: a place that is free */
};

/* What is known of the object, but for `names`, which is how many it has. */
static bool look(int object, struct sp_link *ret_link)
{
	const unsigned wanted = STATX_INO | STATX_NLINK | STATX_BTIME;
	struct statx status;

	if (statx(object, "", AT_EMPTY_PATH, wanted, &status) < 0 ||
	    (status.stx_mask & wanted) != wanted)
		return false;
	*ret_link = (struct sp_link){
	    .inode = status.stx_ino,
	    .major_number = status.stx_dev_major,
	    .minor_number = status.stx_dev_minor,
	    .seconds = status.stx_btime.tv_sec,
	    .nanoseconds = status.stx_btime.tv_nsec,
	    .names = status.stx_nlink,
	};
	return true;
}

static bool is_same(const struct sp_link *a, const struct sp_link *b)
{
	return a->inode == b->inode && a->major_number == b->major_number &&
	       a->minor_number == b->minor_number && a->seconds == b->seconds &&
	       a->nanoseconds == b->nanoseconds;
}

static struct sp_link *find(const struct sp_links *links, const struct sp_link *file)
{
	for (unsigned i = 0; links->list && i < SP_LINKS_MAX; i++)
		if (links->list[i].names && is_same(&links->list[i], file))
			return &links->list[i];
	return NULL;
}

/* What is known of the held object, or NULL; nobody looks where no link was made. */
static struct sp_link *recall(const struct sp_links *links, int object, struct sp_link *ret_file)
{
	return links->list && look(object, ret_file) ? find(links, ret_file) : NULL;
}

void sp_links_clear(struct sp_links *links)
{
	free(links->list);
	*links = (struct sp_links){NULL, 0};
}

static struct sp_link *place(struct sp_links *links)
{
	if (!links->list)
		links->list = calloc(SP_LINKS_MAX, sizeof(*links->list));
	return links->list ? &links->list[links->next++ % SP_LINKS_MAX] : NULL;
}

void sp_links_add(struct sp_links *links, int object, uint32_t before, bool writable)
{
	struct sp_link file, *known;

	if (!look(object, &file))
		return;
	known = find(links, &file);
	/* Somebody else is giving it names, or taking them, or had done so. */
	if (!writable || file.names != before + 1 || (known ? known->names : 1) != before) {
		if (known)
			known->names = 0;
		return;
	}
	if (!known)
		known = place(links);
	if (known)
		*known = file;
}

void sp_links_remove(struct sp_links *links, int object)
{
	struct sp_link file, *known = recall(links, object, &file);

	/* One fewer, or somebody else has given it names that make up for those which are known. */
	if (known)
		known->names = file.names > 1 && file.names + 1 == known->names ? file.names : 0;
}

void sp_links_forget(struct sp_links *links, int object)
{
	struct sp_link file, *known = recall(links, object, &file);

	if (known)
		known->names = 0;
}

bool sp_links_known(struct sp_links *links, int object)
{
	struct sp_link file, *known = links ? recall(links, object, &file) : NULL;

	if (!known || known->names == file.names)
		return known;
	/* Somebody else gives it names, or takes them: the number could be right again of other ones. */
	known->names = 0;
	return false;
}
