// SPDX-License-Identifier: Apache-2.0
#include "tests/attacks/range.h"

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <dirent.h>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <poll.h>
#include <sched.h>
#include <sstream>
#include <stdexcept>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>
#include <vector>

#include "tests/support/kill.h"
#include "tests/support/paths.h"

namespace
{
namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

// How long a control may take.
constexpr auto kControlTime = std::chrono::seconds(15);

[[noreturn]] void Fail(const std::string &what)
{
	throw std::runtime_error(what + ": " + strerror(errno));
}

std::string Program()
{
	return std::string(sp_test_binary_dir()) + "/bin/attack";
}

// Not reproducible on purpose: a secret that can be guessed would prove nothing. No verdict depends on its value.
std::string MakeSecret()
{
	unsigned char random[16];
	char text[64];
	size_t used;

	if (getrandom(random, sizeof(random), 0) != sizeof(random))
		Fail("getrandom");
	used = static_cast<size_t>(snprintf(text, sizeof(text), "CANARY-"));
	for (unsigned char byte : random)
		used +=
		    static_cast<size_t>(snprintf(text + used, sizeof(text) - used, "%02x", byte));
	return text;
}

void Write(const std::string &path, const std::string &text, mode_t mode = 0644)
{
	std::ofstream(path, std::ios::binary) << text;
	if (chmod(path.c_str(), mode) < 0)
		Fail(path);
}

std::string Read(const std::string &path)
{
	std::ifstream file(path, std::ios::binary);
	std::stringstream text;

	text << file.rdbuf();
	return text.str();
}

void Link(const std::string &target, const std::string &path)
{
	if (symlink(target.c_str(), path.c_str()) < 0)
		Fail(path);
}

// An attack that may create may make a directory that its owner, who is us, cannot enter: neither to look at it nor to
// remove it.
void Open(const std::string &path, const struct stat &status)
{
	if (S_ISDIR(status.st_mode) && (status.st_mode & S_IRWXU) != S_IRWXU &&
	    chmod(path.c_str(), S_IRWXU) < 0)
		Fail(path);
}
} // namespace

// ---- Tree

Tree::Tree(Depth depth) : secret(MakeSecret())
{
	const char *temporary = getenv("TMPDIR");
	std::string pattern =
	    fs::canonical(temporary ? temporary : "/tmp").string() + "/attack.XXXXXX";

	if (!mkdtemp(pattern.data()))
		Fail(pattern);
	directory = pattern;
	Build(depth);
}

Tree::~Tree()
{
	std::error_code ignored;

	fs::remove_all(directory, ignored);
}

void Tree::Build(Depth depth)
{
	const std::string d = directory + "/";

	// Where races may leave their second name; and "..", of what is moved there, leads to a secret.
	for (const char *name :
	     {"allowed", "allowed/sub", "allowed/race-directory", "allowed/parent",
	      "allowed/parent/child", "allowed-too", "Allowed", "readonly", "readonly/deep",
	      "secret", "outside", "moving", "moving/parent", "moving/parent/child"})
		if (mkdir((d + name).c_str(), 0755) < 0)
			Fail(name);
	for (const char *name :
	     {"secret/canary", "allowed-too/canary", "Allowed/canary", "moving/canary"})
		Write(d + name, secret + "\n", 0600);
	for (const char *name :
	     {"allowed/file", "allowed/sub/file", "allowed/race", "allowed/canary", "allowed/other",
	      "allowed/race-directory/canary", "readonly/file", "outside/linked"})
		Write(d + name, "plain\n");
	Link(d + "secret/canary", d + "allowed/link");
	Link("../secret/canary", d + "allowed/relative");
	Link("link", d + "allowed/twice");
	Link(d + "secret", d + "allowed/directory-link");
	Link("..", d + "allowed/up");
	Link("../outside/new", d + "allowed/dangling");
	Link("../secret/canary", d + "moving/race-link");
	Link("../secret", d + "moving/race-directory-link");
	Write(d + "readonly/unreadable", secret + "\n", 0);
	Write(d + "readonly/leased", "plain\n");
	for (const char *name : {"allowed/fifo", "readonly/fifo"})
		if (mkfifo((d + name).c_str(), 0644) < 0)
			Fail(name);
	if (link((d + "outside/linked").c_str(), (d + "allowed/hardlink").c_str()) < 0)
		Fail("hardlink");
	Link("canary", d + "secret/link");
	if (geteuid() == 0 &&
	    mknod((d + "allowed/device").c_str(), S_IFCHR | 0666, makedev(1, 11)) < 0) // kmsg
		Fail("device");
	Link("file", d + "readonly/chain1");
	for (int i = 2; i <= 41; i++)
		Link("chain" + std::to_string(i - 1), d + "readonly/chain" + std::to_string(i));
	Link("loop", d + "readonly/loop");
	std::string level = d + "readonly/deep";
	for (int i = 0; depth == DEEP && i < 1000; i++) {
		level += "/d";
		if (mkdir(level.c_str(), 0755) < 0)
			Fail(level);
	}
}

