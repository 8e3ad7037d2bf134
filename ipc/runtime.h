/* SPDX-License-Identifier: Apache-2.0 */
/* What the sandboxee's runtime, its filter and the porter must agree on. */
#ifndef SALLYPORT_IPC_RUNTIME_H
#define SALLYPORT_IPC_RUNTIME_H

#include <stdbool.h>
#include <stdint.h>

/* Grows with every change of the messages, the table or the slots. Both ends are of one release. */
#define SP_PROTOCOL_VERSION 6u

/* Descriptors of a sandboxee that its program neither sees closed nor can replace. High, so that
 * lowest-free allocation and sweeps of small numbers miss them. */
#define SP_RESERVED_FIRST 1022
#define SP_DOORBELL_FD 1022
#define SP_CHANNEL_FD 1023
#define SP_RESERVED_LAST 1023

static inline bool sp_is_reserved(int descriptor)
{
	return descriptor >= SP_RESERVED_FIRST && descriptor <= SP_RESERVED_LAST;
}

/*
 * Numbers of calls that no kernel has. A floor brings them before the porter, and the filter of a
 * runtime on top lets them pass; without a floor they fail with ENOSYS.
 *
 * SP_NR_CHANNEL(SP_PROTOCOL_VERSION, flags): asks for a ring of the calling process's own, in the
 * place of one that it has. Channel and doorbell then stand at their numbers, and in the channel what
 * belongs to them: with SP_CHANNEL_LOCK the Welcome, then the Parcels. 0; -EPROTO: of another
 * release; -EPERM: it is under filters that are not ours; -EBUSY: with SP_CHANNEL_LOCK, the process has
 * other threads; -EAGAIN: the sandbox has as many rings as it may, or the process shares its descriptors
 * with another one that has a ring; -EBADF: RLIMIT_NOFILE ends below the numbers; or another errno.
 *
 * SP_NR_FORWARD(struct sp_forwarded *): makes a call that the filter on top has trapped by way of the
 * floor. Its result is the call's.
 */
#define SP_NR_CHANNEL 0x3f505300
#define SP_NR_FORWARD 0x3f505301
#define SP_NR_RESERVED_LAST SP_NR_FORWARD

#define SP_CHANNEL_LOCK 1u

struct sp_forwarded {
	uint64_t nr;
	uint64_t argument[6];
};

/* What LD_PRELOAD names for a program that is to have the runtime on top: the floor's porter gives the
 * library for it. No procfs has such an entry. */
#define SP_RUNTIME_NAME "/proc/self/sallyport-runtime"

/* A value in an unused argument (or the ignored upper half of a 32-bit one) by which the filter
 * lets the runtime's own calls through. It can be forged: only calls that harm nobody but the
 * caller have such an exemption. */
#define SP_RUNTIME_MARK 0x53505254u

/* What SECCOMP_RET_TRAP bears where the filter traps the reading of a directory, which the policy allows, for
 * the runtime to make it with the mark and leave the reserved descriptors out. */
#define SP_TRAP_LISTS 1u

/* The error of that call where a phase that was entered meanwhile refuses it; no file system has it. */
#define SP_LISTS_REFUSED 4095u

/* A thread that the porter makes, and the signal that interrupts one: ignored by who does not expect
 * it. <sched.h>, <signal.h>. */
#define SP_WORKER_CLONE                                                                            \
	(CLONE_VM | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM |                   \
	 CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID)
#define SP_WORKER_SIGNAL SIGURG

/* seccomp(2) with this operation, which the kernel will not have, and the id of a phase: the calling
 * sandboxee enters that phase of its policy. Always intercepted where a policy has phases. */
#define SP_PHASE_OPERATION 0x53505048u

/* So many changes of a sandbox may be under way, which its porter has not answered. */
#define SP_CHANGES_MAX 64

/* FNV-1a of its name. */
static inline uint64_t sp_phase_id(const char *name)
{
	uint64_t id = UINT64_C(14695981039346656037);

	for (; *name; name++)
		id = (id ^ (unsigned char)*name) * UINT64_C(1099511628211);
	return id;
}

#endif
