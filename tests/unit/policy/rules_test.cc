/* SPDX-License-Identifier: Apache-2.0 */
/* Names against path rules. ENOTNAM stands in denials: the kernel gives it to no call on a name. */
#include "support.h"

#include <cerrno>
#include <chrono>
#include <cstring>
#include <random>

#include "policy/glob.h"

namespace
{

using sallyport::compile;
using sallyport::decide;
using sallyport::load;
using sallyport::parse;
using sallyport::Policy;
using sallyport::rights;
using sallyport::Rules;
using sallyport::rules_of;
using sallyport::standing;

class RulesTest : public sallyport::PolicyTest
{
};

bool uniform(const Rules &rules, const std::string &name)
{
	return sp_rules_uniform_below(rules.get(), name.data(), name.size());
}

TEST_F(RulesTest, AnExactNameAndNothingElse)
{
	Rules rules = rules_of("files { read /q/data/file }");

	EXPECT_EQ(SP_RIGHT_READ, rights(rules, "/q/data/file"));
	EXPECT_EQ(SP_STANDING_INSIDE, standing(rules, "/q/data/file"));
	for (const char *name :
	     {"/q/data/fil", "/q/data/file2", "/q/data/file/below", "/q/data/other"}) {
		EXPECT_EQ(0u, rights(rules, name)) << name;
		EXPECT_EQ(SP_STANDING_OUTSIDE, standing(rules, name)) << name;
		EXPECT_EQ(EACCES, decide(rules, name).error) << name;
		EXPECT_EQ(nullptr, decide(rules, name).rule) << name;
	}
	for (const char *name : {"/", "/q", "/q/data"})
		EXPECT_EQ(SP_STANDING_ANCESTOR, standing(rules, name)) << name;
}

TEST_F(RulesTest, WhatTheApplicationDecidesOn)
{
	Rules rules = rules_of("files { read /q/**; ask write, create /q/**; ask read /q/s/**;\n"
			       "write /q/s/w }"),
	      none = rules_of("files { read /q }"),
	      bound =
		  load(compile(parse("policy a\nwithin b\nfiles { read, write /q; ask create /q }\n"
				     "policy b\nfiles { read, create /q; ask write, delete /q }\n")
				   .get()));

	EXPECT_TRUE(sp_rules_asks(rules.get()));
	EXPECT_FALSE(sp_rules_asks(none.get()));
	EXPECT_EQ(SP_RIGHT_READ, rights(rules, "/q/x"));
	EXPECT_EQ(uint32_t(SP_RIGHT_WRITE | SP_RIGHT_CREATE), decide(rules, "/q/x").ask);
	EXPECT_EQ(0u, rights(rules, "/q/s/x"));
	EXPECT_EQ(uint32_t(SP_RIGHT_READ | SP_RIGHT_WRITE | SP_RIGHT_CREATE),
		  decide(rules, "/q/s/x").ask);
	EXPECT_EQ(SP_RIGHT_WRITE, rights(rules, "/q/s/w"));
	EXPECT_EQ(0u, decide(rules, "/r").ask);
	EXPECT_EQ(SP_RIGHT_READ, rights(bound, "/q"));
	EXPECT_EQ(uint32_t(SP_RIGHT_WRITE | SP_RIGHT_CREATE), decide(bound, "/q").ask);
}

TEST_F(RulesTest, ATreeIsItsRootAndAllBelow)
{
	Rules rules = rules_of("files { read, write /q/tree/** }");

	for (const char *name : {"/q/tree", "/q/tree/a", "/q/tree/a/b/c", "/q/tree/.hidden"})
		EXPECT_EQ(SP_RIGHT_READ | SP_RIGHT_WRITE, rights(rules, name)) << name;
	for (const char *name : {"/q/tree2", "/q/tre", "/q/tree.d/a", "/tree", "/q/a"})
		EXPECT_EQ(SP_STANDING_OUTSIDE, standing(rules, name)) << name;
	EXPECT_EQ(SP_STANDING_ANCESTOR, standing(rules, "/q"));
}

TEST_F(RulesTest, TheWholeWorld)
{
	Rules rules = rules_of("files { read /**; deny /q/secret/** as ENOTNAM }");

	EXPECT_EQ(SP_RIGHT_READ, rights(rules, "/"));
	EXPECT_EQ(SP_RIGHT_READ, rights(rules, "/any/where"));
	EXPECT_EQ(0u, rights(rules, "/q/secret/x"));
	EXPECT_EQ(ENOTNAM, decide(rules, "/q/secret").error);
}

TEST_F(RulesTest, TheRootAlone)
{
	Rules rules = rules_of("files { read / }");

	EXPECT_EQ(SP_RIGHT_READ, rights(rules, "/"));
	EXPECT_EQ(SP_STANDING_OUTSIDE, standing(rules, "/a"));
}

struct GlobCase {
	const char *pattern, *name;
	unsigned reach;
};

TEST(GlobTest, Table)
{
	const unsigned kNo = 0, kYes = SP_GLOB_MATCHES, kBelow = SP_GLOB_BELOW,
		       kAll = SP_GLOB_MATCHES | SP_GLOB_BELOW | SP_GLOB_COVERS;
	const GlobCase cases[] = {
	    {"/*", "/a", kYes},
	    {"/*", "/a/b", kNo},
	    {"/*", "", kBelow},
	    {"/*.tmp", "/.tmp", kYes},
	    {"/*.tmp", "/a.tmp", kYes},
	    {"/*.tmp", "/a.tmpx", kNo},
	    {"/a*b*c", "/axxbyyc", kYes},
	    {"/a*b*c", "/acb", kNo},
	    {"/a*b*c", "/abcbc", kYes},
	    {"/?", "/a", kYes},
	    {"/?", "/ab", kNo},
	    {"/a?c", "/a/c", kNo},
	    {"/[abc]x", "/bx", kYes},
	    {"/[abc]x", "/dx", kNo},
	    {"/[!abc]x", "/dx", kYes},
	    {"/[^abc]x", "/ax", kNo},
	    {"/[a-f0-9]", "/e", kYes},
	    {"/[a-f0-9]", "/7", kYes},
	    {"/[a-f0-9]", "/g", kNo},
	    {"/[]]", "/]", kYes},
	    {"/[!]]", "/]", kNo},
	    {"/[!]]", "/x", kYes},
	    {"/[a-]", "/-", kYes},
	    {"/[*]", "/*", kYes},
	    {"/[*]", "/x", kNo},
	    {"/a[!x]b", "/a/b", kNo},
	    {"/**", "", kAll},
	    {"/**", "/a/b", kAll},
	    {"/*/**", "/a", kAll},
	    {"/*/**", "", kBelow},
	    {"/**/b", "/b", kBelow | kYes},
	    {"/**/b", "/a/a/b", kBelow | kYes},
	    {"/**/b", "/a/a", kBelow},
	    {"/**/b/*", "/b/b/x", kBelow | kYes},
	    {"/**/b/*/c", "/b/b/b/x/c", kBelow | kYes},
	    {"/**/b/*/c", "/b/c", kBelow},
	    {"/**/a/**/b", "/x/a/y/z/b", kBelow | kYes},
	    {"/**/a/**/b", "/x/b/y/z/a", kBelow},
	    {"/a/**/**", "/a", kAll},
	    {"/*/x", "/a", kBelow},
	    {"/*/x", "/a/x", kYes},
	    {"/*/x", "/a/y", kNo},
	    {"/*/x", "/a/x/y", kNo},
	};

	for (const GlobCase &c : cases)
		EXPECT_EQ(c.reach,
			  sp_glob_reach({c.pattern, strlen(c.pattern)}, {c.name, strlen(c.name)}))
		    << c.pattern << " " << c.name;
}

/* Slow and obviously right: what a pattern means, by recursion. */
bool naive_component(const char *p, const char *p_end, const char *n, const char *n_end)
{
	if (p == p_end)
		return n == n_end;
	if (*p == '*')
		return naive_component(p + 1, p_end, n, n_end) ||
		       (n != n_end && naive_component(p, p_end, n + 1, n_end));
	return n != n_end && (*p == '?' || *p == *n) && naive_component(p + 1, p_end, n + 1, n_end);
}

bool naive(const std::vector<std::string> &pattern, size_t p, const std::vector<std::string> &name,
	   size_t n)
{
	if (p == pattern.size())
		return n == name.size();
	if (pattern[p] == "**")
		return naive(pattern, p + 1, name, n) ||
		       (n < name.size() && naive(pattern, p, name, n + 1));
	return n < name.size() &&
	       naive_component(pattern[p].data(), pattern[p].data() + pattern[p].size(),
			       name[n].data(), name[n].data() + name[n].size()) &&
	       naive(pattern, p + 1, name, n + 1);
}

std::string join(const std::vector<std::string> &components)
{
	std::string joined;

	for (const std::string &component : components)
		joined += "/" + component;
	return joined;
}

TEST(GlobTest, AgreesWithTheDefinition)
{
	const std::vector<std::string> parts = {"**", "*", "a", "b", "a*", "*b", "?", "a*b", "ab"};
	const std::vector<std::string> names = {"a", "b", "ab", "aab", "ba"};
	std::mt19937 random(7);

	for (int round = 0; round < 50000; round++) {
		std::vector<std::string> pattern, name;

		for (size_t i = 0, count = random() % 5; i < count; i++)
			pattern.push_back(parts[random() % parts.size()]);
		for (size_t i = 0, count = random() % 6; i < count; i++)
			name.push_back(names[random() % names.size()]);
		std::string p = join(pattern), n = join(name);

		ASSERT_EQ(naive(pattern, 0, name, 0),
			  (sp_glob_reach({p.data(), p.size()}, {n.data(), n.size()}) &
			   SP_GLOB_MATCHES) != 0)
		    << p << " " << n;
	}
}

TEST_F(RulesTest, TheLongestLiteralPrefixWinsThenLiteralsThenDeny)
{
	Rules rules = rules_of("files {\n"
			       "	read  /q/**\n"
			       "	deny  /q/private/** as ENOTNAM\n"
			       "	read  /q/private/open/**\n"
			       "	deny  /q/*.key as ENOTNAM\n"
			       "	write /q/[ab]*\n"
			       "	deny  /q/?* as ENOENT\n"
			       "	read  /q/a.key\n"
			       "}");

	EXPECT_EQ(SP_RIGHT_READ, rights(rules, "/q/sub/any"));
	EXPECT_EQ(0u, rights(rules, "/q/private/x"));
	EXPECT_EQ(SP_RIGHT_READ, rights(rules, "/q/private/open/x"));
	EXPECT_EQ(ENOTNAM, decide(rules, "/q/b.key").error); /* *.key has more literals than ?* */
	EXPECT_EQ(0u, rights(rules, "/q/b.key"));
	EXPECT_EQ(0u, rights(rules, "/q/plain")); /* the tree has no more literals: deny wins */
	EXPECT_EQ(ENOENT, decide(rules, "/q/plain").error);
	EXPECT_EQ(SP_RIGHT_READ, rights(rules, "/q/a.key")); /* a name without wildcard beats all */
	EXPECT_EQ(ENOTNAM,
		  decide(rules, "/q/a.key").error); /* what is missing there, is missing by deny */
}

TEST_F(RulesTest, AnExactDenialCutsTheRootOfATree)
{
	Rules rules = rules_of("files { read /q/tree/**; deny /q/tree as ENOTNAM }");

	EXPECT_EQ(SP_STANDING_OUTSIDE, standing(rules, "/q/tree"));
	EXPECT_EQ(ENOTNAM, decide(rules, "/q/tree").error);
	EXPECT_EQ(SP_RIGHT_READ, rights(rules, "/q/tree/a"));
}

TEST_F(RulesTest, EachRightIsDecidedByTheRulesThatMentionIt)
{
	Rules rules =
	    rules_of("files { read /q/**; write /q/out/**; create, delete /q/out/new/* }");

	EXPECT_EQ(SP_RIGHT_READ, rights(rules, "/q/x"));
	EXPECT_EQ(SP_RIGHT_READ | SP_RIGHT_WRITE, rights(rules, "/q/out/x"));
	EXPECT_EQ(SP_RIGHT_READ | SP_RIGHT_WRITE | SP_RIGHT_CREATE | SP_RIGHT_DELETE,
		  rights(rules, "/q/out/new/x"));
	EXPECT_EQ(SP_RIGHT_READ | SP_RIGHT_WRITE, rights(rules, "/q/out/new/x/y"));
}

TEST_F(RulesTest, TheDecidingRuleIsNamedByItsPlace)
{
	Rules rules = rules_of("files {\n\tread /q/**\n\tdeny /q/no/** as ENOTNAM\n}");

	EXPECT_STREQ("test.policy:3:7", decide(rules, "/q/yes").rule);
	EXPECT_STREQ("test.policy:4:7", decide(rules, "/q/no/x").rule);
	EXPECT_EQ(nullptr, decide(rules, "/else").rule);
}

TEST_F(RulesTest, AncestorsOfWildcards)
{
	Rules rules = rules_of("files { read /q/*/data/f; deny /q/bad/** as ENOTNAM }");

	EXPECT_EQ(SP_STANDING_ANCESTOR, standing(rules, "/q"));
	EXPECT_EQ(SP_STANDING_ANCESTOR, standing(rules, "/q/any"));
	EXPECT_EQ(SP_STANDING_ANCESTOR, standing(rules, "/q/any/data"));
	EXPECT_EQ(SP_STANDING_INSIDE, standing(rules, "/q/any/data/f"));
	EXPECT_EQ(SP_STANDING_OUTSIDE, standing(rules, "/q/any/dat"));
	EXPECT_EQ(SP_STANDING_OUTSIDE, standing(rules, "/q/any/data/f/g"));
	EXPECT_EQ(SP_STANDING_OUTSIDE, standing(rules, "/q/bad"));
	EXPECT_EQ(SP_STANDING_OUTSIDE, standing(rules, "/q/bad/data/f"));
	EXPECT_EQ(ENOTNAM, decide(rules, "/q/bad/data").error);
}

TEST_F(RulesTest, ADenialAloneGivesNoStanding)
{
	Rules rules = rules_of("files { deny /q/x/y/** as ENOTNAM }");

	EXPECT_EQ(SP_STANDING_OUTSIDE, standing(rules, "/q"));
	EXPECT_EQ(SP_STANDING_OUTSIDE, standing(rules, "/"));
	EXPECT_EQ(EACCES, decide(rules, "/q").error);
}

TEST_F(RulesTest, TheKernelsOwnTakesARuleThatNamesIt)
{
	Rules wide = rules_of("files { read, write /**; read /proc/**, /proc/k*, /sys/kernel/** }");

	for (const char *name : {"/proc/kcore", "/proc/kpageflags", "/proc/sysrq-trigger",
				 "/sys/kernel/debug/x", "/sys/firmware/acpi/tables/DSDT"}) {
		EXPECT_EQ(0u, rights(wide, name)) << name;
		EXPECT_EQ(EACCES, decide(wide, name).error) << name;
	}
	for (const char *name : {"/proc/cpuinfo", "/proc/kb", "/sys/kernel/mm/x", "/etc/kcore"})
		EXPECT_NE(0u, rights(wide, name)) << name;
	Rules named =
	    rules_of("files { read /proc/**; read /proc/kallsyms, /sys/kernel/debug/** }");
	EXPECT_EQ(SP_RIGHT_READ, rights(named, "/proc/kallsyms"));
	EXPECT_EQ(SP_RIGHT_READ, rights(named, "/sys/kernel/debug/x"));
	EXPECT_EQ(0u, rights(named, "/proc/kcore"));
}

TEST_F(RulesTest, UniformBelow)
{
	Rules rules = rules_of(
	    "files { read /q/**; write /q/out/**; deny /q/out/keep as ENOTNAM; read /w/*/z }");

	EXPECT_TRUE(uniform(rules, "/q/plain"));
	EXPECT_TRUE(uniform(rules, "/elsewhere"));
	EXPECT_TRUE(uniform(rules, "/q/out/other"));
	EXPECT_FALSE(uniform(rules, "/q"));
	EXPECT_FALSE(uniform(rules, "/q/out"));
	EXPECT_FALSE(uniform(rules, "/q/out/keep"));
	EXPECT_FALSE(uniform(rules, "/w/any"));
	EXPECT_TRUE(uniform(rules, "/w/any/other"));
	EXPECT_FALSE(uniform(rules, "/"));
}

int collect_grant(const char *prefix, uint32_t granted, void *data)
{
	static_cast<std::vector<std::string> *>(data)->push_back(std::string(prefix) + " " +
								 std::to_string(granted));
	return 0;
}

int stop_at_once(const char *, uint32_t, void *data)
{
	++*static_cast<int *>(data);
	return -ECANCELED;
}

TEST_F(RulesTest, EachGrantByItsLiteralDirectory)
{
	Rules rules = rules_of("files { read /q/file; read /q/tree/**; write /q/dir/a*.tmp; read "
			       "/**/z; deny /q/no as EPERM }");
	std::vector<std::string> grants;
	int calls = 0;

	EXPECT_EQ(0, sp_rules_each_grant(rules.get(), collect_grant, &grants));
	std::sort(grants.begin(), grants.end());
	EXPECT_EQ((std::vector<std::string>{"/ 1", "/q/dir 2", "/q/file 1", "/q/tree 1"}), grants);
	EXPECT_EQ(-ECANCELED, sp_rules_each_grant(rules.get(), stop_at_once, &calls));
	EXPECT_EQ(1, calls);
}

TEST_F(RulesTest, RefusalsOfCalls)
{
	Rules rules =
	    rules_of("syscalls {\n\tdeny ptrace as ENOTNAM\n\tdefault deny as ENOMEDIUM\n}");
	sp_call_refusal refusal = {};

	sp_rules_refusal(rules.get(), 101 /* ptrace */, &refusal);
	EXPECT_EQ(ENOTNAM, refusal.error);
	EXPECT_STREQ("test.policy:3:7", refusal.rule);
	EXPECT_TRUE(sp_rules_find_refusal(rules.get(), 101, &refusal));
	for (int nr : {41 /* socket */, 100000, -1, INT32_MIN}) {
		sp_rules_refusal(rules.get(), nr, &refusal);
		EXPECT_EQ(ENOMEDIUM, refusal.error) << nr;
		EXPECT_STREQ("test.policy:4:2", refusal.rule);
		EXPECT_FALSE(sp_rules_find_refusal(rules.get(), nr, &refusal)) << nr;
	}
}

/* What the filter answers by itself must not be had by a request that passed it by. */
TEST_F(RulesTest, ABrokeredCallThatTheFilterEndsIsRefusedByThePorterToo)
{
	Rules rules = rules_of("syscalls { kill chmod, add_key; allow read }");
	sp_call_refusal refusal = {};

	EXPECT_TRUE(sp_rules_find_refusal(rules.get(), 90 /* chmod */, &refusal));
	EXPECT_EQ(EPERM, refusal.error);
	for (int nr : {91 /* fchmod */, 248 /* add_key */, 0 /* read */})
		EXPECT_FALSE(sp_rules_find_refusal(rules.get(), nr, &refusal)) << nr;
}

TEST_F(RulesTest, ScalarsArriveUnchanged)
{
	Rules rules = rules_of(
	    "limits { memory 256M; cpu 2m; wall 1500ms; files 64; processes 3; file-size 1G }\n"
	    "isolate { user; pid; network optional }");
	const sp_limits *limits = sp_rules_limits(rules.get());

	EXPECT_STREQ("test", sp_rules_name(rules.get()));
	EXPECT_EQ(256u << 20, limits->memory);
	EXPECT_EQ(120u, limits->cpu);
	EXPECT_EQ(1500u, limits->wall);
	EXPECT_EQ(64u, limits->files);
	EXPECT_EQ(3u, limits->processes);
	EXPECT_EQ(1u << 30, limits->file_size);
	EXPECT_EQ(uint32_t(SP_ISOLATE_USER | SP_ISOLATE_PID | SP_ISOLATE_NETWORK),
		  sp_rules_isolate(rules.get()));
	EXPECT_EQ(uint32_t(SP_ISOLATE_NETWORK), sp_rules_optional_layers(rules.get()));
}

TEST_F(RulesTest, WithoutASectionEveryLayerStandsAndNothingIsLimited)
{
	Rules rules = rules_of("");

	EXPECT_EQ(uint32_t(SP_ISOLATE_ALL), sp_rules_isolate(rules.get()));
	EXPECT_EQ(0u, sp_rules_optional_layers(rules.get()));
	EXPECT_EQ(0u, sp_rules_limits(rules.get())->memory);
}

TEST_F(RulesTest, OnlyCanonicalEncodingsLoad)
{
	Policy policy = parse("policy test\nfiles { read /q/** }\nlimits { files 64 }");
	std::vector<uint8_t> bytes = compile(policy.get());
	sp_rules *rules = nullptr;

	for (size_t length = 0; length < bytes.size(); length++)
		ASSERT_EQ(-EBADMSG, sp_rules_load(bytes.data(), length, &rules)) << length;
	bytes.push_back(0xf8); /* an unknown field */
	bytes.push_back(0x01);
	bytes.push_back(0x00);
	EXPECT_EQ(-EBADMSG, sp_rules_load(bytes.data(), bytes.size(), &rules));
	bytes.resize(bytes.size() - 3);
	ASSERT_EQ(0x08, bytes[0]); /* version, one byte */
	bytes[1]++;
	EXPECT_EQ(-EPROTO, sp_rules_load(bytes.data(), bytes.size(), &rules));
	bytes[1]--;
	ASSERT_EQ(0, sp_rules_load(bytes.data(), bytes.size(), &rules));
	EXPECT_EQ(nullptr, sp_rules_free(rules));
	EXPECT_EQ(nullptr, sp_rules_free(nullptr));
}

TEST_F(RulesTest, NoChangedByteCrashesTheLoader)
{
	Policy policy = parse("policy test\nfiles { read /q/**; deny /q/[ab] as ENOENT }");
	std::vector<uint8_t> bytes = compile(policy.get());
	std::mt19937 random(3);
	int loaded = 0;

	for (int round = 0; round < 20000; round++) {
		std::vector<uint8_t> changed = bytes;
		sp_rules *rules = nullptr;

		changed[random() % changed.size()] = static_cast<uint8_t>(random());
		changed[random() % changed.size()] ^= static_cast<uint8_t>(1u << random() % 8);
		if (sp_rules_load(changed.data(), changed.size(), &rules) < 0)
			continue;
		decide(Rules(rules), "/q/a/b");
		loaded++;
	}
	EXPECT_GT(loaded, 100);
	EXPECT_LT(loaded, 19900);
}

TEST_F(RulesTest, HostileNamesTakeBoundedTime)
{
	Rules rules = rules_of("files {\n"
			       "	read /q/*a*a*a*a*a*a*a*a*a*a*a*b\n"
			       "	read /q/**/a/**/a/**/a/**/a/**/a/**/b\n"
			       "}");
	std::string wide = "/q/" + std::string(4000, 'a'), deep = "/q";

	while (deep.size() < 4090)
		deep += "/a";
	auto start = std::chrono::steady_clock::now();
	for (const std::string &name : {wide, deep}) {
		EXPECT_EQ(0u, rights(rules, name));
		(void)uniform(rules, name);
	}
	/* Exponential matching would take longer than the universe has; this leaves room for any machine. */
	EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(20));
}

TEST_F(RulesTest, TenThousandRulesDecideAsOneWould)
{
	Policy policy = parse("policy test");

	for (int i = 0; i < 10000; i++)
		ASSERT_EQ(0,
			  sp_policy_grant(
			      policy.get(), i % 2 ? "read" : "read, write",
			      ("/q/" + std::to_string(i % 100) + "/f" + std::to_string(i)).c_str(),
			      ("rule " + std::to_string(i)).c_str()));
	Rules rules = load(compile(policy.get()));

	EXPECT_EQ(SP_RIGHT_READ, rights(rules, "/q/77/f9877"));
	EXPECT_STREQ("rule 9877", decide(rules, "/q/77/f9877").rule);
	EXPECT_EQ(SP_RIGHT_READ | SP_RIGHT_WRITE, rights(rules, "/q/76/f9876"));
	EXPECT_EQ(0u, rights(rules, "/q/77/f9876"));
	EXPECT_EQ(SP_STANDING_ANCESTOR, standing(rules, "/q/77"));
	EXPECT_EQ(SP_STANDING_OUTSIDE, standing(rules, "/q/100"));
}

} // namespace
