/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/bpf.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stdlib.h>

#include "ipc/arch.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
	       "the low word of an argument comes first");

#define WORD_NR ((int)offsetof(struct seccomp_data, nr))
#define WORD_ARCH ((int)offsetof(struct seccomp_data, arch))
#define WORD_CLOBBERED (-2)
/* How far a conditional jump leads, less what may come between while its other target is found. */
#define NEAR 240u
#define ALL_BITS 0xffffffffu

static int word_of(unsigned argument, bool high)
{
	return (int)(offsetof(struct seccomp_data, args) + argument * sizeof(uint64_t) +
		     (high ? sizeof(uint32_t) : 0));
}

void sp_bpf_clear(struct sp_assembly *assembly)
{
	free(assembly->code);
	*assembly = (struct sp_assembly){0};
}

static size_t write_instruction(struct sp_assembly *assembly, struct sock_filter instruction)
{
	if (assembly->count == assembly->room) {
		size_t room = assembly->room ? 2 * assembly->room : 256;
		struct sock_filter *code = reallocarray(assembly->code, room, sizeof(*code));

		if (!code)
			assembly->error = -ENOMEM;
		else if (room > 4 * BPF_MAXINSNS)
			assembly->error = -E2BIG;
		if (code)
			assembly->code = code;
		if (assembly->error)
			return assembly->count = 0; /* the program is lost: write over it */
		assembly->room = room;
	}
	assembly->code[assembly->count] = instruction;
	return assembly->count++;
}

static size_t write_statement(struct sp_assembly *assembly, uint16_t code, uint32_t k)
{
	return write_instruction(assembly, (struct sock_filter)BPF_STMT(code, k));
}

static size_t write_jump(struct sp_assembly *assembly, size_t target)
{
	return write_statement(assembly, BPF_JMP | BPF_JA,
			       (uint32_t)(assembly->count - 1 - target));
}

struct sp_label sp_bpf_return(struct sp_assembly *assembly, uint32_t action)
{
	struct sp_label label = {.word = SP_BPF_NO_WORD};
	size_t i = 0;

	while (i < assembly->return_count && assembly->returns[i].action != action)
		i++;
	if (i == SP_BPF_RETURNS)
		i--; /* the last place serves all further ones */
	if (i == assembly->return_count)
		assembly->return_count++;
	else if (assembly->returns[i].action == action &&
		 assembly->count - assembly->returns[i].at < NEAR) {
		label.at = assembly->returns[i].at;
		return label;
	}
	label.at = write_statement(assembly, BPF_RET | BPF_K, action);
	assembly->returns[i].action = action;
	assembly->returns[i].at = label.at;
	return label;
}

/* Where to jump to for `label` when the accumulator holds `have`. */
static size_t enter(struct sp_assembly *assembly, struct sp_label label, int have)
{
	if (label.word == SP_BPF_NO_WORD || label.word == have)
		return label.at;
	if (label.at + 1 != assembly->count)
		(void)write_jump(assembly, label.at);
	return write_statement(assembly, BPF_LD | BPF_W | BPF_ABS, (uint32_t)label.word);
}

/* The same for a conditional jump, which does not lead far. */
static size_t enter_near(struct sp_assembly *assembly, struct sp_label label, int have)
{
	size_t at = enter(assembly, label, have);

	if (assembly->count - at < NEAR)
		return at;
	if (BPF_CLASS(assembly->code[at].code) == BPF_RET)
		return sp_bpf_return(assembly, assembly->code[at].k).at;
	return write_jump(assembly, at);
}

/* A jump on the accumulator, which holds `have`. */
static size_t write_branch(struct sp_assembly *assembly, uint16_t operation, uint32_t k, int have,
			   struct sp_label yes, struct sp_label no)
{
	size_t yes_at = enter_near(assembly, yes, have);
	size_t no_at = enter_near(assembly, no, have);
	size_t here = assembly->count;

	return write_instruction(
	    assembly, (struct sock_filter)BPF_JUMP((uint16_t)(BPF_JMP | operation | BPF_K), k,
						   (uint8_t)(here - 1 - yes_at),
						   (uint8_t)(here - 1 - no_at)));
}

static struct sp_label branch(struct sp_assembly *assembly, uint16_t operation, uint32_t k,
			      int word, struct sp_label yes, struct sp_label no)
{
	return (struct sp_label){write_branch(assembly, operation, k, word, yes, no), word};
}

/* ---- conditions ---- */

