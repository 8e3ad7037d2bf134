/* SPDX-License-Identifier: Apache-2.0 */
/* Calls that are answered without the porter. */
#include <errno.h>
#include <limits.h>

#include "ipc/arch.h"
#include "ipc/runtime.h"
#include "sandboxee/runtime.h"

/* close, dup, dup2, dup3 and fcntl of a reserved number. */
long sp_local_bad_descriptor(const struct sp_trap *trap)
{
	(void)trap;
	return -EBADF;
}

static long close_part(unsigned first, unsigned last, unsigned flags)
{
	if (first > last)
		return 0;
	return sp_raw_syscall(__NR_close_range, first, last, flags, 0, 0, SP_RUNTIME_MARK);
}

long sp_local_close_range(const struct sp_trap *trap)
{
	unsigned first = (unsigned)trap->argument[0];
	unsigned last = (unsigned)trap->argument[1];
	unsigned flags = (unsigned)trap->argument[2];
	unsigned below = last < SP_RESERVED_FIRST ? last : SP_RESERVED_FIRST - 1;
	unsigned above = first > SP_RESERVED_LAST ? first : SP_RESERVED_LAST + 1;
	long r;

	if (first > last) /* the kernel's own error */
		return -EINVAL;
	r = close_part(first, below, flags);
	return r < 0 ? r : close_part(above, last, flags);
}

/* The porter is told with each call that creates; the kernel's own is kept in step for calls that go
 * another way. */
long sp_local_umask(const struct sp_trap *trap)
{
	long before = sp_raw_syscall(__NR_umask, trap->argument[0], 0, 0, 0, 0, SP_RUNTIME_MARK);

	if (!trap->guest)
		atomic_store(&sp_runtime.umask, (uint32_t)trap->argument[0] & 0777);
	return before;
}
