/* SPDX-License-Identifier: Apache-2.0 */
/* What the sandboxee's runtime, its filter and the porter must agree on. */
#ifndef SALLYPORT_IPC_RUNTIME_H
#define SALLYPORT_IPC_RUNTIME_H

/* Grows with every change of the messages, the table or the slots. Both ends are of one release. */
#define SP_PROTOCOL_VERSION 3u

/* Descriptors of a sandboxee that its program neither sees closed nor can replace. High, so that
 * lowest-free allocation and sweeps of small numbers miss them. */
#define SP_RESERVED_FIRST 1022
#define SP_DOORBELL_FD 1022
#define SP_CHANNEL_FD 1023
#define SP_RESERVED_LAST 1023

/* A value in an unused argument (or the ignored upper half of a 32-bit one) by which the filter
 * lets the runtime's own calls through. It can be forged: only calls that harm nobody but the
 * caller have such an exemption. */
#define SP_RUNTIME_MARK 0x53505254u

/* A thread that the porter makes, and the signal that interrupts one: ignored by who does not expect
 * it. <sched.h>, <signal.h>. */
#define SP_WORKER_CLONE                                                                            \
	(CLONE_VM | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM |                   \
	 CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID)
#define SP_WORKER_SIGNAL SIGURG

#endif
