/* Calls the disk backends as launch does:
     diskctl up|resize STATE NAME BYTES INODES UID [BACKEND [PROJECT]]
     diskctl show STATE NAME BYTES INODES UID [BACKEND [PROJECT]]        as up, and prints "BACKEND BYTES INODES", the limits in force
     diskctl migrate|look STATE NAME BYTES INODES UID CONFIGURED TO      prints "FROM BYTES INODES LEFT-OUT NOTE"
     diskctl down|drop STATE NAME
     diskctl use STATE NAME                                              prints "BYTES INODES"
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
#include "quota/place.h"

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
    printf("%" PRIu64 " %" PRIu64 "\n", d->used, d->used_inodes);
    return 0;
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
        return disk_up(d, e);
    if (argc >= 7 && argc <= 9 && strcmp(word, "show") == 0)
        return show(d, e);
    if (argc >= 7 && argc <= 9 && strcmp(word, "resize") == 0)
        return disk_resize(d, e);
    if (argc == 9 && (strcmp(word, "migrate") == 0 || strcmp(word, "look") == 0))
        return migrate(d, argv[8], word[0] == 'l', e);
    return 1;
}

int main(int argc, char **argv)
{
    struct err e = { 0 };
    char text[512];
    log_init("diskctl", LOG_INFO);
    if (argc < 4)
        return 2;
    FREE_MEM char *sockets = mem_fmt("%s/run", argv[2]);
    mkdir(sockets, 0755);
    struct disk d = { .state = argv[2], .name = argv[3], .run = sockets, .libexec = DISKCTL_LIBEXEC, .project = 1 };
    if (argc > 6) {
        d.bytes = strtoull(argv[4], NULL, 10);
        d.inodes = strtoull(argv[5], NULL, 10);
        d.owner = (uid_t)strtoul(argv[6], NULL, 10);
    }
    d.backend = argc > 7 ? argv[7] : "auto";
    if (argc == 9 && argv[1][0] != 'm' && argv[1][0] != 'l')
        d.project = (uint32_t)strtoul(argv[8], NULL, 10);
    int r = run(argc, argv, &d, &e);
    if (r < 0)
        fprintf(stderr, "%s\n", err_text(&e, text, sizeof text));
    return r < 0 ? 1 : r ? 2 : 0;
}
