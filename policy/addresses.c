/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A pattern is an interval of hosts, in their order, times one of ports. What a set of intervals can tell apart are
 * intervals again, each of which begins or ends beside the end of one of the set: so the ends, and their neighbours, are
 * examples enough.
 */
#include "policy/addresses.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/util.h"

struct host {
	uint8_t family;
	uint8_t bytes[16];
};

struct sp_addresses {
	struct host *hosts;
	size_t host_count;
	uint16_t *ports;
	size_t port_count;
};

struct sp_addresses *sp_addresses_new(void)
{
	return calloc(1, sizeof(struct sp_addresses));
}

void sp_addresses_free(struct sp_addresses *addresses)
{
	if (!addresses)
		return;
	free(addresses->hosts);
	free(addresses->ports);
	free(addresses);
}

static int compare_hosts(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct host));
}

static int compare_ports(const void *a, const void *b)
{
	return *(const uint16_t *)a - *(const uint16_t *)b;
}

/* What the kernel takes for another address is none that could be decided on. */
static int add_host(struct sp_addresses *addresses, const struct host *host)
{
	struct sp_address address;
	struct host found = {0};
	struct host *grown;

	sp_address_of(host->bytes, host->family == 4 ? 4 : 16, 0, &address);
	found.family = address.family;
	memcpy(found.bytes, address.host, sizeof(found.bytes));
	for (size_t i = 0; i < addresses->host_count; i++)
		if (compare_hosts(&addresses->hosts[i], &found) == 0)
			return 0;
	grown = reallocarray(addresses->hosts, addresses->host_count + 1, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	addresses->hosts = grown;
	grown[addresses->host_count++] = found;
	return 0;
}

static int add_port(struct sp_addresses *addresses, int port)
{
	uint16_t *grown, value = (uint16_t)port;

	if (port < 0 || port > UINT16_MAX)
		return 0;
	for (size_t i = 0; i < addresses->port_count; i++)
		if (compare_ports(&addresses->ports[i], &value) == 0)
			return 0;
	grown = reallocarray(addresses->ports, addresses->port_count + 1, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	addresses->ports = grown;
	grown[addresses->port_count++] = value;
	return 0;
}

static size_t length_of(uint8_t family)
{
	return family == 4 ? 4 : 16;
}

/* One more or less; false where there is none. */
static bool step(struct host *host, int by)
{
	for (size_t i = length_of(host->family); i-- > 0;) {
		host->bytes[i] = (uint8_t)(host->bytes[i] + by);
		if (host->bytes[i] != (by > 0 ? 0 : 0xff))
			return true;
	}
	return false;
}

static int add_hosts(struct sp_addresses *addresses, uint8_t family, unsigned prefix,
		     const uint8_t bytes[16])
{
	struct host first = {.family = family}, last = {.family = family}, beside;
	int r;

	memcpy(first.bytes, bytes, length_of(family));
	memcpy(last.bytes, bytes, length_of(family));
	for (unsigned bit = prefix; bit < 8 * length_of(family); bit++)
		last.bytes[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
	r = add_host(addresses, &first);
	if (r == 0)
		r = add_host(addresses, &last);
	beside = first;
	if (r == 0 && step(&beside, -1))
		r = add_host(addresses, &beside);
	beside = last;
	if (r == 0 && step(&beside, 1))
		r = add_host(addresses, &beside);
	return r;
}

int sp_addresses_add(struct sp_addresses *addresses, const struct sp_address *pattern)
{
	static const uint8_t none[16];
	int r = add_port(addresses, pattern->first);

	if (r == 0)
		r = add_port(addresses, pattern->last);
	if (r == 0)
		r = add_port(addresses, pattern->first - 1);
	if (r == 0)
		r = add_port(addresses, pattern->last + 1);
	if (r == 0 && pattern->family != 6)
		r = add_hosts(addresses, 4, pattern->family ? pattern->prefix : 0,
			      pattern->family ? pattern->host : none);
	if (r == 0 && pattern->family != 4)
		r = add_hosts(addresses, 6, pattern->family ? pattern->prefix : 0,
			      pattern->family ? pattern->host : none);
	return r;
}

static int add_rule(const struct sp_rules_address *rule, void *data)
{
	return sp_addresses_add(data, rule->address);
}

int sp_addresses_add_rules(struct sp_addresses *addresses, const struct sp_rules *rules)
{
	return sp_rules_every_address(rules, add_rule, addresses);
}

int sp_addresses_walk(const struct sp_addresses *addresses, sp_rules_address_fn *fn, void *data)
{
	int r = 0;

	for (size_t i = 0; i < addresses->host_count; i++)
		for (size_t j = 0; j < addresses->port_count && r == 0; j++) {
			const struct host *host = &addresses->hosts[i];
			struct sp_address address;

			sp_address_of(host->bytes, length_of(host->family), addresses->ports[j],
				      &address);
			r = fn(&address, data);
		}
	return r;
}
