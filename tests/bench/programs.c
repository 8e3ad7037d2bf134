/* SPDX-License-Identifier: Apache-2.0 */
/* Whole programs, natively and in the sandboxes that a command line can give them. */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"
#include "ipc/util.h"

extern char **environ;

#define WORDS_MAX 32

/* Words that begin with '@' stand for names that are known at run time. */
#define SALLYPORT "@sallyport"
#define OPENS "@opens"
#define FOLDER "@folder"
#define DOCUMENT "@document"

static const char *const program_words[BENCH_PROGRAMS][8] = {
    [BENCH_TRUE] = {"/bin/true"},
    [BENCH_FILE] = {"/usr/bin/file", DOCUMENT},
    [BENCH_PDFTOTEXT] = {"/usr/bin/pdftotext", DOCUMENT, "-"},
    [BENCH_PYTHON] = {"/usr/bin/python3", "-c", "import json, ssl"},
    [BENCH_OPENS] = {OPENS, DOCUMENT, "1000"},
};

/* Each with the walls that it has to offer: namespaces, no network, no capabilities, a filter. */
static const char *const way_words[BENCH_WAYS][20] = {
    [BENCH_PLAIN] = {NULL},
    [BENCH_TRAP] = {SALLYPORT, "run", "--interception", "trap", "-r", FOLDER, "-r", OPENS, "--"},
    [BENCH_NOTIFY] = {SALLYPORT, "run", "--interception", "notify", "-r", FOLDER, "-r", OPENS,
		      "--"},
    [BENCH_BUBBLEWRAP] = {"/usr/bin/bwrap", "--unshare-all", "--die-with-parent", "--ro-bind", "/",
			  "/", "--dev", "/dev", "--proc", "/proc"},
    [BENCH_FIREJAIL] = {"/usr/bin/firejail", "--quiet", "--noprofile", "--net=none",
			"--caps.drop=all", "--nonewprivs", "--seccomp"},
};

static const char *word_of(const struct bench_names *names, const char *word)
{
	if (strcmp(word, SALLYPORT) == 0)
		return names->sallyport;
	if (strcmp(word, OPENS) == 0)
		return names->opens;
	if (strcmp(word, FOLDER) == 0)
		return names->folder;
	return strcmp(word, DOCUMENT) == 0 ? names->document : word;
}

struct command {
	char *words[WORDS_MAX]; /* borrowed; NULL-terminated */
	size_t count;
};

static void add_words(struct command *command, const struct bench_names *names,
		      const char *const *words, size_t most)
{
	for (size_t i = 0; i < most && words[i]; i++)
		command->words[command->count++] = (char *)(uintptr_t)word_of(names, words[i]);
}

static struct command make_command(const struct bench_names *names, int program, int way)
{
	struct command command = {0};

	add_words(&command, names, way_words[way], SP_ELEMENTS(way_words[way]));
	add_words(&command, names, program_words[program], SP_ELEMENTS(program_words[program]));
	return command;
}

/* Runs it to its end; what it says on stderr goes to a descriptor. Its wait status, or -errno. */
static int run_command(struct command *command, int errors)
{
	posix_spawn_file_actions_t actions;
	pid_t child;
	int status;
	int r = posix_spawn_file_actions_init(&actions);

	if (r != 0)
		return -r;
	r = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	if (r == 0)
		r = posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY,
						     0);
	if (r == 0)
		r = posix_spawn_file_actions_adddup2(&actions, errors, STDERR_FILENO);
	if (r == 0)
		r = posix_spawn(&child, command->words[0], &actions, NULL, command->words, environ);
	(void)posix_spawn_file_actions_destroy(&actions);
	if (r != 0)
		return -r;
	return waitpid(child, &status, 0) < 0 ? -errno : status;
}

/*
 * Whether a way can run the program at all: to its end, and with nothing to say, since a sandbox that warns does
 * not do what is to be measured. Otherwise *reason tells the first thing that was said.
 */
