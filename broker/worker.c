/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <ucontext.h>
#include <unistd.h>

#include "broker/walker.h"
#include "ipc/arch.h"
#include "ipc/runtime.h"
#include "ipc/util.h"

/* Enough for what a worker does, and for the frame of a signal, which may be large. */
#define STACK_SIZE (64u * 1024u)

enum state { WORKER_FREE, WORKER_BUSY, WORKER_DONE };

struct sp_worker {
	_Atomic int state;     /* enum state */
	_Atomic int tid;       /* the kernel clears it when the thread has ended; a futex */
	_Atomic int cancelled; /* the call that waits is not made any more */
	int result;
	struct sp_work work;
	struct sp_waiter waiter;
	void *stack;
	struct sp_workers *workers;
};

struct sp_workers {
	int own_fd;   /* borrowed */
	int finished; /* an eventfd */
	pid_t pid;
	struct sp_worker worker[SP_WORKERS_MAX];
};

/* ---- in the thread: raw system calls, no thread-local storage but the event loop's, so no errno ---- */

SP_INTERRUPTIBLE_CALL

/* A cancellation that came too early to find the call waiting keeps it from being made. */
static void interrupted(int signal, siginfo_t *info, void *context)
{
	greg_t *instruction = &((ucontext_t *)context)->uc_mcontext.gregs[SP_REG_INSTRUCTION];

	(void)signal;
	(void)info;
	if (*instruction >= (greg_t)sp_interruptible_begin &&
	    *instruction < (greg_t)sp_interruptible_end)
		*instruction = (greg_t)sp_interruptible_skipped;
}

/* The object's name below our own /proc/self/fd. */
static const char *name_object(const struct sp_work *work, char buffer[SP_OWN_NAME])
{
	char *digit = buffer + SP_OWN_NAME - 1;

	*digit = '\0';
	for (unsigned number = (unsigned)work->object; number || !*digit; number /= 10)
		*--digit = (char)('0' + number % 10);
	return digit;
}

static int open_object(struct sp_worker *worker)
{
	const struct sp_work *work = &worker->work;
	char buffer[SP_OWN_NAME];
	const char *digit = name_object(work, buffer);

	return (int)sp_interruptible_call(__NR_openat, worker->workers->own_fd, (long)digit,
					  work->flags | O_NOCTTY | O_CLOEXEC, &worker->cancelled);
}

static void close_raw(int fd)
{
	(void)sp_raw_syscall(__NR_close, fd, 0, 0, 0, 0, 0);
}

static int truncate_raw(int fd, off_t length)
{
	return (int)sp_raw_syscall(__NR_ftruncate, fd, length, 0, 0, 0, 0);
}

/* What is only to be truncated is opened for that. One that is opened for reading, once more. */
static int truncate_opened(struct sp_worker *worker, int fd)
{
	int access = worker->work.flags & O_ACCMODE, again, r;

	if (access == O_WRONLY || access == O_RDWR)
		return truncate_raw(fd, worker->work.length);
	worker->work.flags = O_WRONLY;
	again = open_object(worker);
	if (again < 0)
		return again;
	r = truncate_raw(again, worker->work.length);
	close_raw(again);
	return r;
}

/* An address holds a short name: here one relative to our own directory, in which nobody else works. */
static int connect_object(struct sp_worker *worker)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	char buffer[SP_OWN_NAME];
	const char *name = name_object(&worker->work, buffer);
	int r = (int)sp_raw_syscall(__NR_fchdir, worker->workers->own_fd, 0, 0, 0, 0, 0);

	for (size_t i = 0; name[i]; i++)
		address.sun_path[i] = name[i];
	if (r < 0)
		return r;
	return (int)sp_interruptible_call(__NR_connect, worker->work.socket, (long)&address,
					  sizeof(address), &worker->cancelled);
}

/* Whoever has our copy last waits for what the caller left unsent, if that was what it wanted; so it is closed here. */
static int connect_address(struct sp_worker *worker)
{
	struct sp_work *work = &worker->work;
	int r = (int)sp_interruptible_call(__NR_connect, work->socket, (long)work->address,
					   work->address_length, &worker->cancelled);

	close_raw(work->socket);
	work->socket = -1;
	return r;
}

static int do_work(struct sp_worker *worker)
{
	int fd, r;

	if (worker->work.address_length > 0)
		return connect_address(worker);
	if (worker->work.socket >= 0)
		return connect_object(worker);
	fd = open_object(worker);
	r = fd >= 0 && worker->work.truncates ? truncate_opened(worker, fd) : 0;
	if (fd < 0 || (r == 0 && worker->work.gives))
		return fd;
	close_raw(fd);
	return r;
}

static int run(void *data)
{
	static const uint64_t one = 1;
	struct sp_worker *worker = data;
	int finished = worker->workers->finished;

	worker->result = do_work(worker);
	atomic_store(&worker->state, WORKER_DONE);
	(void)sp_raw_syscall(__NR_write, finished, (long)&one, sizeof(one), 0, 0, 0);
	return 0;
}

/* ---- in the event loop ---- */

