/* SPDX-License-Identifier: Apache-2.0 */
/* Rules that change while a sandbox runs: edits, where the policy says `editable`, and narrowings. */
#include "support.h"

#include <cerrno>
#include <cstring>
#include <memory>
#include <random>
#include <sys/syscall.h>

#include "policy/compile.h"
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

class EditsTest : public sallyport::PolicyTest
{
};

struct Edit {
	bool revokes;
	uint32_t rights;
	std::string pattern;
};

int edit(const Rules &rules, const Edit &edit)
{
	const struct sp_rules_edit message = {edit.revokes, edit.rights, edit.pattern.c_str(),
					      "an edit"};

	return sp_rules_edit(rules.get(), &message);
}

int grant(const Rules &rules, uint32_t rights, const std::string &pattern)
{
	return edit(rules, {false, rights, pattern});
}

int revoke(const Rules &rules, uint32_t rights, const std::string &pattern)
{
	return edit(rules, {true, rights, pattern});
}

std::vector<uint8_t> narrowing_of(const std::string &whole, const std::string &text)
{
	Policy policy = parse(text), all = parse(whole);
	uint8_t *bytes = nullptr;
	size_t length = 0;

	EXPECT_EQ(0, sp_policy_compile_narrowing(all.get(), policy.get(), &bytes, &length));
	std::vector<uint8_t> copy(bytes, bytes + length);
	free(bytes);
	return copy;
}

const uint32_t kRead = SP_RIGHT_READ, kWrite = SP_RIGHT_WRITE, kCreate = SP_RIGHT_CREATE;

TEST_F(EditsTest, OnlyWhereThePolicySaysSo)
{
	Rules fixed = rules_of("files { read /q/** }"),
	      own = rules_of("editable\nfiles { read /q/** }"),
	      bounding = load(
		  compile(parse("policy a\nwithin b\nfiles { read /q/** }\npolicy b\neditable\n"
				"files { read, write /** }\n")
			      .get())),
	      including = load(
		  compile(parse("policy a\ninclude b\nfiles { read /q/** }\npolicy b\neditable\n"
				"files { read, write /r/** }\n")
			      .get()));

	for (const Rules *rules : {&fixed, &bounding, &including}) {
		EXPECT_EQ(-EPERM, grant(*rules, kWrite, "/q/x"));
		EXPECT_EQ(-EPERM, revoke(*rules, kRead, "/q/x"));
		EXPECT_EQ(0u, sp_rules_givable(rules->get()));
		EXPECT_EQ(kRead, rights(*rules, "/q/x"));
	}
	EXPECT_EQ(0, grant(own, kWrite, "/q/x"));
	EXPECT_EQ(kRead | kWrite, rights(own, "/q/x"));
	EXPECT_EQ(kRead, rights(own, "/q/y"));
}

TEST_F(EditsTest, TheLastOneDecides)
{
	Rules rules = rules_of("editable\nfiles { read /q/**; read, write /q/deep/er/** }");

	EXPECT_EQ(0, revoke(rules, kRead, "/q/**"));
	/* Whatever rule gave it, and nothing is shown any more. */
	for (const char *name : {"/q/x", "/q"}) {
		EXPECT_EQ(0u, rights(rules, name)) << name;
		EXPECT_EQ(EACCES, decide(rules, name).error);
		EXPECT_STREQ("an edit", decide(rules, name).rule);
	}
	EXPECT_EQ(SP_STANDING_OUTSIDE, standing(rules, "/q/x"));
	EXPECT_EQ(SP_STANDING_ANCESTOR, standing(rules, "/q/deep")); /* writing is left below */
	EXPECT_EQ(kWrite, rights(rules, "/q/deep/er/x"));
	EXPECT_EQ(0, revoke(rules, SP_RIGHT_ALL, "/q/**"));
	for (const char *name : {"/q", "/q/x", "/q/deep", "/q/deep/er", "/q/deep/er/x"})
		EXPECT_EQ(SP_STANDING_OUTSIDE, standing(rules, name)) << name;
	/* The way to a grant is the way to a grant. */
	EXPECT_EQ(0, grant(rules, kRead, "/q/a/b/c"));
	EXPECT_EQ(kRead, rights(rules, "/q/a/b/c"));
	for (const char *name : {"/q", "/q/a", "/q/a/b"})
		EXPECT_EQ(SP_STANDING_ANCESTOR, standing(rules, name)) << name;
	EXPECT_EQ(SP_STANDING_OUTSIDE, standing(rules, "/q/a/c"));
	EXPECT_EQ(SP_STANDING_OUTSIDE, standing(rules, "/q/deep"));
	EXPECT_EQ(0, revoke(rules, kRead, "/q/a/**"));
	EXPECT_EQ(SP_STANDING_OUTSIDE, standing(rules, "/q/a/b/c"));
	EXPECT_EQ(SP_STANDING_OUTSIDE, standing(rules, "/q/a/b"));
	/* Everything as it was. */
	EXPECT_EQ(0, grant(rules, kRead, "/q/**"));
	EXPECT_EQ(kRead, rights(rules, "/q/deep/er/x"));
}

