/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/disassemble.h"

#include <linux/audit.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>

#include "policy/names.h"
#include "policy/print.h"

#define WORD_NR offsetof(struct seccomp_data, nr)
#define WORD_ARCH offsetof(struct seccomp_data, arch)
#define WORD_ARGUMENTS offsetof(struct seccomp_data, args)

static void print_word(FILE *out, uint32_t offset)
{
	if (offset == WORD_NR)
		(void)fputs("number", out);
	else if (offset == WORD_ARCH)
		(void)fputs("architecture", out);
	else if (offset >= WORD_ARGUMENTS)
		(void)fprintf(out, "argument %u, %s half",
			      (unsigned)((offset - WORD_ARGUMENTS) / sizeof(uint64_t) + 1),
			      (offset - WORD_ARGUMENTS) % sizeof(uint64_t) ? "upper" : "lower");
	else
		(void)fputs("instruction pointer", out);
}

/* The word that the accumulator was loaded with last, in the order of the text: a hint for the reader. */
static void print_number(FILE *out, uint32_t word, uint32_t k)
{
	const char *name = word == WORD_NR && k < SP_NUMBERS ? sp_call_name((int)k) : NULL;

	if (name)
		(void)fprintf(out, "  # %s", name);
	else if (word == WORD_ARCH && k == AUDIT_ARCH_X86_64)
		(void)fputs("  # x86_64", out);
	else if (word == WORD_ARCH && k == AUDIT_ARCH_I386)
		(void)fputs("  # i386", out);
}

/* What stands on the right side: the second register or a constant. */
static void print_operand(FILE *out, const struct sock_filter *i)
{
	if (BPF_SRC(i->code) == BPF_X)
		(void)fputc('x', out);
	else
		(void)fprintf(out, "0x%x", i->k);
}

static void print_calculation(FILE *out, const struct sock_filter *i)
{
	static const char *const operators[] = {
	    [BPF_ADD >> 4] = "+",  [BPF_SUB >> 4] = "-",  [BPF_MUL >> 4] = "*",
	    [BPF_DIV >> 4] = "/",  [BPF_OR >> 4] = "|",   [BPF_AND >> 4] = "&",
	    [BPF_LSH >> 4] = "<<", [BPF_RSH >> 4] = ">>", [BPF_XOR >> 4] = "^",
	};
	size_t index = BPF_OP(i->code) >> 4;

	if (BPF_OP(i->code) == BPF_NEG || index >= sizeof(operators) / sizeof(operators[0]) ||
	    !operators[index]) {
		(void)fputs("a = -a", out);
		return;
	}
	(void)fprintf(out, "a %s= ", operators[index]);
	print_operand(out, i);
}

/* Into `to`, which is a or x. */
static void print_load(FILE *out, const struct sock_filter *i, char to, uint32_t *word)
{
	switch (BPF_MODE(i->code)) {
	case BPF_ABS:
		*word = i->k;
		(void)fprintf(out, "%c = [%u]  # ", to, i->k);
		print_word(out, i->k);
		break;
	case BPF_MEM:
		(void)fprintf(out, "%c = memory %u", to, i->k);
		break;
	case BPF_LEN:
		(void)fprintf(out, "%c = %zu  # bytes", to, sizeof(struct seccomp_data));
		break;
	default:
		(void)fprintf(out, "%c = 0x%x", to, i->k);
		break;
	}
}

static void print_jump(FILE *out, const struct sock_filter *i, size_t at, uint32_t word)
{
	static const char *const tests[] = {[BPF_JEQ >> 4] = "==",
					    [BPF_JGT >> 4] = ">",
					    [BPF_JGE >> 4] = ">=",
					    [BPF_JSET >> 4] = "&"};

	if (BPF_OP(i->code) == BPF_JA) {
		(void)fprintf(out, "goto %zu", at + 1 + i->k);
		return;
	}
	(void)fprintf(out, "if a %s ", tests[BPF_OP(i->code) >> 4]);
	print_operand(out, i);
	(void)fprintf(out, " goto %zu else %zu", at + 1 + i->jt, at + 1 + i->jf);
	if (BPF_SRC(i->code) == BPF_K)
		print_number(out, word, i->k);
}

static void print_instruction(FILE *out, const struct sock_filter *i, size_t at, uint32_t *word)
{
	switch (BPF_CLASS(i->code)) {
	case BPF_LD:
		print_load(out, i, 'a', word);
		break;
	case BPF_LDX:
		print_load(out, i, 'x', word);
		break;
	case BPF_ST:
		(void)fprintf(out, "memory %u = a", i->k);
		break;
	case BPF_STX:
		(void)fprintf(out, "memory %u = x", i->k);
		break;
	case BPF_MISC:
		(void)fputs(BPF_MISCOP(i->code) == BPF_TAX ? "x = a" : "a = x", out);
		break;
	case BPF_ALU:
		print_calculation(out, i);
		break;
	case BPF_JMP:
		print_jump(out, i, at, *word);
		break;
	case BPF_RET:
		(void)fprintf(out, "return 0x%08x  # ", i->k);
		sp_print_kernel_action(out, i->k);
		break;
	default:
		(void)fprintf(out, "0x%04x 0x%x", i->code, i->k);
		break;
	}
}

void sp_disassemble(FILE *out, const struct sock_filter *code, size_t count)
{
	uint32_t word = WORD_NR;

	for (size_t at = 0; at < count; at++) {
		(void)fprintf(out, "%4zu: %04x %3u %3u %08x  ", at, code[at].code, code[at].jt,
			      code[at].jf, code[at].k);
		print_instruction(out, &code[at], at, &word);
		(void)fputc('\n', out);
	}
}
