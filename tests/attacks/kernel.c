/* SPDX-License-Identifier: Apache-2.0 */
/* A, P, F: system calls that lead around names, into other processes, or out of the walls. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/filter.h>
#include <linux/io_uring.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "ipc/util.h"
#include "tests/attacks/attack.h"

/* ---- A02 ---- */

/* open(2) and read(2) of the 32-bit table; what they are given must lie below 4 GiB. */
static long call_32(long nr, long a0, long a1, long a2)
{
	long result;

	__asm__ volatile("int $0x80"
			 : "=a"(result)
			 : "a"(nr), "b"(a0), "c"(a1), "d"(a2)
			 : "memory", "r8", "r9", "r10", "r11");
	return (int)result;
}

static char *low_memory(void)
{
	char *low = mmap(NULL, 16384, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);

	if (low == MAP_FAILED)
		broken("no memory below 4 GiB");
	return low;
}

static void read_by_32(void)
{
	enum { OPEN_32 = 5, READ_32 = 3 };
	char *low = low_memory();
	long fd, length;

	(void)snprintf(low, 4096, "%s", in_tree("secret/canary"));
	fd = call_32(OPEN_32, (long)low, O_RDONLY, 0);
	if (fd < 0)
		return;
	length = call_32(READ_32, fd, (long)(low + 4096), 64);
	if (length > 0)
		check_bytes("int 0x80", low + 4096, (size_t)length);
}

static void make_socket_by_32(void)
{
	enum { SOCKETCALL_32 = 102, SOCKET = 1 };
	uint32_t *arguments = (uint32_t *)(void *)low_memory();

	arguments[0] = AF_INET;
	arguments[1] = SOCK_STREAM;
	if (call_32(SOCKETCALL_32, SOCKET, (long)arguments, 0) >= 0)
		escape("int 0x80 made a socket");
}

static void execute_by_32(void)
{
	enum { EXECVE_32 = 11 };
	char *low = low_memory();
	uint32_t *arguments = (uint32_t *)(void *)(low + 8192);

	(void)snprintf(low, 4096, "%s", context.program);
	(void)snprintf(low + 4096, 4096, "executed");
	arguments[0] = (uint32_t)(uintptr_t)low;
	arguments[1] = (uint32_t)(uintptr_t)(low + 4096);
	(void)call_32(EXECVE_32, (long)low, (long)arguments, (long)(arguments + 2));
}

void attack_A02(void)
{
	static attack_fn *const ways[] = {read_by_32, make_socket_by_32, execute_by_32};

	variants(SP_ELEMENTS(ways));
	ways[context.variant]();
}

/* ---- A05 ---- */

/* A sandboxee was given one as descriptor 3, against all advice; a plain process opens one. */
void prepare_pty(void)
{
	int master;

	held_fd = 3;
	if (context.stage != STAGE_PLAIN) {
		if (!isatty(held_fd))
			broken("descriptor 3 is no terminal");
		return;
	}
	master = posix_openpt(O_RDWR | O_CLOEXEC);
	if (master < 0 || grantpt(master) < 0 || unlockpt(master) < 0)
		broken("no terminal: %s", strerror(errno));
	held_fd = open(ptsname(master), O_RDWR | O_CLOEXEC);
	if (held_fd < 0)
		broken("no terminal: %s", strerror(errno));
}

void attack_A05(void)
{
	const unsigned long requests[] = {TIOCSTI, TIOCSTI | 1ul << 32,
					  TIOCSTI | 0xfffffffful << 32};

	variants(SP_ELEMENTS(requests));
	if (syscall(SYS_ioctl, held_fd, requests[context.variant], "x") == 0)
		escape("a byte was put into the terminal's input");
}

/* ---- A08, A09 ---- */

static void check_child(long pid, const char *what)
{
	if (pid == 0)
		_exit(0);
	if (pid < 0)
		return;
	(void)waitpid((pid_t)pid, NULL, 0);
	escape("%s", what);
}

static void unshare_user(void)
{
	if (unshare(CLONE_NEWUSER) == 0)
		escape("unshare");
}

static void unshare_two(void)
{
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0)
		escape("unshare of two");
}

static void clone_user(void)
{
	check_child(syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, NULL), "clone");
}

static void clone_user_dirty(void)
{
	check_child(
	    syscall(SYS_clone, (1ul << 32) | CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, NULL),
	    "clone with a dirty upper half");
}

