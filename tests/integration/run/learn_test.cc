// SPDX-License-Identifier: Apache-2.0
/* sallyport policy learn: what is learnt from one run holds for it and for the next, and is no more than that. */
#include "command.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <sstream>

namespace
{

/* A program, two inputs of it, and the policy that a person would write. "$D" is the folder that it works in. */
struct Lesson {
	const char *name;
	const char *setup;   /* of the folder, by a shell */
	Words first, second; /* "second" on other input */
	const char *look;    /* at what it has left there */
	const char *by_hand;
};

/* A page with one word on it. */
std::string make_pdf(const std::string &word)
{
	std::string stream = "BT /F1 24 Tf 20 40 Td (" + word + ") Tj ET", text = "%PDF-1.4\n",
		    table;
	const std::string objects[] = {
	    "<< /Type /Catalog /Pages 2 0 R >>", "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
	    "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 200 100] /Contents 4 0 R /Resources << "
	    "/Font << /F1 5 0 R >> >> >>",
	    "<< /Length " + std::to_string(stream.size()) + " >>\nstream\n" + stream +
		"\nendstream",
	    "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"};
	int number = 0;

	for (const std::string &object : objects) {
		char row[32];

		snprintf(row, sizeof(row), "%010zu 00000 n \n", text.size());
		table += row;
		text += std::to_string(++number) + " 0 obj\n" + object + "\nendobj\n";
	}
	return text + "xref\n0 6\n0000000000 65535 f \n" + table +
	       "trailer << /Size 6 /Root 1 0 R >>\nstartxref\n" + std::to_string(text.size()) +
	       "\n%%EOF\n";
}

const Lesson kLessons[] = {
    {"file",
     "echo text >one; printf '#!/bin/sh\\n' >two.sh",
     {"file", "one"},
     {"file", "two.sh"},
     "true",
     "policy file\ninclude program\nfiles {\n	read $D/*\n	read $H/.magic*\n}\n"},
    {"pdftotext",
     "true",
     {"pdftotext", "a.pdf", "out.txt"},
     {"pdftotext", "b.pdf", "other.txt"},
     "cat *.txt",
     "policy pdftotext\ninclude program\nfiles {\n	read $D/*.pdf\n"
     "	read, write, create $D/*.txt\n}\n"},
    {"pdftoppm",
     "true",
     {"pdftoppm", "-r", "20", "a.pdf", "page"},
     {"pdftoppm", "-r", "20", "b.pdf", "other"},
     "cksum *.ppm",
     "policy pdftoppm\ninclude program\nfiles {\n	read $D/*.pdf\n"
     "	read, write, create $D/*.ppm\n	read $H/.cache, $H/.config, $H/.fontconfig,\n"
     "	     $H/.fonts, $H/.fonts.conf, $H/.fonts.conf.d, $H/.local\n}\n"},
    {"python3",
     "printf 'import sys, tempfile\\nwith tempfile.NamedTemporaryFile() as f:\\n"
     "    f.write(open(sys.argv[1], \"rb\").read())\\n    f.seek(0)\\n    print(f.read())\\n' "
     ">s.py;"
     "echo one >one.txt; echo two >two.txt",
     {"/usr/bin/python3", "s.py", "one.txt"},
     {"/usr/bin/python3", "s.py", "two.txt"},
     "ls",
     "policy python3\ninclude program\nfiles {\n	read $D/**\n	read $H/.local\n"
     "	read, write, create, delete /tmp/*\n}\n"},
    {"sqlite3",
     "true",
     {"sqlite3", "one.db", "create table t(a); insert into t values(1); select * from t"},
     {"sqlite3", "two.db", "create table u(b); insert into u values(2); select * from u"},
     "ls",
     "policy sqlite3\ninclude program\nfiles {\n	read, write, create, delete $D/**\n"
     "	read $H/.sqliterc\n}\n"},
    {"git",
     "git init -q .; git config user.name n; git config user.email n@localhost; echo a >a;"
     "mkdir d; echo b >d/b; git add .; git commit -qm zero; echo more >>a; echo more >>d/b",
     {"git", "commit", "-qm", "one", "a"},
     {"git", "commit", "-qam", "two"},
     "git log --format=%s; git status --short",
     "policy git\ninclude program\nfiles {\n	read, write, create, delete $D/**\n"
     "	read $H/.config, $H/.gitconfig\n	execute /usr/lib/git-core/git\n}\n"},
};

class LearnTest : public RunTest
{
      protected:
	std::string folder() const
	{
		return directory + "/work";
	}
	std::string policy() const
	{
		return directory + "/learnt.policy";
	}
	std::function<void()> there() const
	{
		return [home = directory + "/home", work = folder()] {
			if (chdir(work.c_str()) < 0)
				_exit(98);
			setenv("HOME", home.c_str(), 1);
			setenv("PWD", work.c_str(), 1);
			setenv("GIT_CONFIG_NOSYSTEM", "1", 1);
			setenv("TMPDIR", "/tmp", 1);
			unsetenv("XDG_CONFIG_HOME");
			unsetenv("XDG_CACHE_HOME");
		};
	}
	Result shell(const std::string &script)
	{
		auto prepare = there();

		return command({}, "", [&] {
			prepare();
			execl("/bin/sh", "sh", "-c", script.c_str(), nullptr);
		});
	}
	void set_up(const Lesson &lesson)
	{
		ASSERT_EQ(system(("rm -rf '" + folder() + "' '" + directory + "/home'").c_str()),
			  0);
		ASSERT_EQ(mkdir(folder().c_str(), 0755), 0);
		ASSERT_EQ(mkdir((directory + "/home").c_str(), 0755), 0);
		write_file(folder() + "/a.pdf", make_pdf("one"));
		write_file(folder() + "/b.pdf", make_pdf("two"));
		Result result = shell(lesson.setup);
		ASSERT_EQ(result.status, 0) << result.errors;
	}
	/* Status, output, and what is left behind. */
	std::string told(const Lesson &lesson, const Result &result)
	{
		return std::to_string(result.status) + "\n" + result.output +
		       shell(lesson.look).output;
	}
	std::string native(const Lesson &lesson, const Words &words)
	{
		auto prepare = there();

		set_up(lesson);
		return told(lesson, command({}, "", [&] {
				    std::vector<char *> argv;

				    prepare();
				    for (const std::string &word : words)
					    argv.push_back(const_cast<char *>(word.c_str()));
				    argv.push_back(nullptr);
				    execvp(argv[0], argv.data());
			    }));
	}
	std::string learn(const Lesson &lesson, const Words &words, const std::string &into)
	{
		Words all = {"policy", "learn", "-o", into, "--"};

		all.insert(all.end(), words.begin(), words.end());
		set_up(lesson);
		Result result = command(all, "", there());
		EXPECT_EQ(result.errors, "");
		return told(lesson, result);
	}
	/* The same, with the refusals that are told. Who asks for a name service cache, which is not there, meets
	 * none with the network refused either. */
	std::string run_by(const Lesson &lesson, const std::string &file, const Words &words)
	{
		const std::string report = directory + "/report.json";
		Words all = {"run", "--policy", file, "--report", report, "--"};
		std::string refusals;

		all.insert(all.end(), words.begin(), words.end());
		set_up(lesson);
		unlink(report.c_str());
		std::string whole = told(lesson, command(all, "", there()));
		std::istringstream stream(access(report.c_str(), F_OK) == 0 ? read_file(report)
									    : "");

		for (std::string line; std::getline(stream, line);)
			if (line.find("\"event\":\"refusal\"") != std::string::npos &&
			    line.find("\"call\":\"connect\"") == std::string::npos)
				refusals += line + "\n";
		return whole + refusals;
	}
	std::string filled(std::string text) const
	{
		for (const auto &[from, to] : {std::pair<std::string, std::string>{"$D", folder()},
					       {"$H", directory + "/home"}})
			for (size_t at; (at = text.find(from)) != std::string::npos;)
				text.replace(at, from.size(), to);
		return text;
	}
	void expect_same_again(const Lesson &lesson, const std::string &text);
	void expect_to_hold(const Lesson &lesson, const std::string &text);
	void expect_no_line_too_many(const Lesson &lesson, const std::string &text);
};

std::vector<std::string> lines_of(const std::string &text)
{
	std::vector<std::string> lines;
	std::istringstream stream(text);

	for (std::string line; std::getline(stream, line);)
		lines.push_back(line);
	return lines;
}

void LearnTest::expect_same_again(const Lesson &lesson, const std::string &text)
{
	const std::string again = directory + "/again.policy";

	unlink(again.c_str());
	learn(lesson, lesson.first, again);
	EXPECT_EQ(read_file(again), text) << "learnt anew";
	learn(lesson, lesson.first, policy());
	EXPECT_EQ(read_file(policy()), text) << "learnt onto itself";
}

void LearnTest::expect_to_hold(const Lesson &lesson, const std::string &text)
{
	const std::string by_hand = directory + "/by-hand.policy";

	write_file(by_hand, filled(lesson.by_hand));
	for (const Words &words : {lesson.first, lesson.second}) {
		std::string alone = native(lesson, words);

		EXPECT_EQ(run_by(lesson, policy(), words), alone);
		/* The person left out what is asked for in vain. */
		EXPECT_EQ(run_by(lesson, by_hand, words).substr(0, alone.size()), alone)
		    << "by hand";
	}
	EXPECT_LE(lines_of(text).size(), 2 * lines_of(lesson.by_hand).size()) << text;
}

void LearnTest::expect_no_line_too_many(const Lesson &lesson, const std::string &text)
{
	const std::string less = directory + "/less.policy";
	std::vector<std::string> lines = lines_of(text);
	std::string alone = native(lesson, lesson.first);

	Result check = command({"policy", "check", policy()});
	EXPECT_EQ(check.status, 0);
	EXPECT_EQ(check.errors, "") << "a rule is called needless";
	for (size_t left_out = 0; left_out < lines.size(); left_out++) {
		std::string rest;

		for (size_t i = 0; i < lines.size(); i++)
			if (i != left_out)
				rest += lines[i] + "\n";
		write_file(less, rest);
		EXPECT_NE(run_by(lesson, less, lesson.first), alone)
		    << "needless: " << lines[left_out];
	}
}

TEST_F(LearnTest, WhatIsLearntHoldsForTheRunAndTheNextAndIsNoMore)
{
	for (const Lesson &lesson : kLessons) {
		SCOPED_TRACE(lesson.name);
		unlink(policy().c_str());
		EXPECT_EQ(learn(lesson, lesson.first, policy()), native(lesson, lesson.first));
		std::string text = read_file(policy());

		SCOPED_TRACE(text);
		expect_same_again(lesson, text);
		expect_to_hold(lesson, text);
		expect_no_line_too_many(lesson, text);
	}
}

/* ---- sockets ---- */

const Lesson kSockets = {"sockets", "true", {}, {}, "true", ""};

/* Who listens is outside: a TCP port of the loopback device, and a name beside the program's folder. */
class LearnSocketsTest : public LearnTest
{
      protected:
	void SetUp() override
	{
		sockaddr_un name = {};

		LearnTest::SetUp();
		name.sun_family = AF_UNIX;
		unix_ = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		ASSERT_EQ(mkdir((directory + "/outside").c_str(), 0755), 0);
		snprintf(name.sun_path, sizeof(name.sun_path), "%s/outside/server.sock",
			 directory.c_str());
		ASSERT_EQ(bind(unix_, reinterpret_cast<sockaddr *>(&name), sizeof(name)), 0);
		ASSERT_EQ(listen(unix_, 128), 0);
		tcp_ = listener(&port_);
		other_ = listener(&other_port_);
	}
	void TearDown() override
	{
		for (int *fd : {&unix_, &tcp_, &other_})
			close(*fd);
		LearnTest::TearDown();
	}
	static int listener(in_port_t *ret_port)
	{
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		sockaddr_in address = {};
		socklen_t size = sizeof(address);

		address.sin_family = AF_INET;
		address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		EXPECT_EQ(bind(fd, reinterpret_cast<sockaddr *>(&address), size), 0);
		EXPECT_EQ(listen(fd, 4096), 0);
		EXPECT_EQ(getsockname(fd, reinterpret_cast<sockaddr *>(&address), &size), 0);
		*ret_port = ntohs(address.sin_port);
		return fd;
	}
	std::string port() const
	{
		return std::to_string(port_);
	}
	Result learn_python(const std::string &script)
	{
		return command({"policy", "learn", "-o", policy(), "--", "/usr/bin/python3", "-c",
				"import os, socket\n" + script},
			       "", there());
	}
	Result run_python(const std::string &script)
	{
		return command({"run", "--policy", policy(), "--", "/usr/bin/python3", "-c",
				"import os, socket\n" + script},
			       "", there());
	}
	static std::string reach(in_port_t port)
	{
		return "socket.create_connection(('127.0.0.1', " + std::to_string(port) +
		       ")).close()\n";
	}

