/* SPDX-License-Identifier: Apache-2.0 */
/* Policies without a text: the rules of the language, one by one. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/util.h"
#include "policy/export.h"
#include "policy/glob.h"
#include "policy/interpret.h"

/* What stands for the depth of the policy itself, and for what it includes. */
#define OWN_DEPTH 0u
#define INCLUDED_DEPTH 1u
#define RANKS_OF_A_DEPTH 2u

static const enum sp_action actions[] = {
    [SP_POLICY_ALLOW] = SP_ACTION_ALLOW, [SP_POLICY_LOG] = SP_ACTION_LOG,
    [SP_POLICY_ASK] = SP_ACTION_ASK,     [SP_POLICY_BROKER] = SP_ACTION_BROKER,
    [SP_POLICY_DENY] = SP_ACTION_DENY,   [SP_POLICY_ERRNO] = SP_ACTION_ERRNO,
    [SP_POLICY_TRAP] = SP_ACTION_TRAP,   [SP_POLICY_KILL_THREAD] = SP_ACTION_KILL_THREAD,
    [SP_POLICY_KILL] = SP_ACTION_KILL,
};

static const enum sp_relation relations[] = {
    [SP_POLICY_EQUAL] = SP_EQ,   [SP_POLICY_UNEQUAL] = SP_NE, [SP_POLICY_BELOW] = SP_LT,
    [SP_POLICY_AT_MOST] = SP_LE, [SP_POLICY_ABOVE] = SP_GT,   [SP_POLICY_AT_LEAST] = SP_GE,
};

static bool takes_error(enum sp_action action)
{
	return action == SP_ACTION_DENY || action == SP_ACTION_ERRNO || action == SP_ACTION_TRAP;
}

static bool valid_verdict(enum sp_policy_verdict verdict, unsigned error)
{
	if ((size_t)verdict >= SP_ELEMENTS(actions))
		return false;
	if (!takes_error(actions[verdict]))
		return error == 0;
	return error > 0 && error <= (verdict == SP_POLICY_TRAP ? SP_TRAP_MAX : SP_ERRNO_MAX);
}

/* Of a call that is not made: of one alone, no default can say it. */
static bool is_success(enum sp_policy_verdict verdict, unsigned error)
{
	return verdict == SP_POLICY_ERRNO && error == 0;
}

SP_EXPORT int sp_policy_new(const char *name, struct sp_policy **ret_policy)
{
	struct sp_policy *policy;

	if (!sp_valid_name(name))
		return -EINVAL;
	policy = sp_model_new();
	if (!policy)
		return -ENOMEM;
	policy->name = strdup(name);
	if (!policy->name) {
		sp_policy_unref(policy);
		return -ENOMEM;
	}
	*ret_policy = policy;
	return 0;
}

/* ---- calls ---- */

/* 0, -EINVAL or -ENOMEM. */
static int make_test(int nr, const struct sp_policy_test *test, struct sp_condition **ret_condition)
{
	struct sp_comparison comparison = {.mask = test->mask ? test->mask : ~UINT64_C(0),
					   .value = test->value};
	uint64_t least_negative = (uint64_t)INT32_MIN;

	if (!sp_argument_find(nr, test->argument, &comparison.argument, &comparison.bits) ||
	    (size_t)test->relation >= SP_ELEMENTS(relations))
		return -EINVAL;
	comparison.relation = relations[test->relation];
	if (comparison.bits == 32 && test->value > UINT32_MAX && test->value < least_negative)
		return -EINVAL;
	if (test->mask && ((test->value & ~test->mask) ||
			   (comparison.relation != SP_EQ && comparison.relation != SP_NE)))
		return -EINVAL;
	*ret_condition = sp_condition_compare(&comparison);
	return *ret_condition ? 0 : -ENOMEM;
}

/* All of them must hold; none: *ret_condition stays NULL. */
static int make_condition(int nr, const struct sp_policy_test *tests, size_t count,
			  struct sp_condition **ret_condition)
{
	_cleanup_condition_ struct sp_condition *all = NULL;

