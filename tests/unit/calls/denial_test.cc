// SPDX-License-Identifier: Apache-2.0
// Each grant beside its denial. Denials carry EBADSLT, which no kernel path gives.
#include <array>
#include <random>

#include <sallyport/policy.h>

#include "policy/names.h"
#include <sys/inotify.h>

#include "tests/unit/calls/calls_test.h"

namespace calls
{
namespace
{

constexpr int kSentinel = EBADSLT;
constexpr uint32_t kAll = SP_RIGHT_ALL;

// T/data granted, T/database and T/secret denied, both full of canaries.
class Denial : public TreeTest
{
      protected:
	void SetUp() override
	{
		TreeTest::SetUp();
		for (const char *name :
		     {"data", "data/sub", "database", "secret", "read", "make", "erase", "run"})
			ASSERT_EQ(0, mkdir((*scratch_ / name).c_str(), 0755));
		for (const char *name :
		     {"data/file", "data/sub/file", "read/file", "make/file", "erase/file"})
			write_file(*scratch_ / name);
		for (const char *name : {"data/program", "read/program", "run/program"}) {
			write_file(*scratch_ / name);
			ASSERT_EQ(0, chmod(t(name).c_str(), 0755));
		}
		for (const char *name : {"database/file", "secret/file"})
			write_file(*scratch_ / name, "canary");
		std::vector<Rule> rows = {{t("**"), 0, kSentinel}};
		add(rows, tree(t("data"), kAll));
		add(rows, tree(t("read"), SP_RIGHT_READ));
		add(rows, tree(t("make"), SP_RIGHT_CREATE));
		add(rows, tree(t("erase"), SP_RIGHT_DELETE));
		add(rows, tree(t("run"), SP_RIGHT_EXECUTE));
		world_ = std::make_unique<World>(rows);
		policy_ = policy_of(rows);
	}
	void TearDown() override
	{
		sp_policy_unref(policy_);
		TreeTest::TearDown();
	}

	/* The same rules as a policy, which can be asked. */
	static sp_policy *policy_of(const std::vector<Rule> &rows)
	{
		const char *names[] = {"read", "write", "create", "delete", "linked", "execute"};
		std::string text = "policy denial\nfiles {\n";
		sp_policy *policy = nullptr;

		for (const Rule &rule : rows) {
			std::string rights;

			for (size_t i = 0; i < std::size(names); i++)
				if (rule.rights & (1u << i))
					rights +=
					    (rights.empty() ? "" : ", ") + std::string(names[i]);
			text += rights.empty() ? "deny " + rule.pattern + " as EBADSLT\n"
					       : rights + " " + rule.pattern + "\n";
		}
		text += "}";
		EXPECT_EQ(0, sp_policy_parse("denial", text.data(), text.size(), nullptr, nullptr,
					     &policy));
		return policy;
	}
	/* What the policy is said to say of the call. */
	bool explained(const Call &call) const
	{
		const sp_call_info &info = sp_call_table[call.id];
		std::array<std::string, 6> arguments;
		sp_explanation *explanation = nullptr;
		std::string text = std::string(info.name) + "(";

		arguments.fill("0");
		auto put = [&](int index, const std::string &value) {
			if (index >= 0)
				arguments[size_t(index)] = value;
		};
		put(info.dirfd, "AT_FDCWD");
		put(info.dirfd2, "AT_FDCWD");
		put(info.path, "\"" + call.path + "\"");
		put(info.path2, "\"" + call.path2 + "\"");
		put(info.text, "\"" + call.text + "\"");
		put(info.flags, std::to_string(call.flags));
		put(info.mode, std::to_string(call.mode));
		for (unsigned i = 0; i < sp_call_arity(info.nr); i++)
			text += (i > 0 ? ", " : "") + arguments[i];
		text += ")";
		EXPECT_EQ(0,
			  sp_policy_explain(policy_, text.c_str(), nullptr, nullptr, &explanation))
		    << text;
		bool allowed = explanation && explanation->verdict == SP_POLICY_ALLOW;
		sp_explanation_free(explanation);
		return allowed;
	}

