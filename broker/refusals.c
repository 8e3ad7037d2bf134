// SPDX-License-Identifier: Apache-2.0
/*
 * Decisions on names, and what is refused by them: told to the caller, left to the application, or, where a call is only
 * judged, noted.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "broker/answers.h"
#include "broker/walker.h"

/* A name below that of a directory that was only passed through tells all that there is to tell. */
static bool supersedes(const char *name, const struct sp_refusal *earlier)
{
	size_t length = strlen(earlier->name);

	if (!earlier->lookup || earlier->missing || strncmp(name, earlier->name, length) != 0)
		return false;
	return length == 1 || name[length] == '/';
}

/* What is missing on a name is noted with the lookup that is refused already, which is what the caller would have met. */
static struct sp_refusal *find_noted(struct sp_judgement *judgement, const struct sp_refusal *new)
{
	for (size_t i = 0; i < judgement->count; i++) {
		struct sp_refusal *noted = &judgement->refusals[i];

		if ((new->lookup || new->missing) && (noted->lookup || noted->missing) &&
		    strcmp(noted->name, new->name) == 0)
			return noted;
	}
	return NULL;
}

static void note(struct sp_judgement *judgement, const struct sp_refusal *new)
{
	struct sp_refusal *noted = find_noted(judgement, new);
	struct sp_refusal *last = judgement->refusals + judgement->count;

	if (noted) {
		noted->missing |= new->missing;
		return;
	}
	if (judgement->count > 0 &&
	    (judgement->count == SP_REFUSALS_MAX || supersedes(new->name, last - 1)))
		last--;
	else
		judgement->count++;
	*last = *new;
}

/* The refusal that request->refusal holds. */
static int refuse(struct sp_request *request)
{
	if (!request->judgement)
		return -request->refusal->error;
	note(request->judgement, request->refusal);
	return 0;
}

static void fill_refusal(struct sp_request *request, const char *name,
			 const struct sp_path_decision *decision, int error, const char *detail)
{
	struct sp_refusal *refusal = request->refusal;

	refusal->error = error;
	(void)snprintf(refusal->name, sizeof(refusal->name), "%s", *name ? name : "/");
	refusal->rule = decision ? decision->rule : NULL;
	refusal->detail = detail;
	refusal->ask = 0;
	refusal->missing = 0;
	refusal->lookup = false;
}

int sp_refuse(struct sp_request *request, const char *name, const struct sp_path_decision *decision,
	      int error, const char *detail)
{
	fill_refusal(request, name, decision, error, detail);
	return refuse(request);
}

int sp_refuse_lookup(struct sp_request *request, const char *name,
		     const struct sp_path_decision *decision)
{
	fill_refusal(request, name, decision, decision->error, "outside of what the policy grants");
	request->refusal->lookup = true;
	return refuse(request);
}

int sp_refuse_finally(struct sp_request *request, const char *name,
		      const struct sp_path_decision *decision, int error, const char *detail)
{
	(void)sp_refuse(request, name, decision, error, detail);
	return -error;
}

void sp_note_change(struct sp_request *request, const struct sp_walk *walk, const char *detail)
{
	if (request->judgement)
		(void)sp_refuse(request, walk->name, NULL, EPERM, detail);
}

void sp_note_mode(struct sp_request *request, const struct sp_walk *walk, uint64_t mode)
{
	if (mode & (S_ISUID | S_ISGID | S_ISVTX))
		sp_note_change(request, walk, "set-id and sticky bits are left out");
}

bool sp_is_refused(const struct sp_request *request, int r)
{
	return r < 0 || (request->judgement && request->judgement->count > 0);
}

void sp_forgive(struct sp_request *request)
{
	request->refusal->error = 0;
	request->refusal->ask = 0;
	if (request->judgement)
		request->judgement->count = 0;
}

int sp_refuse_right(struct sp_request *request, const char *name,
		    const struct sp_path_decision *decision, uint32_t missing)
{
	fill_refusal(request, name, decision, decision->error, sp_right_lack(missing));
	request->refusal->missing = missing;
	return refuse(request);
}

/* Nothing has been done yet: the call can be made again when the application has answered. */
static int refuse_unasked(struct sp_request *request, const struct sp_walk *walk, uint32_t missing)
{
	int r = sp_refuse(request, walk->name, &walk->decision, EACCES, SP_NOT_ALLOWED);

	request->refusal->ask = missing;
	request->refusal->rule = walk->decision.ask_rule;
	return r;
}

int sp_require(struct sp_request *request, const struct sp_walk *walk, uint32_t needed)
{
	const struct sp_path_decision *decision = &walk->decision;
	uint32_t missing = needed & ~decision->rights;

	/* Who only judges asks nobody. */
	if (missing && !request->judgement && !(missing & ~decision->ask))
		return refuse_unasked(request, walk, missing);
	if (missing && (missing & decision->refused))
		return sp_refuse(request, walk->name, decision, EACCES, SP_NOT_ALLOWED);
	return missing ? sp_refuse_right(request, walk->name, decision, missing) : 0;
}

int sp_require_no_more(struct sp_request *request, const struct sp_walk *from,
		       const struct sp_walk *to)
{
	uint32_t asked = to->decision.ask & ~(from->decision.rights | from->decision.ask);

	/* What the application refused by the old name it is not asked about by the new one. */
	if ((to->decision.rights & ~from->decision.rights) || asked)
		return sp_refuse(request, to->name, &to->decision, EXDEV,
				 "the new name has more rights");
	return 0;
}

void sp_decide(const struct sp_request *request, const char *name, size_t length,
	       struct sp_path_decision *ret_decision)
{
	if (length == 0) {
		name = "/";
		length = 1;
	}
	sp_rules_decide(request->rules, name, length, ret_decision);
	if (ret_decision->ask)
		sp_answers_apply(request->caller->answers, name, length, ret_decision);
}

bool sp_is_writable(const struct sp_request *request, const struct sp_walk *walk)
{
	struct sp_path_decision decision;

	sp_rules_decide(request->rules, walk->name, walk->length, &decision);
	return decision.standing == SP_STANDING_INSIDE && (decision.rights & SP_RIGHT_WRITE);
}
