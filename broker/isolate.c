/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/isolate.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/securebits.h>
#include <mntent.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ipc/util.h"

/* The kernel takes a map in one write of less than a page. */
#define MAP_BYTES 4096

/* Of the helper that writes the maps. */
#define MAP_STACK (16 * 1024)

static int enter(int namespaces)
{
	return unshare(namespaces) < 0 ? -errno : 0;
}

static int write_file(const char *path, const char *text)
{
	_cleanup_close_ int file = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t written;

	if (file < 0)
		return -errno;
	written = write(file, text, strlen(text));
	if (written < 0)
		return -errno;
	return (size_t)written == strlen(text) ? 0 : -EIO;
}

/* The map that gives a child namespace every id of ours under its own number. */
static int identity_map(const char *path, char ret_map[static MAP_BYTES])
{
	_cleanup_(sp_free_pointer) char *line = NULL;
	FILE *file = fopen(path, "re");
	unsigned first, outside, count;
	size_t used = 0;

	if (!file)
		return -errno;
	while (fscanf(file, "%u %u %u", &first, &outside, &count) == 3) {
		int n =
		    snprintf(ret_map + used, MAP_BYTES - used, "%u %u %u\n", first, first, count);

		if (n < 0 || (size_t)n >= MAP_BYTES - used) {
			(void)fclose(file);
			return -E2BIG;
		}
		used += (size_t)n;
	}
	(void)fclose(file);
	return used ? 0 : -EINVAL;
}

struct maps {
	char uid[MAP_BYTES], gid[MAP_BYTES];
};

static int write_maps(pid_t pid, const struct maps *maps)
{
	char path[64];
	int r;

	(void)snprintf(path, sizeof(path), "/proc/%d/uid_map", pid);
	r = write_file(path, maps->uid);
	if (r < 0)
		return r;
	(void)snprintf(path, sizeof(path), "/proc/%d/gid_map", pid);
	return write_file(path, maps->gid);
}

/* What the helper that stays outside is told. */
struct mapping {
	pid_t pid;
	int go;
	struct maps maps;
};

/* Shares our memory, not our descriptors: nothing but raw system calls and its own stack. */
static int map_parent(void *data)
{
	const struct mapping *mapping = data;
	char byte;

	(void)close_range(0, (unsigned)mapping->go - 1, 0);
	(void)close_range((unsigned)mapping->go + 1, ~0u, 0);
	if (read(mapping->go, &byte, 1) != 1) /* the parent died, or could not enter */
		return 0;
	return -write_maps(mapping->pid, &mapping->maps) & 0xff;
}

