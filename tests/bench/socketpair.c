/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The browsers' way: SECCOMP_RET_TRAP; the handler makes a socketpair, sends the request with one
 * end of it to the broker, and reads reply and descriptor from the other.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include "bench.h"
#include "ipc/arch.h"
#include "ipc/channel.h"

struct reply {
	int32_t result;
	struct stat status;
};

/* The handler's; one worker a process. */
static int broker_socket = -1;

static long deliver(const struct reply *reply, int descriptor, const struct bench_request *request,
		    void *out)
{
	if (reply->result < 0)
		return reply->result;
	if (request->call == BENCH_OPEN)
		return descriptor;
	if (request->call == BENCH_STAT)
		memcpy(out, &reply->status, sizeof(reply->status));
	return 0;
}

static long ask(const struct bench_request *request, void *out)
{
	struct reply reply;
	int sockets[2], descriptor = -1;
	size_t length = offsetof(struct bench_request, path) + strlen(request->path) + 1;
	ssize_t r;

	if (sp_channel_pair(0, sockets) < 0)
		return -EMFILE;
	r = sp_channel_send(broker_socket, request, length, sockets[1]);
	(void)close(sockets[1]);
	if (r == 0)
		r = sp_channel_receive(sockets[0], &reply, sizeof(reply), 0, &descriptor);
	(void)close(sockets[0]);
	return r <= 0 ? -EIO : deliver(&reply, descriptor, request, out);
}

static void trapped(int signal, siginfo_t *info, void *data)
{
	static const int indices[] = SP_REG_ARGUMENTS;
	ucontext_t *context = data;
	greg_t *registers = context->uc_mcontext.gregs;
	enum bench_call call = bench_call_of(info->si_syscall);
	struct bench_request request = {.call = (int32_t)call};
	struct bench_arguments arguments;
	void *out = NULL;

	(void)signal;
	if (call == BENCH_CALLS)
		_exit(1);
	arguments = bench_arguments_of(call);
	request.flags = (int32_t)registers[indices[arguments.flags]];
	(void)strncpy(request.path, (const char *)registers[indices[arguments.path]],
		      sizeof(request.path) - 1);
	if (arguments.out >= 0)
		out = (void *)registers[indices[arguments.out]];
	registers[SP_REG_RESULT] = ask(&request, out);
}

static int work_under_trap(const struct bench_seat *seat, int socket)
{
	struct sigaction action = {.sa_sigaction = trapped, .sa_flags = SA_SIGINFO | SA_NODEFER};
	int r;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	broker_socket = socket;
	if (sigaction(SIGSYS, &action, NULL) < 0)
		return -errno;
	r = bench_filter(SECCOMP_RET_TRAP, 0);
	return r < 0 ? r : bench_work(seat);
}

static void serve_one(const struct bench_request *request, int socket)
{
	struct reply reply;
	int descriptor = -1;

	reply.result = bench_perform(request, &reply.status);
	if (request->call == BENCH_OPEN && reply.result >= 0)
		descriptor = reply.result;
	(void)sp_channel_send(socket, &reply,
			      request->call == BENCH_STAT ? sizeof(reply) : sizeof(reply.result),
			      descriptor);
	if (descriptor >= 0)
		(void)close(descriptor);
}

static int serve(int socket)
{
	struct bench_request request;

	for (;;) {
		int reply_socket = -1;
		ssize_t length =
		    sp_channel_receive(socket, &request, sizeof(request), 0, &reply_socket);

		if (length <= 0)
			return (int)length;
		request.path[sizeof(request.path) - 1] = 0;
		serve_one(&request, reply_socket);
		(void)close(reply_socket);
	}
}

static int be_broker(const struct bench_seat *seat)
{
	int sockets[2];
	pid_t child;
	int r = sp_channel_pair(0, sockets);

	if (r < 0)
		return r;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	child = fork();
	if (child < 0)
		return -errno;
	if (child == 0) {
		(void)close(sockets[0]);
		_exit(work_under_trap(seat, sockets[1]) < 0);
	}
	(void)close(sockets[1]);
	(void)close(seat->orders);
	(void)close(seat->done);
	r = serve(sockets[0]);
	(void)waitpid(child, NULL, 0);
	return r;
}

int bench_start_socketpair(struct bench_worker *worker, const char *path)
{
	return bench_worker_fork(worker, path, be_broker);
}
