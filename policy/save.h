/* SPDX-License-Identifier: Apache-2.0 */
/* Policies on disk, after their text has been understood: see saved.proto. */
#ifndef SALLYPORT_POLICY_SAVE_H
#define SALLYPORT_POLICY_SAVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sallyport/policy.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The longest file. */
#define SP_SAVED_MAX ((size_t)16 * 1024 * 1024)

/* Whether a file that begins so is a saved policy and no text. */
#define SP_SAVED_MAGIC "\177SPOLICY"
#define SP_SAVED_MAGIC_LENGTH 8
bool sp_saved_is(const void *bytes, size_t length);

/* What sp_policy_restore() said, as a sentence with its cure. */
const char *sp_saved_mistake(int error);

#ifdef __cplusplus
}
#endif

#endif
