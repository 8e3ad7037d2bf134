// SPDX-License-Identifier: Apache-2.0
// Every brokered call against the kernel's own, on two equal trees: the same errno, the same descriptor, the same
// bytes, the same tree afterwards. The cases are the product of a table of names and a table of calls.
#include <grp.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#include <functional>
#include <map>
#include <set>

#include "tests/unit/calls/calls_test.h"

namespace calls
{
namespace
{

const std::string kLong255(255, 'n');
const std::string kLong256(256, 'n');

// ---- the tree: T/w is made anew, T/foreign belongs to root and stays ----

void make_chain(const std::string &root, const std::string &prefix, int links)
{
	std::string target = "file";
	for (int i = 1; i <= links; i++) {
		std::string name = prefix + std::to_string(i);
		if (symlink(target.c_str(), (root + "/" + name).c_str()) != 0)
			throw std::runtime_error("symlink");
		target = name;
	}
}

void make_work(const std::string &tree)
{
	const std::string w = tree + "/w";
	static const std::vector<std::pair<const char *, mode_t>> directories = {
	    {"dir", 0755}, {"dir/sub", 0755}, {"empty", 0755}, {"full", 0755}, {"full/x", 0755}};
	static const std::vector<std::pair<const char *, const char *>> links = {
	    {"link", "file"},
	    {"dlink", "dir"},
	    {"dangling", "missing"},
	    {"slashlink", "dir/"},
	    {"fileslash", "file/"},
	    {"newslash", "missing/"},
	    {"dotlink", "."},
	    {"uplink", ".."},
	    {"rootlink", "/"},
	    {"loop", "loop"},
	    {"ping", "pong"},
	    {"pong", "ping"},
	    {"dir/back", "../file"},
	    {"dir/over", "../../w/file"},
	    {"dir/sub/top", "../../dlink/inner"},
	    {"outside", "../foreign"},
	    {"newlink", "dir/made"},
	    {"throughfile", "file/x"}};

	mkdir(w.c_str(), 0755);
	for (auto [name, mode] : directories)
		mkdir((w + "/" + name).c_str(), mode);
	for (const char *name : {"file", "dir/inner", "full/y", "dir/sub/deep", "other"})
		write_file(w + "/" + name, name);
	write_file(w + "/" + kLong255, "long");
	write_file(w + "/shut", "shut", 0);
	write_file(w + "/readonly", "readonly", 0444);
	write_file(w + "/program", "#!", 0755);
	for (auto [name, target] : links)
		if (symlink(target, (w + "/" + name).c_str()) != 0)
			throw std::runtime_error("symlink");
	for (const char *name : {"file", "dir", "program", "dir/inner"})
		if (setxattr((w + "/" + name).c_str(), "user.first", "value", 5, 0) != 0 ||
		    setxattr((w + "/" + name).c_str(), "user.empty", "", 0, 0) != 0)
			throw std::runtime_error("setxattr");
	if (symlink((w + "/file").c_str(), (w + "/absolute").c_str()) != 0 ||
	    link((w + "/file").c_str(), (w + "/hard").c_str()) != 0)
		throw std::runtime_error("links");
	make_chain(w, "chain", 42);
	for (auto [name, mode] :
	     std::vector<std::pair<const char *, mode_t>>{{"nosearch", 0600}, {"noread", 0311}}) {
		mkdir((w + "/" + name).c_str(), 0755);
		write_file(w + "/" + name + "/inner");
		mkdir((w + "/" + name + "/sub").c_str(), 0755);
		chmod((w + "/" + name).c_str(), mode);
	}
	mkdir((w + "/nowrite").c_str(), 0755);
	write_file(w + "/nowrite/inner");
	chmod((w + "/nowrite").c_str(), 0555);
}

void make_foreign(const std::string &tree)
{
	const std::string f = tree + "/foreign";
	mkdir(f.c_str(), 0755);
	write_file(f + "/private", "private", 0600);
	write_file(f + "/public", "public", 0644);
	mkdir((f + "/closed").c_str(), 0700);
	mkdir((f + "/sticky").c_str(), 0755);
	write_file(f + "/sticky/rooted", "rooted", 0666);
	chmod((f + "/sticky").c_str(), 01777);
}

// ---- what is compared ----

std::string describe_stat(const struct stat &s)
{
	std::string text = std::to_string(s.st_mode) + " " + std::to_string(s.st_nlink) + " " +
			   std::to_string(s.st_uid) + ":" + std::to_string(s.st_gid) + " " +
			   std::to_string(S_ISDIR(s.st_mode) ? 0 : s.st_size);
	// Times that a call has set are not of today.
	if (s.st_mtim.tv_sec < 1000000)
		text += " " + std::to_string(s.st_mtim.tv_sec) + "." +
			std::to_string(s.st_mtim.tv_nsec) + " " + std::to_string(s.st_atim.tv_sec) +
			"." + std::to_string(s.st_atim.tv_nsec);
	return text;
}

std::string describe_attributes(const std::string &path)
{
	std::string text;
	for (const char *name : {"user.first", "user.new"}) {
		char value[64];
		ssize_t n = lgetxattr(path.c_str(), name, value, sizeof(value));
		text += n < 0 ? "" : " " + std::string(value, static_cast<size_t>(n));
	}
	return text;
}

void snapshot(const std::string &path, const std::string &name,
	      std::map<std::string, std::string> &out, const std::string &tree)
{
	struct stat s;
	char text[PATH_MAX] = "";

	if (lstat(path.c_str(), &s) != 0)
		return;
	if (S_ISLNK(s.st_mode) && readlink(path.c_str(), text, sizeof(text) - 1) < 0)
		text[0] = '\0';
	std::string link = text;
	if (link.rfind(tree, 0) == 0)
		link = "$" + link.substr(tree.size());
	out[name] = describe_stat(s) + " " + link + describe_attributes(path);
	if (!S_ISDIR(s.st_mode))
		return;
	DIR *dir = opendir(path.c_str());
	if (!dir)
		return;
	while (struct dirent *entry = readdir(dir))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			snapshot(path + "/" + entry->d_name, name + "/" + entry->d_name, out, tree);
	closedir(dir);
}

std::map<std::string, std::string> snapshot(const std::string &tree)
{
	std::map<std::string, std::string> out;
	snapshot(tree, "", out, tree);
	return out;
}

std::string error_name(int64_t result)
{
	const char *name = result < 0 ? strerrorname_np(static_cast<int>(-result)) : nullptr;
	return name ? name : std::to_string(result);
}

// What a descriptor is, without saying which tree it is in.
std::string describe_descriptor(int fd, const std::string &tree)
{
	char name[PATH_MAX] = "";
	struct stat s;

	if (fstat(fd, &s) != 0)
		return "none";
	if (readlink(("/proc/self/fd/" + std::to_string(fd)).c_str(), name, sizeof(name) - 1) < 0)
		return "unnamed";
	std::string where = s.st_nlink == 0 ? "nameless" : name;
	if (where.rfind(tree, 0) == 0)
		where = "$" + where.substr(tree.size());
	else if (where == tree.substr(0, tree.rfind('/')))
		where = "$/..";
	return describe_stat(s) + " " + where + " flags " + std::to_string(fcntl(fd, F_GETFL));
}

// ---- one case ----

enum Start { kCwd, kTree, kDirectory, kFile, kClosed, kPathOnly, kLinkOnly };

struct CallRow {
	enum sp_call_id id;
	uint64_t flags = 0, mode = 0, resolve = 0;
	const char *path2 = ""; // "@": the name of the case goes here, and `path` is the source
	const char *path = nullptr;
	Start start = kCwd;
	uint64_t size = PATH_MAX;
	const char *text = "file";
	bool times = false;
	uint32_t owner = UINT32_MAX, group = UINT32_MAX;
};

struct Case {
	const CallRow &row;
	std::string path;
};

std::string place(const std::string &path, const std::string &tree)
{
	return !path.empty() && path[0] == '$' ? tree + path.substr(1) : path;
}

int start_directory(Start start, const std::string &tree)
{
	static const std::map<Start, std::pair<const char *, int>> starts = {
	    {kTree, {"", O_RDONLY}},
	    {kDirectory, {"/w/dir", O_RDONLY}},
	    {kFile, {"/w/file", O_RDONLY}},
	    {kPathOnly, {"/w/dir/sub", O_PATH}},
	    {kLinkOnly, {"/w/dlink", O_PATH | O_NOFOLLOW}}};

	if (start == kCwd)
		return AT_FDCWD;
	if (start == kClosed)
		return 900;
	return open((tree + starts.at(start).first).c_str(), starts.at(start).second | O_CLOEXEC);
}

Call build(const Case &c, const std::string &tree, int dirfd)
{
	const CallRow &row = c.row;
	bool second = strcmp(row.path2, "@") == 0;
	Call call = {row.id, place(second ? row.path : c.path, tree), row.flags, row.mode, dirfd};

	call.path2 = second ? c.path : place(row.path2, tree);
	call.path2 = place(call.path2, tree);
	call.dirfd2 = dirfd;
	call.resolve = row.resolve;
	call.size = row.size;
	call.text = row.text;
	call.data = "new value";
	call.owner = row.owner;
	call.group = row.group;
	call.has_times = row.times;
	call.times[0] = {1000, sp_call_table[row.id].extra == SP_EXTRA_TIMESPECS ? 5 : 0};
	call.times[1] = {2000, 0};
	return call;
}

struct Observed {
	int64_t result = 0;
	std::string seen;
	std::map<std::string, std::string> after;
};

// The kernel's own call, marshalled by the same table.
int64_t call_kernel(const Call &call, char *out)
{
	const struct sp_call_info &info = sp_call_table[call.id];
	struct open_how how = {call.flags, call.mode, call.resolve};
	uintptr_t args[6] = {};
	auto put = [&](int index, uintptr_t value) {
		if (index >= 0)
			args[index] = value;
	};

	put(info.dirfd, static_cast<uintptr_t>(static_cast<intptr_t>(call.dirfd)));
	put(info.dirfd2, static_cast<uintptr_t>(static_cast<intptr_t>(call.dirfd2)));
	put(info.path, lacks_path(call) ? 0 : reinterpret_cast<uintptr_t>(call.path.c_str()));
	int64_t times[4] = {call.times[0].tv_sec, call.times[0].tv_nsec, call.times[1].tv_sec,
			    call.times[1].tv_nsec};
	if (info.extra == SP_EXTRA_UTIMBUF)
		times[1] = times[2];
	put(info.data, call.has_times ? reinterpret_cast<uintptr_t>(times) : 0);
	put(info.path2, reinterpret_cast<uintptr_t>(call.path2.c_str()));
	put(info.text, reinterpret_cast<uintptr_t>(call.text.c_str()));
	put(info.flags, call.flags);
	put(info.mode, call.mode);
	if (info.extra == SP_EXTRA_OWNER) {
		put(info.mode, call.owner);
		put(info.mode + 1, call.group);
	}
	put(info.out, reinterpret_cast<uintptr_t>(out));
	put(info.size, call.size);
	if (info.extra == SP_EXTRA_ATTRIBUTE && info.data >= 0) {
		put(info.data, reinterpret_cast<uintptr_t>(call.data.data()));
		put(info.size, call.data.size());
	}
	if (info.extra == SP_EXTRA_OPEN_HOW) {
		put(info.flags, reinterpret_cast<uintptr_t>(&how));
		put(info.size, sizeof(how));
	}
	umask(022);
	long r;
	// A scoped ".." answers EAGAIN whenever anybody anywhere renames or mounts something meanwhile.
	do
		r = syscall(info.nr, args[0], args[1], args[2], args[3], args[4], args[5]);
	while (r < 0 && errno == EAGAIN && (call.resolve & (RESOLVE_BENEATH | RESOLVE_IN_ROOT)));
	return r < 0 ? -errno : r;
}

std::string describe_statx(const char *out)
{
	struct statx s;
	memcpy(&s, out, sizeof(s));
	return std::to_string(s.stx_mask) + " " + std::to_string(s.stx_mode) + " " +
	       std::to_string(s.stx_nlink) + " " + std::to_string(s.stx_mnt_id);
}

std::string describe_statfs(const char *out)
{
	struct statfs s;
	memcpy(&s, out, sizeof(s));
	return std::to_string(s.f_type) + " " + std::to_string(s.f_bsize) + " " +
	       std::to_string(s.f_namelen) + " " + std::to_string(s.f_flags);
}

std::string describe(const Call &call, int64_t *result, const char *out, int descriptor,
		     const std::string &tree)
{
	struct stat s;
	std::string text;

	if (*result < 0)
		return "";
	switch (sp_call_table[call.id].returns) {
	case SP_RETURNS_DESCRIPTOR:
		*result = 0;
		return describe_descriptor(descriptor, tree);
	case SP_RETURNS_DIRECTORY:
		return ""; // observed by the cwd
	case SP_RETURNS_STAT:
		memcpy(&s, out, sizeof(s));
		return describe_stat(s);
	case SP_RETURNS_STATX:
		return describe_statx(out);
	case SP_RETURNS_STATFS:
		return describe_statfs(out);
	case SP_RETURNS_VALUE:
		text.assign(out, call.size ? static_cast<size_t>(*result) : 0);
		return text;
	case SP_RETURNS_BYTES:
		text.assign(out, static_cast<size_t>(*result));
		*result = 0;
		return text.rfind(tree, 0) == 0 ? "$" + text.substr(tree.size()) : text;
	default:
		return "";
	}
}

std::string where_am_i(const std::string &tree)
{
	char name[PATH_MAX];
	std::string cwd = getcwd(name, sizeof(name)) ? name : "?";
	return cwd.rfind(tree, 0) == 0 ? "$" + cwd.substr(tree.size()) : cwd;
}

using Perform = std::function<int64_t(const Call &, char *out, int *descriptor)>;

Observed observe(const Case &c, const std::string &tree, bool changes, const Perform &perform)
{
	std::vector<char> out(SP_OUT_MAX + sizeof(struct statx));
	Observed observed;
	int descriptor = -1;

	if (chdir((tree + "/w").c_str()) != 0)
		throw std::runtime_error("chdir");
	{
		int dirfd = start_directory(c.row.start, tree);
		Fd start(dirfd == 900 ? -1 : dirfd);
		Call call = build(c, tree, dirfd);
		observed.result = perform(call, out.data(), &descriptor);
		Fd owned(descriptor);
		if (sp_call_table[call.id].returns == SP_RETURNS_DIRECTORY) {
			// What the runtime does with the descriptor, natively a no-op.
			if (observed.result >= 0 && descriptor >= 0 && fchdir(descriptor) != 0)
				observed.result = -errno;
			observed.seen = where_am_i(tree);
		} else {
			observed.seen =
			    describe(call, &observed.result, out.data(), descriptor, tree);
		}
	}
	if (changes)
		observed.after = snapshot(tree);
	return observed;
}

// ---- the tables ----

constexpr uint64_t kNew = O_CREAT | O_WRONLY;

CallRow timed(CallRow row)
{
	row.times = true;
	return row;
}

CallRow named(CallRow row, const char *text)
{
	row.text = text;
	return row;
}

CallRow owned(CallRow row, uint32_t owner, uint32_t group)
{
	row.owner = owner;
	row.group = group;
	return row;
}

CallRow sized(CallRow row, uint64_t size)
{
	row.size = size;
	return row;
}

const std::vector<CallRow> kCalls = {
    {SP_CALL_open, O_RDONLY},
    {SP_CALL_open, O_WRONLY},
    {SP_CALL_open, O_RDWR | O_APPEND},
    {SP_CALL_open, O_ACCMODE},
    {SP_CALL_open, O_PATH},
    {SP_CALL_open, O_PATH | O_NOFOLLOW | O_CREAT},
    {SP_CALL_open, O_RDONLY | O_NOFOLLOW | O_NONBLOCK},
    {SP_CALL_open, O_RDONLY | O_DIRECTORY},
    {SP_CALL_open, O_RDONLY | O_DIRECTORY | O_NOFOLLOW},
    {SP_CALL_open, O_WRONLY | O_TRUNC},
    {SP_CALL_open, O_RDONLY | O_TRUNC},
    {SP_CALL_open, O_ACCMODE | O_TRUNC},
    {SP_CALL_open, O_RDONLY | O_NOATIME | O_SYNC},
    {SP_CALL_open, O_RDONLY | 1ULL << 30 | 1ULL << 28},
    {SP_CALL_open, kNew, 0640},
    {SP_CALL_open, O_CREAT | O_RDONLY, 0},
    {SP_CALL_open, kNew | O_TRUNC, 0666},
    {SP_CALL_open, kNew | O_EXCL, 0600},
    {SP_CALL_open, kNew | O_NOFOLLOW, 0777},
    {SP_CALL_open, kNew | O_DIRECTORY, 0600},
    {SP_CALL_open, O_TMPFILE | O_RDWR, 0644},
    {SP_CALL_open, O_TMPFILE | O_RDONLY, 0644},
    {SP_CALL_creat, 0, 0644},
    {SP_CALL_openat, O_RDONLY, 0, 0, "", nullptr, kTree},
    {SP_CALL_openat, O_RDONLY, 0, 0, "", nullptr, kDirectory},
    {SP_CALL_openat, O_RDONLY, 0, 0, "", nullptr, kFile},
    {SP_CALL_openat, O_RDONLY, 0, 0, "", nullptr, kClosed},
    {SP_CALL_openat, O_RDONLY, 0, 0, "", nullptr, kPathOnly},
    {SP_CALL_openat, O_RDONLY, 0, 0, "", nullptr, kLinkOnly},
    {SP_CALL_openat, kNew, 0600, 0, "", nullptr, kDirectory},
    {SP_CALL_openat2, O_RDONLY},
    {SP_CALL_openat2, O_RDONLY, 0600},
    {SP_CALL_openat2, O_RDONLY | 1ULL << 40},
    {SP_CALL_openat2, O_RDONLY, 0, 1ULL << 20},
    {SP_CALL_openat2, O_RDONLY, 0, RESOLVE_BENEATH | RESOLVE_IN_ROOT},
    {SP_CALL_openat2, O_PATH | O_RDWR},
    {SP_CALL_openat2, O_RDONLY, 0, RESOLVE_BENEATH},
    {SP_CALL_openat2, O_RDONLY, 0, RESOLVE_IN_ROOT},
    {SP_CALL_openat2, kNew, 0600, RESOLVE_BENEATH},
    {SP_CALL_openat2, kNew, 0600, RESOLVE_IN_ROOT},
    {SP_CALL_openat2, O_RDONLY, 0, RESOLVE_NO_SYMLINKS},
    {SP_CALL_openat2, O_PATH | O_NOFOLLOW, 0, RESOLVE_NO_SYMLINKS},
    {SP_CALL_openat2, O_RDONLY, 0, RESOLVE_NO_MAGICLINKS},
    {SP_CALL_openat2, O_RDONLY, 0, RESOLVE_NO_XDEV},
    {SP_CALL_openat2, O_RDONLY, 0, RESOLVE_BENEATH, "", nullptr, kDirectory},
    {SP_CALL_openat2, O_RDONLY, 0, RESOLVE_IN_ROOT, "", nullptr, kDirectory},
    {SP_CALL_access, 0, F_OK},
    {SP_CALL_access, 0, R_OK | W_OK},
    {SP_CALL_access, 0, X_OK},
    {SP_CALL_access, 0, 8},
    {SP_CALL_faccessat, 0, R_OK, 0, "", nullptr, kTree},
    {SP_CALL_faccessat2, AT_SYMLINK_NOFOLLOW | AT_EACCESS, F_OK},
    {SP_CALL_faccessat2, 0x4000, F_OK},
    {SP_CALL_stat},
    {SP_CALL_lstat},
    {SP_CALL_newfstatat, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, 0, 0, "", nullptr, kTree},
    {SP_CALL_newfstatat, 0x8000},
    {SP_CALL_newfstatat, 0, 0, 0, "", nullptr, kFile},
    {SP_CALL_statx, 0, STATX_BASIC_STATS | STATX_MNT_ID},
    {SP_CALL_statx, AT_SYMLINK_NOFOLLOW | AT_STATX_DONT_SYNC, STATX_TYPE},
    {SP_CALL_statx, AT_STATX_SYNC_TYPE, STATX_TYPE},
    {SP_CALL_statx, 0, STATX__RESERVED},
    {SP_CALL_statx, 0x20000, STATX_TYPE},
    {SP_CALL_readlink},
    {SP_CALL_readlink, 0, 0, 0, "", nullptr, kCwd, 3},
    {SP_CALL_readlink, 0, 0, 0, "", nullptr, kCwd, 0},
    {SP_CALL_readlink, 0, 0, 0, "", nullptr, kCwd, 0x80000000},
    {SP_CALL_readlinkat, 0, 0, 0, "", nullptr, kDirectory},
    {SP_CALL_chdir},
    {SP_CALL_mkdir, 0, 0777},
    {SP_CALL_mkdirat, 0, 0700, 0, "", nullptr, kDirectory},
    {SP_CALL_mknod, 0, S_IFREG | 0666},
    {SP_CALL_mknod, 0, 0600},
    {SP_CALL_mknod, 0, S_IFIFO | 0644},
    {SP_CALL_mknod, 0, S_IFDIR | 0755},
    {SP_CALL_mknod, 0, S_IFLNK | 0777},
    {SP_CALL_mknodat, 0, S_IFSOCK | 0777, 0, "", nullptr, kDirectory},
    {SP_CALL_symlink},
    {SP_CALL_symlink, 0, 0, 0, "", nullptr, kCwd, 0, ""},
    {SP_CALL_symlink, 0, 0, 0, "", nullptr, kCwd, 0, "/any/text at all/../"},
    {SP_CALL_symlinkat, 0, 0, 0, "", nullptr, kDirectory},
    {SP_CALL_symlinkat, 0, 0, 0, "", nullptr, kClosed},
    {SP_CALL_link, 0, 0, 0, "made"},
    {SP_CALL_link, 0, 0, 0, "dir/made"},
    {SP_CALL_link, 0, 0, 0, "made/"},
    {SP_CALL_link, 0, 0, 0, "other"},
    {SP_CALL_link, 0, 0, 0, "@", "other"},
    {SP_CALL_linkat, 0, 0, 0, "@", "link"},
    {SP_CALL_linkat, AT_SYMLINK_FOLLOW, 0, 0, "@", "link"},
    {SP_CALL_linkat, AT_SYMLINK_FOLLOW, 0, 0, "made"},
    {SP_CALL_linkat, 0, 0, 0, "made", nullptr, kDirectory},
    {SP_CALL_linkat, 1, 0, 0, "made"},
    {SP_CALL_unlink},
    {SP_CALL_rmdir},
    {SP_CALL_unlinkat, 0, 0, 0, "", nullptr, kDirectory},
    {SP_CALL_unlinkat, AT_REMOVEDIR, 0, 0, "", nullptr, kTree},
    {SP_CALL_unlinkat, 1},
    {SP_CALL_rename, 0, 0, 0, "renamed"},
    {SP_CALL_rename, 0, 0, 0, "other"},
    {SP_CALL_rename, 0, 0, 0, "empty"},
    {SP_CALL_rename, 0, 0, 0, "renamed/"},
    {SP_CALL_rename, 0, 0, 0, "@", "other"},
    {SP_CALL_rename, 0, 0, 0, "@", "empty"},
    {SP_CALL_rename, 0, 0, 0, "@", "dir"},
    {SP_CALL_renameat, 0, 0, 0, "moved", nullptr, kDirectory},
    {SP_CALL_renameat2, RENAME_NOREPLACE, 0, 0, "@", "other"},
    {SP_CALL_renameat2, RENAME_EXCHANGE, 0, 0, "@", "other"},
    {SP_CALL_renameat2, RENAME_EXCHANGE | RENAME_NOREPLACE, 0, 0, "@", "other"},
    {SP_CALL_renameat2, 64, 0, 0, "@", "other"},
    {SP_CALL_chmod, 0, 0640},
    {SP_CALL_chmod, 0, 0},
    {SP_CALL_fchmodat, 0, 0755, 0, "", nullptr, kDirectory},
    {SP_CALL_fchmodat, 0, 0755, 0, "", nullptr, kClosed},
    {SP_CALL_fchmodat2, AT_SYMLINK_NOFOLLOW, 0600},
    {SP_CALL_fchmodat2, 1, 0600},
    {SP_CALL_fchmodat2, AT_EMPTY_PATH, 0600, 0, "", nullptr, kFile},
    {SP_CALL_fchmodat2, AT_EMPTY_PATH, 0700, 0, "", nullptr, kPathOnly},
    {SP_CALL_fchmodat2, AT_EMPTY_PATH, 0700, 0, "", nullptr, kLinkOnly},
    {SP_CALL_fchmodat2, AT_EMPTY_PATH, 0700},
    timed({SP_CALL_utime}),
    timed({SP_CALL_utimes}),
    timed({SP_CALL_futimesat, 0, 0, 0, "", nullptr, kDirectory}),
    timed({SP_CALL_utimensat, AT_SYMLINK_NOFOLLOW}),
    timed({SP_CALL_utimensat, AT_EMPTY_PATH, 0, 0, "", nullptr, kFile}),
    timed({SP_CALL_utimensat, AT_EMPTY_PATH, 0, 0, "", nullptr, kLinkOnly}),
    timed({SP_CALL_utimensat, 4}),
    {SP_CALL_utime},
    {SP_CALL_utimensat, 0, 0, 0, "", nullptr, kClosed},
    sized({SP_CALL_truncate}, 2),
    sized({SP_CALL_truncate}, 100000),
    sized({SP_CALL_truncate}, UINT64_MAX),
    sized({SP_CALL_truncate}, INT64_MAX),
    {SP_CALL_statfs},
    named({SP_CALL_getxattr}, "user.first"),
    named(sized({SP_CALL_getxattr}, 0), "user.first"),
    named(sized({SP_CALL_getxattr}, 4), "user.first"),
    named(sized({SP_CALL_getxattr}, 5), "user.first"),
    named(sized({SP_CALL_getxattr}, 100000), "user.empty"),
    named({SP_CALL_getxattr}, "user.missing"),
    named({SP_CALL_getxattr}, "system.posix_acl_access"),
    named({SP_CALL_getxattr}, "security.selinux"),
    named({SP_CALL_getxattr}, "trusted.any"),
    named({SP_CALL_getxattr}, "user."),
    named({SP_CALL_getxattr}, "any"),
    named({SP_CALL_lgetxattr}, "user.first"),
    named({SP_CALL_lgetxattr}, "system.posix_acl_access"),
    {SP_CALL_listxattr},
    sized({SP_CALL_listxattr}, 0),
    sized({SP_CALL_listxattr}, 3),
    {SP_CALL_llistxattr},
    {SP_CALL_chown},
    owned({SP_CALL_chown}, 65534, 65534),
    owned({SP_CALL_chown}, 1234, UINT32_MAX),
    owned({SP_CALL_lchown}, 65534, 65534),
    owned({SP_CALL_lchown}, UINT32_MAX, 1234),
    owned({SP_CALL_fchownat, 0, 0, 0, "", nullptr, kDirectory}, UINT32_MAX, UINT32_MAX),
    {SP_CALL_fchownat, AT_SYMLINK_NOFOLLOW},
    {SP_CALL_fchownat, AT_EMPTY_PATH, 0, 0, "", nullptr, kLinkOnly},
    {SP_CALL_fchownat, AT_EMPTY_PATH, 0, 0, "", nullptr, kClosed},
    {SP_CALL_fchownat, 2},
    named({SP_CALL_setxattr}, "user.first"),
    named({SP_CALL_setxattr, XATTR_CREATE}, "user.first"),
    named({SP_CALL_setxattr, XATTR_REPLACE}, "user.new"),
    named({SP_CALL_setxattr, 4}, "user.first"),
    named({SP_CALL_setxattr, XATTR_CREATE | XATTR_REPLACE}, "user.first"),
    named({SP_CALL_lsetxattr}, "user.first"),
    named({SP_CALL_removexattr}, "user.first"),
    named({SP_CALL_removexattr}, "user.missing"),
    named({SP_CALL_lremovexattr}, "user.first"),
};

std::string repeat(const std::string &text, int times)
{
	std::string out;
	for (int i = 0; i < times; i++)
		out += text;
	return out;
}

std::vector<std::string> names()
{
	std::vector<std::string> all = {"",
					".",
					"..",
					"/",
					"//",
					"./",
					"../w",
					"../../../../../../../../..",
					"../w/../w/file",
					"file",
					"./file",
					"file/",
					"file/.",
					"file/..",
					"file/x",
					"dir",
					"dir/",
					"dir/.",
					"dir/..",
					"dir/../file",
					"dir/../../w/dir/inner",
					"dir//inner",
					"dir/inner/",
					"dir/./inner",
					"dir/sub/../inner",
					"dir/sub/../../file",
					"missing",
					"missing/",
					"missing/.",
					"missing/x",
					"missing/..",
					"dir/missing",
					"link",
					"link/",
					"link/x",
					"dlink",
					"dlink/",
					"dlink/.",
					"dlink/..",
					"dlink/inner",
					"dlink/../file",
					"dangling",
					"dangling/",
					"dangling/x",
					"slashlink",
					"slashlink/inner",
					"fileslash",
					"newslash",
					"dotlink",
					"dotlink/file",
					"uplink",
					"uplink/w/file",
					"loop",
					"loop/",
					"loop/x",
					"ping",
					"dir/back",
					"dir/over",
					"dir/sub/top",
					"newlink",
					"throughfile",
					"absolute",
					"absolute/",
					"chain40",
					"chain41",
					"chain42",
					"$/w/file",
					"$/w/./dir/../file",
					"$//w//dir",
					"$/w/missing",
					"shut",
					"readonly",
					"program",
					"nosearch",
					"nosearch/",
					"nosearch/.",
					"nosearch/..",
					"nosearch/inner",
					"nosearch/missing",
					"nosearch/sub",
					"noread",
					"noread/inner",
					"noread/missing",
					"nowrite/inner",
					"nowrite/missing",
					"empty",
					"empty/",
					"full",
					"full/x",
					"full/../empty",
					"../foreign/private",
					"../foreign/public",
					"../foreign/closed",
					"../foreign/closed/x",
					"../foreign/sticky/rooted",
					"outside/public",
					"hard",
					"dir/sub",
					"dir/sub/deeper",
					"inner",
					"w/file",
					"w/dir/inner",
					"sub/deep",
					"rootlink"};

	all.push_back(kLong255);
	all.push_back(kLong256);
	all.push_back("dir/" + kLong256 + "/x");
	all.push_back("missing/" + kLong256);
	all.push_back(repeat("./", 2045) +
		      "/file"); // PATH_MAX - 1 bytes, the longest that a process can pass
	all.push_back(repeat("dir/../", 580) + "file");
	all.push_back(repeat("dlink/../", 41) + "file");
	all.push_back(repeat("dlink/../", 40) + "file");
	return all;
}

// ---- where we differ, and why ----

bool creates(const CallRow &row)
{
	return (row.flags | sp_call_table[row.id].implied) & O_CREAT;
}

struct Difference {
	const char *name, *reason;
	int64_t expected; // our answer
	std::function<bool(const Case &, const Observed &kernel)> applies;
};

const std::vector<Difference> &differences()
{
	static const std::vector<Difference> table = {
	    {"root-write",
	     "the policy of this test grants reading the root and its metadata, no more", -EACCES,
	     [](const Case &c, const Observed &kernel) {
		     bool at_root = c.path == "/" || c.path == "//" || c.path == "rootlink" ||
				    c.path.rfind("../../../../../..", 0) == 0;
		     return at_root && (kernel.result == 0 || kernel.result == -EISDIR ||
					kernel.result == -EACCES || kernel.result == -EOPNOTSUPP);
	     }},
	};
	return table;
}

// A kernel that starts over in mid-walk, as it does under load, counts the links before it again
// (fs/namei.c: a walk under RCU that fails begins anew with total_link_count kept), and may find too many in
// names of up to 40 links. Such a call has changed nothing: it is asked again.
int64_t call_kernel_anew(const Call &call, const std::string &path, char *out)
{
	bool up_to_forty = path == "chain40" || path == repeat("dlink/../", 40) + "file";
	int64_t r = call_kernel(call, out);

	for (int i = 0; i < 1000 && up_to_forty && r == -ELOOP; i++)
		r = call_kernel(call, out);
	return r;
}

bool changes_metadata(const CallRow &row)
{
	switch (sp_call_table[row.id].operation) {
	case SP_OPERATION_CHMOD:
	case SP_OPERATION_UTIME:
	case SP_OPERATION_TRUNCATE:
	case SP_OPERATION_CHOWN:
	case SP_OPERATION_SETXATTR:
	case SP_OPERATION_REMOVEXATTR:
		return true;
	default:
		return false;
	}
}

bool is_changing(const CallRow &row)
{
	switch (sp_call_table[row.id].operation) {
	case SP_OPERATION_OPEN:
		return creates(row) || (row.flags & O_TRUNC);
	case SP_OPERATION_MKDIR:
	case SP_OPERATION_UNLINK:
	case SP_OPERATION_RENAME:
	case SP_OPERATION_MKNOD:
	case SP_OPERATION_SYMLINK:
	case SP_OPERATION_LINK:
		return true;
	default:
		return changes_metadata(row);
	}
}

// Both trees, and both ways.
class Pair
{
      public:
	explicit Pair(const std::string &top) : kernel_(top + "/k/t"), broker_(top + "/b/t")
	{
		std::vector<Rule> rows = {{"/", SP_RIGHT_READ}};
		for (const Rule &rule : tree(top + "/b", SP_RIGHT_ALL))
			rows.push_back(rule);
		world_ = std::make_unique<World>(rows);
		refresh();
	}

