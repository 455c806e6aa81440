/* A small BPF machine: what the kernel would answer by a filter.  For Criterion tests. */
#ifndef TEST_LIB_BPF_H
#define TEST_LIB_BPF_H

#include <criterion/criterion.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>

static inline uint32_t bpf_run(const struct sock_filter *program, size_t n, const struct seccomp_data *d)
{
    uint32_t a = 0;
    for (size_t pc = 0; pc < n; pc++) {
        const struct sock_filter *f = &program[pc];
        switch (f->code) {
        case BPF_LD | BPF_W | BPF_ABS: a = *(const uint32_t *)((const char *)d + f->k); break;
        case BPF_ALU | BPF_AND | BPF_K: a &= f->k; break;
        case BPF_JMP | BPF_JA: pc += f->k; break;
        case BPF_JMP | BPF_JEQ | BPF_K: pc += a == f->k ? f->jt : f->jf; break;
        case BPF_JMP | BPF_JGT | BPF_K: pc += a > f->k ? f->jt : f->jf; break;
        case BPF_JMP | BPF_JGE | BPF_K: pc += a >= f->k ? f->jt : f->jf; break;
        case BPF_RET | BPF_K: return f->k;
        default: cr_assert_fail("code %x", f->code);
        }
    }
    cr_assert_fail("fell off the end");
    return 0;
}

#endif
