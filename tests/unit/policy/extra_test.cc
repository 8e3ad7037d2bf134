/* SPDX-License-Identifier: Apache-2.0 */
/* Filters that others wrote: the kernel and we agree on what a filter is and says; what cannot stand below a
 * launch is refused. */
#include "support.h"

#include <cerrno>
#include <cstring>
#include <linux/seccomp.h>
#include <random>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "policy/bpf.h"
#include "policy/extra.h"

namespace
{

using sallyport::Policy;
using Code = std::vector<sock_filter>;

class ExtraTest : public sallyport::PolicyTest
{
};

sock_filter statement(unsigned code, uint32_t k)
{
	return {static_cast<uint16_t>(code), 0, 0, k};
}

sock_filter jump(unsigned code, uint32_t k, uint8_t yes, uint8_t no)
{
	return {static_cast<uint16_t>(code), yes, no, k};
}

constexpr uint32_t kAllow = SECCOMP_RET_ALLOW;

/* `action` for one number, else allowed. */
Code refuse(uint32_t nr, uint32_t action)
{
	return {statement(BPF_LD | BPF_W | BPF_ABS, 0), jump(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 1),
		statement(BPF_RET | BPF_K, action), statement(BPF_RET | BPF_K, kAllow)};
}

int add(sp_policy *policy, const Code &code)
{
	return sp_policy_add_filter(policy, code.data(), code.size() * sizeof(code[0]));
}

Policy make()
{
	sp_policy *policy = nullptr;

	EXPECT_EQ(0, sp_policy_new("extra", &policy));
	return Policy(policy);
}

/* In a child: whether the kernel takes the program. */
bool kernel_takes(const Code &code)
{
	int status = 0;
	pid_t child = fork();

	if (child == 0) {
		Code copy = code;
		sock_fprog program = {static_cast<unsigned short>(copy.size()), copy.data()};
		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		/* It may refuse the exit. */
		long r = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program);
		if (r == 0)
			raise(SIGKILL);
		_exit(errno == EINVAL ? 1 : 2);
	}
	EXPECT_EQ(child, waitpid(child, &status, 0));
	if (WIFEXITED(status) && WEXITSTATUS(status) == 2)
		ADD_FAILURE() << "seccomp(2) failed otherwise";
	return !WIFEXITED(status);
}

TEST_F(ExtraTest, TheKernelTakesWhatIsSound)
{
	const uint16_t codes[] = {
	    BPF_LD | BPF_W | BPF_ABS,
	    BPF_LD | BPF_H | BPF_ABS,
	    BPF_LD | BPF_W | BPF_IND,
	    BPF_LD | BPF_W | BPF_LEN,
	    BPF_LDX | BPF_W | BPF_LEN,
	    BPF_LD | BPF_IMM,
	    BPF_LDX | BPF_IMM,
	    BPF_ST,
	    BPF_STX,
	    BPF_ALU | BPF_ADD | BPF_K,
	    BPF_ALU | BPF_DIV | BPF_K,
	    BPF_ALU | BPF_DIV | BPF_X,
	    BPF_ALU | BPF_MOD | BPF_K,
	    BPF_ALU | BPF_LSH | BPF_K,
	    BPF_ALU | BPF_RSH | BPF_X,
	    BPF_ALU | BPF_NEG,
	    BPF_ALU | BPF_XOR | BPF_X,
	    BPF_JMP | BPF_JA,
	    BPF_JMP | BPF_JEQ | BPF_K,
	    BPF_JMP | BPF_JGT | BPF_X,
	    BPF_JMP | BPF_JSET | BPF_K,
	    BPF_MISC | BPF_TAX,
	    BPF_MISC | BPF_TXA,
	    BPF_RET | BPF_K,
	    BPF_RET | BPF_X,
	    BPF_LDX | BPF_B | BPF_MSH,
	    0xffff,
	    BPF_ALU | 0xf0,
	    BPF_JMP | 0xf0,
	    BPF_ALU | BPF_NEG | BPF_X,
	};
	const uint32_t constants[] = {0, 1, 3, 4, 15, 16, 31, 32, 60, 64, 0x80000000};
	std::mt19937 random(7);
	int taken = 0, refused = 0;

	for (int i = 0; i < 400; i++) {
		Code code;
		for (unsigned n = random() % 2 + 1; n > 0; n--)
			code.push_back({codes[random() % (sizeof(codes) / sizeof(codes[0]))],
					static_cast<uint8_t>(random() % 3),
					static_cast<uint8_t>(random() % 3),
					constants[random() % 11]});
		code.push_back(statement(BPF_RET | BPF_K, kAllow));
		code.push_back(statement(BPF_RET | BPF_K, kAllow));
		bool ours = sp_extra_is_sound(code.data(), code.size());
		bool its = kernel_takes(code);
		EXPECT_EQ(its, ours) << "code " << code[0].code << " k " << code[0].k << " / "
				     << code[1].code << " k " << code[1].k;
		(its ? taken : refused)++;
	}
	EXPECT_GT(taken, 50);
	EXPECT_GT(refused, 50);
	EXPECT_FALSE(sp_extra_is_sound(nullptr, 0));
	Code open = {statement(BPF_LD | BPF_IMM, 0)};
	EXPECT_FALSE(sp_extra_is_sound(open.data(), 1));
}

