// SPDX-License-Identifier: Apache-2.0
// Any bytes in a slot: decoded into a checked call, or refused.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "ipc/decode.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	alignas(16) static uint8_t memory[SP_SLOT_ARENA];
	struct sp_arena arena;
	struct sp_slot_request request;

	sp_arena_init(&arena, memory, sizeof(memory));
	if (sp_slot_request_decode(bytes, length, &arena, &request) < 0 || request.refused)
		return 0;
	// What passed keeps its promises to the handlers.
	const struct sp_call_info *info = request.call.info;
	if (!info || (info->path < 0) != !request.call.path)
		if (!info || !(sp_call_optional_fields(info) & SP_FIELD_PATH) || request.call.path)
			abort();
	if ((request.call.path && strlen(request.call.path) >= PATH_MAX) ||
	    (info->text >= 0) != (request.call.text != nullptr) || request.call.umask > 0777 ||
	    request.tid <= 0)
		abort();
	return 0;
}
