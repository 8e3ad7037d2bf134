// SPDX-License-Identifier: Apache-2.0
// The command as a child whose ends the test holds, and a folder to work in. The test is a subreaper:
// whatever the command leaves behind becomes its child.
#ifndef SALLYPORT_TESTS_INTEGRATION_RUN_COMMAND_H
#define SALLYPORT_TESTS_INTEGRATION_RUN_COMMAND_H

#include <gtest/gtest.h>
#include <sys/types.h>

#include <functional>
#include <string>
#include <vector>

using Words = std::vector<std::string>;

std::string program(const std::string &name); /* of the build tree */
std::string read_file(const std::string &path);
void write_file(const std::string &path, const std::string &text, mode_t mode = 0644);

/* Reads until the text has come; false at the end of file, or after ten seconds. */
bool await_text(int fd, std::string &heard, const std::string &text);
std::string read_rest(int fd, std::string heard = "");

struct Child {
	pid_t pid = -1;
	int in = -1, out = -1, err = -1; /* our ends */
	std::string heard;               /* of stdout */

	bool await(const std::string &text)
	{
		return await_text(out, heard, text);
	}
	void send(int number) const;
};

struct Result {
	int status = -1; /* exit status; 1000 + signal */
	std::string output, errors;
};

class RunTest : public ::testing::Test
{
      protected:
	void SetUp() override;
	void TearDown() override; /* no process, descriptor or file is left */

	/* Starts `sallyport WORDS`. `prepare` runs in the child, before its exec. */
	Child start(Words words, const std::function<void()> &prepare = {});
	/* To its end: stdin is closed, the rest read. */
	Result finish(Child &child);
	Result command(const Words &words, const std::string &input = "",
		       const std::function<void()> &prepare = {});

	/* `sallyport run OPTIONS -- run-guest WORDS`. */
	Words guest(const Words &options, const Words &words);
	Result run(const Words &options, const Words &words, const std::string &input = "",
		   const std::function<void()> &prepare = {});

	std::string directory; /* absolute, empty; the command's working directory */

      private:
	size_t descriptors = 0;
};

#endif
