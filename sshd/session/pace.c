#include "sshd/session/pace.h"

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

static void look(struct pace *p, size_t window)
{
    /* The first window is none that was given back. */
    if (p->top > 0 && window > p->left) {
        size_t step = window - p->left;
        p->given += step;
        p->step = step < p->step ? step : p->step;
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
    p->turn = NULL;
    if (p->given == p->held_at) {
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
        p->turn = session_turn_later(p->session, PACE_MOST_MS, held_long, p);
    }
    return true;
}

void pace_wrote(struct pace *p, size_t size)
{
    p->left -= size < p->left ? size : p->left;
}
