/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A draft as BPF: the decisions of each call, those of a bounding policy behind those of what it bounds, and the tree by
 * which calls are found; of several such trees the one that the calls which weigh most get through fastest.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdlib.h>

#include "ipc/arch.h"
#include "ipc/util.h"
#include "policy/bpf.h"
#include "policy/filter_draft.h"

/* ---- the code of one call ---- */

/* What was written already for the policies from `index` on, where those before them say
 * `action`, is used again: without this each policy would multiply the code of the next by its conditions. */
struct writing {
	struct sp_assembly *assembly;
	const struct sp_draft_call *layers;
	struct {
		size_t index;
		uint32_t action;
		struct sp_label label;
	} written[4 * SP_LAYERS_MAX];
	size_t written_count;
};

static struct sp_label write_decisions(struct writing *w, size_t index, uint32_t action);

/* What one policy leaves of an action, the next may narrow.
 * NOLINTNEXTLINE(misc-no-recursion): as deep as there are layers */
static struct sp_label write_layer(struct writing *w, size_t index, uint32_t action)
{
	struct sp_label label;

	if (index == w->layers->count ||
	    sp_filter_strictness(action) == sp_filter_strictness(SECCOMP_RET_KILL_PROCESS))
		return sp_bpf_return(w->assembly, action);
	for (size_t i = 0; i < w->written_count; i++)
		if (w->written[i].index == index && w->written[i].action == action)
			return w->written[i].label;
	label = write_decisions(w, index, action);
	if (w->written_count < SP_ELEMENTS(w->written)) {
		w->written[w->written_count].index = index;
		w->written[w->written_count].action = action;
		w->written[w->written_count++].label = label;
	}
	return label;
}

/* The last of the decisions is written first. NOLINTNEXTLINE(misc-no-recursion): as deep as there are layers */
static struct sp_label write_decisions(struct writing *w, size_t index, uint32_t action)
{
	const struct sp_decisions *decisions = sp_draft_layer(w->layers, index);
	struct sp_label label = {.word = SP_BPF_NO_WORD};

	for (size_t i = decisions->count; i-- > 0;) {
		const struct sp_decision *d = &decisions->list[i];
		uint32_t said = sp_filter_stricter(action, d->action);
		struct sp_label yes =
		    d->final ? sp_bpf_return(w->assembly, said) : write_layer(w, index + 1, said);

		if (d->guard)
			yes = sp_bpf_condition(
			    w->assembly, d->guard, yes,
			    write_layer(w, index + 1, sp_filter_stricter(action, d->otherwise)));
		label = d->where ? sp_bpf_condition(w->assembly, d->where, yes, label) : yes;
	}
	return label;
}

static struct sp_label write_call(struct sp_assembly *assembly, const struct sp_leaf *leaf)
{
	struct writing writing = {.assembly = assembly, .layers = leaf->data};

	return write_layer(&writing, 0, SECCOMP_RET_ALLOW);
}

/* Leaves of one kind are joined: calls without a condition go by their action, others stand alone. */
static uint64_t kind_of(const struct sp_draft_call *layers, uint64_t nr)
{
	uint32_t action = SECCOMP_RET_ALLOW;

	for (size_t i = 0; i < layers->count; i++) {
		const struct sp_decisions *decisions = sp_draft_layer(layers, i);

		if (decisions->count != 1 || decisions->list[0].guard)
			return UINT64_C(1) << 32 | nr;
		action = sp_filter_stricter(action, decisions->list[0].action);
		if (decisions->list[0].final)
			break;
	}
	return action;
}

/* ---- the tree ---- */

static const uint32_t first_beyond[] = {SP_NUMBERS, SP_NR_CHANNEL, SP_NR_RESERVED_LAST + 1};

static uint32_t first_number(uint32_t nr)
{
	return nr < SP_NUMBERS ? nr : first_beyond[nr - SP_NUMBERS];
}

/* The leaves of a program. */
struct foliage {
	struct sp_leaf native[SP_FILTER_CALLS];
	struct sp_leaf (
	    *twin)[SP_TWIN_NUMBERS + 1]; /* owned: of each architecture; NULL: of none */
	struct sp_twin_leaves twins;
};

static void clear_foliage(struct foliage *foliage)
{
	free(foliage->twin);
}