	int unix_ = -1, tcp_ = -1, other_ = -1;
	in_port_t port_ = 0, other_port_ = 0;
};

TEST_F(LearnSocketsTest, NamesAndAddressesAreLearntAndNoMore)
{
	const std::string setup = "cat >s.py <<'end'\n"
				  "import os, socket, sys\n"
				  "with socket.create_connection(('127.0.0.1', " +
				  port() +
				  ")) as s:\n"
				  "    print(s.getpeername()[0])\n"
				  "with socket.socket(socket.AF_UNIX) as s:\n"
				  "    s.connect('../outside/server.sock')\n"
				  "    print(os.path.basename(s.getpeername()))\n"
				  "with socket.socket(socket.AF_UNIX) as s:\n"
				  "    s.bind(sys.argv[1])\n"
				  "    s.listen()\n"
				  "    with socket.socket(socket.AF_UNIX) as t:\n"
				  "        t.connect(sys.argv[1])\n"
				  "        s.accept()[0].close()\n"
				  "        print(t.recv(1))\n"
				  "end\n";
	const std::string by_hand = "policy python3\ninclude program\nfiles { read $D/** }\n"
				    "network {\n	connect unix " +
				    directory +
				    "/outside/*, $D/*.sock\n	bind unix $D/*.sock\n"
				    "	connect tcp 127.0.0.1:" +
				    port() + "\n}\n";
	const Lesson lesson = {"sockets",
			       setup.c_str(),
			       {"/usr/bin/python3", "s.py", "one.sock"},
			       {"/usr/bin/python3", "s.py", "two.sock"},
			       "ls",
			       by_hand.c_str()};

	EXPECT_EQ(learn(lesson, lesson.first, policy()), native(lesson, lesson.first));
	std::string text = read_file(policy());

	SCOPED_TRACE(text);
	EXPECT_NE(text.find(filled("network {\n	connect unix " + directory +
				   "/outside/server.sock\n	connect unix $D/*.sock\n"
				   "	bind unix $D/*.sock\n	connect tcp 127.0.0.1:" +
				   port() + "\n}\n")),
		  std::string::npos);
	expect_same_again(lesson, text);
	expect_to_hold(lesson, text);
	expect_no_line_too_many(lesson, text);
}

/* What an earlier run needed as a call goes where a later one needs the name. */
TEST_F(LearnSocketsTest, RunsAreMergedByAddress)
{
	set_up(kSockets);
	EXPECT_EQ(learn_python("socket.socket(socket.AF_INET).close()").status, 0);
	EXPECT_NE(read_file(policy()).find("\tallow socket(domain == AF_INET, type == SOCK_STREAM"),
		  std::string::npos)
	    << read_file(policy());
	Result learnt = learn_python(reach(port_));
	EXPECT_EQ(learnt.status, 0) << learnt.errors;
	EXPECT_EQ(learnt.errors, "");
	std::string text = read_file(policy());
	EXPECT_EQ(text.find("syscalls"), std::string::npos) << text;
	EXPECT_NE(text.find("\tconnect tcp 127.0.0.1:" + port() + "\n"), std::string::npos) << text;
	EXPECT_EQ(run_python(reach(port_)).status, 0);
	EXPECT_NE(run_python(reach(other_port_)).status, 0) << "more than was learnt";

	learnt = learn_python(reach(other_port_));
	EXPECT_EQ(learnt.status, 0) << learnt.errors;
	text = read_file(policy());
	EXPECT_EQ(text.find("connect tcp"), text.rfind("connect tcp")) << "on one line: " << text;
	for (in_port_t port : {port_, other_port_})
		EXPECT_EQ(run_python(reach(port)).status, 0) << text;
	EXPECT_EQ(learn_python(reach(port_)).status, 0);
	EXPECT_EQ(read_file(policy()), text);
}

TEST_F(LearnSocketsTest, PortsThatTouchAreOneRange)
{
	const std::string begin = "policy p\ninclude program\nnetwork {\n";

	write_file(policy(), begin + "\tconnect tcp 127.0.0.1:20, 127.0.0.1:22-23\n"
				     "\tconnect tcp 10.0.0.1:21, 127.0.0.1:21\n"
				     "\tconnect tcp [::1]:*, 127.0.0.1:25\n}\n");
	EXPECT_EQ(command({"policy", "learn", "-o", policy(), "--", "true"}).status, 0);
	EXPECT_EQ(read_file(policy()), begin + "\tconnect tcp 10.0.0.1:21\n"
					       "\tconnect tcp 127.0.0.1:20-23, 127.0.0.1:25\n"
					       "\tconnect tcp [::1]:*\n}\n");
}

/* A datagram socket only remembers an address, and no rule can name one. */
TEST_F(LearnSocketsTest, OnlyAddressesOfTcpAreLearnt)
{
	const std::string remember =
	    "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).connect(('127.0.0.1', 9))\n";

	set_up(kSockets);
	Result learnt = learn_python(remember);
	EXPECT_EQ(learnt.status, 0) << learnt.errors;
	EXPECT_NE(read_file(policy()).find("\tallow connect\n"), std::string::npos);
	EXPECT_EQ(read_file(policy()).find("network"), std::string::npos) << read_file(policy());
	unlink(policy().c_str());
	learnt = learn_python(remember + reach(port_));
	EXPECT_NE(learnt.errors.find("no rule allows connect of other sockets"), std::string::npos)
	    << learnt.errors;
	EXPECT_EQ(read_file(policy()).find("allow connect"), std::string::npos);
	EXPECT_EQ(read_file(policy()).find(":9\n"), std::string::npos) << read_file(policy());
	/* Under what names addresses the broker itself is asked. */
	learnt = learn_python(remember + reach(port_));
	EXPECT_NE(learnt.errors.find("is no TCP socket"), std::string::npos) << learnt.errors;
	EXPECT_EQ(read_file(policy()).find(":9\n"), std::string::npos) << read_file(policy());
}

/* ---- calls, merging, and what is not learnt ---- */

const Lesson kPlain = {"plain", "echo one >one.txt; echo two >two.txt; mkdir sub", {}, {}, "true",
		       ""};

class LearnCallsTest : public LearnTest
{
      protected:
	Result learn_guest(const std::string &attempt)
	{
		return command(
		    {"policy", "learn", "-o", policy(), "--", program("denied-guest"), attempt}, "",
		    there());
	}
};

/* The run has the system's, the sandbox will have its own. */
TEST_F(LearnCallsTest, TerminalsAreNotMissed)
{
	set_up(kPlain);
	Result learnt = command(
	    {"policy", "learn", "-o", policy(), "--", "script", "-qec", "true", "/dev/null"}, "",
	    there());
	const std::string text = read_file(policy());

	EXPECT_EQ(learnt.status, 0) << learnt.errors;
	EXPECT_EQ(learnt.errors.find("/dev/pt"), std::string::npos) << learnt.errors;
	EXPECT_EQ(text.find("/dev/pt"), std::string::npos) << text;
	EXPECT_EQ(text.find("ioctl"), std::string::npos) << text;
}

TEST_F(LearnCallsTest, ArgumentsAreLearntByName)
{
	const struct {
		const char *attempt, *rule;
	} lessons[] = {
	    {"inet", "\tallow socket(domain == AF_INET, type == SOCK_STREAM)\n"},
	    {"personality", "\tallow personality(persona == PER_LINUX|ADDR_NO_RANDOMIZE)\n"},
	    {"fcntl", "\tallow fcntl(cmd == F_SETOWN)\n"},
	    {"ptrace", "\tallow ptrace\n"},
	};

	set_up(kPlain);
	for (const auto &lesson : lessons) {
		SCOPED_TRACE(lesson.attempt);
		unlink(policy().c_str());
		Result learnt = learn_guest(lesson.attempt);
		std::string text = read_file(policy());

		EXPECT_NE(text.find(std::string("syscalls {\n") + lesson.rule + "}\n"),
			  std::string::npos)
		    << text;
		Result run =
		    command({"run", "--interception", "notify", "--policy", policy(), "--report",
			     "-", "--", program("denied-guest"), lesson.attempt},
			    "", there());
		EXPECT_EQ(run.status, learnt.status);
		EXPECT_EQ(run.output.find("\"refusal\""), std::string::npos) << run.output;
	}
}

TEST_F(LearnCallsTest, WhatNoRuleAllowsIsSaidAndNotWritten)
{
	set_up(kPlain);
	for (const char *attempt : {"unshare", "x32", "foreign", "prctl"}) {
		SCOPED_TRACE(attempt);
		unlink(policy().c_str());
		Result learnt = learn_guest(attempt);

		EXPECT_NE(learnt.errors.find("no rule allows "), std::string::npos)
		    << learnt.errors;
		EXPECT_EQ(read_file(policy()).find("syscalls"), std::string::npos);
	}
}

/* What asks a server that is not there goes on without it. */
TEST_F(LearnCallsTest, AServerThatIsNotThereIsNotLearnt)
{
	set_up(kPlain);
	Result learnt = learn_guest("connect");

	EXPECT_EQ(read_file(policy()), "policy denied-guest\ninclude program\n") << learnt.errors;
}

TEST_F(LearnCallsTest, RunsAreMerged)
{
	set_up(kPlain);
	ASSERT_EQ(learn_guest("personality").status, 3);
	ASSERT_EQ(learn_guest("inet").status, 3);
	std::string text = read_file(policy());

	EXPECT_EQ(text, "policy denied-guest\ninclude program\nsyscalls {\n"
			"	allow personality(persona == PER_LINUX|ADDR_NO_RANDOMIZE)\n"
			"	allow socket(domain == AF_INET, type == SOCK_STREAM)\n}\n");
	EXPECT_EQ(command({"policy", "learn", "-o", policy(), "--", "cat", "one.txt"}, "", there())
		      .status,
		  0);
	EXPECT_EQ(read_file(policy()), text + "files {\n	read " + folder() + "/*\n}\n");
	ASSERT_EQ(learn_guest("personality").status, 3);
	EXPECT_EQ(lines_of(read_file(policy())).size(), 9u);
}

TEST_F(LearnTest, TheStatusIsTheProgramsAndTheTextTheSame)
{
	set_up(kPlain);
	Result result = command(
	    {"policy", "learn", "-o", policy(), "--", "sh", "-c", "cat one.txt >sub/copy; exit 7"},
	    "", there());

	EXPECT_EQ(result.status, 7) << result.errors;
	EXPECT_EQ(read_file(policy()), "policy sh\ninclude program\nfiles {\n"
				       "	read " +
					   folder() +
					   "/one.txt\n"
					   "	read, write, create " +
					   folder() +
					   "/sub/*\n"
					   "	execute /usr/bin/cat\n}\n");
	result = command({"policy", "learn", "-o", policy(), "--", "sh", "-c", "kill -9 $$"}, "",
			 there());
	EXPECT_EQ(result.status, 128 + 9);
	result = command({"policy", "learn", "-o", directory + "/new", "--", "no-such-program"});
	EXPECT_EQ(result.status, 127);
	EXPECT_NE(access((directory + "/new").c_str(), F_OK), 0);
}

TEST_F(LearnTest, NamesOfEverySortStandForThemselves)
{
	const std::string name = "a $b, {c};[d]*?#\xc3\xa9";

	set_up(kPlain);
	write_file(folder() + "/sub/" + name, "found\n");
	/* Not named on the command line, so that it is learnt as it is. */
	const Words words = {"sh", "-c", "cd sub; cat <\"$NAME\""};
	auto prepare = [this, &name] {
		there()();
		setenv("NAME", name.c_str(), 1);
	};
	for (int i = 0; i < 2; i++) {
		Words all = {"policy", "learn", "-o", policy(), "--"};

		all.insert(all.end(), words.begin(), words.end());
		Result result = command(all, "", prepare);
		EXPECT_EQ(result.output, "found\n") << result.errors;
	}
	Words all = {"run", "--policy", policy(), "--"};

	all.insert(all.end(), words.begin(), words.end());
	Result result = command(all, "", prepare);
	EXPECT_EQ(result.output, "found\n") << result.errors << read_file(policy());
	ASSERT_EQ(rename((folder() + "/sub/" + name).c_str(), (folder() + "/sub/x").c_str()), 0);
	ASSERT_EQ(
	    system(("cp '" + folder() + "/sub/x' '" + folder() + "/sub/a $b, {c};dzz#'").c_str()),
	    0);
	EXPECT_NE(
	    command({"run", "--policy", policy(), "--", "cat", "sub/a $b, {c};dzz#"}, "", there())
		.status,
	    0);
}

TEST_F(LearnTest, AFileOfSomebodyElsesIsLeftAlone)
{
	for (const char *text :
	     {"# mine\npolicy p\ninclude program\n",
	      "policy p\ninclude program\nfiles { read /x }\n",
	      "policy p\ninclude program\nfiles {\n	read /x\n", "policy p\n", "",
	      "policy p\ninclude program\nfiles {\n	read x\n}\n",
	      "policy p\ninclude program\nfiles {\n	see /x\n}\n",
	      "policy p\ninclude program\nfiles {\n	read \"/x\n}\n",
	      "policy p\ninclude program\nfiles {\n	connect /x\n}\n",
	      "policy p\ninclude program\nnetwork {\n	connect unix x\n}\n",
	      "policy p\ninclude program\nnetwork {\n	connect tcp 1.2.3.4\n}\n",
	      "policy p\ninclude program\nnetwork {\n	connect tcp 1.2.3.4:x\n}\n",
	      "policy p\ninclude program\nnetwork {\n	connect tcp 1.2.3.4:2-1\n}\n",
	      "policy p\ninclude program\nnetwork {\n	deny tcp 1.2.3.4:1\n}\n"}) {
		write_file(policy(), text);
		Result result = command({"policy", "learn", "-o", policy(), "--", "true"});

		EXPECT_EQ(result.status, 125);
		EXPECT_NE(result.errors.find(policy() + ":"), std::string::npos) << result.errors;
		EXPECT_EQ(read_file(policy()), text);
	}
	EXPECT_EQ(command({"policy", "learn", "--", "true"}).status, 125);
	EXPECT_EQ(command({"policy", "learn", "-o", "x"}).status, 125);
	Result nowhere = command({"policy", "learn", "-o", "no/where", "--", "touch", "ran"});

	EXPECT_EQ(nowhere.status, 125);
	EXPECT_NE(nowhere.errors.find("no/where: No such file"), std::string::npos);
	EXPECT_NE(access((directory + "/ran").c_str(), F_OK), 0) << "found out too late";
}

} // namespace
