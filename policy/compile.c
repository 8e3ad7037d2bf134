/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/compile.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/filter.h>
#include <linux/openat2.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "ipc/runtime.h"
#include "ipc/util.h"
#include "policy/compiled.pb-c.h"
#include "policy/filter.h"
#include "policy/format.h"
#include "policy/glob.h"
#include "policy/model.h"
#include "policy/names.h"

typedef Sallyport__Policy__CompiledPolicy Message;

static ProtobufCBinaryData bytes_of(const char *text)
{
	return (ProtobufCBinaryData){strlen(text), (uint8_t *)(uintptr_t)text};
}

/* ---- names ------------------------------------------------------------------------------------------- */

/*
 * realpath(3), except that a magic link of /proc leads nowhere: it means another object for each
 * process, and /dev/stdin would grant what happens to be our own.
 */
static bool real_name(const char *path, char real[static PATH_MAX])
{
	struct open_how how = {.flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_NO_SYMLINKS};
	_cleanup_close_ int found = (int)syscall(__NR_openat2, AT_FDCWD, path, &how, sizeof(how));

	/* No link on the way: a canonical name is its own, which realpath(3) asks of each component. */
	if (found >= 0) {
		memcpy(real, path, strlen(path) + 1);
		return true;
	}
	if (errno != ELOOP)
		return false;
	how.resolve = RESOLVE_NO_MAGICLINKS;
	found = (int)syscall(__NR_openat2, AT_FDCWD, path, &how, sizeof(how));
	return found >= 0 && realpath(path, real);
}

/* The longest part of a path that exists, resolved: true, what it is and how much of the path. */
static bool resolve_prefix(const char *pattern, size_t length, char real[static PATH_MAX],
			   size_t *ret_length)
{
	char prefix[PATH_MAX] __attribute__((uninitialized));

	memcpy(prefix, pattern, length);
	for (; length > 0; length--) {
		if (pattern[length] != '/' && pattern[length] != '\0')
			continue;
		prefix[length] = '\0';
		if (real_name(prefix, real)) {
			*ret_length = length;
			return true;
		}
	}
	return false;
}

/*
 * A rule that names a symbolic link covers what it points to now: *ret_twin is the pattern with the
 * existing part of its literal prefix resolved, to be freed, or NULL where that changes nothing. A name in /proc is not resolved: our own
 * entry there is not that of the sandboxee.
 */
static int resolve_pattern(const char *pattern, char **ret_twin)
{
	static const char proc[] = "/proc/";
	struct sp_glob_measure measure;
	char real[PATH_MAX] __attribute__((uninitialized));
	size_t literal, length, offset;
	char *twin;

	*ret_twin = NULL;
	sp_glob_measure((struct sp_text){pattern, strlen(pattern)}, &measure);
	/* What lies in ours is not what lies in the sandboxee's. */
	literal =
	    strncmp(pattern, proc, sizeof(proc) - 1) == 0 ? sizeof(proc) - 2 : measure.directory;
	if (!resolve_prefix(pattern, literal, real, &length) ||
	    strncmp(pattern, real, length) == 0 || strncmp(real, "/proc/", 6) == 0)
		return 0;
	/* A name that holds wildcards itself can't be written as a literal prefix. */
	if (strpbrk(real, "*?["))
		return 0;
	if (asprintf(&twin, "%s%s", strcmp(real, "/") == 0 ? "" : real, pattern + length) < 0)
		return -ENOMEM;
	if (twin[0] == '\0' || sp_glob_mistake((struct sp_text){twin, strlen(twin)}, &offset))
		free(twin); /* too long, or the root itself */
	else
		*ret_twin = twin;
	return 0;
}

/* Component by component; ".." takes one away. */
static bool clean_name(const char *path, char clean[static PATH_MAX])
{
	size_t used = 0;

	while (*path) {
		size_t length;

		path += strspn(path, "/");
		length = strcspn(path, "/");
		if (length == 2 && memcmp(path, "..", 2) == 0) {
			while (used > 0 && clean[--used] != '/')
				;
		} else if (length > 0 && !(length == 1 && path[0] == '.')) {
			if (used + length + 2 > PATH_MAX)
				return false;
			clean[used++] = '/';
			memcpy(clean + used, path, length);
			used += length;
		}
		path += length;
	}
	clean[used] = '\0';
	return true;
}

