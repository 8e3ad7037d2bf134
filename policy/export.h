/* SPDX-License-Identifier: Apache-2.0 */
/* Marks what the shared library shows to the outside; everything else is hidden. */
#ifndef SALLYPORT_POLICY_EXPORT_H
#define SALLYPORT_POLICY_EXPORT_H

#define SP_EXPORT __attribute__((visibility("default")))

#endif
