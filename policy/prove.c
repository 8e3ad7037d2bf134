/* SPDX-License-Identifier: Apache-2.0 */
/* Statements about a policy, proved for all names and all arguments. */
#include <errno.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/util.h"
#include "policy/addresses.h"
#include "policy/arguments.h"
#include "policy/explain.h"
#include "policy/export.h"
#include "policy/glob.h"
#include "policy/interpret.h"
#include "policy/names.h"
#include "policy/print.h"
#include "policy/rights.h"
#include "policy/universe.h"

struct proof {
	struct sp_reporter *reporter;
	struct sp_source source;
	size_t at;
	struct sp_subject subject;
	FILE *out;
	bool never;
	bool failed; /* a counterexample was found */
	/* About names: */
	uint32_t rights;
	int pattern;
	const struct sp_address *address; /* about addresses: NULL: all */
	/* About calls: */
	int nr;
	struct sp_judge *judge;
	const struct sp_condition *where; /* NULL: always */
};

static int mistake(struct proof *proof, size_t start, size_t length, const char *suggestion,
		   const char *message)
{
	sp_report_error(proof->reporter, &proof->source, sp_place_at(&proof->source, start, length),
			suggestion, "%s", message);
	return -EINVAL;
}

/* ---- words ---- */

static void skip_blanks(struct proof *proof)
{
	proof->at += strspn(proof->source.text + proof->at, " \t");
}

/* The length of the word at hand. */
static size_t word_length(const struct proof *proof)
{
	return strcspn(proof->source.text + proof->at, " \t,(");
}

static char *copy_word(const struct proof *proof)
{
	return strndup(proof->source.text + proof->at, word_length(proof));
}

/* ---- about names ---- */

/* It is not the rules that break the statement. */
static bool is_edited(const struct proof *proof, const struct sp_path_decision *decision,
		      uint32_t right)
{
	return proof->never ? !((decision->rights | decision->ask) & right)
			    : (decision->rights & right) != 0;
}

static void tell_name(struct proof *proof, const char *name, uint32_t right,
		      const struct sp_path_decision *decision)
{
	const char *rule = sp_winning_rule(proof->subject.rules, name, right), *line;
	size_t length = rule ? sp_model_line(proof->subject.policy, rule, &line) : 0;
	_cleanup_free_ char *copy = length > 0 ? strndup(line, length) : NULL;

	(void)fprintf(proof->out, "  %s ", sp_right_name(right));
	sp_print_visible(proof->out, name);
	if (is_edited(proof, decision, right)) {
		(void)fprintf(proof->out, " may be %s while it runs\n  by an edit: ",
			      proof->never ? "granted" : "revoked");
		sp_print_visible(proof->out, proof->subject.policy->editable.source);
		(void)fputs(" says `editable`\n", proof->out);
		return;
	}
	(void)fputs(decision->rights & right ? " is granted"
		    : decision->ask & right  ? " is left to the application"
					     : " is denied",
		    proof->out);
	(void)fputs("\n  by ", proof->out);
	sp_print_visible(proof->out, rule ? rule : "no rule: what none grants is refused");
	if (copy) {
		(void)fputs("\n        | ", proof->out);
		sp_print_visible(proof->out, copy);
	}
	(void)fputc('\n', proof->out);
}

static int check_name(const char *name, size_t length, const int *matched, size_t count, void *data)
{
	struct proof *proof = data;
	struct sp_path_decision decision;
	bool covered = proof->pattern < 0;
	uint32_t bad;

	for (size_t i = 0; i < count; i++)
		covered |= matched[i] == proof->pattern;
	if (!covered)
		return 0;
	sp_rules_decide(proof->subject.rules, name, length, &decision);
	bad = proof->rights & (proof->never ? decision.rights | decision.ask : ~decision.rights);
	/* What may be edited later is not proved. */
	if (!bad && proof->never)
		bad = proof->rights & sp_rules_givable_at(proof->subject.rules, name, length);
	else if (!bad && proof->subject.policy->editable.set)
		bad = proof->rights;
	if (!bad)
		return 0;
	proof->failed = true;
	tell_name(proof, name, bad & -bad, &decision);
	return 1;
}

static int add_pattern(const struct sp_rules_match *match, void *data)
{
	int r = sp_universe_add(data, match->pattern);

	return r < 0 ? r : 0;
}

/* `pattern` NULL: all names. */
static int prove_names(struct proof *proof, const char *pattern)
{
	struct sp_universe *universe = sp_universe_new();
	int r = universe ? 0 : -ENOMEM;

	if (r == 0)
		r = sp_rules_each(proof->subject.rules, add_pattern, universe);
	if (r == 0)
		r = sp_rules_each_edit_bound(proof->subject.rules, add_pattern, universe);
	proof->pattern = -1;
	if (r == 0 && pattern)
		proof->pattern = r = sp_universe_add(universe, pattern);
	if (r >= 0)
		r = sp_universe_walk(universe, check_name, proof);
	sp_universe_free(universe);
	return r > 0 ? 0 : r;
}

