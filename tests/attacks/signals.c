/* SPDX-License-Identifier: Apache-2.0 */
/* H: SIGSYS taken away from the runtime, signals inside signals, signals to others. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/audit.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include "ipc/runtime.h"
#include "ipc/util.h"
#include "tests/attacks/attack.h"

#ifndef SYS_SECCOMP
#define SYS_SECCOMP 1
#endif

#define SET_BYTES 8
#define KERNEL_SA_RESTORER 0x04000000ul

/* The kernel's struct sigaction. */
struct kernel_sigaction {
	uintptr_t handler;
	unsigned long flags;
	void (*restorer)(void);
	uint64_t mask;
};

void return_from_signal(void);
__asm__(".text\n"
	".type return_from_signal, @function\n"
	"return_from_signal:\n"
	"	mov $15, %eax\n"
	"	syscall\n"
	".size return_from_signal, . - return_from_signal\n");

/* The mark by which the filter knows the runtime's own calls can be forged: here it is. */
static void act_marked(int number, uintptr_t handler)
{
	const struct kernel_sigaction action = {.handler = handler,
						.flags = KERNEL_SA_RESTORER | SA_SIGINFO,
						.restorer = return_from_signal};

	(void)syscall(SYS_rt_sigaction, number, &action, NULL, SET_BYTES, 0, SP_RUNTIME_MARK);
}

static void block_marked(uint64_t mask)
{
	(void)syscall(SYS_rt_sigprocmask, SIG_BLOCK, &mask, NULL, SET_BYTES, 0, SP_RUNTIME_MARK);
}

static void read_secret(void)
{
	try_read(in_tree("secret/canary"));
	check_descriptor("openat",
			 (int)syscall(SYS_openat, AT_FDCWD, in_tree("secret/canary"), O_RDONLY));
}

/* ---- H01 to H03 ---- */

static void do_nothing(int number, siginfo_t *info, void *data)
{
	(void)number;
	(void)info;
	(void)data;
}

/* Pretends that the call went well. */
static void claim_success(int number, siginfo_t *info, void *data)
{
	ucontext_t *context_of_trap = data;

	(void)number;
	(void)info;
	context_of_trap->uc_mcontext.gregs[13 /* RAX */] = 3;
}

/* Makes the trapped call once more, from another place. */
static void call_again(int number, siginfo_t *info, void *data)
{
	(void)number;
	(void)info;
	(void)data;
	read_secret();
}

void attack_H01(void)
{
	static void (*const handlers[])(int, siginfo_t *, void *) = {do_nothing, claim_success,
								     call_again};

	variants(SP_ELEMENTS(handlers));
	act_marked(SIGSYS, (uintptr_t)handlers[context.variant]);
	read_secret();
}

void attack_H02(void)
{
	variants(2);
	block_marked(context.variant == 0 ? 1ull << (SIGSYS - 1) : ~0ull);
	read_secret();
}

void attack_H03(void)
{
	variants(2);
	act_marked(SIGSYS, context.variant == 0 ? (uintptr_t)SIG_IGN : (uintptr_t)SIG_DFL);
	read_secret();
}

/* ---- H04 ---- */

static void read_in_handler(int number)
{
	(void)number;
	read_secret();
}

void attack_H04(void)
{
	static const int signals[] = {SIGUSR1, SIGSYS, SIGSEGV};
	struct sigaction action = {.sa_handler = read_in_handler};

	variants(SP_ELEMENTS(signals));
	(void)sigfillset(&action.sa_mask);
	if (sigaction(signals[context.variant], &action, NULL) < 0)
		broken("sigaction: %s", strerror(errno));
	(void)raise(signals[context.variant]);
}

/* ---- H05 ---- */

