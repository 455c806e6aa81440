/* Forms of texts: an option's unit says to people what a value looks like, and its first words are the key to the check
   here. */
#include <arpa/inet.h>
#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/conf_table.h"
#include "base/mem.h"
#include "base/net.h"
#include "base/rate.h"

static bool form_address(const char *text, struct err *why)
{
    char host[INET6_ADDRSTRLEN];
    const char *end = strrchr(text, ':');
    bool six = text[0] == '[';
    if (end == NULL || (six && (end == text || end[-1] != ']')))
        return false;
    size_t len = (size_t)(end - text) - (six ? 2 : 0);
    if (len >= sizeof host)
        return false;
    memcpy(host, text + six, len);
    host[len] = '\0';
    uint8_t raw[16];
    uint64_t port;
    if (inet_pton(six ? AF_INET6 : AF_INET, host, raw) != 1)
        return err_set(why, 0, "", "'%.60s' is no address in numbers", host) == 0;
    if (conf_number(end + 1, &end, &port) < 0 || *end || port < 1 || port > 65535)
        return err_set(why, 0, "", "the port must be 1 to 65535") == 0;
    return true;
}

static bool form_ip(const char *text, struct err *why)
{
    (void)why;
    uint8_t raw[16];
    return inet_pton(AF_INET, text, raw) == 1 || inet_pton(AF_INET6, text, raw) == 1;
}

static bool form_net(const char *text, struct err *why)
{
    FREE_MEM char *host = mem_str(text);
    char *slash = strchr(host, '/');
    if (slash == NULL)
        return false;
    *slash = '\0';
    struct in_addr a;
    uint64_t bits;
    const char *end;
    if (inet_pton(AF_INET, host, &a) != 1 || conf_number(slash + 1, &end, &bits) < 0 || *end || bits < 8 || bits > 30)
        return err_set(why, 0, "", "must be ADDRESS/BITS, bits 8 to 30") == 0;
    if (ntohl(a.s_addr) & (UINT32_MAX >> bits))
        return err_set(why, 0, "", "the address has bits set behind the first %u", (unsigned)bits) == 0;
    return true;
}

static bool form_net6(const char *text, struct err *why)
{
    struct net n;
    if (net_parse(text, &n, why) < 0)
        return false;
    return (n.six && n.bits >= 16 && n.bits <= 120) || err_set(why, 0, "", "must be an IPv6 ADDRESS/BITS, bits 16 to 120") == 0;
}

/* A word of ours in front: nft has keywords that are no names. */
static bool form_table(const char *text, struct err *why)
{
    if (strncmp(text, "holdfast", 8) != 0 || !name_ok(text))
        return err_set(why, 0, "", "must begin with holdfast; a-z 0-9 . _ - may follow") == 0;
    return true;
}

static bool form_any_net(const char *text, struct err *why)
{
    struct net n;
    return net_parse(text, &n, why) == 0;
}

static bool form_rate(const char *text, struct err *why)
{
    struct rate r;
    return rate_parse(text, &r, why) >= 0;
}

static bool form_egress(const char *text, struct err *why)
{
    struct egress r;
    return egress_parse(text, &r, why) == 0;
}

static bool form_absolute(const char *text, struct err *why)
{
    for (const char *at = text; (at = strstr(at, "/..")); at++)
        if (at[3] == '/' || at[3] == '\0')
            return err_set(why, 0, "", "must not hold '..'") == 0;
    return text[0] == '/';
}

static bool form_variable(const char *text, struct err *why)
{
    (void)why;
    if (!isalpha((unsigned char)*text) && *text != '_')
        return false;
    while (isalnum((unsigned char)*text) || *text == '_')
        text++;
    return *text == '=';
}

static bool form_words(const char *text, struct err *why)
{
    char **words;
    const char *what;
    if (conf_words(text, &words, &what) < 0)
        return err_set(why, 0, "", "%s", what) == 0;
    bool some = words[0] && words[0][0];
    conf_words_free(words);
    return some;
}

static bool form_cpus(const char *text, struct err *why)
{
    struct conf_cpus set;
    if (conf_cpus(text, &set) == 0)
        return true;
    return err_set(why, 0, "", "must be numbers below %d and ranges of them, with commas between", CONF_CPUS_MOST) == 0;
}

static bool form_name(const char *text, struct err *why)
{
    (void)why;
    return name_ok(text);
}

static int digit64(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c ? strchr(digits, c) : NULL;
    return at ? (int)(at - digits) : -1;
}

/* Decodes base64 up to a space or the end; the bytes written, or -1. */
static long decode64(const char *text, uint8_t *out)
{
    uint32_t bits = 0;
    unsigned have = 0;
    size_t n = 0, chars = strcspn(text, " \t"), pad = 0;
    for (size_t i = 0; i < chars; i++) {
        int d = digit64(text[i]);
        if (d < 0) {
            pad = chars - i;
            break;
        }
        bits = (bits << 6) | (uint32_t)d;
        have += 6;
        if (have >= 8)
            out[n++] = (uint8_t)(bits >> (have -= 8));
    }
    if (chars % 4 || pad > 2 || strspn(text + chars - pad, "=") != pad)
        return -1;
    return (long)n;
}

static const char *const key_types[] = {
    "ssh-ed25519", "ssh-rsa", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com", "sk-ecdsa-sha2-nistp256@openssh.com",
};

static bool is_key_type(const char *text, size_t len)
{
    size_t i = 0;
    while (i < countof(key_types) && (strlen(key_types[i]) != len || memcmp(key_types[i], text, len) != 0))
        i++;
    return i < countof(key_types);
}

