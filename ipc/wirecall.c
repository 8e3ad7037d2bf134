/* SPDX-License-Identifier: Apache-2.0 */
#include "ipc/wirecall.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>

#include "ipc/util.h"

#define TIMES 4
_Static_assert(sizeof(((struct sp_call *)0)->times) == TIMES * sizeof(int64_t),
	       "two times are four numbers, as they go over the wire");

/* Where the message says that it has a field. */
static const struct {
	enum sp_call_field field;
	size_t has;
} members[] = {
    {SP_FIELD_DIRFD, offsetof(Sallyport__Wire__Call, has_dirfd)},
    {SP_FIELD_PATH, offsetof(Sallyport__Wire__Call, has_path)},
    {SP_FIELD_DIRFD2, offsetof(Sallyport__Wire__Call, has_dirfd2)},
    {SP_FIELD_PATH2, offsetof(Sallyport__Wire__Call, has_path2)},
    {SP_FIELD_FLAGS, offsetof(Sallyport__Wire__Call, has_flags)},
    {SP_FIELD_MODE, offsetof(Sallyport__Wire__Call, has_mode)},
    {SP_FIELD_RESOLVE, offsetof(Sallyport__Wire__Call, has_resolve)},
    {SP_FIELD_SIZE, offsetof(Sallyport__Wire__Call, has_size)},
    {SP_FIELD_TEXT, offsetof(Sallyport__Wire__Call, has_text)},
    {SP_FIELD_DATA, offsetof(Sallyport__Wire__Call, has_data)},
    {SP_FIELD_OWNER, offsetof(Sallyport__Wire__Call, has_owner)},
    {SP_FIELD_OWNER, offsetof(Sallyport__Wire__Call, has_group)},
};

static void set_fields(Sallyport__Wire__Call *wire, uint32_t fields)
{
	for (size_t i = 0; i < SP_ELEMENTS(members); i++)
		*(protobuf_c_boolean *)((char *)wire + members[i].has) =
		    (fields & members[i].field) != 0;
}

static uint32_t get_fields(const Sallyport__Wire__Call *wire)
{
	uint32_t fields = 0;

	for (size_t i = 0; i < SP_ELEMENTS(members); i++)
		if (*(const protobuf_c_boolean *)((const char *)wire + members[i].has))
			fields |= members[i].field;
	return wire->n_time > 0 ? fields | SP_FIELD_TIMES : fields;
}

/* A field is present where the row has it, but for those that a call may lack. */
static bool fits(uint32_t fields, const struct sp_call_info *info)
{
	uint32_t all = sp_call_fields(info), optional = sp_call_optional_fields(info);

	return (fields & ~all) == 0 && (all & ~optional & ~fields) == 0;
}

static uint32_t fields_of(const struct sp_call *call)
{
	uint32_t absent = (call->path ? 0 : SP_FIELD_PATH) | (call->has_times ? 0 : SP_FIELD_TIMES);

	return sp_call_fields(call->info) & ~(absent & sp_call_optional_fields(call->info));
}

static ProtobufCBinaryData bytes_of(const char *text)
{
	return (ProtobufCBinaryData){text ? strlen(text) : 0, (uint8_t *)(uintptr_t)text};
}

void sp_call_to_wire(const struct sp_call *call, Sallyport__Wire__Call *ret_wire)
{
	uint32_t fields = fields_of(call);

	sallyport__wire__call__init(ret_wire);
	set_fields(ret_wire, fields);
	ret_wire->id = (uint32_t)(call->info - sp_call_table);
	ret_wire->dirfd = call->dirfd;
	ret_wire->path = bytes_of(call->path);
	ret_wire->dirfd2 = call->dirfd2;
	ret_wire->path2 = bytes_of(call->path2);
	ret_wire->flags = call->flags;
	ret_wire->mode = call->mode;
	ret_wire->resolve = call->resolve;
	ret_wire->size = call->size;
	ret_wire->umask = call->umask;
	ret_wire->text = bytes_of(call->text);
	ret_wire->data = (ProtobufCBinaryData){call->data_length, (uint8_t *)(uintptr_t)call->data};
	ret_wire->owner = call->owner;
	ret_wire->group = call->group;
	ret_wire->n_time = fields & SP_FIELD_TIMES ? TIMES : 0;
	ret_wire->time = (int64_t *)(uintptr_t)&call->times;
}

/* A string of the wire, shorter than `size`, as a C string in the arena. */
static int parse_string(const ProtobufCBinaryData *data, size_t size, struct sp_arena *arena,
			const char **ret_string)
{
	char *string;

	if (data->len >= size || (data->len && memchr(data->data, 0, data->len)))
		return -EBADMSG;
	string = sp_arena_allocate(arena, data->len + 1);
	if (!string)
		return -EBADMSG;
	if (data->len)
		memcpy(string, data->data, data->len);
	string[data->len] = 0;
	*ret_string = string;
	return 0;
}

static size_t text_size(const struct sp_call_info *info)
{
	return info->extra == SP_EXTRA_ATTRIBUTE ? XATTR_NAME_MAX + 1 : PATH_MAX;
}

static int parse_strings(const Sallyport__Wire__Call *wire, struct sp_arena *arena,
			 struct sp_call *call)
{
	int r = 0;

	if (wire->has_path)
		r = parse_string(&wire->path, PATH_MAX, arena, &call->path);
	if (r == 0 && wire->has_path2)
		r = parse_string(&wire->path2, PATH_MAX, arena, &call->path2);
	if (r == 0 && wire->has_text)
		r = parse_string(&wire->text, text_size(call->info), arena, &call->text);
	return r;
}

int sp_call_from_wire(const Sallyport__Wire__Call *wire, pid_t tid, struct sp_arena *arena,
		      struct sp_call *ret_call)
{
	struct sp_call call = {.tid = tid, .dirfd = AT_FDCWD, .dirfd2 = AT_FDCWD};
	int r;

	if (wire->id >= SP_CALL_COUNT || wire->umask > 0777)
		return -EBADMSG;
	call.info = &sp_call_table[wire->id];
	if (!fits(get_fields(wire), call.info) || (wire->n_time != 0 && wire->n_time != TIMES) ||
	    wire->has_owner != wire->has_group || wire->data.len > SP_DATA_MAX)
		return -EBADMSG;
	r = parse_strings(wire, arena, &call);
	if (r < 0)
		return r;
	if (wire->has_dirfd)
		call.dirfd = wire->dirfd;
	if (wire->has_dirfd2)
		call.dirfd2 = wire->dirfd2;
	call.flags = wire->flags | call.info->implied;
	call.mode = wire->mode;
	call.resolve = wire->resolve;
	call.size = wire->size;
	call.umask = wire->umask;
	if (wire->has_data) {
		call.data = wire->data.data;
		call.data_length = wire->data.len;
	}
	call.owner = wire->owner;
	call.group = wire->group;
	call.has_times = wire->n_time > 0;
	if (call.has_times)
		memcpy(call.times, wire->time, sizeof(call.times));
	*ret_call = call;
	return 0;
}
