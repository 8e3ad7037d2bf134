/* SPDX-License-Identifier: Apache-2.0 */
/* The filter of the porter itself: an allow list of what serving takes, deadly otherwise. */
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "ipc/util.h"
#include "policy/filter_decisions.h"
#include "policy/filter_rows.h"

/* What serving takes; `right`: only where some rule grants one of these; `notify`: only where the
 * calls come as notifications. */
static const struct {
	int nr;
	uint32_t right;
	bool notify;
} porter_calls[] = {
    {__NR_openat, 0, false},
    {__NR_openat2, 0, false},
    {__NR_newfstatat, 0, false},
    {__NR_statx, 0, false},
    {__NR_fstat, 0, false},
    {__NR_fstatfs, 0, false},
    {__NR_readlinkat, 0, false},
    {__NR_faccessat, 0, false},
    {__NR_faccessat2, 0, false},
    {__NR_fcntl, 0, false},
    {__NR_close, 0, false},
    {__NR_dup, 0, false},
    {__NR_read, 0, false},
    {__NR_write, 0, false},
    {__NR_mkdirat, SP_RIGHT_CREATE, false},
    {__NR_mknodat, SP_RIGHT_CREATE, false},
    {__NR_symlinkat, SP_RIGHT_CREATE, false},
    {__NR_linkat, SP_RIGHT_CREATE, false},
    {__NR_unlinkat, SP_RIGHT_DELETE, false},
    {__NR_renameat, SP_RIGHT_DELETE, false},
    {__NR_renameat2, SP_RIGHT_DELETE, false},
    {__NR_ftruncate, SP_RIGHT_WRITE, false},
    {__NR_ftruncate, 0, true}, /* of a descriptor that the caller has */
    {__NR_fchmodat, SP_RIGHT_WRITE, false},
    {__NR_utimensat, SP_RIGHT_WRITE, false},
    {__NR_fchownat, SP_RIGHT_WRITE, false},
    {__NR_fchdir, 0, false},
    {__NR_getxattr, 0, false},
    {__NR_listxattr, 0, false},
    {__NR_setxattr, SP_RIGHT_WRITE, false},
    {__NR_removexattr, SP_RIGHT_WRITE, false},
    {__NR_umask, SP_RIGHT_CREATE | SP_RIGHT_BIND, false},
    {__NR_recvmsg, 0, false},
    {__NR_sendmsg, 0, false},
    {__NR_setsockopt, 0, false},
    {__NR_poll, 0, false},
    {__NR_ppoll, 0, false},
    {__NR_epoll_wait, 0, false},
    {__NR_epoll_pwait, 0, false},
    {__NR_epoll_pwait2, 0, false},
    {__NR_epoll_ctl, 0, false},
    {__NR_futex, 0, false},
    {__NR_waitid, 0, false},
    {__NR_pidfd_send_signal, 0, false},
    {__NR_clock_gettime, 0, false},
    {__NR_gettimeofday, 0, false},
    {__NR_munmap, 0, false},
    {__NR_mremap, 0, false},
    {__NR_madvise, 0, false},
    {__NR_brk, 0, false},
    {__NR_rt_sigreturn, 0, false},
    {__NR_rt_sigprocmask, 0, false},
    {__NR_exit, 0, false},
    {__NR_exit_group, 0, false},
    {__NR_restart_syscall, 0, false},
    {__NR_getpid, 0, false},
    {__NR_gettid, 0, false},
    {__NR_geteuid, 0, false},
    {__NR_sched_yield, 0, false},
    {__NR_timerfd_settime, 0, false},
    {__NR_getrandom, 0, false},
    {__NR_sigaltstack, 0, false},
    {__NR_memfd_create, 0, true},
    {__NR_eventfd2, 0, true},
    {__NR_pidfd_open, 0, true},
    {__NR_pidfd_getfd, 0, true},
    {__NR_kcmp, 0, true},
    {__NR_getsockopt, 0, true}, /* in a permissive launch: what kind of socket would be connected */
    {__NR_pidfd_open, SP_RIGHT_CONNECT | SP_RIGHT_BIND | SP_RIGHT_CREATE | SP_RIGHT_READ, false},
    {__NR_pidfd_getfd, SP_RIGHT_CONNECT | SP_RIGHT_BIND | SP_RIGHT_CREATE | SP_RIGHT_READ, false},
    {__NR_inotify_add_watch, SP_RIGHT_READ, false},
    {__NR_getsockopt, SP_RIGHT_CONNECT | SP_RIGHT_BIND, false},
    {__NR_connect, SP_RIGHT_CONNECT, false},
    {__NR_bind, SP_RIGHT_BIND, false},
    {__NR_listen, SP_RIGHT_BIND, false},
    {__NR_process_vm_readv, 0, true},
    {__NR_process_vm_writev, 0, true},
    {__NR_ptrace, 0, true},
    {__NR_kill, 0, true},
    {__NR_pread64, 0, true},
    {__NR_lseek, 0, true},
};

