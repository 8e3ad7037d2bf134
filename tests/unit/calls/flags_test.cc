// SPDX-License-Identifier: Apache-2.0
// Flags, modes, kinds of files: what a descriptor can do is never above the policy.
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/xattr.h>

#include <random>

#include "tests/unit/calls/calls_test.h"

namespace calls
{
namespace
{

class Flags : public TreeTest
{
      protected:
	void SetUp() override
	{
		TreeTest::SetUp();
		for (const char *name : {"all", "read"})
			ASSERT_EQ(0, mkdir(t(name).c_str(), 0755));
		for (const char *name : {"all/file", "read/file"})
			write_file(t(name));
		std::vector<Rule> rows = tree(t("all"), SP_RIGHT_ALL & ~SP_RIGHT_LINKED);
		for (const Rule &rule : tree(t("read"), SP_RIGHT_READ))
			rows.push_back(rule);
		world_ = std::make_unique<World>(rows);
	}
	mode_t mode_of(const std::string &name) const
	{
		struct stat s;
		return stat(t(name).c_str(), &s) == 0 ? s.st_mode & 07777 : 0;
	}
};

TEST_F(Flags, TwentyThousandSetsNeverExceedThePolicy)
{
	std::mt19937_64 random(19);
	int given = 0;

	for (int i = 0; i < 20000; i++) {
		uint64_t flags = random() & random() & 0x1ffffffff;
		enum sp_call_id id = i % 2 ? SP_CALL_open : SP_CALL_openat2;
		Outcome outcome = world_->perform({id, t(i % 3 ? "read/file" : "read"), flags, 0});
		if (outcome.result < 0)
			continue;
		given++;
		int status = fcntl(outcome.descriptor.get(), F_GETFL);
		EXPECT_TRUE((status & O_PATH) || (status & O_ACCMODE) == O_RDONLY)
		    << std::hex << flags;
		EXPECT_TRUE(fcntl(outcome.descriptor.get(), F_GETFD) & FD_CLOEXEC);
		EXPECT_EQ(-1, write(outcome.descriptor.get(), "x", 1));
	}
	EXPECT_GT(given, 100);
	EXPECT_EQ("text", read_file(t("read/file")));
}

TEST_F(Flags, OnlyPermissionBitsSurvive)
{
	EXPECT_EQ(
	    0, world_->perform({SP_CALL_open, t("all/setid"), O_CREAT | O_WRONLY, 06755}).result);
	EXPECT_EQ(0755u, mode_of("all/setid"));
	EXPECT_EQ(
	    0,
	    world_->perform({SP_CALL_openat2, t("all/setid2"), O_CREAT | O_WRONLY, 07777}).result);
	EXPECT_EQ(0755u, mode_of("all/setid2"));
	EXPECT_EQ(0, world_->perform({SP_CALL_mkdir, t("all/sticky"), 0, 01777}).result);
	EXPECT_EQ(0755u, mode_of("all/sticky"));
	EXPECT_EQ(0, world_->perform({SP_CALL_mknod, t("all/node"), 0, S_IFREG | 07777}).result);
	EXPECT_EQ(0755u, mode_of("all/node"));
	EXPECT_EQ(0, world_->perform({SP_CALL_mknod, t("all/pipe"), 0, S_IFIFO | 06666}).result);
	EXPECT_EQ(0644u, mode_of("all/pipe"));
	EXPECT_EQ(0, world_->perform({SP_CALL_chmod, t("all/node"), 0, 06711}).result);
	EXPECT_EQ(0711u, mode_of("all/node"));
	EXPECT_EQ(0, world_->perform({SP_CALL_chmod, t("all/sticky"), 0, 03777}).result);
	EXPECT_EQ(0777u, mode_of("all/sticky"));
	Fd node(open(t("all/node").c_str(), O_RDONLY | O_CLOEXEC));
	EXPECT_EQ(0, world_->perform({SP_CALL_fchmod, "", 0, 07755, node.get()}).result);
	EXPECT_EQ(0755u, mode_of("all/node"));
	Call masked = {SP_CALL_open, t("all/masked"), O_CREAT | O_WRONLY, 0666};
	masked.umask = 077;
	EXPECT_EQ(0, world_->perform(masked).result);
	EXPECT_EQ(0600u, mode_of("all/masked"));
	// The porter's own is as before.
	mode_t own = umask(022);
	umask(own);
	EXPECT_EQ(0, world_->perform(masked).result);
	EXPECT_EQ(own, umask(own));
}

TEST_F(Flags, ADirectoryIsNoFileToWriteBeforeItIsRefused)
{
	ASSERT_EQ(0, mkdir(t("secret").c_str(), 0755));
	write_file(t("secret/file"));
	for (uint64_t flags : {O_WRONLY, O_RDWR, O_RDWR | O_DIRECTORY, O_ACCMODE,
			       O_RDONLY | O_TRUNC, O_CREAT | O_WRONLY}) {
		for (const char *name : {"read", "all", "read/", "all/."}) {
			Outcome outcome = world_->open(t(name), flags, 0600);
			EXPECT_EQ(-EISDIR, outcome.result) << name << flags;
			EXPECT_EQ(0, outcome.refusal) << name << flags;
		}
		// Outside of what is granted nothing tells a directory from a file.
		EXPECT_TRUE(world_->open(t("secret"), flags, 0600).refused_with(EACCES)) << flags;
		EXPECT_TRUE(world_->open(t("secret/file"), flags, 0600).refused_with(EACCES));
	}
	EXPECT_TRUE(world_->open(t("read/file"), O_RDWR).refused_with(EACCES));
	EXPECT_TRUE(world_->open(t("read"), O_TMPFILE | O_RDWR, 0600).refused_with(EACCES));
	EXPECT_EQ(0, world_->open(t("all"), O_TMPFILE | O_RDWR, 0600).result);
	EXPECT_EQ(0, world_->open(t("read"), O_PATH | O_RDWR).result);
}

TEST_F(Flags, SeveralLinksWantTheirOwnRight)
{
	World linked(tree(t("all"), SP_RIGHT_ALL));
	ASSERT_EQ(0, link(t("read/file").c_str(), t("all/hard").c_str()));

	for (uint64_t flags : {O_WRONLY, O_RDWR, O_WRONLY | O_TRUNC, O_RDONLY | O_TRUNC,
			       O_CREAT | O_WRONLY | O_TRUNC}) {
		EXPECT_TRUE(world_->open(t("all/hard"), flags, 0600).refused_with(EACCES)) << flags;
		EXPECT_EQ("text", read_file(t("read/file")));
	}
	EXPECT_EQ(0, world_->open(t("all/hard"), O_RDONLY).result);
	EXPECT_EQ(0, linked.open(t("all/hard"), O_WRONLY).result);
	EXPECT_EQ(0, linked.open(t("all/hard"), O_RDONLY | O_TRUNC).result);
	EXPECT_EQ("", read_file(t("all/hard")));
}

TEST_F(Flags, SpecialFilesAreRefusedWithoutWaiting)
{
	struct sockaddr_un address = {AF_UNIX, {}};
	Fd here(open(".", O_PATH | O_CLOEXEC)),
	    listener(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));

