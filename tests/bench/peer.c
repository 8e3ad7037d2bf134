/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bench.h"
#include "ipc/util.h"

/* What libc's open, stat and access are on this architecture. */
#ifdef SYS_access
#define NR_ACCESS SYS_access
#define ACCESS_PATH 0
#else
#define NR_ACCESS SYS_faccessat
#define ACCESS_PATH 1
#endif

enum bench_call bench_call_of(int nr)
{
	switch (nr) {
	case SYS_openat:
		return BENCH_OPEN;
	case SYS_newfstatat:
		return BENCH_STAT;
	case NR_ACCESS:
		return BENCH_ACCESS;
	default:
		return BENCH_CALLS;
	}
}

struct bench_arguments bench_arguments_of(enum bench_call call)
{
	static const struct bench_arguments table[BENCH_CALLS] = {
	    [BENCH_OPEN] = {.path = 1, .flags = 2, .out = -1},
	    [BENCH_STAT] = {.path = 1, .flags = 3, .out = 2},
	    [BENCH_ACCESS] = {.path = ACCESS_PATH, .flags = ACCESS_PATH + 1, .out = -1},
	};

	return table[call];
}

int bench_filter(uint32_t action, unsigned flags)
{
	struct sock_filter code[] = {
	    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat, 3, 0),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_newfstatat, 2, 0),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, NR_ACCESS, 1, 0),
	    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	    BPF_STMT(BPF_RET | BPF_K, action),
	};
	struct sock_fprog program = {.len = SP_ELEMENTS(code), .filter = code};
	long r;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	r = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
	return r < 0 ? -errno : (int)r;
}

static int result(int r)
{
	return r < 0 ? -errno : r;
}

int bench_perform(const struct bench_request *request, struct stat *ret_stat)
{
	switch (request->call) {
	case BENCH_OPEN:
		return result(open(request->path, request->flags | O_CLOEXEC));
	case BENCH_STAT:
		return result(fstatat(AT_FDCWD, request->path, ret_stat, request->flags));
	case BENCH_ACCESS:
		return result(access(request->path, request->flags));
	default:
		return -ENOSYS;
	}
}
