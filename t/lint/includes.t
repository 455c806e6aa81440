#!/usr/bin/python3 -B
"""Who may include what: a process folder its own headers, base, the locks and messages; a library in the one folder it belongs to."""
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from lint import CODE, Tap, files, line_of, lint, process_of, read

LIBRARIES = {
    r"libssh/": ("sshd/session/",), r"openssl/": ("sshd/session/",),
    r"qrencode": ("store/stored/",), r"liboath/": ("store/stored/",),
    r"sqlite3": ("store/stored/",), r"sodium": ("store/stored/", "sshd/tool/"),
    r"archive": ("store/archive/",), r"nftables/": ("sandbox/filter/",),
    r"ini\.h": ("sshd/supervisor/",),
    r"fuse": ("quota/quotafs/",),
    r"histedit": ("sshd/prompt/",),
    r"seccomp\.h": ("sandbox/lock/policyc.c",),
    r"sys/capability\.h": ("sshd/supervisor/", "sandbox/launch/"),
}
# Headers between the rooms: messages, the locks, the gate, and the wire form of file attributes.
SHARED = re.compile(r"^(base/[^/]+\.h|(sshd|store|sandbox)/proto\.h|sandbox/lock/[^/]+\.h|quota/[^/]+\.h|sshd/attrs\.h|config\.h)$")


def check(tree):
    problems = []
    for path in files(tree):
        text = read(tree, path)
        own = process_of(path)
        for m in re.finditer(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"\n]+)[>"]', text, re.M):
            at = f"{path}:{line_of(text, m.start(2))}"
            kind, name = m.groups()
            if kind == '"':
                target = process_of(name)
                if target and target != own:
                    problems.append(f"{at}: includes {name}, which is {target}'s alone")
                elif not target and "/" in name and not SHARED.match(name) and os.path.dirname(name) != os.path.dirname(path):
                    problems.append(f"{at}: includes {name}; allowed: its own folder, base, proto.h, sandbox/lock")
                elif path.startswith("base/") and not name.startswith("base/") and name != "config.h":
                    problems.append(f"{at}: base includes {name}; it is a leaf")
            for library, homes in LIBRARIES.items():
                if re.match(library, name) and kind == "<" and not path.startswith(homes):
                    problems.append(f"{at}: includes <{name}>; allowed only in {' '.join(homes)}")
    return problems


SAMPLE = {
    "sshd/session/a.c": '#include "sshd/session/a.h"\n#include "base/msg.h"\n#include <libssh/libssh.h>\n'
                        '#include "sshd/files/worker.h" /* BAD */\n#include <sqlite3.h> /* BAD */\n#include "store/proto.h"\n',
    "sshd/files/b.c": '# include <libssh/server.h> /* BAD */\n#include <errno.h>\n#include "sandbox/lock/files.bpf.h"\n',
    "sshd/tool/t.c": '#include <seccomp.h> /* BAD */\n#include <linux/seccomp.h>\n#include <ini.h> /* BAD */\n',
    "base/c.c": '#include "base/msg.h"\n#include "store/proto.h" /* BAD */\n#include "quota/gate.h" /* BAD */\n',
    "store/archive/d.c": '#include <archive.h>\n#include <archive_entry.h>\n#include "store/stored/db.h" /* BAD */\n',
    "store/stored/e.c": '#include <archive.h> /* BAD */\n#include <sqlite3.h>\n',
    "sandbox/lock/policyc.c": '#include <seccomp.h>\n#include "sandbox/lock/symbols.h"\n',
}


def configured(tree):
    """What configure decides is no macro to who does not include config.h: the condition is silently false."""
    problems = []
    for path in files(tree, tops=CODE + ("t",)):
        text = read(tree, path)
        if '#include "config.h"' not in text:
            for m in re.finditer(r"^[ \t]*#[ \t]*(?:if|ifdef|ifndef|elif)\b.*\bSANITIZERS\b", text, re.M):
                problems.append(f"{path}:{line_of(text, m.start())}: asks for SANITIZERS without config.h")
    return problems


SAMPLE_CONFIGURED = {
    "t/unit/a.c": '#include "base/mem.h"\n#ifndef SANITIZERS /* BAD */\n#endif\n',
    "t/unit/b.c": '#include "config.h"\n#ifdef SANITIZERS\n#endif\n',
}

tap = Tap()
lint(tap, "no folder includes what is another's", check, SAMPLE)
lint(tap, "who asks what configure decided includes config.h", configured, SAMPLE_CONFIGURED)
tap.end()