int sp_workers_new(int own_fd, struct sp_workers **ret_workers)
{
	struct sigaction action = {.sa_sigaction = interrupted, .sa_flags = SA_SIGINFO};
	_cleanup_free_ struct sp_workers *workers = calloc(1, sizeof(*workers));

	if (!workers)
		return -ENOMEM;
	if (sigaction(SP_WORKER_SIGNAL, &action, NULL) < 0)
		return -errno;
	workers->own_fd = own_fd;
	workers->pid = getpid();
	workers->finished = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (workers->finished < 0)
		return -errno;
	for (size_t i = 0; i < SP_WORKERS_MAX; i++)
		workers->worker[i].workers = workers;
	*ret_workers = TAKE_POINTER(workers);
	return 0;
}

static void await_end(struct sp_worker *worker)
{
	int tid;

	while ((tid = atomic_load(&worker->tid)))
		(void)syscall(SYS_futex, &worker->tid, FUTEX_WAIT, tid, NULL, NULL, 0);
}

static void free_worker(struct sp_worker *worker)
{
	sp_worker_cancel(worker);
	await_end(worker);
	if (atomic_load(&worker->state) == WORKER_DONE && worker->work.gives)
		sp_close_pointer(&worker->result);
	if (atomic_load(&worker->state) != WORKER_FREE)
		sp_work_close(&worker->work);
	if (worker->stack)
		(void)munmap(worker->stack, STACK_SIZE);
}

struct sp_workers *sp_workers_free(struct sp_workers *workers)
{
	if (!workers)
		return NULL;
	for (size_t i = 0; i < SP_WORKERS_MAX; i++)
		free_worker(&workers->worker[i]);
	(void)close(workers->finished);
	free(workers);
	return NULL;
}

int sp_workers_descriptor(const struct sp_workers *workers)
{
	return workers->finished;
}

/* Its work was taken, and its thread has left the stack. */
static struct sp_worker *find_free(struct sp_workers *workers)
{
	for (size_t i = 0; i < SP_WORKERS_MAX; i++) {
		struct sp_worker *worker = &workers->worker[i];

		if (atomic_load(&worker->state) == WORKER_FREE && atomic_load(&worker->tid) == 0)
			return worker;
	}
	return NULL;
}

static int make_stack(struct sp_worker *worker)
{
	void *stack;

	if (worker->stack)
		return 0;
	stack = mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (stack == MAP_FAILED)
		return -errno;
	worker->stack = stack;
	return 0;
}

/* All signals but the one are blocked in it: they are the event loop's. */
static int make_thread(struct sp_worker *worker)
{
	void *tid = (void *)(uintptr_t)&worker->tid;
	sigset_t all, before;
	int r;

	(void)sigfillset(&all);
	(void)sigdelset(&all, SP_WORKER_SIGNAL);
	(void)sigprocmask(SIG_SETMASK, &all, &before);
	r = clone(run, (char *)worker->stack + STACK_SIZE, SP_WORKER_CLONE, worker, tid, NULL, tid);
	r = r < 0 ? -errno : 0;
	(void)sigprocmask(SIG_SETMASK, &before, NULL);
	return r;
}

int sp_worker_start_take(struct sp_workers *workers, struct sp_work *work,
			 const struct sp_waiter *waiter)
{
	_cleanup_(sp_work_close) struct sp_work own = *work;
	struct sp_worker *worker = find_free(workers);

	*work = (struct sp_work)SP_WORK_NONE;
	if (!worker || make_stack(worker) < 0)
		return -EAGAIN;
	worker->work = own;
	worker->waiter = *waiter;
	worker->waiter.gives = own.gives;
	atomic_store(&worker->cancelled, 0);
	atomic_store(&worker->state, WORKER_BUSY);
	if (make_thread(worker) < 0) {
		atomic_store(&worker->state, WORKER_FREE);
		return -EAGAIN;
	}
	own = (struct sp_work)SP_WORK_NONE;
	return 0;
}

struct sp_worker *sp_worker_next(struct sp_workers *workers, const struct sp_worker *last)
{
	struct sp_worker *end = workers->worker + SP_WORKERS_MAX;

	for (struct sp_worker *worker = last ? workers->worker + (last - workers->worker) + 1
					     : workers->worker;
	     worker < end; worker++)
		if (atomic_load(&worker->state) != WORKER_FREE)
			return worker;
	return NULL;
}

struct sp_waiter *sp_worker_waiter(struct sp_worker *worker)
{
	return &worker->waiter;
}

void sp_worker_cancel(struct sp_worker *worker)
{
	int tid = atomic_load(&worker->tid);

	atomic_store(&worker->cancelled, 1);
	if (tid)
		(void)syscall(SYS_tgkill, worker->workers->pid, tid, SP_WORKER_SIGNAL);
}

void sp_workers_forget(struct sp_workers *workers, const struct sp_ring *ring)
{
	struct sp_worker *worker = NULL;

	while ((worker = sp_worker_next(workers, worker))) {
		if (worker->waiter.ring != ring)
			continue;
		worker->waiter.ring = NULL;
		sp_worker_cancel(worker);
	}
}

bool sp_workers_take_done(struct sp_workers *workers, struct sp_waiter *ret_waiter, int *ret_result)
{
	uint64_t count;

	(void)!read(workers->finished, &count, sizeof(count));
	for (size_t i = 0; i < SP_WORKERS_MAX; i++) {
		struct sp_worker *worker = &workers->worker[i];

		if (atomic_load(&worker->state) != WORKER_DONE)
			continue;
		*ret_waiter = worker->waiter;
		*ret_result = worker->result;
		sp_work_close(&worker->work);
		atomic_store(&worker->state, WORKER_FREE);
		return true;
	}
	return false;
}
