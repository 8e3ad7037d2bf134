/* SPDX-License-Identifier: Apache-2.0 */
/* The policies that come with the library; presets/NAME.policy, embedded by embed.cmake. */
#ifndef SALLYPORT_POLICY_PRESETS_H
#define SALLYPORT_POLICY_PRESETS_H

#include <stddef.h>

struct sp_preset {
	const char *name, *file; /* "parser", "preset parser" */
	const unsigned char *text;
	size_t length;
};

extern const struct sp_preset sp_presets[];
extern const size_t sp_preset_count;

#endif
