#include "sandbox/policy/print.h"

#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"

static const char *action_text(uint32_t action, char *text, size_t size)
{
    uint32_t kind = action & SECCOMP_RET_ACTION_FULL;
    if (kind == SECCOMP_RET_ALLOW)
        return "allow";
    if (kind != SECCOMP_RET_ERRNO)
        return "kill";
    const char *name = strerrorname_np((int)(action & SECCOMP_RET_DATA));
    snprintf(text, size, "errno %s", name ? name : "?");
    return text;
}

static void put_line(struct buf *out, const struct policy_row *r, bool json)
{
    char room[40];
    const char *action = action_text(r->action, room, sizeof room);
    if (!json) {
        buf_put_fmt(out, "%-24s %-62s %-18s %s\n", r->name, r->text[0] ? r->text : "-", action, r->reason);
        return;
    }
    json_begin(out, NULL);
    json_str(out, "call", r->name);
    json_i64(out, "number", r->nr);
    json_str(out, "conditions", r->text);
    json_str(out, "action", action);
    json_str(out, "reason", r->reason);
    json_end(out);
    json_line(out);
}

static int by_name(const void *a, const void *b)
{
    const struct policy_row *x = a, *y = b;
    int words = strcmp(x->name, y->name);
    return words ? words : x->order < y->order ? -1 : 1;
}

void print_policy(struct buf *out, struct policy_row *rows, size_t n, uint32_t fallback, bool json)
{
    qsort(rows, n, sizeof rows[0], by_name);
    if (!json)
        buf_put_fmt(out, "%-24s %-62s %-18s %s\n", "CALL", "CONDITIONS", "ACTION", "REASON");
    const char *decided = "";
    for (size_t i = 0; i < n; i++) {
        /* Behind a row without conditions no other of its call is tried. */
        if (strcmp(rows[i].name, decided) == 0)
            continue;
        put_line(out, &rows[i], json);
        if (rows[i].nconditions == 0)
            decided = rows[i].name;
    }
    const struct policy_row rest[] = {
        { .name = "(any other)", .nr = -1, .action = fallback, .text = "", .reason = "not listed" },
        { .name = "(any)", .nr = -1, .action = SECCOMP_RET_KILL_PROCESS, .text = "of another architecture", .reason = "32 bits, x32" },
    };
    for (size_t i = 0; i < sizeof rest / sizeof rest[0]; i++)
        put_line(out, &rest[i], json);
}
