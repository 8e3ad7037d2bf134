/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/questions.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "broker/notify.h"
#include "broker/porter_events.h"
#include "broker/porter_serve.h"
#include "ipc/util.h"

struct question {
	uint64_t id; /* 0: free */
	struct sp_topic topic;
	struct sp_porter *porter;
	struct event *deadline;
	bool left; /* nobody waits for it, since the last look */
};

/* A call that waits. */
struct waiter {
	uint64_t question; /* 0: free */
	struct sp_origin origin;
	uint8_t *request; /* owned: what origin.request is */
	struct sp_once once;
};

struct sp_questions {
	struct question open[SP_QUESTIONS_MAX];
	struct waiter waiters[SP_QUESTIONS_MAX];
	struct sp_answers *answers; /* owned */
	struct sp_once once;        /* of the call in hand */
	uint64_t last_id;
	unsigned deadline_ms;
};

static struct timeval milliseconds(unsigned count)
{
	return (struct timeval){.tv_sec = count / 1000,
				.tv_usec = (suseconds_t)(count % 1000 * 1000)};
}

/* ---- opening and closing ---- */

static struct question *find_topic(struct sp_questions *questions, const struct sp_topic *topic)
{
	for (size_t i = 0; i < SP_QUESTIONS_MAX; i++)
		if (questions->open[i].id && sp_topic_equal(&questions->open[i].topic, topic))
			return &questions->open[i];
	return NULL;
}

static struct question *find_id(struct sp_questions *questions, uint64_t id)
{
	for (size_t i = 0; i < SP_QUESTIONS_MAX; i++)
		if (id && questions->open[i].id == id)
			return &questions->open[i];
	return NULL;
}

static void close_question(struct question *question)
{
	if (question->deadline)
		event_free(question->deadline);
	sp_topic_clear(&question->topic);
	*question = (struct question){0};
}

static bool is_awaited(const struct sp_questions *questions, uint64_t id)
{
	for (size_t i = 0; i < SP_QUESTIONS_MAX; i++)
		if (questions->waiters[i].question == id)
			return true;
	return false;
}

static void time_is_over(evutil_socket_t unused, short what, void *data);

static int start_deadline(struct question *question, unsigned deadline_ms)
{
	struct timeval after = milliseconds(deadline_ms);

	if (deadline_ms == 0)
		return 0;
	question->deadline = evtimer_new(question->porter->base, time_is_over, question);
	return question->deadline && evtimer_add(question->deadline, &after) == 0 ? 0 : -ENOMEM;
}

/* There are no more of them than of those who wait, but for those that were just left: one of these
 * gives way. */
static struct question *find_place(struct sp_porter *porter)
{
	struct question *left = NULL;

	for (size_t i = 0; i < SP_QUESTIONS_MAX; i++) {
		struct question *question = &porter->questions->open[i];

		if (!question->id)
			return question;
		if (!is_awaited(porter->questions, question->id))
			left = question;
	}
	if (left) {
		sp_porter_withdraw(porter, left->id);
		close_question(left);
	}
	return left;
}

/* NULL: it can't be put. */
static struct question *open_question(struct sp_porter *porter, const struct sp_topic *topic,
				      const char *rule)
{
	struct sp_questions *questions = porter->questions;
	struct question *question = find_place(porter);

	if (!question)
		return NULL;
	if (sp_topic_copy(topic, &question->topic) < 0)
		return NULL;
	question->porter = porter;
	question->id = questions->last_id + 1;
	if (start_deadline(question, questions->deadline_ms) < 0 ||
	    sp_porter_ask(porter, question->id, topic, rule) < 0) {
		close_question(question);
		return NULL;
	}
	questions->last_id++;
	return question;
}

/* ---- those who wait ---- */

static void release(struct waiter *waiter)
{
	free(waiter->request);
	sp_once_clear(&waiter->once);
	*waiter = (struct waiter){0};
}

static struct waiter *find_room(struct sp_questions *questions)
{
	for (size_t i = 0; i < SP_QUESTIONS_MAX; i++)
		if (!questions->waiters[i].question)
			return &questions->waiters[i];
	return NULL;
}

static int keep_origin(struct waiter *waiter, const struct sp_origin *origin)
{
	waiter->origin = *origin;
	if (!origin->ring)
		return 0;
	waiter->request = malloc(origin->length);
	if (!waiter->request)
		return -ENOMEM;
	memcpy(waiter->request, origin->request, origin->length);
	waiter->origin.request = waiter->request;
	return 0;
}

bool sp_questions_put(struct sp_porter *porter, const struct sp_topic *topic, const char *rule)
{
	struct sp_questions *questions = porter->questions;
	struct question *question;
	struct waiter *waiter;

	if (!questions || questions->once.count == SP_ONCE_MAX)
		return false;
	waiter = find_room(questions);
	if (!waiter || keep_origin(waiter, &porter->origin) < 0)
		return false;
	/* Threads that ask the same share a question. */
	question = find_topic(questions, topic);
	if (!question)
		question = open_question(porter, topic, rule);
	if (!question) {
		release(waiter);
		return false;
	}
	waiter->question = question->id;
	waiter->once = questions->once;
	questions->once.count = 0;
	sp_porter_look_soon(porter);
	return true;
}

bool sp_questions_hold_slot(const struct sp_questions *questions, const struct sp_ring *ring,
			    uint32_t slot)
{
	for (size_t i = 0; questions && i < SP_QUESTIONS_MAX; i++) {
		const struct waiter *waiter = &questions->waiters[i];

		if (waiter->question && waiter->origin.ring == ring && waiter->origin.slot == slot)
			return true;
	}
	return false;
}

