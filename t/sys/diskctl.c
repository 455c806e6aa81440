/* Calls the disk backends as launch does:
     diskctl up|resize STATE NAME BYTES INODES UID [BACKEND [PROJECT]]
     diskctl show STATE NAME BYTES INODES UID [BACKEND [PROJECT]]        as up, and prints "BACKEND BYTES INODES", the limits in force
     diskctl migrate|look STATE NAME BYTES INODES UID CONFIGURED TO      prints "FROM BYTES INODES LEFT-OUT NOTE"
     diskctl down|drop STATE NAME
     diskctl use STATE NAME
     diskctl resize STATE NAME BYTES INODES                              of the image
   up, resize and use print "BYTES INODES USED USED_INODES": in force, and in use.
     diskctl -b WORD VERB STATE NAME [BYTES INODES UID [PROJECT]]        that backend: up, resize, fit, has, down, use, drop, move;
                                                                         prints "bytes= inodes= used= used_inodes= count="
     diskctl auto STATE NAME                                             prints a line a backend: WORD, and why it does not fit
   The folder of the role programs is that of this program's build ($BUILD), of sockets STATE/run. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/mem.h"
#include "quota/backend.h"
#include "quota/choose.h"
#include "quota/migrate.h"
#include "quota/image.h"
#include "quota/place.h"
#include "quota/tree.h"

/* What is in force, and in use. */
static int print(const struct disk *d)
{
    printf("%" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", d->bytes, d->inodes, d->used, d->used_inodes);
    return 0;
}

/* Whatever has the files. */
static int resize_image(struct disk *d, struct err *e)
{
    PLACE p = PLACE_NONE;
    return place_open(&p, d->state, d->name, e) < 0 || backend_image.resize(&p, d, e) < 0 ? -1 : print(d);
}

static int show(struct disk *d, struct err *e)
{
    if (disk_up(d, e) < 0)
        return -1;
    printf("%s %" PRIu64 " %" PRIu64 "\n", d->backend, d->bytes, d->inodes);
    return 0;
}

static int migrate(struct disk *d, const char *to, bool dry, struct err *e)
{
    struct migration m = { .to = to, .dry = dry };
    if (disk_migrate(d, &m, e) < 0)
        return -1;
    printf("%s %" PRIu64 " %" PRIu64 " %" PRIu64 " %s\n", m.from ? m.from : "-", m.moved.bytes, m.moved.inodes, m.moved.left_out, m.note);
    return 0;
}

static int use(struct disk *d, struct err *e)
{
    if (disk_use(d, e) < 0)
        return -1;
    return print(d);
}

static void say(void *data UNUSED, const struct backend *b, const char *why)
{
    printf("%s %s\n", b->word, why);
}

static int automatic(const struct disk *d, struct err *e)
{
    PLACE p = PLACE_NONE;
    if (place_open(&p, d->state, d->name, e) < 0)
        return -1;
    choose_auto(&p, d, say, NULL);
    return 0;
}

typedef int verb_fn(const struct backend *b, const struct place *p, struct disk *d, struct err *e);

static int up(const struct backend *b, const struct place *p, struct disk *d, struct err *e)
{
    return tree_owner_ok(d->owner, e) < 0 ? -1 : b->up(p, d, e);
}
static int resize(const struct backend *b, const struct place *p, struct disk *d, struct err *e) { return (b->resize ? b->resize : b->up)(p, d, e); }
static int fit(const struct backend *b, const struct place *p, struct disk *d, struct err *e) { return b->fit(p, d, e); }
static int down(const struct backend *b, const struct place *p, struct disk *d, struct err *e) { return b->down(p, d, e); }
static int use_of(const struct backend *b, const struct place *p, struct disk *d, struct err *e) { return b->use(p, d, e); }
static int drop_of(const struct backend *b, const struct place *p, struct disk *d, struct err *e) { return b->drop(p, d, e); }
static int has(const struct backend *b, const struct place *p, struct disk *d, struct err *e)
{
    return b->has(p) ? 0 : err_set(e, 0, "has", "no files of %s", d->name);
}

/* Of .NAME.new, as at the end of a migration, to NAME. */
static int move(const struct backend *b, const struct place *p, struct disk *d, struct err *e)
{
    PLACE to = { .servers = -1, .locked = -1 };
    size_t n = strlen(d->name);
    FREE_MEM char *name = n > 5 ? mem_strn(d->name + 1, n - 5) : mem_str("");
    return place_open(&to, d->state, name, e) < 0 ? -1 : b->move(p, &to, e);
}

static const struct { const char *word; verb_fn *fn; } verbs[] = {
    { "move", move }, { "up", up }, { "resize", resize }, { "fit", fit }, { "has", has }, { "down", down }, { "use", use_of }, { "drop", drop_of },
};

static int by_word(int argc, char **argv, struct disk *d, struct err *e)
{
    const struct backend *b = backend_find(argv[2]);
    if (b == NULL)
        return err_set(e, 0, "diskctl", "no backend %s", argv[2]);
    d->project = argc > 9 ? (uint32_t)strtoul(argv[9], NULL, 10) : 1;
    PLACE p = { .servers = -1, .locked = -1 };
    for (size_t i = 0; i < countof(verbs); i++)
        if (strcmp(verbs[i].word, argv[3]) == 0) {
            if (place_open(&p, d->state, d->name, e) < 0 || verbs[i].fn(b, &p, d, e) < 0)
                return -1;
            printf("bytes=%" PRIu64 " inodes=%" PRIu64 " used=%" PRIu64 " used_inodes=%" PRIu64 " count=%s\n", d->bytes, d->inodes, d->used,
                   d->used_inodes, d->count);
            return 0;
        }
    return err_set(e, 0, "diskctl", "no verb %s", argv[3]);
}

static int run(int argc, char **argv, struct disk *d, struct err *e)
{
    const char *word = argv[1];
    if (argc == 4 && strcmp(word, "down") == 0)
        return disk_down(d, e);
    if (argc == 4 && strcmp(word, "drop") == 0)
        return disk_drop(d, e);
    if (argc == 4 && strcmp(word, "use") == 0)
        return use(d, e);
    if (argc == 4 && strcmp(word, "auto") == 0)
        return automatic(d, e);
    if (argc >= 7 && argc <= 9 && strcmp(word, "up") == 0)
        return disk_up(d, e) < 0 ? -1 : print(d);
    if (argc >= 7 && argc <= 9 && strcmp(word, "show") == 0)
        return show(d, e);
    if (argc >= 7 && argc <= 9 && strcmp(word, "resize") == 0)
        return disk_resize(d, e) < 0 ? -1 : print(d);
    if (argc == 6 && strcmp(word, "resize") == 0)
        return resize_image(d, e);
    if (argc == 9 && (strcmp(word, "migrate") == 0 || strcmp(word, "look") == 0))
        return migrate(d, argv[8], word[0] == 'l', e);
    return 1;
}

int main(int argc, char **argv)
{
    struct err e = { 0 };
    char text[512];
    log_init("diskctl", LOG_INFO);
    bool named = argc >= 6 && strcmp(argv[1], "-b") == 0;
    if (argc < 4)
        return 2;
    /* Behind "-b WORD" all is as without. */
    char **all = argv;
    if (named) {
        argc -= 2;
        argv += 2;
    }
    FREE_MEM char *sockets = mem_fmt("%s/run", argv[2]);
    mkdir(sockets, 0755);
    struct disk d = { .state = argv[2], .name = argv[3], .run = sockets, .libexec = DISKCTL_LIBEXEC, .project = 1 };
    if (argc > 5) {
        d.bytes = strtoull(argv[4], NULL, 10);
        d.inodes = strtoull(argv[5], NULL, 10);
        d.owner = argc > 6 ? (uid_t)strtoul(argv[6], NULL, 10) : 0;
    }
    d.backend = argc > 7 ? argv[7] : "auto";
    if (argc == 9 && argv[1][0] != 'm' && argv[1][0] != 'l')
        d.project = (uint32_t)strtoul(argv[8], NULL, 10);
    int r = named ? by_word(argc + 2, all, &d, &e) : run(argc, argv, &d, &e);
    /* `fit` may have a reason to say although it fits. */
    if (r < 0 || (named && e.step[0]))
        fprintf(stderr, "%s\n", err_text(&e, text, sizeof text));
    return r < 0 ? 1 : r ? 2 : 0;
}
