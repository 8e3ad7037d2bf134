/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/rules.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/arch.h"
#include "ipc/decode.h"
#include "ipc/runtime.h"
#include "ipc/util.h"
#include "policy/bpf.h"
#include "policy/compiled.pb-c.h"
#include "policy/format.h"
#include "policy/glob.h"
#include "policy/hash.h"

/* The highest errno that the kernel can return. */
#define ERROR_MAX 4095u

struct rule {
	struct sp_text pattern;
	struct sp_glob_measure measure;
	uint32_t rights; /* 0: deny */
	bool ask;        /* not granted: the application decides */
	int error;
	const char *source;
	/* Of edits: which of two is later, and whether the rights are taken instead of given. */
	unsigned order;
	bool revokes;
};

struct address_rule {
	struct sp_address address;
	int error; /* 0: granted */
	const char *source;
};

struct call_rule {
	int nr;
	int error;
	bool ask;
	const char *source;
};

/*
 * A directory that the literal part of some pattern leads to or through. Its key is the path
 * without the final slash, so the root is "". The rules whose literal components end here are
 * neighbours in rules[]. With every node its ancestors are nodes too: a walk down a name ends at
 * the first component that has none, however many rules there are.
 */
struct node {
	struct sp_text key;
	uint32_t hash;
	uint32_t next; /* of the same bucket; index + 1, 0: none */
	size_t first, count;
	/* A pattern's literal part leads further down; what the grants among those grant. */
	bool rules_below;
	uint32_t rights_below;
};

#define RIGHT_COUNT 8
_Static_assert(SP_RIGHT_ALL == (1 << RIGHT_COUNT) - 1, "a right was added");

/* Of each right the order of the last edit. */
struct orders {
	unsigned of[RIGHT_COUNT];
};

/* The rules about names and addresses of one policy. */
struct rule_set {
	struct rule *rules; /* sorted by literal directory */
	struct node *nodes;
	struct orders
	    *orders_below; /* of edits: for each node, those that give below it; else NULL */
	uint32_t *buckets;
	size_t rule_count, node_count, bucket_count;
	struct address_rule *addresses;
	size_t address_count;
	uint32_t granted; /* by any of its rules */
	bool asks;
	bool idle; /* of a phase that was not entered */
};

/* How calls fail that the filter refuses. */
struct call_table {
	struct call_rule *rules; /* sorted by number */
	size_t count;
};

struct phase {
	const char *name;
	uint64_t id;
	size_t first_set, set_count;
	struct call_table calls;
	struct sock_fprog filter, floor;
	bool entered;
	char *strings; /* owned: of a narrowing, which came later than the policy */
};

/* What the application changed while the sandbox runs. */
struct edit {
	char *pattern, *source; /* owned */
	uint32_t rights;
	bool revokes;
};

struct sp_rules {
	char *strings; /* every name, pattern and source, each NUL-terminated */
	const char *name, *default_source;
	struct rule_set *sets; /* the policy's own, of each that bounds it, of the phases */
	size_t set_count;
	struct call_table calls;
	struct phase *phases; /* those with names, then what narrowed the sandbox beside them */
	size_t phase_count, narrowing_count;
	bool editable, edits_locked;
	struct rule_set *edit_bounds; /* what an edit may give */
	size_t edit_bound_count;
	struct edit *edits; /* in their order */
	size_t edit_count;
	struct rule_set edit_rules; /* the same */
	int default_error;
	uint32_t asks; /* enum sp_asks */
	bool strict;
	uint32_t isolate, optional_layers;
	struct sp_limits limits;
	struct sock_fprog filter, porter_filter, floor, listener_filter;
	struct sock_fprog *extras;
	size_t extra_count;
};

static struct node *find_node(const struct rule_set *rules, struct sp_text key, uint32_t hash)
{
	uint32_t index = rules->buckets[hash & (rules->bucket_count - 1)];

	while (index != 0) {
		struct node *node = &rules->nodes[index - 1];

		if (node->hash == hash && node->key.length == key.length &&
		    memcmp(node->key.start, key.start, key.length) == 0)
			return node;
		index = node->next;
	}
	return NULL;
}

static struct node *make_node(struct rule_set *rules, struct sp_text key, uint32_t hash)
{
	struct node *node = find_node(rules, key, hash);
	uint32_t *bucket = &rules->buckets[hash & (rules->bucket_count - 1)];

	if (node)
		return node;
	node = &rules->nodes[rules->node_count++];
	*node = (struct node){.key = key, .hash = hash, .next = *bucket};
	*bucket = (uint32_t)rules->node_count;
	return node;
}

/* A walk down a name, from the root, over the nodes that exist. */
struct walk {
	struct sp_text name, rest; /* rest: what lies below the current node */
	uint32_t hash; /* of the key of the current node, continued from one to the next */
	bool started;
};

/* "/" is the root itself, which has no component. */
static struct sp_text without_final_slash(const char *name, size_t length)
{
	return (struct sp_text){name, length == 1 ? 0 : length};
}

static struct walk walk_start(struct sp_text name)
{
	return (struct walk){.name = name, .rest = name, .hash = SP_HASH_START};
}

static bool walk_step(struct walk *walk, struct sp_text *ret_key)
{
	struct sp_text component;

	if (walk->started) {
		if (!sp_glob_next(&walk->rest, &component))
			return false;
		walk->hash = sp_hash_bytes(walk->hash, component.start - 1, component.length + 1);
	}
	walk->started = true;
	*ret_key = (struct sp_text){walk->name.start, walk->name.length - walk->rest.length};
	return true;
}

static const struct node *walk_next(const struct rule_set *rules, struct walk *walk)
{
	struct sp_text key;

	return walk_step(walk, &key) ? find_node(rules, key, walk->hash) : NULL;
}

static void note_order(struct orders *orders, const struct rule *rule)
{
	for (unsigned right = 0; right < RIGHT_COUNT; right++)
		if ((rule->rights & (1u << right)) && orders->of[right] < rule->order)
			orders->of[right] = rule->order;
}

static void insert_rule(struct rule_set *rules, size_t index)
{
	const struct rule *rule = &rules->rules[index];
	struct walk walk =
	    walk_start((struct sp_text){rule->pattern.start, rule->measure.directory});
	struct sp_text key;

	while (walk_step(&walk, &key)) {
		struct node *node = make_node(rules, key, walk.hash);

		if (walk.rest.length > 0) {
			node->rules_below = true;
			if (!rule->revokes)
				node->rights_below |= rule->rights;
			if (rules->orders_below && !rule->revokes)
				note_order(&rules->orders_below[node - rules->nodes], rule);
		} else if (node->count++ == 0) {
			node->first = index;
		}
	}
}

static int compare_rules(const void *left, const void *right)
{
	const struct rule *a = left, *b = right;
	size_t shorter = a->measure.directory < b->measure.directory ? a->measure.directory
								     : b->measure.directory;
	int order = memcmp(a->pattern.start, b->pattern.start, shorter);

	if (order != 0)
		return order;
	return (a->measure.directory > b->measure.directory) -
	       (a->measure.directory < b->measure.directory);
}

static size_t count_components(const struct rule *rule)
{
	size_t count = 1; /* the root */

	for (size_t i = 0; i < rule->measure.directory; i++)
		count += rule->pattern.start[i] == '/';
	return count;
}

