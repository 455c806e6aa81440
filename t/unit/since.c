/* Times as people write them, and where a log begins to be as young. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "sshd/session/since.h"

static const int64_t now = 1709298123456;   /* 2024-03-01T13:02:03Z */

static void is(const char *text, const char *want)
{
    int64_t ms = -1;
    char got[32];
    cr_assert(since_parse(text, now, &ms), "'%s' is refused", text);
    wall_text(ms, got, sizeof got);
    cr_assert_str_eq(got, want, "'%s': %s, not %s", text, got, want);
}

Test(since, forms)
{
    is("0s", "2024-03-01T13:02:03Z");
    is("90s", "2024-03-01T13:00:33Z");
    is("10m", "2024-03-01T12:52:03Z");
    is("2h", "2024-03-01T11:02:03Z");
    is("3d", "2024-02-27T13:02:03Z");
    is("999999999d", "1970-01-01T00:00:00Z");
    is("today", "2024-03-01T00:00:00Z");
    is("yesterday", "2024-02-29T00:00:00Z");
    is("2024-02-29", "2024-02-29T00:00:00Z");
    is("2023-12-31T23:59:59Z", "2023-12-31T23:59:59Z");
    is("2023-12-31t23:59:59.999z", "2023-12-31T23:59:59Z");
    is("2024-01-01T00:30:00+01:00", "2023-12-31T23:30:00Z");
    is("2023-12-31T23:30:00-01:30", "2024-01-01T01:00:00Z");
    is("1970-01-01", "1970-01-01T00:00:00Z");
    is("2100-03-01", "2100-03-01T00:00:00Z");
    is("2000-02-29", "2000-02-29T00:00:00Z");
    is("2031-07-04T05:06:07Z", "2031-07-04T05:06:07Z");
}

Test(since, what_is_none)
{
    static const char *const none[] = {
        "", "10", "m", "10x", "10mm", "-10m", "1234567890s", "10 m", "Today", "now", "2024", "2024-1-1", "2024-13-01", "2024-00-01", "2024-01-00",
        "2024-01-32", "2023-02-29", "2100-02-29", "1969-12-31", "2024-01-01T", "2024-01-01T00:00", "2024-01-01T00:00:00", "2024-01-01T24:00:00Z",
        "2024-01-01T00:60:00Z", "2024-01-01T00:00:61Z", "2024-01-01T00:00:00.Z", "2024-01-01T00:00:00+1", "2024-01-01T00:00:00+24:00",
        "2024-01-01T00:00:00Zx", "2024-01-01 00:00:00Z", "2024-01-01x",
    };
    for (size_t i = 0; i < countof(none); i++) {
        int64_t ms;
        cr_assert_not(since_parse(none[i], now, &ms), "'%s'", none[i]);
    }
}

static int file_of(const void *bytes, size_t size)
{
    int fd = memfd_create("log", MFD_CLOEXEC);
    cr_assert(fd >= 0 && write(fd, bytes, size) == (ssize_t)size);
    return fd;
}

/* Lines of all lengths, so that times lie across every edge of a piece, with some that have none and some older than those before. */
Test(since, found_in_a_log)
{
    enum { LINES = 600, MOST = 4 << 20 };
    FREE_MEM char *log = mem_new(MOST);
    off_t at[LINES];
    int64_t when[LINES];
    size_t size = 0;
    for (int i = 0; i < LINES; i++) {
        char text[32];
        when[i] = i % 50 == 7 ? 0 : now + (i % 40 == 3 ? i - 20 : i) * 1000;
        at[i] = (off_t)size;
        int length = i % 90 == 5 ? 64 * 1024 + i : (i * 37) % 900;
        size += (size_t)snprintf(log + size, MOST - size, "%s\t%0*d\n", when[i] ? wall_text(when[i], text, sizeof text) : "no time", length, i);
    }
    CLOSE_FD int fd = file_of(log, size);
    for (int want = -2; want <= LINES; want++) {
        char since[32];
        off_t right = (off_t)size;
        for (int i = LINES - 1; i >= 0; i--)
            if (when[i] && when[i] >= now + want * 1000)
                right = at[i];
        wall_text(now + want * 1000, since, sizeof since);
        cr_assert_eq(since_find(fd, (off_t)size, since), right, "%d", want);
    }
    cr_assert_eq(since_find(fd, 0, "2024-03-01T00:00:00Z"), 0);
    CLOSE_FD int small = file_of("x\n", 2);
    cr_assert_eq(since_find(small, 2, "2024-03-01T00:00:00Z"), 2);
}
