/* SPDX-License-Identifier: Apache-2.0 */
/* B16 to B36: ways to change what the policy does not let one change. */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "ipc/util.h"
#include "tests/attacks/attack.h"

/* ---- B16 ---- */

void attack_B16(void)
{
	static const char *const names[] = {"allowed/dangling", "allowed/directory-link/new",
					    "allowed/up/outside/new"};
	int fd;

	variants(SP_ELEMENTS(names));
	fd = open(in_tree(names[context.variant]), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd >= 0)
		escape("%s was created outside", names[context.variant]);
}

/* ---- B17 ---- */

static void check_mode(const char *name)
{
	struct stat status;

	if (lstat(in_tree(name), &status) == 0 && (status.st_mode & (S_ISUID | S_ISGID | S_ISVTX)))
		escape("%s has mode %o", name, (unsigned)status.st_mode);
}

static void create_set_id(void)
{
	(void)close(open(in_tree("allowed/set-id"), O_WRONLY | O_CREAT | O_CLOEXEC, 07777));
}

static void make_set_id_directory(void)
{
	(void)mkdir(in_tree("allowed/set-id"), 07777);
	(void)chmod(in_tree("allowed/set-id"), 07777);
}

static void change_held_mode(void)
{
	int fd = open(in_tree("allowed/set-id"), O_RDWR | O_CREAT | O_CLOEXEC, 0755);

	if (fd < 0)
		broken("allowed/set-id: %s", strerror(errno));
	(void)fchmod(fd, 07777);
	(void)syscall(SYS_fchmodat, AT_FDCWD, in_tree("allowed/set-id"), 07777);
	(void)close(fd);
}

static void make_node(void)
{
	(void)mknod(in_tree("allowed/set-id"), S_IFREG | 07777, 0);
}

void attack_B17(void)
{
	static attack_fn *const ways[] = {create_set_id, make_set_id_directory, change_held_mode,
					  make_node};

	variants(SP_ELEMENTS(ways));
	(void)umask(0);
	ways[context.variant]();
	check_mode("allowed/set-id");
}

/* ---- B19 ---- */

#define FLAG_SETS 20000

/* Every flag of the kernel, and two bits that mean nothing. */
static const int flag_bits[] = {O_WRONLY,    O_RDWR,      O_CREAT,    O_EXCL,    O_NOCTTY,
				O_TRUNC,     O_APPEND,    O_DSYNC,    O_ASYNC,   O_DIRECT,
				O_LARGEFILE, O_DIRECTORY, O_NOFOLLOW, O_NOATIME, O_SYNC,
				O_PATH,      O_TMPFILE,   1 << 23,    1 << 30};

static uint32_t next_random(uint32_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	*state ^= *state << 5;
	return *state;
}

static int random_flags(uint32_t *state)
{
	uint32_t bits = next_random(state);
	int flags = O_NONBLOCK | O_CLOEXEC;

	/* Few flags at a time, so that many sets are ones that the kernel accepts. */
	bits &= next_random(state);
	for (size_t i = 0; i < SP_ELEMENTS(flag_bits); i++)
		if (bits >> i & 1)
			flags |= flag_bits[i];
	return flags;
}

static void check_granted(const char *name, int flags, int fd, bool secret)
{
	int granted;

	if (fd < 0)
		return;
	if (secret)
		escape("%s with flags 0x%x was opened", name, (unsigned)flags);
	granted = fcntl(fd, F_GETFL);
	if (!(granted & O_PATH) && (granted & O_ACCMODE) != O_RDONLY)
		escape("%s with flags 0x%x can be written to", name, (unsigned)flags);
	(void)close(fd);
}

static const struct {
	const char *name;
	bool secret;
} targets[] = {{"readonly/file", false}, {"secret/canary", true}, {"readonly/new", false},
	       {"readonly", false},      {"secret", true},        {"secret/new", true}};

/* What a plain process is told of each set, in a tree of its own. */
static int32_t native_errors[FLAG_SETS];

