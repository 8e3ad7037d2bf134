/* SPDX-License-Identifier: Apache-2.0 */
/* Policies of other programs: what they become decides as they do, and no text brings an importer down. */
#include "command.h"

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <set>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <vector>

#include "policy/compile.h"
#include "policy/names.h"
#include "policy/rules.h"
#include "tests/unit/policy/bpf_simulator.h"
#include "tests/unit/policy/support.h"
#include "tools/import/import.h"

namespace
{

using sallyport::Arguments;
using sallyport::BpfSimulator;

struct Imported {
	int status;
	std::string policy, errors;
};

Imported import(const std::string &format, const std::string &text,
		const std::string &file = "sample")
{
	char *output = nullptr, *errors = nullptr;
	size_t output_size = 0, errors_size = 0;
	FILE *output_stream = open_memstream(&output, &output_size);
	FILE *error_stream = open_memstream(&errors, &errors_size);
	Imported imported = {import_text(format.c_str(), file.c_str(), text.data(), text.size(),
					 output_stream, error_stream),
			     "", ""};

	fclose(output_stream);
	fclose(error_stream);
	imported.policy.assign(output, output_size);
	imported.errors.assign(errors, errors_size);
	free(output);
	free(errors);
	return imported;
}

/* What a policy does with a call. */
class Verdicts
{
      public:
	explicit Verdicts(const std::string &policy)
	    : rules_(sallyport::load(sallyport::compile(sallyport::parse(policy).get()))),
	      simulator_(sp_rules_filter(rules_.get()))
	{
	}
	uint32_t operator()(uint32_t nr, const Arguments &arguments)
	{
		return simulator_.run(nr, arguments).value_or(0x12345678);
	}
	int error(int nr) const
	{
		sp_call_refusal refusal = {};

		sp_rules_refusal(rules_.get(), nr, &refusal);
		return refusal.error;
	}

      private:
	sallyport::Rules rules_;
	BpfSimulator simulator_;
};

/* What the samples compare with, and its neighbours; and junk in the half that an int does not have. */
const uint64_t kEdges[] = {0,
			   1,
			   2,
			   3,
			   4,
			   5,
			   6,
			   7,
			   8,
			   10,
			   16,
			   17,
			   39,
			   40,
			   41,
			   0x5400,
			   0x5401,
			   0x5402,
			   0x5411,
			   0x5412,
			   0x5413,
			   0x541b,
			   0x7fffffff,
			   0x80000000,
			   0xfffffffe,
			   0xffffffff,
			   0x100000000,
			   0x100000001,
			   0xdeadbeef00005401,
			   ~0ull};

void expect_same(const std::string &expected_policy, const std::string &policy,
		 const std::set<int> &conditional)
{
	Verdicts expected(expected_policy), actual(policy);
	const std::vector<uint64_t> plain = {0, 5, ~0ull};

	for (int nr = 0; nr < SP_NUMBERS; nr++) {
		bool thorough = conditional.count(nr);
		std::vector<uint64_t> edges(std::begin(kEdges), std::end(kEdges));

		if (!thorough)
			edges = plain;
		for (uint64_t a : edges)
			for (uint64_t b : edges)
				for (uint64_t c : edges) {
					Arguments arguments = {a, b, c, a, b, 0};

					ASSERT_EQ(expected(nr, arguments), actual(nr, arguments))
					    << nr << " " << a << " " << b << " " << c << "\n"
					    << policy;
				}
		/* The error of a call that some form of is refused. */
		if (expected(nr, {}) != SECCOMP_RET_TRAP)
			continue;
		EXPECT_EQ(expected.error(nr), actual.error(nr)) << nr << "\n" << policy;
	}
	for (uint32_t nr : {512u, 1000u, 0x40000000u, 0xffffffffu})
		EXPECT_EQ(expected(nr, {}), actual(nr, {})) << nr;
}

std::string translated(const std::string &format, const std::string &text)
{
	Imported imported = import(format, text);

	EXPECT_EQ(0, imported.status) << format << imported.errors;
	return imported.policy;
}

/* ---- one policy, six languages ---- */

const char kAllowList[] = R"(policy sample
syscalls {
  allow @default
  allow read, write, close, lseek, poll, ioctl, uname, sysinfo
  allow socket(domain == AF_UNIX), socket(domain == AF_INET)
  deny socket as EAFNOSUPPORT
  deny @brokered as EPERM
  broker openat, newfstatat
  default deny as EPERM
}
memory { wx allow }
)";

/* The members of @default that say anything, for languages without it. */
std::vector<std::string> default_group()
{
	std::istringstream members(sp_group_members("@default"));
	std::vector<std::string> names;

	for (std::string name; members >> name;)
		if (sp_call_number(name.c_str()) >= 0)
			names.push_back(name);
	return names;
}

std::string joined(const std::vector<std::string> &names, const std::string &before,
		   const std::string &between, const std::string &after)
{
	std::string text;

	for (const std::string &name : names)
		text += (text.empty() ? "" : between) + before + name + after;
	return text;
}

std::vector<std::string> allowed()
{
	std::vector<std::string> names = default_group();

	for (const char *name : {"read", "write", "close", "lseek", "poll", "ioctl", "uname",
				 "sysinfo", "openat", "newfstatat"})
		names.push_back(name);
	return names;
}

const std::set<int> kSocket = {__NR_socket};

TEST(ImportTest, AnAllowListFromMinijail)
{
	expect_same(
	    kAllowList,
	    translated("minijail",
		       "@default return EPERM\n" + joined(allowed(), "", "\n", ": 1") +
			   "\nsocket: arg0 == AF_UNIX || \\\n  arg0 == 2; return EAFNOSUPPORT\n"),
	    kSocket);
}

