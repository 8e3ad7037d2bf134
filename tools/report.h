/* SPDX-License-Identifier: Apache-2.0 */
/* What a run has to tell: JSON lines into a file, sentences onto stderr. */
#ifndef SALLYPORT_TOOLS_REPORT_H
#define SALLYPORT_TOOLS_REPORT_H

#include <stdbool.h>

#include <sallyport/broker.h>

struct report {
	int file; /* -1: none. Borrowed where it is stdout, else owned */
	bool verbose;
	bool broken;       /* the file could not be written to, and this was told */
	void *told;        /* tsearch(3): sentences of a permissive run, each told once; owned */
	uint64_t repeated; /* how many were not told again */
};

#define REPORT_NONE ((struct report){.file = -1})

/* `name`: a file, made or emptied; "-": stdout. Returns 0, or -errno after a complaint. */
int report_open(struct report *report, const char *name);
void report_close(struct report *report);

/* `interception`: its name; `reason`: why it is this one. */
void report_start(struct report *report, const char *program, const char *policy,
		  const char *interception, const char *reason);
void report_refusal(struct report *report, const char *program, const struct sp_report *refusal);

/* `status` is what the command exits with. Ends that a shell would not explain are told in any case. */
void report_exit(struct report *report, const char *program, const struct sp_exit *exit,
		 int status);

#endif
