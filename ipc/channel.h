/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One message and at most one descriptor per datagram of a SOCK_SEQPACKET socket. Reentrant, no
 * globals, raw system calls' semantics: async-signal-safe.
 */
#ifndef SALLYPORT_IPC_CHANNEL_H
#define SALLYPORT_IPC_CHANNEL_H

#include <protobuf-c/protobuf-c.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A connected pair, CLOEXEC, non-blocking where asked. 0 or -errno. */
int sp_channel_pair(int flags /* 0 or SOCK_NONBLOCK */, int ret_sockets[2]);

/*
 * Refuses descriptors from the peer of `socket`: with SO_PASSRIGHTS (Linux 6.16) the sender fails
 * with EPERM. Returns 0, or -ENOPROTOOPT on older kernels, where the receiver closes what arrives.
 */
int sp_channel_refuse_descriptors(int socket);

/* Sends; `descriptor` -1 for none, borrowed. 0, -EAGAIN (non-blocking and full), -EPIPE (peer gone;
 * no SIGPIPE), … */
int sp_channel_send(int socket, const void *bytes, size_t length, int descriptor);

/* Encodes a message of at most SP_DATAGRAM_MAX bytes and sends it. -EMSGSIZE where it is larger. */
int sp_channel_send_message(int socket, const ProtobufCMessage *message, int descriptor);

/*
 * Receives one datagram. Returns its length; 0: the peer closed; -EAGAIN; -EBADMSG: truncated, or
 * more than one descriptor, or control data of another kind (all that arrived is closed).
 * *ret_descriptor is owned by the caller and CLOEXEC; -1: none came; -EMFILE: one came, but found
 * no number below RLIMIT_NOFILE. With ret_descriptor NULL a descriptor is -EBADMSG.
 */
ssize_t sp_channel_receive(int socket, void *bytes, size_t size, int flags, int *ret_descriptor);

#ifdef __cplusplus
}
#endif

#endif
