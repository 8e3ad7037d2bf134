/* SPDX-License-Identifier: Apache-2.0 */
#include "grants.h"

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <linux/filter.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "command.h"
#include "program.h"

/* A path as a pattern: a wildcard in brackets stands for itself. */
#define PATTERN_MAX (3 * PATH_MAX)

struct pattern {
	char text[PATTERN_MAX + sizeof("/**")];
	size_t length;
};

static void append(struct pattern *pattern, const char *name, size_t length)
{
	pattern->text[pattern->length++] = '/';
	for (size_t i = 0; i < length; i++) {
		bool wild = strchr("*?[", name[i]);

		if (wild)
			pattern->text[pattern->length++] = '[';
		pattern->text[pattern->length++] = name[i];
		if (wild)
			pattern->text[pattern->length++] = ']';
	}
	pattern->text[pattern->length] = '\0';
}

/* Component by component, without those that say nothing. */
static int make_pattern(const char *path, struct pattern *ret_pattern)
{
	ret_pattern->length = 0;
	ret_pattern->text[0] = '\0';
	if (strlen(path) >= PATH_MAX)
		return -ENAMETOOLONG;
	for (const char *at = path; *at;) {
		size_t length;

		at += strspn(at, "/");
		length = strcspn(at, "/");
		if (length > 0 && !(length == 1 && at[0] == '.'))
			append(ret_pattern, at, length);
		at += length;
	}
	return 0;
}

static bool climbs(const char *path)
{
	for (const char *at = path; (at = strstr(at, "..")); at += 2)
		if ((at == path || at[-1] == '/') && (!at[2] || at[2] == '/'))
			return true;
	return false;
}

/* Links stay as they are written, since that is how the program will name them; the policy covers
 * what they lead to. Only `..`, which no rule can hold, is resolved. */
static char *canonical(const char *path)
{
	char *absolute = path_absolute(path), *real;

	if (!absolute || !climbs(absolute))
		return absolute;
	real = realpath(absolute, NULL);
	free(absolute);
	return real;
}

static int grant(struct sp_policy *policy, const char *rights, struct pattern *pattern,
		 bool is_folder, const char *option)
{
	int r = sp_policy_grant(policy, rights, pattern->length ? pattern->text : "/", option);

	if (r < 0 || !is_folder)
		return r;
	memcpy(pattern->text + pattern->length, "/**", sizeof("/**"));
	return sp_policy_grant(policy, rights, pattern->text, option);
}

/* Rights by which what is granted may come to be. */
static bool makes_names(const char *rights)
{
	return strstr(rights, "create") || strcmp(rights, "bind") == 0;
}

/* Whether the folder is there, in which a name is missing. */
static int find_parent(const char *path)
{
	char *parent = strdup(path);
	int r = !parent || access(dirname(parent), F_OK) < 0 ? -errno : 0;

	free(parent);
	return r;
}

static int grant_name(struct sp_policy *policy, const char *rights, const char *path,
		      const char *option)
{
	struct pattern pattern;
	struct stat status;
	bool exists = stat(path, &status) == 0;
	int r = exists ? 0 : -errno;

	if (r == -ENOENT && makes_names(rights))
		r = find_parent(path);
	if (r < 0)
		return r;
	r = make_pattern(path, &pattern);
	/* What is not there yet may become a folder. */
	return r < 0 ? r
		     : grant(policy, rights, &pattern, !exists || S_ISDIR(status.st_mode), option);
}

int grant_path(struct sp_policy *policy, const char *rights, const char *path, const char *option)
{
	char *name;
	int r;

	/* As a shell makes it of a variable that is not set; it would be the working directory. */
	if (!*path) {
		complain("%s: a name is missing; the working directory is \".\"", option);
		return -EINVAL;
	}
	name = canonical(path);
	r = name ? grant_name(policy, rights, name, option) : -errno;

	free(name);
	if (r == -EINVAL)
		complain("%s: %s: no rule can hold this name, or the policy denies it", option,
			 path);
	else if (r < 0)
		complain("%s: %s: %s", option, path, strerrordesc_np(-r));
	return r;
}

/* A file whose name looks like an address is reached by "./" before it. */
static bool is_address(const char *text)
{
	return text[0] != '/' && text[0] != '.' && strchr(text, ':');
}

