// SPDX-License-Identifier: Apache-2.0
// Runs a function in a process of its own and traces it and all that comes of it, but for what is executed in a
// sandbox: counts the system calls of each, and lets one of them go wrong.
#ifndef SALLYPORT_TESTS_ATTACKS_TRACER_H
#define SALLYPORT_TESTS_ATTACKS_TRACER_H

#include <functional>
#include <map>
#include <string>
#include <sys/types.h>
#include <vector>

// What is to happen. Processes and threads are numbered as they are made: the function's own is 0.
struct Injection {
	enum What { NOTHING, KILL, FAIL } what = NOTHING;
	size_t process = 0;
	unsigned long call = 0; // of that process, from 1 on
};

class Tracer
{
      public:
	// False: it takes too long, and was killed. `calls`: whether system calls are looked at.
	bool Run(const std::function<void()> &function, const Injection &injection, bool calls);

	// By process.
	std::vector<unsigned long> Calls() const;

	// What was let go wrong: the number of the system call and its arguments; -1: nothing.
	long Hit() const
	{
		return hit;
	}
	unsigned long HitArgument(size_t i) const
	{
		return hit_argument[i];
	}

	// Of the function's process, as waitpid(2) tells it.
	int Status() const
	{
		return status;
	}

	// Who died of a signal that only a mistake of his own sends, in words.
	const std::string &Crashes() const
	{
		return crashes;
	}

	// The function's process makes it where its calls are to be counted no longer.
	static void StopCounting();

      private:
	struct Traced {
		size_t process;
		unsigned long calls = 0;
		bool counts = true;
		bool loads = false; // the spawner's loader is at work, whose mistakes are not ours
		int error = 0;      // the call under way is to return it …
		unsigned long long saved = 0; // … and its caller finds its first argument as it was
	};

	void Take(pid_t pid, int wait_status);
	void TakeStop(pid_t pid, int wait_status);
	void TakeCall(pid_t pid, Traced &traced);
	void Inject(pid_t pid, Traced &traced, unsigned long number, const unsigned long *argument);
	Traced &Find(pid_t pid);
	void Continue(pid_t pid, int signal) const;

	std::map<pid_t, Traced> living;
	std::vector<unsigned long> counted;
	Injection injection;
	bool calls = false;
	pid_t first = 0;
	long hit = -1;
	unsigned long hit_argument[6] = {};
	int status = 0;
	std::string crashes;
};

#endif
