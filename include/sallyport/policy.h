/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sallyport/policy.h - load, extend and release policies.
 *
 * A policy says which system calls a sandboxee may make, which names it may open for what, how much of the
 * machine it may use, and from what it is isolated. The language is described in sallyport.policy(5).
 *
 *     struct sp_policy *policy;
 *     int r = sp_policy_load("parser", print_diagnostic, NULL, &policy);
 *     if (r < 0)
 *             return r;
 *     r = sp_policy_grant(policy, "read", "/srv/pictures", "command line");
 *     …
 *     sp_policy_unref(policy);
 *
 * No function here is async-signal-safe. A policy may be used by one thread at a time.
 */
#ifndef SALLYPORT_POLICY_H
#define SALLYPORT_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct sp_policy;

/* One mistake in a policy. Strings are valid during the callback only. */
struct sp_diagnostic {
	const char *file;
	unsigned line, column; /* from 1 */
	const char *severity;  /* "error", "warning" or "note" */
	const char *message;
	const char *
	    text; /* the whole report as a person reads it: message, source line, caret, suggestion */
};
typedef void sp_diagnostic_fn(const struct sp_diagnostic *diagnostic, void *data);

/*
 * Loads a policy: a name without a slash is looked up among the presets ("parser", "program",
 * "pure"), anything else is a file, whose first policy is taken, or with "FILE#NAME" the one of that
 * name. Every mistake is reported through `on_diagnostic` (NULL: dropped), then nothing is returned.
 * Returns 0; -EINVAL (mistakes were reported); -ENOENT, -EACCES, … (the file can't be read; reported too);
 * -E2BIG (over 1 MiB); -ENOMEM.
 */
int sp_policy_load(const char *name, sp_diagnostic_fn *on_diagnostic, void *data,
		   struct sp_policy **ret_policy);

/* The same for text in memory; `file` is what diagnostics and reports call it. */
int sp_policy_parse(const char *file, const char *text, size_t length,
		    sp_diagnostic_fn *on_diagnostic, void *data, struct sp_policy **ret_policy);

/* The value of a parameter of a policy: `policy viewer(directory, size = 1G)`. */
struct sp_parameter {
	const char *name, *value;
};

struct sp_policy_options {
	const struct sp_parameter *parameters;
	size_t parameter_count;
	/* Also warn of what can hardly be meant: rules that never decide, calls that defeat a sandbox. */
	bool lint;
	/* Keep the text, and the rules that others overrule, so that sp_policy_explain() can quote them. */
	bool keep;
};

/*
 * The same with options (NULL: none). A parameter that the policy does not have, or lacks, is a
 * mistake. In a path a value stands for itself, whatever wildcards it holds, and can't lead out of
 * what stands before it by "..". Strings are borrowed during the call.
 */
int sp_policy_load_with(const char *name, const struct sp_policy_options *options,
			sp_diagnostic_fn *on_diagnostic, void *data, struct sp_policy **ret_policy);
int sp_policy_parse_with(const char *file, const char *text, size_t length,
			 const struct sp_policy_options *options, sp_diagnostic_fn *on_diagnostic,
			 void *data, struct sp_policy **ret_policy);

/*
 * Adds a path rule as if it stood in the policy: `rights` as in the language ("read", "read, write", "create"), or "connect",
 * `pattern` an absolute path or glob, or with "connect" a TCP address and port ("tcp:127.0.0.1:8080"), `source` what reports name as the rule's place ("command line --read").
 * Affects launches made after it. Takes as long for the ten thousandth rule as for the first.
 * Returns 0; -EINVAL (unknown or repeated right, relative or malformed pattern, or a rule of the policy denies that very
 * pattern: nothing is both granted and denied); -ENOMEM.
 */
int sp_policy_grant(struct sp_policy *policy, const char *rights, const char *pattern,
		    const char *source);

/*
 * Sets a limit as if it stood in the policy's `limits { … }`, in place of one that stands there: `name` and
 * `value` as in the language ("memory", "256M"). Affects launches made after it.
 * Returns 0, -EINVAL (no such limit, or no value for it), -ERANGE (out of range), -ENOMEM.
 */
int sp_policy_limit(struct sp_policy *policy, const char *name, const char *value);

