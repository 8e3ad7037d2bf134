/* SPDX-License-Identifier: Apache-2.0 */
/*
 * decode-png: decodes untrusted PNG files, each in a sandboxee of its own, and writes them as PPM.
 *
 *     decode-png [-o DIR] [-p POLICY] [-a DIR]... FILE.png...
 *
 * This program is both sides. The parent launches itself as "decode-png --worker FILE" with a
 * shared buffer as descriptor 3. The worker locks itself, opens FILE (the broker decides), and
 * decodes into the buffer. The parent believes nothing that the worker wrote before it has checked
 * it.
 */
#include <err.h>
#include <errno.h>
#include <event2/event.h>
#include <limits.h>
#include <png.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sallyport/broker.h>
#include <sallyport/buffer.h>
#include <sallyport/policy.h>
#include <sallyport/sandboxee.h>

#ifndef DECODE_PNG_POLICY
#define DECODE_PNG_POLICY "decode-png.policy"
#endif

#define BUFFER_FD 3
#define BUFFER_SIZE ((size_t)64 << 20) /* the largest picture; untouched pages cost nothing */
#define PICTURE_MAGIC 0x50494331u

/* The start of the shared buffer; rows of 8-bit pixels follow, without padding. */
struct picture {
	uint32_t magic, width, height, channels;
};

/* ---- the worker: untrusted from its first byte of PNG on ----------------------------------------
 */

static void fail(png_structp png, png_const_charp message)
{
	(void)png;
	errx(1, "%s", message);
}

static void ignore(png_structp png, png_const_charp message)
{
	(void)png;
	(void)message;
}

/* Reads the header, and has libpng turn every kind of picture into 8-bit RGB or RGBA. */
static struct picture read_header(png_structp png, png_infop info)
{
	png_read_info(png, info);
	png_set_expand(png);
	png_set_scale_16(png);
	png_set_gray_to_rgb(png);
	png_set_interlace_handling(png);
	png_read_update_info(png, info);
	return (struct picture){
	    .magic = PICTURE_MAGIC,
	    .width = png_get_image_width(png, info),
	    .height = png_get_image_height(png, info),
	    .channels = png_get_channels(png, info),
	};
}

static void decode(const char *name, struct sp_buffer *buffer)
{
	uint8_t *pixels = (uint8_t *)buffer->bytes + sizeof(struct picture);
	FILE *file = fopen(name, "rbe");
	png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, NULL, fail, ignore);
	png_infop info = png ? png_create_info_struct(png) : NULL;

	if (!file || !info)
		err(1, "%s", name);
	png_init_io(png, file);
	struct picture picture = read_header(png, info);
	size_t stride = png_get_rowbytes(png, info);
	if (picture.height > (buffer->size - sizeof(picture)) / stride)
		errx(1, "%u x %u pixels are more than the buffer holds", picture.width,
		     picture.height);

	png_bytep *rows = calloc(picture.height, sizeof(*rows));
	if (!rows)
		err(1, "rows");
	for (size_t y = 0; y < picture.height; y++)
		rows[y] = pixels + y * stride;
	png_read_image(png, rows);
	png_read_end(png, NULL);
	*(struct picture *)buffer->bytes = picture;

	free(rows);
	png_destroy_read_struct(&png, &info, NULL);
	(void)fclose(file);
}

static int worker(const char *name)
{
	struct sp_buffer buffer;
	int r = sp_buffer_open_take(BUFFER_FD, &buffer);

	if (r == 0)
		r = sp_sandboxee_enter();
	if (r < 0)
		errx(125, "cannot lock: %s", strerror(-r));
	decode(name, &buffer);
	return 0;
}

/* ---- the parent
 * ----------------------------------------------------------------------------------- */

struct job {
	struct event_base *base;
	const char *name;
	struct sp_exit exit;
};

