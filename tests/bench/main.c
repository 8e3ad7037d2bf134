/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sallyport-bench [--iterations N] [--rounds N] [--spawns N] [--programs N] [--pinned|--free|--both]
 *                 [--json FILE]
 *
 * Prints a Markdown table. Exit status 0 only where every figure was measured.
 */
#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench.h"
#include "ipc/util.h"

#define WARM_UP 16u
#define DECIMAL 10

struct options {
	uint32_t iterations, rounds, spawns, programs;
	bool placed[BENCH_PLACEMENTS];
	const char *json;
};

/* ---- the command line ---- */

enum { OPTION_BOTH = 'b', OPTION_FREE = 'f', OPTION_PINNED = 'p' };

static const struct argp_option option_table[] = {
    {"iterations", 'n', "N", 0, "Hot calls in a batch; cold ones are a fifth of them (500)", 0},
    {"rounds", 'r', "N", 0, "Batches of each kind (20)", 0},
    {"spawns", 's', "N", 0, "Launches (300)", 0},
    {"programs", 'P', "N", 0, "Runs of each whole program, and of each step of a launch (30)", 0},
    {"pinned", OPTION_PINNED, NULL, 0, "Measure with every process on one CPU only", 1},
    {"free", OPTION_FREE, NULL, 0, "Measure with processes where the scheduler puts them only", 1},
    {"both", OPTION_BOTH, NULL, 0, "Measure both ways (default)", 1},
    {"json", 'j', "FILE", 0, "Write the figures to FILE as well", 2},
    {NULL, 0, NULL, 0, NULL, 0},
};

