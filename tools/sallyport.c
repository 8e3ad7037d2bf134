/* SPDX-License-Identifier: Apache-2.0 */
/* The command `sallyport`: chooses among its commands, and checks policies. */
#include <argp.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sallyport/policy.h>

#include "command.h"

/* The longest policy that the library takes, a compiled one. */
#define POLICY_MAX ((size_t)16 << 20)

/* argp(3) looks for it from inside libc: it must not be hidden. */
__attribute__((visibility("default"))) const char *argp_program_version =
    "sallyport " SALLYPORT_VERSION;

void complain(const char *format, ...)
{
	char *sentence, *whole;
	va_list arguments;
	int length;

	va_start(arguments, format);
	length = vasprintf(&sentence, format, arguments);
	va_end(arguments);
	if (length < 0)
		return;
	length = asprintf(&whole, "sallyport: %s\n", sentence);
	free(sentence);
	if (length < 0)
		return;
	/* Where stderr takes nothing there is nobody to tell. */
	if (write(STDERR_FILENO, whole, (size_t)length) < 0)
		errno = 0;
	free(whole);
}

int write_all(int file, const void *bytes, size_t length)
{
	const char *at = bytes;

	while (length > 0) {
		ssize_t n = write(file, at, length);

		if (n < 0 && errno != EINTR)
			return -errno;
		at += n > 0 ? n : 0;
		length -= n > 0 ? (size_t)n : 0;
	}
	return 0;
}

void print_diagnostic(const struct sp_diagnostic *diagnostic, void *data)
{
	(void)data;
	(void)fputs(diagnostic->text, stderr);
}

/* A policy longer than the library takes is read one byte too far, so that the library says so. */
static int load_stream(const char *name, FILE *stream, const struct sp_policy_options *options,
		       struct sp_policy **ret_policy)
{
	char *text = malloc(POLICY_MAX + 1);
	size_t length;
	int r;

	if (!text)
		return -ENOMEM;
	length = fread(text, 1, POLICY_MAX + 1, stream);
	if (ferror(stream))
		r = errno > 0 ? -errno : -EIO;
	else
		r = sp_policy_parse_with(name, text, length, options, print_diagnostic, NULL,
					 ret_policy);
	free(text);
	return r;
}

/* "FILE#NAME" in the working directory, which sp_policy_load() would take for a preset. */
static int load_named(const char *name, const struct sp_policy_options *options,
		      struct sp_policy **ret_policy)
{
	char *path;
	int r;

	if (!strchr(name, '#') || strchr(name, '/'))
		return sp_policy_load_with(name, options, print_diagnostic, NULL, ret_policy);
	if (asprintf(&path, "./%s", name) < 0)
		return -ENOMEM;
	r = sp_policy_load_with(path, options, print_diagnostic, NULL, ret_policy);
	free(path);
	return r;
}

/* A file of the working directory may have any name, also that of a preset. */
static int load_file(const char *name, const struct sp_policy_options *options,
		     struct sp_policy **ret_policy)
{
	FILE *stream = fopen(name, "re");
	int r;

	if (!stream)
		return load_named(name, options, ret_policy);
	r = load_stream(name, stream, options, ret_policy);
	(void)fclose(stream);
	return r;
}

int read_policy(const char *name, const struct sp_policy_options *options,
		struct sp_policy **ret_policy)
{
	int r = strcmp(name, "-") == 0 ? load_stream("standard input", stdin, options, ret_policy)
				       : load_file(name, options, ret_policy);

	if (r == 0)
		return 0;
	if (r == -EINVAL)
		return EXIT_MISTAKES;
	complain("%s: %s", name, strerrordesc_np(-r));
	return EXIT_FAILED;
}

/* "-D NAME=VALUE" or "-DNAME=VALUE" at the front of the words: how many they are, 0: none. Writes to
 * the words. */
static int take_parameter(int count, char **words, struct sp_parameter *ret_parameter)
{
	bool apart = count >= 2 && strcmp(words[0], "-D") == 0;
	char *text = apart ? words[1] : words[0] + 2, *equals;

	if (count == 0 || strncmp(words[0], "-D", 2) != 0)
		return 0;
	equals = strchr(text, '=');
	if (!equals)
		return 0;
	*equals = '\0';
	*ret_parameter = (struct sp_parameter){text, equals + 1};
	return apart ? 2 : 1;
}

int take_parameters(int count, char **words, struct sp_parameter parameters[PARAMETERS_MAX],
		    size_t *ret_count)
{
	int all = 0, taken;

	*ret_count = 0;
	do {
		taken = *ret_count < PARAMETERS_MAX
			    ? take_parameter(count - all, words + all, &parameters[*ret_count])
			    : 0;
		all += taken;
		*ret_count += taken > 0;
	} while (taken > 0);
	return all;
}

/* The exit status that a policy makes. */
static int check_one(const char *name, const struct sp_policy_options *options)
{
	struct sp_policy *policy = NULL;
	int status = read_policy(name, options, &policy);

	sp_policy_unref(policy);
	return status;
}

static int policy_check(int count, char **words)
{
	struct sp_parameter parameters[PARAMETERS_MAX];
	struct sp_policy_options options = {.parameters = parameters, .lint = true};
	/* The first word chose this command. */
	int taken = 1 + take_parameters(count - 1, words + 1, parameters, &options.parameter_count);
	int worst = 0;

	words += taken;
	count -= taken;
	if (count == 0 || strncmp(words[0], "-D", 2) == 0) {
		print_usage(stderr, "check");
		return EXIT_FAILED;
	}
	for (int i = 0; i < count; i++) {
		int status = check_one(words[i], &options);

		worst = status > worst ? status : worst;
	}
	return worst;
}