static void clone3_user(void)
{
	struct clone_args arguments = {.flags = CLONE_NEWUSER, .exit_signal = SIGCHLD};

	check_child(syscall(SYS_clone3, &arguments, sizeof(arguments)), "clone3");
}

static void *return_it(void *argument)
{
	return argument;
}

/* What no filter can look into is not there, so that the C library makes its threads by clone. */
void attack_A08(void)
{
	static const uint64_t flags[] = {CLONE_NEWUSER, CLONE_NEWUSER | CLONE_NEWNS, 0};
	struct clone_args arguments = {.flags = flags[context.variant % SP_ELEMENTS(flags)],
				       .exit_signal = SIGCHLD};
	pthread_t thread;
	void *result = NULL;

	variants(SP_ELEMENTS(flags));
	check_child(syscall(SYS_clone3, &arguments, sizeof(arguments)), "clone3");
	if (errno != ENOSYS)
		broken("clone3: %s", strerror(errno));
	if (pthread_create(&thread, NULL, return_it, &result) != 0 ||
	    pthread_join(thread, &result) != 0 || result != &result)
		broken("no thread");
}

static void unshare_mounts(void)
{
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET) == 0)
		escape("unshare of four");
}

static void clone_mounts(void)
{
	check_child(
	    syscall(SYS_clone, CLONE_NEWUSER | CLONE_NEWNS | SIGCHLD, NULL, NULL, NULL, NULL),
	    "clone of two");
}

static ino_t user_namespace(void)
{
	struct stat status;

	return stat("/proc/self/ns/user", &status) == 0 ? status.st_ino : 0;
}

void attack_A09(void)
{
	static attack_fn *const ways[] = {unshare_user, unshare_two,      unshare_mounts,
					  clone_user,   clone_user_dirty, clone_mounts,
					  clone3_user};
	ino_t before = user_namespace();

	variants(SP_ELEMENTS(ways));
	ways[context.variant]();
	if (context.stage != STAGE_PLAIN && user_namespace() != before)
		escape("it is in another user namespace");
}

/* ---- A10 ---- */

static void *map_ring(int ring, size_t size, off_t offset)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, ring, offset);

	if (memory == MAP_FAILED)
		broken("the ring: %s", strerror(errno));
	return memory;
}

/* Submits one openat and returns its result. */
static int open_by_ring(int ring, const struct io_uring_params *params, const char *name)
{
	uint8_t *sq = map_ring(ring, 4096, IORING_OFF_SQ_RING);
	struct io_uring_sqe *entries = map_ring(ring, 4096, IORING_OFF_SQES);
	const struct io_uring_cqe *done;

	entries[0] = (struct io_uring_sqe){.opcode = IORING_OP_OPENAT,
					   .fd = AT_FDCWD,
					   .addr = (uintptr_t)name,
					   .open_flags = O_RDONLY | O_CLOEXEC};
	((uint32_t *)(void *)(sq + params->sq_off.array))[0] = 0;
	__atomic_store_n((uint32_t *)(void *)(sq + params->sq_off.tail), 1, __ATOMIC_RELEASE);
	if (syscall(SYS_io_uring_enter, ring, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) < 0)
		broken("io_uring_enter: %s", strerror(errno));
	done = (const struct io_uring_cqe *)(const void *)(sq + params->cq_off.cqes);
	return done->res;
}

void attack_A10(void)
{
	struct io_uring_params params = {0};
	long ring;

	variants(1);
	ring = syscall(SYS_io_uring_setup, 1, &params);
	/* Nor is the kernel asked about a ring that somebody else might have made. */
	if (ring < 0 && context.stage != STAGE_PLAIN &&
	    ((syscall(SYS_io_uring_enter, held_fd, 1, 1, 0, NULL, 0) >= 0 || errno == EBADF) ||
	     (syscall(SYS_io_uring_register, held_fd, 0, NULL, 0) >= 0 || errno == EBADF)))
		escape("the kernel was asked about a ring");
	if (ring < 0)
		return;
	if (!(params.features & IORING_FEAT_SINGLE_MMAP))
		broken("an old ring");
	check_descriptor("io_uring", open_by_ring((int)ring, &params, in_tree("secret/canary")));
}

/* ---- A11 ---- */

static void open_with_how(void)
{
	const uint64_t how[3] = {O_RDONLY, 0, 0};

	check_descriptor("openat2", (int)syscall(SYS_openat2, AT_FDCWD, in_tree("secret/canary"),
						 how, sizeof(how)));
}

