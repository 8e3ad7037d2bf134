/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/model.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "ipc/runtime.h"
#include "ipc/util.h"
#include "policy/export.h"
#include "policy/glob.h"
#include "policy/hash.h"
#include "policy/names.h"

static const struct {
	const char *name;
	uint32_t right;
} right_words[] = {
    {"read", SP_RIGHT_READ},       {"write", SP_RIGHT_WRITE},   {"create", SP_RIGHT_CREATE},
    {"delete", SP_RIGHT_DELETE},   {"linked", SP_RIGHT_LINKED}, {"execute", SP_RIGHT_EXECUTE},
    {"connect", SP_RIGHT_CONNECT}, {"bind", SP_RIGHT_BIND},
};

static uint32_t find_right(const char *word, size_t length)
{
	for (size_t i = 0; i < SP_ELEMENTS(right_words); i++)
		if (strlen(right_words[i].name) == length &&
		    memcmp(right_words[i].name, word, length) == 0)
			return right_words[i].right;
	return 0;
}

uint32_t sp_right_find(const char *word)
{
	return find_right(word, strlen(word));
}

const char *sp_candidate_right(size_t index, const void *unused)
{
	(void)unused;
	return index < SP_ELEMENTS(right_words) ? right_words[index].name : NULL;
}

const char *sp_right_name(uint32_t right)
{
	return right_words[__builtin_ctz(right)].name;
}

/* Room for one more element of an array that doubles at every power of two. */
static int grow(void **array, size_t count, size_t size)
{
	void *grown;

	if ((count & (count - 1)) != 0)
		return 0;
	grown = reallocarray(*array, count == 0 ? 1 : count * 2, size);
	if (!grown)
		return -ENOMEM;
	*array = grown;
	return 0;
}

static int append_call(struct sp_call_rule **rules, size_t *count, const struct sp_call_rule *rule)
{
	_cleanup_condition_ struct sp_condition *condition =
	    rule->condition ? sp_condition_copy(rule->condition) : NULL;
	_cleanup_free_ char *source = strdup(rule->source);
	struct sp_call_rule copy = *rule;
	int r = grow((void **)rules, *count, sizeof(**rules));

	if (r < 0 || !source || (rule->condition && !condition))
		return -ENOMEM;
	copy.source = TAKE_POINTER(source);
	copy.condition = TAKE_POINTER(condition);
	(*rules)[(*count)++] = copy;
	return 0;
}

int sp_model_add_call(struct sp_policy *policy, const struct sp_call_rule *rule)
{
	return append_call(&policy->calls, &policy->call_count, rule);
}

int sp_model_keep_overruled(struct sp_policy *policy, const struct sp_call_rule *rule)
{
	return policy->keeps ? append_call(&policy->overruled, &policy->overruled_count, rule) : 0;
}

static bool has_text(const struct sp_policy *policy, const char *file)
{
	for (size_t i = 0; i < policy->text_count; i++)
		if (strcmp(policy->texts[i].file, file) == 0)
			return true;
	return false;
}

int sp_model_keep_text(struct sp_policy *policy, const struct sp_source *source)
{
	struct sp_kept_text kept = {.length = source->length};

	if (!policy->keeps || has_text(policy, source->file))
		return 0;
	if (grow((void **)&policy->texts, policy->text_count, sizeof(*policy->texts)) < 0)
		return -ENOMEM;
	kept.file = strdup(source->file);
	kept.text = malloc(source->length + 1);
	if (!kept.file || !kept.text) {
		free(kept.file);
		free(kept.text);
		return -ENOMEM;
	}
	memcpy(kept.text, source->text, source->length);
	kept.text[source->length] = '\0';
	policy->texts[policy->text_count++] = kept;
	return 0;
}

