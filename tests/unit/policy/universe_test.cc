/* SPDX-License-Identifier: Apache-2.0 */
/* Diff and prove against brute force over small worlds: nothing is missed, and each example is one. */
#include "support.h"

#include <algorithm>
#include <array>
#include <functional>
#include <map>
#include <random>
#include <set>
#include <sstream>

#include "ipc/arch.h"
#include "ipc/runtime.h"
#include "policy/arguments.h"
#include "policy/bpf.h"
#include "policy/finding.h"
#include "policy/judge.h"
#include "policy/model.h"
#include "policy/names.h"
#include "policy/universe.h"

namespace
{

using sallyport::compile;
using sallyport::decide;
using sallyport::load;
using sallyport::Policy;
using sallyport::Rules;

using Random = std::mt19937;

class UniverseTest : public sallyport::PolicyTest
{
};

std::vector<std::string> small_names()
{
	const std::vector<std::string> parts = {"a", "b", "aa", "ab", "ba", "c", "..a", ".b"};
	std::vector<std::string> names = {"/"}, last = {""};

	for (int depth = 0; depth < 3; depth++) {
		std::vector<std::string> next;

		for (const std::string &name : last)
			for (const std::string &part : parts)
				next.push_back(name + "/" + part);
		names.insert(names.end(), next.begin(), next.end());
		last = next;
	}
	return names;
}

std::string random_pattern(Random &random)
{
	const char *parts[] = {"a",    "b",    "ab", "*",  "?",  "**",
			       "[ab]", "[!a]", "a*", "*b", "?b", "a*b*"};
	std::string pattern;

	for (unsigned n = 1 + random() % 3; n > 0; n--)
		pattern += std::string("/") + parts[random() % std::size(parts)];
	return pattern;
}

std::string random_files(Random &random)
{
	const char *verbs[] = {"read", "write", "read, create", "deny", "deny", "ask read"};
	const char *errors[] = {"", " as ENOENT"};
	std::string text = "files {\n";

	for (unsigned n = 1 + random() % 5; n > 0; n--) {
		std::string verb = verbs[random() % std::size(verbs)];

		text += verb + " \"" + random_pattern(random) + "\"" +
			(verb == "deny" ? errors[random() % 2] : "") + "\n";
	}
	return text + "}\n";
}

Policy try_parse(const std::string &text)
{
	sp_policy *policy = nullptr;

	sp_policy_parse("p", text.data(), text.size(), nullptr, nullptr, &policy);
	return Policy(policy);
}

/* NULL where a pattern would be both granted and denied. */
Policy random_paths(Random &random)
{
	return try_parse("policy p\n" + random_files(random));
}

struct Pattern {
	std::string text;
	int number;
};

struct Told {
	const std::vector<Pattern> *patterns;
	std::set<std::set<int>> sets;
	std::string wrong;
};

std::set<int> matched_by_glob(const std::vector<Pattern> &patterns, const std::string &name)
{
	std::set<int> matched;
	sp_text text = {name.data(), name == "/" ? 0 : name.size()};

	for (const Pattern &pattern : patterns)
		if (sp_glob_reach({pattern.text.data(), pattern.text.size()}, text) &
		    SP_GLOB_MATCHES)
			matched.insert(pattern.number);
	return matched;
}

int remember(const char *name, size_t length, const int *matched, size_t count, void *data)
{
	Told *told = static_cast<Told *>(data);
	std::set<int> set(matched, matched + count);

	if (strlen(name) != length || matched_by_glob(*told->patterns, name) != set ||
	    !told->sets.insert(set).second)
		told->wrong = name;
	return 0;
}

TEST_F(UniverseTest, EverySetOfPatternsThatMeetIsFound)
{
	Random random(3);
	const std::vector<std::string> names = small_names();

	for (int round = 0; round < 400; round++) {
		sp_universe *universe = sp_universe_new();
		std::vector<Pattern> patterns;

		for (unsigned n = random() % 6; n > 0; n--) {
			std::string text = random_pattern(random);

			patterns.push_back({text, sp_universe_add(universe, text.c_str())});
		}
		Told told = {&patterns, {}, ""};
		ASSERT_EQ(0, sp_universe_walk(universe, remember, &told));
		EXPECT_EQ("", told.wrong);
		for (const std::string &name : names)
			EXPECT_TRUE(told.sets.count(matched_by_glob(patterns, name))) << name;
		sp_universe_free(universe);
	}
}

TEST_F(UniverseTest, ManyPatternsAreNoManyTimesMany)
{
	sp_universe *universe = sp_universe_new();
	std::vector<Pattern> patterns;

	for (int i = 0; i < 2000; i++) {
		std::string text = "/srv/tree/" + std::to_string(i) + (i % 2 ? "/**" : "/*.txt");

		ASSERT_EQ(i, sp_universe_add(universe, text.c_str()));
		patterns.push_back({text, i});
	}
	ASSERT_EQ(0, sp_universe_add(universe, "/srv/tree/0/*.txt"));
	size_t told = 0;
	ASSERT_EQ(0, sp_universe_walk(
			 universe,
			 [](const char *, size_t, const int *, size_t count, void *data) {
				 *static_cast<size_t *>(data) += count;
				 return 0;
			 },
			 &told));
	EXPECT_EQ(2000u, told);
	sp_universe_free(universe);
}

/* ---- diff of names ---- */

struct Line {
	char mark;
	std::string what, first, second; /* "read /x", and the two rules */
};

std::vector<Line> lines_of(const std::string &text)
{
	std::istringstream stream(text);
	std::vector<Line> lines;

	for (std::string line; std::getline(stream, line);)
		if (line.rfind("    first   ", 0) == 0)
			lines.back().first = line.substr(12);
		else if (line.rfind("    second  ", 0) == 0)
			lines.back().second = line.substr(12);
		else
			lines.push_back({line[0], line.substr(2), "", ""});
	return lines;
}

int level(const sp_path_decision &decision, uint32_t right)
{
	return decision.rights & right ? 2 : decision.ask & right ? 1 : 0;
}

bool differs(const sp_path_decision &a, const sp_path_decision &b, uint32_t right)
{
	return level(a, right) != level(b, right) || (level(a, right) == 0 && a.error != b.error);
}

std::string rule_of(const Rules &rules, const std::string &name, uint32_t right)
{
	const char *rule = sp_winning_rule(rules.get(), name.c_str(), right);

	return rule ? rule : "no rule grants it";
}

TEST_F(UniverseTest, DiffOfNamesAgreesWithBruteForce)
{
	Random random(4);
	const std::vector<std::string> names = small_names();
	int different = 0;

	for (int round = 0; round < 200; round++) {
		Policy a = random_paths(random), b = random_paths(random);
		char *text = nullptr;

		if (!a || !b)
			continue;
		Rules first = load(compile(a.get())), second = load(compile(b.get()));
		int r = sp_policy_diff(a.get(), b.get(), &text);
		ASSERT_GE(r, 0);
		std::string shown = text;
		free(text);
		std::vector<Line> lines = lines_of(shown);
		EXPECT_EQ(r == 1, !lines.empty());
		different += r;
		std::set<std::string> told;

		for (const Line &line : lines) {
			size_t slash = line.what.find(" /"), colon = line.what.rfind(": ");
			std::string name = line.what.substr(slash + 1, colon - slash - 1);
			std::istringstream rights(line.what.substr(0, slash));
			sp_path_decision x = decide(first, name), y = decide(second, name);

			for (std::string word; rights >> word;) {
				word = word.substr(0, word.find(','));
				uint32_t right = sp_right_find(word.c_str());

				EXPECT_TRUE(differs(x, y, right)) << shown;
				EXPECT_EQ(line.mark, level(x, right) > level(y, right)   ? '-'
						     : level(x, right) < level(y, right) ? '+'
											 : '~');
				told.insert(word + line.first + line.second);
			}
		}
		for (const std::string &name : names) {
			sp_path_decision x = decide(first, name), y = decide(second, name);

			for (uint32_t right = 1; right <= SP_RIGHT_ALL; right <<= 1)
				if (differs(x, y, right)) {
					ASSERT_TRUE(told.count(sp_right_name(right) +
							       rule_of(first, name, right) +
							       rule_of(second, name, right)))
					    << name << "\n"
					    << shown;
				}
		}
	}
	EXPECT_GT(different, 50);
}

TEST_F(UniverseTest, ProofsAboutNamesAgreeWithBruteForce)
{
	Random random(5);
	const std::vector<std::string> names = small_names();
	const char *rights[] = {"read", "write", "create"};
	int held = 0, failed = 0;

	for (int round = 0; round < 400; round++) {
		Policy policy = random_paths(random);
		bool never = random() % 2;
		std::string right = rights[random() % 3], pattern = random_pattern(random);
		std::string statement =
		    std::string(never ? "never " : "always ") + right + " " + pattern;
		char *text = nullptr;

		if (!policy)
			continue;
		Rules rules = load(compile(policy.get()));
		int r = sp_policy_prove(policy.get(), statement.c_str(), nullptr, nullptr, &text);
		ASSERT_GE(r, 0) << statement;
		std::string shown = text;
		free(text);
		auto violated = [&](const std::string &name) {
			int how = level(decide(rules, name), sp_right_find(right.c_str()));
			bool covered = matched_by_glob({{pattern, 0}}, name).count(0);

			return covered && (never ? how > 0 : how < 2);
		};
		if (r == 0) {
			size_t at = shown.find(" /") + 1;

			EXPECT_TRUE(violated(shown.substr(at, shown.find(" is ", at) - at)))
			    << statement << shown;
			failed++;
		} else {
			for (const std::string &name : names)
				ASSERT_FALSE(violated(name)) << statement << " " << name;
			held++;
		}
	}
	EXPECT_GT(held, 50);
	EXPECT_GT(failed, 50);
}

/* ---- calls ---- */

/* The names of their arguments, and which are 64 bits wide. */
struct Call {
	const char *name;
	std::vector<const char *> arguments;
};

const Call small_calls[] = {{"dup3", {"oldfd", "newfd", "flags"}},
			    {"kill", {"pid", "sig"}},
			    {"lseek", {"fd", "offset", "whence"}}};
const char *const values[] = {"0", "1", "2", "3", "5", "0x7fffffff", "0x80000000", "0xffffffff"};

std::string random_test(Random &random, const Call &call)
{
	const char *relations[] = {"==", "!=", "<", "<=", ">", ">="};
	std::string argument = call.arguments[random() % call.arguments.size()],
		    value = values[random() % std::size(values)];

	switch (random() % 4) {
	case 0:
		return argument + " & 6 == " + (random() % 2 ? "2" : "0");
	case 1:
		return argument + " in {1, 3..5}";
	default:
		return argument + " " + relations[random() % std::size(relations)] + " " + value;
	}
}

std::string random_condition(Random &random, const Call &call)
{
	std::string test = random_test(random, call);

	switch (random() % 4) {
	case 0:
		return test + " and " + random_test(random, call);
	case 1:
		return "not (" + test + " or " + random_test(random, call) + ")";
	default:
		return test;
	}
}

std::string random_syscalls(Random &random)
{
	const char *verbs[] = {"allow", "deny", "kill", "log", "errno EIO"};
	std::string text = "syscalls {\n";

	for (unsigned n = random() % 6; n > 0; n--) {
		const Call &call = small_calls[random() % std::size(small_calls)];

		text += std::string(verbs[random() % std::size(verbs)]) + " " + call.name;
		if (random() % 4)
			text += "(" + random_condition(random, call) + ")";
		text += "\n";
	}
	return text + (random() % 2 ? "default deny }\n" : "default errno ENODEV }\n");
}

/* NULL where two rules without conditions contradict each other. */
Policy random_calls(Random &random)
{
	return try_parse("policy p\n" + random_syscalls(random));
}

const uint64_t small_arguments[] = {0, 1,          2,          3,          4,           5,
				    6, 0x7fffffff, 0x80000000, 0xffffffff, 0x100000000, ~0ull};

void each_argument(const std::function<void(const std::array<uint64_t, 6> &)> &fn)
{
	for (uint64_t a : small_arguments)
		for (uint64_t b : small_arguments)
			for (uint64_t c : small_arguments)
				fn({a, b, c, 0, 0, 0});
}

uint32_t action_of(sp_judge *judge, const std::array<uint64_t, 6> &argument,
		   std::string *rule = nullptr)
{
	sp_verdict verdict = {};

	sp_judge_ask(judge, argument.data(), nullptr, &verdict);
	if (rule)
		*rule = verdict.source;
	return verdict.action;
}

struct Asked {
	sp_judge *judge;
	std::vector<std::array<uint64_t, 6>> ways;
};

int ask(const uint64_t argument[SP_ARGUMENTS], sp_trace *trace, void *data)
{
	Asked *asked = static_cast<Asked *>(data);
	sp_verdict verdict = {};
	std::array<uint64_t, 6> copy;

	std::copy(argument, argument + 6, copy.begin());
	asked->ways.push_back(copy);
	sp_judge_ask(asked->judge, argument, trace, &verdict);
	return 0;
}

TEST_F(UniverseTest, EveryWayThroughTheTestsIsGoneOnce)
{
	Random random(6);

	for (int round = 0; round < 300; round++) {
		Policy policy = random_calls(random);

		if (!policy)
			continue;
		for (const Call &call : small_calls) {
			Asked asked = {};

			ASSERT_EQ(0, sp_judge_new(policy.get(), SP_FILTER_FLOOR,
						  sp_call_number(call.name), &asked.judge));
			ASSERT_EQ(0, sp_arguments_walk(ask, &asked));
			/* The way of an argument is the list of results of its tests. */
			auto way_of = [&](const std::array<uint64_t, 6> &argument) {
				sp_trace trace = {};
				sp_verdict verdict = {};
				std::string way;

				sp_judge_ask(asked.judge, argument.data(), &trace, &verdict);
				for (size_t i = 0; i < trace.count; i++)
					way += trace.list[i].holds ? '1' : '0';
				free(trace.list);
				return way;
			};
			std::set<std::string> ways;

			for (const auto &argument : asked.ways)
				EXPECT_TRUE(ways.insert(way_of(argument)).second);
			each_argument([&](const std::array<uint64_t, 6> &argument) {
				ASSERT_TRUE(ways.count(way_of(argument)));
			});
			sp_judge_free(asked.judge);
		}
	}
}

TEST_F(UniverseTest, DiffOfCallsAgreesWithBruteForce)
{
	Random random(7);
	int different = 0, same = 0;

	for (int round = 0; round < 150; round++) {
		Policy a = random_calls(random), b = random_calls(random);
		char *text = nullptr;

		if (!a || !b)
			continue;
		/* Of two defaults all calls differ; the small world has three. */
		int r = sp_policy_diff(a.get(), b.get(), &text);
		ASSERT_GE(r, 0);
		std::string shown = text;
		free(text);
		for (const Call &call : small_calls) {
			int nr = sp_call_number(call.name);
			sp_judge *first, *second;
			std::set<std::pair<std::string, std::string>> told;

			ASSERT_EQ(0, sp_judge_new(a.get(), SP_FILTER_FLOOR, nr, &first));
			ASSERT_EQ(0, sp_judge_new(b.get(), SP_FILTER_FLOOR, nr, &second));
			for (const Line &line : lines_of(shown))
				if (line.what.rfind(std::string(call.name) + "(", 0) == 0)
					told.insert({line.first, line.second});
			bool any = false;

			each_argument([&](const std::array<uint64_t, 6> &argument) {
				std::string rule[2];
				uint32_t x = action_of(first, argument, &rule[0]),
					 y = action_of(second, argument, &rule[1]);

				if (x == y)
					return;
				any = true;
				ASSERT_TRUE(told.count({rule[0], rule[1]})) << shown;
			});
			different += any;
			same += told.empty();
			sp_judge_free(first);
			sp_judge_free(second);
		}
	}
	EXPECT_GT(different, 50);
	EXPECT_GT(same, 10);
}

TEST_F(UniverseTest, ProofsAboutCallsAgreeWithBruteForce)
{
	Random random(8);
	int held = 0, failed = 0;

	for (int round = 0; round < 600; round++) {
		Policy policy = random_calls(random);
		const Call &call = small_calls[random() % std::size(small_calls)];
		std::string condition = random_condition(random, call);
		bool never = random() % 2;
		std::string statement =
		    std::string(never ? "never " : "always ") + call.name + "(" + condition + ")";
		std::string only = "policy p\nsyscalls { kill " + std::string(call.name) + "(" +
				   condition + "); default deny }";
		char *text = nullptr;
		sp_policy *where = nullptr;
		sp_judge *judge, *covers;
		bool violated = false;

		if (!policy)
			continue;
		ASSERT_EQ(0,
			  sp_policy_parse("p", only.data(), only.size(), nullptr, nullptr, &where))
		    << only;
		Policy owned(where);
		int r = sp_policy_prove(policy.get(), statement.c_str(), nullptr, nullptr, &text);
		ASSERT_GE(r, 0) << statement;
		std::string shown = text;
		free(text);
		ASSERT_EQ(0, sp_judge_new(policy.get(), SP_FILTER_FLOOR, sp_call_number(call.name),
					  &judge));
		ASSERT_EQ(0,
			  sp_judge_new(where, SP_FILTER_FLOOR, sp_call_number(call.name), &covers));
		each_argument([&](const std::array<uint64_t, 6> &argument) {
			uint32_t action = action_of(judge, argument);
			bool allowed = action == SECCOMP_RET_ALLOW || action == SECCOMP_RET_LOG;

			violated |= action_of(covers, argument) == SECCOMP_RET_KILL_PROCESS &&
				    allowed == never;
		});
		sp_judge_free(judge);
		sp_judge_free(covers);
		EXPECT_FALSE(r == 1 && violated) << statement << shown;
		/* The edges that the policies compare with are all in the small world. */
		EXPECT_FALSE(r == 0 && !violated) << statement << shown;
		(r ? held : failed)++;
	}
	EXPECT_GT(held, 50);
	EXPECT_GT(failed, 50);
}

/* ---- phases ---- */

const std::vector<const char *> phases = {"one", "two", "three"};

Policy random_phased(Random &random, std::string (*body)(Random &random))
{
	std::string text = "policy p\n";

	for (const char *phase : phases)
		text += std::string("phase ") + phase + " within of-" + phase + "\n";
	text += body(random);
	for (const char *phase : phases)
		text += std::string("policy of-") + phase + "\n" +
			(random() % 3 ? "" : "within further\n") + body(random);
	return try_parse(text + "policy further\n" + body(random));
}

std::vector<const char *> random_subset(Random &random)
{
	std::vector<const char *> subset;

	for (const char *phase : phases)
		if (random() % 2)
			subset.push_back(phase);
	return subset;
}

Policy in_phases(const Policy &policy, const std::vector<const char *> &names)
{
	sp_policy *narrowed = nullptr;

	EXPECT_EQ(0, sp_policy_in_phases(policy.get(), names.data(), names.size(), &narrowed));
	return Policy(narrowed);
}

/* What a porter has once they were entered there: nothing of sp_policy_in_phases() is in it. */
Rules entered(const Policy &policy, const std::vector<const char *> &names)
{
	Rules rules = load(compile(policy.get()));

	for (const char *name : names)
		EXPECT_EQ(0, sp_rules_enter(rules.get(), sp_phase_id(name)));
	return rules;
}

bool lets_through(uint32_t action)
{
	return action == SECCOMP_RET_ALLOW || action == SECCOMP_RET_LOG;
}

TEST_F(UniverseTest, APolicyInPhasesIsWhatEnteringThemMakesOfIt)
{
	Random random(11);
	const std::vector<std::string> names = small_names();
	int narrower = 0;

	for (int round = 0; round < 120; round++) {
		Policy policy = random_phased(random, random_files);
		std::vector<const char *> subset = random_subset(random);

		if (!policy)
			continue;
		Rules copy = load(compile(in_phases(policy, subset).get())),
		      porter = entered(policy, subset), before = entered(policy, {});
		for (const std::string &name : names) {
			sp_path_decision a = decide(copy, name), b = decide(porter, name);

			ASSERT_EQ(b.rights, a.rights) << name;
			ASSERT_EQ(b.ask, a.ask) << name;
			ASSERT_EQ(b.error, a.error) << name;
			ASSERT_EQ(b.standing, a.standing) << name;
			narrower += decide(before, name).rights != a.rights;
		}
	}
	EXPECT_GT(narrower, 1000);
}

/* The filters that a locked process has by then, of which the kernel takes the strictest. */
TEST_F(UniverseTest, ACallInPhasesIsAllowedWhereAllTheirFiltersAllowIt)
{
	Random random(12);
	int narrower = 0;

	for (int round = 0; round < 60; round++) {
		Policy policy = random_phased(random, random_syscalls);
		std::vector<const char *> subset = random_subset(random);

		if (!policy)
			continue;
		Policy copy = in_phases(policy, subset);
		Rules rules = load(compile(policy.get()));
		std::vector<sock_fprog> filters = {sp_rules_filter(rules.get())};

		for (size_t i = 0; i < sp_rules_phase_count(rules.get()); i++)
			for (const char *name : subset)
				if (sp_rules_phase(rules.get(), i).id == sp_phase_id(name))
					filters.push_back(sp_rules_phase(rules.get(), i).filter);
		for (const Call &call : small_calls) {
			int nr = sp_call_number(call.name);
			sp_judge *judge;

			ASSERT_EQ(0, sp_judge_new(copy.get(), SP_FILTER_LOCK, nr, &judge));
			each_argument([&](const std::array<uint64_t, 6> &argument) {
				seccomp_data data = {nr, SP_AUDIT_ARCH, 0, {}};
				bool allowed = true;

				std::copy(argument.begin(), argument.end(), data.args);
				for (const sock_fprog &filter : filters)
					allowed &= lets_through(sp_bpf_run(&filter, &data));
				ASSERT_EQ(allowed, lets_through(action_of(judge, argument)));
				narrower +=
				    !allowed && lets_through(sp_bpf_run(&filters[0], &data));
			});
			sp_judge_free(judge);
		}
	}
	EXPECT_GT(narrower, 1000);
}

/* The lines of a diff by the phase that they stand behind, "" before any. */
std::map<std::string, std::vector<Line>> sections_of(const std::string &text)
{
	std::istringstream stream(text);
	std::map<std::string, std::string> parts;
	std::map<std::string, std::vector<Line>> sections;
	std::string phase;

	for (std::string line; std::getline(stream, line);)
		if (line.rfind("in phase ", 0) == 0)
			phase = line.substr(9, line.size() - 10);
		else
			parts[phase] += line + "\n";
	for (const auto &part : parts)
		sections[part.first] = lines_of(part.second);
	return sections;
}

TEST_F(UniverseTest, DiffOfNamesInPhasesAgreesWithBruteForce)
{
	Random random(13);
	const std::vector<std::string> names = small_names();
	int news = 0;

	for (int round = 0; round < 60; round++) {
		Policy a = random_phased(random, random_files),
		       b = round % 3 ? random_phased(random, random_files) : nullptr;
		char *text = nullptr;

		if (!a || (round % 3 && !b))
			continue;
		/* The same policy but for its phases, a third of the time. */
		if (!b) {
			std::string one = "policy p\nfiles { read /**; write /a/** }\n", all = one;

			a = try_parse(one + "phase one within q\npolicy q\n" +
				      random_files(random));
			b = try_parse(one + "phase one within q\npolicy q\n" +
				      random_files(random));
			if (!a || !b)
				continue;
		}
		int r = sp_policy_diff(a.get(), b.get(), &text);
		ASSERT_GE(r, 0);
		std::string shown = text;
		free(text);
		auto sections = sections_of(shown);
		auto told = [&](const std::string &phase) {
			std::set<std::string> all;

			for (const Line &line : sections[phase]) {
				std::istringstream rights(
				    line.what.substr(0, line.what.find(" /")));

				for (std::string word; rights >> word;)
					all.insert(word.substr(0, word.find(',')) + line.first +
						   line.second);
			}
			return all;
		};
		std::set<std::string> before = told("");

		EXPECT_EQ(r == 1, shown != "");
		for (const char *phase : phases) {
			std::vector<const char *> entering = {phase};

			if (!sp_policy_phase_name(a.get(), 1) && phase != phases[0])
				break;
			Rules first = entered(a, entering), second = entered(b, entering);
			std::set<std::string> after = told(phase);

			news += !after.empty();
			for (const Line &line : sections[phase]) {
				size_t slash = line.what.find(" /"), colon = line.what.rfind(": ");
				std::string name = line.what.substr(slash + 1, colon - slash - 1),
					    word =
						line.what.substr(0, line.what.find_first_of(", "));

				EXPECT_TRUE(differs(decide(first, name), decide(second, name),
						    sp_right_find(word.c_str())))
				    << shown;
			}
			for (const std::string &name : names)
				for (uint32_t right = 1; right <= SP_RIGHT_ALL; right <<= 1) {
					std::string is = sp_right_name(right) +
							 rule_of(first, name, right) +
							 rule_of(second, name, right);

					if (differs(decide(first, name), decide(second, name),
						    right)) {
						ASSERT_TRUE(after.count(is) || before.count(is))
						    << phase << name << is << "\n"
						    << shown;
					}
				}
		}
	}
	EXPECT_GT(news, 20);
}

TEST_F(UniverseTest, ProofsInPhasesAgreeWithBruteForce)
{
	Random random(14);
	const std::vector<std::string> names = small_names();
	int held = 0, failed = 0;

	for (int round = 0; round < 300; round++) {
		Policy policy = random_phased(random, random_files);
		std::vector<const char *> subset = random_subset(random);
		bool never = random() % 4;
		std::string right = random() % 2 ? "read" : "write",
			    pattern = random_pattern(random),
			    statement = (never ? "never " : "always ") + right + " " + pattern;
		char *text = nullptr;

		if (!policy)
			continue;
		Policy copy = in_phases(policy, subset);
		Rules porter = entered(policy, subset);
		int r = sp_policy_prove(copy.get(), statement.c_str(), nullptr, nullptr, &text);

		ASSERT_GE(r, 0) << statement;
		free(text);
		bool violated = false;

		for (const std::string &name : names) {
			int how = level(decide(porter, name), sp_right_find(right.c_str()));

			if (matched_by_glob({{pattern, 0}}, name).count(0))
				violated |= never ? how > 0 : how < 2;
		}
		/* A counterexample may lie outside of the small world, none inside may be missed. */
		EXPECT_FALSE(r == 1 && violated) << statement;
		(r ? held : failed)++;
	}
	EXPECT_GT(held, 50);
	EXPECT_GT(failed, 50);
}

TEST_F(UniverseTest, PhasesOfTwoPoliciesAreComparedByName)
{
	auto compared = [](const std::string &a, const std::string &b) {
		char *text = nullptr;

		EXPECT_GE(
		    sp_policy_diff(sallyport::parse(a).get(), sallyport::parse(b).get(), &text), 0);
		std::string shown = text;
		free(text);
		return shown;
	};
	std::string same = "policy p\nphase late within q\nsyscalls { allow dup, pipe }\n"
			   "files { read /a/** }\npolicy q\n";

	EXPECT_EQ("", compared(same + "syscalls { allow dup }", same + "syscalls { allow dup }"));
	std::string missing =
	    compared(same, "policy p\nsyscalls { allow dup, pipe }\nfiles { read /a/** }");

	/* Where there are phases, filters may be added. */
	EXPECT_EQ(0u,
		  missing.find("- seccomp(SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, 0)"))
	    << missing;
	EXPECT_NE(std::string::npos, missing.find("\n~ phase late: named | not named\n"))
	    << missing;
	EXPECT_EQ("in phase late:\n"
		  "- dup(0): allow | deny as ENOSYS\n"
		  "    first   test.policy:3:18\n    second  built in: default deny as ENOSYS\n"
		  "+ read /a: deny as EACCES | granted\n"
		  "    first   no rule grants it\n    second  test.policy:4:14\n",
		  compared(same + "syscalls { allow dup }", same + "files { read /** }"));
	/* What differs before stays, and is told once. */
	std::string other = same;

	other.replace(other.find("read /a"), 7, "read /b");
	EXPECT_EQ(
	    std::string::npos,
	    compared(same + "files { read /** }", other + "files { read /** }").find("in phase"));
}

TEST_F(UniverseTest, PhasesThatThereAreNot)
{
	Policy policy = sallyport::parse("policy p\nphase late within q\npolicy q");
	const char *names[] = {"late", "early"};
	sp_policy *narrowed = nullptr;

	EXPECT_EQ(-ENOENT, sp_policy_in_phases(policy.get(), names, 2, &narrowed));
	EXPECT_EQ(nullptr, narrowed);
	EXPECT_STREQ("late", sp_policy_phase_name(policy.get(), 0));
	EXPECT_EQ(nullptr, sp_policy_phase_name(policy.get(), 1));
	/* Of too many that would bound each other none is left out. */
	std::string text = "policy p\nphase a within x0\nphase b within x0\n";

	for (int i = 0; i < 8; i++)
		text += "policy x" + std::to_string(i) + "\n" +
			(i < 7 ? "within x" + std::to_string(i + 1) + "\n" : "");
	policy = sallyport::parse(text);
	const char *both[] = {"a", "b"};

	EXPECT_EQ(-E2BIG, sp_policy_in_phases(policy.get(), both, 2, &narrowed));
	ASSERT_EQ(0, sp_policy_in_phases(policy.get(), both, 1, &narrowed));
	sp_policy_unref(narrowed);
}

/* Limits and layers are those of the launch; that there is one process the filter sees to. */
TEST_F(UniverseTest, ThePartsOfAPhaseThatComeTooLateAreNotTold)
{
	Policy policy = sallyport::parse(
	    "policy p\nphase late within q\nlimits { memory 1G }\nisolate { user; pid }\n"
	    "policy q\nlimits { memory 1M; cpu 1s; processes 1 }\nisolate { user; pid; uts }\n");
	Rules before = entered(policy, {}),
	      after = load(compile(in_phases(policy, {"late"}).get()));

	EXPECT_EQ(sp_rules_limits(before.get())->memory, sp_rules_limits(after.get())->memory);
	EXPECT_EQ(0u, sp_rules_limits(after.get())->cpu);
	EXPECT_EQ(1u, sp_rules_limits(after.get())->processes);
	EXPECT_EQ(sp_rules_isolate(before.get()), sp_rules_isolate(after.get()));
}

/* What is shown means what was shown: of rules of all ranks, for all arguments and names. */
TEST_F(UniverseTest, WhatIsShownMeansTheSame)
{
	Random random(9);

	for (int round = 0; round < 150; round++) {
		std::string texts[2];
		const char *verbs[] = {"allow", "deny", "kill", "log", "errno EIO", "deny"};

		for (std::string &text : texts) {
			for (unsigned n = random() % 5; n > 0; n--) {
				const Call &call = small_calls[random() % std::size(small_calls)];
				std::string verb = verbs[random() % std::size(verbs)];

				text += verb + " " + call.name + "(" +
					random_condition(random, call) + ")" +
					(verb == "deny" && random() % 2 ? " as ENODEV" : "") + "\n";
			}
			if (random() % 2)
				text += "allow @memory, kill\n";
		}
		Policy policy;
		std::string all = "policy p\n" + std::string(round % 3 ? "include" : "within") +
				  " q\nsyscalls {\n" + texts[0] + "}\nfiles { read \"" +
				  random_pattern(random) + "\" }\npolicy q\nsyscalls {\n" +
				  texts[1] + "}\nfiles { read, write \"" + random_pattern(random) +
				  "\" }\n";
		sp_policy *raw = nullptr;
		char *shown = nullptr, *text = nullptr;

		ASSERT_EQ(0, sp_policy_parse("p", all.data(), all.size(), nullptr, nullptr, &raw))
		    << all;
		policy.reset(raw);
		ASSERT_EQ(0,
			  sp_policy_show(raw, SP_POLICY_FORM_TEXT, SP_POLICY_FILTER_ALONE, &shown));
		std::string copy = shown;
		free(shown);
		Policy again = sallyport::parse(copy);
		ASSERT_TRUE(again) << copy;
		ASSERT_EQ(0, sp_policy_diff(raw, again.get(), &text)) << all << copy << text;
		free(text);
	}
}

/* ---- what is compared beside ---- */

int diff(const std::string &a, const std::string &b, std::string *ret_text)
{
	Policy first = sallyport::parse("policy p\n" + a),
	       second = sallyport::parse("policy p\n" + b);
	char *text = nullptr;
	int r = sp_policy_diff(first.get(), second.get(), &text);

	*ret_text = r < 0 ? "" : text;
	free(text);
	return r;
}

TEST_F(UniverseTest, LimitsAndLayersAreCompared)
{
	std::string text;

	EXPECT_EQ(0, diff("", "", &text));
	EXPECT_EQ("", text);
	EXPECT_EQ(1, diff("limits { memory 64M; files 5 }\nisolate { user; pid; uts }",
			  "limits { files 6 }\nisolate { user; pid; uts optional; ipc }", &text));
	EXPECT_EQ(
	    "+ limit memory: 67108864B | unlimited\n+ limit files: 5 | 6\n"
	    "- isolate ipc: not built | built\n+ isolate uts: built | built where it can be\n",
	    text);
}

TEST_F(UniverseTest, OtherWordsForTheSameAreNoDifference)
{
	std::string text;

	EXPECT_EQ(0, diff("syscalls { allow dup(fd < 3) }",
			  "syscalls { allow dup(fd in {0, 1}), dup(fd == 2) }", &text))
	    << text;
	EXPECT_EQ(0, diff("syscalls { allow dup(fd != 3) }",
			  "syscalls { allow dup; deny dup(fd == 3) as "
			  "ENOSYS }",
			  &text))
	    << text;
	EXPECT_EQ(0, diff("files { read /a/**; deny /a/b/** }",
			  "files { read /a, /a/**; deny /a/b, /a/b/** ; deny /a/b/c/* }", &text))
	    << text;
	EXPECT_EQ(
	    0, diff("files { read /a/** }", "files { read /a, /a/*, /a/*/*/** , /a/*/* }", &text));
	EXPECT_EQ(1, diff("files { read /a/** }", "files { read /a, /a/*, /a/*/*/*/** }", &text));
	EXPECT_EQ(1, diff("files { read /a/[ab]* }", "files { read /a/[a-c]* }", &text));
	EXPECT_EQ(
	    "+ read /a/c: deny as EACCES | granted\n    first   no rule grants it\n    second  "
	    "test.policy:2:14\n",
	    text);
}

TEST_F(UniverseTest, Statements)
{
	Policy policy =
	    sallyport::parse("policy p\nsyscalls { allow socket(domain == AF_UNIX); deny unlink }\n"
			     "files { read /a/**; delete /t/*; deny /a/x as ENOENT }");
	auto prove = [&](const char *statement) {
		char *text = nullptr;
		int r = sp_policy_prove(policy.get(), statement, nullptr, nullptr, &text);

		std::string shown = r < 0 ? "" : text;
		free(text);
		return std::make_pair(r, shown);
	};

	EXPECT_EQ(std::make_pair(1, std::string("  for all names\n")), prove("never write /**"));
	EXPECT_EQ(std::make_pair(0, std::string("  read /a is granted\n  by test.policy:3:14\n")),
		  prove("never read, write /a/**"));
	EXPECT_EQ(std::make_pair(0, std::string("  read /a/x is denied\n  by test.policy:3:39\n")),
		  prove("always read \"/a/**\" "));
	EXPECT_EQ(1, prove("always read /a/[!x]").first);
	EXPECT_EQ(std::make_pair(1, std::string("  for all arguments\n")),
		  prove("never socket(domain == AF_INET)"));
	EXPECT_EQ(1, prove("never socket with domain in {AF_INET, AF_INET6}").first);
	EXPECT_EQ(1, prove("always socket(domain == AF_UNIX)").first);
	EXPECT_EQ(std::make_pair(0, std::string("  socket(AF_UNIX, 0, IPPROTO_IP) is allowed\n  by "
						"test.policy:2:18\n")),
		  prove("never socket"));
	EXPECT_EQ(1, prove("never unlink").first); /* the rule against the call */
	EXPECT_EQ(0, prove("never rmdir").first);
	EXPECT_EQ(1, prove("never execve").first);
	EXPECT_EQ(0, prove("never exit_group").first);
	EXPECT_EQ(1, prove("always exit_group").first);
}

TEST_F(UniverseTest, MistakesInAStatement)
{
	Policy policy = sallyport::parse("policy p");
	const struct {
		const char *statement, *diagnostic;
	} cases[] = {
	    {"", "statement:1:1: error: a statement begins with \"never\" or \"always\"\n"},
	    {"nver read /x",
	     "statement:1:1: error: a statement begins with \"never\" or \"always\"\n  nver read "
	     "/x\n  ^~~~\n  did you mean \"never\"?\n"},
	    {"never", "statement:1:6: error: expected a right, like never write /etc/**, or a "
		      "system call\n  "
		      "never\n       ^\n"},
	    {"never sokcet",
	     "statement:1:7: error: expected a right, like never write /etc/**, or a system "
	     "call\n  never sokcet\n        ^~~~~~\n  did you mean \"socket\"?\n"},
	    {"never read x",
	     "statement:1:12: error: expected a right, or an absolute path or pattern\n  never "
	     "read x\n             ^\n"},
	    {"never read, wirte /x",
	     "statement:1:13: error: expected a right, or an absolute path or "
	     "pattern\n  never read, wirte /x\n              ^~~~~\n  did you mean "
	     "\"write\"?\n"},
	    {"never read /x/../y",
	     "statement:1:15: error: '..' is not allowed in a pattern; write the name "
	     "that it leads to\n  never read /x/../y\n                ^\n"},
	    {"never read \"/x",
	     "statement:1:12: error: the string has no end\n  never read \"/x\n          "
	     "   ^\n"},
	    {"never socket(domian == 1)",
	     "statement:1:14: error: \"socket\" has no argument \"domian\"\n      "
	     "  socket(domian == 1)\n               ^~~~~~\n  did you mean "
	     "\"domain\"?\n"},
	    {"never socket with type = 1",
	     "statement:1:24: error: a comparison is written \"==\"\n        socket "
	     "    (type = 1)\n                         ^\n"},
	    {"always open",
	     "statement:1:8: error: the call takes a name: what is always allowed is a right, "
	     "like always read /usr/**\n  always open\n         ^~~~\n"},
	    {"never open(flags == 1)",
	     "statement:1:12: error: \"open\" takes no conditions: it is brokered, and "
	     "the section \"files\" decides\n        open(flags == 1)\n             ^~~~~\n"},
	};

	for (const auto &c : cases) {
		std::string diagnostics;
		char *text = nullptr;

		EXPECT_EQ(-EINVAL,
			  sp_policy_prove(policy.get(), c.statement, sallyport::append_diagnostic,
					  &diagnostics, &text))
		    << c.statement;
		EXPECT_EQ(c.diagnostic, diagnostics);
	}
}

/* ---- cases ---- */

struct CaseRun {
	int r;
	sp_test_result result;
	std::string failures, diagnostics;
};

CaseRun test(const std::string &policy_text, const std::string &text)
{
	CaseRun run = {};
	sp_policy_options options = {};
	sp_policy *policy = nullptr;
	char *failures = nullptr;

	options.keep = true;
	EXPECT_EQ(0, sp_policy_parse_with("p", policy_text.data(), policy_text.size(), &options,
					  nullptr, nullptr, &policy));
	Policy owned(policy);
	run.r = sp_policy_run_tests(policy, "cases", text.data(), text.size(),
				    sallyport::append_diagnostic, &run.diagnostics, &run.result,
				    &failures);
	run.failures = run.r < 0 ? "" : failures;
	free(failures);
	return run;
}

const char tested[] =
    "policy p\nsyscalls { allow dup; log dup2; errno EIO pause; kill alarm; trap 5 getrusage;\n"
    "kill thread sync; ask getpgid }\nfiles { read /a/**; deny /a/x as ENOENT }\n"
    "# test: dup(1) -> allow\n\t# test: dup(2) -> deny\n";

TEST_F(UniverseTest, CasesPassAndFail)
{
	CaseRun run = test(
	    tested,
	    "# all verdicts\nopen \"/a/b\" O_RDONLY -> allow\nopen(\"/a/x\", O_RDONLY) -> deny as "
	    "ENOENT # why\n\n  dup2(1, 2) -> log\npause -> errno EIO\npause() -> errno\r\nalarm 1 "
	    "-> "
	    "kill\nsync -> kill thread\ngetrusage RUSAGE_SELF NULL -> trap 5\ngetrusage -> trap\n"
	    "getpgid 0 -> ask\nopen \"/b\" O_RDONLY -> deny\nsocket AF_UNIX -> deny as 38\n");

	EXPECT_EQ(0, run.r) << run.diagnostics;
	EXPECT_EQ(12u, run.result.cases);
	EXPECT_EQ("", run.failures);
	run =
	    test(tested, "dup 1 -> deny\nopen \"/a/x\" O_RDONLY -> deny as EACCES\npause -> deny\n"
			 "sync -> kill\nalarm 1 -> kill thread\ngetrusage -> trap 6\n");
	EXPECT_EQ(0, run.r);
	EXPECT_EQ(6u, run.result.failed);
	EXPECT_EQ(0u, run.failures.find(
			  "cases:1:1: expected deny, but: allow: dup 1\n  by p:2:18\n        | "
			  "syscalls { allow dup;"))
	    << run.failures;
	EXPECT_NE(std::string::npos,
		  run.failures.find("cases:2:1: expected deny as EACCES, but: deny as ENOENT: "
				    "open \"/a/x\" O_RDONLY: no right to read\n"));
	/* A policy's own comments. */
	run = test(tested, tested);
	EXPECT_EQ(0, run.r) << run.diagnostics;
	EXPECT_EQ(2u, run.result.cases);
	EXPECT_EQ(1u, run.result.failed);
	EXPECT_EQ(0u, run.failures.find("cases:6:10: expected deny, but: allow: dup(2)\n"))
	    << run.failures;
}

TEST_F(UniverseTest, CasesOfSuccess)
{
	const char text[] = "policy p\nsyscalls { errno 0 sync; errno EIO pause }\n";
	CaseRun run =
	    test(text, "sync -> errno 0\nsync -> errno\npause -> errno 0\nsync -> errno EIO\n");

	EXPECT_EQ(4u, run.result.cases);
	EXPECT_EQ(2u, run.result.failed);
	EXPECT_EQ(0u, run.failures.find("cases:3:1: expected errno 0, but: errno EIO: pause\n"))
	    << run.failures;
	EXPECT_NE(std::string::npos,
		  run.failures.find("cases:4:1: expected errno EIO, but: errno 0: sync\n"))
	    << run.failures;
}

TEST_F(UniverseTest, CasesInPhases)
{
	const char phased[] = "policy p\nphase late within q\nphase later within r\n"
			      "syscalls { allow dup, pipe, alarm }\npolicy q\n"
			      "syscalls { allow dup, pipe; deny alarm as EIO }\npolicy r\n"
			      "syscalls { allow dup, alarm }\n";
	CaseRun run = test(phased, "pipe 0 -> allow\nin phase late: pipe 0 -> allow\n"
				   "in phase late: alarm 1 -> deny as EIO\nalarm 1 -> allow\n"
				   " in  phase later : pipe(0) -> deny as ENOSYS\n"
				   "in phase later: alarm 1 -> allow\n"
				   "in phase late, later: dup 1 -> allow\n"
				   "in phase later,late: pipe 1 -> deny\n"
				   "in phase later, late: alarm 1 -> deny\n");

	EXPECT_EQ(0, run.r) << run.diagnostics;
	EXPECT_EQ(9u, run.result.cases);
	EXPECT_EQ("", run.failures);
	run = test(phased, "in phase later: pipe 0 -> allow\n");
	EXPECT_EQ(0, run.r);
	EXPECT_EQ(0u,
		  run.failures.find("cases:1:17: expected allow, but: deny as ENOSYS: pipe 0\n"))
	    << run.failures;
	EXPECT_NE(std::string::npos, run.failures.find("(of the phase later)")) << run.failures;

	const struct {
		const char *policy, *text, *diagnostic;
	} cases[] = {
	    {phased, "in phase lat: dup 1 -> allow\n",
	     "cases:1:10: error: the policy has no such phase\n  in phase lat: dup 1 -> allow\n"
	     "           ^~~\n  did you mean \"late\"?\n"},
	    {"policy p", "in phase x: dup 1 -> deny\n",
	     "cases:1:10: error: the policy has no phases\n  in phase x: dup 1 -> deny\n"
	     "           ^\n"},
	    {phased, "in late: dup 1 -> allow\n",
	     "cases:1:4: error: expected \"phase\": a case may begin with in which phases its call "
	     "is made, like in phase parsing: open \"/x\" O_RDONLY -> deny\n"
	     "  in late: dup 1 -> allow\n     ^\n"},
	    {phased, "in phase late dup 1 -> allow\n",
	     "cases:1:15: error: expected ',' and another phase, or ':' and the call\n"
	     "  in phase late dup 1 -> allow\n                ^\n"},
	    {phased, "in phase late,\n",
	     "cases:1:15: error: the policy has no such phase\n  in phase late,\n"
	     "                ^\n"},
	};

	for (const auto &c : cases) {
		run = test(c.policy, c.text);
		EXPECT_EQ(-EINVAL, run.r) << c.text;
		EXPECT_EQ(c.diagnostic, run.diagnostics);
	}
}

TEST_F(UniverseTest, MistakesInCases)
{
	const struct {
		const char *text, *diagnostic;
	} cases[] = {
	    {"dup 1\n",
	     "cases:1:5: error: a case is a call, then \"->\" and its verdict, like open \"/x\" "
	     "O_RDONLY -> deny\n  dup 1\n      ^\n"},
	    {"dup 1 ->\n",
	     "cases:1:9: error: expected allow, log, ask, deny, errno, trap or kill\n  dup 1 ->\n  "
	     "        ^\n"},
	    {"\ndup 1 -> alow\n",
	     "cases:2:10: error: expected allow, log, ask, deny, errno, trap or kill\n  dup 1 "
	     "-> alow\n           ^~~~\n  did you mean \"allow\"?\n"},
	    {"dup 1 -> deny as ENOET\n",
	     "cases:1:18: error: expected an errno\n  dup 1 -> deny as ENOET\n         "
	     "          ^~~~~\n  did you mean \"ENOENT\"?\n"},
	    {"dup 1 -> allow it\n",
	     "cases:1:16: error: the case is complete before this\n  dup 1 -> allow it\n     "
	     "            ^~\n"},
	    {"dup 1 -> trap x\n",
	     "cases:1:15: error: expected the number of the trap\n  dup 1 -> trap x\n        "
	     "        ^\n"},
	    {"dpu 1 -> allow\nopen O_RDONL -> deny\n",
	     "cases:1:1: error: unknown system call \"dpu\"\n  dpu 1 -> allow\n  ^~~\n  did you "
	     "mean \"dup\"?\n"
	     "cases:2:6: error: unknown constant \"O_RDONL\"\n  open O_RDONL -> deny\n       "
	     "^~~~~~~\n  did you "
	     "mean \"O_RDONLY\"?\n"},
	};

	for (const auto &c : cases) {
		CaseRun run = test("policy p\nsyscalls { allow dup }", c.text);

		EXPECT_EQ(-EINVAL, run.r);
		EXPECT_EQ(c.diagnostic, run.diagnostics);
	}
}

} // namespace
