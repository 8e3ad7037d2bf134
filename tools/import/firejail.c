/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The system-call lines of firejail's profiles:
 *
 *     seccomp                      its list of what is denied, to which names add and !names except
 *     seccomp.drop LIST            denied
 *     seccomp.keep LIST            allowed, and nothing else
 *     seccomp-error-action EPERM   what happens to the others: an error, kill or log
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "emit.h"
#include "import.h"

#define GROUPS_MAX 4 /* in each other */
#define FAMILIES_MAX 16
#define INCLUDES_MAX 16

struct entry {
	bool listed, excepted;
	struct verdict verdict;
	bool own; /* the entry says what happens, not the profile's error action */
	unsigned line;
};

struct reading {
	struct import *import;
	struct entry dropped[IMPORT_NUMBERS], kept[IMPORT_NUMBERS];
	bool drops, keeps;
	struct verdict action;
	unsigned protocol_line;
	uint64_t families[FAMILIES_MAX];
	size_t family_count;
	unsigned depth;              /* of includes */
	struct import_lines ignored; /* beginnings of lines that are passed over from here on */
	struct import_lines passed;  /* directives of which was noted that they do not carry over */
};

/* Groups that have other members than systemd's of the same name. */
static const char *const groups[][2] = {
    {"@debug", "lookup_dcookie,perf_event_open,pidfd_getfd,process_vm_writev"},
    {"@default",
     "@clock,@cpu-emulation,@debug,@module,@mount,@obsolete,@raw-io,@reboot,@swap,"
     "open_by_handle_at,name_to_handle_at,ioprio_set,syslog,fanotify_init,kcmp,add_key,request_key,"
     "mbind,migrate_pages,move_pages,keyctl,io_setup,io_destroy,io_getevents,io_submit,io_cancel,"
     "remap_file_pages,set_mempolicy,vmsplice,userfaultfd,acct,bpf,nfsservctl,setdomainname,"
     "sethostname,vhangup"},
    {"@default-nodebuggers", "@default,ptrace,personality,process_vm_readv"},
    {"@default-keep", "execve,prctl"},
};

/* ---- lists; NOLINTBEGIN(misc-no-recursion): as deep as GROUPS_MAX ---- */

static void read_list(struct reading *reading, struct entry *entries, unsigned line,
		      const char *list, struct entry entry, unsigned depth);

static void set_call(struct reading *reading, struct entry *entries, const char *name,
		     struct entry entry)
{
	struct sp_policy_call call;
	uint64_t number;

	if (name[0] != '$') {
		if (!import_find_call(reading->import, entry.line, name, true, &call))
			return;
	} else if (!import_number(name + 1, &number) || number >= IMPORT_NUMBERS ||
		   sp_policy_call_at((int)number, &call) < 0) {
		import_note(reading->import, entry.line,
			    "no system call has the number %s: left out",
			    import_printable(reading->import, name + 1, strlen(name + 1)));
		return;
	}
	if (entry.excepted)
		entries[call.number].excepted = true;
	else
		entries[call.number] = (struct entry){true, entries[call.number].excepted,
						      entry.verdict, entry.own, entry.line};
}

static void set_group(struct reading *reading, struct entry *entries, const char *name,
		      struct entry entry, unsigned depth)
{
	char *members = NULL;

	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++)
		if (strcmp(groups[i][0], name) == 0) {
			read_list(reading, entries, entry.line, groups[i][1], entry, depth + 1);
			return;
		}
	if (sp_policy_group_members(name, &members) < 0) {
		import_note(reading->import, entry.line, "unknown group \"%s\": left out",
			    import_printable(reading->import, name, strlen(name)));
		return;
	}
	read_list(reading, entries, entry.line, members, entry, depth + 1);
	free(members);
}

static struct verdict read_verdict(struct reading *reading, unsigned line, const char *text)
{
	if (strcmp(text, "kill") == 0)
		return VERDICT_KILL;
	if (strcmp(text, "log") == 0)
		return VERDICT_LOG;
	return VERDICT_DENY(import_find_errno(reading->import, line, text));
}

/* "name", "!name", "@group", "name:ERRNO", "$number" */
static void read_item(struct reading *reading, struct entry *entries, char *item,
		      struct entry entry, unsigned depth)
{
	char *colon = strchr(item, ':');

	if (colon) {
		*colon = '\0';
		entry.own = true;
		entry.verdict = read_verdict(reading, entry.line, colon + 1);
	}
	if (item[0] == '!') {
		entry.excepted = true;
		item++;
	}
	if (item[0] == '@')
		set_group(reading, entries, item, entry, depth);
	else
		set_call(reading, entries, item, entry);
}

