/* SPDX-License-Identifier: Apache-2.0 */
/*
 * launch: runs one program that locks itself, under a policy, and tells what became of it.
 *
 *     launch POLICY PROGRAM [ARG]...
 *
 * POLICY is a preset or a file. The exit status is the program's own, or 125.
 */
#include <err.h>
#include <event2/event.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sallyport/broker.h>
#include <sallyport/policy.h>

struct run {
	struct event_base *base;
	int status;
};

static void print_diagnostic(const struct sp_diagnostic *diagnostic, void *data)
{
	(void)data;
	(void)fprintf(stderr, "%s\n", diagnostic->text);
}

static void print_report(struct sp_sandbox *sandbox, const struct sp_report *report, void *data)
{
	char sentence[2048];

	(void)sandbox;
	(void)data;
	sp_report_describe(report, sentence, sizeof(sentence));
	warnx("%s", sentence);
}

static void finish(struct sp_sandbox *sandbox, const struct sp_exit *how, void *data)
{
	struct run *run = data;
	char sentence[512];

	(void)sandbox;
	run->status = how->cause == SP_EXIT_EXITED ? how->status : 125;
	if (how->cause != SP_EXIT_EXITED) {
		sp_exit_describe(how, sentence, sizeof(sentence));
		warnx("%s", sentence);
	}
	event_base_loopbreak(run->base);
}

int main(int argc, char **argv)
{
	struct run run = {.base = event_base_new(), .status = 125};
	char program[PATH_MAX], directory[PATH_MAX];
	struct sp_broker *broker;
	struct sp_policy *policy;
	struct sp_sandbox *sandbox;

	if (argc < 3)
		errx(2, "usage: launch POLICY PROGRAM [ARG]...");
	if (!run.base || !realpath(argv[2], program) || !realpath(".", directory))
		err(125, "%s", argv[2]);
	if (sp_policy_load(argv[1], print_diagnostic, NULL, &policy) < 0)
		return 125;
	argv[2] = program;

	const struct sp_launch launch = {
	    .policy = policy,
	    .argv = (const char *const *)(argv + 2),
	    .directory = directory,
	    /* The program's output goes where ours goes. */
	    .pass = (struct sp_pass[]){{1, 1}, {2, 2}},
	    .pass_count = 2,
	    .on_report = print_report,
	    .on_exit = finish,
	    .data = &run,
	};
	int r = sp_broker_new(run.base, NULL, &broker);
	if (r < 0)
		errx(125, "no broker: %s", strerror(-r));
	r = sp_sandbox_launch(broker, &launch, &sandbox);
	if (r < 0)
		errx(125, "cannot launch: %s", strerror(-r));
	event_base_dispatch(run.base);

	sp_sandbox_free(sandbox);
	sp_broker_free(broker);
	sp_policy_unref(policy);
	event_base_free(run.base);
	return run.status;
}