static const struct sp_kept_text *find_text(const struct sp_policy *policy, const char *source,
					    size_t file_length)
{
	const struct sp_policy *layers[SP_LAYERS_MAX];
	size_t count = sp_model_layers(policy, layers);

	for (size_t layer = 0; layer < count; layer++)
		for (size_t i = 0; i < layers[layer]->text_count; i++) {
			const struct sp_kept_text *kept = &layers[layer]->texts[i];

			if (strlen(kept->file) == file_length &&
			    memcmp(kept->file, source, file_length) == 0)
				return kept;
		}
	return NULL;
}

static size_t find_line(const struct sp_kept_text *kept, unsigned long number,
			const char **ret_line)
{
	const char *at = kept->text, *newline;
	size_t length;

	while (--number > 0 && (newline = strchr(at, '\n')))
		at = newline + 1;
	at += strspn(at, " \t");
	length = strcspn(at, "\n");
	while (length > 0 && strchr(" \t\r", at[length - 1]))
		length--;
	*ret_line = at;
	return number == 0 ? length : 0;
}

size_t sp_model_line(const struct sp_policy *policy, const char *source, const char **ret_line)
{
	const char *column = strrchr(source, ':'), *line = column;
	const struct sp_kept_text *kept;
	unsigned long number;

	while (line > source && line[-1] != ':')
		line--;
	if (!line || line == source)
		return 0;
	number = strtoul(line, NULL, 10);
	kept = find_text(policy, source, (size_t)(line - 1 - source));
	return kept && number > 0 ? find_line(kept, number, ret_line) : 0;
}

struct sp_policy *sp_model_new(void)
{
	struct sp_policy *policy = calloc(1, sizeof(*policy));

	if (policy)
		policy->references = 1;
	return policy;
}

/* NOLINTNEXTLINE(misc-no-recursion): the number of layers is bounded where they are added */
static size_t add_layers(const struct sp_policy *policy, const struct sp_policy **layers,
			 size_t count)
{
	layers[count++] = policy;
	for (size_t i = 0; i < policy->within_count; i++)
		count = add_layers(policy->within[i], layers, count);
	return count;
}

size_t sp_model_layers(const struct sp_policy *policy,
		       const struct sp_policy *ret_layers[SP_LAYERS_MAX])
{
	return add_layers(policy, ret_layers, 0);
}

int sp_model_bound_take(struct sp_policy *policy, struct sp_policy *other)
{
	const struct sp_policy *layers[SP_LAYERS_MAX];
	size_t count = sp_model_layers(policy, layers) + sp_model_layers(other, layers);
	int r = count > SP_LAYERS_MAX ? -E2BIG
				      : grow((void **)&policy->within, policy->within_count,
					     sizeof(struct sp_policy *));

	if (r < 0) {
		sp_policy_unref(other);
		return r;
	}
	policy->within[policy->within_count++] = other;
	return 0;
}

int sp_model_phase_take(struct sp_policy *policy, const char *name, struct sp_policy *other)
{
	int r = policy->phase_count == SP_PHASES_MAX ? -E2BIG
		: other->extra_count > 0             ? -EOPNOTSUPP
						     : 0;
	char *copy = NULL;

	for (size_t i = 0; i < policy->phase_count; i++)
		if (sp_phase_id(policy->phases[i].name) == sp_phase_id(name))
			r = -EEXIST;
	if (r == 0) {
		copy = strdup(name);
		r = copy ? 0 : -ENOMEM;
	}
	if (r < 0) {
		sp_policy_unref(other);
		return r;
	}
	policy->phases[policy->phase_count++] = (struct sp_phase){.name = copy, .policy = other};
	return 0;
}

int sp_model_editable_take(struct sp_policy *policy, struct sp_policy *bound, const char *source)
{
	int r = policy->editable.set              ? -EEXIST
		: bound && bound->extra_count > 0 ? -EOPNOTSUPP
						  : sp_model_set(&policy->editable, 0, 1, source);

	if (r < 0)
		sp_policy_unref(bound);
	else
		policy->edit_bound = bound;
	return r;
}

static uint32_t granted(const struct sp_policy *policy)
{
	uint32_t rights = 0;

	for (size_t i = 0; i < policy->path_count; i++)
		rights |= policy->paths[i].rights;
	return rights;
}

