/* Lines of keys and files of own keys (authorized_keys), as accounts upload them. */
#include <stdlib.h>
#include <string.h>

#include "base/die.h"
#include "base/mem.h"
#include "store/stored/keyfile.h"
#include "store/stored/keys.h"
#include "t/fuzz/fuzz.h"

static const uint8_t secret[32] = { 9 };

static void one_line(const char *text)
{
    struct err e = { 0 };
    struct key k;
    if (key_parse(text, &k, &e) < 0) {
        invariant(e.text[0] && k.blob == NULL);
        return;
    }
    char print[KEY_FINGERPRINT];
    if (k.blob) {
        key_fingerprint(k.blob, k.size, print);
        invariant(strlen(print) < sizeof print && strlen(k.label) <= KEY_LABEL_MOST && strcmp(key_word(k.type), "UNKNOWN") != 0);
    }
    key_free(&k);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct err e = { 0 };
    struct keyfile f;
    FREE_MEM char *text = mem_strn(bytes, size);
    one_line(text);
    if (keyfile_parse(text, secret, &f, &e) < 0) {
        invariant(e.text[0] && f.keys == NULL);
        return 0;
    }
    invariant(f.n <= KEYFILE_KEYS);
    for (size_t i = 0; i < f.n; i++)
        invariant(keyfile_find(&f, f.keys[i].hash) == &f.keys[i] && f.keys[i].text);
    keyfile_free(&f);
    return 0;
}
