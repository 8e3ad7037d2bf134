/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The memory that a sandboxee shares with its porter: one page of control words, then the slots.
 * Every byte of it may change at any moment on the porter's side; the porter reads each word once.
 */
#ifndef SALLYPORT_IPC_SLOTS_H
#define SALLYPORT_IPC_SLOTS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus /* tests play the hostile end */
#include <atomic>
typedef std::atomic<uint32_t> sp_atomic_u32;
#define _Alignas alignas
#define _Static_assert static_assert
#else
#include <stdatomic.h>
typedef _Atomic uint32_t sp_atomic_u32;
#endif

/* One bit of `pending` each; also the bound on calls under way in one sandboxee. */
#define SP_SLOT_COUNT 32u

/* The largest message: two paths of PATH_MAX and the numbers around them, or statx, or readlink. */
#define SP_SLOT_BYTES (3 * 4096u - 64u) /* what its control line leaves of three pages */

enum sp_slot_state {
	SP_SLOT_FREE,
	SP_SLOT_CLAIMED, /* a thread writes its request */
	SP_SLOT_REQUEST, /* the porter's turn */
	SP_SLOT_SERVING, /* the porter took it */
	SP_SLOT_DONE,    /* the reply stands in `bytes` */
};

struct sp_slot {
	_Alignas(64) sp_atomic_u32 state; /* enum sp_slot_state; the futex of the waiting thread */
	sp_atomic_u32 sleeping;           /* the thread waits on the futex: wake it */
	sp_atomic_u32 length;             /* of the message in `bytes` */
	uint32_t generation;              /* of the last claim; only the sandboxee uses it */
	sp_atomic_u32 withdrawn;          /* the generation whose call is to end, if it waits */
	_Alignas(64) uint8_t bytes[SP_SLOT_BYTES];
};

struct sp_slots {
	_Alignas(64)
	    sp_atomic_u32 awake; /* written by the porter: it looks at `pending` by itself */
	_Alignas(64) sp_atomic_u32 pending; /* bit i: slot i holds a request */
	sp_atomic_u32 withdrawn;            /* bit i: look at slot i's `withdrawn` */
	_Alignas(64) uint32_t
	    spin_rounds; /* written once by the porter: how often a caller may look; 0: never */
	_Alignas(4096) struct sp_slot slot[SP_SLOT_COUNT];
};

_Static_assert(sizeof(struct sp_slot) == 3 * 4096, "a slot is three pages");

#endif