TEST(ImportTest, AnAllowListFromKafel)
{
	expect_same(
	    kAllowList,
	    translated("kafel", "#define AF_INET 2\nPOLICY a {\n ALLOW { " +
				    joined(allowed(), "", ", ", "") +
				    " },\n ALLOW { socket(f, t, p) { f == 1 || f == AF_INET } }\n"
				    " ERRNO(97) { socket }\n}\nUSE a DEFAULT ERRNO(1)\n"),
	    kSocket);
}

TEST(ImportTest, AnAllowListFromSystemd)
{
	expect_same(kAllowList,
		    translated("systemd",
			       "[Service]\nSystemCallFilter=read write close lseek poll dup\n"
			       "SystemCallFilter=ioctl uname sysinfo socket openat newfstatat\n"
			       "SystemCallFilter=~dup\nSystemCallErrorNumber=EPERM\n"
			       "RestrictAddressFamilies=AF_UNIX AF_INET\n"),
		    kSocket);
}

TEST(ImportTest, AnAllowListFromOci)
{
	expect_same(kAllowList,
		    translated("oci",
			       R"({"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [
    {"names": [)" + joined(allowed(), "\"", ", ", "\"") +
				   R"(], "action": "SCMP_ACT_ALLOW"},
    {"names": ["socket"], "action": "SCMP_ACT_ALLOW",
     "args": [{"index": 0, "value": 1, "op": "SCMP_CMP_EQ"}, {"index": 0, "value": 2, "op": "SCMP_CMP_EQ"}]},
    {"names": ["socket"], "action": "SCMP_ACT_ERRNO", "errnoRet": 97,
     "args": [{"index": 0, "value": 1, "op": "SCMP_CMP_LT"}, {"index": 0, "value": 2, "op": "SCMP_CMP_GT"}]}]})"),
		    kSocket);
}

TEST(ImportTest, AnAllowListFromFirejail)
{
	/* firejail's protocol filter has an error of its own. */
	std::string expected = kAllowList;

	expected.replace(expected.find("EAFNOSUPPORT"), 12, "ENOTSUP");
	expect_same(expected,
		    translated("firejail", "protocol unix,inet\nseccomp.keep " +
					       joined(allowed(), "", ",", "") +
					       ",socket,dup,!dup\n"),
		    kSocket);
}

const char kDenyList[] = R"(policy sample
syscalls {
  allow @known
  deny sysinfo, ptrace as EACCES
  deny uname, swapon, keyctl, openat as EPERM
  kill add_key
  default deny as ENOSYS
}
memory { wx allow }
)";

TEST(ImportTest, ADenyListFromEach)
{
	expect_same(kDenyList,
		    translated("minijail", "@denylist\nsysinfo: return EACCES\nptrace: return 13\n"
					   "{uname, swapon, keyctl, openat}: return EPERM\n"
					   "add_key: kill-process\n"),
		    {});
	expect_same(kDenyList,
		    translated("kafel", "POLICY a { ERRNO(13) { sysinfo, ptrace } }\n"
					"POLICY b { ERRNO(1) { newuname, swapon, keyctl, openat } "
					"DENY { add_key } }\nUSE a, b DEFAULT ALLOW\n"),
		    {});
	expect_same(kDenyList,
		    translated("systemd",
			       "SystemCallFilter=~sysinfo:EACCES ptrace:EACCES add_key:kill\n"
			       "SystemCallFilter=~uname swapon keyctl openat\n"
			       "SystemCallErrorNumber=EPERM\n"),
		    {});
	expect_same(kDenyList,
		    translated("oci", R"({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
    {"names": ["sysinfo", "ptrace"], "action": "SCMP_ACT_ERRNO", "errnoRet": 13},
    {"names": ["uname", "swapon", "keyctl", "openat"], "action": "SCMP_ACT_ERRNO"},
    {"name": "add_key", "action": "SCMP_ACT_KILL_PROCESS"}]})"),
		    {});
	expect_same(kDenyList,
		    translated("firejail",
			       "seccomp.drop sysinfo:EACCES,ptrace:EACCES,add_key:kill\n"
			       "seccomp.drop uname,swapon,keyctl,openat # more\n"),
		    {});
}

const char kConditions[] = R"(policy sample
syscalls {
  allow read, getpid
  allow ioctl(request == TCGETS), ioctl(request == FIONREAD), ioctl(request == TIOCGWINSZ, fd < 3)
  allow mmap(prot & PROT_EXEC == 0), mmap(prot & PROT_WRITE == 0)
  allow socket(domain == AF_UNIX, type & SOCK_STREAM == SOCK_STREAM, protocol == 0)
  allow lseek(offset >= 0x100000000), lseek(offset <= 7)
  allow write(fd > 0, fd != 4)
  deny keyctl as EACCES
  kill @brokered
  default kill
}
memory { wx allow }
)";
const std::set<int> kConditional = {__NR_ioctl, __NR_mmap, __NR_socket, __NR_lseek, __NR_write};

TEST(ImportTest, ConditionsFromMinijail)
{
	expect_same(kConditions, translated("minijail", R"(read: 1
getpid: allow
ioctl: arg1 == TCGETS || arg1 == 0x541B || arg1 == 0x5413 && arg0 < 3
mmap: arg2 in ~PROT_EXEC || arg2 in ~(PROT_WRITE)
socket: arg0 == AF_UNIX && arg1 & SOCK_STREAM && arg2 == 0
lseek: arg1 >= 4294967296 || arg1 <= 7
write: arg0 > 0 && arg0 != 4
keyctl: return EACCES
)"),
		    kConditional);
}

TEST(ImportTest, ConditionsFromKafel)
{
	expect_same(kConditions, translated("kafel", R"(#define TCGETS 0x5401
POLICY inner {
  KILL { write(fd) { fd == 4 }, mmap { !((prot & 4) == 0 || 0 == (2 & prot)) } }
}
POLICY outer {
  USE inner,
  ALLOW {
    read, SYSCALL[39],
    ioctl(fd, request) { request == TCGETS, request == 0x541b, request == 0x5413 && 3 > fd },
    mmap,
    socket { !(family != 1) && (type & 1) == 1 && protocol == 0 },
    lseek { offset >= 0x100000000 || offset < 0b1000 },
    write { !(fd <= 0) }
  }
  ERRNO(13) { keyctl }
}
USE outer DEFAULT KILL_PROCESS
)"),
		    kConditional);
}

