/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/integration/programs/scratch.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "tests/support/descriptors.h"
#include "tests/support/kill.h"
#include "tests/support/paths.h"

namespace sallyport
{

namespace
{

/* A run that takes longer than this has got stuck. */
const int kPatience = 120 * 1000;

std::string ReadFile(const std::string &path)
{
	std::ifstream stream(path, std::ios::binary);
	std::ostringstream text;

	text << stream.rdbuf();
	return text.str();
}

void WriteFile(const std::string &path, const std::string &text)
{
	std::ofstream(path, std::ios::binary) << text;
}

/* One page that says "Hello, porter!". */
std::string MakePdf()
{
	const std::string text = "BT /F1 24 Tf 72 700 Td (Hello, porter!) Tj ET\n";
	const std::string objects[] = {
	    "<< /Type /Catalog /Pages 2 0 R >>",
	    "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
	    "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R "
	    "/Resources << /Font << /F1 5 0 R >> >> >>",
	    "<< /Length " + std::to_string(text.size()) + " >>\nstream\n" + text + "endstream",
	    "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
	};
	std::string pdf = "%PDF-1.4\n", table = "0000000000 65535 f \n";
	int number = 0;

	for (const std::string &object : objects) {
		char entry[32];

		(void)snprintf(entry, sizeof(entry), "%010zu 00000 n \n", pdf.size());
		table += entry;
		pdf += std::to_string(++number) + " 0 obj\n" + object + "\nendobj\n";
	}
	return pdf + "xref\n0 6\n" + table + "trailer\n<< /Size 6 /Root 1 0 R >>\nstartxref\n" +
	       std::to_string(pdf.size()) + "\n%%EOF\n";
}

/* One grey pixel. */
const unsigned char kPng[] = {
    0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0x00, 0x00, 0x00, 0x0d, 0x49, 0x48,
    0x44, 0x52, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x01, 0x08, 0x00, 0x00, 0x00,
    0x00, 0x3a, 0x7e, 0x9b, 0x55, 0x00, 0x00, 0x00, 0x0a, 0x49, 0x44, 0x41, 0x54, 0x78,
    0xda, 0x63, 0x68, 0x00, 0x00, 0x00, 0x82, 0x00, 0x81, 0xdd, 0x43, 0x6a, 0xf4, 0x00,
    0x00, 0x00, 0x00, 0x49, 0x45, 0x4e, 0x44, 0xae, 0x42, 0x60, 0x82};

const struct {
	const char *name, *text;
} kSamples[] = {
    {"text.txt", "one\ntwo\nthree\nfour\n"},
    {"doc.xml", "<?xml version=\"1.0\"?>\n<a><b c=\"d\">text</b><b/></a>\n"},
    {"data.json", "{\"numbers\": [1, 2, 3], \"name\": \"porter\"}\n"},
    {"sub/deep/file", "deep\n"},
    {"sub/other", "other\n"},
    {"project/main.c",
     "#include \"parts.h\"\n#include <stdio.h>\nint main(void) { return printf(\"%d\\n\", "
     "add(twice(20), 2)) < 0; }\n"},
    {"project/add.c", "#include \"parts.h\"\nint add(int a, int b) { return a + b; }\n"},
    {"project/twice.c", "#include \"parts.h\"\nint twice(int a) { return 2 * a; }\n"},
    {"project/parts.h", "int add(int a, int b);\nint twice(int a);\n"},
    {"project/Makefile",
     "OBJECTS = main.o add.o twice.o\nall: program\n\t./program > said\n"
     "program: $(OBJECTS)\n\tcc -o $@ $(OBJECTS)\n%.o: %.c parts.h\n\tcc -O1 -c -o $@ $<\n"},
};

/* The same instant for all, so that listings agree. */
void SetTimes(const std::string &tree)
{
	const struct timespec times[2] = {{1000000000, 0}, {1000000000, 0}};

	for (const auto &entry : std::filesystem::recursive_directory_iterator(tree))
		ASSERT_EQ(0, utimensat(AT_FDCWD, entry.path().c_str(), times, AT_SYMLINK_NOFOLLOW));
	ASSERT_EQ(0, utimensat(AT_FDCWD, tree.c_str(), times, 0));
}

std::string Describe(const std::string &path)
{
	struct stat status;
	char mode[16];

	if (lstat(path.c_str(), &status) < 0)
		return "gone";
	(void)snprintf(mode, sizeof(mode), "%o ", status.st_mode);
	if (S_ISREG(status.st_mode))
		return mode + ReadFile(path);
	if (S_ISLNK(status.st_mode))
		return mode + std::filesystem::read_symlink(path).string();
	return mode;
}

std::map<std::string, std::string> Snapshot(const std::string &tree)
{
	std::map<std::string, std::string> entries = {{"", Describe(tree)}};

	for (const auto &entry : std::filesystem::recursive_directory_iterator(tree))
		entries[entry.path().string().substr(tree.size() + 1)] =
		    Describe(entry.path().string());
	return entries;
}

[[noreturn]] void Become(const std::string &tree, const std::string &command,
			 const std::string &output, const std::string &errors)
{
	int null = open("/dev/null", O_RDONLY);
	int out = open(output.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0600);
	int err = open(errors.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0600);

	setsid();
	umask(022);
	dup2(null, 0);
	dup2(out, 1);
	dup2(err, 2);
	closefrom(3);
	setenv("HOME", tree.c_str(), 1);
	setenv("LC_ALL", "C.UTF-8", 1);
	setenv("TZ", "UTC", 1);
	setenv("PATH", "/usr/bin:/bin", 1);
	unsetenv("TMPDIR");
	if (chdir(tree.c_str()) == 0)
		execl("/bin/bash", "bash", "-c", command.c_str(), nullptr);
	_exit(125);
}

int OpenPidfd(pid_t pid)
{
	return static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
}

/* Waits for the end of a child, which leads its session; one that got stuck is killed. */
int Await(pid_t pid)
{
	int pidfd = OpenPidfd(pid), status = 0;
	struct pollfd ended = {pidfd, POLLIN, 0};

	if (poll(&ended, 1, kPatience) != 1) {
		ADD_FAILURE() << "it got stuck";
		(void)kill(-pid, SIGKILL);
	}
	close(pidfd);
	EXPECT_EQ(pid, waitpid(pid, &status, 0));
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* What a run left behind has become our child: it is on its way out, or it stays. */
void ExpectNobodyLeft()
{
	for (;;) {
		siginfo_t info = {};
		int pidfd;

		if (waitpid(-1, nullptr, WNOHANG) > 0)
			continue;
		if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0)
			return;
		std::ifstream children("/proc/thread-self/children");
		pid_t left = 0;

		if (!(children >> left))
			continue;
		pidfd = OpenPidfd(left);
		struct pollfd ended = {pidfd, POLLIN, 0};

		if (poll(&ended, 1, 5000) != 1) {
			ADD_FAILURE() << "a process stays";
			(void)kill_one(left);
		}
		close(pidfd);
		(void)waitpid(left, nullptr, 0);
	}
}

} // namespace

void ScratchTest::SetUp()
{
	const char *temporary = getenv("TMPDIR");
	std::string pattern = std::string(temporary ? temporary : "/tmp") + "/programs-XXXXXX";

	ASSERT_TRUE(mkdtemp(pattern.data()));
	folder_ = pattern;
	tree_ = folder_ + "/tree";
	ASSERT_EQ(0, prctl(PR_SET_CHILD_SUBREAPER, 1));
	mounts_ = ReadFile("/proc/self/mounts");
	descriptors_ = count_descriptors();
}

void ScratchTest::TearDown()
{
	std::filesystem::remove_all(folder_);
	ExpectNobodyLeft();
	EXPECT_EQ(mounts_, ReadFile("/proc/self/mounts"));
	EXPECT_EQ(descriptors_, count_descriptors());
}

void ScratchTest::MakeTree(const std::string &prepare)
{
	std::filesystem::remove_all(tree_);
	ASSERT_EQ(0, mkdir(tree_.c_str(), 0755));
	for (const auto &sample : kSamples) {
		std::filesystem::path path = tree_ + "/" + sample.name;

		std::filesystem::create_directories(path.parent_path());
		WriteFile(path, sample.text);
	}
	WriteFile(tree_ + "/doc.pdf", MakePdf());
	WriteFile(tree_ + "/image.png",
		  std::string(reinterpret_cast<const char *>(kPng), sizeof(kPng)));
	ASSERT_EQ(0, symlink("text.txt", (tree_ + "/link").c_str()));
	if (!prepare.empty()) {
		ASSERT_EQ(0, Run(prepare).status) << prepare;
	}
	SetTimes(tree_);
}

Outcome ScratchTest::Run(const std::string &command)
{
	const std::string output = folder_ + "/output", errors = folder_ + "/errors";
	Outcome outcome = {};
	pid_t pid = fork();

	if (pid == 0)
		Become(tree_, command, output, errors);
	outcome.status = Await(pid);
	ExpectNobodyLeft();
	outcome.output = ReadFile(output);
	outcome.errors = ReadFile(errors);
	outcome.tree = Snapshot(tree_);
	return outcome;
}

std::string ScratchTest::Binary(const std::string &name)
{
	return std::string(sp_test_binary_dir()) + "/bin/" + name;
}

void ScratchTest::Write(const std::string &name, const std::string &text)
{
	WriteFile(tree_ + "/" + name, text);
}

std::map<std::string, std::string> ScratchTest::TreeOf(const std::string &folder)
{
	return Snapshot(folder);
}

Outcome ScratchTest::RunNative(const std::string &command)
{
	return Run("exec " + command);
}

Outcome ScratchTest::RunSandboxed(const std::string &options, const std::string &command,
				  const std::string &way)
{
	return Run("exec '" + Binary("sallyport") + "' run --interception " + way + " " + options +
		   " -- " + command);
}

} // namespace sallyport