static int build_index(struct rule_set *rules)
{
	size_t nodes = 1, buckets = 1;

	qsort(rules->rules, rules->rule_count, sizeof(*rules->rules), compare_rules);
	for (size_t i = 0; i < rules->rule_count; i++)
		nodes += count_components(&rules->rules[i]);
	while (buckets < nodes)
		buckets *= 2;
	rules->nodes = calloc(nodes, sizeof(*rules->nodes));
	rules->buckets = calloc(buckets, sizeof(*rules->buckets));
	if (rules->rule_count > 0 && rules->rules[0].order > 0)
		rules->orders_below = calloc(nodes, sizeof(*rules->orders_below));
	if (!rules->nodes || !rules->buckets ||
	    (rules->rule_count > 0 && rules->rules[0].order > 0 && !rules->orders_below))
		return -ENOMEM;
	rules->bucket_count = buckets;
	for (size_t i = 0; i < rules->rule_count; i++) {
		insert_rule(rules, i);
		rules->granted |= rules->rules[i].rights;
		rules->asks |= rules->rules[i].ask;
	}
	return 0;
}

/* Copies protobuf bytes to a C string in the pool; NULL if they hold a NUL themselves. */
static const char *pool_string(char **pool, ProtobufCBinaryData bytes)
{
	char *copy = *pool;

	if (bytes.len > 0 && memchr(bytes.data, 0, bytes.len))
		return NULL;
	if (bytes.len > 0)
		memcpy(copy, bytes.data, bytes.len);
	copy[bytes.len] = '\0';
	*pool += bytes.len + 1;
	return copy;
}

typedef Sallyport__Policy__CompiledPolicy Message;
typedef Sallyport__Policy__PathRule PathRule;
typedef Sallyport__Policy__AddressRule AddressRule;
typedef Sallyport__Policy__CallRule CallRule;
typedef Sallyport__Policy__Phase Phase;

static size_t paths_size(PathRule *const *paths, size_t count)
{
	size_t size = 0;

	for (size_t i = 0; i < count; i++)
		size += paths[i]->pattern.len + paths[i]->source.len + 2;
	return size;
}

static size_t addresses_size(AddressRule *const *addresses, size_t count)
{
	size_t size = 0;

	for (size_t i = 0; i < count; i++)
		size += addresses[i]->source.len + 1;
	return size;
}

static size_t calls_size(CallRule *const *calls, size_t count)
{
	size_t size = 0;

	for (size_t i = 0; i < count; i++)
		size += calls[i]->source.len + 1;
	return size;
}

static size_t bounds_size(Sallyport__Policy__Bound *const *bounds, size_t count)
{
	size_t size = 0;

	for (size_t i = 0; i < count; i++)
		size += paths_size(bounds[i]->path, bounds[i]->n_path) +
			addresses_size(bounds[i]->address, bounds[i]->n_address);
	return size;
}

static size_t phase_size(const Phase *phase)
{
	return phase->name.len + 1 + bounds_size(phase->bound, phase->n_bound) +
	       calls_size(phase->call, phase->n_call);
}

static size_t strings_size(const Message *message)
{
	size_t size = message->name.len + message->default_source.len + 2;

	size += paths_size(message->path, message->n_path);
	size += addresses_size(message->address, message->n_address);
	size += bounds_size(message->bound, message->n_bound);
	size += bounds_size(message->edit_bound, message->n_edit_bound);
	size += calls_size(message->call, message->n_call);
	for (size_t i = 0; i < message->n_phase; i++)
		size += phase_size(message->phase[i]);
	return size;
}

static bool valid_path_rule(const PathRule *rule)
{
	struct sp_text pattern = {(const char *)rule->pattern.data, rule->pattern.len};
	size_t offset;

	if (sp_glob_mistake(pattern, &offset))
		return false;
	return rule->rights == 0
		   ? rule->error > 0 && rule->error <= ERROR_MAX && !rule->ask
		   : (rule->rights & ~(uint32_t)SP_RIGHT_ALL) == 0 && rule->error == 0;
}

static int load_set(struct rule_set *set, PathRule *const *paths, size_t count, char **pool)
{
	set->rules = calloc(count + 1, sizeof(*set->rules));
	if (!set->rules)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		const PathRule *from = paths[i];
		struct rule *rule = &set->rules[i];

		if (!valid_path_rule(from))
			return -EBADMSG;
		rule->pattern =
		    (struct sp_text){pool_string(pool, from->pattern), from->pattern.len};
		rule->source = pool_string(pool, from->source);
		if (!rule->pattern.start || !rule->source)
			return -EBADMSG;
		sp_glob_measure(rule->pattern, &rule->measure);
		rule->rights = from->rights;
		rule->ask = from->ask;
		rule->error = (int)from->error;
	}
	set->rule_count = count;
	return build_index(set);
}

/* Only the canonical spelling. */
static bool load_address(ProtobufCBinaryData bytes, struct sp_address *ret_address)
{
	char text[SP_ADDRESS_TEXT_MAX], canonical[SP_ADDRESS_TEXT_MAX];
	const char *mistake;
	size_t offset;

	if (bytes.len == 0 || bytes.len >= sizeof(text))
		return false;
	memcpy(text, bytes.data, bytes.len);
	text[bytes.len] = '\0';
	return strlen(text) == bytes.len && sp_address_read(text, ret_address, &mistake, &offset) &&
	       strcmp(sp_address_print(ret_address, canonical), text) == 0;
}

static int load_addresses(struct rule_set *set, AddressRule *const *addresses, size_t count,
			  char **pool)
{
	set->addresses = calloc(count + 1, sizeof(*set->addresses));
	if (!set->addresses)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		struct address_rule *rule = &set->addresses[i];

		rule->source = pool_string(pool, addresses[i]->source);
		rule->error = (int)addresses[i]->error;
		if (!rule->source || addresses[i]->error > ERROR_MAX ||
		    !load_address(addresses[i]->address, &rule->address))
			return -EBADMSG;
	}
	set->address_count = count;
	return 0;
}

static int load_bounds(struct sp_rules *rules, Sallyport__Policy__Bound *const *bounds,
		       size_t count, char **pool)
{
	int r = 0;

	for (size_t i = 0; i < count && r == 0; i++) {
		struct rule_set *set = &rules->sets[rules->set_count++];

		r = load_set(set, bounds[i]->path, bounds[i]->n_path, pool);
		if (r == 0)
			r = load_addresses(set, bounds[i]->address, bounds[i]->n_address, pool);
	}
	return r;
}

static int load_path_rules(struct sp_rules *rules, const Message *message, char **pool)
{
	size_t count = 1 + message->n_bound;
	int r;

	for (size_t i = 0; i < message->n_phase; i++)
		count += message->phase[i]->n_bound;
	rules->sets = calloc(count, sizeof(*rules->sets));
	if (!rules->sets)
		return -ENOMEM;
	rules->set_count = 1;
	r = load_set(&rules->sets[0], message->path, message->n_path, pool);
	if (r == 0)
		r = load_addresses(&rules->sets[0], message->address, message->n_address, pool);
	return r < 0 ? r : load_bounds(rules, message->bound, message->n_bound, pool);
}

static int load_edit_bounds(struct sp_rules *rules, const Message *message, char **pool)
{
	int r = 0;

	if (message->n_edit_bound > 0 && !message->editable)
		return -EBADMSG;
	rules->editable = message->editable;
	rules->edit_bounds = calloc(message->n_edit_bound + 1, sizeof(*rules->edit_bounds));
	if (!rules->edit_bounds)
		return -ENOMEM;
	for (size_t i = 0; i < message->n_edit_bound && r == 0; i++)
		r = load_set(&rules->edit_bounds[rules->edit_bound_count++],
			     message->edit_bound[i]->path, message->edit_bound[i]->n_path, pool);
	return r;
}

