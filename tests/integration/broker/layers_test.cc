// SPDX-License-Identifier: Apache-2.0
/* No layer fails open: what the kernel refuses stops the launch, by name, unless the policy says that it is
 * optional. The kernel is made to refuse by the namespace limits of a user namespace around the broker,
 * which bind nobody else. */
#include "harness.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

static bool write_text(const std::string &path, const std::string &text)
{
	int file = open(path.c_str(), O_WRONLY | O_CLOEXEC);
	bool written =
	    file >= 0 && write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size());

	close(file);
	return written;
}

/* From here on the process, and all below it, get no more namespaces of this kind. */
static bool forbid(const std::string &kind)
{
	std::string uid = std::to_string(getuid()), gid = std::to_string(getgid());

	return unshare(CLONE_NEWUSER) == 0 && write_text("/proc/self/setgroups", "deny") &&
	       write_text("/proc/self/uid_map", uid + " " + uid + " 1\n") &&
	       write_text("/proc/self/gid_map", gid + " " + gid + " 1\n") &&
	       write_text("/proc/sys/user/max_" + kind + "_namespaces", "0");
}

struct Ending {
	struct event_base *base;
	std::string layer;
	enum sp_exit_cause cause;
	int status;
	bool cured;
};

static void note_end(struct sp_sandbox *, const struct sp_exit *exit, void *data)
{
	Ending &ending = *static_cast<Ending *>(data);

	ending.cause = exit->cause;
	ending.status = exit->status;
	ending.layer = exit->layer ? exit->layer : "";
	ending.cured = exit->cure && exit->cure[0];
	event_base_loopbreak(ending.base);
}

/* Runs in a process of its own: its user namespace is for ever. */
[[noreturn]] static void launch_without(const std::string &kind, const std::string &isolate,
					int answer)
{
	std::string probe = probe_path();
	const char *argv[] = {probe.c_str(), "exit", "7", nullptr};
	struct sp_policy *policy = make_policy("", isolate);
	struct sp_launch launch = {};
	struct sp_sandbox *sandbox = nullptr;
	struct sp_broker *broker = nullptr;
	Ending ending = {};

	if (!policy || !forbid(kind))
		_exit(21);
	ending.base = event_base_new();
	launch.policy = policy;
	launch.argv = argv;
	launch.on_exit = note_end;
	launch.data = &ending;
	if (sp_broker_new(ending.base, nullptr, &broker) < 0 ||
	    sp_sandbox_launch(broker, &launch, &sandbox) < 0)
		_exit(22);
	event_base_dispatch(ending.base);
	sp_broker_free(broker);
	std::string text = std::to_string(ending.cause) + " " + std::to_string(ending.status) +
			   " " + ending.layer + (ending.cured ? " cured" : "");
	_exit(write(answer, text.data(), text.size()) < 0 ? 23 : 0);
}

static std::string outcome(const std::string &kind, const std::string &isolate)
{
	char text[256] = "";
	int answer[2], status = 0;

	EXPECT_EQ(pipe(answer), 0);
	pid_t pid = fork();
	if (pid == 0)
		launch_without(kind, isolate, answer[1]);
	close(answer[1]);
	ssize_t length = read(answer[0], text, sizeof(text) - 1);
	close(answer[0]);
	EXPECT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT_EQ(status, 0);
	return std::string(text, length < 0 ? 0 : static_cast<size_t>(length));
}

static std::string failed(const std::string &layer)
{
	return std::to_string(SP_EXIT_FAILED) + " " + std::to_string(ENOSPC) + " " + layer +
	       " cured";
}

static const std::string ran = std::to_string(SP_EXIT_EXITED) + " 7 ";

TEST(Layers, WithoutANamespaceTheLaunchStops)
{
	static const std::string all = "user; pid; mount; network; ipc; uts; landlock";
	static const char *const kinds[][2] = {
	    {"user", "user namespace"}, {"mnt", "mount namespace"}, {"pid", "pid namespace"},
	    {"ipc", "ipc namespace"},   {"uts", "uts namespace"},   {"net", "network namespace"},
	};

	for (auto &[kind, layer] : kinds)
		EXPECT_EQ(outcome(kind, all), failed(layer)) << kind;
	EXPECT_EQ(outcome("cgroup", all), ran);
}

TEST(Layers, AnOptionalOneIsDoneWithout)
{
	EXPECT_EQ(outcome("net", "user; pid; mount; network optional"), ran);
	EXPECT_EQ(outcome("net", "user; pid; mount; network"), failed("network namespace"));
	EXPECT_EQ(outcome("uts", "user; pid; mount; uts optional; ipc"), ran);
	EXPECT_EQ(outcome("ipc", "user; pid; mount; uts optional; ipc"), failed("ipc namespace"));
}
/* A filter that the application brings stands from the first instruction, also under a program that is to lock
 * itself. */
TEST_F(BrokerTest, AnAdditionalFilterStandsFromTheStart)
{
	sock_filter code[] = {
	    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_uname, 0, 1),
	    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENODEV),
	    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const char *const argv[] = {"uname", nullptr};

	for (bool filtered : {false, true}) {
		sp_policy *policy = make_policy();
		Box box;

		EXPECT_EQ(0, filtered ? sp_policy_add_filter(policy, code, sizeof(code)) : 0);
		box.change = [&argv](sp_launch &launch) {
			launch.program = "/usr/bin/uname";
			launch.argv = argv;
		};
		run(box, {}, policy);
		EXPECT_EQ(SP_EXIT_EXITED, box.cause) << box.sentence;
		EXPECT_EQ(filtered ? 1 : 0, box.status);
		EXPECT_NE(std::string::npos,
			  box.output[filtered ? 2 : 1].find(filtered ? "No such device" : "Linux"));
		sp_policy_unref(policy);
	}
}