char *sp_resolve_name(const char *path, bool follow)
{
	char clean[PATH_MAX], real[PATH_MAX], *name;
	const char *last;
	size_t length;

	if (!clean_name(path, clean))
		return NULL;
	last = strrchr(clean, '/');
	length = follow || !last ? strlen(clean) : (size_t)(last - clean);
	if (!resolve_prefix(clean, length, real, &length) || strncmp(real, "/proc/", 6) == 0)
		return strdup(clean[0] ? clean : "/");
	if (asprintf(&name, "%s%s", strcmp(real, "/") == 0 && clean[length] ? "" : real,
		     clean + length) < 0)
		return NULL;
	return name;
}

typedef Sallyport__Policy__PathRule PathRule;

/*
 * What the kernel tells or takes there is nobody's business: only a rule with that very pattern grants
 * it, none that grants it among others.
 */
static const char *const kernel_names[] = {
    "/proc/kcore",
    "/proc/kmsg",
    "/proc/kallsyms",
    "/proc/kpagecgroup",
    "/proc/kpagecount",
    "/proc/kpageflags",
    "/proc/vmallocinfo",
    "/proc/slabinfo",
    "/proc/pagetypeinfo",
    "/proc/timer_list",
    "/proc/sched_debug",
    "/proc/iomem",
    "/proc/ioports",
    "/proc/keys",
    "/proc/key-users",
    "/proc/sysrq-trigger",
    "/sys/firmware/**",
    "/sys/fs/bpf/**",
    "/sys/fs/pstore/**",
    "/sys/kernel/debug/**",
    "/sys/kernel/notes",
    "/sys/kernel/security/**",
    "/sys/kernel/tracing/**",
    "/sys/kernel/vmcoreinfo",
};

/* Path rules on their way into a message. */
struct paths {
	PathRule **list;
	size_t count;
};

static int add_path(struct paths *paths, const struct sp_path_rule *rule, const char *pattern)
{
	PathRule *row = malloc(sizeof(*row));
	char *copy = strdup(pattern);

	if (!row || !copy) {
		free(row);
		free(copy);
		return -ENOMEM;
	}
	sallyport__policy__path_rule__init(row);
	row->pattern = bytes_of(copy);
	row->rights = rule->rights;
	row->has_ask = row->ask = rule->ask;
	row->error = rule->rights ? 0 : (uint32_t)rule->error;
	row->source = bytes_of(rule->source);
	paths->list[paths->count++] = row;
	return 0;
}

static void clear_paths(PathRule **list, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		free(list[i]->pattern.data);
		free(list[i]);
	}
	free(list);
}

/* On failure too, *paths owns what there is. `runs`: the sandbox does already, and what runs there may have made links: none
 * gives what the rules do not name, and a denial covers what they point to as ever. */
static int add_paths(struct paths *paths, const struct sp_policy *policy, bool runs)
{
	paths->list =
	    calloc(policy->path_count * 2 + SP_ELEMENTS(kernel_names), sizeof(*paths->list));
	if (!paths->list)
		return -ENOMEM;
	for (size_t i = 0; i < policy->path_count; i++) {
		_cleanup_free_ char *twin = NULL;
		int r = runs && policy->paths[i].rights != 0
			    ? 0
			    : resolve_pattern(policy->paths[i].pattern, &twin);

		if (r == 0)
			r = add_path(paths, &policy->paths[i], policy->paths[i].pattern);
		if (r == 0 && twin)
			r = add_path(paths, &policy->paths[i], twin);
		if (r < 0)
			return r;
	}
	return 0;
}

static int add_kernel_names(struct paths *paths, const struct sp_policy *policy)
{
	static char source[] = "built in: the kernel's own, unless a rule names it";
	int r = 0;

	if (policy->path_count == 0 && !policy->editable.set)
		return 0;
	for (size_t i = 0; i < SP_ELEMENTS(kernel_names) && r == 0; i++) {
		const struct sp_path_rule deny = {.error = EACCES, .source = source};

		if (!sp_model_find_path(policy, kernel_names[i]))
			r = add_path(paths, &deny, kernel_names[i]);
	}
	return r;
}

