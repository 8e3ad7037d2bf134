/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/finding.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ipc/arch.h"
#include "ipc/util.h"
#include "policy/bpf.h"
#include "policy/compile.h"
#include "policy/names.h"
#include "policy/rights.h"

int sp_subject_open(struct sp_policy *policy, struct sp_subject *ret)
{
	_cleanup_free_ uint8_t *bytes = NULL;
	size_t length;
	int r = sp_policy_compile_bare(policy, &bytes, &length);

	*ret = (struct sp_subject){.policy = policy};
	return r < 0 ? r : sp_rules_load(bytes, length, &ret->rules);
}

void sp_subject_close(struct sp_subject *subject)
{
	subject->rules = sp_rules_free(subject->rules);
}

/* ---- names ---- */

struct search {
	const struct sp_subject *subject;
	struct sp_reporter *reporter;
	const struct sp_source *source;
	const struct sp_invocation *call;
	const struct sp_call_info *info;
	struct sp_finding *finding;
	uint64_t flags, mode;
};

static struct sp_place place_of(const struct search *s, int argument)
{
	return argument >= 0 && (unsigned)argument < s->call->count ? s->call->place[argument]
								    : s->call->begin;
}

static int lacks_name(const struct search *s, int argument, const char *what)
{
	sp_report_error(s->reporter, s->source, place_of(s, argument), NULL, "%s", what);
	return -EINVAL;
}

/* The name that a pair of directory and path means, as it was written; to be freed. */
static int written_name(const struct search *s, int dirfd, int path, char **ret_name)
{
	const char *text = path >= 0 ? s->call->text[path] : NULL;
	const char *folder = dirfd >= 0 ? s->call->descriptor[dirfd] : NULL;

	if (path >= 0 && !text && (s->call->argument[path] || dirfd < 0))
		return lacks_name(s, path, "the call takes a path here, in double quotes");
	if (text && text[0] == '/') {
		*ret_name = strdup(text);
		return *ret_name ? 0 : -ENOMEM;
	}
	if (!folder)
		return lacks_name(
		    s, text ? path : dirfd,
		    text && dirfd < 0
			? "what a relative path means depends on the program: write an "
			  "absolute one"
			: "write what the descriptor is of, like 3</tmp/file> or "
			  "AT_FDCWD</tmp>, or an absolute path");
	if (folder[0] != '/')
		return lacks_name(s, dirfd, "the descriptor is of nothing that has a name");
	*ret_name = malloc(strlen(folder) + (text ? strlen(text) : 0) + 2);
	if (!*ret_name)
		return -ENOMEM;
	(void)stpcpy(stpcpy(stpcpy(*ret_name, folder), text ? "/" : ""), text ? text : "");
	return 0;
}

/* Whether a symbolic link at the end of the name is followed. */
static bool follows(const struct search *s)
{
	switch (s->info->operation) {
	case SP_OPERATION_READLINK:
	case SP_OPERATION_MKDIR:
	case SP_OPERATION_MKNOD:
	case SP_OPERATION_SYMLINK:
	case SP_OPERATION_UNLINK:
	case SP_OPERATION_RENAME:
	case SP_OPERATION_BIND:
		return false;
	case SP_OPERATION_LINK:
		return s->flags & AT_SYMLINK_FOLLOW;
	case SP_OPERATION_WATCH:
		return !(s->flags & IN_DONT_FOLLOW);
	case SP_OPERATION_OPEN:
		return !(s->flags & O_NOFOLLOW) &&
		       (s->flags & (O_CREAT | O_EXCL)) != (O_CREAT | O_EXCL);
	default:
		return !(s->flags & AT_SYMLINK_NOFOLLOW);
	}
}

static int resolve(const struct search *s, const char *written, bool follow, struct sp_named *named)
{
	named->name = sp_resolve_name(written, follow);
	if (!named->name)
		return -ENOMEM;
	named->resolved = strcmp(named->name, written) != 0;
	sp_rules_decide(s->subject->rules, named->name, strlen(named->name), &named->decision);
	named->visible = named->decision.standing != SP_STANDING_OUTSIDE;
	return 0;
}

/* What a name that exists needs beyond what the call says of itself. */
static uint32_t adjust(const struct search *s, const struct sp_named *named,
		       const struct stat *status, uint32_t needs)
{
	uint32_t entries = SP_RIGHT_WRITE | SP_RIGHT_CREATE | SP_RIGHT_DELETE;

	if (S_ISREG(status->st_mode) && status->st_nlink > 1 && (needs & SP_RIGHT_WRITE) &&
	    s->info->operation != SP_OPERATION_ACCESS)
		needs |= SP_RIGHT_LINKED;
	if (s->info->operation != SP_OPERATION_ACCESS || !S_ISDIR(status->st_mode))
		return needs;
	/* A directory is only searched, and writing to it is changing its entries. */
	if (named->decision.rights & entries)
		needs &= ~(uint32_t)SP_RIGHT_WRITE;
	return needs & ~(uint32_t)SP_RIGHT_EXECUTE;
}

