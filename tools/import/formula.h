/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Conditions on the arguments of a call, as an "or" of "and"s, which is what a policy can say with
 * several rules and with commas. Values; their memory belongs to the pool.
 */
#ifndef SALLYPORT_TOOLS_IMPORT_FORMULA_H
#define SALLYPORT_TOOLS_IMPORT_FORMULA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sallyport/policy.h>

#include "pool.h"

/* The order matters: a relation's negation differs from it in the lowest bit. */
enum relation {
	RELATION_IS,
	RELATION_IS_NOT,
	RELATION_BELOW,
	RELATION_FROM,
	RELATION_ABOVE,
	RELATION_UP_TO,
};

/* (argument & mask) relation value; a mask other than ~0 goes with IS and IS_NOT. */
struct clause {
	unsigned argument;
	enum relation relation;
	uint64_t mask, value;
};

struct conjunction {
	const struct clause *clauses;
	size_t count; /* 0: holds always */
};

struct formula {
	const struct conjunction *any;
	size_t count; /* 0: never holds */
	bool unknown; /* what it says can't be said in a policy, or takes too many words */
};

#define FORMULA_NEVER ((struct formula){.count = 0})
#define FORMULA_UNKNOWN ((struct formula){.unknown = true})

struct formula formula_always(struct pool *pool);
bool formula_is_always(const struct formula *formula);

/* One comparison, of as many bits as the kernel looks at. Unknown where the argument has no name. */
struct formula formula_compare(struct pool *pool, const struct sp_policy_call *call,
			       struct clause clause);

struct formula formula_or(struct pool *pool, struct formula left, struct formula right);
struct formula formula_and(struct pool *pool, struct formula left, struct formula right);
struct formula formula_not(struct pool *pool, struct formula formula);

/* "request == TCGETS, fd < 3"; "" where it always holds. */
char *conjunction_text(struct pool *pool, const struct sp_policy_call *call,
		       const struct conjunction *conjunction);

#endif
