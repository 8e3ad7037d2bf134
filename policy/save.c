/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file is a header and a canonical message of saved.proto:
 *
 *     0   8  magic
 *     8   4  version, of header and message
 *     12  4  architecture, as seccomp names it: calls are saved by number
 *     16  4  length of the message
 *     20  4  CRC-32 of the message (ISO 3309, as zlib's)
 *
 * numbers in little endian. The checksum tells damage, not malice: whoever may write the file decides
 * what the policy allows, as with a text. Nothing in it goes beyond what a text can say.
 */
#include "policy/save.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/arch.h"
#include "ipc/decode.h"
#include "ipc/util.h"
#include "policy/export.h"
#include "policy/glob.h"
#include "policy/interpret.h"
#include "policy/saved.pb-c.h"

#define SAVED_VERSION 6u

/* More than the parser lets any text make. */
#define STEPS_MAX (4 * SP_TESTS_MAX)
#define STACK_MAX (2 * SP_NESTING_MAX + 2)
#define RANK_MAX 1024u

struct header {
	char magic[SP_SAVED_MAGIC_LENGTH];
	uint32_t version, architecture, length, checksum; /* little endian */
};
_Static_assert(sizeof(struct header) == 24, "the header has no gaps");

typedef Sallyport__Saved__Saved Saved;
typedef Sallyport__Saved__Policy Policy;
typedef Sallyport__Saved__Call Call;
typedef Sallyport__Saved__Path Path;
typedef Sallyport__Saved__Address Address;
typedef Sallyport__Saved__Step Step;
typedef Sallyport__Saved__Setting Setting;
typedef Sallyport__Saved__Weight Weight;

static uint32_t checksum(const uint8_t *bytes, size_t length)
{
	uint32_t sum = ~0u;

	for (size_t i = 0; i < length; i++) {
		sum ^= bytes[i];
		for (int bit = 0; bit < 8; bit++)
			sum = sum >> 1 ^ (sum & 1 ? 0xedb88320u : 0);
	}
	return ~sum;
}

/* By their number in the file, which stays. */
static struct sp_setting *setting_at(struct sp_policy *policy, uint32_t which)
{
#define AT(name, later) &policy->name,
	struct sp_setting *const settings[] = {SP_SETTINGS(AT)};
#undef AT

	if (which < SP_LIMIT_COUNT)
		return &policy->limits[which];
	which -= SP_LIMIT_COUNT;
	return which < SP_ELEMENTS(settings) ? settings[which] : NULL;
}

#define COUNT(name, later) +1u
#define SETTINGS (SP_LIMIT_COUNT SP_SETTINGS(COUNT))

/* ---- writing ---- */

/* Owner of what a message is made of. */
struct writer {
	struct block {
		struct block *next;
		max_align_t memory[];
	} * blocks;
	bool failed; /* no memory */
};

static void clear_writer(struct writer *writer)
{
	while (writer->blocks) {
		struct block *block = writer->blocks;

		writer->blocks = block->next;
		free(block);
	}
}

/* Zeroed memory for at least one element, or NULL. */
static void *take(struct writer *writer, size_t count, size_t size)
{
	struct block *block = calloc(1, sizeof(*block) + (count + 1) * size);

	if (!block) {
		writer->failed = true;
		return NULL;
	}
	block->next = writer->blocks;
	writer->blocks = block;
	return block->memory;
}

static ProtobufCBinaryData bytes_of(const char *text)
{
	return (ProtobufCBinaryData){strlen(text), (uint8_t *)(uintptr_t)text};
}

/* The elements of a repeated field: pointers to `count` messages that `init` begins; or NULL. */
#define LIST(writer, type, init, count)                                                            \
	({                                                                                         \
		type **list_ = take(writer, count, sizeof(type *));                                \
		type *rows_ = take(writer, count, sizeof(type));                                   \
		for (size_t i_ = 0; list_ && rows_ && i_ < (count); i_++) {                        \
			init(&rows_[i_]);                                                          \
			list_[i_] = &rows_[i_];                                                    \
		}                                                                                  \
		rows_ ? list_ : NULL;                                                              \
	})

/* NOLINTNEXTLINE(misc-no-recursion): as deep as the parser lets conditions be */
static size_t count_steps(const struct sp_condition *condition)
{
	return condition ? 1 + count_steps(condition->left) + count_steps(condition->right) : 0;
}

/* NOLINTNEXTLINE(misc-no-recursion) */
static Step **write_steps(Step **at, const struct sp_condition *condition)
{
	if (!condition)
		return at;
	at = write_steps(write_steps(at, condition->left), condition->right);
	(*at)->kind = condition->kind;
	if (condition->kind == SP_CONDITION_TEST) {
		const struct sp_test *test = &condition->test;

		(*at)->has_argument = (*at)->has_test = (*at)->has_wide = true;
		(*at)->has_mask = (*at)->has_value = true;
		(*at)->argument = test->argument;
		(*at)->test = test->kind;
		(*at)->wide = test->wide;
		(*at)->mask = test->mask;
		(*at)->value = test->value;
	}
	return at + 1;
}

static void write_call(struct writer *writer, const struct sp_call_rule *rule, Call *call)
{
	call->nr = (uint32_t)rule->nr;
	call->action = rule->action;
	call->error = (uint32_t)rule->error;
	call->rank = rule->rank;
	call->source = bytes_of(rule->source);
	call->n_condition = count_steps(rule->condition);
	call->condition = LIST(writer, Step, sallyport__saved__step__init, call->n_condition);
	if (call->condition)
		(void)write_steps(call->condition, rule->condition);
}

static void write_path(const struct sp_path_rule *rule, Path *path)
{
	path->pattern = bytes_of(rule->pattern);
	path->rights = rule->rights;
	path->ask = rule->ask;
	path->error = (uint32_t)rule->error;
	path->source = bytes_of(rule->source);
}

static void write_address(struct writer *writer, const struct sp_address_rule *rule,
			  Address *address)
{
	char *text = take(writer, SP_ADDRESS_TEXT_MAX, 1);

	if (!text)
		return;
	address->address = bytes_of(sp_address_print(&rule->address, text));
	address->error = (uint32_t)rule->error;
	address->source = bytes_of(rule->source);
}

static void write_settings(struct writer *writer, struct sp_policy *policy, Policy *message)
{
	struct sp_setting *setting;

	message->setting = LIST(writer, Setting, sallyport__saved__setting__init, SETTINGS);
	for (uint32_t i = 0; message->setting && (setting = setting_at(policy, i)); i++) {
		Setting *row = message->setting[message->n_setting];

		if (!setting->set)
			continue;
		row->which = i;
		row->value = setting->value;
		row->source = bytes_of(setting->source);
		message->n_setting++;
	}
}

static void write_weights(struct writer *writer, const struct sp_policy *policy, Policy *message)
{
	message->weight = LIST(writer, Weight, sallyport__saved__weight__init, SP_NUMBERS);
	for (uint32_t nr = 0; message->weight && policy->weights && nr < SP_NUMBERS; nr++) {
		const struct sp_setting *weight = &policy->weights[nr];
		Weight *row = message->weight[message->n_weight];

		if (!weight->set)
			continue;
		row->nr = nr;
		row->weight = (uint32_t)weight->value;
		row->depth = weight->depth;
		row->source = bytes_of(weight->source);
		message->n_weight++;
	}
}

static void write_filters(struct writer *writer, const struct sp_policy *policy, Policy *message)
{
	message->filter = take(writer, policy->extra_count, sizeof(*message->filter));
	for (size_t i = 0; message->filter && i < policy->extra_count; i++)
		message->filter[message->n_filter++] =
		    (ProtobufCBinaryData){policy->extras[i].length, policy->extras[i].bytes};
}

static void write_policy(struct writer *writer, const struct sp_policy *policy, Policy *message)
{
	message->name = bytes_of(policy->name);
	message->n_call = policy->call_count;
	message->call = LIST(writer, Call, sallyport__saved__call__init, message->n_call);
	message->n_path = policy->path_count;
	message->path = LIST(writer, Path, sallyport__saved__path__init, message->n_path);
	for (size_t i = 0; message->call && i < message->n_call; i++)
		write_call(writer, &policy->calls[i], message->call[i]);
	for (size_t i = 0; message->path && i < message->n_path; i++)
		write_path(&policy->paths[i], message->path[i]);
	message->n_address = policy->address_count;
	message->address =
	    LIST(writer, Address, sallyport__saved__address__init, message->n_address);
	for (size_t i = 0; message->address && i < message->n_address; i++)
		write_address(writer, &policy->addresses[i], message->address[i]);
	write_filters(writer, policy, message);
	write_weights(writer, policy, message);
	write_settings(writer, (struct sp_policy *)(uintptr_t)policy, message);
}

/* In the order of sp_model_layers(): a policy comes before those that bound it.
 * NOLINTNEXTLINE(misc-no-recursion): the number of layers is bounded */
static uint32_t write_bounds(const struct sp_policy *policy, uint32_t index, Saved *message)
{
	uint32_t next = index + 1;

	for (size_t i = 0; i < policy->within_count; i++) {
		message->policy[next]->has_bounds = true;
		message->policy[next]->bounds = index;
		next = write_bounds(policy->within[i], next, message);
	}
	return next;
}

/* From `index` on; returns what comes behind. */
static uint32_t write_layers(struct writer *writer, const struct sp_policy *policy, uint32_t index,
			     Saved *message)
{
	const struct sp_policy *layers[SP_LAYERS_MAX];
	size_t count = sp_model_layers(policy, layers);

	for (size_t i = 0; i < count; i++)
		write_policy(writer, layers[i], message->policy[index + i]);
	return write_bounds(policy, index, message);
}

static size_t count_policies(const struct sp_policy *policy)
{
	const struct sp_policy *layers[SP_LAYERS_MAX];
	size_t count = sp_model_layers(policy, layers);

	for (size_t i = 0; i < policy->phase_count; i++)
		count += sp_model_layers(policy->phases[i].policy, layers);
	if (policy->edit_bound)
		count += sp_model_layers(policy->edit_bound, layers);
	return count;
}

static void write_policies(struct writer *writer, const struct sp_policy *policy, Saved *message)
{
	uint32_t index;

	message->n_policy = count_policies(policy);
	message->policy = LIST(writer, Policy, sallyport__saved__policy__init, message->n_policy);
	if (!message->policy)
		return;
	index = write_layers(writer, policy, 0, message);
	for (size_t i = 0; i < policy->phase_count; i++) {
		Policy *phase = message->policy[index];

		index = write_layers(writer, policy->phases[i].policy, index, message);
		phase->has_bounds = true;
		phase->has_phase = true;
		phase->phase = bytes_of(policy->phases[i].name);
	}
	if (policy->editable.set) {
		message->policy[0]->has_editable = true;
		message->policy[0]->editable = bytes_of(policy->editable.source);
	}
	if (policy->edit_bound) {
		Policy *bound = message->policy[index];

		(void)write_layers(writer, policy->edit_bound, index, message);
		bound->has_bounds = true;
		bound->has_edits = bound->edits = true;
	}
}

static int encode(const Saved *message, uint8_t **ret_bytes, size_t *ret_length)
{
	struct header header = {.magic = SP_SAVED_MAGIC,
				.version = htole32(SAVED_VERSION),
				.architecture = htole32(SP_AUDIT_ARCH)};
	size_t length = sallyport__saved__saved__get_packed_size(message);
	uint8_t *bytes, *body;

	if (length > SP_SAVED_MAX - sizeof(header))
		return -E2BIG;
	bytes = malloc(sizeof(header) + length);
	if (!bytes)
		return -ENOMEM;
	body = bytes + sizeof(header);
	(void)sallyport__saved__saved__pack(message, body);
	header.length = htole32((uint32_t)length);
	header.checksum = htole32(checksum(body, length));
	memcpy(bytes, &header, sizeof(header));
	*ret_bytes = bytes;
	*ret_length = sizeof(header) + length;
	return 0;
}

SP_EXPORT int sp_policy_save(const struct sp_policy *policy, uint8_t **ret_bytes,
			     size_t *ret_length)
{
	_cleanup_(clear_writer) struct writer writer = {0};
	Saved message = SALLYPORT__SAVED__SAVED__INIT;

	write_policies(&writer, policy, &message);
	return writer.failed ? -ENOMEM : encode(&message, ret_bytes, ret_length);
}

/* ---- reading ---- */

/* Strings of a message become strings of C: a NUL would cut them. */
static char *text_of(ProtobufCBinaryData bytes)
{
	return memchr(bytes.data, 0, bytes.len) ? NULL
						: strndup((const char *)bytes.data, bytes.len);
}

static bool valid_test(const Step *step)
{
	bool whole = step->has_argument && step->has_test && step->has_wide && step->has_mask &&
		     step->has_value;

	if (step->kind != SP_CONDITION_TEST)
		return !step->has_argument && !step->has_test && !step->has_wide &&
		       !step->has_mask && !step->has_value;
	return whole && step->argument < SP_ARGUMENTS && step->test <= SP_TEST_BELOW &&
	       (step->wide || (step->mask <= UINT32_MAX && step->value <= UINT32_MAX));
}

/* Conditions under way: what is below `height` is owned. */
struct stack {
	struct sp_condition *condition[STACK_MAX];
	size_t height;
};

static void clear_stack(struct stack *stack)
{
	while (stack->height > 0)
		sp_condition_free(stack->condition[--stack->height]);
}

static struct sp_condition *make_test(const Step *step)
{
	const struct sp_test test = {
	    .kind = (enum sp_test_kind)step->test,
	    .argument = step->argument,
	    .wide = step->wide,
	    .mask = step->mask,
	    .value = step->value,
	};

	return sp_condition_test(&test);
}

static int read_step(struct stack *stack, const Step *step)
{
	size_t operands = step->kind == SP_CONDITION_TEST  ? 0
			  : step->kind == SP_CONDITION_NOT ? 1
							   : 2;
	struct sp_condition **at, *made;

	if (step->kind > SP_CONDITION_OR || !valid_test(step) || stack->height < operands ||
	    stack->height - operands == STACK_MAX)
		return -EBADMSG;
	stack->height -= operands;
	at = &stack->condition[stack->height];
	if (operands == 0)
		made = make_test(step);
	else if (operands == 1)
		made = sp_condition_not_take(at[0]);
	else
		made = sp_condition_join_take((enum sp_condition_kind)step->kind, at[0], at[1]);
	if (!made)
		return -ENOMEM;
	stack->condition[stack->height++] = made;
	return 0;
}

/* *ret_condition stays NULL where there is none. */
static int read_condition(const Call *call, struct sp_condition **ret_condition)
{
	_cleanup_(clear_stack) struct stack stack = {.height = 0};

	if (call->n_condition > STEPS_MAX)
		return -EBADMSG;
	for (size_t i = 0; i < call->n_condition; i++) {
		int r = read_step(&stack, call->condition[i]);

		if (r < 0)
			return r;
	}
	if (stack.height > 1)
		return -EBADMSG;
	if (stack.height == 1)
		*ret_condition = stack.condition[--stack.height];
	return 0;
}

static bool valid_error(enum sp_action action, uint32_t error)
{
	switch (action) {
	case SP_ACTION_DENY:
		return error > 0 && error <= SP_ERRNO_MAX;
	case SP_ACTION_ERRNO:
		return error <= SP_ERRNO_MAX;
	case SP_ACTION_TRAP:
		return error > 0 && error <= SP_TRAP_MAX;
	default:
		return error == 0;
	}
}

static bool valid_call(const Call *call)
{
	return call->nr < SP_NUMBERS && call->action > SP_ACTION_NONE &&
	       call->action <= SP_ACTION_KILL && call->rank <= RANK_MAX &&
	       valid_error((enum sp_action)call->action, call->error) &&
	       !sp_model_verdict_mistake((int)call->nr, (enum sp_action)call->action,
					 (int)call->error, call->rank % 2 == 0);
}

static int read_call(struct sp_policy *policy, const Call *call)
{
	_cleanup_free_ char *source = text_of(call->source);
	_cleanup_condition_ struct sp_condition *condition = NULL;
	struct sp_call_rule rule = {
	    .nr = (int)call->nr,
	    .action = (enum sp_action)call->action,
	    .error = (int)call->error,
	    .rank = call->rank,
	    .source = source,
	};
	int r;

	if (!valid_call(call) || !source)
		return -EBADMSG;
	r = read_condition(call, &condition);
	rule.condition = condition;
	return r < 0 ? r : sp_model_add_call(policy, &rule);
}

static int read_path(struct sp_policy *policy, const Path *path)
{
	_cleanup_free_ char *pattern = text_of(path->pattern), *source = text_of(path->source);
	struct sp_path_rule rule = {
	    .pattern = pattern,
	    .rights = path->rights,
	    .ask = path->ask,
	    .error = (int)path->error,
	    .source = source,
	};
	size_t offset;

	if (!pattern || !source || (path->rights & ~(uint32_t)SP_RIGHT_ALL) ||
	    path->error > SP_ERRNO_MAX || (path->rights == 0) == (path->error == 0) ||
	    (path->rights == 0 && path->ask) ||
	    sp_glob_mistake((struct sp_text){pattern, strlen(pattern)}, &offset) ||
	    sp_model_contradicts(sp_model_find_path(policy, pattern), path->rights))
		return -EBADMSG;
	return sp_model_add_path(policy, &rule);
}

static int read_address(struct sp_policy *policy, const Address *saved)
{
	_cleanup_free_ char *text = text_of(saved->address), *source = text_of(saved->source);
	struct sp_address_rule rule = {.error = (int)saved->error, .source = source};
	const struct sp_address_rule *other;
	char buffer[SP_ADDRESS_TEXT_MAX];
	const char *mistake;
	size_t offset;
	int r;

	if (!text || !source || saved->error > SP_ERRNO_MAX ||
	    !sp_address_read(text, &rule.address, &mistake, &offset) ||
	    strcmp(sp_address_print(&rule.address, buffer), text) != 0)
		return -EBADMSG;
	r = sp_model_add_address(policy, &rule, &other);
	return r == -EEXIST ? -EBADMSG : r;
}

static int read_weight(struct sp_policy *policy, const Weight *weight)
{
	_cleanup_free_ char *source = text_of(weight->source);

	if (!source || weight->nr >= SP_NUMBERS || !sp_call_name((int)weight->nr) ||
	    weight->weight == 0 || weight->weight > SP_WEIGHT_MAX || weight->depth > RANK_MAX ||
	    (policy->weights && policy->weights[weight->nr].set))
		return -EBADMSG;
	return sp_model_set_weight(policy, weight->depth, (int)weight->nr, weight->weight, source);
}

static int read_setting(struct sp_policy *policy, const Setting *saved)
{
	struct sp_setting *setting = setting_at(policy, saved->which);
	_cleanup_free_ char *source = text_of(saved->source);

	if (!setting || setting->set || !source)
		return -EBADMSG;
	return sp_model_set(setting, 0, saved->value, source);
}

/* Through the same door as one that an application brings. */
static int read_filter(struct sp_policy *policy, ProtobufCBinaryData filter)
{
	int r = sp_policy_add_filter(policy, filter.data, filter.len);

	return r == 0 || r == -ENOMEM ? r : -EBADMSG;
}

static bool valid_default(const struct sp_policy *policy)
{
	uint64_t error = policy->default_error.value;

	if (!policy->default_error.set || error > SP_TRAP_MAX)
		return false;
	switch (policy->default_action.value) {
	case SP_ACTION_DENY:
	case SP_ACTION_ERRNO: /* of one call alone `errno 0` may be said */
		return error > 0 && error <= SP_ERRNO_MAX;
	case SP_ACTION_TRAP:
		return error > 0;
	case SP_ACTION_KILL_THREAD:
	case SP_ACTION_KILL:
		return true;
	default:
		return false;
	}
}

/* Only what a text could have set. */
static bool valid_settings(const struct sp_policy *policy)
{
	for (int i = 0; i < SP_LIMIT_COUNT; i++)
		if (policy->limits[i].set &&
		    !sp_valid_limit((enum sp_limit)i, policy->limits[i].value))
			return false;
	return (!policy->default_action.set || valid_default(policy)) && policy->wx.value <= 1 &&
	       policy->strict.value == policy->strict.set &&
	       policy->architectures.value <= (SP_ARCHITECTURE_I386 | SP_ARCHITECTURE_X32) &&
	       (!policy->isolate.set ||
		sp_model_valid_layers(policy->isolate.value, policy->optional_layers.value));
}

static int read_editable(const Policy *message, struct sp_policy *policy)
{
	_cleanup_free_ char *source = text_of(message->editable);

	return source ? sp_model_editable_take(policy, NULL, source) : -EBADMSG;
}

static int read_policy(const Policy *message, struct sp_policy *policy)
{
	int r = 0;

	policy->name = text_of(message->name);
	if (!policy->name || !sp_valid_name(policy->name))
		return -EBADMSG;
	for (size_t i = 0; i < message->n_call && r == 0; i++)
		r = read_call(policy, message->call[i]);
	for (size_t i = 0; i < message->n_path && r == 0; i++)
		r = read_path(policy, message->path[i]);
	for (size_t i = 0; i < message->n_address && r == 0; i++)
		r = read_address(policy, message->address[i]);
	for (size_t i = 0; i < message->n_setting && r == 0; i++)
		r = read_setting(policy, message->setting[i]);
	for (size_t i = 0; i < message->n_weight && r == 0; i++)
		r = read_weight(policy, message->weight[i]);
	for (size_t i = 0; i < message->n_filter && r == 0; i++)
		r = read_filter(policy, message->filter[i]);
	if (r == 0 && message->has_editable)
		r = read_editable(message, policy);
	return r == 0 && !valid_settings(policy) ? -EBADMSG : r;
}

#define POLICIES_MAX (SP_LAYERS_MAX * (2 + SP_PHASES_MAX))

/* The same: of the first, which was read already and is editable without a bound so far. */
static int take_edit_bound(const Policy *message, struct sp_policy *const *layers, uint32_t index)
{
	if (!message->edits || message->has_phase || message->bounds != 0 ||
	    !layers[0]->editable.set || layers[0]->edit_bound) {
		sp_policy_unref(layers[index]);
		return -EBADMSG;
	}
	layers[0]->edit_bound = layers[index];
	return 0;
}

/* Takes the reference of layers[index]. */
static int take_bound(const Policy *message, struct sp_policy *const *layers, uint32_t index)
{
	_cleanup_free_ char *phase = message->has_phase ? text_of(message->phase) : NULL;

	if (message->has_edits)
		return take_edit_bound(message, layers, index);
	if (!message->has_phase)
		return sp_model_bound_take(layers[message->bounds], layers[index]);
	if (!phase || !sp_valid_name(phase) || message->bounds != 0) {
		sp_policy_unref(layers[index]);
		return -EBADMSG;
	}
	return sp_model_phase_take(layers[0], phase, layers[index]);
}

/* Of the policies of a file, the first bounds none; those that bound it, or bound it in one phase, are
 * counted together. */
struct reader {
	struct sp_policy *policy[POLICIES_MAX];
	uint32_t root[POLICIES_MAX];
	unsigned layers[POLICIES_MAX]; /* by root */
};

static int place_policy(struct reader *reader, const Saved *message, uint32_t index)
{
	const Policy *policy = message->policy[index];

	if (index == 0 ? policy->has_bounds || policy->has_phase || policy->has_edits
		       : !policy->has_bounds || policy->has_editable || policy->bounds >= index)
		return -EBADMSG;
	reader->root[index] = index == 0 || policy->has_phase || policy->has_edits
				  ? index
				  : reader->root[policy->bounds];
	if (++reader->layers[reader->root[index]] > SP_LAYERS_MAX)
		return -EBADMSG;
	if (index == 0)
		return 0;
	reader->policy[index] = sp_model_new();
	return reader->policy[index] ? take_bound(policy, reader->policy, index) : -ENOMEM;
}

/* A strict policy stands alone, and says nothing else. */
static bool valid_strictness(const struct reader *reader, size_t count)
{
	for (size_t i = 1; i < count; i++)
		if (reader->policy[i]->strict.set)
			return false;
	return !sp_model_contradicts_strict(reader->policy[0]);
}

static int read_policies(const Saved *message, struct sp_policy *first)
{
	struct reader reader = {.policy = {first}};
	int r = message->n_policy == 0 || message->n_policy > POLICIES_MAX ? -EBADMSG : 0;

	for (uint32_t i = 0; i < message->n_policy && r == 0; i++) {
		r = place_policy(&reader, message, i);
		if (r == 0)
			r = read_policy(message->policy[i], reader.policy[i]);
	}
	return r == 0 && !valid_strictness(&reader, message->n_policy) ? -EBADMSG : r;
}

/* The message behind the header. */
static int check_header(const uint8_t *bytes, size_t length)
{
	struct header header;

	if (length < sizeof(header) || length > SP_SAVED_MAX || !sp_saved_is(bytes, length))
		return -EBADMSG;
	memcpy(&header, bytes, sizeof(header));
	if (le32toh(header.version) != SAVED_VERSION)
		return -EPROTO;
	if (le32toh(header.architecture) != SP_AUDIT_ARCH)
		return -ENOEXEC;
	bytes += sizeof(header);
	length -= sizeof(header);
	if (le32toh(header.length) != length || le32toh(header.checksum) != checksum(bytes, length))
		return -EBADMSG;
	return 0;
}

SP_EXPORT int sp_policy_restore(const uint8_t *bytes, size_t length, struct sp_policy **ret_policy)
{
	int r = check_header(bytes, length);
	ProtobufCMessage *message;
	struct sp_policy *policy;

	if (r < 0)
		return r;
	r = sp_message_decode(&sallyport__saved__saved__descriptor, bytes + sizeof(struct header),
			      length - sizeof(struct header), NULL, &message);
	if (r < 0)
		return r;
	policy = sp_model_new();
	r = policy ? read_policies((const Saved *)message, policy) : -ENOMEM;
	protobuf_c_message_free_unpacked(message, NULL);
	if (r == 0)
		*ret_policy = policy;
	else
		sp_policy_unref(policy);
	return r;
}

bool sp_saved_is(const void *bytes, size_t length)
{
	return length >= SP_SAVED_MAGIC_LENGTH &&
	       memcmp(bytes, SP_SAVED_MAGIC, SP_SAVED_MAGIC_LENGTH) == 0;
}

const char *sp_saved_mistake(int error)
{
	switch (error) {
	case -EBADMSG:
		return "this compiled policy is damaged; compile it anew from its text";
	case -EPROTO:
		return "this policy was compiled by another release; compile it anew from its text";
	case -ENOEXEC:
		return "this policy was compiled for another architecture; compile it anew from "
		       "its "
		       "text";
	default:
		return strerrordesc_np(-error);
	}
}