/* In a child that lives on under the program: what getppid says of three arguments. */
TEST_F(ExtraTest, AProgramSaysWhatTheKernelHearsOfIt)
{
	std::mt19937 random(11);
	const uint16_t operators[] = {BPF_ADD, BPF_SUB, BPF_MUL, BPF_DIV, BPF_AND,
				      BPF_OR,  BPF_XOR, BPF_LSH, BPF_RSH};
	const uint16_t tests[] = {BPF_JEQ, BPF_JGT, BPF_JGE, BPF_JSET};

	for (int i = 0; i < 100; i++) {
		uint32_t value = random() % 4 ? random() % 40 : random();
		auto source = static_cast<uint16_t>(random() % 2 ? BPF_X : BPF_K);
		uint16_t op = operators[random() % 9];
		uint32_t operand = random() % 31 + 1;
		Code code = {
		    statement(BPF_LD | BPF_W | BPF_ABS, 0),
		    jump(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 1, 0),
		    statement(BPF_RET | BPF_K, kAllow),
		    statement(BPF_LD | BPF_W | BPF_ABS, 24),
		    statement(BPF_MISC | BPF_TAX, 0),
		    statement(BPF_ST, 3),
		    statement(BPF_LD | BPF_W | BPF_ABS, 16),
		    statement(static_cast<unsigned>(BPF_ALU | op | source), operand),
		    statement(BPF_STX, 4),
		    jump(static_cast<unsigned>(BPF_JMP | tests[random() % 4] | BPF_K), value, 0, 2),
		    statement(BPF_LD | BPF_MEM, 3),
		    jump(BPF_JMP | BPF_JEQ | BPF_X, 0, 1, 1),
		    statement(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 1),
		    statement(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 2),
		};
		uint32_t first = random() % 40, second = random() % 8 + 1;
		seccomp_data data = {};
		data.nr = SYS_getppid;
		data.args[0] = first;
		data.args[1] = second;
		ASSERT_TRUE(sp_extra_is_sound(code.data(), code.size()));
		sock_fprog whole = {static_cast<unsigned short>(code.size()), code.data()};
		uint32_t said = sp_bpf_run(&whole, &data);
		int status = 0;
		pid_t child = fork();
		if (child == 0) {
			sock_fprog program = {static_cast<unsigned short>(code.size()),
					      code.data()};
			prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
			if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) != 0)
				_exit(99);
			_exit(syscall(SYS_getppid, first, second) == -1 ? errno : 0);
		}
		ASSERT_EQ(child, waitpid(child, &status, 0));
		EXPECT_EQ(int(said & SECCOMP_RET_DATA), WEXITSTATUS(status)) << i;
	}
}

