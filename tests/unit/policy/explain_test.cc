/* SPDX-License-Identifier: Apache-2.0 */
/* What a policy says of one call, and why. */
#include "support.h"

#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <random>
#include <sys/stat.h>

#include "policy/glob.h"
#include "policy/model.h"

namespace
{

using sallyport::Policy;

struct ExplanationDeleter {
	void operator()(sp_explanation *explanation) const
	{
		sp_explanation_free(explanation);
	}
};
using Explanation = std::unique_ptr<sp_explanation, ExplanationDeleter>;

Policy parse_kept(const std::string &text)
{
	sp_policy_options options = {};
	std::string diagnostics;
	sp_policy *policy = nullptr;

	options.keep = true;
	EXPECT_EQ(0, sp_policy_parse_with("p", text.data(), text.size(), &options,
					  sallyport::append_diagnostic, &diagnostics, &policy))
	    << diagnostics;
	return Policy(policy);
}

class ExplainTest : public sallyport::PolicyTest
{
      protected:
	Explanation explain(const std::string &call)
	{
		sp_explanation *explanation = nullptr;

		diagnostics_.clear();
		EXPECT_EQ(0, sp_policy_explain(policy_.get(), call.c_str(),
					       sallyport::append_diagnostic, &diagnostics_,
					       &explanation))
		    << call << diagnostics_;
		return Explanation(explanation);
	}
	std::string mistake(const std::string &call)
	{
		sp_explanation *explanation = nullptr;

		diagnostics_.clear();
		EXPECT_EQ(-EINVAL, sp_policy_explain(policy_.get(), call.c_str(),
						     sallyport::append_diagnostic, &diagnostics_,
						     &explanation))
		    << call;
		return diagnostics_;
	}
	void expect(const std::string &call, sp_policy_verdict verdict, int error, const char *rule)
	{
		Explanation e = explain(call);

		ASSERT_TRUE(e) << call;
		EXPECT_EQ(verdict, e->verdict) << e->text;
		EXPECT_EQ(error, e->error) << e->text;
		if (rule)
			EXPECT_STREQ(rule, e->rule) << e->text;
		else
			EXPECT_EQ(nullptr, e->rule) << e->text;
	}
	void load(const std::string &text)
	{
		policy_ = parse_kept("policy p\n" + text);
	}
	Policy policy_;
	std::string diagnostics_;
};

bool has(const std::string &text, const std::string &part)
{
	return text.find(part) != std::string::npos;
}

TEST_F(ExplainTest, TheRuleThatDecidesIsQuotedAndThoseThatLostSayWhy)
{
	load("include parser\n"
	     "syscalls {\n"
	     "	deny kill as EIO\n"
	     "	allow socket(domain == AF_UNIX)\n"
	     "	kill  tgkill(sig == SIGKILL)\n"
	     "}\n"
	     "files { read /none/**\n"
	     "	deny /none/private/** as ENOENT\n"
	     "	read, write /none/private/ours }\n");
	expect("kill(1, SIGTERM)", SP_POLICY_DENY, EIO, "p:4:7");
	expect("socket(AF_UNIX, SOCK_STREAM, 0) = 3", SP_POLICY_ALLOW, 0, "p:5:8");
	expect("socket(AF_INET, SOCK_STREAM|SOCK_CLOEXEC, IPPROTO_IP)", SP_POLICY_DENY,
	       EAFNOSUPPORT, "preset parser:15:8");
	expect("tgkill(1, 1, SIGKILL)", SP_POLICY_KILL, 0, "p:6:8");
	expect("tgkill(1, 1, SIGTERM)", SP_POLICY_ALLOW, 0, "preset parser:8:43");
	Explanation lost = explain("kill(1, SIGTERM)");

	EXPECT_TRUE(has(lost->text, "decides: p:4:7: deny as EIO\n        | deny kill as EIO\n"));
	EXPECT_TRUE(has(lost->text, "loses:   preset parser:8:37: allow; a policy's own rules come "
				    "before those that it includes\n        | allow memfd_create"));
	Explanation path = explain("open(\"/none/private/ours\", O_RDWR|O_CLOEXEC)");

	EXPECT_EQ(SP_POLICY_ALLOW, path->verdict);
	EXPECT_STREQ("p:10:14", path->rule);
	EXPECT_TRUE(has(path->text,
			"loses:   p:8:14: read /none/**; a name without wildcards is more "
			"specific than any pattern"))
	    << path->text;
	expect("open(\"/none/private/theirs\", O_RDONLY)", SP_POLICY_DENY, ENOENT, "p:9:7");
	expect("open(\"/none/a\", O_RDWR)", SP_POLICY_DENY, EACCES, "p:8:14");
	expect("open(\"/other\", O_RDONLY)", SP_POLICY_DENY, EACCES, nullptr);
}

TEST_F(ExplainTest, EveryVerdict)
{
	load("syscalls { allow read; log write; deny lseek as EIO; errno ENODEV dup; trap 7 dup2\n"
	     "	kill thread alarm; kill pause; ask getrusage; default errno ENOSYS }\n");
	expect("read(0, \"\", 0)", SP_POLICY_ALLOW, 0, "p:2:18");
	expect("write(1, \"x\\n\\x7f\\033\"..., 4)", SP_POLICY_LOG, 0, "p:2:28");
	expect("lseek(0, -1, SEEK_END)", SP_POLICY_DENY, EIO, "p:2:40");
	expect("dup(0)", SP_POLICY_ERRNO, ENODEV, "p:2:67");
	expect("dup2(0, 1)", SP_POLICY_TRAP, 7, "p:2:79");
	expect("alarm(3)", SP_POLICY_KILL_THREAD, 0, "p:3:14");
	expect("pause()", SP_POLICY_KILL, 0, "p:3:26");
	expect("getrusage(RUSAGE_SELF, {...})", SP_POLICY_ASK, 0, "p:3:37");
	expect("socket(AF_UNIX, SOCK_STREAM, 0)", SP_POLICY_ERRNO, ENOSYS, "p:3:48");
	expect("exit_group(0)", SP_POLICY_ALLOW, 0, "built in: always allowed");
	expect("unshare(CLONE_NEWUSER)", SP_POLICY_ERRNO, ENOSYS, "p:3:48");
}

TEST_F(ExplainTest, WhatEachCallNeedsOfItsNames)
{
	load("files { read /none/r/**; write /none/w/**; create /none/c/**; delete /none/d/**\n"
	     "	execute /none/x/**; read, write, create, delete /none/all/**; ask read /none/ask "
	     "}\n");
	const struct {
		const char *call;
		bool allowed;
	} cases[] = {
	    {"open(\"/none/r/a\", O_RDONLY)", true},
	    {"open(\"/none/r/a\", O_RDONLY|O_TRUNC)", false},
	    {"open \"/none/r/a\" O_RDWR", false},
	    {"open \"/none/w/a\" O_WRONLY", true},
	    {"open \"/none/w/a\" O_PATH", true},
	    {"open \"/none\" O_PATH|O_DIRECTORY", true}, /* on the way */
	    {"open \"/none\" O_RDONLY|O_DIRECTORY", false},
	    {"open \"/elsewhere\" O_PATH", false},
	    {"open \"/none/w/a\" O_WRONLY|O_CREAT 0644", false}, /* it does not exist */
	    {"open \"/none/c/a\" O_WRONLY|O_CREAT 0644", true},
	    {"open \"/none/c/a\" O_WRONLY", false},
	    {"open \"/none/c\" O_TMPFILE|O_RDWR 0600", true},
	    {"inotify_add_watch(3, \"/none/r\", IN_CREATE|IN_ONLYDIR)", true},
	    {"inotify_add_watch(3, \"/none/c\", IN_CREATE)", false},
	    {"creat \"/none/c/a\" 0600", true},
	    {"openat AT_FDCWD \"/none/r/a\" O_RDONLY", true},
	    {"openat(3</none/r>, \"a\", O_RDONLY)", true},
	    {"openat(AT_FDCWD</none/w>, \"../r/./a\", O_RDONLY)", true},
	    {"openat2(AT_FDCWD, \"/none/r/a\", {flags=O_RDONLY|O_CLOEXEC, resolve=0}, 24)", true},
	    {"openat2(AT_FDCWD, \"/none/r/a\", {flags=O_RDWR}, 24)", false},
	    {"stat(\"/none/w/a\", {st_mode=S_IFREG|0644, st_size=3, ...})", true},
	    {"stat(\"/none\", 0x7ffe)", true},
	    {"stat(\"/elsewhere\", NULL)", false},
	    {"newfstatat(AT_FDCWD, \"/elsewhere\", {}, AT_SYMLINK_NOFOLLOW)", false},
	    {"access(\"/none/r/a\", R_OK)", true},
	    {"access(\"/none/r/a\", R_OK|W_OK)", false},
	    {"access(\"/none/x/a\", X_OK)", true},
	    {"access(\"/none/r/a\", F_OK)", true},
	    {"mkdir(\"/none/c/a\", 0700)", true},
	    {"mkdir(\"/none/w/a\", 0700)", false},
	    {"symlink(\"whatever\", \"/none/c/a\")", true},
	    {"symlink(\"whatever\", \"/none/r/a\")", false},
	    {"unlink(\"/none/d/a\")", true},
	    {"unlinkat(AT_FDCWD, \"/none/w/a\", AT_REMOVEDIR)", false},
	    {"rename(\"/none/all/a\", \"/none/all/b\")", true},
	    {"rename(\"/none/d/a\", \"/none/c/b\")", false}, /* would gain a right */
	    {"rename(\"/none/all/a\", \"/none/c/b\")", true},
	    {"link(\"/none/all/a\", \"/none/c/b\")", true},
	    {"link(\"/none/r/a\", \"/none/c/b\")", false},
	    {"execve(\"/none/x/a\", [\"a\", \"-b\"], 0x7ff /* 3 vars */)", true},
	    {"execve(\"/none/r/a\", [], NULL)", false},
	    {"chmod(\"/none/w/a\", 0600)", true},
	    {"chmod(\"/none/r/a\", 0600)", false},
	    {"fchmod(5</none/w/a>, 0600)", true},
	    {"fchmod(5</none/r/a>, 0600)", false},
	    {"truncate(\"/none/w/a\", 0)", true},
	    {"getxattr(\"/none/r/a\", \"user.x\", \"\", 0)", true},
	    {"setxattr(\"/none/r/a\", \"user.x\", \"\", 0, XATTR_CREATE)", false},
	};

	for (const auto &c : cases) {
		Explanation e = explain(c.call);

		ASSERT_TRUE(e) << c.call;
		EXPECT_EQ(c.allowed, e->verdict == SP_POLICY_ALLOW) << e->text;
	}
	EXPECT_EQ(SP_POLICY_ASK, explain("open(\"/none/ask\", O_RDONLY)")->verdict);
	EXPECT_EQ(EXDEV, explain("link(\"/none/r/a\", \"/none/all/b\")")->error);
}

TEST_F(ExplainTest, ANameIsWhatItLeadsTo)
{
	char folder[] = "/tmp/sallyport-explain-XXXXXX";

	ASSERT_TRUE(mkdtemp(folder));
	std::string at = folder;
	ASSERT_EQ(0, mkdir((at + "/real").c_str(), 0700));
	ASSERT_EQ(0, symlink("real", (at + "/link").c_str()));
	ASSERT_EQ(0, symlink("real/file", (at + "/file").c_str()));
	ASSERT_EQ(0, close(creat((at + "/real/file").c_str(), 0600)));
	load("files { read " + at + "/real/**; create, delete " + at + "/* }");
	EXPECT_EQ(SP_POLICY_ALLOW, explain("open \"" + at + "/link/file\" O_RDONLY")->verdict);
	EXPECT_EQ(SP_POLICY_ALLOW,
		  explain("open \"" + at + "//link/new/./x/..\" O_RDONLY")->verdict);
	EXPECT_EQ(SP_POLICY_ALLOW, explain("open \"" + at + "/file\" O_RDONLY")->verdict);
	EXPECT_EQ(SP_POLICY_DENY, explain("open \"" + at + "/file\" O_RDONLY|O_NOFOLLOW")->verdict);
	EXPECT_EQ(SP_POLICY_ALLOW, explain("unlink \"" + at + "/file\"")->verdict);
	EXPECT_EQ(SP_POLICY_DENY, explain("unlink \"" + at + "/real/file\"")->verdict);
	/* It exists: creating it is opening it. */
	EXPECT_EQ(SP_POLICY_DENY,
		  explain("open \"" + at + "/real/file\" O_WRONLY|O_CREAT")->verdict);
	EXPECT_EQ(SP_POLICY_ALLOW, explain("open \"" + at + "/new\" O_WRONLY|O_CREAT")->verdict);
	EXPECT_EQ(0, system(("rm -r " + at).c_str()));
}

TEST_F(ExplainTest, APolicyThatBoundsIsNamed)
{
	policy_ = parse_kept(
	    "policy p\nwithin q\nsyscalls { allow socket, dup }\nfiles { read /none/** }\n"
	    "policy q\nsyscalls { allow dup; deny socket as EIO }\n"
	    "files { read /none/**; deny /none/secret as ENOENT }");
	expect("dup(1)", SP_POLICY_ALLOW, 0, "p:3:26");
	expect("socket(AF_UNIX, SOCK_STREAM, 0)", SP_POLICY_DENY, EIO, "p:6:28");
	expect("open(\"/none/secret\", O_RDONLY)", SP_POLICY_DENY, ENOENT, "p:7:29");
	EXPECT_TRUE(has(explain("socket(AF_UNIX, SOCK_STREAM, 0)")->text,
			"of policies that bound each other the stricter decides"));
}

TEST_F(ExplainTest, APhaseThatWasNotEnteredDecidesNothing)
{
	policy_ = parse_kept("policy p\nphase late within q\nsyscalls { allow dup }\n"
			     "files { read /none/** }\n"
			     "policy q\nsyscalls { deny dup as EIO }\n"
			     "files { deny /none/secret as ENOENT }");
	expect("dup(1)", SP_POLICY_ALLOW, 0, "p:3:18");
	expect("open(\"/none/secret\", O_RDONLY)", SP_POLICY_ALLOW, 0, "p:4:14");
	EXPECT_FALSE(has(explain("open(\"/none/secret\", O_RDONLY)")->text, "p:7:"));
}

TEST_F(ExplainTest, APhaseThatWasEnteredIsNamed)
{
	Policy before = parse_kept("policy p\nphase late within q\nsyscalls { allow dup }\n"
				   "files { read /none/** }\n"
				   "policy q\nsyscalls { deny dup as EIO }\n"
				   "files { read /none/**; deny /none/secret as ENOENT }");
	const char *name = "late";
	sp_policy *narrowed = nullptr;

	ASSERT_EQ(0, sp_policy_in_phases(before.get(), &name, 1, &narrowed));
	policy_.reset(narrowed);
	expect("dup(1)", SP_POLICY_DENY, EIO, "p:6:17");
	expect("open(\"/none/a\", O_RDONLY)", SP_POLICY_ALLOW, 0, "p:4:14");
	expect("open(\"/none/secret\", O_RDONLY)", SP_POLICY_DENY, ENOENT, "p:7:29");
	std::string text = explain("dup(1)")->text, json = explain("dup(1)")->json;

	EXPECT_TRUE(
	    has(text, "p:6:17: deny as EIO (of the phase late)\n        | syscalls { deny dup"))
	    << text;
	EXPECT_TRUE(has(json, "\"bounds\": true, \"decides\": true, \"phase\": \"late\"")) << json;
	EXPECT_TRUE(has(json, "\"bounds\": false, \"decides\": false, \"phase\": null")) << json;
}

TEST_F(ExplainTest, FormsThatNoPolicyAllows)
{
	load("include parser\n");
	expect("clone(CLONE_NEWUSER|SIGCHLD)", SP_POLICY_DENY, EPERM, "preset parser:19:20");
	expect("mmap(NULL, 4096, PROT_READ|PROT_WRITE|PROT_EXEC, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0)",
	       SP_POLICY_DENY, EPERM, "preset parser:18:10");
	expect("prctl(PR_SET_DUMPABLE, 1)", SP_POLICY_DENY, EPERM,
	       "built in: options that loosen the sandbox");
	expect("setrlimit(RLIMIT_CORE, {rlim_cur=0, rlim_max=0})", SP_POLICY_DENY, EPERM,
	       "built in: the limit of cores stays");
	expect("io_uring_setup(8, NULL)", SP_POLICY_DENY, EPERM, "built in: never allowed");
	expect("clone3({flags=0}, 88)", SP_POLICY_ERRNO, ENOSYS,
	       "built in: clone instead of clone3");
}

/* Lines of strace, as it prints them. */
TEST_F(ExplainTest, WhatStracePrints)
{
	load("include parser\nsyscalls { allow clone(flags & CLONE_VM == 0), connect, wait4, fork "
	     "}\n"
	     "limits { processes 9 }");
	for (const char *call :
	     {"execve(\"/bin/true\", [\"true\"], 0x7ffd0 /* 24 vars */) = 0",
	      "brk(NULL)                               = 0x55d0c0a4e000",
	      "clone(child_stack=NULL, flags=CLONE_CHILD_CLEARTID|SIGCHLD, child_tidptr=0x7f10) = "
	      "17",
	      "rt_sigprocmask(SIG_BLOCK, ~[RTMIN RT_1], [], 8) = 0",
	      "rt_sigaction(SIGINT, {sa_handler=SIG_DFL, sa_mask=[], sa_flags=SA_RESTORER}, NULL, "
	      "8) = 0",
	      "mknod(\"/x\", S_IFCHR|0666, makedev(0x1, 0x3)) = -1 EPERM (Operation not permitted)",
	      "wait4(-1, [{WIFEXITED(s) && WEXITSTATUS(s) == 0}], 0, NULL) = 17",
	      "connect(3, {sa_family=AF_INET, sin_port=htons(80), "
	      "sin_addr=inet_addr(\"1.2.3.4\")}, 16) = 0",
	      "read(3, \"\\177ELF\\2\\1\\1\\0\\0\"..., 832) = 832", "exit_group(0) = ?",
	      "futex(0x7fba56c10a4c, FUTEX_WAKE_PRIVATE, 2147483647) = 0",
	      "futex(0x7fba, FUTEX_WAIT_BITSET_PRIVATE|FUTEX_CLOCK_REALTIME, 0, NULL, "
	      "FUTEX_BITSET_MATCH_ANY) = 0",
	      "rt_sigaction(SIGRT_32, NULL, {sa_handler=SIG_DFL, sa_mask=[], sa_flags=0}, 8) = 0",
	      "statx(AT_FDCWD, \"/\", AT_STATX_SYNC_AS_STAT|AT_NO_AUTOMOUNT, STATX_MODE, {...}) = "
	      "0",
	      "prctl(PR_CAPBSET_READ, CAP_MAC_OVERRIDE) = 1",
	      "poll([{fd=0, events=POLLIN}], 1, -1) = 1 ([{fd=0, revents=POLLIN}])",
	      "openat(AT_FDCWD</root>, \".\", O_RDONLY|O_NONBLOCK|O_CLOEXEC|O_DIRECTORY) = "
	      "3</root>",
	      "getdents64(3</root>, 0x5555 /* 10 entries */, 32768) = 312"})
		EXPECT_TRUE(explain(call)) << call;
	EXPECT_EQ(SP_POLICY_ALLOW, explain("clone(child_stack=NULL, flags=SIGCHLD)")->verdict);
	EXPECT_EQ(SP_POLICY_ALLOW,
		  explain("clone(flags=CLONE_VM|SIGCHLD)")->verdict); /* parser's */
	EXPECT_EQ(SP_POLICY_DENY,
		  explain("clone(child_stack=NULL, flags=CLONE_NEWUSER|SIGCHLD)")->verdict);
}

TEST_F(ExplainTest, MistakesInACall)
{
	load("");
	const struct {
		const char *call, *diagnostic;
	} cases[] = {
	    {"", "call:1:1: error: expected a system call, like open(\"/etc/passwd\", O_RDONLY)\n"},
	    {"opne(\"/x\")",
	     "call:1:1: error: unknown system call \"opne\"\n  opne(\"/x\")\n  ^~~~\n  "
	     "did you mean \"open\"?\n"},
	    {"open(\"/x\", O_RDWRR)",
	     "call:1:12: error: unknown constant \"O_RDWRR\"\n  open(\"/x\", "
	     "O_RDWRR)\n             ^~~~~~~\n  did you mean \"O_RDWR\"?\n"},
	    /* The nearest of the argument's own constants, not PROT_NONE. */
	    {"mmap(0, 1, PROT_REED, 2, -1, 0)",
	     "call:1:12: error: unknown constant \"PROT_REED\"\n  mmap(0, 1, PROT_REED, 2, -1, "
	     "0)\n    "
	     "         ^~~~~~~~~\n  did you mean \"PROT_READ\"?\n"},
	    {"open(\"/x", "call:1:6: error: the string has no end\n  open(\"/x\n       ^\n"},
	    {"open(\"/x\"",
	     "call:1:5: error: the parenthesis is not closed\n  open(\"/x\"\n      ^\n"},
	    {"open(\"/x\" O_RDONLY)",
	     "call:1:11: error: expected ',' or ')'\n  open(\"/x\" O_RDONLY)\n "
	     "           ^\n"},
	    {"dup(1, 2)", "call:1:8: error: \"dup\" takes 1 arguments\n  dup(1, 2)\n         ^\n"},
	    {"dup(1x)", "call:1:5: error: this is no number of 64 bits\n  dup(1x)\n      ^~\n"},
	    {"dup(99999999999999999999)",
	     "call:1:5: error: this is no number of 64 bits\n  "
	     "dup(99999999999999999999)\n      ^~~~~~~~~~~~~~~~~~~~\n"},
	    {"open(O_RDONLY)", "call:1:6: error: the call takes a path here, in double quotes\n  "
			       "open(O_RDONLY)\n       ^~~~~~~~\n"},
	    {"open(\"x\", 0)",
	     "call:1:6: error: what a relative path means depends on the program: "
	     "write an absolute one\n  open(\"x\", 0)\n       ^~~\n"},
	    {"fchmod(3, 0600)",
	     "call:1:8: error: write what the descriptor is of, like 3</tmp/file> or "
	     "AT_FDCWD</tmp>, or an absolute path\n  fchmod(3, 0600)\n         ^\n"},
	    {"open(\"/a\\q\", 0)",
	     "call:1:9: error: no string holds this: write \\n, \\\", \\\\ or "
	     "\\xHH\n  open(\"/a\\q\", 0)\n          ^~\n"},
	    {"stat(\"/a\", {x",
	     "call:1:12: error: the brackets are not closed\n  stat(\"/a\", {x\n      "
	     "       ^\n"},
	    {"dup(1) dup(2)",
	     "call:1:8: error: the call is complete before this\n  dup(1) dup(2)\n    "
	     "     ^\n"},
	    {"dup 1 -> allow", "call:1:7: error: one call is expected, and it is complete before "
			       "this\n  dup 1 -> allow\n        ^\n"},
	};

	for (const auto &c : cases)
		EXPECT_EQ(c.diagnostic, mistake(c.call)) << c.call;
}

TEST_F(ExplainTest, NoTextCrashesTheReader)
{
	const std::string pieces[] = {"open", "(",  ")", "\"/x\"", "\"",   "{", "}",      "[",
				      ",",    "|",  "3", "-",      "<",    ">", "O_RDWR", "\\",
				      "=",    "->", " ", "\n",     "NULL", "@"};
	std::mt19937 random(1);
	int understood = 0;

	load("files { read /x }");
	for (int i = 0; i < 5000; i++) {
		/* Of those that begin and end as calls do, some are. */
		bool framed = i % 2 == 0;
		std::string call = framed ? "open(\"/x\", " : "";
		sp_explanation *explanation = nullptr;

		for (unsigned n = random() % 12; n > 0; n--)
			call += pieces[random() % std::size(pieces)];
		call += framed ? ")" : "";
		int r =
		    sp_policy_explain(policy_.get(), call.c_str(), nullptr, nullptr, &explanation);
		ASSERT_TRUE(r == 0 || r == -EINVAL) << call;
		understood += r == 0;
		sp_explanation_free(explanation);
	}
	EXPECT_GT(understood, 0);
}

/* The rules that are told to decide are those by which the porter decides. */
TEST_F(ExplainTest, TheRulesToldAreThoseThatDecide)
{
	const char *parts[] = {"a", "b", "*", "?", "**", "[ab]", "a*"};
	const char *verbs[] = {"read", "write", "read, write", "deny"};
	std::mt19937 random(2);

	for (int round = 0; round < 100; round++) {
		std::string text = "files {\n";

		for (int rule = 0; rule < 5; rule++) {
			std::string pattern = "/none";

			for (unsigned n = 1 + random() % 3; n > 0; n--)
				pattern += std::string("/") + parts[random() % std::size(parts)];
			text +=
			    std::string(verbs[random() % std::size(verbs)]) + " " + pattern + "\n";
		}
		std::string all = "policy p\n" + text + "}";
		sp_policy *raw = nullptr;

		if (sp_policy_parse("p", all.data(), all.size(), nullptr, nullptr, &raw) < 0)
			continue; /* a pattern both granted and denied */
		policy_.reset(raw);
		for (const char *name :
		     {"/none/a", "/none/b", "/none/a/b", "/none/ab/a", "/none/a/a/b"})
			for (const char *flags : {"O_RDONLY", "O_WRONLY"}) {
				Explanation e =
				    explain(std::string("open \"") + name + "\" " + flags);
				std::string right =
				    std::string(flags) == "O_RDONLY" ? "read" : "write";
				std::string shown = e->text;
				size_t at = shown.find("\n  " + right + ": ");
				bool granted =
				    shown.compare(at + 5 + right.size(), 7, "granted") == 0;
				size_t decides = shown.find("decides: ", at);
				bool denies =
				    decides == std::string::npos ||
				    shown.substr(decides, shown.find('\n', decides) - decides)
					    .find(": deny ") != std::string::npos;

				ASSERT_NE(at, std::string::npos) << shown;
				EXPECT_EQ(granted, e->verdict == SP_POLICY_ALLOW) << shown;
				EXPECT_EQ(granted, !denies) << text << shown;
			}
	}
}

} // namespace