static int load_call_rules(struct sp_rules *rules, CallRule *const *calls, size_t count,
			   char **pool, struct call_table *ret_table)
{
	ret_table->rules = calloc(count + 1, sizeof(*ret_table->rules));
	if (!ret_table->rules)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		const CallRule *from = calls[i];
		const char *source = pool_string(pool, from->source);

		if (!source || from->nr > INT32_MAX || from->error == 0 || from->error > ERROR_MAX)
			return -EBADMSG;
		if (i > 0 && from->nr <= calls[i - 1]->nr)
			return -EBADMSG;
		if (from->ask && sp_call_find((int)from->nr))
			rules->asks |= SP_ASKS_PORTER;
		ret_table->rules[i] =
		    (struct call_rule){(int)from->nr, (int)from->error, from->ask, source};
	}
	ret_table->count = count;
	return 0;
}

static int load_program(ProtobufCBinaryData bytes, struct sock_fprog *ret_program)
{
	size_t count = bytes.len / sizeof(struct sock_filter);
	struct sock_filter *copy;

	if (count == 0 || count > BPF_MAXINSNS || bytes.len % sizeof(struct sock_filter) != 0)
		return -EBADMSG;
	copy = malloc(bytes.len);
	if (!copy)
		return -ENOMEM;
	memcpy(copy, bytes.data, bytes.len);
	*ret_program = (struct sock_fprog){.len = (unsigned short)count, .filter = copy};
	return 0;
}

static int load_extras(struct sp_rules *rules, const Message *message)
{
	rules->extras = calloc(message->n_extra_filter + 1, sizeof(*rules->extras));
	if (!rules->extras)
		return -ENOMEM;
	for (size_t i = 0; i < message->n_extra_filter; i++) {
		int r = load_program(message->extra_filter[i], &rules->extras[i]);

		if (r < 0)
			return r;
		rules->extra_count++;
	}
	return 0;
}

/* Of a call with several rules the refusals tell one: the floor knows them all. */
static bool floor_asks(const struct sock_fprog *floor)
{
	for (size_t i = 0; i < floor->len; i++)
		if (floor->filter[i].code == (BPF_RET | BPF_K) &&
		    floor->filter[i].k == (SECCOMP_RET_USER_NOTIF | SP_FLOOR_ASKS))
			return true;
	return false;
}

static int load_scalars(struct sp_rules *rules, const Message *message)
{
	const Sallyport__Policy__Limits *limits = message->limits;

	if (message->default_error == 0 || message->default_error > ERROR_MAX)
		return -EBADMSG;
	if ((message->isolate & ~(uint32_t)SP_ISOLATE_ALL) != 0 ||
	    (message->optional_layers & ~message->isolate) != 0)
		return -EBADMSG;
	rules->default_error = (int)message->default_error;
	rules->isolate = message->isolate;
	rules->optional_layers = message->optional_layers;
	rules->limits = (struct sp_limits){limits->memory, limits->cpu,       limits->wall,
					   limits->files,  limits->processes, limits->file_size};
	return 0;
}

static int load_phase(struct sp_rules *rules, const Phase *message, struct phase *phase,
		      char **pool)
{
	int r;

	phase->name = pool_string(pool, message->name);
	if (!phase->name || message->n_bound == 0 || message->n_bound > SP_BOUNDS_MAX)
		return -EBADMSG;
	phase->id = sp_phase_id(phase->name);
	phase->first_set = rules->set_count;
	phase->set_count = message->n_bound;
	r = load_bounds(rules, message->bound, message->n_bound, pool);
	for (size_t i = phase->first_set; i < rules->set_count; i++)
		rules->sets[i].idle = true;
	if (r == 0)
		r = load_call_rules(rules, message->call, message->n_call, pool, &phase->calls);
	if (r == 0)
		r = load_program(message->filter, &phase->filter);
	return r < 0 ? r : load_program(message->floor, &phase->floor);
}

static int load_phases(struct sp_rules *rules, const Message *message, char **pool)
{
	int r = 0;

	if (message->n_phase > SP_PHASES_MAX)
		return -EBADMSG;
	rules->phases = calloc(message->n_phase + 1, sizeof(*rules->phases));
	if (!rules->phases)
		return -ENOMEM;
	for (size_t i = 0; i < message->n_phase && r == 0; i++)
		r = load_phase(rules, message->phase[i], &rules->phases[rules->phase_count++],
			       pool);
	return r;
}

static int load_message(struct sp_rules *rules, const Message *message)
{
	char *pool;
	int r;

	rules->strings = pool = malloc(strings_size(message));
	if (!pool)
		return -ENOMEM;
	rules->name = pool_string(&pool, message->name);
	rules->default_source = pool_string(&pool, message->default_source);
	if (!rules->name || !rules->default_source)
		return -EBADMSG;
	rules->strict = message->has_strict && message->strict;
	r = load_scalars(rules, message);
	if (r == 0)
		r = load_path_rules(rules, message, &pool);
	if (r == 0)
		r = load_edit_bounds(rules, message, &pool);
	if (r == 0)
		r = load_call_rules(rules, message->call, message->n_call, &pool, &rules->calls);
	if (r == 0)
		r = load_phases(rules, message, &pool);
	for (size_t i = 0; i < rules->set_count && r == 0; i++)
		rules->asks |= rules->sets[i].asks ? SP_ASKS_PORTER : 0;
	if (r == 0)
		r = load_program(message->filter, &rules->filter);
	if (r == 0)
		r = load_program(message->porter_filter, &rules->porter_filter);
	if (r == 0)
		r = load_program(message->floor, &rules->floor);
	if (r == 0)
		r = load_program(message->listener_filter, &rules->listener_filter);
	if (r == 0)
		r = load_extras(rules, message);
	if (r == 0 && floor_asks(&rules->floor))
		rules->asks |= SP_ASKS_KERNEL;
	return r;
}

static void free_message(Sallyport__Policy__CompiledPolicy **message)
{
	if (*message)
		sallyport__policy__compiled_policy__free_unpacked(*message, NULL);
}

static void free_rules(struct sp_rules **rules)
{
	sp_rules_free(*rules);
}

int sp_rules_load(const uint8_t *bytes, size_t length, struct sp_rules **ret_rules)
{
	_cleanup_(free_message) Message *message = NULL;
	_cleanup_(free_rules) struct sp_rules *rules = NULL;
	ProtobufCMessage *base;
	int r;

	r = sp_message_decode(&sallyport__policy__compiled_policy__descriptor, bytes, length, NULL,
			      &base);
	if (r < 0)
		return r;
	message = (Message *)base;
	if (message->version != SP_COMPILED_VERSION)
		return -EPROTO;
	rules = calloc(1, sizeof(*rules));
	if (!rules)
		return -ENOMEM;
	r = load_message(rules, message);
	if (r < 0)
		return r;
	*ret_rules = TAKE_POINTER(rules);
	return 0;
}

static void clear_set(struct rule_set *set)
{
	free(set->rules);
	free(set->nodes);
	free(set->addresses);
	free(set->orders_below);
	free(set->buckets);
	*set = (struct rule_set){0};
}

static void clear_edit(struct edit *edit)
{
	free(edit->pattern);
	free(edit->source);
	*edit = (struct edit){0};
}

static void clear_phase(struct phase *phase)
{
	free(phase->calls.rules);
	free(phase->filter.filter);
	free(phase->floor.filter);
	free(phase->strings);
}

