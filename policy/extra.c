/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/extra.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "ipc/arch.h"
#include "ipc/util.h"
#include "policy/bpf.h"
#include "policy/export.h"
#include "policy/model.h"

/* ---- what the kernel takes: seccomp_check_filter() and bpf_check_classic() of Linux 6.1 ---- */

static bool sound_operator(const struct sock_filter *i)
{
	bool constant = BPF_SRC(i->code) == BPF_K;

	switch (BPF_OP(i->code)) {
	case BPF_ADD:
	case BPF_SUB:
	case BPF_MUL:
	case BPF_AND:
	case BPF_OR:
	case BPF_XOR:
		return true;
	case BPF_NEG:
		return constant;
	case BPF_DIV:
		return !constant || i->k != 0;
	case BPF_LSH:
	case BPF_RSH:
		return !constant || i->k < 32;
	default:
		return false;
	}
}

/* `left`: how many instructions follow. */
static bool sound_jump(const struct sock_filter *i, size_t left)
{
	switch (BPF_OP(i->code)) {
	case BPF_JA:
		return i->code == (BPF_JMP | BPF_JA) && i->k < left;
	case BPF_JEQ:
	case BPF_JGT:
	case BPF_JGE:
	case BPF_JSET:
		return i->jt < left && i->jf < left;
	default:
		return false;
	}
}

static bool sound_load(const struct sock_filter *i)
{
	switch (i->code) {
	case BPF_LD | BPF_W | BPF_ABS:
		return i->k % 4 == 0 && i->k < sizeof(struct seccomp_data);
	case BPF_LD | BPF_W | BPF_LEN:
	case BPF_LDX | BPF_W | BPF_LEN:
	case BPF_LD | BPF_IMM:
	case BPF_LDX | BPF_IMM:
		return true;
	case BPF_LD | BPF_MEM:
	case BPF_LDX | BPF_MEM:
	case BPF_ST:
	case BPF_STX:
		return i->k < BPF_MEMWORDS;
	default:
		return false;
	}
}

static bool is_sound(const struct sock_filter *i, size_t left)
{
	switch (BPF_CLASS(i->code)) {
	case BPF_ALU:
		return (i->code & ~(BPF_CLASS(i->code) | BPF_OP(i->code) | BPF_X)) == 0 &&
		       sound_operator(i);
	case BPF_JMP:
		return (i->code & ~(BPF_CLASS(i->code) | BPF_OP(i->code) | BPF_X)) == 0 &&
		       sound_jump(i, left);
	case BPF_MISC:
		return i->code == (BPF_MISC | BPF_TAX) || i->code == (BPF_MISC | BPF_TXA);
	case BPF_RET: /* not what was computed: 0 would be the runtime's own trap */
		return i->code == (BPF_RET | BPF_K);
	default:
		return sound_load(i);
	}
}

bool sp_extra_is_sound(const struct sock_filter *code, size_t count)
{
	if (count == 0 || count > BPF_MAXINSNS || BPF_CLASS(code[count - 1].code) != BPF_RET)
		return false;
	for (size_t i = 0; i < count; i++)
		if (!is_sound(&code[i], count - i - 1))
			return false;
	return true;
}

/* ---- as a part of a policy ---- */

/* What the launch itself does once the filter stands: add the policy's own, become the program. */
static bool lets_launch(struct sock_filter *code, size_t count)
{
	const struct sock_fprog program = {.len = (unsigned short)count, .filter = code};
	static const struct {
		int nr;
		uint64_t first, second;
	} needed[] = {
	    {__NR_seccomp, SECCOMP_SET_MODE_FILTER, 0},
	    {__NR_seccomp, SECCOMP_SET_MODE_FILTER,
	     SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV},
	    {__NR_execveat, 0, 0},
	};

	for (size_t i = 0; i < SP_ELEMENTS(needed); i++) {
		const struct seccomp_data data = {.nr = needed[i].nr,
						  .arch = SP_AUDIT_ARCH,
						  .args = {needed[i].first, needed[i].second}};
		uint32_t action = sp_bpf_run(&program, &data) & SECCOMP_RET_ACTION_FULL;

		if (action != SECCOMP_RET_ALLOW && action != SECCOMP_RET_LOG)
			return false;
	}
	return true;
}

/* A trap without a number is the runtime's own, which forwards the call: it gets a number. */
static void number_traps(struct sock_filter *code, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (BPF_CLASS(code[i].code) == BPF_RET && code[i].k == SECCOMP_RET_TRAP)
			code[i].k = SECCOMP_RET_TRAP | SP_TRAP_MAX;
}

SP_EXPORT int sp_policy_add_filter(struct sp_policy *policy, const void *program, size_t length)
{
	size_t count = length / sizeof(struct sock_filter);
	struct sock_filter *code;
	int r;

	if (length % sizeof(*code) || count == 0 || count > BPF_MAXINSNS)
		return -EINVAL;
	code = malloc(length);
	if (!code)
		return -ENOMEM;
	memcpy(code, program, length);
	number_traps(code, count);
	r = !sp_extra_is_sound(code, count) ? -EINVAL : lets_launch(code, count) ? 0 : -EPERM;
	if (r == 0)
		r = sp_model_add_filter(policy, &(struct sp_program){(uint8_t *)code, length});
	free(code);
	return r;
}
