/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A folder for one test and the ways to run a command in it: natively, and by `sallyport run`. Each run starts
 * in a tree of its own that bears the same name, so that what both write and say can be compared.
 */
#ifndef SALLYPORT_TESTS_PROGRAMS_SCRATCH_H
#define SALLYPORT_TESTS_PROGRAMS_SCRATCH_H

#include <gtest/gtest.h>

#include <map>
#include <string>

namespace sallyport
{

struct Outcome {
	int status; /* of exit, or 128 + signal */
	std::string output, errors;
	/* By name: type, mode, and what a file holds or a link says. */
	std::map<std::string, std::string> tree;
};

class ScratchTest : public testing::Test
{
      protected:
	void SetUp() override;
	void TearDown() override;

	/* A tree with samples of every kind of file, then `prepare` by a shell within it. */
	void MakeTree(const std::string &prepare);

	/* Both take the words of a shell, which becomes the program. `way`: an interception. */
	Outcome RunNative(const std::string &command);
	Outcome RunSandboxed(const std::string &options, const std::string &command,
			     const std::string &way = "notify");

	/* A program of the build; a file of the tree; what lies below a folder. */
	static std::string Binary(const std::string &name);
	void Write(const std::string &name, const std::string &text);
	static std::map<std::string, std::string> TreeOf(const std::string &folder);

	std::string folder_, tree_;

      private:
	Outcome Run(const std::string &command);
	std::string mounts_;
	size_t descriptors_ = 0;
};

} // namespace sallyport

#endif
