/* SPDX-License-Identifier: Apache-2.0 */
/* The porter's inside: its object, and serving the slots. */
#ifndef SALLYPORT_BROKER_PORTER_SERVE_H
#define SALLYPORT_BROKER_PORTER_SERVE_H

#include <linux/seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include <sallyport/broker.h>

#include "broker/calls.h"
#include "broker/links.h"
#include "broker/questions.h"
#include "broker/ring.h"
#include "broker/worker.h"
#include "ipc/runtime.h"
#include "ipc/slots.h"
#include "policy/rules.h"

struct event;
struct event_base;
struct sp_notify;

/* Events are dispatched by priority: the end of the sandbox is never behind a flood of its calls. */
enum { SP_PRIORITY_END, SP_PRIORITY_CALLS, SP_PRIORITY_COUNT };

/* What the event loop waits for. */
struct sp_event_source {
	int descriptor; /* -1: none */
	short edge;     /* EV_ET or 0 */
	void (*callback)(int descriptor, short what, void *data);
	int priority;
	struct event **ret_event;
};

/* 0 or -ENOMEM; the event is the caller's in either case. */
int sp_event_source_add(struct event_base *base, const struct sp_event_source *source, void *data);

/* A change that was made, or failed with this errno. */
struct sp_changed {
	uint64_t number;
	uint32_t error;
};

struct sp_porter {
	int control, landlock, listener, runtime, init, sandboxee,
	    children; /* owned; `children` is a signalfd of SIGCHLD */
	pid_t sandboxee_pid, inner_pid;
	struct sp_caller caller;
	struct sp_view view;                 /* owned */
	struct sp_rules *rules;              /* owned */
	struct sp_ring *rings[SP_RINGS_MAX]; /* owned; NULL: a free place */

	struct event_base *base;
	struct event *control_event, *sandboxee_event, *children_event, *init_event,
	    *listener_event, *workers_event, *look_event, *wall_event;

	bool locked; /* the broker knows */
	bool ended;
	bool permissive;
	const char *helper; /* borrowed; see struct sp_porter_setup */
	siginfo_t
	    first_end; /* permissive: of the sandboxee, which others outlive; si_pid 0: not yet */
	enum sp_exit_cause cause;
	int status;

	unsigned spin_us;
	uint32_t spin_rounds; /* how often a caller looks in that time */

	uint64_t report_second;     /* the second that report_count belongs to */
	unsigned report_count;      /* reports sent in it */
	uint64_t report_suppressed; /* reports swallowed since the last one sent */

	/* One call at a time: its memory, too large for a stack. */
	uint8_t request[SP_SLOT_BYTES] __attribute__((aligned(16)));
	uint8_t arena[32 * 1024] __attribute__((aligned(16)));
	struct sp_answer answer;
	struct sp_refusal refusal;
	struct sp_work work;                       /* what is left of it */
	struct sp_origin origin;                   /* where it came from, to put it aside */
	struct sp_notify *notify;                  /* owned; NULL: the sandboxee has a runtime */
	struct sp_workers *workers;                /* owned; does what may wait */
	struct sp_questions *questions;            /* owned; NULL: the application is not asked */
	struct sp_links links;                     /* owned: that were made here */
	struct sp_judgement *judgement;            /* owned; NULL: not permissive */
	const struct seccomp_data *seen;           /* permissive: the call in hand, else NULL */
	struct sp_changed changed[SP_CHANGES_MAX]; /* what the broker is still to hear */
	size_t changed_count;
	struct event *writable_event;   /* of the control socket, while it is full of that */
	int phase_files[SP_PHASES_MAX]; /* owned: memfds of their filters; -1: none */
};

enum sp_serve_result {
	SP_SERVE_IDLE,  /* nothing pending; the sandboxee rings when there is */
	SP_SERVE_AGAIN, /* the time slice is over; come back without being rung for */
};

/* Serves what is pending, then busy-waits a little for more while that pays. */
enum sp_serve_result sp_porter_serve(struct sp_ring *ring);

/*
 * Decides on one call of porter->caller and acts: the answer is in porter->answer, its descriptor
 * owned there; what was refused has been reported. False: the application is asked first, and the call
 * was put aside.
 */
bool sp_porter_perform(struct sp_porter *porter, const struct sp_call *call);

/* A slot's call that was put aside, once more. */
void sp_porter_serve_again(struct sp_porter *porter, const struct sp_origin *origin);

/*
 * The call that was decided on last may wait: true where a worker does it, and the waiter is answered
 * when it is done. Else porter->answer is the answer.
 */
bool sp_porter_leave(struct sp_porter *porter, const struct sp_waiter *waiter);

/* Callers that wait are looked at from now on. */
void sp_porter_look_soon(struct sp_porter *porter);

/* Answers with porter->answer who waited for a slot's call. */
void sp_porter_answer(struct sp_porter *porter, const struct sp_waiter *waiter);

/* Enters a phase: 0 or -errno. What was known of links was so by the rules before it. */
int sp_porter_narrow(struct sp_porter *porter, uint64_t phase);

/* A system call that enters a phase of the policy, if it is one: its answer. */
bool sp_porter_enter_phase(struct sp_porter *porter, int nr, const uint64_t *argument);

/* The answer to a system call that is not brokered and that the policy refuses, reported. */
void sp_porter_refuse(struct sp_porter *porter, int nr, uint64_t instruction);

/* Whether the process of a pidfd has. */
bool sp_process_has_ended(int pidfd);

/* How often a caller looks in about that time. */
uint32_t sp_porter_spin_rounds(unsigned microseconds);

/* Ends the sandbox for bytes that no correct runtime sends. `detail` is a constant. */
void sp_porter_violation(struct sp_porter *porter, const char *detail);

#endif
