// SPDX-License-Identifier: Apache-2.0
// The strict decoder: what a correct runtime sends passes, and nothing else does. Numbers are those of the attack
// catalogue's group C.
#include <cstring>
#include <gtest/gtest.h>

#include "ipc/decode.h"
#include "ipc/slots.h"
#include "tests/support/request.h"

namespace
{
alignas(16) uint8_t memory[SP_SLOT_ARENA];

int decode(const Bytes &bytes, struct sp_slot_request *request)
{
	struct sp_arena arena;

	sp_arena_init(&arena, memory, sizeof(memory));
	return sp_slot_request_decode(bytes.data(), bytes.size(), &arena, request);
}

int decode(const Bytes &bytes)
{
	struct sp_slot_request request;

	return decode(bytes, &request);
}

template <typename Change> int decode_changed(enum sp_call_id id, Change change)
{
	return decode(request_of(id, "/x", change));
}

using Request = Sallyport__Wire__Request;
using Call = Sallyport__Wire__Call;
} // namespace

TEST(Decode, EveryRowOfTheTable)
{
	for (int id = 0; id < SP_CALL_COUNT; id++) {
		struct sp_slot_request request;

		ASSERT_EQ(decode(request_of(static_cast<sp_call_id>(id)), &request), 0)
		    << sp_call_table[id].name;
		EXPECT_FALSE(request.refused);
		EXPECT_EQ(request.call.info, &sp_call_table[id]);
		EXPECT_STREQ(request.call.path,
			     sp_call_table[id].path >= 0 ? "/etc/hostname" : nullptr);
		EXPECT_EQ(request.call.path2 != nullptr, sp_call_table[id].path2 >= 0);
		EXPECT_EQ(request.call.text != nullptr, sp_call_table[id].text >= 0);
		EXPECT_EQ(request.call.flags, sp_call_table[id].implied);
		EXPECT_EQ(request.call.tid, 2);
		EXPECT_EQ(request.generation, 7u);
	}
}

TEST(Decode, C02TruncationAtEveryByte)
{
	for (int id = 0; id < SP_CALL_COUNT; id++) {
		Bytes whole = request_of(static_cast<sp_call_id>(id));

		for (size_t length = 0; length < whole.size(); length++)
			EXPECT_EQ(
			    decode(Bytes(whole.begin(), whole.begin() + static_cast<long>(length))),
			    -EBADMSG)
			    << sp_call_table[id].name << " cut at " << length;
	}
}

TEST(Decode, EverySingleByteChangedNeverYieldsAnUncheckedValue)
{
	size_t decoded = 0;

	for (int id = 0; id < SP_CALL_COUNT; id++) {
		Bytes whole = request_of(static_cast<sp_call_id>(id));

		for (size_t at = 0; at < whole.size(); at++)
			for (int value = 0; value < 256; value++) {
				Bytes changed = whole;
				struct sp_slot_request request;

				changed[at] = static_cast<uint8_t>(value);
				if (decode(changed, &request) < 0 || request.refused)
					continue;
				decoded++;
				ASSERT_GE(request.call.info, &sp_call_table[0]);
				ASSERT_LT(request.call.info, &sp_call_table[SP_CALL_COUNT]);
				ASSERT_LE(request.call.data_length, size_t{SP_DATA_MAX});
				if (request.call.path) {
					ASSERT_LT(strlen(request.call.path), size_t{PATH_MAX});
				}
				ASSERT_LE(request.call.umask, 0777u);
				ASSERT_GT(request.tid, 0);
			}
	}
	EXPECT_GT(decoded, size_t{SP_CALL_COUNT} * 100);
}

TEST(Decode, TrailingAndUnknownBytes)
{
	Bytes whole = request_of(SP_CALL_open);

	for (int extra : {0x00, 0x08, 0x7a, 0xff}) {
		Bytes bytes = whole;

		bytes.push_back(static_cast<uint8_t>(extra));
		EXPECT_EQ(decode(bytes), -EBADMSG);
		bytes.push_back(0);
		EXPECT_EQ(decode(bytes), -EBADMSG) << "unknown field or a scalar again";
	}
}

