/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of names, as <sallyport/policy.h> shows them to programs that write policies. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sallyport/policy.h>

#include "ipc/util.h"
#include "policy/diagnostic.h"
#include "policy/export.h"
#include "policy/filter.h"
#include "policy/names.h"

_Static_assert(SP_POLICY_ARGUMENTS == SP_ARGUMENTS, "a call has six arguments");
_Static_assert(sizeof(((struct sp_policy_call *)0)->name) == SP_CALL_NAME_MAX, "names fit");

/* ---- groups ---- */

SP_EXPORT const char *sp_policy_group_name(size_t index)
{
	return sp_candidate_group(index, NULL);
}

SP_EXPORT const char *sp_policy_group_nearest(const char *group)
{
	return sp_nearest(group, sp_candidate_group, NULL);
}

/* Which numbers the members have. */
static int mark_members(const char *members, bool present[SP_NUMBERS])
{
	_cleanup_free_ char *copy = strdup(members);
	char *rest = copy, *name;

	if (!copy)
		return -ENOMEM;
	while ((name = strsep(&rest, " "))) {
		int nr = sp_call_number(name);

		if (nr >= 0)
			present[nr] = true;
	}
	return 0;
}

static int compare_names(const void *left, const void *right)
{
	return strcmp(left, right);
}

static size_t sorted_names(const bool present[SP_NUMBERS], char names[][SP_CALL_NAME_MAX])
{
	size_t count = 0;

	for (int nr = 0; nr < SP_NUMBERS; nr++)
		if (present[nr])
			snprintf(names[count++], SP_CALL_NAME_MAX, "%s", sp_call_name(nr));
	qsort(names, count, SP_CALL_NAME_MAX, compare_names);
	return count;
}

SP_EXPORT int sp_policy_group_members(const char *group, char **ret_members)
{
	const char *members = sp_group_members(group);
	bool present[SP_NUMBERS] = {};
	_cleanup_free_ char(*names)[SP_CALL_NAME_MAX] = NULL;
	char *text, *at;
	int r;

	if (!members)
		return -ENOENT;
	r = mark_members(members, present);
	if (r < 0)
		return r;
	names = calloc(SP_NUMBERS, sizeof(*names));
	text = at = calloc(SP_NUMBERS, sizeof(*names));
	if (!names || !text) {
		free(text);
		return -ENOMEM;
	}
	for (size_t i = 0, count = sorted_names(present, names); i < count; i++)
		at += sprintf(at, "%s\n", names[i]);
	*ret_members = text;
	return 0;
}

/* ---- calls ---- */

static const enum sp_policy_standing standings[] = {
    [SP_CLASS_ORDINARY] = SP_POLICY_CALL_ORDINARY, [SP_CLASS_BROKERED] = SP_POLICY_CALL_BROKERED,
    [SP_CLASS_NAMING] = SP_POLICY_CALL_REFUSED,    [SP_CLASS_FORBIDDEN] = SP_POLICY_CALL_REFUSED,
    [SP_CLASS_NESTED] = SP_POLICY_CALL_ORDINARY,   [SP_CLASS_ALWAYS] = SP_POLICY_CALL_ALWAYS,
    [SP_CLASS_CLONE3] = SP_POLICY_CALL_REFUSED,
};

SP_EXPORT int sp_policy_call_at(int number, struct sp_policy_call *ret_call)
{
	struct sp_policy_call call = {.number = number};
	const char *name = sp_call_name(number);
	unsigned index;

	if (!name)
		return -ENOENT;
	snprintf(call.name, sizeof(call.name), "%s", name);
	call.standing = sp_filter_always_allows(number) ? SP_POLICY_CALL_ALWAYS
							: standings[sp_call_class(number)];
	for (unsigned i = 0; i < SP_ARGUMENTS; i++) {
		call.argument[i] = sp_argument_name(number, i);
		if (!call.argument[i])
			break;
		sp_argument_find(number, call.argument[i], &index, &call.bits[i]);
	}
	*ret_call = call;
	return 0;
}

SP_EXPORT int sp_policy_call_find(const char *name, struct sp_policy_call *ret_call)
{
	int number = sp_call_number(name);

	if (number == SP_CALL_FOREIGN)
		return -ENOSYS;
	return sp_policy_call_at(number, ret_call);
}

/* ---- constants ---- */

SP_EXPORT int sp_policy_constant(const char *name, uint64_t *ret_value)
{
	return sp_constant_find(name, ret_value) ? 0 : -ENOENT;
}

SP_EXPORT int sp_policy_value(int number, unsigned argument, uint64_t value, char *buffer,
			      size_t size)
{
	char name[SP_VALUE_NAME_MAX];

	if (size == 0)
		return -EINVAL;
	snprintf(buffer, size, "%s", sp_value_name(number, argument, value, name));
	return 0;
}
