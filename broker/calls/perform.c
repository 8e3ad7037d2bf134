// SPDX-License-Identifier: Apache-2.0
/* From an operation to the function that acts. */
#include <errno.h>

#include "broker/walker.h"
#include "ipc/util.h"

static sp_operation_fn *const operations[SP_OPERATION_COUNT] = {
    [SP_OPERATION_OPEN] = sp_call_open,
    [SP_OPERATION_ACCESS] = sp_call_access,
    [SP_OPERATION_STAT] = sp_call_stat,
    [SP_OPERATION_READLINK] = sp_call_readlink,
    [SP_OPERATION_CHDIR] = sp_call_chdir,
    [SP_OPERATION_MKDIR] = sp_call_mkdir,
    [SP_OPERATION_UNLINK] = sp_call_unlink,
    [SP_OPERATION_RENAME] = sp_call_rename,
    [SP_OPERATION_MKNOD] = sp_call_mknod,
    [SP_OPERATION_SYMLINK] = sp_call_symlink,
    [SP_OPERATION_LINK] = sp_call_link,
    [SP_OPERATION_EXECUTE] = sp_call_execute,
    [SP_OPERATION_CHMOD] = sp_call_chmod,
    [SP_OPERATION_UTIME] = sp_call_utime,
    [SP_OPERATION_TRUNCATE] = sp_call_truncate,
    [SP_OPERATION_STATFS] = sp_call_statfs,
    [SP_OPERATION_GETXATTR] = sp_call_getxattr,
    [SP_OPERATION_LISTXATTR] = sp_call_listxattr,
    [SP_OPERATION_CHOWN] = sp_call_chown,
    [SP_OPERATION_SETXATTR] = sp_call_setxattr,
    [SP_OPERATION_REMOVEXATTR] = sp_call_removexattr,
    [SP_OPERATION_CONNECT] = sp_call_connect,
    [SP_OPERATION_WATCH] = sp_call_watch,
    [SP_OPERATION_SOCKET] = sp_call_socket,
    [SP_OPERATION_BIND] = sp_call_bind,
    [SP_OPERATION_LISTEN] = sp_call_listen,
};

void sp_work_close(struct sp_work *work)
{
	sp_close_pointer(&work->object);
	sp_close_pointer(&work->socket);
	*work = (struct sp_work)SP_WORK_NONE;
}

int sp_leave(const struct sp_request *request, int object, const struct sp_work *work)
{
	int held = -1;

	if (!request->work)
		return -EAGAIN;
	if (object >= 0) {
		held = fcntl(object, F_DUPFD_CLOEXEC, 0);
		if (held < 0)
			return -errno;
	}
	*request->work = *work;
	request->work->object = held;
	return 0;
}

static void act(struct sp_request *request)
{
	struct sp_refusal *refusal = request->refusal;

	request->answer->descriptor = -1;
	request->answer->pipe = false;
	request->answer->out_length = 0;
	refusal->error = 0;
	refusal->ask = 0;
	refusal->name[0] = '\0';
	refusal->rule = NULL;
	refusal->detail = NULL;
	refusal->missing = 0;
	refusal->lookup = false;
	request->answer->result = operations[request->call->info->operation](request);
}

void sp_call_perform(const struct sp_view *view, const struct sp_rules *rules,
		     struct sp_caller *caller, const struct sp_call *call, struct sp_answer *answer,
		     struct sp_refusal *ret_refusal, struct sp_work *ret_work)
{
	struct sp_request request = {
	    .view = view,
	    .rules = rules,
	    .caller = caller,
	    .call = call,
	    .answer = answer,
	    .refusal = ret_refusal,
	    .work = ret_work,
	};

	if (ret_work)
		*ret_work = (struct sp_work)SP_WORK_NONE;
	act(&request);
}

void sp_call_judge(const struct sp_view *view, const struct sp_rules *rules,
		   struct sp_caller *caller, const struct sp_call *call, struct sp_answer *scratch,
		   struct sp_judgement *ret_judgement)
{
	struct sp_refusal unused;
	struct sp_request request = {
	    .view = view,
	    .rules = rules,
	    .caller = caller,
	    .call = call,
	    .answer = scratch,
	    .refusal = &unused,
	    .judgement = ret_judgement,
	};

	ret_judgement->count = 0;
	act(&request);
	sp_close_pointer(&scratch->descriptor);
}
