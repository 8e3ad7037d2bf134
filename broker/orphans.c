/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/orphans.h"

#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "ipc/util.h"

static bool is_among(pid_t pid, const pid_t *kept, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (kept[i] == pid)
			return true;
	return false;
}

/* "12 345 …": children are reaped by us alone, so that the numbers are still theirs. */
static void kill_listed(const char *text, const pid_t *kept, size_t kept_count)
{
	char *end;

	for (long pid; (pid = strtol(text, &end, 10)) > 0; text = end)
		if (*end == ' ' && !is_among((pid_t)pid, kept, kept_count))
			(void)kill((pid_t)pid, SIGKILL);
}

void orphans_kill(int proc, const pid_t *kept, size_t kept_count)
{
	_cleanup_close_ int file = openat(proc, "thread-self/children", O_RDONLY | O_CLOEXEC);
	char text[64 * 1024]; /* more are for the next time */
	ssize_t n = file < 0 ? -1 : read(file, text, sizeof(text) - 1);

	if (n <= 0)
		return;
	text[n] = '\0';
	kill_listed(text, kept, kept_count);
}
