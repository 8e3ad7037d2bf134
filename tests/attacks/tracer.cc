// SPDX-License-Identifier: Apache-2.0
#include "tests/attacks/tracer.h"

#include "tests/attacks/range.h"
#include "tests/support/kill.h"

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <set>
#include <stdexcept>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

namespace
{
constexpr unsigned long kMark = 0x53505452;
constexpr auto kPatience = std::chrono::seconds(30);
constexpr unsigned kOptions = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK |
			      PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL;

bool IsMistake(int signal)
{
	return signal == SIGSEGV || signal == SIGBUS || signal == SIGABRT || signal == SIGFPE ||
	       signal == SIGILL || signal == SIGTRAP || signal == SIGSYS;
}

// What the kernel says where the resource in question has run out.
int ErrorOf(unsigned long number)
{
	switch (number) {
	case SYS_clone:
	case SYS_clone3:
	case SYS_fork:
	case SYS_vfork:
		return EAGAIN;
	case SYS_openat:
	case SYS_openat2:
	case SYS_socket:
	case SYS_socketpair:
	case SYS_memfd_create:
	case SYS_epoll_create1:
	case SYS_eventfd2:
	case SYS_signalfd4:
	case SYS_pidfd_open:
	case SYS_pidfd_getfd:
	case SYS_dup:
	case SYS_dup2:
	case SYS_dup3:
	case SYS_fcntl:
	case SYS_pipe2:
		return EMFILE;
	default:
		return ENOMEM;
	}
}

// Not what never fails, whose callers have nobody to tell: close(2) has closed whatever it says, and the kernel refuses
// an answer to a notification, and the question whether one is wanted, only where nobody waits.
bool CanFail(unsigned long number, const unsigned long *argument)
{
	switch (number) {
	case SYS_exit:
	case SYS_exit_group:
	case SYS_close:
	case SYS_rt_sigreturn:
	case SYS_restart_syscall:
	case SYS_getpid:
	case SYS_gettid:
	case SYS_getppid:
	case SYS_getuid:
	case SYS_getgid:
	case SYS_geteuid:
	case SYS_getegid:
	case SYS_umask:
	case SYS_pidfd_send_signal: // SIGKILL takes no memory
	case SYS_futex:             // to the C library another error than its own is the end
		return false;
	case SYS_ioctl:
		return argument[1] != SECCOMP_IOCTL_NOTIF_SEND &&
		       argument[1] != SECCOMP_IOCTL_NOTIF_ID_VALID;
	default:
		return true;
	}
}

// Whoever is still there.
void End(const std::set<pid_t> &known)
{
	for (pid_t pid : Descendants())
		if (!known.count(pid))
			(void)kill_one(pid);
	(void)Strangers(known);
	while (waitpid(-1, nullptr, __WALL | WNOHANG) > 0)
		;
}

pid_t Start(const std::function<void()> &function)
{
	pid_t pid = fork();

	if (pid < 0)
		throw std::runtime_error("fork");
	if (pid > 0)
		return pid;
	// A stopped process in an orphaned group lets the kernel hang up on all of that, and whoever runs the tests is in ours.
	if (setpgid(0, 0) < 0)
		_exit(1);
	raise(SIGSTOP); // until it is traced
	function();
	_exit(0);
}
} // namespace

void Tracer::StopCounting()
{
	syscall(SYS_getppid, kMark);
}

std::vector<unsigned long> Tracer::Calls() const
{
	return counted;
}

void Tracer::Continue(pid_t pid, int signal) const
{
	ptrace(calls ? PTRACE_SYSCALL : PTRACE_CONT, pid, nullptr, static_cast<long>(signal));
}

// A child may stop before its parent tells of it.
Tracer::Traced &Tracer::Find(pid_t pid)
{
	auto found = living.find(pid);

	if (found == living.end()) {
		found = living.insert({pid, Traced{counted.size()}}).first;
		counted.push_back(0);
	}
	return found->second;
}

void Tracer::Inject(pid_t pid, Traced &traced, unsigned long number, const unsigned long *argument)
{
	struct user_regs_struct registers;

	if (injection.what == Injection::NOTHING || injection.process != traced.process ||
	    injection.call != traced.calls || !traced.counts)
		return;
	if (injection.what == Injection::FAIL && !CanFail(number, argument))
		return;
	hit = static_cast<long>(number);
	for (size_t i = 0; i < 6; i++)
		hit_argument[i] = argument[i];
	if (injection.what == Injection::KILL) {
		kill(pid, SIGKILL);
		return;
	}
	// In its place a call that every filter of ours lets through, whose result is then replaced.
	ptrace(PTRACE_GETREGS, pid, nullptr, &registers);
	traced.error = ErrorOf(number);
	traced.saved = registers.rdi;
	if (number == SYS_brk) // says where the end is, and no error
		registers.rdi = 0;
	else
		registers.orig_rax = SYS_getpid;
	ptrace(PTRACE_SETREGS, pid, nullptr, &registers);
}

