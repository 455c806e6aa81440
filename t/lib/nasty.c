/* The nastiest server: t/sys/nasty.t starts it inside a sandbox with the name of one way to be a nuisance, and its arguments. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "base/attr.h"

enum { BLOCK = 64 * 1024, MIB = 1 << 20 };

static char block[BLOCK];

static void put(const char *bytes, size_t size)
{
    for (ssize_t n; size > 0; bytes += n, size -= (size_t)n)
        if ((n = write(STDOUT_FILENO, bytes, size)) < 0)
            return;
}

NORETURN static void linger(void)
{
    for (;;)
        pause();
}

static long number(char **args)
{
    return args[0] ? atol(args[0]) : 1;
}

/* As fast as the pipe takes it, for seconds; then quiet, the number said. */
static void do_flood(char **args)
{
    struct timespec end, now;
    long lines = 0;
    clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_sec += number(args);
    for (size_t at = 0; at < sizeof block; at += 64)
        memcpy(block + at, "[12:00:00] [Server thread/WARN]: Can't keep up! Is it overload?\n", 64);
    do {
        put(block, sizeof block);
        lines += BLOCK / 64;
        clock_gettime(CLOCK_MONOTONIC, &now);
    } while (now.tv_sec < end.tv_sec);
    printf("flooded %ld lines\n", lines);
}

static void do_line(char **args)
{
    memset(block, 'x', sizeof block);
    for (long left = number(args) * MIB; left > 0; left -= BLOCK)
        put(block, sizeof block);
    puts("\nthe line has ended");
}

static void do_fork(char **args UNUSED)
{
    long n = 0;
    for (pid_t pid; n < 100000 && (pid = fork()) >= 0; n++)
        if (pid == 0) {
            signal(SIGTERM, SIG_IGN);
            linger();
        }
    printf("forked %ld times: %s\n", n, strerror(errno));
    fflush(stdout);
    for (;;)
        if (fork() == 0)
            linger();
}

static void do_deaf(char **args UNUSED)
{
    for (int sig = 1; sig < NSIG; sig++)
        signal(sig, SIG_IGN);
    puts("deaf");
}

static void do_shut(char **args UNUSED)
{
    puts("closing all three");
    fflush(stdout);
    for (int fd = 0; fd < 3; fd++)
        close(fd);
}

