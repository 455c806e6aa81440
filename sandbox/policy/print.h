/* A changed policy, for people or for programs. */
#ifndef SANDBOX_POLICY_PRINT_H
#define SANDBOX_POLICY_PRINT_H

#include "base/buf.h"
#include "sandbox/lock/policy.h"

/* ROWS are sorted by name.  A line a row, in the order in which those of one call are tried; last what no row names. */
void print_policy(struct buf *out, struct policy_row *rows, size_t n, uint32_t fallback, bool json);

#endif
