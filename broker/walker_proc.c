// SPDX-License-Identifier: Apache-2.0
/* What the names below /proc/self mean: a link there leads to an object, not to the name it shows.
 */
#include <ctype.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "broker/walker.h"
#include "ipc/runtime.h"
#include "ipc/util.h"

bool sp_is_below_proc(const char *name)
{
	return strncmp(name, "/proc", 5) == 0 &&
	       (name[5] == '/' || name[5] == '\0' || name[5] == ' ');
}

static const char *skip_number(const char *text)
{
	const char *end = text;

	while (isdigit((unsigned char)*end))
		end++;
	return end == text ? NULL : end;
}

/* Past "self/" and "self/task/N/", which have the same entries; NULL: not an entry of a process. */
static const char *entry_of(const char *name)
{
	const char *entry, *rest;

	if (strncmp(name, "self/", 5) != 0)
		return NULL;
	entry = name + 5;
	if (strncmp(entry, "task/", 5) != 0)
		return entry;
	rest = skip_number(entry + 5);
	return rest && *rest == '/' ? rest + 1 : entry;
}

static bool is_descriptor(const char *entry)
{
	const char *rest = strncmp(entry, "fd/", 3) == 0 ? skip_number(entry + 3) : NULL;

	return rest && *rest == '\0';
}

bool sp_proc_is_reserved(const char *name)
{
	static const char *const directories[] = {"fd/", "fdinfo/"};
	const char *entry = entry_of(name);

	for (size_t i = 0; entry && i < SP_ELEMENTS(directories); i++) {
		size_t length = strlen(directories[i]);
		const char *rest = strncmp(entry, directories[i], length) == 0
				       ? skip_number(entry + length)
				       : NULL;
		long number = rest && *rest == '\0' ? strtol(entry + length, NULL, 10) : -1;

		if (number <= INT_MAX && sp_is_reserved((int)number))
			return true;
	}
	return false;
}

int sp_proc_descriptor(const char *name)
{
	const char *entry = entry_of(name);
	long number;

	if (!entry || !is_descriptor(entry))
		return -1;
	number = strtol(entry + 3, NULL, 10); /* LONG_MAX where it is too large */
	return number <= INT_MAX ? (int)number : -1;
}

enum sp_proc_kind sp_proc_classify(const char *name, bool is_link)
{
	static const char *const refused[] = {"ns/", "map_files/"};
	static const char *const magic[] = {"cwd", "root", "exe"};
	const char *entry = entry_of(name);

	if (!entry)
		return SP_PROC_PLAIN;
	for (size_t i = 0; i < SP_ELEMENTS(refused); i++)
		if (strncmp(entry, refused[i], strlen(refused[i])) == 0)
			return SP_PROC_REFUSED;
	if (!is_link)
		return SP_PROC_PLAIN;
	for (size_t i = 0; i < SP_ELEMENTS(magic); i++)
		if (strcmp(entry, magic[i]) == 0)
			return SP_PROC_MAGIC;
	return is_descriptor(entry) ? SP_PROC_MAGIC : SP_PROC_REFUSED;
}
