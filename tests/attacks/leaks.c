/* SPDX-License-Identifier: Apache-2.0 */
/* G: what could be learnt of the broker, of others, and of the machine. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "ipc/util.h"
#include "tests/attacks/attack.h"

/* ---- G01 ---- */

/* The prefix itself stands in this program: a secret goes on with digits. */
static bool is_secret(const char *found, size_t left)
{
	static const size_t digits = 32;

	if (left < strlen(CANARY_PREFIX) + digits)
		return false;
	return strspn(found + strlen(CANARY_PREFIX), "0123456789abcdef") >= digits;
}

static size_t scan(const char *bytes, size_t length)
{
	size_t count = 0;
	const char *at = bytes, *end = bytes + length;

	while ((at = memmem(at, (size_t)(end - at), CANARY_PREFIX, strlen(CANARY_PREFIX)))) {
		count += is_secret(at, (size_t)(end - at));
		at++;
	}
	return count;
}

/* By way of a file: a page that can't be read is an error there, not a death. */
static size_t scan_area(int file, uintptr_t begin, uintptr_t end)
{
	size_t length = 0, count;
	ssize_t part;
	void *copy;

	while (length < end - begin && (part = pwrite(file, (const void *)(begin + length),
						      end - begin - length, (off_t)length)) > 0)
		length += (size_t)part;
	if (length == 0)
		return 0;
	copy = mmap(NULL, length, PROT_READ, MAP_SHARED, file, 0);
	if (copy == MAP_FAILED)
		broken("a copy of memory: %s", strerror(errno));
	count = scan(copy, length);
	(void)munmap(copy, length);
	return count;
}

#define AREAS 256

/* The areas are listed first, so that no copy is among them. */
static size_t scan_everything(void)
{
	static uintptr_t begin[AREAS], end[AREAS];
	int file = memfd_create("copy", MFD_CLOEXEC);
	FILE *maps = fopen("/proc/self/maps", "re");
	char line[4200], rights[8];
	size_t areas = 0, count = 0;

	if (!maps || file < 0)
		broken("/proc/self/maps: %s", strerror(errno));
	while (areas < AREAS && fgets(line, sizeof(line), maps))
		if (sscanf(line, "%lx-%lx %7s", &begin[areas], &end[areas], rights) == 3)
			areas += rights[0] == 'r';
	(void)fclose(maps);
	for (size_t i = 0; i < areas; i++)
		count += scan_area(file, begin[i], end[i]);
	(void)close(file);
	return count;
}

/* Shows first that it finds one that is there. */
void attack_G01(void)
{
	static char planted[64];
	size_t before, with;

	variants(1);
	before = scan_everything();
	memcpy(planted, CANARY_PREFIX, strlen(CANARY_PREFIX));
	memset(planted + strlen(CANARY_PREFIX), 'a', 32);
	with = scan_everything();
	if (with <= before)
		broken("the scan does not find what is there");
	if (before > 0)
		escape("%zu secrets lie in memory", before);
}

/* ---- G02 ---- */

extern char **environ;

void attack_G02(void)
{
	static const char digits[] = "0123456789";
	const char *executed = (const char *)getauxval(AT_EXECFN);

	variants(1);
	for (char **variable = environ; *variable; variable++)
		if (strcmp(*variable, "ATTACKER=yes") != 0)
			escape("a variable of the broker's: %s", *variable);
	/* What was looked at is what is executed, by a descriptor: its number is all that is told. */
	if (context.stage != STAGE_PLAIN && strcmp(executed, context.program) != 0 &&
	    (strncmp(executed, "/dev/fd/", 8) != 0 || executed[8 + strspn(executed + 8, digits)]))
		escape("it was executed as %s", executed);
}

/* ---- G04 ---- */

static void list_processes(void)
{
	DIR *directory = opendir("/proc");
	struct dirent *entry;
	char victim[16];

	(void)snprintf(victim, sizeof(victim), "%d", context.victim);
	while (directory && (entry = readdir(directory)))
		if (strcmp(entry->d_name, victim) == 0)
			escape("process %s is seen", victim);
	if (directory)
		(void)closedir(directory);
}

static void list_sockets(void)
{
	static const char *const names[] = {"/proc/net/unix", "/proc/self/net/unix",
					    "/proc/thread-self/net/unix"};

	for (size_t i = 0; i < SP_ELEMENTS(names); i++) {
		char line[4200];
		FILE *file = fopen(names[i], "re");

		while (file && fgets(line, sizeof(line), file))
			check_bytes(names[i], line, strlen(line));
		if (file)
			(void)fclose(file);
	}
}

void attack_G04(void)
{
	static attack_fn *const ways[] = {list_processes, list_sockets};

	variants(SP_ELEMENTS(ways));
	ways[context.variant]();
}

/* ---- G07 ---- */

