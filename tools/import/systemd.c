/* SPDX-License-Identifier: Apache-2.0 */
/* The sandboxing properties of systemd's units, systemd.exec(5). */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "emit.h"
#include "import.h"

#define FAMILIES_MAX 64
#define REFUSALS 8

/* What SystemCallFilter= says of one call. */
struct entry {
	bool listed;
	int error;     /* of a deny list: 0 where SystemCallErrorNumber= decides, -1 to kill */
	unsigned line; /* that listed it */
};

struct reading {
	struct import *import;
	struct entry entries[IMPORT_NUMBERS];
	bool filtered, allow_list;
	struct verdict refusal; /* SystemCallErrorNumber= */
	uint64_t families[FAMILIES_MAX];
	size_t family_count;
	bool families_set, families_granted;
	unsigned families_line;
	unsigned refusal_lines[REFUSALS];
	const char *protect_system, *protect_home;
	unsigned protect_system_line, protect_home_line;
	struct import_lines writable, readable, hidden;
};

/* ---- words ---- */

static char *take_word(struct pool *pool, const char **at)
{
	const char *start;
	size_t length;
	bool quoted;

	*at += strspn(*at, " \t");
	quoted = **at == '"' || **at == '\'';
	start = *at + quoted;
	length = quoted ? strcspn(start, (char[]){**at, '\0'}) : strcspn(start, " \t");
	*at = start + length;
	*at += quoted && **at;
	return length > 0 ? pool_copy(pool, start, length) : NULL;
}

static bool is_yes(const char *value)
{
	return strcmp(value, "yes") == 0 || strcmp(value, "true") == 0 ||
	       strcmp(value, "on") == 0 || strcmp(value, "1") == 0;
}

static bool is_no(const char *value)
{
	return strcmp(value, "no") == 0 || strcmp(value, "false") == 0 ||
	       strcmp(value, "off") == 0 || strcmp(value, "0") == 0 || value[0] == '\0';
}

/* ---- system calls ---- */

static void set_entry(struct reading *reading, unsigned line, int number, bool listed, int error)
{
	if (listed)
		reading->entries[number] = (struct entry){true, error, line};
	else
		reading->entries[number].listed = false;
}

static void set_call(struct reading *reading, unsigned line, const char *name, bool listed,
		     int error)
{
	struct sp_policy_call call;

	if (import_find_call(reading->import, line, name, true, &call))
		set_entry(reading, line, call.number, listed, error);
}

static void set_group(struct reading *reading, unsigned line, const char *name, bool listed,
		      int error)
{
	char *members, *rest, *member;
	int r = sp_policy_group_members(name, &members);

	if (r < 0) {
		import_note(reading->import, line, "unknown group \"%s\": left out",
			    import_printable(reading->import, name, strlen(name)));
		return;
	}
	rest = members;
	while ((member = strsep(&rest, "\n")))
		if (member[0])
			set_call(reading, line, member, listed, error);
	free(members);
}

/* "name", "@group", "name:EPERM", "name:kill" */
static void read_filter_word(struct reading *reading, unsigned line, char *word, bool listed)
{
	char *colon = strchr(word, ':');
	int error = 0;

	if (colon) {
		*colon = '\0';
		error = strcmp(colon + 1, "kill") == 0
			    ? -1
			    : import_find_errno(reading->import, line, colon + 1);
	}
	if (word[0] == '@')
		set_group(reading, line, word, listed, error);
	else
		set_call(reading, line, word, listed, error);
}

/* The first line says whether it is a list of what is allowed or denied; later ones add and remove. */
static void read_filter(struct reading *reading, unsigned line, const char *value)
{
	bool invert = value[0] == '~';
	char *word;

	value += invert;
	if (value[strspn(value, " \t")] == '\0' && !invert) {
		memset(reading->entries, 0, sizeof(reading->entries));
		reading->filtered = false;
		return;
	}
	if (!reading->filtered) {
		reading->filtered = true;
		reading->allow_list = !invert;
		if (!invert)
			set_group(reading, line, "@default", true, 0);
	}
	while ((word = take_word(&reading->import->pool, &value)))
		read_filter_word(reading, line, word, invert != reading->allow_list);
}

static void read_error_number(struct reading *reading, unsigned line, const char *value)
{
	if (value[0] == '\0' || strcmp(value, "kill") == 0)
		reading->refusal = VERDICT_KILL;
	else
		reading->refusal = VERDICT_DENY(import_find_errno(reading->import, line, value));
}

