/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a name that a sandboxee sent to a held object, under the policy. Internal to the brokered
 * calls.
 *
 * Two ways lead there. The fast way is one openat2 that crosses no link, so that the name it was
 * given *is* the object's name. The slow way goes component by component on O_PATH descriptors,
 * asks the policy before each lookup, and expands every symbolic link itself. A call first tries
 * the fast way; sp_walk() is always right.
 *
 * Nothing here is async-signal-safe or thread-safe; all of it may be used after fork.
 */
#ifndef SALLYPORT_BROKER_WALKER_H
#define SALLYPORT_BROKER_WALKER_H

#include <fcntl.h>
#include <linux/openat2.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>

#include "broker/calls.h"
#include "broker/links.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Everything that one call is about; all borrowed. */
struct sp_request {
	const struct sp_view *view;
	const struct sp_rules *rules;
	struct sp_caller *caller;
	const struct sp_call *call;
	struct sp_answer *answer;
	struct sp_refusal *refusal;
	struct sp_work *work; /* NULL: nobody waits */
	struct sp_judgement
	    *judgement; /* NULL: act; else what is refused is noted, nothing is done */
};

enum sp_walk_flags {
	SP_WALK_NOFOLLOW =
	    1 << 0, /* a link in last place is the object, unless a slash follows it */
	SP_WALK_CREATE =
	    1 << 1, /* open(O_CREAT): a missing last component is fine, "x/" is EISDIR */
	SP_WALK_ENTRY =
	    1 << 2, /* mkdir, unlink, rename: the entry itself, missing or not, "x/" or not */
};

/* How the name ended. Only SP_LAST_NORMAL has a parent and a component. */
enum sp_last { SP_LAST_ROOT, SP_LAST_NORMAL, SP_LAST_DOT, SP_LAST_DOT_DOT };

/* Where a walk led. Descriptors are owned: _cleanup_(sp_walk_close). */
struct sp_walk {
	int parent;          /* O_PATH of the directory that holds `component`, or -1 */
	int object;          /* what the name names, or -1 where it is missing and may be */
	struct statx status; /* of `object`, as it was at the lookup */
	uint64_t mount;      /* of `parent`, or of `object` where there is none */
	enum sp_last last;
	/* The caller's descriptor that a link in last place leads to (/proc/self/fd/N, /dev/stdin),
	 * else -1. Known also where the walk fails. */
	int own;
	bool
	    gone; /* of a descriptor's object: `name` was one of its names, and none of those that it has is known */
	char component[NAME_MAX + 3]; /* for a call relative to `parent`; keeps a trailing slash */
	char text[48];       /* what /proc/self and /proc/thread-self say to the caller, else "" */
	char name[PATH_MAX]; /* canonical */
	size_t length;
	struct sp_path_decision decision; /* on `name`; never SP_STANDING_OUTSIDE */
};

#define SP_WALK_INIT                                                                               \
	{                                                                                          \
		.parent = -1, .object = -1, .own = -1                                              \
	}

/* The same for a variable with __attribute__((uninitialized)): a page less to clear. */
static inline void sp_walk_init(struct sp_walk *walk)
{
	walk->parent = walk->object = walk->own = -1;
	walk->status = (struct statx){0};
	walk->mount = 0;
	walk->last = SP_LAST_ROOT;
	walk->component[0] = walk->text[0] = walk->name[0] = '\0';
	walk->length = 0;
	walk->gone = false;
	walk->decision = (struct sp_path_decision){0};
}

void sp_walk_close(struct sp_walk *walk);

/*
 * The slow way. 0 or -errno; a refusal by policy fills request->refusal. `resolve` are the
 * RESOLVE_* bits of openat2, honoured as the kernel does. `ret_walk` must be fresh.
 */
int sp_walk(struct sp_request *request, int dirfd, const char *path, unsigned flags,
	    uint64_t resolve, struct sp_walk *ret_walk);

