#include "sshd/prompt/words.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <wctype.h>

#include "base/mem.h"

void words_free(struct words *w)
{
    for (size_t i = 0; i < w->n; i++)
        free(w->v[i]);
    free(w->v);
    *w = (struct words){ 0 };
}

void words_add(struct words *w, const void *bytes, size_t size)
{
    FREE_MEM char *text = mem_strn(bytes, size);
    size_t n = mbstowcs(NULL, text, 0);
    if (n == (size_t)-1 || strlen(text) != size)
        return;
    wchar_t *word = mem_array(n + 1, sizeof *word);
    mbstowcs(word, text, n + 1);
    for (size_t i = 0; i < n; i++)
        if (!iswprint((wint_t)word[i])) {
            free(word);
            return;
        }
    w->v = mem_grow(w->v, w->n + 1, sizeof *w->v);
    w->v[w->n++] = word;
}

size_t words_common(const struct words *w)
{
    size_t n = w->n ? wcslen(w->v[0]) : 0;
    for (size_t i = 1; i < w->n; i++) {
        size_t same = 0;
        while (same < n && w->v[i][same] == w->v[0][same])
            same++;
        n = same;
    }
    return n;
}

static unsigned width_of(const wchar_t *word)
{
    int width = wcswidth(word, SIZE_MAX);
    return width > 0 ? (unsigned)width : 0;
}

/* Of a path the last part, as the rest is what was typed. */
static const wchar_t *shown(const wchar_t *word)
{
    size_t n = wcslen(word);
    for (size_t i = n; i-- > 0;)
        if (word[i] == L'/' && i + 1 < n && word[i + 1] != L' ')
            return word + i + 1;
    return word;
}

static void put_word(struct buf *b, const wchar_t *word, unsigned width)
{
    char text[4 * 4096];
    size_t n = wcstombs(text, word, sizeof text - 1);
    unsigned has = width_of(word);
    if (n != (size_t)-1)
        buf_put(b, text, n);
    for (; has < width; has++)
        buf_put_u8(b, ' ');
}

void words_list(const struct words *w, unsigned columns, unsigned more, struct buf *b)
{
    unsigned widest = 1;
    for (size_t i = 0; i < w->n; i++)
        widest = width_of(shown(w->v[i])) > widest ? width_of(shown(w->v[i])) : widest;
    size_t across = columns / (widest + 2) > 0 ? columns / (widest + 2) : 1;
    size_t rows = (w->n + across - 1) / across;
    for (size_t row = 0; row < rows; row++) {
        for (size_t i = row; i < w->n; i += rows)
            put_word(b, shown(w->v[i]), i + rows < w->n ? widest + 2 : 0);
        buf_put_u8(b, '\n');
    }
    if (more)
        buf_put_fmt(b, "and %u more\n", more);
}
