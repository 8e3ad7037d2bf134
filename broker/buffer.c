/* SPDX-License-Identifier: Apache-2.0 */
#include <sallyport/buffer.h>

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ipc/util.h"

/* Without these the other side could cut the memory off under a reader. */
#define SIZE_SEALS (F_SEAL_SHRINK | F_SEAL_GROW)

static const struct sp_buffer none = SP_BUFFER_INIT;

static int map(int descriptor, size_t size, void **ret_bytes)
{
	void *bytes = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);

	if (bytes == MAP_FAILED)
		return -errno;
	*ret_bytes = bytes;
	return 0;
}

static int make_sealed(size_t size, int *ret_descriptor)
{
	_cleanup_close_ int descriptor =
	    memfd_create("sallyport-buffer", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (descriptor < 0)
		return -errno;
	if (ftruncate(descriptor, (off_t)size) < 0 ||
	    fcntl(descriptor, F_ADD_SEALS, SIZE_SEALS | F_SEAL_SEAL) < 0)
		return -errno;
	*ret_descriptor = TAKE_FD(descriptor);
	return 0;
}

int sp_buffer_create(size_t size, struct sp_buffer *ret_buffer)
{
	_cleanup_close_ int descriptor = -1;
	void *bytes;
	int r;

	*ret_buffer = none;
	if (size == 0)
		return -EINVAL;
	if (size > PTRDIFF_MAX)
		return -ENOMEM;
	r = make_sealed(size, &descriptor);
	if (r == 0)
		r = map(descriptor, size, &bytes);
	if (r < 0) /* EFBIG: larger than a file can be */
		return r == -EMFILE || r == -ENFILE ? -EMFILE : -ENOMEM;
	*ret_buffer = (struct sp_buffer){bytes, size, TAKE_FD(descriptor)};
	return 0;
}

int sp_buffer_open_take(int descriptor, struct sp_buffer *ret_buffer)
{
	_cleanup_close_ int owned = descriptor;
	struct stat status;
	void *bytes;
	int seals, r;

	*ret_buffer = none;
	seals = fcntl(owned, F_GET_SEALS);
	if (seals < 0)
		return -EINVAL;
	if ((seals & SIZE_SEALS) != SIZE_SEALS)
		return -EPERM;
	/* Only now: before the seals the size could still change. */
	if (fstat(owned, &status) < 0 || status.st_size <= 0)
		return -EINVAL;
	r = map(owned, (size_t)status.st_size, &bytes);
	if (r < 0)
		return r;
	*ret_buffer = (struct sp_buffer){bytes, (size_t)status.st_size, TAKE_FD(owned)};
	return 0;
}

void sp_buffer_close(struct sp_buffer *buffer)
{
	if (buffer->bytes)
		(void)munmap(buffer->bytes, buffer->size);
	sp_close_pointer(&buffer->descriptor);
	*buffer = none;
}