TEST_F(EditsTest, DenyHoldsUnlessTheGrantIsMoreSpecific)
{
	Rules rules = rules_of("editable\nfiles { read /q/**; deny /q/private/** as ENOTNAM }");

	EXPECT_EQ(0, grant(rules, kRead | kWrite, "/q/**"));
	EXPECT_EQ(kRead | kWrite, rights(rules, "/q/x"));
	EXPECT_EQ(0u, rights(rules, "/q/private/x"));
	EXPECT_EQ(ENOTNAM, decide(rules, "/q/private/x").error);
	EXPECT_EQ(0, grant(rules, kRead, "/q/private/**"));
	EXPECT_EQ(0u, rights(rules, "/q/private/x"));
	EXPECT_EQ(0, grant(rules, kRead, "/q/private/one"));
	EXPECT_EQ(kRead, rights(rules, "/q/private/one"));
	EXPECT_EQ(0u, rights(rules, "/q/private/other"));
	/* What the kernel keeps to itself is kept, with and without rules of one's own. */
	for (const char *text : {"editable", "editable\nfiles { read /q }"}) {
		Rules all = rules_of(text);

		EXPECT_EQ(0, grant(all, kRead, "/**"));
		EXPECT_EQ(kRead, rights(all, "/proc/version"));
		EXPECT_EQ(0u, rights(all, "/proc/kcore"));
		EXPECT_EQ(0, grant(all, kRead, "/proc/kcore"));
		EXPECT_EQ(0u, rights(all, "/proc/kcore"));
	}
}

TEST_F(EditsTest, NeverBeyondWhatBoundsThem)
{
	const std::string text =
	    "policy a\nwithin c\neditable within b\nfiles { read /q/** }\n"
	    "policy b\nwithin d\nfiles { read, write /q/**; read, write /r/**;\n"
	    "ask create /q/** }\n"
	    "policy c\nfiles { read, write, create /q/**; read /s/** }\n"
	    "policy d\nfiles { read, write, create /**; deny /q/no/** }\n";
	Rules rules = load(compile(parse(text).get()));

	EXPECT_EQ(kRead | kWrite | kCreate, sp_rules_givable(rules.get()));
	EXPECT_EQ(-EINVAL, grant(rules, SP_RIGHT_DELETE, "/q/**"));
	EXPECT_EQ(-EINVAL, grant(rules, SP_RIGHT_EXECUTE, "/q/**"));
	EXPECT_EQ(0, grant(rules, kRead | kWrite | kCreate, "/**"));
	EXPECT_EQ(kRead | kWrite, rights(rules, "/q/x")); /* to ask is not to grant */
	EXPECT_EQ(kRead, rights(rules, "/q/no/x"));       /* its own rule, not the edit */
	for (const char *name : {"/r/x", "/s/x", "/t/x"}) {
		EXPECT_EQ(0u, rights(rules, name)) << name;
		EXPECT_EQ(SP_STANDING_OUTSIDE, standing(rules, name)) << name;
	}
	/* What comes later holds for what came before it, and for what comes still later. */
	std::vector<uint8_t> narrower =
	    narrowing_of(text, "policy n\nfiles { read /q/**; write /q/w }");
	EXPECT_EQ(0, sp_rules_narrow(rules.get(), narrower.data(), narrower.size()));
	EXPECT_EQ(kRead, rights(rules, "/q/x"));
	EXPECT_EQ(kRead | kWrite, rights(rules, "/q/w"));
	EXPECT_EQ(0, grant(rules, kWrite, "/q/x"));
	EXPECT_EQ(kRead, rights(rules, "/q/x"));
	EXPECT_EQ(0, revoke(rules, kWrite, "/q/w"));
	EXPECT_EQ(kRead, rights(rules, "/q/w"));
}

