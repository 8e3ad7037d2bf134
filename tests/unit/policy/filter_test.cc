/* SPDX-License-Identifier: Apache-2.0 */
/* Compiled filters, run instruction by instruction. */
#include "policy/bpf.h"
#include "support.h"

#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <linux/fs.h>
#include <random>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <termios.h>

#include "bpf_simulator.h"
#include "filter_program.h"
#include "ipc/runtime.h"

namespace
{

using sallyport::Arguments;
using sallyport::BpfSimulator;
using sallyport::Program;
using sallyport::Rules;
using sallyport::rules_of;

constexpr uint32_t kAllow = SECCOMP_RET_ALLOW, kTrap = SECCOMP_RET_TRAP, kLog = SECCOMP_RET_LOG,
		   kLists = SECCOMP_RET_TRAP | SP_TRAP_LISTS, kKill = SECCOMP_RET_KILL_PROCESS,
		   kNoSys = SECCOMP_RET_ERRNO | ENOSYS;
constexpr uint64_t kMark = SP_RUNTIME_MARK, kHalfMark = kMark << 32, kJunk = 0xdeadbeef00000000;

struct Filter {
	Rules rules;
	BpfSimulator simulator;

	explicit Filter(const std::string &text)
	    : rules(rules_of(text)), simulator(sp_rules_filter(rules.get()))
	{
	}
	uint32_t operator()(long nr, const Arguments &arguments = {})
	{
		return simulator.run(static_cast<uint32_t>(nr), arguments).value_or(0x12345678);
	}
};

class FilterTest : public sallyport::PolicyTest
{
};

/* What every filter does, whatever the policy says. */
void expect_floor(Filter &filter)
{
	for (long nr : {__NR_rt_sigreturn, __NR_exit, __NR_exit_group, __NR_restart_syscall,
			__NR_futex, __NR_rseq, __NR_set_robust_list})
		EXPECT_EQ(kAllow, filter(nr)) << nr;
	EXPECT_EQ(kNoSys, filter(__NR_clone3));
	for (long nr :
	     {__NR_gettid, __NR_getpid, __NR_sched_yield, __NR_fstat, __NR_fchdir, __NR_getcwd})
		EXPECT_EQ(kAllow, filter(nr)) << nr;
	EXPECT_EQ(kAllow, filter(__NR_rt_sigprocmask, {0, 1, 0, 8, 0, kMark}));
	EXPECT_EQ(kAllow, filter(__NR_rt_sigaction, {31, 1, 0, 8, 0, kMark}));
	EXPECT_EQ(kAllow, filter(__NR_rt_sigpending, {1, 8, 0, 0, 0, kMark}));
	EXPECT_EQ(kAllow, filter(__NR_rt_sigsuspend, {1, 8, 0, 0, 0, kMark}));
	EXPECT_EQ(kAllow, filter(__NR_ppoll, {1, 1, 0, 1, 8, kMark}));
	EXPECT_EQ(kAllow, filter(__NR_pselect6, {kHalfMark | 5, 0, 0, 0, 0, 1}));
	EXPECT_EQ(kAllow, filter(__NR_epoll_pwait, {kHalfMark | 5, 0, 0, 0, 1, 8}));
	EXPECT_EQ(kAllow, filter(__NR_process_vm_readv, {kHalfMark | 7, 0, 0, 0, 0, 0}));
	EXPECT_EQ(kAllow, filter(__NR_process_vm_writev, {kHalfMark | 7, 0, 0, 0, 0, 0}));
	EXPECT_EQ(kAllow, filter(__NR_close, {SP_CHANNEL_FD, 0, 0, 0, 0, kMark}));
	EXPECT_EQ(kAllow, filter(__NR_recvmsg, {SP_CHANNEL_FD, 0, 0, 0, 0, kMark}));
	EXPECT_EQ(kAllow, filter(__NR_umask, {022, 0, 0, 0, 0, kMark}));
	/* Without a floor the kernel says ENOSYS. */
	EXPECT_EQ(kAllow, filter(SP_NR_CHANNEL, {1, 1, 1, 1, 1, 1}));
	EXPECT_EQ(kAllow, filter(SP_NR_FORWARD, {1, 1, 1, 1, 1, 1}));
	EXPECT_NE(kAllow, filter(SP_NR_CHANNEL - 1));
	EXPECT_NE(kAllow, filter(SP_NR_RESERVED_LAST + 1));
	EXPECT_EQ(kAllow, filter(__NR_write, {SP_DOORBELL_FD}));
	EXPECT_EQ(kAllow, filter(__NR_tgkill, {5, 5, 31}));
	/* The floor has a ceiling: none of these is ever native. */
	for (long nr : {__NR_unshare,
			__NR_setns,
			__NR_mount,
			__NR_umount2,
			__NR_chroot,
			__NR_pivot_root,
			__NR_open_tree,
			__NR_move_mount,
			__NR_fsopen,
			__NR_io_uring_setup,
			__NR_io_uring_enter,
			__NR_seccomp,
			__NR_bpf,
			__NR_open_by_handle_at,
			__NR_execve,
			__NR_execveat,
			__NR_link,
			__NR_symlinkat,
			__NR_umask,
			__NR_chmod,
			__NR_truncate,
			__NR_inotify_add_watch,
			467 /* open_tree_attr */})
		EXPECT_NE(kAllow, filter(nr, {1, 1, 1, 1, 1, 1})) << nr;
	for (size_t i = 0; i < SP_CALL_COUNT; i++)
		EXPECT_EQ(sp_call_is_conditional(&sp_call_table[i])
			      ? filter(__NR_bind) /* a call like others */
			      : kTrap,
			  filter(sp_call_table[i].nr))
		    << sp_call_table[i].name;
}

// What could lead a TCP socket of the outer network elsewhere no policy allows that names addresses.
TEST_F(FilterTest, NamedAddressesAreConnectedByThePorterAlone)
{
	const std::string rules = "allow @network-io, socketpair, ioctl, sendmmsg, bind, listen, "
				  "setsockopt\nallow socket(domain == AF_UNIX)\ndeny socket as EIO";
	const uint64_t half = UINT64_C(1) << 32;
	Filter without("syscalls { " + rules + "\n}"),
	    with("network { connect tcp 127.0.0.1:80 }\nsyscalls { " + rules + "\n}"),
	    denied("network { deny tcp 127.0.0.1:80 }\nsyscalls { " + rules + "\n}");

	for (uint64_t family : {AF_INET, AF_INET6})
		for (uint64_t protocol : {0, 6})
			EXPECT_EQ(kTrap, with(__NR_socket,
					      {family, SOCK_STREAM | SOCK_CLOEXEC, protocol}));
	EXPECT_EQ(kTrap, with(__NR_socket, {AF_INET | half, SOCK_STREAM | half, half}));
	EXPECT_EQ(kAllow, with(__NR_socket, {AF_UNIX, SOCK_DGRAM}));
	EXPECT_EQ(without(__NR_socket, {AF_INET, SOCK_DGRAM}),
		  with(__NR_socket, {AF_INET, SOCK_DGRAM}));
	for (long nr : {__NR_connect, __NR_bind, __NR_listen}) {
		EXPECT_EQ(kAllow, without(nr, {3, 4, 5}));
		EXPECT_EQ(kAllow, denied(nr, {3, 4, 5}));
		EXPECT_EQ(kTrap, with(nr, {3, 4, 5}));
	}
	for (uint64_t flags :
	     {uint64_t(MSG_FASTOPEN), uint64_t(MSG_FASTOPEN | MSG_NOSIGNAL), MSG_FASTOPEN | half}) {
		EXPECT_EQ(kTrap, with(__NR_sendto, {3, 4, 5, flags, 0, 0}));
		EXPECT_EQ(kTrap, with(__NR_sendmsg, {3, 4, flags}));
		EXPECT_EQ(kTrap, with(__NR_sendmmsg, {3, 4, 1, flags}));
	}
	EXPECT_EQ(kAllow, with(__NR_sendto, {3, 4, 5, MSG_NOSIGNAL | half << 1, 6, 16}));
	EXPECT_EQ(kAllow, with(__NR_sendmsg, {3, 4, MSG_NOSIGNAL}));
	EXPECT_EQ(kAllow, with(__NR_sendmmsg, {3, 4, 1, MSG_NOSIGNAL}));
	for (uint64_t level : {0, 1, 6, 41})
		for (uint64_t option = 0; option < 300; option++) {
			EXPECT_EQ(kAllow, without(__NR_setsockopt, {3, level, option}));
			if (with(__NR_setsockopt, {3, level, option}) == kTrap) {
				EXPECT_EQ(kTrap, with(__NR_setsockopt,
						      {3, level | half, option | half, 5, 6}));
			}
		}
	EXPECT_EQ(kAllow, with(__NR_setsockopt, {3, SOL_SOCKET, SO_KEEPALIVE}));
	EXPECT_EQ(kAllow, with(__NR_setsockopt, {3, 6, 1 /* TCP_NODELAY */}));
	for (const Arguments &arguments :
	     {Arguments{3, SOL_SOCKET, SO_LINGER}, Arguments{3, SOL_SOCKET, SO_BINDTODEVICE},
	      Arguments{3, 0, 4 /* IP_OPTIONS */}, Arguments{3, 41, 57 /* IPV6_RTHDR */},
	      Arguments{3, 6, 30 /* TCP_FASTOPEN_CONNECT */}, Arguments{3, 6, 31 /* TCP_ULP */},
	      Arguments{3, 132, 1}, Arguments{3, 7, SO_KEEPALIVE}})
		EXPECT_EQ(kTrap, with(__NR_setsockopt, arguments));
	for (uint64_t request = 0x8800; request < 0x8c00; request++)
		EXPECT_EQ(request == 0x8905 ? kAllow : kTrap, with(__NR_ioctl, {3, request}));
	EXPECT_EQ(kAllow, with(__NR_ioctl, {3, 0x541b /* FIONREAD */}));
	EXPECT_EQ(kAllow, with(__NR_accept4, {3, 0, 0, 0}));
}

// Whatever else the policy says of connect: what it names decides, and only stream sockets can have come by it.
TEST_F(FilterTest, NamedSocketsAreConnectedByThePorterAlone)
{
	for (const char *other : {"", "allow connect, socket", "deny connect, socket as EIO"}) {
		Filter without("syscalls { " + std::string(other) + "\ndefault kill }"),
		    with("network { connect unix /run/app.sock }\nsyscalls { " +
			 std::string(other) + "\ndefault kill }");

		EXPECT_EQ(kTrap, with(__NR_connect, {3, 4, 5}));
		EXPECT_EQ(kAllow, with(__NR_socket, {AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC}));
		EXPECT_EQ(kAllow, with(__NR_socket, {AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK}));
		for (const Arguments &arguments :
		     {Arguments{AF_UNIX, SOCK_DGRAM}, Arguments{AF_INET, SOCK_STREAM}})
			EXPECT_EQ(without(__NR_socket, arguments), with(__NR_socket, arguments));
		EXPECT_EQ(without(__NR_sendmsg, {}), with(__NR_sendmsg, {}));
	}
}

// As natively, where it is ENOSYS, or what a tracer put into the result: the kernel makes no call of it.
TEST_F(FilterTest, NoCallIsLetThrough)
{
	for (const char *policy : {"include parser", "syscalls { default kill }", "syscalls {}"}) {
		Filter filter(policy);

		EXPECT_EQ(kAllow, filter.simulator.run(0xffffffff, {1, 2, 3, 4, 5, 6}));
		for (uint32_t nr : {0xfffffffeu, 0x40000000u, 0xbfffffffu, 0x7fffffffu})
			EXPECT_EQ(kKill, filter.simulator.run(nr, {})) << nr;
		EXPECT_EQ(kKill, filter.simulator.run(0xffffffff, {}, AUDIT_ARCH_I386));
	}
}

TEST_F(FilterTest, ForeignArchitecturesDie)
{
	Filter filter("include parser");

	for (uint32_t arch : {uint32_t(AUDIT_ARCH_I386), uint32_t(AUDIT_ARCH_AARCH64), 0u})
		for (uint32_t nr : {0u, 1u, 60u, 400u})
			EXPECT_EQ(kKill, filter.simulator.run(nr, {}, arch)) << arch;
	for (uint32_t nr : {0x40000000u, 0x40000001u, 0x40000000u + 231, 0x7fffffffu})
		EXPECT_EQ(kKill, filter.simulator.run(nr, {})) << nr;
	for (const char *text : {"include parser", "include program"}) {
		Filter lock(text);
		BpfSimulator floor(sp_rules_floor(lock.rules.get()));

		for (uint32_t nr = 0x40000000u; nr < 0x40000000u + 1024; nr++) {
			EXPECT_EQ(kKill, lock.simulator.run(nr, {})) << nr;
			EXPECT_EQ(kKill, floor.run(nr, {})) << nr;
		}
	}
}

TEST_F(FilterTest, TheFloorUnderEveryPolicy)
{
	for (const char *text :
	     {"", "include parser", "include pure", "include program", "syscalls { default kill }",
	      "limits { processes 1 }",
	      "syscalls { allow @default, @file-system, @process, @basic-io, @signal, @io-event, "
	      "@ipc }",
	      "syscalls { default kill; allow @default, @file-system, @process, @basic-io, "
	      "@signal, @io-event, @ipc }",
	      "memory { wx allow }\nsyscalls { allow @default, @process, tgkill, kill }"}) {
		SCOPED_TRACE(text);
		Filter filter(text);

		expect_floor(filter);
	}
}

TEST_F(FilterTest, ProgramTouchesNobodyOutside)
{
	Filter filter("include program");

	for (long nr :
	     {__NR_fork, __NR_vfork, __NR_wait4, __NR_pipe2, __NR_flock, __NR_setsid, __NR_setpgid,
	      __NR_sched_setaffinity, __NR_shmget, __NR_sendmsg, __NR_tgkill, __NR_memfd_create,
	      __NR_ftruncate, __NR_setresuid /* without capabilities: to oneself */})
		EXPECT_EQ(kAllow, filter(nr, {1})) << nr;
	for (long nr : {__NR_socket, __NR_connect, __NR_bind, __NR_execve, __NR_fchmod, __NR_fchown,
			__NR_fsetxattr, __NR_setgroups, __NR_ptrace, __NR_process_vm_readv,
			__NR_mount, __NR_symlink})
		EXPECT_EQ(kTrap, filter(nr, {1})) << nr;
	EXPECT_EQ(kAllow, filter(__NR_clone, {SIGCHLD}));
	EXPECT_EQ(kTrap, filter(__NR_clone, {SIGCHLD | CLONE_PARENT}));
	EXPECT_EQ(kAllow, filter(__NR_kill, {2, SIGTERM}));
	EXPECT_EQ(kAllow, filter(__NR_kill, {uint64_t(-1), SIGTERM})); /* its pid namespace */
	EXPECT_EQ(kTrap, filter(__NR_kill, {0, SIGTERM}));
	EXPECT_EQ(kTrap, filter(__NR_kill, {kJunk, SIGTERM}));
	EXPECT_EQ(kAllow, filter(__NR_pidfd_send_signal, {3, SIGTERM, 0, 0}));
	EXPECT_EQ(kTrap,
		  filter(__NR_pidfd_send_signal, {3, SIGTERM, 0, 4 /* the process group */}));
	EXPECT_EQ(kAllow, filter(__NR_setpriority, {PRIO_PROCESS, 0, 10}));
	EXPECT_EQ(kTrap, filter(__NR_setpriority, {PRIO_PGRP, 0, 10}));
	EXPECT_EQ(kTrap, filter(__NR_setpriority, {PRIO_USER, 0, 10}));
	for (uint64_t extra : {uint64_t(0), uint64_t(SOCK_CLOEXEC), uint64_t(SOCK_NONBLOCK)}) {
		EXPECT_EQ(kAllow, filter(__NR_socket, {AF_UNIX, SOCK_STREAM | extra}));
		EXPECT_EQ(kTrap, filter(__NR_socket, {AF_UNIX, SOCK_DGRAM | extra}));
		EXPECT_EQ(kTrap, filter(__NR_socket, {AF_UNIX, SOCK_RAW | extra}));
		EXPECT_EQ(kTrap, filter(__NR_socket, {AF_INET, SOCK_STREAM | extra}));
		EXPECT_EQ(kAllow, filter(__NR_socketpair, {AF_UNIX, SOCK_STREAM | extra}));
		EXPECT_EQ(kAllow, filter(__NR_socketpair, {AF_UNIX, SOCK_SEQPACKET | extra}));
		EXPECT_EQ(kTrap, filter(__NR_socketpair, {AF_UNIX, SOCK_DGRAM | extra}));
		EXPECT_EQ(kTrap,
			  filter(__NR_socketpair, {AF_UNIX, SOCK_RAW | extra})); /* datagrams too */
		EXPECT_EQ(kTrap, filter(__NR_socketpair, {40 /* AF_VSOCK */, SOCK_STREAM | extra}));
	}
	for (uint64_t request : std::initializer_list<uint64_t>{
		 TCGETS, TCSETSW, TIOCGWINSZ, TIOCSPGRP, FIONREAD, FICLONE, TIOCGPTN, TIOCSPTLCK,
		 TIOCSCTTY /* without capabilities: of no other session */})
		EXPECT_EQ(kAllow, filter(__NR_ioctl, {0, request})) << request;
	for (uint64_t request :
	     std::initializer_list<uint64_t>{TIOCSTI, TIOCLINUX, TIOCSETD, TIOCCONS, TIOCEXCL,
					     FIOASYNC, 0x40086602 /* FS_IOC_SETFLAGS */})
		for (uint64_t junk : {uint64_t(0), kJunk})
			EXPECT_EQ(kTrap, filter(__NR_ioctl, {0, junk | request})) << request;
	EXPECT_EQ(kAllow, filter(__NR_fcntl, {0, F_SETFL, O_NONBLOCK}));
	EXPECT_EQ(kTrap, filter(__NR_fcntl, {0, F_SETFL, O_ASYNC}));
	EXPECT_EQ(kTrap, filter(__NR_fcntl, {0, F_SETOWN, 1}));
	EXPECT_EQ(kAllow, filter(__NR_mmap, {0, 4096, PROT_WRITE | PROT_EXEC}));
}

TEST_F(FilterTest, UnknownNumbersTakeTheDefault)
{
	Filter deny(""), kill("syscalls { default kill }");

	for (long nr : {500L, 511L, 512L, 100000L, 0x3fffffffL}) {
		EXPECT_EQ(kTrap, deny(nr)) << nr;
		EXPECT_EQ(kKill, kill(nr)) << nr;
	}
	EXPECT_EQ(kTrap, deny(__NR_socket));
	EXPECT_EQ(kKill, kill(__NR_socket));
	EXPECT_EQ(kKill, kill(__NR_mount));
}

TEST_F(FilterTest, Verdicts)
{
	Filter filter("syscalls { allow sysinfo; deny ptrace as EACCES; kill add_key; log uname; "
		      "kill openat }");

	EXPECT_EQ(kAllow, filter(__NR_sysinfo));
	EXPECT_EQ(kTrap, filter(__NR_ptrace));
	EXPECT_EQ(kKill, filter(__NR_add_key));
	EXPECT_EQ(kLog, filter(__NR_uname));
	EXPECT_EQ(kKill, filter(__NR_openat));
	EXPECT_EQ(kTrap, filter(__NR_open));
}

TEST_F(FilterTest, VerdictsOfTheKernel)
{
	const std::string text = "syscalls { errno ENOENT uname; errno 38 open, sysinfo;\n"
				 "trap 7 sync; kill thread times; kill alarm; ask add_key, access\n"
				 "deny ptrace as 1234; trap 0xffff getpgrp }";
	Rules rules = rules_of(text);
	BpfSimulator floor(sp_rules_floor(rules.get()));
	Filter lock(text);
	sp_call_refusal refusal = {};

	EXPECT_EQ(SECCOMP_RET_ERRNO | ENOENT, lock(__NR_uname));
	EXPECT_EQ(SECCOMP_RET_ERRNO | 38u, lock(__NR_sysinfo));
	EXPECT_EQ(SECCOMP_RET_ERRNO | 38u, lock(__NR_open));
	EXPECT_EQ(kTrap, lock(__NR_openat)); /* brokered */
	EXPECT_EQ(SECCOMP_RET_KILL_THREAD, lock(__NR_times));
	EXPECT_EQ(kKill, lock(__NR_alarm));
	EXPECT_EQ(kTrap, lock(__NR_add_key));
	/* A trap of the program's own would be taken for the runtime's. */
	EXPECT_EQ(kTrap, lock(__NR_sync));
	EXPECT_EQ(SECCOMP_RET_TRAP | 7u, floor.run(__NR_sync, {}));
	EXPECT_EQ(SECCOMP_RET_TRAP | 0xffffu, floor.run(__NR_getpgrp, {}));
	/* The porter runs the floor again to tell an asked call from a denied one. */
	EXPECT_EQ(SECCOMP_RET_USER_NOTIF | SP_FLOOR_ASKS, floor.run(__NR_add_key, {}));
	EXPECT_EQ(SECCOMP_RET_USER_NOTIF, floor.run(__NR_access, {}));
	for (auto [nr, error] : {std::pair(__NR_sync, ENOSYS), std::pair(__NR_add_key, EPERM),
				 std::pair(__NR_access, EPERM), std::pair(__NR_ptrace, 1234)}) {
		ASSERT_TRUE(sp_rules_find_refusal(rules.get(), nr, &refusal)) << nr;
		EXPECT_EQ(error, refusal.error) << nr;
	}
	EXPECT_FALSE(sp_rules_find_refusal(rules.get(), __NR_uname, &refusal));
	EXPECT_EQ(uint32_t(SP_ASKS_PORTER | SP_ASKS_KERNEL), sp_rules_asks(rules.get()));
}

/* Of a brokered call the porter would take it for a grant. */
TEST_F(FilterTest, SuccessOfWhatIsNotMade)
{
	const std::string text = "syscalls { allow getpgrp, prctl; errno 0 sync, mount\n"
				 "errno 0 prctl(option == PR_SET_DUMPABLE, arg2 == 0)\n"
				 "errno 0 @file-system; default deny as EIO }";
	Rules rules = rules_of(text);
	BpfSimulator floor(sp_rules_floor(rules.get()));
	Filter lock(text);
	sp_call_refusal refusal = {};

	for (long nr : {long(__NR_sync), long(__NR_mount), long(__NR_inotify_init1)}) {
		EXPECT_EQ(uint32_t(SECCOMP_RET_ERRNO), lock(nr)) << nr;
		EXPECT_EQ(uint32_t(SECCOMP_RET_ERRNO), floor.run(nr, {})) << nr;
	}
	EXPECT_EQ(uint32_t(SECCOMP_RET_ERRNO), lock(__NR_prctl, {PR_SET_DUMPABLE, 0}));
	EXPECT_EQ(kTrap, lock(__NR_prctl, {PR_SET_DUMPABLE, 1}));
	EXPECT_EQ(kTrap, lock(__NR_prctl, {PR_SET_MM, 0}));
	for (long nr : {long(__NR_openat), long(__NR_unlink), long(__NR_fchmod)}) {
		EXPECT_EQ(kTrap, lock(nr)) << nr;
		EXPECT_EQ(SECCOMP_RET_USER_NOTIF, floor.run(nr, {})) << nr;
		EXPECT_FALSE(sp_rules_find_refusal(rules.get(), nr, &refusal)) << nr;
	}
}

/* Of a program by the preset, both ways. */
TEST_F(FilterTest, WhoAsksForNoCoresIsToldSo)
{
	const std::string text = "include program";
	Rules rules = rules_of(text);
	BpfSimulator floor(sp_rules_floor(rules.get()));

	EXPECT_EQ(uint32_t(SECCOMP_RET_ERRNO), Filter(text)(__NR_prctl, {PR_SET_DUMPABLE, 0}));
	EXPECT_EQ(uint32_t(SECCOMP_RET_ERRNO), floor.run(__NR_prctl, {PR_SET_DUMPABLE, 0}));
	EXPECT_EQ(SECCOMP_RET_USER_NOTIF, floor.run(__NR_prctl, {PR_SET_DUMPABLE, 1}));
	EXPECT_EQ(SECCOMP_RET_USER_NOTIF, floor.run(__NR_prctl, {PR_SET_DUMPABLE, 2}));
	EXPECT_EQ(uint32_t(SECCOMP_RET_ERRNO), floor.run(__NR_setrlimit, {RLIMIT_CORE, 1}));
	EXPECT_EQ(uint32_t(SECCOMP_RET_ERRNO), floor.run(__NR_prlimit64, {0, RLIMIT_CORE, 1}));
	EXPECT_EQ(SECCOMP_RET_USER_NOTIF, floor.run(__NR_prlimit64, {0, RLIMIT_CORE, 1, 1}));
	EXPECT_EQ(kAllow, floor.run(__NR_prlimit64, {0, RLIMIT_CORE, 0, 1}));
}

/* The porter's own evaluation is the kernel's, for what may be asked about: nothing that the rules could
 * not allow. */
TEST_F(FilterTest, TheFloorOutsideOfTheKernel)
{
	Rules rules =
	    rules_of("syscalls { ask socket(domain == 1), clone, kill(sig < 9), mmap, dup2\n"
		     "deny kill(sig == 3); default deny as ENOSYS }\n"
		     "limits { processes 4 }");
	sock_fprog floor = sp_rules_floor(rules.get());
	BpfSimulator simulator(floor);
	const uint32_t asked = SECCOMP_RET_USER_NOTIF | SP_FLOOR_ASKS;
	auto evaluate = [&](uint32_t nr, const Arguments &arguments) {
		seccomp_data data = {};

		data.nr = static_cast<int>(nr);
		data.arch = AUDIT_ARCH_X86_64;
		std::copy(arguments.begin(), arguments.end(), data.args);
		return sp_bpf_run(&floor, &data);
	};

	for (uint32_t nr = 0; nr < 600; nr++)
		for (uint64_t value :
		     {uint64_t(0), uint64_t(1), uint64_t(3), uint64_t(8), uint64_t(9), ~uint64_t(0),
		      uint64_t(1) << 32, uint64_t(CLONE_NEWUSER), uint64_t(PROT_WRITE | PROT_EXEC)})
			EXPECT_EQ(simulator.run(nr, {value, value, value, value, value, value}),
				  evaluate(nr, {value, value, value, value, value, value}))
			    << nr << " " << value;
	EXPECT_EQ(asked, evaluate(__NR_socket, {1}));
	EXPECT_EQ(SECCOMP_RET_USER_NOTIF, evaluate(__NR_socket, {2}));
	EXPECT_EQ(asked, evaluate(__NR_kill, {0, 2}));
	EXPECT_EQ(SECCOMP_RET_USER_NOTIF, evaluate(__NR_kill, {0, 3}));
	EXPECT_EQ(asked, evaluate(__NR_clone, {SIGCHLD}));
	EXPECT_EQ(SECCOMP_RET_USER_NOTIF, evaluate(__NR_clone, {CLONE_NEWUSER | SIGCHLD}));
	EXPECT_EQ(asked, evaluate(__NR_mmap, {0, 0, PROT_READ}));
	EXPECT_EQ(SECCOMP_RET_USER_NOTIF, evaluate(__NR_mmap, {0, 0, PROT_WRITE | PROT_EXEC}));
}

TEST_F(FilterTest, Defaults)
{
	const std::pair<const char *, uint32_t> cases[] = {
	    {"deny", kTrap},
	    {"deny as ENOENT", kTrap},
	    {"deny as 95", kTrap},
	    {"errno ENOENT", SECCOMP_RET_ERRNO | ENOENT},
	    {"errno 95", SECCOMP_RET_ERRNO | 95},
	    {"trap 3", kTrap},
	    {"kill", kKill},
	    {"kill thread", SECCOMP_RET_KILL_THREAD}};

	for (auto &c : cases) {
		std::string text =
		    std::string("syscalls { allow getpgrp; default ") + c.first + " }";
		Rules rules = rules_of(text);
		BpfSimulator floor(sp_rules_floor(rules.get()));
		Filter filter(text);

		for (long nr : {long(__NR_sync), long(__NR_mount), 500L, 100000L})
			EXPECT_EQ(c.second, filter(nr)) << c.first << " " << nr;
		EXPECT_EQ(kAllow, filter(__NR_getpgrp));
		EXPECT_EQ(kTrap, filter(__NR_open)) << c.first;
		EXPECT_EQ(c.second == kTrap ? std::string("trap 3") == c.first
						  ? SECCOMP_RET_TRAP | 3u
						  : uint32_t(SECCOMP_RET_USER_NOTIF)
					    : c.second,
			  floor.run(__NR_sync, {}))
		    << c.first;
	}
}

TEST_F(FilterTest, ConditionsIgnoreTheHalfThatTheKernelIgnores)
{
	Filter filter(
	    "syscalls { allow socket(domain == AF_UNIX), ioctl(request == TCGETS), kill(sig < 3),\n"
	    "           lseek(offset == 7), getrandom(flags & GRND_NONBLOCK == GRND_NONBLOCK) }");

	EXPECT_EQ(kAllow, filter(__NR_socket, {AF_UNIX}));
	EXPECT_EQ(kAllow, filter(__NR_socket, {kJunk | AF_UNIX}));
	EXPECT_EQ(kTrap, filter(__NR_socket, {AF_INET}));
	EXPECT_EQ(kTrap, filter(__NR_socket, {kJunk | AF_INET}));
	EXPECT_EQ(kAllow, filter(__NR_ioctl, {0, kJunk | TCGETS}));
	EXPECT_EQ(kTrap, filter(__NR_ioctl, {0, TIOCSTI}));
	EXPECT_EQ(kTrap, filter(__NR_ioctl, {0, kJunk | TIOCSTI}));
	EXPECT_EQ(kAllow, filter(__NR_kill, {1, kJunk | 2}));
	EXPECT_EQ(kTrap, filter(__NR_kill, {1, 3}));
	EXPECT_EQ(kTrap, filter(__NR_kill, {1, 0xffffffff}));
	EXPECT_EQ(kAllow, filter(__NR_lseek, {0, 7}));
	EXPECT_EQ(kTrap, filter(__NR_lseek, {0, kJunk | 7})); /* an offset is 64 bits wide */
	EXPECT_EQ(kAllow, filter(__NR_getrandom, {0, 0, 3}));
	EXPECT_EQ(kTrap, filter(__NR_getrandom, {0, 0, 2}));
}

TEST_F(FilterTest, AnExceptionBeatsTheRuleWhereverItStands)
{
	for (const char *text : {"syscalls { allow ioctl; deny ioctl(request == TIOCSTI); kill "
				 "ioctl(request == TIOCLINUX) }",
				 "syscalls { kill ioctl(request == TIOCLINUX); deny ioctl(request "
				 "== TIOCSTI); allow ioctl }"}) {
		Filter filter(text);

		EXPECT_EQ(kAllow, filter(__NR_ioctl, {0, TCGETS}));
		EXPECT_EQ(kTrap, filter(__NR_ioctl, {0, TIOCSTI}));
		EXPECT_EQ(kKill, filter(__NR_ioctl, {0, TIOCLINUX}));
	}
	Filter reverse("syscalls { kill socket; allow socket(domain == AF_UNIX) }");

	EXPECT_EQ(kAllow, reverse(__NR_socket, {AF_UNIX}));
	EXPECT_EQ(kKill, reverse(__NR_socket, {AF_INET}));
	Filter strict("syscalls { allow kill(sig == 9); deny kill(pid == 1) }");

	EXPECT_EQ(kAllow, strict(__NR_kill, {2, 9}));
	EXPECT_EQ(kTrap, strict(__NR_kill, {1, 9}));
}

TEST_F(FilterTest, ANameBeatsAGroupAndThePolicyItsInclude)
{
	Filter filter("include parser\nsyscalls { allow @network-io; deny bind; allow "
		      "socket(domain == AF_UNIX); kill sysinfo }");

	EXPECT_EQ(kAllow, filter(__NR_socket, {AF_UNIX}));
	EXPECT_EQ(kAllow,
		  filter(__NR_socket, {AF_INET})); /* our group outranks what the preset denies */
	EXPECT_EQ(kTrap, filter(__NR_bind));
	EXPECT_EQ(kAllow, filter(__NR_connect));
	EXPECT_EQ(kKill, filter(__NR_sysinfo));
}

TEST_F(FilterTest, WritableMemoryIsNeverExecutable)
{
	const std::string calls =
	    "syscalls { allow mmap, mprotect, pkey_mprotect, shmat, personality }\n";
	Filter deny(calls), allow(calls + "memory { wx allow }"),
	    kill("syscalls { allow mmap, mprotect; default kill }\nmemory { wx deny }");

	for (Filter *filter : {&deny, &kill}) {
		EXPECT_EQ(kTrap, (*filter)(__NR_mmap, {0, 1, PROT_READ | PROT_WRITE | PROT_EXEC}));
		EXPECT_EQ(kTrap, (*filter)(__NR_mmap, {0, 1, PROT_WRITE | PROT_EXEC}));
		EXPECT_EQ(kAllow, (*filter)(__NR_mmap, {0, 1, PROT_READ | PROT_WRITE}));
		EXPECT_EQ(kAllow, (*filter)(__NR_mmap, {0, 1, PROT_READ | PROT_EXEC})); /* dlopen */
		EXPECT_EQ(kTrap, (*filter)(__NR_mprotect, {0, 1, PROT_EXEC}));
		EXPECT_EQ(kAllow, (*filter)(__NR_mprotect, {0, 1, PROT_READ | PROT_WRITE}));
	}
	EXPECT_EQ(kTrap, deny(__NR_pkey_mprotect, {0, 1, PROT_EXEC}));
	EXPECT_EQ(kTrap, deny(__NR_shmat, {0, 0, SHM_EXEC}));
	EXPECT_EQ(kAllow, deny(__NR_shmat, {0, 0, 0}));
	EXPECT_EQ(kTrap, deny(__NR_personality, {0x400000}));
	EXPECT_EQ(kAllow, deny(__NR_personality, {0}));
	EXPECT_EQ(kAllow, allow(__NR_mmap, {0, 1, PROT_WRITE | PROT_EXEC}));
	EXPECT_EQ(kAllow, allow(__NR_mprotect, {0, 1, PROT_EXEC}));
	EXPECT_EQ(kAllow, allow(__NR_shmat, {0, 0, SHM_EXEC}));
}

TEST_F(FilterTest, ProcessesAndNamespaces)
{
	const uint64_t thread = CLONE_VM | CLONE_THREAD | CLONE_SIGHAND;
	Filter many("syscalls { allow clone, fork, vfork }"),
	    one("syscalls { allow clone, fork, vfork }\nlimits { processes 1 }"),
	    kill("syscalls { allow clone; default kill }\nlimits { processes 1 }");

	EXPECT_EQ(kAllow, many(__NR_clone, {17}));
	EXPECT_EQ(kAllow, many(__NR_fork));
	EXPECT_EQ(kTrap, one(__NR_clone, {17}));
	EXPECT_EQ(kTrap, one(__NR_fork));
	EXPECT_EQ(kTrap, one(__NR_vfork));
	EXPECT_EQ(kTrap, kill(__NR_clone, {17}));
	for (Filter *filter : {&many, &one, &kill}) {
		EXPECT_EQ(kAllow, (*filter)(__NR_clone, {thread}));
		EXPECT_EQ(kAllow, (*filter)(__NR_clone, {kJunk | thread}));
		for (uint64_t flag : {CLONE_PARENT, CLONE_PTRACE, CLONE_UNTRACED, CLONE_NEWNS,
				      CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWUSER,
				      CLONE_NEWPID, CLONE_NEWNET, CLONE_PARENT})
			EXPECT_EQ(kTrap, (*filter)(__NR_clone, {thread | flag})) << flag;
	}
}

TEST_F(FilterTest, TheRuntimesDescriptors)
{
	const std::string calls = "allow close, close_range, dup, dup2, dup3, fcntl";

	for (const char *more : {"", "; default kill"}) {
		Filter filter("syscalls { " + calls + more + " }");

		for (uint64_t fd :
		     {0, 3, SP_RESERVED_FIRST - 1, SP_RESERVED_LAST + 1, 0x7fffffff}) {
			EXPECT_EQ(kAllow, filter(__NR_close, {fd})) << fd;
			EXPECT_EQ(kAllow, filter(__NR_dup, {fd})) << fd;
			EXPECT_EQ(kAllow, filter(__NR_fcntl, {fd, F_GETFD})) << fd;
			EXPECT_EQ(kAllow, filter(__NR_dup2, {fd, 5})) << fd;
			EXPECT_EQ(kAllow, filter(__NR_dup2, {5, fd})) << fd;
		}
		for (uint64_t fd = SP_RESERVED_FIRST; fd <= SP_RESERVED_LAST; fd++) {
			EXPECT_EQ(kTrap, filter(__NR_close, {fd})) << fd;
			EXPECT_EQ(kTrap, filter(__NR_close, {kJunk | fd})) << fd;
			EXPECT_EQ(kTrap, filter(__NR_dup2, {5, kJunk | fd})) << fd;
			EXPECT_EQ(kTrap, filter(__NR_dup, {fd})) << fd;
			EXPECT_EQ(kTrap, filter(__NR_fcntl, {fd, F_GETFD})) << fd;
			EXPECT_EQ(kTrap, filter(__NR_dup2, {fd, 5})) << fd;
			EXPECT_EQ(kTrap, filter(__NR_dup2, {5, fd})) << fd;
			EXPECT_EQ(kTrap, filter(__NR_dup3, {5, fd, O_CLOEXEC})) << fd;
		}
		EXPECT_EQ(kAllow, filter(__NR_close_range, {3, SP_RESERVED_FIRST - 1}));
		EXPECT_EQ(kTrap, filter(__NR_close_range, {3, 0xffffffff}));
		EXPECT_EQ(kTrap, filter(__NR_close_range, {3, SP_RESERVED_LAST}));
		EXPECT_EQ(kAllow, filter(__NR_close_range, {3, 0xffffffff, 0, 0, 0, kMark}));
	}
}

/* What the handler does natively must be allowed wherever it is trapped for it to do. */
TEST_F(FilterTest, DirectoriesAreListedByTheRuntimeWhereTheyMayBeListedAtAll)
{
	struct Case {
		std::string text;
		uint32_t lists, marked;
	};

	for (const Case &c : {
		 Case{"syscalls { allow getdents64 }", kLists, kAllow},
		 Case{"syscalls { allow getdents64; default kill }", kLists, kAllow},
		 Case{"include program", kLists, kAllow},
		 Case{"include program\nwithin parser", kLists, kAllow},
		 Case{"include parser\narchitectures native, i386, x32", kLists, kAllow},
		 /* Refused, in whole or in part, by anyone: nothing changes, and no mark helps. */
		 Case{"syscalls { allow getpid }", kTrap, kTrap},
		 Case{"syscalls { deny getdents64 as EPERM }", kTrap, kTrap},
		 Case{"syscalls { errno EPERM getdents64 }", SECCOMP_RET_ERRNO | EPERM,
		      SECCOMP_RET_ERRNO | EPERM},
		 Case{"syscalls { kill getdents64 }", kKill, kKill},
		 Case{"syscalls { ask getdents64 }", kTrap, kTrap},
		 Case{"syscalls { log getdents64 }", kLog, kLog},
		 Case{"syscalls { trap 1 getdents64 }", kTrap, kTrap},
		 Case{"syscalls { allow getdents64; deny getdents64(fd == 0) as EPERM }", kTrap,
		      kTrap},
		 Case{"syscalls { allow getdents64; deny getdents64(fd == 7) as EPERM }", kAllow,
		      kAllow},
		 Case{"syscalls { allow getdents64(fd == 0) }", kAllow, kAllow},
		 Case{"syscalls { allow getdents64(fd == 7) }", kTrap, kTrap},
		 Case{"include program\nwithin pure", kTrap, kTrap},
	     }) {
		Filter filter(c.text);

		EXPECT_EQ(c.lists, filter(__NR_getdents64)) << c.text;
		EXPECT_EQ(c.lists, filter(__NR_getdents64, {0, 0, 0, 0, 0, kJunk | kMark}))
		    << c.text;
		EXPECT_EQ(c.marked, filter(__NR_getdents64, {0, 1, 2, 3, 4, kMark})) << c.text;
	}
	Filter older("syscalls { allow getdents }");
	EXPECT_EQ(kLists, older(__NR_getdents));
	EXPECT_EQ(kTrap, older(__NR_getdents64));
}

/* A second trap would be answered as this one by the runtime, whatever the filters below it say. */
TEST_F(FilterTest, OnTopOfALockDirectoriesAreLikeOtherCalls)
{
	for (const char *text : {"include program", "syscalls { allow getdents64 }"}) {
		sallyport::Policy policy = sallyport::parse(std::string("policy p\n") + text);
		sp_program program = {};

		ASSERT_EQ(0, sp_filter_compile_phase(policy.get(), policy.get(), &program));
		BpfSimulator phase(
		    {static_cast<unsigned short>(program.length / sizeof(sock_filter)),
		     reinterpret_cast<sock_filter *>(program.bytes)});
		EXPECT_EQ(kAllow, phase.run(__NR_getdents64, {}));
		free(program.bytes);
		Program floor(policy.get(), SP_FILTER_FLOOR), alone(policy.get(), SP_FILTER_ALONE);
		EXPECT_EQ(kAllow, BpfSimulator(floor.get()).run(__NR_getdents64, {}));
		EXPECT_EQ(kAllow, BpfSimulator(alone.get()).run(__NR_getdents64, {}));
	}
}

/* A handler may be about to list when a phase begins in which nobody may: that must not be trapped. */
TEST_F(FilterTest, OnTopOfALockAMarkedListingIsNeverTrapped)
{
	struct Case {
		const char *text;
		uint32_t plain, first, marked;
	};
	const uint32_t refused = SP_FILTER_LISTS_NOT;

	for (const Case &c : {
		 Case{"include pure", kTrap, kTrap, refused},
		 Case{"include program\nwithin pure", kTrap, kTrap, refused},
		 Case{"syscalls { deny getdents64 as ENOTTY }", kTrap, kTrap, refused},
		 Case{"syscalls { allow getdents64(fd == 1) }", kTrap, kAllow, refused},
		 Case{"syscalls { allow getdents64; deny getdents64(fd == 1) }", kAllow, kTrap,
		      kAllow},
		 Case{"syscalls { kill getdents64 }", SECCOMP_RET_KILL_PROCESS,
		      SECCOMP_RET_KILL_PROCESS, SECCOMP_RET_KILL_PROCESS},
	     }) {
		sallyport::Policy policy = sallyport::parse(std::string("policy p\n") + c.text);
		sp_program program = {};

		ASSERT_EQ(0, sp_filter_compile_phase(policy.get(), policy.get(), &program));
		BpfSimulator phase(
		    {static_cast<unsigned short>(program.length / sizeof(sock_filter)),
		     reinterpret_cast<sock_filter *>(program.bytes)});
		EXPECT_EQ(c.plain, phase.run(__NR_getdents64, {0, 1, 2})) << c.text;
		EXPECT_EQ(c.first, phase.run(__NR_getdents64, {1, 1, 2})) << c.text;
		EXPECT_EQ(c.marked, phase.run(__NR_getdents64, {0, 1, 2, 0, 0, kMark})) << c.text;
		free(program.bytes);
	}
}

TEST_F(FilterTest, OnTopOfALockNoRuntimeListsForCallsOfOtherArchitectures)
{
	const uint32_t number = 220; /* getdents64 of i386 */
	sallyport::Policy policy = sallyport::parse(
	    "policy p\narchitectures native, i386\nsyscalls { deny getdents64 as ENOTTY }");
	sp_program program = {};

	ASSERT_EQ(0, sp_filter_compile_phase(policy.get(), policy.get(), &program));
	BpfSimulator phase({static_cast<unsigned short>(program.length / sizeof(sock_filter)),
			    reinterpret_cast<sock_filter *>(program.bytes)});
	for (uint64_t last : {uint64_t{0}, uint64_t{kMark}})
		EXPECT_EQ(SECCOMP_RET_ERRNO | ENOTTY,
			  phase.run(number, {0, 1, 2, 0, 0, last}, AUDIT_ARCH_I386));
	free(program.bytes);
}

/* The runtime answers these, below which they are native: no rule has a part in it, or both interceptions would differ. */
TEST_F(FilterTest, WhatTheRuntimeAnswersNoRuleRefuses)
{
	for (const char *text : {"include program\nsyscalls { kill umask; errno EIO rt_sigaction }",
				 "include program\nwithin b\npolicy b\ninclude program\nsyscalls "
				 "{ kill umask; trap 3 rt_sigaction }"}) {
		Filter filter(text);
		sallyport::Policy policy = sallyport::parse(std::string("policy p\n") + text);
		Program floor(policy.get(), SP_FILTER_FLOOR);

		for (uint32_t nr : {uint32_t{__NR_umask}, uint32_t{__NR_rt_sigaction}}) {
			EXPECT_EQ(kTrap, filter(nr)) << text;
			EXPECT_EQ(kAllow, filter(nr, {0, 0, 0, 0, 0, kMark})) << text;
			EXPECT_EQ(kAllow, BpfSimulator(floor.get()).run(nr, {})) << text;
		}
	}
}

TEST_F(FilterTest, TheRuntimesSignals)
{
	for (const char *text : {"syscalls { allow @signal, @io-event }",
				 "syscalls { allow @signal, @io-event; default kill }"}) {
		Filter filter(text);

		EXPECT_EQ(kTrap, filter(__NR_rt_sigprocmask, {0, 1, 0, 8, 0, 0}));
		EXPECT_EQ(kTrap, filter(__NR_rt_sigaction, {31, 1, 0, 8, 0, kMark + 1}));
		EXPECT_EQ(kTrap, filter(__NR_rt_sigaction, {31, 1, 0, 8, 0, kJunk | kMark}));
		EXPECT_EQ(kTrap, filter(__NR_rt_sigsuspend, {1, 8}));
		EXPECT_EQ(kAllow, filter(__NR_ppoll, {1, 1, 0, 0, 8, 0}));
		EXPECT_EQ(kTrap, filter(__NR_ppoll, {1, 1, 0, 1, 8, 0}));
		EXPECT_EQ(kAllow, filter(__NR_pselect6, {5, 0, 0, 0, 0, 0}));
		EXPECT_EQ(kTrap, filter(__NR_pselect6, {5, 0, 0, 0, 0, 1}));
		EXPECT_EQ(kAllow, filter(__NR_epoll_pwait, {5, 0, 0, 0, 0, 8}));
		EXPECT_EQ(kTrap, filter(__NR_epoll_pwait, {5, 0, 0, 0, 1, 8}));
		EXPECT_EQ(kTrap, filter(__NR_epoll_pwait2, {5, 0, 0, 0, 1, 8}));
		EXPECT_EQ(kAllow, filter(__NR_sigaltstack));
		EXPECT_EQ(kAllow, filter(__NR_poll));
	}
}

TEST_F(FilterTest, OptionsThatLoosenTheSandbox)
{
	Filter filter("syscalls { allow prctl }");

	EXPECT_EQ(kAllow, filter(__NR_prctl, {PR_SET_NAME}));
	EXPECT_EQ(kAllow, filter(__NR_prctl, {kJunk | PR_SET_NAME}));
	for (uint64_t option :
	     {PR_SET_DUMPABLE, PR_SET_SECCOMP, PR_SET_MM, 59 /* PR_SET_SYSCALL_USER_DISPATCH */})
		for (uint64_t junk : {uint64_t(0), kJunk})
			EXPECT_EQ(kTrap, filter(__NR_prctl, {junk | option})) << option;
}

// A core pattern that is a pipe takes no core at a limit of 1, and one at 0.
TEST_F(FilterTest, TheLimitOfCoresStays)
{
	const std::string text = "syscalls { allow setrlimit, prlimit64 }";
	Rules rules = rules_of(text);
	BpfSimulator floor(sp_rules_floor(rules.get()));
	Filter lock(text);

	for (uint64_t junk : {uint64_t(0), kJunk}) {
		EXPECT_EQ(kTrap, lock(__NR_setrlimit, {junk | RLIMIT_CORE, 1}));
		EXPECT_EQ(kTrap, lock(__NR_prlimit64, {0, junk | RLIMIT_CORE, 1}));
		EXPECT_EQ(kTrap, lock(__NR_prlimit64, {1, junk | RLIMIT_CORE, kJunk}));
		EXPECT_EQ(SECCOMP_RET_USER_NOTIF,
			  floor.run(__NR_setrlimit, {junk | RLIMIT_CORE, 1}));
		EXPECT_EQ(SECCOMP_RET_USER_NOTIF,
			  floor.run(__NR_prlimit64, {0, junk | RLIMIT_CORE, kJunk}));
	}
	EXPECT_EQ(kAllow, lock(__NR_setrlimit, {RLIMIT_NOFILE, 1}));
	EXPECT_EQ(kAllow, lock(__NR_prlimit64, {0, RLIMIT_NOFILE, 1}));
	EXPECT_EQ(kAllow, lock(__NR_prlimit64, {0, RLIMIT_CORE, 0, 1})); // only asks
	EXPECT_EQ(kAllow, floor.run(__NR_prlimit64, {0, RLIMIT_CORE, 0, 1}));
}

TEST_F(FilterTest, Parser)
{
	Filter filter("include parser");
	sp_call_refusal refusal = {};

	for (long nr : {__NR_read, __NR_write, __NR_brk, __NR_munmap, __NR_madvise, __NR_getrandom,
			__NR_sysinfo, __NR_uname, __NR_sched_getaffinity, __NR_memfd_create,
			__NR_timer_create, __NR_poll, __NR_set_tid_address, __NR_fadvise64,
			__NR_prlimit64, __NR_ftruncate})
		EXPECT_EQ(kAllow, filter(nr)) << nr;
	EXPECT_EQ(kLists, filter(__NR_getdents64));
	for (long nr : {__NR_socket, __NR_connect, __NR_ptrace, __NR_fork, __NR_kexec_load,
			__NR_setuid, __NR_fchmod, __NR_flock, __NR_sendto, __NR_keyctl})
		EXPECT_EQ(kTrap, filter(nr)) << nr;
	EXPECT_EQ(kAllow, filter(__NR_fcntl, {3, F_GETFL}));
	EXPECT_EQ(kTrap, filter(__NR_fcntl, {3, F_SETOWN}));
	EXPECT_EQ(kAllow, filter(__NR_ioctl, {0, TCGETS}));
	EXPECT_EQ(kTrap, filter(__NR_ioctl, {0, TIOCSTI}));
	sp_rules_refusal(filter.rules.get(), __NR_socket, &refusal);
	EXPECT_EQ(EAFNOSUPPORT, refusal.error);
	EXPECT_EQ(0, std::string(refusal.rule).find("preset parser:"));
	sp_rules_refusal(filter.rules.get(), 9999, &refusal);
	EXPECT_EQ(ENOSYS, refusal.error);
}

TEST_F(FilterTest, Pure)
{
	Filter filter("include pure");

	for (long nr : {__NR_read, __NR_write, __NR_mmap, __NR_munmap, __NR_brk, __NR_lseek})
		EXPECT_EQ(kAllow, filter(nr)) << nr;
	for (long nr :
	     {__NR_socket, __NR_clone, __NR_kill, __NR_memfd_create, __NR_pipe, __NR_sendmsg})
		EXPECT_EQ(kTrap, filter(nr)) << nr;
	EXPECT_EQ(kTrap, filter(__NR_tgkill, {1, 1, 9}));
}

TEST_F(FilterTest, GroupsLeaveOutWhatNoPolicyMayAllow)
{
	Filter filter("syscalls { allow @file-system, @process, @aio, @debug }");

	for (long nr : {__NR_openat, __NR_linkat, __NR_chmod, __NR_fchmod, __NR_execveat,
			__NR_unshare, __NR_setns, __NR_io_uring_setup})
		EXPECT_EQ(kTrap, filter(nr)) << nr;
	for (long nr : {__NR_fstat, __NR_kill, __NR_io_submit})
		EXPECT_EQ(kAllow, filter(nr)) << nr;
	EXPECT_EQ(kLists, filter(__NR_getdents64));
}

TEST_F(FilterTest, EveryCallAtEveryEdgeAsTheTextSays)
{
	/* One call, ordered rules, a million arguments: the filter against plain evaluation. */
	Filter filter("syscalls {\n"
		      "	kill  setpriority(which == 3, who != 5)\n"
		      "	deny  setpriority(who >= 100)\n"
		      "	log   setpriority(priority & 6 == 2)\n"
		      "	allow setpriority(which <= 10, priority < 0x80000001)\n"
		      "	default kill\n"
		      "}");
	auto expected = [](const Arguments &a) {
		uint32_t which = uint32_t(a[0]), who = uint32_t(a[1]), priority = uint32_t(a[2]);

		if (which == 3 && who != 5)
			return kKill;
		if (who >= 100)
			return kTrap;
		if ((priority & 6) == 2)
			return kLog;
		return which <= 10 && priority < 0x80000001 ? kAllow : kKill;
	};
	const uint64_t edges[] = {
	    0,  1,  2,   3,   4,          5,          6,          7,          9,         10,
	    11, 99, 100, 101, 0x7fffffff, 0x80000000, 0x80000001, 0xfffffffe, 0xffffffff};

	for (uint64_t which : edges)
		for (uint64_t who : edges)
			for (uint64_t priority : edges)
				for (uint64_t junk : {uint64_t(0), kJunk}) {
					Arguments arguments = {which | junk, who | junk,
							       priority | junk};

					ASSERT_EQ(expected(arguments),
						  filter(__NR_setpriority, arguments))
					    << std::hex << which << " " << who << " " << priority;
				}
}

TEST_F(FilterTest, IsShortEnoughForTheKernelAndForTheCaller)
{
	for (const char *text : {"include parser", "include pure", "include program",
				 "include parser\nsyscalls { allow @network-io, @process }",
				 "include parser\nsyscalls { default kill }"}) {
		Filter filter(text);
		size_t worst = 0;

		EXPECT_LT(filter.simulator.length(), 2000u) << text;
		for (long nr : {__NR_read, __NR_write, __NR_mmap, __NR_close, __NR_fstat,
				__NR_openat, __NR_futex}) {
			filter(nr, {3, 0, 3});
			worst = std::max(worst, filter.simulator.steps());
		}
		EXPECT_LT(worst, 60u) << text;
	}
}

TEST_F(FilterTest, FiltersOfItsOwnAreAllowedByNameAndOnAFloorAlone)
{
	const uint32_t notify = SECCOMP_RET_USER_NOTIF;
	struct Case {
		const char *text;
		uint32_t seccomp, prctl; /* on the floor */
	};

	for (const Case &allowing : {
		 Case{"include program", notify, notify},
		 Case{"include program\nsyscalls { allow @sandbox }", notify, notify},
		 Case{"include program\nsyscalls { allow seccomp }", kAllow, kAllow},
		 Case{"include program\nsyscalls { allow seccomp(op == 1) }", kAllow, notify},
		 Case{"include program\nsyscalls { allow seccomp(op == 0) }", notify, notify},
		 Case{"syscalls { allow seccomp }", kAllow, kAllow},
		 Case{"syscalls { allow seccomp }\nwithin program", notify, notify},
		 Case{"syscalls { deny seccomp }", notify, notify},
	     }) {
		Rules rules = rules_of(allowing.text);
		BpfSimulator floor(sp_rules_floor(rules.get())), lock(sp_rules_filter(rules.get()));

		EXPECT_EQ(allowing.seccomp, floor.run(__NR_seccomp, {1})) << allowing.text;
		/* A listener of its own is never among them, where there is a filter that could have one. */
		for (uint64_t flags :
		     {SECCOMP_FILTER_FLAG_NEW_LISTENER, 0x3ful, 0x48ul, 0xfffffffful})
			for (uint64_t junk : {uint64_t(0), kJunk})
				EXPECT_NE(kAllow,
					  floor.run(__NR_seccomp, {junk | 1, junk | flags, 0x1000}))
				    << allowing.text << flags;
		EXPECT_EQ(allowing.prctl, floor.run(__NR_prctl, {PR_SET_SECCOMP, 2}))
		    << allowing.text;
		EXPECT_EQ(notify, floor.run(__NR_prctl, {PR_SET_DUMPABLE, 1})) << allowing.text;
		EXPECT_EQ(kTrap, lock.run(__NR_seccomp, {1})) << allowing.text;
		EXPECT_EQ(kTrap, lock.run(__NR_prctl, {PR_SET_SECCOMP, 2})) << allowing.text;
	}
}

TEST_F(FilterTest, TheFloorUnderAProgramWithoutRuntime)
{
	const uint32_t notify = SECCOMP_RET_USER_NOTIF;
	Rules rules = rules_of("include parser\nsyscalls { allow fork; deny bind; kill add_key }\n"
			       "limits { processes 4 }");
	BpfSimulator floor(sp_rules_floor(rules.get()));
	auto verdict = [&](long nr, const Arguments &arguments = {}) {
		return floor.run(static_cast<uint32_t>(nr), arguments).value_or(0x12345678);
	};

	for (size_t i = 0; i < SP_CALL_COUNT; i++)
		EXPECT_EQ(notify, verdict(sp_call_table[i].nr)) << sp_call_table[i].name;
	for (long nr : {__NR_execve, __NR_execveat, __NR_unshare, __NR_mount, __NR_socket,
			__NR_bind, __NR_seccomp, __NR_ptrace, 500, 100000})
		EXPECT_EQ(notify, verdict(nr)) << nr;
	for (long nr : {__NR_read, __NR_rt_sigprocmask, __NR_rt_sigaction, __NR_umask, __NR_fchdir,
			__NR_exit_group, __NR_futex, __NR_fork})
		EXPECT_EQ(kAllow, verdict(nr)) << nr;
	EXPECT_EQ(kKill, verdict(__NR_add_key));
	EXPECT_EQ(kNoSys, verdict(__NR_clone3));
	EXPECT_EQ(notify, verdict(__NR_clone, {17 | CLONE_NEWUSER}));
	EXPECT_EQ(kAllow, verdict(__NR_clone, {17}));
	EXPECT_EQ(notify, verdict(__NR_prctl, {PR_SET_DUMPABLE}));
	EXPECT_EQ(notify, verdict(__NR_mmap, {0, 1, PROT_WRITE | PROT_EXEC}));
	for (uint32_t nr : {SP_NR_CHANNEL, SP_NR_FORWARD, SP_NR_CHANNEL - 1, SP_NR_FORWARD + 1})
		EXPECT_EQ(notify, verdict(nr, {1, 1, 1, 1, 1, 1})) << nr;
	/* No descriptor is reserved, and no mask in the way. */
	EXPECT_EQ(kAllow, verdict(__NR_close, {SP_CHANNEL_FD}));
	EXPECT_EQ(kAllow, verdict(__NR_close_range, {3, 0xffffffff}));
	EXPECT_EQ(kAllow, verdict(__NR_ppoll, {1, 1, 0, 1, 8, 0}));
	/* The runtime on top reads and writes its own memory, and takes one more filter. */
	EXPECT_EQ(kAllow, verdict(__NR_process_vm_readv, {kHalfMark | 7}));
	EXPECT_EQ(notify, verdict(__NR_process_vm_readv, {7}));
	EXPECT_EQ(notify, verdict(__NR_recvmsg, {SP_CHANNEL_FD}));
	EXPECT_EQ(kAllow, verdict(__NR_recvmsg, {SP_CHANNEL_FD, 0, 0, 0, 0, kMark}));
	EXPECT_EQ(kAllow, verdict(__NR_fcntl, {7, F_SETFD, 0, 0, 0, kMark}));
	EXPECT_EQ(kAllow, verdict(__NR_seccomp, {kHalfMark | SECCOMP_SET_MODE_FILTER, 0}));
	EXPECT_EQ(notify, verdict(__NR_seccomp, {SECCOMP_SET_MODE_FILTER, 0}));
	for (uint64_t flag : {1, 2, 4, 8, 16, 32})
		EXPECT_EQ(notify,
			  verdict(__NR_seccomp, {kHalfMark | SECCOMP_SET_MODE_FILTER, flag}));
	EXPECT_EQ(notify, verdict(__NR_seccomp, {kHalfMark | SECCOMP_SET_MODE_STRICT, 0}));
	for (uint32_t nr : {0u, 2u, 59u})
		EXPECT_EQ(kKill, floor.run(nr, {}, AUDIT_ARCH_I386));
}

/* What one launch compiled serves the next one, until the policy changes. */
TEST_F(FilterTest, AGrantOrALimitAfterALaunchCounts)
{
	sallyport::Policy policy =
	    sallyport::parse("policy test\nsyscalls { allow clone }\nfiles { read /q/** }");
	std::vector<uint8_t> first = sallyport::compile(policy.get());

	EXPECT_EQ(first, sallyport::compile(policy.get()));
	Rules before = sallyport::load(first);
	ASSERT_EQ(0, sp_policy_grant(policy.get(), "create", "/r/**", "test"));
	ASSERT_EQ(0, sp_policy_limit(policy.get(), "processes", "1"));
	Rules after = sallyport::load(sallyport::compile(policy.get()));
	BpfSimulator porter_before(sp_rules_porter_filter(before.get())),
	    porter_after(sp_rules_porter_filter(after.get())),
	    filter_before(sp_rules_filter(before.get())),
	    filter_after(sp_rules_filter(after.get()));

	EXPECT_EQ(kKill, porter_before.run(__NR_mkdirat, {}));
	EXPECT_EQ(kAllow, porter_after.run(__NR_mkdirat, {}));
	EXPECT_EQ(kAllow, filter_before.run(__NR_clone, {SIGCHLD}));
	EXPECT_NE(kAllow, filter_after.run(__NR_clone, {SIGCHLD}));
	struct sp_call_refusal refusal;

	ASSERT_TRUE(sp_rules_find_refusal(after.get(), __NR_clone, &refusal));
	EXPECT_STREQ("limit processes=1", refusal.rule);
}

TEST_F(FilterTest, ThePortersIsAnAllowList)
{
	Rules reading = rules_of("files { read /q/** }"),
	      changing = rules_of("files { read, write, create, delete /q/** }");
	BpfSimulator narrow(sp_rules_porter_filter(reading.get())),
	    wide(sp_rules_porter_filter(changing.get()));

	for (uint32_t nr : {__NR_openat2, __NR_statx, __NR_recvmsg, __NR_sendmsg, __NR_close,
			    __NR_epoll_wait, __NR_exit_group, __NR_rt_sigreturn}) {
		EXPECT_EQ(kAllow, narrow.run(nr, {}));
		EXPECT_EQ(kAllow, wide.run(nr, {}));
	}
	for (uint32_t nr : {__NR_mkdirat, __NR_mknodat, __NR_symlinkat, __NR_linkat, __NR_unlinkat,
			    __NR_renameat2, __NR_fchmodat, __NR_utimensat, __NR_fchownat,
			    __NR_setxattr, __NR_removexattr, __NR_ftruncate}) {
		EXPECT_EQ(kKill, narrow.run(nr, {})) << nr;
		EXPECT_EQ(kAllow, wide.run(nr, {})) << nr;
	}
	for (uint32_t nr :
	     {__NR_execve, __NR_clone, __NR_fork, __NR_socket, __NR_ptrace, __NR_mount, __NR_setuid,
	      __NR_link, __NR_symlink, __NR_chmod, __NR_fchmod, __NR_chown, __NR_lgetxattr, 500})
		EXPECT_EQ(kKill, wide.run(nr, {})) << nr;
	EXPECT_EQ(kAllow, wide.run(__NR_mmap, {0, 1, PROT_READ | PROT_WRITE}));
	EXPECT_EQ(kKill, wide.run(__NR_mmap, {0, 1, PROT_READ | PROT_EXEC}));
	EXPECT_EQ(kKill, wide.run(__NR_mprotect, {0, 1, PROT_EXEC}));
	EXPECT_EQ(kKill, wide.run(0, {}, AUDIT_ARCH_I386));
	BpfSimulator listener(sp_rules_listener_filter(changing.get()));

	for (uint32_t nr : {__NR_ptrace, __NR_process_vm_readv, __NR_mkdirat, __NR_openat2})
		EXPECT_EQ(kAllow, listener.run(nr, {})) << nr;
	EXPECT_EQ(kAllow, listener.run(__NR_ioctl, {5, SECCOMP_IOCTL_NOTIF_SEND}));
	EXPECT_EQ(kKill, listener.run(__NR_ioctl, {5, TIOCSTI}));
	EXPECT_EQ(kKill, wide.run(__NR_ioctl, {5, SECCOMP_IOCTL_NOTIF_SEND}));
	for (uint32_t nr : {__NR_execve, __NR_clone, __NR_mount, __NR_socket})
		EXPECT_EQ(kKill, listener.run(nr, {})) << nr;
}

} // namespace
