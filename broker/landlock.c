/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "broker/image.h"
#include "ipc/arch.h"
#include "ipc/kernel.h"
#include "ipc/util.h"

#ifndef LANDLOCK_ACCESS_FS_REFER
#error "kernel headers older than 5.19"
#endif

/* What a rule on a file, not a directory, may speak of. */
#define FILE_RIGHTS                                                                                \
	(LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE |                              \
	 LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_TRUNCATE)

#define CHANGE_CONTENT (LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_TRUNCATE)

/*
 * For create and delete alike: a rename within a directory needs both, and one across directories
 * must not gain rights, which Landlock counts in its own, finer coin. No devices.
 */
#define CHANGE_NAMES                                                                               \
	(LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_SYM | \
	 LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO |                             \
	 LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |                          \
	 LANDLOCK_ACCESS_FS_REFER | CHANGE_CONTENT)

/* What each ABI version added, the first with all that it had. */
static const struct {
	int abi;
	uint64_t fs, net, scope;
} versions[] = {
    {1, LANDLOCK_ACCESS_FS_REFER - 1, 0, 0},
    {2, LANDLOCK_ACCESS_FS_REFER, 0, 0},
    {3, LANDLOCK_ACCESS_FS_TRUNCATE, 0, 0},
    {4, 0, LANDLOCK_ACCESS_NET_BIND_TCP | LANDLOCK_ACCESS_NET_CONNECT_TCP, 0},
    {5, LANDLOCK_ACCESS_FS_IOCTL_DEV, 0, 0},
    {6, 0, 0, LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET | LANDLOCK_SCOPE_SIGNAL},
};

/* All that the running kernel can deny. */
static int everything(struct sp_landlock_ruleset_attr *ret_attributes)
{
	struct sp_landlock_ruleset_attr attributes = {0};
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

	if (abi < 0)
		return -errno;
	for (size_t i = 0; i < SP_ELEMENTS(versions) && versions[i].abi <= abi; i++) {
		attributes.handled_access_fs |= versions[i].fs;
		attributes.handled_access_net |= versions[i].net;
		attributes.scoped |= versions[i].scope;
	}
	*ret_attributes = attributes;
	return 0;
}

/* Where nobody but the sandbox is in its network, what the policy leaves to the kernel there leads to the sandbox; unless it
 * has sockets of another network, which the kernel would point anywhere in that. */
static uint64_t own_network(const struct sp_rules *rules, bool outer_tcp)
{
	uint64_t own = 0;

	if (outer_tcp)
		return 0;
	if (sp_rules_own_network(rules, __NR_bind))
		own |= LANDLOCK_ACCESS_NET_BIND_TCP;
	if (sp_rules_own_network(rules, __NR_connect))
		own |= LANDLOCK_ACCESS_NET_CONNECT_TCP;
	return own;
}

/* All but what leads nowhere else. */
static int everything_beyond(const struct sp_rules *rules, bool outer_tcp,
			     struct sp_landlock_ruleset_attr *ret_attributes)
{
	int r = everything(ret_attributes);

	if (r == 0)
		ret_attributes->handled_access_net &= ~own_network(rules, outer_tcp);
	return r;
}

static int create(const struct sp_landlock_ruleset_attr *attributes, int *ret_ruleset)
{
	/* An older kernel accepts the newer members as long as they are zero. */
	long fd = syscall(SYS_landlock_create_ruleset, attributes, sizeof(*attributes), 0);

	if (fd < 0)
		return -errno;
	*ret_ruleset = (int)fd;
	return 0;
}

/* A ruleset being filled. */
struct filling {
	int ruleset;
	uint64_t handled;
};

static int add_rule(const struct filling *filling, int object, uint64_t rights)
{
	struct landlock_path_beneath_attr rule = {.allowed_access = rights & filling->handled,
						  .parent_fd = object};

	if (rule.allowed_access == 0)
		return 0;
	if (syscall(SYS_landlock_add_rule, filling->ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) <
	    0)
		return -errno;
	return 0;
}

static int allow(const struct filling *filling, const char *path, uint64_t rights)
{
	_cleanup_close_ int object = open(path, O_PATH | O_CLOEXEC);
	struct stat status;

	if (object < 0)
		return -errno;
	if (fstat(object, &status) < 0)
		return -errno;
	if (!S_ISDIR(status.st_mode))
		rights &= FILE_RIGHTS;
	return add_rule(filling, object, rights);
}

/* Cuts the last component off: "/a/b" → "/a", "/a" → "/". False where there is none. */
static bool cut_last(char *path)
{
	char *slash = strrchr(path, '/');

	if (!slash || !slash[1])
		return false;
	slash[slash == path] = 0;
	return true;
}

/* The nearest ancestor that exists. Where one's own permissions end the search, so do they for the
 * porter, which no rule could help. */
static int allow_ancestor(const struct filling *filling, char *path, uint64_t rights)
{
	while (cut_last(path)) {
		int r = allow(filling, path, rights);

		if (r != -ENOENT)
			return r;
	}
	return 0;
}

static bool is_unreachable(int error)
{
	return error == -EACCES || error == -ENOTDIR || error == -ELOOP || error == -ENAMETOOLONG;
}

static int add_grant(const char *prefix, uint32_t granted, void *data)
{
	const struct filling *filling = data;
	_cleanup_free_ char *path = strdup(prefix);
	struct stat status;
	uint64_t rights = 0;
	int r;

	if (!path)
		return -ENOMEM;
	if (granted & (SP_RIGHT_WRITE | SP_RIGHT_LINKED))
		rights |= CHANGE_CONTENT;
	if (granted & (SP_RIGHT_CREATE | SP_RIGHT_DELETE))
		rights |= CHANGE_NAMES;
	if (granted & SP_RIGHT_BIND)
		rights |= LANDLOCK_ACCESS_FS_MAKE_SOCK;
	if (!rights)
		return 0;
	r = allow(filling, path, rights);
	/* Names are made and removed in the directory that holds them. */
	if (r == -ENOENT || (r == 0 && rights & CHANGE_NAMES && stat(path, &status) == 0 &&
			     !S_ISDIR(status.st_mode)))
		r = allow_ancestor(filling, path, rights);
	return is_unreachable(r) ? 0 : r;
}

