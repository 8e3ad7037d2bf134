// SPDX-License-Identifier: Apache-2.0
/* execve, execveat: whether it may be. The kernel does it, in the caller, and is looked at afterwards. */
#include <errno.h>

#include "broker/execution.h"

int64_t sp_call_execute(struct sp_request *request)
{
	int r = sp_execution_allow(request);

	/* The handler of a locked process would be gone with its image, and every call fatal. */
	if (r == 0 && (request->caller->locked || !request->caller->outer))
		return sp_refuse(request, request->call->path, NULL, EACCES,
				 "a locked process can't execute");
	return r;
}