TEST_F(ExtraTest, WhatNothingCanBeLaunchedBelowIsRefused)
{
	Policy policy = make();

	EXPECT_EQ(-EPERM, add(policy.get(), refuse(SYS_seccomp, SECCOMP_RET_ERRNO | EPERM)));
	EXPECT_EQ(-EPERM, add(policy.get(), refuse(SYS_execveat, SECCOMP_RET_KILL_PROCESS)));
	EXPECT_EQ(-EPERM,
		  add(policy.get(), {statement(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS)}));
	EXPECT_EQ(-EINVAL, add(policy.get(), {}));
	EXPECT_EQ(-EINVAL, add(policy.get(), {statement(BPF_LD | BPF_W | BPF_ABS, 0),
					      statement(BPF_RET | BPF_A, 0)}));
	EXPECT_EQ(-EINVAL, sp_policy_add_filter(policy.get(), "1234567", 7));
	EXPECT_EQ(-EINVAL,
		  add(policy.get(), Code(BPF_MAXINSNS + 1, statement(BPF_RET | BPF_K, kAllow))));
	for (int i = 0; i < 8; i++)
		EXPECT_EQ(0, add(policy.get(), {statement(BPF_RET | BPF_K, kAllow)}));
	EXPECT_EQ(-E2BIG, add(policy.get(), {statement(BPF_RET | BPF_K, kAllow)}));
}

struct Explained {
	sp_policy_verdict verdict;
	int error;
	std::string rule, text, json;
};

Explained explain(sp_policy *policy, const char *call)
{
	sp_explanation *e = nullptr;

	if (sp_policy_explain(policy, call, nullptr, nullptr, &e) != 0)
		return {};
	Explained copy = {e->verdict, e->error, e->rule ? e->rule : "", e->text, e->json};
	sp_explanation_free(e);
	return copy;
}

TEST_F(ExtraTest, ExplainTellsWhichFilterDecidesAndWhere)
{
	const std::string text = "policy p\nsyscalls { allow uname, sync, times; kill getpgrp }\n"
				 "files { read /none/** }";
	Policy policy = sallyport::parse(text);

	EXPECT_EQ(0, add(policy.get(), refuse(SYS_uname, SECCOMP_RET_ERRNO | ENODEV)));
	EXPECT_EQ(0, add(policy.get(), refuse(SYS_sync, SECCOMP_RET_TRAP)));
	EXPECT_EQ(0, add(policy.get(), refuse(SYS_uname, SECCOMP_RET_KILL_PROCESS)));
	EXPECT_EQ(0, add(policy.get(), refuse(SYS_times, SECCOMP_RET_USER_NOTIF)));
	EXPECT_EQ(0, add(policy.get(), refuse(SYS_getpgrp, SECCOMP_RET_ERRNO | EIO)));
	EXPECT_EQ(0, add(policy.get(), refuse(SYS_openat, SECCOMP_RET_ERRNO | EUSERS)));

	Explained e = explain(policy.get(), "uname(0x1)");
	EXPECT_EQ(SP_POLICY_KILL, e.verdict);
	EXPECT_EQ("filter 3 of others, instruction 2", e.rule);
	EXPECT_NE(std::string::npos,
		  e.text.find("loses:   filter 1 of others, instruction 2: errno "
			      "ENODEV; of all filters the strictest decides\n"))
	    << e.text;
	EXPECT_NE(std::string::npos,
		  e.text.find("decides: filter 3 of others, instruction 2: kill"))
	    << e.text;
	EXPECT_NE(std::string::npos, e.text.find("allow; a filter of others is stricter\n"))
	    << e.text;
	EXPECT_NE(std::string::npos,
		  e.json.find("{\"filter\": 3, \"instruction\": 2, \"says\": \"kill\", "
			      "\"decides\": true}"))
	    << e.json;
	e = explain(policy.get(), "sync()");
	EXPECT_EQ(SP_POLICY_TRAP, e.verdict);
	EXPECT_EQ(65535, e.error);
	/* Nobody listens. */
	e = explain(policy.get(), "times(NULL)");
	EXPECT_EQ(SP_POLICY_ERRNO, e.verdict);
	EXPECT_EQ(ENOSYS, e.error);
	EXPECT_EQ("filter 4 of others, instruction 2", e.rule);
	/* A stricter one of ours stands. */
	e = explain(policy.get(), "getpgrp()");
	EXPECT_EQ(SP_POLICY_KILL, e.verdict);
	EXPECT_EQ("test.policy:2:43", e.rule);
	/* Before the porter hears of it; and what none speaks of is as ever. */
	e = explain(policy.get(), "openat(AT_FDCWD, \"/none/x\", O_RDONLY)");
	EXPECT_EQ(SP_POLICY_ERRNO, e.verdict);
	EXPECT_EQ(EUSERS, e.error);
	e = explain(policy.get(), "open(\"/none/x\", O_RDONLY)");
	EXPECT_EQ(SP_POLICY_ALLOW, e.verdict);
	EXPECT_EQ("test.policy:3:14", e.rule);
	EXPECT_NE(std::string::npos,
		  e.text.find("loses:   filter 1 of others, instruction 3: allow"))
	    << e.text;
}

