// SPDX-License-Identifier: Apache-2.0
// Requests as a correct runtime encodes them: the starting point of everything that is malformed.
#ifndef SALLYPORT_TESTS_SUPPORT_REQUEST_H
#define SALLYPORT_TESTS_SUPPORT_REQUEST_H

#include <cstdint>
#include <string>
#include <vector>

#include "ipc/calls.h"
#include "ipc/wire.pb-c.h"

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
	const struct sp_call_info &info = sp_call_table[id];
	bool how = info.extra == SP_EXTRA_OPEN_HOW;
	Sallyport__Wire__Request request = SALLYPORT__WIRE__REQUEST__INIT;
	Sallyport__Wire__Call call = SALLYPORT__WIRE__CALL__INIT;
	std::string first = path, second = path + "2";

	call.id = id;
	call.has_dirfd = info.dirfd >= 0;
	call.dirfd = -100;
	call.has_dirfd2 = info.dirfd2 >= 0;
	call.dirfd2 = -100;
	call.has_path = 1;
	call.path = {first.size(), reinterpret_cast<uint8_t *>(&first[0])};
	call.has_path2 = info.path2 >= 0;
	call.path2 = {second.size(), reinterpret_cast<uint8_t *>(&second[0])};
	call.has_flags = info.flags >= 0;
	call.has_mode = info.mode >= 0 || how;
	call.has_resolve = how;
	call.has_size = info.returns == SP_RETURNS_BYTES;
	call.size = 100;
	call.umask = 022;
	request.generation = 7;
	request.tid = 2;
	request.what_case = SALLYPORT__WIRE__REQUEST__WHAT_CALL;
	request.call = &call;
	change(request, call);
	return pack(&request.base);
}

inline Bytes request_of(enum sp_call_id id, const std::string &path = "/etc/hostname")
{
	return request_of(id, path, [](Sallyport__Wire__Request &, Sallyport__Wire__Call &) {});
}

#endif
