// SPDX-License-Identifier: Apache-2.0
/* Sandboxes that change while they run: edits of an `editable` policy, and narrowing by any. */
#include "fixture.h"

#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

namespace
{

class EditTest : public AskTest
{
      protected:
	std::string own()
	{
		return "read " + std::string(sp_test_binary_dir()) + "/**\n";
	}
	/* What follows `policy NAME` and `include program`; files: own() and more. */
	Policy editable(const std::string &statement, const std::string &files,
			const std::string &more = "")
	{
		return parse("edit.policy", "policy editor\ninclude program\n" + statement +
						"\nfiles {\n" + own() + files + "\n}\n" + more);
	}
	/* Each step is taken while the guest waits at a "step:", and is in force when it goes on. */
	void run_steps(Asked &box, enum sp_interception interception,
		       const std::vector<std::string> &words, struct sp_policy *policy,
		       const std::vector<std::function<void()>> &steps)
	{
		start(box, interception, words, policy);
		for (size_t i = 0; i < steps.size(); i++) {
			run_until([&] { return box.exits > 0 || box.count("ready = 0") > i; });
			steps[i]();
			run_until([&] { return box.exits > 0 || box.changes.size() == sent; });
			EXPECT_EQ(sp_sandbox_signal(box.sandbox, SIGUSR1), 0);
		}
		finish(box);
		EXPECT_EQ(box.changes.size(), sent);
		for (size_t i = 0; i < box.changes.size(); i++)
			EXPECT_EQ(box.changes[i].first, i + 1);
	}
	void sends(int r, int expected = 0)
	{
		EXPECT_EQ(r, expected);
		sent += r == 0;
	}
	size_t sent = 0;
};

using EachWayEdit = EachWayOf<EditTest>;

INSTANTIATE_TEST_SUITE_P(All, EachWayEdit, kWays, way_name);

} // namespace

TEST_P(EachWayEdit, GivenAndTakenBesideWhatIsNot)
{
	Policy rules = editable("editable", "read " + root + "/b");
	Asked box;

	run_steps(
	    box, GetParam(),
	    {"read:" + root + "/a", "write:" + root + "/a", "read:" + root + "/b",
	     "hold:" + root + "/b", "step:", "read:" + root + "/a",
	     (GetParam() == SP_INTERCEPTION_NOTIFY ? "forked:" : "same:2:") + root + "/a",
	     "write:" + root + "/a", "read:" + root + "/b", "stat:" + root + "/b",
	     "held:", "read:" + root + "/secret", "step:", "read:" + root + "/a",
	     "stat:" + root + "/a", "read:" + root + "/b"},
	    rules.get(),
	    {[&] {
		     sends(sp_sandbox_grant(box.sandbox, "read", (root + "/a").c_str(), NULL));
		     sends(sp_sandbox_revoke(box.sandbox, "read", (root + "/b").c_str(), NULL));
	     },
	     [&] {
		     uint64_t change = 0;

		     sends(sp_sandbox_revoke(box.sandbox, "read", (root + "/a").c_str(), &change));
		     EXPECT_EQ(change, 3u);
		     sends(sp_sandbox_grant(box.sandbox, "read", (root + "/b").c_str(), NULL));
	     }});
	EXPECT_EQ(box.count("read:" + root + "/a = -13"), 2u) << box.output_text();
	EXPECT_EQ(box.count("read:" + root + "/a = a"), 1u);
	/* So do other threads and processes. */
	EXPECT_TRUE(box.has_said((GetParam() == SP_INTERCEPTION_NOTIFY ? "forked:" : "") + root +
				 "/a = a"));
	EXPECT_EQ(box.count("write:" + root + "/a = -13"), 2u);
	EXPECT_EQ(box.count("read:" + root + "/b = b"), 2u);
	EXPECT_EQ(box.count("stat:" + root + "/b = -13"), 1u);
	EXPECT_EQ(box.count("held: = b"), 1u); /* what is open stays open */
	EXPECT_EQ(box.count("read:" + root + "/secret = -13"), 1u);
	EXPECT_EQ(box.count("stat:" + root + "/a = -13"), 1u);
	for (const auto &change : box.changes)
		EXPECT_EQ(change.second, 0);
	/* A report names the edit that took it away. */
	bool named = false;
	for (const std::string &report : box.reports)
		named |= report.find("change 2 of the sandbox") != std::string::npos;
	EXPECT_TRUE(named);
}