void attack_G07(void)
{
	const struct rlimit unlimited = {RLIM_INFINITY, RLIM_INFINITY}, most = {1, RLIM_INFINITY},
			    none = {0, 0};
	static const int deaths[] = {SIGSEGV, SIGABRT, SIGQUIT};
	struct rlimit limit = {0, 0};

	variants(SP_ELEMENTS(deaths));
	(void)setrlimit(RLIMIT_CORE, &most);
	(void)setrlimit(RLIMIT_CORE, &unlimited);
	/* A core pattern that is a pipe heeds no other limit than 1: at 0 it takes one. */
	(void)setrlimit(RLIMIT_CORE, &none);
	(void)prlimit(getpid(), RLIMIT_CORE, &none, NULL);
	(void)prlimit(0, RLIMIT_CORE, &(struct rlimit){0, 1}, NULL);
	(void)syscall(SYS_setrlimit, RLIMIT_CORE, &none);
	(void)syscall(SYS_setrlimit, RLIMIT_CORE | 1l << 32, &none);
	(void)syscall(SYS_prlimit64, 0, RLIMIT_CORE | 1l << 32, &none, NULL);
	if (context.stage != STAGE_PLAIN &&
	    (getrlimit(RLIMIT_CORE, &limit) < 0 || limit.rlim_cur != 1 || limit.rlim_max != 1))
		escape("a core may have %lu bytes", (unsigned long)limit.rlim_cur);
	(void)prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	(void)signal(deaths[context.variant], SIG_DFL);
	(void)raise(deaths[context.variant]);
}

/* ---- G08 ---- */

/* A line that tells an address of the kernel's half; what is shown in place of others is a hash, or 0. */
static bool tells_address(const char *line)
{
	static const char digits[] = "0123456789abcdef";

	for (const char *at = line; *at; at++) {
		size_t run = strspn(at, digits);

		if (run == 16 && strncmp(at, "ffff", 4) == 0)
			return true;
		at += run > 0 ? run - 1 : 0;
	}
	return false;
}

static void find_addresses(const char *name)
{
	FILE *file = fopen(name, "re");
	char line[4200];

	while (file && fgets(line, sizeof(line), file))
		if (tells_address(line))
			escape("%s: %s", name, line);
	if (file)
		(void)fclose(file);
}

/* Below a rule that grants all of /proc. */
static void find_kernel_addresses(void)
{
	static const char *const names[] = {"/proc/kallsyms",     "/proc/modules",
					    "/proc/vmallocinfo",  "/proc/self/stack",
					    "/proc/self/syscall", "/proc/timer_list"};

	for (size_t i = 0; i < SP_ELEMENTS(names); i++)
		find_addresses(names[i]);
}

static void read_kernel_memory(void)
{
	static const char *const names[] = {"/proc/kcore",          "/proc/kmsg",
					    "/proc/kpageflags",     "/proc/kpagecount",
					    "/proc/keys",           "/proc/slabinfo",
					    "/sys/kernel/notes",    "/sys/kernel/vmcoreinfo",
					    "/sys/firmware/memmap", "/sys/kernel/debug"};

	for (size_t i = 0; i < SP_ELEMENTS(names); i++) {
		char bytes[64];
		int fd = open(names[i], O_RDONLY | O_CLOEXEC | O_NONBLOCK);

		if (fd >= 0 && (read(fd, bytes, sizeof(bytes)) > 0 || errno == EISDIR))
			escape("%s can be read", names[i]);
		if (fd >= 0)
			(void)close(fd);
	}
}

static void write_kernel(void)
{
	static const char *const names[] = {
	    "/proc/sysrq-trigger",       "/proc/sys/kernel/core_pattern",
	    "/proc/sys/kernel/hostname", "/proc/sys/kernel/modprobe",
	    "/proc/self/oom_score_adj",  "/proc/self/mem"};

	for (size_t i = 0; i < SP_ELEMENTS(names); i++)
		if (open(names[i], O_WRONLY | O_CLOEXEC) >= 0)
			escape("%s can be written to", names[i]);
}

void attack_G08(void)
{
	static attack_fn *const ways[] = {find_kernel_addresses, read_kernel_memory, write_kernel};

	variants(SP_ELEMENTS(ways));
	ways[context.variant]();
}

/* ---- G12 ---- */

/* Where a plain process is, there are a name and an id of the machine. */
static void tell_name(void)
{
	struct utsname names;

	if (uname(&names) < 0)
		broken("uname: %s", strerror(errno));
	if (strcmp(names.nodename, "sallyport") != 0)
		escape("the machine is %s", names.nodename);
}

static void tell_machine(void)
{
	static const char *const names[] = {"/etc/machine-id", "/var/lib/dbus/machine-id",
					    "/etc/hostname", "/sys/class/dmi/id/product_uuid",
					    "/etc/passwd"};

	for (size_t i = 0; i < SP_ELEMENTS(names); i++)
		if (open(names[i], O_RDONLY | O_CLOEXEC) >= 0)
			escape("%s can be read", names[i]);
}

void attack_G12(void)
{
	static attack_fn *const ways[] = {tell_name, tell_machine};

	variants(SP_ELEMENTS(ways));
	ways[context.variant]();
}
