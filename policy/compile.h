/* SPDX-License-Identifier: Apache-2.0 */
/* From a policy to the bytes that spawner and porter load with sp_rules_load(). */
#ifndef SALLYPORT_POLICY_COMPILE_H
#define SALLYPORT_POLICY_COMPILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sallyport/policy.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Compiles filter, path rules and limits into an encoded CompiledPolicy. Rules whose literal prefix
 * leads through a symbolic link gain a twin for what it points to now. The caller frees *ret_bytes
 * with free(3). Returns 0, -ENOMEM, or -E2BIG where the filter would be too long.
 */
int sp_policy_compile(struct sp_policy *policy, uint8_t **ret_bytes, size_t *ret_length);

/* The same for one launch, whose porter has a `listener` or has none: in the place of the filter of the other kind of porter
 * stands one that kills. */
int sp_policy_compile_for(struct sp_policy *policy, bool listener, uint8_t **ret_bytes,
			  size_t *ret_length);

/* The same without filters, in whose place one stands that kills: for questions about names. */
int sp_policy_compile_bare(struct sp_policy *policy, uint8_t **ret_bytes, size_t *ret_length);

/*
 * The canonical name of what a path leads to on this machine: without empty components, "." and "..",
 * and with the symbolic links of the part that exists resolved; `follow`: also one that is its last
 * component. To be freed; NULL: no memory, or too long.
 */
char *sp_resolve_name(const char *path, bool follow);

/*
 * What narrows a sandbox of `whole` to `policy` while it runs: an encoded Phase for sp_rules_narrow(). 0, -ENOMEM,
 * -E2BIG as above, or -EOPNOTSUPP: `policy` has filters of others, which can't come later.
 */
int sp_policy_compile_narrowing(const struct sp_policy *whole, struct sp_policy *policy,
				uint8_t **ret_bytes, size_t *ret_length);

/* The ids of its phases, at most SP_PHASES_MAX. Returns how many. */
size_t sp_policy_phase_ids(const struct sp_policy *policy, uint64_t *ret_ids);

#ifdef __cplusplus
}
#endif

#endif