/* What a sandboxee prints may hold escape sequences for the terminal of whoever reads it. */
static void print_output(struct sp_sandbox *sandbox, int stream, const void *bytes, size_t length,
			 void *data)
{
	const struct job *job = data;
	const unsigned char *text = bytes;

	(void)sandbox;
	(void)stream;
	(void)fprintf(stderr, "%s: worker says: ", job->name);
	for (size_t i = 0; i < length; i++)
		(void)fputc(text[i] == '\n' || (text[i] >= ' ' && text[i] < 127) ? text[i] : '?',
			    stderr);
	if (length > 0 && text[length - 1] != '\n')
		(void)fputc('\n', stderr);
}

static void print_report(struct sp_sandbox *sandbox, const struct sp_report *report, void *data)
{
	const struct job *job = data;
	char sentence[2048];

	(void)sandbox;
	sp_report_describe(report, sentence, sizeof(sentence));
	warnx("%s: %s", job->name, sentence);
}

static void finish(struct sp_sandbox *sandbox, const struct sp_exit *how, void *data)
{
	struct job *job = data;

	(void)sandbox;
	job->exit = *how;
	if (how->cause != SP_EXIT_EXITED || how->status != 0) {
		char sentence[512];

		sp_exit_describe(how, sentence, sizeof(sentence));
		warnx("%s: %s", job->name, sentence);
	}
	event_base_loopbreak(job->base);
}

/* Runs one worker to its end. True if it says that it decoded its file. */
static bool run_worker(struct sp_broker *broker, struct job *job, struct sp_policy *policy,
		       const char *program, const char *path, const struct sp_buffer *buffer)
{
	const struct sp_launch launch = {
	    .policy = policy,
	    .argv = (const char *const[]){program, "--worker", path, NULL},
	    .pass = &(struct sp_pass){.descriptor = buffer->descriptor, .number = BUFFER_FD},
	    .pass_count = 1,
	    .on_output = print_output,
	    .on_report = print_report,
	    .on_exit = finish,
	    .data = job,
	};
	struct sp_sandbox *sandbox;
	int r = sp_sandbox_launch(broker, &launch, &sandbox);

	if (r < 0) {
		warnx("%s: cannot launch: %s", job->name, strerror(-r));
		return false;
	}
	event_base_dispatch(job->base);
	sp_sandbox_free(sandbox);
	return job->exit.cause == SP_EXIT_EXITED && job->exit.status == 0;
}

/* The worker has ended, so the buffer stands still; but every byte of it may be a lie. */
static bool write_ppm(const struct sp_buffer *buffer, const char *name, const char *output)
{
	struct picture picture;
	const uint8_t *pixel = (const uint8_t *)buffer->bytes + sizeof(picture);
	size_t room = buffer->size - sizeof(picture);
	FILE *file;

	memcpy(&picture, buffer->bytes, sizeof(picture));
	if (picture.magic != PICTURE_MAGIC || (picture.channels != 3 && picture.channels != 4) ||
	    picture.width == 0 || picture.height == 0 ||
	    picture.width > room / picture.channels / picture.height) {
		warnx("%s: the worker left no valid picture", name);
		return false;
	}
	file = fopen(output, "wbe");
	if (!file) {
		warn("%s", output);
		return false;
	}
	(void)fprintf(file, "P6\n%u %u\n255\n", picture.width, picture.height);
	for (size_t i = (size_t)picture.width * picture.height; i > 0;
	     i--, pixel += picture.channels)
		(void)fwrite(pixel, 3, 1, file);
	if (ferror(file) | fclose(file)) {
		warn("%s", output);
		return false;
	}
	return true;
}

static void print_diagnostic(const struct sp_diagnostic *diagnostic, void *data)
{
	(void)data;
	(void)fprintf(stderr, "%s\n", diagnostic->text);
}

/* Adds "read everything below the directory". Characters that patterns give a meaning are refused.
 */
static int grant_directory(struct sp_policy *policy, const char *directory, const char *source)
{
	char pattern[PATH_MAX + 3];

	if (strpbrk(directory, "*?[\\"))
		return -EINVAL;
	(void)snprintf(pattern, sizeof(pattern), "%s/**",
		       strcmp(directory, "/") == 0 ? "" : directory);
	return sp_policy_grant(policy, "read", pattern, source);
}

