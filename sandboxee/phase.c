/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Entering a phase of the policy: first the filter, on top of those that stand, for all threads; then
 * the porter is told, by a system call that is always intercepted where there are phases. Whoever
 * keeps from either step what it says is no less confined than before.
 */
#include <sallyport/sandboxee.h>

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "ipc/runtime.h"
#include "sandboxee/runtime.h"

#define EXPORT __attribute__((visibility("default")))

int sp_phase_add(struct sp_phases *phases, uint64_t id, int file)
{
	struct stat status;
	void *code;

	if (phases->count == SP_PHASES_MAX || fstat(file, &status) < 0 ||
	    status.st_size % (off_t)sizeof(struct sock_filter) ||
	    status.st_size > (off_t)(BPF_MAXINSNS * sizeof(struct sock_filter)))
		return -EPROTO;
	code = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, file, 0);
	if (code == MAP_FAILED)
		return -ENOMEM;
	phases->list[phases->count++] =
	    (struct sp_phase){id, code, (size_t)status.st_size / sizeof(struct sock_filter)};
	return 0;
}

void sp_phases_clear(struct sp_phases *phases)
{
	for (size_t i = 0; i < phases->count; i++)
		(void)munmap(phases->list[i].code,
			     phases->list[i].length * sizeof(struct sock_filter));
	phases->count = 0;
}

static int load(const struct sp_phase *phase)
{
	struct sock_fprog program = {.len = (unsigned short)phase->length, .filter = phase->code};
	long r = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program);

	if (r > 0) /* that thread has other filters */
		return -EBUSY;
	return r < 0 ? -errno : 0;
}

/* Without a runtime of ours in force there is no filter to load. */
static int load_filter(uint64_t id)
{
	const struct sp_phases *phases = &sp_runtime.phases;

	if (!sp_runtime.locked)
		return 0;
	for (size_t i = 0; i < phases->count; i++)
		if (phases->list[i].id == id)
			return load(&phases->list[i]);
	return -ENOENT;
}

EXPORT int sp_sandboxee_phase(const char *name)
{
	uint64_t id = sp_phase_id(name);
	int r = load_filter(id);

	if (r < 0)
		return r;
	if (syscall(SYS_seccomp, SP_PHASE_OPERATION, id, NULL) == 0)
		return 0;
	switch (errno) {
	case EINVAL: /* the kernel knows no such operation: nobody came in between */
		return -ENOTCONN;
	case EPERM: /* a policy without phases refuses all of them, as it says */
	case ENOSYS:
		return -ENOENT;
	default:
		return -errno;
	}
}
