/* SPDX-License-Identifier: Apache-2.0 */
/* H17: what a trapped call leaves as it was: every register that the kernel leaves, and errno. */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "ipc/util.h"
#include "tests/attacks/attack.h"

#define CALLS 10000

/* What call_with_state() loads before the call, and stores after it. */
struct state {
	uint64_t general[8];  /* rbx, r12, r13, r14, r15, r8, r9, r10 */
	uint64_t argument[3]; /* rdi, rsi, rdx; stored alone */
	uint64_t flags;
	uint8_t sse[16][16];
	uint8_t x87[108]; /* as fnsave writes it */
	uint32_t mxcsr;
};

_Static_assert(offsetof(struct state, argument) == 64 && offsetof(struct state, flags) == 88 &&
		   offsetof(struct state, sse) == 96 && offsetof(struct state, x87) == 352 &&
		   offsetof(struct state, mxcsr) == 460,
	       "the offsets below");

long call_with_state(struct state *state, long nr, long a0, long a1, long a2);

#define SSE(op, n) "movdqu " op(n) "\n"
#define LOAD(n) "96+16*" #n "(%rbp), %xmm" #n
#define STORE(n) "%xmm" #n ", 96+16*" #n "(%rbp)"
#define EACH_SSE(op)                                                                               \
	SSE(op, 0)                                                                                 \
	SSE(op, 1)                                                                                 \
	SSE(op, 2)                                                                                 \
	SSE(op, 3)                                                                                 \
	SSE(op, 4)                                                                                 \
	SSE(op, 5)                                                                                 \
	SSE(op, 6)                                                                                 \
	SSE(op, 7)                                                                                 \
	SSE(op, 8)                                                                                 \
	SSE(op, 9)                                                                                 \
	SSE(op, 10)                                                                                \
	SSE(op, 11)                                                                                \
	SSE(op, 12)                                                                                \
	SSE(op, 13)                                                                                \
	SSE(op, 14)                                                                                \
	SSE(op, 15)

__asm__(".text\n"
	".type call_with_state, @function\n"
	"call_with_state:\n"
	"	push %rbx\n"
	"	push %rbp\n"
	"	push %r12\n"
	"	push %r13\n"
	"	push %r14\n"
	"	push %r15\n"
	"	sub $8, %rsp\n"
	"	stmxcsr (%rsp)\n"
	"	mov %rdi, %rbp\n"
	"	mov %rsi, %rax\n"
	"	mov %rdx, %rdi\n"
	"	mov %rcx, %rsi\n"
	"	mov %r8, %rdx\n" EACH_SSE(LOAD) "	frstor 352(%rbp)\n"
						"	ldmxcsr 460(%rbp)\n"
						"	mov 0(%rbp), %rbx\n"
						"	mov 8(%rbp), %r12\n"
						"	mov 16(%rbp), %r13\n"
						"	mov 24(%rbp), %r14\n"
						"	mov 32(%rbp), %r15\n"
						"	mov 40(%rbp), %r8\n"
						"	mov 48(%rbp), %r9\n"
						"	mov 56(%rbp), %r10\n"
						"	pushq 88(%rbp)\n"
						"	popfq\n"
						"	syscall\n"
						"	pushfq\n"
						"	popq 88(%rbp)\n"
						"	cld\n"
						"	mov %rbx, 0(%rbp)\n"
						"	mov %r12, 8(%rbp)\n"
						"	mov %r13, 16(%rbp)\n"
						"	mov %r14, 24(%rbp)\n"
						"	mov %r15, 32(%rbp)\n"
						"	mov %r8, 40(%rbp)\n"
						"	mov %r9, 48(%rbp)\n"
						"	mov %r10, 56(%rbp)\n"
						"	mov %rdi, 64(%rbp)\n"
						"	mov %rsi, 72(%rbp)\n"
						"	mov %rdx, 80(%rbp)\n"
						"	stmxcsr 460(%rbp)\n"
						"	fnsave 352(%rbp)\n" EACH_SSE(
						    STORE) "	ldmxcsr (%rsp)\n"
							   "	add $8, %rsp\n"
							   "	pop %r15\n"
							   "	pop %r14\n"
							   "	pop %r13\n"
							   "	pop %r12\n"
							   "	pop %rbp\n"
							   "	pop %rbx\n"
							   "	ret\n"
							   ".size call_with_state, . - "
							   "call_with_state\n");

/* Carry, parity, adjust, zero, sign, direction, overflow: what a program can set and see. */
#define PROGRAM_FLAGS 0xcd5u

/* All rounding modes of SSE, all exceptions masked. */
#define MXCSR(i) (0x1f80u | ((i)&3u) << 13)

static void fill(struct state *state, unsigned i)
{
	memset(state, 0, sizeof(*state));
	for (size_t j = 0; j < SP_ELEMENTS(state->general); j++)
		state->general[j] = 0x0123456789abcdefull * (i + 1) + j;
	for (size_t j = 0; j < 16; j++)
		memset(state->sse[j], (int)(i + j * 17), sizeof(state->sse[j]));
	/* Bit 1 is always set, and interrupts are on. */
	state->flags = 0x202u | ((i * 0x35u) & PROGRAM_FLAGS);
	state->mxcsr = MXCSR(i);
	__asm__ volatile("fninit\n\tfldpi\n\tfldl2e\n\tfld1\n\tfnsave %0" : "=m"(state->x87));
}

/* Control, status and tag word, and the registers: the pointers between them are not kept by every processor. */
static bool same_x87(const uint8_t *a, const uint8_t *b)
{
	return memcmp(a, b, 2) == 0 && memcmp(a + 4, b + 4, 2) == 0 &&
	       memcmp(a + 8, b + 8, 2) == 0 && memcmp(a + 28, b + 28, 80) == 0;
}

static void compare(const struct state *before, const struct state *after, const long argument[3])
{
	if (memcmp(before->general, after->general, sizeof(before->general)) != 0)
		broken("a general register changed");
	for (size_t i = 0; i < 3; i++)
		if (after->argument[i] != (uint64_t)argument[i])
			broken("argument %zu changed", i);
	if ((before->flags ^ after->flags) & PROGRAM_FLAGS)
		broken("flags 0x%x became 0x%x", (unsigned)before->flags, (unsigned)after->flags);
	if (memcmp(before->sse, after->sse, sizeof(before->sse)) != 0)
		broken("an SSE register changed");
	if (before->mxcsr != after->mxcsr)
		broken("mxcsr 0x%x became 0x%x", before->mxcsr, after->mxcsr);
	if (!same_x87(before->x87, after->x87))
		broken("the x87 state changed");
}

static void compare_registers(void)
{
	const long argument[3] = {AT_FDCWD, (long)in_tree("readonly/file"), O_RDONLY | O_CLOEXEC};

	for (unsigned i = 0; i < CALLS; i++) {
		struct state before, after;
		long fd;

		fill(&before, i);
		after = before;
		fd = call_with_state(&after, SYS_openat, argument[0], argument[1], argument[2]);
		if (fd < 0)
			broken("openat: %s", strerror((int)-fd));
		(void)close((int)fd);
		compare(&before, &after, argument);
	}
}

static void compare_errno(void)
{
	for (int i = 0; i < CALLS; i++) {
		errno = 4242;
		(void)close(open(in_tree("readonly/file"), O_RDONLY | O_CLOEXEC));
		if (errno != 4242)
			broken("errno became %d", errno);
	}
}

void attack_H17(void)
{
	variants(1);
	compare_registers();
	compare_errno();
}
