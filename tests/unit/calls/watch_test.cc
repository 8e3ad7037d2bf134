// SPDX-License-Identifier: Apache-2.0
// inotify_add_watch: on the caller's own instance alone, for names that may be read.
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <atomic>
#include <thread>

#include "tests/unit/calls/calls_test.h"

namespace calls
{
namespace
{

class Watch : public TreeTest
{
      protected:
	void SetUp() override
	{
		TreeTest::SetUp();
		instance_ = Fd(inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
		for (const char *name : {"read", "read/folder", "secret"})
			ASSERT_EQ(0, mkdir(t(name).c_str(), 0755));
		for (const char *name : {"read/file", "secret/file"})
			write_file(t(name));
		std::vector<Rule> rows = tree(t("read"), SP_RIGHT_READ);
		for (const char *name : {"/proc/self/**", "/dev/null", "/dev/tty", "/dev/ptmx",
					 "/dev/pts", "/dev/pts/**", "/dev/shm"})
			rows.push_back({name, SP_RIGHT_READ});
		world_ = std::make_unique<World>(rows);
		world_->caller()->outer = getpid();
	}
	Outcome watch(int instance, const std::string &path, uint32_t mask = IN_ALL_EVENTS) const
	{
		Call call = {SP_CALL_inotify_add_watch, path, mask};
		call.dirfd2 = instance;
		return world_->perform(call);
	}
	// The names in the events that wait, one after the other.
	static std::string events(int instance)
	{
		alignas(struct inotify_event) char buffer[4096];
		ssize_t n = read(instance, buffer, sizeof(buffer));
		std::string names;

		for (ssize_t at = 0; at < n;) {
			auto *event = reinterpret_cast<struct inotify_event *>(buffer + at);
			names += event->len ? std::string(event->name) + " " : ". ";
			at += static_cast<ssize_t>(sizeof(*event) + event->len);
		}
		return names;
	}
	Fd instance_;
	void TearDown() override
	{
		instance_ = Fd();
		TreeTest::TearDown();
	}
};

TEST_F(Watch, EventsComeToTheCallersOwnInstance)
{
	EXPECT_EQ(1, watch(instance_.get(), t("read/folder"), IN_CREATE).result);
	EXPECT_EQ(2, watch(instance_.get(), t("read/file"), IN_MODIFY).result);
	EXPECT_EQ(1, watch(instance_.get(), t("read/folder"), IN_CREATE | IN_DELETE).result);
	write_file(t("read/folder/made"));
	write_file(t("secret/other"));
	EXPECT_EQ("made ", events(instance_.get()));
	EXPECT_EQ(-EEXIST,
		  watch(instance_.get(), t("read/file"), IN_OPEN | 0x10000000 /* IN_MASK_CREATE */)
		      .result);
	EXPECT_EQ(0, inotify_rm_watch(instance_.get(), 1));
}

TEST_F(Watch, ALinkItselfOrWhatItLeadsTo)
{
	ASSERT_EQ(0, symlink("../secret/file", t("read/out").c_str()));
	ASSERT_EQ(0, symlink("file", t("read/in").c_str()));
	EXPECT_TRUE(watch(instance_.get(), t("read/out")).refused_with(EACCES));
	EXPECT_EQ(1, watch(instance_.get(), t("read/out"), IN_ATTRIB | IN_DONT_FOLLOW).result);
	EXPECT_EQ(2, watch(instance_.get(), t("read/in"), IN_MODIFY).result);
	write_file(t("secret/file"), "more");
	EXPECT_EQ("", events(instance_.get()));
	write_file(t("read/file"), "more");
	EXPECT_NE("", events(instance_.get()));
	EXPECT_EQ(-ENOTDIR, watch(instance_.get(), t("read/in"), IN_OPEN | IN_ONLYDIR).result);
}

TEST_F(Watch, MissingAndPresentAnswerAlikeOutside)
{
	for (const char *name : {"secret", "secret/file", "secret/missing", "secret/file/below"})
		EXPECT_TRUE(watch(instance_.get(), t(name)).refused_with(EACCES)) << name;
	EXPECT_TRUE(watch(instance_.get(), t("")).refused_with(EACCES)) << "on the way alone";
	EXPECT_EQ(-ENOENT, watch(instance_.get(), t("read/missing")).result);
	EXPECT_EQ(-ENOENT, watch(instance_.get(), "").result);
}

// That somebody reads from a terminal tells when keys are pressed.
TEST_F(Watch, NoDeviceThatOthersUse)
{
	Fd null(open("/dev/null", O_RDWR | O_CLOEXEC));
	const std::string link = "/proc/self/fd/" + std::to_string(null.get());

	for (const std::string &name : {std::string("/dev/null"), std::string("/dev/tty"),
					std::string("/dev/ptmx"), std::string("/dev/pts"), link}) {
		if (access(name.c_str(), F_OK) != 0)
			continue;
		for (uint32_t mask : {IN_OPEN, IN_ACCESS | IN_MODIFY})
			EXPECT_TRUE(watch(instance_.get(), name, mask).refused_with(EACCES))
			    << name;
	}
	EXPECT_EQ("", events(instance_.get()));
	EXPECT_EQ(1, watch(instance_.get(), "/dev/shm", IN_OPEN).result);
}

// What a descriptor shows is watched by its name, or not at all.
TEST_F(Watch, ADescriptorIsNoWayAround)
{
	Fd secret(open(t("secret/file").c_str(), O_RDONLY | O_CLOEXEC)),
	    file(open(t("read/file").c_str(), O_RDONLY | O_CLOEXEC)),
	    memory(memfd_create("m", MFD_CLOEXEC));
	auto name = [](const Fd &fd) { return "/proc/self/fd/" + std::to_string(fd.get()); };

	EXPECT_TRUE(watch(instance_.get(), name(secret)).refused_with(EACCES));
	EXPECT_TRUE(watch(instance_.get(), name(memory)).refused_with(ENXIO));
	EXPECT_EQ(1, watch(instance_.get(), name(file)).result);
}

TEST_F(Watch, NothingButAnInstanceIsTaken)
{
	Fd event(eventfd(0, EFD_CLOEXEC)), memory(memfd_create("anon_inode:inotify", MFD_CLOEXEC)),
	    socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)),
	    folder(open(t("read").c_str(), O_RDONLY | O_CLOEXEC)),
	    path(open(("/proc/self/fd/" + std::to_string(instance_.get())).c_str(),
		      O_PATH | O_CLOEXEC));

