/* md5sum and its like, as stock clients run them: output to the byte as GNU coreutils has it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "sshd/session/exec_files.h"
#include "sshd/session/hash.h"
#include "sshd/session/sftp_virtual.h"
#include "sshd/session/verbs.h"

struct summing {
    struct exec *x;
    struct hash *hash;
    char **names;            /* into the command's words; `stdin_name` when there are none */
    size_t n, at;
    bool binary, tag, zero;
    bool reading;            /* "-" is at hand: input is taken */
    bool eof, failed;
    int fd;                  /* of the file at hand, or -1 */
    uint64_t offset;
    struct timer *turn;
};

static char stdin_name[] = "-";

static void drop(struct exec *x)
{
    struct summing *g = x->state;
    timer_free(g->turn);
    hash_free(g->hash);
    if (g->fd >= 0)
        close(g->fd);
    free(g->names);
    free(g);
}

static void turn(void *data);

static void later(struct summing *g)
{
    if (g->turn == NULL)
        g->turn = exec_timer(g->x, 0, turn);
}

static void put_name(struct buf *b, const char *name, bool escape)
{
    for (; *name; name++) {
        const char *plain = "\\\n\r", *letters = "\\nr", *at = escape ? strchr(plain, *name) : NULL;
        if (at)
            buf_put_u8(b, '\\');
        buf_put_u8(b, (uint8_t)(at ? letters[at - plain] : *name));
    }
}

static void put_tag(struct buf *b, const char *algorithm)
{
    for (; *algorithm; algorithm++)
        buf_put_u8(b, (uint8_t)(*algorithm >= 'a' && *algorithm <= 'z' ? *algorithm - 'a' + 'A' : *algorithm));
}

static void put_line(struct summing *g, const char *name)
{
    uint8_t digest[HASH_MOST];
    bool escape = !g->zero && strpbrk(name, "\\\n\r") != NULL;
    BUF_FREE struct buf b = BUF(128 * 1024);
    hash_end(g->hash, digest);
    if (escape)
        buf_put_u8(&b, '\\');
    if (g->tag) {
        put_tag(&b, hash_name(g->hash));
        buf_put_fmt(&b, " (");
        put_name(&b, name, escape);
        buf_put_fmt(&b, ") = ");
    }
    for (size_t i = 0; i < hash_size(g->hash); i++)
        buf_put_fmt(&b, "%02x", digest[i]);
    if (!g->tag) {
        buf_put_fmt(&b, g->binary ? " *" : "  ");
        put_name(&b, name, escape);
    }
    buf_put_u8(&b, g->zero ? '\0' : '\n');
    exec_flush(g->x, &b);
}

static void next(struct summing *g)
{
    g->at++;
    later(g);
}

static void fail_one(struct summing *g, const char *why)
{
    exec_note(g->x, "%s: %s: %s", g->x->verb->name, esc(g->names[g->at]), why);
    g->failed = true;
    next(g);
}

/* The end of the file or the input at hand. */
static void finish_one(struct summing *g)
{
    put_line(g, g->names[g->at]);
    next(g);
}

static void read_some(struct summing *g)
{
    ssize_t n = hash_read(g->hash, g->fd, g->offset, UINT64_MAX);
    int no = errno;
    if (n > 0) {
        g->offset += (uint64_t)n;
        later(g);
        return;
    }
    close(g->fd);
    g->fd = -1;
    if (n == 0) {
        finish_one(g);
        return;
    }
    uint8_t none[HASH_MOST];
    hash_end(g->hash, none);
    fail_one(g, strerror(no));
}

static void allowed(struct exec *x, int code, const char *text, struct msg *answer)
{
    (void)answer;
    if (exec_ok(x, code, text))
        later(x->state);
}

/* The file at hand is open: what it costs is asked for before a byte is read. */
static void begin_one(struct summing *g)
{
    struct stat st;
    g->offset = 0;
    if (fstat(g->fd, &st) == 0 && st.st_size > 0)
        exec_ask(g->x, OP_LIMITS, "", (uint64_t)st.st_size, "sum", allowed);
    else
        later(g);
}

static void opened(struct exec *x, uint32_t status, const char *text, struct msg *answer)
{
    struct summing *g = x->state;
    if (status != FX_OK) {
        fail_one(g, text);
        return;
    }
    g->fd = exec_files_take(x, answer);
    begin_one(g);
}

static void backup_opened(struct exec *x, int code, const char *text, struct msg *answer)
{
    struct summing *g = x->state;
    if (code != EXIT_DONE) {
        fail_one(g, text);
        return;
    }
    msg_get_u64(answer);
    g->fd = msg_get_fd(answer);
    msg_end(answer);
    begin_one(g);
}

static void keys_read(struct exec *x, int code, const char *text, struct msg *answer)
{
    struct summing *g = x->state;
    size_t size;
    if (code != EXIT_DONE) {
        fail_one(g, text);
        return;
    }
    msg_get_u32(answer);
    msg_get_u64(answer);
    const uint8_t *bytes = msg_get_bytes(answer, &size);
    hash_add(g->hash, bytes, size);
    msg_end(answer);
    finish_one(g);
}

