/* SPDX-License-Identifier: Apache-2.0 */
/* sallyport run: one program in a sandbox, as a shell would run it. */
#include <argp.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sallyport/broker.h>
#include <sallyport/policy.h>

#include "command.h"
#include "grants.h"
#include "program.h"
#include "report.h"
#include "signals.h"

/* ---- options ---- */

enum {
	KEY_EXECUTE = 0x100,
	KEY_CONNECT,
	KEY_BIND,
	KEY_INTERCEPTION,
	KEY_FILTER,
	KEY_PROFILE,
	KEY_LIMIT,
	KEY_REPORT,
	KEY_SETENV,
	KEY_UNSETENV,
	KEY_PASS,
	KEY_PERMISSIVE,
};

#define PASS_MAX 1019 /* of struct sp_pass */

static const struct interception {
	const char *word;
	enum sp_interception interception;
} interceptions[] = {
    {"auto", SP_INTERCEPTION_AUTO},
    {"notify", SP_INTERCEPTION_NOTIFY},
    {"trap", SP_INTERCEPTION_PRELOAD},
};

/* The rights behind an option, and what reports call it. */
static const struct right {
	int key;
	const char *rights, *source;
} rights[] = {
    {'r', "read", "command line --read"},
    {'w', "read, write, create, delete", "command line --write"},
    {KEY_EXECUTE, "read, execute", "command line --execute"},
    {KEY_CONNECT, "connect", "command line --connect"},
    {KEY_BIND, "bind", "command line --bind"},
};

struct grant {
	const struct right *right;
	const char *path;
};

/* Everything that grows has as much room as there are words on the command line. */
struct options {
	const char *policy, *profile, *report, *directory;
	const struct interception *interception;
	bool verbose, permissive;
	struct grant *grants;
	size_t grant_count;
	const char **limits, **filters;
	size_t limit_count, filter_count;
	struct sp_parameter *parameters; /* names owned */
	size_t parameter_count;
	const char **environment; /* NULL-terminated */
	size_t environment_count;
	struct sp_pass *pass;
	size_t pass_count;
	char **words; /* PROGRAM and its arguments */
};

static const struct argp_option option_table[] = {
    {"policy", 'p', "NAME|FILE", 0, "The policy: a preset or a file; otherwise \"program\"", 0},
    {"define", 'D', "NAME=VALUE", 0, "Gives a parameter of the policy its value", 0},
    {"read", 'r', "PATH", 0, "Lets it read a file, or a folder and all below", 1},
    {"write", 'w', "PATH", 0, "Lets it also write, create and delete there", 1},
    {"execute", KEY_EXECUTE, "PATH", 0, "Lets it run the file, or the files of the folder", 1},
    {"connect", KEY_CONNECT, "ADDR", 0,
     "Lets it connect to TCP ADDRESS:PORT, or to a unix socket or those of a folder", 1},
    {"bind", KEY_BIND, "PATH", 0, "Lets it make a unix socket, or those of a folder, and serve", 1},
    {"limit", KEY_LIMIT, "NAME=VALUE", 0,
     "Sets memory, cpu, wall, files, processes or file-size, as a policy does", 2},
    {"seccomp-filter", KEY_FILTER, "FILE", 0,
     "Adds a seccomp filter: an array of struct sock_filter", 2},
    {"profile", KEY_PROFILE, "FILE", 0,
     "Has the filter find first what is called most: lines \"CALL COUNT\", or strace -c", 2},
    {"directory", 'C', "DIR", 0, "Its working directory; otherwise ours", 3},
    {"setenv", KEY_SETENV, "NAME=VALUE", 0, "Changes its environment, otherwise ours", 3},
    {"unsetenv", KEY_UNSETENV, "NAME", 0, "Takes a variable away", 3},
    {"pass", KEY_PASS, "FD", 0, "Passes a descriptor on, beside 0, 1 and 2", 3},
    {"interception", KEY_INTERCEPTION, "WAY", 0,
     "auto, notify, or trap, which is quicker where the program runs no other one", 4},
    {"permissive", KEY_PERMISSIVE, NULL, 0,
     "Refuses nothing, and says what would be refused: for programs that are trusted", 4},
    {"report", KEY_REPORT, "FILE", 0, "Writes what was refused as lines of JSON; \"-\": stdout", 5},
    {"verbose", 'v', NULL, 0, "Says what is refused, and why, on stderr", 5},
    {0},
};

