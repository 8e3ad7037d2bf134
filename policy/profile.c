/* SPDX-License-Identifier: Apache-2.0 */
/* How often a program makes each call: from a list, or from what strace counted. */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/util.h"
#include "policy/export.h"
#include "policy/invocation.h"
#include "policy/model.h"
#include "policy/names.h"

/* strace -c: "% time", seconds, usecs/call, calls, errors where there were some, syscall. */
#define WORDS_MAX 8
#define STRACE_CALLS 3
#define STRACE_LEAST 5

struct line {
	struct {
		size_t start, length;
	} word[WORDS_MAX];
	size_t count; /* WORDS_MAX: that many or more */
};

struct profile {
	struct sp_source source;
	struct sp_reporter reporter;
	bool strace; /* the head of its table was read */
	struct {
		uint64_t calls;
		size_t start; /* of its name, where it stood last */
	} call[SP_NUMBERS];
};

static void mistake(struct profile *profile, const struct line *line, size_t index,
		    const char *suggestion, const char *message)
{
	struct sp_place place =
	    sp_place_at(&profile->source, line->word[index].start, line->word[index].length);

	sp_report_error(&profile->reporter, &profile->source, place, suggestion, "%s", message);
}

static struct line split(const struct profile *profile, size_t at, size_t end)
{
	const char *text = profile->source.text;
	struct line line = {.count = 0};

	while (line.count < WORDS_MAX) {
		size_t start;

		while (at < end && isspace((unsigned char)text[at]))
			at++;
		if (at == end || text[at] == '#')
			break;
		start = at;
		while (at < end && !isspace((unsigned char)text[at]))
			at++;
		line.word[line.count].start = start;
		line.word[line.count++].length = at - start;
	}
	return line;
}

static bool is_word(const struct profile *profile, const struct line *line, size_t index,
		    const char *word)
{
	return index < line->count && line->word[index].length == strlen(word) &&
	       memcmp(profile->source.text + line->word[index].start, word, strlen(word)) == 0;
}

static bool is_head(const struct profile *profile, const struct line *line)
{
	static const char *const words[] = {"%",     "time",   "seconds", "usecs/call",
					    "calls", "errors", "syscall"};

	for (size_t i = 0; i < SP_ELEMENTS(words); i++)
		if (!is_word(profile, line, i, words[i]))
			return false;
	return line->count == SP_ELEMENTS(words);
}

/* "------ ----------- …" */
static bool is_rule(const struct profile *profile, const struct line *line)
{
	const char *text = profile->source.text + line->word[0].start;

	return profile->strace && strspn(text, "-") >= line->word[0].length;
}

static bool read_count(struct profile *profile, const struct line *line, size_t index,
		       uint64_t *ret_count)
{
	const char *text = profile->source.text + line->word[index].start;
	char *end;

	errno = 0;
	*ret_count = strtoull(text, &end, 10);
	if (isdigit((unsigned char)text[0]) && end == text + line->word[index].length && errno == 0)
		return true;
	mistake(profile, line, index, NULL, "expected how often the call was made: a number");
	return false;
}

/* The number of the call, or a negative one: a mistake, or a call of other architectures. */
static int read_call(struct profile *profile, const struct line *line, size_t index)
{
	char name[SP_CALL_NAME_MAX];
	int nr = SP_CALL_UNKNOWN;

	(void)snprintf(name, sizeof(name), "%.*s", (int)line->word[index].length,
		       profile->source.text + line->word[index].start);
	if (line->word[index].length < sizeof(name))
		nr = sp_call_number(name);
	if (nr == SP_CALL_UNKNOWN)
		mistake(profile, line, index, sp_nearest(name, sp_candidate_call, NULL),
			"unknown system call");
	return nr;
}

static void add(struct profile *profile, const struct line *line, size_t name, size_t count)
{
	int nr = read_call(profile, line, name);
	uint64_t calls;

	if (!read_count(profile, line, count, &calls) || nr < 0)
		return;
	if (__builtin_add_overflow(profile->call[nr].calls, calls, &profile->call[nr].calls))
		profile->call[nr].calls = UINT64_MAX;
	profile->call[nr].start = line->word[name].start;
}

static void read_line(struct profile *profile, const struct line *line)
{
	if (line->count == 0 || is_rule(profile, line))
		return;
	if (is_word(profile, line, 0, "%")) {
		profile->strace = is_head(profile, line);
		if (!profile->strace)
			mistake(
			    profile, line, 0, NULL,
			    "this is not the table of \"strace -c\" with its own columns; leave "
			    "out -U and -w");
	} else if (!profile->strace) {
		if (line->count == 2)
			add(profile, line, 0, 1);
		else
			mistake(profile, line, line->count > 2 ? 2 : 0, NULL,
				"expected a call and how often it was made, like \"read 1200\"");
	} else if (line->count < STRACE_LEAST || line->count > STRACE_LEAST + 1) {
		mistake(profile, line, 0, NULL, "this is no line of the table of \"strace -c\"");
	} else if (!is_word(profile, line, line->count - 1, "total")) {
		add(profile, line, line->count - 1, STRACE_CALLS);
	}
}

static void read_profile(struct profile *profile)
{
	for (size_t at = 0, end; at < profile->source.length; at = end + 1) {
		const char *newline =
		    memchr(profile->source.text + at, '\n', profile->source.length - at);
		struct line line;

		end = newline ? (size_t)(newline - profile->source.text) : profile->source.length;
		line = split(profile, at, end);
		read_line(profile, &line);
	}
}

/* What is called least still weighs something. */
static uint64_t scale(uint64_t calls, uint64_t most)
{
	uint64_t divisor = most / SP_WEIGHT_MAX + 1;

	return calls / divisor > 0 ? calls / divisor : 1;
}

static int apply(struct profile *profile, struct sp_policy *policy)
{
	uint64_t most = 0;
	int r = 0;

	sp_model_clear_weights(policy);
	for (int nr = 0; nr < SP_NUMBERS; nr++)
		if (profile->call[nr].calls > most)
			most = profile->call[nr].calls;
	for (int nr = 0; nr < SP_NUMBERS && r == 0; nr++) {
		_cleanup_free_ char *source = NULL;
		struct sp_place place;

		if (profile->call[nr].calls == 0)
			continue;
		place = sp_place_at(&profile->source, profile->call[nr].start, 1);
		if (asprintf(&source, "%s:%u:%u", profile->source.file, place.line, place.column) <
		    0)
			return -ENOMEM;
		r = sp_model_set_weight(policy, 0, nr, scale(profile->call[nr].calls, most),
					source);
	}
	return r;
}

SP_EXPORT int sp_policy_profile(struct sp_policy *policy, const char *file, const char *text,
				size_t length, sp_diagnostic_fn *on_diagnostic, void *data)
{
	_cleanup_free_ struct profile *profile = calloc(1, sizeof(*profile));
	_cleanup_free_ char *copy = malloc(length + 1);
	int r;

	if (!profile || !copy)
		return -ENOMEM;
	memcpy(copy, text, length);
	copy[length] = '\0';
	profile->source = (struct sp_source){.file = file, .text = copy, .length = length};
	profile->reporter = (struct sp_reporter){.fn = on_diagnostic, .data = data};
	read_profile(profile);
	if (profile->reporter.errors > 0)
		return -EINVAL;
	sp_model_forget_compiled(policy);
	r = apply(profile, policy);
	for (size_t i = 0; i < policy->phase_count && r == 0; i++)
		r = apply(profile, policy->phases[i].policy);
	return r;
}
