#include "sshd/supervisor/ini.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <ini.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/conf_table.h"
#include "base/io.h"
#include "base/mem.h"

enum { FILE_MOST = 1 << 20, LINE_MOST = 198, SECTION_MOST = 48, KEYS_LINE_MOST = 16384 };
/* Stands for a ';' inside quotes while libinih has the line; no byte of a file may be one of these. */
enum { MASKED = '\x01' };

struct reader {
    struct conf_reader *conf;
    struct conf_errors *errors;
    enum conf_file kind;
    const char *path;
    char *at;            /* the rest of the file's text, cut up line by line */
    char *end;
    unsigned line;
    char where[PATH_MAX + 16];
};

/* One file, opened and checked.  The fd, or -1 when it was refused. */
static int open_checked(const char *path, mode_t refused, const char *allowed, const char *where,
                        struct conf_errors *errors)
{
    CLOSE_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0) {
        conf_error(errors, where, "cannot open %s: %s", path, strerror(errno));
        return -1;
    }
    unsigned mode = st.st_mode & 07777;
    if (st.st_uid != 0)
        conf_error(errors, where, "%s belongs to uid %u; it must belong to root", path, (unsigned)st.st_uid);
    else if (mode & refused)
        conf_error(errors, where, "%s has mode %04o; allowed: %s", path, mode, allowed);
    else
        return fd_steal(&fd);
    return -1;
}

static char *read_checked(const char *path, mode_t refused, const char *allowed, const char *where, size_t *len,
                          struct conf_errors *errors)
{
    CLOSE_FD int fd = open_checked(path, refused, allowed, where, errors);
    struct stat st;
    if (fd < 0)
        return NULL;
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
        conf_error(errors, where, "%s is not a file", path);
        return NULL;
    }
    struct err e = { 0 };
    char *text = io_read_fd(fd, path, FILE_MOST, len, &e);
    if (text == NULL)
        conf_error(errors, where, "cannot read %s: %s", path, e.no == EFBIG ? "more than 1 MiB" : strerror(e.no));
    return text;
}

/* The next line of the text without its end, or NULL.  Counts. */
static char *next_line(struct reader *r, size_t *len)
{
    if (r->at == r->end)
        return NULL;
    char *line = r->at, *stop = memchr(line, '\n', (size_t)(r->end - line));
    r->at = stop ? stop + 1 : r->end;
    if (stop == NULL)
        stop = r->end;
    if (stop > line && stop[-1] == '\r')
        stop--;
    *len = (size_t)(stop - line);
    r->line++;
    snprintf(r->where, sizeof r->where, "%s:%u", r->path, r->line);
    return line;
}

static bool control_bytes(const char *line, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)line[i] < ' ' && line[i] != '\t')
            return true;
    return false;
}

/* Hides each ';' that stands in a closed pair of quotes which opens at the start of a word. */
static void mask_quoted(char *value)
{
    char *open = NULL;
    for (char *at = value; *at; at++) {
        if (open == NULL && (*at == '"' || *at == '\'') && (at == value || strchr(" \t=:", at[-1]))) {
            open = at;
        } else if (open && *at == '\\' && *open == '"' && at[1]) {
            at++;
        } else if (open && *at == *open) {
            for (char *c = open; c < at; c++)
                if (*c == ';')
                    *c = MASKED;
            open = NULL;
        } else if (open == NULL && *at == ';' && at > value && (at[-1] == ' ' || at[-1] == '\t')) {
            return;
        }
    }
}

static bool section_line(struct reader *r, char *line)
{
    char *stop = strchr(line, ']');
    char *rest = stop ? stop + 1 + strspn(stop + 1, " \t") : line;
    if (stop == NULL || (*rest && *rest != ';' && *rest != '#')) {
        conf_error(r->errors, r->where, "a section's line must be [WORD] or [WORD NAME]");
        return false;
    }
    *stop = '\0';
    bool fits = strlen(line + 1) <= SECTION_MOST;
    if (fits)
        conf_reader_section(r->conf, r->kind, r->where, line + 1);
    else
        conf_error(r->errors, r->where, "a section's line is longer than %d bytes", SECTION_MOST);
    *stop = ']';
    return fits;
}

