/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/filter_decisions.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <stdlib.h>

#include "ipc/util.h"
#include "policy/filter_rows.h"

const char sp_built_in_runtime[] = "built in: the sandbox's own";
const char sp_built_in_foreign[] = "built in: calls of another architecture";

int sp_filter_decide(struct sp_compilation *c, const struct sp_decision *decision)
{
	struct sp_decisions *decisions = c->decisions;
	struct sp_decision *grown =
	    reallocarray(decisions->list, decisions->count + 1, sizeof(*grown));

	if (!grown) {
		sp_condition_free(decision->where);
		sp_condition_free(decision->guard);
		return -ENOMEM;
	}
	decisions->list = grown;
	grown[decisions->count] = *decision;
	grown[decisions->count++].otherwise = c->intercept;
	return 0;
}

int sp_filter_decide_finally(struct sp_compilation *c, uint32_t action, const char *source)
{
	return sp_filter_decide(
	    c, &(struct sp_decision){.action = action, .source = source, .final = true});
}

int sp_filter_decide_always(struct sp_compilation *c, uint32_t action, const char *source)
{
	return sp_filter_decide(c, &(struct sp_decision){.action = action, .source = source});
}

void sp_decisions_clear(struct sp_decisions *decisions)
{
	for (size_t i = 0; i < decisions->count; i++) {
		sp_condition_free(decisions->list[i].where);
		sp_condition_free(decisions->list[i].guard);
	}
	free(decisions->list);
}

void sp_decisions_cut(struct sp_decisions *decisions)
{
	size_t kept = 0;

	while (kept < decisions->count && decisions->list[kept].where)
		kept++;
	for (size_t i = kept + 1; i < decisions->count; i++) {
		sp_condition_free(decisions->list[i].where);
		sp_condition_free(decisions->list[i].guard);
	}
	if (kept < decisions->count)
		decisions->count = kept + 1;
}

/* 0, and *ret_condition NULL where the row has no test: it holds always. */
static int condition_of(const struct sp_filter_row *row, struct sp_condition **ret_condition)
{
	struct sp_condition *whole = NULL;

	for (size_t i = 0; i < SP_ELEMENTS(row->part) && row->part[i].used; i++) {
		struct sp_condition *part = sp_condition_test(&row->part[i].test);

		if (row->part[i].not )
			part = sp_condition_not_take(part);
		whole = i == 0 ? part : sp_condition_join_take(SP_CONDITION_AND, whole, part);
		if (!whole)
			return -ENOMEM;
	}
	*ret_condition = whole;
	return 0;
}

/* The rows of a table that speak of the call, one after the other. */
static const struct sp_filter_row *next_row(const struct sp_filter_row *rows, size_t count, int nr,
					    const struct sp_filter_row *last)
{
	for (const struct sp_filter_row *row = last ? last + 1 : rows; row < rows + count; row++)
		if (row->nr == nr)
			return row;
	return NULL;
}

int sp_filter_decide_rows(struct sp_compilation *c, const struct sp_decision *model,
			  const struct sp_filter_row *rows, size_t count)
{
	const struct sp_filter_row *row = NULL;
	int r = 0;

	while (r == 0 && (row = next_row(rows, count, c->nr, row))) {
		struct sp_decision decision = *model;

		r = condition_of(row, &decision.where);
		if (r == 0)
			r = sp_filter_decide(c, &decision);
	}
	return r;
}

int sp_filter_guard_by(const struct sp_filter_row *rows, size_t count, int nr,
		       struct sp_condition **guard)
{
	const struct sp_filter_row *row = NULL;
	struct sp_condition *any = NULL;

	while ((row = next_row(rows, count, nr, row))) {
		struct sp_condition *one = NULL;
		int r = condition_of(row, &one);

		if (r == 0)
			any = any ? sp_condition_join_take(SP_CONDITION_OR, any, one) : one;
		if (r < 0 || !any) {
			if (r < 0)
				sp_condition_free(any);
			return -ENOMEM;
		}
	}
	if (any && *guard)
		any = sp_condition_join_take(SP_CONDITION_AND, TAKE_POINTER(*guard), any);
	else if (!any)
		return 0;
	*guard = any;
	return any ? 0 : -ENOMEM;
}

unsigned sp_filter_strictness(uint32_t action)
{
	switch (action & SECCOMP_RET_ACTION_FULL) {
	case SECCOMP_RET_ALLOW:
		return 0;
	case SECCOMP_RET_LOG:
		return 1;
	case SECCOMP_RET_ERRNO: /* the porter might have granted it */
		return 4;
	case SECCOMP_RET_TRAP:
		return action & SECCOMP_RET_DATA ? 5 : 3;
	case SECCOMP_RET_KILL_THREAD:
		return 6;
	case SECCOMP_RET_KILL_PROCESS:
		return 7;
	default:
		return action & SECCOMP_RET_DATA ? 2 : 3; /* who is asked may allow it */
	}
}

uint32_t sp_filter_stricter(uint32_t a, uint32_t b)
{
	return sp_filter_strictness(b) > sp_filter_strictness(a) ? b : a;
}