/* ---- about addresses ---- */

static int check_address(const struct sp_address *address, void *data)
{
	struct proof *proof = data;
	char text[SP_ADDRESS_TEXT_MAX];
	struct sp_address_decision decision;

	if (proof->address && !sp_address_holds(proof->address, address))
		return 0;
	sp_rules_decide_address(proof->subject.rules, address, &decision);
	if ((decision.error == 0) != proof->never)
		return 0;
	proof->failed = true;
	(void)fprintf(proof->out, "  connect tcp %s is %s\n  by ", sp_address_print(address, text),
		      decision.error ? "denied" : "granted");
	sp_print_visible(proof->out,
			 decision.rule ? decision.rule : "no rule: what none grants is refused");
	(void)fputc('\n', proof->out);
	return 1;
}

/* `pattern` NULL: all addresses. */
static int prove_addresses(struct proof *proof, const struct sp_address *pattern)
{
	struct sp_addresses *addresses = sp_addresses_new();
	int r = addresses ? sp_addresses_add_rules(addresses, proof->subject.rules) : -ENOMEM;

	proof->address = pattern;
	if (r == 0 && pattern)
		r = sp_addresses_add(addresses, pattern);
	if (r == 0)
		r = sp_addresses_walk(addresses, check_address, proof);
	sp_addresses_free(addresses);
	return r > 0 ? 0 : r;
}

/* "tcp" and an address, which is the rest of the statement. */
static int prove_tcp(struct proof *proof)
{
	const char *wrong;
	struct sp_address address;
	size_t offset;

	proof->at += strlen("tcp");
	skip_blanks(proof);
	if (!sp_address_read(proof->source.text + proof->at, &address, &wrong, &offset))
		return mistake(proof, proof->at + offset, 1, NULL, wrong);
	return prove_addresses(proof, &address);
}

static int prove_ordinary(struct proof *proof);

/* Any name, any address, and what the kernel may do by itself. */
static int prove_reached(struct proof *proof)
{
	bool connects = proof->rights == SP_RIGHT_CONNECT;
	int r = prove_names(proof, NULL);

	if (r == 0 && !proof->failed && connects)
		r = prove_addresses(proof, NULL);
	if (r < 0 || proof->failed || !proof->never)
		return r;
	proof->nr = sp_call_number(connects ? "connect" : "bind");
	return prove_ordinary(proof);
}

/* The pattern is the rest of the statement. */
static int read_pattern(struct proof *proof, char **ret_pattern)
{
	const char *start = proof->source.text + proof->at, *wrong;
	size_t length = strlen(start), offset, before = proof->at;
	bool quoted = start[0] == '"';

	while (length > 0 && strchr(" \t", start[length - 1]))
		length--;
	if (quoted && (length < 2 || start[length - 1] != '"'))
		return mistake(proof, proof->at, 1, NULL, "the string has no end");
	start += quoted;
	before += quoted;
	length -= 2 * (size_t)quoted;
	wrong = sp_glob_mistake((struct sp_text){start, length}, &offset);
	if (wrong)
		return mistake(proof, before + offset, 1, NULL, wrong);
	*ret_pattern = strndup(start, length);
	return *ret_pattern ? 0 : -ENOMEM;
}

/* "read, write": false where the statement is not about rights. */
static bool read_rights(struct proof *proof)
{
	size_t start = proof->at;

	for (;;) {
		_cleanup_free_ char *word = copy_word(proof);
		uint32_t right = word ? sp_right_find(word) : 0;

		if (right == 0)
			break;
		/* Some rights are called as calls are: with a condition it is the call. */
		if (proof->rights == 0 && proof->source.text[start + strlen(word)] == '(')
			break;
		proof->rights |= right;
		proof->at += strlen(word);
		skip_blanks(proof);
		if (proof->source.text[proof->at] != ',')
			return true;
		proof->at++;
		skip_blanks(proof);
	}
	/* The first word is none: it may be a call; a later one is a mistake of its own. */
	if (proof->rights == 0)
		proof->at = start;
	return proof->rights != 0;
}

