/* Prints the options for t/lint/options.t and for whoever renews the samples:
     options sample daemon|accounts|servers    the sample file, as it must stand in etc/
     options man daemon|accounts|servers       its part of holdfast.ini(5)
     options list                              SECTION, KEY, DEFAULT, UNIT and HELP between tabs */
#include <stdio.h>
#include <string.h>

#include "base/conf_table.h"

static const struct { const char *word, *name, *head;
} files[] = {
    [CONF_FILE_DAEMON] =
        {"daemon", "",
         "; holdfast.ini: the daemon.  Every option stands here with its default; take the ';' away to change one.\n"
         "; Sizes are 4096, 512M, 10G; times 250ms, 30s, 10m, 1h; ' ;' starts a comment, also behind a value.\n"
         "; holdfastd -t checks all files, holdfast reload applies them.  See holdfast.ini(5).\n"},
    [CONF_FILE_ACCOUNTS] =
        {"accounts", "alice",
         "; accounts.ini: accounts.  More of them may stand in accounts.d/*.ini.  See holdfast.ini(5).\n"},
    [CONF_FILE_SERVERS] = {"servers", "example",
                           "; servers.d/example.ini: one server; one file may hold several.  See holdfast.ini(5).\n"},
};

static void sample_option(const struct conf_option *o)
{
    printf("; %s (%s)%s\n", o->help, o->unit, o->def ? "" : "; must be given");
    const char *at = o->def ? o->def : "";
    do {
        size_t len = conf_types[o->type].many ? strcspn(at, " ") : strlen(at);
        printf(";%s =%s%.*s\n", o->key, len ? " " : "", (int)len, at);
        at += len + strspn(at + len, " ");
    } while (*at);
}

static void sample(enum conf_file file)
{
    printf("%s", files[file].head);
    for (size_t i = 0; i < conf_nsections; i++) {
        const struct conf_section *s = &conf_sections[i];
        size_t n;
        const struct conf_option *o = s->options(&n);
        if (s->file != file)
            continue;
        printf(s->named ? "\n;[%s %s]\n" : "\n[%s]\n", s->word, files[file].name);
        for (size_t j = 0; j < n; j++)
            sample_option(&o[j]);
    }
}

static void man_option(const struct conf_option *o)
{
    static const struct { const char *what, *words; } notes[] = {
        { NULL, "It must be given." }, { "", "There is none by default." },
    };
    printf(".It Cm %s No = Ar %s\n%c%s.\n", o->key, conf_types[o->type].name, o->help[0], o->help + 1);
    printf("Value: %s.\n", o->unit);
    if (o->def && o->def[0])
        printf("The default is\n.Ql %s .\n", o->def);
    else
        printf("%s\n", notes[o->def ? 1 : 0].words);
}

static void man(enum conf_file file)
{
    for (size_t i = 0; i < conf_nsections; i++) {
        const struct conf_section *s = &conf_sections[i];
        size_t n;
        const struct conf_option *o = s->options(&n);
        if (s->file != file)
            continue;
        printf(".Ss [%s%s]\n.Bl -tag -width Ds\n", s->word, s->named ? " NAME" : "");
        for (size_t j = 0; j < n; j++)
            man_option(&o[j]);
        printf(".El\n");
    }
}

static void list(void)
{
    for (size_t i = 0; i < conf_nsections; i++) {
        size_t n;
        const struct conf_option *o = conf_sections[i].options(&n);
        for (size_t j = 0; j < n; j++)
            printf("%s\t%s\t%s\t%s\t%s\n", conf_sections[i].word, o[j].key, o[j].def ? o[j].def : "must be given",
                   o[j].unit, o[j].help);
    }
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "list") == 0) {
        list();
        return 0;
    }
    for (size_t i = 0; argc == 3 && i < countof(files); i++) {
        if (strcmp(argv[2], files[i].word) != 0)
            continue;
        if (strcmp(argv[1], "sample") == 0)
            sample((enum conf_file)i);
        else if (strcmp(argv[1], "man") == 0)
            man((enum conf_file)i);
        else
            break;
        return 0;
    }
    fprintf(stderr, "usage: options list | sample|man daemon|accounts|servers\n");
    return 2;
}
