/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The runtime inside a locked process. Everything declared here runs in the SIGSYS handler, with
 * all signals blocked: raw system calls only; no TLS, no errno, no malloc, no lock but the
 * channel's.
 */
#ifndef SALLYPORT_SANDBOXEE_RUNTIME_H
#define SALLYPORT_SANDBOXEE_RUNTIME_H

#include <linux/filter.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <ucontext.h>

#include "ipc/calls.h"
#include "ipc/slots.h"

#define SP_STACK_SIZE (64u * 1024u)
#define SP_ARGUMENTS 6

/* The phases of the policy, with their filters, mapped to be read alone. */
#define SP_PHASES_MAX 8
struct sp_phase {
	uint64_t id;
	struct sock_filter *code;
	size_t length;
};
struct sp_phases {
	struct sp_phase list[SP_PHASES_MAX];
	size_t count;
};

/*
 * What the handler must reach: the library's only mutable globals. Written once before the lock,
 * but for the members marked *. None of it protects anything: a hostile sandboxee that edits it
 * harms itself.
 */
struct sp_runtime {
	bool locked;
	bool floor;     /* one lies below: who has no ring can still ask by its way */
	bool preloaded; /* * locked before the program could ask for it */
	/* * In a page that a forked child finds empty. The process whose ring this is, 0: nobody's,
	 * or, with SP_OWNER_BECOMING, the one that is about to get one. A futex. */
	_Atomic uint32_t *owner;
	struct sp_slots *slots; /* * shared with the porter; no child inherits them */
	uint8_t *stacks;        /* SP_SLOT_COUNT of them, each above a guard page */
	size_t stack_stride;

	struct sp_phases phases; /* not for the handler */

	uint64_t proc_device; /* st_dev of the sandbox's /proc; 0: there is none */

	_Atomic uint32_t umask; /* * */

	_Atomic uint32_t channel_lock; /* * futex: 0 free, 1 held, 2 held and waited for */
	int received[SP_SLOT_COUNT];   /* * under channel_lock: a descriptor or -errno that another
					  thread took in */
	uint32_t received_for[SP_SLOT_COUNT]; /* * the generation it belongs to */

	_Atomic uint32_t
	    released; /* * futex: counts releases of slots while somebody waits for one */
	_Atomic uint32_t waiting; /* * threads that wait for a slot */
};

extern struct sp_runtime sp_runtime;

#define SP_OWNER_BECOMING 0x80000000u

/* One trapped call, as the handler sees it. Lives on the interrupted stack: small. */
struct sp_trap {
	int nr;
	pid_t tid;  /* of the calling thread */
	pid_t pid;  /* of its process, which may be a child of the one that locked */
	bool guest; /* it only shares its memory with the process whose runtime this is, as after
			 vfork(2): that one's state is not to be touched */
	uint64_t instruction;
	long argument[SP_ARGUMENTS];
	ucontext_t *context;
	const siginfo_t *info;
};

/* ---- memory.c: copies that answer a wild pointer with -EFAULT -----------------------------------
 */

/* 0 or -EFAULT. `pid` is the caller's own. */
int sp_memory_read(pid_t pid, void *to, const void *from, size_t length);
int sp_memory_write(pid_t pid, void *to, const void *from, size_t length);

/* A NUL-terminated string of less than `size` bytes. Its length, -EFAULT, or -ENAMETOOLONG. */
ssize_t sp_memory_read_string(pid_t pid, char *to, const void *from, size_t size);

/* ---- signals.c: SIGSYS stays deliverable, and the program does not notice
 * ------------------------ */

long sp_signals_procmask(const struct sp_trap *trap);
long sp_signals_action(const struct sp_trap *trap);
long sp_signals_pending(const struct sp_trap *trap);
long sp_signals_suspend(const struct sp_trap *trap);
long sp_signals_ppoll(const struct sp_trap *trap);
long sp_signals_pselect(const struct sp_trap *trap);
long sp_signals_epoll(const struct sp_trap *trap);

/*
 * What a signal that has come meanwhile does to a call that waits, as its disposition says: -EINTR,
 * SP_SIGNALS_AGAIN (the call is made again behind its handler), or 0: there is none.
 */
#define SP_SIGNALS_AGAIN 1
long sp_signals_interruption(const struct sp_trap *trap);

/* Has the program make its call again; returns what its result register must hold for that. */
long sp_signals_again(const struct sp_trap *trap);

/* A SIGSYS that no filter raised: does what the program believes that the signal does. */
void sp_signals_deliver(pid_t pid, const siginfo_t *info, ucontext_t *context);

/* ---- local.c: descriptors that the program must not touch, and its umask
 * -------------------------- */

long sp_local_close_range(const struct sp_trap *trap);
long sp_local_bad_descriptor(const struct sp_trap *trap);
long sp_local_umask(const struct sp_trap *trap);

/* ---- listing.c: directories without the reserved descriptors
 * -------------------------------------- */

long sp_listing_read(const struct sp_trap *trap);

/* ---- trap.c: what the runtime does not answer by itself
 * -------------------------------------- */

long sp_trap_ask(const struct sp_trap *trap);

/* ---- forward.c: to the porter
 * --------------------------------------------------------------------- */

/* Sends a brokered call, or, with info NULL, the report of a refused one; returns what the program
 * gets. */
long sp_forward(const struct sp_trap *trap, const struct sp_call_info *info);

/* The same for a thread that no ring serves: by way of the floor. -EIO where there is none. */
long sp_forward_below(const struct sp_trap *trap);

/* ---- child.c: who has a ring
 * ---------------------------------------------------------------------- */

/* The process that locks itself: children inherit neither the slots nor what stands in the owner's
 * page. 0 or -ENOMEM. */
int sp_owner_take(void);

/* Whether somebody else owns the runtime in the process's memory. */
bool sp_owner_is_other(pid_t pid);

/* Whether the process has a ring, which a forked child gets here and now. */
bool sp_owner_hold(pid_t pid);

/* ---- phase.c: not for the handler */

/* Maps a filter. 0, -EPROTO or -ENOMEM. */
int sp_phase_add(struct sp_phases *phases, uint64_t id, int file);
void sp_phases_clear(struct sp_phases *phases);

/* ---- trap.c
 * ---------------------------------------------------------------------------------------- */

/* The handler of SIGSYS. Installed with every signal in its mask, and not with SA_ONSTACK: on an
 * alternate stack a vfork child would overwrite its parent's frame. */
void sp_trap_handler(int signal, siginfo_t *info, void *context);

#endif
