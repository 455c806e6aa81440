/* A tool of the machine, run within bounds. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "quota/command.h"

static const char *const folders[] = { "/nowhere", "/bin", NULL };
static struct said s;
static struct err e;

static int run(unsigned seconds, const char *const argv[])
{
    const struct command c = { .folders = folders, .argv = argv, .package = "a-package", .seconds = seconds };
    memset(&s, 0, sizeof s);
    e = (struct err){ 0 };
    return command_run(&c, &s, &e);
}
#define RUN(seconds, ...) run(seconds, (const char *const[]){ __VA_ARGS__, NULL })

Test(command, tells_its_output_and_its_exit, .timeout = 60)
{
    cr_assert_eq(RUN(20, "sh", "-c", "echo out; echo why >&2; exit 3"), 0, "%s", e.text);
    cr_assert_eq(s.code, 3);
    cr_assert_str_eq(s.out, "out\n");
    cr_assert_str_eq(s.why, "why");
}

Test(command, words_are_words_and_no_shells)
{
    cr_assert_eq(RUN(20, "printf", "%s|", "a b", "$HOME", ";id", "*"), 0);
    cr_assert_str_eq(s.out, "a b|$HOME|;id|*|");
}

Test(command, has_a_fixed_environment_and_no_descriptor_of_ours)
{
    setenv("LD_PRELOAD_OF_OURS", "x", 1);
    int kept = dup2(open("/etc/passwd", O_RDONLY), 9);
    cr_assert_eq(kept, 9);
    cr_assert_eq(RUN(20, "sh", "-c", "/usr/bin/env | /usr/bin/sort; ls /proc/self/fd | tr '\\n' ' '; pwd; wc -c <&0"), 0);
    cr_assert(strstr(s.out, "LC_ALL=C\n") && strstr(s.out, "PATH=/usr/sbin:/usr/bin:/sbin:/bin\n") && !strstr(s.out, "OF_OURS"), "%s", s.out);
    cr_assert(strstr(s.out, "0 1 2 3 /\n0\n"), "ls has one of its own: %s", s.out);
}

Test(command, that_is_not_there_names_its_package)
{
    cr_assert_eq(RUN(20, "no-such-tool"), -1);
    cr_assert_eq(e.no, ENOENT);
    cr_assert(strstr(e.text, "install a-package"));
}

Test(command, that_hangs_is_killed, .timeout = 60)
{
    uint64_t start = now_ms();
    cr_assert_eq(RUN(1, "sleep", "50"), -1);
    cr_assert_eq(e.no, ETIME);
    cr_assert(now_ms() - start < 20000);
}

Test(command, that_is_killed_is_a_failure)
{
    cr_assert_eq(RUN(20, "sh", "-c", "kill -9 $$"), -1);
    cr_assert(strstr(e.text, "signal 9"));
}

Test(command, that_says_too_much_is_refused, .timeout = 60)
{
    cr_assert_eq(RUN(20, "head", "-c", "4096", "/dev/zero"), -1);
    cr_assert_eq(e.no, EOVERFLOW);
    cr_assert_eq(RUN(20, "head", "-c", "4000", "/dev/zero"), -1, "bytes that are no text are no answer");
    cr_assert_eq(RUN(50, "cat", "/dev/zero"), -1, "and an endless one ends");
    cr_assert_eq(RUN(20, "sh", "-c", "head -c 100000 /dev/zero | tr '\\0' x >&2; echo fine"), 0, "of its complaint the beginning is kept");
    cr_assert_eq(strlen(s.why), sizeof s.why - 1);
    cr_assert_str_eq(s.out, "fine\n");
}

Test(command, its_complaint_is_one_printable_line)
{
    cr_assert_eq(RUN(20, "printf", "%s", "x"), 0);
    cr_assert_eq(RUN(20, "sh", "-c", "printf 'one\\ntwo\\033[31m\\303\\244\\n' >&2"), 0);
    cr_assert_str_eq(s.why, "one two [31m  ");
}