/* The walls were built for what edits may give: writing, making and removing names, where none was granted. */
TEST_P(EachWayEdit, WallsLetThroughWhatEditsGive)
{
	Policy rules = editable("editable", "");
	Asked box;

	run_steps(box, GetParam(),
		  {"create:" + root + "/new", "mkdir:" + root + "/dir", "step:",
		   "create:" + root + "/new", "mkdir:" + root + "/dir", "write:" + root + "/new",
		   "rename:" + root + "/new:" + root + "/dir/new", "unlink:" + root + "/dir/new"},
		  rules.get(), {[&] {
			  sends(sp_sandbox_grant(box.sandbox, "read, write, create, delete",
						 (root + "/**").c_str(), NULL));
		  }});
	EXPECT_EQ(box.count("create:" + root + "/new = -13"), 1u) << box.output_text();
	EXPECT_EQ(box.count("mkdir:" + root + "/dir = -13"), 1u);
	for (std::string line :
	     {"create:" + root + "/new", "mkdir:" + root + "/dir", "write:" + root + "/new",
	      std::string("rename"), "unlink:" + root + "/dir/new"})
		EXPECT_EQ(box.count(line + " = 0"), 1u) << line;
}

TEST_P(EachWayEdit, NeitherEditableNorUnlocked)
{
	Policy fixed = policy("read " + root + "/a"), rules = editable("editable", "");
	std::string a = root + "/a";
	Asked box, other;

	start(other, GetParam(), {"step:", "read:" + root + "/b"}, fixed.get());
	EXPECT_EQ(sp_sandbox_grant(other.sandbox, "read", (root + "/b").c_str(), NULL),
		  -EOPNOTSUPP);
	EXPECT_EQ(sp_sandbox_revoke(other.sandbox, "read", a.c_str(), NULL), -EOPNOTSUPP);
	EXPECT_EQ(sp_sandbox_lock(other.sandbox, NULL), -EOPNOTSUPP);
	EXPECT_NE(std::string(sp_sandbox_edit_mistake(other.sandbox, "read", a.c_str()))
		      .find("`editable`"),
		  std::string::npos);
	run_until([&] { return other.has_said("ready = 0"); });
	EXPECT_EQ(sp_sandbox_signal(other.sandbox, SIGUSR1), 0);
	finish(other);
	EXPECT_TRUE(other.has_said("read:" + root + "/b = -13")) << other.output_text();

	run_steps(
	    box, GetParam(), {"step:", "read:" + a, "read:" + root + "/b", "step:", "read:" + a},
	    rules.get(),
	    {[&] {
		     EXPECT_EQ(sp_sandbox_edit_mistake(box.sandbox, "read", a.c_str()), nullptr);
		     sends(sp_sandbox_grant(box.sandbox, "read", a.c_str(), NULL));
		     sends(sp_sandbox_lock(box.sandbox, NULL));
		     sends(sp_sandbox_grant(box.sandbox, "read", (root + "/b").c_str(), NULL),
			   -EPERM);
		     sends(sp_sandbox_revoke(box.sandbox, "read", a.c_str(), NULL), -EPERM);
		     sends(sp_sandbox_lock(box.sandbox, NULL), -EPERM);
		     EXPECT_NE(std::string(sp_sandbox_edit_mistake(box.sandbox, "read", a.c_str()))
				   .find("locked"),
			       std::string::npos);
	     },
	     [&] {
		     Policy none = policy("");

		     /* To narrow is no edit. */
		     sends(sp_sandbox_narrow(box.sandbox, none.get(), NULL));
	     }});
	EXPECT_EQ(box.count("read:" + a + " = a"), 1u) << box.output_text();
	EXPECT_EQ(box.count("read:" + a + " = -13"), 1u);
	EXPECT_EQ(box.count("read:" + root + "/b = -13"), 1u);
}

