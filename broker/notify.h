/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The front for programs without a runtime: their calls come as user notifications, are read from
 * their memory once, and go the way of every brokered call. The answer is a value, bytes written back,
 * or a descriptor installed in them. No call is let through to the kernel but an execve, whose
 * outcome is looked at before the new program's first instruction, and what the application allowed
 * when the policy left it to it, which is what a rule could have allowed; and in a permissive launch
 * all of them.
 */
#ifndef SALLYPORT_BROKER_NOTIFY_H
#define SALLYPORT_BROKER_NOTIFY_H

#include "broker/porter_serve.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Lets one execve through: that of our own code on its way to the program. 0; -EPERM: another call
 * came, which is answered with ENOSYS.
 */
int sp_notify_launching(int listener);

/* Makes porter->notify. 0 or -ENOMEM. */
int sp_notify_new(struct sp_porter *porter);
struct sp_notify *sp_notify_free(struct sp_notify *notify); /* accepts NULL, returns NULL */

/* Serves what is pending at porter->listener, up to a slice. False: every process with the floor has
 * ended, nothing will come. */
bool sp_notify_serve(struct sp_porter *porter);

/* SIGCHLD came: threads that are held for a moment may have moved on. */
void sp_notify_stops(struct sp_porter *porter);

/* Answers with porter->answer who waited for a worker. */
void sp_notify_answer(struct sp_porter *porter, const struct sp_waiter *waiter);

/* Cancels what nobody waits for any more, or what a signal is to end. False: nobody waits. */
bool sp_notify_look(struct sp_porter *porter);

/* A call that was put aside, once more. */
void sp_notify_serve_again(struct sp_porter *porter, const struct seccomp_notif *request);

/* Whether the caller of a call that was put aside is still there; one that a signal calls away is answered. */
bool sp_notify_waits(struct sp_porter *porter, const struct seccomp_notif *request);

bool sp_notify_holds(const struct sp_porter *porter, pid_t tid);

#ifdef __cplusplus
}
#endif

#endif
