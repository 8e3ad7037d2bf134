// SPDX-License-Identifier: Apache-2.0
// Ends a process of the test's own. A pid that was never learnt is -1 or 0, which kill(2) takes for
// every process there is, or the whole group.
#ifndef SALLYPORT_TESTS_SUPPORT_KILL_H
#define SALLYPORT_TESTS_SUPPORT_KILL_H

#include <cerrno>
#include <csignal>
#include <sys/types.h>

inline int kill_one(pid_t pid)
{
	if (pid > 1)
		return kill(pid, SIGKILL);
	errno = ESRCH;
	return -1;
}

#endif