static void open_a_tree(void)
{
	if (syscall(SYS_open_tree, AT_FDCWD, in_tree("secret/canary"), O_CLOEXEC) >= 0)
		escape("open_tree");
}

static void make_handle(void)
{
	struct {
		struct file_handle handle;
		unsigned char bytes[MAX_HANDLE_SZ];
	} handle = {.handle.handle_bytes = MAX_HANDLE_SZ};
	int mount;

	if (name_to_handle_at(AT_FDCWD, in_tree("secret/canary"), &handle.handle, &mount, 0) == 0)
		escape("name_to_handle_at");
}

/* A handle of the secret, made while it could be, or by others. */
static struct secret_handle {
	struct file_handle handle;
	unsigned char bytes[MAX_HANDLE_SZ];
} secret_handle = {.handle.handle_bytes = MAX_HANDLE_SZ};

void prepare_handle(void)
{
	int mount;

	if (take_gift()) {
		if (read(held_fd, &secret_handle, sizeof(secret_handle)) < 0)
			broken("no handle: %s", strerror(errno));
	} else if (name_to_handle_at(AT_FDCWD, in_tree("secret/canary"), &secret_handle.handle,
				     &mount, 0) < 0) {
		broken("name_to_handle_at: %s", strerror(errno));
	}
}

