/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The porter: answers the brokered calls of one sandbox. A library: the launcher hands it
 * descriptors and it runs an event loop until the sandbox has ended; tests hand it descriptors of
 * their own.
 */
#ifndef SALLYPORT_BROKER_PORTER_H
#define SALLYPORT_BROKER_PORTER_H

#include <stdbool.h>
#include <sys/types.h>

#include "broker/calls.h"
#include "broker/ring.h"
#include "policy/rules.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Made by the launcher; the porter takes over every descriptor. */
struct sp_porter_setup {
	int control; /* SOCK_SEQPACKET to the broker: PorterEvent messages out; its end of file ends
			the sandbox */
	/* Of a sandboxee that locks itself, else none: */
	struct sp_ring_ends ring; /* its ends are in the sandboxee */
	int landlock;             /* ruleset that the sandboxee restricts itself with; -1: none */
	/* Of one with a floor, else -1: */
	int listener;        /* user notifications of every process of the sandbox */
	int runtime;         /* the library that LD_PRELOAD names; -1: it names none of ours */
	int init;            /* pidfd of the sandbox's init */
	int sandboxee;       /* pidfd of the sandboxee, a child of the calling process */
	pid_t sandboxee_pid; /* as the kernel numbers it outside */
	pid_t inner_pid;     /* as the sandbox's pid namespace numbers it */
	struct sp_view view;
	struct sp_rules *rules;
	unsigned spin_us;
	bool asks;       /* the application answers questions of the policy */
	unsigned ask_ms; /* how long one waits; 0: for ever */
	const char *
	    helper; /* permissive: the program's interpreter or loader that would be refused it, or "" */
	bool permissive; /* nothing is refused, all that would be is reported; there is no init */
};

/*
 * Allocates what the porter needs, so that it can be confined before it serves: no open, socket or
 * fork after this. 0 or -errno; on error the setup's descriptors are closed.
 */
struct sp_porter;
int sp_porter_prepare_take(struct sp_porter_setup *setup, struct sp_porter **ret_porter);

/*
 * Serves until the sandbox has ended: the sandboxee exited, the control socket closed, a violation,
 * or the wall-clock limit. Then kills the init (and so every process of the pid namespace), waits
 * for it, reports SP_EXIT_* and returns.
 */
int sp_porter_run(struct sp_porter *porter);

struct sp_porter *sp_porter_free(struct sp_porter *porter);

#ifdef __cplusplus
}
#endif

#endif
