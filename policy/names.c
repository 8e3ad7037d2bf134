/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/names.h"

#include <asm/prctl.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <linux/falloc.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <linux/fsverity.h>
#include <linux/futex.h>
#include <linux/if_tun.h>
#include <linux/ioprio.h>
#include <linux/kcmp.h>
#include <linux/kd.h>
#include <linux/keyctl.h>
#include <linux/kvm.h>
#include <linux/landlock.h>
#include <linux/loop.h>
#include <linux/membarrier.h>
#include <linux/mempolicy.h>
#include <linux/netlink.h>
#include <linux/nsfs.h>
#include <linux/perf_event.h>
#include <linux/random.h>
#include <linux/rtc.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <linux/sockios.h>
#include <linux/uinput.h>
#include <linux/userfaultfd.h>
#include <linux/vt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sched.h>
#include <scsi/sg.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/personality.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

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

static const struct {
	enum sp_call_class class;
	const char *names;
} classes[] = {
#define SP_CLASS(class, names) {SP_CLASS_##class, names},
#include "policy/classes.def"
#undef SP_CLASS
};

/*
 * What is known of each number. libseccomp allocates each name that it is asked for, and a launch asks for some
 * thousands: once is enough. Written once, by whichever thread comes first; const from there on.
 */
static struct number {
	char name[SP_CALL_NAME_MAX];
	enum sp_call_class class;
} numbers[SP_NUMBERS];
static pthread_once_t numbers_once = PTHREAD_ONCE_INIT;

static void name_number(int nr)
{
	_cleanup_free_ char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, nr);

	if (name)
		snprintf(numbers[nr].name, SP_CALL_NAME_MAX, "%s", name);
}

/* One of the words of classes.def. */
static void class_number(const char *word, size_t length, enum sp_call_class class)
{
	char name[SP_CALL_NAME_MAX];
	int nr;

	snprintf(name, sizeof(name), "%.*s", (int)length, word);
	nr = sp_call_number(name);
	if (nr >= 0)
		numbers[nr].class = class;
}

static void class_numbers(void)
{
	for (size_t i = 0; i < SP_ELEMENTS(classes); i++)
		for (const char *word = classes[i].names; *word;) {
			size_t length = strcspn(word, " ");

			class_number(word, length, classes[i].class);
			word += length + strspn(word + length, " ");
		}
	for (int nr = 0; nr < SP_NUMBERS; nr++)
		if (sp_call_find(nr) && !sp_call_is_conditional(sp_call_find(nr)))
			numbers[nr].class = SP_CLASS_BROKERED;
}

static void fill_numbers(void)
{
	for (int nr = 0; nr < SP_NUMBERS; nr++)
		name_number(nr);
	for (size_t i = 0; i < SP_ELEMENTS(new_calls); i++)
		snprintf(numbers[new_calls[i].nr].name, SP_CALL_NAME_MAX, "%s", new_calls[i].name);
	class_numbers();
}

/* NULL where the kernel has no such number, and where it has not yet. */
static const struct number *find_number(int nr)
{
	if (nr < 0 || nr >= SP_NUMBERS)
		return NULL;
	(void)pthread_once(&numbers_once, fill_numbers);
	return &numbers[nr];
}

const char *sp_call_name(int nr)
{
	const struct number *number = find_number(nr);

	return number && number->name[0] ? number->name : NULL;
}

enum sp_call_class sp_call_class(int nr)
{
	const struct number *number = find_number(nr);

	return number ? number->class : SP_CLASS_ORDINARY;
}

/* ---- arguments ----------------------------------------------------------------------------------
 */

enum family {
	SP_FAMILY_, /* of an argument that takes no constants */
#define SP_FAMILY(family, enumerated) SP_FAMILY_##family,
#include "policy/constants.def"
	SP_FAMILY_COUNT
};

struct argument {
	const char *name;
	unsigned bits;
	enum family family;
};

struct argument_row {
	const char *call;
	struct argument argument[SP_ARGUMENTS];
};

static const struct argument_row argument_rows[] = {
#define I(name, ...)                                                                               \
	{                                                                                          \
#name, 32, SP_FAMILY_##__VA_ARGS__                                                 \
	}
#define L(name, ...)                                                                               \
	{                                                                                          \
#name, 64, SP_FAMILY_##__VA_ARGS__                                                 \
	}
#define SP_CALL_ARGUMENTS(call, ...) {#call, {__VA_ARGS__}},
#include "policy/arguments.def"
#undef SP_CALL_ARGUMENTS
#undef I
#undef L
};

static const struct argument_row *find_row(int nr)
{
	const char *name = sp_call_name(nr);

	for (size_t i = 0; name && i < SP_ELEMENTS(argument_rows); i++)
		if (strcmp(argument_rows[i].call, name) == 0)
			return &argument_rows[i];
	return NULL;
}