/* The call is made again, with one answer more. Where there is no memory for that it asks anew. */
static void resume(struct sp_porter *porter, struct waiter *from, const struct sp_topic *topic,
		   bool allowed)
{
	struct sp_questions *questions = porter->questions;
	struct waiter waiter = *from;
	struct sp_topic copy;

	*from = (struct waiter){0}; /* which it may come to again */
	questions->once = waiter.once;
	if (sp_topic_copy(topic, &copy) == 0)
		sp_once_add_take(&questions->once, &copy, allowed);
	if (waiter.origin.ring)
		sp_porter_serve_again(porter, &waiter.origin);
	else
		sp_notify_serve_again(porter, &waiter.origin.notification);
	sp_once_clear(&questions->once);
	free(waiter.request);
}

/* What is executed is looked at once more when it has become a process: that answer is needed again. */
static bool remember(struct sp_questions *questions, const struct sp_topic *topic, bool allowed,
		     bool wanted)
{
	bool needed = allowed && topic->name && (topic->rights & SP_RIGHT_EXECUTE);

	if (!wanted && !needed)
		return allowed;
	if (sp_answers_remember(questions->answers, topic, allowed) < 0 && needed)
		return false;
	return allowed;
}

static void settle(struct question *question, bool allowed, bool wanted)
{
	struct sp_porter *porter = question->porter;
	struct sp_questions *questions = porter->questions;
	struct sp_topic topic = question->topic;
	uint64_t id = question->id;

	question->topic.name = NULL;
	close_question(question);
	allowed = remember(questions, &topic, allowed, wanted);
	for (size_t i = 0; i < SP_QUESTIONS_MAX && !porter->ended; i++)
		if (questions->waiters[i].question == id)
			resume(porter, &questions->waiters[i], &topic, allowed);
	sp_topic_clear(&topic);
}

void sp_questions_answer(struct sp_porter *porter,
			 const Sallyport__Wire__BrokerRequest__Answer *answer)
{
	struct question *question =
	    porter->questions ? find_id(porter->questions, answer->id) : NULL;

	if (question)
		settle(question, answer->allow, answer->remember);
}

/* ---- what ends a question otherwise ---- */

static void time_is_over(evutil_socket_t unused, short what, void *data)
{
	struct question *question = data;

	(void)unused;
	(void)what;
	sp_porter_withdraw(question->porter, question->id);
	settle(question, false, false);
}

/* A call that a signal ended, and that is made again, finds its question still there. True: it is open. */
static bool look_at(struct sp_porter *porter, struct question *question)
{
	bool left = question->id && !is_awaited(porter->questions, question->id);

	if (left && question->left) {
		sp_porter_withdraw(porter, question->id);
		close_question(question);
	}
	question->left = left;
	return question->id != 0;
}

/* A thread that was killed leaves its notification without a word. */
bool sp_questions_look(struct sp_porter *porter)
{
	struct sp_questions *questions = porter->questions;
	bool open = false;

	for (size_t i = 0; questions && i < SP_QUESTIONS_MAX; i++) {
		struct waiter *waiter = &questions->waiters[i];

		if (waiter->question && !waiter->origin.ring &&
		    !sp_notify_waits(porter, &waiter->origin.notification))
			release(waiter);
	}
	for (size_t i = 0; questions && i < SP_QUESTIONS_MAX; i++)
		open |= look_at(porter, &questions->open[i]);
	return open;
}

void sp_questions_interrupt(struct sp_porter *porter, struct sp_ring *ring, uint32_t slot)
{
	struct sp_questions *questions = porter->questions;

	for (size_t i = 0; questions && i < SP_QUESTIONS_MAX; i++) {
		struct waiter *waiter = &questions->waiters[i];
		const struct sp_origin *origin = &waiter->origin;
		const struct sp_waiter answered = {
		    .ring = ring, .slot = slot, .generation = origin->generation};

		if (!waiter->question || origin->ring != ring || origin->slot != slot ||
		    atomic_load(&ring->slots->slot[slot].withdrawn) != origin->generation)
			continue;
		release(waiter);
		porter->answer.result = -EINTR;
		porter->answer.descriptor = -1;
		porter->answer.out_length = 0;
		sp_porter_answer(porter, &answered);
	}
}

void sp_questions_forget_ring(struct sp_porter *porter, const struct sp_ring *ring)
{
	struct sp_questions *questions = porter->questions;

	for (size_t i = 0; questions && i < SP_QUESTIONS_MAX; i++)
		if (questions->waiters[i].question && questions->waiters[i].origin.ring == ring)
			release(&questions->waiters[i]);
}

/* ---- life ---- */

int sp_questions_new(struct sp_porter *porter, unsigned deadline_ms)
{
	struct sp_questions *questions = calloc(1, sizeof(*questions));

	if (!questions)
		return -ENOMEM;
	porter->questions = questions;
	questions->deadline_ms = deadline_ms;
	questions->answers = sp_answers_new();
	if (!questions->answers)
		return -ENOMEM;
	sp_answers_set_once(questions->answers, &questions->once);
	return 0;
}

struct sp_questions *sp_questions_free(struct sp_questions *questions)
{
	if (!questions)
		return NULL;
	for (size_t i = 0; i < SP_QUESTIONS_MAX; i++) {
		close_question(&questions->open[i]);
		release(&questions->waiters[i]);
	}
	sp_answers_free(questions->answers);
	sp_once_clear(&questions->once);
	free(questions);
	return NULL;
}

const struct sp_answers *sp_questions_answers(const struct sp_questions *questions)
{
	return questions ? questions->answers : NULL;
}
