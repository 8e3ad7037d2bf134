/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sallyport-spawner: the broker's helper that forks for it. Started with its end of the channel at
 * descriptor 3, everything else closed. It collects what one launch needs, forks, and forgets it:
 * the fork becomes the porter and talks to the broker itself. It ends with the broker, and takes
 * along what then still runs.
 */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "broker/isolate.h"
#include "broker/launch.h"
#include "broker/orphans.h"
#include "ipc/channel.h"
#include "ipc/decode.h"
#include "ipc/sealed.h"
#include "ipc/util.h"
#include "ipc/wire.pb-c.h"

#define CHANNEL 3

/* Larger than any canonical SpawnerRequest. */
#define REQUEST_BYTES 64

/* At the end: so long without a death, and those that are left are not waited for. */
#define END_QUIET_MS 2000

struct spawner {
	int signals, proc; /* of a procfs: O_PATH */
	struct rlimit files;
	pid_t *children; /* living forks of ours */
	size_t child_count, child_room;
};

static const struct launch_order order_none = {.control = -1};

/* ---- one launch ---- */

static void order_clear(struct launch_order *order)
{
	sp_close_pointer(&order->control);
	for (size_t i = 0; i < order->passed_count; i++)
		sp_close_pointer(&order->passed[i]);
	free(order->passed);
	if (order->plan)
		protobuf_c_message_free_unpacked(&order->plan->base, NULL);
	*order = order_none;
}

static int decode_plan(int memory, Sallyport__Wire__LaunchPlan **ret_plan)
{
	ProtobufCMessage *plan;
	size_t length;
	void *bytes;
	int r = sp_sealed_map(memory, SP_PLAN_MAX, &bytes, &length);

	if (r < 0)
		return r;
	r = sp_message_decode(&sallyport__wire__launch_plan__descriptor, bytes, length, NULL,
			      &plan);
	(void)munmap(bytes, length);
	if (r == 0)
		*ret_plan = (Sallyport__Wire__LaunchPlan *)plan;
	return r;
}

/* The next request with its descriptor. -ECONNRESET: the broker is gone. */
static int receive_request(uint32_t *ret_id, Sallyport__Wire__SpawnerRequest__Kind *ret_kind,
			   int *ret_descriptor)
{
	_cleanup_close_ int descriptor = -1;
	uint8_t bytes[REQUEST_BYTES];
	ProtobufCMessage *message;
	Sallyport__Wire__SpawnerRequest *request;
	ssize_t length = sp_channel_receive(CHANNEL, bytes, sizeof(bytes), 0, &descriptor);
	int r;

	if (length <= 0)
		return length == 0 ? -ECONNRESET : (int)length;
	r = sp_message_decode(&sallyport__wire__spawner_request__descriptor, bytes, (size_t)length,
			      NULL, &message);
	if (r < 0)
		return r;
	request = (Sallyport__Wire__SpawnerRequest *)message;
	*ret_id = request->id;
	*ret_kind = request->kind;
	protobuf_c_message_free_unpacked(message, NULL);
	if (descriptor < 0)
		return -EBADMSG;
	*ret_descriptor = TAKE_FD(descriptor);
	return 0;
}

static int receive_part(uint32_t id, Sallyport__Wire__SpawnerRequest__Kind kind,
			int *ret_descriptor)
{
	_cleanup_close_ int descriptor = -1;
	Sallyport__Wire__SpawnerRequest__Kind its_kind = kind;
	uint32_t its_id = 0;
	int r = receive_request(&its_id, &its_kind, &descriptor);

	if (r < 0)
		return r;
	if (its_id != id || its_kind != kind)
		return -EBADMSG;
	*ret_descriptor = TAKE_FD(descriptor);
	return 0;
}

