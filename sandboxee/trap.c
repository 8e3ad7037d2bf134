/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "ipc/arch.h"
#include "ipc/runtime.h"
#include "ipc/util.h"
#include "sandboxee/runtime.h"

#ifndef SYS_SECCOMP
#define SYS_SECCOMP 1 /* si_code of a SIGSYS that a filter raised; asm-generic/siginfo.h */
#endif

/*
 * Calls that the runtime answers by itself; everything else goes to the porter. `descriptors`: as many of the first
 * arguments may name a descriptor that is reserved. Only then is the call trapped for our sake; else the policy refuses it.
 * `data`: the same where the filter says so.
 */
static const struct {
	int nr;
	long (*answer)(const struct sp_trap *trap);
	unsigned descriptors, data;
} local_calls[] = {
    {__NR_rt_sigprocmask, sp_signals_procmask, 0, 0},
    {__NR_rt_sigaction, sp_signals_action, 0, 0},
    {__NR_rt_sigpending, sp_signals_pending, 0, 0},
    {__NR_rt_sigsuspend, sp_signals_suspend, 0, 0},
    {__NR_ppoll, sp_signals_ppoll, 0, 0},
    {__NR_pselect6, sp_signals_pselect, 0, 0},
    {__NR_epoll_pwait, sp_signals_epoll, 0, 0},
    {__NR_epoll_pwait2, sp_signals_epoll, 0, 0},
    {__NR_close, sp_local_bad_descriptor, 1, 0},
    {__NR_close_range, sp_local_close_range, 0, 0},
    {__NR_dup2, sp_local_bad_descriptor, 2, 0},
    {__NR_dup3, sp_local_bad_descriptor, 2, 0},
    {__NR_dup, sp_local_bad_descriptor, 1, 0},
    {__NR_fcntl, sp_local_bad_descriptor, 1, 0},
    {__NR_umask, sp_local_umask, 0, 0},
    {__NR_getdents64, sp_listing_read, 0, SP_TRAP_LISTS},
    {__NR_getdents, sp_listing_read, 0, SP_TRAP_LISTS},
};

static bool is_local(const struct sp_trap *trap, size_t i)
{
	bool local = local_calls[i].descriptors == 0;

	if (local_calls[i].nr != trap->nr ||
	    (local_calls[i].data && local_calls[i].data != (unsigned)trap->info->si_errno))
		return false;
	for (unsigned j = 0; j < local_calls[i].descriptors; j++)
		local |= sp_is_reserved((int)trap->argument[j]);
	return local;
}

long sp_trap_ask(const struct sp_trap *trap)
{
	return sp_owner_hold(trap->pid) ? sp_forward(trap, sp_call_find(trap->nr))
					: sp_forward_below(trap);
}

static long answer(const struct sp_trap *trap)
{
	for (size_t i = 0; i < SP_ELEMENTS(local_calls); i++)
		if (is_local(trap, i))
			return local_calls[i].answer(trap);
	return sp_trap_ask(trap);
}

static void read_context(struct sp_trap *trap)
{
	static const int arguments[SP_ARGUMENTS] = SP_REG_ARGUMENTS;

	for (int i = 0; i < SP_ARGUMENTS; i++)
		trap->argument[i] = trap->context->uc_mcontext.gregs[arguments[i]];
}

/* The first thread has the number of its process, and no other thread has: it need not ask. */
static pid_t process_of(pid_t tid)
{
	if ((uint32_t)tid == atomic_load(sp_runtime.owner))
		return tid;
	return (pid_t)sp_raw_syscall(__NR_getpid, 0, 0, 0, 0, 0, 0);
}

void sp_trap_handler(int signal, siginfo_t *info, void *context)
{
	struct sp_trap trap = {
	    .tid = (pid_t)sp_raw_syscall(__NR_gettid, 0, 0, 0, 0, 0, 0),
	    .context = context,
	    .info = info,
	};

	(void)signal;
	trap.pid = process_of(trap.tid);
	/* The process can send itself this code as well; all that it gets is an answer to a call of
	 * its own choice. */
	if (info->si_code != SYS_SECCOMP || info->si_arch != SP_AUDIT_ARCH) {
		sp_signals_deliver(trap.pid, info, trap.context);
		return;
	}
	trap.nr = info->si_syscall;
	trap.guest = sp_owner_is_other(trap.pid);
	trap.instruction = (uint64_t)(uintptr_t)info->si_call_addr;
	read_context(&trap);
	trap.context->uc_mcontext.gregs[SP_REG_RESULT] = answer(&trap);
}
