#include "sshd/session/rsync_args.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/attr.h"
#include "base/log.h"
#include "base/mem.h"

enum kind { KIND_FLAG, KIND_NUMBER, KIND_SIZE, KIND_TEXT, KIND_SUFFIX, KIND_FOLDER, KIND_STDIN, KIND_BATCH };

#define FLAG(word) { .name = word }
#define VALUE(word, what) { .name = word, .kind = KIND_##what }

/* What an `rsync --server` may be asked for; what is missing here is refused: what leads to another program, another file system or a device,
   writes a log, or reads names from a file. */
static const struct option {
    const char *name;
    enum kind kind;
    bool writes;             /* changes files even where they are sent */
} options[] = {
    FLAG("append"), FLAG("copy-unsafe-links"), FLAG("delay-updates"), FLAG("delete"), FLAG("delete-after"), FLAG("delete-before"),
    FLAG("delete-delay"), FLAG("delete-during"), FLAG("delete-excluded"), FLAG("delete-missing-args"), FLAG("dirs"), FLAG("existing"),
    FLAG("fake-super"), FLAG("force"), FLAG("from0"), FLAG("fsync"), FLAG("fuzzy"), FLAG("group"), FLAG("hard-links"),
    FLAG("ignore-errors"), FLAG("ignore-existing"), FLAG("ignore-missing-args"), FLAG("ignore-times"), FLAG("inplace"), FLAG("links"),
    FLAG("list-only"), FLAG("mkpath"), FLAG("msgs2stderr"), FLAG("munge-links"), FLAG("new-compress"), FLAG("no-W"),
    FLAG("no-implied-dirs"), FLAG("no-msgs2stderr"), FLAG("no-r"), FLAG("no-relative"), FLAG("no-specials"), FLAG("numeric-ids"),
    FLAG("old-compress"), FLAG("one-file-system"), FLAG("open-noatime"), FLAG("owner"), FLAG("partial"), FLAG("perms"),
    FLAG("preallocate"), FLAG("recursive"), FLAG("safe-links"), FLAG("sender"), FLAG("server"), FLAG("size-only"), FLAG("specials"),
    FLAG("stats"), FLAG("super"), FLAG("times"), FLAG("use-qsort"), { .name = "remove-sent-files", .writes = true },
    { .name = "remove-source-files", .writes = true }, VALUE("bwlimit", SIZE), VALUE("block-size", NUMBER),
    VALUE("checksum-seed", NUMBER), VALUE("compress-level", NUMBER), VALUE("compress-threads", NUMBER), VALUE("max-alloc", SIZE),
    VALUE("max-delete", NUMBER), VALUE("max-size", SIZE), VALUE("min-size", SIZE), VALUE("modify-window", NUMBER),
    VALUE("timeout", NUMBER), VALUE("checksum-choice", TEXT), VALUE("compress-choice", TEXT), VALUE("debug", TEXT),
    VALUE("groupmap", TEXT), VALUE("info", TEXT), VALUE("log-format", TEXT), VALUE("skip-compress", TEXT), VALUE("stderr", TEXT),
    VALUE("usermap", TEXT), VALUE("suffix", SUFFIX), VALUE("backup-dir", FOLDER), VALUE("compare-dest", FOLDER),
    VALUE("copy-dest", FOLDER), VALUE("link-dest", FOLDER), VALUE("partial-dir", FOLDER), VALUE("temp-dir", FOLDER),
    VALUE("files-from", STDIN), VALUE("only-write-batch", BATCH),
};

static const char letters[] = "ACDEHIJKLNORSUWXbcdgklmnopqrstuvxyz";
static const char digits[] = "0123456789";

void rsync_args_init(struct rsync_args *a, const char *home)
{
    *a = (struct rsync_args){ .home = home, .options = BUF(RSYNC_LIST_MOST), .paths = BUF(RSYNC_LIST_MOST) };
}

