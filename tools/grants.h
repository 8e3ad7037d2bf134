/* SPDX-License-Identifier: Apache-2.0 */
/* The policy of a run, and what the command line adds to it. */
#ifndef SALLYPORT_TOOLS_GRANTS_H
#define SALLYPORT_TOOLS_GRANTS_H

#include <sallyport/policy.h>

/*
 * Grants rights on a file, or on a folder and all that is below it. `option` is what reports call the
 * rule's place. A name that does not exist is granted only where the rights can make it.
 * Returns 0, or -errno after a complaint.
 */
int grant_path(struct sp_policy *policy, const char *rights, const char *path, const char *option);

/* The same for connections: to TCP ADDRESS:PORT, before which "tcp:" may stand, or to a unix socket or those of a folder. */
int grant_connect(struct sp_policy *policy, const char *address, const char *option);

/* Adds the seccomp filter that a file holds. Returns 0, or -errno after a complaint. */
int add_filter(struct sp_policy *policy, const char *path);

/* Puts the filters into the order of a profile, a file. Returns 0, or -errno after a complaint. */
int add_profile(struct sp_policy *policy, const char *path);

/* Sets a limit from NAME=VALUE. Returns 0, or -errno after a complaint. */
int set_limit(struct sp_policy *policy, const char *assignment);

/* A preset, or a file, which may also be named without a slash where there is no such preset; "#NAME"
 * behind a file chooses among its policies.
 * Returns 0, or -errno after its mistakes were printed. */
int load_policy(const char *name, const struct sp_policy_options *options,
		struct sp_policy **ret_policy);

#endif
