/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What depends on the processor. Porting Sallyport means adding a section here and nowhere else:
 * system call numbers that an architecture lacks, the audit name, raw system calls, and where the
 * arguments and the result sit in a signal frame. Sections: x86_64. (arm64 follows.)
 */
#ifndef SALLYPORT_IPC_ARCH_H
#define SALLYPORT_IPC_ARCH_H

#include <linux/audit.h>
#include <sys/syscall.h>
#include <sys/user.h>

/* A legacy call that the architecture never had: its section defines __NR_<name> as this. */
#define SP_NR_ABSENT (-1)
/* What a tracer puts in a call's place to have none made. The kernel makes none of it whatever a filter says. */
#define SP_NR_NONE 0xffffffffu

#if defined(__x86_64__)

#define SP_AUDIT_ARCH AUDIT_ARCH_X86_64
#define SP_ELF_MACHINE 62 /* EM_X86_64 of <elf.h> */
#define SP_LOADER "/lib64/ld-linux-x86-64.so.2"
/* Numbers from here on belong to another ABI of the same audit name (x32). */
#define SP_NR_FOREIGN 0x40000000u

/* Indices into mcontext_t.gregs, by role: REG_* of <sys/ucontext.h>, spelt out so that this header
 * needs no feature macro. The order is that of struct sigcontext, which is kernel ABI. */
#define SP_REG_ARGUMENTS                                                                           \
	{                                                                                          \
		8 /* RDI */, 9 /* RSI */, 12 /* RDX */, 2 /* R10 */, 0 /* R8 */, 1 /* R9 */        \
	}
#define SP_REG_RESULT 13      /* RAX */
#define SP_REG_INSTRUCTION 16 /* RIP */
#define SP_REG_STACK 15       /* RSP */

#define SP_CALL_LENGTH 2 /* of the instruction that makes a system call */

/*
 * At file scope, once: defines sp_interruptible_call(), which makes the call unless *cancelled, and the
 * labels by which a signal's handler tells that it has come before the call. Then it goes on behind
 * it, as if the call had been interrupted.
 */
#define SP_INTERRUPTIBLE_CALL                                                                      \
	long sp_interruptible_call(long nr, long a0, long a1, long a2, _Atomic int *cancelled);    \
	extern const char sp_interruptible_begin[], sp_interruptible_end[],                        \
	    sp_interruptible_skipped[];                                                            \
	__asm__(".pushsection .text\n"                                                             \
		".hidden sp_interruptible_call, sp_interruptible_begin\n"                          \
		".hidden sp_interruptible_end, sp_interruptible_skipped\n"                         \
		".globl sp_interruptible_call, sp_interruptible_begin\n"                           \
		".globl sp_interruptible_end, sp_interruptible_skipped\n"                          \
		".type sp_interruptible_call, @function\n"                                         \
		"sp_interruptible_call:\n"                                                         \
		"	movq %rdi, %rax\n"                                                               \
		"	movq %rsi, %rdi\n"                                                               \
		"	movq %rdx, %rsi\n"                                                               \
		"	movq %rcx, %rdx\n"                                                               \
		"	xorl %r10d, %r10d\n"                                                             \
		"sp_interruptible_begin:\n"                                                        \
		"	cmpl $0, (%r8)\n"                                                                \
		"	jne sp_interruptible_skipped\n"                                                  \
		"	syscall\n"                                                                       \
		"sp_interruptible_end:\n"                                                          \
		"	ret\n"                                                                           \
		"sp_interruptible_skipped:\n"                                                      \
		"	movq $-4, %rax\n" /* EINTR */                                              \
		"	ret\n"                                                                           \
		".size sp_interruptible_call, . - sp_interruptible_call\n"                         \
		".popsection");

/* A raw system call: no errno, no TLS, no cancellation. Async-signal-safe. */
static inline long sp_raw_syscall(long nr, long a0, long a1, long a2, long a3, long a4, long a5)
{
	register long r10 __asm__("r10") = a3;
	register long r8 __asm__("r8") = a4;
	register long r9 __asm__("r9") = a5;
	long result;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(nr), "D"(a0), "S"(a1), "d"(a2), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return result;
}

/* Copies bytes that may not be ours by the rules of C: whatever lies around a string of the
 * program's, while its other threads write to it. No sanitizer looks at it. */
static inline void sp_copy_foreign(void *to, const void *from, unsigned long length)
{
	__asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(length) : : "memory");
}

static inline void sp_cpu_relax(void)
{
	__asm__ volatile("pause");
}

/* Of a traced thread that stands behind a system call: makes it make another one, in its place. */
static inline void sp_registers_call(struct user_regs_struct *registers, long nr,
				     const unsigned long argument[6])
{
	registers->rip -= SP_CALL_LENGTH;
	registers->rax = (unsigned long)nr;
	registers->orig_rax = ~0ul; /* no call under way that could be restarted */
	registers->rdi = argument[0];
	registers->rsi = argument[1];
	registers->rdx = argument[2];
	registers->r10 = argument[3];
	registers->r8 = argument[4];
	registers->r9 = argument[5];
}

static inline unsigned long sp_registers_stack(const struct user_regs_struct *registers)
{
	return registers->rsp;
}

static inline long sp_registers_result(const struct user_regs_struct *registers)
{
	return (long)registers->rax;
}

static inline void sp_registers_set_result(struct user_regs_struct *registers, long result)
{
	registers->rax = (unsigned long)result;
}

/* Calls fn(argument) on another stack, whose top is 16-byte aligned, and comes back to this one. */
static inline void sp_call_on_stack(void *top, void (*fn)(void *), void *argument)
{
	/* RBX survives the call by the ABI and holds our stack meanwhile. */
	__asm__ volatile("movq %%rsp, %%rbx\n\t"
			 "movq %[top], %%rsp\n\t"
			 "call *%[fn]\n\t"
			 "movq %%rbx, %%rsp"
			 : "+D"(argument), [top] "+r"(top), [fn] "+r"(fn)
			 :
			 : "rax", "rbx", "rcx", "rdx", "rsi", "r8", "r9", "r10", "r11", "cc",
			   "memory");
}

#else
#error "Sallyport has no section for this architecture in ipc/arch.h yet"
#endif

#endif
