/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `differential native|locked DIRECTORY`: makes a tree in DIRECTORY, and, locked or not, makes
 * every kind of brokered call on it, with every flag that matters. One line a case: its name, the
 * errno or what came back. The lines of both runs are to be equal.
 */
#include <sallyport/sandboxee.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/openat2.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#define NEED(condition)                                                                            \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, #condition,         \
				strerror(errno));                                                  \
			_exit(99);                                                                 \
		}                                                                                  \
	} while (0)

#define FCHMODAT2 452 /* Linux 6.6 */
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static char name255[256], name256[257], path4095[4096], path4096[4097];
static char absolute_file[512], absolute_missing[512];

/* ---- the tree
 * ---------------------------------------------------------------------------------------- */

static void make_file(const char *path, mode_t mode)
{
	int fd = open(path, O_CREAT | O_EXCL | O_WRONLY, 0600);

	NEED(fd >= 0 && write(fd, "content\n", 8) == 8 && fchmod(fd, mode) == 0 && close(fd) == 0);
}

static void make_chain(int length)
{
	char from[32], to[32];

	for (int i = 1; i <= length; i++) {
		snprintf(from, sizeof(from), "chain%d", i);
		snprintf(to, sizeof(to), i == 1 ? "file" : "chain%d", i - 1);
		NEED(symlink(to, from) == 0);
	}
}

static void fill_path(char *path, size_t length)
{
	for (size_t i = 0; i < length; i++)
		path[i] = i % 2 ? '/' : '.';
	memcpy(path + length - 4, "file", 4);
	path[length] = 0;
}

static void make_names(const char *directory)
{
	memset(name255, 'n', 255);
	memset(name256, 'n', 256);
	fill_path(path4095, 4095);
	fill_path(path4096, 4096);
	snprintf(absolute_file, sizeof(absolute_file), "%s/top/file", directory);
	snprintf(absolute_missing, sizeof(absolute_missing), "%s/top/missing", directory);
}

static void make_tree(const char *directory)
{
	/* One below, so that ".." is inside the grant as well. */
	NEED(chdir(directory) == 0 && mkdir("top", 0755) == 0 && chdir("top") == 0);
	NEED(mkdir("dir", 0755) == 0 && mkdir("dir/sub", 0755) == 0 && mkdir("empty", 0755) == 0);
	NEED(mkdir("noaccess", 0755) == 0 && mkdir("nowrite", 0755) == 0);
	make_file("file", 0644);
	make_file("dir/file", 0640);
	make_file("dir/sub/file", 0644);
	make_file("unreadable", 0);
	make_file("readonly", 0444);
	make_file("program", 0755);
	make_file("noaccess/file", 0644);
	make_file("nowrite/file", 0644);
	NEED(setxattr("file", "user.first", "value", 5, 0) == 0);
	NEED(setxattr("dir", "user.first", "", 0, 0) == 0);
	NEED(chmod("readonly", 0644) == 0);
	NEED(setxattr("readonly", "user.first", "other", 5, 0) == 0);
	NEED(chmod("readonly", 0444) == 0);
	NEED(symlink("file", "link") == 0 && symlink("missing", "dangling") == 0);
	NEED(symlink("dir", "dirlink") == 0 && symlink("loop2", "loop1") == 0);
	NEED(symlink("loop1", "loop2") == 0 && symlink("../file", "dir/up") == 0);
	NEED(symlink("sub/../file", "dir/round") == 0 && symlink("dirlink/up", "far") == 0);
	NEED(symlink("file/", "slashlink") == 0 && symlink(".", "dot") == 0);
	make_file(name255, 0644);
	NEED(symlink(absolute_file, "abslink") == 0);
	make_chain(41);
	NEED(chmod("noaccess", 0) == 0 && chmod("nowrite", 0555) == 0);
}

/* Every case that changes something gets a place of its own. */
static void make_place(int number)
{
	char path[64];

	snprintf(path, sizeof(path), "m%d", number);
	NEED(mkdir(path, 0755) == 0 && chdir(path) == 0);
	NEED(mkdir("dir", 0755) == 0 && mkdir("empty", 0755) == 0 && mkdir("nowrite", 0755) == 0);
	make_file("file", 0644);
	make_file("other", 0600);
	make_file("dir/file", 0644);
	make_file("nowrite/file", 0644);
	NEED(symlink("file", "link") == 0 && symlink("missing", "dangling") == 0);
	NEED(symlink("dir", "dirlink") == 0 && symlink("loop", "loop") == 0);
	NEED(chmod("nowrite", 0555) == 0 && chdir("..") == 0);
}

