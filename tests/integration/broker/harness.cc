// SPDX-License-Identifier: Apache-2.0
#include "harness.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "tests/support/paths.h"

std::string probe_path()
{
	return std::string(sp_test_binary_dir()) + "/bin/broker-probe";
}

std::string read_text(const std::string &path)
{
	std::ifstream file(path);
	std::stringstream text;

	text << file.rdbuf();
	return text.str();
}

std::string mount_table()
{
	return read_text("/proc/self/mountinfo");
}

static std::vector<int> numbers_in(const char *path, bool descriptors)
{
	std::vector<int> numbers;
	DIR *directory = opendir(path);

	if (!directory)
		return numbers;
	while (struct dirent *entry = readdir(directory))
		if (isdigit(static_cast<unsigned char>(entry->d_name[0])) &&
		    !(descriptors && atoi(entry->d_name) == dirfd(directory)))
			numbers.push_back(atoi(entry->d_name));
	closedir(directory);
	std::sort(numbers.begin(), numbers.end());
	return numbers;
}

std::vector<int> open_descriptors()
{
	return numbers_in("/proc/self/fd", true);
}

pid_t parent_of(pid_t pid)
{
	std::string stat = read_text("/proc/" + std::to_string(pid) + "/stat");
	size_t end = stat.rfind(')');

	/* "… (name) S ppid …" */
	return end == std::string::npos ? -1 : atoi(stat.c_str() + end + 4);
}

std::vector<pid_t> descendants(pid_t root)
{
	std::multimap<pid_t, pid_t> children;
	std::vector<pid_t> found, pending{root};

	for (int pid : numbers_in("/proc", false))
		children.emplace(parent_of(pid), pid);
	while (!pending.empty()) {
		auto range = children.equal_range(pending.back());

		pending.pop_back();
		for (auto child = range.first; child != range.second; child++) {
			found.push_back(child->second);
			pending.push_back(child->second);
		}
	}
	return found;
}

bool reap_all(int milliseconds)
{
	auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(milliseconds);
	sigset_t children;

	sigemptyset(&children);
	sigaddset(&children, SIGCHLD);
	for (;;) {
		pid_t pid = waitpid(-1, nullptr, WNOHANG);

		if (pid < 0)
			return errno == ECHILD;
		if (pid > 0)
			continue;
		auto left = std::chrono::duration_cast<std::chrono::nanoseconds>(
		    end - std::chrono::steady_clock::now());
		if (left.count() <= 0)
			return false;
		struct timespec timeout = {left.count() / 1000000000, left.count() % 1000000000};
		sigtimedwait(&children, nullptr, &timeout);
	}
}

static void complain(const struct sp_diagnostic *diagnostic, void *)
{
	ADD_FAILURE() << diagnostic->text;
}

struct sp_policy *make_policy(const std::string &sections, const std::string &isolate)
{
	std::string text = "policy probe\n" + sections + "\nisolate { " + isolate + " }\n";
	struct sp_policy *policy = nullptr;

	EXPECT_EQ(
	    sp_policy_parse("probe.policy", text.data(), text.size(), complain, nullptr, &policy),
	    0);
	return policy;
}

/* ---- callbacks ---- */

static Box &box_of(void *data)
{
	Box &box = *static_cast<Box *>(data);

	if (box.exits)
		box.late++;
	return box;
}

static void started(struct sp_sandbox *, pid_t pid, void *data)
{
	Box &box = box_of(data);

	box.pid = pid;
	if (box.on_started)
		box.on_started(box);
}

static void stopped(struct sp_sandbox *, int number, void *data)
{
	box_of(data).stops.push_back(number);
}

static void wrote(struct sp_sandbox *, int stream, const void *bytes, size_t length, void *data)
{
	Box &box = box_of(data);

	box.early += box.pid == 0;
	box.output[stream].append(static_cast<const char *>(bytes), length);
	if (box.on_output)
		box.on_output(box);
}

