// SPDX-License-Identifier: Apache-2.0
/* sallyport run at a terminal, below a small shell with job control: ^C, ^Z, fg, bg, sizes. */
#include "command.h"

#include <fcntl.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <vector>

namespace
{

/* The shell's side of the conversation with the test: 'f' and 'b' put the job into the foreground or
 * background and let it go on, 'q' ends the shell. It tells "stopped N", "exited N", "killed N". */
void be_shell(const std::vector<char *> &argv, int orders, int news, bool foreground)
{
	pid_t job;
	int status;

	signal(SIGTTOU, SIG_IGN);
	job = fork();
	if (job == 0) {
		setpgid(0, 0);
		if (foreground)
			tcsetpgrp(0, getpid());
		signal(SIGTTOU, SIG_DFL);
		execv(argv[0], argv.data());
		_exit(98);
	}
	setpgid(job, job);
	if (foreground)
		tcsetpgrp(0, job);
	dprintf(news, "job %d\n", job);
	while (waitpid(job, &status, WUNTRACED) == job) {
		char order;

		tcsetpgrp(0, getpgrp());
		if (!WIFSTOPPED(status)) {
			dprintf(news, WIFEXITED(status) ? "exited %d\n" : "killed %d\n",
				WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
			break;
		}
		dprintf(news, "stopped %d\n", WSTOPSIG(status));
		if (read(orders, &order, 1) != 1 || order == 'q')
			break;
		if (order == 'f')
			tcsetpgrp(0, job);
		kill(-job, SIGCONT);
	}
	_exit(0);
}

class TerminalTest : public RunTest
{
      protected:
	void SetUp() override
	{
		RunTest::SetUp();
	}
	void TearDown() override
	{
		if (terminal >= 0)
			close(terminal);
		if (orders >= 0)
			close(orders);
		if (news >= 0)
			close(news);
		/* The shell, and what may have come to us with its end. */
		while (waitpid(-1, nullptr, 0) > 0)
			;
		RunTest::TearDown();
	}

	void open_shell(const Words &words, bool foreground = true)
	{
		int to[2], from[2];
		std::vector<char *> argv;
		Words all = guest({}, words);

		all.insert(all.begin(), program("sallyport"));
		for (const std::string &word : all)
			argv.push_back(const_cast<char *>(word.c_str()));
		argv.push_back(nullptr);
		ASSERT_EQ(pipe2(to, O_CLOEXEC) + pipe2(from, O_CLOEXEC), 0);
		shell = forkpty(&terminal, nullptr, nullptr, nullptr);
		ASSERT_GE(shell, 0);
		if (shell == 0)
			be_shell(argv, to[0], from[1], foreground);
		close(to[0]);
		close(from[1]);
		orders = to[1];
		news = from[0];
		ASSERT_TRUE(told("job "));
		ASSERT_TRUE(await_text(news, told_text, "\n"));
		job = atoi(told_text.c_str() + told_text.find("job ") + 4);
		ASSERT_GT(job, 1);
	}
	void type(const std::string &text)
	{
		ASSERT_EQ(write(terminal, text.data(), text.size()), ssize_t(text.size()));
	}
	void order(char what)
	{
		ASSERT_EQ(write(orders, &what, 1), 1);
	}
	bool shown(const std::string &text)
	{
		return await_text(terminal, shown_text, text);
	}
	bool told(const std::string &text)
	{
		return await_text(news, told_text, text);
	}

	pid_t shell = -1, job = -1;
	int terminal = -1, orders = -1, news = -1;
	std::string shown_text, told_text;
};

size_t count(const std::string &text, const std::string &part)
{
	size_t n = 0;

	for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1))
		n++;
	return n;
}

TEST_F(TerminalTest, InterruptsEndTheProgramAndNotTheCommandBeforeIt)
{
	open_shell({"signals", std::to_string(SIGINT)});
	ASSERT_TRUE(shown("ready"));
	type("\003");
	EXPECT_TRUE(told("exited 130\n")) << told_text;
}

TEST_F(TerminalTest, QuitEndsTheProgram)
{
	open_shell({"signals", std::to_string(SIGQUIT)});
	ASSERT_TRUE(shown("ready"));
	type("\034");
	EXPECT_TRUE(told("exited 131\n")) << told_text;
}

/* Once: the terminal sends it to both, and the command does not add its own. */
TEST_F(TerminalTest, AProgramThatHandlesAnInterruptGetsItOnce)
{
	open_shell({"signals", std::to_string(SIGQUIT)});
	ASSERT_TRUE(shown("ready"));
	type("\003");
	ASSERT_TRUE(shown("got 02"));
	struct winsize size = {31, 97, 0, 0};
	ASSERT_EQ(ioctl(terminal, TIOCSWINSZ, &size), 0);
	ASSERT_TRUE(shown("got 28"));
	/* What the command sends comes behind what it might have sent before. */
	ASSERT_EQ(kill(job, SIGUSR1), 0);
	ASSERT_TRUE(shown("got 10"));
	EXPECT_EQ(count(shown_text, "got 02"), 1u) << shown_text;
	EXPECT_EQ(count(shown_text, "got 28"), 1u) << shown_text;
	type("\034");
	EXPECT_TRUE(told("exited 131\n")) << told_text;
}

