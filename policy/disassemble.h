/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SALLYPORT_POLICY_DISASSEMBLE_H
#define SALLYPORT_POLICY_DISASSEMBLE_H

#include <linux/filter.h>
#include <stdio.h>

/* One line an instruction: its index, what it does, and what the numbers mean. */
void sp_disassemble(FILE *out, const struct sock_filter *code, size_t count);

#endif
