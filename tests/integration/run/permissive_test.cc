// SPDX-License-Identifier: Apache-2.0
/* sallyport run --permissive: what would be refused is done as without a sandbox, and told. */
#include "command.h"

#include <jansson.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <memory>
#include <set>
#include <sstream>

namespace
{

using Json = std::unique_ptr<json_t, void (*)(json_t *)>;

struct Refusal {
	std::string call, path, error, would, verdict, rule, detail, missing;
};

std::string text_of(const Json &object, const char *key)
{
	const char *text = json_string_value(json_object_get(object.get(), key));

	return text ? text : "";
}

std::vector<Refusal> parse_refusals(const std::string &report)
{
	std::vector<Refusal> refusals;
	std::istringstream stream(report);

	for (std::string line; std::getline(stream, line);) {
		Json object(json_loads(line.c_str(), JSON_REJECT_DUPLICATES, nullptr), json_decref);

		EXPECT_NE(object, nullptr) << line;
		if (text_of(object, "event") == "refusal")
			refusals.push_back({text_of(object, "call"), text_of(object, "path"),
					    text_of(object, "errno"), text_of(object, "would"),
					    text_of(object, "verdict"), text_of(object, "rule"),
					    text_of(object, "detail"), text_of(object, "missing")});
	}
	return refusals;
}

struct Attempt {
	const char *name, *call, *would;
	const char *error; /* that the sandbox gives; NULL: whichever */
};

/* What one run left behind. */
struct Trial {
	Result result;
	std::string tree;
	std::vector<Refusal> refusals;
};

class PermissiveTest : public RunTest
{
      protected:
	void make_tree()
	{
		ASSERT_EQ(system(("rm -rf '" + directory + "'/*").c_str()), 0);
		write_file(directory + "/granted", "granted");
		write_file(directory + "/secret", "secret");
		write_file(directory + "/p.policy",
			   "policy p\ninclude program\nsyscalls {\n"
			   "	kill uname\n	errno ENODEV sysinfo\n	trap 5 times\n"
			   "	kill thread getpriority\n	deny getrusage as EXDEV\n}\n");
	}
	std::string tree() const
	{
		std::string text;
		FILE *pipe = popen(("cd '" + directory +
				    "' && find . -name '*.json' -o -printf '%P %y %m %n %s %l\\n' "
				    "| grep -v '^ d' | sort")
				       .c_str(),
				   "re");
		char bytes[4096];

		for (size_t n; pipe && (n = fread(bytes, 1, sizeof(bytes), pipe)) > 0;)
			text.append(bytes, n);
		EXPECT_EQ(pipe ? pclose(pipe) : -1, 0);
		return text;
	}
	Trial attempt(const Words &options, const std::string &name)
	{
		Words words = {"run",    "--interception", "notify",   "--policy",   "p.policy",
			       "--read", "granted",        "--report", "report.json"};
		Trial run;

		words.insert(words.end(), options.begin(), options.end());
		words.insert(words.end(), {"--", program("denied-guest"), name});
		make_tree();
		run.result = command(words);
		run.tree = tree();
		run.refusals = parse_refusals(read_file(directory + "/report.json"));
		return run;
	}
	Trial native(const std::string &name)
	{
		Trial run;

		make_tree();
		run.result = command({}, "", [&] {
			execl(program("denied-guest").c_str(), "denied-guest", name.c_str(),
			      nullptr);
		});
		while (waitpid(-1, nullptr, 0) > 0)
			; /* who outlives it comes to us */
		run.tree = tree();
		return run;
	}
};

void expect_told(const Attempt &attempt, const Trial &permissive)
{
	bool told = false;

	for (const Refusal &refusal : permissive.refusals) {
		EXPECT_EQ(refusal.verdict, "permitted");
		told |= refusal.call == attempt.call && refusal.would == attempt.would &&
			(!attempt.error || refusal.error == attempt.error);
	}
	EXPECT_TRUE(told) << "no report of " << attempt.call;
}

/* What is refused when it counts is in the report, with the same error and the same line. */
void expect_all(const Trial &enforced, const Trial &permissive)
{
	for (const Refusal &refusal : enforced.refusals) {
		bool found = false;

		for (const Refusal &other : permissive.refusals)
			found |= other.call == refusal.call && other.error == refusal.error &&
				 other.rule == refusal.rule;
		EXPECT_TRUE(found) << refusal.call << " of " << refusal.path;
	}
}

const Attempt kAttempts[] = {
    {"read", "openat", "deny", "EACCES"},
    {"truncating", "openat", "deny", "EACCES"},
    {"write", "openat", "deny", "EACCES"},
    {"create", "openat", "deny", "EACCES"},
    {"openat2", "openat2", "deny", "EACCES"},
    {"mkdir", "mkdir", "deny", "EACCES"},
    {"chmod", "chmod", "deny", "EACCES"},
    {"unlink", "unlink", "deny", "EACCES"},
    {"rename", "rename", "deny", "EACCES"},
    {"link", "link", "deny", "EACCES"},
    {"symlink", "symlink", "deny", "EACCES"},
    {"mknod", "mknodat", "deny", "EACCES"},
    {"truncate", "truncate", "deny", "EACCES"},
    {"utimes", "utimensat", "deny", "EACCES"},
    {"chown", "chown", "deny", "EACCES"},
    {"stat", "newfstatat", "deny", "EACCES"},
    {"list", "openat", "deny", "EACCES"},
    {"descriptor", "fchmod", "deny", "EACCES"},
    {"inet", "socket", "deny", "EAFNOSUPPORT"},
    {"connect", "connect", "deny", "EACCES"},
    {"ioctl", "ioctl", "deny", "ENOTTY"},
    {"fcntl", "fcntl", "deny", "EINVAL"},
    {"async", "fcntl", "deny", "EINVAL"},
    {"clone", "clone", "deny", "EPERM"},
    {"clone3", "clone3", "deny", "ENOSYS"},
    {"unshare", "unshare", "deny", "EPERM"},
    {"unknown", "system call 700", "deny", "ENOSYS"},
    {"far", "system call 1073741823", "deny", "ENOSYS"},
    {"x32", "system call 1073741934", "kill", nullptr},
    {"foreign", "getppid", "kill", nullptr},
    {"ptrace", "ptrace", "deny", "EPERM"},
    {"personality", "personality", "deny", "EPERM"},
    {"prctl", "prctl", "deny", "EPERM"},
    {"killed", "uname", "kill", nullptr},
    {"failed", "sysinfo", "deny", "ENODEV"},
    {"trapped", "times", "kill", nullptr},
    {"thread_killed", "getpriority", "kill", nullptr},
    {"denied", "getrusage", "deny", "EXDEV"},
    {"exec", "execve", "deny", "EACCES"},
    {"spawn", "execve", "deny", "EACCES"},
    {"threads", "openat", "deny", "EACCES"},
    {"outlive", "", "kill", nullptr},
};

TEST_F(PermissiveTest, AnswersAreThoseWithoutASandboxAndNoneIsUntold)
{
	for (const Attempt &attempt_ : kAttempts) {
		SCOPED_TRACE(attempt_.name);
		Trial alone = native(attempt_.name),
		      permissive = attempt({"--permissive"}, attempt_.name),
		      enforced = attempt({}, attempt_.name);

		EXPECT_EQ(permissive.result.output, alone.result.output);
		EXPECT_EQ(permissive.result.status, alone.result.status);
		EXPECT_EQ(permissive.tree, alone.tree);
		EXPECT_EQ(permissive.result.errors, "");
		expect_told(attempt_, permissive);
		expect_all(enforced, permissive);
	}
}

size_t count(const std::string &text, const std::string &part)
{
	size_t number = 0;

	for (size_t at = 0; (at = text.find(part, at)) != std::string::npos; at++)
		number++;
	return number;
}

TEST_F(PermissiveTest, ANetworkThatIsNotIsolatedIsTold)
{
	make_tree();
	write_file(directory + "/p.policy",
		   "policy p\ninclude program\nsyscalls { allow socket, connect }\n"
		   "isolate { user; pid; network }\n");
	Result result = command({"run", "--permissive", "--policy", "p.policy", "--report",
				 "r.json", "--", program("denied-guest"), "reach"});
	std::vector<Refusal> refusals = parse_refusals(read_file(directory + "/r.json"));

	ASSERT_EQ(refusals.size(), 1u);
	EXPECT_EQ(refusals[0].call, "connect");
	EXPECT_EQ(refusals[0].error, "ENETUNREACH");
	EXPECT_EQ(refusals[0].detail, "the network is isolated");
	EXPECT_EQ(refusals[0].path, "192.0.2.1:9");
	EXPECT_EQ(refusals[0].missing, "connect");
	EXPECT_EQ(refusals[0].rule, "./p.policy:4:1") << result.errors;
}

/* As a policy can grant it, whether it is the call that is refused or the address. */
TEST_F(PermissiveTest, AConnectionIsToldByItsAddress)
{
	for (const char *rules : {"", "network { connect tcp 192.0.2.1:10 }\n"}) {
		make_tree();
		write_file(directory + "/p.policy",
			   std::string("policy p\ninclude program\n") + rules);
		(void)command({"run", "--permissive", "--policy", "p.policy", "--report", "r.json",
			       "--", program("denied-guest"), "reach"});
		std::vector<Refusal> refusals = parse_refusals(read_file(directory + "/r.json"));

		ASSERT_FALSE(refusals.empty()) << rules;
		EXPECT_EQ(refusals.back().call, "connect");
		EXPECT_EQ(refusals.back().path, "192.0.2.1:9");
		EXPECT_EQ(refusals.back().missing, "connect");
		EXPECT_EQ(refusals.back().error, "EACCES");
	}
}

TEST_F(PermissiveTest, PeopleAreToldOnceAndMachinesEachTime)
{
	make_tree();
	Result result = command({"run", "--permissive", "--", program("denied-guest"), "threads"});

	EXPECT_EQ(result.status, 3);
	EXPECT_EQ(count(result.errors, "/thread\" permitted, would be refused with EACCES"), 1u)
	    << result.errors;
	EXPECT_NE(result.errors.find("reports like one before were left out"), std::string::npos);
	(void)command({"run", "--permissive", "--report", "r.json", "--", program("denied-guest"),
		       "threads"});
	EXPECT_EQ(count(read_file(directory + "/r.json"), "/thread\""), 8u);
}

TEST_F(PermissiveTest, WhatIsMissingOnANameIsToldAtOnce)
{
	make_tree();
	(void)command({"run", "--permissive", "--report", "r.json", "--", "mv", "secret", "moved"});
	std::vector<Refusal> refusals = parse_refusals(read_file(directory + "/r.json"));
	std::set<std::string> missing;

	for (const Refusal &refusal : refusals)
		if (refusal.call == "renameat2")
			missing.insert(refusal.path.substr(directory.size()) + ": " +
				       refusal.missing);
	EXPECT_EQ(missing, (std::set<std::string>{"/secret: delete", "/moved: create"}));
}

TEST_F(PermissiveTest, AnInterpreterThatWouldNotBeHadIsTold)
{
	make_tree();
	write_file(directory + "/interpreter", "#!/bin/sh\necho interpreted\n", 0755);
	write_file(directory + "/script", "#!" + directory + "/interpreter\n", 0755);
	Result refused = command({"run", "--", "./script"}),
	       done = command({"run", "--permissive", "--report", "r.json", "--", "./script"});
	std::vector<Refusal> refusals = parse_refusals(read_file(directory + "/r.json"));

	EXPECT_EQ(refused.status, 126);
	EXPECT_EQ(done.output, "interpreted\n");
	ASSERT_FALSE(refusals.empty());
	EXPECT_EQ(refusals[0].call, "execve");
	EXPECT_EQ(refusals[0].path, directory + "/interpreter");
	EXPECT_EQ(refusals[0].missing, "read");
}

TEST_F(PermissiveTest, ALimitThatIsOverIsTold)
{
	Result result =
	    command({"run", "--permissive", "--limit", "wall=1ms", "--report", "r.json", "--", "sh",
		     "-c", "until grep -q wall-clock r.json; do :; done; echo alive"});
	bool told = false;

	EXPECT_EQ(result.status, 0);
	EXPECT_EQ(result.output, "alive\n");
	for (const Refusal &refusal : parse_refusals(read_file(directory + "/r.json")))
		told |= refusal.detail == "over the limit on wall-clock time" &&
			refusal.would == "kill";
	EXPECT_TRUE(told);
}

TEST_F(PermissiveTest, ARuntimeIsRefused)
{
	Result result = command({"run", "--permissive", "--interception", "trap", "--",
				 program("run-guest"), "exit", "0"});

	EXPECT_EQ(result.status, 125);
	EXPECT_NE(result.errors.find("--interception trap: the launch is permissive"),
		  std::string::npos)
	    << result.errors;
}

TEST_F(PermissiveTest, AllEndsWithTheCommand)
{
	for (int number : {SIGTERM, SIGKILL}) {
		Child child = start({"run", "--permissive", "--report", "r.json", "--", "sh", "-c",
				     "(trap '' TERM; echo there; sleep 1000; :) & wait; :"});

		ASSERT_TRUE(child.await("there\n"));
		child.send(number);
		if (number == SIGTERM) {
			/* The first process ends by it, the other one by the next. */
			siginfo_t info;

			while (read_file(directory + "/r.json").find("outlive") ==
			       std::string::npos)
				ASSERT_EQ(waitid(P_PID, static_cast<id_t>(child.pid), &info,
						 WEXITED | WNOHANG | WNOWAIT),
					  0);
			child.send(number);
		}
		EXPECT_EQ(finish(child).status, number == SIGTERM ? 128 + SIGTERM : 1000 + SIGKILL);
		while (waitpid(-1, nullptr, 0) > 0)
			; /* TearDown finds what would still be left */
	}
}

} // namespace
