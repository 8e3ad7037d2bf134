/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The program that Sallyport launches: locks itself, then works as every other variant does.
 *
 *     sallyport-bench-guest GRANTED-FILE OTHER-FILE
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <sallyport/sandboxee.h>

#include "guest.h"

/* A measurement of calls that nobody checked would be worth nothing. */
static int is_brokered(const char *granted, const char *other)
{
	int descriptor = open(granted, O_RDONLY | O_CLOEXEC);

	if (descriptor < 0)
		return 0;
	(void)close(descriptor);
	return open(other, O_RDONLY | O_CLOEXEC) < 0 && errno == BENCH_DENIED;
}

int main(int argc, char **argv)
{
	struct bench_seat seat = {.orders = BENCH_ORDERS_FD, .done = BENCH_DONE_FD};

	if (argc != 3)
		return 2;
	seat.path = argv[1];
	seat.samples = mmap(NULL, BENCH_SAMPLES_MAX * sizeof(uint32_t), PROT_READ | PROT_WRITE,
			    MAP_SHARED, BENCH_SAMPLES_FD, 0);
	if (seat.samples == MAP_FAILED)
		return 1;
	if (sp_sandboxee_enter() < 0)
		return 125;
	if (!is_brokered(argv[1], argv[2]))
		return 3;
	return bench_work(&seat) < 0;
}
