/* SPDX-License-Identifier: Apache-2.0 */
/* What a policy says, after its words have been understood and its includes united. */
#ifndef SALLYPORT_POLICY_MODEL_H
#define SALLYPORT_POLICY_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sallyport/policy.h>

#include "policy/address.h"
#include "policy/condition.h"
#include "policy/diagnostic.h"
#include "policy/names.h"
#include "policy/rules.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The highest errno that the kernel can return, and the highest number of a trap. */
#define SP_ERRNO_MAX 4095u
#define SP_TRAP_MAX 65535u

/* From lax to strict. */
enum sp_action {
	SP_ACTION_NONE,
	SP_ACTION_ALLOW,
	SP_ACTION_LOG,
	SP_ACTION_ASK, /* the application decides */
	SP_ACTION_BROKER,
	SP_ACTION_DENY,  /* by the porter, which reports it */
	SP_ACTION_ERRNO, /* by the kernel */
	SP_ACTION_TRAP,  /* a SIGSYS of the program's own; below a runtime a denial */
	SP_ACTION_KILL_THREAD,
	SP_ACTION_KILL,
};

/*
 * Who wins where two rules speak of the same call without conditions: the lower rank. A policy
 * outranks what it includes, and a name outranks a group.
 */
struct sp_call_rule {
	int nr;
	enum sp_action action;
	int error;                      /* of DENY and ERRNO; of TRAP the number it bears */
	struct sp_condition *condition; /* owned; NULL: always */
	unsigned rank;
	char *source;          /* owned */
	struct sp_place place; /* where the policy itself says it; else zero */
};

struct sp_path_rule {
	char *pattern;   /* owned */
	uint32_t rights; /* 0: deny */
	bool ask;        /* the application decides on them */
	int error;
	char *source;          /* owned */
	struct sp_place place; /* where the policy itself says it; else zero */
	size_t next;           /* of the same bucket; index + 1, 0: none */
};

/* Of a TCP connection. */
struct sp_address_rule {
	struct sp_address address;
	int error;             /* 0: it may be made; else how it fails */
	char *source;          /* owned */
	struct sp_place place; /* where the policy itself says it; else zero */
};

/* A setting that an including policy overrides: what was set, how deep, and where. */
struct sp_setting {
	bool set;
	unsigned depth;
	uint64_t value;
	char *source; /* owned */
};

/* X(name, later): the settings of struct sp_policy beside its limits, in the order of saved policies, which stays. `later`: a
 * policy that comes to bound a running sandbox says it too; else it is settled by the launch. */
#define SP_SETTINGS(X)                                                                             \
	X(default_action, true)                                                                    \
	X(default_error, true)                                                                     \
	X(wx, true)                                                                                \
	X(isolate, false)                                                                          \
	X(optional_layers, false)                                                                  \
	X(strict, true)                                                                            \
	X(architectures, true)

enum sp_limit {
	SP_LIMIT_MEMORY,
	SP_LIMIT_CPU,
	SP_LIMIT_WALL,
	SP_LIMIT_FILES,
	SP_LIMIT_PROCESSES,
	SP_LIMIT_FILE_SIZE,
	SP_LIMIT_COUNT
};

/* A BPF program: an array of struct sock_filter. */
struct sp_program {
	uint8_t *bytes; /* owned */
	size_t length;
};

enum sp_program_kind {
	SP_PROGRAM_SANDBOXEE,
	SP_PROGRAM_FLOOR,
	SP_PROGRAM_PORTER,
	SP_PROGRAM_LISTENER,
	SP_PROGRAM_PHASE, /* as the bound of a phase: what is loaded on top, and below it */
	SP_PROGRAM_PHASE_FLOOR,
	SP_PROGRAM_COUNT
};

/* How a call fails that the filter refuses. */
struct sp_call_refusal_row {
	int nr, error;
	const char *source; /* the policy's, or a constant */
	bool ask;
};

/* From its beginning on the policy allows no more than another one does. */
struct sp_phase {
	char *name;               /* owned */
	struct sp_policy *policy; /* owned reference */
	struct sp_place place;    /* where the policy itself says it; else zero */
};