	for (const Fd *fd : {&event, &memory, &socket, &folder})
		EXPECT_EQ(-EINVAL, watch(fd->get(), t("read/file")).result);
	EXPECT_EQ(-EBADF, watch(path.get(), t("read/file")).result);
	for (int number : {987, -1, AT_FDCWD, INT_MAX, INT_MIN})
		EXPECT_EQ(-EBADF, watch(number, t("read/file")).result) << number;
	for (uint32_t mask : {0u, 1u << 16, 1u << 23, ~0u, IN_OPEN | IN_MASK_ADD | 0x10000000u})
		EXPECT_EQ(-EINVAL, watch(instance_.get(), t("read/file"), mask).result) << mask;
	// Flags that a wire could carry and the kernel's argument could not.
	Call call = {SP_CALL_inotify_add_watch, t("read/file"), UINT64_C(1) << 32 | IN_OPEN};
	call.dirfd2 = instance_.get();
	EXPECT_EQ(-EINVAL, world_->perform(call).result);
}

// The number is given to others again and again: to sockets, files, nobody.
TEST_F(Watch, ARacedInstance)
{
	Fd slot(fcntl(instance_.get(), F_DUPFD_CLOEXEC, 100));
	std::atomic<bool> stop = false;
	int watched = 0, refused = 0;

	world_->judged = false;
	std::thread swapper([&] {
		Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)),
		    file(open(t("secret/file").c_str(), O_RDONLY | O_CLOEXEC));
		while (!stop)
			for (int fd : {socket.get(), instance_.get(), file.get()})
				dup3(fd, slot.get(), O_CLOEXEC);
	});
	for (int i = 0; i < 20000; i++) {
		int64_t r = watch(slot.get(), t("read/file"), IN_MODIFY).result;

		watched += r == 1;
		refused += r == -EINVAL || r == -EBADF;
	}
	stop = true;
	swapper.join();
	EXPECT_GT(watched, 0);
	EXPECT_GT(refused, 0);
	EXPECT_EQ(20000, watched + refused);
}

} // namespace
} // namespace calls
