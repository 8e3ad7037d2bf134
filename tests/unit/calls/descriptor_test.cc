// SPDX-License-Identifier: Apache-2.0
// Calls that change what a descriptor holds: as the kernel's own, where the policy grants it by the name that the
// object has; refused where it does not, though the owner of a file needs no more than to have it open.
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/xattr.h>

#include <functional>

#include "tests/unit/calls/calls_test.h"

namespace calls
{
namespace
{

constexpr int kSentinel = EBADSLT;

class Descriptor : public TreeTest
{
      protected:
	void SetUp() override
	{
		TreeTest::SetUp();
		for (const char *name : {"all", "all/dir", "read", "secret"})
			ASSERT_EQ(0, mkdir(t(name).c_str(), 0755));
		for (const char *name : {"all/file", "all/other", "read/file", "secret/file"})
			write_file(t(name));
		std::vector<Rule> rows = {{t("**"), 0, kSentinel}};
		for (const Rule &rule : tree(t("all"), SP_RIGHT_ALL & ~SP_RIGHT_LINKED))
			rows.push_back(rule);
		for (const Rule &rule : tree(t("read"), SP_RIGHT_READ))
			rows.push_back(rule);
		world_ = std::make_unique<World>(rows);
	}
	Fd open_at(const char *name, int flags = O_RDONLY) const
	{
		return Fd(open(t(name).c_str(), flags | O_CLOEXEC, 0600));
	}
	Outcome fchmod(int fd, uint64_t mode) const
	{
		return world_->perform({SP_CALL_fchmod, "", 0, mode, fd});
	}
	mode_t mode_of(const char *name) const
	{
		struct stat s;
		return stat(t(name).c_str(), &s) == 0 ? s.st_mode & 07777 : 0;
	}
};

// The calls, natively.
struct Change {
	const char *name;
	Call call;
	std::function<long(int)> native;
};

std::vector<Change> changes()
{
	static const struct timespec times[2] = {{1000, 5}, {2000, UTIME_OMIT}};
	static const struct timeval values[2] = {{1000, 5}, {2000, 6}};
	Call set = {SP_CALL_fsetxattr, ""}, drop = {SP_CALL_fremovexattr, ""};
	Call omit = {SP_CALL_utimensat, ""}, now = omit, flags = omit,
	     old = {SP_CALL_futimesat, ""};

	for (Call *call : {&omit, &now, &flags, &old})
		call->no_path = true;
	omit.has_times = old.has_times = true;
	memcpy(omit.times, times, sizeof(times));
	old.times[0] = {1000, 5000};
	old.times[1] = {2000, 6000};
	set.text = drop.text = "user.any";
	set.data = "value";
	flags.flags = AT_SYMLINK_NOFOLLOW;
	return {
	    {"fchmod",
	     {SP_CALL_fchmod, "", 0, 0640},
	     [](int fd) { return syscall(SYS_fchmod, fd, 0640); }},
	    {"fchown",
	     {SP_CALL_fchown, ""},
	     [](int fd) { return syscall(SYS_fchown, fd, -1, -1); }},
	    {"fsetxattr", set,
	     [](int fd) { return syscall(SYS_fsetxattr, fd, "user.any", "value", 5, 0); }},
	    {"fremovexattr", drop,
	     [](int fd) { return syscall(SYS_fremovexattr, fd, "user.any"); }},
	    {"futimens", omit,
	     [](int fd) { return syscall(SYS_utimensat, fd, nullptr, times, 0); }},
	    {"futimens now", now,
	     [](int fd) { return syscall(SYS_utimensat, fd, nullptr, nullptr, 0); }},
	    {"futimens flags", flags,
	     [](int fd) {
		     return syscall(SYS_utimensat, fd, nullptr, nullptr, AT_SYMLINK_NOFOLLOW);
	     }},
	    {"futimes", old, [](int fd) { return syscall(SYS_futimesat, fd, nullptr, values); }},
	};
}

int pipe_end()
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) != 0)
		return -1;
	close(ends[1]);
	return ends[0];
}

struct Kind {
	const char *name;
	std::function<int(const std::string &)> make; // in a directory of its own
};