/* ---- what is printed
 * ---------------------------------------------------------------------------------- */

static void say(const char *what, const char *path, long result, int error, const char *format, ...)
{
	va_list arguments;
	char detail[256] = "";

	if (result >= 0 && format) {
		va_start(arguments, format);
		vsnprintf(detail, sizeof(detail), format, arguments);
		va_end(arguments);
	}
	if (strlen(path) > 60)
		path = path == name255   ? "<255>"
		       : path == name256 ? "<256>"
		       : path[4095]      ? "<4096>"
					 : "<4095>";
	if (path == absolute_file || path == absolute_missing)
		path = path == absolute_file ? "<absolute file>" : "<absolute missing>";
	if (result < 0)
		printf("%s(%s): %s\n", what, path, strerrorname_np(error));
	else
		printf("%s(%s): ok%s\n", what, path, detail);
}

/* The errno is taken here, after the call that is the last argument. */
static void say_result(const char *what, const char *path, long result)
{
	say(what, path, result, errno, NULL);
}

static void say_descriptor(const char *what, const char *path, int fd)
{
	int error = errno;
	struct stat st;

	if (fd < 0) {
		say(what, path, fd, error, NULL);
		return;
	}
	NEED(fstat(fd, &st) == 0);
	say(what, path, 0, 0, " mode %o size %ld flags %o cloexec %d", st.st_mode,
	    S_ISDIR(st.st_mode) ? 0L : (long)st.st_size, (unsigned)fcntl(fd, F_GETFL),
	    fcntl(fd, F_GETFD));
	close(fd);
}

/* ---- cases that change nothing
 * -------------------------------------------------------------------------- */

static const char *const paths[] = {
    "file",
    "dir",
    "missing",
    "dir/file",
    "file/",
    "dir/",
    "missing/",
    "file/x",
    "missing/x",
    "link",
    "link/",
    "dangling",
    "dangling/",
    "loop1",
    "loop1/x",
    "dirlink",
    "dirlink/",
    "dirlink/file",
    "dirlink/..",
    "dir/up",
    "dir/round",
    "far",
    "slashlink",
    "dot/file",
    "abslink",
    "",
    ".",
    "..",
    "./file",
    "dir/../file",
    "dir/sub/../file",
    "dir//file",
    "dir/.",
    "dir/./file",
    "file/.",
    "file/..",
    "missing/..",
    "noaccess",
    "noaccess/file",
    "noaccess/..",
    "unreadable",
    "readonly",
    "program",
    "nowrite/file",
    "nowrite/missing",
    /* Not 20 to 40 links: the kernel counts them on when it starts a walk anew, which happens under load. */
    "chain19",
    "chain41",
    "empty",
    "empty/missing",
    name255,
    name256,
    path4095,
    path4096,
    absolute_file,
    absolute_missing,
};

static const struct {
	const char *name;
	int flags;
} opens[] = {
    {"open rdonly", O_RDONLY},
    {"open wronly", O_WRONLY},
    {"open rdwr", O_RDWR | O_CLOEXEC},
    {"open append", O_WRONLY | O_APPEND},
    {"open accmode3", O_ACCMODE},
    {"open directory", O_RDONLY | O_DIRECTORY},
    {"open directory wronly", O_WRONLY | O_DIRECTORY},
    {"open nofollow", O_RDONLY | O_NOFOLLOW},
    {"open nonblock", O_RDONLY | O_NONBLOCK},
    {"open path", O_PATH},
    {"open path nofollow", O_PATH | O_NOFOLLOW},
    {"open path directory", O_PATH | O_DIRECTORY | O_CLOEXEC},
    {"open path with ignored flags", O_PATH | O_APPEND | O_RDWR},
    {"open noctty sync", O_RDONLY | O_NOCTTY | O_SYNC},
    {"open unknown bit", O_RDONLY | 0x40000000},
    {"open excl without creat", O_RDONLY | O_EXCL},
};

static void open_cases(const char *path, int dirfd)
{
	for (size_t i = 0; i < COUNT(opens); i++) {
		say_descriptor(opens[i].name, path,
			       (int)syscall(SYS_open, path, opens[i].flags, 0));
		say_descriptor("openat", path, openat(dirfd, path, opens[i].flags));
	}
	say_descriptor("openat bad dirfd", path, openat(-7, path, O_RDONLY));
	say_descriptor("openat stdin", path, openat(0, path, O_RDONLY));
}

