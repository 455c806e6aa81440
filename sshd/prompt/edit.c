#include "sshd/prompt/edit.h"

#include <errno.h>
#include <histedit.h>
#include <limits.h>
#include <locale.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "base/die.h"
#include "base/io.h"
#include "base/log.h"
#include "base/mem.h"
#include "sshd/prompt/keys.h"
#include "sshd/prompt/screen.h"

enum { INPUT = 256, PROMPT_CHARS = 1024, HISTORIES = 8, HISTORY_LINES = 200, ANSWER_MS = 10000, YANK_MOST = PROMPT_LINE_MOST / 2, KEY_YANK = 25 };

/* What ctrl-C becomes: the end of the line, a mark behind it, a new one. */
enum cancel { CANCEL_NOT, CANCEL_MOVE, CANCEL_ENTER };

static struct {
    EditLine *el;
    FILE *out;
    int tty, link;
    edit_message_fn *message;
    edit_more_fn *more;
    edit_complete_fn *complete;
    bool moves;                     /* the terminal can go up, and clear below */

    struct keys keys;
    uint8_t in[INPUT];
    size_t at, n;                   /* of `in`, what is not used yet */
    uint64_t taken;                 /* bytes from the terminal, ever */

    bool editing, stopping, entered;
    uint64_t fed;
    enum cancel cancel;
    enum prompt_kind kind;
    struct tail tail;
    char *prompt;                   /* owned */
    wchar_t text[PROMPT_CHARS + 1]; /* the tail as it is seen, and the prompt */

    uint32_t asked;                 /* completions: the question that is out, and its answer */
    bool answered;
    size_t from;
    unsigned left_out;
    struct words words;

    struct history_of { char *name; HistoryW *lines; uint64_t used; } histories[HISTORIES];
    uint64_t uses;
} e = { .tail = { BUF(2 * TAIL_MOST) } };

/* ---- the screen ---- */

static unsigned columns(void)
{
    int n = 0;
    el_get(e.el, EL_GETTC, "co", &n);
    return n >= 2 ? (unsigned)n : 80;
}

static struct place place_of(const wchar_t *to, unsigned width)
{
    const LineInfoW *line = el_wline(e.el);
    struct place p = screen_after((struct place){ 0, 0 }, e.text, wcslen(e.text), width);
    return screen_after(p, line->buffer, (size_t)(to - line->buffer), width);
}

static void show(const struct buf *b)
{
    if (buf_size(b) > 0)
        fwrite(buf_head(b), 1, buf_size(b), e.out);
}

/* What is being edited is taken away: the cursor stands where it began. */
static void erase(unsigned width)
{
    const LineInfoW *line = el_wline(e.el);
    int rows = 0;
    el_get(e.el, EL_GETTC, "li", &rows);
    unsigned row = place_of(line->cursor, width).row;
    if (rows > 0 && row >= (unsigned)rows)
        row = (unsigned)rows - 1;
    if (!e.moves) {
        fputs("\r\n", e.out);
        return;
    }
    fputc('\r', e.out);
    for (; row > 0; row--)
        fputs("\033[A", e.out);
    fputs("\033[J", e.out);
}

static void write_prompt(void)
{
    size_t n = tail_text(&e.tail, e.text, PROMPT_CHARS / 2);
    size_t more = mbstowcs(e.text + n, e.prompt ? e.prompt : "", PROMPT_CHARS - n);
    e.text[n + (more == (size_t)-1 ? 0 : more)] = L'\0';
}

static wchar_t *prompt_of(EditLine *el UNUSED) { return e.text; }

static void draw(void)
{
    el_set(e.el, EL_REFRESH);
    fflush(e.out);
}

