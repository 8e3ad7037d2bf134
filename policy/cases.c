/* SPDX-License-Identifier: Apache-2.0 */
/* Test cases of a policy: calls, and the verdicts that they ought to have. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/util.h"
#include "policy/explain.h"
#include "policy/export.h"
#include "policy/names.h"
#include "policy/print.h"

/* Before a case in the comments of a policy. */
static const char mark[] = "# test:";

struct expected {
	enum sp_policy_verdict verdict;
	int error;    /* 0: any … */
	bool success; /* … but for none */
	size_t end;
};

struct cases {
	struct sp_policy *policy; /* borrowed */
	/* The policy in the phases of the case in hand: */
	struct sp_subject subject;
	uint32_t entered; /* of the policy's phases, by index */
	bool opened;
	struct sp_reporter reporter;
	struct sp_source source;
	FILE *out;
	struct sp_test_result result;
};

static const struct {
	const char *word;
	enum sp_policy_verdict verdict;
} verdicts[] = {
    {"allow", SP_POLICY_ALLOW}, {"log", SP_POLICY_LOG},     {"ask", SP_POLICY_ASK},
    {"deny", SP_POLICY_DENY},   {"errno", SP_POLICY_ERRNO}, {"trap", SP_POLICY_TRAP},
    {"kill", SP_POLICY_KILL},
};

static const char *candidate_verdict(size_t index, const void *unused)
{
	(void)unused;
	return index < SP_ELEMENTS(verdicts) ? verdicts[index].word : NULL;
}

static void mistake(struct cases *cases, size_t start, size_t length, const char *suggestion,
		    const char *message)
{
	sp_report_error(&cases->reporter, &cases->source,
			sp_place_at(&cases->source, start, length), suggestion, "%s", message);
}

/* The next word before `end`, to be freed; "" at the end. */
static char *next_word(const struct cases *cases, size_t *at, size_t end, size_t *ret_start)
{
	const char *text = cases->source.text;

	while (*at < end && (text[*at] == ' ' || text[*at] == '\t' || text[*at] == '\r'))
		++*at;
	*ret_start = *at;
	if (*at < end && text[*at] == '#')
		*at = end; /* a comment behind the case */
	else
		while (*at < end && !isspace((unsigned char)text[*at]))
			++*at;
	return *at == end && text[*ret_start] == '#' ? strdup("")
						     : strndup(text + *ret_start, *at - *ret_start);
}

static bool read_error(struct cases *cases, const char *word, size_t start,
		       struct expected *expected)
{
	char *end;
	long number = strtol(word, &end, 10);

	expected->success = expected->verdict == SP_POLICY_ERRNO && strcmp(word, "0") == 0;
	if (expected->success)
		return true;
	if (isdigit((unsigned char)word[0]) && *end == '\0' && number > 0 && number < 65536) {
		expected->error = (int)number;
		return true;
	}
	if (expected->verdict != SP_POLICY_TRAP && sp_errno_find(word, &expected->error))
		return true;
	mistake(cases, start, strlen(word) ? strlen(word) : 1,
		sp_nearest(word, sp_candidate_errno, NULL),
		expected->verdict == SP_POLICY_TRAP ? "expected the number of the trap"
						    : "expected an errno");
	return false;
}

/* What follows a verdict: "as EACCES", "ENOSYS", "thread". */
static bool read_detail(struct cases *cases, size_t *at, size_t end, struct expected *expected)
{
	bool number = expected->verdict == SP_POLICY_ERRNO || expected->verdict == SP_POLICY_TRAP;
	size_t start;
	_cleanup_free_ char *word = next_word(cases, at, end, &start), *error = NULL;

	if (!word || word[0] == '\0')
		return word;
	if (expected->verdict == SP_POLICY_KILL && strcmp(word, "thread") == 0) {
		expected->verdict = SP_POLICY_KILL_THREAD;
		return true;
	}
	if (expected->verdict == SP_POLICY_DENY && strcmp(word, "as") == 0) {
		error = next_word(cases, at, end, &start);
		return error && read_error(cases, error, start, expected);
	}
	if (number)
		return read_error(cases, word, start, expected);
	mistake(cases, start, strlen(word), NULL, "the case is complete before this");
	return false;
}

static bool read_verdict(struct cases *cases, size_t *at, size_t end, struct expected *expected)
{
	size_t start;
	_cleanup_free_ char *word = next_word(cases, at, end, &start), *rest = NULL;
	size_t index = 0;

	if (!word)
		return false;
	while (index < SP_ELEMENTS(verdicts) && strcmp(verdicts[index].word, word) != 0)
		index++;
	if (index == SP_ELEMENTS(verdicts)) {
		mistake(cases, start, strlen(word) ? strlen(word) : 1,
			sp_nearest(word, candidate_verdict, NULL),
			"expected allow, log, ask, deny, errno, trap or kill");
		return false;
	}
	*expected = (struct expected){.verdict = verdicts[index].verdict};
	if (!read_detail(cases, at, end, expected))
		return false;
	rest = next_word(cases, at, end, &start);
	if (!rest || rest[0] == '\0')
		return rest;
	mistake(cases, start, strlen(rest), NULL, "the case is complete before this");
	return false;
}

