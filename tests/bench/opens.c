/* SPDX-License-Identifier: Apache-2.0 */
/* opens FILE COUNT: opens and closes a file so often. It knows of no sandbox. */
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	long count = argc == 3 ? strtol(argv[2], NULL, 10) : 0;

	for (long i = 0; i < count; i++) {
		int descriptor = open(argv[1], O_RDONLY | O_CLOEXEC);

		if (descriptor < 0 || close(descriptor) < 0)
			return 1;
	}
	return count == 0;
}
