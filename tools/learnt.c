/* SPDX-License-Identifier: Apache-2.0 */
#include "learnt.h"

#include <ctype.h>
#include <err.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"

#define CHANGES (LEARNT_WRITE | LEARNT_CREATE | LEARNT_DELETE)

static const char *const rights[] = {"read",   "write",   "create",  "delete",
				     "linked", "execute", "connect", "bind"};

static void *grown(void *array, size_t count, size_t size)
{
	array = reallocarray(array, count, size);
	if (!array)
		err(EXIT_FAILED, "policy learn");
	return array;
}

static char *copied(const char *text)
{
	char *copy = strdup(text);

	if (!copy)
		err(EXIT_FAILED, "policy learn");
	return copy;
}

void learnt_clear(struct learnt *learnt)
{
	for (size_t i = 0; i < learnt->need_count; i++)
		free(learnt->needs[i].pattern);
	for (size_t i = 0; i < learnt->call_count; i++)
		free(learnt->calls[i]);
	for (size_t i = 0; i < learnt->ports_count; i++)
		free(learnt->ports[i].host);
	free(learnt->needs);
	free(learnt->ports);
	free(learnt->calls);
	free(learnt->name);
	free(learnt->base);
	*learnt = (struct learnt){0};
}

static struct need *need_of(struct learnt *learnt, const char *name, bool socket)
{
	for (size_t i = 0; i < learnt->need_count; i++)
		if (learnt->needs[i].socket == socket &&
		    strcmp(learnt->needs[i].pattern, name) == 0)
			return &learnt->needs[i];
	learnt->needs = grown(learnt->needs, learnt->need_count + 1, sizeof(*learnt->needs));
	learnt->needs[learnt->need_count] =
	    (struct need){.pattern = copied(name), .socket = socket};
	return &learnt->needs[learnt->need_count++];
}

struct need *learnt_need(struct learnt *learnt, const char *name)
{
	return need_of(learnt, name, false);
}

struct need *learnt_socket(struct learnt *learnt, const char *name)
{
	return need_of(learnt, name, true);
}

/* "PORT", "PORT-PORT" or "*". */
static bool read_ports(const char *text, struct learnt_ports *ports)
{
	char *end;

	ports->first = 0;
	ports->last = UINT16_MAX;
	if (strcmp(text, "*") == 0)
		return true;
	if (!isdigit((unsigned char)*text))
		return false;
	ports->first = ports->last = (unsigned)strtoul(text, &end, 10);
	if (*end == '-' && isdigit((unsigned char)end[1]))
		ports->last = (unsigned)strtoul(end + 1, &end, 10);
	return *end == '\0' && ports->first <= ports->last && ports->last <= UINT16_MAX;
}

bool learnt_address(struct learnt *learnt, const char *text)
{
	const char *colon = strrchr(text, ':');
	struct learnt_ports ports;

	if (!colon || colon == text || !read_ports(colon + 1, &ports))
		return false;
	ports.host = strndup(text, (size_t)(colon - text));
	if (!ports.host)
		err(EXIT_FAILED, "policy learn");
	learnt->ports = grown(learnt->ports, learnt->ports_count + 1, sizeof(*learnt->ports));
	learnt->ports[learnt->ports_count++] = ports;
	return true;
}

static bool has_sockets(const struct learnt *learnt, uint32_t which)
{
	for (size_t i = 0; i < learnt->need_count; i++)
		if (learnt->needs[i].socket && (learnt->needs[i].rights & which))
			return true;
	return false;
}

void learnt_call(struct learnt *learnt, const char *text)
{
	for (size_t i = 0; i < learnt->call_count; i++)
		if (strcmp(learnt->calls[i], text) == 0)
			return;
	learnt->calls = grown(learnt->calls, learnt->call_count + 1, sizeof(*learnt->calls));
	learnt->calls[learnt->call_count++] = copied(text);
}

bool learnt_gives(const struct learnt *learnt, const char *call)
{
	static const char *const unix_sockets[] = {
	    "socket(domain == AF_UNIX, type == SOCK_STREAM",
	    "socket(domain == AF_UNIX, type == SOCK_SEQPACKET"};
	static const char *const tcp_sockets[] = {"socket(domain == AF_INET, type == SOCK_STREAM",
						  "socket(domain == AF_INET6, type == SOCK_STREAM"};
	bool binds = has_sockets(learnt, LEARNT_BIND), addresses = learnt->ports_count > 0;

	if (strcmp(call, "connect") == 0)
		return addresses || has_sockets(learnt, LEARNT_CONNECT);
	if (strcmp(call, "bind") == 0 || strcmp(call, "listen") == 0)
		return binds || addresses;
	if (strcmp(call, "accept") == 0 || strcmp(call, "accept4") == 0)
		return binds;
	for (size_t i = 0; i < 2; i++)
		if ((has_sockets(learnt, LEARNT_CONNECT | LEARNT_BIND) &&
		     strncmp(call, unix_sockets[i], strlen(unix_sockets[i])) == 0) ||
		    (addresses && strncmp(call, tcp_sockets[i], strlen(tcp_sockets[i])) == 0))
			return true;
	return false;
}