void edit_output(bool own, const uint8_t *bytes, size_t size)
{
    BUF_FREE struct buf lines = BUF(size + 2 * TAIL_MOST + 64), safe = BUF(size);
    buf_put(&safe, bytes, size);
    for (size_t i = 0; i < buf_size(&safe); i++)
        if (safe.p[i] == PROMPT_MARK)
            safe.p[i] = '?';
    if (size)
        tail_take(&e.tail, own, buf_head(&safe), buf_size(&safe), &lines);
    if (e.editing)
        erase(columns());
    show(&lines);
    write_prompt();
    if (e.editing)
        draw();
    else
        fflush(e.out);
}

void edit_resize(void)
{
    if (!e.editing) {
        el_resize(e.el);
        return;
    }
    unsigned before = columns();
    el_resize(e.el);
    unsigned now = columns();
    const LineInfoW *line = el_wline(e.el);
    /* Some terminals break lines anew, some do not: never more than the fewer rows of the two, above them is what is not ours. */
    erase(place_of(line->cursor, before).row < place_of(line->cursor, now).row ? before : now);
    draw();
}

/* ---- keys ---- */

static void read_tty(void)
{
    ssize_t got = read(e.tty, e.in, sizeof e.in);
    if (got <= 0 && errno != EINTR && errno != EAGAIN)
        _exit(EXIT_SUCCESS);    /* the session has closed the terminal */
    if (got > 0) {
        e.at = 0;
        e.n = (size_t)got;
        e.taken += (uint64_t)got;
    }
}

/* Until there are keys, or a message has been handled, or MS have passed.  False: they have. */
static bool wait_input(bool keys, int ms)
{
    struct pollfd p[] = { { .fd = e.link, .events = POLLIN }, { .fd = keys ? e.tty : -1, .events = POLLIN } };
    int r = poll(p, countof(p), ms);
    if (r < 0 && errno != EINTR)
        die_errno("poll");
    if (r <= 0)
        return r < 0;
    if (p[0].revents)
        e.message();
    else if (p[1].revents)
        read_tty();
    return true;
}

static bool too_long(wchar_t key)
{
    static const wchar_t shorten[] = { '\b', KEY_ERASE, KEY_DELETE, KEY_WORD_ERASE, KEY_WORD_DELETE, KEY_ENTER, KEY_CANCEL, 0 };
    const LineInfoW *line = el_wline(e.el);
    size_t n = (size_t)(line->lastchar - line->buffer), bytes = 0;
    if (key == KEY_YANK)
        return n >= YANK_MOST;
    if (key < 0x20 || wcschr(shorten, key))
        return false;
    if (n < PROMPT_LINE_MOST / 4 - 1)
        return false;
    for (size_t i = 0; i < n; i++)
        bytes += line->buffer[i] < 0x80 ? 1 : line->buffer[i] < 0x800 ? 2 : line->buffer[i] < 0x10000 ? 3 : 4;
    return bytes > PROMPT_LINE_MOST - 4;
}

static void beep(void)
{
    fputc('\a', e.out);
    fflush(e.out);
}

static bool next_key(wchar_t *key)
{
    while (e.at < e.n) {
        if (!keys_take(&e.keys, e.in[e.at++], key))
            continue;
        if (too_long(*key)) {
            beep();
            continue;
        }
        if (*key == KEY_CANCEL) {
            e.cancel = CANCEL_MOVE;
            *key = KEY_END;
        }
        e.entered = *key == KEY_ENTER;
        return true;
    }
    return false;
}

static int next_char(EditLine *el UNUSED, wchar_t *c)
{
    if (e.cancel != CANCEL_NOT) {
        if (e.cancel == CANCEL_MOVE)
            fputs("^C", e.out);
        e.cancel = CANCEL_ENTER;
        *c = KEY_ENTER;
        return 1;
    }
    if (e.entered) {
        e.entered = false;
        e.more();
    }
    while (!e.stopping) {
        if (next_key(c))
            return 1;
        wait_input(true, -1);
    }
    return 0;
}

/* ---- completion ---- */

void edit_completions(uint32_t id, size_t from, unsigned more, struct words *w)
{
    if (id != e.asked || e.answered) {
        words_free(w);
        return;
    }
    words_free(&e.words);
    e.words = *w;
    e.from = from;
    e.left_out = more;
    e.answered = true;
}

