/* SPDX-License-Identifier: Apache-2.0 */
/* Ways to read a name that the policy does not grant. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include "ipc/util.h"
#include "tests/attacks/attack.h"

/* Rounds of a race: a plain process goes on until it has won once. */
#define ROUNDS_PLAIN 20000000
#define ROUNDS 30000
#define ROUNDS_FLOOR 10000 /* each takes three changes of process */
#define ROUNDS_THOROUGH 100000

static int rounds(void)
{
	if (context.stage == STAGE_PLAIN)
		return ROUNDS_PLAIN;
	if (context.thorough)
		return ROUNDS_THOROUGH;
	return context.stage == STAGE_FLOOR ? ROUNDS_FLOOR : ROUNDS;
}

/* ---- B01: every start × way up × spelling of the rest × absolute or relative: 200 ---- */

#define SPELLINGS 200

static bool leads_there(const char *name)
{
	char bytes[64] = "";
	int fd = open(name, O_RDONLY | O_CLOEXEC);
	bool found = fd >= 0 && read(fd, bytes, sizeof(bytes) - 1) > 0 &&
		     strncmp(bytes, CANARY_PREFIX, strlen(CANARY_PREFIX)) == 0;

	if (fd >= 0)
		(void)close(fd);
	return found;
}

void attack_B01(void)
{
	static const char *const starts[] = {"allowed", "readonly/.", "allowed/sub/..", "/allowed"};
	static const char *const ups[] = {"/..", "//..", "/./..", "/sub/../..", "/../."};
	static const char *const ends[] = {"/secret/canary", "/secret/./canary", "/secret//canary",
					   "/./secret/canary", "/secret/../secret/canary"};
	size_t leading = 0;

	variants(1);
	for (size_t i = 0; i < SPELLINGS; i++) {
		char name[256];
		const char *start = starts[i % 4];
		const char *up = ups[i / 4 % 5], *end = ends[i / 20 % 5];
		bool relative = i >= SPELLINGS / 2;

		/* Only `allowed` has a directory sub. */
		if (i % 4 == 1 && i / 4 % 5 == 3)
			start = "allowed/.";
		(void)snprintf(name, sizeof(name), "%s%s%s", relative ? "." : start, up, end);
		if (relative && chdir(in_tree(start)) < 0)
			broken("%s: %s", start, strerror(errno));
		leading += leads_there(relative ? name : in_tree(name));
	}
	/* Each of them is an attack. */
	if (context.stage == STAGE_PLAIN && leading != SPELLINGS)
		broken("only %zu spellings lead to the secret", leading);
	if (leading > 0)
		escape("%zu spellings lead to the secret", leading);
}

/* ---- B02, B24 ---- */

static void read_at(const char *how, int dirfd, const char *name)
{
	check_descriptor(how, openat(dirfd, name, O_RDONLY | O_CLOEXEC));
}

static void from_working_directory(void)
{
	if (chdir(in_tree("allowed/sub")) < 0)
		broken("chdir to a granted directory: %s", strerror(errno));
	read_at("cwd", AT_FDCWD, "../../secret/canary");
}

static void from_held_directory(void)
{
	/* Opened before the lock: it leads to everything, but every name is still asked for. */
	read_at("held directory", held_fd, "secret/canary");
	read_at("held directory, a way round", held_fd, "allowed/../secret/canary");
}

static void from_held_cwd(void)
{
	if (fchdir(held_fd) < 0)
		broken("fchdir: %s", strerror(errno));
	read_at("cwd by fchdir", AT_FDCWD, "secret/canary");
}

