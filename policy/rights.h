/* SPDX-License-Identifier: Apache-2.0 */
/* What brokered calls need of the names that they take: what broker/calls/ asks for, as a table. */
#ifndef SALLYPORT_POLICY_RIGHTS_H
#define SALLYPORT_POLICY_RIGHTS_H

#include <stdbool.h>
#include <stdint.h>

#include "ipc/calls.h"

#ifdef __cplusplus
extern "C" {
#endif

/* All rights of which the operation may need one; those that need a name to be visible alone, such as
 * stat, are served by any. */
uint32_t sp_operation_rights(enum sp_operation operation);

/*
 * The rights that one call needs on its first name (0: that the name is visible), as the name of
 * something that exists, or that the call makes. `flags` are those of the call, implied ones included,
 * `mode` is its mode.
 */
struct sp_needs {
	bool makes;      /* the call may make the name where it is missing */
	bool makes_only; /* it fails where the name exists */
	uint32_t existing, made;
	uint32_t second; /* on the second name, which rename and link make */
};
struct sp_needs sp_operation_needs(enum sp_operation operation, uint64_t flags, uint64_t mode);

#ifdef __cplusplus
}
#endif

#endif
