/* SPDX-License-Identifier: Apache-2.0 */
/* sallyport policy compile [-D NAME=VALUE]... [--profile FILE] -o OUTPUT FILE */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sallyport/policy.h>

#include "command.h"
#include "grants.h"

/* Under a name of its own first: whoever reads the output finds the old one or the new one. */
static int write_file(const char *path, const uint8_t *bytes, size_t length)
{
	char *temporary;
	int file, r;

	if (asprintf(&temporary, "%s.XXXXXX", path) < 0)
		return -ENOMEM;
	file = mkostemp(temporary, O_CLOEXEC);
	r = file < 0 ? -errno : write_all(file, bytes, length);
	if (r == 0 && fchmod(file, 0644) < 0)
		r = -errno;
	if (file >= 0 && close(file) < 0 && r == 0)
		r = -errno;
	if (r == 0 && rename(temporary, path) < 0)
		r = -errno;
	if (r < 0 && file >= 0)
		(void)unlink(temporary);
	free(temporary);
	return r;
}

static int save(const struct sp_policy *policy, const char *output)
{
	uint8_t *bytes = NULL;
	size_t length;
	int r = sp_policy_save(policy, &bytes, &length);

	if (r == 0)
		r = strcmp(output, "-") == 0 ? write_all(STDOUT_FILENO, bytes, length)
					     : write_file(output, bytes, length);
	free(bytes);
	if (r == 0)
		return 0;
	complain("%s: %s", output, strerrordesc_np(-r));
	return EXIT_FAILED;
}

int policy_compile(int count, char **words)
{
	struct sp_parameter parameters[PARAMETERS_MAX];
	struct sp_policy_options options = {.parameters = parameters};
	struct sp_policy *policy = NULL;
	int taken = 1 + take_parameters(count - 1, words + 1, parameters, &options.parameter_count);
	const char *profile = NULL;
	int status;

	words += taken;
	count -= taken;
	if (count > 2 && strcmp(words[0], "--profile") == 0) {
		profile = words[1];
		words += 2;
		count -= 2;
	}
	if (count != 3 || strcmp(words[0], "-o") != 0) {
		print_usage(stderr, "compile");
		return EXIT_FAILED;
	}
	status = read_policy(words[2], &options, &policy);
	if (status == 0 && profile && add_profile(policy, profile) < 0)
		status = EXIT_FAILED;
	if (status == 0)
		status = save(policy, words[1]);
	sp_policy_unref(policy);
	return status;
}