static struct sp_label masked_word(struct sp_assembly *assembly, int word, uint32_t mask,
				   uint32_t value, struct sp_label yes, struct sp_label no)
{
	if (value & ~mask)
		return no;
	if (mask == 0)
		return yes;
	if (mask == ALL_BITS)
		return branch(assembly, BPF_JEQ, value, word, yes, no);
	/* These two spare the accumulator. */
	if (value == 0)
		return branch(assembly, BPF_JSET, mask, word, no, yes);
	if (value == mask && (mask & (mask - 1)) == 0)
		return branch(assembly, BPF_JSET, mask, word, yes, no);
	(void)write_branch(assembly, BPF_JEQ, value, WORD_CLOBBERED, yes, no);
	return (struct sp_label){write_statement(assembly, BPF_ALU | BPF_AND | BPF_K, mask), word};
}

static struct sp_label masked(struct sp_assembly *assembly, const struct sp_test *test,
			      struct sp_label yes, struct sp_label no)
{
	uint32_t high_mask = test->wide ? (uint32_t)(test->mask >> 32) : 0;
	uint32_t high_value = (uint32_t)(test->value >> 32);
	struct sp_label low = masked_word(assembly, word_of(test->argument, false),
					  (uint32_t)test->mask, (uint32_t)test->value, yes, no);

	return masked_word(assembly, word_of(test->argument, true), high_mask, high_value, low, no);
}

static struct sp_label below(struct sp_assembly *assembly, const struct sp_test *test,
			     struct sp_label yes, struct sp_label no)
{
	int high = word_of(test->argument, true);
	uint32_t high_value = (uint32_t)(test->value >> 32);
	struct sp_label low = branch(assembly, BPF_JGE, (uint32_t)test->value,
				     word_of(test->argument, false), no, yes);

	if (!test->wide)
		return low;
	low = branch(assembly, BPF_JEQ, high_value, high, low, no);
	return high_value == 0 ? low : branch(assembly, BPF_JGE, high_value, high, low, yes);
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as the condition */
struct sp_label sp_bpf_condition(struct sp_assembly *assembly, const struct sp_condition *condition,
				 struct sp_label yes, struct sp_label no)
{
	struct sp_label right;