	if (count > SP_NESTING_MAX)
		return -E2BIG;
	for (size_t i = 0; i < count; i++) {
		struct sp_condition *one = NULL;
		int r = make_test(nr, &tests[i], &one);

		if (r < 0)
			return r;
		all = all ? sp_condition_join_take(SP_CONDITION_AND, TAKE_POINTER(all), one) : one;
		if (!all)
			return -ENOMEM;
	}
	*ret_condition = TAKE_POINTER(all);
	return 0;
}

static int add_name(struct sp_policy *policy, const char *call, struct sp_call_rule *rule,
		    const struct sp_policy_test *tests, size_t count)
{
	_cleanup_condition_ struct sp_condition *condition = NULL;
	const struct sp_call_rule *other;
	int nr = sp_call_number(call), r;

	if (nr < 0)
		return nr == SP_CALL_FOREIGN ? -ENOSYS : -ENOENT;
	if (sp_model_verdict_mistake(nr, rule->action, rule->error, true))
		return -EPERM;
	r = make_condition(nr, tests, count, &condition);
	if (r < 0)
		return r;
	rule->nr = nr;
	rule->condition = condition;
	return sp_model_place_call(policy, rule, &other);
}

/* Members that can't have the verdict are passed over, as in a text. */
static int add_group(struct sp_policy *policy, const char *group, struct sp_call_rule *rule)
{
	struct sp_call_set calls = {0};
	const struct sp_call_rule *other;
	int r = sp_builtin_group(group, &calls) ? 0 : -ENOENT;

	rule->rank++; /* below names */
	for (rule->nr = 0; rule->nr < SP_NUMBERS && r == 0; rule->nr++)
		if (sp_call_set_has(&calls, rule->nr) &&
		    !sp_model_verdict_mistake(rule->nr, rule->action, rule->error, false))
			r = sp_model_place_call(policy, rule, &other);
	return r;
}

SP_EXPORT int sp_policy_rule(struct sp_policy *policy, enum sp_policy_verdict verdict,
			     unsigned error, const char *call, const struct sp_policy_test *tests,
			     size_t test_count, const char *source)
{
	_cleanup_free_ char *own_source = strdup(source);
	struct sp_call_rule rule = {
	    .error = (int)error, .rank = OWN_DEPTH * RANKS_OF_A_DEPTH, .source = own_source};

	if (!own_source)
		return -ENOMEM;
	if ((!valid_verdict(verdict, error) && !is_success(verdict, error)) ||
	    (call[0] == '@' && test_count > 0))
		return -EINVAL;
	rule.action = actions[verdict];
	sp_model_forget_compiled(policy);
	return call[0] == '@' ? add_group(policy, call, &rule)
			      : add_name(policy, call, &rule, tests, test_count);
}

SP_EXPORT int sp_policy_default(struct sp_policy *policy, enum sp_policy_verdict verdict,
				unsigned error, const char *source)
{
	int r;

	if (!valid_verdict(verdict, error) || verdict < SP_POLICY_DENY)
		return -EINVAL;
	sp_model_forget_compiled(policy);
	r = sp_model_set(&policy->default_action, OWN_DEPTH, actions[verdict], source);
	return r < 0 ? r : sp_model_set(&policy->default_error, OWN_DEPTH, error, source);
}

/* Which rule said it does not matter to a call, since all say the same. */
static int weigh_group(struct sp_policy *policy, const char *group, uint32_t weight,
		       const char *source)
{
	struct sp_call_set calls = {0};
	int r = sp_builtin_group(group, &calls) ? 0 : -ENOENT;

	for (int nr = 0; nr < SP_NUMBERS && r == 0; nr++)
		if (sp_call_set_has(&calls, nr))
			r = sp_model_set_weight(policy, OWN_DEPTH + 1, nr, weight, source);
	return r;
}

