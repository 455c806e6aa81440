/* A policy in memory: what policyc makes of etc/seccomp/NAME.policy, what an admin's changes are applied to, what a filter is made of. */
#ifndef SANDBOX_LOCK_POLICY_H
#define SANDBOX_LOCK_POLICY_H

#include <linux/audit.h>
#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { POLICY_ROWS_MOST = 1024, POLICY_CONDITIONS_MOST = 6 };

#if defined(__x86_64__)
#define POLICY_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define POLICY_ARCH AUDIT_ARCH_AARCH64
#else
#error "seccomp policies are compiled for x86_64 and aarch64 only"
#endif

enum policy_op { POLICY_EQ, POLICY_NE, POLICY_LT, POLICY_LE, POLICY_GT, POLICY_GE, POLICY_MASK };

struct policy_condition {
    unsigned arg;
    enum policy_op op;
    uint64_t mask, value;
};

struct policy_row {
    const char *name;
    int nr;
    uint32_t action;            /* SECCOMP_RET_* with the errno in it */
    unsigned order;             /* among the rows of its call */
    bool never, needed;         /* an admin cannot add the call; cannot take it away */
    unsigned nconditions;
    struct policy_condition conditions[POLICY_CONDITIONS_MOST];
    const char *text;           /* the conditions, as written */
    const char *reason;
};

/* Another call than these gets FALLBACK. */
struct policy {
    const char *name;
    const struct policy_row *rows;
    size_t n;
    uint32_t fallback;
};

struct policy_call { const char *name; int nr; };

/* Sorts ROWS by number and order, and writes the filter to OUT: its length, or 0 when it needs more than BPF_MAXINSNS. */
unsigned policy_emit(struct policy_row *rows, size_t n, uint32_t fallback, struct sock_filter out[BPF_MAXINSNS]);

#endif
