/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A permissive launch: every call that the policy does not let the kernel perform comes as a user notification, is
 * judged as if it were to be answered, reported, and then performed by the kernel in the caller's name. Since
 * nothing is denied, it does not matter that the caller may change its memory between the look at it and the call: it
 * can falsify the report of what it could have done anyway.
 */
#ifndef SALLYPORT_BROKER_PERMISSIVE_H
#define SALLYPORT_BROKER_PERMISSIVE_H

#include "broker/porter_serve.h"
#include "ipc/marshal.h"

/* Makes porter->judgement. 0 or -ENOMEM. */
int sp_permissive_new(struct sp_porter *porter);

/*
 * Reports what the policy would refuse of porter->seen, made by porter->caller. `call`: the same as a brokered call;
 * NULL: it is none, or its arguments can't be read, so that the kernel refuses it as well.
 */
void sp_permissive_judge(struct sp_porter *porter, const struct sp_call *call,
			 const struct sp_memory *memory);

/* Reports porter->helper, without which the program would not have been started. */
void sp_permissive_report_helper(struct sp_porter *porter);

#endif
