/* SPDX-License-Identifier: Apache-2.0 */
/* sallyport policy show, explain, diff, prove and test, as a shell runs them. */
#include "command.h"

#include <fcntl.h>
#include <jansson.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <memory>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

namespace
{

const char decoder[] = "policy decoder(where = /none)\n"
		       "include parser\n"
		       "syscalls { deny dup as EIO }\n"
		       "files { read $where/**\n"
		       "	deny $where/private/** as ENOENT }\n"
		       "# test: open \"/none/a.png\" O_RDONLY -> allow\n"
		       "# test: dup 1 -> deny as EIO\n";

class QuestionsTest : public sallyport::CommandTest
{
      protected:
	void SetUp() override
	{
		CommandTest::SetUp();
		decoder_ = write("decoder.policy", decoder);
	}
	std::string decoder_;
};

bool has(const std::string &text, const std::string &part)
{
	return text.find(part) != std::string::npos;
}

struct JsonDeleter {
	void operator()(json_t *json) const
	{
		json_decref(json);
	}
};
using Json = std::unique_ptr<json_t, JsonDeleter>;

TEST_F(QuestionsTest, ExplainTellsTheRuleAndItsLine)
{
	auto outcome = run("policy explain " + decoder_ + " 'open(\"/none/private/x\", O_RDONLY)'");

	EXPECT_EQ(0, outcome.status);
	EXPECT_EQ("", outcome.errors);
	EXPECT_EQ(0u, outcome.output.find(
			  "deny as ENOENT: open(\"/none/private/x\", O_RDONLY): no right to "
			  "read\n  by " +
			  decoder_ + ":5:7\n        | deny $where/private/** as ENOENT }\n"))
	    << outcome.output;
	outcome = run("policy explain -D where=/other " + decoder_ +
		      " 'open(\"/other/x\", O_RDONLY)' 'dup(1)'");
	EXPECT_EQ(0u, outcome.output.find("allow: open(")) << outcome.output;
	EXPECT_TRUE(has(outcome.output, "\ndeny as EIO: dup(1)\n"));
	EXPECT_TRUE(
	    has(run("policy explain parser 'dup(1)'").output,
		"allow: dup(1)\n  by preset parser:7:19\n        | allow @default, @basic-io"));
}

TEST_F(QuestionsTest, AStrictPolicyHasNoFilterAndStartsNoProgram)
{
	std::string strict = write("strict.policy", "policy worker\nstrict\n");
	auto outcome = run("policy show --raw " + strict);

	EXPECT_EQ(125, outcome.status);
	EXPECT_EQ("sallyport: the policy \"worker\" is strict: it has no filter\n", outcome.errors);
	outcome = run("policy show -f bpf " + strict);
	EXPECT_EQ(0, outcome.status);
	EXPECT_EQ(0u, outcome.output.find("# No program: "));
	outcome = run("policy explain " + strict + " 'getpid()'");
	EXPECT_EQ(0u, outcome.output.find("kill: getpid()\n  by " + strict + ":2:1\n"));
	for (const char *options : {"", "--permissive ", "--interception trap "}) {
		outcome = run("run " + std::string(options) + "--policy " + strict + " -- true");
		EXPECT_EQ(125, outcome.status);
		EXPECT_EQ(0u,
			  outcome.errors.find("sallyport: true: the policy \"worker\" is strict: "
					      "below it no program can be started"))
		    << outcome.errors;
	}
}

TEST_F(QuestionsTest, ExplainIsJsonWhereItIsWanted)
{
	auto outcome = run("policy explain -f json " + decoder_ +
			   " 'open(\"/none/a\\001\", O_RDWR)' 'kill(1, 9)' 'dup(1)'");
	size_t at = 0;

	for (const char *verdict : {"deny", "allow", "deny"}) {
		size_t end = outcome.output.find('\n', at);
		Json line(json_loads(outcome.output.substr(at, end - at).c_str(), 0, nullptr));

		ASSERT_TRUE(line) << outcome.output;
		EXPECT_STREQ(verdict, json_string_value(json_object_get(line.get(), "verdict")));
		EXPECT_TRUE(json_is_array(json_object_get(line.get(), "rules")));
		EXPECT_TRUE(json_is_string(json_object_get(line.get(), "line")));
		at = end + 1;
	}
	EXPECT_EQ(outcome.output.size(), at);
}

TEST_F(QuestionsTest, MistakesAreShownWhereTheyAre)
{
	auto outcome = run("policy explain " + decoder_ + " 'opne(\"/x\")'");

	EXPECT_EQ(125, outcome.status);
	EXPECT_EQ(
	    "call:1:1: error: unknown system call \"opne\"\n  opne(\"/x\")\n  ^~~~\n  did you mean "
	    "\"open\"?\n",
	    outcome.errors);
	EXPECT_EQ(125, run("policy explain " + decoder_).status);
	EXPECT_EQ(125, run("policy explain nonesuch 'dup(1)'").status);
	EXPECT_EQ(125, run("policy show -f xml parser").status);
	EXPECT_EQ(125, run("policy show --filter none parser").status);
	EXPECT_EQ(125, run("policy show --raw --fd 77 parser").status);
	EXPECT_EQ(125, run("policy show --raw --fd x parser").status);
	EXPECT_EQ(125, run("policy show -D where parser").status);
	EXPECT_EQ(125, run("policy show --raw -o " + folder_ + "/no/file parser").status);
	EXPECT_EQ(125, run("policy show").status);
}

TEST_F(QuestionsTest, ShowPrintsAPolicyThatIsThePolicy)
{
	auto outcome = run("policy show -D where=/other " + decoder_);

	EXPECT_EQ(0, outcome.status);
	EXPECT_TRUE(has(outcome.output, "\tdeny dup as EIO  # " + decoder_ + ":3:17\n"));
	EXPECT_TRUE(has(outcome.output, "\tread /other/**  # " + decoder_ + ":4:14\n"));
	std::string shown = write("shown.policy", outcome.output);

	outcome = run("policy diff -D where=/other " + decoder_ + " " + shown);
	EXPECT_EQ(2, outcome.status) << "the second has no parameter";
	EXPECT_EQ("", run("policy show " + decoder_ + " -o " + shown).output);
	EXPECT_EQ(0, run("policy show -o " + shown + " " + decoder_).status);
	outcome = run("policy diff " + decoder_ + " " + shown);
	EXPECT_EQ(0, outcome.status);
	EXPECT_EQ("", outcome.output);
}

TEST_F(QuestionsTest, ShowInItsOtherForms)
{
	auto outcome = run("policy show -f json " + decoder_);
	Json policy(json_loads(outcome.output.c_str(), 0, nullptr));

	ASSERT_TRUE(policy) << outcome.output;
	EXPECT_STREQ("decoder", json_string_value(json_object_get(policy.get(), "name")));
	EXPECT_EQ(2u, json_array_size(json_object_get(policy.get(), "files")));
	EXPECT_GT(json_array_size(json_object_get(policy.get(), "calls")), 100u);
	outcome = run("policy show -f bpf " + decoder_);
	EXPECT_TRUE(has(outcome.output, "   0: 0020   0   0 00000004  a = [4]  # architecture\n"));
	EXPECT_TRUE(has(outcome.output, "# errno EIO\n"));
	outcome = run("policy show -f pseudo-code --filter trap " + decoder_);
	EXPECT_TRUE(has(outcome.output, "trap to the runtime"));
}

/* Loads a filter in a child, which then makes two calls: "ok" where both end as the policy says. */
std::string under(const std::string &filter)
{
	std::string bytes = sallyport::read_file(filter);
	pid_t child = fork();
	int status;

	if (child == 0) {
		sock_fprog program = {
		    static_cast<unsigned short>(bytes.size() / sizeof(sock_filter)),
		    reinterpret_cast<sock_filter *>(&bytes[0])};

		if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
		    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
			_exit(1);
		if (syscall(SYS_dup, 0) != -1 || errno != EIO)
			_exit(2);
		if (syscall(SYS_socket, AF_INET, SOCK_STREAM, 0) != -1 || errno != EAFNOSUPPORT)
			_exit(3);
		if (syscall(SYS_mkdir, "/none/x", 0700) != -1 || errno != EACCES)
			_exit(4); /* the policy lets nothing be created */
		if (syscall(SYS_open, "/none/x", O_RDONLY) != -1 || errno != ENOENT)
			_exit(5); /* natively: there is no such file */
		_exit(syscall(SYS_getpid) > 0 ? 0 : 6);
	}
	waitpid(child, &status, 0);
	return WIFEXITED(status) && WEXITSTATUS(status) == 0
		   ? "ok"
		   : "status " + std::to_string(WEXITSTATUS(status));
}

TEST_F(QuestionsTest, TheRawFilterIsOneThatTheKernelTakes)
{
	std::string file = folder_ + "/filter", other = folder_ + "/other";

	ASSERT_EQ(0, run("policy show --raw -o " + file + " " + decoder_).status);
	EXPECT_EQ("ok", under(file));
	ASSERT_EQ(0, run("policy show --raw --fd 7 " + decoder_ + " 7>" + other).status);
	EXPECT_EQ(sallyport::read_file(file), sallyport::read_file(other));
	EXPECT_EQ(sallyport::read_file(file), run("policy show --raw " + decoder_).output);
}

TEST_F(QuestionsTest, BubblewrapTakesTheFilter)
{
	std::string filter = folder_ + "/filter", out = folder_ + "/bwrap";
	std::string policy =
	    write("b.policy", "policy b\ninclude program\nsyscalls { deny uname as EIO }\n"
			      "files { read, execute /usr/** }");
	std::string bwrap = "bwrap --ro-bind / / --dev /dev --unshare-user ";

	if (system((bwrap + "true >/dev/null 2>&1").c_str()) != 0)
		GTEST_SKIP() << "bwrap does not work here";
	ASSERT_EQ(0, run("policy show --raw -o " + filter + " " + policy).status);
	EXPECT_EQ(0, system((bwrap + "--seccomp 7 sh -c 'echo hello; uname || echo refused' 7<" +
			     filter + " >" + out + " 2>&1")
				.c_str()));
	EXPECT_TRUE(has(sallyport::read_file(out), "hello\n")) << sallyport::read_file(out);
	EXPECT_TRUE(has(sallyport::read_file(out), "refused\n")) << sallyport::read_file(out);
	EXPECT_TRUE(has(sallyport::read_file(out), "Input/output error"))
	    << sallyport::read_file(out);
}

TEST_F(QuestionsTest, DiffProveAndTestAnswerByTheirStatus)
{
	std::string lax =
	    write("lax.policy", "policy lax\ninclude parser\nfiles { read /none/** }\n");

	EXPECT_EQ(0, run("policy diff parser parser").status);
	auto outcome = run("policy diff " + decoder_ + " " + lax);
	EXPECT_EQ(1, outcome.status);
	EXPECT_TRUE(
	    has(outcome.output, "+ dup(0): deny as EIO | allow\n    first   " + decoder_ +
				    ":3:17  | syscalls { deny dup as EIO }\n    second  preset "
				    "parser:7:19  | "))
	    << outcome.output;
	EXPECT_TRUE(has(outcome.output, "+ read /none/private: deny as ENOENT | granted\n"));
	EXPECT_EQ(2, run("policy diff parser nonesuch").status);
	EXPECT_EQ(2, run("policy diff parser").status);
	outcome = run("policy prove " + lax + " 'never write /**' 'never socket'");
	EXPECT_EQ(0, outcome.status);
	EXPECT_EQ(
	    "holds: never write /**\n  for all names\nholds: never socket\n  for all arguments\n",
	    outcome.output);
	outcome = run("policy prove " + lax + " 'never write /**' 'never read /none/x'");
	EXPECT_EQ(1, outcome.status);
	EXPECT_TRUE(
	    has(outcome.output, "does not hold: never read /none/x\n  read /none/x is granted\n"));
	EXPECT_EQ(2, run("policy prove " + lax + " 'never say never'").status);
	outcome = run("policy test " + decoder_);
	EXPECT_EQ(0, outcome.status);
	EXPECT_EQ("2 cases, 0 failed\n", outcome.output);
	write("decoder.test", "dup 1 -> allow # it ought to be\n");
	outcome = run("policy test " + decoder_);
	EXPECT_EQ(1, outcome.status);
	EXPECT_TRUE(
	    has(outcome.output, "decoder.test:1:1: expected allow, but: deny as EIO: dup 1\n"));
	EXPECT_TRUE(has(outcome.output, "\n3 cases, 1 failed\n"));
	EXPECT_EQ(2, run("policy test " + lax).status) << "there is none";
	EXPECT_EQ(2, run("policy test " + lax + " " + folder_ + "/nonesuch").status);
}

TEST_F(QuestionsTest, EveryCommandSaysHowItIsCalled)
{
	for (const char *verb :
	     {"check", "compile", "diff", "explain", "groups", "import", "prove", "show", "test"}) {
		auto outcome = run(std::string("policy ") + verb + " --help");

		EXPECT_EQ(0, outcome.status) << verb;
		EXPECT_EQ(0u,
			  outcome.output.find(std::string("usage: sallyport policy ") + verb + " "))
		    << outcome.output;
		EXPECT_EQ("", outcome.errors);
	}
	auto outcome = run("policy diff --fromat json parser parser");
	EXPECT_EQ(2, outcome.status);
	EXPECT_EQ(0u, outcome.errors.find(
			  "sallyport: policy diff: --fromat: there is no such option here, "
			  "or its value is missing\nusage: sallyport policy diff "))
	    << outcome.errors;
	outcome = run("policy prove -f json parser 'never socket'");
	EXPECT_EQ(2, outcome.status) << "an option of others";
	outcome = run("policy explain -f bpf parser 'dup(1)'");
	EXPECT_EQ(125, outcome.status);
	EXPECT_EQ("sallyport: policy explain writes text or json\n", outcome.errors);
	outcome = run("policy chekc parser");
	EXPECT_EQ(125, outcome.status);
	EXPECT_EQ(
	    "sallyport: no such command: policy chekc; there is check, compile, diff, explain, "
	    "groups, import, learn, prove, show, test\n",
	    outcome.errors);
	EXPECT_EQ(0u, run("policy").errors.find("sallyport: policy needs another word: check, "));
}

TEST_F(QuestionsTest, QuestionsInAPhase)
{
	std::string viewer = write(
	    "viewer.policy", "policy viewer\ninclude parser\nphase parsing within parsing\n"
			     "phase idle within idle\nfiles { read, write /none/** }\n"
			     "policy parsing\ninclude parser\nfiles { read /none/** }\n"
			     "policy idle\ninclude parser\n"
			     "# test: open \"/none/a\" O_RDWR -> allow\n"
			     "# test: in phase parsing: open \"/none/a\" O_RDWR -> deny\n"
			     "# test: in phase parsing, idle: open \"/none/a\" O_RDONLY -> deny\n");
	std::string call = " '"
			   "open(\"/none/a\", O_RDWR)'";

	EXPECT_EQ(0u, run("policy explain " + viewer + call).output.find("allow: "));
	EXPECT_EQ(
	    0u,
	    run("policy explain --phase parsing " + viewer + call).output.find("deny as EACCES: "));
	EXPECT_EQ(1, run("policy prove " + viewer + " 'never write /**'").status);
	EXPECT_EQ(0, run("policy prove --phase parsing " + viewer + " 'never write /**'").status);
	EXPECT_EQ(1, run("policy prove --phase parsing " + viewer + " 'never read /**'").status);
	EXPECT_EQ(0,
		  run("policy prove --phase parsing --phase idle " + viewer + " 'never read /**'")
		      .status);
	auto outcome = run("policy prove --phase parsin " + viewer + " 'never read /**'");
	EXPECT_EQ(2, outcome.status);
	EXPECT_EQ("sallyport: --phase parsin: " + viewer +
		      " has no such phase, but parsing, idle\n",
		  outcome.errors);
	outcome = run("policy diff --phase x parser parser");
	EXPECT_EQ(2, outcome.status);
	EXPECT_EQ("sallyport: --phase x: parser has no phases\n", outcome.errors);
	outcome = run("policy diff " + viewer + " " + viewer + "#parsing");
	EXPECT_EQ(1, outcome.status);
	EXPECT_TRUE(has(outcome.output, "~ phase parsing: named | not named\n")) << outcome.output;
	outcome = run("policy test " + viewer);
	EXPECT_EQ("3 cases, 0 failed\n", outcome.output);
	outcome = run("policy show --phase parsing " + viewer);
	EXPECT_EQ(0, outcome.status);
	EXPECT_TRUE(has(outcome.output, "within bound-1  # parsing, of the phase parsing\n"))
	    << outcome.output;
	/* What is shown is a policy, which says what the phase leaves. */
	std::string shown = write("shown.policy", outcome.output);
	EXPECT_EQ(0, run("policy prove " + shown + " 'never write /**'").status);
}

/* The examples of sallyport(1) between .Bd and .Ed that hold a text, as a reader sees them. */
std::string manual_example(const std::string &text)
{
	const char *directory = getenv("SP_TEST_SOURCE_DIR");
	std::string page = sallyport::read_file(std::string(directory ? directory : SP_SOURCE_DIR) +
						"/docs/sallyport.1");
	size_t at = page.find(text), begin = page.rfind(".Bd -literal", at),
	       end = page.find("\n.Ed", at);

	if (at == std::string::npos)
		return "";
	begin = page.find('\n', begin) + 1;
	std::string example = page.substr(begin, end - begin + 1);

	for (size_t i; (i = example.find("\\e\n")) != std::string::npos;)
		example.replace(i, 3, "");
	return example;
}

TEST_F(QuestionsTest, TheManualsExamples)
{
	write("decoder.policy", "policy decoder\ninclude parser\nfiles {\n\tread    /srv/**\n}\n");
	auto shell = [&](const std::string &line) {
		std::string command = line;
		size_t at = command.find("$ sallyport");

		command.replace(at, 11, SP_BINARY_DIR "/bin/sallyport");
		return system(
		    ("cd " + folder_ + " && " + command + " >out 2>err </dev/null").c_str());
	};
	std::string explained = manual_example("policy explain decoder.policy");
	size_t first = explained.find('\n');

	ASSERT_NE(std::string::npos, first);
	EXPECT_EQ(0, shell(explained.substr(0, first)));
	EXPECT_EQ(explained.substr(first + 1), sallyport::read_file(folder_ + "/out"));
	std::string proved = manual_example("policy prove decoder.policy");

	ASSERT_NE("", proved);
	EXPECT_EQ(0, shell(proved.substr(0, proved.size() - 1)));
	std::string cases = write("cases", manual_example("# what decoder.policy is for"));

	EXPECT_EQ("3 cases, 0 failed\n",
		  run("policy test " + folder_ + "/decoder.policy " + cases).output);
}

} // namespace
