#include <criterion/criterion.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

Test(random, fills_all_of_it_and_nothing_else)
{
    for (int size = 0; size <= 300; size++) {
        unsigned char bytes[302];
        unsigned touched[302] = { 0 };
        /* A byte may come out as it was: over some rounds it does not. */
        for (int round = 0; round < 40; round++) {
            memset(bytes, 0xa5, sizeof bytes);
            cr_assert_eq(RAND_bytes(bytes + 1, size), 1);
            for (size_t i = 0; i < sizeof bytes; i++)
                touched[i] += bytes[i] != 0xa5;
        }
        for (int i = 0; i < 302; i++)
            cr_assert_eq(touched[i] > 0, i >= 1 && i <= size, "byte %d of %d", i, size);
    }
}

static int order(const void *a, const void *b)
{
    return memcmp(a, b, 16);
}

Test(random, never_the_same_bytes_twice)
{
    static unsigned char seen[20000][16];
    for (size_t i = 0; i < 20000; i++)
        cr_assert_eq(RAND_bytes(seen[i], 16), 1);
    qsort(seen, 20000, 16, order);
    for (size_t i = 1; i < 20000; i++)
        cr_assert_neq(memcmp(seen[i - 1], seen[i], 16), 0);
}

Test(random, every_bit_is_set_half_of_the_time)
{
    enum { DRAWS = 40000 };
    unsigned set[8] = { 0 };
    for (int i = 0; i < DRAWS; i++) {
        unsigned char byte;
        cr_assert_eq(RAND_bytes(&byte, 1), 1);
        for (int bit = 0; bit < 8; bit++)
            set[bit] += byte >> bit & 1;
    }
    for (int bit = 0; bit < 8; bit++)
        cr_assert(set[bit] > DRAWS / 2 - 1000 && set[bit] < DRAWS / 2 + 1000, "bit %d: %u", bit, set[bit]);
}

Test(random, refuses_a_size_below_zero)
{
    unsigned char byte = 7;
    cr_assert_eq(RAND_bytes(&byte, -1), 0);
    cr_assert_eq(byte, 7);
}
