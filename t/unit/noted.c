/* What a session notes for the record: one message a turn, and what becomes of it while the store does not read. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "sshd/session/activity.h"
#include "sshd/session/conn.h"

enum { SERVERS = 100 };

static struct session s;
static bool full;
static unsigned messages, events;
static uint64_t lost, lost_events;
static size_t longest;

/* The store's end: what it would read. */
bool store_tell(struct session *me, struct msg *m)
{
    cr_assert_eq(me, &s);
    cr_assert_not(m->body.bad);
    if (full) {
        msg_free(m);
        return false;
    }
    messages++;
    longest = m->body.len > longest ? m->body.len : longest;
    uint32_t n = msg_get_u32(m);
    cr_assert(n > 0 && n <= ACTIVITY_MOST, "%u events", n);
    while (n-- > 0) {
        size_t size;
        uint32_t action = msg_get_u32(m);
        for (int i = 0; i < 3; i++)
            msg_get_bytes(m, &size);
        uint64_t number = msg_get_u64(m);
        msg_get_u32(m);
        events++;
        lost_events += action == ACTIVITY_LOST;
        lost += action == ACTIVITY_LOST ? number : 0;
    }
    msg_end(m);
    msg_free(m);
    return true;
}

static void note(const char *server, const char *path)
{
    activity_note(&s, ACTIVITY_WRITE, server, path, "", 1, 0);
}

Test(noted, a_turn_is_a_message)
{
    activity_send(&s);
    cr_assert_eq(messages, 0u, "nothing to say");
    for (int i = 0; i < 64; i++)
        note("one", "a");
    cr_assert_eq(messages, 0u);
    activity_send(&s);
    activity_send(&s);
    cr_assert_eq(messages, 1u);
    cr_assert_eq(events, 64u);
}

Test(noted, nothing_is_lost_while_the_store_reads)
{
    char path[ACTIVITY_PATH];
    memset(path, 'p', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    for (int i = 0; i < 1000; i++)
        activity_note(&s, ACTIVITY_RENAME, "one", path, path, 0, 0);
    activity_send(&s);
    cr_assert_eq(events, 1000u);
    cr_assert_eq(lost, 0u);
    cr_assert(longest < MSG_MOST);
}

Test(noted, what_does_not_fit_is_counted)
{
    full = true;
    for (int i = 0; i < 10000; i++)
        note(i % 2 ? "one" : "two", "a");
    activity_send(&s);
    full = false;
    activity_send(&s);
    cr_assert_eq(messages, 1u);
    cr_assert_eq(lost_events, 2u, "a record for each server");
    cr_assert_eq(events - lost_events + lost, 10000u, "%u of them were sent, %llu counted", events, (unsigned long long)lost);
    note("one", "a");
    activity_send(&s);
    cr_assert_eq(lost_events, 2u, "once");
}

Test(noted, losses_of_many_servers_are_told_by_and_by)
{
    full = true;
    for (int i = 0; i < 1000; i++)
        note("one", "a");
    for (int i = 0; i < SERVERS; i++) {
        char name[16];
        snprintf(name, sizeof name, "s%d", i);
        note(name, "a");
    }
    full = false;
    for (int i = 0; i < 3; i++) {
        activity_send(&s);
        note("one", "a");
    }
    activity_send(&s);
    cr_assert_eq(lost_events, SERVERS + 1u);
    cr_assert_eq(events - lost_events + lost, 1000u + SERVERS + 3u);
}
