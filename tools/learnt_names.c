/* SPDX-License-Identifier: Apache-2.0 */
#include "learnt_names.h"

#include <ctype.h>
#include <err.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"

bool name_is_within(const char *name, const char *folder)
{
	size_t length = strlen(folder);

	return strncmp(name, folder, length) == 0 && (name[length] == '/' || name[length] == '\0');
}

bool name_is_below(const char *name, const char *folder)
{
	return name_is_within(name, folder) && name[strlen(folder)] == '/';
}

bool name_is_directly_below(const char *name, const char *folder)
{
	return name_is_below(name, folder) && !strchr(name + strlen(folder) + 1, '/');
}

char *name_parent(const char *name)
{
	char *parent = learnt_copied(name), *slash = strrchr(parent, '/');

	if (slash)
		*slash = '\0';
	return parent;
}

const char *name_last(const char *name)
{
	return strrchr(name, '/') + 1;
}

const char *name_extension(const char *name)
{
	const char *last = name_last(name), *dot = strrchr(last, '.');

	return dot && dot != last ? dot : "";
}

char *name_joined(const char *folder, const char *rest)
{
	char *whole;

	if (asprintf(&whole, "%s%s", folder, rest) < 0)
		err(EXIT_FAILED, "policy learn");
	return whole;
}

/* ---- what is everybody's ---- */

bool name_is_system(const char *folder)
{
	static const char *const trees[] = {"/bin",   "/boot",  "/dev",    "/etc",  "/lib",
					    "/lib32", "/lib64", "/libx32", "/proc", "/run",
					    "/sbin",  "/sys",   "/usr"};

	for (size_t i = 0; i < ELEMENTS(trees); i++)
		if (name_is_within(folder, trees[i]))
			return true;
	return false;
}

bool name_is_temporary(const char *folder, const struct surroundings *surroundings)
{
	return strcmp(folder, "/tmp") == 0 || strcmp(folder, "/var/tmp") == 0 ||
	       strcmp(folder, "/dev/shm") == 0 ||
	       (surroundings->temporary && strcmp(folder, surroundings->temporary) == 0);
}

bool name_is_shared(const char *folder, const struct surroundings *surroundings)
{
	static const char *const folders[] = {"",     "/home", "/media", "/mnt",
					      "/opt", "/root", "/srv",   "/var"};

	for (size_t i = 0; i < ELEMENTS(folders); i++)
		if (strcmp(folder, folders[i]) == 0)
			return true;
	if (surroundings->home && name_is_within(surroundings->home, folder))
		return true;
	return name_is_system(folder) || name_is_temporary(folder, surroundings);
}

/* ---- names that are made up ---- */

static bool is_word(char byte)
{
	return isalnum((unsigned char)byte) || byte == '_';
}

/* What mkstemp(3) and the like put there: letters and digits, or both cases, without a sense. */
static bool is_random(const char *text, size_t length)
{
	bool digit = false, upper = false, lower = false;

	for (size_t i = 0; i < length; i++) {
		digit |= isdigit((unsigned char)text[i]) != 0;
		lower |= islower((unsigned char)text[i]) != 0;
		/* A capital begins many a word. */
		upper |= i > 0 && isupper((unsigned char)text[i]);
	}
	return (digit && (upper || lower)) || (upper && lower);
}

/* As name_made_up(); `random`: only what looks so. */
static size_t find_made_up(const char *last, bool any, bool random, size_t *ret_start)
{
	size_t end = strcspn(last, "."), start, length = strlen(last + end);

	/* ".XXXXXX" and the like come behind the dot. */
	if (length > 6 && (!random || is_random(last + end + 1, length - 1))) {
		*ret_start = end + 1;
		return length - 1;
	}
	for (start = end; start > 0 && is_word(last[start - 1]); start--)
		;
	if (strncmp(last + start, "tmp", 3) == 0 && end - start >= 8)
		start += 3;
	/* Some make up '_' as well. */
	for (size_t i = start; i < end && !any; i++)
		if (last[i] == '_' && end - i - 1 == 6)
			start = i + 1;
	length = end - start;
	if (length < 6 || (random && !is_random(last + start, length)))
		return 0;
	*ret_start = start;
	return length;
}

/* What looks made up comes first: of "ccgMYR9q.cdtor.c" it is not the end. */
size_t name_made_up(const char *last, bool any, size_t *ret_start)
{
	size_t length = find_made_up(last, any, true, ret_start);

	return length == 0 && any ? find_made_up(last, any, false, ret_start) : length;
}
