/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signals of a command that stands between a shell and a program. Both are in one process group: what
 * the terminal sends reaches the program by itself, and does not end the command before its program.
 * What is sent to the command alone is passed on. When the program stops, so does the command.
 */
#ifndef SALLYPORT_TOOLS_SIGNALS_H
#define SALLYPORT_TOOLS_SIGNALS_H

#include <stdint.h>
#include <sys/types.h>

struct event;
struct event_base;
struct sp_sandbox;

struct signals {
	int descriptor;
	struct event *event;
	uint64_t ignored;           /* those that were ignored when we came: bit N - 1 */
	struct sp_sandbox *sandbox; /* NULL: nobody to pass them on to. Borrowed */
	pid_t pid;                  /* of the program; 0: it does not run yet */
};

#define SIGNALS_NONE ((struct signals){.descriptor = -1})

/* From here on they come through the loop, after all other events. 0 or -errno. */
int signals_take(struct signals *signals, struct event_base *base);
void signals_close(struct signals *signals);

/* The program was stopped by a signal: stops the command likewise, and when that goes on, lets the
 * program go on. */
void signals_stop(struct signals *signals, int number);

#endif
