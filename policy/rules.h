/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A compiled policy at run time: what the porter asks before every step. Phases and narrowings only
 * take away once it was loaded; edits, where the policy says `editable`, give and take within what bounds
 * it. Every function but those that change it is pure and allocates nothing.
 */
#ifndef SALLYPORT_POLICY_RULES_H
#define SALLYPORT_POLICY_RULES_H

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ipc/calls.h"
#include "policy/address.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Layers that `isolate { … }` asks for. */
enum sp_isolate {
	SP_ISOLATE_USER = 1 << 0,
	SP_ISOLATE_PID = 1 << 1,
	SP_ISOLATE_MOUNT = 1 << 2,
	SP_ISOLATE_NETWORK = 1 << 3,
	SP_ISOLATE_IPC = 1 << 4,
	SP_ISOLATE_UTS = 1 << 5,
	SP_ISOLATE_LANDLOCK = 1 << 6,
	SP_ISOLATE_ALL = (1 << 7) - 1
};

struct sp_limits {                                               /* 0: not limited by the policy */
	uint64_t memory, cpu, wall, files, processes, file_size; /* units as in compiled.proto */
};

struct sp_rules;

/* Loads an encoded CompiledPolicy. 0, -EBADMSG (not a canonical one), -EPROTO (another version),
 * -ENOMEM. */
int sp_rules_load(const uint8_t *bytes, size_t length, struct sp_rules **ret_rules);
struct sp_rules *sp_rules_free(struct sp_rules *rules); /* accepts NULL, returns NULL */

const char *sp_rules_name(const struct sp_rules *rules);
const struct sp_limits *sp_rules_limits(const struct sp_rules *rules);
uint32_t sp_rules_isolate(const struct sp_rules *rules);
uint32_t sp_rules_optional_layers(const struct sp_rules *rules);
/* The sandboxee enters SECCOMP_MODE_STRICT in the place of a filter. */
bool sp_rules_strict(const struct sp_rules *rules);
/* Whether call `nr`, of sockets, is left to the kernel, in a network that is the sandbox's own for sure. */
bool sp_rules_own_network(const struct sp_rules *rules, int nr);
struct sock_fprog sp_rules_filter(const struct sp_rules *rules);          /* borrowed */
struct sock_fprog sp_rules_porter_filter(const struct sp_rules *rules);   /* borrowed */
struct sock_fprog sp_rules_floor(const struct sp_rules *rules);           /* borrowed */
struct sock_fprog sp_rules_listener_filter(const struct sp_rules *rules); /* borrowed */

/* Filters that others wrote, to be installed before ours. Borrowed. */
const struct sock_fprog *sp_rules_extra_filters(const struct sp_rules *rules, size_t *ret_count);

/*
 * What filters of others say of a call, by its number alone: of SECCOMP_RET_* the strictest, and of equals what the
 * kernel takes, the last. -EOPNOTSUPP: one of them looks at more than the number.
 */
int sp_rules_foreign_verdict(const struct sp_rules *rules, int nr, uint32_t *ret_action);

/* On what some rule leaves the decision to the application. */
enum sp_asks {
	SP_ASKS_PORTER =
	    1 << 0, /* rights on names, and brokered calls: the porter acts on the answer */
	SP_ASKS_KERNEL = 1 << 1, /* other calls: the kernel does, after a notification alone */
};
uint32_t sp_rules_asks(const struct sp_rules *rules);

/* What a floor returns, as the data of its notification, for a call on which the application decides. */
#define SP_FLOOR_ASKS 1u

/*
 * Phases that the policy names. From when one is entered, everything here decides as if the policy were
 * bound by that one too: the only thing that changes.
 */
#define SP_PHASES_MAX 8
struct sp_rules_phase {
	const char *name; /* borrowed */
	uint64_t id;      /* sp_phase_id() of it */
	struct sock_fprog
	    filter; /* borrowed: what a sandboxee with a runtime loads on top of its own */
};
size_t sp_rules_phase_count(const struct sp_rules *rules);
struct sp_rules_phase sp_rules_phase(const struct sp_rules *rules, size_t index);
int sp_rules_enter(struct sp_rules *rules, uint64_t id); /* 0 or -ENOENT; again: 0 */

