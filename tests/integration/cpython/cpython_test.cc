/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CPython's own tests, as Debian ships them, say in a sandbox what they say natively. What may differ stands in
 * exceptions.def, each with its reason.
 */
#include <fnmatch.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <ostream>
#include <sstream>
#include <string>
#include <vector>

#include "tests/integration/programs/scratch.h"
#include "tests/support/paths.h"

namespace
{

using sallyport::Outcome;

const char kSuite[] = "/usr/lib/python3.11/test/__init__.py";

/* ---- what may differ ---- */

enum Who { ANYBODY, ROOT, OTHERS };
enum Way { NOTIFY = 1, TRAP = 2, BOTH = NOTIFY | TRAP };

/* With sockets of the Internet protocols, in a network of the sandbox's own: there, nothing may differ. */
const int INSIDE = 4;

struct Exception {
	Who who;
	int ways;
	const char *test, *said, *reason; /* patterns of fnmatch(3) */
};

const Exception kExceptions[] = {
#define EXCEPTION(who, test, said, reason) {who, BOTH, test, said, reason},
#define TRAPPED(test, said, reason) {ANYBODY, TRAP, test, said, reason},
#include "tests/integration/cpython/exceptions.def"
#undef EXCEPTION
#undef TRAPPED
};

bool Concerns(const Exception &exception, Way way)
{
	return (exception.ways & way) &&
	       (exception.who == ANYBODY || (exception.who == ROOT) == (geteuid() == 0));
}

/* ---- verdicts ---- */

struct Verdict {
	std::string verdict;
	std::vector<std::string> said; /* lines */
};

using Verdicts = std::map<std::string, Verdict>;

/* A test that fails in several ways has several lines; the first stands. */
Verdicts Parse(const std::string &text)
{
	std::istringstream lines(text);
	Verdicts verdicts;
	Verdict *last = nullptr;

	for (std::string line; std::getline(lines, line);) {
		size_t blank = line.find(' ');

		if (line.compare(0, 4, "    ") == 0) {
			if (last)
				last->said.push_back(line.substr(4));
			continue;
		}
		auto entry = verdicts.insert({line.substr(blank + 1), {line.substr(0, blank), {}}});

		last = entry.second ? &entry.first->second : nullptr;
	}
	return verdicts;
}

int CountSuccesses(const Verdicts &verdicts)
{
	int count = 0;

	for (const auto &entry : verdicts)
		count += entry.second.verdict == "ok";
	return count;
}

bool Says(const Verdict &verdict, const char *pattern)
{
	for (const std::string &line : verdict.said)
		if (fnmatch(pattern, line.c_str(), 0) == 0)
			return true;
	return false;
}

std::string Join(const Verdict &verdict)
{
	std::string text = verdict.verdict + "\n";

	for (const std::string &line : verdict.said)
		text += "    " + line + "\n";
	return text;
}

/* A test that is not the same natively and in a sandbox; NULL: it was not run there. */
struct Difference {
	const Verdict *native, *sandboxed;
};

using Differences = std::map<std::string, Difference>;

Differences Compare(const Verdicts &native, const Verdicts &sandboxed)
{
	Differences differences;

	for (const auto &[name, verdict] : native) {
		auto other = sandboxed.find(name);

		if (other == sandboxed.end())
			differences[name] = {&verdict, nullptr};
		else if (other->second.verdict != verdict.verdict)
			differences[name] = {&verdict, &other->second};
	}
	for (const auto &[name, verdict] : sandboxed)
		if (native.count(name) == 0)
			differences[name] = {nullptr, &verdict};
	return differences;
}

bool Explains(const Exception &exception, Way way, const std::string &name,
	      const Difference &difference)
{
	if (!Concerns(exception, way) || fnmatch(exception.test, name.c_str(), 0) != 0)
		return false;
	return (difference.sandboxed && Says(*difference.sandboxed, exception.said)) ||
	       (difference.native && Says(*difference.native, exception.said));
}

bool IsException(Way way, const std::string &name, const Difference &difference)
{
	for (const Exception &exception : kExceptions)
		if (Explains(exception, way, name, difference))
			return true;
	return false;
}

std::string Describe(const std::string &name, const Difference &difference)
{
	return name + "\n  natively " +
	       (difference.native ? Join(*difference.native) : "not run\n") + "  in a sandbox " +
	       (difference.sandboxed ? Join(*difference.sandboxed) : "not run\n");
}

/* Exceptions that speak of these tests, and have no difference to explain. What a machine lacks is skipped natively. */
std::string Idle(Way way, const Verdicts &native, const Differences &differences)
{
	std::string idle;

	for (const Exception &exception : kExceptions) {
		bool speaks = false, explains = false;

		for (const auto &entry : native)
			speaks |= Concerns(exception, way) && entry.second.verdict == "ok" &&
				  fnmatch(exception.test, entry.first.c_str(), 0) == 0;
		for (const auto &[name, difference] : differences)
			explains |= Explains(exception, way, name, difference);
		if (speaks && !explains)
			idle += std::string(exception.test) + ": " + exception.said + "\n";
	}
	return idle;
}

/* ---- modules ---- */

struct Module {
	const char *name;  /* of the test */
	int ways;          /* in which it runs */
	const char *tests; /* arguments of verdicts.py */
};

void PrintTo(const Module &module, std::ostream *stream)
{
	*stream << module.tests;
}

/* These take a minute and a half together. */
const Module kQuick[] = {
#define QUICK(name, ways, tests) {#name, ways, tests},
#define SLOW(name, ways, tests)
#include "tests/integration/cpython/modules.def"
#undef QUICK
#undef SLOW
};

/* And these a quarter of an hour. */
const Module kSlow[] = {
#define QUICK(name, ways, tests)
#define SLOW(name, ways, tests) {#name, ways, tests},
#include "tests/integration/cpython/modules.def"
#undef QUICK
#undef SLOW
};

std::string ReadText(const std::string &path)
{
	std::ifstream stream(path);
	std::ostringstream text;

	text << stream.rdbuf();
	return text.str();
}

struct Interception {
	Way way;
	const char *word, *options;
};

/* An ordinary program that may give sockets names below its folder. */
const char kPolicy[] = "policy cpython(folder)\ninclude program\n"
		       "network { bind unix ${folder}/**; connect unix ${folder}/** }\n";

/* One that serves itself. */
const char kInside[] = "policy inside(folder)\ninclude program\nfiles { read ${folder}/** }\n"
		       "syscalls { allow socket(domain == AF_INET), socket(domain == AF_INET6), "
		       "bind, listen, accept,\n"
		       "           accept4, connect; deny socket as EAFNOSUPPORT }\n";

#define OPTIONS "-p ./sockets.policy -D folder=\"$PWD\" -w . -w /dev/shm"
const char kExecute[] = OPTIONS " --execute . --execute /usr";

/* Who is in a process with a runtime executes nothing. */
const Interception kNotify = {NOTIFY, "notify", kExecute}, kAuto = {NOTIFY, "auto", kExecute},
		   kTrap = {TRAP, "trap", OPTIONS};

class CPython : public sallyport::ScratchTest, public testing::WithParamInterface<Module>
{
      protected:
	/* The verdicts of one run, in a fresh tree; natively without an interception. */
	void Collect(const Interception *interception, Verdicts *ret_verdicts);