void prepare_flags(void)
{
	size_t have = 0;
	ssize_t n = 1;

	if (context.stage == STAGE_PLAIN)
		return;
	for (held_fd = 3; have < sizeof(native_errors) && n > 0; have += (size_t)(n > 0 ? n : 0))
		n = pread(held_fd, (char *)native_errors + have, sizeof(native_errors) - have,
			  (off_t)have);
	if (have != sizeof(native_errors))
		broken("no native errors");
}

void tell_native_errors(void)
{
	uint32_t state = 0x5eed;

	for (int i = 0; i < FLAG_SETS; i++) {
		size_t target = next_random(&state) % SP_ELEMENTS(targets);
		int flags = random_flags(&state);
		int fd = open(in_tree(targets[target].name), flags, 0600);

		native_errors[i] = fd < 0 ? -errno : 0;
		if (fd >= 0)
			(void)close(fd);
		(void)unlink(in_tree("readonly/new"));
		(void)unlink(in_tree("secret/new"));
	}
	if (write(STDOUT_FILENO, native_errors, sizeof(native_errors)) != sizeof(native_errors))
		broken("no output");
}

/* A refusal is one by the policy, or the kernel's own. */
static void compare_error(const char *name, int flags, int error, int native)
{
	if (error != native && error != -EACCES)
		broken("%s with flags 0x%x: %d, natively %d", name, (unsigned)flags, error, native);
}

void attack_B19(void)
{
	uint32_t state = 0x5eed;

	variants(1);
	for (int i = 0; i < FLAG_SETS; i++) {
		size_t target = next_random(&state) % SP_ELEMENTS(targets);
		int flags = random_flags(&state);
		int fd = open(in_tree(targets[target].name), flags, 0600);

		if (context.stage != STAGE_PLAIN)
			compare_error(targets[target].name, flags, fd < 0 ? -errno : 0,
				      native_errors[i]);
		check_granted(targets[target].name, flags, fd, targets[target].secret);
	}
}

/* ---- B21 ---- */

static void expect_refusal(const char *what, long result)
{
	if (result >= 0)
		escape("%s", what);
}

static void steal_secret(void)
{
	expect_refusal("secret/canary was renamed into allowed/",
		       rename(in_tree("secret/canary"), in_tree("allowed/stolen")));
}

static void replace_secret(void)
{
	expect_refusal("secret/canary was replaced",
		       rename(in_tree("allowed/file"), in_tree("secret/canary")));
}

static void exchange_secret(void)
{
	expect_refusal("secret/canary was exchanged",
		       renameat2(AT_FDCWD, in_tree("allowed/file"), AT_FDCWD,
				 in_tree("secret/canary"), RENAME_EXCHANGE));
}

static void raise_readonly(void)
{
	expect_refusal("readonly/file was renamed to where it can be written",
		       rename(in_tree("readonly/file"), in_tree("allowed/raised")));
}

static void raise_directory(void)
{
	expect_refusal("a read-only directory was renamed to where it can be written",
		       rename(in_tree("readonly/deep"), in_tree("allowed/deep")));
}

static void link_secret(void)
{
	expect_refusal("secret/canary was linked",
		       link(in_tree("secret/canary"), in_tree("allowed/linked")));
}

static void link_through_symlink(void)
{
	expect_refusal("secret/canary was linked through a symbolic link",
		       linkat(AT_FDCWD, in_tree("allowed/link"), AT_FDCWD,
			      in_tree("allowed/linked"), AT_SYMLINK_FOLLOW));
}

static void write_hard_link(void)
{
	expect_refusal("a file with a second name outside can be written",
		       open(in_tree("allowed/hardlink"), O_WRONLY | O_CLOEXEC));
}

static void truncate_hard_link(void)
{
	expect_refusal("a file with a second name outside was truncated",
		       open(in_tree("allowed/hardlink"), O_RDONLY | O_TRUNC | O_CLOEXEC));
}

