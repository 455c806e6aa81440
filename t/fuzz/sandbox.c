/* What the helpers of root are told: the plan of launch, the filter's settings and servers, the changes of a policy.  They may end because of it,
   but never take what cannot be. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/die.h"
#include "base/io.h"
#include "base/mem.h"
#include "sandbox/filter/read.h"
#include "sandbox/filter/rules.h"
#include "sandbox/launch/plan.h"
#include "sandbox/lock/change.h"
#include "sandbox/proto.h"
#include "t/fuzz/fuzz.h"

static const char *const words[] = { "survival", "./run", "/home/server", "TOKEN=secret", "", "hf0ad50002", "1.1.1.1", "/usr/lib/holdfast-init",
    "holdfast", "10.213.0.0/16", "fd6b:52ca:7d1f::/64", "10.213.0.1", "10.213.0.2", "::1", "0.0.0.0/0", "fd6b:52ca:7d1f::2", "*", "lo", NULL };

static void plan(struct supply *in)
{
    static struct plan p;
    static struct msg m;
    bool errand = take_u8(in) & 1, fds = take_u8(in) & 1;
    struct err e = { 0 };
    msg_begin(&m, errand ? LAUNCH_ERRAND : LAUNCH_RUN, 0);
    put_fields(in, &m, errand ? "siiin(s)sn(s)iqqiiiiiiisssn(ii)n(s)issiisiqiiiffff" : "siiin(s)sn(s)iqqiiiiiiisssn(ii)n(s)issiisiqifff", words);
    m.received = true;
    if (MAY_DIE) {
        p = (struct plan){ 0 };
        if (plan_read(&p, &m, fds, &e) == 0) {
            invariant(p.argv.n >= 1 && p.argv.each[p.argv.n] == NULL && p.base >= PLAN_UIDS && p.shim_uid != 0 && p.profile < PROFILE_COUNT);
            const int *owned[] = { &p.root, &p.logs, &p.listener, &p.cgroup, &p.filter, &p.image, &p.stdio[0], &p.stdio[1], &p.stdio[2] };
            for (size_t i = 0; i < countof(owned); i++)
                if (*owned[i] > 2)
                    close(*owned[i]);
            plan_free(&p);
        } else
            invariant(e.text[0] || e.step[0] || e.no);
    }
    may_die = false;
    msg_free(&m);
    /* Those that it took and did not get to own. */
    for (int fd = 10; fd < 40; fd++)
        close(fd);
}

static void start(struct supply *in)
{
    static struct msg m;
    static struct settings s;
    struct start how = { 0 };
    struct err e = { 0 };
    msg_begin(&m, FILTER_START, 0);
    put_fields(in, &m, "isssn(s)n(s)n(i)iii", words);
    if (MAY_DIE) {
        s = (struct settings){ 0 };
        if (read_settings(&m, &s, &how, &e) == 0) {
            BUF_FREE struct buf text = BUF(1 << 20);
            struct state none STATE_FREE = { 0 }, all STATE_FREE = { 0 };
            rules_common(&s, &all);
            state_change(s.table, &none, &all, &text);
            state_change(s.table, &all, &none, &text);
            invariant(!text.bad && strncmp(s.table, "holdfast", 8) == 0 && memchr(buf_head(&text), '\0', buf_size(&text)) == NULL);
        }
        settings_free(&s);
    }
    may_die = false;
    msg_free(&m);
}

static void set(struct supply *in)
{
    static struct msg m;
    static const struct settings s = { .table = "holdfast" };
    struct err e = { 0 };
    msg_begin(&m, FILTER_SET, 0);
    put_fields(in, &m, "ssssn(ii)n(s)n(isiii)qq", words);
    if (MAY_DIE) {
        struct server *v = read_server(&m, &e);
        if (v) {
            BUF_FREE struct buf text = BUF(1 << 20);
            struct state none STATE_FREE = { 0 }, all STATE_FREE = { 0 };
            rules_server(&s, v, &all);
            state_change(s.table, &none, &all, &text);
            state_change(s.table, &all, &none, &text);
            invariant(memchr(buf_head(&text), '\0', buf_size(&text)) == NULL && memchr(buf_head(&text), ';', buf_size(&text)) != buf_head(&text));
            server_free(v);
        } else
            invariant(e.text[0] || e.step[0]);
    }
    may_die = false;
    msg_free(&m);
}

static void change(struct supply *in)
{
    static struct policy_row rows[POLICY_ROWS_MOST];
    static struct sock_filter program[BPF_MAXINSNS];
    static const char *const some[] = { "+ptrace", "-read", "+bpf", "-openat", "+perf_event_open", "+mount", "-clone", "read", "+", "" };
    char *list[CHANGES_MOST];
    size_t n = 0, nrows = 0, size;
    struct err e = { 0 };
    const struct policy *p = &policies[take_u8(in) % PROFILE_COUNT];
    while (in->left && n < CHANGES_MOST) {
        uint8_t how = take_u8(in);
        list[n++] = how < 200 ? mem_str(some[how % countof(some)]) : take_bytes(in, 60, &size);
    }
    if (change_apply(p, list, n, rows, &nrows, &e) == 0) {
        invariant(nrows <= POLICY_ROWS_MOST);
        policy_emit(rows, nrows, p->fallback, program);
    } else
        invariant(e.text[0]);
    for (size_t i = 0; i < n; i++)
        free(list[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static void (*const parts[])(struct supply *in) = { plan, start, set, change };
    struct supply in = { bytes, size };
    parts[take_u8(&in) % countof(parts)](&in);
    return 0;
}