	void refresh()
	{
		for (const std::string &tree : {kernel_, broker_}) {
			chmod(tree.c_str(), 0755);
			Scratch::remove_all(tree + "/w");
			make_work(tree);
			if (geteuid() != 0)
				continue;
			Scratch::remove_all(tree + "/foreign");
			make_foreign(tree);
		}
		fresh_ = snapshot(kernel_);
	}

	// The kernel's turn is not played: a change beyond the tree, such as of the machine's root, would be real.
	bool reaches_out(const Case &c) const
	{
		if (!changes_metadata(c.row) || chdir((kernel_ + "/w").c_str()) != 0)
			return false;
		int dirfd = start_directory(c.row.start, kernel_);
		Fd start(dirfd == 900 ? -1 : dirfd);
		Fd object(openat(dirfd, place(c.path, kernel_).c_str(), O_PATH | O_CLOEXEC));
		char name[PATH_MAX] = "";

		if (object.get() < 0)
			return false;
		if (readlink(("/proc/self/fd/" + std::to_string(object.get())).c_str(), name,
			     sizeof(name) - 1) < 0)
			throw std::runtime_error("readlink");
		return name != kernel_ && std::string(name).rfind(kernel_ + "/", 0) != 0;
	}

	// Empty: equal. Else what differs.
	std::string compare(const Case &c, Observed *ret_kernel)
	{
		bool changes = is_changing(c.row);
		Observed kernel = observe(
		    c, kernel_, changes, [&c](const Call &call, char *out, int *descriptor) {
			    int64_t r = call_kernel_anew(call, c.path, out);
			    if (r >= 0 && sp_call_table[call.id].returns == SP_RETURNS_DESCRIPTOR)
				    *descriptor = static_cast<int>(r);
			    return r;
		    });
		Observed broker = observe(
		    c, broker_, changes, [this](const Call &call, char *out, int *descriptor) {
			    Outcome outcome = world_->perform(call);
			    memcpy(out, outcome.out.data(), outcome.out.size());
			    *descriptor = outcome.descriptor.get() < 0
					      ? -1
					      : dup_cloexec(outcome.descriptor.get());
			    return outcome.result;
		    });
		if (kernel.after != broker.after || (changes && kernel.after != fresh_))
			refresh();
		*ret_kernel = kernel;
		result_ = broker.result;
		if (kernel.result != broker.result)
			return "kernel " + error_name(kernel.result) + ", broker " +
			       error_name(broker.result);
		if (kernel.seen != broker.seen)
			return "kernel saw '" + kernel.seen + "', broker '" + broker.seen + "'";
		return kernel.after == broker.after ? "" : "the trees differ afterwards";
	}
	int64_t result() const
	{
		return result_;
	}

