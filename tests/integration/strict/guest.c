/* SPDX-License-Identifier: Apache-2.0 */
/* strict-guest COMMAND: enters its policy, then does one thing. Before the lock it may use libc, afterwards read, write
 * and exit. */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <sallyport/sandboxee.h>

static void say(const char *text)
{
	if (write(STDOUT_FILENO, text, strlen(text)) < 0)
		sp_sandboxee_exit(99);
}

/* From its input to its output: what such a worker is for. */
static void upper(void)
{
	char bytes[64];
	ssize_t n;

	while ((n = read(STDIN_FILENO, bytes, sizeof(bytes))) > 0) {
		for (ssize_t i = 0; i < n; i++)
			if (bytes[i] >= 'a' && bytes[i] <= 'z')
				bytes[i] = (char)(bytes[i] - 'a' + 'A');
		if (write(STDOUT_FILENO, bytes, (size_t)n) != n)
			sp_sandboxee_exit(98);
	}
	sp_sandboxee_exit(7);
}

static void make_call(const char *number)
{
	long nr = strtol(number, NULL, 10);
	long r = syscall(nr, 0, 0, 0, 0, 0, 0);

	say(r < 0 ? "failed\n" : "returned\n");
}

#ifdef __x86_64__
/* A number of i386, from 64-bit code. */
static long call_i386(long nr, long a, long b, long c)
{
	long r;

	__asm__ volatile("int $0x80"
			 : "=a"(r)
			 : "a"(nr), "b"(a), "c"(b), "d"(c)
			 : "memory", "r8", "r9", "r10", "r11");
	return r;
}
#endif

static void call_foreign(const char *number)
{
#ifdef __x86_64__
	long nr = strtol(number, NULL, 10);

	/* write(1, NULL, 0), read(0, NULL, 0), exit(0): nothing is at the address, nor has to be. */
	(void)call_i386(nr, nr == 4, 0, 0);
	say("returned\n");
#else
	(void)number;
#endif
}

static void spin(void)
{
	for (volatile unsigned long i = 0;; i++)
		;
}

static volatile sig_atomic_t caught;

static void on_signal(int number)
{
	caught = number;
}

/* The way back from a handler is a call as well. The signal comes from a timer that was set before. */
static void await_signal(void)
{
	while (!caught)
		;
	say("came back\n");
}

static void *idle(void *data)
{
	for (;;)
		(void)pause();
	return data;
}

static void allow_all(void)
{
	struct sock_filter code[] = {BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
	struct sock_fprog program = {1, code};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
		exit(97);
}

static void prepare(const char *command)
{
	pthread_t thread;

	if (strcmp(command, "filtered") == 0)
		allow_all();
	if (strcmp(command, "threaded") == 0 && pthread_create(&thread, NULL, idle, NULL) != 0)
		exit(96);
	if (strcmp(command, "signal") == 0) {
		struct sigaction action = {.sa_handler = on_signal};
		struct itimerspec soon = {.it_value = {.tv_nsec = 50000000}};
		timer_t timer;

		if (sigaction(SIGALRM, &action, NULL) < 0 ||
		    timer_create(CLOCK_MONOTONIC, NULL, &timer) < 0 ||
		    timer_settime(timer, 0, &soon, NULL) < 0)
			exit(95);
	}
}

static void act(const char *command, const char *argument)
{
	if (strcmp(command, "upper") == 0)
		upper();
	else if (strcmp(command, "call") == 0)
		make_call(argument);
	else if (strcmp(command, "i386") == 0)
		call_foreign(argument);
	else if (strcmp(command, "signal") == 0)
		await_signal();
	else if (strcmp(command, "spin") == 0)
		spin();
	else if (strcmp(command, "channel") == 0)
		say(write(1023, "x", 1) < 0 && write(1022, "12345678", 8) < 0 ? "closed\n"
									      : "open\n");
}

int main(int argc, char **argv)
{
	const char *command = argc > 1 ? argv[1] : "", *argument = argc > 2 ? argv[2] : "";
	int r;

	prepare(command);
	r = sp_sandboxee_enter();
	if (r < 0) {
		(void)printf("not entered: %s\n", strerrorname_np(-r));
		(void)fflush(stdout);
		_exit(3);
	}
	say("entered\n");
	act(command, argument);
	if (strcmp(command, "return") == 0)
		return 0;
	sp_sandboxee_exit(0);
}
