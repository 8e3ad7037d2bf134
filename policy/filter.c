/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/filter.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdlib.h>

#include "ipc/util.h"
#include "policy/filter_draft.h"

/* `weighted` says which calls are to be found soon; NULL: none. */
static int compile(struct sp_compilation *c, const struct sp_policy *weighted,
		   struct sp_program *ret_program)
{
	_cleanup_free_ struct sp_draft *draft = calloc(1, sizeof(*draft));
	int r = draft ? sp_draft_make(c, draft) : -ENOMEM;

	if (r == 0)
		r = sp_draft_write(weighted, draft, ret_program);
	if (draft)
		sp_draft_clear(draft);
	return r;
}

/* What some rule grants on some name, or an edit of the policy may (`edits`), and every policy that bounds it
 * might as well. */
static uint32_t all_granted(const struct sp_policy *policy, bool edits)
{
	const struct sp_policy *layers[SP_LAYERS_MAX];
	size_t count = sp_model_layers(policy, layers);
	uint32_t all = SP_RIGHT_ALL;

	for (size_t layer = 0; layer < count; layer++) {
		uint32_t granted = edits && layer == 0 ? sp_model_givable(policy) : 0;

		for (size_t i = 0; i < layers[layer]->path_count; i++)
			granted |= layers[layer]->paths[i].rights;
		if (sp_model_grants_addresses(layers[layer]))
			granted |= SP_RIGHT_CONNECT;
		all &= granted;
	}
	return all;
}

struct sp_compilation sp_filter_compilation(const struct sp_policy *policy,
					    enum sp_filter_kind kind)
{
	static const struct {
		enum sp_purpose purpose;
		uint32_t intercept;
	} kinds[] = {
	    [SP_FILTER_LOCK] = {SP_PURPOSE_LOCK, SECCOMP_RET_TRAP},
	    [SP_FILTER_FLOOR] = {SP_PURPOSE_FLOOR, SECCOMP_RET_USER_NOTIF},
	    [SP_FILTER_ALONE] = {SP_PURPOSE_ALONE, SECCOMP_RET_ERRNO | EPERM},
	};

	return (struct sp_compilation){.policy = policy,
				       .phased = policy->phase_count > 0 && kind != SP_FILTER_ALONE,
				       .purpose = kinds[kind].purpose,
				       .intercept = kinds[kind].intercept,
				       .granted = all_granted(policy, false)};
}

static int compile_kind(const struct sp_policy *policy, enum sp_filter_kind kind,
			struct sp_program *ret_program)
{
	struct sp_compilation c = sp_filter_compilation(policy, kind);

	return compile(&c, policy, ret_program);
}

int sp_filter_compile(const struct sp_policy *policy, struct sp_program *ret_program)
{
	return compile_kind(policy, SP_FILTER_LOCK, ret_program);
}

int sp_filter_compile_floor(const struct sp_policy *policy, struct sp_program *ret_program)
{
	return compile_kind(policy, SP_FILTER_FLOOR, ret_program);
}

static int compile_phase(const struct sp_policy *policy, const struct sp_policy *launch,
			 enum sp_filter_kind kind, struct sp_program *ret_program)
{
	struct sp_compilation c = sp_filter_compilation(policy, kind);

	c.phased = c.on_top = true;
	return compile(&c, launch->weights ? launch : policy, ret_program);
}

int sp_filter_compile_phase(const struct sp_policy *policy, const struct sp_policy *launch,
			    struct sp_program *ret_program)
{
	return compile_phase(policy, launch, SP_FILTER_LOCK, ret_program);
}

int sp_filter_compile_phase_floor(const struct sp_policy *policy, const struct sp_policy *launch,
				  struct sp_program *ret_program)
{
	return compile_phase(policy, launch, SP_FILTER_FLOOR, ret_program);
}

int sp_filter_compile_alone(const struct sp_policy *policy, struct sp_program *ret_program)
{
	return compile_kind(policy, SP_FILTER_ALONE, ret_program);
}

static bool isolates_network(const struct sp_policy *policy)
{
	const struct sp_policy *layers[SP_LAYERS_MAX];
	size_t count = sp_model_layers(policy, layers);

	for (size_t i = 0; i < count; i++)
		if (!layers[i]->isolate.set || layers[i]->isolate.value & SP_ISOLATE_NETWORK)
			return true;
	return false;
}

int sp_filter_compile_permissive(const struct sp_policy *policy, struct sp_program *ret_program)
{
	struct sp_compilation c = sp_filter_compilation(policy, SP_FILTER_FLOOR);
	struct sock_filter *code;
	int r;

	c.watched = isolates_network(policy);
	r = compile(&c, policy, ret_program);
	code = (struct sock_filter *)ret_program->bytes;
	for (size_t i = 0; r == 0 && i < ret_program->length / sizeof(*code); i++)
		if (BPF_CLASS(code[i].code) == BPF_RET && code[i].k != SECCOMP_RET_ALLOW &&
		    code[i].k != SECCOMP_RET_LOG)
			code[i].k = SECCOMP_RET_USER_NOTIF;
	return r;
}

/* The porter makes other calls than its sandboxee, so its own are in no order. */
static int compile_porter(const struct sp_policy *policy, enum sp_purpose purpose,
			  struct sp_program *ret_program)
{
	struct sp_compilation c = {
	    .policy = policy,
	    .purpose = purpose,
	    .granted = all_granted(policy, true),
	};

	return compile(&c, NULL, ret_program);
}

int sp_filter_compile_porter(const struct sp_policy *policy, struct sp_program *ret_program)
{
	return compile_porter(policy, SP_PURPOSE_PORTER, ret_program);
}

int sp_filter_compile_listener(const struct sp_policy *policy, struct sp_program *ret_program)
{
	return compile_porter(policy, SP_PURPOSE_LISTENER, ret_program);
}
