// SPDX-License-Identifier: Apache-2.0
#include "command.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "tests/support/descriptors.h"
#include "tests/support/kill.h"
#include "tests/support/paths.h"

/* Only a test that fails waits for so long. */
constexpr auto kPatience = std::chrono::seconds(10);

std::string program(const std::string &name)
{
	return std::string(sp_test_binary_dir()) + "/bin/" + name;
}

std::string read_file(const std::string &path)
{
	std::ifstream file(path, std::ios::binary);
	std::stringstream text;

	text << file.rdbuf();
	return text.str();
}

void write_file(const std::string &path, const std::string &text, mode_t mode)
{
	std::ofstream(path, std::ios::binary) << text;
	ASSERT_EQ(chmod(path.c_str(), mode), 0) << path;
}

bool await_text(int fd, std::string &heard, const std::string &text)
{
	auto end = std::chrono::steady_clock::now() + kPatience;

	while (heard.find(text) == std::string::npos) {
		auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
		    end - std::chrono::steady_clock::now());
		struct pollfd polled = {fd, POLLIN, 0};
		char bytes[4096];

		if (left.count() <= 0 || poll(&polled, 1, static_cast<int>(left.count())) <= 0)
			return false;
		ssize_t n = read(fd, bytes, sizeof(bytes));
		if (n <= 0)
			return false;
		heard.append(bytes, static_cast<size_t>(n));
	}
	return true;
}

std::string read_rest(int fd, std::string heard)
{
	/* No text has a NUL in it. */
	await_text(fd, heard, std::string(1, '\0'));
	return heard;
}

void Child::send(int number) const
{
	ASSERT_GT(pid, 1);
	ASSERT_EQ(kill(pid, number), 0);
}

void RunTest::SetUp()
{
	const char *temporary = getenv("TMPDIR");
	std::string pattern = std::string(temporary ? temporary : "/tmp") + "/run.XXXXXX";
	char *real;

	ASSERT_EQ(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	descriptors = count_descriptors();
	ASSERT_NE(mkdtemp(pattern.data()), nullptr);
	real = realpath(pattern.c_str(), nullptr);
	directory = real;
	free(real);
}

void RunTest::TearDown()
{
	EXPECT_EQ(waitpid(-1, nullptr, WNOHANG), -1) << "a process is left";
	EXPECT_EQ(errno, ECHILD);
	EXPECT_EQ(system(("rm -rf '" + directory + "'").c_str()), 0);
	EXPECT_EQ(count_descriptors(), descriptors);
}

Child RunTest::start(Words words, const std::function<void()> &prepare)
{
	int in[2], out[2], err[2];
	std::vector<char *> argv;
	Child child;

	words.insert(words.begin(), program("sallyport"));
	for (const std::string &word : words)
		argv.push_back(const_cast<char *>(word.c_str()));
	argv.push_back(nullptr);
	EXPECT_EQ(pipe2(in, O_CLOEXEC) + pipe2(out, O_CLOEXEC) + pipe2(err, O_CLOEXEC), 0);
	child.pid = fork();
	if (child.pid == 0) {
		dup2(in[0], 0);
		dup2(out[1], 1);
		dup2(err[1], 2);
		if (chdir(directory.c_str()) < 0)
			_exit(98);
		if (prepare)
			prepare();
		execv(argv[0], argv.data());
		_exit(98);
	}
	for (int fd : {in[0], out[1], err[1]})
		close(fd);
	child.in = in[1];
	child.out = out[0];
	child.err = err[0];
	return child;
}

Result RunTest::finish(Child &child)
{
	Result result;
	int status = 0;

	if (child.in >= 0)
		close(child.in);
	result.output = read_rest(child.out, child.heard);
	result.errors = read_rest(child.err);
	close(child.out);
	close(child.err);
	EXPECT_EQ(waitpid(child.pid, &status, 0), child.pid);
	result.status = WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
	return result;
}

Result RunTest::command(const Words &words, const std::string &input,
			const std::function<void()> &prepare)
{
	Child child = start(words, prepare);

	if (!input.empty()) {
		EXPECT_EQ(write(child.in, input.data(), input.size()),
			  static_cast<ssize_t>(input.size()));
	}
	close(child.in);
	child.in = -1;
	return finish(child);
}

Words RunTest::guest(const Words &options, const Words &words)
{
	Words all = {"run"};

	all.insert(all.end(), options.begin(), options.end());
	all.insert(all.end(), {"--", program("run-guest")});
	all.insert(all.end(), words.begin(), words.end());
	return all;
}

Result RunTest::run(const Words &options, const Words &words, const std::string &input,
		    const std::function<void()> &prepare)
{
	return command(guest(options, words), input, prepare);
}
