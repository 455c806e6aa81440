#include "sshd/session/qr.h"

#include <string.h>

#include <qrencode.h>

#include "base/mem.h"

/* Two modules of light around it are less than the standard's four, and what 24 lines have room for; readers take it. */
enum { QUIET = 2 };

static bool light(const QRcode *q, int x, int y)
{
    if (x < 0 || y < 0 || x >= q->width || y >= q->width)
        return y < q->width + QUIET;
    return !(q->data[y * q->width + x] & 1);
}

static void put_line(struct buf *out, const QRcode *q, int y, bool colour)
{
    static const char *const glyphs[] = { " ", "\u2584", "\u2580", "\u2588" };
    buf_put_fmt(out, "%s", colour ? "\033[40;97m" : "");
    for (int x = -QUIET; x < q->width + QUIET; x++)
        buf_put_fmt(out, "%s", glyphs[(light(q, x, y) ? 2 : 0) + (light(q, x, y + 1) ? 1 : 0)]);
    buf_put_fmt(out, "%s\n", colour ? "\033[0m" : "");
}

bool qr_put(struct buf *out, const char *text, bool colour)
{
    QRcode *q = QRcode_encodeString8bit(text, 0, QR_ECLEVEL_L);
    if (q == NULL)
        return false;
    for (int y = -QUIET; y < q->width + QUIET; y += 2)
        put_line(out, q, y, colour);
    mem_wipe(q->data, (size_t)q->width * (size_t)q->width);
    QRcode_free(q);
    return !out->bad;
}
