/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/image.h"

#include <elf.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "ipc/arch.h"

/* The kernel's BINPRM_BUF_SIZE: a script's first line counts up to here. */
#define HEAD 256
#define HEADERS_MAX 64

static bool is_native(const Elf64_Ehdr *header)
{
	return memcmp(header->e_ident, ELFMAG, SELFMAG) == 0 &&
	       header->e_ident[EI_CLASS] == ELFCLASS64 && header->e_machine == SP_ELF_MACHINE &&
	       (header->e_type == ET_EXEC || header->e_type == ET_DYN) &&
	       header->e_phentsize == sizeof(Elf64_Phdr);
}

static bool read_exactly(int file, void *to, size_t size, Elf64_Off offset)
{
	return offset <= INT64_MAX && pread(file, to, size, (off_t)offset) == (ssize_t)size;
}

/* True, and "" where the program needs no loader; false: malformed. */
static bool read_loader(int file, const Elf64_Ehdr *header, char ret_path[static PATH_MAX])
{
	Elf64_Phdr program;

	ret_path[0] = '\0';
	for (unsigned i = 0; i < header->e_phnum && i < HEADERS_MAX; i++) {
		Elf64_Off offset;

		if (__builtin_add_overflow(header->e_phoff, i * sizeof(program), &offset) ||
		    !read_exactly(file, &program, sizeof(program), offset))
			return false;
		if (program.p_type != PT_INTERP)
			continue;
		if (program.p_filesz < 2 || program.p_filesz > PATH_MAX ||
		    !read_exactly(file, ret_path, program.p_filesz, program.p_offset))
			return false;
		return ret_path[program.p_filesz - 1] == '\0';
	}
	/* More headers than we look at could hide a loader from us. */
	return header->e_phnum <= HEADERS_MAX;
}

/* "#!  /bin/sh -e": the word after the mark. False where there is none. */
static bool read_interpreter(char head[static HEAD + 1], char ret_path[static PATH_MAX])
{
	char *start = head + 2 + strspn(head + 2, " \t");
	size_t length = strcspn(start, " \t\n");

	if (length == 0 || start + length == head + HEAD)
		return false;
	memcpy(ret_path, start, length);
	ret_path[length] = '\0';
	return true;
}

int sp_image_read(int file, struct sp_image *ret_image)
{
	union {
		char text[HEAD + 1];
		Elf64_Ehdr elf;
	} head = {.text = ""};
	ssize_t n = pread(file, head.text, HEAD, 0);

	if (n < 0)
		return -errno;
	*ret_image = (struct sp_image){.kind = SP_IMAGE_OTHER};
	if (n >= 2 && head.text[0] == '#' && head.text[1] == '!') {
		if (read_interpreter(head.text, ret_image->interpreter))
			ret_image->kind = SP_IMAGE_SCRIPT;
	} else if (n >= (ssize_t)sizeof(head.elf) && is_native(&head.elf)) {
		if (read_loader(file, &head.elf, ret_image->interpreter))
			ret_image->kind = SP_IMAGE_NATIVE;
	}
	return 0;
}