/* What sp_rules_givable() says of the compiled policy. */
uint32_t sp_model_givable(const struct sp_policy *policy)
{
	const struct sp_policy *layers[SP_LAYERS_MAX];
	uint32_t rights = SP_RIGHT_ALL;
	size_t count;

	if (!policy->editable.set)
		return 0;
	if (!policy->edit_bound)
		return (SP_RIGHT_ALL & ~SP_RIGHTS_OF_WALLS) | granted(policy);
	count = sp_model_layers(policy->edit_bound, layers);
	for (size_t i = 0; i < count; i++)
		rights &= granted(layers[i]);
	return rights;
}

static size_t *bucket_of(const struct sp_policy *policy, const char *pattern)
{
	uint32_t hash = sp_hash_bytes(SP_HASH_START, pattern, strlen(pattern));

	return &policy->path_buckets[hash & (policy->path_bucket_count - 1)];
}

const struct sp_path_rule *sp_model_find_path(const struct sp_policy *policy, const char *pattern)
{
	size_t index = policy->path_bucket_count == 0 ? 0 : *bucket_of(policy, pattern);

	while (index != 0) {
		const struct sp_path_rule *rule = &policy->paths[index - 1];

		if (strcmp(rule->pattern, pattern) == 0)
			return rule;
		index = rule->next;
	}
	return NULL;
}

bool sp_model_contradicts(const struct sp_path_rule *other, uint32_t rights)
{
	return other && (other->rights == 0) != (rights == 0);
}

/* Only the first rule of a pattern goes into the table. */
static void index_path(struct sp_policy *policy, size_t index)
{
	struct sp_path_rule *rule = &policy->paths[index];
	size_t *bucket = bucket_of(policy, rule->pattern);

	if (sp_model_find_path(policy, rule->pattern))
		return;
	rule->next = *bucket;
	*bucket = index + 1;
}

/* Twice the buckets, once there are as many rules as buckets. */
static int grow_buckets(struct sp_policy *policy)
{
	size_t count = policy->path_bucket_count == 0 ? 1 : policy->path_bucket_count * 2;
	size_t *buckets;

	if (policy->path_count < policy->path_bucket_count)
		return 0;
	buckets = calloc(count, sizeof(*buckets));
	if (!buckets)
		return -ENOMEM;
	free(policy->path_buckets);
	policy->path_buckets = buckets;
	policy->path_bucket_count = count;
	for (size_t i = 0; i < policy->path_count; i++)
		index_path(policy, i);
	return 0;
}

int sp_model_add_path(struct sp_policy *policy, const struct sp_path_rule *rule)
{
	_cleanup_free_ char *pattern = strdup(rule->pattern), *source = strdup(rule->source);
	struct sp_path_rule copy = *rule;
	int r = grow((void **)&policy->paths, policy->path_count, sizeof(*policy->paths));

	if (r == 0)
		r = grow_buckets(policy);
	if (r < 0 || !pattern || !source)
		return -ENOMEM;
	copy.pattern = TAKE_POINTER(pattern);
	copy.source = TAKE_POINTER(source);
	copy.next = 0;
	policy->paths[policy->path_count] = copy;
	index_path(policy, policy->path_count++);
	return 0;
}

int sp_model_add_address(struct sp_policy *policy, const struct sp_address_rule *rule,
			 const struct sp_address_rule **ret_other)
{
	struct sp_address_rule copy = *rule;

	for (size_t i = 0; i < policy->address_count; i++) {
		const struct sp_address_rule *other = &policy->addresses[i];

		if (!sp_address_equal(&other->address, &rule->address) ||
		    !other->error == !rule->error)
			continue;
		*ret_other = other;
		return -EEXIST;
	}
	if (grow((void **)&policy->addresses, policy->address_count, sizeof(*policy->addresses)) <
	    0)
		return -ENOMEM;
	copy.source = strdup(rule->source);
	if (!copy.source)
		return -ENOMEM;
	policy->addresses[policy->address_count++] = copy;
	return 0;
}

