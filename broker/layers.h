/* SPDX-License-Identifier: Apache-2.0 */
/* What a launch is made of, by the names that failures are reported under. */
#ifndef SALLYPORT_BROKER_LAYERS_H
#define SALLYPORT_BROKER_LAYERS_H

#ifdef __cplusplus
extern "C" {
#endif

enum layer {
#define SP_LAYER(id, name, cure) LAYER_##id,
#include "broker/layers.def"
#undef SP_LAYER
	LAYER_COUNT
};

const char *layer_name(enum layer layer);

/* What a person can do about its failure, or NULL. */
const char *layer_cure(enum layer layer);

#ifdef __cplusplus
}
#endif

#endif