static int write_program(const struct foliage *foliage, int singles, struct sp_program *ret_program)
{
	_cleanup_(sp_bpf_clear) struct sp_assembly assembly = {0};
	struct sock_filter *code;
	size_t length;
	int r;

	sp_bpf_architectures(&assembly, foliage->native, SP_FILTER_CALLS, &foliage->twins,
			     SECCOMP_RET_KILL_PROCESS, singles);
	r = sp_bpf_finish(&assembly, &code, &length);
	if (r == 0)
		*ret_program = (struct sp_program){(uint8_t *)code, length * sizeof(*code)};
	return r;
}

/* How many instructions all calls take that weigh something, with arguments of zero. */
static uint64_t weigh_program(const struct sp_program *program, const struct sp_leaf *leaves)
{
	const struct sock_fprog code = {
	    (unsigned short)(program->length / sizeof(struct sock_filter)),
	    (struct sock_filter *)program->bytes};
	uint64_t sum = 0;
	struct sp_bpf_course course;

	for (size_t i = 0; i < SP_FILTER_CALLS; i++) {
		const struct seccomp_data data = {.nr = (int)leaves[i].first,
						  .arch = SP_AUDIT_ARCH};

		if (leaves[i].weight == 0)
			continue;
		(void)sp_bpf_follow(&code, &data, &course);
		sum += leaves[i].weight * course.steps;
	}
	return sum;
}

/* Jumps that lead too far take an instruction more, so what was tried is weighed as it came out: the lightest
 * is taken, and no other one than without weights unless it is lighter. */
static int write_lightest(const struct foliage *foliage, struct sp_program *program)
{
	const struct sp_leaf *leaves = foliage->native;
	uint64_t best = weigh_program(program, leaves);

	for (int singles = 0; best > 0 && singles <= SP_BPF_SINGLES_MAX; singles++) {
		struct sp_program other = {0};
		int r = write_program(foliage, singles, &other);
		uint64_t weight = r == 0 ? weigh_program(&other, leaves) : UINT64_MAX;

		if (r == -E2BIG)
			continue;
		if (r < 0)
			return r;
		if (weight < best) {
			free(program->bytes);
			*program = other;
			best = weight;
		} else {
			free(other.bytes);
		}
	}
	return 0;
}

static void grow_twin(const struct sp_draft *draft, size_t architecture, struct foliage *foliage)
{
	for (uint32_t nr = 0; nr <= SP_TWIN_NUMBERS; nr++) {
		const struct sp_draft_call *layers = &draft->twin[architecture][nr];
		/* No other leaf's, where it can't be joined to its neighbour. */
		uint64_t number = (uint64_t)(architecture + 1) << 16 | nr;

		foliage->twin[architecture][nr] =
		    (struct sp_leaf){.first = sp_twin_first(1u << architecture) + nr,
				     .kind = kind_of(layers, number),
				     .write = write_call,
				     .data = layers};
	}
}

static int grow_twins(const struct sp_draft *draft, struct foliage *foliage)
{
	if (!draft->architectures)
		return 0;
	foliage->twin = calloc(SP_TWIN_COUNT, sizeof(*foliage->twin));
	if (!foliage->twin)
		return -ENOMEM;
	for (size_t a = 0; a < SP_TWIN_COUNT; a++)
		if (draft->architectures & 1u << a)
			grow_twin(draft, a, foliage);
	if (draft->architectures & SP_ARCHITECTURE_I386) {
		foliage->twins.i386 = foliage->twin[0];
		foliage->twins.i386_count = SP_TWIN_NUMBERS + 1;
	}
	if (draft->architectures & SP_ARCHITECTURE_X32) {
		foliage->twins.x32 = foliage->twin[1];
		foliage->twins.x32_count = SP_TWIN_NUMBERS + 1;
	}
	return 0;
}

int sp_draft_write(const struct sp_policy *policy, const struct sp_draft *draft,
		   struct sp_program *ret_program)
{
	_cleanup_(clear_foliage) struct foliage foliage __attribute__((uninitialized));
	struct sp_program program;
	int r;

	foliage.twin = NULL;
	foliage.twins = (struct sp_twin_leaves){0};
	for (uint32_t nr = 0; nr < SP_FILTER_CALLS; nr++)
		foliage.native[nr] = (struct sp_leaf){.first = first_number(nr),
						      .weight = sp_model_weight(policy, nr),
						      .kind = kind_of(&draft->call[nr], nr),
						      .write = write_call,
						      .data = &draft->call[nr]};
	r = grow_twins(draft, &foliage);
	if (r == 0)
		r = write_program(&foliage, SP_BPF_EQUAL_HALVES, &program);
	if (r < 0)
		return r;
	r = write_lightest(&foliage, &program);
	if (r < 0)
		free(program.bytes);
	else
		*ret_program = program;
	return r;
}
