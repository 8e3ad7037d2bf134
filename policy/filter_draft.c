/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/filter_draft.h"

#include <errno.h>
#include <stdlib.h>

void sp_draft_clear(struct sp_draft *draft)
{
	for (size_t i = 0; i < draft->count; i++)
		sp_decisions_clear(&draft->decisions[i]);
	free(draft->decisions);
}

static int decide_calls(struct sp_compilation *c, struct sp_decisions *all)
{
	for (c->nr = 0; c->nr < SP_FILTER_CALLS; c->nr++) {
		int r;

		c->decisions = &all[c->nr];
		r = sp_filter_decide_call(c);
		if (r < 0)
			return r;
		sp_decisions_cut(c->decisions);
	}
	return 0;
}

/* All calls, as the policy in hand sees them. */
static int decide_layer(struct sp_compilation *c, struct sp_decisions *all)
{
	struct sp_call_index index;
	int r = sp_call_index_make(c->policy, &index);

	if (r < 0)
		return r;
	c->index = &index;
	r = decide_calls(c, all);
	c->index = NULL;
	sp_call_index_clear(&index);
	return r;
}

/* All calls of one architecture, as the policy in hand sees them. */
static int decide_architecture(struct sp_compilation *c, const struct sp_decisions *native,
			       size_t architecture, struct sp_decisions *all)
{
	int r = 0;

	for (uint32_t nr = 0; nr <= SP_TWIN_NUMBERS && r == 0; nr++) {
		struct sp_twin twin = sp_twin_find(1u << architecture, nr);

		c->decisions = &all[nr];
		r = sp_filter_decide_twin(c, &native[sp_filter_native_of(&twin)], &twin);
	}
	return r;
}

#define TWINS ((size_t)SP_TWIN_COUNT * (SP_TWIN_NUMBERS + 1))

static int decide_twins(struct sp_compilation *c, const struct sp_decisions *native,
			const struct sp_draft *draft, struct sp_decisions *all)
{
	int r = 0;

	for (size_t a = 0; a < SP_TWIN_COUNT && r == 0; a++)
		if (draft->architectures & 1u << a)
			r = decide_architecture(c, native, a, all + a * (SP_TWIN_NUMBERS + 1));
	return r;
}

static void point_at_decisions(struct sp_draft *draft, size_t count)
{
	const struct sp_decisions *twins = draft->decisions + count * SP_FILTER_CALLS;

	for (size_t nr = 0; nr < SP_FILTER_CALLS; nr++)
		draft->call[nr] =
		    (struct sp_draft_call){draft->decisions + nr, SP_FILTER_CALLS, count};
	for (size_t a = 0; a < SP_TWIN_COUNT && draft->architectures; a++)
		for (size_t nr = 0; nr <= SP_TWIN_NUMBERS; nr++)
			draft->twin[a][nr] = (struct sp_draft_call){
			    twins + a * (SP_TWIN_NUMBERS + 1) + nr, TWINS, count};
}

int sp_draft_make(struct sp_compilation *c, struct sp_draft *draft)
{
	const struct sp_policy *layers[SP_LAYERS_MAX] = {c->policy};
	size_t count = sp_filter_is_porter(c) ? 1 : sp_model_layers(c->policy, layers);

	draft->architectures = sp_filter_is_porter(c) ? 0 : sp_model_architectures(c->policy);
	draft->count = count * (SP_FILTER_CALLS + (draft->architectures ? TWINS : 0));
	draft->decisions = calloc(draft->count, sizeof(*draft->decisions));
	if (!draft->decisions)
		return -ENOMEM;
	for (size_t layer = 0; layer < count; layer++) {
		struct sp_decisions *all = draft->decisions + layer * SP_FILTER_CALLS;
		int r;

		c->policy = layers[layer];
		c->bounds = layer > 0;
		r = decide_layer(c, all);
		if (r == 0 && draft->architectures)
			r = decide_twins(c, all, draft,
					 draft->decisions + count * SP_FILTER_CALLS +
					     layer * TWINS);
		if (r < 0)
			return r;
	}
	point_at_decisions(draft, count);
	return 0;
}