bool sp_model_grants_addresses(const struct sp_policy *policy)
{
	for (size_t i = 0; i < policy->address_count; i++)
		if (policy->addresses[i].error == 0)
			return true;
	return false;
}

int sp_model_add_filter(struct sp_policy *policy, const struct sp_program *program)
{
	struct sp_program copy = {.length = program->length};
	int r = policy->extra_count == SP_EXTRAS_MAX
		    ? -E2BIG
		    : grow((void **)&policy->extras, policy->extra_count, sizeof(*policy->extras));

	if (r < 0)
		return r;
	copy.bytes = malloc(program->length);
	if (!copy.bytes)
		return -ENOMEM;
	memcpy(copy.bytes, program->bytes, program->length);
	policy->extras[policy->extra_count++] = copy;
	return 0;
}

int sp_model_set(struct sp_setting *setting, unsigned depth, uint64_t value, const char *source)
{
	char *copy;

	if (setting->set && setting->depth < depth)
		return 0;
	copy = strdup(source);
	if (!copy)
		return -ENOMEM;
	free(setting->source);
	*setting = (struct sp_setting){true, depth, value, copy};
	return 0;
}

/* ---- architectures ---- */

uint32_t sp_model_architectures(const struct sp_policy *policy)
{
	const struct sp_policy *layers[SP_LAYERS_MAX];
	size_t count = sp_model_layers(policy, layers);
	uint32_t all = SP_ARCHITECTURE_I386 | SP_ARCHITECTURE_X32;

	for (size_t i = 0; i < count; i++)
		all &= (uint32_t)layers[i]->architectures.value;
	return all;
}

/* ---- strict ---- */

bool sp_strict_allows(int nr)
{
	return nr == __NR_read || nr == __NR_write || nr == __NR_exit || nr == __NR_rt_sigreturn;
}

static bool contradicts_rule(const struct sp_call_rule *rule)
{
	if (sp_strict_allows(rule->nr))
		return rule->action != SP_ACTION_ALLOW || rule->condition;
	return rule->action != SP_ACTION_KILL && rule->action != SP_ACTION_KILL_THREAD;
}

static void contradict_calls(const struct sp_policy *policy, sp_contradiction_fn *fn, void *data)
{
	const char *last = "";

	for (size_t i = 0; i < policy->call_count; i++) {
		const struct sp_call_rule *rule = &policy->calls[i];

		if (!contradicts_rule(rule) || strcmp(rule->source, last) == 0)
			continue;
		last = rule->source;
		fn("\"strict\" lets read, write, exit and rt_sigreturn through, and kills for "
		   "every other call: leave out this rule, or \"strict\"",
		   rule->place, rule->source, data);
	}
	if (policy->default_action.set && policy->default_action.value != SP_ACTION_KILL &&
	    policy->default_action.value != SP_ACTION_KILL_THREAD)
		fn("\"strict\" kills for every call that it does not let through: leave out this "
		   "default, or \"strict\"",
		   (struct sp_place){0}, policy->default_action.source, data);
}

static void contradict_names(const struct sp_policy *policy, sp_contradiction_fn *fn, void *data)
{
	static const char mistake[] =
	    "below \"strict\" nothing can be opened or connected: pass what it needs as open "
	    "descriptors, and leave out this rule, or \"strict\"";

	for (size_t i = 0; i < policy->path_count; i++)
		fn(mistake, policy->paths[i].place, policy->paths[i].source, data);
	for (size_t i = 0; i < policy->address_count; i++)
		fn(mistake, (struct sp_place){0}, policy->addresses[i].source, data);
}

