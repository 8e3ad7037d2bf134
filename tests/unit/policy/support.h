/* SPDX-License-Identifier: Apache-2.0 */
/* Policies from text, as the tests of this folder need them. */
#ifndef SALLYPORT_TESTS_POLICY_SUPPORT_H
#define SALLYPORT_TESTS_POLICY_SUPPORT_H

#include <gtest/gtest.h>

#include <dirent.h>
#include <memory>
#include <string>
#include <vector>

#include <sallyport/policy.h>

#include "policy/compile.h"
#include "policy/rules.h"

namespace sallyport
{

struct PolicyDeleter {
	void operator()(sp_policy *policy) const
	{
		sp_policy_unref(policy);
	}
};
using Policy = std::unique_ptr<sp_policy, PolicyDeleter>;

struct RulesDeleter {
	void operator()(sp_rules *rules) const
	{
		sp_rules_free(rules);
	}
};
using Rules = std::unique_ptr<sp_rules, RulesDeleter>;

inline void append_diagnostic(const sp_diagnostic *diagnostic, void *data)
{
	static_cast<std::string *>(data)->append(diagnostic->text);
}

/* What went wrong, and nothing if nothing did. */
inline std::string mistakes(const std::string &file, const std::string &text,
			    int *ret_result = nullptr)
{
	std::string diagnostics;
	sp_policy *policy = nullptr;
	int r = sp_policy_parse(file.c_str(), text.data(), text.size(), append_diagnostic,
				&diagnostics, &policy);

	Policy owned(policy);
	if (ret_result)
		*ret_result = r;
	EXPECT_EQ(r == 0, policy != nullptr);
	return diagnostics;
}

using Parameters = std::vector<sp_parameter>;

inline std::string mistakes_with(const std::string &text, const Parameters &parameters,
				 Policy *ret_policy = nullptr, bool lint = false)
{
	sp_policy_options options = {parameters.data(), parameters.size(), lint};
	std::string diagnostics;
	sp_policy *policy = nullptr;
	int r = sp_policy_parse_with("a", text.data(), text.size(), &options, append_diagnostic,
				     &diagnostics, &policy);

	EXPECT_EQ(r == 0, policy != nullptr);
	if (ret_policy)
		ret_policy->reset(policy);
	else
		sp_policy_unref(policy);
	return diagnostics;
}

inline Policy parse(const std::string &text)
{
	std::string diagnostics;
	sp_policy *policy = nullptr;

	EXPECT_EQ(0, sp_policy_parse("test.policy", text.data(), text.size(), append_diagnostic,
				     &diagnostics, &policy))
	    << diagnostics;
	EXPECT_EQ("", diagnostics);
	return Policy(policy);
}

inline std::vector<uint8_t> compile(sp_policy *policy)
{
	uint8_t *bytes = nullptr;
	size_t length = 0;
	std::vector<uint8_t> copy;

	EXPECT_EQ(0, sp_policy_compile(policy, &bytes, &length));
	if (bytes)
		copy.assign(bytes, bytes + length);
	free(bytes);
	return copy;
}

inline Rules load(const std::vector<uint8_t> &bytes)
{
	sp_rules *rules = nullptr;

	EXPECT_EQ(0, sp_rules_load(bytes.data(), bytes.size(), &rules));
	return Rules(rules);
}

inline Rules rules_of(const std::string &text)
{
	Policy policy = parse("policy test\n" + text);

	return policy ? load(compile(policy.get())) : nullptr;
}

/* Without rules nothing. */
inline sp_path_decision decide(const Rules &rules, const std::string &name)
{
	sp_path_decision decision = {};

	if (rules)
		sp_rules_decide(rules.get(), name.data(), name.size(), &decision);
	return decision;
}

inline uint32_t rights(const Rules &rules, const std::string &name)
{
	return decide(rules, name).rights;
}

inline sp_standing standing(const Rules &rules, const std::string &name)
{
	return decide(rules, name).standing;
}

inline size_t open_descriptors()
{
	DIR *directory = opendir("/proc/self/fd");
	size_t count = 0;

	while (readdir(directory))
		count++;
	closedir(directory);
	return count;
}

/* No test of this folder may leave a descriptor open. */
class PolicyTest : public ::testing::Test
{
      protected:
	void SetUp() override
	{
		before_ = open_descriptors();
	}
	void TearDown() override
	{
		EXPECT_EQ(before_, open_descriptors());
	}

      private:
	size_t before_ = 0;
};

} // namespace sallyport

#endif
