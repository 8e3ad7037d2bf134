// SPDX-License-Identifier: Apache-2.0
/* What is remembered of calls: each form by itself, and no more than a fixed number of them. */
#include <gtest/gtest.h>

#include <cerrno>
#include <memory>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include <sallyport/policy.h>

#include "broker/answers.h"
#include "ipc/arch.h"
#include "policy/compile.h"

namespace
{

struct RulesFree {
	void operator()(struct sp_rules *rules) const
	{
		sp_rules_free(rules);
	}
};
using Rules = std::unique_ptr<struct sp_rules, RulesFree>;

Rules rules_of(const std::string &calls)
{
	std::string text = "policy p\nsyscalls { " + calls + " }\n";
	struct sp_policy *policy = nullptr;
	struct sp_rules *rules = nullptr;
	uint8_t *bytes = nullptr;
	size_t length = 0;

	EXPECT_EQ(0, sp_policy_parse("p", text.data(), text.size(), nullptr, nullptr, &policy));
	EXPECT_EQ(0, sp_policy_compile(policy, &bytes, &length));
	EXPECT_EQ(0, sp_rules_load(bytes, length, &rules));
	free(bytes);
	sp_policy_unref(policy);
	return Rules(rules);
}

struct sp_topic call(const Rules &rules, int nr, uint64_t first, uint64_t second,
		     uint64_t third = 0)
{
	struct seccomp_data data = {nr, SP_AUDIT_ARCH, 0, {first, second, third, 0, 0, 0}};

	return sp_topic_of_call(rules.get(), &data);
}

class AnswersTest : public ::testing::Test
{
      protected:
	~AnswersTest() override
	{
		sp_answers_free(answers);
	}
	enum sp_answered known(const struct sp_topic &topic)
	{
		return sp_answers_call(answers, &topic);
	}
	int remember(const struct sp_topic &topic, bool allowed)
	{
		return sp_answers_remember(answers, &topic, allowed);
	}
	struct sp_answers *answers = sp_answers_new();
};

TEST_F(AnswersTest, OfACallWhatItsConditionsLookAt)
{
	Rules rules = rules_of("ask ioctl(request in {TCGETS, TIOCGWINSZ}), getrusage");

	EXPECT_EQ(0, remember(call(rules, SYS_ioctl, 0, TCGETS), true));
	EXPECT_EQ(SP_ALLOWED, known(call(rules, SYS_ioctl, 0, TCGETS)));
	/* Neither the descriptor nor the pointer has a part in it, nor what the kernel ignores. */
	EXPECT_EQ(SP_ALLOWED, known(call(rules, SYS_ioctl, 7, TCGETS, 0x7fff1234)));
	EXPECT_EQ(SP_ALLOWED, known(call(rules, SYS_ioctl, 0, TCGETS | UINT64_C(5) << 32)));
	EXPECT_EQ(SP_UNANSWERED, known(call(rules, SYS_ioctl, 0, TIOCGWINSZ)));
	EXPECT_EQ(SP_UNANSWERED, known(call(rules, SYS_getrusage, 0, TCGETS)));
	EXPECT_EQ(0, remember(call(rules, SYS_ioctl, 0, TIOCGWINSZ), false));
	EXPECT_EQ(SP_REFUSED, known(call(rules, SYS_ioctl, 0, TIOCGWINSZ)));
	EXPECT_EQ(SP_ALLOWED, known(call(rules, SYS_ioctl, 0, TCGETS)));
	/* The later answer stands. */
	EXPECT_EQ(0, remember(call(rules, SYS_ioctl, 0, TCGETS), false));
	EXPECT_EQ(SP_REFUSED, known(call(rules, SYS_ioctl, 0, TCGETS)));
	/* Without conditions it is about the call. */
	EXPECT_EQ(0, remember(call(rules, SYS_getrusage, 0, 1), true));
	EXPECT_EQ(SP_ALLOWED, known(call(rules, SYS_getrusage, 1, 2)));
}

TEST_F(AnswersTest, WideArgumentsAreComparedWhole)
{
	Rules rules = rules_of("ask lseek(offset > 5)");

	EXPECT_EQ(0, remember(call(rules, SYS_lseek, 3, UINT64_C(1) << 32), true));
	EXPECT_EQ(SP_ALLOWED, known(call(rules, SYS_lseek, 4, UINT64_C(1) << 32)));
	EXPECT_EQ(SP_UNANSWERED, known(call(rules, SYS_lseek, 3, UINT64_C(2) << 32)));
	EXPECT_EQ(SP_UNANSWERED, known(call(rules, SYS_lseek, 3, 6)));
}

TEST_F(AnswersTest, OneMemoryForNamesAndCallsIsBounded)
{
	Rules rules = rules_of("ask kill(sig > 0)");
	char name[] = "/name";
	struct sp_topic named = {};

	named.name = name;
	named.rights = SP_RIGHT_READ;
	for (unsigned i = 1; i <= SP_ANSWERS_MAX; i++)
		ASSERT_EQ(0, remember(call(rules, SYS_kill, 1, i), i % 2));
	EXPECT_EQ(-ENOSPC, remember(call(rules, SYS_kill, 1, SP_ANSWERS_MAX + 1), true));
	EXPECT_EQ(-ENOSPC, remember(named, true));
	EXPECT_EQ(SP_UNANSWERED, known(call(rules, SYS_kill, 1, SP_ANSWERS_MAX + 1)));
	EXPECT_EQ(0, remember(call(rules, SYS_kill, 1, 2), true)) << "it is known already";
	for (unsigned i = 3; i <= SP_ANSWERS_MAX; i++)
		EXPECT_EQ(i % 2 ? SP_ALLOWED : SP_REFUSED, known(call(rules, SYS_kill, 9, i)));
	EXPECT_EQ(SP_ALLOWED, known(call(rules, SYS_kill, 1, 2)));
}

/* Of the call in hand alone, and of no other form of it. */
TEST_F(AnswersTest, OnceIsAboutTheVeryForm)
{
	Rules rules = rules_of("ask kill(sig > 0)");
	struct sp_once once = {};
	struct sp_topic topic = call(rules, SYS_kill, 1, 2);

	sp_once_add_take(&once, &topic, true);
	sp_answers_set_once(answers, &once);
	EXPECT_EQ(SP_ALLOWED, known(call(rules, SYS_kill, 1, 2)));
	EXPECT_EQ(SP_UNANSWERED, known(call(rules, SYS_kill, 1, 3)));
	sp_once_clear(&once);
	EXPECT_EQ(SP_UNANSWERED, known(call(rules, SYS_kill, 1, 2)));
}

} // namespace
