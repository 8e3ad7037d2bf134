// SPDX-License-Identifier: Apache-2.0
/* The walker: see walker.h. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#include "broker/walker.h"
#include "ipc/util.h"

#define LINK_LIMIT 40 /* the kernel's MAXSYMLINKS */
#define LEVELS 64     /* descriptors kept for ".."; deeper ones are walked to again */
#define PENDING                                                                                    \
	(8 * PATH_MAX) /* text still to walk; the kernel has no such limit: ENAMETOOLONG   \
				*/
#define PROC_ROOT_INODE 1
#define WALK_MASK (STATX_BASIC_STATS | STATX_MNT_ID)
#define ONE_STEP (RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS)

#ifndef ST_NOSYMFOLLOW
#define ST_NOSYMFOLLOW 0x2000 /* Linux 5.10 */
#endif

/* A directory on the way. */
struct level {
	int fd;
	bool borrowed; /* the view's root or the caller's base */
	struct statx status;
	size_t length; /* of its name within walker.name */
};

struct walker {
	struct sp_request *request;
	unsigned flags;
	uint64_t resolve;
	struct sp_base base;
	bool scoped;  /* BENEATH or IN_ROOT: `base` is the end of the world */
	bool at_base; /* levels[] starts, or would start, from `base` rather than from the root */
	bool ended;   /* the request's last component is behind us: what is still pending is the way
			 to it */
	enum sp_last last;
	int own; /* see sp_walk */
	unsigned links;
	struct level levels[LEVELS];
	unsigned depth;
	char name[PATH_MAX]; /* of the topmost level, "" for the root; then of the component in hand
			      */
	size_t length;
	size_t proc;    /* length of the name of the /proc mount, once below it */
	uint64_t mount; /* where the walk began: NO_XDEV stays on it */
	size_t again;   /* pending text before this is a known way walked once more */
	size_t at;      /* pending text: [at, PENDING - 1), then NUL */
	char pending[PENDING];
};

/* One component in hand. */
struct component {
	char *text; /* in place, NUL-terminated while it is in hand */
	size_t length;
	bool last, slash;
};

void sp_walk_close(struct sp_walk *walk)
{
	sp_close_pointer(&walk->parent);
	sp_close_pointer(&walk->object);
	walk->parent = walk->object = -1;
}

int sp_openat2(int dirfd, const char *path, uint64_t flags, uint64_t mode, uint64_t resolve)
{
	struct open_how how = {.flags = flags, .mode = mode, .resolve = resolve | ONE_STEP};
	long fd = syscall(SYS_openat2, dirfd, path, &how, sizeof(how));

	return fd < 0 ? -errno : (int)fd;
}

static struct level *top(struct walker *w)
{
	return &w->levels[w->depth - 1];
}

static void level_close(struct level *level)
{
	if (!level->borrowed)
		(void)close(level->fd);
}

static void walker_close(struct walker *w)
{
	while (w->depth > 0)
		level_close(&w->levels[--w->depth]);
	sp_base_close(&w->base);
}

static void push(struct walker *w, int fd, bool borrowed, const struct statx *status)
{
	if (w->depth == LEVELS) {
		level_close(&w->levels[0]);
		memmove(&w->levels[0], &w->levels[1], (LEVELS - 1) * sizeof(w->levels[0]));
		w->depth--;
	}
	w->levels[w->depth++] =
	    (struct level){.fd = fd, .borrowed = borrowed, .status = *status, .length = w->length};
}

/* Puts text in front of what is still to be walked, which is empty or starts with a slash. */
static int prepend(struct walker *w, const char *text, size_t length)
{
	if (length > w->at)
		return -ENAMETOOLONG;
	if (w->at >= w->again)
		w->again = 0; /* that way lies behind: new text is no part of it */
	w->at -= length;
	memcpy(w->pending + w->at, text, length);
	return 0;
}

static dev_t device_of(const struct statx *status)
{
	return makedev(status->stx_dev_major, status->stx_dev_minor);
}

static bool in_proc(const struct walker *w, const struct statx *status)
{
	return w->request->view->proc >= 0 && device_of(status) == w->request->view->proc_device;
}

static bool is_proc_root(const struct walker *w, const struct statx *status)
{
	return in_proc(w, status) && status->stx_ino == PROC_ROOT_INODE;
}