static void from_granted_directory(void)
{
	int directory = open(in_tree("allowed/sub"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (directory < 0)
		broken("a granted directory: %s", strerror(errno));
	read_at("granted directory", directory, "../../secret/canary");
	if (fchdir(directory) == 0)
		read_at("granted cwd", AT_FDCWD, "../../secret/canary");
}

void attack_B02(void)
{
	static attack_fn *const ways[] = {from_working_directory, from_held_directory,
					  from_held_cwd, from_granted_directory};

	variants(SP_ELEMENTS(ways));
	ways[context.variant]();
}

/* ---- B07, B08, B30, B34 ---- */

void attack_B07(void)
{
	static const char *const links[] = {"allowed/link", "allowed/relative", "allowed/twice",
					    "allowed/sub/../link", "allowed//relative"};

	variants(SP_ELEMENTS(links));
	try_read(in_tree(links[context.variant]));
}

void attack_B08(void)
{
	static const char *const names[] = {
	    "allowed/directory-link/canary", "allowed/up/secret/canary",
	    "allowed/up/allowed/up/secret/canary", "allowed/directory-link/../secret/canary"};

	variants(SP_ELEMENTS(names));
	try_read(in_tree(names[context.variant]));
}

void attack_B30(void)
{
	static const char *const names[] = {"allowed-too/canary", "allowed/../allowed-too/canary",
					    "allowed/sub/../../allowed-too/canary",
					    "Allowed/canary"};

	variants(SP_ELEMENTS(names));
	try_read(in_tree(names[context.variant]));
}

void attack_B34(void)
{
	/* The last two are links themselves; the first one is too, but the sandboxee may read it. */
	static const char *const names[] = {"allowed/link",  "allowed/directory-link/canary",
					    "secret/canary", "allowed/../secret/canary",
					    "secret/link",   "allowed/directory-link/link"};
	const char *name = in_tree(names[context.variant % SP_ELEMENTS(names)]);
	struct stat status;
	struct statfs system;
	struct statx more;
	char target[64];

	variants(SP_ELEMENTS(names));
	if (stat(name, &status) == 0)
		escape("%s: stat says %lld bytes", name, (long long)status.st_size);
	if (statx(AT_FDCWD, name, 0, STATX_ALL, &more) == 0)
		escape("%s: statx says %llu bytes", name, (unsigned long long)more.stx_size);
	if (access(name, F_OK) == 0)
		escape("%s: access says that it is there", name);
	if (context.variant > 0 && lstat(name, &status) == 0)
		escape("%s: lstat says %lld bytes", name, (long long)status.st_size);
	if (context.variant > 0 && (readlink(name, target, sizeof(target)) >= 0 || errno == EINVAL))
		escape("%s: readlink says what it is", name);
	if (listxattr(name, NULL, 0) >= 0 || statfs(name, &system) == 0)
		escape("%s: its attributes or file system are told", name);
}

/* ---- B09: somebody outside swaps what the names lead to ---- */

/* As a careless helper would resolve a name; and with a directory of one's own that is moved meanwhile. */
static void climb_from_child(void)
{
	int child = open(in_tree("allowed/parent/child"), O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (child < 0)
		return;
	check_descriptor("a directory that was moved",
			 openat(child, "../../canary", O_RDONLY | O_CLOEXEC));
	(void)close(child);
}

void attack_B09(void)
{
	/* In the third, ".." of `child` leads out of the tree while it is away. */
	static const char *const names[] = {"allowed/race", "allowed/race-directory/canary",
					    "allowed/parent/child/../../canary"};
	const char *name = in_tree(names[context.variant % SP_ELEMENTS(names)]);
	const time_t begin = time(NULL);
	int opened = 0;

	variants(SP_ELEMENTS(names));
	for (int i = 0; i < rounds() || lasts(begin); i++) {
		int fd = open(name, O_RDONLY | O_CLOEXEC);

		opened += fd >= 0;
		check_descriptor(name, fd);
		if (context.variant == 2)
			climb_from_child();
	}
	if (opened == 0)
		broken("%s was never what is granted", name);
}

/* ---- B40: the name changes under the call ---- */

static char changing[PATH_MAX];

static void *change_name(void *tail)
{
	static const char *const tails[] = {"readonly/file", "secret/canary"};
	volatile char *to = tail;

	for (unsigned i = 0;; i++)
		for (size_t j = 0; j < strlen(tails[0]); j++)
			to[j] = tails[i & 1][j];
	return NULL;
}

void attack_B40(void)
{
	pthread_t thread;
	size_t length = (size_t)snprintf(changing, sizeof(changing), "%s/", context.directory);
	int opened = 0;

	variants(1);
	(void)snprintf(changing + length, sizeof(changing) - length, "readonly/file");
	if (pthread_create(&thread, NULL, change_name, changing + length) != 0)
		broken("no thread");
	for (int i = 0; i < rounds(); i++) {
		int fd = open(changing, O_RDONLY | O_CLOEXEC);

		opened += fd >= 0;
		check_descriptor("a name that changes", fd);
	}
	if (opened == 0)
		broken("no open saw the granted name");
}

/* ---- B28: what exists outside the grants answers like what does not ---- */

static int do_open(const char *name)
{
	return open(name, O_RDONLY | O_CLOEXEC);
}

static int do_stat(const char *name)
{
	struct stat status;

	return stat(name, &status);
}

static int do_access(const char *name)
{
	return access(name, F_OK);
}

static int do_readlink(const char *name)
{
	char target[64];

	return (int)readlink(name, target, sizeof(target));
}

static int do_mkdir(const char *name)
{
	return mkdir(name, 0700);
}

static int do_rename(const char *name)
{
	return rename(name, in_tree("allowed/stolen"));
}

static int do_link(const char *name)
{
	return link(name, in_tree("allowed/stolen"));
}

static int do_symlink(const char *name)
{
	return symlink("file", name);
}

static int do_truncate(const char *name)
{
	return truncate(name, 0);
}

static int do_chmod(const char *name)
{
	return chmod(name, 0600);
}

static int do_chown(const char *name)
{
	return chown(name, getuid(), getgid());
}

static int do_utimensat(const char *name)
{
	return utimensat(AT_FDCWD, name, NULL, 0);
}

static int do_getxattr(const char *name)
{
	char value[16];

	return (int)getxattr(name, "user.attack", value, sizeof(value));
}

static int do_statfs(const char *name)
{
	struct statfs status;

	return statfs(name, &status);
}

static int do_mknod(const char *name)
{
	return mknod(name, S_IFIFO | 0600, 0);
}

static int error_of(int (*call)(const char *name), const char *name)
{
	errno = 0;
	(void)call(name);
	return errno;
}

/* What differs tells which of the two is there. */
static void compare_errors(int (*call)(const char *name), const char *existing, const char *missing)
{
	int one = error_of(call, in_tree(existing)), other = error_of(call, in_tree(missing));

	if (one != other)
		escape("%s: %s, %s: %s", existing, strerror(one), missing, strerror(other));
}

void attack_B28(void)
{
	static int (*const calls[])(const char *name) = {
	    do_open,  do_stat,  do_access,    do_readlink, do_mkdir,   do_rename,
	    unlink,   rmdir,    chdir,        do_link,     do_symlink, do_truncate,
	    do_chmod, do_chown, do_utimensat, do_getxattr, do_statfs,  do_mknod};
	static const char *const pairs[][2] = {{"secret/canary", "secret/missing"},
					       {"secret", "missing"},
					       {"secret/canary/x", "secret/missing/x"}};

	variants(1);
	for (size_t i = 0; i < SP_ELEMENTS(calls); i++)
		for (size_t j = 0; j < SP_ELEMENTS(pairs); j++)
			compare_errors(calls[i], pairs[j][0], pairs[j][1]);
	for (int i = 0; i < 1000; i++) {
		char missing[32];

		(void)snprintf(missing, sizeof(missing), "secret/%d", i);
		compare_errors(calls[(size_t)i % SP_ELEMENTS(calls)], "secret/canary", missing);
	}
}