	/* Differences without an exception, by name. */
	void Find(const Interception &interception, const Verdicts &native,
		  std::map<std::string, std::string> *ret_found);

	/* A test that gives no steady verdict natively has little to say: what differs, differs again. */
	void Judge(const Interception &interception, const Verdicts &native);
};

void CPython::Collect(const Interception *interception, Verdicts *ret_verdicts)
{
	const std::string command = std::string("/usr/bin/python3 verdicts.py ") + GetParam().tests;

	ASSERT_NO_FATAL_FAILURE(MakeTree(""));
	Write("sockets.policy", GetParam().ways & INSIDE ? kInside : kPolicy);
	Write("verdicts.py", ReadText(std::string(sp_test_source_dir()) +
				      "/tests/integration/cpython/verdicts.py"));
	const Outcome outcome =
	    interception ? RunSandboxed(interception->options, command, interception->word)
			 : RunNative(command);

	ASSERT_EQ(0, outcome.status) << outcome.errors;
	*ret_verdicts = Parse(outcome.tree.at("verdicts").substr(sizeof("100644")));
}

void CPython::Find(const Interception &interception, const Verdicts &native,
		   std::map<std::string, std::string> *ret_found)
{
	Verdicts sandboxed;

	ASSERT_NO_FATAL_FAILURE(Collect(&interception, &sandboxed));
	const Differences differences = Compare(native, sandboxed);

	for (const auto &[name, difference] : differences)
		if (GetParam().ways & INSIDE || !IsException(interception.way, name, difference))
			(*ret_found)[name] = Describe(name, difference);
	if (GetParam().ways & INSIDE)
		return;
	const std::string idle = Idle(interception.way, native, differences);

	if (!idle.empty())
		(*ret_found)["exceptions.def"] = "nothing to explain: " + idle;
}

void CPython::Judge(const Interception &interception, const Verdicts &native)
{
	std::map<std::string, std::string> found, again;
	Verdicts anew;

	ASSERT_NO_FATAL_FAILURE(Find(interception, native, &found));
	if (found.empty())
		return;
	ASSERT_NO_FATAL_FAILURE(Collect(nullptr, &anew));
	ASSERT_NO_FATAL_FAILURE(Find(interception, anew, &again));
	for (const auto &[name, text] : found)
		if (again.count(name))
			ADD_FAILURE() << text;
}

TEST_P(CPython, SaysInASandboxWhatItSaysNatively)
{
	const char *wish = getenv("SP_TEST_INTERCEPTION");
	Verdicts native;

	if (access(kSuite, R_OK) < 0)
		GTEST_SKIP() << "the package libpython3.11-testsuite is not installed";
	ASSERT_NO_FATAL_FAILURE(Collect(nullptr, &native));
	ASSERT_LT(0, CountSuccesses(native));
	if (wish && strcmp(wish, "auto") == 0) {
		Judge(kAuto, native);
		return;
	}
	for (const Interception &interception : {kNotify, kTrap}) {
		SCOPED_TRACE(interception.word);
		if (GetParam().ways & interception.way)
			Judge(interception, native);
	}
}

std::string NameOf(const testing::TestParamInfo<Module> &info)
{
	return info.param.name;
}

INSTANTIATE_TEST_SUITE_P(Quick, CPython, testing::ValuesIn(kQuick), NameOf);
INSTANTIATE_TEST_SUITE_P(Slow, CPython, testing::ValuesIn(kSlow), NameOf);

} // namespace
