/* SPDX-License-Identifier: Apache-2.0 */
/* Every example of sallyport.policy(5) is a policy. */
#include "support.h"

#include <fstream>
#include <sstream>

namespace
{

using sallyport::compile;
using sallyport::load;
using sallyport::parse;

std::string page()
{
	const char *directory = getenv("SP_TEST_SOURCE_DIR");
	std::ifstream stream(std::string(directory ? directory : SP_SOURCE_DIR) +
			     "/docs/sallyport.policy.5");
	std::ostringstream text;

	text << stream.rdbuf();
	return text.str();
}

/* What the page shows between .Bd and .Ed, as a reader sees it. An example that begins with a section needs a name. */
std::vector<std::string> examples()
{
	std::istringstream lines(page());
	std::vector<std::string> found;
	bool inside = false;

	for (std::string line; std::getline(lines, line);) {
		if (line.rfind(".Ed", 0) == 0)
			inside = false;
		for (size_t at; (at = line.find("\\e")) != std::string::npos;)
			line.replace(at, 2, "\\");
		if (inside)
			found.back() += line + "\n";
		if (line.rfind(".Bd -literal", 0) == 0) {
			inside = true;
			found.emplace_back();
		}
	}
	for (std::string &example : found)
		if (example.rfind("policy ", 0) != 0 &&
		    example.find("\npolicy ") == std::string::npos)
			example = "policy example\n" + example;
	return found;
}

TEST(ManualTest, EveryExampleCompiles)
{
	for (const std::string &example : examples()) {
		SCOPED_TRACE(example);
		sallyport::Policy policy = parse(example);

		ASSERT_TRUE(policy);
		EXPECT_TRUE(load(compile(policy.get())));
	}
	EXPECT_GE(examples().size(), 2u);
}

/* And where one has test cases in its comments, they pass. */
TEST(ManualTest, TheCasesOfExamplesPass)
{
	sp_policy_options options = {};
	unsigned cases = 0;

	options.keep = true;
	for (const std::string &example : examples()) {
		sp_policy *policy = nullptr;
		sp_test_result result = {};
		char *failures = nullptr;

		ASSERT_EQ(0, sp_policy_parse_with("example", example.data(), example.size(),
						  &options, nullptr, nullptr, &policy));
		sallyport::Policy owned(policy);
		ASSERT_EQ(0, sp_policy_run_tests(policy, "example", example.data(), example.size(),
						 nullptr, nullptr, &result, &failures));
		EXPECT_STREQ("", failures);
		free(failures);
		cases += result.cases;
	}
	EXPECT_GE(cases, 3u);
}

} // namespace
