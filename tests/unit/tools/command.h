/* SPDX-License-Identifier: Apache-2.0 */
/* Runs the command as a shell would. */
#ifndef SALLYPORT_TESTS_TOOLS_COMMAND_H
#define SALLYPORT_TESTS_TOOLS_COMMAND_H

#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>
#include <sstream>
#include <string>
#include <sys/wait.h>
#include <unistd.h>

namespace sallyport
{

inline std::string read_file(const std::string &path)
{
	std::ifstream stream(path, std::ios::binary);
	std::ostringstream text;

	text << stream.rdbuf();
	return text.str();
}

struct Outcome {
	int status; /* of exit, or 128 + signal */
	std::string output, errors;
};

/* A folder that goes with the test. */
class CommandTest : public ::testing::Test
{
      protected:
	void SetUp() override
	{
		char pattern[] = "/tmp/sallyport-tools-XXXXXX";

		ASSERT_TRUE(mkdtemp(pattern));
		folder_ = pattern;
	}
	void TearDown() override
	{
		EXPECT_EQ(0, system(("rm -rf " + folder_).c_str()));
	}
	std::string write(const std::string &name, const std::string &text)
	{
		std::ofstream(folder_ + "/" + name, std::ios::binary) << text;
		return folder_ + "/" + name;
	}
	Outcome run(const std::string &arguments)
	{
		int status = system((SP_BINARY_DIR "/bin/sallyport " + arguments + " >" + folder_ +
				     "/out 2>" + folder_ + "/err </dev/null")
					.c_str());

		return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status),
			read_file(folder_ + "/out"), read_file(folder_ + "/err")};
	}
	std::string folder_;
};

} // namespace sallyport

#endif
