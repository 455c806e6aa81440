/* Calls a disk's backend as launch does:
     diskctl up STATE NAME BYTES INODES UID | down STATE NAME           as launch chooses it
     diskctl -b WORD VERB STATE NAME [BYTES INODES UID [PROJECT]]       that backend: up, resize, fit, has, down, use, drop, move
   The second prints what it is told, "bytes= inodes= used= used_inodes= count=".  For disk.t and its like. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "quota/backend.h"
#include "quota/place.h"
#include "quota/tree.h"

typedef int verb_fn(const struct backend *b, const struct place *p, struct disk *d, struct err *e);

static int up(const struct backend *b, const struct place *p, struct disk *d, struct err *e)
{
    return tree_owner_ok(d->owner, e) < 0 ? -1 : b->up(p, d, e);
}
static int resize(const struct backend *b, const struct place *p, struct disk *d, struct err *e) { return (b->resize ? b->resize : b->up)(p, d, e); }
static int fit(const struct backend *b, const struct place *p, struct disk *d, struct err *e) { return b->fit(p, d, e); }
static int down(const struct backend *b, const struct place *p, struct disk *d, struct err *e) { return b->down(p, d, e); }
static int use(const struct backend *b, const struct place *p, struct disk *d, struct err *e) { return b->use(p, d, e); }
static int drop(const struct backend *b, const struct place *p, struct disk *d, struct err *e) { return b->drop(p, d, e); }
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
    { "move", move }, { "up", up }, { "resize", resize }, { "fit", fit }, { "has", has }, { "down", down }, { "use", use }, { "drop", drop },
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

/* From the folder on: STATE NAME [BYTES INODES UID]. */
static struct disk disk_of(int argc, char **argv)
{
    struct disk d = { .state = argv[0], .name = argv[1], .run = argv[0], .libexec = argv[0] };
    if (argc > 4) {
        d.bytes = strtoull(argv[2], NULL, 10);
        d.inodes = strtoull(argv[3], NULL, 10);
        d.owner = (uid_t)strtoul(argv[4], NULL, 10);
    }
    return d;
}

int main(int argc, char **argv)
{
    struct err e = { 0 };
    char text[512];
    log_init("diskctl", LOG_INFO);
    bool named = argc >= 6 && strcmp(argv[1], "-b") == 0;
    int r = -1;
    if (!named && !(argc == 7 && strcmp(argv[1], "up") == 0) && !(argc == 4 && strcmp(argv[1], "down") == 0))
        return 2;
    struct disk d = named ? disk_of(argc - 4, argv + 4) : disk_of(argc - 2, argv + 2);
    if (named)
        r = by_word(argc, argv, &d, &e);
    else
        r = argc == 7 ? disk_up(&d, &e) : disk_down(&d, &e);
    /* `fit` may have a reason to say although it fits. */
    if (r < 0 || e.step[0])
        fprintf(stderr, "%s\n", err_text(&e, text, sizeof text));
    return r < 0 ? 1 : 0;
}