typedef Sallyport__Policy__AddressRule AddressRule;

static int add_address(AddressRule **list, size_t *count, const struct sp_address_rule *rule)
{
	AddressRule *row = malloc(sizeof(*row));
	char *text = malloc(SP_ADDRESS_TEXT_MAX);

	if (!row || !text) {
		free(row);
		free(text);
		return -ENOMEM;
	}
	sallyport__policy__address_rule__init(row);
	row->address = bytes_of(sp_address_print(&rule->address, text));
	row->error = (uint32_t)rule->error;
	row->source = bytes_of(rule->source);
	list[(*count)++] = row;
	return 0;
}

static void clear_addresses(AddressRule **list, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		free(list[i]->address.data);
		free(list[i]);
	}
	free(list);
}

/* On failure too, what there is, is in the list. */
static int add_addresses(AddressRule ***ret_list, size_t *ret_count, const struct sp_policy *policy)
{
	int r = 0;

	*ret_list = calloc(policy->address_count + 1, sizeof(**ret_list));
	if (!*ret_list)
		return -ENOMEM;
	for (size_t i = 0; i < policy->address_count && r == 0; i++)
		r = add_address(*ret_list, ret_count, &policy->addresses[i]);
	return r;
}

typedef Sallyport__Policy__Bound Bound;

static int add_bound(Bound **list, size_t *count, const struct sp_policy *policy, bool runs)
{
	Bound *bound = malloc(sizeof(*bound));
	struct paths paths = {0};
	int r;

	if (!bound)
		return -ENOMEM;
	sallyport__policy__bound__init(bound);
	list[(*count)++] = bound;
	r = add_paths(&paths, policy, runs);
	bound->path = paths.list;
	bound->n_path = paths.count;
	return r < 0 ? r : add_addresses(&bound->address, &bound->n_address, policy);
}

static void clear_bounds(Bound **list, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		clear_paths(list[i]->path, list[i]->n_path);
		clear_addresses(list[i]->address, list[i]->n_address);
		free(list[i]);
	}
	free(list);
}

/* On failure too, what there is, is in the list. */
static int add_bounds(Bound ***ret_list, size_t *ret_count, const struct sp_policy *const *layers,
		      size_t count, bool runs)
{
	int r = 0;

	*ret_list = calloc(SP_LAYERS_MAX, sizeof(**ret_list));
	if (!*ret_list)
		return -ENOMEM;
	for (size_t i = 0; i < count && r == 0; i++)
		r = add_bound(*ret_list, ret_count, layers[i], runs);
	return r;
}

static int add_all_names(Message *message, const struct sp_policy *const *layers, size_t count)
{
	struct paths paths = {0};
	int r = add_paths(&paths, layers[0], false);

	if (r == 0)
		r = add_kernel_names(&paths, layers[0]);
	message->path = paths.list;
	message->n_path = paths.count;
	if (r == 0)
		r = add_addresses(&message->address, &message->n_address, layers[0]);
	return r < 0 ? r
		     : add_bounds(&message->bound, &message->n_bound, layers + 1, count - 1, false);
}

/* One of the policies that bound each other. */
struct indexed {
	const struct sp_policy *policy;
	struct sp_call_index index; /* owned */
};

/* ---- calls -------------------------------------------------------------------------------------------- */

/* A verdict that brings the call before the porter, which is to refuse it; and of a brokered call any
 * that does not allow it: what the filter answers by itself must not be had by a request. */
static bool is_denial(const struct sp_call_rule *rule)
{
	switch (rule->action) {
	case SP_ACTION_DENY:
	case SP_ACTION_TRAP:
	case SP_ACTION_ASK:
		return true;
	case SP_ACTION_ERRNO:
	case SP_ACTION_KILL:
	case SP_ACTION_KILL_THREAD:
		return sp_call_class(rule->nr) == SP_CLASS_BROKERED;
	default:
		return false;
	}
}

