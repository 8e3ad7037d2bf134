/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a filter lets through of sockets where the policy names some, or addresses: which the porter makes, which it
 * connects, and what could point one of its own somewhere else.
 */
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "ipc/util.h"
#include "policy/filter_decisions.h"
#include "policy/filter_rows.h"

/* Sockets that can be connected by a name, and no other way. */
static const struct sp_filter_row connected[] = {
    {__NR_socket, {USED(INT_IS(0, AF_UNIX)), USED(INT_MASKED(1, 0xf, SOCK_STREAM))}},
    {__NR_socket, {USED(INT_IS(0, AF_UNIX)), USED(INT_MASKED(1, 0xf, SOCK_SEQPACKET))}},
};

/* Where addresses are named: sockets of the outer network, which the porter makes. */
static const struct sp_filter_row tcp_sockets[] = {
    TCP(AF_INET, 0),
    TCP(AF_INET, IPPROTO_TCP),
    TCP(AF_INET6, 0),
    TCP(AF_INET6, IPPROTO_TCP),
};

/*
 * What any policy may allow where there may be such sockets. By all else they could reach, or be reached by, what was not
 * named: data with the first packet (MSG_FASTOPEN), another interface, routes by way of others (IP_OPTIONS, IPV6_RTHDR),
 * other protocols on top, groups. SO_LINGER makes whoever closes a copy wait, which the porter might be.
 */
#define SETS(level, option)                                                                        \
	{                                                                                          \
		__NR_setsockopt,                                                                   \
		{                                                                                  \
			USED(INT_IS(1, level)), USED(INT_IS(2, option))                            \
		}                                                                                  \
	}
static const struct sp_filter_row tcp_guards[] = {
    {__NR_sendto, {NOT(INT_MASKED(3, MSG_FASTOPEN, MSG_FASTOPEN))}},
    {__NR_sendmsg, {NOT(INT_MASKED(2, MSG_FASTOPEN, MSG_FASTOPEN))}},
    {__NR_sendmmsg, {NOT(INT_MASKED(3, MSG_FASTOPEN, MSG_FASTOPEN))}},
    /* Of the requests to sockets (0x8900 and 0x8b00 on) the one that asks about their data. */
    {__NR_ioctl, {NOT(INT_MASKED(1, 0xfffffc00, 0x8800))}},
    {__NR_ioctl, {USED(INT_IS(1, SIOCATMARK))}},
    SETS(SOL_SOCKET, SO_REUSEADDR),
    SETS(SOL_SOCKET, SO_SNDBUF),
    SETS(SOL_SOCKET, SO_RCVBUF),
    SETS(SOL_SOCKET, SO_KEEPALIVE),
    SETS(SOL_SOCKET, SO_OOBINLINE),
    SETS(SOL_SOCKET, SO_PRIORITY),
    SETS(SOL_SOCKET, SO_PASSCRED),
    SETS(SOL_SOCKET, SO_RCVLOWAT),
    SETS(SOL_SOCKET, SO_RCVTIMEO_OLD),
    SETS(SOL_SOCKET, SO_SNDTIMEO_OLD),
    SETS(SOL_SOCKET, SO_RCVTIMEO_NEW),
    SETS(SOL_SOCKET, SO_SNDTIMEO_NEW),
    SETS(IPPROTO_TCP, TCP_NODELAY),
    SETS(IPPROTO_TCP, TCP_MAXSEG),
    SETS(IPPROTO_TCP, TCP_CORK),
    SETS(IPPROTO_TCP, TCP_KEEPIDLE),
    SETS(IPPROTO_TCP, TCP_KEEPINTVL),
    SETS(IPPROTO_TCP, TCP_KEEPCNT),
    SETS(IPPROTO_TCP, TCP_SYNCNT),
    SETS(IPPROTO_TCP, TCP_LINGER2),
    SETS(IPPROTO_TCP, TCP_WINDOW_CLAMP),
    SETS(IPPROTO_TCP, TCP_QUICKACK),
    SETS(IPPROTO_TCP, TCP_USER_TIMEOUT),
    SETS(IPPROTO_TCP, TCP_NOTSENT_LOWAT),
    SETS(IPPROTO_IP, IP_TOS),
    SETS(IPPROTO_IP, IP_TTL),
    SETS(IPPROTO_IP, IP_MTU_DISCOVER),
    SETS(IPPROTO_IP, IP_RECVERR),
    SETS(IPPROTO_IPV6, IPV6_UNICAST_HOPS),
    SETS(IPPROTO_IPV6, IPV6_V6ONLY),
    SETS(IPPROTO_IPV6, IPV6_TCLASS),
    SETS(IPPROTO_IPV6, IPV6_RECVERR),
};