/* One whole order. Any error leaves the conversation out of step: the caller ends. */
static int receive_order(struct launch_order *order, uint32_t *ret_id)
{
	_cleanup_close_ int memory = -1;
	Sallyport__Wire__SpawnerRequest__Kind kind;
	int r = receive_request(ret_id, &kind, &memory);

	if (r < 0)
		return r;
	if (kind != SALLYPORT__WIRE__SPAWNER_REQUEST__KIND__LAUNCH)
		return -EBADMSG;
	r = decode_plan(memory, &order->plan);
	if (r == 0)
		r = receive_part(*ret_id, SALLYPORT__WIRE__SPAWNER_REQUEST__KIND__CONTROL,
				 &order->control);
	if (r < 0)
		return r;
	order->passed = calloc(order->plan->n_number + 1, sizeof(*order->passed));
	if (!order->passed)
		return -ENOMEM;
	while (order->passed_count < order->plan->n_number) {
		r = receive_part(*ret_id, SALLYPORT__WIRE__SPAWNER_REQUEST__KIND__PASS,
				 &order->passed[order->passed_count]);
		if (r < 0)
			return r;
		order->passed_count++;
	}
	return 0;
}

static int answer(uint32_t id, int error, int porter)
{
	Sallyport__Wire__SpawnerEvent event = SALLYPORT__WIRE__SPAWNER_EVENT__INIT;

	event.id = id;
	event.kind = SALLYPORT__WIRE__SPAWNER_EVENT__KIND__PORTER;
	if (error < 0) {
		event.kind = SALLYPORT__WIRE__SPAWNER_EVENT__KIND__FAILED;
		event.has_error = true;
		event.error = (uint32_t)-error;
	}
	return sp_channel_send_message(CHANNEL, &event.base, porter);
}

static int remember(struct spawner *spawner)
{
	size_t room = spawner->child_room ? spawner->child_room * 2 : 16;
	pid_t *children;

	if (spawner->child_count < spawner->child_room)
		return 0;
	children = reallocarray(spawner->children, room, sizeof(*children));
	if (!children)
		return -ENOMEM;
	spawner->children = children;
	spawner->child_room = room;
	return 0;
}

_Noreturn static void become_launch(struct spawner *spawner, struct launch_order *order)
{
	sigset_t none;

	(void)close(CHANNEL);
	(void)close(spawner->signals);
	sp_close_pointer(&spawner->proc);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	order->files = spawner->files;
	launch_run(order);
}

static int fork_launch(struct spawner *spawner, struct launch_order *order, int *ret_porter)
{
	int r = remember(spawner);
	pid_t pid;

	if (r < 0)
		return r;
	order->group = getpgid(getppid());
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0)
		become_launch(spawner, order);
	spawner->children[spawner->child_count++] = pid;
	/* Not reaped before the next poll: the number is still its own. */
	*ret_porter = pidfd_open(pid, 0);
	if (*ret_porter < 0) {
		r = -errno;
		(void)kill(pid, SIGKILL);
	}
	return r;
}

static int serve_request(struct spawner *spawner)
{
	_cleanup_(order_clear) struct launch_order order = order_none;
	_cleanup_close_ int porter = -1;
	uint32_t id;
	int r = receive_order(&order, &id);

	if (r < 0)
		return r;
	r = fork_launch(spawner, &order, &porter);
	return answer(id, r, porter);
}

/* ---- children ---- */

static void forget(struct spawner *spawner, pid_t pid)
{
	for (size_t i = 0; i < spawner->child_count; i++)
		if (spawner->children[i] == pid) {
			spawner->children[i] = spawner->children[--spawner->child_count];
			return;
		}
}

/* Porters, and what was orphaned by a porter's death, which is to die as well. */
static void reap(struct spawner *spawner)
{
	struct signalfd_siginfo info[8];
	pid_t pid;

	while (read(spawner->signals, info, sizeof(info)) > 0)
		;
	while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
		forget(spawner, pid);
	orphans_kill(spawner->proc, spawner->children, spawner->child_count);
}

/* False: none has ended for so long that those which are left wait inside the kernel for a file system that does not
 * answer. They die when that lets them go, and the broker, which waits for our end, is not to wait for it. */
