/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/rights.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#define R SP_RIGHT_READ
#define W SP_RIGHT_WRITE
#define C SP_RIGHT_CREATE
#define D SP_RIGHT_DELETE
#define X SP_RIGHT_EXECUTE

/* `any`: see sp_operation_rights(). The others: what does not depend on flags. */
static const struct row {
	uint32_t any, existing, made, second;
} rows[SP_OPERATION_COUNT] = {
    [SP_OPERATION_OPEN] = {SP_RIGHT_ALL, 0, C, 0},
    [SP_OPERATION_ACCESS] = {SP_RIGHT_ALL, 0, 0, 0},
    [SP_OPERATION_STAT] = {SP_RIGHT_ALL, 0, 0, 0},
    [SP_OPERATION_READLINK] = {SP_RIGHT_ALL, 0, 0, 0},
    [SP_OPERATION_CHDIR] = {SP_RIGHT_ALL, 0, 0, 0},
    [SP_OPERATION_STATFS] = {SP_RIGHT_ALL, 0, 0, 0},
    [SP_OPERATION_LISTXATTR] = {SP_RIGHT_ALL, 0, 0, 0},
    [SP_OPERATION_MKDIR] = {C, 0, C, 0},
    [SP_OPERATION_MKNOD] = {C, 0, C, 0},
    [SP_OPERATION_SYMLINK] = {C, 0, C, 0},
    [SP_OPERATION_UNLINK] = {D, D, 0, 0},
    [SP_OPERATION_RENAME] = {D, D, 0, C},
    [SP_OPERATION_LINK] = {C, 0, 0, C},
    [SP_OPERATION_EXECUTE] = {X, X, 0, 0},
    [SP_OPERATION_CHMOD] = {W, W, 0, 0},
    [SP_OPERATION_UTIME] = {W, W, 0, 0},
    [SP_OPERATION_TRUNCATE] = {W, W, 0, 0},
    [SP_OPERATION_CHOWN] = {W, W, 0, 0},
    [SP_OPERATION_GETXATTR] = {R, R, 0, 0},
    [SP_OPERATION_WATCH] = {R, R, 0, 0},
    [SP_OPERATION_SETXATTR] = {W, W, 0, 0},
    [SP_OPERATION_REMOVEXATTR] = {W, W, 0, 0},
    [SP_OPERATION_CONNECT] = {SP_RIGHT_CONNECT, SP_RIGHT_CONNECT, 0, 0},
    [SP_OPERATION_BIND] = {SP_RIGHT_BIND, 0, SP_RIGHT_BIND, 0},
};

uint32_t sp_operation_rights(enum sp_operation operation)
{
	return rows[operation].any;
}

#define TMPFILE_BIT (O_TMPFILE & ~O_DIRECTORY)

static struct sp_needs open_needs(uint64_t flags)
{
	static const uint32_t access[] = {
	    [O_RDONLY] = R, [O_WRONLY] = W, [O_RDWR] = R | W, [O_ACCMODE] = R | W};
	struct sp_needs needs = {.made = C};

	if (flags & O_PATH)
		return needs;
	needs.makes = flags & O_CREAT;
	needs.makes_only = (flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL);
	needs.existing = access[flags & O_ACCMODE] | (flags & O_TRUNC ? W : 0);
	if (flags & TMPFILE_BIT)
		needs.existing = C; /* on the directory */
	return needs;
}

static struct sp_needs access_needs(uint64_t mode)
{
	return (struct sp_needs){.existing = (mode & R_OK ? R : 0) | (mode & W_OK ? W : 0) |
					     (mode & X_OK ? X : 0)};
}

struct sp_needs sp_operation_needs(enum sp_operation operation, uint64_t flags, uint64_t mode)
{
	const struct row *row = &rows[operation];
	struct sp_needs needs = {.makes = row->made,
				 .makes_only = row->made,
				 .existing = row->existing,
				 .made = row->made,
				 .second = row->second};

	if (operation == SP_OPERATION_OPEN)
		return open_needs(flags);
	if (operation == SP_OPERATION_ACCESS)
		return access_needs(mode);
	if (operation == SP_OPERATION_RENAME && (flags & RENAME_EXCHANGE))
		needs.existing = needs.second = C | D;
	return needs;
}
