/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The second wall. A superset of the policy: Landlock knows neither globs nor stat, and its rules
 * follow directories, not names.
 */
#ifndef SALLYPORT_BROKER_LANDLOCK_H
#define SALLYPORT_BROKER_LANDLOCK_H

#include <stdbool.h>

#include "policy/rules.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Restricts the calling process, the porter to be, and with it all that it creates later: reads and
 * executes everywhere, since a cooperative program loads its libraries before it locks itself;
 * changes only what the policy grants to change; no network, but that which the sandbox has for itself where
 * the policy leaves bind(2) or connect(2) to the kernel, and no TCP socket of another one is passed (`outer_tcp`). Signals are not scoped here: the
 * porter kills the init, which had to be made before the domain, since nobody may mount inside one.
 * 0; -ENOSYS, -EOPNOTSUPP: the kernel lacks Landlock; another -errno.
 */
int landlock_restrict_porter(const struct sp_rules *rules, bool outer_tcp);

/* A ruleset that denies all that the running kernel lets it deny, for a process that is about to
 * lock itself. Errors as above. */
int landlock_make_sandboxee(const struct sp_rules *rules, bool outer_tcp, int *ret_ruleset);

/*
 * The same for a program that runs on a floor: it may be executed, with its interpreter and loader,
 * and so may what the policy grants to execute; all other names go through the porter.
 */
int landlock_make_floor(const struct sp_rules *rules, bool outer_tcp, const char *program,
			int *ret_ruleset);

/* Restricts the calling process. 0 or -errno. */
int landlock_restrict(int ruleset);

#ifdef __cplusplus
}
#endif

#endif
