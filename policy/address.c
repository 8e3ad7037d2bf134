/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/address.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>

static const uint8_t within_6[12] = {[10] = 0xff, [11] = 0xff};
static const uint8_t nowhere[16];
static const uint8_t loopback_4[4] = {127, 0, 0, 1};
static const uint8_t loopback_6[16] = {[15] = 1};

static size_t host_length(uint8_t family)
{
	return family == 6 ? 16 : family == 4 ? 4 : 0;
}

/* The first `prefix` bits, and zeros. */
static void cut_host(const uint8_t host[16], unsigned prefix, uint8_t ret_host[16])
{
	for (unsigned i = 0; i < 16; i++) {
		unsigned bits = prefix > 8 * i ? prefix - 8 * i : 0;

		ret_host[i] = (uint8_t)(bits >= 8 ? host[i] : host[i] & (0xff00 >> bits));
	}
}

static bool same_prefix(const uint8_t a[16], const uint8_t b[16], unsigned prefix)
{
	uint8_t cut_a[16], cut_b[16];

	cut_host(a, prefix, cut_a);
	cut_host(b, prefix, cut_b);
	return memcmp(cut_a, cut_b, sizeof(cut_a)) == 0;
}

/* ---- reading ---- */

struct reading {
	const char *text, *at;
	const char *mistake;
};

static bool fail(struct reading *reading, const char *at, const char *mistake)
{
	reading->at = at;
	reading->mistake = mistake;
	return false;
}

/* A decimal number without leading zeros. */
static bool read_number(struct reading *reading, unsigned long most, const char *mistake,
			unsigned *ret_number)
{
	const char *start = reading->at;
	unsigned long number = 0;

	while (isdigit((unsigned char)*reading->at) && number <= most)
		number = number * 10 + (unsigned long)(*reading->at++ - '0');
	if (reading->at == start || number > most || (start[0] == '0' && reading->at - start > 1))
		return fail(reading, start, mistake);
	*ret_number = (unsigned)number;
	return true;
}

static bool read_host(struct reading *reading, struct sp_address *address)
{
	const char *start = reading->at;
	bool bracket = *start == '[';
	size_t length;
	char copy[INET6_ADDRSTRLEN];

	if (*start == '*') {
		reading->at++;
		return true;
	}
	start += bracket;
	length = strspn(start, bracket ? "0123456789abcdefABCDEF:." : "0123456789.");
	if (length == 0 || length >= sizeof(copy))
		return fail(reading, start,
			    bracket
				? "an IPv6 address belongs between the brackets"
				: "expected an address like 127.0.0.1, [::1] or *; names are not "
				  "looked up");
	memcpy(copy, start, length);
	copy[length] = '\0';
	address->family = bracket ? 6 : 4;
	if (inet_pton(bracket ? AF_INET6 : AF_INET, copy, address->host) != 1)
		return fail(reading, start,
			    bracket ? "this is no IPv6 address"
				    : "this is no IPv4 address; names are not looked up, and an "
				      "IPv6 address stands in brackets");
	reading->at = start + length;
	if (bracket && *reading->at++ != ']')
		return fail(reading, reading->at - 1, "expected ']' after the IPv6 address");
	address->prefix = bracket ? 128 : 32;
	return true;
}

static bool read_prefix(struct reading *reading, struct sp_address *address)
{
	const char *start = ++reading->at;
	uint8_t cut[16];
	unsigned prefix;

	if (address->family == 0)
		return fail(reading, start - 1, "\"*\" has no prefix");
	if (!read_number(reading, address->prefix, "expected the prefix's length in bits", &prefix))
		return false;
	cut_host(address->host, prefix, cut);
	if (memcmp(cut, address->host, sizeof(cut)) != 0)
		return fail(reading, start,
			    "the address has bits beyond this prefix; set them to zero");
	address->prefix = (uint8_t)prefix;
	return true;
}

/* What the kernel takes for another address no rule can speak of. */
static bool check_host(struct reading *reading, const struct sp_address *address)
{
	size_t bits = 8 * host_length(address->family);

	if (bits && address->prefix == bits &&
	    memcmp(address->host, nowhere, host_length(address->family)) == 0)
		return fail(reading, reading->text,
			    address->family == 4 ? "to connect to 0.0.0.0 is to connect to "
						   "127.0.0.1: write that"
						 : "to connect to [::] is to connect to [::1]: "
						   "write that");
	if (address->family == 6 && address->prefix >= 8 * sizeof(within_6) &&
	    memcmp(address->host, within_6, sizeof(within_6)) == 0)
		return fail(reading, reading->text,
			    "this is an IPv4 address: write it as one, like 127.0.0.1");
	return true;
}