TEST_F(EditTest, MistakesAreToldWithTheirCure)
{
	Policy rules = editable("editable", "");
	Asked box;
	std::string a = root + "/a";

	start(box, SP_INTERCEPTION_NOTIFY, {"step:", "read:" + a}, rules.get());
	for (const char *rights : {"", "reed", "read,", "read, read", "read write", "all"}) {
		EXPECT_EQ(sp_sandbox_grant(box.sandbox, rights, a.c_str(), NULL), -EINVAL);
		EXPECT_NE(std::string(sp_sandbox_edit_mistake(box.sandbox, rights, a.c_str()))
			      .find("read, write, create"),
			  std::string::npos);
	}
	for (std::string pattern : {std::string(), std::string("a"), a + "/", root + "/[a",
				    root + "/../etc", "/" + std::string(5000, 'a')}) {
		EXPECT_EQ(sp_sandbox_grant(box.sandbox, "read", pattern.c_str(), NULL), -EINVAL)
		    << pattern;
		EXPECT_EQ(sp_sandbox_revoke(box.sandbox, "read", pattern.c_str(), NULL), -EINVAL);
		EXPECT_NE(sp_sandbox_edit_mistake(box.sandbox, "read", pattern.c_str()), nullptr);
	}
	for (const char *right : {"execute", "connect", "read, execute"}) {
		EXPECT_EQ(sp_sandbox_grant(box.sandbox, right, a.c_str(), NULL), -EACCES);
		EXPECT_NE(std::string(sp_sandbox_edit_mistake(box.sandbox, right, a.c_str()))
			      .find("`editable within`"),
			  std::string::npos);
	}
	run_until([&] { return box.has_said("ready = 0"); });
	EXPECT_EQ(sp_sandbox_signal(box.sandbox, SIGUSR1), 0);
	run_until([&] { return box.exits > 0; });
	EXPECT_EQ(sp_sandbox_grant(box.sandbox, "read", a.c_str(), NULL), -ESRCH);
	EXPECT_EQ(sp_sandbox_narrow(box.sandbox, rules.get(), NULL), -ESRCH);
	EXPECT_EQ(sp_sandbox_lock(box.sandbox, NULL), -ESRCH);
	finish(box);
	EXPECT_TRUE(box.changes.empty());
	EXPECT_TRUE(box.has_said("read:" + a + " = -13"));
}

TEST_P(EachWayEdit, NeverBeyondWhatBoundsThePolicyOrItsEdits)
{
	Policy rules = editable(
	    "within outer\neditable within inner\nphase late within last", "",
	    "policy outer\ninclude program\nfiles {\n" + own() + "read, write " + root + "/a, " +
		root + "/b }\n" + "policy inner\nfiles { read " + root + "/** }\n" +
		"policy last\ninclude program\nfiles {\n" + own() + "read " + root + "/b }\n");
	Asked box;
	auto grant_all = [&] {
		sends(sp_sandbox_grant(box.sandbox, "read", (root + "/**").c_str(), NULL));
		sends(sp_sandbox_grant(box.sandbox, "write", (root + "/**").c_str(), NULL),
		      -EACCES);
	};

	run_steps(box, GetParam(),
		  {"step:", "read:" + root + "/a", "write:" + root + "/a",
		   "read:" + root + "/granted", "phase:late", "step:", "read:" + root + "/a",
		   "read:" + root + "/b"},
		  rules.get(), {grant_all, grant_all});
	EXPECT_EQ(box.count("read:" + root + "/a = a"), 1u) << box.output_text();
	EXPECT_EQ(box.count("write:" + root + "/a = -13"), 1u);
	EXPECT_EQ(box.count("read:" + root + "/granted = -13"), 1u);
	EXPECT_EQ(box.count("read:" + root + "/a = -13"), 1u);
	EXPECT_EQ(box.count("read:" + root + "/b = b"), 1u);
}