static int refuse_here(struct walker *w, int error, const char *detail)
{
	struct sp_path_decision decision;

	sp_decide(w->request, w->name, w->length, &decision);
	return sp_refuse(w->request, w->name, &decision, error, detail);
}

static int end_here(struct walker *w, int error, const char *detail)
{
	struct sp_path_decision decision;

	sp_decide(w->request, w->name, w->length, &decision);
	return sp_refuse_finally(w->request, w->name, &decision, error, detail);
}

/* No lookup is made, but where only judged, below what the policy grants nothing of. */
static int refuse_outside(struct walker *w, const struct sp_path_decision *decision)
{
	return decision->standing == SP_STANDING_OUTSIDE
		   ? sp_refuse_lookup(w->request, w->name, decision)
		   : 0;
}

/* ---- where a walk starts ---- */

static int start_at_root(struct walker *w)
{
	struct statx status;

	while (w->depth > 0)
		level_close(&w->levels[--w->depth]);
	if (statx(w->request->view->root, "", AT_EMPTY_PATH, WALK_MASK, &status) < 0)
		return -errno;
	w->at_base = false;
	w->length = 0;
	w->name[0] = '\0';
	push(w, w->request->view->root, true, &status);
	return 0;
}

static int start_at_base(struct walker *w)
{
	while (w->depth > 0)
		level_close(&w->levels[--w->depth]);
	w->at_base = true;
	w->length = w->base.length;
	memcpy(w->name, w->base.name, w->base.length + 1);
	push(w, w->base.fd, true, &w->base.status);
	return 0;
}

/* A base below /proc is walked to again from the root, so that its canonical name becomes known. */
static int start_relative(struct walker *w)
{
	size_t known;
	int r;

	if (!sp_view_is_proc(w->request->view, w->base.fd, device_of(&w->base.status)))
		return start_at_base(w);
	if (w->scoped)
		return -EXDEV;
	known = w->at;
	r = prepend(w, "/", 1);
	if (r == 0)
		r = prepend(w, w->base.name, w->base.length);
	w->again = known;
	return r < 0 ? r : start_at_root(w);
}

static size_t next_dot_dot(const struct walker *w)
{
	const char *text = w->pending + w->at;
	size_t n = strspn(text, "/");

	return strncmp(text + n, "..", 2) == 0 && (text[n + 2] == '/' || text[n + 2] == '\0')
		   ? n + 2
		   : 0;
}

/*
 * The way from a directory that was removed while the caller is in it. Names lead nowhere there, but it is itself
 * still there, judged by the name that it had, and ".." leads to what it lay in.
 */
static int leave_removed(struct walker *w)
{
	int r = 0;

	while (r == 0 && w->base.removed) {
		const char *text = w->pending + w->at;
		size_t slashes = strspn(text, "/"), n = next_dot_dot(w);
		bool dot = text[slashes] == '.' && strchr("/", text[slashes + 1]);

		if (w->resolve)
			return -ENOENT;
		if (!n && !dot)
			return text[slashes] ? -ENOENT : 0;
		w->at += n ? n : slashes + 1;
		w->last = n ? SP_LAST_DOT_DOT : SP_LAST_DOT;
		if (n)
			r = sp_base_climb(w->request, &w->base);
	}
	return r;
}

static int start(struct walker *w, int dirfd, const char *path)
{
	size_t length = strlen(path);
	bool absolute = path[0] == '/';
	int r;

	if (length == 0)
		return -ENOENT;
	if (length >= PATH_MAX)
		return -ENAMETOOLONG;
	w->at = PENDING - 1;
	w->pending[w->at] = '\0';
	r = prepend(w, path, length);
	if (r < 0)
		return r;
	w->scoped = w->resolve & (RESOLVE_BENEATH | RESOLVE_IN_ROOT);
	if (absolute && (w->resolve & RESOLVE_BENEATH))
		return -EXDEV;
	if (absolute && !w->scoped)
		r = start_at_root(w);
	else
		r = sp_base_open(w->request, dirfd, &w->base);
	if (r == 0)
		r = leave_removed(w);
	if (r < 0)
		return r;
	w->mount = w->base.fd >= 0 ? w->base.status.stx_mnt_id : top(w)->status.stx_mnt_id;
	return w->base.fd >= 0 ? start_relative(w) : 0;
}