TEST_F(EditsTest, RightsThatNoWallWasBuiltFor)
{
	Rules plain = rules_of("editable\nfiles { read /q/** }"),
	      executes = rules_of("editable\nfiles { read /q/**; execute /q/bin }\n"
				  "network { connect unix /q/socket }");

	EXPECT_EQ(-EINVAL, grant(plain, SP_RIGHT_EXECUTE, "/q/x"));
	EXPECT_EQ(-EINVAL, grant(plain, SP_RIGHT_CONNECT, "/q/x"));
	EXPECT_EQ(0,
		  grant(plain, kRead | kWrite | kCreate | SP_RIGHT_DELETE | SP_RIGHT_LINKED, "/"));
	EXPECT_EQ(0, grant(executes, SP_RIGHT_EXECUTE | SP_RIGHT_CONNECT, "/q/x"));
	EXPECT_EQ(uint32_t(kRead | SP_RIGHT_EXECUTE | SP_RIGHT_CONNECT), rights(executes, "/q/x"));
	EXPECT_EQ(0, revoke(plain, SP_RIGHT_EXECUTE, "/q/x")); /* to take is always right */
}

TEST_F(EditsTest, AskedRightsAreGivenOrTaken)
{
	Rules rules = rules_of("editable\nfiles { ask read, write /q/** }");

	EXPECT_EQ(0, grant(rules, kRead, "/q/x"));
	EXPECT_EQ(kRead, rights(rules, "/q/x"));
	EXPECT_EQ(kWrite, decide(rules, "/q/x").ask);
	EXPECT_EQ(0, revoke(rules, kWrite, "/q/**"));
	EXPECT_EQ(0u, decide(rules, "/q/x").ask);
	EXPECT_EQ(kRead, decide(rules, "/q/y").ask);
}

TEST_F(EditsTest, LockedForEver)
{
	Rules rules = rules_of("editable\nfiles { read /q/** }");

	EXPECT_EQ(0, grant(rules, kWrite, "/q/x"));
	sp_rules_lock(rules.get());
	EXPECT_EQ(-EPERM, grant(rules, kWrite, "/q/y"));
	EXPECT_EQ(-EPERM, revoke(rules, kWrite, "/q/x"));
	sp_rules_lock(rules.get());
	EXPECT_EQ(kRead | kWrite, rights(rules, "/q/x"));
	EXPECT_EQ(kRead, rights(rules, "/q/y"));
	/* To narrow is always possible. */
	std::vector<uint8_t> none = narrowing_of("policy w\n", "policy n\n");
	EXPECT_EQ(0, sp_rules_narrow(rules.get(), none.data(), none.size()));
	EXPECT_EQ(0u, rights(rules, "/q/x"));
}

TEST_F(EditsTest, MistakesChangeNothing)
{
	Rules rules = rules_of("editable\nfiles { read /q/** }");

	EXPECT_EQ(0, grant(rules, kWrite, "/q/x"));
	for (const Edit &wrong : {Edit{false, 0, "/q"},
				  {false, 1u << 20, "/q"},
				  {true, 0, "/q"},
				  {true, kRead | 1u << 31, "/q"},
				  {false, kRead, ""},
				  {false, kRead, "q"},
				  {false, kRead, "/q/[a"},
				  {false, kRead, "/q/../r"},
				  {false, kRead, "/" + std::string(5000, 'q')}})
		EXPECT_EQ(-EINVAL, edit(rules, wrong)) << wrong.pattern;
	EXPECT_EQ(kRead | kWrite, rights(rules, "/q/x"));
}

TEST_F(EditsTest, ThereAreSoManyAndNoMore)
{
	Rules rules = rules_of("editable\nfiles { read /q/** }");

	for (int i = 0; i < SP_EDITS_MAX; i++)
		ASSERT_EQ(0, grant(rules, kWrite, "/q/" + std::to_string(i)));
	EXPECT_EQ(-ENOSPC, grant(rules, kWrite, "/q/more"));
	EXPECT_EQ(-ENOSPC, revoke(rules, kRead, "/q/more"));
	EXPECT_EQ(kRead, rights(rules, "/q/more"));
	EXPECT_EQ(kRead | kWrite, rights(rules, "/q/0"));
	/* One in the place of another one, and one that goes. */
	EXPECT_EQ(0, grant(rules, kWrite, "/q/0"));
	EXPECT_EQ(0, revoke(rules, kWrite, "/q/1"));
	EXPECT_EQ(0, grant(rules, kWrite, "/q/more"));
	EXPECT_EQ(kRead | kWrite, rights(rules, "/q/more"));
	EXPECT_EQ(-ENOSPC, grant(rules, kWrite, "/q/evenmore"));
}