	switch (condition->kind) {
	case SP_CONDITION_NOT:
		return sp_bpf_condition(assembly, condition->left, no, yes);
	case SP_CONDITION_AND:
		right = sp_bpf_condition(assembly, condition->right, yes, no);
		return sp_bpf_condition(assembly, condition->left, right, no);
	case SP_CONDITION_OR:
		right = sp_bpf_condition(assembly, condition->right, yes, no);
		return sp_bpf_condition(assembly, condition->left, yes, right);
	case SP_CONDITION_TEST:
	default:
		return condition->test.kind == SP_TEST_BELOW
			   ? below(assembly, &condition->test, yes, no)
			   : masked(assembly, &condition->test, yes, no);
	}
}

/* ---- numbers ---- */

/* Three leaves of which the outer two do the same, and the middle one is one number: one comparison. */
static bool is_single(const struct sp_leaf *leaves, size_t count)
{
	return count == 3 && leaves[0].kind == leaves[2].kind &&
	       leaves[2].first == leaves[1].first + 1;
}

/* Where the leaves from `from` to `to` are best parted, of all that there are. */
struct partition {
	const struct sp_leaf *leaves;
	uint64_t *weights; /* owned; of the leaves before each */
	uint64_t *costs;   /* owned; [from * (count + 1) + to] */
	uint16_t *parts;   /* the same */
	size_t count;
};

#define AT(partition, from, to) ((from) * ((partition)->count + 1) + (to))

/* What is never called weighs so little that all of it together does not outweigh one call. */
#define WEIGHT_UNIT (UINT64_C(1) << 20)

static bool make_partition(struct partition *partition, const struct sp_leaf *leaves, size_t count,
			   const uint64_t *weights)
{
	size_t cells = (count + 1) * (count + 1);

	*partition = (struct partition){.leaves = leaves,
					.weights = calloc(count + 1, sizeof(uint64_t)),
					.costs = calloc(cells, sizeof(uint64_t)),
					.parts = calloc(cells, sizeof(uint16_t)),
					.count = count};
	if (!partition->weights || !partition->costs || !partition->parts)
		return false;
	for (size_t i = 0; i < count; i++)
		partition->weights[i + 1] = partition->weights[i] + weights[i] * WEIGHT_UNIT + 1;
	return true;
}

static void clear_partition(struct partition *partition)
{
	free(partition->weights);
	free(partition->costs);
	free(partition->parts);
}

/* Of all ways to part them the cheapest; Knuth's bounds spare most of the looking. */
static void part_leaves(struct partition *p, size_t from, size_t to)
{
	size_t first = p->parts[AT(p, from, to - 1)], last = p->parts[AT(p, from + 1, to)];
	uint64_t weight = p->weights[to] - p->weights[from], best = UINT64_MAX;
	size_t part = from + 1;

	if (first <= from)
		first = from + 1;
	if (last <= from || last >= to)
		last = to - 1;
	for (size_t at = first; at <= last; at++) {
		uint64_t cost = p->costs[AT(p, from, at)] + p->costs[AT(p, at, to)];

		if (cost < best) {
			best = cost;
			part = at;
		}
	}
	p->costs[AT(p, from, to)] = weight + (is_single(p->leaves + from, to - from) ? 0 : best);
	p->parts[AT(p, from, to)] = (uint16_t)part;
}

static void part_all(struct partition *partition)
{
	for (size_t length = 2; length <= partition->count; length++)
		for (size_t from = 0; from + length <= partition->count; from++)
			part_leaves(partition, from, from + length);
}

/* NOLINTNEXTLINE(misc-no-recursion): at worst as deep as there are leaves */
static struct sp_label tree(struct sp_assembly *assembly, const struct sp_leaf *leaves,
			    const struct partition *partition, size_t from, size_t to)
{
	const struct sp_leaf *here = leaves + from;
	struct sp_label low, high;
	size_t part =
	    partition ? partition->parts[AT(partition, from, to)] : from + (to - from) / 2;

	if (to - from == 1)
		return here->write(assembly, here);
	if (is_single(here, to - from)) {
		low = here[0].write(assembly, &here[0]);
		high = here[1].write(assembly, &here[1]);
		return branch(assembly, BPF_JEQ, here[1].first, WORD_NR, high, low);
	}
	high = tree(assembly, leaves, partition, part, to);
	low = tree(assembly, leaves, partition, from, part);
	return branch(assembly, BPF_JGE, leaves[part].first, WORD_NR, high, low);
}

/* Those that nothing is said of, and all others without a tree of their own weight, are halved. */
static struct sp_label weighted_tree(struct sp_assembly *assembly, const struct sp_leaf *leaves,
				     size_t count, const uint64_t *weights)
{
	struct partition partition;
	struct sp_label label = {.word = SP_BPF_NO_WORD};

	if (make_partition(&partition, leaves, count, weights)) {
		part_all(&partition);
		label = tree(assembly, leaves, &partition, 0, count);
	} else {
		assembly->error = -ENOMEM;
	}
	clear_partition(&partition);
	return label;
}

/* What the tree finds: leaves of one kind joined, but for those that are looked for before it. */
struct forest {
	struct sp_leaf *leaves; /* owned */
	uint64_t *weights;      /* owned */
	size_t count;
	const struct sp_leaf *single[SP_BPF_SINGLES_MAX]; /* the most often called first */
	size_t single_count;
};

/* `leaf` among the singles, at its place; the last one drops out where there is no more room. */
static void add_single(struct forest *forest, const struct sp_leaf *leaf, size_t most)
{
	size_t at = forest->single_count;

	while (at > 0 && forest->single[at - 1]->weight < leaf->weight)
		at--;
	if (leaf->weight == 0 || at == most)
		return;
	if (forest->single_count < most)
		forest->single_count++;
	for (size_t i = forest->single_count - 1; i > at; i--)
		forest->single[i] = forest->single[i - 1];
	forest->single[at] = leaf;
}

static bool is_looked_for(const struct forest *forest, const struct sp_leaf *leaf)
{
	for (size_t i = 0; i < forest->single_count; i++)
		if (forest->single[i] == leaf)
			return true;
	return false;
}

/* A number that was looked for before may do what its neighbour does. */
static void join_leaf(struct forest *forest, const struct sp_leaf *leaf)
{
	size_t last = forest->count - 1;

	if (is_looked_for(forest, leaf))
		return;
	if (forest->count == 0 || forest->leaves[last].kind != leaf->kind) {
		last = forest->count++;
		forest->leaves[last] = *leaf;
		if (last == 0)
			forest->leaves[last].first = 0;
	}
	forest->weights[last] += leaf->weight;
}

static struct sp_label write_foreign(struct sp_assembly *assembly, const struct sp_leaf *leaf)
{
	return sp_bpf_return(assembly, *(const uint32_t *)leaf->data);
}

static struct sp_label write_none(struct sp_assembly *assembly, const struct sp_leaf *leaf)
{
	(void)leaf;
	return sp_bpf_return(assembly, SECCOMP_RET_ALLOW);
}

/* Only numbers, of which one has to be alone to be compared with, are looked for before the rest. */
static void fill_forest(struct forest *forest, const struct sp_leaf *leaves, size_t count,
			const struct sp_twin_leaves *twins, const uint32_t *foreign, int singles)
{
	for (size_t i = 0; i + 1 < count && singles > 0; i++)
		if (leaves[i + 1].first == leaves[i].first + 1)
			add_single(forest, &leaves[i], (size_t)singles);
	for (size_t i = 0; i < count; i++)
		join_leaf(forest, &leaves[i]);
#ifdef SP_NR_FOREIGN
	for (size_t i = 0; i < twins->x32_count; i++)
		join_leaf(forest, &twins->x32[i]);
	if (twins->x32_count == 0) {
		forest->leaves[forest->count] = (struct sp_leaf){.first = SP_NR_FOREIGN,
								 .kind = UINT64_MAX,
								 .write = write_foreign,
								 .data = foreign};
		forest->weights[forest->count++] = 0;
	}
#else
	(void)twins;
	(void)foreign;
	(void)write_foreign;
#endif
	forest->leaves[forest->count] =
	    (struct sp_leaf){.first = SP_NR_NONE, .kind = UINT64_MAX - 1, .write = write_none};
	forest->weights[forest->count++] = 0;
}

static struct sp_label write_forest(struct sp_assembly *assembly, const struct forest *forest,
				    int singles)
{
	struct sp_label rest =
	    singles == SP_BPF_EQUAL_HALVES
		? tree(assembly, forest->leaves, NULL, 0, forest->count)
		: weighted_tree(assembly, forest->leaves, forest->count, forest->weights);

	for (size_t i = forest->single_count; i-- > 0;) {
		const struct sp_leaf *leaf = forest->single[i];
		struct sp_label label = leaf->write(assembly, leaf);

		rest = branch(assembly, BPF_JEQ, leaf->first, WORD_NR, label, rest);
	}
	return rest;
}

static bool make_forest(struct forest *forest, size_t count)
{
	*forest = (struct forest){.leaves = calloc(count, sizeof(*forest->leaves)),
				  .weights = calloc(count, sizeof(*forest->weights))};
	return forest->leaves && forest->weights;
}

static void clear_forest(struct forest *forest)
{
	free(forest->leaves);
	free(forest->weights);
}

/* To be entered with anything in the accumulator, near where it is entered from. */
static struct sp_label enter_label(struct sp_assembly *assembly, struct sp_label label)
{
	return (struct sp_label){enter(assembly, label, WORD_CLOBBERED), SP_BPF_NO_WORD};
}

/* The code for another architecture than the native one. */
static struct sp_label write_others(struct sp_assembly *assembly,
				    const struct sp_twin_leaves *twins)
{
	struct sp_label label = {.word = SP_BPF_NO_WORD};
	struct forest forest;

	if (make_forest(&forest, twins->i386_count)) {
		for (size_t i = 0; i < twins->i386_count; i++)
			join_leaf(&forest, &twins->i386[i]);
		label = enter_label(assembly, write_forest(assembly, &forest, SP_BPF_EQUAL_HALVES));
	} else {
		assembly->error = -ENOMEM;
	}
	clear_forest(&forest);
	return label;
}

void sp_bpf_architectures(struct sp_assembly *assembly, const struct sp_leaf *leaves, size_t count,
			  const struct sp_twin_leaves *twins, uint32_t foreign, int singles)
{
	struct sp_label numbers, others = {.word = SP_BPF_NO_WORD};
	struct forest forest;

	if (twins->i386_count > 0)
		others = write_others(assembly, twins);
	if (make_forest(&forest, count + twins->x32_count + 2)) {
		fill_forest(&forest, leaves, count, twins, &foreign, singles);
		numbers = write_forest(assembly, &forest, singles);
		/* Before anything comes in between, over which each call would have to jump. */
		numbers = enter_label(assembly, numbers);
		if (twins->i386_count > 0)
			others = branch(assembly, BPF_JEQ, AUDIT_ARCH_I386, WORD_ARCH, others,
					sp_bpf_return(assembly, foreign));
		else
			others = sp_bpf_return(assembly, foreign);
		numbers = branch(assembly, BPF_JEQ, SP_AUDIT_ARCH, WORD_ARCH, numbers, others);
		(void)enter(assembly, numbers, WORD_CLOBBERED);
	} else {
		assembly->error = -ENOMEM;
	}
	clear_forest(&forest);
}

void sp_bpf_numbers(struct sp_assembly *assembly, const struct sp_leaf *leaves, size_t count,
		    uint32_t foreign, int singles)
{
	static const struct sp_twin_leaves none;

	sp_bpf_architectures(assembly, leaves, count, &none, foreign, singles);
}

int sp_bpf_finish(const struct sp_assembly *assembly, struct sock_filter **ret_code,
		  size_t *ret_count)
{
	struct sock_filter *code;

	if (assembly->error)
		return assembly->error;
	if (assembly->count > BPF_MAXINSNS)
		return -E2BIG;
	code = calloc(assembly->count, sizeof(*code));
	if (!code)
		return -ENOMEM;
	for (size_t i = 0; i < assembly->count; i++)
		code[i] = assembly->code[assembly->count - 1 - i];
	*ret_code = code;
	*ret_count = assembly->count;
	return 0;
}