void attack_H05(void)
{
	siginfo_t info = {.si_signo = SIGSYS, .si_code = SYS_SECCOMP};
	int fd = open(in_tree("readonly/file"), O_RDONLY | O_CLOEXEC);

	/* The second time it says what the filter says of directories that are to be listed. */
	variants(2);
	info.si_arch = AUDIT_ARCH_X86_64;
	info.si_errno = context.variant == 0 ? 0 : (int)SP_TRAP_LISTS;
	for (int number = 0; number < 600; number++) {
		info.si_syscall = number;
		(void)syscall(SYS_rt_tgsigqueueinfo, getpid(), syscall(SYS_gettid), SIGSYS, &info);
	}
	for (int number = 3; number < 64; number++)
		if (number != fd)
			check_descriptor("a forged trap", number);
}

/* ---- H06 ---- */

void attack_H06(void)
{
	static char selector; /* 0: calls pass */

	variants(1);
	if (prctl(PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_ON, 0, 0, &selector) == 0)
		escape("calls are dispatched by the program");
}

/* ---- H07 ---- */

static void expect_file(void)
{
	char bytes[6];
	int fd = open(in_tree("readonly/file"), O_RDONLY | O_CLOEXEC);

	if (fd < 0 || read(fd, bytes, sizeof(bytes)) != sizeof(bytes) ||
	    memcmp(bytes, "plain\n", sizeof(bytes)) != 0)
		broken("an open that is granted: %s", strerror(errno));
	(void)close(fd);
}

static void *open_often(void *unused)
{
	for (int i = 0; i < 1000; i++)
		expect_file();
	return unused;
}

static void use_small_stack(void)
{
	pthread_attr_t attributes;
	pthread_t thread;

	(void)pthread_attr_init(&attributes);
	if (pthread_attr_setstacksize(&attributes, 16384) != 0 ||
	    pthread_create(&thread, &attributes, open_often, NULL) != 0)
		broken("no thread on a small stack");
	(void)pthread_join(thread, NULL);
	(void)pthread_attr_destroy(&attributes);
}

static void open_in_handler(int number)
{
	(void)number;
	expect_file();
}

static void use_altstack(size_t size, bool mapped)
{
	const struct sigaction action = {.sa_handler = open_in_handler, .sa_flags = SA_ONSTACK};
	void *memory =
	    mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	const stack_t stack = {.ss_sp = memory, .ss_size = size};

	if (memory == MAP_FAILED || sigaltstack(&stack, NULL) < 0 ||
	    sigaction(SIGUSR1, &action, NULL) < 0)
		return; /* the kernel refuses what holds no frame */
	if (!mapped)
		(void)munmap(memory, 65536);
	(void)raise(SIGUSR1);
}

static _Atomic pid_t tiny_thread;

static int open_on_tiny_stack(void *name)
{
	(void)syscall(SYS_openat, AT_FDCWD, name, O_RDONLY | O_CLOEXEC);
	(void)syscall(SYS_exit, 0);
	return 0;
}

/* A page, with none below it: where the kernel's frame does not fit, the thread dies of that. */
static void use_tiny_stack(void)
{
	const int flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD |
			  CLONE_SYSVSEM | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID;
	char *pages = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	pid_t tid;

	if (pages == MAP_FAILED || mprotect(pages, 4096, PROT_NONE) < 0 ||
	    clone(open_on_tiny_stack, pages + 8192, flags,
		  (void *)(uintptr_t)in_tree("readonly/file"), &tiny_thread, NULL,
		  &tiny_thread) < 0)
		broken("no thread on a tiny stack: %s", strerror(errno));
	while ((tid = tiny_thread) != 0)
		(void)syscall(SYS_futex, &tiny_thread, 0 /* FUTEX_WAIT */, tid, NULL, NULL, 0);
}

void attack_H07(void)
{
	variants(5);
	if (context.variant == 4)
		use_tiny_stack();
	else if (context.variant == 0)
		use_small_stack();
	else if (context.variant == 1)
		use_altstack(2048, true);
	else if (context.variant == 2)
		use_altstack(65536, false);
	else
		use_altstack(16384, true);
}

/* ---- H08, H09 ---- */