TEST_F(EditsTest, WhoGrantsAndRevokesMayGoOnForEver)
{
	Rules rules = rules_of("editable\nfiles { read /z }");

	for (int i = 0; i < 4 * SP_EDITS_MAX; i++) {
		std::string name = "/q/" + std::to_string(i), below = name + "/**";

		ASSERT_EQ(0, grant(rules, kRead, name));
		ASSERT_EQ(0, grant(rules, kRead | kWrite, below));
		ASSERT_EQ(kRead | kWrite, rights(rules, name));
		ASSERT_EQ(0, revoke(rules, kRead | kWrite, below));
		ASSERT_EQ(kRead, rights(rules, name) | kRead);
		ASSERT_EQ(0, revoke(rules, kRead, name));
		ASSERT_EQ(0u, rights(rules, name));
		ASSERT_EQ(SP_STANDING_OUTSIDE, standing(rules, "/q"));
	}
}

TEST_F(EditsTest, ADirectoryIsMovedOnlyAsAWhole)
{
	Rules rules = rules_of("editable\nfiles { read, write, create, delete /q/** }");
	auto uniform = [&](const std::string &name) {
		return sp_rules_uniform_below(rules.get(), name.data(), name.size());
	};

	EXPECT_TRUE(uniform("/q/a"));
	EXPECT_EQ(0, revoke(rules, kRead, "/q/a/secret"));
	EXPECT_FALSE(uniform("/q/a"));
	EXPECT_TRUE(uniform("/q/b"));
	EXPECT_EQ(0, grant(rules, kRead, "/q/b/**"));
	EXPECT_TRUE(uniform("/q/b"));
	EXPECT_FALSE(uniform("/q"));
}

TEST_F(EditsTest, ANarrowingIsWholeOrNothing)
{
	const std::string text = "policy w\nfiles { read, write /q/** }";
	Rules rules = load(compile(parse(text).get()));
	std::vector<uint8_t> bytes = narrowing_of(
	    text, "policy n\nsyscalls { deny unlink as ENOTNAM }\nfiles { read /q/** }");
	sp_call_refusal refusal = {};

	EXPECT_EQ(-EBADMSG, sp_rules_narrow(rules.get(), bytes.data(), 0));
	for (size_t cut = 1; cut < bytes.size(); cut += 1 + cut / 8)
		EXPECT_NE(0, sp_rules_narrow(rules.get(), bytes.data(), cut));
	EXPECT_EQ(kRead | kWrite, rights(rules, "/q/x"));
	EXPECT_FALSE(sp_rules_find_refusal(rules.get(), __NR_unlink, &refusal));
	for (int i = 0; i < SP_NARROWINGS_MAX; i++)
		ASSERT_EQ(0, sp_rules_narrow(rules.get(), bytes.data(), bytes.size()));
	EXPECT_EQ(-E2BIG, sp_rules_narrow(rules.get(), bytes.data(), bytes.size()));
	EXPECT_EQ(kRead, rights(rules, "/q/x"));
	EXPECT_TRUE(sp_rules_find_refusal(rules.get(), __NR_unlink, &refusal));
	EXPECT_EQ(ENOTNAM, refusal.error);
	EXPECT_EQ(-ENOENT, sp_rules_enter(rules.get(), 0)); /* it is nobody's to enter */
	EXPECT_EQ(0u, sp_rules_phase_count(rules.get()));
}

/* ---- against the meaning, spelt out ---- */

std::string pick(std::mt19937 &random, const std::vector<std::string> &from)
{
	return from[random() % from.size()];
}

bool matches(const std::string &pattern, const std::string &name)
{
	return sp_glob_reach({pattern.data(), pattern.size()}, {name.data(), name.size()}) &
	       SP_GLOB_MATCHES;
}

