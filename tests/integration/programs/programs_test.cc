/* SPDX-License-Identifier: Apache-2.0 */
/* Programs as Debian ships them say and write below a floor, and with the runtime on it, what they say and write
 * without one. */
#include <pwd.h>
#include <unistd.h>

#include <ostream>
#include <string>

#include "tests/integration/programs/scratch.h"

namespace
{

using sallyport::Outcome;

enum {
	EXACT = 0,
	ANY_ERRORS = 1 << 0,  /* what it says on stderr may differ */
	ANY_CONTENT = 1 << 1, /* times or random numbers go into the files that it writes */
	NAMED_USER = 1 << 2,  /* it runs for users of /etc/passwd alone */
	IS_STATIC = 1 << 3,   /* no loader brings the runtime in */
};

struct Row {
	const char *name;
	const char *options; /* of `sallyport run` */
	const char *command; /* the words of a shell */
	const char *prepare; /* a shell's, in the tree, before it */
	unsigned differs;    /* of the above */
	int status = 0;      /* that it exits with */
};

/* The name of a row is that of its test. */
void PrintTo(const Row &row, std::ostream *stream)
{
	*stream << row.command;
}

#define READS "-r ."
#define WRITES "-w ."
#define RUNS "--execute /usr"

const Row kRows[] = {
    {"cat", READS, "cat text.txt link sub/deep/file", "", EXACT},
    {"cat_missing", READS, "cat text.txt missing", "", EXACT, 1},
    {"file", READS, "file text.txt image.png doc.pdf doc.xml sub link", "", EXACT},
    {"file_stdin", READS, "file - < image.png", "", EXACT},
    {"ls", READS, "ls -lR --time-style=full-iso", "", EXACT},
    {"ls_usr", READS, "ls -F /usr/lib", "", EXACT},
    {"find", READS, "find . -type f -newermt 2001-01-01", "", EXACT},
    {"find_exec", READS " " RUNS, "find . -name '*.c' -exec wc -l {} +", "", EXACT},
    {"pdftotext", READS, "pdftotext doc.pdf -", "", EXACT},
    {"pdftotext_to_file", WRITES, "pdftotext doc.pdf doc.txt", "", EXACT},
    {"pdftoppm", WRITES, "pdftoppm -r 20 -png doc.pdf page", "", EXACT},
    {"gs", READS, "gs -q -dBATCH -dNOPAUSE -sDEVICE=txtwrite -sOutputFile=- doc.pdf", "", EXACT},
    {"gs_renders", WRITES,
     "gs -q -dBATCH -dNOPAUSE -sDEVICE=pnggray -r20 -sOutputFile=page-%d.png doc.pdf", "", EXACT},
    {"gs_refuses", READS, "gs -q -dBATCH -dNOPAUSE -sDEVICE=nullpage doc.xml", "", EXACT, 1},
    {"identify", READS, "identify -format '%m %w %h %[colorspace]\n' page-1.png page-1.gif",
     "pdftoppm -r 20 -png doc.pdf page && convert page-1.png page-1.gif", EXACT},
    {"identify_missing", READS, "identify missing.png", "", EXACT, 1},
    {"convert", WRITES, "convert page-1.png -resize 30x30 smaller.gif",
     "pdftoppm -r 20 -png doc.pdf page", EXACT},
    {"static_go", READS, "pup -f doc.xml 'b text{}'", "", IS_STATIC},
    {"static_go_stdin", READS, "pup 'a json{}' < doc.xml", "", IS_STATIC},
    {"xmllint", READS, "xmllint --format doc.xml", "", EXACT},
    {"xmllint_refuses", READS, "xmllint doc.pdf", "", EXACT, 1},
    {"sqlite_reads", READS, "sqlite3 -readonly base 'select * from t order by n'",
     "sqlite3 base 'create table t (n, m); insert into t values (1, 2), (3, 4)'", EXACT},
    {"sqlite_writes", WRITES,
     "sqlite3 base 'begin; insert into t values (5, 6); commit; select sum(n) from t'",
     "sqlite3 base 'create table t (n, m); insert into t values (1, 2), (3, 4)'", EXACT},
    {"perl", READS,
     "perl -MPOSIX -MFile::Find -e 'find(sub { print \"$File::Find::name\\n\" if -f }, \".\"); "
     "print strftime(\"%Y\\n\", "
     "gmtime(0))'",
     "", EXACT},
    {"python_json", READS,
     "/usr/bin/python3 -c 'import json; print(json.load(open(\"data.json\")))'", "", EXACT},
    {"python_imports", READS,
     "/usr/bin/python3 -c 'import ssl, ctypes, sqlite3, hashlib; print(ssl.OPENSSL_VERSION)'", "",
     EXACT},
    {"python_ctypes", READS,
     "/usr/bin/python3 -c 'import ctypes; print(ctypes.CDLL(None).strlen(b\"porter\")); "
     "c = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)(lambda x: x + 1); print(c(41))'",
     "", EXACT},
    {"python_threads", READS,
     "/usr/bin/python3 -c '\n"
     "import threading\n"
     "def work(n):\n"
     "    for i in range(200):\n"
     "        with open(\"text.txt\") as f: total[n] += len(f.read())\n"
     "total = [0] * 8\n"
     "threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]\n"
     "[t.start() for t in threads]; [t.join() for t in threads]\n"
     "print(total)'",
     "", EXACT},
    {"python_subprocess", READS " " RUNS,
     "/usr/bin/python3 -c 'import subprocess; print(subprocess.check_output([\"/usr/bin/wc\", "
     "\"-c\", \"text.txt\"])); "
     "print(subprocess.run(\"exit 7\", shell=True).returncode)'",
     "", EXACT},
    {"python_dumpable", READS,
     "/usr/bin/python3 -c 'import ctypes; print(ctypes.CDLL(None).prctl(4, 0, 0, 0, 0))'", "",
     EXACT},
    {"timeout_dies_alike", READS " " RUNS, "timeout 60 sh -c 'kill -TERM $$'", "", EXACT, 143},
    {"sha256sum", READS, "sha256sum text.txt doc.pdf sub/other", "", EXACT},
    {"sha256sum_check", READS, "sha256sum -c sums", "sha256sum text.txt doc.pdf > sums", EXACT},
    {"tar_create", READS, "tar cf - --sort=name .", "", EXACT},
    {"dash", READS " " RUNS,
     "dash -c 'cat <<E | tr a-z A-Z; cd sub && ls; echo $?; echo in | (cd deep; cat; "
     "pwd)\nhere\nE'",
     "", EXACT},
    {"dash_writes", WRITES " " RUNS,
     "dash -c 'for i in 1 2 3; do echo $i > made.$i; done; cat made.* > all; rm made.2; mkdir d; "
     "mv made.1 d; exit 3'",
     "", EXACT, 3},
    {"bash", READS " " RUNS,
     "bash -c 'while read -r line; do echo \"<$line>\"; done < text.txt | sort; cat <<< word; echo "
     "x{1..3}; type cat; set -o pipefail; false | true; echo $?'",
     "", EXACT},
    {"cat_stdin", READS, "cat /dev/stdin - < text.txt", "", EXACT},
    {"busybox_sh", READS " " RUNS, "busybox sh -c 'cat text.txt | busybox wc -l; cd sub; pwd'", "",
     EXACT},
    {"bash_substitutes", READS " " RUNS, "bash -c 'diff <(sort text.txt) <(sort -r text.txt)'", "",
     EXACT, 1},
    {"cat_piped_stdin", READS " " RUNS,
     "dash -c 'echo piped | cat /dev/stdin /proc/self/fd/0 /dev/fd/0'", "", EXACT},
    {"stdout", READS " " RUNS,
     "dash -c 'echo out > /dev/stdout; echo err > /dev/stderr; echo null > /dev/null'", "", EXACT},
    {"ssh_keygen", WRITES, "ssh-keygen -q -t ed25519 -N '' -C c -f key", "",
     ANY_CONTENT | NAMED_USER},
    {"make_objects", WRITES " " RUNS, "make -C project main.o add.o twice.o", "", EXACT},
    {"gcc_assembler", WRITES " " RUNS, "gcc -O2 -pipe -S -o out.s project/add.c", "", EXACT},
    {"git_log", WRITES " " RUNS, "git -c core.pager=cat -C project log --format=%s%an",
     "cd project && git -c init.defaultBranch=main init -q && git add . && "
     "GIT_COMMITTER_DATE='@1000000000 +0000' GIT_AUTHOR_DATE='@1000000000 +0000' git -c "
     "user.name=n -c user.email=e commit -qm "
     "first",
     ANY_CONTENT},
    {"git_status", READS " " RUNS, "git --no-optional-locks -C project status --short",
     "cd project && git -c init.defaultBranch=main init -q && git add . && "
     "GIT_COMMITTER_DATE='@1000000000 +0000' GIT_AUTHOR_DATE='@1000000000 +0000' git -c "
     "user.name=n -c user.email=e commit -qm "
     "first && echo >> add.c && touch new",
     ANY_CONTENT},
    {"rsync_list", READS " " RUNS, "rsync -rn --itemize-changes sub/ copy", "", EXACT},
    {"fifo", WRITES " " RUNS,
     "bash -c 'exec 3<>fifo; echo through >&3; read -r line <&3; echo $line; echo again > fifo; "
     "read -r line <&3; echo $line'",
     "mkfifo fifo", EXACT},
    {"fifo_meet", WRITES " " RUNS,
     "bash -c 'mkfifo f g; cat f & echo over > f; wait; (read -r x < f; echo got $x > g) & echo "
     "there "
     "> f; read -r y < g; wait; echo $y; for i in 1 2 3; do echo $i > f & cat f; wait; done'",
     "", EXACT},
    {"full", READS " " RUNS,
     "bash -c 'echo x > /dev/full; echo $?; head -c 4 /dev/zero | od -c; head -c 8 /dev/urandom | "
     "wc -c'",
     "", EXACT},
    {"memfd", READS " " RUNS,
     "perl -e 'my $n = \"x\"; my $fd = syscall(319, $n, 0); open(my $o, \">&=\", $fd); print $o "
     "\"in memory\\n\"; $o->flush(); open(my $i, \"<\", \"/proc/self/fd/$fd\"); print <$i>'",
     "", EXACT},
    {"deleted", WRITES,
     "perl -e 'open(my $o, \"+>\", \"new\"); unlink(\"new\"); print $o \"gone\\n\"; $o->flush(); "
     "open(my $i, \"<\", \"/proc/self/fd/\" . fileno($o)) or die $!; print <$i>'",
     "", EXACT},
    {"process_group", READS " " RUNS,
     "bash -c 'set -m; sleep 0 & wait; echo $?; trap \"echo trapped\" USR1; kill -USR1 $$; (kill "
     "-TERM $BASHPID); echo $?'",
     "", EXACT},
    {"df", READS, "df --output=target,fstype,size .", "", EXACT},
    {"make", WRITES " " RUNS " --execute project", "make -C project", "", EXACT},
    {"git", WRITES " " RUNS,
     "bash -c 'cd project && git -c init.defaultBranch=main init -q && git add . && "
     "GIT_COMMITTER_DATE=\"@1000000000 +0000\" GIT_AUTHOR_DATE=\"@1000000000 +0000\" git -c "
     "user.name=n -c user.email=e commit -qm first && git --no-pager "
     "log --stat'",
     "", ANY_CONTENT},
    {"rsync", WRITES " " RUNS, "rsync -a sub/ copy", "", EXACT},
    {"tar_extract", WRITES, "tar xf all.tar -C out",
     "mkdir out && tar --mtime=@1 -cf all.tar sub link", EXACT},
    {"cp", WRITES, "cp -a sub link copy", "mkdir copy", EXACT},
    {"ls_context", READS, "ls -lZ sub", "", EXACT},
    {"ln", WRITES " " RUNS, "bash -c 'ln text.txt hard; ln -s text.txt soft; ls -l hard soft'", "",
     EXACT},
    {"touch", WRITES " " RUNS,
     "bash -c 'touch -d @1 text.txt; chmod 640 text.txt; truncate -s 2 text.txt; ls -l text.txt'",
     "", EXACT},
    {"writes_directories", READS,
     "perl -MFcntl -e 'for my $name (qw(. sub /etc /usr/)) { for (O_WRONLY, O_RDWR, O_RDWR | "
     "O_CREAT, "
     "O_RDONLY | O_TRUNC) { sysopen(my $f, $name, $_) or print \"$name: $!\\n\" } }'",
     "", EXACT},
    {"remaps_pages", READS,
     "perl -e 'my $p = syscall(9, 0, 8192, 3, 0x21, -1, 0); print syscall(216, $p, 4096, 0, 1, 0), "
     "\"\\n\"'",
     "", EXACT},
    {"hard_links", WRITES " " RUNS,
     "bash -c 'ln text.txt hard; echo more >> hard; chmod 600 text.txt; touch -d @5 hard; truncate "
     "-s 7 hard; cp -al sub copy; "
     "echo both > copy/other; cat sub/other; rm text.txt; echo again >> hard; stat -c \"%h %a\" "
     "copy/other'",
     "", EXACT},
    {"tar_hard_links", WRITES " " RUNS,
     "bash -c 'ln text.txt sub/hard; tar cf all.tar text.txt sub; rm -r text.txt sub; tar xpf "
     "all.tar; tar xpf all.tar --overwrite; "
     "stat -c %h text.txt; rm all.tar'",
     "", EXACT},
    {"rsync_hard_links", WRITES " " RUNS,
     "bash -c 'ln sub/other sub/hard; rsync -aH sub/ copy; touch -d @7 sub/hard; rsync -aHi sub/ "
     "copy; stat -c %h copy/hard'",
     "", EXACT},
    {"ps", READS " " RUNS, "dash -c 'exec ps -o comm= -p $$'", "", EXACT},
    {"shared_descriptors", READS,
     "perl -e 'pipe(my $read, my $write); stat(\"sub\"); my $child = syscall(56, 0x400 | 17, 0, 0, "
     "0, 0); "
     "if (!$child) { open(my $file, \"<\", \"text.txt\"); syswrite($write, \"x\"); sleep 100 } "
     "sysread($read, my $byte, 1); print -e \"sub/other\" ? \"there\\n\" : \"$!\\n\"; kill(9, "
     "$child); "
     "waitpid($child, 0); open(my $file, \"<\", \"text.txt\"); print <$file>'",
     "", EXACT},
    {"mkfifo", WRITES, "mkfifo -m 600 fifo", "", EXACT},
    {"python_multiprocessing", READS " " RUNS " -w /dev/shm",
     "/usr/bin/python3 -c 'import multiprocessing as m\nwith m.Pool(3) as p: print(p.map(abs, "
     "range(-5, 5)))'",
     "", EXACT},
};

/* Type and mode of a tree's entry, without what it holds. */
std::string ModeOf(const std::string &entry)
{
	return entry.substr(0, entry.find(' '));
}

/* The names that only one of the trees has, or that are not the same in both. */
std::string Differences(const Outcome &native, const Outcome &sandboxed, bool modes_alone)
{
	std::string names;

	for (const auto &[name, entry] : native.tree) {
		auto other = sandboxed.tree.find(name);

		if (other == sandboxed.tree.end())
			names += "missing: " + name + "\n";
		else if (ModeOf(entry) != ModeOf(other->second))
			names += "mode: " + name + ": " + ModeOf(entry) + " became " +
				 ModeOf(other->second) + "\n";
		else if (!modes_alone && entry != other->second)
			names += "content: " + name + "\n";
	}
	for (const auto &entry : sandboxed.tree)
		if (native.tree.count(entry.first) == 0)
			names += "extra: " + entry.first + "\n";
	return names;
}

class Programs : public sallyport::ScratchTest, public testing::WithParamInterface<Row>
{
      protected:
	void Compare(const Row &row, const Outcome &native, const std::string &way)
	{
		SCOPED_TRACE(way);
		ASSERT_NO_FATAL_FAILURE(MakeTree(row.prepare));
		const Outcome sandboxed = RunSandboxed(row.options, row.command, way);

		EXPECT_EQ(native.status, sandboxed.status);
		EXPECT_EQ(native.output, sandboxed.output);
		if (!(row.differs & ANY_ERRORS)) {
			EXPECT_EQ(native.errors, sandboxed.errors);
		}
		EXPECT_EQ("", Differences(native, sandboxed, row.differs & ANY_CONTENT));
	}
};

TEST_P(Programs, BehaveAsNatively)
{
	const Row &row = GetParam();

	if ((row.differs & NAMED_USER) && !getpwuid(getuid()))
		GTEST_SKIP() << "this user has no name";
	ASSERT_NO_FATAL_FAILURE(MakeTree(row.prepare));
	const Outcome native = RunNative(row.command);
	EXPECT_EQ(row.status, native.status) << native.errors;
	ASSERT_NO_FATAL_FAILURE(Compare(row, native, "notify"));
	/* The runtime is where nothing else is run. */
	if (!(row.differs & IS_STATIC) &&
	    std::string(row.options).find("--execute") == std::string::npos) {
		ASSERT_NO_FATAL_FAILURE(Compare(row, native, "trap"));
	}
}

using Powers = sallyport::ScratchTest;

/* There are none, for root neither: to give them up works as natively, to take one fails as for any user. */
TEST_F(Powers, CapabilitiesAreOnlyGivenUp)
{
	const std::string set =
	    "perl -e 'my $header = pack(\"LL\", 0x20080522, 0); for (0, 1) { my $sets "
	    "= pack(\"L6\", ($_) x 3, (0) x 3); print syscall(126, $header, $sets) < "
	    "0 ? \"$!\\n\" : \"set\\n\" }'";

	ASSERT_NO_FATAL_FAILURE(MakeTree(""));
	for (const char *way : {"notify", "trap"})
		EXPECT_EQ("set\nOperation not permitted\n", RunSandboxed(READS, set, way).output);
}

/* Programs that list processes work, and learn of the sandbox's own that they are there. */
TEST_F(Powers, OthersAreThereAndNoMore)
{
	const std::string list =
	    "perl -e 'pipe(my $read, my $write); my $child = fork; if (!$child) { close $write; "
	    "<$read>; "
	    "exit } opendir(my $all, \"/proc\") or die; print scalar(grep { /^[0-9]/ } readdir "
	    "$all), "
	    "\"\\n\"; for my $pid (1, $child) { for (qw(comm environ fd/0 root cwd/.)) { print "
	    "\"$pid/$_\\n\" "
	    "if -e \"/proc/$pid/$_\" or open(my $file, \"<\", \"/proc/$pid/$_\") or "
	    "readlink(\"/proc/$pid/$_\") } } close $write; wait'";

	ASSERT_NO_FATAL_FAILURE(MakeTree(""));
	for (const char *way : {"notify", "trap"})
		EXPECT_EQ("3\n", RunSandboxed(READS, list, way).output);
}

INSTANTIATE_TEST_SUITE_P(Debian, Programs, testing::ValuesIn(kRows),
			 [](const testing::TestParamInfo<Row> &info) { return info.param.name; });

} // namespace
