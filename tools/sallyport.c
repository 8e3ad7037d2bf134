/* SPDX-License-Identifier: Apache-2.0 */
/* The command `sallyport`. Exit status: 0; 1: a policy has mistakes; 125: the command
 * itself failed, or a policy can't be read. */
#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sallyport/policy.h>

#define EXIT_MISTAKES 1
#define EXIT_FAILED 125
#define TEXT_MAX (1 << 20)

/* argp(3) looks for it from inside libc: it must not be hidden. */
__attribute__((visibility("default"))) const char *argp_program_version =
    "sallyport " SALLYPORT_VERSION;

static void print_diagnostic(const struct sp_diagnostic *diagnostic, void *data)
{
	(void)data;
	(void)fputs(diagnostic->text, stderr);
}

/* A policy longer than the library takes is read one byte too far, so that the library says so. */
static int check_stream(const char *name, FILE *stream, struct sp_policy **ret_policy)
{
	char *text = malloc(TEXT_MAX + 1);
	size_t length;
	int r;

	if (!text)
		return -ENOMEM;
	length = fread(text, 1, TEXT_MAX + 1, stream);
	if (ferror(stream))
		r = errno > 0 ? -errno : -EIO;
	else
		r = sp_policy_parse(name, text, length, print_diagnostic, NULL, ret_policy);
	free(text);
	return r;
}

/* A file of the working directory may have any name, also that of a preset. */
static int check_file(const char *name, struct sp_policy **ret_policy)
{
	FILE *stream = fopen(name, "re");
	int r;

	if (!stream)
		return sp_policy_load(name, print_diagnostic, NULL, ret_policy);
	r = check_stream(name, stream, ret_policy);
	(void)fclose(stream);
	return r;
}

/* The exit status that a policy makes. */
static int check_one(const char *name)
{
	struct sp_policy *policy = NULL;
	int r = strcmp(name, "-") == 0 ? check_stream("standard input", stdin, &policy)
				       : check_file(name, &policy);

	sp_policy_unref(policy);
	if (r == 0)
		return 0;
	if (r == -EINVAL)
		return EXIT_MISTAKES;
	(void)fprintf(stderr, "sallyport: %s: %s\n", name, strerror(-r));
	return EXIT_FAILED;
}

static int policy_check(int count, char **names)
{
	int worst = 0;

	if (count == 0) {
		(void)fputs("usage: sallyport policy check FILE...\n", stderr);
		return EXIT_FAILED;
	}
	for (int i = 0; i < count; i++) {
		int status = check_one(names[i]);

		worst = status > worst ? status : worst;
	}
	return worst;
}

static const struct {
	const char *noun, *verb;
	int (*run)(int count, char **arguments);
} commands[] = {
    {"policy", "check", policy_check},
};

/* argp(3) numbers the words: the first two choose the command, the rest are its own. */
static error_t parse(int key, char *argument, struct argp_state *state)
{
	char ***words = state->input;

	(void)argument;
	if (key == ARGP_KEY_ARGS) {
		*words = state->argv + state->next;
		return 0;
	}
	if (key == ARGP_KEY_NO_ARGS)
		argp_usage(state);
	return ARGP_ERR_UNKNOWN;
}

int main(int argc, char **argv)
{
	static const struct argp argp = {
	    .parser = parse,
	    .args_doc = "policy check FILE...",
	    .doc = "Runs and checks sandboxes of untrusted code.\v"
		   "policy check   reports every mistake of the policies; `-' is standard input",
	};
	char **words = NULL;
	int count;

	argp_err_exit_status = EXIT_FAILED;
	if (argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &words) != 0)
		return EXIT_FAILED;
	count = (int)(argv + argc - words);
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (count >= 2 && strcmp(words[0], commands[i].noun) == 0 &&
		    strcmp(words[1], commands[i].verb) == 0)
			return commands[i].run(count - 2, words + 2);
	(void)fprintf(stderr, "sallyport: no such command: %s; try --help\n", words[0]);
	return EXIT_FAILED;
}
