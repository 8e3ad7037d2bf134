/* SPDX-License-Identifier: Apache-2.0 */
/* What is asked of a policy on the command line: the options of `sallyport policy show` and its like. */
#ifndef SALLYPORT_TOOLS_QUESTIONS_H
#define SALLYPORT_TOOLS_QUESTIONS_H

#include <stdbool.h>

#include <sallyport/policy.h>

#include "command.h"

/* As many as a policy has. */
#define PHASES_MAX 8
#define EXTRAS_MAX 8

struct question {
	struct sp_parameter parameters[PARAMETERS_MAX]; /* -D NAME=VALUE */
	size_t parameter_count;
	const char *phases[PHASES_MAX]; /* --phase NAME: those that have been entered */
	size_t phase_count;
	const char *extras[EXTRAS_MAX]; /* --seccomp-filter FILE */
	size_t extra_count;
	enum sp_policy_form form;
	enum sp_policy_filter filter;
	bool json, raw;
	int descriptor;      /* of --raw; -1: stdout */
	const char *output;  /* NULL: stdout */
	const char *profile; /* NULL: none */
	char **words;        /* what stands behind the options */
	int count;
};

/* Reads options; words[0] is the word that chose the command, of which `options` are those that it takes.
 * Writes to the words. False: the command line is wrong, which was said. */
bool read_question(int count, char **words, const char *options, struct question *ret_question);

/* read_policy() with the question's parameters, then the policy as it is in the question's phases. A phase that the
 * policy does not have is told, and is EXIT_WRONG. */
int load_asked(const struct question *question, const char *name, struct sp_policy **ret_policy);

#endif
