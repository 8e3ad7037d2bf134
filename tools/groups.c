/* SPDX-License-Identifier: Apache-2.0 */
/* sallyport policy groups [NAME...] */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sallyport/policy.h>

#include "command.h"

static int print_members(const char *name)
{
	const char *nearest;
	char *members;
	int r = sp_policy_group_members(name, &members);

	if (r == 0) {
		(void)fputs(members, stdout);
		free(members);
		return 0;
	}
	if (r != -ENOENT) {
		(void)fprintf(stderr, "sallyport: %s: %s\n", name, strerror(-r));
		return EXIT_FAILED;
	}
	nearest = sp_policy_group_nearest(name);
	(void)fprintf(stderr, "sallyport: unknown group \"%s\"", name);
	if (nearest)
		(void)fprintf(stderr, "; did you mean \"%s\"?", nearest);
	(void)fputs("\n", stderr);
	return EXIT_FAILED;
}

int policy_groups(int count, char **words)
{
	const char *name;
	int worst = 0;

	for (size_t i = 0; count == 1 && (name = sp_policy_group_name(i)); i++)
		puts(name);
	for (int i = 1; i < count; i++) {
		int status = print_members(words[i]);

		worst = status > worst ? status : worst;
	}
	return worst;
}