static uint32_t parse_number(const char *text, uint32_t most, struct argp_state *state)
{
	char *end;
	unsigned long number = strtoul(text, &end, DECIMAL);

	if (end == text || *end || number == 0 || number > most)
		argp_error(state, "%s: not a number from 1 to %u", text, most);
	return (uint32_t)number;
}

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
	struct options *options = state->input;

	switch (key) {
	case 'n':
		options->iterations = parse_number(argument, BENCH_SAMPLES_MAX, state);
		return 0;
	case 'r':
		options->rounds = parse_number(argument, BENCH_SAMPLES_MAX, state);
		return 0;
	case 's':
		options->spawns = parse_number(argument, BENCH_SAMPLES_MAX, state);
		return 0;
	case 'P':
		options->programs = parse_number(argument, BENCH_SAMPLES_MAX, state);
		return 0;
	case 'j':
		options->json = argument;
		return 0;
	case OPTION_PINNED:
	case OPTION_FREE:
	case OPTION_BOTH:
		options->placed[BENCH_PINNED] = key != OPTION_FREE;
		options->placed[BENCH_FREE] = key != OPTION_PINNED;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* ---- the file that everybody opens ---- */

struct scene {
	char directory[64];
	char path[96], other[112], document[112];
};

static int create_file(const char *path)
{
	int descriptor = open(path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0644);

	return descriptor < 0 ? -errno : close(descriptor);
}

static int scene_open(struct scene *scene)
{
	(void)snprintf(scene->directory, sizeof(scene->directory), "/tmp/sallyport-bench-XXXXXX");
	if (!mkdtemp(scene->directory) || chmod(scene->directory, 0755) < 0)
		return -errno;
	(void)snprintf(scene->path, sizeof(scene->path), "%s/file", scene->directory);
	(void)snprintf(scene->other, sizeof(scene->other), "%s.other", scene->path);
	(void)snprintf(scene->document, sizeof(scene->document), "%s/page.pdf", scene->directory);
	int r = create_file(scene->path);
	if (r == 0)
		r = create_file(scene->other);
	return r < 0 ? r : bench_write_document(scene->document);
}

static void scene_close(struct scene *scene)
{
	(void)unlink(scene->path);
	(void)unlink(scene->other);
	(void)unlink(scene->document);
	(void)rmdir(scene->directory);
}

/* ---- rounds ---- */

struct company {
	struct bench_broker broker;
	struct bench_worker workers[BENCH_VARIANTS];
};

/* Sallyport comes last: the peers are forks and should not be forks of a process that has a broker.
 */
static int company_start(struct company *company, const char *path)
{
	static int (*const peers[BENCH_VARIANTS])(struct bench_worker *, const char *) = {
	    [BENCH_NATIVE] = bench_start_native,
	    [BENCH_NOTIFICATION] = bench_start_notification,
	    [BENCH_SOCKETPAIR] = bench_start_socketpair,
	};
	int r = 0;

	for (int i = 0; i < BENCH_VARIANTS; i++)
		company->workers[i] = (struct bench_worker)BENCH_WORKER_INIT;
	for (int i = 0; i < BENCH_VARIANTS && r == 0; i++)
		if (peers[i])
			r = peers[i](&company->workers[i], path);
	if (r == 0)
		r = bench_broker_open(&company->broker, path);
	if (r == 0)
		r = bench_start_sallyport(&company->broker, &company->workers[BENCH_SALLYPORT],
					  path);
	return r;
}

static void company_end(struct company *company)
{
	bench_end_sallyport(&company->broker, &company->workers[BENCH_SALLYPORT]);
	for (int i = 0; i < BENCH_VARIANTS; i++)
		bench_worker_end(&company->workers[i]);
	bench_broker_close(&company->broker);
}

static int run_batch(struct bench_worker *worker, const struct bench_order *order,
		     struct bench_cell *cell)
{
	int r = bench_worker_run(worker, order);

	return r < 0 ? r : bench_cell_add(cell, worker->samples.bytes, order->count);
}

/* Every variant has one batch of each kind, and another one begins each round. */
static int run_round(struct company *company, const struct options *options, uint32_t round,
		     struct bench_cell cells[BENCH_MODES][BENCH_CALLS][BENCH_VARIANTS])
{
	const struct bench_order orders[BENCH_MODES] = {
	    [BENCH_HOT] = {.count = options->iterations, .warm_up = WARM_UP},
	    [BENCH_COLD] = {.count = 1 + options->iterations / 5, .rest_us = BENCH_COLD_US},
	};
	int r = 0;

	for (uint32_t i = 0; i < BENCH_MODES * BENCH_CALLS * BENCH_VARIANTS && r == 0; i++) {
		uint32_t variant = (i + round) % BENCH_VARIANTS;
		uint32_t call = i / BENCH_VARIANTS % BENCH_CALLS;
		uint32_t mode = i / BENCH_VARIANTS / BENCH_CALLS;
		struct bench_order order = orders[mode];

		order.call = call;
		r = run_batch(&company->workers[variant], &order, &cells[mode][call][variant]);
	}
	return r;
}

static int run_company(struct company *company, const struct options *options, int placement,
		       struct bench_results *results)
{
	int r = 0;

	for (uint32_t round = 0; round < options->rounds && r == 0; round++)
		r = run_round(company, options, round, results->cells[placement]);
	if (r == 0)
		bench_idle(&company->workers[BENCH_SALLYPORT], &results->idle[placement]);
	if (r == 0)
		r = bench_spawn(&company->broker, options->spawns, &results->spawn[placement]);
	if (r == 0)
		r = bench_steps(&company->broker, options->programs, results->steps[placement]);
	return r;
}

static int run_programs(const struct scene *scene, const struct options *options,
			struct bench_programs *programs)
{
	_cleanup_free_ char *sallyport = bench_find_program("sallyport");
	_cleanup_free_ char *opens = bench_find_program("sallyport-bench-opens");
	const struct bench_names names = {sallyport, opens, scene->directory, scene->document};

	if (!sallyport || !opens)
		return -ENOMEM;
	return bench_programs(&names, options->programs, programs);
}

/* ---- placements ---- */

static size_t first_cpu(const cpu_set_t *cpus)
{
	for (size_t i = 0; i < CPU_SETSIZE; i++)
		if (CPU_ISSET(i, cpus))
			return i;
	return 0;
}

/* Children inherit it, so it comes before any of them. */
static int place(int placement, const cpu_set_t *all)
{
	cpu_set_t cpus = *all;

	if (placement == BENCH_PINNED) {
		CPU_ZERO(&cpus);
		CPU_SET(first_cpu(all), &cpus);
	}
	return sched_setaffinity(0, sizeof(cpus), &cpus) < 0 ? -errno : 0;
}

static int measure(const struct options *options, struct bench_results *results)
{
	struct scene scene = {0};
	cpu_set_t all;
	int r = sched_getaffinity(0, sizeof(all), &all) < 0 ? -errno : scene_open(&scene);

	for (int i = 0; i < BENCH_PLACEMENTS && r == 0; i++) {
		struct company company = {0};

		if (!options->placed[i])
			continue;
		r = place(i, &all);
		if (r < 0)
			break;
		r = company_start(&company, scene.path);
		if (r == 0)
			r = run_company(&company, options, i, results);
		company_end(&company);
		if (r == 0)
			r = run_programs(&scene, options, &results->programs[i]);
		results->placed[i] = true;
	}
	scene_close(&scene);
	return r;
}

int main(int argc, char **argv)
{
	static const struct argp parser = {option_table, parse_option, NULL, NULL,
					   NULL,         NULL,         NULL};
	struct options options = {500, 20, 300, 30, {true, true}, NULL};
	struct bench_results results = {0};
	int r;

	(void)argp_parse(&parser, argc, argv, 0, NULL, &options);
	(void)signal(SIGPIPE, SIG_IGN);
	r = measure(&options, &results);
	if (r == 0) {
		bench_print(&results);
		if (options.json)
			r = bench_write_json(&results, options.json);
	}
	bench_results_free(&results);
	if (r < 0)
		(void)fprintf(stderr, "sallyport-bench: %s\n", strerror(-r));
	return r < 0;
}
