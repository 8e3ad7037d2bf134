/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "bench.h"
#include "ipc/util.h"

static const char *const call_names[BENCH_CALLS] = {"open + close", "stat", "access"};
static const char *const mode_names[BENCH_MODES] = {"hot", "cold"};
static const char *const variant_names[BENCH_VARIANTS] = {
    "native",
    "Sallyport",
    "user notification",
    "socketpair per call",
};
static const char *const step_names[BENCH_STEPS] = {
    [BENCH_STEP_BARE] = "user and pid namespaces",
    [BENCH_STEP_MOUNT] = "+ mount namespace",
    [BENCH_STEP_IPC] = "+ ipc and uts namespaces",
    [BENCH_STEP_NETWORK] = "+ network namespace",
    [BENCH_STEP_LANDLOCK] = "+ Landlock",
    [BENCH_STEP_FLOOR] = "+ interception by notification",
    [BENCH_STEP_POLICY] = "+ the policy is read and compiled",
    [BENCH_STEP_BROKER] = "+ the broker is new, and starts its spawner",
};
static const char *const program_names[BENCH_PROGRAMS] = {
    [BENCH_TRUE] = "true",           [BENCH_FILE] = "file",
    [BENCH_PDFTOTEXT] = "pdftotext", [BENCH_PYTHON] = "python3, two imports",
    [BENCH_OPENS] = "1,000 opens",
};
static const char *const way_names[BENCH_WAYS] = {
    [BENCH_PLAIN] = "native",          [BENCH_TRAP] = "trap",         [BENCH_NOTIFY] = "notify",
    [BENCH_BUBBLEWRAP] = "bubblewrap", [BENCH_FIREJAIL] = "firejail",
};
static const char *const placement_names[BENCH_PLACEMENTS] = {"one CPU", "free"};

