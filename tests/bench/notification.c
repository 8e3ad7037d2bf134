/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rival that the kernel offers: SECCOMP_RET_USER_NOTIF. The supervisor copies the path, checks
 * that the caller still waits, makes the call and answers; a descriptor is installed and the call
 * answered by one ADDFD with FLAG_SEND.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"
#include "ipc/channel.h"

static void end_with_worker(int signal)
{
	(void)signal;
	(void)waitpid(-1, NULL, WNOHANG);
	_exit(0);
}

static int copy_in(const struct seccomp_notif *notice, struct bench_request *ret_request)
{
	enum bench_call call = bench_call_of(notice->data.nr);
	struct bench_arguments arguments;
	struct iovec local = {ret_request->path, sizeof(ret_request->path) - 1};
	struct iovec remote = {.iov_len = local.iov_len};
	ssize_t length;

	if (call == BENCH_CALLS)
		return -ENOSYS;
	arguments = bench_arguments_of(call);
	remote.iov_base = (void *)(uintptr_t)notice->data.args[arguments.path];
	length = process_vm_readv((pid_t)notice->pid, &local, 1, &remote, 1, 0);
	if (length <= 0 || !memchr(ret_request->path, 0, (size_t)length))
		return -EFAULT;
	ret_request->call = (int32_t)call;
	ret_request->flags = (int32_t)notice->data.args[arguments.flags];
	return 0;
}

static int copy_out(const struct seccomp_notif *notice, struct stat *status)
{
	struct bench_arguments arguments = bench_arguments_of(BENCH_STAT);
	struct iovec local = {status, sizeof(*status)};
	struct iovec remote = {(void *)(uintptr_t)notice->data.args[arguments.out],
			       sizeof(*status)};

	return process_vm_writev((pid_t)notice->pid, &local, 1, &remote, 1, 0) ==
		       (ssize_t)sizeof(*status)
		   ? 0
		   : -EFAULT;
}

static void give(int listener, uint64_t id, int descriptor)
{
	struct seccomp_notif_addfd addfd = {
	    .id = id,
	    .flags = SECCOMP_ADDFD_FLAG_SEND,
	    .srcfd = (uint32_t)descriptor,
	    .newfd_flags = O_CLOEXEC,
	};

	(void)ioctl(listener, SECCOMP_IOCTL_NOTIF_ADDFD, &addfd);
	(void)close(descriptor);
}

static void serve_one(int listener)
{
	struct seccomp_notif notice = {0};
	struct seccomp_notif_resp response = {0};
	struct bench_request request;
	struct stat status;
	int r;

	if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &notice) < 0)
		return;
	r = copy_in(&notice, &request);
	/* Else the pid may have been somebody else's when its memory was read. */
	if (ioctl(listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &notice.id) < 0)
		return;
	if (r == 0)
		r = bench_perform(&request, &status);
	if (r >= 0 && request.call == BENCH_OPEN) {
		give(listener, notice.id, r);
		return;
	}
	if (r >= 0 && request.call == BENCH_STAT)
		r = copy_out(&notice, &status);
	response.id = notice.id;
	response.error = r < 0 ? r : 0;
	(void)ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &response);
}

static int work_under_notification(const struct bench_seat *seat, int socket)
{
	int listener, r;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	listener = bench_filter(SECCOMP_RET_USER_NOTIF, SECCOMP_FILTER_FLAG_NEW_LISTENER);
	if (listener < 0)
		return listener;
	r = sp_channel_send(socket, "l", 1, listener);
	(void)close(listener);
	return r < 0 ? r : bench_work(seat);
}

static int supervise(const struct bench_seat *seat)
{
	int sockets[2], listener = -1;
	char byte;
	pid_t child;
	int r = sp_channel_pair(0, sockets);

	if (r < 0)
		return r;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)signal(SIGCHLD, end_with_worker);
	child = fork();
	if (child < 0)
		return -errno;
	if (child == 0)
		_exit(work_under_notification(seat, sockets[1]) < 0);
	(void)close(seat->orders);
	(void)close(seat->done);
	if (sp_channel_receive(sockets[0], &byte, 1, 0, &listener) != 1 || listener < 0)
		return -EPROTO;
	for (;;)
		serve_one(listener);
}

int bench_start_notification(struct bench_worker *worker, const char *path)
{
	return bench_worker_fork(worker, path, supervise);
}
