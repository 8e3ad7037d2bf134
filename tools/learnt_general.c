/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From what runs have needed to rules that hold for the next run too: names that are made up, or given on the command line,
 * are other ones then, and many names in one folder are all that lies there.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "learnt.h"
#include "learnt_names.h"

#define CHANGES (LEARNT_WRITE | LEARNT_CREATE | LEARNT_DELETE)

/* As the preset `program` has them, of which a smaller base need not have any. */
static const char *const presets_own[] = {"/usr/**",
					  "/bin/**",
					  "/sbin/**",
					  "/lib/**",
					  "/lib32/**",
					  "/lib64/**",
					  "/libx32/**",
					  "/etc/**",
					  "/proc/self/**",
					  "/proc/thread-self/**",
					  "/proc/sys/kernel/**",
					  "/proc/sys/fs/**",
					  "/sys/devices/system/cpu/**",
					  "/sys/devices/system/node/**",
					  "/sys/kernel/mm/**",
					  "/var/cache/fontconfig/**"};

/* Renames a name, and all below it, in every need; needs that become one are joined later. */
static void replace_name(struct learnt *learnt, const char *from, const char *to)
{
	size_t length = strlen(from);

	for (size_t i = 0; i < learnt->need_count; i++) {
		struct need *need = &learnt->needs[i];
		char *renamed;

		if (need->kept || !name_is_within(need->pattern, from))
			continue;
		renamed = name_joined(to, need->pattern + length);
		free(need->pattern);
		need->pattern = renamed;
	}
}

static void make_unmade(struct learnt *learnt, const struct need *need,
			const struct surroundings *surroundings)
{
	char *from = learnt_copied(need->pattern), *to = learnt_copied(need->pattern),
	     *parent = name_parent(from);
	bool any = need->deleted && name_is_temporary(parent, surroundings);
	size_t start = 0, length = name_made_up(name_last(from), any, &start);

	memset(to + (name_last(from) - from) + start, '?', length);
	if (length > 0)
		replace_name(learnt, from, to);
	free(from);
	free(to);
	free(parent);
}

/* Numbers below /proc are those of processes, threads and descriptors. */
static void forget_numbers(struct need *need)
{
	char *to = need->pattern;

	if (need->kept || !name_is_below(need->pattern, "/proc"))
		return;
	for (const char *from = need->pattern; *from;) {
		size_t length = strspn(from + 1, "0123456789");
		bool number = *from == '/' && length > 0 &&
			      (from[1 + length] == '/' || from[1 + length] == '\0');

		*to++ = *from++;
		if (!number)
			continue;
		*to++ = '*';
		from += length;
	}
	*to = '\0';
}

/* ---- needs ---- */

static void drop_need(struct learnt *learnt, size_t index)
{
	free(learnt->needs[index].pattern);
	learnt->needs[index] = learnt->needs[--learnt->need_count];
}

/* A component's pattern against another's, as text: "*" takes every one but those that go deeper. */
static bool component_covers(const char *pattern, size_t pattern_length, const char *name,
			     size_t length)
{
	if (length == 2 && memcmp(name, "**", 2) == 0)
		return false;
	while (pattern_length > 0 && *pattern != '*') {
		if (length == 0 || (*pattern != '?' && *pattern != *name) ||
		    (*pattern == '?' && *name == '*'))
			return false;
		pattern++, pattern_length--, name++, length--;
	}
	if (pattern_length == 0)
		return length == 0;
	/* One star, and what stands behind it. */
	pattern++, pattern_length--;
	return length >= pattern_length &&
	       memcmp(name + length - pattern_length, pattern, pattern_length) == 0;
}

/* Whether every name that the one pattern matches is one of the other's. Never too much: where it can't tell, no. */
static bool covers(const char *pattern, const char *other)
{
	while (*pattern == '/') {
		size_t length = strcspn(pattern + 1, "/"), other_length;

		if (strcmp(pattern, "/**") == 0)
			return true;
		if (*other != '/')
			return false;
		other_length = strcspn(other + 1, "/");
		if (!component_covers(pattern + 1, length, other + 1, other_length))
			return false;
		pattern += 1 + length;
		other += 1 + other_length;
	}
	return *pattern == '\0' && *other == '\0';
}

static bool makes_redundant(const struct need *need, const struct need *other)
{
	return (other->rights & ~need->rights) == 0 && covers(need->pattern, other->pattern);
}

/* Of a directory on the way to what is granted metadata is free. */
static bool is_on_the_way(const struct need *need, const struct need *other)
{
	return need->rights == 0 && !strpbrk(need->pattern, "*?[") &&
	       (name_is_below(other->pattern, need->pattern) || strcmp(need->pattern, "/") == 0);
}

