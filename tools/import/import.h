/* SPDX-License-Identifier: Apache-2.0 */
/* Policies of other programs, as policies of ours. */
#ifndef SALLYPORT_TOOLS_IMPORT_IMPORT_H
#define SALLYPORT_TOOLS_IMPORT_IMPORT_H

#include <stddef.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

struct import;

/*
 * Reads a policy in `format` ("minijail", "kafel", "systemd", "oci", "firejail"), and writes one of
 * ours to `output`; mistakes, and notes of what does not carry over, go to `errors`. `file` is what they
 * call it, and where relative includes start. Returns the exit status: 0; 1: the policy has mistakes,
 * nothing was written; 125: no such format.
 */
int import_text(const char *format, const char *file, const char *text, size_t length, FILE *output,
		FILE *errors);

/* The importers. `text` is NUL-terminated, and holds no other NUL. */
void import_minijail(struct import *import, const char *text);
void import_kafel(struct import *import, const char *text);
void import_systemd(struct import *import, const char *text);
void import_oci(struct import *import, const char *text);
void import_firejail(struct import *import, const char *text);

#ifdef __cplusplus
}
#endif

#endif
