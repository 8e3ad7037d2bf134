/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/tracee.h"

#include <elf.h>
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ipc/arch.h"
#include "ipc/runtime.h"
#include "ipc/util.h"

/* What waitid(2) tells of a stop: the signal, and above it the event. */
#define EVENT(status) ((status) >> 8)
#define CALL_STOP (SIGTRAP | 0x80)
#define MASK_SIZE sizeof(((struct sp_tracee *)0)->mask)

static int get_registers(const struct sp_tracee *tracee, struct user_regs_struct *ret_registers)
{
	struct iovec vector = {.iov_base = ret_registers, .iov_len = sizeof(*ret_registers)};

	return ptrace(PTRACE_GETREGSET, tracee->tid, NT_PRSTATUS, &vector) < 0 ? -errno : 0;
}

static int set_registers(const struct sp_tracee *tracee, struct user_regs_struct *registers)
{
	struct iovec vector = {.iov_base = registers, .iov_len = sizeof(*registers)};

	return ptrace(PTRACE_SETREGSET, tracee->tid, NT_PRSTATUS, &vector) < 0 ? -errno : 0;
}

/* Where anything fails, the thread is on its way out, or its state can't be told: it dies. */
static void kill_tracee(struct sp_tracee *tracee)
{
	(void)kill(tracee->pid, SIGKILL);
	tracee->step = NULL; /* the next news of it is its end */
}

static void let_go(struct sp_tracee *tracee)
{
	if (ptrace(PTRACE_DETACH, tracee->tid, NULL, NULL) < 0)
		kill_tracee(tracee);
	else
		tracee->tid = 0;
}

/* Lets it run to its next system call's beginning or end, or to another stop. */
static void go_on(struct sp_tracee *tracee, int signal)
{
	if (ptrace(PTRACE_SYSCALL, tracee->tid, NULL, (long)signal) < 0)
		kill_tracee(tracee);
}

/* ---- calls in the thread's name ---- */

/* What lies below its stack while it receives. Other threads may write there too: all that they can
 * change is which of its own descriptors their process uses, and where in its own memory. */
struct scratch {
	struct msghdr message;
	struct iovec vector;
	char byte;
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
};

/* Beyond the red zone of the ABI, 128 bytes. */
#define SCRATCH_BELOW 1024

static void call_left(struct sp_tracees *tracees, struct sp_tracee *tracee, int status)
{
	struct user_regs_struct registers;

	(void)tracees;
	if (status != CALL_STOP)
		go_on(tracee, EVENT(status) ? 0 : status);
	else if (get_registers(tracee, &registers) < 0)
		kill_tracee(tracee);
	else
		tracee->next(tracee, sp_registers_result(&registers));
}

static void call_entered(struct sp_tracees *tracees, struct sp_tracee *tracee, int status)
{
	(void)tracees;
	if (status == CALL_STOP)
		tracee->step = call_left;
	go_on(tracee, status == CALL_STOP || EVENT(status) ? 0 : status);
}

static void make_call(struct sp_tracee *tracee, long nr, const unsigned long argument[6],
		      void (*next)(struct sp_tracee *tracee, long result))
{
	struct user_regs_struct registers = tracee->saved;

	sp_registers_call(&registers, nr, argument);
	tracee->step = call_entered;
	tracee->next = next;
	if (set_registers(tracee, &registers) < 0)
		kill_tracee(tracee);
	else
		go_on(tracee, 0);
}

static void make_close(struct sp_tracee *tracee, int descriptor,
		       void (*next)(struct sp_tracee *tracee, long result))
{
	const unsigned long argument[6] = {(unsigned long)descriptor, 0, 0, 0, 0, SP_RUNTIME_MARK};

	make_call(tracee, __NR_close, argument, next);
}

/* Back to where it was, as if its call had returned. */
static void finish(struct sp_tracee *tracee, long unused)
{
	(void)unused;
	sp_registers_set_result(&tracee->saved, tracee->result);
	if (set_registers(tracee, &tracee->saved) < 0 ||
	    ptrace(PTRACE_SETSIGMASK, tracee->tid, MASK_SIZE, &tracee->mask) < 0)
		kill_tracee(tracee);
	else
		let_go(tracee);
}

static void changed(struct sp_tracee *tracee, long result)
{
	tracee->result = result;
	make_close(tracee, tracee->descriptor, finish);
}

static void change(struct sp_tracee *tracee)
{
	const unsigned long argument[6] = {(unsigned long)tracee->descriptor};

	make_call(tracee, __NR_fchdir, argument, changed);
}

/* Its socket has done its work. */
static void socket_closed(struct sp_tracee *tracee, long unused)
{
	if (tracee->descriptor < 0 || !tracee->directory)
		finish(tracee, unused);
	else
		change(tracee);
}