int bench_cell_add(struct bench_cell *cell, const uint32_t *samples, size_t count)
{
	if (cell->count + count > cell->capacity) {
		size_t capacity = 2 * (cell->count + count);
		uint32_t *grown = realloc(cell->samples, capacity * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		cell->samples = grown;
		cell->capacity = capacity;
	}
	memcpy(cell->samples + cell->count, samples, count * sizeof(*samples));
	cell->count += count;
	return 0;
}

static int compare(const void *a, const void *b)
{
	uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;

	return (left > right) - (left < right);
}

struct bench_spread bench_spread_of(uint32_t *samples, size_t count)
{
	if (count == 0)
		return (struct bench_spread){0};
	qsort(samples, count, sizeof(*samples), compare);
	return (struct bench_spread){
	    .count = count,
	    .p50 = samples[count / 2],
	    .p99 = samples[count * 99 / 100],
	};
}

/* One row of the table: a call, a mode, a placement. */
struct row {
	const char *call, *mode, *placement;
	struct bench_spread spread[BENCH_VARIANTS];
};

static double ratio(const struct bench_spread *spread, const struct bench_spread *native)
{
	return native->p50 ? (double)spread->p50 / native->p50 : 0;
}

static struct row make_row(struct bench_results *results, int placement, int mode, int call)
{
	struct row row = {call_names[call], mode_names[mode], placement_names[placement], {{0}}};

	for (int variant = 0; variant < BENCH_VARIANTS; variant++) {
		struct bench_cell *cell = &results->cells[placement][mode][call][variant];

		row.spread[variant] = bench_spread_of(cell->samples, cell->count);
	}
	return row;
}

typedef void row_fn(const struct row *row, void *data);

static void for_each_row(struct bench_results *results, row_fn *function, void *data)
{
	for (int placement = 0; placement < BENCH_PLACEMENTS; placement++)
		for (int mode = 0; mode < BENCH_MODES; mode++)
			for (int call = 0; call < BENCH_CALLS; call++) {
				struct row row;

				if (!results->placed[placement])
					continue;
				row = make_row(results, placement, mode, call);
				function(&row, data);
			}
}

/* The machine in general terms. */
static void describe_machine(char *text, size_t size)
{
	struct utsname name = {0};
	int major = 0, minor = 0;

	(void)uname(&name);
	(void)sscanf(name.release, "%d.%d", &major, &minor);
	(void)snprintf(text, size, "Linux %d.%d, %s, %ld CPUs", major, minor, name.machine,
		       sysconf(_SC_NPROCESSORS_ONLN));
}

/* ---- Markdown ---- */

static void print_row(const struct row *row, void *data)
{
	const struct bench_spread *native = &row->spread[BENCH_NATIVE];

	(void)data;
	(void)printf("| %s, %s, %s | %u / %u |", row->call, row->mode, row->placement, native->p50,
		     native->p99);
	for (int variant = 1; variant < BENCH_VARIANTS; variant++) {
		const struct bench_spread *spread = &row->spread[variant];

		(void)printf(" %u / %u (%.1f ×) |", spread->p50, spread->p99,
			     ratio(spread, native));
	}
	(void)printf("\n");
}

static void print_spawn(const struct bench_spawn *spawn, const char *placement)
{
	(void)printf("| posix_spawn to exit, %s | %u / %u µs |\n", placement, spawn->native.p50,
		     spawn->native.p99);
	(void)printf("| sp_sandbox_launch to exit, every wall, %s | %u / %u µs (%.1f ×) |\n",
		     placement, spawn->sallyport.p50, spawn->sallyport.p99,
		     ratio(&spawn->sallyport, &spawn->native));
}

static void print_number(const char *what, const char *placement, long value, const char *unit)
{
	if (value < 0)
		(void)printf("| %s, %s | not readable by this user |\n", what, placement);
	else
		(void)printf("| %s, %s | %ld %s |\n", what, placement, value, unit);
}

static void print_idle(const struct bench_idle *idle, const char *placement)
{
	print_number("idle porter, PSS", placement, idle->porter_kib, "KiB");
	print_number("idle init, PSS", placement, idle->init_kib, "KiB");
	print_number("idle sandboxee, PSS", placement, idle->guest_kib, "KiB");
	print_number("idle porter, CPU in 1 s", placement, idle->porter_cpu_us, "µs");
	print_number("idle porter, wake-ups in 1 s", placement, idle->porter_wakeups, "");
}

static void print_steps(const struct bench_spread steps[BENCH_STEPS], const char *placement)
{
	(void)printf(
	    "\n| sp_sandbox_launch to exit, step by step, %s | µs | more, µs |\n|---|---|---|\n",
	    placement);
	for (int step = 0; step < BENCH_STEPS; step++)
		(void)printf("| %s | %u / %u | %+ld |\n", step_names[step], steps[step].p50,
			     steps[step].p99,
			     (long)steps[step].p50 - (step > 0 ? (long)steps[step - 1].p50 : 0));
}

static void print_whole(const struct bench_programs *programs, int program)
{
	const struct bench_spread *spread = programs->spread[program];

	(void)printf("| %s | %u / %u |", program_names[program], spread[BENCH_PLAIN].p50,
		     spread[BENCH_PLAIN].p99);
	for (int way = BENCH_PLAIN + 1; way < BENCH_WAYS; way++)
		if (spread[way].count > 0)
			(void)printf(" %u / %u (%.1f ×) |", spread[way].p50, spread[way].p99,
				     ratio(&spread[way], &spread[BENCH_PLAIN]));
		else
			(void)printf(" – |");
	(void)printf("\n");
}

/* Of each way the first program that it did not run. */
static void print_reasons(const struct bench_programs *programs)
{
	for (int way = 0; way < BENCH_WAYS; way++)
		for (int program = 0; program < BENCH_PROGRAMS; program++)
			if (programs->spread[program][way].count == 0) {
				(void)printf("\nNot measured: %s, %s: %s.\n", way_names[way],
					     program_names[program],
					     programs->reason[program][way]);
				break;
			}
}

static void print_programs(const struct bench_programs *programs, const char *placement)
{
	(void)printf("\n| whole program, %s, µs |", placement);
	for (int way = 0; way < BENCH_WAYS; way++)
		(void)printf(" %s |", way_names[way]);
	(void)printf("\n|---|---|---|---|---|---|\n");
	for (int program = 0; program < BENCH_PROGRAMS; program++)
		print_whole(programs, program);
	print_reasons(programs);
}

void bench_print(struct bench_results *results)
{
	char machine[128];

	describe_machine(machine, sizeof(machine));
	(void)printf("<!-- bench: %s; ns, p50 / p99 (p50 as a multiple of native) -->\n", machine);
	(void)printf("| call | native | Sallyport | user notification | socketpair per call |\n");
	(void)printf("|---|---|---|---|---|\n");
	for_each_row(results, print_row, NULL);
	(void)printf("\n| launch, idle | |\n|---|---|\n");
	for (int i = 0; i < BENCH_PLACEMENTS; i++) {
		if (!results->placed[i])
			continue;
		print_spawn(&results->spawn[i], placement_names[i]);
		print_idle(&results->idle[i], placement_names[i]);
	}
	for (int i = 0; i < BENCH_PLACEMENTS; i++) {
		if (!results->placed[i])
			continue;
		print_steps(results->steps[i], placement_names[i]);
		print_programs(&results->programs[i], placement_names[i]);
	}
	(void)printf("<!-- /bench -->\n");
}

/* ---- JSON: names are ours and need no escapes ---- */

struct json {
	FILE *file;
	const char *separator; /* before the next element */
};

static void write_row(const struct row *row, void *data)
{
	struct json *json = data;

	for (int variant = 0; variant < BENCH_VARIANTS; variant++) {
		const struct bench_spread *spread = &row->spread[variant];

		(void)fprintf(json->file,
			      "%s\n    {\"call\": \"%s\", \"mode\": \"%s\", \"placement\": \"%s\", "
			      "\"variant\": \"%s\", \"count\": %zu, \"p50_ns\": %u, \"p99_ns\": "
			      "%u, \"ratio\": %.2f}",
			      json->separator, row->call, row->mode, row->placement,
			      variant_names[variant], spread->count, spread->p50, spread->p99,
			      ratio(spread, &row->spread[BENCH_NATIVE]));
		json->separator = ",";
	}
}

static void write_spawn(struct json *json, const struct bench_results *results, int i)
{
	const struct bench_spawn *spawn = &results->spawn[i];

	(void)fprintf(json->file,
		      "%s\n    {\"placement\": \"%s\", \"count\": %zu, \"native_p50_us\": %u, "
		      "\"native_p99_us\": %u, \"sallyport_p50_us\": %u, \"sallyport_p99_us\": %u}",
		      json->separator, placement_names[i], spawn->native.count, spawn->native.p50,
		      spawn->native.p99, spawn->sallyport.p50, spawn->sallyport.p99);
	json->separator = ",";
}

static void write_idle(struct json *json, const struct bench_results *results, int i)
{
	const struct bench_idle *idle = &results->idle[i];

	(void)fprintf(json->file,
		      "%s\n    {\"placement\": \"%s\", \"porter_pss_kib\": %ld, "
		      "\"init_pss_kib\": %ld, \"sandboxee_pss_kib\": %ld, \"porter_cpu_us\": %ld, "
		      "\"porter_wakeups\": %ld}",
		      json->separator, placement_names[i], idle->porter_kib, idle->init_kib,
		      idle->guest_kib, idle->porter_cpu_us, idle->porter_wakeups);
	json->separator = ",";
}

static void write_steps(struct json *json, const struct bench_results *results, int i)
{
	for (int step = 0; step < BENCH_STEPS; step++) {
		const struct bench_spread *spread = &results->steps[i][step];

		(void)fprintf(json->file,
			      "%s\n    {\"placement\": \"%s\", \"step\": \"%s\", \"count\": %zu, "
			      "\"p50_us\": %u, \"p99_us\": %u}",
			      json->separator, placement_names[i], step_names[step], spread->count,
			      spread->p50, spread->p99);
		json->separator = ",";
	}
}

static void write_program(struct json *json, const struct bench_programs *programs, int i,
			  int program)
{
	for (int way = 0; way < BENCH_WAYS; way++) {
		const struct bench_spread *spread = &programs->spread[program][way];

		(void)fprintf(json->file,
			      "%s\n    {\"placement\": \"%s\", \"program\": \"%s\", \"way\": "
			      "\"%s\", \"count\": %zu, \"p50_us\": %u, \"p99_us\": %u}",
			      json->separator, placement_names[i], program_names[program],
			      way_names[way], spread->count, spread->p50, spread->p99);
		json->separator = ",";
	}
}

static void write_programs(struct json *json, const struct bench_results *results, int i)
{
	for (int program = 0; program < BENCH_PROGRAMS; program++)
		write_program(json, &results->programs[i], i, program);
}

typedef void element_fn(struct json *json, const struct bench_results *results, int placement);

static void write_array(struct json *json, const struct bench_results *results, const char *name,
			element_fn *element)
{
	(void)fprintf(json->file, "\n  ],\n  \"%s\": [", name);
	json->separator = "";
	for (int i = 0; i < BENCH_PLACEMENTS; i++)
		if (results->placed[i])
			element(json, results, i);
}

int bench_write_json(struct bench_results *results, const char *file)
{
	struct json json = {.file = fopen(file, "we"), .separator = ""};
	char machine[128];

	if (!json.file)
		return -errno;
	describe_machine(machine, sizeof(machine));
	(void)fprintf(json.file, "{\n  \"machine\": \"%s\",\n  \"calls\": [", machine);
	for_each_row(results, write_row, &json);
	write_array(&json, results, "spawn", write_spawn);
	write_array(&json, results, "idle", write_idle);
	write_array(&json, results, "steps", write_steps);
	write_array(&json, results, "programs", write_programs);
	(void)fprintf(json.file, "\n  ]\n}\n");
	return fclose(json.file) == 0 ? 0 : -errno;
}

void bench_results_free(struct bench_results *results)
{
	for (int placement = 0; placement < BENCH_PLACEMENTS; placement++)
		for (int mode = 0; mode < BENCH_MODES; mode++)
			for (int call = 0; call < BENCH_CALLS; call++)
				for (int i = 0; i < BENCH_VARIANTS; i++)
					free(results->cells[placement][mode][call][i].samples);
	*results = (struct bench_results){0};
}
