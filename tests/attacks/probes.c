/* SPDX-License-Identifier: Apache-2.0 */
/* B03, B05, B06: what is odd but granted must end as it did before the lock. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "ipc/util.h"
#include "tests/attacks/attack.h"

enum probe_call { OPEN, STAT, ACCESS, READLINK, CHDIR };

/* What a call is given. */
enum probe_pointer { TREE, NOTHING, ONE, KERNEL, ENDLESS, EMPTY, COMPONENT, PATH, DEEP };

static const struct probe {
	enum probe_call call;
	enum probe_pointer pointer;
	const char *name; /* TREE: below the tree */
	int number;       /* OPEN: flags; COMPONENT, PATH: length; READLINK: bytes */
} slashes[] =
    {
	{OPEN, TREE, "allowed/file/", O_RDONLY},
	{OPEN, TREE, "allowed/file/.", O_RDONLY},
	{OPEN, TREE, "allowed/file/..", O_RDONLY},
	{OPEN, TREE, "allowed//file", O_RDONLY},
	{OPEN, TREE, "allowed/./file", O_RDONLY},
	{OPEN, TREE, "allowed/sub/", O_RDONLY},
	{OPEN, TREE, "allowed/sub/.", O_RDONLY},
	{OPEN, TREE, "allowed/sub//", O_RDONLY | O_DIRECTORY},
	{OPEN, TREE, "allowed/sub/../file", O_RDONLY},
	{OPEN, TREE, "allowed/missing/../file", O_RDONLY},
	{OPEN, TREE, "allowed/file/../file", O_RDONLY},
	{OPEN, TREE, "allowed/new/", O_WRONLY | O_CREAT},
	{OPEN, TREE, "allowed/sub/", O_WRONLY},
	{STAT, TREE, "allowed/file/", 0},
	{STAT, TREE, "allowed/sub/", 0},
	{STAT, TREE, "allowed/sub/./.", 0},
	{ACCESS, TREE, "allowed/file/.", 0},
	{ACCESS, TREE, "allowed//sub//", 0},
	{READLINK, TREE, "allowed/link", 64},
	{READLINK, TREE, "allowed/link", 1},
	{READLINK, TREE, "allowed/file", 64},
	{CHDIR, TREE, "allowed/file", 0},
	{CHDIR, TREE, "allowed/sub/..//", 0},
},
  pointers[] =
      {
	  {OPEN, EMPTY, NULL, O_RDONLY},
	  {OPEN, NOTHING, NULL, O_RDONLY},
	  {OPEN, ONE, NULL, O_RDONLY},
	  {OPEN, KERNEL, NULL, O_RDONLY},
	  {OPEN, ENDLESS, NULL, O_RDONLY},
	  {STAT, EMPTY, NULL, 0},
	  {STAT, NOTHING, NULL, 0},
	  {STAT, EMPTY, NULL, AT_EMPTY_PATH},
	  {STAT, KERNEL, NULL, AT_EMPTY_PATH},
	  {STAT, TREE, "allowed/link", AT_SYMLINK_NOFOLLOW},
	  {STAT, TREE, "allowed/file", AT_SYMLINK_FOLLOW},
	  {STAT, KERNEL, NULL, 0},
	  {ACCESS, ENDLESS, NULL, 0},
	  {ACCESS, EMPTY, NULL, 0},
	  {READLINK, NOTHING, NULL, 64},
	  {READLINK, EMPTY, NULL, 64},
	  {READLINK, TREE, "allowed/link", 0},
	  {READLINK, TREE, "allowed/link", -1},
	  {CHDIR, EMPTY, NULL, 0},
	  {CHDIR, ENDLESS, NULL, 0},
},
  limits[] = {
      {OPEN, COMPONENT, NULL, NAME_MAX - 1},
      {OPEN, COMPONENT, NULL, NAME_MAX},
      {OPEN, COMPONENT, NULL, NAME_MAX + 1},
      {OPEN, PATH, NULL, PATH_MAX - 2},
      {OPEN, PATH, NULL, PATH_MAX - 1},
      {OPEN, PATH, NULL, PATH_MAX},
      {OPEN, PATH, NULL, PATH_MAX + 1},
      {OPEN, TREE, "readonly/chain39", O_RDONLY},
      {OPEN, TREE, "readonly/chain19", O_RDONLY},
      {OPEN, TREE, "readonly/chain40", O_RDONLY},
      {OPEN, TREE, "readonly/chain41", O_RDONLY},
      {STAT, TREE, "readonly/chain40", 0},
      {STAT, TREE, "readonly/chain41", 0},
      {STAT, TREE, "readonly/chain19", 0},
      {STAT, TREE, "readonly/loop", 0},
      {OPEN, TREE, "readonly/loop", O_RDONLY | O_NOFOLLOW},
      {OPEN, DEEP, NULL, O_RDONLY},
      {STAT, DEEP, NULL, 0},
};

#define TABLES 3u
#define ROWS 32u

static const struct {
	const struct probe *probes;
	size_t count;
} tables[TABLES] = {
    {slashes, SP_ELEMENTS(slashes)},
    {pointers, SP_ELEMENTS(pointers)},
    {limits, SP_ELEMENTS(limits)},
};
enum { SLASHES, POINTERS, LIMITS };

_Static_assert(SP_ELEMENTS(slashes) <= ROWS && SP_ELEMENTS(pointers) <= ROWS &&
		   SP_ELEMENTS(limits) <= ROWS,
	       "every row has its result");

static long results[TABLES][ROWS]; /* before the lock */

static char odd_name[2 * PATH_MAX];

