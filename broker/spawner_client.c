/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "broker/internal.h"
#include "ipc/channel.h"
#include "ipc/decode.h"
#include "ipc/util.h"

/* Where the spawner finds its channel. */
#define SPAWNER_CHANNEL 3

/* Larger than any canonical SpawnerEvent. */
#define EVENT_BYTES 64

/* Messages taken per wake-up: the application's other events have their turn. */
#define EVENTS_PER_WAKE 32

/* ---- starting and ending ---- */

static int prepare_attributes(posix_spawnattr_t *attributes)
{
	/* A process group of its own: a terminal's ^C and ^Z are for the application to act on. Not a
	 * session of its own, which no sandboxee could leave again for the application's. */
	static const short flags =
	    POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP;
	sigset_t none, all;
	int r;

	(void)sigemptyset(&none);
	(void)sigfillset(&all);
	r = posix_spawnattr_setsigmask(attributes, &none);
	if (r == 0)
		r = posix_spawnattr_setsigdefault(attributes, &all);
	if (r == 0)
		r = posix_spawnattr_setpgroup(attributes, 0);
	if (r == 0)
		r = posix_spawnattr_setflags(attributes, flags);
	return -r;
}

/* Exactly /dev/null three times and the channel. The channel first: it may sit at 0, 1 or 2. */
static int prepare_descriptors(posix_spawn_file_actions_t *actions, int channel)
{
	int r = posix_spawn_file_actions_adddup2(actions, channel, SPAWNER_CHANNEL);

	for (int fd = 0; r == 0 && fd < SPAWNER_CHANNEL; fd++)
		r = posix_spawn_file_actions_addopen(actions, fd, "/dev/null", O_RDWR, 0);
	if (r == 0)
		r = posix_spawn_file_actions_addclosefrom_np(actions, SPAWNER_CHANNEL + 1);
	return -r;
}

static int spawn(const char *path, int channel, pid_t *ret_pid)
{
	char *const argv[] = {(char *)(uintptr_t)path, NULL};
	char *const environment[] = {NULL};
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	int r;

	r = -posix_spawn_file_actions_init(&actions);
	if (r < 0)
		return r;
	r = -posix_spawnattr_init(&attributes);
	if (r < 0) {
		(void)posix_spawn_file_actions_destroy(&actions);
		return r;
	}
	r = prepare_descriptors(&actions, channel);
	if (r == 0)
		r = prepare_attributes(&attributes);
	/* vfork's semantics: cheap from an application of any size. */
	if (r == 0)
		r = -posix_spawn(ret_pid, path, &actions, &attributes, argv, environment);
	(void)posix_spawnattr_destroy(&attributes);
	(void)posix_spawn_file_actions_destroy(&actions);
	return r;
}

static void free_event(struct event **event)
{
	if (*event)
		event_free(*event);
	*event = NULL;
}

static void drop_queue(struct spawner_client *spawner)
{
	struct outgoing *outgoing;

	while ((outgoing = TAILQ_FIRST(&spawner->queue))) {
		TAILQ_REMOVE(&spawner->queue, outgoing, entry);
		sp_close_pointer(&outgoing->descriptor);
		free(outgoing);
	}
}

/* Forgets the process, which has ended or ends by itself now that its channel is closed. */
static void forget(struct spawner_client *spawner)
{
	siginfo_t info;

	free_event(&spawner->readable);
	free_event(&spawner->writable);
	drop_queue(spawner);
	/* Not close alone: a fork of the application may hold a copy. */
	(void)shutdown(spawner->channel, SHUT_RDWR);
	sp_close_pointer(&spawner->channel);
	/* ECHILD: the application reaps what it does not know. */
	while (spawner->pidfd >= 0 && waitid(P_PIDFD, (id_t)spawner->pidfd, &info, WEXITED) < 0 &&
	       errno == EINTR)
		;
	sp_close_pointer(&spawner->pidfd);
	spawner->channel = -1;
	spawner->pidfd = -1;
}

/* It closed its channel, or says what no correct spawner says. */
static void lose(struct sp_broker *broker)
{
	(void)pidfd_send_signal(broker->spawner.pidfd, SIGKILL, NULL, 0);
	forget(&broker->spawner);
	sandboxes_orphan(broker);
}

void spawner_stop(struct sp_broker *broker)
{
	if (broker->spawner.channel >= 0)
		forget(&broker->spawner);
}

/* ---- what it says ---- */

static int take_event(struct sp_broker *broker, const Sallyport__Wire__SpawnerEvent *event,
		      int *descriptor)
{
	bool failed = event->kind == SALLYPORT__WIRE__SPAWNER_EVENT__KIND__FAILED;

	if (failed != !!event->has_error || failed == (*descriptor >= 0))
		return -EBADMSG;
	if (failed)
		sandbox_failed(broker, event->id, (int)(event->error & 0xfff));
	else
		sandbox_porter_known_take(broker, event->id, TAKE_FD(*descriptor));
	return 0;
}

static int receive_event(struct sp_broker *broker)
{
	_cleanup_close_ int descriptor = -1;
	uint8_t bytes[EVENT_BYTES];
	ProtobufCMessage *message;
	ssize_t length = sp_channel_receive(broker->spawner.channel, bytes, sizeof(bytes),
					    MSG_DONTWAIT, &descriptor);
	int r;

	if (length <= 0)
		return length == 0 ? -ECONNRESET : (int)length;
	r = sp_message_decode(&sallyport__wire__spawner_event__descriptor, bytes, (size_t)length,
			      NULL, &message);
	if (r < 0)
		return r;
	r = take_event(broker, (const Sallyport__Wire__SpawnerEvent *)message, &descriptor);
	protobuf_c_message_free_unpacked(message, NULL);
	return r;
}

