/* SPDX-License-Identifier: Apache-2.0 */
/* One call each that a policy refuses: says what came of it. Usage: denied-guest NAME */
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/times.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static long close_it(long fd)
{
	return fd < 0 ? fd : close((int)fd);
}

static long do_read(void)
{
	return close_it(open("secret", O_RDONLY));
}

static long do_truncating(void)
{
	return close_it(open("granted", O_RDONLY | O_TRUNC));
}

static long do_write(void)
{
	return close_it(open("granted", O_WRONLY));
}

static long do_create(void)
{
	return close_it(open("new", O_WRONLY | O_CREAT | O_EXCL, 04751));
}

static long do_openat2(void)
{
	const struct {
		uint64_t flags, mode, resolve;
	} how = {O_RDWR | O_CREAT, 0640, 0};

	return close_it(syscall(SYS_openat2, AT_FDCWD, "new", &how, sizeof(how)));
}

static long do_mkdir(void)
{
	return mkdir("folder", 02755);
}

static long do_chmod(void)
{
	return chmod("secret", 04700);
}

static long do_unlink(void)
{
	return unlink("secret");
}

static long do_rename(void)
{
	return rename("secret", "moved");
}

static long do_link(void)
{
	return link("secret", "twin");
}

static long do_symlink(void)
{
	return symlink("/nowhere", "sign");
}

static long do_mknod(void)
{
	return mknod("pipe", S_IFIFO | 0600, 0);
}

static long do_truncate(void)
{
	return truncate("secret", 2);
}

static long do_utimes(void)
{
	return utimensat(AT_FDCWD, "secret", NULL, 0);
}

static long do_chown(void)
{
	return chown("secret", (uid_t)-1, getgid());
}

static long do_stat(void)
{
	struct stat status;

	return stat("secret", &status) < 0 ? -1 : status.st_size;
}

static long do_list(void)
{
	return close_it(open("/", O_RDONLY | O_DIRECTORY));
}

static long do_descriptor(void)
{
	int fd = open("granted", O_RDONLY);

	return fchmod(fd, 0600);
}

static long do_inet(void)
{
	return close_it(socket(AF_INET, SOCK_STREAM, 0));
}

static long do_connect(void)
{
	const struct sockaddr_un address = {AF_UNIX, "no-such-socket"};

	return connect(1, (const struct sockaddr *)&address, sizeof(address));
}

