/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/uio.h>

#include "ipc/arch.h"
#include "ipc/runtime.h"
#include "sandboxee/runtime.h"

/* The smallest page of any architecture: a larger one is asked about more than once. */
#define PAGE 4096u

/* What rt_sigprocmask(2) copies: the kernel's sigset_t. */
#define PROBE sizeof(uint64_t)

/* ---- the sure way
 * ------------------------------------------------------------------------------------- */

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

/* ---- the quick way
 * ------------------------------------------------------------------------------------
 *
 * process_vm_readv costs as much as the call that it serves. So the kernel is asked, by a call that
 * costs a tenth, whether a page can be touched, and then we touch it. Where it says no, the sure way
 * has the last word: it sees more, for instance pages behind a protection key that a handler does
 * not hold. A page that another thread unmaps in between is a fault, as it would be in the program's
 * own hands a moment earlier.
 */

static size_t left_in_page(const void *address)
{
	return PAGE - (uintptr_t)address % PAGE;
}

/* The set is copied before `how` is judged, so that nothing changes. */
static bool can_read_page(const void *address)
{
	const int no_how = -1;
	uintptr_t word = (uintptr_t)address & ~(uintptr_t)(PROBE - 1);

	return sp_raw_syscall(__NR_rt_sigprocmask, no_how, (long)word, 0, PROBE, 0,
			      SP_RUNTIME_MARK) == -EINVAL;
}

/* Writes there: only where the caller is about to. NULL would mean: do not write. */
static bool can_write_word(void *address)
{
	return address && sp_raw_syscall(__NR_rt_sigprocmask, 0, 0, (long)address, PROBE, 0,
					 SP_RUNTIME_MARK) == 0;
}

/* Reads at most `length` bytes, and not past the end of a page if that comes first. How many, or 0
 * where nothing can be read. */
static size_t read_some(pid_t pid, void *to, const void *from, size_t length)
{
	size_t part = left_in_page(from) < length ? left_in_page(from) : length;
	long got;

	if (can_read_page(from)) {
		sp_copy_foreign(to, from, part);
		return part;
	}
	got = transfer(__NR_process_vm_readv, pid, to, from, part);
	return got < 0 ? 0 : (size_t)got;
}

int sp_memory_read(pid_t pid, void *to, const void *from, size_t length)
{
	size_t have = 0;

	while (have < length) {
		size_t got =
		    read_some(pid, (char *)to + have, (const char *)from + have, length - have);

		if (got == 0)
			return -EFAULT;
		have += got;
	}
	return 0;
}

/* The first word and the last one are in all the pages there are, if these are two at most. */
static bool can_write(char *to, size_t length)
{
	return length >= PROBE && length <= PAGE && can_write_word(to) &&
	       (left_in_page(to) >= length || can_write_word(to + length - PROBE));
}

int sp_memory_write(pid_t pid, void *to, const void *from, size_t length)
{
	if (can_write(to, length)) {
		sp_copy_foreign(to, from, length);
		return 0;
	}
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
		size_t got = read_some(pid, to + have, (const char *)from + have, want);
		const char *end;

		if (got == 0)
			return -EFAULT;
		/* In the copy: the original may change meanwhile. */
		end = memchr(to + have, 0, got);
		if (end)
			return end - to;
		have += got;
		chunk = size;
	}
	return -ENAMETOOLONG;
}