long sp_process_transfer(long nr, pid_t pid, void *here, uint64_t there, size_t length)
{
	struct iovec local = {.iov_base = here, .iov_len = length};
	struct iovec remote = {.iov_base = (void *)(uintptr_t)there, .iov_len = length};

	return syscall(nr, pid, &local, 1, &remote, 1, 0);
}

static uint64_t scratch_of(const struct sp_tracee *tracee)
{
	return (sp_registers_stack(&tracee->saved) - SCRATCH_BELOW) & ~UINT64_C(63);
}

static bool transfer(const struct sp_tracee *tracee, long nr, struct scratch *scratch)
{
	return sp_process_transfer(nr, tracee->tid, scratch, scratch_of(tracee),
				   sizeof(*scratch)) == (long)sizeof(*scratch);
}

static void received(struct sp_tracee *tracee, long result)
{
	struct scratch scratch;

	if (result >= 0 && !transfer(tracee, SYS_process_vm_readv, &scratch))
		result = -EFAULT;
	/* Without a free number the kernel leaves the control data out. */
	if (result >= 0 && scratch.message.msg_controllen < CMSG_LEN(sizeof(int)))
		result = -EMFILE;
	if (result >= 0) {
		memcpy(&tracee->descriptor, scratch.control.bytes + CMSG_LEN(0), sizeof(int));
		result = tracee->descriptor;
	}
	tracee->result = result;
	make_close(tracee, tracee->socket, socket_closed);
}

static void receive(struct sp_tracee *tracee)
{
	const uint64_t at = scratch_of(tracee);
	const unsigned long flags = MSG_DONTWAIT | (tracee->close_on_exec ? MSG_CMSG_CLOEXEC : 0ul);
	const unsigned long argument[6] = {
	    (unsigned long)tracee->socket, at, flags, 0, 0, SP_RUNTIME_MARK};
	struct scratch scratch = {
	    .message =
		{
		    .msg_iov = (void *)(uintptr_t)(at + offsetof(struct scratch, vector)),
		    .msg_iovlen = 1,
		    .msg_control = (void *)(uintptr_t)(at + offsetof(struct scratch, control)),
		    .msg_controllen = CMSG_LEN(sizeof(int)),
		},
	    .vector = {.iov_base = (void *)(uintptr_t)(at + offsetof(struct scratch, byte)),
		       .iov_len = 1},
	};

	if (transfer(tracee, SYS_process_vm_writev, &scratch)) {
		make_call(tracee, __NR_recvmsg, argument, received);
		return;
	}
	tracee->result = -EFAULT;
	make_close(tracee, tracee->socket, socket_closed);
}

/* Behind its own call, for which it got our answer. No signal may come between: its handler would run
 * with the registers of a call that the program never made. */
static void stopped_to_call(struct sp_tracees *tracees, struct sp_tracee *tracee, int status)
{
	uint64_t all = ~UINT64_C(0);

	(void)tracees;
	if (EVENT(status) != PTRACE_EVENT_STOP)
		go_on(tracee, status);
	else if (get_registers(tracee, &tracee->saved) < 0 ||
		 ptrace(PTRACE_GETSIGMASK, tracee->tid, MASK_SIZE, &tracee->mask) < 0 ||
		 ptrace(PTRACE_SETSIGMASK, tracee->tid, MASK_SIZE, &all) < 0)
		kill_tracee(tracee);
	else
		receive(tracee);
}

void sp_tracee_receive(struct sp_tracee *tracee, int socket, bool directory, bool close_on_exec)
{
	tracee->socket = socket;
	tracee->descriptor = -1;
	tracee->directory = directory;
	tracee->close_on_exec = close_on_exec;
	tracee->step = stopped_to_call;
}

/* ---- nothing ---- */

static void stopped_to_go(struct sp_tracees *tracees, struct sp_tracee *tracee, int status)
{
	(void)tracees;
	if (EVENT(status) == PTRACE_EVENT_STOP)
		let_go(tracee);
	else
		go_on(tracee, status);
}

void sp_tracee_release(struct sp_tracee *tracee)
{
	tracee->step = stopped_to_go;
}

/* ---- execve ---- */

static void stopped_to_execute(struct sp_tracees *tracees, struct sp_tracee *tracee, int status)
{
	if (EVENT(status) == PTRACE_EVENT_EXEC) {
		tracee->tid = tracee->pid; /* whichever thread it was is the only one now */
		if (tracees->may_run(tracees->data, tracee->pid))
			let_go(tracee);
		else
			kill_tracee(tracee);
	} else if (EVENT(status) == PTRACE_EVENT_STOP) {
		let_go(tracee); /* it came back with an error */
	} else {
		go_on(tracee, status);
	}
}

void sp_tracee_check_execution(struct sp_tracee *tracee)
{
	tracee->step = stopped_to_execute;
}

/* ---- all ---- */

