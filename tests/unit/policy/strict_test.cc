/* SPDX-License-Identifier: Apache-2.0 */
/* `strict`: what the model says of it, what contradicts it, and what the tools show. */
#include "support.h"

#include <cerrno>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sys/syscall.h>

#include "ipc/arch.h"
#include "policy/judge.h"
#include "policy/names.h"

namespace
{

using sallyport::compile;
using sallyport::load;
using sallyport::mistakes;
using sallyport::parse;
using sallyport::Policy;

class StrictTest : public sallyport::PolicyTest
{
};

const char kStrict[] = "policy worker\nstrict\nlimits { memory 64M; cpu 5s }\n";

uint32_t verdict(const sp_policy *policy, sp_filter_kind kind, int nr, uint32_t arch,
		 uint64_t argument)
{
	seccomp_data data = {
	    nr, arch, 0, {argument, argument, argument, argument, argument, argument}};
	sp_verdict verdict;

	EXPECT_EQ(0, sp_model_verdict(policy, kind, &data, &verdict));
	return verdict.action;
}

TEST_F(StrictTest, FourCallsAndDeathForAllOthers)
{
	Policy policy = parse(kStrict);

	EXPECT_TRUE(sp_policy_is_strict(policy.get()));
	EXPECT_TRUE(sp_rules_strict(load(compile(policy.get())).get()));
	for (sp_filter_kind kind : {SP_FILTER_LOCK, SP_FILTER_FLOOR, SP_FILTER_ALONE})
		for (int nr = -1; nr <= SP_NUMBERS + 1; nr++)
			for (uint64_t argument : {0ull, 1ull, 1022ull, 0x53505254ull, ~0ull}) {
				bool allowed = nr == __NR_read || nr == __NR_write ||
					       nr == __NR_exit || nr == __NR_rt_sigreturn;

				ASSERT_EQ(allowed ? SECCOMP_RET_ALLOW : SECCOMP_RET_KILL_PROCESS,
					  verdict(policy.get(), kind, nr, SP_AUDIT_ARCH, argument))
				    << nr;
			}
}

/* As in kernel/seccomp.c: mode1_syscalls_32. x32 has none of them. */
TEST_F(StrictTest, TheKernelKnowsTheFourByI386NumbersToo)
{
	Policy policy = parse(kStrict);

	for (int nr = 0; nr < SP_NUMBERS; nr++) {
		bool allowed = nr == 1 || nr == 3 || nr == 4 || nr == 119;

		ASSERT_EQ(allowed ? SECCOMP_RET_ALLOW : SECCOMP_RET_KILL_PROCESS,
			  verdict(policy.get(), SP_FILTER_LOCK, nr, AUDIT_ARCH_I386, 0));
		ASSERT_EQ(SECCOMP_RET_KILL_PROCESS,
			  verdict(policy.get(), SP_FILTER_LOCK, nr, 0, 0));
		ASSERT_EQ(SECCOMP_RET_KILL_PROCESS,
			  verdict(policy.get(), SP_FILTER_LOCK, nr | 0x40000000, SP_AUDIT_ARCH, 0));
	}
}

TEST_F(StrictTest, WhatItSaysItselfMayBeSaidAgain)
{
	parse(
	    "policy a\nstrict\nsyscalls { allow read, write; kill ptrace, openat; default kill }\n"
	    "memory { wx deny }\nfiles { }\nisolate { user; pid; mount }\n");
	parse("policy a\ninclude b\npolicy b\nstrict\n");
}

struct Contradiction {
	const char *text, *place;
} kContradictions[] = {
    {"policy a\nstrict\nsyscalls { allow lseek }", "a:3:18: "},
    {"policy a\nstrict\nsyscalls { allow read(fd == 3) }", "a:3:18: "},
    {"policy a\nstrict\nsyscalls { kill read }", "a:3:17: "},
    {"policy a\nstrict\nsyscalls { deny write as EIO }", "a:3:17: "},
    {"policy a\nstrict\nsyscalls { deny openat as EIO }", "a:3:17: "},
    {"policy a\nstrict\nsyscalls { errno EIO dup }", "a:3:22: "},
    {"policy a\nstrict\nsyscalls { ask bind }", "a:3:16: "},
    {"policy a\nstrict\nsyscalls { log read }", "a:3:16: "},
    {"policy a\nstrict\nsyscalls { default deny as ENOSYS }", "a:2:1: "},
    {"policy a\nstrict\nfiles { read /srv/** }", "a:3:14: "},
    {"policy a\nstrict\nfiles { deny /srv/** }", "a:3:14: "},
    {"policy a\nstrict\nnetwork { connect unix /run/x }", "a:3:24: "},
    {"policy a\nstrict\nnetwork { connect tcp 127.0.0.1:80 }", "a:2:1: "},
    {"policy a\nstrict\nmemory { wx allow }", "a:2:1: "},
    {"policy a\nstrict\nphase late within b\npolicy b\nsyscalls { allow read }", "a:2:1: "},
    {"policy a\nstrict\nwithin b\npolicy b\nsyscalls { allow read }", "a:2:1: "},
    {"policy a\nwithin b\npolicy b\nstrict", "a:2:8: "},
    {"policy a\nphase late within b\npolicy b\nstrict", "a:2:19: "},
    {"policy a\nstrict\ninclude b\npolicy b\nsyscalls { allow lseek }", "a:2:1: "},
    {"policy a\ninclude b\nfiles { read /srv/** }\npolicy b\nstrict", "a:3:14: "},
    {"policy a\ninclude pure\nstrict", "a:3:1: "},
    {"policy a\nstrict now", "a:2:8: "},
    {"policy a\nstrict { }", "a:2:1: "},
};

TEST_F(StrictTest, WhatContradictsItIsToldWithItsLine)
{
	for (const Contradiction &contradiction : kContradictions) {
		std::string told = mistakes("a", contradiction.text);

		EXPECT_EQ(0u, told.find(contradiction.place + std::string("error: ")))
		    << contradiction.text << "\n"
		    << told;
	}
	/* A group once, and the next rule too. */
	std::string both =
	    mistakes("a", "policy a\nstrict\nsyscalls { allow @sync }\nfiles { read /x }");
	EXPECT_EQ(0u, both.find("a:3:18: error: \"strict\" lets read, write, exit")) << both;
	EXPECT_EQ(both.find("a:3:18"), both.rfind("a:3:18")) << both;
	EXPECT_NE(std::string::npos,
		  both.find("a:4:14: error: below \"strict\" nothing can be opened"));
	EXPECT_EQ(
	    0u, mistakes("a", "policy a\nstrct").find("a:2:1: error: unknown statement \"strct\""));
}

TEST_F(StrictTest, TheApiRefusesTheSame)
{
	sp_policy *made = nullptr;
	uint8_t *bytes = nullptr;
	void *program;
	size_t length;

	ASSERT_EQ(0, sp_policy_new("a", &made));
	Policy policy(made), other = parse("policy b");
	EXPECT_FALSE(sp_policy_is_strict(made));
	ASSERT_EQ(0, sp_policy_strict(made, "c"));
	EXPECT_TRUE(sp_policy_is_strict(made));
	EXPECT_EQ(-EOPNOTSUPP, sp_policy_bpf(made, SP_POLICY_FILTER_ALONE, &program, &length));
	EXPECT_EQ(-EOPNOTSUPP, sp_policy_within(other.get(), made));
	EXPECT_EQ(-EOPNOTSUPP, sp_policy_phase(other.get(), "late", made));
	ASSERT_EQ(0, sp_policy_compile(made, &bytes, &length));
	free(bytes);
	ASSERT_EQ(0, sp_policy_grant(made, "read", "/x", "c"));
	EXPECT_EQ(-EINVAL, sp_policy_compile(made, &bytes, &length));
	ASSERT_EQ(0, sp_policy_include(other.get(), policy.get()));
	EXPECT_TRUE(sp_policy_is_strict(other.get()));
	EXPECT_EQ(-EINVAL, sp_policy_compile(other.get(), &bytes, &length));
}

std::string shown(const sp_policy *policy, sp_policy_form form)
{
	char *text = nullptr;

	EXPECT_EQ(0, sp_policy_show(policy, form, SP_POLICY_FILTER_TRAP, &text));
	std::string copy = text ? text : "";
	free(text);
	return copy;
}

TEST_F(StrictTest, ShowSaysSo)
{
	Policy policy = parse(kStrict);
	std::string text = shown(policy.get(), SP_POLICY_FORM_TEXT);

	EXPECT_NE(std::string::npos, text.find("\nstrict  # test.policy:2:1\n")) << text;
	Policy again = parse(text);
	char *difference = nullptr;
	EXPECT_EQ(0, sp_policy_diff(policy.get(), again.get(), &difference)) << difference;
	free(difference);
	EXPECT_EQ(0u, shown(policy.get(), SP_POLICY_FORM_BPF).find("# No program: the kernel's "));
	EXPECT_NE(std::string::npos,
		  shown(policy.get(), SP_POLICY_FORM_JSON).find("\"strict\": true"));
	EXPECT_NE(std::string::npos, shown(policy.get(), SP_POLICY_FORM_PSEUDO_CODE)
					 .find("\nopenat\n\tkill, finally  # test.policy:2:1\n"));
}

TEST_F(StrictTest, ExplainDiffAndProveKnowIt)
{
	Policy policy = parse(kStrict),
	       same = parse("policy b\nsyscalls { allow read, write; default kill }\n"
			    "limits { memory 64M; cpu 5s }");
	struct {
		const char *call;
		sp_policy_verdict verdict;
	} const cases[] = {{"read(0, 0, 5)", SP_POLICY_ALLOW},
			   {"write(1, \"x\", 1)", SP_POLICY_ALLOW},
			   {"exit(0)", SP_POLICY_ALLOW},
			   {"exit_group(0)", SP_POLICY_KILL},
			   {"getpid()", SP_POLICY_KILL},
			   {"fstat(1, 0)", SP_POLICY_KILL},
			   {"clone3(0, 0)", SP_POLICY_KILL},
			   {"open(\"/etc/passwd\", O_RDONLY)", SP_POLICY_KILL}};
	char *text = nullptr;

	for (const auto &one : cases) {
		sp_explanation *explanation = nullptr;
		std::string diagnostics;

		ASSERT_EQ(0, sp_policy_explain(policy.get(), one.call, sallyport::append_diagnostic,
					       &diagnostics, &explanation))
		    << one.call << diagnostics;
		EXPECT_EQ(one.verdict, explanation->verdict) << one.call;
		EXPECT_STREQ("test.policy:2:1", explanation->rule) << one.call;
		sp_explanation_free(explanation);
	}
	EXPECT_EQ(1, sp_policy_diff(policy.get(), same.get(), &text));
	EXPECT_NE(std::string::npos,
		  std::string(text).find("~ the lock: SECCOMP_MODE_STRICT | a filter\n"));
	EXPECT_NE(std::string::npos, std::string(text).find("+ exit_group(")) << text;
	free(text);
	for (const char *statement : {"never read /**", "never write /etc/**", "never socket",
				      "never mmap", "always exit", "never openat"}) {
		EXPECT_EQ(1, sp_policy_prove(policy.get(), statement, nullptr, nullptr, &text))
		    << statement;
		free(text);
	}
	EXPECT_EQ(0, sp_policy_prove(policy.get(), "never exit", nullptr, nullptr, &text));
	free(text);
}

} // namespace