/* The rule that says how a refused call fails: the first by rank, one without conditions before others. */
static const struct sp_call_rule *find_denial(const struct indexed *layer, int nr)
{
	const struct sp_call_rule *best = NULL;

	for (size_t i = layer->index.first[nr]; i < layer->index.first[nr + 1]; i++) {
		const struct sp_call_rule *rule = layer->index.list[i];

		if (!is_denial(rule))
			continue;
		if (!best || (best->condition && !rule->condition) ||
		    (!best->condition == !rule->condition && rule->rank < best->rank))
			best = rule;
	}
	return best;
}

/* Of these calls the filter refuses some forms though a rule allows the call. */
enum part { PART_WX, PART_PROCESSES, PART_OPTIONS, PART_CORES, PART_NETWORK };

static const struct {
	const char *name;
	enum part part;
} partly_refused[] = {
    {"mmap", PART_WX},         {"mprotect", PART_WX},      {"pkey_mprotect", PART_WX},
    {"shmat", PART_WX},        {"personality", PART_WX},   {"clone", PART_PROCESSES},
    {"fork", PART_PROCESSES},  {"vfork", PART_PROCESSES},  {"prctl", PART_OPTIONS},
    {"setrlimit", PART_CORES}, {"prlimit64", PART_CORES},  {"sendto", PART_NETWORK},
    {"sendmsg", PART_NETWORK}, {"sendmmsg", PART_NETWORK}, {"setsockopt", PART_NETWORK},
    {"ioctl", PART_NETWORK},   {"bind", PART_NETWORK},     {"listen", PART_NETWORK},
};

static bool is_allowed(const struct indexed *layer, int nr)
{
	for (size_t i = layer->index.first[nr]; i < layer->index.first[nr + 1]; i++)
		if (!layer->index.list[i]->condition &&
		    layer->index.list[i]->action <= SP_ACTION_LOG)
			return true;
	return false;
}

/* Why the policy refuses that form of a call; NULL: it does not. */
static const char *part_source(const struct sp_policy *policy, enum part part)
{
	const struct sp_setting *processes = &policy->limits[SP_LIMIT_PROCESSES];

	switch (part) {
	case PART_WX:
		return policy->wx.set && policy->wx.value
			   ? NULL
			   : sp_setting_source(&policy->wx, "built in: memory { wx deny }");
	case PART_PROCESSES:
		return processes->set && processes->value == 1 ? processes->source : NULL;
	case PART_NETWORK:
		return sp_model_grants_addresses(policy)
			   ? "built in: what could lead TCP elsewhere than to named addresses"
			   : NULL;
	case PART_CORES:
		return "built in: the limit of cores stays";
	case PART_OPTIONS:
	default:
		return "built in: options that loosen the sandbox";
	}
}

static const char *partly_refused_by(const struct indexed *layers, size_t count, enum part part)
{
	const char *source = NULL;

	for (size_t i = 0; i < count && !source; i++)
		source = part_source(layers[i].policy, part);
	return source || part != PART_PROCESSES ? source
						: "built in: no new namespaces, no siblings";
}

/* Where the refusal of a call stands that no `deny` speaks of, or NULL: the default. */
static const char *fixed_source(const struct indexed *layers, size_t count, int nr)
{
	const char *name = sp_call_name(nr);

	if (sp_call_class(nr) == SP_CLASS_FORBIDDEN)
		return "built in: never allowed";
	/* On a floor it would not have been refused. */
	if (sp_call_class(nr) == SP_CLASS_NESTED && is_allowed(&layers[0], nr))
		return "built in: no filters of its own beside a runtime";
	for (size_t i = 0; name && i < SP_ELEMENTS(partly_refused); i++)
		if (strcmp(partly_refused[i].name, name) == 0 && is_allowed(&layers[0], nr))
			return partly_refused_by(layers, count, partly_refused[i].part);
	return NULL;
}

static bool speaks_of(const struct indexed *layer, int nr)
{
	return layer->index.first[nr] < layer->index.first[nr + 1];
}

struct refusal {
	int error;
	const char *source;
	bool ask;
};

static struct refusal default_of(const struct sp_policy *policy)
{
	return (struct refusal){
	    .error = policy->default_action.value == SP_ACTION_DENY
			 ? (int)policy->default_error.value
			 : ENOSYS,
	    .source =
		sp_setting_source(&policy->default_action, "built in: default deny as ENOSYS"),
	};
}