static void read_architectures(struct reading *reading, unsigned line, const char *value)
{
	char *word;

	while ((word = take_word(&reading->import->pool, &value)))
		if (strcmp(word, "native") != 0 && strcmp(word, "x86-64") != 0)
			import_note(reading->import, line,
				    "calls of the architecture %s are never let through",
				    import_printable(reading->import, word, strlen(word)));
}

static void set_family(struct reading *reading, uint64_t family, bool listed)
{
	size_t i = 0;

	while (i < reading->family_count && reading->families[i] != family)
		i++;
	if (listed && i == reading->family_count && i < FAMILIES_MAX)
		reading->families[reading->family_count++] = family;
	else if (!listed && i < reading->family_count)
		reading->families[i] = reading->families[--reading->family_count];
}

/* The first list says whether families are granted or denied; one of the other kind takes away from it. An empty
 * one starts anew, and "none" grants none. */
static void read_families(struct reading *reading, unsigned line, const char *value)
{
	bool invert = value[0] == '~', none = strcmp(value, "none") == 0;
	bool anew = value[0] == '\0';
	uint64_t family;
	char *word;

	value += invert;
	if (!reading->families_set || none)
		reading->families_granted = !invert;
	reading->families_set = !anew;
	reading->families_line = line;
	if (anew || none)
		reading->family_count = 0;
	if (none)
		return;
	while ((word = take_word(&reading->import->pool, &value))) {
		if (sp_policy_constant(word, &family) < 0 || strncmp(word, "AF_", 3) != 0)
			import_mistake(reading->import, line, "unknown address family \"%s\"",
				       import_printable(reading->import, word, strlen(word)));
		else
			set_family(reading, family, invert != reading->families_granted);
	}
}

/* ---- other properties that carry over ---- */

static void read_wx(struct reading *reading, unsigned line, const char *value)
{
	(void)line;
	reading->import->wx_denied = is_yes(value);
}

/* Properties that refuse some calls, or forms of them, whatever the filter says. */
static const struct refusal {
	const char *property, *call;
	struct clause clause; /* mask 0: always */
} refusals[REFUSALS] = {
    {"LockPersonality", "personality", {0, RELATION_IS_NOT, UINT64_MAX, 0}},
    {"RestrictRealtime", "sched_setscheduler", {1, RELATION_IS, UINT64_MAX, 1}},
    {"RestrictRealtime", "sched_setscheduler", {1, RELATION_IS, UINT64_MAX, 2}},
    {"RestrictRealtime", "sched_setscheduler", {1, RELATION_IS, UINT64_MAX, 4}},
    {"RestrictRealtime", "sched_setscheduler", {1, RELATION_ABOVE, UINT64_MAX, 5}},
    {"RestrictRealtime", "sched_setattr", {0, RELATION_IS, 0, 0}},
    {"RestrictSUIDSGID", "fchmod", {1, RELATION_IS_NOT, 04000, 0}},
    {"RestrictSUIDSGID", "fchmod", {1, RELATION_IS_NOT, 02000, 0}},
};

static bool read_refusal(struct reading *reading, unsigned line, const char *property,
			 const char *value)
{
	bool known = false;

	for (size_t i = 0; i < REFUSALS; i++) {
		if (strcmp(refusals[i].property, property) != 0)
			continue;
		known = true;
		reading->refusal_lines[i] = is_yes(value) ? line : 0;
	}
	return known;
}

static void add_refusals(struct reading *reading)
{
	struct pool *pool = &reading->import->pool;
	struct sp_policy_call call;

	for (size_t i = 0; i < REFUSALS; i++)
		if (reading->refusal_lines[i] > 0 &&
		    sp_policy_call_find(refusals[i].call, &call) == 0)
			import_refuse(reading->import, reading->refusal_lines[i], &call,
				      refusals[i].clause.mask
					  ? formula_compare(pool, &call, refusals[i].clause)
					  : formula_always(pool),
				      EPERM);
}

/* ---- names ---- */

static void add_paths(struct reading *reading, struct import_lines *lines, unsigned line,
		      const char *value)
{
	struct pool *pool = &reading->import->pool;
	char *word;

	if (value[0] == '\0')
		lines->first = NULL;
	if (!lines->first)
		lines->end = &lines->first;
	while ((word = take_word(pool, &value))) {
		struct import_line *added = pool_allocate(pool, sizeof(*added));

		*added = (struct import_line){.line = line, .text = word + strspn(word, "-+")};
		*lines->end = added;
		lines->end = &added->next;
	}
}

