/* Who may have how many of the machine's handles. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "base/attr.h"
#include "sshd/supervisor/shares.h"

enum { MOST = 200 };

static uint64_t limit[MOST];

/* What no outcome may break. */
static void share(uint64_t node, uint64_t each, size_t n, const uint64_t *use)
{
    uint64_t used = 0, sum = 0;
    shares(node, each, n, use, limit);
    for (size_t i = 0; i < n; i++) {
        used += use[i];
        sum += use[i] > limit[i] ? use[i] : limit[i];
        cr_assert_leq(limit[i], each);
        cr_assert(limit[i] >= use[i] || use[i] > each, "what is open may stay open");
    }
    cr_assert_leq(sum, used > node ? used : node, "%lu of %lu", (unsigned long)sum, (unsigned long)node);
}

Test(shares, with_room_each_has_the_whole_of_it)
{
    const uint64_t use[] = { 0, 128, 5, 0, 0 };
    share(1024, 128, countof(use), use);
    for (size_t i = 0; i < countof(use); i++)
        cr_assert_eq(limit[i], 128);
}

Test(shares, short_it_is_shared_evenly)
{
    const uint64_t idle[10] = { 0 };
    share(100, 128, 10, idle);
    for (size_t i = 0; i < 10; i++)
        cr_assert_eq(limit[i], 7, "a quarter stays for who comes");
    const uint64_t use[] = { 40, 0, 0 };
    share(100, 128, 3, use);
    cr_assert_eq(limit[0], 40, "it keeps what it has and takes no more");
    cr_assert(limit[1] == limit[2] && limit[1] == 17);
}

Test(shares, a_late_comer_has_a_few)
{
    uint64_t use[MOST] = { 0 };
    size_t n = 1;
    for (; n <= 38; n++) {
        share(1024, 128, n, use);
        cr_assert_geq(limit[n - 1], SHARE_FEW, "number %zu has %lu", n, (unsigned long)limit[n - 1]);
        use[n - 1] = limit[n - 1];
    }
    /* They all took whatever they could; now the machine is full. */
    for (; n <= 100; n++)
        share(1024, 128, n, use);
}

Test(shares, what_is_closed_goes_to_the_others)
{
    uint64_t use[] = { 750, 8, 8 };
    share(1024, 1000, 3, use);
    cr_assert_leq(limit[1], 16);
    use[0] = 100;
    share(1024, 1000, 3, use);
    cr_assert_geq(limit[1], 250);
    cr_assert_eq(limit[1], limit[2]);
}

Test(shares, tiny_and_overdrawn)
{
    const uint64_t none[3] = { 0 }, much[] = { 500, 3 };
    share(1, 128, 1, none);
    cr_assert_eq(limit[0], 1);
    share(3, 128, 3, none);
    cr_assert(limit[0] == 1 && limit[1] == 1 && limit[2] == 1);
    share(16, 128, 1, none);
    cr_assert_eq(limit[0], 12);
    share(100, 50, 2, much);
    cr_assert(limit[0] == 50 && limit[1] == 3, "a reload lowered the limits under them");
    share(UINT32_MAX, UINT32_MAX, 2, much);
    share(100, 1, 2, none);
    cr_assert(limit[0] == 1 && limit[1] == 1);
}

Test(shares, never_more_than_there_is)
{
    uint64_t use[MOST];
    unsigned seed = 1;
    for (int turn = 0; turn < 5000; turn++) {
        size_t n = 1 + (size_t)rand_r(&seed) % 60;
        uint64_t node = 1 + (uint64_t)rand_r(&seed) % 2000, each = 1 + (uint64_t)rand_r(&seed) % 300;
        for (size_t i = 0; i < n; i++)
            use[i] = (uint64_t)rand_r(&seed) % (each + 1);
        share(node, each, n, use);
    }
}
