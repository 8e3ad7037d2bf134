/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The porter's questions to the application, where the policy says `ask`. The call that raises one is
 * put aside before anything has been done for it, and made again, from the start, when the answer is
 * there: the names are walked anew, and what was allowed is allowed on the very name that was asked
 * about. Others are served meanwhile. All of it is bounded: calls that wait, questions a call, answers
 * that are remembered.
 */
#ifndef SALLYPORT_BROKER_QUESTIONS_H
#define SALLYPORT_BROKER_QUESTIONS_H

#include <linux/seccomp.h>
#include <stdbool.h>
#include <stdint.h>

#include "broker/answers.h"
#include "ipc/wire.pb-c.h"

#ifdef __cplusplus
extern "C" {
#endif

struct sp_porter;
struct sp_questions;
struct sp_ring;

/* How many calls of one sandbox wait for answers, and so the most questions that are open at once. Half
 * of the slots: the other threads of a sandboxee go on. */
#define SP_QUESTIONS_MAX 16

/* Where a call came from, to make it again: a slot of a ring, with its bytes; or a notification. */
struct sp_origin {
	struct sp_ring *ring; /* NULL: a notification */
	uint32_t slot, generation;
	const uint8_t *request; /* borrowed */
	size_t length;
	struct seccomp_notif notification;
};

/* `deadline_ms`: how long a question waits; 0: for ever. 0 or -ENOMEM. */
int sp_questions_new(struct sp_porter *porter, unsigned deadline_ms);
struct sp_questions *sp_questions_free(struct sp_questions *questions); /* accepts NULL */

/* What is remembered, and said of the call in hand; NULL where nobody is asked. */
const struct sp_answers *sp_questions_answers(const struct sp_questions *questions);

/*
 * Puts the call at porter->origin aside until `topic` is answered. False: it can't be asked, since too
 * many wait, or this call has asked enough, or the broker does not listen: the answer is no.
 */
bool sp_questions_put(struct sp_porter *porter, const struct sp_topic *topic, const char *rule);

/* Whether a call of that slot waits. */
bool sp_questions_hold_slot(const struct sp_questions *questions, const struct sp_ring *ring,
			    uint32_t slot);

/* A signal calls the thread away whose call waits in that slot: its call is answered with EINTR. */
void sp_questions_interrupt(struct sp_porter *porter, struct sp_ring *ring, uint32_t slot);

/* Withdraws questions that nobody waits for any more. False: none is open. To be called now and then. */
bool sp_questions_look(struct sp_porter *porter);

/* The ring is about to be freed: nobody waits there any more. */
void sp_questions_forget_ring(struct sp_porter *porter, const struct sp_ring *ring);

/* The broker's answer; one that comes too late is dropped. */
void sp_questions_answer(struct sp_porter *porter,
			 const Sallyport__Wire__BrokerRequest__Answer *answer);

#ifdef __cplusplus
}
#endif

#endif