TEST_F(ExtraTest, ShowNumbersThemBehindTheFilter)
{
	Policy policy = make();
	char *text = nullptr;

	EXPECT_EQ(0, add(policy.get(), refuse(SYS_uname, SECCOMP_RET_ERRNO | ENODEV)));
	EXPECT_EQ(
	    0, add(policy.get(),
		   {statement(BPF_LD | BPF_IMM, 7), statement(BPF_MISC | BPF_TAX, 0),
		    statement(BPF_ALU | BPF_ADD | BPF_X, 0), statement(BPF_ST, 3),
		    statement(BPF_LDX | BPF_MEM, 3), statement(BPF_ALU | BPF_NEG, 0),
		    jump(BPF_JMP | BPF_JGT | BPF_X, 0, 0, 0),
		    statement(BPF_LD | BPF_W | BPF_LEN, 0), statement(BPF_RET | BPF_K, kAllow)}));
	ASSERT_EQ(0,
		  sp_policy_show(policy.get(), SP_POLICY_FORM_BPF, SP_POLICY_FILTER_NOTIFY, &text));
	std::string shown = text;
	free(text);
	size_t first = shown.find("# filter 1 of others: "),
	       second = shown.find("# filter 2 of others: ");

	ASSERT_NE(std::string::npos, first);
	ASSERT_NE(std::string::npos, second);
	EXPECT_NE(std::string::npos,
		  shown.find("\n   1: 0015   0   1 0000003f  if a == 0x3f goto 2 else 3  # uname\n",
			     first));
	std::string words;

	for (size_t at = shown.find('\n', second) + 1, end;
	     (end = shown.find('\n', at)) != std::string::npos; at = end + 1)
		words += shown.substr(at + 29, end - at - 29) + "; ";
	EXPECT_EQ(
	    "a = 0x7; x = a; a += x; memory 3 = a; x = memory 3; a = -a; if a > x goto 7 else 7; "
	    "a = 64  # bytes; return 0x7fff0000  # allow; ",
	    words);
}

TEST_F(ExtraTest, TheyReachTheSandboxFromEveryLayerAndFromDisk)
{
	Policy policy = make(), bound = make(), included = make();
	uint8_t *bytes = nullptr;
	size_t length = 0, count = 0;
	sp_policy *restored = nullptr;

	EXPECT_EQ(0, add(policy.get(), refuse(SYS_uname, SECCOMP_RET_TRAP)));
	EXPECT_EQ(0, add(bound.get(), refuse(SYS_sync, SECCOMP_RET_ERRNO | ENODEV)));
	EXPECT_EQ(0, add(included.get(), refuse(SYS_times, SECCOMP_RET_TRAP | 5)));
	EXPECT_EQ(0, sp_policy_within(policy.get(), bound.get()));
	EXPECT_EQ(0, sp_policy_include(policy.get(), included.get()));
	auto rules = sallyport::load(sallyport::compile(policy.get()));
	const sock_fprog *extras = sp_rules_extra_filters(rules.get(), &count);
	ASSERT_EQ(3u, count);
	EXPECT_EQ(SECCOMP_RET_TRAP | 65535u, extras[0].filter[2].k) << "not the runtime's own trap";
	EXPECT_EQ(SECCOMP_RET_TRAP | 5u, extras[1].filter[2].k);
	EXPECT_EQ(SECCOMP_RET_ERRNO | uint32_t(ENODEV), extras[2].filter[2].k);
	ASSERT_EQ(0, sp_policy_save(policy.get(), &bytes, &length));
	ASSERT_EQ(0, sp_policy_restore(bytes, length, &restored));
	Policy owned(restored);
	EXPECT_EQ(sallyport::compile(policy.get()), sallyport::compile(restored));
	free(bytes);
}

} // namespace
