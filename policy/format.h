/* SPDX-License-Identifier: Apache-2.0 */
/* What writer and reader of a CompiledPolicy agree on beyond its schema. */
#ifndef SALLYPORT_POLICY_FORMAT_H
#define SALLYPORT_POLICY_FORMAT_H

/* Grows with every change of compiled.proto or of what its fields mean. */
#define SP_COMPILED_VERSION 8u

#endif
