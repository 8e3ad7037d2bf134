// SPDX-License-Identifier: Apache-2.0
// F09, F14 and the end of the catalogue: each process is killed at each of its system calls, each call of theirs
// fails, and each allocation, one by one: nothing is ever granted by that, nobody crashes, hangs or stays behind.
#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <functional>
#include <gtest/gtest.h>
#include <linux/close_range.h>
#include <stdexcept>
#include <string>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <tuple>
#include <unistd.h>
#include <vector>

#include "tests/attacks/faults.h"
#include "tests/attacks/range.h"
#include "tests/attacks/tracer.h"
#include "tests/support/descriptors.h"
#include "tests/support/paths.h"

namespace
{
// What the application, in a process of its own, tells of its session.
struct Told {
	bool over;
	enum sp_exit_cause cause;
	char output[4096], words[4096];
};

template <typename T> T *MapShared(int file, int flags)
{
	void *memory =
	    mmap(nullptr, sizeof(T), PROT_READ | PROT_WRITE, MAP_SHARED | flags, file, 0);

	if (memory == MAP_FAILED)
		throw std::runtime_error("mmap");
	return static_cast<T *>(memory);
}

// How the program's calls come before the policy, and how many points lie between two that are tried.
using Parameter = std::tuple<Way, unsigned long>;

class Faults : public ::testing::TestWithParam<Parameter>
{
      protected:
	void SetUp() override
	{
		prctl(PR_SET_CHILD_SUBREAPER, 1);
		told = MapShared<Told>(-1, MAP_ANONYMOUS);
		before = tree.Look();
		descriptors = count_descriptors();
	}

	void TearDown() override
	{
		munmap(told, sizeof(*told));
	}

	static Way HowCalled()
	{
		return std::get<0>(GetParam());
	}

	static unsigned long Stride()
	{
		return std::get<1>(GetParam());
	}

	// One sandbox, whose program plays its session.
	void BeApplication(const char *spawner)
	{
		Outcome outcome;

		try {
			Broker broker(spawner);
			struct sp_sandbox *sandbox = broker.Launch(
			    {"SESSION", 0, &tree, &victim, HowCalled(), "wall 8s"}, -1, &outcome);

			Tracer::StopCounting();
			broker.Until([&] { return outcome.over; }, 10);
			faults = nullptr;
			sp_sandbox_free(sandbox);
		} catch (const std::exception &exception) {
			faults = nullptr;
			outcome.over = true; // refused
			outcome.ending = exception.what();
		}
		told->cause = outcome.exit.cause;
		snprintf(told->output, sizeof(told->output), "%s", outcome.output.c_str());
		snprintf(told->words, sizeof(told->words), "%s", Describe(outcome).c_str());
		told->over = outcome.over;
	}

	// False: the whole session went as if nothing had happened.
	void Judge(const Tracer &tracer, bool ended, const std::string &what)
	{
		const std::string output = told->output;

		SCOPED_TRACE(what);
		EXPECT_TRUE(ended) << "somebody stays, or hangs\n" << told->words;
		EXPECT_EQ(tracer.Crashes(), "") << told->words;
		EXPECT_EQ(output.find("ESCAPE"), std::string::npos) << told->words;
		EXPECT_EQ(output.find("CANARY"), std::string::npos) << told->words;
		EXPECT_EQ(std::string(told->words).find("CANARY"), std::string::npos);
		EXPECT_TRUE(tree.Look() == before);
		EXPECT_EQ(tree.Faults(), "");
		EXPECT_EQ(count_descriptors(), descriptors);
	}

	bool Try(const Injection &injection, Tracer *tracer)
	{
		*told = {};
		return tracer->Run([this] { BeApplication(nullptr); }, injection, true);
	}

	bool SaidDone() const
	{
		return strstr(told->output, "DONE\n") != nullptr;
	}

	// One call of each process after the other.
	void Sweep(Injection::What what,
		   const std::function<void(const Tracer &, const std::string &)> &look);