SP_EXPORT int sp_policy_priority(struct sp_policy *policy, const char *call, uint32_t weight,
				 const char *source)
{
	int nr;

	if (weight == 0 || weight > SP_WEIGHT_MAX)
		return -ERANGE;
	if (call[0] == '@') {
		sp_model_forget_compiled(policy);
		return weigh_group(policy, call, weight, source);
	}
	nr = sp_call_number(call);
	if (nr < 0)
		return nr == SP_CALL_FOREIGN ? -ENOSYS : -ENOENT;
	sp_model_forget_compiled(policy);
	return sp_model_set_weight(policy, OWN_DEPTH, nr, weight, source);
}

/* ---- names, memory, layers ---- */

SP_EXPORT int sp_policy_deny(struct sp_policy *policy, const char *pattern, unsigned error,
			     const char *source)
{
	_cleanup_free_ char *own_pattern = strdup(pattern), *own_source = strdup(source);
	struct sp_path_rule rule = {
	    .error = (int)error, .pattern = own_pattern, .source = own_source};
	size_t offset;

	if (!own_pattern || !own_source)
		return -ENOMEM;
	if (error > 0 && error <= SP_ERRNO_MAX &&
	    strncmp(pattern, SP_TCP_PREFIX, strlen(SP_TCP_PREFIX)) == 0)
		return sp_model_add_tcp(policy, pattern, (int)error, source);
	if (error == 0 || error > SP_ERRNO_MAX ||
	    sp_glob_mistake((struct sp_text){pattern, strlen(pattern)}, &offset))
		return -EINVAL;
	if (sp_model_contradicts(sp_model_find_path(policy, pattern), 0))
		return -EEXIST;
	sp_model_forget_compiled(policy);
	return sp_model_add_path(policy, &rule);
}

SP_EXPORT int sp_policy_wx(struct sp_policy *policy, bool allowed, const char *source)
{
	sp_model_forget_compiled(policy);
	return sp_model_set(&policy->wx, OWN_DEPTH, allowed, source);
}

_Static_assert(SP_POLICY_LAYER_LANDLOCK == (int)SP_ISOLATE_LANDLOCK &&
		   SP_POLICY_LAYER_USER == (int)SP_ISOLATE_USER,
	       "layers have the same bits");

SP_EXPORT int sp_policy_isolate(struct sp_policy *policy, uint32_t layers, uint32_t optional,
				const char *source)
{
	int r;

	if (!sp_model_valid_layers(layers, optional))
		return -EINVAL;
	sp_model_forget_compiled(policy);
	r = sp_model_set(&policy->isolate, OWN_DEPTH, layers, source);
	return r < 0 ? r : sp_model_set(&policy->optional_layers, OWN_DEPTH, optional, source);
}

/* ---- other policies ---- */

static int include_call(struct sp_policy *policy, const struct sp_call_rule *from)
{
	struct sp_call_rule rule = *from;
	const struct sp_call_rule *other;

	rule.rank += RANKS_OF_A_DEPTH;
	rule.place = (struct sp_place){0};
	return sp_model_place_call(policy, &rule, &other);
}

static int include_path(struct sp_policy *policy, const struct sp_path_rule *from)
{
	struct sp_path_rule rule = *from;

	rule.place = (struct sp_place){0};
	if (sp_model_contradicts(sp_model_find_path(policy, rule.pattern), rule.rights))
		return -EEXIST;
	return sp_model_add_path(policy, &rule);
}

static int include_address(struct sp_policy *policy, const struct sp_address_rule *from)
{
	struct sp_address_rule rule = *from;
	const struct sp_address_rule *other;

	rule.place = (struct sp_place){0};
	return sp_model_add_address(policy, &rule, &other);
}

static int include_setting(struct sp_setting *to, const struct sp_setting *from)
{
	return from->set ? sp_model_set(to, INCLUDED_DEPTH, from->value, from->source) : 0;
}

static int include_settings(struct sp_policy *policy, const struct sp_policy *other)
{
	int r = 0;

#define INCLUDE(name, later)                                                                       \
	if (r == 0)                                                                                \
		r = include_setting(&policy->name, &other->name);
	SP_SETTINGS(INCLUDE)
#undef INCLUDE
	for (size_t i = 0; i < SP_LIMIT_COUNT && r == 0; i++)
		r = include_setting(&policy->limits[i], &other->limits[i]);
	return r;
}