uint32_t learnt_right(const char *word, size_t length)
{
	for (size_t i = 0; i < ELEMENTS(rights); i++)
		if (strlen(rights[i]) == length && memcmp(rights[i], word, length) == 0)
			return 1u << i;
	return 0;
}

/* ---- names ---- */

/* Whether `name` is `folder` or below it. */
static bool is_within(const char *name, const char *folder)
{
	size_t length = strlen(folder);

	return strncmp(name, folder, length) == 0 && (name[length] == '/' || name[length] == '\0');
}

static bool is_below(const char *name, const char *folder)
{
	return is_within(name, folder) && name[strlen(folder)] == '/';
}

static bool is_directly_below(const char *name, const char *folder)
{
	return is_below(name, folder) && !strchr(name + strlen(folder) + 1, '/');
}

static char *parent_of(const char *name)
{
	char *parent = copied(name), *slash = strrchr(parent, '/');

	if (slash)
		*slash = '\0';
	return parent;
}

static const char *last_of(const char *name)
{
	return strrchr(name, '/') + 1;
}

/* ".pdf" of "a.pdf", "" of "Makefile" and ".profile". */
static const char *extension_of(const char *name)
{
	const char *last = last_of(name), *dot = strrchr(last, '.');

	return dot && dot != last ? dot : "";
}

static char *joined(const char *folder, const char *rest)
{
	char *whole;

	if (asprintf(&whole, "%s%s", folder, rest) < 0)
		err(EXIT_FAILED, "policy learn");
	return whole;
}

/* ---- what is everybody's ---- */

static bool is_system(const char *folder)
{
	static const char *const trees[] = {"/bin",   "/boot",  "/dev",    "/etc",  "/lib",
					    "/lib32", "/lib64", "/libx32", "/proc", "/run",
					    "/sbin",  "/sys",   "/usr"};

	for (size_t i = 0; i < ELEMENTS(trees); i++)
		if (is_within(folder, trees[i]))
			return true;
	return false;
}

static bool is_temporary(const char *folder, const struct surroundings *surroundings)
{
	return strcmp(folder, "/tmp") == 0 || strcmp(folder, "/var/tmp") == 0 ||
	       strcmp(folder, "/dev/shm") == 0 ||
	       (surroundings->temporary && strcmp(folder, surroundings->temporary) == 0);
}

/* Where other things lie than those of one program: no rule is for all of it. */
static bool is_shared(const char *folder, const struct surroundings *surroundings)
{
	static const char *const folders[] = {"",     "/home", "/media", "/mnt",
					      "/opt", "/root", "/srv",   "/var"};

	for (size_t i = 0; i < ELEMENTS(folders); i++)
		if (strcmp(folder, folders[i]) == 0)
			return true;
	if (surroundings->home && is_within(surroundings->home, folder))
		return true;
	return is_system(folder) || is_temporary(folder, surroundings);
}

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

/*
 * The made-up part of a name's last component: six characters or more, behind a prefix such as "tmp". 0: there is
 * none. Where `any`, whatever they are.
 */
