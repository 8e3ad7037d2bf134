/* SPDX-License-Identifier: Apache-2.0 */
/* What the porter tells the broker. A control socket that is full loses reports, which are counted;
 * never the exit. */
#ifndef SALLYPORT_BROKER_PORTER_EVENTS_H
#define SALLYPORT_BROKER_PORTER_EVENTS_H

#include "broker/porter_serve.h"

void sp_porter_report_locked(struct sp_porter *porter);
void sp_porter_report_stopped(struct sp_porter *porter, int number);

/* A brokered call that porter->refusal refused. */
void sp_porter_report_call(struct sp_porter *porter, const struct sp_call *call);

/* A system call that the filter refused. */
void sp_porter_report_refused(struct sp_porter *porter, int nr, uint64_t instruction, bool fatal);

/* Of a permissive launch: a wall, or a limit, that does not stand, would have refused porter->seen, if it is
 * set, or would have done what the constant `detail` says. */
void sp_porter_report_wall(struct sp_porter *porter, int error, bool fatal, const char *detail);

/* A program was executed that porter->refusal names: it is killed. */
/* Permissive: what connects somewhere, which porter->refusal names, would find no network. */
void sp_porter_report_unreachable(struct sp_porter *porter);

void sp_porter_report_execution(struct sp_porter *porter);

/*
 * Asks the application about a topic, for the call in hand. 0 or -errno: it was not asked. And tells it
 * that nobody waits for the answer any more.
 */
int sp_porter_ask(struct sp_porter *porter, uint64_t id, const struct sp_topic *topic,
		  const char *rule);
void sp_porter_withdraw(struct sp_porter *porter, uint64_t id);

/* Tells of changes that were made, the first of porter->changed first: false where the socket is full. */
bool sp_porter_tell_changed(struct sp_porter *porter);

void sp_porter_report_violation(struct sp_porter *porter, const char *detail);
void sp_porter_report_exit(struct sp_porter *porter);

#endif
