/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/execution.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "broker/image.h"
#include "ipc/util.h"

static const char no_right[] = "no right to execute";

/* ---- before ---- */

static int check_object(struct sp_request *request, const struct sp_walk *walk, bool loader)
{
	if (!S_ISREG(walk->status.stx_mode))
		return -EACCES;
	/* The system's own loader runs nothing that is not named to it. */
	if (loader && strcmp(walk->name, request->view->loader) == 0)
		return 0;
	return sp_require(request, walk, SP_RIGHT_EXECUTE);
}

/* What may be run need not be readable. */
static int read_image(struct sp_request *request, const struct sp_walk *walk,
		      struct sp_image *ret_image)
{
	_cleanup_close_ int file = sp_view_reopen(request->view, walk->object, O_RDONLY);

	if (file >= 0)
		return sp_image_read(file, ret_image);
	*ret_image = (struct sp_image){.kind = SP_IMAGE_OTHER};
	return file == -EACCES ? 0 : file;
}

/* A script's interpreter may be a script; a program's loader has no loader. */
static int allow_chain(struct sp_request *request, int dirfd, const char *path, unsigned flags)
{
	struct sp_image image = {.kind = SP_IMAGE_SCRIPT};
	bool loader = false;

	for (int depth = 0; depth <= SP_IMAGE_DEPTH && image.kind == SP_IMAGE_SCRIPT; depth++) {
		_cleanup_(sp_walk_close) struct sp_walk walk __attribute__((uninitialized));
		int r;

		sp_walk_init(&walk);
		r = sp_walk(request, dirfd, path, flags, 0, &walk);
		if (r == 0)
			r = check_object(request, &walk, loader);
		if (r == 0)
			r = read_image(request, &walk, &image);
		if (r < 0)
			return r;
		loader = image.kind == SP_IMAGE_NATIVE;
		path = image.interpreter;
		dirfd = AT_FDCWD;
		flags = 0;
		if (loader && path[0]) {
			_cleanup_(sp_walk_close) struct sp_walk last __attribute__((uninitialized));

			sp_walk_init(&last);
			r = sp_walk(request, dirfd, path, 0, 0, &last);
			return r < 0 ? r : check_object(request, &last, true);
		}
	}
	return image.kind == SP_IMAGE_SCRIPT ? -ELOOP : 0;
}

/* execveat of a descriptor: its name is what the policy speaks of. */
static int allow_descriptor(struct sp_request *request)
{
	_cleanup_close_ int object = sp_caller_open(request, request->call->dirfd);
	char name[PATH_MAX];
	int r;

	if (object < 0)
		return object;
	r = sp_view_name(request->view, object, name);
	/* memfds and the like have none: nobody could say afterwards what they were. */
	if (r == -EACCES)
		return sp_refuse(request, "", NULL, EACCES, no_right);
	return r < 0 ? r : allow_chain(request, AT_FDCWD, name, 0);
}

int sp_execution_allow(struct sp_request *request)
{
	const struct sp_call *call = request->call;
	const uint64_t known = AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW;

	if (call->flags & ~known)
		return -EINVAL;
	if (!call->path[0] && (call->flags & AT_EMPTY_PATH))
		return allow_descriptor(request);
	return allow_chain(request, call->dirfd, call->path,
			   call->flags & AT_SYMLINK_NOFOLLOW ? SP_WALK_NOFOLLOW : 0);
}

/* ---- after ---- */

static int open_entry(const struct sp_view *view, pid_t pid, const char *entry)
{
	char path[64];
	int fd;

	(void)snprintf(path, sizeof(path), "%d/%s", pid, entry);
	fd = openat(view->outer_proc, path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static bool may_execute(const struct sp_request *request, const char *name)
{
	struct sp_refusal *refusal = request->refusal;
	struct sp_path_decision decision;

	(void)snprintf(refusal->name, sizeof(refusal->name), "%s", name);
	refusal->detail = no_right;
	sp_decide(request, name, strlen(name), &decision);
	refusal->error = decision.error;
	refusal->rule = decision.rule;
	return decision.rights & SP_RIGHT_EXECUTE;
}

/* A name says something only of an object that still bears it, in this view. */
static bool check_program(const struct sp_request *request, pid_t pid,
			  char ret_name[static PATH_MAX])
{
	_cleanup_close_ int program = -1;
	char path[64];

	(void)snprintf(path, sizeof(path), "%d/exe", pid);
	program = openat(request->view->outer_proc, path, O_PATH | O_CLOEXEC);
	return program >= 0 && sp_view_name(request->view, program, ret_name) == 0 &&
	       may_execute(request, ret_name);
}

/* "start-end perms offset dev inode      name\n": the name, in place; NULL: no file. The kernel
 * writes a newline in it as \012, and nothing else so. */
static const char *name_of_mapping(char *line)
{
	char *name = strchr(line, '/'), *to = name;

	if (!name)
		return NULL;
	for (const char *from = name; *from && *from != '\n'; to++) {
		bool newline = strncmp(from, "\\012", 4) == 0;

		*to = newline ? '\n' : *from;
		from += newline ? 4 : 1;
	}
	*to = '\0';
	return name;
}

/* Behind an execve a process has mapped its program and the loader, which need not be where the
 * kernel says that it is. */
static bool check_mappings(const struct sp_request *request, FILE *maps, const char *program)
{
	_cleanup_free_ char *line = NULL;
	size_t room = 0;

	while (getline(&line, &room, maps) > 0) {
		const char *name = name_of_mapping(line);

		if (!name || strcmp(name, program) == 0 || strcmp(name, request->view->loader) == 0)
			continue;
		if (strlen(name) >= PATH_MAX || !may_execute(request, name))
			return false;
	}
	return ferror(maps) == 0;
}

static bool check_mapped(const struct sp_request *request, pid_t pid, const char *program)
{
	int fd = open_entry(request->view, pid, "maps");
	FILE *maps = fd < 0 ? NULL : fdopen(fd, "re");
	bool good;

	if (!maps) {
		if (fd >= 0)
			(void)close(fd);
		return false;
	}
	good = check_mappings(request, maps, program);
	(void)fclose(maps);
	return good;
}

bool sp_execution_check(const struct sp_request *request, pid_t outer_pid)
{
	char program[PATH_MAX];

	*request->refusal = (struct sp_refusal){.error = EACCES, .detail = no_right};
	return check_program(request, outer_pid, program) &&
	       check_mapped(request, outer_pid, program);
}
