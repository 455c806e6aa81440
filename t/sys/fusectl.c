/* Calls the backend `fuse` as launch does, and its links.  For quotafs.t.
   fusectl STATE RUN LIBEXEC up NAME BYTES INODES UID | resize NAME BYTES INODES | use NAME | down NAME | has NAME | drop NAME | fit NAME | end NAME |
   watch NAME SECONDS.  Prints "used inodes bytes_most inodes_most" where there are any. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>

#include "base/io.h"
#include "base/log.h"
#include "quota/fuse.h"
#include "quota/fuse_link.h"
#include "quota/place.h"

static struct disk d;
static const struct backend *const b = &backend_fuse;

static int print(int r)
{
    if (r == 0)
        printf("%" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", d.used, d.used_inodes, d.bytes, d.inodes);
    return r;
}

static int up(const struct place *p, struct err *e) { return print(b->up(p, &d, e)); }
static int resize(const struct place *p, struct err *e) { return print(b->resize(p, &d, e)); }
static int use(const struct place *p, struct err *e) { return print(b->use(p, &d, e)); }
static int down(const struct place *p, struct err *e) { return b->down(p, &d, e); }
static int drop(const struct place *p, struct err *e) { return b->drop(p, &d, e); }
static int fit(const struct place *p, struct err *e) { return b->fit(p, &d, e); }
static int has(const struct place *p, struct err *e) { return b->has(p) ? 0 : err_set(e, 0, "has", "nothing"); }

static int end(const struct place *p, struct err *e)
{
    CLOSE_FD int link = fuse_link_open(d.run, p->folder, e);
    if (link < 0 || fuse_link_end(link, e) < 0)
        return -1;
    return fuse_link_gone(link, 5000) ? 0 : err_set(e, 0, "end", "it is still there");
}

/* A line each report, with the milliseconds since the first. */
static int watch(const struct place *p, struct err *e)
{
    struct fuse_usage u;
    flock(p->locked, LOCK_UN);
    uint64_t start = now_ms(), stop = start + d.bytes * 1000;
    CLOSE_FD int link = fuse_link_open(d.run, p->folder, e);
    int n = link < 0 ? -1 : fuse_link_watch(link, &u, e) < 0 ? -1 : 1;
    for (; n > 0 && now_ms() < stop; n = fuse_link_next(link, &u, e)) {
        printf("%" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", now_ms() - start, u.bytes, u.inodes, u.bytes_most);
        fflush(stdout);
    }
    return n < 0 ? -1 : 0;
}

static const struct { const char *word; int args; int (*fn)(const struct place *, struct err *); } verbs[] = {
    { "up", 3, up }, { "resize", 2, resize }, { "use", 0, use }, { "down", 0, down }, { "drop", 0, drop },
    { "fit", 0, fit }, { "has", 0, has }, { "end", 0, end }, { "watch", 1, watch },
};

int main(int argc, char **argv)
{
    struct err e = { 0 };
    char text[512];
    log_init("fusectl", LOG_INFO);
    for (size_t i = 0; argc > 5 && i < countof(verbs); i++) {
        if (strcmp(argv[4], verbs[i].word) != 0 || argc != 6 + verbs[i].args)
            continue;
        d = (struct disk){ .state = argv[1], .run = argv[2], .libexec = argv[3], .name = argv[5] };
        d.bytes = argc > 6 ? strtoull(argv[6], NULL, 10) : 0;
        d.inodes = argc > 7 ? strtoull(argv[7], NULL, 10) : 0;
        d.owner = argc > 8 ? (uid_t)strtoul(argv[8], NULL, 10) : 0;
        PLACE p;
        int r = place_open(&p, d.state, d.name, &e) < 0 ? -1 : verbs[i].fn(&p, &e);
        if (r < 0)
            fprintf(stderr, "%s\n", err_text(&e, text, sizeof text));
        return r < 0 ? 1 : 0;
    }
    return 2;
}