void attack_A11b(void)
{
	int mount;

	variants(1);
	mount = open(in_tree("readonly"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (mount < 0)
		broken("readonly: %s", strerror(errno));
	check_descriptor("open_by_handle_at",
			 open_by_handle_at(mount, &secret_handle.handle, O_RDONLY | O_CLOEXEC));
}

void attack_A11(void)
{
	static attack_fn *const ways[] = {open_with_how, open_a_tree, make_handle};

	variants(SP_ELEMENTS(ways));
	ways[context.variant]();
}

/* ---- A12 ---- */

static void mount_memory(void)
{
	/* Natively it must not stay: a namespace of its own. */
	if (context.stage == STAGE_PLAIN &&
	    (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0))
		broken("unshare: %s", strerror(errno));
	if (mount("none", in_tree("allowed/sub"), "tmpfs", 0, NULL) == 0)
		escape("mount");
}

static void change_root(void)
{
	if (chroot(in_tree("allowed")) == 0)
		escape("chroot");
}

static void open_file_system(void)
{
	if (syscall(SYS_fsopen, "tmpfs", 0) >= 0)
		escape("fsopen");
}

static void enter_namespace(void)
{
	int pidfd = (int)syscall(SYS_pidfd_open, getpid(), 0);

	if (pidfd >= 0 && setns(pidfd, CLONE_NEWUTS) == 0)
		escape("setns");
}

static void clone_tree(void)
{
	if (syscall(SYS_open_tree, AT_FDCWD, in_tree("allowed"), 1 /* OPEN_TREE_CLONE */) >= 0)
		escape("open_tree");
}

/* In a namespace of its own where it is not held. */
static void leave_mounts(void)
{
	if (context.stage == STAGE_PLAIN &&
	    (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0))
		broken("unshare: %s", strerror(errno));
}

static void bind_secret(void)
{
	leave_mounts();
	if (mount(in_tree("secret"), in_tree("allowed/sub"), NULL, MS_BIND, NULL) == 0)
		escape("a bind mount");
}

static void unmount_all(void)
{
	leave_mounts();
	if (umount2("/proc", MNT_DETACH) == 0)
		escape("umount");
}

static void change_attributes(void)
{
	const uint64_t attributes[4] = {1 /* MOUNT_ATTR_RDONLY */, 0, 0, 0};

	leave_mounts();
	if (syscall(442 /* mount_setattr */, AT_FDCWD, "/proc", 0, attributes,
		    sizeof(attributes)) == 0)
		escape("mount_setattr");
}

static void move_a_mount(void)
{
	int tree;

	leave_mounts();
	tree = (int)syscall(SYS_open_tree, AT_FDCWD, in_tree("secret"), 1 /* OPEN_TREE_CLONE */);
	/* Without one, whether the kernel is asked. */
	if (syscall(SYS_move_mount, tree, "", AT_FDCWD, in_tree("allowed/sub"),
		    4 /* MOVE_MOUNT_F_EMPTY_PATH */) == 0 ||
	    errno == EBADF)
		escape("move_mount");
}

void attack_A12(void)
{
	static attack_fn *const ways[] = {mount_memory,    change_root,       open_file_system,
					  enter_namespace, clone_tree,        bind_secret,
					  unmount_all,     change_attributes, move_a_mount};

	variants(SP_ELEMENTS(ways));
	ways[context.variant]();
}

/* What tells of mounts anybody may ask. */
void attack_A12b(void)
{
	uint64_t request[3] = {24, UINT64_MAX /* the root */, 0}, answer[512] = {0};

	variants(2);
	if (context.variant == 0 && syscall(458 /* listmount */, request, answer, 16, 0) > 0)
		escape("listmount");
	request[1] = answer[0];
	request[2] = 2; /* STATMOUNT_MNT_BASIC */
	if (context.variant == 1) {
		struct statx status;

		/* STATX_MNT_ID_UNIQUE */
		if (statx(AT_FDCWD, in_tree("allowed"), 0, 0x4000, &status) < 0)
			broken("allowed: %s", strerror(errno));
		request[1] = status.stx_mnt_id;
		if (syscall(457 /* statmount */, request, answer, sizeof(answer), 0) == 0)
			escape("statmount");
	}
}

/* ---- A13, P01: other processes ---- */

/* Whoever could be reached: the harness's process by the number that it has outside, the init, the parent. */
static pid_t target(unsigned which)
{
	const pid_t targets[] = {context.victim, 1, getppid()};

	return targets[which];
}

#define TARGETS 3u

static void read_memory(void)
{
	char bytes[64];
	struct iovec local = {bytes, sizeof(bytes)};
	struct iovec remote = {(void *)context.victim_memory, sizeof(bytes)};

	for (unsigned i = 0; i < TARGETS; i++) {
		ssize_t length = process_vm_readv(target(i), &local, 1, &remote, 1, 0);

		if (length > 0)
			check_bytes("process_vm_readv", bytes, (size_t)length);
	}
}

/* The filter lets the runtime read itself by a mark in the upper half of the pid. */
static void read_memory_marked(void)
{
	char bytes[64];
	struct iovec local = {bytes, sizeof(bytes)};
	struct iovec remote = {(void *)context.victim_memory, sizeof(bytes)};

	for (unsigned i = 0; i < TARGETS; i++) {
		long length =
		    syscall(SYS_process_vm_readv, 0x53505254ul << 32 | (uint32_t)target(i), &local,
			    1, &remote, 1, 0);

		if (length > 0)
			escape("process_vm_readv with a forged mark read process %d", target(i));
		length = syscall(SYS_process_vm_writev, 0x53505254ul << 32 | (uint32_t)target(i),
				 &local, 1, &remote, 1, 0);
		if (length > 0)
			escape("process_vm_writev with a forged mark wrote process %d", target(i));
	}
}

static void trace(void)
{
	for (unsigned i = 0; i < TARGETS; i++)
		if (ptrace(PTRACE_SEIZE, target(i), NULL, NULL) == 0)
			escape("ptrace of %d", target(i));
}

static void write_memory(void)
{
	char bytes[] = "overwritten";
	struct iovec local = {bytes, sizeof(bytes)};
	struct iovec remote = {(void *)context.victim_memory, sizeof(bytes)};

	/* A plain process proves it on itself: the victim's memory is looked at by others. */
	if (context.stage == STAGE_PLAIN) {
		static char own[sizeof(bytes)];

		remote.iov_base = own;
		if (process_vm_writev(getpid(), &local, 1, &remote, 1, 0) > 0)
			escape("process_vm_writev");
	}
	for (unsigned i = 0; i < TARGETS; i++)
		if (process_vm_writev(target(i), &local, 1, &remote, 1, 0) > 0)
			escape("process_vm_writev of %d", target(i));
}

static void attach(void)
{
	for (unsigned i = 0; i < TARGETS; i++)
		if (ptrace(PTRACE_ATTACH, target(i), NULL, NULL) == 0)
			escape("ptrace attached to %d", target(i));
}

static void take_descriptor(void)
{
	if (syscall(SYS_pidfd_getfd, held_fd, 0, 0) >= 0)
		escape("pidfd_getfd");
}

static void compare_processes(void)
{
	if (syscall(SYS_kcmp, getpid(), target(0), 0, 0, 0) >= 0)
		escape("kcmp");
	if (syscall(SYS_kcmp, getpid(), target(1), 0, 0, 0) >= 0)
		escape("kcmp of init");
}

void attack_A13(void)
{
	static attack_fn *const ways[] = {read_memory, read_memory_marked, write_memory,     trace,
					  attach,      take_descriptor,    compare_processes};

	variants(SP_ELEMENTS(ways));
	ways[context.variant]();
}

/* The sandbox's own init may be limited: who does so harms himself alone. */
static void limit_others(void)
{
	const struct rlimit limit = {77, 77};

	if (prlimit(context.victim, RLIMIT_MEMLOCK, &limit, NULL) == 0)
		escape("prlimit of %d", context.victim);
	if (context.stage != STAGE_PLAIN)
		(void)prlimit(1, RLIMIT_MEMLOCK, &limit, NULL);
}

static void slow_others(void)
{
	if (setpriority(PRIO_PROCESS, (id_t)context.victim, 19) == 0)
		escape("setpriority of %d", context.victim);
}

static void move_others(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(0, &set);
	if (sched_setaffinity(context.victim, sizeof(set), &set) == 0)
		escape("sched_setaffinity of %d", context.victim);
}

void attack_P01(void)
{
	static attack_fn *const ways[] = {limit_others, slow_others, move_others};

	variants(SP_ELEMENTS(ways));
	ways[context.variant]();
}

/* ---- A18 ---- */

static void map_writable_code(void)
{
	if (mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		 0) != MAP_FAILED)
		escape("mmap");
}

static void make_code(void)
{
	void *memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		broken("no memory");
	if (mprotect(memory, 4096, PROT_READ | PROT_EXEC) == 0)
		escape("mprotect");
	if (syscall(SYS_pkey_mprotect, memory, 4096, PROT_READ | PROT_EXEC, -1) == 0)
		escape("pkey_mprotect");
}

/* Readable, writable, executable one after the other. */
static void map_code_twice(void)
{
	void *memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED || mprotect(memory, 4096, PROT_NONE) < 0)
		broken("no memory");
	if (mprotect(memory, 4096, PROT_EXEC) == 0 ||
	    syscall(SYS_mprotect, memory, 4096, PROT_READ | PROT_EXEC | 1ul << 32) == 0)
		escape("mprotect");
}

