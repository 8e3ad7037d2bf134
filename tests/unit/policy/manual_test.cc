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

} // namespace
