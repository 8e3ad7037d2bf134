/* SPDX-License-Identifier: Apache-2.0 */
/* sallyport policy learn: a permissive run, and a policy of what it needed. */
#include <argp.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sallyport/broker.h>
#include <sallyport/policy.h>

#include "command.h"
#include "grants.h"
#include "learnt.h"
#include "program.h"

/* ---- from reports to needs ---- */

struct lesson {
	struct learnt learnt, unlearnable; /* of the latter the calls alone: sentences */
	struct learnt locals;              /* the calls alone, by which local sockets were made */
	struct learnt unnamed;             /* the calls alone, on sockets that no rule can name */
	bool talks;                        /* to somebody by a socket who was there to hear it */
};

static int digit_value(char digit)
{
	return isdigit((unsigned char)digit) ? digit - '0' : digit - 'a' + 10;
}

/* As the library escapes: "\xNN". Wildcards stand for themselves in brackets. The result is to be freed; NULL: no rule can
 * hold the name. */
static char *pattern_of(const char *escaped)
{
	char *pattern = malloc(strlen(escaped) * 3 + 1), *to = pattern;

	while (pattern && *escaped) {
		char byte = *escaped++;

		if (byte == '\\') {
			byte = (char)(digit_value(escaped[1]) << 4 | digit_value(escaped[2]));
			escaped += 3;
		}
		if (iscntrl((unsigned char)byte) || byte == '"') {
			free(pattern);
			return NULL;
		}
		if (strchr("*?[", byte))
			to += sprintf(to, "[%c]", byte);
		else
			*to++ = byte;
	}
	if (pattern)
		*to = '\0';
	return pattern;
}

static uint32_t rights_of(const char *list)
{
	uint32_t rights = 0;

	while (*list) {
		size_t length = strcspn(list, ",");

		rights |= learnt_right(list, length);
		list += length + strspn(list + length, ", ");
	}
	return rights;
}

static void cannot_learn(struct lesson *lesson, const struct sp_report *report)
{
	char sentence[4096 + 256];

	(void)snprintf(sentence, sizeof(sentence), "%s%s%s: %s", report->call ? report->call : "it",
		       report->path ? " of " : "", report->path ? report->path : "",
		       report->detail ? report->detail : "");
	learnt_call(&lesson->unlearnable, sentence);
}

static bool is_move(const char *call)
{
	return strncmp(call, "rename", 6) == 0 || strncmp(call, "link", 4) == 0;
}

static bool is_there(const char *path)
{
	struct stat status;

	return stat(path, &status) == 0;
}

/* Who asks a name service cache, a system log or the like that is not there goes on without; who binds a name that is
 * there, too. */
static bool is_in_vain(const struct sp_report *report)
{
	bool address = report->kind == SP_REPORT_PATH && report->path && report->path[0] != '/';

	if (!report->call || !report->path || address || (report->missing && *report->missing))
		return false;
	return strcmp(report->call, "bind") == 0 ||
	       (strcmp(report->call, "connect") == 0 && !is_there(report->path));
}

/* The right to connect or bind, on a name or an address. False: it is about neither. */
static bool learn_socket(struct lesson *lesson, const struct sp_report *report)
{
	const uint32_t sockets = LEARNT_CONNECT | LEARNT_BIND;
	uint32_t rights = report->missing && report->path ? rights_of(report->missing) : 0;
	char *pattern = rights & sockets ? pattern_of(report->path) : NULL;
	struct need *need;

	if (!(rights & sockets))
		return false;
	if (pattern && pattern[0] == '/') {
		need = learnt_socket(&lesson->learnt, pattern);
		need->rights |= rights & sockets;
		need->created |= (rights & LEARNT_BIND) != 0;
		lesson->talks = true;
	} else if (!learnt_address(&lesson->learnt, report->path)) {
		cannot_learn(lesson, report);
	}
	free(pattern);
	return true;
}

