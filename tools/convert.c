/* SPDX-License-Identifier: Apache-2.0 */
/* sallyport policy import --from FORMAT FILE */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sallyport/policy.h>

#include "command.h"
#include "import.h"

#define TEXT_MAX (1 << 20)

/* What is written must be a policy: a mistake in it is one of ours, and nothing to use. */
static int print_checked(const char *text, size_t length)
{
	struct sp_policy *policy = NULL;
	int r = sp_policy_parse("imported policy", text, length, print_diagnostic, NULL, &policy);

	sp_policy_unref(policy);
	if (r < 0) {
		complain("the imported policy is not usable: %s", strerror(-r));
		return EXIT_FAILED;
	}
	return fwrite(text, 1, length, stdout) == length && fflush(stdout) == 0 ? 0 : EXIT_FAILED;
}

static int convert(const char *format, const char *file, const char *text, size_t length)
{
	char *policy = NULL;
	size_t policy_length = 0;
	FILE *output = open_memstream(&policy, &policy_length);
	int status;

	if (!output) {
		complain("%s", strerror(errno));
		return EXIT_FAILED;
	}
	status = import_text(format, file, text, length, output, stderr);
	if (fclose(output) != 0)
		status = EXIT_FAILED;
	if (status == 0)
		status = print_checked(policy, policy_length);
	free(policy);
	return status;
}

static int convert_stream(const char *format, const char *file, FILE *stream)
{
	char *text = malloc(TEXT_MAX + 1);
	size_t length = text ? fread(text, 1, TEXT_MAX + 1, stream) : 0;
	int status = EXIT_FAILED;

	if (!text || ferror(stream))
		complain("%s: %s", file, strerror(errno > 0 ? errno : EIO));
	else if (length > TEXT_MAX)
		complain("%s: larger than 1 MiB", file);
	else
		status = convert(format, file, text, length);
	free(text);
	return status;
}

static int usage(char **words)
{
	print_usage(stderr, words[0]);
	return EXIT_FAILED;
}

int policy_import(int count, char **words)
{
	const char *format = NULL, *file = NULL;
	FILE *stream;
	int status;

	for (int i = 1; i < count; i++)
		if (strncmp(words[i], "--from=", 7) == 0)
			format = words[i] + 7;
		else if (strcmp(words[i], "--from") == 0 && i + 1 < count)
			format = words[++i];
		else if (!file && (words[i][0] != '-' || words[i][1] == '\0'))
			file = words[i];
		else
			return usage(words);
	if (!format || !file)
		return usage(words);
	stream = strcmp(file, "-") == 0 ? stdin : fopen(file, "re");
	if (!stream) {
		complain("%s: %s", file, strerror(errno));
		return EXIT_FAILED;
	}
	status = convert_stream(format, stream == stdin ? "standard input" : file, stream);
	if (stream != stdin)
		(void)fclose(stream);
	return status;
}