static struct refusal refusal_of(const struct sp_call_rule *rule)
{
	return (struct refusal){
	    .error = rule->action == SP_ACTION_DENY || rule->action == SP_ACTION_ERRNO ? rule->error
		     : rule->action == SP_ACTION_TRAP                                  ? ENOSYS
										       : EPERM,
	    .source = rule->source,
	    .ask = rule->action == SP_ACTION_ASK,
	};
}

/* How a call fails once the filter has refused it; without a source the policy's default says it. */
static struct refusal find_refusal(const struct indexed *layers, size_t count, int nr)
{
	const struct sp_call_rule *found = NULL;
	const char *fixed;

	/* The first that refuses; nobody is asked for what a bound denies. */
	for (size_t i = 0; i < count && (!found || found->action == SP_ACTION_ASK); i++) {
		const struct sp_call_rule *rule = find_denial(&layers[i], nr);

		if (rule && (!found || rule->action != SP_ACTION_ASK))
			found = rule;
	}
	if (found)
		return refusal_of(found);
	fixed = fixed_source(layers, count, nr);
	if (fixed)
		return (struct refusal){.error = EPERM, .source = fixed};
	/* What a policy allows, and one that bounds it does not mention. */
	if (sp_call_class(nr) == SP_CLASS_ORDINARY && speaks_of(&layers[0], nr))
		for (size_t i = 1; i < count; i++)
			if (!speaks_of(&layers[i], nr))
				return default_of(layers[i].policy);
	return (struct refusal){0};
}

static int index_layers(const struct sp_policy *const *policies, size_t count,
			struct indexed *layers)
{
	int r = 0;

	for (size_t i = 0; i < count && r == 0; i++) {
		layers[i].policy = policies[i];
		r = sp_call_index_make(policies[i], &layers[i].index);
	}
	return r;
}

/* To be freed. */
static int find_in_layers(const struct indexed *layers, size_t count,
			  struct sp_call_refusal_row **ret_rows, size_t *ret_count)
{
	struct sp_call_refusal_row *rows = calloc(SP_NUMBERS, sizeof(*rows));
	size_t found = 0;

	if (!rows)
		return -ENOMEM;
	for (int nr = 0; nr < SP_NUMBERS; nr++) {
		struct refusal refusal = find_refusal(layers, count, nr);

		if (refusal.source)
			rows[found++] = (struct sp_call_refusal_row){.nr = nr,
								     .error = refusal.error,
								     .source = refusal.source,
								     .ask = refusal.ask};
	}
	*ret_rows = rows;
	*ret_count = found;
	return 0;
}

static int find_refusals(const struct sp_policy *const *policies, size_t count,
			 struct sp_call_refusal_row **ret_rows, size_t *ret_count)
{
	struct indexed *layers = calloc(count, sizeof(*layers));
	int r = layers ? index_layers(policies, count, layers) : -ENOMEM;

	if (r == 0)
		r = find_in_layers(layers, count, ret_rows, ret_count);
	for (size_t i = 0; layers && i < count; i++)
		sp_call_index_clear(&layers[i].index);
	free(layers);
	return r;
}

typedef Sallyport__Policy__CallRule CallRule;

static int add_call(CallRule **list, size_t *count, const struct sp_call_refusal_row *refusal)
{
	CallRule *row = malloc(sizeof(*row));

	if (!row)
		return -ENOMEM;
	sallyport__policy__call_rule__init(row);
	row->nr = (uint32_t)refusal->nr;
	row->error = (uint32_t)refusal->error;
	row->source = bytes_of(refusal->source);
	row->has_ask = row->ask = refusal->ask;
	list[(*count)++] = row;
	return 0;
}

static void clear_calls(CallRule **list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(list[i]);
	free(list);
}

static int add_rows(CallRule ***ret_list, size_t *ret_count, const struct sp_call_refusal_row *rows,
		    size_t count)
{
	int r = 0;

	*ret_list = calloc(SP_NUMBERS, sizeof(**ret_list));
	if (!*ret_list)
		return -ENOMEM;
	for (size_t i = 0; i < count && r == 0; i++)
		r = add_call(*ret_list, ret_count, &rows[i]);
	return r;
}