/* Conditions on the same argument are alternatives there, so the exception needs a rule of its own. */
TEST(ImportTest, ConditionsFromOci)
{
	std::string expected = kConditions, rule = "allow write(fd > 0, fd != 4)";

	expected.replace(expected.find(rule), rule.size(),
			 "allow write(fd > 0); deny write(fd == 4) as EPERM");
	expect_same(
	    expected,
	    translated("oci",
		       R"({"linux": {"seccomp": {"defaultAction": "SCMP_ACT_KILL", "syscalls": [
 {"names": ["read", "getpid"], "action": "SCMP_ACT_ALLOW", "args": null},
 {"names": ["ioctl"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 1, "value": 21505, "op": "SCMP_CMP_EQ"},
                                                          {"index": 1, "value": 21531, "op": "SCMP_CMP_EQ"}]},
 {"names": ["ioctl"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 1, "value": 21523, "op": "SCMP_CMP_EQ"},
                                                          {"index": 0, "value": 3, "op": "SCMP_CMP_LT"}]},
 {"names": ["mmap"], "action": "SCMP_ACT_ALLOW", "args": [
   {"index": 2, "value": 4, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ"},
   {"index": 2, "value": 2, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ"}]},
 {"names": ["socket"], "action": "SCMP_ACT_ALLOW", "args": [
   {"index": 0, "value": 1, "op": "SCMP_CMP_EQ"},
   {"index": 1, "value": 1, "valueTwo": 1, "op": "SCMP_CMP_MASKED_EQ"},
   {"index": 2, "value": 0, "op": "SCMP_CMP_EQ"}]},
 {"names": ["lseek"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 1, "value": 4294967296, "op": "SCMP_CMP_GE"},
                                                          {"index": 1, "value": 7, "op": "SCMP_CMP_LE"}]},
 {"names": ["write"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 0, "value": 0, "op": "SCMP_CMP_GT"}]},
 {"names": ["write"], "action": "SCMP_ACT_ERRNO", "args": [{"index": 0, "value": 4, "op": "SCMP_CMP_EQ"}]},
 {"names": ["keyctl"], "action": "SCMP_ACT_ERRNO", "errnoRet": 13}]}}})"),
	    kConditional);
}

/* ---- what does not carry over ---- */

void expect_note(const std::string &format, const std::string &text, const std::string &note,
		 const std::string &statement = "")
{
	Imported imported = import(format, text);

	EXPECT_EQ(0, imported.status) << imported.errors;
	EXPECT_NE(std::string::npos, imported.errors.find(note)) << imported.errors;
	EXPECT_NE(std::string::npos, imported.policy.find(statement)) << imported.policy;
	sallyport::parse(imported.policy);
}

TEST(ImportTest, NamesGoToTheBroker)
{
	expect_note("minijail", "openat: arg2 == O_RDONLY\n",
		    "sample:1: note: openat takes a name: its condition is left out",
		    "broker openat");
	expect_note("kafel", "ALLOW { open }", "sample: note: names: no name is granted yet",
		    "broker open\n");
	expect_note("systemd", "SystemCallFilter=@file-system\n", "names: no name is granted yet",
		    "mkdirat");
	expect_note("minijail", "mount: 1\nio_uring_setup: 1\n",
		    "sample: note: refused whatever a policy says: mount, io_uring_setup");
	expect_note("minijail", "clone3: 1\n", "sample:1: note: clone3 is always answered");
	expect_note("minijail", "read: 1\n",
		    "let through whatever a policy says: fstat, rt_sigaction, rt_sigprocmask, "
		    "rt_sigreturn, sched_yield, ");
}

/* What can't be said is decided the stricter way. */
TEST(ImportTest, UnknownConditionsAreStrict)
{
	Imported granted =
	    import("minijail", "ioctl: arg1 == DRM_IOCTL_VERSION || arg1 == TCGETS\n");
	Imported refused =
	    import("kafel", "ERRNO(1) { ioctl { fd == request } } ALLOW { ioctl } DEFAULT KILL");

	EXPECT_EQ(0, granted.status);
	EXPECT_EQ(std::string::npos, granted.policy.find("allow ioctl"));
	EXPECT_NE(
	    std::string::npos,
	    granted.errors.find("sample:1: note: the constant DRM_IOCTL_VERSION is not known"));
	EXPECT_NE(std::string::npos,
		  granted.errors.find("sample:1: note: ioctl: this condition can't"));
	EXPECT_EQ(0, refused.status);
	EXPECT_NE(std::string::npos, refused.policy.find("deny ioctl as EPERM"));
	EXPECT_NE(std::string::npos, refused.errors.find("always refused"));
}