static void need(const struct search *s, struct sp_named *named, const struct sp_needs *needs)
{
	struct stat status;
	bool exists = lstat(named->name, &status) == 0;

	named->makes = needs->makes && (needs->makes_only || !exists);
	named->needs = named->makes ? needs->made : needs->existing;
	if (!named->makes && exists)
		named->needs = adjust(s, named, &status, named->needs);
	named->missing = named->needs & ~named->decision.rights;
}

static int find_first(const struct search *s, const struct sp_needs *needs)
{
	_cleanup_free_ char *written = NULL;
	struct sp_named *named = &s->finding->named[0];
	bool addressed = s->info->extra == SP_EXTRA_ADDRESS;
	int r = written_name(s, addressed ? -1 : s->info->dirfd,
			     addressed ? s->info->data : s->info->path, &written);

	if (r == 0)
		r = resolve(s, written, (s->info->path < 0 && !addressed) || follows(s), named);
	if (r < 0)
		return r;
	s->finding->named_count = 1;
	need(s, named, needs);
	return 0;
}

/* The name that a rename or a link makes. */
static int find_second(const struct search *s, const struct sp_needs *needs)
{
	_cleanup_free_ char *written = NULL;
	struct sp_named *named = &s->finding->named[1];
	struct stat status;
	int r = written_name(s, s->info->dirfd2, s->info->path2, &written);

	if (r == 0)
		r = resolve(s, written, false, named);
	if (r < 0)
		return r;
	s->finding->named_count = 2;
	named->needs = needs->second;
	named->makes = true;
	if (s->info->operation == SP_OPERATION_RENAME && lstat(named->name, &status) == 0)
		named->needs |= SP_RIGHT_DELETE;
	named->missing = named->needs & ~named->decision.rights;
	return 0;
}

/* ---- the verdict ---- */

static void settle(struct sp_finding *finding, enum sp_policy_verdict verdict, int error,
		   const char *rule, const char *detail)
{
	finding->verdict = verdict;
	finding->error = error;
	finding->rule = rule;
	finding->detail = detail;
}

static bool is_refused(struct sp_finding *finding, const struct sp_named *named)
{
	const struct sp_path_decision *decision = &named->decision;
	bool refused = named->missing || !named->visible;

	if (refused && named->missing && !(named->missing & ~decision->ask))
		settle(finding, SP_POLICY_ASK, 0, decision->rule, "the application decides");
	else if (refused)
		settle(finding, SP_POLICY_DENY, decision->error, decision->rule,
		       named->missing ? sp_right_lack(named->missing)
				      : "nothing may be known of the name");
	return refused;
}

/* The rule of one set that decides on a right. */
struct winner {
	uint32_t right;
	size_t set;
	bool found;
	struct sp_rules_match match;
};

static int choose(const struct sp_rules_match *match, void *data)
{
	struct winner *winner = data;
	const char *reason;

	if (match->set != winner->set || (match->rights && !(match->rights & winner->right)))
		return 0;
	if (!winner->found || sp_rules_outranks(match, &winner->match, &reason))
		winner->match = *match;
	winner->found = true;
	return 0;
}

/* How far the rule lets the right go. */
static int level_of(const struct winner *winner)
{
	if (!winner->found || winner->match.rights == 0)
		return 0;
	return winner->match.ask ? 1 : 2;
}

const char *sp_winning_rule(const struct sp_rules *rules, const char *name, uint32_t right)
{
	struct winner least = {0};

	for (size_t set = 0; set < sp_rules_set_count(rules); set++) {
		struct winner winner = {.right = right, .set = set};

		if (sp_rules_is_idle(rules, set))
			continue;
		(void)sp_rules_each_match(rules, name, strlen(name), choose, &winner);
		if (set == 0 || level_of(&winner) < level_of(&least))
			least = winner;
	}
	return least.found ? least.match.source : NULL;
}

/* The rule that grants what a name needs, or some right on a name that need only be visible. */
static const char *granting_rule(const struct search *s, const struct sp_named *named)
{
	uint32_t rights = named->needs ? named->needs : named->decision.rights;

	return sp_winning_rule(s->subject->rules, named->name, rights & -rights);
}

