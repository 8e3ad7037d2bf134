/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sallyport-bench-filters [CALLS]
 *
 * What a filter costs an allowed call, beside the one that libseccomp writes for the same list, and what many
 * path rules cost: loading, and each question to them. Prints Markdown tables; asserts nothing about time.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "ipc/arch.h"
#include "ipc/util.h"
#include "policy/bpf.h"
#include "policy/compile.h"
#include "policy/filter.h"
#include "policy/names.h"

#define CALLS_DEFAULT 200000ul
#define DECIMAL 10

static uint64_t now_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* ---- lists of calls ---- */

/* Five calls whose arguments matter. */
static const struct argument_rule {
	const char *call, *condition;
	unsigned argument;
	uint64_t value;
} argument_rules[] = {
    {"ioctl", "request == TCGETS", 1, 0x5401}, {"fcntl", "cmd == F_GETFD", 1, 1},
    {"socket", "domain == AF_UNIX", 0, 1},     {"setpriority", "which == 5", 0, 5},
    {"getrlimit", "resource == 77", 0, 77},
};

struct list {
	int numbers[SP_NUMBERS];
	size_t count;
	bool conditional; /* with the five beside them */
};

static bool has_condition(const char *name)
{
	for (size_t i = 0; i < SP_ELEMENTS(argument_rules); i++)
		if (strcmp(argument_rules[i].call, name) == 0)
			return true;
	return false;
}

/* Calls that a policy may allow, the lowest numbers first. */
static struct list make_list(size_t count, bool conditional)
{
	struct list list = {.conditional = conditional};

	for (int nr = 0; nr < SP_NUMBERS && list.count < count; nr++)
		if (sp_call_name(nr) && sp_call_class(nr) == SP_CLASS_ORDINARY &&
		    !(conditional && has_condition(sp_call_name(nr))))
			list.numbers[list.count++] = nr;
	return list;
}

static struct sp_policy *make_policy(const struct list *list)
{
	char *text = NULL;
	size_t length;
	struct sp_policy *policy = NULL;
	FILE *out = open_memstream(&text, &length);

	if (!out)
		return NULL;
	(void)fputs("policy list\nmemory { wx allow }\nsyscalls {\n", out);
	for (size_t i = 0; i < list->count; i++)
		(void)fprintf(out, "allow %s\n", sp_call_name(list->numbers[i]));
	for (size_t i = 0; list->conditional && i < SP_ELEMENTS(argument_rules); i++)
		(void)fprintf(out, "allow %s(%s)\n", argument_rules[i].call,
			      argument_rules[i].condition);
	(void)fputs("default errno ENOSYS }\n", out);
	if (fclose(out) == 0)
		(void)sp_policy_parse("list", text, length, NULL, NULL, &policy);
	free(text);
	return policy;
}

/* The same list as libseccomp writes it by default. */
static int make_plain(const struct list *list, struct sock_fprog *ret_program)
{
	scmp_filter_ctx context = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
	int file = memfd_create("filter", MFD_CLOEXEC), r = context && file >= 0 ? 0 : -ENOMEM;
	off_t length;

	for (size_t i = 0; i < list->count && r == 0; i++)
		r = seccomp_rule_add(context, SCMP_ACT_ALLOW, list->numbers[i], 0);
	for (size_t i = 0; list->conditional && i < SP_ELEMENTS(argument_rules) && r == 0; i++) {
		const struct argument_rule *rule = &argument_rules[i];

		r = seccomp_rule_add(
		    context, SCMP_ACT_ALLOW, seccomp_syscall_resolve_name(rule->call), 1,
		    SCMP_CMP(rule->argument, SCMP_CMP_MASKED_EQ, UINT32_MAX, rule->value));
	}
	for (int nr = SCMP_SYS(exit_group); r == 0 && nr >= 0; nr = -1)
		r = seccomp_rule_add(context, SCMP_ACT_ALLOW, nr, 0);
	if (r == 0)
		r = seccomp_export_bpf(context, file);
	seccomp_release(context);
	length = lseek(file, 0, SEEK_END);
	ret_program->len = (unsigned short)((size_t)length / sizeof(struct sock_filter));
	ret_program->filter = malloc((size_t)length);
	if (r == 0 &&
	    (!ret_program->filter || pread(file, ret_program->filter, (size_t)length, 0) != length))
		r = -EIO;
	(void)close(file);
	return r;
}

/* ---- instructions ---- */

/* Of the program, until it returns. */
static size_t count_steps(const struct sock_fprog *program, int nr)
{
	const struct seccomp_data data = {.nr = nr, .arch = SP_AUDIT_ARCH};
	struct sp_bpf_course course;

	(void)sp_bpf_follow(program, &data, &course);
	return course.steps;
}