struct sp_rules *sp_rules_free(struct sp_rules *rules)
{
	if (!rules)
		return NULL;
	free(rules->strings);
	for (size_t i = 0; i < rules->set_count; i++)
		clear_set(&rules->sets[i]);
	free(rules->sets);
	for (size_t i = 0; i < rules->edit_bound_count; i++)
		clear_set(&rules->edit_bounds[i]);
	free(rules->edit_bounds);
	for (size_t i = 0; i < rules->edit_count; i++)
		clear_edit(&rules->edits[i]);
	free(rules->edits);
	clear_set(&rules->edit_rules);
	free(rules->calls.rules);
	for (size_t i = 0; i < rules->phase_count + rules->narrowing_count; i++)
		clear_phase(&rules->phases[i]);
	free(rules->phases);
	free(rules->filter.filter);
	free(rules->porter_filter.filter);
	free(rules->floor.filter);
	free(rules->listener_filter.filter);
	for (size_t i = 0; i < rules->extra_count; i++)
		free(rules->extras[i].filter);
	free(rules->extras);
	free(rules);
	return NULL;
}

const char *sp_rules_name(const struct sp_rules *rules)
{
	return rules->name;
}

const struct sp_limits *sp_rules_limits(const struct sp_rules *rules)
{
	return &rules->limits;
}

uint32_t sp_rules_isolate(const struct sp_rules *rules)
{
	return rules->isolate;
}

uint32_t sp_rules_asks(const struct sp_rules *rules)
{
	return rules->asks;
}

uint32_t sp_rules_optional_layers(const struct sp_rules *rules)
{
	return rules->optional_layers;
}

bool sp_rules_strict(const struct sp_rules *rules)
{
	return rules->strict;
}

struct sock_fprog sp_rules_filter(const struct sp_rules *rules)
{
	return rules->filter;
}

struct sock_fprog sp_rules_porter_filter(const struct sp_rules *rules)
{
	return rules->porter_filter;
}

/*
 * Positive where `a` is more specific than `b`, negative the other way round; *ret_reason says why. A
 * name without wildcard is the most specific way there is to speak of it; without this, the slash of
 * "dir/" and two stars would make that pattern outrank "dir" for the directory itself.
 */
static int compare_measures(const struct sp_glob_measure *a, const struct sp_glob_measure *b,
			    const char **ret_reason)
{
	if (a->exact != b->exact) {
		*ret_reason = "a name without wildcards is more specific than any pattern";
		return a->exact ? 1 : -1;
	}
	if (a->prefix != b->prefix) {
		*ret_reason = "a longer literal prefix is more specific";
		return a->prefix > b->prefix ? 1 : -1;
	}
	*ret_reason = "more literal characters are more specific";
	return (a->literals > b->literals) - (a->literals < b->literals);
}

static bool more_specific(const struct rule *a, const struct rule *b)
{
	const char *reason;

	if (!a || !b)
		return a != NULL;
	return compare_measures(&a->measure, &b->measure, &reason) > 0;
}

/* What one set of rules says of a name. */
struct verdict {
	const struct rule *deny, *grant, *by_right[RIGHT_COUNT];
	const struct rule
	    *below;            /* the most specific grant that matches, or could, below the name */
	bool grants_below;     /* a grant's literal part leads further down: nothing that denies the
				   * name is more specific */
	uint32_t rights_below; /* of all these */
};

/* Of two rules that are as specific the one that asks decides. */
static bool decides(const struct rule *rule, const struct rule *best)
{
	return more_specific(rule, best) || (rule->ask && !more_specific(best, rule));
}

static void consider(struct verdict *verdict, const struct rule *rule, unsigned reach)
{
	if (rule->rights != 0 && (reach & SP_GLOB_BELOW)) {
		verdict->rights_below |= rule->rights;
		if (more_specific(rule, verdict->below))
			verdict->below = rule;
	}
	if (!(reach & SP_GLOB_MATCHES))
		return;
	if (rule->rights == 0) {
		if (more_specific(rule, verdict->deny))
			verdict->deny = rule;
		return;
	}
	if (more_specific(rule, verdict->grant))
		verdict->grant = rule;
	for (unsigned right = 0; right < RIGHT_COUNT; right++)
		if ((rule->rights & (1u << right)) && decides(rule, verdict->by_right[right]))
			verdict->by_right[right] = rule;
}

static unsigned rule_reach(const struct rule *rule, struct sp_text rest)
{
	struct sp_text pattern = {rule->pattern.start + rule->measure.directory,
				  rule->pattern.length - rule->measure.directory};

	return rule->measure.exact ? (rest.length == 0 ? SP_GLOB_MATCHES : 0)
				   : sp_glob_reach(pattern, rest);
}

static uint32_t granted_rights(const struct verdict *verdict, bool ask)
{
	uint32_t rights = 0;

	for (unsigned right = 0; right < RIGHT_COUNT; right++) {
		const struct rule *rule = verdict->by_right[right];

		if (more_specific(rule, verdict->deny) && rule->ask == ask)
			rights |= 1u << right;
	}
	return rights;
}

static const char *ask_source(const struct verdict *verdict, uint32_t ask)
{
	return ask ? verdict->by_right[__builtin_ctz(ask)]->source : NULL;
}

static enum sp_standing standing_of(const struct verdict *verdict, uint32_t rights)
{
	if (rights != 0)
		return SP_STANDING_INSIDE;
	/* A denied directory is still on the way to what is granted below it more specifically. */
	if (verdict->grants_below || more_specific(verdict->below, verdict->deny))
		return SP_STANDING_ANCESTOR;
	return SP_STANDING_OUTSIDE;
}

static void gather(const struct rule_set *rules, struct sp_text name, struct verdict *ret_verdict)
{
	struct walk walk = walk_start(name);
	struct verdict verdict = {0};
	const struct node *node;

	while ((node = walk_next(rules, &walk))) {
		for (size_t i = 0; i < node->count; i++) {
			const struct rule *rule = &rules->rules[node->first + i];

			consider(&verdict, rule, rule_reach(rule, walk.rest));
		}
		if (walk.rest.length == 0 && node->rights_below) {
			verdict.grants_below = true;
			verdict.rights_below |= node->rights_below;
		}
	}
	*ret_verdict = verdict;
}

static struct sp_path_decision conclude(const struct verdict *verdict, uint32_t rights,
					uint32_t ask)
{
	/* Deny mentions all rights: whatever is missing is missing because of it, where it matches.
	 */
	const struct rule *decided =
	    verdict->deny && rights != SP_RIGHT_ALL ? verdict->deny : verdict->grant;

	return (struct sp_path_decision){
	    .standing = standing_of(verdict, rights | ask),
	    .rights = rights,
	    .ask = ask,
	    .error = decided && decided->rights == 0 ? decided->error : EACCES,
	    .rule = decided ? decided->source : NULL,
	    .ask_rule = ask_source(verdict, ask),
	};
}

/* The decision of one set, and the rights that it may grant on names below this one. */
static void decide(const struct rule_set *rules, struct sp_text name,
		   struct sp_path_decision *ret_decision, uint32_t *ret_below)
{
	struct verdict verdict;

	gather(rules, name, &verdict);
	*ret_decision =
	    conclude(&verdict, granted_rights(&verdict, false), granted_rights(&verdict, true));
	*ret_below = verdict.rights_below;
}

/* What edits say of a name. */
struct edited {
	const struct rule *last[RIGHT_COUNT];   /* of those that match it */
	const struct rule *latest;              /* of all these */
	struct orders given_below, taken_below; /* taken: from all that is below */
	bool gives_below;                       /* something that was not taken again */
};

static void consider_edit(struct edited *edited, const struct rule *rule, unsigned reach,
			  const struct rule *deny)
{
	if (rule->revokes ? (reach & SP_GLOB_COVERS) != 0
			  : (reach & SP_GLOB_BELOW) && more_specific(rule, deny))
		note_order(rule->revokes ? &edited->taken_below : &edited->given_below, rule);
	if (!(reach & SP_GLOB_MATCHES))
		return;
	if (!edited->latest || edited->latest->order < rule->order)
		edited->latest = rule;
	for (unsigned right = 0; right < RIGHT_COUNT; right++)
		if ((rule->rights & (1u << right)) &&
		    (!edited->last[right] || edited->last[right]->order < rule->order))
			edited->last[right] = rule;
}