static const struct {
	const char *name;
	struct open_how how;
} hows[] = {
    {"openat2", {.flags = O_RDONLY}},
    {"openat2 beneath", {.flags = O_RDONLY, .resolve = RESOLVE_BENEATH}},
    {"openat2 no-symlinks", {.flags = O_RDONLY, .resolve = RESOLVE_NO_SYMLINKS}},
    {"openat2 no-magiclinks", {.flags = O_RDONLY, .resolve = RESOLVE_NO_MAGICLINKS}},
    {"openat2 in-root", {.flags = O_RDONLY, .resolve = RESOLVE_IN_ROOT}},
    {"openat2 no-xdev", {.flags = O_RDONLY, .resolve = RESOLVE_NO_XDEV}},
    {"openat2 beneath in-root", {.flags = O_RDONLY, .resolve = RESOLVE_BENEATH | RESOLVE_IN_ROOT}},
    {"openat2 unknown resolve", {.flags = O_RDONLY, .resolve = 0x4000}},
    {"openat2 unknown flag", {.flags = 1ull << 40}},
    {"openat2 mode without creat", {.flags = O_RDONLY, .mode = 0600}},
    {"openat2 path with write", {.flags = O_PATH | O_RDWR}},
};

static void openat2_cases(const char *path, int dirfd)
{
	for (size_t i = 0; i < COUNT(hows); i++)
		say_descriptor(
		    hows[i].name, path,
		    (int)syscall(SYS_openat2, dirfd, path, &hows[i].how, sizeof(hows[i].how)));
}

static void say_stat(const char *what, const char *path, int r, const struct stat *st)
{
	say(what, path, r, errno, " mode %o size %ld links %ld", st->st_mode,
	    S_ISDIR(st->st_mode) || S_ISLNK(st->st_mode) ? 0L : (long)st->st_size,
	    (long)st->st_nlink);
}

static void stat_cases(const char *path, int dirfd)
{
	static const int flags[] = {0, AT_SYMLINK_NOFOLLOW, AT_NO_AUTOMOUNT, AT_REMOVEDIR, 0x40000};
	struct stat st = {0};
	struct statx stx = {0};
	long r;

	say_stat("stat", path, (int)syscall(SYS_stat, path, &st), &st);
	say_stat("lstat", path, (int)syscall(SYS_lstat, path, &st), &st);
	for (size_t i = 0; i < COUNT(flags); i++) {
		char what[64];

		snprintf(what, sizeof(what), "newfstatat %x", (unsigned)flags[i]);
		say_stat(what, path, (int)syscall(SYS_newfstatat, dirfd, path, &st, flags[i]), &st);
		snprintf(what, sizeof(what), "statx %x", (unsigned)flags[i]);
		r = syscall(SYS_statx, dirfd, path, flags[i], STATX_BASIC_STATS | STATX_BTIME,
			    &stx);
		say(what, path, r, errno, " mask %x mode %o links %u", stx.stx_mask & 0xfff,
		    stx.stx_mode, stx.stx_nlink);
	}
	r = syscall(SYS_statx, dirfd, path, 0, 0x80000000u, &stx);
	say_result("statx reserved mask", path, r);
}

static void access_cases(const char *path, int dirfd)
{
	for (int mode = 0; mode < 9; mode++) {
		char what[64];

		snprintf(what, sizeof(what), "access %d", mode);
		say_result(what, path, syscall(SYS_access, path, mode));
		snprintf(what, sizeof(what), "faccessat %d", mode);
		say_result(what, path, syscall(SYS_faccessat, dirfd, path, mode));
		snprintf(what, sizeof(what), "faccessat2 nofollow %d", mode);
		say(what, path, syscall(SYS_faccessat2, dirfd, path, mode, AT_SYMLINK_NOFOLLOW),
		    errno, NULL);
	}
	say("faccessat2 eaccess", path, syscall(SYS_faccessat2, dirfd, path, R_OK, AT_EACCESS),
	    errno, NULL);
	say_result("faccessat2 unknown", path, syscall(SYS_faccessat2, dirfd, path, R_OK, 0x8000));
}

