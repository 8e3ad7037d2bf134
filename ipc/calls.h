/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of brokered calls (calls.def) as types and data, and the plain form of one call: what
 * both interceptions produce, what the policy decides on, what broker/calls/ acts on. No wire types
 * here.
 */
#ifndef SALLYPORT_IPC_CALLS_H
#define SALLYPORT_IPC_CALLS_H

#include <linux/limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Rows of the table. Values are part of the protocol between one release's runtime and porter. */
enum sp_call_id {
#define SP_CALL(name, ...) SP_CALL_##name,
#include "ipc/calls.def"
#undef SP_CALL
	SP_CALL_COUNT
};

/* What the policy speaks of: one operation covers every system call that does the thing. */
enum sp_operation {
	SP_OPERATION_OPEN,
	SP_OPERATION_ACCESS,
	SP_OPERATION_STAT,
	SP_OPERATION_READLINK,
	SP_OPERATION_CHDIR,
	SP_OPERATION_MKDIR,
	SP_OPERATION_UNLINK,
	SP_OPERATION_RENAME,
	SP_OPERATION_EXECUTE,
	SP_OPERATION_MKNOD,
	SP_OPERATION_SYMLINK,
	SP_OPERATION_LINK,
	SP_OPERATION_CHMOD,
	SP_OPERATION_UTIME,
	SP_OPERATION_TRUNCATE,
	SP_OPERATION_STATFS,
	SP_OPERATION_GETXATTR,
	SP_OPERATION_LISTXATTR,
	SP_OPERATION_CHOWN,
	SP_OPERATION_SETXATTR,
	SP_OPERATION_REMOVEXATTR,
	SP_OPERATION_CONNECT,
	SP_OPERATION_WATCH,
	SP_OPERATION_SOCKET,
	SP_OPERATION_BIND,
	SP_OPERATION_LISTEN,
	SP_OPERATION_COUNT
};

enum sp_call_extra {
	SP_EXTRA_NONE,
	SP_EXTRA_OPEN_HOW, /* `flags` points to a struct open_how */
	SP_EXTRA_TARGET,   /* `text` is what a symbolic link says */
	SP_EXTRA_UTIMBUF,  /* `data` points to a struct utimbuf, or is NULL: now */
	/* `data` points to two times, or is NULL: now. A path of NULL stands for the dirfd itself. */
	SP_EXTRA_TIMEVALS,
	SP_EXTRA_TIMESPECS,
	SP_EXTRA_ATTRIBUTE, /* `text` is the name of an extended attribute, `data` its value */
	SP_EXTRA_ADDRESS, /* `data` points to a socket address of `size` bytes, `dirfd` is the socket */
	SP_EXTRA_OWNER, /* `mode` is the owner, and the argument after it the group */
};

enum sp_call_returns {
	SP_RETURNS_NUMBER,     /* 0 or -errno */
	SP_RETURNS_DESCRIPTOR, /* a new descriptor of the caller */
	SP_RETURNS_DIRECTORY,  /* an O_PATH descriptor that the runtime consumes itself (chdir) */
	SP_RETURNS_STAT,       /* the kernel's struct stat, written to `out` */
	SP_RETURNS_STATX,      /* struct statx, written to `out` */
	SP_RETURNS_STATFS,     /* the kernel's struct statfs, written to `out` */
	SP_RETURNS_BYTES, /* at most `size` bytes, written to `out`; the result is their number */
	SP_RETURNS_VALUE, /* the same; where `size` is 0, only their number */
};

/* Rights that path rules grant on names. */
enum sp_right {
	SP_RIGHT_READ = 1 << 0,  /* open for reading, list a directory */
	SP_RIGHT_WRITE = 1 << 1, /* open an existing file for writing, truncate it */
	SP_RIGHT_CREATE =
	    1 << 2, /* make a name appear: open(O_CREAT), mkdir, the target of rename */
	SP_RIGHT_DELETE = 1 << 3,  /* make a name disappear: unlink, rmdir, the source of rename */
	SP_RIGHT_LINKED = 1 << 4,  /* write to a regular file that has more than one link */
	SP_RIGHT_EXECUTE = 1 << 5, /* run the file as a program, or as the interpreter of one */
	SP_RIGHT_CONNECT = 1 << 6, /* connect a socket to the one that has the name */
	SP_RIGHT_BIND = 1 << 7,    /* bind a socket to the name, which appears by that */
	SP_RIGHT_ALL = (1 << 8) - 1
};