static void ended(struct sp_sandbox *, const struct sp_exit *exit, void *data)
{
	Box &box = box_of(data);
	char sentence[512];

	sp_exit_describe(exit, sentence, sizeof(sentence));
	box.exits++;
	box.cause = exit->cause;
	box.status = exit->status;
	box.layer = exit->layer ? exit->layer : "";
	box.cure = exit->cure ? exit->cure : "";
	box.sentence = sentence;
	if (box.on_exit)
		box.on_exit(box);
}

/* ---- the fixture ---- */

void BrokerTest::SetUp()
{
	sigset_t children;

	/* The observer: what loses its parent becomes our child. */
	ASSERT_EQ(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	sigemptyset(&children);
	sigaddset(&children, SIGCHLD);
	ASSERT_EQ(sigprocmask(SIG_BLOCK, &children, nullptr), 0);
	ASSERT_TRUE(reap_all(0)) << "an earlier test left a process";
	descriptors_before = open_descriptors();
	mounts_before = mount_table();
	base = event_base_new();
	walls = make_policy();
	ASSERT_NE(walls, nullptr);
	ASSERT_EQ(sp_broker_new(base, nullptr, &broker), 0);
}

void BrokerTest::free_broker()
{
	broker = sp_broker_free(broker);
}

void BrokerTest::TearDown()
{
	free_broker();
	sp_policy_unref(walls);
	event_base_free(base);
	EXPECT_TRUE(reap_all(1000)) << "a process is left";
	EXPECT_EQ(open_descriptors(), descriptors_before);
	EXPECT_EQ(mount_table(), mounts_before);
}

static std::vector<const char *> pointers(const std::vector<std::string> &strings)
{
	std::vector<const char *> result;

	for (const std::string &string : strings)
		result.push_back(string.c_str());
	result.push_back(nullptr);
	return result;
}

int BrokerTest::launch(Box &box, std::vector<std::string> words, struct sp_policy *policy)
{
	box.arguments = words;
	if (words.empty() || words[0][0] != '/')
		box.arguments.insert(box.arguments.begin(), probe_path());
	std::vector<const char *> argv = pointers(box.arguments);
	std::vector<const char *> environment = pointers(box.environment);
	struct sp_launch launch = {};

	launch.policy = policy ? policy : walls;
	launch.argv = argv.data();
	launch.environment = environment.data();
	launch.directory = box.directory.empty() ? nullptr : box.directory.c_str();
	launch.pass = box.pass.data();
	launch.pass_count = box.pass.size();
	launch.on_started = started;
	launch.on_output = box.pipes ? wrote : nullptr;
	launch.on_stopped = stopped;
	launch.on_exit = ended;
	launch.data = &box;
	if (box.change)
		box.change(launch);
	return sp_sandbox_launch(broker, &launch, &box.sandbox);
}

static void watchdog(evutil_socket_t, short, void *data)
{
	*static_cast<bool *>(data) = true;
}

void BrokerTest::run_until(const std::function<bool()> &condition)
{
	bool elapsed = false;
	struct event *timer = evtimer_new(base, watchdog, &elapsed);
	struct timeval limit = {5, 0};

	evtimer_add(timer, &limit);
	while (!condition() && !elapsed)
		event_base_loop(base, EVLOOP_ONCE);
	event_free(timer);
	ASSERT_TRUE(condition()) << "nothing happened for five seconds";
}

void BrokerTest::run(Box &box, std::vector<std::string> words, struct sp_policy *policy)
{
	ASSERT_EQ(launch(box, words, policy), 0);
	run_until([&] { return box.exits > 0; });
	EXPECT_EQ(box.exits, 1);
	EXPECT_EQ(box.early, 0);
	EXPECT_EQ(box.late, 0);
	EXPECT_EQ(sp_sandbox_kill(box.sandbox), -ESRCH);
	box.sandbox = sp_sandbox_free(box.sandbox);
}
