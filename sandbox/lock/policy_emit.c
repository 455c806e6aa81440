/* From rows to a BPF program. */
#include "sandbox/lock/policy.h"

#include <linux/seccomp.h>
#include <stdlib.h>
#include <string.h>

enum { X32_BIT = 0x40000000 };

static struct sock_filter *program;
static unsigned size;
static bool too_long;
static uint32_t default_action;
/* What the accumulator holds: the word of the data at this place, or something else.  At the end of a row: wherever it was given up. */
enum { OTHER = -1, UNSEEN = -2 };
static int held, held_after;

static unsigned emit(uint16_t code, uint8_t jt, uint8_t jf, uint32_t k)
{
    if (size == BPF_MAXINSNS) {
        too_long = true;
        return size - 1;
    }
    program[size] = (struct sock_filter){ code, jt, jf, k };
    return size++;
}

/* Jump targets inside one condition: FAIL is patched once the row's end is known. */
enum { NEXT = 0, FAIL = 0xff };

static void load_arg(unsigned arg, bool high)
{
    uint32_t at = (uint32_t)(offsetof(struct seccomp_data, args) + arg * sizeof(uint64_t) + (high ? 4 : 0));
    if (held == (int)at)
        return;
    emit(BPF_LD | BPF_W | BPF_ABS, 0, 0, at);
    held = (int)at;
}

/* From here the row may be left for the next one. */
static void may_leave(void)
{
    held_after = held_after == UNSEEN || held_after == held ? held : OTHER;
}

static void emit_equal(const struct policy_condition *c)
{
    const uint64_t mask = c->op == POLICY_MASK ? c->mask : ~0ULL;
    const uint32_t part[2] = { (uint32_t)(mask >> 32), (uint32_t)mask };
    const uint32_t value[2] = { (uint32_t)(c->value >> 32), (uint32_t)c->value };
    for (int i = 0; i < 2; i++) {
        if (part[i] == 0)
            continue;
        load_arg(c->arg, i == 0);
        if (part[i] != ~0U) {
            emit(BPF_ALU | BPF_AND | BPF_K, 0, 0, part[i]);
            held = OTHER;
        }
        may_leave();
        emit(BPF_JMP | BPF_JEQ | BPF_K, NEXT, FAIL, value[i]);
    }
}

static void emit_not_equal(const struct policy_condition *c)
{
    load_arg(c->arg, true);
    emit(BPF_JMP | BPF_JEQ | BPF_K, NEXT, 2, (uint32_t)(c->value >> 32));
    load_arg(c->arg, false);
    emit(BPF_JMP | BPF_JEQ | BPF_K, FAIL, NEXT, (uint32_t)c->value);
}

/* Above (or at) the value passes; with BELOW the other way round: a < v is not a >= v. */
static void emit_order(const struct policy_condition *c, bool or_equal, bool below)
{
    const uint16_t test = or_equal ? BPF_JGE : BPF_JGT;
    load_arg(c->arg, true);
    emit(BPF_JMP | BPF_JGT | BPF_K, below ? FAIL : 3, NEXT, (uint32_t)(c->value >> 32));
    emit(BPF_JMP | BPF_JEQ | BPF_K, NEXT, below ? 2 : FAIL, (uint32_t)(c->value >> 32));
    load_arg(c->arg, false);
    emit((uint16_t)(BPF_JMP | test | BPF_K), below ? FAIL : NEXT, below ? NEXT : FAIL, (uint32_t)c->value);
}

static void emit_condition(const struct policy_condition *c)
{
    switch (c->op) {
    case POLICY_EQ: case POLICY_MASK: emit_equal(c); return;
    case POLICY_NE: emit_not_equal(c); break;
    case POLICY_GT: emit_order(c, false, false); break;
    case POLICY_GE: emit_order(c, true, false); break;
    case POLICY_LT: emit_order(c, true, true); break;
    case POLICY_LE: emit_order(c, false, true); break;
    }
    /* One word or the other. */
    held = held_after = OTHER;
}

static void emit_row(const struct policy_row *r)
{
    unsigned start = size;
    held_after = UNSEEN;
    for (unsigned i = 0; i < r->nconditions; i++)
        emit_condition(&r->conditions[i]);
    held = held_after;
    emit(BPF_RET | BPF_K, 0, 0, r->action);
    for (unsigned i = start; i < size; i++) {
        uint8_t past = (uint8_t)(size - i - 1);
        if (program[i].jt == FAIL)
            program[i].jt = past;
        if (program[i].jf == FAIL)
            program[i].jf = past;
    }
}

