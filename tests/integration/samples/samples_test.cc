/* SPDX-License-Identifier: Apache-2.0 */
/* The samples do what their text says, and leave no process, descriptor or file behind. */
#include <dirent.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "tests/support/paths.h"

namespace
{

using Words = std::vector<std::string>;

std::string Program(const std::string &name)
{
	return std::string(sp_test_binary_dir()) + "/bin/" + name;
}

std::string ReadFile(const std::string &path)
{
	std::ifstream file(path, std::ios::binary);
	std::stringstream text;

	text << file.rdbuf();
	return text.str();
}

void WriteFile(const std::string &path, const std::string &text)
{
	std::ofstream(path, std::ios::binary) << text;
}

size_t CountEntries(const std::string &directory)
{
	size_t count = 0;
	DIR *entries = opendir(directory.c_str());

	if (!entries)
		return 0;
	while (readdir(entries))
		count++;
	closedir(entries);
	return count - 2;
}

struct Result {
	int status;         /* exit status, or 128 + signal */
	std::string output; /* stdout and stderr */
	size_t descriptors; /* the most that the program had open at a time when it was looked at */
	bool orphans;       /* a descendant outlived it */
};

/* Runs a program to its end and looks at it from outside. */
Result Execute(const Words &words, const std::string &directory)
{
	Result result = {};
	std::string log = directory + "/log";
	std::vector<char *> argv;
	int status = 0;

	for (const std::string &word : words)
		argv.push_back(const_cast<char *>(word.c_str()));
	argv.push_back(nullptr);
	prctl(PR_SET_CHILD_SUBREAPER, 1); // orphans become ours
	pid_t pid = fork();
	if (pid == 0) {
		int fd = open(log.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
		dup2(fd, 1);
		dup2(fd, 2);
		close(fd);
		if (chdir(directory.c_str()) == 0)
			execv(argv[0], argv.data());
		_exit(127);
	}
	while (waitpid(pid, &status, WNOHANG) == 0) {
		result.descriptors = std::max(result.descriptors,
					      CountEntries("/proc/" + std::to_string(pid) + "/fd"));
		usleep(2000);
	}
	result.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	// What is being torn down gets a second: DESIGN's bound on cleaning up.
	for (int i = 0; i < 50 && waitpid(-1, nullptr, WNOHANG) != -1; i++)
		usleep(20000);
	result.orphans = waitpid(-1, nullptr, WNOHANG) != -1;
	result.output = ReadFile(log);
	return result;
}

class Samples : public testing::Test
{
      protected:
	std::string directory;

	void SetUp() override
	{
		const char *temporary = getenv("TMPDIR");
		std::string pattern =
		    std::string(temporary ? temporary : "/tmp") + "/samples.XXXXXX";

		ASSERT_NE(mkdtemp(pattern.data()), nullptr);
		directory = pattern;
		for (const char *name : {"/in", "/out", "/elsewhere"})
			ASSERT_EQ(mkdir((directory + name).c_str(), 0700), 0);
	}

	void TearDown() override
	{
		ASSERT_EQ(system(("rm -rf '" + directory + "'").c_str()), 0);
	}

	void MakePictures()
	{
		Result made = Execute({Program("make-png"), directory + "/in"}, directory);
		ASSERT_EQ(made.status, 0) << made.output;
	}

	std::string Picture(const char *kind, int digits, int number, const char *suffix)
	{
		char name[64];

		snprintf(name, sizeof(name), "%s-%0*d.%s", kind, digits, number, suffix);
		return name;
	}

	Result Decode(const Words &more)
	{
		Words words = {Program("decode-png"), "-p",
			       std::string(sp_test_source_dir()) + "/samples/decode-png.policy",
			       "-o", directory + "/out"};

		words.insert(words.end(), more.begin(), more.end());
		return Execute(words, directory);
	}
};

TEST_F(Samples, DecodesEveryGoodPictureByteForByte)
{
	Words files;

	MakePictures();
	for (int i = 0; i < 100; i++)
		files.push_back("in/" + Picture("good", 3, i, "png"));
	Result result = Decode(files);
	EXPECT_EQ(result.status, 0) << result.output;
	EXPECT_EQ(result.output, "");
	EXPECT_FALSE(result.orphans);
	EXPECT_LT(result.descriptors, 50u) << "a descriptor a file is leaked";
	for (int i = 0; i < 100; i++) {
		std::string name = Picture("good", 3, i, "ppm");
		EXPECT_TRUE(ReadFile(directory + "/in/" + name) ==
			    ReadFile(directory + "/out/" + name))
		    << name << " differs";
	}
	EXPECT_EQ(CountEntries(directory + "/out"), 100u);
}

TEST_F(Samples, ContainsEveryMalformedPictureAndGoesOn)
{
	MakePictures();
	Words files;
	for (int i = 0; i < 20; i++)
		files.push_back("in/" + Picture("bad", 2, i, "png"));
	files.push_back("in/good-000.png");
	Result result = Decode(files);
	EXPECT_EQ(result.status, 1);
	EXPECT_FALSE(result.orphans);
	for (int i = 0; i < 20; i++) {
		std::string name = files[static_cast<size_t>(i)];
		EXPECT_NE(result.output.find("decode-png: " + name + ": "), std::string::npos)
		    << name << " was not reported:\n"
		    << result.output;
	}
	EXPECT_EQ(CountEntries(directory + "/out"), 1u) << "only the good picture is written";
	EXPECT_TRUE(ReadFile(directory + "/in/good-000.ppm") ==
		    ReadFile(directory + "/out/good-000.ppm"));
}

TEST_F(Samples, RefusesWhatIsNotAllowedBesideWhatIs)
{
	MakePictures();
	ASSERT_EQ(rename((directory + "/in/good-001.png").c_str(),
			 (directory + "/elsewhere/good-001.png").c_str()),
		  0);
	Result allowed = Decode({"-a", "in", "in/good-000.png"});
	EXPECT_EQ(allowed.status, 0) << allowed.output;
	Result refused = Decode({"-a", "in", "elsewhere/good-001.png"});
	EXPECT_EQ(refused.status, 1);
	EXPECT_NE(refused.output.find(directory + "/elsewhere/good-001.png"), std::string::npos)
	    << refused.output;
	EXPECT_NE(refused.output.find("Permission denied"), std::string::npos) << refused.output;
	EXPECT_EQ(CountEntries(directory + "/out"), 1u);
}

TEST_F(Samples, ReportsTheLineOfThePolicyThatRefused)
{
	MakePictures();
	WriteFile(directory + "/p.policy", "policy p\n"
					   "include parser\n"
					   "files {\n"
					   "\tdeny " +
					       directory +
					       "/in/good-001.png\n"
					       "}\n");
	Result result = Decode({"-p", "./p.policy", "in/good-000.png", "in/good-001.png"});
	EXPECT_EQ(result.status, 1);
	EXPECT_NE(result.output.find("p.policy:4:7"), std::string::npos) << result.output;
	EXPECT_EQ(CountEntries(directory + "/out"), 1u);
}

TEST_F(Samples, LockSelfCountsElements)
{
	std::string text = "<a>";

	for (int i = 0; i < 9999; i++)
		text += "<b>text</b>";
	WriteFile(directory + "/good.xml", text + "</a>");
	WriteFile(directory + "/bad.xml", text);
	Result good = Execute(
	    {Program("launch"), "pure", Program("lock-self"), directory + "/good.xml"}, directory);
	EXPECT_EQ(good.status, 0) << good.output;
	EXPECT_EQ(good.output, "10000 elements\n");
	EXPECT_FALSE(good.orphans);
	Result bad = Execute(
	    {Program("launch"), "pure", Program("lock-self"), directory + "/bad.xml"}, directory);
	EXPECT_EQ(bad.status, 1) << bad.output;
	EXPECT_NE(bad.output.find("not well-formed"), std::string::npos) << bad.output;
}

TEST_F(Samples, LockSelfDoesNotRunUnlocked)
{
	WriteFile(directory + "/good.xml", "<a/>");
	Result result = Execute({Program("lock-self"), directory + "/good.xml"}, directory);
	EXPECT_EQ(result.status, 125);
	EXPECT_NE(result.output.find("cannot lock"), std::string::npos) << result.output;
}

} // namespace
