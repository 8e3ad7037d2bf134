/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sallyport/broker.h - launch untrusted programs and hear what becomes of them.
 *
 *     struct event_base *base = event_base_new();
 *     struct sp_broker *broker;
 *     r = sp_broker_new(base, NULL, &broker);
 *
 *     struct sp_launch launch = {
 *             .policy = policy,
 *             .argv = (const char *const[]){ "/usr/libexec/decoder", "picture.png", NULL },
 *             .on_exit = exited, .on_report = reported, .data = me,
 *     };
 *     struct sp_sandbox *sandbox;
 *     r = sp_sandbox_launch(broker, &launch, &sandbox);
 *     event_base_dispatch(base);
 *
 * Threads: a broker and its sandboxes belong to the thread that runs the event base. Signals: nothing here is
 * async-signal-safe; no signal handler is installed and SIGCHLD is not needed. Fork: a child of the
 * application must not use them; every descriptor is CLOEXEC. The broker itself never forks: it starts one
 * helper, sallyport-spawner, which does.
 */
#ifndef SALLYPORT_BROKER_H
#define SALLYPORT_BROKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <sallyport/policy.h>

#ifdef __cplusplus
extern "C" {
#endif

struct event_base;
struct sp_broker;
struct sp_sandbox;

struct sp_broker_options {
	const char *
	    spawner; /* path of sallyport-spawner; NULL: beside the library, else where it was installed */
};

/*
 * Makes a broker on a libevent base, which must outlive it. `options` may be NULL. The spawner is started by the
 * first launch, and again by the next launch after its death.
 * Returns 0, -EINVAL, -ENOENT (no spawner found), -ENOMEM.
 */
int sp_broker_new(struct event_base *base, const struct sp_broker_options *options,
		  struct sp_broker **ret_broker);

/* Kills and frees every sandbox of the broker, without callbacks, ends the spawner and waits for it. Accepts NULL,
 * returns NULL. May be called from a callback. */
struct sp_broker *sp_broker_free(struct sp_broker *broker);

/* What a report is about. */
enum sp_report_kind {
	SP_REPORT_PATH = 1,      /* a name or right that the policy does not grant */
	SP_REPORT_CALL = 2,      /* a system call that the policy refuses */
	SP_REPORT_VIOLATION = 3, /* bytes that no correct runtime sends; the sandbox is killed */
	SP_REPORT_WALL = 4, /* of a permissive launch: what a wall or a limit would have refused */
};

/* Strings are valid during the callback, NULL where absent, and escaped: no control or non-ASCII byte. */
struct sp_report {
	enum sp_report_kind kind;
	pid_t pid; /* the sandboxee, in the broker's pid namespace */
	pid_t tid; /* its thread: as the kernel numbers it outside, or, where it is `claimed`, … */
	bool claimed;     /* … as it numbers itself in the sandbox's pid namespace */
	const char *call; /* system call */
	const char *path, *path2;
	int error;        /* the errno that the caller got */
	const char *rule; /* "file:line:column" of the deciding rule; NULL: no rule speaks of it */
	const char *detail;   /* what was missing, in words */
	uint64_t instruction; /* program counter, a claim; 0 where unknown */
	uint64_t suppressed;  /* earlier reports that the rate limit (100 a second) swallowed */
	const char *
	    missing; /* of a path, or a socket's address: the rights that a rule would have to grant, as in the language
			       * ("read, write"), "" where any will do; NULL: none helps */
	bool
	    permitted; /* of a permissive launch: it was performed nonetheless, and `error` is what the caller
			 * would have got */
	bool fatal; /* then: the process would have been killed */
	int number; /* then: that of the system call, -1 where it is about none; and its arguments */
	uint64_t argument[SP_POLICY_ARGUMENTS];
};

/* Why a sandbox ended. */
enum sp_exit_cause {
	SP_EXIT_EXITED = 1,   /* status: exit code */
	SP_EXIT_SIGNALED = 2, /* status: signal */
	SP_EXIT_POLICY =
	    3, /* killed by a `kill` rule of its filter (SIGSYS), or, once it has entered strict mode, by
				* SIGKILL, which nobody else owned up to; status: signal */
	SP_EXIT_VIOLATION = 4, /* killed for a violation, which was reported */
	SP_EXIT_WALL = 5,      /* over its wall-clock limit */
	SP_EXIT_KILLED = 6,    /* by sp_sandbox_kill() */
	SP_EXIT_FAILED =
	    7,            /* never ran: status is the errno; `layer` says what could not be built */
	SP_EXIT_LOST = 8, /* its porter or init died, or the spawner as it was to launch it */
};

struct sp_exit {
	enum sp_exit_cause cause;
	int status;
	const char *layer; /* SP_EXIT_FAILED: "user namespace", "exec", …; else NULL */
	const char *cure;  /* SP_EXIT_FAILED: what to do about it, or NULL */
};

/*
 * What the policy leaves to the application, by `ask`. Strings are valid during the callback, and
 * escaped as those of a report.
 */
struct sp_question {
	uint64_t id;      /* of this question in its sandbox; never used again */
	const char *call; /* the system call that waits */
	/* Rights on a name: what has been asked for, as the language writes it ("read, write"), and the
	 * canonical name in the sandbox's view. NULL: about the call itself. */
	const char *rights, *path;
	const uint64_t
	    *argument;    /* of the call itself: its six arguments, else NULL. What those point
				     to may change until the kernel reads it. */
	const char *rule; /* "file:line:column" of the rule that asks */
	pid_t pid, tid;   /* as in a report */
};

enum sp_answer_kind {
	SP_ANSWER_DENY = 0,
	SP_ANSWER_ALLOW = 1,
};

typedef void sp_ask_fn(struct sp_sandbox *sandbox, const struct sp_question *question, void *data);
typedef void sp_withdrawn_fn(struct sp_sandbox *sandbox, uint64_t question, void *data);
/* `change` as its function gave it; 0, or the negative errno for which it changed nothing. */
typedef void sp_changed_fn(struct sp_sandbox *sandbox, uint64_t change, int error, void *data);
typedef void sp_started_fn(struct sp_sandbox *sandbox, pid_t pid, void *data);
typedef void sp_locked_fn(struct sp_sandbox *sandbox, void *data);
typedef void sp_stopped_fn(struct sp_sandbox *sandbox, int signal, void *data);
typedef void sp_report_fn(struct sp_sandbox *sandbox, const struct sp_report *report, void *data);
typedef void sp_output_fn(struct sp_sandbox *sandbox, int stream, const void *bytes, size_t length,
			  void *data);
typedef void sp_exit_fn(struct sp_sandbox *sandbox, const struct sp_exit *exit, void *data);

/* How the calls of a program come before the policy. */
enum sp_interception {
	/* The program links libsallyport-sandboxee, is trusted until it calls sp_sandboxee_enter(), and is
	 * held by a TRAP filter from there on. */
	SP_INTERCEPTION_COOPERATIVE = 0,
	/* Any program. A floor stands before its first instruction: a filter that no act of the program
	 * can lift sends every name-taking call to the porter by user notification (Linux 5.19). */
	SP_INTERCEPTION_NOTIFY = 1,
	/* The same floor, and on it, loaded into the program by LD_PRELOAD, the runtime, which adds a TRAP
	 * filter for speed. The floor alone holds the program. Needs what sp_launch_interception() looks
	 * at. */
	SP_INTERCEPTION_PRELOAD = 2,
	/* One of the last two: with the runtime where it can be. */
	SP_INTERCEPTION_AUTO = 3,
};

/* A descriptor to pass: it appears as `number` in the sandboxee. Borrowed: duplicated during the call. */
struct sp_pass {
	int descriptor;
	int number; /* 0 to 1019 */
};

/* What to launch. Zero-initialise; everything is copied or duplicated during the call. */
struct sp_launch {
	struct sp_policy *policy; /* required */
	const char *const *argv;  /* required; NULL-terminated */
	const char *program; /* absolute path of what to run; NULL: argv[0], which then is one */
	enum sp_interception interception;
	/*
	 * Nothing is refused: the kernel performs every call, no wall and no limit stands, and whatever the
	 * policy would have refused is reported, without a limit on their rate. For finding out what a policy lacks,
	 * with programs that are trusted: it holds nothing. A program that changes its memory while it calls may falsify
	 * what is reported of it. SP_INTERCEPTION_AUTO is NOTIFY then; a runtime would refuse: -EINVAL where the program
	 * links it, -EOPNOTSUPP where it is to be brought in. The sandbox lasts until the last of its processes has ended.
	 */
	bool permissive;
	bool
	    keep_session; /* stays in the broker's session and process group: terminals, job control */
	bool keep_umask;          /* starts with the broker's umask; otherwise with 022 */
	uint64_t ignored_signals; /* bit N - 1: starts with signal N ignored, as below nohup(1) */
	const char *const *environment; /* "NAME=value", NULL-terminated; NULL: empty */
	const char *directory;          /* working directory; NULL: "/" */
	const struct sp_pass *pass; /* descriptors beside 0, 1, 2; those not passed are /dev/null */
	size_t pass_count;
	int spin_us; /* busy-waiting cap of porter and callers; 0: default (50), -1: never */
	sp_started_fn *on_started; /* each callback may be NULL */
	sp_locked_fn *on_locked;
	sp_stopped_fn *on_stopped; /* a signal has stopped the program */
	sp_report_fn *on_report;
	sp_output_fn *
	    on_output; /* given: stdout and stderr (streams 1 and 2) that are not passed are pipes */
	/* Decides where the policy says `ask`, by sp_question_answer(), at once or later. Without it a
	 * policy that asks is not launched: SP_EXIT_FAILED, layer "ask". A permissive launch asks nobody. */
	sp_ask_fn *on_ask;
	/* A question is over without an answer: its caller has ended, or its time is over. */
	sp_withdrawn_fn *on_withdrawn;
	sp_changed_fn *on_changed; /* a change of the running sandbox holds, or has failed */
	int ask_ms; /* how long a question waits, then the answer is no; 0: default (60,000), -1: for ever */
	sp_exit_fn *on_exit; /* last of all, once; no process of the sandbox is left */
	void *data;
};

/*
 * What SP_INTERCEPTION_AUTO comes to for a launch: SP_INTERCEPTION_PRELOAD, where the policy lets nothing
 * be executed, has no other filters and allows what the runtime needs, and the program is a dynamic one with the system's loader;
 * else SP_INTERCEPTION_NOTIFY. Of the launch only policy, argv and program are looked at. *ret_reason is why,
 * in words that end a sentence, and *ret_cure what to do about it, or NULL; both constant; each may be NULL.
 * A launch that is neither comes back as it is.
 */
enum sp_interception sp_launch_interception(const struct sp_launch *launch, const char **ret_reason,
					    const char **ret_cure);

/*
 * Launches. Returns at once; failures of the walls arrive through on_exit with SP_EXIT_FAILED.
 * Returns 0; -EINVAL (a field is wrong); -EOPNOTSUPP (SP_INTERCEPTION_PRELOAD, and the runtime can't be there); -E2BIG (argv and environment over 4 MiB); -EMFILE, -ENOMEM; what starting the
 * spawner returned. On error no callback comes.
 */
int sp_sandbox_launch(struct sp_broker *broker, const struct sp_launch *launch,
		      struct sp_sandbox **ret_sandbox);

/* Kills every process of the sandbox; on_exit follows. Safe to repeat. 0, or -ESRCH when it has ended. */
int sp_sandbox_kill(struct sp_sandbox *sandbox);

/*
 * Sends a signal to the program, from its porter, which cannot mistake another process for it; to its
 * first process alone. One that is sent before the program runs is delivered when it does.
 * Returns 0; -EINVAL (no signal's number); -ESRCH (it has ended); -EAGAIN (too many at once).
 */
int sp_sandbox_signal(struct sp_sandbox *sandbox, int number);

/*
 * Answers a question, from its callback or later. The call goes on, or fails with EACCES (a name) or EPERM
 * (the call itself). Others who wait for the same get the same answer; `remember`: so do all that ask for
 * the same name and rights, or call, until the sandbox ends (1,024 of them; an answer beyond is not
 * remembered). Calls are the same that are alike in what conditions of the policy look at of their arguments,
 * on the way to the rule that asks: remembered of `ask ioctl(request == TCGETS)`, an answer says nothing of
 * another request, and of `ask ioctl` without conditions it is about all of them. That a name may be executed is remembered in any case.
 * A sandbox has 16 calls that wait for answers, and a call puts four questions; what goes beyond is denied.
 * Returns 0; -ENOENT: it is over, or there never was one; -ESRCH: the sandbox has ended; -EAGAIN: too many at
 * once, the question is still open.
 */
int sp_question_answer(struct sp_sandbox *sandbox, uint64_t question, enum sp_answer_kind answer,
		       bool remember);

/*
 * Enters a phase of the launch's policy for the whole sandbox: from when the porter has heard of it, names, and calls
 * that come before the porter, are decided within the policy of the phase too. What the kernel decides by the filter
 * that stands already, it goes on deciding so, until the sandboxee itself enters the phase
 * (sp_sandboxee_phase()); what is open stays open. There is no way back; entering again changes nothing.
 * Returns 0; -ENOENT: the policy has no such phase; -ESRCH: the sandbox has ended; -EAGAIN: too many at once.
 */
int sp_sandbox_phase(struct sp_sandbox *sandbox, const char *name);

/*
 * Narrows a running sandbox: the same as entering a phase `within` that policy, which nobody has to have named before.
 * It takes away and gives nothing, and there is no way back. At most 16 for a sandbox.
 *
 * This, and the functions below, return at once, and are made in the order of the calls, between two calls of the
 * sandboxee: each of those is decided on wholly before a change or wholly behind it. *ret_change (NULL: not wanted) is its number,
 * from 1; launch.on_changed hears of each when it holds, or has failed and changed nothing, or, with -ESRCH, when
 * the sandbox ended before. Return 0; -ESRCH: the sandbox has ended; -EAGAIN: 64 are under way, or the socket is full;
 * this one also -E2BIG: 16 came before, or it is too large; -EOPNOTSUPP: the policy has filters that others wrote, which can't
 * come later; -ENOMEM, -EMFILE.
 */
int sp_sandbox_narrow(struct sp_sandbox *sandbox, struct sp_policy *policy, uint64_t *ret_change);

/*
 * Edits, where the launch's policy says `editable`: gives rights ("read, write") on the names of a pattern, or takes
 * them, as sp_policy_grant() has them. Of each right the last edit decides whose pattern matches the name, and where there is none,
 * the policy. What is given is held back by a `deny` of the policy that is not less specific, by what bounds the policy or
 * its edits, and by phases and narrowings, whenever they come; what is taken is taken whatever rule gave it. No symbolic link is
 * followed for a pattern: who runs in the sandbox may have made it. What is open stays open, and what waits (a FIFO, a connection) was decided on. At most
 * 256 edits stand at a time: one of the very same pattern takes the place of another, and one that takes what
 * nothing gives is not kept.
 * Return as above; and -EOPNOTSUPP: the policy is not editable; -EPERM: the sandbox is locked; -EINVAL: no rights, or
 * no pattern; -EACCES: a right that no wall was built for (execute, connect and bind, where neither the policy nor what
 * bounds edits grants it on any name). Through on_changed: -ENOSPC: 256 stand.
 */
int sp_sandbox_grant(struct sp_sandbox *sandbox, const char *rights, const char *pattern,
		     uint64_t *ret_change);
int sp_sandbox_revoke(struct sp_sandbox *sandbox, const char *rights, const char *pattern,
		      uint64_t *ret_change);

/* Why sp_sandbox_grant() would refuse that, and what to do, in words; constant. NULL: it would not. */
const char *sp_sandbox_edit_mistake(const struct sp_sandbox *sandbox, const char *rights,
				    const char *pattern);

/* From here on there is no edit any more; narrowing goes on. Returns as sp_sandbox_grant(). */
int sp_sandbox_lock(struct sp_sandbox *sandbox, uint64_t *ret_change);

/* Kills if need be, and frees; no callback comes any more. Accepts NULL, returns NULL. May be called from its own
 * callbacks. A sandbox that has ended is still to be freed. */
struct sp_sandbox *sp_sandbox_free(struct sp_sandbox *sandbox);

/* One sentence about an exit or a report, for people, into a buffer of `size` bytes. Returns as snprintf(3). */
int sp_exit_describe(const struct sp_exit *exit, char *buffer, size_t size);
int sp_report_describe(const struct sp_report *report, char *buffer, size_t size);

#ifdef __cplusplus
}
#endif

#endif