/* Kept by `policy`, which is one of the layers. */
static int add_calls(CallRule ***ret_list, size_t *ret_count, struct sp_policy *policy,
		     const struct sp_policy *const *layers, size_t count)
{
	int r = policy->refusals
		    ? 0
		    : find_refusals(layers, count, &policy->refusals, &policy->refusal_count);

	return r < 0 ? r : add_rows(ret_list, ret_count, policy->refusals, policy->refusal_count);
}

/* ---- the rest -------------------------------------------------------------------------------------------- */

static void fill_limits(Sallyport__Policy__Limits *limits, const struct sp_policy *const *layers,
			size_t count)
{
	struct {
		protobuf_c_boolean *has;
		uint64_t *value;
	} const fields[SP_LIMIT_COUNT] = {
	    [SP_LIMIT_MEMORY] = {&limits->has_memory, &limits->memory},
	    [SP_LIMIT_CPU] = {&limits->has_cpu, &limits->cpu},
	    [SP_LIMIT_WALL] = {&limits->has_wall, &limits->wall},
	    [SP_LIMIT_FILES] = {&limits->has_files, &limits->files},
	    [SP_LIMIT_PROCESSES] = {&limits->has_processes, &limits->processes},
	    [SP_LIMIT_FILE_SIZE] = {&limits->has_file_size, &limits->file_size},
	};

	for (size_t i = 0; i < SP_LIMIT_COUNT; i++)
		*fields[i].has = sp_model_limit(layers, count, (enum sp_limit)i, fields[i].value);
}

/* Every layer that one of the policies asks for; optional where none of them needs it. */
static void fill_isolate(Message *message, const struct sp_policy *const *layers, size_t count)
{
	uint32_t needed = 0;

	for (size_t i = 0; i < count; i++) {
		const struct sp_policy *policy = layers[i];
		uint32_t asked =
		    policy->isolate.set ? (uint32_t)policy->isolate.value : SP_ISOLATE_ALL;
		uint32_t optional =
		    policy->optional_layers.set ? (uint32_t)policy->optional_layers.value : 0;

		message->isolate |= asked;
		needed |= asked & ~optional;
	}
	message->optional_layers = message->isolate & ~needed;
}

static void fill_settings(Message *message, const struct sp_policy *policy)
{
	struct refusal otherwise = default_of(policy);

	message->version = SP_COMPILED_VERSION;
	message->has_strict = message->strict = policy->strict.set;
	message->name = bytes_of(policy->name);
	message->default_error = (uint32_t)otherwise.error;
	message->default_source = bytes_of(otherwise.source);
}

/* ---- phases ---- */

typedef Sallyport__Policy__Phase Phase;

static void clear_phase(Phase *phase)
{
	clear_bounds(phase->bound, phase->n_bound);
	clear_calls(phase->call, phase->n_call);
}

static void clear_phases(Message *message)
{
	for (size_t i = 0; i < message->n_phase; i++) {
		clear_phase(message->phase[i]);
		free(message->phase[i]);
	}
	free(message->phase);
}

/* In the place of filters for who asks about names alone: they take long, and may be too long. */
static ProtobufCBinaryData no_filter(void)
{
	static const struct sock_filter kill = {.code = BPF_RET | BPF_K,
						.k = SECCOMP_RET_KILL_PROCESS};

	return (ProtobufCBinaryData){sizeof(kill), (uint8_t *)(uintptr_t)&kill};
}

static int fill_program(struct sp_policy *policy, enum sp_program_kind kind, bool bare,
			int (*compile)(const struct sp_policy *policy,
				       struct sp_program *ret_program),
			ProtobufCBinaryData *ret_field)
{
	struct sp_program *program = &policy->programs[kind];
	int r = bare || program->bytes ? 0 : compile(policy, program);

	if (bare)
		*ret_field = no_filter();
	else if (r == 0)
		*ret_field = (ProtobufCBinaryData){program->length, program->bytes};
	return r;
}