static const struct right *find_right(int key)
{
	for (size_t i = 0; i < ELEMENTS(rights); i++)
		if (rights[i].key == key)
			return &rights[i];
	return NULL;
}

static const struct interception *find_interception(const char *word)
{
	for (size_t i = 0; i < ELEMENTS(interceptions); i++)
		if (strcmp(interceptions[i].word, word) == 0)
			return &interceptions[i];
	return NULL;
}

static bool is_variable(const char *variable, const char *name, size_t length)
{
	return strncmp(variable, name, length) == 0 && variable[length] == '=';
}

static void unset_variable(struct options *options, const char *name, size_t length)
{
	size_t kept = 0;

	for (size_t i = 0; i < options->environment_count; i++)
		if (!is_variable(options->environment[i], name, length))
			options->environment[kept++] = options->environment[i];
	options->environment_count = kept;
	options->environment[kept] = NULL;
}

/* "NAME=value"; false where it is not. */
static bool add_variable(struct options *options, const char *variable)
{
	const char *equals = strchr(variable, '=');

	if (!equals || equals == variable)
		return false;
	unset_variable(options, variable, (size_t)(equals - variable));
	options->environment[options->environment_count++] = variable;
	options->environment[options->environment_count] = NULL;
	return true;
}

/* The same. */
static bool add_parameter(struct options *options, const char *word)
{
	const char *equals = strchr(word, '=');
	char *name = equals && equals != word ? strndup(word, (size_t)(equals - word)) : NULL;

	if (name)
		options->parameters[options->parameter_count++] =
		    (struct sp_parameter){name, equals + 1};
	return name != NULL;
}

/* Why not, or NULL. */
static const char *add_pass(struct options *options, const char *word)
{
	char *end;
	long number;

	errno = 0;
	number = strtol(word, &end, 10);
	if (errno != 0 || end == word || *end || number < 0 || number > INT_MAX ||
	    fcntl((int)number, F_GETFD) < 0)
		return "no open descriptor has this number";
	if (number > PASS_MAX)
		return "1019 is the highest number that can be passed";
	for (size_t i = 0; i < options->pass_count; i++)
		if (options->pass[i].number == number)
			return NULL;
	options->pass[options->pass_count++] = (struct sp_pass){(int)number, (int)number};
	return NULL;
}

/* Options that stand for nothing but their value. */
static const char **find_text(struct options *options, int key)
{
	switch (key) {
	case 'p':
		return &options->policy;
	case 'C':
		return &options->directory;
	case KEY_REPORT:
		return &options->report;
	case KEY_PROFILE:
		return &options->profile;
	default:
		return NULL;
	}
}