struct sp_policy {
	unsigned references;
	char *name;
	struct sp_call_rule *calls;
	size_t call_count;
	struct sp_path_rule *paths;
	size_t path_count;
	size_t *path_buckets; /* by pattern; index + 1 of the first rule */
	size_t path_bucket_count;
	struct sp_address_rule *addresses;
	size_t address_count;
	struct sp_setting limits[SP_LIMIT_COUNT]; /* with what SP_SETTINGS lists */
	struct sp_setting default_action;         /* enum sp_action */
	struct sp_setting default_error;          /* as in a call rule */
	struct sp_setting wx;                     /* 1: memory may be writable and executable */
	struct sp_setting isolate, optional_layers;
	struct sp_setting architectures; /* enum sp_architecture: beside the native one */
	struct sp_setting strict;        /* 1: SECCOMP_MODE_STRICT in the place of a filter */
	struct sp_setting *weights; /* owned; how often each number is called; NULL: nobody said */
	/* Made by the first launch, kept for those that follow: they take longer to compile than
	 * everything else that a broker does for a launch. Paths are not among them, since what a
	 * symbolic link points to may change. */
	struct sp_program programs[SP_PROGRAM_COUNT];
	struct sp_call_refusal_row *refusals; /* owned; NULL: not made */
	size_t refusal_count;
	struct sp_program *extras; /* filters that others wrote, on top of ours */
	size_t extra_count;
	struct sp_policy **within; /* owned references: what bounds this one */
	size_t within_count;
	struct sp_phase phases[SP_PHASES_MAX];
	size_t phase_count;
	/* Of this policy alone: what includes it, or is bounded by it, does not take that over. */
	struct sp_setting editable;   /* 1 */
	struct sp_policy *edit_bound; /* owned reference; NULL: none */
	/* For who wants to be told why: */
	char *phase;                    /* owned: it bounds another since this one was entered */
	bool keeps;                     /* it was asked for what follows */
	struct sp_call_rule *overruled; /* rules that others outrank altogether */
	size_t overruled_count;
	struct sp_kept_text *texts;
	size_t text_count;
};

/* A text that a policy was read from. */
struct sp_kept_text {
	char *file, *text; /* owned */
	size_t length;
};

/* So many policies, one included, may bound each other. */
#define SP_LAYERS_MAX 16

/* The policy, what bounds it, what bounds that, and so on. Returns how many. */
size_t sp_model_layers(const struct sp_policy *policy,
		       const struct sp_policy *ret_layers[SP_LAYERS_MAX]);

/* The least that one of the layers says. False: none says anything. */
bool sp_model_limit(const struct sp_policy *const *layers, size_t count, enum sp_limit limit,
		    uint64_t *ret_value);

/* Takes a reference of `other` over. -E2BIG: there are too many. */
int sp_model_bound_take(struct sp_policy *policy, struct sp_policy *other);

/* Takes a reference of `other` over. -E2BIG: there are too many; -EEXIST: one is called so;
 * -EOPNOTSUPP: it has filters of others. */
int sp_model_phase_take(struct sp_policy *policy, const char *name, struct sp_policy *other);

/* Makes it editable; takes a reference of `bound` (NULL: none) over. -EEXIST: it is already; -EOPNOTSUPP:
 * `bound` has filters of others, which say nothing of names. */
int sp_model_editable_take(struct sp_policy *policy, struct sp_policy *bound, const char *source);

/* The rights that an edit may give on some name; 0: it is not editable. */
uint32_t sp_model_givable(const struct sp_policy *policy);

/* "read, write": at least one right, each known and named once. 0 otherwise. */
uint32_t sp_rights_parse(const char *text);

/* An empty policy, with one reference; NULL: no memory. */
struct sp_policy *sp_model_new(void);

/* To be called by whatever changes a policy that may have been compiled. */
void sp_model_forget_compiled(struct sp_policy *policy);

/* All return 0 or -ENOMEM. They copy strings and take nothing. */
int sp_model_add_call(struct sp_policy *policy, const struct sp_call_rule *rule);
/* The same for a policy in which other rules may speak of the call: the one that outranks the other stands.
 * -EEXIST: *ret_other, of the same rank, says something else. */
int sp_model_place_call(struct sp_policy *policy, const struct sp_call_rule *rule,
			const struct sp_call_rule **ret_other);
int sp_model_add_path(struct sp_policy *policy, const struct sp_path_rule *rule);
/* -EEXIST: the very address is both granted and denied, by *ret_other. */
int sp_model_add_address(struct sp_policy *policy, const struct sp_address_rule *rule,
			 const struct sp_address_rule **ret_other);
/* These two do nothing but where the policy keeps them. */
int sp_model_keep_overruled(struct sp_policy *policy, const struct sp_call_rule *rule);
int sp_model_keep_text(struct sp_policy *policy, const struct sp_source *source);

