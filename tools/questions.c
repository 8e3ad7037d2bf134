/* SPDX-License-Identifier: Apache-2.0 */
#include "questions.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "grants.h"

static const struct {
	const char *name;
	enum sp_policy_form form;
} forms[] = {
    {"text", SP_POLICY_FORM_TEXT},
    {"json", SP_POLICY_FORM_JSON},
    {"bpf", SP_POLICY_FORM_BPF},
    {"pseudo-code", SP_POLICY_FORM_PSEUDO_CODE},
};

static const struct {
	const char *name;
	enum sp_policy_filter filter;
} filters[] = {
    {"alone", SP_POLICY_FILTER_ALONE},
    {"notify", SP_POLICY_FILTER_NOTIFY},
    {"trap", SP_POLICY_FILTER_TRAP},
};

static bool read_form(const char *name, struct question *question)
{
	for (size_t i = 0; i < ELEMENTS(forms); i++)
		if (strcmp(forms[i].name, name) == 0) {
			question->form = forms[i].form;
			question->json = forms[i].form == SP_POLICY_FORM_JSON;
			return true;
		}
	complain("--format %s: expected text, json, bpf or pseudo-code", name);
	return false;
}

static bool read_filter(const char *name, struct question *question)
{
	for (size_t i = 0; i < ELEMENTS(filters); i++)
		if (strcmp(filters[i].name, name) == 0) {
			question->filter = filters[i].filter;
			return true;
		}
	complain("--filter %s: expected alone, notify or trap", name);
	return false;
}

static bool read_descriptor(const char *text, struct question *question)
{
	char *end;
	long number = strtol(text, &end, 10);

	if (*text < '0' || *text > '9' || *end || number > 1 << 20) {
		complain("--fd %s: expected the number of an open descriptor", text);
		return false;
	}
	question->descriptor = (int)number;
	return true;
}

static bool read_definition(char *text, struct question *question)
{
	char *equals = strchr(text, '=');

	if (!equals || question->parameter_count == PARAMETERS_MAX) {
		complain("-D %s: %s", text, equals ? "too many" : "expected NAME=VALUE");
		return false;
	}
	*equals = '\0';
	question->parameters[question->parameter_count++] = (struct sp_parameter){text, equals + 1};
	return true;
}

static bool read_phase(const char *name, struct question *question)
{
	if (question->phase_count == PHASES_MAX) {
		complain("--phase %s: a policy has at most %d phases", name, PHASES_MAX);
		return false;
	}
	question->phases[question->phase_count++] = name;
	return true;
}

static bool read_extra(const char *file, struct question *question)
{
	if (question->extra_count == EXTRAS_MAX) {
		complain("--seccomp-filter %s: there are more than %d filters", file, EXTRAS_MAX);
		return false;
	}
	question->extras[question->extra_count++] = file;
	return true;
}

static bool read_option(int option, char *argument, struct question *question)
{
	switch (option) {
	case 'D':
		return read_definition(argument, question);
	case 'f':
		return read_form(argument, question);
	case 'i':
		return read_filter(argument, question);
	case 'd':
		return read_descriptor(argument, question);
	case 'o':
		question->output = argument;
		return true;
	case 'p':
		question->profile = argument;
		return true;
	case 'r':
		question->raw = true;
		return true;
	case 'P':
		return read_phase(argument, question);
	case 's':
		return read_extra(argument, question);
	default:
		return false;
	}
}

/* Whether the command has the option that getopt(3) has found; '?': nobody has it, or it lacks its value. */
static bool takes(char **words, const char *options, int option)
{
	if (option != '?' && strchr(options, option))
		return true;
	complain("policy %s: %s: there is no such option here, or its value is missing", words[0],
		 words[optind - 1]);
	return false;
}

bool read_question(int count, char **words, const char *options, struct question *ret_question)
{
	static const struct option all[] = {
	    {"define", required_argument, NULL, 'D'},
	    {"format", required_argument, NULL, 'f'},
	    {"filter", required_argument, NULL, 'i'},
	    {"fd", required_argument, NULL, 'd'},
	    {"output", required_argument, NULL, 'o'},
	    {"profile", required_argument, NULL, 'p'},
	    {"raw", no_argument, NULL, 'r'},
	    {"phase", required_argument, NULL, 'P'},
	    {"seccomp-filter", required_argument, NULL, 's'},
	    {0},
	};
	struct question question = {.form = SP_POLICY_FORM_TEXT, .descriptor = -1};
	bool good = true;
	int option;

	optind = 0;
	opterr = 0;
	while (good && (option = getopt_long(count, words, "+D:f:o:", all, NULL)) != -1)
		good = takes(words, options, option) && read_option(option, optarg, &question);
	if (!good || optind == count) {
		print_usage(stderr, words[0]);
		return false;
	}
	question.words = words + optind;
	question.count = count - optind;
	*ret_question = question;
	return true;
}

static bool has_phase(const struct sp_policy *policy, const char *name)
{
	const char *phase;

	for (size_t i = 0; (phase = sp_policy_phase_name(policy, i)); i++)
		if (strcmp(phase, name) == 0)
			return true;
	return false;
}

/* Which phases there are, for who named another one. */
static void complain_of_phase(const char *name, const struct sp_policy *policy, const char *phase)
{
	char list[1024] = "";
	size_t length = 0;
	const char *known;

	for (size_t i = 0; (known = sp_policy_phase_name(policy, i)) && length < sizeof(list); i++)
		length += (size_t)snprintf(list + length, sizeof(list) - length, "%s%s",
					   i > 0 ? ", " : "", known);
	if (length > 0)
		complain("--phase %s: %s has no such phase, but %s", phase, name, list);
	else
		complain("--phase %s: %s has no phases", phase, name);
}

/* In place of *policy the same in the phases of the question. */
static int enter_phases(const struct question *question, const char *name,
			struct sp_policy **policy)
{
	struct sp_policy *narrowed;
	int r;

	for (size_t i = 0; i < question->phase_count; i++)
		if (!has_phase(*policy, question->phases[i])) {
			complain_of_phase(name, *policy, question->phases[i]);
			return EXIT_WRONG;
		}
	if (question->phase_count == 0)
		return 0;
	r = sp_policy_in_phases(*policy, question->phases, question->phase_count, &narrowed);
	if (r < 0) {
		complain("%s: %s", name,
			 r == -E2BIG ? "with these phases more than 16 policies bound each other"
				     : strerrordesc_np(-r));
		return EXIT_WRONG;
	}
	sp_policy_unref(*policy);
	*policy = narrowed;
	return 0;
}

int load_asked(const struct question *question, const char *name, struct sp_policy **ret_policy)
{
	const struct sp_policy_options options = {.parameters = question->parameters,
						  .parameter_count = question->parameter_count,
						  .keep = true};
	struct sp_policy *policy = NULL;
	int status = read_policy(name, &options, &policy);

	for (size_t i = 0; status == 0 && i < question->extra_count; i++)
		status = add_filter(policy, question->extras[i]) < 0 ? EXIT_WRONG : 0;
	if (status == 0)
		status = enter_phases(question, name, &policy);
	if (status != 0)
		policy = sp_policy_unref(policy);
	if (policy)
		*ret_policy = policy;
	return status;
}
