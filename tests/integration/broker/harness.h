/* SPDX-License-Identifier: Apache-2.0 */
/* What the broker's tests share: a loop with a watchdog, a launch whose outcome is collected, and
 * the outside observer that counts descriptors and processes. */
#ifndef SALLYPORT_TESTS_BROKER_HARNESS_H
#define SALLYPORT_TESTS_BROKER_HARNESS_H

#include <event2/event.h>
#include <gtest/gtest.h>
#include <sys/types.h>

#include <functional>
#include <map>
#include <string>
#include <vector>

#include <sallyport/broker.h>

/* ---- observing ---- */

std::string probe_path();
std::vector<int> open_descriptors();
std::string mount_table();
std::string read_text(const std::string &path);

/* The children of a process, and theirs, by /proc. */
std::vector<pid_t> descendants(pid_t root);
pid_t parent_of(pid_t pid);

/* Reaps whatever becomes ours as a subreaper, until no child is left. False after `milliseconds`.
 */
bool reap_all(int milliseconds);

/* ---- launching ---- */

/* A policy that builds every wall, with more sections where a test needs them. */
struct sp_policy *
make_policy(const std::string &sections = "",
	    const std::string &isolate = "user; pid; mount; network; ipc; uts; landlock");

struct Box {
	struct sp_sandbox *sandbox = nullptr;
	pid_t pid = 0;
	int exits = 0;
	enum sp_exit_cause cause = {};
	int status = 0;
	std::string layer, cure, sentence;
	std::map<int, std::string> output;
	int early = 0, late = 0; /* output before on_started, callbacks after on_exit */

	std::vector<std::string> arguments, environment;
	std::string directory;
	std::vector<struct sp_pass> pass;
	bool pipes = true;
	std::vector<int> stops;
	std::function<void(Box &)> on_started, on_output, on_exit;
	std::function<void(struct sp_launch &)> change; /* what launch() has filled in */
};

class BrokerTest : public ::testing::Test
{
      protected:
	void SetUp() override;
	void TearDown() override;

	/* Launches the probe with these words; the test goes on with run_until(). */
	int launch(Box &box, std::vector<std::string> words, struct sp_policy *policy = nullptr);
	/* Turns the loop until it holds; a failure after five seconds. */
	void run_until(const std::function<bool()> &condition);
	/* Launch, wait for the end, free. */
	void run(Box &box, std::vector<std::string> words, struct sp_policy *policy = nullptr);
	void free_broker();

	struct event_base *base = nullptr;
	struct sp_broker *broker = nullptr;
	struct sp_policy *walls = nullptr;

      private:
	std::vector<int> descriptors_before;
	std::string mounts_before;
};

#endif
