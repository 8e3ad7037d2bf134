/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of the command `sallyport` share. */
#ifndef SALLYPORT_TOOLS_COMMAND_H
#define SALLYPORT_TOOLS_COMMAND_H

#include <stddef.h>

#include <sallyport/policy.h>

/* Exit statuses beside those of the program that was run. */
enum {
	EXIT_MISTAKES = 1, /* a policy has mistakes */
	EXIT_FAILED = 125, /* the command itself failed */
	EXIT_NOT_RUNNABLE = 126,
	EXIT_NOT_FOUND = 127,
};

#define ELEMENTS(array) (sizeof(array) / sizeof((array)[0]))

/* "sallyport: " and a sentence, on stderr, in one piece: others write there too. */
__attribute__((format(printf, 1, 2))) void complain(const char *format, ...);

/* An sp_diagnostic_fn. */
void print_diagnostic(const struct sp_diagnostic *diagnostic, void *data);

/* run.c: `sallyport run`. argv[0] is the word `run`. Returns the exit status. */
int run_command(int argc, char **argv);

/* groups.c: `sallyport policy groups`. words[0] is the word `groups`. */
int policy_groups(int count, char **words);

/* convert.c: `sallyport policy import`. words[0] is the word `import`. */
int policy_import(int count, char **words);

#endif
