/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The walls that one process builds around itself: namespaces, id maps, mounts, limits,
 * capabilities. Every function acts on the calling process, which has one thread, and returns 0 or
 * -errno.
 */
#ifndef SALLYPORT_BROKER_ISOLATE_H
#define SALLYPORT_BROKER_ISOLATE_H

#include <stdbool.h>
#include <sys/resource.h>

#include "policy/rules.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Enters a new user namespace in which every id means what it means outside: all of them where the
 * caller may map them (root), else its own uid and gid alone, other owners then show as 65534.
 * The caller is dumpable afterwards, which the kernel asks for before it lets it write its maps.
 */
int isolate_user(void);

/* A mount namespace whose changes stay inside, and to which later ones of the host do not come. What takes orders to the
 * machine there (sysfs, cgroups and the like) is read-only. */
int isolate_mount(void);

/*
 * Terminals of one's own: a new instance of devpts on /dev/pts, whose ptmx is /dev/ptmx as well. No terminal of others has
 * a name there. 0, or -errno: there are none.
 */
int isolate_terminals(void);

/* Mounts the procfs of the caller's pid namespace on /proc, in which what is no process's is read-only. */
int isolate_proc(void);
int isolate_ipc(void);
int isolate_uts(void); /* named "sallyport" */
/* A network with nothing in it but a loopback device, which is up where it is asked for. */
int isolate_network(bool loopback);

/* No execve and no child will gain a capability any more; those that one has stay. */
int capabilities_bound(void);

/* Gives up every capability for ever: all sets but the bounding one, which capabilities_bound() has emptied, for us or for
 * a parent of ours, and the ways to regain them. */
int capabilities_drop(void);

/* Whether a filter can be installed without no_new_privs, which keeps programs from their set-id bits. */
bool capabilities_allow_filter(void);

/* Raises the soft limit on descriptors to the hard one; *ret_before: as it was. */
int files_limit_raise(struct rlimit *ret_before);

/* Sets what the policy limits, and cuts off cores. */
int limits_apply(const struct sp_limits *limits);

/*
 * Bounds the number of processes. The kernel does not count root's, and without a user namespace
 * of the sandbox's own it counts all of the user's: -EOPNOTSUPP.
 */
int processes_limit_apply(const struct sp_limits *limits, bool own_user_namespace);

#ifdef __cplusplus
}
#endif

#endif