static void link_cases(const char *path, int dirfd)
{
	static const int sizes[] = {-1, 0, 1, 4, 255};
	char target[256];

	for (size_t i = 0; i < COUNT(sizes); i++) {
		char what[64];
		long r = syscall(SYS_readlink, path, target, sizes[i]);
		int error = errno;

		snprintf(what, sizeof(what), "readlink %d", sizes[i]);
		if (r >= 0 && path != NULL && strcmp(path, "abslink") == 0)
			r = r > 0 ? 1 : 0; /* the trees stand in different places */
		say(what, path, r, error, " %ld %.*s", r, (int)(r > 0 ? r : 0), target);
		r = syscall(SYS_readlinkat, dirfd, path, target, sizes[i]);
		say_result("readlinkat", path, r < 0 ? r : 0);
	}
}

static void say_value(const char *what, const char *path, long r, const char *value, size_t size)
{
	say(what, path, r, errno, " %ld %.*s", r, size && r > 0 ? (int)r : 0, value);
}

static void attribute_cases(const char *path)
{
	static const char *const names[] = {
	    "user.first", "user.missing", "system.posix_acl_access", "security.any", "other",
	    "",           name256};
	static const size_t sizes[] = {0, 2, 64, 100000};
	static char value[100000];

	for (size_t i = 0; i < COUNT(names); i++)
		for (size_t j = 0; j < COUNT(sizes); j++) {
			char what[96];

			snprintf(what, sizeof(what), "getxattr %.20s %zu", names[i], sizes[j]);
			say_value(what, path,
				  syscall(SYS_getxattr, path, names[i], value, sizes[j]), value,
				  sizes[j]);
			snprintf(what, sizeof(what), "lgetxattr %.20s %zu", names[i], sizes[j]);
			say_value(what, path,
				  syscall(SYS_lgetxattr, path, names[i], value, sizes[j]), value,
				  sizes[j]);
		}
	for (size_t j = 0; j < COUNT(sizes); j++) {
		say_value("listxattr", path, syscall(SYS_listxattr, path, value, sizes[j]), value,
			  sizes[j]);
		say_value("llistxattr", path, syscall(SYS_llistxattr, path, value, sizes[j]), value,
			  sizes[j]);
	}
	say_result("getxattr wild name", path, syscall(SYS_getxattr, path, (void *)8, value, 64));
	say_result("getxattr wild value", path,
		   syscall(SYS_getxattr, path, "user.first", (void *)8, 64));
}

static void statfs_cases(const char *path)
{
	struct statfs system = {0};
	long r = syscall(SYS_statfs, path, &system);

	say("statfs", path, r, errno, " type %lx name %ld", (unsigned long)system.f_type,
	    (long)system.f_namelen);
	say_result("statfs wild", path, syscall(SYS_statfs, path, (void *)8));
}

static void directory_cases(const char *path, int home)
{
	long r = syscall(SYS_chdir, path);

	say_result("chdir", path, r);
	NEED(fchdir(home) == 0);
}

/* ---- cases that change something
 * --------------------------------------------------------------------------- */

static const char *const targets[] = {
    "file",         "dir",         "empty",        "missing",     "dir/file", "dir/new",
    "file/",        "empty/",      "missing/",     "link",        "link/",    "dangling",
    "dangling/",    "dirlink",     "dirlink/",     "loop",        "",         ".",
    "..",           "empty/.",     "empty/..",     "dir/..",      "file/x",   "missing/x",
    "nowrite/file", "nowrite/new", "dirlink/file", "dirlink/new", "./new",    "dir/../new",
    name256,
};

static const char *const destinations[] = {
    "new",      "other",       "empty", "dir",         "new/", "dir/new", "link",
    "dangling", "missing/new", "file",  "nowrite/new", ".",    "dir/sub", "loop",
};

static const struct {
	const char *name;
	int flags;
} creations[] = {
    {"creat rdonly", O_CREAT | O_RDONLY},
    {"creat wronly", O_CREAT | O_WRONLY},
    {"creat excl", O_CREAT | O_EXCL | O_RDWR},
    {"creat nofollow", O_CREAT | O_NOFOLLOW | O_WRONLY},
    {"creat trunc", O_CREAT | O_TRUNC | O_WRONLY},
    {"creat directory", O_CREAT | O_DIRECTORY | O_RDONLY},
    {"trunc", O_TRUNC | O_RDWR},
    {"trunc rdonly", O_TRUNC | O_RDONLY},
};

static const unsigned rename_flags[] = {0, 1, 2, 3, 8};

static long do_mkdir(const char *path)
{
	return syscall(SYS_mkdir, path, 0777);
}

static long do_mkdirat(const char *path)
{
	return syscall(SYS_mkdirat, AT_FDCWD, path, 0700);
}

static long do_unlink(const char *path)
{
	return syscall(SYS_unlink, path);
}