void sp_model_each_contradiction(const struct sp_policy *policy, sp_contradiction_fn *fn,
				 void *data)
{
	const struct sp_place nowhere = {0};

	if (!policy->strict.set)
		return;
	contradict_calls(policy, fn, data);
	contradict_names(policy, fn, data);
	if (policy->wx.set && policy->wx.value)
		fn("below \"strict\" no memory can be made executable: leave out \"wx allow\", or "
		   "\"strict\"",
		   nowhere, policy->wx.source, data);
	if (policy->architectures.value)
		fn("\"strict\" has no filter that could tell architectures apart: leave out "
		   "\"architectures\", or \"strict\"",
		   nowhere, policy->architectures.source, data);
	if (policy->phase_count > 0)
		fn("nothing is narrower than \"strict\": leave out the phases, or \"strict\"",
		   nowhere, NULL, data);
	if (policy->editable.set)
		fn("below \"strict\" there is nothing to edit: leave out \"editable\", or "
		   "\"strict\"",
		   nowhere, policy->editable.source, data);
	if (policy->within_count > 0)
		fn("\"strict\" can't be bounded: it lets the same four calls through in any case; "
		   "leave out \"within\", or \"strict\"",
		   nowhere, NULL, data);
	if (policy->extra_count > 0)
		fn("a process that has a filter can't enter SECCOMP_MODE_STRICT: leave out the "
		   "filters of others, or \"strict\"",
		   nowhere, NULL, data);
}

static void note_contradiction(const char *mistake, struct sp_place place, const char *source,
			       void *data)
{
	(void)mistake;
	(void)place;
	(void)source;
	*(bool *)data = true;
}

bool sp_model_contradicts_strict(const struct sp_policy *policy)
{
	bool found = false;

	sp_model_each_contradiction(policy, note_contradiction, &found);
	return found;
}

/* ---- weights ---- */

uint32_t sp_model_weight(const struct sp_policy *policy, uint32_t nr)
{
	return policy && policy->weights && nr < SP_NUMBERS && policy->weights[nr].set
		   ? (uint32_t)policy->weights[nr].value
		   : 0;
}

int sp_model_set_weight(struct sp_policy *policy, unsigned depth, int nr, uint64_t weight,
			const char *source)
{
	if (!policy->weights)
		policy->weights = calloc(SP_NUMBERS, sizeof(*policy->weights));
	return policy->weights ? sp_model_set(&policy->weights[nr], depth, weight, source)
			       : -ENOMEM;
}

const char *sp_model_verdict_mistake(int nr, enum sp_action action, int error, bool named)
{
	enum sp_call_class class = sp_call_class(nr);
	bool grants = action == SP_ACTION_ALLOW || action == SP_ACTION_LOG ||
		      (action == SP_ACTION_ASK && class != SP_CLASS_BROKERED);

	if (action == SP_ACTION_BROKER)
		return class == SP_CLASS_BROKERED ? NULL : "this call is not brokered";
	switch (class) {
	case SP_CLASS_BROKERED:
		/* The porter refuses it by an error: without one it would be as good as granted. */
		if (action == SP_ACTION_ERRNO && error == 0)
			return "this call is brokered: it can't succeed without being made";
		return grants ? "no policy may allow this call natively; it is brokered" : NULL;
	case SP_CLASS_NAMING:
		return grants
			   ? "no policy may allow a name-taking call natively; it is not brokered, "
			     "so it is refused"
			   : NULL;
	case SP_CLASS_FORBIDDEN:
		return grants ? "no policy may allow this call: it could undo the sandbox" : NULL;
	case SP_CLASS_CLONE3:
		return grants ? "clone3 is always answered with ENOSYS; allow clone" : NULL;
	case SP_CLASS_ALWAYS:
		return grants ? NULL : "this call is always allowed: no process can do without it";
	case SP_CLASS_NESTED:
		return grants && !named ? "this call is allowed by its own name alone" : NULL;
	case SP_CLASS_ORDINARY:
		break;
	}
	return NULL;
}

static int replace_call(struct sp_call_rule *other, const struct sp_call_rule *rule)
{
	char *source = strdup(rule->source);

	if (!source)
		return -ENOMEM;
	free(other->source);
	other->source = source;
	other->action = rule->action;
	other->error = rule->error;
	other->rank = rule->rank;
	other->place = rule->place;
	return 0;
}

