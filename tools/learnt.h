/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A policy in the making: what runs have needed beyond a base policy, as general rules. The same needs make the same
 * text, whatever the order in which they were met.
 */
#ifndef SALLYPORT_TOOLS_LEARNT_H
#define SALLYPORT_TOOLS_LEARNT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* In the order in which they are written. */
enum learnt_right {
	LEARNT_READ = 1 << 0,
	LEARNT_WRITE = 1 << 1,
	LEARNT_CREATE = 1 << 2,
	LEARNT_DELETE = 1 << 3,
	LEARNT_LINKED = 1 << 4,
	LEARNT_EXECUTE = 1 << 5,
	LEARNT_CONNECT = 1 << 6, /* these two of sockets alone */
	LEARNT_BIND = 1 << 7,
};

#define LEARNT_RIGHT_COUNT 8
extern const char *const learnt_rights[LEARNT_RIGHT_COUNT]; /* as the language calls them */

/* What was needed on a name, or, once general, on a pattern. */
struct need {
	char *pattern;   /* owned */
	uint32_t rights; /* none: it was only looked up */
	bool kept;       /* stands in the file already, and stays as it is */
	bool created, deleted, moved;
	bool socket; /* of a unix socket, apart from what is needed on the file */
};

/* Ports of one TCP host, as the language writes it. */
struct learnt_ports {
	char *host; /* owned */
	unsigned first, last;
};

struct learnt {
	char *name, *base; /* of the policy, and what it includes; owned */
	struct need *needs;
	size_t need_count;
	struct learnt_ports *ports;
	size_t ports_count;
	char **calls; /* as a rule has them: "ioctl(request == TCGETS)"; owned */
	size_t call_count;
};

/* Where a run took place: what in its names may be other ones the next time. Borrowed. */
struct surroundings {
	const char *directory, *home, *temporary; /* absolute; NULL: none */
	const char *search;                       /* PATH */
	char *const *words;                       /* of the command line; NULL-terminated */
};

void learnt_clear(struct learnt *learnt);

/* All of these end the program where there is no memory: nothing could be written any more. */
struct need *learnt_need(struct learnt *learnt, const char *name);
struct need *learnt_socket(struct learnt *learnt, const char *name);
bool learnt_address(struct learnt *learnt, const char *text); /* false: it is none */
void learnt_call(struct learnt *learnt, const char *text);

/* Whether the sockets and addresses that are named give the call, or decide on it whatever a rule says of it. */
bool learnt_gives(const struct learnt *learnt, const char *call);

/* The right of that name; 0: none. */
uint32_t learnt_right(const char *word, size_t length);

/* Reads what learnt_write() wrote. 0, or the number of the first line that it never writes. */
unsigned learnt_read(struct learnt *learnt, FILE *file);

/* From names to patterns, as few as say the same. */
void learnt_generalise(struct learnt *learnt, const struct surroundings *surroundings);

int learnt_write(const struct learnt *learnt, FILE *file); /* 0 or EOF */

/* ---- between the files learnt*.c ---- */

/* These two, as all that adds something, end the program where there is no memory. */
void *learnt_grown(void *array, size_t count, size_t size);
char *learnt_copied(const char *text);

struct need *learnt_need_of(struct learnt *learnt, const char *name, bool socket);

/* Whether some socket needs one of these rights. */
bool learnt_has_sockets(const struct learnt *learnt, uint32_t which);

#endif