/*
 * The fast way: opens with `open_flags` what `path` names, if it can be done in one step and the
 * name has the rights `needed` (none: metadata). 0: ret_walk->object is the result, name and
 * decision are set, nothing else; 1: take the slow way; -errno: the kernel's answer. The caller
 * must look at the result with sp_view_is_stray_proc() and take the slow way where it says yes.
 */
int sp_walk_fast(struct sp_request *request, int dirfd, const char *path, uint64_t open_flags,
		 uint32_t needed, struct sp_walk *ret_walk);

/*
 * The straight way, for a call that looks at a name and gives no descriptor: the call itself, by
 * ret_straight->path at view->straight, where the kernel crosses no link (ELOOP), so that what it
 * says it says of the object that bears this very name. 0; 1: take another way.
 */
struct sp_straight {
	const char *path; /* relative; borrowed from the call */
	struct sp_path_decision decision;
};
int sp_walk_straight(const struct sp_request *request, uint32_t needed,
		     struct sp_straight *ret_straight);

/* The object of a call that only looks at it: fast way, else slow way. `open_flags`: O_NOFOLLOW,
 * O_DIRECTORY. */
int sp_walk_object(struct sp_request *request, uint64_t open_flags, struct sp_walk *ret_walk);

/* A name that is to appear: missing, and the policy lets it be made. -EEXIST where it is there. */
int sp_walk_new(struct sp_request *request, int dirfd, const char *path, struct sp_walk *ret_walk);

/* The same relative to the cwd, by another right than `create`. */
int sp_walk_named(struct sp_request *request, const char *path, uint32_t right,
		  struct sp_walk *ret_walk);

/* The name in the caller's address of a unix socket, which need not end with a NUL there. 0, -EINVAL, or a refusal. */
#define SP_UNIX_NAME 110 /* sizeof(struct sockaddr_un) */
int sp_read_unix_name(struct sp_request *request, char ret_name[SP_UNIX_NAME]);

/*
 * What a call changes, held, on a name that the policy grants `write` on (and `linked` where there
 * are others). It is named by the request's path; or it is the caller's descriptor, where the call has
 * no path, or an empty one with AT_EMPTY_PATH. What a descriptor without a name holds (a pipe, a
 * deleted or temporary file) may be changed freely: nobody else can come by it.
 */
int sp_walk_changed(struct sp_request *request, struct sp_walk *ret_walk);

/* The caller's descriptor, or its cwd: object, status, name and decision are set. -EBADF where there is
 * none, or an O_PATH one and `path_too` is false; a refusal (EPERM) where it is of another view. */
int sp_walk_descriptor(struct sp_request *request, int dirfd, bool path_too,
		       struct sp_walk *ret_walk);

/* The same for what is held already. */
int sp_walk_held(struct sp_request *request, int object_take, struct sp_walk *ret_walk);

/* The name of a descriptor of ours below view->own_fd, for a call that takes names alone. */
#define SP_OWN_NAME 16
static inline void sp_own_name(int fd, char ret_name[SP_OWN_NAME])
{
	(void)snprintf(ret_name, SP_OWN_NAME, "%d", fd);
}

/*
 * For a call that takes a name and no directory, and no O_PATH descriptor: our own /proc/self/fd, which nothing else
 * reaches by name in this view, becomes the working directory, where sp_own_name() names the held object itself, also
 * a symbolic link. The way back, to be given to sp_view_step_back(), or -errno.
 */
int sp_view_step_in(const struct sp_view *view);

/* 0 or -errno. */
int sp_view_step_back(int back_take);

/* From this size on freeing what a file holds is left to who may take long. */
#define SP_LARGE_FILE (UINT64_C(256) << 20)

/* Leaves the rest of a call that has been decided on to who may wait; the object, borrowed, is what it
 * is about (-1: nothing but work->socket). 0; -EAGAIN: there is nobody. */
int sp_leave(const struct sp_request *request, int object, const struct sp_work *work);

/*
 * The caller's controlling terminal: 1: that of our own session, as /dev/tty is for us; 0: its number on the
 * sandbox's own devpts; -ENXIO: it has none.
 */
