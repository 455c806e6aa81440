#include "quota/quotafs/charge.h"

/* ext4: four pieces are noted in the inode; a block notes 340, half of that after it was split, and a piece has 128 MiB at most.  New ones may each
   split another of the blocks that there are, and the index above them. */
enum { INLINE_PIECES = 3, BLOCK_PIECES = 170, INDEX_BLOCKS = 2 };
#define PIECE_MOST (128ull << 20)

static uint64_t down(uint64_t n, uint64_t unit)
{
    return n - n % unit;
}

static uint64_t up(uint64_t n, uint64_t unit)
{
    return n % unit ? down(n, unit) + unit : n;
}

void charge_open(struct charge *c, uint64_t size, uint64_t real, uint64_t solid)
{
    /* It may be in pieces already. */
    *c = (struct charge){ .real = real, .solid = solid < size ? solid : size, .pieces = real ? INLINE_PIECES + 1 : 0 };
}

static uint64_t slack_for(const struct charge *c, uint64_t pieces, uint64_t unit)
{
    pieces += (c->real + c->pending + c->flight) / PIECE_MOST;
    if (pieces <= INLINE_PIECES)
        return 0;
    uint64_t notes = (c->real + c->pending + c->flight) / unit / BLOCK_PIECES + 1, split = pieces < notes ? pieces : notes;
    return (split + pieces / BLOCK_PIECES + INDEX_BLOCKS) * unit;
}

struct charge_need charge_need(const struct charge *c, uint64_t off, uint64_t len, uint64_t unit)
{
    struct charge_need n = { 0 };
    uint64_t end = off + len, have = up(c->solid, unit);
    bool elsewhere = off > c->solid;
    uint64_t from = elsewhere ? down(off, unit) : have;
    if (from < have && end > have)
        from = have;
    if (up(end, unit) <= from || (elsewhere && end <= have))
        return n;
    n.data = up(end, unit) - from;
    uint64_t slack = slack_for(c, (uint64_t)c->pieces + (elsewhere || c->pieces), unit);
    n.slack = slack > c->slack ? slack - c->slack : 0;
    return n;
}

uint64_t charge_fits(const struct charge *c, uint64_t off, uint64_t data, uint64_t unit)
{
    uint64_t have = up(c->solid, unit), from = off > c->solid && down(off, unit) >= have ? down(off, unit) : have;
    return from + data > off ? from + data - off : 0;
}

void charge_begin(struct charge *c, const struct charge_need *n)
{
    c->flight += n->data;
    c->slack += n->slack;
}

void charge_end(struct charge *c, const struct charge_need *n, uint64_t off, uint64_t len)
{
    c->flight -= n->data;
    c->pending += n->data;
    /* What fills a gap lies elsewhere on the disk than what is around it. */
    if (off > c->solid || (n->data && c->pieces))
        c->pieces += c->pieces < UINT32_MAX;
    if (off <= c->solid && off + len > c->solid)
        c->solid = off + len;
}

void charge_cut(struct charge *c, uint64_t size)
{
    if (c->solid > size)
        c->solid = size;
}

void charge_settle(struct charge *c, uint64_t real, bool flushed, uint64_t *taken, uint64_t *real_out)
{
    /* A flush says nothing of a write that is being made. */
    bool whole = flushed && c->flight == 0;
    *taken = c->real + c->pending + (whole ? c->slack : 0);
    *real_out = real;
    c->real = real;
    c->pending = 0;
    if (!whole)
        return;
    c->slack = 0;
    c->pieces = c->pieces > INLINE_PIECES ? INLINE_PIECES + 1 : c->pieces;
}

uint64_t charge_sum(const struct charge *c)
{
    return c->real + c->pending + c->flight + c->slack;
}
