// SPDX-License-Identifier: Apache-2.0
/* What the tests of `ask` and of phases share: a guest that acts word by word, and what is heard of it. */
#ifndef SALLYPORT_TESTS_ASK_FIXTURE_H
#define SALLYPORT_TESTS_ASK_FIXTURE_H

#include "harness.h"

#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <memory>

#include "tests/support/paths.h"

using Policy = std::unique_ptr<struct sp_policy, decltype(&sp_policy_unref)>;

struct Question {
	uint64_t id;
	std::string call, rights, path, rule;
	std::vector<uint64_t> arguments;
	pid_t pid, tid;
};

struct Asked : Box {
	std::vector<Question> questions;
	std::vector<uint64_t> withdrawn;
	std::vector<std::string> reports;
	std::vector<std::pair<uint64_t, int>> changes; /* that were answered, with their error */
	std::function<void(uint64_t, int)> on_change;
	std::function<void(const Question &)> on_question;
	int ask_ms = -1;

	std::string output_text()
	{
		return output[1];
	}
	bool has_said(const std::string &line)
	{
		return ("\n" + output[1]).find("\n" + line + "\n") != std::string::npos;
	}
	/* How many lines end so. */
	size_t count(const std::string &end)
	{
		std::string text = output[1], wanted = end + "\n";
		size_t n = 0;

		for (size_t at = 0; (at = text.find(wanted, at)) != std::string::npos; at++)
			n++;
		return n;
	}
};

inline Asked &asked_of(void *data)
{
	return static_cast<Asked &>(*static_cast<Box *>(data));
}

inline void asks(struct sp_sandbox *, const struct sp_question *question, void *data)
{
	Asked &box = asked_of(data);
	auto text = [](const char *s) { return std::string(s ? s : ""); };
	Question copy = {question->id,         text(question->call), text(question->rights),
			 text(question->path), text(question->rule), {},
			 question->pid,        question->tid};

	if (question->argument)
		copy.arguments.assign(question->argument, question->argument + 6);
	box.late += box.exits > 0;
	box.questions.push_back(copy);
	if (box.on_question)
		box.on_question(copy);
}

inline void withdraws(struct sp_sandbox *, uint64_t id, void *data)
{
	asked_of(data).late += asked_of(data).exits > 0;
	asked_of(data).withdrawn.push_back(id);
}

inline void changed(struct sp_sandbox *, uint64_t change, int error, void *data)
{
	Asked &box = asked_of(data);

	box.late += box.exits > 0;
	box.changes.emplace_back(change, error);
	if (box.on_change)
		box.on_change(change, error);
}

inline void reports(struct sp_sandbox *, const struct sp_report *report, void *data)
{
	char text[8192];

	sp_report_describe(report, text, sizeof(text));
	asked_of(data).reports.push_back(text);
}

class AskTest : public BrokerTest
{
      protected:
	void SetUp() override
	{
		std::string scratch = "/tmp/sallyport-ask-XXXXXX";

		BrokerTest::SetUp();
		ASSERT_NE(mkdtemp(scratch.data()), nullptr);
		root = scratch;
		for (const char *name : {"a", "b", "granted", "secret"})
			std::ofstream(root + "/" + name) << name;
	}
	void TearDown() override
	{
		std::string command = "rm -rf " + root;

		EXPECT_EQ(system(command.c_str()), 0);
		BrokerTest::TearDown();
	}

	Policy parse(const char *file, const std::string &text)
	{
		struct sp_policy *parsed = nullptr;
		auto complain = [](const struct sp_diagnostic *d, void *) {
			ADD_FAILURE() << d->text;
		};

		EXPECT_EQ(
		    sp_policy_parse(file, text.data(), text.size(), complain, nullptr, &parsed), 0);
		return Policy(parsed, sp_policy_unref);
	}

	Policy policy(const std::string &rules, const std::string &sections = "")
	{
		return parse("ask.policy",
			     "policy asks\ninclude program\n" + sections + "\nfiles {\n" + "read " +
				 std::string(sp_test_binary_dir()) + "/**\n" + rules + "\n}\n");
	}

	/* Reading is left to the application, but of one name that is granted and one that is not. */
	Policy reading()
	{
		return policy("ask read " + root + "/**\nread " + root + "/granted\ndeny " + root +
			      "/secret");
	}

	void start(
	    Asked &box, enum sp_interception interception, std::vector<std::string> words,
	    struct sp_policy *policy,
	    const std::function<void(struct sp_launch &)> &change = [](struct sp_launch &) {})
	{
		bool trap = interception == SP_INTERCEPTION_COOPERATIVE;

		words.insert(words.begin(), {std::string(sp_test_binary_dir()) + "/bin/ask-guest",
					     trap || locks ? "trap" : "notify"});
		box.change = [interception, &box, change](struct sp_launch &launch) {
			launch.interception = interception;
			launch.on_ask = asks;
			launch.on_withdrawn = withdraws;
			launch.on_report = reports;
			launch.on_changed = changed;
			launch.ask_ms = box.ask_ms;
			change(launch);
		};
		ASSERT_EQ(launch(box, words, policy), 0);
	}
	void finish(Asked &box)
	{
		run_until([&] { return box.exits > 0; });
		EXPECT_EQ(box.cause, SP_EXIT_EXITED) << box.sentence;
		EXPECT_EQ(box.status, 0) << box.output[2];
		EXPECT_EQ(box.late, 0);
		box.sandbox = sp_sandbox_free(box.sandbox);
	}
	void run_guest(Asked &box, enum sp_interception interception,
		       std::vector<std::string> words, struct sp_policy *policy)
	{
		start(box, interception, words, policy);
		finish(box);
	}
	static std::function<void(const Question &)> always(Asked &box, enum sp_answer_kind answer,
							    bool remember = false)
	{
		return [&box, answer, remember](const Question &question) {
			EXPECT_EQ(sp_question_answer(box.sandbox, question.id, answer, remember),
				  0);
			/* Once is all. */
			EXPECT_EQ(sp_question_answer(box.sandbox, question.id, answer, remember),
				  -ENOENT);
		};
	}

	std::string root;
	bool locks = false; /* the guest locks itself, on a floor as well */
};

/* What is tested with a runtime and by notification. */
template <class Test>
class EachWayOf : public Test, public ::testing::WithParamInterface<enum sp_interception>
{
};

const auto kWays = ::testing::Values(SP_INTERCEPTION_COOPERATIVE, SP_INTERCEPTION_NOTIFY);

inline std::string way_name(const ::testing::TestParamInfo<enum sp_interception> &info)
{
	return info.param == SP_INTERCEPTION_NOTIFY ? "notify" : "trap";
}

#endif
