/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/glob.h"

#include <linux/limits.h>
#include <stdint.h>
#include <string.h>

bool sp_glob_next(struct sp_text *rest, struct sp_text *ret_component)
{
	const char *slash;
	struct sp_text component;

	if (rest->length == 0)
		return false;
	component = (struct sp_text){rest->start + 1, rest->length - 1};
	slash = component.length > 0 ? memchr(component.start, '/', component.length) : NULL;
	if (slash)
		component.length = (size_t)(slash - component.start);
	rest->start += component.length + 1;
	rest->length -= component.length + 1;
	*ret_component = component;
	return true;
}

static bool is_deep(struct sp_text component)
{
	return component.length == 2 && memcmp(component.start, "**", 2) == 0;
}

/* Bytes of the set that begins at `text` with '['; 0 if it has no end within the component. */
static size_t set_length(struct sp_text text)
{
	size_t i = 1;

	if (i < text.length && (text.start[i] == '!' || text.start[i] == '^'))
		i++;
	if (i < text.length && text.start[i] == ']')
		i++; /* first in the set, it is a member */
	while (i < text.length && text.start[i] != ']' && text.start[i] != '/')
		i++;
	return i < text.length && text.start[i] == ']' ? i + 1 : 0;
}

static bool set_has(const char *set, size_t length, unsigned char byte)
{
	size_t i = 1, end = length - 1;
	bool negated = set[i] == '!' || set[i] == '^', found = false;

	i += negated;
	while (i < end) {
		unsigned char low = (unsigned char)set[i], high = low;

		if (i + 2 < end && set[i + 1] == '-') {
			high = (unsigned char)set[i + 2];
			i += 2;
		}
		found |= low <= byte && byte <= high;
		i++;
	}
	return found != negated;
}

/* Bytes of the pattern's first element if that element matches `byte`, else 0. Never for a '*'. */
static size_t element_matches(struct sp_text pattern, unsigned char byte)
{
	size_t length;

	switch (pattern.start[0]) {
	case '?':
		return 1;
	case '[':
		length = set_length(pattern);
		return length > 0 && set_has(pattern.start, length, byte) ? length : 0;
	default:
		return (unsigned char)pattern.start[0] == byte;
	}
}

size_t sp_glob_element(struct sp_text pattern, bool ret_bytes[256])
{
	size_t set = pattern.start[0] == '[' ? set_length(pattern) : 1;

	for (unsigned byte = 0; byte < 256; byte++)
		ret_bytes[byte] = byte != '/' && element_matches(pattern, (unsigned char)byte) > 0;
	return set;
}

/* One component against one. Only the last star is ever tried again: an earlier one could not
 * help, since the later one takes whatever the earlier could. */
static bool component_matches(struct sp_text pattern, struct sp_text name)
{
	size_t p = 0, n = 0, star = SIZE_MAX, resume = 0, step;

	while (n < name.length) {
		if (p < pattern.length && pattern.start[p] == '*') {
			star = ++p;
			resume = n;
			continue;
		}
		step =
		    p < pattern.length
			? element_matches((struct sp_text){pattern.start + p, pattern.length - p},
					  (unsigned char)name.start[n])
			: 0;
		if (step > 0) {
			p += step;
			n++;
		} else if (star != SIZE_MAX) {
			p = star;
			n = ++resume;
		} else {
			return false;
		}
	}
	while (p < pattern.length && pattern.start[p] == '*')
		p++;
	return p == pattern.length;
}

/* What follows a "**" against what is left of the name: the same trick with components for bytes.
 */
static bool deep_matches(struct sp_text pattern, struct sp_text name)
{
	struct sp_text after = pattern, resume = name, wanted, component;

	for (;;) {
		if (!sp_glob_next(&pattern, &wanted)) {
			if (name.length == 0)
				return true;
		} else if (is_deep(wanted)) {
			after = pattern;
			resume = name;
			continue;
		} else if (sp_glob_next(&name, &component) &&
			   component_matches(wanted, component)) {
			continue;
		}
		if (!sp_glob_next(&resume, &component))
			return false;
		pattern = after;
		name = resume;
	}
}

