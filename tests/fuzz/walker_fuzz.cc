// SPDX-License-Identifier: Apache-2.0
// Any call on any names: whatever comes back lies in what the policy grants, and the rest of the tree is untouched.
//
// An input is a fixed head, then the first name, NUL, the second name. A '$' at the start of a name stands for the
// tree. The head is: row, start, flags (8 bytes), mode (2), resolve (1), umask (1).
#include <cstdio>
#include <sys/xattr.h>

#include "tests/unit/calls/world.h"

namespace
{

using calls::Fd;

constexpr size_t kHead = 14;

[[noreturn]] void fail(const char *what, const std::string &detail)
{
	fprintf(stderr, "walker_fuzz: %s: %s\n", what, detail.c_str());
	abort();
}

// T/open is granted; T/secret holds the canaries, and links in T/open lead there.
class Tree
{
      public:
	Tree() : world_(rows(scratch_.path()))
	{
		mkdir((scratch_ / "secret").c_str(), 0755);
		mkdir((scratch_ / "secret/dir").c_str(), 0755);
		for (const char *name : {"secret/file", "secret/dir/file"})
			calls::write_file(scratch_ / name, "canary");
		refresh();
	}

	void refresh()
	{
		static const char *const links[][2] = {{"../secret/file", "open/out"},
						       {"../secret", "open/outdir"},
						       {"dir/file", "open/in"},
						       {"dir", "open/indir"},
						       {"loop", "open/loop"},
						       {"..", "open/dir/up"},
						       {"/", "open/root"},
						       {"/proc/self", "open/proc"}};

		calls::Scratch::remove_all(scratch_ / "open");
		for (const char *name : {"open", "open/dir", "open/dir/sub"})
			mkdir((scratch_ / name).c_str(), 0755);
		for (const char *name : {"open/file", "open/dir/file"})
			calls::write_file(scratch_ / name);
		for (const auto &link : links)
			if (symlink(link[0], (scratch_ / link[1]).c_str()) != 0)
				fail("symlink", link[1]);
		if (chdir((scratch_ / "open/dir").c_str()) != 0)
			fail("chdir", "open/dir");
	}

	// A directory on the way to the grant may be held, never read; everything else must be inside.
	void check(const calls::Outcome &outcome) const
	{
		if (outcome.descriptor.get() >= 0)
			check_descriptor(outcome.descriptor.get());
		for (const char *name : {"secret/file", "secret/dir/file"}) {
			struct stat status;
			if (lstat((scratch_ / name).c_str(), &status) != 0 ||
			    status.st_nlink != 1 || status.st_mode != (S_IFREG | 0644) ||
			    listxattr((scratch_ / name).c_str(), nullptr, 0) > 0 ||
			    status.st_uid != geteuid() || status.st_mtim.tv_sec < 2 ||
			    calls::read_file(scratch_ / name) != "canary")
				fail("a canary was touched", name);
		}
		// Those two, "." and "..".
		if (entries("secret") != 4 || entries("secret/dir") != 3)
			fail("something was made outside", "secret");
	}

	const calls::World &world() const
	{
		return world_;
	}
	const std::string &path() const
	{
		return scratch_.path();
	}

      private:
	static std::vector<calls::Rule> rows(const std::string &path)
	{
		std::vector<calls::Rule> rules = calls::tree(path + "/open", SP_RIGHT_ALL);
		rules.push_back({"/proc/self/status", SP_RIGHT_READ});
		return rules;
	}
	size_t entries(const char *name) const
	{
		DIR *dir = opendir((scratch_ / name).c_str());
		size_t count = 0;
		while (dir && readdir(dir))
			count++;
		if (dir)
			closedir(dir);
		return count;
	}
	void check_descriptor(int fd) const
	{
		char text[PATH_MAX] = "";
		const std::string open = scratch_ / "open", secret = scratch_ / "secret";
		bool path_only = fcntl(fd, F_GETFL) & O_PATH;

		if (readlink(("/proc/self/fd/" + std::to_string(fd)).c_str(), text,
			     sizeof(text) - 1) < 0)
			fail("readlink", std::to_string(fd));
		std::string name = text;
		bool inside = name == open || name.rfind(open + "/", 0) == 0;
		bool status =
		    name.rfind("/proc/", 0) == 0 && name.find("/status") != std::string::npos;
		bool way = path_only && (name == "/" || scratch_.path().rfind(name, 0) == 0 ||
					 name.rfind("/proc", 0) == 0);
		// A new socket leads nowhere yet.
		if (!inside && !status && !way && name.rfind("socket:", 0) != 0)
			fail("a descriptor leads outside", name);
		if (name == secret || name.rfind(secret + "/", 0) == 0)
			fail("a descriptor leads to a canary", name);
	}

	calls::Scratch scratch_;
	calls::World world_;
};

uint64_t number(const uint8_t *data, size_t bytes)
{
	uint64_t value = 0;
	for (size_t i = 0; i < bytes; i++)
		value |= static_cast<uint64_t>(data[i]) << (8 * i);
	return value;
}

std::string name_of(const std::string &text, const std::string &tree)
{
	std::string name = !text.empty() && text[0] == '$' ? tree + text.substr(1) : text;
	return name.substr(0, PATH_MAX - 1);
}

calls::Call parse(const uint8_t *data, size_t size, const Tree &tree, int dirfd)
{
	std::string names(reinterpret_cast<const char *>(data) + kHead, size - kHead);
	size_t end = names.find('\0');
	std::string second = end == std::string::npos ? "" : names.substr(end + 1);

	calls::Call call = {static_cast<enum sp_call_id>(data[0] % SP_CALL_COUNT),
			    name_of(names.substr(0, end), tree.path()), number(data + 2, 8),
			    number(data + 10, 2)};
	call.path2 = name_of(second.substr(0, second.find('\0')), tree.path());
	call.data = names;
	call.owner = call.group = data[12];
	call.no_path = names.empty() || names[0] == '\0';
	call.has_times = call.resolve & 1;
	call.times[0].tv_sec = call.times[1].tv_sec = 1;
	call.text = second.substr(0, second.find('\0'));
	call.resolve = data[12];
	call.umask = data[13];
	call.dirfd = call.dirfd2 = dirfd;
	call.size = call.mode;
	return call;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static Tree tree;
	static const char *const starts[] = {"/open", "/open/dir", "/secret", "/", "/open/file"};

	if (size < kHead || size > 4 * PATH_MAX)
		return 0;
	size_t start = data[1] % (std::size(starts) + 2);
	Fd held(start < std::size(starts)
		    ? open((tree.path() + starts[start]).c_str(), O_PATH | O_CLOEXEC)
		    : -1);
	int dirfd = held.get() >= 0 ? held.get() : start == std::size(starts) ? AT_FDCWD : 999;
	calls::Call call = parse(data, size, tree, dirfd);

	tree.check(tree.world().perform(call));
	switch (sp_call_table[call.id].operation) {
	case SP_OPERATION_OPEN:
	case SP_OPERATION_MKDIR:
	case SP_OPERATION_UNLINK:
	case SP_OPERATION_RENAME:
	case SP_OPERATION_MKNOD:
	case SP_OPERATION_SYMLINK:
	case SP_OPERATION_LINK:
	case SP_OPERATION_CHMOD:
	case SP_OPERATION_UTIME:
	case SP_OPERATION_TRUNCATE:
	case SP_OPERATION_CHOWN:
	case SP_OPERATION_SETXATTR:
	case SP_OPERATION_REMOVEXATTR:
		tree.refresh();
		break;
	default:
		break;
	}
	return 0;
}
