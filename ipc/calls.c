/* SPDX-License-Identifier: Apache-2.0 */
#include "ipc/calls.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "ipc/arch.h"
#include "ipc/kernel.h"

#define NO (-1)

/* clang-format off */
const struct sp_call_info sp_call_table[SP_CALL_COUNT] = {
#define SP_CALL(name_, operation_, dirfd_, path_, dirfd2_, path2_, text_, flags_, mode_, data_,   \
		out_, size_, implied_, extra_, returns_)                                           \
	[SP_CALL_##name_] = { .name = #name_, .nr = __NR_##name_,                                  \
		.operation = SP_OPERATION_##operation_, .dirfd = dirfd_, .path = path_,            \
		.dirfd2 = dirfd2_, .path2 = path2_, .text = text_, .flags = flags_, .mode = mode_, \
		.data = data_, .out = out_, .size = size_, .implied = implied_,                    \
		.extra = SP_EXTRA_##extra_, .returns = SP_RETURNS_##returns_ },
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

bool sp_call_is_conditional(const struct sp_call_info *info)
{
	return info->operation == SP_OPERATION_CONNECT || info->operation == SP_OPERATION_SOCKET ||
	       info->operation == SP_OPERATION_BIND || info->operation == SP_OPERATION_LISTEN;
}

bool sp_socket_is_tcp(uint64_t family, uint64_t type, uint64_t protocol)
{
	return ((uint32_t)family == AF_INET || (uint32_t)family == AF_INET6) &&
	       (type & SP_SOCKET_TYPE) == SOCK_STREAM &&
	       ((uint32_t)protocol == 0 || (uint32_t)protocol == IPPROTO_TCP);
}

static uint32_t field_of(int8_t column, enum sp_call_field field)
{
	return column >= 0 ? field : 0;
}

static bool has_times(const struct sp_call_info *info)
{
	return info->extra == SP_EXTRA_UTIMBUF || info->extra == SP_EXTRA_TIMEVALS ||
	       info->extra == SP_EXTRA_TIMESPECS;
}

uint32_t sp_call_fields(const struct sp_call_info *info)
{
	uint32_t fields =
	    field_of(info->dirfd, SP_FIELD_DIRFD) | field_of(info->path, SP_FIELD_PATH) |
	    field_of(info->dirfd2, SP_FIELD_DIRFD2) | field_of(info->path2, SP_FIELD_PATH2) |
	    field_of(info->flags, SP_FIELD_FLAGS) | field_of(info->mode, SP_FIELD_MODE) |
	    field_of(info->text, SP_FIELD_TEXT);

	if (has_times(info))
		fields |= SP_FIELD_TIMES;
	if ((info->extra == SP_EXTRA_ATTRIBUTE || info->extra == SP_EXTRA_ADDRESS) &&
	    info->data >= 0)
		return fields | SP_FIELD_DATA;
	if (info->extra == SP_EXTRA_OWNER)
		fields ^= SP_FIELD_MODE | SP_FIELD_OWNER;
	/* Its flags, and the size of what holds them, are the struct's members. */
	if (info->extra == SP_EXTRA_OPEN_HOW)
		return fields | SP_FIELD_MODE | SP_FIELD_RESOLVE;
	return fields | field_of(info->size, SP_FIELD_SIZE);
}

uint32_t sp_call_optional_fields(const struct sp_call_info *info)
{
	if (!has_times(info))
		return 0;
	return SP_FIELD_TIMES | (info->dirfd >= 0 ? SP_FIELD_PATH : 0);
}

bool sp_call_changes_nothing(const struct sp_call *call)
{
	return call->has_times && call->times[0].tv_nsec == UTIME_OMIT &&
	       call->times[1].tv_nsec == UTIME_OMIT;
}

const char *sp_operation_name(enum sp_operation operation)
{
	static const char *const names[SP_OPERATION_COUNT] = {
	    [SP_OPERATION_OPEN] = "open",
	    [SP_OPERATION_ACCESS] = "access",
	    [SP_OPERATION_STAT] = "stat",
	    [SP_OPERATION_READLINK] = "readlink",
	    [SP_OPERATION_CHDIR] = "chdir",
	    [SP_OPERATION_MKDIR] = "mkdir",
	    [SP_OPERATION_UNLINK] = "unlink",
	    [SP_OPERATION_RENAME] = "rename",
	    [SP_OPERATION_MKNOD] = "mknod",
	    [SP_OPERATION_SYMLINK] = "symlink",
	    [SP_OPERATION_LINK] = "link",
	    [SP_OPERATION_EXECUTE] = "execute",
	    [SP_OPERATION_CHMOD] = "chmod",
	    [SP_OPERATION_UTIME] = "utime",
	    [SP_OPERATION_TRUNCATE] = "truncate",
	    [SP_OPERATION_STATFS] = "statfs",
	    [SP_OPERATION_GETXATTR] = "getxattr",
	    [SP_OPERATION_LISTXATTR] = "listxattr",
	    [SP_OPERATION_CHOWN] = "chown",
	    [SP_OPERATION_SETXATTR] = "setxattr",
	    [SP_OPERATION_REMOVEXATTR] = "removexattr",
	    [SP_OPERATION_CONNECT] = "connect",
	    [SP_OPERATION_WATCH] = "watch",
	    [SP_OPERATION_SOCKET] = "socket",
	    [SP_OPERATION_BIND] = "bind",
	    [SP_OPERATION_LISTEN] = "listen",
	};

	return names[operation];
}
