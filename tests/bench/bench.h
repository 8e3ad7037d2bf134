/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sallyport-bench: what a brokered call costs, beside the same call made natively and beside the
 * two ways in which others broker it.
 *
 * Each way (a "variant") has a worker process that makes the calls and times them itself. Workers
 * run one batch at a time, when told, and take turns, so that noise of the machine hits all alike.
 */
#ifndef SALLYPORT_TESTS_BENCH_BENCH_H
#define SALLYPORT_TESTS_BENCH_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <sallyport/buffer.h>

enum bench_call { BENCH_OPEN, BENCH_STAT, BENCH_ACCESS, BENCH_CALLS };
enum bench_mode {
	BENCH_HOT,  /* back to back */
	BENCH_COLD, /* the caller rests before each call, so that its broker falls asleep */
	BENCH_MODES
};
enum bench_variant {
	BENCH_NATIVE,
	BENCH_SALLYPORT,
	BENCH_NOTIFICATION, /* seccomp user notification, answered with ADDFD_SEND */
	BENCH_SOCKETPAIR,   /* trap, and a fresh socketpair for each call's reply */
	BENCH_VARIANTS
};
enum bench_placement {
	BENCH_PINNED, /* everything on one CPU */
	BENCH_FREE,   /* where the scheduler puts it */
	BENCH_PLACEMENTS
};

#define BENCH_COLD_US 200u
#define BENCH_SAMPLES_MAX 100000u

/* ---- measure.c: the worker, the same for all variants ---- */

/* What a worker is told through its pipe. */
struct bench_order {
	uint32_t call;    /* enum bench_call; BENCH_CALLS: end */
	uint32_t count;   /* calls to time, at most BENCH_SAMPLES_MAX */
	uint32_t warm_up; /* calls before those, not timed */
	uint32_t rest_us; /* sleep before each call */
};

/* The ends of a worker's pipes and the memory that it leaves its samples in. */
struct bench_seat {
	int orders, done;
	uint32_t *samples;      /* nanoseconds */
	int samples_descriptor; /* of the memory that they lie in */
	const char *path;       /* an existing file */
};

/* Obeys orders until told to end. After each it writes one byte to `done`: 0 or an errno. Returns 0
 * or -errno. */
int bench_work(const struct bench_seat *seat);

/* ---- worker.c: the bench's end of it ---- */

struct bench_worker {
	int orders, done; /* owned; -1 */
	struct sp_buffer samples;
	pid_t process; /* a child to wait for, or -1 */
	void *sandbox; /* sallyport.c's; NULL for all others */
};

#define BENCH_WORKER_INIT                                                                          \
	{                                                                                          \
		.orders = -1, .done = -1, .samples = SP_BUFFER_INIT, .process = -1                 \
	}

/* Makes pipes and buffer; the other ends go to `ret_seat`. 0 or -errno. */
int bench_worker_prepare(struct bench_worker *worker, struct bench_seat *ret_seat);

/* The same, and starts a child that does `body` and ends, in a failure where that is negative. 0 or -errno. */
int bench_worker_fork(struct bench_worker *worker, const char *path,
		      int (*body)(const struct bench_seat *seat));

/* Runs one batch and waits for it. 0 or -errno. */
int bench_worker_run(struct bench_worker *worker, const struct bench_order *order);

/* Tells the worker to end, waits for its process and frees what it has. */
void bench_worker_end(struct bench_worker *worker);

/* ---- native.c, notification.c, socketpair.c: each starts a worker as a child. 0 or -errno ---- */

int bench_start_native(struct bench_worker *worker, const char *path);
int bench_start_notification(struct bench_worker *worker, const char *path);
int bench_start_socketpair(struct bench_worker *worker, const char *path);

/* ---- peer.c: what the two rival brokers share: no policy, no checks, so their best case ---- */

struct bench_request {
	int32_t call; /* enum bench_call */
	int32_t flags;
	char path[256];
};

/* The call of a system call number. BENCH_CALLS: none of ours. */
enum bench_call bench_call_of(int nr);

/* Which arguments of the system call are the path, the flags or mode, and the result buffer. */
struct bench_arguments {
	int path, flags, out;
};
struct bench_arguments bench_arguments_of(enum bench_call call);

/* Filters the brokered calls with `action`, lets all others through. Returns what seccomp(2)
 * returns or -errno. */
int bench_filter(uint32_t action, unsigned flags);

struct stat;
/* Makes the call. A descriptor, 0, or -errno. */
int bench_perform(const struct bench_request *request, struct stat *ret_stat);

/* ---- sallyport.c ---- */

struct event_base;
struct sp_broker;
struct sp_policy;

struct bench_broker {
	struct event_base *base;
	struct sp_broker *broker;
	struct sp_policy *policy;
	char *guest, *trivial; /* paths of the programs to launch */
};