TEST_P(EachWayEdit, NarrowedByAnyPolicy)
{
	Policy rules = policy("read, write, delete " + root + "/**"),
	       narrower =
		   parse("edit.policy", "policy narrower\nsyscalls { deny unlink as EXDEV }\n"
					"files {\n" +
					    own() + "read, delete " + root + "/**; deny " + root +
					    "/secret as ENOTDIR }\n");
	Asked box;

	run_steps(box, GetParam(),
		  {"write:" + root + "/a", "read:" + root + "/secret",
		   "step:", "write:" + root + "/a", "read:" + root + "/secret",
		   "read:" + root + "/a", "unlink:" + root + "/a", "phase:narrower", "phase:"},
		  rules.get(), {[&] {
			  uint64_t change = 0;

			  sends(sp_sandbox_narrow(box.sandbox, narrower.get(), &change));
			  EXPECT_EQ(change, 1u);
			  narrower.reset(); /* nothing of it is needed any more */
		  }});
	EXPECT_EQ(box.count("write:" + root + "/a = 0"), 1u) << box.output_text();
	EXPECT_EQ(box.count("write:" + root + "/a = -13"), 1u);
	EXPECT_EQ(box.count("read:" + root + "/secret = secret"), 1u);
	EXPECT_EQ(box.count("read:" + root + "/secret = -20"), 1u);
	EXPECT_EQ(box.count("read:" + root + "/a = a"), 1u);
	EXPECT_EQ(box.count("unlink:" + root + "/a = -18"), 1u);
	EXPECT_EQ(box.count(" = -2"), 2u); /* it is no phase that a sandboxee could name */
	ASSERT_EQ(box.changes.size(), 1u);
	EXPECT_EQ(box.changes[0].second, 0);
}

TEST_F(EditTest, NarrowedSoManyTimesAndNotByFiltersOfOthers)
{
	Policy rules = policy("read " + root + "/**"), same = policy("read " + root + "/**"),
	       foreign = policy("read " + root + "/**");
	const uint64_t allow = 0x7fff000000000006; /* BPF_RET | BPF_K, SECCOMP_RET_ALLOW */
	Asked box;

	ASSERT_EQ(sp_policy_add_filter(foreign.get(), &allow, sizeof(allow)), 0);
	run_steps(box, SP_INTERCEPTION_NOTIFY, {"step:", "read:" + root + "/a"}, rules.get(), {[&] {
			  sends(sp_sandbox_narrow(box.sandbox, foreign.get(), NULL), -EOPNOTSUPP);
			  for (int i = 0; i < 16; i++)
				  sends(sp_sandbox_narrow(box.sandbox, same.get(), NULL));
			  sends(sp_sandbox_narrow(box.sandbox, same.get(), NULL), -E2BIG);
		  }});
	EXPECT_EQ(box.count("read:" + root + "/a = a"), 1u) << box.output_text();
	/* What it was narrowed by can be launched, and the other way round. */
	Asked again;
	run_guest(again, SP_INTERCEPTION_NOTIFY, {"read:" + root + "/a"}, same.get());
	EXPECT_EQ(again.count("read:" + root + "/a = a"), 1u);
}

TEST_P(EachWayEdit, QuestionsAreDecidedAnew)
{
	Policy rules = editable("editable", "ask read " + root + "/**");
	Asked box;
	std::string a = root + "/a", b = root + "/b";
	uint64_t open = 0;

	/* What is taken while one waits is refused, whatever the answer; what is given needs none. */
	box.on_question = [&](const Question &question) {
		bool first = question.path == a;

		open = question.id;
		EXPECT_EQ(first ? sp_sandbox_revoke(box.sandbox, "read", a.c_str(), NULL)
				: sp_sandbox_grant(box.sandbox, "read", b.c_str(), NULL),
			  0);
	};
	box.on_change = [&](uint64_t change, int error) {
		EXPECT_EQ(error, 0);
		EXPECT_EQ(sp_question_answer(box.sandbox, open,
					     change == 1 ? SP_ANSWER_ALLOW : SP_ANSWER_DENY, true),
			  0);
	};
	run_guest(box, GetParam(), {"read:" + a, "read:" + b, "read:" + a, "read:" + b},
		  rules.get());
	EXPECT_EQ(box.count("read:" + a + " = -13"), 2u) << box.output_text();
	EXPECT_EQ(box.count("read:" + b + " = b"), 2u);
	EXPECT_EQ(box.questions.size(), 2u);
}

