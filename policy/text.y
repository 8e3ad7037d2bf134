/* SPDX-License-Identifier: Apache-2.0 */
/* The shape of a policy. The lexer puts a SEPARATOR before each '}' and at the end of the text. */
%code requires {
#include "policy/syntax.h"
}
%define api.pure full
%define api.prefix {sp_parse_}
%define api.location.type {struct sp_place}
%define parse.error custom
%locations
%param { struct sp_syntax *syntax }
%parse-param { void *scanner }
%lex-param { void *scanner }
%code provides {
int sp_scan_token(SP_PARSE_STYPE *value, struct sp_place *place, void *scanner);
#define YYSTYPE SP_PARSE_STYPE
#define YYLTYPE SP_PARSE_LTYPE
#define YYerror SP_PARSE_error
}
%union {
	struct sp_word *word;
	struct sp_clause *clause;
	struct sp_term *term;
	struct sp_phrase *phrase;
	struct sp_statement *statement;
	enum sp_relation relation;
	struct { struct sp_statement *first, *last; } statements;
	struct { struct sp_phrase *first, *last; } phrases;
	struct { struct sp_term *first, *last; } terms;
	struct { struct sp_clause *first, *last; } clauses;
	struct { struct sp_word *first, *last; } words;
}
%token <word> WORD "word"
%token <relation> RELATION "comparison"
%token SEPARATOR "end of the line"
%token END 0 "end of the policy"
%type <statements> lines line block_lines block_line
%type <statement> statement
%type <phrases> phrases
%type <terms> terms
%type <term> term
%type <clauses> clauses
%type <clause> clause
%type <words> value
%code {
#include <stdio.h>

static int sp_parse_lex(YYSTYPE *value, YYLTYPE *place, struct sp_syntax *syntax, void *scanner);
static void sp_parse_error(const YYLTYPE *place, struct sp_syntax *syntax, void *scanner, const char *message);

#define YYLLOC_DEFAULT(current, right, count)                                                      \
	((current) = (count) ? YYRHSLOC(right, 1) : YYRHSLOC(right, 0))

/* A node of the tree; without memory the parse ends. */
#define MAKE(type, ...)                                                                            \
	({                                                                                         \
		type *made_ = sp_syntax_allocate(syntax, sizeof(type));                            \
		if (!made_)                                                                        \
			YYABORT;                                                                   \
		*made_ = (type){__VA_ARGS__};                                                      \
		made_;                                                                             \
	})

/* list += element, for the pairs of first and last above. */
#define APPEND(list, element)                                                                      \
	do {                                                                                       \
		if ((list).last)                                                                   \
			(list).last->next = (element);                                             \
		else                                                                               \
			(list).first = (element);                                                  \
		(list).last = (element);                                                           \
	} while (0)
#define START(list, element) ((list).first = (list).last = (element))
#define EMPTY(list) ((list).first = (list).last = NULL)
}

%%

policy: lines                           { syntax->statements = $1.first; }
      ;

lines: %empty                           { EMPTY($$); }
     | lines line                       { $$ = $1; if ($2.first) APPEND($$, $2.first); }
     ;

line: SEPARATOR                         { EMPTY($$); }
    | statement SEPARATOR               { START($$, $1); }
    | phrases '{' { syntax->opened = @2; } block_lines '}' SEPARATOR {
		struct sp_statement *section = MAKE(struct sp_statement, .place = @1, .phrases = $1.first,
						    .section = true, .body = $4.first);
		syntax->opened = (struct sp_place){0};
		START($$, section);
	}
    | error SEPARATOR                   { EMPTY($$); yyerrok; }
    ;

block_lines: %empty                     { EMPTY($$); }
           | block_lines block_line     { $$ = $1; if ($2.first) APPEND($$, $2.first); }
           ;

block_line: SEPARATOR                   { EMPTY($$); }
          | statement SEPARATOR         { START($$, $1); }
          | error SEPARATOR             { EMPTY($$); yyerrok; }
          ;

