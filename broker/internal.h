/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of <sallyport/broker.h>: broker, its spawner, its sandboxes. */
#ifndef SALLYPORT_BROKER_INTERNAL_H
#define SALLYPORT_BROKER_INTERNAL_H

#include <event2/event.h>
#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

#include <sallyport/broker.h>

#include "broker/questions.h"
#include "ipc/wire.pb-c.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The largest descriptor number that can be passed; above are the runtime's. */
#define PASS_NUMBER_MAX 1019

/* A request that waits for room in the spawner's socket. */
struct outgoing {
	TAILQ_ENTRY(outgoing) entry;
	uint32_t id;
	Sallyport__Wire__SpawnerRequest__Kind kind;
	int descriptor; /* owned */
};
TAILQ_HEAD(outgoing_queue, outgoing);

/* The helper process, as the broker sees it. */
struct spawner_client {
	int channel; /* -1: not running */
	pid_t pid;
	int pidfd;
	struct event *readable, *writable;
	struct outgoing_queue queue;
};

TAILQ_HEAD(sandbox_list, sp_sandbox);

struct sp_broker {
	struct event_base *base; /* borrowed */
	char *spawner_path;
	struct spawner_client spawner;
	struct sandbox_list sandboxes; /* all that were not freed */
	uint32_t last_id;
};

/* ---- spawner_client.c ---- */

/* Makes sure that a spawner runs. 0 or -errno. */
int spawner_ensure(struct sp_broker *broker);

/* Sends the plan, the control socket and the passed descriptors of one launch, now or when there is
 * room. All or nothing: on error (-ENOMEM) nothing is sent. Takes the descriptors, also on error.
 */
int spawner_launch_take(struct sp_broker *broker, uint32_t id, int *descriptors, size_t count);

/* Ends it with all its sandboxes, and waits for it. */
void spawner_stop(struct sp_broker *broker);

/* ---- sandbox.c: what the spawner says about a sandbox; no callback runs in these ---- */

/* Takes the pidfd. */
void sandbox_porter_known_take(struct sp_broker *broker, uint32_t id, int pidfd);
void sandbox_failed(struct sp_broker *broker, uint32_t id, int error);

/* The spawner is gone: no porter will be announced any more. */
void sandboxes_orphan(struct sp_broker *broker);

/* ---- question.c ---- */

/* The questions of one sandbox that wait for an answer. */
struct open_questions {
	uint64_t ids[SP_QUESTIONS_MAX]; /* in the order they came */
	size_t count;
	uint64_t last; /* the highest so far */
};

/* Remembers a question as open. -EBADMSG: no porter of ours says that. */
int questions_add(struct open_questions *questions, uint64_t id);
/* False: it is not open. */
bool questions_remove(struct open_questions *questions, uint64_t id);

/* ---- plan.c ---- */

/* Checks the launch and encodes it into a sealed memfd. Errors as sp_sandbox_launch(). */
int plan_make(const struct sp_launch *launch, const uint32_t *numbers, size_t number_count,
	      int *ret_memory);

/* ---- text.c ---- */

/* A NUL-terminated copy that is fit for terminals and logs: printable ASCII; other bytes, and the
 * backslash, as \xNN. Cut off after 4,096 bytes of input. NULL where memory is short. */
char *text_escape(const uint8_t *bytes, size_t length);

#ifdef __cplusplus
}
#endif

#endif
