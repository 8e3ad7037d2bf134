/* SPDX-License-Identifier: Apache-2.0 */
/* Policies on disk: what is restored does what was saved; what is damaged or made up is refused. */
#include "support.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <random>
#include <sstream>
#include <unistd.h>

#include "policy/model.h"
#include "policy/names.h"
#include "policy/saved.pb-c.h"

namespace
{

using sallyport::compile;
using sallyport::parse;
using sallyport::Policy;

using Bytes = std::vector<uint8_t>;

class SaveTest : public sallyport::PolicyTest
{
};

const char kWhole[] = R"(policy whole
within bound
phase late within third
phase last within second
editable within third
include parser
group mine = {uname, sysinfo} + @sync
syscalls {
	allow @mine, ioctl(request in {TCGETS, FIONREAD, 1..4} and not fd > 2 or fd == 7)
	allow mmap(prot & PROT_EXEC == 0), kill(sig in -5..3)
	deny  socket as EAFNOSUPPORT
	errno ENODEV memfd_create
	errno 0 getcpu
	trap  9 add_key
	kill  thread request_key
	kill  ptrace
	log   times
	default errno ENOSYS
	priority 100 read, write; priority @sync
}
memory { wx allow }
files {
	read, write /srv/** ; create /srv/*/[a-c]?x; deny /srv/secret/** as ENOENT
	execute /usr/bin/*
}
network { connect unix /run/app.sock; connect tcp 127.0.0.1:80, [fd00::]/8:*; deny tcp *:1-1023 as EPERM }
limits { memory 256M; cpu 5s; wall 1500ms; files 64; processes 9; file-size 1G }
isolate { user; pid; mount; network optional; landlock }

policy bound
within second
syscalls { allow @basic-io, @memory, uname; deny socket as EACCES }
files { read /srv/**; deny /srv/private/** }

policy third
within second
syscalls { allow read }

policy second
syscalls { allow @basic-io, uname; default kill }
files { read, write /srv/** }
network { connect tcp *:80 }
limits { memory 1G }
)";

Bytes save(const sp_policy *policy)
{
	uint8_t *bytes = nullptr;
	size_t length = 0;
	Bytes copy;

	EXPECT_EQ(0, sp_policy_save(policy, &bytes, &length));
	if (bytes)
		copy.assign(bytes, bytes + length);
	free(bytes);
	return copy;
}

int restore(const Bytes &bytes, Policy *ret_policy = nullptr)
{
	/* On the heap in its exact size, so that a byte read too far is seen. */
	std::unique_ptr<uint8_t[]> exact(new uint8_t[bytes.size()]);
	sp_policy *policy = nullptr;

	std::copy(bytes.begin(), bytes.end(), exact.get());
	int r = sp_policy_restore(exact.get(), bytes.size(), &policy);
	EXPECT_EQ(r == 0, policy != nullptr);
	Policy owned(policy);
	if (ret_policy)
		*ret_policy = std::move(owned);
	return r;
}

uint32_t crc32(const uint8_t *bytes, size_t length)
{
	uint32_t table[256], sum = ~0u;

	for (uint32_t i = 0; i < 256; i++) {
		uint32_t entry = i;
		for (int bit = 0; bit < 8; bit++)
			entry = entry & 1 ? 0xedb88320u ^ entry >> 1 : entry >> 1;
		table[i] = entry;
	}
	for (size_t i = 0; i < length; i++)
		sum = table[(sum ^ bytes[i]) & 255] ^ sum >> 8;
	return ~sum;
}

constexpr size_t kHeader = 24;

/* Length and checksum as the message now has them. */
Bytes seal(Bytes bytes)
{
	uint32_t length = static_cast<uint32_t>(bytes.size() - kHeader);
	uint32_t sum = crc32(bytes.data() + kHeader, length);

	memcpy(bytes.data() + 16, &length, 4);
	memcpy(bytes.data() + 20, &sum, 4);
	return bytes;
}

/* The file of kWhole, its message changed by a test. */
int restore_changed(void (*change)(Sallyport__Saved__Saved *message))
{
	Bytes bytes = save(parse(kWhole).get());
	Sallyport__Saved__Saved *message = sallyport__saved__saved__unpack(
	    nullptr, bytes.size() - kHeader, bytes.data() + kHeader);

	change(message);
	bytes.resize(kHeader + sallyport__saved__saved__get_packed_size(message));
	sallyport__saved__saved__pack(message, bytes.data() + kHeader);
	sallyport__saved__saved__free_unpacked(message, nullptr);
	return restore(seal(bytes));
}

/* The rule of the first policy for a call; of several the one with the longest condition. */
Sallyport__Saved__Call *call_of(Sallyport__Saved__Saved *message, const char *name)
{
	Sallyport__Saved__Policy *policy = message->policy[0];
	Sallyport__Saved__Call *found = nullptr;

	for (size_t i = 0; i < policy->n_call; i++)
		if (policy->call[i]->nr == static_cast<uint32_t>(sp_call_number(name)) &&
		    (!found || policy->call[i]->n_condition > found->n_condition))
			found = policy->call[i];
	return found;
}

void set_text(ProtobufCBinaryData *bytes, const char *text, size_t length)
{
	free(bytes->data);
	bytes->data = static_cast<uint8_t *>(malloc(length + 1));
	memcpy(bytes->data, text, length);
	bytes->len = length;
}

TEST_F(SaveTest, WhatIsRestoredCompilesToTheSame)
{
	Policy policy = parse(kWhole), restored;

	ASSERT_TRUE(policy);
	ASSERT_EQ(0, restore(save(policy.get()), &restored));
	EXPECT_EQ(compile(policy.get()), compile(restored.get()));
	EXPECT_STREQ("whole", sp_policy_name(restored.get()));
	EXPECT_EQ(save(policy.get()), save(restored.get()));
}

TEST_F(SaveTest, AllPresetsOutliveIt)
{
	for (const char *name : {"parser", "program", "pure"}) {
		sp_policy *loaded = nullptr;
		ASSERT_EQ(0, sp_policy_load(name, nullptr, nullptr, &loaded));
		Policy policy(loaded), restored;
		ASSERT_EQ(0, restore(save(policy.get()), &restored));
		EXPECT_EQ(compile(policy.get()), compile(restored.get())) << name;
	}
}

TEST_F(SaveTest, ARestoredPolicyCanBeExtended)
{
	Policy policy = parse(kWhole), restored;

	ASSERT_EQ(0, restore(save(policy.get()), &restored));
	for (sp_policy *each : {policy.get(), restored.get()}) {
		EXPECT_EQ(0, sp_policy_grant(each, "read", "/opt/**", "a test"));
		EXPECT_EQ(-EINVAL, sp_policy_grant(each, "read", "/srv/secret/**", "a test"));
		EXPECT_EQ(0, sp_policy_limit(each, "memory", "1M"));
	}
	EXPECT_EQ(compile(policy.get()), compile(restored.get()));
}

TEST_F(SaveTest, DamageIsTold)
{
	const Bytes bytes = save(parse(kWhole).get());

	for (size_t length = 0; length < bytes.size(); length += length < 64 ? 1 : 97)
		EXPECT_EQ(-EBADMSG, restore(Bytes(bytes.begin(), bytes.begin() + long(length))));
	for (size_t i = 0; i < bytes.size(); i += i < 64 ? 1 : 31) {
		Bytes damaged = bytes;
		damaged[i] ^= 0x40;
		int r = restore(damaged);
		EXPECT_EQ(i / 4 == 2 ? -EPROTO : i / 4 == 3 ? -ENOEXEC : -EBADMSG, r) << i;
	}
	Bytes longer = bytes;
	longer.push_back(0);
	EXPECT_EQ(-EBADMSG, restore(longer));
}

/* Whoever can write a file can give it a checksum too. */
TEST_F(SaveTest, NothingIsRestoredThatNoTextCanSay)
{
	using Message = Sallyport__Saved__Saved;

	EXPECT_EQ(0, restore_changed([](Message *) {}));
	EXPECT_EQ(-EBADMSG, restore_changed([](Message *m) {
		call_of(m, "uname")->nr = uint32_t(sp_call_number("unshare"));
	}));
	EXPECT_EQ(-EBADMSG, restore_changed([](Message *m) {
		call_of(m, "uname")->nr = uint32_t(sp_call_number("openat"));
	}));
	EXPECT_EQ(-EBADMSG, restore_changed([](Message *m) { call_of(m, "uname")->nr = 512; }));
	EXPECT_EQ(-EBADMSG, restore_changed([](Message *m) { call_of(m, "uname")->action = 0; }));
	EXPECT_EQ(-EBADMSG, restore_changed([](Message *m) { call_of(m, "uname")->action = 10; }));
	EXPECT_EQ(-EBADMSG, restore_changed([](Message *m) { call_of(m, "uname")->error = 1; }));
	EXPECT_EQ(-EBADMSG,
		  restore_changed([](Message *m) { call_of(m, "socket")->error = 4096; }));
	EXPECT_EQ(-EBADMSG, restore_changed([](Message *m) { call_of(m, "uname")->rank = 5000; }));
	EXPECT_EQ(-EBADMSG, restore_changed([](Message *m) {
		set_text(&call_of(m, "uname")->source, "a\0b", 3);
	}));
	EXPECT_EQ(-EBADMSG,
		  restore_changed([](Message *m) { m->policy[0]->path[0]->rights = 256; }));
	EXPECT_EQ(-EBADMSG, restore_changed([](Message *m) { m->policy[0]->path[0]->error = 1; }));
	EXPECT_EQ(-EBADMSG, restore_changed([](Message *m) {
		set_text(&m->policy[0]->path[0]->pattern, "relative", 8);
	}));
	EXPECT_EQ(-EBADMSG, restore_changed([](Message *m) {
		set_text(&m->policy[0]->path[0]->pattern, "/a/../b", 7);
	}));
	EXPECT_EQ(-EBADMSG, restore_changed(
				[](Message *m) { set_text(&m->policy[0]->name, "two words", 9); }));
	EXPECT_EQ(-EBADMSG,
		  restore_changed([](Message *m) { m->policy[0]->setting[0]->which = 11; }));
	EXPECT_EQ(-EBADMSG,
		  restore_changed([](Message *m) { m->policy[0]->setting[1]->which = 0; }));
	EXPECT_EQ(-EBADMSG,
		  restore_changed([](Message *m) { m->policy[0]->setting[0]->value = 0; }));
	EXPECT_EQ(-EBADMSG, restore_changed([](Message *m) {
		for (size_t i = 0; i < m->policy[0]->n_setting; i++)
			if (m->policy[0]->setting[i]->which == 9)
				m->policy[0]->setting[i]->value = SP_ISOLATE_USER;
	}));
	EXPECT_EQ(-EBADMSG, restore_changed([](Message *m) {
		for (size_t i = 0; i < m->policy[0]->n_setting; i++)
			if (m->policy[0]->setting[i]->which == 6)
				m->policy[0]->setting[i]->value = SP_ACTION_ALLOW;
	}));
	EXPECT_EQ(-EBADMSG, restore_changed([](Message *m) {
		for (size_t i = 0; i < m->policy[0]->n_setting; i++)
			if (m->policy[0]->setting[i]->which == 7)
				m->policy[0]->setting[i]->value = 0;
	}));
	EXPECT_EQ(-EBADMSG, restore_changed([](Message *m) {
		for (size_t i = 0; i < m->policy[0]->n_setting; i++)
			if (m->policy[0]->setting[i]->which == 7)
				m->policy[0]->setting[i]->value = 4096;
	}));
	EXPECT_EQ(-EBADMSG, restore_changed([](Message *m) {
		m->policy[0]->has_bounds = 1;
		m->policy[0]->bounds = 0;
	}));
	EXPECT_EQ(-EBADMSG, restore_changed([](Message *m) { m->policy[1]->bounds = 1; }));
	EXPECT_EQ(-EBADMSG, restore_changed([](Message *m) { m->policy[2]->bounds = 7; }));
	EXPECT_EQ(-EBADMSG, restore_changed([](Message *m) { m->policy[1]->has_bounds = 0; }));
	/* 0 is bounded by 1 and that by 2; 3 and 4 bound it in one phase, 5 in another one. */
	EXPECT_EQ(-EBADMSG, restore_changed([](Message *m) { m->policy[3]->bounds = 1; }));
	EXPECT_EQ(-EBADMSG, restore_changed([](Message *m) { m->policy[5]->bounds = 3; }));
	EXPECT_EQ(-EBADMSG, restore_changed([](Message *m) {
		set_text(&m->policy[3]->phase, "two words", 9);
	}));
	EXPECT_EQ(-EEXIST,
		  restore_changed([](Message *m) { set_text(&m->policy[3]->phase, "last", 4); }));
	EXPECT_EQ(0, restore_changed([](Message *m) { m->policy[4]->bounds = 2; }));
}

TEST_F(SaveTest, ConditionsThatNoParserMakesAreRefused)
{
	using Message = Sallyport__Saved__Saved;

	EXPECT_EQ(-EBADMSG, restore_changed([](Message *m) {
		call_of(m, "ioctl")->condition[0]->kind = SP_CONDITION_AND;
	}));
	EXPECT_EQ(-EBADMSG,
		  restore_changed([](Message *m) { call_of(m, "ioctl")->condition[0]->kind = 4; }));
	EXPECT_EQ(-EBADMSG, restore_changed([](Message *m) {
		call_of(m, "ioctl")->condition[0]->argument = 6;
	}));
	EXPECT_EQ(-EBADMSG,
		  restore_changed([](Message *m) { call_of(m, "ioctl")->condition[0]->test = 2; }));
	EXPECT_EQ(-EBADMSG, restore_changed([](Message *m) {
		Sallyport__Saved__Step *step = call_of(m, "ioctl")->condition[0];
		step->wide = 0;
		step->value = UINT64_C(1) << 32;
	}));
	/* Something is left on the stack. */
	EXPECT_EQ(-EBADMSG, restore_changed([](Message *m) {
		Sallyport__Saved__Call *call = call_of(m, "ioctl");
		sallyport__saved__step__free_unpacked(call->condition[--call->n_condition],
						      nullptr);
	}));
}

/* Bits of the message from dice: refused, or restored to what can be compiled; never more than a text. */
TEST_F(SaveTest, AnyMessageIsRefusedOrMakesAPolicy)
{
	const Bytes bytes = save(parse(kWhole).get());
	std::mt19937 random(1);
	int restored = 0;

	for (int i = 0; i < 3000; i++) {
		Bytes changed = bytes;
		Policy policy;
		for (unsigned n = random() % 3 + 1; n > 0; n--)
			changed[kHeader + random() % (bytes.size() - kHeader)] ^=
			    static_cast<uint8_t>(1u << random() % 8);
		if (restore(seal(changed), &policy) == 0) {
			restored++;
			EXPECT_FALSE(compile(policy.get()).empty());
		}
	}
	EXPECT_GT(restored, 100);
}

TEST_F(SaveTest, LoadKnowsAFileByItsBeginning)
{
	char path[] = "/tmp/sallyport-saveXXXXXX";
	int file = mkstemp(path);
	Bytes bytes = save(parse(kWhole).get());
	std::string diagnostics;
	sp_policy *policy = nullptr;

	ASSERT_GE(file, 0);
	ASSERT_EQ(ssize_t(bytes.size()), write(file, bytes.data(), bytes.size()));
	ASSERT_EQ(0, sp_policy_load(path, sallyport::append_diagnostic, &diagnostics, &policy));
	Policy owned(policy);
	EXPECT_EQ(compile(parse(kWhole).get()), compile(policy));

	sp_parameter parameter = {"size", "1"};
	sp_policy_options options = {&parameter, 1, false};
	EXPECT_EQ(-EINVAL, sp_policy_load_with(path, &options, sallyport::append_diagnostic,
					       &diagnostics, &policy));
	EXPECT_NE(std::string::npos,
		  diagnostics.find("a compiled policy has no parameter \"size\""))
	    << diagnostics;
	diagnostics.clear();
	EXPECT_EQ(-EINVAL, sp_policy_load((std::string(path) + "#other").c_str(),
					  sallyport::append_diagnostic, &diagnostics, &policy));
	EXPECT_NE(std::string::npos,
		  diagnostics.find("the compiled policy is \"whole\", not \"other\""))
	    << diagnostics;
	diagnostics = sallyport::mistakes("a", std::string("policy a\ninclude ") + path + "\n");
	EXPECT_NE(std::string::npos, diagnostics.find("which has no text to include"))
	    << diagnostics;
	ASSERT_EQ(0, ftruncate(file, long(bytes.size()) - 1));
	diagnostics.clear();
	EXPECT_EQ(-EINVAL,
		  sp_policy_load(path, sallyport::append_diagnostic, &diagnostics, &policy));
	EXPECT_NE(std::string::npos, diagnostics.find("damaged; compile it anew")) << diagnostics;
	close(file);
	unlink(path);
}

TEST_F(SaveTest, AStrictPolicyIsSavedAsOne)
{
	Policy policy = parse("policy a\nstrict\nlimits { memory 1G }"), restored;
	Bytes bytes = save(policy.get());

	ASSERT_EQ(0, restore(bytes, &restored));
	EXPECT_TRUE(sp_policy_is_strict(restored.get()));
	EXPECT_EQ(compile(policy.get()), compile(restored.get()));
	/* What no text can say, no file can. */
	EXPECT_EQ(0, sp_policy_grant(policy.get(), "read", "/x", "c"));
	EXPECT_EQ(-EBADMSG, restore(save(policy.get())));
}

} // namespace