static void channel_readable(evutil_socket_t socket, short what, void *data)
{
	struct sp_broker *broker = data;
	int r = 0;

	(void)socket;
	(void)what;
	for (int i = 0; i < EVENTS_PER_WAKE && r == 0; i++)
		r = receive_event(broker);
	if (r < 0 && r != -EAGAIN)
		lose(broker);
}

/* ---- what we ask ---- */

static int send_request(struct spawner_client *spawner, const struct outgoing *outgoing)
{
	Sallyport__Wire__SpawnerRequest request = SALLYPORT__WIRE__SPAWNER_REQUEST__INIT;

	request.id = outgoing->id;
	request.kind = outgoing->kind;
	return sp_channel_send_message(spawner->channel, &request.base, outgoing->descriptor);
}

static int flush(struct spawner_client *spawner)
{
	struct outgoing *outgoing;

	while ((outgoing = TAILQ_FIRST(&spawner->queue))) {
		int r = send_request(spawner, outgoing);

		/* Too many descriptors on their way: it takes them out as fast as it can. */
		if (r == -EAGAIN || r == -ETOOMANYREFS)
			return event_add(spawner->writable, NULL) < 0 ? -ENOMEM : 0;
		if (r < 0)
			return r;
		TAILQ_REMOVE(&spawner->queue, outgoing, entry);
		sp_close_pointer(&outgoing->descriptor);
		free(outgoing);
	}
	return 0;
}

static void channel_writable(evutil_socket_t socket, short what, void *data)
{
	struct sp_broker *broker = data;

	(void)socket;
	(void)what;
	if (flush(&broker->spawner) < 0)
		lose(broker);
}

static void close_all(int *descriptors, size_t count)
{
	for (size_t i = 0; i < count; i++)
		sp_close_pointer(&descriptors[i]);
}

static struct outgoing *outgoing_new(uint32_t id, size_t index)
{
	static const Sallyport__Wire__SpawnerRequest__Kind kinds[] = {
	    SALLYPORT__WIRE__SPAWNER_REQUEST__KIND__LAUNCH,
	    SALLYPORT__WIRE__SPAWNER_REQUEST__KIND__CONTROL,
	    SALLYPORT__WIRE__SPAWNER_REQUEST__KIND__PASS,
	};
	struct outgoing *outgoing = calloc(1, sizeof(*outgoing));

	if (!outgoing)
		return NULL;
	outgoing->id = id;
	outgoing->kind = kinds[index < SP_ELEMENTS(kinds) ? index : SP_ELEMENTS(kinds) - 1];
	return outgoing;
}

int spawner_launch_take(struct sp_broker *broker, uint32_t id, int *descriptors, size_t count)
{
	struct outgoing_queue added = TAILQ_HEAD_INITIALIZER(added);
	struct outgoing *outgoing;

	for (size_t i = 0; i < count; i++) {
		outgoing = outgoing_new(id, i);
		if (!outgoing)
			break;
		outgoing->descriptor = TAKE_FD(descriptors[i]);
		TAILQ_INSERT_TAIL(&added, outgoing, entry);
	}
	if (count > 0 && descriptors[count - 1] >= 0) {
		close_all(descriptors, count);
		while ((outgoing = TAILQ_FIRST(&added))) {
			TAILQ_REMOVE(&added, outgoing, entry);
			sp_close_pointer(&outgoing->descriptor);
			free(outgoing);
		}
		return -ENOMEM;
	}
	TAILQ_CONCAT(&broker->spawner.queue, &added, entry);
	if (flush(&broker->spawner) < 0)
		lose(broker);
	return 0;
}

static int watch(struct sp_broker *broker)
{
	struct spawner_client *spawner = &broker->spawner;

	spawner->readable = event_new(broker->base, spawner->channel, EV_READ | EV_PERSIST,
				      channel_readable, broker);
	spawner->writable =
	    event_new(broker->base, spawner->channel, EV_WRITE, channel_writable, broker);
	if (!spawner->readable || !spawner->writable || event_add(spawner->readable, NULL) < 0)
		return -ENOMEM;
	return 0;
}

static int start(struct sp_broker *broker)
{
	struct spawner_client *spawner = &broker->spawner;
	_cleanup_close_ int theirs = -1;
	int sockets[2], r;

	r = sp_channel_pair(0, sockets);
	if (r < 0)
		return r;
	spawner->channel = sockets[0];
	theirs = sockets[1];
	/* Ours alone: the spawner has nothing else to do than to wait for us. */
	if (fcntl(spawner->channel, F_SETFL, O_NONBLOCK) < 0)
		r = -errno;
	if (r == 0)
		r = spawn(broker->spawner_path, theirs, &spawner->pid);
	if (r == 0) {
		spawner->pidfd = pidfd_open(spawner->pid, 0);
		r = spawner->pidfd < 0 ? -errno : watch(broker);
	}
	if (r < 0)
		forget(spawner);
	return r;
}

static bool has_died(const struct spawner_client *spawner)
{
	struct pollfd polled = {.fd = spawner->pidfd, .events = POLLIN};

	return poll(&polled, 1, 0) > 0;
}

int spawner_ensure(struct sp_broker *broker)
{
	if (broker->spawner.channel >= 0 && has_died(&broker->spawner))
		lose(broker);
	return broker->spawner.channel >= 0 ? 0 : start(broker);
}
