#include "sshd/supervisor/store_conf.h"

#include "base/msg.h"
#include "base/rate.h"
#include "store/proto.h"

static void put_rates(const struct conf *conf, struct msg *m)
{
    struct rate rates[RATES];
    for (unsigned i = 0; i < RATES; i++)
        rates[i] = rate_default((enum rate_verb)i);
    for (size_t i = 0; i < conf->limits.rate.n; i++) {
        struct rate r;
        int verb = rate_parse(conf->limits.rate.v[i], &r, NULL);
        if (verb >= 0)
            rates[verb] = r;
    }
    msg_put_u32(m, RATES);
    for (unsigned i = 0; i < RATES; i++) {
        msg_put_u32(m, i);
        msg_put_u32(m, rates[i].burst);
        msg_put_u64(m, rates[i].ms);
    }
}

static void put_lines(struct msg *m, const struct conf_list *lines)
{
    msg_put_u32(m, (uint32_t)lines->n);
    for (size_t i = 0; i < lines->n; i++)
        msg_put_str(m, lines->v[i]);
}

void store_conf_begin(struct link *l, const struct conf *conf)
{
    struct msg m;
    msg_begin(&m, STORE_CONF_BEGIN, 0);
    msg_put_u32(&m, conf->log.activity_days);
    msg_put_u32(&m, conf->log.activity_rows);
    msg_put_u32(&m, conf_ranges(conf));
    put_rates(conf, &m);
    put_lines(&m, &conf->auth.ca_key);
    put_lines(&m, &conf->auth.revoked);
    link_send(l, &m);
}

void store_conf_account(struct link *l, const struct conf_account *a)
{
    struct msg m;
    msg_begin(&m, STORE_CONF_ACCOUNT, 0);
    msg_put_str(&m, a->name);
    msg_put_u32(&m, a->password == CONF_YES);
    msg_put_u32(&m, a->suspended == CONF_YES);
    msg_put_u32(&m, a->max_connections);
    msg_put_u32(&m, a->rights);
    msg_put_u32(&m, a->own_keys == CONF_YES);
    msg_put_u32(&m, a->second_factor == SECOND_FACTOR_TOTP);
    msg_put_u32(&m, (uint32_t)a->key.n);
    for (size_t i = 0; i < a->key.n; i++)
        msg_put_str(&m, a->key.v[i]);
    link_send(l, &m);
}

void store_conf_server(struct link *l, const struct conf_server *v)
{
    struct msg m;
    msg_begin(&m, STORE_CONF_SERVER, 0);
    msg_put_str(&m, v->name);
    msg_put_str(&m, v->owner);
    msg_put_u32(&m, (uint32_t)v->allow.n);
    for (size_t i = 0; i < v->allow.n; i++) {
        msg_put_str(&m, v->allow.v[i].account);
        msg_put_u32(&m, v->allow.v[i].rights);
    }
    link_send(l, &m);
}