static size_t made_up(const char *last, bool any, size_t *ret_start)
{
	size_t end = strcspn(last, "."), start, length = strlen(last + end);

	/* ".XXXXXX" and the like come behind the dot. */
	if (length > 6 && (any || is_random(last + end + 1, length - 1))) {
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
	if (length < 6 || (!any && !is_random(last + start, length)))
		return 0;
	*ret_start = start;
	return length;
}

/* Renames a name, and all below it, in every need; needs that become one are joined later. */
static void replace_name(struct learnt *learnt, const char *from, const char *to)
{
	size_t length = strlen(from);

	for (size_t i = 0; i < learnt->need_count; i++) {
		struct need *need = &learnt->needs[i];
		char *renamed;

		if (need->kept || !is_within(need->pattern, from))
			continue;
		renamed = joined(to, need->pattern + length);
		free(need->pattern);
		need->pattern = renamed;
	}
}

static void make_unmade(struct learnt *learnt, const struct need *need,
			const struct surroundings *surroundings)
{
	char *from = copied(need->pattern), *to = copied(need->pattern), *parent = parent_of(from);
	bool any = need->deleted && is_temporary(parent, surroundings);
	size_t start = 0, length = made_up(last_of(from), any, &start);

	memset(to + (last_of(from) - from) + start, '?', length);
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

	if (need->kept || !is_below(need->pattern, "/proc"))
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
	       (is_below(other->pattern, need->pattern) || strcmp(need->pattern, "/") == 0);
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
	return is_directly_below(name, folder) || is_within(folder, name);
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
	bool unwanted = is_shared(name, surroundings);

	for (size_t i = 0; i < folders->count && !unwanted; i++)
		unwanted = is_within(name, folders->names[i]);
	if (unwanted) {
		free(name);
		return;
	}
	for (size_t i = folders->count; i-- > 0;)
		if (is_below(folders->names[i], name)) {
			free(folders->names[i]);
			folders->names[i] = folders->names[--folders->count];
		}
	folders->names = grown(folders->names, folders->count + 1, sizeof(*folders->names));
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

		if (!is_member(need, changing) || !is_within(need->pattern, folder))
			continue;
		deep |= !is_directly_below(need->pattern, folder);
		if (extension && strcmp(extension, extension_of(need->pattern)) != 0)
			same = false;
		extension = extension_of(need->pattern);
	}
	if (!extension)
		return NULL;
	if (deep)
		return joined(folder, "/**");
	if (same && *extension && !strpbrk(extension, "*?[")) {
		char *rest = joined("/*", extension), *pattern = joined(folder, rest);

		free(rest);
		return pattern;
	}
	return joined(folder, "/*");
}

