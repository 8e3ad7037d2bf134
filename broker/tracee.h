/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Threads of the sandbox that are held by ptrace(2) for a moment, for what only the caller itself
 * can do: chdir, which becomes an fchdir on a descriptor that was checked; taking an O_PATH
 * descriptor from a socket; and execve, whose outcome is checked before the new program's first
 * instruction.
 *
 * A state machine driven by SIGCHLD: nothing here waits.
 */
#ifndef SALLYPORT_BROKER_TRACEE_H
#define SALLYPORT_BROKER_TRACEE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/user.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SP_TRACEES_MAX 64

struct sp_tracee;
struct sp_tracees;
typedef void sp_tracee_step(struct sp_tracees *tracees, struct sp_tracee *tracee, int status);

struct sp_tracee {
	pid_t tid, pid;       /* by the outer pid namespace; tid 0: free */
	sp_tracee_step *step; /* what the next stop means */
	void (*next)(struct sp_tracee *tracee, long result); /* behind an injected call */
	struct user_regs_struct saved;
	uint64_t mask;  /* its signal mask, meanwhile all are blocked */
	int socket;     /* its own; the descriptor waits there */
	int descriptor; /* its own; -1: not received yet */
	bool directory; /* change to it and close it, else leave it open */
	bool close_on_exec;
	long result; /* what the program gets */
};

struct sp_tracees {
	struct sp_tracee tracee[SP_TRACEES_MAX];
	/* Says whether the process may be what it has become by an execve. */
	bool (*may_run)(void *data, pid_t pid);
	void *data;
	pid_t child; /* of ours among the threads, whose end is not taken here */
};

/* process_vm_readv(2) or process_vm_writev(2) of one piece: bytes moved, or -1. */
long sp_process_transfer(long nr, pid_t pid, void *here, uint64_t there, size_t length);

/*
 * Holds a thread, which sits in a call that waits for our answer: it will stop when that has been
 * given. 0; -EAGAIN: too many are held; -EPERM: it can't be traced, since somebody else does.
 */
int sp_tracee_hold(struct sp_tracees *tracees, pid_t tid, pid_t pid, struct sp_tracee **ret_tracee);

/* What is to happen when it stops; nothing: it is only let go. */
void sp_tracee_release(struct sp_tracee *tracee);
void sp_tracee_check_execution(struct sp_tracee *tracee);

/*
 * It takes a descriptor from its own socket `socket`, which is closed: to change to it, or as the
 * result of its call. For O_PATH descriptors, which a user notification can't install.
 */
void sp_tracee_receive(struct sp_tracee *tracee, int socket, bool directory, bool close_on_exec);

/* Whether holding another thread of the process has to wait: one is held that executes, or, where the
 * other is to execute, any. */
bool sp_tracees_conflict(const struct sp_tracees *tracees, pid_t pid, bool executes);

bool sp_tracees_hold(const struct sp_tracees *tracees, pid_t tid);

/* Looks at all that are held. */
void sp_tracees_reap(struct sp_tracees *tracees);

#ifdef __cplusplus
}
#endif

#endif
