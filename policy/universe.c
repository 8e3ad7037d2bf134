/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The patterns are one automaton, shared as far as they begin alike; it is made deterministic as it is
 * walked, breadth first, beside one that accepts canonical names alone: no empty component, no "." and no
 * "..". A name is told without its final slash: the root is "", and shown as "/".
 */
#include "policy/universe.h"

#include <errno.h>
#include <linux/limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/util.h"
#include "policy/hash.h"

#define STATES_MAX (1 << 20)

/* ---- the automaton of the patterns ---- */

enum element { ELEMENT_BYTES, ELEMENT_STAR, ELEMENT_DEEP };

/*
 * A node is reached by one element. Of a star it takes any further byte of the component; of "**" it
 * takes whole components, in three phases.
 */
struct node {
	enum element element;
	bool bytes[256];    /* of ELEMENT_BYTES: what it is reached by */
	int sibling, child; /* of the tree of all patterns; -1: none */
	int pattern;        /* that ends here; -1: none */
};

enum phase {
	PHASE_AT,     /* the element is behind us, or may be */
	PHASE_SLASH,  /* "**": the slash of one more component */
	PHASE_INSIDE, /* "**": bytes of it; it may also end here */
	PHASES
};

struct sp_universe {
	struct node *nodes; /* owned; the first is the root */
	size_t count, room;
	int patterns;
};