/* Where several policies name it as a phase, the first one to be compiled has put calls in its order. */
static int fill_later_program(const struct sp_policy *whole, struct sp_policy *policy,
			      enum sp_program_kind kind, bool bare,
			      int (*compile)(const struct sp_policy *policy,
					     const struct sp_policy *launch,
					     struct sp_program *ret_program),
			      ProtobufCBinaryData *ret_field)
{
	struct sp_program *program = &policy->programs[kind];
	int r = bare || program->bytes ? 0 : compile(policy, whole, program);

	if (r == 0)
		*ret_field =
		    bare ? no_filter() : (ProtobufCBinaryData){program->length, program->bytes};
	return r;
}

/* How calls fail is said by the whole, of which the phase's is the later part. `runs`: the sandbox does already,
 * and the policy is no phase that this one names, and keeps. */
static int fill_phase(Phase *phase, const struct sp_policy *whole, struct sp_policy *policy,
		      bool runs, bool bare)
{
	_cleanup_free_ struct sp_call_refusal_row *rows = NULL;
	const struct sp_policy *layers[2 * SP_LAYERS_MAX];
	size_t before = sp_model_layers(whole, layers), row_count = 0;
	size_t count = sp_model_layers(policy, layers + before);
	int r = add_bounds(&phase->bound, &phase->n_bound, layers + before, count, runs);

	if (r == 0 && !runs)
		r = add_calls(&phase->call, &phase->n_call, policy, layers, before + count);
	else if (r == 0)
		r = find_refusals(layers, before + count, &rows, &row_count);
	if (r == 0 && runs)
		r = add_rows(&phase->call, &phase->n_call, rows, row_count);
	if (r == 0)
		r = fill_later_program(whole, policy, SP_PROGRAM_PHASE, bare,
				       sp_filter_compile_phase, &phase->filter);
	if (r == 0)
		r = fill_later_program(whole, policy, SP_PROGRAM_PHASE_FLOOR, bare,
				       sp_filter_compile_phase_floor, &phase->floor);
	return r;
}

static int add_phases(Message *message, struct sp_policy *policy, bool bare)
{
	int r = 0;

	message->phase = calloc(policy->phase_count + 1, sizeof(*message->phase));
	if (!message->phase)
		return -ENOMEM;
	for (size_t i = 0; i < policy->phase_count && r == 0; i++) {
		Phase *phase = malloc(sizeof(*phase));

		if (!phase)
			return -ENOMEM;
		sallyport__policy__phase__init(phase);
		message->phase[message->n_phase++] = phase;
		phase->name = bytes_of(policy->phases[i].name);
		r = fill_phase(phase, policy, policy->phases[i].policy, false, bare);
	}
	return r;
}

int sp_policy_compile_narrowing(const struct sp_policy *whole, struct sp_policy *policy,
				uint8_t **ret_bytes, size_t *ret_length)
{
	__attribute__((cleanup(clear_phase))) Phase phase = SALLYPORT__POLICY__PHASE__INIT;
	const struct sp_policy *layers[SP_LAYERS_MAX];
	uint8_t *bytes;
	size_t count;
	int r;

	count = sp_model_layers(policy, layers);
	for (size_t i = 0; i < count; i++)
		if (layers[i]->extra_count > 0 || layers[i]->strict.set)
			return -EOPNOTSUPP;
	phase.name = bytes_of("");
	r = fill_phase(&phase, whole, policy, true, false);
	if (r < 0)
		return r;
	bytes = malloc(sallyport__policy__phase__get_packed_size(&phase));
	if (!bytes)
		return -ENOMEM;
	*ret_length = sallyport__policy__phase__pack(&phase, bytes);
	*ret_bytes = bytes;
	return 0;
}

size_t sp_policy_phase_ids(const struct sp_policy *policy, uint64_t *ret_ids)
{
	for (size_t i = 0; i < policy->phase_count; i++)
		ret_ids[i] = sp_phase_id(policy->phases[i].name);
	return policy->phase_count;
}

static void clear(Message *message)
{
	clear_paths(message->path, message->n_path);
	clear_addresses(message->address, message->n_address);
	clear_bounds(message->bound, message->n_bound);
	clear_calls(message->call, message->n_call);
	clear_phases(message);
	clear_bounds(message->edit_bound, message->n_edit_bound);
	free(message->extra_filter);
}

