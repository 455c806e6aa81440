/* What scp -f sends: its words one after the other, patterns, and the trees below.  A directory is read as far as its names fit into memory
   that is bounded; most are read to their end at once and then closed, so that deep trees do not hold one handle a level. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "sshd/session/scp_source.h"

enum { NAMES_ENOUGH = 32 * 1024, NAMES_MOST = NAMES_ENOUGH + MSG_MOST };

static struct level *top(struct source *s)
{
    return &s->levels[s->nlevels - 1];
}

static void close_number(struct source *s, uint32_t number)
{
    struct msg m;
    files_begin(&m, FILES_CLOSE);
    msg_put_u32(&m, number);
    msg_put_u64(&m, 0);
    exec_files_tell(s->scp.x, &m);
}

static void close_level(struct source *s, struct level *l)
{
    if (l->open)
        close_number(s, l->number);
    l->open = false;
}

static void level_free(struct level *l)
{
    buf_free(&l->names);
    free(l->pattern);
}

/* The worker and its handles end with the command. */
void source_walk_free(struct source *s)
{
    for (size_t i = 0; i < s->nlevels; i++)
        level_free(&s->levels[i]);
    free(s->levels);
}

static struct level *push(struct source *s, bool glob)
{
    s->levels = mem_grow(s->levels, s->nlevels + 1, sizeof *s->levels);
    struct level *l = &s->levels[s->nlevels++];
    *l = (struct level){ .glob = glob, .size = strlen(s->path), .names = BUF(NAMES_MOST) };
    return l;
}

static void pop(struct source *s)
{
    struct level *l = top(s);
    close_level(s, l);
    level_free(l);
    s->nlevels--;
}

static void put_entry(struct level *l, const char *name, size_t size, const struct attrs *a)
{
    buf_put_u32(&l->names, a->mode);
    buf_put_u32(&l->names, a->atime);
    buf_put_u32(&l->names, a->mtime);
    buf_put_bytes(&l->names, name, size);
}

/* ---- reading ---- */

static void read_more(struct source *s);

static void got_names(struct exec *x, uint32_t status, const char *text, struct msg *answer)
{
    struct source *s = x->state;
    struct level *l = top(s);
    struct attrs a;
    size_t size;
    uint32_t n = status == FX_OK ? msg_get_u32(answer) : 0;
    for (uint32_t i = 0; i < n; i++) {
        const char *name = (const char *)msg_get_bytes(answer, &size);
        size_t name_size = size;
        msg_get_bytes(answer, &size);
        scp_get_attrs(answer, &a);
        put_entry(l, name, name_size, &a);
    }
    s->path[l->size] = '\0';
    if (status != FX_OK)
        scp_warn(&s->scp, s->path, text);
    scp_enter(&s->scp);
    if (n == 0)
        close_level(s, l);
    bool more = l->open && buf_size(&l->names) < NAMES_ENOUGH;
    scp_leave(&s->scp);
    if (x->ended)
        return;
    if (more)
        read_more(s);
    else
        source_next(s);
}

static void read_more(struct source *s)
{
    struct msg m;
    files_begin(&m, FILES_READDIR);
    msg_put_u32(&m, top(s)->number);
    s->state = SOURCE_BUSY;
    exec_files(s->scp.x, s->scp.x->server, RIGHT_FILES_READ, &m, got_names);
}

/* ---- trees ---- */

static void dir_said(struct source *s, bool ok)
{
    if (!ok)
        pop(s);
    source_next(s);
}

static void dir_opened(struct exec *x, uint32_t status, const char *text, struct msg *answer)
{
    struct source *s = x->state;
    if (status != FX_OK) {
        source_skip(s, text);
        return;
    }
    struct level *l = push(s, false);
    l->open = true;
    l->number = msg_get_u32(answer);
    source_header(s, 'D', 0, dir_said);
}

void source_dir(struct source *s)
{
    const char *why = !s->scp.recursive ? "not a regular file" : s->nlevels == SCP_DEPTH_MOST ? "too deep (at most 64 directories in each other)"
                                                                                              : source_ask(s, FILES_OPENDIR, dir_opened);
    if (why)
        source_skip(s, why);
}

static void end_said(struct source *s, bool ok UNUSED)
{
    source_next(s);
}

static void end_dir(struct source *s)
{
    BUF_FREE struct buf line = BUF(SCP_LINE_MOST);
    pop(s);
    buf_put(&line, "E\n", 2);
    source_line(s, &line, end_said);
}

/* ---- patterns ---- */

static void add_servers(struct source *s, struct level *l)
{
    size_t n;
    const struct attrs a = { .mode = S_IFDIR };
    const struct server_right *r = session_servers(s->scp.x->session, &n);
    for (size_t i = 0; i < n && buf_size(&l->names) < NAMES_ENOUGH; i++)
        put_entry(l, r[i].name, strlen(r[i].name), &a);
}

