// SPDX-License-Identifier: Apache-2.0
// Every attack of attacks.def: first without protection, where it must succeed; then in a sandbox, below the runtime's
// lock and on a floor, where the verdict is that of an observer outside.
#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <gtest/gtest.h>
#include <memory>
#include <set>
#include <sstream>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

#include "tests/attacks/range.h"
#include "tests/support/descriptors.h"
#include "tests/support/paths.h"

namespace
{
enum Stage { UNLOCKED, LOCKED };
enum Control { NATIVE, ROOT, REACHES, HARMLESS };
enum End { NONE = 0, EXIT = 1, POLICY = 2, VIOLATION = 4, SIGNAL = 8 };

// tests/attacks/attack.h
constexpr int kNoSuchVariant = 77;
constexpr int kLeakedDescriptor = 700;

struct Row {
	const char *id;
	Stage stage;
	Control control;
	int ends[2]; // by way
	const char *title;
};

const Row rows[] = {
#define ATTACK(id, stage, prepare, control, ends, on_floor, title)                                 \
	{#id, stage, control, {ends, on_floor}, title},
#include "tests/attacks/attacks.def"
#undef ATTACK
};

void PrintTo(const Row &row, std::ostream *stream)
{
	*stream << row.title;
}

bool EndsAs(const struct sp_exit &exit, int ends)
{
	switch (exit.cause) {
	case SP_EXIT_EXITED:
		return exit.status == 0 && (ends & EXIT);
	case SP_EXIT_POLICY:
		return exit.status == SIGSYS && (ends & POLICY);
	case SP_EXIT_VIOLATION:
		return ends & VIOLATION;
	case SP_EXIT_SIGNALED:
		return ends & SIGNAL;
	default:
		return false;
	}
}

// And one line a report.
bool IsPlainText(const Outcome &outcome)
{
	for (char character : outcome.reports)
		if (character != '\n' && (character < ' ' || character > '~'))
			return false;
	return std::count(outcome.reports.begin(), outcome.reports.end(), '\n') ==
	       outcome.report_count;
}

// Who swaps what during B09; nobody during the others.
std::unique_ptr<Swapper> MakeSwapper(const Row &row, unsigned variant, const Tree &tree)
{
	static const char *const pairs[][2] = {
	    {"/allowed/race", "/moving/race-link"},
	    {"/allowed/race-directory", "/moving/race-directory-link"},
	    {"/allowed/parent/child", "/moving/parent/child"}};

	if (strcmp(row.id, "B33") == 0)
		return std::make_unique<Swapper>(tree.Directory() + pairs[1][0],
						 tree.Directory() + pairs[1][1]);
	if (strcmp(row.id, "B09") != 0 || variant >= std::size(pairs))
		return nullptr;
	return std::make_unique<Swapper>(tree.Directory() + pairs[variant][0],
					 tree.Directory() + pairs[variant][1]);
}

// A05 and A06 are given one.
std::unique_ptr<Terminal> MakeTerminal(const Row &row)
{
	return strncmp(row.id, "A05", 3) == 0 || strncmp(row.id, "A06", 3) == 0
		   ? std::make_unique<Terminal>()
		   : nullptr;
}

int MakeFile(const void *bytes, size_t length)
{
	int file = memfd_create("gift", MFD_CLOEXEC);

	EXPECT_EQ(write(file, bytes, length), ssize_t(length));
	EXPECT_EQ(lseek(file, 0, SEEK_SET), 0);
	return file;
}

// What a plain process is told, as one of the programs beside the attacks prints it.
int MakeFileOfPlain(const char *program, const Tree &tree, const Victim &victim)
{
	int status = 0;
	const std::string output = RunPlain({program, 0, &tree, &victim}, &status);

	EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << output;
	return MakeFile(output.data(), output.size());
}

int MakeHandle(const Tree &tree)
{
	struct {
		struct file_handle handle;
		unsigned char bytes[MAX_HANDLE_SZ];
	} handle = {};
	int mount;

	handle.handle.handle_bytes = MAX_HANDLE_SZ;
	EXPECT_EQ(name_to_handle_at(AT_FDCWD, (tree.Directory() + "/secret/canary").c_str(),
				    &handle.handle, &mount, 0),
		  0)
	    << strerror(errno);
	return MakeFile(&handle, sizeof(handle));
}

bool HasNativeResults(const Row &row)
{
	return strcmp(row.id, "B03") == 0 || strcmp(row.id, "B05") == 0 ||
	       strcmp(row.id, "B06") == 0;
}

// What the program would take in hand while it is trusted, it is given on a floor, where it never is: owned, or -1.
int MakeGift(const Row &row, Way way, const Tree &tree, const Victim &victim)
{
	if (strcmp(row.id, "B19") == 0) // it is about changes: in a tree of its own
		return MakeFileOfPlain("ERRORS", Tree(Tree::SHALLOW), victim);
	if (way == FLOOR && HasNativeResults(row))
		return MakeFileOfPlain("RESULTS", tree, victim);
	if (way == FLOOR && strcmp(row.id, "A11b") == 0)
		return MakeHandle(tree);
	if (way == FLOOR && strcmp(row.id, "B02") == 0)
		return open(tree.Directory().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (way == FLOOR && strcmp(row.id, "A13") == 0)
		return static_cast<int>(syscall(SYS_pidfd_open, victim.Pid(), 0));
	return -1;
}

// F06 makes processes, A21b and A26b filters; what D01 sends it is to be the channel that refuses, not the floor.
Attempt MakeAttempt(const Row &row, unsigned variant, const Tree &tree, const Victim &victim,
		    Way way)
{
	Attempt attempt = {row.id, variant, &tree, &victim, way};

	if (strcmp(row.id, "F06") == 0)
		attempt.preset = "program";
	if (strcmp(row.id, "A21b") == 0 || strcmp(row.id, "A26b") == 0)
		attempt.calls = "allow seccomp";
	if (strcmp(row.id, "D01") == 0)
		attempt.calls = "allow sendmsg";
	return attempt;
}

// E13 finds a file that we keep others from, as long as the descriptor is open.
int MakeLease(const Row &row, const Tree &tree)
{
	if (strcmp(row.id, "E13") != 0)
		return -1;
	int leased = open((tree.Directory() + "/readonly/leased").c_str(), O_RDWR | O_CLOEXEC);
	signal(SIGIO, SIG_IGN); // it tells that somebody waits
	EXPECT_EQ(fcntl(leased, F_SETLEASE, F_WRLCK), 0) << strerror(errno);
	return leased;
}

Tree::Depth DepthFor(const Row &row)
{
	return strcmp(row.id, "B06") == 0 ? Tree::DEEP : Tree::SHALLOW;
}

// Until an attack ends, in seconds; if it is thorough.
constexpr int kTime[] = {120, 600};

class Attacks : public ::testing::TestWithParam<Row>
{
      protected:
	void SetUp() override
	{
		prctl(PR_SET_CHILD_SUBREAPER, 1); // what is orphaned is seen as ours
		int canary = memfd_create("canary", 0);
		ASSERT_EQ(write(canary, "CANARY-leaked", 13), 13);
		ASSERT_EQ(dup2(canary, kLeakedDescriptor), kLeakedDescriptor);
		close(canary);
		setenv("LEAK", "CANARY-environment", 1);
		BindCanary();
		broker = std::make_unique<Broker>();
		neighbour = std::make_unique<Neighbour>(*broker);
	}

	void TearDown() override
	{
		neighbour.reset();
		broker.reset();
		close(kLeakedDescriptor);
		close(bound);
	}

	// A name that who sees the machine's sockets sees.
	void BindCanary()
	{
		struct sockaddr_un address = {};
		int length = snprintf(address.sun_path + 1, sizeof(address.sun_path) - 1,
				      "CANARY-socket-%d", getpid());

		address.sun_family = AF_UNIX;
		bound = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		ASSERT_EQ(bind(bound, reinterpret_cast<struct sockaddr *>(&address),
			       static_cast<socklen_t>(offsetof(struct sockaddr_un, sun_path) + 1 +
						      static_cast<size_t>(length))),
			  0);
	}

	bool Controlled(const Row &row) const
	{
		return row.control == NATIVE || (row.control == ROOT && geteuid() == 0);
	}

	// False: there is no such variant.
	bool TryPlain(const Row &row, unsigned variant)
	{
		Tree tree(DepthFor(row));
		Victim victim;
		std::unique_ptr<Swapper> swapper = MakeSwapper(row, variant, tree);
		int status = 0;
		std::string output = RunPlain({row.id, variant, &tree, &victim}, &status);

		if (WIFEXITED(status) && WEXITSTATUS(status) == kNoSuchVariant)
			return false;
		EXPECT_EQ(output.rfind("ESCAPE ", 0), 0u)
		    << "variant " << variant << " does not escape even without protection: status "
		    << status << "\n"
		    << output;
		return true;
	}

	// False: there is no such variant.
	bool TrySandboxed(const Row &row, unsigned variant, Way way, bool thorough = false)
	{
		Tree tree(DepthFor(row));
		Victim victim;
		std::unique_ptr<Swapper> swapper = MakeSwapper(row, variant, tree);
		std::unique_ptr<Terminal> terminal = MakeTerminal(row);
		const Tree::State before = tree.Look();
		const std::string victim_before = victim.Look();
		const std::set<pid_t> processes = Descendants();
		const size_t descriptors = count_descriptors();
		const int lease = MakeLease(row, tree);
		const int gift = MakeGift(row, way, tree, victim);
		Outcome outcome;
		Attempt attempt = MakeAttempt(row, variant, tree, victim, way);

		attempt.thorough = thorough;
		if (thorough)
			attempt.limits = "wall 10m";
		struct sp_sandbox *sandbox =
		    broker->Launch(attempt, terminal ? terminal->Descriptor() : gift, &outcome);
		close(gift);

		EXPECT_TRUE(
		    broker->Until([&] { return outcome.over || outcome.Runs(); }, kTime[thorough]));
		EXPECT_TRUE(neighbour->Works()) << "O5";
		EXPECT_TRUE(broker->Until([&] { return outcome.over; }, kTime[thorough]))
		    << "it does not end";
		sp_sandbox_free(sandbox);
		if (outcome.exit.cause == SP_EXIT_EXITED && outcome.exit.status == kNoSuchVariant)
			return false;
		EXPECT_TRUE(!swapper || swapper->Swaps() > (thorough ? 100000 : 1000))
		    << "there was no race";
		swapper.reset(); // the observer is not to race as well
		Judge(row, way, outcome);
		EXPECT_TRUE(neighbour->Works()) << "O1";
		close(lease);
		EXPECT_EQ(count_descriptors(), descriptors) << "O2";
		EXPECT_EQ(Strangers(processes), std::set<pid_t>()) << "O3";
		EXPECT_TRUE(tree.Look() == before) << "O4: " << Difference(before, tree.Look());
		EXPECT_EQ(tree.Faults(), "") << "O4, O6";
		EXPECT_EQ(outcome.output.find(tree.Secret()), std::string::npos) << "O4";
		EXPECT_EQ(victim.Look(), victim_before);
		EXPECT_FALSE(terminal && terminal->HasInput());
		return true;
	}

	void Judge(const Row &row, Way way, const Outcome &outcome)
	{
		EXPECT_TRUE(EndsAs(outcome.exit, row.ends[way])) << Describe(outcome);
		EXPECT_EQ(outcome.output.find("ESCAPE"), std::string::npos) << Describe(outcome);
		EXPECT_EQ(outcome.output.find("CANARY-"), std::string::npos) << Describe(outcome);
		EXPECT_TRUE(IsPlainText(outcome)) << Describe(outcome);
		EXPECT_TRUE(outcome.locked || row.stage != LOCKED || way == FLOOR)
		    << Describe(outcome);
		EXPECT_TRUE(outcome.output.find("REACHED\n") == 0 || row.control != REACHES)
		    << "it did not reach the porter\n"
		    << Describe(outcome);
	}

	static std::string Difference(const Tree::State &before, const Tree::State &after)
	{
		std::string text;

		for (const auto &[path, state] : before)
			if (auto found = after.find(path);
			    found == after.end() || found->second != state)
				text += path + " changed or went; ";
		for (const auto &[path, state] : after)
			if (!before.count(path))
				text += path + " is new; ";
		return text;
	}

	int bound = -1;
	std::unique_ptr<Broker> broker;
	std::unique_ptr<Neighbour> neighbour;
};

TEST_P(Attacks, IsHeld)
{
	const Row &row = GetParam();
	unsigned variants = 0;

	SCOPED_TRACE(row.title);
	ASSERT_TRUE(neighbour->Works());
	for (bool more = true; more && !HasFailure(); variants += more) {
		SCOPED_TRACE("variant " + std::to_string(variants));
		more = !Controlled(row) || TryPlain(row, variants);
		for (Way way : {TRAP, FLOOR}) {
			SCOPED_TRACE(way == TRAP ? "locked" : "on a floor");
			more = more && !HasFailure() &&
			       (row.ends[way] == NONE || TrySandboxed(row, variants, way));
		}
	}
	EXPECT_GT(variants, 0u) << "nothing was tried";
}

// As long and as often as the catalogue says: 30 seconds of swaps, 100,000 calls.
class Thorough : public Attacks
{
};

TEST_P(Thorough, IsHeld)
{
	const Row &row = GetParam();
	bool more = true;

	SCOPED_TRACE(row.title);
	for (unsigned variant = 0; more && !HasFailure(); variant++) {
		SCOPED_TRACE("variant " + std::to_string(variant));
		for (Way way : {TRAP, FLOOR}) {
			SCOPED_TRACE(way == TRAP ? "locked" : "on a floor");
			more = more && !HasFailure() && TrySandboxed(row, variant, way, true);
		}
	}
}

std::vector<Row> ThoroughRows()
{
	std::vector<Row> found;

	for (const char *id : {"B09", "B33", "B40", "D11", "H14"})
		for (const Row &row : rows)
			if (strcmp(row.id, id) == 0)
				found.push_back(row);
	return found;
}

bool HasRow(const char *id)
{
	for (const Row &row : rows)
		if (strcmp(row.id, id) == 0)
			return true;
	return false;
}

bool HasTest(const char *file, const std::string &name)
{
	std::ifstream source(std::string(sp_test_source_dir()) + "/" + file);
	std::stringstream text;

	text << source.rdbuf();
	return text.str().find(", " + name + ")") != std::string::npos;
}

TEST(Coverage, IsWhereItIsSaidToBe)
{
	std::set<std::string> entries;

#define BY_ATTACK(entry, id)                                                                       \
	EXPECT_TRUE(HasRow(#id)) << #id;                                                           \
	EXPECT_TRUE(entries.insert(#entry).second) << #entry;
#define BY_TEST(entry, file, name)                                                                 \
	EXPECT_TRUE(HasTest(file, name)) << name;                                                  \
	EXPECT_TRUE(entries.insert(#entry).second) << #entry;
#define BY_DESIGN(entry, reason) EXPECT_TRUE(entries.insert(#entry).second) << #entry;
#include "tests/attacks/coverage.def"
#undef BY_ATTACK
#undef BY_TEST
#undef BY_DESIGN
	// What has no entry in the catalogue is named as if it had: a number of its group, or its letter and another.
	for (const Row &row : rows)
		EXPECT_TRUE(entries.count(std::string(row.id).substr(0, 3)) || row.id[0] == 'C' ||
			    row.id[0] == 'P' || strcmp(row.id, "B40") == 0 ||
			    strcmp(row.id, "H05") == 0 || strcmp(row.id, "H09") == 0)
		    << row.id;
}

std::string NameOf(const ::testing::TestParamInfo<Row> &info)
{
	return info.param.id;
}

INSTANTIATE_TEST_SUITE_P(All, Attacks, ::testing::ValuesIn(rows), NameOf);
INSTANTIATE_TEST_SUITE_P(Long, Thorough, ::testing::ValuesIn(ThoroughRows()), NameOf);
} // namespace
