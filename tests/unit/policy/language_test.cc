/* SPDX-License-Identifier: Apache-2.0 */
/* Policy texts: what is accepted, what is refused, and in which words. */
#include "support.h"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <dirent.h>
#include <fcntl.h>
#include <fstream>
#include <sstream>
#include <sys/stat.h>
#include <unistd.h>

namespace
{

using sallyport::append_diagnostic;
using sallyport::compile;
using sallyport::load;
using sallyport::mistakes;
using sallyport::parse;
using sallyport::Policy;
using sallyport::Rules;
using sallyport::rules_of;

class LanguageTest : public sallyport::PolicyTest
{
};

std::string read_file(const std::string &path)
{
	std::ifstream stream(path, std::ios::binary);
	std::ostringstream text;

	text << stream.rdbuf();
	return text.str();
}

std::string source_directory()
{
	const char *directory = getenv("SP_TEST_SOURCE_DIR");

	return std::string(directory ? directory : SP_SOURCE_DIR) + "/tests/unit/policy/malformed";
}

std::vector<std::string> malformed()
{
	std::vector<std::string> names;
	DIR *directory = opendir(source_directory().c_str());

	for (dirent *entry; directory && (entry = readdir(directory));) {
		std::string name = entry->d_name;

		if (name.size() > 7 && name.substr(name.size() - 7) == ".policy")
			names.push_back(name.substr(0, name.size() - 7));
	}
	if (directory)
		closedir(directory);
	std::sort(names.begin(), names.end());
	return names;
}

class MalformedTest : public LanguageTest, public ::testing::WithParamInterface<std::string>
{
	void SetUp() override
	{
		/* Includes are relative to the file that names them, here without a folder. */
		before_ = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
		ASSERT_EQ(0, chdir(source_directory().c_str()));
		LanguageTest::SetUp();
	}
	void TearDown() override
	{
		LanguageTest::TearDown();
		EXPECT_EQ(0, fchdir(before_));
		close(before_);
	}
	int before_ = -1;
};

TEST_P(MalformedTest, IsReportedWordForWord)
{
	int r = 0;
	std::string diagnostics =
	    mistakes(GetParam() + ".policy", read_file(GetParam() + ".policy"), &r);

	EXPECT_EQ(-EINVAL, r);
	EXPECT_EQ(read_file(GetParam() + ".expected"), diagnostics);
}

std::string test_name(const ::testing::TestParamInfo<std::string> &info)
{
	std::string name = info.param;

	std::replace(name.begin(), name.end(), '-', '_');
	return name;
}

INSTANTIATE_TEST_SUITE_P(All, MalformedTest, ::testing::ValuesIn(malformed()), test_name);

TEST_F(LanguageTest, ThereAreEnoughMalformedPolicies)
{
	EXPECT_GE(malformed().size(), 45u);
}

TEST_F(LanguageTest, Presets)
{
	for (const char *name : {"parser", "pure", "program"}) {
		std::string diagnostics;
		sp_policy *policy = nullptr;

		ASSERT_EQ(0, sp_policy_load(name, append_diagnostic, &diagnostics, &policy))
		    << diagnostics;
		Policy owned(policy);
		EXPECT_STREQ(name, sp_policy_name(policy));
		EXPECT_EQ("", diagnostics);
		Rules rules = load(compile(policy));
		EXPECT_EQ(strcmp(name, "program") != 0, sp_rules_limits(rules.get())->processes);
		EXPECT_EQ(uint32_t(SP_ISOLATE_ALL), sp_rules_isolate(rules.get()));
	}
}

TEST_F(LanguageTest, ProgramReadsWhatBelongsToTheSystemAndNoSecret)
{
	sp_policy *policy = nullptr;

	ASSERT_EQ(0, sp_policy_load("program", nullptr, nullptr, &policy));
	Policy owned(policy);
	Rules rules = load(compile(policy));
	auto rights = [&](const std::string &name) {
		sp_path_decision decision = {};

		sp_rules_decide(rules.get(), name.data(), name.size(), &decision);
		return decision.rights;
	};
	for (const char *name :
	     {"/usr/lib/x86_64-linux-gnu/libc.so.6", "/usr", "/lib64/ld.so", "/bin/sh", "/etc",
	      "/etc/passwd", "/etc/ssl/certs/ca.pem", "/etc/ssh/ssh_config",
	      "/etc/ssh/ssh_host_rsa_key.pub", "/proc/self/maps", "/proc/self/fd/3",
	      "/proc/cpuinfo", "/sys/devices/system/cpu/online", "/dev/urandom", "/dev/stdin"})
		EXPECT_EQ(uint32_t(SP_RIGHT_READ), rights(name)) << name;
	/* The sandbox's own terminals: a grant of these is what it gets an instance of devpts for. */
	for (const char *name :
	     {"/dev/null", "/dev/zero", "/dev/full", "/dev/tty", "/dev/ptmx", "/dev/pts/0"})
		EXPECT_EQ(uint32_t(SP_RIGHT_READ | SP_RIGHT_WRITE), rights(name)) << name;
	for (const char *name : {"/",
				 "/home/user/x",
				 "/root/.ssh/id_rsa",
				 "/tmp/x",
				 "/var/log/syslog",
				 "/etc/shadow",
				 "/etc/shadow-",
				 "/etc/gshadow",
				 "/etc/passwd-",
				 "/etc/sudoers",
				 "/etc/sudoers.d",
				 "/etc/sudoers.d/x",
				 "/etc/ssh/ssh_host_rsa_key",
				 "/etc/ssl/private",
				 "/etc/ssl/private/x.key",
				 "/etc/krb5.keytab",
				 "/proc/kcore",
				 "/proc/1/environ",
				 "/proc/cmdline",
				 "/proc/sys/vm/swappiness",
				 "/dev/sda",
				 "/dev/mem",
				 "/sys/class/net"})
		EXPECT_EQ(0u, rights(name)) << name;
}

TEST_F(LanguageTest, UnknownPresetsAndMissingFiles)
{
	std::string diagnostics;
	sp_policy *policy = nullptr;

	EXPECT_EQ(-ENOENT, sp_policy_load("parsr", append_diagnostic, &diagnostics, &policy));
	EXPECT_EQ("parsr:1:1: error: there is no such preset\n  did you mean \"parser\"?\n",
		  diagnostics);
	diagnostics.clear();
	EXPECT_EQ(-ENOENT,
		  sp_policy_load("/nonexistent/p", append_diagnostic, &diagnostics, &policy));
	EXPECT_EQ("/nonexistent/p:1:1: error: No such file or directory\n", diagnostics);
	EXPECT_EQ(-EISDIR, sp_policy_load("/", nullptr, nullptr, &policy));
	EXPECT_EQ(-EACCES, sp_policy_load("/dev/null", nullptr, nullptr, &policy));
	EXPECT_EQ(nullptr, policy);
}

TEST_F(LanguageTest, TooLongATextIsRefusedUnread)
{
	std::string text = "policy a\n" + std::string(1 << 20, '#');
	int r = 0;

	EXPECT_EQ("big:1:1: error: Argument list too long\n", mistakes("big", text, &r));
	EXPECT_EQ(-E2BIG, r);
	text.resize(1 << 20);
	EXPECT_EQ("", mistakes("big", text, &r));
	EXPECT_EQ(0, r);
}

TEST_F(LanguageTest, EverythingThatTheLanguageHas)
{
	Policy policy = parse(
	    "# a comment\n"
	    "policy everything; include pure   # another\n"
	    "syscalls {\n"
	    "	allow socket(domain == AF_UNIX, type & 0xf == SOCK_STREAM),\n"
	    "	      mmap(prot & PROT_EXEC == 0), kill(sig != SIGKILL), lseek(offset >= 0x10)\n"
	    "	allow ioctl(\n"
	    "		request == TCGETS\n"
	    "	); deny ptrace as EACCES; kill add_key; log sysinfo; broker openat\n"
	    "	deny bpf\n"
	    "	default kill\n"
	    "}\n"
	    "memory { wx allow }\n"
	    "files {\n"
	    "	read, write \"/srv/with blank/**\", /srv/b\n"
	    "	linked, execute /srv/c; create, delete /srv/[a-z]*/?\n"
	    "	deny /srv/d as ENOENT\n"
	    "}\n"
	    "limits { memory 1K; cpu 1h; wall 5ms; files 1; processes 2; file-size 3B }\n"
	    "isolate { user; pid; mount optional; landlock optional }\n");
	Rules rules = load(compile(policy.get()));

	EXPECT_STREQ("everything", sp_policy_name(policy.get()));
	EXPECT_EQ(2u, sp_rules_limits(rules.get())->processes); /* ours, not the preset's */
}

TEST_F(LanguageTest, AnEmptyPolicyDeniesEverything)
{
	Rules rules = rules_of("");
	sp_path_decision decision = {};

	sp_rules_decide(rules.get(), "/", 1, &decision);
	EXPECT_EQ(SP_STANDING_OUTSIDE, decision.standing);
}

TEST_F(LanguageTest, CarriageReturnsAndNoNewlineAtTheEnd)
{
	EXPECT_EQ("", mistakes("a", "policy a\r\nfiles {\r\n\tread /a\r\n}\r\n"));
	EXPECT_EQ("", mistakes("a", "policy a\nfiles { read /a }"));
	EXPECT_EQ("", mistakes("a", "policy a"));
}

TEST_F(LanguageTest, ForeignCallsAreAWarning)
{
	int r = -1;

	EXPECT_EQ(
	    "a:2:18: warning: this architecture has no call \"mmap2\": the rule has no effect\n"
	    "  syscalls { allow mmap2 }\n"
	    "                   ^~~~~\n",
	    mistakes("a", "policy a\nsyscalls { allow mmap2 }\n", &r));
	EXPECT_EQ(0, r);
}

TEST_F(LanguageTest, CallsNewerThanLibseccompHaveNames)
{
	EXPECT_EQ(
	    "", mistakes(
		    "a",
		    "policy a\nsyscalls { allow mseal, cachestat, futex_wake; deny uretprobe }\n"));
}

TEST_F(LanguageTest, ManyMistakesAreCapped)
{
	std::string text = "policy a\nfiles {\n", diagnostics;
	int r = 0;

	for (int i = 0; i < 1000; i++)
		text += "raed /a\n";
	diagnostics = mistakes("a", text + "}\n", &r);
	EXPECT_EQ(-EINVAL, r);
	EXPECT_LT(diagnostics.size(), 10000u);
}

/* A folder of policies that include each other. */
class IncludeTest : public LanguageTest
{
	void SetUp() override
	{
		LanguageTest::SetUp();
		char name[] = "/tmp/sallyport-policy-XXXXXX";
		ASSERT_NE(nullptr, mkdtemp(name));
		directory_ = name;
		ASSERT_EQ(0, mkdir((directory_ + "/sub").c_str(), 0700));
	}
	void TearDown() override
	{
		for (const std::string &file : files_)
			unlink(file.c_str());
		rmdir((directory_ + "/sub").c_str());
		rmdir(directory_.c_str());
		LanguageTest::TearDown();
	}