/* ---- steps ---- */

/* The kernel asks for search permission at every component, "." and ".." included: let it. */
static int search(struct walker *w)
{
	_cleanup_close_ int here = -1;
	struct sp_path_decision decision;

	if (!S_ISDIR(top(w)->status.stx_mode))
		return -ENOTDIR;
	sp_decide(w->request, w->name, w->length, &decision);
	if (decision.standing == SP_STANDING_OUTSIDE)
		return 0;
	here = openat(top(w)->fd, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return here < 0 ? -errno : 0;
}

/* RESOLVE_NO_XDEV, but for a way that was already gone. */
static int stays(const struct walker *w, const struct statx *status)
{
	if (!(w->resolve & RESOLVE_NO_XDEV) || w->at < w->again)
		return 0;
	return status->stx_mnt_id == w->mount ? 0 : -EXDEV;
}

static size_t parent_length(const char *name, size_t length)
{
	while (length > 0 && name[length - 1] != '/')
		length--;
	return length > 0 ? length - 1 : 0;
}

static bool only_slashes(const char *text)
{
	return text[strspn(text, "/")] == '\0';
}

/* Leaves the lowest directory held: the name of its parent becomes the way. */
static int walk_again(struct walker *w)
{
	size_t lowest = w->scoped ? w->base.length : 0;
	size_t length = parent_length(w->name, w->length), known, n;
	char way[PATH_MAX];
	int r;

	/* The name is canonical, so that further ".." need no look at what they leave. */
	while (!w->scoped && (n = next_dot_dot(w)) > 0) {
		w->at += n;
		length = parent_length(w->name, length);
	}
	w->ended = w->ended || only_slashes(w->pending + w->at);
	known = w->at;
	memcpy(way, w->name, length);
	r = length > lowest ? prepend(w, way + lowest, length - lowest) : 0;
	if (r < 0)
		return r;
	w->again = known;
	r = w->scoped ? start_at_base(w) : start_at_root(w);
	return r < 0 ? r : stays(w, &top(w)->status);
}

static int pop(struct walker *w)
{
	level_close(&w->levels[--w->depth]);
	w->length = top(w)->length;
	w->name[w->length] = '\0';
	return stays(w, &top(w)->status);
}

static int climb(struct walker *w)
{
	int r = search(w);

	if (r < 0)
		return r;
	w->last = SP_LAST_DOT_DOT;
	if (w->depth > 1)
		return pop(w);
	if (!w->at_base && w->length == 0)
		return 0;
	if (w->scoped && w->length == w->base.length)
		return w->resolve & RESOLVE_BENEATH ? -EXDEV : 0;
	return walk_again(w);
}

/* Names of a process below /proc: "self" for the caller, whatever the spelling; nobody else. 1:
 * text prepended. */
static int map_process(struct walker *w, const struct component *c, bool follow, char *ret_real,
		       const char **ret_name)
{
	struct sp_caller *caller = w->request->caller;
	char number[16], text[48];
	int n = sp_caller_identify(w->request->view, caller);

	if (n < 0)
		return n;
	caller->sought = true;
	(void)snprintf(number, sizeof(number), "%d", caller->pid);
	if (strcmp(c->text, number) == 0 || (follow && strcmp(c->text, "self") == 0)) {
		(void)snprintf(ret_real, 16, "%s", number);
		*ret_name = "self";
		return 0;
	}
	if (!follow || strcmp(c->text, "thread-self") != 0)
		return 0;
	n = snprintf(text, sizeof(text), "self/task/%d", caller->tid);
	n = prepend(w, text, (size_t)n);
	return n < 0 ? n : 1;
}

static bool is_number(const char *text)
{
	return *text && text[strspn(text, "0123456789")] == '\0';
}

static int append(struct walker *w, const char *component)
{
	size_t n = strlen(component);

	if (w->length + 1 + n >= sizeof(w->name))
		return -ENAMETOOLONG;
	w->name[w->length] = '/';
	memcpy(w->name + w->length + 1, component, n + 1);
	w->length += 1 + n;
	return 0;
}

/* What is refused below /proc before it is looked up, whatever the policy grants. */
static int guard_proc(struct walker *w, const struct component *c, const char *mapped)
{
	const struct statx *status = &top(w)->status;

	if (!in_proc(w, status))
		return 0;
	if (is_proc_root(w, status) && is_number(c->text) && strcmp(mapped, "self") != 0)
		return refuse_here(w, EACCES, "another process's entry in /proc");
	if (sp_proc_classify(w->name + w->proc + 1, false) == SP_PROC_REFUSED)
		return end_here(w, EACCES, "a link that leads past every name");
	return 0;
}

/* A procfs that is not the sandbox's own shows the porter, or worse. */
static int enter(struct walker *w, int fd, const struct statx *status)
{
	const struct statx *from = &top(w)->status;
	int r = stays(w, status);

	if (r < 0)
		return r;
	if (device_of(status) == device_of(from))
		return 0;
	if (is_proc_root(w, status)) {
		w->proc = w->length;
		return 0;
	}
	if (sp_view_is_proc(w->request->view, fd, device_of(status)))
		return refuse_here(w, EACCES, "a /proc that is not the sandbox's own");
	return 0;
}

/* What the kernel's may_follow_link() and nosymfollow mounts refuse. */
static int may_follow(struct walker *w, const struct component *c, int link,
		      const struct statx *status)
{
	const struct statx *dir = &top(w)->status;
	struct statfs system;

	if (w->resolve & RESOLVE_NO_SYMLINKS || w->links++ >= LINK_LIMIT)
		return -ELOOP;
	if (c->last && status->stx_uid != geteuid() && (dir->stx_mode & S_ISVTX) &&
	    (dir->stx_mode & S_IWOTH) && dir->stx_uid != status->stx_uid)
		return -EACCES;
	if (fstatfs(link, &system) < 0)
		return -errno;
	return system.f_flags & ST_NOSYMFOLLOW ? -ELOOP : 0;
}

static int check_magic(struct walker *w, const char *text, size_t length)
{
	static const char deleted[] = " (deleted)";
	size_t n = sizeof(deleted) - 1;

	if (w->resolve & RESOLVE_NO_MAGICLINKS)
		return -ELOOP;
	if (w->scoped || (w->resolve & RESOLVE_NO_XDEV))
		return -EXDEV;
	if (text[0] != '/' || (length >= n && memcmp(text + length - n, deleted, n) == 0))
		return end_here(w, ENXIO, "an object without a name");
	return 0;
}

static int jump(struct walker *w)
{
	int r;

	if (w->resolve & RESOLVE_BENEATH)
		return -EXDEV;
	/* The kernel has not looked at the root yet, and so calls it another mount. */
	if ((w->resolve & RESOLVE_NO_XDEV) && w->base.fd >= 0 && !w->scoped)
		return -EXDEV;
	w->last = SP_LAST_ROOT;
	r = w->resolve & RESOLVE_IN_ROOT ? start_at_base(w) : start_at_root(w);
	return r < 0 ? r : stays(w, &top(w)->status);
}

/* Puts a link's text in its place. w->name is the link's; the topmost level is its directory. */
static int expand(struct walker *w, const struct component *c, int link, const struct statx *status)
{
	char text[PATH_MAX] __attribute__((uninitialized));
	enum sp_proc_kind kind = SP_PROC_PLAIN;
	ssize_t n;
	int r = may_follow(w, c, link, status);

	if (r < 0)
		return r;
	if (in_proc(w, status))
		kind = sp_proc_classify(w->name + w->proc + 1, true);
	if (kind == SP_PROC_REFUSED)
		return end_here(w, EACCES, "a link that leads past every name");
	n = readlinkat(link, "", text, sizeof(text));
	if (n <= 0)
		return n < 0 ? -errno : -ENOENT;
	if ((size_t)n >= sizeof(text))
		return -ENAMETOOLONG;
	/* Who is only judged comes here behind a refusal, which ends every other walk. */
	if (kind == SP_PROC_MAGIC && c->last && !c->slash &&
	    !(w->resolve & RESOLVE_NO_MAGICLINKS) && !sp_is_refused(w->request, 0))
		w->own = sp_proc_descriptor(w->name + w->proc + 1);
	r = kind == SP_PROC_MAGIC ? check_magic(w, text, (size_t)n) : 0;
	if (r == 0)
		r = prepend(w, text, (size_t)n);
	if (r < 0)
		return r;
	w->length = top(w)->length;
	w->name[w->length] = '\0';
	return text[0] == '/' ? jump(w) : 0;
}

/* ---- where a walk ends ---- */

static int take_level(struct walker *w, int *ret_fd)
{
	struct level *level = top(w);
	int fd = level->fd;

	if (level->borrowed)
		fd = fcntl(level->fd, F_DUPFD_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	level->borrowed = true; /* given away: not ours to close */
	*ret_fd = fd;
	return 0;
}

static void fill_name(const struct walker *w, struct sp_walk *walk)
{
	memcpy(walk->name, w->length ? w->name : "/", w->length ? w->length + 1 : 2);
	walk->length = w->length ? w->length : 1;
}

/* The name ended with the topmost level: "/", "." or "..". */
static int finish_here(struct walker *w, struct sp_walk *walk)
{
	int r;

	sp_decide(w->request, w->name, w->length, &walk->decision);
	r = refuse_outside(w, &walk->decision);
	if (r < 0)
		return r;
	fill_name(w, walk);
	walk->last = w->ended ? SP_LAST_DOT_DOT : w->last;
	walk->status = top(w)->status;
	walk->mount = walk->status.stx_mnt_id;
	return take_level(w, &walk->object);
}

static int finish(struct walker *w, const struct component *c, const char *real, int *object,
		  struct sp_walk *walk)
{
	bool entry = w->flags & (SP_WALK_ENTRY | SP_WALK_CREATE);

	if (*object < 0 && !entry)
		return -ENOENT;
	if (c->slash && !entry && !S_ISDIR(walk->status.stx_mode))
		return -ENOTDIR;
	(void)snprintf(walk->component, sizeof(walk->component), "%s%s", real, c->slash ? "/" : "");
	fill_name(w, walk);
	walk->last = SP_LAST_NORMAL;
	walk->mount = top(w)->status.stx_mnt_id;
	walk->object = TAKE_FD(*object);
	return take_level(w, &walk->parent);
}

/* Says what readlink of /proc/self and /proc/thread-self answers: the kernel would speak of the
 * porter. */
static void fill_text(struct walker *w, const struct component *c, struct sp_walk *walk)
{
	const struct sp_caller *caller = w->request->caller;

	if (!is_proc_root(w, &top(w)->status))
		return;
	if (strcmp(c->text, "self") == 0)
		(void)snprintf(walk->text, sizeof(walk->text), "%d", caller->pid);
	else if (strcmp(c->text, "thread-self") == 0)
		(void)snprintf(walk->text, sizeof(walk->text), "%d/task/%d", caller->pid,
			       caller->tid);
}

static bool follows(const struct walker *w, const struct component *c)
{
	if (!c->last)
		return true;
	if (w->flags & SP_WALK_ENTRY)
		return false;
	return c->slash || !(w->flags & SP_WALK_NOFOLLOW);
}

/* A runtime's descriptors are not its program's: to that they have no entries. */
static bool is_hidden(struct walker *w)
{
	return w->request->caller->locked && in_proc(w, &top(w)->status) &&
	       sp_proc_is_reserved(w->name + w->proc + 1);
}

static int open_component(struct walker *w, const char *real)
{
	int fd;

	if (is_hidden(w))
		return -ENOENT;
	fd = openat(top(w)->fd, real, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* The lookup itself, of a name on which the policy has said yes. 1: done. */
static int look_up(struct walker *w, const struct component *c, const char *real,
		   struct sp_walk *walk)
{
	_cleanup_close_ int fd = open_component(w, real);
	int r;

	if (fd < 0 && (fd != -ENOENT || !c->last))
		return fd;
	if (fd >= 0 && statx(fd, "", AT_EMPTY_PATH, WALK_MASK, &walk->status) < 0)
		return -errno;
	r = fd >= 0 ? enter(w, fd, &walk->status) : 0;
	if (r < 0)
		return r;
	if (fd >= 0 && S_ISLNK(walk->status.stx_mode) && follows(w, c))
		return expand(w, c, fd, &walk->status);
	if (c->last) {
		fill_text(w, c, walk);
		r = finish(w, c, real, &fd, walk);
		return r < 0 ? r : 1;
	}
	push(w, TAKE_FD(fd), false, &walk->status);
	return 0;
}

static int descend(struct walker *w, const struct component *c, struct sp_walk *walk)
{
	char number[16] = "";
	const char *name = c->text;
	int r;

	if (!S_ISDIR(top(w)->status.stx_mode))
		return -ENOTDIR;
	if (is_proc_root(w, &top(w)->status)) {
		r = map_process(w, c, follows(w, c), number, &name);
		if (r != 0)
			return r < 0 ? r : 0;
	}
	r = append(w, name);
	if (r < 0)
		return r;
	sp_decide(w->request, w->name, w->length, &walk->decision);
	r = refuse_outside(w, &walk->decision);
	if (r == 0)
		r = guard_proc(w, c, name);
	if (r < 0)
		return r;
	if (c->last && c->slash && (w->flags & SP_WALK_CREATE))
		return -EISDIR;
	return look_up(w, c, number[0] ? number : c->text, walk);
}

/* Takes the next component in hand; false: none is left. */
static bool next(struct walker *w, struct component *c, char *ret_behind)
{
	w->at += strspn(w->pending + w->at, "/");
	c->text = w->pending + w->at;
	c->length = strcspn(c->text, "/");
	if (c->length == 0)
		return false;
	w->at += c->length;
	c->slash = w->pending[w->at] == '/';
	c->last = !w->ended && only_slashes(w->pending + w->at);
	*ret_behind = w->pending[w->at];
	return true;
}

static int step(struct walker *w, const struct component *c, struct sp_walk *walk)
{
	if (strcmp(c->text, ".") == 0) {
		w->last = SP_LAST_DOT;
		return search(w);
	}
	if (strcmp(c->text, "..") == 0)
		return climb(w);
	return descend(w, c, walk);
}

static int run(struct walker *w, struct sp_walk *walk)
{
	char component[NAME_MAX + 2], behind;
	struct component c;
	int r;

	while (next(w, &c, &behind)) {
		/* A copy: the step may put other text in its place. One byte too many is enough for
		 * ENAMETOOLONG. */
		(void)snprintf(component, sizeof(component), "%.*s",
			       (int)(c.length > NAME_MAX ? NAME_MAX + 1 : c.length), c.text);
		c.text = component;
		r = step(w, &c, walk);
		if (r != 0)
			return r < 0 ? r : 0;
	}
	return finish_here(w, walk);
}

/* Sixty kilobytes, of which most walks need one: levels, names and pending text are written before they are read. */
static void walker_init(struct walker *w, struct sp_request *request, unsigned flags,
			uint64_t resolve)
{
	w->request = request;
	w->flags = flags;
	w->resolve = resolve;
	w->base.fd = -1;
	w->base.name[0] = '\0';
	w->base.length = 0;
	w->base.removed = false;
	w->scoped = w->at_base = w->ended = false;
	w->last = SP_LAST_ROOT;
	w->own = -1;
	w->links = w->depth = 0;
	w->name[0] = '\0';
	w->length = w->proc = w->again = 0;
	w->mount = 0;
	w->at = PENDING - 1;
	w->pending[w->at] = '\0';
}

int sp_walk(struct sp_request *request, int dirfd, const char *path, unsigned flags,
	    uint64_t resolve, struct sp_walk *ret_walk)
{
	_cleanup_(walker_close) struct walker w __attribute__((uninitialized));
	int r;

	walker_init(&w, request, flags, resolve);
	r = start(&w, dirfd, path);
	if (r == 0)
		r = run(&w, ret_walk);
	ret_walk->own = w.scoped || (resolve & RESOLVE_NO_XDEV) ? -1 : w.own;
	if (r < 0)
		sp_walk_close(ret_walk);
	return r;
}

static int walk_new(struct sp_request *request, int dirfd, const char *path, uint32_t right,
		    struct sp_walk *ret_walk)
{
	int r = sp_walk(request, dirfd, path, SP_WALK_ENTRY, 0, ret_walk);

	if (r < 0)
		return r;
	if (ret_walk->object >= 0)
		return -EEXIST;
	return sp_require(request, ret_walk, right);
}

int sp_walk_new(struct sp_request *request, int dirfd, const char *path, struct sp_walk *ret_walk)
{
	return walk_new(request, dirfd, path, SP_RIGHT_CREATE, ret_walk);
}

int sp_walk_named(struct sp_request *request, const char *path, uint32_t right,
		  struct sp_walk *ret_walk)
{
	return walk_new(request, AT_FDCWD, path, right, ret_walk);
}

/* ---- the fast way ---- */

/* Appends a path's components to a canonical name. 1: there is a "..", or no room: the slow way. */
static int join(char *name, size_t *length, const char *path)
{
	while (*(path += strspn(path, "/"))) {
		size_t n = strcspn(path, "/");
		bool dot = n == 1 && path[0] == '.';

		if ((n == 2 && memcmp(path, "..", 2) == 0) || *length + 1 + n >= PATH_MAX)
			return 1;
		if (!dot) {
			name[*length] = '/';
			memcpy(name + *length + 1, path, n);
			*length += 1 + n;
		}
		path += n;
	}
	name[*length] = '\0';
	return 0;
}

static bool allowed(const struct sp_path_decision *decision, uint32_t needed)
{
	if (needed == 0)
		return decision->standing != SP_STANDING_OUTSIDE;
	return decision->standing == SP_STANDING_INSIDE && (decision->rights & needed) == needed;
}

/*
 * What is felt when it is opened (a FIFO, a device) goes the slow way, which holds it first. 0; 1; or
 * -errno, where the kernel says that the name leads nowhere. Directories above the cwd need not be open
 * to the caller: where they are not, the second look tells.
 */
static int look(const struct sp_request *request, int from, const char *path,
		const struct sp_walk *walk)
{
	const char *name = walk->name[1] ? walk->name + 1 : ".";
	_cleanup_close_ int object = -1;
	struct stat status;

	if (request->view->straight >= 0) {
		if (fstatat(request->view->straight, name, &status,
			    AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) == 0)
			return !S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode);
		if (errno != EACCES)
			return errno == ELOOP ? 1 : -errno;
	}
	object = sp_openat2(from, path, O_PATH | O_NOFOLLOW | O_CLOEXEC, 0, 0);
	if (object < 0 || fstat(object, &status) < 0)
		return object == -ELOOP || object == -EXDEV || object == -EAGAIN ? 1 : object;
	return !S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode);
}

int sp_walk_fast(struct sp_request *request, int dirfd, const char *path, uint64_t open_flags,
		 uint32_t needed, struct sp_walk *ret_walk)
{
	_cleanup_(sp_base_close) struct sp_base base __attribute__((uninitialized));
	int from = request->view->root, r;

	base.fd = -1; /* the rest, a page, is for relative names */
	if (path[0] == '\0')
		return -ENOENT;
	ret_walk->length = 0;
	if (path[0] != '/') {
		r = sp_base_open(request, dirfd, &base);
		if (r < 0)
			return r;
		if (base.removed)
			return 1;
		memcpy(ret_walk->name, base.name, base.length);
		ret_walk->length = base.length;
		from = base.fd;
	}
	if (join(ret_walk->name, &ret_walk->length, path) != 0 || sp_is_below_proc(ret_walk->name))
		return 1;
	sp_decide(request, ret_walk->name, ret_walk->length, &ret_walk->decision);
	if (!allowed(&ret_walk->decision, needed))
		return 1;
	if (ret_walk->length == 0) {
		memcpy(ret_walk->name, "/", 2);
		ret_walk->length = 1;
	}
	path += strspn(path, "/");
	path = *path ? path : ".";
	if (!(open_flags & O_PATH)) {
		r = look(request, from, path, ret_walk);
		if (r != 0)
			return r;
	}
	r = sp_openat2(from, path, open_flags | O_CLOEXEC, 0, 0);
	if (r == -ELOOP || r == -EXDEV || r == -EAGAIN)
		return 1;
	if (r < 0)
		return r;
	ret_walk->object = r;
	return 0;
}

int sp_walk_straight(const struct sp_request *request, uint32_t needed,
		     struct sp_straight *ret_straight)
{
	char name[PATH_MAX] __attribute__((uninitialized));
	const char *path = request->call->path;
	size_t length = 0;

	if (request->view->straight < 0 || path[0] != '/')
		return 1;
	if (join(name, &length, path) != 0 || sp_is_below_proc(name))
		return 1;
	sp_decide(request, name, length, &ret_straight->decision);
	if (!allowed(&ret_straight->decision, needed))
		return 1;
	path += strspn(path, "/");
	ret_straight->path = *path ? path : ".";
	return 0;
}

static int object_status(const struct sp_request *request, struct sp_walk *walk)
{
	if (statx(walk->object, "", AT_EMPTY_PATH, WALK_MASK, &walk->status) < 0)
		return -errno;
	return sp_view_is_stray_proc(request->view, walk->object, device_of(&walk->status));
}

/* The name leads nowhere, but the caller has a descriptor of what it is about. */
static int hold_own(struct sp_request *request, int error, struct sp_walk *walk)
{
	int object = sp_caller_open(request, walk->own);

	if (object < 0)
		return error;
	sp_forgive(request);
	sp_walk_close(walk);
	walk->object = object;
	walk->decision = (struct sp_path_decision){.standing = SP_STANDING_INSIDE,
						   .rights = SP_RIGHT_READ | SP_RIGHT_WRITE};
	return statx(object, "", AT_EMPTY_PATH, WALK_MASK, &walk->status) < 0 ? -errno : 0;
}

/* Without what hold_own() adds: where the name leads nowhere, walk->own may say why. */
static int walk_object(struct sp_request *request, uint64_t open_flags, struct sp_walk *ret_walk)
{
	const struct sp_call *call = request->call;
	unsigned flags = open_flags & O_NOFOLLOW ? SP_WALK_NOFOLLOW : 0;
	int r = sp_walk_fast(request, call->dirfd, call->path, O_PATH | open_flags, 0, ret_walk);

	if (r == 0)
		r = object_status(request, ret_walk);
	if (r <= 0)
		return r;
	sp_walk_close(ret_walk);
	r = sp_walk(request, call->dirfd, call->path, flags, 0, ret_walk);
	if (r == 0 && (open_flags & O_DIRECTORY) && !S_ISDIR(ret_walk->status.stx_mode))
		return -ENOTDIR;
	return r;
}

int sp_walk_object(struct sp_request *request, uint64_t open_flags, struct sp_walk *ret_walk)
{
	int r = walk_object(request, open_flags, ret_walk);

	if (sp_is_refused(request, r) && ret_walk->own >= 0 && !(open_flags & O_DIRECTORY))
		return hold_own(request, r, ret_walk);
	return r;
}

/* To change an object by the name of one's own descriptor is to change it by the descriptor. */
static int change_own(struct sp_request *request, int error, struct sp_walk *walk)
{
	int own = walk->own, r;

	sp_walk_close(walk);
	sp_forgive(request);
	r = sp_walk_descriptor(request, own, false, walk);
	if (r != -EBADF)
		return r;
	return sp_refuse_finally(request, request->call->path, NULL, -error, "no name leads to it");
}

static int walk_changed(struct sp_request *request, struct sp_walk *walk)
{
	const struct sp_call *call = request->call;
	int r;

	if (!call->path)
		return call->dirfd < 0 ? -EBADF
				       : sp_walk_descriptor(request, call->dirfd, false, walk);
	if (!call->path[0] && (call->flags & AT_EMPTY_PATH))
		return sp_walk_descriptor(request, call->dirfd, true, walk);
	r = walk_object(request, call->flags & AT_SYMLINK_NOFOLLOW ? O_NOFOLLOW : 0, walk);
	return sp_is_refused(request, r) && walk->own >= 0
		   ? change_own(request, r < 0 ? r : -request->refusal->error, walk)
		   : r;
}

int sp_walk_changed(struct sp_request *request, struct sp_walk *ret_walk)
{
	uint32_t needed = SP_RIGHT_WRITE;
	int r = walk_changed(request, ret_walk);
	mode_t mode = ret_walk->status.stx_mode;

	if (r < 0)
		return r;
	/* Only some of the names of a file with several links are known to the policy, unless they were made here. */
	if (!S_ISDIR(mode) &&
	    (ret_walk->gone || (ret_walk->status.stx_nlink > 1 &&
				!sp_links_known(request->caller->links, ret_walk->object))))
		needed |= SP_RIGHT_LINKED;
	r = sp_require(request, ret_walk, needed);
	/* Those that may be opened are everybody's. */
	if (r == 0 && (S_ISCHR(mode) || S_ISBLK(mode)))
		r = sp_refuse(request, ret_walk->name, &ret_walk->decision, EPERM, "is a device");
	return r;
}
