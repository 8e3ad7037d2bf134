/* SPDX-License-Identifier: Apache-2.0 */
/* The porter's inside: its object, and serving the slots. */
#ifndef SALLYPORT_BROKER_PORTER_SERVE_H
#define SALLYPORT_BROKER_PORTER_SERVE_H

#include <stdbool.h>
#include <stdint.h>

#include <sallyport/broker.h>

#include "broker/calls.h"
#include "ipc/slots.h"
#include "policy/rules.h"

struct event;
struct sp_notify;

/* How many times in a row busy-waiting may be in vain before it is given up for a while. */
#define SP_SPIN_CREDIT_MAX 8

struct sp_porter {
	int control, channel, doorbell, slots_descriptor, landlock, listener, init, sandboxee,
	    children; /* owned; `children` is a signalfd of SIGCHLD */
	pid_t sandboxee_pid;
	struct sp_caller caller;
	struct sp_view view;    /* owned */
	struct sp_rules *rules; /* owned */
	struct sp_slots *slots; /* shared with the sandboxee: hostile */

	struct event_base *base;
	struct event *control_event, *sandboxee_event, *children_event, *init_event, *channel_event,
	    *doorbell_event, *listener_event, *wall_event;

	bool greeted; /* the handshake is over */
	bool ended;
	enum sp_exit_cause cause;
	int status;

	unsigned spin_us;
	int spin_credit;     /* falls when busy-waiting was in vain */
	unsigned spin_probe; /* counts the requests that were missed since it was given up */
	uint64_t slept_ns;   /* when we last went to sleep */
	bool resumed;        /* we did not sleep: our slice was over */
	bool missed;         /* the request that woke us might have been waited for */

	uint64_t report_second;     /* the second that report_count belongs to */
	unsigned report_count;      /* reports sent in it */
	uint64_t report_suppressed; /* reports swallowed since the last one sent */

	/* One call at a time: its memory, too large for a stack. */
	uint8_t request[SP_SLOT_BYTES] __attribute__((aligned(16)));
	uint8_t arena[32 * 1024] __attribute__((aligned(16)));
	struct sp_answer answer;
	struct sp_refusal refusal;
	struct sp_notify *notify; /* owned; NULL: the sandboxee has a runtime */
};

enum sp_serve_result {
	SP_SERVE_IDLE,  /* nothing pending; the sandboxee rings when there is */
	SP_SERVE_AGAIN, /* the time slice is over; come back without being rung for */
};

/* Serves what is pending, then busy-waits a little for more while that pays. */
enum sp_serve_result sp_porter_serve(struct sp_porter *porter);

/*
 * Decides on one call of porter->caller and acts: the answer is in porter->answer, its descriptor
 * owned there; what was refused has been reported.
 */
void sp_porter_perform(struct sp_porter *porter, const struct sp_call *call);

/* The answer to a system call that is not brokered and that the policy refuses, reported. */
void sp_porter_refuse(struct sp_porter *porter, int nr, uint64_t instruction);

/* How often a caller looks in about that time. */
uint32_t sp_porter_spin_rounds(unsigned microseconds);

/* Ends the sandbox for bytes that no correct runtime sends. `detail` is a constant. */
void sp_porter_violation(struct sp_porter *porter, const char *detail);

#endif
