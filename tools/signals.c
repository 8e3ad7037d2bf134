/* SPDX-License-Identifier: Apache-2.0 */
#include "signals.h"

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include <sallyport/broker.h>

#include "command.h"

static const int relayed[] = {SIGINT,  SIGQUIT, SIGTERM, SIGHUP,  SIGUSR1, SIGUSR2,
			      SIGCONT, SIGTSTP, SIGTTIN, SIGTTOU, SIGWINCH};

/* Events of the library are in the middle, where events are by themselves. News of the program come
 * before signals, which so meet it as it is. */
enum { PRIORITY_FIRST, PRIORITY_OTHERS, PRIORITY_SIGNALS, PRIORITY_COUNT };

static uint64_t bit_of(int number)
{
	return UINT64_C(1) << (number - 1);
}

/*
 * The terminal's (SI_KERNEL) have reached the program too, once it runs; before that nobody knows.
 * So has what kill(2) sent to the whole process group: that it then comes twice is what the programs
 * of every such command live with.
 */
static bool is_to_be_relayed(const struct signals *signals, const struct signalfd_siginfo *info)
{
	if (signals->ignored & bit_of((int)info->ssi_signo))
		return false;
	return signals->pid == 0 || info->ssi_code != SI_KERNEL;
}

static void relay(evutil_socket_t descriptor, short what, void *data)
{
	struct signals *signals = data;
	struct signalfd_siginfo info;

	(void)what;
	while (read(descriptor, &info, sizeof(info)) == sizeof(info))
		if (signals->sandbox && is_to_be_relayed(signals, &info))
			(void)sp_sandbox_signal(signals->sandbox, (int)info.ssi_signo);
}

/* Not SIGSYS, which is the sandbox's own. */
static uint64_t find_ignored(void)
{
	uint64_t ignored = 0;

	for (int number = 1; number < NSIG; number++) {
		struct sigaction action;

		if (number != SIGSYS && sigaction(number, NULL, &action) == 0 &&
		    action.sa_handler == SIG_IGN)
			ignored |= bit_of(number);
	}
	return ignored;
}

static int watch(struct signals *signals, struct event_base *base)
{
	if (event_base_priority_init(base, PRIORITY_COUNT) < 0)
		return -ENOMEM;
	signals->event = event_new(base, signals->descriptor, EV_READ | EV_PERSIST, relay, signals);
	if (!signals->event || event_priority_set(signals->event, PRIORITY_SIGNALS) < 0 ||
	    event_add(signals->event, NULL) < 0)
		return -ENOMEM;
	return 0;
}

int signals_take(struct signals *signals, struct event_base *base)
{
	sigset_t set;

	signals->ignored = find_ignored();
	(void)sigemptyset(&set);
	for (size_t i = 0; i < ELEMENTS(relayed); i++)
		(void)sigaddset(&set, relayed[i]);
	/* What our caller has blocked beside them is blocked no longer. */
	if (sigprocmask(SIG_SETMASK, &set, NULL) < 0)
		return -errno;
	/* Where the reader of the report has gone, that is an error of writing, not our death. */
	(void)signal(SIGPIPE, SIG_IGN);
	signals->descriptor = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return signals->descriptor < 0 ? -errno : watch(signals, base);
}

void signals_close(struct signals *signals)
{
	if (signals->event)
		event_free(signals->event);
	if (signals->descriptor >= 0)
		(void)close(signals->descriptor);
	*signals = SIGNALS_NONE;
}

/* ---- stops ---- */

/* News of a stop may be old: whoever stopped both of us may have let both go on since. Where /proc
 * does not tell, they are believed. */
static bool is_stopped(pid_t pid)
{
	char path[64], text[512];
	const char *state;
	FILE *file;
	size_t length;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	file = fopen(path, "re");
	if (!file)
		return true;
	length = fread(text, 1, sizeof(text) - 1, file);
	(void)fclose(file);
	text[length] = '\0';
	/* "pid (name) state …": the name may hold anything, parentheses too. */
	state = strrchr(text, ')');
	return !state || !state[1] || state[2] == 'T' || state[2] == 't';
}

static bool is_continued(void)
{
	sigset_t pending;

	return sigpending(&pending) == 0 && sigismember(&pending, SIGCONT);
}

/* By the same signal, so that a shell calls it by its name. As everywhere, only SIGSTOP stops a member
 * of an orphaned process group. */
static void stop_here(int number)
{
	sigset_t set, before;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, number);
	(void)raise(number);
	(void)sigprocmask(SIG_UNBLOCK, &set, &before);
	(void)sigprocmask(SIG_SETMASK, &before, NULL);
}

/* The signal that let us go on has most often reached the program too: passed on, it would come late,
 * and undo the next stop. */
static void forget_continuation(void)
{
	const struct timespec none = {0};
	sigset_t set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGCONT);
	(void)sigtimedwait(&set, NULL, &none);
}

static bool stops(int number)
{
	return number == SIGSTOP || number == SIGTSTP || number == SIGTTIN || number == SIGTTOU;
}

/* A program that is traced stops by any signal: that is nothing that we should do as well. */
void signals_stop(struct signals *signals, int number)
{
	if (!stops(number) || is_continued() || !is_stopped(signals->pid))
		return;
	stop_here(number);
	forget_continuation();
	if (is_stopped(signals->pid))
		(void)sp_sandbox_signal(signals->sandbox, SIGCONT);
}
