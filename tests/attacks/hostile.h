/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A runtime that speaks the protocol when it suits it: greets the porter, maps the slots, locks itself
 * without a handler for SIGSYS, and then writes what it likes.
 */
#ifndef SALLYPORT_TESTS_ATTACKS_HOSTILE_H
#define SALLYPORT_TESTS_ATTACKS_HOSTILE_H

#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ipc/calls.h"
#include "ipc/slots.h"
#include "ipc/wire.pb-c.h"

struct hostile {
	struct sp_slots *slots; /* shared with the porter */
	int landlock;           /* ruleset, or -1 */
	struct sock_fprog filter;
	uint32_t generation; /* of the last request made by hostile_ask() */
};

/* The handshake, on a floor for a ring of its own, then one open that must be answered rightly: the way to the porter is shown. */
void hostile_greet(struct hostile *hostile);

/* The lock of the runtime, less its handler: a trapped call is death. Nothing on a floor, which holds already. */
void hostile_lock(const struct hostile *hostile);

/* Puts any bytes into a slot and tells the porter so. */
void hostile_post(const struct hostile *hostile, uint32_t index, const void *bytes, size_t length);

/* Sets a slot's bit and rings, whatever stands in the slot. */
void hostile_ring(const struct hostile *hostile, uint32_t pending);

void hostile_wait(const struct hostile *hostile, uint32_t index);

/* After what must be the end: only an answer could come, and it would be a fault. */
_Noreturn void hostile_await_end(const struct hostile *hostile, uint32_t index);

/* A message with fields that `fill_call` lets one change. */
struct hostile_request {
	Sallyport__Wire__Request request;
	Sallyport__Wire__Call call;
	Sallyport__Wire__Refused refused;
	uint64_t argument[6];
};

/* A call with exactly the fields of its row; the second path is the first. The paths are borrowed. */
void hostile_fill_call(struct hostile_request *ret_request, enum sp_call_id id, const char *path);
void hostile_fill_refused(struct hostile_request *ret_request);

/* Encodes into SP_SLOT_BYTES bytes. */
size_t hostile_encode(const struct hostile_request *request, uint8_t *bytes);

/* What came back. The descriptor is -1 where none came, and owned. */
struct hostile_answer {
	uint32_t generation;
	int64_t result;
	size_t out_length;
	int descriptor;
};

/* Reads the reply of a slot that is done, and takes its descriptor from the channel. */
void hostile_take(const struct hostile *hostile, uint32_t index, struct hostile_answer *ret_answer);

/* Encodes, posts to slot 0, waits, takes. */
void hostile_ask(struct hostile *hostile, struct hostile_request *request,
		 struct hostile_answer *ret_answer);

#endif