static void list_words(void)
{
    BUF_FREE struct buf b = BUF(1 << 20);
    const LineInfoW *line = el_wline(e.el);
    unsigned width = columns();
    unsigned below = place_of(line->lastchar, width).row - place_of(line->cursor, width).row;
    for (unsigned i = 0; i <= below; i++)
        fputs("\n", e.out);
    fputc('\r', e.out);
    words_list(&e.words, width, e.left_out, &b);
    show(&b);
    draw();
}

/* WORD characters stand before the cursor already.  What libedit is to do. */
static unsigned char use_words(size_t word)
{
    size_t common = words_common(&e.words);
    if (e.words.n == 0)
        return CC_REFRESH_BEEP;
    if (e.words.n > 1 && common <= word) {
        list_words();
        return CC_NORM;
    }
    wchar_t last = e.words.v[0][common];
    e.words.v[0][common] = L'\0';
    el_deletestr(e.el, (int)word);
    el_winsertstr(e.el, e.words.v[0]);
    e.words.v[0][common] = last;
    return CC_REFRESH;
}

static unsigned char complete(EditLine *el UNUSED, wint_t ch UNUSED)
{
    char bytes[PROMPT_LINE_MOST + 1];
    if (e.kind == PROMPT_TEXT)
        return el_winsertstr(e.el, L"\t") < 0 ? CC_ERROR : CC_REFRESH;
    const LineInfoW *line = el_wline(e.el);
    size_t n = (size_t)(line->cursor - line->buffer);
    wchar_t *left = mem_array(n + 1, sizeof *left);
    wmemcpy(left, line->buffer, n);
    size_t size = wcstombs(left ? bytes : NULL, left, sizeof bytes);
    free(left);
    if (size == (size_t)-1 || size >= sizeof bytes)
        return CC_REFRESH_BEEP;
    e.answered = false;
    e.asked = e.complete(bytes, size);
    for (uint64_t end = now_ms() + ANSWER_MS; !e.answered && !e.stopping && now_ms() < end;)
        wait_input(false, (int)(end - now_ms()));
    e.asked = 0;
    if (!e.answered || e.stopping || e.from > size)
        return CC_REFRESH_BEEP;
    size_t word = mbstowcs(NULL, bytes + e.from, 0);
    return word == (size_t)-1 ? CC_REFRESH_BEEP : use_words(word);
}

/* ---- a line ---- */

static HistoryW *history_of(const char *name)
{
    struct history_of *oldest = e.histories;
    HistEventW event;
    for (struct history_of *h = e.histories; h < e.histories + HISTORIES; h++) {
        if (h->name && strcmp(h->name, name) == 0) {
            oldest = h;
            break;
        }
        oldest = h->used < oldest->used ? h : oldest;
    }
    oldest->used = ++e.uses;
    if (oldest->name && strcmp(oldest->name, name) == 0)
        return oldest->lines;
    if (oldest->lines)
        history_wend(oldest->lines);
    free(oldest->name);
    oldest->name = mem_str(name);
    oldest->lines = history_winit();
    if (oldest->lines == NULL || history_w(oldest->lines, &event, H_SETSIZE, HISTORY_LINES) < 0 ||
        history_w(oldest->lines, &event, H_SETUNIQUE, 1) < 0)
        die("no memory for a history");
    return oldest->lines;
}

/* What is told of the terminal from now on is of what was shown before. */
static void mark(void)
{
    fputc(PROMPT_MARK, e.out);
    if (fflush(e.out) != 0)
        _exit(EXIT_SUCCESS);
}

static enum edit_end stopped(void)
{
    BUF_FREE struct buf lines = BUF(2 * TAIL_MOST);
    e.at = e.n = 0;
    while (e.taken < e.fed)
        read_tty();
    e.at = e.n = 0;
    e.keys = (struct keys){ 0 };
    tail_end(&e.tail, &lines);
    show(&lines);
    mark();
    return EDIT_STOPPED;
}