TEST(ImportTest, ActionsThatAreNotOurs)
{
	expect_note("minijail", "read: trap\n", "sample:1: note: a trap has a number of at least 1",
		    "trap 1 read\n");
	expect_note("kafel", "TRACE(1) { read } DEFAULT ERRNO(5)", "note: TRACE: no tracer",
		    "deny read as ENOSYS");
	expect_note("oci", R"({"defaultAction": "SCMP_ACT_TRAP"})",
		    "a trap has a number of at least", "default trap 1\n");
	expect_note("minijail", "read: return 4096\n", "can't fail with the error 4096",
		    "deny read as EPERM");
	expect_note("oci", R"({"defaultAction": "SCMP_ACT_KILL", "listenerPath": "/x",
"flags": ["", "SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_TSYNC", "SECCOMP_FILTER_FLAG_LOG", ""]})",
		    "note: these flags do not carry over: SECCOMP_FILTER_FLAG_LOG, "
		    "SECCOMP_FILTER_FLAG_TSYNC\n");
	for (auto [rule, note, statement] :
	     {std::tuple(R"("SCMP_ACT_ALLOW", "includes": {"minKernel": "4.8"})",
			 "sample: note:", "allow times\n"),
	      std::tuple(R"("SCMP_ACT_ALLOW", "includes": {"minKernel": "99.1"})",
			 "sample:2: note: this rule depends on whether the kernel is 99.1: what",
			 "\n  default"),
	      std::tuple(
		  R"("SCMP_ACT_KILL", "includes": {"minKernel": "99.1"})",
		  "sample:2: note: this rule depends on whether the kernel is 99.1: it holds",
		  "kill times\n"),
	      std::tuple(R"("SCMP_ACT_ALLOW", "excludes": {"minKernel": "4.8"})",
			 "sample:2: note: this rule is for kernels before 4.8", "\n  default")})
		expect_note("oci",
			    R"({"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [
{"names": ["times"], "action": )" +
				std::string(rule) + "}]}",
			    note, statement);
	expect_note("minijail", "clone: 1\nprctl: 1\n",
		    "sample:2: note: prctl: options that could loosen");
	expect_note("minijail", "getpid: return EPERM\n",
		    "note: let through whatever a policy says: fstat, ");
	expect_note("firejail", "include nothing.profile\ninclude nothing.local\n",
		    "sample:1: note: there is no file \"nothing.profile\": what it denies");
	expect_note("kafel", "ALLOW { recv, send } ALLOW { SYSCALL[-1] }",
		    "sample:1: note: this architecture has no call named recv, send\n");
	expect_note("minijail", "@frequency x\nread: 1\n", "sample:1: note: @frequency");
	expect_note("minijail", "read[arch=arm]: 1\n",
		    "sample:1: note: read: this rule is for other");
	expect_note("kafel", "ALLOW { read ON {arm} }", "sample:1: note: this rule is for other");
	expect_note("oci",
		    R"({"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [
{"names": ["read"], "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_BPF"]}},
{"names": ["read"], "action": "SCMP_ACT_ALLOW", "includes": {"arches": ["s390x"]}},
{"names": ["write"], "action": "SCMP_ACT_ALLOW", "excludes": {"caps": ["CAP_BPF"]}}]})",
		    "sample:3: note: this rule is for other architectures", "allow write\n");
	expect_note("systemd", "PrivateTmp=yes\n",
		    "sample:1: note: PrivateTmp= does not carry over");
	expect_note("systemd", "[Service]\nIPAddressDeny=any\nIPAddressAllow=10.0.0.0/8\n",
		    "sample:3: note: IPAddressAllow= does not carry over: it filters packets");
	expect_note("firejail", "nodvd\nblacklist /x\nnodvd\n",
		    "sample:1: note: \"nodvd\" does not carry over, here or later\n");
	expect_note("systemd", "SystemCallFilter=read sokcet @nothing\n",
		    "sample:1: note: unknown system call \"sokcet\": left out", "read");
}

/* Actions that have a counterpart, with all that belongs to them. */
TEST(ImportTest, ActionsThatAreOurs)
{
	std::string expected = R"(policy sample
syscalls {
  allow @basic-io, madvise(advice == MADV_DONTNEED)
  log sysinfo
  deny @brokered, times as ENOSYS
  deny getuid as 1337
  errno EINVAL madvise(advice >= MADV_REMOVE)
  errno EIO madvise(advice < MADV_WILLNEED)
  trap 7 uname
  kill thread kcmp
  kill ptrace
  default deny as ENOSYS
}
memory { wx allow }
)";

	expect_same(expected,
		    translated("kafel",
			       "ALLOW { read, write, readv, writev, pread64, pwrite64, preadv, "
			       "pwritev, preadv2, pwritev2, close, close_range, dup, dup2, "
			       "dup3, lseek, madvise { advice == MADV_DONTNEED } }\n"
			       "LOG { sysinfo } ERRNO(1337) { getuid }\n"
			       "ERRNO(22) { madvise { advice >= 9 } }\n"
			       "ERRNO(5) { madvise { advice < MADV_WILLNEED } }\n"
			       "TRAP(7) { uname } KILL_THREAD { kcmp } KILL_PROCESS { ptrace }\n"
			       "DEFAULT ERRNO(38)"),
		    {__NR_madvise});
	expected.replace(expected.find("trap 7 uname"), 12, "trap 1 uname");
	expect_same(
	    expected,
	    translated(
		"oci",
		R"({"defaultAction": "SCMP_ACT_ERRNO", "defaultErrno": "ENOSYS", "syscalls": [
 {"names": ["read", "write", "readv", "writev", "pread64", "pwrite64", "preadv", "pwritev", "preadv2",
   "pwritev2", "close", "close_range", "dup", "dup2", "dup3", "lseek"], "action": "SCMP_ACT_ALLOW"},
 {"names": ["madvise"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 2, "value": 4, "op": "SCMP_CMP_EQ"}]},
 {"names": ["madvise"], "action": "SCMP_ACT_ERRNO", "errno": "EINVAL", "errnoRet": 1,
  "args": [{"index": 2, "value": 9, "op": "SCMP_CMP_GE"}]},
 {"names": ["madvise"], "action": "SCMP_ACT_ERRNO", "errnoRet": 5,
  "args": [{"index": 2, "value": 3, "op": "SCMP_CMP_LT"}]},
 {"names": ["sysinfo"], "action": "SCMP_ACT_LOG"},
 {"names": ["getuid"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1337},
 {"names": ["uname"], "action": "SCMP_ACT_TRAP"},
 {"names": ["kcmp"], "action": "SCMP_ACT_KILL_THREAD"},
 {"names": ["ptrace"], "action": "SCMP_ACT_KILL_PROCESS"}]})"),
	    {__NR_madvise});
}

