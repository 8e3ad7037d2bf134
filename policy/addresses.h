/* SPDX-License-Identifier: Apache-2.0 */
/* Every address that some rules could tell apart, by an example of each. */
#ifndef SALLYPORT_POLICY_ADDRESSES_H
#define SALLYPORT_POLICY_ADDRESSES_H

#include "policy/rules.h"

#ifdef __cplusplus
extern "C" {
#endif

struct sp_addresses;
struct sp_addresses *sp_addresses_new(void);            /* NULL: no memory */
void sp_addresses_free(struct sp_addresses *addresses); /* accepts NULL */

/* Both return 0 or -ENOMEM. */
int sp_addresses_add(struct sp_addresses *addresses, const struct sp_address *pattern);
int sp_addresses_add_rules(struct sp_addresses *addresses, const struct sp_rules *rules);

/*
 * Calls `fn` with single addresses and ports, so many that whatever holds of some address by the patterns that hold it
 * holds of one of them. Ends where it returns something but 0, and returns it.
 */
int sp_addresses_walk(const struct sp_addresses *addresses, sp_rules_address_fn *fn, void *data);

#ifdef __cplusplus
}
#endif

#endif