	Tree tree{Tree::SHALLOW};
	Victim victim;
	Told *told = nullptr;
	Tree::State before;
	size_t descriptors = 0;
};

// Fewer than what a launch takes would be no launch.
constexpr unsigned long kLeast = 100;

// A sweep takes long: it goes on behind what it finds, as long as that is not the same everywhere.
constexpr int kMostFailures = 20;

int Failures()
{
	return ::testing::UnitTest::GetInstance()
	    ->current_test_info()
	    ->result()
	    ->total_part_count();
}

void Faults::Sweep(Injection::What what,
		   const std::function<void(const Tracer &, const std::string &)> &look)
{
	Tracer undisturbed;
	unsigned long points = 0;

	ASSERT_TRUE(Try({}, &undisturbed)) << told->words;
	ASSERT_TRUE(SaidDone()) << told->words;
	const std::vector<unsigned long> calls = undisturbed.Calls();

	ASSERT_GE(calls.size(), 5u) << "application, spawner, porter, init, sandboxee";
	for (size_t process = 0; process < calls.size(); process++)
		for (unsigned long call = 1; call <= calls[process] && Failures() < kMostFailures;
		     call += Stride()) {
			Tracer tracer;
			const bool ended = Try({what, process, call}, &tracer);
			const std::string where = "process " + std::to_string(process) + ", call " +
						  std::to_string(call) + ": number " +
						  std::to_string(tracer.Hit());

			points += tracer.Hit() >= 0;
			Judge(tracer, ended, where);
			look(tracer, where);
		}
	EXPECT_GE(points * Stride(), kLeast);
}

TEST_P(Faults, F09KilledAtEachCall)
{
	Sweep(Injection::KILL, [this](const Tracer &tracer, const std::string &where) {
		// An application that is dead says nothing; one that lives knows how it ended.
		EXPECT_TRUE(told->over || !WIFEXITED(tracer.Status())) << where << told->words;
	});
}

// Without these a wall would not stand: then nothing may run.
bool IsWall(const Tracer &tracer)
{
	switch (tracer.Hit()) {
	case SYS_unshare:
	case SYS_setns:
	case SYS_mount:
	case SYS_capset:
	case SYS_seccomp:
		return true;
	case SYS_close_range: // of the sandboxee; others only tidy up
		return tracer.HitArgument(2) == CLOSE_RANGE_CLOEXEC;
	case SYS_prctl:
		return tracer.HitArgument(0) == PR_SET_NO_NEW_PRIVS ||
		       tracer.HitArgument(0) == PR_CAPBSET_DROP ||
		       tracer.HitArgument(0) == PR_SET_DUMPABLE;
	default:
		return tracer.Hit() >= 444 && tracer.Hit() <= 446; // Landlock
	}
}

TEST_P(Faults, F09EachCallFails)
{
	unsigned walls = 0;

	Sweep(Injection::FAIL, [&](const Tracer &tracer, const std::string &where) {
		EXPECT_TRUE(told->over) << where << told->words;
		if (!IsWall(tracer))
			return;
		walls++;
		EXPECT_FALSE(SaidDone()) << where << " without a wall\n" << told->words;
	});
	EXPECT_GE(walls * Stride(), 20u);
}

// F14. The spawner, and what becomes of it, finds its orders beside itself.
class Allocations : public Faults
{
      protected:
	void SetUp() override
	{
		const std::string binary =
		    std::string(sp_test_binary_dir()) + "/bin/faulty-spawner";

		Faults::SetUp();
		spawner = tree.Directory() + "/moving/spawner";
		ASSERT_EQ(symlink(binary.c_str(), spawner.c_str()), 0);
		int file =
		    open((spawner + FAULTS_SUFFIX).c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
		ASSERT_GE(file, 0);
		ASSERT_EQ(ftruncate(file, sizeof(struct faults)), 0);
		theirs = MapShared<struct faults>(file, 0);
		close(file);
		ours = MapShared<struct faults>(-1, MAP_ANONYMOUS);
		before = tree.Look();
	}

	void TearDown() override
	{
		munmap(theirs, sizeof(*theirs));
		munmap(ours, sizeof(*ours));
		Faults::TearDown();
	}

	// With these allocations failing, counted by whose faults they are.
	void Try(struct faults *whose, unsigned long first, unsigned long last)
	{
		Tracer tracer;

		*told = {};
		*ours = *theirs = {};
		*whose = {0, first, last};
		const bool ended = tracer.Run(
		    [this, whose] {
			    faults = whose == ours ? ours : nullptr;
			    BeApplication(spawner.c_str());
		    },
		    {}, false);
		const std::string what =
		    std::string(whose == ours ? "the application's" : "the spawner's") +
		    " allocation " + std::to_string(first) + " to " + std::to_string(last);

		Judge(tracer, ended, what);
		EXPECT_TRUE(told->over) << what << told->words;
	}

	void Sweep(struct faults *whose)
	{
		Try(whose, 0, 0);
		ASSERT_TRUE(SaidDone()) << told->words;
		const unsigned long all = whose->allocations;

		ASSERT_GE(all, 20u);
		// A policy's text takes thousands, all alike.
		const unsigned long step = Stride() > 1 ? std::max(Stride(), all / 60) : 1;

		for (unsigned long n = 1; n <= all && Failures() < kMostFailures; n += step) {
			Try(whose, n, n);
			Try(whose, n, ~0ul);
		}
	}

	std::string spawner;
	struct faults *theirs = nullptr, *ours = nullptr;
};

TEST_P(Allocations, F14EachOfTheSpawnersAndItsPortersFails)
{
	Sweep(theirs);
}

TEST_P(Allocations, F14EachOfTheApplicationsFails)
{
	Sweep(ours);
}

std::string NameOf(const ::testing::TestParamInfo<Parameter> &info)
{
	return std::get<0>(info.param) == TRAP ? "Locked" : "OnAFloor";
}

// A prime, so that what repeats itself is met in all its places; all of them take some minutes.
const auto kSome = ::testing::Combine(::testing::Values(TRAP, FLOOR), ::testing::Values(31ul));
const auto kAll = ::testing::Combine(::testing::Values(TRAP, FLOOR), ::testing::Values(1ul));

INSTANTIATE_TEST_SUITE_P(Some, Faults, kSome, NameOf);
INSTANTIATE_TEST_SUITE_P(Some, Allocations, kSome, NameOf);
INSTANTIATE_TEST_SUITE_P(All, Faults, kAll, NameOf);
INSTANTIATE_TEST_SUITE_P(All, Allocations, kAll, NameOf);
} // namespace
