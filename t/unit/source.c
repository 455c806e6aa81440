#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "sshd/supervisor/source.h"

static struct super super;

static void begin(void)
{
    log_to(open("/dev/null", O_WRONLY | O_CLOEXEC));
    conf_init(&super.conf);
}

TestSuite(source, .init = begin);

static struct source *of(const char *text)
{
    struct sockaddr_storage a;
    memset(&a, 0, sizeof a);
    if (strchr(text, ':')) {
        a.ss_family = AF_INET6;
        cr_assert_eq(inet_pton(AF_INET6, text, &((struct sockaddr_in6 *)&a)->sin6_addr), 1);
    } else {
        a.ss_family = AF_INET;
        cr_assert_eq(inet_pton(AF_INET, text, &((struct sockaddr_in *)&a)->sin_addr), 1);
    }
    return source_of(&super, &a);
}

Test(source, is_an_address_of_ipv4_and_a_network_of_ipv6)
{
    struct source *four = of("192.0.2.1");
    source_enter(four);     /* one that has nothing may be forgotten by the next look-up */
    struct source *six = of("2001:db8:1:2::1");
    source_enter(six);
    cr_assert_eq(of("192.0.2.1"), four);
    cr_assert_neq(of("192.0.2.2"), four);
    cr_assert_eq(of("2001:db8:1:2:ffff::9"), six);
    cr_assert_neq(of("2001:db8:1:3::1"), six);
    cr_assert_eq(of("::ffff:192.0.2.1"), four, "a mapped address is the IPv4 one");
    cr_assert_str_eq(source_text(six), "2001:db8:1:2::/64");
}

Test(source, is_refused_from_fifteen_seconds_on_and_not_before)
{
    struct source *s = of("192.0.2.1");
    source_enter(s);
    source_punish(&super, s, 5000, "test");
    source_punish(&super, s, 5000, "test");
    cr_assert_not(source_refused(&super, s));
    source_punish(&super, s, 5000, "test");
    cr_assert(source_refused(&super, s));
    cr_assert_not(source_refused(&super, of("192.0.2.2")), "others are not");
}

Test(source, penalties_run_out)
{
    super.conf.limits.penalty_min = 40;
    struct source *s = of("192.0.2.1");
    source_enter(s);
    source_punish(&super, s, 50, "test");
    cr_assert(source_refused(&super, s));
    usleep(80000);
    cr_assert_not(source_refused(&super, s));
    source_punish(&super, s, 10, "test");
    cr_assert_not(source_refused(&super, s), "what ran out does not count again");
}

Test(source, are_remembered_within_a_bound)
{
    for (unsigned i = 0; i < 20000; i++) {
        char text[32];
        snprintf(text, sizeof text, "10.%u.%u.%u", i >> 16, i >> 8 & 255, i & 255);
        source_punish(&super, of(text), 1000, "test");
    }
    unsigned n = 0;
    /* The list pointer is the first member. */
    for (struct source *s = super.sources; s; s = *(struct source **)s)
        n++;
    cr_assert_leq(n, 8192u);
}

Test(source, cools_down_after_too_many_tries)
{
    super.conf.limits.cooldown = 60;
    struct source *s = of("192.0.2.1");
    source_enter(s);
    for (int i = 0; i < 2; i++)
        source_try(&super, s, TRY_PASSWORD, 3);
    source_try(&super, s, TRY_KEY, 20);
    cr_assert_not(source_refused(&super, s));
    source_forgive(s);
    source_try(&super, s, TRY_PASSWORD, 3);
    source_try(&super, s, TRY_PASSWORD, 3);
    cr_assert_not(source_refused(&super, s), "a login between them starts anew");
    source_try(&super, s, TRY_PASSWORD, 3);
    cr_assert(source_refused(&super, s));
    usleep(90000);
    cr_assert_not(source_refused(&super, s));
}

Test(source, is_kept_for_those_who_logged_in)
{
    struct source *s = of("192.0.2.1");
    source_enter(s);
    source_leave(s);
    /* Looking up another one forgets what nobody needs. */
    source_enter(of("192.0.2.2"));
    cr_assert_eq(of("192.0.2.1"), s);
    source_punish(&super, s, 90000, "test");
    cr_assert(source_refused(&super, of("192.0.2.1")), "the connection's end is still held against it");
    source_release(s);
}
