// SPDX-License-Identifier: Apache-2.0
#include "tests/attacks/filesystem.h"

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <linux/fuse.h>
#include <stdexcept>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/kill.h"

namespace
{
constexpr uint64_t kFile = 2; // the root is 1
constexpr char kContent[] = "plain\n";
constexpr size_t kContentLength = sizeof(kContent) - 1;

struct Request {
	fuse_in_header header;
	char rest[1 << 17];
};

void Answer(int device, const Request &request, int error, const void *bytes, size_t length)
{
	fuse_out_header header = {static_cast<uint32_t>(sizeof(header) + length), error,
				  request.header.unique};
	struct iovec parts[] = {{&header, sizeof(header)}, {const_cast<void *>(bytes), length}};

	if (writev(device, parts, 2) < 0 && errno != ENOENT) // who asked has died
		_exit(1);
}

fuse_attr Attributes(uint64_t node)
{
	fuse_attr attributes = {};

	attributes.ino = node;
	attributes.mode = node == kFile ? S_IFREG | 0666 : S_IFDIR | 0755;
	attributes.size = node == kFile ? kContentLength : 0;
	attributes.nlink = 1;
	attributes.uid = geteuid();
	attributes.gid = getegid();
	attributes.blksize = 4096;
	return attributes;
}

void Reply(int device, const Request &request, bool ahead)
{
	fuse_init_out init = {};
	fuse_entry_out entry = {};
	fuse_attr_out attributes = {};
	fuse_open_out opened = {};

	switch (request.header.opcode) {
	case FUSE_INIT:
		init.major = FUSE_KERNEL_VERSION;
		init.minor = FUSE_KERNEL_MINOR_VERSION;
		init.max_write = 4096;
		init.max_readahead = ahead ? 1 << 16 : 0;
		init.flags = FUSE_ASYNC_READ;
		Answer(device, request, 0, &init, sizeof(init));
		return;
	case FUSE_LOOKUP:
		entry.nodeid = kFile;
		entry.attr = Attributes(kFile);
		if (strcmp(request.rest, "file") == 0)
			Answer(device, request, 0, &entry, sizeof(entry));
		else
			Answer(device, request, -ENOENT, nullptr, 0);
		return;
	case FUSE_GETATTR:
		attributes.attr = Attributes(request.header.nodeid);
		Answer(device, request, 0, &attributes, sizeof(attributes));
		return;
	case FUSE_OPEN:
	case FUSE_OPENDIR:
		Answer(device, request, 0, &opened, sizeof(opened));
		return;
	case FUSE_READ:
		Answer(device, request, 0, kContent, kContentLength);
		return;
	case FUSE_RELEASE:
	case FUSE_RELEASEDIR:
		Answer(device, request, 0, nullptr, 0);
		return;
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
	case FUSE_INTERRUPT:
		return;
	default:
		Answer(device, request, -ENOSYS, nullptr, 0);
	}
}
} // namespace

// With the server.
struct FileSystem::Shared {
	unsigned long asked, lookups; // atomic
};

FileSystem::FileSystem(const std::string &directory, uint32_t unanswered, bool ahead)
    : place(directory)
{
	char options[128];
	void *memory = mmap(nullptr, sizeof(*shared), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		throw std::runtime_error("mmap");
	shared = static_cast<Shared *>(memory);
	device = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=%u,group_id=%u", device,
		 geteuid(), getegid());
	mounted = device >= 0 && mkdir(place.c_str(), 0755) == 0 &&
		  mount("attack", place.c_str(), "fuse", MS_NOSUID | MS_NODEV, options) == 0;
	if (!mounted)
		return;
	server = fork();
	if (server == 0)
		Serve(unanswered, ahead);
	// The server alone holds it, so that its death is the end.
	close(device);
	device = -1;
}

FileSystem::~FileSystem()
{
	End();
	if (mounted)
		(void)umount2(place.c_str(), MNT_DETACH);
	(void)rmdir(place.c_str());
	if (device >= 0)
		close(device);
	munmap(shared, sizeof(*shared));
}

void FileSystem::End()
{
	if (server > 0) {
		kill_one(server);
		waitpid(server, nullptr, 0);
	}
	server = -1;
}

bool FileSystem::Asked() const
{
	return __atomic_load_n(&shared->asked, __ATOMIC_ACQUIRE) > 0;
}

unsigned long FileSystem::Lookups() const
{
	return __atomic_load_n(&shared->lookups, __ATOMIC_ACQUIRE);
}

void FileSystem::Serve(uint32_t unanswered, bool ahead)
{
	static Request request;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		if (read(device, &request, sizeof(request)) < 0) {
			if (errno == EINTR || errno == ENOENT) // withdrawn meanwhile
				continue;
			_exit(0);
		}
		const uint32_t opcode = request.header.opcode;

		if (opcode == FUSE_LOOKUP)
			__atomic_fetch_add(&shared->lookups, 1, __ATOMIC_RELEASE);
		if (opcode == unanswered)
			__atomic_fetch_add(&shared->asked, 1, __ATOMIC_RELEASE);
		else
			Reply(device, request, ahead);
		while (opcode == FUSE_INIT && unanswered == kEverything)
			pause();
	}
}
