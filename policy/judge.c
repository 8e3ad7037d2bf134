/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/judge.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <stdlib.h>

#include "ipc/arch.h"
#include "ipc/util.h"
#include "policy/filter_decisions.h"

static const char built_in_none[] = "built in: no call";

struct sp_judge {
	bool foreign; /* the number is of an architecture that the filter kills */
	bool none;    /* it is no call's */
	struct sp_decisions layer[SP_LAYERS_MAX];
	size_t count;
};

static bool is_foreign(int nr)
{
#ifdef SP_NR_FOREIGN
	return (uint32_t)nr >= SP_NR_FOREIGN && (uint32_t)nr != SP_NR_NONE;
#else
	(void)nr;
	return false;
#endif
}

/* The twin's number; -1: the call is native, or of an architecture that the policy does not give. */
static int64_t twin_number(const struct sp_policy *policy, uint32_t arch, int nr,
			   uint32_t *ret_architecture)
{
	uint32_t given = sp_model_architectures(policy);

	*ret_architecture = arch == AUDIT_ARCH_I386 ? SP_ARCHITECTURE_I386 : SP_ARCHITECTURE_X32;
	if (policy->strict.set || !(given & *ret_architecture))
		return -1;
	if (arch == AUDIT_ARCH_I386)
		return (uint32_t)nr;
	return arch == SP_AUDIT_ARCH && is_foreign(nr)
		   ? (int64_t)((uint32_t)nr - sp_twin_first(SP_ARCHITECTURE_X32))
		   : -1;
}

/* One layer: c->decisions are to be freed with c->policy, whose rules they speak of. */
static int judge_twin(struct sp_compilation *c, const struct sp_twin *twin)
{
	struct sp_decisions native = {0}, *decisions = c->decisions;
	int r;

	c->decisions = &native;
	c->nr = sp_filter_native_of(twin);
	r = sp_filter_decide_call(c);
	if (r == 0)
		sp_decisions_cut(&native);
	c->decisions = decisions;
	if (r == 0)
		r = sp_filter_decide_twin(c, &native, twin);
	sp_decisions_clear(&native);
	return r;
}

int sp_judge_new(const struct sp_policy *policy, enum sp_filter_kind kind, int nr,
		 struct sp_judge **ret_judge)
{
	return sp_judge_new_for(policy, kind, SP_AUDIT_ARCH, nr, ret_judge);
}

int sp_judge_new_for(const struct sp_policy *policy, enum sp_filter_kind kind, uint32_t arch,
		     int nr, struct sp_judge **ret_judge)
{
	uint32_t architecture;
	int64_t number = twin_number(policy, arch, nr, &architecture);
	struct sp_twin twin =
	    sp_twin_find(architecture, number >= 0 ? (uint32_t)number : SP_TWIN_NUMBERS);
	struct sp_compilation c = sp_filter_compilation(policy, kind);
	const struct sp_policy *layers[SP_LAYERS_MAX];
	struct sp_judge *judge = calloc(1, sizeof(*judge));
	int r = 0;

	if (!judge)
		return -ENOMEM;
	judge->foreign = number < 0 && (arch != SP_AUDIT_ARCH || is_foreign(nr));
	judge->none = arch == SP_AUDIT_ARCH && (uint32_t)nr == SP_NR_NONE && !policy->strict.set;
	judge->count = sp_model_layers(policy, layers);
	c.nr = sp_filter_leaf_of((uint32_t)nr);
	for (size_t i = 0; i < judge->count && r == 0; i++) {
		c.policy = layers[i];
		c.bounds = i > 0;
		c.decisions = &judge->layer[i];
		r = number >= 0 ? judge_twin(&c, &twin) : sp_filter_decide_call(&c);
	}
	if (r < 0)
		sp_judge_free(judge);
	else
		*ret_judge = judge;
	return r;
}

void sp_judge_free(struct sp_judge *judge)
{
	for (size_t i = 0; judge && i < judge->count; i++)
		sp_decisions_clear(&judge->layer[i]);
	free(judge);
}

size_t sp_judge_layers(const struct sp_judge *judge)
{
	return judge->count;
}

bool sp_judge_at(const struct sp_judge *judge, size_t layer, size_t index,
		 struct sp_judge_decision *ret_decision)
{
	const struct sp_decisions *decisions = &judge->layer[layer];
	const struct sp_decision *d = &decisions->list[index];

