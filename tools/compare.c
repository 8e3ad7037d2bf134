/* SPDX-License-Identifier: Apache-2.0 */
/* sallyport policy diff, prove, test */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sallyport/policy.h>

#include "command.h"
#include "questions.h"

#define TEXT_MAX (1 << 20)

static bool wrong_count(char **words)
{
	print_usage(stderr, words[0]);
	return true;
}

/* An error that nobody has told yet. */
static int fail(const char *what, int r)
{
	if (r != -EINVAL)
		complain("%s: %s", what,
			 r == -E2BIG ? "the patterns meet in too many ways to follow them all"
				     : strerrordesc_np(-r));
	return EXIT_WRONG;
}

/* ---- diff ---- */

static int print_diff(struct sp_policy *first, struct sp_policy *second)
{
	char *text;
	int r = sp_policy_diff(first, second, &text);

	if (r < 0)
		return fail("diff", r);
	(void)fputs(text, stdout);
	free(text);
	return r;
}

int policy_diff(int count, char **words)
{
	struct sp_policy *first = NULL, *second = NULL;
	struct question question;
	int status = EXIT_WRONG;

	if (!read_question(count, words, "DP", &question) ||
	    (question.count != 2 && wrong_count(words)))
		return EXIT_WRONG;
	if (load_asked(&question, question.words[0], &first) == 0 &&
	    load_asked(&question, question.words[1], &second) == 0)
		status = print_diff(first, second);
	sp_policy_unref(first);
	sp_policy_unref(second);
	return status;
}

/* ---- prove ---- */

/* 0: it holds; 1: it does not. */
static int prove_one(struct sp_policy *policy, const char *statement)
{
	char *text;
	int r = sp_policy_prove(policy, statement, print_diagnostic, NULL, &text);

	if (r < 0)
		return fail(statement, r);
	(void)printf("%s: %s\n%s", r ? "holds" : "does not hold", statement, text);
	free(text);
	return !r;
}

int policy_prove(int count, char **words)
{
	struct sp_policy *policy = NULL;
	struct question question;
	int worst;

	if (!read_question(count, words, "DP", &question) ||
	    (question.count < 2 && wrong_count(words)))
		return EXIT_WRONG;
	worst = load_asked(&question, question.words[0], &policy) == 0 ? 0 : EXIT_WRONG;
	for (int i = 1; policy && i < question.count; i++) {
		int status = prove_one(policy, question.words[i]);

		worst = status > worst ? status : worst;
	}
	sp_policy_unref(policy);
	return worst;
}

/* ---- test ---- */

struct tally {
	unsigned cases, failed;
	int status;
};

static void test_text(struct sp_policy *policy, const char *file, const char *text, size_t length,
		      struct tally *tally)
{
	struct sp_test_result result;
	char *failures;
	int r = sp_policy_run_tests(policy, file, text, length, print_diagnostic, NULL, &result,
				    &failures);

	if (r < 0) {
		tally->status = fail(file, r);
		return;
	}
	(void)fputs(failures, stdout);
	free(failures);
	tally->cases += result.cases;
	tally->failed += result.failed;
}

/* `optional`: there need be no such file. */
static void test_file(struct sp_policy *policy, const char *file, bool optional,
		      struct tally *tally)
{
	FILE *stream = fopen(file, "re");
	char *text = stream ? malloc(TEXT_MAX) : NULL;
	size_t length = text ? fread(text, 1, TEXT_MAX, stream) : 0;

	if (!text || ferror(stream)) {
		if (!optional || errno != ENOENT) {
			complain("%s: %s", file, strerrordesc_np(errno));
			tally->status = EXIT_WRONG;
		}
	} else if (length == TEXT_MAX) {
		complain("%s: larger than 1 MiB", file);
		tally->status = EXIT_WRONG;
	} else {
		test_text(policy, file, text, length, tally);
	}
	free(text);
	if (stream)
		(void)fclose(stream);
}

/* The cases in the policy's file, and those beside it: x.policy and x.test. */
static void test_beside(struct sp_policy *policy, const char *name, struct tally *tally)
{
	static const char suffix[] = ".policy";
	size_t length = strcspn(name, "#");
	char *file = strndup(name, length), *beside = NULL;

	if (file && access(file, R_OK) == 0)
		test_file(policy, file, false, tally);
	if (file && length > sizeof(suffix) - 1 &&
	    strcmp(file + length - (sizeof(suffix) - 1), suffix) == 0)
		length -= sizeof(suffix) - 1;
	if (file && asprintf(&beside, "%.*s.test", (int)length, file) >= 0)
		test_file(policy, beside, true, tally);
	free(beside);
	free(file);
}

static int conclude(const struct tally *tally)
{
	if (tally->status)
		return tally->status;
	if (tally->cases == 0) {
		complain("there is no test case: write them into a file, or as comments \"# test: "
			 "CALL -> VERDICT\" into the policy");
		return EXIT_WRONG;
	}
	(void)printf("%u cases, %u failed\n", tally->cases, tally->failed);
	return tally->failed > 0;
}

int policy_test(int count, char **words)
{
	struct sp_policy *policy = NULL;
	struct tally tally = {0};
	struct question question;

	if (!read_question(count, words, "DPs", &question))
		return EXIT_WRONG;
	if (load_asked(&question, question.words[0], &policy) != 0)
		return EXIT_WRONG;
	if (question.count == 1)
		test_beside(policy, question.words[0], &tally);
	for (int i = 1; i < question.count; i++)
		test_file(policy, question.words[i], false, &tally);
	sp_policy_unref(policy);
	return conclude(&tally);
}