static long do_rmdir(const char *path)
{
	return syscall(SYS_rmdir, path);
}

static long do_unlinkat(const char *path)
{
	return syscall(SYS_unlinkat, AT_FDCWD, path, 0x1000);
}

static long do_symlink(const char *path)
{
	return syscall(SYS_symlink, "../any//text", path);
}

static long do_symlink_to_nothing(const char *path)
{
	return syscall(SYS_symlink, "", path);
}

static long do_symlink_wild(const char *path)
{
	return syscall(SYS_symlink, (void *)8, path);
}

static long do_symlinkat(const char *path)
{
	return syscall(SYS_symlinkat, path4095, AT_FDCWD, path);
}

static long do_mknod(const char *path)
{
	return syscall(SYS_mknod, path, S_IFREG | 0666, 0);
}

static long do_mknodat(const char *path)
{
	return syscall(SYS_mknodat, AT_FDCWD, path, S_IFIFO | 0600, 0);
}

static long do_mknod_directory(const char *path)
{
	return syscall(SYS_mknod, path, S_IFDIR | 0700, 0);
}

static long do_link(const char *path)
{
	return syscall(SYS_link, path, "dir/linked");
}

static long do_link_to(const char *path)
{
	return syscall(SYS_link, "other", path);
}

static long do_linkat(const char *path)
{
	return syscall(SYS_linkat, AT_FDCWD, path, AT_FDCWD, "linked", AT_SYMLINK_FOLLOW);
}

static long do_linkat_unknown(const char *path)
{
	return syscall(SYS_linkat, AT_FDCWD, path, AT_FDCWD, "linked", 1);
}

/* A file that gets its name last, in the directory that `path` names. */
static long do_tmpfile(const char *path)
{
	char own[32];
	int fd = open(path, O_TMPFILE | O_RDWR | O_CLOEXEC, 0664), error;
	long r;

	if (fd < 0)
		return fd;
	snprintf(own, sizeof(own), "/proc/self/fd/%d", fd);
	r = write(fd, "text", 4) == 4
		? syscall(SYS_linkat, AT_FDCWD, own, AT_FDCWD, "linked", AT_SYMLINK_FOLLOW)
		: -1;
	error = errno;
	close(fd);
	errno = error;
	return r;
}

static long do_tmpfile_exclusive(const char *path)
{
	char own[32];
	int fd = open(path, O_TMPFILE | O_EXCL | O_WRONLY | O_CLOEXEC, 0600), error;
	long r;

	if (fd < 0)
		return fd;
	snprintf(own, sizeof(own), "/proc/self/fd/%d", fd);
	r = syscall(SYS_linkat, AT_FDCWD, own, AT_FDCWD, "linked", AT_SYMLINK_FOLLOW);
	error = errno;
	close(fd);
	errno = error;
	return r;
}

/* A new name for a file whose only other one is below /proc. */
static long do_tmpfile_to(const char *path)
{
	char own[32];
	int fd = open("dir", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600), error;
	long r;

	NEED(fd >= 0);
	snprintf(own, sizeof(own), "/proc/self/fd/%d", fd);
	r = syscall(SYS_linkat, AT_FDCWD, own, AT_FDCWD, path, AT_SYMLINK_FOLLOW);
	error = errno;
	close(fd);
	errno = error;
	return r;
}

static long do_chmod(const char *path)
{
	return syscall(SYS_chmod, path, 0750);
}

static long do_fchmodat(const char *path)
{
	return syscall(SYS_fchmodat, AT_FDCWD, path, 0701);
}

static long do_fchmodat2(const char *path)
{
	return syscall(FCHMODAT2, AT_FDCWD, path, 0740, AT_SYMLINK_NOFOLLOW);
}

/* By a descriptor, which reading suffices for. */
static long with_descriptor(const char *path, long (*act)(int fd))
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), error;
	long r;

	if (fd < 0)
		return fd;
	r = act(fd);
	error = errno;
	close(fd);
	errno = error;
	return r;
}

static long act_fchmod(int fd)
{
	return syscall(SYS_fchmod, fd, 0711);
}

static long do_fchmod(const char *path)
{
	return with_descriptor(path, act_fchmod);
}

static const struct timespec old_times[] = {{1000000, 5}, {2000000, 0}},
			     wrong_times[] = {{1, -1}, {2, 0}},
			     no_times[] = {{1, UTIME_OMIT}, {2, UTIME_OMIT}};

