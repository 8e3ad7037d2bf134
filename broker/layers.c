/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/layers.h"

#include <stddef.h>

static const struct {
	const char *name, *cure;
} layers[LAYER_COUNT] = {
#define SP_LAYER(id, layer, advice) [LAYER_##id] = {layer, advice},
#include "broker/layers.def"
#undef SP_LAYER
};

const char *layer_name(enum layer layer)
{
	return layer < LAYER_COUNT ? layers[layer].name : "launch";
}

const char *layer_cure(enum layer layer)
{
	return layer < LAYER_COUNT ? layers[layer].cure : NULL;
}
