/* SPDX-License-Identifier: Apache-2.0 */
/* What the bench and the guest that it launches agree on. */
#ifndef SALLYPORT_TESTS_BENCH_GUEST_H
#define SALLYPORT_TESTS_BENCH_GUEST_H

#include "bench.h"

#define BENCH_ORDERS_FD 3
#define BENCH_DONE_FD 4
#define BENCH_SAMPLES_FD 5

/* The errno of the policy's refusals: none that the kernel would give for the file. */
#define BENCH_DENIED ENOTTY
#define BENCH_DENIED_NAME "ENOTTY"

#endif