Tree::State Tree::Look() const
{
	State state;

	for (const char *area : {"", "allowed-too", "Allowed", "readonly", "secret", "outside"}) {
		std::string top = directory + "/" + area;

		for (const fs::directory_entry &entry : fs::directory_iterator(top)) {
			std::string path = entry.path();
			struct stat status;

			if (lstat(path.c_str(), &status) < 0)
				Fail(path);
			// allowed/ and moving/ themselves change with what happens in them.
			bool changes = *area == '\0' && S_ISDIR(status.st_mode);
			std::string content;
			if (S_ISREG(status.st_mode))
				content = Read(path);
			if (S_ISLNK(status.st_mode))
				content = fs::read_symlink(path);
			state[path] = {status.st_mode,
				       status.st_uid,
				       status.st_gid,
				       changes ? 0 : status.st_nlink,
				       changes ? 0 : status.st_mtim.tv_sec,
				       changes ? 0 : status.st_mtim.tv_nsec,
				       content};
		}
	}
	return state;
}

std::string Tree::Faults() const
{
	std::string faults;

	for (const fs::directory_entry &entry :
	     fs::recursive_directory_iterator(directory + "/allowed")) {
		std::string path = entry.path();
		struct stat status;

		if (lstat(path.c_str(), &status) < 0)
			Fail(path);
		if (status.st_mode & (S_ISUID | S_ISGID | S_ISVTX))
			faults += path + " has set-id or sticky bits\n";
		if (status.st_uid != geteuid())
			faults += path + " has another owner\n";
		if (entry.path().filename().string().rfind("core", 0) == 0)
			faults += path + " is a core\n";
		Open(path, status); // the iterator enters it next
	}
	return faults;
}

// ---- Victim

namespace
{
// In the victim, which is a copy of us, it lies at the same place.
char victim_memory[64];
} // namespace

Victim::Victim()
{
	snprintf(victim_memory, sizeof(victim_memory), "%s", MakeSecret().c_str());
	pid = fork();
	if (pid < 0)
		Fail("fork");
	if (pid > 0)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;)
		pause();
}

Victim::~Victim()
{
	kill_one(pid);
	waitpid(pid, nullptr, 0);
}

std::string Victim::Memory() const
{
	char text[32];

	snprintf(text, sizeof(text), "%lx", reinterpret_cast<unsigned long>(victim_memory));
	return text;
}

