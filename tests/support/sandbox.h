// SPDX-License-Identifier: Apache-2.0
// Runs a program in a sandbox to its end and keeps what was heard of it.
#ifndef SALLYPORT_TESTS_SUPPORT_SANDBOX_H
#define SALLYPORT_TESTS_SUPPORT_SANDBOX_H

#include <event2/event.h>
#include <functional>
#include <gtest/gtest.h>
#include <sallyport/broker.h>
#include <string>
#include <vector>

struct Heard {
	std::string output;               // stdout and stderr, as they came
	std::vector<std::string> reports; // described
	std::string exit;                 // described
	enum sp_exit_cause cause = SP_EXIT_LOST;
	int status = -1;
	bool locked = false;
};

inline std::string described(const struct sp_report *report)
{
	char text[8192];

	sp_report_describe(report, text, sizeof(text));
	return text;
}

class SandboxRunner
{
      public:
	SandboxRunner()
	{
		base = event_base_new();
		EXPECT_EQ(sp_broker_new(base, nullptr, &broker), 0);
	}
	~SandboxRunner()
	{
		sp_broker_free(broker);
		event_base_free(base);
	}
	SandboxRunner(const SandboxRunner &) = delete;
	SandboxRunner &operator=(const SandboxRunner &) = delete;

	// Parses a policy; a mistake in it fails the test.
	static struct sp_policy *policy(const std::string &text)
	{
		struct sp_policy *policy = nullptr;
		auto print = [](const struct sp_diagnostic *d, void *) {
			ADD_FAILURE() << d->text;
		};

		EXPECT_EQ(sp_policy_parse("test.policy", text.data(), text.size(), print, nullptr,
					  &policy),
			  0);
		return policy;
	}

	Heard run(struct sp_policy *policy, const std::vector<std::string> &argv,
		  const std::vector<std::string> &environment = {},
		  const std::string &directory = "/")
	{
		std::vector<const char *> arguments, variables;
		struct sp_launch launch = {};
		struct sp_sandbox *sandbox = nullptr;

		for (const std::string &argument : argv)
			arguments.push_back(argument.c_str());
		arguments.push_back(nullptr);
		for (const std::string &variable : environment)
			variables.push_back(variable.c_str());
		variables.push_back(nullptr);
		heard = Heard();
		launch.policy = policy;
		launch.argv = arguments.data();
		launch.environment = variables.data();
		launch.directory = directory.c_str();
		launch.interception = interception;
		launch.on_locked = [](struct sp_sandbox *, void *data) {
			self(data)->heard.locked = true;
		};
		launch.on_output = on_output;
		launch.on_report = on_report;
		launch.on_exit = on_exit;
		launch.data = this;
		int r = sp_sandbox_launch(broker, &launch, &sandbox);
		EXPECT_EQ(r, 0);
		if (r == 0)
			event_base_dispatch(base);
		sp_sandbox_free(sandbox);
		return heard;
	}
	Heard run(const std::string &policy_text, const std::vector<std::string> &argv,
		  const std::vector<std::string> &environment = {},
		  const std::string &directory = "/")
	{
		struct sp_policy *parsed = policy(policy_text);

		if (!parsed)
			return Heard();
		run(parsed, argv, environment, directory);
		sp_policy_unref(parsed);
		return heard;
	}

	enum sp_interception interception = SP_INTERCEPTION_COOPERATIVE;

      private:
	static SandboxRunner *self(void *data)
	{
		return static_cast<SandboxRunner *>(data);
	}
	static void on_output(struct sp_sandbox *, int, const void *bytes, size_t length,
			      void *data)
	{
		self(data)->heard.output.append(static_cast<const char *>(bytes), length);
	}
	static void on_report(struct sp_sandbox *, const struct sp_report *report, void *data)
	{
		self(data)->heard.reports.push_back(described(report));
	}
	static void on_exit(struct sp_sandbox *, const struct sp_exit *exit, void *data)
	{
		char text[1024];

		sp_exit_describe(exit, text, sizeof(text));
		self(data)->heard.exit = text;
		self(data)->heard.cause = exit->cause;
		self(data)->heard.status = exit->status;
		event_base_loopbreak(self(data)->base);
	}

	struct event_base *base;
	struct sp_broker *broker = nullptr;
	Heard heard;
};

#endif