/* Other calls are decided on as a whole: a condition on them would be accepted, and do nothing. */
static const struct argument_row *find_arguments(int nr)
{
	enum sp_call_class class = sp_call_class(nr);

	return class == SP_CLASS_ORDINARY || class == SP_CLASS_NESTED ? find_row(nr) : NULL;
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

unsigned sp_call_arity(int nr)
{
	const struct argument_row *row = find_row(nr);
	unsigned count = 0;

	while (row && count < SP_ARGUMENTS && row->argument[count].name)
		count++;
	return count > 0 ? count : SP_ARGUMENTS;
}

/* ---- groups -------------------------------------------------------------------------------------
 */

static const struct {
	const char *name, *members;
} groups[] = {
#define SP_GROUP(name, members, newer) {name, members " " newer},
#define SP_HOUSE_GROUP(name, members) {name, members},
#include "policy/groups.def"
#undef SP_GROUP
#undef SP_HOUSE_GROUP
};

const char *sp_group_members(const char *name)
{
	for (size_t i = 0; i < SP_ELEMENTS(groups); i++)
		if (strcmp(groups[i].name, name) == 0)
			return groups[i].members;
	return NULL;
}

/* ---- constants ----------------------------------------------------------------------------------
 */

static const struct constant {
	enum family family;
	uint8_t length; /* of the name, by which most are passed over */
	const char *name;
	uint64_t value;
} constants[] = {
#define SP_CONSTANT(family, name) {SP_FAMILY_##family, sizeof(#name) - 1, #name, (uint64_t)(name)},
#define SP_NEW_CONSTANT(family, name, value) {SP_FAMILY_##family, sizeof(#name) - 1, #name, value},
#include "policy/constants.def"
};

/* The bits of a family's values that are one choice. */
static const uint64_t enumerated[SP_FAMILY_COUNT] = {
#define SP_FAMILY(family, enumerated) [SP_FAMILY_##family] = enumerated,
#include "policy/constants.def"
};

bool sp_constant_find(const char *name, uint64_t *ret_value)
{
	size_t length = strlen(name);

	for (size_t i = 0; i < SP_ELEMENTS(constants); i++) {
		if (constants[i].length != length || memcmp(constants[i].name, name, length) != 0)
			continue;
		*ret_value = constants[i].value;
		return true;
	}
	return false;
}

/* A value in pieces: how much of it has no name yet, and what was written. */
struct naming {
	enum family family;
	uint64_t width, rest;
	char *buffer;
	size_t length;
};

static void write_piece(struct naming *naming, const char *piece)
{
	int n = snprintf(naming->buffer + naming->length, SP_VALUE_NAME_MAX - naming->length,
			 "%s%s", naming->length > 0 ? "|" : "", piece);

	/* Too long, which only a value with a bit for each of many names could be: cut. */
	naming->length += (size_t)n;
	if (naming->length >= SP_VALUE_NAME_MAX)
		naming->length = SP_VALUE_NAME_MAX - 1;
}

/* The bits that are one choice: its name, if it has one. Zero is a choice too where it has a name. */
static void name_choice(struct naming *naming)
{
	uint64_t mask = enumerated[naming->family] & naming->width;
	uint64_t choice = naming->rest & mask;

	for (size_t i = 0; mask && i < SP_ELEMENTS(constants); i++) {
		const struct constant *c = &constants[i];
		uint64_t value = c->value & naming->width;

		if (c->family != naming->family || (value & ~mask) || value != choice)
			continue;
		write_piece(naming, c->name);
		naming->rest &= ~mask;
		return;
	}
}

/* The constant with the most bits of what has no name yet, so that O_SYNC is not O_DSYNC and a rest. */
static const struct constant *find_flags(const struct naming *naming)
{
	uint64_t flags = naming->rest & ~enumerated[naming->family];
	const struct constant *best = NULL;

	for (size_t i = 0; i < SP_ELEMENTS(constants); i++) {
		const struct constant *c = &constants[i];

		if (c->family != naming->family || c->value == 0 || (c->value & ~flags))
			continue;
		if (!best || __builtin_popcountll(c->value) > __builtin_popcountll(best->value))
			best = c;
	}
	return best;
}

static const char *zero_name(enum family family)
{
	for (size_t i = 0; i < SP_ELEMENTS(constants); i++)
		if (constants[i].family == family && constants[i].value == 0)
			return constants[i].name;
	return "0";
}

/* What no constant names: small numbers, and small negative ones, as people write them. */
static void write_number(struct naming *naming)
{
	int64_t number =
	    naming->width > UINT32_MAX ? (int64_t)naming->rest : (int32_t)(uint32_t)naming->rest;
	char digits[32];

	if (naming->length == 0 && number > -4096 && number < 4096)
		snprintf(digits, sizeof(digits), "%" PRId64, number);
	else
		snprintf(digits, sizeof(digits), "0x%" PRIx64, naming->rest);
	write_piece(naming, digits);
}

const char *sp_value_name(int nr, size_t argument, uint64_t value, char buffer[SP_VALUE_NAME_MAX])
{
	const struct argument_row *row = find_row(nr);
	bool known = row && argument < SP_ARGUMENTS && row->argument[argument].name;
	struct naming naming = {.width = UINT64_MAX, .rest = value, .buffer = buffer};
	const struct constant *flags;

	if (known && row->argument[argument].bits == 32)
		naming.width = UINT32_MAX;
	naming.rest &= naming.width;
	if (known && row->argument[argument].family) {
		naming.family = row->argument[argument].family;
		name_choice(&naming);
		while ((flags = find_flags(&naming))) {
			write_piece(&naming, flags->name);
			naming.rest &= ~flags->value;
		}
		if (naming.rest == 0 && naming.length == 0)
			write_piece(&naming, zero_name(naming.family));
	}
	if (naming.rest || naming.length == 0)
		write_number(&naming);
	return buffer;
}

/* ---- errnos and candidates ----------------------------------------------------------------------
 */

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
	const char *name;

	(void)unused;
	if (index >= SP_NUMBERS)
		return NULL;
	name = sp_call_name((int)index);
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

const char *sp_candidate_argument_constant(size_t index, const void *argument_of)
{
	const struct sp_argument_of *of = argument_of;
	const struct argument_row *row = find_row(of->nr);
	enum family family = row && of->argument < SP_ARGUMENTS && row->argument[of->argument].name
				 ? row->argument[of->argument].family
				 : SP_FAMILY_;

	if (index >= SP_ELEMENTS(constants))
		return NULL;
	return family == SP_FAMILY_ || constants[index].family == family ? constants[index].name
									 : "";
}
