/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Performing one brokered call: the library behind the porter. It knows neither protobuf nor seccomp nor the channel;
 * the same functions serve both interceptions, the differential tests and the fuzzers.
 *
 * A call that the policy allows answers as the kernel's own, errno included, with these exceptions:
 *
 *   - Sockets and devices are not opened, but null, zero, full, random, urandom, the session's terminal, and terminals of
 *     the sandbox's own: ENXIO. Opening a terminal makes it nobody's controlling terminal. Nor
 *     are other processes' entries in /proc, ns/ and map_files/: EACCES. Who waits for the other end of a FIFO, or for the
 *     holder of a lease, hears of signals some 20 ms late, and not at all of those that stop all threads of its process
 *     where another one got them; beyond SP_WORKERS_MAX (24 with a runtime): EAGAIN.
 *   - A link below /proc to a descriptor of the caller's (/dev/stdin) that has no name, or none that is granted (a pipe,
 *     a terminal, a memfd, a deleted file), is opened with no more access than the descriptor has, and where that is
 *     not a pipe or on a disk or in memory, shares its offset and flags. A caller that is only known by the sandbox's
 *     own numbers: ENXIO.
 *   - access(X_OK) on a file: EACCES, since no path rule grants execution.
 *   - Set-id and sticky bits of a mode are dropped, also where the file had them already.
 *   - What changes by a descriptor has a right by the name that the object has now. A named file of another view:
 *     EPERM. A descriptor opened with access mode 3 counts as O_PATH: EBADF.
 *   - Changing a device: EPERM.
 *   - Setting an extended attribute other than user.* and ACLs: EPERM; a value longer than 4,096 bytes: ENOSPC.
 *   - Extended attributes, and lists of them, that are longer than 4,096 bytes: E2BIG.
 *   - truncate beyond the policy's `file-size`: EFBIG, without SIGXFSZ.
 *   - A rename or link that would raise rights, or a directory's that rules split: EXDEV. RENAME_WHITEOUT, and mknod
 *     of any device: EPERM. linkat of an open file, by /proc/self/fd or AT_EMPTY_PATH, looks at the name that it has;
 *     where that is gone and others are left: EXDEV;
 *     one without a name (O_TMPFILE) must be the caller's user's (EPERM), and its descriptor must have the access that
 *     the new name gives (EXDEV), or be the one that O_TMPFILE itself gave for a place with these rights.
 *   - RESOLVE_CACHED always answers EAGAIN; a magic link under RESOLVE_NO_XDEV always EXDEV.
 *   - A deleted cwd or dirfd: ENOENT, also for "." and ".."; one without a name in the view: EACCES.
 *   - Names that are PATH_MAX bytes or longer once the cwd stands before them: ENAMETOOLONG.
 *   - Links of others in sticky directories are never followed (fs.protected_symlinks = 1), while
 *     fs.protected_regular and fs.protected_fifos are not heeded.
 *   - inotify_add_watch: of what only the caller's descriptor leads to, by /proc/self/fd: ENXIO.
 *   - bind: only of unix sockets, to names with the right; any other address, and abstract names: EACCES. A name with links
 *     or dots in it, which getsockname(2) tells, is the canonical one. listen, where it comes here: EACCES for others.
 *   - connect: only of unix sockets, to names with the right, and of TCP sockets, to addresses that are granted; any other
 *     address: EACCES, before the descriptor is looked at. No address (0.0.0.0, ::) is the host itself, flow labels are
 *     left out.
 *   - Above the cwd a name is walked from the root, and needs search permission there.
 */
#ifndef SALLYPORT_BROKER_CALLS_H
#define SALLYPORT_BROKER_CALLS_H

#include <stdbool.h>
#include <sys/types.h>

#include "ipc/calls.h"
#include "policy/rules.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The view in which names mean something: made once, after the walls stand. */
struct sp_view {
	int root; /* O_PATH of "/" */
	int straight; /* the same in a copy of the mounts that follows no symbolic link; -1: there is none */
	bool rooted;       /* that is the root of the calling process, where absolute names start */
	int proc;          /* O_PATH of the sandbox's /proc; -1: there is none */
	int own_fd;        /* O_PATH of the porter's own /proc/self/fd, of the outer procfs */
	int outer_proc;    /* O_PATH of that procfs */
	dev_t proc_device; /* st_dev of `proc` */
	int terminals;     /* O_PATH of the sandbox's own devpts; -1: there is none */
	dev_t terminals_device; /* st_dev of it */
	char *loader;     /* canonical name of the system's loader, "" where there is none; owned */
	bool stray_proc;  /* some procfs, or part of one, is mounted elsewhere than below /proc */
	uint64_t *mounts; /* sorted STATX_MNT_ID of every mount of the view, owned */
	size_t mount_count;
};

#define SP_VIEW_NONE                                                                               \
	{                                                                                          \
		.root = -1, .straight = -1, .proc = -1, .own_fd = -1, .outer_proc = -1,            \
		.terminals = -1                                                                    \
	}

/* Opens the view of the calling process. `proc` is borrowed by duplication; -1: the names below /proc are refused.
 * `outer_proc` likewise: the procfs that shows the calling process. 0 or -errno. */
