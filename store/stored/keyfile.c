#include "store/stored/keyfile.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static void keyfile_key_free(struct keyfile_key *k)
{
    free(k->text);
    free(k->options);
}

void keyfile_free(struct keyfile *f)
{
    for (size_t i = 0; i < f->n; i++)
        keyfile_key_free(&f->keys[i]);
    free(f->keys);
    *f = (struct keyfile){ 0 };
}

const struct keyfile_key *keyfile_find(const struct keyfile *f, const uint8_t hash[KEY_HASH])
{
    for (size_t i = 0; i < f->n; i++)
        if (memcmp(f->keys[i].hash, hash, KEY_HASH) == 0)
            return &f->keys[i];
    return NULL;
}

static int add(struct keyfile *f, const struct key *k, const struct keyfile_key *one, struct err *e)
{
    const struct keyfile_key *same = keyfile_find(f, one->hash);
    if (k->bits && k->bits < KEYFILE_BITS)
        return err_set(e, 0, k->type, "a key of %u bits; allowed: %d bits or more, or ed25519", k->bits, KEYFILE_BITS);
    if (same)
        return err_set(e, 0, "key", "the same key as in line %u", same->line);
    if (f->n == KEYFILE_KEYS)
        return err_set(e, 0, "key", "one too many; allowed: %d keys", KEYFILE_KEYS);
    f->keys = mem_grow(f->keys, f->n + 1, sizeof *f->keys);
    f->keys[f->n] = *one;
    f->keys[f->n++].text = NULL;
    return 0;
}

/* LINE is NUL-terminated and has no end of line. */
static int take(struct keyfile *f, const char *line, unsigned number, const uint8_t *secret, struct err *e)
{
    struct key k;
    struct keyfile_key one = { .line = number };
    if (key_parse(line, &k, e) < 0)
        return -1;
    if (k.blob == NULL)
        return 0;
    one.type = k.type;
    key_hash(secret, k.blob, k.size, one.hash);
    key_fingerprint(k.blob, k.size, one.fingerprint);
    memcpy(one.label, k.label, sizeof one.label);
    int r = add(f, &k, &one, e);
    if (r == 0) {
        f->keys[f->n - 1].text = mem_str(line);
        f->keys[f->n - 1].options = k.options;
        k.options = NULL;
    }
    key_free(&k);
    return r;
}

void keyfile_drop(struct keyfile *f, size_t i)
{
    keyfile_key_free(&f->keys[i]);
    memmove(&f->keys[i], &f->keys[i + 1], (f->n - i - 1) * sizeof *f->keys);
    f->n--;
}

int keyfile_parse(const char *text, const uint8_t *secret, struct keyfile *f, struct err *e)
{
    char outer[24];
    *f = (struct keyfile){ 0 };
    if (strlen(text) > KEYS_FILE_MOST)
        return err_set(e, 0, "file", "%zu bytes; allowed: %d", strlen(text), KEYS_FILE_MOST);
    for (unsigned number = 1; *text; number++) {
        size_t all = strcspn(text, "\n"), size = all && text[all - 1] == '\r' ? all - 1 : all;
        FREE_MEM char *line = mem_strn(text, size);
        if (take(f, line, number, secret, e) < 0) {
            keyfile_free(f);
            snprintf(outer, sizeof outer, "line %u", number);
            return err_wrap(e, outer);
        }
        text += all + (text[all] == '\n');
    }
    return 0;
}