static void unite(struct learnt *learnt, const char *folder, bool changing)
{
	char *pattern = pattern_of(learnt, folder, changing);
	uint32_t united = 0;

	if (!pattern)
		return;
	for (size_t i = learnt->need_count; i-- > 0;)
		if (is_member(&learnt->needs[i], changing) &&
		    is_within(learnt->needs[i].pattern, folder)) {
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
			add_folder_take(folders, parent_of(learnt->needs[i].pattern), surroundings);
}

/* What a word of the command line means as a path: itself, or behind an option's '='. */
static char *path_of(const char *word, const struct surroundings *surroundings)
{
	const char *equals = word[0] == '-' ? strchr(word, '=') : NULL;
	char *whole, *real;

	if (equals)
		word = equals + 1;
	whole = word[0] == '/' ? copied(word) : joined(surroundings->directory, "/");
	if (word[0] != '/') {
		char *joint = joined(whole, word);

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
	char *parent = parent_of(path), *any;
	const char *extension = extension_of(path);
	bool needed = false;

	for (size_t i = 0; i < learnt->need_count; i++) {
		struct need *need = &learnt->needs[i];

		if (need->socket)
			continue;
		needed |= is_within(need->pattern, path);
		if (strcmp(need->pattern, path) != 0 || need->kept || !*extension ||
		    !is_shared(parent, surroundings) || is_system(parent) ||
		    need->rights & LEARNT_EXECUTE)
			continue;
		any = joined(parent, "/*");
		free(need->pattern);
		need->pattern = joined(any, extension);
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
	char *parent = parent_of(path), *any = joined(parent, "/*");
	const char *extension = extension_of(path);

	for (size_t i = 0; i < learnt->need_count; i++) {
		struct need *need = &learnt->needs[i];

		if (!need->socket || need->kept || strcmp(need->pattern, path) != 0 ||
		    is_system(parent) || (!*extension && is_shared(parent, surroundings)))
			continue;
		free(need->pattern);
		need->pattern = joined(any, extension);
	}
	free(any);
	free(parent);
}

static void find_named(struct learnt *learnt, const struct surroundings *surroundings,
		       struct folders *folders)
{
	for (char *const *word = surroundings->words + 1; surroundings->words[0] && *word; word++) {
		char *path = path_of(*word, surroundings), *inside = joined(path, "/.");
		char *folder = realpath(inside, NULL);

		widen_sockets(learnt, path, surroundings);
		if (folder)
			add_folder_take(folders, copied(folder), surroundings);
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
			count += directly ? is_directly_below(need->pattern, folder)
					  : is_below(need->pattern, folder);
	}
	return count;
}

/* So many names in one folder are all that lies there. */
#define MANY 3

static void find_crowded(const struct learnt *learnt, const struct surroundings *surroundings,
			 struct folders *folders)
{
	if (count_below(learnt, surroundings->directory, false) >= MANY)
		add_folder_take(folders, copied(surroundings->directory), surroundings);
	for (size_t i = 0; i < learnt->need_count; i++) {
		char *parent = parent_of(learnt->needs[i].pattern);

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
			need->pattern = copied(presets_own[i]);
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

/* ---- the text ---- */

static void write_rights(uint32_t which, FILE *file)
{
	const char *separator = "";

	for (size_t i = 0; i < ELEMENTS(rights); i++)
		if (which >> i & 1) {
			(void)fprintf(file, "%s%s", separator, rights[i]);
			separator = ", ";
		}
}

/* "$" begins a reference. */
static void write_pattern(const char *pattern, FILE *file)
{
	bool quoted = pattern[strcspn(pattern, " ,;{}")] != '\0';

	if (quoted)
		(void)fputc('"', file);
	for (; *pattern; pattern++) {
		if (*pattern == '$')
			(void)fputc('$', file);
		(void)fputc(*pattern, file);
	}
	if (quoted)
		(void)fputc('"', file);
}

/* Single names of one folder stand on one line. */
static bool are_neighbours(const struct need *one, const struct need *other)
{
	size_t length = (size_t)(last_of(one->pattern) - one->pattern);

	return one->rights == other->rights && !strpbrk(one->pattern, "*?[") &&
	       !strpbrk(other->pattern, "*?[") &&
	       strncmp(one->pattern, other->pattern, length) == 0 &&
	       !strchr(other->pattern + length, '/');
}

#define OF_FILES (LEARNT_CONNECT - 1u)

/* Whether it stands on the line of one before it. */
static bool is_written(const struct learnt *learnt, size_t index, uint32_t which)
{
	for (size_t i = 0; i < index; i++)
		if ((learnt->needs[i].rights & which) &&
		    are_neighbours(&learnt->needs[i], &learnt->needs[index]))
			return true;
	return false;
}

static void write_names(const struct learnt *learnt, size_t first, FILE *file)
{
	const char *separator = " ";

	for (size_t i = first; i < learnt->need_count; i++) {
		if (i > first && !are_neighbours(&learnt->needs[first], &learnt->needs[i]))
			continue;
		(void)fputs(separator, file);
		write_pattern(learnt->needs[i].pattern, file);
		separator = ", ";
	}
	(void)fputc('\n', file);
}

/* The needs of these rights; behind them stands `family`. */
static void write_needs(const struct learnt *learnt, uint32_t which, const char *family, FILE *file)
{
	for (size_t i = 0; i < learnt->need_count; i++) {
		if (!(learnt->needs[i].rights & which) || is_written(learnt, i, which))
			continue;
		(void)fputc('\t', file);
		write_rights(learnt->needs[i].rights & which, file);
		(void)fputs(family, file);
		write_names(learnt, i, file);
	}
}

static void write_port(const struct learnt_ports *ports, FILE *file)
{
	if (ports->first == 0 && ports->last == UINT16_MAX)
		(void)fprintf(file, "%s:*", ports->host);
	else if (ports->first == ports->last)
		(void)fprintf(file, "%s:%u", ports->host, ports->first);
	else
		(void)fprintf(file, "%s:%u-%u", ports->host, ports->first, ports->last);
}

/* A host, with all its ports, on each line. */
static void write_addresses(const struct learnt *learnt, FILE *file)
{
	for (size_t i = 0; i < learnt->ports_count; i++) {
		bool first =
			 i == 0 || strcmp(learnt->ports[i - 1].host, learnt->ports[i].host) != 0,
		     last = i + 1 == learnt->ports_count ||
			    strcmp(learnt->ports[i + 1].host, learnt->ports[i].host) != 0;

		(void)fputs(first ? "\tconnect tcp " : ", ", file);
		write_port(&learnt->ports[i], file);
		if (last)
			(void)fputc('\n', file);
	}
}

static void write_network(const struct learnt *learnt, FILE *file)
{
	if (!learnt->ports_count && !has_sockets(learnt, LEARNT_CONNECT | LEARNT_BIND))
		return;
	(void)fputs("network {\n", file);
	write_needs(learnt, LEARNT_CONNECT, " unix", file);
	write_needs(learnt, LEARNT_BIND, " unix", file);
	write_addresses(learnt, file);
	(void)fputs("}\n", file);
}

static bool has_files(const struct learnt *learnt)
{
	for (size_t i = 0; i < learnt->need_count; i++)
		if (!learnt->needs[i].socket)
			return true;
	return false;
}

int learnt_write(const struct learnt *learnt, FILE *file)
{
	(void)fprintf(file, "policy %s\ninclude %s\n", learnt->name, learnt->base);
	if (learnt->call_count)
		(void)fputs("syscalls {\n", file);
	for (size_t i = 0; i < learnt->call_count; i++)
		(void)fprintf(file, "\tallow %s\n", learnt->calls[i]);
	if (learnt->call_count)
		(void)fputs("}\n", file);
	if (has_files(learnt)) {
		(void)fputs("files {\n", file);
		write_needs(learnt, OF_FILES, "", file);
		(void)fputs("}\n", file);
	}
	write_network(learnt, file);
	return ferror(file) ? EOF : fflush(file);
}

/* The next pattern of a list, in place; *line is what follows it. NULL: there is none. */
static char *read_pattern(char **line)
{
	char *text = *line, *start = text, *to = text, end = ',';

	if (*text == '"') {
		text++;
		end = '"';
	}
	for (*line = text; **line && **line != end; (*line)++) {
		if ((*line)[0] == '$' && (*line)[1] == '$')
			(*line)++;
		*to++ = **line;
	}
	if (end == '"' && *(*line)++ != '"')
		return NULL;
	if (**line && strncmp(*line, ", ", 2) != 0)
		return NULL;
	*line += **line ? 2 : 0;
	*to = '\0';
	return start;
}

static bool read_names(struct learnt *learnt, char *line, uint32_t which)
{
	do {
		char *pattern = read_pattern(&line);
		struct need *need;

		if (!pattern || pattern[0] != '/')
			return false;
		need = need_of(learnt, pattern, !(which & OF_FILES));
		need->rights |= which;
		need->kept = true;
	} while (*line);
	return true;
}

static bool read_addresses(struct learnt *learnt, char *line)
{
	do {
		char *address = read_pattern(&line);

		if (!address || !learnt_address(learnt, address))
			return false;
	} while (*line);
	return true;
}

/* "RIGHT, RIGHT PATTERN, PATTERN" */
static bool read_needs(struct learnt *learnt, char *line)
{
	uint32_t which = 0;

	for (;;) {
		size_t length = strcspn(line, ", ");
		uint32_t right = learnt_right(line, length);
		bool more = line[length] == ',';

		if (!(right & OF_FILES) || line[length] == '\0' ||
		    (more && line[length + 1] != ' '))
			return false;
		which |= right;
		line += length + (more ? 2 : 1);
		if (!more)
			return read_names(learnt, line, which);
	}
}

static char *behind(char *line, const char *word)
{
	size_t length = strlen(word);

	return strncmp(line, word, length) == 0 && line[length] ? line + length : NULL;
}

static bool read_call(struct learnt *learnt, char *line)
{
	char *call = behind(line, "allow ");

	if (call)
		learnt_call(learnt, call);
	return call;
}

static bool read_network(struct learnt *learnt, char *line)
{
	char *rest = behind(line, "connect unix ");

	if (rest)
		return read_names(learnt, rest, LEARNT_CONNECT);
	rest = behind(line, "bind unix ");
	if (rest)
		return read_names(learnt, rest, LEARNT_BIND);
	rest = behind(line, "connect tcp ");
	return rest && read_addresses(learnt, rest);
}

struct section {
	const char *opening;
	bool (*read)(struct learnt *learnt, char *line);
};

static const struct section sections[] = {
    {"syscalls {", read_call}, {"files {", read_needs}, {"network {", read_network}};

/* *in_section: NULL outside of all. */
static bool read_line(struct learnt *learnt, char *line, const struct section **in_section)
{
	char *rest;

	if (*in_section && strcmp(line, "}") == 0) {
		*in_section = NULL;
		return true;
	}
	if (*in_section)
		return line[0] == '\t' && (*in_section)->read(learnt, line + 1);
	for (size_t i = 0; i < ELEMENTS(sections); i++)
		if (strcmp(line, sections[i].opening) == 0)
			return *in_section = &sections[i], true;
	rest = behind(line, "policy ");
	if (rest && !learnt->name)
		return learnt->name = copied(rest), true;
	rest = behind(line, "include ");
	if (rest && learnt->name && !learnt->base)
		return learnt->base = copied(rest), true;
	return false;
}

unsigned learnt_read(struct learnt *learnt, FILE *file)
{
	const struct section *section = NULL;
	char *line = NULL;
	size_t room = 0;
	unsigned number = 0;
	bool good = true;

	while (good && getline(&line, &room, file) > 0) {
		line[strcspn(line, "\n")] = '\0';
		number++;
		good = read_line(learnt, line, &section);
	}
	free(line);
	if (good && number > 0 && !section && learnt->base)
		return 0;
	return number ? number : 1;
}
