/* SPDX-License-Identifier: Apache-2.0 */
/* The loop that every variant times its calls with. It sees libc alone. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"

static uint64_t now_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static int call_open(const char *path)
{
	int descriptor = open(path, O_RDONLY | O_CLOEXEC);

	return descriptor < 0 ? -1 : close(descriptor);
}

static int call_stat(const char *path)
{
	struct stat status;

	return stat(path, &status);
}

static int call_access(const char *path)
{
	return access(path, R_OK);
}

static int (*const calls[BENCH_CALLS])(const char *path) = {
    [BENCH_OPEN] = call_open,
    [BENCH_STAT] = call_stat,
    [BENCH_ACCESS] = call_access,
};

static void rest(uint32_t microseconds)
{
	const struct timespec time = {.tv_nsec = (long)microseconds * 1000};

	if (microseconds)
		(void)clock_nanosleep(CLOCK_MONOTONIC, 0, &time, NULL);
}

static int obey(const struct bench_seat *seat, const struct bench_order *order)
{
	for (uint32_t i = 0; i < order->warm_up; i++)
		if (calls[order->call](seat->path) < 0)
			return errno;
	for (uint32_t i = 0; i < order->count; i++) {
		uint64_t start;
		int r;

		rest(order->rest_us);
		start = now_ns();
		r = calls[order->call](seat->path);
		seat->samples[i] = (uint32_t)(now_ns() - start);
		if (r < 0)
			return errno;
	}
	return 0;
}

int bench_work(const struct bench_seat *seat)
{
	struct bench_order order;

	for (;;) {
		uint8_t result;

		if (read(seat->orders, &order, sizeof(order)) != (ssize_t)sizeof(order))
			return -EIO;
		if (order.call >= BENCH_CALLS || order.count > BENCH_SAMPLES_MAX)
			return 0;
		result = (uint8_t)obey(seat, &order);
		if (write(seat->done, &result, 1) != 1)
			return -EIO;
	}
}
