/* SPDX-License-Identifier: Apache-2.0 */
/* sallyport policy show, explain */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sallyport/policy.h>

#include "command.h"
#include "grants.h"
#include "questions.h"

/* ---- show ---- */

/* To the descriptor, the file, or stdout that was asked for. */
static int give(const struct question *question, const void *bytes, size_t length)
{
	int file = question->descriptor >= 0 ? question->descriptor : STDOUT_FILENO, r;

	if (question->output)
		file = open(question->output, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY,
			    0666);
	r = file < 0 ? -errno : write_all(file, bytes, length);
	if (question->output && file >= 0 && close(file) < 0 && r == 0)
		r = -errno;
	if (r == 0)
		return 0;
	if (question->output)
		complain("%s: %s", question->output, strerrordesc_np(-r));
	else
		complain("descriptor %d: %s", file, strerrordesc_np(-r));
	return EXIT_FAILED;
}

static int show_raw(const struct question *question, const struct sp_policy *policy)
{
	void *program;
	size_t length;
	int r = sp_policy_bpf(policy, question->filter, &program, &length);
	int status;

	if (r == -EOPNOTSUPP) {
		complain("the policy \"%s\" is strict: it has no filter", sp_policy_name(policy));
		return EXIT_FAILED;
	}
	if (r < 0) {
		complain("the filter: %s", strerrordesc_np(-r));
		return EXIT_FAILED;
	}
	if (question->descriptor < 0 && !question->output && isatty(STDOUT_FILENO)) {
		complain("--raw writes bytes that no terminal understands: name a file by -o, or "
			 "a descriptor by --fd");
		status = EXIT_FAILED;
	} else {
		status = give(question, program, length);
	}
	free(program);
	return status;
}

static int show_text(const struct question *question, const struct sp_policy *policy)
{
	char *text;
	int r = sp_policy_show(policy, question->form, question->filter, &text), status;

	if (r < 0) {
		complain("%s", strerrordesc_np(-r));
		return EXIT_FAILED;
	}
	status = give(question, text, strlen(text));
	free(text);
	return status;
}

int policy_show(int count, char **words)
{
	struct sp_policy *policy = NULL;
	struct question question;
	int status;

	if (!read_question(count, words, "DfidopPrs", &question))
		return EXIT_FAILED;
	if (question.count != 1 || (question.descriptor >= 0 && question.output)) {
		print_usage(stderr, words[0]);
		return EXIT_FAILED;
	}
	status = load_asked(&question, question.words[0], &policy);
	if (status == 0 && question.profile && add_profile(policy, question.profile) < 0)
		status = EXIT_FAILED;
	if (status == 0)
		status = question.raw ? show_raw(&question, policy) : show_text(&question, policy);
	sp_policy_unref(policy);
	return status;
}

/* ---- explain ---- */

static int explain_one(const struct question *question, struct sp_policy *policy, const char *call)
{
	struct sp_explanation *explanation = NULL;
	int r = sp_policy_explain(policy, call, print_diagnostic, NULL, &explanation);

	if (r < 0) {
		if (r != -EINVAL)
			complain("%s", strerrordesc_np(-r));
		return EXIT_FAILED;
	}
	(void)fputs(question->json ? explanation->json : explanation->text, stdout);
	sp_explanation_free(explanation);
	return 0;
}

int policy_explain(int count, char **words)
{
	struct sp_policy *policy = NULL;
	struct question question;
	int worst;

	if (!read_question(count, words, "DfPs", &question))
		return EXIT_FAILED;
	if (question.form > SP_POLICY_FORM_JSON) {
		complain("policy explain writes text or json");
		return EXIT_FAILED;
	}
	if (question.count < 2) {
		print_usage(stderr, words[0]);
		return EXIT_FAILED;
	}
	worst = load_asked(&question, question.words[0], &policy);
	for (int i = 1; policy && i < question.count; i++) {
		int status = explain_one(&question, policy, question.words[i]);

		worst = status > worst ? status : worst;
	}
	sp_policy_unref(policy);
	return worst;
}
