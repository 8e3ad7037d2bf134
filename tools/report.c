/* SPDX-License-Identifier: Apache-2.0 */
#include "report.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"

/* Two escaped paths, a rule and the words between them. */
#define SENTENCE_MAX (3 * 4 * 4096 + 1024)

int report_open(struct report *report, const char *name)
{
	if (strcmp(name, "-") == 0) {
		report->file = STDOUT_FILENO;
		return 0;
	}
	report->file = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, 0666);
	if (report->file >= 0)
		return 0;
	complain("--report: %s: %s", name, strerrordesc_np(errno));
	return -errno;
}

void report_close(struct report *report)
{
	tdestroy(report->told, free);
	report->told = NULL;
	if (report->file > STDERR_FILENO)
		(void)close(report->file);
	report->file = -1;
}

/* ---- lines ---- */

/* In one piece, so that no line of the program's falls into it. A run whose report cannot be written
 * goes on: the walls do not depend on it. */
static void write_line_take(struct report *report, json_t *line)
{
	char *text = line ? json_dumps(line, JSON_COMPACT) : NULL, *whole = NULL;
	int length = text ? asprintf(&whole, "%s\n", text) : -1;
	int r = length < 0 ? -ENOMEM : write_all(report->file, whole, (size_t)length);

	if (r < 0) {
		if (!report->broken)
			complain("--report: %s", strerrordesc_np(-r));
		report->broken = true;
	}
	if (length >= 0)
		free(whole);
	free(text);
	json_decref(line);
}

/* JSON holds UTF-8 alone; a name in anything else is shown as the library shows paths. */
static json_t *name_value(const char *name)
{
	json_t *value = json_string(name);
	char *escaped;
	size_t used = 0;

	if (value)
		return value;
	escaped = calloc(strlen(name) + 1, 4);
	if (!escaped)
		return NULL;
	for (; *name; name++)
		used += (size_t)snprintf(escaped + used, sizeof("\\xNN"),
					 isprint((unsigned char)*name) ? "%c" : "\\x%02x",
					 (unsigned char)*name);
	value = json_string(escaped);
	free(escaped);
	return value;
}

void report_start(struct report *report, const char *program, const char *policy,
		  const char *interception, const char *reason)
{
	if (report->file >= 0)
		write_line_take(report, json_pack("{ss so ss ss ss}", "event", "start", "program",
						  name_value(program), "policy", policy,
						  "interception", interception, "reason", reason));
	if (report->verbose)
		complain("%s: policy %s, interception %s: %s", program, policy, interception,
			 reason);
}

static const char *const kinds[] = {
    [SP_REPORT_PATH] = "path",
    [SP_REPORT_CALL] = "call",
    [SP_REPORT_VIOLATION] = "violation",
    [SP_REPORT_WALL] = "wall",
};

/* Hexadecimal texts, for the same reason as below. */
static json_t *arguments_value(const struct sp_report *refusal)
{
	json_t *array = refusal->permitted && refusal->number >= 0 ? json_array() : NULL;
	char text[sizeof("0x") + 16];

	for (size_t i = 0; array && i < SP_POLICY_ARGUMENTS; i++) {
		(void)snprintf(text, sizeof(text), "0x%" PRIx64, refusal->argument[i]);
		(void)json_array_append_new(array, json_string(text));
	}
	return array;
}

/* The program counter is text: a number of 64 bits is more than many readers of JSON can hold. */
static json_t *refusal_line(const struct sp_report *refusal)
{
	bool violation = refusal->kind == SP_REPORT_VIOLATION;
	const char *verdict = violation ? "kill" : "deny", *would = NULL;
	char counter[sizeof("0x") + 16];

	if (refusal->permitted) {
		would = refusal->fatal ? "kill" : "deny";
		verdict = "permitted";
	}
	(void)snprintf(counter, sizeof(counter), "0x%" PRIx64, refusal->instruction);
	return json_pack(
	    "{ss ss ss? ss? ss? ss ss? ss? ss? ss? ss? so? si si sb ss? sI sb}", "event", "refusal",
	    "kind", kinds[refusal->kind], "call", refusal->call, "path", refusal->path, "path2",
	    refusal->path2, "verdict", verdict, "would", would, "errno",
	    refusal->error ? strerrorname_np(refusal->error) : NULL, "rule", refusal->rule,
	    "detail", refusal->detail, "missing", refusal->missing, "arguments",
	    arguments_value(refusal), "pid", (int)refusal->pid, "tid", (int)refusal->tid,
	    "tid_claimed", refusal->claimed, "pc", refusal->instruction ? counter : NULL,
	    "suppressed", (json_int_t)refusal->suppressed, "violation", violation);
}

static int compare_sentences(const void *left, const void *right)
{
	return strcmp(left, right);
}

/* A program that goes on meets the same refusal again and again. */
static bool is_news(struct report *report, const struct sp_report *refusal, const char *sentence)
{
	char *copy = refusal->permitted ? strdup(sentence) : NULL;
	char *const *node = copy ? tsearch(copy, &report->told, compare_sentences) : NULL;

	if (!node || *node == copy)
		return true;
	free(copy);
	report->repeated++;
	return false;
}

void report_refusal(struct report *report, const char *program, const struct sp_report *refusal)
{
	char sentence[SENTENCE_MAX];

	if (report->file >= 0)
		write_line_take(report, refusal_line(refusal));
	if (!report->verbose)
		return;
	(void)sp_report_describe(refusal, sentence, sizeof(sentence));
	if (!is_news(report, refusal, sentence))
		return;
	complain("%s: %s", program, sentence);
	if (refusal->suppressed)
		complain("%s: %" PRIu64 " reports before this one were swallowed", program,
			 refusal->suppressed);
}

static const char *const causes[] = {
    [SP_EXIT_EXITED] = "exited",       [SP_EXIT_SIGNALED] = "signaled", [SP_EXIT_POLICY] = "policy",
    [SP_EXIT_VIOLATION] = "violation", [SP_EXIT_WALL] = "wall",         [SP_EXIT_KILLED] = "killed",
    [SP_EXIT_FAILED] = "failed",       [SP_EXIT_LOST] = "lost",
};

/* What a status or a signal's name does not explain. */
static bool needs_words(enum sp_exit_cause cause)
{
	return cause != SP_EXIT_EXITED && cause != SP_EXIT_SIGNALED;
}

void report_exit(struct report *report, const char *program, const struct sp_exit *exit, int status)
{
	char sentence[SENTENCE_MAX];

	(void)sp_exit_describe(exit, sentence, sizeof(sentence));
	if (report->file >= 0)
		write_line_take(report,
				json_pack("{ss ss si si ss? ss}", "event", "exit", "cause",
					  causes[exit->cause], "status", exit->status, "exit",
					  status, "layer", exit->layer, "sentence", sentence));
	if (report->repeated)
		complain("%s: %" PRIu64 " reports like one before were left out", program,
			 report->repeated);
	if (report->verbose || needs_words(exit->cause))
		complain("%s: %s", program, sentence);
}
