/* SPDX-License-Identifier: Apache-2.0 */
/* Where the texts of a policy come from: presets, files, memory, and their includes. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ipc/util.h"
#include "policy/export.h"
#include "policy/interpret.h"
#include "policy/presets.h"
#include "policy/save.h"

#define TEXT_MAX (1024 * 1024)
#define INCLUDE_DEPTH_MAX 8
/* Over one whole policy: texts that include each other twice would double at every level. */
#define INCLUDES_MAX 64

static const struct sp_preset *find_preset(const char *name)
{
	for (size_t i = 0; i < sp_preset_count; i++)
		if (strcmp(sp_presets[i].name, name) == 0)
			return &sp_presets[i];
	return NULL;
}

static const char *candidate_preset(size_t index, const void *unused)
{
	(void)unused;
	return index < sp_preset_count ? sp_presets[index].name : NULL;
}

static struct sp_source preset_source(const struct sp_preset *preset)
{
	return (struct sp_source){
	    .file = preset->file,
	    .text = (const char *)preset->text,
	    .length = preset->length,
	    .preset = true,
	};
}

static bool is_too_long(const char *text, size_t length)
{
	return length > (sp_saved_is(text, length) ? SP_SAVED_MAX : TEXT_MAX);
}

static int read_all(int fd, char *text, size_t *length)
{
	size_t have = 0;

	while (have <= SP_SAVED_MAX) {
		ssize_t n = read(fd, text + have, SP_SAVED_MAX + 1 - have);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n == 0) {
			*length = have;
			return is_too_long(text, have) ? -E2BIG : 0;
		}
		have += n > 0 ? (size_t)n : 0;
	}
	return -E2BIG;
}

/* Fills text, length, device and inode. The text is to be freed. */
static int read_file(const char *path, struct sp_source *source, char **ret_text)
{
	/* A FIFO must not hold us up: only regular files are policies. */
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	_cleanup_free_ char *text = NULL;
	struct stat stat;
	int r;

	if (fd < 0 || fstat(fd, &stat) < 0)
		return -errno;
	if (!S_ISREG(stat.st_mode))
		return S_ISDIR(stat.st_mode) ? -EISDIR : -EACCES;
	text = malloc(SP_SAVED_MAX + 1);
	if (!text)
		return -ENOMEM;
	r = read_all(fd, text, &source->length);
	if (r < 0)
		return r;
	source->device = stat.st_dev;
	source->inode = stat.st_ino;
	source->text = *ret_text = TAKE_POINTER(text);
	return 0;
}

static bool same_text(const struct sp_source *a, const struct sp_source *b)
{
	if (a->preset || b->preset)
		return a->preset && b->preset && strcmp(a->file, b->file) == 0;
	return a->inode != 0 && a->inode == b->inode && a->device == b->device;
}

/* Relative names of includes start at the folder of the file that includes. */
static char *include_path(const struct sp_source *source, const char *name)
{
	const char *slash = source->preset ? NULL : strrchr(source->file, '/');
	char *path;

	if (name[0] == '/' || !slash)
		return strdup(name);
	if (asprintf(&path, "%.*s/%s", (int)(slash - source->file), source->file, name) < 0)
		return NULL;
	return path;
}

/* "FILE#NAME": cuts the name off and returns it; NULL: there is none. */
static const char *cut_name(char *text)
{
	char *hash = strrchr(text, '#');

	if (!hash || hash == text || !sp_valid_name(hash + 1))
		return NULL;
	*hash = '\0';
	return hash + 1;
}

/* A text that is being read already is not read again. */
static struct sp_document *find_open(const struct sp_reading *reading,
				     const struct sp_source *source)
{
	for (const struct sp_reading *r = reading; r; r = r->parent)
		if (same_text(r->source, source))
			return r->document;
	return NULL;
}

static void include_text(struct sp_reading *reading, const struct sp_source *source,
			 const struct sp_wanted *wanted)
{
	struct sp_document *open = find_open(reading, source);

	sp_note_error(reading,
		      open ? sp_interpret_again(open, wanted)
			   : sp_interpret(reading->reporter, source, wanted, reading->includes));
}

static const char *candidate_included(size_t index, const void *document)
{
	return index < sp_preset_count ? candidate_preset(index, NULL)
				       : sp_candidate_policy(index - sp_preset_count, document);
}

