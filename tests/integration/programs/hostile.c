/* SPDX-License-Identifier: Apache-2.0 */
/* Programs whose hostile code runs before a loader, a library or a constructor could do anything about it, or that
 * bring filters and handlers of their own. HOSTILE_… says which one this is. */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <ucontext.h>
#include <unistd.h>

#include "tests/integration/programs/attempt.h"

#if defined(HOSTILE_PREINIT)

__attribute__((section(".preinit_array"),
	       used)) static void (*const early)(void) = attempt_everything;

#elif defined(HOSTILE_IFUNC)

static void nothing(void)
{
}

static void (*resolve(void))(void)
{
	attempt_everything();
	return nothing;
}

void chosen(void) __attribute__((ifunc("resolve")));

#elif defined(HOSTILE_FORKS)

/* Its children outlive it and have no parent that could be asked for. */
static void fork_at_once(void)
{
	for (int i = 0; i < 2; i++)
		if (ATTEMPT(__NR_clone, SIGCHLD, 0, 0, 0) == 0 &&
		    ATTEMPT(__NR_clone, SIGCHLD, 0, 0, 0) > 0)
			(void)ATTEMPT(__NR_exit_group, 0, 0, 0, 0);
	attempt_everything();
}

__attribute__((section(".preinit_array"), used)) static void (*const early)(void) = fork_at_once;

#elif defined(HOSTILE_FILTER)

/* What it traps it makes again by another number. */
static void trapped(int number, siginfo_t *info, void *data)
{
	greg_t *registers = ((ucontext_t *)data)->uc_mcontext.gregs;

	(void)number;
	if (info->si_syscall == __NR_openat)
		registers[REG_RAX] = ATTEMPT(__NR_open, registers[REG_RSI], registers[REG_RDX],
					     registers[REG_R10], 0);
}

/* Lets everything through, a call that opens by way of its own handler. */
static void install(void)
{
	struct sock_filter filter[] = {
	    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_openat, 0, 1),
	    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
	    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {.len = sizeof(filter) / sizeof(filter[0]), .filter = filter};
	struct sigaction action = {.sa_sigaction = trapped, .sa_flags = SA_SIGINFO | SA_NODEFER};

	(void)sigaction(SIGSYS, &action, NULL);
	(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	(void)ATTEMPT(__NR_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER,
		      &program, 0);
	(void)ATTEMPT(__NR_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program, 0);
	(void)prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0);
}

#endif

int main(void)
{
#if defined(HOSTILE_IFUNC)
	chosen();
#elif defined(HOSTILE_FILTER)
	install();
	attempt_everything();
#elif !defined(HOSTILE_PREINIT) && !defined(HOSTILE_FORKS)
	attempt_everything();
#endif
	return 0;
}