static void join_equal(struct learnt *learnt)
{
	for (size_t i = 0; i < learnt->need_count; i++)
		for (size_t j = learnt->need_count; j-- > i + 1;) {
			struct need *one = &learnt->needs[i], *two = &learnt->needs[j];

			if (one->socket != two->socket || strcmp(one->pattern, two->pattern) != 0)
				continue;
			one->rights |= two->rights;
			one->created |= two->created;
			one->deleted |= two->deleted;
			one->moved |= two->moved;
			one->kept |= two->kept;
			drop_need(learnt, j);
		}
}

static bool is_needless(const struct learnt *learnt, size_t index)
{
	for (size_t i = 0; i < learnt->need_count; i++)
		if (i != index && (makes_redundant(&learnt->needs[i], &learnt->needs[index]) ||
				   is_on_the_way(&learnt->needs[index], &learnt->needs[i])))
			return true;
	return false;
}

static void drop_needless(struct learnt *learnt)
{
	join_equal(learnt);
	for (size_t i = learnt->need_count; i-- > 0;)
		if (is_needless(learnt, i))
			drop_need(learnt, i);
}

/* Who writes a file this time finds it there the next; who moves one may not raise its rights by that. */
static void round_up(struct need *need)
{
	if (need->kept || need->socket)
		return;
	if (need->moved)
		need->rights |= LEARNT_READ | CHANGES;
	else if (need->rights & (LEARNT_WRITE | LEARNT_CREATE))
		need->rights |= LEARNT_READ | LEARNT_WRITE | LEARNT_CREATE;
}

/* A shell, or execvp(3), asks one folder after the other. A name in it, or, where there is none, on the way to it. */
static bool is_asked_for(const char *name, const char *folder)
{
	return name_is_directly_below(name, folder) || name_is_within(folder, name);
}

static bool is_searched(const char *name, const struct surroundings *surroundings)
{
	const char *at = surroundings->search;
	bool found = false;

	while (at && *at && !found) {
		size_t length = strcspn(at, ":");
		char *folder = strndup(at, length);

		found = folder && length > 0 && is_asked_for(name, folder);
		free(folder);
		at += length + (at[length] == ':');
	}
	return found;
}

/* ---- folders whose names are not told apart ---- */

struct folders {
	char **names; /* owned */
	size_t count;
};

static void clear_folders(struct folders *folders)
{
	for (size_t i = 0; i < folders->count; i++)
		free(folders->names[i]);
	free(folders->names);
}

/* Takes the name. Of two folders the outer one remains. */
static void add_folder_take(struct folders *folders, char *name,
			    const struct surroundings *surroundings)
{
	bool unwanted = name_is_shared(name, surroundings);

	for (size_t i = 0; i < folders->count && !unwanted; i++)
		unwanted = name_is_within(name, folders->names[i]);
	if (unwanted) {
		free(name);
		return;
	}
	for (size_t i = folders->count; i-- > 0;)
		if (name_is_below(folders->names[i], name)) {
			free(folders->names[i]);
			folders->names[i] = folders->names[--folders->count];
		}
	folders->names = learnt_grown(folders->names, folders->count + 1, sizeof(*folders->names));
	folders->names[folders->count++] = name;
}

static bool changes(const struct need *need)
{
	return need->rights & CHANGES;
}

static bool is_member(const struct need *need, bool changing)
{
	return !need->kept && !need->socket && changes(need) == changing &&
	       !(need->rights & LEARNT_EXECUTE);
}

/* The needs of one kind within a folder, as one pattern; below it, not only in it, where they are there. */
static char *pattern_of(const struct learnt *learnt, const char *folder, bool changing)
{
	const char *extension = NULL;
	bool deep = false, same = changing;

	for (size_t i = 0; i < learnt->need_count; i++) {
		const struct need *need = &learnt->needs[i];

		if (!is_member(need, changing) || !name_is_within(need->pattern, folder))
			continue;
		deep |= !name_is_directly_below(need->pattern, folder);
		if (extension && strcmp(extension, name_extension(need->pattern)) != 0)
			same = false;
		extension = name_extension(need->pattern);
	}
	if (!extension)
		return NULL;
	if (deep)
		return name_joined(folder, "/**");
	if (same && *extension && !strpbrk(extension, "*?[")) {
		char *rest = name_joined("/*", extension), *pattern = name_joined(folder, rest);

		free(rest);
		return pattern;
	}
	return name_joined(folder, "/*");
}

