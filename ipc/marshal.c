/* SPDX-License-Identifier: Apache-2.0 */
#include "ipc/marshal.h"

#include <sys/socket.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdbool.h>
#include <sys/xattr.h>

#define OPEN_HOW_MAX 4096 /* the kernel reads no struct that is larger than a page */

/* One call being read. */
struct reading {
	const struct sp_call_info *info;
	const uint64_t *arguments;
	const struct sp_memory *memory;
	struct sp_marshal_buffers *buffers;
	struct sp_call *call;
};

static int read_bytes(const struct reading *reading, void *to, uint64_t from, size_t length)
{
	return reading->memory->read(reading->memory->context, to, from, length);
}

static int read_string(const struct reading *reading, int argument, char *to, size_t size,
		       const char **ret_string)
{
	ssize_t length = reading->memory->read_string(reading->memory->context, to,
						      reading->arguments[argument], size);

	if (length < 0)
		return (int)length;
	*ret_string = to;
	return 0;
}

/* The columns of the table that are plain numbers. The kernel takes 32 bits of each. */
static void read_numbers(const struct reading *reading)
{
	const struct sp_call_info *info = reading->info;
	const uint64_t *arguments = reading->arguments;
	struct sp_call *call = reading->call;

	call->dirfd = info->dirfd >= 0 ? (int32_t)arguments[info->dirfd] : AT_FDCWD;
	call->dirfd2 = info->dirfd2 >= 0 ? (int32_t)arguments[info->dirfd2] : AT_FDCWD;
	call->flags = info->flags >= 0 ? (uint32_t)arguments[info->flags] : 0;
	call->flags |= info->implied;
	if (info->extra == SP_EXTRA_OWNER) {
		call->owner = (uint32_t)arguments[info->mode];
		call->group = (uint32_t)arguments[info->mode + 1];
	} else if (info->mode >= 0) {
		call->mode = (uint32_t)arguments[info->mode];
	}
}

static int read_size(const struct reading *reading)
{
	int size;

	if (!(sp_call_fields(reading->info) & SP_FIELD_SIZE))
		return 0;
	reading->call->size = reading->arguments[reading->info->size];
	if (reading->info->returns != SP_RETURNS_BYTES)
		return 0;
	size = (int32_t)reading->call->size; /* readlink's is an int */
	if (size <= 0)
		return -EINVAL;
	reading->call->size = (uint64_t)size;
	return 0;
}

static int check_rest(const struct reading *reading, uint64_t from, size_t length)
{
	uint8_t rest[64];

	for (size_t at = 0; at < length; at += sizeof(rest)) {
		size_t part = length - at < sizeof(rest) ? length - at : sizeof(rest);

		if (read_bytes(reading, rest, from + at, part) < 0)
			return -EFAULT;
		for (size_t i = 0; i < part; i++)
			if (rest[i])
				return -E2BIG;
	}
	return 0;
}

/* struct open_how grows: a longer one is accepted while the rest is zero, as the kernel does. */
static int read_open_how(const struct reading *reading)
{
	uint64_t from = reading->arguments[reading->info->flags];
	uint64_t size = reading->arguments[reading->info->size];
	struct open_how how;
	int r;

	if (size < sizeof(how))
		return -EINVAL;
	if (size > OPEN_HOW_MAX)
		return -E2BIG;
	if (read_bytes(reading, &how, from, sizeof(how)) < 0)
		return -EFAULT;
	r = check_rest(reading, from + sizeof(how), (size_t)size - sizeof(how));
	if (r < 0)
		return r;
	reading->call->flags = how.flags;
	reading->call->mode = how.mode;
	reading->call->resolve = how.resolve;
	return 0;
}

static int read_target(const struct reading *reading)
{
	char *text = reading->buffers->text;
	int r = read_string(reading, reading->info->text, text, PATH_MAX, &reading->call->text);

	/* The kernel looks at it as at a name, before the name itself. */
	return r == 0 && !text[0] ? -ENOENT : r;
}

/* NULL stands for now. */
static bool is_null(const struct reading *reading, int argument)
{
	return reading->arguments[argument] == 0;
}

static int read_numbers_at(const struct reading *reading, int64_t *to, size_t size)
{
	return read_bytes(reading, to, reading->arguments[reading->info->data], size);
}

static void set_times(const struct reading *reading, const int64_t numbers[4], int64_t unit)
{
	struct sp_call *call = reading->call;

	call->has_times = true;
	for (int i = 0; i < 2; i++)
		call->times[i] = (struct timespec){.tv_sec = numbers[2 * i],
						   .tv_nsec = numbers[2 * i + 1] * unit};
}

/* The kernel judges nanoseconds when it has the file. */
static int read_timespecs(const struct reading *reading)
{
	int64_t numbers[4];

	if (is_null(reading, reading->info->data))
		return 0;
	if (read_numbers_at(reading, numbers, sizeof(numbers)) < 0)
		return -EFAULT;
	set_times(reading, numbers, 1);
	return 0;
}

