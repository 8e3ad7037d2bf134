/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/orphans.h"

#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ipc/util.h"

static bool is_among(pid_t pid, const pid_t *kept, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (kept[i] == pid)
			return true;
	return false;
}

/* "12 345 …": children are reaped by us alone, so that the numbers are still theirs. Returns what comes behind the last
 * blank, which may be the beginning of another number. */
static const char *kill_listed(const char *text, const pid_t *kept, size_t kept_count)
{
	char *end;

	for (long pid; (pid = strtol(text, &end, 10)) > 0 && *end == ' '; text = end + 1)
		if (!is_among((pid_t)pid, kept, kept_count))
			(void)kill((pid_t)pid, SIGKILL);
	return text;
}

void orphans_kill(int proc, const pid_t *kept, size_t kept_count)
{
	_cleanup_close_ int file = openat(proc, "thread-self/children", O_RDONLY | O_CLOEXEC);
	char text[4096] __attribute__((uninitialized)); /* a page at a time: most have few */
	size_t have = 0;
	ssize_t n;

	while (file >= 0 && (n = read(file, text + have, sizeof(text) - 1 - have)) > 0) {
		const char *rest;

		text[have + (size_t)n] = '\0';
		rest = kill_listed(text, kept, kept_count);
		have = strlen(rest);
		memmove(text, rest, have);
	}
}