/* Whether libinih may have the line: it says too little about what it refuses. */
static bool line_ok(struct reader *r, char *line)
{
    if (line[0] == '\0' || line[0] == ';' || line[0] == '#')
        return false;
    if (line[0] == '[')
        return section_line(r, line);
    size_t key = strcspn(line, "=:;");
    if (line[key] != '=' || key == 0) {
        conf_error(r->errors, r->where, "the line is neither [section] nor KEY = VALUE nor a comment: '%.40s'", line);
        return false;
    }
    mask_quoted(line + key + 1);
    return true;
}

/* libinih's source of lines, as fgets, but no line is longer than it takes, and each starts in its first column (an
   indented one would be taken for more of the value before).  One that was refused is handed over empty, so that
   reading goes on. */
static char *feed(char *out, int size, void *data)
{
    struct reader *r = data;
    char text[LINE_MOST + 1] = "";
    size_t len;
    char *line = next_line(r, &len);
    if (line == NULL)
        return NULL;
    bool ok = false;
    if (len > LINE_MOST) {
        conf_error(r->errors, r->where, "the line has %zu bytes; allowed: %d (long keys can stand in a keys_file)", len,
                   LINE_MOST);
    } else if (control_bytes(line, len)) {
        conf_error(r->errors, r->where, "the line holds control characters");
    } else {
        memcpy(text, line, len);
        char *start = text + strspn(text, " \t");
        memmove(text, start, strlen(start) + 1);
        ok = line_ok(r, text);
    }
    snprintf(out, (size_t)size, "%s\n", ok ? text : "");
    return out;
}

static int take(void *data, const char *section, const char *key, const char *value)
{
    struct reader *r = data;
    char text[LINE_MOST + 2];
    snprintf(text, sizeof text, "%s", value);
    for (char *c = text; *c; c++)
        if (*c == MASKED)
            *c = ';';
    conf_reader_set(r->conf, r->kind, r->where, section, key, text);
    return 1;
}

static void read_file(struct conf_reader *conf, enum conf_file kind, const char *path, struct conf_errors *errors)
{
    size_t len;
    FREE_MEM char *text = read_checked(path, 07177, "0600 or 0400", path, &len, errors);
    if (text == NULL)
        return;
    size_t bom = len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    struct reader r = { conf, errors, kind, path, text + bom, text + len, 0, "" };
    size_t before = errors->n;
    int line = ini_parse_stream(feed, &r, take, &r);
    if (line != 0 && errors->n == before)
        conf_error(errors, path, "line %d cannot be read", line);
}

/* A folder others could write to could be given another's files. */
static bool folder_ok(const char *path, bool may_miss, struct conf_errors *errors)
{
    if (may_miss && access(path, F_OK) < 0 && errno == ENOENT)
        return false;
    CLOSE_FD int fd = open_checked(path, 022, "not writable by group or others, e.g. 0700", path, errors);
    return fd >= 0;
}