static struct sp_tracee *find_free(struct sp_tracees *tracees)
{
	for (size_t i = 0; i < SP_TRACEES_MAX; i++)
		if (tracees->tracee[i].tid == 0)
			return &tracees->tracee[i];
	return NULL;
}

int sp_tracee_hold(struct sp_tracees *tracees, pid_t tid, pid_t pid, struct sp_tracee **ret_tracee)
{
	const unsigned long options =
	    PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEEXEC;
	struct sp_tracee *tracee = find_free(tracees);

	if (!tracee)
		return -EAGAIN;
	if (ptrace(PTRACE_SEIZE, tid, NULL, options) < 0)
		return errno == ESRCH ? -ESRCH : -EPERM;
	*tracee = (struct sp_tracee){.tid = tid, .pid = pid};
	if (ptrace(PTRACE_INTERRUPT, tid, NULL, NULL) < 0) {
		kill_tracee(tracee);
		return -ESRCH;
	}
	*ret_tracee = tracee;
	return 0;
}

bool sp_tracees_hold(const struct sp_tracees *tracees, pid_t tid)
{
	for (size_t i = 0; i < SP_TRACEES_MAX; i++)
		/* Behind an execve the thread has its process's number. */
		if (tracees->tracee[i].tid != 0 &&
		    (tracees->tracee[i].tid == tid || tracees->tracee[i].pid == tid))
			return true;
	return false;
}

bool sp_tracees_conflict(const struct sp_tracees *tracees, pid_t pid, bool executes)
{
	for (size_t i = 0; i < SP_TRACEES_MAX; i++) {
		const struct sp_tracee *tracee = &tracees->tracee[i];

		if (tracee->tid != 0 && tracee->pid == pid &&
		    (executes || tracee->step == stopped_to_execute))
			return true;
	}
	return false;
}

static bool has_news(pid_t number, siginfo_t *ret_info)
{
	ret_info->si_pid = 0;
	return waitid(P_PID, (id_t)number, ret_info,
		      WSTOPPED | WEXITED | WNOWAIT | WNOHANG | __WALL) < 0 ||
	       ret_info->si_pid != 0;
}

/* True where there is news; si_pid 0: it has gone without any. A thread that executes takes its
 * process's number, and its own is gone: only then are the process's news its own. */
static bool poll_tracee(const struct sp_tracee *tracee, siginfo_t *ret_info)
{
	if (!has_news(tracee->tid, ret_info))
		return false;
	if (ret_info->si_pid != 0 || tracee->tid == tracee->pid)
		return true;
	return has_news(tracee->pid, ret_info);
}

static bool is_stop(const siginfo_t *info)
{
	return info->si_code == CLD_TRAPPED || info->si_code == CLD_STOPPED;
}

/*
 * Which of the held threads it was that executed: where its process's first thread was held too, that
 * one is no more, and its news are the other's. NULL: none that we let execute.
 */
static struct sp_tracee *find_executing(struct sp_tracees *tracees, struct sp_tracee *seen)
{
	unsigned long former = 0;

	if (ptrace(PTRACE_GETEVENTMSG, seen->pid, NULL, &former) < 0)
		return NULL;
	for (size_t i = 0; i < SP_TRACEES_MAX; i++) {
		struct sp_tracee *tracee = &tracees->tracee[i];

		if (tracee->tid == (pid_t)former && tracee->step == stopped_to_execute) {
			if (tracee != seen)
				seen->tid = 0;
			return tracee;
		}
	}
	return NULL;
}

static void take_stop(struct sp_tracees *tracees, struct sp_tracee *tracee, int status)
{
	if (EVENT(status) == PTRACE_EVENT_EXEC) {
		struct sp_tracee *executing = find_executing(tracees, tracee);

		if (!executing) {
			kill_tracee(tracee);
			return;
		}
		tracee = executing;
	}
	if (tracee->step)
		tracee->step(tracees, tracee, status);
}

/* False where there is nothing more to say of it now. */
static bool reap_one(struct sp_tracees *tracees, struct sp_tracee *tracee)
{
	siginfo_t info = {0};

	if (!poll_tracee(tracee, &info))
		return false;
	if (info.si_pid != 0 && is_stop(&info)) {
		(void)waitid(P_PID, (id_t)info.si_pid, &info, WSTOPPED | WNOHANG | __WALL);
		take_stop(tracees, tracee, info.si_status);
		return tracee->tid != 0;
	}
	/* The dead are kept for their tracer before their parent gets them. */
	if (info.si_pid != 0 && info.si_pid != tracees->child)
		(void)waitid(P_PID, (id_t)info.si_pid, &info, WEXITED | WNOHANG | __WALL);
	tracee->tid = 0;
	return false;
}

void sp_tracees_reap(struct sp_tracees *tracees)
{
	for (size_t i = 0; i < SP_TRACEES_MAX; i++)
		while (tracees->tracee[i].tid != 0 && reap_one(tracees, &tracees->tracee[i]))
			;
}