static int include_weights(struct sp_policy *policy, const struct sp_policy *other)
{
	int r = 0;

	for (int nr = 0; other->weights && nr < SP_NUMBERS && r == 0; nr++)
		if (other->weights[nr].set)
			r = sp_model_set_weight(policy, other->weights[nr].depth + RANKS_OF_A_DEPTH,
						nr, other->weights[nr].value,
						other->weights[nr].source);
	return r;
}

SP_EXPORT int sp_policy_include(struct sp_policy *policy, const struct sp_policy *other)
{
	int r = policy == other ? -EINVAL : include_settings(policy, other);

	sp_model_forget_compiled(policy);
	if (r == 0)
		r = include_weights(policy, other);
	for (size_t i = 0; i < other->call_count && r == 0; i++)
		r = include_call(policy, &other->calls[i]);
	for (size_t i = 0; i < other->path_count && r == 0; i++)
		r = include_path(policy, &other->paths[i]);
	for (size_t i = 0; i < other->address_count && r == 0; i++)
		r = include_address(policy, &other->addresses[i]);
	for (size_t i = 0; i < other->extra_count && r == 0; i++)
		r = sp_model_add_filter(policy, &other->extras[i]);
	for (size_t i = 0; i < other->within_count && r == 0; i++)
		r = sp_model_bound_take(policy, sp_policy_ref(other->within[i]));
	for (size_t i = 0; i < other->phase_count && r == 0; i++)
		r = sp_model_phase_take(policy, other->phases[i].name,
					sp_policy_ref(other->phases[i].policy));
	return r;
}

/* What changes in a bound after it has been compiled into filters would not be seen. */
static int copy_bound(const struct sp_policy *bound, struct sp_policy **ret_copy)
{
	struct sp_policy *copy;
	int r = sp_policy_new(bound->name, &copy);

	if (r < 0)
		return r;
	r = sp_policy_include(copy, bound);
	if (r < 0)
		sp_policy_unref(copy);
	else
		*ret_copy = copy;
	return r;
}

SP_EXPORT int sp_policy_strict(struct sp_policy *policy, const char *source)
{
	sp_model_forget_compiled(policy);
	return sp_model_set(&policy->strict, OWN_DEPTH, true, source);
}

SP_EXPORT int sp_policy_architectures(struct sp_policy *policy, unsigned twins, const char *source)
{
	if (twins & ~(unsigned)(SP_ARCHITECTURE_I386 | SP_ARCHITECTURE_X32))
		return -EINVAL;
	sp_model_forget_compiled(policy);
	return sp_model_set(&policy->architectures, OWN_DEPTH, twins, source);
}

SP_EXPORT bool sp_policy_is_strict(const struct sp_policy *policy)
{
	return policy->strict.set;
}

SP_EXPORT int sp_policy_within(struct sp_policy *policy, const struct sp_policy *bound)
{
	struct sp_policy *copy;
	int r = bound->strict.set ? -EOPNOTSUPP : copy_bound(bound, &copy);

	if (r < 0)
		return r;
	sp_model_forget_compiled(policy);
	return sp_model_bound_take(policy, copy);
}

SP_EXPORT int sp_policy_editable(struct sp_policy *policy, const struct sp_policy *bound,
				 const char *source)
{
	struct sp_policy *copy = NULL;
	int r = !bound ? 0 : bound->strict.set ? -EOPNOTSUPP : copy_bound(bound, &copy);

	if (r < 0)
		return r;
	sp_model_forget_compiled(policy);
	return sp_model_editable_take(policy, copy, source);
}

SP_EXPORT int sp_policy_phase(struct sp_policy *policy, const char *name,
			      const struct sp_policy *bound)
{
	struct sp_policy *copy;
	int r = !sp_valid_name(name) ? -EINVAL
		: bound->strict.set  ? -EOPNOTSUPP
				     : copy_bound(bound, &copy);

	if (r < 0)
		return r;
	sp_model_forget_compiled(policy);
	return sp_model_phase_take(policy, name, copy);
}
