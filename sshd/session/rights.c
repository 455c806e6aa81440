#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "sshd/session/conn.h"

struct rights_listener {
    struct rights_listener *next, **prev;
    rights_fn *fn;
    void *data;
};

static void forget(struct session *s)
{
    for (size_t i = 0; i < s->nservers; i++) {
        free(s->servers[i].name);
        free(s->servers[i].owner);
    }
    free(s->servers);
    s->servers = NULL;
    s->nservers = 0;
}

void rights_read(struct session *s, struct msg *m)
{
    forget(s);
    uint32_t n = msg_get_u32(m);
    for (uint32_t i = 0; i < n; i++) {
        s->servers = mem_grow(s->servers, s->nservers + 1, sizeof *s->servers);
        struct server_right *r = &s->servers[s->nservers++];
        r->name = msg_get_str(m);
        r->rights = msg_get_u32(m);
        r->owner = msg_get_str(m);
    }
}

static void tell(struct session *s, const char *server, uint32_t rights, uint32_t lost)
{
    struct rights_listener *next;
    for (struct rights_listener *l = s->listeners; l; l = next) {
        next = l->next;
        l->fn(l->data, server, rights, lost);
    }
}

bool rights_change(struct session *s, const char *server, uint32_t rights)
{
    size_t i = 0;
    while (i < s->nservers && strcmp(s->servers[i].name, server) != 0)
        i++;
    if (i == s->nservers)
        return rights == 0;
    /* The name may live in the row that goes. */
    FREE_MEM char *name = mem_str(server);
    uint32_t lost = s->servers[i].rights & ~rights;
    s->servers[i].rights = rights;
    if (rights == 0) {
        free(s->servers[i].name);
        free(s->servers[i].owner);
        memmove(&s->servers[i], &s->servers[i + 1], (s->nservers - i - 1) * sizeof *s->servers);
        s->nservers--;
    }
    tell(s, name, rights, lost);
    return true;
}

const struct server_right *session_servers(const struct session *s, size_t *n)
{
    *n = s->nservers;
    return s->servers;
}

const struct server_right *session_server(const struct session *s, const char *name)
{
    for (size_t i = 0; i < s->nservers; i++)
        if (strcmp(s->servers[i].name, name) == 0)
            return &s->servers[i];
    return NULL;
}

struct rights_listener *session_on_rights(struct session *s, rights_fn *fn, void *data)
{
    struct rights_listener *l = mem_new(sizeof *l);
    *l = (struct rights_listener){ .next = s->listeners, .prev = &s->listeners, .fn = fn, .data = data };
    if (l->next)
        l->next->prev = &l->next;
    s->listeners = l;
    return l;
}

void rights_listener_free(struct rights_listener *l)
{
    if (l == NULL)
        return;
    *l->prev = l->next;
    if (l->next)
        l->next->prev = l->prev;
    free(l);
}

const char *session_account(const struct session *s) { return s->account; }
const char *session_home(const struct session *s) { return s->home; }
const char *session_enrolling(const struct session *s)
{
    return s->factor != SECOND_ENROL ? NULL : "this account needs a second factor before anything else: run 'totp enroll', put what it shows into "
                                              "your authenticator app, then run 'totp verify CODE'";
}

unsigned session_handle_limit(const struct session *s) { return s->handles; }
uint64_t session_id(const struct session *s) { return s->id; }
