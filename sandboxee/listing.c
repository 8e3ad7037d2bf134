/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reserved descriptors are left out where a program lists its descriptors: in /proc/PID/fd and fdinfo. Which of
 * them a directory is the entries themselves tell: in no other one of a procfs is a number the name of
 * anything but a directory.
 */
#include <dirent.h>
#include <string.h>
#include <sys/stat.h>

#include "ipc/arch.h"
#include "ipc/runtime.h"
#include "sandboxee/runtime.h"

/* struct linux_dirent64 and struct linux_dirent begin alike; a name of four digits makes both this long, which
 * is as short as they are. */
#define ENTRY 24u
#define OFFSET_AT 8u
#define LENGTH_AT 16u

struct form {
	size_t name_at, type_at; /* the latter where the entry is as short as that */
};

static const struct form new_form = {.name_at = 19, .type_at = 18};
static const struct form old_form = {.name_at = 18, .type_at = ENTRY - 1};

static bool is_reserved_entry(const struct form *form, const uint8_t *entry)
{
	static const char names[][5] = {"1022", "1023"};
	_Static_assert(SP_RESERVED_FIRST == 1022 && SP_RESERVED_LAST == 1023, "other names");

	if (entry[form->type_at] == DT_DIR)
		return false;
	return memcmp(entry + form->name_at, names[0], sizeof(names[0])) == 0 ||
	       memcmp(entry + form->name_at, names[1], sizeof(names[1])) == 0;
}

/*
 * Closes the gaps; returns the length of what stays. An entry says where the next one is, so that the one
 * before a gap gets to say what the last one in it said. The program may write there meanwhile: lengths are looked
 * at in a copy, and where they can't be, the rest stays as it is.
 */
static size_t leave_out(const struct form *form, uint8_t *bytes, size_t length)
{
	uint8_t *before = NULL;
	size_t at = 0, kept = 0;

	while (length - at >= ENTRY) {
		uint8_t entry[ENTRY];
		uint16_t size;

		sp_copy_foreign(entry, bytes + at, ENTRY);
		memcpy(&size, entry + LENGTH_AT, sizeof(size));
		if (size < ENTRY || size > length - at)
			break;
		if (!is_reserved_entry(form, entry)) {
			before = bytes + kept;
			if (kept < at)
				sp_copy_foreign(before, bytes + at, size);
			kept += size;
		} else if (before) {
			sp_copy_foreign(before + OFFSET_AT, entry + OFFSET_AT, sizeof(uint64_t));
		}
		at += size;
	}
	if (kept < at && at < length)
		sp_copy_foreign(bytes + kept, bytes + at, length - at);
	return kept + (length - at);
}

static bool is_in_proc(long descriptor)
{
	struct stat status;

	return sp_runtime.proc_device &&
	       sp_raw_syscall(__NR_fstat, descriptor, (long)&status, 0, 0, 0, 0) == 0 &&
	       status.st_dev == sp_runtime.proc_device;
}

/* An answer from which everything was left out would be the end of the directory: the next one is looked at. */
long sp_listing_read(const struct sp_trap *trap)
{
	const struct form *form = trap->nr == __NR_getdents64 ? &new_form : &old_form;
	const long *argument = trap->argument;

	for (;;) {
		long length = sp_raw_syscall(trap->nr, argument[0], argument[1], argument[2], 0, 0,
					     SP_RUNTIME_MARK);

		if (length == -(long)SP_LISTS_REFUSED)
			return sp_trap_ask(trap);
		if (length <= 0 || !is_in_proc(argument[0]))
			return length;
		/* What the kernel has just written to can be written to. */
		length = (long)leave_out(form, (uint8_t *)argument[1], (size_t)length);
		if (length > 0)
			return length;
	}
}
