/* SPDX-License-Identifier: Apache-2.0 */
/* Running a filter of our own: for who answers in its place, and must decide as it does. */
#include <string.h>

#include "policy/bpf.h"

static bool jumps(const struct sock_filter *instruction, uint32_t accumulator)
{
	switch (BPF_OP(instruction->code)) {
	case BPF_JEQ:
		return accumulator == instruction->k;
	case BPF_JGT:
		return accumulator > instruction->k;
	case BPF_JGE:
		return accumulator >= instruction->k;
	default: /* BPF_JSET */
		return accumulator & instruction->k;
	}
}

/* The kernel takes no program without a return behind every way. */
uint32_t sp_bpf_run(const struct sock_fprog *program, const struct seccomp_data *data)
{
	uint32_t accumulator = 0;

	for (size_t at = 0; at < program->len; at++) {
		const struct sock_filter *instruction = &program->filter[at];

		switch (BPF_CLASS(instruction->code)) {
		case BPF_RET:
			return instruction->k;
		case BPF_LD:
			memcpy(&accumulator, (const uint8_t *)data + instruction->k,
			       sizeof(accumulator));
			break;
		case BPF_ALU:
			accumulator &= instruction->k;
			break;
		default: /* BPF_JMP */
			at += BPF_OP(instruction->code) == BPF_JA ? instruction->k
			      : jumps(instruction, accumulator)   ? instruction->jt
								  : instruction->jf;
		}
	}
	return SECCOMP_RET_KILL_PROCESS;
}