static void gather_edits(const struct rule_set *rules, struct sp_text name, const struct rule *deny,
			 struct edited *ret_edited)
{
	struct walk walk = walk_start(name);
	const struct node *node;

	*ret_edited = (struct edited){0};
	while ((node = walk_next(rules, &walk))) {
		for (size_t i = 0; i < node->count; i++) {
			const struct rule *rule = &rules->rules[node->first + i];

			consider_edit(ret_edited, rule, rule_reach(rule, walk.rest), deny);
		}
		if (walk.rest.length == 0)
			for (unsigned right = 0; right < RIGHT_COUNT; right++) {
				unsigned order = rules->orders_below[node - rules->nodes].of[right];

				if (ret_edited->given_below.of[right] < order)
					ret_edited->given_below.of[right] = order;
			}
	}
}

/* What an edit may give on a name, and below it. */
static uint32_t givable(const struct sp_rules *rules, struct sp_text name, uint32_t *ret_below)
{
	uint32_t rights = SP_RIGHT_ALL;

	*ret_below = SP_RIGHT_ALL;
	for (size_t i = 0; i < rules->edit_bound_count; i++) {
		struct sp_path_decision bound;
		uint32_t below;

		decide(&rules->edit_bounds[i], name, &bound, &below);
		rights &= bound.rights;
		*ret_below &= bound.standing == SP_STANDING_OUTSIDE ? 0 : below;
	}
	return rights;
}

/* Of each right the last edit decides that matches the name; where there is none, or its gift is refused by a
 * `deny` as specific or by what bounds the edits, the policy does. */
static void apply_edits(const struct sp_rules *rules, struct sp_text name,
			const struct verdict *verdict, uint32_t *rights, uint32_t *ask,
			uint32_t *below, struct edited *edited)
{
	uint32_t below_bound, bound = givable(rules, name, &below_bound);

	gather_edits(&rules->edit_rules, name, verdict->deny, edited);
	for (unsigned right = 0; right < RIGHT_COUNT; right++) {
		const struct rule *last = edited->last[right];
		unsigned given = edited->given_below.of[right],
			 taken = edited->taken_below.of[right];
		uint32_t bit = 1u << right;

		if (taken)
			*below &= ~bit;
		if (last && last->revokes)
			*rights &= ~bit;
		else if (last && (bound & bit) && more_specific(last, verdict->deny))
			*rights |= bit;
		if ((last && last->revokes) || (*rights & bit))
			*ask &= ~bit;
		if (given > taken && (below_bound & bit)) {
			*below |= bit;
			edited->gives_below = true;
		}
	}
}

/* The decision of the policy itself, as edited. */
static void decide_own(const struct sp_rules *rules, struct sp_text name,
		       struct sp_path_decision *ret_decision, uint32_t *ret_below)
{
	struct verdict verdict;
	struct edited edited;
	uint32_t rights, ask;

	if (rules->edit_count == 0) {
		decide(&rules->sets[0], name, ret_decision, ret_below);
		return;
	}
	gather(&rules->sets[0], name, &verdict);
	rights = granted_rights(&verdict, false);
	ask = granted_rights(&verdict, true);
	*ret_below = verdict.rights_below;
	apply_edits(rules, name, &verdict, &rights, &ask, ret_below, &edited);
	*ret_decision = conclude(&verdict, rights, ask);
	if (edited.latest && !verdict.deny)
		ret_decision->rule = edited.latest->source;
	if (ret_decision->standing == SP_STANDING_INSIDE)
		return;
	/* What is on the way to nothing any more, or to something now. */
	ret_decision->standing =
	    ret_decision->standing == SP_STANDING_ANCESTOR && (verdict.rights_below & *ret_below)
		? SP_STANDING_ANCESTOR
	    : edited.gives_below ? SP_STANDING_ANCESTOR
				 : SP_STANDING_OUTSIDE;
}

/* Narrows a decision by that of one set more. */
static void add_bound(struct sp_path_decision *decision, const struct sp_path_decision *bound)
{
	uint32_t rights = decision->rights & bound->rights;
	uint32_t any = (decision->rights | decision->ask) & (bound->rights | bound->ask);
	const char *ask_rule = decision->ask_rule ? decision->ask_rule : bound->ask_rule;

	if (rights != decision->rights)
		*decision = *bound;
	decision->rights = rights;
	decision->ask = any & ~rights;
	decision->ask_rule = decision->ask ? ask_rule : NULL;
}

/* Every set grants what is granted, and every set has something to grant below an ancestor, the same
 * right at least. Of the sets that miss a right the first says with which error. */
void sp_rules_decide(const struct sp_rules *rules, const char *name, size_t length,
		     struct sp_path_decision *ret_decision)
{
	struct sp_text text = without_final_slash(name, length);
	enum sp_standing standing;
	uint32_t below;

	decide_own(rules, text, ret_decision, &below);
	if (rules->set_count == 1)
		return;
	standing = ret_decision->standing;
	for (size_t i = 1; i < rules->set_count; i++) {
		struct sp_path_decision bound;
		uint32_t bound_below;

		if (rules->sets[i].idle)
			continue;
		decide(&rules->sets[i], text, &bound, &bound_below);
		standing = bound.standing < standing ? bound.standing : standing;
		below &= bound_below;
		add_bound(ret_decision, &bound);
	}
	if (standing == SP_STANDING_INSIDE && !(ret_decision->rights | ret_decision->ask))
		standing = SP_STANDING_ANCESTOR;
	if (standing == SP_STANDING_ANCESTOR && below == 0)
		standing = SP_STANDING_OUTSIDE;
	ret_decision->standing = standing;
}

/* ---- addresses ---- */

static struct sp_rules_address public_rule(const struct address_rule *rule, size_t set)
{
	return (struct sp_rules_address){
	    .address = &rule->address, .source = rule->source, .set = set, .error = rule->error};
}

bool sp_rules_address_outranks(const struct sp_rules_address *a, const struct sp_rules_address *b,
			       const char **ret_reason)
{
	int order = sp_address_compare(a->address, b->address, ret_reason);

	if (order != 0)
		return order > 0;
	*ret_reason = !a->error == !b->error
			  ? "both say the same"
			  : "of rules that are as specific the one that denies wins";
	return a->error && !b->error;
}

static struct sp_address_decision decide_address(const struct rule_set *set,
						 const struct sp_address *address)
{
	struct sp_rules_address best = {0};
	const char *reason;

	for (size_t i = 0; i < set->address_count; i++) {
		struct sp_rules_address rule = public_rule(&set->addresses[i], 0);

		if (sp_address_holds(rule.address, address) &&
		    (!best.address || sp_rules_address_outranks(&rule, &best, &reason)))
			best = rule;
	}
	return (struct sp_address_decision){.error = best.address ? best.error : EACCES,
					    .rule = best.source};
}

/* Of the sets that don't grant it the first says with which error. */
void sp_rules_decide_address(const struct sp_rules *rules, const struct sp_address *address,
			     struct sp_address_decision *ret_decision)
{
	*ret_decision = decide_address(&rules->sets[0], address);
	for (size_t i = 1; i < rules->set_count && ret_decision->error == 0; i++)
		if (!rules->sets[i].idle)
			*ret_decision = decide_address(&rules->sets[i], address);
}

static bool grants_addresses(const struct rule_set *set)
{
	for (size_t i = 0; i < set->address_count; i++)
		if (set->addresses[i].error == 0)
			return true;
	return false;
}