void rsync_args_free(struct rsync_args *a)
{
    buf_free(&a->options);
    buf_free(&a->paths);
    free(a->why);
    a->why = NULL;
}

static bool refuse(struct rsync_args *a, char *why)
{
    free(a->why);
    a->why = why;
    return false;
}

static bool refuse_option(struct rsync_args *a, const char *word)
{
    struct buf b BUF_FREE = BUF(4096);
    for (size_t i = 0; i < countof(options); i++)
        buf_put_fmt(&b, " --%s", options[i].name);
    return refuse(a, mem_fmt("rsync: option '%s' is not allowed here; allowed: -%s -e.LETTERS -B -@%.*s", escn(word, strnlen(word, 64)),
                             letters, (int)buf_size(&b), (const char *)buf_head(&b)));
}

static bool refuse_value(struct rsync_args *a, const char *name, const char *value, const char *allowed)
{
    return refuse(a, mem_fmt("rsync: --%s: '%s' is not allowed here; allowed: %s", name, escn(value, strnlen(value, 128)), allowed));
}

static void put(struct buf *b, const char *word)
{
    buf_put(b, word, strlen(word) + 1);
}

/* WORD without the marks of conf_words_marked. */
static char *unmarked(const char *word, size_t size, bool marked)
{
    char *out = mem_strn(word, size);
    size_t n = 0;
    for (size_t i = 0; i < size; i++) {
        if (marked && word[i] == '\\' && i + 1 < size)
            i++;
        out[n++] = word[i];
    }
    out[n] = '\0';
    return out;
}

/* ---- paths ---- */

/* Of a pattern rsync takes its backslashes away itself, of a plain name it does not. */
static void put_component(struct buf *b, const char *at, size_t size, bool marked, bool pattern)
{
    bool keep = pattern && (memchr(at, '*', size) || memchr(at, '?', size) || memchr(at, '[', size));
    FREE_MEM char *plain = unmarked(at, size, marked && !keep);
    buf_put(b, plain, strlen(plain));
}

static const char *skip_slashes(const char *at)
{
    for (; at[0] == '/' || (at[0] == '.' && (at[1] == '/' || at[1] == '\0')); at++)
        ;
    return at;
}

/* Where a client's path begins: the home that a shell would put for ~ is the top. */
static const char *skip_top(const char *at)
{
    if (at[0] == '~' && (at[1] == '/' || at[1] == '\0'))
        at++;
    return skip_slashes(at);
}

static bool same_server(struct rsync_args *a, const char *name, const char *path)
{
    if (!name_ok(name))
        return refuse(a, mem_fmt("rsync: '%s' is no place on a server; allowed: /SERVER or /SERVER/PATH", escn(path, strnlen(path, 128))));
    if (a->server[0] && strcmp(a->server, name) != 0)
        return refuse(a, mem_fmt("rsync: one server at a time, not '%s' and '%s'", a->server, escn(name, strnlen(name, 64))));
    snprintf(a->server, sizeof a->server, "%s", name);
    return true;
}

/* PATH below /home, where the server's files have its name. */
static bool map(struct rsync_args *a, const char *path, bool marked, bool pattern, struct buf *out)
{
    const char *at = skip_top(path);
    size_t size = a->home ? 0 : strcspn(at, "/");
    FREE_MEM char *name = a->home ? mem_str(a->home) : unmarked(at, size, marked);
    if (!same_server(a, name, path))
        return false;
    at += size;
    /* Names that go with their folders (-R) begin behind "/./": here a client that has a home knows nothing of its server's name. */
    bool marker = pattern && a->home && strstr(at, "/./") == NULL;
    buf_put_fmt(out, "%s%s", a->server, a->home ? marker ? "/./" : "/" : "");
    while (*at) {
        size = strcspn(at, "/");
        FREE_MEM char *component = unmarked(at, size, marked);
        if (strcmp(component, "..") == 0)
            return refuse(a, mem_fmt("rsync: '%s': '..' is not allowed in a path", escn(path, strnlen(path, 128))));
        put_component(out, at, size, marked, pattern);
        at += size;
        if (*at)
            buf_put_u8(out, '/');
        at += strspn(at, "/");
    }
    buf_put_u8(out, '\0');
    return true;
}

