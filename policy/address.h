/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a TCP connection leads, and patterns of that:
 *
 *     127.0.0.1:80   10.0.0.0/8:443   [::1]:8000-8999   [fd00::]/8:*   *:53
 *
 * An address stands for the pattern that holds nothing else. An IPv4 address within IPv6 (::ffff:a.b.c.d) is the
 * IPv4 address, here as in the kernel.
 */
#ifndef SALLYPORT_POLICY_ADDRESS_H
#define SALLYPORT_POLICY_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct sp_address {
	uint8_t family;       /* 4, 6, or 0: both, of which the prefix is empty */
	uint8_t prefix;       /* so many bits of the host count; the others are zero */
	uint8_t host[16];     /* in network order; of IPv4 the first four bytes */
	uint16_t first, last; /* ports */
};

#define SP_ADDRESS_TEXT_MAX 72 /* the longest text, with its NUL */

/* True, or *ret_mistake says what is wrong with the text from *ret_offset on. */
bool sp_address_read(const char *text, struct sp_address *ret_address, const char **ret_mistake,
		     size_t *ret_offset);

/* The only spelling of it that is canonical. */
const char *sp_address_print(const struct sp_address *address, char buffer[SP_ADDRESS_TEXT_MAX]);

/*
 * What connect(2) would be told, as the kernel takes it: an IPv4 address within IPv6 is that one, and no address
 * at all (0.0.0.0, ::) is the host itself. `host` has 4 or 16 bytes.
 */
void sp_address_of(const uint8_t *host, size_t length, uint16_t port,
		   struct sp_address *ret_address);

/* Whether all that `address` holds is held by `pattern` too. */
bool sp_address_holds(const struct sp_address *pattern, const struct sp_address *address);

/* Whether something is held by both: then *ret_both is all of that. */
bool sp_address_meet(const struct sp_address *a, const struct sp_address *b,
		     struct sp_address *ret_both);

bool sp_address_equal(const struct sp_address *a, const struct sp_address *b);

/* Positive where `a` is more specific than `b`, negative the other way round: the longer prefix, then the fewer ports.
 * *ret_reason says why. */
int sp_address_compare(const struct sp_address *a, const struct sp_address *b,
		       const char **ret_reason);

#ifdef __cplusplus
}
#endif

#endif
