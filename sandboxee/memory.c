/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>
#include <sys/uio.h>

#include "ipc/arch.h"
#include "ipc/runtime.h"
#include "sandboxee/runtime.h"

/*
 * process_vm_readv(2) on oneself fails where a load would fault. The filter lets it through by the
 * mark in the half of the pid that the kernel ignores: a process may always read and write itself.
 */
static long transfer(long nr, pid_t pid, void *here, const void *there, size_t length)
{
	struct iovec local = {.iov_base = here, .iov_len = length};
	struct iovec remote = {.iov_base = (void *)(uintptr_t)there, .iov_len = length};
	uint64_t marked = (uint64_t)SP_RUNTIME_MARK << 32 | (uint32_t)pid;

	return sp_raw_syscall(nr, (long)marked, (long)&local, 1, (long)&remote, 1, 0);
}

int sp_memory_read(pid_t pid, void *to, const void *from, size_t length)
{
	return transfer(__NR_process_vm_readv, pid, to, from, length) == (long)length ? 0 : -EFAULT;
}

int sp_memory_write(pid_t pid, void *to, const void *from, size_t length)
{
	/* "Remote" is where the program wants it; "local" is ours. */
	return transfer(__NR_process_vm_writev, pid, (void *)(uintptr_t)from, to, length) ==
		       (long)length
		   ? 0
		   : -EFAULT;
}

ssize_t sp_memory_read_string(pid_t pid, char *to, const void *from, size_t size)
{
	size_t have = 0;
	size_t chunk = 256; /* most names are short: the first look takes little */

	while (have < size) {
		size_t want = size - have < chunk ? size - have : chunk;
		long got = transfer(__NR_process_vm_readv, pid, to + have,
				    (const char *)from + have, want);
		const char *end;

		if (got <= 0)
			return -EFAULT;
		end = memchr(to + have, 0, (size_t)got);
		if (end)
			return end - to;
		have += (size_t)got;
		chunk = size;
	}
	return -ENAMETOOLONG;
}