static void learn_name(struct lesson *lesson, const struct sp_report *report)
{
	char *pattern;
	uint32_t rights;
	struct need *need;

	if (learn_socket(lesson, report) || is_in_vain(report))
		return;
	pattern = report->missing && report->path ? pattern_of(report->path) : NULL;
	rights = pattern ? rights_of(report->missing) : 0;
	if (!pattern || pattern[0] != '/') {
		cannot_learn(lesson, report);
		free(pattern);
		return;
	}
	need = learnt_need(&lesson->learnt, pattern);
	need->rights |= rights;
	need->created |= (rights & LEARNT_CREATE) != 0;
	need->deleted |= (rights & LEARNT_DELETE) != 0;
	need->moved |= is_move(report->call);
	free(pattern);
}

/* Arguments that tell what a call is about; others differ from call to call. */
static const struct {
	const char *call, *arguments[2];
} telling[] = {
    {"arch_prctl", {"option"}},
    {"bpf", {"cmd"}},
    {"clone", {"flags"}},
    {"fcntl", {"cmd"}},
    {"getsockopt", {"level", "optname"}},
    {"ioctl", {"request"}},
    {"ioprio_set", {"which"}},
    {"keyctl", {"cmd"}},
    {"kill", {"sig"}},
    {"mmap", {"prot"}},
    {"mprotect", {"prot"}},
    {"personality", {"persona"}},
    {"pkey_mprotect", {"prot"}},
    {"prctl", {"option"}},
    {"seccomp", {"op"}},
    {"setpriority", {"which"}},
    {"setsockopt", {"level", "optname"}},
    {"socket", {"domain", "type"}},
    {"socketpair", {"domain", "type"}},
    {"tgkill", {"sig"}},
};

static bool is_telling(const char *call, const char *argument)
{
	for (size_t i = 0; i < ELEMENTS(telling); i++)
		for (size_t j = 0; j < ELEMENTS(telling[i].arguments); j++)
			if (strcmp(telling[i].call, call) == 0 && telling[i].arguments[j] &&
			    strcmp(telling[i].arguments[j], argument) == 0)
				return true;
	return false;
}

/* "ioctl(request == TCGETS)", or the name alone. */
static void describe_call(const struct sp_policy_call *call, const uint64_t *argument, char *text,
			  size_t size)
{
	size_t length = (size_t)snprintf(text, size, "%s", call->name);
	const char *separator = "(";

	for (unsigned i = 0; i < SP_POLICY_ARGUMENTS && call->argument[i]; i++) {
		uint64_t value = call->bits[i] == 32 ? (uint32_t)argument[i] : argument[i];
		char word[256];

		if (!is_telling(call->name, call->argument[i]) ||
		    sp_policy_value(call->number, i, value, word, sizeof(word)) < 0)
			continue;
		length += (size_t)snprintf(text + length, size - length, "%s%s == %s", separator,
					   call->argument[i], word);
		separator = ", ";
	}
	if (separator[0] == ',')
		(void)snprintf(text + length, size - length, ")");
}

/* Whether the rule is one that no policy can lift. */
static bool is_built_in(const char *rule)
{
	return rule && strncmp(rule, "built in: ", 10) == 0 &&
	       strncmp(rule + 10, "default", 7) != 0;
}

static bool is_local_socket(const struct sp_report *report)
{
	return strcmp(report->call, "socket") == 0 && (uint32_t)report->argument[0] == AF_UNIX;
}

static void learn_call(struct lesson *lesson, const struct sp_report *report)
{
	struct sp_policy_call call;
	char text[1024];

	if (learn_socket(lesson, report) || is_in_vain(report))
		return;
	if (sp_policy_call_at(report->number, &call) < 0 || is_built_in(report->rule) ||
	    call.standing != SP_POLICY_CALL_ORDINARY) {
		cannot_learn(lesson, report);
		return;
	}
	describe_call(&call, report->argument, text, sizeof(text));
	if (is_local_socket(report)) {
		learnt_call(&lesson->locals, text);
	} else if (strcmp(call.name, "connect") == 0 || strcmp(call.name, "bind") == 0) {
		lesson->talks = true;
		learnt_call(&lesson->unnamed, text);
	} else {
		learnt_call(&lesson->learnt, text);
	}
}