	ASSERT_EQ(0, mkfifo(t("all/fifo").c_str(), 0600));
	ASSERT_EQ(0, chdir(t("all").c_str()));
	strcpy(address.sun_path, "socket");
	ASSERT_EQ(0, bind(listener.get(), reinterpret_cast<struct sockaddr *>(&address),
			  sizeof(address)));
	ASSERT_EQ(0, fchdir(here.get()));
	for (const char *name : {"all/fifo", "all/socket"})
		for (uint64_t flags : {O_RDONLY, O_WRONLY, O_WRONLY | O_NONBLOCK,
				       O_CREAT | O_WRONLY, O_CREAT | O_WRONLY | O_TRUNC}) {
			Outcome outcome = world_->open(t(name), flags, 0600);
			EXPECT_EQ(-ENXIO, outcome.result) << name << flags;
		}
	EXPECT_EQ(-ENXIO, world_->open(t("all/socket"), O_RDWR).result);
	EXPECT_EQ("is a FIFO", world_->open(t("all/fifo"), O_RDONLY).detail);
	EXPECT_EQ("is a FIFO", world_->open(t("all/fifo"), O_WRONLY).detail);
	EXPECT_EQ("", world_->open(t("all/fifo"), O_WRONLY | O_NONBLOCK).detail);
	EXPECT_EQ(0, world_->open(t("all/fifo"), O_PATH).result);
	EXPECT_EQ(0, world_->perform({SP_CALL_unlink, t("all/fifo")}).result);
}

TEST_F(Flags, FifosOpenWhereNobodyNeedsToWait)
{
	char text[8] = "";

	ASSERT_EQ(0, mkfifo(t("all/fifo").c_str(), 0600));
	Outcome reader = world_->open(t("all/fifo"), O_RDONLY | O_NONBLOCK);
	ASSERT_EQ(0, reader.result);
	for (uint64_t flags :
	     {O_WRONLY, O_WRONLY | O_NONBLOCK, O_RDWR, O_CREAT | O_WRONLY | O_TRUNC}) {
		Outcome writer = world_->open(t("all/fifo"), flags, 0600);
		ASSERT_EQ(0, writer.result) << flags;
		EXPECT_EQ(flags & O_NONBLOCK, fcntl(writer.descriptor.get(), F_GETFL) & O_NONBLOCK);
		EXPECT_EQ(1, write(writer.descriptor.get(), "x", 1));
		EXPECT_EQ(1, read(reader.descriptor.get(), text, sizeof(text)));
	}
	World other({{t("all/**"), SP_RIGHT_READ}});
	EXPECT_TRUE(other.open(t("all/fifo"), O_WRONLY).refused_with(EACCES));
}

// Whether a name was opened since the last time, but for a look (O_PATH).
class Watch
{
      public:
	explicit Watch(const std::string &path) : fd_(inotify_init1(IN_NONBLOCK | IN_CLOEXEC))
	{
		EXPECT_GE(inotify_add_watch(fd_.get(), path.c_str(), IN_OPEN), 0) << path;
	}
	bool opened() const
	{
		char events[4096];

		return read(fd_.get(), events, sizeof(events)) > 0;
	}