static void read_writable(struct reading *reading, unsigned line, const char *value)
{
	add_paths(reading, &reading->writable, line, value);
}

static void read_readable(struct reading *reading, unsigned line, const char *value)
{
	add_paths(reading, &reading->readable, line, value);
}

static void read_hidden(struct reading *reading, unsigned line, const char *value)
{
	add_paths(reading, &reading->hidden, line, value);
}

static void read_protect_system(struct reading *reading, unsigned line, const char *value)
{
	reading->protect_system = value;
	reading->protect_system_line = line;
}

static void read_protect_home(struct reading *reading, unsigned line, const char *value)
{
	reading->protect_home = value;
	reading->protect_home_line = line;
}

/* ---- limits ---- */

static const struct limit {
	const char *property, *word;
} limits[] = {
    {"LimitNOFILE", "files"},    {"LimitNPROC", "processes"}, {"LimitAS", "memory"},
    {"LimitFSIZE", "file-size"}, {"LimitCPU", "cpu"},
};

/* "64K", of the soft limit where there are two. */
static bool parse_size(const char *value, uint64_t *ret_size)
{
	static const char units[] = "KMGT";
	char *end;
	const char *unit;

	if (!isdigit((unsigned char)value[0]))
		return false;
	errno = 0;
	*ret_size = strtoull(value, &end, 10);
	unit = *end ? strchr(units, *end) : NULL;
	for (const char *u = units; unit && u <= unit; u++)
		if (__builtin_mul_overflow(*ret_size, 1024, ret_size))
			return false;
	end += unit != NULL;
	return errno == 0 && *ret_size > 0 && (*end == '\0' || *end == ':');
}

static bool read_limit(struct reading *reading, unsigned line, const char *property,
		       const char *value)
{
	struct import *import = reading->import;
	uint64_t size;

	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		if (strcmp(limits[i].property, property) != 0)
			continue;
		if (parse_size(value, &size))
			import_limit(import, line, limits[i].word, size);
		else if (strncmp(value, "infinity", 8) != 0)
			import_note(import, line, "%s=%s is left out", property,
				    import_printable(import, value, strlen(value)));
		return true;
	}
	return false;
}

/* ---- properties ---- */

static const struct {
	const char *name;
	void (*read)(struct reading *reading, unsigned line, const char *value);
} properties[] = {
    {"SystemCallFilter", read_filter},
    {"SystemCallErrorNumber", read_error_number},
    {"SystemCallArchitectures", read_architectures},
    {"RestrictAddressFamilies", read_families},
    {"MemoryDenyWriteExecute", read_wx},
    {"ReadWritePaths", read_writable},
    {"ReadOnlyPaths", read_readable},
    {"InaccessiblePaths", read_hidden},
    {"ProtectSystem", read_protect_system},
    {"ProtectHome", read_protect_home},
};

/* What every sandbox has or refuses, so that "yes" asks for nothing more. */
static const char *const always[] = {
    "NoNewPrivileges",       "RestrictNamespaces",   "PrivateNetwork",
    "PrivateUsers",          "PrivateIPC",           "ProtectHostname",
    "ProtectClock",          "ProtectKernelModules", "ProtectKernelLogs",
    "ProtectKernelTunables", "ProtectControlGroups", "PrivateMounts",
    "CapabilityBoundingSet", "AmbientCapabilities",  "PrivatePIDs"};

