/* SPDX-License-Identifier: Apache-2.0 */
/* Warnings of what can hardly be meant; each beside a policy that means it. */
#include "support.h"

namespace
{

using sallyport::mistakes_with;

class LintTest : public sallyport::PolicyTest
{
};

/* "LINE:COLUMN message" of every warning. */
std::string warnings(const std::string &text)
{
	std::string told = mistakes_with("policy a\n" + text, {}, nullptr, true), all;

	EXPECT_EQ("", mistakes_with("policy a\n" + text, {}));
	for (size_t at = 0; (at = told.find("a:", at)) != std::string::npos; at++) {
		size_t colon = told.find(": warning: ", at), end = told.find('\n', at);

		if (colon == std::string::npos || colon > end || (at > 0 && told[at - 1] != '\n'))
			continue;
		all += told.substr(at + 2, colon - at - 2) + " " +
		       told.substr(colon + 11, end - colon - 11) + "\n";
	}
	return all;
}

struct LintCase {
	const char *text, *expected;
};

void expect_all(std::initializer_list<LintCase> cases)
{
	for (const LintCase &c : cases)
		EXPECT_EQ(c.expected, warnings(c.text)) << c.text;
}

TEST_F(LintTest, RulesThatNeverDecide)
{
	expect_all({
	    {"syscalls {\nallow kill(sig < 10)\nallow kill(sig in 3..5)\n}",
	     "4:7 the rule never decides: the one at a:3:7 covers it\n"},
	    {"syscalls {\nallow kill(sig in 3..5)\nallow kill(sig in 5..9)\n}", ""},
	    {"syscalls {\nallow kill(sig == 3, pid == 1)\ndeny kill(sig == 3)\n}",
	     "3:7 the rule never decides: the one at a:4:6 covers it\n"},
	    {"syscalls {\nallow kill(sig == 3)\ndeny kill(sig == 3, pid == 1)\n}", ""},
	    {"syscalls {\nallow kill(sig == 3)\nallow kill(sig == 3)\n}",
	     "4:7 the rule never decides: the one at a:3:7 covers it\n"},
	    {"syscalls {\nallow kill(sig < 0)\n}", "3:7 the condition never holds\n"},
	    {"syscalls {\nallow kill(sig == 3 and not sig in 1..9)\n}",
	     "3:7 the condition never holds\n"},
	    {"syscalls {\nallow kill(sig >= 0)\n}", "3:7 the condition always holds\n"},
	    {"syscalls {\nallow kill(sig < 5 or sig > 4)\n}", "3:7 the condition always holds\n"},
	    {"syscalls {\nallow kill(sig < 5 or sig > 5)\n}", ""},
	    /* What no policy can refuse; a group passes it over. */
	    {"syscalls {\ndeny getpid, ptrace\nkill umask\nerrno EIO fstat(fd == 3)\n}",
	     "3:6 the rule never decides: \"getpid\" is always allowed\n"
	     "4:6 the rule never decides: \"umask\" is always allowed\n"
	     "5:11 the rule never decides: \"fstat\" is always allowed\n"},
	    {"syscalls {\nallow getpid\ndeny @process, @basic-io\n}", ""},
	    /* Bits are not told apart: better no warning than a wrong one. */
	    {"syscalls {\nallow kill(sig & 3 == 0)\nallow kill(sig & 1 == 0)\n}", ""},
	});
}

TEST_F(LintTest, CallsThatDefeatASandbox)
{
	expect_all({
	    {"syscalls { allow ptrace }",
	     "2:18 this allows \"ptrace\": it takes over other processes of the sandbox, also ones "
	     "under another policy\n"},
	    {"syscalls { allow ptrace(request == PTRACE_TRACEME) }", ""},
	    {"syscalls { allow ioctl }", "2:18 this allows \"ioctl\": TIOCSTI types into the "
					 "terminal, for the shell to read\n"},
	    {"syscalls { allow ioctl; deny ioctl(request in {TIOCSTI, TIOCLINUX}) }", ""},
	    {"syscalls { allow ioctl; deny ioctl(request == TIOCSTI) }",
	     "2:18 this allows \"ioctl\": TIOCLINUX pastes into the console, for the shell to "
	     "read\n"},
	    {"syscalls { allow ioctl(request == TCGETS) }", ""},
	    {"syscalls { log socket }",
	     "2:16 this allows \"socket\": AF_NETLINK reaches parts of the "
	     "kernel that have no other door\n"},
	    {"syscalls { allow socket(domain in {AF_UNIX, AF_INET}) }", ""},
	    {"syscalls { allow process_vm_writev }", "2:18 this allows \"process_vm_writev\": it "
						     "writes to the memory of other processes\n"},
	    {"group mine = {ptrace}\nsyscalls { allow @mine }",
	     "3:18 this allows \"ptrace\": it takes over other processes of the sandbox, also ones "
	     "under another policy\n"},
	    /* What bounds the policy takes it away again. */
	    {"within b\nsyscalls { allow ptrace }\npolicy b\n", ""},
	    {"syscalls { deny ptrace; kill ioctl }", ""},
	});
}

TEST_F(LintTest, CallsWithoutTheirTwins)
{
	expect_all({
	    {"syscalls { allow dup2 }",
	     "2:18 \"dup2\" is allowed, but no rule speaks of \"dup3\", which "
	     "newer libraries call in its place\n"},
	    {"syscalls { allow dup2, dup3 }", ""},
	    {"syscalls { allow dup2; deny dup3 }", ""},
	    {"syscalls { deny dup2 }", ""},
	    {"include parser\nsyscalls { allow uname }", ""},
	});
}

TEST_F(LintTest, PathsGrantedTwice)
{
	expect_all({
	    {"files {\nread, write /a/**\nread /a/b\n}",
	     "4:6 the rule at a:3:13 grants this already\n"},
	    {"files {\nread /a/**\nread, write /a/b\n}", ""},
	    {"files {\nread /a/**\nread /ab\n}", ""},
	    {"files {\nread /a/**\nread /a/b\ndeny /a/*\n}", ""},
	    {"files {\nread /a\nread /a\n}", "4:6 the rule at a:3:6 grants this already\n"},
	    {"files {\nread /a/**\nask read /a/b\n}", ""},
	    {"files {\nread /**\nread /a/b/*.c\n}", "4:6 the rule at a:3:6 grants this already\n"},
	});
}

TEST_F(LintTest, FilesThatMayBeWrittenAndExecuted)
{
	expect_all({
	    {"files {\nwrite /a/**\nexecute /a/bin/x\n}",
	     "4:9 what the rule at a:3:7 lets be written may be executed here\n"},
	    {"files {\nexecute, create /a\n}",
	     "3:17 what the rule at a:3:17 lets be written may be executed here\n"},
	    {"files {\nwrite /a/**\nexecute /b/x\n}", ""},
	    {"files {\nread, execute /a/**\n}", ""},
	});
}

TEST_F(LintTest, LimitsThatContradict)
{
	expect_all({
	    {"limits {\nprocesses 1\ncpu 10s\nwall 5s\n}",
	     "5:6 the time from launch ends before the processor time at a:4:5 can be used up\n"},
	    {"limits {\ncpu 10s\nwall 5s\n}", ""}, /* several processors */
	    {"limits {\nprocesses 1\ncpu 5s\nwall 10s\n}", ""},
	    {"limits {\nmemory 1M\nfile-size 2M\n}",
	     "4:11 a file may be larger than the memory at a:3:8, and could not be mapped\n"},
	    {"limits {\nmemory 2M\nfile-size 1M\n}", ""},
	    {"syscalls { allow vfork, clone }\nlimits { processes 1 }",
	     "2:18 \"vfork\" is refused all the same: there is one process, by the limit at "
	     "a:3:20\n"},
	    {"syscalls { allow vfork, clone }\nlimits { processes 2 }", ""},
	});
}

TEST_F(LintTest, Phases)
{
	const std::string p = "phase late within q\nsyscalls { allow dup, sync }\n"
			      "files { read /a/** }\npolicy q\n";
	struct {
		std::string text, expected;
	} cases[] = {
	    {p + "syscalls { allow dup }\nfiles { read /a/b }", ""},
	    {p + "syscalls { allow dup, sync }\nfiles { read /** }",
	     "2:7 the phase \"late\" narrows nothing: what bounds it allows all that the policy "
	     "does\n"},
	    {p + "syscalls { allow dup, sync }\nfiles { read /a/b }", ""},
	    {p + "syscalls { allow dup, alarm }",
	     "2:7 the rule at a:6:23 has no effect: before the phase \"late\" nothing of it is "
	     "allowed\n"},
	    /* Of a group one member is enough. */
	    {p + "syscalls { allow @basic-io }\nfiles { read /a/** }", ""},
	    {p + "syscalls { allow @aio }\nfiles { read /a/** }",
	     "2:7 the rule at a:6:18 has no effect: before the phase \"late\" nothing of it is "
	     "allowed\n"},
	    {p + "files { read /a/b, /b/**; write /a/** }",
	     "2:7 the rule at a:6:20 has no effect: before the phase \"late\" nothing of it is "
	     "allowed\n"
	     "2:7 the rule at a:6:33 has no effect: before the phase \"late\" nothing of it is "
	     "allowed\n"},
	    {p + "limits { memory 1M; processes 1 }\nisolate { user; pid }",
	     "2:7 the limit at a:6:17 has no effect in the phase \"late\": limits are set at the "
	     "launch\n2:7 the layers at a:7:1 have no effect in the phase \"late\": they are built "
	     "at the launch\n"},
	    /* The policy of a phase is looked at as any other. */
	    {p + "syscalls { allow dup; allow kill(sig < 0) }",
	     "2:7 the rule at a:6:29 has no effect: before the phase \"late\" nothing of it is "
	     "allowed\n6:29 the condition never holds\n"},
	};

	for (const auto &c : cases)
		EXPECT_EQ(c.expected, warnings(c.text)) << c.text;
}

TEST_F(LintTest, PresetsAndOtherPoliciesOfAText)
{
	for (const char *name : {"parser", "pure", "program"}) {
		sp_policy_options options = {nullptr, 0, true};
		std::string told;
		sp_policy *policy = nullptr;

		EXPECT_EQ(0, sp_policy_load_with(name, &options, sallyport::append_diagnostic,
						 &told, &policy));
		EXPECT_EQ("", told);
		sp_policy_unref(policy);
	}
	EXPECT_NE("", warnings("policy b\nsyscalls { allow ioctl }"));
	EXPECT_EQ("", warnings("include b\npolicy b\nsyscalls { allow uname }"));
}

} // namespace