static int wait_mapped(pid_t helper)
{
	int status;

	while (waitpid(helper, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	if (!WIFEXITED(status))
		return -ECHILD;
	return -WEXITSTATUS(status);
}

/* Enters the namespace while the helper waits, lets it write, and waits for it. */
static int enter_mapped(pid_t helper, int go_take)
{
	int mapped, r = enter(CLONE_NEWUSER);

	if (r == 0 && write(go_take, "", 1) != 1)
		r = -EPIPE;
	(void)close(go_take);
	mapped = wait_mapped(helper);
	return r < 0 ? r : mapped;
}

/*
 * More than one's own id may be mapped only by a process that has CAP_SETUID *outside*, and who has
 * entered the namespace has it no more: a child that stays behind writes the maps. It runs in our
 * memory, since copying that would cost more than all else that it does.
 */
static int isolate_user_privileged(void)
{
	_Alignas(16) char stack[MAP_STACK] __attribute__((uninitialized));
	struct mapping mapping = {.pid = getpid()};
	int go[2], r;
	pid_t helper;

	r = identity_map("/proc/self/uid_map", mapping.maps.uid);
	if (r == 0)
		r = identity_map("/proc/self/gid_map", mapping.maps.gid);
	if (r < 0)
		return r;
	if (pipe2(go, O_CLOEXEC) < 0)
		return -errno;
	mapping.go = go[0];
	helper = clone(map_parent, stack + sizeof(stack), CLONE_VM | SIGCHLD, &mapping);
	r = helper < 0 ? -errno : 0;
	(void)close(go[0]);
	if (r < 0) {
		(void)close(go[1]);
		return r;
	}
	return enter_mapped(helper, go[1]);
}

static int isolate_user_unprivileged(void)
{
	uid_t uid = geteuid();
	gid_t gid = getegid();
	struct maps maps;
	int r;

	(void)snprintf(maps.uid, sizeof(maps.uid), "%u %u 1\n", uid, uid);
	(void)snprintf(maps.gid, sizeof(maps.gid), "%u %u 1\n", gid, gid);
	r = enter(CLONE_NEWUSER);
	if (r < 0)
		return r;
	if (prctl(PR_SET_DUMPABLE, 1) < 0)
		return -errno;
	/* Who could drop a group could reach what a group is denied. */
	r = write_file("/proc/self/setgroups", "deny");
	if (r < 0)
		return r;
	return write_maps(getpid(), &maps);
}

static bool has_capability(cap_value_t capability)
{
	cap_t caps = cap_get_proc();
	cap_flag_value_t value = CAP_CLEAR;

	if (!caps)
		return false;
	(void)cap_get_flag(caps, capability, CAP_EFFECTIVE, &value);
	(void)cap_free(caps);
	return value == CAP_SET;
}

static bool may_map_all(void)
{
	return has_capability(CAP_SETUID) && has_capability(CAP_SETGID);
}

bool capabilities_allow_filter(void)
{
	return has_capability(CAP_SYS_ADMIN);
}

int isolate_user(void)
{
	int r = may_map_all() ? isolate_user_privileged() : isolate_user_unprivileged();

	if (r == 0 && prctl(PR_SET_DUMPABLE, 1) < 0)
		return -errno;
	return r;
}

/*
 * File systems whose files are orders to the kernel, which takes them of everybody who has uid 0, with or without
 * capabilities: a grant of names must not reach that far. Looked up by name, so that no other is touched, then
 * by what lies on top there.
 */
static bool takes_orders(const char *type, long magic)
{
	static const struct {
		const char *type;
		long magic;
	} rows[] = {
	    {"sysfs", SYSFS_MAGIC},           {"cgroup", CGROUP_SUPER_MAGIC},
	    {"cgroup2", CGROUP2_SUPER_MAGIC}, {"debugfs", DEBUGFS_MAGIC},
	    {"tracefs", TRACEFS_MAGIC},       {"securityfs", SECURITYFS_MAGIC},
	    {"efivarfs", EFIVARFS_MAGIC},     {"configfs", 0x62656570},
	    {"pstore", PSTOREFS_MAGIC},       {"bpf", BPF_FS_MAGIC},
	    {"fusectl", 0x65735543},          {"binfmt_misc", BINFMTFS_MAGIC},
	    {"selinuxfs", SELINUX_MAGIC},     {"resctrl", RDTGROUP_SUPER_MAGIC},
	};

	for (size_t i = 0; i < SP_ELEMENTS(rows); i++)
		if (strcmp(rows[i].type, type) == 0)
			return !magic || rows[i].magic == magic;
	return false;
}

/* Read-only in our namespace alone, and for good: nobody here may mount. */
static int lock_mount(const struct mntent *entry)
{
	const struct mount_attr attributes = {.attr_set = MOUNT_ATTR_RDONLY};
	_cleanup_close_ int point = -1;
	struct statfs system;

	if (!takes_orders(entry->mnt_type, 0))
		return 0;
	point = open(entry->mnt_dir, O_PATH | O_CLOEXEC);
	if (point < 0) /* it is below another one, or nobody of ours gets there */
		return errno == ENOENT || errno == EACCES || errno == ENOTDIR ? 0 : -errno;
	if (fstatfs(point, &system) < 0)
		return -errno;
	if (!takes_orders(entry->mnt_type, (long)system.f_type))
		return 0;
	return syscall(SYS_mount_setattr, point, "", AT_EMPTY_PATH, &attributes,
		       sizeof(attributes)) < 0
		   ? -errno
		   : 0;
}

static int lock_mounts(void)
{
	FILE *mounts = setmntent("/proc/self/mounts", "re");
	const struct mntent *entry;
	int r = 0;

	if (!mounts)
		return -errno;
	while (r == 0 && (entry = getmntent(mounts)))
		r = lock_mount(entry);
	(void)endmntent(mounts);
	return r;
}

int isolate_mount(void)
{
	int r = enter(CLONE_NEWNS);

	if (r < 0)
		return r;
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return -errno;
	return lock_mounts();
}

/* The number is bounded, since there are only so many for all. Nobody but their owner may write to them. */
int isolate_terminals(void)
{
	if (mount("devpts", "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC,
		  "newinstance,ptmxmode=0666,mode=0600,max=256") < 0)
		return -errno;
	return mount("/dev/pts/ptmx", "/dev/ptmx", NULL, MS_BIND, NULL) < 0 ? -errno : 0;
}

/* A part of a mount, over itself. */
static int lock_part(const char *path)
{
	const struct mount_attr attributes = {.attr_set = MOUNT_ATTR_RDONLY};
	_cleanup_close_ int part =
	    (int)syscall(SYS_open_tree, AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);

	if (part < 0)
		return errno == ENOENT ? 0 : -errno;
	if (syscall(SYS_mount_setattr, part, "", AT_EMPTY_PATH, &attributes, sizeof(attributes)) <
		0 ||
	    syscall(SYS_move_mount, part, "", AT_FDCWD, path, MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return -errno;
	return 0;
}

int isolate_proc(void)
{
	/* Of /proc/driver, /proc/tty and the like nothing is written but with capabilities. */
	static const char *const parts[] = {
	    "/proc/sys",
	    "/proc/sysrq-trigger",
	    "/proc/irq",
	    "/proc/bus",
	    "/proc/fs",
	    "/proc/acpi",
	    "/proc/mtrr",
	    "/proc/scsi",
	    "/proc/dynamic_debug",
	    "/proc/asound",
	};
	int r = 0;

	if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
		return -errno;
	for (size_t i = 0; r == 0 && i < SP_ELEMENTS(parts); i++)
		r = lock_part(parts[i]);
	return r;
}

int isolate_ipc(void)
{
	return enter(CLONE_NEWIPC);
}

int isolate_uts(void)
{
	static const char name[] = "sallyport";
	int r = enter(CLONE_NEWUTS);

	if (r < 0)
		return r;
	return sethostname(name, sizeof(name) - 1) < 0 ? -errno : 0;
}

static int raise_loopback(void)
{
	struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP};
	_cleanup_close_ int any = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (any < 0)
		return -errno;
	return ioctl(any, SIOCSIFFLAGS, &request) < 0 ? -errno : 0;
}

int isolate_network(bool loopback)
{
	int r = enter(CLONE_NEWNET);

	return r == 0 && loopback ? raise_loopback() : r;
}

/* The kernel may know more capabilities than its headers here: up to the first that it does not. */
int capabilities_bound(void)
{
	for (unsigned long cap = 0;; cap++) {
		int bound = prctl(PR_CAPBSET_READ, cap, 0, 0, 0);

		if (bound < 0)
			return errno == EINVAL && cap > CAP_LAST_CAP ? 0 : -errno;
		/* Each makes a new set of credentials: not for what is gone already. */
		if (bound > 0 && prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
			return -errno;
	}
}

int capabilities_drop(void)
{
	static const unsigned locked = SECBIT_NOROOT | SECBIT_NOROOT_LOCKED |
				       SECBIT_NO_SETUID_FIXUP | SECBIT_NO_SETUID_FIXUP_LOCKED |
				       SECBIT_KEEP_CAPS_LOCKED | SECBIT_NO_CAP_AMBIENT_RAISE |
				       SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED;
	cap_t none;
	int r = 0;

	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 ||
	    prctl(PR_SET_SECUREBITS, locked) < 0)
		return -errno;
	none = cap_init();
	if (!none)
		return -errno;
	if (cap_set_proc(none) < 0)
		r = -errno;
	(void)cap_free(none);
	return r;
}

int files_limit_raise(struct rlimit *ret_before)
{
	struct rlimit limit, raised;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return -errno;
	raised = limit;
	raised.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &raised) < 0)
		return -errno;
	*ret_before = limit;
	return 0;
}

/* Lowers both limits to `value`, or leaves them where they are lower already. */
static int lower(__rlimit_resource_t resource, rlim_t value)
{
	struct rlimit limit;

	if (getrlimit(resource, &limit) < 0)
		return -errno;
	if (limit.rlim_max > value)
		limit.rlim_max = value;
	limit.rlim_cur = limit.rlim_max;
	return setrlimit(resource, &limit) < 0 ? -errno : 0;
}

int limits_apply(const struct sp_limits *limits)
{
	const struct {
		__rlimit_resource_t resource;
		uint64_t value; /* 0: not limited */
	} wanted[] = {
	    /* Not 0: a core pattern that is a pipe ignores a limit of 0, but not one of 1. */
	    {RLIMIT_CORE, 1},
	    {RLIMIT_CPU, limits->cpu},
	    {RLIMIT_FSIZE, limits->file_size},
	    {RLIMIT_AS, limits->memory},
	    {RLIMIT_NOFILE, limits->files},
	};
	int r;

	for (size_t i = 0; i < SP_ELEMENTS(wanted); i++) {
		if (wanted[i].value == 0)
			continue;
		r = lower(wanted[i].resource, wanted[i].value);
		if (r < 0)
			return r;
	}
	return 0;
}

int processes_limit_apply(const struct sp_limits *limits, bool own_user_namespace)
{
	/* Porter and init are of the same user in the same namespace, and so counted. */
	enum { OURS = 2 };

	if (limits->processes <= 1) /* 1 is the filter's business, 0 is no limit */
		return 0;
	if (!own_user_namespace || getuid() == 0)
		return -EOPNOTSUPP;
	return lower(RLIMIT_NPROC, limits->processes + OURS);
}
