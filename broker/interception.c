/* SPDX-License-Identifier: Apache-2.0 */
/* Whether the runtime can be put on top of a program's floor. Nothing that is decided here protects
 * anything: a program that does not take it up is held by the floor as well. */
#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "broker/image.h"
#include "broker/internal.h"
#include "ipc/arch.h"
#include "ipc/runtime.h"
#include "ipc/slots.h"
#include "ipc/util.h"
#include "policy/judge.h"
#include "policy/names.h"

/* Why not, and what could be done; of all zero: it can. */
struct obstacle {
	const char *reason, *cure;
};

/* ---- the policy ---- */

static bool grants_execute(const struct sp_policy *policy)
{
	const struct sp_policy *layers[SP_LAYERS_MAX];
	size_t count = sp_model_layers(policy, layers);

	for (size_t layer = 0; layer < count; layer++) {
		uint32_t granted = 0;

		for (size_t i = 0; i < layers[layer]->path_count; i++)
			granted |= layers[layer]->paths[i].rights;
		if (!(granted & SP_RIGHT_EXECUTE))
			return false;
	}
	return true;
}

/* What the runtime does natively, beside that which every floor lets through. */
static bool allows_needs(const struct sp_policy *policy)
{
	static const struct seccomp_data needs[] = {
	    {.nr = __NR_write, .args = {SP_DOORBELL_FD, 0, sizeof(uint64_t)}},
	    {.nr = __NR_mmap, .args = {0, 4096, 3, 1 /* shared */, 3, 0}},
	    {.nr = __NR_mmap, .args = {0, 4096, 3, 0x22 /* private, anonymous */, ~0ull, 0}},
	    {.nr = __NR_munmap, .args = {4096, 4096}},
	    {.nr = __NR_mprotect, .args = {4096, 4096, 0}},
	    {.nr = __NR_madvise, .args = {4096, 4096, 18 /* MADV_WIPEONFORK */}},
	    {.nr = __NR_madvise, .args = {4096, 4096, 10 /* MADV_DONTFORK */}},
	};

	for (size_t i = 0; i < SP_ELEMENTS(needs); i++) {
		struct seccomp_data data = needs[i];
		struct sp_verdict verdict;

		data.arch = SP_AUDIT_ARCH;
		if (sp_model_verdict(policy, SP_FILTER_FLOOR, &data, &verdict) < 0 ||
		    verdict.action != SECCOMP_RET_ALLOW)
			return false;
	}
	return true;
}

/* Its own filters, which could take from the runtime what that needs, are refused beside one. */
static bool allows_filters(const struct sp_policy *policy)
{
	const struct seccomp_data data = {
	    .nr = __NR_seccomp, .arch = SP_AUDIT_ARCH, .args = {SECCOMP_SET_MODE_FILTER}};
	struct sp_verdict verdict;

	return sp_model_verdict(policy, SP_FILTER_FLOOR, &data, &verdict) < 0 ||
	       verdict.action == SECCOMP_RET_ALLOW;
}

/* What others wrote knows nothing of the runtime's calls, and may well kill for them. */
static bool has_extra_filters(const struct sp_policy *policy)
{
	const struct sp_policy *layers[SP_LAYERS_MAX];
	size_t count = sp_model_layers(policy, layers);

	for (size_t i = 0; i < count; i++)
		if (layers[i]->extra_count > 0)
			return true;
	return false;
}

/* The reserved numbers must be possible in the program. */
static bool allows_descriptors(const struct sp_policy *policy)
{
	const struct sp_policy *layers[SP_LAYERS_MAX];
	size_t count = sp_model_layers(policy, layers);
	bool limited = false;
	struct rlimit own;

	for (size_t i = 0; i < count; i++) {
		const struct sp_setting *files = &layers[i]->limits[SP_LIMIT_FILES];

		if (files->set && files->value <= SP_RESERVED_LAST)
			return false;
		limited |= files->set;
	}
	return limited || (getrlimit(RLIMIT_NOFILE, &own) == 0 && own.rlim_cur > SP_RESERVED_LAST);
}

/* The slots, and a copy of the runtime, are files in memory, and the porter has our limits. */
static bool may_make_files(void)
{
	const rlim_t enough = 1 << 20;
	struct rlimit own;

	_Static_assert(sizeof(struct sp_slots) < 1 << 20, "not enough");
	return getrlimit(RLIMIT_FSIZE, &own) == 0 && own.rlim_cur >= enough;
}

/* The runtime would have to make them in its own name. */
static bool asks_for_calls(const struct sp_policy *policy)
{
	const struct sp_policy *layers[SP_LAYERS_MAX];
	size_t count = sp_model_layers(policy, layers);

	for (size_t layer = 0; layer < count; layer++)
		for (size_t i = 0; i < layers[layer]->call_count; i++)
			if (layers[layer]->calls[i].action == SP_ACTION_ASK &&
			    sp_call_class(layers[layer]->calls[i].nr) != SP_CLASS_BROKERED)
				return true;
	return false;
}

