// SPDX-License-Identifier: Apache-2.0
/* Launching and destroying thousands of times, with few descriptors to lose. */
#include "harness.h"

#include <sys/resource.h>
#include <unistd.h>

class CyclesTest : public BrokerTest
{
      protected:
	void SetUp() override
	{
		ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &files), 0);
		struct rlimit few = {64, files.rlim_max};
		ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &few), 0);
		BrokerTest::SetUp();
	}

	void TearDown() override
	{
		BrokerTest::TearDown();
		EXPECT_EQ(setrlimit(RLIMIT_NOFILE, &files), 0);
	}

	struct rlimit files;

	/* Destroys at once, as soon as it runs, or after its end. */
	void finish(Box &box, int cycle)
	{
		if (cycle % 8 == 5)
			run_until([&] { return box.pid > 0; });
		else if (cycle % 8 != 3) {
			run_until([&] { return box.exits > 0; });
			EXPECT_EQ(box.cause, SP_EXIT_EXITED) << cycle << ": " << box.sentence;
		}
		box.sandbox = sp_sandbox_free(box.sandbox);
	}
};

TEST_F(CyclesTest, LeaveNothingBehind)
{
	constexpr int cycles = 4096, together = 4;
	std::vector<int> before;
	Box first;

	run(first, {"true"});
	before = open_descriptors(); /* with the spawner's channel and pidfd */
	for (int cycle = 0; cycle < cycles; cycle += together) {
		Box boxes[together];

		for (int i = 0; i < together; i++) {
			bool hangs = (cycle + i) % 8 == 3 || (cycle + i) % 8 == 5;

			boxes[i].pipes = i % 2;
			ASSERT_EQ(launch(boxes[i], {hangs ? "hang" : "true"}), 0) << cycle + i;
		}
		for (int i = 0; i < together; i++)
			finish(boxes[i], cycle + i);
		if (HasFailure())
			return;
	}
	EXPECT_EQ(open_descriptors(), before);
}
