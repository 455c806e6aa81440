/* Compiles etc/seccomp/NAME.policy into a BPF program, at build time.

     default kill | default errno ENAME                        what an unlisted call gets; once
     allow NAME [argN OP VALUE [and argN OP VALUE]...] # reason
     errno ENAME NAME [conditions] # reason
     kill NAME [conditions] # reason
     include FILE                                              beside the including file

   OP is one of == != < <= > >= &MASK==; all compare 64 bits unsigned, so an argument the kernel takes as an int is compared as
   `argN &LOW32==VALUE`.  Rows of one call are tried in their order and the first that matches decides; when none does, the default.
   So a file overrides what it includes by saying it before the include.
   `optional` in front: the call may be unknown to this libseccomp.  `sanitizers` in front: only with --sanitizers.

   Names come from libseccomp, the program does not: libseccomp cannot say "allow these, errno for the rest" of one call. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sandbox/lock/symbols.h"

enum { ROWS_MOST = 1024, CONDITIONS_MOST = 6, WORDS_MOST = 40, DEPTH_MOST = 8, X32_BIT = 0x40000000 };

#if defined(__x86_64__)
#define NATIVE_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define NATIVE_ARCH AUDIT_ARCH_AARCH64
#else
#error "seccomp policies are compiled for x86_64 and aarch64 only"
#endif

enum op { OP_EQ, OP_NE, OP_LT, OP_LE, OP_GT, OP_GE, OP_MASK };

struct condition {
    unsigned arg;
    enum op op;
    uint64_t mask, value;
};

struct row {
    int nr;
    uint32_t action;
    unsigned order, nconditions;
    struct condition conditions[CONDITIONS_MOST];
    const char *file;
    unsigned line;
};

static struct row rows[ROWS_MOST];
static unsigned nrows;
static uint32_t default_action;
static bool has_default, sanitizers;

/* Where we are, for messages. */
struct place { const char *file; unsigned line; };

static void __attribute__((noreturn, format(printf, 2, 3))) fail(const struct place *at, const char *fmt, ...)
{
    va_list ap;
    fprintf(stderr, "%s:%u: ", at->file, at->line);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
    exit(1);
}

static uint64_t number(const struct place *at, const char *word)
{
    char *end;
    errno = 0;
    uint64_t v = strtoull(word, &end, 0);
    if (end != word && *end == '\0' && errno == 0)
        return v;
    for (size_t i = 0; i < sizeof symbols / sizeof symbols[0]; i++)
        if (strcmp(word, symbols[i].name) == 0)
            return symbols[i].value;
    fail(at, "'%s' is neither a number nor a name in sandbox/lock/symbols.h", word);
}

static uint32_t errno_action(const struct place *at, const char *word)
{
    for (int no = 1; no < 134; no++) {
        const char *name = strerrorname_np(no);
        if (name && strcmp(name, word) == 0)
            return SECCOMP_RET_ERRNO | (uint32_t)no;
    }
    fail(at, "'%s' is no error name (as in errno.h)", word);
}

static const struct { const char *word; enum op op; } operators[] = {
    { "==", OP_EQ }, { "!=", OP_NE }, { "<=", OP_LE }, { ">=", OP_GE }, { "<", OP_LT }, { ">", OP_GT },
};

/* "&MASK==" and the value behind it, which may be in the same word. */
static void parse_mask(const struct place *at, char *word, struct condition *c, char **value)
{
    char *eq = strstr(word, "==");
    if (eq == NULL)
        fail(at, "'%s': a mask is written &MASK==", word);
    *eq = '\0';
    c->op = OP_MASK;
    c->mask = number(at, word + 1);
    *value = eq + 2;
}

static void parse_operator(const struct place *at, char *word, struct condition *c, char **value)
{
    if (word[0] == '&') {
        parse_mask(at, word, c, value);
        return;
    }
    for (size_t i = 0; i < sizeof operators / sizeof operators[0]; i++) {
        size_t n = strlen(operators[i].word);
        if (strncmp(word, operators[i].word, n) != 0)
            continue;
        c->op = operators[i].op;
        *value = word + n;
        return;
    }
    fail(at, "'%s' is no operator: == != < <= > >= &MASK==", word);
}

/* Returns the words used. */
static unsigned parse_condition(const struct place *at, char **words, struct condition *c)
{
    if (words[0] == NULL || strncmp(words[0], "arg", 3) != 0 || words[0][3] < '0' || words[0][3] > '5' || words[0][4])
        fail(at, "'%s': a condition starts with arg0 ... arg5", words[0] ? words[0] : "");
    c->arg = (unsigned)(words[0][3] - '0');
    if (words[1] == NULL)
        fail(at, "an operator is missing behind %s", words[0]);
    char *value;
    unsigned used = 2;
    parse_operator(at, words[1], c, &value);
    if (*value == '\0')
        value = words[used++];
    if (value == NULL)
        fail(at, "a value is missing behind %s", words[0]);
    c->value = number(at, value);
    if (c->op == OP_MASK)
        c->value &= c->mask;
    return used;
}