/* False: it is not to be taken. */
static bool line_of(const wchar_t *got, int n, struct buf *line)
{
    char bytes[MB_LEN_MAX];
    buf_reset(line);
    while (n > 0 && got[n - 1] == L'\n')
        n--;
    for (int i = 0; i < n; i++) {
        int size = wctomb(bytes, got[i]);
        if (size > 0)
            buf_put(line, bytes, (size_t)size);
    }
    if (!line->bad)
        return true;
    fprintf(e.out, "a line is too long; allowed: %d bytes\n", PROMPT_LINE_MOST);
    buf_reset(line);
    return false;
}

static void remember(HistoryW *h, const wchar_t *got, int n)
{
    HistEventW event;
    while (n > 0 && got[n - 1] == L'\n')
        n--;
    if (n == 0 || got[0] == L' ')
        return;
    wchar_t *copy = mem_array((size_t)n + 1, sizeof *copy);
    wmemcpy(copy, got, (size_t)n);
    history_w(h, &event, H_ENTER, copy);
    free(copy);
}

enum edit_end edit_line(enum prompt_kind kind, const char *history, const char *prompt, struct buf *line)
{
    HistoryW *h = history_of(history);
    free(e.prompt);
    e.prompt = mem_str(prompt);
    e.kind = kind;
    e.stopping = e.entered = false;
    el_wset(e.el, EL_HIST, history_w, h);
    for (;;) {
        int n = 0;
        write_prompt();
        e.cancel = CANCEL_NOT;
        e.editing = true;
        const wchar_t *got = el_wgets(e.el, &n);
        e.editing = false;
        if (e.stopping)
            return stopped();
        buf_reset(&e.tail.bytes);
        if (got == NULL || n <= 0) {
            fputs("\r\n", e.out);
            mark();
            return EDIT_END;
        }
        if (e.cancel != CANCEL_NOT)
            continue;
        if (line_of(got, n, line)) {
            remember(h, got, n);
            mark();
            return EDIT_LINE;
        }
        /* Asked for the next character, it says MORE. */
    }
}

void edit_stop(uint64_t fed)
{
    if (!e.editing || e.stopping)
        return;
    e.fed = fed;
    erase(columns());
    fflush(e.out);
    e.stopping = true;
}

/* ---- the beginning ---- */

static const struct { int key; const char *function; } bindings[] = {
    { KEY_BEGIN, "ed-move-to-beg" }, { KEY_LEFT, "ed-prev-char" }, { KEY_END_INPUT, "em-delete-or-list" }, { KEY_END, "ed-move-to-end" },
    { KEY_RIGHT, "ed-next-char" }, { '\b', "em-delete-prev-char" }, { KEY_TAB, "holdfast-complete" }, { KEY_ENTER, "ed-newline" },
    { 11, "ed-kill-line" }, { 12, "ed-clear-screen" }, { KEY_DOWN, "ed-next-history" }, { KEY_UP, "ed-prev-history" }, { KEY_DELETE, "ed-delete-next-char" },
    { 18, "em-inc-search-prev" }, { 20, "ed-transpose-chars" }, { 21, "vi-kill-line-prev" }, { KEY_WORD_ERASE, "ed-delete-prev-word" },
    { KEY_YANK, "em-yank" }, { KEY_WORD_RIGHT, "em-next-word" }, { KEY_WORD_LEFT, "ed-prev-word" }, { KEY_WORD_DELETE, "em-delete-next-word" },
    { KEY_ERASE, "em-delete-prev-char" },
};

/* The library's own are many, and some run its commands: none but ours. */
static void bind(void)
{
    char key[8];
    for (int i = 0; i < 0x100; i++) {
        const char *function = i < 0x20 ? "ed-unassigned" : NULL;
        for (size_t k = 0; k < countof(bindings); k++)
            if (bindings[k].key == i)
                function = bindings[k].function;
        snprintf(key, sizeof key, "\\%03o", i);
        if (function && el_set(e.el, EL_BIND, key, function, NULL) < 0)
            die("libedit does not know %s", function);
    }
}

