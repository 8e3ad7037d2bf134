/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/start.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "broker/image.h"
#include "broker/isolate.h"
#include "broker/landlock.h"
#include "ipc/arch.h"
#include "ipc/channel.h"
#include "ipc/util.h"

#define STANDARD_STREAMS 3

/* State of the steps beside what was asked for. */
struct steps {
	struct start *start;
	int status;  /* moves when its number is wanted */
	int program; /* O_PATH */
};

static int step_session(struct steps *steps)
{
	if (steps->start->keep_session)
		return 0;
	return setsid() < 0 ? -errno : 0;
}

/* All others have their defaults, and none is blocked: the spawner started so. */
static int step_signals(struct steps *steps)
{
	for (int number = 1; number < NSIG; number++)
		if (steps->start->ignored_signals >> (number - 1) & 1 &&
		    signal(number, SIG_IGN) == SIG_ERR)
			return -errno;
	return 0;
}

static int step_network(struct steps *steps)
{
	int r;

	if (!steps->start->network)
		return 0;
	r = isolate_network(steps->start->loopback);
	return r < 0 && steps->start->network_optional ? 0 : r;
}

static int step_directory(struct steps *steps)
{
	return chdir(steps->start->directory) < 0 ? -errno : 0;
}

/* An interpreter is told its script by the name that execve was given, and the script's user knows the shorter one: where
 * argv[0] is the very name of the program, from the working directory, it is the name. Another name of the same file might
 * be one that the policy does not grant, or that others can change. */
static void name_script(struct start *start)
{
	const char *name = start->argv[0];
	char here[PATH_MAX];
	size_t length;

	if (!name || !strchr(name, '/') || !getcwd(here, sizeof(here)))
		return;
	length = strcmp(here, "/") == 0 ? 0 : strlen(here);
	if (strncmp(start->program, here, length) == 0 && start->program[length] == '/' &&
	    strcmp(start->program + length + 1, name) == 0)
		start->program = name;
}

/* Held from here on, so that what is looked at is what is run. */
static int step_program(struct steps *steps)
{
	struct stat status;

	steps->program = open(steps->start->program, O_PATH | O_CLOEXEC);
	if (steps->program < 0 || fstat(steps->program, &status) < 0)
		return -errno;
	if (!S_ISREG(status.st_mode))
		return -EACCES;
	name_script(steps->start);
	return status.st_mode & (S_ISUID | S_ISGID) && !steps->start->permissive ? -EPERM : 0;
}

/* Of what is loaded beside the program, which only the program names: the system's loader, or what the
 * policy lets it read, and so run in other ways. */
static int allow_helper(const struct start *start, const char *path, bool loader)
{
	_cleanup_free_ char *name = NULL;
	struct sp_path_decision decision;

	/* What start->loader was found by. */
	if (loader && strcmp(path, SP_LOADER) == 0)
		return 0;
	name = realpath(path, NULL);
	if (!name)
		return -errno;
	if (loader && strcmp(name, start->loader) == 0)
		return 0;
	sp_rules_decide(start->rules, name, strlen(name), &decision);
	if (decision.rights & (SP_RIGHT_READ | SP_RIGHT_EXECUTE))
		return 0;
	if (!start->permissive)
		return -EACCES;
	(void)snprintf(start->result->helper, sizeof(start->result->helper), "%s", name);
	return 0;
}

/* What can't be read the kernel will not run either, or it names no loader that Landlock knows. */
static int step_image(struct steps *steps)
{
	struct sp_image image = {.kind = SP_IMAGE_SCRIPT};
	char path[PATH_MAX];
	int r = snprintf(path, sizeof(path), "%s", steps->start->program) < PATH_MAX
		    ? 0
		    : -ENAMETOOLONG;

	if (!steps->start->filters.floor)
		return 0;
	for (int i = 0; r == 0 && i <= SP_IMAGE_DEPTH && image.kind == SP_IMAGE_SCRIPT; i++) {
		_cleanup_close_ int file = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

		if (file < 0 || sp_image_read(file, &image) < 0)
			return 0;
		memcpy(path, image.interpreter, sizeof(path));
		if (image.kind != SP_IMAGE_OTHER && path[0])
			r = allow_helper(steps->start, path, image.kind == SP_IMAGE_NATIVE);
	}
	return r;
}

/* Moves a descriptor of ours out of the way of `number`. */
static int move_away(int *fd, int number)
{
	int moved;

	if (*fd != number)
		return 0;
	moved = fcntl(*fd, F_DUPFD_CLOEXEC, STANDARD_STREAMS);
	if (moved < 0)
		return -errno;
	*fd = moved; /* the old number is about to be overwritten */
	return 0;
}