	static void add(std::vector<Rule> &rows, const std::vector<Rule> &more)
	{
		rows.insert(rows.end(), more.begin(), more.end());
	}
	Outcome open(const std::string &path, uint64_t flags, uint64_t mode = 0)
	{
		return world_->open(path, flags, mode);
	}
	sp_policy *policy_ = nullptr;
	bool exists(const std::string &name) const
	{
		return faccessat(AT_FDCWD, t(name).c_str(), F_OK, AT_SYMLINK_NOFOLLOW) == 0;
	}
};

struct Attempt {
	const char *what;
	enum sp_call_id id;
	const char *path;
	uint64_t flags, mode;
	const char *path2;
	bool granted;
};

// One right each, what it allows and what it does not. $ stands for the tree.
const Attempt kAttempts[] = {
    {"read: read", SP_CALL_open, "$/read/file", O_RDONLY, 0, "", true},
    {"read: write", SP_CALL_open, "$/read/file", O_WRONLY, 0, "", false},
    {"read: both", SP_CALL_open, "$/read/file", O_RDWR, 0, "", false},
    {"read: mode 3", SP_CALL_open, "$/read/file", O_ACCMODE, 0, "", false},
    {"read: truncate", SP_CALL_open, "$/read/file", O_RDONLY | O_TRUNC, 0, "", false},
    {"read: create", SP_CALL_open, "$/read/new", O_CREAT | O_RDONLY, 0644, "", false},
    {"read: mkdir", SP_CALL_mkdir, "$/read/new", 0, 0755, "", false},
    {"read: watch", SP_CALL_inotify_add_watch, "$/read/file", IN_MODIFY, 0, "", true},
    {"read: watch directory", SP_CALL_inotify_add_watch, "$/read", IN_CREATE, 0, "", true},
    {"all: watch", SP_CALL_inotify_add_watch, "$/data/sub", IN_DELETE | IN_ONLYDIR, 0, "", true},
    {"create: watch", SP_CALL_inotify_add_watch, "$/make", IN_CREATE, 0, "", false},
    {"delete: watch", SP_CALL_inotify_add_watch, "$/erase/file", IN_MODIFY, 0, "", false},
    {"execute: watch", SP_CALL_inotify_add_watch, "$/run/program", IN_OPEN, 0, "", false},
    {"nothing: watch", SP_CALL_inotify_add_watch, "$/secret", IN_CREATE, 0, "", false},
    {"above: watch", SP_CALL_inotify_add_watch, "$", IN_CREATE, 0, "", false},
    {"read: unlink", SP_CALL_unlink, "$/read/file", 0, 0, "", false},
    {"read: rmdir", SP_CALL_rmdir, "$/read", 0, 0, "", false},
    {"read: rename away", SP_CALL_rename, "$/read/file", 0, 0, "$/data/moved", false},
    {"read: rename to", SP_CALL_rename, "$/data/file", 0, 0, "$/read/moved", false},
    {"read: chmod", SP_CALL_chmod, "$/read/file", 0, 0600, "", false},
    {"read: fchmodat", SP_CALL_fchmodat, "$/read/../read/file", 0, 0600, "", false},
    {"read: utime", SP_CALL_utime, "$/read/file", 0, 0, "", false},
    {"read: utimensat", SP_CALL_utimensat, "$/read", 0, 0, "", false},
    {"read: truncate", SP_CALL_truncate, "$/read/file", 0, 0, "", false},
    {"read: chown", SP_CALL_chown, "$/read/file", 0, 0, "", false},
    {"read: lchown", SP_CALL_lchown, "$/read", 0, 0, "", false},
    {"read: statfs", SP_CALL_statfs, "$/read/file", 0, 0, "", true},
    {"read: listxattr", SP_CALL_listxattr, "$/read/file", 0, 0, "", true},
    {"read: setxattr", SP_CALL_setxattr, "$/read/file", 0, 0, "", false},
    {"read: removexattr", SP_CALL_removexattr, "$/read/file", 0, 0, "", false},
    {"create: getxattr", SP_CALL_getxattr, "$/make/file", 0, 0, "", false},
    {"create: lgetxattr", SP_CALL_lgetxattr, "$/make/file", 0, 0, "", false},
    {"create: listxattr", SP_CALL_llistxattr, "$/make/file", 0, 0, "", true},
    {"create: lsetxattr", SP_CALL_lsetxattr, "$/make/file", 0, 0, "", false},
    {"nothing: chown", SP_CALL_chown, "$/secret/file", 0, 0, "", false},
    {"nothing: fchownat", SP_CALL_fchownat, "$/read/../secret/file", 0, 0, "", false},
    {"nothing: statfs", SP_CALL_statfs, "$/secret/file", 0, 0, "", false},
    {"nothing: getxattr", SP_CALL_getxattr, "$/secret/file", 0, 0, "", false},
    {"nothing: listxattr", SP_CALL_listxattr, "$/secret/file", 0, 0, "", false},
    {"nothing: setxattr", SP_CALL_setxattr, "$/secret/file", 0, 0, "", false},
    {"nothing: lremovexattr", SP_CALL_lremovexattr, "$/secret/file", 0, 0, "", false},
    {"sibling prefix: getxattr", SP_CALL_getxattr, "$/database/file", 0, 0, "", false},
    {"sibling prefix: setxattr", SP_CALL_setxattr, "$/database/file", 0, 0, "", false},
    {"write: chown", SP_CALL_chown, "$/data/file", 0, 0, "", true},
    {"write: setxattr", SP_CALL_setxattr, "$/data/file", 0, 0, "", true},
    {"write: getxattr", SP_CALL_getxattr, "$/data/file", 0, 0, "", true},
    {"write: removexattr", SP_CALL_removexattr, "$/data/file", 0, 0, "", true},
    {"write: chmod", SP_CALL_chmod, "$/data/file", 0, 0644, "", true},
    {"write: chmod a directory", SP_CALL_fchmodat2, "$/data/sub", 0, 0755, "", true},
    {"write: utimes", SP_CALL_utimes, "$/data/file", 0, 0, "", true},
    {"write: truncate", SP_CALL_truncate, "$/data/file", 0, 0, "", true},
    {"read: symlink", SP_CALL_symlink, "$/read/new", 0, 0, "", false},
    {"read: mknod", SP_CALL_mknod, "$/read/new", 0, S_IFREG | 0644, "", false},
    {"read: link to", SP_CALL_link, "$/data/file", 0, 0, "$/read/new", false},
    {"read: link away", SP_CALL_link, "$/read/file", 0, 0, "$/data/stolen", false},
    {"read: tmpfile", SP_CALL_open, "$/read", O_TMPFILE | O_RDWR, 0600, "", false},
    {"read: access R_OK", SP_CALL_access, "$/read/file", 0, R_OK, "", true},
    {"read: access W_OK", SP_CALL_access, "$/read/file", 0, W_OK, "", false},
    {"read: stat", SP_CALL_stat, "$/read/file", 0, 0, "", true},
    {"read: list", SP_CALL_open, "$/read", O_RDONLY | O_DIRECTORY, 0, "", true},
    {"read: chdir", SP_CALL_chdir, "$/read", 0, 0, "", true},
    {"create: read an existing file", SP_CALL_open, "$/make/file", O_RDONLY, 0, "", false},
    {"create: write an existing file", SP_CALL_open, "$/make/file", O_CREAT | O_WRONLY, 0644, "",
     false},
    {"create: truncate it", SP_CALL_creat, "$/make/file", 0, 0644, "", false},
    {"create: a new file", SP_CALL_open, "$/make/new", O_CREAT | O_RDWR, 0644, "", true},
    {"create: a new directory", SP_CALL_mkdir, "$/make/dir", 0, 0755, "", true},
    {"create: chmod", SP_CALL_chmod, "$/make/file", 0, 0600, "", false},
    {"create: truncate", SP_CALL_truncate, "$/make/file", 0, 0, "", false},
    {"create: a symbolic link", SP_CALL_symlink, "$/make/link", 0, 0, "", true},
    {"create: a FIFO", SP_CALL_mknod, "$/make/fifo", 0, S_IFIFO | 0644, "", true},
    {"create: a socket", SP_CALL_mknod, "$/make/socket", 0, S_IFSOCK | 0644, "", true},
    {"create: a device", SP_CALL_mknod, "$/make/device", 0, S_IFCHR | 0644, "", false},
    {"create: a disk", SP_CALL_mknodat, "$/make/device", 0, S_IFBLK | 0644, "", false},
    {"create: a link", SP_CALL_link, "$/make/file", 0, 0, "$/make/hard", true},
    {"create: a link to more", SP_CALL_link, "$/make/file", 0, 0, "$/data/stolen", false},
    {"create: a link to less", SP_CALL_link, "$/data/file", 0, 0, "$/make/less", true},
    {"create: unlink", SP_CALL_unlink, "$/make/file", 0, 0, "", false},
    {"create: stat", SP_CALL_stat, "$/make/file", 0, 0, "", true},
    {"create: list", SP_CALL_open, "$/make", O_RDONLY, 0, "", false},
    {"delete: read", SP_CALL_open, "$/erase/file", O_RDONLY, 0, "", false},
    {"delete: create", SP_CALL_open, "$/erase/new", O_CREAT | O_WRONLY, 0644, "", false},
    {"delete: utimes", SP_CALL_utimes, "$/erase/file", 0, 0, "", false},
    {"delete: symlink", SP_CALL_symlink, "$/erase/new", 0, 0, "", false},
    {"delete: mknod", SP_CALL_mknod, "$/erase/new", 0, S_IFIFO | 0600, "", false},
    {"delete: link", SP_CALL_link, "$/erase/file", 0, 0, "$/erase/new", false},
    {"delete: unlink", SP_CALL_unlink, "$/erase/file", 0, 0, "", true},
    {"read: access X_OK", SP_CALL_access, "$/read/program", 0, X_OK, "", false},
    {"data: access X_OK", SP_CALL_access, "$/data/program", 0, X_OK, "", true},
    {"execute: access X_OK", SP_CALL_access, "$/run/program", 0, X_OK, "", true},
    {"execute: access R_OK", SP_CALL_access, "$/run/program", 0, R_OK, "", false},
    {"execute: read", SP_CALL_open, "$/run/program", O_RDONLY, 0, "", false},
    {"execute: write", SP_CALL_open, "$/run/program", O_WRONLY, 0, "", false},
    {"execute: stat", SP_CALL_stat, "$/run/program", 0, 0, "", true},
    {"nothing: stat", SP_CALL_stat, "$/secret/file", 0, 0, "", false},
    {"nothing: lstat", SP_CALL_lstat, "$/secret/file", 0, 0, "", false},
    {"nothing: statx", SP_CALL_statx, "$/secret/file", 0, STATX_BASIC_STATS, "", false},
    {"nothing: access", SP_CALL_access, "$/secret/file", 0, F_OK, "", false},
    {"nothing: readlink", SP_CALL_readlink, "$/secret/file", 0, 0, "", false},
    {"nothing: chdir", SP_CALL_chdir, "$/secret", 0, 0, "", false},
    {"nothing: O_PATH", SP_CALL_open, "$/secret/file", O_PATH, 0, "", false},
    {"nothing: mkdir", SP_CALL_mkdir, "$/secret/new", 0, 0755, "", false},
    {"nothing: unlink", SP_CALL_unlink, "$/secret/file", 0, 0, "", false},
    {"nothing: rename from", SP_CALL_rename, "$/secret/file", 0, 0, "$/data/stolen", false},
    {"nothing: rename to", SP_CALL_rename, "$/data/file", 0, 0, "$/secret/planted", false},
    {"nothing: chmod", SP_CALL_chmod, "$/secret/file", 0, 0600, "", false},
    {"nothing: utime", SP_CALL_utime, "$/secret/file", 0, 0, "", false},
    {"nothing: truncate", SP_CALL_truncate, "$/secret/file", 0, 0, "", false},
    {"nothing: futimesat", SP_CALL_futimesat, "$/data/../secret/file", 0, 0, "", false},
    {"sibling prefix: chmod", SP_CALL_chmod, "$/database/file", 0, 0600, "", false},
    {"sibling prefix: truncate", SP_CALL_truncate, "$/database/file", 0, 0, "", false},
    {"an ancestor: chmod", SP_CALL_chmod, "$", 0, 0700, "", false},
    {"nothing: symlink", SP_CALL_symlink, "$/secret/new", 0, 0, "", false},
    {"nothing: mknod", SP_CALL_mknod, "$/secret/new", 0, S_IFREG | 0600, "", false},
    {"nothing: link from", SP_CALL_link, "$/secret/file", 0, 0, "$/data/stolen", false},
    {"nothing: link to", SP_CALL_link, "$/data/file", 0, 0, "$/secret/planted", false},
    {"sibling prefix: link", SP_CALL_linkat, "$/database/file", 0, 0, "$/data/stolen", false},
    {"sibling prefix: symlink", SP_CALL_symlinkat, "$/database/new", 0, 0, "", false},
    {"sibling prefix: open", SP_CALL_open, "$/database/file", O_RDONLY, 0, "", false},
    {"sibling prefix: stat", SP_CALL_stat, "$/database", 0, 0, "", false},
    {"sibling prefix: create", SP_CALL_open, "$/database/new", O_CREAT | O_WRONLY, 0644, "", false},
    {"the grant beside it", SP_CALL_open, "$/data/file", O_RDWR, 0, "", true},
    {"a letter's case", SP_CALL_open, "$/DATA/file", O_RDONLY, 0, "", false},
    {"an ancestor: stat", SP_CALL_stat, "$", 0, 0, "", true},
    {"an ancestor: list", SP_CALL_open, "$", O_RDONLY, 0, "", false},
};

// What a call that moves or makes things is refused with, where that is no matter of a right.
int refusal_of(const Attempt &attempt)
{
	switch (sp_call_table[attempt.id].operation) {
	case SP_OPERATION_LINK:
		return EXDEV;
	case SP_OPERATION_MKNOD:
		return EPERM;
	default:
		return 0;
	}
}

TEST_F(Denial, EveryRightBesideItsRefusals)
{
	Fd instance(inotify_init1(IN_CLOEXEC));

	for (const Attempt &attempt : kAttempts) {
		SCOPED_TRACE(attempt.what);
		auto place = [&](std::string path) {
			return !path.empty() && path[0] == '$' ? scratch_->path() + path.substr(1)
							       : path;
		};
		Call call = {attempt.id, place(attempt.path), attempt.flags, attempt.mode,
			     AT_FDCWD,   place(attempt.path2)};
		call.data = "value";
		call.text = sp_call_table[attempt.id].extra == SP_EXTRA_ATTRIBUTE ? "user.secret"
										  : "/any/text";
		call.dirfd2 = instance.get();
		world_->caller()->outer = attempt.id == SP_CALL_inotify_add_watch ? getpid() : 0;
		/* A device is refused for what it is. */
		if (attempt.granted || refusal_of(attempt) != EPERM) {
			EXPECT_EQ(attempt.granted, explained(call));
		}
		Outcome outcome = world_->perform(call);
		if (attempt.granted) {
			EXPECT_GE(outcome.result, 0) << strerror(static_cast<int>(-outcome.result));
			EXPECT_EQ(0, outcome.refusal);
			continue;
		}
		EXPECT_LT(outcome.result, 0);
		EXPECT_EQ(-outcome.result, outcome.refusal) << "not refused by policy";
		EXPECT_TRUE(outcome.refusal == kSentinel || outcome.refusal == EACCES ||
			    outcome.refusal == refusal_of(attempt))
		    << outcome.refusal;
		EXPECT_FALSE(outcome.detail.empty());
		EXPECT_EQ('/', outcome.name[0]);
		EXPECT_LT(outcome.descriptor.get(), 0);
	}
	for (const char *name : {"read/new", "erase/new", "secret/new", "database/new",
				 "secret/planted", "data/stolen", "make/device"})
		EXPECT_FALSE(exists(name)) << name;
	for (const char *name : {"read/file", "make/file", "secret/file", "database/file"})
		EXPECT_TRUE(exists(name)) << name;
	EXPECT_EQ("text", read_file(t("make/file")));
	EXPECT_EQ("text", read_file(t("read/file")));
}

TEST_F(Denial, TwoHundredSpellingsOfOneCanary)
{
	static const char *const steps[] = {
	    "data/..",         "./",        "data/sub/../..",        "//",
	    "read/../data/..", "make/./..", "data/sub/../../read/.."};
	std::mt19937 random(1);
	int granted = 0;

	for (int i = 0; i < 200; i++) {
		std::string way = scratch_->path();
		for (unsigned n = 1 + random() % 6; n > 0; n--)
			way += std::string("/") + steps[random() % std::size(steps)];
		Outcome denied = open(way + "/secret/file", O_RDONLY);
		EXPECT_TRUE(denied.refused_with(kSentinel)) << way << " " << denied.result;
		EXPECT_TRUE(open(way + "/data/../secret/file", O_RDONLY).refused_with(kSentinel))
		    << way;
		EXPECT_TRUE(open(way + "/data/../database/file", O_RDONLY).refused_with(kSentinel))
		    << way;
		granted += open(way + "/data/file", O_RDONLY).result == 0;
	}
	EXPECT_EQ(200, granted);
}

TEST_F(Denial, RelativeNamesMeanTheCallersDirectory)
{
	Fd here(::open(".", O_PATH | O_DIRECTORY | O_CLOEXEC));
	Fd data(::open(t("data").c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
	Fd secret(::open(t("secret").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));

	ASSERT_EQ(0, fchdir(data.get()));
	EXPECT_EQ(0, open("file", O_RDONLY).result);
	EXPECT_EQ(0, open("sub/../file", O_RDONLY).result);
	EXPECT_EQ(0, open("../data/file", O_RDONLY).result);
	EXPECT_TRUE(open("../secret/file", O_RDONLY).refused_with(kSentinel));
	ASSERT_EQ(0, fchdir(secret.get()));
	EXPECT_TRUE(open("file", O_RDONLY).refused_with(kSentinel));
	EXPECT_TRUE(open(".", O_RDONLY).refused_with(kSentinel));
	EXPECT_EQ(0, open("../data/file", O_RDONLY).result);
	ASSERT_EQ(0, fchdir(here.get()));
	EXPECT_EQ(0, world_->perform({SP_CALL_openat, "file", O_RDONLY, 0, data.get()}).result);
	EXPECT_TRUE(world_->perform({SP_CALL_openat, "file", O_RDONLY, 0, secret.get()})
			.refused_with(kSentinel));
	EXPECT_TRUE(world_->perform({SP_CALL_openat, "../secret/file", O_RDONLY, 0, data.get()})
			.refused_with(kSentinel));
}

TEST_F(Denial, LinksLeadNowhereNew)
{
	for (auto [link, target] :
	     std::vector<std::pair<std::string, std::string>>{{"data/out", t("secret/file")},
							      {"data/up", "../secret/file"},
							      {"data/outdir", t("secret")},
							      {"data/in", t("data/file")},
							      {"data/indir", "sub"},
							      {"data/hop", "up"},
							      {"data/new", t("secret/new")},
							      {"read/writable", t("data/file")}})
		ASSERT_EQ(0, symlink(target.c_str(), t(link).c_str()));
	for (const char *name : {"data/out", "data/up", "data/outdir/file", "data/hop",
				 "data/outdir/../secret/file"}) {
		EXPECT_TRUE(open(t(name), O_RDONLY).refused_with(kSentinel)) << name;
		EXPECT_TRUE(world_->perform({SP_CALL_stat, t(name)}).refused_with(kSentinel))
		    << name;
		EXPECT_TRUE(
		    world_->perform({SP_CALL_access, t(name), 0, F_OK}).refused_with(kSentinel))
		    << name;
		for (enum sp_call_id id : {SP_CALL_chmod, SP_CALL_utime, SP_CALL_truncate})
			EXPECT_TRUE(world_->perform({id, t(name)}).refused_with(kSentinel)) << name;
	}
	EXPECT_TRUE(world_->perform({SP_CALL_chdir, t("data/outdir")}).refused_with(kSentinel));
	EXPECT_EQ(0, open(t("data/in"), O_RDWR).result);
	EXPECT_EQ(0, open(t("data/indir/file"), O_RDONLY).result);
	EXPECT_EQ(0, open(t("read/writable"), O_RDWR).result);
	EXPECT_EQ(t("secret/file"), world_->perform({SP_CALL_readlink, t("data/out")}).out);
	// O_CREAT through a dangling link creates where the link leads, if that may be.
	EXPECT_TRUE(open(t("data/new"), O_CREAT | O_WRONLY, 0644).refused_with(kSentinel));
	EXPECT_FALSE(exists("secret/new"));
	// A link in last place gets the new name itself; where it is followed, its target must be allowed.
	Call hard = {SP_CALL_linkat, t("data/out"), 0, 0, AT_FDCWD, t("data/hard")};
	EXPECT_EQ(0, world_->perform(hard).result);
	EXPECT_EQ(t("secret/file"), world_->perform({SP_CALL_readlink, t("data/hard")}).out);
	hard.flags = AT_SYMLINK_FOLLOW;
	hard.path2 = t("data/stolen");
	EXPECT_TRUE(world_->perform(hard).refused_with(kSentinel));
	hard.path = t("data/outdir/file");
	EXPECT_TRUE(world_->perform(hard).refused_with(kSentinel));
	hard.path = t("data/file");
	hard.path2 = t("data/outdir/planted");
	EXPECT_TRUE(world_->perform(hard).refused_with(kSentinel));
	EXPECT_FALSE(exists("data/stolen") || exists("secret/planted"));
	// A text is no name, and leads only where the policy lets it be followed.
	Call soft = {SP_CALL_symlink, t("data/soft")};
	soft.text = "../secret/file";
	EXPECT_EQ(0, world_->perform(soft).result);
	EXPECT_TRUE(open(t("data/soft"), O_RDONLY).refused_with(kSentinel));
	// A link is renamed and unlinked itself.
	EXPECT_EQ(0,
		  world_->perform({SP_CALL_rename, t("data/out"), 0, 0, AT_FDCWD, t("data/out2")})
		      .result);
	EXPECT_EQ(0, world_->perform({SP_CALL_unlink, t("data/out2")}).result);
	EXPECT_TRUE(exists("secret/file"));
}

TEST_F(Denial, MissingAndPresentAnswerAlikeOutside)
{
	for (enum sp_call_id id :
	     {SP_CALL_open,     SP_CALL_stat,      SP_CALL_access,   SP_CALL_readlink,
	      SP_CALL_chdir,    SP_CALL_mkdir,     SP_CALL_unlink,   SP_CALL_rmdir,
	      SP_CALL_mknod,    SP_CALL_symlink,   SP_CALL_link,     SP_CALL_chmod,
	      SP_CALL_utime,    SP_CALL_truncate,  SP_CALL_chown,    SP_CALL_statfs,
	      SP_CALL_getxattr, SP_CALL_listxattr, SP_CALL_setxattr, SP_CALL_removexattr})
		for (const char *name :
		     {"file", "missing", "missing/below", "file/below", "file/", "missing/"}) {
			Call call = {id, t(std::string("secret/") + name)};
			call.path2 = t("data/new");
			call.text = "user.text";
			Outcome outcome = world_->perform(call);
			EXPECT_TRUE(outcome.refused_with(kSentinel))
			    << sp_call_table[id].name << " " << name;
		}
	EXPECT_EQ(-ENOENT, open(t("data/missing"), O_RDONLY).result);
	EXPECT_EQ(-ENOENT, open(t("read/missing"), O_WRONLY).result);
	EXPECT_FALSE(exists("secret/missing"));
}

TEST_F(Denial, ReportsTheNameAndTheRule)
{
	Outcome outcome = open(t("data/../secret/file"), O_RDONLY);

	EXPECT_EQ(t("secret"), outcome.name);
	EXPECT_EQ("test:1:1", outcome.rule);
	outcome = open(t("read/file"), O_WRONLY);
	EXPECT_EQ(t("read/file"), outcome.name);
	EXPECT_EQ("no right to write", outcome.detail);
}

TEST_F(Denial, ForeignBases)
{
	// A directory of another mount namespace has no name here, whatever it is called.
	Fd data(::open(t("data").c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
	size_t count = world_->view()->mount_count;

	EXPECT_EQ(0, world_->perform({SP_CALL_openat, "file", O_RDONLY, 0, data.get()}).result);
	world_->view()->mount_count = 0;
	EXPECT_EQ(-EACCES,
		  world_->perform({SP_CALL_openat, "file", O_RDONLY, 0, data.get()}).result);
	world_->view()->mount_count = count;
	EXPECT_EQ(-EBADF, world_->perform({SP_CALL_openat, "file", O_RDONLY, 0, 987}).result);
	EXPECT_EQ(-EBADF, world_->perform({SP_CALL_openat, "file", O_RDONLY, 0, -2}).result);
}

} // namespace
} // namespace calls
