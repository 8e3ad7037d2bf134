/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of names: groups against the installed systemd, numbers against the headers, values by name. */
#include "support.h"

#include <asm/unistd.h>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <linux/futex.h>
#include <map>
#include <sched.h>
#include <set>
#include <signal.h>
#include <sstream>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <termios.h>
#include <vector>

#include "ipc/calls.h"
#include "policy/names.h"

namespace
{

using Names = std::set<std::string>;

struct Group {
	const char *name, *members, *newer;
};

const Group kSystemdGroups[] = {
#define SP_GROUP(name, members, newer) {name, members, newer},
#define SP_HOUSE_GROUP(name, members)
#include "policy/groups.def"
#undef SP_GROUP
#undef SP_HOUSE_GROUP
};

const Group kHouseGroups[] = {
#define SP_GROUP(name, members, newer)
#define SP_HOUSE_GROUP(name, members) {name, members, ""},
#include "policy/groups.def"
#undef SP_GROUP
#undef SP_HOUSE_GROUP
};

Names split(const std::string &text)
{
	std::istringstream stream(text);
	Names names;

	for (std::string name; stream >> name;)
		names.insert(name);
	return names;
}

/* What this architecture has of them. */
Names native(const Names &names)
{
	Names kept;

	for (const std::string &name : names)
		if (sp_call_number(name.c_str()) >= 0)
			kept.insert(name);
	return kept;
}

std::string output_of(const char *command)
{
	std::string text;
	FILE *stream = popen(command, "r");
	char buffer[4096];

	for (size_t n; stream && (n = fread(buffer, 1, sizeof(buffer), stream)) > 0;)
		text.append(buffer, n);
	if (stream)
		pclose(stream);
	return text;
}

/* "@group" lines, with indented members below them that are calls or groups. */
std::map<std::string, Names> parse_listing(const std::string &text)
{
	std::map<std::string, Names> groups;
	std::istringstream stream(text);
	std::string group;

	for (std::string line; std::getline(stream, line);) {
		size_t at = line.find_first_not_of(' ');

		if (at == std::string::npos || line[at] == '#')
			continue;
		if (at == 0)
			group = line;
		else
			groups[group].insert(line.substr(at));
	}
	return groups;
}

Names expand(const std::map<std::string, Names> &groups, const std::string &name)
{
	Names names;

	for (const std::string &member : groups.at(name))
		if (member[0] == '@')
			names.merge(expand(groups, member));
		else
			names.insert(member);
	return names;
}

TEST(NamesTest, GroupsAreSystemds)
{
	std::string version = output_of("systemd-analyze --version 2>/dev/null");

	if (version.rfind("systemd 252 ", 0) != 0)
		GTEST_SKIP() << "no systemd-analyze of systemd 252 here";
	auto listing = parse_listing(output_of("systemd-analyze --no-pager syscall-filter"));
	size_t compared = 0;

	ASSERT_GT(listing.size(), 25u);
	for (const auto &[name, members] : listing) {
		const Group *ours = nullptr;

		for (const Group &group : kSystemdGroups)
			if (name == group.name)
				ours = &group;
		ASSERT_TRUE(ours) << name;
		EXPECT_EQ(native(expand(listing, name)), native(split(ours->members))) << name;
		compared++;
	}
	for (const Group &group : kSystemdGroups)
		compared -= *group.members ? 1 : 0;
	EXPECT_EQ(0u, compared) << "a group that systemd does not have";
}

TEST(NamesTest, WhatGroupsHoldBeyondSystemdIsNewer)
{
	Names known = split(sp_group_members("@known"));

	for (const Group &group : kSystemdGroups)
		for (const std::string &name : split(group.newer)) {
			EXPECT_LE(0, sp_call_number(name.c_str())) << group.name << " " << name;
			EXPECT_EQ(0u, split(group.members).count(name))
			    << group.name << " " << name;
			EXPECT_EQ(1u, known.count(name)) << group.name << " " << name;
		}
}

TEST(NamesTest, KnownHoldsEveryCallThatHasAName)
{
	Names known = split(sp_group_members("@known"));

	for (int nr = 0; nr < SP_NUMBERS; nr++) {
		const char *name = sp_call_name(nr);

		/* Linux 3.1 took it out; systemd knows it elsewhere. */
		if (!name || strcmp(name, "nfsservctl") == 0)
			continue;
		EXPECT_TRUE(known.count(name)) << nr << " " << name;
	}
}

TEST(NamesTest, HouseGroupsHoldCallsOfThisArchitecture)
{
	for (const Group &group : kHouseGroups)
		for (const std::string &name : split(group.members))
			EXPECT_LE(0, sp_call_number(name.c_str())) << group.name << " " << name;
}

TEST(NamesTest, TheBrokeredGroupIsTheTableOfBrokeredCalls)
{
	Names table;

	for (size_t i = 0; i < SP_CALL_COUNT; i++)
		if (!sp_call_is_conditional(&sp_call_table[i]))
			table.insert(sp_call_table[i].name);
	EXPECT_EQ(table, split(sp_group_members("@brokered")));
}

TEST(NamesTest, NumbersOfNewCalls)
{
	const std::pair<const char *, int> calls[] = {
	    {"cachestat", 451},      {"mseal", 462},           {"removexattrat", 466},
	    {"open_tree_attr", 467}, {"file_getattr", 468},    {"file_setattr", 469},
	    {"listns", 470},         {"rseq_slice_yield", 471}};

	for (auto [name, nr] : calls) {
		EXPECT_EQ(nr, sp_call_number(name));
		EXPECT_STREQ(name, sp_call_name(nr));
	}
	EXPECT_EQ(nullptr, sp_call_name(472));
	EXPECT_EQ(nullptr, sp_call_name(-1));
	EXPECT_EQ(nullptr, sp_call_name(SP_NUMBERS));
	EXPECT_EQ(SP_CALL_UNKNOWN, sp_call_number("listnamespaces"));
}

/* Conditions on a call that is decided on as a whole would be accepted, and do nothing. */
TEST(NamesTest, OnlyOrdinaryCallsTakeConditions)
{
	for (const char *name : {"openat", "execve", "clone3", "futex", "bpf", "rt_sigaction",
				 "rt_sigprocmask", "umask"})
		EXPECT_EQ(nullptr, sp_argument_name(sp_call_number(name), 0)) << name;
	for (const char *name : {"socket", "ioctl", "mmap", "clone", "keyctl", "semctl", "fstat"})
		EXPECT_NE(nullptr, sp_argument_name(sp_call_number(name), 0)) << name;
}

std::string value(const char *call, size_t argument, uint64_t value)
{
	char buffer[SP_VALUE_NAME_MAX];

	return sp_value_name(sp_call_number(call), argument, value, buffer);
}

TEST(NamesTest, ValuesByTheirFamily)
{
	EXPECT_EQ("TCGETS", value("ioctl", 1, TCGETS));
	EXPECT_EQ("TIOCSTI", value("ioctl", 1, TIOCSTI));
	EXPECT_EQ("FIONREAD", value("ioctl", 1, FIONREAD));
	EXPECT_EQ("TCGETS", value("ioctl", 1, 0xdeadbeef00000000 | TCGETS)) << "32 bits count";
	EXPECT_EQ("AF_UNIX", value("socket", 0, AF_UNIX));
	EXPECT_EQ("SOCK_STREAM|SOCK_CLOEXEC", value("socket", 1, SOCK_STREAM | SOCK_CLOEXEC));
	EXPECT_EQ("IPPROTO_TCP", value("socket", 2, 6));
	EXPECT_EQ("O_RDONLY|O_CLOEXEC", value("openat", 2, O_CLOEXEC));
	EXPECT_EQ("O_RDWR|O_SYNC|O_CREAT", value("openat", 2, O_RDWR | O_CREAT | O_SYNC));
	EXPECT_EQ("O_WRONLY|O_TMPFILE", value("openat", 2, O_WRONLY | O_TMPFILE));
	EXPECT_EQ("AT_FDCWD", value("openat", 0, AT_FDCWD));
	EXPECT_EQ("PROT_NONE", value("mmap", 2, 0));
	EXPECT_EQ("PROT_READ|PROT_EXEC", value("mprotect", 2, PROT_READ | PROT_EXEC));
	EXPECT_EQ("MAP_PRIVATE|MAP_ANONYMOUS", value("mmap", 3, MAP_PRIVATE | MAP_ANONYMOUS));
	EXPECT_EQ("SIGCHLD|CLONE_VM|CLONE_VFORK",
		  value("clone", 0, CLONE_VM | CLONE_VFORK | SIGCHLD));
	EXPECT_EQ("CLONE_THREAD", value("clone", 0, CLONE_THREAD));
	EXPECT_EQ("FUTEX_WAIT|FUTEX_PRIVATE_FLAG", value("futex", 1, FUTEX_PRIVATE_FLAG));
	EXPECT_EQ("PR_SET_NAME", value("prctl", 0, PR_SET_NAME));
	EXPECT_EQ("PR_SET_MDWE", value("prctl", 0, 65));
	EXPECT_EQ("PER_LINUX|ADDR_NO_RANDOMIZE", value("personality", 0, ADDR_NO_RANDOMIZE));
	EXPECT_EQ("RLIMIT_NOFILE", value("prlimit64", 1, RLIMIT_NOFILE));
	EXPECT_EQ("SIGKILL", value("kill", 1, 9));
	EXPECT_EQ("KEY_SPEC_SESSION_KEYRING", value("add_key", 4, uint32_t(-3)));
}

TEST(NamesTest, ValuesWithoutAName)
{
	EXPECT_EQ("3", value("read", 0, 3));
	EXPECT_EQ("-1", value("kill", 0, UINT32_MAX));
	EXPECT_EQ("-1", value("lseek", 1, UINT64_MAX));
	EXPECT_EQ("0xffffffff", value("lseek", 1, UINT32_MAX));
	EXPECT_EQ("0x54ff0000", value("ioctl", 1, 0x54ff0000));
	EXPECT_EQ("SOCK_CLOEXEC|0xf", value("socket", 1, SOCK_CLOEXEC | 15));
	EXPECT_EQ("O_RDONLY|O_CLOEXEC|0x40000000", value("openat", 2, O_CLOEXEC | 0x40000000));
	EXPECT_EQ("7", value("getpid", 0, 7)) << "an argument that the call does not have";
	EXPECT_EQ("7", value("socket", 9, 7));
	EXPECT_EQ("0x8000000000000000", value("mprotect", 2, uint64_t(1) << 63));
}

/* Every value that a name stands for is shown by a name, and by one that stands for it. */
TEST(NamesTest, NamesAndValuesAgree)
{
	char buffer[SP_VALUE_NAME_MAX];
	size_t named = 0;

	for (int nr = 0; nr < SP_NUMBERS; nr++)
		for (size_t argument = 0; argument < SP_ARGUMENTS; argument++)
			for (uint64_t bit = 0; bit < 32; bit++) {
				std::istringstream shown(
				    sp_value_name(nr, argument, uint64_t(1) << bit, buffer));
				uint64_t whole = 0, part = 0;

				for (std::string piece; std::getline(shown, piece, '|');) {
					if (sp_constant_find(piece.c_str(), &part))
						named++;
					else
						part = strtoull(piece.c_str(), nullptr, 0);
					whole |= part;
				}
				EXPECT_EQ(uint64_t(1) << bit, whole & UINT32_MAX)
				    << nr << " " << argument << " " << buffer;
			}
	EXPECT_GT(named, 500u);
}

} // namespace
