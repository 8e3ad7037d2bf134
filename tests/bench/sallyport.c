/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <event2/event.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sallyport/broker.h>
#include <sallyport/policy.h>

#include "guest.h"
#include "ipc/util.h"

/* Every wall; the one granted file is added to it. Refusals carry an errno of their own, so that
 * the guest can tell that it is the policy that answers. */
static const char policy_text[] = "policy bench\n"
				  "include parser\n"
				  "files {\n"
				  "	read %s\n"
				  "	deny %s as " BENCH_DENIED_NAME "\n"
				  "}\n"
				  "isolate { user; pid; mount; network; ipc; uts }\n";

/* A launch under way, and the guest that came of it. */
struct launched {
	struct event_base *base;
	struct sp_sandbox *sandbox;
	pid_t pid;
	bool locked, ended;
	struct sp_exit exit;
};

static void started(struct sp_sandbox *sandbox, pid_t pid, void *data)
{
	struct launched *launched = data;

	(void)sandbox;
	launched->pid = pid;
}

static void locked(struct sp_sandbox *sandbox, void *data)
{
	struct launched *launched = data;

	(void)sandbox;
	launched->locked = true;
	(void)event_base_loopbreak(launched->base);
}

static void ended(struct sp_sandbox *sandbox, const struct sp_exit *exit, void *data)
{
	struct launched *launched = data;
	char text[256];

	(void)sandbox;
	launched->ended = true;
	launched->exit = *exit;
	if (exit->cause != SP_EXIT_EXITED || exit->status != 0) {
		(void)sp_exit_describe(exit, text, sizeof(text));
		(void)fprintf(stderr, "sallyport-bench: %s\n", text);
	}
	(void)event_base_loopbreak(launched->base);
}

static void print_diagnostic(const struct sp_diagnostic *diagnostic, void *data)
{
	(void)data;
	(void)fprintf(stderr, "%s\n", diagnostic->text);
}

/* ---- the broker ---- */

char *bench_find_program(const char *name)
{
	char self[PATH_MAX], path[PATH_MAX + 64];
	ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (length < 0)
		return NULL;
	self[length] = 0;
	*strrchr(self, '/') = 0;
	(void)snprintf(path, sizeof(path), "%s/%s", self, name);
	return strdup(path);
}

static int load_policy(struct bench_broker *broker, const char *path)
{
	char text[2 * PATH_MAX + sizeof(policy_text)], other[PATH_MAX];
	int length;

	(void)snprintf(other, sizeof(other), "%s.other", path);
	length = snprintf(text, sizeof(text), policy_text, path, other);
	return sp_policy_parse("bench.policy", text, (size_t)length, print_diagnostic, NULL,
			       &broker->policy);
}

int bench_broker_open(struct bench_broker *broker, const char *path)
{
	int r;

	broker->guest = bench_find_program("sallyport-bench-guest");
	broker->trivial = bench_find_program("sallyport-bench-trivial");
	broker->base = event_base_new();
	if (!broker->guest || !broker->trivial || !broker->base)
		return -ENOMEM;
	r = load_policy(broker, path);
	return r < 0 ? r : sp_broker_new(broker->base, NULL, &broker->broker);
}

void bench_broker_close(struct bench_broker *broker)
{
	broker->broker = sp_broker_free(broker->broker);
	broker->policy = sp_policy_unref(broker->policy);
	if (broker->base)
		event_base_free(broker->base);
	broker->base = NULL;
	free(TAKE_POINTER(broker->guest));
	free(TAKE_POINTER(broker->trivial));
}

/* ---- launches ---- */

static int launch_guest(struct bench_broker *broker, const struct bench_seat *seat,
			struct launched *launched)
{
	char other[PATH_MAX];
	const char *arguments[] = {broker->guest, seat->path, other, NULL};
	const struct sp_pass pass[] = {
	    {seat->orders, BENCH_ORDERS_FD},
	    {seat->done, BENCH_DONE_FD},
	    {seat->samples_descriptor, BENCH_SAMPLES_FD},
	    {STDERR_FILENO, STDERR_FILENO},
	};
	const struct sp_launch launch = {
	    .policy = broker->policy,
	    .argv = arguments,
	    .pass = pass,
	    .pass_count = SP_ELEMENTS(pass),
	    .on_started = started,
	    .on_locked = locked,
	    .on_exit = ended,
	    .data = launched,
	};

	(void)snprintf(other, sizeof(other), "%s.other", seat->path);
	return sp_sandbox_launch(broker->broker, &launch, &launched->sandbox);
}

int bench_start_sallyport(struct bench_broker *broker, struct bench_worker *worker,
			  const char *path)
{
	struct bench_seat seat = {.path = path};
	struct launched *launched = calloc(1, sizeof(*launched));
	int r;

	if (!launched)
		return -ENOMEM;
	worker->sandbox = launched;
	launched->base = broker->base;
	r = bench_worker_prepare(worker, &seat);
	if (r < 0)
		return r;
	r = launch_guest(broker, &seat, launched);
	(void)close(seat.orders);
	(void)close(seat.done);
	while (r == 0 && !launched->locked && !launched->ended)
		(void)event_base_dispatch(broker->base);
	return r == 0 && launched->ended ? -ECHILD : r;
}

void bench_end_sallyport(struct bench_broker *broker, struct bench_worker *worker)
{
	struct launched *launched = worker->sandbox;

	bench_worker_end(worker);
	if (!launched)
		return;
	while (launched->sandbox && !launched->ended)
		(void)event_base_dispatch(broker->base);
	launched->sandbox = sp_sandbox_free(launched->sandbox);
	free(launched);
}

pid_t bench_sallyport_pid(const struct bench_worker *worker)
{
	const struct launched *launched = worker->sandbox;

	return launched->pid;
}

int bench_launch_trivial(struct bench_broker *broker, struct sp_policy *policy,
			 enum sp_interception interception)
{
	struct launched launched = {.base = broker->base};
	const char *arguments[] = {broker->trivial, NULL};
	const struct sp_launch launch = {
	    .policy = policy,
	    .argv = arguments,
	    .interception = interception,
	    .on_exit = ended,
	    .data = &launched,
	};
	int r = sp_sandbox_launch(broker->broker, &launch, &launched.sandbox);

	while (r == 0 && !launched.ended)
		(void)event_base_dispatch(broker->base);
	sp_sandbox_free(launched.sandbox);
	if (r == 0 && (launched.exit.cause != SP_EXIT_EXITED || launched.exit.status != 0))
		r = -ECHILD;
	return r;
}