static void settle_names(const struct search *s)
{
	struct sp_finding *finding = s->finding;
	const struct sp_named *first = &finding->named[0], *second = &finding->named[1];

	for (size_t i = 0; i < finding->named_count; i++)
		if (is_refused(finding, &finding->named[i]))
			return;
	if (finding->named_count == 2 && (second->decision.rights & ~first->decision.rights)) {
		settle(finding, SP_POLICY_DENY, EXDEV, second->decision.rule,
		       "the new name has more rights");
		return;
	}
	settle(finding, SP_POLICY_ALLOW, 0, granting_rule(s, first), NULL);
}

static int find_names(struct search *s)
{
	struct sp_needs needs;
	int r;

	s->info = sp_call_find(s->call->nr);
	s->flags = s->info->implied;
	if (s->info->extra == SP_EXTRA_OPEN_HOW)
		s->flags |= s->call->how_flags;
	else if (s->info->flags >= 0)
		s->flags |= s->call->argument[s->info->flags];
	s->mode = s->info->mode >= 0 ? s->call->argument[s->info->mode] : 0;
	needs = sp_operation_needs(s->info->operation, s->flags, s->mode);
	r = find_first(s, &needs);
	if (r == 0 && s->info->path2 >= 0)
		r = find_second(s, &needs);
	if (r == 0)
		settle_names(s);
	return r;
}

bool sp_verdict_asks(const struct sp_verdict *verdict)
{
	for (size_t i = 0; i < verdict->candidate_count; i++) {
		const struct sp_candidate *c = &verdict->candidates[i];

		if (c->rule && c->source == verdict->source && c->holds)
			return c->rule->action == SP_ACTION_ASK && !c->guarded;
	}
	return false;
}

/* Whether a rule of the policy decided, and no guard took its place. */
static bool is_ruled(const struct sp_verdict *verdict)
{
	for (size_t i = 0; i < verdict->candidate_count; i++)
		if (verdict->candidates[i].source == verdict->source &&
		    verdict->candidates[i].holds)
			return verdict->candidates[i].rule && !verdict->candidates[i].guarded;
	return false;
}

bool sp_subject_brokers(const struct sp_subject *subject, int nr, const uint64_t *argument)
{
	const struct sp_call_info *info = sp_call_find(nr);

	return info && sp_call_is_conditional(info) &&
	       sp_rules_brokers(subject->rules, info, argument);
}

static int find_address(struct search *s, const char *text)
{
	struct sp_finding *finding = s->finding;
	struct sp_address_decision decision;
	const char *mistake;
	size_t offset;

	if (strncmp(text, SP_TCP_PREFIX, strlen(SP_TCP_PREFIX)) == 0)
		text += strlen(SP_TCP_PREFIX);
	if (!sp_address_read(text, &finding->address, &mistake, &offset))
		return lacks_name(s, s->info->data, mistake);
	finding->has_address = true;
	sp_rules_decide_address(s->subject->rules, &finding->address, &decision);
	settle(finding, decision.error ? SP_POLICY_DENY : SP_POLICY_ALLOW, decision.error,
	       decision.rule, decision.error ? "no right to connect" : NULL);
	return 0;
}

/* connect and bind, by what their address is: a name or numbers. A socket by itself leads nowhere. */
static int find_reached(struct search *s)
{
	const char *text;

	s->info = sp_call_find(s->call->nr);
	if (s->info->extra != SP_EXTRA_ADDRESS) {
		settle(s->finding, SP_POLICY_ALLOW, 0, s->finding->call.source, NULL);
		return 0;
	}
	text = s->call->text[s->info->data];
	if (!text)
		return lacks_name(s, s->info->data,
				  "write the address in double quotes: a name, or for connect "
				  "one like \"127.0.0.1:80\"");
	return text[0] == '/' || s->info->operation == SP_OPERATION_BIND ? find_names(s)
									 : find_address(s, text);
}

/* The porter refuses, or decides by the names. */
static int intercepted(struct search *s)
{
	struct sp_finding *finding = s->finding;
	struct sp_call_refusal refusal;
	bool specific = sp_rules_find_refusal(s->subject->rules, s->call->nr, &refusal);

	finding->brokered = sp_subject_brokers(s->subject, s->call->nr, s->call->argument);
	if (finding->brokered)
		return find_reached(s);
	finding->brokered = !specific && sp_call_class(s->call->nr) == SP_CLASS_BROKERED;
	if (finding->brokered)
		return find_names(s);
	sp_rules_refusal(s->subject->rules, s->call->nr, &refusal);
	if (sp_verdict_asks(&finding->call))
		settle(finding, SP_POLICY_ASK, 0, finding->call.source, "the application decides");
	else
		settle(finding, SP_POLICY_DENY, refusal.error,
		       specific && !is_ruled(&finding->call) ? refusal.rule : finding->call.source,
		       NULL);
	return 0;
}