const Kind kKinds[] = {
    {"file",
     [](const std::string &d) { return open((d + "/file").c_str(), O_RDONLY | O_CLOEXEC); }},
    {"written",
     [](const std::string &d) { return open((d + "/file").c_str(), O_RDWR | O_CLOEXEC); }},
    {"directory",
     [](const std::string &d) { return open((d + "/dir").c_str(), O_RDONLY | O_CLOEXEC); }},
    {"path only",
     [](const std::string &d) { return open((d + "/file").c_str(), O_PATH | O_CLOEXEC); }},
    {"temporary",
     [](const std::string &d) { return open(d.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600); }},
    {"deleted",
     [](const std::string &d) {
	     int fd = open((d + "/other").c_str(), O_RDONLY | O_CLOEXEC);
	     unlink((d + "/other").c_str());
	     return fd;
     }},
    {"pipe", [](const std::string &) { return pipe_end(); }},
    {"socket", [](const std::string &) { return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0); }},
    {"memory", [](const std::string &) { return memfd_create("x", MFD_CLOEXEC); }},
    {"event", [](const std::string &) { return eventfd(0, EFD_CLOEXEC); }},
    {"closed", [](const std::string &) { return 987; }},
    {"negative", [](const std::string &) { return -1; }},
};

std::string look(int fd)
{
	struct stat s;
	return fstat(fd, &s) != 0
		   ? "none"
		   : std::to_string(s.st_mode) + " " + std::to_string(s.st_uid) + " " +
			 std::to_string(s.st_mtim.tv_sec < 10000 ? s.st_mtim.tv_sec : 1) + " " +
			 std::to_string(s.st_atim.tv_sec == 1000);
}

TEST_F(Descriptor, EveryKindAsTheKernelItself)
{
	std::vector<std::string> seen[2];

	for (int side = 0; side < 2; side++)
		for (const Kind &kind : kKinds)
			for (const Change &change : changes()) {
				write_file(t("all/other"));
				ASSERT_EQ(0, chmod(t("all/file").c_str(), 0644));
				for (const char *name : {"all", "all/file", "all/dir"})
					ASSERT_EQ(0,
						  utimensat(AT_FDCWD, t(name).c_str(), nullptr, 0));
				int number = kind.make(t("all"));
				Fd owned(number == 987 ? -1 : number);
				// Sockets are born with the times of another one's past.
				syscall(SYS_utimensat, number, nullptr, nullptr, 0);
				Call call = change.call;
				call.dirfd = number;
				int64_t r =
				    side ? world_->perform(call).result : change.native(number);
				if (!side && r < 0)
					r = -errno;
				seen[side].push_back(std::string(kind.name) + ", " + change.name +
						     ": " + std::to_string(r) + " " + look(number));
			}
	for (size_t i = 0; i < seen[0].size(); i++)
		EXPECT_EQ(seen[0][i], seen[1][i]);
}

TEST_F(Descriptor, AnOpenFileIsChangedOnlyAsItsNameMayBe)
{
	Fd read = open_at("read/file"), secret = open_at("secret/file", O_RDWR),
	   file = open_at("all/file");

	EXPECT_EQ(0, fchmod(file.get(), 0600).result);
	EXPECT_EQ(0600u, mode_of("all/file"));
	for (const Change &change : changes()) {
		Call call = change.call;
		if (call.flags)
			continue;
		call.dirfd = read.get();
		EXPECT_TRUE(world_->perform(call).refused_with(kSentinel)) << change.name;
		call.dirfd = secret.get();
		EXPECT_TRUE(world_->perform(call).refused_with(kSentinel)) << change.name;
	}
	EXPECT_EQ("no right to write", fchmod(read.get(), 0600).detail);
	EXPECT_EQ(t("read/file"), fchmod(read.get(), 0600).name);
	EXPECT_EQ(0644u, mode_of("read/file"));
	EXPECT_EQ(0644u, mode_of("secret/file"));
}

TEST_F(Descriptor, AnEmptyNameWithAtEmptyPathIsADescriptorToo)
{
	Fd read = open_at("read/file", O_PATH), file = open_at("all/file", O_PATH),
	   here(open(".", O_PATH | O_CLOEXEC));
	Call call = {SP_CALL_fchmodat2, "", AT_EMPTY_PATH, 0600, file.get()};

	EXPECT_EQ(0, world_->perform(call).result);
	EXPECT_EQ(0600u, mode_of("all/file"));
	call.dirfd = read.get();
	EXPECT_TRUE(world_->perform(call).refused_with(kSentinel));
	call.flags = 0;
	EXPECT_EQ(-ENOENT, world_->perform(call).result);
	call = {SP_CALL_fchmodat2, "", AT_EMPTY_PATH, 0700};
	ASSERT_EQ(0, chdir(t("all/dir").c_str()));
	EXPECT_EQ(0, world_->perform(call).result);
	EXPECT_EQ(0700u, mode_of("all/dir"));
	ASSERT_EQ(0, chdir(t("read").c_str()));
	EXPECT_TRUE(world_->perform(call).refused_with(kSentinel));
	ASSERT_EQ(0, fchdir(here.get()));
}

