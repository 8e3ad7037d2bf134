/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/twins.h"

#include <pthread.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sallyport/policy.h>

#include "ipc/util.h"
#include "policy/names.h"

static const struct {
	const char *word;
	uint32_t scmp, first;
} architectures[SP_TWIN_COUNT] = {
    {"i386", SCMP_ARCH_X86, 0},
    {"x32", SCMP_ARCH_X32, 0x40000000u},
};

static const struct {
	uint32_t architectures;
	unsigned comparable;
	const char *names;
} rows[] = {
#define SP_TWINS(architectures, comparable, names) {architectures, comparable, names},
#include "policy/twins.def"
#undef SP_TWINS
};

static struct entry {
	char name[SP_CALL_NAME_MAX];
	struct sp_twin twin;
} entries[SP_TWIN_COUNT][SP_TWIN_NUMBERS];
static pthread_once_t entries_once = PTHREAD_ONCE_INIT;

/* One word of the table: it is the call of this name. */
static void give(size_t architecture, const char *word, size_t length, unsigned comparable)
{
	char name[2 * SP_CALL_NAME_MAX], *native;
	int nr;

	(void)snprintf(name, sizeof(name), "%.*s", (int)length, word);
	native = strchr(name, '=');
	if (native)
		*native++ = '\0';
	nr = sp_call_number(native ? native : name);
	for (size_t i = 0; nr >= 0 && i < SP_TWIN_NUMBERS; i++)
		if (strcmp(entries[architecture][i].name, name) == 0)
			entries[architecture][i].twin = (struct sp_twin){nr, comparable, true};
}

static void give_all(size_t architecture)
{
	for (size_t i = 0; i < SP_ELEMENTS(rows); i++)
		for (const char *word = rows[i].names;
		     *word && rows[i].architectures & 1u << architecture;) {
			size_t length = strcspn(word, " ");

			give(architecture, word, length, rows[i].comparable);
			word += length + strspn(word + length, " ");
		}
}

/* What the table does not give is refused as the native call of the name is. */
static void fill_entries(void)
{
	for (size_t a = 0; a < SP_TWIN_COUNT; a++) {
		for (uint32_t nr = 0; nr < SP_TWIN_NUMBERS; nr++) {
			_cleanup_free_ char *name = seccomp_syscall_resolve_num_arch(
			    architectures[a].scmp, (int)(architectures[a].first + nr));
			struct entry *entry = &entries[a][nr];
			int native = name ? sp_call_number(name) : SP_CALL_UNKNOWN;

			(void)snprintf(entry->name, sizeof(entry->name), "%s", name ? name : "");
			entry->twin.native = native >= 0 ? native : SP_CALL_UNKNOWN;
		}
		give_all(a);
	}
}

static const struct entry *find_entry(uint32_t architecture, uint32_t nr)
{
	if (nr >= SP_TWIN_NUMBERS)
		return NULL;
	(void)pthread_once(&entries_once, fill_entries);
	for (size_t a = 0; a < SP_TWIN_COUNT; a++)
		if (architecture == 1u << a)
			return &entries[a][nr];
	return NULL;
}

struct sp_twin sp_twin_find(uint32_t architecture, uint32_t nr)
{
	const struct entry *entry = find_entry(architecture, nr);

	return entry ? entry->twin : (struct sp_twin){.native = SP_CALL_UNKNOWN};
}

uint32_t sp_twin_first(uint32_t architecture)
{
	return architecture == SP_ARCHITECTURE_X32 ? architectures[1].first : 0;
}

const char *sp_twin_name(uint32_t architecture, uint32_t nr)
{
	const struct entry *entry = find_entry(architecture, nr);

	return entry && entry->name[0] ? entry->name : NULL;
}

const char *sp_architecture_name(uint32_t architecture)
{
	for (size_t a = 0; a < SP_TWIN_COUNT; a++)
		if (architecture == 1u << a)
			return architectures[a].word;
	return NULL;
}

uint32_t sp_architecture_find(const char *word)
{
	for (uint32_t a = 0; a < SP_TWIN_COUNT; a++)
		if (strcmp(architectures[a].word, word) == 0)
			return 1u << a;
	return 0;
}