static bool await_end(struct spawner *spawner)
{
	struct pollfd ended = {.fd = spawner->signals, .events = POLLIN};
	struct signalfd_siginfo info[8];

	if (poll(&ended, 1, END_QUIET_MS) == 0)
		return false;
	(void)!read(spawner->signals, info, sizeof(info));
	return true;
}

/* The broker is gone, and so is whoever could want its sandboxes. Each porter takes its init along,
 * and that its pid namespace; the orphans come to us, and those of a permissive launch live. */
static void end_all(struct spawner *spawner)
{
	pid_t pid;

	(void)close(CHANNEL);
	for (size_t i = 0; i < spawner->child_count; i++)
		(void)kill(spawner->children[i], SIGKILL);
	do {
		orphans_kill(spawner->proc, NULL, 0);
		while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
			;
	} while (pid == 0 && await_end(spawner));
}

/* ---- the process ---- */

static int serve(struct spawner *spawner)
{
	struct pollfd polled[] = {{.fd = CHANNEL, .events = POLLIN},
				  {.fd = spawner->signals, .events = POLLIN}};

	for (;;) {
		int r;

		if (poll(polled, SP_ELEMENTS(polled), -1) < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		if (polled[1].revents)
			reap(spawner);
		if (!polled[0].revents)
			continue;
		r = serve_request(spawner);
		if (r < 0)
			return r;
	}
}

/* Past libc, which keeps two signals to itself and whose posix_spawn(3) leaves them ignored in us. */
static void default_action(int number)
{
	const struct {
		unsigned long handler, flags, restorer;
		uint64_t mask;
	} action = {.handler = (unsigned long)(uintptr_t)SIG_DFL};

	(void)syscall(SYS_rt_sigaction, number, &action, NULL, sizeof(action.mask));
}

/* Whoever started us may have ignored or blocked signals, which our children would inherit. */
static int reset_signals(int *ret_signals)
{
	sigset_t children;

	for (int signal_number = 1; signal_number < NSIG; signal_number++)
		default_action(signal_number);
	(void)sigemptyset(&children);
	(void)sigaddset(&children, SIGCHLD);
	if (sigprocmask(SIG_SETMASK, &children, NULL) < 0)
		return -errno;
	*ret_signals = signalfd(-1, &children, SFD_CLOEXEC | SFD_NONBLOCK);
	return *ret_signals < 0 ? -errno : 0;
}

static int set_up(struct spawner *spawner)
{
	int type;
	socklen_t size = sizeof(type);

	if (getsockopt(CHANNEL, SOL_SOCKET, SO_TYPE, &type, &size) < 0 || type != SOCK_SEQPACKET)
		return -ENOTCONN;
	if (fcntl(CHANNEL, F_SETFD, FD_CLOEXEC) < 0 || prctl(PR_SET_CHILD_SUBREAPER, 1) < 0 ||
	    prctl(PR_SET_DUMPABLE, 0) < 0 || chdir("/") < 0)
		return -errno;
	spawner->proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return files_limit_raise(&spawner->files);
}

/* What a porter holds ready for calls, tens of kilobytes, takes no memory before it is used: as a mapping of its own, of
 * which malloc(3) need not clear a byte. */
static void prefer_mappings(void)
{
	(void)mallopt(M_MMAP_THRESHOLD, 16 * 1024);
}

int main(void)
{
	struct spawner spawner = {.signals = -1, .proc = -1};
	int r;

	prefer_mappings();

	if (set_up(&spawner) < 0 || reset_signals(&spawner.signals) < 0) {
		(void)fputs("sallyport-spawner is started by a program that uses libsallyport\n",
			    stderr);
		return 125;
	}
	/* After a request that made no sense the sandboxes live on: only the conversation is over.
	 */
	r = serve(&spawner);
	if (r == -ECONNRESET || r == -EPIPE)
		end_all(&spawner);
	/* Not return: leak checkers of sanitizer builds cannot work in a non-dumpable process. */
	_exit(0);
}
