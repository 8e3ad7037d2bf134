/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A ring: the channel, the doorbell and the slots by which one thread group with a runtime speaks to
 * the porter. A sandboxee that locks itself finds its own at launch; on a floor any process asks for
 * one, and the porter learns from the kernel who asks. What comes through a ring is looked up in its
 * group alone, and only as long as that lives: a number that is used again is nobody we know.
 */
#ifndef SALLYPORT_BROKER_RING_H
#define SALLYPORT_BROKER_RING_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "ipc/slots.h"

#ifdef __cplusplus
extern "C" {
#endif

struct event;
struct sp_porter;

/* Rings of one sandbox at a time. Each takes the porter four descriptors and a mapping. */
#define SP_RINGS_MAX 64

/* How many times in a row busy-waiting may be in vain before it is given up for a while. */
#define SP_SPIN_CREDIT_MAX 8

/* One side's ends; each is owned, or -1. */
struct sp_ring_ends {
	int channel;  /* SOCK_SEQPACKET */
	int doorbell; /* eventfd, EFD_NONBLOCK */
	int slots;    /* memfd of sizeof(struct sp_slots), sealed against resizing */
};

#define SP_RING_ENDS_NONE                                                                          \
	{                                                                                          \
		.channel = -1, .doorbell = -1, .slots = -1                                         \
	}

/* The sandboxee's slots are with the porter's end, which gives them away. 0 or -errno. */
int sp_ring_ends_make(struct sp_ring_ends *ret_ours, struct sp_ring_ends *ret_theirs);
void sp_ring_ends_close(struct sp_ring_ends *ends);

struct sp_ring {
	struct sp_porter *porter;
	struct sp_ring_ends ends;
	int group;            /* pidfd of the thread group, owned; -1: the sandboxee itself, which
				  keeps its number until the porter reaps it */
	int far_channel;      /* the group's end, owned: what the group has not taken goes with the
				  ring; -1: not kept */
	pid_t outer_pid, pid; /* the group, by the outer pid namespace and by the sandbox's */
	struct sp_slots *slots; /* shared with the group: hostile */
	struct event *channel_event, *doorbell_event, *group_event;
	bool greeted; /* the handshake is over */

	int spin_credit;     /* falls when busy-waiting was in vain */
	unsigned spin_probe; /* counts the requests that were missed since it was given up */
	uint64_t slept_ns;   /* when the porter last went to sleep on it */
	bool resumed;        /* it did not sleep: its slice was over */
	bool missed;         /* the request that woke it might have been waited for */
};

/* A ring of the sandboxee itself, which greets on it. 0 or -errno; takes the ends in either case. */
int sp_ring_new_take(struct sp_porter *porter, struct sp_ring_ends *ends, pid_t outer_pid,
		     pid_t pid);

/*
 * A ring of the thread group that `group` (owned: taken in either case) is a pidfd of, in the place of
 * one that it has already. 0; -EAGAIN: there are too many; or -errno.
 */
int sp_ring_of_group_take(struct sp_porter *porter, struct sp_ring_ends *ends, int *group,
			  pid_t outer_pid, pid_t pid, struct sp_ring **ret_ring);

/* Sends what the runtime maps, and before it, where it is to lock itself, the filter. 0 or -errno. */
int sp_ring_welcome(struct sp_ring *ring, bool filter);

/* Whether a living process other than this group has a ring and the same table of descriptors (clone with CLONE_FILES, without
 * CLONE_VM): the ends of a second ring would take the place of its own. A kernel without kcmp says no. */
bool sp_ring_is_beside(const struct sp_porter *porter, pid_t outer_pid);

/* Whether the group has ended; always false of the sandboxee itself. */
bool sp_ring_has_ended(const struct sp_ring *ring);

/* Drops a ring, that of a group if it has one, or all of them. */
void sp_ring_free(struct sp_ring *ring);
void sp_ring_forget(struct sp_porter *porter, pid_t outer_pid);
void sp_rings_clear(struct sp_porter *porter);

#ifdef __cplusplus
}
#endif

#endif