int sp_caller_terminal(const struct sp_request *request, int *ret_number);

/* Whether an object lies on the sandbox's own devpts, if it has one. */
bool sp_view_is_of_terminals(const struct sp_view *view, const struct statx *status);

/* A held object once more, with `flags` and never waiting: a descriptor, or -errno. */
int sp_view_reopen(const struct sp_view *view, int fd, int flags);

/* Whether an object on device `device` belongs to a procfs, the sandbox's own or a stray one. */
bool sp_view_is_proc(const struct sp_view *view, int fd, dev_t device);

/* The same for what was reached by a name that is not below /proc. */
bool sp_view_is_stray_proc(const struct sp_view *view, int fd, dev_t device);

/* Whether a canonical name is that of /proc, or of something below it. It may end with a blank. */
bool sp_is_below_proc(const char *name);

/* The canonical name of a held object that lies in the view and still has it. 0, -EACCES (of another
 * view, or without a name), -ENOENT (deleted), -ENAMETOOLONG. */
int sp_view_name(const struct sp_view *view, int fd, char ret_name[PATH_MAX]);

/* Where a relative path starts. */
struct sp_base {
	int fd;              /* O_PATH of a directory of the view, owned */
	char name[PATH_MAX]; /* "" for the root */
	size_t length;
	bool
	    removed; /* `name` is what it was called: nothing but itself and what lies above is left */
	struct statx status;
};

#define SP_BASE_INIT                                                                               \
	{                                                                                          \
		.fd = -1                                                                           \
	}

/*
 * Looks up the caller's cwd (AT_FDCWD) or descriptor. 0, -EBADF, -ENOTDIR,
 * -EACCES (not of the view), -ENAMETOOLONG (its name has PATH_MAX bytes or more).
 */
int sp_base_open(const struct sp_request *request, int dirfd, struct sp_base *ret_base);

/* To the directory above, as the kernel knows it. As sp_base_open(); on failure `base` stays to be closed. */
int sp_base_climb(const struct sp_request *request, struct sp_base *base);

/* Where the thread's descriptor, or its cwd, is found: a link below a procfs that leads to the object itself. */
struct sp_entry {
	int proc; /* borrowed */
	char name[96];
};

/* 0, -EBADF, or -EACCES where nobody knows who the caller is. What was found by it is the caller's only if that is not gone
 * afterwards. */
int sp_caller_entry(const struct sp_request *request, int dirfd, struct sp_entry *ret_entry);
bool sp_caller_is_gone(const struct sp_caller *caller);

/* The caller's cwd (AT_FDCWD) or descriptor, of whatever type and wherever, as O_PATH; or -errno. */
int sp_caller_open(const struct sp_request *request, int dirfd);
void sp_base_close(struct sp_base *base);

/*
 * What the kernel lets any process do: to come by an object again that it holds a descriptor of, even
 * where its name, if it has one, is not granted. `number` is walk->own. Opened with `flags`, and no
 * more access than the descriptor has: -EACCES where it has less, a directory (those have names), or
 * the caller isn't known by its outer number. sp_caller_open() holds it without access.
 */
int sp_own_open(const struct sp_request *request, int number, uint64_t flags);

/*
 * The caller's open file itself, so that its flags are those of what is decided on, whatever the caller's
 * other threads put in its place meanwhile. Not of directories (-EACCES) and sockets (-ENXIO).
 */
int sp_own_take(const struct sp_request *request, int number);

/* The caller's socket itself, of AF_UNIX or of TCP: a descriptor, or -EBADF, -ENOTSOCK, -EAFNOSUPPORT, -EACCES. */
enum sp_own_kind { SP_OWN_UNIX, SP_OWN_TCP };
int sp_own_socket(const struct sp_request *request, int number, enum sp_own_kind kind);
/* Whether it would be opened: then what was refused before is taken back. 0, or `error`. */
int sp_own_judge(struct sp_request *request, int error, int number, uint64_t flags);

