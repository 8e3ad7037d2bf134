/* SPDX-License-Identifier: Apache-2.0 */
/* FNV-1a, for tables of what policies hold. They are trusted: no keyed hash needed. */
#ifndef SALLYPORT_POLICY_HASH_H
#define SALLYPORT_POLICY_HASH_H

#include <stddef.h>
#include <stdint.h>

#define SP_HASH_START 2166136261u

/* Continues the hash of what came before, or SP_HASH_START. */
static inline uint32_t sp_hash_bytes(uint32_t hash, const char *bytes, size_t length)
{
	for (size_t i = 0; i < length; i++)
		hash = (hash ^ (unsigned char)bytes[i]) * 16777619u;
	return hash;
}

#endif
