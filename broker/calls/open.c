// SPDX-License-Identifier: Apache-2.0
/* open, creat, openat, openat2. */
#include <errno.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

#include "broker/walker.h"
#include "ipc/util.h"

#define TMPFILE_BIT (O_TMPFILE & ~O_DIRECTORY)
#define CREATING (O_CREAT | TMPFILE_BIT)
#define PATH_FLAGS (O_DIRECTORY | O_NOFOLLOW | O_PATH | O_CLOEXEC)
/* What F_SETFL can set: the flags of the open file that are not about opening. */
#define STATUS_FLAGS (O_APPEND | O_ASYNC | O_DIRECT | O_NOATIME | O_NONBLOCK)
#if defined(__x86_64__)
#define LARGEFILE 0100000 /* libc's is 0 here */
#else
#define LARGEFILE O_LARGEFILE
#endif
#define KNOWN_FLAGS                                                                                \
	(O_ACCMODE | O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_APPEND | O_NONBLOCK | O_SYNC |      \
	 O_DSYNC | O_ASYNC | O_DIRECT | LARGEFILE | O_DIRECTORY | O_NOFOLLOW | O_NOATIME |         \
	 O_CLOEXEC | O_PATH | O_TMPFILE)
/* Somebody may put a link in the place of what was looked at, again and again: not for ever. */
#define TRIES 256
#define AGAIN 1

/* Flags that the kernel takes whatever their combination. */
#define UNDISPUTED                                                                                 \
	(O_ACCMODE | O_NOCTTY | O_NONBLOCK | O_CLOEXEC | O_APPEND | LARGEFILE | O_DIRECTORY |      \
	 O_NOFOLLOW)

struct opening {
	struct sp_request *request;
	uint64_t flags, mode, resolve; /* as the kernel understands them */
	uint32_t needed;               /* rights on a name that exists */
};

static bool writes(uint64_t flags)
{
	return (flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC);
}

/* Of what is there, and not of a file that is to be made in it. */
static bool writes_name(uint64_t flags)
{
	return writes(flags) && !(flags & (O_PATH | TMPFILE_BIT));
}

static uint32_t rights_for(uint64_t flags)
{
	static const uint32_t access[] = {
	    [O_RDONLY] = SP_RIGHT_READ,
	    [O_WRONLY] = SP_RIGHT_WRITE,
	    [O_RDWR] = SP_RIGHT_READ | SP_RIGHT_WRITE,
	    [O_ACCMODE] = SP_RIGHT_READ | SP_RIGHT_WRITE,
	};

	if (flags & O_PATH)
		return 0;
	if (flags & TMPFILE_BIT)
		return SP_RIGHT_CREATE;
	return access[flags & O_ACCMODE] | (flags & O_TRUNC ? SP_RIGHT_WRITE : 0);
}

/* The kernel judges flags before it looks at a name, so an empty name gets its opinion, and nothing
 * else. */
static int judge(const struct opening *o)
{
	struct open_how how = {.flags = o->flags, .mode = o->mode, .resolve = o->resolve};
	long fd;

	if (!(o->flags & ~(uint64_t)UNDISPUTED) && !o->mode && !o->resolve)
		return 0;
	fd = syscall(SYS_openat2, AT_FDCWD, "", &how, sizeof(how));

	if (fd >= 0) {
		(void)close((int)fd);
		return -EINVAL;
	}
	return errno == ENOENT ? 0 : -errno;
}

/* open and openat drop what openat2 refuses. */
static int parse(struct sp_request *request, struct opening *ret_opening)
{
	const struct sp_call *call = request->call;
	struct opening o = {request, call->flags, call->mode, call->resolve, 0};
	int r;

	if (call->info->extra != SP_EXTRA_OPEN_HOW) {
		o.flags &= (uint64_t)KNOWN_FLAGS;
		if (o.flags & O_PATH)
			o.flags &= PATH_FLAGS;
		o.mode = o.flags & CREATING ? o.mode & 07777 : 0;
	}
	r = judge(&o);
	if (r < 0)
		return r;
	/* Nothing is known to be in a cache here; the interface allows this answer at any time. */
	if (o.resolve & RESOLVE_CACHED)
		return -EAGAIN;
	o.needed = rights_for(o.flags);
	*ret_opening = o;
	return 0;
}

/* Truncation comes last, when the file is known: the kernel's O_TRUNC would not wait. */
static uint64_t quiet(uint64_t flags)
{
	flags |= O_CLOEXEC;
	return flags & O_PATH ? flags : (flags | O_NOCTTY | O_NONBLOCK) & ~(uint64_t)O_TRUNC;
}

