#include "base/conf.h"

#include <string.h>

#include "base/conf_table.h"
#include "base/mem.h"

static void print_section(const struct conf_section *s, void *at, struct buf *out)
{
    if (s->named) {
        char *head[2];
        memcpy(head, at, sizeof head);
        buf_put_fmt(out, "; %s\n[%s %s]\n", head[1], s->word, head[0]);
    } else {
        buf_put_fmt(out, "[%s]\n", s->word);
    }
    size_t n;
    const struct conf_option *o = s->options(&n);
    for (size_t i = 0; i < n; i++)
        conf_types[o[i].type].print(&o[i], (char *)at + o[i].offset, out);
    buf_put_fmt(out, "\n");
}

char *conf_text(const struct conf *c)
{
    struct conf *mine = (struct conf *)(uintptr_t)c;   /* only read; conf_at serves writers as well */
    BUF_FREE struct buf out = BUF(SIZE_MAX / 4);
    for (size_t i = 0; i < conf_nsections; i++) {
        const struct conf_section *s = &conf_sections[i];
        size_t n = s->named ? *conf_count(mine, s) : 1;
        for (size_t j = 0; j < n; j++)
            print_section(s, conf_at(mine, s, j), &out);
    }
    return mem_strn(buf_head(&out), buf_size(&out));
}