/* ---- phases ---- */

static bool stands_at(const struct cases *cases, size_t at, size_t end, const char *word)
{
	size_t length = strlen(word);

	return end - at > length && memcmp(cases->source.text + at, word, length) == 0 &&
	       isblank((unsigned char)cases->source.text[at + length]);
}

static void skip_blanks(const struct cases *cases, size_t *at, size_t end)
{
	while (*at < end && isblank((unsigned char)cases->source.text[*at]))
		++*at;
}

static const char *candidate_phase(size_t index, const void *policy)
{
	return sp_policy_phase_name(policy, index);
}

/* The phase that stands there joins those that are entered. */
static bool read_phase(struct cases *cases, size_t *at, size_t end, uint32_t *entered)
{
	const char *text = cases->source.text;
	size_t start = *at;
	_cleanup_free_ char *name = NULL;

	while (*at < end && !isspace((unsigned char)text[*at]) && !strchr(",:", text[*at]))
		++*at;
	name = strndup(text + start, *at - start);
	for (size_t i = 0; name && i < cases->policy->phase_count; i++)
		if (strcmp(cases->policy->phases[i].name, name) == 0) {
			*entered |= 1u << i;
			skip_blanks(cases, at, end);
			return true;
		}
	mistake(cases, start, *at > start ? *at - start : 1,
		name ? sp_nearest(name, candidate_phase, cases->policy) : NULL,
		cases->policy->phase_count > 0 ? "the policy has no such phase"
					       : "the policy has no phases");
	return false;
}

/* "in phase NAME, NAME:" before the call; without it none is entered. */
static bool read_phases(struct cases *cases, size_t *at, size_t end, uint32_t *ret_entered)
{
	const char *text = cases->source.text;

	*ret_entered = 0;
	if (!stands_at(cases, *at, end, "in"))
		return true;
	*at += strlen("in");
	skip_blanks(cases, at, end);
	if (!stands_at(cases, *at, end, "phase")) {
		mistake(cases, *at, 1, NULL,
			"expected \"phase\": a case may begin with in which phases its call is "
			"made, like in phase parsing: open \"/x\" O_RDONLY -> deny");
		return false;
	}
	*at += strlen("phase");
	do {
		skip_blanks(cases, at, end);
		if (!read_phase(cases, at, end, ret_entered))
			return false;
	} while (*at < end && text[*at] == ',' && ++*at);
	if (*at < end && text[*at] == ':') {
		++*at;
		return true;
	}
	mistake(cases, *at < end ? *at : *at - 1, 1, NULL,
		"expected ',' and another phase, or ':' and the call");
	return false;
}

static void unref_policy(struct sp_policy **policy)
{
	sp_policy_unref(*policy);
}

static void close_subject(struct cases *cases)
{
	struct sp_policy *narrowed =
	    cases->subject.policy == cases->policy ? NULL : cases->subject.policy;

	sp_subject_close(&cases->subject);
	sp_policy_unref(narrowed);
	cases->subject = (struct sp_subject){0};
	cases->opened = false;
}

/* What the cases of one phase are judged by is kept for the next of them. */
static int enter(struct cases *cases, uint32_t entered)
{
	_cleanup_(unref_policy) struct sp_policy *narrowed = NULL;
	const char *names[SP_PHASES_MAX];
	size_t count = 0;
	int r = 0;

	if (cases->opened && cases->entered == entered)
		return 0;
	close_subject(cases);
	for (size_t i = 0; i < cases->policy->phase_count; i++)
		if (entered & (1u << i))
			names[count++] = cases->policy->phases[i].name;
	if (count > 0)
		r = sp_policy_in_phases(cases->policy, names, count, &narrowed);
	if (r == 0)
		r = sp_subject_open(narrowed ? narrowed : cases->policy, &cases->subject);
	if (r < 0) {
		cases->subject.policy = cases->policy;
		return r;
	}
	narrowed = NULL; /* the subject's now */
	cases->entered = entered;
	cases->opened = true;
	return 0;
}

static bool as_expected(const struct expected *expected, const struct sp_finding *finding)
{
	return finding->verdict == expected->verdict &&
	       (expected->success ? finding->error == 0
				  : expected->error == 0 || finding->error == expected->error);
}

static void print_failure(struct cases *cases, size_t start, const char *call,
			  const struct expected *expected, const struct sp_invocation *invocation,
			  const struct sp_finding *finding)
{
	struct sp_place place = sp_place_at(&cases->source, start, 1);

	(void)fprintf(cases->out, "%s:%u:%u: expected ", cases->source.file, place.line,
		      place.column);
	if (expected->error == 0 && expected->verdict == SP_POLICY_DENY)
		(void)fputs("deny", cases->out);
	else
		sp_print_verdict(cases->out, expected->verdict, expected->error);
	(void)fputs(", but: ", cases->out);
	sp_explain_text(cases->out, &cases->subject, call, invocation, finding);
}