bool sp_rules_grants_addresses(const struct sp_rules *rules)
{
	for (size_t i = 0; i < rules->set_count; i++)
		if (!rules->sets[i].idle && !grants_addresses(&rules->sets[i]))
			return false;
	return true;
}

int sp_rules_each_address(const struct sp_rules *rules, sp_rules_address_fn *fn, void *data)
{
	const struct rule_set *own = &rules->sets[0];
	int r = 0;

	for (size_t i = 0; i < own->address_count && r == 0; i++)
		if (own->addresses[i].error == 0)
			r = fn(&own->addresses[i].address, data);
	return r;
}

int sp_rules_every_address(const struct sp_rules *rules, sp_rules_each_address_fn *fn, void *data)
{
	int r = 0;

	for (size_t set = 0; set < rules->set_count; set++)
		for (size_t i = 0;
		     i < rules->sets[set].address_count && !rules->sets[set].idle && r == 0; i++) {
			struct sp_rules_address rule =
			    public_rule(&rules->sets[set].addresses[i], set);

			r = fn(&rule, data);
		}
	return r;
}

static bool uniform_below(const struct rule_set *rules, struct sp_text name)
{
	struct walk walk = walk_start(name);
	const struct node *node;

	while ((node = walk_next(rules, &walk))) {
		for (size_t i = 0; i < node->count; i++) {
			unsigned reach = rule_reach(&rules->rules[node->first + i], walk.rest);

			if (reach != 0 && !(reach & SP_GLOB_COVERS))
				return false;
		}
		if (walk.rest.length == 0 && node->rules_below)
			return false;
	}
	return true;
}

const char *sp_right_lack(uint32_t missing)
{
	static const struct {
		uint32_t right;
		const char *detail;
	} rights[] = {
	    {SP_RIGHT_READ, "no right to read"},
	    {SP_RIGHT_WRITE, "no right to write"},
	    {SP_RIGHT_CREATE, "no right to create"},
	    {SP_RIGHT_DELETE, "no right to delete"},
	    {SP_RIGHT_LINKED, "no right to write to a file with several links"},
	    {SP_RIGHT_EXECUTE, "no right to execute"},
	    {SP_RIGHT_CONNECT, "no right to connect"},
	    {SP_RIGHT_BIND, "no right to bind"},
	};
	size_t i = 0;

	while (i + 1 < SP_ELEMENTS(rights) && !(missing & rights[i].right))
		i++;
	return rights[i].detail;
}

bool sp_rules_uniform_below(const struct sp_rules *rules, const char *name, size_t length)
{
	if (rules->edit_count > 0 &&
	    !uniform_below(&rules->edit_rules, without_final_slash(name, length)))
		return false;
	for (size_t i = 0; rules->edit_count > 0 && i < rules->edit_bound_count; i++)
		if (!uniform_below(&rules->edit_bounds[i], without_final_slash(name, length)))
			return false;
	for (size_t i = 0; i < rules->set_count; i++)
		if (!rules->sets[i].idle &&
		    !uniform_below(&rules->sets[i], without_final_slash(name, length)))
			return false;
	return true;
}

const struct sock_fprog *sp_rules_extra_filters(const struct sp_rules *rules, size_t *ret_count)
{
	*ret_count = rules->extra_count;
	return rules->extras;
}

#define WORD(field) (1u << (offsetof(struct seccomp_data, field) / sizeof(uint32_t)))

int sp_rules_foreign_verdict(const struct sp_rules *rules, int nr, uint32_t *ret_action)
{
	const struct seccomp_data data = {.nr = nr, .arch = SP_AUDIT_ARCH};
	uint32_t action = SECCOMP_RET_ALLOW;

	for (size_t i = rules->extra_count; i > 0; i--) {
		struct sp_bpf_course course;
		uint32_t said = sp_bpf_follow(&rules->extras[i - 1], &data, &course);

		if (course.words & ~(WORD(nr) | WORD(arch)))
			return -EOPNOTSUPP;
		if (sp_bpf_rank(said) < sp_bpf_rank(action))
			action = said;
	}
	*ret_action = action;
	return 0;
}

/* ---- telling why ---- */

static struct sp_rules_match match_of(const struct rule *rule, size_t set)
{
	return (struct sp_rules_match){.pattern = rule->pattern.start,
				       .source = rule->source,
				       .set = set,
				       .rights = rule->rights,
				       .ask = rule->ask,
				       .error = rule->error};
}

int sp_rules_each(const struct sp_rules *rules, sp_rules_match_fn *fn, void *data)
{
	for (size_t set = 0; set < rules->set_count; set++)
		for (size_t i = 0; i < rules->sets[set].rule_count; i++) {
			struct sp_rules_match match = match_of(&rules->sets[set].rules[i], set);
			int r = fn(&match, data);

			if (r != 0)
				return r;
		}
	return 0;
}

int sp_rules_each_edit_bound(const struct sp_rules *rules, sp_rules_match_fn *fn, void *data)
{
	for (size_t set = 0; set < rules->edit_bound_count; set++)
		for (size_t i = 0; i < rules->edit_bounds[set].rule_count; i++) {
			struct sp_rules_match match =
			    match_of(&rules->edit_bounds[set].rules[i], set);
			int r = fn(&match, data);

			if (r != 0)
				return r;
		}
	return 0;
}

int sp_rules_each_match(const struct sp_rules *rules, const char *name, size_t length,
			sp_rules_match_fn *fn, void *data)
{
	for (size_t set = 0; set < rules->set_count; set++) {
		struct walk walk = walk_start(without_final_slash(name, length));
		const struct node *node;

		if (rules->sets[set].idle)
			continue;
		while ((node = walk_next(&rules->sets[set], &walk)))
			for (size_t i = 0; i < node->count; i++) {
				const struct rule *rule = &rules->sets[set].rules[node->first + i];
				struct sp_rules_match match = match_of(rule, set);
				int r = rule_reach(rule, walk.rest) & SP_GLOB_MATCHES
					    ? fn(&match, data)
					    : 0;

				if (r != 0)
					return r;
			}
	}
	return 0;
}

size_t sp_rules_set_count(const struct sp_rules *rules)
{
	return rules->set_count;
}

bool sp_rules_is_idle(const struct sp_rules *rules, size_t set)
{
	return rules->sets[set].idle;
}

/* From lax to strict, where two rules are as specific. */
static int sternness(const struct sp_rules_match *match)
{
	return match->rights == 0 ? 2 : match->ask;
}

bool sp_rules_outranks(const struct sp_rules_match *a, const struct sp_rules_match *b,
		       const char **ret_reason)
{
	struct sp_glob_measure measure_a, measure_b;
	int order;

	sp_glob_measure((struct sp_text){a->pattern, strlen(a->pattern)}, &measure_a);
	sp_glob_measure((struct sp_text){b->pattern, strlen(b->pattern)}, &measure_b);
	order = compare_measures(&measure_a, &measure_b, ret_reason);
	if (order != 0)
		return order > 0;
	*ret_reason = sternness(a) == sternness(b) ? "both say the same"
		      : a->rights == 0 || b->rights == 0
			  ? "of rules that are as specific the one that denies wins"
			  : "of rules that are as specific the one that asks wins";
	return sternness(a) > sternness(b);
}

struct sock_fprog sp_rules_listener_filter(const struct sp_rules *rules)
{
	return rules->listener_filter;
}

struct sock_fprog sp_rules_floor(const struct sp_rules *rules)
{
	return rules->floor;
}

static int compare_call(const void *key, const void *element)
{
	int nr = *(const int *)key;
	const struct call_rule *rule = element;

	return (nr > rule->nr) - (nr < rule->nr);
}

static const struct call_rule *find_call(const struct call_table *table, int nr)
{
	return bsearch(&nr, table->rules, table->count, sizeof(*table->rules), compare_call);
}