static void read_list(struct reading *reading, struct entry *entries, unsigned line,
		      const char *list, struct entry entry, unsigned depth)
{
	char *copy = pool_copy(&reading->import->pool, list, strlen(list)), *item;

	if (depth > GROUPS_MAX)
		return;
	entry.line = line;
	while ((item = strsep(&copy, ", \t\n")))
		if (item[0])
			read_item(reading, entries, item, entry, depth);
}

/* ---- directives; NOLINTEND(misc-no-recursion) ---- */

static void read_seccomp(struct reading *reading, unsigned line, const char *list)
{
	reading->drops = true;
	read_list(reading, reading->dropped, line, "@default-nodebuggers", (struct entry){}, 0);
	read_list(reading, reading->dropped, line, list, (struct entry){}, 0);
}

static bool is_empty(struct reading *reading, unsigned line, const char *list)
{
	if (list[0])
		return false;
	import_mistake(reading->import, line, "expected a list of system calls");
	return true;
}

static void read_drop(struct reading *reading, unsigned line, const char *list)
{
	if (is_empty(reading, line, list))
		return;
	reading->drops = true;
	read_list(reading, reading->dropped, line, list, (struct entry){}, 0);
}

static void read_keep(struct reading *reading, unsigned line, const char *list)
{
	if (is_empty(reading, line, list))
		return;
	reading->keeps = true;
	read_list(reading, reading->kept, line, list, (struct entry){}, 0);
}

static void read_action(struct reading *reading, unsigned line, const char *text)
{
	reading->action = read_verdict(reading, line, text);
}

static void read_wx(struct reading *reading, unsigned line, const char *rest)
{
	(void)line;
	(void)rest;
	reading->import->wx_denied = true;
}

static void read_protocol(struct reading *reading, unsigned line, const char *list)
{
	static const char *const families[][2] = {
	    {"unix", "AF_UNIX"},       {"inet", "AF_INET"},     {"inet6", "AF_INET6"},
	    {"netlink", "AF_NETLINK"}, {"packet", "AF_PACKET"}, {"bluetooth", "AF_BLUETOOTH"}};
	char *copy = pool_copy(&reading->import->pool, list, strlen(list)), *item;

	reading->protocol_line = line;
	while ((item = strsep(&copy, ", \t"))) {
		size_t i = 0;

		if (!item[0])
			continue;
		while (i < sizeof(families) / sizeof(families[0]) &&
		       strcmp(families[i][0], item) != 0)
			i++;
		if (i == sizeof(families) / sizeof(families[0]))
			import_mistake(reading->import, line, "unknown protocol \"%s\"",
				       import_printable(reading->import, item, strlen(item)));
		else if (reading->family_count < FAMILIES_MAX)
			(void)sp_policy_constant(families[i][1],
						 &reading->families[reading->family_count++]);
	}
}

static void add_text(struct reading *reading, struct import_lines *lines, const char *text)
{
	struct import_line *added = pool_allocate(&reading->import->pool, sizeof(*added));

	added->text = text;
	added->next = lines->first;
	lines->first = added;
}

static void read_ignore(struct reading *reading, unsigned line, const char *rest)
{
	(void)line;
	if (rest[0])
		add_text(reading, &reading->ignored, rest);
}

/* By whole words: "ignore seccomp" leaves seccomp.drop alone. */
static bool is_ignored(const struct reading *reading, const char *text)
{
	for (const struct import_line *l = reading->ignored.first; l; l = l->next) {
		size_t length = strlen(l->text);

		if (strncmp(text, l->text, length) == 0 && strchr(" \t", text[length]))
			return true;
	}
	return false;
}

static void read_lines(struct reading *reading, const char *text);

/* What firejail calls the folder of its own profiles. */
static const char profiles[] = "/etc/firejail";
static const char profiles_macro[] = "${CFG}/";

/* A file of that name beside the profile, or among those of the system. NULL: there is none. */
static char *find_include(struct reading *reading, const char *name, const char **ret_path)
{
	struct import *import = reading->import;
	size_t macro = sizeof(profiles_macro) - 1;
	bool ours = strncmp(name, profiles_macro, macro) == 0;
	char *text = NULL;

	*ret_path = name;
	if (!ours && name[0] != '$') {
		*ret_path = import_beside(import, name);
		text = import_read_file(import, *ret_path);
	}
	if (text || name[0] == '/' || (name[0] == '$' && !ours))
		return text;
	*ret_path = pool_print(&import->pool, "%s/%s", profiles, ours ? name + macro : name);
	return import_read_file(import, *ret_path);
}

