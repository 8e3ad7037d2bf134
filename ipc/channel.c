/* SPDX-License-Identifier: Apache-2.0 */
#include "ipc/channel.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "ipc/arch.h"
#include "ipc/decode.h"
#include "ipc/kernel.h"
#include "ipc/runtime.h"

int sp_channel_pair(int flags, int ret_sockets[2])
{
	int sockets[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | flags, 0, sockets) < 0)
		return -errno;
	ret_sockets[0] = sockets[0];
	ret_sockets[1] = sockets[1];
	return 0;
}

int sp_channel_refuse_descriptors(int socket)
{
	int off = 0;

	if (setsockopt(socket, SOL_SOCKET, SO_PASSRIGHTS, &off, sizeof(off)) < 0)
		return -errno;
	return 0;
}

/* Room for exactly one descriptor: the kernel closes a surplus and says MSG_CTRUNC. */
union control {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(sizeof(int))];
};

/* Raw calls: this file also runs in the sandboxee's signal handler, where errno must stay. */
static long send_raw(int socket, const struct msghdr *message)
{
	return sp_raw_syscall(__NR_sendmsg, socket, (long)message, MSG_NOSIGNAL, 0, 0, 0);
}

static long receive_raw(int socket, struct msghdr *message, int flags)
{
	return sp_raw_syscall(__NR_recvmsg, socket, (long)message, flags | MSG_CMSG_CLOEXEC, 0, 0,
			      SP_RUNTIME_MARK);
}

int sp_channel_send(int socket, const void *bytes, size_t length, int descriptor)
{
	struct iovec vector = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = length};
	union control control;
	struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1};
	long r;

	if (descriptor >= 0) {
		struct cmsghdr *header;

		memset(&control, 0, sizeof(control));
		message.msg_control = control.bytes;
		message.msg_controllen = sizeof(control.bytes);
		header = CMSG_FIRSTHDR(&message);
		header->cmsg_level = SOL_SOCKET;
		header->cmsg_type = SCM_RIGHTS;
		header->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(header), &descriptor, sizeof(int));
	}
	do
		r = send_raw(socket, &message);
	while (r == -EINTR);
	return r < 0 ? (int)r : 0;
}

int sp_channel_send_message(int socket, const ProtobufCMessage *message, int descriptor)
{
	uint8_t bytes[4096] __attribute__((uninitialized));
	uint8_t *packed = bytes;
	size_t length = protobuf_c_message_get_packed_size(message);
	int r;

	if (length > SP_DATAGRAM_MAX)
		return -EMSGSIZE;
	if (length > sizeof(bytes)) {
		packed = malloc(length);
		if (!packed)
			return -ENOMEM;
	}
	(void)protobuf_c_message_pack(message, packed);
	r = sp_channel_send(socket, packed, length, descriptor);
	if (packed != bytes)
		free(packed);
	return r;
}

/*
 * Takes the one descriptor out of the control data. -EBADMSG for control data that no correct peer
 * sends; then nothing is left open.
 */
static int take_descriptor(struct msghdr *message, int *ret_descriptor)
{
	struct cmsghdr *header = CMSG_FIRSTHDR(message);
	int descriptor = -1;

	if (header && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS &&
	    header->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(&descriptor, CMSG_DATA(header), sizeof(int));
	else if (header)
		return -EBADMSG;
	if (message->msg_flags & MSG_TRUNC ||
	    (message->msg_flags & MSG_CTRUNC && descriptor >= 0)) {
		if (descriptor >= 0)
			(void)sp_raw_syscall(__NR_close, descriptor, 0, 0, 0, 0, SP_RUNTIME_MARK);
		return -EBADMSG;
	}
	/* Control data cut off without a descriptor: there was no free number for it. */
	if (message->msg_flags & MSG_CTRUNC)
		descriptor = -EMFILE;
	*ret_descriptor = descriptor;
	return 0;
}

ssize_t sp_channel_receive(int socket, void *bytes, size_t size, int flags, int *ret_descriptor)
{
	struct iovec vector = {.iov_base = bytes, .iov_len = size};
	union control control;
	struct msghdr message = {
	    .msg_iov = &vector,
	    .msg_iovlen = 1,
	    .msg_control = control.bytes,
	    /* Not CMSG_SPACE: its padding would have room for a second descriptor. */
	    .msg_controllen = CMSG_LEN(sizeof(int)),
	};
	int descriptor = -1;
	long length;
	int r;

	do
		length = receive_raw(socket, &message, flags);
	while (length == -EINTR);
	if (length < 0)
		return length;
	r = take_descriptor(&message, &descriptor);
	if (r < 0)
		return r;
	if (descriptor != -1 && !ret_descriptor) {
		if (descriptor >= 0)
			(void)sp_raw_syscall(__NR_close, descriptor, 0, 0, 0, 0, SP_RUNTIME_MARK);
		return -EBADMSG;
	}
	if (ret_descriptor)
		*ret_descriptor = descriptor;
	return length;
}