static long act_futimens(int fd)
{
	return syscall(SYS_utimensat, fd, NULL, old_times, 0);
}

static long do_futimens(const char *path)
{
	return with_descriptor(path, act_futimens);
}

static long do_utimensat(const char *path)
{
	return syscall(SYS_utimensat, AT_FDCWD, path, old_times, AT_SYMLINK_NOFOLLOW);
}

static long do_utimensat_wrong(const char *path)
{
	return syscall(SYS_utimensat, AT_FDCWD, path, wrong_times, 0);
}

static long do_utimensat_nothing(const char *path)
{
	return syscall(SYS_utimensat, AT_FDCWD, path, no_times, 0);
}

static long do_utimensat_wild(const char *path)
{
	return syscall(SYS_utimensat, AT_FDCWD, path, (void *)8, 0);
}

static long do_utimes(const char *path)
{
	static const long values[] = {1000000, 7, 3000000, 999999};

	return syscall(SYS_utimes, path, values);
}

static long do_utimes_wrong(const char *path)
{
	static const long values[] = {1, 0, 1, 1000000};

	return syscall(SYS_utimes, path, values);
}

static long do_utime(const char *path)
{
	static const long seconds[] = {1000000, 4000000};

	return syscall(SYS_utime, path, seconds);
}

static long do_utime_now(const char *path)
{
	return syscall(SYS_utime, path, NULL);
}

static long do_truncate(const char *path)
{
	return syscall(SYS_truncate, path, 3L);
}

static long do_truncate_negative(const char *path)
{
	return syscall(SYS_truncate, path, -1L);
}

static long do_chown(const char *path)
{
	return syscall(SYS_chown, path, getuid(), getgid());
}

static long do_lchown(const char *path)
{
	return syscall(SYS_lchown, path, -1, -1);
}

static long do_fchownat_unknown(const char *path)
{
	return syscall(SYS_fchownat, AT_FDCWD, path, -1, -1, 2);
}

static long act_fchown(int fd)
{
	return syscall(SYS_fchown, fd, getuid(), -1);
}

static long do_fchown(const char *path)
{
	return with_descriptor(path, act_fchown);
}

static long do_setxattr(const char *path)
{
	return syscall(SYS_setxattr, path, "user.set", "value", 5, 0);
}

static long do_setxattr_replace(const char *path)
{
	return syscall(SYS_lsetxattr, path, "user.set", "value", 5, XATTR_REPLACE);
}

static long do_setxattr_unknown(const char *path)
{
	return syscall(SYS_setxattr, path, (void *)8, "value", 5, 4);
}

static long do_setxattr_wild(const char *path)
{
	return syscall(SYS_setxattr, path, "user.set", (void *)8, 5, 0);
}

/* Who runs this, by name, and a mask: in the form that the kernel stores. */
static size_t make_list(unsigned char *list)
{
	const struct {
		unsigned short tag, permissions;
		unsigned id;
	} entries[] = {{1, 7, -1U}, {2, 6, getuid()}, {4, 4, -1U}, {0x10, 5, -1U}, {0x20, 1, -1U}};
	const unsigned version = 2;

	memcpy(list, &version, sizeof(version));
	memcpy(list + sizeof(version), entries, sizeof(entries));
	return sizeof(version) + sizeof(entries);
}

static long do_list(const char *path)
{
	unsigned char list[64], got[64];
	size_t size = make_list(list);
	long r = syscall(SYS_setxattr, path, "system.posix_acl_access", list, size, 0);

	if (r == 0)
		r = syscall(SYS_getxattr, path, "system.posix_acl_access", got, sizeof(got));
	NEED(r <= 0 || ((size_t)r == size && memcmp(list, got, size) == 0));
	return r;
}

static long do_list_removed(const char *path)
{
	unsigned char list[64];

	(void)syscall(SYS_setxattr, path, "system.posix_acl_access", list, make_list(list), 0);
	return syscall(SYS_removexattr, path, "system.posix_acl_access");
}

/* What is made below has it, whatever the umask; the trees are compared. */
static long do_list_inherited(const char *path)
{
	char below[600];
	unsigned char list[64];
	long r = syscall(SYS_setxattr, path, "system.posix_acl_default", list, make_list(list), 0);

	snprintf(below, sizeof(below), "%.512s/inherits", path);
	if (r == 0)
		r = mkdir(below, 0777);
	snprintf(below, sizeof(below), "%.512s/inherits too", path);
	return r < 0 ? r : syscall(SYS_mknod, below, S_IFREG | 0666, 0);
}

