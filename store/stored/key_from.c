#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/net.h"
#include "store/stored/key_options.h"

/* "::ffff:192.0.2.1" is 192.0.2.1 to everybody. */
static bool address_of(const char *text, struct net *n)
{
    static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
    *n = (struct net){ .bits = 32 };
    if (inet_pton(AF_INET, text, n->address) == 1)
        return true;
    *n = (struct net){ .six = true, .bits = 128 };
    if (inet_pton(AF_INET6, text, n->address) != 1)
        return false;
    if (memcmp(n->address, mapped, sizeof mapped) == 0) {
        memmove(n->address, n->address + 12, 4);
        n->six = false;
        n->bits = 32;
    }
    return true;
}

static bool within(const struct net *outer, const struct net *n)
{
    if (outer->six != n->six)
        return false;
    unsigned bytes = outer->bits / 8, bits = outer->bits % 8;
    return memcmp(outer->address, n->address, bytes) == 0 &&
           (bits == 0 || ((outer->address[bytes] ^ n->address[bytes]) >> (8 - bits)) == 0);
}

/* '*' any bytes, '?' one.  Of several stars only the last needs to be gone back to. */
static bool wild(const char *pattern, const char *text)
{
    const char *star = NULL, *back = NULL;
    while (*text) {
        if (*pattern == '*') {
            star = ++pattern;
            back = text;
        } else if (*pattern == '?' || *pattern == *text) {
            pattern++;
            text++;
        } else if (star) {
            pattern = star;
            text = ++back;
        } else
            return false;
    }
    return pattern[strspn(pattern, "*")] == '\0';
}

/* Addresses are written with small letters. */
static bool wild_address(const char *pattern, const char *address)
{
    FREE_MEM char *low = mem_str(pattern);
    for (char *p = low; *p; p++)
        if (*p >= 'A' && *p <= 'F')
            *p = (char)(*p - 'A' + 'a');
    return wild(low, address);
}

/* A pattern that can fit the text of an address: letters only beside a colon, so that a host's name is never taken for one. */
static bool wild_ok(const char *pattern)
{
    const char *of = strchr(pattern, ':') ? "0123456789abcdefABCDEF:.*?" : "0123456789.*?";
    return pattern[strspn(pattern, of)] == '\0';
}

static int check(const char *pattern, struct err *e)
{
    struct net n;
    struct err why = { 0 };
    if (pattern[0] == '\0' || strlen(pattern) > KEY_ADDRESS_MOST)
        return err_set(e, 0, "option", "from: a pattern is empty or longer than %d bytes", KEY_ADDRESS_MOST);
    if (strchr(pattern, '/'))
        return net_parse(pattern, &n, &why) < 0 ? err_set(e, 0, "option", "from: '%s' is no network: %s", esc(pattern), why.text) : 0;
    if (strpbrk(pattern, "*?") ? wild_ok(pattern) : address_of(pattern, &n))
        return 0;
    return err_set(e, 0, "option", "from: '%s' is no address; allowed: addresses, ADDRESS/BITS, with * and ?, ! in front for not; names of "
                   "hosts are not looked up", esc(pattern));
}

static bool fits(const char *pattern, const char *address, const struct net *n)
{
    struct net net;
    if (strchr(pattern, '/'))
        return net_parse(pattern, &net, NULL) == 0 && within(&net, n);
    if (strpbrk(pattern, "*?"))
        return wild_address(pattern, address);
    return address_of(pattern, &net) && within(&net, n);
}

/* The pattern at *AT without its '!', owned by the caller; NULL behind the last. */
static char *next(const char **at, bool *not)
{
    if (*at == NULL)
        return NULL;
    size_t len = strcspn(*at, ",");
    const char *begin = *at;
    *not = *begin == '!';
    *at = begin[len] == ',' ? begin + len + 1 : NULL;
    return mem_strn(begin + *not, len - *not);
}

int key_from_parse(const char *patterns, struct err *e)
{
    const char *at = patterns;
    bool not;
    int n = 0, r = 0;
    for (char *p; r == 0 && (p = next(&at, &not)) != NULL; free(p))
        r = ++n > KEY_NAMES_MOST ? err_set(e, 0, "option", "from: more than %d patterns", KEY_NAMES_MOST) : check(p, e);
    return r;
}

bool key_from_fits(const char *patterns, const char *address)
{
    const char *at = patterns;
    char text[INET6_ADDRSTRLEN];
    struct net n;
    bool not, yes = false, no = false;
    if (!address_of(address, &n) || inet_ntop(n.six ? AF_INET6 : AF_INET, n.address, text, sizeof text) == NULL)
        return false;
    for (char *p; (p = next(&at, &not)) != NULL; free(p))
        if (fits(p, text, &n)) {
            yes = yes || !not;
            no = no || not;
        }
    return yes && !no;
}