/* A command gets the words from its own last one on. */
static const struct command {
	const char *noun, *verb; /* verb NULL: the noun is all */
	int (*run)(int count, char **words);
	const char *usage; /* what follows the verb; NULL: the command has a help of its own */
} commands[] = {
    {"run", NULL, run_command, NULL},
    {"policy", "check", policy_check, "[-D NAME=VALUE]... FILE..."},
    {"policy", "compile", policy_compile, "[-D NAME=VALUE]... [--profile FILE] -o OUTPUT FILE"},
    {"policy", "diff", policy_diff, "[-D NAME=VALUE]... [--phase NAME]... POLICY POLICY"},
    {"policy", "explain", policy_explain,
     "[-D NAME=VALUE]... [--phase NAME]... [-f text|json]\n"
     "       [--seccomp-filter FILE]... POLICY CALL..."},
    {"policy", "groups", policy_groups, "[NAME...]"},
    {"policy", "import", policy_import, "--from minijail|kafel|systemd|oci|firejail FILE"},
    {"policy", "learn", policy_learn, NULL},
    {"policy", "prove", policy_prove, "[-D NAME=VALUE]... [--phase NAME]... POLICY STATEMENT..."},
    {"policy", "show", policy_show,
     "[-D NAME=VALUE]... [--phase NAME]... [-f text|json|bpf|pseudo-code]\n"
     "       [--raw] [--filter alone|notify|trap] [--seccomp-filter FILE]...\n"
     "       [--profile FILE] [--fd N | -o FILE] POLICY"},
    {"policy", "test", policy_test,
     "[-D NAME=VALUE]... [--phase NAME]... [--seccomp-filter FILE]...\n"
     "       POLICY [FILE...]"},
};

void print_usage(FILE *out, const char *verb)
{
	for (size_t i = 0; i < ELEMENTS(commands); i++)
		if (commands[i].usage && commands[i].verb && strcmp(commands[i].verb, verb) == 0)
			(void)fprintf(out, "usage: sallyport policy %s %s\n", verb,
				      commands[i].usage);
}

/* A noun that needs a verb, and has none of ours behind it. */
static void complain_of_verb(const char *noun, const char *verb)
{
	char list[256] = "";
	size_t length = 0;

	for (size_t i = 0; i < ELEMENTS(commands); i++)
		if (commands[i].verb && strcmp(commands[i].noun, noun) == 0)
			length += (size_t)snprintf(list + length, sizeof(list) - length, "%s%s",
						   length > 0 ? ", " : "", commands[i].verb);
	if (length == 0)
		complain("no such command: %s; try --help", noun);
	else if (verb)
		complain("no such command: %s %s; there is %s", noun, verb, list);
	else
		complain("%s needs another word: %s", noun, list);
}

static bool is_named(const struct command *command, int count, char **words)
{
	if (count < 1 || strcmp(words[0], command->noun) != 0)
		return false;
	return !command->verb || (count >= 2 && strcmp(words[1], command->verb) == 0);
}

/* argp(3) numbers the words: the first ones choose the command, the rest are its own. */
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
	    .args_doc = "run [OPTION...] -- PROGRAM [ARGUMENT]...\n"
			"policy check [-D NAME=VALUE]... FILE...\n"
			"policy compile [-D NAME=VALUE]... -o OUTPUT FILE\n"
			"policy diff [OPTION...] POLICY POLICY\n"
			"policy explain [OPTION...] POLICY CALL...\npolicy groups [NAME...]\n"
			"policy import --from FORMAT FILE\n"
			"policy learn -o FILE [--base PRESET] -- PROGRAM [ARGUMENT]...\n"
			"policy prove [OPTION...] POLICY STATEMENT...\n"
			"policy show [OPTION...] POLICY\npolicy test [OPTION...] POLICY [FILE...]",
	    .doc =
		"Runs untrusted programs in sandboxes, and checks policies.\v"
		"run            runs a program; see `sallyport run --help'\n"
		"policy check   reports every mistake of the policies; `-' is standard input;\n"
		"               -D gives a parameter its value\n"
		"policy compile writes a policy in a form that needs no text any more\n"
		"policy diff    says what two policies allow differently\n"
		"policy explain says what a policy says of a call, and why\n"
		"policy groups  lists the groups of system calls, or the calls of a group\n"
		"policy import  prints a policy of minijail, kafel, systemd, oci or firejail in\n"
		"               our language\n"
		"policy learn   runs a trusted program, and writes the policy that it needs\n"
		"policy prove   proves a statement like `never write /etc/**', or refutes it\n"
		"policy show    prints a policy with all that it includes, or its filter\n"
		"policy test    runs the test cases of a policy",
	};
	char **words = NULL;
	int count;

	argp_err_exit_status = EXIT_FAILED;
	if (argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &words) != 0)
		return EXIT_FAILED;
	count = (int)(argv + argc - words);
	for (size_t i = 0; i < ELEMENTS(commands); i++) {
		int skip = commands[i].verb ? 1 : 0;

		if (!is_named(&commands[i], count, words))
			continue;
		if (commands[i].usage && commands[i].verb && count > 2 &&
		    strcmp(words[2], "--help") == 0) {
			print_usage(stdout, commands[i].verb);
			return 0;
		}
		return commands[i].run(count - skip, words + skip);
	}
	complain_of_verb(words[0], count > 1 ? words[1] : NULL);
	return EXIT_FAILED;
}
