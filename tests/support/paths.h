/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the source and build trees are for a test. tests/as-user may run a test from a copy that an
 * unprivileged user can read; it names the copy in two environment variables.
 */
#ifndef SALLYPORT_TESTS_SUPPORT_PATHS_H
#define SALLYPORT_TESTS_SUPPORT_PATHS_H

#include <stdlib.h>

/* The root of the source tree: of a relocated one only tests/, samples/ and policy/ are there. */
static inline const char *sp_test_source_dir(void)
{
	const char *directory = getenv("SP_TEST_SOURCE_DIR");

	return directory ? directory : SP_SOURCE_DIR;
}

/* The root of the build tree: of a relocated one only bin/ and lib/ are there. */
static inline const char *sp_test_binary_dir(void)
{
	const char *directory = getenv("SP_TEST_BINARY_DIR");

	return directory ? directory : SP_BINARY_DIR;
}

#endif