/* ---- time ---- */

/* A call that fails at once, since its arguments name nothing: what is left is the way in and out. */
static void make_calls(int nr, unsigned long count)
{
	for (unsigned long i = 0; i < count; i++)
		(void)syscall(nr, -1L, -1L, -1L, -1L, -1L, -1L);
}

/* Nanoseconds a call in a child below the program (NULL: none); 0: it could not be measured. */
static double time_call(const struct sock_fprog *program, int nr, unsigned long count)
{
	double *shared =
	    mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t child = shared == MAP_FAILED ? -1 : fork();
	double best;

	if (child == 0) {
		if (program && (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
				prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, program) < 0))
			_exit(1);
		/* The best of ten: others use the machine too. clock_gettime needs no call. */
		for (int round = 0; round < 10; round++) {
			uint64_t start = now_ns();
			double each;

			make_calls(nr, count / 10);
			each = (double)(now_ns() - start) / (double)(count / 10);
			if (*shared == 0 || each < *shared)
				*shared = each;
		}
		_exit(0);
	}
	if (child < 0 || waitpid(child, NULL, 0) < 0)
		return 0;
	best = *shared;
	(void)munmap(shared, sizeof(*shared));
	return best;
}

/* Which calls of a list are looked at: the nearest harmless ones to its first, middle and last. */
static bool is_harmless(int nr)
{
	static const int numbers[] = {
	    __NR_read,
	    __NR_write,
	    __NR_lseek,
	    __NR_ftruncate,
	    __NR_fsync,
	    __NR_fdatasync,
	    __NR_getdents64,
	    __NR_timer_gettime,
	    __NR_mlock,
	    __NR_epoll_ctl,
	    __NR_bind,
	    __NR_listen,
	    __NR_dup,
	    __NR_shmat,
	    __NR_getsockname,
	    __NR_ioprio_get,
	    __NR_vmsplice,
	    __NR_preadv,
	    __NR_getcpu,
	    __NR_sched_getattr,
	    __NR_copy_file_range,
	    __NR_preadv2,
	    __NR_pidfd_send_signal,
	    __NR_process_madvise,
	    __NR_futex_waitv,
	};

	for (size_t i = 0; i < SP_ELEMENTS(numbers); i++)
		if (numbers[i] == nr)
			return true;
	return false;
}

static int pick(const struct list *list, size_t wanted)
{
	for (size_t away = 0; away < list->count; away++) {
		if (wanted >= away && is_harmless(list->numbers[wanted - away]))
			return list->numbers[wanted - away];
		if (wanted + away < list->count && is_harmless(list->numbers[wanted + away]))
			return list->numbers[wanted + away];
	}
	return list->numbers[wanted];
}

/* The three calls of a row, the last one most often. */
static const uint32_t weights[] = {100, 10, 1000};

static void print_row(const char *name, const struct list *list, const struct sock_fprog *program,
		      unsigned long calls)
{
	const size_t places[] = {0, list->count / 2, list->count - 1};
	double sum = 0, weight = 0;

	(void)printf("| %-40s | %5u |", name, program->len);
	for (size_t i = 0; i < SP_ELEMENTS(places); i++) {
		int nr = pick(list, places[i]);
		double without = time_call(NULL, nr, calls), with = time_call(program, nr, calls);

		(void)printf(" %s %zu, %.0f ns (+%.0f) |", sp_call_name(nr),
			     count_steps(program, nr), with, with - without);
		sum += (double)count_steps(program, nr) * weights[i];
		weight += weights[i];
	}
	(void)printf(" %.1f |\n", sum / weight);
}

/* By the weights of a row. */
static int weigh(struct sp_policy *policy, const struct list *list, struct sp_program *ret_program)
{
	const size_t places[] = {0, list->count / 2, list->count - 1};
	int r = 0;

	for (size_t i = 0; i < SP_ELEMENTS(places) && r == 0; i++)
		r = sp_policy_priority(policy, sp_call_name(pick(list, places[i])), weights[i],
				       "bench");
	return r < 0 ? r : sp_filter_compile_alone(policy, ret_program);
}

static void print_program(const char *what, const char *how, const struct list *list,
			  const struct sp_program *program, unsigned long calls)
{
	const struct sock_fprog code = {
	    (unsigned short)(program->length / sizeof(struct sock_filter)),
	    (struct sock_filter *)(void *)program->bytes};
	char name[64];

	(void)snprintf(name, sizeof(name), "%s: %s", what, how);
	print_row(name, list, &code, calls);
}