static error_t parse_special(int key, char *argument, struct argp_state *state)
{
	struct options *options = state->input;
	const char *fault;

	switch (key) {
	case 'v':
		options->verbose = true;
		return 0;
	case KEY_PERMISSIVE:
		options->permissive = true;
		return 0;
	case 'D':
		if (!add_parameter(options, argument))
			argp_error(state, "--define %s: expected NAME=VALUE", argument);
		return 0;
	case KEY_LIMIT:
		options->limits[options->limit_count++] = argument;
		return 0;
	case KEY_FILTER:
		options->filters[options->filter_count++] = argument;
		return 0;
	case KEY_INTERCEPTION:
		options->interception = find_interception(argument);
		if (!options->interception)
			argp_error(state, "--interception %s: expected auto, notify or trap",
				   argument);
		return 0;
	case KEY_SETENV:
		if (!add_variable(options, argument))
			argp_error(state, "--setenv %s: expected NAME=VALUE", argument);
		return 0;
	case KEY_UNSETENV:
		if (!*argument || strchr(argument, '='))
			argp_error(state, "--unsetenv %s: expected NAME", argument);
		else
			unset_variable(options, argument, strlen(argument));
		return 0;
	case KEY_PASS:
		fault = add_pass(options, argument);
		if (fault)
			argp_error(state, "--pass %s: %s", argument, fault);
		return 0;
	case ARGP_KEY_ARGS:
		options->words = state->argv + state->next;
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_error(state, "PROGRAM is missing");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct options *options = state->input;
	const struct right *right = find_right(key);
	const char **text = find_text(options, key);

	if (right)
		options->grants[options->grant_count++] = (struct grant){right, argument};
	else if (text)
		*text = argument;
	else
		return parse_special(key, argument, state);
	return 0;
}

/* What makes no variable of ours makes none of the program's: entries without a name or a value. */
static void copy_environment(struct options *options)
{
	for (char **variable = environ; variable && *variable; variable++) {
		const char *equals = strchr(*variable, '=');

		if (equals && equals != *variable)
			options->environment[options->environment_count++] = *variable;
	}
}

static bool options_make(struct options *options, size_t words)
{
	size_t variables = 0;

	while (environ && environ[variables])
		variables++;
	options->interception = &interceptions[0];
	options->grants = calloc(words, sizeof(*options->grants));
	options->limits = calloc(words, sizeof(*options->limits));
	options->filters = calloc(words, sizeof(*options->filters));
	options->parameters = calloc(words, sizeof(*options->parameters));
	options->environment = calloc(variables + words + 1, sizeof(*options->environment));
	options->pass = calloc(words + 3, sizeof(*options->pass));
	if (!options->grants || !options->limits || !options->filters || !options->parameters ||
	    !options->environment || !options->pass)
		return false;
	copy_environment(options);
	for (int number = STDIN_FILENO; number <= STDERR_FILENO; number++)
		options->pass[options->pass_count++] = (struct sp_pass){number, number};
	return true;
}

static void options_clear(struct options *options)
{
	for (size_t i = 0; i < options->parameter_count; i++)
		free((void *)(uintptr_t)options->parameters[i].name);
	free(options->parameters);
	free(options->grants);
	free(options->limits);
	free(options->filters);
	free(options->environment);
	free(options->pass);
}

static const char *variable_value(const struct options *options, const char *name)
{
	size_t length = strlen(name);

	for (size_t i = 0; i < options->environment_count; i++)
		if (is_variable(options->environment[i], name, length))
			return options->environment[i] + length + 1;
	return NULL;
}

/* ---- the run ---- */

struct run {
	struct options options;
	struct sp_policy *policy;
	char *program, *directory; /* absolute */
	struct event_base *base;
	struct sp_broker *broker;
	struct sp_sandbox *sandbox;
	struct signals signals;
	struct report report;
	enum sp_interception interception; /* what was asked for comes to */
	sp_report_fn *observe;             /* is told in place of the report */
	void *observer;
	bool locked;
	int status;
};

static const char *name_of(const struct run *run)
{
	return run->options.words[0];
}

static void started(struct sp_sandbox *sandbox, pid_t pid, void *data)
{
	struct run *run = data;

	(void)sandbox;
	run->signals.pid = pid;
}

static void locked(struct sp_sandbox *sandbox, void *data)
{
	struct run *run = data;

	(void)sandbox;
	run->locked = true;
}

static void stopped(struct sp_sandbox *sandbox, int number, void *data)
{
	struct run *run = data;

	(void)sandbox;
	signals_stop(&run->signals, number);
}

static void refused(struct sp_sandbox *sandbox, const struct sp_report *report, void *data)
{
	struct run *run = data;

	if (run->observe)
		run->observe(sandbox, report, run->observer);
	else
		report_refusal(&run->report, name_of(run), report);
}

/* The exit status that tells of an end. */
static int status_of(const struct sp_exit *exit)
{
	switch (exit->cause) {
	case SP_EXIT_EXITED:
		return exit->status;
	case SP_EXIT_SIGNALED:
	case SP_EXIT_POLICY:
		return 128 + exit->status;
	case SP_EXIT_VIOLATION:
	case SP_EXIT_WALL:
	case SP_EXIT_KILLED:
		return 128 + SIGKILL;
	case SP_EXIT_FAILED:
		return exit->layer && strcmp(exit->layer, "exec") == 0 ? EXIT_NOT_RUNNABLE
								       : EXIT_FAILED;
	case SP_EXIT_LOST:
		break;
	}
	return EXIT_FAILED;
}

static void ended(struct sp_sandbox *sandbox, const struct sp_exit *exit, void *data)
{
	struct run *run = data;

	(void)sandbox;
	run->status = status_of(exit);
	run->signals.sandbox = NULL;
	report_exit(&run->report, name_of(run), exit, run->status);
	if (run->options.verbose && run->signals.pid && !run->locked &&
	    run->interception == SP_INTERCEPTION_PRELOAD)
		complain("%s: the runtime did not come to work in it: all its calls went by notify",
			 name_of(run));
	(void)event_base_loopbreak(run->base);
}

static int add_grant(struct sp_policy *policy, const struct grant *grant)
{
	const struct right *right = grant->right;

	return right->key == KEY_CONNECT
		   ? grant_connect(policy, grant->path, right->source)
		   : grant_path(policy, right->rights, grant->path, right->source);
}

static int add_to_policy(struct run *run)
{
	const struct options *options = &run->options;
	int r = 0;

	for (size_t i = 0; r == 0 && i < options->grant_count; i++)
		r = add_grant(run->policy, &options->grants[i]);
	for (size_t i = 0; r == 0 && i < options->limit_count; i++)
		r = set_limit(run->policy, options->limits[i]);
	for (size_t i = 0; r == 0 && i < options->filter_count; i++)
		r = add_filter(run->policy, options->filters[i]);
	if (r == 0 && options->profile)
		r = add_profile(run->policy, options->profile);
	return r;
}

/* A script is read by its interpreter, and many a program looks for its own file. */
static int grant_program(struct run *run)
{
	return grant_path(run->policy, "read", run->program, "command line PROGRAM");
}

static int find_directory(struct run *run)
{
	run->directory = path_absolute(run->options.directory ? run->options.directory : ".");
	if (run->directory)
		return 0;
	complain("the working directory: %s", strerrordesc_np(errno));
	return EXIT_FAILED;
}

/* 0 or an exit status. */
static int prepare(struct run *run)
{
	const struct options *options = &run->options;
	const struct sp_policy_options parameters = {
	    .parameters = options->parameters,
	    .parameter_count = options->parameter_count,
	};
	const char *policy = options->policy ? options->policy : "program";
	int status;

	if (!run->policy && load_policy(policy, &parameters, &run->policy) < 0)
		return EXIT_FAILED;
	if (sp_policy_is_strict(run->policy)) {
		complain("%s: the policy \"%s\" is strict: below it no program can be started, "
			 "only one that "
			 "links libsallyport-sandboxee can enter it by itself; launch that one by "
			 "sp_sandbox_launch(), or leave out \"strict\"",
			 name_of(run), sp_policy_name(run->policy));
		return EXIT_FAILED;
	}
	if (add_to_policy(run) < 0)
		return EXIT_FAILED;
	status = program_find(name_of(run), variable_value(options, "PATH"), &run->program);
	if (status == 0)
		status = find_directory(run);
	if (status == 0 && grant_program(run) < 0)
		status = EXIT_FAILED;
	if (status == 0 && options->report && report_open(&run->report, options->report) < 0)
		status = EXIT_FAILED;
	/* Who asks for no report in particular is told. */
	run->report.verbose =
	    options->verbose || (options->permissive && !options->report && !run->observe);
	return status;
}

static int start_broker(struct run *run)
{
	int r;

	run->base = event_base_new();
	r = run->base ? signals_take(&run->signals, run->base) : -ENOMEM;
	if (r == 0)
		r = sp_broker_new(run->base, NULL, &run->broker);
	if (r == -ENOENT)
		complain("sallyport-spawner is neither beside libsallyport nor where it was to be "
			 "installed: install Sallyport again");
	else if (r < 0)
		complain("cannot start a broker: %s", strerrordesc_np(-r));
	return r < 0 ? EXIT_FAILED : 0;
}

static struct sp_launch make_launch(struct run *run)
{
	const struct options *options = &run->options;

	return (struct sp_launch){
	    .policy = run->policy,
	    .argv = (const char *const *)options->words,
	    .program = run->program,
	    .interception = options->interception->interception,
	    .permissive = options->permissive,
	    .keep_session = true,
	    .keep_umask = true,
	    .ignored_signals = run->signals.ignored,
	    .environment = options->environment,
	    .directory = run->directory,
	    .pass = options->pass,
	    .pass_count = options->pass_count,
	    .on_started = started,
	    .on_locked = locked,
	    .on_stopped = stopped,
	    .on_report = refused,
	    .on_exit = ended,
	    .data = run,
	};
}

/* Tells which way it is, and why; false: the one that was asked for can't be. */
static bool choose_interception(struct run *run, const struct sp_launch *launch)
{
	const char *reason, *cure;

	run->interception = sp_launch_interception(launch, &reason, &cure);
	if (launch->interception == SP_INTERCEPTION_PRELOAD &&
	    run->interception != launch->interception) {
		complain("%s: --interception trap: %s; %s", name_of(run), reason, cure);
		return false;
	}
	if (launch->interception != SP_INTERCEPTION_AUTO)
		reason = "asked for";
	report_start(&run->report, name_of(run), sp_policy_name(run->policy),
		     run->interception == SP_INTERCEPTION_PRELOAD ? "trap" : "notify", reason);
	return true;
}

static int launch_program(struct run *run)
{
	const struct sp_launch launch = make_launch(run);
	int r;

	if (!choose_interception(run, &launch))
		return EXIT_FAILED;
	r = sp_sandbox_launch(run->broker, &launch, &run->sandbox);
	run->signals.sandbox = run->sandbox;
	if (r == 0)
		return 0;
	complain("%s: %s", name_of(run), strerrordesc_np(-r));
	return r == -E2BIG ? EXIT_NOT_RUNNABLE : EXIT_FAILED;
}

static int run_program(struct run *run)
{
	int status = prepare(run);

	if (status == 0)
		status = start_broker(run);
	if (status != 0)
		return status;
	status = launch_program(run);
	if (status != 0)
		return status;
	if (event_base_dispatch(run->base) < 0)
		complain("the event loop failed");
	return run->status;
}

static void run_clear(struct run *run)
{
	sp_sandbox_free(run->sandbox);
	sp_broker_free(run->broker);
	sp_policy_unref(run->policy);
	signals_close(&run->signals);
	report_close(&run->report);
	if (run->base)
		event_base_free(run->base);
	free(run->program);
	free(run->directory);
	options_clear(&run->options);
}

/* What was closed is /dev/null from here on, for us and for the program: a file that either opens must
 * not become its standard output. */
static bool fill_streams(void)
{
	for (int number = STDIN_FILENO; number <= STDERR_FILENO; number++)
		if (fcntl(number, F_GETFD) < 0 && open("/dev/null", O_RDWR | O_CLOEXEC) != number)
			return false;
	return true;
}

int run_observed(char **words, struct sp_policy *policy, sp_report_fn *observe, void *observer,
		 bool *ret_ran)
{
	struct run run = {.signals = SIGNALS_NONE,
			  .report = REPORT_NONE,
			  .policy = sp_policy_ref(policy),
			  .observe = observe,
			  .observer = observer,
			  .status = EXIT_FAILED};
	int status = EXIT_FAILED;

	if (!fill_streams() || !options_make(&run.options, 1)) {
		complain("cannot start: %s", strerrordesc_np(errno));
	} else {
		run.options.words = words;
		run.options.permissive = true;
		status = run_program(&run);
	}
	*ret_ran = run.signals.pid != 0;
	run_clear(&run);
	return status;
}

int run_command(int argc, char **argv)
{
	static const struct argp argp = {
	    .options = option_table,
	    .parser = parse,
	    .args_doc = "-- PROGRAM [ARGUMENT]...",
	    .doc =
		"Runs a program in a sandbox.\vThe exit status is the program's, or 128+N if "
		"signal N ended it; 125 if Sallyport failed, 126 if the program cannot be run, 127 "
		"if there is no such program.",
	};
	struct run run = {.signals = SIGNALS_NONE, .report = REPORT_NONE, .status = EXIT_FAILED};
	static char name[] = "sallyport run";
	int status = EXIT_FAILED;

	argv[0] = name; /* which is what argp(3) calls us */
	if (!fill_streams() || !options_make(&run.options, (size_t)argc))
		complain("cannot start: %s", strerrordesc_np(errno));
	else if (argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &run.options) == 0)
		status = run_program(&run);
	run_clear(&run);
	return status;
}
