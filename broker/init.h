/* SPDX-License-Identifier: Apache-2.0 */
/* Pid 1 of a sandbox: owns the pid namespace, has mounted its /proc, reaps orphans. */
#ifndef SALLYPORT_BROKER_INIT_H
#define SALLYPORT_BROKER_INIT_H

#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct init_process {
	pid_t pid;     /* as the caller's pid namespace numbers it */
	int pidfd;     /* readable once every process of the namespace has ended */
	int lifeline;  /* it waits here for init_release(), and ends on end of file */
	int proc;      /* O_PATH of the /proc that it mounted */
	int namespace; /* its pid namespace, for setns(2) */
};

#define INIT_PROCESS_NONE                                                                          \
	{                                                                                          \
		.pid = -1, .pidfd = -1, .lifeline = -1, .proc = -1, .namespace = -1                \
	}

/*
 * Clones init into a new pid namespace and waits until it has mounted /proc over that of the
 * calling process's mount namespace. It dies with the caller. On error nothing is left of it.
 */
int init_start(struct init_process *ret_init);

/* Lets it go on; before, no process may be put into its namespace. 0 or -errno. */
int init_release(struct init_process *init);

void init_close(struct init_process *init);

#ifdef __cplusplus
}
#endif

#endif