static bool put_path(struct rsync_args *a, const char *word, bool marked)
{
    a->npaths++;
    return map(a, word, marked, a->sender, &a->paths);
}

/* ---- options ---- */

static bool all_of(const char *value, const char *set, size_t most)
{
    size_t n = strlen(value);
    return n > 0 && n <= most && strspn(value, set) == n;
}

static bool put_number(struct rsync_args *a, const char *name, const char *value)
{
    if (!all_of(value + (value[0] == '-'), digits, 18))
        return refuse_value(a, name, value, "a number");
    buf_put_fmt(&a->options, "--%s=%s", name, value);
    buf_put_u8(&a->options, '\0');
    return true;
}

static bool put_size(struct rsync_args *a, const char *name, const char *value)
{
    if (!all_of(value, "0123456789.BKMGTPbikmgtp+-", 24) || strspn(value, digits) == 0)
        return refuse_value(a, name, value, "a size, as 100K or 1.5M");
    buf_put_fmt(&a->options, "--%s=%s", name, value);
    buf_put_u8(&a->options, '\0');
    return true;
}

static bool put_text(struct rsync_args *a, const char *name, const char *value)
{
    for (const char *p = value; *p; p++)
        if ((unsigned char)*p < ' ' || *p == 127)
            return refuse_value(a, name, value, "text without control characters");
    buf_put_fmt(&a->options, "--%s=%s", name, value);
    buf_put_u8(&a->options, '\0');
    return true;
}

static bool put_suffix(struct rsync_args *a, const char *name, const char *value)
{
    return strchr(value, '/') ? refuse_value(a, name, value, "text without a slash") : put_text(a, name, value);
}

static bool climbs(const char *value)
{
    for (const char *at = value; *at; at += strspn(at, "/")) {
        size_t size = strcspn(at, "/");
        if (size == 2 && memcmp(at, "..", 2) == 0)
            return true;
        at += size;
    }
    return false;
}

/* A relative one is the transfer's, an absolute one is a place on the same server. */
static bool put_folder(struct rsync_args *a, const char *name, const char *value)
{
    if (value[0] == '\0' || climbs(value))
        return refuse_value(a, name, value, "a folder below the files that are sent, or /SERVER/FOLDER; no '..'");
    bool top = value[0] == '/' || (value[0] == '~' && (value[1] == '/' || value[1] == '\0'));
    buf_put_fmt(&a->options, "--%s=%s", name, top ? "/home/" : "");
    if (top)
        return map(a, value, false, false, &a->options);
    put(&a->options, value);
    return true;
}

static bool put_stdin(struct rsync_args *a, const char *name, const char *value)
{
    if (strcmp(value, "-") != 0)
        return refuse_value(a, name, value, "- (a list on the client's side)");
    put(&a->options, "--files-from=-");
    return true;
}

static bool put_batch(struct rsync_args *a, const char *name, const char *value)
{
    if (strcmp(value, "X") != 0)
        return refuse_value(a, name, value, "X");
    put(&a->options, "--only-write-batch=X");
    return true;
}

typedef bool value_fn(struct rsync_args *a, const char *name, const char *value);

static value_fn *const values[] = {
    [KIND_NUMBER] = put_number, [KIND_SIZE] = put_size, [KIND_TEXT] = put_text, [KIND_SUFFIX] = put_suffix,
    [KIND_FOLDER] = put_folder, [KIND_STDIN] = put_stdin, [KIND_BATCH] = put_batch,
};

static bool put_flag(struct rsync_args *a, const struct option *o, const char *word)
{
    if (strchr(word, '='))
        return refuse_option(a, word);
    if (strcmp(o->name, "sender") == 0)
        a->sender = true;
    if (strcmp(o->name, "server") != 0)
        put(&a->options, word);
    return true;
}