/* Puts the i-th descriptor in its place; those that are still to be placed give way. */
static int put(struct steps *steps, size_t i)
{
	struct place *places = steps->start->places;
	int r = move_away(&steps->status, places[i].to);

	if (r == 0)
		r = move_away(&steps->program, places[i].to);
	for (size_t j = i + 1; r == 0 && j < steps->start->place_count; j++)
		r = move_away(&places[j].from, places[i].to);
	if (r < 0)
		return r;
	if (places[i].from == places[i].to)
		return fcntl(places[i].to, F_SETFD, 0) < 0 ? -errno : 0;
	return dup3(places[i].from, places[i].to, 0) < 0 ? -errno : 0;
}

static int step_descriptors(struct steps *steps)
{
	/* Whatever is open but not placed goes with the execve. */
	if (close_range(0, ~0u, CLOSE_RANGE_CLOEXEC) < 0)
		return -errno;
	for (size_t i = 0; i < steps->start->place_count; i++) {
		int r = put(steps, i);

		if (r < 0)
			return r;
	}
	return 0;
}

static int step_capabilities(struct steps *steps)
{
	(void)steps;
	return capabilities_drop();
}

/* Who is counted with us must be gone first: the helper that cloned us is, when the launch says so. */
static int await_launch(const struct steps *steps)
{
	char byte;
	ssize_t n = sp_channel_receive(steps->status, &byte, sizeof(byte), 0, NULL);

	return n < 0 ? (int)n : n == sizeof(byte) ? 0 : -EPIPE;
}

static int step_processes(struct steps *steps)
{
	int r = steps->start->limits->processes > 1 ? await_launch(steps) : 0;

	if (r < 0)
		return r;
	return processes_limit_apply(steps->start->limits, steps->start->own_user_namespace);
}

static int step_inherited(struct steps *steps)
{
	(void)umask(steps->start->umask);
	return setrlimit(RLIMIT_NOFILE, &steps->start->files) < 0 ? -errno : 0;
}

static int step_limits(struct steps *steps)
{
	return limits_apply(steps->start->limits);
}

static int step_landlock(struct steps *steps)
{
	return steps->start->landlock < 0 ? 0 : landlock_restrict(steps->start->landlock);
}

static int step_filters(struct steps *steps)
{
	return steps->start->filters.floor ? 0 : filters_install(&steps->start->filters);
}

/* The last step that may fail aloud. */
static int step_floor(struct steps *steps)
{
	struct start_note note = {.pid = 0};

	if (!steps->start->filters.floor)
		return 0;
	note.pid = getpid();
	return floor_stand(&steps->start->filters, steps->status, &note, sizeof(note));
}

static int step_exec(struct steps *steps)
{
	struct start *start = steps->start;
	char *const *argv = (char *const *)(uintptr_t)start->argv;
	char *const *environment = (char *const *)(uintptr_t)start->environment;

	(void)syscall(SYS_execveat, steps->program, "", argv, environment, AT_EMPTY_PATH);
	/* A script's interpreter would have to open a descriptor that is closed by then. By name
	 * there is no harm in a race: with no_new_privs, set-id bits do nothing. */
	if (errno == ENOENT)
		(void)execve(start->program, argv, environment);
	atomic_store(&start->result->exec_error, errno);
	return -errno;
}

/* `wall`: not in a permissive launch. */
static const struct {
	enum layer layer;
	bool wall;
	int (*take)(struct steps *steps);
} order[] = {
    {LAYER_SANDBOXEE, false, step_session},
    {LAYER_SANDBOXEE, false, step_signals},
    {LAYER_NETWORK, true, step_network},
    {LAYER_DIRECTORY, false, step_directory},
    {LAYER_PROGRAM, false, step_program},
    {LAYER_EXEC, false, step_image},
    {LAYER_DESCRIPTORS, false, step_descriptors},
    {LAYER_CAPABILITIES, true, step_capabilities},
    {LAYER_PROCESSES, true, step_processes},
    {LAYER_LIMITS, false, step_inherited},
    {LAYER_LIMITS, true, step_limits},
    {LAYER_LANDLOCK, true, step_landlock},
    {LAYER_FILTERS, true, step_filters},
    {LAYER_FLOOR, false, step_floor},
    {LAYER_EXEC, false, step_exec},
};

static void note(int status, struct start_note note)
{
	/* If nobody listens any more, we die anyway. */
	if (sp_channel_send(status, &note, sizeof(note), -1) < 0)
		_exit(1);
}

_Noreturn void start_program(struct start *start, int status)
{
	struct steps steps = {.start = start, .status = status, .program = -1};

	if (!start->filters.floor)
		note(status, (struct start_note){.pid = getpid()});
	for (size_t i = 0; i < SP_ELEMENTS(order); i++) {
		int r = order[i].wall && start->permissive ? 0 : order[i].take(&steps);

		if (r < 0 && !atomic_load(&start->result->exec_error)) {
			/* Below a floor that nobody answers for, no note can be sent. */
			atomic_store(&start->result->exec_error, -r);
			note(steps.status,
			     (struct start_note){.layer = order[i].layer, .error = -r});
			_exit(1);
		}
	}
	_exit(1);
}