/* Programs fall back from clone3 on clone, of which it is told as well. */
static bool is_fallback(const struct sp_report *report)
{
	return report->call && strcmp(report->call, "clone3") == 0;
}

static void observe(struct sp_sandbox *sandbox, const struct sp_report *report, void *data)
{
	struct lesson *lesson = data;

	(void)sandbox;
	if (report->kind == SP_REPORT_PATH)
		learn_name(lesson, report);
	else if (report->kind == SP_REPORT_CALL && !is_fallback(report))
		learn_call(lesson, report);
	else if (report->kind == SP_REPORT_WALL && !learn_socket(lesson, report))
		cannot_learn(lesson, report);
}

/* ---- the file ---- */

struct options {
	const char *output, *base;
	char **words;
};

/* The policy to start from, and what of it stands in the file already. 0 or -errno, after a complaint. */
static int start_from(const struct options *options, struct lesson *lesson,
		      struct sp_policy **ret_policy)
{
	FILE *file = fopen(options->output, "re");
	char *path = file ? path_absolute(options->output) : NULL;
	unsigned line;
	int r;

	if (!file)
		return errno == ENOENT
			   ? load_policy(options->base, NULL, ret_policy)
			   : (complain("%s: %s", options->output, strerrordesc_np(errno)), -errno);
	line = learnt_read(&lesson->learnt, file);
	(void)fclose(file);
	if (line) {
		complain("%s:%u: this is not as \"policy learn\" writes it, and would not stay as "
			 "it is: "
			 "learn into another file, and include that",
			 options->output, line);
		free(path);
		return -EINVAL;
	}
	r = path ? sp_policy_load(path, print_diagnostic, NULL, ret_policy) : -ENOMEM;
	free(path);
	return r;
}

/* The program's name, as a policy may be called. */
static char *name_for(const char *word)
{
	const char *slash = strrchr(word, '/');
	char *name = strndup(slash ? slash + 1 : word, 64);

	for (char *at = name; at && *at; at++)
		if (!isalnum((unsigned char)*at) && !strchr("._-", *at))
			*at = '-';
	return name;
}

/* Beside the file, which it is to become in one step. */
static FILE *open_beside(const char *output, char **ret_name)
{
	char *name;
	FILE *file;
	int fd;

	if (asprintf(&name, "%s.XXXXXX", output) < 0)
		return NULL;
	fd = mkostemp(name, O_CLOEXEC);
	file = fd < 0 ? NULL : fdopen(fd, "we");
	if (!file) {
		complain("%s: %s", output, strerrordesc_np(errno));
		free(name);
		return NULL;
	}
	*ret_name = name;
	return file;
}

static mode_t creation_mask(void)
{
	mode_t mask = umask(0);

	(void)umask(mask);
	return mask;
}

/* Takes file and name. */
static int write_policy(const struct learnt *learnt, const char *output, FILE *file, char *name)
{
	bool written =
	    learnt_write(learnt, file) == 0 && fchmod(fileno(file), 0666 & ~creation_mask()) == 0;

	written = fclose(file) == 0 && written && rename(name, output) == 0;
	if (!written) {
		complain("%s: %s", output, strerrordesc_np(errno));
		(void)unlink(name);
	}
	free(name);
	return written ? 0 : -EIO;
}

/* ---- the command ---- */

