// SPDX-License-Identifier: Apache-2.0
/* sp_launch.permissive, as an application uses it. */
#include "harness.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>

#include <sallyport/policy.h>

namespace
{

class PermissiveLaunchTest : public BrokerTest
{
      protected:
	static std::function<void(struct sp_launch &)> permissive()
	{
		return [](struct sp_launch &launch) {
			launch.interception = SP_INTERCEPTION_NOTIFY;
			launch.permissive = true;
		};
	}
	/* What a program leaves behind becomes the spawner's, and is gone with it. */
	void expect_nobody()
	{
		free_broker();
		EXPECT_TRUE(descendants(getpid()).empty());
	}
};

TEST_F(PermissiveLaunchTest, OnlyForProgramsThatDoNotLockThemselves)
{
	Box box;

	box.change = [](struct sp_launch &launch) { launch.permissive = true; };
	EXPECT_EQ(launch(box, {"true"}), -EINVAL);
}

/* Of the latest launch. */
std::vector<std::string> reports;
uint64_t open_flags;

void take_report(struct sp_sandbox *, const struct sp_report *report, void *)
{
	auto text = [](const char *value) { return std::string(value ? value : "-"); };

	EXPECT_TRUE(report->permitted);
	if (report->number == SYS_openat)
		open_flags = report->argument[2];
	reports.push_back(text(report->call) + " " + text(report->path) + " " +
			  text(report->missing) + (report->fatal ? " fatal" : ""));
}

TEST_F(PermissiveLaunchTest, ReportsTellOfTheCallAndItsArguments)
{
	Box box;

	reports.clear();
	open_flags = ~0ull;
	box.change = [set = permissive()](struct sp_launch &launch) {
		static const char *const argv[] = {"cat", "/etc/passwd", nullptr};

		set(launch);
		launch.program = "/usr/bin/cat";
		launch.argv = argv;
		launch.on_report = take_report;
	};
	run(box, {});
	EXPECT_EQ(box.cause, SP_EXIT_EXITED);
	EXPECT_NE(std::find(reports.begin(), reports.end(), "openat /etc/passwd read"),
		  reports.end())
	    << ::testing::PrintToString(reports);
	EXPECT_EQ(open_flags & O_ACCMODE, static_cast<uint64_t>(O_RDONLY));
}

/* Whom the first process leaves behind the sandbox waits for, and a signal that asks to end ends them. */
TEST_F(PermissiveLaunchTest, TheLastOneEndsIt)
{
	for (const char *command : {"orphan", "sibling"}) {
		Box box;

		reports.clear();
		box.change = [set = permissive()](struct sp_launch &launch) {
			set(launch);
			launch.on_report = take_report;
		};
		ASSERT_EQ(launch(box, {command}), 0);
		run_until([&] {
			return std::find(reports.begin(), reports.end(), "- - - fatal") !=
			       reports.end();
		});
		EXPECT_EQ(box.exits, 0);
		EXPECT_EQ(sp_sandbox_signal(box.sandbox, SIGWINCH), 0);
		EXPECT_EQ(sp_sandbox_signal(box.sandbox, SIGTERM), 0);
		run_until([&] { return box.exits > 0; });
		EXPECT_EQ(box.cause, SP_EXIT_EXITED);
		EXPECT_EQ(box.status, 3);
		sp_sandbox_free(box.sandbox);
	}
	expect_nobody();
}

/* Of those that the first process left nobody lives on. */
TEST_F(PermissiveLaunchTest, KillingKillsAll)
{
	Box box;

	box.change = permissive();
	ASSERT_EQ(launch(box, {"family"}), 0);
	run_until([&] { return box.output[1].find("ready\n") != std::string::npos; });
	EXPECT_EQ(sp_sandbox_kill(box.sandbox), 0);
	run_until([&] { return box.exits > 0; });
	EXPECT_EQ(box.cause, SP_EXIT_KILLED);
	sp_sandbox_free(box.sandbox);
	expect_nobody();
}

TEST_F(PermissiveLaunchTest, FiltersOfOthersAreRefused)
{
	const struct sock_filter code[] = {BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
	struct sp_policy *policy = make_policy();
	Box box;

	ASSERT_EQ(sp_policy_add_filter(policy, code, sizeof(code)), 0);
	box.change = permissive();
	run(box, {"true"}, policy);
	EXPECT_EQ(box.cause, SP_EXIT_FAILED);
	EXPECT_EQ(box.layer, "additional filter");
	EXPECT_EQ(box.status, EOPNOTSUPP);
	sp_policy_unref(policy);
}

} // namespace
