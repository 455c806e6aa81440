/* Patterns of what the admin hides, against paths. */
#include <criterion/criterion.h>

#include "base/attr.h"
#include "sshd/files/deny.h"

static const char *with(const char *(*question)(const struct deny *d, const char *path), const char *pattern, const char *path)
{
    struct deny *d = deny_new();
    deny_add(d, pattern);
    const char *found = question(d, path);
    if (found)
        cr_assert_str_eq(found, pattern);
    found = found ? pattern : NULL;
    deny_free(d);
    return found;
}

#define hides(pattern, path) cr_assert(with(deny_hides, pattern, path), "%s does not hide %s", pattern, path)
#define shows(pattern, path) cr_assert_null(with(deny_hides, pattern, path), "%s hides %s", pattern, path)
#define holds(pattern, path) cr_assert(with(deny_holds, pattern, path), "%s does not hold %s", pattern, path)
#define frees(pattern, path) cr_assert_null(with(deny_holds, pattern, path), "%s holds %s", pattern, path)

Test(deny, one_name_at_any_depth)
{
    hides("*.pem", "a.pem");
    hides("*.pem", "d/e/a.pem");
    hides("*.pem", "/a.pem/x/y");
    hides("*.pem", ".pem");
    hides("*", ".hidden");
    hides("secret", "d//./secret/");
    hides("[ab]c", "bc");
    hides("\\*", "*");
    hides("*.pem", "../x.pem");
    hides("d", "d/../x");
    shows("*.pem", "a.pem.txt");
    shows("*.pem", "a.PEM");
    shows("*.pem", "");
    shows("*", "");
    shows("secret", "secrets/secre");
    shows("\\*", "x");
    shows("??", "a/../b");
    shows(".*", "./a/..");
}

Test(deny, from_the_top)
{
    hides("keys/*.key", "keys/a.key");
    hides("keys/*.key", "keys/a.key/below/it");
    hides("/top", "top/x");
    hides("*/secret", "any/secret");
    hides("/a/b/c", "./a//b/c");
    shows("keys/*.key", "d/keys/a.key");
    shows("keys/*.key", "keys/d/a.key");
    shows("keys/*.key", "keys");
    shows("/top", "d/top");
    shows("*/secret", "a/b/secret");
    /* By words alone nobody knows where this is; the descriptor tells. */
    shows("keys/*.key", "x/../keys/a.key");
}

Test(deny, what_must_stay)
{
    holds("keys/*.key", "keys");
    holds("a/b/c", "a");
    holds("a/b/c", "a/b/");
    holds("*/b/c", "any");
    frees("a/b/c", "");
    frees("a/b/c", "a/b/c");
    frees("a/b/c", "b");
    frees("/top", "top");
    frees("*.pem", "d");
}

Test(deny, the_first_of_several_is_named)
{
    struct deny *d = deny_new();
    cr_assert_null(deny_hides(d, "x"), "none hides nothing");
    deny_add(d, "*.pem");
    deny_add(d, "keys/*.key");
    cr_assert_str_eq(deny_hides(d, "keys/a.key"), "keys/*.key");
    cr_assert_str_eq(deny_hides(d, "keys/a.pem"), "*.pem");
    cr_assert_str_eq(deny_holds(d, "keys"), "keys/*.key");
    cr_assert_null(deny_hides(d, "keys/a"));
    deny_free(d);
    deny_free(NULL);
}
