/* SPDX-License-Identifier: Apache-2.0 */
/* Processes that no pid namespace takes along: those of a permissive launch. */
#ifndef SALLYPORT_BROKER_ORPHANS_H
#define SALLYPORT_BROKER_ORPHANS_H

#include <stddef.h>
#include <sys/types.h>

/*
 * Sends SIGKILL to every child of the calling thread but `kept`. Whose parents die of it become children of the next
 * subreaper, so that a subreaper that calls this again each time it has reaped one, in the end has none. `proc`: a procfs.
 */
void orphans_kill(int proc, const pid_t *kept, size_t kept_count);

#endif
