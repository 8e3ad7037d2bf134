/* SPDX-License-Identifier: Apache-2.0 */
/* Policies that are built from C are those that a text makes. */
#include "ipc/runtime.h"
#include "support.h"

#include <cerrno>
#include <sys/ioctl.h>

#include "policy/model.h"

namespace
{

using sallyport::load;
using sallyport::parse;
using sallyport::Policy;

class BuildTest : public sallyport::PolicyTest
{
};

Policy make(const char *name)
{
	sp_policy *policy = nullptr;

	EXPECT_EQ(0, sp_policy_new(name, &policy));
	return Policy(policy);
}

Policy preset(const char *name)
{
	sp_policy *policy = nullptr;

	EXPECT_EQ(0, sp_policy_load(name, nullptr, nullptr, &policy));
	return Policy(policy);
}

std::vector<uint8_t> filter(sp_policy *policy)
{
	auto rules = load(sallyport::compile(policy));
	sock_fprog program = sp_rules_filter(rules.get());
	auto *bytes = reinterpret_cast<const uint8_t *>(program.filter);

	return {bytes, bytes + program.len * sizeof(sock_filter)};
}

TEST_F(BuildTest, RulesOneByOneMakeWhatATextMakes)
{
	Policy text = parse("policy built\n"
			    "include parser\n"
			    "within bound\n"
			    "syscalls {\n"
			    "	allow @sync, ioctl(request == TIOCGWINSZ, fd < 3)\n"
			    "	allow mprotect(prot & PROT_EXEC == 0)\n"
			    "	deny  socket as EACCES\n"
			    "	kill  ptrace\n"
			    "	default errno ENODEV\n"
			    "}\n"
			    "memory { wx allow }\n"
			    "files { read /srv/**; deny /srv/private/** as ENOENT }\n"
			    "limits { memory 256M }\n"
			    "isolate { user; pid; network optional }\n"
			    "policy bound\n"
			    "syscalls { allow @basic-io, @sync, ioctl, mprotect }\n"
			    "files { read /srv/** }\n");
	Policy built = make("built"), bound = make("bound"), parser = preset("parser");
	const sp_policy_test window[] = {{"request", SP_POLICY_EQUAL, 0, TIOCGWINSZ},
					 {"fd", SP_POLICY_BELOW, 0, 3}};
	const sp_policy_test data = {"prot", SP_POLICY_EQUAL, 4, 0};

	for (const char *call : {"@basic-io", "@sync", "ioctl", "mprotect"})
		EXPECT_EQ(0,
			  sp_policy_rule(bound.get(), SP_POLICY_ALLOW, 0, call, nullptr, 0, "b"));
	EXPECT_EQ(0, sp_policy_grant(bound.get(), "read", "/srv/**", "b"));
	EXPECT_EQ(0, sp_policy_include(built.get(), parser.get()));
	EXPECT_EQ(0, sp_policy_within(built.get(), bound.get()));
	EXPECT_EQ(0, sp_policy_rule(built.get(), SP_POLICY_ALLOW, 0, "@sync", nullptr, 0, "c"));
	EXPECT_EQ(0, sp_policy_rule(built.get(), SP_POLICY_ALLOW, 0, "ioctl", window, 2, "c"));
	EXPECT_EQ(0, sp_policy_rule(built.get(), SP_POLICY_ALLOW, 0, "mprotect", &data, 1, "c"));
	EXPECT_EQ(0,
		  sp_policy_rule(built.get(), SP_POLICY_DENY, EACCES, "socket", nullptr, 0, "c"));
	EXPECT_EQ(0, sp_policy_rule(built.get(), SP_POLICY_KILL, 0, "ptrace", nullptr, 0, "c"));
	EXPECT_EQ(0, sp_policy_default(built.get(), SP_POLICY_ERRNO, ENODEV, "c"));
	EXPECT_EQ(0, sp_policy_wx(built.get(), true, "c"));
	EXPECT_EQ(0, sp_policy_grant(built.get(), "read", "/srv/**", "c"));
	EXPECT_EQ(0, sp_policy_deny(built.get(), "/srv/private/**", ENOENT, "c"));
	EXPECT_EQ(0, sp_policy_limit(built.get(), "memory", "256M"));
	EXPECT_EQ(0, sp_policy_isolate(built.get(),
				       SP_POLICY_LAYER_USER | SP_POLICY_LAYER_PID |
					   SP_POLICY_LAYER_NETWORK,
				       SP_POLICY_LAYER_NETWORK, "c"));

	EXPECT_EQ(filter(text.get()), filter(built.get()));
	auto ours = load(sallyport::compile(built.get())),
	     its = load(sallyport::compile(text.get()));
	EXPECT_EQ(sp_rules_isolate(its.get()), sp_rules_isolate(ours.get()));
	EXPECT_EQ(sp_rules_optional_layers(its.get()), sp_rules_optional_layers(ours.get()));
	EXPECT_EQ(sp_rules_limits(its.get())->memory, sp_rules_limits(ours.get())->memory);
	for (const char *name : {"/srv/a", "/srv/private/a", "/etc/a"}) {
		sp_path_decision a, b;
		sp_rules_decide(its.get(), name, strlen(name), &a);
		sp_rules_decide(ours.get(), name, strlen(name), &b);
		EXPECT_EQ(a.rights, b.rights) << name;
		EXPECT_EQ(a.error, b.error) << name;
	}
}

TEST_F(BuildTest, WhatChangesInABoundLaterDoesNotWiden)
{
	Policy policy = make("a"), bound = make("b");

	EXPECT_EQ(0, sp_policy_rule(policy.get(), SP_POLICY_ALLOW, 0, "sync", nullptr, 0, "a"));
	EXPECT_EQ(0, sp_policy_within(policy.get(), bound.get()));
	std::vector<uint8_t> before = filter(policy.get());
	EXPECT_EQ(0, sp_policy_rule(bound.get(), SP_POLICY_ALLOW, 0, "sync", nullptr, 0, "b"));
	EXPECT_EQ(before, filter(policy.get()));
	EXPECT_EQ(0, sp_policy_grant(policy.get(), "read", "/x", "a"));
	EXPECT_EQ(before, filter(policy.get()));
	for (int i = 0; i < SP_LAYERS_MAX - 2; i++)
		EXPECT_EQ(0, sp_policy_within(policy.get(), bound.get())) << i;
	EXPECT_EQ(-E2BIG, sp_policy_within(policy.get(), bound.get()));
	EXPECT_EQ(-E2BIG, sp_policy_within(policy.get(), policy.get()));
}

TEST_F(BuildTest, PhasesAreNamed)
{
	Policy policy = make("a"), bound = make("b");

	EXPECT_EQ(0, sp_policy_grant(policy.get(), "read, write", "/x", "a"));
	EXPECT_EQ(0, sp_policy_grant(bound.get(), "read", "/x", "b"));
	EXPECT_EQ(-EINVAL, sp_policy_phase(policy.get(), "two words", bound.get()));
	EXPECT_EQ(0, sp_policy_phase(policy.get(), "late", bound.get()));
	EXPECT_EQ(-EEXIST, sp_policy_phase(policy.get(), "late", bound.get()));
	/* As it was then. */
	EXPECT_EQ(0, sp_policy_grant(bound.get(), "write", "/x", "b"));
	sallyport::Rules rules = sallyport::load(sallyport::compile(policy.get()));
	sp_path_decision decision = {};
	sp_rules_decide(rules.get(), "/x", 2, &decision);
	EXPECT_EQ(uint32_t(SP_RIGHT_READ | SP_RIGHT_WRITE), decision.rights);
	EXPECT_EQ(0, sp_rules_enter(rules.get(), sp_phase_id("late")));
	sp_rules_decide(rules.get(), "/x", 2, &decision);
	EXPECT_EQ(SP_RIGHT_READ, decision.rights);
	for (int i = 1; i < SP_PHASES_MAX; i++)
		EXPECT_EQ(0, sp_policy_phase(policy.get(), std::to_string(i).c_str(), bound.get()));
	EXPECT_EQ(-E2BIG, sp_policy_phase(policy.get(), "one-more", bound.get()));
}

TEST_F(BuildTest, AChangeIsSeenByTheNextCompilation)
{
	Policy policy = make("a");
	std::vector<uint8_t> before = filter(policy.get());

	EXPECT_EQ(0, sp_policy_rule(policy.get(), SP_POLICY_ALLOW, 0, "sync", nullptr, 0, "a"));
	EXPECT_NE(before, filter(policy.get()));
}

TEST_F(BuildTest, MistakesAreTold)
{
	Policy policy = make("a");
	sp_policy *none = nullptr;
	auto rule = [&](sp_policy_verdict verdict, unsigned error, const char *call,
			std::vector<sp_policy_test> tests = {}) {
		return sp_policy_rule(policy.get(), verdict, error, call, tests.data(),
				      tests.size(), "a test");
	};

	EXPECT_EQ(-EINVAL, sp_policy_new("two words", &none));
	EXPECT_EQ(-EINVAL, sp_policy_new("", &none));
	EXPECT_EQ(nullptr, none);
	EXPECT_EQ(-ENOENT, rule(SP_POLICY_ALLOW, 0, "no_such_call"));
	EXPECT_EQ(-ENOENT, rule(SP_POLICY_ALLOW, 0, "@no-such-group"));
	EXPECT_EQ(-ENOSYS, rule(SP_POLICY_ALLOW, 0, "socketcall"));
	EXPECT_EQ(-EPERM, rule(SP_POLICY_ALLOW, 0, "openat"));
	EXPECT_EQ(-EPERM, rule(SP_POLICY_ALLOW, 0, "unshare"));
	EXPECT_EQ(-EPERM, rule(SP_POLICY_KILL, 0, "exit_group"));
	EXPECT_EQ(-EPERM, rule(SP_POLICY_BROKER, 0, "sync"));
	EXPECT_EQ(-EINVAL, rule(SP_POLICY_DENY, 0, "sync"));
	EXPECT_EQ(-EINVAL, rule(SP_POLICY_DENY, 4096, "sync"));
	EXPECT_EQ(-EPERM, rule(SP_POLICY_ERRNO, 0, "openat"));
	EXPECT_EQ(-EINVAL, rule(SP_POLICY_ERRNO, 4096, "sync"));
	EXPECT_EQ(0, rule(SP_POLICY_ERRNO, 0, "syncfs"));
	EXPECT_EQ(-EINVAL, sp_policy_default(policy.get(), SP_POLICY_ERRNO, 0, "a test"));
	EXPECT_EQ(-EINVAL, rule(SP_POLICY_TRAP, 65536, "sync"));
	EXPECT_EQ(-EINVAL, rule(SP_POLICY_ALLOW, 1, "sync"));
	EXPECT_EQ(-EINVAL, rule(static_cast<sp_policy_verdict>(99), 0, "sync"));
	EXPECT_EQ(-EINVAL, rule(SP_POLICY_ALLOW, 0, "@sync", {{"fd", SP_POLICY_EQUAL, 0, 1}}));
	EXPECT_EQ(-EINVAL, rule(SP_POLICY_ALLOW, 0, "ioctl", {{"flags", SP_POLICY_EQUAL, 0, 1}}));
	EXPECT_EQ(-EINVAL, rule(SP_POLICY_ALLOW, 0, "ioctl", {{"fd", SP_POLICY_BELOW, 7, 1}}));
	EXPECT_EQ(-EINVAL, rule(SP_POLICY_ALLOW, 0, "ioctl", {{"fd", SP_POLICY_EQUAL, 4, 1}}));
	EXPECT_EQ(-EINVAL, rule(SP_POLICY_ALLOW, 0, "ioctl",
				{{"fd", SP_POLICY_EQUAL, 0, UINT64_C(1) << 32}}));
	EXPECT_EQ(-EINVAL, rule(SP_POLICY_ALLOW, 0, "ioctl",
				{{"fd", static_cast<sp_policy_relation>(9), 0, 1}}));
	EXPECT_EQ(-E2BIG, rule(SP_POLICY_ALLOW, 0, "ioctl",
			       std::vector<sp_policy_test>(65, {"fd", SP_POLICY_UNEQUAL, 0, 1})));
	EXPECT_EQ(0, rule(SP_POLICY_ALLOW, 0, "sync"));
	EXPECT_EQ(0, rule(SP_POLICY_ALLOW, 0, "sync"));
	EXPECT_EQ(-EEXIST, rule(SP_POLICY_KILL, 0, "sync"));
	EXPECT_EQ(-EINVAL, sp_policy_default(policy.get(), SP_POLICY_ALLOW, 0, "a test"));
	EXPECT_EQ(-EINVAL, sp_policy_default(policy.get(), SP_POLICY_DENY, 0, "a test"));
	EXPECT_EQ(-EINVAL, sp_policy_deny(policy.get(), "relative", EACCES, "a test"));
	EXPECT_EQ(-EINVAL, sp_policy_deny(policy.get(), "/a", 0, "a test"));
	EXPECT_EQ(0, sp_policy_grant(policy.get(), "read", "/a", "a test"));
	EXPECT_EQ(-EEXIST, sp_policy_deny(policy.get(), "/a", EACCES, "a test"));
	EXPECT_EQ(-EINVAL, sp_policy_include(policy.get(), policy.get()));
	EXPECT_EQ(-EINVAL, sp_policy_isolate(policy.get(), SP_POLICY_LAYER_USER, 0, "a test"));
	EXPECT_EQ(-EINVAL,
		  sp_policy_isolate(policy.get(), SP_POLICY_LAYER_USER | SP_POLICY_LAYER_PID,
				    SP_POLICY_LAYER_PID, "a test"));
}

} // namespace