TEST_F(TerminalTest, SuspendStopsBothAndForegroundLetsThemGoOn)
{
	open_shell({"signals", std::to_string(SIGINT)});
	ASSERT_TRUE(shown("ready"));
	for (int i = 1; i <= 3; i++) {
		shown_text.clear();
		told_text.clear();
		type("\032");
		ASSERT_TRUE(told("stopped " + std::to_string(SIGTSTP) + "\n")) << told_text;
		order('f');
		ASSERT_TRUE(shown("got 18")) << shown_text;
		/* The command is awake too. */
		ASSERT_EQ(kill(job, SIGUSR1), 0);
		ASSERT_TRUE(shown("got 10")) << shown_text;
	}
	type("\003");
	EXPECT_TRUE(told("exited 130\n")) << told_text;
}

/* The program is stopped alone; the shell hears of it all the same. */
TEST_F(TerminalTest, AProgramThatStopsItselfStopsItsCommand)
{
	for (int number : {SIGSTOP, SIGTSTP}) {
		SCOPED_TRACE(number);
		open_shell({"stop", std::to_string(number)});
		ASSERT_TRUE(told("stopped " + std::to_string(number) + "\n")) << told_text;
		order('f');
		EXPECT_TRUE(shown("continued"));
		EXPECT_TRUE(told("exited 4\n")) << told_text;
		close(terminal);
		close(orders);
		close(news);
		terminal = orders = news = -1;
		told_text = shown_text = "";
	}
}

/* Both were stopped at once: that the program was, the command hears when it is too late. */
TEST_F(TerminalTest, OldNewsStopNobody)
{
	open_shell({"signals", std::to_string(SIGINT)});
	ASSERT_TRUE(shown("ready"));
	ASSERT_EQ(kill(-job, SIGSTOP), 0);
	ASSERT_TRUE(told("stopped " + std::to_string(SIGSTOP) + "\n")) << told_text;
	order('f');
	ASSERT_TRUE(shown("got 18"));
	ASSERT_EQ(kill(job, SIGUSR1), 0);
	ASSERT_TRUE(shown("got 10"));
	type("\003");
	EXPECT_TRUE(told("exited 130\n")) << told_text;
	EXPECT_EQ(count(told_text, "stopped"), 1u) << told_text;
}

TEST_F(TerminalTest, ABackgroundReaderIsStoppedUntilItIsInFront)
{
	open_shell({"copy"}, false);
	ASSERT_TRUE(told("stopped " + std::to_string(SIGTTIN) + "\n")) << told_text;
	order('f');
	type("some text\n");
	ASSERT_TRUE(shown("some text\r\nsome text\r\n")) << shown_text;
	type("\004");
	EXPECT_TRUE(told("exited 0\n")) << told_text;
}

TEST_F(TerminalTest, HangUpReachesTheProgram)
{
	open_shell({"signals", std::to_string(SIGHUP)});
	ASSERT_TRUE(shown("ready"));
	close(terminal);
	terminal = -1;
	/* The shell is the session's leader and hears it too; what is left is ended with it. */
	int status;
	ASSERT_EQ(waitpid(shell, &status, 0), shell);
	EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGHUP);
}

/* The terminal may be used, and not to type in another's place; and the process group, in which the
 * shell's other jobs might be, is out of reach. */
TEST_F(TerminalTest, TheProgramHasItsTerminalAndNoMore)
{
	open_shell({"reach"});
	EXPECT_TRUE(told("exited 0\n")) << told_text;
	EXPECT_TRUE(shown("kill EPERM\r\ntty ok\r\nsize ok\r\ntype ENOTTY\r\n")) << shown_text;
}

/* Terminals of its own: a session at one is no session at ours, no name leads to ours, and what is called as ours
 * is not mistaken for it. */
TEST_F(TerminalTest, TheProgramMakesTerminalsOfItsOwn)
{
	open_shell({"terminals"});
	EXPECT_TRUE(told("exited 0\n")) << told_text;
	EXPECT_TRUE(shown("stranger ENOENT\r\npair ok\r\nname ok\r\ntype ENOTTY\r\nsession ok\r\n"
			  "hangup ok\r\nnone ok\r\nnamesake ok\r\nagain ok\r\nby name own\r\n"))
	    << shown_text;
}

/* Where the policy does not speak of them there are none, and those of others have their names and are not opened. */
TEST_F(RunTest, WithoutAGrantThereAreNoTerminals)
{
	int master = -1, slave = -1;
	char name[64] = "";

	ASSERT_EQ(openpty(&master, &slave, name, nullptr, nullptr), 0);
	const std::string reads =
	    "include parser\nfiles { read /usr/**, /lib/**, /lib64/**, /etc/**; read, "
	    "write /dev/null";
	write_file(directory + "/none.policy", "policy none\n" + reads + " }\n");
	write_file(directory + "/seen.policy",
		   "policy seen\n" + reads + ", " + std::string(name) + " }\n");
	for (const char *policy : {"./none.policy", "./seen.policy"}) {
		Result result =
		    command({"run", "--policy", policy, "--", "perl", "-e",
			     "for (@ARGV) { print open(F, '+<', $_) ? 'opened ' : "
			     "$!{EACCES} || $!{ENXIO} || $!{ENOENT} ? 'refused ' : $! }",
			     "/dev/ptmx", name});

		EXPECT_EQ(result.output, "refused refused ") << policy << result.errors;
	}
	close(master);
	close(slave);
}

} // namespace
