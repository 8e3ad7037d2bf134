// SPDX-License-Identifier: Apache-2.0
#include "broker/answers.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "policy/hash.h"

#define BUCKETS 256u

struct remembered {
	struct remembered *next; /* of the same bucket */
	char *name;              /* owned */
	size_t length;
	uint32_t allowed, refused;
};

struct remembered_call {
	struct remembered_call *next; /* of the same bucket */
	struct sp_topic topic;        /* without a name */
	enum sp_answered known;
};

struct sp_answers {
	struct remembered *buckets[BUCKETS];
	struct remembered_call *calls[BUCKETS];
	size_t count; /* of both */
	const struct sp_once *once;
};

/* ---- topics ---- */

int sp_topic_copy(const struct sp_topic *topic, struct sp_topic *ret_copy)
{
	struct sp_topic copy = *topic;

	if (topic->name) {
		copy.name = strdup(topic->name);
		if (!copy.name)
			return -ENOMEM;
	}
	*ret_copy = copy;
	return 0;
}

struct sp_topic sp_topic_of_call(const struct sp_rules *rules, const struct seccomp_data *data)
{
	struct sp_topic topic = {.nr = data->nr, .words = sp_rules_floor_words(rules, data)};

	_Static_assert(sizeof(topic.word) == sizeof(data->args), "words of all arguments");
	memcpy(topic.word, data->args, sizeof(topic.word));
	for (size_t i = 0; i < SP_ARGUMENT_WORDS; i++)
		if (!(topic.words & (1u << i)))
			topic.word[i] = 0;
	return topic;
}

static bool same_call(const struct sp_topic *a, const struct sp_topic *b)
{
	return a->nr == b->nr && a->words == b->words &&
	       memcmp(a->word, b->word, sizeof(a->word)) == 0;
}

bool sp_topic_equal(const struct sp_topic *a, const struct sp_topic *b)
{
	if (!a->name || !b->name)
		return !a->name && !b->name && same_call(a, b);
	return a->rights == b->rights && strcmp(a->name, b->name) == 0;
}

void sp_topic_clear(struct sp_topic *topic)
{
	free(topic->name);
	topic->name = NULL;
}

void sp_once_clear(struct sp_once *once)
{
	for (size_t i = 0; i < once->count; i++)
		sp_topic_clear(&once->list[i].topic);
	once->count = 0;
}

void sp_once_add_take(struct sp_once *once, struct sp_topic *topic, bool allowed)
{
	once->list[once->count].topic = *topic;
	once->list[once->count++].allowed = allowed;
	topic->name = NULL;
}

/* ---- the memory ---- */

struct sp_answers *sp_answers_new(void)
{
	return calloc(1, sizeof(struct sp_answers));
}

struct sp_answers *sp_answers_free(struct sp_answers *answers)
{
	for (size_t i = 0; answers && i < BUCKETS; i++)
		while (answers->buckets[i]) {
			struct remembered *entry = answers->buckets[i];

			answers->buckets[i] = entry->next;
			free(entry->name);
			free(entry);
		}
	for (size_t i = 0; answers && i < BUCKETS; i++)
		while (answers->calls[i]) {
			struct remembered_call *entry = answers->calls[i];

			answers->calls[i] = entry->next;
			free(entry);
		}
	free(answers);
	return NULL;
}

static size_t bucket_of(const char *name, size_t length)
{
	return sp_hash_bytes(SP_HASH_START, name, length) % BUCKETS;
}

static struct remembered *find(const struct sp_answers *answers, const char *name, size_t length)
{
	struct remembered *entry = answers->buckets[bucket_of(name, length)];

	while (entry && (entry->length != length || memcmp(entry->name, name, length) != 0))
		entry = entry->next;
	return entry;
}

static int make(struct sp_answers *answers, const char *name, struct remembered **ret_entry)
{
	struct remembered *entry, **bucket;

	if (answers->count == SP_ANSWERS_MAX)
		return -ENOSPC;
	entry = calloc(1, sizeof(*entry));
	if (entry)
		entry->name = strdup(name);
	if (!entry || !entry->name) {
		free(entry);
		return -ENOMEM;
	}
	entry->length = strlen(name);
	bucket = &answers->buckets[bucket_of(name, entry->length)];
	entry->next = *bucket;
	*bucket = entry;
	answers->count++;
	*ret_entry = entry;
	return 0;
}