/* JSON's numbers have 64 bits here, as those of an argument. */
TEST(ImportTest, LargeNumbersFromOci)
{
	Imported imported =
	    import("oci", R"({"defaultAction": "SCMP_ACT_KILL", "syscalls": [{"names": ["lseek"],
"comment": "18446744073709551615", "action": "SCMP_ACT_ALLOW", "args": [{"index": 1,
"value": 18446744073709551615, "valueTwo": 9223372036854775808, "op": "SCMP_CMP_MASKED_EQ"}]}]})");

	EXPECT_NE(std::string::npos, imported.policy.find("lseek(offset == 0x8000000000000000)"))
	    << imported.policy << imported.errors;
	EXPECT_EQ(1,
		  import("oci", R"({"defaultAction": "SCMP_ACT_KILL", "a": 99999999999999999999})")
		      .status);
}

/* What later lists take away from the first, and what starts anew. */
TEST(ImportTest, FamiliesFromSystemd)
{
	for (auto [lines, statement] :
	     {std::pair("AF_UNIX AF_INET\nRestrictAddressFamilies=~AF_INET\n",
			"deny socket(domain != AF_UNIX) as EAFNOSUPPORT\n"),
	      std::pair("AF_INET\nRestrictAddressFamilies=\nRestrictAddressFamilies=AF_UNIX\n",
			"deny socket(domain != AF_UNIX) as EAFNOSUPPORT\n"),
	      std::pair("~AF_UNIX AF_INET\nRestrictAddressFamilies=AF_INET\n",
			"deny socket(domain == AF_UNIX) as EAFNOSUPPORT\n"),
	      std::pair("AF_UNIX\nRestrictAddressFamilies=none\n", "deny socket as EAFNOSUPPORT\n"),
	      std::pair("AF_UNIX\nRestrictAddressFamilies=~AF_UNIX\n",
			"deny socket as EAFNOSUPPORT\n"),
	      std::pair("AF_UNIX\nRestrictAddressFamilies=~\n",
			"deny socket(domain != AF_UNIX) as EAFNOSUPPORT\n")}) {
		Imported imported =
		    import("systemd", std::string("RestrictAddressFamilies=") + lines);

		EXPECT_NE(std::string::npos, imported.policy.find(statement))
		    << lines << imported.policy;
		EXPECT_EQ(std::string::npos, imported.policy.find("left out"));
	}
}

class IncludeTest : public testing::Test
{
      protected:
	void SetUp() override
	{
		char name[] = "/tmp/sallyport-import-XXXXXX";

		ASSERT_NE(nullptr, mkdtemp(name));
		folder_ = name;
	}
	void TearDown() override
	{
		std::filesystem::remove_all(folder_);
	}
	std::string write(const std::string &name, const std::string &text)
	{
		std::ofstream(folder_ + "/" + name) << text;
		return folder_ + "/" + name;
	}
	/* Of a file that is there, and what it includes. */
	Imported read(const std::string &format, const std::string &name, const std::string &text)
	{
		return import(format, text, write(name, text));
	}
	std::string folder_;
};

TEST_F(IncludeTest, OfFirejail)
{
	write("common.profile", "seccomp.drop ptrace\nmemory-deny-write-execute\nnodvd\n");
	Imported imported = read("firejail", "a.profile",
				 "ignore memory-deny-write-execute\nignore seccomp\nignore no\n"
				 "include a.local\ninclude common.profile\n");

	EXPECT_EQ(0, imported.status) << imported.errors;
	EXPECT_NE(std::string::npos, imported.policy.find("deny ptrace as EPERM"))
	    << imported.policy;
	EXPECT_NE(std::string::npos, imported.policy.find("wx allow"));
	EXPECT_NE(std::string::npos,
		  imported.policy.find("# " + folder_ + "/common.profile, line 3: \"nodvd\""));
	EXPECT_NE(std::string::npos, imported.errors.find("/common.profile:3: note: \"nodvd\""));
	EXPECT_EQ(std::string::npos, imported.errors.find("a.local"));
	imported = read("firejail", "b.profile", "include b.profile\ninclude b.profile\n");
	EXPECT_EQ(1, imported.status);
	EXPECT_NE(std::string::npos,
		  imported.errors.find("b.profile:1: error: \"b.profile\" can't be included: it"));
}

TEST_F(IncludeTest, OfKafel)
{
	write("one.policy", "#define ONE 1\nPOLICY one { ALLOW { write { fd == ONE } } }\n");
	write("two.policy", "POLICY two { ALLOW { raed } }\n");
	Imported imported = read("kafel", "a.policy",
				 "#include \"one.policy\"; USE one\nALLOW { read { fd < ONE } }\n");

	EXPECT_EQ(0, imported.status) << imported.errors;
	EXPECT_NE(std::string::npos, imported.policy.find("allow write(fd == 1), read(fd < 1)"))
	    << imported.policy;
	imported = read("kafel", "b.policy", "#include \"one.policy\" \"two.policy\"\nUSE one\n");
	EXPECT_EQ(1, imported.status);
	EXPECT_NE(std::string::npos,
		  imported.errors.find("/two.policy:1: error: unknown system call \"raed\""));
	imported = read("kafel", "c.policy", "#include \"c.policy\"\n");
	EXPECT_NE(std::string::npos, imported.errors.find("c.policy\" can't be included: it"));
}

/* Files that include the next one again and again, and a pipe to which nobody writes. */
TEST_F(IncludeTest, HasAnEnd)
{
	std::string next;

	for (auto [format, include] :
	     {std::pair("firejail", "include "), std::pair("kafel", "#include "),
	      std::pair("minijail", "@include ")}) {
		for (int i = 9; i >= 0; i--) {
			std::string line = i == 9 ? "\n" : include + next + "\n", text;

			for (int j = 0; j < 20; j++)
				text += line;
			next = write(std::string(format) + std::to_string(i), text);
			next = format == std::string("kafel") ? '"' + next + '"' : next;
		}
		Imported imported = read(format, "bomb", include + next + "\n");
		EXPECT_EQ(1, imported.status) << format;
		EXPECT_NE(std::string::npos,
			  imported.errors.find("error: more than 1000 files are included"))
		    << imported.errors.substr(0, 1000);
	}
	ASSERT_EQ(0, mkfifo((folder_ + "/pipe").c_str(), 0600));
	EXPECT_NE(std::string::npos, read("firejail", "a.profile", "include pipe\n")
					 .errors.find("there is no file \"pipe\""));
}