static struct obstacle find_in_policy(const struct sp_policy *policy)
{
	if (policy->strict.set)
		return (struct obstacle){
		    "the policy is strict, which a program can be made by itself "
		    "alone",
		    "launch one that links libsallyport-sandboxee, with "
		    "SP_INTERCEPTION_COOPERATIVE, or leave out `strict`"};
	if (grants_execute(policy) || (sp_model_givable(policy) & SP_RIGHT_EXECUTE))
		return (struct obstacle){"the policy lets it execute programs, and the runtime "
					 "can't follow into another one",
					 "leave out --execute and `execute`, or use notify"};
	if (allows_filters(policy))
		return (struct obstacle){
		    "the policy lets it add filters of its own, which it can't beside the runtime",
		    "deny seccomp, or use notify"};
	if (has_extra_filters(policy))
		return (struct obstacle){
		    "the policy has a filter that was written elsewhere, which may not let the "
		    "runtime work",
		    "leave that filter out, or use notify"};
	if (asks_for_calls(policy))
		return (struct obstacle){"the policy leaves system calls to the application, which "
					 "the kernel makes after a notification alone",
					 "write what `ask` is to allow as a rule, or use notify"};
	if (!allows_needs(policy))
		return (struct obstacle){"the policy refuses it write, mmap, munmap, mprotect or "
					 "madvise, which the runtime needs",
					 "allow them, or use notify"};
	if (!allows_descriptors(policy))
		return (struct obstacle){"its limit on open files ends below 1024, where the "
					 "runtime has its descriptors",
					 "raise the limit, or use notify"};
	if (!may_make_files())
		return (struct obstacle){"our own limit on the size of files is below the megabyte "
					 "that the runtime takes",
					 "raise it (ulimit -f), or use notify"};
	return (struct obstacle){0};
}

/* ---- the program ---- */

static bool is_system_loader(const char *path)
{
	_cleanup_free_ char *loader = NULL, *systems = NULL;

	if (strcmp(path, SP_LOADER) == 0)
		return true;
	loader = realpath(path, NULL);
	systems = realpath(SP_LOADER, NULL);
	return loader && systems && strcmp(loader, systems) == 0;
}

static struct obstacle judge_image(const struct sp_image *image)
{
	static const char cure[] = "use notify";

	if (image->kind != SP_IMAGE_NATIVE)
		return (struct obstacle){"it is no ELF program of this machine that can be read",
					 cure};
	if (!image->interpreter[0])
		return (struct obstacle){"it is linked statically: no loader brings the runtime in",
					 cure};
	if (!is_system_loader(image->interpreter))
		return (struct obstacle){"its loader is not the system's", cure};
	return (struct obstacle){0};
}

/* A script is what its interpreter is. */
static struct obstacle find_in_program(const char *program)
{
	struct sp_image image = {.kind = SP_IMAGE_SCRIPT};
	char path[PATH_MAX];

	if (strlen(program) >= sizeof(path))
		return judge_image(&(struct sp_image){.kind = SP_IMAGE_OTHER});
	memcpy(path, program, strlen(program) + 1);
	for (int i = 0; i <= SP_IMAGE_DEPTH && image.kind == SP_IMAGE_SCRIPT; i++) {
		_cleanup_close_ int file = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

		image.kind = SP_IMAGE_OTHER;
		if (file >= 0)
			(void)sp_image_read(file, &image);
		if (image.kind == SP_IMAGE_SCRIPT)
			memcpy(path, image.interpreter, sizeof(path));
	}
	return judge_image(&image);
}

static struct obstacle find_obstacle(const struct sp_launch *launch)
{
	struct obstacle obstacle;

	if (launch->permissive)
		return (struct obstacle){"the launch is permissive, and the runtime would refuse",
					 "leave out one of the two"};
	obstacle = find_in_policy(launch->policy);
	if (!obstacle.reason)
		obstacle = find_in_program(launch->program ? launch->program : launch->argv[0]);
	return obstacle;
}

enum sp_interception sp_launch_interception(const struct sp_launch *launch, const char **ret_reason,
					    const char **ret_cure)
{
	struct obstacle obstacle = {"asked for", NULL};
	enum sp_interception interception = launch->interception;

	if (interception == SP_INTERCEPTION_PRELOAD || interception == SP_INTERCEPTION_AUTO) {
		obstacle = find_obstacle(launch);
		interception = obstacle.reason ? SP_INTERCEPTION_NOTIFY : SP_INTERCEPTION_PRELOAD;
	}
	if (!obstacle.reason)
		obstacle.reason =
		    "the policy lets nothing be executed, and the program can host the runtime";
	if (ret_reason)
		*ret_reason = obstacle.reason;
	if (ret_cure)
		*ret_cure = obstacle.cure;
	return interception;
}
