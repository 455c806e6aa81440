#include "quota/record.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"

enum { MOST = 256 };
/* No name of a server ends in it. */
#define UNFINISHED "~"
static const char version[] = "holdfast quota 1\n";
static const char *const moves[] = { [RECORD_NEW] = "new", [RECORD_OLD] = "old" };

struct file { char name[NAME_MOST + 32]; };

static struct file file_of(const struct place *p, const char *ending)
{
    struct file f;
    snprintf(f.name, sizeof f.name, ".%.*s.quota%s", NAME_MOST + 8, p->folder, ending);
    return f;
}

/* "KEY WORD\n" at TEXT: what is behind it, or NULL. */
static const char *line(const char *text, const char *key, char word[RECORD_WORD])
{
    size_t n = strlen(key);
    if (strncmp(text, key, n) != 0 || text[n] != ' ')
        return NULL;
    text += n + 1;
    n = strspn(text, "abcdefghijklmnopqrstuvwxyz");
    if (n == 0 || n >= RECORD_WORD || text[n] != '\n')
        return NULL;
    snprintf(word, RECORD_WORD, "%.*s", (int)n, text);
    return text + n + 1;
}

int record_parse(const char *text, struct record *r)
{
    *r = (struct record){ 0 };
    if (strncmp(text, version, sizeof version - 1) != 0)
        return -1;
    const char *rest = line(text + sizeof version - 1, "backend", r->backend);
    if (rest == NULL || *rest == '\0')
        return rest ? 0 : -1;
    for (r->move = RECORD_NEW; r->move <= RECORD_OLD; r->move++) {
        const char *end = line(rest, moves[r->move], r->other);
        if (end)
            return *end ? -1 : 0;
    }
    return -1;
}

int record_read(const struct place *p, struct record *r, struct err *e)
{
    struct file f = file_of(p, "");
    struct stat st;
    CLOSE_FD int fd = openat(p->servers, f.name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? 0 : err_set(e, errno, "open", "servers/%s", f.name);
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_uid != 0 || (st.st_mode & 077))
        return err_set(e, EPERM, "open", "servers/%s is not a file of root with mode 0600", f.name);
    FREE_MEM char *text = io_read_fd(fd, f.name, MOST, NULL, e);
    if (text == NULL)
        return -1;
    return record_parse(text, r) < 0 ? err_set(e, 0, "quota", "servers/%s is no record of this version", f.name) : 1;
}

static int store(const struct place *p, const struct file *f, const char *text, struct err *e)
{
    CLOSE_FD int fd = openat(p->servers, f->name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0 || io_write_all(fd, text, strlen(text)) < 0 || fsync(fd) < 0)
        return err_set(e, errno, "write", "servers/%s", f->name);
    return 0;
}

int record_write(const struct place *p, const struct record *r, struct err *e)
{
    struct file name = file_of(p, ""), fresh = file_of(p, UNFINISHED);
    FREE_MEM char *more = r->move == RECORD_STILL ? mem_str("") : mem_fmt("%s %s\n", moves[r->move], r->other);
    FREE_MEM char *text = mem_fmt("%sbackend %s\n%s", version, r->backend, more);
    if (store(p, &fresh, text, e) < 0)
        return -1;
    if (renameat(p->servers, fresh.name, p->servers, name.name) < 0 || fsync(p->servers) < 0)
        return err_set(e, errno, "store", "servers/%s", name.name);
    return 0;
}

void record_tidy(const struct place *p)
{
    struct file f = file_of(p, UNFINISHED);
    unlinkat(p->servers, f.name, 0);
}

int record_remove(const struct place *p, struct err *e)
{
    struct file f = file_of(p, "");
    if (unlinkat(p->servers, f.name, 0) < 0 && errno != ENOENT)
        return err_set(e, errno, "remove", "servers/%s", f.name);
    return 0;
}