// access(2) of a descriptor: what the kernel says, less what the policy grants by the name.
TEST_F(Descriptor, AccessOfWhatItHolds)
{
	Fd read = open_at("read/file", O_PATH), file = open_at("all/file", O_PATH),
	   secret = open_at("secret/file"), folder = open_at("all/dir", O_PATH), pipe(pipe_end());
	const auto access = [this](int fd, uint64_t mode, uint64_t flags = AT_EMPTY_PATH,
				   const char *path = "") {
		return world_->perform({SP_CALL_faccessat2, path, flags, mode, fd});
	};

	EXPECT_EQ(0, access(read.get(), R_OK).result);
	EXPECT_TRUE(access(read.get(), W_OK).refused_with(kSentinel));
	EXPECT_TRUE(access(secret.get(), R_OK).refused_with(kSentinel));
	EXPECT_TRUE(access(secret.get(), F_OK).refused_with(kSentinel));
	EXPECT_EQ(0, access(file.get(), R_OK | W_OK).result);
	EXPECT_EQ(-EACCES, access(file.get(), X_OK).result); // nobody may execute it
	EXPECT_EQ(0, access(folder.get(), R_OK | W_OK | X_OK).result);
	EXPECT_EQ(0, access(pipe.get(), R_OK).result);
	EXPECT_EQ(-EBADF, access(99, R_OK).result);
	EXPECT_EQ(-ENOENT, access(file.get(), R_OK, 0).result);
	// A name counts where there is one.
	EXPECT_EQ(0, access(folder.get(), R_OK, AT_EMPTY_PATH, "../file").result);
	EXPECT_TRUE(access(file.get(), R_OK, AT_EMPTY_PATH, t("secret/file").c_str())
			.refused_with(kSentinel));
}

TEST_F(Descriptor, TheTextOfALinkThatIsHeld)
{
	ASSERT_EQ(0, symlink("secret/file", t("all/link").c_str()));
	Fd link = open_at("all/link", O_PATH | O_NOFOLLOW), file = open_at("all/file"),
	   followed = open_at("all", O_PATH);
	const auto text = [this](int fd, uint64_t size = PATH_MAX) {
		Call call = {SP_CALL_readlinkat, "", 0, 0, fd};

		call.size = size;
		return world_->perform(call);
	};

	EXPECT_EQ("secret/file", text(link.get()).out);
	EXPECT_EQ("secret", text(link.get(), 6).out);
	EXPECT_EQ(-EINVAL, text(link.get(), 0).result);
	for (int fd : {file.get(), followed.get(), AT_FDCWD})
		EXPECT_EQ(-ENOENT, text(fd).result) << fd;
	EXPECT_EQ(-EBADF, text(99).result);
}