static void unite(struct learnt *learnt, const char *folder, bool changing)
{
	char *pattern = pattern_of(learnt, folder, changing);
	uint32_t united = 0;

	if (!pattern)
		return;
	for (size_t i = learnt->need_count; i-- > 0;)
		if (is_member(&learnt->needs[i], changing) &&
		    name_is_within(learnt->needs[i].pattern, folder)) {
			united |= learnt->needs[i].rights;
			drop_need(learnt, i);
		}
	learnt_need(learnt, pattern)->rights |= united ? united : LEARNT_READ;
	free(pattern);
}

static void unite_all(struct learnt *learnt, const struct folders *folders, bool changing)
{
	for (size_t i = 0; i < folders->count; i++)
		unite(learnt, folders->names[i], changing);
}

static void find_changing(const struct learnt *learnt, const struct surroundings *surroundings,
			  struct folders *folders)
{
	for (size_t i = 0; i < learnt->need_count; i++)
		if (is_member(&learnt->needs[i], true))
			add_folder_take(folders, name_parent(learnt->needs[i].pattern),
					surroundings);
}

/* What a word of the command line means as a path: itself, or behind a '=' as in "--output=x" and "if=x"; a URL of
 * a file means that file. */
static char *path_of(const char *word, const struct surroundings *surroundings)
{
	static const char scheme[] = "file:///";
	const char *equals = strchr(word, '=');
	char *whole, *real;

	if (equals && (word[0] == '-' || access(word, F_OK) < 0))
		word = equals + 1;
	if (strncmp(word, scheme, sizeof(scheme) - 1) == 0)
		word += sizeof(scheme) - 2;
	whole = word[0] == '/' ? learnt_copied(word) : name_joined(surroundings->directory, "/");
	if (word[0] != '/') {
		char *joint = name_joined(whole, word);

		free(whole);
		whole = joint;
	}
	real = realpath(whole, NULL);
	if (!real)
		return whole;
	free(whole);
	return real;
}

/* A file that is named where it lies with others is another one the next time. In a folder that is shared, one of
 * the same kind. */
static void widen_named(struct learnt *learnt, const char *path,
			const struct surroundings *surroundings, struct folders *folders)
{
	char *parent = name_parent(path), *any;
	const char *extension = name_extension(path);
	bool needed = false;

	for (size_t i = 0; i < learnt->need_count; i++) {
		struct need *need = &learnt->needs[i];

		if (need->socket)
			continue;
		needed |= name_is_within(need->pattern, path);
		if (strcmp(need->pattern, path) != 0 || need->kept || !*extension ||
		    !name_is_shared(parent, surroundings) || name_is_system(parent) ||
		    need->rights & LEARNT_EXECUTE)
			continue;
		any = name_joined(parent, "/*");
		free(need->pattern);
		need->pattern = name_joined(any, extension);
		free(any);
		free(parent);
		return;
	}
	if (needed)
		add_folder_take(folders, parent, surroundings);
	else
		free(parent);
}

/* A socket that is named there is another one the next time, too: one of its folder, where that is not everybody's, or of
 * its kind. */
static void widen_sockets(struct learnt *learnt, const char *path,
			  const struct surroundings *surroundings)
{
	char *parent = name_parent(path), *any = name_joined(parent, "/*");
	const char *extension = name_extension(path);

	for (size_t i = 0; i < learnt->need_count; i++) {
		struct need *need = &learnt->needs[i];

		if (!need->socket || need->kept || strcmp(need->pattern, path) != 0 ||
		    name_is_system(parent) || (!*extension && name_is_shared(parent, surroundings)))
			continue;
		free(need->pattern);
		need->pattern = name_joined(any, extension);
	}
	free(any);
	free(parent);
}

static void find_named(struct learnt *learnt, const struct surroundings *surroundings,
		       struct folders *folders)
{
	for (char *const *word = surroundings->words + 1; surroundings->words[0] && *word; word++) {
		char *path = path_of(*word, surroundings), *inside = name_joined(path, "/.");
		char *folder = realpath(inside, NULL);

		widen_sockets(learnt, path, surroundings);
		if (folder)
			add_folder_take(folders, learnt_copied(folder), surroundings);
		else
			widen_named(learnt, path, surroundings, folders);
		free(folder);
		free(inside);
		free(path);
	}
}

static size_t count_below(const struct learnt *learnt, const char *folder, bool directly)
{
	size_t count = 0;

	for (size_t i = 0; i < learnt->need_count; i++) {
		const struct need *need = &learnt->needs[i];

		if (is_member(need, false))
			count += directly ? name_is_directly_below(need->pattern, folder)
					  : name_is_below(need->pattern, folder);
	}
	return count;
}

