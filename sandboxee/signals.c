/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A trap while SIGSYS is blocked or ignored kills the process, and libc blocks every signal in
 * pthread_create(3), posix_spawn(3) and abort(3). So SIGSYS is never really blocked, and its
 * disposition is always ours; what the program believes stands in a shadow.
 */
#include <errno.h>
#include <string.h>

#include "ipc/arch.h"
#include "ipc/runtime.h"
#include "sandboxee/runtime.h"

typedef uint64_t kernel_sigset;

#define BIT(signal) (1ull << ((signal)-1))
#define SIGSYS_BIT BIT(SIGSYS)
#define SET_SIZE sizeof(kernel_sigset)
#define LAST_SIGNAL 64

/* The kernel's struct sigaction, which is not glibc's. */
struct kernel_sigaction {
	uintptr_t handler;
	unsigned long flags;
	uintptr_t restorer;
	kernel_sigset mask;
};

/*
 * What the program believes about SIGSYS. By thread: does it think it is blocked, and has one come
 * meanwhile? A table indexed by tid that forgets on collision, since all that is lost then is the
 * appearance.
 */
#define SHADOW_THREADS 1024u
enum { SHADOW_BLOCKED = 1, SHADOW_PENDING = 2, SHADOW_FLAGS = 3 };
static _Atomic uint64_t shadow_thread[SHADOW_THREADS]; /* tid << 2 | flags */
static struct kernel_sigaction shadow_action;          /* what it believes to be the disposition */
static _Atomic uint64_t shadow_masks; /* bit of a signal: its sa_mask is believed to hold SIGSYS */

static uint64_t own_tid(void)
{
	return (uint64_t)sp_raw_syscall(__NR_gettid, 0, 0, 0, 0, 0, 0);
}

static unsigned shadow_get(uint64_t tid)
{
	uint64_t entry = atomic_load(&shadow_thread[tid % SHADOW_THREADS]);

	return entry >> 2 == tid ? (unsigned)(entry & SHADOW_FLAGS) : 0;
}

static void shadow_set(uint64_t tid, unsigned flags)
{
	_Atomic uint64_t *entry = &shadow_thread[tid % SHADOW_THREADS];

	if (flags || atomic_load(entry) >> 2 == tid)
		atomic_store(entry, flags ? tid << 2 | flags : 0);
}

static kernel_sigset mask_get(const ucontext_t *context)
{
	kernel_sigset mask;

	memcpy(&mask, &context->uc_sigmask, SET_SIZE);
	return mask;
}

static void mask_set(ucontext_t *context, kernel_sigset mask)
{
	memcpy(&context->uc_sigmask, &mask, SET_SIZE);
}

static long procmask_raw(int how, const kernel_sigset *set)
{
	return sp_raw_syscall(__NR_rt_sigprocmask, how, (long)set, 0, SET_SIZE, 0, SP_RUNTIME_MARK);
}

static long action_raw(int signal, const struct kernel_sigaction *action,
		       struct kernel_sigaction *ret_old)
{
	return sp_raw_syscall(__NR_rt_sigaction, signal, (long)action, (long)ret_old, SET_SIZE, 0,
			      SP_RUNTIME_MARK);
}

/* ---- delivery
 * ------------------------------------------------------------------------------------- */

static void die_of_sigsys(pid_t pid)
{
	struct kernel_sigaction action = {.handler = (uintptr_t)SIG_DFL};
	kernel_sigset all_but = ~SIGSYS_BIT;

	(void)action_raw(SIGSYS, &action, NULL);
	(void)procmask_raw(SIG_SETMASK, &all_but);
	/* Where tgkill is refused, any trap is just as deadly now. */
	(void)sp_raw_syscall(__NR_tgkill, pid, (long)own_tid(), SIGSYS, 0, 0, 0);
	(void)sp_raw_syscall(__NR_execve, 0, 0, 0, 0, 0, 0);
}

static void call_program(const siginfo_t *info, ucontext_t *context)
{
	void (*handler)(int, siginfo_t *, void *);
	kernel_sigset mask = (mask_get(context) | shadow_action.mask) & ~SIGSYS_BIT;
	siginfo_t copy = *info;

	handler = (void (*)(int, siginfo_t *, void *))shadow_action.handler;
	if (shadow_action.flags & SA_RESETHAND)
		shadow_action.handler = (uintptr_t)SIG_DFL;
	(void)procmask_raw(SIG_SETMASK, &mask);
	handler(SIGSYS, &copy, context);
}

void sp_signals_deliver(pid_t pid, const siginfo_t *info, ucontext_t *context)
{
	uint64_t tid = own_tid();
	unsigned flags = shadow_get(tid);

	if (flags & SHADOW_BLOCKED)
		shadow_set(tid, flags | SHADOW_PENDING);
	else if (shadow_action.handler == (uintptr_t)SIG_DFL)
		die_of_sigsys(pid);
	else if (shadow_action.handler != (uintptr_t)SIG_IGN)
		call_program(info, context);
}

