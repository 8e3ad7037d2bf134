/* SPDX-License-Identifier: Apache-2.0 */
/* A04 to A26: the kernel's whole surface, and its corners that have let others out. */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <termios.h>
#include <unistd.h>

#include "ipc/util.h"
#include "tests/attacks/attack.h"

/* ---- A04 ---- */

/* Beyond the largest number that any kernel has given out. */
#define NUMBERS 1024

/* They end or stop the caller, by what they are. The last two are for the kernel's own probes: no filter is
 * asked, and all others die of them. */
static bool ends_caller(long number)
{
	static const long numbers[] = {
	    SYS_exit, SYS_exit_group, SYS_pause, SYS_rt_sigreturn, SYS_rt_sigsuspend, 335, 336};

	for (size_t i = 0; i < SP_ELEMENTS(numbers); i++)
		if (numbers[i] == number)
			return true;
	return false;
}

/* What has nothing to refuse, even where all arguments are nonsense, and is granted. */
static bool may_succeed(long number)
{
	static const long numbers[] = {
	    SYS_sched_yield, SYS_getpid,     SYS_getuid,  SYS_getgid,       SYS_geteuid,
	    SYS_getegid,     SYS_getppid,    SYS_gettid,  SYS_umask,        SYS_alarm,
	    SYS_getpgrp,     SYS_getpgid,    SYS_getsid,  SYS_sched_yield,  SYS_set_tid_address,
	    SYS_brk,         SYS_munlockall, SYS_eventfd, SYS_epoll_create, SYS_getgroups};

	for (size_t i = 0; i < SP_ELEMENTS(numbers); i++)
		if (numbers[i] == number)
			return true;
	return false;
}

void attack_A04(void)
{
	static const long fillings[] = {-1, 0x7fffffff};

	variants(SP_ELEMENTS(fillings));
	for (long number = 0; number < NUMBERS; number++) {
		const long a = fillings[context.variant];

		if (ends_caller(number))
			continue;
		if (syscall(number, a, a, a, a, a, a) >= 0 && !may_succeed(number))
			escape("call %ld was made", number);
	}
}

/* ---- A06: the other requests that take something from who has the terminal too ---- */

static void change_discipline(void)
{
	const int discipline = N_TTY;

	if (ioctl(held_fd, TIOCSETD, &discipline) == 0)
		escape("the line discipline was set");
}

static void take_terminal(void)
{
	(void)setsid();
	if (ioctl(held_fd, TIOCSCTTY, 0) == 0)
		escape("the terminal was taken");
}

void attack_A06(void)
{
	static attack_fn *const ways[] = {change_discipline, take_terminal};

	variants(SP_ELEMENTS(ways));
	ways[context.variant]();
}

/* The kernel must not even be asked: as root it would change the machine's console. */
void attack_A06b(void)
{
	static const unsigned long requests[] = {TIOCCONS, TIOCLINUX, TIOCLINUX | 1ul << 32};

	variants(SP_ELEMENTS(requests));
	if (syscall(SYS_ioctl, held_fd, requests[context.variant], "\3") == 0 || errno != ENOSYS)
		escape("request 0x%lx reached the terminal: %s", requests[context.variant],
		       strerror(errno));
}

/* ---- A14 ---- */

static void make_userfaultfd(void)
{
	if (syscall(SYS_userfaultfd, 1 /* UFFD_USER_MODE_ONLY */) >= 0)
		escape("userfaultfd");
}

static void add_a_key(void)
{
	if (syscall(SYS_add_key, "user", "attack", "x", 1ul, -2 /* the process's ring */) >= 0)
		escape("add_key");
}

static void look_at_keys(void)
{
	if (syscall(SYS_keyctl, 0 /* KEYCTL_GET_KEYRING_ID */, -2, 1) >= 0)
		escape("keyctl");
}

static void request_a_key(void)
{
	if (syscall(SYS_request_key, "user", "no such key", NULL, -2) >= 0 || errno == ENOKEY)
		escape("request_key");
}

void attack_A14(void)
{
	static attack_fn *const ways[] = {make_userfaultfd, add_a_key, look_at_keys, request_a_key};

	variants(SP_ELEMENTS(ways));
	ways[context.variant]();
}

static void make_map(void)
{
	const uint32_t attributes[16] = {2 /* array */, 4, 4, 1};

	if (syscall(SYS_bpf, 0 /* BPF_MAP_CREATE */, attributes, sizeof(attributes)) >= 0)
		escape("bpf");
}

static void count_events(void)
{
	uint32_t attributes[32] = {1 /* software */, sizeof(attributes)};

	if (syscall(SYS_perf_event_open, attributes, 0, -1, -1, 0) >= 0)
		escape("perf_event_open");
}

void attack_A14b(void)
{
	static attack_fn *const ways[] = {make_map, count_events};

	variants(SP_ELEMENTS(ways));
	ways[context.variant]();
}

/* ---- A15, A16, A17 ---- */