/* So many names in one folder are all that lies there. */
#define MANY 3

static void find_crowded(const struct learnt *learnt, const struct surroundings *surroundings,
			 struct folders *folders)
{
	if (count_below(learnt, surroundings->directory, false) >= MANY)
		add_folder_take(folders, learnt_copied(surroundings->directory), surroundings);
	for (size_t i = 0; i < learnt->need_count; i++) {
		char *parent = name_parent(learnt->needs[i].pattern);

		if (is_member(&learnt->needs[i], false) &&
		    count_below(learnt, parent, true) >= MANY)
			add_folder_take(folders, parent, surroundings);
		else
			free(parent);
	}
}

/* ---- all ---- */

static void use_presets_own(struct need *need)
{
	if (need->kept || need->rights & ~(uint32_t)LEARNT_READ)
		return;
	for (size_t i = 0; i < ELEMENTS(presets_own); i++)
		if (covers(presets_own[i], need->pattern)) {
			free(need->pattern);
			need->pattern = learnt_copied(presets_own[i]);
			return;
		}
}

static int compare_needs(const void *left, const void *right)
{
	const struct need *a = left, *b = right;

	int order = strcmp(a->pattern, b->pattern);

	return order ? order : a->socket - b->socket;
}

static int compare_ports(const void *left, const void *right)
{
	const struct learnt_ports *a = left, *b = right;
	int order = strcmp(a->host, b->host);

	return order ? order : (a->first > b->first) - (a->first < b->first);
}

static int compare_texts(const void *left, const void *right)
{
	return strcmp(*(char *const *)left, *(char *const *)right);
}

static void sort(struct learnt *learnt)
{
	if (learnt->need_count)
		qsort(learnt->needs, learnt->need_count, sizeof(*learnt->needs), compare_needs);
	if (learnt->call_count)
		qsort(learnt->calls, learnt->call_count, sizeof(*learnt->calls), compare_texts);
}

/* Of one host, those that touch are one range. */
static void join_ports(struct learnt *learnt)
{
	size_t count = 0;

	if (learnt->ports_count)
		qsort(learnt->ports, learnt->ports_count, sizeof(*learnt->ports), compare_ports);
	for (size_t i = 0; i < learnt->ports_count; i++) {
		struct learnt_ports *next = &learnt->ports[i],
				    *last = count ? &learnt->ports[count - 1] : NULL;

		if (last && strcmp(last->host, next->host) == 0 && next->first <= last->last + 1) {
			if (next->last > last->last)
				last->last = next->last;
			free(next->host);
		} else {
			learnt->ports[count++] = *next;
		}
	}
	learnt->ports_count = count;
}

static void drop_given(struct learnt *learnt)
{
	for (size_t i = learnt->call_count; i-- > 0;)
		if (learnt_gives(learnt, learnt->calls[i])) {
			free(learnt->calls[i]);
			learnt->calls[i] = learnt->calls[--learnt->call_count];
		}
}

static void prepare(struct learnt *learnt, const struct surroundings *surroundings)
{
	for (size_t i = learnt->need_count; i-- > 0;) {
		const struct need *need = &learnt->needs[i];

		if (!need->kept && need->rights == 0 && is_searched(need->pattern, surroundings))
			drop_need(learnt, i);
	}
	for (size_t i = 0; i < learnt->need_count; i++) {
		forget_numbers(&learnt->needs[i]);
		round_up(&learnt->needs[i]);
	}
	for (size_t i = 0; i < learnt->need_count; i++)
		if (!learnt->needs[i].kept && learnt->needs[i].created)
			make_unmade(learnt, &learnt->needs[i], surroundings);
	for (size_t i = 0; i < learnt->need_count; i++)
		use_presets_own(&learnt->needs[i]);
	join_equal(learnt);
	sort(learnt); /* so that what follows does not depend on the order of the run */
}

void learnt_generalise(struct learnt *learnt, const struct surroundings *surroundings)
{
	struct folders changing = {0}, read = {0};

	prepare(learnt, surroundings);
	find_changing(learnt, surroundings, &changing);
	unite_all(learnt, &changing, true);
	drop_needless(learnt);
	find_named(learnt, surroundings, &read);
	find_crowded(learnt, surroundings, &read);
	unite_all(learnt, &read, false);
	clear_folders(&changing);
	clear_folders(&read);
	drop_needless(learnt);
	for (size_t i = 0; i < learnt->need_count; i++)
		if (learnt->needs[i].rights == 0)
			learnt->needs[i].rights = LEARNT_READ;
	drop_needless(learnt);
	join_ports(learnt);
	drop_given(learnt);
	sort(learnt);
}