	if (index >= decisions->count || (index > 0 && !d[-1].where))
		return false;
	*ret_decision = (struct sp_judge_decision){d->action, d->otherwise, d->where, d->guard,
						   d->source, d->rule,      d->final};
	return true;
}

static void add_candidate(struct sp_verdict *verdict, const struct sp_decision *d, size_t layer,
			  bool holds, bool guarded)
{
	if (verdict->candidate_count == SP_CANDIDATES_MAX)
		return;
	verdict->candidates[verdict->candidate_count++] = (struct sp_candidate){
	    .source = d->source,
	    .rule = d->rule,
	    .action = d->action,
	    .layer = layer,
	    .holds = holds,
	    .guarded = guarded,
	};
}

/* What one policy decides; its other rules are told as well. The last decision always holds. */
static struct sp_decision judge_layer(const struct sp_decisions *decisions, size_t layer,
				      const uint64_t *argument, struct sp_trace *trace,
				      struct sp_verdict *verdict)
{
	struct sp_decision won = {.action = SECCOMP_RET_KILL_PROCESS, .final = true};
	bool decided = false;

	for (size_t i = 0; i < decisions->count; i++) {
		struct sp_decision d = decisions->list[i];
		/* What comes after the decision has no part in it. */
		struct sp_trace *traced = decided ? NULL : trace;
		bool holds = !d.where || sp_condition_trace(d.where, argument, traced);
		bool guarded =
		    d.guard && !sp_condition_trace(d.guard, argument, holds ? traced : NULL);

		if (guarded) {
			d.action = d.otherwise;
			d.final = false;
		}
		add_candidate(verdict, &d, layer, holds, guarded);
		if (holds && !decided)
			won = d;
		decided |= holds;
	}
	return won;
}

void sp_judge_ask(const struct sp_judge *judge, const uint64_t argument[SP_ARGUMENTS],
		  struct sp_trace *trace, struct sp_verdict *ret_verdict)
{
	bool final = false;

	ret_verdict->candidate_count = 0;
	if (judge->foreign) {
		ret_verdict->action = SECCOMP_RET_KILL_PROCESS;
		ret_verdict->source = sp_built_in_foreign;
		return;
	}
	if (judge->none) {
		ret_verdict->action = SECCOMP_RET_ALLOW;
		ret_verdict->source = built_in_none;
		return;
	}
	for (size_t layer = 0; layer < judge->count && !final; layer++) {
		struct sp_decision won =
		    judge_layer(&judge->layer[layer], layer, argument, trace, ret_verdict);

		if (layer == 0 ||
		    sp_filter_stricter(ret_verdict->action, won.action) != ret_verdict->action) {
			ret_verdict->action = won.action;
			ret_verdict->source = won.source;
		}
		final = won.final;
	}
}

/* Without a filter nobody compares the architecture: the kernel lets the same four calls through by their numbers
 * of i386, which are nothing else. */
static bool is_strict_foreign(const struct sp_policy *policy, const struct seccomp_data *data)
{
	static const int numbers[] = {1 /* exit */, 3 /* read */, 4 /* write */,
				      119 /* sigreturn */};

	if (!policy->strict.set || data->arch != AUDIT_ARCH_I386)
		return false;
	for (size_t i = 0; i < SP_ELEMENTS(numbers); i++)
		if (numbers[i] == data->nr)
			return true;
	return false;
}

int sp_model_verdict(const struct sp_policy *policy, enum sp_filter_kind kind,
		     const struct seccomp_data *data, struct sp_verdict *ret_verdict)
{
	uint64_t argument[SP_ARGUMENTS];
	struct sp_judge *judge;
	int r = sp_judge_new_for(policy, kind, data->arch, data->nr, &judge);

	if (r < 0)
		return r;
	if (is_strict_foreign(policy, data)) {
		*ret_verdict = (struct sp_verdict){.action = SECCOMP_RET_ALLOW,
						   .source = policy->strict.source};
		sp_judge_free(judge);
		return 0;
	}
	for (size_t i = 0; i < SP_ARGUMENTS; i++)
		argument[i] = data->args[i];
	sp_judge_ask(judge, argument, NULL, ret_verdict);
	sp_judge_free(judge);
	return 0;
}