/* Where a policy names sockets, to connect goes to those alone. */
static void learn_unnamed(struct lesson *lesson)
{
	char sentence[128];

	for (size_t i = 0; i < lesson->unnamed.call_count; i++) {
		const char *call = lesson->unnamed.calls[i];
		bool given = learnt_gives(&lesson->learnt, call);

		(void)snprintf(sentence, sizeof(sentence),
			       "%s of other sockets beside those that it needs by name", call);
		learnt_call(given ? &lesson->unlearnable : &lesson->learnt,
			    given ? sentence : call);
	}
}

static void conclude(struct lesson *lesson, const struct options *options)
{
	char *directory = getcwd(NULL, 0);
	const struct surroundings surroundings = {
	    .directory = directory ? directory : "/",
	    .home = getenv("HOME"),
	    .temporary = getenv("TMPDIR"),
	    .search = getenv("PATH"),
	    .words = options->words,
	};

	for (size_t i = 0; i < lesson->locals.call_count && lesson->talks; i++)
		learnt_call(&lesson->learnt, lesson->locals.calls[i]);
	learn_unnamed(lesson);
	learnt_generalise(&lesson->learnt, &surroundings);
	free(directory);
	for (size_t i = 0; i < lesson->unlearnable.call_count; i++)
		complain("policy learn: no rule allows %s", lesson->unlearnable.calls[i]);
}

/* Where nothing ran, the file stays as it is. */
static int run_and_write(const struct options *options, struct lesson *lesson,
			 struct sp_policy *policy)
{
	char *name;
	FILE *file = open_beside(options->output, &name);
	bool ran = false;
	int status;

	if (!file)
		return EXIT_FAILED;
	status = run_observed(options->words, policy, observe, lesson, &ran);
	if (ran) {
		conclude(lesson, options);
		return write_policy(&lesson->learnt, options->output, file, name) < 0 ? EXIT_FAILED
										      : status;
	}
	(void)fclose(file);
	(void)unlink(name);
	free(name);
	return status;
}

static int learn(const struct options *options)
{
	struct lesson lesson = {0};
	struct sp_policy *policy = NULL;
	int status = EXIT_FAILED;

	if (start_from(options, &lesson, &policy) == 0) {
		if (!lesson.learnt.name) {
			lesson.learnt.name = name_for(options->words[0]);
			lesson.learnt.base = strdup(options->base);
		}
		if (lesson.learnt.name && lesson.learnt.base)
			status = run_and_write(options, &lesson, policy);
	}
	sp_policy_unref(policy);
	learnt_clear(&lesson.learnt);
	learnt_clear(&lesson.unlearnable);
	learnt_clear(&lesson.locals);
	learnt_clear(&lesson.unnamed);
	return status;
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct options *options = state->input;

	switch (key) {
	case 'o':
		options->output = argument;
		return 0;
	case 'b':
		options->base = argument;
		return 0;
	case ARGP_KEY_ARGS:
		options->words = state->argv + state->next;
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_error(state, "PROGRAM is missing");
		return 0;
	case ARGP_KEY_END:
		if (!options->output)
			argp_error(state, "--output is missing");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

int policy_learn(int count, char **words)
{
	static const struct argp_option table[] = {
	    {"output", 'o', "FILE", 0, "The policy; what stands in it is kept", 0},
	    {"base", 'b', "PRESET", 0, "What it includes; otherwise \"program\"", 0},
	    {0},
	};
	static const struct argp argp = {
	    .options = table,
	    .parser = parse,
	    .args_doc = "-o FILE -- PROGRAM [ARGUMENT]...",
	    .doc = "Runs a program, which must be trusted, without a sandbox, and writes the "
		   "policy that "
		   "it needs.\vThe exit status is the program's, as that of `sallyport run'.",
	};
	static char name[] = "sallyport policy learn";
	struct options options = {.base = "program"};

	words[0] = name;
	if (argp_parse(&argp, count, words, ARGP_IN_ORDER, NULL, &options) != 0)
		return EXIT_FAILED;
	return learn(&options);
}
