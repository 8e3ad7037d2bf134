// SPDX-License-Identifier: Apache-2.0
// A file system that a process of ours serves, and that keeps one kind of question to itself.
#ifndef SALLYPORT_TESTS_ATTACKS_FILESYSTEM_H
#define SALLYPORT_TESTS_ATTACKS_FILESYSTEM_H

#include <cstdint>
#include <string>
#include <sys/types.h>

class FileSystem
{
      public:
	// Of <linux/fuse.h>; the first one stands for a server that does not even take questions off the kernel.
	static constexpr uint32_t kEverything = ~0u, kNothing = ~1u;

	// A new directory that holds one file, "file", of the bytes "plain\n". What is asked with the opcode is never
	// answered. `ahead`: the kernel asks for pages before they are wanted, so that others wait for the page alone.
	FileSystem(const std::string &directory, uint32_t unanswered, bool ahead = true);
	~FileSystem();
	FileSystem(const FileSystem &) = delete;
	FileSystem &operator=(const FileSystem &) = delete;

	// False, and errno: this user can mount none.
	bool Mounted() const
	{
		return mounted;
	}

	// Whether somebody waits for what is never answered.
	bool Asked() const;

	// Names that were looked up so far.
	unsigned long Lookups() const;

	// The server ends: whoever waits is told so.
	void End();

      private:
	struct Shared;
	void Serve(uint32_t unanswered, bool ahead);

	std::string place;
	int device;
	bool mounted = false;
	pid_t server = -1;
	Shared *shared;
};

#endif