TEST_F(EditsTest, MeansWhatItSays)
{
	const std::vector<std::string> patterns = {"/a",      "/a/**",  "/a/*",    "/a/b",
						   "/a/b/**", "/a/b/c", "/a/?",    "/a/*/c",
						   "/**",     "/b/**",  "/a/b/*x", "/b"},
				       names = {"/a",     "/b",     "/a/b",    "/a/c", "/a/b/c",
						"/a/c/c", "/a/b/x", "/a/b/xx", "/b/b", "/b/b/c",
						"/c",     "/a/c/d", "/a/b/c/d"};
	const std::string bound = "policy bound\nfiles { read, write, create /a/**; read /b/**;\n"
				  "deny /a/c/** }\n";
	std::mt19937 random(20251128);

	for (int round = 0; round < 300; round++) {
		bool bounded = round % 2;
		std::string text = std::string("policy own\neditable") +
				   (bounded ? " within bound" : "") +
				   "\nfiles { read /a/b/**; write /b; deny /a/b/x }\n" + bound;
		Rules rules = load(compile(parse(text).get())),
		      own = load(compile(parse(text).get())),
		      limit = load(compile(parse(bound).get()));
		std::vector<Edit> edits;

		for (int step = 0; step < 12; step++) {
			Edit next = {random() % 2 == 0, uint32_t(random() % 7) + 1,
				     pick(random, patterns)};

			next.rights = (next.rights & 1 ? kRead : 0) |
				      (next.rights & 2 ? kWrite : 0) |
				      (next.rights & 4 ? kCreate : 0);
			ASSERT_EQ(0, edit(rules, next));
			edits.push_back(next);
			for (const std::string &name : names) {
				uint32_t expected = rights(own, name), real = rights(rules, name);

				for (uint32_t right : {kRead, kWrite, kCreate}) {
					const Edit *last = nullptr;

					for (const Edit &e : edits)
						if ((e.rights & right) && matches(e.pattern, name))
							last = &e;
					if (!last)
						continue;
					if (last->revokes)
						expected &= ~right;
					else if ((!bounded || (rights(limit, name) & right)) &&
						 name != "/a/b/x")
						expected |= right;
				}
				ASSERT_EQ(expected, real) << name << " after " << edits.size();
			}
			/* What can be used can be reached, and what a name leads to nothing of is not shown. */
			for (const std::string &name : names) {
				bool below = rights(rules, name) != 0;

				for (const std::string &other : names)
					if (other.compare(0, name.size() + 1, name + "/") == 0 &&
					    rights(rules, other))
						below = true;
				if (below) {
					ASSERT_NE(SP_STANDING_OUTSIDE, standing(rules, name))
					    << name;
				}
				if (rights(rules, name)) {
					ASSERT_EQ(SP_STANDING_INSIDE, standing(rules, name))
					    << name;
				}
			}
		}
		ASSERT_EQ(0, revoke(rules, SP_RIGHT_ALL, "/**"));
		for (const std::string &name : names)
			ASSERT_EQ(SP_STANDING_OUTSIDE, standing(rules, name)) << name;
	}
}

/* ---- the tools ---- */

int prove(const std::string &text, const std::string &statement, std::string *ret_text)
{
	Policy policy = parse(text);
	char *told = nullptr;
	int r = sp_policy_prove(policy.get(), statement.c_str(), nullptr, nullptr, &told);

	ret_text->assign(told ? told : "");
	free(told);
	return r;
}

TEST_F(EditsTest, WhatMayBeEditedIsNotProved)
{
	const std::string rules = "\nfiles { read /q/**; deny /q/never }\n",
			  bound = "policy b\nfiles { read, write /q/w/** }\n",
			  fixed = "policy a" + rules, open = "policy a\neditable" + rules,
			  bounded = "policy a\neditable within b" + rules + bound;
	std::string told;

	EXPECT_EQ(1, prove(fixed, "never write /**", &told));
	EXPECT_EQ(0, prove(open, "never write /**", &told));
	EXPECT_NE(std::string::npos, told.find("test.policy:2:1 says `editable`")) << told;
	EXPECT_EQ(1, prove(open, "never write /q/never", &told))
	    << told;                                                   /* as specific as can be */
	EXPECT_EQ(1, prove(open, "never execute /**", &told)) << told; /* no wall for that */
	EXPECT_EQ(1, prove(bounded, "never write /r/**", &told)) << told;
	EXPECT_EQ(0, prove(bounded, "never write /q/w/x/**", &told));
	EXPECT_EQ(1, prove(fixed, "always read /q/x/**", &told)) << told;
	EXPECT_EQ(0, prove(bounded, "always read /q/x/**", &told));
	EXPECT_NE(std::string::npos, told.find("may be revoked")) << told;
}