std::string Victim::Look() const
{
	char bytes[sizeof(victim_memory)] = "";
	struct iovec here = {bytes, sizeof(bytes)}, there = {victim_memory, sizeof(bytes)};
	struct rlimit limit = {};
	std::ostringstream text;
	std::string status = Read("/proc/" + std::to_string(pid) + "/status");
	cpu_set_t cpus;

	char state = status[status.find("State:\t") + strlen("State:\t")];
	text << (strchr("RSD", state) ? "alive" : "stopped or dead") << "; ";
	for (const char *line : {"TracerPid:", "SigPnd:", "ShdPnd:"}) {
		size_t at = status.find(line);

		text << status.substr(at, status.find('\n', at) - at) << "; ";
	}
	process_vm_readv(pid, &here, 1, &there, 1, 0);
	prlimit(pid, RLIMIT_MEMLOCK, nullptr, &limit);
	sched_getaffinity(pid, sizeof(cpus), &cpus);
	text << bytes << "; " << limit.rlim_cur << "; "
	     << getpriority(PRIO_PROCESS, static_cast<id_t>(pid)) << "; " << CPU_COUNT(&cpus);
	return text.str();
}

// ---- Swapper

Swapper::Swapper(const std::string &one, const std::string &other)
{
	void *memory = mmap(nullptr, sizeof(*count), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		Fail("mmap");
	count = static_cast<unsigned long *>(memory);
	pid = fork();
	if (pid < 0)
		Fail("fork");
	if (pid > 0)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;)
		if (renameat2(AT_FDCWD, one.c_str(), AT_FDCWD, other.c_str(), RENAME_EXCHANGE) == 0)
			__atomic_fetch_add(count, 1, __ATOMIC_RELAXED);
		else if (errno != ENOENT)
			_exit(1);
}

Swapper::~Swapper()
{
	kill_one(pid);
	waitpid(pid, nullptr, 0);
	munmap(count, sizeof(*count));
}

unsigned long Swapper::Swaps() const
{
	return __atomic_load_n(count, __ATOMIC_RELAXED);
}

// ---- processes

namespace
{
// The parent of a process; 0 where it has just gone.
pid_t ParentOf(const std::string &process)
{
	std::string stat = Read("/proc/" + process + "/stat");
	size_t name_end = stat.rfind(')');
	int parent = 0;

	if (name_end != std::string::npos)
		sscanf(stat.c_str() + name_end, ") %*c %d", &parent);
	return parent;
}

std::map<pid_t, pid_t> Parents()
{
	std::map<pid_t, pid_t> parents;
	DIR *directory = opendir("/proc");

	while (struct dirent *entry = readdir(directory))
		if (pid_t pid = atoi(entry->d_name); pid > 0)
			parents[pid] = ParentOf(entry->d_name);
	closedir(directory);
	return parents;
}
} // namespace

std::set<pid_t> Descendants()
{
	const std::map<pid_t, pid_t> parents = Parents();
	std::set<pid_t> descendants;

	for (const auto &[pid, parent] : parents) {
		auto ancestor = parents.find(pid);

		while (ancestor != parents.end() && ancestor->second != getpid())
			ancestor = parents.find(ancestor->second);
		if (ancestor != parents.end())
			descendants.insert(pid);
	}
	return descendants;
}

std::set<pid_t> Strangers(const std::set<pid_t> &known)
{
	const auto end = Clock::now() + std::chrono::seconds(1);
	std::set<pid_t> strangers;

	do {
		strangers.clear();
		for (pid_t pid : Descendants())
			if (!known.count(pid))
				strangers.insert(pid);
	} while (!strangers.empty() && Clock::now() < end);
	return strangers;
}

// ---- the positive control

namespace
{
std::vector<std::string> Words(const Attempt &attempt, bool protect)
{
	std::vector<std::string> words = {Program()};

	if (!protect)
		words.push_back("--unprotected");
	else if (attempt.way == FLOOR)
		words.push_back("--floor");
	if (attempt.thorough)
		words.push_back("--thorough");
	words.insert(words.end(),
		     {attempt.id, std::to_string(attempt.variant), attempt.tree->Directory(),
		      std::to_string(attempt.victim->Pid()), attempt.victim->Memory()});
	return words;
}

std::vector<const char *> Pointers(const std::vector<std::string> &words)
{
	std::vector<const char *> pointers;

	for (const std::string &word : words)
		pointers.push_back(word.c_str());
	pointers.push_back(nullptr);
	return pointers;
}

// Until end of file or the end of the time.
std::string Drain(int fd)
{
	const auto end = Clock::now() + kControlTime;
	std::string text;
	char bytes[4096];

	for (;;) {
		auto left =
		    std::chrono::duration_cast<std::chrono::milliseconds>(end - Clock::now());
		struct pollfd readable = {fd, POLLIN, 0};

		if (left.count() <= 0 || poll(&readable, 1, static_cast<int>(left.count())) <= 0)
			return text;
		ssize_t length = read(fd, bytes, sizeof(bytes));
		if (length <= 0)
			return text;
		text.append(bytes, static_cast<size_t>(length));
	}
}
} // namespace

