#include "sshd/supervisor/image.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "sshd/supervisor/server.h"

enum { ABOUT_MOST = 1024 };

bool image_is_host(const char *name)
{
    return strcmp(name, "host") == 0;
}

int image_open(const struct conf *c, const char *name, struct err *e)
{
    FREE_MEM char *path = mem_fmt("%s/images/%s/root", c->paths.state, name);
    CLOSE_FD int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    struct stat st;
    if (fd < 0 && errno == ENOENT)
        return err_set(e, 0, "image", "there is no image '%s'; see 'holdfast image list'", name);
    if (fd < 0 || fstat(fd, &st) < 0)
        return err_set(e, errno, "image", "%s", path);
    if (st.st_uid != c->ids.image || (st.st_mode & 0755) != 0755)
        return err_set(e, 0, "image", "%s is of uid %u, mode %o; allowed: uid %u, mode 755", path, (unsigned)st.st_uid,
                       (unsigned)st.st_mode & 07777, (unsigned)c->ids.image);
    return fd_steal(&fd);
}

/* ---- what is there ---- */

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

char **image_names(const struct conf *c, size_t *n)
{
    FREE_MEM char *path = mem_fmt("%s/images", c->paths.state);
    char **names = NULL;
    *n = 0;
    DIR *d = opendir(path);
    if (d == NULL)
        return NULL;
    for (struct dirent *one; (one = readdir(d)) != NULL;) {
        if (!name_ok(one->d_name))
            continue;
        names = mem_grow(names, *n + 1, sizeof *names);
        names[(*n)++] = mem_str(one->d_name);
    }
    closedir(d);
    if (*n)
        qsort(names, *n, sizeof *names, by_bytes);
    return names;
}

void image_names_free(char **names, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free(names[i]);
    free(names);
}

static int take_number(const char **text, const char *word, uint64_t *number)
{
    size_t n = strlen(word);
    char *end;
    if (strncmp(*text, word, n) != 0)
        return -1;
    *number = strtoull(*text + n, &end, 10);
    *text = end + 1;
    return *end == '\n' ? 0 : -1;
}

int image_read_about(const struct conf *c, const char *name, struct image_about *a)
{
    FREE_MEM char *path = mem_fmt("%s/images/%s/about", c->paths.state, name);
    FREE_MEM char *text = io_read_file(path, ABOUT_MOST, NULL, NULL);
    const char *at = text;
    uint64_t created;
    if (text == NULL || take_number(&at, "bytes ", &a->bytes) < 0 || take_number(&at, "files ", &a->files) < 0 ||
        take_number(&at, "created ", &created) < 0 || created > INT64_MAX)
        return -1;
    a->created = (int64_t)created;
    return 0;
}

int image_write_about(const char *folder, const struct image_about *a, struct err *e)
{
    FREE_MEM char *path = mem_fmt("%s/about", folder);
    FREE_MEM char *text = mem_fmt("bytes %llu\nfiles %llu\ncreated %lld\n", (unsigned long long)a->bytes, (unsigned long long)a->files,
                                  (long long)a->created);
    return io_write_file(path, 0600, text, strlen(text), e);
}

/* ---- who uses it ---- */

void image_users(const struct super *s, const char *name, image_user_fn *fn, void *data)
{
    for (size_t i = 0; i < s->conf.nservers; i++)
        if (strcmp(s->conf.servers[i].image, name) == 0)
            fn(data, s->conf.servers[i].name, false);
    for (const struct server *v = s->servers; v; v = v->next) {
        const struct conf_server *c = conf_server(&s->conf, v->name);
        if (server_alive(v) && strcmp(v->image, name) == 0 && (c == NULL || strcmp(c->image, name) != 0))
            fn(data, v->name, true);
    }
}

bool image_missing(const struct conf *c, char *why, size_t size)
{
    struct err e;
    char line[400];
    for (size_t i = 0; i < c->nservers; i++) {
        const struct conf_server *v = &c->servers[i];
        if (image_is_host(v->image))
            continue;
        CLOSE_FD int fd = image_open(c, v->image, &e);
        if (fd >= 0)
            continue;
        size_t n;
        char **names = image_names(c, &n);
        struct buf allowed BUF_FREE = BUF(8192);
        for (size_t k = 0; k < n; k++)
            buf_put_fmt(&allowed, " %s", names[k]);
        image_names_free(names, n);
        snprintf(why, size, "%s: server %s: %s; allowed: host%.*s", v->where, v->name, err_text(&e, line, sizeof line),
                 (int)buf_size(&allowed), (const char *)buf_head(&allowed));
        return true;
    }
    return false;
}

/* ---- what runs on it ---- */

static char *note_path(const struct server *v)
{
    return mem_fmt("%s/shims/%s.image", v->super->conf.paths.run, v->name);
}

/* A link to nothing: made and read in one call each, never half. */
int image_note(struct server *v, const char *name, struct err *e)
{
    FREE_MEM char *path = note_path(v);
    snprintf(v->image, sizeof v->image, "%s", name);
    if (unlink(path) < 0 && errno != ENOENT)
        return err_set(e, errno, "unlink", "%s", path);
    return name[0] && symlink(name, path) < 0 ? err_set(e, errno, "symlink", "%s", path) : 0;
}

void image_forget(struct server *v)
{
    struct err e;
    char line[400];
    if (image_note(v, "", &e) < 0)
        log_warn("image.note", "server=%s error=\"%s\"", v->name, err_text(&e, line, sizeof line));
}

void image_noted(struct server *v)
{
    FREE_MEM char *path = note_path(v);
    ssize_t n = readlink(path, v->image, sizeof v->image - 1);
    v->image[n > 0 ? n : 0] = '\0';
}