TEST(Decode, C06DuplicateFields)
{
	// generation (field 1) twice: protobuf takes the last, we take none.
	Bytes bytes = request_of(SP_CALL_open);
	Bytes doubled = {0x08, 0x07};

	doubled.insert(doubled.end(), bytes.begin(), bytes.end());
	EXPECT_EQ(decode(doubled), -EBADMSG);
	// The whole oneof twice.
	size_t call_at = 4; // 08 07 10 02 <1a ...>
	ASSERT_EQ(bytes[call_at], 0x1a);
	doubled = bytes;
	doubled.insert(doubled.end(), bytes.begin() + static_cast<long>(call_at), bytes.end());
	EXPECT_EQ(decode(doubled), -EBADMSG);
}

TEST(Decode, C06OneofUnset)
{
	Bytes bytes = request_of(SP_CALL_open, "/x", [](Request &request, Call &) {
		request.what_case = SALLYPORT__WIRE__REQUEST__WHAT__NOT_SET;
	});

	EXPECT_EQ(decode(bytes), -EBADMSG);
}

TEST(Decode, NonMinimalVarints)
{
	Bytes bytes = request_of(SP_CALL_open);

	ASSERT_EQ(bytes[1], 0x07);
	bytes[1] = 0x87;
	bytes.insert(bytes.begin() + 2, 0x00);
	EXPECT_EQ(decode(bytes), -EBADMSG);
}

TEST(Decode, C07WrongWireTypesAndFieldNumbers)
{
	for (uint8_t tag : {0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x00, 0x07}) {
		Bytes bytes = request_of(SP_CALL_open);

		bytes[0] = tag;
		EXPECT_EQ(decode(bytes), -EBADMSG) << int(tag);
	}
}

