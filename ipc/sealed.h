/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes that another process gets to read, and nobody to change. */
#ifndef SALLYPORT_IPC_SEALED_H
#define SALLYPORT_IPC_SEALED_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A memfd that holds a copy of the bytes, sealed. `name` is what /proc shows. 0 or -errno. */
int sp_sealed_make(const char *name, const void *bytes, size_t length, int *ret_memory);

/* What such a file holds, to be unmapped with munmap(2): of a peer that is trusted not to change it. -EBADMSG: empty, or over `most`; or another -errno. */
int sp_sealed_map(int memory, size_t most, void **ret_bytes, size_t *ret_length);

#ifdef __cplusplus
}
#endif

#endif