statement: phrases                      { $$ = MAKE(struct sp_statement, .place = @1, .phrases = $1.first); }
         ;

phrases: terms                          { START($$, MAKE(struct sp_phrase, .terms = $1.first)); }
       | phrases terms                  {
		struct sp_phrase *phrase = MAKE(struct sp_phrase, .terms = $2.first);
		$$ = $1;
		APPEND($$, phrase);
	}
       ;

terms: term                             { START($$, $1); }
     | terms ',' term                   { $$ = $1; APPEND($$, $3); }
     ;

term: WORD                              { $$ = MAKE(struct sp_term, .word = $1); }
    | WORD '(' clauses ')'              { $$ = MAKE(struct sp_term, .word = $1, .clauses = $3.first); }
    ;

clauses: clause                         { START($$, $1); }
       | clauses ',' clause             { $$ = $1; APPEND($$, $3); }
       ;

clause: WORD RELATION value             {
		$$ = MAKE(struct sp_clause, .argument = $1, .relation = $2, .value = $3.first);
	}
      | WORD '&' value RELATION value   {
		$$ = MAKE(struct sp_clause, .argument = $1, .mask = $3.first, .relation = $4,
			  .value = $5.first);
	}
      ;

value: WORD                             { START($$, $1); }
     | value '|' WORD                   { $$ = $1; APPEND($$, $3); }
     ;

%%

/* Newlines after a comma and within parentheses join lines; braces and the end of the text close
 * the statement before them. */
static int sp_parse_lex(YYSTYPE *value, YYLTYPE *place, struct sp_syntax *syntax, void *scanner)
{
	int token = syntax->pending;

	syntax->pending = -1;
	if (token >= 0) {
		*place = (struct sp_place){syntax->line, syntax->column, 1};
		if (token == '}')
			place->column--;
		syntax->last = token;
		return token;
	}
	do {
		token = sp_scan_token(value, place, scanner);
	} while (token == SEPARATOR && place->length == 1 &&
		 syntax->column == 1 && (syntax->last == ',' || syntax->in_parentheses));
	if (token == '(')
		syntax->in_parentheses = true;
	if (token == ')' || token == '{' || token == '}')
		syntax->in_parentheses = false;
	if ((token == '}' || token == END) && syntax->last != SEPARATOR) {
		syntax->pending = token;
		token = SEPARATOR;
	}
	syntax->last = token;
	return token;
}

static void report_open(struct sp_syntax *syntax)
{
	sp_report_error(syntax->reporter, syntax->source, syntax->opened, NULL,
			"the section that begins here lacks its '}'");
}

static int yyreport_syntax_error(const yypcontext_t *context, struct sp_syntax *syntax, void *scanner)
{
	enum { EXPECTED_MAX = 4 };
	yysymbol_kind_t expected[EXPECTED_MAX], token = yypcontext_token(context);
	int count = yypcontext_expected_tokens(context, expected, EXPECTED_MAX);
	char message[256];
	size_t used;

	(void)scanner;
	if (token == YYSYMBOL_YYEOF && syntax->opened.line > 0) {
		report_open(syntax);
		return 0;
	}
	used = (size_t)snprintf(message, sizeof(message), "unexpected %s", yysymbol_name(token));
	for (int i = 0; i < count && used < sizeof(message); i++)
		used += (size_t)snprintf(message + used, sizeof(message) - used, "%s%s",
					 i == 0 ? ", expected " : " or ", yysymbol_name(expected[i]));
	sp_report_error(syntax->reporter, syntax->source, *yypcontext_location(context), NULL, "%s", message);
	return 0;
}

/* Bison calls this for what is no syntax error: exhausted memory, or a nesting beyond its stack. */
static void sp_parse_error(const YYLTYPE *place, struct sp_syntax *syntax, void *scanner, const char *message)
{
	(void)scanner;
	sp_report_error(syntax->reporter, syntax->source, *place, NULL, "%s", message);
}