static void parse_conditions(const struct place *at, char **words, struct row *r)
{
    while (*words) {
        if (r->nconditions == CONDITIONS_MOST)
            fail(at, "more than %d conditions", CONDITIONS_MOST);
        words += parse_condition(at, words, &r->conditions[r->nconditions++]);
        if (*words == NULL)
            return;
        if (strcmp(*words, "and") != 0 || words[1] == NULL)
            fail(at, "'%s': conditions are joined by 'and'", *words);
        words++;
    }
}

/* A row nothing can reach is a mistake, unless it repeats what was said or stands in an included file that is overridden. */
static void check_reached(const struct place *at, const struct row *r, const char *name)
{
    for (unsigned i = 0; i < nrows; i++)
        if (rows[i].nr == r->nr && rows[i].nconditions == 0 && rows[i].action != r->action && rows[i].file == r->file)
            fail(at, "%s: never reached, line %u decides first", name, rows[i].line);
}

static void add_row(const struct place *at, uint32_t action, char **words, bool optional)
{
    if (words[0] == NULL)
        fail(at, "the name of a system call is missing");
    int nr = seccomp_syscall_resolve_name(words[0]);
    if (nr == __NR_SCMP_ERROR && !optional)
        fail(at, "unknown system call '%s' (write 'optional' in front if some machines lack it)", words[0]);
    if (nr == __NR_SCMP_ERROR)
        return;
    if (nrows == ROWS_MOST)
        fail(at, "more than %d rows", ROWS_MOST);
    struct row *r = &rows[nrows];
    *r = (struct row){ .nr = nr, .action = action, .order = nrows, .file = at->file, .line = at->line };
    parse_conditions(at, words + 1, r);
    check_reached(at, r, words[0]);
    /* Below zero: a call other architectures have. */
    if (nr >= 0)
        nrows++;
}

static void set_default(const struct place *at, char **words)
{
    if (has_default)
        fail(at, "a second default");
    has_default = true;
    if (words[0] && strcmp(words[0], "kill") == 0 && words[1] == NULL)
        default_action = SECCOMP_RET_KILL_PROCESS;
    else if (words[0] && strcmp(words[0], "errno") == 0 && words[1] && words[2] == NULL)
        default_action = errno_action(at, words[1]);
    else
        fail(at, "default is 'kill' or 'errno ENAME'");
}

static void read_policy(const char *path, unsigned depth, const struct place *from);

static void include(const struct place *at, char **words, unsigned depth)
{
    if (words[0] == NULL || words[1] != NULL)
        fail(at, "include takes one file");
    char path[4096];
    const char *slash = strrchr(at->file, '/');
    snprintf(path, sizeof path, "%.*s%s", slash ? (int)(slash - at->file + 1) : 0, at->file, words[0]);
    read_policy(path, depth + 1, at);
}

static unsigned split(const struct place *at, char *line, char **words)
{
    unsigned n = 0;
    char *rest = NULL;
    for (char *w = strtok_r(line, " \t\n", &rest); w; w = strtok_r(NULL, " \t\n", &rest)) {
        if (n == WORDS_MOST)
            fail(at, "more than %d words", WORDS_MOST);
        words[n++] = w;
    }
    words[n] = NULL;
    return n;
}

/* The reason, with the comment cut off the line; false if there is none. */
static bool cut_reason(char *line)
{
    char *hash = strchr(line, '#');
    if (hash == NULL)
        return false;
    *hash++ = '\0';
    while (isspace((unsigned char)*hash))
        hash++;
    return *hash != '\0';
}

static void read_line(const struct place *at, char *line, unsigned depth)
{
    bool reason = cut_reason(line), optional = false, wanted = true;
    char *space[WORDS_MOST + 2], **words = space;
    if (split(at, line, words) == 0)
        return;
    for (; words[0]; words++)
        if (strcmp(words[0], "optional") == 0)
            optional = true;
        else if (strcmp(words[0], "sanitizers") == 0)
            wanted = sanitizers;
        else
            break;
    const char *verb = words[0] ? words[0] : "";
    if (strcmp(verb, "include") == 0) {
        include(at, words + 1, depth);
        return;
    }
    if (strcmp(verb, "default") == 0) {
        set_default(at, words + 1);
        return;
    }
    uint32_t action = SECCOMP_RET_ALLOW;
    if (strcmp(verb, "kill") == 0)
        action = SECCOMP_RET_KILL_PROCESS;
    else if (strcmp(verb, "errno") == 0 && words[1])
        action = errno_action(at, (++words)[0]);
    else if (strcmp(verb, "allow") != 0)
        fail(at, "'%s' is unknown: allow, errno ENAME, kill, default, include", verb);
    if (!reason)
        fail(at, "a row needs a reason: '# why'");
    if (wanted)
        add_row(at, action, words + 1, optional);
}

