/* SPDX-License-Identifier: Apache-2.0 */
/* Stands before the allocator of the C library, in whatever program it is linked into. */
#include "tests/attacks/faults.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* glibc's own names for what it lets others stand before. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *memory, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

struct faults *faults;

static bool fails(void)
{
	unsigned long number;

	if (!faults)
		return false;
	number = __atomic_add_fetch(&faults->allocations, 1, __ATOMIC_RELAXED);
	if (faults->first == 0 || number < faults->first || number > faults->last)
		return false;
	errno = ENOMEM;
	return true;
}

/* Of the libraries that the program uses, too. */
#pragma GCC visibility push(default)

void *malloc(size_t size)
{
	return fails() ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
	return fails() ? NULL : __libc_calloc(count, size);
}

void *realloc(void *memory, size_t size)
{
	return fails() ? NULL : __libc_realloc(memory, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
	return fails() ? NULL : __libc_memalign(alignment, size);
}

#pragma GCC visibility pop

/* Before main(): from the first allocation of its own on. */
__attribute__((constructor)) static void find_faults(int argc, char **argv)
{
	char path[PATH_MAX];
	void *memory;
	int file;

	if (argc < 1 || snprintf(path, sizeof(path), "%s" FAULTS_SUFFIX, argv[0]) >= PATH_MAX)
		return;
	file = open(path, O_RDWR | O_CLOEXEC);
	if (file < 0)
		return;
	memory = mmap(NULL, sizeof(*faults), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	(void)close(file);
	if (memory != MAP_FAILED)
		faults = memory;
}
