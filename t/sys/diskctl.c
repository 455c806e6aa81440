/* Calls the disk backend as launch does: diskctl up STATE NAME BYTES INODES UID | down STATE NAME.  For disk.t. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "quota/backend.h"

int main(int argc, char **argv)
{
    struct err e = { 0 };
    char text[512];
    log_init("diskctl", LOG_INFO);
    int r = -1;
    if (argc == 7 && strcmp(argv[1], "up") == 0) {
        struct disk d = { .state = argv[2], .name = argv[3], .bytes = strtoull(argv[4], NULL, 10),
                          .inodes = strtoull(argv[5], NULL, 10), .owner = (uid_t)strtoul(argv[6], NULL, 10) };
        r = disk_up(&d, &e);
    } else if (argc == 4 && strcmp(argv[1], "down") == 0) {
        r = disk_down(&(struct disk){ .state = argv[2], .name = argv[3] }, &e);
    } else {
        return 2;
    }
    if (r < 0)
        fprintf(stderr, "%s\n", err_text(&e, text, sizeof text));
    return r < 0 ? 1 : 0;
}