static int by_word(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int ini_name(const struct dirent *d)
{
    return fnmatch("*.ini", d->d_name, FNM_PERIOD) == 0;
}

static void read_folder(struct conf_reader *conf, enum conf_file kind, const char *path, struct conf_errors *errors)
{
    struct dirent **names = NULL;
    if (!folder_ok(path, true, errors))
        return;
    int n = scandir(path, &names, ini_name, by_word);
    if (n < 0)
        conf_error(errors, path, "cannot list: %s", strerror(errno));
    for (int i = 0; i < n; i++) {
        FREE_MEM char *file = mem_fmt("%s/%s", path, names[i]->d_name);
        read_file(conf, kind, file, errors);
        free(names[i]);
    }
    free(names);
}

/* "FOLDER/FILE:LINE" and a path relative to FOLDER. */
static char *beside(const char *where, const char *path)
{
    const char *slash = strrchr(where, '/');
    return path[0] == '/' || slash == NULL ? mem_str(path) : mem_fmt("%.*s/%s", (int)(slash - where), where, path);
}

/* Each line of PATH is one more value of KEY. */
static void read_keys(struct conf_reader *conf, enum conf_file kind, const char *section, const char *option, const char *path, const char *where,
                      struct conf_errors *errors)
{
    static const char binary[] = "SSHKRL\n";
    size_t len;
    FREE_MEM char *text = read_checked(path, 07022, "not writable by group or others, e.g. 0600", where, &len, errors);
    if (text == NULL)
        return;
    if (len >= strlen(binary) && memcmp(text, binary, strlen(binary)) == 0) {
        conf_error(errors, where, "%s is a binary revocation list; allowed: the text that 'ssh-keygen -k' makes one of", path);
        return;
    }
    struct reader r = { conf, errors, kind, path, text, text + len, 0, "" };
    for (char *line; (line = next_line(&r, &len));) {
        FREE_MEM char *key = mem_strn(line, len);
        char *start = key + strspn(key, " \t");
        if (len > KEYS_LINE_MOST || control_bytes(line, len))
            conf_error(errors, r.where, "the line is longer than %d bytes or holds control characters", KEYS_LINE_MOST);
        else if (*start && *start != '#')
            conf_reader_set(conf, kind, r.where, section, option, start);
    }
}

static void read_keys_files(struct conf_reader *conf, const struct conf *c, struct conf_errors *errors)
{
    for (size_t i = 0; i < c->naccounts; i++) {
        const struct conf_account *a = &c->accounts[i];
        if (a->keys_file == NULL || a->keys_file[0] == '\0')
            continue;
        FREE_MEM char *path = beside(a->where, a->keys_file), *section = mem_fmt("account %s", a->name);
        read_keys(conf, CONF_FILE_ACCOUNTS, section, "key", path, a->where, errors);
    }
}

static void read_auth_files(struct conf_reader *conf, const char *folder, const struct conf *c, struct conf_errors *errors)
{
    FREE_MEM char *where = mem_fmt("%s/holdfast.ini: [auth]", folder);
    const struct { const char *option, *file; } lists[] = { { "ca_key", c->auth.ca_keys_file }, { "revoked", c->auth.revoked_keys } };
    for (size_t i = 0; i < countof(lists); i++) {
        if (lists[i].file == NULL || lists[i].file[0] == '\0')
            continue;
        FREE_MEM char *path = beside(where, lists[i].file);
        read_keys(conf, CONF_FILE_DAEMON, "auth", lists[i].option, path, where, errors);
    }
}

static const struct source {
    const char *name;
    enum conf_file kind;
    void (*read)(struct conf_reader *conf, enum conf_file kind, const char *path, struct conf_errors *errors);
} sources[] = {
    { "holdfast.ini", CONF_FILE_DAEMON, read_file },
    { "accounts.ini", CONF_FILE_ACCOUNTS, read_file },
    { "accounts.d", CONF_FILE_ACCOUNTS, read_folder },
    { "servers.d", CONF_FILE_SERVERS, read_folder },
};

int ini_read(const char *folder, struct conf *c, struct conf_errors *errors)
{
    size_t before = errors->n;
    conf_init(c);
    struct conf_reader *conf = conf_reader_new(c, errors);
    if (folder_ok(folder, false, errors))
        for (size_t i = 0; i < countof(sources); i++) {
            FREE_MEM char *path = mem_fmt("%s/%s", folder, sources[i].name);
            sources[i].read(conf, sources[i].kind, path, errors);
        }
    read_keys_files(conf, c, errors);
    read_auth_files(conf, folder, c, errors);
    conf_reader_end(conf);
    return errors->n == before ? 0 : -1;
}