static void read_policy(const char *path, unsigned depth, const struct place *from)
{
    struct place at = { path, 0 };
    FILE *f = fopen(path, "re");
    if (f == NULL)
        fail(from ? from : &at, "%s: %s", path, strerror(errno));
    if (depth > DEPTH_MOST)
        fail(from ? from : &at, "includes are nested too deeply");
    char line[1024];
    while (fgets(line, sizeof line, f)) {
        at.line++;
        if (strchr(line, '\n') == NULL && !feof(f))
            fail(&at, "a line of more than %zu bytes", sizeof line - 2);
        read_line(&at, line, depth);
    }
    fclose(f);
}

/* ---- the program ---- */

static struct sock_filter program[BPF_MAXINSNS];
static unsigned size;

static unsigned emit(uint16_t code, uint8_t jt, uint8_t jf, uint32_t k)
{
    if (size == BPF_MAXINSNS) {
        fprintf(stderr, "policyc: the filter has more than %d instructions\n", BPF_MAXINSNS);
        exit(1);
    }
    program[size] = (struct sock_filter){ code, jt, jf, k };
    return size++;
}

/* Jump targets inside one condition: FAIL is patched once the row's end is known. */
enum { NEXT = 0, FAIL = 0xff };

static void load_arg(unsigned arg, bool high)
{
    uint32_t at = (uint32_t)(offsetof(struct seccomp_data, args) + arg * sizeof(uint64_t) + (high ? 4 : 0));
    emit(BPF_LD | BPF_W | BPF_ABS, 0, 0, at);
}

static void emit_equal(const struct condition *c)
{
    const uint64_t mask = c->op == OP_MASK ? c->mask : ~0ULL;
    const uint32_t part[2] = { (uint32_t)(mask >> 32), (uint32_t)mask };
    const uint32_t value[2] = { (uint32_t)(c->value >> 32), (uint32_t)c->value };
    for (int i = 0; i < 2; i++) {
        if (part[i] == 0)
            continue;
        load_arg(c->arg, i == 0);
        if (part[i] != ~0U)
            emit(BPF_ALU | BPF_AND | BPF_K, 0, 0, part[i]);
        emit(BPF_JMP | BPF_JEQ | BPF_K, NEXT, FAIL, value[i]);
    }
}

static void emit_not_equal(const struct condition *c)
{
    load_arg(c->arg, true);
    emit(BPF_JMP | BPF_JEQ | BPF_K, NEXT, 2, (uint32_t)(c->value >> 32));
    load_arg(c->arg, false);
    emit(BPF_JMP | BPF_JEQ | BPF_K, FAIL, NEXT, (uint32_t)c->value);
}

/* Above (or at) the value passes; with BELOW the other way round: a < v is not a >= v. */
static void emit_order(const struct condition *c, bool or_equal, bool below)
{
    const uint16_t test = or_equal ? BPF_JGE : BPF_JGT;
    load_arg(c->arg, true);
    emit(BPF_JMP | BPF_JGT | BPF_K, below ? FAIL : 3, NEXT, (uint32_t)(c->value >> 32));
    emit(BPF_JMP | BPF_JEQ | BPF_K, NEXT, below ? 2 : FAIL, (uint32_t)(c->value >> 32));
    load_arg(c->arg, false);
    emit((uint16_t)(BPF_JMP | test | BPF_K), below ? FAIL : NEXT, below ? NEXT : FAIL, (uint32_t)c->value);
}

static void emit_condition(const struct condition *c)
{
    switch (c->op) {
    case OP_EQ: case OP_MASK: emit_equal(c); break;
    case OP_NE: emit_not_equal(c); break;
    case OP_GT: emit_order(c, false, false); break;
    case OP_GE: emit_order(c, true, false); break;
    case OP_LT: emit_order(c, true, true); break;
    case OP_LE: emit_order(c, false, true); break;
    }
}

static void emit_row(const struct row *r)
{
    unsigned start = size;
    for (unsigned i = 0; i < r->nconditions; i++)
        emit_condition(&r->conditions[i]);
    emit(BPF_RET | BPF_K, 0, 0, r->action);
    for (unsigned i = start; i < size; i++) {
        uint8_t past = (uint8_t)(size - i - 1);
        if (program[i].jt == FAIL)
            program[i].jt = past;
        if (program[i].jf == FAIL)
            program[i].jf = past;
    }
}

