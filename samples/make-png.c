/* SPDX-License-Identifier: Apache-2.0 */
/*
 * make-png: writes PNG files for the demonstration and the tests, the same in each run.
 *
 *     make-png DIR
 *
 * good-000.png to good-099.png, of every colour type and depth, plain and interlaced, each with the
 * picture that a right decoder makes of it as good-NNN.ppm; and bad-00.png to bad-19.png, each
 * malformed in a way of its own.
 */
#include <err.h>
#include <png.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define GOOD_COUNT 100

/* ---- good pictures
 * --------------------------------------------------------------------------------- */

struct kind {
	int colour, depth, channels;
};

static const struct kind kinds[] = {
    {PNG_COLOR_TYPE_GRAY, 1, 1},       {PNG_COLOR_TYPE_GRAY, 2, 1},
    {PNG_COLOR_TYPE_GRAY, 4, 1},       {PNG_COLOR_TYPE_GRAY, 8, 1},
    {PNG_COLOR_TYPE_GRAY, 16, 1},      {PNG_COLOR_TYPE_PALETTE, 1, 1},
    {PNG_COLOR_TYPE_PALETTE, 4, 1},    {PNG_COLOR_TYPE_PALETTE, 8, 1},
    {PNG_COLOR_TYPE_RGB, 8, 3},        {PNG_COLOR_TYPE_RGB, 16, 3},
    {PNG_COLOR_TYPE_GRAY_ALPHA, 8, 2}, {PNG_COLOR_TYPE_GRAY_ALPHA, 16, 2},
    {PNG_COLOR_TYPE_RGB_ALPHA, 8, 4},  {PNG_COLOR_TYPE_RGB_ALPHA, 16, 4},
};

static uint32_t random_state;

/* Deterministic noise: Numerical Recipes' generator, upper bits. */
static unsigned noise(void)
{
	random_state = random_state * 1664525u + 1013904223u;
	return random_state >> 24;
}

/* Stores sample `index` of a row. 16-bit samples repeat their byte, so that every reduction to 8
 * bits agrees. */
static void put_sample(uint8_t *row, size_t index, int depth, unsigned value)
{
	if (depth == 16) {
		row[2 * index] = row[2 * index + 1] = (uint8_t)value;
	} else if (depth == 8) {
		row[index] = (uint8_t)value;
	} else {
		size_t bit = index * (size_t)depth;

		row[bit / 8] |= (uint8_t)(value << (8 - (unsigned)depth - bit % 8));
	}
}

/* One pixel of noise: into the row as the PNG stores it, and as 8-bit RGB. */
static void put_pixel(uint8_t *row, size_t x, const struct kind *kind, const png_color *palette,
		      uint8_t rgb[3])
{
	unsigned top = kind->depth >= 8 ? 255 : (1u << kind->depth) - 1;
	unsigned sample[4] = {0};

	for (int i = 0; i < kind->channels; i++) {
		sample[i] = noise() & top;
		put_sample(row, x * (size_t)kind->channels + (size_t)i, kind->depth, sample[i]);
	}
	if (kind->colour == PNG_COLOR_TYPE_PALETTE) {
		rgb[0] = palette[sample[0]].red;
		rgb[1] = palette[sample[0]].green;
		rgb[2] = palette[sample[0]].blue;
	} else {
		for (int i = 0; i < 3; i++)
			rgb[i] = (uint8_t)(sample[kind->channels < 3 ? 0 : i] * 255 / top);
	}
}

static FILE *create(const char *directory, const char *name, int digits, int number,
		    const char *suffix)
{
	char path[4096];

	(void)snprintf(path, sizeof(path), "%s/%s-%0*d.%s", directory, name, digits, number,
		       suffix);
	FILE *file = fopen(path, "wbe");
	if (!file)
		err(1, "%s", path);
	return file;
}

static void finish(FILE *file)
{
	if (ferror(file) | fclose(file))
		err(1, "write");
}

