#include "sshd/session/since.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"

enum { SECOND = 1000, DAY = 24 * 3600 * SECOND, PIECE = 64 * 1024, TIME_SIZE = 20, DIGITS_MOST = 9 };

/* Of exactly N digits at *AT, which moves on. */
static bool digits(const char **at, int n, int *value)
{
    *value = 0;
    for (int i = 0; i < n; i++, ++*at) {
        if (**at < '0' || **at > '9')
            return false;
        *value = *value * 10 + (**at - '0');
    }
    return true;
}

static bool sign(const char **at, char c)
{
    bool is = **at == c;
    *at += is;
    return is;
}

static int days_of(int year, int month)
{
    static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month - 1] + (month == 2 && leap);
}

/* Days from 1970-01-01. */
static int64_t day_number(int year, int month, int day)
{
    int before = year - 1;
    int64_t n = 365LL * (year - 1970) + (before / 4 - before / 100 + before / 400) - (1969 / 4 - 1969 / 100 + 1969 / 400);
    for (int m = 1; m < month; m++)
        n += days_of(year, m);
    return n + day - 1;
}

static bool date(const char **at, int64_t *ms)
{
    int year, month, day;
    if (!digits(at, 4, &year) || !sign(at, '-') || !digits(at, 2, &month) || !sign(at, '-') || !digits(at, 2, &day))
        return false;
    if (year < 1970 || month < 1 || month > 12 || day < 1 || day > days_of(year, month))
        return false;
    *ms = day_number(year, month, day) * DAY;
    return true;
}

static bool zone(const char **at, int64_t *ms)
{
    if (sign(at, 'Z') || sign(at, 'z'))
        return true;
    int hours, minutes;
    bool ahead = sign(at, '+');
    if ((!ahead && !sign(at, '-')) || !digits(at, 2, &hours) || !sign(at, ':') || !digits(at, 2, &minutes) || hours > 23 || minutes > 59)
        return false;
    int64_t offset = (hours * 3600LL + minutes * 60) * SECOND;
    *ms += ahead ? -offset : offset;
    return true;
}

/* RFC 3339. */
static bool clock_time(const char **at, int64_t *ms)
{
    int hours, minutes, seconds;
    if (!digits(at, 2, &hours) || !sign(at, ':') || !digits(at, 2, &minutes) || !sign(at, ':') || !digits(at, 2, &seconds) || hours > 23 ||
        minutes > 59 || seconds > 60)
        return false;
    *ms += (hours * 3600LL + minutes * 60 + seconds) * SECOND;
    if (sign(at, '.')) {
        if (**at < '0' || **at > '9')
            return false;
        *at += strspn(*at, "0123456789");
    }
    return zone(at, ms);
}

static bool absolute(const char *text, int64_t *ms)
{
    if (!date(&text, ms))
        return false;
    if (sign(&text, 'T') || sign(&text, 't'))
        return clock_time(&text, ms) && *text == '\0';
    return *text == '\0';
}

static bool ago(const char *text, int64_t now, int64_t *ms)
{
    static const struct { char unit; int64_t ms; } units[] = { { 's', SECOND }, { 'm', 60 * SECOND }, { 'h', 3600 * SECOND }, { 'd', DAY } };
    int n = (int)strspn(text, "0123456789"), value;
    if (n == 0 || n > DIGITS_MOST || !digits(&text, n, &value))
        return false;
    for (size_t i = 0; i < countof(units); i++)
        if (text[0] == units[i].unit && text[1] == '\0') {
            *ms = now - value * units[i].ms;
            *ms = *ms < 0 ? 0 : *ms;
            return true;
        }
    return false;
}

bool since_parse(const char *text, int64_t now, int64_t *ms)
{
    int64_t today = now - now % DAY;
    if (strcmp(text, "today") == 0)
        *ms = today;
    else if (strcmp(text, "yesterday") == 0)
        *ms = today - DAY;
    else
        return ago(text, now, ms) || absolute(text, ms);
    return true;
}

static bool has_time(const uint8_t *line)
{
    return line[4] == '-' && line[10] == 'T' && line[TIME_SIZE - 1] == 'Z';
}

off_t since_find(int fd, off_t size, const char *since)
{
    FREE_MEM uint8_t *piece = mem_new(PIECE);
    bool begins = true;
    for (off_t at = 0; at < size;) {
        size_t want = size - at < PIECE ? (size_t)(size - at) : PIECE, i = 0;
        if (pread(fd, piece, want, at) != (ssize_t)want)
            return size;
        while (i < want) {
            /* A line's beginning at the end of a piece is looked at with the next. */
            if (begins && want - i < TIME_SIZE && i > 0 && at + (off_t)want < size)
                break;
            if (begins && want - i >= TIME_SIZE && has_time(piece + i) && memcmp(piece + i, since, TIME_SIZE) >= 0)
                return at + (off_t)i;
            const uint8_t *end = memchr(piece + i, '\n', want - i);
            begins = end != NULL;
            i = end ? (size_t)(end - piece) + 1 : want;
        }
        at += (off_t)i;
    }
    return size;
}
