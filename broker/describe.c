/* SPDX-License-Identifier: Apache-2.0 */
/* Exits and reports as sentences. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <sallyport/broker.h>

static const char *signal_name(int number)
{
	const char *name = sigabbrev_np(number);

	return name ? name : "?";
}

static const char *error_name(int error)
{
	const char *name = strerrorname_np(error);

	return name ? name : "an unknown error";
}

static int describe_failure(const struct sp_exit *exit, char *buffer, size_t size)
{
	return snprintf(
	    buffer, size, "could not be started: %s: %s%s%s", exit->layer ? exit->layer : "launch",
	    strerrordesc_np(exit->status) ? strerrordesc_np(exit->status) : "unknown error",
	    exit->cure ? "; " : "", exit->cure ? exit->cure : "");
}

int sp_exit_describe(const struct sp_exit *exit, char *buffer, size_t size)
{
	switch (exit->cause) {
	case SP_EXIT_EXITED:
		return snprintf(buffer, size, "exited with status %d", exit->status);
	case SP_EXIT_SIGNALED:
		return snprintf(buffer, size, "died of signal %d (SIG%s)", exit->status,
				signal_name(exit->status));
	case SP_EXIT_POLICY:
		return snprintf(buffer, size, "was killed by its policy (SIG%s)",
				signal_name(exit->status));
	case SP_EXIT_VIOLATION:
		return snprintf(buffer, size, "was killed for breaking the protocol");
	case SP_EXIT_WALL:
		return snprintf(buffer, size, "was killed: over its wall-clock limit");
	case SP_EXIT_KILLED:
		return snprintf(buffer, size, "was killed on request");
	case SP_EXIT_FAILED:
		return describe_failure(exit, buffer, size);
	case SP_EXIT_LOST:
		return snprintf(buffer, size, "was lost: its porter or init died");
	}
	return snprintf(buffer, size, "ended for an unknown reason (%d)", (int)exit->cause);
}

static const char *consequence(const struct sp_report *report)
{
	if (report->fatal)
		return report->permitted ? "permitted, would have been fatal" : "was fatal";
	return report->permitted ? "permitted, would be refused with" : "refused with";
}

static int describe_wall(const struct sp_report *report, char *buffer, size_t size)
{
	const char *path = report->path;

	return snprintf(buffer, size, "%s%s%s%s permitted: %s%s%s",
			report->call ? report->call : "it was", path ? " of \"" : "",
			path ? path : "", path ? "\"" : "", report->detail ? report->detail : "?",
			report->rule ? ", by " : "", report->rule ? report->rule : "");
}

static int describe_refusal(const struct sp_report *report, char *buffer, size_t size)
{
	const char *path = report->path, *path2 = report->path2;

	return snprintf(buffer, size, "%s%s%s%s%s%s%s %s %s%s%s by %s",
			report->call ? report->call : "a system call", path ? " of \"" : "",
			path ? path : "", path ? "\"" : "", path2 ? " to \"" : "",
			path2 ? path2 : "", path2 ? "\"" : "", consequence(report),
			report->fatal ? "" : error_name(report->error), report->detail ? ": " : "",
			report->detail ? report->detail : "",
			report->rule ? report->rule : "default: no rule speaks of it");
}

int sp_report_describe(const struct sp_report *report, char *buffer, size_t size)
{
	if (report->kind == SP_REPORT_VIOLATION)
		return snprintf(buffer, size, "protocol violation: %s",
				report->detail ? report->detail : "unknown");
	return report->kind == SP_REPORT_WALL ? describe_wall(report, buffer, size)
					      : describe_refusal(report, buffer, size);
}
