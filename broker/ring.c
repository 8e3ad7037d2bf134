/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/ring.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "broker/porter_events.h"
#include "broker/porter_serve.h"
#include "ipc/channel.h"
#include "ipc/decode.h"
#include "ipc/runtime.h"
#include "ipc/util.h"
#include "ipc/wire.pb-c.h"

/* ---- both ends ---- */

static int make_slots(int *ret_slots)
{
	_cleanup_close_ int slots =
	    memfd_create("sallyport-slots", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (slots < 0 || ftruncate(slots, sizeof(struct sp_slots)) < 0 ||
	    fcntl(slots, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
		return -errno;
	*ret_slots = TAKE_FD(slots);
	return 0;
}

static int make_ends(struct sp_ring_ends *ours, struct sp_ring_ends *theirs)
{
	int sockets[2], r = make_slots(&ours->slots);

	if (r < 0)
		return r;
	theirs->doorbell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (theirs->doorbell < 0)
		return -errno;
	ours->doorbell = fcntl(theirs->doorbell, F_DUPFD_CLOEXEC, 0);
	if (ours->doorbell < 0)
		return -errno;
	r = sp_channel_pair(0, sockets);
	if (r < 0)
		return r;
	ours->channel = sockets[0];
	theirs->channel = sockets[1];
	/* Where the kernel can, no descriptor from the sandboxee even reaches our queue. */
	(void)sp_channel_refuse_descriptors(ours->channel);
	/* A sandboxee that does not take its descriptors must not hold us up in sendmsg. */
	return fcntl(ours->channel, F_SETFL, O_NONBLOCK) < 0 ? -errno : 0;
}

int sp_ring_ends_make(struct sp_ring_ends *ret_ours, struct sp_ring_ends *ret_theirs)
{
	_cleanup_(sp_ring_ends_close) struct sp_ring_ends ours = SP_RING_ENDS_NONE;
	_cleanup_(sp_ring_ends_close) struct sp_ring_ends theirs = SP_RING_ENDS_NONE;
	int r = make_ends(&ours, &theirs);

	if (r < 0)
		return r;
	*ret_ours = ours;
	*ret_theirs = theirs;
	ours = theirs = (struct sp_ring_ends)SP_RING_ENDS_NONE;
	return 0;
}

void sp_ring_ends_close(struct sp_ring_ends *ends)
{
	sp_close_pointer(&ends->channel);
	sp_close_pointer(&ends->doorbell);
	sp_close_pointer(&ends->slots);
	*ends = (struct sp_ring_ends)SP_RING_ENDS_NONE;
}

/* ---- the handshake ---- */

static int send_parcel(struct sp_ring *ring, Sallyport__Wire__Parcel__Purpose purpose,
		       int *descriptor_take)
{
	Sallyport__Wire__Parcel parcel = SALLYPORT__WIRE__PARCEL__INIT;
	_cleanup_close_ int descriptor = TAKE_FD(*descriptor_take);

	parcel.purpose = purpose;
	return sp_channel_send_message(ring->ends.channel, &parcel.base, descriptor);
}

static int send_filter(struct sp_ring *ring, uint32_t error)
{
	const struct sp_porter *porter = ring->porter;
	struct sock_fprog filter = sp_rules_filter(porter->rules);
	Sallyport__Wire__Welcome welcome = SALLYPORT__WIRE__WELCOME__INIT;

	welcome.error = error;
	if (error == 0 && sp_rules_strict(porter->rules)) {
		welcome.has_strict = welcome.strict = 1;
		welcome.has_descriptors = 1;
		welcome.descriptors = porter->landlock >= 0;
	} else if (error == 0) {
		welcome.has_filter = 1;
		welcome.filter.data = (uint8_t *)filter.filter;
		welcome.filter.len = filter.len * sizeof(struct sock_filter);
		welcome.has_proc = porter->view.proc >= 0;
		welcome.proc = porter->view.proc_device;
		welcome.has_descriptors = 1;
		welcome.descriptors =
		    (porter->landlock >= 0 ? 2 : 1) + (uint32_t)sp_rules_phase_count(porter->rules);
	}
	return sp_channel_send_message(ring->ends.channel, &welcome.base, -1);
}

/* A process on a floor has no ruleset to restrict itself with: what the floor's has denied stays so. */
static int send_parcels(struct sp_ring *ring)
{
	struct sp_porter *porter = ring->porter;
	int r = sp_rules_strict(porter->rules)
		    ? 0
		    : send_parcel(ring, SALLYPORT__WIRE__PARCEL__PURPOSE__SLOTS, &ring->ends.slots);

	if (r == 0 && porter->landlock >= 0)
		r = send_parcel(ring, SALLYPORT__WIRE__PARCEL__PURPOSE__LANDLOCK,
				&porter->landlock);
	return r;
}

/* For who locks itself: what it may load later. */
static int send_phases(struct sp_ring *ring)
{
	const struct sp_porter *porter = ring->porter;
	int r = 0;

	for (size_t i = 0; i < sp_rules_phase_count(porter->rules) && r == 0; i++) {
		Sallyport__Wire__Parcel parcel = SALLYPORT__WIRE__PARCEL__INIT;

		parcel.purpose = SALLYPORT__WIRE__PARCEL__PURPOSE__PHASE;
		parcel.has_phase = 1;
		parcel.phase = sp_rules_phase(porter->rules, i).id;
		r = sp_channel_send_message(ring->ends.channel, &parcel.base,
					    porter->phase_files[i]);
	}
	return r;
}

int sp_ring_welcome(struct sp_ring *ring, bool filter)
{
	struct sp_porter *porter = ring->porter;
	int r = filter ? send_filter(ring, 0) : 0;

	ring->greeted = true;
	if (r == 0)
		r = send_parcels(ring);
	if (r == 0 && filter)
		r = send_phases(ring);
	if (r == 0 && filter && ring->outer_pid == porter->sandboxee_pid)
		sp_porter_report_locked(porter);
	return r;
}

static int take_greeting(struct sp_ring *ring, const uint8_t *bytes, size_t length)
{
	uint8_t memory[512] __attribute__((aligned(16)));
	struct sp_arena arena;
	ProtobufCMessage *message;
	int r;

	sp_arena_init(&arena, memory, sizeof(memory));
	r = sp_message_decode(&sallyport__wire__hello__descriptor, bytes, length, &arena, &message);
	if (r < 0)
		return r;
	if (((const Sallyport__Wire__Hello *)message)->version != SP_PROTOCOL_VERSION)
		return send_filter(ring, EPROTO);
	return sp_ring_welcome(ring, true);
}

/* ---- events ---- */

/* An empty datagram is received as end of file is: only the socket itself tells them apart. */
static bool has_hung_up(int socket)
{
	struct pollfd poll_fd = {.fd = socket, .events = POLLRDHUP};

	return poll(&poll_fd, 1, 0) > 0;
}

static void channel_ready(evutil_socket_t socket, short what, void *data)
{
	struct sp_ring *ring = data;
	struct sp_porter *porter = ring->porter;
	uint8_t bytes[256];
	ssize_t length;

	(void)what;
	length = sp_channel_receive(socket, bytes, sizeof(bytes), MSG_DONTWAIT, NULL);
	if (length == -EAGAIN)
		return;
	if (length == -ECONNRESET ||
	    (length == 0 &&
	     has_hung_up(socket))) /* every holder has closed it: only exit is left */
		(void)event_del(ring->channel_event);
	else if (length == 0)
		sp_porter_violation(porter, "an empty datagram");
	else if (length < 0)
		sp_porter_violation(porter, "a datagram that is too long or carries descriptors");
	else if (ring->greeted)
		sp_porter_violation(porter, "a message on the channel after the handshake");
	else if (take_greeting(ring, bytes, (size_t)length) < 0)
		sp_porter_violation(porter, "a malformed greeting");
}

/* Each ringing is an edge, whatever the count: it is never read. Who fills the counter up silences
 * his own bell. */
static void doorbell_ready(evutil_socket_t descriptor, short what, void *data)
{
	struct sp_ring *ring = data;

	(void)descriptor;
	(void)what;
	if (sp_porter_serve(ring) == SP_SERVE_AGAIN && !ring->porter->ended)
		event_active(ring->doorbell_event, EV_READ, 0);
}

static void group_ended(evutil_socket_t pidfd, short what, void *data)
{
	(void)pidfd;
	(void)what;
	sp_ring_free(data);
}

bool sp_ring_has_ended(const struct sp_ring *ring)
{
	return ring->group >= 0 && sp_process_has_ended(ring->group);
}

bool sp_ring_is_beside(const struct sp_porter *porter, pid_t outer_pid)
{
	for (size_t i = 0; i < SP_RINGS_MAX; i++) {
		const struct sp_ring *ring = porter->rings[i];

		if (ring && ring->outer_pid != outer_pid && !sp_ring_has_ended(ring) &&
		    syscall(SYS_kcmp, outer_pid, ring->outer_pid, KCMP_FILES, 0, 0) == 0)
			return true;
	}
	return false;
}

static int add_events(struct sp_ring *ring)
{
	struct sp_porter *porter = ring->porter;
	const struct sp_event_source sources[] = {
	    {ring->group, 0, group_ended, SP_PRIORITY_END, &ring->group_event},
	    {ring->ends.channel, 0, channel_ready, SP_PRIORITY_CALLS, &ring->channel_event},
	    {ring->ends.doorbell, EV_ET, doorbell_ready, SP_PRIORITY_CALLS, &ring->doorbell_event},
	};

	for (size_t i = 0; i < SP_ELEMENTS(sources); i++) {
		int r = sp_event_source_add(porter->base, &sources[i], ring);

		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- one ring, and the table ---- */

static int map_slots(struct sp_ring *ring)
{
	void *memory = mmap(NULL, sizeof(struct sp_slots), PROT_READ | PROT_WRITE, MAP_SHARED,
			    ring->ends.slots, 0);

	if (memory == MAP_FAILED)
		return -errno;
	ring->slots = memory;
	ring->slots->spin_rounds = ring->porter->spin_rounds;
	return 0;
}

static void free_event(struct event *event)
{
	if (event)
		event_free(event);
}

/*
 * Descriptors on their way are counted for the user alone, so that a hoard of channels, which cost their
 * holder one descriptor each, would leave none to the user's other sandboxes.
 */
static void take_back(int channel)
{
	char byte;
	struct iovec vector = {.iov_base = &byte, .iov_len = sizeof(byte)};

	for (;;) {
		/* The kernel closes what there is no room for. */
		struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1};

		if (recvmsg(channel, &message, MSG_DONTWAIT) <= 0)
			return;
	}
}

static void destroy(struct sp_ring *ring)
{
	if (ring->far_channel >= 0)
		take_back(ring->far_channel);
	sp_close_pointer(&ring->far_channel);
	free_event(ring->channel_event);
	free_event(ring->doorbell_event);
	free_event(ring->group_event);
	if (ring->slots)
		(void)munmap(ring->slots, sizeof(*ring->slots));
	sp_ring_ends_close(&ring->ends);
	sp_close_pointer(&ring->group);
	free(ring);
}

void sp_ring_free(struct sp_ring *ring)
{
	struct sp_porter *porter = ring->porter;

	sp_questions_forget_ring(porter, ring);
	for (size_t i = 0; i < SP_RINGS_MAX; i++)
		if (porter->rings[i] == ring)
			porter->rings[i] = NULL;
	sp_workers_forget(porter->workers, ring);
	destroy(ring);
}

void sp_ring_forget(struct sp_porter *porter, pid_t outer_pid)
{
	for (size_t i = 0; i < SP_RINGS_MAX; i++)
		if (porter->rings[i] && porter->rings[i]->outer_pid == outer_pid)
			sp_ring_free(porter->rings[i]);
}

void sp_rings_clear(struct sp_porter *porter)
{
	for (size_t i = 0; i < SP_RINGS_MAX; i++)
		if (porter->rings[i])
			sp_ring_free(porter->rings[i]);
}

/* Those of the dead are given up first: their events may not have come yet. A group whose number is
 * that of another one can't be alive beside it, so that the same number is the same group. */
static struct sp_ring **find_place(struct sp_porter *porter, pid_t outer_pid)
{
	struct sp_ring **free_place = NULL;

	for (size_t i = 0; i < SP_RINGS_MAX; i++) {
		struct sp_ring *ring = porter->rings[i];

		if (ring && (ring->outer_pid == outer_pid || sp_ring_has_ended(ring)))
			sp_ring_free(ring);
		if (!porter->rings[i] && !free_place)
			free_place = &porter->rings[i];
	}
	return free_place;
}

int sp_ring_of_group_take(struct sp_porter *porter, struct sp_ring_ends *ends, int *group,
			  pid_t outer_pid, pid_t pid, struct sp_ring **ret_ring)
{
	struct sp_ring *ring = calloc(1, sizeof(*ring)), **place;
	int r = -ENOMEM;

	if (!ring) {
		sp_ring_ends_close(ends);
		sp_close_pointer(group);
		*group = -1;
		return r;
	}
	*ring = (struct sp_ring){.porter = porter,
				 .ends = *ends,
				 .group = TAKE_FD(*group),
				 .far_channel = -1,
				 .outer_pid = outer_pid,
				 .pid = pid,
				 .spin_credit = SP_SPIN_CREDIT_MAX};
	*ends = (struct sp_ring_ends)SP_RING_ENDS_NONE;
	place = find_place(porter, outer_pid);
	r = place ? map_slots(ring) : -EAGAIN;
	if (r == 0)
		r = add_events(ring);
	if (r < 0) {
		destroy(ring);
		return r;
	}
	*place = ring;
	*ret_ring = ring;
	return 0;
}

int sp_ring_new_take(struct sp_porter *porter, struct sp_ring_ends *ends, pid_t outer_pid,
		     pid_t pid)
{
	struct sp_ring *ring;
	int none = -1;

	return sp_ring_of_group_take(porter, ends, &none, outer_pid, pid, &ring);
}
