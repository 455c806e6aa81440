/* scan FOLDER THREADS: one count, and what it took of memory; for t/bench/scan. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/attr.h"
#include "base/die.h"
#include "quota/scan.h"

static unsigned long peak_kib(void)
{
    char line[200];
    unsigned long kib = 0;
    FILE *f = fopen("/proc/self/status", "re");
    while (f && fgets(line, sizeof line, f))
        if (strncmp(line, "VmHWM:", 6) == 0)
            kib = strtoul(line + 6, NULL, 10);
    if (f)
        fclose(f);
    return kib;
}

int main(int argc, char **argv)
{
    struct scan_result r;
    if (argc != 3)
        die("usage: scan FOLDER THREADS");
    CLOSE_FD int fd = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || scan(fd, &(struct scan){ .threads = (unsigned)strtoul(argv[2], NULL, 10) }, &r) < 0)
        die_errno("%s", argv[1]);
    printf("bytes=%llu inodes=%llu exact=%d peak_kib=%lu\n", (unsigned long long)r.tally.bytes, (unsigned long long)r.tally.inodes,
           scan_exact(&r), peak_kib());
    return 0;
}