static bool read_ports(struct reading *reading, struct sp_address *address)
{
	static const char expected[] =
	    "expected a port, a range like 8000-8999, or * for all: 0 to 65535";
	const char *start;
	unsigned first, last;

	if (*reading->at != ':')
		return fail(reading, reading->at,
			    *reading->at ? "expected ':' and a port here"
					 : "a port is missing, like :80, or :* for all");
	start = ++reading->at;
	address->last = UINT16_MAX;
	if (*start == '*') {
		reading->at++;
		return true;
	}
	if (!read_number(reading, UINT16_MAX, expected, &first))
		return false;
	last = first;
	if (*reading->at == '-') {
		reading->at++;
		if (!read_number(reading, UINT16_MAX, expected, &last))
			return false;
	}
	if (last < first)
		return fail(reading, start, "the range of ports ends before it begins");
	address->first = (uint16_t)first;
	address->last = (uint16_t)last;
	return true;
}

bool sp_address_read(const char *text, struct sp_address *ret_address, const char **ret_mistake,
		     size_t *ret_offset)
{
	struct reading reading = {.text = text, .at = text};
	struct sp_address address = {0};
	bool good = read_host(&reading, &address) &&
		    (*reading.at != '/' || read_prefix(&reading, &address)) &&
		    check_host(&reading, &address) && read_ports(&reading, &address);

	if (good && *reading.at)
		good = fail(&reading, reading.at, "the address is complete before this");
	if (good) {
		*ret_address = address;
		return true;
	}
	*ret_mistake = reading.mistake;
	*ret_offset = (size_t)(reading.at - text);
	return false;
}

const char *sp_address_print(const struct sp_address *address, char buffer[SP_ADDRESS_TEXT_MAX])
{
	char host[INET6_ADDRSTRLEN] = "*", prefix[8] = "", ports[16] = "*";
	const char *left = address->family == 6 ? "[" : "",
		   *right = address->family == 6 ? "]" : "";

	if (address->family)
		(void)inet_ntop(address->family == 6 ? AF_INET6 : AF_INET, address->host, host,
				sizeof(host));
	if (address->family && address->prefix != 8 * host_length(address->family))
		(void)snprintf(prefix, sizeof(prefix), "/%u", address->prefix);
	if (address->first == address->last)
		(void)snprintf(ports, sizeof(ports), "%u", address->first);
	else if (address->first != 0 || address->last != UINT16_MAX)
		(void)snprintf(ports, sizeof(ports), "%u-%u", address->first, address->last);
	(void)snprintf(buffer, SP_ADDRESS_TEXT_MAX, "%s%s%s%s:%s", left, host, right, prefix,
		       ports);
	return buffer;
}

void sp_address_of(const uint8_t *host, size_t length, uint16_t port,
		   struct sp_address *ret_address)
{
	struct sp_address address = {.first = port, .last = port};
	bool four = length == 4;

	if (!four && memcmp(host, within_6, sizeof(within_6)) == 0) {
		host += sizeof(within_6);
		four = true;
	}
	address.family = four ? 4 : 6;
	address.prefix = four ? 32 : 128;
	if (memcmp(host, nowhere, host_length(address.family)) == 0)
		host = four ? loopback_4 : loopback_6;
	memcpy(address.host, host, host_length(address.family));
	*ret_address = address;
}

bool sp_address_holds(const struct sp_address *pattern, const struct sp_address *address)
{
	return pattern->first <= address->first && address->last <= pattern->last &&
	       (pattern->family == 0 ||
		(pattern->family == address->family && pattern->prefix <= address->prefix &&
		 same_prefix(pattern->host, address->host, pattern->prefix)));
}

bool sp_address_meet(const struct sp_address *a, const struct sp_address *b,
		     struct sp_address *ret_both)
{
	const struct sp_address *narrow = a, *wide = b;
	struct sp_address both;

	if (b->family && (!a->family || b->prefix > a->prefix)) {
		narrow = b;
		wide = a;
	}
	both = *narrow;
	both.first = a->first > b->first ? a->first : b->first;
	both.last = a->last < b->last ? a->last : b->last;
	if (both.first > both.last ||
	    (wide->family && (wide->family != narrow->family ||
			      !same_prefix(wide->host, narrow->host, wide->prefix))))
		return false;
	*ret_both = both;
	return true;
}

bool sp_address_equal(const struct sp_address *a, const struct sp_address *b)
{
	return a->family == b->family && a->prefix == b->prefix && a->first == b->first &&
	       a->last == b->last && memcmp(a->host, b->host, sizeof(a->host)) == 0;
}

int sp_address_compare(const struct sp_address *a, const struct sp_address *b,
		       const char **ret_reason)
{
	int ports_a = a->last - a->first, ports_b = b->last - b->first;

	if (!a->family != !b->family) {
		*ret_reason = "an address is more specific than \"*\"";
		return a->family ? 1 : -1;
	}
	if (a->prefix != b->prefix) {
		*ret_reason = "a longer prefix is more specific";
		return a->prefix > b->prefix ? 1 : -1;
	}
	*ret_reason = "fewer ports are more specific";
	return (ports_a < ports_b) - (ports_a > ports_b);
}