/* ---- of calls ---- */

static size_t bucket_of_call(const struct sp_topic *topic)
{
	uint32_t hash = sp_hash_bytes(SP_HASH_START, (const char *)&topic->nr, sizeof(topic->nr));

	return sp_hash_bytes(hash, (const char *)topic->word, sizeof(topic->word)) % BUCKETS;
}

static struct remembered_call *find_call(const struct sp_answers *answers,
					 const struct sp_topic *topic)
{
	struct remembered_call *entry = answers->calls[bucket_of_call(topic)];

	while (entry && !same_call(&entry->topic, topic))
		entry = entry->next;
	return entry;
}

static int remember_call(struct sp_answers *answers, const struct sp_topic *topic, bool allowed)
{
	struct remembered_call *entry = find_call(answers, topic), **bucket;

	if (!entry) {
		if (answers->count == SP_ANSWERS_MAX)
			return -ENOSPC;
		entry = calloc(1, sizeof(*entry));
		if (!entry)
			return -ENOMEM;
		bucket = &answers->calls[bucket_of_call(topic)];
		entry->topic = *topic;
		entry->next = *bucket;
		*bucket = entry;
		answers->count++;
	}
	entry->known = allowed ? SP_ALLOWED : SP_REFUSED;
	return 0;
}

int sp_answers_remember(struct sp_answers *answers, const struct sp_topic *topic, bool allowed)
{
	struct remembered *entry;
	int r;

	if (!topic->name)
		return remember_call(answers, topic, allowed);
	entry = find(answers, topic->name, strlen(topic->name));
	r = entry ? 0 : make(answers, topic->name, &entry);
	if (r < 0)
		return r;
	entry->allowed = allowed ? entry->allowed | topic->rights : entry->allowed & ~topic->rights;
	entry->refused = allowed ? entry->refused & ~topic->rights : entry->refused | topic->rights;
	return 0;
}

void sp_answers_set_once(struct sp_answers *answers, const struct sp_once *once)
{
	answers->once = once;
}

/* ---- what is known ---- */

static void apply(struct sp_path_decision *decision, uint32_t allowed, uint32_t refused)
{
	uint32_t asked = decision->ask;

	decision->rights |= asked & allowed;
	decision->refused |= asked & refused;
	decision->ask &= ~(allowed | refused);
}

void sp_answers_apply(const struct sp_answers *answers, const char *name, size_t length,
		      struct sp_path_decision *decision)
{
	const struct remembered *entry = answers ? find(answers, name, length) : NULL;

	if (entry)
		apply(decision, entry->allowed, entry->refused);
	for (size_t i = 0; answers && answers->once && i < answers->once->count; i++) {
		const struct sp_topic *topic = &answers->once->list[i].topic;
		bool allowed = answers->once->list[i].allowed;

		if (topic->name && strlen(topic->name) == length &&
		    memcmp(topic->name, name, length) == 0)
			apply(decision, allowed ? topic->rights : 0, allowed ? 0 : topic->rights);
	}
}

bool sp_answers_below(const struct sp_answers *answers, const char *name, size_t length)
{
	if (length == 1) /* "/" */
		length = 0;
	for (size_t i = 0; answers && answers->count && i < BUCKETS; i++)
		for (const struct remembered *entry = answers->buckets[i]; entry;
		     entry = entry->next)
			if (entry->length > length && memcmp(entry->name, name, length) == 0 &&
			    entry->name[length] == '/')
				return true;
	return false;
}

enum sp_answered sp_answers_call(const struct sp_answers *answers, const struct sp_topic *topic)
{
	const struct remembered_call *entry = answers ? find_call(answers, topic) : NULL;
	enum sp_answered known = entry ? entry->known : SP_UNANSWERED;

	for (size_t i = 0; answers && answers->once && i < answers->once->count; i++)
		if (sp_topic_equal(&answers->once->list[i].topic, topic))
			known = answers->once->list[i].allowed ? SP_ALLOWED : SP_REFUSED;
	return known;
}
