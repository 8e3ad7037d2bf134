/* SPDX-License-Identifier: Apache-2.0 */
/* From what was typed to a program that can be run. */
#ifndef SALLYPORT_TOOLS_PROGRAM_H
#define SALLYPORT_TOOLS_PROGRAM_H

/*
 * Finds a program as a shell does: a word with a slash is its path, any other is looked up in the
 * folders of `search` (NULL: the system's own). What a sandbox cannot run is refused here, where the
 * reason can be told: folders and other things that are no files, files without permission,
 * set-user-ID and set-group-ID ones, scripts without their interpreter.
 * Returns 0 and an absolute path, to be freed; or, after a complaint, the exit status that a shell has.
 */
int program_find(const char *word, const char *search, char **ret_path);

/* An absolute path, to be freed; NULL: errno says why. */
char *path_absolute(const char *path);

#endif