std::string RunPlain(const Attempt &attempt, int *ret_status)
{
	const std::vector<std::string> words = Words(attempt, false);
	const std::vector<const char *> argv = Pointers(words);
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		Fail("pipe");
	pid_t pid = fork();
	if (pid < 0)
		Fail("fork");
	if (pid == 0) {
		dup2(ends[1], STDOUT_FILENO);
		execv(argv[0], const_cast<char *const *>(argv.data()));
		_exit(127);
	}
	close(ends[1]);
	std::string output = Drain(ends[0]);
	close(ends[0]);
	kill_one(pid); // has ended, or is out of time
	waitpid(pid, ret_status, 0);
	return output;
}

// ---- Broker

namespace
{
void OnStarted(struct sp_sandbox *, pid_t pid, void *data)
{
	static_cast<Outcome *>(data)->pid = pid;
}

void OnLocked(struct sp_sandbox *, void *data)
{
	static_cast<Outcome *>(data)->locked = true;
}

void OnReport(struct sp_sandbox *, const struct sp_report *report, void *data)
{
	char sentence[2048];
	auto *outcome = static_cast<Outcome *>(data);

	sp_report_describe(report, sentence, sizeof(sentence));
	if (outcome->reports.size() < 4096) {
		outcome->reports += std::string("  ") + sentence + "\n";
		outcome->report_count++;
	}
}

void OnOutput(struct sp_sandbox *, int, const void *bytes, size_t length, void *data)
{
	static_cast<Outcome *>(data)->output.append(static_cast<const char *>(bytes), length);
}

void OnExit(struct sp_sandbox *, const struct sp_exit *exit, void *data)
{
	char sentence[512];
	auto *outcome = static_cast<Outcome *>(data);

	sp_exit_describe(exit, sentence, sizeof(sentence));
	outcome->ending = sentence;
	outcome->exit = *exit;
	outcome->over = true;
}

void Explain(const struct sp_diagnostic *diagnostic, void *)
{
	ADD_FAILURE() << diagnostic->text;
}

struct sp_policy *LoadPolicy(const Attempt &attempt)
{
	const std::string &directory = attempt.tree->Directory();
	const std::string allowed = directory + "/allowed", readonly = directory + "/readonly";
	// All of /proc: what is refused there is refused whatever a policy says. The libraries: on a floor the loader
	// asks for them.
	const std::string text = std::string("policy attacked\ninclude ") + attempt.preset +
				 "\nfiles {\n"
				 "\tread " +
				 allowed +
				 "\n"
				 "\tread, write, create, delete " +
				 allowed +
				 "/**\n"
				 "\tread " +
				 readonly +
				 "\n"
				 "\tread " +
				 readonly +
				 "/**\n"
				 "\tread /proc/**\n"
				 "\tread /etc/ld.so.cache, /lib/**, /usr/lib/**, /lib64/**, " +
				 sp_test_binary_dir() + "/bin, " + Program() + ", " +
				 sp_test_binary_dir() +
				 "/lib/**\n"
				 "}\n"
				 "syscalls { " +
				 attempt.calls + " }\nlimits { " + attempt.limits + " }\n";
	struct sp_policy *policy = nullptr;
	int r = sp_policy_parse("attacked", text.data(), text.size(), Explain, nullptr, &policy);

	if (r < 0)
		throw std::runtime_error(std::string("the policy: ") + strerror(-r));
	return policy;
}
} // namespace

