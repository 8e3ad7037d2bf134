/* SPDX-License-Identifier: Apache-2.0 */
/* The yardstick: a plain child that makes the calls itself. */
#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "bench.h"

int bench_start_native(struct bench_worker *worker, const char *path)
{
	struct bench_seat seat = {.path = path};
	int r = bench_worker_prepare(worker, &seat);

	if (r < 0)
		return r;
	worker->process = fork();
	if (worker->process < 0)
		return -errno;
	if (worker->process == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(bench_work(&seat) < 0);
	}
	(void)close(seat.orders);
	(void)close(seat.done);
	return 0;
}
