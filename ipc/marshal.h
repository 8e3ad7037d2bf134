/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the registers of a caller to the plain form of its call, by the table of brokered calls. Both
 * interceptions use it: the SIGSYS handler on its own memory, the porter on that of another process.
 * Async-signal-safe; no TLS, no errno, no allocation.
 */
#ifndef SALLYPORT_IPC_MARSHAL_H
#define SALLYPORT_IPC_MARSHAL_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "ipc/calls.h"

#ifdef __cplusplus
extern "C" {
#endif

#define SP_MARSHAL_ARGUMENTS 6 /* a system call has six */

/* How the caller's memory is read. An address is what a register held: any value at all. */
struct sp_memory {
	/* All of `length` bytes: 0 or -EFAULT. */
	int (*read)(void *context, void *to, uint64_t from, size_t length);
	/* A NUL-terminated string of less than `size` bytes: its length, -EFAULT, or
	 * -ENAMETOOLONG. `to` has `size` bytes. */
	ssize_t (*read_string)(void *context, char *to, uint64_t from, size_t size);
	void *context;
};

/* Where the strings of the marshalled call live. */
struct sp_marshal_buffers {
	char path[PATH_MAX];
	char path2[PATH_MAX];
	char text[PATH_MAX];
	uint8_t data[SP_DATA_MAX];
};

/*
 * Reads what the row `info` says that the call has. Looks at the arguments in the kernel's order and
 * answers with its errno: 0, or -EFAULT, -ENAMETOOLONG, -EINVAL, -E2BIG. Each byte of memory is read
 * once. `tid` and `umask` of the call are left for the caller to fill in; its strings point into
 * `buffers`.
 */
int sp_marshal_call(const struct sp_call_info *info, const uint64_t arguments[SP_MARSHAL_ARGUMENTS],
		    const struct sp_memory *memory, struct sp_marshal_buffers *buffers,
		    struct sp_call *ret_call);

#ifdef __cplusplus
}
#endif

#endif
