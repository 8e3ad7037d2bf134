// SPDX-License-Identifier: Apache-2.0
// Any text: a policy, or mistakes that a terminal can show. What is a policy compiles and loads, its filters keep the
// floor that no policy can lift, and its rules about names hold together.
#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <sys/syscall.h>

#include <sallyport/policy.h>

#include "ipc/runtime.h"
#include "policy/compile.h"
#include "policy/model.h"
#include "policy/names.h"
#include "policy/rules.h"
#include "tests/unit/policy/bpf_simulator.h"

namespace
{

using sallyport::Arguments;
using sallyport::BpfSimulator;

// Longer texts say nothing new, and take longer.
constexpr size_t kTextMax = 16384;
constexpr size_t kNamesMax = 16;
constexpr uint32_t kErrorMax = 4095;

[[noreturn]] void fail(const char *what, const std::string &detail)
{
	fprintf(stderr, "policy_fuzz: %s: %s\n", what, detail.c_str());
	abort();
}

// ---- mistakes

bool printable(char byte)
{
	return byte == '\t' || byte == '\n' || (byte >= 0x20 && byte < 0x7f);
}

void count_mistake(const struct sp_diagnostic *diagnostic, void *data)
{
	const std::string text = diagnostic->text;

	if (diagnostic->line == 0 || diagnostic->column == 0 || !*diagnostic->message)
		fail("a mistake without a place or a message", text);
	if (text.back() != '\n' || !std::all_of(text.begin(), text.end(), printable))
		fail("a mistake that a terminal must not see", text);
	*static_cast<size_t *>(data) += std::string_view(diagnostic->severity) == "error";
}

struct Unref {
	void operator()(struct sp_policy *policy) const
	{
		sp_policy_unref(policy);
	}
};

std::unique_ptr<struct sp_policy, Unref> parse(const std::string &text)
{
	// The folder is none: an include finds presets and absolute names.
	const char *file = "/nonexistent/fuzz.policy";
	size_t mistakes = 0;
	struct sp_policy *policy = nullptr;
	int r = sp_policy_parse(file, text.data(), text.size(), count_mistake, &mistakes, &policy);

	if (r != 0 && r != -EINVAL)
		fail("parsing failed", std::to_string(r));
	if ((r == 0) != (policy != nullptr) || (r == 0) != (mistakes == 0))
		fail("a policy with mistakes, or none without", std::to_string(mistakes));
	if (policy && !*sp_policy_name(policy))
		fail("a policy without a name", text);
	return std::unique_ptr<struct sp_policy, Unref>(policy);
}

// ---- filters

using Classes = std::vector<enum sp_call_class>;

Classes classes()
{
	Classes all;

	for (int nr = 0; nr < SP_NUMBERS; nr++)
		all.push_back(sp_call_class(nr));
	return all;
}

// The porter is asked, or the kernel refuses: nothing else keeps a call from being made.
bool is_refused(uint32_t verdict, uint32_t refusal)
{
	switch (verdict & SECCOMP_RET_ACTION_FULL) {
	case SECCOMP_RET_ERRNO:
	case SECCOMP_RET_TRAP:
		return verdict == refusal || (verdict & SECCOMP_RET_DATA) != 0;
	case SECCOMP_RET_KILL_THREAD:
	case SECCOMP_RET_KILL_PROCESS:
		return true;
	default:
		return verdict == refusal;
	}
}

// What a filter may return for a call about which no policy has a choice.
bool is_floor(enum sp_call_class kind, uint32_t verdict, uint32_t refusal, bool narrows)
{
	switch (kind) {
	case SP_CLASS_ALWAYS:
		return verdict == SECCOMP_RET_ALLOW;
	case SP_CLASS_CLONE3:
		return verdict == (SECCOMP_RET_ERRNO | ENOSYS);
	case SP_CLASS_BROKERED:
	case SP_CLASS_NAMING:
	case SP_CLASS_FORBIDDEN:
		return is_refused(verdict, refusal);
	case SP_CLASS_NESTED: // what is trapped is locked, but for what loads the filter of a phase
		return refusal != SECCOMP_RET_TRAP || is_refused(verdict, refusal) || narrows;
	default:
		return true;
	}
}

// A further filter for every thread, without a listener: where there are phases a process may always narrow itself.
bool may_narrow(const struct sp_policy &policy, uint32_t nr, const Arguments &arguments)
{
	return policy.phase_count > 0 && nr == SYS_seccomp &&
	       uint32_t(arguments[0]) == SECCOMP_SET_MODE_FILTER &&
	       uint32_t(arguments[1]) == SECCOMP_FILTER_FLAG_TSYNC;
}

void check_filter(const struct sp_policy &policy, const struct sock_fprog &program,
		  uint32_t refusal, const Arguments &arguments)
{
	static const Classes kinds = classes();
	BpfSimulator filter(program);

	for (uint32_t nr = 0; nr < SP_NUMBERS; nr++) {
		std::optional<uint32_t> verdict = filter.run(nr, arguments);

		if (!verdict ||
		    !is_floor(kinds[nr], *verdict, refusal, may_narrow(policy, nr, arguments)))
			fail("the filter decided on call", std::to_string(nr));
	}
	if (sp_model_architectures(&policy) == 0 &&
	    filter.run(0, arguments, AUDIT_ARCH_I386) != SECCOMP_RET_KILL_PROCESS)
		fail("the filter lives with", "a foreign architecture");
}

// SECCOMP_MODE_STRICT, seccomp(2): these four and nothing else, whatever else the policy says.
void check_strict_filter(const struct sock_fprog &program, const Arguments &arguments)
{
	static const uint32_t allowed[] = {SYS_read, SYS_write, SYS_exit, SYS_rt_sigreturn};
	BpfSimulator filter(program);

	for (uint32_t nr = 0; nr < SP_NUMBERS; nr++) {
		bool may =
		    std::find(std::begin(allowed), std::end(allowed), nr) != std::end(allowed);

		if (filter.run(nr, arguments) !=
		    (may ? SECCOMP_RET_ALLOW : SECCOMP_RET_KILL_PROCESS))
			fail("the strict filter decided on call", std::to_string(nr));
	}
}

void check_porter_filter(const struct sock_fprog &program)
{
	static const Classes kinds = classes();
	BpfSimulator filter(program);

	for (uint32_t nr = 0; nr < SP_NUMBERS; nr++) {
		std::optional<uint32_t> verdict = filter.run(nr, {});
		bool never = kinds[nr] == SP_CLASS_FORBIDDEN || kinds[nr] == SP_CLASS_NESTED ||
			     kinds[nr] == SP_CLASS_NAMING;

		if (verdict != SECCOMP_RET_KILL_PROCESS && (verdict != SECCOMP_RET_ALLOW || never))
			fail("the porter's filter decided on call", std::to_string(nr));
	}
}

// Small numbers, marks of the runtime and dirty upper halves, as the text has it.
Arguments arguments_from(const std::string &text)
{
	static const uint64_t values[] = {
	    0, 1, 2, 7, SP_CHANNEL_FD, SP_RUNTIME_MARK, uint64_t(SP_RUNTIME_MARK) << 32, ~0ull};
	size_t hash = std::hash<std::string>()(text);
	Arguments arguments;

	for (uint64_t &argument : arguments) {
		argument = values[hash % std::size(values)];
		hash /= std::size(values);
	}
	return arguments;
}

// ---- names

// Every word of the text that may be a path.
std::vector<std::string> paths_of(const std::string &text)
{
	std::vector<std::string> paths;
	size_t at = 0, end;

	for (; (at = text.find('/', at)) != std::string::npos; at = end) {
		end = std::min(text.find_first_of(" \t\n,;{}\"", at), text.size());
		if (paths.size() < kNamesMax && end - at < PATH_MAX)
			paths.push_back(text.substr(at, end - at));
	}
	return paths;
}

// A name that the pattern may match; canonical, as the walker has them. Empty: there is none.
std::string name_of(std::string pattern)
{
	std::replace_if(
	    pattern.begin(), pattern.end(), [](char c) { return strchr("*?[]", c); }, 'x');
	std::string framed = pattern + "/";

	for (const char *part : {"//", "/./", "/../"})
		if (framed.find(part) != std::string::npos)
			return "";
	return pattern;
}

struct sp_path_decision decide(const struct sp_rules *rules, const std::string &name)
{
	struct sp_path_decision decision = {};

