/* SPDX-License-Identifier: Apache-2.0 */
/* What the kernel will load beside a program that it executes. */
#ifndef SALLYPORT_BROKER_IMAGE_H
#define SALLYPORT_BROKER_IMAGE_H

#include <limits.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Scripts whose interpreter is a script, and so on: as deep as the kernel goes. */
#define SP_IMAGE_DEPTH 5

enum sp_image_kind {
	SP_IMAGE_NATIVE, /* ELF of this architecture */
	SP_IMAGE_SCRIPT, /* "#!" */
	SP_IMAGE_OTHER,  /* what the kernel answers with ENOEXEC, or another binfmt takes */
};

struct sp_image {
	enum sp_image_kind kind;
	char interpreter[PATH_MAX]; /* the loader, or the script's interpreter; "": none */
};

/* Reads the head of an open regular file, whose offset stays. A file of another sort, or a malformed
 * one, is SP_IMAGE_OTHER. 0 or -errno. */
int sp_image_read(int file, struct sp_image *ret_image);

#ifdef __cplusplus
}
#endif

#endif
