/* For targets that make what they try: choices from a seed, and the command line, "[-n TIMES] [-s SEED]" or "FILE..." to replay. */
#ifndef T_FUZZ_OWN_H
#define T_FUZZ_OWN_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/die.h"
#include "base/io.h"
#include "base/mem.h"

enum { REPLAY_MOST = 64 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static uint64_t state = 88172645463325252ull;

static uint32_t next(uint32_t below)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 16) % below;
}

/* How often the target is to be run with what it makes: TIMES unless the command line says another number; 0 when it named files, which were tried. */
static unsigned long own_times(int argc, char **argv, unsigned long times)
{
    for (int o; (o = getopt(argc, argv, "n:s:")) != -1;) {
        if (o == '?')
            exit(2);
        unsigned long v = strtoul(optarg, NULL, 10);
        if (o == 'n')
            times = v;
        else
            state += v;
    }
    for (int i = optind; i < argc; i++) {
        size_t size;
        struct err e;
        FREE_MEM char *text = io_read_file(argv[i], REPLAY_MOST, &size, &e);
        if (text == NULL)
            die_err(&e);
        LLVMFuzzerTestOneInput((const uint8_t *)text, size);
    }
    return optind < argc ? 0 : times;
}

#endif