/* Ends at the border of a page that is not there, without a NUL. */
static const char *endless(void)
{
	static char *border;
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	if (!border) {
		char *pages = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (pages == MAP_FAILED || munmap(pages + page, page) < 0)
			broken("no pages");
		border = pages + page - 4;
		memcpy(border, "/etc", 4);
	}
	return border;
}

/* A name below the tree whose last component, or which as a whole, has `length` bytes. */
static const char *odd(enum probe_pointer kind, int length)
{
	size_t used =
	    (size_t)snprintf(odd_name, sizeof(odd_name), "%s/readonly/", context.directory);
	size_t end = kind == COMPONENT ? used + (size_t)length : (size_t)length;

	memset(odd_name + used, 'n', end - used);
	if (kind == PATH)
		for (size_t i = used + 100; i + 1 < end; i += 100)
			odd_name[i] = '/';
	odd_name[end] = 0;
	return odd_name;
}

/* readonly/deep, then a thousand directories called d. */
static const char *deep(void)
{
	size_t used =
	    (size_t)snprintf(odd_name, sizeof(odd_name), "%s/readonly/deep", context.directory);

	for (int i = 0; i < 1000; i++, used += 2)
		memcpy(odd_name + used, "/d", 3);
	return odd_name;
}

static const char *pointer_of(const struct probe *probe)
{
	switch (probe->pointer) {
	case TREE:
		return in_tree(probe->name);
	case NOTHING:
		return NULL;
	case ONE:
		return (const char *)(uintptr_t)1;
	case KERNEL:
		return (const char *)(uintptr_t)0xffff888000000000u;
	case ENDLESS:
		return endless();
	case EMPTY:
		return "";
	case DEEP:
		return deep();
	default:
		return odd(probe->pointer, probe->number);
	}
}

static long try_open(const char *name, int flags)
{
	long fd = syscall(SYS_openat, AT_FDCWD, name, flags, 0600);

	if (fd < 0)
		return -errno;
	(void)close((int)fd);
	return 0;
}

/* Through syscall(2): libc's wrappers promise the compiler pointers that are not null. */
static long try_probe(const struct probe *probe)
{
	const char *name = pointer_of(probe);
	struct stat status;
	char target[64];
	long r = -1;

	switch (probe->call) {
	case OPEN:
		return try_open(name, probe->pointer >= COMPONENT ? O_RDONLY : probe->number);
	case STAT:
		r = syscall(SYS_newfstatat, AT_FDCWD, name, &status, probe->number);
		break;
	case ACCESS:
		r = syscall(SYS_faccessat, AT_FDCWD, name, F_OK);
		break;
	case READLINK:
		r = syscall(SYS_readlinkat, AT_FDCWD, name, target, probe->number);
		break;
	case CHDIR:
		r = syscall(SYS_chdir, name);
		break;
	}
	return r < 0 ? -errno : r;
}

/* A look-up that a mount anywhere in the machine disturbs begins anew, and the kernel goes on counting the links
 * (fs/namei.c): 39 of them are ELOOP then, one time in eight where somebody mounts without end. */
static long try_natively(const struct probe *probe)
{
	long result = try_probe(probe);

	for (int i = 0; i < 100 && result == -ELOOP; i++)
		result = try_probe(probe);
	return result;
}

static void find_results(void)
{
	for (size_t i = 0; i < TABLES; i++)
		for (size_t j = 0; j < tables[i].count; j++)
			results[i][j] = try_natively(&tables[i].probes[j]);
}

void tell_native_results(void)
{
	find_results();
	if (write(STDOUT_FILENO, results, sizeof(results)) != sizeof(results))
		broken("no output");
}

/* On a floor nothing is native: what a plain process was told, the harness gives. */
void prepare_native(void)
{
	if (!take_gift())
		find_results();
	else if (pread(held_fd, results, sizeof(results), 0) != sizeof(results))
		broken("no native results");
}

static void compare(size_t table)
{
	for (size_t i = 0; i < tables[table].count; i++) {
		long now = try_probe(&tables[table].probes[i]);

		if (now != results[table][i])
			broken("probe %zu of table %zu: %ld before the lock, %ld now", i, table,
			       results[table][i], now);
	}
}

void attack_B03(void)
{
	static const char *const names[] = {"/secret//canary", "//secret/./canary",
					    "allowed//..//secret//canary",
					    "allowed/./../secret/canary"};

	variants(SP_ELEMENTS(names));
	compare(SLASHES);
	try_read(in_tree(names[context.variant]));
}

/* Memory that the answer cannot be written to. */
static void refuse_output(void)
{
	static const char constant[sizeof(struct stat)] = "";
	void *const wild[] = {NULL, (void *)(uintptr_t)1, (void *)(uintptr_t)constant,
			      (void *)(uintptr_t)0xffff888000000000u};

	for (size_t i = 0; i < SP_ELEMENTS(wild); i++) {
		if (syscall(SYS_newfstatat, AT_FDCWD, in_tree("allowed/file"), wild[i], 0) == 0 ||
		    errno != EFAULT)
			broken("stat to wild memory %zu: %s", i, strerror(errno));
		if (syscall(SYS_readlinkat, AT_FDCWD, in_tree("allowed/link"), wild[i], 64) >= 0 ||
		    errno != EFAULT)
			broken("readlink to wild memory %zu: %s", i, strerror(errno));
	}
}

void attack_B05(void)
{
	variants(1);
	compare(POINTERS);
	refuse_output();
}

void attack_B06(void)
{
	variants(1);
	compare(LIMITS);
}