void attack_A15(void)
{
	static const unsigned long flags[] = {ADDR_NO_RANDOMIZE, READ_IMPLIES_EXEC, UNAME26};

	variants(SP_ELEMENTS(flags));
	if (personality(flags[context.variant]) >= 0 ||
	    syscall(SYS_personality, flags[context.variant] | 1ul << 32) >= 0)
		escape("personality 0x%lx", flags[context.variant]);
}

void attack_A16(void)
{
	static const struct {
		int option;
		unsigned long argument;
		const char *name;
	} options[] = {
	    {PR_SET_DUMPABLE, 1, "PR_SET_DUMPABLE"},
	    {PR_SET_DUMPABLE, 0, "PR_SET_DUMPABLE, off"},
	    {PR_SET_CHILD_SUBREAPER, 1, "PR_SET_CHILD_SUBREAPER"},
	    {PR_SET_PDEATHSIG, 0, "PR_SET_PDEATHSIG"},
	    {PR_SET_KEEPCAPS, 1, "PR_SET_KEEPCAPS"},
	    {PR_SET_TSC, PR_TSC_ENABLE, "PR_SET_TSC"},
	};

	variants(SP_ELEMENTS(options));
	if (syscall(SYS_prctl, options[context.variant].option, options[context.variant].argument,
		    0, 0, 0) >= 0 ||
	    syscall(SYS_prctl, (unsigned)options[context.variant].option | 1ul << 32,
		    options[context.variant].argument, 0, 0, 0) >= 0)
		escape("%s", options[context.variant].name);
}

/* What this kernel may lack, or give to nobody here: it must not be asked. */
void attack_A16b(void)
{
	static const int options[] = {PR_SET_PTRACER, PR_SET_MM};

	variants(SP_ELEMENTS(options));
	if (prctl(options[context.variant], -1ul, 0, 0, 0) == 0 ||
	    (errno != EPERM && context.stage != STAGE_PLAIN))
		escape("option %d: %s", options[context.variant], strerror(errno));
}

void attack_A17(void)
{
	char bytes[64];

	variants(1);
	if (syscall(SYS_modify_ldt, 0, bytes, sizeof(bytes)) >= 0)
		escape("modify_ldt");
}

static void open_ports(void)
{
	if (syscall(SYS_ioperm, 0x80, 1, 1) == 0)
		escape("ioperm");
}

static void open_all_ports(void)
{
	if (syscall(SYS_iopl, 3) == 0)
		escape("iopl");
}

void attack_A17b(void)
{
	static attack_fn *const ways[] = {open_ports, open_all_ports};

	variants(SP_ELEMENTS(ways));
	ways[context.variant]();
}

/* Shadow stacks of its own are refused without asking the processor; its own thread's storage is its own. */
void attack_A17c(void)
{
	enum { SHSTK_ENABLE = 0x5001, GET_FS = 0x1003 };
	unsigned long base = 0;

	variants(1);
	if (syscall(SYS_arch_prctl, SHSTK_ENABLE, 1) == 0)
		escape("a shadow stack was made");
	if (syscall(SYS_arch_prctl, GET_FS, &base) < 0 || base == 0)
		broken("ARCH_GET_FS: %s", strerror(errno));
}

/* ---- A19 ---- */

static void copy_program(int to)
{
	int from = open(context.program, O_RDONLY | O_CLOEXEC);
	char bytes[16384];
	ssize_t length;

	if (from < 0)
		broken("%s: %s", context.program, strerror(errno));
	while ((length = read(from, bytes, sizeof(bytes))) > 0)
		if (write(to, bytes, (size_t)length) != length)
			broken("a copy of the program: %s", strerror(errno));
	(void)close(from);
}

static char *const executed[] = {(char *)(uintptr_t) "attack", (char *)(uintptr_t) "executed",
				 NULL};
static char *library_environment[] = {NULL, NULL};

/* It finds its library where this program has it. */
static void prepare_environment(void)
{
	static char variable[4200];
	int length = (int)(strrchr(context.program, '/') - context.program);

	(void)snprintf(variable, sizeof(variable), "LD_LIBRARY_PATH=%.*s/../lib", length,
		       context.program);
	library_environment[0] = variable;
}

static void run_copy(void)
{
	int fd = open(in_tree("allowed/program"), O_WRONLY | O_CREAT | O_CLOEXEC, 0755);

	copy_program(fd);
	(void)close(fd);
	(void)chmod(in_tree("allowed/program"), 0755);
	(void)execve(in_tree("allowed/program"), executed, library_environment);
	(void)syscall(SYS_execveat, AT_FDCWD, in_tree("allowed/program"), executed,
		      library_environment, 0);
}

static void run_memory(void)
{
	int fd = memfd_create("program", MFD_CLOEXEC);

	copy_program(fd);
	(void)syscall(SYS_execveat, fd, "", executed, library_environment, AT_EMPTY_PATH);
	(void)fexecve(fd, executed, library_environment);
}