/* `path` is the one file that the policy lets a guest read. 0 or -errno; says on stderr what is
 * wrong. */
int bench_broker_open(struct bench_broker *broker, const char *path);
void bench_broker_close(struct bench_broker *broker);

/* A locked guest. Its worker->sandbox is to be ended with bench_end_sallyport(). */
int bench_start_sallyport(struct bench_broker *broker, struct bench_worker *worker,
			  const char *path);
void bench_end_sallyport(struct bench_broker *broker, struct bench_worker *worker);

/* The guest's process as the bench sees it. */
pid_t bench_sallyport_pid(const struct bench_worker *worker);

enum sp_interception;
/* Launches the trivial program and waits for its exit. 0 or -errno. */
int bench_launch_trivial(struct bench_broker *broker, struct sp_policy *policy,
			 enum sp_interception interception);

/* The path of a program that was built beside this one, to be freed; NULL: no memory. */
char *bench_find_program(const char *name);

/* ---- spawn.c ---- */

struct bench_spread {
	size_t count;
	uint32_t p50, p99;
};

struct bench_spawn {
	struct bench_spread native, sallyport; /* microseconds */
};

uint64_t bench_now_us(void);

/* Interleaved launches to exit. */
int bench_spawn(struct bench_broker *broker, size_t count, struct bench_spawn *ret_spawn);

struct bench_idle {
	long porter_kib, init_kib, guest_kib; /* PSS; -1: not readable */
	long porter_cpu_us, porter_wakeups;   /* over one second; -1: not readable */
};

/* Looks at an idle locked guest and its porter for a second. */
void bench_idle(const struct bench_worker *worker, struct bench_idle *ret_idle);

/* ---- steps.c ---- */

/* Each has what those before it have. */
enum bench_step {
	BENCH_STEP_BARE, /* a user and a pid namespace, without which there is no sandbox */
	BENCH_STEP_MOUNT,
	BENCH_STEP_IPC,
	BENCH_STEP_NETWORK,
	BENCH_STEP_LANDLOCK,
	BENCH_STEP_FLOOR,  /* intercepted from its first instruction */
	BENCH_STEP_POLICY, /* the preset "program" read and compiled */
	BENCH_STEP_BROKER, /* with a spawner of its own */
	BENCH_STEPS
};

/* Microseconds from launch to exit. 0 or -errno. */
int bench_steps(struct bench_broker *broker, size_t count,
		struct bench_spread ret_steps[BENCH_STEPS]);

/* ---- programs.c ---- */

enum bench_program {
	BENCH_TRUE,
	BENCH_FILE,
	BENCH_PDFTOTEXT,
	BENCH_PYTHON,
	BENCH_OPENS, /* opens a file 1,000 times */
	BENCH_PROGRAMS
};
enum bench_way {
	BENCH_PLAIN,
	BENCH_TRAP,
	BENCH_NOTIFY,
	BENCH_BUBBLEWRAP,
	BENCH_FIREJAIL,
	BENCH_WAYS
};

/* Paths; the document lies in the folder. */
struct bench_names {
	const char *sallyport, *opens, *folder, *document;
};

#define BENCH_REASON_MAX 160

/* From start to end, in microseconds; where a count is 0, the reason why it was not measured. */
struct bench_programs {
	struct bench_spread spread[BENCH_PROGRAMS][BENCH_WAYS];
	char reason[BENCH_PROGRAMS][BENCH_WAYS][BENCH_REASON_MAX];
};

/* 0 or -errno. */
int bench_programs(const struct bench_names *names, size_t count,
		   struct bench_programs *ret_programs);

/* A PDF document of one page. 0 or -errno. */
int bench_write_document(const char *path);

/* ---- report.c ---- */

/* Samples of one kind, as they come in. */
struct bench_cell {
	uint32_t *samples;
	size_t count, capacity;
};

struct bench_results {
	bool placed[BENCH_PLACEMENTS];
	struct bench_cell cells[BENCH_PLACEMENTS][BENCH_MODES][BENCH_CALLS][BENCH_VARIANTS];
	struct bench_spawn spawn[BENCH_PLACEMENTS];
	struct bench_idle idle[BENCH_PLACEMENTS];
	struct bench_spread steps[BENCH_PLACEMENTS][BENCH_STEPS];
	struct bench_programs programs[BENCH_PLACEMENTS];
};

/* 0 or -ENOMEM. */
int bench_cell_add(struct bench_cell *cell, const uint32_t *samples, size_t count);

/* Sorts `samples`. */
struct bench_spread bench_spread_of(uint32_t *samples, size_t count);

/* The table on stdout. */
void bench_print(struct bench_results *results);

/* The same as JSON. 0 or -errno. */
int bench_write_json(struct bench_results *results, const char *file);

void bench_results_free(struct bench_results *results);

#endif