TEST(ImportTest, SystemdsOtherProperties)
{
	Imported imported = import("systemd", R"(# a comment
[Unit]
SystemCallFilter=nonsense
[Service]
SystemCallFilter = read socket \
# between
   write
SystemCallArchitectures=native x86
MemoryDenyWriteExecute=yes
RestrictAddressFamilies=~AF_PACKET AF_NETLINK
RestrictNamespaces=yes
NoNewPrivileges=yes
LockPersonality=yes
ProtectSystem=strict
ProtectHome=tmpfs
ReadWritePaths=/var/lib/a -/run/a/ "/with blank" /glob*
ReadOnlyPaths=/var/lib/a/b
InaccessiblePaths=/secret
LimitNOFILE=32
LimitNOFILE=64:1024
LimitAS=1M
LimitCPU=5
LimitCORE=0
)");
	EXPECT_EQ(0, imported.status) << imported.errors;
	for (const char *statement :
	     {"deny socket(domain == AF_PACKET), socket(domain == AF_NETLINK) as EAFNOSUPPORT\n",
	      "memory { wx deny }\n", "  read \"/**\"\n",
	      "  read, write, create, delete \"/var/lib/a\", \"/var/lib/a/**\"\n",
	      "  read, write, create, delete \"/run/a\", \"/run/a/**\"\n",
	      "  read, write, create, delete \"/with blank\", \"/with blank/**\"\n",
	      "  deny \"/secret\", \"/secret/**\"\n",
	      "  deny \"/var/lib/a/b\", \"/var/lib/a/b/**\"\n", "  deny \"/home\", \"/home/**\"\n",
	      "  files 64\n", "  memory 1048576B\n", "  cpu 5s\n", "default kill\n"})
		EXPECT_NE(std::string::npos, imported.policy.find(statement)) << statement << "\n"
									      << imported.policy;
	for (const char *note :
	     {"sample:8: note: calls of the architecture x86 are never let through",
	      "sample:16: note: \"/glob*\" can't be granted",
	      "sample:17: note: /var/lib/a/b is read-only below",
	      "sample:23: note: LimitCORE= does not carry over"})
		EXPECT_NE(std::string::npos, imported.errors.find(note)) << note << "\n"
									 << imported.errors;
	EXPECT_EQ(std::string::npos, imported.errors.find("nonsense"));
	EXPECT_EQ(std::string::npos, imported.policy.find("personality")) << "killed is stricter";
	sallyport::parse(imported.policy);

	imported = import("systemd", "LockPersonality=yes\nRestrictRealtime=yes\n");
	EXPECT_NE(std::string::npos,
		  imported.policy.find("deny personality(persona != PER_LINUX)"));
	EXPECT_NE(std::string::npos,
		  imported.policy.find("sched_setscheduler(policy == SCHED_FIFO)"));
	sallyport::parse(imported.policy);
}

/* Words of the file come into reports, comments and the name of the policy: one line, printable. */
TEST(ImportTest, HostileWords)
{
	Imported imported = import("oci", R"({"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [
{"names": ["a\nb\u001b[31m\nsyscalls { allow read }"], "action": "SCMP_ACT_ALLOW"}]})",
				   "dir/we\x1b ird\nname");

	EXPECT_EQ(0, imported.status);
	EXPECT_EQ(std::string::npos, imported.errors.find('\x1b'));
	EXPECT_NE(std::string::npos, imported.policy.find("policy we--ird-name\n"));
	EXPECT_EQ(std::string::npos, imported.policy.find("\nsyscalls { allow read }"));
	sallyport::parse(imported.policy);
	EXPECT_NE(std::string::npos, import("minijail", "", "/").policy.find("policy imported\n"));
}

/* ---- mistakes ---- */

