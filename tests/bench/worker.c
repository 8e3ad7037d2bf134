/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"
#include "ipc/util.h"

int bench_worker_prepare(struct bench_worker *worker, struct bench_seat *ret_seat)
{
	int orders[2], done[2];
	int r = sp_buffer_create(BENCH_SAMPLES_MAX * sizeof(uint32_t), &worker->samples);

	if (r < 0)
		return r;
	if (pipe2(orders, O_CLOEXEC) < 0)
		return -errno;
	ret_seat->orders = orders[0];
	worker->orders = orders[1];
	if (pipe2(done, O_CLOEXEC) < 0)
		return -errno;
	worker->done = done[0];
	ret_seat->done = done[1];
	ret_seat->samples = worker->samples.bytes;
	ret_seat->samples_descriptor = worker->samples.descriptor;
	return 0;
}

int bench_worker_fork(struct bench_worker *worker, const char *path,
		      int (*body)(const struct bench_seat *seat))
{
	struct bench_seat seat = {.path = path};
	int r = bench_worker_prepare(worker, &seat);

	if (r < 0)
		return r;
	worker->process = fork();
	if (worker->process < 0)
		return -errno;
	if (worker->process == 0)
		_exit(body(&seat) < 0);
	(void)close(seat.orders);
	(void)close(seat.done);
	return 0;
}

int bench_worker_run(struct bench_worker *worker, const struct bench_order *order)
{
	uint8_t result;

	if (write(worker->orders, order, sizeof(*order)) != (ssize_t)sizeof(*order))
		return -EPIPE;
	if (read(worker->done, &result, 1) != 1)
		return -EPIPE;
	return -(int)result;
}

void bench_worker_end(struct bench_worker *worker)
{
	const struct bench_order end = {.call = BENCH_CALLS};

	if (worker->orders >= 0)
		(void)!write(worker->orders, &end, sizeof(end));
	if (worker->process > 0)
		(void)waitpid(worker->process, NULL, 0);
	sp_close_pointer(&worker->orders);
	sp_close_pointer(&worker->done);
	sp_buffer_close(&worker->samples);
	*worker = (struct bench_worker)BENCH_WORKER_INIT;
}
