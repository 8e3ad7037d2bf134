/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sallyport/buffer.h - memory shared with a sandboxee, of a size that neither side can change.
 *
 * The application makes a buffer, passes its descriptor at launch, and reads the result after on_exit, when no
 * process of the sandbox is left to change it under its eyes. Pages that nobody wrote cost nothing, so a buffer
 * may be as large as the largest result that the application is ready to accept.
 */
#ifndef SALLYPORT_BUFFER_H
#define SALLYPORT_BUFFER_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

struct sp_buffer {
	void *bytes;
	size_t size;
	int descriptor;
};

#define SP_BUFFER_INIT                                                                             \
	{                                                                                          \
		.bytes = NULL, .size = 0, .descriptor = -1                                         \
	}

/*
 * Makes a zeroed memfd of `size` bytes, sealed with F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL (memfd_create(2)), and maps
 * it. 0, -EINVAL (size 0), -ENOMEM, -EMFILE. On error *ret_buffer is as SP_BUFFER_INIT.
 */
int sp_buffer_create(size_t size, struct sp_buffer *ret_buffer);

/*
 * Maps a buffer received as a descriptor, which it takes over, also on error. Refuses what could shrink (and so kill
 * with SIGBUS): -EPERM where the seals are missing, -EINVAL where it is not a memfd.
 */
int sp_buffer_open_take(int descriptor, struct sp_buffer *ret_buffer);

/* Unmaps and closes. Accepts what SP_BUFFER_INIT gives. */
void sp_buffer_close(struct sp_buffer *buffer);

#ifdef __cplusplus
}
#endif

#endif