      private:
	static int dup_cloexec(int fd)
	{
		return fcntl(fd, F_DUPFD_CLOEXEC, 3);
	}

	std::string kernel_, broker_;
	std::unique_ptr<World> world_;
	std::map<std::string, std::string> fresh_;
	int64_t result_ = 0;
};

struct Tally {
	int cases = 0, equal = 0, failed = 0;
	std::set<std::string> errors, used;
};

const Difference *find_difference(const Case &c, const Observed &kernel, int64_t result)
{
	for (const Difference &difference : differences())
		if (difference.expected == result && difference.applies(c, kernel))
			return &difference;
	return nullptr;
}

void run_case(Pair &pair, const Case &c, Tally &tally)
{
	Observed kernel;

	if (pair.reaches_out(c))
		return;
	std::string difference = pair.compare(c, &kernel);

	tally.cases++;
	tally.errors.insert(error_name(kernel.result));
	if (difference.empty()) {
		tally.equal++;
		return;
	}
	if (const Difference *listed = find_difference(c, kernel, pair.result())) {
		tally.used.insert(listed->name);
		return;
	}
	tally.failed++;
	fprintf(stderr,
		"%s flags %#llx mode %#llx resolve %#llx start %d path '%.60s' path2 '%s': %s\n",
		sp_call_table[c.row.id].name, (unsigned long long)c.row.flags,
		(unsigned long long)c.row.mode, (unsigned long long)c.row.resolve, c.row.start,
		c.path.c_str(), c.row.path2, difference.c_str());
}

Tally run_all(const std::string &top)
{
	Pair pair(top);
	Tally tally;

	for (const CallRow &row : kCalls)
		for (const std::string &name : names())
			run_case(pair, {row, name}, tally);
	return tally;
}

bool contains(const Tally &tally, const std::vector<const char *> &errors)
{
	bool all = true;
	for (const char *error : errors)
		if (!tally.errors.count(error)) {
			fprintf(stderr, "no case gave %s\n", error);
			all = false;
		}
	return all;
}

class Differential : public CallsTest
{
      protected:
	void SetUp() override
	{
		CallsTest::SetUp();
		here_ = Fd(open(".", O_PATH | O_DIRECTORY | O_CLOEXEC));
	}
	void TearDown() override
	{
		ASSERT_EQ(0, fchdir(here_.get()));
		here_ = Fd();
		CallsTest::TearDown();
	}

