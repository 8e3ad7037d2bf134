/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a policy says that its author can hardly mean. Warnings stand at rules of the policy itself: what
 * it includes is looked at when that is checked.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "ipc/arch.h"
#include "ipc/util.h"
#include "policy/arguments.h"
#include "policy/filter.h"
#include "policy/finding.h"
#include "policy/glob.h"
#include "policy/interpret.h"
#include "policy/judge.h"
#include "policy/universe.h"

#define WARN(reading, place, ...)                                                                  \
	sp_report_warning((reading)->reporter, (reading)->source, place, __VA_ARGS__)

static bool is_own(struct sp_place place)
{
	return place.line > 0;
}

/* ---- calls that defeat a sandbox ---- */

static const struct {
	const char *call;
	uint64_t argument[SP_ARGUMENTS];
	const char *reason;
} dangerous[] = {
    {"ptrace",
     {16},
     "it takes over other processes of the sandbox, also ones under another policy"},
    {"process_vm_writev", {1}, "it writes to the memory of other processes"},
    {"process_vm_readv", {1}, "it reads the memory of other processes"},
    {"pidfd_getfd", {3}, "it takes descriptors of other processes"},
    {"kcmp", {1, 1}, "it tells addresses of the kernel apart"},
    {"keyctl", {0}, "keyrings are shared beyond the sandbox"},
    {"add_key", {0}, "keyrings are shared beyond the sandbox"},
    {"request_key", {0}, "the kernel starts programs for it, outside of the sandbox"},
    {"ioctl", {0, TIOCSTI}, "TIOCSTI types into the terminal, for the shell to read"},
    {"ioctl", {0, TIOCLINUX}, "TIOCLINUX pastes into the console, for the shell to read"},
    {"fcntl", {3, F_SETOWN, 1}, "F_SETOWN sends signals to other processes"},
    {"socket", {AF_NETLINK}, "AF_NETLINK reaches parts of the kernel that have no other door"},
    {"socket", {AF_PACKET}, "AF_PACKET sees every packet"},
    {"socket", {AF_VSOCK}, "AF_VSOCK reaches the machine's host"},
};

/* The policy's own rule that stands there, or NULL. */
static const struct sp_call_rule *own_rule(const struct sp_policy *policy, const char *source)
{
	for (size_t i = 0; i < policy->call_count; i++)
		if (is_own(policy->calls[i].place) && strcmp(policy->calls[i].source, source) == 0)
			return &policy->calls[i];
	return NULL;
}

/* What the filter says of a call that has been made with these arguments. */
static bool judge(struct sp_reading *reading, int nr, const uint64_t *argument,
		  struct sp_verdict *ret_verdict)
{
	struct seccomp_data data = {.nr = nr, .arch = SP_AUDIT_ARCH};
	int r;

	for (size_t i = 0; i < SP_ARGUMENTS; i++)
		data.args[i] = argument[i];
	r = sp_model_verdict(reading->policy, SP_FILTER_LOCK, &data, ret_verdict);
	sp_note_error(reading, r);
	return r == 0;
}

/* Directories are listed by way of the runtime. */
static bool is_allowed(const struct sp_verdict *verdict)
{
	return verdict->action == SECCOMP_RET_ALLOW || verdict->action == SECCOMP_RET_LOG ||
	       verdict->action == SP_FILTER_LISTS;
}

static void check_dangerous(struct sp_reading *reading)
{
	const struct sp_call_rule *told = NULL;

	for (size_t i = 0; i < SP_ELEMENTS(dangerous); i++) {
		int nr = sp_call_number(dangerous[i].call);
		const struct sp_call_rule *rule;
		struct sp_verdict verdict;

		if (nr < 0 || !judge(reading, nr, dangerous[i].argument, &verdict) ||
		    !is_allowed(&verdict))
			continue;
		rule = own_rule(reading->policy, verdict.source);
		if (rule && !(told && told->nr == nr)) /* once for each call */
			WARN(reading, rule->place, "this allows \"%s\": %s", dangerous[i].call,
			     dangerous[i].reason);
		told = rule ? rule : told;
	}
}

