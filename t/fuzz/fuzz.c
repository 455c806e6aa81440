#include "t/fuzz/fuzz.h"

#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "base/die.h"
#include "base/io.h"
#include "base/log.h"
#include "base/mem.h"

enum { TIMES = 4 };

jmp_buf died;
bool may_die;

/* --- the end of the process, and its log -------------------------------------------------------------------------------------------- */

static NORETURN void end(const char *word, const char *fmt, va_list ap)
{
    char text[2048];
    vsnprintf(text, sizeof text, fmt, ap);
    if (may_die)
        longjmp(died, 1);
    fprintf(stderr, "%s: %s\n", word, text);
    abort();
}

#define END(word) \
    va_list ap; \
    va_start(ap, fmt); \
    end(word, fmt, ap)

void die(const char *fmt, ...) { END("die"); }
void die_errno(const char *fmt, ...) { END("die_errno"); }
void die_err(const struct err *e) { die("%s", e->text); }

void bug_at(const char *file, int line, const char *fmt, ...)
{
    fprintf(stderr, "%s:%d\n", file, line);
    may_die = false;
    END("bug");
}

/* Formatted, as that may be wrong, and gone.  (base/log.c is compiled with its own under another name.) */
void log_line(enum log_level level, const char *event, const char *fmt, ...)
{
    char text[4096];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (level < LOG_ERROR || event[0] == '\0')
        abort();
}

/* --- supply --------------------------------------------------------------------------------------------------------------------------- */

uint8_t take_u8(struct supply *in)
{
    if (in->left == 0)
        return 0;
    in->left--;
    return *in->p++;
}

uint64_t take_u64(struct supply *in)
{
    static const uint64_t edges[] = { UINT64_MAX, INT64_MAX, UINT32_MAX, UINT64_C(1) << 63, UINT64_C(1) << 32, 65536, 65535, 512 };
    uint8_t how = take_u8(in);
    uint64_t v = 0;
    if (how < 160)
        return how % 40;
    if (how < 192)
        return edges[how % countof(edges)];
    for (unsigned n = how < 224 ? 2 : 8; n > 0; n--)
        v = v << 8 | take_u8(in);
    return v;
}

uint32_t take_u32(struct supply *in)
{
    return (uint32_t)take_u64(in);
}

char *take_bytes(struct supply *in, size_t most, size_t *size)
{
    size_t want = take_u8(in);
    if (want > 250)
        want = (want - 250) * 3000;
    *size = want < in->left ? want : in->left;
    if (*size > most)
        *size = most;
    char *bytes = mem_strn(in->p, *size);
    in->p += *size;
    in->left -= *size;
    return bytes;
}

char *take_rest(struct supply *in, size_t *size)
{
    *size = in->left;
    in->left = 0;
    return mem_strn(in->p, *size);
}

/* --- messages ------------------------------------------------------------------------------------------------------------------------- */

static void put_text(struct supply *in, struct msg *m, const char *const *words)
{
    size_t n = 0, size;
    while (words[n])
        n++;
    uint8_t how = take_u8(in);
    if (how < 200 && n) {
        msg_put_str(m, words[how % n]);
        return;
    }
    FREE_MEM char *bytes = take_bytes(in, 20000, &size);
    msg_put_bytes(m, bytes, size);
}

static void put_one(struct supply *in, struct msg *m, char letter, const char *const *words)
{
    if (letter == 'i')
        msg_put_u32(m, take_u32(in));
    else if (letter == 'q')
        msg_put_u64(m, take_u64(in));
    else if (letter == 'f')
        msg_put_fd(m, memfd_create("fuzz", MFD_CLOEXEC));
    else
        put_text(in, m, words);
}

static void hurt(struct supply *in, struct msg *m, const char *const *words)
{
    static const char letters[] = "iqsf";
    uint8_t how = take_u8(in);
    if (how < 64)
        put_one(in, m, letters[how % 4], words);
    else if (how < 100 && m->body.len)
        m->body.len -= 1 + how % m->body.len;
    else if (how < 140)
        buf_put_u8(&m->body, take_u8(in));
    else if (how < 200 && m->body.len)
        m->body.p[take_u8(in) % m->body.len] = take_u8(in);
    else {
        buf_put_u8(&m->body, 3);
        buf_put_u32(&m->body, UINT32_MAX - take_u8(in));
    }
}

void put_fields(struct supply *in, struct msg *m, const char *letters, const char *const *words)
{
    for (const char *at = letters; *at; at++) {
        uint8_t fate = take_u8(in);
        if (fate >= 250)
            continue;
        if (fate >= 240)
            hurt(in, m, words);
        if (*at != 'n') {
            put_one(in, m, *at, words);
            continue;
        }
        char group[32] = "";
        size_t size = strcspn(at + 2, ")");
        memcpy(group, at + 2, size);
        uint32_t n = take_u8(in) % 5;
        msg_put_u32(m, fate >= 230 ? take_u32(in) : n);
        while (n-- > 0)
            put_fields(in, m, group, words);
        at += 2 + size;
    }
}

