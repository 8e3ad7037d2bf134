// SPDX-License-Identifier: Apache-2.0
// Names below /proc: the caller's own entry under every spelling, nobody else's, and links there followed by name.
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <atomic>
#include <thread>

#include "ipc/runtime.h"
#include "tests/unit/calls/calls_test.h"

namespace calls
{
namespace
{

class Proc : public TreeTest
{
      protected:
	void SetUp() override
	{
		TreeTest::SetUp();
		write_file(*scratch_ / "file");
		mkdir((*scratch_ / "hidden").c_str(), 0755);
		write_file(*scratch_ / "hidden/canary", "canary");
		world_ = std::make_unique<World>(
		    std::vector<Rule>{{"/proc/**", SP_RIGHT_READ | SP_RIGHT_WRITE},
				      {scratch_->path() + "/file", SP_RIGHT_READ}});
	}
	Outcome open(const std::string &path, uint64_t flags = O_RDONLY)
	{
		return world_->open(path, flags);
	}
	Outcome read_link(const std::string &path)
	{
		return world_->perform({SP_CALL_readlink, path});
	}
	static std::string own(const std::string &name)
	{
		return "/proc/" + std::to_string(getpid()) + "/" + name;
	}
	static std::string fd_name(int fd)
	{
		return "/proc/self/fd/" + std::to_string(fd);
	}
};

ino_t inode(int fd)
{
	struct stat s;
	return fstat(fd, &s) == 0 ? s.st_ino : 0;
}

TEST_F(Proc, SelfIsTheCaller)
{
	for (const std::string &path :
	     {std::string("/proc/self/maps"), own("maps"), std::string("//proc/./self//maps"),
	      std::string("/proc/self/../self/maps")}) {
		Outcome outcome = open(path);
		ASSERT_EQ(0, outcome.result) << path;
		Fd direct(::open(own("maps").c_str(), O_RDONLY | O_CLOEXEC));
		EXPECT_EQ(inode(direct.get()), inode(outcome.descriptor.get())) << path;
	}
	EXPECT_EQ(std::to_string(getpid()), read_link("/proc/self").out);
	EXPECT_EQ(std::to_string(getpid()) + "/task/" + std::to_string(gettid()),
		  read_link("/proc/thread-self").out);
	EXPECT_EQ(0, open("/proc/self/environ").result);
	EXPECT_EQ(0, open("/proc/mounts").result);
	EXPECT_EQ(0, world_->perform({SP_CALL_lstat, "/proc/self"}).result);
}

TEST_F(Proc, ThreadSelfIsTheCallingThread)
{
	std::thread thread([&] {
		Outcome outcome = open("/proc/thread-self/comm");
		ASSERT_EQ(0, outcome.result);
		Fd direct(::open("/proc/thread-self/comm", O_RDONLY | O_CLOEXEC));
		EXPECT_EQ(inode(direct.get()), inode(outcome.descriptor.get()));
	});
	thread.join();
}

TEST_F(Proc, RulesSpeakOfSelf)
{
	World narrow({{"/proc/self/status", SP_RIGHT_READ}});

	EXPECT_EQ(0, narrow.open("/proc/self/status", O_RDONLY).result);
	EXPECT_EQ(0, narrow.open(own("status"), O_RDONLY).result);
	Outcome denied = narrow.open(own("environ"), O_RDONLY);
	EXPECT_TRUE(denied.refused_with(EACCES));
	EXPECT_EQ("/proc/self/environ", denied.name);
}

TEST_F(Proc, OtherProcessesAreRefused)
{
	int status;
	pid_t child = fork();

	if (child == 0) {
		pause();
		_exit(0);
	}
	for (const std::string &pid :
	     {std::string("1"), std::to_string(child), std::to_string(getppid()),
	      std::string("999999999"), std::string("0")})
		for (const char *name :
		     {"", "/environ", "/fd", "/fd/0", "/cwd", "/root", "/mem", "/task"}) {
			Outcome outcome = open("/proc/" + pid + name);
			EXPECT_TRUE(outcome.refused_with(EACCES))
			    << pid << name << " " << outcome.result;
		}
	EXPECT_TRUE(
	    open("/proc/self/../" + std::to_string(child) + "/environ").refused_with(EACCES));
	EXPECT_EQ(0, open("/proc/self/environ").result);
	kill(child, SIGKILL);
	ASSERT_EQ(child, waitpid(child, &status, 0));
}

TEST_F(Proc, MagicLinksAreFollowedByName)
{
	Fd file(::open((*scratch_ / "file").c_str(), O_RDONLY | O_CLOEXEC));
	Fd canary(::open((*scratch_ / "hidden/canary").c_str(), O_RDONLY | O_CLOEXEC));

	Outcome outcome = open(fd_name(file.get()));
	ASSERT_EQ(0, outcome.result);
	EXPECT_EQ(inode(file.get()), inode(outcome.descriptor.get()));
	EXPECT_EQ(0, open("/proc/../proc/thread-self/fd/" + std::to_string(file.get())).result);
	// Neither upgraded to writing, nor a way round the policy.
	EXPECT_TRUE(open(fd_name(file.get()), O_RDWR).refused_with(EACCES));
	EXPECT_TRUE(open(fd_name(canary.get())).refused_with(EACCES));
	EXPECT_EQ(*scratch_ / "hidden/canary", read_link(fd_name(canary.get())).out);
	EXPECT_TRUE(open("/proc/self/root" + (*scratch_ / "hidden/canary")).refused_with(EACCES));
	EXPECT_EQ(0, open("/proc/self/root" + (*scratch_ / "file")).result);
	EXPECT_TRUE(open("/proc/self/exe").refused_with(EACCES));
	EXPECT_EQ(-ENOENT, open("/proc/self/fd/987").result);
}

// Whose calls are trapped has a runtime, whose descriptors are none of the program's: as if they were not open.
TEST_F(Proc, TheDescriptorsOfARuntimeHaveNoNames)
{
	const std::string none = "/" + std::to_string(SP_RESERVED_FIRST - 2);
	Fd null(::open("/dev/null", O_RDONLY | O_CLOEXEC)),
	    directory(::open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	std::vector<Fd> held;
	World world({{"/proc/**", SP_RIGHT_READ | SP_RIGHT_WRITE}, {"/dev/fd", SP_RIGHT_READ}});

	for (int number = SP_RESERVED_FIRST - 1; number <= SP_RESERVED_LAST; number++) {
		held.emplace_back(dup3(null.get(), number, O_CLOEXEC));
		ASSERT_EQ(number, held.back().get()) << strerror(errno);
	}
	for (bool locked : {false, true})
		for (int number = SP_RESERVED_FIRST - 1; number <= SP_RESERVED_LAST; number++) {
			const bool hidden = locked && number >= SP_RESERVED_FIRST;
			const std::string name = std::to_string(number);

			world.caller()->locked = locked;
			for (const std::string &where :
			     {std::string("/proc/self/fd"), std::string("/proc/thread-self/fd"),
			      own("fd"), own("task/" + std::to_string(gettid()) + "/fd"),
			      std::string("/proc/self/fdinfo"), std::string("/dev/fd")})
				for (sp_call_id call :
				     {SP_CALL_open, SP_CALL_lstat, SP_CALL_stat, SP_CALL_readlink,
				      SP_CALL_access, SP_CALL_statfs, SP_CALL_chmod,
				      SP_CALL_truncate, SP_CALL_unlink, SP_CALL_mkdir}) {
					auto result =
					    world.perform({call, where + "/" + name}).result;

					if (hidden) {
						EXPECT_EQ(
						    world.perform({call, where + none}).result,
						    result)
						    << where << name << " " << call;
					}
					if (call != SP_CALL_mkdir && call != SP_CALL_unlink) {
						EXPECT_EQ(hidden, result == -ENOENT)
						    << where << name << " " << call;
					}
				}
			EXPECT_EQ(hidden ? -ENOENT : 0,
				  world
				      .perform({SP_CALL_newfstatat, name, AT_SYMLINK_NOFOLLOW, 0,
						directory.get()})
				      .result);
			EXPECT_EQ(hidden ? -EBADF : -ENOTDIR,
				  world.perform({SP_CALL_newfstatat, "x", 0, 0, number}).result);
			EXPECT_EQ(hidden ? -EBADF : -EACCES,
				  world.perform({SP_CALL_fchmod, "", 0, 0600, number}).result);
		}
	// Tasks have numbers too.
	EXPECT_TRUE(world.perform({SP_CALL_lstat, own("task/1022")}).result == -ENOENT);
}

TEST_F(Proc, CwdIsAName)
{
	Fd here(::open(".", O_PATH | O_DIRECTORY | O_CLOEXEC));

	ASSERT_EQ(0, chdir(scratch_->path().c_str()));
	EXPECT_EQ(0, open("/proc/self/cwd/file").result);
	EXPECT_EQ(0, open("file").result);
	EXPECT_TRUE(open("/proc/self/cwd/hidden/canary").refused_with(EACCES));
	EXPECT_EQ(scratch_->path(), read_link("/proc/self/cwd").out);
	ASSERT_EQ(0, chdir("/proc/self"));
	EXPECT_EQ(0, open("maps").result);
	EXPECT_EQ(0, open("../self/maps").result);
	EXPECT_TRUE(open("../1/environ").refused_with(EACCES));
	ASSERT_EQ(0, fchdir(here.get()));
}

TEST_F(Proc, NamelessObjectsAndOddLinksAreRefused)
{
	int ends[2];

	ASSERT_EQ(0, pipe2(ends, O_CLOEXEC));
	Fd in(ends[0]), out(ends[1]), memory(memfd_create("x", MFD_CLOEXEC));
	EXPECT_TRUE(open(fd_name(in.get())).refused_with(ENXIO));
	EXPECT_TRUE(open(fd_name(memory.get()), O_RDWR).refused_with(ENXIO));
	write_file(*scratch_ / "gone");
	Fd gone(::open((*scratch_ / "gone").c_str(), O_RDONLY | O_CLOEXEC));
	unlink((*scratch_ / "gone").c_str());
	EXPECT_TRUE(open(fd_name(gone.get())).refused_with(ENXIO));
	for (const char *name :
	     {"/proc/self/ns/net", "/proc/self/task/1/ns/mnt", "/proc/self/map_files/0-1"})
		EXPECT_LT(open(name).result, 0) << name;
	EXPECT_TRUE(open("/proc/self/ns/net").refused_with(EACCES));
}

// /proc/self/fd/N is no way around what fchmod(N) is refused, nor less than what it is granted.
TEST_F(Proc, ChangingByADescriptorsNameIsChangingTheDescriptor)
{
	const std::string canary = *scratch_ / "hidden/canary";
	Fd reading(::open(canary.c_str(), O_RDONLY | O_CLOEXEC)),
	    writing(::open(canary.c_str(), O_RDWR | O_CLOEXEC)),
	    path(::open(canary.c_str(), O_PATH | O_CLOEXEC)),
	    memory(memfd_create("x", MFD_CLOEXEC));
	struct stat before, after;

	ASSERT_EQ(0, stat(canary.c_str(), &before));
	for (pid_t outer : {0, getpid()}) {
		world_->caller()->outer = outer;
		for (const Fd *fd : {&reading, &writing, &path}) {
			const std::string name = fd_name(fd->get());

			EXPECT_LT(world_->perform({.id = SP_CALL_chmod, .path = name, .mode = 0646})
				      .result,
				  0);
			EXPECT_LT(world_->perform({.id = SP_CALL_truncate, .path = name}).result,
				  0);
			EXPECT_LT(world_->perform({.id = SP_CALL_chown, .path = name}).result, 0);
			EXPECT_LT(
			    world_
				->perform({.id = SP_CALL_fchmod, .mode = 0646, .dirfd = fd->get()})
				.result,
			    0);
		}
		EXPECT_EQ(
		    world_->perform({.id = SP_CALL_fchmod, .mode = 0640, .dirfd = memory.get()})
			.result,
		    world_
			->perform(
			    {.id = SP_CALL_chmod, .path = fd_name(memory.get()), .mode = 0640})
			.result);
	}
	ASSERT_EQ(0, stat(canary.c_str(), &after));
	EXPECT_EQ(before.st_mode, after.st_mode);
	EXPECT_EQ(before.st_size, after.st_size);
}

// What the caller has a descriptor of it may have once more, with no more access.
TEST_F(Proc, OwnDescriptorsAreOpenedByTheirNumber)
{
	int ends[2];

	ASSERT_EQ(0, pipe2(ends, O_CLOEXEC));
	Fd in(ends[0]), out(ends[1]), memory(memfd_create("x", MFD_CLOEXEC));
	Fd canary(::open((*scratch_ / "hidden/canary").c_str(), O_RDONLY | O_CLOEXEC));
	Fd writable(::open((*scratch_ / "hidden/canary").c_str(), O_RDWR | O_CLOEXEC));
	Fd read_only(::open(("/proc/self/fd/" + std::to_string(memory.get())).c_str(),
			    O_RDONLY | O_CLOEXEC));

	write_file(*scratch_ / "gone", "gone");
	Fd gone(::open((*scratch_ / "gone").c_str(), O_RDONLY | O_CLOEXEC));
	unlink((*scratch_ / "gone").c_str());
	world_->caller()->outer = getpid();
	const struct {
		const Fd *descriptor;
		bool reads, writes;
	} rows[] = {{&in, true, false},       {&out, false, true},    {&memory, true, true},
		    {&gone, true, false},     {&canary, true, false}, {&writable, true, true},
		    {&read_only, true, false}};
	for (const auto &row : rows) {
		const std::string name = fd_name(row.descriptor->get());
		const struct {
			uint64_t flags;
			bool allowed;
		} ways[] = {{O_RDONLY, row.reads},
			    {O_WRONLY, row.writes},
			    {O_RDWR, row.reads && row.writes},
			    {O_RDONLY | O_TRUNC, false}};
		for (const auto &way : ways) {
			if ((way.flags & O_TRUNC) && row.writes)
				continue;
			Outcome outcome = open(name, way.flags);
			EXPECT_EQ(way.allowed, outcome.result == 0) << name << way.flags;
			if (way.allowed) {
				EXPECT_EQ(0, outcome.refusal);
				EXPECT_EQ(inode(row.descriptor->get()),
					  inode(outcome.descriptor.get()));
			} else {
				EXPECT_NE(0, outcome.refusal) << name << way.flags;
			}
		}
	}
	EXPECT_EQ("canary", read_file(*scratch_ / "hidden/canary"));
	// A file of its own, with flags of its own.
	EXPECT_EQ(O_NONBLOCK,
		  fcntl(open(fd_name(in.get()), O_RDONLY | O_NONBLOCK).descriptor.get(), F_GETFL) &
		      O_NONBLOCK);
	EXPECT_EQ(0, fcntl(in.get(), F_GETFL) & O_NONBLOCK);
	EXPECT_EQ(-ENOENT, open("/proc/self/fd/987").result);
	EXPECT_EQ(-ENOENT, open("/proc/self/fd/99999999999999999999").result);
}

TEST_F(Proc, OwnDescriptorsGiveNothingThatTheyAreNot)
{
	Fd path(::open((*scratch_ / "hidden/canary").c_str(), O_PATH | O_CLOEXEC));
	Fd directory(::open((*scratch_ / "hidden").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	Fd log(::open((*scratch_ / "hidden/log").c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC,
		      0600));
	Fd talk(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));

	world_->caller()->outer = getpid();
	EXPECT_TRUE(open(fd_name(path.get())).refused_with(EACCES));
	EXPECT_TRUE(open(fd_name(directory.get())).refused_with(EACCES));
	EXPECT_TRUE(open(fd_name(directory.get()), O_RDONLY | O_DIRECTORY).refused_with(EACCES));
	EXPECT_TRUE(open(fd_name(directory.get()), O_RDWR | O_TMPFILE).refused_with(EACCES));
	EXPECT_TRUE(open(fd_name(directory.get()) + "/canary").refused_with(EACCES));
	EXPECT_TRUE(open(fd_name(log.get()) + "/").refused_with(EACCES));
	EXPECT_TRUE(open(fd_name(log.get()), O_PATH).refused_with(EACCES));
	EXPECT_EQ(-ENXIO, open(fd_name(talk.get()), O_RDWR).result);
	Outcome again = open(fd_name(log.get()), O_WRONLY);
	ASSERT_EQ(0, again.result);
	EXPECT_TRUE(fcntl(again.descriptor.get(), F_GETFL) & O_APPEND);
	EXPECT_TRUE(
	    world_->perform({SP_CALL_chdir, fd_name(directory.get())}).refused_with(EACCES));
}

TEST_F(Proc, OwnDescriptorsAreLookedAtByNumber)
{
	int ends[2];
	struct stat status;

	ASSERT_EQ(0, pipe2(ends, O_CLOEXEC));
	Fd in(ends[0]), out(ends[1]);
	Outcome outcome = world_->perform({SP_CALL_stat, fd_name(in.get())});
	ASSERT_EQ(0, outcome.result);
	EXPECT_EQ(0, outcome.refusal);
	ASSERT_EQ(sizeof(status), outcome.out.size());
	memcpy(&status, outcome.out.data(), sizeof(status));
	EXPECT_EQ(inode(in.get()), status.st_ino);
	EXPECT_EQ(0, world_->perform({SP_CALL_access, fd_name(in.get()), 0, R_OK}).result);
	EXPECT_EQ(-EACCES, world_->perform({SP_CALL_access, fd_name(in.get()), 0, X_OK}).result);
}

// Whatever stands at the number meanwhile, nothing is opened for writing that was not.
TEST_F(Proc, ADescriptorThatChangesGivesNoMoreAccess)
{
	Fd mine(memfd_create("x", MFD_CLOEXEC));
	Fd canary(::open((*scratch_ / "hidden/canary").c_str(), O_RDONLY | O_CLOEXEC));
	Fd place(fcntl(mine.get(), F_DUPFD_CLOEXEC, 0));
	std::atomic<bool> done(false);
	std::thread changer([&] {
		while (!done) {
			dup3(canary.get(), place.get(), O_CLOEXEC);
			dup3(mine.get(), place.get(), O_CLOEXEC);
		}
	});
	unsigned opened = 0;

	world_->judged = false;
	world_->caller()->outer = getpid();
	for (int i = 0; i < 20000; i++) {
		Outcome outcome = open(fd_name(place.get()), O_RDWR | O_TRUNC);
		if (outcome.result == 0) {
			EXPECT_EQ(inode(mine.get()), inode(outcome.descriptor.get()));
			opened++;
		}
	}
	done = true;
	changer.join();
	EXPECT_GT(opened, 0u);
	EXPECT_EQ("canary", read_file(*scratch_ / "hidden/canary"));
}

TEST_F(Proc, ADescriptorSweepFindsOnlyTheCallersOwn)
{
	for (int fd = 0; fd < 1024; fd++) {
		// The caller and the porter are one here, so that the walk's own descriptors show for its time.
		bool ours = fcntl(fd, F_GETFD) >= 0;
		Outcome outcome = open(fd_name(fd), O_PATH);
		if (ours && outcome.result == 0) {
			EXPECT_EQ(inode(fd), inode(outcome.descriptor.get())) << fd;
		}
	}
}

TEST_F(Proc, WithoutAProcNothingBelowIsFound)
{
	Fd outer(::open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC));
	struct sp_view view, kept = *world_->view();

	ASSERT_EQ(0, sp_view_open(-1, outer.get(), &view));
	*world_->view() = view;
	EXPECT_TRUE(open("/proc/self/maps").refused_with(EACCES));
	EXPECT_TRUE(open("/proc/1/maps").refused_with(EACCES));
	EXPECT_EQ(0, open(*scratch_ / "file").result);
	sp_view_close(&view);
	*world_->view() = kept;
}

} // namespace
} // namespace calls
