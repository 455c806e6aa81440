#include "sshd/session/qr.h"

/* Two modules of light around it are less than the standard's four, and what 24 lines have room for; readers take it. */
enum { QUIET = 2 };

static bool light(const struct qr *q, int x, int y)
{
    int side = (int)q->side;
    if (x < 0 || y < 0 || x >= side || y >= side)
        return y < side + QUIET;
    return !q->modules[y * side + x];
}

static void put_line(struct buf *out, const struct qr *q, int y, bool colour)
{
    static const char *const glyphs[] = { " ", "\u2584", "\u2580", "\u2588" };
    buf_put_fmt(out, "%s", colour ? "\033[40;97m" : "");
    for (int x = -QUIET; x < (int)q->side + QUIET; x++)
        buf_put_fmt(out, "%s", glyphs[(light(q, x, y) ? 2 : 0) + (light(q, x, y + 1) ? 1 : 0)]);
    buf_put_fmt(out, "%s\n", colour ? "\033[0m" : "");
}

bool qr_put(struct buf *out, const struct qr *q, bool colour)
{
    for (int y = -QUIET; y < (int)q->side + QUIET && q->side > 0; y += 2)
        put_line(out, q, y, colour);
    return q->side > 0 && !out->bad;
}