void send_fields(int fd, struct msg *m)
{
    /* What does not fit a message cannot be sent by anybody. */
    if (!m->bad && !m->body.bad)
        msg_send(fd, m);
    for (unsigned i = 0; i < m->nfds; i++)
        close(m->fds[i]);
    msg_free(m);
}

/* --- a folder ------------------------------------------------------------------------------------------------------------------------- */

static char folder[64];

static int remove_one(const char *path, const struct stat *st UNUSED, int kind UNUSED, struct FTW *where UNUSED)
{
    return remove(path);
}

static void remove_folder(void)
{
    nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

const char *work_folder(void)
{
    if (folder[0])
        return folder;
    snprintf(folder, sizeof folder, "/dev/shm/holdfast-fuzz.XXXXXX");
    if (mkdtemp(folder) == NULL)
        die_errno("mkdtemp");
    atexit(remove_folder);
    return folder;
}

/* --- without libFuzzer ------------------------------------------------------------------------------------------------------------------ */

#ifndef LIBFUZZER
struct seed { char *bytes; size_t size; };

static uint64_t state = 88172645463325252;

static uint32_t dice(size_t n)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return n ? (uint32_t)(state % n) : 0;
}

static void mutate(uint8_t *bytes, size_t *size, size_t room, const struct seed *other)
{
    for (uint32_t n = 1 + dice(TIMES); n > 0; n--) {
        size_t at = dice(*size + 1), rest = *size - at, count = 1 + dice(8);
        uint32_t how = dice(5);
        if (how == 0 && at < *size)
            bytes[at] = (uint8_t)dice(256);
        else if (how == 1 && at < *size)
            bytes[at] ^= (uint8_t)(1u << dice(8));
        else if (how == 2 && *size + count <= room) {
            memmove(bytes + at + count, bytes + at, rest);
            for (size_t i = 0; i < count; i++)
                bytes[at + i] = (uint8_t)dice(256);
            *size += count;
        } else if (how == 3 && rest > count) {
            memmove(bytes + at, bytes + at + count, rest - count);
            *size -= count;
        } else if (how == 4 && other->size && at + other->size <= room) {
            memcpy(bytes + at, other->bytes, other->size);
            *size = at + other->size;
        }
    }
}

static void read_seed(struct seed **seeds, size_t *n, const char *path)
{
    struct err e;
    size_t size;
    char *bytes = io_read_file(path, 1 << 20, &size, &e);
    if (bytes == NULL)
        return;
    *seeds = mem_grow(*seeds, *n + 1, sizeof **seeds);
    (*seeds)[(*n)++] = (struct seed){ bytes, size };
}

static void read_seeds(struct seed **seeds, size_t *n, const char *path)
{
    DIR *d = opendir(path);
    if (d == NULL) {
        read_seed(seeds, n, path);
        return;
    }
    for (struct dirent *one; (one = readdir(d));) {
        FREE_MEM char *file = mem_fmt("%s/%s", path, one->d_name);
        if (one->d_name[0] != '.')
            read_seed(seeds, n, file);
    }
    closedir(d);
}

/* FOLDER or FILE..., -max_total_time=SECONDS, -seed=N; other options are libFuzzer's. */
int main(int argc, char **argv)
{
    enum { ROOM = 1 << 16 };
    static uint8_t bytes[ROOM];
    struct seed *seeds = NULL;
    size_t n = 0;
    unsigned long seconds = 0, times = 0;
    for (int i = 1; i < argc; i++)
        if (strncmp(argv[i], "-max_total_time=", 16) == 0)
            seconds = strtoul(argv[i] + 16, NULL, 10);
        else if (strncmp(argv[i], "-seed=", 6) == 0)
            state += strtoul(argv[i] + 6, NULL, 10);
        else if (argv[i][0] != '-')
            read_seeds(&seeds, &n, argv[i]);
    for (size_t i = 0; i < n; i++)
        LLVMFuzzerTestOneInput((const uint8_t *)seeds[i].bytes, seeds[i].size);
    for (time_t stop = time(NULL) + (time_t)seconds; time(NULL) < stop && n; times++) {
        const struct seed *s = &seeds[dice(n)];
        size_t size = s->size < ROOM ? s->size : ROOM;
        memcpy(bytes, s->bytes, size);
        mutate(bytes, &size, ROOM, &seeds[dice(n)]);
        uint8_t *exact = mem_new(size);   /* so that a byte too far is seen */
        memcpy(exact, bytes, size);
        LLVMFuzzerTestOneInput(exact, size);
        free(exact);
    }
    fprintf(stderr, "Done %lu runs\n", times);
    return 0;
}
#endif