static void include_file(struct sp_reading *reading, const struct sp_word *word, const char *name,
			 struct sp_wanted *wanted)
{
	_cleanup_free_ char *path = include_path(reading->source, name), *text = NULL;
	struct sp_source source = {.file = path};
	int r = path ? read_file(path, &source, &text) : -ENOMEM;

	if (r == -ENOMEM)
		sp_note_error(reading, r);
	else if (r == -ENOENT && !strchr(name, '/'))
		SP_MISTAKE(reading, word->place,
			   sp_nearest(name, candidate_included, reading->document),
			   "there is no preset and no file \"%s\"", name);
	else if (r < 0)
		SP_MISTAKE(reading, word->place, NULL, "can't read \"%s\": %s", name,
			   strerrordesc_np(-r));
	else if (sp_saved_is(text, source.length))
		SP_MISTAKE(reading, word->place, NULL,
			   "\"%s\" is a compiled policy, which has no text to include", name);
	else
		include_text(reading, &source, wanted);
}

static void include_other(struct sp_reading *reading, const struct sp_word *word,
			  struct sp_wanted *wanted)
{
	_cleanup_free_ char *name = strdup(word->text);
	const struct sp_preset *preset;

	if (!name) {
		sp_note_error(reading, -ENOMEM);
		return;
	}
	wanted->name = cut_name(name);
	preset = find_preset(name);
	if (preset) {
		struct sp_source source = preset_source(preset);

		include_text(reading, &source, wanted);
	} else if (reading->source->preset) {
		SP_MISTAKE(reading, word->place, NULL, "a preset includes presets only");
	} else {
		include_file(reading, word, name, wanted);
	}
}

/* A policy of the same text comes first, but for the one that includes: `policy parser` may include
 * the preset of that name. */
static void include(struct sp_reading *reading, const struct sp_word *word,
		    struct sp_wanted *wanted)
{
	const struct sp_statement *own = sp_find_policy(reading->document, word->text);

	if (reading->depth >= INCLUDE_DEPTH_MAX || ++*reading->includes > INCLUDES_MAX) {
		SP_MISTAKE(reading, word->place, NULL,
			   "too many includes: at most %d, and %d inside one another", INCLUDES_MAX,
			   INCLUDE_DEPTH_MAX);
	} else if (own && (own != reading->head || !find_preset(word->text))) {
		wanted->name = word->text;
		sp_note_error(reading, sp_interpret_again(reading->document, wanted));
	} else {
		include_other(reading, word, wanted);
	}
}

void sp_read_other(struct sp_reading *reading, const struct sp_term *term, struct sp_policy *policy)
{
	_cleanup_(sp_clear_given) struct sp_wanted wanted = {
	    .by = reading, .policy = policy, .text = term->word->text, .place = term->word->place};

	if (sp_read_given(reading, term, &wanted))
		include(reading, term->word, &wanted);
}

static void unref_policy(struct sp_policy **policy)
{
	sp_policy_unref(*policy);
}

/* Copies what the caller gives for the parameters. */
static int give(const struct sp_policy_options *options, struct sp_wanted *wanted)
{
	size_t count = options ? options->parameter_count : 0;

	wanted->lint = options && options->lint;
	wanted->given = calloc(count + 1, sizeof(*wanted->given));
	if (!wanted->given)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		char *value = strdup(options->parameters[i].value);

		if (!value)
			return -ENOMEM;
		wanted->given[wanted->given_count++] =
		    (struct sp_given){.name = options->parameters[i].name, .value = value};
	}
	return 0;
}

/* A policy that was saved is all of its file, and has no parameters any more. */
static int restore_policy(const struct sp_source *source, const char *name,
			  const struct sp_policy_options *options, struct sp_reporter *reporter,
			  struct sp_policy **ret_policy)
{
	const struct sp_source nameless = {.file = source->file, .text = ""};
	const struct sp_place start = {1, 1, 1};
	struct sp_policy *policy;
	int r = sp_policy_restore((const uint8_t *)source->text, source->length, &policy);