static void base_opened(struct exec *x, uint32_t status, const char *text UNUSED, struct msg *answer)
{
    struct source *s = x->state;
    struct level *l = top(s);
    if (status == FX_OK) {
        l->open = true;
        l->number = msg_get_u32(answer);
    }
    source_next(s);
}

/* Looks for REST below path, whose first component is a pattern. */
static void look_for(struct source *s, const char *rest)
{
    size_t size = strcspn(rest, "/");
    if (s->nlevels == SCP_DEPTH_MOST) {
        source_skip(s, "too deep (at most 64 directories in each other)");
        return;
    }
    struct level *l = push(s, true);
    l->pattern = mem_strn(rest, size);
    l->rest = rest[size] ? rest + size + 1 : rest + size;
    if (s->path[0] == '\0' && session_home(s->scp.x->session) == NULL) {
        add_servers(s, l);
        source_next(s);
    } else if (source_ask(s, FILES_OPENDIR, base_opened) != NULL) {
        source_next(s);
    }
}

/* One more component; false when that is too much. */
static bool append(struct source *s, size_t at, const char *name, size_t size)
{
    if (at + 1 + size + 1 > sizeof s->path)
        return false;
    s->path[at] = '/';
    memcpy(s->path + at + 1, name, size);
    s->path[at + 1 + size] = '\0';
    return true;
}

/* Goes down path by the components of REST up to the next pattern among them; what all of them lead to is sent if it is there. */
static void go_down(struct source *s, const char *rest)
{
    while (*rest) {
        size_t size = strcspn(rest, "/");
        if (scp_glob_is(rest, size)) {
            look_for(s, rest);
            return;
        }
        FREE_MEM char *name = scp_glob_plain(rest, size);
        if (!append(s, strlen(s->path), name, strlen(name))) {
            source_skip(s, "path too long (at most 4096 bytes)");
            return;
        }
        rest += rest[size] ? size + 1 : size;
    }
    source_look(s);
}

static void matched(struct source *s, const struct level *l)
{
    const char *rest = l->rest;
    s->quiet = *rest != '\0';
    s->matched = s->matched || !s->quiet;
    if (*rest)
        go_down(s, rest);
    else
        source_item(s);
}

static void end_glob(struct source *s)
{
    pop(s);
    /* As a shell does when nothing fits: the word is taken to be a name. */
    if (s->nlevels == 0 && !s->matched) {
        FREE_MEM char *plain = scp_glob_plain(s->pattern, strlen(s->pattern));
        memcpy(s->path, plain, strlen(plain) + 1);
        s->quiet = false;
        s->matched = true;
        source_look(s);
    }
}

/* ---- steps ---- */

static void next_name(struct source *s)
{
    struct level *l = top(s);
    size_t size;
    s->attrs = (struct attrs){ .flags = ATTRS_MODE | ATTRS_TIMES, .mode = buf_get_u32(&l->names) };
    s->attrs.atime = buf_get_u32(&l->names);
    s->attrs.mtime = buf_get_u32(&l->names);
    const char *bytes = (const char *)buf_get_bytes(&l->names, &size);
    FREE_MEM char *name = mem_strn(bytes, size);
    if (buf_size(&l->names) == 0)
        buf_reset(&l->names);
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || (l->glob && !scp_glob_match(l->pattern, strlen(l->pattern), name)))
        return;
    s->quiet = false;
    if (!append(s, l->size, name, size))
        source_skip(s, "path too long (at most 4096 bytes)");
    else if (l->glob)
        matched(s, l);
    else
        source_item(s);
}

static void next_word(struct source *s)
{
    enum sftp_path_error why;
    const char *word = s->words[s->word];
    if (word == NULL) {
        exec_end(s->scp.x, s->scp.failed ? EXIT_FAILED : EXIT_DONE);
        return;
    }
    s->word++;
    free(s->pattern);
    s->pattern = sftp_path_normal((const uint8_t *)word, strlen(word), &why);
    s->path[0] = '\0';
    s->quiet = s->matched = false;
    if (s->pattern == NULL)
        scp_warn(&s->scp, word, sftp_path_why(why));
    else
        go_down(s, s->pattern + 1);
}

void source_walk(struct source *s)
{
    struct level *l = s->nlevels > 0 ? top(s) : NULL;
    if (l == NULL)
        next_word(s);
    else if (buf_size(&l->names) > 0)
        next_name(s);
    else if (l->open)
        read_more(s);
    else if (l->glob)
        end_glob(s);
    else
        end_dir(s);
}