/* Devices that nobody waits for and whose opening changes nothing, whatever their name. The last one is
 * the terminal of the session, if there is one: a porter is in the session of its sandboxee alone. */
static bool is_tame(unsigned major_number, unsigned minor_number)
{
	static const struct {
		unsigned major_number, minor_number;
	} tame[] = {{1, 3}, {1, 5}, {1, 7}, {1, 8}, {1, 9}, {5, 0}};

	for (size_t i = 0; i < SP_ELEMENTS(tame); i++)
		if (tame[i].major_number == major_number && tame[i].minor_number == minor_number)
			return true;
	return false;
}

/* A terminal that no other sandbox has, or the way to a new one. */
static bool is_own_terminal(const struct sp_view *view, const struct sp_walk *walk)
{
	return S_ISCHR(walk->status.stx_mode) && sp_view_is_of_terminals(view, &walk->status);
}

/* Who is only judged has the system's terminals, and would have had some of its own. */
static bool would_be_own(const struct opening *o, const struct sp_walk *walk)
{
	static const char name[] = "/dev/ptmx";
	unsigned major_number = walk->status.stx_rdev_major;
	struct sp_path_decision decision;

	if (!o->request->judgement || !S_ISCHR(walk->status.stx_mode) ||
	    (major_number != 136 && (major_number != 5 || walk->status.stx_rdev_minor != 2)))
		return false;
	sp_decide(o->request, name, sizeof(name) - 1, &decision);
	return decision.rights & SP_RIGHT_WRITE;
}

static bool is_special(const struct opening *o, const struct sp_walk *walk)
{
	mode_t mode = walk->status.stx_mode;

	if (would_be_own(o, walk))
		return false;
	if (S_ISCHR(mode))
		return !is_tame(walk->status.stx_rdev_major, walk->status.stx_rdev_minor) &&
		       !is_own_terminal(o->request->view, walk);
	return S_ISSOCK(mode) || S_ISBLK(mode);
}

static int refuse_special(const struct opening *o, const struct sp_walk *walk)
{
	mode_t mode = walk->status.stx_mode;
	const char *detail = S_ISFIFO(mode)   ? "is a FIFO"
			     : S_ISSOCK(mode) ? "is a socket"
					      : "is a device";

	return sp_refuse(o->request, walk->name, &walk->decision, ENXIO, detail);
}

/* What is opened is felt by others, or does something. */
static bool is_felt(mode_t mode)
{
	return !S_ISREG(mode) && !S_ISDIR(mode);
}

static int truncate_file(const struct opening *o, int fd)
{
	_cleanup_close_ int writable = -1;

	if ((o->flags & O_ACCMODE) == O_WRONLY || (o->flags & O_ACCMODE) == O_RDWR)
		return ftruncate(fd, 0) < 0 ? -errno : 0;
	/* Opened for reading, or for neither: the same object once more, by its descriptor. */
	writable = sp_view_reopen(o->request->view, fd, O_WRONLY);
	if (writable < 0)
		return writable;
	return ftruncate(writable, 0) < 0 ? -errno : 0;
}

/* Only some of the names of a file with several links are known to the policy, unless they were made here. */
static int check_links(const struct opening *o, const struct sp_walk *walk, int object, mode_t mode,
		       uint64_t links)
{
	if (!S_ISREG(mode) || links <= 1 || !writes(o->flags))
		return 0;
	if (sp_links_known(o->request->caller->links, object))
		return 0;
	return sp_require(o->request, walk, SP_RIGHT_LINKED);
}

static int check_file(const struct opening *o, const struct sp_walk *walk, int fd,
		      const struct stat *status)
{
	int r = check_links(o, walk, fd, status->st_mode, status->st_nlink);

	if (r < 0 || !(o->flags & O_TRUNC))
		return r;
	return S_ISDIR(status->st_mode) ? -EISDIR : truncate_file(o, fd);
}

static int give(const struct opening *o, int fd)
{
	/* O_NONBLOCK was ours, unless it was the caller's. */
	if (!(o->flags & (O_PATH | O_NONBLOCK)) &&
	    fcntl(fd, F_SETFL, (int)(o->flags & STATUS_FLAGS)) < 0) {
		int error = errno;

		(void)close(fd);
		return -error;
	}
	o->request->answer->descriptor = fd;
	return 0;
}

/* Looks at what was opened before anybody gets it. AGAIN: it lies in a /proc that only the slow way
 * may enter, or was put in the place of what was looked at before. */