/* The other sandboxing properties; what else a unit holds is no part of a policy. */
static const char *const lost[] = {"SystemCallLog",
				   "PrivateTmp",
				   "PrivateDevices",
				   "ProtectProc",
				   "ProcSubset",
				   "ExecPaths",
				   "NoExecPaths",
				   "TemporaryFileSystem",
				   "BindPaths",
				   "BindReadOnlyPaths",
				   "RootDirectory",
				   "RootImage",
				   "MountAPIVFS",
				   "RestrictFileSystems",
				   "NetworkNamespacePath",
				   "IPCNamespacePath",
				   "RemoveIPC",
				   "DynamicUser",
				   "User",
				   "Group",
				   "UMask",
				   "DeviceAllow",
				   "DevicePolicy",
				   "IPAddressAllow",
				   "IPAddressDeny",
				   "SocketBindAllow",
				   "SocketBindDeny",
				   "RestrictNetworkInterfaces",
				   "StateDirectory",
				   "CacheDirectory",
				   "LogsDirectory",
				   "RuntimeDirectory",
				   "ConfigurationDirectory",
				   "LimitDATA",
				   "LimitSTACK",
				   "LimitCORE",
				   "LimitRSS",
				   "LimitMEMLOCK",
				   "LimitLOCKS",
				   "LimitSIGPENDING",
				   "LimitMSGQUEUE",
				   "LimitNICE",
				   "LimitRTPRIO",
				   "LimitRTTIME",
				   "MemoryMax",
				   "TasksMax",
				   "CPUQuota",
				   "RuntimeMaxSec",
				   "SecureBits",
				   "KeyringMode",
				   "AppArmorProfile",
				   "SELinuxContext",
				   "Personality"};

/* They let UDP and servers through as well, which no address in a policy does; and where a policy names one, it
 * overrides what SystemCallFilter= and RestrictAddressFamilies= say of sockets. */
static const char packets[] =
    ": it filters packets of every protocol, in and out; TCP servers can be "
    "named by \"connect tcp\" in \"network\"";