int grant_connect(struct sp_policy *policy, const char *address, const char *option)
{
	int r;

	if (!is_address(address))
		return grant_path(policy, "connect", address, option);
	r = sp_policy_grant(policy, "connect", address, option);
	if (r == -EINVAL)
		complain("%s: %s: expected an address and a port, like 127.0.0.1:8080, [::1]:80, "
			 "10.0.0.0/8:443 or *:53, that the policy does not deny; names are not "
			 "looked up",
			 option, address);
	else if (r < 0)
		complain("%s: %s: %s", option, address, strerrordesc_np(-r));
	return r;
}

int set_limit(struct sp_policy *policy, const char *assignment)
{
	const char *equals = strchr(assignment, '=');
	char *name = equals ? strndup(assignment, (size_t)(equals - assignment)) : NULL;
	int r = name ? sp_policy_limit(policy, name, equals + 1) : -EINVAL;

	free(name);
	if (r == -ERANGE)
		complain("--limit %s: out of range; the ranges are those of the section limits in "
			 "sallyport.policy(5)",
			 assignment);
	else if (r == -EINVAL)
		complain("--limit %s: expected a limit and a value: memory or file-size (like "
			 "memory=256M), cpu (5s), wall (500ms), files or processes (64)",
			 assignment);
	else if (r < 0)
		complain("--limit: %s", strerrordesc_np(-r));
	return r;
}

static int filter_mistake(const char *path, int r)
{
	const char *what = strerrordesc_np(-r);

	if (r == -EINVAL)
		what = "it is no array of struct sock_filter that seccomp(2) takes";
	else if (r == -EPERM)
		what = "it refuses seccomp(2) or execveat(2), without which no program can be "
		       "started below it";
	else if (r == -E2BIG)
		what = "there are more than 8 filters";
	complain("--seccomp-filter %s: %s", path, what);
	return r;
}

int add_filter(struct sp_policy *policy, const char *path)
{
	uint8_t program[BPF_MAXINSNS * sizeof(struct sock_filter) + 1];
	FILE *stream = fopen(path, "re");
	size_t length;
	int r;

	if (!stream)
		return filter_mistake(path, -errno);
	errno = 0;
	length = fread(program, 1, sizeof(program), stream);
	r = ferror(stream) ? (errno ? -errno : -EIO)
			   : sp_policy_add_filter(policy, program, length);
	(void)fclose(stream);
	return r < 0 ? filter_mistake(path, r) : 0;
}

#define PROFILE_MAX (1 << 20)

int add_profile(struct sp_policy *policy, const char *path)
{
	FILE *stream = fopen(path, "re");
	char *text = stream ? malloc(PROFILE_MAX) : NULL;
	size_t length = text ? fread(text, 1, PROFILE_MAX, stream) : 0;
	int r = 0;

	if (!text || ferror(stream))
		r = errno ? -errno : -EIO;
	else if (length == PROFILE_MAX)
		r = -EFBIG;
	if (r < 0)
		complain("--profile %s: %s", path, strerrordesc_np(-r));
	else
		r = sp_policy_profile(policy, path, text, length, print_diagnostic, NULL);
	if (r == -ENOMEM)
		complain("--profile %s: %s", path, strerrordesc_np(-r));
	free(text);
	if (stream)
		(void)fclose(stream);
	return r;
}

static bool is_preset(const char *name)
{
	struct sp_policy *policy = NULL;
	int r = sp_policy_load(name, NULL, NULL, &policy);

	sp_policy_unref(policy);
	return r != -ENOENT;
}

static bool is_there(const char *name)
{
	char *file = strndup(name, strcspn(name, "#"));
	bool there = file && access(file, F_OK) == 0;

	free(file);
	return there;
}

/* Presets first: what lies in the working directory must not take their place. */
int load_policy(const char *name, const struct sp_policy_options *options,
		struct sp_policy **ret_policy)
{
	char file[PATH_MAX];

	if (!strchr(name, '/') && is_there(name) && !is_preset(name)) {
		(void)snprintf(file, sizeof(file), "./%s", name);
		name = file;
	}
	return sp_policy_load_with(name, options, print_diagnostic, NULL, ret_policy);
}