      private:
	Fd here_;
};

void prepare(const Scratch &scratch)
{
	for (const char *name : {"k", "b"}) {
		mkdir((scratch / name).c_str(), 0755);
		mkdir((scratch / name + "/t").c_str(), 0755);
		make_foreign(scratch / name + "/t");
	}
}

TEST_F(Differential, AsTheUserWhoRunsTheTests)
{
	Scratch scratch;
	prepare(scratch);
	Tally tally = run_all(scratch.path());
	printf("%d cases, %d equal, %zu listed differences\n", tally.cases, tally.equal,
	       tally.used.size());
	EXPECT_EQ(0, tally.failed);
	EXPECT_GE(tally.equal, 400);
	EXPECT_TRUE(
	    contains(tally, {"ENOENT", "ENOTDIR", "EISDIR", "EEXIST", "ELOOP", "ENAMETOOLONG",
			     "EINVAL", "EBADF", "ENOTEMPTY", "EXDEV", "EBUSY"}));
}

int run_unprivileged(const Scratch &scratch)
{
	if (setgroups(0, nullptr) != 0 || setresgid(65534, 65534, 65534) != 0 ||
	    setresuid(65534, 65534, 65534) != 0)
		return 3;
	prctl(PR_SET_DUMPABLE, 1);
	Tally tally = run_all(scratch.path());
	printf("%d cases, %d equal, %zu listed differences\n", tally.cases, tally.equal,
	       tally.used.size());
	fflush(stdout);
	if (!contains(tally, {"EACCES", "EPERM"}))
		return 2;
	return tally.failed == 0 && tally.equal >= 400 ? 0 : 1;
}

TEST_F(Differential, WithoutPrivileges)
{
	int status;

	if (geteuid() != 0)
		GTEST_SKIP() << "the other test is this one";
	Scratch scratch;
	prepare(scratch);
	for (const char *name : {"k", "b", "k/t", "b/t"})
		ASSERT_EQ(0, chown((scratch / name).c_str(), 65534, 65534));
	pid_t child = fork();
	if (child == 0)
		_exit(run_unprivileged(scratch));
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_TRUE(WIFEXITED(status));
	EXPECT_EQ(0, WEXITSTATUS(status));
}

} // namespace
} // namespace calls