static void write_renamed_hard_link(void)
{
	(void)rename(in_tree("allowed/hardlink"), in_tree("allowed/renamed"));
	expect_refusal("a renamed file with a second name outside can be written",
		       open(in_tree("allowed/renamed"), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
}

static void leave_whiteout(void)
{
	expect_refusal("a device was left where a file was",
		       renameat2(AT_FDCWD, in_tree("allowed/file"), AT_FDCWD,
				 in_tree("allowed/moved"), 4 /* RENAME_WHITEOUT */));
}

static void remove_secret(void)
{
	expect_refusal("secret/canary was removed", unlink(in_tree("secret/canary")));
}

static void make_directory(void)
{
	expect_refusal("a directory was made in secret/", mkdir(in_tree("secret/new"), 0700));
}

static void move_out(void)
{
	expect_refusal("a directory was moved out",
		       rename(in_tree("allowed/sub"), in_tree("outside/sub")));
}

void attack_B21(void)
{
	static attack_fn *const ways[] = {steal_secret,         replace_secret,
					  exchange_secret,      raise_readonly,
					  raise_directory,      link_secret,
					  link_through_symlink, write_hard_link,
					  truncate_hard_link,   write_renamed_hard_link,
					  leave_whiteout,       remove_secret,
					  make_directory,       move_out};

	variants(SP_ELEMENTS(ways));
	ways[context.variant]();
}

/* ---- B36 ---- */

static int held_readonly(void)
{
	int fd = open(in_tree("readonly/file"), O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		broken("readonly/file: %s", strerror(errno));
	return fd;
}

static void truncate_name(void)
{
	expect_refusal("truncate", truncate(in_tree("readonly/file"), 1));
}

static void change_mode(void)
{
	expect_refusal("chmod", chmod(in_tree("readonly/file"), 0777));
}

static void change_owner(void)
{
	expect_refusal("chown", chown(in_tree("readonly/file"), getuid(), getgid()));
}

static void change_times(void)
{
	static const struct timespec times[2] = {{.tv_sec = 1}, {.tv_sec = 2}};

	expect_refusal("utimensat", utimensat(AT_FDCWD, in_tree("readonly/file"), times, 0));
}

static void make_link(void)
{
	expect_refusal("link", link(in_tree("readonly/file"), in_tree("readonly/linked")));
}

static void change_held_times(void)
{
	static const struct timespec times[2] = {{.tv_sec = 1}, {.tv_sec = 2}};

	expect_refusal("futimens", futimens(held_readonly(), times));
}

static void change_mode_of_held(void)
{
	expect_refusal("fchmod", fchmod(held_readonly(), 0777));
}

static void change_held_owner(void)
{
	expect_refusal("fchown", fchown(held_readonly(), getuid(), getgid()));
}

static void set_attribute(void)
{
	expect_refusal("setxattr", setxattr(in_tree("readonly/file"), "user.attack", "x", 1, 0));
}

static void set_held_attribute(void)
{
	expect_refusal("fsetxattr", fsetxattr(held_readonly(), "user.attack", "x", 1, 0));
}

static void remove_attribute(void)
{
	long r = removexattr(in_tree("readonly/file"), "user.attack");

	expect_refusal("removexattr", r == 0 || errno == ENODATA ? 0 : -1);
}

static void set_held_flags(void)
{
	int fd = held_readonly(), flags = FS_NODUMP_FL;

	expect_refusal("FS_IOC_SETFLAGS", ioctl(fd, FS_IOC_SETFLAGS, &flags));
}

void attack_B36(void)
{
	static attack_fn *const ways[] = {truncate_name,       change_mode,       change_owner,
					  change_times,        make_link,         change_held_times,
					  change_mode_of_held, change_held_owner, set_attribute,
					  set_held_attribute,  remove_attribute,  set_held_flags};

	variants(SP_ELEMENTS(ways));
	ways[context.variant]();
}