static long do_list_wrong(const char *path)
{
	return syscall(SYS_setxattr, path, "system.posix_acl_access", "value", 5, 0);
}

static long do_removexattr(const char *path)
{
	return syscall(SYS_removexattr, path, "user.set");
}

static long act_fsetxattr(int fd)
{
	return syscall(SYS_fsetxattr, fd, "user.set", "", 0, XATTR_CREATE);
}

static long do_fsetxattr(const char *path)
{
	return with_descriptor(path, act_fsetxattr);
}

/* Twice on one instance, then whether the watches can be removed again. */
static long with_instance(const char *path, unsigned mask)
{
	int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK), error;
	long r;

	NEED(fd >= 0);
	r = syscall(SYS_inotify_add_watch, fd, path, mask);
	NEED(r < 0 || r == 1);
	if (r >= 0)
		r = syscall(SYS_inotify_add_watch, fd, path, mask);
	error = errno;
	if (r >= 0)
		NEED(inotify_rm_watch(fd, (int)r) == 0);
	close(fd);
	errno = error;
	return r;
}

static long do_watch(const char *path)
{
	return with_instance(path, IN_ALL_EVENTS);
}

static long do_watch_link(const char *path)
{
	return with_instance(path, IN_ATTRIB | IN_DONT_FOLLOW | IN_MASK_ADD);
}

static long do_watch_directory(const char *path)
{
	return with_instance(path, IN_CREATE | IN_ONLYDIR);
}

static long do_watch_create(const char *path)
{
	return with_instance(path, IN_OPEN | 0x10000000 /* IN_MASK_CREATE */);
}

static long do_watch_nothing(const char *path)
{
	return with_instance(path, 0);
}

static long do_watch_unknown(const char *path)
{
	return with_instance(path, 0x800000);
}

static long do_watch_both(const char *path)
{
	return with_instance(path, IN_OPEN | IN_MASK_ADD | 0x10000000);
}

static long act_watch(int fd)
{
	return syscall(SYS_inotify_add_watch, fd, ".", IN_OPEN);
}

static long do_watch_with_file(const char *path)
{
	return with_descriptor(path, act_watch);
}

static long do_watch_closed(const char *path)
{
	return syscall(SYS_inotify_add_watch, path[0] == '.' ? AT_FDCWD : 900, path, IN_OPEN);
}

static const struct {
	const char *name;
	long (*act)(const char *path);
} simple[] = {
    {"setxattr", do_setxattr},
    {"lsetxattr replace", do_setxattr_replace},
    {"setxattr unknown", do_setxattr_unknown},
    {"setxattr wild", do_setxattr_wild},
    {"access list", do_list},
    {"access list removed", do_list_removed},
    {"access list inherited", do_list_inherited},
    {"access list wrong", do_list_wrong},
    {"watch", do_watch},
    {"watch nofollow", do_watch_link},
    {"watch only directory", do_watch_directory},
    {"watch create", do_watch_create},
    {"watch nothing", do_watch_nothing},
    {"watch unknown", do_watch_unknown},
    {"watch both", do_watch_both},
    {"watch not with inotify", do_watch_with_file},
    {"watch closed", do_watch_closed},
    {"removexattr", do_removexattr},
    {"fsetxattr", do_fsetxattr},
    {"chown", do_chown},
    {"lchown", do_lchown},
    {"fchown", do_fchown},
    {"fchownat unknown", do_fchownat_unknown},
    {"chmod", do_chmod},
    {"fchmod", do_fchmod},
    {"fchmodat", do_fchmodat},
    {"fchmodat2 nofollow", do_fchmodat2},
    {"futimens", do_futimens},
    {"utimensat nofollow", do_utimensat},
    {"utimensat wrong", do_utimensat_wrong},
    {"utimensat nothing", do_utimensat_nothing},
    {"utimensat wild", do_utimensat_wild},
    {"utimes", do_utimes},
    {"utimes wrong", do_utimes_wrong},
    {"utime", do_utime},
    {"utime now", do_utime_now},
    {"truncate", do_truncate},
    {"truncate negative", do_truncate_negative},
    {"mkdir", do_mkdir},
    {"mkdirat", do_mkdirat},
    {"unlink", do_unlink},
    {"rmdir", do_rmdir},
    {"unlinkat", do_unlinkat},
    {"symlink", do_symlink},
    {"symlink to nothing", do_symlink_to_nothing},
    {"symlink wild", do_symlink_wild},
    {"symlinkat", do_symlinkat},
    {"mknod", do_mknod},
    {"mknodat FIFO", do_mknodat},
    {"mknod directory", do_mknod_directory},
    {"link", do_link},
    {"link to", do_link_to},
    {"linkat follow", do_linkat},
    {"linkat unknown", do_linkat_unknown},
    {"tmpfile", do_tmpfile},
    {"tmpfile exclusive", do_tmpfile_exclusive},
    {"tmpfile to", do_tmpfile_to},
};

