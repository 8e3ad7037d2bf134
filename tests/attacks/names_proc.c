/* SPDX-License-Identifier: Apache-2.0 */
/* B12 to B15: ways through /proc, all of which the policy grants for reading. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "ipc/util.h"
#include "tests/attacks/attack.h"

#define LAST_SWEPT 1100

/* ---- B12 ---- */

static void sweep_descriptors(const char *directory)
{
	for (int number = 0; number <= LAST_SWEPT; number++) {
		char name[64];
		struct stat ours, theirs;
		bool own = fstat(number, &ours) == 0;
		int fd;

		(void)snprintf(name, sizeof(name), "%s/%d", directory, number);
		fd = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
		if (fd < 0)
			continue;
		if (!own)
			escape("%s is a descriptor of somebody else", name);
		if (fstat(fd, &theirs) < 0 || ours.st_dev != theirs.st_dev ||
		    ours.st_ino != theirs.st_ino)
			escape("%s is another object than our descriptor", name);
		check_descriptor(name, fd);
	}
}

static void read_below(const char *link)
{
	char name[4096];

	(void)snprintf(name, sizeof(name), "%s%s/secret/canary", link, context.directory);
	try_read(name);
}

void attack_B12(void)
{
	static const char *const roots[] = {"/proc/self/root",
					    "/proc/thread-self/root",
					    "/proc/self/task/../root",
					    "/proc/self/root/proc/self/root",
					    "/proc/self/cwd/../../../../../../../../../..",
					    "/proc/self/root/../..",
					    "/../../.."};

	variants(SP_ELEMENTS(roots));
	sweep_descriptors("/proc/self/fd");
	sweep_descriptors("/proc/thread-self/fd");
	sweep_descriptors("/dev/fd");
	try_read("/dev/stdin");
	read_below(roots[context.variant]);
}

/* ---- B13 ---- */

static void open_entry(const char *process, const char *entry)
{
	char name[128];
	int fd;

	(void)snprintf(name, sizeof(name), "/proc/%s/%s", process, entry);
	fd = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd >= 0)
		escape("%s can be opened", name);
	fd = open(name, O_PATH | O_CLOEXEC);
	if (fd >= 0)
		escape("%s can be held", name);
}

static void open_entries(const char *process)
{
	static const char *const entries[] = {"environ", "maps", "mem",  "auxv", "status", "root",
					      "cwd",     "exe",  "fd/0", "fd",   "task"};

	for (size_t i = 0; i < SP_ELEMENTS(entries); i++)
		open_entry(process, entries[i]);
	read_below(process);
}

/* Where one's own entry opens, it must be one's own. */
static void check_own_environment(void)
{
	char bytes[4096];
	int fd = open("/proc/self/environ", O_RDONLY | O_CLOEXEC);
	ssize_t length;

	if (fd < 0)
		return;
	length = read(fd, bytes, sizeof(bytes));
	(void)close(fd);
	if (length < 0 || !memmem(bytes, (size_t)length, "ATTACKER=yes", strlen("ATTACKER=yes")))
		escape("/proc/self/environ is somebody else's");
}

static void check_own_vector(void)
{
	uint64_t pairs[64][2] = {{0}};
	int fd = open("/proc/self/auxv", O_RDONLY | O_CLOEXEC);
	ssize_t length = fd < 0 ? 0 : read(fd, pairs, sizeof(pairs));

	(void)close(fd);
	for (size_t i = 0; length > 0 && i < (size_t)length / sizeof(pairs[0]); i++)
		if (pairs[i][0] == AT_PHDR && pairs[i][1] != getauxval(AT_PHDR))
			escape("/proc/self/auxv is somebody else's");
}

static void check_own_maps(void)
{
	const unsigned long own = (unsigned long)&context;
	unsigned long begin, end;
	FILE *maps = fopen("/proc/self/maps", "re");
	char line[4200];
	bool found = !maps;

	while (maps && fgets(line, sizeof(line), maps))
		found = found ||
			(sscanf(line, "%lx-%lx", &begin, &end) == 2 && begin <= own && own < end);
	if (maps)
		(void)fclose(maps);
	if (!found)
		escape("/proc/self/maps is somebody else's");
}

void attack_B13(void)
{
	char process[32];

	variants(1);
	(void)snprintf(process, sizeof(process), "%d", context.victim);
	open_entries(process);
	if (context.stage != STAGE_PLAIN)
		check_own_environment();
	check_own_vector();
	check_own_maps();
	for (int pid = 1; pid < 40; pid++) {
		if (pid == getpid())
			continue;
		(void)snprintf(process, sizeof(process), "%d", pid);
		open_entries(process);
		(void)snprintf(process, sizeof(process), "self/../%d", pid);
		open_entries(process);
		(void)snprintf(process, sizeof(process), "self/task/%d", pid);
		open_entries(process);
	}
}

/* ---- B14, B15 ---- */

/* Every name by which a descriptor can be opened once more. */
static int open_again(int fd, int flags)
{
	static const char *const directories[] = {"/proc/self/fd", "/proc/thread-self/fd",
						  "/dev/fd", "/proc/self/task/../fd"};

	for (size_t i = 0; i < SP_ELEMENTS(directories); i++) {
		char name[64];
		int again;

		(void)snprintf(name, sizeof(name), "%s/%d", directories[i], fd);
		again = open(name, flags | O_CLOEXEC);
		if (again >= 0)
			return again;
	}
	return -1;
}

void attack_B14(void)
{
	int fd = open(in_tree("readonly/file"), O_RDONLY | O_CLOEXEC);
	int again;

	variants(1);
	if (fd < 0)
		broken("readonly/file: %s", strerror(errno));
	again = open_again(fd, O_RDWR);
	if (again >= 0)
		escape("a read-only descriptor was opened for writing");
	again = open_again(fd, O_WRONLY | O_APPEND);
	if (again >= 0)
		escape("a read-only descriptor was opened for appending");
	if (openat(fd, "", O_RDWR | O_CLOEXEC) >= 0)
		escape("an empty name opened a descriptor again");
}

static void hold_and_open(const char *name, int flags)
{
	int fd = open(in_tree(name), O_PATH | O_CLOEXEC);

	if (fd < 0)
		return;
	fd = open_again(fd, flags);
	if (fd >= 0 && (flags & O_ACCMODE) != O_RDONLY)
		escape("%s was opened for writing", name);
	check_descriptor(name, fd);
}

static void hold_secret(void)
{
	hold_and_open("secret/canary", O_RDONLY);
}

static void hold_readonly(void)
{
	hold_and_open("readonly/file", O_RDWR);
}

static void run_held(void)
{
	char *const arguments[] = {(char *)(uintptr_t)context.program,
				   (char *)(uintptr_t) "executed", NULL};
	char *const environment[] = {NULL};

	(void)syscall(SYS_execveat, held_fd, "", arguments, environment, AT_EMPTY_PATH);
	(void)execve(context.program, arguments, environment);
}

void attack_B15(void)
{
	static attack_fn *const ways[] = {hold_secret, hold_readonly, run_held};

	variants(SP_ELEMENTS(ways));
	ways[context.variant]();
}