/* The numbers of system calls cut into stretches that are decided alike. */
struct stretch {
    uint32_t first;
    const struct policy_row *row;   /* the first of its rows; NULL: the default */
    unsigned nrows;
};
static struct stretch stretches[2 * POLICY_ROWS_MOST + 1];
static unsigned nstretches;

static bool plain(const struct stretch *s, uint32_t action)
{
    if (s->row == NULL)
        return action == default_action;
    return s->row->nconditions == 0 && s->row->action == action;
}

static void add_stretch(uint32_t first, const struct policy_row *row, unsigned n)
{
    uint32_t action = row ? row->action : default_action;
    if (nstretches && (row == NULL || row->nconditions == 0) && plain(&stretches[nstretches - 1], action))
        return;
    stretches[nstretches++] = (struct stretch){ first, row, n };
}

static int by_number(const void *a, const void *b)
{
    const struct policy_row *x = a, *y = b;
    return x->nr != y->nr ? (x->nr < y->nr ? -1 : 1) : (x->order < y->order ? -1 : 1);
}

static void cut_stretches(struct policy_row *rows, size_t nrows)
{
    if (nrows)
        qsort(rows, nrows, sizeof rows[0], by_number);
    nstretches = 0;
    add_stretch(0, NULL, 0);
    for (size_t i = 0; i < nrows;) {
        unsigned n = 1;
        while (i + n < nrows && rows[i + n].nr == rows[i].nr)
            n++;
        add_stretch((uint32_t)rows[i].nr, &rows[i], n);
        if (i + n == nrows || rows[i + n].nr != rows[i].nr + 1)
            add_stretch((uint32_t)rows[i].nr + 1, NULL, 0);
        i += n;
    }
}

static void emit_stretch(const struct stretch *s)
{
    held = OTHER;
    for (unsigned i = 0; i < s->nrows; i++) {
        emit_row(&s->row[i]);
        if (s->row[i].nconditions == 0)
            return;
    }
    emit(BPF_RET | BPF_K, 0, 0, default_action);
}

/* Lets the conditional jump at TEST pass over all that came behind it.  It reaches 255 instructions only: further takes a jump of its own. */
static void jump_over(unsigned test)
{
    unsigned length = size - test - 1;
    if (length <= UINT8_MAX) {
        program[test].jt = (uint8_t)length;
        return;
    }
    emit(BPF_JMP | BPF_JA, 0, 0, 0);
    if (too_long)
        return;
    memmove(&program[test + 2], &program[test + 1], length * sizeof program[0]);
    program[test].jf = 1;
    program[test + 1] = (struct sock_filter){ BPF_JMP | BPF_JA, 0, 0, length };
}

/* A binary search. */
static void emit_search(unsigned from, unsigned to)
{
    if (to - from == 1) {
        emit_stretch(&stretches[from]);
        return;
    }
    unsigned middle = from + (to - from) / 2;
    unsigned test = emit(BPF_JMP | BPF_JGE | BPF_K, 0, 0, stretches[middle].first);
    emit_search(from, middle);
    jump_over(test);
    emit_search(middle, to);
}

static void emit_program(void)
{
    emit(BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, arch));
    emit(BPF_JMP | BPF_JEQ | BPF_K, 1, 0, POLICY_ARCH);
    emit(BPF_RET | BPF_K, 0, 0, SECCOMP_RET_KILL_PROCESS);
    emit(BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, nr));
    /* -1 is no call: the kernel answers ENOSYS, or what a tracer that put it there wants.  Killing for it would keep failing calls from being
       tried out. */
    emit(BPF_JMP | BPF_JEQ | BPF_K, 0, 1, UINT32_MAX);
    emit(BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW);
#if defined(__x86_64__)
    emit(BPF_JMP | BPF_JGE | BPF_K, 0, 1, X32_BIT);
    emit(BPF_RET | BPF_K, 0, 0, SECCOMP_RET_KILL_PROCESS);
#endif
    emit_search(0, nstretches);
}

unsigned policy_emit(struct policy_row *rows, size_t n, uint32_t fallback, struct sock_filter out[BPF_MAXINSNS])
{
    program = out;
    size = 0;
    too_long = n > POLICY_ROWS_MOST;
    default_action = fallback;
    if (!too_long) {
        cut_stretches(rows, n);
        emit_program();
    }
    return too_long ? 0 : size;
}
