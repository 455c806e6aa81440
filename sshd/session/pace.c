#include "sshd/session/pace.h"

#include "base/io.h"
#include "sshd/session/session.h"
#include "sshd/session/wire.h"

void pace_open(struct pace *p, struct session *s, void (*again)(void *data), void *data)
{
    *p = (struct pace){ .session = s, .again = again, .data = data, .step = SIZE_MAX };
}

void pace_close(struct pace *p)
{
    session_turn_free(p->turn);
    p->turn = NULL;
}

/* The first that is written behind being held back is looked after. */
static void goes_round(struct pace *p)
{
    p->round = ROUND_ON;
    p->round_at = p->given + p->top - p->left;
    p->round_since = now_us();
}

static void came_round(struct pace *p)
{
    bool near = now_us() - p->round_since <= PACE_ROUND_US;
    p->round = near ? ROUND_SHORT : ROUND_NONE;
    p->vain += !near;
}

static void look(struct pace *p, size_t window)
{
    /* The first window is none that was given back. */
    if (p->top > 0 && window > p->left) {
        size_t step = window - p->left;
        p->given += step;
        p->step = step < p->step ? step : p->step;
        if (p->round == ROUND_ON && p->given >= p->round_at)
            came_round(p);
    }
    p->top = window > p->top ? window : p->top;
    p->left = window;
}

static bool much_is_out(struct pace *p, size_t size)
{
    if (p->step > PACE_STEP || p->vain >= PACE_VAIN || p->top <= PACE_AHEAD)
        return false;
    if (p->most == 0)
        p->most = PACE_AHEAD + (uint64_t)wire_round_trip() * PACE_LINE;
    return p->top - p->left + size > p->most;
}

static void held_long(void *data)
{
    struct pace *p = data;
    /* Not so a client that has all there was and keeps some of the window back. */
    bool far = p->round == ROUND_ON && p->top - p->left > PACE_STEP;
    p->turn = NULL;
    p->round = p->round == ROUND_SHORT ? ROUND_SHORT : ROUND_NONE;
    if (far || p->given == p->held_at) {
        p->vain++;
        p->step = SIZE_MAX;
    }
    /* Where something was given back and it is held again, the next look is owed, too. */
    p->again(p->data);
}

bool pace_holds(struct pace *p, size_t window, size_t size)
{
    look(p, window);
    if (size <= PACE_FEW || !much_is_out(p, size))
        return false;
    if (p->turn == NULL) {
        p->held_at = p->given;
        p->round = p->round == ROUND_NONE ? ROUND_NEXT : p->round;
        p->turn = session_turn_later(p->session, PACE_MOST_MS, held_long, p);
    }
    return true;
}

void pace_wrote(struct pace *p, size_t size)
{
    p->left -= size < p->left ? size : p->left;
    if (p->round == ROUND_NEXT)
        goes_round(p);
}
