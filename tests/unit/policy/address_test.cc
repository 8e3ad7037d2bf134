// SPDX-License-Identifier: Apache-2.0
// Addresses of TCP connections: how they are spelt, what they hold, and which rule decides.
#include "support.h"

#include <arpa/inet.h>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <set>

#include "policy/address.h"
#include "policy/rules.h"

namespace
{

using sallyport::compile;
using sallyport::parse;
using sallyport::Policy;

class AddressTest : public sallyport::PolicyTest
{
};

sp_address read(const std::string &text)
{
	sp_address address = {};
	const char *mistake = nullptr;
	size_t offset = 0;

	EXPECT_TRUE(sp_address_read(text.c_str(), &address, &mistake, &offset))
	    << text << ": " << (mistake ? mistake : "");
	return address;
}

std::string print(const sp_address &address)
{
	char buffer[SP_ADDRESS_TEXT_MAX];

	return sp_address_print(&address, buffer);
}

/* As connect(2) is told. */
sp_address told(int family, const char *host, uint16_t port)
{
	uint8_t bytes[16];
	sp_address address;

	EXPECT_EQ(1, inet_pton(family, host, bytes));
	sp_address_of(bytes, family == AF_INET ? 4 : 16, port, &address);
	return address;
}

TEST_F(AddressTest, EachHasOneCanonicalSpelling)
{
	for (const char *text : {"127.0.0.1:80", "*:53", "*:*", "10.0.0.0/8:443",
				 "0.0.0.0/0:1-1023", "[::1]:8080", "255.255.255.254/31:0"}) {
		if (strcmp(text, "192.0.2.7/31:65535") == 0)
			continue; /* has bits beyond its prefix */
		EXPECT_EQ(text, print(read(text)));
	}
	EXPECT_EQ("[::1]:80", print(read("[0:0:0:0:0:0:0:1]/128:80-80")));
	EXPECT_EQ("10.1.2.3:*", print(read("10.1.2.3/32:0-65535")));
	EXPECT_EQ("[ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe]/127:10000-65535",
		  print(read("[ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe]/127:10000-65535")));
}

TEST_F(AddressTest, WhatIsNone)
{
	const char *mistake;
	size_t offset;
	sp_address address;

	for (const char *text : {"",
				 ":",
				 ":80",
				 "127.0.0.1",
				 "127.0.0.1:",
				 "127.0.0.1:80 ",
				 " 127.0.0.1:80",
				 "*",
				 "**:80",
				 "127.1:80",
				 "127.0.0.01:80",
				 "1.2.3.4.5:80",
				 "[::1]80",
				 "[::1",
				 "[",
				 "[]:1",
				 "[::1%lo]:80",
				 "::1:80",
				 "10.0.0.0/:80",
				 "10.0.0.0/08:80",
				 "10.0.0.0/33:80",
				 "[::]/129:80",
				 "11.0.0.0/7:1",
				 "127.0.0.1:-",
				 "127.0.0.1:1-",
				 "127.0.0.1:-1",
				 "127.0.0.1:2-1",
				 "127.0.0.1:65536",
				 "127.0.0.1:99999999999999999999",
				 "127.0.0.1:00",
				 "127.0.0.1:+1",
				 "*:*-",
				 "*/0:1",
				 "[::ffff:1.2.3.4]:80",
				 "[::ffff:0:0]/96:80",
				 "0.0.0.0:80",
				 "[::]:80",
				 "localhost:80"})
		EXPECT_FALSE(sp_address_read(text, &address, &mistake, &offset)) << text;
}

TEST_F(AddressTest, WhatTheKernelTakesItFor)
{
	EXPECT_EQ("10.1.2.3:80", print(told(AF_INET6, "::ffff:10.1.2.3", 80)));
	EXPECT_EQ("127.0.0.1:80", print(told(AF_INET, "0.0.0.0", 80)));
	EXPECT_EQ("127.0.0.1:80", print(told(AF_INET6, "::ffff:0.0.0.0", 80)));
	EXPECT_EQ("[::1]:80", print(told(AF_INET6, "::", 80)));
	EXPECT_EQ("[::10.1.2.3]:0", print(told(AF_INET6, "::10.1.2.3", 0)));
}

TEST_F(AddressTest, WhatAPatternHolds)
{
	const struct {
		const char *pattern, *address;
		bool holds;
	} cases[] = {
	    {"10.0.0.0/8:80", "10.255.0.1:80", true},
	    {"10.0.0.0/8:80", "11.0.0.1:80", false},
	    {"10.0.0.0/8:80", "10.0.0.1:81", false},
	    {"10.0.0.0/9:80", "10.127.255.255:80", true},
	    {"10.0.0.0/9:80", "10.128.0.0:80", false},
	    {"0.0.0.0/0:*", "1.2.3.4:5", true},
	    {"0.0.0.0/0:*", "[::1]:5", false},
	    {"[::]/0:*", "1.2.3.4:5", false},
	    {"[::]/0:*", "[fe80::1]:5", true},
	    {"*:5", "[fe80::1]:5", true},
	    {"*:5", "1.2.3.4:5", true},
	    {"*:5", "1.2.3.4:6", false},
	    {"[2001:db8::]/33:1-9", "[2001:db8:7fff::]:9", true},
	    {"[2001:db8::]/33:1-9", "[2001:db8:8000::]:9", false},
	    {"10.0.0.0/8:80", "8.0.0.0/5:80", false},
	    {"10.0.0.0/8:80", "10.2.0.0/16:80", true},
	    {"10.0.0.0/8:80-90", "10.2.0.0/16:85-91", false},
	};

	for (const auto &c : cases) {
		sp_address pattern = read(c.pattern), address = read(c.address), both;

		EXPECT_EQ(c.holds, sp_address_holds(&pattern, &address))
		    << c.pattern << " " << c.address;
		if (c.holds) {
			ASSERT_TRUE(sp_address_meet(&pattern, &address, &both));
			EXPECT_TRUE(sp_address_equal(&both, &address));
			ASSERT_TRUE(sp_address_meet(&address, &pattern, &both));
			EXPECT_TRUE(sp_address_equal(&both, &address));
		}
	}
}

int decide(const std::string &text, const sp_address &address, std::string *rule = nullptr)
{
	Policy policy = parse(text);
	std::vector<uint8_t> bytes = compile(policy.get());
	sp_rules *rules = nullptr;
	sp_address_decision decision;

	EXPECT_EQ(0, sp_rules_load(bytes.data(), bytes.size(), &rules));
	if (!rules)
		return -1;
	sp_rules_decide_address(rules, &address, &decision);
	if (rule)
		*rule = decision.rule ? decision.rule : "";
	sp_rules_free(rules);
	return decision.error;
}

TEST_F(AddressTest, TheMostSpecificRuleDecides)
{
	const std::string policy =
	    "policy sample\nnetwork {\n"
	    "  connect tcp *:80, 10.0.0.0/8:*\n"
	    "  deny tcp 10.0.0.0/8:25 as ECONNREFUSED\n"
	    "  connect tcp 10.0.0.7:25\n"
	    "  deny tcp 127.0.0.0/8:*\n"
	    "  connect tcp [fd00::]/8:1-100\n  deny tcp [fd00::]/8:50-149\n}\n";
	std::string rule;

	EXPECT_EQ(0, decide(policy, read("192.0.2.1:80")));
	EXPECT_EQ(EACCES, decide(policy, read("192.0.2.1:81"), &rule));
	EXPECT_EQ("", rule);
	EXPECT_EQ(ECONNREFUSED, decide(policy, read("10.1.1.1:25"), &rule));
	EXPECT_EQ("test.policy:4:12", rule);
	EXPECT_EQ(0, decide(policy, read("10.0.0.7:25"), &rule));
	EXPECT_EQ("test.policy:5:15", rule);
	EXPECT_EQ(0, decide(policy, read("10.0.0.8:26")));
	EXPECT_EQ(EACCES, decide(policy, read("127.0.0.1:80")));
	EXPECT_EQ(EACCES, decide(policy, told(AF_INET, "0.0.0.0", 80)));
	EXPECT_EQ(EACCES, decide(policy, told(AF_INET6, "::ffff:0.0.0.0", 80)));
	EXPECT_EQ(0, decide(policy, read("[fd00::1]:49")));
	EXPECT_EQ(EACCES, decide(policy, read("[fd00::1]:50"))); /* both have as many ports */
	EXPECT_EQ(EACCES, decide("policy sample\n", read("127.0.0.1:80")));
}

TEST_F(AddressTest, WithinNeverWidens)
{
	const std::string policy = "policy sample\nwithin bound\n"
				   "network { connect tcp 10.0.0.0/8:*, 192.0.2.1:443 }\n"
				   "policy bound\nnetwork { connect tcp *:443; deny tcp "
				   "10.9.0.0/16:* as EPERM }\n";

	EXPECT_EQ(0, decide(policy, read("10.1.1.1:443")));
	EXPECT_EQ(0, decide(policy, read("192.0.2.1:443")));
	EXPECT_EQ(EACCES, decide(policy, read("10.1.1.1:80")));
	EXPECT_EQ(EPERM, decide(policy, read("10.9.1.1:443")));
	EXPECT_EQ(EACCES, decide(policy, read("192.0.2.2:443")));
	EXPECT_EQ(EACCES, decide("policy sample\nwithin bound\nnetwork { connect tcp *:* }\n"
				 "policy bound\n",
				 read("192.0.2.2:443")));
}

TEST_F(AddressTest, WithoutAText)
{
	sp_policy *policy = nullptr, *other = nullptr;
	char *text = nullptr;

	ASSERT_EQ(0, sp_policy_new("sample", &policy));
	EXPECT_EQ(0, sp_policy_grant(policy, "connect", "tcp:127.0.0.1:80", "here"));
	EXPECT_EQ(0, sp_policy_grant(policy, "connect", "[::1]:80", "here"));
	EXPECT_EQ(0, sp_policy_deny(policy, "tcp:10.0.0.0/8:*", EPERM, "there"));
	EXPECT_EQ(-EINVAL, sp_policy_grant(policy, "connect", "localhost:80", "here"));
	EXPECT_EQ(-EINVAL, sp_policy_grant(policy, "read", "127.0.0.1:80", "here"));
	EXPECT_EQ(-EINVAL, sp_policy_grant(policy, "connect", "10.0.0.0/8:*", "here"));
	EXPECT_EQ(-EINVAL, sp_policy_deny(policy, "tcp:10.0.0.0/8:80", 0, "there"));
	EXPECT_EQ(-EEXIST, sp_policy_deny(policy, "tcp:127.0.0.1:80", EPERM, "there"));
	ASSERT_EQ(0, sp_policy_new("other", &other));
	EXPECT_EQ(0, sp_policy_include(other, policy));
	ASSERT_EQ(0, sp_policy_show(other, SP_POLICY_FORM_TEXT, SP_POLICY_FILTER_NOTIFY, &text));
	EXPECT_NE(nullptr, strstr(text, "\tconnect tcp 127.0.0.1:80  # here\n"
					"\tconnect tcp [::1]:80  # here\n"
					"\tdeny tcp 10.0.0.0/8:* as EPERM  # there\n"))
	    << text;
	free(text);
	sp_policy_unref(policy);
	sp_policy_unref(other);
}

std::string explained(const std::string &text, const std::string &call)
{
	Policy policy = parse(text);
	sp_explanation *explanation = nullptr;
	std::string diagnostics, result;
	int r = sp_policy_explain(policy.get(), call.c_str(), sallyport::append_diagnostic,
				  &diagnostics, &explanation);

	if (r < 0)
		return diagnostics;
	result = explanation->text;
	sp_explanation_free(explanation);
	return result;
}

TEST_F(AddressTest, Explained)
{
	const std::string policy =
	    "policy sample\nnetwork { connect tcp 10.0.0.0/8:*; deny tcp 10.0.0.1:25 as EPERM; "
	    "connect unix /run/app.sock }\nsyscalls { deny socket as EAFNOSUPPORT }\n";

	EXPECT_EQ(
	    "deny as EPERM: connect(3, \"10.0.0.1:25\", 16): no right to connect\n"
	    "  by test.policy:2:46\n"
	    "the call connect\n"
	    "    decides: built in: what connects to the sockets and addresses that are named: "
	    "broker\n"
	    "    loses:   built in: default deny as ENOSYS: deny; it stands for what no rule "
	    "decides\n"
	    "the address 10.0.0.1:25\n"
	    "    loses:   test.policy:2:23: connect tcp 10.0.0.0/8:*; a longer prefix is more "
	    "specific\n"
	    "    decides: test.policy:2:46: deny tcp 10.0.0.1:25\n",
	    explained(policy, "connect(3, \"10.0.0.1:25\", 16)"));
	for (const char *call :
	     {"connect(3, \"tcp:10.0.0.2:25\", 16)", "connect(3, \"/run/app.sock\", 110)",
	      "connect(3, {sa_family=AF_INET, sin_port=htons(80), "
	      "sin_addr=inet_addr(\"10.9.9.9\")}, 16) = 0",
	      "connect(3, {sa_family=AF_UNIX, sun_path=\"/run/app.sock\"}, 110)",
	      "socket(AF_INET, SOCK_STREAM|SOCK_CLOEXEC, IPPROTO_IP)",
	      "socket(AF_INET6, SOCK_STREAM, IPPROTO_TCP)"})
		EXPECT_EQ(0u, explained(policy, call).find("allow: ")) << explained(policy, call);
	for (const char *call :
	     {"connect(3, \"[::1]:25\", 28)", "connect(3, \"/run/other.sock\", 110)",
	      "connect(3, {sa_family=AF_INET6, sin6_port=htons(80), sin6_flowinfo=htonl(0), "
	      "inet_pton(AF_INET6, \"::1\", &sin6_addr), sin6_scope_id=0}, 28)"})
		EXPECT_EQ(0u, explained(policy, call).find("deny as EACCES: ")) << call;
	EXPECT_EQ(0u, explained(policy, "socket(AF_INET, SOCK_DGRAM, IPPROTO_IP)")
			  .find("deny as EAFNOSUPPORT: "));
	EXPECT_EQ("call:1:12: error: expected an address like 127.0.0.1, [::1] or *; names are not "
		  "looked up\n  connect(3, \"localhost:25\", 16)\n             ^~~~~~~~~~~~~~\n",
		  explained(policy, "connect(3, \"localhost:25\", 16)"));
}

int proved(const std::string &text, const std::string &statement, std::string *example = nullptr)
{
	Policy policy = parse(text);
	std::string diagnostics;
	char *found = nullptr;
	int r = sp_policy_prove(policy.get(), statement.c_str(), sallyport::append_diagnostic,
				&diagnostics, &found);

	if (example)
		*example = found ? found : diagnostics;
	free(found);
	return r;
}

TEST_F(AddressTest, Proved)
{
	const std::string policy = "policy sample\nwithin bound\nnetwork {\n"
				   "  connect tcp 10.0.0.0/8:*, [fd00::]/8:443\n"
				   "  deny tcp 10.0.0.0/9:25\n  deny tcp 10.128.0.0/9:25\n}\n"
				   "policy bound\nnetwork { connect tcp *:1-1023 }\n";
	std::string example;

	EXPECT_EQ(1, proved(policy, "never connect tcp *:25"));
	EXPECT_EQ(1, proved(policy, "never connect tcp 127.0.0.0/8:*"));
	EXPECT_EQ(1, proved(policy, "never connect tcp *:1024-65535"));
	EXPECT_EQ(1, proved(policy, "never connect unix /**"));
	EXPECT_EQ(1, proved(policy, "always connect tcp [fd00::]/8:443"));
	EXPECT_EQ(1, proved(policy, "always connect tcp 10.3.0.0/16:26-1023"));
	EXPECT_EQ(0, proved(policy, "always connect tcp 10.3.0.0/16:25-1023", &example));
	EXPECT_EQ("  connect tcp 10.3.0.0:25 is denied\n  by test.policy:5:12\n", example);
	EXPECT_EQ(0, proved(policy, "never connect tcp 10.0.0.0/7:443", &example));
	EXPECT_EQ(0, proved(policy, "never connect"));
	EXPECT_EQ(1, proved("policy sample\n", "never connect"));
	EXPECT_EQ(1, proved("policy sample\nnetwork { deny tcp *:* }", "never connect"));
	EXPECT_EQ(0, proved(policy, "never socket"));
	EXPECT_EQ(1, proved(policy, "never socket with domain == AF_UNIX"));
	EXPECT_EQ(-EINVAL, proved(policy, "never connect tcp localhost:80", &example));
}

TEST_F(AddressTest, Compared)
{
	Policy a = parse("policy a\nnetwork { connect tcp 10.0.0.0/8:443, 127.0.0.1:80 }"),
	       b = parse(
		   "policy b\nnetwork { connect tcp 10.0.0.0/8:443; deny tcp 10.7.0.0/16:* }");
	char *text = nullptr;

	EXPECT_EQ(1, sp_policy_diff(a.get(), b.get(), &text));
	EXPECT_NE(nullptr, strstr(text, "- connect tcp 10.7.0.0:443: granted | deny as EACCES\n"))
	    << text;
	EXPECT_NE(nullptr, strstr(text, "- connect tcp 127.0.0.1:80: granted | deny as EACCES\n"))
	    << text;
	free(text);
	text = nullptr;
	EXPECT_EQ(0, sp_policy_diff(a.get(), a.get(), &text));
	free(text);
}

/* Brute force over a small world: eight bits of an address, and a few ports. */
TEST_F(AddressTest, ExamplesMissNothing)
{
	uint32_t state = 12345;
	auto next = [&state](uint32_t below) {
		state = state * 1664525 + 1013904223;
		return (state >> 16) % below;
	};
	auto pattern = [&next] {
		unsigned prefix = 24 + next(9), first = next(4);
		unsigned host = next(256) & (0xff00u >> (prefix - 24)) & 0xff;

		return "10.0.0." + std::to_string(host) + "/" + std::to_string(prefix) + ":" +
		       std::to_string(first) + "-" + std::to_string(first + next(3));
	};

	for (int round = 0; round < 200; round++) {
		std::string text = "policy sample\nnetwork {\n", asked = pattern();
		bool any = false, all = true;
		std::set<std::string> used;
		sp_rules *rules = nullptr;

		for (int i = 0; i < 6; i++) {
			std::string one = pattern();
			char spelt[SP_ADDRESS_TEXT_MAX];
			sp_address address = read(one);

			if (used.insert(sp_address_print(&address, spelt)).second)
				text += (next(2) ? "connect tcp " : "deny tcp ") + one + "\n";
		}
		text += "}\n";
		Policy policy = parse(text);
		std::vector<uint8_t> bytes = compile(policy.get());
		ASSERT_EQ(0, sp_rules_load(bytes.data(), bytes.size(), &rules));
		sp_address within = read(asked);
		for (unsigned host = 0; host < 256; host++)
			for (uint16_t port = 0; port < 8; port++) {
				uint8_t numbers[4] = {10, 0, 0, static_cast<uint8_t>(host)};
				sp_address address;
				sp_address_decision decision;

				sp_address_of(numbers, 4, port, &address);
				if (!sp_address_holds(&within, &address))
					continue;
				sp_rules_decide_address(rules, &address, &decision);
				any |= decision.error == 0;
				all &= decision.error == 0;
			}
		sp_rules_free(rules);
		EXPECT_EQ(!any, proved(text, "never connect tcp " + asked)) << text << asked;
		EXPECT_EQ(all, proved(text, "always connect tcp " + asked)) << text << asked;
	}
}

} // namespace