/* `without`: bits of enum sp_program_kind. */
static int fill_filters(Message *message, struct sp_policy *policy, unsigned without)
{
	const struct {
		enum sp_program_kind kind;
		int (*compile)(const struct sp_policy *policy, struct sp_program *ret_program);
		ProtobufCBinaryData *field;
	} filters[] = {
	    {SP_PROGRAM_SANDBOXEE, sp_filter_compile, &message->filter},
	    {SP_PROGRAM_FLOOR, sp_filter_compile_floor, &message->floor},
	    {SP_PROGRAM_PORTER, sp_filter_compile_porter, &message->porter_filter},
	    {SP_PROGRAM_LISTENER, sp_filter_compile_listener, &message->listener_filter},
	};
	int r = 0;

	for (size_t i = 0; i < SP_ELEMENTS(filters) && r == 0; i++)
		r = fill_program(policy, filters[i].kind, without & 1u << filters[i].kind,
				 filters[i].compile, filters[i].field);
	return r;
}

/* Those of every layer: each of them only takes away. */
static int add_extras(Message *message, const struct sp_policy *const *layers, size_t count)
{
	message->extra_filter = calloc(count * SP_EXTRAS_MAX, sizeof(*message->extra_filter));
	if (!message->extra_filter)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		for (size_t j = 0; j < layers[i]->extra_count; j++)
			message->extra_filter[message->n_extra_filter++] = (ProtobufCBinaryData){
			    layers[i]->extras[j].length, layers[i]->extras[j].bytes};
	return 0;
}

static int add_edit_bounds(Message *message, const struct sp_policy *policy)
{
	const struct sp_policy *layers[SP_LAYERS_MAX];

	message->editable = policy->editable.set;
	if (!policy->edit_bound)
		return 0;
	return add_bounds(&message->edit_bound, &message->n_edit_bound, layers,
			  sp_model_layers(policy->edit_bound, layers), false);
}

static int encode(const Message *message, uint8_t **ret_bytes, size_t *ret_length)
{
	size_t length = sallyport__policy__compiled_policy__get_packed_size(message);
	uint8_t *bytes = malloc(length);

	if (!bytes)
		return -ENOMEM;
	*ret_length = sallyport__policy__compiled_policy__pack(message, bytes);
	*ret_bytes = bytes;
	return 0;
}

#define EVERY_FILTER (~0u)

static int compile(struct sp_policy *policy, unsigned without, uint8_t **ret_bytes,
		   size_t *ret_length)
{
	__attribute__((cleanup(clear))) Message message = SALLYPORT__POLICY__COMPILED_POLICY__INIT;
	Sallyport__Policy__Limits limits = SALLYPORT__POLICY__LIMITS__INIT;
	const struct sp_policy *layers[SP_LAYERS_MAX];
	size_t count = sp_model_layers(policy, layers);
	int r;

	if (sp_model_contradicts_strict(policy))
		return -EINVAL;
	fill_settings(&message, policy);
	fill_isolate(&message, layers, count);
	fill_limits(&limits, layers, count);
	message.limits = &limits;
	r = add_all_names(&message, layers, count);
	if (r == 0)
		r = add_calls(&message.call, &message.n_call, policy, layers, count);
	if (r == 0)
		r = add_phases(&message, policy, without == EVERY_FILTER);
	if (r == 0)
		r = add_edit_bounds(&message, policy);
	if (r == 0)
		r = add_extras(&message, layers, count);
	if (r == 0)
		r = fill_filters(&message, policy, without);
	return r < 0 ? r : encode(&message, ret_bytes, ret_length);
}

int sp_policy_compile(struct sp_policy *policy, uint8_t **ret_bytes, size_t *ret_length)
{
	return compile(policy, 0, ret_bytes, ret_length);
}

int sp_policy_compile_for(struct sp_policy *policy, bool listener, uint8_t **ret_bytes,
			  size_t *ret_length)
{
	unsigned without = 1u << (listener ? SP_PROGRAM_PORTER : SP_PROGRAM_LISTENER);

	return compile(policy, without, ret_bytes, ret_length);
}

int sp_policy_compile_bare(struct sp_policy *policy, uint8_t **ret_bytes, size_t *ret_length)
{
	return compile(policy, EVERY_FILTER, ret_bytes, ret_length);
}