/* "--name", "--name=value" or "--name" and the next word, NEXT, which *USED tells of. */
static bool long_option(struct rsync_args *a, const char *word, const char *next, bool *used)
{
    const char *name = word + 2, *value = strchr(name, '=');
    size_t size = value ? (size_t)(value - name) : strlen(name);
    const struct option *o = NULL;
    for (size_t i = 0; i < countof(options); i++)
        if (strlen(options[i].name) == size && memcmp(options[i].name, name, size) == 0)
            o = &options[i];
    if (o == NULL)
        return refuse_option(a, word);
    a->writes |= o->writes;
    if (o->kind == KIND_FLAG)
        return put_flag(a, o, word);
    *used = value == NULL;
    if (value == NULL && next == NULL)
        return refuse(a, mem_fmt("rsync: --%s: a value is missing", o->name));
    return values[o->kind](a, o->name, value ? value + 1 : next);
}

/* What the client can do, behind e: digits, a dot, digits, letters. */
static bool capabilities_ok(const char *at)
{
    at += strspn(at, digits);
    if (*at++ != '.')
        return false;
    at += strspn(at, digits);
    return strspn(at, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") == strlen(at);
}

static bool short_options(struct rsync_args *a, const char *word)
{
    if (word[1] == 'B')
        return put_number(a, "block-size", word + 2);
    if (word[1] == '@')
        return put_number(a, "modify-window", word + 2);
    size_t n = strspn(word + 1, letters);
    const char *rest = word + 1 + n;
    if (n + (*rest != '\0') == 0 || (*rest && (*rest != 'e' || !capabilities_ok(rest + 1))))
        return refuse_option(a, word);
    buf_put_u8(&a->options, '-');
    for (const char *p = word + 1; *p; p++)
        if (p < rest && *p == 's')
            a->secluded = true;
        else
            buf_put_u8(&a->options, (uint8_t)*p);
    buf_put_u8(&a->options, '\0');
    return true;
}

static bool take(struct rsync_args *a, char *const *words, size_t *i, bool marked)
{
    FREE_MEM char *word = unmarked(words[*i], strlen(words[*i]), marked);
    FREE_MEM char *next = words[*i + 1] ? unmarked(words[*i + 1], strlen(words[*i + 1]), marked) : NULL;
    bool used = false, good;
    if (a->dot)
        return put_path(a, words[*i], marked);
    if (strcmp(word, ".") == 0) {
        a->dot = true;
        return true;
    }
    if (word[0] != '-' || word[1] == '\0' || strcmp(word, "--") == 0)
        return refuse(a, mem_fmt("rsync: '%s' stands where an option or '.' is expected", escn(word, strnlen(word, 64))));
    good = word[1] == '-' ? long_option(a, word, next, &used) : short_options(a, word);
    *i += used;
    return good;
}

bool rsync_args_add(struct rsync_args *a, char *const *words, bool marked)
{
    for (size_t i = 0; words[i]; i++)
        if (!take(a, words, &i, marked))
            return false;
    return true;
}

/* In the place of the folder to start in rsync wants any word; behind a plain "." it takes all words for patterns, and the place that files are
   put in is none. */
bool rsync_args_end(struct rsync_args *a, struct buf *list)
{
    if (a->npaths == 0 && !put_path(a, "", false))
        return false;
    if (!a->sender && a->npaths > 1)
        return refuse(a, mem_str("rsync: one place to write to, not more"));
    a->writes |= !a->sender;
    put(list, "rsync");
    buf_put(list, buf_head(&a->options), buf_size(&a->options));
    put(list, a->sender ? "." : "./");
    buf_put(list, buf_head(&a->paths), buf_size(&a->paths));
    buf_put_u8(list, '\0');
    if (a->options.bad || a->paths.bad || list->bad)
        return refuse(a, mem_fmt("rsync: too many arguments; allowed: %d bytes of them", RSYNC_LIST_MOST));
    return true;
}
