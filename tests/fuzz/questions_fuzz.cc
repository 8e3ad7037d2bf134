// SPDX-License-Identifier: Apache-2.0
// Any question to a policy: a call to explain, test cases, a statement to prove. Each has an answer, or mistakes that a
// terminal can show; the answer holds nothing that a terminal or a reader of JSON must not see, and is the same
// whichever way it was asked for.
#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>

#include <sallyport/policy.h>

namespace
{

// Longer ones say nothing new, and take longer.
constexpr size_t kTextMax = 4096;

const char kPolicy[] =
    "policy asked\n"
    "include parser\n"
    "phase reading within reading\n"
    "phase done within done\n"
    "within house\n"
    "syscalls {\n"
    "	allow ioctl(request in {TCGETS, FIONREAD}, fd <= 2), socket(domain == AF_UNIX)\n"
    "	ask getrusage, mkdir; log dup2(oldfd & 6 == 2 or newfd > 7); errno EIO pause\n"
    "	trap 7 sync; kill thread alarm; kill tgkill(sig == SIGKILL); deny rename as EXDEV\n"
    "}\n"
    "files {\n"
    "	read /none/**; read, write, create, delete /none/own/*.tmp; ask read /none/asked\n"
    "	deny /none/private/** as ENOENT; read, execute /none/bin/?[a-f]*\n"
    "}\n"
    "policy reading\ninclude parser\nfiles { read /none/** }\n"
    "policy done\nsyscalls { allow @default, @memory; default errno ENODEV }\n"
    "policy house\nsyscalls { allow @system-service; deny pipe2(flags & O_DIRECT != 0) as EUSERS "
    "}\n"
    "files { read, write, create, delete, execute /**; deny /none/own/x as EROFS }\n";

[[noreturn]] void fail(const char *what, const std::string &detail)
{
	fprintf(stderr, "questions_fuzz: %s: %s\n", what, detail.c_str());
	abort();
}

bool printable(char byte)
{
	return byte == '\t' || byte == '\n' || (byte >= 0x20 && byte < 0x7f);
}

void check_text(const char *what, const std::string &text)
{
	if (!std::all_of(text.begin(), text.end(), printable))
		fail(what, text);
}

void count_mistake(const struct sp_diagnostic *diagnostic, void *data)
{
	const std::string text = diagnostic->text;

	if (diagnostic->line == 0 || diagnostic->column == 0 || !*diagnostic->message)
		fail("a mistake without a place or a message", text);
	check_text("a mistake that a terminal must not see", text);
	++*static_cast<size_t *>(data);
}

struct Unref {
	void operator()(struct sp_policy *policy) const
	{
		sp_policy_unref(policy);
	}
};
using Policy = std::unique_ptr<struct sp_policy, Unref>;

Policy load()
{
	struct sp_policy_options options = {};
	struct sp_policy *policy = nullptr;
	size_t mistakes = 0;

	options.keep = true;
	if (sp_policy_parse_with("asked", kPolicy, sizeof(kPolicy) - 1, &options, count_mistake,
				 &mistakes, &policy) != 0)
		fail("the policy has mistakes", std::to_string(mistakes));
	return Policy(policy);
}

// Strings end, and what is opened is closed: nothing that was asked gets out of its quotes.
void check_json(const std::string &json)
{
	std::string open;
	bool quoted = false;

	check_text("JSON that a terminal must not see", json);
	for (size_t i = 0; i < json.size(); i++) {
		char c = json[i];

		if (quoted) {
			i += c == '\\';
			quoted = c != '"';
		} else if (c == '"') {
			quoted = true;
		} else if (c == '{' || c == '[') {
			open += c == '{' ? '}' : ']';
		} else if (c == '}' || c == ']') {
			if (open.empty() || open.back() != c)
				fail("JSON that does not nest", json);
			open.pop_back();
		}
	}
	if (quoted || !open.empty() || json.empty() || json.find('\n') != json.size() - 1)
		fail("JSON that is no one line", json);
}

void check_result(const char *what, int r, size_t mistakes)
{
	if (r < 0 && r != -EINVAL && r != -E2BIG)
		fail(what, std::to_string(r));
	if ((r == -EINVAL) != (mistakes > 0))
		fail("a refusal without a mistake, or an answer with one", what);
}

// The verdict as a test case expects it.
std::string expectation(const struct sp_explanation *e)
{
	static const char *const words[] = {"allow", "log",  "ask",         "",    "deny",
					    "errno", "trap", "kill thread", "kill"};
	std::string word = words[e->verdict];

	if (e->verdict == SP_POLICY_DENY)
		word += " as";
	return e->error ? word + " " + std::to_string(e->error) : word;
}

int run_cases(struct sp_policy *policy, const std::string &text, struct sp_test_result *ret_result)
{
	char *failures = nullptr;
	size_t mistakes = 0;
	int r = sp_policy_run_tests(policy, "cases", text.data(), text.size(), count_mistake,
				    &mistakes, ret_result, &failures);

	check_result("cases", r, mistakes);
	if (r == 0) {
		check_text("failures that a terminal must not see", failures);
		if (ret_result->failed > ret_result->cases ||
		    (ret_result->failed == 0) != (*failures == '\0'))
			fail("a tally that does not add up", failures);
	}
	free(failures);
	return r;
}

// A call that stands in one line, and does not look like the head of a case, is a case too.
void explain(struct sp_policy *policy, const std::string &call)
{
	struct sp_explanation *e = nullptr;
	size_t mistakes = 0;
	int r = sp_policy_explain(policy, call.c_str(), count_mistake, &mistakes, &e);

	check_result("explain", r, mistakes);
	if (r < 0)
		return;
	check_text("an explanation that a terminal must not see", e->text);
	check_json(e->json);
	if (call.find_first_of(std::string("\n\0", 2)) == std::string::npos &&
	    call.find('=') == std::string::npos) {
		struct sp_test_result result = {};
		size_t start = call.find_first_not_of(" \t");

		if (call[start] != '#' &&
		    run_cases(policy, call + " -> " + expectation(e), &result) == 0 &&
		    (result.cases != 1 || result.failed != 0))
			fail("a case that does not say what explain says", call);
	}
	sp_explanation_free(e);
}

void prove(struct sp_policy *policy, const std::string &statement)
{
	char *text = nullptr;
	size_t mistakes = 0;
	int r = sp_policy_prove(policy, statement.c_str(), count_mistake, &mistakes, &text);

	check_result("prove", r, mistakes);
	if (r >= 0)
		check_text("a proof that a terminal must not see", text);
	free(text);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const Policy policy = load();
	struct sp_test_result result = {};

	if (size < 2 || size > kTextMax)
		return 0;
	const std::string text(reinterpret_cast<const char *>(data) + 1, size - 1);
	if (data[0] == 'c')
		run_cases(policy.get(), text, &result);
	else if (data[0] == 'p')
		prove(policy.get(), text);
	else
		explain(policy.get(), text);
	return 0;
}