/*
 * Adds a seccomp filter that somebody else wrote: an array of struct sock_filter in the machine's byte order, as
 * seccomp(2) takes it and seccomp_export_bpf(3) writes it, of `length` bytes. It stands from before the program's
 * first instruction, also where that locks itself, and only takes away: of the verdicts of all filters the kernel
 * takes the strictest. SECCOMP_RET_TRAP without a number gets the number 65535, so that the runtime does not take
 * the trap for its own; SECCOMP_RET_USER_NOTIF and SECCOMP_RET_TRACE fail the call with ENOSYS. What it refuses the
 * kernel answers, so that no report tells of it; sp_policy_explain() does. Since the trap of a program that locks itself
 * outranks an errno, the porter refuses brokered calls in the filter's place there, by their number; a filter that
 * looks at arguments of those goes with SP_INTERCEPTION_NOTIFY alone, and with a runtime fails the launch (layer
 * "additional filter"). Copied. Affects launches made after it.
 * Returns 0; -EINVAL (no program that the kernel would take, or one that returns what it computed); -EPERM (it
 * refuses seccomp(2) or execveat(2), without which nothing can be launched below it); -E2BIG (over 8); -ENOMEM.
 */
int sp_policy_add_filter(struct sp_policy *policy, const void *program, size_t length);

/*
 * A policy without its text: what a program ships that needs no source beside it, and loads without the
 * parser. Values of parameters, of the environment and of included files are those of the moment of saving;
 * symbolic links are still followed at launch. The bytes carry a version, the architecture and a checksum;
 * sp_policy_load() and `sallyport run --policy` know a file that holds them from a text. A policy that was
 * restored does what the saved one does, under the same places in reports.
 * The caller frees *ret_bytes with free(3). Saving returns 0, -ENOMEM or -E2BIG (over 16 MiB); restoring 0,
 * -EBADMSG (damaged, or none), -EPROTO (of another release), -ENOEXEC (of another architecture), -ENOMEM.
 */
int sp_policy_save(const struct sp_policy *policy, uint8_t **ret_bytes, size_t *ret_length);
int sp_policy_restore(const uint8_t *bytes, size_t length, struct sp_policy **ret_policy);

/* The name after the word `policy`. Borrowed. */
const char *sp_policy_name(const struct sp_policy *policy);

struct sp_policy *sp_policy_ref(struct sp_policy *policy);
struct sp_policy *sp_policy_unref(struct sp_policy *policy); /* accepts NULL, returns NULL */

/* ---- policies without a text ----
 *
 * What the sections of a text say, rule by rule, for programs that make policies up:
 *
 *     static const struct sp_policy_test tests[] = {{"request", SP_POLICY_EQUAL, 0, TCGETS}};
 *
 *     r = sp_policy_new("decoder", &policy);
 *     r = sp_policy_include(policy, parser);
 *     r = sp_policy_rule(policy, SP_POLICY_ALLOW, 0, "ioctl", tests, 1, "decoder.c: terminal size");
 *     r = sp_policy_grant(policy, "read", "/usr/share/color/" "**", "decoder.c: profiles");
 *
 * The order of rules among each other means nothing, as in a text. Every one affects launches made after it.
 * `source` is what reports and diagnostics name as the rule's place; strings are copied. Each function returns
 * 0 or a negative errno and then has changed nothing, unless it says otherwise; -ENOMEM always may be.
 */
enum sp_policy_verdict {
	SP_POLICY_ALLOW,
	SP_POLICY_LOG,
	SP_POLICY_ASK,
	SP_POLICY_BROKER,
	SP_POLICY_DENY,  /* with an errno, 1 to 4095 */
	SP_POLICY_ERRNO, /* with an errno, or 0 in a rule: the call succeeds, and is not made */
	SP_POLICY_TRAP,  /* with a number, 1 to 65535 */
	SP_POLICY_KILL_THREAD,
	SP_POLICY_KILL,
};

enum sp_policy_relation {
	SP_POLICY_EQUAL,
	SP_POLICY_UNEQUAL,
	SP_POLICY_BELOW,
	SP_POLICY_AT_MOST,
	SP_POLICY_ABOVE,
	SP_POLICY_AT_LEAST,
};

/* (argument & mask) relation value, unsigned; mask 0: all bits, other masks with the first two relations
 * alone. Of a 32-bit argument the upper half is ignored. */
struct sp_policy_test {
	const char *argument; /* by its name, such as "request" */
	enum sp_policy_relation relation;
	uint64_t mask, value;
};

/* An empty policy, which refuses what no policy can forbid. -EINVAL: no name for one. */
int sp_policy_new(const char *name, struct sp_policy **ret_policy);

