/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/print.h"

#include <inttypes.h>
#include <linux/seccomp.h>
#include <string.h>

#include "policy/names.h"

void sp_print_json(FILE *out, const char *text)
{
	(void)fputc('"', out);
	for (; *text; text++) {
		unsigned char byte = (unsigned char)*text;

		if (byte == '"' || byte == '\\')
			(void)fprintf(out, "\\%c", byte);
		else if (byte < 0x20 || byte > 0x7e)
			(void)fprintf(out, "\\\\x%02x", byte);
		else
			(void)fputc(byte, out);
	}
	(void)fputc('"', out);
}

void sp_print_visible(FILE *out, const char *text)
{
	for (; *text; text++) {
		unsigned char byte = (unsigned char)*text;

		if (byte < 0x20 || byte > 0x7e)
			(void)fprintf(out, "\\x%02x", byte);
		else
			(void)fputc(byte, out);
	}
}

/* ---- conditions ---- */

static void print_argument(FILE *out, int nr, unsigned argument)
{
	const char *name = sp_argument_name(nr, argument);

	if (name)
		(void)fputs(name, out);
	else
		(void)fprintf(out, "argument %u", argument + 1);
}

static void print_value(FILE *out, int nr, unsigned argument, uint64_t value)
{
	char buffer[SP_VALUE_NAME_MAX];

	(void)fputs(sp_value_name(nr, argument, value, buffer), out);
}

static void print_mask(FILE *out, int nr, unsigned argument, uint64_t mask)
{
	char buffer[SP_VALUE_NAME_MAX];
	const char *name = sp_value_name(nr, argument, mask, buffer);

	if (name[0] == '-')
		(void)fprintf(out, "0x%" PRIx64, mask);
	else
		(void)fputs(name, out);
}

/* Such as the runtime compares of 32-bit arguments, of which constants have no name. */
static bool is_half(uint64_t mask)
{
	return mask > UINT32_MAX && (uint32_t)mask == 0;
}

/* Unsigned, since that is how arguments are ordered: no name, no minus. */
static void print_test(FILE *out, int nr, const struct sp_test *test, bool holds)
{
	uint64_t whole = test->wide ? UINT64_MAX : UINT32_MAX;

	print_argument(out, nr, test->argument);
	if (test->kind == SP_TEST_BELOW) {
		(void)fprintf(out, test->value < 4096 ? " %s %" PRIu64 : " %s 0x%" PRIx64,
			      holds ? "<" : ">=", test->value);
		return;
	}
	if (is_half(test->mask)) {
		(void)fprintf(out, " & 0x%" PRIx64 " %s 0x%" PRIx64, test->mask,
			      holds ? "==" : "!=", test->value);
		return;
	}
	if ((test->mask & whole) != whole) {
		(void)fputs(" & ", out);
		print_mask(out, nr, test->argument, test->mask & whole);
	}
	(void)fputs(holds ? " == " : " != ", out);
	print_value(out, nr, test->argument, test->value);
}

/* How strongly the parts of an expression hold together. */
enum strength { STRENGTH_OR, STRENGTH_AND, STRENGTH_NOT };

/* NOLINTNEXTLINE(misc-no-recursion): as deep as the condition */
static void print(FILE *out, int nr, const struct sp_condition *condition, enum strength around)
{
	enum strength own = condition->kind == SP_CONDITION_OR ? STRENGTH_OR : STRENGTH_AND;

	if (condition->kind == SP_CONDITION_TEST) {
		print_test(out, nr, &condition->test, true);
	} else if (condition->kind == SP_CONDITION_NOT) {
		if (condition->left->kind == SP_CONDITION_TEST) {
			print_test(out, nr, &condition->left->test, false);
			return;
		}
		(void)fputs("not ", out);
		print(out, nr, condition->left, STRENGTH_NOT);
	} else {
		if (own < around)
			(void)fputc('(', out);
		print(out, nr, condition->left, own);
		(void)fputs(own == STRENGTH_OR ? " or " : " and ", out);
		print(out, nr, condition->right, own);
		if (own < around)
			(void)fputc(')', out);
	}
}

void sp_print_condition(FILE *out, int nr, const struct sp_condition *condition)
{
	print(out, nr, condition, STRENGTH_OR);
}

/* ---- actions ---- */

void sp_print_errno(FILE *out, int error)
{
	const char *name = strerrorname_np(error);

	if (name && error > 0)
		(void)fputs(name, out);
	else
		(void)fprintf(out, "%d", error);
}

void sp_print_action(FILE *out, enum sp_action action, int error)
{
	static const char *const words[] = {
	    [SP_ACTION_NONE] = "nothing",  [SP_ACTION_ALLOW] = "allow",
	    [SP_ACTION_LOG] = "log",       [SP_ACTION_ASK] = "ask",
	    [SP_ACTION_BROKER] = "broker", [SP_ACTION_DENY] = "deny as ",
	    [SP_ACTION_ERRNO] = "errno ",  [SP_ACTION_TRAP] = "trap ",
	    [SP_ACTION_KILL] = "kill",     [SP_ACTION_KILL_THREAD] = "kill thread",
	};

	(void)fputs(words[action], out);
	if (action == SP_ACTION_DENY || action == SP_ACTION_ERRNO)
		sp_print_errno(out, error);
	else if (action == SP_ACTION_TRAP)
		(void)fprintf(out, "%d", error);
}

void sp_print_kernel_action(FILE *out, uint32_t action)
{
	uint32_t data = action & SECCOMP_RET_DATA;

	switch (action & SECCOMP_RET_ACTION_FULL) {
	case SECCOMP_RET_ALLOW:
		(void)fputs("allow", out);
		break;
	case SECCOMP_RET_LOG:
		(void)fputs("log", out);
		break;
	case SECCOMP_RET_ERRNO:
		(void)fputs("errno ", out);
		sp_print_errno(out, (int)data);
		break;
	case SECCOMP_RET_TRAP:
		(void)fputs(data ? "trap " : "trap to the runtime", out);
		if (data)
			(void)fprintf(out, "%u", data);
		break;
	case SECCOMP_RET_USER_NOTIF:
		(void)fputs("notify the porter", out);
		break;
	case SECCOMP_RET_KILL_THREAD:
		(void)fputs("kill thread", out);
		break;
	default:
		(void)fputs("kill", out);
		break;
	}
}

/* ---- paths ---- */

void sp_print_rights(FILE *out, uint32_t rights)
{
	const char *separator = "";

	if (rights == 0)
		(void)fputs("deny", out);
	for (uint32_t right = 1; right <= rights; right <<= 1)
		if (rights & right) {
			(void)fprintf(out, "%s%s", separator, sp_right_name(right));
			separator = ", ";
		}
}

bool sp_print_pattern(FILE *out, const char *pattern)
{
	bool quoted = strpbrk(pattern, " ,;{}#()&|<>=!$");

	if (strchr(pattern, '"'))
		return false;
	if (quoted)
		(void)fputc('"', out);
	for (; *pattern; pattern++)
		(void)fprintf(out, *pattern == '$' ? "$$" : "%c", *pattern);
	if (quoted)
		(void)fputc('"', out);
	return true;
}