/* What users add of their own, which need not be there. */
static bool is_local(const char *name)
{
	static const char end[] = ".local";
	size_t length = strlen(name);

	return length >= sizeof(end) && strcmp(name + length - sizeof(end) + 1, end) == 0;
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as INCLUDES_MAX */
static void read_include(struct reading *reading, unsigned line, const char *name)
{
	struct import *import = reading->import;
	const char *path, *file = import_printable(import, name, strlen(name));
	char *text = import->mistakes > 0 ? NULL : find_include(reading, name, &path);
	struct import_place outer;

	if (import->mistakes > 0) /* of a file that includes itself twice one is enough */
		return;
	if (!text) {
		if (!is_local(name))
			import_note(import, line,
				    "there is no file \"%s\": what it denies is not denied here",
				    file);
		return;
	}
	if (reading->depth == INCLUDES_MAX) {
		import_mistake(import, line, "\"%s\" can't be included: it includes itself", file);
		return;
	}
	outer = import_enter(import, path);
	reading->depth++;
	read_lines(reading, text);
	reading->depth--;
	import_leave(import, outer);
}

static void pass(struct reading *reading, unsigned line, const char *rest)
{
	(void)reading;
	(void)line;
	(void)rest;
}

static const struct {
	const char *name;
	void (*read)(struct reading *reading, unsigned line, const char *rest);
} directives[] = {
    {"seccomp", read_seccomp},
    {"seccomp.drop", read_drop},
    {"seccomp.keep", read_keep},
    {"seccomp-error-action", read_action},
    {"memory-deny-write-execute", read_wx},
    {"protocol", read_protocol},
    {"include", read_include},
    {"ignore", read_ignore},
    /* What every sandbox of ours has. */
    {"seccomp.block-secondary", pass},
    {"nonewprivs", pass},
    {"noroot", pass},
    {"caps.drop", pass},
    {"restrict-namespaces", pass},
    {"ipc-namespace", pass},
};

/* Once for each. */
static void note_passed(struct reading *reading, unsigned line, const char *name)
{
	for (const struct import_line *l = reading->passed.first; l; l = l->next)
		if (strcmp(l->text, name) == 0)
			return;
	add_text(reading, &reading->passed, name);
	import_note(reading->import, line, "\"%s\" does not carry over, here or later", name);
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as INCLUDES_MAX */
static void read_directive(struct reading *reading, unsigned line, char *text)
{
	size_t length = strcspn(text, " \t");
	char *rest = text + length + strspn(text + length, " \t");

	if (is_ignored(reading, text))
		return;
	text[length] = '\0';
	for (size_t i = 0; i < sizeof(directives) / sizeof(directives[0]); i++)
		if (strcmp(directives[i].name, text) == 0) {
			directives[i].read(reading, line, rest);
			return;
		}
	if (strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.?:") !=
	    length)
		import_mistake(reading->import, line, "\"%s\" is no directive",
			       import_printable(reading->import, text, length));
	else
		note_passed(reading, line, text);
}

/* ---- what it comes to ---- */

static void add_kept(struct reading *reading)
{
	struct sp_policy_call call;

	for (int nr = 0; nr < IMPORT_NUMBERS; nr++)
		if (reading->kept[nr].listed && !reading->kept[nr].excepted &&
		    sp_policy_call_at(nr, &call) == 0)
			import_rule_always(reading->import, reading->kept[nr].line, &call,
					   VERDICT_ALLOW);
}

static void add_dropped(struct reading *reading)
{
	struct sp_policy_call call;

	for (int nr = 0; nr < IMPORT_NUMBERS; nr++) {
		const struct entry *entry = &reading->dropped[nr];

		if (entry->listed && !entry->excepted && sp_policy_call_at(nr, &call) == 0)
			import_rule_always(reading->import, entry->line, &call,
					   entry->own ? entry->verdict : reading->action);
	}
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as INCLUDES_MAX */
static void read_lines(struct reading *reading, const char *text)
{
	for (unsigned line = 1; *text; line++) {
		size_t length = strcspn(text, "\n");
		char *copy = pool_copy(&reading->import->pool, text, length), *at;

		copy[strcspn(copy, "#")] = '\0';
		for (at = copy + strlen(copy); at > copy && strchr(" \t\r", at[-1]); at--)
			at[-1] = '\0';
		at = copy + strspn(copy, " \t");
		if (*at)
			read_directive(reading, line, at);
		text += length + (text[length] == '\n');
	}
}

void import_firejail(struct import *import, const char *text)
{
	struct reading *reading = pool_allocate(&import->pool, sizeof(*reading));

	reading->import = import;
	reading->action = VERDICT_DENY(EPERM);
	read_lines(reading, text);
	import->fallback = reading->keeps ? reading->action : VERDICT_ALLOW;
	/* Both filters hold: what is dropped is not kept. */
	add_dropped(reading);
	add_kept(reading);
	if (reading->protocol_line > 0)
		import_families(import, reading->protocol_line, reading->families,
				reading->family_count, true, ENOTSUP);
}
