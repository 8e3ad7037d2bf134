/* SPDX-License-Identifier: Apache-2.0 */
/* The last steps of a sandboxee before its program runs. */
#ifndef SALLYPORT_BROKER_START_H
#define SALLYPORT_BROKER_START_H

#include <limits.h>
#include <linux/filter.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "broker/floor.h"
#include "broker/layers.h"
#include "policy/rules.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A descriptor and the number under which the program finds it. */
struct place {
	int from, to;
};

/* How a start went, in memory that the launch shares: after the floor stands, nothing else can be
 * told. */
struct start_result {
	_Atomic int exec_error; /* positive; 0: none yet */
	char helper
	    [PATH_MAX]; /* permissive: what the program brings and the policy does not let it read; "": nothing */
};

/* Everything borrowed. */
struct start {
	const char **argv, **environment; /* NULL-terminated */
	const char *program, *directory;
	bool keep_session; /* stays in the caller's session, and is in its process group: */
	pid_t group;
	uint64_t ignored_signals; /* bit N - 1: signal N */
	struct place *places;
	size_t place_count;
	const struct sp_limits *limits;
	struct rlimit files; /* where the policy has no limit on descriptors */
	bool permissive;     /* no wall and no limit: the floor alone */
	mode_t umask;
	bool network; /* a network namespace of its own … */
	bool network_optional;
	bool loopback; /* in which it may reach itself */
	bool own_user_namespace;
	struct filters filters;
	/* Of a program with a floor, for what it loads: */
	const struct sp_rules *rules;
	const char *loader; /* canonical name of the system's */
	int landlock;       /* of a program with a floor; -1: none */
	struct start_result *result;
};

/* What the sandboxee tells the launch through a SOCK_SEQPACKET socket: with `pid`, first of all, or where a floor stands,
 * with its listener attached; where a step failed, with `error`. An execve that succeeds closes the socket. */
struct start_note {
	pid_t pid; /* in its own pid namespace; 0: none */
	enum layer layer;
	int error; /* positive */
};

/* Runs the program, or notes on the socket `status`, or in start->result, what failed, and exits. */
_Noreturn void start_program(struct start *start, int status);

#ifdef __cplusplus
}
#endif

#endif