/* At no moment are both directories granted: a call that names both is decided on before or behind an edit. */
TEST_P(EachWayEdit, RacedWithCalls)
{
	Policy rules = editable("editable", "");
	std::string one = root + "/one", two = root + "/two";
	Asked box;
	bool first = true;
	unsigned made = 0;

	for (const std::string &directory : {one, two})
		ASSERT_EQ(mkdir(directory.c_str(), 0700), 0);
	for (const char *name : {"/0", "/across"})
		std::ofstream(one + name) << name;
	start(box, GetParam(), {"race:" + one + ":" + two}, rules.get());
	auto turn = [&] {
		const std::string &from = first ? two : one, &to = first ? one : two;

		first = !first;
		/* The guest may be at its end. */
		for (int r : {sp_sandbox_revoke(box.sandbox, "create, delete, read, write",
						(from + "/**").c_str(), NULL),
			      sp_sandbox_grant(box.sandbox, "create, delete, read, write",
					       (to + "/**").c_str(), NULL)})
			EXPECT_TRUE(r == 0 || r == -ESRCH) << r;
	};
	box.on_change = [&](uint64_t change, int error) {
		EXPECT_TRUE(error == 0 || error == -ESRCH);
		made += error == 0;
		if (error == 0 && change % 2 == 0 && !box.has_said("crossed = none") &&
		    box.output_text().empty())
			turn();
	};
	turn();
	run_until([&] { return box.exits > 0; });
	finish(box);
	EXPECT_TRUE(box.has_said("crossed = none")) << box.output_text();
	EXPECT_GT(made, 2u);
}

