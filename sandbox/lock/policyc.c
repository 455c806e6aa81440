/* Compiles etc/seccomp/NAME.policy at build time: into a BPF program, with --rows into rows for those who change a policy at run time
   (sandbox/lock/policy.h); with --calls it writes the names and numbers of all system calls.

     default kill | default errno ENAME                        what an unlisted call gets; once
     allow NAME [argN OP VALUE [and argN OP VALUE]...] # reason
     errno ENAME NAME [conditions] # reason
     kill NAME [conditions] # reason
     include FILE                                              beside the including file

   OP is one of == != < <= > >= &MASK==; all compare 64 bits unsigned, so an argument the kernel takes as an int is compared as
   `argN &LOW32==VALUE`.  Rows of one call are tried in their order and the first that matches decides; when none does, the default.
   So a file overrides what it includes by saying it before the include.
   `optional` in front: the call may be unknown to this libseccomp or to this architecture.  `sanitizers` in front: only with --sanitizers.
   Of a policy that an admin may change (`seccomp =`), `never` in front: the call, or what of it the row speaks of, cannot be added; `needed`:
   it cannot be taken away.

   Names come from libseccomp, the program does not: libseccomp cannot say "allow these, errno for the rest" of one call. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sandbox/lock/policy.h"
#include "sandbox/lock/symbols.h"

enum { WORDS_MOST = 40, DEPTH_MOST = 8, NUMBERS = 1024 };

/* What libseccomp may be too old to know.  From 424 on a call has one number on every architecture. */
static const struct policy_call newer[] = {
    { "cachestat", 451 }, { "fchmodat2", 452 }, { "map_shadow_stack", 453 }, { "futex_wake", 454 }, { "futex_wait", 455 },
    { "futex_requeue", 456 }, { "statmount", 457 }, { "listmount", 458 }, { "lsm_get_self_attr", 459 }, { "lsm_set_self_attr", 460 },
    { "lsm_list_modules", 461 }, { "mseal", 462 }, { "setxattrat", 463 }, { "getxattrat", 464 }, { "listxattrat", 465 },
    { "removexattrat", 466 }, { "open_tree_attr", 467 }, { "file_getattr", 468 }, { "file_setattr", 469 }, { "listns", 470 },
#if defined(__x86_64__)
    { "uretprobe", 335 }, { "uprobe", 336 },
#endif
};

/* Beside each row, where it stands: for messages. */
static struct policy_row rows[POLICY_ROWS_MOST];
static const char *files[POLICY_ROWS_MOST];
static unsigned lines[POLICY_ROWS_MOST];
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

static const struct { const char *word; enum policy_op op; } operators[] = {
    { "==", POLICY_EQ }, { "!=", POLICY_NE }, { "<=", POLICY_LE }, { ">=", POLICY_GE }, { "<", POLICY_LT }, { ">", POLICY_GT },
};

/* "&MASK==" and the value behind it, which may be in the same word. */
static void parse_mask(const struct place *at, char *word, struct policy_condition *c, char **value)
{
    char *eq = strstr(word, "==");
    if (eq == NULL)
        fail(at, "'%s': a mask is written &MASK==", word);
    *eq = '\0';
    c->op = POLICY_MASK;
    c->mask = number(at, word + 1);
    *value = eq + 2;
}

static void parse_operator(const struct place *at, char *word, struct policy_condition *c, char **value)
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
static unsigned parse_condition(const struct place *at, char **words, struct policy_condition *c)
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
    if (c->op == POLICY_MASK)
        c->value &= c->mask;
    return used;
}

static void parse_conditions(const struct place *at, char **words, struct policy_row *r)
{
    while (*words) {
        if (r->nconditions == POLICY_CONDITIONS_MOST)
            fail(at, "more than %d conditions", POLICY_CONDITIONS_MOST);
        words += parse_condition(at, words, &r->conditions[r->nconditions++]);
        if (*words == NULL)
            return;
        if (strcmp(*words, "and") != 0 || words[1] == NULL)
            fail(at, "'%s': conditions are joined by 'and'", *words);
        words++;
    }
}

/* A row nothing can reach is a mistake, unless it repeats what was said or stands in an included file that is overridden. */
static void check_reached(const struct place *at, const struct policy_row *r, const char *name)
{
    for (unsigned i = 0; i < nrows; i++)
        if (rows[i].nr == r->nr && rows[i].nconditions == 0 && rows[i].action != r->action && files[i] == at->file)
            fail(at, "%s: never reached, line %u decides first", name, lines[i]);
}