/*
 * The same by a policy that has no name here: an encoded Phase of compiled.proto. All or nothing. 0;
 * -E2BIG: SP_NARROWINGS_MAX came before; -EBADMSG; -ENOMEM.
 */
#define SP_NARROWINGS_MAX 16
#define SP_BOUNDS_MAX 16 /* the sets of one phase */
int sp_rules_narrow(struct sp_rules *rules, const uint8_t *bytes, size_t length);

/*
 * Edits, where the policy says `editable`: of each right the last one decides that matches the name, and
 * where there is none, the policy. What an edit gives is held back by a `deny` of the policy that is not less
 * specific, and by everything that bounds the edits or the policy.
 */
struct sp_rules_edit {
	bool revokes;
	uint32_t rights;
	const char *pattern;
	const char *source; /* what decisions name */
};
/*
 * All or nothing; strings are copied. What says a right of the very same pattern anew takes the other's place. 0;
 * -EPERM: not editable, or locked; -EINVAL: no such right, or none that edits may give, or no pattern; -ENOSPC:
 * SP_EDITS_MAX stand; -ENOMEM.
 */
#define SP_EDITS_MAX 256
int sp_rules_edit(struct sp_rules *rules, const struct sp_rules_edit *edit);
void sp_rules_lock(struct sp_rules *rules); /* no edit from here on */

/* The rights that an edit may give on some name: what the walls were built for. 0: not editable. */
uint32_t sp_rules_givable(const struct sp_rules *rules);

/* Those of them that an edit could give on this very name. */
uint32_t sp_rules_givable_at(const struct sp_rules *rules, const char *name, size_t length);

/* These change what walls must let through, so nothing gives them but where the policy speaks of them. */
#define SP_RIGHTS_OF_WALLS (SP_RIGHT_EXECUTE | SP_RIGHT_CONNECT | SP_RIGHT_BIND)

/* What the floor says of a call, and what every phase that was entered leaves of that. */
bool sp_rules_floor_asks(const struct sp_rules *rules, const struct seccomp_data *data);

/* The words of the arguments that the floor, and that of each phase which was entered and asks too, looks at on its way to
 * what it says of a call: bit N for the bytes from 4 N on. Calls that are alike in these are alike to all who ask. */
#define SP_ARGUMENT_WORDS 12
uint32_t sp_rules_floor_words(const struct sp_rules *rules, const struct seccomp_data *data);

/* What the first of these rights lacks, which are some, as reports say it: "no right to read". */
const char *sp_right_lack(uint32_t missing);

/* Where a name stands towards the grants of the policy. */
enum sp_standing {
	SP_STANDING_OUTSIDE,  /* no lookup may be made for it */
	SP_STANDING_ANCESTOR, /* a directory on the way to a grant: metadata only */
	SP_STANDING_INSIDE,   /* some right is granted on the name itself, or asked about */
};

struct sp_path_decision {
	enum sp_standing standing;
	uint32_t rights;  /* enum sp_right, granted on this very name */
	uint32_t ask;     /* of the others those on which the application decides */
	uint32_t refused; /* those that it did not grant: nothing that the rules say */
	int error;        /* the errno (positive) with which a missing right is answered */
	const char
	    *rule; /* where the deciding rule stands: the deny rule if one decided, else the most
		    * specific grant, or NULL where no rule speaks of the name. Borrowed. */
	const char *ask_rule; /* where the rule stands that asks; NULL: none does */
};

/*
 * Decides on a canonical absolute name (no empty, "." or ".." components, no trailing slash; "/"
 * itself). O(length + patterns that share its literal prefix), flat in the number of rules.
 */
void sp_rules_decide(const struct sp_rules *rules, const char *name, size_t length,
		     struct sp_path_decision *ret_decision);

/* On one TCP connection: the most specific rule that holds the address decides, and of two that are as specific the
 * one that denies. */
struct sp_address_decision {
	int error;        /* 0: it may be made; else the errno (positive) */
	const char *rule; /* where the deciding rule stands, or NULL. Borrowed. */
};
void sp_rules_decide_address(const struct sp_rules *rules, const struct sp_address *address,
			     struct sp_address_decision *ret_decision);