	sp_rules_decide(rules, name.data(), name.size(), &decision);
	if ((decision.rights & ~uint32_t(SP_RIGHT_ALL)) || decision.error <= 0 ||
	    decision.error > int(kErrorMax))
		fail("a decision out of range", name);
	if ((decision.standing == SP_STANDING_INSIDE) != ((decision.rights | decision.ask) != 0))
		fail("rights and standing disagree", name);
	return decision;
}

void check_name(const struct sp_rules *rules, const std::string &name)
{
	const uint32_t rights = decide(rules, name).rights;
	const std::string parent = name == "/" ? "" : name;

	if (!sp_rules_uniform_below(rules, name.data(), name.size()))
		return;
	for (const char *below : {"/x", "/.hidden", "/x/y"})
		if (decide(rules, parent + below).rights != rights)
			fail("the names below are not alike", name + below);
}

int check_grant(const char *prefix, uint32_t rights, void *)
{
	if (prefix[0] != '/' || rights == 0 || (rights & ~uint32_t(SP_RIGHT_ALL)))
		fail("a grant out of range", prefix);
	return 0;
}

// ---- all of it

struct RulesFree {
	void operator()(struct sp_rules *rules) const
	{
		sp_rules_free(rules);
	}
};
using Rules = std::unique_ptr<struct sp_rules, RulesFree>;

// Nothing where the filter would be longer than the kernel takes.
Rules compile(struct sp_policy *policy)
{
	uint8_t *bytes = nullptr;
	size_t length = 0;
	struct sp_rules *rules = nullptr;
	int r = sp_policy_compile(policy, &bytes, &length);

	if (r == -E2BIG)
		return nullptr;
	if (r != 0)
		fail("compiling failed", std::to_string(r));
	r = sp_rules_load(bytes, length, &rules);
	free(bytes);
	if (r != 0)
		fail("what was compiled does not load", std::to_string(r));
	return Rules(rules);
}

void check_filters(const struct sp_policy &policy, const struct sp_rules &rules,
		   const Arguments &arguments)
{
	const struct sock_fprog filter = sp_rules_filter(&rules), floor = sp_rules_floor(&rules);

	if (sp_policy_is_strict(&policy)) {
		check_strict_filter(filter, arguments);
		check_strict_filter(floor, arguments);
		return;
	}
	check_filter(policy, filter, SECCOMP_RET_TRAP, arguments);
	check_filter(policy, floor, SECCOMP_RET_USER_NOTIF, arguments);
}

void check_refusals(const struct sp_rules *rules)
{
	for (int nr = 0; nr <= SP_NUMBERS; nr++) {
		struct sp_call_refusal refusal = {};

		sp_rules_refusal(rules, nr, &refusal);
		if (refusal.error <= 0 || refusal.error > int(kErrorMax) || !refusal.rule)
			fail("a refusal out of range", std::to_string(nr));
	}
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size > kTextMax)
		return 0;
	const std::string text(reinterpret_cast<const char *>(data), size);
	std::unique_ptr<struct sp_policy, Unref> policy = parse(text);
	if (!policy)
		return 0;

	const std::vector<std::string> paths = paths_of(text);
	for (const std::string &path : paths)
		if (int r = sp_policy_grant(policy.get(), "read", path.c_str(), "fuzz");
		    r != 0 && r != -EINVAL)
			fail("a grant failed", path);

	Rules rules = compile(policy.get());
	if (!rules)
		return 0;
	check_filters(*policy, *rules, arguments_from(text));
	check_porter_filter(sp_rules_porter_filter(rules.get()));
	check_refusals(rules.get());
	for (const char *name : {"/", "/etc/passwd", "/proc/self/status"})
		check_name(rules.get(), name);
	for (const std::string &path : paths)
		if (std::string name = name_of(path); !name.empty())
			check_name(rules.get(), name);
	sp_rules_each_grant(rules.get(), check_grant, nullptr);
	return 0;
}
