/* SPDX-License-Identifier: Apache-2.0 */
/* TCP connections: rules about addresses, which few policies have, and never many. */
#include <errno.h>

#include "policy/rules_state.h"

static struct sp_rules_address public_rule(const struct sp_loaded_address *rule, size_t set)
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

static struct sp_address_decision decide_address(const struct sp_rule_set *set,
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

static bool grants_addresses(const struct sp_rule_set *set)
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
	const struct sp_rule_set *own = &rules->sets[0];
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
