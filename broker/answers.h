/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the application answered, where the policy leaves a decision to it: remembered for the life
 * of the sandbox, or said of the call in hand alone. An answer is about a canonical name and the
 * rights that were asked for, or about a system call, and never about what no rule asks. Bounded.
 */
#ifndef SALLYPORT_BROKER_ANSWERS_H
#define SALLYPORT_BROKER_ANSWERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "policy/rules.h"

#ifdef __cplusplus
extern "C" {
#endif

#define SP_ANSWERS_MAX 1024 /* names, and forms of calls, that are remembered */
#define SP_ONCE_MAX 4       /* questions that one call may put */

/*
 * What a question is about: rights on a name, or, where there is no name, a call. That is the call with what
 * the policy's conditions have seen of its arguments: what else they hold has no part in who is asked.
 */
struct sp_topic {
	char *name; /* owned, canonical; NULL: the call `nr` */
	uint32_t rights;
	int nr;
	uint32_t words;                   /* of the arguments: bit N for the bytes from 4 N on */
	uint32_t word[SP_ARGUMENT_WORDS]; /* their values; of all others 0 */
};

/* About a call that came before the floor. */
struct sp_topic sp_topic_of_call(const struct sp_rules *rules, const struct seccomp_data *data);

int sp_topic_copy(const struct sp_topic *topic, struct sp_topic *ret_copy); /* 0 or -ENOMEM */
bool sp_topic_equal(const struct sp_topic *a, const struct sp_topic *b);
void sp_topic_clear(struct sp_topic *topic);

/* The answers for one call, which was made again for them. */
struct sp_once {
	struct {
		struct sp_topic topic; /* owned */
		bool allowed;
	} list[SP_ONCE_MAX];
	size_t count;
};

void sp_once_clear(struct sp_once *once);
/* Takes the topic; there must be room. */
void sp_once_add_take(struct sp_once *once, struct sp_topic *topic, bool allowed);

struct sp_answers;
struct sp_answers *sp_answers_new(void); /* NULL: no memory */
struct sp_answers *sp_answers_free(struct sp_answers *answers);

/* Takes the place of an earlier answer. 0, -ENOSPC (SP_ANSWERS_MAX are remembered) or -ENOMEM. */
int sp_answers_remember(struct sp_answers *answers, const struct sp_topic *topic, bool allowed);

/* Those of the call in hand; borrowed until they are set anew. NULL: none. */
void sp_answers_set_once(struct sp_answers *answers, const struct sp_once *once);

/* Applies what is known to a decision. `answers` may be NULL. */
void sp_answers_apply(const struct sp_answers *answers, const char *name, size_t length,
		      struct sp_path_decision *decision);

/* Whether anything is remembered of a name below this one. `answers` may be NULL. */
bool sp_answers_below(const struct sp_answers *answers, const char *name, size_t length);

enum sp_answered { SP_UNANSWERED, SP_ALLOWED, SP_REFUSED };

/* Of a call, which is the topic. */
enum sp_answered sp_answers_call(const struct sp_answers *answers, const struct sp_topic *topic);

#ifdef __cplusplus
}
#endif

#endif