/* By what the kernel does by itself. */
static void settle_action(struct sp_finding *finding, uint32_t action, const char *rule)
{
	static const struct {
		uint32_t action;
		enum sp_policy_verdict verdict;
	} verdicts[] = {
	    {SECCOMP_RET_ALLOW, SP_POLICY_ALLOW},
	    {SECCOMP_RET_LOG, SP_POLICY_LOG},
	    {SECCOMP_RET_ERRNO, SP_POLICY_ERRNO},
	    {SECCOMP_RET_TRAP, SP_POLICY_TRAP},
	    {SECCOMP_RET_KILL_THREAD, SP_POLICY_KILL_THREAD},
	};

	settle(finding, SP_POLICY_KILL, 0, rule, NULL);
	for (size_t i = 0; i < SP_ELEMENTS(verdicts); i++)
		if (verdicts[i].action == (action & SECCOMP_RET_ACTION_FULL)) {
			finding->verdict = verdicts[i].verdict;
			finding->error = (int)(action & SECCOMP_RET_DATA);
		}
}

static int settle_call(struct search *s)
{
	struct sp_finding *finding = s->finding;

	if ((finding->call.action & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_USER_NOTIF)
		return intercepted(s);
	settle_action(finding, finding->call.action, finding->call.source);
	return 0;
}

/* ---- filters of others ---- */

static void run_foreign(struct search *s, const struct seccomp_data *data)
{
	const struct sp_policy *layers[SP_LAYERS_MAX];
	size_t count = sp_model_layers(s->subject->policy, layers);
	struct sp_finding *finding = s->finding;
	uint32_t strictest = finding->call.action;

	for (size_t layer = 0; layer < count; layer++)
		for (size_t i = 0; i < layers[layer]->extra_count; i++) {
			const struct sp_program *extra = &layers[layer]->extras[i];
			const struct sock_fprog program = {
			    .len = (unsigned short)(extra->length / sizeof(struct sock_filter)),
			    .filter = (struct sock_filter *)(void *)extra->bytes};
			struct sp_foreign_verdict *verdict =
			    &finding->foreign[finding->foreign_count++];

			struct sp_bpf_course course;

			verdict->action = sp_bpf_follow(&program, data, &course);
			verdict->at = course.at;
			/* Ours is the last that is loaded, and the later one stands where two are
			 * as strict. */
			if (sp_bpf_rank(verdict->action) < sp_bpf_rank(strictest) ||
			    (finding->foreign_won > 0 &&
			     sp_bpf_rank(verdict->action) == sp_bpf_rank(strictest))) {
				strictest = verdict->action;
				finding->foreign_won = finding->foreign_count;
			}
		}
}

/* What the kernel makes of the strictest, where that is none of ours. */
static void settle_foreign(struct sp_finding *finding)
{
	const struct sp_foreign_verdict *won;

	if (finding->foreign_won == 0)
		return;
	won = &finding->foreign[finding->foreign_won - 1];
	(void)snprintf(finding->foreign_rule, sizeof(finding->foreign_rule),
		       "filter %zu of others, instruction %zu", finding->foreign_won, won->at);
	settle_action(finding, won->action, finding->foreign_rule);
	/* Nobody listens to it, and nobody traces. */
	if ((won->action & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_USER_NOTIF ||
	    (won->action & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_TRACE)
		settle(finding, SP_POLICY_ERRNO, ENOSYS, finding->foreign_rule, NULL);
}

int sp_find(const struct sp_subject *subject, struct sp_reporter *reporter,
	    const struct sp_source *source, const struct sp_invocation *call,
	    struct sp_finding *ret)
{
	struct seccomp_data data = {.nr = call->nr, .arch = SP_AUDIT_ARCH};
	struct search search = {subject, reporter, source, call, NULL, ret, 0, 0};
	int r;

	*ret = (struct sp_finding){0};
	for (size_t i = 0; i < SP_ARGUMENTS; i++)
		data.args[i] = call->argument[i];
	r = sp_model_verdict(subject->policy, SP_FILTER_FLOOR, &data, &ret->call);
	if (r == 0)
		r = settle_call(&search);
	if (r == 0) {
		run_foreign(&search, &data);
		settle_foreign(ret);
	}
	if (r < 0)
		sp_finding_clear(ret);
	return r;
}

void sp_finding_clear(struct sp_finding *finding)
{
	free(finding->named[0].name);
	free(finding->named[1].name);
	*finding = (struct sp_finding){0};
}
