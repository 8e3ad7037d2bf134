/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/names.h"

#include <asm/prctl.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/ioprio.h>
#include <netinet/in.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>

#include "ipc/calls.h"
#include "ipc/util.h"

struct number_row {
	const char *name;
	int nr;
};

static const struct number_row new_calls[] = {
#define SP_NEW_CALL(name, nr) {#name, nr},
#include "policy/newcalls.def"
#undef SP_NEW_CALL
};

int sp_call_number(const char *name)
{
	int nr;

	for (size_t i = 0; i < SP_ELEMENTS(new_calls); i++)
		if (strcmp(new_calls[i].name, name) == 0)
			return new_calls[i].nr;
	nr = seccomp_syscall_resolve_name(name);
	if (nr == __NR_SCMP_ERROR)
		return SP_CALL_UNKNOWN;
	return nr < 0 || nr >= SP_NUMBERS ? SP_CALL_FOREIGN : nr;
}

const char *sp_call_name(int nr, char buffer[SP_CALL_NAME_MAX])
{
	_cleanup_free_ char *name = NULL;

	for (size_t i = 0; i < SP_ELEMENTS(new_calls); i++)
		if (new_calls[i].nr == nr)
			return new_calls[i].name;
	name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, nr);
	if (!name)
		return NULL;
	snprintf(buffer, SP_CALL_NAME_MAX, "%s", name);
	return buffer;
}

static const struct {
	enum sp_call_class class;
	const char *names;
} classes[] = {
#define SP_CLASS(class, names) {SP_CLASS_##class, names},
#include "policy/classes.def"
#undef SP_CLASS
};

static bool list_has(const char *list, const char *word)
{
	size_t length = strlen(word);

	for (const char *at = list; (at = strstr(at, word)); at += length)
		if ((at == list || at[-1] == ' ') && (at[length] == ' ' || at[length] == '\0'))
			return true;
	return false;
}

enum sp_call_class sp_call_class(int nr)
{
	char buffer[SP_CALL_NAME_MAX];
	const char *name = sp_call_name(nr, buffer);

	if (sp_call_find(nr))
		return SP_CLASS_BROKERED;
	for (size_t i = 0; name && i < SP_ELEMENTS(classes); i++)
		if (list_has(classes[i].names, name))
			return classes[i].class;
	return SP_CLASS_ORDINARY;
}

struct argument_row {
	const char *call;
	struct {
		const char *name;
		unsigned bits;
	} argument[SP_ARGUMENTS];
};

static const struct argument_row argument_rows[] = {
#define I(name)                                                                                    \
	{                                                                                          \
#name, 32                                                                          \
	}
#define L(name)                                                                                    \
	{                                                                                          \
#name, 64                                                                          \
	}
#define SP_CALL_ARGUMENTS(call, ...) {#call, {__VA_ARGS__}},
#include "policy/arguments.def"
#undef SP_CALL_ARGUMENTS
#undef I
#undef L
};

static const struct argument_row *find_arguments(int nr)
{
	char buffer[SP_CALL_NAME_MAX];
	const char *name = sp_call_name(nr, buffer);

	for (size_t i = 0; name && i < SP_ELEMENTS(argument_rows); i++)
		if (strcmp(argument_rows[i].call, name) == 0)
			return &argument_rows[i];
	return NULL;
}

const char *sp_argument_name(int nr, size_t index)
{
	const struct argument_row *row = find_arguments(nr);

	return row && index < SP_ARGUMENTS ? row->argument[index].name : NULL;
}

bool sp_argument_find(int nr, const char *name, unsigned *ret_index, unsigned *ret_bits)
{
	const struct argument_row *row = find_arguments(nr);

	for (unsigned i = 0; row && i < SP_ARGUMENTS && row->argument[i].name; i++) {
		if (strcmp(row->argument[i].name, name) != 0)
			continue;
		*ret_index = i;
		*ret_bits = row->argument[i].bits;
		return true;
	}
	return false;
}

static const struct {
	const char *name, *members;
} groups[] = {
#define SP_GROUP(name, members) {name, members},
#include "policy/groups.def"
#undef SP_GROUP
};

const char *sp_group_members(const char *name)
{
	for (size_t i = 0; i < SP_ELEMENTS(groups); i++)
		if (strcmp(groups[i].name, name) == 0)
			return groups[i].members;
	return NULL;
}

static const struct {
	const char *name;
	uint64_t value;
} constants[] = {
#define SP_CONSTANT(name) {#name, (uint64_t)(name)},
#include "policy/constants.def"
#undef SP_CONSTANT
};

bool sp_constant_find(const char *name, uint64_t *ret_value)
{
	for (size_t i = 0; i < SP_ELEMENTS(constants); i++) {
		if (strcmp(constants[i].name, name) != 0)
			continue;
		*ret_value = constants[i].value;
		return true;
	}
	return false;
}

/* glibc knows every errno by name; these are its second names. */
static const struct number_row second_errnos[] = {
    {"EWOULDBLOCK", EWOULDBLOCK}, {"EDEADLOCK", EDEADLOCK}, {"ENOTSUP", ENOTSUP}};

#define ERRNO_LAST EHWPOISON

bool sp_errno_find(const char *name, int *ret_error)
{
	const char *candidate;

	for (size_t i = 0; (candidate = sp_candidate_errno(i, NULL)); i++) {
		if (strcmp(candidate, name) != 0)
			continue;
		*ret_error = i < ERRNO_LAST ? (int)i + 1 : second_errnos[i - ERRNO_LAST].nr;
		return true;
	}
	return false;
}

const char *sp_candidate_errno(size_t index, const void *unused)
{
	const char *name;

	(void)unused;
	if (index < ERRNO_LAST) {
		name = strerrorname_np((int)index + 1);
		return name ? name : "";
	}
	index -= ERRNO_LAST;
	return index < SP_ELEMENTS(second_errnos) ? second_errnos[index].name : NULL;
}

const char *sp_candidate_call(size_t index, const void *unused)
{
	static _Thread_local char buffer[SP_CALL_NAME_MAX];
	const char *name;

	(void)unused;
	if (index >= SP_NUMBERS)
		return NULL;
	name = sp_call_name((int)index, buffer);
	return name ? name : "";
}

const char *sp_candidate_group(size_t index, const void *unused)
{
	(void)unused;
	return index < SP_ELEMENTS(groups) ? groups[index].name : NULL;
}

const char *sp_candidate_constant(size_t index, const void *unused)
{
	(void)unused;
	return index < SP_ELEMENTS(constants) ? constants[index].name : NULL;
}

const char *sp_candidate_argument(size_t index, const void *nr)
{
	return sp_argument_name(*(const int *)nr, index);
}
