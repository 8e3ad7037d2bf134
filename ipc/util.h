/* SPDX-License-Identifier: Apache-2.0 */
/* Ownership helpers: descriptors and memory that close and free themselves at the end of a scope.
 */
#ifndef SALLYPORT_IPC_UTIL_H
#define SALLYPORT_IPC_UTIL_H

#include <stdlib.h>
#include <unistd.h>

#define _cleanup_(fn) __attribute__((cleanup(fn)))

static inline void sp_close_pointer(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
}

static inline void sp_free_pointer(void *pointer)
{
	free(*(void **)pointer);
}

#define _cleanup_close_ _cleanup_(sp_close_pointer)
#define _cleanup_free_ _cleanup_(sp_free_pointer)

/* Moves a descriptor out of a variable, which keeps -1. */
#define TAKE_FD(fd)                                                                                \
	({                                                                                         \
		int *fd_ = &(fd);                                                                  \
		int taken_ = *fd_;                                                                 \
		*fd_ = -1;                                                                         \
		taken_;                                                                            \
	})

/* The same for a pointer, which keeps NULL. */
#define TAKE_POINTER(pointer)                                                                      \
	({                                                                                         \
		__typeof__(pointer) *pointer_ = &(pointer);                                        \
		__typeof__(pointer) taken_ = *pointer_;                                            \
		*pointer_ = NULL;                                                                  \
		taken_;                                                                            \
	})

#define SP_ELEMENTS(array) (sizeof(array) / sizeof((array)[0]))

#endif