struct options {
	const char *output, *policy;
	const char **allow;
	size_t allow_count;
};

/* The policy for one file: what the text says, and the directories that this file needs. */
static struct sp_policy *make_policy(const struct options *options, const char *path)
{
	struct sp_policy *policy;
	char directory[PATH_MAX];
	int r = sp_policy_load(options->policy, print_diagnostic, NULL, &policy);

	if (r < 0) {
		warnx("%s: %s", options->policy, strerror(-r));
		return NULL;
	}
	for (size_t i = 0; i < options->allow_count && r == 0; i++) {
		if (realpath(options->allow[i], directory))
			r = grant_directory(policy, directory, "command line -a");
		else
			r = -errno;
	}
	if (options->allow_count == 0) {
		(void)snprintf(directory, sizeof(directory), "%s", path);
		*strrchr(directory, '/') = '\0';
		r = grant_directory(policy, directory, "directory of the file");
	}
	if (r < 0) {
		warnx("%s: cannot grant its directory: %s", path, strerror(-r));
		return sp_policy_unref(policy);
	}
	return policy;
}

/* "/in/name.png" becomes "DIR/name.ppm". */
static void name_output(const char *path, const char *directory, char *ret_name, size_t size)
{
	const char *name = strrchr(path, '/') + 1;
	int stem = (int)strlen(name);

	if (stem > 4 && strcmp(name + stem - 4, ".png") == 0)
		stem -= 4;
	(void)snprintf(ret_name, size, "%s/%.*s.ppm", directory, stem, name);
}

static bool decode_one(struct sp_broker *broker, struct event_base *base, const char *program,
		       const struct options *options, const char *name)
{
	struct job job = {.base = base, .name = name};
	struct sp_buffer buffer = SP_BUFFER_INIT;
	char path[PATH_MAX], output[2 * PATH_MAX];
	bool good = false;

	if (!realpath(name, path)) {
		warn("%s", name);
		return false;
	}
	struct sp_policy *policy = make_policy(options, path);
	int r = sp_buffer_create(BUFFER_SIZE, &buffer);
	if (r < 0)
		warnx("buffer: %s", strerror(-r));
	if (policy && r == 0 && run_worker(broker, &job, policy, program, path, &buffer)) {
		name_output(path, options->output, output, sizeof(output));
		good = write_ppm(&buffer, name, output);
	}
	sp_buffer_close(&buffer);
	sp_policy_unref(policy);
	return good;
}

static struct options parse_options(int argc, char **argv)
{
	struct options options = {
	    .output = ".",
	    .policy = DECODE_PNG_POLICY,
	    .allow = calloc((size_t)argc, sizeof(char *)),
	};
	int letter;

	if (!options.allow)
		err(1, "calloc");
	while ((letter = getopt(argc, argv, "o:p:a:")) != -1) {
		if (letter == 'o')
			options.output = optarg;
		else if (letter == 'p')
			options.policy = optarg;
		else if (letter == 'a')
			options.allow[options.allow_count++] = optarg;
		else
			errx(2, "usage: decode-png [-o DIR] [-p POLICY] [-a DIR]... FILE.png...");
	}
	return options;
}

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "--worker") == 0)
		return worker(argv[2]);

	struct options options = parse_options(argc, argv);
	char program[PATH_MAX];
	struct event_base *base = event_base_new();
	struct sp_broker *broker;
	int failures = 0;

	if (!base || !realpath("/proc/self/exe", program))
		err(1, "cannot start");
	int r = sp_broker_new(base, NULL, &broker);
	if (r < 0)
		errx(1, "no broker: %s", strerror(-r));
	for (int i = optind; i < argc; i++)
		failures += !decode_one(broker, base, program, &options, argv[i]);
	sp_broker_free(broker);
	event_base_free(base);
	free(options.allow);
	return failures > 0;
}
