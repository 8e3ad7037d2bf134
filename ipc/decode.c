/* SPDX-License-Identifier: Apache-2.0 */
#include "ipc/decode.h"

#include <errno.h>
#include <string.h>

#include "ipc/wire.pb-c.h"
#include "ipc/wirecall.h"

/*
 * A buffer for protobuf_c_message_pack_to_buffer() that stores nothing: it compares with the bytes
 * that were received, so that checking for the canonical encoding needs no memory.
 */
struct comparison {
	ProtobufCBuffer base;
	const uint8_t *bytes;
	size_t left;
	bool differs;
};

static void compare(ProtobufCBuffer *buffer, size_t length, const uint8_t *data)
{
	struct comparison *comparison = (struct comparison *)buffer;

	/* The bytes of an empty field lie nowhere, which memcmp(3) does not take. */
	if (length == 0)
		return;
	if (length > comparison->left || memcmp(comparison->bytes, data, length) != 0) {
		comparison->differs = true;
		return;
	}
	comparison->bytes += length;
	comparison->left -= length;
}

static bool is_canonical(const ProtobufCMessage *message, const uint8_t *bytes, size_t length)
{
	struct comparison comparison = {
	    .base = {.append = compare},
	    .bytes = bytes,
	    .left = length,
	};

	/* Unknown fields would be encoded again, wherever they stood: refused before. Those of
	 * sub-messages too, since a sub-message with unknown fields at its end encodes to the same
	 * bytes. */
	(void)protobuf_c_message_pack_to_buffer(message, &comparison.base);
	return !comparison.differs && comparison.left == 0;
}

static const void *member(const ProtobufCMessage *message, size_t offset)
{
	return (const uint8_t *)message + offset;
}

/* The next two recurse as deep as the schema, which is not recursive.
 * NOLINTBEGIN(misc-no-recursion) */
static bool has_unknown(const ProtobufCMessage *message);

static bool field_has_unknown(const ProtobufCMessage *message,
			      const ProtobufCFieldDescriptor *field)
{
	const ProtobufCMessage *const *children;
	size_t count = 1;

	if (field->type != PROTOBUF_C_TYPE_MESSAGE)
		return false;
	if (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) {
		const uint32_t *which = member(message, field->quantifier_offset);

		if (*which != field->id)
			return false;
	}
	if (field->label == PROTOBUF_C_LABEL_REPEATED) {
		count = *(const size_t *)member(message, field->quantifier_offset);
		children = *(const ProtobufCMessage *const *const *)member(message, field->offset);
	} else {
		children = member(message, field->offset);
	}
	for (size_t i = 0; i < count; i++)
		if (children[i] && has_unknown(children[i]))
			return true;
	return false;
}

static bool has_unknown(const ProtobufCMessage *message)
{
	if (message->n_unknown_fields)
		return true;
	for (unsigned i = 0; i < message->descriptor->n_fields; i++)
		if (field_has_unknown(message, &message->descriptor->fields[i]))
			return true;
	return false;
}
/* NOLINTEND(misc-no-recursion) */

int sp_message_decode(const ProtobufCMessageDescriptor *descriptor, const uint8_t *bytes,
		      size_t length, struct sp_arena *arena, ProtobufCMessage **ret_message)
{
	ProtobufCAllocator *allocator = arena ? &arena->allocator : NULL;
	ProtobufCMessage *message;

	message = protobuf_c_message_unpack(descriptor, allocator, length, bytes);
	if (!message)
		return -EBADMSG;
	if (!has_unknown(message) && is_canonical(message, bytes, length)) {
		*ret_message = message;
		return 0;
	}
	protobuf_c_message_free_unpacked(message, allocator);
	return -EBADMSG;
}

static int parse_refused(const Sallyport__Wire__Refused *wire, struct sp_slot_request *request)
{
	if (wire->n_argument != SP_REQUEST_ARGUMENTS)
		return -EBADMSG;
	request->refused = true;
	request->refusal.nr = wire->nr;
	request->refusal.instruction = wire->instruction;
	memcpy(request->refusal.argument, wire->argument, sizeof(request->refusal.argument));
	return 0;
}

int sp_slot_request_decode(const uint8_t *bytes, size_t length, struct sp_arena *arena,
			   struct sp_slot_request *ret_request)
{
	const Sallyport__Wire__Request *wire;
	ProtobufCMessage *message;
	int r;

	r = sp_message_decode(&sallyport__wire__request__descriptor, bytes, length, arena,
			      &message);
	if (r < 0)
		return r;
	wire = (const Sallyport__Wire__Request *)message;
	if (wire->tid <= 0)
		return -EBADMSG;
	*ret_request = (struct sp_slot_request){.generation = wire->generation, .tid = wire->tid};
	switch (wire->what_case) {
	case SALLYPORT__WIRE__REQUEST__WHAT_CALL:
		return sp_call_from_wire(wire->call, wire->tid, arena, &ret_request->call);
	case SALLYPORT__WIRE__REQUEST__WHAT_REFUSED:
		return parse_refused(wire->refused, ret_request);
	default:
		return -EBADMSG;
	}
}
