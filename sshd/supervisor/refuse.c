#include "sshd/supervisor/refuse.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/bucket.h"
#include "base/buf.h"
#include "base/io.h"
#include "base/log.h"
#include "sshd/supervisor/source.h"

enum { LINES_BURST = 50, LINES_RATE = 5, PARKED = 64, PARK_MS = 1000, BLOCK = 8, PADDING_LEAST = 4 };
/* Of RFC 4253. */
enum { MSG_DISCONNECT = 1, HOST_NOT_ALLOWED = 1, TOO_MANY_CONNECTIONS = 12 };

static const struct {
    uint32_t reason;
    const char *text;       /* to the client; NULL: the penalty's */
    const char *log;        /* NULL: the penalty's word */
} rows[REFUSALS] = {
    [REFUSE_PENALTY] = { HOST_NOT_ALLOWED, NULL, NULL },
    [REFUSE_PER_SOURCE] = { TOO_MANY_CONNECTIONS, "too many connections of your address are not logged in, try again in a moment", "past max_per_source" },
    [REFUSE_EARLY] = { TOO_MANY_CONNECTIONS, "too many connections are not logged in, try again in a moment", "past MaxStartups" },
    [REFUSE_FULL] = { TOO_MANY_CONNECTIONS, "too many connections, try again later", "past max_connections" },
};

/* Closing a socket whose input was not read resets it, and a client that has not read our words yet may then lose them.  So the last few stay a
   moment. */
static struct {
    int fd[PARKED];
    uint64_t until[PARKED];
    unsigned first, n;
    struct timer *timer;
} parked;

static void unpark(void)
{
    close(parked.fd[parked.first]);
    parked.first = (parked.first + 1) % PARKED;
    parked.n--;
}

static void on_parked(void *data)
{
    struct super *s = data;
    uint64_t now = now_ms();
    parked.timer = NULL;
    while (parked.n > 0 && parked.until[parked.first] <= now)
        unpark();
    if (parked.n > 0)
        parked.timer = loop_timer(s->loop, parked.until[parked.first] - now, on_parked, s);
}

static void park(struct super *s, int fd)
{
    if (parked.n == PARKED)
        unpark();
    unsigned at = (parked.first + parked.n++) % PARKED;
    parked.fd[at] = fd;
    parked.until[at] = now_ms() + PARK_MS;
    if (parked.timer == NULL)
        parked.timer = loop_timer(s->loop, PARK_MS, on_parked, s);
}

/* Our version and, as no keys are needed for that yet, a disconnect message: clients show its text. */
static void say(int client, uint32_t reason, const char *text)
{
    static const uint8_t zeroes[BLOCK + PADDING_LEAST];
    struct buf payload BUF_FREE = BUF(512), out BUF_FREE = BUF(1024);
    buf_put_u8(&payload, MSG_DISCONNECT);
    buf_put_u32(&payload, reason);
    buf_put_str(&payload, text);
    buf_put_str(&payload, "en");
    size_t padding = BLOCK - (4 + 1 + buf_size(&payload)) % BLOCK;
    padding += padding < PADDING_LEAST ? BLOCK : 0;
    buf_put_fmt(&out, "SSH-2.0-holdfast\r\n");
    buf_put_u32(&out, (uint32_t)(1 + buf_size(&payload) + padding));
    buf_put_u8(&out, (uint8_t)padding);
    buf_put(&out, buf_head(&payload), buf_size(&payload));
    buf_put(&out, zeroes, padding);
    /* What does not go out at once is lost. */
    if (send(client, buf_head(&out), buf_size(&out), MSG_DONTWAIT | MSG_NOSIGNAL) > 0)
        shutdown(client, SHUT_WR);
}

static unsigned port_text(const struct sockaddr_storage *a, char *text, size_t size)
{
    bool six = a->ss_family == AF_INET6;
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)a;
    const struct sockaddr_in *in = (const struct sockaddr_in *)a;
    inet_ntop(a->ss_family, six ? (const void *)&in6->sin6_addr : &in->sin_addr, text, (socklen_t)size);
    return ntohs(six ? in6->sin6_port : in->sin_port);
}

/* As OpenSSH words it.  A flood must not fill the disk: lines are bounded, and what was left out is counted in the next. */
static void note(int client, const struct sockaddr_storage *from, const char *why)
{
    static struct bucket lines;
    static uint64_t number, silent;
    struct sockaddr_storage to = { .ss_family = AF_INET };
    socklen_t size = sizeof to;
    char theirs[INET6_ADDRSTRLEN] = "", ours[INET6_ADDRSTRLEN] = "";
    if (lines.burst == 0)
        bucket_init(&lines, LINES_BURST, LINES_RATE, now_ms());
    number++;
    if (!bucket_take(&lines, 1, now_ms())) {
        silent++;
        return;
    }
    getsockname(client, (struct sockaddr *)&to, &size);
    unsigned port = port_text(from, theirs, sizeof theirs), our_port = port_text(&to, ours, sizeof ours);
    log_info("drop", "connection #%llu from [%s]:%u on [%s]:%u %s", (unsigned long long)number, theirs, port, ours, our_port, why);
    if (silent)
        log_info("drops.silent", "n=%llu", (unsigned long long)silent);
    silent = 0;
}

void refuse(struct super *s, int client, const struct sockaddr_storage *from, struct source *src, enum refusal why, uint64_t ms)
{
    char text[160], line[64];
    enum penalty penalty = why == REFUSE_PENALTY ? source_why(src) : PENALTY_NONE;
    unsigned long long seconds = (ms + 999) / 1000;
    if (src)
        source_turned_away(src);
    snprintf(line, sizeof line, "penalty: %s", penalty_word(penalty));
    snprintf(text, sizeof text, "%s, retry after %llu s", penalty_reason(penalty), seconds);
    note(client, from, rows[why].log ? rows[why].log : line);
    say(client, rows[why].reason, rows[why].text ? rows[why].text : text);
    park(s, client);
}
