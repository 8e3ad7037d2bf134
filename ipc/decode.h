/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From bytes to messages, and from a Call message to a plain struct sp_call. protobuf-c is lax: it
 * accepts unknown fields, repeated scalars, over-long varints and trailing forms. Here only the
 * canonical encoding passes: what decodes must encode to the same bytes again.
 */
#ifndef SALLYPORT_IPC_DECODE_H
#define SALLYPORT_IPC_DECODE_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ipc/arena.h"
#include "ipc/calls.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The largest message in a datagram; LaunchPlan alone travels in a memfd of at most SP_PLAN_MAX
 * bytes. */
#define SP_DATAGRAM_MAX (64 * 1024)
#define SP_PLAN_MAX (8 * 1024 * 1024)

/* Arena that suffices for any canonical message of a slot. */
#define SP_SLOT_ARENA (32 * 1024)

/*
 * Decodes strictly. The message lives in `arena` (all of it: nothing is to be freed), or, with
 * arena NULL, on the heap, to be freed with protobuf_c_message_free_unpacked(). 0, or -EBADMSG.
 */
int sp_message_decode(const ProtobufCMessageDescriptor *descriptor, const uint8_t *bytes,
		      size_t length, struct sp_arena *arena, ProtobufCMessage **ret_message);

/* A system call has six arguments. */
#define SP_REQUEST_ARGUMENTS 6

/* What a slot can ask. */
struct sp_slot_request {
	uint32_t generation;
	pid_t tid;
	bool refused;        /* else `call` */
	struct sp_call call; /* strings in the arena */
	struct {
		int nr;
		uint64_t instruction;
		uint64_t argument[SP_REQUEST_ARGUMENTS];
	} refusal;
};

/* Decodes a Request and checks it against the table. 0, or -EBADMSG: no correct runtime sends this.
 */
int sp_slot_request_decode(const uint8_t *bytes, size_t length, struct sp_arena *arena,
			   struct sp_slot_request *ret_request);

#ifdef __cplusplus
}
#endif

#endif
