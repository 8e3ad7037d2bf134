/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The runtime for programs that know nothing of it: LD_PRELOAD brought it, and it locks the process
 * after the constructors of every other library and before the program's own code. Where it cannot, the
 * program stays on its floor, which holds it alone.
 */
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include <sallyport/sandboxee.h>

#include "ipc/runtime.h"
#include "sandboxee/runtime.h"

static const char own[] = "LD_PRELOAD=" SP_RUNTIME_NAME;

/* Takes the variable out of the list, and its bytes out of /proc/self/environ. */
static void remove_variable(char **variable)
{
	memset(*variable, 0, strlen(*variable));
	do
		variable[0] = variable[1];
	while (*variable++);
}

/* "LD_PRELOAD=<ours>:<the user's>" becomes "LD_PRELOAD=<the user's>". */
static void restore_variable(char *variable)
{
	char *users = variable + sizeof(own); /* behind the colon */
	char *value = strchr(variable, '=') + 1;
	char *end = users + strlen(users);

	memmove(value, users, (size_t)(end - users) + 1);
	memset(value + (end - users), 0, (size_t)(users - value));
}

/* What was done for our sake, nobody is to see. False: it was not, and somebody else loaded us. */
static bool clean_environment(char **environment)
{
	for (char **variable = environment; *variable; variable++) {
		char after;

		if (strncmp(*variable, own, sizeof(own) - 1) != 0)
			continue;
		after = (*variable)[sizeof(own) - 1];
		if (after == ':')
			restore_variable(*variable);
		else if (after == '\0')
			remove_variable(variable);
		else
			continue;
		return true;
	}
	return false;
}

__attribute__((constructor)) static void preload(int argc, char **argv, char **environment)
{
	int error = errno;

	(void)argc;
	(void)argv;
	if (clean_environment(environment) && sp_sandboxee_enter() == 0)
		sp_runtime.preloaded = true;
	errno = error;
}
