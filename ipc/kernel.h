/* SPDX-License-Identifier: Apache-2.0 */
/* Constants newer than the kernel headers of Debian 12 (6.1), each with the Linux release that
 * brought it. */
#ifndef SALLYPORT_IPC_KERNEL_H
#define SALLYPORT_IPC_KERNEL_H

#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83 /* 6.16 */
#endif

#ifndef PIDFD_THREAD
#define PIDFD_THREAD O_EXCL /* 6.9 */
#endif

#ifndef __NR_fchmodat2
#define __NR_fchmodat2 452 /* 6.6 */
#endif

/* Landlock ABI 3 (6.2), 4 (6.7), 5 (6.10), 6 (6.12). */
#ifndef LANDLOCK_ACCESS_FS_TRUNCATE
#define LANDLOCK_ACCESS_FS_TRUNCATE (1ULL << 14)
#endif
#ifndef LANDLOCK_ACCESS_FS_IOCTL_DEV
#define LANDLOCK_ACCESS_FS_IOCTL_DEV (1ULL << 15)
#endif
#ifndef LANDLOCK_ACCESS_NET_BIND_TCP
#define LANDLOCK_ACCESS_NET_BIND_TCP (1ULL << 0)
#define LANDLOCK_ACCESS_NET_CONNECT_TCP (1ULL << 1)
#endif
#ifndef LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET
#define LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET (1ULL << 0)
#define LANDLOCK_SCOPE_SIGNAL (1ULL << 1)
#endif

#define SP_LANDLOCK_RULE_NET_PORT 2 /* an enumerator where headers have it */
struct sp_landlock_net_port_attr {
	unsigned long long allowed_access;
	unsigned long long port;
};

/* The ruleset attributes as of ABI 6; a shorter kernel accepts it while the newer members are zero.
 */
struct sp_landlock_ruleset_attr {
	unsigned long long handled_access_fs;
	unsigned long long handled_access_net;
	unsigned long long scoped;
};

#endif