/* ---- rt_sigprocmask
 * --------------------------------------------------------------------------------- */

static int combine(int how, kernel_sigset *mask, kernel_sigset set)
{
	switch (how) {
	case SIG_BLOCK:
		*mask |= set;
		return 0;
	case SIG_UNBLOCK:
		*mask &= ~set;
		return 0;
	case SIG_SETMASK:
		*mask = set;
		return 0;
	default:
		return -EINVAL;
	}
}

static void apply(const struct sp_trap *trap, uint64_t tid, kernel_sigset mask)
{
	unsigned before = shadow_get(tid);
	siginfo_t info = {.si_signo = SIGSYS, .si_code = SI_TKILL};

	mask_set(trap->context, mask & ~(SIGSYS_BIT | BIT(SIGKILL) | BIT(SIGSTOP)));
	if (mask & SIGSYS_BIT) {
		shadow_set(tid, before | SHADOW_BLOCKED);
		return;
	}
	shadow_set(tid, 0);
	if (before & SHADOW_PENDING)
		sp_signals_deliver(trap->pid, &info, trap->context);
}

/* The kernel restores the mask from the interrupted context: editing it there is the whole call. */
long sp_signals_procmask(const struct sp_trap *trap)
{
	const void *set = (const void *)trap->argument[1];
	void *old = (void *)trap->argument[2];
	uint64_t tid = own_tid();
	kernel_sigset believed = mask_get(trap->context);
	kernel_sigset wanted, mask;

	if ((size_t)trap->argument[3] != SET_SIZE)
		return -EINVAL;
	if (shadow_get(tid) & SHADOW_BLOCKED)
		believed |= SIGSYS_BIT;
	mask = believed;
	if (set) {
		if (sp_memory_read(trap->pid, &wanted, set, SET_SIZE) < 0)
			return -EFAULT;
		if (combine((int)trap->argument[0], &mask, wanted) < 0)
			return -EINVAL;
	}
	/* Before it takes effect, since a pending SIGSYS may be delivered by it and never come
	 * back. */
	if (old && sp_memory_write(trap->pid, old, &believed, SET_SIZE) < 0)
		return -EFAULT;
	if (set)
		apply(trap, tid, mask);
	return 0;
}

/* ---- rt_sigaction
 * ------------------------------------------------------------------------------------ */

/* A guest would change what its host believes. */
static long exchange_shadow(const struct sp_trap *trap, const struct kernel_sigaction *action,
			    struct kernel_sigaction *ret_old)
{
	*ret_old = shadow_action;
	if (action && !trap->guest)
		shadow_action = *action;
	return 0;
}

static long exchange_real(const struct sp_trap *trap, int signal, struct kernel_sigaction *action,
			  struct kernel_sigaction *ret_old)
{
	bool believed = false;
	long r;

	if (action) {
		believed = action->mask & SIGSYS_BIT;
		action->mask &= ~SIGSYS_BIT;
	}
	r = action_raw(signal, action, ret_old);
	if (r < 0)
		return r;
	if (atomic_load(&shadow_masks) & BIT(signal))
		ret_old->mask |= SIGSYS_BIT;
	if (trap->guest)
		return 0;
	if (action && believed)
		atomic_fetch_or(&shadow_masks, BIT(signal));
	else if (action)
		atomic_fetch_and(&shadow_masks, ~BIT(signal));
	return 0;
}

long sp_signals_action(const struct sp_trap *trap)
{
	int signal = (int)trap->argument[0];
	const void *new = (const void *)trap->argument[1];
	void *old = (void *)trap->argument[2];
	struct kernel_sigaction action, previous;
	long r;

	if ((size_t)trap->argument[3] != SET_SIZE)
		return -EINVAL;
	if (new &&sp_memory_read(trap->pid, &action, new, sizeof(action)) < 0)
		return -EFAULT;
	if (signal < 1 || signal > LAST_SIGNAL)
		return -EINVAL;
	r = signal == SIGSYS ? exchange_shadow(trap, new ? &action : NULL, &previous)
			     : exchange_real(trap, signal, new ? &action : NULL, &previous);
	if (r == 0 && old && sp_memory_write(trap->pid, old, &previous, sizeof(previous)) < 0)
		return -EFAULT;
	return r;
}

long sp_signals_pending(const struct sp_trap *trap)
{
	kernel_sigset pending;
	size_t size = (size_t)trap->argument[1];
	long r;

	if (size > SET_SIZE)
		return -EINVAL;
	r = sp_raw_syscall(__NR_rt_sigpending, (long)&pending, SET_SIZE, 0, 0, 0, SP_RUNTIME_MARK);
	if (r < 0)
		return r;
	/* All signals are blocked here: what is pending now and was not blocked by the program is
	 * about to arrive. */
	pending &= mask_get(trap->context);
	if (shadow_get(own_tid()) & SHADOW_PENDING)
		pending |= SIGSYS_BIT;
	return sp_memory_write(trap->pid, (void *)trap->argument[0], &pending, size);
}