static bool all_deep(struct sp_text pattern)
{
	struct sp_text component;

	while (sp_glob_next(&pattern, &component))
		if (!is_deep(component))
			return false;
	return true;
}

unsigned sp_glob_reach(struct sp_text pattern, struct sp_text name)
{
	struct sp_text wanted, component;

	while (sp_glob_next(&pattern, &wanted)) {
		if (is_deep(wanted)) {
			if (all_deep(pattern))
				return SP_GLOB_MATCHES | SP_GLOB_BELOW | SP_GLOB_COVERS;
			return SP_GLOB_BELOW | (deep_matches(pattern, name) ? SP_GLOB_MATCHES : 0);
		}
		if (!sp_glob_next(&name, &component))
			return SP_GLOB_BELOW;
		if (!component_matches(wanted, component))
			return 0;
	}
	return name.length == 0 ? SP_GLOB_MATCHES : 0;
}

void sp_glob_measure(struct sp_text pattern, struct sp_glob_measure *ret_measure)
{
	struct sp_glob_measure measure = {.exact = true};
	size_t slash = 0;

	for (size_t i = 0; i < pattern.length; i++) {
		char byte = pattern.start[i];
		bool wild = byte == '*' || byte == '?' || byte == '[';

		if (wild && measure.exact) {
			measure.exact = false;
			measure.prefix = i;
			measure.directory = slash;
		}
		if (byte == '/')
			slash = i;
		if (byte == '[')
			i += set_length((struct sp_text){pattern.start + i, pattern.length - i});
		measure.literals += !wild;
	}
	if (measure.exact) {
		measure.prefix = pattern.length;
		measure.directory = pattern.length == 1 ? 0 : pattern.length;
	}
	*ret_measure = measure;
}

static const char *set_mistake(struct sp_text component, size_t *ret_offset)
{
	for (size_t i = 0; i < component.length; i++) {
		size_t length;

		if (component.start[i] != '[')
			continue;
		length = set_length((struct sp_text){component.start + i, component.length - i});
		*ret_offset = i;
		if (length == 0)
			return "a set lacks its ']' within the component";
		i += length - 1;
	}
	return NULL;
}

static const char *component_mistake(struct sp_text component, size_t *ret_offset)
{
	const char *stars =
	    component.length >= 2 ? memmem(component.start, component.length, "**", 2) : NULL;

	*ret_offset = 0;
	if (component.length == 0)
		return "a component is empty";
	if (component.length == 1 && component.start[0] == '.')
		return "'.' names no file; leave the component out";
	if (component.length == 2 && memcmp(component.start, "..", 2) == 0)
		return "'..' is not allowed in a pattern; write the name that it leads to";
	if (stars && !is_deep(component)) {
		*ret_offset = (size_t)(stars - component.start);
		return "'**' must be a whole component";
	}
	return set_mistake(component, ret_offset);
}

static const char *byte_mistake(struct sp_text pattern, size_t *ret_offset)
{
	for (size_t i = 0; i < pattern.length; i++) {
		unsigned char byte = (unsigned char)pattern.start[i];

		*ret_offset = i;
		if (byte < 0x20 || byte == 0x7f)
			return "a pattern holds a control character";
	}
	return NULL;
}

const char *sp_glob_mistake(struct sp_text pattern, size_t *ret_offset)
{
	struct sp_text rest = pattern, component;
	const char *mistake;

	*ret_offset = 0;
	if (pattern.length == 0)
		return "a path is empty";
	if (pattern.start[0] != '/')
		return "a path must be absolute";
	if (pattern.length >= PATH_MAX)
		return "a path is longer than 4095 bytes";
	mistake = byte_mistake(pattern, ret_offset);
	if (mistake || pattern.length == 1)
		return mistake;
	while (sp_glob_next(&rest, &component)) {
		size_t offset;

		mistake = component_mistake(component, &offset);
		if (!mistake)
			continue;
		*ret_offset = (size_t)(component.start - pattern.start) + offset;
		return component.length == 0 && rest.length == 0
			   ? "a path ends in '/'; write '/**' for all that is below"
			   : mistake;
	}
	*ret_offset = 0;
	return NULL;
}