/* The numbers of system calls cut into stretches that are decided alike. */
struct stretch {
    uint32_t first;
    const struct row *row;   /* the first of its rows; NULL: the default */
    unsigned nrows;
};
static struct stretch stretches[2 * ROWS_MOST + 1];
static unsigned nstretches;

static bool plain(const struct stretch *s, uint32_t action)
{
    if (s->row == NULL)
        return action == default_action;
    return s->row->nconditions == 0 && s->row->action == action;
}

static void add_stretch(uint32_t first, const struct row *row, unsigned n)
{
    uint32_t action = row ? row->action : default_action;
    if (nstretches && (row == NULL || row->nconditions == 0) && plain(&stretches[nstretches - 1], action))
        return;
    stretches[nstretches++] = (struct stretch){ first, row, n };
}

static int by_number(const void *a, const void *b)
{
    const struct row *x = a, *y = b;
    return x->nr != y->nr ? (x->nr < y->nr ? -1 : 1) : (x->order < y->order ? -1 : 1);
}

static void cut_stretches(void)
{
    qsort(rows, nrows, sizeof rows[0], by_number);
    add_stretch(0, NULL, 0);
    nstretches = 1;
    for (unsigned i = 0; i < nrows;) {
        unsigned n = 1;
        while (i + n < nrows && rows[i + n].nr == rows[i].nr)
            n++;
        add_stretch((uint32_t)rows[i].nr, &rows[i], n);
        if (i + n == nrows || rows[i + n].nr != rows[i].nr + 1)
            add_stretch((uint32_t)rows[i].nr + 1, NULL, 0);
        i += n;
    }
}

static void emit_stretch(const struct stretch *s)
{
    for (unsigned i = 0; i < s->nrows; i++) {
        emit_row(&s->row[i]);
        if (s->row[i].nconditions == 0)
            return;
    }
    emit(BPF_RET | BPF_K, 0, 0, default_action);
}

/* A binary search; the far jump is one of its own, as a conditional one reaches 255 instructions only. */
static void emit_search(unsigned from, unsigned to)
{
    if (to - from == 1) {
        emit_stretch(&stretches[from]);
        return;
    }
    unsigned middle = from + (to - from) / 2;
    emit(BPF_JMP | BPF_JGE | BPF_K, 0, 1, stretches[middle].first);
    unsigned far = emit(BPF_JMP | BPF_JA, 0, 0, 0);
    emit_search(from, middle);
    program[far].k = size - far - 1;
    emit_search(middle, to);
}

static void emit_program(void)
{
    emit(BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, arch));
    emit(BPF_JMP | BPF_JEQ | BPF_K, 1, 0, NATIVE_ARCH);
    emit(BPF_RET | BPF_K, 0, 0, SECCOMP_RET_KILL_PROCESS);
    emit(BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, nr));
    /* -1 is no call: the kernel answers ENOSYS, or what a tracer that put it there wants.  Killing for it would keep failing calls from being
       tried out. */
    emit(BPF_JMP | BPF_JEQ | BPF_K, 0, 1, UINT32_MAX);
    emit(BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW);
#if defined(__x86_64__)
    emit(BPF_JMP | BPF_JGE | BPF_K, 0, 1, X32_BIT);
    emit(BPF_RET | BPF_K, 0, 0, SECCOMP_RET_KILL_PROCESS);
#endif
    emit_search(0, nstretches);
}

static void print(const char *name)
{
    printf("/* Made from etc/seccomp/%s.policy by sandbox/lock/policyc: change that file. */\n", name);
    printf("#include <linux/filter.h>\n\nstatic const struct sock_filter lock_%s_filter[] = {\n", name);
    for (unsigned i = 0; i < size; i++)
        printf("    { 0x%02x, %u, %u, 0x%08x },\n", program[i].code, program[i].jt, program[i].jf, program[i].k);
    printf("};\n");
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "--sanitizers") == 0) {
        sanitizers = true;
        argc--, argv++;
    }
    if (argc != 2) {
        fprintf(stderr, "usage: policyc [--sanitizers] NAME.policy >NAME.bpf.h\n");
        return 2;
    }
    read_policy(argv[1], 0, NULL);
    struct place end = { argv[1], 0 };
    if (!has_default)
        fail(&end, "no default: 'default kill' or 'default errno ENAME'");
    cut_stretches();
    emit_program();
    const char *slash = strrchr(argv[1], '/');
    char name[64];
    snprintf(name, sizeof name, "%s", slash ? slash + 1 : argv[1]);
    name[strcspn(name, ".-")] = '\0';
    print(name);
    return ferror(stdout) || fflush(stdout) != 0;
}