/* The line of which a rule says "file:line:column", without blanks around it: its length, and 0 where
 * the text was not kept. */
size_t sp_model_line(const struct sp_policy *policy, const char *source, const char **ret_line);

/* Where a setting stands, or what to say where it was not set. */
static inline const char *sp_setting_source(const struct sp_setting *setting, const char *otherwise)
{
	return setting->source ? setting->source : otherwise;
}

/* Sets unless a less deep policy has. */
int sp_model_set(struct sp_setting *setting, unsigned depth, uint64_t value, const char *source);

/* Sets of enum sp_architecture beside the native one: what all policies that bound each other give. */
uint32_t sp_model_architectures(const struct sp_policy *policy);

/* What a strict policy can't say, rule by rule: the same rule of a group once. `place` is zero where the policy itself does
 * not say it, `source` NULL where it stands nowhere. */
typedef void sp_contradiction_fn(const char *mistake, struct sp_place place, const char *source,
				 void *data);
void sp_model_each_contradiction(const struct sp_policy *policy, sp_contradiction_fn *fn,
				 void *data);
/* Whether there is one, or more. */
bool sp_model_contradicts_strict(const struct sp_policy *policy);
/* The calls that are left: read, write, exit and rt_sigreturn, by the numbers of this architecture. */
bool sp_strict_allows(int nr);

/* How much a call weighs where the filter is put in order: it changes no verdict. */
#define SP_WEIGHT_MAX (1u << 24)
uint32_t sp_model_weight(const struct sp_policy *policy, uint32_t nr); /* policy NULL: 0 */
int sp_model_set_weight(struct sp_policy *policy, unsigned depth, int nr, uint64_t weight,
			const char *source);
void sp_model_clear_weights(struct sp_policy *policy);

/* Programs that sp_extra_is_sound(). -E2BIG: over SP_EXTRAS_MAX. */
#define SP_EXTRAS_MAX 8
int sp_model_add_filter(struct sp_policy *policy, const struct sp_program *program);

/* The first rule with that very pattern, or NULL. As fast with ten thousand rules as with ten. */
const struct sp_path_rule *sp_model_find_path(const struct sp_policy *policy, const char *pattern);
/*
 * Nothing is both granted and denied: true where a rule that grants `rights` (0: denies) can't stand
 * beside `other`, which has the same pattern or is NULL.
 */
bool sp_model_contradicts(const struct sp_path_rule *other, uint32_t rights);

/* Why no policy may say that of a call, or NULL. `error`: SP_ACTION_ERRNO with none is success. `named`: by itself, not
 * as a member of a group. */
const char *sp_model_verdict_mistake(int nr, enum sp_action action, int error, bool named);

/* The same of a text, before which "tcp:" may stand. -EINVAL: it is no address. */
#define SP_TCP_PREFIX "tcp:"
int sp_model_add_tcp(struct sp_policy *policy, const char *text, int error, const char *source);

/* Whether some rule lets TCP connections be made. */
bool sp_model_grants_addresses(const struct sp_policy *policy);
/* Whether a limit says something where it comes only after the launch. */
bool sp_model_narrows_later(enum sp_limit limit, const struct sp_setting *setting);

/* What `isolate { … }` may say: sets of enum sp_isolate. */
bool sp_model_valid_layers(uint64_t layers, uint64_t optional_layers);

/* "memory", and the unit of its value: "B"; "network": one layer. */
const char *sp_limit_name(enum sp_limit limit);
const char *sp_limit_unit(enum sp_limit limit);
const char *sp_layer_name(uint32_t layer);

/* The rules of a policy by the number of their call: those of `nr` are list[first[nr]] up to list[first[nr + 1]], in
 * the order in which the policy has them. Borrows the rules; to be made anew when one is added. */
struct sp_call_index {
	const struct sp_call_rule **list; /* owned */
	size_t first[SP_NUMBERS + 1];
};

/* 0 or -ENOMEM. */
int sp_call_index_make(const struct sp_policy *policy, struct sp_call_index *ret_index);
void sp_call_index_clear(struct sp_call_index *index);

/* The unconditional rule for a call, or NULL. */
struct sp_call_rule *sp_model_find_call(struct sp_policy *policy, int nr);

/* The rights of a word like "read": 0 where it is none. */
uint32_t sp_right_find(const char *word);
/* "read", "write", …: the word for one right. */
const char *sp_right_name(uint32_t right);
const char *sp_candidate_right(size_t index, const void *unused);

#ifdef __cplusplus
}
#endif

#endif