#define CREATIONS (COUNT(targets) * COUNT(creations))
#define SIMPLE (COUNT(targets) * COUNT(simple))
#define RENAMES (COUNT(targets) * COUNT(destinations))
#define RENAMES2 (COUNT(destinations) * COUNT(rename_flags) * 3)
#define PLACES (int)(CREATIONS + SIMPLE + RENAMES + RENAMES2)

static void simple_case(size_t kind, const char *path)
{
	say_result(simple[kind].name, path, simple[kind].act(path));
}

static void rename2_case(size_t number)
{
	static const char *const sources[] = {"file", "dir", "link"};
	const char *to = destinations[number % COUNT(destinations)];
	unsigned flags = rename_flags[number / COUNT(destinations) % COUNT(rename_flags)];
	const char *from = sources[number / COUNT(destinations) / COUNT(rename_flags)];
	char what[96];

	snprintf(what, sizeof(what), "renameat2 %u %s to", flags, from);
	say_result(what, to, syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, flags));
}

static void changing_case(size_t number)
{
	if (number < CREATIONS) {
		const char *path = targets[number % COUNT(targets)];
		size_t kind = number / COUNT(targets);

		say_descriptor(creations[kind].name, path,
			       openat(AT_FDCWD, path, creations[kind].flags, 0666));
		return;
	}
	number -= CREATIONS;
	if (number < SIMPLE) {
		simple_case(number / COUNT(targets), targets[number % COUNT(targets)]);
		return;
	}
	number -= SIMPLE;
	if (number < RENAMES) {
		const char *to = destinations[number / COUNT(targets)];
		char what[96];

		snprintf(what, sizeof(what), "rename to %s", to);
		say_result(what, targets[number % COUNT(targets)],
			   syscall(SYS_rename, targets[number % COUNT(targets)], to));
		return;
	}
	rename2_case(number - RENAMES);
}

/* ---- both runs
 * ------------------------------------------------------------------------------------------------
 */

/* In the sandbox root has no capabilities: neither may it have any in the run that is compared
 * with. */
static void drop_capabilities(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[2] = {{0}};

	NEED(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	NEED(syscall(SYS_capset, &header, none) == 0);
}

static void run_cases(int home, int dirfd)
{
	for (size_t i = 0; i < COUNT(paths); i++) {
		open_cases(paths[i], dirfd);
		openat2_cases(paths[i], dirfd);
		stat_cases(paths[i], dirfd);
		access_cases(paths[i], dirfd);
		link_cases(paths[i], dirfd);
		attribute_cases(paths[i]);
		statfs_cases(paths[i]);
		directory_cases(paths[i], home);
	}
	for (int i = 0; i < PLACES; i++) {
		char place[32];

		snprintf(place, sizeof(place), "m%d", i);
		NEED(chdir(place) == 0);
		changing_case((size_t)i);
		NEED(fchdir(home) == 0);
	}
}

static void prepare(const char *directory)
{
	make_tree(directory);
	for (int i = 0; i < PLACES; i++)
		make_place(i);
}

/* differential native|locked|prepared DIRECTORY: all cases, natively; after locking oneself; in a tree
 * that `differential prepare DIRECTORY` made, since who runs on a floor may not make all of it. */
int main(int argc, char **argv)
{
	int home, dirfd;

	NEED(argc == 3);
	umask(022);
	make_names(argv[2]);
	if (strcmp(argv[1], "prepared") != 0)
		prepare(argv[2]);
	else
		NEED(chdir(argv[2]) == 0 && chdir("top") == 0);
	if (strcmp(argv[1], "prepare") == 0)
		return 0;
	home = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	dirfd = open("dir", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	NEED(home >= 0 && dirfd >= 0);
	if (strcmp(argv[1], "locked") == 0) {
		errno = -sp_sandboxee_enter();
		NEED(errno == 0);
	} else if (strcmp(argv[1], "native") == 0) {
		drop_capabilities();
	}
	run_cases(home, dirfd);
	return fflush(stdout) == 0 ? 0 : 98;
}