static int examine(const struct opening *o, const struct sp_walk *walk, int *fd, bool fast)
{
	struct stat status;
	int r;

	if (fstat(*fd, &status) < 0)
		return -errno;
	if (fast && sp_view_is_stray_proc(o->request->view, *fd, status.st_dev))
		return AGAIN;
	if (!(o->flags & O_PATH) && is_felt(status.st_mode))
		return AGAIN;
	r = o->flags & O_PATH ? 0 : check_file(o, walk, *fd, &status);
	return r < 0 ? r : give(o, TAKE_FD(*fd));
}

static int open_fast(const struct opening *o)
{
	_cleanup_(sp_walk_close) struct sp_walk walk __attribute__((uninitialized));
	const struct sp_call *call = o->request->call;
	int r;

	sp_walk_init(&walk);
	if ((o->flags & (CREATING | O_TRUNC)) || o->resolve || o->request->judgement)
		return AGAIN;
	r = sp_walk_fast(o->request, call->dirfd, call->path, quiet(o->flags), o->needed, &walk);
	return r == 0 ? examine(o, &walk, &walk.object, true) : r;
}

/* Opens by the held directory and one component; "/", "." and ".." by the held object itself. */
static int open_held(const struct sp_walk *walk, uint64_t flags, uint64_t mode)
{
	if (walk->last != SP_LAST_NORMAL)
		return sp_openat2(walk->object, ".", flags, mode, 0);
	return sp_openat2(walk->parent, walk->component, flags, mode, 0);
}

static int open_masked(const struct opening *o, const struct sp_walk *walk, uint64_t flags)
{
	/* Neither set-id nor sticky bits are ever made; a default ACL wants the unmasked mode
	 * beside the umask. */
	mode_t previous = umask(o->request->call->umask & 0777);
	int fd = open_held(walk, flags, o->mode & 0777);

	(void)umask(previous);
	return fd;
}

static int open_new(const struct opening *o, const struct sp_walk *walk)
{
	int r = sp_require(o->request, walk, SP_RIGHT_CREATE);

	sp_note_mode(o->request, walk, o->mode);
	if (r < 0 || o->request->judgement)
		return r;
	r = open_masked(o, walk, quiet(o->flags) | O_EXCL);
	if (r == -EEXIST && !(o->flags & O_EXCL))
		return AGAIN;
	return r < 0 ? r : give(o, r);
}

static int check_existing(const struct opening *o, const struct sp_walk *walk)
{
	mode_t mode = walk->status.stx_mode;
	int r;

	if ((o->flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL))
		return -EEXIST;
	/* The kernel says so before it looks at permissions. */
	if (S_ISDIR(mode) && ((o->flags & O_CREAT) || writes_name(o->flags)))
		return -EISDIR;
	if ((o->flags & O_DIRECTORY) && !S_ISDIR(mode))
		return -ENOTDIR;
	r = sp_require(o->request, walk, o->needed);
	if (r < 0 || (o->flags & O_PATH))
		return r;
	return is_special(o, walk) ? refuse_special(o, walk) : 0;
}

/* What a held object is opened with: no flag is left that speaks of its name. */
static int held_flags(const struct opening *o)
{
	return (int)(o->flags & (O_ACCMODE | STATUS_FLAGS | O_SYNC | LARGEFILE));
}

/* The opening, and the truncation behind it, may wait. Of a FIFO the kernel truncates nothing. */
static int leave(const struct opening *o, const struct sp_walk *walk)
{
	const struct sp_work work = {
	    .socket = -1,
	    .flags = held_flags(o),
	    .gives = true,
	    .truncates = S_ISREG(walk->status.stx_mode) && (o->flags & O_TRUNC),
	};

	return sp_leave(o->request, walk->object, &work);
}

/* /dev/tty is what the opener's session has: the caller may have made one of its own since. */
static bool is_controlling_terminal(const struct sp_walk *walk)
{
	return S_ISCHR(walk->status.stx_mode) && walk->status.stx_rdev_major == 5 &&
	       walk->status.stx_rdev_minor == 0;
}

