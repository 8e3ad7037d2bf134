/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/rules.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdlib.h>

#include "ipc/arch.h"
#include "ipc/runtime.h"
#include "ipc/util.h"
#include "policy/bpf.h"
#include "policy/rules_state.h"

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

bool sp_rules_own_network(const struct sp_rules *rules, int nr)
{
	const struct seccomp_data data = {.nr = nr, .arch = SP_AUDIT_ARCH};
	const uint32_t isolated = rules->isolate & ~rules->optional_layers;

	if (!(isolated & SP_ISOLATE_NETWORK) || rules->strict)
		return false;
	switch (sp_bpf_run(&rules->floor, &data)) {
	case SECCOMP_RET_ALLOW:
	case SECCOMP_RET_LOG:
		return true;
	default:
		return false;
	}
}

struct sock_fprog sp_rules_filter(const struct sp_rules *rules)
{
	return rules->filter;
}

struct sock_fprog sp_rules_porter_filter(const struct sp_rules *rules)
{
	return rules->porter_filter;
}

struct sock_fprog sp_rules_listener_filter(const struct sp_rules *rules)
{
	return rules->listener_filter;
}

struct sock_fprog sp_rules_floor(const struct sp_rules *rules)
{
	return rules->floor;
}

const struct sock_fprog *sp_rules_extra_filters(const struct sp_rules *rules, size_t *ret_count)
{
	*ret_count = rules->extra_count;
	return rules->extras;
}

size_t sp_rules_set_count(const struct sp_rules *rules)
{
	return rules->set_count;
}

bool sp_rules_is_idle(const struct sp_rules *rules, size_t set)
{
	return rules->sets[set].idle;
}

/* ---- names ---- */

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
	struct sp_text text = sp_rule_name(name, length);
	enum sp_standing standing;
	uint32_t below;

	sp_rules_decide_own(rules, text, ret_decision, &below);
	if (rules->set_count == 1)
		return;
	standing = ret_decision->standing;
	for (size_t i = 1; i < rules->set_count; i++) {
		struct sp_path_decision bound;
		uint32_t bound_below;

		if (rules->sets[i].idle)
			continue;
		sp_rule_set_decide(&rules->sets[i], text, &bound, &bound_below);
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

bool sp_rules_uniform_below(const struct sp_rules *rules, const char *name, size_t length)
{
	if (rules->edit_count > 0 &&
	    !sp_rule_set_uniform_below(&rules->edit_rules, sp_rule_name(name, length)))
		return false;
	for (size_t i = 0; rules->edit_count > 0 && i < rules->edit_bound_count; i++)
		if (!sp_rule_set_uniform_below(&rules->edit_bounds[i], sp_rule_name(name, length)))
			return false;
	for (size_t i = 0; i < rules->set_count; i++)
		if (!rules->sets[i].idle &&
		    !sp_rule_set_uniform_below(&rules->sets[i], sp_rule_name(name, length)))
			return false;
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

/* ---- calls ---- */

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

static int compare_call(const void *key, const void *element)
{
	int nr = *(const int *)key;
	const struct sp_refused_call *rule = element;

	return (nr > rule->nr) - (nr < rule->nr);
}

static const struct sp_refused_call *find_call(const struct sp_refused_calls *table, int nr)
{
	return bsearch(&nr, table->rules, table->count, sizeof(*table->rules), compare_call);
}

/* The first that refuses, else the first that asks. */
bool sp_rules_find_refusal(const struct sp_rules *rules, int nr,
			   struct sp_call_refusal *ret_refusal)
{
	const struct sp_refused_call *found = find_call(&rules->calls, nr);

	for (size_t i = 0;
	     i < rules->phase_count + rules->narrowing_count && (!found || found->ask); i++) {
		const struct sp_refused_call *rule =
		    rules->phases[i].entered ? find_call(&rules->phases[i].calls, nr) : NULL;

		if (rule && (!found || !rule->ask))
			found = rule;
	}
	if (!found)
		return false;
	*ret_refusal = (struct sp_call_refusal){found->error, found->source, found->ask};
	return true;
}

void sp_rules_refusal(const struct sp_rules *rules, int nr, struct sp_call_refusal *ret_refusal)
{
	if (!sp_rules_find_refusal(rules, nr, ret_refusal))
		*ret_refusal =
		    (struct sp_call_refusal){rules->default_error, rules->default_source, false};
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

/* ---- phases, and what the floors say ---- */

size_t sp_rules_phase_count(const struct sp_rules *rules)
{
	return rules->phase_count;
}

struct sp_rules_phase sp_rules_phase(const struct sp_rules *rules, size_t index)
{
	const struct sp_loaded_phase *phase = &rules->phases[index];

	return (struct sp_rules_phase){phase->name, phase->id, phase->filter};
}

int sp_rules_enter(struct sp_rules *rules, uint64_t id)
{
	for (size_t i = 0; i < rules->phase_count; i++) {
		struct sp_loaded_phase *phase = &rules->phases[i];

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
		const struct sp_loaded_phase *phase = &rules->phases[i];
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
		const struct sp_loaded_phase *phase = &rules->phases[i];

		if (phase->entered && sp_bpf_follow(&phase->floor, data, &course) == asks)
			words |= course.words;
	}
	return words >> (offsetof(struct seccomp_data, args) / sizeof(uint32_t));
}