/* Files that lie on no disk of a server's, as SFTP shows them.  False: SPOT is none. */
static bool open_virtual(struct summing *g, const struct sftp_spot *spot)
{
    char server[NAME_MOST + 2], id[BACKUP_ID_MOST + 1];
    if (session_home(g->x->session))
        return false;
    if (strcmp(spot->name, sftp_keys.name) == 0 && strcmp(spot->rest, "authorized_keys") == 0)
        exec_ask(g->x, OP_KEYS_GET, "", 0, NULL, keys_read);
    else if (strcmp(spot->name, sftp_backups.name) == 0 && sftp_backup_split(spot->rest, server, id) && id[0]) {
        exec_about(g->x, server, RIGHT_BACKUP_READ);
        exec_ask(g->x, OP_BACKUP_GET, server, 0, id, backup_opened);
    } else
        return false;
    return true;
}

static void open_one(struct summing *g)
{
    static const uint8_t no_attrs[4];
    struct msg m;
    SPOT_FREE struct sftp_spot spot;
    const char *why = exec_place(g->x, g->names[g->at], &spot);
    if (spot.path && open_virtual(g, &spot))
        return;
    if (why == NULL && sftp_is_top(&spot))
        why = "is a directory";
    if (why) {
        fail_one(g, why);
        return;
    }
    files_begin(&m, FILES_OPEN);
    msg_put_str(&m, spot.rest);
    msg_put_u32(&m, FXF_READ);
    msg_put_bytes(&m, no_attrs, sizeof no_attrs);
    exec_files_once(g->x, spot.name, RIGHT_FILES_READ, &m, opened);
}

/* One step a turn of the loop: a slice of a file, or the next name. */
static void turn(void *data)
{
    struct exec *x = data;
    struct summing *g = x->state;
    g->turn = NULL;
    if (g->fd >= 0)
        read_some(g);
    else if (g->at == g->n)
        exec_end(x, g->failed ? EXIT_FAILED : EXIT_DONE);
    else if (strcmp(g->names[g->at], "-") != 0)
        open_one(g);
    else if (g->eof)
        finish_one(g);
    else {
        g->reading = true;
        channel_resume(x->channel);
    }
}

static void input_end(struct exec *x)
{
    struct summing *g = x->state;
    g->eof = true;
    if (g->reading) {
        g->reading = false;
        finish_one(g);
    }
}

static size_t input(struct exec *x, const uint8_t *bytes, size_t size)
{
    struct summing *g = x->state;
    enum { CTRL_C = 3, CTRL_D = 4 };
    if (exec_terminal(x) && memchr(bytes, CTRL_C, size)) {
        exec_end(x, EXIT_FAILED);
        return size;
    }
    if (!g->reading)
        return 0;
    const uint8_t *end = exec_terminal(x) ? memchr(bytes, CTRL_D, size) : NULL;
    hash_add(g->hash, bytes, end ? (size_t)(end - bytes) : size);
    if (end)
        input_end(x);
    return size;
}

static const struct { const char *word; char letter; } options[] = {
    { "--binary", 'b' }, { "--text", 't' }, { "--tag", 'T' }, { "--zero", 'z' },
};

static bool set_letter(struct summing *g, char letter)
{
    g->binary = letter == 'b' || (g->binary && letter != 't');
    g->tag = g->tag || letter == 'T';
    g->zero = g->zero || letter == 'z';
    return strchr("btzT", letter) != NULL;
}

static bool set_option(struct summing *g, const char *word)
{
    for (size_t i = 0; i < countof(options); i++)
        if (strcmp(word, options[i].word) == 0)
            return set_letter(g, options[i].letter);
    if (word[1] == '-')
        return false;
    while (*++word)
        if (*word == 'T' || !set_letter(g, *word))
            return false;
    return true;
}

static bool take_words(struct summing *g)
{
    struct exec *x = g->x;
    bool only_names = false;
    g->names = mem_array(x->nargs + 1, sizeof *g->names);
    for (size_t i = 0; i < x->nargs; i++) {
        char *word = x->args[i];
        if (only_names || word[0] != '-' || word[1] == '\0')
            g->names[g->n++] = word;
        else if (strcmp(word, "--") == 0)
            only_names = true;
        else if (!set_option(g, word)) {
            exec_fail(x, EXIT_USAGE, "%s: option '%s' is not known here; allowed: -b -t -z --tag", x->verb->name, esc(word));
            return false;
        }
    }
    if (g->n == 0)
        g->names[g->n++] = stdin_name;
    return true;
}

void verb_sum(struct exec *x)
{
    struct summing *g = mem_new(sizeof *g);
    const char *name = x->verb->name;
    *g = (struct summing){ .x = x, .fd = -1, .hash = hash_new(name, strlen(name) - strlen("sum")) };
    x->state = g;
    x->drop = drop;
    x->input = input;
    x->input_end = input_end;
    if (take_words(g))
        later(g);
}