static bool is_among(const char *const *names, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

static void read_other(struct reading *reading, unsigned line, const char *name, const char *value)
{
	struct import *import = reading->import;
	bool denies = !is_no(value);

	if (read_limit(reading, line, name, value) || read_refusal(reading, line, name, value))
		return;
	if (is_among(always, sizeof(always) / sizeof(always[0]), name)) {
		if (!denies)
			import_note(import, line, "%s=%s: the sandbox is stricter", name,
				    import_printable(import, value, strlen(value)));
	} else if ((denies || strcmp(value, "0") == 0) &&
		   is_among(lost, sizeof(lost) / sizeof(lost[0]), name)) {
		import_note(import, line, "%s= does not carry over%s", name,
			    strncmp(name, "IPAddress", 9) == 0 ? packets : "");
	}
}

static void read_property(struct reading *reading, unsigned line, char *text)
{
	char *equals = strchr(text, '='), *name_end = equals;

	if (!equals) {
		import_mistake(reading->import, line, "expected \"Property=value\"");
		return;
	}
	while (name_end > text && strchr(" \t", name_end[-1]))
		name_end--;
	*name_end = '\0';
	equals += 1 + strspn(equals + 1, " \t");
	for (size_t i = 0; i < sizeof(properties) / sizeof(properties[0]); i++)
		if (strcmp(properties[i].name, text) == 0) {
			properties[i].read(reading, line, equals);
			return;
		}
	read_other(reading, line, text, equals);
}

/* ---- what it comes to ---- */

static void add_calls(struct reading *reading)
{
	struct import *import = reading->import;

	import->fallback =
	    reading->filtered && reading->allow_list ? reading->refusal : VERDICT_ALLOW;
	for (int nr = 0; nr < IMPORT_NUMBERS; nr++) {
		const struct entry *entry = &reading->entries[nr];
		struct verdict verdict = reading->refusal;
		struct sp_policy_call call;

		if (!entry->listed || sp_policy_call_at(nr, &call) < 0)
			continue;
		if (reading->allow_list)
			verdict = VERDICT_ALLOW;
		else if (entry->error)
			verdict = entry->error < 0 ? VERDICT_KILL : VERDICT_DENY(entry->error);
		import_rule_always(import, entry->line, &call, verdict);
	}
	add_refusals(reading);
	if (reading->families_set)
		import_families(import, reading->families_line, reading->families,
				reading->family_count, reading->families_granted, EAFNOSUPPORT);
}

static void add_files(struct reading *reading, const struct import_lines *lines, const char *rights)
{
	for (const struct import_line *l = lines->first; l; l = l->next)
		import_file(reading->import, l->line, rights, l->text);
}

static bool is_below(const char *path, const char *folder)
{
	size_t length = strlen(folder);

	return strncmp(path, folder, length) == 0 &&
	       (path[length] == '/' || path[length] == '\0' || folder[length - 1] == '/');
}

/* Read-only below what may be written: `deny` alone takes the right to write away there. */
static void add_readable(struct reading *reading)
{
	for (const struct import_line *l = reading->readable.first; l; l = l->next)
		for (const struct import_line *w = reading->writable.first; w; w = w->next) {
			if (l->text[0] != '/' || w->text[0] != '/' || !is_below(l->text, w->text))
				continue;
			import_note(reading->import, l->line,
				    "%s is read-only below what may be written: it is denied",
				    import_printable(reading->import, l->text, strlen(l->text)));
			import_file(reading->import, l->line, "deny", l->text);
			break;
		}
}

static void hide_homes(struct reading *reading)
{
	static const char *const homes[] = {"/home", "/root", "/run/user"};

	if (!reading->protect_home || is_no(reading->protect_home) ||
	    strcmp(reading->protect_home, "read-only") == 0)
		return;
	for (size_t i = 0; i < sizeof(homes) / sizeof(homes[0]); i++)
		import_file(reading->import, reading->protect_home_line, "deny", homes[i]);
}

/* A unit sees every name, and writes where nothing says otherwise; a policy grants writing by name. */
static void add_names(struct reading *reading)
{
	bool strict = reading->protect_system && strcmp(reading->protect_system, "strict") == 0;

	for (const struct import_line *l = reading->readable.first; l; l = l->next)
		strict = strict || strcmp(l->text, "/") == 0;
	if (!strict && !reading->protect_system && !reading->protect_home &&
	    !reading->readable.first && !reading->writable.first && !reading->hidden.first)
		return;
	import_file(reading->import, 0, "read", "/");
	if (!strict)
		import_note(reading->import, reading->protect_system_line,
			    "names outside of ReadWritePaths= may be read, not written");
	import_note(reading->import, 0,
		    "names may be read, not executed: grant `execute` on what the program starts");
	add_files(reading, &reading->writable, "read, write, create, delete");
	add_files(reading, &reading->hidden, "deny");
	add_readable(reading);
	hide_homes(reading);
}

/* ---- lines ---- */

static bool is_comment(const char *line)
{
	line += strspn(line, " \t");
	return *line == '#' || *line == ';';
}

/* The length of what a line says; *ret_more where a backslash at its end says that it goes on. */
static size_t measure(const char *line, size_t length, bool *ret_more)
{
	length -= length > 0 && line[length - 1] == '\r';
	*ret_more = length > 0 && line[length - 1] == '\\';
	return length - *ret_more;
}

/* A line and those that it goes on in, with a blank for the backslash; comments between them are left
 * out, as systemd does. */
static char *take_line(struct pool *pool, const char **at, unsigned *line)
{
	const char *start = *at, *end = start;
	char *whole, *out;
	bool more = true;

	for (bool goes_on; more && *end; (*line)++) {
		size_t length = strcspn(end, "\n");

		(void)measure(end, length, &goes_on);
		more = end == start || !is_comment(end) ? goes_on : true;
		end += length + (end[length] == '\n');
	}
	whole = out = pool_allocate(pool, (size_t)(end - start) + 2);
	for (const char *from = start; from < end;) {
		size_t length = strcspn(from, "\n"), kept = measure(from, length, &more);

		if (from == start || !is_comment(from)) {
			out = mempcpy(out, from, kept);
			*out++ = ' ';
		}
		from += length + 1;
	}
	*at = end;
	while (out > whole && strchr(" \t", out[-1]))
		out--;
	*out = '\0';
	return whole + strspn(whole, " \t");
}

static bool is_section_of_ours(const char *text)
{
	return strcmp(text, "[Service]") == 0 || strcmp(text, "[Socket]") == 0 ||
	       strcmp(text, "[Mount]") == 0 || strcmp(text, "[Swap]") == 0;
}

static void read_lines(struct reading *reading, const char *text)
{
	bool ours = true; /* a part of a unit may come without its section */
	unsigned next = 1;

	while (*text) {
		unsigned line = next;
		char *whole = take_line(&reading->import->pool, &text, &next);

		if (whole[0] == '[') {
			if (whole[strlen(whole) - 1] != ']')
				import_mistake(reading->import, line, "expected \"[Section]\"");
			ours = is_section_of_ours(whole);
		} else if (ours && whole[0] && !strchr("#;", whole[0])) {
			read_property(reading, line, whole);
		}
	}
}

void import_systemd(struct import *import, const char *text)
{
	struct reading *reading = pool_allocate(&import->pool, sizeof(*reading));

	reading->import = import;
	reading->refusal = VERDICT_KILL;
	read_lines(reading, text);
	if (import->mistakes > 0)
		return;
	add_calls(reading);
	add_names(reading);
}
