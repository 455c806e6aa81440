#!/usr/bin/python3 -B
"""Calls that are not made: those that cannot be made safe, and those that make a descriptor every child would inherit."""
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from lint import Tap, arguments, bare, files, line_of, lint, read

BANNED = {name: "use snprintf or a struct buf" for name in
          ("sprintf", "vsprintf", "strcpy", "strcat", "strncpy", "strncat", "stpcpy", "gets")}
BANNED.update({name: "fork and exec with an argument vector" for name in ("system", "popen")})
BANNED.update({name: "no environment is read" for name in ("getenv", "secure_getenv")})
BANNED.update({name: "the stack is not for sizes of others" for name in ("alloca", "__builtin_alloca", "strdupa", "strndupa")})
BANNED.update({"strtok": "keeps hidden state", "rand": "use getrandom", "srand": "use getrandom", "random": "use getrandom",
               "atoi": "cannot report an error", "atol": "cannot report an error", "atoll": "cannot report an error",
               "accept": "use accept4 with SOCK_CLOEXEC", "pipe": "use pipe2 with O_CLOEXEC", "dup": "use F_DUPFD_CLOEXEC",
               "epoll_create": "use epoll_create1", "inotify_init": "use inotify_init1", "vfork": "use fork", "mktemp": "use a memfd",
               "tmpnam": "use a memfd", "readdir_r": "use readdir"})
# The word one of which must stand among the arguments.
CLOEXEC = {
    "open": ("O_CLOEXEC",), "openat": ("O_CLOEXEC",), "pipe2": ("O_CLOEXEC",), "socket": ("SOCK_CLOEXEC",),
    "socketpair": ("SOCK_CLOEXEC",), "accept4": ("SOCK_CLOEXEC",), "epoll_create1": ("EPOLL_CLOEXEC",),
    "memfd_create": ("MFD_CLOEXEC",), "eventfd": ("EFD_CLOEXEC",), "signalfd": ("SFD_CLOEXEC",), "timerfd_create": ("TFD_CLOEXEC",),
    "inotify_init1": ("IN_CLOEXEC",), "open_tree": ("OPEN_TREE_CLOEXEC",), "fsopen": ("FSOPEN_CLOEXEC",), "fsmount": ("FSMOUNT_CLOEXEC",),
    "fopen": ("e\"",), "fdopen": (), "open_by_handle_at": ("O_CLOEXEC",), "mkostemp": ("O_CLOEXEC",),
}
NAMES = re.compile(r"(?<![\w.>])(" + "|".join(sorted(set(BANNED) | set(CLOEXEC), key=len, reverse=True)) + r")[ \t]*\(")


def check(tree):
    problems = []
    for path in files(tree):
        text = read(tree, path)
        code = bare(text)
        for m in NAMES.finditer(code):
            before = code[code.rfind("\n", 0, m.start()) + 1:m.start()]
            if re.match(r"[ \t]*#[ \t]*define", before) or re.search(r"\b(int|void|char|ssize_t|static)[ \t*]+$", before):
                continue    # a declaration of our own
            name, at = m.group(1), f"{path}:{line_of(code, m.start())}"
            if name in BANNED:
                problems.append(f"{at}: {name}: {BANNED[name]}")
            elif CLOEXEC[name]:
                # Strings are blanked in `code`; fopen's mode stands in the source.
                opening = m.end() - 1
                given = arguments(code, opening)
                given = text[opening + 1:opening + 1 + len(given)]
                if not any(word in given for word in CLOEXEC[name]):
                    problems.append(f"{at}: {name} without {' or '.join(CLOEXEC[name])}")
    return problems


SAMPLE = {
    "sshd/session/a.c": 'void f(char *d)\n{\n    sprintf(d, "x"); /* BAD */\n    snprintf(d, 1, "strcpy(");\n    /* strcat( */\n'
                        '    system ("ls"); /* BAD */\n    ops->system(1);\n    x.open("p");\n    my_open("p");\n'
                        '    open("p", O_RDONLY); /* BAD */\n    openat(fd, "p",\n           O_RDONLY | O_CLOEXEC);\n'
                        '    int n = atoi(d); /* BAD */\n    rand(); /* BAD */\n    fopen("p", "re");\n    fopen("p", "r"); /* BAD */\n'
                        '    socket(AF_UNIX, SOCK_STREAM, 0); /* BAD */\n}\nint open(int a);\n',
}

tap = Tap()
lint(tap, "no banned call, no descriptor without close-on-exec", check, SAMPLE)
tap.end()
