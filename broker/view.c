// SPDX-License-Identifier: Apache-2.0
/* The view in which names mean something, and where in it a caller stands. */
#include <errno.h>
#include <linux/magic.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#include "broker/walker.h"
#include "ipc/arch.h"
#include "ipc/runtime.h"
#include "ipc/util.h"

#define DEVPTS_MAJOR 136
#define BASE_MASK (STATX_BASIC_STATS | STATX_MNT_ID)

static void file_close(FILE **file)
{
	if (*file)
		(void)fclose(*file);
}

static int duplicate(int fd, int *ret_fd)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);

	if (copy < 0)
		return -errno;
	*ret_fd = copy;
	return 0;
}

static int compare_ids(const void *left, const void *right)
{
	uint64_t a = *(const uint64_t *)left;
	uint64_t b = *(const uint64_t *)right;

	return a < b ? -1 : a > b;
}

static int add_mount(struct sp_view *view, size_t *room, uint64_t id)
{
	if (view->mount_count == *room) {
		size_t more = *room ? 2 * *room : 32;
		uint64_t *mounts = reallocarray(view->mounts, more, sizeof(*mounts));

		if (!mounts)
			return -ENOMEM;
		view->mounts = mounts;
		*room = more;
	}
	view->mounts[view->mount_count++] = id;
	return 0;
}

/* A line of mountinfo(5): id, parent, device, root, mount point, options, tags, "-", type, … */
static int read_mount(struct sp_view *view, size_t *room, const char *line)
{
	unsigned long long id;
	const char *type = strstr(line, " - ");
	int at = 0;

	if (!type || sscanf(line, "%llu %*s %*s %*s %n", &id, &at) != 1 || at == 0)
		return -EBADMSG;
	if (strncmp(type, " - proc ", 8) == 0 && !sp_is_below_proc(line + at))
		view->stray_proc = true;
	return add_mount(view, room, id);
}

/* The porter's own mountinfo is that of the view, whose mount namespace it shares. */
static int read_mounts(struct sp_view *view)
{
	_cleanup_(file_close) FILE *file = NULL;
	_cleanup_free_ char *line = NULL;
	size_t line_room = 0, room = 0;
	int fd, r;

	fd = openat(view->own_fd, "../mountinfo", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	file = fdopen(fd, "re");
	if (!file) {
		(void)close(fd);
		return -ENOMEM;
	}
	while (getline(&line, &line_room, file) > 0) {
		r = read_mount(view, &room, line);
		if (r < 0)
			return r;
	}
	if (ferror(file))
		return -EIO;
	if (view->mounts)
		qsort(view->mounts, view->mount_count, sizeof(*view->mounts), compare_ids);
	return 0;
}

static int open_proc(struct sp_view *view, int proc)
{
	struct stat status;
	struct statfs system;
	int r;

	if (proc < 0)
		return 0;
	r = duplicate(proc, &view->proc);
	if (r < 0)
		return r;
	if (fstat(view->proc, &status) < 0 || fstatfs(view->proc, &system) < 0)
		return -errno;
	if (system.f_type != PROC_SUPER_MAGIC)
		return -ENOTDIR;
	view->proc_device = status.st_dev;
	return 0;
}

/*
 * A copy of every mount, attached nowhere, on which the kernel refuses symbolic links with ELOOP
 * (Linux 5.14, and rights over the mount namespace). Only a quicker way to what the slow one finds:
 * without it calls get slower, not laxer.
 */
static int open_straight(void)
{
	const struct mount_attr attributes = {.attr_set = MOUNT_ATTR_NOSYMFOLLOW,
					      .propagation = MS_PRIVATE};
	_cleanup_close_ int tree = (int)syscall(SYS_open_tree, AT_FDCWD, "/",
						OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);

	if (tree < 0 || syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH | AT_RECURSIVE,
				&attributes, sizeof(attributes)) < 0)
		return -1;
	return TAKE_FD(tree);
}

static int name_of(const struct sp_view *view, int fd, char *ret_name, size_t *ret_length)
{
	char number[SP_OWN_NAME];
	ssize_t n;

	sp_own_name(fd, number);
	n = readlinkat(view->own_fd, number, ret_name, PATH_MAX);
	if (n < 0)
		return -errno;
	if (n >= PATH_MAX)
		return -ENAMETOOLONG;
	ret_name[n] = '\0';
	*ret_length = (size_t)n;
	return 0;
}

/* Its canonical name, as realpath(3) would tell it by a call for each component of each name on the way; "" where there is
 * none. */