/* Whether the policy, and each that bounds it, lets some TCP connections be made; maybe none that all let. */
bool sp_rules_grants_addresses(const struct sp_rules *rules);

/* Whether the call is brokered under these rules: connect is where they name sockets or addresses to connect to,
 * socket where they name addresses, bind and listen where they name sockets to bind; others are. `argument`: of the call itself. */
bool sp_rules_brokers(const struct sp_rules *rules, const struct sp_call_info *info,
		      const uint64_t *argument);

/* True if every name below `name` has exactly the rights of `name` itself: no rule splits the
 * subtree. A directory may be renamed only where this holds for source and target. */
bool sp_rules_uniform_below(const struct sp_rules *rules, const char *name, size_t length);

/* What a trapped, refused system call is answered with. Never fails: the default rule applies
 * otherwise. */
struct sp_call_refusal {
	int error;        /* positive errno */
	const char *rule; /* borrowed */
	bool ask;         /* only where the application does not let it be */
};
void sp_rules_refusal(const struct sp_rules *rules, int nr, struct sp_call_refusal *ret_refusal);

/* The rule that refuses this very number, without the default: false where there is none. */
bool sp_rules_find_refusal(const struct sp_rules *rules, int nr,
			   struct sp_call_refusal *ret_refusal);

/* All rights that the policy grants on any name, or that an edit may give, and each policy that bounds it grants on any:
 * of no other the porter's filter lets it make the calls. What is entered later is left out. */
uint32_t sp_rules_granted(const struct sp_rules *rules);

/* Every grant of the policy itself, of which those that bound it may take some away, and what edits may
 * give, for the Landlock ruleset: literal directory or file prefix (no wildcard) and rights.
 */
typedef int sp_rules_grant_fn(const char *prefix, uint32_t rights, void *data);
int sp_rules_each_grant(const struct sp_rules *rules, sp_rules_grant_fn *fn, void *data);

/* Every grant of TCP connections of the policy itself. */
typedef int sp_rules_address_fn(const struct sp_address *address, void *data);
int sp_rules_each_address(const struct sp_rules *rules, sp_rules_address_fn *fn, void *data);

/* ---- for who wants to be told why ---- */

struct sp_rules_address {
	const struct sp_address *address; /* borrowed */
	const char *source;               /* the same */
	size_t set;                       /* as in sp_rules_match */
	int error;                        /* 0: granted */
};
typedef int sp_rules_each_address_fn(const struct sp_rules_address *rule, void *data);

/* Every rule about an address, but for those of a phase that was not entered. */
int sp_rules_every_address(const struct sp_rules *rules, sp_rules_each_address_fn *fn, void *data);

/* Whether of two rules of one set that hold an address `a` decides. */
bool sp_rules_address_outranks(const struct sp_rules_address *a, const struct sp_rules_address *b,
			       const char **ret_reason);

struct sp_rules_match {
	const char *pattern, *source; /* borrowed */
	size_t set;                   /* 0: of the policy itself, else of one that bounds it */
	uint32_t rights;              /* 0: deny */
	bool ask;
	int error;
};
typedef int sp_rules_match_fn(const struct sp_rules_match *match, void *data);

/* Every rule, also those that stand for what a symbolic link points to; and those that match a name,
 * but for those of a phase that was not entered. Both end where `fn` returns something but 0, and return it. */
int sp_rules_each(const struct sp_rules *rules, sp_rules_match_fn *fn, void *data);
int sp_rules_each_match(const struct sp_rules *rules, const char *name, size_t length,
			sp_rules_match_fn *fn, void *data);
/* Every rule of what bounds edits. */
int sp_rules_each_edit_bound(const struct sp_rules *rules, sp_rules_match_fn *fn, void *data);
size_t sp_rules_set_count(const struct sp_rules *rules);
bool sp_rules_is_idle(const struct sp_rules *rules,
		      size_t set); /* of a phase that was not entered */

/* Whether of two rules of one set that mention a right `a` decides; in either case *ret_reason says
 * why. */
bool sp_rules_outranks(const struct sp_rules_match *a, const struct sp_rules_match *b,
		       const char **ret_reason);

#ifdef __cplusplus
}
#endif

#endif