static int prove_rights(struct proof *proof)
{
	_cleanup_free_ char *pattern = NULL;
	const char *rest = proof->source.text + proof->at;
	int r;

	if ((proof->rights == SP_RIGHT_CONNECT || proof->rights == SP_RIGHT_BIND) && !*rest)
		return prove_reached(proof);
	if (proof->rights == SP_RIGHT_CONNECT && strncmp(rest, "tcp ", strlen("tcp ")) == 0)
		return prove_tcp(proof);
	if ((proof->rights == SP_RIGHT_CONNECT || proof->rights == SP_RIGHT_BIND) &&
	    strncmp(rest, "unix ", strlen("unix ")) == 0) {
		proof->at += strlen("unix");
		skip_blanks(proof);
	}

	if (proof->source.text[proof->at] != '/' && proof->source.text[proof->at] != '"') {
		_cleanup_free_ char *word = copy_word(proof);

		return mistake(proof, proof->at, word ? strlen(word) : 1,
			       word ? sp_nearest(word, sp_candidate_right, NULL) : NULL,
			       "expected a right, or an absolute path or pattern");
	}
	r = read_pattern(proof, &pattern);
	return r < 0 ? r : prove_names(proof, pattern);
}

/* ---- about calls ---- */

static void tell_call(struct proof *proof, const uint64_t argument[SP_ARGUMENTS],
		      const struct sp_verdict *verdict)
{
	char value[SP_VALUE_NAME_MAX];
	const char *line;
	size_t length = sp_model_line(proof->subject.policy, verdict->source, &line);
	_cleanup_free_ char *copy = length > 0 ? strndup(line, length) : NULL;

	(void)fprintf(proof->out, "  %s(", sp_call_name(proof->nr));
	for (unsigned i = 0; i < sp_call_arity(proof->nr) && sp_argument_name(proof->nr, i); i++)
		(void)fprintf(proof->out, "%s%s", i > 0 ? ", " : "",
			      sp_value_name(proof->nr, i, argument[i], value));
	(void)fputs(proof->never ? ") is allowed\n  by " : ") is refused\n  by ", proof->out);
	sp_print_visible(proof->out, verdict->source);
	if (copy) {
		(void)fputs("\n        | ", proof->out);
		sp_print_visible(proof->out, copy);
	}
	(void)fputc('\n', proof->out);
}

static int check_arguments(const uint64_t argument[SP_ARGUMENTS], struct sp_trace *trace,
			   void *data)
{
	struct proof *proof = data;
	struct sp_verdict verdict;
	uint32_t action;
	bool allowed;

	if (proof->where && !sp_condition_trace(proof->where, argument, trace))
		return 0;
	sp_judge_ask(proof->judge, argument, trace, &verdict);
	action = verdict.action & SECCOMP_RET_ACTION_FULL;
	allowed = action == SECCOMP_RET_ALLOW || action == SECCOMP_RET_LOG ||
		  (proof->never && sp_verdict_asks(&verdict)) ||
		  (action == SECCOMP_RET_USER_NOTIF && !proof->rights &&
		   sp_subject_brokers(&proof->subject, proof->nr, argument));
	if (allowed != proof->never)
		return 0;
	proof->failed = true;
	tell_call(proof, argument, &verdict);
	return 1;
}

static int prove_ordinary(struct proof *proof)
{
	int r = sp_judge_new(proof->subject.policy, SP_FILTER_FLOOR, proof->nr, &proof->judge);

	if (r == 0)
		r = sp_arguments_walk(check_arguments, proof);
	sp_judge_free(proof->judge);
	return r > 0 ? 0 : r;
}

/* A call that takes a name is possible where it is not refused, and has on some name what it needs. */
static int prove_brokered(struct proof *proof, size_t start)
{
	struct sp_call_refusal refusal;

	if (!proof->never)
		return mistake(proof, start, word_length(proof), NULL,
			       "the call takes a name: what is always allowed is a right, like "
			       "always read /usr/**");
	if (sp_rules_find_refusal(proof->subject.rules, proof->nr, &refusal))
		return 0;
	proof->rights = sp_operation_rights(sp_call_find(proof->nr)->operation);
	return prove_names(proof, NULL);
}

/* The condition is read by the policy's own parser: as the condition of a rule of a policy whose fourth
 * line is the statement, blanks standing for what is before the call. */
static int parse_condition(struct proof *proof, size_t start, struct sp_policy *policy)
{
	static const char before[] = "policy statement\nsyscalls {\ndeny unshare,\n",
			  after[] = "\n}\n";
	const char *text = proof->source.text;
	char *with = strstr(text + start, " with ");
	_cleanup_free_ char *whole = NULL;
	struct sp_source source = {.file = proof->source.file, .lines_before = 3};
	const struct sp_wanted wanted = {.policy = policy, .place = {4, 1, 1}};
	unsigned includes = 0, errors = proof->reporter->errors;
	int length = asprintf(&whole, "%s%*s%s%s%s", before, (int)start, "", text + start,
			      with ? ")" : "", after);
	int r;

	if (length < 0)
		return -ENOMEM;
	if (with) {
		char *at = whole + sizeof(before) - 1 + (with - text);

		memset(at, ' ', strlen(" with"));
		at[strlen(" with")] = '(';
	}
	source.text = whole;
	source.length = (size_t)length;
	r = sp_interpret(proof->reporter, &source, &wanted, &includes);
	return r < 0 ? r : proof->reporter->errors > errors ? -EINVAL : 0;
}

