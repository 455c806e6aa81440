/* Calls the disk backend as launch does: diskctl up STATE NAME BYTES INODES UID | resize STATE NAME BYTES INODES | use STATE NAME |
   down STATE NAME.  What is in force, and in use, is printed: "BYTES INODES USED USED_INODES".  For disk.t and its neighbours. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "quota/backend.h"
#include "quota/image.h"
#include "quota/place.h"

static int on_image(int (*fn)(const struct place *, struct disk *, struct err *), struct disk *d, struct err *e)
{
    PLACE p;
    return place_open(&p, d->state, d->name, e) < 0 ? -1 : fn(&p, d, e);
}

int main(int argc, char **argv)
{
    struct err e = { 0 };
    struct disk d = { .state = argc > 3 ? argv[2] : "", .name = argc > 3 ? argv[3] : "" };
    char text[512];
    log_init("diskctl", LOG_INFO);
    int r = -1;
    if (argc >= 6) {
        d.bytes = strtoull(argv[4], NULL, 10);
        d.inodes = strtoull(argv[5], NULL, 10);
    }
    if (argc == 7 && strcmp(argv[1], "up") == 0) {
        d.owner = (uid_t)strtoul(argv[6], NULL, 10);
        r = disk_up(&d, &e);
    } else if (argc == 6 && strcmp(argv[1], "resize") == 0) {
        r = on_image(backend_image.resize, &d, &e);
    } else if (argc == 4 && strcmp(argv[1], "use") == 0) {
        r = on_image(backend_image.use, &d, &e);
    } else if (argc == 4 && strcmp(argv[1], "down") == 0) {
        r = disk_down(&d, &e);
    } else {
        return 2;
    }
    if (r < 0)
        fprintf(stderr, "%s\n", err_text(&e, text, sizeof text));
    else if (strcmp(argv[1], "down") != 0)
        printf("%" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", d.bytes, d.inodes, d.used, d.used_inodes);
    return r < 0 ? 1 : 0;
}