TEST(ImportTest, MistakesNameTheirLine)
{
	const struct {
		const char *format, *text, *mistake;
	} cases[] = {
	    {"minijail", "read: 1\nwrite\n", "sample:2: error: expected \"NAME: RULE\""},
	    {"minijail", "raed: 1\n", "sample:1: error: unknown system call \"raed\""},
	    {"minijail", "read: arg9 == 1\n",
	     "sample:1: error: expected arg0 to arg5, not \"arg9\""},
	    {"minijail", "\nread: arg0 = 1\n", "sample:2: error: expected ==, !="},
	    {"minijail", "read: arg0 == 1 ||\n",
	     "sample:1: error: expected arg0 to arg5, not \"the end\""},
	    {"minijail", "read: arg0 == 1 \\\n && \\\n oops\n", "sample:3: error: expected arg0"},
	    {"minijail", "read: 1; return EFOO\n", "sample:1: error: expected the end of the rule"},
	    {"minijail", "read: return EFOO\n", "sample:1: error: \"EFOO\" is no error number"},
	    {"minijail", "read: {arg0 == 1; allow\n", "sample:1: error: expected \"}\""},
	    {"minijail", "@default nothing\n", "sample:1: error: expected an action"},
	    {"minijail", "@defualt kill\n", "sample:1: error: unknown directive \"@defualt\""},
	    {"minijail", "@include ./nothing.policy\n",
	     "sample:1: error: \"./nothing.policy\" can't be included"},
	    {"minijail", "read: arg0 == $\n",
	     "sample:1: error: expected a word or a mark, not \"$\""},
	    {"kafel", "POLICY a {\n ALLOW { raed }\n}\n",
	     "sample:2: error: unknown system call \"raed\""},
	    {"kafel", "POLICY a {\n ALLOW { read { fd == 1 }\n", "sample:3: error: expected \"}\""},
	    {"kafel", "ALLOW { read { nothing == 1 } }",
	     "sample:1: error: expected an argument of the call"},
	    {"kafel", "ALLOW { read { fd } }", "sample:1: error: expected a comparison"},
	    {"kafel", "ALLOW { read { (fd == 1) & 3 == 3 } }", "sample:1: error: expected numbers"},
	    {"kafel", "\nUSE nothing DEFAULT KILL", "sample:2: error: no policy \"nothing\""},
	    {"kafel", "ERRNO(70000) { read }", "sample:1: error: 70000 is larger"},
	    {"kafel", "\n#include \"nothing\"\n", "sample:2: error: \"nothing\" can't be included"},
	    {"kafel", "#include x\n", "sample:1: error: expected a name in quotes behind #include"},
	    {"kafel", "#include \"x\n", "sample:1: error: expected a name in quotes behind"},
	    {"kafel", "POLICY a {} POLICY a {}", "sample:1: error: the policy \"a\" stands above"},
	    {"systemd", "[Service]\nSystemCallFilter\n",
	     "sample:2: error: expected \"Property=value\""},
	    {"systemd", "[Service\n", "sample:1: error: expected \"[Section]\""},
	    {"systemd", "SystemCallErrorNumber=EFOO\n",
	     "sample:1: error: \"EFOO\" is no error number"},
	    {"systemd", "SystemCallFilter=~read:EFOO\n",
	     "sample:1: error: \"EFOO\" is no error number"},
	    {"systemd", "RestrictAddressFamilies=AF_FOO\n",
	     "sample:1: error: unknown address family"},
	    {"systemd", "ReadOnlyPaths=/\nInaccessiblePaths=/a %h/.ssh\n",
	     "sample:2: error: \"%h/.ssh\" can't be denied"},
	    {"oci", "{\n \"defaultAction\": \n", "sample:3: error: "},
	    {"oci", "[]", "sample:1: error: a profile is an object"},
	    {"oci", "{}", "sample:1: error: \"defaultAction\" is missing"},
	    {"oci", "{\"defaultAction\": \"SCMP_ACT_MAYBE\"}",
	     "sample:1: error: \"defaultAction\" is an unknown action"},
	    {"oci",
	     "{\"defaultAction\": \"SCMP_ACT_ERRNO\", \"syscalls\": [\n{\"names\": [\"read\"], "
	     "\"action\": \"SCMP_ACT_ALLOW\"},\n"
	     "{\"names\": [\"read\"], \"action\": \"x\"}]}",
	     "sample:3: error: \"action\" is an unknown action: x"},
	    {"oci",
	     "{\"defaultAction\": \"SCMP_ACT_ERRNO\", \"syscalls\": [\n\n{\"names\": [\"ioctl\"], "
	     "\"action\": \"SCMP_ACT_ALLOW\", "
	     "\"args\": [{\"index\": 6, \"op\": \"SCMP_CMP_EQ\"}]}]}",
	     "sample:3: error: \"index\" is no number"},
	    {"oci",
	     "{\"defaultAction\": \"SCMP_ACT_ERRNO\", \"syscalls\": [\n{\"names\": [\"ioctl\"], "
	     "\"action\": \"SCMP_ACT_ALLOW\", "
	     "\"args\": [{\"index\": 1, \"op\": \"==\"}]}]}",
	     "sample:2: error: \"op\" is missing"},
	    {"oci", "{\"defaultAction\": \"SCMP_ACT_ERRNO\", \"syscalls\": {}}",
	     "sample: error: \"syscalls\" is no list"},
	    {"firejail", "seccomp\nseccomp.keep\n",
	     "sample:2: error: expected a list of system calls"},
	    {"firejail", "seccomp read:EFOO\n", "sample:1: error: \"EFOO\" is no error number"},
	    {"firejail", "protocol unix,foo\n", "sample:1: error: unknown protocol \"foo\""},
	    {"firejail", "a\n=?*\n", "sample:2: error: \"=?*\" is no directive"},
	    {"firejail", "seccomp-error-action maybe\n",
	     "sample:1: error: \"maybe\" is no error number"},
	};

	for (const auto &c : cases) {
		Imported imported = import(c.format, c.text);

		EXPECT_EQ(1, imported.status) << c.format << ": " << c.text;
		EXPECT_EQ("", imported.policy) << c.text;
		EXPECT_NE(std::string::npos, imported.errors.find(c.mistake)) << c.text << "\n"
									      << imported.errors;
	}
}

TEST(ImportTest, NulBytesAndFormats)
{
	for (const char *format : {"minijail", "kafel", "systemd", "oci", "firejail"}) {
		Imported imported = import(format, std::string("\n\0", 2));

		EXPECT_EQ(1, imported.status);
		EXPECT_NE(std::string::npos, imported.errors.find("sample:2: error: a NUL byte"));
	}
	EXPECT_EQ(125, import("apparmor", "").status);
}

/* ---- texts that would take for ever ---- */

TEST(ImportTest, Bombs)
{
	std::string uses = "POLICY p0 { ALLOW { read } }\n", negations, nested, lines, many;

	for (int i = 1; i < 60; i++)
		uses += "POLICY p" + std::to_string(i) + " { USE p" + std::to_string(i - 1) +
			" USE p" + std::to_string(i - 1) + " }\n";
	EXPECT_NE(std::string::npos, import("kafel", uses + "USE p59").errors.find("more than"));
	for (int i = 0; i < 300; i++)
		negations += (i ? " && " : "") + std::string("!(fd == ") + std::to_string(i) +
			     " && request == " + std::to_string(i) + ")";
	EXPECT_EQ(0, import("kafel", "ALLOW { ioctl { " + negations + " } }").status);
	nested.assign(100000, '(');
	EXPECT_EQ(1, import("kafel", "ALLOW { ioctl { " + nested).status);
	nested.assign(100000, '!');
	EXPECT_EQ(1, import("kafel", "ALLOW { ioctl { " + nested).status);
	nested.assign(100000, '~');
	EXPECT_EQ(1, import("minijail", "ioctl: arg1 == " + nested).status);
	nested.assign(100000, '[');
	EXPECT_EQ(1, import("oci", nested).status);
	for (int i = 0; i < 100000; i++)
		lines += "\\\n";
	EXPECT_EQ(0, import("minijail", lines).status);
	EXPECT_EQ(0, import("systemd", "a=" + lines).status);
	for (int i = 0; i < 5000; i++)
		many += "nothing" + std::to_string(i) + " ";
	EXPECT_NE(std::string::npos,
		  import("systemd", "SystemCallFilter=" + many).errors.find("more than 2000"));
}