static int compare_list(const char *what, size_t count, bool conditional, unsigned long calls)
{
	struct list list = make_list(count, conditional);
	struct sp_policy *policy = make_policy(&list);
	struct sock_fprog plain = {0};
	struct sp_program program = {0}, weighted = {0};
	char name[64];
	int r = policy ? sp_filter_compile_alone(policy, &program) : -EINVAL;

	if (r == 0)
		r = weigh(policy, &list, &weighted);
	if (r == 0)
		r = make_plain(&list, &plain);
	if (r == 0) {
		print_program(what, "Sallyport", &list, &program, calls);
		print_program(what, "Sallyport, profile", &list, &weighted, calls);
		(void)snprintf(name, sizeof(name), "%s: libseccomp", what);
		print_row(name, &list, &plain, calls);
	}
	free(weighted.bytes);
	free(plain.filter);
	free(program.bytes);
	sp_policy_unref(policy);
	return r;
}

/* ---- path rules ---- */

static char *make_paths(size_t count, size_t *ret_length)
{
	char *text = NULL;
	FILE *out = open_memstream(&text, ret_length);

	if (!out)
		return NULL;
	(void)fputs("policy paths\nfiles {\n", out);
	for (size_t i = 0; i < count; i++)
		(void)fprintf(out, "read /none/tree-%zu/folder-%zu/%s\n", i % 100, i,
			      i % 3 == 0   ? "**"
			      : i % 3 == 1 ? "*.txt"
					   : "file");
	(void)fputs("}\n", out);
	if (fclose(out) == 0)
		return text;
	free(text);
	return NULL;
}

static double time_lookups(const struct sp_rules *rules, size_t count, unsigned long lookups)
{
	uint64_t start = now_ns();

	for (unsigned long i = 0; i < lookups; i++) {
		struct sp_path_decision decision;
		size_t rule = i * 7919 % count;
		char name[96];
		int length = snprintf(name, sizeof(name), "/none/tree-%zu/folder-%zu/file",
				      rule % 100, rule);

		sp_rules_decide(rules, name, (size_t)length, &decision);
	}
	return (double)(now_ns() - start) / (double)lookups;
}

static int measure_paths(size_t count, unsigned long lookups)
{
	size_t length, compiled_length = 0;
	_cleanup_free_ char *text = make_paths(count, &length);
	_cleanup_free_ uint8_t *bytes = NULL;
	struct sp_policy *policy = NULL;
	struct sp_rules *rules = NULL;
	uint64_t start = now_ns(), parsed = 0, compiled = 0, loaded = 0;
	int r = text ? sp_policy_parse("paths", text, length, NULL, NULL, &policy) : -ENOMEM;

	parsed = now_ns();
	if (r == 0)
		r = sp_policy_compile(policy, &bytes, &compiled_length);
	compiled = now_ns();
	if (r == 0)
		r = sp_rules_load(bytes, compiled_length, &rules);
	loaded = now_ns();
	if (r == 0)
		(void)printf("| %6zu | %.2f | %.2f | %.2f | %.0f |\n", count,
			     (double)(parsed - start) / 1e6, (double)(compiled - parsed) / 1e6,
			     (double)(loaded - compiled) / 1e6,
			     time_lookups(rules, count, lookups));
	sp_rules_free(rules);
	sp_policy_unref(policy);
	return r;
}

static int measure(unsigned long calls)
{
	static const size_t counts[] = {10, 1000, 10000};
	int r;

	(void)printf("| filter | instructions | first call | middle | last | by the profile |\n"
		     "|---|---|---|---|---|---|\n");
	r = compare_list("60 calls and 5 conditions", 60, true, calls);
	if (r == 0)
		r = compare_list("300 calls", 300, false, calls);
	(void)printf(
	    "\nOf each call: instructions until the verdict, time, and how much of it is the "
	    "filter's. The profile has the first call 100 times, the middle one 10 times, the "
	    "last one 1000 times; its column is the mean of the instructions.\n\n| path rules | "
	    "read, ms | compiled, ms | loaded, ms | a look, ns |\n"
	    "|---|---|---|---|---|\n");
	for (size_t i = 0; i < SP_ELEMENTS(counts) && r == 0; i++)
		r = measure_paths(counts[i], calls);
	return r;
}

int main(int argc, char **argv)
{
	unsigned long calls = argc > 1 ? strtoul(argv[1], NULL, DECIMAL) : CALLS_DEFAULT;
	int r = calls >= 10 ? measure(calls) : -EINVAL;

	if (r < 0)
		(void)fprintf(stderr, "sallyport-bench-filters: %s\n", strerror(-r));
	return r < 0;
}