static bool try_command(struct command *command, int errors, char reason[static BENCH_REASON_MAX])
{
	ssize_t length;
	int status;

	if (access(command->words[0], X_OK) < 0) {
		(void)snprintf(reason, BENCH_REASON_MAX, "%s is not installed", command->words[0]);
		return false;
	}
	if (ftruncate(errors, 0) < 0 || lseek(errors, 0, SEEK_SET) < 0)
		return false;
	status = run_command(command, errors);
	length = pread(errors, reason, BENCH_REASON_MAX - 1, 0);
	reason[length > 0 ? length : 0] = '\0';
	reason[strcspn(reason, "\n")] = '\0';
	if (status == 0 && length == 0)
		return true;
	if (length <= 0)
		(void)snprintf(reason, BENCH_REASON_MAX, "%s ended with status %#x",
			       command->words[0], (unsigned)status);
	return false;
}

struct race {
	struct command commands[BENCH_WAYS];
	uint32_t *samples[BENCH_WAYS]; /* owned; NULL where it does not take part */
};

static int time_command(struct command *command, int errors, uint32_t *ret_sample)
{
	uint64_t start = bench_now_us();
	int status = run_command(command, errors);

	*ret_sample = (uint32_t)(bench_now_us() - start);
	return status == 0 ? 0 : -ECHILD;
}

/* The ways take turns, and another one begins each round. */
static int run_race(struct race *race, size_t count, int errors)
{
	for (size_t i = 0; i < count * BENCH_WAYS; i++) {
		size_t round = i / BENCH_WAYS, way = (i + round) % BENCH_WAYS;
		int r = race->samples[way]
			    ? time_command(&race->commands[way], errors, &race->samples[way][round])
			    : 0;

		if (r < 0)
			return r;
	}
	return 0;
}

static int run_program(const struct bench_names *names, int program, size_t count, int errors,
		       struct bench_programs *programs)
{
	struct race race = {0};
	int r = 0;

	for (int way = 0; way < BENCH_WAYS && r == 0; way++) {
		race.commands[way] = make_command(names, program, way);
		if (!try_command(&race.commands[way], errors, programs->reason[program][way]))
			continue;
		race.samples[way] = calloc(count, sizeof(*race.samples[way]));
		if (!race.samples[way])
			r = -ENOMEM;
	}
	if (r == 0)
		r = run_race(&race, count, errors);
	for (int way = 0; way < BENCH_WAYS; way++) {
		if (r == 0 && race.samples[way])
			programs->spread[program][way] = bench_spread_of(race.samples[way], count);
		free(race.samples[way]);
	}
	return r;
}

int bench_programs(const struct bench_names *names, size_t count,
		   struct bench_programs *ret_programs)
{
	_cleanup_close_ int errors = memfd_create("errors", MFD_CLOEXEC);
	int r = errors < 0 ? -errno : 0;

	for (int program = 0; program < BENCH_PROGRAMS && r == 0; program++)
		r = run_program(names, program, count, errors, ret_programs);
	return r;
}

/* ---- what the programs read ---- */

/* One page that says a word. The table at its end tells where each object stands. */
static void write_document(FILE *file)
{
	static const char *const objects[] = {
	    "<< /Type /Catalog /Pages 2 0 R >>",
	    "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
	    "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R "
	    "/Resources << /Font << /F1 5 0 R >> >> >>",
	    "<< /Length 41 >>\nstream\nBT /F1 24 Tf 72 700 Td (Sallyport) Tj ET\n\nendstream",
	    "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
	};
	long offsets[SP_ELEMENTS(objects)], table;

	(void)fprintf(file, "%%PDF-1.4\n");
	for (size_t i = 0; i < SP_ELEMENTS(objects); i++) {
		offsets[i] = ftell(file);
		(void)fprintf(file, "%zu 0 obj\n%s\nendobj\n", i + 1, objects[i]);
	}
	table = ftell(file);
	(void)fprintf(file, "xref\n0 %zu\n0000000000 65535 f \n", SP_ELEMENTS(objects) + 1);
	for (size_t i = 0; i < SP_ELEMENTS(objects); i++)
		(void)fprintf(file, "%010ld 00000 n \n", offsets[i]);
	(void)fprintf(file, "trailer\n<< /Size %zu /Root 1 0 R >>\nstartxref\n%ld\n%%%%EOF\n",
		      SP_ELEMENTS(objects) + 1, table);
}

int bench_write_document(const char *path)
{
	FILE *file = fopen(path, "wxe");

	if (!file)
		return -errno;
	write_document(file);
	return fclose(file) == 0 ? 0 : -errno;
}
