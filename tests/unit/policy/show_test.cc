/* SPDX-License-Identifier: Apache-2.0 */
/* A policy shown whole is a policy that says the same; its filter, shown or raw, is the one that is loaded. */
#include "support.h"

#include <cstring>
#include <linux/filter.h>
#include <random>

#include "bpf_simulator.h"
#include "ipc/arch.h"
#include "policy/judge.h"
#include "policy/model.h"
#include "policy/names.h"

namespace
{

using sallyport::parse;
using sallyport::Policy;

std::string show(const sp_policy *policy, sp_policy_form form = SP_POLICY_FORM_TEXT,
		 sp_policy_filter filter = SP_POLICY_FILTER_NOTIFY)
{
	char *text = nullptr;

	EXPECT_EQ(0, sp_policy_show(policy, form, filter, &text));
	std::string copy = text ? text : "";
	free(text);
	return copy;
}

std::vector<uint8_t> raw(const sp_policy *policy, sp_policy_filter filter)
{
	void *bytes = nullptr;
	size_t length = 0;

	EXPECT_EQ(0, sp_policy_bpf(policy, filter, &bytes, &length));
	std::vector<uint8_t> copy(static_cast<uint8_t *>(bytes),
				  static_cast<uint8_t *>(bytes) + length);
	free(bytes);
	return copy;
}

class ShowTest : public sallyport::PolicyTest
{
};

void expect_same(const std::string &text)
{
	SCOPED_TRACE(text);
	Policy policy = parse(text);
	ASSERT_TRUE(policy);
	std::string shown = show(policy.get());
	Policy again = parse(shown);

	ASSERT_TRUE(again) << shown;
	for (int nr = 0; nr < SP_NUMBERS; nr++)
		for (uint64_t a : {0ull, 1ull, 2ull, 3ull, 0x5401ull, 0x541bull, ~0ull})
			for (uint64_t b : {0ull, 1ull, 2ull, 3ull, 6ull, 0x5401ull, 0x541bull}) {
				seccomp_data data = {nr, SP_AUDIT_ARCH, 0, {a, b, b}};
				sp_verdict before = {}, after = {};

				ASSERT_EQ(0, sp_model_verdict(policy.get(), SP_FILTER_FLOOR, &data,
							      &before));
				ASSERT_EQ(0, sp_model_verdict(again.get(), SP_FILTER_FLOOR, &data,
							      &after));
				ASSERT_EQ(before.action, after.action)
				    << nr << " " << a << " " << b;
			}
}

TEST_F(ShowTest, TheTextSaysTheSame)
{
	for (const char *preset : {"parser", "program", "pure"})
		expect_same(std::string("policy p\ninclude ") + preset);
	expect_same(
	    "policy p\ninclude q\nsyscalls { allow ioctl(request == TCGETS); allow @basic-io }\n"
	    "policy q\nsyscalls { deny ioctl(request in {TCGETS, FIONREAD}) as EIO; kill ioctl(fd "
	    "> "
	    "2); allow ioctl; kill thread alarm; trap 9 dup; errno 9 dup2; default kill }\n"
	    "limits { memory 64M; wall 3s; cpu 2m; files 5 }\nisolate { user; pid; uts optional }");
	expect_same(
	    "policy p\nwithin q\ninclude parser\nfiles { read, write /a/**; deny /a/b as 77;\n"
	    "	ask read \"/x y/$$z/[ab]*?\"; create \"/a#{,}\" }\nmemory { wx allow }\n"
	    "policy q\nwithin r\nsyscalls { allow @basic-io, mmap(prot & PROT_EXEC == 0 and not fd "
	    "== -1) }\npolicy r\nsyscalls { deny read as EIO; default deny as EPERM }");
	expect_same(
	    "policy p\nsyscalls { allow setpriority(not (which == 3 and (who < 5 or who > 70000)) "
	    "or priority & 6 == 2), clone, kill(sig not in {9, 10..20}), lseek(offset in -5..5)\n"
	    "	deny setpriority(which <= 0xffffffff) as EIO }");
}

TEST_F(ShowTest, EveryLineHasItsOrigin)
{
	Policy policy =
	    parse("policy p(where = /srv)\ninclude parser\n"
		  "files { read $where/** }\nsyscalls { allow socket(domain == AF_UNIX) }");
	std::string text = show(policy.get());

	EXPECT_NE(std::string::npos, text.find("\tread /srv/**  # test.policy:3:14\n")) << text;
	EXPECT_NE(std::string::npos,
		  text.find("\tallow socket(domain == AF_UNIX)  # test.policy:4:18\n"));
	EXPECT_NE(std::string::npos,
		  text.find("\tdeny socket as EAFNOSUPPORT  # preset parser:15:8\n"));
	EXPECT_NE(std::string::npos, text.find("\tprocesses 1  # preset parser:19:20\n"));
}

TEST_F(ShowTest, ThePseudoCodeIsTheFilter)
{
	Policy policy =
	    parse("policy p\nsyscalls { allow ioctl(request == TCGETS); deny ioctl as EIO\n"
		  "	allow close }");
	std::string alone = show(policy.get(), SP_POLICY_FORM_PSEUDO_CODE, SP_POLICY_FILTER_ALONE),
		    trap = show(policy.get(), SP_POLICY_FORM_PSEUDO_CODE, SP_POLICY_FILTER_TRAP);

	EXPECT_NE(
	    std::string::npos,
	    alone.find(
		"\nioctl\n\tif request == TCGETS\n\t\tallow  # test.policy:2:18\n\terrno EIO  # "
		"test.policy:2:49\n"))
	    << alone;
	EXPECT_NE(std::string::npos, alone.find("\nclose\n\tallow  # test.policy:3:8\n"));
	EXPECT_NE(std::string::npos,
		  trap.find("\n\tif not (fd & 0xfffffffe != 1022)\n\t\ttrap to the "
			    "runtime  # built in: no policy can allow this form\n"))
	    << trap;
}

TEST_F(ShowTest, TheDisassemblyHoldsTheInstructions)
{
	Policy policy = parse("policy p\ninclude parser");

	for (sp_policy_filter filter :
	     {SP_POLICY_FILTER_ALONE, SP_POLICY_FILTER_NOTIFY, SP_POLICY_FILTER_TRAP}) {
		std::vector<uint8_t> bytes = raw(policy.get(), filter);
		std::string text = show(policy.get(), SP_POLICY_FORM_BPF, filter);
		size_t count = bytes.size() / sizeof(sock_filter), at = 0;

		ASSERT_EQ(0u, bytes.size() % sizeof(sock_filter));
		for (size_t i = 0; i < count; i++) {
			sock_filter instruction, shown;
			size_t index;
			unsigned code, jt, jf, k;

			memcpy(&instruction, &bytes[i * sizeof(instruction)], sizeof(instruction));
			ASSERT_EQ(5, sscanf(text.c_str() + at, "%zu: %x %u %u %x", &index, &code,
					    &jt, &jf, &k))
			    << text.substr(at, 80);
			shown = {uint16_t(code), uint8_t(jt), uint8_t(jf), k};
			EXPECT_EQ(i, index);
			EXPECT_EQ(0, memcmp(&instruction, &shown, sizeof(shown))) << i;
			at = text.find('\n', at) + 1;
		}
		EXPECT_EQ(text.size(), at);
	}
}

TEST_F(ShowTest, NoSuchForm)
{
	Policy policy = parse("policy p");
	char *text = nullptr;
	void *program = nullptr;
	size_t length;

	EXPECT_EQ(-EINVAL, sp_policy_show(policy.get(), static_cast<sp_policy_form>(9),
					  SP_POLICY_FILTER_ALONE, &text));
	EXPECT_EQ(-EINVAL,
		  sp_policy_bpf(policy.get(), static_cast<sp_policy_filter>(9), &program, &length));
}

} // namespace
