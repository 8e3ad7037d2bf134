/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/bpf.h"

#include <errno.h>
#include <linux/seccomp.h>
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

/* Halves the leaves; three of which the outer two do the same are one comparison.
 * NOLINTNEXTLINE(misc-no-recursion): as deep as the logarithm of their number */
static struct sp_label tree(struct sp_assembly *assembly, const struct sp_leaf *leaves,
			    size_t count)
{
	struct sp_label low, high;
	size_t half = count / 2;

	if (count == 1)
		return leaves->write(assembly, leaves);
	if (count == 3 && leaves[0].kind == leaves[2].kind &&
	    leaves[2].first == leaves[1].first + 1) {
		low = leaves[0].write(assembly, &leaves[0]);
		high = leaves[1].write(assembly, &leaves[1]);
		return branch(assembly, BPF_JEQ, leaves[1].first, WORD_NR, high, low);
	}
	high = tree(assembly, leaves + half, count - half);
	low = tree(assembly, leaves, half);
	return branch(assembly, BPF_JGE, leaves[half].first, WORD_NR, high, low);
}

void sp_bpf_numbers(struct sp_assembly *assembly, const struct sp_leaf *leaves, size_t count,
		    uint32_t foreign)
{
	struct sp_leaf *merged = calloc(count, sizeof(*merged));
	struct sp_label numbers;
	size_t kept = 0;

	if (!merged) {
		assembly->error = -ENOMEM;
		return;
	}
	for (size_t i = 0; i < count; i++)
		if (kept == 0 || merged[kept - 1].kind != leaves[i].kind)
			merged[kept++] = leaves[i];
	numbers = tree(assembly, merged, kept);
	free(merged);
#ifdef SP_NR_FOREIGN
	numbers = branch(assembly, BPF_JGE, SP_NR_FOREIGN, WORD_NR,
			 sp_bpf_return(assembly, foreign), numbers);
#endif
	numbers = branch(assembly, BPF_JEQ, SP_AUDIT_ARCH, WORD_ARCH, numbers,
			 sp_bpf_return(assembly, foreign));
	(void)enter(assembly, numbers, WORD_CLOBBERED);
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