/* ---- calls that newer libraries make in place of older ones ---- */

static const struct {
	const char *older, *newer;
} twins[] = {
    {"dup2", "dup3"},
    {"pipe", "pipe2"},
    {"poll", "ppoll"},
    {"select", "pselect6"},
    {"epoll_create", "epoll_create1"},
    {"epoll_wait", "epoll_pwait"},
    {"epoll_pwait", "epoll_pwait2"},
    {"eventfd", "eventfd2"},
    {"signalfd", "signalfd4"},
    {"inotify_init", "inotify_init1"},
    {"accept", "accept4"},
    {"getdents", "getdents64"},
    {"preadv", "preadv2"},
    {"pwritev", "pwritev2"},
    {"getrlimit", "prlimit64"},
    {"setrlimit", "prlimit64"},
    {"mlock", "mlock2"},
    {"tkill", "tgkill"},
    {"fork", "clone"},
    {"vfork", "clone"},
    {"sched_setparam", "sched_setattr"},
    {"sched_getparam", "sched_getattr"},
    {"gettimeofday", "clock_gettime"},
    {"nanosleep", "clock_nanosleep"},
};

static bool is_mentioned(const struct sp_policy *policy, int nr)
{
	for (size_t i = 0; i < policy->call_count; i++)
		if (policy->calls[i].nr == nr)
			return true;
	return false;
}

static void check_twins(struct sp_reading *reading)
{
	const uint64_t argument[SP_ARGUMENTS] = {0};

	for (size_t i = 0; i < SP_ELEMENTS(twins); i++) {
		int older = sp_call_number(twins[i].older), newer = sp_call_number(twins[i].newer);
		const struct sp_call_rule *rule;
		struct sp_verdict verdict;

		if (older < 0 || newer < 0 || is_mentioned(reading->policy, newer) ||
		    !judge(reading, older, argument, &verdict) || !is_allowed(&verdict))
			continue;
		rule = own_rule(reading->policy, verdict.source);
		if (rule)
			WARN(reading, rule->place,
			     "\"%s\" is allowed, but no rule speaks of \"%s\", which newer "
			     "libraries call "
			     "in its place",
			     twins[i].older, twins[i].newer);
	}
}

/* ---- rules that never decide ---- */

#define EDGES_MAX 48
#define SAMPLES_MAX 50000

/* Values between which the tests on one argument don't tell any difference. */
struct edges {
	uint64_t value[SP_ARGUMENTS][EDGES_MAX];
	size_t count[SP_ARGUMENTS];
	bool exact;
};

