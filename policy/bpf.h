/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes seccomp filters: classic BPF over struct seccomp_data. A program is written from its end,
 * so that the targets of a jump, which only leads forward, stand already when it is written. Errors
 * stick: check once, in sp_bpf_finish().
 *
 * Why not libseccomp, which gives every other part its names and numbers: it knows no order among
 * rules and one comparison an argument, so that "the first rule that applies" becomes a disjunction
 * of all the ways in which the others do not; two ordered rules on two ranges are thousands of rules
 * there, and three ifs here.
 */
#ifndef SALLYPORT_POLICY_BPF_H
#define SALLYPORT_POLICY_BPF_H

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>

#include "policy/condition.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A place in the program, and the word of seccomp_data that must be in the accumulator there. */
struct sp_label {
	size_t at; /* counted from the end */
	int word;  /* its offset, or SP_BPF_NO_WORD */
};

#define SP_BPF_NO_WORD (-1)

/* SECCOMP_RET_* actions with their data that one program can have. */
#define SP_BPF_RETURNS 64

struct sp_assembly {
	struct sock_filter *code; /* from the end; owned */
	size_t count, room;
	int error;
	struct {
		uint32_t action;
		size_t at;
	} returns[SP_BPF_RETURNS]; /* the latest of each */
	size_t return_count;
};

/* Zero-initialise. */
void sp_bpf_clear(struct sp_assembly *assembly);

struct sp_label sp_bpf_return(struct sp_assembly *assembly, uint32_t action);

/* Goes to `yes` where the condition holds, else to `no`. */
struct sp_label sp_bpf_condition(struct sp_assembly *assembly, const struct sp_condition *condition,
				 struct sp_label yes, struct sp_label no);

/*
 * What happens to the numbers from `first` up to the next leaf's. `write` writes the code, when its
 * turn comes; leaves of one `kind` do the same, and are written as one where they are neighbours.
 */
struct sp_leaf {
	uint32_t first;
	uint64_t kind;
	struct sp_label (*write)(struct sp_assembly *assembly, const struct sp_leaf *leaf);
	const void *data;
	uint32_t weight; /* how often `first` is called, as far as that is known */
};

/* Numbers are found in a binary tree: one of equal halves, or one in which often called ones are near the
 * root, behind as many of the most often called as are compared one by one before it. */
#define SP_BPF_EQUAL_HALVES (-1)
#define SP_BPF_SINGLES_MAX 8

/*
 * The whole filter: foreign architectures, and the x32 numbers of x86_64, get `foreign`; SP_NR_NONE, for which
 * the kernel does nothing, is let through. The leaves are sorted, and
 * the first one's `first` is 0. `singles`: SP_BPF_EQUAL_HALVES, or 0 to SP_BPF_SINGLES_MAX. The verdicts are the
 * same in either case.
 */
void sp_bpf_numbers(struct sp_assembly *assembly, const struct sp_leaf *leaves, size_t count,
		    uint32_t foreign, int singles);

/* Calls of other architectures that are looked up as well, in the same way; no leaves: `foreign`. The numbers of x32
 * bear its bit. */
struct sp_twin_leaves {
	const struct sp_leaf *i386, *x32;
	size_t i386_count, x32_count;
};
void sp_bpf_architectures(struct sp_assembly *assembly, const struct sp_leaf *leaves, size_t count,
			  const struct sp_twin_leaves *twins, uint32_t foreign, int singles);

/* What a program that the kernel takes says of a call: SECCOMP_RET_* with its data. A division by zero kills. */
uint32_t sp_bpf_run(const struct sock_fprog *program, const struct seccomp_data *data);

/* As the kernel ranks what filters say of a call: the smaller one stands. */
int32_t sp_bpf_rank(uint32_t action);

/* The same as sp_bpf_run(), and how it came to that. */
struct sp_bpf_course {
	size_t at;    /* the instruction that ended it, by index */
	size_t steps; /* how many were executed */
	uint32_t
	    words; /* of struct seccomp_data that it looked at: bit N for the bytes from 4 N on */
};
uint32_t sp_bpf_follow(const struct sock_fprog *program, const struct seccomp_data *data,
		       struct sp_bpf_course *ret);

/* The program in its order, to be freed. 0, -ENOMEM, or -E2BIG: more than the kernel takes. */
int sp_bpf_finish(const struct sp_assembly *assembly, struct sock_filter **ret_code,
		  size_t *ret_count);

#ifdef __cplusplus
}
#endif

#endif