static int read_timevals(const struct reading *reading)
{
	int64_t numbers[4];

	if (is_null(reading, reading->info->data))
		return 0;
	if (read_numbers_at(reading, numbers, sizeof(numbers)) < 0)
		return -EFAULT;
	for (int i = 1; i < 4; i += 2)
		if (numbers[i] < 0 || numbers[i] >= 1000000)
			return -EINVAL;
	set_times(reading, numbers, 1000);
	return 0;
}

static int read_utimbuf(const struct reading *reading)
{
	int64_t seconds[2];

	if (is_null(reading, reading->info->data))
		return 0;
	if (read_numbers_at(reading, seconds, sizeof(seconds)) < 0)
		return -EFAULT;
	set_times(reading, (const int64_t[]){seconds[0], 0, seconds[1], 0}, 1);
	return 0;
}

/* The size has been looked at: the buffer holds that much. */
static int read_data(const struct reading *reading, size_t size)
{
	uint8_t *data = reading->buffers->data;

	if (size && read_bytes(reading, data, reading->arguments[reading->info->data], size) < 0)
		return -EFAULT;
	reading->call->data = data;
	reading->call->data_length = size;
	return 0;
}

static int read_value(const struct reading *reading)
{
	uint64_t size = reading->arguments[reading->info->size];

	if (size > XATTR_SIZE_MAX)
		return -E2BIG;
	if (size > SP_DATA_MAX) /* as a file system says that has no room for it */
		return -ENOSPC;
	return read_data(reading, (size_t)size);
}

static int read_address(const struct reading *reading)
{
	int32_t size = (int32_t)reading->arguments[reading->info->size];

	if (size < 0 || (size_t)size > sizeof(struct sockaddr_storage))
		return -EINVAL;
	return read_data(reading, (size_t)size);
}

/* Looked at before the name of the file, in this order. */
static int read_attribute(const struct reading *reading)
{
	const struct sp_call_info *info = reading->info;
	char *text = reading->buffers->text;
	int r;

	if (info->flags >= 0 &&
	    ((uint32_t)reading->arguments[info->flags] & ~(uint32_t)(XATTR_CREATE | XATTR_REPLACE)))
		return -EINVAL;
	r = read_string(reading, info->text, text, XATTR_NAME_MAX + 1, &reading->call->text);
	if (r == -ENAMETOOLONG || (r == 0 && !text[0]))
		return -ERANGE;
	return r == 0 && info->data >= 0 ? read_value(reading) : r;
}

static int read_extra(const struct reading *reading)
{
	static int (*const readers[])(const struct reading *) = {
	    [SP_EXTRA_OPEN_HOW] = read_open_how,   [SP_EXTRA_TARGET] = read_target,
	    [SP_EXTRA_UTIMBUF] = read_utimbuf,     [SP_EXTRA_TIMEVALS] = read_timevals,
	    [SP_EXTRA_TIMESPECS] = read_timespecs, [SP_EXTRA_ATTRIBUTE] = read_attribute,
	    [SP_EXTRA_ADDRESS] = read_address,     [SP_EXTRA_OWNER] = NULL,
	};
	enum sp_call_extra extra = reading->info->extra;

	return readers[extra] ? readers[extra](reading) : 0;
}

static int read_path(const struct reading *reading)
{
	const struct sp_call_info *info = reading->info;
	struct sp_marshal_buffers *buffers = reading->buffers;
	struct sp_call *call = reading->call;

	if (info->path < 0)
		return 0;
	if ((sp_call_optional_fields(info) & SP_FIELD_PATH) && call->dirfd != AT_FDCWD &&
	    is_null(reading, info->path))
		return 0;
	if (sp_call_changes_nothing(call)) {
		call->path = "";
		return 0;
	}
	return read_string(reading, info->path, buffers->path, sizeof(buffers->path), &call->path);
}

static int read_paths(const struct reading *reading)
{
	const struct sp_call_info *info = reading->info;
	struct sp_marshal_buffers *buffers = reading->buffers;
	struct sp_call *call = reading->call;
	int r = read_path(reading);

	if (r == 0 && info->path2 >= 0)
		r = read_string(reading, info->path2, buffers->path2, sizeof(buffers->path2),
				&call->path2);
	return r;
}

int sp_marshal_call(const struct sp_call_info *info, const uint64_t arguments[SP_MARSHAL_ARGUMENTS],
		    const struct sp_memory *memory, struct sp_marshal_buffers *buffers,
		    struct sp_call *ret_call)
{
	struct sp_call call = {.info = info};
	const struct reading reading = {info, arguments, memory, buffers, &call};
	int r;

	read_numbers(&reading);
	r = read_size(&reading);
	if (r == 0)
		r = read_extra(&reading);
	if (r == 0)
		r = read_paths(&reading);
	if (r == 0)
		*ret_call = call;
	return r;
}
