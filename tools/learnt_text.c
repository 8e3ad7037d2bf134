/* SPDX-License-Identifier: Apache-2.0 */
/* A policy in the making as text: written, and read again, which takes nothing but what was written here. */
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "learnt.h"
#include "learnt_names.h"

/* ---- writing ---- */

static void write_rights(uint32_t which, FILE *file)
{
	const char *separator = "";

	for (size_t i = 0; i < LEARNT_RIGHT_COUNT; i++)
		if (which >> i & 1) {
			(void)fprintf(file, "%s%s", separator, learnt_rights[i]);
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
	size_t length = (size_t)(name_last(one->pattern) - one->pattern);

	return one->rights == other->rights && !strpbrk(one->pattern, "*?[") &&
	       !strpbrk(other->pattern, "*?[") &&
	       strncmp(one->pattern, other->pattern, length) == 0 &&
	       !strchr(other->pattern + length, '/');
}

#define LEARNT_OF_FILES (LEARNT_CONNECT - 1u)

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
	if (!learnt->ports_count && !learnt_has_sockets(learnt, LEARNT_CONNECT | LEARNT_BIND))
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
		write_needs(learnt, LEARNT_OF_FILES, "", file);
		(void)fputs("}\n", file);
	}
	write_network(learnt, file);
	return ferror(file) ? EOF : fflush(file);
}

/* ---- reading ---- */

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
		need = learnt_need_of(learnt, pattern, !(which & LEARNT_OF_FILES));
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

		if (!(right & LEARNT_OF_FILES) || line[length] == '\0' ||
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
		return learnt->name = learnt_copied(rest), true;
	rest = behind(line, "include ");
	if (rest && learnt->name && !learnt->base)
		return learnt->base = learnt_copied(rest), true;
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