	if (r < 0) {
		sp_report_error(reporter, &nameless, start, NULL, "%s", sp_saved_mistake(r));
		return r == -ENOMEM ? r : -EINVAL;
	}
	if (name && strcmp(policy->name, name) != 0)
		sp_report_error(reporter, &nameless, start, NULL,
				"the compiled policy is \"%s\", not \"%s\"", policy->name, name);
	if (options && options->parameter_count > 0)
		sp_report_error(reporter, &nameless, start, NULL,
				"a compiled policy has no parameter \"%s\": give it when compiling",
				options->parameters[0].name);
	if (reporter->errors > 0)
		policy = sp_policy_unref(policy);
	*ret_policy = policy;
	return policy ? 0 : -EINVAL;
}

static int interpret_policy(const struct sp_source *source, const char *name,
			    const struct sp_policy_options *options, struct sp_reporter *reporter,
			    struct sp_policy **ret_policy)
{
	_cleanup_(unref_policy) struct sp_policy *policy = sp_model_new();
	_cleanup_(sp_clear_given) struct sp_wanted wanted = {
	    .name = name, .policy = policy, .place = {1, 1, 1}};
	unsigned includes = 0;
	int r = policy ? give(options, &wanted) : -ENOMEM;

	if (policy)
		policy->keeps = options && options->keep;
	if (r == 0)
		r = sp_interpret(reporter, source, &wanted, &includes);
	if (r < 0)
		return r;
	if (reporter->errors > 0)
		return -EINVAL;
	*ret_policy = TAKE_POINTER(policy);
	return 0;
}

static int build_policy(const struct sp_source *source, const char *name,
			const struct sp_policy_options *options, struct sp_reporter *reporter,
			struct sp_policy **ret_policy)
{
	return sp_saved_is(source->text, source->length)
		   ? restore_policy(source, name, options, reporter, ret_policy)
		   : interpret_policy(source, name, options, reporter, ret_policy);
}

static int report_unreadable(struct sp_reporter *reporter, const char *name, int r)
{
	const struct sp_source source = {.file = name, .text = ""};
	bool preset = r == -ENOENT && !strchr(name, '/');

	sp_report_error(reporter, &source, (struct sp_place){1, 1, 1},
			preset ? sp_nearest(name, candidate_preset, NULL) : NULL, "%s",
			preset ? "there is no such preset" : strerrordesc_np(-r));
	return r;
}

SP_EXPORT int sp_policy_parse_with(const char *file, const char *text, size_t length,
				   const struct sp_policy_options *options,
				   sp_diagnostic_fn *on_diagnostic, void *data,
				   struct sp_policy **ret_policy)
{
	struct sp_source source = {.file = file, .text = text, .length = length};
	struct sp_reporter reporter = {.fn = on_diagnostic, .data = data};

	if (is_too_long(text, length))
		return report_unreadable(&reporter, file, -E2BIG);
	return build_policy(&source, NULL, options, &reporter, ret_policy);
}

SP_EXPORT int sp_policy_parse(const char *file, const char *text, size_t length,
			      sp_diagnostic_fn *on_diagnostic, void *data,
			      struct sp_policy **ret_policy)
{
	return sp_policy_parse_with(file, text, length, NULL, on_diagnostic, data, ret_policy);
}

static int load(char *name, const struct sp_policy_options *options, struct sp_reporter *reporter,
		struct sp_policy **ret_policy)
{
	const char *policy = cut_name(name);
	struct sp_source source = {.file = name};
	const struct sp_preset *preset = find_preset(name);
	_cleanup_free_ char *text = NULL;
	int r;

	if (preset) {
		source = preset_source(preset);
		return build_policy(&source, policy, options, reporter, ret_policy);
	}
	r = strchr(name, '/') ? read_file(name, &source, &text) : -ENOENT;
	if (r < 0)
		return report_unreadable(reporter, name, r);
	return build_policy(&source, policy, options, reporter, ret_policy);
}

SP_EXPORT int sp_policy_load_with(const char *name, const struct sp_policy_options *options,
				  sp_diagnostic_fn *on_diagnostic, void *data,
				  struct sp_policy **ret_policy)
{
	struct sp_reporter reporter = {.fn = on_diagnostic, .data = data};
	_cleanup_free_ char *copy = strdup(name);

	return copy ? load(copy, options, &reporter, ret_policy) : -ENOMEM;
}

SP_EXPORT int sp_policy_load(const char *name, sp_diagnostic_fn *on_diagnostic, void *data,
			     struct sp_policy **ret_policy)
{
	return sp_policy_load_with(name, NULL, on_diagnostic, data, ret_policy);
}