/* The call stands from `start` up to the arrow. */
static int judge(struct cases *cases, size_t start, size_t arrow, const struct expected *expected,
		 const struct sp_invocation *invocation)
{
	_cleanup_(sp_finding_clear) struct sp_finding finding = {0};
	_cleanup_free_ char *call = NULL;
	struct sp_source line = cases->source;
	int r;

	while (arrow > start && isspace((unsigned char)cases->source.text[arrow - 1]))
		arrow--;
	call = strndup(cases->source.text + start, arrow - start);
	r = call ? sp_find(&cases->subject, &cases->reporter, &line, invocation, &finding)
		 : -ENOMEM;
	if (r < 0)
		return r;
	cases->result.cases++;
	if (as_expected(expected, &finding))
		return 0;
	cases->result.failed++;
	print_failure(cases, start, call, expected, invocation, &finding);
	return 0;
}

/* One case: from `at` to the end of its line. -EINVAL: a mistake, which was told. */
static int run_case(struct cases *cases, size_t at, size_t end)
{
	_cleanup_(sp_invocation_clear) struct sp_invocation invocation = {0};
	struct expected expected;
	size_t start, arrow;
	uint32_t entered;
	int r;

	skip_blanks(cases, &at, end);
	if (!read_phases(cases, &at, end, &entered))
		return -EINVAL;
	while (at < end && isspace((unsigned char)cases->source.text[at]))
		at++;
	start = at;
	r = sp_invocation_read(&cases->reporter, &cases->source, &at, &invocation);
	if (r < 0)
		return r;
	arrow = at;
	if (at + 2 > end) {
		mistake(cases, end > start ? end - 1 : start, 1, NULL,
			"a case is a call, then \"->\" and its verdict, like open \"/x\" O_RDONLY "
			"-> deny");
		return -EINVAL;
	}
	at += 2;
	if (!read_verdict(cases, &at, end, &expected))
		return -EINVAL;
	r = enter(cases, entered);
	return r < 0 ? r : judge(cases, start, arrow, &expected, &invocation);
}

/* Whether the line holds a case, and where it begins. */
static bool find_case(const struct cases *cases, bool marked, size_t *at, size_t end)
{
	const char *text = cases->source.text;

	while (*at < end && (text[*at] == ' ' || text[*at] == '\t'))
		++*at;
	if (marked) {
		if (end - *at < sizeof(mark) - 1 || memcmp(text + *at, mark, sizeof(mark) - 1) != 0)
			return false;
		*at += sizeof(mark) - 1;
		return true;
	}
	return *at < end && text[*at] != '#' && text[*at] != '\r';
}

/* A policy's own text has its cases in comments; any other text has nothing else. */
static bool is_policy_text(const struct cases *cases)
{
	const struct sp_policy *policy = cases->policy;

	for (size_t i = 0; i < policy->text_count; i++)
		if (policy->texts[i].length == cases->source.length &&
		    memcmp(policy->texts[i].text, cases->source.text, cases->source.length) == 0)
			return true;
	return false;
}

static int run_cases(struct cases *cases)
{
	bool marked = is_policy_text(cases), wrong = false;
	size_t length = cases->source.length;

	for (size_t at = 0, end; at < length; at = end + 1) {
		const char *newline = memchr(cases->source.text + at, '\n', length - at);
		int r = 0;

		end = newline ? (size_t)(newline - cases->source.text) : length;
		if (find_case(cases, marked, &at, end))
			r = run_case(cases, at, end);
		if (r < 0 && r != -EINVAL)
			return r;
		wrong |= r < 0;
	}
	return wrong ? -EINVAL : 0;
}

static int run_into(struct cases *cases, char **ret_text)
{
	char *text = NULL;
	size_t length;
	int r;

	cases->out = open_memstream(&text, &length);
	if (!cases->out)
		return -ENOMEM;
	r = run_cases(cases);
	if (fclose(cases->out) != 0 && r == 0)
		r = -ENOMEM;
	if (r < 0)
		free(text);
	else
		*ret_text = text;
	return r;
}

SP_EXPORT int sp_policy_run_tests(struct sp_policy *policy, const char *file, const char *text,
				  size_t length, sp_diagnostic_fn *on_diagnostic, void *data,
				  struct sp_test_result *ret_result, char **ret_text)
{
	struct cases cases = {.policy = policy, .reporter = {.fn = on_diagnostic, .data = data}};
	_cleanup_free_ char *copy = malloc(length + 1);
	int r;

	if (!copy)
		return -ENOMEM;
	memcpy(copy, text, length);
	copy[length] = '\0';
	cases.source = (struct sp_source){.file = file, .text = copy, .length = length};
	r = run_into(&cases, ret_text);
	close_subject(&cases);
	if (r == 0)
		*ret_result = cases.result;
	return r;
}