/* Its number, below zero if only other architectures have it; __NR_SCMP_ERROR when nobody knows it. */
static int call_number(const char *name)
{
    int nr = seccomp_syscall_resolve_name(name);
    for (size_t i = 0; nr < 0 && i < sizeof newer / sizeof newer[0]; i++)
        if (strcmp(newer[i].name, name) == 0)
            nr = newer[i].nr;
    return nr;
}

static char *copy(const char *text)
{
    char *s = strdup(text);
    if (s == NULL)
        abort();
    return s;
}

static char *join(char **words)
{
    char text[512] = "";
    for (size_t n = 0; *words; n = strlen(text))
        snprintf(text + n, sizeof text - n, "%s%s", n ? " " : "", *words++);
    return copy(text);
}

/* MARKS: what stood in front and behind; name, conditions and place in the order are WORDS'. */
static void add_row(const struct place *at, const struct policy_row *marks, char **words, bool optional)
{
    if (words[0] == NULL)
        fail(at, "the name of a system call is missing");
    int nr = call_number(words[0]);
    if (nr == __NR_SCMP_ERROR && !optional)
        fail(at, "unknown system call '%s' (write 'optional' in front if some machines lack it)", words[0]);
    if (nr == __NR_SCMP_ERROR)
        return;
    if (nrows == POLICY_ROWS_MOST)
        fail(at, "more than %d rows", POLICY_ROWS_MOST);
    struct policy_row *r = &rows[nrows];
    *r = *marks;
    r->nr = nr;
    r->order = nrows;
    r->name = copy(words[0]);
    r->reason = copy(marks->reason);
    r->text = join(words + 1);
    parse_conditions(at, words + 1, r);
    check_reached(at, r, words[0]);
    files[nrows] = at->file;
    lines[nrows] = at->line;
    /* Below zero: a call other architectures have. */
    if (nr >= 0) {
        nrows++;
        return;
    }
    free((void *)(uintptr_t)r->name);
    free((void *)(uintptr_t)r->reason);
    free((void *)(uintptr_t)r->text);
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

/* The reason, with the comment cut off the line; NULL if there is none. */
static char *cut_reason(char *line)
{
    char *hash = strchr(line, '#');
    if (hash == NULL)
        return NULL;
    *hash++ = '\0';
    while (isspace((unsigned char)*hash))
        hash++;
    hash[strcspn(hash, "\n")] = '\0';
    return *hash ? hash : NULL;
}

/* Takes the words in front of the verb; what is left. */
static char **read_marks(char **words, struct policy_row *marks, bool *optional, bool *wanted)
{
    for (; words[0]; words++)
        if (strcmp(words[0], "optional") == 0)
            *optional = true;
        else if (strcmp(words[0], "sanitizers") == 0)
            *wanted = sanitizers;
        else if (strcmp(words[0], "never") == 0)
            marks->never = true;
        else if (strcmp(words[0], "needed") == 0)
            marks->needed = true;
        else
            break;
    return words;
}

static void read_line(const struct place *at, char *line, unsigned depth)
{
    bool optional = false, wanted = true;
    char *reason = cut_reason(line), *space[WORDS_MOST + 2];
    struct policy_row marks = { .action = SECCOMP_RET_ALLOW };
    if (split(at, line, space) == 0)
        return;
    char **words = read_marks(space, &marks, &optional, &wanted);
    const char *verb = words[0] ? words[0] : "";
    if (strcmp(verb, "include") == 0) {
        include(at, words + 1, depth);
        return;
    }
    if (strcmp(verb, "default") == 0) {
        set_default(at, words + 1);
        return;
    }
    if (strcmp(verb, "kill") == 0)
        marks.action = SECCOMP_RET_KILL_PROCESS;
    else if (strcmp(verb, "errno") == 0 && words[1])
        marks.action = errno_action(at, (++words)[0]);
    else if (strcmp(verb, "allow") != 0)
        fail(at, "'%s' is unknown: allow, errno ENAME, kill, default, include", verb);
    if (reason == NULL)
        fail(at, "a row needs a reason: '# why'");
    if ((marks.never && marks.action == SECCOMP_RET_ALLOW) || (marks.needed && marks.action != SECCOMP_RET_ALLOW))
        fail(at, "'never' is said of a refusal, 'needed' of what is allowed");
    if (!wanted)
        return;
    marks.reason = reason;
    add_row(at, &marks, words + 1, optional);
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

/* ---- what is written ---- */

static void print_filter(const char *name)
{
    static struct sock_filter program[BPF_MAXINSNS];
    unsigned size = policy_emit(rows, nrows, default_action, program);
    if (size == 0) {
        fprintf(stderr, "policyc: the filter has more than %d instructions\n", BPF_MAXINSNS);
        exit(1);
    }
    printf("/* Made from etc/seccomp/%s.policy by sandbox/lock/policyc: change that file. */\n", name);
    printf("#include <linux/filter.h>\n\nstatic const struct sock_filter lock_%s_filter[] = {\n", name);
    for (unsigned i = 0; i < size; i++)
        printf("    { 0x%02x, %u, %u, 0x%08x },\n", program[i].code, program[i].jt, program[i].jf, program[i].k);
    printf("};\n");
}

static void print_text(const char *field, const char *text)
{
    printf(", .%s = \"", field);
    for (; *text; text++)
        printf(*text == '"' || *text == '\\' ? "\\%c" : "%c", *text);
    printf("\"");
}

static void print_row(const struct policy_row *r)
{
    printf("    { .nr = %d, .action = 0x%08x, .order = %u, .never = %d, .needed = %d, .nconditions = %u, .conditions = {", r->nr, r->action,
           r->order, r->never, r->needed, r->nconditions);
    for (unsigned i = 0; i < r->nconditions; i++) {
        const struct policy_condition *c = &r->conditions[i];
        printf("%s { %u, (enum policy_op)%d, 0x%llxULL, 0x%llxULL }", i ? "," : "", c->arg, (int)c->op, (unsigned long long)c->mask,
               (unsigned long long)c->value);
    }
    printf("%s", r->nconditions ? " }" : "{ 0 } }");
    print_text("name", r->name);
    print_text("text", r->text);
    print_text("reason", r->reason);
    printf(" },\n");
}

static void print_rows(const char *name)
{
    printf("/* Made from etc/seccomp/%s.policy by sandbox/lock/policyc: change that file. */\n", name);
    printf("#include \"sandbox/lock/policy.h\"\n\n#define LOCK_%s_FALLBACK 0x%08xU\n\n", name, default_action);
    printf("static const struct policy_row lock_%s_rows[] = {\n", name);
    for (unsigned i = 0; i < nrows; i++)
        print_row(&rows[i]);
    printf("};\n");
}

static void print_calls(void)
{
    printf("/* The system calls of this architecture, by sandbox/lock/policyc. */\n#include \"sandbox/lock/policy.h\"\n\n");
    printf("static const struct policy_call lock_calls[] = {\n");
    for (int nr = 0; nr < NUMBERS; nr++) {
        char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, nr);
        for (size_t i = 0; name == NULL && i < sizeof newer / sizeof newer[0]; i++)
            if (newer[i].nr == nr)
                name = copy(newer[i].name);
        if (name)
            printf("    { \"%s\", %d },\n", name, nr);
        free(name);
    }
    printf("};\n");
}

static void usage(void)
{
    fprintf(stderr, "usage: policyc [--sanitizers] [--rows] NAME.policy >NAME.bpf.h (NAME.rows.h)\n       policyc --calls >calls.h\n");
    exit(2);
}

int main(int argc, char **argv)
{
    void (*print)(const char *name) = print_filter;
    for (argc--, argv++; argc && argv[0][0] == '-'; argc--, argv++)
        if (strcmp(argv[0], "--sanitizers") == 0)
            sanitizers = true;
        else if (strcmp(argv[0], "--rows") == 0)
            print = print_rows;
        else if (strcmp(argv[0], "--calls") == 0 && argc == 1)
            print = NULL;
        else
            usage();
    if (argc != (print != NULL))
        usage();
    if (print == NULL) {
        print_calls();
        return ferror(stdout) || fflush(stdout) != 0;
    }
    read_policy(argv[0], 0, NULL);
    struct place end = { argv[0], 0 };
    if (!has_default)
        fail(&end, "no default: 'default kill' or 'default errno ENAME'");
    const char *slash = strrchr(argv[0], '/');
    char name[64];
    snprintf(name, sizeof name, "%s", slash ? slash + 1 : argv[0]);
    name[strcspn(name, ".-")] = '\0';
    print(name);
    return ferror(stdout) || fflush(stdout) != 0;
}
