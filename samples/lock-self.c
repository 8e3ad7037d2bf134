/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lock-self: the smallest sandboxee. It opens its input, locks itself, and only then reads a byte
 * of it:
 *
 *     launch pure lock-self FILE.xml
 *
 * prints how many elements FILE.xml has. From sp_sandboxee_enter() on, whatever the parser can be
 * made to do, there is nothing to do it to: no file, no network, no other process.
 */
#include <err.h>
#include <expat.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <sallyport/sandboxee.h>

static void count(void *data, const XML_Char *name, const XML_Char **attributes)
{
	(void)name;
	(void)attributes;
	++*(unsigned long *)data;
}

int main(int argc, char **argv)
{
	unsigned long elements = 0;
	enum XML_Status status = XML_STATUS_OK;
	ssize_t length;
	char bytes[16384];

	if (argc != 2)
		errx(2, "usage: lock-self FILE.xml");
	int input = open(argv[1], O_RDONLY | O_CLOEXEC);
	XML_Parser parser = XML_ParserCreate(NULL);
	if (input < 0 || !parser)
		err(1, "%s", argv[1]);
	XML_SetElementHandler(parser, count, NULL);
	XML_SetUserData(parser, &elements);

	int r = sp_sandboxee_enter();
	if (r < 0)
		errx(125, "cannot lock: %s", strerror(-r));

	do {
		length = read(input, bytes, sizeof(bytes));
		if (length >= 0)
			status = XML_Parse(parser, bytes, (int)length, length == 0);
	} while (length > 0 && status == XML_STATUS_OK);
	if (length < 0 || status != XML_STATUS_OK)
		errx(1, "%s: not well-formed", argv[1]);
	(void)printf("%lu elements\n", elements);
	return 0;
}
