/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/floor.h"

#include <errno.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "ipc/arch.h"
#include "ipc/channel.h"

#define COURIER_STACK 16384

/*
 * The listener appears among the descriptors of who installs the filter, when the filter may forbid
 * sending it already. So it is a second thread that sends it: it shares the descriptors, and a
 * filter falls on the calling thread alone. It shares the thread pointer as well, and so makes raw
 * calls only.
 */
struct courier {
	_Atomic uint32_t listener; /* futex; NOTHING_YET, or the descriptor, or NOTHING */
	_Atomic uint32_t tid;      /* futex: the kernel clears it when the courier has gone */
	int socket;
	const void *note;
	size_t length;
	int result;
};

#define NOTHING_YET UINT32_MAX
#define NOTHING (UINT32_MAX - 1)

static void await_change(_Atomic uint32_t *word, uint32_t value)
{
	while (atomic_load(word) == value)
		(void)sp_raw_syscall(__NR_futex, (long)word, FUTEX_WAIT, value, 0, 0, 0);
}

static int courier_main(void *data)
{
	struct courier *courier = data;
	uint32_t listener;

	await_change(&courier->listener, NOTHING_YET);
	listener = atomic_load(&courier->listener);
	if (listener != NOTHING)
		courier->result =
		    sp_channel_send(courier->socket, courier->note, courier->length, (int)listener);
	(void)sp_raw_syscall(__NR_exit, 0, 0, 0, 0, 0, 0);
	return 0;
}

static int courier_start(struct courier *courier, uint8_t *top)
{
	const int flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD |
			  CLONE_SYSVSEM | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID;

	if (clone(courier_main, top, flags, courier, &courier->tid, NULL, &courier->tid) < 0)
		return -errno;
	return 0;
}

static void courier_send(struct courier *courier, uint32_t listener)
{
	uint32_t tid;

	atomic_store(&courier->listener, listener);
	(void)sp_raw_syscall(__NR_futex, (long)&courier->listener, FUTEX_WAKE, 1, 0, 0, 0);
	while ((tid = atomic_load(&courier->tid)) != 0)
		await_change(&courier->tid, tid);
}

static long set_filter(unsigned flags, const struct sock_fprog *filter)
{
	return sp_raw_syscall(__NR_seccomp, SECCOMP_SET_MODE_FILTER, flags, (long)filter, 0, 0, 0);
}

int filters_install(const struct filters *filters)
{
	long r = 0;

	for (size_t i = 0; i < filters->extra_count && r == 0; i++)
		r = set_filter(0, &filters->extras[i]);
	return (int)r;
}

static long install_floor(const struct sock_fprog *floor)
{
	/* Once the porter has taken a call, only death ends the wait for it: a signal that interrupts
	 * and restarts it would have it performed twice. */
	return set_filter(SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV,
			  floor);
}

int floor_stand(const struct filters *filters, int socket, const void *note, size_t length)
{
	uint8_t stack[COURIER_STACK] __attribute__((aligned(16), uninitialized));
	struct courier courier = {
	    .listener = NOTHING_YET, .socket = socket, .note = note, .length = length};
	int r = courier_start(&courier, stack + sizeof(stack));
	long listener;

	if (r < 0)
		return r;
	/* The courier is there already: no filter of others holds it. */
	listener = filters_install(filters);
	if (listener == 0)
		listener = install_floor(filters->floor);
	courier_send(&courier, listener < 0 ? NOTHING : (uint32_t)listener);
	/* While it is open, a call of ours would wait for an answer that only we could give. */
	if (listener >= 0 && courier.result < 0)
		(void)sp_raw_syscall(__NR_close, listener, 0, 0, 0, 0, 0);
	return listener < 0 ? (int)listener : courier.result;
}
