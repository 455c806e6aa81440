/* What the targets share: bytes as a supply of choices, messages made of them, an end of the process that is none.  t/fuzz/all.t builds them. */
#ifndef T_FUZZ_H
#define T_FUZZ_H

#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/msg.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

struct supply { const uint8_t *p; size_t left; };

/* 0 when nothing is left. */
uint8_t take_u8(struct supply *in);
uint32_t take_u32(struct supply *in);   /* small, mostly */
uint64_t take_u64(struct supply *in);
/* At most MOST bytes; owned by the caller, a NUL behind them. */
char *take_bytes(struct supply *in, size_t most, size_t *size);
char *take_rest(struct supply *in, size_t *size);

/* Fields behind M's begin, by a letter each: i u32, q u64, s str, b bytes, f a descriptor (of a memfd, owned by M's sender), n a count and as many
   times what stands in the parentheses behind it.  Texts are one of WORDS (NULL-terminated) or anything.  Here and there a field is missing,
   of another kind, or too much. */
void put_fields(struct supply *in, struct msg *m, const char *letters, const char *const *words);
/* Sends M, frees it and what it carries. */
void send_fields(int fd, struct msg *m);

/* What the next call of die leads to, where a role may end because of what it is told: if (MAY_DIE) ... else it has died.  Without, and for
   every bug, the process aborts. */
extern jmp_buf died;
extern bool may_die;
#define MAY_DIE (may_die = true, setjmp(died) == 0)

/* A folder of our own on a tmpfs, made once, removed at the end. */
const char *work_folder(void);

#endif
