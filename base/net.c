#include "base/net.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

static int number(const char *text, const char **end, unsigned most, unsigned *out)
{
    unsigned v = 0;
    if (*text < '0' || *text > '9')
        return -1;
    for (; *text >= '0' && *text <= '9'; text++)
        if ((v = v * 10 + (unsigned)(*text - '0')) > most)
            return -1;
    *end = text;
    *out = v;
    return 0;
}

static bool clean_behind(const struct net *n)
{
    for (unsigned bit = n->bits; bit < (n->six ? 128u : 32u); bit++)
        if (n->address[bit / 8] & (0x80 >> bit % 8))
            return false;
    return true;
}

int net_parse(const char *text, struct net *n, struct err *why)
{
    char host[INET6_ADDRSTRLEN];
    const char *end;
    size_t len = strcspn(text, "/");
    *n = (struct net){ .six = memchr(text, ':', len) != NULL };
    unsigned most = n->bits = n->six ? 128 : 32;
    if (len >= sizeof host)
        return err_set(why, 0, "", "'%.60s' is no address in numbers", text);
    memcpy(host, text, len);
    host[len] = '\0';
    if (inet_pton(n->six ? AF_INET6 : AF_INET, host, n->address) != 1)
        return err_set(why, 0, "", "'%.60s' is no address in numbers", host);
    if (text[len] && (number(text + len + 1, &end, most, &n->bits) < 0 || *end))
        return err_set(why, 0, "", "behind the '/' stand bits, 0 to %u", most);
    if (!clean_behind(n))
        return err_set(why, 0, "", "the address has bits set behind the first %u", n->bits);
    return 0;
}

const char *net_text(const struct net *n, char *buf)
{
    char host[INET6_ADDRSTRLEN] = "";
    inet_ntop(n->six ? AF_INET6 : AF_INET, n->address, host, sizeof host);
    snprintf(buf, NET_TEXT, "%s/%u", host, n->bits);
    return buf;
}

bool net_whole(const struct net *n)
{
    return n->bits == (n->six ? 128 : 32);
}

const char *net_address6(const struct net *n, uint64_t index, char *buf)
{
    uint8_t a[16];
    unsigned room = 128 - n->bits;
    buf[0] = '\0';
    if (!n->six || (room < 64 && index >> room))
        return buf;
    memcpy(a, n->address, sizeof a);
    for (int i = 15; i >= 8; i--, index >>= 8)
        a[i] = (uint8_t)(a[i] | (index & 0xff));
    inet_ntop(AF_INET6, a, buf, INET6_ADDRSTRLEN);
    return buf;
}

/* ---- egress ---- */

static int take_word(const char **text, struct egress *r)
{
    static const struct { const char *word; bool allow; } words[] = { { "allow ", true }, { "deny ", false } };
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (strncmp(*text, words[i].word, strlen(words[i].word)) == 0) {
            r->allow = words[i].allow;
            *text += strlen(words[i].word);
            *text += strspn(*text, " \t");
            return 0;
        }
    return -1;
}

static void take_protocol(char *text, struct egress *r)
{
    static const struct { const char *end; uint8_t protocol; } ends[] = { { "/tcp", IPPROTO_TCP }, { "/udp", IPPROTO_UDP } };
    size_t len = strlen(text);
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++)
        if (len > 4 && strcmp(text + len - 4, ends[i].end) == 0) {
            r->protocol = ends[i].protocol;
            text[len - 4] = '\0';
        }
}

static int take_ports(const char *text, struct egress *r, struct err *why)
{
    unsigned low, high;
    if (number(text, &text, 65535, &low) < 0 || low == 0)
        return err_set(why, 0, "", "the port must be 1 to 65535");
    high = low;
    if (*text == '-' && (number(text + 1, &text, 65535, &high) < 0 || high < low))
        return err_set(why, 0, "", "the last port must be %u to 65535", low);
    if (*text)
        return err_set(why, 0, "", "'%.40s' behind the ports; allowed: /tcp, /udp", text);
    r->low = (uint16_t)low;
    r->high = (uint16_t)high;
    return 0;
}

/* Cuts the ports off: their text, or NULL if there are none. */
static const char *cut_ports(char **net)
{
    char *colon = strchr(*net, ':');
    if ((*net)[0] == '[') {
        char *end = strchr(*net, ']');
        if (end == NULL)
            return "";
        *end = '\0';
        (*net)++;
        return end[1] == ':' ? end + 2 : end[1] ? "" : NULL;
    }
    if (colon == NULL || strchr(colon + 1, ':'))
        return NULL;
    *colon = '\0';
    return colon + 1;
}

int egress_parse(const char *text, struct egress *r, struct err *why)
{
    char copy[128];
    *r = (struct egress){ 0 };
    if (take_word(&text, r) < 0)
        return err_set(why, 0, "", "must begin with 'allow ' or 'deny '");
    if (snprintf(copy, sizeof copy, "%s", text) >= (int)sizeof copy)
        return err_set(why, 0, "", "is too long");
    take_protocol(copy, r);
    char *net = copy;
    const char *ports = cut_ports(&net);
    if (ports && take_ports(ports, r, why) < 0)
        return -1;
    return net_parse(net, &r->net, why);
}