// Whose working directory is removed may still leave it, and is refused what lies above as ever.
TEST_F(Descriptor, ADirectoryThatWasRemovedCanBeLeft)
{
	Fd here(open(".", O_PATH | O_CLOEXEC));

	ASSERT_EQ(0, mkdir(t("all/dir/sub").c_str(), 0755));
	ASSERT_EQ(0, chdir(t("all/dir/sub").c_str()));
	ASSERT_EQ(0, rmdir(t("all/dir/sub").c_str()));
	for (const char *name : {".", "./", "..", "../", "./..", "../../file", "../../../read/file",
				 "../../dir/../file"})
		EXPECT_EQ(0, world_->perform({SP_CALL_access, name, 0, F_OK}).result) << name;
	for (const char *name : {"x", "./x", "../sub", "../sub/.", "sub/.."})
		EXPECT_EQ(-ENOENT, world_->perform({SP_CALL_access, name, 0, F_OK}).result) << name;
	EXPECT_TRUE(world_->open("../../../secret/file", O_RDONLY).refused_with(kSentinel));
	EXPECT_TRUE(world_->open("../../../read/file", O_WRONLY).refused_with(kSentinel));
	EXPECT_EQ(-ENOENT, world_->perform({SP_CALL_mkdir, "new", 0, 0755}).result);
	EXPECT_EQ(0, world_->perform({SP_CALL_mkdir, "../new", 0, 0755}).result);
	EXPECT_EQ(0, access(t("all/dir/new").c_str(), F_OK));
	EXPECT_LE(0, world_->open(".", O_RDONLY | O_DIRECTORY).descriptor.get());
	EXPECT_LE(0, world_->open("..", O_RDONLY | O_DIRECTORY).descriptor.get());
	EXPECT_EQ(0, world_->perform({SP_CALL_chdir, ".."}).result);
	// What it lay in goes as well, and comes back under a name that grants less.
	ASSERT_EQ(0, rename(t("all/dir").c_str(), t("secret/dir").c_str()));
	EXPECT_TRUE(world_->open(".", O_RDONLY | O_DIRECTORY).refused_with(kSentinel));
	EXPECT_TRUE(world_->open("..", O_RDONLY | O_DIRECTORY).refused_with(kSentinel));
	EXPECT_TRUE(world_->open("../new", O_RDONLY | O_DIRECTORY).refused_with(kSentinel));
	ASSERT_EQ(0, rename(t("secret/dir").c_str(), t("all/dir").c_str()));
	ASSERT_EQ(0, rmdir(t("all/dir/new").c_str()));
	ASSERT_EQ(0, rmdir(t("all/dir").c_str()));
	EXPECT_EQ(0, world_->perform({SP_CALL_access, "../..", 0, W_OK}).result);
	EXPECT_EQ(-ENOENT, world_->perform({SP_CALL_access, "../x", 0, F_OK}).result);
	EXPECT_EQ(0, world_->perform({SP_CALL_access, "../../file", 0, R_OK}).result);
	// Its name may be another's now, who grants nothing by it.
	ASSERT_EQ(0, symlink(t("secret").c_str(), t("all/dir").c_str()));
	EXPECT_EQ(-ENOENT, world_->open("../file", O_RDONLY).result);
	ASSERT_EQ(0, fchdir(here.get()));
}

TEST_F(Descriptor, ItsNameIsWhatItIsNow)
{
	Fd moved = open_at("all/file");

	ASSERT_EQ(0, rename(t("all/file").c_str(), t("read/moved").c_str()));
	EXPECT_TRUE(fchmod(moved.get(), 0600).refused_with(kSentinel));
	ASSERT_EQ(0, rename(t("read/moved").c_str(), t("all/moved (deleted)").c_str()));
	EXPECT_EQ(0, fchmod(moved.get(), 0600).result);
	// A name may pretend.
	ASSERT_EQ(0, rename(t("all/moved (deleted)").c_str(), t("read/moved (deleted)").c_str()));
	EXPECT_TRUE(fchmod(moved.get(), 0640).refused_with(kSentinel));
}

TEST_F(Descriptor, SeveralNamesWantTheirOwnRight)
{
	World linked(tree(t("all"), SP_RIGHT_ALL));
	Fd file = open_at("all/file");
	ASSERT_EQ(0, fchmod(file.get(), 0644).result);

	ASSERT_EQ(0, link(t("all/file").c_str(), t("secret/hard").c_str()));
	EXPECT_TRUE(fchmod(file.get(), 0600).refused_with(kSentinel));
	EXPECT_TRUE(
	    world_->perform({SP_CALL_chmod, t("all/file"), 0, 0600}).refused_with(kSentinel));
	EXPECT_TRUE(world_->perform({SP_CALL_utime, t("all/file")}).refused_with(kSentinel));
	Call cut = {SP_CALL_truncate, t("all/file")};
	cut.size = 0;
	EXPECT_TRUE(world_->perform(cut).refused_with(kSentinel));
	EXPECT_EQ(0644u, mode_of("all/file"));
	EXPECT_EQ("text", read_file(t("all/file")));
	EXPECT_EQ(0, linked.perform({SP_CALL_fchmod, "", 0, 0600, file.get()}).result);
	EXPECT_EQ(0, linked.perform(cut).result);
}

TEST_F(Descriptor, OnlyAttributesOfUsersAreSet)
{
	Fd file = open_at("all/file");

	for (const char *name : {"security.capability", "trusted.any", "system.other", "users"})
		for (enum sp_call_id id : {SP_CALL_setxattr, SP_CALL_lsetxattr, SP_CALL_removexattr,
					   SP_CALL_fsetxattr, SP_CALL_fremovexattr}) {
			Call call = {id, t("all/file"), 0, 0, file.get()};
			call.text = name;
			call.data = "value";
			EXPECT_TRUE(world_->perform(call).refused_with(EPERM)) << name;
		}
	Call call = {SP_CALL_setxattr, t("all/file")};
	call.text = "user.any";
	call.data = "value";
	EXPECT_EQ(0, world_->perform(call).result);
	call.id = SP_CALL_getxattr;
	EXPECT_EQ("value", world_->perform(call).out);
}