static int open_device(const struct opening *o, const struct sp_walk *walk)
{
	const struct sp_view *view = o->request->view;
	char name[SP_OWN_NAME];
	int number, r = 1, fd;

	if (is_controlling_terminal(walk))
		r = sp_caller_terminal(o->request, &number);
	if (r > 0)
		return sp_view_reopen(view, walk->object, held_flags(o));
	if (r < 0)
		return r;
	sp_own_name(number, name);
	fd = openat(view->terminals, name,
		    held_flags(o) | O_NOCTTY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* A FIFO without O_NONBLOCK waits for its other end: whoever reads does, whoever writes if nobody reads
 * yet, which ENXIO tells. */
static int open_felt(const struct opening *o, const struct sp_walk *walk)
{
	bool waits = S_ISFIFO(walk->status.stx_mode) && !(o->flags & O_NONBLOCK);
	int fd = -ENXIO;

	if (!waits || (o->flags & O_ACCMODE) != O_RDONLY)
		fd = open_device(o, walk);
	if (fd == -ENXIO && waits)
		return o->request->work ? leave(o, walk) : refuse_special(o, walk);
	/* That one side of a terminal is closed the other side feels as well. */
	o->request->answer->pipe =
	    S_ISFIFO(walk->status.stx_mode) || is_own_terminal(o->request->view, walk);
	return fd < 0 ? fd : give(o, fd);
}

/* Somebody has a lease of the file, and is asked to give it up; or there is much to free. */
static bool takes_long(const struct opening *o, const struct sp_walk *walk, int fd)
{
	if (!S_ISREG(walk->status.stx_mode) || !o->request->work)
		return false;
	return fd == -EAGAIN
		   ? !(o->flags & O_NONBLOCK)
		   : fd >= 0 && (o->flags & O_TRUNC) && walk->status.stx_size >= SP_LARGE_FILE;
}

static int open_existing(const struct opening *o, const struct sp_walk *walk)
{
	_cleanup_close_ int fd = -1;
	uint64_t flags = quiet(o->flags) & ~(uint64_t)(O_CREAT | O_EXCL);
	int r = check_existing(o, walk);

	if (r < 0)
		return r;
	if (o->request->judgement)
		return check_links(o, walk, walk->object, walk->status.stx_mode,
				   walk->status.stx_nlink);
	if (is_felt(walk->status.stx_mode) && !(o->flags & O_PATH))
		return open_felt(o, walk);
	if (o->flags & TMPFILE_BIT)
		fd = open_masked(o, walk, flags | (o->flags & O_EXCL));
	else
		fd = open_held(walk, flags, 0);
	/* It was no link when it was looked at, or it was there: somebody is at work. */
	if (fd == -ELOOP && !S_ISLNK(walk->status.stx_mode))
		return AGAIN;
	if (fd == -ENOENT && (o->flags & O_CREAT))
		return AGAIN;
	if (takes_long(o, walk, fd)) {
		r = check_links(o, walk, walk->object, walk->status.stx_mode,
				walk->status.stx_nlink);
		return r < 0 ? r : leave(o, walk);
	}
	return fd < 0 ? fd : examine(o, walk, &fd, false);
}

/* By its name it can't be had, but the caller has a descriptor of it. */
static int open_own(const struct opening *o, int error, int number)
{
	int fd;

	if (o->flags & (O_PATH | O_DIRECTORY | TMPFILE_BIT))
		return error;
	if (o->request->judgement)
		return sp_own_judge(o->request, error, number, o->flags);
	fd = sp_own_open(o->request, number, o->flags & ~(uint64_t)(O_CREAT | O_EXCL));
	if (fd == -EACCES)
		return error;
	sp_forgive(o->request);
	if (fd < 0)
		return fd;
	o->request->answer->descriptor = fd;
	return 0;
}

/* A terminal that came from outside may be called as one of the sandbox's own is. */
static bool is_another(const struct opening *o, const struct sp_walk *walk)
{
	_cleanup_close_ int object = -1;
	struct stat status;

	if (walk->own < 0 || walk->object < 0 || !is_own_terminal(o->request->view, walk))
		return false;
	object = sp_caller_open(o->request, walk->own);
	return object >= 0 && fstat(object, &status) == 0 &&
	       status.st_dev != o->request->view->terminals_device;
}

static int open_slow(const struct opening *o)
{
	_cleanup_(sp_walk_close) struct sp_walk walk __attribute__((uninitialized));
	const struct sp_call *call = o->request->call;
	bool exclusive = (o->flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL);
	unsigned flags = 0;
	int r;

	sp_walk_init(&walk);
	if ((o->flags & O_NOFOLLOW) || exclusive)
		flags |= SP_WALK_NOFOLLOW;
	if (o->flags & O_CREAT)
		flags |= SP_WALK_CREATE;
	r = sp_walk(o->request, call->dirfd, call->path, flags, o->resolve, &walk);
	if (r == 0 && is_another(o, &walk))
		return open_own(o, -ENXIO, walk.own);
	if (r == 0)
		r = walk.object < 0 ? open_new(o, &walk) : open_existing(o, &walk);
	return sp_is_refused(o->request, r) && walk.own >= 0 ? open_own(o, r, walk.own) : r;
}

int64_t sp_call_open(struct sp_request *request)
{
	struct opening o;
	int r = parse(request, &o);

	if (r < 0)
		return r;
	r = open_fast(&o);
	for (int i = 0; r == AGAIN && i < TRIES; i++)
		r = open_slow(&o);
	return r == AGAIN ? -EAGAIN : r;
}