/*
 * A rule of `syscalls`: `call` is a call or, without tests, a group of ours ("@basic-io"). `error` is what the
 * verdict needs, else 0. All of the tests must hold (an "or" is a second rule).
 * -ENOENT: no such call or group; -ENOSYS: of another architecture; -EPERM: no policy may say that of this call;
 * -EEXIST: another rule without tests says something else (of a group, what came before is added);
 * -EINVAL: no such verdict, error, argument, relation or value; -E2BIG: over 64 tests.
 */
int sp_policy_rule(struct sp_policy *policy, enum sp_policy_verdict verdict, unsigned error,
		   const char *call, const struct sp_policy_test *tests, size_t test_count,
		   const char *source);

/* What happens to calls that no rule names, from SP_POLICY_DENY on. -EINVAL as above. */
int sp_policy_default(struct sp_policy *policy, enum sp_policy_verdict verdict, unsigned error,
		      const char *source);

/* `priority WEIGHT CALL`: the filter finds the call, or those of a group of ours, the sooner, the more it weighs among
 * those that weigh anything; no verdict changes. -ENOENT, -ENOSYS: as above; -ERANGE: no weight, 1 to 16777216. */
int sp_policy_priority(struct sp_policy *policy, const char *call, uint32_t weight,
		       const char *source);

/*
 * The same for all calls of a profile, in the place of the policy's own priorities, and of those of its phases. Each
 * line is a call and how often it was made, such as "read 1200", and what "strace -c" prints is understood too; what
 * is said of a call several times adds up. Mistakes are reported as those of `file`.
 * Returns 0, or -EINVAL (they were reported, and nothing was changed).
 */
int sp_policy_profile(struct sp_policy *policy, const char *file, const char *text, size_t length,
		      sp_diagnostic_fn *on_diagnostic, void *data);

/* A rule of `files` that takes every right; sp_policy_grant() gives them. -EINVAL: no pattern or errno;
 * -EEXIST: that very pattern is granted. */
int sp_policy_deny(struct sp_policy *policy, const char *pattern, unsigned error,
		   const char *source);

/* `memory { wx … }` */
int sp_policy_wx(struct sp_policy *policy, bool allowed, const char *source);

/* `isolate { … }`: sets of these; -EINVAL: user or pid is missing or optional, or an optional one is missing. */
enum sp_policy_layer {
	SP_POLICY_LAYER_USER = 1 << 0,
	SP_POLICY_LAYER_PID = 1 << 1,
	SP_POLICY_LAYER_MOUNT = 1 << 2,
	SP_POLICY_LAYER_NETWORK = 1 << 3,
	SP_POLICY_LAYER_IPC = 1 << 4,
	SP_POLICY_LAYER_UTS = 1 << 5,
	SP_POLICY_LAYER_LANDLOCK = 1 << 6,
};
int sp_policy_isolate(struct sp_policy *policy, uint32_t layers, uint32_t optional,
		      const char *source);

/*
 * `strict`: the sandboxee enters SECCOMP_MODE_STRICT (sp_sandboxee_enter()), which has no filter: read, write, exit and
 * rt_sigreturn, and death by SIGKILL for every other call. What contradicts it, such as a rule about a name, is told by
 * whatever compiles the policy, a launch for one, with -EINVAL.
 */
int sp_policy_strict(struct sp_policy *policy, const char *source);

/*
 * `architectures native, …`: calls of these other ABIs (a set; 0: none) are judged by their names as the native ones are, where
 * they mean the same; see sallyport.policy(5). -EINVAL: there is no such architecture.
 */
enum sp_architecture { SP_ARCHITECTURE_I386 = 1 << 0, SP_ARCHITECTURE_X32 = 1 << 1 };
int sp_policy_architectures(struct sp_policy *policy, unsigned twins, const char *source);

bool sp_policy_is_strict(const struct sp_policy *policy);

/* `include`: the rules of `other` as they are now, below one's own. -EINVAL: itself; -EEXIST: they contradict
 * each other, and what came before is added; -E2BIG: over 16 policies bound each other. */
int sp_policy_include(struct sp_policy *policy, const struct sp_policy *other);

/* `within`: nothing that `bound`, as it is now, does not allow too. -E2BIG: over 16 policies bound each other;
 * -EOPNOTSUPP: `bound` is strict. */
int sp_policy_within(struct sp_policy *policy, const struct sp_policy *bound);

/* `phase NAME within`: the same from when the phase is entered, by sp_sandboxee_phase() or sp_sandbox_phase(). -EINVAL:
 * no name; -EEXIST: there is a phase of that name; -E2BIG: over 8 phases; -EOPNOTSUPP: `bound` is strict, or has filters that others
 * wrote, which can't come later. */
