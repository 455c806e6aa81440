#include "sshd/supervisor/standing.h"

#include <string.h>

#include "sshd/supervisor/handles.h"
#include "sshd/supervisor/source.h"
#include "sshd/supervisor/store.h"

static void put_source(const struct super *s, const struct source *src, struct msg *m)
{
    struct source_state st;
    uint64_t refused = 0;
    source_state(src, &st);
    source_refused(src, &refused);
    msg_put_str(m, source_text(src));
    msg_put_u32(m, source_exempt(src));
    msg_put_u64(m, refused);
    msg_put_u64(m, source_penalty(src));
    msg_put_u32(m, st.keys);
    msg_put_u32(m, s->conf.limits.auth_tries);
    msg_put_u32(m, st.passwords);
    msg_put_u32(m, s->conf.limits.password_tries);
}

void standing_tell(struct super *s, struct order *o)
{
    const struct conf_account *a = conf_account(&s->conf, o->account);
    uint32_t connections = 0;
    for (const struct session *c = s->sessions; c; c = c->next)
        connections += strcmp(c->account, o->account) == 0;
    struct msg m;
    result_begin(&m, o->id, CODE_DONE, "");
    msg_put_u32(&m, connections);
    msg_put_u32(&m, a ? a->max_connections : 0);
    msg_put_u32(&m, s->conf.limits.channels);
    msg_put_u32(&m, handles_most(s));
    msg_put_u32(&m, s->conf.limits.account_handles);
    msg_put_u32(&m, s->conf.limits.node_handles);
    put_source(s, o->session->source, &m);
    result_send(s, &m);
}
