/* SPDX-License-Identifier: Apache-2.0 */
/* For the programs that this folder's tests run in a sandbox: a condition that does not hold is told on stdout, and
 * ends the process. */
#ifndef SALLYPORT_TESTS_CONFORMANCE_CHECK_H
#define SALLYPORT_TESTS_CONFORMANCE_CHECK_H

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			dprintf(1, "%s:%d: %s (errno %d, %s)\n", __FILE__, __LINE__, #condition,   \
				errno, strerror(errno));                                           \
			_exit(1);                                                                  \
		}                                                                                  \
	} while (0)

#endif
