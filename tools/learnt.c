/* SPDX-License-Identifier: Apache-2.0 */
#include "learnt.h"

#include <ctype.h>
#include <err.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"

const char *const learnt_rights[LEARNT_RIGHT_COUNT] = {"read",   "write",   "create",  "delete",
						       "linked", "execute", "connect", "bind"};

void *learnt_grown(void *array, size_t count, size_t size)
{
	array = reallocarray(array, count, size);
	if (!array)
		err(EXIT_FAILED, "policy learn");
	return array;
}

char *learnt_copied(const char *text)
{
	char *copy = strdup(text);

	if (!copy)
		err(EXIT_FAILED, "policy learn");
	return copy;
}

void learnt_clear(struct learnt *learnt)
{
	for (size_t i = 0; i < learnt->need_count; i++)
		free(learnt->needs[i].pattern);
	for (size_t i = 0; i < learnt->call_count; i++)
		free(learnt->calls[i]);
	for (size_t i = 0; i < learnt->ports_count; i++)
		free(learnt->ports[i].host);
	free(learnt->needs);
	free(learnt->ports);
	free(learnt->calls);
	free(learnt->name);
	free(learnt->base);
	*learnt = (struct learnt){0};
}

struct need *learnt_need_of(struct learnt *learnt, const char *name, bool socket)
{
	for (size_t i = 0; i < learnt->need_count; i++)
		if (learnt->needs[i].socket == socket &&
		    strcmp(learnt->needs[i].pattern, name) == 0)
			return &learnt->needs[i];
	learnt->needs = learnt_grown(learnt->needs, learnt->need_count + 1, sizeof(*learnt->needs));
	learnt->needs[learnt->need_count] =
	    (struct need){.pattern = learnt_copied(name), .socket = socket};
	return &learnt->needs[learnt->need_count++];
}

struct need *learnt_need(struct learnt *learnt, const char *name)
{
	return learnt_need_of(learnt, name, false);
}

struct need *learnt_socket(struct learnt *learnt, const char *name)
{
	return learnt_need_of(learnt, name, true);
}

/* "PORT", "PORT-PORT" or "*". */
static bool read_ports(const char *text, struct learnt_ports *ports)
{
	char *end;

	ports->first = 0;
	ports->last = UINT16_MAX;
	if (strcmp(text, "*") == 0)
		return true;
	if (!isdigit((unsigned char)*text))
		return false;
	ports->first = ports->last = (unsigned)strtoul(text, &end, 10);
	if (*end == '-' && isdigit((unsigned char)end[1]))
		ports->last = (unsigned)strtoul(end + 1, &end, 10);
	return *end == '\0' && ports->first <= ports->last && ports->last <= UINT16_MAX;
}

bool learnt_address(struct learnt *learnt, const char *text)
{
	const char *colon = strrchr(text, ':');
	struct learnt_ports ports;

	if (!colon || colon == text || !read_ports(colon + 1, &ports))
		return false;
	ports.host = strndup(text, (size_t)(colon - text));
	if (!ports.host)
		err(EXIT_FAILED, "policy learn");
	learnt->ports =
	    learnt_grown(learnt->ports, learnt->ports_count + 1, sizeof(*learnt->ports));
	learnt->ports[learnt->ports_count++] = ports;
	return true;
}

bool learnt_has_sockets(const struct learnt *learnt, uint32_t which)
{
	for (size_t i = 0; i < learnt->need_count; i++)
		if (learnt->needs[i].socket && (learnt->needs[i].rights & which))
			return true;
	return false;
}

void learnt_call(struct learnt *learnt, const char *text)
{
	for (size_t i = 0; i < learnt->call_count; i++)
		if (strcmp(learnt->calls[i], text) == 0)
			return;
	learnt->calls = learnt_grown(learnt->calls, learnt->call_count + 1, sizeof(*learnt->calls));
	learnt->calls[learnt->call_count++] = learnt_copied(text);
}

bool learnt_gives(const struct learnt *learnt, const char *call)
{
	static const char *const unix_sockets[] = {
	    "socket(domain == AF_UNIX, type == SOCK_STREAM",
	    "socket(domain == AF_UNIX, type == SOCK_SEQPACKET"};
	static const char *const tcp_sockets[] = {"socket(domain == AF_INET, type == SOCK_STREAM",
						  "socket(domain == AF_INET6, type == SOCK_STREAM"};
	bool binds = learnt_has_sockets(learnt, LEARNT_BIND), addresses = learnt->ports_count > 0;

	if (strcmp(call, "connect") == 0)
		return addresses || learnt_has_sockets(learnt, LEARNT_CONNECT);
	if (strcmp(call, "bind") == 0 || strcmp(call, "listen") == 0)
		return binds || addresses;
	if (strcmp(call, "accept") == 0 || strcmp(call, "accept4") == 0)
		return binds;
	for (size_t i = 0; i < 2; i++)
		if ((learnt_has_sockets(learnt, LEARNT_CONNECT | LEARNT_BIND) &&
		     strncmp(call, unix_sockets[i], strlen(unix_sockets[i])) == 0) ||
		    (addresses && strncmp(call, tcp_sockets[i], strlen(tcp_sockets[i])) == 0))
			return true;
	return false;
}

uint32_t learnt_right(const char *word, size_t length)
{
	for (size_t i = 0; i < LEARNT_RIGHT_COUNT; i++)
		if (strlen(learnt_rights[i]) == length &&
		    memcmp(learnt_rights[i], word, length) == 0)
			return 1u << i;
	return 0;
}