/* Where there is no description of the terminal, or of any: what all that are in use today do. */
static void ansi(void)
{
    static const char *const caps[][2] = {
        { "up", "\033[A" }, { "do", "\n" }, { "nd", "\033[C" }, { "le", "\b" }, { "ce", "\033[K" }, { "cd", "\033[J" },
        { "cl", "\033[H\033[2J" }, { "ho", "\033[H" }, { "bl", "\a" }, { "am", "yes" }, { "xn", "yes" },
    };
    for (size_t i = 0; i < countof(caps); i++)
        if (el_set(e.el, EL_SETTC, caps[i][0], caps[i][1], NULL) < 0)
            log_debug("prompt.terminal", "capability=%s", caps[i][0]);
}

static void choose_terminal(const char *term)
{
    char *up = NULL, *below = NULL;
    const char *name = term[0] ? term : "dumb";
    if (el_set(e.el, EL_TERMINAL, name) != 0 && el_set(e.el, EL_TERMINAL, "xterm") != 0)
        ansi();
    el_get(e.el, EL_GETTC, "up", &up);
    el_get(e.el, EL_GETTC, "cd", &below);
    e.moves = up && below && up[0] == '\033' && below[0] == '\033';
}

static void set_terminal(int tty, unsigned width, unsigned height)
{
    struct termios t;
    struct winsize size = { .ws_col = (unsigned short)width, .ws_row = (unsigned short)height };
    if (ioctl(tty, TIOCSWINSZ, &size) < 0)
        die_errno("the terminal's size");
    if (tcgetattr(tty, &t) < 0)
        die_errno("the terminal");
    t.c_iflag &= ~(tcflag_t)(IXON | IXOFF | IXANY | ISTRIP | INLCR | IGNCR | INPCK | PARMRK | BRKINT | IUCLC);
    t.c_oflag |= OPOST | ONLCR;
    t.c_lflag &= ~(tcflag_t)(ICANON | ECHO | ECHONL | ISIG | IEXTEN);
    t.c_cc[VMIN] = 1;
    t.c_cc[VTIME] = 0;
    if (tcsetattr(tty, TCSADRAIN, &t) < 0)
        die_errno("the terminal");
}

void edit_open(int tty, const struct edit_terminal *t, int link, edit_message_fn *message, edit_more_fn *more, edit_complete_fn *ask)
{
    wchar_t c;
    e.tty = tty;
    e.link = link;
    e.message = message;
    e.more = more;
    e.complete = ask;
    if (setlocale(LC_CTYPE, "C.UTF-8") == NULL || mbtowc(&c, "\xc3\xa9", 2) != 2)
        die("there is no locale C.UTF-8");
    set_terminal(tty, t->columns, t->rows);
    FILE *in = fdopen(tty, "r");
    e.out = fdopen(tty, "w");
    /* What the library has to say of terminals it does not know is for nobody. */
    e.el = in && e.out ? el_init_fd("holdfast", in, e.out, stdout, tty, tty, STDOUT_FILENO) : NULL;
    if (e.el == NULL)
        die("libedit does not start");
    choose_terminal(t->term);
    el_set(e.el, EL_SIGNAL, 0);
    el_set(e.el, EL_EDITOR, "emacs");
    if (el_set(e.el, EL_SETTY, "-d", "-isig", "-ixon", "-iexten", NULL) < 0 ||
        el_set(e.el, EL_SETTY, "-x", "-isig", "-ixon", "-icanon", "-echo", "-iexten", NULL) < 0 ||
        el_wset(e.el, EL_ADDFN, L"holdfast-complete", L"complete", complete) < 0 || el_wset(e.el, EL_PROMPT, prompt_of) < 0 ||
        el_wset(e.el, EL_GETCFN, next_char) < 0)
        die("libedit does not do what it must");
    bind();
}
