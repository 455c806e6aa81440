/* The numbers of connections that passed the packet filter. */
#include <criterion/criterion.h>

#include "sandbox/filter/mark.h"

Test(mark, each_second_has_one_of_its_own_among_ours)
{
    static uint8_t seen[(1 << 28) / 8];
    for (uint64_t second = 0; second < 1 << 28; second++) {
        uint32_t mark = mark_of(second), at = mark & ~MARK_FIRST;
        if ((mark & MARK_FIRST) != MARK_OURS || seen[at / 8] >> at % 8 & 1)
            cr_assert_fail("%#x, of second %lu", mark, (unsigned long)second);
        seen[at / 8] |= (uint8_t)(1 << at % 8);
    }
    cr_assert_eq(mark_of(1 << 28), 0, "none is used again");
    cr_assert_eq(mark_of(UINT64_C(1) << 32), 0);
}

Test(mark, a_few_other_bits_are_not_the_next_ones)
{
    for (uint64_t second = 0; second < 100000; second++)
        for (uint64_t later = 1; later < 30; later++)
            cr_assert_geq(__builtin_popcount(mark_of(second) ^ mark_of(second + later)), 2);
}