static void do_disk(char **args UNUSED)
{
    int fd = open("fill", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    int why = 0;
    /* What waits for its place may count twice: to the last byte it goes on behind a sync. */
    for (int tries = 0; tries < 3; tries++) {
        fsync(fd);
        for (size_t size = sizeof block; size > 0;) {
            memset(block, tries + 1, size);
            if (write(fd, block, size) < 0) {
                why = errno;
                size /= 2;
            }
        }
    }
    printf("its disk: %s\n", strerror(why));
    fflush(stdout);
    _exit(9);
}

/* What is in memory by a file's name, then its own; its own limit stands in for that of a group where there is none. */
static void do_memory(char **args)
{
    static const char *const places[] = { "/tmp/fill", "/dev/shm/fill" };
    for (size_t i = 0; i < countof(places); i++) {
        int fd = open(places[i], O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        long n = 0;
        while (n < 4096 && write(fd, block, sizeof block) == (ssize_t)sizeof block)
            n++;
        printf("%s took %ld MiB: %s\n", places[i], n * BLOCK / MIB, strerror(errno));
    }
    setrlimit(RLIMIT_AS, &(struct rlimit){ (rlim_t)number(args) * MIB, (rlim_t)number(args) * MIB });
    for (char *p; (p = mmap(NULL, MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)) != MAP_FAILED;)
        memset(p, 1, MIB);
    printf("memory: %s\n", strerror(errno));
    fflush(stdout);
    abort();
}

/* Titles, clipboard, answers that become typing, modes that make a terminal useless, colours that hide. */
static void do_escapes(char **args UNUSED)
{
    static const char *const all[] = {
        "\033]0;pwned title\007", "\033]2;pwned title\033\\", "\033]52;c;cHduZWQ=\007", "\033]8;;http://pwned/\033\\link\033]8;;\033\\",
        "\033]9;pwned\007", "\033]50;pwned\007", "\033P$q\"p\033\\", "\033P+q544e\033\\", "\033_pwned\033\\", "\033^pwned\033\\",
        "\033Xpwned\033\\", "\033[c", "\033[5n", "\033[6n", "\033[21t", "\033[18t", "\033Z", "\005", "\033[?1049h", "\033[?1000h", "\033[?2004h", "\033[?25l",
        "\033[4i", "\033[2J", "\033[H", "\033[3J", "\033c", "\033[!p", "\033#8", "\033(0", "\016", "\033[20h", "\033[?7l",
        "\xc2\x9d" "0;pwned\xc2\x9c", "\x9d" "0;pwned\x9c", "\xc2\x9b" "6n", "\x9b" "6n", "\033[1;1r", "\033[8;1;1t", "\033[2;5;Xq",
        "\033]0;never ended",
    };
    for (size_t i = 0; i < countof(all); i++)
        printf("%s<%zu>\n", all[i], i);
    puts("escapes are over");
}

static void do_bytes(char **args UNUSED)
{
    for (int i = 0; i < 256; i++)
        printf("%c", i);
    put("\0\0\0\n\xff\xfe\xc0\xaf\xed\xa0\x80\xf5\x80\x80\x80\n", 16);
    for (long n = 0; n < 16; n++)
        put(block, sizeof block);
    puts("\nbytes are over");
}

static void do_tty(char **args UNUSED)
{
    struct termios t;
    char key = 'x';
    if (tcgetattr(STDIN_FILENO, &t) < 0) {
        printf("no terminal: %s\n", strerror(errno));
        return;
    }
    cfmakeraw(&t);
    t.c_cc[VMIN] = t.c_cc[VTIME] = 0;
    cfsetspeed(&t, B50);
    tcsetattr(STDIN_FILENO, TCSANOW, &t);
    ioctl(STDIN_FILENO, TIOCSWINSZ, &(struct winsize){ 1, 1, 0, 0 });
    ioctl(STDIN_FILENO, TIOCEXCL);
    bool typed = ioctl(STDIN_FILENO, TIOCSTI, &key) == 0;
    int packet = 1;
    ioctl(STDIN_FILENO, TIOCPKT, &packet);
    printf("terminal: raw, typing of its own %s\r\n", typed ? "worked" : "refused");
    fflush(stdout);
    tcflow(STDIN_FILENO, TCOOFF);   /* what it writes from now on waits */
}

static void do_halt(char **args UNUSED)
{
    puts("halting");
    fflush(stdout);
    raise(SIGSTOP);
    puts("somebody had me go on");
}

static void do_orphan(char **args UNUSED)
{
    if (fork() == 0) {
        setsid();
        if (fork() != 0)
            _exit(0);
        signal(SIGTERM, SIG_IGN);
        puts("the orphan is up");
        fflush(stdout);
        linger();
    }
    sleep(1);
    _exit(0);
}

static void do_exit(char **args)
{
    _exit((int)number(args));
}

static void do_numb(char **args UNUSED)
{
    puts("reading nothing");
}

static void notify(const char *text)
{
    struct sockaddr_un to = { .sun_family = AF_UNIX };
    const char *path = getenv("NOTIFY_SOCKET");
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (path == NULL || strlen(path) >= sizeof to.sun_path) {
        puts("no notify socket");
        return;
    }
    memcpy(to.sun_path, path, strlen(path) + 1);
    if (fd < 0 || sendto(fd, text, strlen(text), 0, (struct sockaddr *)&to, sizeof to) < 0)
        printf("notify: %s\n", strerror(errno));
    close(fd);
}

static void do_moody(char **args)
{
    for (long i = 0; i < number(args); i++) {
        notify("READY=1\nSTATUS=up");
        notify("READY=0\nSTATUS=down\nSTOPPING=0");
        notify("RELOADING=1\nSTATUS=\033]0;pwned\007\nMAINPID=1");
        notify("READY=\nWATCHDOG=trigger\nFDSTORE=1\nERRNO=x\n\n=\n");
    }
    notify("STATUS=moody to the end");
    puts("moody no more");
}

static const struct { const char *name; void (*run)(char **args); } ways[] = {
    { "flood", do_flood }, { "line", do_line }, { "fork", do_fork }, { "deaf", do_deaf }, { "shut", do_shut }, { "disk", do_disk },
    { "memory", do_memory }, { "escapes", do_escapes }, { "bytes", do_bytes }, { "tty", do_tty }, { "halt", do_halt }, { "orphan", do_orphan },
    { "exit", do_exit }, { "numb", do_numb }, { "moody", do_moody },
};

int main(int argc, char **argv)
{
    for (size_t i = 0; argc > 1 && i < countof(ways); i++)
        if (strcmp(ways[i].name, argv[1]) == 0) {
            ways[i].run(argv + 2);
            fflush(stdout);
            linger();
        }
    puts("nasty: there is no such way");
    return 2;
}
