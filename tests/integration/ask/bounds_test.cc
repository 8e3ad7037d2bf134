// SPDX-License-Identifier: Apache-2.0
/* What no policy of several grants, the porter has no calls for: nothing that is asked of it may make it try. */
#include "fixture.h"

namespace
{

class Bounds : public AskTest
{
      protected:
	/* What the inner one grants, in its files and besides, the outer one does not. */
	Policy bounded(const std::string &files, const std::string &sections,
		       const std::string &outer)
	{
		const std::string own =
		    "files { read " + std::string(sp_test_binary_dir()) + "/**; ";

		return parse("bounds.policy", "policy inner\nwithin outer\ninclude program\n" +
						  own + files + " }\n" + sections +
						  "policy outer\n" + outer);
	}
	const std::string reads_ = "include parser\nfiles { read, execute /** }\n";
};

using EachWayBounds = EachWayOf<Bounds>;

INSTANTIATE_TEST_SUITE_P(All, EachWayBounds, kWays, way_name);

} // namespace

TEST_P(EachWayBounds, AFileWithoutANameIsNotWrittenTo)
{
	Policy rules = bounded("write " + root + "/**", "", reads_);
	Asked box;

	run_guest(box, GetParam(), {"nameless:" + root + "/new", "stat:/"}, rules.get());
	EXPECT_TRUE(box.has_said("moded = -1")) << box.output_text();
	EXPECT_TRUE(box.has_said("stat:/ = 0")) << box.output_text();
}

TEST_P(EachWayBounds, AFileWithoutANameGetsNoneWhereNothingIsMade)
{
	Policy rules = parse("bounds.policy", "policy bare\ninclude parser\n");
	Asked box;

	if (GetParam() == SP_INTERCEPTION_NOTIFY) /* its launch needs files */
		rules = bounded("", "", reads_);
	run_guest(box, GetParam(), {"nameless:" + root + "/new"}, rules.get());
	EXPECT_EQ(box.count("linked = 0"), 0u) << box.output_text();
	EXPECT_EQ(box.count("linked = -13"), 1u) << box.output_text();
	EXPECT_EQ(access((root + "/new").c_str(), F_OK), -1);
}

/* A floor takes such calls as they come. */
TEST_F(Bounds, NobodyListensByAForgedRequest)
{
	Policy rules = bounded("", "network { bind unix " + root + "/** }\n",
			       "include program\nfiles { read, execute /** }\n");
	Asked box;

	run_guest(box, SP_INTERCEPTION_NOTIFY, {"forge:", "stat:/"}, rules.get());
	EXPECT_EQ(box.count("forged = 0"), 0u) << box.output_text();
	EXPECT_TRUE(box.has_said("stat:/ = 0")) << box.output_text();
}

/* Whatever is asked for, on descriptors of every kind, the porter makes no call that it does not have. */
TEST_P(EachWayBounds, NoCallEndsThePorter)
{
	const std::string calls = "syscalls { allow socket, inotify_init1, eventfd2, pipe2 }\n",
			  everything =
			      "policy wide\ninclude program\n"
			      "files { read, write, create, delete, execute /** }\n"
			      "network { connect unix /**; bind unix /**; connect tcp *:* }\n";
	bool notify = GetParam() == SP_INTERCEPTION_NOTIFY;

	for (const char *grants :
	     {"", "files { read * }", "files { write * }", "files { create * }",
	      "files { delete * }", "files { read, write * }", "files { create, delete * }",
	      "network { connect unix * }", "network { bind unix * }",
	      "network { connect tcp 127.0.0.1:1 }",
	      "network { bind unix *; connect tcp 127.0.0.1:1 }"}) {
		std::string sections = grants;
		const std::string least = notify ? "files { read, execute /** }\n" : "";

		if (size_t star = sections.find('*'); star != std::string::npos)
			sections.replace(star, 1, root + "/**");
		if (notify && sections.compare(0, 7, "files {") == 0)
			sections.replace(0, 7, least.substr(0, least.size() - 3) + "; ");
		else
			sections = least + sections;
		for (bool bounded : {false, true}) {
			Policy rules =
			    bounded ? parse("bounds.policy", everything +
								 "within narrow\npolicy narrow\n"
								 "include parser\n" +
								 calls + sections)
				    : parse("bounds.policy",
					    "policy narrow\ninclude parser\n" + calls + sections);
			Asked box;

			SCOPED_TRACE(sections + (bounded ? " (bounds)" : ""));
			run_guest(box, GetParam(), {"storm:" + root + "/new"}, rules.get());
			EXPECT_TRUE(box.has_said("storm = 0")) << box.output_text();
		}
	}
}