      protected:
	void write(const std::string &name, const std::string &text)
	{
		files_.push_back(directory_ + "/" + name);
		std::ofstream(files_.back()) << text;
	}
	int load_policy(const std::string &name)
	{
		sp_policy *policy = nullptr;
		int r = sp_policy_load((directory_ + "/" + name).c_str(), append_diagnostic,
				       &diagnostics_, &policy);

		policy_.reset(policy);
		for (size_t at; (at = diagnostics_.find(directory_ + "/")) != std::string::npos;)
			diagnostics_.erase(at, directory_.size() + 1);
		return r;
	}

	std::string directory_, diagnostics_;
	std::vector<std::string> files_;
	Policy policy_;
};

TEST_F(IncludeTest, IsAUnionFromTheIncludingFilesFolder)
{
	write("main.policy",
	      "policy main\ninclude sub/a.policy\nfiles { read /main }\nlimits { files 20 }\n");
	write("sub/a.policy",
	      "policy a\ninclude b.policy\nfiles { read /a }\nlimits { files 10; cpu 3s }\n");
	write("sub/b.policy", "policy b\nfiles { read /b }\nlimits { cpu 1s; wall 1s }\n");
	ASSERT_EQ(0, load_policy("main.policy")) << diagnostics_;
	Rules rules = load(compile(policy_.get()));

	EXPECT_STREQ("main", sp_rules_name(rules.get()));
	for (const char *name : {"/main", "/a", "/b"}) {
		sp_path_decision decision = {};

		sp_rules_decide(rules.get(), name, strlen(name), &decision);
		EXPECT_EQ(uint32_t(SP_RIGHT_READ), decision.rights) << name;
	}
	EXPECT_EQ(20u, sp_rules_limits(rules.get())->files);
	EXPECT_EQ(3u, sp_rules_limits(rules.get())->cpu);
	EXPECT_EQ(1000u, sp_rules_limits(rules.get())->wall);
}

TEST_F(IncludeTest, TheIncludingPolicyWins)
{
	write("main.policy", "policy main\ninclude a.policy\nsyscalls { deny sysinfo as EPERM; "
			     "default deny as ENOENT }\n");
	write("a.policy", "policy a\nsyscalls { deny sysinfo as EACCES; default kill }\n");
	ASSERT_EQ(0, load_policy("main.policy")) << diagnostics_;
	Rules rules = load(compile(policy_.get()));
	sp_call_refusal refusal = {};

	sp_rules_refusal(rules.get(), 99 /* sysinfo */, &refusal);
	EXPECT_EQ(EPERM, refusal.error);
	sp_rules_refusal(rules.get(), 9999, &refusal);
	EXPECT_EQ(ENOENT, refusal.error);
}

TEST_F(IncludeTest, EqualsThatDisagreeAreAMistake)
{
	write("main.policy", "policy main\ninclude a.policy\ninclude b.policy\n");
	write("a.policy", "policy a\nsyscalls { allow sysinfo }\n");
	write("b.policy", "policy b\nsyscalls { kill sysinfo }\n");
	EXPECT_EQ(-EINVAL, load_policy("main.policy"));
	EXPECT_EQ("b.policy:2:17: error: conflicting rules: \"sysinfo\" is killed here and allowed "
		  "at a.policy:2:18\n"
		  "  syscalls { kill sysinfo }\n"
		  "                  ^~~~~~~\n",
		  diagnostics_);
}

TEST_F(IncludeTest, SeveralPoliciesInOneFile)
{
	write("all.policy", "group shared = sysinfo\n"
			    "policy first\nfiles { read /first }\ninclude third\n"
			    "policy second\nlimits { cpu 1s }\nfiles { read /second }\n"
			    "policy third\nsyscalls { allow @shared }\nfiles { read /third }\n");
	write("main.policy", "policy main\nfiles { read /main }\ninclude all.policy#second\n"
			     "limits { files 9 }\n");
	auto granted = [&](const std::string &policy) {
		std::string all;

		if (load_policy(policy) != 0)
			return diagnostics_;
		Rules rules = load(compile(policy_.get()));

		for (const char *name : {"/main", "/first", "/second", "/third"}) {
			sp_path_decision decision = {};

			sp_rules_decide(rules.get(), name, strlen(name), &decision);
			if (decision.rights)
				all += std::string(name);
		}
		return sp_policy_name(policy_.get()) + all;
	};

	EXPECT_EQ("first/first/third", granted("all.policy"));
	EXPECT_EQ("first/first/third", granted("all.policy#first"));
	EXPECT_EQ("second/second", granted("all.policy#second"));
	EXPECT_EQ("third/third", granted("all.policy#third"));
	EXPECT_EQ("main/main/second", granted("main.policy"));
	EXPECT_EQ("all.policy:1:1: error: \"all.policy\" has no policy \"thrid\"\n"
		  "  group shared = sysinfo\n"
		  "  ^\n"
		  "  did you mean \"third\"?\n",
		  granted("all.policy#thrid"));
}

/* Also those that nobody wanted; but each mistake once. */
TEST_F(IncludeTest, MistakesOfAllPoliciesOfATextAreTold)
{
	write("all.policy", "policy a\ninclude b\npolicy b\nfiles { raed /b }\n"
			    "policy c\nfiles { wirte /c }\n");
	EXPECT_EQ(-EINVAL, load_policy("all.policy"));
	EXPECT_EQ("all.policy:4:9: error: unknown right \"raed\"\n"
		  "  files { raed /b }\n"
		  "          ^~~~\n"
		  "  did you mean \"read\"?\n"
		  "all.policy:6:9: error: unknown right \"wirte\"\n"
		  "  files { wirte /c }\n"
		  "          ^~~~~\n"
		  "  did you mean \"write\"?\n",
		  diagnostics_);
}

/* A policy may be called like the preset that it includes, and another one hides a preset. */
TEST_F(LanguageTest, NamesOfPoliciesAndPresets)
{
	EXPECT_EQ("", mistakes("a", "policy pure\ninclude pure\n"));
	Rules rules = load(compile(parse("policy a\ninclude pure\npolicy pure\n"
					 "limits { files 7 }\n")
				       .get()));

	EXPECT_EQ(7u, sp_rules_limits(rules.get())->files);
	EXPECT_EQ(0u, sp_rules_limits(rules.get())->processes);
}

TEST_F(IncludeTest, CyclesAreFoundAtOnce)
{
	write("a.policy", "policy a\ninclude b.policy\n");
	write("b.policy", "policy b\ninclude sub/../a.policy\n");
	EXPECT_EQ(-EINVAL, load_policy("a.policy"));
	EXPECT_EQ("b.policy:2:9: error: \"sub/../a.policy\" includes itself\n"
		  "  include sub/../a.policy\n"
		  "          ^~~~~~~~~~~~~~~\n",
		  diagnostics_);
}

TEST_F(IncludeTest, DepthAndNumberAreBounded)
{
	for (int i = 0; i < 12; i++)
		write("d" + std::to_string(i) + ".policy",
		      "policy d\ninclude d" + std::to_string(i + 1) + ".policy\n");
	write("d12.policy", "policy d\n");
	EXPECT_EQ(-EINVAL, load_policy("d0.policy"));
	EXPECT_NE(std::string::npos, diagnostics_.find("d8.policy:2:9: error: too many includes"));

	diagnostics_.clear();
	for (int i = 0; i < 7; i++) { /* each twice: 2^7 texts */
		std::string next = "w" + std::to_string(i + 1) + ".policy\n";

		write("w" + std::to_string(i) + ".policy",
		      "policy w\ninclude " + next + "include " + next);
	}
	write("w7.policy", "policy w\n");
	EXPECT_EQ(-EINVAL, load_policy("w0.policy"));
	EXPECT_NE(std::string::npos, diagnostics_.find("too many includes"));
}

TEST_F(IncludeTest, AFifoDoesNotHoldTheReader)
{
	std::string fifo = directory_ + "/fifo";

	ASSERT_EQ(0, mkfifo(fifo.c_str(), 0600));
	files_.push_back(fifo);
	EXPECT_EQ(-EACCES, load_policy("fifo"));
}

TEST_F(IncludeTest, ARuleThatNamesALinkCoversWhatItPointsTo)
{
	write("sub/file", "");
	ASSERT_EQ(0, symlink("sub", (directory_ + "/link").c_str()));
	files_.push_back(directory_ + "/link");
	ASSERT_EQ(0, symlink("/", (directory_ + "/rootlink").c_str()));
	files_.push_back(directory_ + "/rootlink");
	Rules rules = rules_of("files { read " + directory_ + "/link/*; write " + directory_ +
			       "/rootlink/q/** }");
	auto granted = [&](const std::string &name) {
		sp_path_decision decision = {};

		sp_rules_decide(rules.get(), name.data(), name.size(), &decision);
		return decision.rights;
	};

	EXPECT_EQ(uint32_t(SP_RIGHT_READ), granted(directory_ + "/link/file"));
	EXPECT_EQ(uint32_t(SP_RIGHT_READ), granted(directory_ + "/sub/file"));
	EXPECT_EQ(uint32_t(SP_RIGHT_WRITE), granted("/q/x"));
	EXPECT_EQ(0u, granted(directory_ + "/other/file"));
	EXPECT_EQ(0u, granted("/w/x"));
}

// What these are for us says nothing about the sandboxee.
TEST_F(IncludeTest, ARuleThatNamesAMagicLinkCoversNothingOfOurs)
{
	char *here = getcwd(nullptr, 0);
	const std::string below = std::string(here) + "/x";

	free(here);
	files_.push_back(directory_ + "/cwd");
	ASSERT_EQ(0, symlink("/proc/self/cwd", files_.back().c_str()));
	for (const std::string pattern :
	     {"/proc/self/cwd/**", "/proc/self/root/**", "/proc/thread-self/cwd/*"}) {
		Rules rules = rules_of("files { read " + pattern + " }");
		sp_path_decision decision = {};

		sp_rules_decide(rules.get(), below.data(), below.size(), &decision);
		EXPECT_EQ(0u, decision.rights) << pattern;
	}
	Rules rules = rules_of("files { read " + directory_ + "/cwd/**; read /dev/stdin }");
	size_t grants = 0;

	sp_rules_each_grant(
	    rules.get(),
	    [](const char *, uint32_t, void *data) {
		    ++*static_cast<size_t *>(data);
		    return 0;
	    },
	    &grants);
	EXPECT_EQ(2u, grants) << "a twin of a magic link";
}

TEST_F(LanguageTest, Grant)
{
	Policy policy = parse("policy test");
	sp_policy *p = policy.get();

	EXPECT_EQ(0, sp_policy_grant(p, "read", "/q/a", "here"));
	EXPECT_EQ(0, sp_policy_grant(p, "read, write", "/q/b/**", "there"));
	EXPECT_EQ(0, sp_policy_grant(p, " create ,delete", "/q/c", "there"));
	for (const char *rights :
	     {"", "raed", "read,", "read write", "read, read", "deny", ",", "read,,write"})
		EXPECT_EQ(-EINVAL, sp_policy_grant(p, rights, "/q/d", "x")) << rights;
	for (const char *pattern : {"", "q", "/q/", "/q/../x", "/q/a**", "/q/[a", "/q/\n"})
		EXPECT_EQ(-EINVAL, sp_policy_grant(p, "read", pattern, "x")) << pattern;
	EXPECT_EQ(-EINVAL,
		  sp_policy_grant(p, "read", ("/" + std::string(PATH_MAX, 'a')).c_str(), "x"));

	Rules rules = load(compile(p));
	sp_path_decision decision = {};

	sp_rules_decide(rules.get(), "/q/b/x", 6, &decision);
	EXPECT_EQ(uint32_t(SP_RIGHT_READ | SP_RIGHT_WRITE), decision.rights);
	EXPECT_STREQ("there", decision.rule);
	sp_rules_decide(rules.get(), "/q/d", 4, &decision);
	EXPECT_EQ(0u, decision.rights);
}

// What the language calls a mistake is one here.
TEST_F(LanguageTest, GrantOfWhatIsDenied)
{
	Policy policy = parse("policy test\nfiles { deny /q/a, /q/b/** as ENOENT; read /q/c }");
	sp_policy *p = policy.get();

	EXPECT_EQ(-EINVAL, sp_policy_grant(p, "read", "/q/a", "x"));
	EXPECT_EQ(-EINVAL, sp_policy_grant(p, "read", "/q/b/**", "x"));
	EXPECT_EQ(0, sp_policy_grant(p, "read", "/q/b/more", "more specific"));
	EXPECT_EQ(0, sp_policy_grant(p, "write", "/q/c", "beside a grant"));

	Rules rules = load(compile(p));
	sp_path_decision decision = {};

	sp_rules_decide(rules.get(), "/q/a", 4, &decision);
	EXPECT_EQ(0u, decision.rights);
	EXPECT_EQ(ENOENT, decision.error);
	sp_rules_decide(rules.get(), "/q/b/more", 9, &decision);
	EXPECT_EQ(uint32_t(SP_RIGHT_READ), decision.rights);
	sp_rules_decide(rules.get(), "/q/c", 4, &decision);
	EXPECT_EQ(uint32_t(SP_RIGHT_READ | SP_RIGHT_WRITE), decision.rights);
}

// Each is found again among the others, also after the table grew.
TEST_F(LanguageTest, ManyGrantsAndDenials)
{
	std::string text = "policy test\nfiles {\n";

	for (int i = 0; i < 1000; i++)
		text += "deny /q/no/" + std::to_string(i) + "\n";
	Policy policy = parse(text + "}");
	for (int i = 0; i < 10000; i++)
		ASSERT_EQ(0, sp_policy_grant(policy.get(), "read",
					     ("/q/yes/" + std::to_string(i)).c_str(), "x"));
	for (int i = 0; i < 1000; i++)
		ASSERT_EQ(-EINVAL, sp_policy_grant(policy.get(), "read",
						   ("/q/no/" + std::to_string(i)).c_str(), "x"));
}

TEST_F(LanguageTest, Limit)
{
	Policy policy = parse("policy test\nlimits { memory 1G; files 64 }");
	sp_policy *p = policy.get();

	EXPECT_EQ(0, sp_policy_limit(p, "memory", "256M"));
	EXPECT_EQ(0, sp_policy_limit(p, "wall", "1500ms"));
	EXPECT_EQ(0, sp_policy_limit(p, "wall", "2s"));
	for (const char *name : {"", "memroy", "Memory", "memory "})
		EXPECT_EQ(-EINVAL, sp_policy_limit(p, name, "1G")) << name;
	for (const char *value : {"", "1", "M", "-1M", "1M ", " 1M", "1m", "0x1M", "1.5G"})
		EXPECT_EQ(-EINVAL, sp_policy_limit(p, "memory", value)) << value;
	for (const char *value : {"0B", "9223372036854775808B", "99999999999999999999T"})
		EXPECT_EQ(-ERANGE, sp_policy_limit(p, "memory", value)) << value;

	Rules rules = load(compile(p));
	const sp_limits *limits = sp_rules_limits(rules.get());

	EXPECT_EQ(UINT64_C(256) << 20, limits->memory);
	EXPECT_EQ(2000u, limits->wall);
	EXPECT_EQ(64u, limits->files);
	EXPECT_EQ(0u, limits->cpu);
}

TEST_F(LanguageTest, References)
{
	std::string text = "policy counted";
	sp_policy *policy = nullptr;

	ASSERT_EQ(0, sp_policy_parse("t", text.data(), text.size(), nullptr, nullptr, &policy));
	EXPECT_EQ(policy, sp_policy_ref(policy));
	EXPECT_EQ(nullptr, sp_policy_unref(policy));
	EXPECT_STREQ("counted", sp_policy_name(policy));
	EXPECT_EQ(nullptr, sp_policy_unref(policy));
	EXPECT_EQ(nullptr, sp_policy_unref(nullptr));
}

} // namespace
