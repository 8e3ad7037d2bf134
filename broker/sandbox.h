/* SPDX-License-Identifier: Apache-2.0 */
/* A sandbox as the broker sees it, from the inside: for the files sandbox*.c. */
#ifndef SALLYPORT_BROKER_SANDBOX_H
#define SALLYPORT_BROKER_SANDBOX_H

#include "broker/internal.h"
#include "policy/rules.h"

#define SANDBOX_STREAMS 2 /* stdout and stderr */

/* A descriptor that is watched until it ends. */
struct source {
	int descriptor; /* owned; -1: ended, or never was */
	struct event *event;
	struct sp_sandbox *sandbox;
	int stream; /* of output: 1 or 2 */
};

struct sp_sandbox {
	TAILQ_ENTRY(sp_sandbox) entry;
	struct sp_broker *broker; /* borrowed; valid until freed */
	struct sp_policy *policy; /* permissive: owned, a reference; else NULL */
	uint32_t id;
	unsigned references;
	bool freed;

	sp_started_fn *on_started;
	sp_locked_fn *on_locked;
	sp_stopped_fn *on_stopped;
	sp_report_fn *on_report;
	sp_output_fn *on_output;
	sp_ask_fn *on_ask;
	sp_withdrawn_fn *on_withdrawn;
	sp_exit_fn *on_exit;
	void *data;
	struct open_questions questions;
	uint64_t phases[SP_PHASES_MAX]; /* of its policy, by id */
	size_t phase_count;
	struct sp_policy *launched; /* owned, a reference: what it runs under */
	sp_changed_fn *on_changed;
	uint64_t change_count, changed_count; /* sent, and answered */
	size_t narrowing_count;
	bool edits_locked;

	struct source control, porter, init, output[SANDBOX_STREAMS];
	struct event *end_event;  /* on_exit comes from the loop, never from within a call */
	struct event *wall_event; /* NULL: no limit on time */
	uint64_t wall_ms;
	bool wall_over;       /* and the porter was killed for it */
	bool awaiting_porter; /* the spawner has not said what became of the launch */
	bool announced_init;
	bool kill_wanted;
	bool ended; /* on_exit is due or was called */

	struct sp_exit exit; /* cause 0: not known yet */
	char *layer, *cure;  /* owned, behind `exit` */
};

/* ---- sandbox.c ---- */

/* Output is heard from here on: a fast program writes before its start was reported, and on_output is
 * not to come before on_started. */
void sandbox_arm_output(struct sp_sandbox *sandbox);

/* Starts the broker's own clock, where time is limited, behind the porter's, which runs already. 0 or -ENOMEM. */
int sandbox_start_clock(struct sp_sandbox *sandbox);

/* Takes the init's pidfd, also on error. 0 or -ENOMEM. */
int sandbox_watch_init_take(struct sp_sandbox *sandbox, int pidfd);

/* The first that is said of its end stands. */
void sandbox_set_exit(struct sp_sandbox *sandbox, enum sp_exit_cause cause, int status);

/* ---- sandbox_requests.c: what the application hears of its questions and changes ---- */

/* Of every question that it need not answer any more. */
void sandbox_withdraw(struct sp_sandbox *sandbox, uint64_t id);

/* Of every change once. */
void sandbox_answer_change(struct sp_sandbox *sandbox, int error);

/* ---- sandbox_events.c ---- */

/* What the porter says: may call back, and with that free. Takes *descriptor where it has a use for it, and leaves -1
 * there. 0, -EBADMSG (no porter of ours says that), -ENOMEM. */
int sandbox_take_event(struct sp_sandbox *sandbox, const Sallyport__Wire__PorterEvent *event,
		       int *descriptor);

#endif
