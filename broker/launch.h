/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One launch, in a process of its own: builds the walls, starts init and sandboxee, and then is the
 * porter. Every step that fails is reported to the broker by name.
 */
#ifndef SALLYPORT_BROKER_LAUNCH_H
#define SALLYPORT_BROKER_LAUNCH_H

#include <stddef.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "ipc/wire.pb-c.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What the spawner has collected. Owned by whoever holds it; passed[i] is to be plan->number[i]. */
struct launch_order {
	Sallyport__Wire__LaunchPlan *plan;
	int control;
	int *passed;
	size_t passed_count;
	struct rlimit files; /* the limit on descriptors of the broker */
	pid_t group;         /* the broker's process group */
};

/* Never returns. The process's other descriptors are closed. */
_Noreturn void launch_run(struct launch_order *order);

#ifdef __cplusplus
}
#endif

#endif
