/* SPDX-License-Identifier: Apache-2.0 */
/* What a launch is made of: each step is a launch with one thing more than the step before it. */
#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sallyport/broker.h>
#include <sallyport/policy.h>

#include "bench.h"
#include "ipc/util.h"

/* Reads everything, so that a program without a runtime starts under it too. */
static const char policy_text[] =
    "policy steps\n"
    "syscalls { allow @default, @basic-io, @memory; default deny as ENOSYS }\n"
    "files { read /**; execute /** }\n"
    "isolate { %s }\n";

static const char *const layers[BENCH_STEPS] = {
    [BENCH_STEP_BARE] = "user; pid",
    [BENCH_STEP_MOUNT] = "user; pid; mount",
    [BENCH_STEP_IPC] = "user; pid; mount; ipc; uts",
    [BENCH_STEP_NETWORK] = "user; pid; mount; ipc; uts; network",
    [BENCH_STEP_LANDLOCK] = "user; pid; mount; ipc; uts; network; landlock",
    [BENCH_STEP_FLOOR] = "user; pid; mount; ipc; uts; network; landlock",
    [BENCH_STEP_POLICY] = "user; pid; mount; ipc; uts; network; landlock",
    [BENCH_STEP_BROKER] = "user; pid; mount; ipc; uts; network; landlock",
};

static int make_policy(int step, struct sp_policy **ret_policy)
{
	char text[1024];
	int length = snprintf(text, sizeof(text), policy_text, layers[step]);

	return sp_policy_parse("steps.policy", text, (size_t)length, NULL, NULL, ret_policy);
}

static enum sp_interception interception_of(int step)
{
	return step >= BENCH_STEP_FLOOR ? SP_INTERCEPTION_NOTIFY : SP_INTERCEPTION_COOPERATIVE;
}

/* A policy that was read and compiled before. */
static int launch_known(struct bench_broker *broker, struct sp_policy *policy, int step)
{
	return bench_launch_trivial(broker, policy, interception_of(step));
}

static int launch_new_policy(struct bench_broker *broker, int step)
{
	struct sp_policy *policy = NULL;
	int r = sp_policy_load("program", NULL, NULL, &policy);

	if (r == 0)
		r = launch_known(broker, policy, step);
	sp_policy_unref(policy);
	return r;
}

/* A broker's first launch starts its spawner. */
static int launch_new_broker(const struct bench_broker *broker, int step)
{
	struct bench_broker own = {.trivial = broker->trivial, .base = event_base_new()};
	int r = own.base ? sp_broker_new(own.base, NULL, &own.broker) : -ENOMEM;

	if (r == 0)
		r = launch_new_policy(&own, step);
	own.broker = sp_broker_free(own.broker);
	if (own.base)
		event_base_free(own.base);
	return r;
}

static int take_step(struct bench_broker *broker, struct sp_policy *policy, int step)
{
	switch (step) {
	case BENCH_STEP_POLICY:
		return launch_new_policy(broker, step);
	case BENCH_STEP_BROKER:
		return launch_new_broker(broker, step);
	default:
		return launch_known(broker, policy, step);
	}
}

struct stairs {
	struct sp_policy *policies[BENCH_STEPS];
	uint32_t *samples[BENCH_STEPS]; /* owned */
};

/* Up and down again, so that noise of the machine, and what a launch leaves to do for the next, hit all alike. */
static int climb(struct bench_broker *broker, struct stairs *stairs, size_t count)
{
	for (size_t i = 0; i < count * BENCH_STEPS; i++) {
		int place = (int)(i % BENCH_STEPS);
		int step = i / BENCH_STEPS % 2 == 0 ? place : BENCH_STEPS - 1 - place;
		uint64_t start = bench_now_us();
		int r = take_step(broker, stairs->policies[step], step);

		if (r < 0)
			return r;
		stairs->samples[step][i / BENCH_STEPS] = (uint32_t)(bench_now_us() - start);
	}
	return 0;
}

/* Each policy is compiled by its first launch. */
static int prepare(struct bench_broker *broker, struct stairs *stairs, size_t count)
{
	int r = 0;

	for (int step = 0; step < BENCH_STEPS && r == 0; step++) {
		stairs->samples[step] = calloc(count, sizeof(*stairs->samples[step]));
		r = stairs->samples[step] ? make_policy(step, &stairs->policies[step]) : -ENOMEM;
		if (r == 0)
			r = launch_known(broker, stairs->policies[step], step);
	}
	return r;
}

int bench_steps(struct bench_broker *broker, size_t count,
		struct bench_spread ret_steps[BENCH_STEPS])
{
	struct stairs stairs = {0};
	int r = prepare(broker, &stairs, count);

	if (r == 0)
		r = climb(broker, &stairs, count);
	for (int step = 0; step < BENCH_STEPS; step++) {
		if (r == 0)
			ret_steps[step] = bench_spread_of(stairs.samples[step], count);
		free(stairs.samples[step]);
		sp_policy_unref(stairs.policies[step]);
	}
	return r;
}