static long do_reach(void)
{
	/* TEST-NET-1, which is nobody's; a datagram socket only remembers it. */
	const struct sockaddr_in address = {
	    .sin_family = AF_INET, .sin_port = htons(9), .sin_addr.s_addr = htonl(0xc0000201)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	long r = connect(fd, (const struct sockaddr *)&address, sizeof(address));

	return fd < 0 ? -1 : r < 0 && errno == EINPROGRESS ? 0 : r;
}

static long do_ioctl(void)
{
	return ioctl(0, TIOCSTI, "x");
}

static long do_fcntl(void)
{
	return fcntl(1, F_SETOWN, getpid());
}

static long do_async(void)
{
	return fcntl(0, F_SETFL, O_ASYNC | O_RDONLY);
}

static long wait_for(long pid)
{
	int status;

	if (pid == 0)
		_exit(7);
	return pid < 0 || waitpid((pid_t)pid, &status, 0) < 0 ? -1 : WEXITSTATUS(status);
}

static long do_clone(void)
{
	return wait_for(syscall(SYS_clone, CLONE_NEWUTS | SIGCHLD, NULL, NULL, NULL, NULL));
}

static long do_clone3(void)
{
	struct clone_args arguments = {.flags = CLONE_PARENT_SETTID, .exit_signal = SIGCHLD};
	pid_t tid;

	arguments.parent_tid = (uintptr_t)&tid;
	return wait_for(syscall(SYS_clone3, &arguments, sizeof(arguments)));
}

static long do_unshare(void)
{
	return unshare(CLONE_FILES | CLONE_NEWIPC);
}

static long do_unknown(void)
{
	return syscall(700);
}

static long do_far(void)
{
	return syscall(0x3fffffff);
}

static long do_negative(void)
{
	return syscall(-1);
}

static long do_x32(void)
{
	return syscall(0x40000000 + SYS_getppid) < 0 ? -1 : 0;
}

static long do_foreign(void)
{
	long r = 64; /* getppid */

	__asm__ volatile("int $0x80" : "+a"(r) : : "memory", "r8", "r9", "r10", "r11");
	return r > 0 ? 0 : r;
}

static long do_ptrace(void)
{
	return ptrace(PTRACE_TRACEME, 0, NULL, NULL);
}

static long do_personality(void)
{
	return personality(ADDR_NO_RANDOMIZE) < 0 ? -1 : 0;
}

static long do_prctl(void)
{
	return prctl(PR_SET_KEEPCAPS, 1);
}

static long do_killed(void)
{
	struct utsname name;

	return uname(&name);
}

static long do_failed(void)
{
	struct sysinfo info;

	return sysinfo(&info);
}

static long do_trapped(void)
{
	struct tms buffer;

	return times(&buffer) == (clock_t)-1 ? -1 : 0;
}

static long do_thread_killed(void)
{
	errno = 0;
	return getpriority(PRIO_PROCESS, 0) == -1 && errno ? -1 : 0;
}

static long do_denied(void)
{
	struct rusage usage;

	return getrusage(RUSAGE_SELF, &usage);
}

static long do_exec(void)
{
	execl("/bin/echo", "echo", "executed", NULL);
	return -1;
}

static long do_spawn(void)
{
	char *const argv[] = {(char[]){"true"}, NULL};
	pid_t pid;
	int r = posix_spawn(&pid, "/bin/true", NULL, NULL, argv, environ);

	errno = r;
	return r ? -1 : wait_for(pid);
}

static void *open_in_thread(void *result)
{
	*(long *)result = close_it(open("thread", O_WRONLY | O_CREAT, 0600)) < 0 ? -errno : 0;
	return NULL;
}

static long do_threads(void)
{
	pthread_t threads[8];
	long results[8], worst = 0;

	for (size_t i = 0; i < 8; i++)
		if (pthread_create(&threads[i], NULL, open_in_thread, &results[i]) != 0)
			return -1;
	for (size_t i = 0; i < 8; i++) {
		(void)pthread_join(threads[i], NULL);
		worst = results[i] < worst ? results[i] : worst;
	}
	errno = (int)-worst;
	return worst < 0 ? -1 : 0;
}

/* Ends after its parent, and leaves a file. */
static long do_outlive(void)
{
	pid_t parent = getpid();

	if (fork() != 0)
		return 0;
	while (getppid() == parent)
		(void)sched_yield();
	_exit(close_it(open("late", O_WRONLY | O_CREAT, 0600)) < 0);
}

#define ATTEMPT(name)                                                                              \
	{                                                                                          \
#name, do_##name                                                                   \
	}

static const struct {
	const char *name;
	long (*attempt)(void);
} attempts[] = {
    ATTEMPT(read),     ATTEMPT(truncating),  ATTEMPT(write),         ATTEMPT(create),
    ATTEMPT(openat2),  ATTEMPT(mkdir),       ATTEMPT(chmod),         ATTEMPT(unlink),
    ATTEMPT(rename),   ATTEMPT(link),        ATTEMPT(symlink),       ATTEMPT(mknod),
    ATTEMPT(truncate), ATTEMPT(utimes),      ATTEMPT(chown),         ATTEMPT(stat),
    ATTEMPT(list),     ATTEMPT(descriptor),  ATTEMPT(inet),          ATTEMPT(connect),
    ATTEMPT(reach),    ATTEMPT(ioctl),       ATTEMPT(fcntl),         ATTEMPT(async),
    ATTEMPT(clone),    ATTEMPT(clone3),      ATTEMPT(unshare),       ATTEMPT(unknown),
    ATTEMPT(far),      ATTEMPT(negative),    ATTEMPT(x32),           ATTEMPT(foreign),
    ATTEMPT(ptrace),   ATTEMPT(personality), ATTEMPT(prctl),         ATTEMPT(killed),
    ATTEMPT(failed),   ATTEMPT(trapped),     ATTEMPT(thread_killed), ATTEMPT(denied),
    ATTEMPT(exec),     ATTEMPT(spawn),       ATTEMPT(threads),       ATTEMPT(outlive),
};

int main(int argc, char **argv)
{
	for (size_t i = 0; i < sizeof(attempts) / sizeof(attempts[0]); i++) {
		long result;

		if (argc != 2 || strcmp(attempts[i].name, argv[1]) != 0)
			continue;
		result = attempts[i].attempt();
		(void)printf("%ld %s\n", result, result < 0 ? strerrorname_np(errno) : "ok");
		return result < 0 ? 1 : 3;
	}
	return 2;
}