// A list of access control with one named user, in the form that the kernel stores.
std::string access_list(uid_t user, uint16_t named)
{
	struct Entry {
		uint16_t tag, permissions;
		uint32_t id;
	};
	const Entry entries[] = {{1, 6, UINT32_MAX},
				 {2, named, user},
				 {4, 4, UINT32_MAX},
				 {0x10, 7, UINT32_MAX},
				 {0x20, 0, UINT32_MAX}};
	const uint32_t version = 2;

	return std::string(reinterpret_cast<const char *>(&version), sizeof(version)) +
	       std::string(reinterpret_cast<const char *>(entries), sizeof(entries));
}

TEST_F(Descriptor, ListsOfAccessAreChangedAsModes)
{
	const char access[] = "system.posix_acl_access", standard[] = "system.posix_acl_default";
	const std::string list = access_list(getuid(), 6);
	Fd file = open_at("all/file"), reading = open_at("read/file");
	char value[256];

	write_file(t("twin"));
	mkdir(t("all/folder").c_str(), 0755);
	if (setxattr(t("twin").c_str(), access, list.data(), list.size(), 0) != 0)
		GTEST_SKIP() << "the file system has none: " << strerror(errno);
	auto change = [&](enum sp_call_id id, const std::string &path, int fd, const char *name,
			  const std::string &data) {
		Call call = {id, path, 0, 0, fd};
		call.text = name;
		call.data = data;
		return world_->perform(call);
	};
	for (enum sp_call_id id : {SP_CALL_setxattr, SP_CALL_lsetxattr, SP_CALL_fsetxattr}) {
		EXPECT_EQ(0, change(id, t("all/file"), file.get(), access, list).result);
		EXPECT_EQ(list, std::string(value, static_cast<size_t>(
						       getxattr(t("all/file").c_str(), access,
								value, sizeof(value)))));
		EXPECT_EQ(0670u, mode_of("all/file")); // the mask stands for the group
		enum sp_call_id removing =
		    id == SP_CALL_fsetxattr ? SP_CALL_fremovexattr : SP_CALL_removexattr;
		EXPECT_EQ(0, change(removing, t("all/file"), file.get(), access, "").result);
		EXPECT_LT(getxattr(t("all/file").c_str(), access, value, sizeof(value)), 0);
		// Where nothing may be written nothing is, by name or by descriptor.
		EXPECT_TRUE(change(id, t("read/file"), reading.get(), access, list)
				.refused_with(kSentinel));
		EXPECT_TRUE(change(removing, t("read/file"), reading.get(), access, "")
				.refused_with(kSentinel));
	}
	EXPECT_EQ(0, change(SP_CALL_setxattr, t("all/folder"), -1, standard, list).result);
	EXPECT_EQ(-EACCES, change(SP_CALL_setxattr, t("all/file"), -1, standard, list).result);
	EXPECT_EQ(0, change(SP_CALL_removexattr, t("all/folder"), -1, standard, "").result);
	// Malformed: cut, of another version, with an entry too many, unsorted.
	for (const std::string &wrong :
	     {list.substr(0, list.size() - 1), std::string("\1\0\0\0", 4),
	      list + list.substr(list.size() - 8), list.substr(0, 4) + list.substr(12),
	      std::string(3, 'x')}) {
		ASSERT_NE(0, setxattr(t("twin").c_str(), access, wrong.data(), wrong.size(), 0));
		EXPECT_EQ(-errno, change(SP_CALL_setxattr, t("all/file"), -1, access, wrong).result)
		    << wrong.size();
	}
	EXPECT_TRUE(change(SP_CALL_setxattr, t("all/file"), -1, "system.posix_acl_", list)
			.refused_with(EPERM));
	EXPECT_TRUE(change(SP_CALL_setxattr, t("all/file"), -1, "system.posix_acl_accessx", list)
			.refused_with(EPERM));
}

TEST_F(Descriptor, FilesOfAnotherViewAreNobodysHere)
{
	Fd file = open_at("all/file"), pipe(pipe_end());
	size_t count = world_->view()->mount_count;

	world_->view()->mount_count = 0;
	EXPECT_TRUE(fchmod(file.get(), 0600).refused_with(EPERM));
	EXPECT_EQ(0, fchmod(pipe.get(), 0600).result);
	world_->view()->mount_count = count;
	EXPECT_EQ(0, fchmod(file.get(), 0600).result);
}

} // namespace
} // namespace calls