int sp_policy_phase(struct sp_policy *policy, const char *name, const struct sp_policy *bound);

/* `editable`, and with a bound (NULL: none) `editable within` it, as it is now: sp_sandbox_grant() and
 * sp_sandbox_revoke() change what runs under the policy. -EEXIST: it is already; -EOPNOTSUPP as above. */
int sp_policy_editable(struct sp_policy *policy, const struct sp_policy *bound, const char *source);

/* ---- questions to a policy ----
 *
 * Texts that these return are freed with free(3). Paths are looked up on this machine where a rule names a
 * symbolic link, as a launch would. All return -ENOMEM where there is no memory, and -E2BIG where a
 * filter would be too long.
 */

/*
 * The policy as it is once these phases have been entered, for the questions below: a copy, bounded by what
 * bounds each of them, but for the limits and layers of those. Its own phases it keeps. What a program that
 * has not locked itself, or a broker, enters narrows names and brokered calls alone; the copy says what holds
 * where the sandboxee has entered them behind its lock.
 * Returns 0; -ENOENT: there is no such phase; -E2BIG: with these more than 16 policies bound each other.
 */
int sp_policy_in_phases(const struct sp_policy *policy, const char *const *names, size_t count,
			struct sp_policy **ret_policy);

/* The names of a policy's phases in turn; NULL after the last. Borrowed. */
const char *sp_policy_phase_name(const struct sp_policy *policy, size_t index);

/* What a policy says of one call, and why. */
struct sp_explanation {
	enum sp_policy_verdict verdict; /* never BROKER: names are decided on as well */
	int error; /* the errno of DENY and ERRNO, the number of TRAP; else 0 */
	const char
	    *rule; /* "file:line:column" of the rule that decided, or "built in: …"; NULL: none
			   * speaks of it, and what none speaks of is refused */
	const char *text; /* verdict, rules, and those that lost, as a person reads it */
	const char *json; /* the same as one JSON object */
};

/*
 * Explains one call, written as strace(1) prints it: `open("/etc/passwd", O_RDWR)`. What the kernel's
 * own permissions say of it is another question. Lines of rules are quoted where the policy was read from
 * a text with the option `keep`.
 * Mistakes in the call are reported as those of a file "call". Returns 0, or -EINVAL (they were
 * reported). The explanation lives as long as the policy or until it is freed.
 */
int sp_policy_explain(struct sp_policy *policy, const char *call, sp_diagnostic_fn *on_diagnostic,
		      void *data, struct sp_explanation **ret_explanation);
struct sp_explanation *sp_explanation_free(struct sp_explanation *explanation); /* accepts NULL */

/*
 * Compares what two policies mean: over all calls with all arguments, all names, limits and layers.
 * *ret_text has for each difference a line with an example: "-" the first allows more, "+" the second
 * does, "~" both refuse or allow, but differently; then the two rules. It is exact: no difference is left out. Names
 * are compared by their rights, filters that others wrote (sp_policy_add_filter) byte by byte. Then phases: a
 * line for each that only one names, and for each that both name, behind a line "in phase NAME:", what the
 * policies say differently once it is entered and was not told before. Phases add up, and each only takes
 * away: what both allow alike in each phase they allow alike in several.
 * Returns 0 (they mean the same, the text is empty), 1 (they differ), or an error; -E2BIG is also that
 * patterns meet in too many ways to follow.
 */
int sp_policy_diff(struct sp_policy *first, struct sp_policy *second, char **ret_text);

/*
 * Proves a statement for all names and all arguments, or finds what it fails for (before any phase, in which
 * the policy is the widest; for others there is sp_policy_in_phases()):
 *
 *     never|always RIGHT, … PATTERN       never write /etc/ **      (without the blank)
 *     never|always CALL[(CONDITION)]      never socket(domain == AF_INET)
 *
 * `never CALL` of a call that takes a name holds where the policy grants on no name what it needs.
 * *ret_text says so, and for what it fails: a name or a call, and the rule. Mistakes in the statement are
 * reported as those of a file "statement". Returns 1 (it holds), 0 (it does not), -EINVAL (they were
 * reported), -E2BIG as above.
 */
int sp_policy_prove(struct sp_policy *policy, const char *statement,
		    sp_diagnostic_fn *on_diagnostic, void *data, char **ret_text);

