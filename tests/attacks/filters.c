/* SPDX-License-Identifier: Apache-2.0 */
/* A21b: a policy lets the program add filters, and it adds such as could turn the sandbox's own calls against it. */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "ipc/util.h"
#include "tests/attacks/attack.h"

#define ROUNDS 25

/* What the broker answers, … */
static const uint32_t names[] = {SYS_openat, SYS_chdir,      SYS_newfstatat,
				 SYS_execve, SYS_readlinkat, SYS_unlink};
/* … and what it has a thread do in the place of its own. */
static const uint32_t injected[] = {SYS_recvmsg, SYS_fchdir, SYS_close};

static long install(unsigned flags, uint32_t verdict, const uint32_t *numbers, size_t count)
{
	struct sock_filter filter[2 * 8 + 2];
	struct sock_fprog program = {0, filter};

	filter[program.len++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
							     offsetof(struct seccomp_data, nr));
	for (size_t i = 0; i < count; i++) {
		filter[program.len++] =
		    (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, numbers[i], 0, 1);
		filter[program.len++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, verdict);
	}
	filter[program.len++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
}

/* On a floor the policy's word must count, or nothing is shown here. */
static void must_install(unsigned flags, uint32_t verdict, const uint32_t *numbers, size_t count)
{
	if (install(flags, verdict, numbers, count) != 0 && context.stage == STAGE_FLOOR)
		broken("a filter that the policy allows: %s", strerror(errno));
}

static void try_everything(void)
{
	char *const arguments[] = {(char *)(uintptr_t)context.program,
				   (char *)(uintptr_t) "executed", NULL};
	char *const environment[] = {NULL};
	const char *secret = in_tree("secret/canary");
	struct stat status = {0};

	try_read(secret);
	check_descriptor("open", (int)syscall(SYS_open, secret, O_RDONLY));
	if (syscall(SYS_stat, secret, &status) == 0 && status.st_ino != 0)
		escape("a secret's metadata");
	if (chdir(in_tree("secret")) == 0)
		try_read("canary");
	(void)execve(context.program, arguments, environment);
}

/* Calls that it takes a held thread to answer, with whatever comes of them. */
static void move_about(void)
{
	static const char *const directories[] = {"allowed", "allowed/sub", "readonly", "secret"};

	for (int i = 0; i < ROUNDS; i++) {
		int held;

		(void)!chdir(in_tree(directories[i % 4]));
		try_read("canary");
		try_read("../secret/canary");
		try_read("../../secret/canary");
		held = open(in_tree(directories[i % 4]), O_PATH | O_CLOEXEC);
		check_descriptor("openat", openat(held, "canary", O_RDONLY | O_CLOEXEC));
		check_descriptor("openat", openat(held, "../secret/canary", O_RDONLY | O_CLOEXEC));
		if (held > 2)
			(void)close(held);
	}
}

/* ---- verdicts on what takes a name ---- */

/* Makes the trapped call once more, by its older number. */
static void call_again(int number, siginfo_t *info, void *data)
{
	greg_t *registers = ((ucontext_t *)data)->uc_mcontext.gregs;

	(void)number;
	if (info->si_syscall == SYS_openat)
		registers[REG_RAX] = syscall(SYS_open, registers[REG_RSI], registers[REG_RDX]);
}

static void catch_traps(void)
{
	const struct sigaction action = {.sa_sigaction = call_again,
					 .sa_flags = SA_SIGINFO | SA_NODEFER};

	(void)sigaction(SIGSYS, &action, NULL);
}

static void judge_names(void)
{
	static const uint32_t verdicts[] = {SECCOMP_RET_ALLOW,       SECCOMP_RET_LOG,
					    SECCOMP_RET_TRACE,       SECCOMP_RET_TRAP,
					    SECCOMP_RET_ERRNO | 0,   SECCOMP_RET_USER_NOTIF,
					    SECCOMP_RET_ERRNO | 4095};

	variants(SP_ELEMENTS(verdicts));
	catch_traps();
	must_install(SECCOMP_FILTER_FLAG_TSYNC, verdicts[context.variant], names,
		     SP_ELEMENTS(names));
	try_everything();
	move_about();
}

/* ---- verdicts on what the broker has a thread do ---- */

static void judge_injected(uint32_t verdict)
{
	catch_traps();
	must_install(0, verdict, injected, SP_ELEMENTS(injected));
	move_about();
	try_everything();
}

static void fake_injected(void)
{
	judge_injected(SECCOMP_RET_ERRNO | 0);
}

static void trap_injected(void)
{
	judge_injected(SECCOMP_RET_TRAP);
}

static void trace_injected(void)
{
	judge_injected(SECCOMP_RET_TRACE);
}

static void *move_in_thread(void *unused)
{
	must_install(0, SECCOMP_RET_KILL_THREAD, injected, SP_ELEMENTS(injected));
	move_about();
	return unused;
}

/* The held thread alone dies of it, and others go on. */
static void kill_injected(void)
{
	for (int i = 0; i < 20; i++) {
		pthread_t thread;

		if (pthread_create(&thread, NULL, move_in_thread, NULL) != 0)
			broken("no thread");
		(void)pthread_join(thread, NULL);
	}
	try_everything();
}

/* ---- filters that come while a thread is held ---- */

static atomic_bool moved;

static void *move_without_end(void *unused)
{
	move_about();
	atomic_store(&moved, true);
	return unused;
}

static void install_meanwhile(void)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, move_without_end, NULL) != 0)
		broken("no thread");
	for (int i = 0; i < 200 && !atomic_load(&moved); i++)
		must_install(SECCOMP_FILTER_FLAG_TSYNC, SECCOMP_RET_ERRNO | (i % 2 ? 0 : EINTR),
			     injected, 1);
	(void)pthread_join(thread, NULL);
	try_everything();
}

static void listen_oneself(void)
{
	if (install(SECCOMP_FILTER_FLAG_NEW_LISTENER, SECCOMP_RET_USER_NOTIF, names,
		    SP_ELEMENTS(names)) >= 0)
		escape("it has a listener of its own");
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_STRICT, 0, NULL) == 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) == 0)
		escape("the mode was changed");
	try_everything();
}

void attack_A21b(void)
{
	static attack_fn *const ways[] = {fake_injected, trap_injected,     trace_injected,
					  kill_injected, install_meanwhile, listen_oneself};

	if (context.variant < SP_ELEMENTS(ways)) {
		ways[context.variant]();
		return;
	}
	context.variant -= (unsigned)SP_ELEMENTS(ways);
	judge_names();
}
