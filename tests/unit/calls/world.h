// SPDX-License-Identifier: Apache-2.0
// What the tests of the brokered calls share: a scratch tree, rules made from rows, and calls made in-process, where
// the test itself is the caller.
#ifndef SALLYPORT_TESTS_UNIT_CALLS_WORLD_H
#define SALLYPORT_TESTS_UNIT_CALLS_WORLD_H

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "broker/calls.h"
#include "policy/compiled.pb-c.h"
#include "policy/format.h"
#include "policy/rules.h"

namespace calls
{

// A descriptor that closes itself.
class Fd
{
      public:
	explicit Fd(int fd = -1) : fd_(fd)
	{
	}
	Fd(Fd &&other) noexcept : fd_(other.fd_)
	{
		other.fd_ = -1;
	}
	Fd &operator=(Fd &&other) noexcept
	{
		std::swap(fd_, other.fd_);
		return *this;
	}
	~Fd()
	{
		if (fd_ >= 0)
			close(fd_);
	}
	int get() const
	{
		return fd_;
	}

      private:
	int fd_;
};

// A scratch directory, gone with all it holds at the end.
class Scratch
{
      public:
	// In memory where that is offered: trees made and removed by the thousand are slow on a disk.
	Scratch() : path_(access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp")
	{
		path_ += "/sallyport-calls-XXXXXX";
		if (!mkdtemp(path_.data()))
			throw std::runtime_error("mkdtemp");
		chmod(path_.c_str(), 0755);
	}
	~Scratch()
	{
		remove_all(path_);
	}
	Scratch(const Scratch &) = delete;
	const std::string &path() const
	{
		return path_;
	}
	std::string operator/(const std::string &name) const
	{
		return path_ + "/" + name;
	}

	static void remove_all(const std::string &path)
	{
		auto drop = [](const char *name, const struct stat *, int, struct FTW *) {
			remove(name);
			return 0;
		};
		open_up(path);
		nftw(path.c_str(), drop, 16, FTW_PHYS | FTW_DEPTH);
	}

      private:
	// Makes every directory one's own again, from the top, since its mode hides what is below.
	static void open_up(const std::string &path)
	{
		struct stat status;
		if (lstat(path.c_str(), &status) != 0 || !S_ISDIR(status.st_mode))
			return;
		chmod(path.c_str(), 0700);
		DIR *dir = opendir(path.c_str());
		while (struct dirent *entry = dir ? readdir(dir) : nullptr)
			if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
				open_up(path + "/" + entry->d_name);
		if (dir)
			closedir(dir);
	}

	std::string path_;
};

inline void write_file(const std::string &path, const std::string &text = "text",
		       mode_t mode = 0644)
{
	Fd fd(open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
	if (fd.get() < 0 || write(fd.get(), text.data(), text.size()) != (ssize_t)text.size() ||
	    fchmod(fd.get(), mode) != 0)
		throw std::runtime_error("write_file " + path + ": " + strerror(errno));
}

inline std::string read_file(const std::string &path)
{
	std::ifstream stream(path, std::ios::binary);
	return {std::istreambuf_iterator<char>(stream), {}};
}

// One path rule: rights 0 is a deny rule with `error`.
struct Rule {
	std::string pattern;
	uint32_t rights;
	int error = 0;
};

struct RulesFree {
	void operator()(struct sp_rules *rules) const
	{
		sp_rules_free(rules);
	}
};
using Rules = std::unique_ptr<struct sp_rules, RulesFree>;

inline ProtobufCBinaryData bytes_of(const std::string &text)
{
	return {text.size(), reinterpret_cast<uint8_t *>(const_cast<char *>(text.data()))};
}

inline Rules make_rules(const std::vector<Rule> &rows, uint64_t file_size = 0)
{
	static const std::string source = "test:1:1", name = "test";
	static const struct sock_filter allow = {0x06 /* BPF_RET | BPF_K */, 0, 0, 0x7fff0000};
	const std::string program(reinterpret_cast<const char *>(&allow), sizeof(allow));
	Sallyport__Policy__CompiledPolicy policy = SALLYPORT__POLICY__COMPILED_POLICY__INIT;
	Sallyport__Policy__Limits limits = SALLYPORT__POLICY__LIMITS__INIT;
	std::vector<Sallyport__Policy__PathRule> paths(rows.size());
	std::vector<Sallyport__Policy__PathRule *> pointers;

	for (size_t i = 0; i < rows.size(); i++) {
		sallyport__policy__path_rule__init(&paths[i]);
		paths[i].pattern = bytes_of(rows[i].pattern);
		paths[i].rights = rows[i].rights;
		paths[i].error = static_cast<uint32_t>(rows[i].error);
		paths[i].source = bytes_of(source);
		pointers.push_back(&paths[i]);
	}
	policy.version = SP_COMPILED_VERSION;
	policy.name = bytes_of(name);
	policy.n_path = pointers.size();
	policy.path = pointers.data();
	policy.default_error = ENOSYS;
	policy.default_source = bytes_of(source);
	policy.filter = policy.porter_filter = policy.floor = policy.listener_filter =
	    bytes_of(program);
	limits.has_file_size = file_size > 0;
	limits.file_size = file_size;
	policy.limits = &limits;
	std::vector<uint8_t> packed(sallyport__policy__compiled_policy__get_packed_size(&policy));
	sallyport__policy__compiled_policy__pack(&policy, packed.data());
	struct sp_rules *rules = nullptr;
	int r = sp_rules_load(packed.data(), packed.size(), &rules);
	if (r < 0)
		throw std::runtime_error(std::string("sp_rules_load: ") + strerror(-r));
	return Rules(rules);
}

// Rights on a directory and on all below it.
inline std::vector<Rule> tree(const std::string &path, uint32_t rights)
{
	return {{path, rights}, {path + "/**", rights}};
}

// A call, by default on the caller's cwd.
struct Call {
	enum sp_call_id id;
	std::string path;
	uint64_t flags = 0, mode = 0;
	int dirfd = AT_FDCWD;
	std::string path2 = {};
	int dirfd2 = AT_FDCWD;
	uint64_t resolve = 0, size = PATH_MAX;
	mode_t umask = 022;
	std::string text = {};
	std::string data = {};
	uint32_t owner = UINT32_MAX, group = UINT32_MAX;
	bool has_times = false;
	struct timespec times[2] = {};
	bool no_path = false; // NULL, where the row may have it
};

inline bool lacks_path(const Call &call)
{
	const struct sp_call_info &info = sp_call_table[call.id];

	return info.path < 0 || (call.no_path && (sp_call_optional_fields(&info) & SP_FIELD_PATH));
}

// What came of it.
struct Outcome {
	int64_t result;
	Fd descriptor;
	std::string out;
	int refusal;
	std::string name, rule, detail;

	bool refused_with(int error) const
	{
		return result == -error && refusal == error;
	}
};

class World
{
      public:
	explicit World(const std::vector<Rule> &rows, uint64_t file_size = 0)
	    : rules_(make_rules(rows, file_size))
	{
		Fd proc(::open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC));
		int r = sp_view_open(proc.get(), proc.get(), &view_);
		if (r < 0)
			throw std::runtime_error(std::string("sp_view_open: ") + strerror(-r));
		caller_.pid = getpid();
	}
	~World()
	{
		sp_view_close(&view_);
	}
	World(const World &) = delete;

	Outcome perform(const Call &call) const
	{
		const struct sp_call_info *info = &sp_call_table[call.id];
		struct sp_call plain = {};
		auto answer = std::make_unique<struct sp_answer>();
		auto refusal = std::make_unique<struct sp_refusal>();

		plain.info = info;
		plain.tid = gettid();
		plain.dirfd = call.dirfd;
		plain.dirfd2 = call.dirfd2;
		plain.path = lacks_path(call) ? nullptr : call.path.c_str();
		plain.data = reinterpret_cast<const uint8_t *>(call.data.data());
		plain.data_length = call.data.size();
		plain.owner = call.owner;
		plain.group = call.group;
		plain.has_times = call.has_times;
		memcpy(plain.times, call.times, sizeof(plain.times));
		plain.path2 = info->path2 >= 0 ? call.path2.c_str() : nullptr;
		plain.text = info->text >= 0 ? call.text.c_str() : nullptr;
		plain.flags = call.flags | info->implied;
		plain.mode = call.mode;
		plain.resolve = call.resolve;
		plain.size = call.size;
		plain.umask = call.umask;
		// Each thread its own: tests call from several.
		sp_caller caller = caller_;

		caller.tid = plain.tid;
		auto judgement = std::make_unique<struct sp_judgement>();

		if (judged)
			sp_call_judge(&view_, rules_.get(), &caller, &plain, answer.get(),
				      judgement.get());
		sp_call_perform(&view_, rules_.get(), &caller, &plain, answer.get(), refusal.get(),
				work_);
		if (judged && !connects_no_socket(plain))
			compare(*judgement, *answer, *refusal);
		return {answer->result,
			Fd(answer->descriptor),
			std::string(reinterpret_cast<char *>(answer->out), answer->out_length),
			refusal->error,
			refusal->name,
			refusal->rule ? refusal->rule : "",
			refusal->detail ? refusal->detail : ""};
	}

	// What may wait is left there from now on; else it is refused.
	void leave_work_to(struct sp_work *work)
	{
		work_ = work;
	}

	Outcome open(const std::string &path, uint64_t flags, uint64_t mode = 0) const
	{
		return perform({SP_CALL_open, path, flags, mode});
	}

	// Every call is judged first; not where others change the tree meanwhile.
	bool judged = true;

	struct sp_view *view()
	{
		return &view_;
	}
	struct sp_caller *caller()
	{
		return &caller_;
	}

      private:
	// What is no socket is connected to nothing by any policy: no address is judged, but refused it is.
	static bool connects_no_socket(const sp_call &call)
	{
		struct stat status;

		return call.info->operation == SP_OPERATION_CONNECT &&
		       (fstat(call.dirfd, &status) < 0 || !S_ISSOCK(status.st_mode));
	}

	// What is refused was foreseen, and of what is done nothing was to be refused.
	static void compare(const sp_judgement &judgement, const sp_answer &answer,
			    const sp_refusal &refusal)
	{
		bool foreseen = false;

		for (size_t i = 0; i < judgement.count; i++) {
			const sp_refusal &one = judgement.refusals[i];
			bool below = strncmp(one.name, refusal.name, strlen(refusal.name)) == 0;

			foreseen |= one.error == refusal.error && below;
			if (answer.result >= 0 && (one.lookup || one.missing))
				throw std::logic_error(std::string("done, but judged: ") +
						       one.detail + " " + one.name);
		}
		// Who is granted terminals has some of its own, but here.
		if ((strcmp(refusal.name, "/dev/ptmx") == 0 ||
		     strcmp(refusal.name, "/dev/pts/ptmx") == 0) &&
		    strcmp(refusal.detail, "is a device") == 0)
			return;
		// Whether anybody reads, only opening tells.
		if (refusal.error && !foreseen && strcmp(refusal.detail, "is a FIFO") != 0)
			throw std::logic_error(std::string("refused, but not judged: ") +
					       refusal.detail + " " + refusal.name);
	}

	struct sp_view view_;
	struct sp_caller caller_ = {};
	Rules rules_;
	struct sp_work *work_ = nullptr;
};

} // namespace calls

#endif
