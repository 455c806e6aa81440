/* Names of an archive, before they are used. */
#include <criterion/criterion.h>
#include <string.h>

#include "base/attr.h"
#include "store/archive/path.h"

static char out[PATH_BYTES + 1];

Test(archive_path, is_relative_and_without_what_means_nothing)
{
    static const struct { const char *raw, *want; } rows[] = {
        { "usr/bin/env", "usr/bin/env" }, { "./usr/bin/env", "usr/bin/env" }, { "/usr/bin/env", "usr/bin/env" },
        { "//usr//bin///env//", "usr/bin/env" }, { "./././usr/./bin/.", "usr/bin" }, { "", "" }, { ".", "" }, { "./", "" }, { "///", "" },
        { "a\nb/c\rd", "a\nb/c\rd" }, { "...", "..." }, { "..a/b..", "..a/b.." }, { " ", " " }, { "\xff\xfe", "\xff\xfe" },
        { "a\\..\\b", "a\\..\\b" },
    };
    for (size_t i = 0; i < countof(rows); i++) {
        cr_assert_null(path_clean(rows[i].raw, out), "%s", rows[i].raw);
        cr_assert_str_eq(out, rows[i].want);
    }
}

Test(archive_path, never_goes_up)
{
    static const char *const rows[] = { "..", "../x", "/..", "a/..", "a/../b", "./..", "a/b/../../../x", "/../../etc/passwd", "x/.././y" };
    for (size_t i = 0; i < countof(rows); i++) {
        const char *why = path_clean(rows[i], out);
        cr_assert_not_null(why, "%s", rows[i]);
        cr_assert_not_null(strstr(why, "'..'"));
    }
}

static const char *many(const char *part, size_t n)
{
    static char raw[16384];
    size_t len = strlen(part);
    for (size_t i = 0; i < n; i++)
        memcpy(raw + i * len, part, len);
    raw[n * len] = '\0';
    return path_clean(raw, out);
}

Test(archive_path, has_bounds)
{
    cr_assert_null(many("x", PART_BYTES));
    cr_assert_not_null(many("x", PART_BYTES + 1));
    cr_assert_null(many("d/", PATH_DEPTH));
    cr_assert_not_null(strstr(many("d/", PATH_DEPTH + 1), "deep"));
    cr_assert_null(many("./", 5000), "what is left out has no length");
    /* 63 times 64 bytes and their slashes are 4095. */
    static const char part[] = "/pppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppp";
    cr_assert_null(many(part, 63));
    cr_assert_eq(strlen(out), 63 * (sizeof part - 1) - 1);
    cr_assert_not_null(strstr(many(part, 64), "4095"));
}

Test(archive_path, the_last_name)
{
    cr_assert_str_eq(path_name("a/b/c"), "c");
    cr_assert_str_eq(path_name("a"), "a");
    cr_assert_str_eq(path_name(""), "");
}