/* A plain process proves with a signal that does no harm; a sandboxed one means it. */
static int signal_meant(void)
{
	return context.stage == STAGE_PLAIN ? SIGCONT : SIGKILL;
}

static long send_by_kill(pid_t pid, int number)
{
	return kill(pid, number);
}

static long send_by_tgkill(pid_t pid, int number)
{
	return syscall(SYS_tgkill, pid, pid, number);
}

static long send_by_tkill(pid_t pid, int number)
{
	return syscall(SYS_tkill, pid, number);
}

static long send_by_queue(pid_t pid, int number)
{
	siginfo_t info = {.si_signo = number, .si_code = SI_QUEUE};

	return syscall(SYS_rt_sigqueueinfo, pid, number, &info);
}

static long send_by_pidfd(pid_t pid, int number)
{
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);

	return pidfd < 0 ? -1 : syscall(SYS_pidfd_send_signal, pidfd, number, NULL, 0);
}

static long send_by_owner(pid_t pid, int number)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0 || fcntl(ends[0], F_SETSIG, number) < 0 ||
	    fcntl(ends[0], F_SETOWN, pid) < 0 || fcntl(ends[0], F_SETFL, O_ASYNC) < 0)
		return -1;
	return write(ends[1], "x", 1) == 1 ? 0 : -1;
}

static long send_by_owner_thread(pid_t pid, int number)
{
	const struct f_owner_ex owner = {F_OWNER_TID, pid};
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0 || fcntl(ends[0], F_SETSIG, number) < 0 ||
	    fcntl(ends[0], F_SETOWN_EX, &owner) < 0 || fcntl(ends[0], F_SETFL, O_ASYNC) < 0)
		return -1;
	return write(ends[1], "x", 1) == 1 ? 0 : -1;
}

typedef long send_fn(pid_t pid, int number);

static void send_to_others(send_fn *send)
{
	if (send(context.victim, signal_meant()) == 0)
		escape("process %d was sent a signal", context.victim);
	if (context.stage == STAGE_PLAIN)
		return;
	/* The init, the parent (which has no number in here), everybody, one's group. Who dies of it shows
	 * from outside. */
	(void)send(1, signal_meant());
	(void)send(getppid(), SIGCONT);
	(void)send(-1, SIGKILL);
	(void)send(-context.victim, SIGKILL);
	/* The porter's group is another one. */
	(void)signal(SIGTERM, SIG_IGN);
	(void)send(0, SIGTERM);
	(void)send(-context.victim, SIGSTOP);
	(void)send(context.victim, SIGSTOP);
}

void attack_H08(void)
{
	static send_fn *const ways[] = {send_by_kill, send_by_tgkill, send_by_tkill, send_by_queue,
					send_by_pidfd};

	variants(SP_ELEMENTS(ways));
	send_to_others(ways[context.variant]);
}

void attack_H09(void)
{
	static send_fn *const ways[] = {send_by_owner, send_by_owner_thread};

	variants(SP_ELEMENTS(ways));
	send_to_others(ways[context.variant]);
}

/* ---- H14 ---- */

static atomic_uint handled;

static void open_on_timer(int number)
{
	int kept = errno;

	(void)number;
	expect_file();
	atomic_fetch_add(&handled, 1);
	errno = kept;
}

void attack_H14(void)
{
	const struct itimerval often = {{0, 200}, {0, 200}}, never = {0};
	const struct sigaction action = {.sa_handler = open_on_timer, .sa_flags = SA_RESTART};

	variants(1);
	if (sigaction(SIGALRM, &action, NULL) < 0 || setitimer(ITIMER_REAL, &often, NULL) < 0)
		broken("no timer: %s", strerror(errno));
	for (int i = 0; i < (context.stage == STAGE_FLOOR && !context.thorough ? 20000 : 100000) ||
			atomic_load(&handled) < 100;
	     i++)
		expect_file();
	(void)setitimer(ITIMER_REAL, &never, NULL);
}
