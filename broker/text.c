/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "broker/internal.h"

#define INPUT_MAX 4096

char *text_escape(const uint8_t *bytes, size_t length)
{
	static const char digits[] = "0123456789abcdef";
	size_t used = 0;
	char *text;

	if (length > INPUT_MAX)
		length = INPUT_MAX;
	text = malloc(4 * length + 1);
	if (!text)
		return NULL;
	for (size_t i = 0; i < length; i++) {
		if (bytes[i] >= ' ' && bytes[i] <= '~' && bytes[i] != '\\') {
			text[used++] = (char)bytes[i];
			continue;
		}
		text[used++] = '\\';
		text[used++] = 'x';
		text[used++] = digits[bytes[i] >> 4];
		text[used++] = digits[bytes[i] & 15];
	}
	text[used] = 0;
	return text;
}
