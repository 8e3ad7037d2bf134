/* SPDX-License-Identifier: Apache-2.0 */
/* Words and marks of the formats that have an expression language. */
#ifndef SALLYPORT_TOOLS_IMPORT_SCAN_H
#define SALLYPORT_TOOLS_IMPORT_SCAN_H

#include <stdbool.h>

#include "emit.h"

enum token_kind { TOKEN_END, TOKEN_WORD, TOKEN_MARK };

struct token {
	enum token_kind kind;
	const char *text; /* of a mark: "==", "(", … */
	unsigned line;
};

struct scan {
	struct import *import;
	const char *at;
	unsigned line;
	const char *comment; /* what starts one, up to the end of the line: "#" or "//" */
	struct token token;  /* the one in hand */
	bool failed;         /* a mistake was reported: nothing more is read */
};

void scan_start(struct scan *scan, struct import *import, const char *text, unsigned line,
		const char *comment);
void scan_next(struct scan *scan);

bool scan_is(const struct scan *scan, const char *text);
/* Takes the token if it is that. */
bool scan_take(struct scan *scan, const char *text);
/* The same, and a mistake where it is not. */
bool scan_expect(struct scan *scan, const char *text);

/* file:line: error: expected WHAT, not "token". Returns false. */
bool scan_fail(struct scan *scan, const char *expected);

#endif
