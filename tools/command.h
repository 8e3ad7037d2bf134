/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of the command `sallyport` share. */
#ifndef SALLYPORT_TOOLS_COMMAND_H
#define SALLYPORT_TOOLS_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include <sallyport/broker.h>
#include <sallyport/policy.h>

/* Exit statuses beside those of the program that was run. */
enum {
	EXIT_MISTAKES = 1, /* a policy has mistakes */
	EXIT_WRONG = 2,    /* a question could not be answered, where 1 is an answer */
	EXIT_FAILED = 125, /* the command itself failed */
	EXIT_NOT_RUNNABLE = 126,
	EXIT_NOT_FOUND = 127,
};

#define ELEMENTS(array) (sizeof(array) / sizeof((array)[0]))

/* "sallyport: " and a sentence, on stderr, in one piece: others write there too. */
__attribute__((format(printf, 1, 2))) void complain(const char *format, ...);

/* How a command of `sallyport policy` is called, such as "check". */
void print_usage(FILE *out, const char *verb);

/* All of it, however often a signal comes: 0 or -errno. */
int write_all(int file, const void *bytes, size_t length);

/* An sp_diagnostic_fn. */
void print_diagnostic(const struct sp_diagnostic *diagnostic, void *data);

/* The words "-D NAME=VALUE" and "-DNAME=VALUE" at the front: how many words they are. Writes to the words. */
#define PARAMETERS_MAX 64
int take_parameters(int count, char **words, struct sp_parameter parameters[PARAMETERS_MAX],
		    size_t *ret_count);

/* Loads a policy by what a person calls it: "-" for standard input, a file, a preset. The exit status, 0 or
 * one after which all has been said; then *ret_policy stays as it is. */
int read_policy(const char *name, const struct sp_policy_options *options,
		struct sp_policy **ret_policy);

/* run.c: `sallyport run`. argv[0] is the word `run`. Returns the exit status. */
int run_command(int argc, char **argv);

/* The same for PROGRAM and its arguments, permissively: `observe` is told what would be refused. *ret_ran: the program was
 * started. */
int run_observed(char **words, struct sp_policy *policy, sp_report_fn *observe, void *observer,
		 bool *ret_ran);

/* learn.c: `sallyport policy learn`. words[0] is the word `learn`. */
int policy_learn(int count, char **words);

/* groups.c: `sallyport policy groups`. words[0] is the word `groups`. */
int policy_groups(int count, char **words);

/* compile.c: `sallyport policy compile`. words[0] is the word `compile`. */
int policy_compile(int count, char **words);

/* convert.c: `sallyport policy import`. words[0] is the word `import`. */
int policy_import(int count, char **words);

/* show.c: `sallyport policy show` and `explain`. words[0] is the last word of these. */
int policy_show(int count, char **words);
int policy_explain(int count, char **words);

/* compare.c: `sallyport policy diff`, `prove` and `test`. */
int policy_diff(int count, char **words);
int policy_prove(int count, char **words);
int policy_test(int count, char **words);

#endif