/* Behind the options of a key, whose blanks stand in quotes: what they say is the store's to judge. */
static const char *behind_options(const char *text)
{
    bool quoted = false;
    for (; *text && (quoted || (*text != ' ' && *text != '\t')); text++)
        if (*text == '\\' && text[1] == '"')
            text++;
        else if (*text == '"')
            quoted = !quoted;
    return text + strspn(text, " \t");
}

static bool form_key(const char *text, struct err *why)
{
    if (!is_key_type(text, strcspn(text, " \t")))
        text = behind_options(text);
    size_t len = strcspn(text, " \t");
    if (!is_key_type(text, len))
        return err_set(why, 0, "", "must start with the key's type (ssh-ed25519, ssh-rsa, ecdsa-sha2-nistp256, ...), or with options and then "
                                   "the type") == 0;
    const char *blob = text + len + strspn(text + len, " \t");
    FREE_MEM uint8_t *raw = mem_new(strlen(blob) + 3);
    long n = decode64(blob, raw);
    const uint8_t head[4] = { 0, 0, 0, (uint8_t)len };
    if (n < (long)(4 + len) + 4 || memcmp(raw, head, 4) != 0 || memcmp(raw + 4, text, len) != 0)
        return err_set(why, 0, "", "the key's base64 part is damaged or cut off") == 0;
    return true;
}

static bool form_ca(const char *text, struct err *why)
{
    if (strncmp(text, "ssh-ed25519 ", 12) != 0)
        return err_set(why, 0, "", "signatures of other CAs than ssh-ed25519 cannot be verified") == 0;
    return form_key(text, why);
}

/* One component of a pattern; what a person could take for more than it is, is refused rather than let nothing be hidden. */
static bool form_part(const char *part, size_t len, struct err *why)
{
    FREE_MEM char *one = mem_strn(part, len);
    const char *open = strchr(one, '[');
    if (len == 0)
        return err_set(why, 0, "", "no name before, between or behind slashes (one '/' in front is allowed)") == 0;
    if (strcmp(one, ".") == 0 || strcmp(one, "..") == 0)
        return err_set(why, 0, "", "'.' and '..' are no names to hide") == 0;
    if (strcmp(one, "**") == 0)
        return err_set(why, 0, "", "'**' is not known; a pattern without '/' fits at any depth") == 0;
    if (open && strchr(open, ']') == NULL)
        return err_set(why, 0, "", "'[' without its ']'") == 0;
    size_t slashes = strspn(one + len - 1, "\\");
    for (size_t i = len - slashes; slashes && i > 0 && one[i - 1] == '\\'; i--)
        slashes++;
    if (slashes % 2)
        return err_set(why, 0, "", "a backslash with nothing behind it") == 0;
    return true;
}

static bool form_pattern(const char *text, struct err *why)
{
    size_t len = strlen(text);
    if (text[0] == ' ' || text[len - 1] == ' ')
        return err_set(why, 0, "", "a space in front or behind") == 0;
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)text[i] < ' ' || text[i] == 127)
            return err_set(why, 0, "", "control characters") == 0;
    for (size_t i = 0; i < len; i++)
        if (text[i] == '{' && (i == 0 || text[i - 1] != '\\'))
            return err_set(why, 0, "", "'{a,b}' is not known: a line each (a brace itself is '\\{')") == 0;
    for (text += text[0] == '/';; text++) {
        len = strcspn(text, "/");
        if (!form_part(text, len, why))
            return false;
        text += len;
        if (*text == '\0')
            return true;
    }
}

/* The names are looked at by who knows the system calls of this machine. */
static bool form_changes(const char *text, struct err *why)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789_";
    for (text += strspn(text, " \t"); *text; text += strspn(text, " \t")) {
        size_t len = strcspn(text, " \t"), name = strspn(text + 1, letters);
        if ((*text != '+' && *text != '-') || name == 0 || name + 1 != len)
            return err_set(why, 0, "", "'%.*s'", (int)(len < 60 ? len : 60), text) == 0;
        text += len;
    }
    return true;
}

static const struct form {
    const char *unit;
    bool (*ok)(const char *text, struct err *why);
    bool quoted;
} forms[] = {
    { "ADDRESS:PORT", form_address, false },
    { "IP address", form_ip, false },
    { "IPv4 network", form_net, false },
    { "network, as", form_any_net, false },
    { "VERB BURST/TIME", form_rate, false },
    { "IPv6 network", form_net6, false },
    { "table of nftables", form_table, false },
    { "allow or deny NET", form_egress, false },
    { "absolute path", form_absolute, false },
    { "NAME=VALUE", form_variable, false },
    { "program and arguments", form_words, true },
    { "one line of authorized_keys form", form_key, true },
    { "key of a CA", form_ca, true },
    { "pattern of names", form_pattern, false },
    { "+CALL or -CALL", form_changes, false },
    { "processors", form_cpus, false },
    { "name", form_name, false },
};

static const struct form *form_of(const char *unit)
{
    for (size_t i = 0; i < countof(forms); i++)
        if (strncmp(unit, forms[i].unit, strlen(forms[i].unit)) == 0)
            return &forms[i];
    return NULL;
}

bool conf_form(const char *unit, const char *text, struct err *why)
{
    const struct form *f = form_of(unit);
    return f == NULL || f->ok(text, why);
}

bool conf_form_quoted(const char *unit)
{
    const struct form *f = form_of(unit);
    return f && f->quoted;
}
