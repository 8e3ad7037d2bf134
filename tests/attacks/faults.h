/* SPDX-License-Identifier: Apache-2.0 */
/* Allocations that fail: what a program is linked with for that (faults.c), and how it is told. */
#ifndef SALLYPORT_TESTS_ATTACKS_FAULTS_H
#define SALLYPORT_TESTS_ATTACKS_FAULTS_H

#ifdef __cplusplus
extern "C" {
#endif

/* Shared by a family of processes, forked ones too. */
struct faults {
	unsigned long allocations; /* so far, by all of them; atomic */
	unsigned long first, last; /* those that fail, counted from 1; first 0: none */
};

/* NULL, as it is at first: nothing is counted, and nothing fails. */
extern struct faults *faults;

/* A program that is called NAME finds them in the file NAME.faults, if there is one. */
#define FAULTS_SUFFIX ".faults"

#ifdef __cplusplus
}
#endif

#endif
