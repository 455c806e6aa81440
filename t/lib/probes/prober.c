/* prober                      obeys lines of its input: "all", or a probe's name; each ends in "done WHAT: ANSWER"
   prober --all               all probes but the bombs, in the table's order; "NAME <tab> ANSWER" to the file `answers`, and "done all"
   prober --only NAME...      these
   prober --list              the table: name, kind, wanted, off, open, why; tabs between
   prober --canary            what probes look for and must not find; outside of every server
   prober --id                0 if it has gained an id, else 1 */
#include "t/lib/probes/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/attr.h"

enum { PATIENCE = 15, BOMB_PATIENCE = 90, ANSWER_MOST = 300 };

char open_at_start[256], ignored_at_start[32] = "none";
static char canaries[8192];
static char said[ANSWER_MOST];

void say(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(said, sizeof said, fmt, ap);
    va_end(ap);
}

const char *text_of(const char *path)
{
    if (path == NULL || path[0] != '@')
        return path ? path : "";
    static char value[512];
    size_t n = strlen(path + 1);
    for (const char *line = canaries; *line; line += strcspn(line, "\n") + 1) {
        if (strncmp(line, path + 1, n) == 0 && line[n] == '=') {
            snprintf(value, sizeof value, "%.*s", (int)strcspn(line + n + 1, "\n"), line + n + 1);
            return value;
        }
        if (line[strcspn(line, "\n")] == '\0')
            break;
    }
    return "";
}

static void read_canaries(void)
{
    int fd = open("canary", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : read(fd, canaries, sizeof canaries - 1);
    canaries[n > 0 ? n : 0] = '\0';
    close(fd);
}

static void note_descriptors(void)
{
    size_t used = 0;
    for (int fd = 0; fd < 4096 && used < sizeof open_at_start - 12; fd++)
        if (fcntl(fd, F_GETFD) >= 0)
            used += (size_t)snprintf(open_at_start + used, sizeof open_at_start - used, "%s%d", used ? " " : "", fd);
}

static void note_signals(void)
{
    for (int sig = 1; sig < NSIG; sig++) {
        struct sigaction a;
        if (sigaction(sig, NULL, &a) == 0 && a.sa_handler == SIG_IGN)
            snprintf(ignored_at_start, sizeof ignored_at_start, "SIG%s", sigabbrev_np(sig) ? sigabbrev_np(sig) : "RT");
    }
}

static NORETURN void attempt(const struct probe *p, int to)
{
    alarm(p->kind == PROBE ? PATIENCE : BOMB_PATIENCE);
    errno = 0;
    long r = p->try(p);
    int no = errno;
    if (said[0] == '\0' && r >= 0)
        say("worked");
    else if (said[0] == '\0')
        say("%s", strerrorname_np(no) ? strerrorname_np(no) : "-1");
    _exit(write(to, said, strlen(said)) < 0);
}

/* In a process of its own, as some end in its death. */
static void run(const struct probe *p, char answer[ANSWER_MOST])
{
    int pair[2], status = 0;
    size_t used = 0;
    answer[0] = '\0';
    pid_t pid = pipe2(pair, O_CLOEXEC) < 0 ? -1 : fork();
    if (pid == 0) {
        close(pair[0]);
        attempt(p, pair[1]);
    }
    if (pid < 0) {
        snprintf(answer, ANSWER_MOST, "not tried: %s", strerror(errno));
        return;
    }
    close(pair[1]);
    /* What it started may hold the pipe for longer than it lives itself. */
    waitpid(pid, &status, 0);
    fcntl(pair[0], F_SETFL, O_NONBLOCK);
    for (ssize_t n; used < ANSWER_MOST - 1 && (n = read(pair[0], answer + used, ANSWER_MOST - 1 - used)) > 0;)
        used += (size_t)n;
    answer[used] = '\0';
    close(pair[0]);
    if (used == 0 && WIFSIGNALED(status))
        snprintf(answer, ANSWER_MOST, "SIG%s", sigabbrev_np(WTERMSIG(status)));
    else if (used == 0)
        snprintf(answer, ANSWER_MOST, "nothing: status %#x", (unsigned)status);
}

static const struct probe *find(const char *name)
{
    for (unsigned i = 0; i < nprobes; i++)
        if (strcmp(probes[i].name, name) == 0)
            return &probes[i];
    return NULL;
}

static int run_some(int n, char **names)
{
    FILE *answers = fopen("answers.new", "we");
    if (answers == NULL)
        answers = stdout;
    char answer[ANSWER_MOST];
    for (unsigned i = 0; n == 0 && i < nprobes; i++)
        if (probes[i].kind == PROBE) {
            run(&probes[i], answer);
            fprintf(answers, "%s\t%s\n", probes[i].name, answer);
        }
    for (int i = 0; i < n; i++) {
        const struct probe *p = find(names[i]);
        if (p)
            run(p, answer);
        fprintf(answers, "%s\t%s\n", names[i], p ? answer : "no such probe");
    }
    if (fflush(answers) != 0 || (answers != stdout && rename("answers.new", "answers") < 0))
        perror("answers");
    printf("done all: %s\n", n ? "some" : "all");
    return 0;
}

static void print_table(void)
{
    static const char *const kinds[] = { [PROBE] = "probe", [BOMB] = "bomb", [BOMB_VM] = "bomb-vm" };
    for (unsigned i = 0; i < nprobes; i++) {
        const struct probe *p = &probes[i];
        printf("%s\t%s\t%s\t%s\t%s\t%s\n", p->name, kinds[p->kind], p->want, p->off ? p->off : "-", p->open ? p->open : "worked",
               p->why ? p->why : "-");
    }
}

static int obey(void)
{
    char line[256], answer[ANSWER_MOST];
    printf("ready\n");
    while (fgets(line, sizeof line, stdin)) {
        line[strcspn(line, "\n")] = '\0';
        const struct probe *p = find(line);
        if (p) {
            run(p, answer);
            printf("done %s: %s\n", line, answer);
        } else if (strcmp(line, "all") == 0) {
            read_canaries();
            run_some(0, NULL);
        } else
            printf("done %s: no such probe\n", line);
    }
    return 0;
}

int main(int argc, char **argv)
{
    note_descriptors();
    note_signals();
    setvbuf(stdout, NULL, _IOLBF, 0);
    signal(SIGPIPE, SIG_IGN);
    const char *word = argc > 1 ? argv[1] : "";
    if (strcmp(word, "--id") == 0)
        return geteuid() == getuid() && getegid() == getgid();
    if (strcmp(word, "--list") == 0) {
        print_table();
        return 0;
    }
    if (strcmp(word, "--canary") == 0)
        return canary_main();
    read_canaries();
    if (strcmp(word, "--all") == 0 || strcmp(word, "--only") == 0)
        return run_some(argc - 2, argv + 2);
    return obey();
}