/* ---- random damage ---- */

const std::pair<const char *, const char *> kSeeds[] = {
    {"minijail",
     "# c\n@default return EPERM\n{read, write}: 1\nioctl: arg1 == TCGETS || arg1 in ~3 && "
     "arg0 & 0x10; return ENOTTY\nmmap: {arg2 < 4; allow, arg2 != (1|2); kill}\nopen: 1\n"},
    {"kafel",
     "#define A 1\nPOLICY a { ALLOW { read, write(fd) { fd == A || !(fd & 3 == 2), fd > 7 } } }\n"
     "POLICY b { USE a, ERRNO(5) { SYSCALL[39], socket { family == 1 && type != 2 } } }\n"
     "USE b DEFAULT KILL // x\n"},
    {"systemd",
     "[Service]\nSystemCallFilter=@basic-io socket:EPERM \\\n read\nSystemCallFilter=~@clock\n"
     "SystemCallErrorNumber=EPERM\nRestrictAddressFamilies=AF_UNIX\nReadOnlyPaths=/a\n"
     "ReadWritePaths=/ /b\nInaccessiblePaths=/c\nLimitNOFILE=3K\nLockPersonality=1\n"},
    {"oci",
     "{\"defaultAction\": \"SCMP_ACT_ERRNO\", \"defaultErrnoRet\": 38, \"syscalls\": [{\"names\": "
     "[\"read\", \"socket\"], \"action\": \"SCMP_ACT_ALLOW\", \"args\": [{\"index\": 0, \"value\": "
     "7, "
     "\"valueTwo\": 1, \"op\": \"SCMP_CMP_MASKED_EQ\"}], \"excludes\": {\"caps\": [\"A\"]}}]}"},
    {"firejail", "include a\nseccomp !chroot,@clock,uname:EACCES,$39\nseccomp.keep read,@basic-io\n"
		 "seccomp-error-action kill\nprotocol unix,inet\nmemory-deny-write-execute\n"},
};

std::string damaged(std::mt19937 &random, std::string text)
{
	static const char kBytes[] = "\n\"\\{}[]():;,&|!~#@*=<>$% \t\r019AaZz_-./\x7f\xff";

	for (unsigned n = random() % 6 + 1; n > 0 && !text.empty(); n--) {
		size_t at = random() % text.size(), other = random() % text.size();
		char byte = kBytes[random() % (sizeof(kBytes) - 1)];

		switch (random() % 5) {
		case 0:
			text[at] = byte;
			break;
		case 1:
			text.insert(at, 1, byte);
			break;
		case 2:
			text.erase(at, random() % 8 + 1);
			break;
		case 3:
			text.insert(at, text.substr(other, random() % 40));
			break;
		default:
			text.resize(at);
		}
	}
	return text;
}

/* No text brings an importer down, and what it writes is a policy. */
TEST(ImportTest, RandomDamage)
{
	std::mt19937 random(7);
	size_t written = 0;

	for (int round = 0; round < 700; round++)
		for (auto [format, seed] : kSeeds) {
			std::string text = damaged(random, seed);
			Imported imported = import(format, text);
			int r = 0;

			ASSERT_TRUE(imported.status == 0 || imported.status == 1);
			EXPECT_EQ(imported.status == 0, !imported.policy.empty());
			if (imported.status != 0) {
				EXPECT_NE(std::string::npos, imported.errors.find("error: "))
				    << text;
				continue;
			}
			written++;
			ASSERT_EQ("", sallyport::mistakes("imported", imported.policy, &r))
			    << text << "\n"
			    << imported.policy;
		}
	EXPECT_GT(written, 500u);
}

/* ---- the command ---- */

class ImportCommandTest : public sallyport::CommandTest
{
};

TEST_F(ImportCommandTest, PrintsAPolicyThatIsSound)
{
	std::string file = write("x.policy", "read: 1\nfoo: 1\n");

	EXPECT_EQ(1, run("policy import --from minijail " + file).status);
	write("more.policy", "write: arg0 == 2\n");
	write("x.policy", "read: 1\n@include ./more.policy\n");
	auto outcome = run("policy import --from minijail " + file);
	EXPECT_EQ(0, outcome.status) << outcome.errors;
	EXPECT_NE(std::string::npos, outcome.output.find("allow read, write(fd == 2)\n"))
	    << outcome.output;
	EXPECT_NE(std::string::npos, outcome.output.find("policy x.policy\n"));
	write("y.policy", outcome.output);
	EXPECT_EQ(0, run("policy check " + folder_ + "/y.policy").status);
	write("x.policy", "@include ./x.policy\n");
	outcome = run("policy import --from=minijail " + file);
	EXPECT_EQ(1, outcome.status);
	EXPECT_NE(std::string::npos, outcome.errors.find("it includes itself"));
}

TEST_F(ImportCommandTest, Usage)
{
	std::string file = write("x", "");

	for (const std::string &arguments :
	     {std::string(""), std::string("--from"), std::string("--from minijail"),
	      "--from apparmor " + file, "--from minijail " + file + " " + file,
	      "--form minijail " + file, std::string("--from minijail /nothing/here")})
		EXPECT_EQ(125, run("policy import " + arguments).status) << arguments;
}

} // namespace