/*
 * Runs test cases, `CALL -> VERDICT` each, one on a line: `open "/x" O_RDONLY -> deny as EACCES`. The call
 * is written as for sp_policy_explain(); the verdict is one word of allow, log, ask, deny, errno, trap and
 * kill, with what follows it in policies, which may be left out; `kill thread`. A comment begins with '#';
 * of a policy's own text the cases are comments that begin with "# test:". Before the call may stand in which
 * phases it is made: `in phase parsing, drawing: open …`. *ret_text has the explanation of
 * each case that fails. Returns 0, or -EINVAL (mistakes were reported as those of `file`).
 */
struct sp_test_result {
	unsigned cases, failed;
};
int sp_policy_run_tests(struct sp_policy *policy, const char *file, const char *text, size_t length,
			sp_diagnostic_fn *on_diagnostic, void *data,
			struct sp_test_result *ret_result, char **ret_text);

enum sp_policy_form {
	/* A policy in the language: what it includes, its groups and parameters resolved, the origin of
	 * each line behind it. It says the same. */
	SP_POLICY_FORM_TEXT,
	SP_POLICY_FORM_JSON,
	SP_POLICY_FORM_BPF,         /* the filter, one instruction a line */
	SP_POLICY_FORM_PSEUDO_CODE, /* the filter, call by call */
};

/* The filters of a policy. */
enum sp_policy_filter {
	/* For other sandboxes: nobody answers what it does not let through. What the broker would
	 * refuse the kernel does, by errno; calls that take a name, of which a filter can read none, are let
	 * through where some rule grants on some name a right that they may need. */
	SP_POLICY_FILTER_ALONE,
	SP_POLICY_FILTER_NOTIFY, /* the floor below any program: brings calls to a listener */
	SP_POLICY_FILTER_TRAP,   /* below a program that links libsallyport-sandboxee */
};

/* `filter` is looked at by the last two forms. 0, or -EINVAL: no such form or filter. */
int sp_policy_show(const struct sp_policy *policy, enum sp_policy_form form,
		   enum sp_policy_filter filter, char **ret_text);

/* The filter as seccomp(2) takes it: *ret_length bytes, an array of struct sock_filter, to be freed. 0,
 * -EINVAL, or -EOPNOTSUPP: a strict policy has none. */
int sp_policy_bpf(const struct sp_policy *policy, enum sp_policy_filter filter, void **ret_program,
		  size_t *ret_length);

/* ---- what policies can speak of ----
 *
 * For programs that write, convert or explain policies. Strings are static and borrowed.
 */

/* The groups in turn, "@aio" first; NULL after the last. */
const char *sp_policy_group_name(size_t index);

/*
 * The calls of this architecture that a group stands for, each on a line of its own, sorted. The caller
 * frees *ret_members with free(3). Returns 0, -ENOENT (no such group) or -ENOMEM.
 */
int sp_policy_group_members(const char *group, char **ret_members);

/* The group whose name is nearest to a misspelt one, or NULL. */
const char *sp_policy_group_nearest(const char *group);

/* What a policy may say of a call. */
enum sp_policy_standing {
	SP_POLICY_CALL_ORDINARY, /* anything, also with conditions */
	SP_POLICY_CALL_BROKERED, /* broker, deny or kill: it takes a name */
	SP_POLICY_CALL_REFUSED,  /* deny or kill: it would undo the sandbox, or takes a name */
	SP_POLICY_CALL_ALWAYS,   /* allow: a process, or its runtime, cannot do without it */
};

#define SP_POLICY_ARGUMENTS 6

struct sp_policy_call {
	char name[64];
	int number;
	enum sp_policy_standing standing;
	/* The arguments that conditions can name, and how many of their bits the kernel looks at; NULL
	 * after the last. */
	const char *argument[SP_POLICY_ARGUMENTS];
	unsigned bits[SP_POLICY_ARGUMENTS];
};

/* A call of this architecture by name, or by number. Return 0; -ENOENT: no such call; by name also
 * -ENOSYS: other architectures have it. */
int sp_policy_call_find(const char *name, struct sp_policy_call *ret_call);
int sp_policy_call_at(int number, struct sp_policy_call *ret_call);

/* One of the kernel's constants: 0, or -ENOENT. */
int sp_policy_constant(const char *name, uint64_t *ret_value);

/* A value as a policy writes it for that argument of the call: "TCGETS", "O_RDONLY|O_CLOEXEC", "7". Cut
 * where it does not fit. Returns 0, or -EINVAL: size is 0. */
int sp_policy_value(int number, unsigned argument, uint64_t value, char *buffer, size_t size);

#ifdef __cplusplus
}
#endif

#endif
