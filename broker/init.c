/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/init.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "broker/isolate.h"
#include "ipc/channel.h"
#include "ipc/util.h"

/* Init cannot be told by getppid() that its parent is alive, which is outside its namespace. It
 * asks instead: what is answered after PR_SET_PDEATHSIG was answered by a parent whose death will
 * kill. */
static int await_release(int lifeline)
{
	char byte;

	return sp_channel_receive(lifeline, &byte, 1, 0, NULL) == 1 ? 0 : -EPIPE;
}

static int send_descriptor(int lifeline, int descriptor)
{
	int error = 0;

	return sp_channel_send(lifeline, &error, sizeof(error), descriptor);
}

/* What init does as long as it has capabilities: mount, and hand over what only it can open. */
static int prepare(int lifeline)
{
	_cleanup_close_ int proc = -1, namespace = -1;
	int r;

	r = isolate_proc();
	if (r < 0)
		return r;
	proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	namespace = open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC);
	if (proc < 0 || namespace < 0)
		return -errno;
	r = capabilities_drop();
	if (r < 0)
		return r;
	if (prctl(PR_SET_DUMPABLE, 0) < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return -errno;
	r = send_descriptor(lifeline, proc);
	return r < 0 ? r : send_descriptor(lifeline, namespace);
}

_Noreturn static void init_main(int lifeline)
{
	int r;

	if (lifeline > 0)
		(void)close_range(0, (unsigned)lifeline - 1, 0);
	(void)close_range((unsigned)lifeline + 1, ~0u, 0);
	/* Ignored, SIGCHLD makes the kernel reap every orphan that the namespace gives us, without
	 * a line of code that could fail. Signals from inside do not reach a pid 1 that has no
	 * handler for them. */
	(void)signal(SIGCHLD, SIG_IGN);
	r = prepare(lifeline);
	if (r < 0) {
		int error = -r;

		(void)sp_channel_send(lifeline, &error, sizeof(error), -1);
		_exit(1);
	}
	if (await_release(lifeline) < 0)
		_exit(1);
	(void)close(lifeline);
	for (;;)
		(void)pause();
}

static int receive_descriptor(int lifeline, int *ret_descriptor)
{
	_cleanup_close_ int descriptor = -1;
	int error;
	ssize_t n = sp_channel_receive(lifeline, &error, sizeof(error), 0, &descriptor);

	if (n < 0)
		return (int)n;
	if (n != sizeof(error))
		return -ECHILD;
	if (error)
		return -error;
	if (descriptor < 0)
		return -EBADMSG;
	*ret_descriptor = TAKE_FD(descriptor);
	return 0;
}

int init_start(struct init_process *ret_init)
{
	_cleanup_(init_close) struct init_process init = INIT_PROCESS_NONE;
	_cleanup_close_ int theirs = -1;
	int sockets[2], r;

	r = sp_channel_pair(0, sockets);
	if (r < 0)
		return r;
	init.lifeline = sockets[0];
	theirs = sockets[1];
	/* Not unshare(2): the caller's own later children must stay in the outer namespace. */
	init.pid = (pid_t)syscall(SYS_clone, CLONE_NEWPID | CLONE_PIDFD | SIGCHLD, NULL,
				  &init.pidfd, NULL, NULL);
	if (init.pid < 0)
		return -errno;
	if (init.pid == 0)
		init_main(theirs);
	(void)close(TAKE_FD(theirs));
	r = receive_descriptor(init.lifeline, &init.proc);
	if (r == 0)
		r = receive_descriptor(init.lifeline, &init.namespace);
	if (r < 0) {
		(void)kill(init.pid, SIGKILL);
		(void)waitpid(init.pid, NULL, 0);
		return r;
	}
	*ret_init = init;
	init = (struct init_process)INIT_PROCESS_NONE;
	return 0;
}

int init_release(struct init_process *init)
{
	int r = sp_channel_send(init->lifeline, "", 1, -1);

	(void)close(TAKE_FD(init->lifeline));
	return r;
}

void init_close(struct init_process *init)
{
	sp_close_pointer(&init->pidfd);
	sp_close_pointer(&init->lifeline);
	sp_close_pointer(&init->proc);
	sp_close_pointer(&init->namespace);
	*init = (struct init_process)INIT_PROCESS_NONE;
}