TEST(Decode, C01HugeLengthsAndVarints)
{
	for (const Bytes &bytes :
	     {Bytes{0x1a, 0xff, 0xff, 0xff, 0xff, 0x0f},
	      Bytes{0x1a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01},
	      Bytes{0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
	      Bytes{}, Bytes{0x1a, 0x00}})
		EXPECT_EQ(decode(bytes), -EBADMSG);
}

TEST(Decode, C03DeepNestingAndC04Amplification)
{
	// No message of the schema nests itself; 3,000 nested length-delimited fields are unknown bytes.
	Bytes deep;
	for (int i = 0; i < 3000; i++)
		deep.insert(deep.begin(), {0x1a, static_cast<uint8_t>(i % 128)});
	EXPECT_EQ(decode(deep), -EBADMSG);

	// 6,000 empty Call messages: each would be merged into the former; the arena ends it.
	Bytes many;
	for (int i = 0; i < 6000; i++)
		many.insert(many.end(), {0x1a, 0x00});
	EXPECT_EQ(decode(many), -EBADMSG);

	// Packed arguments without end.
	Bytes packed = {0x08, 0x07, 0x10, 0x02, 0x22, 0x84, 0x40, 0x1a, 0x80, 0x40};
	packed.resize(packed.size() + 8192, 0x01);
	EXPECT_EQ(decode(packed), -EBADMSG);
}

TEST(Decode, C08UnknownFieldsInsideACall)
{
	Bytes bytes = request_of(SP_CALL_rmdir);
	size_t length_at = 5;

	// One unknown field (15, varint) at the end of the Call, with its length corrected.
	bytes.insert(bytes.end(), {0x78, 0x01});
	bytes[length_at] = static_cast<uint8_t>(bytes[length_at] + 2);
	EXPECT_EQ(decode(bytes), -EBADMSG);
}

TEST(Decode, C11UnknownCall)
{
	for (uint32_t id : {uint32_t(SP_CALL_COUNT), 1000u, UINT32_MAX})
		EXPECT_EQ(
		    decode_changed(SP_CALL_open, [id](Request &, Call &call) { call.id = id; }),
		    -EBADMSG);
}

TEST(Decode, FieldsThatTheRowDoesNotHaveOrLacks)
{
	EXPECT_EQ(decode_changed(SP_CALL_open, [](Request &, Call &c) { c.has_dirfd = 1; }),
		  -EBADMSG);
	EXPECT_EQ(decode_changed(SP_CALL_open, [](Request &, Call &c) { c.has_path2 = 1; }),
		  -EBADMSG);
	EXPECT_EQ(decode_changed(SP_CALL_open, [](Request &, Call &c) { c.has_path = 0; }),
		  -EBADMSG);
	EXPECT_EQ(decode_changed(SP_CALL_open, [](Request &, Call &c) { c.has_flags = 0; }),
		  -EBADMSG);
	EXPECT_EQ(decode_changed(SP_CALL_open, [](Request &, Call &c) { c.has_resolve = 1; }),
		  -EBADMSG);
	EXPECT_EQ(decode_changed(SP_CALL_open, [](Request &, Call &c) { c.has_size = 1; }),
		  -EBADMSG);
	EXPECT_EQ(decode_changed(SP_CALL_renameat, [](Request &, Call &c) { c.has_path2 = 0; }),
		  -EBADMSG);
	EXPECT_EQ(decode_changed(SP_CALL_renameat, [](Request &, Call &c) { c.has_dirfd2 = 0; }),
		  -EBADMSG);
	EXPECT_EQ(decode_changed(SP_CALL_openat2, [](Request &, Call &c) { c.has_resolve = 0; }),
		  -EBADMSG);
	EXPECT_EQ(decode_changed(SP_CALL_readlink, [](Request &, Call &c) { c.has_size = 0; }),
		  -EBADMSG);
	EXPECT_EQ(decode_changed(SP_CALL_symlink, [](Request &, Call &c) { c.has_text = 0; }),
		  -EBADMSG);
	EXPECT_EQ(decode_changed(SP_CALL_mknod, [](Request &, Call &c) { c.has_text = 1; }),
		  -EBADMSG);
}

TEST(Decode, ANameMayLackOnlyWhereADescriptorStandsForIt)
{
	struct sp_slot_request request;
	auto without_path = [](Request &, Call &c) { c.has_path = 0; };

	for (enum sp_call_id id : {SP_CALL_utimensat, SP_CALL_futimesat}) {
		ASSERT_EQ(decode(request_of(id, "/x", without_path), &request), 0);
		EXPECT_EQ(request.call.path, nullptr);
	}
	for (enum sp_call_id id : {SP_CALL_utime, SP_CALL_utimes, SP_CALL_fchmodat, SP_CALL_chmod})
		EXPECT_EQ(decode_changed(id, without_path), -EBADMSG);
	EXPECT_EQ(decode_changed(SP_CALL_fchmod, [](Request &, Call &c) { c.has_path = 1; }),
		  -EBADMSG);
}

TEST(Decode, AValueHasFourThousandBytesAtMost)
{
	std::string value(SP_DATA_MAX + 1, '\0');

	for (size_t length : {size_t{0}, size_t{1}, size_t{SP_DATA_MAX}, size_t{SP_DATA_MAX} + 1}) {
		struct sp_slot_request request;
		auto change = [&](Request &, Call &c) {
			c.data = {length, reinterpret_cast<uint8_t *>(&value[0])};
		};
		ASSERT_EQ(decode(request_of(SP_CALL_setxattr, "/x", change), &request),
			  length > SP_DATA_MAX ? -EBADMSG : 0)
		    << length;
		if (length <= SP_DATA_MAX) {
			EXPECT_EQ(request.call.data_length, length);
		}
	}
	EXPECT_EQ(decode_changed(SP_CALL_setxattr, [](Request &, Call &c) { c.has_data = 0; }),
		  -EBADMSG);
	EXPECT_EQ(decode_changed(SP_CALL_removexattr, [](Request &, Call &c) { c.has_data = 1; }),
		  -EBADMSG);
	EXPECT_EQ(decode_changed(SP_CALL_fsetxattr, [](Request &, Call &c) { c.has_size = 1; }),
		  -EBADMSG);
}

TEST(Decode, OwnerAndGroupBelongTogether)
{
	struct sp_slot_request request;
	auto ids = [](Request &, Call &c) { c.owner = 7, c.group = UINT32_MAX; };

	ASSERT_EQ(decode(request_of(SP_CALL_fchownat, "/x", ids), &request), 0);
	EXPECT_EQ(request.call.owner, 7u);
	EXPECT_EQ(request.call.group, UINT32_MAX);
	EXPECT_EQ(decode_changed(SP_CALL_chown, [](Request &, Call &c) { c.has_group = 0; }),
		  -EBADMSG);
	EXPECT_EQ(decode_changed(SP_CALL_chown, [](Request &, Call &c) { c.has_owner = 0; }),
		  -EBADMSG);
	EXPECT_EQ(decode_changed(SP_CALL_chown, [](Request &, Call &c) { c.has_mode = 1; }),
		  -EBADMSG);
	EXPECT_EQ(decode_changed(SP_CALL_chmod, [](Request &, Call &c) { c.has_group = 1; }),
		  -EBADMSG);
}

TEST(Decode, TimesAreFourNumbersOrNone)
{
	int64_t numbers[] = {1, INT64_MIN, INT64_MAX, 4, 5};

	for (size_t count = 0; count <= 5; count++) {
		struct sp_slot_request request;
		auto times = [&](Request &, Call &call) {
			call.n_time = count;
			call.time = numbers;
		};

		ASSERT_EQ(decode(request_of(SP_CALL_utimensat, "/x", times), &request),
			  count == 0 || count == 4 ? 0 : -EBADMSG)
		    << count;
		EXPECT_EQ(decode_changed(SP_CALL_chmod, times), count == 0 ? 0 : -EBADMSG);
		if (count != 4)
			continue;
		EXPECT_TRUE(request.call.has_times);
		EXPECT_EQ(request.call.times[0].tv_nsec, INT64_MIN);
		EXPECT_EQ(request.call.times[1].tv_sec, INT64_MAX);
	}
}

TEST(Decode, PathsWithNulAndTooLongOnes)
{
	EXPECT_EQ(decode(request_of(SP_CALL_open, std::string("/etc\0/shadow", 12))), -EBADMSG);
	EXPECT_EQ(decode(request_of(SP_CALL_open, std::string(PATH_MAX - 1, 'a'))), 0);
	EXPECT_EQ(decode(request_of(SP_CALL_open, std::string(PATH_MAX, 'a'))), -EBADMSG);
	std::string text("a\0b", 3), longest(PATH_MAX, 'a');
	for (std::string *bad : {&text, &longest})
		EXPECT_EQ(
		    decode_changed(
			SP_CALL_symlink,
			[bad](Request &, Call &c) {
				c.text = {bad->size(), reinterpret_cast<uint8_t *>(&(*bad)[0])};
			}),
		    -EBADMSG);
	for (size_t length : {size_t{XATTR_NAME_MAX}, size_t{XATTR_NAME_MAX} + 1})
		EXPECT_EQ(decode_changed(
			      SP_CALL_getxattr,
			      [&](Request &, Call &c) {
				      c.text = {length, reinterpret_cast<uint8_t *>(&longest[0])};
			      }),
			  length > XATTR_NAME_MAX ? -EBADMSG : 0);
	EXPECT_EQ(decode(request_of(SP_CALL_open, "")), 0) << "an empty name is a legal argument";
}

TEST(Decode, NumbersOutOfRange)
{
	EXPECT_EQ(decode_changed(SP_CALL_open, [](Request &, Call &c) { c.umask = 01000; }),
		  -EBADMSG);
	EXPECT_EQ(decode_changed(SP_CALL_open, [](Request &r, Call &) { r.tid = 0; }), -EBADMSG);
	EXPECT_EQ(decode_changed(SP_CALL_open, [](Request &r, Call &) { r.tid = -1; }), -EBADMSG);
}

TEST(Decode, ARefusedCallHasSixArguments)
{
	for (size_t count = 0; count < 9; count++) {
		Sallyport__Wire__Request request = SALLYPORT__WIRE__REQUEST__INIT;
		Sallyport__Wire__Refused refused = SALLYPORT__WIRE__REFUSED__INIT;
		uint64_t arguments[9] = {1, 2, 3, UINT64_MAX, 5, 6, 7, 8, 9};
		struct sp_slot_request plain;

		refused.nr = 41;
		refused.n_argument = count;
		refused.argument = arguments;
		request.tid = 2;
		request.what_case = SALLYPORT__WIRE__REQUEST__WHAT_REFUSED;
		request.refused = &refused;
		ASSERT_EQ(decode(pack(&request.base), &plain), count == 6 ? 0 : -EBADMSG) << count;
		if (count == 6) {
			EXPECT_TRUE(plain.refused);
			EXPECT_EQ(plain.refusal.nr, 41);
			EXPECT_EQ(plain.refusal.argument[3], UINT64_MAX);
		}
	}
}

TEST(Decode, TheLargestLegalRequestFitsIntoASlotAndItsArena)
{
	for (int id = 0; id < SP_CALL_COUNT; id++) {
		Bytes bytes =
		    request_of(static_cast<sp_call_id>(id), std::string(PATH_MAX - 2, 'a'));

		EXPECT_LE(bytes.size(), size_t{SP_SLOT_BYTES}) << sp_call_table[id].name;
		EXPECT_EQ(decode(bytes), 0) << sp_call_table[id].name;
	}
}
