/* SPDX-License-Identifier: Apache-2.0 */
/* Running a filter: for who answers in its place, and must decide as it does, and for who takes one of others. */
#include <string.h>

#include "policy/bpf.h"

struct machine {
	uint32_t a, x, memory[BPF_MEMWORDS];
};

static void load(struct machine *machine, const struct sock_filter *i,
		 const struct seccomp_data *data, struct sp_bpf_course *course)
{
	uint32_t *to = BPF_CLASS(i->code) == BPF_LDX ? &machine->x : &machine->a;

	switch (BPF_MODE(i->code)) {
	case BPF_ABS:
		memcpy(to, (const uint8_t *)data + i->k, sizeof(*to));
		course->words |= 1u << (i->k / sizeof(*to));
		break;
	case BPF_LEN:
		*to = sizeof(*data);
		break;
	case BPF_MEM:
		*to = machine->memory[i->k];
		break;
	default:
		*to = i->k;
	}
}

static uint32_t calculate(uint16_t code, uint32_t a, uint32_t b)
{
	switch (BPF_OP(code)) {
	case BPF_ADD:
		return a + b;
	case BPF_SUB:
		return a - b;
	case BPF_MUL:
		return a * b;
	case BPF_DIV:
		return a / b;
	case BPF_AND:
		return a & b;
	case BPF_OR:
		return a | b;
	case BPF_XOR:
		return a ^ b;
	case BPF_LSH:
		return a << (b & 31);
	case BPF_RSH:
		return a >> (b & 31);
	default:
		return -a;
	}
}

static size_t jump(const struct sock_filter *i, uint32_t a, uint32_t b)
{
	switch (BPF_OP(i->code)) {
	case BPF_JA:
		return i->k;
	case BPF_JEQ:
		return a == b ? i->jt : i->jf;
	case BPF_JGT:
		return a > b ? i->jt : i->jf;
	case BPF_JGE:
		return a >= b ? i->jt : i->jf;
	default:
		return a & b ? i->jt : i->jf;
	}
}

int32_t sp_bpf_rank(uint32_t action)
{
	return (int32_t)(action & SECCOMP_RET_ACTION_FULL);
}

uint32_t sp_bpf_run(const struct sock_fprog *program, const struct seccomp_data *data)
{
	struct sp_bpf_course course;

	return sp_bpf_follow(program, data, &course);
}

uint32_t sp_bpf_follow(const struct sock_fprog *program, const struct seccomp_data *data,
		       struct sp_bpf_course *ret)
{
	struct machine machine = {0};

	*ret = (struct sp_bpf_course){0};

	/* The kernel takes no program without a return behind every way. */
	for (size_t at = 0; at < program->len; at++) {
		const struct sock_filter *i = &program->filter[at];
		uint32_t operand = BPF_SRC(i->code) == BPF_X ? machine.x : i->k;

		ret->at = at;
		ret->steps++;
		switch (BPF_CLASS(i->code)) {
		case BPF_ALU:
			if (BPF_OP(i->code) == BPF_DIV && operand == 0)
				return SECCOMP_RET_KILL_THREAD;
			machine.a = calculate(i->code, machine.a, operand);
			break;
		case BPF_JMP:
			at += jump(i, machine.a, operand);
			break;
		case BPF_ST:
			machine.memory[i->k] = machine.a;
			break;
		case BPF_STX:
			machine.memory[i->k] = machine.x;
			break;
		case BPF_MISC:
			if (BPF_MISCOP(i->code) == BPF_TAX)
				machine.x = machine.a;
			else
				machine.a = machine.x;
			break;
		case BPF_RET:
			return i->k;
		default:
			load(&machine, i, data, ret);
		}
	}
	return SECCOMP_RET_KILL_PROCESS;
}