static void write_png(FILE *file, const struct kind *kind, png_uint_32 width, png_uint_32 height,
		      int interlace, const png_color *palette, uint8_t **rows)
{
	png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
	png_infop info = png ? png_create_info_struct(png) : NULL;

	if (!info || setjmp(png_jmpbuf(png)))
		errx(1, "libpng");
	png_init_io(png, file);
	png_set_IHDR(png, info, width, height, kind->depth, kind->colour, interlace,
		     PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
	/* Else 16-bit samples are taken for linear light. */
	png_set_sRGB(png, info, PNG_sRGB_INTENT_PERCEPTUAL);
	if (kind->colour == PNG_COLOR_TYPE_PALETTE)
		png_set_PLTE(png, info, palette, 1 << kind->depth);
	png_write_info(png, info);
	png_write_image(png, rows);
	png_write_end(png, info);
	png_destroy_write_struct(&png, &info);
}

static void write_good(const char *directory, int number)
{
	const struct kind *kind = &kinds[(size_t)number % (sizeof(kinds) / sizeof(kinds[0]))];
	png_uint_32 width = 1 + (png_uint_32)number * 37 % 150,
		    height = 1 + (png_uint_32)number * 53 % 120;
	int interlace = number / 14 % 2 ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE;
	size_t stride = (size_t)width * 8;
	uint8_t *bytes = calloc(height, stride), *rgb = calloc((size_t)width * height, 3);
	uint8_t **rows = calloc(height, sizeof(*rows));
	png_color palette[256];

	if (!bytes || !rgb || !rows)
		err(1, "calloc");
	random_state = (uint32_t)number;
	for (int i = 0; i < 256; i++)
		palette[i] = (png_color){(png_byte)noise(), (png_byte)noise(), (png_byte)noise()};
	for (size_t y = 0; y < height; y++) {
		rows[y] = bytes + y * stride;
		for (size_t x = 0; x < width; x++)
			put_pixel(rows[y], x, kind, palette, rgb + (y * width + x) * 3);
	}
	FILE *file = create(directory, "good", 3, number, "png");
	write_png(file, kind, width, height, interlace, palette, rows);
	finish(file);
	file = create(directory, "good", 3, number, "ppm");
	(void)fprintf(file, "P6\n%u %u\n255\n", width, height);
	(void)fwrite(rgb, 3, (size_t)width * height, file);
	finish(file);
	free(rows);
	free(rgb);
	free(bytes);
}

/* ---- bad pictures
 * ---------------------------------------------------------------------------------- */

/* What a malformed file is made of. The sound values describe 8 x 8 RGB pixels. */
struct recipe {
	const char *what;
	uint32_t width, height;
	uint8_t depth, colour, interlace;
	uint8_t row_filter;
	int rows; /* how many are in the compressed data */
	unsigned flags;
	size_t cut;      /* the file's length, 0: all of it */
	uint32_t length; /* what the length field of IDAT says, 0: the truth */
};

enum {
	NO_SIGNATURE = 1 << 0,
	BAD_HEADER_CRC = 1 << 1,
	BAD_DATA_CRC = 1 << 2,
	DATA_FIRST = 1 << 3,
	GARBAGE = 1 << 4, /* instead of a zlib stream */
	NO_HEADER = 1 << 5,
};

#define SOUND .width = 8, .height = 8, .depth = 8, .colour = PNG_COLOR_TYPE_RGB, .rows = 8

static const struct recipe recipes[] = {
    {"one byte", SOUND, .cut = 1},
    {"the signature alone", SOUND, .cut = 8},
    {"half a header", SOUND, .cut = 20},
    {"no data", SOUND, .cut = 33},
    {"half the data", SOUND, .cut = 60},
    {"no signature", SOUND, .flags = NO_SIGNATURE},
    {"header with a wrong CRC", SOUND, .flags = BAD_HEADER_CRC},
    {"data with a wrong CRC", SOUND, .flags = BAD_DATA_CRC},
    {"data before the header", SOUND, .flags = DATA_FIRST},
    {"no header", SOUND, .flags = NO_HEADER},
    {"garbage for compressed data", SOUND, .flags = GARBAGE},
    {"width 0", .width = 0, .height = 8, .depth = 8, .colour = 2, .rows = 8},
    {"2^31-1 by 2^31-1", .width = 0x7fffffff, .height = 0x7fffffff, .depth = 8, .colour = 6,
     .rows = 8},
    {"60,000 by 60,000", .width = 60000, .height = 60000, .depth = 8, .colour = 2, .rows = 8},
    {"depth 3", .width = 8, .height = 8, .depth = 3, .colour = 0, .rows = 8},
    {"colour type 5", .width = 8, .height = 8, .depth = 8, .colour = 5, .rows = 8},
    {"palette missing", .width = 8, .height = 8, .depth = 8, .colour = 3, .rows = 8},
    {"interlace method 9", SOUND, .interlace = 9},
    {"a row filter 7", SOUND, .row_filter = 7},
    {"length of 4 GiB", SOUND, .length = 0xffffffff},
};

static void put_u32(uint8_t **at, uint32_t value)
{
	for (int shift = 24; shift >= 0; shift -= 8)
		*(*at)++ = (uint8_t)(value >> shift);
}

static void put_chunk(uint8_t **at, const char *type, const uint8_t *data, size_t size,
		      uint32_t length, bool bad_crc)
{
	put_u32(at, length);
	uint8_t *start = *at;
	memcpy(*at, type, 4);
	memcpy(*at + 4, data, size);
	*at += 4 + size;
	put_u32(at, (uint32_t)crc32(0, start, (uInt)(4 + size)) ^ (bad_crc ? 1 : 0));
}

static void put_header(uint8_t **at, const struct recipe *recipe)
{
	uint8_t bytes[13], *end = bytes;

	put_u32(&end, recipe->width);
	put_u32(&end, recipe->height);
	*end++ = recipe->depth;
	*end++ = recipe->colour;
	*end++ = 0;
	*end++ = 0;
	*end++ = recipe->interlace;
	put_chunk(at, "IHDR", bytes, sizeof(bytes), sizeof(bytes), recipe->flags & BAD_HEADER_CRC);
}

static void put_data(uint8_t **at, const struct recipe *recipe)
{
	uint8_t raw[8 * 25], packed[512];
	uLongf size = sizeof(packed);

	for (size_t i = 0; i < sizeof(raw); i++)
		raw[i] = i % 25 == 0 ? recipe->row_filter : (uint8_t)noise();
	if (recipe->flags & GARBAGE)
		memset(packed, 0xa5, size = 200);
	else if (compress(packed, &size, raw, (uLong)recipe->rows * 25) != Z_OK)
		errx(1, "zlib");
	put_chunk(at, "IDAT", packed, size, recipe->length ? recipe->length : (uint32_t)size,
		  recipe->flags & BAD_DATA_CRC);
}

static void write_bad(const char *directory, int number)
{
	const struct recipe *recipe = &recipes[number];
	uint8_t bytes[1024], *end = bytes;

	random_state = (uint32_t)number;
	if (!(recipe->flags & NO_SIGNATURE)) {
		memcpy(end, "\211PNG\r\n\032\n", 8);
		end += 8;
	}
	if (recipe->flags & DATA_FIRST)
		put_data(&end, recipe);
	if (!(recipe->flags & NO_HEADER))
		put_header(&end, recipe);
	if (!(recipe->flags & DATA_FIRST))
		put_data(&end, recipe);
	put_chunk(&end, "IEND", bytes, 0, 0, false);

	FILE *file = create(directory, "bad", 2, number, "png");
	(void)fwrite(bytes, 1, recipe->cut ? recipe->cut : (size_t)(end - bytes), file);
	finish(file);
	(void)printf("bad-%02d.png  %s\n", number, recipe->what);
}

int main(int argc, char **argv)
{
	if (argc != 2)
		errx(2, "usage: make-png DIR");
	for (int i = 0; i < GOOD_COUNT; i++)
		write_good(argv[1], i);
	for (int i = 0; i < (int)(sizeof(recipes) / sizeof(recipes[0])); i++)
		write_bad(argv[1], i);
	return 0;
}