TEST_P(EachWayEdit, NamesOfSocketsWhereThePolicyNamesSome)
{
	std::string named = root + "/named", other = root + "/other";
	Policy rules = editable("editable\nnetwork { connect unix " + named + " }", "");
	std::vector<int> sockets;
	Asked box;

	for (const std::string &path : {named, other}) {
		struct sockaddr_un address = {AF_UNIX, {}};

		sockets.push_back(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
		path.copy(address.sun_path, sizeof(address.sun_path) - 1);
		ASSERT_EQ(bind(sockets.back(), reinterpret_cast<struct sockaddr *>(&address),
			       sizeof(address)),
			  0);
		ASSERT_EQ(listen(sockets.back(), 8), 0);
	}
	run_steps(box, GetParam(),
		  {"connect:" + named, "connect:" + other, "step:", "connect:" + named,
		   "connect:" + other},
		  rules.get(), {[&] {
			  sends(sp_sandbox_grant(box.sandbox, "connect", other.c_str(), NULL));
			  sends(sp_sandbox_revoke(box.sandbox, "connect", named.c_str(), NULL));
		  }});
	EXPECT_EQ(box.count("connect:" + named + " = 0"), 1u) << box.output_text();
	EXPECT_EQ(box.count("connect:" + named + " = -13"), 1u);
	EXPECT_EQ(box.count("connect:" + other + " = -13"), 1u);
	EXPECT_EQ(box.count("connect:" + other + " = 0"), 1u);
	for (int fd : sockets)
		close(fd);
}

TEST_F(EditTest, ProgramsWhereThePolicyNamesSome)
{
	std::string program = root + "/true";
	Policy rules = editable("editable", "execute /usr/bin/true");
	Asked box;

	ASSERT_EQ(system(("cp /usr/bin/true " + program).c_str()), 0);
	run_steps(
	    box, SP_INTERCEPTION_NOTIFY,
	    {"execute:/usr/bin/true", "execute:" + program, "step:", "execute:" + program,
	     "step:", "execute:" + program},
	    rules.get(),
	    {[&] { sends(sp_sandbox_grant(box.sandbox, "execute", program.c_str(), NULL)); },
	     [&] { sends(sp_sandbox_revoke(box.sandbox, "execute", program.c_str(), NULL)); }});
	EXPECT_EQ(box.count("execute:/usr/bin/true = 0"), 1u) << box.output_text();
	EXPECT_EQ(box.count("execute:" + program + " = 13"), 2u);
	EXPECT_EQ(box.count("execute:" + program + " = 0"), 1u);
}

/* Who runs in the sandbox may have made it: what it points to is given by its own name alone. */
TEST_P(EachWayEdit, ASymbolicLinkIsNotFollowed)
{
	Policy rules = editable("editable", "");
	std::string link = root + "/link", folder = root + "/folder";
	Asked box;

	ASSERT_EQ(symlink((root + "/secret").c_str(), link.c_str()), 0);
	ASSERT_EQ(symlink(root.c_str(), folder.c_str()), 0);
	run_steps(
	    box, GetParam(),
	    {"step:", "read:" + link, "read:" + root + "/secret", "read:" + folder + "/secret",
	     "step:", "read:" + link},
	    rules.get(),
	    {[&] {
		     sends(sp_sandbox_grant(box.sandbox, "read", link.c_str(), NULL));
		     sends(sp_sandbox_grant(box.sandbox, "read", (folder + "/**").c_str(), NULL));
	     },
	     [&] {
		     sends(sp_sandbox_grant(box.sandbox, "read", (root + "/secret").c_str(), NULL));
	     }});
	EXPECT_EQ(box.count(" = -13"), 3u) << box.output_text();
	EXPECT_EQ(box.count("read:" + link + " = secret"), 1u);
}

/* Nor for a policy that narrows; what it denies it denies by every name. */
TEST_P(EachWayEdit, ANarrowingDoesNotReachThroughLinks)
{
	Policy rules = policy("read " + root + "/**"),
	       narrow =
		   policy("read " + root + "/out/**\nread " + root + "/**\ndeny " + root + "/door"),
	       through = policy("read " + root + "/out/**");
	Asked box;

	ASSERT_EQ(symlink((root + "/b").c_str(), (root + "/door").c_str()), 0);
	ASSERT_EQ(symlink(root.c_str(), (root + "/out").c_str()), 0);
	run_steps(box, GetParam(),
		  {"step:", "read:" + root + "/b", "read:" + root + "/a",
		   "step:", "read:" + root + "/out/a"},
		  rules.get(),
		  {[&] { sends(sp_sandbox_narrow(box.sandbox, narrow.get(), NULL)); },
		   [&] { sends(sp_sandbox_narrow(box.sandbox, through.get(), NULL)); }});
	EXPECT_TRUE(box.has_said("read:" + root + "/b = -13")) << box.output_text();
	EXPECT_TRUE(box.has_said("read:" + root + "/a = a"));
	EXPECT_TRUE(box.has_said("read:" + root + "/out/a = -13"));
}

TEST_P(EachWayEdit, TooManyAtOnceAndAPorterThatDies)
{
	Policy rules = editable("editable", "");
	std::string a = root + "/a";
	Asked box;
	pid_t porter;
	int sent_now = 0, r = 0;

	start(box, GetParam(), {"step:"}, rules.get());
	run_until([&] { return box.pid != 0; });
	porter = parent_of(box.pid);
	ASSERT_EQ(kill(porter, SIGSTOP), 0);
	while (r == 0 && sent_now <= 64) {
		r = sp_sandbox_grant(box.sandbox, "read", (a + std::to_string(sent_now)).c_str(),
				     NULL);
		sent_now += r == 0;
	}
	EXPECT_EQ(r, -EAGAIN);
	EXPECT_GT(sent_now, 0);
	EXPECT_LE(sent_now, 64);
	ASSERT_EQ(kill(porter, SIGKILL), 0);
	run_until([&] { return box.exits > 0; });
	EXPECT_EQ(box.cause, SP_EXIT_LOST);
	EXPECT_EQ(box.late, 0);
	ASSERT_EQ(box.changes.size(), size_t(sent_now));
	for (int i = 0; i < sent_now; i++) {
		EXPECT_EQ(box.changes[i].first, uint64_t(i) + 1);
		EXPECT_EQ(box.changes[i].second, -ESRCH);
	}
	box.sandbox = sp_sandbox_free(box.sandbox);
}

TEST_P(EachWayEdit, MoreThanStandFailAndChangeNothing)
{
	Policy rules = editable("editable", "");
	Asked box;
	size_t made = 0;

	start(box, GetParam(), {"step:", "read:" + root + "/b", "read:" + root + "/a"},
	      rules.get());
	/* 256 names, the last of which exists, and one more. */
	box.on_change = [&](uint64_t change, int error) {
		EXPECT_EQ(error, change <= 256 ? 0 : -ENOSPC);
		made++;
	};
	for (int i = 0; i < 257; i++) {
		std::string name = i == 255   ? root + "/a"
				   : i == 256 ? root + "/b"
					      : root + "/no" + std::to_string(i);

		ASSERT_EQ(sp_sandbox_grant(box.sandbox, "read", name.c_str(), NULL), 0);
		run_until([&] { return box.exits > 0 || made == size_t(i) + 1; });
	}
	run_until([&] { return box.has_said("ready = 0"); });
	EXPECT_EQ(sp_sandbox_signal(box.sandbox, SIGUSR1), 0);
	finish(box);
	EXPECT_TRUE(box.has_said("read:" + root + "/b = -13")) << box.output_text();
	EXPECT_TRUE(box.has_said("read:" + root + "/a = a"));
}
