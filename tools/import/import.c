/* SPDX-License-Identifier: Apache-2.0 */
#include "import.h"

#include <string.h>

#include "command.h"
#include "emit.h"

static const struct format {
	const char *name;
	void (*read)(struct import *import, const char *text);
} formats[] = {
    {"minijail", import_minijail}, {"kafel", import_kafel},       {"systemd", import_systemd},
    {"oci", import_oci},           {"firejail", import_firejail},
};

static const struct format *find_format(const char *name)
{
	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++)
		if (strcmp(formats[i].name, name) == 0)
			return &formats[i];
	return NULL;
}

/* Both are what a damaged file has, and what no line of any format could go on after. */
static bool is_text(struct import *import, const char *text, size_t length)
{
	unsigned line = 1;

	for (size_t i = 0; i < length; i++) {
		if (text[i] == '\0') {
			import_mistake(import, line, "a NUL byte does not belong in a policy");
			return false;
		}
		line += text[i] == '\n';
	}
	return true;
}

int import_text(const char *format, const char *file, const char *text, size_t length, FILE *output,
		FILE *errors)
{
	const struct format *row = find_format(format);
	struct import import = {.format = format, .path = file, .errors = errors};
	int status = 0;

	if (!row) {
		(void)fprintf(errors, "sallyport: unknown format \"%s\"\n", format);
		return EXIT_FAILED;
	}
	import.file = import_printable(&import, file, strlen(file));
	import.fallback = VERDICT_KILL;
	import.calls_end = &import.calls;
	import.notes.end = &import.notes.first;
	import.files.end = &import.files.first;
	import.limits.end = &import.limits.first;
	if (is_text(&import, text, length))
		row->read(&import, pool_copy(&import.pool, text, length));
	if (import.mistakes > 0)
		status = EXIT_MISTAKES;
	else
		import_write(&import, output);
	import_print_notes(&import);
	pool_clear(&import.pool);
	return status;
}