/* Devices that any program may write to, and that keep nothing. */
static int allow_devices(const struct filling *filling)
{
	static const char *const devices[] = {"/dev/null", "/dev/zero", "/dev/full"};

	for (size_t i = 0; i < SP_ELEMENTS(devices); i++) {
		int r = allow(filling, devices[i], CHANGE_CONTENT);

		if (r < 0 && r != -ENOENT)
			return r;
	}
	return 0;
}

/* A rule for each port is a wall with as many doors; for more of them than this it is left out. */
#define PORTS_MAX 256u

static int add_ports(const struct sp_address *address, void *data)
{
	*(unsigned *)data += (unsigned)(address->last - address->first) + 1;
	return 0;
}

static unsigned count_ports(const struct sp_rules *rules)
{
	unsigned count = 0;

	(void)sp_rules_each_address(rules, add_ports, &count);
	return count;
}

/* Landlock knows ports, and no addresses. */
static int allow_ports(const struct sp_address *address, void *data)
{
	const int *ruleset = data;

	for (unsigned port = address->first; port <= address->last; port++) {
		struct sp_landlock_net_port_attr rule = {
		    .allowed_access = LANDLOCK_ACCESS_NET_CONNECT_TCP, .port = port};

		if (syscall(SYS_landlock_add_rule, *ruleset, SP_LANDLOCK_RULE_NET_PORT, &rule, 0) <
		    0)
			return -errno;
	}
	return 0;
}

int landlock_restrict_porter(const struct sp_rules *rules, bool outer_tcp)
{
	struct sp_landlock_ruleset_attr attributes;
	_cleanup_close_ int ruleset = -1;
	struct filling filling;
	int r;

	r = everything_beyond(rules, outer_tcp, &attributes);
	if (r < 0)
		return r;
	attributes.handled_access_fs &= ~LANDLOCK_ACCESS_FS_IOCTL_DEV;
	attributes.scoped &= ~LANDLOCK_SCOPE_SIGNAL;
	if (count_ports(rules) > PORTS_MAX)
		attributes.handled_access_net &= ~LANDLOCK_ACCESS_NET_CONNECT_TCP;
	r = create(&attributes, &ruleset);
	if (r < 0)
		return r;
	filling = (struct filling){.ruleset = ruleset, .handled = attributes.handled_access_fs};
	r = allow(&filling, "/",
		  LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR |
		      LANDLOCK_ACCESS_FS_EXECUTE);
	if (r == 0)
		r = allow_devices(&filling);
	if (r == 0)
		r = sp_rules_each_grant(rules, add_grant, &filling);
	if (r == 0 && attributes.handled_access_net & LANDLOCK_ACCESS_NET_CONNECT_TCP)
		r = sp_rules_each_address(rules, allow_ports, &ruleset);
	if (r < 0)
		return r;
	return landlock_restrict(ruleset);
}

int landlock_restrict(int ruleset)
{
	return syscall(SYS_landlock_restrict_self, ruleset, 0) < 0 ? -errno : 0;
}

/* To execute is to open for reading as well. */
#define EXECUTE (LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE)

static int add_execute_grant(const char *prefix, uint32_t granted, void *data)
{
	int r = granted & SP_RIGHT_EXECUTE ? allow(data, prefix, EXECUTE) : 0;

	return r == -ENOENT || is_unreachable(r) ? 0 : r;
}

/* The program, its interpreter, the interpreter's, and their loader, as far as they can be read:
 * what is missing here can't be executed, and the execve says so. */
static int allow_program(const struct filling *filling, const char *program)
{
	struct sp_image image = {.kind = SP_IMAGE_OTHER};
	const char *path = program;
	int r = 0;

	for (int i = 0; i <= SP_IMAGE_DEPTH && r == 0 && path[0] == '/'; i++) {
		_cleanup_close_ int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

		r = allow(filling, path, EXECUTE);
		if (file < 0 || sp_image_read(file, &image) < 0)
			break;
		path = image.interpreter;
	}
	return r == -ENOENT || is_unreachable(r) ? 0 : r;
}

int landlock_make_floor(const struct sp_rules *rules, bool outer_tcp, const char *program,
			int *ret_ruleset)
{
	struct sp_landlock_ruleset_attr attributes;
	_cleanup_close_ int ruleset = -1;
	struct filling filling;
	int r = everything_beyond(rules, outer_tcp, &attributes);

	if (r == 0)
		r = create(&attributes, &ruleset);
	if (r < 0)
		return r;
	filling = (struct filling){.ruleset = ruleset, .handled = attributes.handled_access_fs};
	r = allow_program(&filling, program);
	if (r == 0)
		r = allow_program(&filling, SP_LOADER);
	if (r == 0)
		r = sp_rules_each_grant(rules, add_execute_grant, &filling);
	if (r < 0)
		return r;
	*ret_ruleset = TAKE_FD(ruleset);
	return 0;
}

int landlock_make_sandboxee(const struct sp_rules *rules, bool outer_tcp, int *ret_ruleset)
{
	struct sp_landlock_ruleset_attr attributes;
	int r = everything_beyond(rules, outer_tcp, &attributes);

	return r < 0 ? r : create(&attributes, ret_ruleset);
}
