/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What hostile code tries, whenever it gets to run: everything that one can do to what lies beside its
 * folder. It says on descriptor 1 what it achieved. Raw calls alone: it runs before any library does.
 */
#ifndef SALLYPORT_TESTS_PROGRAMS_ATTEMPT_H
#define SALLYPORT_TESTS_PROGRAMS_ATTEMPT_H

#include <fcntl.h>
#include <signal.h>

#include "ipc/arch.h"

#define ATTEMPT(nr, a, b, c, d) sp_raw_syscall(nr, (long)(a), (long)(b), (long)(c), (long)(d), 0, 0)

static inline void attempt_to_say(const char *word, unsigned long length)
{
	(void)ATTEMPT(__NR_write, 1, word, length, 0);
}

static inline long attempt_to_open(const char *name, long flags)
{
	long fd = ATTEMPT(__NR_openat, AT_FDCWD, name, flags, 0600);

	if (fd >= 0)
		(void)ATTEMPT(__NR_close, fd, 0, 0, 0);
	return fd;
}

static inline int attempt_to_stat(const char *name)
{
	char status[512];

	return ATTEMPT(__NR_stat, name, status, 0, 0) == 0 ||
	       ATTEMPT(__NR_newfstatat, AT_FDCWD, name, status, AT_SYMLINK_NOFOLLOW) == 0 ||
	       ATTEMPT(__NR_access, name, 0, 0, 0) == 0 ||
	       ATTEMPT(__NR_readlink, name, status, sizeof(status), 0) >= 0;
}

/* `mark` says so itself, in a child. */
static inline void attempt_to_execute(const char *mark)
{
	static const char *const nothing[] = {0};
	long pid = ATTEMPT(__NR_clone, SIGCHLD, 0, 0, 0);

	if (pid == 0) {
		(void)ATTEMPT(__NR_execve, mark, nothing, nothing, 0);
		(void)ATTEMPT(__NR_execveat, AT_FDCWD, mark, nothing, nothing);
		(void)ATTEMPT(__NR_exit_group, 0, 0, 0, 0);
	}
	(void)ATTEMPT(__NR_wait4, pid, 0, 0, 0);
}

static inline void attempt_everything(void)
{
	int reads = 0, stats = 0, writes = 0;

	reads |= attempt_to_open("../outside/secret", O_RDONLY) >= 0;
	reads |= attempt_to_open("escape/secret", O_RDONLY) >= 0;
	reads |= attempt_to_open("/proc/self/cwd/../outside/secret", O_RDONLY) >= 0;
	reads |= attempt_to_open("../outside", O_RDONLY | O_DIRECTORY) >= 0;
	stats |= attempt_to_stat("../outside/secret") || attempt_to_stat("escape/link");
	writes |= attempt_to_open("../outside/secret", O_WRONLY | O_APPEND) >= 0;
	writes |= attempt_to_open("../outside/new", O_WRONLY | O_CREAT | O_EXCL) >= 0;
	writes |= ATTEMPT(__NR_mkdir, "../outside/folder", 0700, 0, 0) == 0;
	writes |= ATTEMPT(__NR_unlink, "../outside/victim", 0, 0, 0) == 0;
	writes |= ATTEMPT(__NR_rename, "escape/link", "../outside/moved", 0, 0) == 0;
	writes |= ATTEMPT(__NR_chmod, "../outside/secret", 0777, 0, 0) == 0;
	writes |= ATTEMPT(__NR_symlink, "x", "../outside/soft", 0, 0) == 0;
	writes |= ATTEMPT(__NR_link, "../outside/secret", "hard", 0, 0) == 0;
	writes |= ATTEMPT(__NR_truncate, "../outside/secret", 1, 0, 0) == 0;
	if (reads)
		attempt_to_say("reads\n", 6);
	if (stats)
		attempt_to_say("stats\n", 6);
	if (writes)
		attempt_to_say("writes\n", 7);
	attempt_to_execute("../outside/mark");
	attempt_to_execute("escape/mark");
}

#endif
