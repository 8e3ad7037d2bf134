/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sallyport/sandboxee.h - the side of the untrusted program.
 *
 * A program that links libsallyport-sandboxee and was launched by a broker opens what it likes, reads its
 * configuration, starts its libraries, and then locks itself, before it touches the first untrusted byte:
 *
 *     int main(int argc, char **argv)
 *     {
 *             prepare();
 *             int r = sp_sandboxee_enter();
 *             if (r < 0)
 *                     return 125;
 *             parse(argv[1]);   // fopen() goes to the broker from here on
 *     }
 */
#ifndef SALLYPORT_SANDBOXEE_H
#define SALLYPORT_SANDBOXEE_H

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Locks the calling process for the rest of its life. Works under every interception; where a preloaded runtime
 * has locked the process before main(), the first call returns 0. On success every system call that takes a name is
 * answered by the porter under the policy that the broker chose; other calls are allowed, refused or deadly
 * as that policy says. There is no way back. After an error nothing is locked unless said otherwise below,
 * and a program that must not run unlocked exits.
 *
 * Returns 0, or
 *   -ENOTCONN  not launched by a broker: descriptor 1023 is not its channel, and it is on no floor
 *   -EALREADY  this process is locked already
 *   -EBUSY     other threads are alive; lock before the first pthread_create(3)
 *   -EMFILE, -EAGAIN  on a floor: RLIMIT_NOFILE is below 1024; too many processes are locked already
 *   -EACCES    on a floor: the policy refuses write(2), by which the porter is woken; all stays as it was
 *   -EPROTO    broker and library are of different releases
 *   -ENOSYS    the kernel lacks what the policy asks for
 *   -EOPNOTSUPP  the policy is strict, and the process has a seccomp filter already, after which there is no strict mode
 *   -ENOMEM, -EIO  the lock failed half-way: Landlock or no_new_privs may already apply; exit.
 *
 * Where the policy is strict the process is in SECCOMP_MODE_STRICT then: it may read(2) and write(2) what is open, return
 * from signal handlers, and end by sp_sandboxee_exit(); every other call is death by SIGKILL. Nothing is brokered.
 *
 * Not async-signal-safe. SIGSYS belongs to the library from here on: sigaction(2) and sigprocmask(2) keep up
 * the appearance that the program may block, ignore or handle it. A child made by fork(2) is locked as well; on a
 * floor it is served as its parent is, without one its calls that need the broker fail with EIO. execve(2) fails.
 */
int sp_sandboxee_enter(void);

/*
 * Ends a process that entered a strict policy: exit(2), since exit(3), _exit(2) and the return of main() make calls that are
 * death below it. Async-signal-safe.
 */
__attribute__((noreturn)) void sp_sandboxee_exit(int status);

/*
 * Enters a phase of the policy, `phase NAME within …`: from here on the sandbox has no right, and the process may make
 * no call, that the policy of the phase does not give as well, whatever came before. For all threads; there is no way
 * back, and entering again changes nothing. A program that has not locked itself, below SP_INTERCEPTION_NOTIFY, narrows
 * what the porter decides alone: names and brokered calls, for every process of the sandbox.
 *
 * Returns 0, or
 *   -ENOENT    the policy has no such phase
 *   -ENOTCONN  the process is not sandboxed
 *   -EBUSY     a thread has loaded filters of its own
 *   -ENOMEM, … the filter could not be loaded; nothing has changed
 *
 * Not async-signal-safe.
 */
int sp_sandboxee_phase(const char *name);

#ifdef __cplusplus
}
#endif

#endif
