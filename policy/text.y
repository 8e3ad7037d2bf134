/* SPDX-License-Identifier: Apache-2.0 */
/* The shape of a policy. The lexer puts a SEPARATOR before each '}' and at the end of the text. */
%code requires {
#include "policy/syntax.h"
}
%define api.pure full
%define api.prefix {sp_parse_}
%define api.location.type {struct sp_place}
%define parse.error custom
%define parse.lac full
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
	struct sp_expression *expression;
	struct sp_member *member;
	struct sp_algebra *algebra;
	struct sp_declared *declared;
	struct sp_term *term;
	struct sp_phrase *phrase;
	struct sp_statement *statement;
	enum sp_relation relation;
	struct { struct sp_statement *first, *last; } statements;
	struct { struct sp_phrase *first, *last; } phrases;
	struct { struct sp_term *first, *last; } terms;
	struct { struct sp_member *first, *last; } members;
	struct { struct sp_declared *first, *last; } parameters;
	struct { struct sp_word *first, *last; } words;
}
%token <word> WORD "word"
%token <relation> RELATION "comparison"
%token SEPARATOR "end of the line"
%token AND "'and'"
%token OR "'or'"
%token NOT "'not'"
%token IN "'in'"
%token RANGE "'..'"
%token SET_OPEN "'{' of a set"
%token SET_CLOSE "'}' of the set"
%token PARAMETERS_OPEN "'(' of parameters"
%token '(' ')' '{' '}' ',' '|' '&' '=' '+' '-'
%token END 0 "end of the policy"
%type <statements> lines line block_lines block_line
%type <statement> statement
%type <phrases> phrases
%type <terms> terms
%type <term> term
%type <expression> condition expression clause
%type <members> members set
%type <member> member range
%type <words> value names
%type <declared> parameter
%type <parameters> parameters
%type <algebra> algebra
%left OR
%left AND
%right NOT
%left '+' '-'
%left '&'
%code {
#include <stdio.h>
#include <string.h>

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

#define JOIN(how, a, b)                                                                            \
	MAKE(struct sp_expression, .kind = SP_CONDITION_##how, .left = (a), .right = (b))
#define COMBINE(how, a, b)                                                                         \
	MAKE(struct sp_algebra, .kind = SP_ALGEBRA_##how, .left = (a), .right = (b))
#define CLAUSE(...)                                                                                \
	MAKE(struct sp_expression, .kind = SP_CONDITION_TEST, .clause = {__VA_ARGS__})

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
         | phrases '=' algebra          {
		$$ = MAKE(struct sp_statement, .place = @1, .phrases = $1.first, .algebra = $3);
	}
         ;

algebra: WORD                           {
		$$ = MAKE(struct sp_algebra, .names = $1);
		if (!sp_syntax_count(syntax, @1))
			YYERROR;
	}
       | SET_OPEN names SET_CLOSE       { $$ = MAKE(struct sp_algebra, .names = $2.first); }
       | algebra '+' algebra            { $$ = COMBINE(PLUS, $1, $3); }
       | algebra '-' algebra            { $$ = COMBINE(MINUS, $1, $3); }
       | algebra '&' algebra            { $$ = COMBINE(AND, $1, $3); }
       | '(' algebra ')'                { $$ = $2; }
       ;

names: WORD                             { START($$, $1); }
     | names ',' WORD                   {
		$$ = $1;
		APPEND($$, $3);
		if (!sp_syntax_count(syntax, @3))
			YYERROR;
	}
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
    | WORD '(' condition ')'            { $$ = MAKE(struct sp_term, .word = $1, .condition = $3); }
    | WORD PARAMETERS_OPEN parameters ')' { $$ = MAKE(struct sp_term, .word = $1, .parameters = $3.first); }
    ;

parameters: parameter                   { START($$, $1); }
          | parameters ',' parameter    { $$ = $1; APPEND($$, $3); }
          ;

parameter: WORD                         { $$ = MAKE(struct sp_declared, .name = $1); }
         | WORD '=' WORD                { $$ = MAKE(struct sp_declared, .name = $1, .value = $3); }
         ;

condition: expression                   { $$ = $1; }
         | condition ',' expression     { $$ = JOIN(AND, $1, $3); }
         ;

expression: clause                      { $$ = $1; if (!sp_syntax_count(syntax, @1)) YYERROR; }
          | NOT expression              { $$ = JOIN(NOT, $2, NULL); }
          | expression AND expression   { $$ = JOIN(AND, $1, $3); }
          | expression OR expression    { $$ = JOIN(OR, $1, $3); }
          | '(' condition ')'           { $$ = $2; }
          ;

clause: WORD RELATION value             { $$ = CLAUSE(.argument = $1, .relation = $2, .value = $3.first); }
      | WORD '&' value RELATION value   {
		$$ = CLAUSE(.argument = $1, .mask = $3.first, .relation = $4, .value = $5.first);
	}
      | WORD IN set                     { $$ = CLAUSE(.argument = $1, .members = $3.first); }
      | WORD NOT IN set                 { $$ = CLAUSE(.argument = $1, .members = $4.first, .outside = true); }
      ;

set: range                              { START($$, $1); }
   | SET_OPEN members SET_CLOSE         { $$ = $2; }
   ;

members: member                         { START($$, $1); }
       | members ',' member             { $$ = $1; APPEND($$, $3); }
       ;

member: value                           {
		$$ = MAKE(struct sp_member, .value = $1.first);
		if (!sp_syntax_count(syntax, @1))
			YYERROR;
	}
      | range                           { $$ = $1; }
      ;

range: value RANGE value                {
		$$ = MAKE(struct sp_member, .value = $1.first, .last = $3.first);
		if (!sp_syntax_count(syntax, @1))
			YYERROR;
	}
     ;

value: WORD                             { START($$, $1); }
     | value '|' WORD                   { $$ = $1; APPEND($$, $3); }
     ;

%%

static bool is_operator(int token)
{
	return token == '+' || token == '-' || token == '&';
}

/* Newlines after a comma or an operator, and within parentheses or the braces of a set, join lines;
 * where a mistake was made they end the statement all the same. */
static bool joins_lines(const struct sp_syntax *syntax)
{
	return !syntax->recovering &&
	       (syntax->last == ',' || syntax->nesting > 0 || syntax->in_set ||
		(syntax->kind == SP_LINE_GROUP && is_operator(syntax->last)));
}

static int scan(YYSTYPE *value, struct sp_place *place, struct sp_syntax *syntax, void *scanner)
{
	int token;

	do {
		token = sp_scan_token(value, place, scanner);
	} while (token == SEPARATOR && place->length == 1 && syntax->column == 1 &&
		 joins_lines(syntax));
	return token;
}

static int nests_too_deep(struct sp_syntax *syntax, struct sp_place place)
{
	char message[80];

	(void)snprintf(message, sizeof(message), "parentheses and \"not\" nest at most %d deep",
		       SP_NESTING_MAX);
	sp_syntax_mistake(syntax, place, message);
	return YYerror;
}

/* Braces: those in parentheses and groups make a set, others a section. */
static int brace(struct sp_syntax *syntax, int token)
{
	if (token == '{' && (syntax->nesting > 0 || syntax->kind == SP_LINE_GROUP)) {
		syntax->in_set = true;
		return SET_OPEN;
	}
	if (token == '}' && syntax->in_set) {
		syntax->in_set = false;
		return SET_CLOSE;
	}
	if (token == '{')
		syntax->sections++;
	else if (syntax->sections > 0)
		syntax->sections--;
	return token;
}

/* Parentheses: nothing may be nested without bound. */
static int parenthesis(struct sp_syntax *syntax, int token, struct sp_place place)
{
	if (token == '(' && !syntax->recovering) {
		if (syntax->nesting == SP_NESTING_MAX)
			return nests_too_deep(syntax, place);
		if (syntax->nesting++ == 0 && syntax->kind == SP_LINE_PLAIN)
			syntax->tests = 0;
	}
	syntax->nots = token == NOT ? syntax->nots + 1 : 0;
	if (syntax->nots > SP_NESTING_MAX)
		return nests_too_deep(syntax, place);
	if (token == ')' && syntax->nesting > 0)
		syntax->nesting--;
	if (token == '(' && syntax->kind == SP_LINE_PARAMETERS && syntax->nesting == 1)
		return PARAMETERS_OPEN;
	return token;
}

/* The first word of a statement at the top may change how the rest of its line is read. */
static void begin_line(struct sp_syntax *syntax, const struct sp_word *word)
{
	static const struct {
		const char *word;
		enum sp_line_kind kind;
	} kinds[] = {{"group", SP_LINE_GROUP},
		     {"policy", SP_LINE_PARAMETERS},
		     {"include", SP_LINE_PARAMETERS},
		     {"within", SP_LINE_PARAMETERS},
		     {"phase", SP_LINE_PARAMETERS},
		     {"editable", SP_LINE_PARAMETERS}};

	if (syntax->last != SEPARATOR || syntax->sections > 0 || word->quoted)
		return;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(word->text, kinds[i].word) == 0)
			syntax->kind = kinds[i].kind;
}

static void end_line(struct sp_syntax *syntax)
{
	syntax->recovering = syntax->in_set = false;
	syntax->nesting = syntax->tests = 0;
	syntax->kind = SP_LINE_PLAIN;
}

/* Braces and the end of the text close the statement before them. */
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
	token = parenthesis(syntax, scan(value, place, syntax, scanner), *place);
	if (token == '{' || token == '}')
		token = brace(syntax, token);
	if (token == WORD)
		begin_line(syntax, value->word);
	if ((token == '}' || token == END) && syntax->last != SEPARATOR) {
		syntax->pending = token;
		token = SEPARATOR;
	}
	if (token == SEPARATOR)
		end_line(syntax);
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
	enum { EXPECTED_MAX = 6 };
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
	sp_syntax_mistake(syntax, *yypcontext_location(context), message);
	/* The end of the line is where the next statement begins. */
	if (token == YYSYMBOL_SEPARATOR)
		syntax->recovering = false;
	return 0;
}

/* Bison calls this for what is no syntax error: exhausted memory, or a nesting beyond its stack. */
static void sp_parse_error(const YYLTYPE *place, struct sp_syntax *syntax, void *scanner, const char *message)
{
	(void)scanner;
	sp_report_error(syntax->reporter, syntax->source, *place, NULL, "%s", message);
}
