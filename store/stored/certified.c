#include "store/stored/certified.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/die.h"
#include "base/io.h"
#include "base/mem.h"

static bool names(const struct cert *cert, const char *account)
{
    for (size_t i = 0; i < cert->nprincipals; i++)
        if (strcmp(cert->principals[i], account) == 0)
            return true;
    return false;
}

const char *certified_refuses(const struct session *s, const struct cert *c, const char *account, const char *fingerprint)
{
    struct pass p;
    uint64_t now = (uint64_t)wall_ms() / 1000;
    pass_of(c, &p);
    const char *why = trust_refuses(s->store->trust, &p, fingerprint, now);
    if (why)
        return why;
    if (!cert_signed(c))
        return "the signature is not its CA's";
    if (now < c->after)
        return "not yet valid";
    if (c->nprincipals == 0)
        return "lacks principal list";
    if (!names(c, account))
        return "name is not a listed principal";
    int from = c->sources ? cert_from(c->sources, s->address) : 1;
    return from == 1 ? NULL : from == 0 ? "not from this address" : "its source-address is no list of networks";
}

bool certified_ours(const struct session *s, const struct cert *c)
{
    struct pass p;
    pass_of(c, &p);
    return trust_has_ca(s->store->trust, p.ca) && cert_signed(c);
}

/* What the certificate allows, as options in front of a key would say it. */
static void hold(struct session *s, const char *command, bool no_terminal)
{
    struct key_options o = KEY_OPTIONS_NONE;
    if (s->pass.before <= INT64_MAX / 1000)
        o.expires = (int64_t)s->pass.before * 1000;
    struct buf b BUF_FREE = BUF(KEY_OPTIONS_MOST);
    if (no_terminal)
        o.flags |= KEY_NO_PTY;
    if (command[0]) {
        o.flags |= KEY_LIMITED;
        o.command = mem_str(command);
        buf_put_fmt(&b, "command=\"");
        for (const char *at = command; *at; at++)
            buf_put_fmt(&b, *at == '"' ? "\\%c" : "%c", *at);
        buf_put_fmt(&b, "\"%s", no_terminal ? "," : "");
    }
    if (no_terminal)
        buf_put_fmt(&b, "no-pty");
    session_key_hold(s, mem_strn(buf_size(&b) ? (const void *)buf_head(&b) : "", buf_size(&b)), &o);
}

void certified_take(struct session *s, const struct cert *c)
{
    s->certified = true;
    pass_of(c, &s->pass);
    hold(s, c->command ? c->command : "", !c->terminal);
}

void certified_put(const struct session *s, struct buf *login)
{
    if (!s->certified)
        return;
    buf_put_u64(login, s->pass.serial);
    buf_put_u64(login, s->pass.before);
    buf_put_bytes(login, s->pass.id, sizeof s->pass.id);
    buf_put_str(login, s->pass.ca);
    buf_put_str(login, s->options.command ? s->options.command : "");
    buf_put_u8(login, s->options.flags & KEY_NO_PTY);
}

void certified_get(struct session *s, struct buf *login)
{
    size_t nid;
    if (login->bad || buf_size(login) == 0)
        return;
    s->certified = true;
    s->pass.serial = buf_get_u64(login);
    s->pass.before = buf_get_u64(login);
    const uint8_t *id = buf_get_bytes(login, &nid);
    FREE_MEM char *ca = buf_get_str(login);
    FREE_MEM char *command = buf_get_str(login);
    bool no_terminal = buf_get_u8(login) != 0;
    if (login->bad || nid != sizeof s->pass.id)
        die("the supervisor hands over a certificate that is none of ours");
    memcpy(s->pass.id, id, nid);
    snprintf(s->pass.ca, sizeof s->pass.ca, "%s", ca);
    hold(s, command, no_terminal);
}

const char *certified_ended(const struct session *s)
{
    return trust_refuses(s->store->trust, &s->pass, s->fingerprint, (uint64_t)wall_ms() / 1000);
}