/* Of ioctl(2) it has those of its listener. */
static const struct sp_filter_row listener_rows[] = {
    {__NR_socketpair, {USED(INT_IS(0, AF_UNIX))}},
    {__NR_ioctl, {USED(INT_IS(1, SECCOMP_IOCTL_NOTIF_RECV))}},
    {__NR_ioctl, {USED(INT_IS(1, SECCOMP_IOCTL_NOTIF_SEND))}},
    {__NR_ioctl, {USED(INT_IS(1, SECCOMP_IOCTL_NOTIF_ID_VALID))}},
    {__NR_ioctl, {USED(INT_IS(1, SECCOMP_IOCTL_NOTIF_ADDFD))}},
};

/* No memory of the porter's is ever executable. The only processes that it makes are threads, and the
 * only signal that it sends them means nothing to others. */
static const struct sp_filter_row porter_rows[] = {
    {__NR_mmap, {USED(LONG_MASKED(2, PROT_EXEC, 0))}},
    {__NR_mprotect, {USED(LONG_MASKED(2, PROT_EXEC, 0))}},
    {__NR_clone, {USED(LONG_IS(0, SP_WORKER_CLONE))}},
    {__NR_tgkill, {USED(INT_IS(2, SP_WORKER_SIGNAL))}},
};

/* And these where addresses are named. */
static const struct sp_filter_row tcp_porter_rows[] = {
    TCP(AF_INET, IPPROTO_TCP),
    TCP(AF_INET6, IPPROTO_TCP),
};

static bool porter_needs(const struct sp_compilation *c)
{
	for (size_t i = 0; i < SP_ELEMENTS(porter_calls); i++)
		if (porter_calls[i].nr == c->nr &&
		    (!porter_calls[i].right || (c->granted & porter_calls[i].right)) &&
		    (!porter_calls[i].notify || c->purpose == SP_PURPOSE_LISTENER))
			return true;
	return false;
}

int sp_filter_decide_porter(struct sp_compilation *c)
{
	static const char source[] = "built in: the porter's work";
	const struct sp_decision allow = {.action = SECCOMP_RET_ALLOW, .source = source};
	int r = porter_needs(c)
		    ? sp_filter_decide(c, &allow)
		    : sp_filter_decide_rows(c, &allow, porter_rows, SP_ELEMENTS(porter_rows));

	if (r == 0 && c->purpose == SP_PURPOSE_LISTENER)
		r = sp_filter_decide_rows(c, &allow, listener_rows, SP_ELEMENTS(listener_rows));
	if (r == 0 && sp_model_grants_addresses(c->policy))
		r = sp_filter_decide_rows(c, &allow, tcp_porter_rows, SP_ELEMENTS(tcp_porter_rows));
	return r < 0 ? r : sp_filter_decide_always(c, SECCOMP_RET_KILL_PROCESS, source);
}