void Tracer::TakeCall(pid_t pid, Traced &traced)
{
	struct __ptrace_syscall_info info = {};
	struct user_regs_struct registers;

	if (ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof(info), &info) <= 0)
		return;
	if (info.op == PTRACE_SYSCALL_INFO_ENTRY) {
		unsigned long argument[6];

		for (size_t i = 0; i < 6; i++)
			argument[i] = info.entry.args[i];
		if (info.entry.nr == SYS_getppid && argument[0] == kMark)
			traced.counts = false;
		traced.calls += traced.counts;
		counted[traced.process] = traced.calls;
		// The first that it makes by itself.
		traced.loads = traced.loads && info.entry.nr != SYS_getsockopt;
		Inject(pid, traced, info.entry.nr, argument);
	} else if (info.op == PTRACE_SYSCALL_INFO_EXIT && traced.error) {
		ptrace(PTRACE_GETREGS, pid, nullptr, &registers);
		registers.rdi = traced.saved;
		if (registers.orig_rax == SYS_getpid)
			registers.rax = static_cast<unsigned long>(-traced.error);
		ptrace(PTRACE_SETREGS, pid, nullptr, &registers);
		traced.error = 0;
	}
}

void Tracer::TakeStop(pid_t pid, int wait_status)
{
	const int event = wait_status >> 16, signal = WSTOPSIG(wait_status);
	Traced &traced = Find(pid);
	unsigned long child = 0;

	if (event == PTRACE_EVENT_EXEC && traced.process > 1) { // in a sandbox: no part of ours
		living.erase(pid);
		ptrace(PTRACE_DETACH, pid, nullptr, 0L);
		return;
	}
	if (event == PTRACE_EVENT_EXEC)
		traced.loads = calls;
	if (event == PTRACE_EVENT_FORK || event == PTRACE_EVENT_VFORK ||
	    event == PTRACE_EVENT_CLONE) {
		ptrace(PTRACE_GETEVENTMSG, pid, nullptr, &child);
		Find(static_cast<pid_t>(child));
	}
	if (event == 0 && signal == (SIGTRAP | 0x80))
		TakeCall(pid, traced);
	Continue(pid, event || signal == (SIGTRAP | 0x80) ? 0 : signal);
}

void Tracer::Take(pid_t pid, int wait_status)
{
	if (WIFSTOPPED(wait_status)) {
		TakeStop(pid, wait_status);
		return;
	}
	auto found = living.find(pid);

	if (found != living.end() && !found->second.loads && WIFSIGNALED(wait_status) &&
	    IsMistake(WTERMSIG(wait_status)))
		crashes += "process " + std::to_string(found->second.process) + " died of signal " +
			   std::to_string(WTERMSIG(wait_status)) + "; ";
	if (found != living.end())
		living.erase(found);
	if (pid == first) {
		status = wait_status;
		first = 0;
	}
}

bool Tracer::Run(const std::function<void()> &function, const Injection &what, bool look)
{
	const auto end = std::chrono::steady_clock::now() + kPatience;
	const std::set<pid_t> known = Descendants();
	sigset_t children;
	int wait_status;
	pid_t pid;

	injection = what;
	calls = look;
	first = Start(function);
	Find(first);
	sigemptyset(&children);
	sigaddset(&children, SIGCHLD);
	sigprocmask(SIG_BLOCK, &children, nullptr);
	while (waitpid(first, &wait_status, WUNTRACED) < 0 && errno == EINTR)
		;
	if (ptrace(PTRACE_SEIZE, first, nullptr, static_cast<long>(kOptions)) < 0)
		throw std::runtime_error("PTRACE_SEIZE");
	kill(first, SIGCONT);
	// Orphans become ours, and are waited for as well.
	while (first != 0 || Descendants() != known) {
		struct timespec tick = {0, 10000000};

		while ((pid = waitpid(-1, &wait_status, __WALL | WNOHANG)) > 0)
			Take(pid, wait_status);
		if (std::chrono::steady_clock::now() > end) {
			End(known);
			return false;
		}
		sigtimedwait(&children, nullptr, &tick);
	}
	return true;
}