int sp_model_place_call(struct sp_policy *policy, const struct sp_call_rule *rule,
			const struct sp_call_rule **ret_other)
{
	struct sp_call_rule *other = rule->condition ? NULL : sp_model_find_call(policy, rule->nr);

	if (!other)
		return sp_model_add_call(policy, rule);
	*ret_other = other;
	if (sp_model_keep_overruled(policy, other->rank <= rule->rank ? rule : other) < 0)
		return -ENOMEM;
	if (other->rank == rule->rank)
		return other->action == rule->action && other->error == rule->error ? 0 : -EEXIST;
	return other->rank < rule->rank ? 0 : replace_call(other, rule);
}

bool sp_model_limit(const struct sp_policy *const *layers, size_t count, enum sp_limit limit,
		    uint64_t *ret_value)
{
	const struct sp_setting *least = NULL;

	for (size_t i = 0; i < count; i++) {
		const struct sp_setting *setting = &layers[i]->limits[limit];

		if (setting->set && (!least || setting->value < least->value))
			least = setting;
	}
	if (least)
		*ret_value = least->value;
	return least != NULL;
}

bool sp_model_narrows_later(enum sp_limit limit, const struct sp_setting *setting)
{
	return limit == SP_LIMIT_PROCESSES && setting->set && setting->value == 1;
}

bool sp_model_valid_layers(uint64_t layers, uint64_t optional_layers)
{
	const uint64_t needed = SP_ISOLATE_PID | SP_ISOLATE_USER;

	return layers <= SP_ISOLATE_ALL && (layers & needed) == needed &&
	       (optional_layers & ~layers) == 0 && (optional_layers & needed) == 0;
}

int sp_call_index_make(const struct sp_policy *policy, struct sp_call_index *ret_index)
{
	const struct sp_call_rule **list = calloc(policy->call_count + 1, sizeof(*list));
	size_t next[SP_NUMBERS], at = 0;

	if (!list)
		return -ENOMEM;
	memset(ret_index->first, 0, sizeof(ret_index->first));
	for (size_t i = 0; i < policy->call_count; i++)
		ret_index->first[policy->calls[i].nr + 1]++;
	for (size_t nr = 0; nr < SP_NUMBERS; nr++) {
		next[nr] = at;
		at += ret_index->first[nr + 1];
		ret_index->first[nr + 1] = at;
	}
	for (size_t i = 0; i < policy->call_count; i++)
		list[next[policy->calls[i].nr]++] = &policy->calls[i];
	ret_index->list = list;
	return 0;
}

void sp_call_index_clear(struct sp_call_index *index)
{
	free(index->list);
	index->list = NULL;
}

struct sp_call_rule *sp_model_find_call(struct sp_policy *policy, int nr)
{
	for (size_t i = 0; i < policy->call_count; i++)
		if (policy->calls[i].nr == nr && !policy->calls[i].condition)
			return &policy->calls[i];
	return NULL;
}

SP_EXPORT const char *sp_policy_name(const struct sp_policy *policy)
{
	return policy->name;
}

SP_EXPORT struct sp_policy *sp_policy_ref(struct sp_policy *policy)
{
	policy->references++;
	return policy;
}

static void clear_settings(struct sp_setting *settings, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(settings[i].source);
}

void sp_model_clear_weights(struct sp_policy *policy)
{
	if (policy->weights)
		clear_settings(policy->weights, SP_NUMBERS);
	free(policy->weights);
	policy->weights = NULL;
}