static void add_edge(struct edges *edges, unsigned argument, uint64_t value)
{
	size_t *count = &edges->count[argument];

	for (size_t i = 0; i < *count; i++)
		if (edges->value[argument][i] == value)
			return;
	if (*count == EDGES_MAX)
		edges->exact = false;
	else
		edges->value[argument][(*count)++] = value;
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as the condition */
static void collect_edges(const struct sp_condition *condition, struct edges *edges)
{
	const struct sp_test *test = &condition->test;
	uint64_t all = test->wide ? ~UINT64_C(0) : UINT32_MAX;

	if (condition->kind != SP_CONDITION_TEST) {
		collect_edges(condition->left, edges);
		if (condition->right)
			collect_edges(condition->right, edges);
		return;
	}
	/* Some bits of an argument are no range of it. */
	if (test->kind == SP_TEST_MASKED && test->mask != all && test->mask != 0)
		edges->exact = false;
	add_edge(edges, test->argument, (test->value - 1) & all);
	add_edge(edges, test->argument, test->value & all);
	add_edge(edges, test->argument, (test->value + 1) & all);
}

static bool next_sample(const struct edges *edges, size_t at[SP_ARGUMENTS])
{
	for (size_t i = 0; i < SP_ARGUMENTS; i++) {
		if (at[i] + 1 < edges->count[i]) {
			at[i]++;
			return true;
		}
		at[i] = 0;
	}
	return false;
}

/* Whether all that `narrow` holds for, `wide` holds for; false where that can't be told. Either may be
 * NULL: always. */
static bool implies(const struct sp_condition *narrow, const struct sp_condition *wide)
{
	struct edges edges = {.exact = true};
	size_t at[SP_ARGUMENTS] = {0};

	if (!wide)
		return true;
	collect_edges(wide, &edges);
	if (narrow)
		collect_edges(narrow, &edges);
	if (!edges.exact)
		return false;
	for (size_t count = 0; count < SAMPLES_MAX; count++) {
		uint64_t argument[SP_ARGUMENTS];

		for (size_t i = 0; i < SP_ARGUMENTS; i++)
			argument[i] = edges.count[i] ? edges.value[i][at[i]] : 0;
		if ((!narrow || sp_condition_holds(narrow, argument)) &&
		    !sp_condition_holds(wide, argument))
			return false;
		if (!next_sample(&edges, at))
			return true;
	}
	return false;
}

static bool never_holds(const struct sp_condition *condition)
{
	const struct sp_condition never = {
	    .kind = SP_CONDITION_TEST, .test = {.kind = SP_TEST_BELOW, .wide = true, .value = 0}};

	return implies(condition, &never);
}

/* Of two rules with conditions, of one rank, the stricter is asked first; of equals the earlier. */
static bool is_asked_first(const struct sp_call_rule *first, const struct sp_call_rule *second)
{
	if (first->nr != second->nr || first->rank != second->rank)
		return false;
	if (!first->condition != !second->condition)
		return first->condition != NULL;
	return first->action > second->action ||
	       (first->action == second->action && first < second);
}

/* Of a rule for a name, not for a group, which passes over what it can't speak of. */
static bool is_overruled(const struct sp_call_rule *rule)
{
	return rule->rank % 2 == 0 && rule->action != SP_ACTION_ALLOW &&
	       sp_filter_always_allows(rule->nr);
}

static void check_reach(struct sp_reading *reading, const struct sp_call_rule *rule)
{
	const struct sp_policy *policy = reading->policy;

	if (is_overruled(rule)) {
		WARN(reading, rule->place, "the rule never decides: \"%s\" is always allowed",
		     sp_call_name(rule->nr));
		return;
	}
	if (rule->condition && never_holds(rule->condition)) {
		WARN(reading, rule->place, "the condition never holds");
		return;
	}
	if (rule->condition && implies(NULL, rule->condition))
		WARN(reading, rule->place, "the condition always holds");
	for (size_t i = 0; i < policy->call_count; i++) {
		const struct sp_call_rule *other = &policy->calls[i];

		if (other != rule && other->condition && is_asked_first(other, rule) &&
		    implies(rule->condition, other->condition)) {
			WARN(reading, rule->place,
			     "the rule never decides: the one at %s covers it", other->source);
			return;
		}
	}
}

static void check_rules(struct sp_reading *reading)
{
	for (size_t i = 0; i < reading->policy->call_count && reading->error == 0; i++)
		if (is_own(reading->policy->calls[i].place))
			check_reach(reading, &reading->policy->calls[i]);
}

/* ---- paths ---- */

/* The length of X where a pattern is X followed by a slash and two stars, and X has no wildcard; else
 * SIZE_MAX. */
static size_t tree_length(const char *pattern)
{
	static const char deep[] = "/**";
	size_t length = strlen(pattern), tail = strlen(deep);
	struct sp_glob_measure measure;

	sp_glob_measure((struct sp_text){pattern, length}, &measure);
	if (length < tail || strcmp(pattern + length - tail, deep) != 0 ||
	    measure.directory != length - tail)
		return SIZE_MAX;
	return measure.directory;
}

static bool is_below(const char *pattern, const char *tree, size_t length)
{
	return strncmp(pattern, tree, length) == 0 &&
	       (pattern[length] == '/' || pattern[length] == '\0');
}

/* The rule is one of a tree, and the other one speaks of names in it, or of the same. */
static bool covers(const struct sp_path_rule *tree, const struct sp_path_rule *other)
{
	size_t length = tree_length(tree->pattern);

	return strcmp(tree->pattern, other->pattern) == 0 ||
	       (length != SIZE_MAX && is_below(other->pattern, tree->pattern, length));
}

/* Whether some rule takes away, or asks about, what a tree grants: then to grant it again means
 * something. */
static bool has_exceptions(const struct sp_policy *policy, const struct sp_path_rule *tree)
{
	for (size_t i = 0; i < policy->path_count; i++)
		if ((policy->paths[i].rights == 0 || policy->paths[i].ask) &&
		    covers(tree, &policy->paths[i]))
			return true;
	return false;
}

static void check_redundant(struct sp_reading *reading, const struct sp_path_rule *rule)
{
	const struct sp_policy *policy = reading->policy;

	for (size_t i = 0; i < policy->path_count; i++) {
		const struct sp_path_rule *other = &policy->paths[i];
		bool same = strcmp(other->pattern, rule->pattern) == 0;

		/* Of two that say the same only the later is told of. */
		if (other == rule || (same && other > rule) || other->ask || rule->ask ||
		    !covers(other, rule) || (rule->rights & ~other->rights) ||
		    (!rule->rights != !other->rights) || has_exceptions(policy, other))
			continue;
		WARN(reading, rule->place, "the rule at %s grants this already", other->source);
		return;
	}
}

/* Code that the sandboxee writes, and runs as a program of its own. */
static void check_writable(struct sp_reading *reading, const struct sp_path_rule *rule)
{
	const uint32_t change = SP_RIGHT_WRITE | SP_RIGHT_CREATE;
	const struct sp_policy *policy = reading->policy;

	if (!(rule->rights & SP_RIGHT_EXECUTE))
		return;
	for (size_t i = 0; i < policy->path_count; i++) {
		const struct sp_path_rule *other = &policy->paths[i];

		if ((other->rights & change) && (covers(other, rule) || covers(rule, other))) {
			WARN(reading, rule->place,
			     "what the rule at %s lets be written may be executed here",
			     other->source);
			return;
		}
	}
}

static void check_paths(struct sp_reading *reading)
{
	for (size_t i = 0; i < reading->policy->path_count; i++) {
		const struct sp_path_rule *rule = &reading->policy->paths[i];

		if (!is_own(rule->place))
			continue;
		if (rule->rights != 0)
			check_redundant(reading, rule);
		check_writable(reading, rule);
	}
}

/* ---- limits ---- */

static void check_limits(struct sp_reading *reading)
{
	const struct sp_setting *limit = reading->policy->limits;
	const struct sp_place *place = reading->limit_places;
	bool single = limit[SP_LIMIT_PROCESSES].set && limit[SP_LIMIT_PROCESSES].value == 1;
	static const char *const makers[] = {"fork", "vfork"};

	if (is_own(place[SP_LIMIT_WALL]) && single && limit[SP_LIMIT_CPU].set &&
	    limit[SP_LIMIT_WALL].value / 1000 < limit[SP_LIMIT_CPU].value)
		WARN(reading, place[SP_LIMIT_WALL],
		     "the time from launch ends before the processor time at %s can be used up",
		     limit[SP_LIMIT_CPU].source);
	if (is_own(place[SP_LIMIT_FILE_SIZE]) && limit[SP_LIMIT_MEMORY].set &&
	    limit[SP_LIMIT_FILE_SIZE].value > limit[SP_LIMIT_MEMORY].value)
		WARN(reading, place[SP_LIMIT_FILE_SIZE],
		     "a file may be larger than the memory at %s, and could not be mapped",
		     limit[SP_LIMIT_MEMORY].source);
	for (size_t i = 0; i < SP_ELEMENTS(makers) && single; i++) {
		const struct sp_call_rule *rule =
		    sp_model_find_call(reading->policy, sp_call_number(makers[i]));

		if (rule && is_own(rule->place) && rule->rank == 0 &&
		    rule->action == SP_ACTION_ALLOW)
			WARN(reading, rule->place,
			     "\"%s\" is refused all the same: there is one process, by the limit "
			     "at %s",
			     makers[i], limit[SP_LIMIT_PROCESSES].source);
	}
}

/* ---- phases ---- */

static void unref_policy(struct sp_policy **policy)
{
	sp_policy_unref(*policy);
}

/* What the text itself says of a phase, in the policy that it names: other files are looked at when they
 * are checked. */
static bool is_of_text(const struct sp_reading *reading, const char *source)
{
	size_t length = strlen(reading->source->file);

	return source && strncmp(source, reading->source->file, length) == 0 &&
	       source[length] == ':';
}

/* Whether the policy lets any form of a call be made for which the condition (NULL: always) holds. */
struct permission {
	struct sp_judge *judge;
	const struct sp_condition *where;
};

static int find_permission(const uint64_t argument[SP_ARGUMENTS], struct sp_trace *trace,
			   void *data)
{
	struct permission *permission = data;
	struct sp_verdict verdict;

	if (permission->where && !sp_condition_trace(permission->where, argument, trace))
		return 0;
	sp_judge_ask(permission->judge, argument, trace, &verdict);
	return is_allowed(&verdict) || sp_verdict_asks(&verdict);
}

static bool permits_call(struct sp_reading *reading, const struct sp_call_rule *rule)
{
	struct permission permission = {.where = rule->condition};
	int r = sp_judge_new(reading->policy, SP_FILTER_FLOOR, rule->nr, &permission.judge);

	if (r == 0)
		r = sp_arguments_walk(find_permission, &permission);
	sp_judge_free(permission.judge);
	sp_note_error(reading, r < 0 ? r : 0);
	return r != 0;
}

static bool lets_through(const struct sp_call_rule *rule)
{
	return rule->action == SP_ACTION_ALLOW || rule->action == SP_ACTION_LOG ||
	       rule->action == SP_ACTION_ASK;
}

static void tell_idle(struct sp_reading *reading, const struct sp_phase *phase, const char *source)
{
	WARN(reading, phase->place,
	     "the rule at %s has no effect: before the phase \"%s\" nothing of it is allowed",
	     source, phase->name);
}

/* The rules of one place, a group's, are told where none of them has an effect. */
static void check_phase_calls(struct sp_reading *reading, const struct sp_phase *phase)
{
	const struct sp_policy *bound = phase->policy;

	for (size_t i = 0, next; i < bound->call_count && reading->error == 0; i = next) {
		const char *source = bound->calls[i].source;
		bool lets = false, permitted = false;

		for (next = i;
		     next < bound->call_count && strcmp(bound->calls[next].source, source) == 0;
		     next++) {
			const struct sp_call_rule *rule = &bound->calls[next];

			if (!is_of_text(reading, source) || !lets_through(rule) || permitted)
				continue;
			lets = true;
			permitted = permits_call(reading, rule);
		}
		if (lets && !permitted)
			tell_idle(reading, phase, source);
	}
}

/* Whether the policy grants one of the rights on a name that a pattern matches. */
struct granting {
	const struct sp_rules *rules;
	int pattern;
	uint32_t rights;
};

static int find_grant(const char *name, size_t length, const int *matched, size_t count, void *data)
{
	struct granting *granting = data;
	struct sp_path_decision decision;

	for (size_t i = 0; i < count; i++) {
		if (matched[i] != granting->pattern)
			continue;
		sp_rules_decide(granting->rules, name, length, &decision);
		return ((decision.rights | decision.ask) & granting->rights) != 0;
	}
	return 0;
}

static int add_pattern(const struct sp_rules_match *match, void *data)
{
	int r = sp_universe_add(data, match->pattern);

	return r < 0 ? r : 0;
}

/* True also where it can't be told. */
static bool permits_path(struct sp_reading *reading, const struct sp_subject *subject,
			 const struct sp_path_rule *rule)
{
	struct granting granting = {.rules = subject->rules, .rights = rule->rights};
	struct sp_universe *universe = sp_universe_new();
	int r = universe ? sp_rules_each(subject->rules, add_pattern, universe) : -ENOMEM;

	if (r == 0)
		granting.pattern = r = sp_universe_add(universe, rule->pattern);
	if (r >= 0)
		r = sp_universe_walk(universe, find_grant, &granting);
	sp_universe_free(universe);
	sp_note_error(reading, r == -ENOMEM ? r : 0);
	return r != 0;
}

static void check_phase_paths(struct sp_reading *reading, const struct sp_phase *phase,
			      const struct sp_subject *subject)
{
	for (size_t i = 0; i < phase->policy->path_count && reading->error == 0; i++) {
		const struct sp_path_rule *rule = &phase->policy->paths[i];

		if (rule->rights != 0 && is_of_text(reading, rule->source) &&
		    !permits_path(reading, subject, rule))
			tell_idle(reading, phase, rule->source);
	}
}

static void check_phase_settings(struct sp_reading *reading, const struct sp_phase *phase)
{
	const struct sp_policy *bound = phase->policy;

	for (size_t i = 0; i < SP_LIMIT_COUNT; i++)
		if (bound->limits[i].set && is_of_text(reading, bound->limits[i].source) &&
		    !sp_model_narrows_later((enum sp_limit)i, &bound->limits[i]))
			WARN(reading, phase->place,
			     "the limit at %s has no effect in the phase \"%s\": limits are set at "
			     "the launch",
			     bound->limits[i].source, phase->name);
	if (bound->isolate.set && is_of_text(reading, bound->isolate.source))
		WARN(reading, phase->place,
		     "the layers at %s have no effect in the phase \"%s\": they are built at the "
		     "launch",
		     bound->isolate.source, phase->name);
}

/* A phase that takes nothing away; what can't be followed to the end is not told of. */
static void check_narrowing(struct sp_reading *reading, const struct sp_phase *phase)
{
	_cleanup_(unref_policy) struct sp_policy *narrow = NULL;
	const char *name = phase->name;
	int r = sp_policy_in_phases(reading->policy, &name, 1, &narrow);

	if (r == 0)
		r = sp_diff_narrows(reading->policy, narrow);
	sp_note_error(reading, r == -ENOMEM ? r : 0);
	if (r == 0)
		WARN(reading, phase->place,
		     "the phase \"%s\" narrows nothing: what bounds it allows all that the policy "
		     "does",
		     phase->name);
}

static void check_phases(struct sp_reading *reading)
{
	_cleanup_(sp_subject_close) struct sp_subject subject = {0};
	int r = reading->policy->phase_count > 0 && reading->policy->name
		    ? sp_subject_open(reading->policy, &subject)
		    : -ENOENT;

	sp_note_error(reading, r == -ENOMEM ? r : 0);
	for (size_t i = 0; r == 0 && i < reading->policy->phase_count && reading->error == 0; i++) {
		const struct sp_phase *phase = &reading->policy->phases[i];

		if (!is_own(phase->place))
			continue;
		check_narrowing(reading, phase);
		check_phase_calls(reading, phase);
		check_phase_paths(reading, phase, &subject);
		check_phase_settings(reading, phase);
	}
}

/* ---- edits ---- */

static void check_edits(struct sp_reading *reading)
{
	const struct sp_policy *policy = reading->policy;

	if (!policy->editable.set || !is_own(reading->editable_place))
		return;
	if (!policy->edit_bound)
		WARN(reading, reading->editable_place,
		     "edits may grant what is read, written and made on any name, and the walls "
		     "let it "
		     "through: bound them, like \"editable within documents\"");
	else if (sp_model_givable(policy) == 0)
		WARN(reading, reading->editable_place,
		     "no edit can grant anything: \"%s\" grants no right on any name",
		     policy->edit_bound->name);
}

void sp_lint(struct sp_reading *reading)
{
	check_dangerous(reading);
	check_twins(reading);
	check_rules(reading);
	check_paths(reading);
	check_limits(reading);
	check_phases(reading);
	check_edits(reading);
}