/* What a link below /proc, or a directory on the way, means. `name` is canonical and relative to
 * the /proc mount. */
enum sp_proc_kind {
	SP_PROC_PLAIN,   /* nothing special: its text is a path */
	SP_PROC_MAGIC,   /* cwd, root, exe, fd/N of the caller: follow by name */
	SP_PROC_REFUSED, /* leads past every name: ns, map_files */
};
enum sp_proc_kind sp_proc_classify(const char *name, bool is_link);

/* Whether it is the entry of a descriptor that is a runtime's, below fd or fdinfo. `name` as above. */
bool sp_proc_is_reserved(const char *name);

/* The N of a caller's fd/N, or -1. */
int sp_proc_descriptor(const char *name);

/* Opens below `dirfd` without crossing any link. A descriptor or -errno. */
int sp_openat2(int dirfd, const char *path, uint64_t flags, uint64_t mode, uint64_t resolve);

/* ---- refusals.c ---- */

/* What rules and application say of a canonical name; of "" as of "/". */
void sp_decide(const struct sp_request *request, const char *name, size_t length,
	       struct sp_path_decision *ret_decision);

/*
 * Records a refusal by policy: returns -error. `name` must be shorter than PATH_MAX. Where the call is only judged, the
 * refusal is noted, and 0 says to go on.
 */
int sp_refuse(struct sp_request *request, const char *name, const struct sp_path_decision *decision,
	      int error, const char *detail);

/* The same for a name of which nothing may be known. */
int sp_refuse_lookup(struct sp_request *request, const char *name,
		     const struct sp_path_decision *decision);

/* The same for what no decision could go on behind: -error in any case. */
int sp_refuse_finally(struct sp_request *request, const char *name,
		      const struct sp_path_decision *decision, int error, const char *detail);

/* What is done in another way than was asked for, without an error: noted where the call is only judged. */
void sp_note_change(struct sp_request *request, const struct sp_walk *walk, const char *detail);

/* The same for the bits of a mode that are never set. */
void sp_note_mode(struct sp_request *request, const struct sp_walk *walk, uint64_t mode);

/* Whether the way to `r` met a refusal, or an error. */
bool sp_is_refused(const struct sp_request *request, int r);

/* There is another way, on which nothing was refused: takes back what was. */
void sp_forgive(struct sp_request *request);

/* What `from` names may get the name `to` as well, or instead, only if no right is gained by it: 0,
 * or the refusal EXDEV. */
int sp_require_no_more(struct sp_request *request, const struct sp_walk *from,
		       const struct sp_walk *to);

/* Of a name, or an address, that lacks these rights: with the decision's errno. */
int sp_refuse_right(struct sp_request *request, const char *name,
		    const struct sp_path_decision *decision, uint32_t missing);

/* 0 if `walk` has all rights of `needed`, else the refusal that names the first one missing; where the
 * application might grant all that are missing, one that says so in refusal->ask. */
int sp_require(struct sp_request *request, const struct sp_walk *walk, uint32_t needed);

/* Whether the rules, whatever the application answered, let the name be written to. */
bool sp_is_writable(const struct sp_request *request, const struct sp_walk *walk);

/* ---- broker/calls/ ---- */

/* One function an operation: 0 or a positive result, or -errno. */
typedef int64_t sp_operation_fn(struct sp_request *request);
sp_operation_fn sp_call_open, sp_call_access, sp_call_stat, sp_call_readlink, sp_call_chdir,
    sp_call_mkdir, sp_call_unlink, sp_call_rename, sp_call_mknod, sp_call_symlink, sp_call_link,
    sp_call_chmod, sp_call_utime, sp_call_truncate, sp_call_statfs, sp_call_getxattr,
    sp_call_listxattr, sp_call_chown, sp_call_setxattr, sp_call_removexattr, sp_call_execute,
    sp_call_connect, sp_call_socket, sp_call_watch, sp_call_bind, sp_call_listen;

#ifdef __cplusplus
}
#endif

#endif
