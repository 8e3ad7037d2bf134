/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules from the encoded message: of a policy when the sandbox begins, and of what narrows it later. Strict: what no
 * compiler of ours would have written is refused. And their end.
 */
#include <errno.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/decode.h"
#include "ipc/runtime.h"
#include "ipc/util.h"
#include "policy/compiled.pb-c.h"
#include "policy/format.h"
#include "policy/rules_state.h"

/* The highest errno that the kernel can return. */
#define ERROR_MAX 4095u

typedef Sallyport__Policy__CompiledPolicy Message;
typedef Sallyport__Policy__PathRule PathRule;
typedef Sallyport__Policy__AddressRule AddressRule;
typedef Sallyport__Policy__CallRule CallRule;
typedef Sallyport__Policy__Phase Phase;

/* ---- strings: all in one piece of memory ---- */

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

/* ---- the parts ---- */

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

static int load_set(struct sp_rule_set *set, PathRule *const *paths, size_t count, char **pool)
{
	set->rules = calloc(count + 1, sizeof(*set->rules));
	if (!set->rules)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		const PathRule *from = paths[i];
		struct sp_rule *rule = &set->rules[i];

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
	return sp_rule_set_index(set);
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

static int load_addresses(struct sp_rule_set *set, AddressRule *const *addresses, size_t count,
			  char **pool)
{
	set->addresses = calloc(count + 1, sizeof(*set->addresses));
	if (!set->addresses)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		struct sp_loaded_address *rule = &set->addresses[i];

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
		struct sp_rule_set *set = &rules->sets[rules->set_count++];

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
			   char **pool, struct sp_refused_calls *ret_table)
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
		    (struct sp_refused_call){(int)from->nr, (int)from->error, from->ask, source};
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

static int load_phase(struct sp_rules *rules, const Phase *message, struct sp_loaded_phase *phase,
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

/* ---- the whole ---- */

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

static void clear_phase(struct sp_loaded_phase *phase)
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
		sp_rule_set_clear(&rules->sets[i]);
	free(rules->sets);
	for (size_t i = 0; i < rules->edit_bound_count; i++)
		sp_rule_set_clear(&rules->edit_bounds[i]);
	free(rules->edit_bounds);
	for (size_t i = 0; i < rules->edit_count; i++)
		sp_kept_edit_clear(&rules->edits[i]);
	free(rules->edits);
	sp_rule_set_clear(&rules->edit_rules);
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

/* ---- narrowings ---- */

static int load_narrowing(struct sp_rules *rules, const Phase *message,
			  struct sp_loaded_phase *phase)
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
	rules->phases[phases] = (struct sp_loaded_phase){0};
	return 0;
}

static int narrow(struct sp_rules *rules, const Phase *message)
{
	size_t sets = rules->set_count;
	struct sp_loaded_phase *phase;
	int r = make_room(rules, message->n_bound);

	if (r < 0)
		return r;
	phase = &rules->phases[rules->phase_count + rules->narrowing_count];
	r = load_narrowing(rules, message, phase);
	if (r < 0) {
		while (rules->set_count > sets)
			sp_rule_set_clear(&rules->sets[--rules->set_count]);
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
