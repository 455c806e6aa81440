/* What a terminal sends, made into keys: characters, and the commands that the editor knows, each a control code of its own.  Sequences of keys that
   mean nothing here vanish as a whole, so that no part of one becomes text. */
#ifndef PROMPT_KEYS_H
#define PROMPT_KEYS_H

#include <stdbool.h>
#include <stdint.h>
#include <wchar.h>

/* Control codes are their own keys; those that no key of a keyboard should give stand for keys that send sequences. */
enum {
    KEY_BEGIN = 1, KEY_LEFT = 2, KEY_CANCEL = 3, KEY_END_INPUT = 4, KEY_END = 5, KEY_RIGHT = 6, KEY_TAB = 9, KEY_ENTER = 10, KEY_DOWN = 14,
    KEY_UP = 16, KEY_DELETE = 17, KEY_WORD_ERASE = 23, KEY_WORD_RIGHT = 28, KEY_WORD_LEFT = 30, KEY_WORD_DELETE = 31, KEY_ERASE = 127
};

enum { KEYS_SEQUENCE = 16 };

/* Zeroed at the start. */
struct keys {
    unsigned state;
    char sequence[KEYS_SEQUENCE + 1];
    unsigned size;          /* of the sequence; past KEYS_SEQUENCE it is none that is known */
    uint32_t point;         /* of UTF-8, so far */
    unsigned missing, bytes;
};

/* Takes one byte.  True: *KEY is a key; a character is one that can be shown.  Needs the locale for what can be shown. */
bool keys_take(struct keys *k, uint8_t byte, wchar_t *key);

#endif