static void run_script(void)
{
	int fd = open(in_tree("allowed/script"), O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
	char line[4200];
	int length = snprintf(line, sizeof(line), "#!/bin/sh\n%s executed\n", context.program);

	if (write(fd, line, (size_t)length) != length)
		broken("a script: %s", strerror(errno));
	(void)close(fd);
	(void)execve(in_tree("allowed/script"), executed, library_environment);
}

static void run_by_loader(void)
{
	char *const arguments[] = {(char *)(uintptr_t) "ld.so", (char *)(uintptr_t)context.program,
				   (char *)(uintptr_t) "executed", NULL};

	(void)execve("/lib64/ld-linux-x86-64.so.2", arguments, library_environment);
}

void attack_A19(void)
{
	static attack_fn *const ways[] = {run_copy, run_memory, run_script, run_by_loader};

	variants(SP_ELEMENTS(ways));
	prepare_environment();
	ways[context.variant]();
}

/* ---- A23 ---- */

/* The page of old: its calls are the kernel's emulation, and pass the filter as well. */
void attack_A23(void)
{
	static const uintptr_t page = 0xffffffffff600000ul;
	struct timeval now = {0};
	time_t seconds = 0;

	variants(3);
	if (context.variant == 0)
		(void)((int (*)(struct timeval *, void *))page)(&now, NULL);
	else if (context.variant == 1)
		(void)((time_t(*)(time_t *))(page + 0x400))(&seconds);
	else
		(void)((long (*)(unsigned *, unsigned *, void *))(page + 0x800))(NULL, NULL, NULL);
}

/* ---- A24 ---- */

#define FAMILIES 64

void attack_A24(void)
{
	static const int types[] = {SOCK_STREAM, SOCK_DGRAM, SOCK_RAW, SOCK_SEQPACKET,
				    SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC};
	static const int protocols[] = {0, 1, 6, 17, 255};
	int ends[2];

	variants(1);
	for (int family = 0; family < FAMILIES; family++)
		for (size_t i = 0; i < SP_ELEMENTS(types); i++) {
			for (size_t j = 0; j < SP_ELEMENTS(protocols); j++)
				if (socket(family, types[i], protocols[j]) >= 0)
					escape("socket(%d, %d, %d)", family, types[i],
					       protocols[j]);
			if (socketpair(family, types[i], 0, ends) == 0)
				escape("socketpair(%d, %d)", family, types[i]);
		}
}

/* ---- A26 ---- */

#define LAYERS 10000

void attack_A26(void)
{
	/* Of some length, so that the kernel's own limit comes before every call takes long. */
	static struct sock_filter filter[200];
	const struct sock_fprog program = {SP_ELEMENTS(filter), filter};
	const struct landlock_ruleset_attr attributes = {.handled_access_fs =
							     LANDLOCK_ACCESS_FS_EXECUTE};

	variants(1);
	for (size_t i = 0; i < SP_ELEMENTS(filter); i++)
		filter[i] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	for (int i = 0; i < LAYERS; i++) {
		int rules =
		    (int)syscall(SYS_landlock_create_ruleset, &attributes, sizeof(attributes), 0);

		(void)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program);
		(void)syscall(SYS_landlock_restrict_self, rules, 0);
		if (rules >= 0)
			(void)close(rules);
	}
	try_read(in_tree("secret/canary"));
}

void attack_A26b(void)
{
	attack_A26();
}

/* ---- B22 ---- */

static void open_devices(void)
{
	static const char *const names[] = {"/dev/null", "/dev/zero", "/dev/mem", "/dev/kmsg",
					    "/dev/tty",  "/dev/ptmx", "/dev/fuse"};

	for (size_t i = 0; i < SP_ELEMENTS(names); i++)
		if (open(names[i], O_RDWR | O_CLOEXEC | O_NONBLOCK | O_NOCTTY) >= 0)
			escape("%s was opened", names[i]);
}

static void open_device_elsewhere(void)
{
	static const char *const names[] = {"/dev/shm", "/dev/mqueue", "/dev/pts", "/sys/kernel"};

	for (size_t i = 0; i < SP_ELEMENTS(names); i++)
		if (open(names[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC) >= 0)
			escape("%s was opened", names[i]);
}

void attack_B22(void)
{
	static attack_fn *const ways[] = {open_devices, open_device_elsewhere};

	variants(SP_ELEMENTS(ways));
	ways[context.variant]();
}

void attack_B22c(void)
{
	static const char *const names[] = {"readonly/node", "secret/node"};
	static const mode_t types[] = {S_IFIFO, S_IFSOCK, S_IFREG};

	variants(SP_ELEMENTS(names));
	for (size_t i = 0; i < SP_ELEMENTS(types); i++)
		if (mknod(in_tree(names[context.variant]), types[i] | 0600, 0) == 0)
			escape("%s was made", names[context.variant]);
}

void attack_B22d(void)
{
	static const int flags[] = {O_RDONLY, O_WRONLY};

	variants(SP_ELEMENTS(flags));
	if (open(in_tree("allowed/device"), flags[context.variant] | O_NONBLOCK | O_CLOEXEC) >= 0)
		escape("the kernel's log was opened");
}

void attack_B22b(void)
{
	static const mode_t types[] = {S_IFCHR, S_IFBLK};

	variants(SP_ELEMENTS(types));
	if (mknod(in_tree("allowed/node"), types[context.variant] | 0600, makedev(1, 3)) == 0)
		escape("a device was made");
}