/* The first that refuses, else the first that asks. */
bool sp_rules_find_refusal(const struct sp_rules *rules, int nr,
			   struct sp_call_refusal *ret_refusal)
{
	const struct call_rule *found = find_call(&rules->calls, nr);

	for (size_t i = 0;
	     i < rules->phase_count + rules->narrowing_count && (!found || found->ask); i++) {
		const struct call_rule *rule =
		    rules->phases[i].entered ? find_call(&rules->phases[i].calls, nr) : NULL;

		if (rule && (!found || !rule->ask))
			found = rule;
	}
	if (!found)
		return false;
	*ret_refusal = (struct sp_call_refusal){found->error, found->source, found->ask};
	return true;
}

/* ---- phases ---- */

size_t sp_rules_phase_count(const struct sp_rules *rules)
{
	return rules->phase_count;
}

struct sp_rules_phase sp_rules_phase(const struct sp_rules *rules, size_t index)
{
	const struct phase *phase = &rules->phases[index];

	return (struct sp_rules_phase){phase->name, phase->id, phase->filter};
}

int sp_rules_enter(struct sp_rules *rules, uint64_t id)
{
	for (size_t i = 0; i < rules->phase_count; i++) {
		struct phase *phase = &rules->phases[i];

		if (phase->id != id)
			continue;
		phase->entered = true;
		for (size_t j = 0; j < phase->set_count; j++)
			rules->sets[phase->first_set + j].idle = false;
		return 0;
	}
	return -ENOENT;
}

bool sp_rules_floor_asks(const struct sp_rules *rules, const struct seccomp_data *data)
{
	const uint32_t asks = SECCOMP_RET_USER_NOTIF | SP_FLOOR_ASKS;

	if (sp_bpf_run(&rules->floor, data) != asks)
		return false;
	for (size_t i = 0; i < rules->phase_count + rules->narrowing_count; i++) {
		const struct phase *phase = &rules->phases[i];
		uint32_t left = phase->entered ? sp_bpf_run(&phase->floor, data) : asks;

		if (left != asks && left != SECCOMP_RET_ALLOW && left != SECCOMP_RET_LOG)
			return false;
	}
	return true;
}

uint32_t sp_rules_floor_words(const struct sp_rules *rules, const struct seccomp_data *data)
{
	const uint32_t asks = SECCOMP_RET_USER_NOTIF | SP_FLOOR_ASKS;
	struct sp_bpf_course course;
	uint32_t words;

	(void)sp_bpf_follow(&rules->floor, data, &course);
	words = course.words;
	for (size_t i = 0; i < rules->phase_count + rules->narrowing_count; i++) {
		const struct phase *phase = &rules->phases[i];

		if (phase->entered && sp_bpf_follow(&phase->floor, data, &course) == asks)
			words |= course.words;
	}
	return words >> (offsetof(struct seccomp_data, args) / sizeof(uint32_t));
}

void sp_rules_refusal(const struct sp_rules *rules, int nr, struct sp_call_refusal *ret_refusal)
{
	if (!sp_rules_find_refusal(rules, nr, ret_refusal))
		*ret_refusal =
		    (struct sp_call_refusal){rules->default_error, rules->default_source, false};
}

/* How many of the sets are the policy's own and of those that bound it, from the launch on. */
static size_t launch_set_count(const struct sp_rules *rules)
{
	return rules->phase_count + rules->narrowing_count > 0 ? rules->phases[0].first_set
							       : rules->set_count;
}

uint32_t sp_rules_granted(const struct sp_rules *rules)
{
	uint32_t granted = rules->sets[0].granted | sp_rules_givable(rules);

	for (size_t i = 1; i < launch_set_count(rules); i++)
		granted &= rules->sets[i].granted;
	return granted;
}

bool sp_rules_brokers(const struct sp_rules *rules, const struct sp_call_info *info,
		      const uint64_t *argument)
{
	bool addresses;

	if (!sp_call_is_conditional(info))
		return true;
	addresses = sp_rules_grants_addresses(rules);
	if (info->operation == SP_OPERATION_SOCKET)
		return addresses && sp_socket_is_tcp(argument[0], argument[1], argument[2]);
	if (info->operation != SP_OPERATION_CONNECT)
		return sp_rules_granted(rules) & SP_RIGHT_BIND;
	return addresses || (sp_rules_granted(rules) & SP_RIGHT_CONNECT);
}

static int each_grant(const struct rule_set *set, sp_rules_grant_fn *fn, void *data)
{
	for (size_t i = 0; i < set->rule_count; i++) {
		const struct rule *rule = &set->rules[i];
		char prefix[PATH_MAX];
		int r;

		if (rule->rights == 0)
			continue;
		memcpy(prefix, rule->pattern.start, rule->measure.directory);
		prefix[rule->measure.directory] = '\0';
		r = fn(rule->measure.directory == 0 ? "/" : prefix, rule->rights, data);
		if (r != 0)
			return r;
	}
	return 0;
}

/* Of several that bound edits each is a superset of all of them. */
int sp_rules_each_grant(const struct sp_rules *rules, sp_rules_grant_fn *fn, void *data)
{
	int r = each_grant(&rules->sets[0], fn, data);

	if (r != 0 || !rules->editable)
		return r;
	return rules->edit_bound_count > 0 ? each_grant(&rules->edit_bounds[0], fn, data)
					   : fn("/", sp_rules_givable(rules), data);
}

/* ---- edits ---- */

uint32_t sp_rules_givable(const struct sp_rules *rules)
{
	uint32_t rights = SP_RIGHT_ALL;

	if (!rules->editable)
		return 0;
	if (rules->edit_bound_count == 0)
		return (SP_RIGHT_ALL & ~SP_RIGHTS_OF_WALLS) | rules->sets[0].granted;
	for (size_t i = 0; i < rules->edit_bound_count; i++)
		rights &= rules->edit_bounds[i].granted;
	return rights;
}

uint32_t sp_rules_givable_at(const struct sp_rules *rules, const char *name, size_t length)
{
	struct sp_text text = without_final_slash(name, length);
	struct sp_path_decision bound;
	struct verdict verdict;
	uint32_t below, rights;

	if (!rules->editable || rules->edits_locked)
		return 0;
	rights = givable(rules, text, &below) & sp_rules_givable(rules);
	gather(&rules->sets[0], text, &verdict);
	/* An edit that names it alone is more specific than every pattern. */
	if (verdict.deny && verdict.deny->measure.exact)
		return 0;
	for (size_t i = 1; i < rules->set_count && rights; i++) {
		if (rules->sets[i].idle)
			continue;
		decide(&rules->sets[i], text, &bound, &below);
		rights &= bound.rights | bound.ask;
	}
	return rights;
}

static void make_edit_rule(struct rule *rule, const struct edit *edit, unsigned order)
{
	*rule = (struct rule){.pattern = {edit->pattern, strlen(edit->pattern)},
			      .rights = edit->rights,
			      .source = edit->source,
			      .order = order,
			      .revokes = edit->revokes};
	sp_glob_measure(rule->pattern, &rule->measure);
}

static int index_edits(const struct edit *edits, size_t count, struct rule_set *ret_set)
{
	struct rule_set set = {.rules = calloc(count + 1, sizeof(*set.rules))};
	int r;

	if (!set.rules)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		make_edit_rule(&set.rules[set.rule_count++], &edits[i], (unsigned)i + 1);
	r = build_index(&set);
	if (r < 0)
		clear_set(&set);
	else
		*ret_set = set;
	return r;
}

