/* SPDX-License-Identifier: Apache-2.0 */
#include "ipc/calls.h"

#include <fcntl.h>

#include "ipc/arch.h"

#define NO (-1)

/* clang-format off */
const struct sp_call_info sp_call_table[SP_CALL_COUNT] = {
#define SP_CALL(name_, operation_, dirfd_, path_, dirfd2_, path2_, flags_, mode_, out_, size_,     \
		implied_, extra_, returns_)                                                        \
	[SP_CALL_##name_] = { .name = #name_, .nr = __NR_##name_,                                  \
		.operation = SP_OPERATION_##operation_, .dirfd = dirfd_, .path = path_,            \
		.dirfd2 = dirfd2_, .path2 = path2_, .flags = flags_, .mode = mode_, .out = out_,   \
		.size = size_, .implied = implied_, .extra = SP_EXTRA_##extra_,                    \
		.returns = SP_RETURNS_##returns_ },
#include "ipc/calls.def"
#undef SP_CALL
};
/* clang-format on */

const struct sp_call_info *sp_call_find(int nr)
{
	for (size_t i = 0; i < SP_CALL_COUNT; i++)
		if (sp_call_table[i].nr == nr)
			return &sp_call_table[i];
	return NULL;
}

const char *sp_operation_name(enum sp_operation operation)
{
	static const char *const names[SP_OPERATION_COUNT] = {
	    [SP_OPERATION_OPEN] = "open",     [SP_OPERATION_ACCESS] = "access",
	    [SP_OPERATION_STAT] = "stat",     [SP_OPERATION_READLINK] = "readlink",
	    [SP_OPERATION_CHDIR] = "chdir",   [SP_OPERATION_MKDIR] = "mkdir",
	    [SP_OPERATION_UNLINK] = "unlink", [SP_OPERATION_RENAME] = "rename",
	};

	return names[operation];
}