static int find_loader(struct sp_view *view)
{
	_cleanup_close_ int loader = open(SP_LOADER, O_PATH | O_CLOEXEC);
	char name[PATH_MAX] __attribute__((uninitialized));
	size_t length;

	if (loader < 0 || name_of(view, loader, name, &length) < 0)
		name[0] = '\0';
	view->loader = strdup(name);
	return view->loader ? 0 : -ENOMEM;
}

static int fill_view(struct sp_view *view, int proc, int outer_proc)
{
	int r;

	view->root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (view->root < 0)
		return -errno;
	r = duplicate(outer_proc, &view->outer_proc);
	if (r < 0)
		return r;
	view->own_fd = openat(outer_proc, "self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (view->own_fd < 0)
		return -errno;
	r = open_proc(view, proc);
	if (r < 0)
		return r;
	r = find_loader(view);
	if (r < 0)
		return r;
	r = read_mounts(view);
	/* It would find a procfs without knowing that it is one. */
	if (r == 0 && !view->stray_proc)
		view->straight = open_straight();
	return r;
}

int sp_view_open(int proc, int outer_proc, struct sp_view *ret_view)
{
	struct sp_view view = SP_VIEW_NONE;
	int r = fill_view(&view, proc, outer_proc);

	if (r < 0) {
		sp_view_close(&view);
		return r;
	}
	*ret_view = view;
	return 0;
}

/* Whether a descriptor's name is what it was, which it would not be in a chroot. */
static bool is_known_as(const struct sp_view *view, int descriptor, const char *expected)
{
	char own[SP_OWN_NAME], name[sizeof("/proc")];
	ssize_t length;

	sp_own_name(descriptor, own);
	length = readlinkat(view->own_fd, own, name, sizeof(name));
	return length == (ssize_t)strlen(expected) && memcmp(name, expected, (size_t)length) == 0;
}

static int enter(int root)
{
	return fchdir(root) < 0 || chroot(".") < 0 ? -errno : 0;
}

int sp_view_enter(struct sp_view *view)
{
	int r;

	if (view->straight < 0)
		return 0;
	r = enter(view->straight);
	if (r < 0)
		return r;
	view->rooted = is_known_as(view, view->root, "/") &&
		       (view->proc < 0 || is_known_as(view, view->proc, "/proc"));
	return view->rooted ? 0 : enter(view->root);
}

int sp_view_open_terminals(struct sp_view *view)
{
	_cleanup_close_ int terminals = open("/dev/pts", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct stat status;

	if (terminals < 0 || fstat(terminals, &status) < 0)
		return -errno;
	view->terminals = TAKE_FD(terminals);
	view->terminals_device = status.st_dev;
	return 0;
}

bool sp_view_is_of_terminals(const struct sp_view *view, const struct statx *status)
{
	return view->terminals >= 0 &&
	       makedev(status->stx_dev_major, status->stx_dev_minor) == view->terminals_device;
}

void sp_view_close(struct sp_view *view)
{
	sp_close_pointer(&view->terminals);
	sp_close_pointer(&view->root);
	sp_close_pointer(&view->straight);
	sp_close_pointer(&view->proc);
	sp_close_pointer(&view->own_fd);
	sp_close_pointer(&view->outer_proc);
	free(view->mounts);
	free(view->loader);
	*view = (struct sp_view)SP_VIEW_NONE;
}

bool sp_view_is_proc(const struct sp_view *view, int fd, dev_t device)
{
	struct statfs system;

	if (view->proc >= 0 && device == view->proc_device)
		return true;
	/* A procfs has no disk below it, so its device number is an anonymous one. */
	if (major(device) != 0)
		return false;
	return fstatfs(fd, &system) < 0 || system.f_type == PROC_SUPER_MAGIC;
}

bool sp_view_is_stray_proc(const struct sp_view *view, int fd, dev_t device)
{
	return view->stray_proc && sp_view_is_proc(view, fd, device);
}

static bool view_has_mount(const struct sp_view *view, uint64_t id)
{
	return view->mount_count > 0 &&
	       bsearch(&id, view->mounts, view->mount_count, sizeof(id), compare_ids);
}

/* The number after the last blank of a line "NAME:\t1\t2": that of the innermost namespace. */
static bool parse_last(const char *text, const char *name, int base, long *ret_first,
		       long *ret_last)
{
	const char *line = strstr(text, name);
	char *end;

	if (!line)
		return false;
	*ret_first = *ret_last = strtol(line + strlen(name), &end, base);
	while (*end == '\t')
		*ret_last = strtol(end, &end, base);
	return true;
}

/* How many bytes; as many as there is room for where it was cut. */
static ssize_t read_status(const struct sp_view *view, pid_t tid, char *text, size_t size)
{
	_cleanup_close_ int file = -1;
	char path[32];
	ssize_t n;

	(void)snprintf(path, sizeof(path), "%d/status", tid);
	file = openat(view->outer_proc, path, O_RDONLY | O_CLOEXEC);
	n = file < 0 ? -1 : read(file, text, size - 1);
	if (n <= 0)
		return -ESRCH;
	text[n] = '\0';
	return n;
}

static int parse_status(const char *text, struct sp_caller *caller)
{
	long outer, pid, thread, tid, mask, threads, filters;

	/* The first line holds a name that the process chose, without a newline, so that these, which
	 * begin with one, are the kernel's. */
	if (!parse_last(text, "\nNStgid:", 10, &outer, &pid) ||
	    !parse_last(text, "\nNSpid:", 10, &thread, &tid) ||
	    !parse_last(text, "\nThreads:", 10, &threads, &threads) ||
	    !parse_last(text, "\nUmask:", 8, &mask, &mask))
		return -ESRCH;
	if (!parse_last(text, "\nSeccomp_filters:", 10, &filters, &filters))
		filters = 0;
	caller->outer_pid = (pid_t)outer;
	caller->pid = (pid_t)pid;
	caller->tid = (pid_t)tid;
	caller->threads = (unsigned)threads;
	caller->umask = (mode_t)mask & 0777;
	caller->filters = (unsigned)filters;
	return 0;
}

/* A line of it lists the groups, which may be many. Apart, since what lies on the stack is touched page by page. */
__attribute__((noinline)) static int identify_by_all(const struct sp_view *view,
						     struct sp_caller *caller)
{
	char text[32768] __attribute__((uninitialized));
	ssize_t n = read_status(view, caller->outer, text, sizeof(text));

	return n < 0 ? (int)n : parse_status(text, caller);
}

int sp_caller_identify(const struct sp_view *view, struct sp_caller *caller)
{
	char text[4096] __attribute__((uninitialized));
	ssize_t n;

	if (caller->pid > 0)
		return 0;
	n = read_status(view, caller->outer, text, sizeof(text));
	if (n == sizeof(text) - 1)
		return identify_by_all(view, caller);
	return n < 0 ? (int)n : parse_status(text, caller);
}

/* The session and the controlling terminal that a process's stat(5) tells; its second field is a name of any kind. */
static int read_session(const struct sp_view *view, const char *name, int *ret_session,
			unsigned *ret_terminal)
{
	_cleanup_close_ int file = openat(view->outer_proc, name, O_RDONLY | O_CLOEXEC);
	char text[1024];
	const char *rest;
	int terminal;
	ssize_t n = file < 0 ? -1 : read(file, text, sizeof(text) - 1);

	if (n <= 0)
		return -ESRCH;
	text[n] = '\0';
	rest = strrchr(text, ')');
	if (!rest || sscanf(rest + 1, " %*c %*d %*d %d %d", ret_session, &terminal) != 2)
		return -ESRCH;
	*ret_terminal = (unsigned)terminal;
	return 0;
}

int sp_caller_terminal(const struct sp_request *request, int *ret_number)
{
	const struct sp_caller *caller = request->caller;
	pid_t pid = caller->outer ? caller->outer : caller->outer_pid;
	int ours = 0, session = 0, r;
	unsigned terminal = 0;
	char name[32];

	if (pid <= 0) /* nobody knows better */
		return 1;
	(void)snprintf(name, sizeof(name), "%d/stat", pid);
	r = read_session(request->view, "self/stat", &ours, &terminal);
	if (r == 0)
		r = read_session(request->view, name, &session, &terminal);
	if (r < 0 || session == ours)
		return r < 0 ? r : 1;
	if (request->view->terminals < 0 || major(terminal) != DEVPTS_MAJOR)
		return -ENXIO;
	*ret_number = (int)minor(terminal);
	return 0;
}

static uint64_t parse_signals(const char *text, const char *name)
{
	const char *line = strstr(text, name);

	return line ? strtoull(line + strlen(name), NULL, 16) : 0;
}

bool sp_caller_is_signalled(const struct sp_view *view, pid_t outer)
{
	char text[32768] __attribute__((uninitialized));
	uint64_t pending;

	if (read_status(view, outer, text, sizeof(text)) < 0)
		return false;
	pending = parse_signals(text, "\nSigPnd:\t") | parse_signals(text, "\nShdPnd:\t");
	return pending & ~(parse_signals(text, "\nSigBlk:\t") | parse_signals(text, "\nSigIgn:\t"));
}

/* Its own entry: threads may have unshared theirs. */
int sp_caller_entry(const struct sp_request *request, int dirfd, struct sp_entry *ret_entry)
{
	const struct sp_caller *caller = request->caller;
	pid_t pid = caller->outer ? caller->outer : caller->pid;
	pid_t tid = caller->outer ? caller->outer : caller->tid;
	int proc = caller->outer ? request->view->outer_proc : request->view->proc;

	if (dirfd != AT_FDCWD && (dirfd < 0 || (caller->locked && sp_is_reserved(dirfd))))
		return -EBADF;
	if (proc < 0 || pid <= 0 || tid <= 0)
		return -EACCES;
	ret_entry->proc = proc;
	if (dirfd == AT_FDCWD)
		(void)snprintf(ret_entry->name, sizeof(ret_entry->name), "%d/task/%d/cwd", pid,
			       tid);
	else
		(void)snprintf(ret_entry->name, sizeof(ret_entry->name), "%d/task/%d/fd/%d", pid,
			       tid, dirfd);
	return 0;
}

/* What was found by the number of a process that has ended may be another's. */
bool sp_caller_is_gone(const struct sp_caller *caller)
{
	struct pollfd poll_fd = {.events = POLLIN};

	if (!caller->process)
		return false;
	poll_fd.fd = *caller->process;
	return poll(&poll_fd, 1, 0) > 0;
}

int sp_caller_open(const struct sp_request *request, int dirfd)
{
	struct sp_entry entry;
	int fd = sp_caller_entry(request, dirfd, &entry);

	if (fd < 0)
		return fd;
	fd = openat(entry.proc, entry.name, O_PATH | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT && dirfd != AT_FDCWD ? -EBADF : -errno;
	if (sp_caller_is_gone(request->caller)) {
		(void)close(fd);
		return -ESRCH;
	}
	return fd;
}

static const char deleted[] = " (deleted)";

static bool has_suffix(const char *text, size_t length, const char *suffix)
{
	size_t n = strlen(suffix);

	return length >= n && memcmp(text + length - n, suffix, n) == 0;
}

int sp_view_step_in(const struct sp_view *view)
{
	_cleanup_close_ int back = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (back < 0 || fchdir(view->own_fd) < 0)
		return -errno;
	return TAKE_FD(back);
}

int sp_view_step_back(int back_take)
{
	int r = fchdir(back_take) < 0 ? -errno : 0;

	(void)close(back_take);
	return r;
}

int sp_view_reopen(const struct sp_view *view, int fd, int flags)
{
	char name[SP_OWN_NAME];
	int opened;

	sp_own_name(fd, name);
	opened = openat(view->own_fd, name, flags | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	return opened < 0 ? -errno : opened;
}

int sp_view_name(const struct sp_view *view, int fd, char ret_name[PATH_MAX])
{
	struct statx status;
	size_t length;
	int r;

	if (statx(fd, "", AT_EMPTY_PATH, BASE_MASK, &status) < 0)
		return -errno;
	if (!view_has_mount(view, status.stx_mnt_id))
		return -EACCES;
	r = name_of(view, fd, ret_name, &length);
	if (r < 0)
		return r;
	if (status.stx_nlink == 0)
		return -ENOENT;
	return ret_name[0] == '/' ? 0 : -EACCES;
}

static int fill_base(const struct sp_request *request, struct sp_base *base)
{
	int r;

	if (statx(base->fd, "", AT_EMPTY_PATH, BASE_MASK, &base->status) < 0)
		return -errno;
	if (!S_ISDIR(base->status.stx_mode))
		return -ENOTDIR;
	/* An object of another mount namespace may bear any name: it has none here. */
	if (!view_has_mount(request->view, base->status.stx_mnt_id))
		return -EACCES;
	r = name_of(request->view, base->fd, base->name, &base->length);
	if (r < 0)
		return r;
	if (base->name[0] != '/')
		return -EACCES;
	base->removed =
	    base->status.stx_nlink == 0 && has_suffix(base->name, base->length, deleted);
	if (base->removed) {
		base->length -= strlen(deleted);
		base->name[base->length] = '\0';
	}
	if (base->length == 1) {
		base->name[0] = '\0';
		base->length = 0;
	}
	return 0;
}

int sp_base_open(const struct sp_request *request, int dirfd, struct sp_base *ret_base)
{
	int r = sp_caller_open(request, dirfd);

	if (r < 0)
		return r;
	ret_base->fd = r;
	r = fill_base(request, ret_base);
	if (r < 0)
		sp_base_close(ret_base);
	return r;
}

int sp_base_climb(const struct sp_request *request, struct sp_base *base)
{
	int above = openat(base->fd, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (above < 0)
		return -errno;
	(void)close(base->fd);
	base->fd = above;
	return fill_base(request, base);
}

void sp_base_close(struct sp_base *base)
{
	sp_close_pointer(&base->fd);
	base->fd = -1;
}

/* Whether a descriptor can read or write, which O_PATH cannot: the mode of its entry tells. */
static bool is_open(const struct sp_request *request, int descriptor)
{
	struct sp_entry entry;
	struct stat status;

	return sp_caller_entry(request, descriptor, &entry) == 0 &&
	       fstatat(entry.proc, entry.name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
	       !sp_caller_is_gone(request->caller) && (status.st_mode & S_IRWXU);
}

/* What no name leads to. A file of another mount namespace has one, elsewhere. */
static bool is_nameless(const struct sp_walk *walk)
{
	static const char *const kinds[] = {"pipe:", "socket:", "anon_inode:"};

	for (size_t i = 0; i < SP_ELEMENTS(kinds); i++)
		if (strncmp(walk->name, kinds[i], strlen(kinds[i])) == 0)
			return true;
	return walk->status.stx_nlink == 0 && has_suffix(walk->name, walk->length, deleted);
}

/* Whether the name leads to what is held. */
static bool bears(const struct sp_view *view, const struct sp_walk *walk)
{
	_cleanup_close_ int object =
	    sp_openat2(view->root, walk->name + 1, O_PATH | O_NOFOLLOW | O_CLOEXEC, 0, 0);
	struct statx status;

	return object >= 0 && statx(object, "", AT_EMPTY_PATH, BASE_MASK, &status) == 0 &&
	       status.stx_ino == walk->status.stx_ino &&
	       status.stx_dev_major == walk->status.stx_dev_major &&
	       status.stx_dev_minor == walk->status.stx_dev_minor;
}

/*
 * A file whose name has gone while others of its names stay, or one that was made without and has been linked:
 * the kernel shows the old name and says so behind it, where rules of that name would not match it any more. It
 * may as well be how a file is called: what both names have.
 */
static void decide_name(struct sp_request *request, struct sp_walk *walk)
{
	struct sp_path_decision old;

	sp_decide(request, walk->name, walk->length, &walk->decision);
	if (!has_suffix(walk->name, walk->length, deleted))
		return;
	walk->gone = walk->status.stx_nlink > 0 && !bears(request->view, walk);
	sp_decide(request, walk->name, walk->length - strlen(deleted), &old);
	walk->decision.rights &= old.rights;
	walk->decision.ask &= old.ask | old.rights;
}

static int decide_descriptor(struct sp_request *request, struct sp_walk *walk)
{
	if (is_nameless(walk)) {
		/* Where nothing may be written the porter has no call to change anything by. */
		walk->decision = (struct sp_path_decision){
		    .standing = SP_STANDING_INSIDE,
		    .rights = SP_RIGHT_READ | (sp_rules_granted(request->rules) & SP_RIGHT_WRITE),
		    .error = EPERM,
		};
		return 0;
	}
	if (!view_has_mount(request->view, walk->status.stx_mnt_id) || walk->name[0] != '/')
		return sp_refuse(request, walk->name, NULL, EPERM, "a descriptor of another view");
	decide_name(request, walk);
	if (walk->decision.standing == SP_STANDING_OUTSIDE)
		return sp_refuse_lookup(request, walk->name, &walk->decision);
	return 0;
}

int sp_walk_descriptor(struct sp_request *request, int dirfd, bool path_too,
		       struct sp_walk *ret_walk)
{
	int r;

	if (!path_too && !is_open(request, dirfd))
		return -EBADF;
	r = sp_caller_open(request, dirfd);
	return r < 0 ? r : sp_walk_held(request, r, ret_walk);
}

int sp_walk_held(struct sp_request *request, int object_take, struct sp_walk *ret_walk)
{
	int r;

	ret_walk->object = object_take;
	if (statx(ret_walk->object, "", AT_EMPTY_PATH, BASE_MASK, &ret_walk->status) < 0)
		return -errno;
	r = name_of(request->view, ret_walk->object, ret_walk->name, &ret_walk->length);
	return r < 0 ? r : decide_descriptor(request, ret_walk);
}