int sp_view_open(int proc, int outer_proc, struct sp_view *ret_view);
void sp_view_close(struct sp_view *view);

/* Makes the view that follows no link, where there is one, the root of the calling process, which takes CAP_SYS_CHROOT and
 * changes no name that descriptors are known by. 0 or -errno. */
int sp_view_enter(struct sp_view *view);

/* The devpts on /dev/pts is the sandbox's own: terminals there may be opened. 0 or -errno. */
int sp_view_open_terminals(struct sp_view *view);

/*
 * Who asks. Where the kernel named the thread (a user notification), it did so by the number of the
 * outer pid namespace: cwd and descriptors are looked up in the outer procfs, and the inner numbers
 * when they are first needed. Where the thread named itself, they are looked up in view->proc, among
 * those of its process, whose number is its own only as long as it lives.
 */
struct sp_caller {
	pid_t outer;      /* the thread, by the outer pid namespace; 0: not known */
	pid_t pid, tid;   /* process and thread, by the sandbox's; 0: not known yet */
	pid_t outer_pid;  /* its process, by the outer; 0: not known yet */
	unsigned threads; /* that its process has; known with `pid` where `outer` is */
	bool locked;      /* its calls are trapped by a filter of its own: it can't execute, and the
			       reserved descriptors are its runtime's */
	bool sought;      /* its process's entry in /proc was, by `pid` */
	const int *process; /* pidfd of it, borrowed; NULL: `outer`, or a child that we reap */
	mode_t umask;       /* known with `pid` where `outer` is */
	unsigned filters;   /* of seccomp's, that it is under; as umask; 0: before Linux 5.9 */
	const struct sp_answers *answers; /* of the application, borrowed; NULL: it is not asked */
	struct sp_links *links;           /* the sandbox's, borrowed; NULL: none is remembered */
};

/* Finds out what is not known yet. 0, or -ESRCH: it has ended. */
int sp_caller_identify(const struct sp_view *view, struct sp_caller *caller);

/* Whether a signal waits for the thread, known by its outer number, that it neither blocks nor ignores. */
bool sp_caller_is_signalled(const struct sp_view *view, pid_t outer);

/* The detail of what was asked about. */
#define SP_NOT_ALLOWED "the application did not allow it"

/* Why a call was refused by policy, for the report. */
struct sp_refusal {
	int error; /* 0: not refused by policy */
	uint32_t
	    ask; /* rights on `name`: the application was not asked yet, and might grant them; then
			 nothing has been done, and the call may be made again */
	const char *rule;    /* borrowed from the rules, or NULL */
	const char *detail;  /* a constant string: "no right to write", "is a FIFO", … */
	uint32_t missing;    /* enum sp_right: those that a rule would have to grant */
	bool lookup;         /* nothing may be known of the name, whatever was wanted of it */
	char name[PATH_MAX]; /* the name on which the decision fell, or "" */
};

/*
 * What is left to do of a call that has been decided on, since it may wait for others: for who can wait
 * (broker/worker.h). What it comes to is the call's result.
 */
#define SP_WORK_ADDRESS 28 /* of IPv6 */

struct sp_work {
	int object; /* O_PATH, owned, or -1 */
	int socket; /* to be connected, owned; -1: the object is to be opened */
	uint8_t address[SP_WORK_ADDRESS]; /* a socket address to connect it to … */
	uint32_t address_length;          /* … or 0: to the object */
	int flags;                        /* to open it with */
	bool gives;     /* the open file is the answer's descriptor, else it is closed */
	bool truncates; /* to `length` */
	off_t length;
};

#define SP_WORK_NONE                                                                               \
	{                                                                                          \
		.object = -1, .socket = -1                                                         \
	}

static inline bool sp_work_is_left(const struct sp_work *work)
{
	return work->object >= 0 || work->socket >= 0;
}

void sp_work_close(struct sp_work *work);

/*
 * Decides and acts. `answer` gets the result or -errno; a policy refusal fills `ret_refusal` as well. What may wait
 * is left in `ret_work`; where nobody can do it (NULL), the call is answered with ENXIO. Never blocks on a FIFO or device, never follows a link that the policy does not cover, leaves no descriptor open but answer->descriptor.
 * Not thread-safe: it sets the process's umask for creating calls.
 */
void sp_call_perform(const struct sp_view *view, const struct sp_rules *rules,
		     struct sp_caller *caller, const struct sp_call *call, struct sp_answer *answer,
		     struct sp_refusal *ret_refusal, struct sp_work *ret_work);

/* What one call would be refused, name by name. */
#define SP_REFUSALS_MAX 16

struct sp_judgement {
	struct sp_refusal refusals[SP_REFUSALS_MAX];
	size_t count;
};

/*
 * Decides as sp_call_perform() does, and does nothing: where that would refuse, the refusal is noted, and the decision
 * goes on as if it had been granted, so that everything that a policy lacks for the call comes out at once. `scratch` is
 * overwritten.
 */
void sp_call_judge(const struct sp_view *view, const struct sp_rules *rules,
		   struct sp_caller *caller, const struct sp_call *call, struct sp_answer *scratch,
		   struct sp_judgement *ret_judgement);

#ifdef __cplusplus
}
#endif

#endif
