/* SPDX-License-Identifier: Apache-2.0 */
/* From a launch as the application writes it to the plan that the spawner reads. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "broker/internal.h"
#include "ipc/decode.h"
#include "ipc/sealed.h"
#include "ipc/util.h"
#include "policy/compile.h"
#include "policy/filter.h"

/* argv and environment, pointers not counted. */
#define VECTORS_MAX ((size_t)4 * 1024 * 1024)

static ProtobufCBinaryData bytes_of(const char *text)
{
	return (ProtobufCBinaryData){strlen(text), (uint8_t *)(uintptr_t)text};
}

#define ASK_DEFAULT_MS 60000u

/* Borrows the strings. *size counts what they take. */
static int make_vector(const char *const *strings, size_t *size, ProtobufCBinaryData **ret_vector,
		       size_t *ret_count)
{
	ProtobufCBinaryData *vector;
	size_t count = 0;

	while (strings && strings[count]) {
		*size += strlen(strings[count]) + 1;
		if (*size > VECTORS_MAX)
			return -E2BIG;
		count++;
	}
	vector = calloc(count + 1, sizeof(*vector));
	if (!vector)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		vector[i] = bytes_of(strings[i]);
	*ret_vector = vector;
	*ret_count = count;
	return 0;
}

/* What cannot be ignored, and SIGSYS, which is the runtime's. */
#define NEVER_IGNORED                                                                              \
	(UINT64_C(1) << (SIGKILL - 1) | UINT64_C(1) << (SIGSTOP - 1) | UINT64_C(1) << (SIGSYS - 1))

static int check(const struct sp_launch *launch)
{
	if (!launch->policy || !launch->argv || !launch->argv[0])
		return -EINVAL;
	if ((launch->program ? launch->program : launch->argv[0])[0] != '/')
		return -EINVAL;
	if (launch->interception > SP_INTERCEPTION_AUTO)
		return -EINVAL;
	if (launch->permissive && launch->interception == SP_INTERCEPTION_COOPERATIVE)
		return -EINVAL;
	if (launch->directory && launch->directory[0] != '/')
		return -EINVAL;
	if (launch->spin_us < -1 || launch->ask_ms < -1 || launch->ignored_signals & NEVER_IGNORED)
		return -EINVAL;
	for (size_t i = 0; launch->environment && launch->environment[i]; i++) {
		const char *equals = strchr(launch->environment[i], '=');

		if (!equals || equals == launch->environment[i])
			return -EINVAL;
	}
	return 0;
}

static int store(const ProtobufCMessage *message, int *ret_memory)
{
	_cleanup_free_ uint8_t *packed = NULL;
	size_t length = protobuf_c_message_get_packed_size(message);

	if (length > SP_PLAN_MAX)
		return -E2BIG;
	packed = malloc(length);
	if (!packed)
		return -ENOMEM;
	(void)protobuf_c_message_pack(message, packed);
	return sp_sealed_make("sallyport-plan", packed, length, ret_memory);
}

static int add_vectors(const struct sp_launch *launch, Sallyport__Wire__LaunchPlan *plan)
{
	size_t size = 0;
	int r = make_vector(launch->argv, &size, &plan->argument, &plan->n_argument);

	if (r == 0)
		r = make_vector(launch->environment, &size, &plan->environment,
				&plan->n_environment);
	return r;
}

static void add_scalars(const struct sp_launch *launch, Sallyport__Wire__LaunchPlan *plan)
{
	if (launch->directory) {
		plan->has_directory = true;
		plan->directory = bytes_of(launch->directory);
	}
	if (launch->program) {
		plan->has_program = true;
		plan->program = bytes_of(launch->program);
	}
	if (launch->on_ask) {
		plan->has_ask = true;
		plan->ask = launch->ask_ms < 0    ? 0
			    : launch->ask_ms == 0 ? ASK_DEFAULT_MS
						  : (uint32_t)launch->ask_ms;
	}
	plan->has_keep_session = plan->keep_session = launch->keep_session;
	plan->has_ignored_signals = launch->ignored_signals != 0;
	plan->ignored_signals = launch->ignored_signals;
	if (launch->spin_us != 0) {
		plan->has_spin = true;
		plan->spin = launch->spin_us < 0 ? 0 : (uint32_t)launch->spin_us;
	}
}

static int choose_interception(const struct sp_launch *launch, Sallyport__Wire__LaunchPlan *plan)
{
	enum sp_interception chosen = sp_launch_interception(launch, NULL, NULL);

	if (launch->interception == SP_INTERCEPTION_PRELOAD && chosen != launch->interception)
		return -EOPNOTSUPP;
	plan->has_interception = chosen != SP_INTERCEPTION_COOPERATIVE;
	plan->interception = chosen;
	return 0;
}

/* umask(2) could only tell ours by changing it, for all threads. */
static bool read_umask(uint32_t *ret_umask)
{
	FILE *file = fopen("/proc/thread-self/status", "re");
	char line[256];
	bool found = false;

	while (file && !found && fgets(line, sizeof(line), file))
		found = sscanf(line, "Umask: %" SCNo32, ret_umask) == 1;
	if (file)
		(void)fclose(file);
	return found;
}

static int add_permissive(const struct sp_launch *launch, Sallyport__Wire__LaunchPlan *plan,
			  struct sp_program *program)
{
	int r = launch->permissive ? sp_filter_compile_permissive(launch->policy, program) : 0;

	if (r < 0 || !launch->permissive)
		return r;
	plan->has_permissive = true;
	plan->permissive = (ProtobufCBinaryData){program->length, program->bytes};
	return 0;
}

int plan_make(const struct sp_launch *launch, const uint32_t *numbers, size_t number_count,
	      int *ret_memory)
{
	Sallyport__Wire__LaunchPlan plan = SALLYPORT__WIRE__LAUNCH_PLAN__INIT;
	_cleanup_free_ uint8_t *policy = NULL;
	struct sp_program permissive = {0};
	int r = check(launch);

	if (r < 0)
		return r;
	plan.number = (uint32_t *)(uintptr_t)numbers;
	plan.n_number = number_count;
	add_scalars(launch, &plan);
	r = choose_interception(launch, &plan);
	if (r < 0)
		return r;
	r = sp_policy_compile_for(launch->policy, plan.interception != SP_INTERCEPTION_COOPERATIVE,
				  &policy, &plan.policy.len);
	if (r < 0)
		return r;
	plan.policy.data = policy;
	if (launch->permissive || launch->keep_umask)
		plan.has_umask = read_umask(&plan.umask);
	r = add_permissive(launch, &plan, &permissive);
	if (r == 0)
		r = add_vectors(launch, &plan);
	if (r == 0)
		r = store(&plan.base, ret_memory);
	free(permissive.bytes);
	free(plan.argument);
	free(plan.environment);
	return r;
}