/* Whether some name may match both: surely not where this says so. */
static bool may_meet(const char *a, const char *b)
{
	struct sp_text text_a = {a, strlen(a)}, text_b = {b, strlen(b)};
	struct sp_glob_measure measure_a, measure_b;
	size_t shorter;

	sp_glob_measure(text_a, &measure_a);
	sp_glob_measure(text_b, &measure_b);
	if (measure_a.exact)
		return sp_glob_reach(text_b, without_final_slash(a, text_a.length)) &
		       SP_GLOB_MATCHES;
	if (measure_b.exact)
		return sp_glob_reach(text_a, without_final_slash(b, text_b.length)) &
		       SP_GLOB_MATCHES;
	shorter =
	    measure_a.directory < measure_b.directory ? measure_a.directory : measure_b.directory;
	return memcmp(a, b, shorter) == 0 && (a[shorter] == '/' && b[shorter] == '/');
}

/* The rights that the policy may give on a name that the pattern matches. */
static uint32_t given_by_policy(const struct rule_set *own, const char *pattern)
{
	struct sp_glob_measure measure;
	struct verdict verdict;
	uint32_t given;

	sp_glob_measure((struct sp_text){pattern, strlen(pattern)}, &measure);
	gather(own, (struct sp_text){pattern, measure.directory}, &verdict);
	given = verdict.rights_below;
	for (unsigned right = 0; right < RIGHT_COUNT; right++)
		given |= verdict.by_right[right] ? 1u << right : 0;
	return given;
}

/* A revocation of what nothing gives need not be kept: whoever grants and revokes for ever may go on. */
static bool says_nothing(const struct rule_set *own, const struct edit *before, size_t count,
			 const struct edit *edit)
{
	if (!edit->revokes || (given_by_policy(own, edit->pattern) & edit->rights))
		return false;
	for (size_t i = 0; i < count; i++)
		if (!before[i].revokes && (before[i].rights & edit->rights) &&
		    may_meet(before[i].pattern, edit->pattern))
			return false;
	return true;
}

static size_t prune_edits(const struct rule_set *own, struct edit *edits, size_t count)
{
	size_t kept = 0;

	for (size_t i = 0; i < count; i++)
		if (!says_nothing(own, edits, kept, &edits[i]))
			edits[kept++] = edits[i];
	return kept;
}

/* What the new edit leaves of those before: of the very same pattern it says its rights anew. */
static size_t keep_edits(const struct sp_rules *rules, const char *pattern, uint32_t rights,
			 struct edit *ret_kept)
{
	size_t count = 0;

	for (size_t i = 0; i < rules->edit_count; i++) {
		ret_kept[count] = rules->edits[i];
		if (strcmp(rules->edits[i].pattern, pattern) == 0)
			ret_kept[count].rights &= ~rights;
		count += ret_kept[count].rights != 0;
	}
	return count;
}

/* Takes what is given and what is no more; what neither of them has is freed. */
static void replace_edits_take(struct sp_rules *rules, struct edit *edits, size_t count,
			       struct rule_set *index)
{
	for (size_t i = 0, kept = 0; i < rules->edit_count; i++)
		if (kept < count && edits[kept].pattern == rules->edits[i].pattern)
			kept++;
		else
			clear_edit(&rules->edits[i]);
	free(rules->edits);
	clear_set(&rules->edit_rules);
	rules->edits = edits;
	rules->edit_count = count;
	rules->edit_rules = *index;
}

static int copy_edit(const struct sp_rules_edit *from, struct edit *ret_edit)
{
	struct edit edit = {.pattern = strdup(from->pattern),
			    .source = strdup(from->source),
			    .rights = from->rights,
			    .revokes = from->revokes};

	if (!edit.pattern || !edit.source) {
		clear_edit(&edit);
		return -ENOMEM;
	}
	*ret_edit = edit;
	return 0;
}

/* All or nothing: what decides is replaced at the end. `edits` has room for one more than there are. */
static int add_edit(struct sp_rules *rules, const struct sp_rules_edit *edit, struct edit *edits)
{
	size_t count = keep_edits(rules, edit->pattern, edit->rights, edits);
	struct rule_set index;
	struct edit added;
	bool stands;
	int r = copy_edit(edit, &added);

	if (r < 0)
		return r;
	edits[count] = added;
	count = prune_edits(&rules->sets[0], edits, count + 1);
	stands = count > 0 && edits[count - 1].pattern == added.pattern;
	r = count > SP_EDITS_MAX ? -ENOSPC : index_edits(edits, count, &index);
	if (r == 0)
		replace_edits_take(rules, edits, count, &index);
	if (r < 0 || !stands)
		clear_edit(&added);
	return r;
}

static bool valid_pattern(const char *pattern)
{
	size_t offset;

	return !sp_glob_mistake((struct sp_text){pattern, strlen(pattern)}, &offset);
}

int sp_rules_edit(struct sp_rules *rules, const struct sp_rules_edit *edit)
{
	struct edit *edits;
	int r;

	if (!rules->editable || rules->edits_locked)
		return -EPERM;
	if (edit->rights == 0 || (edit->rights & ~(uint32_t)SP_RIGHT_ALL) ||
	    !valid_pattern(edit->pattern) ||
	    (!edit->revokes && (edit->rights & ~sp_rules_givable(rules))))
		return -EINVAL;
	edits = calloc(rules->edit_count + 1, sizeof(*edits));
	if (!edits)
		return -ENOMEM;
	r = add_edit(rules, edit, edits);
	if (r < 0)
		free(edits);
	return r;
}

void sp_rules_lock(struct sp_rules *rules)
{
	rules->edits_locked = true;
}

/* ---- narrowings ---- */

static int load_narrowing(struct sp_rules *rules, const Phase *message, struct phase *phase)
{
	char *pool;
	int r;

	phase->strings = pool = malloc(phase_size(message));
	if (!pool)
		return -ENOMEM;
	r = load_phase(rules, message, phase, &pool);
	phase->id = 0;
	phase->entered = true;
	return r;
}

/* Room for more of both, so that nothing has changed where that fails. */
static int make_room(struct sp_rules *rules, size_t sets)
{
	size_t phases = rules->phase_count + rules->narrowing_count;
	void *grown = reallocarray(rules->sets, rules->set_count + sets, sizeof(*rules->sets));

	if (!grown)
		return -ENOMEM;
	rules->sets = grown;
	memset(&rules->sets[rules->set_count], 0, sets * sizeof(*rules->sets));
	grown = reallocarray(rules->phases, phases + 1, sizeof(*rules->phases));
	if (!grown)
		return -ENOMEM;
	rules->phases = grown;
	rules->phases[phases] = (struct phase){0};
	return 0;
}

static int narrow(struct sp_rules *rules, const Phase *message)
{
	size_t sets = rules->set_count;
	struct phase *phase;
	int r = make_room(rules, message->n_bound);

	if (r < 0)
		return r;
	phase = &rules->phases[rules->phase_count + rules->narrowing_count];
	r = load_narrowing(rules, message, phase);
	if (r < 0) {
		while (rules->set_count > sets)
			clear_set(&rules->sets[--rules->set_count]);
		clear_phase(phase);
		return r;
	}
	for (size_t i = sets; i < rules->set_count; i++)
		rules->sets[i].idle = false;
	rules->narrowing_count++;
	return 0;
}

int sp_rules_narrow(struct sp_rules *rules, const uint8_t *bytes, size_t length)
{
	ProtobufCMessage *message;
	int r;

	if (rules->narrowing_count == SP_NARROWINGS_MAX)
		return -E2BIG;
	r = sp_message_decode(&sallyport__policy__phase__descriptor, bytes, length, NULL, &message);
	if (r < 0)
		return r;
	r = narrow(rules, (const Phase *)message);
	protobuf_c_message_free_unpacked(message, NULL);
	return r;
}