struct sp_call_info {
	const char *name;
	int nr; /* system call number on this architecture, or SP_NR_ABSENT */
	enum sp_operation operation;
	int8_t dirfd, path, dirfd2, path2, text, flags, mode, data, out,
	    size; /* argument indices, or -1 */
	uint32_t implied;
	enum sp_call_extra extra;
	enum sp_call_returns returns;
};

/* Indexed by enum sp_call_id. */
extern const struct sp_call_info sp_call_table[SP_CALL_COUNT];

/* The row of a system call number, or NULL where it is not brokered. Async-signal-safe. */
const struct sp_call_info *sp_call_find(int nr);

/* Brokered only where the policy speaks of what it reaches, else a call like others. */
bool sp_call_is_conditional(const struct sp_call_info *info);

/* Of socket(2), whether it is for TCP, the one kind that is brokered. */
#define SP_SOCKET_TYPE 0xf /* of the argument that holds flags too */
bool sp_socket_is_tcp(uint64_t family, uint64_t type, uint64_t protocol);

/* The members of struct sp_call that a row fills in, beside those that every call has. */
enum sp_call_field {
	SP_FIELD_DIRFD = 1 << 0,
	SP_FIELD_PATH = 1 << 1,
	SP_FIELD_DIRFD2 = 1 << 2,
	SP_FIELD_PATH2 = 1 << 3,
	SP_FIELD_FLAGS = 1 << 4,
	SP_FIELD_MODE = 1 << 5,
	SP_FIELD_RESOLVE = 1 << 6,
	SP_FIELD_SIZE = 1 << 7,
	SP_FIELD_TEXT = 1 << 8,
	SP_FIELD_TIMES = 1 << 9,
	SP_FIELD_OWNER = 1 << 10,
	SP_FIELD_DATA = 1 << 11,
};
uint32_t sp_call_fields(const struct sp_call_info *info);
/* Those among them that one call has and another lacks. */
uint32_t sp_call_optional_fields(const struct sp_call_info *info);

/* "open", "stat", …: the name that reports and policies use. */
const char *sp_operation_name(enum sp_operation operation);

/* The longest value of an extended attribute that a call can set. */
#define SP_DATA_MAX 4096

/* One brokered call, parsed and checked. Strings are NUL-terminated and shorter than PATH_MAX. */
struct sp_call {
	const struct sp_call_info *info;
	pid_t tid; /* the calling thread, in the sandbox's pid namespace; the caller's claim in trap
		      mode */
	int dirfd,
	    dirfd2; /* AT_FDCWD where the call has none; inotify_add_watch: dirfd2 is the instance */
	const char *path,
	    *path2;       /* NULL where the call has none: without `path` it is about `dirfd`
				     itself; "" is a legal value */
	const char *text; /* not a name; NULL where the call has none */
	uint64_t flags;   /* implied flags included; open_how.flags for openat2 */
	uint64_t mode;    /* mode bits; the access mode of access(2); the mask of statx(2) */
	uint64_t resolve; /* openat2: RESOLVE_*, else 0 */
	uint64_t size;    /* bytes that the caller has room for; truncate: the length, signed */
	const uint8_t
	    *data; /* setxattr: the value; connect: the address; NULL where the call has none */
	size_t data_length;    /* at most SP_DATA_MAX */
	uint32_t owner, group; /* chown; all bits set: as it was */
	bool has_times;        /* utime: else both are now */
	struct timespec
	    times[2]; /* access, modification; UTIME_NOW and UTIME_OMIT as in utimensat */
	mode_t umask; /* the caller's */
};

/* utimensat(2) with both times to be left alone: the kernel does not even look at the name. */
bool sp_call_changes_nothing(const struct sp_call *call);

/* The largest reply body: readlink's target, or struct statx. */
#define SP_OUT_MAX PATH_MAX

/* The answer to one call. Initialise with SP_ANSWER_INIT; `descriptor` is owned. */
struct sp_answer {
	int64_t result; /* >= 0, or -errno */
	int descriptor; /* -1 where none goes back */
	bool pipe;      /* it is an end of a pipe or FIFO: the last copy's closing is felt */
	size_t out_length;
	uint8_t out[SP_OUT_MAX];
};

#ifdef __cplusplus
}
#endif

#endif
