/* SPDX-License-Identifier: Apache-2.0 */
/* What a loaded policy is made of: struct sp_rules from the inside. Internal to policy/. */
#ifndef SALLYPORT_POLICY_RULES_STATE_H
#define SALLYPORT_POLICY_RULES_STATE_H

#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "policy/rule_set.h"
#include "policy/rules.h"

struct sp_refused_call {
	int nr;
	int error;
	bool ask;
	const char *source;
};

/* How calls fail that the filter refuses. */
struct sp_refused_calls {
	struct sp_refused_call *rules; /* sorted by number */
	size_t count;
};

struct sp_loaded_phase {
	const char *name;
	uint64_t id;
	size_t first_set, set_count;
	struct sp_refused_calls calls;
	struct sock_fprog filter, floor;
	bool entered;
	char *strings; /* owned: of a narrowing, which came later than the policy */
};

/* What the application changed while the sandbox runs. */
struct sp_kept_edit {
	char *pattern, *source; /* owned */
	uint32_t rights;
	bool revokes;
};

struct sp_rules {
	char *strings; /* every name, pattern and source, each NUL-terminated */
	const char *name, *default_source;
	struct sp_rule_set *sets; /* the policy's own, of each that bounds it, of the phases */
	size_t set_count;
	struct sp_refused_calls calls;
	struct sp_loaded_phase
	    *phases; /* those with names, then what narrowed the sandbox beside them */
	size_t phase_count, narrowing_count;
	bool editable, edits_locked;
	struct sp_rule_set *edit_bounds; /* what an edit may give */
	size_t edit_bound_count;
	struct sp_kept_edit *edits; /* in their order */
	size_t edit_count;
	struct sp_rule_set edit_rules; /* the same */
	int default_error;
	uint32_t asks; /* enum sp_asks */
	bool strict;
	uint32_t isolate, optional_layers;
	struct sp_limits limits;
	struct sock_fprog filter, porter_filter, floor, listener_filter;
	struct sock_fprog *extras;
	size_t extra_count;
};

/* rules_edits.c: the decision of the policy itself, as edited; *ret_below: the rights that it may grant below the name. */
void sp_rules_decide_own(const struct sp_rules *rules, struct sp_text name,
			 struct sp_path_decision *ret_decision, uint32_t *ret_below);

void sp_kept_edit_clear(struct sp_kept_edit *edit);

#endif
