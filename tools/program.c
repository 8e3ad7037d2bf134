/* SPDX-License-Identifier: Apache-2.0 */
#include "program.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "command.h"

/* As much of a script's first line as the kernel looks at, and as many interpreters of interpreters. */
#define LINE_BYTES 256
#define INTERPRETERS_MAX 5

char *path_absolute(const char *path)
{
	char *here, *whole;

	if (path[0] == '/')
		return strdup(path);
	here = getcwd(NULL, 0);
	if (!here)
		return NULL;
	/* "(unreachable)/…": a folder outside our root has no name here. */
	if (here[0] != '/') {
		free(here);
		errno = ENOENT;
		return NULL;
	}
	if (asprintf(&whole, "%s/%s", strcmp(here, "/") == 0 ? "" : here, path) < 0)
		whole = NULL;
	free(here);
	return whole;
}

/* ---- what can be run ---- */

/* Why a file can't be run, or NULL. */
static const char *file_fault(const char *path)
{
	struct stat status;

	if (stat(path, &status) < 0)
		return strerrordesc_np(errno);
	if (S_ISDIR(status.st_mode))
		return "is a directory";
	if (!S_ISREG(status.st_mode))
		return "is not a regular file";
	if (faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) < 0)
		return errno == EACCES ? "permission denied: it may not be executed"
				       : strerrordesc_np(errno);
	if (status.st_mode & (S_ISUID | S_ISGID))
		return "is set-user-ID or set-group-ID: no program gets another identity in a "
		       "sandbox; run a copy without these bits";
	return NULL;
}

static size_t read_start(const char *path, char *line, size_t size)
{
	int file = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	ssize_t length = file < 0 ? 0 : read(file, line, size);

	if (file >= 0)
		(void)close(file);
	return length > 0 ? (size_t)length : 0;
}

/* The interpreter that the first line of a script names; false: no script, or one that cannot be
 * read. */
static bool find_interpreter(const char *path, char *interpreter)
{
	char line[LINE_BYTES];
	size_t length = read_start(path, line, sizeof(line) - 1), start = 2;

	line[length] = '\0';
	if (strncmp(line, "#!", 2) != 0)
		return false;
	start += strspn(line + start, " \t");
	length = strcspn(line + start, " \t\n");
	memcpy(interpreter, line + start, length);
	interpreter[length] = '\0';
	return true;
}

/* What a file says is not to move the user's cursor: only visible ASCII is shown. */
static void make_visible(char *text)
{
	for (; *text; text++)
		if (!isgraph((unsigned char)*text))
			*text = '?';
}

/* Complains and returns false where an interpreter, or one of its own, is not to be had. */
static bool interpreters_are_there(const char *word, const char *path)
{
	char interpreter[LINE_BYTES], current[PATH_MAX];

	(void)snprintf(current, sizeof(current), "%s", path);
	for (int i = 0; find_interpreter(current, interpreter); i++) {
		const char *fault = i < INTERPRETERS_MAX ? file_fault(interpreter)
							 : "too many interpreters of interpreters";

		if (fault) {
			make_visible(interpreter);
			complain("%s: its interpreter \"%s\": %s", word, interpreter, fault);
			return false;
		}
		(void)snprintf(current, sizeof(current), "%s", interpreter);
	}
	return true;
}

static int check(const char *word, const char *path)
{
	const char *fault;
	struct stat status;

	if (stat(path, &status) < 0 && errno == ENOENT) {
		complain("%s: no such file", word);
		return EXIT_NOT_FOUND;
	}
	fault = file_fault(path);
	if (fault)
		complain("%s: %s", word, fault);
	return fault || !interpreters_are_there(word, path) ? EXIT_NOT_RUNNABLE : 0;
}

/* ---- the search ---- */

static bool is_file(const char *path)
{
	struct stat status;

	return stat(path, &status) == 0 && S_ISREG(status.st_mode);
}

/* "folder/word", from the `length` bytes of a folder's name; none means the current one. */
static char *join(const char *folder, size_t length, const char *word)
{
	char *path;

	if (asprintf(&path, "%.*s%s%s", (int)length, folder, length > 0 ? "/" : "./", word) < 0)
		return NULL;
	return path;
}

/* The first file that may be executed, or else the first file, as shells do. NULL: neither. */
static char *search_folders(const char *word, const char *search)
{
	char *second_best = NULL;

	for (const char *folder = search;; folder++) {
		size_t length = strcspn(folder, ":");
		char *path = join(folder, length, word);
		bool file = path && is_file(path);

		if (file && faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) == 0) {
			free(second_best);
			return path;
		}
		if (file && !second_best)
			second_best = path;
		else
			free(path);
		folder += length;
		if (!*folder)
			return second_best;
	}
}

static char *find_by_name(const char *word, const char *search)
{
	char standard[PATH_MAX];

	if (!search) {
		(void)confstr(_CS_PATH, standard, sizeof(standard));
		search = standard;
	}
	return *word ? search_folders(word, search) : NULL;
}

static int make_absolute(const char *path, char **ret_path)
{
	char *absolute = path_absolute(path);

	if (!absolute) {
		complain("the working directory: %s", strerrordesc_np(errno));
		return EXIT_FAILED;
	}
	*ret_path = absolute;
	return 0;
}

int program_find(const char *word, const char *search, char **ret_path)
{
	char *found = strchr(word, '/') ? strdup(word) : find_by_name(word, search);
	int status;

	if (!found) {
		complain("%s: not found in PATH", word);
		return EXIT_NOT_FOUND;
	}
	status = check(word, found);
	if (status == 0)
		status = make_absolute(found, ret_path);
	free(found);
	return status;
}
