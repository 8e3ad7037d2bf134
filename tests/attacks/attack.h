/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the attacks share. An attack is one function; it runs in a process that is locked, or, as its
 * own positive control, in a plain one, where it must succeed and say so with escape(). What the
 * program prints is never the verdict: attacks_test.cc looks from outside.
 */
#ifndef SALLYPORT_TESTS_ATTACKS_ATTACK_H
#define SALLYPORT_TESTS_ATTACKS_ATTACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

/* Every secret of the harness starts with this. */
#define CANARY_PREFIX "CANARY-"

/* Exit statuses with a meaning for the harness; 0: tried, and nothing came of it. */
enum { STATUS_HELD = 0, STATUS_BROKEN = 3, STATUS_NO_SUCH_VARIANT = 77 };

/* Who runs the attack. */
enum stage {
	STAGE_PLAIN,    /* the positive control */
	STAGE_UNLOCKED, /* launched by a broker; the attack greets the porter itself, if at all */
	STAGE_LOCKED,   /* below the runtime's lock */
	STAGE_FLOOR,    /* on a floor, from the first instruction on */
};

struct attack_context {
	const char *directory; /* of the tree: allowed/, readonly/, secret/, outside/ */
	enum stage stage;
	unsigned variant;
	pid_t victim;            /* a process of the harness, as the harness numbers it */
	uintptr_t victim_memory; /* holds a secret there */
	const char *program;     /* this one */
	bool thorough;           /* for as long, and as often, as the catalogue says */
};

extern struct attack_context context;

/* The success of an attack: prints the evidence and ends. */
_Noreturn void escape(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The attack could not be tried as it is meant: a fault of the test, or of what it stands on. */
_Noreturn void broken(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Tells the harness that an attack's way to its target was open: what follows is the target's answer. */
void reached(void);

/* Ends where `count` variants are all there are: every attack begins with it. */
void variants(unsigned count);

/* Whether a race that began then has to go on, beside the number of its rounds. */
bool lasts(time_t begin);

/* directory/name, in one of a few static buffers that take turns. For one thread. */
const char *in_tree(const char *name);

/* Escapes if the descriptor (closed afterwards; negative: nothing) gives a secret away. */
void check_descriptor(const char *how, int fd);

/* Escapes if the bytes hold a secret. */
void check_bytes(const char *how, const void *bytes, size_t length);

/* Opens for reading and looks. */
void try_read(const char *path);

/* Steps that a program takes while it is still trusted, for attacks that need something in hand. */
typedef void prepare_fn(void);
typedef void attack_fn(void);

/* What the attack's prepare step keeps for it. */
extern int held_fd;

/* On a floor there is nothing before the sandbox: what an attack is to hold all the same, it was given as descriptor 3,
 * and takes into held_fd. False: there is something before. */
bool take_gift(void);

#define ATTACK(id, ...) attack_fn attack_##id;
#include "tests/attacks/attacks.def"
#undef ATTACK

/* Taken before the lock. */
prepare_fn prepare_nothing, prepare_directory, prepare_program, prepare_native, prepare_pty,
    prepare_small_limit, prepare_pidfd, prepare_handle, prepare_flags;

/* Programs for the harness: they print, as numbers in memory are, what a plain process is told. */
attack_fn tell_native_errors, tell_native_results;

#endif
