/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Disposable threads for what may wait for others: opening a FIFO, or a file that somebody has a lease
 * of, and truncating. Each does one piece of work on an object that the policy has been asked about,
 * and ends; the event loop goes on meanwhile. A worker has no umask and no working directory in common
 * with the event loop, and touches nothing of the C library's.
 */
#ifndef SALLYPORT_BROKER_WORKER_H
#define SALLYPORT_BROKER_WORKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "broker/calls.h"

#ifdef __cplusplus
extern "C" {
#endif

/* So many at a time. */
#define SP_WORKERS_MAX 64

struct sp_ring;

/* Whose call it is, for who gave it. */
struct sp_waiter {
	const struct sp_call_info *info;
	uint64_t flags;            /* of the call */
	uint64_t id;               /* of its notification, else 0 */
	pid_t tid;                 /* the notification's thread, by the outer pid namespace */
	struct sp_ring *ring;      /* by which it came otherwise; NULL: gone meanwhile */
	uint32_t slot, generation; /* of its request there */
	bool gives;                /* the result is a descriptor */
	bool interrupted;          /* a signal waits for the thread, which is held */
};

struct sp_worker;
struct sp_workers;

/*
 * `own_fd` is borrowed: O_PATH of the porter's own /proc/self/fd. Sets the process's handler of
 * SP_WORKER_SIGNAL; no thread is made yet. 0 or -errno.
 */
int sp_workers_new(int own_fd, struct sp_workers **ret_workers);

/* Cancels what is under way and waits for it. Accepts NULL, returns NULL. */
struct sp_workers *sp_workers_free(struct sp_workers *workers);

/* Readable when some work is done: an eventfd, borrowed. */
int sp_workers_descriptor(const struct sp_workers *workers);

/* Work and its waiter; 0, or -EAGAIN: too much is under way. What the work owns is taken in any case. */
int sp_worker_start_take(struct sp_workers *workers, struct sp_work *work,
			 const struct sp_waiter *waiter);

/* Those that were not taken yet, one after the other; NULL: no more. */
struct sp_worker *sp_worker_next(struct sp_workers *workers, const struct sp_worker *last);

struct sp_waiter *sp_worker_waiter(struct sp_worker *worker);

/* It ends soon, with -EINTR if it still waits. */
void sp_worker_cancel(struct sp_worker *worker);

/* Nobody waits any more for what came by the ring. */
void sp_workers_forget(struct sp_workers *workers, const struct sp_ring *ring);

/*
 * Some work that is done: its waiter, and the result: a descriptor where the work gives one, or 0, or
 * -errno. False: none.
 */
bool sp_workers_take_done(struct sp_workers *workers, struct sp_waiter *ret_waiter,
			  int *ret_result);

#ifdef __cplusplus
}
#endif

#endif