/* ---- calls that take a mask for their own duration
 * ---------------------------------------------------- */
/*
 * These are made from here, with the mask less SIGSYS, on the interrupted stack: the program's
 * handlers run on top of this frame, with the very mask that they would have had, and may jump out
 * of it. Nothing is held meanwhile.
 */

/* 1: *ret_mask is to be used; 0: the program gave none; or -errno. */
static int read_mask(const struct sp_trap *trap, long pointer, long size, kernel_sigset *ret_mask)
{
	if (!pointer)
		return 0;
	if ((size_t)size != SET_SIZE)
		return -EINVAL;
	if (sp_memory_read(trap->pid, ret_mask, (const void *)pointer, SET_SIZE) < 0)
		return -EFAULT;
	*ret_mask &= ~SIGSYS_BIT;
	return 1;
}

/* The mark in the upper half of an int argument. */
static long marked(long argument)
{
	return (long)((uint64_t)SP_RUNTIME_MARK << 32 | (uint32_t)argument);
}

long sp_signals_suspend(const struct sp_trap *trap)
{
	kernel_sigset mask;

	if ((size_t)trap->argument[1] != SET_SIZE)
		return -EINVAL;
	if (sp_memory_read(trap->pid, &mask, (const void *)trap->argument[0], SET_SIZE) < 0)
		return -EFAULT;
	mask &= ~SIGSYS_BIT;
	return sp_raw_syscall(__NR_rt_sigsuspend, (long)&mask, SET_SIZE, 0, 0, 0, SP_RUNTIME_MARK);
}

long sp_signals_ppoll(const struct sp_trap *trap)
{
	const long *argument = trap->argument;
	kernel_sigset mask = mask_get(trap->context);
	int r = read_mask(trap, argument[3], argument[4], &mask);

	if (r < 0)
		return r;
	return sp_raw_syscall(__NR_ppoll, argument[0], argument[1], argument[2], (long)&mask,
			      SET_SIZE, SP_RUNTIME_MARK);
}

long sp_signals_pselect(const struct sp_trap *trap)
{
	const long *argument = trap->argument;
	struct {
		long pointer, size;
	} pack;
	kernel_sigset mask = mask_get(trap->context);
	int r;

	if (sp_memory_read(trap->pid, &pack, (const void *)argument[5], sizeof(pack)) < 0)
		return -EFAULT;
	r = read_mask(trap, pack.pointer, pack.size, &mask);
	if (r < 0)
		return r;
	pack.pointer = (long)&mask;
	pack.size = SET_SIZE;
	return sp_raw_syscall(__NR_pselect6, marked(argument[0]), argument[1], argument[2],
			      argument[3], argument[4], (long)&pack);
}

/* epoll_pwait and epoll_pwait2 differ in their timeout alone. */
long sp_signals_epoll(const struct sp_trap *trap)
{
	const long *argument = trap->argument;
	kernel_sigset mask = mask_get(trap->context);
	int r = read_mask(trap, argument[4], argument[5], &mask);

	if (r < 0)
		return r;
	return sp_raw_syscall(trap->nr, marked(argument[0]), argument[1], argument[2], argument[3],
			      (long)&mask, SET_SIZE);
}

/* ---- calls that wait for others ---- */

static bool is_ignored_by_default(int signal)
{
	return signal == SIGCHLD || signal == SIGCONT || signal == SIGURG || signal == SIGWINCH;
}

long sp_signals_interruption(const struct sp_trap *trap)
{
	kernel_sigset pending;

	if (sp_raw_syscall(__NR_rt_sigpending, (long)&pending, SET_SIZE, 0, 0, 0, SP_RUNTIME_MARK) <
	    0)
		return 0;
	pending &= ~mask_get(trap->context);
	for (int signal = 1; signal <= LAST_SIGNAL; signal++) {
		struct kernel_sigaction action;

		if (!(pending & BIT(signal)) || action_raw(signal, NULL, &action) < 0 ||
		    action.handler == (uintptr_t)SIG_IGN)
			continue;
		if (action.handler != (uintptr_t)SIG_DFL)
			return action.flags & SA_RESTART ? SP_SIGNALS_AGAIN : -EINTR;
		if (!is_ignored_by_default(signal))
			return SP_SIGNALS_AGAIN;
	}
	return 0;
}

long sp_signals_again(const struct sp_trap *trap)
{
	trap->context->uc_mcontext.gregs[SP_REG_INSTRUCTION] -= SP_CALL_LENGTH;
	return trap->nr;
}
