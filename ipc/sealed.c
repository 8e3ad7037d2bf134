/* SPDX-License-Identifier: Apache-2.0 */
#include "ipc/sealed.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ipc/util.h"

static int write_all(int file, const uint8_t *bytes, size_t length)
{
	while (length > 0) {
		ssize_t n = write(file, bytes, length);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		bytes += n;
		length -= (size_t)n;
	}
	return 0;
}

int sp_sealed_make(const char *name, const void *bytes, size_t length, int *ret_memory)
{
	_cleanup_close_ int memory = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int r;

	if (memory < 0)
		return -errno;
	r = write_all(memory, bytes, length);
	if (r < 0)
		return r;
	if (fcntl(memory, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) <
	    0)
		return -errno;
	*ret_memory = TAKE_FD(memory);
	return 0;
}

int sp_sealed_map(int memory, size_t most, void **ret_bytes, size_t *ret_length)
{
	struct stat status;
	void *bytes;

	if (fstat(memory, &status) < 0)
		return -errno;
	if (status.st_size <= 0 || (uint64_t)status.st_size > most)
		return -EBADMSG;
	bytes = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, memory, 0);
	if (bytes == MAP_FAILED)
		return -errno;
	*ret_bytes = bytes;
	*ret_length = (size_t)status.st_size;
	return 0;
}