static void clear_calls(struct sp_call_rule *rules, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		free(rules[i].source);
		sp_condition_free(rules[i].condition);
	}
	free(rules);
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as phases have phases, by their number */
void sp_model_forget_compiled(struct sp_policy *policy)
{
	for (size_t i = 0; i < SP_PROGRAM_COUNT; i++) {
		free(policy->programs[i].bytes);
		policy->programs[i] = (struct sp_program){0};
	}
	free(policy->refusals);
	policy->refusals = NULL;
	policy->refusal_count = 0;
	for (size_t i = 0; i < policy->phase_count; i++)
		sp_model_forget_compiled(policy->phases[i].policy);
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as policies bound each other */
SP_EXPORT struct sp_policy *sp_policy_unref(struct sp_policy *policy)
{
	if (!policy || --policy->references > 0)
		return NULL;
	clear_calls(policy->calls, policy->call_count);
	clear_calls(policy->overruled, policy->overruled_count);
	for (size_t i = 0; i < policy->text_count; i++) {
		free(policy->texts[i].file);
		free(policy->texts[i].text);
	}
	free(policy->texts);
	for (size_t i = 0; i < policy->path_count; i++) {
		free(policy->paths[i].pattern);
		free(policy->paths[i].source);
	}
	for (size_t i = 0; i < policy->address_count; i++)
		free(policy->addresses[i].source);
	free(policy->addresses);
	sp_model_forget_compiled(policy);
	clear_settings(policy->limits, SP_LIMIT_COUNT);
#define CLEAR(name, later) clear_settings(&policy->name, 1);
	SP_SETTINGS(CLEAR)
#undef CLEAR
	sp_model_clear_weights(policy);
	clear_settings(&policy->editable, 1);
	sp_policy_unref(policy->edit_bound);
	for (size_t i = 0; i < policy->extra_count; i++)
		free(policy->extras[i].bytes);
	free(policy->extras);
	for (size_t i = 0; i < policy->within_count; i++)
		sp_policy_unref(policy->within[i]);
	free(policy->within);
	for (size_t i = 0; i < policy->phase_count; i++) {
		free(policy->phases[i].name);
		sp_policy_unref(policy->phases[i].policy);
	}
	free(policy->paths);
	free(policy->path_buckets);
	free(policy->phase);
	free(policy->name);
	free(policy);
	return NULL;
}

uint32_t sp_rights_parse(const char *text)
{
	static const char blank[] = " \t";
	uint32_t result = 0;

	for (;; text++) {
		size_t length;
		uint32_t right;

		text += strspn(text, blank);
		length = strcspn(text, ", \t");
		right = find_right(text, length);
		if (right == 0 || (result & right))
			return 0;
		result |= right;
		text += length;
		text += strspn(text, blank);
		if (*text == '\0')
			return result;
		if (*text != ',')
			return 0;
	}
}

int sp_model_add_tcp(struct sp_policy *policy, const char *text, int error, const char *source)
{
	_cleanup_free_ char *own_source = strdup(source);
	struct sp_address_rule rule = {.error = error, .source = own_source};
	const struct sp_address_rule *other;
	const char *mistake;
	size_t offset;

	if (!own_source)
		return -ENOMEM;
	if (strncmp(text, SP_TCP_PREFIX, strlen(SP_TCP_PREFIX)) == 0)
		text += strlen(SP_TCP_PREFIX);
	if (!sp_address_read(text, &rule.address, &mistake, &offset))
		return -EINVAL;
	sp_model_forget_compiled(policy);
	return sp_model_add_address(policy, &rule, &other);
}

SP_EXPORT int sp_policy_grant(struct sp_policy *policy, const char *rights, const char *pattern,
			      const char *source)
{
	struct sp_path_rule rule = {.rights = sp_rights_parse(rights)};
	_cleanup_free_ char *own_pattern = strdup(pattern), *own_source = strdup(source);
	size_t offset;

	if (!own_pattern || !own_source)
		return -ENOMEM;
	if (rule.rights == SP_RIGHT_CONNECT && pattern[0] != '/') {
		int r = sp_model_add_tcp(policy, pattern, 0, source);

		return r == -EEXIST ? -EINVAL : r;
	}
	if (rule.rights == 0 ||
	    sp_glob_mistake((struct sp_text){pattern, strlen(pattern)}, &offset) ||
	    sp_model_contradicts(sp_model_find_path(policy, pattern), rule.rights))
		return -EINVAL;
	rule.pattern = own_pattern;
	rule.source = own_source;
	sp_model_forget_compiled(policy);
	return sp_model_add_path(policy, &rule);
}