      private:
	Fd fd_;
};

TEST_F(Flags, WhatIsRefusedOrWaitsIsNotOpened)
{
	const uint32_t both = SP_RIGHT_READ | SP_RIGHT_WRITE;
	World world({{"/dev/**", both}, {t("all/**"), both}});
	struct sp_work work;

	world.leave_work_to(&work);
	ASSERT_EQ(0, mkfifo(t("all/fifo").c_str(), 0600));
	for (const char *name : {"/dev/ptmx", "/dev/pts/ptmx", "/dev/kmsg", "/dev/tty0"}) {
		if (access(name, R_OK) < 0) /* of which no news can be had */
			continue;
		Watch watch(name);
		for (uint64_t flags : {O_RDONLY, O_RDWR, O_WRONLY | O_NONBLOCK})
			EXPECT_EQ(-ENXIO, world.open(name, flags).result) << name;
		EXPECT_FALSE(watch.opened()) << name;
	}
	Watch fifo(t("all/fifo")), null("/dev/null");
	for (uint64_t flags : {O_RDONLY, O_WRONLY, O_CREAT | O_WRONLY | O_TRUNC}) {
		EXPECT_EQ(0, world.open(t("all/fifo"), flags).result);
		ASSERT_GE(work.object, 0) << flags;
		EXPECT_TRUE(work.gives && !work.truncates);
		EXPECT_EQ(flags & O_ACCMODE, work.flags & (O_ACCMODE | O_NONBLOCK));
		close(work.object);
	}
	EXPECT_EQ(-ENXIO, world.open(t("all/fifo"), O_WRONLY | O_NONBLOCK).result);
	EXPECT_EQ(-1, work.object);
	EXPECT_FALSE(fifo.opened());
	EXPECT_EQ(0, world.open("/dev/null", O_RDWR).result);
	EXPECT_TRUE(null.opened());
}

// A file whose opening breaks a lease, and one that is long in the truncating.
TEST_F(Flags, WhatTakesLongIsLeftToDo)
{
	struct sp_work work;
	World world({{t("all/**"), SP_RIGHT_READ | SP_RIGHT_WRITE}});
	const off_t large = 300 << 20;

	world.leave_work_to(&work);
	write_file(t("all/large"));
	ASSERT_EQ(0, truncate(t("all/large").c_str(), large));
	EXPECT_EQ(0, world.open(t("all/large"), O_RDWR | O_TRUNC).result);
	ASSERT_GE(work.object, 0);
	EXPECT_TRUE(work.gives && work.truncates && work.length == 0);
	close(work.object);
	Call call = {SP_CALL_truncate, t("all/large")};
	call.size = 7;
	EXPECT_EQ(0, world.perform(call).result);
	ASSERT_GE(work.object, 0);
	EXPECT_TRUE(!work.gives && work.truncates && work.length == 7);
	close(work.object);
	call.size = large - 1;
	EXPECT_EQ(0, world.perform(call).result);
	EXPECT_EQ(-1, work.object);
	world_->leave_work_to(nullptr);
	EXPECT_EQ(0, world_->open(t("all/large"), O_RDWR | O_TRUNC).result);
	EXPECT_EQ("", read_file(t("all/large")));
}

TEST_F(Flags, AFileWithALeaseIsLeftToDo)
{
	struct sp_work work;
	World world({{t("all/**"), SP_RIGHT_READ | SP_RIGHT_WRITE}});
	int ready[2], done[2];
	char byte;

	world.leave_work_to(&work);
	write_file(t("all/leased"));
	ASSERT_EQ(0, pipe(ready));
	ASSERT_EQ(0, pipe(done));
	pid_t holder = fork();
	if (holder == 0) {
		signal(SIGIO, SIG_IGN);
		int fd = open(t("all/leased").c_str(), O_RDONLY);
		bool holds = fd >= 0 && fcntl(fd, F_SETLEASE, F_RDLCK) == 0;
		_exit(write(ready[1], holds ? "y" : "n", 1) == 1 && read(done[0], &byte, 1) == 1
			  ? 0
			  : 1);
	}
	ASSERT_EQ(1, read(ready[0], &byte, 1));
	if (byte == 'y') {
		EXPECT_EQ(0, world.open(t("all/leased"), O_WRONLY).result);
		EXPECT_GE(work.object, 0);
		close(work.object);
		EXPECT_EQ(-EAGAIN, world.open(t("all/leased"), O_WRONLY | O_NONBLOCK).result);
		EXPECT_EQ(-1, work.object);
		EXPECT_EQ(-EAGAIN, world_->open(t("all/leased"), O_WRONLY).result);
	}
	ASSERT_EQ(1, write(done[1], "", 1));
	ASSERT_EQ(holder, waitpid(holder, nullptr, 0));
	for (int fd : {ready[0], ready[1], done[0], done[1]})
		close(fd);
}

// Those that do nothing to anybody, by what they are and not by their name.
TEST_F(Flags, TameDevicesMayBeOpenedAndNoOthers)
{
	const uint32_t both = SP_RIGHT_READ | SP_RIGHT_WRITE;
	World world({{"/dev/**", SP_RIGHT_READ},
		     {"/dev/null", both},
		     {"/dev/zero", both},
		     {"/dev/full", both},
		     {"/dev/ptmx", both}});
	struct stat status;

	for (const char *name : {"/dev/null", "/dev/zero", "/dev/full"})
		for (uint64_t flags : {O_RDONLY, O_WRONLY, O_RDWR, O_CREAT | O_WRONLY | O_TRUNC,
				       O_WRONLY | O_APPEND})
			EXPECT_EQ(0, world.open(name, flags, 0600).result) << name << flags;
	for (const char *name : {"/dev/random", "/dev/urandom"}) {
		EXPECT_EQ(0, world.open(name, O_RDONLY).result) << name;
		EXPECT_EQ(-EACCES, world.open(name, O_WRONLY).result) << name;
	}
	for (const char *name :
	     {"/dev/ptmx", "/dev/console", "/dev/kmsg", "/dev/mem", "/dev/fuse"}) {
		if (stat(name, &status) == 0 && S_ISCHR(status.st_mode)) {
			EXPECT_EQ(-ENXIO, world.open(name, O_RDONLY).result) << name;
		}
	}
	EXPECT_EQ("is a device", world.open("/dev/ptmx", O_RDWR).detail);
	EXPECT_EQ(0, world.perform({SP_CALL_stat, "/dev/ptmx"}).result);
	/* What is opened blocks where the caller asked for no better. */
	Outcome zero = world.open("/dev/zero", O_RDWR);
	EXPECT_EQ(O_RDWR, fcntl(zero.descriptor.get(), F_GETFL) & (O_ACCMODE | O_NONBLOCK));
	/* They are everybody's, also where the caller owns them. */
	for (enum sp_call_id id : {SP_CALL_chmod, SP_CALL_utime, SP_CALL_fchmodat2})
		EXPECT_TRUE(world.perform({id, "/dev/null", 0, 0666}).refused_with(EPERM));
	EXPECT_TRUE(world.perform({SP_CALL_fchmod, "", 0, 0666, zero.descriptor.get()})
			.refused_with(EPERM));
}

TEST_F(Flags, TruncateStaysWithinTheLimit)
{
	World limited(tree(t("all"), SP_RIGHT_ALL), 100);
	Call call = {SP_CALL_truncate, t("all/file")};

	call.size = 101;
	EXPECT_EQ(-EFBIG, limited.perform(call).result);
	EXPECT_EQ("text", read_file(t("all/file")));
	EXPECT_EQ(0, world_->perform(call).result);
	call.size = 100;
	EXPECT_EQ(0, limited.perform(call).result);
}

TEST_F(Flags, AttributesThatNoAnswerHolds)
{
	const std::string large(SP_OUT_MAX + 1, 'x'), fits(SP_OUT_MAX, 'y');
	Call call = {SP_CALL_getxattr, t("read/file")};

	ASSERT_EQ(0, setxattr(t("read/file").c_str(), "user.large", large.data(), large.size(), 0));
	ASSERT_EQ(0, setxattr(t("read/file").c_str(), "user.fits", fits.data(), fits.size(), 0));
	call.text = "user.large";
	call.size = 65536;
	EXPECT_EQ(-E2BIG, world_->perform(call).result);
	call.size = SP_OUT_MAX;
	EXPECT_EQ(-ERANGE, world_->perform(call).result);
	call.size = 0;
	EXPECT_EQ(SP_OUT_MAX + 1, world_->perform(call).result);
	call.text = "user.fits";
	call.size = UINT64_MAX;
	EXPECT_EQ(fits, world_->perform(call).out);
	char here[PATH_MAX];
	ASSERT_TRUE(getcwd(here, sizeof(here)));
	EXPECT_EQ(std::string::npos, std::string(here).find("/proc")) << "the caller's own again";
}

TEST_F(Flags, SpecialFilesHaveNoLength)
{
	ASSERT_EQ(0, mkfifo(t("all/fifo").c_str(), 0600));
	Call call = {SP_CALL_truncate, t("all/fifo")};
	call.size = 0;
	EXPECT_EQ(-EINVAL, world_->perform(call).result);
	EXPECT_EQ(0, world_->perform({SP_CALL_chmod, t("all/fifo"), 0, 0640}).result);
	EXPECT_EQ(0640u, mode_of("all/fifo"));
}

TEST_F(Flags, StatusFlagsAreTheCallers)
{
	const int shown = O_APPEND | O_NONBLOCK | O_ACCMODE;

	for (int flags :
	     {O_RDONLY, O_WRONLY | O_APPEND, O_RDWR | O_NONBLOCK, O_RDWR | O_APPEND | O_NONBLOCK}) {
		Outcome outcome = world_->open(t("all/file"), static_cast<uint64_t>(flags));
		ASSERT_EQ(0, outcome.result);
		EXPECT_EQ(flags, fcntl(outcome.descriptor.get(), F_GETFL) & shown);
	}
}

TEST_F(Flags, CachedOnlyAlwaysAnswersTryAgain)
{
	Call call = {SP_CALL_openat2, t("all/file"), O_RDONLY};
	EXPECT_EQ(0, world_->perform(call).result);
	call.resolve = RESOLVE_CACHED;
	EXPECT_EQ(-EAGAIN, world_->perform(call).result);
}

// ETXTBSY, or EACCES where the user may not write the program anyway.
TEST_F(Flags, ARunningProgramIsBusy)
{
	char program[PATH_MAX] = "";

	ASSERT_GT(readlink("/proc/self/exe", program, sizeof(program) - 1), 0);
	World world({{program, SP_RIGHT_ALL}});
	Fd native(open(program, O_WRONLY | O_CLOEXEC));
	int error = errno;
	ASSERT_LT(native.get(), 0);
	EXPECT_EQ(-error, world.open(program, O_WRONLY).result);
	EXPECT_EQ(0, world.open(program, O_RDONLY).result);
}

TEST_F(Flags, DeepTreesAndLongClimbs)
{
	std::string deep = t("all"), climb;
	for (int i = 0; i < 1000; i++) {
		deep += "/d";
		climb += "/..";
		ASSERT_EQ(0, world_->perform({SP_CALL_mkdir, deep, 0, 0755}).result) << i;
	}
	EXPECT_EQ(0, world_->open(deep + climb.substr(0, 3 * 400) + "/d", O_PATH).result);
	std::string up;
	for (int i = 0; i < 600; i++)
		up += "/..";
	EXPECT_EQ(0, world_->open(deep + up, O_PATH).result);
}

} // namespace
} // namespace calls
