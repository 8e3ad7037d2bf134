/* SPDX-License-Identifier: Apache-2.0 */
/* Parameters, the environment, and that their values are names and nothing more. */
#include "support.h"

#include <cerrno>
#include <cstring>
#include <sys/syscall.h>

#include "bpf_simulator.h"

namespace
{

using sallyport::BpfSimulator;
using sallyport::compile;
using sallyport::load;
using sallyport::mistakes_with;
using sallyport::Parameters;
using sallyport::Policy;
using sallyport::rights;
using sallyport::Rules;

class ParametersTest : public sallyport::PolicyTest
{
      protected:
	void SetUp() override
	{
		PolicyTest::SetUp();
		setenv("SP_TEST_SET", "/env/*", 1);
		setenv("HOME", "/home/me", 1);
		unsetenv("SP_TEST_UNSET");
	}
};

Rules rules_with(const std::string &text, const Parameters &parameters)
{
	Policy policy;
	std::string told = mistakes_with(text, parameters, &policy);

	EXPECT_EQ("", told);
	return policy ? load(compile(policy.get())) : nullptr;
}

/* Which of the names the policy grants, of one that grants a pattern made of `value`. */
std::string granted(const std::string &pattern, const char *value,
		    std::initializer_list<const char *> names)
{
	Rules rules = rules_with("policy p(x)\nfiles { read " + pattern + " }", {{"x", value}});
	std::string all;

	for (const char *name : names)
		if (rights(rules, name))
			all += std::string(all.empty() ? "" : " ") + name;
	return all;
}

TEST_F(ParametersTest, StandInPathsLimitsAndConditions)
{
	Rules rules =
	    rules_with("policy p(dir, out = $dir/out, size = 64M, who = 3,\n"
		       "         code = ENOENT, sock = \"AF_UNIX\")\n"
		       "files { read $dir/**; write \"${out}/a b\"; deny /x$dir as $code }\n"
		       "limits { memory $size }\n"
		       "syscalls { allow setpriority(who in {$who, 7}),\n"
		       "           socket(domain == $sock) }\n",
		       {{"dir", "/srv/d"}, {"who", "-5"}});
	BpfSimulator filter(sp_rules_filter(rules.get()));
	sp_path_decision decision = {};

	EXPECT_EQ(uint32_t(SP_RIGHT_READ), rights(rules, "/srv/d/x"));
	EXPECT_EQ(uint32_t(SP_RIGHT_READ | SP_RIGHT_WRITE), rights(rules, "/srv/d/out/a b"));
	EXPECT_EQ(0u, rights(rules, "/srv/x"));
	sp_rules_decide(rules.get(), "/x/srv/d", 8, &decision);
	EXPECT_EQ(ENOENT, decision.error);
	EXPECT_EQ(64u << 20, sp_rules_limits(rules.get())->memory);
	EXPECT_EQ(SECCOMP_RET_ALLOW, filter.run(__NR_setpriority, {0, uint64_t(-5)}));
	EXPECT_EQ(SECCOMP_RET_ALLOW, filter.run(__NR_setpriority, {0, 7}));
	EXPECT_EQ(SECCOMP_RET_TRAP, filter.run(__NR_setpriority, {0, 3}));
	EXPECT_EQ(SECCOMP_RET_ALLOW, filter.run(__NR_socket, {1}));
	EXPECT_EQ(SECCOMP_RET_TRAP, filter.run(__NR_socket, {2}));
}

TEST_F(ParametersTest, WildcardsOfAValueAreItsCharacters)
{
	EXPECT_EQ("/q/*", granted("/q/$x", "*", {"/q/*", "/q/a", "/q/**"}));
	EXPECT_EQ("/q/** /q/**/a", granted("/q/$x/**", "**", {"/q/**", "/q/**/a", "/q/a/b"}));
	EXPECT_EQ("/q/a?", granted("/q/a$x", "?", {"/q/a?", "/q/ab"}));
	EXPECT_EQ("/q/[ab]", granted("/q/$x", "[ab]", {"/q/[ab]", "/q/a", "/q/b"}));
	EXPECT_EQ("/q/[!]x]", granted("/q/$x", "[!]x]", {"/q/[!]x]", "/q/y"}));
	EXPECT_EQ("/q/a] /q/b]", granted("/q/?$x", "]", {"/q/a]", "/q/b]", "/q/a"}));
	EXPECT_EQ("/q/$x", granted("/q/$x", "$x", {"/q/$x"})); /* nor is it expanded again */
	EXPECT_EQ("/q/~ /q/${env:HOME}",
		  granted("/q/$x, /q/~", "${env:HOME}", {"/q/~", "/q/${env:HOME}", "/home/me"}));
	EXPECT_EQ("/q/a,/b", granted("/q/$x", "a,/b", {"/q/a,/b", "/q/a", "/b"}));
	EXPECT_EQ("/q/a; deny /q", granted("/q/$x", "a; deny /q", {"/q/a; deny /q", "/q/a"}));
}

TEST_F(ParametersTest, SlashesAtTheEndOfAValue)
{
	EXPECT_EQ("/d /d/a", granted("$x/**", "/d/", {"/d", "/d/a", "/e"}));
	EXPECT_EQ("/d/a", granted("$x/a", "/d//", {"/d/a"}));
	EXPECT_EQ("/d", granted("$x", "/d/", {"/d", "/d/a"}));
	EXPECT_EQ("/ /a", granted("$x/**", "/", {"/", "/a"}));
	EXPECT_EQ("/", granted("$x", "/", {"/", "/a"}));
	EXPECT_EQ("/a/b/c", granted("/a/$x/c", "b", {"/a/b/c", "/a/c"}));
}

TEST_F(ParametersTest, NoValueLeadsOutOfItsPlace)
{
	for (const char *value : {"..", "../x", "a/../../x", "a/..", "./a", "a/.", ".", "a//b", "",
				  "/", "a\nb", "\n", "a\x7f", "a\x01", "/.."}) {
		Policy policy;
		std::string told =
		    mistakes_with("policy p(x)\nfiles { read /q/$x/z }", {{"x", value}}, &policy);

		EXPECT_NE("", told) << value;
		EXPECT_EQ(nullptr, policy) << value;
	}
	/* Nor do several together. */
	EXPECT_NE("", mistakes_with("policy p(x, y)\nfiles { read /q/$x$y/z }",
				    {{"x", "."}, {"y", "."}}));
	EXPECT_NE("", mistakes_with("policy p(x)\nfiles { read /q/.$x }", {{"x", "./a"}}));
	EXPECT_NE("", mistakes_with("policy p(x)\nfiles { read $x }", {{"x", "relative"}}));
	EXPECT_NE("", mistakes_with("policy p(x)\nfiles { read /q/[$x] }", {{"x", "a"}}));
	EXPECT_NE("", mistakes_with("policy p(x)\nfiles { read $x }",
				    {{"x", ("/" + std::string(5000, 'a')).c_str()}}));
}

TEST_F(ParametersTest, TheEnvironment)
{
	Rules rules =
	    rules_with("policy p\nfiles { read ${env:SP_TEST_SET}/a, ~/b, \"~/c d\", /$$e }", {});

	for (const char *name : {"/env/*/a", "/home/me/b", "/home/me/c d", "/$e"})
		EXPECT_EQ(uint32_t(SP_RIGHT_READ), rights(rules, name)) << name;
	EXPECT_EQ(0u, rights(rules, "/env/x/a"));
	EXPECT_EQ("a:2:23: error: the environment has no variable \"SP_TEST_UNSET\"\n"
		  "  files { read /q/${env:SP_TEST_UNSET} }\n"
		  "                        ^~~~~~~~~~~~~\n",
		  mistakes_with("policy p\nfiles { read /q/${env:SP_TEST_UNSET} }", {}));
	unsetenv("HOME");
	EXPECT_EQ("a:2:14: error: '~' needs the environment variable HOME\n"
		  "  files { read ~/b }\n"
		  "               ^\n",
		  mistakes_with("policy p\nfiles { read ~/b }", {}));
}

TEST_F(ParametersTest, MissingUnknownUnusedTwice)
{
	const std::string text = "policy p(dir, port = 80)\nfiles { read $dir }\n"
				 "syscalls { allow kill(sig == $port) }";

	EXPECT_EQ("", mistakes_with(text, {{"dir", "/a"}}));
	EXPECT_EQ("a:1:10: error: the parameter \"dir\" needs a value\n"
		  "  policy p(dir, port = 80)\n"
		  "           ^~~\n",
		  mistakes_with(text, {}));
	EXPECT_EQ("a:1:8: error: the policy \"p\" has no parameter \"prot\"\n"
		  "  policy p(dir, port = 80)\n"
		  "         ^\n"
		  "  did you mean \"port\"?\n",
		  mistakes_with(text, {{"dir", "/a"}, {"prot", "1"}}));
	EXPECT_EQ("a:1:8: error: the parameter \"dir\" is given twice\n"
		  "  policy p(dir, port = 80)\n"
		  "         ^\n",
		  mistakes_with(text, {{"dir", "/a"}, {"dir", "/b"}}));
	EXPECT_EQ("a:1:8: error: the policy \"p\" has no parameter \"dir\"\n"
		  "  policy p\n"
		  "         ^\n",
		  mistakes_with("policy p", {{"dir", "/a"}}));
}

TEST_F(ParametersTest, IncludesGiveThem)
{
	Rules rules = rules_with("policy p(root)\n"
				 "include q(dir = $root/a, size = 2M)\n"
				 "include q(dir = \"/b *\")\n"
				 "policy q(dir, size = 1M)\n"
				 "files { read $dir }\nlimits { memory $size }\n",
				 {{"root", "/r"}});

	EXPECT_EQ(uint32_t(SP_RIGHT_READ), rights(rules, "/r/a"));
	EXPECT_EQ(uint32_t(SP_RIGHT_READ), rights(rules, "/b *"));
	EXPECT_EQ(0u, rights(rules, "/b x"));
}

/* Policies that nobody wants are read for their mistakes, but nobody gives them values. */
TEST_F(ParametersTest, OtherPoliciesNeedNoValues)
{
	EXPECT_EQ("",
		  mistakes_with("policy p\n"
				"policy q(dir, n)\nfiles { read $dir/x, ${env:SP_TEST_UNSET} }\n"
				"limits { files $n }\n"
				"syscalls { allow read(fd == $n); deny uname as $n }",
				{}));
	EXPECT_NE("", mistakes_with("policy p\npolicy q(dir)\nfiles { read $dri }\n", {}));
}

} // namespace
