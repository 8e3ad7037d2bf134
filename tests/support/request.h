// SPDX-License-Identifier: Apache-2.0
// Requests as a correct runtime encodes them: the starting point of everything that is malformed.
#ifndef SALLYPORT_TESTS_SUPPORT_REQUEST_H
#define SALLYPORT_TESTS_SUPPORT_REQUEST_H

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "ipc/calls.h"
#include "ipc/wirecall.h"

using Bytes = std::vector<uint8_t>;

inline Bytes pack(const ProtobufCMessage *message)
{
	Bytes bytes(protobuf_c_message_get_packed_size(message));

	protobuf_c_message_pack(message, bytes.data());
	return bytes;
}

// A call with exactly the fields that its row asks for; `change` may edit it before it is packed.
template <typename Change>
Bytes request_of(enum sp_call_id id, const std::string &path, Change change)
{
	Sallyport__Wire__Request request = SALLYPORT__WIRE__REQUEST__INIT;
	Sallyport__Wire__Call wire;
	std::string second = path + "2";
	struct sp_call call = {};

	call.info = &sp_call_table[id];
	call.dirfd = call.dirfd2 = -100;
	call.path = path.c_str();
	call.path2 = second.c_str();
	if (call.info->extra == SP_EXTRA_ATTRIBUTE)
		second.resize(std::min(second.size(), size_t{XATTR_NAME_MAX}));
	call.text = second.c_str();
	call.data = reinterpret_cast<const uint8_t *>(path.data());
	call.data_length = path.size();
	call.size = 100;
	call.umask = 022;
	sp_call_to_wire(&call, &wire);
	wire.path.len = path.size(); // with its NULs, if it has any
	request.generation = 7;
	request.tid = 2;
	request.what_case = SALLYPORT__WIRE__REQUEST__WHAT_CALL;
	request.call = &wire;
	change(request, wire);
	return pack(&request.base);
}

inline Bytes request_of(enum sp_call_id id, const std::string &path = "/etc/hostname")
{
	return request_of(id, path, [](Sallyport__Wire__Request &, Sallyport__Wire__Call &) {});
}

#endif
