/* SPDX-License-Identifier: Apache-2.0 */
/* Launches, and what an idle sandbox costs. */
#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <sallyport/broker.h>

#include "bench.h"
#include "ipc/util.h"

uint64_t bench_now_us(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000;
}

/* ---- launch to exit ---- */

static int spawn_native(const struct bench_broker *broker)
{
	char *arguments[] = {broker->trivial, NULL};
	char *environment[] = {NULL};
	pid_t child;
	int status;
	int r = posix_spawn(&child, broker->trivial, NULL, NULL, arguments, environment);

	if (r != 0)
		return -r;
	if (waitpid(child, &status, 0) < 0)
		return -errno;
	return status == 0 ? 0 : -ECHILD;
}

static int spawn_once(struct bench_broker *broker, uint32_t *ret_native, uint32_t *ret_sallyport)
{
	uint64_t start = bench_now_us();
	int r = spawn_native(broker);

	if (r < 0)
		return r;
	*ret_native = (uint32_t)(bench_now_us() - start);
	start = bench_now_us();
	r = bench_launch_trivial(broker, broker->policy, SP_INTERCEPTION_COOPERATIVE);
	*ret_sallyport = (uint32_t)(bench_now_us() - start);
	return r;
}

int bench_spawn(struct bench_broker *broker, size_t count, struct bench_spawn *ret_spawn)
{
	_cleanup_free_ uint32_t *native = calloc(count, sizeof(*native));
	_cleanup_free_ uint32_t *sallyport = calloc(count, sizeof(*sallyport));
	/* The first launch also starts the spawner. */
	int r = bench_launch_trivial(broker, broker->policy, SP_INTERCEPTION_COOPERATIVE);

	if (!native || !sallyport)
		return -ENOMEM;
	for (size_t i = 0; i < count && r == 0; i++)
		r = spawn_once(broker, &native[i], &sallyport[i]);
	if (r < 0)
		return r;
	ret_spawn->native = bench_spread_of(native, count);
	ret_spawn->sallyport = bench_spread_of(sallyport, count);
	return 0;
}

/* ---- idle ---- */

static FILE *open_proc(pid_t pid, const char *name)
{
	char path[128];

	(void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	return fopen(path, "re");
}

/* The number behind a line's name, as in "Pss:  123 kB". -1: not there, or not for us. */
static long read_field(pid_t pid, const char *name, const char *field)
{
	FILE *file = open_proc(pid, name);
	char line[256];
	long value = -1;

	if (!file)
		return -1;
	while (value < 0 && fgets(line, sizeof(line), file))
		if (strncmp(line, field, strlen(field)) == 0)
			value = strtol(line + strlen(field), NULL, 10);
	(void)fclose(file);
	return value;
}

/* The first number of schedstat: time on a CPU in ns, finer than the ticks of /proc/PID/stat. */
static long read_cpu_us(pid_t pid)
{
	long ns = read_field(pid, "schedstat", "");

	return ns < 0 ? -1 : ns / 1000;
}

/* The init is the porter's other child. */
static pid_t find_init(pid_t porter, pid_t guest)
{
	char name[64];
	FILE *file;
	int child, init = -1;

	(void)snprintf(name, sizeof(name), "task/%d/children", (int)porter);
	file = open_proc(porter, name);
	while (file && init < 0 && fscanf(file, "%d", &child) == 1)
		if (child != guest)
			init = child;
	if (file)
		(void)fclose(file);
	return init;
}

void bench_idle(const struct bench_worker *worker, struct bench_idle *ret_idle)
{
	const struct timespec second = {.tv_sec = 1};
	pid_t guest = bench_sallyport_pid(worker);
	pid_t porter = (pid_t)read_field(guest, "status", "PPid:");
	pid_t init = find_init(porter, guest);
	long cpu = read_cpu_us(porter);
	long wakeups = read_field(porter, "status", "voluntary_ctxt_switches:");

	(void)nanosleep(&second, NULL);
	ret_idle->porter_cpu_us = cpu < 0 ? -1 : read_cpu_us(porter) - cpu;
	ret_idle->porter_wakeups =
	    wakeups < 0 ? -1 : read_field(porter, "status", "voluntary_ctxt_switches:") - wakeups;
	ret_idle->porter_kib = read_field(porter, "smaps_rollup", "Pss:");
	ret_idle->init_kib = read_field(init, "smaps_rollup", "Pss:");
	ret_idle->guest_kib = read_field(guest, "smaps_rollup", "Pss:");
}
