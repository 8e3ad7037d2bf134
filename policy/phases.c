/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A policy as it is once phases have been entered: bounded by what bounds each of them. So whoever asks
 * about policies need not know of phases.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/util.h"
#include "policy/export.h"
#include "policy/model.h"
#include "policy/names.h"

static void unref_policy(struct sp_policy **policy)
{
	sp_policy_unref(*policy);
}

static int copy_setting(const struct sp_setting *from, struct sp_setting *to)
{
	return from->set ? sp_model_set(to, from->depth, from->value, from->source) : 0;
}

/* `launch`: whose layers are built, whenever the copy begins to hold. */
static int copy_settings(const struct sp_policy *from, const struct sp_policy *launch,
			 struct sp_policy *to)
{
	int r = 0;

#define COPY(name, later)                                                                          \
	if (r == 0)                                                                                \
		r = copy_setting((later) ? &from->name : &launch->name, &to->name);
	SP_SETTINGS(COPY)
#undef COPY
	return r;
}

/* Limits are those of the launch; but that there is one process the filter sees to. */
static int copy_limits(const struct sp_policy *from, bool later, struct sp_policy *to)
{
	int r = 0;

	for (size_t i = 0; i < SP_LIMIT_COUNT && r == 0; i++)
		if (!later || sp_model_narrows_later((enum sp_limit)i, &from->limits[i]))
			r = copy_setting(&from->limits[i], &to->limits[i]);
	return r;
}

/* Filters of others that a phase brings are not loaded. */
static int copy_rules(const struct sp_policy *from, bool later, struct sp_policy *to)
{
	int r = 0;

	for (size_t i = 0; i < from->call_count && r == 0; i++)
		r = sp_model_add_call(to, &from->calls[i]);
	for (size_t i = 0; i < from->overruled_count && r == 0; i++)
		r = sp_model_keep_overruled(to, &from->overruled[i]);
	for (size_t i = 0; i < from->path_count && r == 0; i++)
		r = sp_model_add_path(to, &from->paths[i]);
	for (size_t i = 0; !later && i < from->extra_count && r == 0; i++)
		r = sp_model_add_filter(to, &from->extras[i]);
	return r;
}

static int copy_weights(const struct sp_policy *from, struct sp_policy *to)
{
	int r = 0;

	for (int nr = 0; from->weights && nr < SP_NUMBERS && r == 0; nr++)
		if (from->weights[nr].set)
			r = sp_model_set_weight(to, from->weights[nr].depth, nr,
						from->weights[nr].value, from->weights[nr].source);
	return r;
}

static int copy_texts(const struct sp_policy *from, struct sp_policy *to)
{
	int r = 0;

	for (size_t i = 0; i < from->text_count && r == 0; i++)
		r = sp_model_keep_text(to, &(struct sp_source){.file = from->texts[i].file,
							       .text = from->texts[i].text,
							       .length = from->texts[i].length});
	return r;
}

/* `phase` NULL: of the policy itself, with its bounds as they are. */
static int copy_policy(const struct sp_policy *from, const char *phase,
		       const struct sp_policy *launch, struct sp_policy **ret_copy)
{
	_cleanup_(unref_policy) struct sp_policy *copy = sp_model_new();
	int r;

	if (!copy)
		return -ENOMEM;
	copy->keeps = from->keeps;
	copy->name = strdup(from->name);
	copy->phase = phase ? strdup(phase) : NULL;
	if (!copy->name || (phase && !copy->phase))
		return -ENOMEM;
	r = copy_settings(from, launch, copy);
	if (r == 0)
		r = copy_limits(from, phase != NULL, copy);
	if (r == 0)
		r = copy_rules(from, phase != NULL, copy);
	if (r == 0)
		r = copy_weights(from, copy);
	if (r == 0)
		r = copy_texts(from, copy);
	if (r < 0)
		return r;
	*ret_copy = TAKE_POINTER(copy);
	return 0;
}

/* What bounds a phase, with what bounds that.
 * NOLINTNEXTLINE(misc-no-recursion): as deep as policies bound each other */
static int add_bound(struct sp_policy *policy, const struct sp_policy *bound, const char *phase,
		     const struct sp_policy *launch)
{
	_cleanup_(unref_policy) struct sp_policy *copy = NULL;
	int r = copy_policy(bound, phase, launch, &copy);

	for (size_t i = 0; i < bound->within_count && r == 0; i++)
		r = add_bound(copy, bound->within[i], phase, launch);
	return r < 0 ? r : sp_model_bound_take(policy, TAKE_POINTER(copy));
}

static bool is_named(const char *name, const char *const *names, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return false;
}

static bool has_phase(const struct sp_policy *policy, const char *name)
{
	for (size_t i = 0; i < policy->phase_count; i++)
		if (is_named(policy->phases[i].name, &name, 1))
			return true;
	return false;
}

static int copy_launch(const struct sp_policy *policy, struct sp_policy *copy)
{
	int r = 0;

	for (size_t i = 0; i < policy->within_count && r == 0; i++)
		r = sp_model_bound_take(copy, sp_policy_ref(policy->within[i]));
	for (size_t i = 0; i < policy->phase_count && r == 0; i++)
		r = sp_model_phase_take(copy, policy->phases[i].name,
					sp_policy_ref(policy->phases[i].policy));
	if (r == 0 && policy->editable.set)
		r = sp_model_editable_take(
		    copy, policy->edit_bound ? sp_policy_ref(policy->edit_bound) : NULL,
		    policy->editable.source);
	return r;
}

SP_EXPORT int sp_policy_in_phases(const struct sp_policy *policy, const char *const *names,
				  size_t count, struct sp_policy **ret_policy)
{
	_cleanup_(unref_policy) struct sp_policy *copy = NULL;
	int r;

	for (size_t i = 0; i < count; i++)
		if (!has_phase(policy, names[i]))
			return -ENOENT;
	r = copy_policy(policy, NULL, policy, &copy);
	if (r == 0)
		r = copy_launch(policy, copy);
	/* In the order of the policy, as the porter asks them, however they were entered. */
	for (size_t i = 0; i < policy->phase_count && r == 0; i++)
		if (is_named(policy->phases[i].name, names, count))
			r = add_bound(copy, policy->phases[i].policy, policy->phases[i].name,
				      policy);
	if (r < 0)
		return r;
	*ret_policy = TAKE_POINTER(copy);
	return 0;
}

SP_EXPORT const char *sp_policy_phase_name(const struct sp_policy *policy, size_t index)
{
	return index < policy->phase_count ? policy->phases[index].name : NULL;
}
