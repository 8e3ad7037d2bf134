/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tables of conditions that are not the policy's: rows of tests on the arguments of a call, by its number. For the
 * files that hold such tables; internal to policy/.
 */
#ifndef SALLYPORT_POLICY_FILTER_ROWS_H
#define SALLYPORT_POLICY_FILTER_ROWS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "ipc/calls.h"
#include "policy/condition.h"

/* One row: all tests must hold, or fail where `not` says so; an unused one is zero. */
struct sp_filter_row {
	int nr;
	struct {
		bool used, not ;
		struct sp_test test;
	} part[3];
};

#define USED(...)                                                                                  \
	{                                                                                          \
		true, false,                                                                       \
		{                                                                                  \
			__VA_ARGS__                                                                \
		}                                                                                  \
	}
#define NOT(...)                                                                                   \
	{                                                                                          \
		true, true,                                                                        \
		{                                                                                  \
			__VA_ARGS__                                                                \
		}                                                                                  \
	}
/* Tests, by the argument's index. */
#define INT_IS(a, value) SP_TEST_MASKED, a, false, 0xffffffffu, value
#define INT_MASKED(a, mask, value) SP_TEST_MASKED, a, false, mask, value
#define INT_BELOW(a, value) SP_TEST_BELOW, a, false, 0, value
#define LONG_IS(a, value) SP_TEST_MASKED, a, true, ~0ull, value
#define LONG_MASKED(a, mask, value) SP_TEST_MASKED, a, true, mask, value
#define MARKED(a) LONG_IS(a, SP_RUNTIME_MARK)
#define HALF_MARKED LONG_MASKED(0, 0xffffffffull << 32, (uint64_t)SP_RUNTIME_MARK << 32)

/* A socket for TCP as the porter makes it, in the outer network. */
#define TCP(family, protocol)                                                                      \
	{                                                                                          \
		__NR_socket,                                                                       \
		{                                                                                  \
			USED(INT_IS(0, family)), USED(INT_MASKED(1, SP_SOCKET_TYPE, SOCK_STREAM)), \
			    USED(INT_IS(2, protocol))                                              \
		}                                                                                  \
	}

#endif
