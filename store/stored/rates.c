#include "store/stored/rates.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/log.h"
#include "base/mem.h"

struct account_use {
    struct account_use *next;
    char account[NAME_MOST + 1];
    struct rate_left left[RATES];
};

static struct {
    struct rate rules[RATES];
    struct account_use *uses;
} rates;

void rates_apply(struct store *s UNUSED, const struct rate rules[RATES])
{
    memcpy(rates.rules, rules, sizeof rates.rules);
}

/* Nothing of it is used: as one that was never made. */
static bool is_full(struct account_use *u, uint64_t now)
{
    uint64_t full_in;
    for (unsigned i = 0; i < RATES; i++) {
        rate_there(&u->left[i], (enum rate_verb)i, now, &full_in);
        if (full_in > 0)
            return false;
    }
    return true;
}

static void sweep(uint64_t now)
{
    for (struct account_use **at = &rates.uses; *at;) {
        struct account_use *u = *at;
        if (is_full(u, now)) {
            *at = u->next;
            free(u);
        } else
            at = &u->next;
    }
}

static struct account_use *use_of(const char *account)
{
    uint64_t now = now_ms();
    struct account_use *u = rates.uses;
    while (u && strcmp(u->account, account) != 0)
        u = u->next;
    if (u == NULL) {
        sweep(now);
        u = mem_new(sizeof *u);
        snprintf(u->account, sizeof u->account, "%s", account);
        u->next = rates.uses;
        rates.uses = u;
    }
    for (unsigned i = 0; i < RATES; i++)
        rate_set(&u->left[i], &rates.rules[i], now);
    return u;
}

bool rates_take(struct wish *w, enum rate_verb verb, uint64_t n)
{
    struct account_use *u = use_of(w->session->account);
    uint64_t ms = rate_take(&u->left[verb], verb, n, now_ms());
    if (ms == 0)
        return true;
    wish_refuse(w, CODE_LATER, "%s has used up its rate of %s ('limits' shows it), retry after %llu s", w->session->account, rate_name(verb),
                (unsigned long long)(ms + 999) / 1000);
    return false;
}

void rates_give_back(struct store *s UNUSED, const char *account, enum rate_verb verb)
{
    rate_give_back(&use_of(account)->left[verb], verb, 1);
}

void rates_put(struct store *s UNUSED, const char *account, struct msg *m)
{
    struct account_use *u = use_of(account);
    uint64_t now = now_ms();
    msg_put_u32(m, RATES);
    for (unsigned i = 0; i < RATES; i++) {
        enum rate_verb verb = (enum rate_verb)i;
        const struct rate *r = &rates.rules[i];
        uint64_t full_in, left = rate_there(&u->left[i], verb, now, &full_in);
        msg_put_str(m, rate_name(verb));
        msg_put_u32(m, rate_bytes(verb));
        msg_put_u64(m, rate_bytes(verb) ? (uint64_t)r->burst << 20 : r->burst);
        msg_put_u64(m, r->ms);
        msg_put_u64(m, r->burst ? left : 0);
        msg_put_u64(m, full_in);
    }
}

/* --- the operations ------------------------------------------------------------------------------------------------------------------------ */

bool limits(struct wish *w)
{
    if (w->text[0] == '\0')
        return true;
    for (unsigned i = 0; i < RATES; i++)
        if (rate_bytes((enum rate_verb)i) && strcmp(rate_name((enum rate_verb)i), w->text) == 0) {
            if (rates_take(w, (enum rate_verb)i, w->number))
                wish_refuse(w, CODE_OK, "%s", "");
            return false;
        }
    wish_refuse(w, CODE_USAGE, "limits: '%s' is nothing that is counted in bytes", esc(w->text));
    return false;
}
