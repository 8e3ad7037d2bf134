// SPDX-License-Identifier: Apache-2.0
// The firing range of the attacks: the files they are after, a process they are after, a broker, a neighbour whose
// work must go on, and the eyes that look at all of it from outside.
#ifndef SALLYPORT_TESTS_ATTACKS_RANGE_H
#define SALLYPORT_TESTS_ATTACKS_RANGE_H

#include <event2/event.h>

#include <functional>
#include <map>
#include <set>
#include <string>
#include <sys/types.h>
#include <tuple>

#include <sallyport/broker.h>
#include <sallyport/policy.h>

// Files below a fresh directory: allowed/ (every right but `linked`), readonly/ (read), and what no rule names:
// secret/, outside/, allowed-too/, and moving/, with which races exchange things.
class Tree
{
      public:
	enum Depth { SHALLOW, DEEP }; // DEEP: with a thousand levels
	explicit Tree(Depth depth);
	~Tree();
	Tree(const Tree &) = delete;
	Tree &operator=(const Tree &) = delete;

	const std::string &Directory() const
	{
		return directory;
	}
	const std::string &Secret() const
	{
		return secret;
	}

	// Everything that must stay: name → mode, owner, links, time of change of the content, content.
	using State =
	    std::map<std::string,
		     std::tuple<mode_t, uid_t, gid_t, nlink_t, int64_t, int64_t, std::string>>;
	State Look() const;

	// What is wrong with allowed/, in words: set-id bits, foreign owners, cores. Empty: nothing. Opens
	// directories that we could not enter.
	std::string Faults() const;

      private:
	void Build(Depth depth);
	std::string directory, secret;
};

// A process of ours with a secret in its memory.
class Victim
{
      public:
	Victim();
	~Victim();
	Victim(const Victim &) = delete;
	Victim &operator=(const Victim &) = delete;

	pid_t Pid() const
	{
		return pid;
	}
	std::string Memory() const; // where the secret is, in hexadecimal
	std::string Look() const;   // how it is: state, limits, priority, affinity, memory
      private:
	pid_t pid;
};

// A process of a hostile neighbour, who exchanges two names as fast as the kernel can.
class Swapper
{
      public:
	Swapper(const std::string &one, const std::string &other);
	~Swapper();
	Swapper(const Swapper &) = delete;
	Swapper &operator=(const Swapper &) = delete;
	unsigned long Swaps() const;

      private:
	unsigned long *count; // shared with the process
	pid_t pid;
};

// Every descendant of this process, zombies too.
std::set<pid_t> Descendants();

// Waits, for a second at most, until all descendants are among `known`. Returns those that are not.
std::set<pid_t> Strangers(const std::set<pid_t> &known);

// What a process did.
struct Outcome {
	bool over = false;
	bool locked = false;
	pid_t pid = 0;            // of the sandboxee, from outside
	struct sp_exit exit = {}; // its strings are in `ending`
	std::string ending;
	std::string output;
	std::string reports; // one sentence a line
	long report_count = 0;
	bool Runs() const; // it has begun: told by the runtime, or on a floor by its first words
};

// How the attacker's calls come before the policy.
enum Way { TRAP, FLOOR };

struct Attempt {
	std::string id;
	unsigned variant;
	const Tree *tree;
	const Victim *victim;
	Way way = TRAP;
	const char *limits = "wall 100s";
	const char *preset = "parser"; // what the policy includes …
	const char *calls = "";        // … and allows beside
	bool thorough = false;
};

// The positive control: runs the attack in a plain process. *ret_status is as waitpid(2) gives it.
std::string RunPlain(const Attempt &attempt, int *ret_status);

// A broker with its loop.
class Broker
{
      public:
	// `spawner`: another one than the build's.
	explicit Broker(const char *spawner = nullptr);
	~Broker();
	Broker(const Broker &) = delete;
	Broker &operator=(const Broker &) = delete;

	// `descriptor` is passed as number 3, unless it is -1. The outcome must outlive the sandbox.
	struct sp_sandbox *Launch(const Attempt &attempt, int descriptor, Outcome *outcome);

	// Serves events until the condition holds. False: it did not within the time.
	bool Until(const std::function<bool()> &condition, int seconds = 120);

	struct event_base *Base() const
	{
		return base;
	}

      private:
	struct event_base *base = nullptr;
	struct sp_broker *broker = nullptr;
};

// A sandboxee beside the attacker, with a tree of its own.
class Neighbour
{
      public:
	explicit Neighbour(Broker &broker);
	~Neighbour();
	Neighbour(const Neighbour &) = delete;
	Neighbour &operator=(const Neighbour &) = delete;

	// A hundred opens, each the right file, within a second.
	bool Works();

      private:
	Tree tree;
	Victim victim;
	Outcome outcome;
	struct sp_sandbox *sandbox = nullptr;
	int socket = -1;
};

// A terminal whose input shows what was put into it.
class Terminal
{
      public:
	Terminal();
	~Terminal();
	Terminal(const Terminal &) = delete;
	Terminal &operator=(const Terminal &) = delete;

	int Descriptor() const
	{
		return slave;
	}
	bool HasInput() const;

      private:
	int master, slave;
};

std::string Describe(const Outcome &outcome);

#endif