Broker::Broker(const char *spawner)
{
	struct sp_broker_options options = {};

	options.spawner = spawner;
	base = event_base_new();
	if (!base || sp_broker_new(base, &options, &broker) < 0)
		throw std::runtime_error("no broker");
}

Broker::~Broker()
{
	sp_broker_free(broker);
	event_base_free(base);
}

struct sp_sandbox *Broker::Launch(const Attempt &attempt, int descriptor, Outcome *outcome)
{
	const std::vector<std::string> words = Words(attempt, true);
	const std::vector<const char *> argv = Pointers(words);
	const char *const environment[] = {"ATTACKER=yes", nullptr};
	const std::string directory = attempt.tree->Directory() + "/allowed";
	const struct sp_pass pass = {descriptor, 3};
	struct sp_policy *policy = LoadPolicy(attempt);
	struct sp_launch launch = {};
	struct sp_sandbox *sandbox = nullptr;

	launch.policy = policy;
	launch.interception =
	    attempt.way == FLOOR ? SP_INTERCEPTION_NOTIFY : SP_INTERCEPTION_COOPERATIVE;
	launch.argv = argv.data();
	launch.environment = environment;
	launch.directory = directory.c_str();
	launch.pass = &pass;
	launch.pass_count = descriptor >= 0;
	launch.on_started = OnStarted;
	launch.on_locked = OnLocked;
	launch.on_report = OnReport;
	launch.on_output = OnOutput;
	launch.on_exit = OnExit;
	launch.data = outcome;
	int r = sp_sandbox_launch(broker, &launch, &sandbox);
	sp_policy_unref(policy);
	if (r < 0)
		throw std::runtime_error(std::string("launch: ") + strerror(-r));
	return sandbox;
}

bool Broker::Until(const std::function<bool()> &condition, int seconds)
{
	const auto end = Clock::now() + std::chrono::seconds(seconds);

	while (!condition() && Clock::now() < end) {
		const struct timeval moment = {0, 100000};

		event_base_loopexit(base, &moment);
		event_base_loop(base, EVLOOP_ONCE);
	}
	return condition();
}

// ---- Neighbour

Neighbour::Neighbour(Broker &broker) : tree(Tree::SHALLOW)
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		Fail("socketpair");
	socket = ends[0];
	sandbox =
	    broker.Launch({"NEIGHBOUR", 0, &tree, &victim, TRAP, "wall 5h"}, ends[1], &outcome);
	close(ends[1]);
	if (!broker.Until([this] { return outcome.locked || outcome.over; }) || outcome.over)
		throw std::runtime_error("the neighbour: " + Describe(outcome));
}

Neighbour::~Neighbour()
{
	sp_sandbox_free(sandbox);
	close(socket);
}

bool Neighbour::Works()
{
	struct pollfd readable = {socket, POLLIN, 0};
	char byte = 'x';

	return send(socket, &byte, 1, MSG_NOSIGNAL) == 1 && poll(&readable, 1, 1000) == 1 &&
	       recv(socket, &byte, 1, 0) == 1;
}

// ---- Terminal

Terminal::Terminal()
{
	struct termios raw = {};

	master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (master < 0 || grantpt(master) < 0 || unlockpt(master) < 0)
		Fail("posix_openpt");
	slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave < 0)
		Fail("the terminal");
	cfmakeraw(&raw);
	tcsetattr(slave, TCSANOW, &raw);
}

Terminal::~Terminal()
{
	close(slave);
	close(master);
}

bool Terminal::HasInput() const
{
	struct pollfd readable = {slave, POLLIN, 0};

	return poll(&readable, 1, 0) != 0;
}

// ----

bool Outcome::Runs() const
{
	return locked || output.rfind("RUNS\n", 0) == 0;
}

std::string Describe(const Outcome &outcome)
{
	return (outcome.over ? outcome.ending : "has not ended") + "\n" + outcome.output +
	       outcome.reports;
}
