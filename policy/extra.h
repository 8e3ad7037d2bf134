/* SPDX-License-Identifier: Apache-2.0 */
/* Filters that others wrote, which come on top of a policy's own. */
#ifndef SALLYPORT_POLICY_EXTRA_H
#define SALLYPORT_POLICY_EXTRA_H

#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Whether the kernel takes the program for seccomp(2), but for the rule that memory words are stored before
 * they are loaded, which it sees to itself; and every verdict is a constant.
 */
bool sp_extra_is_sound(const struct sock_filter *code, size_t count);

#ifdef __cplusplus
}
#endif

#endif
