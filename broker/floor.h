/* SPDX-License-Identifier: Apache-2.0 */
/* The filter under a program that has no runtime, and its listener. */
#ifndef SALLYPORT_BROKER_FLOOR_H
#define SALLYPORT_BROKER_FLOOR_H

#include <linux/filter.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Filters to be installed, those that others wrote before ours. Borrowed. */
struct filters {
	const struct sock_fprog *floor; /* NULL: the program locks itself */
	const struct sock_fprog *extras;
	size_t extra_count;
};

/* Installs the filters that others wrote, where there is no floor. 0 or -errno. */
int filters_install(const struct filters *filters);

/*
 * Installs all of them on the calling process, which has one thread and no_new_privs set, and sends
 * the listener with `note` over `socket`. Afterwards the process may make only those calls that the
 * floor allows, or that somebody answers at the listener. 0 or -errno; -EBUSY: an ancestor's filter
 * has a listener already.
 */
int floor_stand(const struct filters *filters, int socket, const void *note, size_t length);

#ifdef __cplusplus
}
#endif

#endif
