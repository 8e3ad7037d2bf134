/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/syntax.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "ipc/util.h"
#include "policy/text.tab.h"
/* The generated header must come after the token values. */
#include "policy/text.lex.h"

struct block {
	struct block *next;
	max_align_t bytes[];
};

void *sp_syntax_allocate(struct sp_syntax *syntax, size_t size)
{
	struct block *block = calloc(1, sizeof(*block) + size);

	if (!block) {
		syntax->error = -ENOMEM;
		return NULL;
	}
	block->next = syntax->blocks;
	syntax->blocks = block;
	return block->bytes;
}

void sp_syntax_clear(struct sp_syntax *syntax)
{
	struct block *block = syntax->blocks, *next;

	for (; block; block = next) {
		next = block->next;
		free(block);
	}
	*syntax = (struct sp_syntax){0};
}

void sp_syntax_mistake(struct sp_syntax *syntax, struct sp_place place, const char *message)
{
	if (!syntax->recovering && syntax->error == 0)
		sp_report_error(syntax->reporter, syntax->source, place, NULL, "%s", message);
	syntax->recovering = true;
}

bool sp_syntax_count(struct sp_syntax *syntax, struct sp_place place)
{
	char message[64];

	if (++syntax->tests <= SP_TESTS_MAX)
		return true;
	(void)snprintf(message, sizeof(message),
		       syntax->kind == SP_LINE_GROUP ? "a group has at most %d members"
						     : "a condition has at most %d tests",
		       SP_TESTS_MAX);
	sp_syntax_mistake(syntax, place, message);
	return false;
}

void sp_syntax_give_up(struct sp_syntax *syntax)
{
	syntax->error = -ENOMEM;
	longjmp(syntax->out_of_memory, 1);
}

int sp_syntax_read(const struct sp_source *source, struct sp_reporter *reporter,
		   struct sp_syntax *ret)
{
	yyscan_t scanner;

	*ret = (struct sp_syntax){.source = source,
				  .reporter = reporter,
				  .line = 1,
				  .column = 1,
				  .last = SEPARATOR,
				  .pending = -1};
	if (setjmp(ret->out_of_memory) != 0)
		return ret->error;
	if (sp_scan_lex_init_extra(ret, &scanner) != 0)
		return -ENOMEM;
	/* The parser's 1 means mistakes, which are reported; 2 means no memory. */
	if (!sp_scan__scan_bytes(source->text, (int)source->length, scanner) ||
	    sp_parse_parse(ret, scanner) == 2)
		ret->error = -ENOMEM;
	sp_scan_lex_destroy(scanner);
	return ret->error;
}