static int make_node(struct sp_universe *universe, int parent, enum element element,
		     const bool bytes[256])
{
	struct node *node;

	if (universe->count == universe->room) {
		size_t room = universe->room ? universe->room * 2 : 64;
		struct node *grown = reallocarray(universe->nodes, room, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		universe->nodes = grown;
		universe->room = room;
	}
	node = &universe->nodes[universe->count];
	*node = (struct node){.element = element, .sibling = -1, .child = -1, .pattern = -1};
	memcpy(node->bytes, bytes, sizeof(node->bytes));
	if (parent >= 0) {
		node->sibling = universe->nodes[parent].child;
		universe->nodes[parent].child = (int)universe->count;
	}
	return (int)universe->count++;
}

static const bool no_bytes[256];

struct sp_universe *sp_universe_new(void)
{
	struct sp_universe *universe = calloc(1, sizeof(*universe));

	if (!universe || make_node(universe, -1, ELEMENT_BYTES, no_bytes) < 0) {
		sp_universe_free(universe);
		return NULL;
	}
	return universe;
}

void sp_universe_free(struct sp_universe *universe)
{
	if (universe)
		free(universe->nodes);
	free(universe);
}

/* The child that is reached by this very element, made where there is none. */
static int descend(struct sp_universe *universe, int parent, enum element element,
		   const bool bytes[256])
{
	for (int i = universe->nodes[parent].child; i >= 0; i = universe->nodes[i].sibling)
		if (universe->nodes[i].element == element &&
		    memcmp(universe->nodes[i].bytes, bytes, 256) == 0)
			return i;
	return make_node(universe, parent, element, bytes);
}

static int descend_component(struct sp_universe *universe, int node, struct sp_text component)
{
	bool bytes[256] = {['/'] = true};

	if (component.length == 2 && memcmp(component.start, "**", 2) == 0)
		return descend(universe, node, ELEMENT_DEEP, no_bytes);
	node = descend(universe, node, ELEMENT_BYTES, bytes);
	while (component.length > 0 && node >= 0) {
		size_t length = 1;

		if (component.start[0] == '*') {
			node = descend(universe, node, ELEMENT_STAR, no_bytes);
		} else {
			length = sp_glob_element(component, bytes);
			node = descend(universe, node, ELEMENT_BYTES, bytes);
		}
		component.start += length;
		component.length -= length;
	}
	return node;
}

int sp_universe_add(struct sp_universe *universe, const char *pattern)
{
	struct sp_text rest = {pattern, strlen(pattern)}, component;
	int node = 0;

	if (rest.length == 1)
		rest.length = 0;
	while (node >= 0 && sp_glob_next(&rest, &component))
		node = descend_component(universe, node, component);
	if (node < 0)
		return node;
	if (universe->nodes[node].pattern < 0)
		universe->nodes[node].pattern = universe->patterns++;
	return universe->nodes[node].pattern;
}

/* ---- the automaton of canonical names ---- */

enum shape {
	SHAPE_ROOT,
	SHAPE_SLASH, /* a component begins */
	SHAPE_DOT,
	SHAPE_DOTS,
	SHAPE_NAME,
	SHAPE_NONE
};

static enum shape shape_after(enum shape shape, unsigned char byte)
{
	if (byte == '/')
		return shape == SHAPE_ROOT || shape == SHAPE_NAME ? SHAPE_SLASH : SHAPE_NONE;
	if (byte == '\0' || shape == SHAPE_ROOT)
		return SHAPE_NONE;
	if (byte == '.' && shape == SHAPE_SLASH)
		return SHAPE_DOT;
	if (byte == '.' && shape == SHAPE_DOT)
		return SHAPE_DOTS;
	return SHAPE_NAME;
}

/* ---- sets of places ---- */

/* A place is a node in a phase: node * PHASES + phase. */
struct set {
	int *list;
	size_t count, room;
	bool no_memory;
};

static void set_add(struct set *set, int place)
{
	for (size_t i = set->count; i-- > 0;)
		if (set->list[i] == place)
			return;
	if (set->count == set->room) {
		size_t room = set->room ? set->room * 2 : 16;
		int *grown = reallocarray(set->list, room, sizeof(*grown));

		if (!grown) {
			set->no_memory = true;
			return;
		}
		set->list = grown;
		set->room = room;
	}
	set->list[set->count++] = place;
}

/* With what can be reached without a byte: stars and "**" may stand for nothing.
 * NOLINTNEXTLINE(misc-no-recursion): as deep as stars follow one another */
static void enter(const struct sp_universe *universe, struct set *set, int node, enum phase phase)
{
	set_add(set, node * PHASES + (int)phase);
	if (phase == PHASE_SLASH)
		return;
	for (int i = universe->nodes[node].child; i >= 0; i = universe->nodes[i].sibling)
		if (universe->nodes[i].element != ELEMENT_BYTES)
			enter(universe, set, i, PHASE_AT);
}

static void move(const struct sp_universe *universe, int place, unsigned char byte, struct set *set)
{
	int index = place / PHASES;
	enum phase phase = (enum phase)(place % PHASES);
	const struct node *node = &universe->nodes[index];

	if (node->element == ELEMENT_STAR && byte != '/')
		enter(universe, set, index, PHASE_AT);
	if (node->element == ELEMENT_DEEP && (byte == '/' || phase != PHASE_AT))
		enter(universe, set, index, byte == '/' ? PHASE_SLASH : PHASE_INSIDE);
	if (phase == PHASE_SLASH)
		return;
	for (int i = node->child; i >= 0; i = universe->nodes[i].sibling)
		if (universe->nodes[i].element == ELEMENT_BYTES && universe->nodes[i].bytes[byte])
			enter(universe, set, i, PHASE_AT);
}

static int compare_places(const void *left, const void *right)
{
	int a = *(const int *)left, b = *(const int *)right;

	return (a > b) - (a < b);
}

/* ---- the walk ---- */

/* Sets of numbers, each kept once. */
struct table {
	int **sets; /* owned: a length, then the numbers */
	size_t count, room;
	uint32_t *buckets; /* index + 1 */
	size_t bucket_count;
};

static uint32_t hash_of(const int *set)
{
	return sp_hash_bytes(SP_HASH_START, (const char *)set, ((size_t)set[0] + 1) * sizeof(*set));
}

static int grow_table(struct table *table)
{
	size_t count = table->bucket_count ? table->bucket_count * 2 : 1024;
	uint32_t *buckets = calloc(count, sizeof(*buckets));
	int **sets = reallocarray(table->sets, count, sizeof(*sets));

	if (sets)
		table->sets = sets;
	if (!buckets || !sets) {
		free(buckets);
		return -ENOMEM;
	}
	free(table->buckets);
	table->buckets = buckets;
	table->bucket_count = count;
	for (size_t i = 0; i < table->count; i++) {
		uint32_t at = hash_of(table->sets[i]) & (uint32_t)(count - 1);

		while (buckets[at])
			at = (at + 1) & (uint32_t)(count - 1);
		buckets[at] = (uint32_t)i + 1;
	}
	return 0;
}

/* 1: it is new; 0: it was there; -ENOMEM. */
static int table_add(struct table *table, const int *numbers, size_t count)
{
	_cleanup_free_ int *set = malloc((count + 1) * sizeof(*set));
	uint32_t at;

	if (!set || (table->count * 2 >= table->bucket_count && grow_table(table) < 0))
		return -ENOMEM;
	set[0] = (int)count;
	if (count > 0)
		memcpy(set + 1, numbers, count * sizeof(*set));
	at = hash_of(set) & (uint32_t)(table->bucket_count - 1);
	for (; table->buckets[at]; at = (at + 1) & (uint32_t)(table->bucket_count - 1)) {
		const int *other = table->sets[table->buckets[at] - 1];

		if (other[0] == set[0] && memcmp(other, set, (count + 1) * sizeof(*set)) == 0)
			return 0;
	}
	table->sets[table->count++] = TAKE_POINTER(set);
	table->buckets[at] = (uint32_t)table->count;
	return 1;
}

static void table_clear(struct table *table)
{
	for (size_t i = 0; i < table->count; i++)
		free(table->sets[i]);
	free(table->sets);
	free(table->buckets);
}

/* How a state was reached first. */
struct step {
	uint32_t from;
	uint16_t length;
	unsigned char byte;
};

struct explorer {
	const struct sp_universe *universe;
	struct table states; /* of each: the shape of the name, then the places */
	struct step *steps;  /* owned; of each state */
	size_t step_room;
	struct table met; /* sets of patterns that were told */
	sp_universe_fn *fn;
	void *data;
};

static int add_state(struct explorer *explorer, struct set *set, enum shape shape, struct step step)
{
	_cleanup_free_ int *numbers = malloc((set->count + 1) * sizeof(*numbers));
	int r;

	if (!numbers || set->no_memory)
		return -ENOMEM;
	if (set->count > 0)
		qsort(set->list, set->count, sizeof(*set->list), compare_places);
	numbers[0] = (int)shape;
	if (set->count > 0)
		memcpy(numbers + 1, set->list, set->count * sizeof(*numbers));
	r = table_add(&explorer->states, numbers, set->count + 1);
	if (r <= 0)
		return r;
	if (explorer->states.count > STATES_MAX)
		return -E2BIG;
	if (explorer->states.count > explorer->step_room) {
		size_t room = explorer->step_room ? explorer->step_room * 2 : 1024;
		struct step *grown = reallocarray(explorer->steps, room, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		explorer->steps = grown;
		explorer->step_room = room;
	}
	explorer->steps[explorer->states.count - 1] = step;
	return 0;
}

/* Bytes that no place tells apart are of one class. */
struct classes {
	uint8_t of[256];
	unsigned count;
};

static void refine(struct classes *classes, const bool bytes[256])
{
	int renamed[512];
	unsigned count = 0;

	memset(renamed, -1, sizeof(renamed));
	for (unsigned byte = 0; byte < 256; byte++) {
		unsigned key = classes->of[byte] * 2u + bytes[byte];

		if (renamed[key] < 0)
			renamed[key] = (int)count++;
		classes->of[byte] = (uint8_t)renamed[key];
	}
	classes->count = count;
}

static void classify(const struct sp_universe *universe, const int *places, size_t count,
		     struct classes *ret_classes)
{
	static const bool slash[256] = {['/'] = true}, dot[256] = {['.'] = true},
			  nul[256] = {[0] = true};

	*ret_classes = (struct classes){.count = 1};
	refine(ret_classes, slash);
	refine(ret_classes, dot);
	refine(ret_classes, nul);
	for (size_t i = 0; i < count; i++) {
		if (places[i] % PHASES == PHASE_SLASH)
			continue;
		for (int child = universe->nodes[places[i] / PHASES].child; child >= 0;
		     child = universe->nodes[child].sibling)
			if (universe->nodes[child].element == ELEMENT_BYTES)
				refine(ret_classes, universe->nodes[child].bytes);
	}
}

/* The bytes in the order in which names had better be made of them. */
static unsigned char preferred(unsigned rank)
{
	static const char first[] =
	    "xabcdefghijklmnopqrstuvwyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_-";
	size_t count = sizeof(first) - 1;

	if (rank < count)
		return (unsigned char)first[rank];
	return (unsigned char)(rank - count + 0x20); /* the printable ones, then the rest */
}

static int spread(struct explorer *explorer, uint32_t index)
{
	const int *state = explorer->states.sets[index] + 1;
	size_t count = (size_t)state[-1] - 1;
	struct step last = explorer->steps[index];
	bool done[256] = {false};
	struct classes classes;
	int r = 0;

	if (last.length >= PATH_MAX - 1)
		return 0;
	classify(explorer->universe, state + 1, count, &classes);
	for (unsigned rank = 0; rank < 320 && r == 0; rank++) {
		unsigned char byte = preferred(rank);
		enum shape shape = shape_after((enum shape)state[0], byte);
		struct set set = {0};

		if (done[classes.of[byte]] || shape == SHAPE_NONE)
			continue;
		done[classes.of[byte]] = true;
		for (size_t i = 0; i < count; i++)
			move(explorer->universe, state[1 + i], byte, &set);
		r = add_state(explorer, &set, shape,
			      (struct step){index, (uint16_t)(last.length + 1), byte});
		free(set.list);
	}
	return r;
}

static void spell(const struct explorer *explorer, uint32_t index, char name[static PATH_MAX])
{
	size_t at = explorer->steps[index].length;

	name[at] = '\0';
	for (; at > 0; index = explorer->steps[index].from)
		name[--at] = (char)explorer->steps[index].byte;
	if (name[0] == '\0')
		memcpy(name, "/", 2);
}

static int tell(struct explorer *explorer, uint32_t index)
{
	const int *state = explorer->states.sets[index] + 1;
	size_t count = (size_t)state[-1] - 1;
	char name[PATH_MAX];
	struct set matched = {0};
	int r;

	if (state[0] != SHAPE_ROOT && state[0] != SHAPE_NAME)
		return 0;
	for (size_t i = 0; i < count; i++) {
		const struct node *node = &explorer->universe->nodes[state[1 + i] / PHASES];

		if (node->pattern >= 0 && state[1 + i] % PHASES != PHASE_SLASH)
			set_add(&matched, node->pattern);
	}
	if (matched.count > 0)
		qsort(matched.list, matched.count, sizeof(*matched.list), compare_places);
	r = matched.no_memory ? -ENOMEM : table_add(&explorer->met, matched.list, matched.count);
	if (r > 0) {
		spell(explorer, index, name);
		r = explorer->fn(name, strlen(name), matched.list, matched.count, explorer->data);
	}
	free(matched.list);
	return r;
}

int sp_universe_walk(const struct sp_universe *universe, sp_universe_fn *fn, void *data)
{
	struct explorer explorer = {.universe = universe, .fn = fn, .data = data};
	struct set start = {0};
	int r;

	enter(universe, &start, 0, PHASE_AT);
	r = add_state(&explorer, &start, SHAPE_ROOT, (struct step){0});
	free(start.list);
	for (uint32_t i = 0; i < explorer.states.count && r == 0; i++) {
		r = tell(&explorer, i);
		if (r == 0)
			r = spread(&explorer, i);
	}
	table_clear(&explorer.states);
	table_clear(&explorer.met);
	free(explorer.steps);
	return r;
}