static const char built_in_network[] =
    "built in: what connects to the sockets and addresses that are named";

int sp_filter_guard_network(const struct sp_compilation *c, struct sp_condition **guard)
{
	return sp_model_grants_addresses(c->policy)
		   ? sp_filter_guard_by(tcp_guards, SP_ELEMENTS(tcp_guards), c->nr, guard)
		   : 0;
}

/* Or may, by an edit. */
static bool grants_right(const struct sp_compilation *c, uint32_t right)
{
	const struct sp_policy *policy = c->policy;

	if (!c->bounds && c->purpose != SP_PURPOSE_ALONE && (sp_model_givable(policy) & right))
		return true;
	for (size_t i = 0; i < policy->path_count; i++)
		if (policy->paths[i].rights & right)
			return true;
	return false;
}

/* What a server of the sandbox's own does. Which socket it is that listens, where one might be of TCP, only the
 * porter can tell. */
static int add_server(struct sp_compilation *c, bool addresses)
{
	if (c->nr == __NR_accept || c->nr == __NR_accept4 || (c->nr == __NR_listen && !addresses))
		return sp_filter_decide_always(c, SECCOMP_RET_ALLOW, built_in_network);
	if (c->nr == __NR_bind || c->nr == __NR_listen)
		return sp_filter_decide_always(c, c->intercept, built_in_network);
	return 0;
}

/* The calls that something is decided on here; for the rest nobody looks at what is granted. */
static bool is_of_network(int nr)
{
	return nr == __NR_socket || nr == __NR_connect || nr == __NR_bind || nr == __NR_listen ||
	       nr == __NR_accept || nr == __NR_accept4;
}

/* Where sockets or addresses are named, the porter connects to them, and nobody to others. */
int sp_filter_add_network(struct sp_compilation *c)
{
	static const struct sp_decision allow = {.action = SECCOMP_RET_ALLOW,
						 .source = built_in_network};
	const struct sp_decision broker = {.action = c->intercept, .source = built_in_network};
	bool names, binds, addresses;
	int r = 0;

	if (!is_of_network(c->nr))
		return 0;
	names = grants_right(c, SP_RIGHT_CONNECT);
	binds = grants_right(c, SP_RIGHT_BIND);
	addresses = sp_model_grants_addresses(c->policy);
	if (binds)
		r = add_server(c, addresses);
	if (r == 0 && (names || binds))
		r = sp_filter_decide_rows(c, &allow, connected, SP_ELEMENTS(connected));
	if (r == 0 && addresses)
		r = sp_filter_decide_rows(c, &broker, tcp_sockets, SP_ELEMENTS(tcp_sockets));
	return r == 0 && c->nr == __NR_connect && (names || addresses)
		   ? sp_filter_decide_always(c, c->intercept, built_in_network)
		   : r;
}

/* What a network namespace of one's own, in which nothing is up, refuses. */
bool sp_filter_reaches_network(int nr)
{
	return nr == __NR_connect || nr == __NR_bind || nr == __NR_sendto || nr == __NR_sendmsg;
}

/* What makes others come, of a socket of the outer network. */
bool sp_filter_serves(int nr)
{
	return nr == __NR_bind || nr == __NR_listen;
}
