/* SPDX-License-Identifier: Apache-2.0 */
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "broker/internal.h"
#include "ipc/util.h"

#define SPAWNER_BESIDE "/sallyport/sallyport-spawner"

/* The spawner that was built or installed with this library. */
static char *spawner_beside(void)
{
	static const char here;
	_cleanup_free_ char *library = NULL;
	char *slash, *path;
	Dl_info info;

	if (!dladdr(&here, &info) || !info.dli_fname)
		return NULL;
	library = realpath(info.dli_fname, NULL);
	slash = library ? strrchr(library, '/') : NULL;
	if (!slash)
		return NULL;
	*slash = 0;
	return asprintf(&path, "%s" SPAWNER_BESIDE, library) < 0 ? NULL : path;
}

static bool is_program(const char *path)
{
	return path && path[0] == '/' && access(path, X_OK) == 0;
}

/* Never from the environment: whoever sets that must not choose what runs with our rights. */
static int find_spawner(const struct sp_broker_options *options, char **ret_path)
{
	_cleanup_free_ char *beside = NULL;
	const char *path = options ? options->spawner : NULL;

	if (path && path[0] != '/')
		return -EINVAL;
	if (!path) {
		beside = spawner_beside();
		path = is_program(beside) ? beside : SP_SPAWNER_INSTALLED;
	}
	if (!is_program(path))
		return -ENOENT;
	*ret_path = strdup(path);
	return *ret_path ? 0 : -ENOMEM;
}

int sp_broker_new(struct event_base *base, const struct sp_broker_options *options,
		  struct sp_broker **ret_broker)
{
	_cleanup_free_ struct sp_broker *broker = NULL;
	int r;

	if (!base || !ret_broker)
		return -EINVAL;
	broker = calloc(1, sizeof(*broker));
	if (!broker)
		return -ENOMEM;
	r = find_spawner(options, &broker->spawner_path);
	if (r < 0)
		return r;
	broker->base = base;
	broker->spawner.channel = -1;
	broker->spawner.pidfd = -1;
	TAILQ_INIT(&broker->spawner.queue);
	TAILQ_INIT(&broker->sandboxes);
	*ret_broker = TAKE_POINTER(broker);
	return 0;
}

struct sp_broker *sp_broker_free(struct sp_broker *broker)
{
	struct sp_sandbox *sandbox;

	if (!broker)
		return NULL;
	while ((sandbox = TAILQ_FIRST(&broker->sandboxes)))
		sp_sandbox_free(sandbox);
	spawner_stop(broker);
	free(broker->spawner_path);
	free(broker);
	return NULL;
}
