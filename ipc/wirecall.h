/* SPDX-License-Identifier: Apache-2.0 */
/* The message Call and struct sp_call, in both directions: what a row carries is said once. */
#ifndef SALLYPORT_IPC_WIRECALL_H
#define SALLYPORT_IPC_WIRECALL_H

#include "ipc/arena.h"
#include "ipc/calls.h"
#include "ipc/wire.pb-c.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What goes over the wire for `call`. Borrows from it. Async-signal-safe. */
void sp_call_to_wire(const struct sp_call *call, Sallyport__Wire__Call *ret_wire);

/* A decoded message, checked against its row; strings in the arena, bytes where they stand in the
 * message. 0, or -EBADMSG: no correct runtime sends this. */
int sp_call_from_wire(const Sallyport__Wire__Call *wire, pid_t tid, struct sp_arena *arena,
		      struct sp_call *ret_call);

#ifdef __cplusplus
}
#endif

#endif
