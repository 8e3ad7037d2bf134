// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TESTS_SUPPORT_DESCRIPTORS_H
#define SALLYPORT_TESTS_SUPPORT_DESCRIPTORS_H

#include <cstddef>
#include <dirent.h>

// How many descriptors the process has open, the one that looks left out.
inline size_t count_descriptors()
{
	DIR *directory = opendir("/proc/self/fd");
	size_t count = 0;

	while (struct dirent *entry = readdir(directory))
		count += entry->d_name[0] != '.';
	closedir(directory);
	return count - 1;
}

#endif
