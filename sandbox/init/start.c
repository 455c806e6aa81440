#include "sandbox/init/start.h"

#include <stdlib.h>

#include "base/die.h"
#include "base/mem.h"
#include "sandbox/proto.h"

/* Each string takes at least five bytes of a message, so more are a lie; checked before memory is asked for. */
enum { STRINGS_MOST = MSG_MOST / 5 };

static char **strings_get(struct msg *m, const char *what)
{
    uint32_t n = msg_get_u32(m);
    if (n > STRINGS_MOST)
        die("INIT_START: %u strings in %s; at most %d are allowed", n, what, STRINGS_MOST);
    char **list = mem_array((size_t)n + 1, sizeof *list);
    for (uint32_t i = 0; i < n; i++)
        list[i] = msg_get_str(m);
    return list;
}

void start_get(struct msg *m, struct start *s)
{
    s->argv = strings_get(m, "the command");
    s->directory = msg_get_str(m);
    s->env = strings_get(m, "the environment");
    uint32_t how = msg_get_u32(m);
    s->tty = how & INIT_TTY;
    s->tells = how & INIT_TELLS;
    msg_end(m);
    if (s->argv[0] == NULL)
        die("INIT_START: the command is empty");
}

void start_receive(int link, struct start *s)
{
    MSG_FREE struct msg m;
    if (msg_recv(link, &m) != 1)
        _Exit(EXIT_DIE);   /* launch gave up before it said what to start: nobody is left to tell */
    if (m.type != INIT_START)
        die("message %u came where INIT_START must be the first", m.type);
    start_get(&m, s);
}

static void strings_free(char **list)
{
    for (char **s = list; *s; s++)
        free(*s);
    free(list);
}

void start_free(struct start *s)
{
    strings_free(s->argv);
    strings_free(s->env);
    free(s->directory);
}