void attack_A18(void)
{
	static attack_fn *const ways[] = {map_writable_code, make_code, map_code_twice};

	variants(SP_ELEMENTS(ways));
	ways[context.variant]();
}

/* ---- A21 ---- */

void attack_A21(void)
{
	const uint32_t verdicts[] = {SECCOMP_RET_ALLOW, SECCOMP_RET_LOG};
	struct sock_filter filter[] = {BPF_STMT(BPF_RET | BPF_K, 0)};
	const struct sock_fprog program = {1, filter};

	variants(SP_ELEMENTS(verdicts));
	filter[0].k = verdicts[context.variant];
	(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	(void)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program);
	(void)prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
	try_read(in_tree("secret/canary"));
}

/* ---- F10 ---- */

static void check_status(void)
{
	static const char *const lines[] = {"CapInh:", "CapPrm:", "CapEff:", "CapBnd:", "CapAmb:"};
	FILE *status = fopen("/proc/self/status", "re");
	char line[256];
	size_t seen = 0;

	if (!status)
		broken("/proc/self/status: %s", strerror(errno));
	while (fgets(line, sizeof(line), status))
		for (size_t i = 0; i < SP_ELEMENTS(lines); i++) {
			if (strncmp(line, lines[i], strlen(lines[i])) != 0)
				continue;
			seen++;
			if (strtoull(line + strlen(lines[i]), NULL, 16) != 0)
				escape("%s", line);
		}
	(void)fclose(status);
	if (seen != SP_ELEMENTS(lines))
		broken("/proc/self/status has %zu lines about capabilities", seen);
}

static void change_ids(void)
{
	if (setresgid(65534, 65534, 65534) == 0 || setresuid(65534, 65534, 65534) == 0)
		escape("an id was changed");
}

static void gain_ids(void)
{
	uid_t real, effective, saved;

	(void)prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0);
	if (prctl(PR_SET_SECUREBITS, 1 /* SECBIT_NOROOT */, 0, 0, 0) == 0)
		escape("the securebits were set");
	if (setgroups(0, NULL) == 0)
		escape("groups were dropped");
	if (getresuid(&real, &effective, &saved) == 0 && (real != effective || real != saved))
		escape("a second uid is kept");
}

static void use_capability(void)
{
	if (sethostname("escaped", 7) == 0)
		escape("sethostname");
}

void attack_F10(void)
{
	static attack_fn *const ways[] = {check_status, change_ids, gain_ids};

	variants(SP_ELEMENTS(ways));
	ways[context.variant]();
	if (context.stage != STAGE_PLAIN)
		use_capability();
}
