/* Lines of authorized_keys, fingerprints against ssh-keygen's, keyed hashes. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <sodium.h>

#include "base/mem.h"
#include "store/stored/keys.h"

#define BODY "AAAAC3NzaC1lZDI1NTE5AAAAIAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g"
#define GOOD "ssh-ed25519 " BODY

static void run(const char *command)
{
    pid_t pid = fork();
    if (pid == 0) {
        execl("/bin/sh", "sh", "-c", command, NULL);
        _exit(127);
    }
    int status = -1;
    waitpid(pid, &status, 0);
    cr_assert_eq(status, 0, "failed: %s", command);
}

static char *slurp(const char *path)
{
    static char text[16384];
    FILE *f = fopen(path, "re");
    cr_assert_not_null(f, "%s", path);
    text[fread(text, 1, sizeof text - 1, f)] = '\0';
    fclose(f);
    return text;
}

static void same_as_keygen(const char *type, const char *bits)
{
    char folder[] = "/tmp/holdfast-keys.XXXXXX", file[64], pub[64], out[64], cmd[256];
    cr_assert_not_null(mkdtemp(folder));
    snprintf(file, sizeof file, "%s/k", folder);
    snprintf(pub, sizeof pub, "%s/k.pub", folder);
    snprintf(out, sizeof out, "%s/out", folder);
    snprintf(cmd, sizeof cmd, "ssh-keygen -q -t %s -b %s -N '' -C 'a b c' -f %s && ssh-keygen -l -f %s >%s", type, bits, file, pub, out);
    run(cmd);
    struct key k;
    struct err e = { 0 };
    char print[KEY_FINGERPRINT];
    cr_assert_eq(key_parse(slurp(pub), &k, &e), 0, "%s: %s", e.step, e.text);
    key_fingerprint(k.blob, k.size, print);
    char *want = strchr(slurp(out), ' ') + 1;
    want[strcspn(want, " ")] = '\0';
    cr_assert_str_eq(print, want);
    cr_assert_str_eq(k.label, "a b c");
    key_free(&k);
    unlink(file), unlink(pub), unlink(out), rmdir(folder);
}

Test(keys, fingerprint_is_that_of_ssh_keygen)
{
    same_as_keygen("ed25519", "256");
    same_as_keygen("rsa", "2048");
    same_as_keygen("rsa", "3072");
    same_as_keygen("ecdsa", "256");
    same_as_keygen("ecdsa", "384");
    same_as_keygen("ecdsa", "521");
}

Test(keys, parts)
{
    struct key k;
    struct err e;
    cr_assert_eq(key_parse("  " GOOD "\talice@laptop, the old one \r\n", &k, &e), 0);
    cr_assert_str_eq(k.type, "ssh-ed25519");
    cr_assert_str_eq(k.label, "alice@laptop, the old one ");
    cr_assert_eq(k.size, 51);
    key_free(&k);
    cr_assert_eq(key_parse(GOOD, &k, &e), 0);
    cr_assert_str_eq(k.label, "");
    key_free(&k);
    cr_assert_eq(key_parse(GOOD " \x1b[31m\xff", &k, &e), 0);
    cr_assert_str_eq(k.label, "?[31m?");
    key_free(&k);
}

Test(keys, options_in_front)
{
    struct key k;
    struct err e;
    cr_assert_eq(key_parse("\tno-pty,command=\"send one \\\"a b\\\"\"  \t" GOOD " label", &k, &e), 0, "%s", e.text);
    cr_assert_str_eq(k.options, "no-pty,command=\"send one \\\"a b\\\"\"", "as they were written");
    cr_assert_str_eq(k.label, "label");
    cr_assert_eq(k.size, 51);
    key_free(&k);
    cr_assert_null(k.options);
    cr_assert_eq(key_parse(GOOD " no-pty", &k, &e), 0);
    cr_assert_null(k.options);
    cr_assert_str_eq(k.label, "no-pty");
    key_free(&k);
}

Test(keys, nothing_on_the_line)
{
    struct key k;
    struct err e;
    static const char *const lines[] = { "", "   ", "# " GOOD, "\n", "\t\r\n" };
    for (size_t i = 0; i < countof(lines); i++) {
        cr_assert_eq(key_parse(lines[i], &k, &e), 0, "line %zu", i);
        cr_assert_null(k.blob);
    }
}

Test(keys, refused)
{
    static const struct { const char *line, *step, *text; } bad[] = {
        { "port-forwarding " GOOD, "option", "'port-forwarding' is not supported; allowed: command" },
        { "command=\"/bin/sh -c 'x y'\" " GOOD, "option", "'/bin/sh' is no verb" },
        { "from=\"10.0.0.1\",no-pt " GOOD, "option", "'no-pt'" },
        { "cert-authority " GOOD, "option", "'cert-authority'" },
        { "principals=\"a\" " GOOD, "option", "certificate authority" },
        { "verify-required " GOOD, "option", "verify-required is for the keys of tokens" },
        { "no-touch-required " GOOD, "option", "no-touch-required is for the keys of tokens" },
        { "no-pty", "key", "there are options and no key" },
        { "no-pty   \r\n", "key", "there are options and no key" },
        { "restrict ssh-dss AAAA", "key type", "'ssh-dss'" },
        { "what=\"ssh-ed25519 AAAA\" x", "option", "'what'" },
        { "command=\"true " GOOD, "option", "quote at the end" },
        { "ssh-dss AAAAB3NzaC1kc3M=", "key type", "'ssh-dss'" },
        { "ssh-ed25519-cert-v01@openssh.com AAAA", "key type", "cert" },
        { "garbage", "key type", "'garbage'" },
        { "\x1b[31m", "key type", "\\x1b" },
        { "ssh-ed25519", "key", "missing" },
        { "ssh-ed25519 ", "key", "missing" },
        { "ssh-ed25519 !!!!", "key", "base64" },
        { GOOD "=", "key", "base64" },
        { "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAEC", "ssh-ed25519", "length" },
        { "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5", "ssh-ed25519", "length" },
        { "ssh-rsa " BODY, "ssh-rsa", "type inside" },
        { "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gAAAA", "ssh-ed25519", "left over" },
        { "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAACQDDDDDDDDDDDQ==", "ssh-rsa", "2048" },
    };
    for (size_t i = 0; i < countof(bad); i++) {
        struct key k;
        struct err e = { 0 };
        cr_assert_eq(key_parse(bad[i].line, &k, &e), -1, "%s", bad[i].line);
        cr_assert_str_eq(e.step, bad[i].step, "%s: %s", bad[i].line, e.step);
        cr_assert_not_null(strstr(e.text, bad[i].text), "%s: %s", bad[i].line, e.text);
        cr_assert_null(k.blob);
    }
}

Test(keys, hash_depends_on_the_secret)
{
    uint8_t one[32] = { 1 }, two[32] = { 2 }, a[KEY_HASH], b[KEY_HASH], c[KEY_HASH];
    key_hash(one, "blob", 4, a);
    key_hash(two, "blob", 4, b);
    key_hash(one, "blob", 4, c);
    cr_assert_neq(memcmp(a, b, sizeof a), 0);
    cr_assert_eq(memcmp(a, c, sizeof a), 0);
}

Test(keys, words)
{
    cr_assert_str_eq(key_word("ssh-ed25519"), "ED25519");
    cr_assert_str_eq(key_word("sk-ssh-ed25519@openssh.com"), "ED25519-SK");
    cr_assert_str_eq(key_word("ssh-rsa"), "RSA");
    cr_assert_str_eq(key_word("x\ny"), "UNKNOWN");
}
