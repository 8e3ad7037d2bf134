/* SPDX-License-Identifier: Apache-2.0 */
/* The yardstick: a plain child that makes the calls itself. */
#include <signal.h>
#include <sys/prctl.h>

#include "bench.h"

static int work(const struct bench_seat *seat)
{
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	return bench_work(seat);
}

int bench_start_native(struct bench_worker *worker, const char *path)
{
	return bench_worker_fork(worker, path, work);
}