/* Whether what bounds edits were editable itself is without an effect. */
TEST_F(EditsTest, DiffOfBoundsIsAboutWhatTheyGrant)
{
	const std::string own = "policy a\neditable within b\nfiles { read /q/** }\n";
	const Policy plain = parse(own + "policy b\nfiles { read /q/** }\n"),
		     twice = parse(own + "policy b\neditable\nfiles { read /q/** }\n"),
		     wider = parse(own + "policy b\neditable\nfiles { read /q/**, /r }\n");
	char *text = nullptr;

	EXPECT_EQ(0, sp_policy_diff(plain.get(), twice.get(), &text)) << text;
	free(text);
	EXPECT_EQ(1, sp_policy_diff(twice.get(), wider.get(), &text)) << text;
	EXPECT_STREQ("~ editable: within b | within b\n", text);
	free(text);
}

TEST_F(EditsTest, ExplanationsSayThatNamesMayChange)
{
	const struct {
		const char *statement, *call;
		bool told;
	} cases[] = {{"editable", "open(\"/q/x\", O_RDONLY)", true},
		     {"editable", "getpid()", false},
		     {"", "open(\"/q/x\", O_RDONLY)", false}};

	for (const auto &each : cases) {
		Policy policy =
		    parse(std::string("policy a\n") + each.statement + "\nfiles { read /q/** }\n");
		sp_explanation *explanation = nullptr;

		ASSERT_EQ(
		    0, sp_policy_explain(policy.get(), each.call, nullptr, nullptr, &explanation));
		EXPECT_EQ(each.told, strstr(explanation->text, "the policy is editable") != nullptr)
		    << explanation->text;
		EXPECT_NE(nullptr,
			  strstr(explanation->json, each.told ? ", \"editable\": true}\n"
							      : ", \"editable\": false}\n"))
		    << explanation->json;
		sp_explanation_free(explanation);
	}
}

TEST_F(EditsTest, DiffLintShowAndSaveKnowThem)
{
	const std::string files = "\nfiles { read /q/** }\n",
			  bounds =
			      "policy b\nfiles { read /q/** }\npolicy c\nfiles { read /r/** }\n"
			      "policy none\n";
	std::vector<Policy> all;

	for (const char *statement : {"", "editable", "editable within b", "editable within c"})
		all.push_back(parse("policy a\n" + std::string(statement) + files + bounds));
	for (const Policy &a : all)
		for (const Policy &b : all) {
			char *text = nullptr;

			EXPECT_EQ(a != b, sp_policy_diff(a.get(), b.get(), &text));
			EXPECT_EQ(a != b, std::string(text).find("~ editable: ") == 0) << text;
			free(text);
		}
	for (const Policy &a : all) {
		char *shown = nullptr;
		uint8_t *saved = nullptr;
		size_t length = 0;
		sp_policy *restored = nullptr;

		ASSERT_EQ(0, sp_policy_show(a.get(), SP_POLICY_FORM_TEXT, SP_POLICY_FILTER_NOTIFY,
					    &shown));
		Policy again = parse(shown);
		char *text = nullptr;
		EXPECT_EQ(0, sp_policy_diff(a.get(), again.get(), &text)) << shown << text;
		free(text);
		ASSERT_EQ(0, sp_policy_save(a.get(), &saved, &length));
		ASSERT_EQ(0, sp_policy_restore(saved, length, &restored));
		EXPECT_EQ(compile(a.get()), compile(restored));
		sp_policy_unref(restored);
		free(saved);
		free(shown);
	}
	EXPECT_NE(std::string::npos,
		  sallyport::mistakes_with("policy a\neditable" + files, {}, nullptr, true)
		      .find("a:2:1: warning: edits may grant"));
	EXPECT_NE(std::string::npos,
		  sallyport::mistakes_with("policy a\neditable within none" + files + bounds, {},
					   nullptr, true)
		      .find("a:2:1: warning: no edit can grant anything"));
	EXPECT_EQ(std::string::npos,
		  sallyport::mistakes_with("policy a\neditable within b" + files + bounds, {},
					   nullptr, true)
		      .find("warning"));
}

TEST_F(EditsTest, PoliciesWithoutATextMayBeEditable)
{
	sp_policy *raw = nullptr;
	Policy bound = parse("policy b\nfiles { read, write /q/** }");

	ASSERT_EQ(0, sp_policy_new("made", &raw));
	Policy made(raw);
	EXPECT_EQ(0, sp_policy_editable(made.get(), bound.get(), "here"));
	EXPECT_EQ(-EEXIST, sp_policy_editable(made.get(), nullptr, "there"));
	Rules rules = load(compile(made.get()));
	EXPECT_EQ(0, grant(rules, kWrite, "/**"));
	EXPECT_EQ(kWrite, rights(rules, "/q/x"));
	EXPECT_EQ(0u, rights(rules, "/r/x"));
}

} // namespace