static const struct sp_condition *find_condition(const struct sp_policy *policy, int nr)
{
	for (size_t i = 0; i < policy->call_count; i++)
		if (policy->calls[i].nr == nr && policy->calls[i].condition)
			return policy->calls[i].condition;
	return NULL;
}

static void unref_policy(struct sp_policy **policy)
{
	sp_policy_unref(*policy);
}

static int prove_conditional(struct proof *proof, size_t start)
{
	_cleanup_(unref_policy) struct sp_policy *policy = sp_model_new();
	int r = policy ? parse_condition(proof, start, policy) : -ENOMEM;

	if (r < 0)
		return r;
	proof->where = find_condition(policy, proof->nr);
	return prove_ordinary(proof);
}

static int prove_call(struct proof *proof)
{
	_cleanup_free_ char *word = copy_word(proof);
	size_t start = proof->at, length = word ? strlen(word) : 0;

	if (!word)
		return -ENOMEM;
	proof->nr = sp_call_number(word);
	if (proof->nr < 0)
		return mistake(
		    proof, start, length, sp_nearest(word, sp_candidate_call, NULL),
		    proof->nr == SP_CALL_FOREIGN
			? "this architecture has no such call"
			: "expected a right, like never write /etc/**, or a system call");
	if (sp_call_class(proof->nr) == SP_CLASS_BROKERED &&
	    proof->source.text[start + length] == '\0')
		return prove_brokered(proof, start);
	proof->at += length;
	skip_blanks(proof);
	return proof->source.text[proof->at] ? prove_conditional(proof, start)
					     : prove_ordinary(proof);
}

/* ---- statements ---- */

static const char *candidate_quantifier(size_t index, const void *unused)
{
	static const char *const words[] = {"never", "always"};

	(void)unused;
	return index < SP_ELEMENTS(words) ? words[index] : NULL;
}

static int prove(struct proof *proof)
{
	_cleanup_free_ char *word = NULL;
	size_t start;

	skip_blanks(proof);
	start = proof->at;
	word = copy_word(proof);
	if (!word)
		return -ENOMEM;
	proof->never = strcmp(word, "never") == 0;
	if (!proof->never && strcmp(word, "always") != 0)
		return mistake(proof, start, *word ? strlen(word) : 1,
			       sp_nearest(word, candidate_quantifier, NULL),
			       "a statement begins with \"never\" or \"always\"");
	proof->at += strlen(word);
	skip_blanks(proof);
	return read_rights(proof) ? prove_rights(proof) : prove_call(proof);
}

/* Spaces at the end mean nothing. */
static char *trimmed(const char *statement)
{
	size_t length = strlen(statement);

	while (length > 0 && strchr(" \t\n", statement[length - 1]))
		length--;
	return strndup(statement, length);
}

static int prove_into(struct proof *proof, struct sp_policy *policy, char **ret_text)
{
	char *text = NULL;
	size_t length;
	int r = sp_subject_open(policy, &proof->subject);

	if (r < 0)
		return r;
	proof->out = open_memstream(&text, &length);
	if (!proof->out)
		return -ENOMEM;
	r = prove(proof);
	if (r == 0 && !proof->failed)
		(void)fprintf(proof->out, "  for all %s\n", proof->rights ? "names" : "arguments");
	if (r == 0 && !proof->failed && !proof->never && policy->extra_count > 0)
		(void)fputs("  but for what filters of others take away\n", proof->out);
	if (fclose(proof->out) != 0 && r == 0)
		r = -ENOMEM;
	if (r < 0)
		free(text);
	else
		*ret_text = text;
	return r < 0 ? r : !proof->failed;
}

SP_EXPORT int sp_policy_prove(struct sp_policy *policy, const char *statement,
			      sp_diagnostic_fn *on_diagnostic, void *data, char **ret_text)
{
	_cleanup_free_ char *text = trimmed(statement);
	struct sp_reporter reporter = {.fn = on_diagnostic, .data = data};
	struct proof proof = {.reporter = &reporter};
	int r;

	if (!text)
		return -ENOMEM;
	proof.source =
	    (struct sp_source){.file = "statement", .text = text, .length = strlen(text)};
	r = prove_into(&proof, policy, ret_text);
	sp_subject_close(&proof.subject);
	return r;
}
